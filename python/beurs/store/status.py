"""What the public is told of an instrument's trading status, from events: the same code for the store and for the feed.

Invariants: an indication is known only in an auction, and belongs to the status that it came under; it depends only on
the events, in their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from beurs.records import EventKind
from beurs.values import Side, StatusReason, TradingStatus

STATUS_KINDS: Final = (
    EventKind.TRADING_STATUS_SET,
    EventKind.AUCTION_INDICATION,
    EventKind.AUCTION_ENDED,
    EventKind.LIMIT_STATE_SET,
)
"""The events that `StatusValues.apply` takes."""

_TRADING_STATUS: Final = {member.number: str(member) for member in TradingStatus}
_STATUS_REASON: Final = {member.number: str(member) for member in StatusReason}
_SIDE: Final = {0: None} | {member.number: str(member) for member in Side}


@dataclass(slots=True)
class StatusValues:
    """The trading status of an instrument and what goes with it. Prices in ticks, volumes in lots; None: nothing."""

    status: str = str(TradingStatus.OPEN)
    status_reason: str = str(StatusReason.REQUESTED)
    auction_end_time_ns: int | None = None
    """When the auction ends by itself."""
    indicative_price: int | None = None
    """At what price the auction would trade now; with a volume and without a price it would not trade."""
    indicative_volume: int | None = None
    indicative_imbalance: int | None = None
    auction_price: int | None = None
    """Of the last auction that ended, as the two that follow; no price: nothing traded."""
    auction_volume: int | None = None
    auction_time_ns: int | None = None
    limit_state_side: str | None = None
    """The side whose best price stands at a price band."""

    def apply(self, event: Any) -> None:
        """Takes an EVENT record of one of STATUS_KINDS."""
        kind = int(event["kind"])
        if kind == EventKind.TRADING_STATUS_SET:
            self.status = _TRADING_STATUS[int(event["trading_status"])]
            self.status_reason = _STATUS_REASON[int(event["reason"])]
            self.auction_end_time_ns = int(event["time_ns"]) or None
            self.indicative_price = self.indicative_volume = self.indicative_imbalance = None
        elif kind == EventKind.AUCTION_INDICATION:
            self.indicative_price = int(event["price"]) or None
            self.indicative_volume = _amount(event, "amount")
            self.indicative_imbalance = _amount(event, "total")
        elif kind == EventKind.AUCTION_ENDED:
            self.auction_price = int(event["price"]) or None
            self.auction_volume = _amount(event, "amount")
            self.auction_time_ns = int(event["event_time_ns"])
        else:
            assert kind == EventKind.LIMIT_STATE_SET
            self.limit_state_side = _SIDE[int(event["side"])]


def _amount(event: Any, name: str) -> int:
    return int(event[f"{name}_lo"]) + (int(event[f"{name}_hi"]) << 64)


def status_of(row: Any) -> StatusValues:
    """From a row of the instruments' table."""
    return StatusValues(*(getattr(row, name) for name in StatusValues.__dataclass_fields__))
