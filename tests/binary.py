"""The binary door for tests: over a node in this process, and as a part of the server as a process."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from beurs import Exchange, engine


class Gate:
    """A gateway over a node, whose keys a test adds while it runs."""

    def __init__(self, ex: Exchange) -> None:
        self._accounts = {account.code: account.account_id for account in ex.accounts()}
        self._keys: list[tuple[int, int, str, bytes, bool]] = []
        self.gateway = engine.Gateway(ex.node, ["127.0.0.1:0"])
        self.address: str = self.gateway.addresses[0]

    def add_key(self, public: bytes, account: str, key_id: int) -> None:
        """Makes a key valid."""
        self._keys.append((key_id, self._accounts[account], account, public, False))
        self.gateway.set_keys(self._keys)


@contextmanager
def gateway(ex: Exchange) -> Iterator[Gate]:
    """A gateway on any free port."""
    gate = Gate(ex)
    try:
        yield gate
    finally:
        gate.gateway.stop()


class Server:
    """`beurs serve` with the demo's accounts, without its simulator."""

    def __init__(self, directory: Path, binary: str = "127.0.0.1:0") -> None:
        self.directory = directory
        self._binary = binary
        self._log = directory.parent / f"{directory.name}.log"
        self.address = ""

    def start(self) -> None:
        """Starts it and waits until it is open."""
        variables = {
            "BEURS_DATA_DIRECTORY": str(self.directory),
            "BEURS_DEMO": "true",
            "BEURS_SIMULATOR": "false",
            "BEURS_PORT": "0",
            "BEURS_BINARY": self._binary,
        }
        clean = {name: value for name, value in os.environ.items() if not name.startswith("BEURS_")}
        with self._log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "beurs.app"],
                env=clean | variables,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        said = ""
        assert self.process.stdout is not None
        while "Ctrl-C" not in said:
            line = self.process.stdout.readline()
            assert line, self._log.read_text()
            said += line
        found = re.search(r"binary door\s+(\S+)", said)
        assert found is not None, said
        self.address = found.group(1)

    def key(self, account: str) -> str:
        """The file with a demo account's key."""
        return str(self.directory / f"{account}.pem")

    def kill(self) -> None:
        """Ends it as a power failure would; twice is once."""
        self.process.kill()
        self.process.wait(60)

    def end(self) -> int:
        """Stops it; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
