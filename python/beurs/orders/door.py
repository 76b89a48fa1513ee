"""The hot routes: POST /v1/orders and DELETE /v1/orders/{order_id}, as bare ASGI.

They do what the framework's routes do, with its errors, and no more: one look at the headers, one strict decoding, one
command, one future, one answer. The commonest outcome, an order that just rests, is answered from the request and four
numbers of its EVENT record; everything else goes through `beurs.orders.reports`.
"""

import struct
from time import perf_counter
from typing import Final

import msgspec
from msgspec import UNSET
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from beurs.catalogue import Instrument
from beurs.engine import EVENT_FIELDS, EVENT_SIZE
from beurs.keys import KeyRing
from beurs.metrics import Metrics
from beurs.orders.commands import OrderReference, new_order_command
from beurs.orders.reports import execution_report
from beurs.orders.schemas import ExecutionReport, NewOrder, PlainOrder
from beurs.records import EventKind
from beurs.sequencer import Sequencer
from beurs.timestamps import timestamp
from beurs.values import ExecType
from beurs.web import authority
from beurs.web.bodies import JSON, decode, read_body, refuse_repeated_keys, require_json
from beurs.web.problems import Problem
from beurs.web.protocol import answer, whole_body
from beurs.web.steps import Instruments, hold_text

ORDERS_PATH: Final = "/v1/orders"
ORDER_PATH: Final = "/v1/orders/"

_OFFSET: Final = {name: offset for name, _, offset in EVENT_FIELDS}
_HEAD: Final = struct.Struct("<Qq")  # sequence, event_time_ns
_KIND: Final = slice(16, 18)  # kind, exec_type
assert [_OFFSET[name] for name in ("sequence", "event_time_ns", "kind", "exec_type")] == [0, 8, 16, 17]
_NEW: Final = bytes([EventKind.EXECUTION, ExecType.NEW.number])
_ORDER_ID: Final = struct.Struct("<Q")
_HOLD: Final = struct.Struct("<Qq")
_ORDER_ID_AT: Final = _OFFSET["order_id"]
_HOLD_AT: Final = _OFFSET["hold_lo"]
assert _OFFSET["hold_hi"] == _HOLD_AT + 8
_CONTENT_TYPE: Final = (b"content-type", JSON)
_HEADERS: Final = b"content-type: application/json\r\nx-request-id: %b\r\n"


class OrderDoor:
    """Serves the hot routes."""

    def __init__(
        self,
        sequencer: Sequencer,
        instruments: Instruments,
        keys: KeyRing,
        metrics: Metrics,
        *,
        body_bytes_max: int,
    ) -> None:
        self._sequencer = sequencer
        self._instruments = instruments
        self._keys = keys
        self._metrics = metrics
        self._body_bytes_max = body_bytes_max
        self._decoder = msgspec.json.Decoder(PlainOrder)
        self._terms_decoder = msgspec.json.Decoder(NewOrder)
        self._encode = msgspec.json.Encoder().encode

    async def new_order(
        self, scope: Scope, receive: Receive, send: Send, request_id: bytes, cycle: RequestResponseCycle | None
    ) -> None:
        """POST /v1/orders: 201 and the execution report."""
        started = perf_counter()
        key = content_type = None
        for name, value in scope["headers"]:
            if name == b"x-api-key":
                key = value if key is None else b""
            elif name == b"content-type":
                content_type = value if content_type is None else b""
        trader = authority.trader(self._keys, key)
        if scope["query_string"]:
            raise Problem("unknown_parameter", "This request takes no parameters.")
        if content_type != JSON:
            require_json(content_type)
        body: bytes | bytearray | None = None if cycle is None else whole_body(cycle)
        if body is None or len(body) > self._body_bytes_max:
            body = await read_body(receive, self._body_bytes_max)
        order: PlainOrder
        try:
            order = self._decoder.decode(body)
            repeats = body.count(b'"') != _quotes(order)
        except Exception:  # It has terms, or something is wrong with it, which then is said.
            order, repeats = decode(self._terms_decoder, body), True
        if repeats:
            refuse_repeated_keys(body)
        instrument = self._instruments.by_symbol.get(order.symbol)
        if instrument is None:
            raise Problem("unknown_instrument", field="symbol")
        events = await self._sequencer.submit(new_order_command(trader, order, instrument))
        if len(events) == EVENT_SIZE and events[_KIND] == _NEW:
            report = _resting(events, order, instrument)
        else:
            report = self._report(events)
        self._metrics.accepted(perf_counter() - started)
        await _answer(cycle, send, 201, self._encode(report), request_id)

    async def cancel_order(
        self, scope: Scope, receive: Receive, send: Send, request_id: bytes, cycle: RequestResponseCycle | None
    ) -> None:
        """DELETE /v1/orders/{order_id}: 200 and the execution report."""
        started = perf_counter()
        key = None
        for name, value in scope["headers"]:
            if name == b"x-api-key":
                key = value if key is None else b""
        trader = authority.trader(self._keys, key)
        if scope["query_string"]:
            raise Problem("unknown_parameter", "This request takes no parameters.")
        reference = OrderReference(scope["path"][len(ORDER_PATH) :])
        report = self._report(await self._sequencer.submit(reference.cancel(trader)))
        self._metrics.accepted(perf_counter() - started)
        await _answer(cycle, send, 200, self._encode(report), request_id)

    def _report(self, events: bytes) -> ExecutionReport:
        try:
            return execution_report(events, self._instruments)
        except Problem as problem:
            self._metrics.rejected(problem.code)
            raise


def _quotes(order: PlainOrder) -> int:
    """How many quotation marks a body has at least that decodes to this order: those of its keys and texts.

    A key that stands twice adds some, so only a body with more needs a closer look.
    """
    quotes = 8  # symbol and side
    if order.price is not UNSET:
        quotes += 4
    if order.quantity is not UNSET:
        quotes += 4
    if order.client_order_id is not UNSET:
        quotes += 4
    if order.order_type is not UNSET:
        quotes += 4
    if order.time_in_force is not UNSET:
        quotes += 4
    if order.post_only is not UNSET:
        quotes += 2
    if order.self_trade_prevention is not UNSET:
        quotes += 4
    if order.quote_quantity is not UNSET:
        quotes += 4
    return quotes


def _resting(events: bytes, order: PlainOrder, instrument: Instrument) -> ExecutionReport:
    """The report of a limit order without terms that rests untouched: the request, and what the record adds."""
    assert isinstance(order.price, str)  # the engine accepted it, and only a limit order rests
    assert isinstance(order.quantity, str)
    sequence, event_time_ns = _HEAD.unpack_from(events)
    (order_id,) = _ORDER_ID.unpack_from(events, _ORDER_ID_AT)
    low, high = _HOLD.unpack_from(events, _HOLD_AT)
    quantity = _canonical(order.quantity)
    return ExecutionReport(
        str(order_id),
        order.client_order_id or None,
        instrument.symbol,
        order.side,
        "limit",
        order.time_in_force or "gtc",
        bool(order.post_only),
        order.self_trade_prevention or "none",
        _canonical(order.price),
        quantity,
        None,
        "0",
        quantity,
        "new",
        None,
        hold_text(instrument, order.side, (high << 64) + low),
        quantity,
        False,
        None,
        None,
        exec_type="new",
        fills=[],
        sequence=sequence,
        timestamp=timestamp(event_time_ns),
    )


def _canonical(decimal: str) -> str:
    """Decimal text that keeps the grammar, without needless zeros, as `format_decimal` writes it."""
    return decimal.rstrip("0").rstrip(".") if "." in decimal else decimal


async def _answer(cycle: RequestResponseCycle | None, send: Send, status: int, body: bytes, request_id: bytes) -> None:
    if cycle is not None and answer(cycle, status, _HEADERS % request_id, body):
        return
    headers = [_CONTENT_TYPE, (b"content-length", b"%d" % len(body)), (b"x-request-id", request_id)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
