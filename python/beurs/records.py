"""The flat records of the batch door, as NumPy structured types. The compiled module says how they are laid out.

`COMMAND` is one command, `EVENT` one event; docs/reference/records.md names every field. Numbers of enums are those of
`beurs.Side` and its like (`Side.BUY.number`). Fields that a command or an event of that kind does not use are 0.
Amounts are 128-bit and take two fields, `<name>_lo` and `<name>_hi`; `amounts()` joins and `set_amounts()` splits them.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from beurs.engine import COMMAND_FIELDS, COMMAND_SIZE, EVENT_FIELDS, EVENT_SIZE
from beurs.errors import InputError

__all__ = ["COMMAND", "EVENT", "CommandKind", "EventKind", "amounts", "commands", "events", "set_amounts"]


class CommandKind(IntEnum):
    """The `kind` of a COMMAND record. Orders with terms do not fit one: they go one by one, encoded."""

    NEW_ORDER = 1
    CANCEL_ORDER = 2
    REPLACE_ORDER = 3
    MASS_CANCEL = 4
    DEPOSIT = 5
    WITHDRAW = 6


class EventKind(IntEnum):
    """The `kind` of an EVENT record."""

    EXECUTION = 1
    REJECTED = 2
    MASS_CANCELED = 3
    POSTED = 4
    ASSET_ADDED = 5
    INSTRUMENT_LISTED = 6
    ACCOUNT_OPENED = 7
    ACCOUNT_GROUP_SET = 8
    FEES_SET = 9
    TRADING_STATUS_SET = 10
    TERMS = 11
    ORDER_LIST_STATUS = 12
    AUCTION_INDICATION = 13
    AUCTION_ENDED = 14
    LIMIT_STATE_SET = 15
    CANCEL_ALL_AFTER_SET = 16
    TIME_ADVANCED = 17
    MARK_PRICE_SET = 18
    KILL_SWITCH_SET = 19
    SETTING_CHANGED = 20
    TRADE_CORRECTED = 21
    ADMINISTERED = 22


ORDER_EVENTS = (EventKind.EXECUTION, EventKind.TERMS, EventKind.ORDER_LIST_STATUS)
"""What is told of single orders, to their owners: there may be very many in one command."""


def _dtype(fields: Iterable[tuple[str, str, int]], size: int) -> np.dtype[np.void]:
    names, formats, offsets = zip(*fields, strict=True)
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": size})


COMMAND: np.dtype[np.void] = _dtype(COMMAND_FIELDS, COMMAND_SIZE)
EVENT: np.dtype[np.void] = _dtype(EVENT_FIELDS, EVENT_SIZE)


def commands(count: int) -> npt.NDArray[np.void]:
    """`count` COMMAND records of zeros, shape (count,), to be filled in."""
    return np.zeros(count, dtype=COMMAND)


def events(data: bytes) -> npt.NDArray[np.void]:
    """The EVENT records in `data`, shape (n,), without copying them. Raises InputError if one is cut."""
    if len(data) % EVENT_SIZE:
        raise InputError("data", f"must be whole EVENT records of {EVENT_SIZE} bytes")
    return np.frombuffer(data, dtype=EVENT)


def amounts(records: npt.NDArray[np.void], name: str) -> npt.NDArray[Any]:
    """The 128-bit field `name` of every record, in the asset's smallest unit.

    The result is int64, shape of `records`, when all of them fit, or else an array of Python ints.
    """
    low, high = records[f"{name}_lo"], records[f"{name}_hi"]
    signed = low.view(np.int64) if low.flags.c_contiguous else low.astype(np.uint64).view(np.int64)
    if bool(np.all(high == (signed >> 63))):
        return signed.copy()
    joined: npt.NDArray[Any] = low.astype(object) + (high.astype(object) << 64)
    return joined


def set_amounts(records: npt.NDArray[np.void], name: str, values: npt.ArrayLike) -> None:
    """Sets the 128-bit field `name` of every record to `values`, ints that broadcast to the shape of `records`."""
    array = np.asarray(values)
    if array.dtype.kind not in "iuO":
        raise TypeError(f"{name}: amounts are whole numbers, not {array.dtype}")
    if array.dtype.kind in "iu" and (array.dtype.kind == "i" or array.dtype.itemsize < 8):
        signed = array.astype(np.int64)
        records[f"{name}_lo"] = signed.astype(np.uint64)
        records[f"{name}_hi"] = signed >> 63
        return
    wide = array.astype(object)
    records[f"{name}_lo"] = np.asarray(wide & 0xFFFF_FFFF_FFFF_FFFF).astype(np.uint64)
    records[f"{name}_hi"] = np.asarray(wide >> 64).astype(np.int64)
