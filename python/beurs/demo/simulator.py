"""A small market simulator, so that the demo's books are alive.

Every asset has a fair value that walks at random around an anchor; an instrument's fair price is the quotient of its
assets' values, so that the prices of all instruments agree. Makers keep post-only orders on several levels around it,
takers come at random and more often on the side where the book lies wrong. All of it goes through the ordinary command
path, at a modest rate, and competes with everybody else's orders as they come.

Invariants: one command is under way at a time; everything it knows of its orders and money it asks the node, so that it
goes on after a restart as if nothing had been; an account's money in an asset stays between a quarter and four times
its target; the same seed over the same answers makes the same commands. Floats are used for the fair value only: what
leaves is ticks and lots.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from beurs import records
from beurs.engine import cancel_order, deposit, new_order, replace_order, withdraw
from beurs.errors import NodeStopped, QueueFull
from beurs.records import EventKind
from beurs.values import OrderType, SelfTradePrevention, Side, TimeInForce

log = logging.getLogger(__name__)

COMMANDS_PER_SECOND: Final = 30.0
LEVELS: Final = 14
"""Orders that a maker keeps on each side of an instrument."""
ANCHORS: Final = {"BTC": 60_000.0, "ETH": 3_000.0, "USD": 1.0, "EUR": 1.1}
"""Values in dollars that the walks begin at and come back to. What is not here is worth 10."""
VOLATILITY: Final = 0.0003
"""Of a value, relative, in the square root of a second."""
REVERSION: Final = 0.001
"""How strongly a value is drawn to its anchor, per second."""
HALF_SPREAD: Final = 0.0002
"""Of the makers' best prices from the fair price, relative."""
LEVEL_STEP: Final = 0.0003
"""Between a maker's levels, relative, on average."""
TAKER_SHARE: Final = 0.15
"""Of the commands."""
TARGET_VALUE: Final = 5_000_000.0
"""What an account should have of every asset, in dollars."""
ORDER_VALUE: Final = 3_000.0
"""The median order, in dollars."""
OPENING_HASTE: Final = 10.0
"""How many times faster it goes until the books are filled for the first time."""
CHECK_COMMANDS: Final = 200
"""Commands between two looks at the money."""

Submit = Callable[[bytes], Awaitable[bytes]]
"""Submits one encoded command; its EVENT records, once they are durable."""


class Source(Protocol):
    """What the simulator asks a node."""

    def assets(self) -> list[Any]:
        """Every asset."""

    def instruments(self) -> list[Any]:
        """Every instrument."""

    def balances(self, account_id: int) -> list[tuple[int, int, int]]:
        """asset_id, total, held."""

    def open_orders(self, account_id: int) -> list[Any]:
        """An account's open orders."""

    def book(self, instrument_id: int, depth: int) -> tuple[int, list[Any], list[Any]]:
        """The sequence, the bids and the asks, best first: price, quantity, orders."""


@dataclass(frozen=True, slots=True)
class _Market:
    instrument_id: int
    base_id: int
    quote_id: int
    tick: float
    lot: float
    min_lots: int
    max_lots: int
    min_notional: int
    tick_lot_units: int


class Simulator:
    """Trades for some accounts of the venue. :meth:`start` it, :meth:`stop` it before the node is closed."""

    def __init__(
        self,
        source: Source,
        submit: Submit,
        account_ids: Sequence[int],
        *,
        seed: int = 1,
        commands_per_second: float = COMMANDS_PER_SECOND,
    ) -> None:
        """The last account takes, the others make; a single one does both."""
        if not account_ids or commands_per_second <= 0:
            raise ValueError("the simulator needs an account and a rate above 0")
        self._source = source
        self._submit = submit
        self._makers = list(account_ids[:-1] or account_ids)
        self._taker = account_ids[-1]
        self._accounts = list(dict.fromkeys(account_ids))
        self._random = random.Random(seed)  # noqa: S311 -- a market, not a secret
        self._mean_seconds = 1.0 / commands_per_second
        self._task: asyncio.Task[None] | None = None
        self._markets: list[_Market] = []
        self._scales: dict[int, int] = {}
        self._anchors: dict[int, float] = {}
        self._values: dict[int, float] = {}
        self.opening = True
        """Whether the books are being filled for the first time."""
        self.commands_total = 0
        self.rejected_total = 0

    async def start(self) -> None:
        """Starts to trade, in a task of this event loop."""
        assert self._task is None, "started twice"
        self._task = asyncio.get_running_loop().create_task(self._run(), name="beurs-simulator")

    async def stop(self) -> None:
        """Ends after the command that is under way. Its orders stay in the book."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            mean = self._mean_seconds / OPENING_HASTE if self.opening else self._mean_seconds
            seconds = min(self._random.expovariate(1.0), 10.0) * mean
            await asyncio.sleep(seconds)
            try:
                await self.step(seconds)
            except NodeStopped:
                return
            except QueueFull:
                await asyncio.sleep(1.0)
            except Exception:
                log.exception("simulator: a step failed")
                await asyncio.sleep(1.0)

    async def step(self, seconds: float) -> None:
        """Lets the values walk for so long, and then does one thing."""
        if self.commands_total % CHECK_COMMANDS == 0:
            self._look_around()
            await self._balance_money()
        if self.opening and self.commands_total % 20 == 0:
            full = 2 * LEVELS * len(self._makers) * len(self._markets)
            orders = sum(len(self._source.open_orders(maker)) for maker in self._makers)
            self.opening = orders < 0.9 * full and self.commands_total < 3 * full + CHECK_COMMANDS
        self._walk(seconds)
        if not self._markets:
            self.commands_total += 1
            return
        market = self._random.choice(self._markets)
        takes = self._random.random() < TAKER_SHARE and not self.opening
        await self._send(self._take(market) if takes else self._make(market))

    # What is there.

    def _look_around(self) -> None:
        source = self._source
        codes = {asset["asset_id"]: asset["code"] for asset in source.assets()}
        self._scales = {asset["asset_id"]: asset["scale"] for asset in source.assets()}
        self._anchors = {asset_id: ANCHORS.get(code, 10.0) for asset_id, code in codes.items()}
        self._markets = []
        rows = source.instruments()
        for row in rows:
            if row["status"] != "open":
                continue
            self._markets.append(
                _Market(
                    row["instrument_id"],
                    row["base_id"],
                    row["quote_id"],
                    row["tick_mantissa"] / 10 ** row["tick_scale"],
                    row["lot_mantissa"] / 10 ** row["lot_scale"],
                    row["min_quantity"],
                    row["max_quantity"],
                    row["min_notional"],
                    row["tick_lot_units"],
                )
            )
        # New assets begin where the last trade for dollars was, if there was one: a restart goes on, it does not jump.
        for asset_id, anchor in self._anchors.items():
            if asset_id in self._values:
                continue
            value = anchor
            for row in rows:
                if row["base_id"] == asset_id and codes[row["quote_id"]] == "USD" and row["last_price"]:
                    value = row["last_price"] * row["tick_mantissa"] / 10 ** row["tick_scale"]
            self._values[asset_id] = min(max(value, anchor / 2), anchor * 2)

    def _walk(self, seconds: float) -> None:
        for asset_id, value in self._values.items():
            anchor = self._anchors[asset_id]
            if anchor == 1.0:
                continue  # The dollar is the measure.
            drift = -REVERSION * math.log(value / anchor) * seconds
            value *= math.exp(drift + VOLATILITY * math.sqrt(seconds) * self._random.gauss(0.0, 1.0))
            self._values[asset_id] = min(max(value, anchor / 2), anchor * 2)

    def _fair_ticks(self, market: _Market) -> float:
        return self._values[market.base_id] / self._values[market.quote_id] / market.tick

    def _lots(self, market: _Market, price_ticks: int, median_value: float) -> int:
        value = median_value * math.exp(self._random.gauss(0.0, 0.8))
        lots = int(value / self._values[market.base_id] / market.lot)
        least = max(market.min_lots, -(-market.min_notional // (price_ticks * market.tick_lot_units)))
        return min(max(lots, least, 1), market.max_lots)

    # What is done.

    def _make(self, market: _Market) -> bytes:
        """Mends the worst of a maker's orders: one too close or too far, one too few, or an arbitrary one."""
        maker = self._random.choice(self._makers)
        side = self._random.choice((Side.BUY, Side.SELL))
        sign = -1 if side is Side.BUY else 1
        fair = self._fair_ticks(market)
        orders = [
            order
            for order in self._source.open_orders(maker)
            if order["instrument_id"] == market.instrument_id and order["side"] == side
        ]

        def distance(order: Any) -> float:
            return float(sign * (order["price"] / fair - 1.0))

        outermost = HALF_SPREAD + LEVEL_STEP * LEVELS * 2
        wrong = [order for order in orders if not HALF_SPREAD / 2 <= distance(order) <= outermost]
        if wrong:
            worst = max(wrong, key=lambda order: abs(distance(order) - HALF_SPREAD))
            return cancel_order(maker, worst["order_id"], "")
        price = self._level_price(fair, sign)
        if len(orders) < LEVELS:
            return new_order(
                maker,
                market.instrument_id,
                side.number,
                OrderType.LIMIT.number,
                TimeInForce.GTC.number,
                True,
                SelfTradePrevention.EXPIRE_TAKER.number,
                price,
                self._lots(market, price, ORDER_VALUE),
                0,
                "",
            )
        order = self._random.choice(orders)
        if len(orders) > LEVELS or self._random.random() < 0.5:
            return cancel_order(maker, order["order_id"], "")
        quantity = order["filled_quantity"] + self._lots(market, price, ORDER_VALUE)
        return replace_order(maker, order["order_id"], "", "", price, min(quantity, market.max_lots))

    def _level_price(self, fair: float, sign: int) -> int:
        # Most orders near the touch, fewer further out.
        steps = 0.0 if self._random.random() < 0.2 else min(self._random.expovariate(0.3), 2.0 * LEVELS - 1)
        distance = HALF_SPREAD + LEVEL_STEP * steps
        price = fair * (1.0 + sign * distance)
        return max(1, math.floor(price) if sign < 0 else math.ceil(price))

    def _take(self, market: _Market) -> bytes:
        """Crosses the spread, more often on the side where the book lies wrong."""
        fair = self._fair_ticks(market)
        _, bids, asks = self._source.book(market.instrument_id, 1)
        middle = (bids[0][0] + asks[0][0]) / 2 if bids and asks else fair
        buys = self._random.random() < 0.5 + 0.4 * math.tanh((fair / middle - 1.0) / (2 * HALF_SPREAD))
        # Never further than a little beyond the fair price, whatever stands in the book.
        limit = max(1, round(fair * (1.002 if buys else 0.998)))
        return new_order(
            self._taker,
            market.instrument_id,
            (Side.BUY if buys else Side.SELL).number,
            OrderType.LIMIT.number,
            TimeInForce.IOC.number,
            False,
            SelfTradePrevention.EXPIRE_MAKER.number,
            limit,
            self._lots(market, limit, ORDER_VALUE * 0.7),
            0,
            "",
        )

    async def _balance_money(self) -> None:
        """Brings what has become too little or too much back to the target."""
        for account_id in self._accounts:
            money = {asset_id: (total, held) for asset_id, total, held in self._source.balances(account_id)}
            for asset_id, value in self._values.items():
                total, held = money.get(asset_id, (0, 0))
                target = int(TARGET_VALUE / value * 10 ** self._scales[asset_id])
                if total - held < target // 4:
                    await self._send(deposit(account_id, asset_id, target - (total - held)))
                elif total > 4 * target and total - held > target:
                    await self._send(withdraw(account_id, asset_id, total - held - target))

    async def _send(self, command: bytes) -> None:
        self.commands_total += 1
        # A stop waits for the command, so that nothing is under way when the node is closed.
        answer = asyncio.ensure_future(self._submit(command))
        try:
            events = records.events(await asyncio.shield(answer))
        except asyncio.CancelledError:
            await asyncio.gather(answer, return_exceptions=True)
            raise
        if len(events) and int(events["kind"][0]) == EventKind.REJECTED:
            # The book moved between look and command; the next look sees it as it is.
            self.rejected_total += 1
            log.debug("simulator: rejected with reason %d", int(events["reason"][0]))
