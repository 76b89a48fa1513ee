"""The messages of `/ws/market-data`, in and out; docs/reference/websocket.md is their reference.

What comes in is read strictly: unknown fields, unknown values and wrong types are refused with the field's name. What
goes out is encoded once, however many clients get it. Ids and decimals are strings, `sequence` is a number.
"""

from __future__ import annotations

import json
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from beurs.engine import format_decimal

CHANNELS: Final = ("trades", "bbo", "depth", "ticker", "status")
DEPTHS: Final = (1, 5, 10, 20, 50, 100)
"""How many levels of each side a depth subscription can have. Few, because each is kept once for all clients."""
DEPTH_DEFAULT: Final = 10
MESSAGE_BYTES_MAX: Final = 4096
"""A longer message from a client ends its connection."""

ChannelName: TypeAlias = Literal["trades", "bbo", "depth", "ticker", "status"]

ERRORS: Final = {
    "malformed_json": "The message is not JSON, not UTF-8, or has a key twice.",
    "binary_not_supported": "Messages are text frames with JSON.",
    "message_too_large": f"A message has at most {MESSAGE_BYTES_MAX} bytes.",
    "missing_field": "A required field is not there.",
    "unknown_field": "The message has a field that is not known.",
    "invalid_type": "A field has the wrong JSON type.",
    "invalid_value": "A field has a value that is not allowed.",
    "unknown_instrument": "The instrument does not exist.",
    "not_subscribed": "There is no such subscription.",
    "too_many_subscriptions": "The connection has as many subscriptions as are allowed.",
    "too_many_messages": "Too many messages in a short time.",
    "too_many_connections": "The server has as many connections as are allowed; try again later.",
}
"""Every error code of the stream, with its meaning."""


class Refused(Exception):
    """A message that is answered with an error. ``close_code`` ends the connection after it."""

    def __init__(
        self,
        code: str,
        message: str | None = None,
        field: str | None = None,
        *,
        close_code: int | None = None,
        request_id: str | None = None,
    ) -> None:
        self.code = code
        self.message = message or ERRORS[code]
        self.field = field
        self.close_code = close_code
        self.request_id = request_id
        super().__init__(self.message)

    def payload(self) -> bytes:
        """The answer: the one error shape."""
        error = {"code": self.code, "message": self.message}
        if self.field is not None:
            error["field"] = self.field
        answer: dict[str, Any] = {"type": "error", "error": error}
        if self.request_id is not None:
            answer["id"] = self.request_id
        return encode(answer)


class Subscribe(Struct, forbid_unknown_fields=True, tag_field="op", tag="subscribe", frozen=True):
    """Begin to send a channel of an instrument."""

    channel: ChannelName
    symbol: str
    depth: int | None = None
    id: str | None = None


class Unsubscribe(Struct, forbid_unknown_fields=True, tag_field="op", tag="unsubscribe", frozen=True):
    """Send it no more."""

    channel: ChannelName
    symbol: str
    depth: int | None = None
    id: str | None = None


class Ping(Struct, forbid_unknown_fields=True, tag_field="op", tag="ping", frozen=True):
    """Answer with `pong`."""

    id: str | None = None


Request: TypeAlias = Subscribe | Unsubscribe | Ping

_decode = msgspec.json.Decoder(Request).decode
encode = msgspec.json.Encoder().encode


def read(text: str) -> Request:
    """The request in a text frame. Raises :class:`Refused`."""
    if len(text) > MESSAGE_BYTES_MAX:
        raise Refused("message_too_large", close_code=1009)
    try:
        request: Request = _decode(text)
    except msgspec.ValidationError as error:
        raise refused(str(error)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Refused("malformed_json", close_code=1007) from None
    refuse_repeated_keys(text)
    if request.id is not None and len(request.id) > 64:
        raise Refused("invalid_value", "An id has at most 64 characters.", "id")
    if isinstance(request, Ping):
        return request
    if request.channel != "depth":
        if request.depth is not None:
            raise Refused("invalid_value", "Only the depth channel has a depth.", "depth", request_id=request.id)
    elif request.depth is not None and request.depth not in DEPTHS:
        allowed = ", ".join(map(str, DEPTHS))
        raise Refused("invalid_value", f"The depth is one of {allowed}.", "depth", request_id=request.id)
    return request


def refuse_repeated_keys(text: str) -> None:
    """Refuses a message in which a key stands twice. Only for one that was decoded."""
    json.loads(text, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise Refused("malformed_json", "The message has a key twice.", key, close_code=1007)
        seen.add(key)


def refused(fault: str) -> Refused:
    """From what msgspec says: "Object missing required field `symbol`", "Expected `str`, got `int` - at `$.symbol`"."""
    what, _, where = fault.partition(" - at `$")
    field = where.rstrip("`").lstrip(".") or None
    if what.startswith("Object missing required field"):
        return Refused("missing_field", field=what.split("`")[1])
    if what.startswith("Object contains unknown field"):
        # Its name is the client's own text: bounded, and nothing is done with it but to send it back.
        return Refused("unknown_field", field=what.split("`")[1][:64])
    if what.startswith("Invalid"):
        return Refused("invalid_value", field=field or "op")
    return Refused("invalid_type", f"{what}.", field)


class Message:
    """Something to send: the payload, and its WebSocket frame, made once for all who get it."""

    __slots__ = ("_text", "frame", "payload")

    def __init__(self, content: Any) -> None:
        self.payload: bytes = encode(content) if not isinstance(content, bytes) else content
        self.frame: bytes = text_frame(self.payload)
        self._text: str | None = None

    @property
    def text(self) -> str:
        """The payload as text, for transports that frame it themselves."""
        if self._text is None:
            self._text = self.payload.decode()
        return self._text


def text_frame(payload: bytes) -> bytes:
    """One whole unmasked text frame (RFC 6455, 5.2), as a server sends it, without extensions."""
    size = len(payload)
    if size < 126:
        return b"\x81" + size.to_bytes(1, "big") + payload
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def signed_decimal(count: int, mantissa: int, scale: int) -> str:
    """Decimal text that may have a minus sign; only what goes out can."""
    return f"-{format_decimal(-count, mantissa, scale)}" if count < 0 else format_decimal(count, mantissa, scale)
