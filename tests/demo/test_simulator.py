"""The simulator on a real node, without waiting: the test steps it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from beurs import engine
from beurs.demo.simulator import LEVELS, Simulator
from beurs.engine import Node, add_asset, list_instrument, new_order, open_account, set_trading_status
from beurs.errors import NodeStopped, QueueFull
from tests.waiting import WAIT_SECONDS_MAX, until_async

MAKERS, TAKER = [2, 3], 4
SET_UP = b"".join(
    [
        *(add_asset(code, 8) for code in ("BTC", "ETH", "USD")),
        list_instrument("BTC-USD", 1, 3, 1, 2, 1, 5, 1, 10**8, 10**8),
        list_instrument("ETH-USD", 2, 3, 1, 2, 1, 4, 1, 10**8, 10**8),
        list_instrument("ETH-BTC", 2, 1, 1, 5, 1, 3, 1, 10**7, 10**4),
        *(open_account(f"simulator-{n}", 0) for n in range(1, 4)),
    ]
)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(str(tmp_path / "journal"))
    node.execute(SET_UP)
    yield node
    node.close()


def simulator(node: Node, seed: int = 1) -> tuple[Simulator, list[bytes]]:
    sent: list[bytes] = []

    async def submit(command: bytes) -> bytes:
        sent.append(command)
        return node.execute(command)

    return Simulator(node, submit, [*MAKERS, TAKER], seed=seed), sent


async def step(market: Simulator, count: int) -> None:
    for _ in range(count):
        await market.step(1 / 30)


async def test_the_books_come_alive_and_stay_sane(node: Node) -> None:
    market, _ = simulator(node)
    counts: list[int] = []
    for _ in range(30):
        await step(market, 100)
        if not market.opening:
            counts += [len(half) for row in node.instruments() for half in node.book(row["instrument_id"], 50)[1:]]
    assert min(counts) > 0
    assert sum(counts) / len(counts) > 8
    middles = {}
    for row in node.instruments():
        _, bids, asks = node.book(row["instrument_id"], 50)
        assert row["last_price"] > 0
        middle = (bids[0][0] + asks[0][0]) / 2
        assert (asks[0][0] - bids[0][0]) / middle < 0.01
        assert abs(row["last_price"] / middle - 1) < 0.02
        middles[row["symbol"]] = middle * row["tick_mantissa"] / 10 ** row["tick_scale"]
    assert 30_000 < middles["BTC-USD"] < 120_000
    assert abs(middles["ETH-USD"] / middles["BTC-USD"] / middles["ETH-BTC"] - 1) < 0.01
    assert market.rejected_total < market.commands_total * 0.05
    for maker in MAKERS:
        assert len(node.open_orders(maker)) <= 2 * 3 * (LEVELS + 1)
    assert node.open_orders(TAKER) == []


async def test_the_same_seed_makes_the_same_commands(node: Node, tmp_path: Path) -> None:
    one, first = simulator(node, seed=9)
    await step(one, 300)
    other = Node(str(tmp_path / "other"))
    other.execute(SET_UP)
    two, second = simulator(other, seed=9)
    await step(two, 300)
    assert first == second
    other.close()


async def test_its_money_stays_bounded(node: Node) -> None:
    market, _ = simulator(node)
    await step(market, 10)
    # A rich seller walks into the makers' bids again and again.
    node.execute(open_account("whale", 0) + engine.deposit(5, 1, 10**16) + engine.deposit(5, 3, 10**20))
    for _ in range(30):
        await step(market, 100)
        node.execute(new_order(5, 1, 2, 2, 2, False, 0, 0, 10**6, 0, ""))
    await step(market, 200)
    values = {1: 60_000, 2: 3_000, 3: 1}
    for account in (*MAKERS, TAKER):
        for asset_id, total, _ in node.balances(account):
            assert 0.5e6 < total / 10**8 * values[asset_id] < 60e6


async def test_it_goes_on_from_where_prices_were(node: Node) -> None:
    market, _ = simulator(node)
    await step(market, 2000)
    last = node.instruments()[0]["last_price"]
    again, _ = simulator(node, seed=2)
    await step(again, 1)
    assert abs(again._fair_ticks(again._markets[0]) / last - 1) < 0.02


async def test_an_instrument_that_is_not_open_is_left_alone(node: Node) -> None:
    market, _ = simulator(node)
    await step(market, 100)
    node.execute(set_trading_status(1, 4) + set_trading_status(2, 4) + set_trading_status(3, 4))
    await step(market, 400)
    before = node.sequence
    await step(market, 100)
    assert node.sequence == before


async def test_it_starts_and_stops_between_commands(node: Node) -> None:
    under_way = 0

    async def submit(command: bytes) -> bytes:
        nonlocal under_way
        under_way += 1
        await asyncio.sleep(0.002)
        events = node.execute(command)
        under_way -= 1
        return events

    market = Simulator(node, submit, [2, 3, 4], commands_per_second=1000)
    await market.start()
    before = node.sequence
    await until_async(lambda: node.sequence > before + 30)
    await market.stop()
    assert under_way == 0
    count = node.sequence
    await asyncio.sleep(0.05)
    assert node.sequence == count


async def test_a_full_queue_is_waited_for_and_a_stopped_node_ends_it(node: Node) -> None:
    answers: list[Exception] = [QueueFull("full"), NodeStopped("stopped")]

    async def submit(_: bytes) -> bytes:
        raise answers.pop(0)

    market = Simulator(node, submit, [2, 3, 4], commands_per_second=1000)
    await market.start()
    assert market._task is not None
    await asyncio.wait_for(market._task, WAIT_SECONDS_MAX)
    assert answers == []
    await market.stop()
