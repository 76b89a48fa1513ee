"""What a change did, as JSON: the engine's events with names and decimal text, each with its kind in `event`.

The types are made of those of `beurs.reports`, so that there is one list of fields. What became of single orders is not
told here: their owners are told, and there may be a million of them.
"""

from collections.abc import Callable
from typing import Any, Final, Union, get_type_hints

import msgspec

from beurs.reports import (
    AccountGroupSet,
    AccountOpened,
    AssetAdded,
    AuctionEnded,
    AuctionIndication,
    Event,
    FeesSet,
    InstrumentListed,
    KillSwitchSet,
    LimitStateSet,
    MarkPriceSet,
    MassCanceled,
    Posted,
    SettingChanged,
    TradeCorrected,
    TradingStatusSet,
)
from beurs.timestamps import timestamp

_TOLD: Final[tuple[type[Any], ...]] = (
    AssetAdded,
    InstrumentListed,
    AccountOpened,
    Posted,
    AccountGroupSet,
    FeesSet,
    SettingChanged,
    TradingStatusSet,
    AuctionIndication,
    AuctionEnded,
    LimitStateSet,
    MarkPriceSet,
    KillSwitchSet,
    MassCanceled,
    TradeCorrected,
)
_OF_THE_COMMAND: Final = ("sequence", "event_time_ns")
_TEXT_IDS: Final = ("trade_id", "asset_id", "instrument_id", "account_id")

_Made = tuple[type[msgspec.Struct], tuple[tuple[str, str, Callable[[Any], Any]], ...]]


def _made(kind: type[Any]) -> _Made:
    """The type of a kind of event, and for each field its name, the event's name for it, and how its value is made."""
    fields: list[tuple[str, Any]] = []
    makers: list[tuple[str, str, Callable[[Any], Any]]] = []
    for name, hint in get_type_hints(kind).items():
        if name in _OF_THE_COMMAND:
            continue
        if name.endswith("_ns"):
            shown = name.removesuffix("_ns")
            fields.append((shown, str | None))
            makers.append((shown, name, lambda value: None if value is None else timestamp(value)))
        elif name in _TEXT_IDS:
            fields.append((name, str))
            makers.append((name, name, str))
        else:
            fields.append((name, hint))
            makers.append((name, name, lambda value: value))
    words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind.__name__).lstrip("_")
    namespace = {"__doc__": kind.__doc__}
    made = msgspec.defstruct(kind.__name__, fields, frozen=True, tag_field="event", tag=words, namespace=namespace)
    return made, tuple(makers)


_MADE: Final[dict[type[Any], _Made]] = {kind: _made(kind) for kind in _TOLD}
Fact: Any = Union[tuple(made for made, _ in _MADE.values())]  # noqa: UP007 -- of a list that is made at run time
"""Anything that a change can say."""


class Change(msgspec.Struct, frozen=True):
    """What one member of staff has changed at one time, and why."""

    sequence: int
    timestamp: str
    actor: str
    reason: str
    value: dict[str, Any] | None
    """What was set: the fields of the request, null for what it left out; of a correction all that is known of the
    trade. Null for the random seed, and if the journal no longer had the command for the store."""
    events: list[Fact]


class ChangeList(msgspec.Struct, frozen=True):
    """Changes, the newest first."""

    changes: list[Change]
    next_cursor: str | None
    """Give it as `cursor` to read on; null at the end."""


def facts(events: list[Event]) -> list[Any]:
    """What these events say. Those of other kinds are left out."""
    told = []
    for event in events:
        if type(event) in _MADE:
            made, makers = _MADE[type(event)]
            told.append(made(**{shown: make(getattr(event, name)) for shown, name, make in makers}))
    return told
