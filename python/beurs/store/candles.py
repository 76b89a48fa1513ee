"""Candles from trades: the same code for the store and for the feed.

Invariants: an interval starts at a whole multiple of its length since 1970-01-01T00:00Z; only trades make candles, an
interval without trades has none; trades come in the order of time, so that only the last candle of an interval changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_SECOND_NS = 1_000_000_000
INTERVALS: Final = {
    "1m": 60 * _SECOND_NS,
    "5m": 300 * _SECOND_NS,
    "15m": 900 * _SECOND_NS,
    "1h": 3_600 * _SECOND_NS,
    "4h": 14_400 * _SECOND_NS,
    "1d": 86_400 * _SECOND_NS,
}
"""The length of every interval, in nanoseconds."""


@dataclass(slots=True)
class CandleValues:
    """The trades of one interval: prices in ticks, ``volume`` in lots, ``notional`` in units of the quote asset."""

    open_time_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    notional: int
    trade_count: int

    def add(self, other: CandleValues, open_time_ns: int) -> CandleValues:
        """This candle with the later trades of ``other``: itself if they are of its interval, or else a new one."""
        if open_time_ns != self.open_time_ns:
            return other.at(open_time_ns)
        if other.high > self.high:
            self.high = other.high
        if other.low < self.low:
            self.low = other.low
        self.close = other.close
        self.volume += other.volume
        self.notional += other.notional
        self.trade_count += other.trade_count
        return self

    def at(self, open_time_ns: int) -> CandleValues:
        """A copy that starts at ``open_time_ns``."""
        return CandleValues(
            open_time_ns, self.open, self.high, self.low, self.close, self.volume, self.notional, self.trade_count
        )


def minute_candles(
    times_ns: list[int], prices: list[int], quantities: list[int], notionals: list[int]
) -> list[CandleValues]:
    """The one-minute candles of some trades of one instrument, given by column in the order of time."""
    minute_ns = INTERVALS["1m"]
    candles: list[CandleValues] = []
    start, count = 0, len(times_ns)
    while start < count:
        open_time_ns = times_ns[start] // minute_ns * minute_ns
        end_time_ns = open_time_ns + minute_ns
        if times_ns[-1] < end_time_ns:
            end = count
        else:
            end = start + 1
            while times_ns[end] < end_time_ns:
                end += 1
        part = prices[start:end]
        candles.append(
            CandleValues(
                open_time_ns,
                part[0],
                max(part),
                min(part),
                part[-1],
                sum(quantities[start:end]),
                sum(notionals[start:end]),
                end - start,
            )
        )
        start = end
    return candles


def fold(candles: Iterable[CandleValues], length_ns: int, current: CandleValues | None) -> list[CandleValues]:
    """Folds one-minute candles into longer ones, going on with ``current``; all that are new or changed, in order."""
    changed: list[CandleValues] = []
    for candle in candles:
        open_time_ns = candle.open_time_ns // length_ns * length_ns
        following = candle.at(open_time_ns) if current is None else current.add(candle, open_time_ns)
        if following is not current or not changed:
            changed.append(following)
        current = following
    return changed


DAY_NS: Final = INTERVALS["1d"]


@dataclass(frozen=True, slots=True)
class Ticker:
    """The last 24 hours of an instrument, to the minute. Prices in ticks, ``None`` where there was no trade.

    ``last_price`` is that of the last trade, however old. ``change`` is ``last_price − open`` (of the 24 hours).
    """

    last_price: int | None
    open: int | None
    high: int | None
    low: int | None
    volume: int
    notional: int
    trade_count: int

    @property
    def change(self) -> int | None:
        """By how many ticks the price changed."""
        return None if self.last_price is None or self.open is None else self.last_price - self.open


def ticker_start_ns(now_ns: int) -> int:
    """Where the 24 hours up to ``now_ns`` begin: the minute under way is the last of 1,440."""
    minute_ns = INTERVALS["1m"]
    return now_ns // minute_ns * minute_ns + minute_ns - DAY_NS


def ticker(minutes: Iterable[CandleValues], last_price: int | None, now_ns: int) -> Ticker:
    """The ticker from one-minute candles in the order of time; those before the 24 hours are left out."""
    start_ns = ticker_start_ns(now_ns)
    candles = [candle for candle in minutes if candle.open_time_ns >= start_ns]
    if not candles:
        return Ticker(last_price, None, None, None, 0, 0, 0)
    return Ticker(
        last_price,
        candles[0].open,
        max(candle.high for candle in candles),
        min(candle.low for candle in candles),
        sum(candle.volume for candle in candles),
        sum(candle.notional for candle in candles),
        sum(candle.trade_count for candle in candles),
    )
