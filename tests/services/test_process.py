"""The exchange as a process: signals, restarts, being killed under load."""

import asyncio
import itertools
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from beurs.engine import Node
from tests.services.conftest import buy
from tests.waiting import WAIT_SECONDS_MAX, until, until_async


class Process:
    """`beurs serve` on a data directory."""

    COMMAND = ("-m", "beurs.app")

    def __init__(self, directory: Path, *, port: int = 0, **settings: str) -> None:
        self.directory = directory
        variables = {"BEURS_DATA_DIRECTORY": str(directory), "BEURS_DEMO": "true", "BEURS_SIMULATOR": "false"}
        variables["BEURS_BINARY"] = "127.0.0.1:0"
        variables |= {"BEURS_STORE_WAIT_SECONDS_MAX": str(WAIT_SECONDS_MAX)}
        variables |= {"BEURS_PORT": str(port), **{f"BEURS_{name.upper()}": value for name, value in settings.items()}}
        clean = {name: value for name, value in os.environ.items() if not name.startswith("BEURS_")}
        self.log = directory.parent / f"{directory.name}.log"
        self.errors = self.log.open("a")
        self.process = subprocess.Popen(
            [sys.executable, *self.COMMAND],
            env=clean | variables,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        self.said = ""

    def wait_until_open(self) -> str:
        """Its address, once it has said that it is open."""
        assert self.process.stdout is not None
        while "Ctrl-C" not in self.said:
            line = self.process.stdout.readline()
            assert line, self.log.read_text()
            self.said += line
        found = re.search(r"open at (\S+)", self.said)
        assert found is not None
        return found.group(1)

    def key(self, account: str = "alice") -> dict[str, str]:
        """The headers with a demo account's key."""
        return {"X-API-Key": json.loads((self.directory / "demo-keys.json").read_text())[account]}

    def end(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal; the exit status."""
        self.process.send_signal(number)
        return self.process.wait(WAIT_SECONDS_MAX)


@contextmanager
def running(directory: Path, **settings: str) -> Iterator[tuple[Process, httpx.Client]]:
    process = Process(directory, **settings)
    try:
        url = process.wait_until_open()
        with httpx.Client(base_url=url, headers=process.key(), timeout=WAIT_SECONDS_MAX) as client:
            yield process, client
    finally:
        if process.process.poll() is None:
            process.process.kill()
            process.process.wait(WAIT_SECONDS_MAX)
        process.errors.close()


def digest(directory: Path) -> str:
    """The state in a data directory that nobody uses."""
    node = Node(str(directory))
    try:
        return node.digest()
    finally:
        node.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly_and_it_goes_on_where_it_stopped(tmp_path: Path, number: int) -> None:
    data = tmp_path / "data"
    with running(data) as (process, client):
        entered = client.post("/v1/orders", json=buy("100", "2", client_order_id="kept")).json()
        client.post("/v1/orders", json=buy("101", "1")).raise_for_status()
        closed = client.post("/v1/orders", json=buy("99", "1")).json()
        client.delete(f"/v1/orders/{closed['order_id']}").raise_for_status()
        balances = client.get("/v1/account/balances").json()
        orders = client.get("/v1/orders").json()
        sequence = client.get("/stats").json()["sequence"]
        assert process.end(number) == 0
    log = process.log.read_text()
    assert "Traceback" not in log
    # A checkpoint was written, so that nothing has to be replayed.
    node = Node(str(data))
    assert node.sequence == sequence
    assert node.stats()["recovered_checkpoint_sequence"] == sequence
    node.close()
    with running(data) as (process, client):
        assert client.get("/v1/account/balances").json() == balances
        assert client.get("/v1/orders").json() == orders
        assert client.get("/v1/orders/client:kept").json()["order_id"] == entered["order_id"]
        assert client.get(f"/v1/orders/{closed['order_id']}").json()["status"] == "canceled"
        after = client.post("/v1/orders", json=buy()).json()
        assert after["sequence"] == sequence + 1
        assert int(after["order_id"]) == int(closed["order_id"]) + 1
        again = client.post("/v1/orders", json=buy(client_order_id="kept"))
        assert again.json()["error"]["code"] == "duplicate_client_order_id"
        assert process.end() == 0


def test_what_it_prints_can_be_pasted(tmp_path: Path) -> None:
    with running(tmp_path / "data") as (process, _):
        line = next(line.strip() for line in process.said.splitlines() if "curl" in line)
        # The shell's own splitting, without the shell.
        command = shlex.split(line)
        done = subprocess.run([*command, "-w", "\n%{http_code}"], capture_output=True, text=True, check=True)
        report, status = done.stdout.rsplit("\n", 1)
        assert status == "201"
        assert json.loads(report)["status"] in ("new", "partially_filled", "filled")
        for account in ("alice", "bob"):
            assert process.key(account)["X-API-Key"] in process.said
        assert (tmp_path / "data" / "demo-keys.json").stat().st_mode & 0o777 == 0o600
        assert process.end() == 0
        first = process.key()
    with running(tmp_path / "data") as (process, _):
        assert process.key() == first
        assert process.end() == 0
    log = process.log.read_text()
    assert first["X-API-Key"] not in log


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=WAIT_SECONDS_MAX).close()
    except OSError:
        return False
    return True


def test_requests_under_way_are_answered_at_the_end(tmp_path: Path) -> None:
    with running(tmp_path / "data", shutdown_seconds_max=str(WAIT_SECONDS_MAX)) as (process, client):
        body = json.dumps(buy()).encode()
        host, port = client.base_url.host, client.base_url.port
        assert port is not None
        with socket.create_connection((host, port), timeout=WAIT_SECONDS_MAX) as connection:
            headers = process.key() | {
                "Host": "x",
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                "Expect": "100-continue",
            }
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            connection.sendall(f"POST /v1/orders HTTP/1.1\r\n{head}\r\n".encode() + body[:10])
            # Now the server waits for the rest.
            assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
            process.process.send_signal(signal.SIGTERM)
            until(lambda: not _listens(host, port))
            connection.sendall(body[10:])
            answer = b""
            while part := connection.recv(65_536):
                answer += part
        assert answer.startswith(b"HTTP/1.1 201")
        assert process.process.wait(WAIT_SECONDS_MAX) == 0


def test_a_second_server_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    with running(tmp_path / "data") as (process, _):
        second = Process(tmp_path / "data")
        assert second.process.wait(WAIT_SECONDS_MAX) != 0
        second.errors.close()
        assert process.end() == 0


def test_a_request_that_does_not_arrive_is_ended(tmp_path: Path) -> None:
    with running(tmp_path / "data", body_seconds_max="1") as (process, client):
        assert client.base_url.port is not None
        for begun in (b"", b"POST /v1/orders HT", b"POST /v1/orders HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"):
            with socket.create_connection(
                (client.base_url.host, client.base_url.port), timeout=WAIT_SECONDS_MAX
            ) as connection:
                connection.sendall(begun)
                answer = connection.recv(65_536)
                assert answer.startswith(
                    b"HTTP/1.1 408" if not begun.endswith(b"{") else (b"HTTP/1.1 408", b"HTTP/1.1 401")
                )
        assert process.end() == 0


async def _load(
    client: httpx.AsyncClient, headers: dict[str, str], acknowledged: dict[str, dict[str, Any]], name: str
) -> None:
    """Enters orders until the server is gone."""
    for number in itertools.count():
        body = buy(f"{100 + number % 50}.00", "0.1", client_order_id=f"{name}-{number}")
        if number % 3 == 0:
            body["side"] = "sell"
        try:
            answer = await client.post("/v1/orders", json=body, headers=headers)
        except httpx.HTTPError:
            return
        assert answer.status_code == 201, answer.text
        acknowledged[body["client_order_id"]] = answer.json()


async def _until_killed(process: Process, url: str, run: int, count: int) -> dict[str, dict[str, Any]]:
    """What was acknowledged until the server was killed, soon after `count` orders."""
    acknowledged: dict[str, dict[str, Any]] = {}
    async with httpx.AsyncClient(base_url=url, timeout=WAIT_SECONDS_MAX) as client:
        loads = [
            asyncio.create_task(_load(client, process.key(account), acknowledged, f"{run}-{place}"))
            for place, account in enumerate(("alice", "bob") * 8)
        ]
        await until_async(lambda: len(acknowledged) >= count or any(load.done() for load in loads))
        assert not any(load.done() for load in loads)
        process.process.kill()
        await asyncio.gather(*loads)
    return acknowledged


def test_killed_under_load_every_acknowledged_order_is_there(tmp_path: Path) -> None:
    data = tmp_path / "data"
    acknowledged: dict[str, dict[str, Any]] = {}
    rounds = 20 if os.environ.get("BEURS_TEST_LONG") else 3
    for number in range(rounds):
        with running(data) as (process, client):
            new = asyncio.run(_until_killed(process, str(client.base_url), number, 100 + 137 * number % 500))
        assert not set(new) & set(acknowledged)
        acknowledged |= new
    assert len({report["order_id"] for report in acknowledged.values()}) == len(acknowledged)
    assert len({report["sequence"] for report in acknowledged.values()}) == len(acknowledged)
    before = digest(data)
    with running(data) as (process, client):
        listed: dict[str, dict[str, Any]] = {}
        for account in ("alice", "bob"):
            cursor = None
            while True:
                parameters = {"status": "all", "limit": "1000"} | ({"cursor": cursor} if cursor else {})
                page = client.get("/v1/orders", params=parameters, headers=process.key(account)).json()
                for order in page["orders"]:
                    # None twice: neither an id nor a client's id comes back again.
                    assert order["client_order_id"] not in listed
                    listed[order["client_order_id"]] = order
                cursor = page["next_cursor"]
                if cursor is None:
                    break
        assert {name: listed[name]["order_id"] for name in acknowledged} == {
            name: report["order_id"] for name, report in acknowledged.items()
        }
        for name, report in acknowledged.items():
            for at in ("symbol", "side", "price", "quantity"):
                assert listed[name][at] == report[at]
        assert process.end() == 0
    assert digest(data) == before
