"""Depth and best prices as they were last sent, and the messages that bring a client from there to the present.

Invariants: a depth message's ``previous_sequence`` is the ``sequence`` of the one before it of the same symbol and
depth; who applies all of them to the snapshot has exactly the first N levels of the book as of ``sequence``.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from beurs.values import Step

Level: TypeAlias = tuple[int, int, int]
"""Price in ticks, quantity in lots, how many orders."""


class DepthView:
    """The first ``depth`` levels of both halves of a book, as sent."""

    __slots__ = ("_asks", "_bids", "depth", "lot", "sequence", "symbol", "tick")

    def __init__(self, symbol: str, depth: int, tick: Step, lot: Step) -> None:
        self.symbol = symbol
        self.depth = depth
        self.tick = tick
        self.lot = lot
        self.sequence = 0
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}

    def set(self, sequence: int, bids: list[Level], asks: list[Level]) -> None:
        """Takes a book without a message; for when nobody has seen an earlier one."""
        self.sequence = sequence
        self._bids = {price: quantity for price, quantity, _ in bids[: self.depth]}
        self._asks = {price: quantity for price, quantity, _ in asks[: self.depth]}

    def snapshot(self) -> dict[str, Any]:
        """All levels, best first."""
        return {
            "type": "snapshot",
            "channel": "depth",
            "symbol": self.symbol,
            "depth": self.depth,
            "sequence": self.sequence,
            "bids": self._texts(self._bids.items()),
            "asks": self._texts(self._asks.items()),
        }

    def update(self, sequence: int, bids: list[Level], asks: list[Level]) -> dict[str, Any] | None:
        """What changed since the last message; ``None`` if nothing did. A level that is gone has quantity "0"."""
        if sequence <= self.sequence:
            return None
        now_bids = {price: quantity for price, quantity, _ in bids[: self.depth]}
        now_asks = {price: quantity for price, quantity, _ in asks[: self.depth]}
        changed_bids, changed_asks = _changes(self._bids, now_bids), _changes(self._asks, now_asks)
        if not changed_bids and not changed_asks:
            return None
        previous_sequence, self.sequence = self.sequence, sequence
        self._bids, self._asks = now_bids, now_asks
        return {
            "type": "update",
            "channel": "depth",
            "symbol": self.symbol,
            "depth": self.depth,
            "sequence": sequence,
            "previous_sequence": previous_sequence,
            "bids": self._texts(changed_bids),
            "asks": self._texts(changed_asks),
        }

    def _texts(self, levels: Any) -> list[tuple[str, str]]:
        price_text, quantity_text = self.tick.text, self.lot.text
        return [(price_text(price), quantity_text(quantity)) for price, quantity in levels]


def _changes(before: dict[int, int], now: dict[int, int]) -> list[tuple[int, int]]:
    if before == now:
        return []
    gone = [(price, 0) for price in before if price not in now]
    return gone + [(price, quantity) for price, quantity in now.items() if before.get(price) != quantity]


class BestView:
    """The best bid and the best ask, as sent."""

    __slots__ = ("_best", "lot", "sequence", "symbol", "tick")

    def __init__(self, symbol: str, tick: Step, lot: Step) -> None:
        self.symbol = symbol
        self.tick = tick
        self.lot = lot
        self.sequence = 0
        self._best: tuple[tuple[int, int] | None, tuple[int, int] | None] = (None, None)

    def set(self, sequence: int, bids: list[Level], asks: list[Level]) -> None:
        """Takes a book without a message."""
        self.sequence = sequence
        self._best = (bids[0][:2] if bids else None, asks[0][:2] if asks else None)

    def snapshot(self) -> dict[str, Any]:
        """Both, ``None`` for an empty half."""
        return self._message("snapshot")

    def update(self, sequence: int, bids: list[Level], asks: list[Level]) -> dict[str, Any] | None:
        """Both, if one of them changed since the last message."""
        if sequence <= self.sequence:
            return None
        before = self._best
        best = (bids[0][:2] if bids else None, asks[0][:2] if asks else None)
        if best == before:
            return None
        self.sequence, self._best = sequence, best
        return self._message("update")

    def _message(self, kind: str) -> dict[str, Any]:
        bid, ask = self._best
        return {
            "type": kind,
            "channel": "bbo",
            "symbol": self.symbol,
            "sequence": self.sequence,
            "best_bid": self._level(bid),
            "best_ask": self._level(ask),
        }

    def _level(self, level: tuple[int, int] | None) -> dict[str, str] | None:
        if level is None:
            return None
        return {"price": self.tick.text(level[0]), "quantity": self.lot.text(level[1])}
