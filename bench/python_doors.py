"""How fast the doors of the Python package are: one call a command, and a batch of records, in memory.

The workload of both: 1,000 accounts, one instrument with fees; the batch is 50 % limit orders near the touch, 40 %
cancels of open orders and 10 % IOC orders that trade, over about 1,000 resting orders. Best of several runs.

    python bench/python_doors.py [--commands 1000000] [--json FILE]
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from beurs import Exchange, OrderType, Side, TimeInForce, records
from beurs.records import CommandKind, EventKind

ACCOUNTS = 1_000
MIDDLE = 2_000_000  # ticks


def venue() -> Exchange:
    """An exchange in memory with funded accounts."""
    ex = Exchange(event_ring_bytes=8 << 20)
    ex.add_asset("BTC", scale=8)
    ex.add_asset("USD", scale=6)
    ex.list_instrument("BTC-USD", base="BTC", quote="USD", tick_size="0.01", lot_size="0.0001")
    ex.set_fees("BTC-USD", maker_ppm=100, taker_ppm=300)
    for number in range(ACCOUNTS):
        account = ex.open_account(f"trader-{number}")
        ex.deposit(account.account_id, "BTC", "1000000")
        ex.deposit(account.account_id, "USD", "100000000000")
    return ex


def workload(count: int, seed: int = 1) -> npt.NDArray[np.void]:
    """COMMAND records, shape (count,). A cancel names an order about 1,000 orders back: most of them are still open."""
    rng = np.random.default_rng(seed)
    batch = records.commands(count)
    draw = rng.random(count)
    new, cancel = draw < 0.6, draw >= 0.6
    aggressive = draw < 0.1
    owner = rng.integers(2, ACCOUNTS + 2, count).astype(np.uint32)
    side = rng.integers(Side.BUY.number, Side.SELL.number + 1, count).astype(np.uint8)
    away = np.where(aggressive, -25, rng.geometric(0.02, count))
    batch["kind"] = np.where(new, CommandKind.NEW_ORDER, CommandKind.CANCEL_ORDER)
    batch["side"] = np.where(new, side, 0)
    batch["order_type"] = np.where(new, OrderType.LIMIT.number, 0)
    batch["time_in_force"] = np.where(new, np.where(aggressive, TimeInForce.IOC.number, TimeInForce.GTC.number), 0)
    batch["instrument_id"] = new
    batch["price"] = np.where(new, MIDDLE + np.where(side == Side.BUY.number, -away, away), 0)
    batch["quantity"] = np.where(new, rng.integers(1, 100, count), 0)
    # Every order gets the next order_id, so who owns which is known beforehand.
    order_of_command = np.cumsum(new)
    owners = np.concatenate(([0], owner[new]))
    target = np.maximum(order_of_command - rng.integers(500, 1_500, count), 1)
    known = cancel & (order_of_command > 1_500)
    batch["order_id"] = np.where(cancel, np.where(known, target, 1), 0)
    batch["account_id"] = np.where(new, owner, owners[np.where(known, target, 1)])
    return batch


def best(runs: int, run: Callable[[], float]) -> float:
    """The least of several measurements, without the garbage collector."""
    gc.disable()
    try:
        return min(run() for _ in range(runs))
    finally:
        gc.enable()


def single_call_ns(count: int = 200_000) -> float:
    """Nanoseconds per resting limit order, the loop of the caller included."""
    rng = np.random.default_rng(2)
    accounts = rng.integers(2, ACCOUNTS + 2, count).tolist()
    prices = (MIDDLE - rng.geometric(0.005, count)).tolist()
    ex = venue()

    def run() -> float:
        new_order, buy = ex.node.new_order, Side.BUY.number
        start = time.perf_counter_ns()
        for account_id, price in zip(accounts, prices, strict=True):
            new_order(account_id, 1, buy, price, 10)
        spent = time.perf_counter_ns() - start
        assert new_order(2, 1, buy, 1, 10) > 0
        ex.mass_cancel()
        return spent / count

    return best(5, run)


def batch_rate(count: int, chunk: int) -> tuple[float, dict[str, int]]:
    """Commands per second through `Exchange.execute`, in batches of `chunk`, and what the events were."""
    batch = workload(count)
    counts: dict[str, int] = {}

    def run() -> float:
        ex = venue()
        spent = 0
        kinds = np.zeros(16, dtype=np.int64)
        for at in range(0, count, chunk):
            part = batch[at : at + chunk]
            start = time.perf_counter_ns()
            events = ex.execute(part)
            spent += time.perf_counter_ns() - start
            kinds += np.bincount(events["kind"], minlength=16)
        counts.update(commands=count, reports=int(kinds[EventKind.EXECUTION]), rejected=int(kinds[EventKind.REJECTED]))
        return spent / count

    return 1e9 / best(5, run), counts


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures: dict[str, object] = {"single_call_ns": round(single_call_ns(), 1)}
    print(f"single-call door      {figures['single_call_ns']:>12} ns a command")
    for chunk in (1_024, 16_384, arguments.commands):
        rate, counts = batch_rate(arguments.commands, chunk)
        figures[f"batch_{chunk}_per_second"] = round(rate)
        print(f"batches of {chunk:>9,}  {rate:>12,.0f} commands/s   {counts}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
