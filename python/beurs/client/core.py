"""The protocol of the binary door without any input or output: bytes in, bytes out, and what they mean.

Whoever drives a `Core` gives it what was received and the time, sends what it has to send, and tells it when a
connection is made or lost. Everything that must not depend on how bytes travel is here: the logon, heartbeats, the
numbering of requests, which report answers which request, what is sent again after a connection was lost, and that
every report is handed on once.

Invariants:

* A request ends once: with its events, or with an error.
* Requests are sent in the order in which they were given. After a lost connection those without an end go first, in
  that same order and with their client's ids, so that each has one effect however often it is sent.
* A report is handed on if its position is behind that of the one before, so none comes twice; and every session but
  the first resumes behind the last one that was received, so none is missing.
* What is kept is bounded: requests without an end by `pending_max`, everything else by what the door may send.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from struct import Struct
from typing import Any, Final

from beurs.client import messages
from beurs.client.books import LocalBook
from beurs.client.definitions import BookChanged, Definitions, MarketData, Report
from beurs.client.messages import CLASSES, LAST, LAYOUTS, SIGNED_BYTES, SIGNED_CONTEXT, SessionReason
from beurs.errors import (
    BeursError,
    ConnectionLost,
    NotFound,
    ProtocolError,
    QueueFull,
    RequestRefused,
    SessionRefused,
    Throttled,
)
from beurs.signing import PrivateKey, public_half
from beurs.values import CancelReason

__all__ = ["Core", "Options", "Position", "Request"]

log = logging.getLogger("beurs.client")

Position = tuple[int, int]
"""Where a report is: the sequence of its command, and its index among the events of that."""
ALL_OF_IT: Final = 2**32 - 1
"""The index behind all events of a command."""
_QUERIES: Final = {"InstrumentsRequest", "OpenOrdersRequest", "BalancesRequest"}
_ENTERING: Final = {"NewOrder", "CancelReplace", "NewOrderList"}
_AGAIN: Final = {
    SessionReason.REQUESTED,
    SessionReason.LOGON_TIMEOUT,
    SessionReason.HEARTBEAT_TIMEOUT,
    SessionReason.TOO_MANY_SESSIONS,
    SessionReason.SLOW_CONSUMER,
    SessionReason.SERVER_STOPPING,
    SessionReason.EXCHANGE_STOPPED,
    SessionReason.SERVER_BEHIND,
}
"""After these another session may go well."""
_REPORTS: Final = range(60, 80)
_MARKET_DATA: Final = range(102, 120)
_SEQUENCE: Final = Struct("<Q")
"""The first field of every request is its request_sequence."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a client wants of its sessions."""

    heartbeat_interval_ms: int = 5_000
    cancel_on_disconnect: bool = False
    market_data: bool = True
    resume_from: Position | None = None
    pending_max: int = 65_536


@dataclass(eq=False, slots=True)
class Request:
    """A request without an end.

    Attributes:
        message: What is sent.
        frame: Its bytes; the request_sequence is put in when it is sent.
        end: What is called with the events or answers, or with an error. It raises nothing.
        events: What has come of it so far.
        sequence: The command that it became, once a report says so.
        sent: Whether it was sent before the last connection was lost.
        settled: Whether it has been executed as it was sent before, so that only its refusal as a duplicate is to come.
    """

    message: Any
    frame: bytearray
    end: Callable[[list[Any], BeursError | None], None]
    events: list[Any] = field(default_factory=list)
    sequence: int = 0
    sent: bool = False
    settled: bool = False

    @property
    def name(self) -> str:
        """The name of its message."""
        name: str = self.message.layout.name
        return name

    @property
    def own_id(self) -> str:
        """The client's id of the order that it enters, or of the first of them."""
        if self.name == "NewOrderList":
            own_id: str = self.message.client_order_id_1
            return own_id
        return self.message.client_order_id if self.name in _ENTERING else ""


class Core:
    """One client's protocol, over as many connections as it takes.

    Args:
        key: The private half of the account's key.
        options: What is wanted.
        on_report: Called with the position and each report, once, in their order.
        on_market_data: Called with market data.
        on_ready: Called when a session is ready for requests.

    Times are seconds of a clock that never goes back.
    """

    def __init__(
        self,
        key: PrivateKey,
        options: Options,
        on_report: Callable[[Position, Report], None],
        on_market_data: Callable[[MarketData], None],
        on_ready: Callable[[], None],
    ) -> None:
        self._key = key
        self._options = options
        self._on_report = on_report
        self._on_market_data = on_market_data
        self._on_ready = on_ready
        self.definitions = Definitions()
        self.books: dict[int, LocalBook] = {}
        self.position: Position | None = options.resume_from
        """That of the last report that was received."""
        self.fatal: BeursError | None = None
        """Why no further session can be had."""
        self.refusal: SessionRefused | None = None
        """Why the last session was refused or ended, if another one may go well."""
        self.ready = False
        self.resumed = 0
        """How many sessions there were after the first."""
        self._known = False  # whether instruments and assets have been asked for
        self._queue: deque[Request] = deque()
        self._query_queue: deque[Request] = deque()
        self._subscriptions: dict[int, Any] = {}
        self._by_command: dict[int, Request] = {}
        self._own_queries = 0
        self._reset()

    def _reset(self) -> None:
        """What belongs to one connection."""
        self.ready = False
        self.ended = False
        """Whether this connection has served its time."""
        self.names_only = False
        """Whether that was to learn names, so that the next one can resume."""
        self._buffer = bytearray()
        self._out: list[bytes] = []
        self._in_flight: dict[int, Request] = {}
        self._unanswered: dict[tuple[str, str | int], deque[Request]] = {}
        self._query: Request | None = None
        self._request_sequence = 0
        self._report_sequence = 0
        self._in_flight_max = 1
        self._resuming = False
        self._logged_on = False
        self._leaving = False
        self._stalled: deque[Any] = deque()
        self._tested = False
        self._received_at = self._sent_at = 0.0

    # The connection.

    def connected(self, now: float) -> None:
        """A connection was made."""
        self._reset()
        self._received_at = self._sent_at = now

    def received(self, data: bytes, now: float) -> None:
        """Takes what came in. Raises ProtocolError, after which the connection is to be given up."""
        self._received_at = now
        self._tested = False
        self._buffer += data
        try:
            for message in messages.frames(self._buffer):
                if self.ended:
                    return
                self._handle(message)
        except (KeyError, ValueError) as error:  # A number of an enum that we do not know.
            raise ProtocolError(f"a message that cannot be understood: {error}") from None

    def disconnected(self) -> None:
        """The connection was lost. What was not answered waits for the next one."""
        self.ready = False
        waiting = list(self._in_flight.values())
        queries = [request for request in waiting if request.name in _QUERIES]
        again = []
        self._queue = deque(request for request in self._queue if request.end is not _nothing)
        for request in waiting:
            request.sent = True
            if request.end is _nothing:
                continue
            if request.name in _QUERIES:
                request.events.clear()
            elif request.name in _ENTERING and not request.own_id:
                self._end(request, ConnectionLost("an order without a client_order_id cannot be sent again"))
            else:
                again.append(request)
        self._in_flight.clear()
        self._queue.extendleft(reversed(again))
        self._query_queue.extendleft(reversed(queries))
        self._by_command = {request.sequence: request for request in self._queue if request.sequence}
        for book in self.books.values():
            book.whole = False

    def outgoing(self, now: float) -> bytes:
        """Takes what is to be sent."""
        self._flush()
        if not self._out:
            return b""
        data = b"".join(self._out)
        self._out.clear()
        self._sent_at = now
        return data

    def tick(self, now: float) -> float:
        """Does what is due: call it again then. Raises ProtocolError if nothing has come for three intervals."""
        interval = self._options.heartbeat_interval_ms / 1000
        silent = now - self._received_at
        if silent >= 3 * interval:
            raise ProtocolError("nothing came for three heartbeat intervals")
        if not self._logged_on:
            return self._received_at + 3 * interval
        if silent >= 2 * interval and not self._tested:
            self._tested = True
            self._send(CLASSES["TestRequest"](test_id=1))
        if now - self._sent_at >= interval:
            self._send(CLASSES["Heartbeat"](time_ns=time.time_ns()))
            self._sent_at = now
        return min(self._sent_at + interval, self._received_at + (3 if self._tested else 2) * interval)

    def leave(self) -> bool:
        """Asks the door for the end of the session, if there is one."""
        if self.ready and not self._leaving:
            self._flush()
            self._leaving = True
            self._send(CLASSES["Logout"](reason=SessionReason.REQUESTED.number))
        return self._leaving

    def give_up(self, error: BeursError) -> None:
        """Ends all requests with an error: there will be no further session."""
        for request in [*self._in_flight.values(), *self._queue, *self._query_queue]:
            self._end(request, error)
        self._in_flight.clear()
        self._queue.clear()
        self._query_queue.clear()

    # Requests.

    @property
    def pending(self) -> int:
        """How many requests have no end."""
        return len(self._in_flight) + len(self._queue) + len(self._query_queue)

    def submit(self, message: Any, end: Callable[[list[Any], BeursError | None], None]) -> None:
        """Sends a request as soon as it may be sent. Raises QueueFull."""
        if self.pending >= self._options.pending_max:
            raise QueueFull(f"{self._options.pending_max} requests have no answer yet")
        queue = self._query_queue if message.layout.name in _QUERIES else self._queue
        queue.append(_request(message, end))

    def _flush(self) -> None:
        if not self.ready or self._leaving:
            return
        while self._queue and len(self._in_flight) < self._in_flight_max:
            self._send_request(self._queue.popleft())
        if self._query is None and self._query_queue and len(self._in_flight) < self._in_flight_max:
            self._query = self._query_queue.popleft()
            self._send_request(self._query)

    def _send_request(self, request: Request) -> None:
        self._request_sequence += 1
        _SEQUENCE.pack_into(request.frame, messages.HEADER.size, self._request_sequence)
        self._in_flight[self._request_sequence] = request
        self._out.append(bytes(request.frame))

    def _send(self, message: Any) -> None:
        self._out.append(messages.encode(message))

    def _end(self, request: Request, error: BeursError | None = None) -> None:
        if request is self._query:
            self._query = None
        if request.sequence:
            self._by_command.pop(request.sequence, None)
        if request.sent and self._unanswered:
            for name in _names(request.message):
                left = self._unanswered.get(name)
                if left is not None and request in left:
                    left.remove(request)
                    if not left:
                        del self._unanswered[name]
        request.end(request.events, error)

    # Messages.

    def _handle(self, m: Any) -> None:
        template = m.layout.template
        if template in _REPORTS:
            if not self._known and self._options.resume_from is not None:
                return  # It comes again in the session that resumes.
            if m.report_sequence != self._report_sequence + 1:
                raise ProtocolError("a report is missing")
            self._report_sequence = m.report_sequence
            if self._stalled:
                self._stalled.append(m)
            else:
                self._report(m)
        elif template in _MARKET_DATA:
            self._market(m)
        else:
            handler = getattr(self, f"_{m.layout.name}", None)
            if handler is None:
                raise ProtocolError(f"{m.layout.name} is not for clients")
            handler(m)

    def _Challenge(self, m: Any) -> None:  # noqa: N802 -- as its message
        options = messages.MARKET_DATA if self._options.market_data else 0
        # A session that begins in the past needs names first; they come in one that has no consequences.
        self._resuming = self.position is not None and self._known
        if self._resuming:
            options |= messages.RESUME
        if self._options.cancel_on_disconnect and (self._known or self._options.resume_from is None):
            options |= messages.CANCEL_ON_DISCONNECT
        sequence, index = self.position if self._resuming and self.position else (0, 0)
        logon = CLASSES["Logon"](
            public_key=public_half(self._key),
            resume_sequence=sequence,
            resume_index=index,
            heartbeat_interval_ms=self._options.heartbeat_interval_ms,
            options=options,
        )
        signed = LAYOUTS[2].encode(logon)[:SIGNED_BYTES]
        logon.signature = self._key.sign(SIGNED_CONTEXT + m.nonce + signed)
        self._send(logon)

    def _LogonRejected(self, m: Any) -> None:  # noqa: N802
        self._ended(m.reason, LAYOUTS[2].fields[m.field_id - 1][0] if m.field_id else "the logon was refused")

    def _LogonAccepted(self, m: Any) -> None:  # noqa: N802
        self.definitions.set_account(m.account_id, m.account)
        self._in_flight_max = max(1, m.in_flight_max)
        self._logged_on = True
        if not self._known:
            # Ahead of everything: nothing can be understood without them.
            self.ready = True
            self._ask(CLASSES["InstrumentsRequest"]())
            self._ask(CLASSES["BalancesRequest"]())
            if self._options.resume_from is None:
                self.position = (m.sequence, ALL_OF_IT)
        elif self._resuming:
            for request in self._queue:
                if request.sent:
                    for name in _names(request.message):
                        self._unanswered.setdefault(name, deque()).append(request)
        else:
            raise ProtocolError("a session that was not resumed")

    def _ask(self, message: Any) -> None:
        """A question of our own, for definitions. What it is answered with has been taken in when it ends."""

        def end(answers: list[Any], error: BeursError | None) -> None:
            self._own_queries -= 1
            if isinstance(error, ConnectionLost | SessionRefused):
                return
            if error is not None:
                raise ProtocolError(f"the door does not tell what it trades: {error}")
            if message.layout.name == "InstrumentsRequest" and len(answers) >= 10_000:
                self._ask(CLASSES["InstrumentsRequest"](after_instrument_id=answers[-1]))
            if self._own_queries == 0:
                self._definitions_known()

        self._own_queries += 1
        self._query_queue.append(_request(message, end))

    def _definitions_known(self) -> None:
        first = not self._known
        self._known = True
        if first and self._options.resume_from is not None:
            self.ready = False
            self.ended = self.names_only = True
            return
        stalled, self._stalled = self._stalled, deque()
        while stalled:
            self._report(stalled.popleft(), known=True)
        if first:
            self._on_ready()

    def _ReplayComplete(self, m: Any) -> None:  # noqa: N802
        self._advance(m.sequence)
        self.ready = True
        self.resumed += 1
        for instrument_id in list(self.books):
            self.books[instrument_id].whole = False
        for message in self._subscriptions.values():
            self._queue.append(_request(message, _nothing))
        self._on_ready()

    def _Logout(self, m: Any) -> None:  # noqa: N802
        self._ended(m.reason, "the door has ended the session")

    def _ended(self, number: int, rule: str) -> None:
        reason = SessionReason.of_number(number)
        self.ended = True
        self.ready = False
        if self._leaving:
            return
        refused = SessionRefused(reason.value, rule)
        if reason not in _AGAIN:
            self.fatal = refused
        else:
            self.refusal = refused
            log.warning("the door has ended the session: %s", reason.value)

    def _Heartbeat(self, m: Any) -> None:  # noqa: N802
        if self.ready and not self._stalled:
            self._advance(m.sequence)

    def _advance(self, sequence: int) -> None:
        """All reports of commands up to this one were received."""
        if self.position is None or sequence > self.position[0]:
            self.position = (sequence, ALL_OF_IT)

    def _TestRequest(self, m: Any) -> None:  # noqa: N802
        self._send(CLASSES["Heartbeat"](test_id=m.test_id, time_ns=time.time_ns()))

    # Reports.

    def _report(self, m: Any, *, known: bool = False) -> None:
        position = (m.sequence, m.index)
        if self.position is not None and position <= self.position:
            log.warning("the report %d, %d came twice", m.sequence, m.index)
            return
        try:
            report = self.definitions.report(m)
        except NotFound as error:
            if known and error.field == "asset":
                # Of an asset that is in no instrument and of which nothing is left the door tells no name.
                self.definitions.add_asset(m.asset_id, str(m.asset_id), 0)
                self._report(m)
                return
            if known:
                raise ProtocolError(f"the door does not know its own {error.field} {error.name}") from None
            self._stalled.append(m)  # And so is all that follows, until we know what it is about.
            if self._own_queries == 0:
                self._ask(CLASSES["InstrumentsRequest"]())
                self._ask(CLASSES["BalancesRequest"]())
            return
        self.position = position
        request = self._request_of(m)
        if request is not None and not request.settled:
            request.events.append(report)
        self._on_report(position, report)
        if request is not None and m.report_flags & LAST:
            if m.request_sequence:
                del self._in_flight[m.request_sequence]
            elif self.ready:
                request.settled = True
                return
            else:
                self._queue.remove(request)
            self._end(request)

    def _request_of(self, m: Any) -> Request | None:
        """The request that this report answers."""
        if m.request_sequence:
            request = self._in_flight.get(m.request_sequence)
            if request is None:
                raise ProtocolError("a report of a request that was not made")
            if not request.settled:
                request.sequence = m.sequence
                self._by_command[m.sequence] = request
            return request
        request = self._by_command.get(m.sequence)
        if request is None and self._unanswered:
            # The first report of what we have sent in an earlier session and heard nothing of.
            for name in _names_of_report(m):
                for candidate in self._unanswered.get(name, ()):
                    if candidate.sequence == 0:
                        candidate.sequence = m.sequence
                        self._by_command[m.sequence] = candidate
                        return candidate
        return request

    # Answers without a place in the journal.

    def _RequestRejected(self, m: Any) -> None:  # noqa: N802
        code = messages.RequestReason.of_number(m.reason).value
        layout = LAYOUTS.get(m.template_id)
        name = layout.fields[m.field_id - 1][0] if layout and 0 < m.field_id <= len(layout.fields) else ""
        self._answered(m.request_sequence, RequestRefused(code, name))

    def _Throttled(self, m: Any) -> None:  # noqa: N802
        self._answered(m.request_sequence, Throttled(m.retry_after_ns))

    def _answered(self, request_sequence: int, error: BeursError | None = None) -> None:
        request = self._in_flight.pop(request_sequence, None)
        if request is None:
            raise ProtocolError("an answer to a request that was not made")
        self._end(request, error)

    def _row(self, m: Any, row: Any) -> None:
        request = self._in_flight.get(m.request_sequence)
        if request is None:
            raise ProtocolError("an answer to a request that was not made")
        request.events.append(row)

    def _InstrumentDefinition(self, m: Any) -> None:  # noqa: N802
        self.definitions.add_instrument(m)
        self._row(m, m.instrument_id)

    def _OpenOrder(self, m: Any) -> None:  # noqa: N802
        self._row(m, self.definitions.open_order(m))

    def _Balance(self, m: Any) -> None:  # noqa: N802
        self._row(m, self.definitions.balance(m))

    def _QueryComplete(self, m: Any) -> None:  # noqa: N802
        self._answered(m.request_sequence)

    def _Subscribed(self, m: Any) -> None:  # noqa: N802
        again = CLASSES["Subscribe"](instrument_id=m.instrument_id, channels=m.channels, depth=m.depth)
        self._subscriptions[m.instrument_id] = again
        if m.channels & messages.BOOK:
            self.books[m.instrument_id] = LocalBook(self.definitions.catalogue.instrument(m.instrument_id))
        else:
            self.books.pop(m.instrument_id, None)
        self._answered(m.request_sequence)

    def _Unsubscribed(self, m: Any) -> None:  # noqa: N802
        self._subscriptions.pop(m.instrument_id, None)
        self.books.pop(m.instrument_id, None)
        self._answered(m.request_sequence)

    # Market data.

    def _market(self, m: Any) -> None:
        if m.layout.name in ("BookBegin", "BookLevel", "BookEnd", "LevelUpdate"):
            book = self.books.get(m.instrument_id)
            if book is not None and book.apply(m):
                self._on_market_data(BookChanged(sequence=m.sequence, symbol=book.instrument.symbol))
        else:
            self._on_market_data(self.definitions.market_data(m))


def _request(message: Any, end: Callable[[list[Any], BeursError | None], None]) -> Request:
    """Raises ProtocolError for what cannot be sent."""
    return Request(message, bytearray(messages.encode(message)), end)


def _nothing(_events: list[Any], error: BeursError | None) -> None:
    """The end of a subscription that was made again."""
    if error is not None and not isinstance(error, ConnectionLost):
        log.warning("a subscription could not be made again: %s", error)


def _names(message: Any) -> list[tuple[str, str | int]]:
    """By what the reports of a request can be known: what becomes of which order."""
    match message.layout.name:
        case "NewOrder":
            return [("new", message.client_order_id)]
        case "NewOrderList":
            return [("new", message.client_order_id_1)]
        case "CancelReplace":
            return [("new", message.client_order_id), *_named("canceled", message, message.original_client_order_id)]
        case "CancelOrder":
            return _named("canceled", message, message.client_order_id)
        case "ReplaceOrder":
            return _named("replaced", message, message.client_order_id or message.original_client_order_id)
        case _:
            return []


def _named(what: str, message: Any, client_order_id: str) -> list[tuple[str, str | int]]:
    names: list[tuple[str, str | int]] = [(what, message.order_id)] if message.order_id else []
    return [*names, (what, client_order_id)] if client_order_id else names


def _names_of_report(m: Any) -> list[tuple[str, str | int]]:
    match m.layout.name:
        case "OrderAccepted":
            return [("new", m.client_order_id)]
        case "OrderCanceled" if m.cancel_reason == CancelReason.REQUESTED.number:
            return [("canceled", m.order_id), ("canceled", m.client_order_id)]
        case "OrderReplaced":
            return [("replaced", m.order_id), ("replaced", m.client_order_id)]
        case _:
            return []
