"""The venue's staff: who may, what each change takes, does and answers, what is refused, and what is kept of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from beurs import engine
from beurs.admin.schemas import CHANGES
from tests.services.conftest import Running, buy, run, sell, settings

REASON = "because of ticket 7"
PREFIX = "/v1/admin"

# Every change once, in this order, and the events that it answers.
CHANGED = "setting_changed"
ON_NONE = {"symbol": None, "account": None, "group_id": None, "key_id": None}
FEES = {"maker_ppm": -10, "taker_ppm": 20}
VALID: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "/assets": (
        {"code": "GBP", "scale": 2},
        [{"event": "asset_added", "asset_id": "5", "code": "GBP", "scale": 2}],
    ),
    "/instruments": (
        {
            "symbol": "ETH-EUR",
            "base": "ETH",
            "quote": "EUR",
            "tick_size": "0.01",
            "lot_size": "1",
            "min_quantity": "2",
            "max_quantity": "1000",
            "min_notional": "10",
        },
        [{"event": "instrument_listed", "instrument_id": "5", "symbol": "ETH-EUR"}],
    ),
    "/accounts": (
        {"code": "dave", "group_id": 3},
        [{"event": "account_opened", "account_id": "7", "code": "dave", "group_id": 3}],
    ),
    "/deposits": (
        {"account": "carol", "asset": "EUR", "amount": "12.50"},
        [{"event": "posted", "account": "carol", "asset": "EUR", "amount": "12.5", "total": "32.5", "held": "0"}],
    ),
    "/withdrawals": (
        {"account": "carol", "asset": "EUR", "amount": "2.5"},
        [{"event": "posted", "account": "carol", "asset": "EUR", "amount": "-2.5", "total": "30", "held": "0"}],
    ),
    "/trading-status": (
        {"symbol": "BTC-EUR", "status": "auction", "end_time": "2100-01-01T00:00:00.5Z"},
        [
            {
                "event": "trading_status_set",
                "symbol": "BTC-EUR",
                "status": "auction",
                "reason": "requested",
                "end_time": "2100-01-01T00:00:00.500000000Z",
            }
        ],
    ),
    "/instrument-group": (
        {"symbol": "BTC-EUR", "instrument_group_id": 9},
        [{"event": CHANGED, "setting": "instrument_group", **ON_NONE, "symbol": "BTC-EUR"}],
    ),
    "/schedule": (
        {
            "symbol": "ETH-USD",
            "slot": 3,
            "status": "open",
            "weekdays": ["monday", "friday"],
            "time_of_day": "09:30:00.5",
            "random_ns": 30_000_000_000,
        },
        [{"event": CHANGED, "setting": "schedule", **ON_NONE, "symbol": "ETH-USD"}],
    ),
    "/random-seed": ({}, [{"event": CHANGED, "setting": "random_seed", **ON_NONE}]),
    "/mark-price": (
        {"symbol": "BTC-USD", "price": "100.50"},
        [{"event": "mark_price_set", "symbol": "BTC-USD", "price": "100.5"}],
    ),
    "/price-bands": (
        {
            "symbol": "BTC-EUR",
            "reference": "100",
            "static_up_bps": 500,
            "static_down_bps": 400,
            "dynamic_bps": 100,
            "collar_bps": 50,
            "action": "auction",
            "auction_ns": 10**9,
            "auction_random_ns": 5,
            "limit_state_ns": 10**9,
        },
        [{"event": CHANGED, "setting": "price_bands", **ON_NONE, "symbol": "BTC-EUR"}],
    ),
    "/matching": (
        {
            "symbol": "BTC-EUR",
            "algorithm": "pro_rata",
            "top_max": "2",
            "lead_percent": 10,
            "fifo_percent": 20,
            "min_allocation": "2",
            "leveling": True,
        },
        [{"event": CHANGED, "setting": "matching", **ON_NONE, "symbol": "BTC-EUR"}],
    ),
    "/lead-market-makers": (
        {"symbol": "BTC-EUR", "account": "carol", "share": 100},
        [{"event": CHANGED, "setting": "lead_market_maker", **ON_NONE, "symbol": "BTC-EUR", "account": "carol"}],
    ),
    "/features": (
        {"symbol": "BTC-EUR", "features": ["iceberg", "hidden"], "max_triggers": 5},
        [{"event": CHANGED, "setting": "features", **ON_NONE, "symbol": "BTC-EUR"}],
    ),
    "/risk-limits": (
        {
            "account": "carol",
            "key_id": 2,
            "symbol": "BTC-EUR",
            "max_order_quantity": "10",
            "max_order_notional": "1000",
            "max_open_orders": 5,
            "max_open_conditional_orders": 2,
            "max_order_rate": 10,
            "rate_window_ns": 10**9,
            "fat_finger_bps": 100,
            "duplicate_window_ns": 10**6,
        },
        [{"event": CHANGED, "setting": "risk_limits", **ON_NONE, "symbol": "BTC-EUR", "account": "carol", "key_id": 2}],
    ),
    "/account-mode": (
        {"account": "carol", "mode": "cancel_only"},
        [{"event": CHANGED, "setting": "account_mode", **ON_NONE, "account": "carol"}],
    ),
    "/account-group": (
        {"account": "carol", "group_id": 4},
        [{"event": "account_group_set", "account": "carol", "group_id": 4}],
    ),
    "/trade-group": (
        {"account": "carol", "trade_group_id": 1},
        [{"event": CHANGED, "setting": "trade_group", **ON_NONE, "account": "carol"}],
    ),
    "/kill-switches": (
        {"account": "carol", "key_id": 2, "engaged": True},
        [
            {
                "event": "kill_switch_set",
                "scope": "key",
                "engaged": True,
                "count": 0,
                **(ON_NONE | {"account": "carol", "key_id": 2}),
            }
        ],
    ),
    "/fees": (
        {"symbol": "BTC-EUR", "group_id": 4} | FEES,
        [{"event": "fees_set", "symbol": "BTC-EUR", "group_id": 4} | FEES],
    ),
    "/fee-tiers": (
        {"symbol": "BTC-EUR", "group_id": 4, "tier": 1, "min_volume": "1000"} | FEES,
        [{"event": CHANGED, "setting": "fee_tier", **ON_NONE, "symbol": "BTC-EUR", "group_id": 4}],
    ),
    "/fee-promotions": (
        {
            "symbol": "BTC-EUR",
            "group_id": 4,
            "from_time": "2100-01-01T00:00:00Z",
            "until_time": "2100-02-01T00:00:00Z",
            **FEES,
        },
        [{"event": CHANGED, "setting": "fee_promotion", **ON_NONE, "symbol": "BTC-EUR", "group_id": 4}],
    ),
    "/fee-caps": (
        {"symbol": "BTC-EUR", "group_id": 4, "max_fee": "5"},
        [{"event": CHANGED, "setting": "fee_cap", **ON_NONE, "symbol": "BTC-EUR", "group_id": 4}],
    ),
    "/mass-cancel": (
        {"account": "alice", "symbol": "ETH-USD", "side": "buy"},
        [{"event": "mass_canceled", "account": "alice", "symbol": "ETH-USD", "side": "buy", "count": 0}],
    ),
}
# What a change tells of what it was asked for in other words: decimals and times as they are always written, and null
# for what was not given.
TOLD_OTHERWISE: dict[str, dict[str, Any]] = {
    "/deposits": {"amount": "12.5"},
    "/trading-status": {"end_time": "2100-01-01T00:00:00.500000000Z", "instrument_group_id": None, "all": None},
    "/schedule": {"time_of_day": "09:30:00.500000000"},
    "/mark-price": {"price": "100.5"},
    "/risk-limits": {"group_id": None, "max_position": None, "max_exposure": None},
    "/kill-switches": {"all": None, "symbol": None, "group_id": None},
    "/fee-promotions": {"from_time": "2100-01-01T00:00:00.000000000Z", "until_time": "2100-02-01T00:00:00.000000000Z"},
    "/mass-cancel": {"all": None},
}
# What cannot be done twice, moves money twice, or has no value.
ONCE = ("/assets", "/instruments", "/accounts", "/deposits", "/withdrawals", "/random-seed")
# These need a trade, see below.
CORRECTIONS = {"/trade-busts": {"trade_id": "1"}, "/trade-adjustments": {"trade_id": "1", "new_price": "1"}}
BODIES = {path: body for path, (body, _) in VALID.items()} | CORRECTIONS


@pytest.fixture(scope="module", autouse=True)
def _venue(running: Running) -> None:
    """An instrument and an account for the changes: the demo's are for trading."""
    running.exchange.node.execute(
        engine.add_asset("EUR", 2)
        + engine.list_instrument("BTC-EUR", 1, 4, 1, 2, 1, 0, 1, 1000, 0)
        + engine.open_account("carol", 3)
        + engine.deposit(6, 4, 2000)
    )


@pytest.fixture
def staff(running: Running) -> Iterator[httpx.Client]:
    """A client with the key of the demo's member of staff."""
    with running.client("staff") as client:
        yield client


def change(client: httpx.Client, path: str, **body: Any) -> httpx.Response:
    """Asks for a change, for a reason."""
    return client.post(PREFIX + path, json={"reason": REASON} | body)


def refused(running: Running, client: httpx.Client, path: str, body: Any) -> tuple[int, str, str | None]:
    """How a change is refused, which changes nothing."""
    before = running.state()
    answer = client.post(PREFIX + path, json=body)
    error = answer.json()["error"]
    assert set(error) <= {"code", "message", "field"}
    assert error["message"]
    assert running.state() == before
    return answer.status_code, error["code"], error.get("field")


# Who may.


def operations(running: Running) -> list[tuple[str, str, set[str]]]:
    """Method, path and kinds of key of every operation that needs one."""
    with running.client(None) as anybody:
        paths = anybody.get("/openapi.json").json()["paths"]
    return [
        (
            method,
            path.format(order_id="1", list_id="1", symbol="BTC-USD", code="alice"),
            {name for scheme in operation["security"] for name in scheme},
        )
        for path, methods in paths.items()
        for method, operation in methods.items()
        if "security" in operation
    ]


def test_every_route_of_staff_needs_a_key_of_staff(running: Running) -> None:
    routes = [(method, path) for method, path, keys in operations(running) if path.startswith(PREFIX)]
    assert len(routes) == len(CHANGES) + 1 + 4 + 1  # the list of changes, what staff looks at, and the clock
    assert [path for _, path, keys in operations(running) if keys == {"StaffKey"}] == [path for _, path in routes]
    expected = {"missing": (401, "missing_api_key"), "nonsense": (401, "invalid_api_key"), "alice": (403, "forbidden")}
    before = running.state()
    for method, path in routes:
        for who, refusal in expected.items():
            with running.client("alice" if who == "alice" else None) as client:
                headers = {"X-API-Key": "nonsense"} if who == "nonsense" else {}
                answer = client.request(method, path, headers=headers, json=BODIES.get(path.removeprefix(PREFIX)))
                assert (answer.status_code, answer.json()["error"]["code"]) == refusal, (path, who)
        with running.client("staff") as client:
            answer = client.request(method, path, json={})
            assert answer.status_code not in (401, 403), path
    assert running.state() == before


def test_no_route_of_accounts_takes_a_key_of_staff(running: Running) -> None:
    routes = [(method, path) for method, path, keys in operations(running) if keys == {"ApiKey"}]
    assert len(routes) >= 10
    with running.client("staff") as client:
        for method, path in routes:
            answer = client.request(method, path, json=buy() if method in ("post", "patch") else None)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden"), (method, path)


def test_a_key_that_stands_twice_is_no_key(running: Running) -> None:
    key = running.exchange.demo_keys["staff"]
    with running.client(None) as client:
        answer = client.get(f"{PREFIX}/changes", headers=[("X-API-Key", key), ("X-API-Key", key)])
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


def test_orders_say_which_key_they_came_with(running: Running, alice: httpx.Client) -> None:
    hot = alice.post("/v1/orders", json=buy()).json()
    batch = alice.post("/v1/orders/batch", json={"orders": [buy()]}).json()["results"][0]["report"]
    for report in (hot, batch):
        events = engine.decode_events(running.exchange.node.events_since(report["sequence"] - 1, 1 << 10))
        assert events[0].as_dict()["key_id"] == 1


# What is done.


def test_there_is_a_row_for_every_change() -> None:
    assert list(BODIES) == [route.path for route in CHANGES]


@pytest.mark.parametrize("path", VALID)
def test_every_change_is_done_and_told(running: Running, staff: httpx.Client, path: str) -> None:
    body, events = VALID[path]
    answer = change(staff, path, **body)
    status = {route.path: route.status for route in CHANGES}[path]
    assert answer.status_code == status, answer.text
    report = answer.json()
    assert report["events"] == events
    assert (report["actor"], report["reason"]) == ("staff", REASON)
    assert report["sequence"] == running.exchange.node.sequence
    newest = staff.get(f"{PREFIX}/changes", params={"limit": 1}).json()["changes"]
    assert newest == [report]
    # Who knows the random seed knows when auctions end.
    assert report["value"] == (None if path == "/random-seed" else body | TOLD_OTHERWISE.get(path, {}))


@pytest.mark.parametrize("path", [path for path in VALID if path not in ONCE])
def test_a_value_that_is_asked_for_again_is_the_same_change(staff: httpx.Client, path: str) -> None:
    value = change(staff, path, **VALID[path][0]).json()["value"]
    again = change(staff, path, **{name: given for name, given in value.items() if given is not None})
    assert (again.status_code, again.json()["value"]) == (200, value)


def test_what_is_done_to_all_says_so(staff: httpx.Client) -> None:
    for path, body, nulls in (
        ("/trading-status", {"status": "open"}, ("symbol", "instrument_group_id", "end_time")),
        ("/kill-switches", {"engaged": False}, ("symbol", "group_id", "account", "key_id")),
        ("/mass-cancel", {}, ("symbol", "account", "side")),
    ):
        value = change(staff, path, all=True, **body).json()["value"]
        assert value == body | {"all": True} | dict.fromkeys(nulls), path


def test_what_is_listed_can_be_traded_at_once(running: Running, staff: httpx.Client, alice: httpx.Client) -> None:
    assert change(staff, "/assets", code="XRP", scale=6).status_code == 201
    listing = {"symbol": "XRP-USD", "base": "XRP", "quote": "USD", "tick_size": "0.01", "lot_size": "1"}
    assert change(staff, "/instruments", **listing).status_code == 201
    assert alice.post("/v1/orders", json=buy("1", "1") | {"symbol": "XRP-USD"}).status_code == 201
    assert alice.get("/v1/instruments/XRP-USD").json()["lot_size"] == "1"


def test_a_status_can_be_set_for_all_and_staff_cancels_where_trading_is_halted(
    running: Running, staff: httpx.Client, alice: httpx.Client
) -> None:
    alice.post("/v1/orders", json=buy())
    symbols = [row["symbol"] for row in alice.get("/v1/instruments").json()["instruments"]]
    try:
        told = change(staff, "/trading-status", all=True, status="halted").json()["events"]
        assert [event["symbol"] for event in told if event["event"] == "trading_status_set"] == symbols
        assert alice.post("/v1/orders", json=buy()).json()["error"]["code"] == "instrument_halted"
        assert change(staff, "/mass-cancel", symbol="BTC-USD").json()["events"][-1]["count"] == 1
        assert alice.get("/v1/orders").json()["orders"] == []
    finally:
        assert change(staff, "/trading-status", all=True, status="open").status_code == 200


def test_a_status_can_be_set_for_a_group(staff: httpx.Client) -> None:
    assert change(staff, "/instrument-group", symbol="ETH-BTC", instrument_group_id=77).status_code == 200
    for status in ("post_only", "open"):
        told = change(staff, "/trading-status", instrument_group_id=77, status=status).json()["events"]
        assert [(event["symbol"], event["status"]) for event in told] == [("ETH-BTC", status)]


def test_the_random_seed_is_never_shown(running: Running, staff: httpx.Client) -> None:
    before = running.state()
    answer = change(staff, "/random-seed").text
    assert running.state() != before
    assert not any(word.isdigit() and len(word) > 9 for word in answer.split('"'))
    assert "seed" not in json.dumps(staff.get("/stats").json())


def test_a_kill_switch_cancels_and_refuses_until_it_is_released(staff: httpx.Client, alice: httpx.Client) -> None:
    entered = [alice.post("/v1/orders", json=buy()).json() for _ in range(3)]
    for scope in ({"account": "alice"}, {"account": "alice", "key_id": 1}, {"symbol": "BTC-USD"}, {"all": True}):
        answer = change(staff, "/kill-switches", engaged=True, **scope)
        assert answer.status_code == 200, answer.text
        told = answer.json()["events"]
        assert [event["event"] for event in told] == ["kill_switch_set"], told
        assert told[0]["count"] == len(entered)
        assert alice.get("/v1/orders").json()["orders"] == []
        assert alice.post("/v1/orders", json=buy()).json()["error"]["code"] == "kill_switch_engaged"
        assert change(staff, "/kill-switches", engaged=False, **scope).status_code == 200
        entered = [alice.post("/v1/orders", json=buy()).json()]
        assert entered[0]["status"] == "new"


def usd(client: httpx.Client) -> str:
    """The account's dollars."""
    return next(row["total"] for row in client.get("/v1/account/balances").json()["balances"] if row["asset"] == "USD")


def test_a_trade_is_corrected_by_its_id_alone(staff: httpx.Client, alice: httpx.Client, bob: httpx.Client) -> None:
    before = usd(alice), usd(bob)
    bob.post("/v1/orders", json=sell("100", "1")).raise_for_status()
    trade_id = alice.post("/v1/orders", json=buy("100", "1")).json()["fills"][0]["trade_id"]
    facts = {"event": "trade_corrected", "trade_id": trade_id, "symbol": "BTC-USD", "buyer": "alice", "seller": "bob"}
    for price, new_price in (("100", "90"), ("90", "95.5"), ("95.5", None)):
        if new_price is None:
            answer = change(staff, "/trade-busts", trade_id=trade_id)
        else:
            answer = change(staff, "/trade-adjustments", trade_id=trade_id, new_price=new_price)
        assert answer.status_code == 200, answer.text
        assert answer.json()["events"][-1] == facts | {"price": price, "new_price": new_price, "quantity": "1"}
        assert {event["event"] for event in answer.json()["events"][:-1]} == {"posted"}
        # All that is known of the trade, the fees of one that is busted among it.
        fees = {"buyer_fee": "0.05", "seller_fee": "0.01"} if new_price is None else {"new_price": new_price}
        assert answer.json()["value"] == {
            name: facts[name] for name in ("trade_id", "symbol", "buyer", "seller")
        } | fees | {"price": price, "quantity": "1"}
    assert (usd(alice), usd(bob)) == before
    again = change(staff, "/trade-busts", trade_id=trade_id)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "duplicate_trade_correction")


# What is refused.


@pytest.mark.parametrize("path", BODIES)
def test_every_field_of_every_change_has_its_rule(running: Running, staff: httpx.Client, path: str) -> None:
    """Derived from the OpenAPI document: required fields, types, ranges, decimals, words, and no other fields."""
    document = staff.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    reference = document["paths"][PREFIX + path]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema = schemas[reference.rpartition("/")[2]]
    body = {"reason": REASON} | BODIES[path]

    def check(changes: dict[str, Any], *expected: Any) -> None:
        assert refused(running, staff, path, body | changes) == expected, changes

    check({"colour": "red"}, 422, "unknown_field", "colour")
    for reason in ("", " ", " a", "a ", "x" * 65, "é", "a\nb", "\x7f"):
        check({"reason": reason}, 422, "invalid_value", "reason")
    for field in schema["required"]:
        without = {name: value for name, value in body.items() if name != field}
        assert refused(running, staff, path, without) == (422, "missing_field", field)
    for field, rule in schema["properties"].items():
        for wrong in ({}, None, 1.5):
            check({field: wrong}, 422, "invalid_type", field)
        if "$ref" in rule:
            rule = schemas[rule["$ref"].rpartition("/")[2]]
        for number in (rule.get("minimum", 0) - 1, rule.get("maximum", 0) + 1) if rule.get("type") == "integer" else ():
            # Of several reasons the first is given, which may be another one.
            assert refused(running, staff, path, body | {field: number})[0] in (409, 422), (field, number)
        if rule.get("pattern", "").startswith("^(0|"):
            for text in ("1e3", "-1", "１", "", "1" * 19, "NaN"):
                check({field: text}, 422, "invalid_decimal", field)
        if "enum" in rule:
            check({field: "nonsense"}, 422, "invalid_value", field)
        if rule.get("type") == "array":
            assert refused(running, staff, path, body | {field: ["nonsense"]})[:2] == (422, "invalid_value")


@pytest.mark.parametrize(
    ("path", "changes", "expected"),
    [
        # A scope is said, and only one.
        ("/trading-status", {"symbol": None}, (422, "missing_field", "symbol")),
        ("/trading-status", {"all": True}, (422, "invalid_value", "all")),
        ("/trading-status", {"all": False, "symbol": None}, (422, "invalid_value", "all")),
        ("/trading-status", {"instrument_group_id": 1}, (422, "invalid_value", "instrument_group_id")),
        ("/kill-switches", {"account": None, "key_id": None}, (422, "missing_field", "all")),
        ("/kill-switches", {"account": None}, (422, "missing_field", "account")),
        ("/kill-switches", {"all": True}, (422, "invalid_value", "account")),
        ("/risk-limits", {"account": None, "key_id": None}, (422, "missing_field", "account")),
        ("/risk-limits", {"group_id": 1}, (422, "invalid_value", "group_id")),
        ("/risk-limits", {"symbol": None}, (422, "invalid_value", "max_order_quantity")),
        ("/mass-cancel", {"account": None, "symbol": None}, (422, "missing_field", "account")),
        ("/mass-cancel", {"all": True}, (422, "invalid_value", "all")),
        ("/mass-cancel", {"account": None, "all": True}, (422, "invalid_value", "all")),
        # Names.
        ("/instruments", {"base": "NONE"}, (404, "unknown_asset", "base")),
        ("/instruments", {"quote": "NONE"}, (404, "unknown_asset", "quote")),
        ("/deposits", {"account": "nobody"}, (404, "unknown_account", "account")),
        ("/deposits", {"asset": "NONE"}, (404, "unknown_asset", "asset")),
        ("/fees", {"symbol": "NONE"}, (404, "unknown_instrument", "symbol")),
        ("/kill-switches", {"account": "nobody"}, (404, "unknown_account", "account")),
        ("/trade-busts", {"trade_id": "999999999"}, (404, "unknown_trade", "trade_id")),
        ("/trade-adjustments", {"trade_id": "999999999"}, (404, "unknown_trade", "trade_id")),
        ("/trade-busts", {"trade_id": "0"}, (422, "invalid_value", "trade_id")),
        ("/trade-busts", {"trade_id": ""}, (422, "invalid_value", "trade_id")),
        ("/trade-busts", {"trade_id": "²"}, (422, "invalid_value", "trade_id")),
        ("/trade-busts", {"trade_id": "1" * 19}, (422, "invalid_value", "trade_id")),
        # Numbers and times.
        ("/mark-price", {"price": "100.005"}, (422, "not_a_multiple", "price")),
        ("/mark-price", {"price": "123456789012345678"}, (422, "too_large", "price")),
        ("/deposits", {"amount": "0.001"}, (422, "not_a_multiple", "amount")),
        ("/instruments", {"tick_size": "0"}, (422, "invalid_value", "tick_size")),
        ("/price-bands", {"reference": "0"}, (422, "invalid_value", "reference")),
        ("/trading-status", {"end_time": "tomorrow"}, (422, "invalid_value", "end_time")),
        ("/trading-status", {"end_time": "9999-01-01T00:00:00Z"}, (422, "invalid_value", "end_time")),
        ("/schedule", {"time_of_day": "24:00:00"}, (422, "invalid_value", "time_of_day")),
        ("/schedule", {"time_of_day": "9:30"}, (422, "invalid_value", "time_of_day")),
        ("/schedule", {"weekdays": ["monday", "someday"]}, (422, "invalid_value", "weekdays[1]")),
        # What the engine refuses.
        ("/assets", {"code": "BTC"}, (409, "duplicate_code", None)),
        ("/assets", {"code": "B/C"}, (422, "invalid_code", None)),
        ("/assets", {"code": ""}, (422, "invalid_code", None)),
        ("/assets", {"code": "B C"}, (422, "invalid_value", "code")),
        ("/assets", {"code": "NEW", "scale": 19}, (422, "invalid_scale", "scale")),
        ("/instruments", {"symbol": "BTC-USD"}, (409, "duplicate_code", None)),
        ("/instruments", {"symbol": "NEW", "quote": "ETH"}, (422, "same_asset", None)),
        ("/instruments", {"symbol": "NEW", "tick_size": "0.000000001"}, (422, "inexact_notional", None)),
        ("/withdrawals", {"amount": "1000000"}, (409, "insufficient_funds", None)),
        ("/deposits", {"amount": "0"}, (422, "invalid_amount", "amount")),
        ("/trading-status", {"status": "open"}, (422, "invalid_end_time", "end_time")),
        ("/trading-status", {"end_time": "2001-01-01T00:00:00Z"}, (422, "invalid_end_time", "end_time")),
        ("/schedule", {"slot": 16}, (422, "invalid_schedule", None)),
        ("/price-bands", {"auction_ns": 1}, (422, "invalid_price_bands", None)),
        ("/features", {"max_triggers": 0}, (422, "invalid_features", None)),
        ("/fees", {"taker_ppm": 5, "maker_ppm": -6}, (422, "invalid_fee", None)),
        ("/matching", {"lead_percent": 101}, (422, "invalid_matching", None)),
        ("/risk-limits", {"rate_window_ns": 1}, (422, "invalid_risk_limits", None)),
        ("/fee-tiers", {"tier": 16}, (422, "invalid_fee_tier", None)),
    ],
)
def test_what_cannot_be_meant_is_refused(
    running: Running, staff: httpx.Client, path: str, changes: dict[str, Any], expected: Any
) -> None:
    body = {"reason": REASON} | BODIES[path] | changes
    assert refused(running, staff, path, {name: value for name, value in body.items() if value is not None}) == expected


def test_a_body_is_read_strictly(running: Running, staff: httpx.Client) -> None:
    path = f"{PREFIX}/accounts"
    for content, kind, expected in (
        (b'{"reason":"a","reason":"b","code":"erin"}', "application/json", (400, "malformed_json")),
        (b'{"reason":"a","code":"erin"', "application/json", (400, "malformed_json")),
        (b'{"reason":"a","code":"erin"}', "text/plain", (415, "unsupported_media_type")),
        (b'{"reason":"a","code":"' + b"x" * 70_000 + b'"}', "application/json", (413, "body_too_large")),
        (b"[]", "application/json", (422, "invalid_type")),
    ):
        answer = staff.post(path, content=content, headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["error"]["code"]) == expected
    assert staff.post(path, params={"x": "1"}, json={}).json()["error"]["code"] == "unknown_parameter"
    assert "erin" not in {row["code"] for row in running.exchange.node.accounts()}


# What is kept.


def test_changes_come_in_pages_the_newest_first(staff: httpx.Client) -> None:
    told = [change(staff, "/account-group", account="bob", group_id=group).json() for group in (1, 2, 0)]
    assert change(staff, "/account-group", account="nobody", group_id=1).status_code == 404
    page = staff.get(f"{PREFIX}/changes", params={"limit": 2}).json()
    assert page["changes"] == told[:0:-1]
    assert page["next_cursor"] == str(told[1]["sequence"])
    rest = staff.get(f"{PREFIX}/changes", params={"limit": 1, "cursor": page["next_cursor"]}).json()
    assert rest["changes"] == told[:1]
    assert staff.get(f"{PREFIX}/changes", params={"actor": "nobody"}).json() == {"changes": [], "next_cursor": None}
    assert staff.get(f"{PREFIX}/changes", params={"actor": "staff", "limit": 1}).json()["changes"] == told[2:]
    for wrong in ({"limit": "0"}, {"limit": "1001"}, {"cursor": "x"}, {"sort": "up"}):
        assert staff.get(f"{PREFIX}/changes", params=wrong).status_code == 422


def test_the_set_up_of_the_demo_is_among_the_changes(staff: httpx.Client) -> None:
    changes = staff.get(f"{PREFIX}/changes", params={"actor": "demo", "limit": 1000}).json()["changes"]
    assert {change["reason"] for change in changes} == {"demo set-up"}
    assert [change["value"] for change in changes if change["value"].get("symbol") == "BTC-USD"] == [
        {"symbol": "BTC-USD", "group_id": 0, "maker_ppm": 100, "taker_ppm": 500},
        {
            "symbol": "BTC-USD",
            "base": "BTC",
            "quote": "USD",
            "tick_size": "0.01",
            "lot_size": "0.00001",
            "min_quantity": "0.00001",
            "max_quantity": "1000",
            "min_notional": "1",
        },
    ]
    assert changes[-1]["value"] == {"code": "BTC", "scale": 8}
    assert changes[0]["value"] == {"account": "simulator-taker", "asset": "USD", "amount": "5000000"}


def test_staff_moves_a_manual_clock(tmp_path: Path) -> None:
    for running in run(settings(tmp_path, clock="manual")):
        with running.client("staff") as staff, running.client("alice") as alice:
            moved = staff.post(f"{PREFIX}/clock", json={"time": "2026-01-01T00:00:00Z"}).json()
            assert moved == {"time": "2026-01-01T00:00:00.000000000Z", "sequence": running.exchange.node.sequence}
            order = alice.post("/v1/orders", json=buy(expire_time="2026-01-01T00:01:00Z")).json()
            assert order["timestamp"] == moved["time"]
            assert alice.get(f"/v1/orders/{order['order_id']}").json()["status"] == "new"
            later = staff.post(f"{PREFIX}/clock", json={"time": "2026-01-01T00:01:00Z"}).json()
            assert later["sequence"] == order["sequence"] + 1
            assert alice.get(f"/v1/orders/{order['order_id']}").json()["status"] == "expired"
            for time in ("2026-01-01T00:00:59.999999999Z", "9999-01-01T00:00:00Z", "1969-12-31T00:00:00Z", "now", ""):
                refused = staff.post(f"{PREFIX}/clock", json={"time": time})
                error = refused.json()["error"]
                assert (refused.status_code, error["code"], error["field"]) == (422, "invalid_value", "time"), time


def test_a_clock_that_goes_by_itself_cannot_be_moved(running: Running) -> None:
    with running.client("staff") as staff:
        refused = staff.post(f"{PREFIX}/clock", json={"time": "2100-01-01T00:00:00Z"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "clock_not_manual")
