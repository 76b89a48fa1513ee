"""The client against the real server as a process: over TCP and a Unix socket, killed, paused, slow and dead."""

import asyncio
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from beurs import Exchange
from beurs.client import AsyncClient, Client
from beurs.errors import OrderRejected
from beurs.reports import ExecutionReport
from tests.binary import Server

SECONDS = 120
"""How long anything may take before a test gives up; nothing is expected to."""
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server with the demo's accounts for all tests that leave it alive."""
    with Server(tmp_path_factory.mktemp("server") / "data") as server:
        yield server


def resting(client: Client, name: str, number: int) -> Any:
    """An order of a dollar that nobody trades with."""
    price = f"{10_000 + number % 1_000}.00"
    return client.submit("BTC-USD", "buy", "0.0001", price=price, client_order_id=f"{name}-{number}")


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_trade_and_its_book(tmp_path: Path, kind: str) -> None:
    with Server(tmp_path / "data", "127.0.0.1:0" if kind == "tcp" else f"unix:{tmp_path / 'door'}") as server:
        assert server.address.startswith("unix:") == (kind == "unix")
        with (
            Client(server.address, server.key("alice"), keep_reports=100) as alice,
            Client(server.address, server.key("bob"), keep_market_data=1_000) as bob,
        ):
            bob.subscribe("ETH-BTC", depth=5).result(SECONDS)
            sold = alice.submit("ETH-BTC", "sell", "0.5", price="0.05").result(SECONDS)
            bought = bob.submit("ETH-BTC", "buy", "0.2", price="0.06", time_in_force="ioc").result(SECONDS)
            (fill,) = bought.trades
            assert (fill.last_price, fill.last_quantity, fill.liquidity) == ("0.05", "0.2", "taker")
            told = [alice.reports.next().result(SECONDS) for _ in range(2)]
            assert [(report.exec_type, report.order_id) for report in told] == [
                ("new", sold.order_id),
                ("trade", sold.order_id),
            ]
            (left,) = alice.open_orders().result(SECONDS)
            assert (left.leaves_quantity, left.filled_quantity) == ("0.3", "0.2")
            until(lambda: (book := bob.book("ETH-BTC")) is not None and [a.quantity for a in book.asks] == ["0.3"])
            assert alice.cancel(sold.order_id).result(SECONDS).leaves_quantity == "0"
            until(lambda: (book := bob.book("ETH-BTC")) is not None and book.asks == [])
            assert {"BTC", "ETH", "USD"} == {balance.asset for balance in alice.balances().result(SECONDS)}


def until(what: Any) -> None:
    """Waits for it."""
    end = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


async def test_in_an_event_loop(server: Server) -> None:
    async with AsyncClient(server.address, server.key("alice")) as client:
        replies = [client.submit("BTC-USD", "buy", "0.0001", price="10000") for _ in range(500)]
        assert len({(await reply).order_id for reply in replies}) == 500
        assert len(await client.mass_cancel("BTC-USD", "buy")) == 500


def test_what_a_second_session_does_the_first_is_told(server: Server) -> None:
    with (
        Client(server.address, server.key("alice"), keep_reports=10) as first,
        Client(server.address, server.key("alice"), cancel_on_disconnect=True) as second,
    ):
        entered = second.submit("BTC-USD", "buy", "0.0001", price="10000").result(SECONDS)
        second.close()
        told = [first.reports.next().result(SECONDS) for _ in range(2)]
        assert [report.order_id for report in told if isinstance(report, ExecutionReport)] == [entered.order_id] * 2
        assert (told[1].exec_type, told[1].cancel_reason) == ("canceled", "disconnected")


def test_resent_and_reordered_requests_have_one_effect(server: Server) -> None:
    """Two clients of one account send the same orders, one in order and one in any; each is entered once."""
    count, chance = 1_000, random.Random(5)
    shuffled = list(range(count))
    chance.shuffle(shuffled)
    with Client(server.address, server.key("bob")) as first, Client(server.address, server.key("bob")) as second:
        replies = []
        for number, other in zip(range(count), shuffled, strict=True):
            replies += [(number, resting(first, "twice", number)), (other, resting(second, "twice", other))]
        entered: Counter[int] = Counter()
        for number, reply in replies:
            try:
                reply.result(SECONDS)
                entered[number] += 1
            except OrderRejected as refused:
                assert refused.code == "duplicate_client_order_id"
        assert entered == dict.fromkeys(range(count), 1)
        assert len(first.mass_cancel().result(SECONDS)) == count


def test_a_client_that_does_not_read_slows_nobody(server: Server) -> None:
    """It is subscribed to all of its account's reports and takes none; others go on."""
    with (
        Client(server.address, server.key("alice"), keep_reports=1) as stuck,
        Client(server.address, server.key("alice")) as lively,
        Client(server.address, server.key("bob")) as other,
    ):
        # And one that says nothing at all.
        host, port = server.address.split(":")
        with socket.create_connection((host, int(port)), timeout=SECONDS):
            for _ in range(4):
                replies = [resting(lively, "lively", number) for number in range(500)]
                # The names are used up after the first round: then they are refused, which is an answer, too.
                replies += [other.submit("BTC-USD", "buy", "0.0001", price="10000") for _ in range(500)]
                for reply in replies[500:]:
                    reply.result(SECONDS)
            other.mass_cancel().result(SECONDS)
            lively.mass_cancel().result(SECONDS)
        assert len(stuck.reports) >= 1


def test_a_paused_server_is_waited_for_or_left(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        with (
            Client(server.address, server.key("alice"), heartbeat_interval_ms=500, keep_reports=10_000) as client,
            Client(server.address, server.key("bob"), heartbeat_interval_ms=60_000) as patient,
        ):
            before = [resting(client, "before", number) for number in range(100)]
            server.process.send_signal(signal.SIGSTOP)
            during = [resting(client, "during", number) for number in range(100)]
            waiting = patient.submit("BTC-USD", "buy", "0.0001", price="10000")
            until(lambda: not client.connected)
            server.process.send_signal(signal.SIGCONT)
            assert {reply.result(SECONDS).status for reply in before + during} == {"new"}
            assert waiting.result(SECONDS).status == "new"
            assert (client.resumed >= 1, patient.resumed) == (True, 0)
            # Besides, some may have been refused as duplicates: those that the server had, and were sent again.
            accepted: list[str | None] = []
            while len(accepted) < 200:
                report = client.reports.next().result(SECONDS)
                accepted += [report.client_order_id] if isinstance(report, ExecutionReport) else []
            assert len(set(accepted)) == 200
        server.end()
    assert_each_once(tmp_path / "data", 201)


def assert_each_once(data: Path, count: int) -> dict[str, int]:
    """Judges by the journal: so many orders were entered, each client's id once. The order of each id."""
    orders: dict[str, int] = {}
    with Exchange(data) as ex:
        for event in ex.events():
            if isinstance(event, ExecutionReport) and event.exec_type == "new" and event.client_order_id:
                assert event.client_order_id not in orders, "it was entered twice"
                orders[event.client_order_id] = event.order_id
    assert len(orders) == count
    return orders


class Killer(threading.Thread):
    """Kills the server at any moment and starts it again, until it is told to stop."""

    def __init__(self, server: Server, seed: int) -> None:
        super().__init__()
        self.server = server
        self.kills = 0
        self.stopping = threading.Event()
        self.chance = random.Random(seed)

    def run(self) -> None:
        while not self.stopping.wait(self.chance.uniform(0.3, 2.0)):
            self.server.kill()
            self.server.start()
            self.kills += 1


def resend_under_kills(tmp_path: Path, count: int, window: int, kills_min: int) -> None:
    """Sends `count` orders, each from two clients in another order, while the server is killed again and again."""
    # A path, because a port might be somebody else's while the server is dead; a short one, because they are bounded.
    folder = tempfile.TemporaryDirectory(dir="/tmp")
    server = Server(tmp_path / "data", f"unix:{folder.name}/door")
    server.start()
    killer = Killer(server, seed=7)
    outcomes: dict[str, dict[int, int | None]] = {"first": {}, "second": {}}

    def send(name: str, client: Client, numbers: list[int]) -> None:
        under_way: list[tuple[int, Any]] = []
        at = 0
        while at < len(numbers) or under_way:
            while at < len(numbers) and len(under_way) < window:
                under_way.append((numbers[at], resting(client, "once", numbers[at])))
                at += 1
            number, reply = under_way.pop(0)
            try:
                outcomes[name][number] = reply.result(600).order_id
            except OrderRejected as refused:
                assert refused.code == "duplicate_client_order_id", refused
                outcomes[name][number] = None

    try:
        shuffled = list(range(count))
        random.Random(11).shuffle(shuffled)
        with (
            Client(server.address, server.key("alice"), keep_reports=4 * count, reconnect_seconds_max=600) as first,
            Client(server.address, server.key("alice"), reconnect_seconds_max=600) as second,
        ):
            senders = [
                threading.Thread(target=send, args=("first", first, list(range(count)))),
                threading.Thread(target=send, args=("second", second, shuffled)),
            ]
            killer.start()
            for sender in senders:
                sender.start()
            while killer.kills < kills_min or any(sender.is_alive() for sender in senders):
                assert killer.is_alive(), "the server could not be started again"
                time.sleep(0.05)
            killer.stopping.set()
            killer.join()
            # What happens now comes behind everything else.
            first.cancel_all_after(0).result(600)
            told = [first.reports.next().result(600)]
            while type(told[-1]).__name__ != "CancelAllAfterSet":
                told.append(first.reports.next().result(600))
        assert server.end() == 0
    finally:
        killer.stopping.set()
        server.kill()
        folder.cleanup()
    orders = assert_each_once(tmp_path / "data", count)
    for each in outcomes.values():
        assert len(each) == count
        for number, order_id in each.items():
            assert order_id in (None, orders[f"once-{number}"])
    for number in range(count):
        assert outcomes["first"][number] or outcomes["second"][number], "somebody was told that it was entered"
    # The client that keeps reports was told of every order once, in the order of the journal.
    ids = [report.order_id for report in told if isinstance(report, ExecutionReport)]
    assert ids == sorted(orders.values())
    assert killer.kills >= kills_min


@pytest.mark.timeout(1_200)
def test_killed_again_and_again_every_resend_has_one_effect(tmp_path: Path) -> None:
    resend_under_kills(tmp_path, 10_000, 500, 2)


@pytest.mark.long
def test_a_million_resends_have_one_effect_each(tmp_path: Path) -> None:
    resend_under_kills(tmp_path, int(os.environ.get("BEURS_TEST_RESENDS", "500000")), 5_000, 20)


def test_the_example_prints_what_the_page_says(server: Server) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "binary_client.py", server.address, server.key("alice")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    page = (ROOT / "docs" / "reference" / "client.md").read_text(encoding="utf-8")
    code, output = re.findall(r"```(?:python|text)\n(.*?)```", page, re.DOTALL)[:2]
    assert code == (ROOT / "examples" / "binary_client.py").read_text(encoding="utf-8")
    assert done.stdout == output


async def test_many_clients_at_once(server: Server) -> None:
    clients = [AsyncClient(server.address, server.key(("alice", "bob")[at % 2])) for at in range(20)]
    await asyncio.gather(*(client.open() for client in clients))
    results = await asyncio.gather(
        *(client.submit("BTC-USD", "buy", "0.0001", price="10000") for client in clients for _ in range(20))
    )
    assert len({result.order_id for result in results}) == 400
    for client in clients[:2]:
        await client.mass_cancel()
    await asyncio.gather(*(client.close() for client in clients))
