"""Reads request bodies: bounded, JSON only, strictly.

Everything in a body is refused that a reader could understand in two ways: a key that stands twice, bytes that are
not UTF-8, NaN and the like, text behind the value.
"""

import json
from typing import Any, TypeVar

import msgspec
from starlette.types import Receive

from beurs.web.problems import Problem, from_validation

T = TypeVar("T")

JSON = b"application/json"


class ClientGone(Exception):
    """The client closed the connection before its request was whole."""


def require_json(content_type: bytes | None) -> None:
    """Refuses anything but application/json, whose charset can only be UTF-8."""
    if content_type == JSON:
        return
    kind, _, parameter = (content_type or b"").partition(b";")
    if kind.strip().lower() != JSON or parameter.strip().lower().replace(b'"', b"") not in (b"", b"charset=utf-8"):
        raise Problem("unsupported_media_type")


async def read_body(receive: Receive, bytes_max: int) -> bytes:
    """The whole body. Raises Problem for one that is too long. (The protocol ends one that is too slow.)"""
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        body += message.get("body", b"")
        if len(body) > bytes_max:
            raise Problem("body_too_large", f"The body is longer than {bytes_max} bytes.")
        if not message.get("more_body", False):
            return body


def decode(decoder: msgspec.json.Decoder[T], body: bytes | bytearray) -> T:
    """Decodes a body into its type. Does not notice a key that stands twice: see `refuse_repeated_keys`."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise from_validation(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem("malformed_json", f"The body is not JSON in UTF-8: {error}.") from None
    except RecursionError:
        raise Problem("malformed_json", "The body is nested too deeply.") from None


def refuse_repeated_keys(body: bytes | bytearray) -> None:
    """Refuses an object in which a key stands twice. Only for a body that `decode` has accepted."""
    json.loads(body, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise Problem("malformed_json", "The body has a key twice.", key)
        seen.add(key)
