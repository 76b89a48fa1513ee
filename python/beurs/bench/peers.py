"""Other order books from PyPI, given the same stream. `pip install "beurs[peers]"` brings them.

Each adapter turns the steps of the stream into that package's own calls. What can be prepared is prepared before the
clock starts; what a package has no order for (IOC, market, replace) is done with what it has. They match orders and
nothing else: no accounts, no money, no journal.
"""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from beurs.bench.stream import RESTING, Step, StepKind

__all__ = ["PEERS", "Peer", "PeerMissing", "PeerRun"]

_HIGH, _LOW = 1_000_000_000, 1
"""Prices that trade with everybody, for packages without market orders."""


class PeerMissing(Exception):
    """The package is not installed."""


@dataclass(frozen=True, slots=True)
class PeerRun:
    """What a run came to: seconds for the steps behind the resting orders, and the lots that traded in them."""

    seconds: float
    traded: int


@dataclass(frozen=True)
class Peer:
    """A package. `commands` is how many it is given at most, for slow ones are given fewer."""

    name: str
    commands: int
    adapter: Callable[[Any, Sequence[Step]], tuple[Callable[[int, int], None], Callable[[], int]]]

    def run(self, steps: Sequence[Step]) -> PeerRun:
        """Trades the steps, of which the first RESTING are not timed.

        Raises PeerMissing; and whatever the package raises.
        """
        try:
            module = importlib.import_module(self.name)
        except ImportError:
            raise PeerMissing(f'not installed; pip install "beurs[peers]" or {self.name}') from None
        trade, traded = self.adapter(module, steps)
        trade(0, RESTING)
        gc.collect()
        gc.disable()
        try:
            start = time.perf_counter()
            trade(RESTING, len(steps))
            spent = time.perf_counter() - start
        finally:
            gc.enable()
        return PeerRun(spent, traded())

    def version(self) -> str:
        """The version that is installed."""
        return importlib.metadata.version(self.name)


def _obook(module: Any, steps: Sequence[Step]) -> Any:
    book = module.Book(max_orders=1_000_000)
    ids: dict[int, int] = {}
    told: list[Any] = []
    buy, sell, limit, market, ioc = module.BUY, module.SELL, module.LIMIT, module.MARKET, module.IOC
    submit, cancel, replace = book.submit, book.cancel, book.replace
    calls = [(step.kind, step.order_id, buy if step.is_buy else sell, step.price, step.quantity) for step in steps]

    def trade(begin: int, end: int) -> None:
        for kind, order_id, side, price, quantity in calls[begin:end]:
            user = order_id  # Every order its own: it refuses trades of a user with itself, which the stream has.
            if kind == StepKind.LIMIT:
                ids[order_id] = submit(user, side, price, quantity).order_id
            elif kind == StepKind.CANCEL:
                cancel(ids[order_id], user)
            elif kind == StepKind.REPLACE:
                ids[order_id] = replace(ids[order_id], user, side, price, quantity).order_id
            elif kind == StepKind.IOC:
                submit(user, side, price, quantity, limit, ioc)
            else:
                submit(user, side, 0, quantity, market, ioc)
            # Read at once: those of several commands overwrite each other.
            told.extend(book.events())

    return trade, lambda: sum(event.qty for event in told if event.kind == module.EventKind.TRADE)


def _fastlob(module: Any, steps: Sequence[Step]) -> Any:
    logging.getLogger("[beurs]").setLevel(logging.CRITICAL)
    book = module.Orderbook(name="beurs")
    book.start()
    ids: dict[int, str] = {}
    taken: list[Any] = []
    buy, sell = module.OrderSide.BID, module.OrderSide.ASK

    def order(step: Step) -> Any:
        if step.kind == StepKind.CANCEL:
            return None
        price = step.price or (_HIGH if step.is_buy else _LOW)
        return module.OrderParams(side=buy if step.is_buy else sell, price=price, quantity=step.quantity)

    calls = [(step.kind, step.order_id, order(step)) for step in steps]

    def trade(begin: int, end: int) -> None:
        for kind, order_id, params in calls[begin:end]:
            if kind in (StepKind.CANCEL, StepKind.REPLACE):
                book.cancel(ids[order_id])
                if kind == StepKind.CANCEL:
                    continue
            result = book(params)
            taken.append(result)
            if kind in (StepKind.LIMIT, StepKind.REPLACE):
                ids[order_id] = result.orderid()
            else:
                book.cancel(result.orderid())

    def traded() -> int:
        book.stop()
        return int(sum(sum(result.execprices().values()) for result in taken if "MARKET" in result.kind().name))

    return trade, traded


def _lightmatchingengine(_: Any, steps: Sequence[Step]) -> Any:
    book = importlib.import_module("lightmatchingengine.lightmatchingengine").LightMatchingEngine()
    ids: dict[int, int] = {}
    taken: list[Any] = []
    add, cancel = book.add_order, book.cancel_order
    calls = [(step.kind, step.order_id, 1 if step.is_buy else 2, step.price, step.quantity) for step in steps]

    def trade(begin: int, end: int) -> None:
        for kind, order_id, side, price, quantity in calls[begin:end]:
            if kind in (StepKind.CANCEL, StepKind.REPLACE):
                cancel(ids[order_id], "BTC-USD")
                if kind == StepKind.CANCEL:
                    continue
            order, _ = add("BTC-USD", price, quantity, side)
            taken.append(order)
            if kind in (StepKind.LIMIT, StepKind.REPLACE):
                ids[order_id] = order.order_id
            elif order.leaves_qty:
                cancel(order.order_id, "BTC-USD")

    # Each trade is counted in both orders' cum_qty.
    return trade, lambda: sum(order.cum_qty for order in taken) // 2


PEERS: Final = (
    Peer("obook", 50_000, _obook),
    Peer("lightmatchingengine", 20_000, _lightmatchingengine),
    Peer("fastlob", 10_000, _fastlob),
)
