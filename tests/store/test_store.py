"""The store against real nodes and real databases."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from beurs import engine, records
from beurs.engine import EVENT_SIZE, Node, new_order
from beurs.store import INTERVALS, Projector, Repository, Store, StoreAhead, catch_up, check, rebuild
from beurs.store.models import Base
from beurs.store.projection import EventGap, Projection
from beurs.store.projector import Follower, listed_instrument

from ..venues import ACCOUNTS, Venue
from ..waiting import WAIT_SECONDS_MAX, until
from .conftest import tables

NewStore = Callable[[], Store]


def test_the_migrations_make_the_models(new_store: NewStore) -> None:
    store = new_store()
    with store.writing() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    assert store.revision() == "0004"
    store.migrate()
    store.drop()
    assert store.revision() is None
    store.migrate()
    assert all(rows == [] for rows in tables(store).values())


def test_balances_are_those_of_the_node(venue: Venue, new_store: NewStore) -> None:
    store = new_store()
    for _ in range(5):
        venue.trade(600)
        catch_up(venue.node, store)
        assert check(store) == []
        repository = Repository(store)
        for account_id in range(1, ACCOUNTS + 2):
            mine = [(b.asset_id, b.total, b.held) for b in repository.balances(account_id) if b.total]
            assert mine == [balance for balance in venue.node.balances(account_id) if balance[1]]


def test_open_orders_are_those_of_the_node(venue: Venue, new_store: NewStore) -> None:
    store = new_store()
    venue.trade(3000)
    catch_up(venue.node, store)
    repository = Repository(store)
    names = (
        "order_id", "account_id", "instrument_id", "side", "time_in_force", "post_only", "self_trade_prevention",
        "price", "quantity", "filled_quantity", "leaves_quantity", "hold",
    )  # fmt: skip
    some = 0
    for account_id in range(2, ACCOUNTS + 2):
        mine = [
            (*(getattr(order, name) for name in names), order.client_order_id or "")
            for order in repository.orders(account_id, statuses=("new", "partially_filled"), limit=1000)
        ]
        node = [
            (*(order[name] for name in names), order["client_order_id"]) for order in venue.node.open_orders(account_id)
        ]
        assert mine[::-1] == node
        some += len(mine)
    assert some > 0


def test_the_tables_do_not_depend_on_how_events_are_cut(venue: Venue, new_store: NewStore) -> None:
    venue.trade(1500)
    one, many = new_store(), new_store()
    catch_up(venue.node, one)
    follower = Follower(venue.node, many)
    while follower.step(venue.random.choice((1, 3, 50))):
        pass
    assert tables(one) == tables(many)


def test_a_rebuild_gives_the_same_tables(venue: Venue, new_store: NewStore) -> None:
    store = new_store()
    for _ in range(3):
        venue.trade(500)
        catch_up(venue.node, store)
    before = tables(store)
    assert before["trades"]
    told: list[tuple[int, int]] = []
    assert rebuild(venue.node, store, lambda position, goal: told.append((position, goal))) == venue.node.sequence
    assert tables(store) == before
    assert told[-1] == (venue.node.sequence, venue.node.sequence)


def test_both_databases_hold_the_same(venue: Venue, tmp_path: Path, postgres: str) -> None:
    venue.trade(1000)
    lite = Store.at(tmp_path / "store.sqlite")
    big = Store(f"{postgres}/postgres")
    try:
        for store in (lite, big):
            store.migrate()
            catch_up(venue.node, store)
        assert tables(lite) == tables(big)
    finally:
        lite.close()
        big.drop()
        big.close()


def test_events_applied_twice_change_nothing(venue: Venue) -> None:
    venue.trade(300)
    projection = Projection(lambda: map(listed_instrument, venue.node.instruments()))
    data = venue.node.replay_events(0, 1 << 30)
    events = records.events(data)
    assert projection.apply(events) is not None
    state = (dict(projection.totals), dict(projection.held), dict(projection.holds), projection.last_entry_id)
    assert projection.apply(events) is None
    half = int(events["sequence"][len(events) // 2])
    assert projection.apply(events[events["sequence"] >= half]) is None
    assert state == (projection.totals, projection.held, projection.holds, projection.last_entry_id)


def test_missing_events_are_refused(venue: Venue) -> None:
    venue.trade(50)
    events = records.events(venue.node.replay_events(0, 1 << 30))
    projection = Projection(lambda: map(listed_instrument, venue.node.instruments()))
    with pytest.raises(EventGap):
        projection.apply(events[events["sequence"] > 1])
    with pytest.raises(EventGap):
        projection.apply(events[events["sequence"] != 20])
    assert projection.position == 0
    assert projection.apply(events) is not None


def test_an_ioc_that_trades_shows_everywhere(venue: Venue, new_store: NewStore) -> None:
    store = new_store()
    venue.run([new_order(2, 1, 2, 1, 1, False, 0, 6_000_000, 100, 0, "maker")])
    venue.run([new_order(3, 1, 1, 1, 2, False, 0, 6_000_001, 150, 0, "taker")])
    catch_up(venue.node, store)
    repository = Repository(store)
    order = repository.order_by_client_order_id(3, "taker")
    assert order is not None
    assert (order.status, order.cancel_reason, order.filled_quantity, order.leaves_quantity, order.hold) == (
        "canceled", "immediate_or_cancel", 100, 0, 0,
    )  # fmt: skip
    assert repository.order(2, order.order_id) is None
    (trade,) = repository.trades(1)
    notional = 6_000_000 * 100 * 10**10
    assert (trade.price, trade.quantity, trade.notional, trade.aggressor_side) == (6_000_000, 100, notional, "buy")
    assert trade.taker_order_id == order.order_id
    (taker,), (maker,) = repository.fills(3), repository.fills(2)
    # Account 3 is of group 1, whose fees on BTC-USD are 0; a rebate is at most what the taker pays.
    assert (taker.liquidity, taker.fee, taker.fill_id) == ("taker", 0, 2 * trade.trade_id - 1)
    assert (maker.liquidity, maker.fee, maker.fill_id) == ("maker", 0, 2 * trade.trade_id)
    assert [(e.asset_id, e.amount, e.kind) for e in repository.ledger(3, limit=2)] == [
        (2, -notional, "trade"),
        (1, 100 * 100, "trade"),
    ]
    for interval in INTERVALS:
        (candle,) = repository.candles(1, interval)
        assert (candle.open, candle.high, candle.low, candle.close, candle.volume, candle.notional) == (
            6_000_000, 6_000_000, 6_000_000, 6_000_000, 100, notional,
        )  # fmt: skip
        assert candle.open_time_ns == trade.event_time_ns // INTERVALS[interval] * INTERVALS[interval]
    ticker = repository.ticker(1, venue.node.event_time_ns)
    assert (ticker.last_price, ticker.volume, ticker.change, ticker.trade_count) == (6_000_000, 100, 0, 1)
    late = repository.ticker(1, venue.node.event_time_ns + 86_400 * 10**9)
    assert (late.last_price, late.open, late.volume, late.change) == (6_000_000, None, 0, None)


def test_amounts_wider_than_64_bits_stay_exact(venue: Venue, new_store: NewStore) -> None:
    store = new_store()
    # 9.007e15 lots of 1e-6 BTC at 1 tick: 2**53 * 10**10 of quote, far above 64 bits.
    quantity = 2**53 - 1
    venue.run([new_order(2, 1, 1, 1, 1, False, 0, 1, quantity // 10, 0, "")])
    catch_up(venue.node, store)
    (order,) = Repository(store).orders(2)
    assert order.hold >= quantity // 10 * 10**10 > 2**63
    (external,) = [b for b in Repository(store).balances(0) if b.asset_id == 2]
    assert external.total == -ACCOUNTS * 10**25


def test_pages_go_through_everything_once(venue: Venue, new_store: NewStore) -> None:
    store = new_store()
    venue.trade(1500)
    catch_up(venue.node, store)
    repository = Repository(store)
    everything = tables(store)

    def pages(read: Callable[..., list[object]], key: str) -> list[int]:
        ids: list[int] = []
        before = None
        while rows := read(before=before, limit=7):
            ids += [getattr(row, key) for row in rows]
            before = ids[-1]
        return ids

    account_ids = {row[0]: row[1] for row in everything["orders"]}
    mine = sorted((order_id for order_id, account_id in account_ids.items() if account_id == 2), reverse=True)
    assert pages(lambda **page: repository.orders(2, **page), "order_id") == mine
    on_one = [o.order_id for o in repository.orders(2, instrument_id=1, statuses=["filled", "canceled"], limit=1000)]
    assert on_one == [
        row[0] for row in everything["orders"][::-1] if row[1:3] == (2, 1) and row[9] in ("filled", "canceled")
    ]
    trades = [row[0] for row in everything["trades"][::-1] if row[3] == 1]
    assert pages(lambda **page: repository.trades(1, **page), "trade_id") == trades
    fills = [row[0] for row in everything["fills"][::-1] if row[4] == 2]
    assert pages(lambda **page: repository.fills(2, **page), "fill_id") == fills
    entries = [row[0] for row in everything["ledger_entries"][::-1] if row[3] == 2 and row[4] == 2]
    assert pages(lambda **page: repository.ledger(2, asset_id=2, **page), "entry_id") == entries
    assert len(repository.ledger(2, limit=10**9)) <= 1001


def test_candles_are_those_of_the_trades(venue: Venue, new_store: NewStore) -> None:
    store = new_store()
    venue.trade(2000)
    catch_up(venue.node, store)
    everything = tables(store)
    for interval, length_ns in INTERVALS.items():
        trades: dict[tuple[int, int], list[tuple[int, int, int]]] = defaultdict(list)
        for row in everything["trades"]:
            trades[row[3], row[2] // length_ns * length_ns].append((row[4], row[5], row[6]))
        expected = [
            (
                instrument_id, interval, open_time, some[0][0], max(s[0] for s in some), min(s[0] for s in some),
                some[-1][0], sum(s[1] for s in some), sum(s[2] for s in some), len(some),
            )
            for (instrument_id, open_time), some in sorted(trades.items())
        ]  # fmt: skip
        assert [row for row in everything["candles"] if row[1] == interval] == expected
    with pytest.raises(KeyError):
        Repository(store).candles(1, "2m")


def test_the_projector_follows_and_its_readers_can_wait(venue: Venue, new_store: NewStore) -> None:
    store = new_store()
    projector = Projector(venue.node, store)
    projector.start()
    try:
        for _ in range(20):
            venue.trade(50)
            assert projector.wait_for(venue.node.sequence, WAIT_SECONDS_MAX)
            assert projector.position == venue.node.sequence
            assert Repository(store).position() == (venue.node.sequence, venue.node.event_time_ns)

        async def wait() -> None:
            venue.trade(10)
            waits = [projector.wait_for_async(venue.node.sequence, WAIT_SECONDS_MAX) for _ in range(10)]
            assert all(await asyncio.gather(*waits))
            assert not await projector.wait_for_async(venue.node.sequence + 1, 0.05)

        asyncio.run(wait())
        assert not projector.wait_for(venue.node.sequence + 1, 0.05)
        assert projector.lag == 0
        assert projector.error is None
        assert projector.stats()["running"]
    finally:
        assert projector.stop()
    assert check(store) == []


def test_a_lagging_projector_takes_the_journal(tmp_path: Path, seed: int, new_store: NewStore) -> None:
    node = Node(str(tmp_path / "journal"), event_ring_bytes=64 * EVENT_SIZE)
    venue = Venue(node, seed)
    venue.open()
    venue.trade(2000)
    store = new_store()
    projector = Projector(node, store)
    projector.start()
    assert projector.wait_for(node.sequence, 30), projector.error
    assert projector.stop()
    assert check(store) == []
    node.close()


def test_a_restart_goes_on_where_it_stopped(tmp_path: Path, seed: int, new_store: NewStore) -> None:
    store = new_store()
    straight = new_store()
    for run in range(4):
        node = Node(str(tmp_path / "journal"), event_ring_bytes=1 << 20)
        venue = Venue(node, seed + run)
        if run == 0:
            venue.open()
        venue.trade(300)
        projector = Projector(node, store)
        projector.start()
        projector.wait_for(node.sequence - 100, 10)
        projector.stop(catch_up=False)
        if run == 3:
            catch_up(node, store)
            catch_up(node, straight)
        node.close()
    assert tables(store) == tables(straight)


def test_a_failing_database_loses_nothing(
    venue: Venue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store.at(tmp_path / "store.sqlite")
    projector = Projector(venue.node, store)
    projector.start()
    assert projector.wait_for(venue.node.sequence, WAIT_SECONDS_MAX)
    caplog.set_level(logging.CRITICAL, "beurs.store.projector")
    # Another process keeps the write lock for longer than the projector waits for it.
    blocker = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
    monkeypatch.setattr("beurs.store.projector._RETRY_SECONDS", (0.05,))
    original = Store.writing

    def fail(self: Store) -> object:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(Store, "writing", fail)
    venue.trade(200)
    until(lambda: projector.error is not None)
    assert projector.error is not None
    assert "locked" in projector.error
    assert projector.running
    monkeypatch.setattr(Store, "writing", original)
    blocker.close()
    assert projector.wait_for(venue.node.sequence, WAIT_SECONDS_MAX)
    assert projector.stop()
    assert projector.error is None
    assert check(store) == []
    straight = Store.at(tmp_path / "straight.sqlite")
    straight.migrate()
    catch_up(venue.node, straight)
    assert tables(store) == tables(straight)


_CHILD = """
import sys
from beurs.engine import Node
from beurs.store import Projector, Store
node = Node(sys.argv[1], event_ring_bytes=1 << 16)
store = Store.at(sys.argv[2])
print("ready", flush=True)
import beurs.store.projector as p
p.CATCH_UP_EVENTS = p.BATCH_EVENTS = 40
Projector(node, store).start()
sys.stdin.read()
"""


def test_a_killed_projector_goes_on(tmp_path: Path, seed: int) -> None:
    node = Node(str(tmp_path / "journal"))
    venue = Venue(node, seed)
    venue.open()
    venue.trade(3000)
    node.close()
    path = tmp_path / "store.sqlite"
    positions = [0]
    while len(positions) < 12 or positions[-1] == 0:
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(tmp_path / "journal"), str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        # Killed at any moment; on a busy machine it needs longer to have done anything at all.
        time.sleep((0.05 + venue.random.random() * 0.1) * max(1, len(positions) - 10))
        child.kill()
        child.communicate()
        with Store.at(path) as store:
            store.migrate()
            positions.append(Repository(store).position()[0])
            assert check(store) == []
    assert positions == sorted(positions)
    assert positions[-1] > 0
    node = Node(str(tmp_path / "journal"))
    with Store.at(path) as store, Store.at(tmp_path / "straight.sqlite") as straight:
        straight.migrate()
        catch_up(node, store)
        catch_up(node, straight)
        assert tables(store) == tables(straight)
    node.close()


def test_a_change_is_kept_with_its_command(venue: Venue, tmp_path: Path) -> None:
    seed, group, fees = engine.set_random_seed(77), engine.set_account_group(2, 9), engine.set_fees(1, 2, -3, 4)
    with Store.at(tmp_path / "store.sqlite") as store, Store.at(tmp_path / "anew.sqlite") as anew:
        for each in (store, anew):
            each.migrate()
        venue.node.execute(engine.administer("carol", "seed", seed) + engine.administer("carol", "group", group))
        venue.trade(200)
        catch_up(venue.node, store)
        venue.node.execute(fees + engine.administer("dave", "fees", fees))
        for each in (store, anew):
            catch_up(venue.node, each)
        told = [(row.actor, row.reason, row.command) for row in Repository(store).changes()]
        # The store may be read by more people than may know when auctions end.
        assert told == [
            ("dave", "fees", engine.administer("dave", "fees", fees)),
            ("carol", "group", engine.administer("carol", "group", group)),
            ("carol", "seed", None),
        ]
        assert tables(store)["changes"] == tables(anew)["changes"]


def test_a_store_of_another_journal_is_refused(venue: Venue, tmp_path: Path) -> None:
    store = Store.at(tmp_path / "store.sqlite")
    store.migrate()
    venue.trade(100)
    catch_up(venue.node, store)
    other = Node(str(tmp_path / "other"))
    Venue(other, 1).open()
    with pytest.raises(StoreAhead, match="rebuild"):
        Projector(other, store).start()
    rebuild(other, store)
    assert check(store) == []
    other.close()


def test_readers_do_not_wait_for_the_writer(venue: Venue, tmp_path: Path) -> None:
    store = Store.at(tmp_path / "store.sqlite")
    store.migrate()
    catch_up(venue.node, store)
    repository = Repository(store)
    with store.writing() as connection:
        connection.exec_driver_sql("UPDATE accounts SET group_id = 9")
        done = threading.Event()
        reader = threading.Thread(target=lambda: (repository.balances(2), done.set()))
        reader.start()
        assert done.wait(WAIT_SECONDS_MAX)
        reader.join()


def test_a_store_in_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="file"):
        Store("sqlite://")
