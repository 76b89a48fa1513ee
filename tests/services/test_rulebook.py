"""Orders with terms, order lists and cancel-replace over REST."""

from typing import Any

import httpx
import pytest

from beurs.engine import set_trading_status
from beurs.timestamps import timestamp
from tests.services.conftest import Running, buy, sell
from tests.services.test_orders import error_of, without

NO_TERMS = {
    "limit_price": None,
    "trigger_price": None,
    "trigger_by": "last",
    "trail_bps": None,
    "display_quantity": None,
    "hidden": False,
    "min_quantity": None,
    "expire_time": None,
    "auction_only": False,
    "slide": False,
    "peg": "none",
    "peg_offset": None,
}
REPORT_ONLY = ("exec_type", "fills", "sequence", "timestamp")


def enter(client: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post("/v1/orders", json=body)
    assert answer.status_code == 201, answer.text
    report: dict[str, Any] = answer.json()
    return report


def test_a_stop_order_waits_and_is_listed_as_open(alice: httpx.Client) -> None:
    report = enter(alice, buy("110", "1.5", order_type="stop_limit", trigger_price="105.50", trigger_by="best"))
    assert (report["order_type"], report["time_in_force"], report["status"]) == ("stop_limit", "gtc", "new")
    assert (report["waits"], report["displayed_quantity"], report["price"]) == (True, "0", "110")
    assert report["terms"] == NO_TERMS | {"trigger_price": "105.5", "trigger_by": "best"}
    (listed,) = alice.get("/v1/orders").json()["orders"]
    assert listed == without(report, *REPORT_ONLY)
    assert alice.get(f"/v1/orders/{report['order_id']}").json() == listed
    book = alice.get("/v1/market/BTC-USD/book").json()
    assert book["bids"] == []


@pytest.mark.parametrize(
    ("body", "terms", "displayed"),
    [
        (buy("100", "2", display_quantity="0.50"), {"display_quantity": "0.5"}, "0.5"),
        (buy("100", "2", hidden=True), {"hidden": True}, "0"),
        (buy("100", "2", post_only=True, slide=True), {"slide": True}, "2"),
        (
            buy("100", "2", expire_time="2099-12-31T00:00:00.5Z"),
            {"expire_time": "2099-12-31T00:00:00.500000000Z"},
            "2",
        ),
        (sell("110", "2", order_type="take_profit_limit", trail_bps=25), {"trail_bps": 25}, "0"),
    ],
)
def test_terms_are_shown(alice: httpx.Client, body: dict, terms: dict, displayed: str) -> None:
    report = enter(alice, body)
    assert report["terms"] == NO_TERMS | terms
    assert (report["displayed_quantity"], report["status"]) == (displayed, "new")
    assert alice.get(f"/v1/orders/{report['order_id']}").json() == without(report, *REPORT_ONLY)


def test_an_iceberg_shows_a_part(alice: httpx.Client, bob: httpx.Client) -> None:
    report = enter(alice, buy("100", "2", display_quantity="0.5"))
    assert alice.get("/v1/market/BTC-USD/book").json()["bids"][0]["quantity"] == "0.5"
    enter(bob, sell("100", "0.7"))
    order = alice.get(f"/v1/orders/{report['order_id']}").json()
    assert (order["leaves_quantity"], order["displayed_quantity"]) == ("1.3", "0.3")
    changed = alice.patch(f"/v1/orders/{report['order_id']}", json={"display_quantity": "0.6"}).json()
    assert (changed["displayed_quantity"], changed["terms"]["display_quantity"]) == ("0.6", "0.6")


def test_a_day_order_ends_when_its_instrument_closes(running: Running, alice: httpx.Client) -> None:
    report = enter(alice, buy("100", "1", time_in_force="day"))
    assert (report["time_in_force"], report["terms"], report["displayed_quantity"]) == ("day", None, "1")
    try:
        running.exchange.node.execute(set_trading_status(1, 7))
    finally:
        running.exchange.node.execute(set_trading_status(1, 1))
    order = alice.get(f"/v1/orders/{report['order_id']}").json()
    assert (order["status"], order["cancel_reason"], order["displayed_quantity"]) == ("expired", "end_of_day", "0")
    closed = alice.get("/v1/orders", params={"status": "closed", "limit": 1}).json()["orders"]
    assert [other["order_id"] for other in closed] == [report["order_id"]]


def test_an_order_expires_on_time(timeless: Running) -> None:
    node = timeless.exchange.node
    with timeless.client("alice") as alice:
        due_ns = node.event_time_ns + 10**9
        report = enter(alice, buy("100", "1", time_in_force="gtd", expire_time=timestamp(due_ns)))
        node.set_time(due_ns - 1)
        assert alice.get(f"/v1/orders/{report['order_id']}").json()["status"] == "new"
        node.set_time(due_ns)
        order = alice.get(f"/v1/orders/{report['order_id']}").json()
    assert (order["status"], order["cancel_reason"]) == ("expired", "expired")


def test_a_trigger_price_is_changed_while_the_order_waits(alice: httpx.Client) -> None:
    report = enter(alice, buy("110", "1", order_type="stop_limit", trigger_price="105"))
    path = f"/v1/orders/{report['order_id']}"
    changed = alice.patch(path, json={"trigger_price": "106"}).json()
    assert (changed["exec_type"], changed["waits"], changed["terms"]["trigger_price"]) == ("replaced", True, "106")
    plain = enter(alice, buy())
    refused = alice.patch(f"/v1/orders/{plain['order_id']}", json={"trigger_price": "106"})
    assert error_of(refused) == (422, "replace_not_allowed", None)
    assert error_of(alice.patch(path, json={"trigger_price": "0"})) == (422, "invalid_trigger_price", "trigger_price")
    refused = alice.patch(path, json={"display_quantity": "0.000001"})
    assert error_of(refused) == (422, "not_a_multiple", "display_quantity")


def test_a_triggered_order_tells_all_it_did(alice: httpx.Client, bob: httpx.Client) -> None:
    enter(bob, sell("100", "1"))
    enter(alice, buy("100", "0.1"))  # the last price is 100 now
    report = enter(alice, buy("101", "0.4", order_type="stop_limit", trigger_price="100"))
    assert (report["status"], report["exec_type"], report["waits"]) == ("filled", "trade", False)
    assert [fill["quantity"] for fill in report["fills"]] == ["0.4"]


BAD = [
    ({"trigger_price": "0"}, 422, "invalid_trigger_price", "trigger_price"),
    ({"trigger_price": "1.001"}, 422, "not_a_multiple", "trigger_price"),
    ({"trigger_price": 1}, 422, "invalid_type", "trigger_price"),
    ({"trigger_price": "105"}, 422, "invalid_trigger_price", "trigger_price"),
    ({"order_type": "stop_limit"}, 422, "invalid_trigger_price", "trigger_price"),
    ({"order_type": "stop"}, 422, "price_not_allowed", "price"),
    ({"order_type": "trailing_stop"}, 422, "invalid_value", "order_type"),
    ({"trigger_by": "index"}, 422, "invalid_value", "trigger_by"),
    ({"trail_bps": 0}, 422, "invalid_trail", "trail_bps"),
    ({"trail_bps": 10_000}, 422, "invalid_trail", "trail_bps"),
    ({"trail_bps": 2**80}, 422, "invalid_trail", "trail_bps"),
    ({"trail_bps": 25}, 422, "invalid_trail", "trail_bps"),
    ({"trail_bps": "25"}, 422, "invalid_type", "trail_bps"),
    ({"display_quantity": "0"}, 422, "invalid_display_quantity", "display_quantity"),
    ({"display_quantity": "2"}, 422, "invalid_display_quantity", "display_quantity"),
    ({"display_quantity": "-1"}, 422, "invalid_decimal", "display_quantity"),
    ({"hidden": 1}, 422, "invalid_type", "hidden"),
    ({"hidden": True, "post_only": True}, 422, "invalid_hidden", "hidden"),
    ({"min_quantity": "0"}, 422, "invalid_minimum_quantity", "min_quantity"),
    ({"min_quantity": "2"}, 422, "invalid_minimum_quantity", "min_quantity"),
    ({"time_in_force": "gtd", "hidden": True}, 422, "invalid_expire_time", "expire_time"),
    ({"time_in_force": "gtd"}, 422, "invalid_expire_time", "expire_time"),
    ({"expire_time": "2001-01-01T00:00:00Z"}, 422, "invalid_expire_time", "expire_time"),
    ({"expire_time": "1970-01-01T00:00:00Z"}, 422, "invalid_expire_time", "expire_time"),
    ({"expire_time": "9999-01-01T00:00:00Z"}, 422, "invalid_expire_time", "expire_time"),
    ({"expire_time": "tomorrow"}, 422, "invalid_value", "expire_time"),
    ({"expire_time": "2099-01-01T00:00:00Z", "time_in_force": "gtc"}, 422, "invalid_expire_time", "expire_time"),
    ({"slide": True}, 422, "invalid_slide", "slide"),
    ({"peg": "primary", "post_only": True}, 422, "invalid_peg", "peg"),
    ({"peg": "mid"}, 422, "invalid_value", "peg"),
    ({"peg_offset": "1"}, 422, "invalid_peg", "peg"),
    ({"peg": "primary", "price": "0"}, 422, "invalid_price", "price"),
    ({"auction_only": True, "hidden": True}, 409, "auction_only_not_allowed", "auction_only"),
    ({"auction_only": True}, 409, "auction_only_not_allowed", "auction_only"),
    ({"trigger": "1"}, 422, "unknown_field", "trigger"),
]


@pytest.mark.parametrize(("more", "status", "code", "field"), BAD)
def test_a_bad_value_is_named(alice: httpx.Client, more: dict, status: int, code: str, field: str) -> None:
    assert error_of(alice.post("/v1/orders", json=buy("100", "1") | more)) == (status, code, field)
    (result,) = (
        alice.post("/v1/orders/batch", json={"orders": [buy("100", "1") | more]}).json().get("results", [None])[:1]
    )
    if result is not None:
        assert (result["error"]["status"], result["error"]["code"], result["error"]["field"]) == (status, code, field)
    assert alice.get("/v1/orders").json()["orders"] == []


def test_a_term_that_stands_twice_is_refused(alice: httpx.Client) -> None:
    body = b'{"symbol":"BTC-USD","side":"buy","price":"100","quantity":"1","hidden":false,"hidden":true}'
    answer = alice.post("/v1/orders", content=body, headers={"content-type": "application/json"})
    assert error_of(answer) == (400, "malformed_json", "hidden")


# Cancel-replace.


def test_cancel_replace_does_both(alice: httpx.Client) -> None:
    old = enter(alice, buy("100", "1", client_order_id="old"))
    answer = alice.post("/v1/orders/cancel-replace", json={"order_id": old["order_id"], "new_order": buy("99", "2")})
    assert answer.status_code == 200
    done = answer.json()
    assert (done["cancel_error"], done["order_error"]) == (None, None)
    assert (done["canceled"]["status"], done["canceled"]["order_id"]) == ("canceled", old["order_id"])
    assert (done["entered"]["status"], done["entered"]["price"]) == ("new", "99")
    assert [order["price"] for order in alice.get("/v1/orders").json()["orders"]] == ["99"]


def test_cancel_replace_stops_or_goes_on(alice: httpx.Client) -> None:
    body = {"client_order_id": "no-such-order", "new_order": buy("99", "2")}
    assert error_of(alice.post("/v1/orders/cancel-replace", json=body)) == (404, "unknown_order", "order_id")
    done = alice.post("/v1/orders/cancel-replace", json=body | {"mode": "allow_failure"}).json()
    assert (done["canceled"], done["cancel_error"]["code"]) == (None, "unknown_order")
    assert done["entered"]["status"] == "new"
    old = done["entered"]["order_id"]
    body = {"order_id": old, "new_order": buy("99", "2", trail_bps=5)}
    done = alice.post("/v1/orders/cancel-replace", json=body).json()
    assert done["canceled"]["status"] == "canceled"
    assert (done["entered"], done["order_error"]["code"], done["order_error"]["field"]) == (
        None,
        "invalid_trail",
        "trail_bps",
    )


def test_cancel_replace_names_what_is_wrong(alice: httpx.Client) -> None:
    def refused(**body: Any) -> tuple[int, str, str | None]:
        return error_of(alice.post("/v1/orders/cancel-replace", json=body))

    assert refused(order_id="1") == (422, "missing_field", "new_order")
    assert refused(new_order=buy()) == (422, "order_reference_missing", None)
    assert refused(order_id="x", new_order=buy()) == (404, "unknown_order", "order_id")
    assert refused(order_id="1", new_order=buy("1.001")) == (422, "not_a_multiple", "new_order.price")
    assert refused(order_id="1", new_order=buy(symbol="X")) == (404, "unknown_instrument", "new_order.symbol")
    assert refused(order_id="1", new_order=buy(), mode="x") == (422, "invalid_value", "mode")


# Order lists.


def oco() -> list[dict[str, Any]]:
    return [sell("110", "1"), sell(None, "1", order_type="stop", trigger_price="90")]


def test_a_list_is_entered_and_found(alice: httpx.Client, bob: httpx.Client) -> None:
    answer = alice.post("/v1/order-lists", json={"contingency": "oco", "orders": oco()})
    assert answer.status_code == 201
    entered = answer.json()
    assert (entered["contingency"], entered["status"]) == ("oco", "executing")
    target, stop = entered["orders"]
    assert (target["list_id"], target["waits"], stop["list_id"], stop["waits"]) == (
        entered["list_id"],
        False,
        entered["list_id"],
        True,
    )
    path = f"/v1/order-lists/{entered['list_id']}"
    found = alice.get(path).json()
    assert found["orders"] == [without(order, *REPORT_ONLY) for order in entered["orders"]]
    assert (found["status"], found["symbol"], found["created_at"]) == ("executing", "BTC-USD", entered["timestamp"])
    assert error_of(bob.get(path)) == (404, "unknown_order", "list_id")
    alice.delete(f"/v1/orders/{target['order_id']}").raise_for_status()
    found = alice.get(path).json()
    assert found["status"] == "all_done"
    assert [order["cancel_reason"] for order in found["orders"]] == ["requested", "order_list"]


def test_a_bad_list_enters_nothing(alice: httpx.Client) -> None:
    def refused(**body: Any) -> tuple[int, str, str | None]:
        return error_of(alice.post("/v1/order-lists", json=body))

    assert refused(contingency="oco", orders=[]) == (422, "invalid_order_list", "orders")
    assert refused(contingency="oco", orders=[buy()] * 4) == (422, "invalid_order_list", "orders")
    assert refused(contingency="oco", orders=[buy(), sell()]) == (422, "invalid_order_list", "orders")
    assert refused(contingency="all", orders=oco()) == (422, "invalid_value", "contingency")
    assert refused(contingency="oco", orders=[buy("1.001")]) == (422, "not_a_multiple", "orders[0].price")
    assert refused(contingency="oco", orders=[buy(), buy(symbol="X")]) == (
        404,
        "unknown_instrument",
        "orders[1].symbol",
    )
    for name in ("0", "x", "9" * 30, "7777"):
        assert error_of(alice.get(f"/v1/order-lists/{name}")) == (404, "unknown_order", "list_id")
    assert alice.get("/v1/orders").json()["orders"] == []


def test_a_mass_cancel_names_the_orders_it_canceled_itself(alice: httpx.Client) -> None:
    entered = alice.post("/v1/order-lists", json={"contingency": "oco", "orders": oco()}).json()
    done = alice.delete("/v1/orders").json()
    assert done["canceled"] == len(done["order_ids"]) >= 1
    assert alice.get(f"/v1/order-lists/{entered['list_id']}").json()["status"] == "all_done"


# Auctions.


def test_an_auction_is_seen_by_the_public(running: Running, alice: httpx.Client, bob: httpx.Client) -> None:
    node = running.exchange.node
    outside = alice.get("/v1/market/BTC-USD/auction").json()
    assert (outside["indication"], outside["end_time"]) == (None, None)
    node.execute(set_trading_status(1, 5, reason=3, end_time_ns=2**62))
    try:
        listed = alice.get("/v1/instruments/BTC-USD").json()
        assert (listed["status"], listed["status_reason"]) == ("auction", "price_band")
        assert listed["auction_end_time"] == timestamp(2**62)
        bought = enter(alice, buy("101", "2", auction_only=True))
        assert (bought["terms"]["auction_only"], bought["displayed_quantity"]) == (True, "2")
        assert enter(bob, sell("100", "1"))["displayed_quantity"] == "1"
        during = alice.get("/v1/market/BTC-USD/auction").json()
        assert during["indication"] == {"price": "101", "volume": "1", "imbalance": "1"}
        assert during["end_time"] == timestamp(2**62)
    finally:
        node.execute(set_trading_status(1, 1))
    after = alice.get("/v1/market/BTC-USD/auction").json()
    assert (after["indication"], after["end_time"]) == (None, None)
    assert without(after["last_auction"], "timestamp") == {"price": "101", "volume": "1"}
    trade = alice.get("/v1/market/BTC-USD/trades").json()["trades"][0]
    assert (trade["aggressor_side"], trade["maker_order_id"], trade["taker_order_id"]) == (None, None, None)
    assert (trade["buy_order_id"], trade["busted"], trade["corrected_price"]) == (bought["order_id"], False, None)
    for client in (alice, bob):
        assert client.get("/v1/trades").json()["trades"][0]["liquidity"] == "auction"
    order = alice.get(f"/v1/orders/{bought['order_id']}").json()
    assert (order["status"], order["cancel_reason"], order["filled_quantity"]) == ("canceled", "auction_ended", "1")


def test_an_open_order_is_the_same_in_the_engine_and_in_the_store(running: Running, alice: httpx.Client) -> None:
    entered = [
        enter(alice, buy("100", "2", display_quantity="0.5")),
        enter(alice, buy("90", "2", hidden=True)),
        enter(alice, buy("95", "2")),
        enter(alice, sell(None, "1", order_type="stop", trigger_price="50")),
        enter(alice, buy("110", "1", order_type="stop_limit", trigger_price="105", trail_bps=10)),
    ]
    alice.post("/v1/order-lists", json={"contingency": "oco", "orders": oco()}).raise_for_status()
    of_engine = alice.get("/v1/orders").json()["orders"]
    of_store = alice.get("/v1/orders", params={"status": "all", "limit": len(of_engine)}).json()["orders"]
    assert of_engine == of_store
    assert len(of_engine) == len(entered) + 2


def test_a_quarantined_instrument_says_so_and_takes_cancels_until_it_is_opened(
    running: Running, alice: httpx.Client
) -> None:
    order = buy()
    order_id = alice.post("/v1/orders", json=order).json()["order_id"]
    node = running.exchange.node
    node.execute(set_trading_status(1, 3, reason=7))
    try:
        listed = alice.get("/v1/instruments/BTC-USD").json()
        assert (listed["status"], listed["status_reason"]) == ("cancel_only", "quarantined")
        refused = alice.post("/v1/orders", json=order)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "instrument_cancel_only")
        assert alice.delete(f"/v1/orders/{order_id}").json()["status"] == "canceled"
    finally:
        node.execute(set_trading_status(1, 1))
    alice.delete(f"/v1/orders/{alice.post('/v1/orders', json=order).json()['order_id']}").raise_for_status()
