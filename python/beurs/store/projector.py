"""The projector: a follower of the node that keeps the store's tables.

It runs in a thread of its own and asks for events in batches; the node never waits for it. A batch and the position
after it are one transaction, so that a crash at any moment leaves the tables at some position, and the next start goes
on from there. What the node no longer holds in memory is taken from the journal.

Invariants: only durable events are written; none is skipped; an error is logged, shown by :attr:`Projector.error`, and
tried again from the last committed position.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from sqlalchemy import Connection, Table, insert, select, update
from sqlalchemy.orm import Session

from beurs import engine, records
from beurs.engine import EVENT_SIZE
from beurs.errors import BeursError, Lagged, NodeStopped
from beurs.rows import InstrumentRow
from beurs.store.bulk import BulkWriter
from beurs.store.candles import INTERVALS, CandleValues
from beurs.store.database import Store
from beurs.store.models import (
    OPEN_STATUSES,
    Account,
    Asset,
    Balance,
    Base,
    Candle,
    Change,
    FeeSchedule,
    Fill,
    Instrument,
    LedgerEntry,
    Order,
    OrderList,
    OrderTerms,
    ProjectorState,
    Trade,
    TradeCorrection,
)
from beurs.store.projection import ListedInstrument, Projection, Rows, pairs
from beurs.store.status import status_of
from beurs.values import Contingency, ListStatus

log = logging.getLogger(__name__)

BATCH_EVENTS: Final = 4096
"""Events in a transaction while following."""
CATCH_UP_EVENTS: Final = 32_768
"""Events in a transaction while catching up or rebuilding."""
STATE_NAME: Final = "store"
_RETRY_SECONDS: Final = (0.1, 0.3, 1.0, 3.0, 5.0)


class StoreAhead(BeursError):
    """The store knows events that the journal does not have: it belongs to another journal."""

    def __init__(self, position: int, sequence: int) -> None:
        super().__init__(
            f"the store is at sequence {position}, the journal ends at {sequence}: the store is of another journal; "
            "check the two paths, or rebuild it with `beurs store rebuild`"
        )


class Source(Protocol):
    """What the projector needs of a node."""

    @property
    def sequence(self) -> int:
        """The last durable one."""

    def events_since(self, sequence: int, max_bytes: int) -> bytes:
        """EVENT records of whole commands after ``sequence``, from memory; raises Lagged."""

    def replay_events(self, sequence: int, max_bytes: int) -> bytes:
        """The same from the journal."""

    def commands_at(self, sequences: list[int]) -> list[bytes | None]:
        """The encoded commands with these sequences, which ascend; None for those that the journal does not have."""

    def instruments(self) -> list[InstrumentRow]:
        """Every instrument."""


def _writer(model: type[Base], *, keep: bool = False, fixed: Iterable[str] = ()) -> BulkWriter:
    table = model.__table__
    assert isinstance(table, Table)
    return BulkWriter(table, [column.name for column in table.columns], keep=keep, fixed=tuple(fixed))


WRITERS: Final = {
    "assets": _writer(Asset),
    "instruments": _writer(Instrument),
    "accounts": _writer(Account),
    "fee_schedules": _writer(FeeSchedule),
    "orders": _writer(Order, fixed=("account_id", "instrument_id", "side", "created_sequence", "created_time_ns")),
    "order_terms": _writer(OrderTerms),
    "order_lists": _writer(OrderList, fixed=("account_id", "instrument_id", "created_sequence", "created_time_ns")),
    "trades": _writer(Trade, keep=True),
    "trade_corrections": _writer(TradeCorrection, keep=True),
    "fills": _writer(Fill, keep=True),
    "ledger_entries": _writer(LedgerEntry, keep=True),
    "balances": _writer(Balance),
    "candles": _writer(Candle),
    "changes": _writer(Change, keep=True),
}
"""One for every table of :class:`Rows`; their columns are those of the models, in the same order."""


def load(session: Session, source: Source) -> Projection:
    """The projection at the position that the store has."""
    projection = Projection(lambda: map(listed_instrument, source.instruments()))
    state = session.get(ProjectorState, STATE_NAME)
    if state is None:
        return projection
    projection.position, projection.event_time_ns = state.sequence, state.event_time_ns
    last_entry = select(LedgerEntry.entry_id).order_by(LedgerEntry.entry_id.desc()).limit(1)
    projection.last_entry_id = session.scalar(last_entry) or 0
    for instrument in session.scalars(select(Instrument)):
        projection.add_instrument(
            ListedInstrument(*(getattr(instrument, name) for name in ListedInstrument._fields)), status_of(instrument)
        )
    for account_id, asset_id, total, held in session.execute(
        select(Balance.account_id, Balance.asset_id, Balance.total, Balance.held)
    ):
        projection.totals[account_id, asset_id] = total
        projection.held[account_id, asset_id] = held
    holds = select(Order.order_id, Order.hold).where(Order.status.in_(OPEN_STATUSES))
    projection.holds.update((order_id, hold) for order_id, hold in session.execute(holds) if hold)
    projection.partners.update(open_pairs(session))
    for instrument_id in projection.instruments:
        for interval in INTERVALS:
            last = (
                select(Candle)
                .where(Candle.instrument_id == instrument_id, Candle.interval == interval)
                .order_by(Candle.open_time_ns.desc())
                .limit(1)
            )
            candle = session.scalar(last)
            if candle is not None:
                names = CandleValues.__dataclass_fields__
                projection.candles[instrument_id, interval] = CandleValues(*(getattr(candle, n) for n in names))
    return projection


def open_pairs(session: Session) -> dict[int, int]:
    """The OCO pairs that are open: of each of its orders the other one."""
    members: dict[int, list[int]] = {}
    query = (
        select(OrderTerms.list_id, OrderTerms.order_id)
        .join(OrderList, OrderList.list_id == OrderTerms.list_id)
        .where(OrderTerms.list_id > 0, OrderList.status == ListStatus.EXECUTING.value)
        .where(OrderList.contingency != Contingency.OTO.value)
    )
    for list_id, order_id in session.execute(query):
        members.setdefault(list_id, []).append(order_id)
    return pairs(members.values())


def save(connection: Connection, rows: Rows) -> None:
    """Writes rows and position in the connection's transaction. Writing them again changes nothing."""
    for name, writer in WRITERS.items():
        values = getattr(rows, name)
        if values:
            writer.write(connection, values)
    for instrument_id, status in rows.instrument_statuses.items():
        connection.execute(update(Instrument).where(Instrument.instrument_id == instrument_id).values(status))
    for account_id, group_id in rows.account_groups.items():
        connection.execute(update(Account).where(Account.account_id == account_id).values(group_id=group_id))
    position = {"sequence": rows.sequence, "event_time_ns": rows.event_time_ns}
    if not connection.execute(
        update(ProjectorState).where(ProjectorState.name == STATE_NAME).values(position)
    ).rowcount:
        connection.execute(insert(ProjectorState).values(name=STATE_NAME, **position))


def listed_instrument(facts: InstrumentRow) -> ListedInstrument:
    """From the node's row."""
    return ListedInstrument(
        facts["instrument_id"],
        facts["symbol"],
        facts["base_id"],
        facts["quote_id"],
        facts["tick_mantissa"],
        facts["tick_scale"],
        facts["lot_mantissa"],
        facts["lot_scale"],
        facts["min_quantity"],
        facts["max_quantity"],
        facts["min_notional"],
        facts["lot_units"],
        facts["tick_lot_units"],
    )


def _without_secrets(command: bytes) -> bytes | None:
    """The command, if the store may have it: who knows the random seed knows when auctions end."""
    setting = engine.decode_setting(command)
    return None if setting is not None and setting[0] == "set_random_seed" else command


class Follower:
    """Applies events to the store, a batch at a time. Belongs to one thread."""

    def __init__(self, source: Source, store: Store) -> None:
        """Loads the state. Raises StoreAhead if the store cannot be of this journal."""
        self._source = source
        self._store = store
        self._projection: Projection | None = None
        self.load()

    def load(self) -> int:
        """Forgets the state and takes it from the store; its position."""
        self._projection = None
        with self._store.reading() as session:
            projection = load(session, self._source)
        if projection.position > self._source.sequence:
            raise StoreAhead(projection.position, self._source.sequence)
        self._projection = projection
        return projection.position

    @property
    def position(self) -> int:
        """The sequence after the last batch."""
        return 0 if self._projection is None else self._projection.position

    def step(self, events_max: int) -> int:
        """One batch of about ``events_max`` events; how many there were. After an exception, :meth:`load` first."""
        projection = self._projection
        assert projection is not None
        try:
            data = self._source.events_since(projection.position, events_max * EVENT_SIZE)
        except Lagged:
            data = self._source.replay_events(projection.position, events_max * EVENT_SIZE)
        if not data:
            return 0
        events = records.events(data)
        # Not usable again until the transaction is through: the state would be ahead of the tables.
        self._projection = None
        rows = projection.apply(events)
        if rows is not None:
            if rows.changes:
                commands = self._source.commands_at([row[0] for row in rows.changes])
                told = [None if command is None else _without_secrets(command) for command in commands]
                rows.changes = [(*row[:-1], command) for row, command in zip(rows.changes, told, strict=True)]
            with self._store.writing() as connection:
                save(connection, rows)
        self._projection = projection
        return len(events)


@dataclass(slots=True)
class _Waiter:
    sequence: int
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[bool]


class Projector:
    """Follows a node in a thread of its own. :meth:`start` it, :meth:`stop` it before the node is closed."""

    def __init__(
        self,
        source: Source,
        store: Store,
        *,
        idle_seconds: float = 0.02,
        gather_seconds: float = 0.005,
        on_progress: Callable[[int], None] | None = None,
    ) -> None:
        """``idle_seconds`` is how often to look when nothing comes, ``gather_seconds`` how long to let events gather.

        ``on_progress`` is called with the position after every transaction, in the projector's thread.
        """
        self._source = source
        self._store = store
        self._idle_seconds = idle_seconds
        self._gather_seconds = gather_seconds
        self._on_progress = on_progress
        self._position = 0
        self._error: str | None = None
        self._errors_total = 0
        self._events_total = 0
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._changed = threading.Condition()
        self._waiters: list[_Waiter] = []
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Brings the schema up to date and starts the thread. Raises StoreAhead, or what the database raises."""
        assert self._thread is None, "started twice"
        self._store.migrate()
        follower = Follower(self._source, self._store)
        self._position = follower.position
        self._thread = threading.Thread(target=self._run, args=(follower,), name="beurs-projector", daemon=True)
        self._thread.start()

    def stop(self, timeout_seconds: float = 10.0, *, catch_up: bool = True) -> bool:
        """Ends the thread, after catching up if there is time; whether it has ended."""
        if self._thread is None:
            return True
        deadline = time.monotonic() + timeout_seconds
        if catch_up and self._error is None:
            with contextlib.suppress(NodeStopped):
                self.wait_for(self._source.sequence, timeout_seconds / 2)
        self._stopping.set()
        self._wake.set()
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()

    @property
    def position(self) -> int:
        """The sequence of the last event that is in the tables."""
        return self._position

    @property
    def lag(self) -> int:
        """How many commands are durable and not in the tables yet."""
        return max(0, self._source.sequence - self._position)

    @property
    def error(self) -> str | None:
        """What keeps the projector from going on, ``None`` when all is well."""
        return self._error

    @property
    def running(self) -> bool:
        """Whether the thread is alive."""
        return self._thread is not None and self._thread.is_alive()

    def stats(self) -> dict[str, int | bool | str | None]:
        """Numbers for /ready and /stats."""
        return {
            "running": self.running,
            "position": self._position,
            "lag": self.lag,
            "events_total": self._events_total,
            "errors_total": self._errors_total,
            "error": self._error,
        }

    def wait_for(self, sequence: int, timeout_seconds: float) -> bool:
        """Waits, in any thread but an event loop's, until ``sequence`` is in the tables; whether it is."""
        if self._position >= sequence:
            return True
        self._wake.set()
        with self._changed:
            return self._changed.wait_for(lambda: self._position >= sequence, timeout_seconds)

    async def wait_for_async(self, sequence: int, timeout_seconds: float) -> bool:
        """Waits until ``sequence`` is in the tables; whether it is."""
        if self._position >= sequence:
            return True
        loop = asyncio.get_running_loop()
        waiter = _Waiter(sequence, loop, loop.create_future())
        with self._changed:
            if self._position >= sequence:
                return True
            self._waiters.append(waiter)
        self._wake.set()
        try:
            return await asyncio.wait_for(waiter.future, timeout_seconds)
        except TimeoutError:
            return False
        finally:
            with self._changed:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)

    def _moved(self, position: int) -> None:
        with self._changed:
            self._position = position
            self._changed.notify_all()
            ready = [waiter for waiter in self._waiters if waiter.sequence <= position]
            if ready:
                self._waiters = [waiter for waiter in self._waiters if waiter.sequence > position]
        for waiter in ready:
            try:
                waiter.loop.call_soon_threadsafe(_resolve, waiter.future)
            except RuntimeError:  # The loop is closed; nobody waits any more.
                log.debug("a waiter's loop was closed")
        if self._on_progress is not None:
            self._on_progress(position)

    def _run(self, follower: Follower) -> None:
        failures = 0
        stopping = self._stopping
        while not stopping.is_set():
            try:
                if failures:
                    follower.load()
                behind = self._source.sequence - follower.position
                # The further behind, the larger the transactions: they cost less an event.
                count = follower.step(min(max(behind, BATCH_EVENTS), CATCH_UP_EVENTS))
            except NodeStopped:
                log.info("projector: the node has stopped, at sequence %d", self._position)
                return
            except Exception as error:
                failures += 1
                self._errors_total += 1
                self._error = f"{type(error).__name__}: {error}"[:500]
                log.exception("projector: stopped at sequence %d, trying again", self._position)
                stopping.wait(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS)) - 1])
                continue
            if failures:
                log.warning("projector: goes on from sequence %d", follower.position)
                failures, self._error = 0, None
            if count:
                self._events_total += count
                self._moved(follower.position)
            if count < BATCH_EVENTS // 2:
                # Somebody waits: look at once. Otherwise let events gather, fewer transactions do more.
                self._wake.wait(self._gather_seconds if count else self._idle_seconds)
                self._wake.clear()


def _resolve(future: asyncio.Future[bool]) -> None:
    if not future.done():
        future.set_result(True)


def rebuild(source: Source, store: Store, progress: Callable[[int, int], object] | None = None) -> int:
    """Drops every table and makes them again from the journal's first event; the position at the end.

    ``progress`` is called with the position and the goal. The result is the same as that of following.
    """
    store.migrate()
    store.drop()
    store.migrate()
    return catch_up(source, store, progress)


def catch_up(source: Source, store: Store, progress: Callable[[int, int], object] | None = None) -> int:
    """Applies what there is until now, in the calling thread; the position at the end."""
    follower = Follower(source, store)
    goal = source.sequence
    while follower.position < goal:
        if not follower.step(CATCH_UP_EVENTS):
            raise BeursError(f"the journal gave no events after sequence {follower.position}, but it goes to {goal}")
        if progress is not None:
            progress(follower.position, goal)
    return follower.position
