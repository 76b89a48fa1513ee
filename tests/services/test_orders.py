"""Orders over REST: what goes in, the whole answer that comes out."""

import gc
import json
import socket

import httpx
import pytest

from tests.services.conftest import Running, buy, sell
from tests.waiting import WAIT_SECONDS_MAX


def error_of(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    assert set(error) <= {"code", "message", "field"}
    assert error["message"]
    return answer.status_code, error["code"], error.get("field")


def without(report: dict, *names: str) -> dict:
    return {name: value for name, value in report.items() if name not in names}


def test_a_resting_order_is_reported_whole(alice: httpx.Client) -> None:
    answer = alice.post("/v1/orders", json=buy("100.10", "1.50", client_order_id="a-1"))
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    report = answer.json()
    assert int(report["order_id"]) > 0
    assert report["sequence"] > 0
    assert report["timestamp"].endswith("Z")
    assert without(report, "order_id", "sequence", "timestamp") == {
        "client_order_id": "a-1",
        "symbol": "BTC-USD",
        "side": "buy",
        "order_type": "limit",
        "time_in_force": "gtc",
        "post_only": False,
        "self_trade_prevention": "none",
        "price": "100.1",
        "quantity": "1.5",
        "quote_quantity": None,
        "filled_quantity": "0",
        "leaves_quantity": "1.5",
        "status": "new",
        "cancel_reason": None,
        "hold": "150.225075",  # 150.15 and 0.05 % of it
        "displayed_quantity": "1.5",
        "waits": False,
        "list_id": None,
        "terms": None,
        "exec_type": "new",
        "fills": [],
    }


def test_the_short_way_and_the_long_way_say_the_same(alice: httpx.Client) -> None:
    # The hot route answers a resting order from the request; a replace reads the records.
    body = sell("90000", "0.5", post_only=True, self_trade_prevention="expire_both", client_order_id="x")
    short = alice.post("/v1/orders", json=body).json()
    long = alice.patch(f"/v1/orders/{short['order_id']}", json={"quantity": "0.50"}).json()
    ignored = ("exec_type", "sequence", "timestamp")
    assert without(long, *ignored) == without(short, *ignored)
    assert long["exec_type"] == "replaced"


def test_a_taker_is_told_its_trades(alice: httpx.Client, bob: httpx.Client) -> None:
    first = bob.post("/v1/orders", json=sell("100", "1")).json()
    second = bob.post("/v1/orders", json=sell("101", "1")).json()
    report = alice.post("/v1/orders", json=buy("101", "2.5")).json()
    assert report["exec_type"] == "trade"
    assert report["status"] == "partially_filled"
    assert (report["filled_quantity"], report["leaves_quantity"]) == ("2", "0.5")
    assert [without(fill, "trade_id") for fill in report["fills"]] == [
        {"price": "100", "quantity": "1", "notional": "100", "fee": "0.05", "liquidity": "taker"},
        {"price": "101", "quantity": "1", "notional": "101", "fee": "0.0505", "liquidity": "taker"},
    ]
    assert bob.get(f"/v1/orders/{first['order_id']}").json()["status"] == "filled"
    assert bob.get(f"/v1/orders/{second['order_id']}").json()["filled_quantity"] == "1"
    trades = bob.get("/v1/trades", params={"limit": 2}).json()["trades"]
    assert [trade["trade_id"] for trade in trades] == [fill["trade_id"] for fill in reversed(report["fills"])]
    assert [(trade["liquidity"], trade["fee"], trade["fee_asset"]) for trade in trades] == [
        ("maker", "0.0101", "USD"),
        ("maker", "0.01", "USD"),
    ]


def test_a_market_order_by_quote_quantity(alice: httpx.Client, bob: httpx.Client) -> None:
    bob.post("/v1/orders", json=sell("100", "1"))
    report = alice.post("/v1/orders", json=buy(None, None, order_type="market", quote_quantity="50")).json()
    assert (report["status"], report["quantity"], report["quote_quantity"]) == ("filled", None, "50")
    assert (report["price"], report["time_in_force"], report["filled_quantity"]) == (None, "ioc", "0.5")


def test_an_ioc_remainder_is_canceled(alice: httpx.Client) -> None:
    report = alice.post("/v1/orders", json=buy("1000", "1", time_in_force="ioc")).json()
    assert (report["status"], report["cancel_reason"], report["exec_type"]) == (
        "canceled",
        "immediate_or_cancel",
        "canceled",
    )
    assert alice.get("/v1/orders").json()["orders"] == []


@pytest.mark.parametrize("by", ["order_id", "client_order_id"])
def test_an_order_is_found_changed_and_canceled_by_either_id(alice: httpx.Client, by: str) -> None:
    entered = alice.post("/v1/orders", json=buy("100", "2", client_order_id=f"it/is;{by}")).json()
    name = entered["order_id"] if by == "order_id" else f"client:it%2Fis;{by}"
    assert alice.get(f"/v1/orders/{name}").json()["leaves_quantity"] == "2"
    changed = alice.patch(f"/v1/orders/{name}", json={"price": "99", "quantity": "1"}).json()
    assert (changed["price"], changed["quantity"], changed["exec_type"]) == ("99", "1", "replaced")
    canceled = alice.delete(f"/v1/orders/{name}")
    assert canceled.status_code == 200
    assert (canceled.json()["status"], canceled.json()["cancel_reason"]) == ("canceled", "requested")
    assert canceled.json()["leaves_quantity"] == "0"
    assert alice.get(f"/v1/orders/{name}").json()["status"] == "canceled"
    assert error_of(alice.delete(f"/v1/orders/{name}")) == (404, "unknown_order", "order_id")
    assert error_of(alice.patch(f"/v1/orders/{name}", json={"price": "98"})) == (404, "unknown_order", "order_id")


def test_a_client_order_id_is_used_once(alice: httpx.Client) -> None:
    assert alice.post("/v1/orders", json=buy(client_order_id="once")).status_code == 201
    again = alice.post("/v1/orders", json=buy(client_order_id="once"))
    assert error_of(again) == (409, "duplicate_client_order_id", "client_order_id")
    assert len(alice.get("/v1/orders").json()["orders"]) == 1


def test_a_replace_can_rename(alice: httpx.Client) -> None:
    alice.post("/v1/orders", json=buy(client_order_id="old-name"))
    changed = alice.patch("/v1/orders/client:old-name", json={"client_order_id": "new-name"})
    assert changed.json()["client_order_id"] == "new-name"
    assert alice.get("/v1/orders/client:new-name").json()["status"] == "new"


def test_other_accounts_orders_do_not_exist(alice: httpx.Client, bob: httpx.Client) -> None:
    order_id = alice.post("/v1/orders", json=buy(client_order_id="alices")).json()["order_id"]
    for name in (order_id, "client:alices"):
        assert error_of(bob.get(f"/v1/orders/{name}")) == (404, "unknown_order", "order_id")
        assert error_of(bob.patch(f"/v1/orders/{name}", json={"price": "1"})) == (404, "unknown_order", "order_id")
        assert error_of(bob.delete(f"/v1/orders/{name}")) == (404, "unknown_order", "order_id")
    assert alice.get(f"/v1/orders/{order_id}").json()["status"] == "new"
    alice.delete(f"/v1/orders/{order_id}")
    assert error_of(bob.get(f"/v1/orders/{order_id}")) == (404, "unknown_order", "order_id")


def test_lists_are_filtered_and_paged(alice: httpx.Client) -> None:
    ids = [alice.post("/v1/orders", json=buy(f"{100 + place}")).json()["order_id"] for place in range(5)]
    other = alice.post("/v1/orders", json=buy("10", "1", symbol="ETH-USD") | {"symbol": "ETH-USD"}).json()["order_id"]

    def listed(**parameters: object) -> list[str]:
        found: list[str] = []
        while True:
            page = alice.get("/v1/orders", params={"limit": 2, **parameters}).json()
            assert len(page["orders"]) <= 2
            found += [order["order_id"] for order in page["orders"]]
            if page["next_cursor"] is None:
                return found
            parameters["cursor"] = page["next_cursor"]

    assert listed() == [other, *reversed(ids)]
    assert listed(symbol="BTC-USD") == ids[::-1]
    assert listed(symbol="ETH-BTC") == []
    alice.delete(f"/v1/orders/{ids[0]}")
    alice.delete(f"/v1/orders/{ids[3]}")
    assert listed() == [other, ids[4], ids[2], ids[1]]
    assert listed(status="closed", symbol="BTC-USD")[:2] == [ids[3], ids[0]]
    assert listed(status="all")[:6] == [other, *reversed(ids)]


def test_a_mass_cancel_cancels_what_it_names(alice: httpx.Client, bob: httpx.Client) -> None:
    buys = [alice.post("/v1/orders", json=buy(f"{100 + place}")).json()["order_id"] for place in range(3)]
    sold = alice.post("/v1/orders", json=sell("200")).json()["order_id"]
    bobs = bob.post("/v1/orders", json=buy("99")).json()["order_id"]
    assert alice.delete("/v1/orders", params={"symbol": "ETH-USD"}).json()["canceled"] == 0
    report = alice.delete("/v1/orders", params={"symbol": "BTC-USD", "side": "buy"}).json()
    assert (report["canceled"], report["order_ids"]) == (3, buys)
    assert [order["order_id"] for order in alice.get("/v1/orders").json()["orders"]] == [sold]
    assert alice.delete("/v1/orders").json()["order_ids"] == [sold]
    assert bob.get(f"/v1/orders/{bobs}").json()["status"] == "new"


def test_a_batch_enters_each_order_by_itself(alice: httpx.Client) -> None:
    orders = [buy("100"), buy("100.001"), buy("101", "1000000"), buy("102"), buy("102") | {"symbol": "NO-NE"}]
    answer = alice.post("/v1/orders/batch", json={"orders": orders})
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["report"] and result["report"]["status"] for result in results] == ["new", None, None, "new", None]
    assert [
        result["error"] and (result["error"]["status"], result["error"]["code"], result["error"]["field"])
        for result in results
    ] == [
        None,
        (422, "not_a_multiple", "price"),
        (422, "quantity_above_maximum", "quantity"),
        None,
        (404, "unknown_instrument", "symbol"),
    ]
    assert len(alice.get("/v1/orders").json()["orders"]) == 2


def test_a_batch_that_cannot_be_read_enters_nothing(running: Running, alice: httpx.Client) -> None:
    before = running.state()
    orders = {"orders": [buy("100"), buy("101") | {"price": 101}]}
    assert error_of(alice.post("/v1/orders/batch", json=orders)) == (422, "invalid_type", "orders[1].price")
    for orders in ({"orders": []}, {"orders": [buy()] * 101}):
        assert error_of(alice.post("/v1/orders/batch", json=orders)) == (422, "invalid_value", "orders")
    assert running.state() == before


def test_money_that_is_not_there_is_refused(alice: httpx.Client) -> None:
    answer = alice.post("/v1/orders", json=buy("100000", "1000"))
    assert error_of(answer) == (409, "insufficient_funds", None)


def test_what_was_acknowledged_is_seen_at_once(alice: httpx.Client, bob: httpx.Client) -> None:
    for place in range(20):
        order_id = alice.post("/v1/orders", json=buy(f"{100 + place}", "0.1")).json()["order_id"]
        assert alice.get("/v1/orders").json()["orders"][0]["order_id"] == order_id
        assert alice.get("/v1/orders", params={"status": "all"}).json()["orders"][0]["order_id"] == order_id
        traded = bob.post("/v1/orders", json=sell("100", "0.1", time_in_force="ioc")).json()["fills"][0]["trade_id"]
        assert bob.get("/v1/trades", params={"limit": 1}).json()["trades"][0]["trade_id"] == traded
        assert alice.get(f"/v1/orders/{order_id}").json()["status"] == "filled"
        public = bob.get("/v1/market/BTC-USD/trades", params={"limit": 1}).json()["trades"]
        assert public[0]["trade_id"] == traded


def test_a_request_leaves_nothing_for_the_garbage_collector(running: Running, alice: httpx.Client) -> None:
    # Cycles of references would have to be found by a collector that stops the process at full load.
    body = json.dumps(buy("1", "1")).encode()
    headers = {"X-API-Key": running.exchange.demo_keys["alice"], "Content-Type": "application/json"}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"POST /v1/orders HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    with socket.create_connection(("127.0.0.1", running.port), timeout=WAIT_SECONDS_MAX) as connection:

        def send(count: int) -> None:
            for _ in range(count):
                connection.sendall(request)
                assert connection.recv(65_536).startswith(b"HTTP/1.1 201")

        send(10)
        gc.collect()
        gc.disable()
        try:
            send(500)
            left = gc.collect()
        finally:
            gc.enable()
    assert left < 500


def test_an_order_that_was_restated_has_no_cancel_reason(alice):
    own = alice.post("/v1/orders", json=sell("100.00", "1")).json()["order_id"]
    report = alice.post("/v1/orders", json=buy("100.00", "3", self_trade_prevention="decrement")).json()
    assert (report["exec_type"], report["status"], report["cancel_reason"]) == ("restated", "new", "self_trade")
    assert alice.get(f"/v1/orders/{report['order_id']}").json()["cancel_reason"] is None
    told = {order["order_id"]: order for order in alice.get("/v1/orders", params={"status": "all"}).json()["orders"]}
    assert told[report["order_id"]]["cancel_reason"] is None
    assert told[own]["cancel_reason"] == "self_trade"


def test_the_engine_says_which_of_several_reasons_a_zero_is_refused_for(alice):
    alice.post("/v1/orders", json=buy("100.00", "1", client_order_id="zero-1")).raise_for_status()

    def code(**order: object) -> str:
        return str(alice.post("/v1/orders", json=buy("0", "0", **order)).json()["error"]["code"])

    assert code(client_order_id="zero-1") == "duplicate_client_order_id"
    assert code(client_order_id="zero-2", time_in_force="ioc", post_only=True) == "invalid_post_only"
    assert code(client_order_id="zero-2") == "invalid_price"


def test_the_longest_page_has_a_next_one(alice: httpx.Client, bob: httpx.Client) -> None:
    sell = {"symbol": "BTC-USD", "side": "sell", "price": "100", "quantity": "11"}
    assert alice.post("/v1/orders", json=sell).json()["status"] == "new"
    one = {"symbol": "BTC-USD", "side": "buy", "price": "100", "quantity": "0.01"}
    for _ in range(11):
        answer = bob.post("/v1/orders/batch", json={"orders": [one] * 100})
        assert all("report" in result for result in answer.json()["results"])
    try:
        for path, key in (
            ("/v1/trades", "trades"),
            ("/v1/market/BTC-USD/trades", "trades"),
            ("/v1/orders?status=closed", "orders"),
        ):
            page = bob.get(path, params={**dict(httpx.URL(path).params), "limit": 1000}).json()
            assert len(page[key]) == 1000
            assert page["next_cursor"] is not None
            after = {**dict(httpx.URL(path).params), "limit": 1000, "cursor": page["next_cursor"]}
            assert len(bob.get(path, params=after).json()[key]) >= 100
    finally:
        alice.delete("/v1/orders")
