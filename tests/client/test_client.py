"""Both clients over real sockets, against a door that loses connections."""

import asyncio
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from beurs.client import AsyncClient, Client
from beurs.client.messages import SessionReason
from beurs.errors import ClientError, ConnectionLost, InputError, NotFound, OrderRejected, QueueFull, SessionRefused
from tests.client.door import Door, listening
from tests.client.peer import KEY

SECONDS = 120
"""How long anything may take before a test gives up; nothing is expected to."""


@pytest.fixture
def door() -> Iterator[Door]:
    with listening(Door()) as door:
        yield door


def test_an_order_in_a_thread(door: Door) -> None:
    with Client(door.address, KEY, keep_reports=10) as client:
        assert (client.account, client.connected, client.position) == ("alice", True, None)
        result = client.submit("BTC-USD", "buy", "0.5", price="100.02", client_order_id="mine").result(SECONDS)
        assert (result.status, result.reports[0].price, result.reports[0].quantity) == ("new", "100.02", "0.5")
        report = client.reports.next().result(SECONDS)
        assert report == result.reports[0]
        assert client.position == (11, 0)
        with pytest.raises(OrderRejected, match="duplicate_client_order_id"):
            client.submit("BTC-USD", "buy", "0.5", price="100.02", client_order_id="mine").result(SECONDS)
        assert client.open_orders().result(SECONDS) == []
        assert [listed.symbol for listed in client.instruments().result(SECONDS)] == ["BTC-USD"]
    with pytest.raises(ConnectionLost, match="closed"):
        client.submit("BTC-USD", "buy", "1", price="1")
    assert [report.sequence for report in client.reports] == [12]


async def test_orders_in_an_event_loop(door: Door) -> None:
    async with AsyncClient(door.address, KEY, keep_reports=1_000) as client:
        replies = [client.submit("BTC-USD", "sell", "1", price=f"{number}.02") for number in range(1, 101)]
        with pytest.raises(ClientError, match="awaited"):
            replies[-1].result()
        results = [await reply for reply in replies]
        assert [result.order_id for result in results] == sorted({result.order_id for result in results})
        reports = [await client.reports.next() for _ in range(100)]
        assert [report.order_id for report in reports] == [result.order_id for result in results]
        timer = await client.cancel_all_after(1_000_000)
        assert timer.deadline_ns == 1_000_000
    assert [type(report).__name__ async for report in client.reports] == ["CancelAllAfterSet"]


def test_over_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "door"
    with listening(Door(), path):
        for address in (path, f"unix:{path}", str(path)):
            with Client(address, KEY) as client:
                assert client.account == "alice"


def test_what_cannot_be_meant_is_refused_before_it_is_sent(door: Door) -> None:
    with Client(door.address, KEY) as client:
        for wrong in ({"price": "0.001"}, {"price": "1", "client_order_id": "with space"}, {"price": "x"},
                      {"price": "1", "peg": "odd"}, {"price": "0", "order_type": "market"}):  # fmt: skip
            with pytest.raises(InputError):
                client.submit("BTC-USD", "buy", "1", **wrong)
        with pytest.raises(TypeError):
            client.submit("BTC-USD", "buy", 1.5, price="1")  # type: ignore[arg-type]
        with pytest.raises(NotFound):
            client.submit("BTC-EUR", "buy", "1", price="1")
        with pytest.raises(InputError, match="symbol: must be given"):
            client.replace(5, price="1")
        order = {"symbol": "BTC-USD", "side": "buy", "quantity": "1"}
        with pytest.raises(InputError, match="cannot be said of the orders of a list"):
            client.submit_list("oco", [order | {"peg": "primary"}, order | {"price": "1"}])
        with pytest.raises(NotFound):
            client.book("BTC-USD")
        assert door.journal == []
    for address in ("nowhere", "host:", "host:x", "host:99999"):
        with pytest.raises(InputError, match="address"):
            Client(address, KEY)
    with pytest.raises(InputError, match="heartbeat_interval_ms"):
        Client(door.address, KEY, heartbeat_interval_ms=99)


def test_who_is_not_let_in_is_told_why(door: Door) -> None:
    with pytest.raises(SessionRefused, match="authentication_failed"):
        Client(door.address, Ed25519PrivateKey.generate()).open()
    door.refuse = SessionReason.TOO_MANY_SESSIONS
    with pytest.raises(SessionRefused, match="too_many_sessions"):
        Client(door.address, KEY).open()
    with pytest.raises(ConnectionLost):
        Client("127.0.0.1:1", KEY).open()


async def test_an_event_loop_is_told_as_well(door: Door) -> None:
    with pytest.raises(SessionRefused, match="authentication_failed"):
        await AsyncClient(door.address, Ed25519PrivateKey.generate()).open()
    with pytest.raises(ConnectionLost):
        await AsyncClient("127.0.0.1:1", KEY).open()


@pytest.mark.parametrize("seed", range(4))
def test_whenever_connections_are_lost_each_order_has_one_effect_and_each_report_comes_once(seed: int) -> None:
    """On average every fortieth frame is where a connection ends, on either side of the order's execution."""
    chance = random.Random(seed)
    lossy = threading.Event()
    with listening(Door(lambda: lossy.is_set() and chance.random() < 0.025)) as door:
        with Client(door.address, KEY, keep_reports=100_000, reconnect_seconds_max=SECONDS) as client:
            lossy.set()
            replies = [
                client.submit("BTC-USD", "buy", "1", price=f"1.{10 + number % 90}", client_order_id=f"n{number}")
                for number in range(300)
            ]
            results = [reply.result(SECONDS) for reply in replies]
            lossy.clear()
            client.cancel_all_after(0).result(SECONDS)
            reports = [client.reports.next().result(SECONDS) for _ in range(len(door.journal))]
        assert len(door.effects) == 300
        assert [result.order_id for result in results] == [door.effects[f"n{number}"] for number in range(300)]
        for number, result in enumerate(results):
            kinds = [report.exec_type for report in result.reports]
            assert kinds == (["new", "canceled"] if number % 2 else ["new"])
        assert [report.sequence for report in reports] == [sequence for sequence, _, _ in door.journal]
        assert len(client.reports) == 0
        assert client.resumed > 3


def test_a_second_client_begins_where_the_first_one_was(door: Door) -> None:
    with Client(door.address, KEY, keep_reports=100) as client:
        for number in range(1, 6):
            client.submit("BTC-USD", "buy", "1", price=f"{number}.01").result(SECONDS)
        taken = [client.reports.next().result(SECONDS) for _ in range(3)]
        position = client.position
    assert position == (12, 0)
    with Client(door.address, KEY, keep_reports=100, resume_from=position) as client:
        rest = [client.reports.next().result(SECONDS) for _ in range(7)]
    assert [report.sequence for report in taken + rest] == [sequence for sequence, _, _ in door.journal]


def test_who_takes_no_reports_is_not_drowned_in_them(door: Door) -> None:
    with Client(door.address, KEY, keep_reports=10) as slow, Client(door.address, KEY) as client:
        for number in range(1, 501):
            client.submit("BTC-USD", "buy", "1", price=f"{number}.02").result(SECONDS)
        # A read may bring a few more than the bound; afterwards nothing is read.
        reports = [slow.reports.next().result(SECONDS) for _ in range(500)]
        assert [report.sequence for report in reports] == [sequence for sequence, _, _ in door.journal]


def test_a_reply_can_be_waited_for_again(door: Door) -> None:
    with Client(door.address, KEY, keep_reports=10) as client:
        waiting = client.reports.next()
        with pytest.raises(TimeoutError):
            waiting.result(0.01)
        assert client.reports.next() is waiting
        result = client.submit("BTC-USD", "buy", "1", price="1").result(SECONDS)
        assert client.reports.next().result(SECONDS) == result.reports[0]
        assert client.reports.next() is not waiting


def test_without_a_new_connection_everything_ends_with_an_error() -> None:
    with listening(Door()) as door:
        client = Client(door.address, KEY, reconnect_seconds_max=0, pending_max=2)
        client.open()
        client.submit("BTC-USD", "buy", "1", price="1").result(SECONDS)
        waiting = client.reports.next()
        door.drop()
        with pytest.raises(ConnectionLost, match="no session"):
            waiting.result(SECONDS)
        with pytest.raises(ConnectionLost):
            client.submit("BTC-USD", "buy", "1", price="1")
        client.close()


def test_more_requests_than_may_wait_are_refused(door: Door) -> None:
    with Client(door.address, KEY, pending_max=5) as client:
        stopped = threading.Event()
        door.loop.call_soon_threadsafe(stopped.wait, SECONDS)
        replies = [client.submit("BTC-USD", "buy", "1", price="1.02") for _ in range(5)]
        with pytest.raises(QueueFull):
            client.submit("BTC-USD", "buy", "1", price="1.02")
        stopped.set()
        assert {reply.result(SECONDS).status for reply in replies} == {"new"}


def test_a_callback_gets_every_report_and_may_fail(door: Door) -> None:
    seen = []

    def note(report: object) -> None:
        seen.append(report)
        raise RuntimeError("not our fault")

    with Client(door.address, KEY, on_report=note) as client:
        results = [client.submit("BTC-USD", "buy", "1", price="1").result(SECONDS) for _ in range(3)]
        assert [report for result in results for report in result.reports] == seen


async def test_many_tasks_share_one_client(door: Door) -> None:
    async with AsyncClient(door.address, KEY) as client:

        async def trade(name: str) -> list[int]:
            return [
                (await client.submit("BTC-USD", "buy", "1", price="1", client_order_id=f"{name}-{number}")).order_id
                for number in range(20)
            ]

        ids = await asyncio.gather(*(trade(name) for name in "abcdefgh"))
    assert len({order_id for each in ids for order_id in each}) == 160
