"""How fast the doors of the Python package are: one call a command, and a batch of records, in memory.

1,000 accounts, one instrument with fees. One call a command: limit orders that rest. The batch: see `workload`. Best of
several runs: the machine has other things to do as well.

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

from beurs import Exchange, ExecType, Side, TimeInForce, records
from beurs.records import CommandKind, EventKind

ACCOUNTS = 1_000
MIDDLE = 2_000_000  # ticks
RESTING = 1_000


def venue() -> Exchange:
    """An exchange in memory with funded accounts."""
    ex = Exchange(event_ring_bytes=1 << 20)
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
    """COMMAND records, shape (count,): 50 % limit orders near the touch, 40 % cancels of open orders, 10 % IOC orders
    that trade, over 1,000 resting orders. Made by trading them once, so that every cancel names an order that is open.
    """
    rng = np.random.default_rng(seed)
    batch = records.commands(count)
    batch["account_id"] = rng.integers(2, ACCOUNTS + 2, count)
    batch["side"] = rng.integers(Side.BUY.number, Side.SELL.number + 1, count)
    away = rng.geometric(0.02, count)
    batch["quantity"] = rng.integers(1, 100, count)
    draw = rng.random(count)
    choice = rng.random(count).tolist()
    resting: list[int] = []
    place: dict[int, int] = {}
    owner: dict[int, int] = {}

    def remove(order_id: int) -> None:
        at, last = place.pop(order_id), resting.pop()
        if last != order_id:
            resting[at], place[last] = last, at

    with venue() as ex:
        for at in range(count):
            record = batch[at]
            record["kind"], record["instrument_id"], record["order_type"] = CommandKind.NEW_ORDER, 1, 1
            buys = record["side"] == Side.BUY.number
            if len(resting) < RESTING or draw[at] < 0.5:
                record["time_in_force"] = TimeInForce.GTC.number
                record["price"] = MIDDLE + (-away[at] if buys else away[at])
            elif draw[at] < 0.6:
                record["time_in_force"] = TimeInForce.IOC.number
                record["price"] = MIDDLE + (200 if buys else -200)
            else:
                order_id = resting[int(choice[at] * len(resting))]
                record["kind"], record["order_id"], record["account_id"] = (
                    CommandKind.CANCEL_ORDER,
                    order_id,
                    owner[order_id],
                )
                for name in ("side", "order_type", "instrument_id", "quantity"):
                    record[name] = 0
            events = ex.execute(batch[at : at + 1])
            first = events[0]
            if first["exec_type"] == ExecType.NEW.number and record["time_in_force"] == TimeInForce.GTC.number:
                order_id = int(first["order_id"])
                place[order_id], owner[order_id] = len(resting), int(record["account_id"])
                resting.append(order_id)
            if len(events) > 1 or first["exec_type"] == ExecType.CANCELED.number:
                for order_id in events["order_id"][events["leaves_quantity"] == 0].tolist():
                    if order_id in place:
                        remove(order_id)
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


def batch_rate(batch: npt.NDArray[np.void], chunk: int) -> tuple[float, dict[str, int]]:
    """Commands per second through `Exchange.execute`, in batches of `chunk`, and what the events were."""
    count = len(batch)
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
    batch = workload(arguments.commands)
    for chunk in (1_024, 4_096, 65_536, arguments.commands):
        rate, counts = batch_rate(batch, chunk)
        figures[f"batch_{chunk}_per_second"] = round(rate)
        print(f"batches of {chunk:>9,}  {rate:>12,.0f} commands/s   {counts}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
