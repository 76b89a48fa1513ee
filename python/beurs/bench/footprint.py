"""Bytes of memory per open order: the resident set after entering orders less that before, over their number.

To be measured in a process of its own, which has freed nothing before. Linux only: it reads /proc.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path

import numpy as np

from beurs import records
from beurs.bench.stream import ACCOUNTS, MIDDLE, fill
from beurs.exchange import Exchange
from beurs.records import CommandKind
from beurs.values import OrderType, Side, TimeInForce

__all__ = ["enter", "measure"]

_CHUNK = 4_096


def enter(ex: Exchange, count: int, seed: int = 3) -> None:
    """Enters `count` limit orders that rest, over 20,000 prices."""
    rng = np.random.default_rng(seed)
    batch = records.commands(_CHUNK)
    batch["kind"], batch["instrument_id"] = CommandKind.NEW_ORDER, 1
    batch["order_type"], batch["time_in_force"] = OrderType.LIMIT.number, TimeInForce.GTC.number
    while count:
        part = batch[: min(count, _CHUNK)]
        part["account_id"] = rng.integers(2, 2 + ACCOUNTS, len(part))
        part["side"] = rng.integers(Side.BUY.number, Side.SELL.number + 1, len(part))
        away = rng.integers(1, 10_000, len(part))
        part["price"] = MIDDLE + np.where(part["side"] == Side.BUY.number, -away, away)
        part["quantity"] = 1
        ex.execute(part)
        count -= len(part)


def measure(count: int) -> float:
    """Bytes an order."""
    with fill(Exchange(event_ring_bytes=1 << 20, clock="manual")) as ex:
        enter(ex, 2 * _CHUNK)  # What is there once, whatever rests.
        gc.collect()
        before = _resident()
        enter(ex, count, seed=4)
        gc.collect()
        return (_resident() - before) / count


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
