"""No request can make the services fail: whatever is sent, the answer is below 500 and has one of the known shapes."""

import json
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beurs.web.problems import CODES, REJECT_STATUS
from tests.services.conftest import run
from tests.services.conftest import settings as settings_of

CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
MANY = settings(max_examples=200, deadline=None, suppress_health_check=CHECKS)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    for running in run(settings_of(tmp_path_factory.mktemp("exchange"))):
        with running.client("alice") as client:
            yield client


def check(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    assert answer.headers["x-request-id"]
    if answer.status_code >= 400:
        error = answer.json()["error"]
        assert set(error) <= {"code", "message", "field"}
        assert error["code"] in CODES or error["code"] in REJECT_STATUS
        expected = CODES[error["code"]][0] if error["code"] in CODES else REJECT_STATUS[error["code"]]
        assert answer.status_code == expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
decimals = st.one_of(
    st.sampled_from(["1", "100.00", "0.01", "0.00001", "90071992547409.91", "0", "-1", "1e5", "01", "1.", "１", ""]),
    st.from_regex(r"(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?", fullmatch=True),
    st.text(max_size=40),
    json_values,
)
words = st.sampled_from(
    [
        *("buy", "sell", "limit", "market", "gtc", "ioc", "fok", "none"),
        *("expire_taker", "expire_maker", "expire_both", "decrement", "x", ""),
        *("stop", "stop_limit", "take_profit", "take_profit_limit", "market_to_limit", "gtd", "day"),
        *("last", "best", "mark", "primary", "oco", "oto", "otoco", "allow_failure"),
    ]
)
orders = st.fixed_dictionaries(
    {"symbol": st.sampled_from(["BTC-USD", "ETH-USD", "ETH-BTC", "X"]), "side": st.sampled_from(["buy", "sell"])},
    optional={
        "price": decimals,
        "quantity": decimals,
        "quote_quantity": decimals,
        "order_type": words,
        "time_in_force": words,
        "self_trade_prevention": words,
        "post_only": st.booleans() | json_values,
        "client_order_id": st.text(max_size=40) | st.from_regex(r"[!-~]{1,36}", fullmatch=True),
        "trigger_price": decimals,
        "trigger_by": words,
        "trail_bps": st.integers() | json_values,
        "display_quantity": decimals,
        "min_quantity": decimals,
        "expire_time": st.sampled_from(["2099-01-31T09:30:00Z", "2099-02-30T09:30:00Z", "0000-01-01T00:00:00Z"])
        | json_values,
        "hidden": st.booleans() | json_values,
        "auction_only": st.booleans(),
        "slide": st.booleans(),
        "peg": words,
        "peg_offset": decimals,
    },
)
plausible = st.fixed_dictionaries(
    {
        "symbol": st.just("BTC-USD"),
        "side": st.sampled_from(["buy", "sell"]),
        "quantity": st.sampled_from(["0.5", "1", "2.00001"]),
    },
    optional={
        "price": st.sampled_from(["99.99", "100", "100.01"]),
        "order_type": st.sampled_from(["limit", "market"]),
        "time_in_force": st.sampled_from(["gtc", "ioc", "fok"]),
        "self_trade_prevention": st.sampled_from(["none", "expire_taker", "expire_maker", "expire_both", "decrement"]),
        "post_only": st.booleans(),
    },
)
special = st.fixed_dictionaries(
    {
        "symbol": st.just("BTC-USD"),
        "side": st.sampled_from(["buy", "sell"]),
        "quantity": st.sampled_from(["0.5", "1", "2.00001"]),
    },
    optional={
        "price": st.sampled_from(["99.99", "100", "100.01"]),
        "order_type": st.sampled_from(["limit", "stop", "stop_limit", "take_profit", "take_profit_limit"]),
        "trigger_price": st.sampled_from(["99.99", "100", "100.01"]),
        "trigger_by": st.sampled_from(["last", "best", "mark"]),
        "trail_bps": st.sampled_from([1, 100, 9_999]),
        "display_quantity": st.just("0.1"),
        "hidden": st.booleans(),
        "min_quantity": st.sampled_from(["0.1", "0.5"]),
        "post_only": st.booleans(),
        "slide": st.booleans(),
    },
)
bodies = st.one_of(
    st.binary(max_size=200),
    json_values.map(lambda value: json.dumps(value).encode()),
    orders.map(lambda order: json.dumps(order).encode()),
    plausible.map(lambda order: json.dumps(order).encode()),
    special.map(lambda order: json.dumps(order).encode()),
    st.tuples(plausible, st.binary(max_size=3), st.integers(0, 100)).map(
        lambda parts: (lambda text: text[: parts[2]] + parts[1] + text[parts[2] :])(json.dumps(parts[0]).encode())
    ),
)
content_types = st.sampled_from(["application/json", "application/json", "application/json; charset=utf-8", "text/x"])


@MANY
@given(body=bodies, content_type=content_types)
def test_no_body_of_an_order_fails(client: httpx.Client, body: bytes, content_type: str) -> None:
    check(client.post("/v1/orders", content=body, headers={"Content-Type": content_type}))


@MANY
@given(body=bodies | st.lists(orders | plausible, max_size=5).map(lambda some: json.dumps({"orders": some}).encode()))
def test_no_body_of_a_batch_fails(client: httpx.Client, body: bytes) -> None:
    check(client.post("/v1/orders/batch", content=body, headers={"Content-Type": "application/json"}))


@MANY
@given(
    body=bodies
    | st.fixed_dictionaries(
        {"contingency": st.sampled_from(["oco", "oto", "otoco"]), "orders": st.lists(orders | special, max_size=4)}
    ).map(lambda entered: json.dumps(entered).encode())
)
def test_no_body_of_an_order_list_fails(client: httpx.Client, body: bytes) -> None:
    check(client.post("/v1/order-lists", content=body, headers={"Content-Type": "application/json"}))


@MANY
@given(
    body=bodies
    | st.fixed_dictionaries(
        {"new_order": orders | special},
        optional={
            "order_id": st.integers(0, 400).map(str) | st.text(max_size=40),
            "client_order_id": st.text(max_size=40),
            "mode": words,
        },
    ).map(lambda both: json.dumps(both).encode())
)
def test_no_body_of_a_cancel_replace_fails(client: httpx.Client, body: bytes) -> None:
    check(client.post("/v1/orders/cancel-replace", content=body, headers={"Content-Type": "application/json"}))


@MANY
@given(
    name=st.integers(0, 400).map(str) | st.text(max_size=40).map(lambda text: f"client:{text}") | st.text(max_size=40),
    method=st.sampled_from(["GET", "PATCH", "DELETE"]),
    body=st.one_of(
        bodies,
        st.fixed_dictionaries(
            {},
            optional={
                "price": decimals,
                "quantity": decimals,
                "trigger_price": decimals,
                "display_quantity": decimals,
                "client_order_id": st.text(max_size=40),
            },
        ).map(lambda change: json.dumps(change).encode()),
    ),
)
def test_no_order_id_fails(client: httpx.Client, name: str, method: str, body: bytes) -> None:
    name = quote(name.encode("utf-8", "replace"), safe=":/")
    content = body if method == "PATCH" else b""
    check(client.request(method, f"/v1/orders/{name}", content=content, headers={"Content-Type": "application/json"}))


PATHS = st.sampled_from(
    [
        *("/v1/orders", "/v1/trades", "/v1/instruments", "/v1/account", "/v1/account/balances", "/v1/stats"),
        *(f"/v1/market/{symbol}/{what}" for symbol in ("BTC-USD", "X") for what in ("book", "trades", "ticker")),
        *("/v1/market/BTC-USD/candles", "/v1/market/ETH-BTC/candles", "/metrics", "/", "/docs", "/health"),
    ]
)
escaped = st.binary(max_size=30).map(lambda data: "".join(f"%{byte:02x}" for byte in data))
segments = st.lists(escaped | st.sampled_from(["v1", "orders", "market", "BTC-USD", "book", "..", ""]), max_size=6)
parameters = st.lists(
    st.tuples(
        st.sampled_from(["limit", "cursor", "status", "symbol", "side", "depth", "interval", "start_time", "order_id"])
        | escaped,
        st.integers().map(str)
        | escaped
        | st.sampled_from(["open", "all", "1m", "1d", "2025-01-01T00:00:00Z", "9999-99-99T99:99:99Z", "BTC-USD"]),
    ),
    max_size=4,
).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs))


@MANY
@given(
    path=PATHS | segments.map(lambda parts: "/" + "/".join(parts)),
    query=parameters | escaped,
    method=st.sampled_from(["GET", "GET", "GET", "DELETE", "POST", "PUT", "HEAD", "OPTIONS"]),
)
def test_no_path_and_no_query_fails(client: httpx.Client, path: str, query: str, method: str) -> None:
    raw = f"{path}?{query}" if query else path
    url = httpx.URL(str(client.base_url), raw_path=raw.encode())
    answer = client.request(method, url)
    assert answer.status_code < 500, answer.text
    if method != "HEAD":
        check(answer)


@MANY
@given(
    headers=st.lists(
        st.tuples(
            st.sampled_from([b"X-API-Key", b"Content-Type", b"Accept", b"Expect", b"Cookie", b"X-Request-Id"]),
            st.binary(max_size=60).map(lambda data: bytes(byte for byte in data if byte >= 32 and byte != 127).strip()),
        ),
        max_size=5,
    )
)
def test_no_header_fails(client: httpx.Client, headers: list[tuple[bytes, bytes]]) -> None:
    with httpx.Client(base_url=client.base_url) as anybody:
        for method, path in (("POST", "/v1/orders"), ("GET", "/v1/account")):
            answer = anybody.request(method, path, headers=headers, content=b"{}" if method == "POST" else None)
            assert answer.status_code in (401, 417)  # 417: an Expect that is none
