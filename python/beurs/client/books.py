"""A local copy of a book: a snapshot, and every update behind it without a gap."""

from __future__ import annotations

from typing import Any

from beurs.catalogue import Instrument
from beurs.errors import ProtocolError
from beurs.exchange import Book, PriceLevel

__all__ = ["LocalBook"]

_BID = 1


class LocalBook:
    """The book of one instrument, to the depth that was subscribed. It is whole between updates only."""

    __slots__ = ("_halves", "instrument", "sequence", "whole")

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.sequence = 0
        self.whole = False
        self._halves: tuple[dict[int, tuple[int, int]], dict[int, tuple[int, int]]] = ({}, {})

    def apply(self, m: Any) -> bool:
        """Takes a message about it and says whether the book is whole again. Raises ProtocolError for a gap."""
        match m.layout.name:
            case "BookBegin":
                self._halves = ({}, {})
                self.whole = False
                self.sequence = m.sequence
            case "BookLevel":
                self._set(m)
            case "BookEnd":
                self.whole = True
            case _:
                # All levels of one update say the same sequence, and the same one before it.
                if m.previous_sequence != self.sequence and (self.whole or m.sequence != self.sequence):
                    raise ProtocolError(f"{self.instrument.symbol}: an update of the book is missing")
                self.sequence = m.sequence
                self._set(m)
                self.whole = bool(m.update_flags)
        return self.whole

    def _set(self, m: Any) -> None:
        half = self._halves[0 if m.side == _BID else 1]
        if m.quantity:
            half[m.price] = (m.quantity, m.orders)
        else:
            half.pop(m.price, None)

    def book(self) -> Book:
        """A copy of it, best prices first."""
        tick, lot = self.instrument.tick, self.instrument.lot

        def levels(half: int) -> list[PriceLevel]:
            ordered = sorted(self._halves[half].items(), reverse=half == 0)
            return [PriceLevel(tick.text(price), lot.text(level[0]), level[1]) for price, level in ordered]

        return Book(self.instrument.symbol, self.sequence, levels(0), levels(1))
