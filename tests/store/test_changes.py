"""What staff changes, from EVENT records made by hand to rows and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from beurs import records
from beurs.records import EventKind
from beurs.store import Repository, Store
from beurs.store.models import Change, Fill, LedgerEntry, TradeCorrection
from beurs.store.projection import ListedInstrument, Projection
from beurs.store.projector import save

INSTRUMENT = ListedInstrument(1, "BTC-USD", 1, 2, 1, 2, 1, 5, 1, 2**53 - 1, 0, 1000, 10)
REASON = "0123456789" * 6 + "abcd"


def event(sequence: int, kind: EventKind, **fields: Any) -> Any:
    """One EVENT record."""
    record = np.zeros(1, dtype=records.EVENT)
    for name, value in {"sequence": sequence, "event_time_ns": sequence * 1000, "kind": kind, **fields}.items():
        if name == "amount":
            records.set_amounts(record, "amount", [value])
        else:
            record[name] = value
    return record


def administered(sequence: int, actor: str, reason: str) -> Any:
    """Who and why. A long reason is in five fields."""
    record = event(sequence, EventKind.ADMINISTERED, code=actor.encode(), client_order_id=reason[:36].encode())
    rest = reason[36:].encode().ljust(28, b"\0")
    for name, part in (("amount_lo", rest[:8]), ("amount_hi", rest[8:16]), ("total_lo", rest[16:24])):
        record[name] = int.from_bytes(part, "little", signed=False)
    record["total_hi"] = int.from_bytes(rest[24:28], "little")
    return record


EVENTS = np.concatenate(
    [
        administered(1, "carol", "first"),
        event(1, EventKind.TRADING_STATUS_SET, instrument_id=1, trading_status=4, reason=1),
        event(1, EventKind.TRADING_STATUS_SET, event_index=1, instrument_id=1, trading_status=1, reason=1),
        event(2, EventKind.SETTING_CHANGED, instrument_id=1, detail=26),  # not by staff
        administered(3, "dave", REASON),
        event(3, EventKind.KILL_SWITCH_SET, detail=1, flags=1, count=7),
        event(4, EventKind.MARK_PRICE_SET, instrument_id=1, price=5),
        administered(5, "carol", "a price was wrong"),
        event(5, EventKind.POSTED, account_id=2, asset_id=2, amount=30),
        event(5, EventKind.POSTED, account_id=3, asset_id=2, amount=-30),
        event(
            *(5, EventKind.TRADE_CORRECTED),
            trade_id=9,
            instrument_id=1,
            account_id=2,
            counter_order_id=3,
            price=100,
            last_price=97,
            quantity=10,
        ),
    ]
)


def projected(store: Store, cuts: tuple[int, ...]) -> Repository:
    """Writes the events in pieces of whole commands."""
    projection = Projection(lambda: [INSTRUMENT])
    projection.add_instrument(INSTRUMENT)
    for first, last in zip((0, *cuts), (*cuts, 5), strict=True):
        rows = projection.apply(EVENTS[(EVENTS["sequence"] > first) & (EVENTS["sequence"] <= last)])
        assert rows is not None
        with store.writing() as connection:
            save(connection, rows)
            save(connection, rows)  # twice is once
    return Repository(store)


def test_changes_are_kept_with_who_and_why(new_store: Callable[[], Store]) -> None:
    repository = projected(new_store(), ())
    changes = repository.changes()
    assert [(row.sequence, row.event_time_ns, row.actor, row.reason) for row in changes] == [
        (5, 5000, "carol", "a price was wrong"),
        (3, 3000, "dave", REASON),
        (1, 1000, "carol", "first"),
    ]
    facts = [json.loads(row.facts) for row in changes]
    assert [[fact["kind"] for fact in of_one] for of_one in facts] == [
        ["posted", "posted", "trade_corrected"],
        ["kill_switch_set"],
        ["trading_status_set", "trading_status_set"],
    ]
    assert facts[1] == [{"kind": "kill_switch_set", "scope": "all", "engaged": True, "count": 7}]
    assert not any("sequence" in fact for of_one in facts for fact in of_one)
    assert [row.sequence for row in repository.changes(actor="carol", before=5)] == [1]
    assert len(repository.changes(limit=1)) == 1


def test_the_rows_do_not_depend_on_how_events_are_cut(new_store: Callable[[], Store]) -> None:
    def rows(cuts: tuple[int, ...]) -> list[Any]:
        store = new_store()
        projected(store, cuts)
        with store.reading() as session:
            return [
                [tuple(row) for row in session.execute(model.__table__.select())]
                for model in (Change, TradeCorrection, LedgerEntry)
            ]

    assert rows(()) == rows((1, 2, 3, 4)) == rows((3,))


def test_a_corrected_trade_moves_money_between_accounts_and_has_another_price(new_store: Callable[[], Store]) -> None:
    store = new_store()
    repository = projected(store, ())
    with store.reading() as session:
        entries = session.query(LedgerEntry).order_by(LedgerEntry.entry_id).all()
        assert [(entry.account_id, entry.amount, entry.kind, entry.trade_id) for entry in entries] == [
            (2, 30, "correction", 9),
            (3, -30, "correction", 9),
        ]
    assert repository.settled_trade(9) is None  # its fills are not there
    fill = dict.fromkeys(("sequence", "event_time_ns", "order_id"), 1) | {"client_order_id": None, "notional": 0}
    with store.writing() as connection:
        for fill_id, account_id, side, fee in ((17, 2, "buy", 5), (18, 3, "sell", -1)):
            row = {"fill_id": fill_id, "trade_id": 9, "account_id": account_id, "side": side, "fee": fee}
            row |= {"instrument_id": 1, "liquidity": "taker", "price": 100, "quantity": 10}
            connection.execute(Fill.__table__.insert().values(**fill, **row))
    trade = repository.settled_trade(9)
    assert trade is not None
    assert (trade.buyer_id, trade.seller_id, trade.price, trade.quantity) == (2, 3, 97, 10)
    assert (trade.buyer_fee, trade.seller_fee) == (5, -1)
