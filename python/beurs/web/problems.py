"""The one error shape, and the one place that maps what went wrong to HTTP.

Every answer that is not a success is `{"error": {"code", "message", "field"?}}`. The code is stable and for programs,
the message is for people, the field names what in the request was wrong. CODES is the whole list of what the services
say themselves; REJECT_STATUS is the whole list for what the engine refuses, under the engine's own codes. The rule:
404 what does not exist, 422 what is wrong in itself or for this instrument, 409 what the present state forbids.
"""

import re
from typing import Any, Final

import msgspec
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.types import Send

from beurs.engine import reject_reasons
from beurs.errors import JournalError, NodeStopped, QueueFull

CODES: Final[dict[str, tuple[int, str]]] = {
    "malformed_request": (400, "The request is not HTTP/1.1 as it should be."),
    "malformed_json": (400, "The body is not JSON, not UTF-8, or has a key twice."),
    "missing_api_key": (401, "The request needs an X-API-Key header."),
    "invalid_api_key": (401, "The X-API-Key header is not a key of this venue."),
    "forbidden": (403, "The key is valid, but not for this: accounts trade, staff administers."),
    "not_found": (404, "There is nothing at this path."),
    "no_liabilities": (404, "No proof of liabilities has been made yet."),
    "method_not_allowed": (405, "The path exists, but not for this method."),
    "clock_not_manual": (409, "The server's clock goes by itself; one started with --clock manual can be set."),
    "request_timeout": (408, "The body did not arrive in time."),
    "body_too_large": (413, "The body is longer than is allowed."),
    "unsupported_media_type": (415, "The body must be application/json."),
    "missing_field": (422, "A required field is not there."),
    "unknown_field": (422, "The body has a field that is not known."),
    "unknown_parameter": (422, "The query has a parameter that is not known, or has one twice."),
    "invalid_type": (422, "A field has the wrong JSON type; prices and quantities are strings."),
    "invalid_value": (422, "A field or parameter has a value that is not allowed."),
    "invalid_decimal": (422, "A decimal is a string of digits: no sign, no exponent, no separators."),
    "not_a_multiple": (422, "The price is no whole number of ticks, or the quantity of lots."),
    "too_large": (422, "The number is too large."),
    "headers_too_large": (431, "The request line and the headers are longer than is allowed."),
    "internal_error": (500, "The services failed. It is logged under the answer's X-Request-Id."),
    "too_busy": (503, "The sequencer's queue is full. Nothing took effect; try again."),
    "unavailable": (503, "The engine or its journal has stopped. The command may have taken effect."),
    "store_unavailable": (503, "The store cannot be read, or has not caught up with the journal in time; try again."),
}  # fmt: skip

REJECT_STATUS: Final[dict[str, int]] = {
    "unknown_account": 404,
    "unknown_asset": 404,
    "unknown_instrument": 404,
    "order_reference_missing": 422,
    "unknown_order": 404,
    "instrument_halted": 409,
    "instrument_cancel_only": 409,
    "instrument_post_only": 409,
    "instrument_closed": 409,
    "auction_only_not_allowed": 409,
    "not_in_auction": 409,
    "account_cancel_only": 409,
    "account_reject_only": 409,
    "kill_switch_engaged": 409,
    "duplicate_client_order_id": 409,
    "invalid_time_in_force": 422,
    "invalid_post_only": 422,
    "price_not_allowed": 422,
    "invalid_price": 422,
    "quote_quantity_not_allowed": 422,
    "invalid_quantity": 422,
    "quantity_below_minimum": 422,
    "quantity_above_maximum": 422,
    "quantity_not_above_filled": 422,
    "notional_overflow": 422,
    "notional_below_minimum": 422,
    "invalid_amount": 422,
    "amount_overflow": 422,
    "order_type_not_allowed": 422,
    "invalid_trigger_price": 422,
    "invalid_trail": 422,
    "invalid_display_quantity": 422,
    "invalid_hidden": 422,
    "invalid_minimum_quantity": 422,
    "invalid_expire_time": 422,
    "invalid_slide": 422,
    "invalid_peg": 422,
    "invalid_auction_only": 422,
    "invalid_key": 422,
    "invalid_order_list": 422,
    "invalid_timeout": 422,
    "replace_not_allowed": 422,
    "nested_administer": 422,
    "duplicate_trade_correction": 409,
    "unknown_trade": 404,
    "price_outside_bands": 409,
    "fat_finger": 409,
    "order_quantity_limit": 409,
    "order_notional_limit": 409,
    "open_orders_limit": 409,
    "open_conditional_orders_limit": 409,
    "position_limit": 409,
    "exposure_limit": 409,
    "duplicate_order": 409,
    "order_rate_limit": 409,
    "no_reference_price": 409,
    "too_many_open_orders": 409,
    "post_only_would_match": 409,
    "insufficient_funds": 409,
    "invalid_code": 422,
    "duplicate_code": 409,
    "invalid_scale": 422,
    "same_asset": 422,
    "invalid_tick_size": 422,
    "invalid_lot_size": 422,
    "inexact_notional": 422,
    "invalid_quantity_range": 422,
    "invalid_minimum_notional": 422,
    "invalid_fee": 422,
    "too_many_entries": 409,
    "invalid_matching": 422,
    "book_not_empty": 409,
    "invalid_price_bands": 422,
    "invalid_features": 422,
    "invalid_schedule": 422,
    "invalid_risk_limits": 422,
    "invalid_fee_tier": 422,
    "invalid_fee_cap": 422,
    "invalid_end_time": 422,
    "command_failed": 500,
    "disk_full": 503,
}

# Which field of a request a rejection is about, where there is one.
REJECT_FIELD: Final[dict[str, str]] = {
    "unknown_instrument": "symbol",
    "unknown_order": "order_id",
    "duplicate_client_order_id": "client_order_id",
    "invalid_time_in_force": "time_in_force",
    "invalid_post_only": "post_only",
    "price_not_allowed": "price",
    "invalid_price": "price",
    "quote_quantity_not_allowed": "quote_quantity",
    "invalid_quantity": "quantity",
    "quantity_below_minimum": "quantity",
    "quantity_above_maximum": "quantity",
    "quantity_not_above_filled": "quantity",
    "post_only_would_match": "post_only",
    "order_type_not_allowed": "order_type",
    "invalid_trigger_price": "trigger_price",
    "invalid_trail": "trail_bps",
    "invalid_display_quantity": "display_quantity",
    "invalid_hidden": "hidden",
    "invalid_minimum_quantity": "min_quantity",
    "invalid_expire_time": "expire_time",
    "invalid_slide": "slide",
    "invalid_peg": "peg",
    "invalid_auction_only": "auction_only",
    "auction_only_not_allowed": "auction_only",
    "invalid_order_list": "orders",
    "invalid_timeout": "timeout_ms",
    "price_outside_bands": "price",
    "fat_finger": "price",
    "order_quantity_limit": "quantity",
    "unknown_trade": "trade_id",
    "invalid_scale": "scale",
    "invalid_tick_size": "tick_size",
    "invalid_lot_size": "lot_size",
    "invalid_minimum_notional": "min_notional",
    "invalid_amount": "amount",
    "invalid_fee_cap": "max_fee",
    "invalid_end_time": "end_time",
}

REJECT_RULES: Final[dict[str, str]] = {code: rule for _, code, rule in reject_reasons()}


class ErrorDetail(msgspec.Struct, omit_defaults=True, frozen=True):
    """What went wrong."""

    code: str
    message: str
    field: str | None = None


class ErrorBody(msgspec.Struct, frozen=True):
    """The body of every answer that is not a success."""

    error: ErrorDetail


class Problem(Exception):
    """An answer that is not a success. Raised anywhere below an endpoint, answered in one place."""

    def __init__(
        self, code: str, message: str | None = None, field: str | None = None, *, status: int | None = None
    ) -> None:
        known = CODES.get(code)
        self.status = status or (known[0] if known else REJECT_STATUS[code])
        self.detail = ErrorDetail(code, message or (known[1] if known else REJECT_RULES[code]), field)
        super().__init__(self.detail.message)

    def within(self, name: str) -> "Problem":
        """The same problem of what stands in the field `name`."""
        detail = self.detail
        return Problem(detail.code, detail.message, f"{name}.{detail.field}" if detail.field else name)

    @property
    def code(self) -> str:
        """The stable code."""
        return self.detail.code

    def body(self) -> bytes:
        """The answer's body."""
        return _encode(ErrorBody(self.detail))

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The answer's headers that do not depend on the request."""
        return [*_STATUS_HEADERS.get(self.status, ()), (b"content-type", b"application/json")]


_encode = msgspec.json.Encoder().encode
_STATUS_HEADERS: Final[dict[int, tuple[tuple[bytes, bytes], ...]]] = {
    # What is left of the request's body is not read, so the connection cannot be used again.
    408: ((b"connection", b"close"),),
    413: ((b"connection", b"close"),),
    401: ((b"www-authenticate", b'X-API-Key realm="beurs"'),),
    503: ((b"retry-after", b"1"),),
}


def rejection(code: str) -> Problem:
    """The answer to a command that the engine refused."""
    return Problem(code, field=REJECT_FIELD.get(code))


def from_error(error: Exception) -> Problem:
    """The answer to anything that was raised."""
    match error:
        case Problem():
            return error
        case QueueFull():
            return Problem("too_busy")
        case NodeStopped() | JournalError():
            return Problem("unavailable")
        case SQLAlchemyError():
            return Problem("store_unavailable")
        case RequestValidationError():
            return _from_parameters(error.errors()[0])
        case HTTPException(status_code=404):
            return Problem("not_found")
        case HTTPException(status_code=405):
            return Problem("method_not_allowed")
    return Problem("internal_error")


def _from_parameters(fault: Any) -> Problem:
    message = fault["msg"].removeprefix("Value error, ")
    code = "missing_field" if fault["type"] == "missing" else "invalid_value"
    return Problem(code, f"{message}.", str(fault["loc"][-1]))


async def send_problem(problem: Problem, request_id: bytes, send: Send) -> None:
    """Answers with the problem."""
    body = problem.body()
    headers = [*problem.headers(), (b"content-length", b"%d" % len(body)), (b"x-request-id", request_id)]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


_AT = re.compile(r" - at `\$\.?([^`]*)`$")
_NAMED = re.compile(r"(unknown|missing required) field `(.*)`", re.DOTALL)
_DECIMAL_FIELDS = (
    *("price", "quantity", "quote_quantity"),
    *("trigger_price", "display_quantity", "min_quantity", "peg_offset"),
)
_TEXT_MAX = 100


def from_validation(error: msgspec.ValidationError) -> Problem:
    """The answer to JSON of the wrong shape. Reads msgspec's own message, whose forms a test pins down."""
    text, where = str(error), ""
    at = _AT.search(text)
    if at:
        text, where = text[: at.start()], at.group(1)
    named = _NAMED.search(text)
    if named:
        code = "unknown_field" if named.group(1) == "unknown" else "missing_field"
        return Problem(code, field=f"{where}.{named.group(2)}".lstrip(".")[:_TEXT_MAX])
    if text.startswith("Expected") or text == "Number out of range":
        if where.rpartition(".")[2] in _DECIMAL_FIELDS:
            text = 'Must be a decimal string such as "0.5", not a number or anything else.'
        return Problem("invalid_type", text.replace("`", ""), where or None)
    return Problem("invalid_value", text.replace("`", "")[:_TEXT_MAX], where or None)
