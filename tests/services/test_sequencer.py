"""The asynchronous door to a real node."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest

from beurs.demo.venue import set_up
from beurs.engine import EVENT_SIZE, Node, decode_events, deposit, new_order
from beurs.errors import BeursError, NodeStopped, QueueFull
from beurs.sequencer import Sequencer
from tests.services.conftest import Running, buy
from tests.waiting import WAIT_SECONDS_MAX, until_async


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    node = Node(str(tmp_path / "journal"), queue_capacity=256)
    set_up(node)
    yield node
    node.close()


def order(price: int = 10_000) -> bytes:
    return new_order(2, 1, 1, 1, 1, False, 0, price, 100_000, 0, "")


async def test_many_are_under_way_at_once_and_each_gets_its_own(node: Node) -> None:
    sequencer = Sequencer(node, asyncio.get_running_loop())
    waiting = [sequencer.submit(order(10_000 + place)) for place in range(100)]
    assert sequencer.depth == 100
    prices = []
    for events in await asyncio.gather(*waiting):
        assert len(events) == EVENT_SIZE
        (report,) = decode_events(events)
        prices.append(report.price)
    assert prices == [10_000 + place for place in range(100)]
    assert sequencer.depth == 0
    sequencer.close()


async def test_what_is_canceled_while_waiting_takes_effect_and_disturbs_nobody(node: Node) -> None:
    sequencer = Sequencer(node, asyncio.get_running_loop())
    before = node.sequence

    async def submit() -> bytes:
        return await sequencer.submit(order())

    tasks = [asyncio.create_task(submit()) for _ in range(10)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(result, asyncio.CancelledError) for result in results] == [True, False] * 5
    assert await sequencer.drain(WAIT_SECONDS_MAX)
    await sequencer.submit(order())
    assert node.sequence == before + 11
    sequencer.close()


async def test_a_full_queue_refuses_at_once(node: Node) -> None:
    sequencer = Sequencer(node, asyncio.get_running_loop())
    waiting: list[Awaitable[bytes]] = []

    def flood() -> None:
        waiting.extend(sequencer.submit(deposit(2, 1, 1)) for _ in range(100_000))

    with pytest.raises(QueueFull):
        flood()
    assert len(waiting) >= 256
    assert sequencer.depth == len(waiting)
    await asyncio.gather(*waiting)
    await sequencer.submit(order())
    sequencer.close()


async def test_a_node_that_stops_fails_what_is_under_way(node: Node) -> None:
    reasons: list[BeursError] = []
    sequencer = Sequencer(node, asyncio.get_running_loop(), reasons.append)
    await sequencer.submit(order())
    assert sequencer.is_open
    node.close()
    await until_async(lambda: reasons)
    assert [type(reason) for reason in reasons] == [NodeStopped]
    assert not sequencer.is_open
    with pytest.raises(NodeStopped):
        await sequencer.submit(order())


async def test_closing_fails_what_is_under_way_and_takes_no_more(node: Node) -> None:
    sequencer = Sequencer(node, asyncio.get_running_loop())
    waiting = sequencer.submit(order())
    sequencer.close()
    with pytest.raises(NodeStopped):
        await waiting
    with pytest.raises(NodeStopped):
        sequencer.submit(order())


def test_without_the_engine_everything_is_503(fresh: Running) -> None:
    fresh.exchange.node.close()
    with fresh.client("alice") as alice:
        for method, path, body in (
            ("POST", "/v1/orders", buy()),
            ("POST", "/v1/orders", buy()),
            ("DELETE", "/v1/orders/1", None),
            ("DELETE", "/v1/orders", None),
            ("PATCH", "/v1/orders/1", {"price": "1"}),
            ("GET", "/v1/orders", None),
            ("GET", "/v1/orders/1", None),
            ("GET", "/v1/account/balances", None),
            ("GET", "/v1/market/BTC-USD/book", None),
            ("GET", "/ready", None),
        ):
            answer = alice.request(method, path, json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable"), (method, path)
            assert answer.headers["retry-after"]
        results = alice.post("/v1/orders/batch", json={"orders": [buy()]}).json()["results"]
        assert (results[0]["error"]["status"], results[0]["error"]["code"]) == (503, "unavailable")
        assert alice.get("/health").status_code == 200
