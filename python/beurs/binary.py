"""The binary door of a running exchange: orders, reports and market data in messages of fixed size.

The door itself is in the compiled module, with a thread of its own; here it is opened where the settings say, for the
keys that sign. docs/reference/wire.md is its specification.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from beurs.config import Settings
from beurs.engine import Gateway, Node
from beurs.keys import KeyRing

OFF = "off"
LOOK_SECONDS: Final = 1.0
"""How often the door looks for new keys."""


def check(settings: Settings) -> None:
    """Looks whether the door can be opened, before anything else is. Raises OSError, which names the address."""
    if settings.binary == OFF or settings.binary.startswith("unix:"):
        return
    host, port = settings.binary.rsplit(":", 1)
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
        with socket.socket(found[0][0], socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found[0][4])
    except (OSError, OverflowError) as error:
        said = error.strerror if isinstance(error, OSError) else "there is no such port"
        raise OSError(f"{settings.binary}: {said}") from None


@contextmanager
def door(settings: Settings, node: Node, keys: KeyRing) -> Iterator[Gateway | None]:
    """Opens the door and closes it at the end: its sessions end, and what their ends cancel is canceled.

    None if it is off. Raises OSError, which names the address, when it cannot listen.
    """
    if settings.binary == OFF:
        yield None
        return
    gateway = Gateway(node, [settings.binary])
    stopping = threading.Event()
    watch = threading.Thread(target=_watch, args=(gateway, keys, stopping), name="beurs-door-keys", daemon=True)
    try:
        admit(gateway, keys)
        watch.start()
        yield gateway
    finally:
        stopping.set()
        if watch.ident is not None:
            watch.join()
        gateway.stop()


def _watch(gateway: Gateway, keys: KeyRing, stopping: threading.Event) -> None:
    """Admits keys that are made while the door is open: whoever logs on only shows the key's name."""
    admitted = dict(keys.signers)
    while not stopping.wait(LOOK_SECONDS):
        keys.look_again()
        if keys.signers != admitted:
            admitted = dict(keys.signers)
            admit(gateway, keys)


def admit(gateway: Gateway, keys: KeyRing) -> None:
    """Makes the keys that sign, and no others, those that may log on. Sessions of others end."""
    gateway.set_keys(
        [(trader.key_id, trader.account_id, trader.account, public, False) for public, trader in keys.signers.items()]
    )
