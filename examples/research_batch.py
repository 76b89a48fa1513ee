"""Research at full speed: a million commands in one array, and an analysis of the events with NumPy alone.

Who earns more from the spread: the patient, who post far from the touch, or the eager, who post close to it? Random
orders trade on one instrument; every account posts at its own usual distance. The answer comes from the EVENT records.

    python examples/research_batch.py [commands] [seed]
"""

import sys
import time

import numpy as np
import numpy.typing as npt

from beurs import Exchange, ExecType, Liquidity, Side, TimeInForce, records
from beurs.records import CommandKind, EventKind

ACCOUNTS = 100
FIRST_ACCOUNT = 2  # 1 is the venue
MIDDLE = 1_000_000  # ticks
CHUNK = 65_536


def open_venue() -> Exchange:
    """A venue in memory; account n posts n ticks and more away from the middle."""
    ex = Exchange()
    ex.add_asset("SHARE", scale=0)
    ex.add_asset("USD", scale=2)
    ex.list_instrument("SHARE-USD", base="SHARE", quote="USD", tick_size="0.01", lot_size="1")
    ex.set_fees("SHARE-USD", maker_ppm=0, taker_ppm=50)
    for number in range(ACCOUNTS):
        account = ex.open_account(f"trader-{number}")
        ex.deposit(account.account_id, "SHARE", "1000000000")
        ex.deposit(account.account_id, "USD", "100000000000000")
    return ex


def make_commands(count: int, seed: int) -> npt.NDArray[np.void]:
    """COMMAND records, shape (count,): 60 % limit orders around a wandering middle, 40 % IOC orders that cross."""
    rng = np.random.default_rng(seed)
    batch = records.commands(count)
    middle = MIDDLE + np.cumsum(rng.choice([-1, 0, 1], count, p=[0.05, 0.9, 0.05]))
    taking = rng.random(count) < 0.4
    side = rng.integers(Side.BUY.number, Side.SELL.number + 1, count)
    account = rng.integers(FIRST_ACCOUNT, FIRST_ACCOUNT + ACCOUNTS, count)
    distance = np.where(taking, -40, account - FIRST_ACCOUNT + rng.integers(1, 20, count))
    batch["kind"] = CommandKind.NEW_ORDER
    batch["order_type"] = 1
    batch["side"] = side
    batch["time_in_force"] = np.where(taking, TimeInForce.IOC.number, TimeInForce.GTC.number)
    batch["account_id"] = account
    batch["instrument_id"] = 1
    batch["price"] = middle + np.where(side == Side.BUY.number, -distance, distance)
    batch["quantity"] = rng.integers(1, 100, count)
    return batch


def main() -> None:
    """Runs the batch and prints what the events say."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    batch = make_commands(count, seed)
    traded_lots = np.zeros(ACCOUNTS, dtype=np.int64)
    edge_ticks = np.zeros(ACCOUNTS, dtype=np.int64)
    reports = refused = trades = 0
    seconds = 0.0
    with open_venue() as ex:
        fair = float(MIDDLE)
        for at in range(0, count, CHUNK):
            part = batch[at : at + CHUNK]
            begun = time.perf_counter()
            events = ex.execute(part)
            seconds += time.perf_counter() - begun
            reports += int(np.count_nonzero(events["kind"] == EventKind.EXECUTION))
            refused += int(np.count_nonzero(events["kind"] == EventKind.REJECTED))
            is_trade = events["exec_type"] == ExecType.TRADE.number
            made = events[is_trade & (events["liquidity"] == Liquidity.MAKER.number)]
            trades += len(made)
            # What a maker earned by a trade: how much better than the mean price of its chunk it traded.
            fair = float(made["last_price"].mean()) if len(made) else fair
            sign = np.where(made["side"] == Side.BUY.number, 1, -1)
            edge = (sign * (fair - made["last_price"]) * made["last_quantity"]).astype(np.int64)
            np.add.at(edge_ticks, made["account_id"] - FIRST_ACCOUNT, edge)
            np.add.at(traded_lots, made["account_id"] - FIRST_ACCOUNT, made["last_quantity"])
        book = ex.book("SHARE-USD", depth=1)
        fees = ex.balance("venue", "USD").total
    print(f"{count:,} commands in {seconds:.2f} s: {count / seconds:,.0f} a second")
    print(f"{reports:,} reports, {trades:,} trades, {refused:,} refused; the venue earned {fees} USD")
    print("best bid", book.bids[0].price if book.bids else "-", "best ask", book.asks[0].price if book.asks else "-")
    print("distance   lots made   ticks earned per lot")
    for low in range(0, ACCOUNTS, 20):
        lots, edge = int(traded_lots[low : low + 20].sum()), int(edge_ticks[low : low + 20].sum())
        print(f"{low:>3} to {low + 19:<3} {lots:>11,} {edge / lots if lots else 0.0:>10.2f}")


if __name__ == "__main__":
    main()
