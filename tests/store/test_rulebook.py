"""The store of a venue on which everything of the rulebook happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from alembic import command
from sqlalchemy import text

from beurs import engine, records
from beurs.records import EventKind, set_amounts
from beurs.store import Repository, Store, catch_up, check, rebuild
from beurs.store.database import _alembic
from beurs.store.projection import ListedInstrument, Projection
from beurs.store.projector import Follower
from beurs.values import ExecType, Liquidity

from ..venues import ACCOUNTS, Venue
from .conftest import tables

NewStore = Callable[[], Store]


@pytest.fixture
def venue(tmp_path: Path, seed: int) -> Iterator[Venue]:
    node = engine.Node(str(tmp_path / "journal"), event_ring_bytes=1 << 20)
    venue = Venue(node, seed, terms=True)
    venue.open()
    yield venue
    node.close()


def test_everything_fits_together(venue: Venue, new_store: NewStore) -> None:
    one, many = new_store(), new_store()
    for _ in range(3):
        venue.trade(700)
        catch_up(venue.node, one)
        assert check(one) == []
        for account_id in range(1, ACCOUNTS + 2):
            mine = [(b.asset_id, b.total, b.held) for b in Repository(one).balances(account_id) if b.total]
            assert mine == [balance for balance in venue.node.balances(account_id) if balance[1]]
    follower = Follower(venue.node, many)
    while follower.step(venue.random.choice((1, 3, 50))):
        pass
    before = tables(one)
    assert tables(many) == before
    assert before["order_lists"]
    assert before["order_terms"]
    assert rebuild(venue.node, one) == venue.node.sequence
    assert tables(one) == before


def test_orders_have_the_terms_that_were_told_last(venue: Venue, new_store: NewStore) -> None:
    venue.trade(1500)
    store = new_store()
    catch_up(venue.node, store)
    expected = {}
    position = 0
    while data := venue.node.replay_events(position, 1 << 22):
        for event in engine.decode_events(data):
            if event.kind == "terms":
                expected[event.order_id] = event.as_dict()
            position = event.sequence
    names = (
        "waits", "list_id", "limit_price", "trigger_price", "trigger_by", "trail_bps", "display_quantity", "hidden",
        "min_quantity", "expire_time_ns", "auction_only", "slide", "peg", "peg_offset",
    )  # fmt: skip
    found = 0
    for account_id in range(2, ACCOUNTS + 2):
        for order in Repository(store).orders(account_id, limit=1000):
            if order.terms is None:
                assert order.order_id not in expected
                continue
            found += 1
            assert {name: getattr(order.terms, name) for name in names} == {
                name: expected[order.order_id][name] for name in names
            }
    assert found > 50


def test_a_trade_of_an_auction_is_one_trade_without_an_aggressor(venue: Venue, new_store: NewStore) -> None:
    buy = engine.new_order(2, 1, 1, 1, 1, False, 0, 6_000_000, 7, 0, "")
    sell = engine.new_order(3, 1, 2, 1, 1, False, 0, 6_000_000, 7, 0, "")
    venue.run([engine.set_trading_status(1, 5), sell, buy])
    store = new_store()
    catch_up(venue.node, store)
    repository = Repository(store)
    during = repository.instruments()[0]
    assert (during.status, during.indicative_price, during.indicative_volume) == ("auction", 6_000_000, 7)
    venue.run([engine.set_trading_status(1, 1)])
    catch_up(venue.node, store)
    (trade,) = repository.trades(1)
    assert (trade.aggressor_side, trade.maker_order_id, trade.taker_order_id) == (None, None, None)
    assert (trade.buy_order_id, trade.sell_order_id) == (2, 1)
    bought, sold = repository.fills(2)[0], repository.fills(3)[0]
    assert (bought.fill_id, bought.liquidity, sold.fill_id, sold.liquidity) == (1, "auction", 2, "auction")
    for interval in ("1m", "1d"):
        (candle,) = repository.candles(1, interval)
        assert (candle.volume, candle.trade_count) == (7, 1)
    after = repository.instruments()[0]
    assert (after.status, after.indicative_price, after.indicative_volume) == ("open", None, None)
    assert (after.auction_price, after.auction_volume) == (6_000_000, 7)
    assert check(store) == []


def test_a_list_is_found_with_its_orders(venue: Venue, new_store: NewStore) -> None:
    target = engine.new_order(2, 1, 2, 1, 1, False, 0, 7_000_000, 7, 0, "")
    stop = engine.new_order(2, 1, 2, 3, 2, False, 0, 0, 7, 0, "", trigger_price=5_000_000)
    venue.run([engine.new_order_list(1, [target, stop])])
    store = new_store()
    catch_up(venue.node, store)
    repository = Repository(store)
    found = repository.order_list(2, 1)
    assert found is not None
    head, orders = found
    assert (head.contingency, head.status, head.created_sequence) == ("oco", "executing", venue.node.sequence)
    states = [(order.order_id, order.status, order.terms.waits) for order in orders]
    assert states == [(1, "new", False), (2, "new", True)]
    assert repository.order_list(3, 1) is None
    assert repository.order_list(2, 2) is None
    venue.run([engine.cancel_order(2, 1, "")])
    catch_up(venue.node, store)
    found = repository.order_list(2, 1)
    assert found is not None
    head, orders = found
    assert (head.status, head.updated_sequence, head.created_sequence + 1) == ("all_done",) + (venue.node.sequence,) * 2
    assert [(order.status, order.cancel_reason) for order in orders] == [
        ("canceled", "requested"),
        ("canceled", "order_list"),
    ]


def _projection() -> Projection:
    projection = Projection(list)
    projection.add_instrument(ListedInstrument(1, "A-B", 1, 2, 1, 0, 1, 0, 1, 100, 0, 1, 1))
    return projection


def test_the_postings_of_a_correction_are_no_deposits() -> None:
    events = np.zeros(4, dtype=records.EVENT)
    events["sequence"] = 1
    events["kind"][:3] = EventKind.POSTED
    events["account_id"][:3] = (2, 3, 1)
    events["asset_id"][:3] = 2
    set_amounts(events, "amount", np.array([100, -99, -1, 0]))
    events["kind"][3] = EventKind.TRADE_CORRECTED
    events["trade_id"][3] = 9
    events["instrument_id"][3] = 1
    events["account_id"][3], events["counter_order_id"][3] = 2, 3
    events["price"][3], events["quantity"][3] = 50, 2
    rows = _projection().apply(events)
    assert rows is not None
    assert [entry[3:] for entry in rows.ledger_entries] == [
        (2, 2, "100", "correction", 9, None),
        (3, 2, "-99", "correction", 9, None),
        (1, 2, "-1", "correction", 9, None),
    ]
    assert rows.trade_corrections == [(1, 0, 9, 1, 2, 3, 50, 0, 2)]


def test_an_event_of_an_unknown_kind_is_an_error() -> None:
    for kind in set(EventKind) - {EventKind.ADMINISTERED}:  # which is text that zeros are not
        events = np.zeros(1, dtype=records.EVENT)
        events["sequence"], events["kind"] = 1, kind
        events["instrument_id"], events["trading_status"], events["reason"] = 1, 1, 1
        if kind == EventKind.EXECUTION:
            events["exec_type"], events["liquidity"] = ExecType.NEW.number, Liquidity.NONE.number
        assert _projection().apply(events) is not None
    events = np.zeros(1, dtype=records.EVENT)
    events["sequence"], events["kind"] = 1, max(EventKind) + 1
    with pytest.raises(ValueError, match="unknown kind"):
        _projection().apply(events)


def test_a_store_of_the_first_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    store = Store.at(tmp_path / "old.sqlite")
    with store._writer.connect() as connection:
        command.upgrade(_alembic(connection), "0001")
    with store.writing() as connection:
        for trade_id, side in ((1, "buy"), (2, "sell")):
            connection.execute(text(f"INSERT INTO trades VALUES ({trade_id}, 1, 1, 1, 5, 5, '25', '{side}', 10, 20)"))
    store.migrate()
    trades = Repository(store).trades(1)
    assert [(t.aggressor_side, t.buy_order_id, t.sell_order_id) for t in trades] == [("sell", 10, 20), ("buy", 20, 10)]
    with store.reading() as session:
        indexes = dict(session.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'index'")).all())
    assert "WHERE" in indexes["ix_orders_open"]
    assert "ix_trades_instrument" in indexes
    store.close()
