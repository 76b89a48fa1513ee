"""`beurs admin` against a real server: each command once, and what the server refuses."""

import json

import pytest

from beurs.admin.schemas import CHANGES
from beurs.cli.admin import COMMANDS, SCOPES
from tests.cli.test_local import beurs, failed
from tests.cli.test_server import ran, start, stop

REASON = ("--reason", "ticket 7")
FEES = ("--maker-ppm", "-10", "--taker-ppm", "20")

# Every command in this order, and what stands in the events that it answers.
RUNS = [
    (("add-asset", "EUR", "2"), {"event": "asset_added", "code": "EUR"}),
    (
        *(("list-instrument", "BTC-EUR", "--base", "BTC", "--quote", "EUR", "--tick-size", "0.01", "--lot-size", "1"),),
        {"event": "instrument_listed", "symbol": "BTC-EUR"},
    ),
    (("open-account", "carol", "--group-id", "3"), {"event": "account_opened", "code": "carol", "group_id": 3}),
    (("deposit", "carol", "EUR", "12.50"), {"event": "posted", "amount": "12.5"}),
    (("withdraw", "carol", "EUR", "2.50"), {"event": "posted", "amount": "-2.5"}),
    (("status", "BTC-EUR", "halted"), {"event": "trading_status_set", "status": "halted"}),
    (
        ("status", "BTC-EUR", "auction", "--end-time", "2100-01-01T00:00:00Z"),
        {"event": "trading_status_set", "end_time": "2100-01-01T00:00:00.000000000Z"},
    ),
    (("instrument-group", "BTC-EUR", "7"), {"event": "setting_changed", "setting": "instrument_group"}),
    (("status-group", "7", "open"), {"event": "trading_status_set", "symbol": "BTC-EUR", "status": "open"}),
    (("status-all", "open"), {"event": "trading_status_set", "status": "open"}),
    (
        ("schedule", "BTC-EUR", "0", "open", "09:30:00", "--weekday", "monday", "--weekday", "friday"),
        {"setting": "schedule", "symbol": "BTC-EUR"},
    ),
    (("schedule", "BTC-EUR", "0", "open", "09:30:00"), {"setting": "schedule", "symbol": "BTC-EUR"}),
    (("random-seed",), {"setting": "random_seed"}),
    (("mark-price", "BTC-EUR", "100"), {"event": "mark_price_set", "price": "100"}),
    (("bands", "BTC-EUR", "--static-up-bps", "500", "--action", "auction"), {"setting": "price_bands"}),
    (("matching", "BTC-EUR", "pro_rata", "--top-max", "2", "--leveling"), {"setting": "matching"}),
    (("lead-market-maker", "BTC-EUR", "carol", "5"), {"setting": "lead_market_maker", "account": "carol"}),
    (("features", "BTC-EUR", "--feature", "iceberg", "--feature", "hidden"), {"setting": "features"}),
    (
        ("limits", "--account", "carol", "--key-id", "1", "--symbol", "BTC-EUR", "--max-order-quantity", "5"),
        {"setting": "risk_limits", "account": "carol", "key_id": 1},
    ),
    (("account-mode", "carol", "cancel_only"), {"setting": "account_mode", "account": "carol"}),
    (("account-group", "carol", "0"), {"event": "account_group_set", "group_id": 0}),
    (("trade-group", "carol", "4"), {"setting": "trade_group", "account": "carol"}),
    (("fees", "BTC-EUR", *FEES), {"event": "fees_set", "maker_ppm": -10, "taker_ppm": 20}),
    (("fee-tier", "BTC-EUR", "1", "1000", *FEES), {"setting": "fee_tier", "group_id": 0}),
    (
        ("fee-promotion", "BTC-EUR", "2100-01-01T00:00:00Z", "2100-02-01T00:00:00Z", *FEES),
        {"setting": "fee_promotion", "group_id": 0},
    ),
    (("fee-cap", "BTC-EUR", "--max-fee", "5"), {"setting": "fee_cap"}),
    (("fee-cap", "BTC-EUR"), {"setting": "fee_cap"}),
    (("mass-cancel", "--account", "carol", "--side", "buy"), {"event": "mass_canceled", "side": "buy", "count": 0}),
    (("mass-cancel", "--all"), {"event": "mass_canceled", "account": None}),
]
SCOPE_ARGUMENTS = {"all": (), "symbol": ("BTC-EUR",), "group": ("9",), "account": ("carol",), "key": ("carol", "1")}


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    """The environments of a member of staff, of alice and of bob."""
    directory = tmp_path_factory.mktemp("venue")
    server, url = start(directory)
    keys = json.loads((directory / "demo-keys.json").read_text())
    environments = [{"BEURS_URL": url, "BEURS_API_KEY": keys[name]} for name in ("staff", "alice", "bob")]
    # What the commands are about, so that each of them can be run alone; said again it is refused.
    for arguments, _ in RUNS[:3]:
        ran(environments[0], "admin", *arguments, *REASON)
    yield environments
    stop(server)
    assert "staff  beurs_" in server.said


def test_every_change_has_a_command():
    paths = {command.path for command in COMMANDS.values()} | {"/kill-switches"}
    assert paths == {route.path for route in CHANGES}
    assert {arguments[0] for arguments, _ in RUNS} | {"bust", "adjust"} == set(COMMANDS)
    assert set(SCOPE_ARGUMENTS) == set(SCOPES)


@pytest.mark.parametrize(("arguments", "told"), RUNS[3:], ids=lambda value: " ".join(value)[:40])
def test_every_command_is_done(venue, arguments, told):
    answer = json.loads(ran(venue[0], "admin", *arguments, *REASON, "--json"))
    assert told.items() <= answer["events"][-1].items()
    assert (answer["actor"], answer["reason"]) == ("staff", "ticket 7")


@pytest.mark.parametrize("scope", SCOPES)
def test_a_kill_switch_is_engaged_and_released(venue, scope):
    for verb, engaged in (("kill", True), ("release", False)):
        arguments = ("admin", verb, scope, *SCOPE_ARGUMENTS[scope], *REASON, "--json")
        answer = json.loads(ran(venue[0], *arguments))
        assert answer["events"][-1]["engaged"] is engaged
        assert answer["events"][-1]["scope"] == {"symbol": "instrument"}.get(scope, scope)


def test_a_trade_is_adjusted_and_busted(venue):
    staff, alice, bob = venue
    ran(bob, "order", "submit", "sell", "ETH-USD", "1", "--price", "100")
    bought = json.loads(ran(alice, "order", "submit", "buy", "ETH-USD", "1", "--price", "100", "--json"))
    trade_id = bought["fills"][0]["trade_id"]
    assert "99.5" in ran(staff, "admin", "adjust", trade_id, "99.5", *REASON)
    assert "trade corrected" in ran(staff, "admin", "bust", trade_id, *REASON)
    assert "duplicate_trade_correction" in failed("admin", "bust", trade_id, *REASON, **staff)[1]


def test_what_was_changed_is_shown_and_listed(venue):
    shown = ran(venue[0], "admin", "account-group", "bob", "1", *REASON)
    for word in ("ticket 7", "staff", "account group set", "bob"):
        assert word in shown
    ran(venue[0], "admin", "account-group", "bob", "0", "--reason", "as it was")
    listed = ran(venue[0], "admin", "changes", "--limit", "2")
    for word in ("as it was", "ticket 7", "account_group_set bob 1", "account=bob group_id=1", "next cursor: "):
        assert word in listed
    page = json.loads(ran(venue[0], "admin", "changes", "--limit", "1", "--json"))
    rest = json.loads(ran(venue[0], "admin", "changes", "--cursor", page["next_cursor"], "--json"))
    assert (page["changes"][0]["reason"], rest["changes"][0]["reason"]) == ("as it was", "ticket 7")
    assert "changes: none" in ran(venue[0], "admin", "changes", "--actor", "nobody")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("add-asset", "BTC", "8"), "duplicate_code (HTTP 409)"),
        (("bust", "999999"), "unknown_trade [trade_id]"),
        (("fees", "NONE", *FEES), "unknown_instrument [symbol]"),
        (("mass-cancel",), "missing_field [account]"),
        (("limits", "--max-open-orders", "1"), "missing_field [account]"),
        (("features", "BTC-USD", "--feature", "nonsense"), "invalid_value [features[0]]"),
    ],
)
def test_what_the_server_refuses_is_one_line(venue, arguments, code):
    _, line = failed("admin", *arguments, *REASON, **venue[0])
    assert line.startswith(f"beurs: {code.partition(' (')[0]}")


def test_settings_are_shown(venue):
    assert json.loads(ran(venue[0], "admin", "settings", "BTC-USD", "--json"))["status"] == "open"
    shown = ran(venue[0], "admin", "settings", "BTC-USD")
    for word in ("BTC-USD", "price_time", "price bands: none", "schedule: none"):
        assert word in shown
    assert "unknown_instrument" in failed("admin", "settings", "NONE", **venue[0])[1]


def test_only_staff_may(venue):
    assert "forbidden" in failed("admin", "changes", **venue[1])[1]
    assert "forbidden" in failed("account", "show", **venue[0])[1]
    assert beurs("admin", "kill", "all", **venue[0])[0] == 2  # a reason is required
