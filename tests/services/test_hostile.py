"""Requests that are malformed, oversized, out of range, unauthorised or impossible: each is refused with its code and
field, in the one error shape, and changes nothing."""

import contextlib
import dataclasses
import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.services.conftest import Running, buy, run, sell, settings
from tests.waiting import WAIT_SECONDS_MAX

DIGITS_40 = "1234567890" * 4
BODY_MAX = 65_536
JSON = {"Content-Type": "application/json"}


@dataclass
class Row:
    """One request, and how it is refused. `{alice}`, `{bob}`, `{closed}` in a path are ids of orders."""

    name: str
    status: int
    code: str
    field: str | None = None
    method: str = "POST"
    path: str = "/v1/orders"
    body: Any = None
    content: bytes | None = None
    headers: dict[str, str] = dataclasses.field(default_factory=lambda: dict(JSON))
    key: str | None = "alice"


ROWS: list[Row] = []


def row(name: str, status: int, code: str, at: str | None = None, **named: Any) -> None:
    ROWS.append(Row(name, status, code, at, **named))


def order(name: str, status: int, code: str, at: str | None = None, **changes: Any) -> None:
    """A buy order with some fields changed; None takes one away."""
    body = {key: value for key, value in (buy() | changes).items() if value is not None}
    row(name, status, code, at, body=body)


# Decimals: the grammar, and nothing that a number parser might also take.
NOT_DECIMALS = {
    "empty": "",
    "blank": " ",
    "a blank before": " 1",
    "a blank behind": "1 ",
    "a newline behind": "1\n",
    "a tab before": "\t1",
    "minus zero": "-0",
    "minus one": "-1",
    "a plus sign": "+1",
    "an exponent": "1e3",
    "a capital exponent": "1E3",
    "a huge exponent": "1e400",
    "a huge negative exponent": "1e-400",
    "NaN": "NaN",
    "nan": "nan",
    "sNaN": "sNaN",
    "Infinity": "Infinity",
    "inf": "inf",
    "minus infinity": "-Infinity",
    "fullwidth digits": "１２",
    "Arabic digits": "٣",
    "a superscript": "²",
    "a fraction character": "½",
    "Roman numeral": "Ⅷ",
    "underscores": "1_000",
    "thousands commas": "1,000",
    "a decimal comma": "1,5",
    "an apostrophe": "1'000",
    "hexadecimal": "0x10",
    "octal": "0o17",
    "binary": "0b1",
    "a leading zero": "01",
    "two zeros": "00",
    "no digit before the point": ".5",
    "no digit behind the point": "5.",
    "two points": "1.2.3",
    "only a point": ".",
    "a word": "ten",
    "40 digits": DIGITS_40,
    "40 decimals": f"1.{DIGITS_40}",
    "19 digits": "1234567890123456789",
    "19 decimals": "1." + "1" * 19,
    "a dollar sign": "$1",
    "a NUL": "1\x00",
    "an invisible character": "1\u200b",
    "a right-to-left mark": "\u200f1",
    "a byte order mark": "\ufeff1",
    "a quotation mark": '1"',
    "SQL": "1; DROP TABLE orders",
    "a template": "${7*7}",
}
for name, text in NOT_DECIMALS.items():
    order(f"price is {name}", 422, "invalid_decimal", "price", price=text)
for name in ("minus zero", "a huge exponent", "NaN", "fullwidth digits", "underscores", "40 digits", "empty", "a NUL"):
    order(f"quantity is {name}", 422, "invalid_decimal", "quantity", quantity=NOT_DECIMALS[name])
for name in ("minus one", "an exponent", "Infinity", "a word", "19 digits"):
    order(
        f"quote_quantity is {name}",
        *(422, "invalid_decimal", "quote_quantity"),
        quantity=None,
        price=None,
        order_type="market",
        quote_quantity=NOT_DECIMALS[name],
    )
# Decimals that are, but cannot be meant.
order("price is zero", 422, "invalid_price", "price", price="0")
order("price is zero with decimals", 422, "invalid_price", "price", price="0.00")
order("price is below a tick", 422, "not_a_multiple", "price", price="0.001")
order("price is between ticks", 422, "not_a_multiple", "price", price="100.005")
order("price has 18 decimals", 422, "not_a_multiple", "price", price="1.000000000000000001")
order("price is too large", 422, "too_large", "price", price="123456789012345678")
order("price is one tick too large", 422, "too_large", "price", price="90071992547409.92")
order("price is missing", 422, "invalid_price", "price", price=None)
order("quantity is zero", 422, "invalid_quantity", "quantity", quantity="0")
order("quantity is zero with decimals", 422, "invalid_quantity", "quantity", quantity="0.0")
order("quantity is below a lot", 422, "not_a_multiple", "quantity", quantity="0.000001")
order("quantity is between lots", 422, "not_a_multiple", "quantity", quantity="1.000005")
order("quantity is too large", 422, "too_large", "quantity", quantity="999999999999999999")
order("quantity is above the maximum", 422, "quantity_above_maximum", "quantity", quantity="1000.00001")
order("quantity is missing", 422, "invalid_quantity", "quantity", quantity=None)
order("the notional is below the minimum", 422, "notional_below_minimum", None, price="0.01", quantity="0.00001")
order("the money is not there", 409, "insufficient_funds", None, price="90071992547409.91", quantity="1000")
order("quote_quantity of a limit order", 422, "quote_quantity_not_allowed", "quote_quantity", quote_quantity="10")
order("a market order with a price", 422, "price_not_allowed", "price", order_type="market")
order("a market order with price zero", 422, "invalid_price", "price", order_type="market", price="0")
order(
    "a market order gtc",
    422,
    "invalid_time_in_force",
    "time_in_force",
    order_type="market",
    price=None,
    time_in_force="gtc",
)
order(
    "a market order by both quantities",
    *(422, "quote_quantity_not_allowed", "quote_quantity"),
    order_type="market",
    price=None,
    quote_quantity="10",
)
order(
    "a market order by quote_quantity fok",
    *(422, "invalid_time_in_force", "time_in_force"),
    order_type="market",
    price=None,
    quantity=None,
    quote_quantity="10",
    time_in_force="fok",
)
order(
    "quote_quantity zero",
    422,
    "invalid_quantity",
    "quote_quantity",
    quote_quantity="0",
    order_type="market",
    price=None,
    quantity=None,
)
order(
    "a market order without any quantity",
    422,
    "invalid_quantity",
    "quantity",
    order_type="market",
    price=None,
    quantity=None,
)
order("post_only ioc", 422, "invalid_post_only", "post_only", post_only=True, time_in_force="ioc")
order("post_only market", 422, "invalid_post_only", "post_only", post_only=True, order_type="market", price=None)
order("post_only that would match", 409, "post_only_would_match", "post_only", post_only=True, price="200")
order("a client_order_id that is in use", 409, "duplicate_client_order_id", "client_order_id", client_order_id="in-use")

# Wrong JSON types, for every field.
WRONG = {"a number": 1, "a float": 1.5, "a list": ["1"], "an object": {"$gt": ""}, "true": True}
for name, value in WRONG.items():
    for at in ("symbol", "side", "price", "quantity", "client_order_id"):
        order(f"{at} is {name}", 422, "invalid_type", at, **{at: value})
for at in ("order_type", "time_in_force", "self_trade_prevention", "quote_quantity"):
    order(f"{at} is a number", 422, "invalid_type", at, **{at: 1})
for name, value in {"a number": 1, "a text": "true", "a list": []}.items():
    order(f"post_only is {name}", 422, "invalid_type", "post_only", post_only=value)
for at in ("price", "symbol", "post_only", "client_order_id"):
    row(f"{at} is null", 422, "invalid_type", at, body=buy() | {at: None})

# Values that are none of the words.
for name, at, value in (
    ("side in capitals", "side", "BUY"),
    ("side with a blank", "side", "buy "),
    ("side that is none", "side", "hold"),
    ("side empty", "side", ""),
    ("side in fullwidth", "side", "ｂｕｙ"),
    ("order_type that is none", "order_type", "stops"),
    ("time_in_force that is none", "time_in_force", "days"),
    ("self_trade_prevention that is none", "self_trade_prevention", "cancel_both"),
    ("client_order_id empty", "client_order_id", ""),
    ("client_order_id too long", "client_order_id", "x" * 37),
    ("client_order_id of 10,000", "client_order_id", "x" * 10_000),
    ("client_order_id with a blank", "client_order_id", "a b"),
    ("client_order_id with a newline", "client_order_id", "a\nb"),
    ("client_order_id with a NUL", "client_order_id", "a\x00"),
    ("client_order_id not ASCII", "client_order_id", "café"),
    ("client_order_id an emoji", "client_order_id", "🚀"),
):
    order(name, 422, "invalid_value", at, **{at: value})
for name, symbol in {
    "unknown": "DOGE-USD",
    "in small letters": "btc-usd",
    "empty": "",
    "with a blank": "BTC-USD ",
    "of 10,000 characters": "B" * 10_000,
    "with a NUL": "BTC-USD\x00",
    "not ASCII": "ВTC-USD",
    "a path": "../../etc/passwd",
}.items():
    order(f"symbol {name}", 404, "unknown_instrument", "symbol", symbol=symbol)

# Fields that are not there, or that are none.
row("no symbol", 422, "missing_field", "symbol", body={"side": "buy", "price": "1", "quantity": "1"})
row("no side", 422, "missing_field", "side", body={"symbol": "BTC-USD", "price": "1", "quantity": "1"})
row("an empty object", 422, "missing_field", "symbol", body={})
for at in (
    "account_id",
    "account",
    "trader",
    "type",
    "size",
    "Price",
    "price ",
    "__proto__",
    "display",
    "sequence",
    "",
):
    order(f"unknown field {at!r}", 422, "unknown_field", at, **{at: "1"})

# Bodies that are not an order at all.
for name, content in {
    "empty": b"",
    "a blank": b" ",
    "half an object": b'{"symbol":"BTC-USD"',
    "a comma at the end": b'{"symbol":"BTC-USD",}',
    "single quotes": b"{'symbol':'BTC-USD'}",
    "a comment": b'{"symbol":"BTC-USD"/* */}',
    "two objects": json.dumps(buy()).encode() * 2,
    "text behind it": json.dumps(buy()).encode() + b"x",
    "a NUL behind it": json.dumps(buy()).encode() + b"\x00",
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps(buy()).encode(),
    "UTF-16": json.dumps(buy()).encode("utf-16"),
    "invalid UTF-8 in a text": b'{"symbol":"BTC-\xff\xfe","side":"buy"}',
    "an overlong encoding": b'{"symbol":"\xc0\xaf","side":"buy"}',
    "half a character": b'{"symbol":"\xe2\x82","side":"buy"}',
    "an encoded surrogate": b'{"symbol":"\xed\xa0\x80","side":"buy"}',
    "an escaped lone surrogate": b'{"symbol":"\\ud800","side":"buy"}',
    "a wrong escape": b'{"symbol":"\\x41","side":"buy"}',
    "a raw newline in a text": b'{"symbol":"BTC\nUSD","side":"buy"}',
    "NaN": b'{"symbol":"BTC-USD","side":"buy","price":NaN,"quantity":"1"}',
    "Infinity": b'{"symbol":"BTC-USD","side":"buy","price":Infinity,"quantity":"1"}',
    "a form": b"symbol=BTC-USD&side=buy",
    "XML": b"<order/>",
    "binary": bytes(range(256)),
    "a key twice": b'{"symbol":"BTC-USD","side":"buy","price":"1","quantity":"1","price":"2"}',
    "a key twice with the same value": b'{"symbol":"BTC-USD","side":"buy","price":"1","quantity":"1","side":"buy"}',
    "a key twice, once escaped": b'{"symbol":"BTC-USD","side":"buy","price":"1","quantity":"1","pri\\u0063e":"2"}',
}.items():
    at = {"a key twice": "price", "a key twice, once escaped": "price", "a key twice with the same value": "side"}
    row(f"body is {name}", 400, "malformed_json", at.get(name), content=content)
for name, content in {
    "a list": b"[]",
    "a list of an order": json.dumps([buy()]).encode(),
    "a text": b'"order"',
    "a number": b"1",
    "true": b"true",
    "null": b"null",
    "a deep list": b"[" * 30_000,
}.items():
    row(f"body is {name}", 422, "invalid_type", None, content=content)
for name, content in {
    "1e400": b'{"symbol":"BTC-USD","side":"buy","price":1e400,"quantity":"1"}',
    "minus zero": b'{"symbol":"BTC-USD","side":"buy","price":-0,"quantity":"1"}',
    "40 digits": b'{"symbol":"BTC-USD","side":"buy","price":%s,"quantity":"1"}' % DIGITS_40.encode(),
    "4,400 digits": b'{"symbol":"BTC-USD","side":"buy","price":' + b"9" * 4_400 + b',"quantity":"1"}',
    "a deep list": b'{"symbol":"BTC-USD","side":"buy","price":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "a deep object": b'{"symbol":"BTC-USD","side":"buy","price":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"}",
}.items():
    row(f"price is the JSON {name}", 422, "invalid_type", "price", content=content)
row("an unknown field, deep", 422, "unknown_field", "x", content=b'{"x":' * 10_000)
row("a body one byte too long", 413, "body_too_large", content=json.dumps(buy()).encode().ljust(BODY_MAX + 1))
row("a body of 5 MB", 413, "body_too_large", content=b" " * 5_000_000)

# Content types.
for name, kind in {
    "none": None,
    "text": "text/plain",
    "a form": "application/x-www-form-urlencoded",
    "another JSON": "application/problem+json",
    "Latin-1": "application/json; charset=iso-8859-1",
    "UTF-16": "application/json; charset=utf-16",
    "a boundary": "application/json; boundary=x",
    "nonsense": ";;;",
    "two in one": "application/json, text/plain",
}.items():
    row(
        f"content type is {name}",
        *(415, "unsupported_media_type"),
        content=json.dumps(buy()).encode(),
        headers={} if kind is None else {"Content-Type": kind},
    )

# Keys.
for name, key in {
    "garbage": "garbage",
    "empty": "",
    "very long": "beurs_" + "0" * 5_000,
    "of the right form": "beurs_" + "0" * 64,
    "not ASCII": "schl\xfcssel",
    "SQL": "' OR 1=1 --",
}.items():
    for method, path in (
        ("POST", "/v1/orders"),
        ("GET", "/v1/orders"),
        ("DELETE", "/v1/orders/1"),
        ("GET", "/v1/account"),
    ):
        row(
            f"{method} {path} with a key that is {name}",
            *(401, "invalid_api_key"),
            method=method,
            path=path,
            key=None,
            content=json.dumps(buy()).encode() if method == "POST" else None,
            headers=JSON | {"X-API-Key": key},
        )
for method, path in (
    ("POST", "/v1/orders"),
    ("POST", "/v1/orders/batch"),
    ("GET", "/v1/orders"),
    ("DELETE", "/v1/orders"),
    ("GET", "/v1/orders/1"),
    ("PATCH", "/v1/orders/1"),
    ("DELETE", "/v1/orders/1"),
    ("GET", "/v1/trades"),
    ("GET", "/v1/account"),
    ("GET", "/v1/account/balances"),
):
    row(f"{method} {path} without a key", 401, "missing_api_key", method=method, path=path, key=None, body={})
row(
    "the key in another header",
    *(401, "missing_api_key"),
    key=None,
    body=buy(),
    headers=JSON | {"Authorization": "Bearer beurs_" + "0" * 64},
)

# Orders that are not there, or not one's own.
for name, path in {
    "never given": "999999999",
    "zero": "0",
    "negative": "-1",
    "a float": "1.0",
    "with a leading zero": "01",
    "2**63": str(2**63),
    "2**64 - 1": str(2**64 - 1),
    "2**64": str(2**64),
    "of 40 digits": DIGITS_40,
    "a word": "abc",
    "fullwidth": quote("１"),
    "with a blank": "1%20",
    "a NUL": "%00",
    "a path up": "..%2f..%2fetc%2fpasswd",
    "dots": "%2e%2e",
    "two segments": "1/2",
    "a wildcard": "*",
    "an unknown client_order_id": "client:nobody",
    "an empty client_order_id": "client:",
    "a client_order_id too long": "client:" + "x" * 37,
    "a client_order_id with a blank": "client:a%20b",
    "another account's": "{bob}",
    "another account's client_order_id": "client:bobs",
    "closed": "{closed}",
}.items():
    for method, body in (("DELETE", None), ("PATCH", {"price": "1"})):
        row(
            f"{method} an order id that is {name}",
            404,
            "unknown_order",
            "order_id",
            method=method,
            path=f"/v1/orders/{path}",
            body=body,
        )
    if name != "closed":
        row(
            f"GET an order id that is {name}", 404, "unknown_order", "order_id", method="GET", path=f"/v1/orders/{path}"
        )

# Replaces.
PATCH = {"method": "PATCH", "path": "/v1/orders/{alice}"}
row("a replace of nothing", 422, "missing_field", None, body={}, **PATCH)
row("a replace with an unknown field", 422, "unknown_field", "side", body={"side": "sell"}, **PATCH)
row("a replace with a number", 422, "invalid_type", "price", body={"price": 1}, **PATCH)
row("a replace with null", 422, "invalid_type", "quantity", body={"quantity": None}, **PATCH)
row("a replace to price zero", 422, "invalid_price", "price", body={"price": "0"}, **PATCH)
row("a replace to quantity zero", 422, "invalid_quantity", "quantity", body={"quantity": "0"}, **PATCH)
row("a replace between ticks", 422, "not_a_multiple", "price", body={"price": "1.001"}, **PATCH)
row("a replace below what is filled", 422, "quantity_not_above_filled", "quantity", body={"quantity": "0.5"}, **PATCH)
row(
    "a replace that money does not cover",
    409,
    "insufficient_funds",
    None,
    body={"price": "9999999"} | {"quantity": "999"},
    **PATCH,
)
row(
    "a replace to an id in use",
    409,
    "duplicate_client_order_id",
    "client_order_id",
    body={"client_order_id": "in-use"},
    **PATCH,
)
row(
    "a replace to an id with a blank", 422, "invalid_value", "client_order_id", body={"client_order_id": "a b"}, **PATCH
)
row("a replace with a key twice", 400, "malformed_json", "price", content=b'{"price":"1","price":"2"}', **PATCH)
row("a replace that is a list", 422, "invalid_type", None, body=[], **PATCH)
row(
    "a replace with a query",
    422,
    "unknown_parameter",
    "x",
    body={"price": "1"},
    method="PATCH",
    path="/v1/orders/{alice}?x=1",
)
row(
    "a replace as text",
    415,
    "unsupported_media_type",
    None,
    content=b"{}",
    headers={"Content-Type": "text/plain"},
    **PATCH,
)
row("a replace too long", 413, "body_too_large", None, content=b" " * 70_000, **PATCH)

# Batches.
BATCH = {"path": "/v1/orders/batch"}
row("a batch of nothing", 422, "missing_field", "orders", body={}, **BATCH)
row("an empty batch", 422, "invalid_value", "orders", body={"orders": []}, **BATCH)
row("a batch of 101", 422, "invalid_value", "orders", body={"orders": [buy()] * 101}, **BATCH)
row("a batch that is a list", 422, "invalid_type", None, body=[buy()], **BATCH)
row("a batch of one object", 422, "invalid_type", "orders", body={"orders": buy()}, **BATCH)
row("a batch of numbers", 422, "invalid_type", "orders[0]", body={"orders": [1]}, **BATCH)
row("a batch with one bad type", 422, "invalid_type", "orders[1].price", body={"orders": [buy(), buy(1)]}, **BATCH)
row("a batch with one unknown field", 422, "unknown_field", "orders[1].x", body={"orders": [buy(), buy(x=1)]}, **BATCH)
row("a batch with an unknown field", 422, "unknown_field", "atomic", body={"orders": [buy()], "atomic": True}, **BATCH)
row(
    "a batch with a key twice",
    *(400, "malformed_json", "side"),
    content=b'{"orders":[{"symbol":"BTC-USD","side":"buy","side":"sell","price":"1","quantity":"1"}]}',
    **BATCH,
)
row("a batch too long", 413, "body_too_large", None, body={"orders": [buy(client_order_id="x" * 1_000)] * 70}, **BATCH)

# Queries.
for name, path, status, code, at in (
    ("an unknown parameter", "/v1/orders?sort=asc", 422, "unknown_parameter", "sort"),
    ("a parameter twice", "/v1/orders?limit=1&limit=2", 422, "unknown_parameter", "limit"),
    ("a parameter in capitals", "/v1/orders?LIMIT=1", 422, "unknown_parameter", "LIMIT"),
    ("limit zero", "/v1/orders?limit=0", 422, "invalid_value", "limit"),
    ("limit negative", "/v1/orders?limit=-1", 422, "invalid_value", "limit"),
    ("limit too large", "/v1/orders?limit=1001", 422, "invalid_value", "limit"),
    ("limit with underscores", "/v1/orders?limit=1_0", 422, "invalid_value", "limit"),
    ("limit a float", "/v1/orders?limit=1.0", 422, "invalid_value", "limit"),
    ("limit with a blank", "/v1/orders?limit=+1", 422, "invalid_value", "limit"),
    ("limit fullwidth", "/v1/orders?limit=" + quote("１"), 422, "invalid_value", "limit"),
    ("limit of 5,000 digits", "/v1/orders?limit=" + "9" * 5_000, 422, "invalid_value", "limit"),
    ("limit empty", "/v1/orders?limit=", 422, "invalid_value", "limit"),
    ("a list of limits", "/v1/orders?limit[]=1", 422, "unknown_parameter", "limit[]"),
    ("a broken escape", "/v1/orders?limit=%zz", 422, "invalid_value", "limit"),
    ("an invalid UTF-8 escape", "/v1/orders?symbol=%ff", 404, "unknown_instrument", "symbol"),
    ("a NUL", "/v1/orders?symbol=%00", 404, "unknown_instrument", "symbol"),
    ("an unknown symbol", "/v1/orders?symbol=DOGE-USD", 404, "unknown_instrument", "symbol"),
    ("an empty symbol", "/v1/orders?symbol=", 404, "unknown_instrument", "symbol"),
    ("a status that is none", "/v1/orders?status=filled", 422, "invalid_value", "status"),
    ("a cursor that is a word", "/v1/orders?cursor=next", 422, "invalid_value", "cursor"),
    ("a cursor of 40 digits", f"/v1/orders?cursor={DIGITS_40}", 422, "invalid_value", "cursor"),
    ("a cursor zero", "/v1/orders?cursor=0", 422, "invalid_value", "cursor"),
    ("trades of a word", "/v1/trades?order_id=abc", 422, "invalid_value", "order_id"),
    ("trades of an unknown symbol", "/v1/trades?symbol=x", 404, "unknown_instrument", "symbol"),
    ("an account with a query", "/v1/account?account=bob", 422, "unknown_parameter", "account"),
    ("balances of somebody", "/v1/account/balances?account_id=3", 422, "unknown_parameter", "account_id"),
    ("the book of nothing", "/v1/market/DOGE-USD/book", 404, "unknown_instrument", "symbol"),
    ("the book of a path", "/v1/market/..%2f..%2fetc/book", 404, "not_found", None),
    ("a book of depth zero", "/v1/market/BTC-USD/book?depth=0", 422, "invalid_value", "depth"),
    ("a book of depth 1001", "/v1/market/BTC-USD/book?depth=1001", 422, "invalid_value", "depth"),
    ("a book of depth 1e3", "/v1/market/BTC-USD/book?depth=1e3", 422, "invalid_value", "depth"),
    ("candles of a year", "/v1/market/BTC-USD/candles?interval=1y", 422, "invalid_value", "interval"),
    ("candles since a word", "/v1/market/BTC-USD/candles?start_time=now", 422, "invalid_value", "start_time"),
    ("candles since a number", "/v1/market/BTC-USD/candles?start_time=1700000000", 422, "invalid_value", "start_time"),
    (
        "candles since month 13",
        "/v1/market/BTC-USD/candles?start_time=2025-13-01T00:00:00Z",
        422,
        "invalid_value",
        "start_time",
    ),
    (
        "candles since second 60",
        "/v1/market/BTC-USD/candles?start_time=2025-01-01T00:00:60Z",
        422,
        "invalid_value",
        "start_time",
    ),
    (
        "candles before 1970",
        "/v1/market/BTC-USD/candles?start_time=1969-12-31T23:59:59Z",
        422,
        "invalid_value",
        "start_time",
    ),
    (
        "candles after 2262",
        "/v1/market/BTC-USD/candles?end_time=9999-12-31T23:59:59Z",
        422,
        "invalid_value",
        "end_time",
    ),
    (
        "candles with an offset",
        "/v1/market/BTC-USD/candles?end_time=2025-01-01T00:00:00%2b01:00",
        422,
        "invalid_value",
        "end_time",
    ),
    ("the instrument of nothing", "/v1/instruments/DOGE-USD", 404, "unknown_instrument", "symbol"),
    ("instruments with a query", "/v1/instruments?page=2", 422, "unknown_parameter", "page"),
    ("stats with a query", "/stats?x", 422, "unknown_parameter", "x"),
    ("nothing", "/v1/nothing", 404, "not_found", None),
    ("a slash behind", "/v1/account/", 404, "not_found", None),
    ("the wrong version", "/v2/orders", 404, "not_found", None),
    ("a file", "/assets/../app.py", 404, "not_found", None),
    ("an escaped path up", "/assets/%2e%2e/app.py", 404, "not_found", None),
    ("two slashes", "//v1/orders", 404, "not_found", None),
):
    row(f"GET {name}", status, code, at, method="GET", path=path)
row("an order with a query", 422, "unknown_parameter", None, path="/v1/orders?test=true", body=buy())
row("a cancel with a query", 422, "unknown_parameter", None, method="DELETE", path="/v1/orders/{alice}?force=1")
row("a mass cancel of a word", 422, "invalid_value", "side", method="DELETE", path="/v1/orders?side=both")
row("a mass cancel of nothing", 404, "unknown_instrument", "symbol", method="DELETE", path="/v1/orders?symbol=X")
row("a mass cancel of somebody", 422, "unknown_parameter", "account", method="DELETE", path="/v1/orders?account=bob")

# Methods.
for method, path in (
    ("PUT", "/v1/orders"),
    ("PATCH", "/v1/orders"),
    ("POST", "/v1/orders/1"),
    ("PUT", "/v1/orders/1"),
    ("POST", "/v1/trades"),
    ("DELETE", "/v1/account"),
    ("POST", "/v1/account/balances"),
    ("POST", "/v1/instruments"),
    ("DELETE", "/v1/market/BTC-USD/book"),
    ("POST", "/health"),
    ("TRACE", "/v1/orders"),
    ("OPTIONS", "/v1/account"),
):
    row(f"{method} {path}", 405, "method_not_allowed", method=method, path=path, body={})


@dataclass
class Ground:
    """An exchange with an order of alice's (half filled), one in use, one closed, and one of bob's."""

    running: Running
    client: httpx.Client
    ids: dict[str, str]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    for running in run(settings(tmp_path_factory.mktemp("exchange"))):
        with running.client("alice") as alice, running.client("bob") as bob, running.client(None) as anybody:

            def enter(client: httpx.Client, body: dict) -> str:
                return client.post("/v1/orders", json=body).raise_for_status().json()["order_id"]

            ids = {"alice": enter(alice, buy("50", "1"))}
            enter(bob, sell("50", "0.5"))
            ids["bob"] = enter(bob, sell("150", "1", client_order_id="bobs"))
            enter(alice, buy("49", "1", client_order_id="in-use"))
            ids["closed"] = enter(alice, buy("48", "1"))
            alice.delete(f"/v1/orders/{ids['closed']}").raise_for_status()
            yield Ground(running, anybody, ids)


def test_there_are_enough_of_them() -> None:
    assert len(ROWS) >= 150
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_it_is_refused_and_changes_nothing(ground: Ground, row: Row) -> None:
    before = ground.running.state()
    headers = {name: value.encode("latin-1") for name, value in row.headers.items()}
    if row.key is not None:
        headers["X-API-Key"] = ground.running.exchange.demo_keys[row.key].encode()
    content = row.content
    if content is None and row.body is not None:
        content = json.dumps(row.body).encode()
    path = row.path
    for name, order_id in ground.ids.items():
        path = path.replace(f"{{{name}}}", order_id)
    # As bytes, so that nothing on the way tidies the path up.
    url = httpx.URL(ground.running.url, raw_path=path.encode())
    answer = ground.client.send(httpx.Request(row.method, url, headers=headers, content=content))
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    body = answer.json()
    assert set(body) == {"error"}
    error = body["error"]
    assert (answer.status_code, error["code"], error.get("field")) == (row.status, row.code, row.field)
    assert set(error) <= {"code", "message", "field"}
    assert 0 < len(error["message"]) < 500
    assert "Traceback" not in answer.text
    assert 'File "' not in answer.text
    assert ground.running.state() == before


def exchange_bytes(running: Running, sent: bytes, *, then: bytes = b"") -> bytes:
    """What comes back on a connection for some bytes, until it is closed."""
    received = b""
    with (
        socket.create_connection(("127.0.0.1", running.port), timeout=WAIT_SECONDS_MAX) as connection,
        contextlib.suppress(OSError),
    ):
        connection.sendall(sent)
        connection.sendall(then)
        connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(65_536):
            received += part
    return received


HEAD = b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
ORDER = json.dumps(buy()).encode()
RAW = {
    "not HTTP": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "no version": b"GET /\r\n\r\n",
    "version 9": b"GET / HTTP/9.9\r\n\r\n",
    "a blank in the path": b"GET /v1/ orders HTTP/1.1\r\nHost: x\r\n\r\n",
    "a raw byte in the path": b"GET /v1/\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header without a colon": b"GET /health HTTP/1.1\r\nHost x\r\n\r\n",
    "a NUL in a header": b"GET /health HTTP/1.1\r\nHost: x\x00\r\n\r\n",
    "a blank before the colon": b"GET /health HTTP/1.1\r\nHost : x\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + ORDER,
    "a negative length": HEAD + b"Content-Length: -1\r\n\r\n" + ORDER,
    "a length that is a word": HEAD + b"Content-Length: ten\r\n\r\n" + ORDER,
    "a length of 40 digits": HEAD + b"Content-Length: " + DIGITS_40.encode() + b"\r\n\r\n" + ORDER,
    "a length and chunks": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks not last": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a chunk size that is a word": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "a chunk size of 40 digits": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n\r\n",
    "an endless header": b"GET /health HTTP/1.1\r\nX: " + b"x" * 400_000,
    "endless headers": b"GET /health HTTP/1.1\r\n" + b"".join(b"X-%d: x\r\n" % place for place in range(20_000)),
    "an endless path": b"GET /" + b"x" * 400_000,
}


@pytest.mark.parametrize("name", RAW)
def test_what_is_not_http_is_refused_in_the_one_shape(ground: Ground, name: str) -> None:
    before = ground.running.state()
    received = exchange_bytes(ground.running, RAW[name])
    if received:  # nothing: the connection was closed while the rest was still coming
        head, _, body = received.partition(b"\r\n\r\n")
        assert head.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))
        assert json.loads(body)["error"]["code"] in ("malformed_request", "headers_too_large")
    assert ground.running.state() == before


@pytest.mark.parametrize(
    "head",
    [b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 40_000, b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: x"],
    ids=["header", "path"],
)
def test_too_large_a_head_is_refused_however_few_pieces_it_comes_in(ground: Ground, head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", ground.running.port), timeout=WAIT_SECONDS_MAX) as connection:
        connection.sendall(head + b"\r\n\r\n")
        received = b""
        while part := connection.recv(65_536):
            received += part
    status, _, body = received.partition(b"\r\n\r\n")
    assert status.startswith(b"HTTP/1.1 431")
    assert json.loads(body)["error"]["code"] == "headers_too_large"


def test_half_a_request_enters_nothing(ground: Ground) -> None:
    before = ground.running.state()
    key = ground.running.exchange.demo_keys["alice"].encode()
    head = HEAD + b"X-API-Key: " + key + b"\r\nContent-Length: %d\r\n\r\n" % (len(ORDER) + 1)
    assert exchange_bytes(ground.running, head, then=ORDER) == b""
    chunked = HEAD + b"X-API-Key: " + key + b"\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(ORDER)
    assert exchange_bytes(ground.running, chunked, then=ORDER) == b""
    assert ground.running.state() == before


def test_a_body_in_many_chunks_is_one_body_and_is_bounded(ground: Ground) -> None:
    key = ground.running.exchange.demo_keys["alice"]
    headers = JSON | {"X-API-Key": key}

    def split(body: bytes) -> Iterator[bytes]:
        for place in range(len(body)):
            yield body[place : place + 1]

    body = json.dumps(buy("1", "1000")).encode()
    answer = ground.client.post("/v1/orders", content=split(body), headers=headers)
    assert answer.status_code == 201
    ground.client.delete(f"/v1/orders/{answer.json()['order_id']}", headers=headers).raise_for_status()
    before = ground.running.state()
    answer = ground.client.post("/v1/orders", content=iter([b" " * 1_000] * 70), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    assert ground.running.state() == before


def test_two_keys_are_none(ground: Ground) -> None:
    key = ground.running.exchange.demo_keys["alice"]
    headers = [("X-API-Key", key), ("X-API-Key", key)]
    for method, path in (("GET", "/v1/account"), ("DELETE", f"/v1/orders/{ground.ids['alice']}")):
        answer = ground.client.request(method, path, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


def test_pipelined_requests_are_answered_in_their_order(ground: Ground) -> None:
    one = b"GET /v1/instruments/X HTTP/1.1\r\nHost: x\r\n\r\n"
    other = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", ground.running.port), timeout=WAIT_SECONDS_MAX) as connection:
        connection.sendall((one + other) * 5)
        received = b""
        while received.count(b"\r\n\r\n") < 10 or not received.endswith(b"}"):
            received += connection.recv(65_536)
    statuses = re.findall(rb"HTTP/1.1 (\d+)", received)
    assert statuses == [b"404", b"200"] * 5
