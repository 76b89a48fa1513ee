"""Account, instruments, market data, operation."""

import re
from typing import get_args

import httpx
import pytest

from beurs.market_data.endpoints import Interval
from beurs.store import INTERVALS
from tests.services.conftest import Running, buy, sell


def test_balances_hold_what_open_orders_need(running: Running, alice: httpx.Client) -> None:
    def usd() -> dict:
        return next(row for row in alice.get("/v1/account/balances").json()["balances"] if row["asset"] == "USD")

    before = usd()
    assert before["held"] == "0"
    assert before["available"] == before["total"]
    alice.post("/v1/orders", json=buy("100", "1"))
    after = usd()
    assert (after["total"], after["held"]) == (before["total"], "100.05")
    account = alice.get("/v1/account").json()
    assert account["account"] == "alice"
    assert account["balances"] == alice.get("/v1/account/balances").json()["balances"]


def test_instruments_say_their_steps(running: Running) -> None:
    with running.client(None) as anybody:
        listed = anybody.get("/v1/instruments").json()["instruments"]
        assert [row["symbol"] for row in listed] == ["BTC-USD", "ETH-USD", "ETH-BTC"]
        assert listed[0] == {
            "symbol": "BTC-USD",
            "base": "BTC",
            "quote": "USD",
            "tick_size": "0.01",
            "lot_size": "0.00001",
            "min_quantity": "0.00001",
            "max_quantity": "1000",
            "min_notional": "1",
            "status": "open",
            "status_reason": "requested",
            "auction_end_time": None,
        }
        assert anybody.get("/v1/instruments/BTC-USD").json() == listed[0]


def test_market_data_follows_the_book_and_the_trades(running: Running, alice: httpx.Client, bob: httpx.Client) -> None:
    with running.client(None) as anybody:
        bob.post("/v1/orders", json=sell("10.05", "2") | {"symbol": "ETH-USD"})
        bob.post("/v1/orders", json=sell("10.05", "1") | {"symbol": "ETH-USD"})
        bob.post("/v1/orders", json=sell("10.10", "1") | {"symbol": "ETH-USD"})
        entered = alice.post("/v1/orders", json=buy("10.00", "5") | {"symbol": "ETH-USD"}).json()
        book = anybody.get("/v1/market/ETH-USD/book", params={"depth": 1}).json()
        assert book == {
            "symbol": "ETH-USD",
            "sequence": entered["sequence"],
            "bids": [{"price": "10", "quantity": "5", "orders": 1}],
            "asks": [{"price": "10.05", "quantity": "3", "orders": 2}],
        }
        assert len(anybody.get("/v1/market/ETH-USD/book").json()["asks"]) == 2
        alice.post("/v1/orders", json=buy("10.10", "3.5", time_in_force="ioc") | {"symbol": "ETH-USD"})
        trades = anybody.get("/v1/market/ETH-USD/trades").json()["trades"]
        assert [(trade["price"], trade["quantity"], trade["aggressor_side"]) for trade in trades] == [
            ("10.1", "0.5", "buy"),
            ("10.05", "1", "buy"),
            ("10.05", "2", "buy"),
        ]
        assert set(trades[0]) == {
            *("trade_id", "symbol", "price", "quantity", "aggressor_side"),
            *("maker_order_id", "taker_order_id", "buy_order_id", "sell_order_id"),
            *("busted", "corrected_price", "sequence", "timestamp"),
        }
        page = anybody.get("/v1/market/ETH-USD/trades", params={"limit": 2}).json()
        rest = anybody.get("/v1/market/ETH-USD/trades", params={"limit": 2, "cursor": page["next_cursor"]}).json()
        assert [*page["trades"], *rest["trades"]] == trades
        ticker = anybody.get("/v1/market/ETH-USD/ticker").json()
        assert (ticker["last_price"], ticker["volume"], ticker["trade_count"]) == ("10.1", "3.5", 3)
        assert (ticker["best_bid"], ticker["best_ask"], ticker["best_ask_quantity"]) == ("10", "10.1", "0.5")
        assert (ticker["open"], ticker["high"], ticker["low"], ticker["change"]) == ("10.05", "10.1", "10.05", "0.05")
        for interval in get_args(Interval):
            candles = anybody.get("/v1/market/ETH-USD/candles", params={"interval": interval}).json()["candles"]
            assert sum(candle["trade_count"] for candle in candles) == 3
            assert candles[-1]["close"] == "10.1"
        opened = candles[0]["open_time"]
        day = {"interval": "1d", "start_time": opened, "end_time": "2100-01-01T00:00:00Z"}
        assert anybody.get("/v1/market/ETH-USD/candles", params=day).json()["candles"] == candles
        day["start_time"] = opened.replace(".000000000Z", ".000000001Z")
        assert anybody.get("/v1/market/ETH-USD/candles", params=day).json()["candles"] == []


def test_an_empty_market_has_an_empty_ticker(running: Running) -> None:
    with running.client(None) as anybody:
        ticker = anybody.get("/v1/market/ETH-BTC/ticker").json()
    assert ticker["last_price"] is None
    assert ticker["best_bid"] is None
    assert ticker["volume"] == "0"


def test_the_intervals_are_the_stores() -> None:
    assert set(get_args(Interval)) == set(INTERVALS)


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_operation(running: Running, alice: httpx.Client, prefix: str) -> None:
    alice.post("/v1/orders", json=buy())
    with running.client(None) as anybody:
        assert anybody.get(f"{prefix}/health").json() == {"status": "ok"}
        assert anybody.get(f"{prefix}/ready").json() == {"status": "ready"}
        stats = anybody.get(f"{prefix}/stats").json()
        assert stats["sequence"] == running.exchange.node.sequence
        assert stats["commands_accepted"] > 0
        assert stats["store"]["running"]


def test_metrics_count_orders_and_rejections(running: Running, alice: httpx.Client) -> None:
    def metrics() -> dict[str, float]:
        text = alice.get("/metrics").text
        return {name: float(value) for name, value in re.findall(r"^(beurs_[^ ]+) (\S+)$", text, re.MULTILINE)}

    before = metrics()
    alice.post("/v1/orders", json=buy())
    alice.post("/v1/orders", json=buy("1000000", "1000"))
    after = metrics()
    accepted, refused = (
        "beurs_order_commands_accepted_total",
        'beurs_order_commands_rejected_total{code="insufficient_funds"}',
    )
    assert after[accepted] == before[accepted] + 1
    assert after[refused] == before.get(refused, 0) + 1
    assert after["beurs_order_command_seconds_count"] == before["beurs_order_command_seconds_count"] + 1
    assert after["beurs_sequence"] == running.exchange.node.sequence
    for name in ("beurs_store_lag", "beurs_commands_under_way", "beurs_market_data_connections", "beurs_queue_depth"):
        assert after[name] >= 0
    writes = after["beurs_journal_writes_total"]
    assert before["beurs_journal_writes_total"] < writes
    assert after['beurs_journal_write_seconds_bucket{le="+Inf"}'] == writes


def test_a_405_names_the_methods_that_there_are(running: Running) -> None:
    with running.client(None) as anybody:
        for path, methods in {
            "/v1/orders": "DELETE, GET, HEAD, POST",
            "/v1/orders/1": "DELETE, GET, HEAD, PATCH",
            "/v1/orders/batch": "DELETE, GET, HEAD, PATCH, POST",
            "/v1/account": "GET, HEAD",
            "/v1/account/cancel-all-after": "POST",
            "/health": "GET, HEAD",
            "/v1/health": "GET, HEAD",
        }.items():
            answer = anybody.put(path)
            assert (answer.status_code, answer.headers["allow"]) == (405, methods), path


def test_what_can_be_got_can_be_asked_for_without_its_body(running: Running) -> None:
    with running.client() as alice:
        for path, status in {
            "/health": 200,
            "/ready": 200,
            "/metrics": 200,
            "/": 200,
            "/openapi.json": 200,
            "/v1/account": 200,
            "/v1/market/BTC-USD/book": 200,
            "/v1/market/DOGE-USD/book": 404,
            "/v1/nothing": 404,
            "/v1/account/cancel-all-after": 405,
        }.items():
            answer, got = alice.head(path), alice.get(path)
            assert (answer.status_code, answer.content) == (status, b""), path
            assert answer.headers["content-type"] == got.headers["content-type"], path
            if path != "/metrics":  # whose figures change
                assert answer.headers["content-length"] == str(len(got.content)), path


def test_the_page_and_the_documentation_are_there(running: Running) -> None:
    with running.client(None) as anybody:
        assert "text/html" in anybody.get("/").headers["content-type"]
        assert "openapi.json" in anybody.get("/docs").text
        document = anybody.get("/openapi.json").json()
    operations = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert operations >= {
        ("/v1/orders", "post"),
        ("/v1/orders", "get"),
        ("/v1/orders", "delete"),
        ("/v1/orders/batch", "post"),
        ("/v1/orders/{order_id}", "get"),
        ("/v1/orders/{order_id}", "patch"),
        ("/v1/orders/{order_id}", "delete"),
        ("/v1/trades", "get"),
        ("/v1/instruments", "get"),
        ("/v1/instruments/{symbol}", "get"),
        ("/v1/market/{symbol}/book", "get"),
        ("/v1/market/{symbol}/trades", "get"),
        ("/v1/market/{symbol}/ticker", "get"),
        ("/v1/market/{symbol}/candles", "get"),
        ("/v1/account", "get"),
        ("/v1/account/balances", "get"),
        ("/health", "get"),
        ("/ready", "get"),
        ("/stats", "get"),
        ("/metrics", "get"),
    }
    text = str(document)
    for name in re.findall(r"#/components/schemas/(\w+)", text):
        assert name in document["components"]["schemas"]
    assert set(document["components"]["schemas"]["NewOrder"]["required"]) == {"symbol", "side"}
    assert document["components"]["schemas"]["NewOrder"]["additionalProperties"] is False
