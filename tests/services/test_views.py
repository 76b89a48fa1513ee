"""Positions, and what staff looks at: kill switches, risk limits, the settings of an instrument."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from beurs import Exchange
from beurs.positions import Position
from tests.services.conftest import Running, buy, sell

REASON = {"reason": "for a test"}


@pytest.fixture
def staff(running: Running) -> Iterator[httpx.Client]:
    with running.client("staff") as client:
        yield client


def change(client: httpx.Client, path: str, **body: Any) -> None:
    answer = client.post(f"/v1/admin{path}", json=REASON | body)
    assert answer.is_success, answer.text


def test_a_position_is_told_to_its_owner_and_to_staff(running: Running, staff: httpx.Client) -> None:
    with running.client("alice") as alice, running.client("bob") as bob:
        assert alice.get("/v1/account/positions").json() == {"positions": []}
        for price, quantity in (("100", "1"), ("101", "2")):
            assert bob.post("/v1/orders", json=sell(price, quantity)).is_success
            assert alice.post("/v1/orders", json=buy(price, quantity)).is_success
        (position,) = alice.get("/v1/account/positions").json()["positions"]
        (other,) = bob.get("/v1/account/positions").json()["positions"]
    told = staff.get("/v1/admin/accounts/alice/positions").json()
    assert told == {"account": "alice", "positions": [position]}
    assert position["symbol"] == "BTC-USD"
    assert (position["quantity"], position["bought"], position["sold"]) == ("3", "3", "0")
    assert (position["cost"], position["average_price"]) == ("302", "100.666667")
    assert (position["mark_price"], position["realised_profit"], position["unrealised_profit"]) == ("101", "0", "1")
    assert (other["quantity"], other["unrealised_profit"]) == ("-3", "-1")
    unknown = staff.get("/v1/admin/accounts/nobody/positions")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_account")


def test_a_position_in_process_closes_at_a_profit() -> None:
    with Exchange() as ex:
        ex.add_asset("BTC", scale=8)
        ex.add_asset("USD", scale=6)
        ex.list_instrument("BTC-USD", base="BTC", quote="USD", tick_size="0.01", lot_size="0.0001")
        for account in ("alice", "bob"):
            ex.open_account(account)
            ex.deposit(account, "BTC", "10000")
            ex.deposit(account, "USD", "10000")
        ex.submit("bob", "BTC-USD", "sell", "2", price="100")
        ex.submit("alice", "BTC-USD", "buy", "2", price="100")
        ex.submit("bob", "BTC-USD", "buy", "2", price="110")
        ex.submit("alice", "BTC-USD", "sell", "2", price="110")
        assert ex.positions("alice") == [
            Position("BTC-USD", "0", None, "0", "110", "20", "0", "0", bought="2", sold="2")
        ]
        assert ex.positions("bob")[0].realised_profit == "-20"


def test_engaged_kill_switches_are_listed(staff: httpx.Client) -> None:
    scopes = ({"symbol": "ETH-USD"}, {"group_id": 9}, {"account": "bob", "key_id": 2})
    for scope in scopes:
        change(staff, "/kill-switches", engaged=True, **scope)
    none = {"symbol": None, "group_id": None, "account": None, "key_id": None}
    assert staff.get("/v1/admin/kill-switches").json()["kill_switches"] == [
        none | {"scope": word} | scope for word, scope in zip(("instrument", "group", "key"), scopes, strict=True)
    ]
    for scope in scopes:
        change(staff, "/kill-switches", engaged=False, **scope)
    assert staff.get("/v1/admin/kill-switches").json() == {"kill_switches": []}


def test_risk_limits_are_listed(staff: httpx.Client) -> None:
    said = {"account": "bob", "symbol": "ETH-USD", "max_order_quantity": "5", "max_order_notional": "1000.5"}
    change(staff, "/risk-limits", **said)
    change(staff, "/risk-limits", group_id=9, max_open_orders=3)
    limits = staff.get("/v1/admin/risk-limits").json()["risk_limits"]
    plain = [{name: value for name, value in one.items() if value is not None} for one in limits]
    assert plain == [said | {"scope": "account"}, {"scope": "group", "group_id": 9, "max_open_orders": 3}]


def test_the_settings_of_an_instrument_are_shown(staff: httpx.Client) -> None:
    path = "/v1/admin/instruments/ETH-BTC/settings"
    before = staff.get(path).json()
    assert (before["price_bands"], before["matching"]["algorithm"]) == (None, "price_time")
    assert (before["schedule"], before["mark_price"], before["reference_price"]) == ([], None, None)
    bands = {
        "static_up_bps": 500, "static_down_bps": 400, "dynamic_bps": 100, "collar_bps": 50, "action": "auction",
        "auction_ns": 10**9, "auction_random_ns": 5, "limit_state_ns": 10**9,
    }  # fmt: skip
    change(staff, "/price-bands", symbol="ETH-BTC", reference="0.05", **bands)
    change(staff, "/mark-price", symbol="ETH-BTC", price="0.06")
    change(staff, "/features", symbol="ETH-BTC", features=["hidden", "iceberg"], max_triggers=5)
    change(staff, "/matching", symbol="ETH-BTC", algorithm="pro_rata", lead_percent=10)
    change(staff, "/lead-market-makers", symbol="ETH-BTC", account="bob", share=7)
    days = ["monday", "sunday"]
    change(staff, "/schedule", symbol="ETH-BTC", slot=3, status="open", weekdays=days, time_of_day="09:30:00.5")
    after = staff.get(path).json()
    assert (after["price_bands"], after["reference_price"], after["mark_price"]) == (bands, "0.05", "0.06")
    assert (after["features"], after["max_triggers"]) == (["iceberg", "hidden"], 5)
    assert (after["matching"]["algorithm"], after["matching"]["lead_percent"]) == ("pro_rata", 10)
    assert after["lead_market_makers"] == [{"account": "bob", "share": 7}]
    (entry,) = after["schedule"]
    assert (entry["slot"], entry["weekdays"], entry["time_of_day"]) == (3, days, "09:30:00.500000000")
    assert entry["next_time"].endswith("T09:30:00.500000000Z")
    unknown = staff.get("/v1/admin/instruments/NONE/settings")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_instrument")
