"""Everything that both clients have: what can be asked for, and the event loop that keeps a session.

A `Session` belongs to one event loop, in which a :class:`~beurs.client.core.Core` gets what comes in. Requests may be
made in any thread: the core is used with the lock held. The two clients differ in whose event loop it is: that of the
caller, or one in a thread of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from beurs import arguments, engine
from beurs.catalogue import Instrument
from beurs.client import messages, requests
from beurs.client.core import ALL_OF_IT, Core, Options, Position
from beurs.client.definitions import MarketData, Report
from beurs.client.messages import CLASSES
from beurs.client.replies import Reply
from beurs.errors import BeursError, ConnectionLost, InputError, NotFound, OrderRejected, ProtocolError, Rejected
from beurs.exchange import Balance, Book, CancelReplaced, ListResult, Order, Result
from beurs.reports import CancelAllAfterSet, Event, ExecutionReport, MassCanceled, OrderListStatus, Rejection
from beurs.signing import PrivateKey, read_private
from beurs.values import (
    CancelReplaceMode,
    Contingency,
    ExecType,
    Number,
    OrderType,
    Peg,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TriggerBy,
)

__all__ = ["Session", "Stream"]

log = logging.getLogger("beurs.client")
T = TypeVar("T")
_Kind = TypeVar("_Kind")

CONNECT_SECONDS_MAX: Final = 10.0
RECONNECT_SECONDS_MAX: Final = 60.0
_PAUSE_SECONDS: Final = (0.01, 2.0)
"""The first and the longest pause between two attempts to connect."""
_RULES: Final = {code: rule for _, code, rule in engine.reject_reasons()}
_PAGE: Final = 10_000
"""How many answers a query has at most."""


class _Next(Reply[T]):
    """The next thing of a stream, which stays the next one until somebody has had it."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Stream[T], lock: threading.RLock, blocking: bool) -> None:
        super().__init__(lock, blocking)
        self._stream = stream

    def _get(self) -> T:
        self._stream.taken(self)
        return super()._get()


class Stream(Generic[T]):
    """What happens, in its order, each thing once: `stream.next().result(5)`, `await stream.next()`, or a loop.

    At most `capacity` things wait; when there are that many, the client reads no further from its connection until some
    have been taken. With a capacity of 0 only somebody who waits already gets anything.
    """

    def __init__(self, session: Session, capacity: int) -> None:
        self._session = session
        self._waiting: deque[tuple[Position, T]] = deque()
        self._next: _Next[T] | None = None
        self._next_position: Position | None = None
        self._ended: BeursError | None = None
        self.capacity = capacity
        self.position: Position | None = None
        """Where the last thing was that was taken."""

    def __len__(self) -> int:
        return len(self._waiting)

    def next(self) -> Reply[T]:
        """The next thing; the same reply until somebody has had its result."""
        with self._session.lock:
            if self._next is None:
                self._next = _Next(self, self._session.lock, self._session.blocking)
                if self._waiting:
                    self._hand(*self._waiting.popleft())
                    if len(self._waiting) == self.capacity // 2:
                        self._session.read_on()
                elif self._ended is not None:
                    self._next._finish(None, self._ended)
            return self._next

    def put(self, position: Position, thing: T) -> None:
        """One more; with the lock held."""
        if self._next is not None and not self._next.done:
            self._hand(position, thing)
        elif self.capacity:
            self._waiting.append((position, thing))
        else:
            self.position = position

    @property
    def full(self) -> bool:
        """Whether nothing more should come in now."""
        return 0 < self.capacity <= len(self._waiting)

    def end(self, error: BeursError) -> None:
        """There will be no more; with the lock held."""
        self._ended = error
        if self._next is not None and not self._next.done:
            self._next._finish(None, error)

    def taken(self, reply: _Next[T]) -> None:
        """Somebody has had the next thing."""
        with self._session.lock:
            if self._next is reply:
                self._next = None
                self.position = self._next_position or self.position

    def _hand(self, position: Position, thing: T) -> None:
        assert self._next is not None
        self._next_position = position
        self._next._finish(thing)

    def __iter__(self) -> Stream[T]:
        return self

    def __next__(self) -> T:
        try:
            return self.next().result()
        except ConnectionLost:
            if self._session.closing:
                raise StopIteration from None
            raise

    def __aiter__(self) -> Stream[T]:
        return self

    async def __anext__(self) -> T:
        try:
            return await self.next()
        except ConnectionLost:
            if self._session.closing:
                raise StopAsyncIteration from None
            raise


class Session:
    """What both clients can do. Every method that asks something of the venue gives a :class:`Reply` at once, so that
    any number of requests can be under way; they are executed in the order in which they were made.
    """

    blocking = True
    """Whether a thread may wait for a reply: not that of the event loop which brings it."""

    def __init__(
        self,
        address: str | Path | tuple[str, int],
        key: PrivateKey | str | Path,
        *,
        market_data: bool = True,
        cancel_on_disconnect: bool = False,
        heartbeat_interval_ms: int = 5_000,
        resume_from: Position | None = None,
        keep_reports: int = 0,
        keep_market_data: int = 0,
        on_report: Callable[[Report], None] | None = None,
        on_market_data: Callable[[MarketData], None] | None = None,
        pending_max: int = 65_536,
        reconnect_seconds_max: float = RECONNECT_SECONDS_MAX,
    ) -> None:
        """Neither connects nor reads the network yet.

        Args:
            address: `HOST:PORT`, (host, port), or the path of a Unix socket (`unix:PATH`, PATH with a slash, a Path).
            key: The private half of a key of the account, or the PEM file with it.
            market_data: Whether market data can be subscribed to.
            cancel_on_disconnect: Whether the venue cancels all open orders of the account when a session ends.
            heartbeat_interval_ms: 100 to 60,000: after three of these without a sign of life a side gives up.
            resume_from: The position of the last report of an earlier client; all reports behind it come first.
            keep_reports: How many reports may wait in `reports`; 0 keeps none.
            keep_market_data: How much market data may wait in `market_data`; 0 keeps none.
            on_report: Called with every report, in the thread of the event loop; it must not block.
            on_market_data: Called with all market data, in the same way.
            pending_max: How many requests may be without an answer; one more is QueueFull.
            reconnect_seconds_max: How long to try for a new connection when one was lost; 0 for not at all.

        Raises InputError, and OSError if the key file cannot be read.
        """
        arguments.integer("heartbeat_interval_ms", heartbeat_interval_ms, 100, 60_000)
        arguments.integer("pending_max", pending_max, 1, 1 << 24)
        for name, kept in (("keep_reports", keep_reports), ("keep_market_data", keep_market_data)):
            arguments.integer(name, kept, 0, 1 << 24)
        self._address = _address(address)
        self._reconnect_seconds_max = reconnect_seconds_max
        self._on_report = on_report
        self._on_market_data = on_market_data
        self._ids = (f"{mark}-{number}" for mark in (secrets.token_hex(8),) for number in itertools.count(1))
        self.lock = threading.RLock()
        self.closed = False
        """Whether there is no session and will be none."""
        self.closing = False
        """Whether the caller has asked for that."""
        self._ended: BeursError | None = None
        self.reports: Stream[Report] = Stream(self, keep_reports)
        """What the account is told: of all its orders, also those that were entered elsewhere."""
        self.market_data: Stream[MarketData] = Stream(self, keep_market_data)
        """What was subscribed to."""
        options = Options(heartbeat_interval_ms, cancel_on_disconnect, market_data, resume_from, pending_max)
        private = read_private(key) if isinstance(key, str | Path) else key
        self._core = Core(private, options, self._reported, self._marketed, self._ready)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._link: _Link | None = None
        self._opened: Reply[None] = self.reply()
        self._wake_pending = False
        self._running: asyncio.Task[Any] | None = None

    # The venue and the account.

    @property
    def account(self) -> str:
        """The code of the account that the key is of."""
        return self._core.definitions.account

    @property
    def position(self) -> Position | None:
        """Where the last report was that was taken from `reports`, or, if none are kept, received: what a later client
        can `resume_from`. None before any was.
        """
        return self.reports.position if self.reports.capacity else self._core.position

    @property
    def connected(self) -> bool:
        """Whether there is a session now."""
        return self._core.ready

    @property
    def resumed(self) -> int:
        """How often a lost session was resumed."""
        return self._core.resumed

    @property
    def pending(self) -> int:
        """How many requests have no answer yet."""
        return self._core.pending

    def instrument(self, symbol: str) -> Instrument:
        """An instrument that is known: all that were listed when the client connected, and those heard of since.

        Raises NotFound: `instruments()` asks the venue.
        """
        with self.lock:
            return self._core.definitions.catalogue.instrument(symbol)

    def instruments(self) -> Reply[list[Instrument]]:
        """All instruments."""
        catalogue = self._core.definitions.catalogue
        # They may have changed while they were asked for, so they are looked up when all of them are known.
        return self._pages(
            CLASSES["InstrumentsRequest"],
            "after_instrument_id",
            lambda instrument_id: instrument_id,
            lambda ids: list(map(catalogue.instrument, ids)),
        )

    def open_orders(self) -> Reply[list[Order]]:
        """The account's open orders, by ascending order_id. Their terms are not told: `terms` is None."""
        return self._pages(CLASSES["OpenOrdersRequest"], "after_order_id", lambda row: row.order_id, list)

    def balances(self) -> Reply[list[Balance]]:
        """The account's balances that are not 0, by ascending asset_id."""
        return self._submit(CLASSES["BalancesRequest"](), list)

    # Orders.

    def submit(
        self,
        symbol: str,
        side: Side | str,
        quantity: Number | None = None,
        *,
        price: Number | None = None,
        quote_quantity: Number | None = None,
        order_type: OrderType | str | None = None,
        time_in_force: TimeInForce | str | None = None,
        post_only: bool = False,
        self_trade_prevention: SelfTradePrevention | str = SelfTradePrevention.NONE,
        client_order_id: str | None = None,
        trigger_price: Number | None = None,
        trigger_by: TriggerBy | str = TriggerBy.LAST,
        trail_bps: int | None = None,
        display_quantity: Number | None = None,
        hidden: bool = False,
        min_quantity: Number | None = None,
        expire_time_ns: int | None = None,
        auction_only: bool = False,
        slide: bool = False,
        peg: Peg | str = Peg.NONE,
        peg_offset: Number | None = None,
    ) -> Reply[Result]:
        """Enters an order; the arguments are those of `Exchange.submit`.

        An order without a client_order_id gets one of the client's own, so that it can be sent again when no answer
        came, with one effect. With the empty text it has none: if the connection is lost before its answer is there,
        its reply ends with ConnectionLost and the reports tell what became of it.

        The reply raises OrderRejected, RequestRefused or ConnectionLost.
        """
        order = locals()
        del order["self"]
        with self.lock:
            return self._submit(requests.new_order(self._core.definitions.catalogue, order, next(self._ids)), _entered)

    def submit_list(self, contingency: Contingency | str, orders: Sequence[Mapping[str, Any]]) -> Reply[ListResult]:
        """Enters two or three orders that depend on each other; each has the arguments of `submit` by name.

        All of them are entered or none. Raises InputError for what the orders of a list cannot say.
        """
        with self.lock:
            own = [next(self._ids) for _ in orders]
            message = requests.new_order_list(self._core.definitions.catalogue, contingency, orders, own)
            return self._submit(message, _listed)

    def cancel(self, order_id: int | None = None, *, client_order_id: str | None = None) -> Reply[ExecutionReport]:
        """Cancels an open order, named by either id or by both. The reply raises OrderRejected: `unknown_order`."""
        reference = requests.client_order_id("client_order_id", client_order_id)
        message = CLASSES["CancelOrder"](order_id=arguments.order_id(order_id), client_order_id=reference)
        return self._submit(message, _canceled)

    def replace(
        self,
        order_id: int | None = None,
        *,
        client_order_id: str | None = None,
        symbol: str | None = None,
        price: Number | None = None,
        quantity: Number | None = None,
        new_client_order_id: str | None = None,
        trigger_price: Number | None = None,
        display_quantity: Number | None = None,
    ) -> Reply[Result]:
        """Changes an open order, named by either id or by both. Its `symbol` must be given with any number."""
        numbers = {
            "price": price,
            "quantity": quantity,
            "trigger_price": trigger_price,
            "display_quantity": display_quantity,
        }
        instrument = None if symbol is None else self.instrument(symbol)
        return self._submit(
            requests.replace_order(instrument, order_id, client_order_id, new_client_order_id, numbers), _changed
        )

    def cancel_replace(
        self,
        order_id: int | None = None,
        *,
        new_order: Mapping[str, Any],
        client_order_id: str | None = None,
        mode: CancelReplaceMode | str = CancelReplaceMode.STOP_ON_FAILURE,
    ) -> Reply[CancelReplaced]:
        """Cancels an open order and enters another one, as one command; `new_order` has the arguments of `submit`."""
        with self.lock:
            catalogue = self._core.definitions.catalogue
            message = requests.cancel_replace(catalogue, order_id, client_order_id, mode, new_order, next(self._ids))
            return self._submit(message, _cancel_replaced)

    def mass_cancel(self, symbol: str | None = None, side: Side | str | None = None) -> Reply[list[ExecutionReport]]:
        """Cancels all own orders, on an instrument, of a side, or both, and gives the reports of the canceled ones."""
        message = CLASSES["MassCancel"](
            instrument_id=0 if symbol is None else self.instrument(symbol).instrument_id,
            side=0 if side is None else Side.of(side, "side").number,
        )
        return self._submit(message, _mass_canceled)

    def cancel_all_after(self, timeout_ns: int) -> Reply[CancelAllAfterSet]:
        """Has all own orders canceled when `timeout_ns` from now are over, unless it is called again before.

        From 1 ms to 24 h; 0 disarms.
        """
        timeout = arguments.integer("timeout_ns", timeout_ns, -(2**63), 2**63 - 1)
        return self._submit(CLASSES["CancelAllAfter"](timeout_ns=timeout), _set)

    # Market data.

    def subscribe(
        self, symbol: str, *, book: bool = True, trades: bool = True, status: bool = True, depth: int = 10
    ) -> Reply[None]:
        """Subscribes to an instrument: its book to `depth` levels a side, its trades, its status. Subscribing again
        replaces that. A lost session's subscriptions are made again by the next one.
        """
        channels = messages.BOOK * book | messages.TRADES * trades | messages.STATUS * status
        if not channels:
            raise InputError("book", "at least one of book, trades and status is subscribed to")
        message = CLASSES["Subscribe"](
            instrument_id=self.instrument(symbol).instrument_id,
            channels=channels,
            depth=arguments.integer("depth", depth, 1, 1_000) if book else 0,
        )
        return self._submit(message, _none)

    def unsubscribe(self, symbol: str) -> Reply[None]:
        """Ends the subscription to an instrument."""
        return self._submit(CLASSES["Unsubscribe"](instrument_id=self.instrument(symbol).instrument_id), _none)

    def book(self, symbol: str) -> Book | None:
        """The local book of a subscribed instrument; None as long as it is not whole, as after a lost connection.

        Raises NotFound if its book is not subscribed to.
        """
        with self.lock:
            found = self._core.books.get(self.instrument(symbol).instrument_id)
            if found is None:
                raise NotFound("subscription", symbol)
            return found.book() if found.whole else None

    # Inside.

    def reply(self) -> Reply[Any]:
        """One that is not there yet."""
        return Reply(self.lock, self.blocking)

    def _submit(self, message: Any, read: Callable[[list[Any]], T]) -> Reply[T]:
        reply: Reply[T] = self.reply()

        def end(events: list[Any], error: BeursError | None) -> None:
            value = None
            if error is None:
                try:
                    value = read(events)
                except BeursError as refused:
                    error = refused
            reply._finish(value, error)

        with self.lock:
            self._require_open()
            self._core.submit(message, end)
        self._wake()
        return reply

    def _pages(
        self, kind: Any, after: str, key: Callable[[Any], int], read: Callable[[list[Any]], list[T]]
    ) -> Reply[list[T]]:
        """Asks until all answers are there."""
        reply: Reply[list[T]] = self.reply()
        found: list[Any] = []

        def end(rows: list[Any], error: BeursError | None) -> None:
            found.extend(rows)
            if error is None and len(rows) >= _PAGE:
                self._core.submit(kind(**{after: key(rows[-1])}), end)
            else:
                reply._finish(None if error else read(found), error)

        with self.lock:
            self._require_open()
            self._core.submit(kind(), end)
        self._wake()
        return reply

    def _require_open(self) -> None:
        if self.closed or self.closing:
            raise self._ended or ConnectionLost("the client is closed")

    def _reported(self, position: Position, report: Report) -> None:
        if self._on_report is not None:
            _call(self._on_report, report)
        self.reports.put(position, report)

    def _marketed(self, event: MarketData) -> None:
        if self._on_market_data is not None:
            _call(self._on_market_data, event)
        self.market_data.put((event.sequence, ALL_OF_IT), event)

    def _ready(self) -> None:
        if self._link is not None:
            self._link.was_ready = True
        if not self._opened.done:
            self._opened._finish(None)

    def _wake(self) -> None:
        """Has what waits to be sent sent, soon and together."""
        with self.lock:
            if self._wake_pending or self._loop is None or self._link is None:
                return
            self._wake_pending = True
        try:
            self._loop.call_soon_threadsafe(self._send)
        except RuntimeError:  # The loop has ended just now, and with it every request.
            self._wake_pending = False

    def _send(self) -> None:
        with self.lock:
            self._wake_pending = False
            if self._link is not None:
                self._link.send()

    def read_on(self) -> None:
        """Reads again, if nothing is full any more."""
        if self._loop is not None and self._link is not None:
            self._loop.call_soon_threadsafe(self._link.read_on)

    async def _run(self) -> None:
        """Keeps a session until the client is closed, or none can be had any more."""
        self._loop = asyncio.get_running_loop()
        self._running = asyncio.current_task()
        error: BeursError = ConnectionLost("the client is closed")
        try:
            await self._keep()
        except BeursError as reason:
            error = reason
        finally:
            with self.lock:
                self.closed = True
                self._ended = error
                if self._link is not None:
                    self._link.fail("closed")
                self._core.give_up(error)
                for stream in (self.reports, self.market_data):
                    stream.end(error)
                if not self._opened.done:
                    self._opened._finish(None, error)

    async def _keep(self) -> None:
        assert self._loop is not None
        lost_at, pause = self._loop.time(), _PAUSE_SECONDS[0]
        while True:
            try:
                link = await self._connect()
            except (OSError, TimeoutError) as reason:
                if not self._opened.done:
                    raise ConnectionLost(f"{self._address}: {reason}") from None
            else:
                why = await self._serve(link)
                if self._core.fatal is not None:
                    raise self._core.fatal
                if self.closing:
                    return
                if not self._opened.done and self._core.refusal is not None:
                    raise self._core.refusal
                if link.was_ready:
                    lost_at, pause = self._loop.time(), _PAUSE_SECONDS[0]
                    log.info("the connection was lost: %s", why)
                if self._core.names_only:
                    continue
            if self._loop.time() - lost_at >= self._reconnect_seconds_max:
                raise ConnectionLost(f"no session with {self._address} for {self._reconnect_seconds_max} s")
            await asyncio.sleep(pause)
            pause = min(2 * pause, _PAUSE_SECONDS[1])

    async def _connect(self) -> _Link:
        assert self._loop is not None
        async with asyncio.timeout(CONNECT_SECONDS_MAX):
            if isinstance(self._address, str):
                _, link = await self._loop.create_unix_connection(lambda: _Link(self), self._address)
            else:
                _, link = await self._loop.create_connection(lambda: _Link(self), *self._address)
        return link

    async def _serve(self, link: _Link) -> str:
        """Until the connection is lost; why it was."""
        assert self._loop is not None
        while not link.lost.done():
            with self.lock:
                try:
                    due = self._core.tick(self._loop.time())
                    link.send()
                except BeursError as reason:
                    link.fail(str(reason))
                    due = self._loop.time() + 1
            await asyncio.wait([link.lost], timeout=max(0.001, due - self._loop.time()))
        return link.lost.result()

    def _leave(self) -> None:
        """Asks for the end of the session, and ends it."""
        with self.lock:
            self.closing = True
            if self._link is not None and self._core.leave():
                self._link.send()
            elif self._running is not None:
                self._running.cancel()


class _Link(asyncio.Protocol):
    """One connection."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._core = session._core
        self._paused = False
        self.was_ready = False
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._why = "the other side has closed it"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        with self._session.lock:
            self._session._link = self
            self._core.connected(self._now())

    def data_received(self, data: bytes) -> None:
        with self._session.lock:
            if self.lost.done():
                return
            try:
                self._core.received(data, self._now())
                self.send()
            except BeursError as reason:
                self.fail(str(reason))
                return
            if self._core.ended:
                self.fail("the session has ended")
            elif any(stream.full for stream in (self._session.reports, self._session.market_data)):
                self._paused = True
                self._transport.pause_reading()

    def read_on(self) -> None:
        """Reads again, if it was paused and nothing is full."""
        full = any(stream.full for stream in (self._session.reports, self._session.market_data))
        if self._paused and not full and not self.lost.done():
            self._paused = False
            self._transport.resume_reading()

    def connection_lost(self, reason: Exception | None) -> None:
        with self._session.lock:
            if self._session._link is self:
                self._session._link = None
            self._core.disconnected()
        if not self.lost.done():
            self.lost.set_result(self._why if reason is None else str(reason))

    def send(self) -> None:
        """Sends what there is to be sent."""
        data = self._core.outgoing(self._now())
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def fail(self, why: str) -> None:
        """Gives the connection up."""
        self._why = why
        if not self._transport.is_closing():
            self._transport.abort() if not self._core.ended else self._transport.close()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _call(callback: Callable[[T], None], thing: T) -> None:
    try:
        callback(thing)
    except Exception:
        log.exception("a callback of the client failed")


def _address(given: str | Path | tuple[str, int]) -> str | tuple[str, int]:
    """The path of a Unix socket, or host and port."""
    if isinstance(given, tuple):
        return given
    if isinstance(given, Path):
        return str(given)
    if given.startswith("unix:"):
        return given.removeprefix("unix:")
    if "/" in given:
        return given
    host, colon, port = given.rpartition(":")
    if not colon or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise InputError("address", "must be HOST:PORT or the path of a Unix socket")
    return host.strip("[]"), int(port)


# From events to results.


def _those(kind: type[_Kind], events: Iterable[Event]) -> list[_Kind]:
    return [event for event in events if isinstance(event, kind)]


def _accepted(events: list[Event], error: type[Rejected] = OrderRejected) -> list[Event]:
    if not events:
        raise ProtocolError("an answer without reports")
    first = events[0]
    if isinstance(first, Rejection):
        raise error(first.code, first.reason, _RULES[first.code], first.sequence)
    return events


def _result(events: list[Event], order_id: int) -> Result:
    reports = _those(ExecutionReport, events)
    last = next(report for report in reversed(reports) if report.order_id == order_id)
    return Result(order_id, last.status, reports, events)


def _entered(events: list[Event]) -> Result:
    reports = _those(ExecutionReport, _accepted(events))
    return _result(events, next(report.order_id for report in reports if report.exec_type is ExecType.NEW))


def _changed(events: list[Event]) -> Result:
    return _result(events, _those(ExecutionReport, _accepted(events))[0].order_id)


def _canceled(events: list[Event]) -> ExecutionReport:
    first = _those(ExecutionReport, _accepted(events))[0]
    return [report for report in _those(ExecutionReport, events) if report.order_id == first.order_id][-1]


def _listed(events: list[Event]) -> ListResult:
    states = _those(OrderListStatus, _accepted(events))
    reports = _those(ExecutionReport, events)
    new = [report.order_id for report in reports if report.exec_type is ExecType.NEW]
    status = [state.status for state in states if state.list_id == states[0].list_id][-1]
    return ListResult(states[0].list_id, status, new, reports, events)


def _cancel_replaced(events: list[Event]) -> CancelReplaced:
    if len(events) == 1:
        _accepted(events)
    first, rest = events[0], events[1:]
    refusals = _those(Rejection, rest)
    entered = None
    if not refusals:
        at = next(i for i, e in enumerate(rest) if isinstance(e, ExecutionReport) and e.exec_type is ExecType.NEW)
        entered = _entered(rest[at:])
    return CancelReplaced(
        canceled=first if isinstance(first, ExecutionReport) else None,
        cancel_rejected=first if isinstance(first, Rejection) else None,
        entered=entered,
        order_rejected=refusals[-1] if refusals else None,
    )


def _mass_canceled(events: list[Event]) -> list[ExecutionReport]:
    _accepted(events, Rejected)
    if not any(isinstance(event, MassCanceled) for event in events):
        raise ProtocolError("a mass cancel without a result")
    return [report for report in _those(ExecutionReport, events) if report.exec_type is ExecType.CANCELED]


def _set(events: list[Event]) -> CancelAllAfterSet:
    return _those(CancelAllAfterSet, _accepted(events, Rejected))[-1]


def _none(_events: list[Event]) -> None:
    return None
