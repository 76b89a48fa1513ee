"""The order stream that everything is measured with: made once from a seed, the same for the exchange and its peers.

A price walks at random. Around it about 45 % of the commands enter limit orders, 30 % cancel, 10 % replace at another
price, 10 % are IOC and 5 % market orders that trade; about 1,000 orders rest. Every command is accepted: nobody is
measured refusing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from beurs import records
from beurs.exchange import Exchange
from beurs.records import CommandKind, EventKind
from beurs.values import ExecType, OrderType, Side, TimeInForce

__all__ = ["ACCOUNTS", "MIDDLE", "RESTING", "SYMBOL", "Step", "StepKind", "Stream", "fill", "make"]

SYMBOL: Final = "BTC-USD"
ACCOUNTS: Final = 100
RESTING: Final = 1_000
"""How many orders rest, before the measured commands and, about, throughout."""
MIDDLE: Final = 2_000_000
"""The price, in ticks, at which the walk begins."""
_CHUNK: Final = 64
"""How many commands are made between two looks at which orders are open."""
_ENTER, _CANCEL, _REPLACE, _IOC = 0.45, 0.30, 0.10, 0.10  # The rest are market orders.
_FIRST_ACCOUNT: Final = 2  # The first one is the venue.


class StepKind(IntEnum):
    """What a command of the stream is to a peer."""

    LIMIT = 1
    CANCEL = 2
    REPLACE = 3
    IOC = 4
    MARKET = 5


class Step(NamedTuple):
    """One command as a peer needs it. `order_id` is ours, `price` counts ticks (0: none), `quantity` lots left."""

    kind: StepKind
    order_id: int
    account_id: int
    is_buy: bool
    price: int
    quantity: int


@dataclass(frozen=True)
class Stream:
    """Commands over a book.

    Attributes:
        seed: What it was made from.
        resting: COMMAND records, shape (RESTING,): the orders that rest before the measured commands.
        commands: COMMAND records, shape (n,): what is measured.
        steps: The same for peers, those of `resting` first; len RESTING + n.
        traded: Lots that have traded after each command of `commands`, int64, shape (n,).
    """

    seed: int
    resting: npt.NDArray[np.void]
    commands: npt.NDArray[np.void]
    steps: list[Step]
    traded: npt.NDArray[np.int64]


def fill(ex: Exchange) -> Exchange:
    """Lists the instrument and gives `ACCOUNTS` accounts more money than they can spend."""
    ex.add_asset("BTC", scale=8)
    ex.add_asset("USD", scale=6)
    ex.list_instrument(SYMBOL, base="BTC", quote="USD", tick_size="0.01", lot_size="0.0001")
    ex.set_fees(SYMBOL, maker_ppm=100, taker_ppm=300)
    for number in range(ACCOUNTS):
        account = ex.open_account(f"trader-{number}")
        ex.deposit(account.account_id, "BTC", "100000000")
        ex.deposit(account.account_id, "USD", "10000000000000")
    return ex


def make(count: int, seed: int = 1) -> Stream:
    """A stream of `count` measured commands. The same count and seed give the same stream.

    It is made by trading it: what a chunk of commands cancels and replaces is drawn from the orders open before it.
    A command that comes too late, because the chunk has filled its order meanwhile, is left out.
    """
    rng = np.random.default_rng(seed)
    resting = _limits(rng, RESTING, MIDDLE)
    with fill(Exchange(event_ring_bytes=1 << 20, clock="manual")) as ex:
        maker = _Maker(ex)
        maker.trade(resting)
        kept: list[npt.NDArray[np.void]] = []
        missing, middle = count, float(MIDDLE)
        while missing:
            middle += rng.normal(0.0, 3.0)
            chunk = maker.draw(rng, round(middle))
            chunk = maker.trade(chunk)[:missing]
            kept.append(chunk)
            missing -= len(chunk)
        commands = np.concatenate(kept) if kept else records.commands(0)
    end = RESTING + count
    # Orders that rest at first trade with nobody.
    return Stream(seed, resting, commands, maker.steps[:end], np.cumsum(maker.traded[RESTING:end], dtype=np.int64))


class _Maker:
    """Trades chunks of commands and remembers what is open."""

    def __init__(self, ex: Exchange) -> None:
        self._ex = ex
        self._open: dict[int, tuple[int, int, int]] = {}  # order_id: account_id, side, quantity
        self.steps: list[Step] = []
        self.traded: list[int] = []

    def draw(self, rng: np.random.Generator, middle: int) -> npt.NDArray[np.void]:
        """The next chunk. Where too many or too few orders are open, it cancels more or enters more."""
        chunk = _limits(rng, _CHUNK, middle)
        lean = 0.3 * (RESTING - len(self._open)) / RESTING
        enter = float(np.clip(_ENTER + lean, 0.15, 0.74))
        cancel = _ENTER + _CANCEL
        bounds = [enter, cancel, cancel + _REPLACE, cancel + _REPLACE + _IOC]
        kinds = np.searchsorted(bounds, rng.random(_CHUNK), side="right") + 1
        buys = chunk["side"] == Side.BUY.number
        takes = kinds >= 4
        chunk["time_in_force"][takes] = TimeInForce.IOC.number
        chunk["price"][kinds == 4] = np.where(buys, middle + 40, middle - 40)[kinds == 4]
        chunk["order_type"][kinds == 5] = OrderType.MARKET.number
        chunk["price"][kinds == 5] = 0
        changes = np.flatnonzero((kinds == 2) | (kinds == 3))
        targets = rng.choice(np.fromiter(self._open, np.int64, len(self._open)), len(changes), replace=False)
        for at, order_id in zip(changes.tolist(), targets.tolist(), strict=True):
            account_id, side, quantity = self._open[order_id]
            price = middle + (-1 if side == Side.BUY.number else 1) * int(rng.geometric(0.05))
            replaces = kinds[at] == 3
            chunk[at] = np.zeros((), chunk.dtype)
            chunk[at]["kind"] = CommandKind.REPLACE_ORDER if replaces else CommandKind.CANCEL_ORDER
            chunk[at]["account_id"], chunk[at]["order_id"] = account_id, order_id
            if replaces:
                chunk[at]["price"], chunk[at]["quantity"] = price, quantity + 1  # More: it loses its place.
        return chunk

    def trade(self, chunk: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
        """Executes the chunk and gives those of its commands that were accepted."""
        before = self._ex.node.sequence
        events = self._ex.execute(chunk)
        accepted = np.ones(len(chunk), dtype=bool)
        accepted[events["sequence"][events["kind"] == EventKind.REJECTED].astype(np.int64) - before - 1] = False
        steps: dict[int, Step] = {}
        lots = [0] * len(chunk)
        names = ("sequence", "kind", "exec_type", "order_id", "account_id", "side", "quantity", "leaves_quantity")
        columns = [events[name].tolist() for name in (*names, "last_quantity")]
        for sequence, kind, exec_type, order_id, account_id, side, quantity, leaves, last in zip(*columns, strict=True):
            if kind != EventKind.EXECUTION:
                continue
            at = sequence - before - 1
            if exec_type == ExecType.TRADE.number:
                lots[at] += last
            elif at not in steps:
                steps[at] = _step(chunk[at], order_id, account_id, side == Side.BUY.number, leaves)
            if leaves:
                self._open[order_id] = account_id, side, quantity
            else:
                self._open.pop(order_id, None)
        for at in np.flatnonzero(accepted).tolist():
            self.steps.append(steps[at])
            self.traded.append(lots[at] // 2)  # A trade is told to both sides.
        return chunk[accepted]


def _limits(rng: np.random.Generator, count: int, middle: int) -> npt.NDArray[np.void]:
    """`count` limit orders on both sides of the price `middle`."""
    batch = records.commands(count)
    batch["kind"], batch["instrument_id"] = CommandKind.NEW_ORDER, 1
    batch["order_type"], batch["time_in_force"] = OrderType.LIMIT.number, TimeInForce.GTC.number
    batch["account_id"] = rng.integers(_FIRST_ACCOUNT, _FIRST_ACCOUNT + ACCOUNTS, count)
    batch["side"] = rng.integers(Side.BUY.number, Side.SELL.number + 1, count)
    away = rng.geometric(0.05, count)
    batch["price"] = middle + np.where(batch["side"] == Side.BUY.number, -away, away)
    batch["quantity"] = rng.integers(1, 100, count)
    return batch


def _step(command: Any, order_id: int, account_id: int, is_buy: bool, leaves: int) -> Step:
    match int(command["kind"]):
        case CommandKind.CANCEL_ORDER:
            return Step(StepKind.CANCEL, order_id, account_id, is_buy, 0, 0)
        case CommandKind.REPLACE_ORDER:
            return Step(StepKind.REPLACE, order_id, account_id, is_buy, int(command["price"]), leaves)
    kind = StepKind.LIMIT
    if command["order_type"] == OrderType.MARKET.number:
        kind = StepKind.MARKET
    elif command["time_in_force"] == TimeInForce.IOC.number:
        kind = StepKind.IOC
    return Step(kind, order_id, account_id, is_buy, int(command["price"]), int(command["quantity"]))
