"""What the feed remembers of trades: the last ones, the one-minute candles of a day, the last price.

In memory and fed by the events themselves, so that the feed does not wait for SQL. Filled once, at the start, from the
store; from then on by the feed. Bounded: :data:`TRADES_KEPT` trades and 1,440 candles for every instrument.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final, NamedTuple

from beurs.store.candles import INTERVALS, CandleValues, Ticker, fold, minute_candles, ticker_start_ns

TRADES_KEPT: Final = 100
"""Trades that are remembered of every instrument."""
MINUTES_KEPT: Final = 1440


class TapeTrade(NamedTuple):
    """A public trade: price in ticks, quantity in lots, notional in units of the quote asset.

    One of an auction has no aggressor, no maker and no taker.
    """

    trade_id: int
    sequence: int
    event_time_ns: int
    price: int
    quantity: int
    notional: int
    aggressor_side: str | None
    maker_order_id: int | None
    taker_order_id: int | None
    buy_order_id: int
    sell_order_id: int


class Tape:
    """The trades of one instrument."""

    __slots__ = ("_closed", "_closed_key", "_minutes", "last_price", "trades")

    def __init__(self) -> None:
        self.trades: deque[TapeTrade] = deque(maxlen=TRADES_KEPT)
        """The last ones, oldest first."""
        self.last_price: int | None = None
        self._minutes: deque[CandleValues] = deque(maxlen=MINUTES_KEPT)
        # All minutes but the last, which alone can change, folded into one; and for which minutes that is.
        self._closed: CandleValues | None = None
        self._closed_key = (0, 0)

    def fill(self, trades: Iterable[TapeTrade], minutes: Iterable[CandleValues]) -> None:
        """Begins with what the store has: trades and one-minute candles, oldest first."""
        self.trades.extend(trades)
        self._minutes.extend(minutes)
        if self.trades:
            self.last_price = self.trades[-1].price

    def add(self, trades: Sequence[TapeTrade]) -> None:
        """Takes new trades, in their order."""
        self.trades.extend(trades[-TRADES_KEPT:])
        self.last_price = trades[-1].price
        minutes = minute_candles(
            [trade.event_time_ns for trade in trades],
            [trade.price for trade in trades],
            [trade.quantity for trade in trades],
            [trade.notional for trade in trades],
        )
        current = self._minutes[-1] if self._minutes else None
        for candle in fold(minutes, INTERVALS["1m"], current):
            if candle is not current:
                self._minutes.append(candle)

    def ticker(self, now_ns: int) -> Ticker:
        """The 24 hours up to ``now_ns``."""
        start_ns = ticker_start_ns(now_ns)
        minutes = self._minutes
        while minutes and minutes[0].open_time_ns < start_ns:
            minutes.popleft()
        if not minutes:
            return Ticker(self.last_price, None, None, None, 0, 0, 0)
        key = (minutes[0].open_time_ns, minutes[-1].open_time_ns)
        if key != self._closed_key:
            closed = None
            for candle in islice(minutes, len(minutes) - 1):
                closed = candle.at(0) if closed is None else closed.add(candle, 0)
            self._closed, self._closed_key = closed, key
        last = minutes[-1]
        day = last if self._closed is None else self._closed.at(0).add(last, 0)
        return Ticker(self.last_price, day.open, day.high, day.low, day.volume, day.notional, day.trade_count)

    def minutes(self) -> list[CandleValues]:
        """The one-minute candles that are kept, oldest first."""
        return list(self._minutes)
