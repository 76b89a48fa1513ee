"""Checks the store against its own rules; for tests and for `beurs store check`.

Read in Python, row by row: no database adds decimal text up exactly in SQL.
"""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import select

from beurs.store.database import Store
from beurs.store.models import EXTERNAL_ACCOUNT_ID, OPEN_STATUSES, Balance, Fill, Instrument, LedgerEntry, Order, Trade
from beurs.store.projector import open_pairs

FAULTS_MAX = 100
"""Faults that are told; there may be more."""


def check(store: Store) -> list[str]:
    """What is wrong, as sentences; an empty list if nothing is."""
    faults: list[str] = []
    totals: dict[tuple[int, int], int] = defaultdict(int)
    with store.reading() as session:
        sums: dict[int, int] = defaultdict(int)
        sequence = entry_id = 0

        def close_sequence() -> None:
            faults.extend(
                f"sequence {sequence}: the postings of asset {asset_id} add up to {amount}"
                for asset_id, amount in sums.items()
                if amount
            )
            sums.clear()

        entries = select(
            LedgerEntry.entry_id, LedgerEntry.sequence, LedgerEntry.account_id, LedgerEntry.asset_id, LedgerEntry.amount
        ).order_by(LedgerEntry.entry_id)
        for entry in session.execute(entries.execution_options(yield_per=10_000)):
            if entry.entry_id != entry_id + 1:
                faults.append(f"ledger entries {entry_id + 1} to {entry.entry_id - 1} are missing")
            entry_id = entry.entry_id
            if entry.sequence != sequence:
                close_sequence()
                sequence = entry.sequence
            sums[entry.asset_id] += entry.amount
            totals[entry.account_id, entry.asset_id] += entry.amount
        close_sequence()

        assets = {
            instrument.instrument_id: (instrument.base_asset_id, instrument.quote_asset_id)
            for instrument in session.scalars(select(Instrument))
        }
        held: dict[tuple[int, int], int] = defaultdict(int)
        partners = open_pairs(session)
        of_pairs: dict[int, int] = {}
        holds = select(Order.order_id, Order.account_id, Order.instrument_id, Order.side, Order.hold).where(
            Order.status.in_(OPEN_STATUSES)
        )
        for order in session.execute(holds.execution_options(yield_per=10_000)):
            base, quote = assets[order.instrument_id]
            hold = order.hold
            if order.order_id in partners:
                of_pairs[order.order_id] = hold
                hold = max(0, hold - of_pairs.get(partners[order.order_id], 0))  # of the two the larger one
            held[order.account_id, quote if order.side == "buy" else base] += hold

        balances = {(b.account_id, b.asset_id): (b.total, b.held) for b in session.scalars(select(Balance))}
        for key in sorted({*totals, *held, *balances}):
            expected, found = (totals[key], held[key]), balances.get(key, (0, 0))
            where = f"account {key[0]}, asset {key[1]}"
            if expected != found:
                faults.append(f"{where}: total and held are {found}, postings and open orders say {expected}")
            elif key[0] != EXTERNAL_ACCOUNT_ID and not 0 <= found[1] <= found[0]:
                faults.append(f"{where}: total {found[0]} does not cover held {found[1]}, or one is negative")

        fills: dict[int, list[tuple[str, int, int]]] = defaultdict(list)
        for fill in session.execute(
            select(Fill.trade_id, Fill.side, Fill.price, Fill.quantity).execution_options(yield_per=10_000)
        ):
            fills[fill.trade_id].append((fill.side, fill.price, fill.quantity))
        for trade in session.execute(
            select(Trade.trade_id, Trade.price, Trade.quantity).execution_options(yield_per=10_000)
        ):
            two = [("buy", trade.price, trade.quantity), ("sell", trade.price, trade.quantity)]
            if sorted(fills.pop(trade.trade_id, [])) != two:
                faults.append(f"trade {trade.trade_id}: its two fills are not a buy and a sell of the same")
        faults.extend(f"trade {trade_id}: there are fills, but no trade" for trade_id in fills)
    return faults[:FAULTS_MAX]
