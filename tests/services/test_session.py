"""What happens to an account's orders when its client is gone: sessions and cancel-all-after."""

import asyncio
import json
import time
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from beurs.accounts.session import SessionEndpoint
from beurs.errors import NodeStopped, QueueFull
from beurs.keys import KeyRing, Trader, digest
from beurs.timestamps import parse_timestamp
from tests.services.conftest import Running, buy, sell
from tests.services.test_orders import error_of
from tests.waiting import WAIT_SECONDS_MAX


def session(running: Running, account: str | None = "alice") -> ClientConnection:
    headers = {} if account is None else {"X-API-Key": running.exchange.demo_keys[account]}
    return connect(
        f"ws://127.0.0.1:{running.port}/ws/session",
        additional_headers=headers,
        compression=None,
        open_timeout=WAIT_SECONDS_MAX,
    )


def told(connection: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(connection.recv(WAIT_SECONDS_MAX))
    return message


def say(connection: ClientConnection, **message: Any) -> dict[str, Any]:
    connection.send(json.dumps(message))
    return told(connection)


def gone(client: httpx.Client, seconds: float = WAIT_SECONDS_MAX) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if client.get("/v1/orders").json()["orders"] == []:
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("how", ["close", "cut off"])
def test_the_orders_go_when_the_connection_goes(
    running: Running, alice: httpx.Client, bob: httpx.Client, how: str
) -> None:
    with session(running) as connection:
        assert told(connection) == {"type": "session", "account": "alice", "cancel_on_disconnect": True}
        order_id = alice.post("/v1/orders", json=buy()).json()["order_id"]
        alice.post("/v1/orders", json=sell(None, order_type="stop", trigger_price="50")).raise_for_status()
        bob.post("/v1/orders", json=sell("200")).raise_for_status()
        assert say(connection, op="ping", id="7") == {"type": "pong", "id": "7"}
        assert len(alice.get("/v1/orders").json()["orders"]) == 2
        if how == "close":
            connection.close()
        else:
            connection.socket.close()
        assert gone(alice)
    assert alice.get(f"/v1/orders/{order_id}").json()["cancel_reason"] == "disconnected"
    assert len(bob.get("/v1/orders").json()["orders"]) == 1


def test_a_key_may_come_in_the_first_message(running: Running, alice: httpx.Client) -> None:
    with session(running, None) as connection:
        assert say(connection, op="ping") == {"type": "pong"}
        key = running.exchange.demo_keys["alice"]
        begun = say(connection, op="session", api_key=key, cancel_on_disconnect=False, id="1")
        assert begun == {"type": "session", "account": "alice", "cancel_on_disconnect": False, "id": "1"}
        alice.post("/v1/orders", json=buy()).raise_for_status()
        again = say(connection, op="session", api_key=key)
        assert (again["error"]["code"], again["error"]["field"]) == ("invalid_value", "api_key")
    assert not gone(alice, 0.3)
    with session(running) as connection:
        told(connection)
        assert not say(connection, op="session", cancel_on_disconnect=False)["cancel_on_disconnect"]
        assert say(connection, op="session", cancel_on_disconnect=True)["cancel_on_disconnect"]
    assert gone(alice)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"op": "session"}, "missing_api_key"),
        ({"op": "session", "api_key": "beurs_x"}, "invalid_api_key"),
    ],
)
def test_who_shows_no_key_is_sent_away(running: Running, message: dict, code: str) -> None:
    with session(running, None) as connection:
        assert say(connection, **message)["error"]["code"] == code
        with pytest.raises(ConnectionClosed) as closed:
            connection.recv(WAIT_SECONDS_MAX)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


def test_a_bad_message_is_refused(running: Running) -> None:
    with session(running) as connection:
        told(connection)
        assert say(connection, op="subscribe")["error"]["code"] == "invalid_value"
        assert say(connection, op="ping", more=1)["error"]["code"] == "unknown_field"
        assert say(connection, op="session", cancel_on_disconnect="no")["error"]["code"] == "invalid_type"
        connection.send("{")
        assert told(connection)["error"]["code"] == "malformed_json"
        with pytest.raises(ConnectionClosed):
            connection.recv(WAIT_SECONDS_MAX)


def test_a_key_that_stands_twice_is_refused(running: Running) -> None:
    with session(running) as connection:
        told(connection)
        connection.send('{"op":"session","cancel_on_disconnect":true,"cancel_on_disconnect":false}')
        error = told(connection)["error"]
        assert (error["code"], error["field"]) == ("malformed_json", "cancel_on_disconnect")
        with pytest.raises(ConnectionClosed) as closed:
            connection.recv(WAIT_SECONDS_MAX)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1007


class _Busy:
    """A sequencer whose queue is full at first."""

    def __init__(self) -> None:
        self.refusals = 3
        self.commands: list[bytes] = []

    def submit(self, command: bytes) -> Any:
        if self.refusals:
            self.refusals -= 1
            raise QueueFull("full")
        self.commands.append(command)
        answer = asyncio.get_running_loop().create_future()
        answer.set_exception(NodeStopped("stopped"))
        return answer


async def _talk(endpoint: SessionEndpoint, headers: list[tuple[bytes, bytes]]) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    first = True

    async def receive() -> dict[str, Any]:
        nonlocal first
        if first:
            first = False
            return {"type": "websocket.connect"}
        await asyncio.sleep(3600)
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    await endpoint({"type": "websocket", "headers": headers}, receive, send)  # type: ignore[arg-type]
    return said


async def test_who_says_nothing_is_sent_away() -> None:
    endpoint = SessionEndpoint(_Busy(), KeyRing(), authentication_seconds_max=0.01)  # type: ignore[arg-type]
    said = await _talk(endpoint, [])
    assert json.loads(said[1]["text"])["error"]["code"] == "missing_api_key"
    assert said[2]["code"] == 1008


async def test_a_full_queue_does_not_keep_the_orders() -> None:
    ring, busy = KeyRing(), _Busy()
    ring.add(digest("k"), Trader(2, "alice"))
    endpoint = SessionEndpoint(busy, ring)  # type: ignore[arg-type]
    task = asyncio.create_task(_talk(endpoint, [(b"x-api-key", b"k")]))
    await asyncio.sleep(0.01)
    assert endpoint.count == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await endpoint.drain()
    assert len(busy.commands) == 1


# Cancel-all-after.


def test_cancel_all_after_cancels_when_it_is_not_renewed(timeless: Running) -> None:
    node = timeless.exchange.node
    with timeless.client("alice") as alice:
        order_id = alice.post("/v1/orders", json=buy()).json()["order_id"]
        report = alice.post("/v1/account/cancel-all-after", json={"timeout_ms": 60_000}).json()
        assert parse_timestamp(report["deadline"]) == parse_timestamp(report["timestamp"]) + 60_000_000_000
        report = alice.post("/v1/account/cancel-all-after", json={"timeout_ms": 200}).json()
        node.set_time(parse_timestamp(report["deadline"]) - 1)
        assert len(alice.get("/v1/orders").json()["orders"]) == 1
        node.set_time(parse_timestamp(report["deadline"]))
        assert alice.get("/v1/orders").json()["orders"] == []
        assert alice.get(f"/v1/orders/{order_id}").json()["cancel_reason"] == "cancel_all_after"


def test_cancel_all_after_is_disarmed(timeless: Running) -> None:
    with timeless.client("alice") as alice:
        alice.post("/v1/orders", json=buy()).raise_for_status()
        report = alice.post("/v1/account/cancel-all-after", json={"timeout_ms": 200}).json()
        assert alice.post("/v1/account/cancel-all-after", json={"timeout_ms": 0}).json()["deadline"] is None
        timeless.exchange.node.set_time(2 * parse_timestamp(report["deadline"]))
        assert len(alice.get("/v1/orders").json()["orders"]) == 1


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "missing_field", "timeout_ms"),
        ({"timeout_ms": -1}, "invalid_timeout", "timeout_ms"),
        ({"timeout_ms": 86_400_001}, "invalid_timeout", "timeout_ms"),
        ({"timeout_ms": "5"}, "invalid_type", "timeout_ms"),
        ({"timeout_ms": 1.5}, "invalid_type", "timeout_ms"),
        ({"timeout": 1}, "unknown_field", "timeout"),
    ],
)
def test_a_bad_timeout_is_named(alice: httpx.Client, body: dict, code: str, field: str) -> None:
    assert error_of(alice.post("/v1/account/cancel-all-after", json=body)) == (422, code, field)
