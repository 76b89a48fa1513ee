"""The scenarios over REST, against the real application on a real socket.

One server serves all of them. So that they do not see each other, each has assets, instruments and accounts of its own,
under names that only it uses, and at its end nothing of it is left in a book. What only an operator does (listing,
money, fees, statuses, cancels by the venue) is done on the application's own node; everything that an account does goes
over HTTP, and so does every look at books, orders and balances.

An answer shows its account its own side only. So the events that a step is checked against are the node's, and every
answer is held against them, field by field; at the end the same is done with all lists of orders and trades that REST
gives, for every account.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from beurs import Exchange
from beurs.catalogue import Catalogue
from beurs.exchange import Balance, Book, PriceLevel
from beurs.keys import Trader, digest
from beurs.reports import (
    Event,
    ExecutionReport,
    MassCanceled,
    Translator,
)
from beurs.timestamps import timestamp
from beurs.web.problems import REJECT_STATUS
from tests.scenarios.commands import (
    FIELDS,
    TOO_LARGE,
    TOO_LARGE_UNSAID,
    Answer,
    Object,
    Unsayable,
    execute_in_process,
    set_up,
)
from tests.scenarios.conftest import TALLIES
from tests.scenarios.runner import Door, Runner, Scenario, each_scenario
from tests.services.conftest import Running, run, settings

_NUMBERS = itertools.count(1)
_NAMES = ("account", "symbol", "asset", "buyer", "seller")
_ORDER_FIELDS = (
    "client_order_id", "symbol", "side", "order_type", "time_in_force", "post_only", "self_trade_prevention", "price",
    "quantity", "quote_quantity", "filled_quantity", "leaves_quantity", "status", "cancel_reason", "hold",
)  # fmt: skip

_ID = {"account", "order", "order_id", "client_order_id"}
_SAID = {
    "new_order": {
        "account", "symbol", "side", "order_type", "time_in_force", "post_only", "self_trade_prevention", "price",
        "quantity", "quote_quantity", "client_order_id", "order",
    },
    "cancel_order": _ID,
    "replace_order": {*_ID, "original_client_order_id", "price", "quantity"},
    "mass_cancel": {"account", "symbol", "side"},
}  # fmt: skip
"""What goes over REST, and with which fields."""
_OPERATORS = {"deposit", "withdraw", "set_fees", "set_account_group"}
_STATUSES = ("open", "post_only", "cancel_only", "halted")


def _is_served(scenario: Scenario) -> bool:
    """Whether the application knows all that the scenario does. To be lifted when it knows the whole rulebook."""
    for step in scenario.steps:
        for kind in step.keys() & FIELDS.keys():
            known = kind in _OPERATORS or (kind in _SAID and step[kind].keys() <= _SAID[kind])
            if kind == "set_trading_status":
                known = step[kind].get("status") in _STATUSES and step[kind].keys() == {"symbol", "status"}
            if not known or step[kind].get("order_type", "limit") not in ("limit", "market"):
                return False
            if step[kind].get("time_in_force", "gtc") not in ("gtc", "ioc", "fok"):
                return False
    return True


class _OverNode(Exchange):
    """The in-process API over a node that is there already."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self._journalled = True
        self._catalogue = Catalogue(node)
        self._translator = Translator(self._catalogue)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The application, without a demo."""
    yield from run(settings(tmp_path_factory.mktemp("scenarios"), demo=False))


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[httpx.Client]:
    """A client without a key."""
    with server.client(None) as client:
        yield client


class OverHttp(Door):
    """A venue of its own within a running application."""

    def __init__(self, server: Running, client: httpx.Client, venue: Object) -> None:
        self.unsaid: list[str] = []
        self._mark = f".{next(_NUMBERS)}"
        self._client = client
        self._ex = _OverNode(server.exchange.node)
        self._first = self._ex.sequence
        set_up(self._ex, self._marked_venue(venue))
        self._get(None, "/v1/instruments")
        self.symbols = [instrument["symbol"] for instrument in venue["instruments"]]
        self.accounts = {account["code"] for account in venue["accounts"]} | {"venue"}
        for account in self.accounts:
            known = self._ex._catalogue.account(self._marked("account", account))
            server.exchange.keys.add(digest(self._key(account)), Trader(known.account_id, known.code))

    # Names.

    def _marked(self, key: str, name: Any) -> Any:
        """The name that this scenario's thing has in the application."""
        return name if name is None or name == "venue" else f"{name}{self._mark}"

    def _marked_venue(self, venue: Object) -> Object:
        names = {"code", "symbol", "base", "quote"}

        def marked(row: Object) -> Object:
            row = {key: self._marked(key, value) if key in names else value for key, value in row.items()}
            if "deposits" in row:
                row["deposits"] = {self._marked("asset", asset): amount for asset, amount in row["deposits"].items()}
            return row

        return {kind: [marked(row) for row in rows] for kind, rows in venue.items()}

    def _marked_command(self, said: Any) -> Any:
        """The command, and the orders that it holds, with the application's names."""
        if isinstance(said, list):
            return [self._marked_command(each) for each in said]
        if not isinstance(said, dict):
            return said
        return {
            key: self._marked(key, value) if key in _NAMES else self._marked_command(value)
            for key, value in said.items()
        }

    def _plain(self, event: Event) -> Event:
        """The event with the scenario's names."""
        names = {}
        for key in _NAMES:
            name = getattr(event, key, None)
            if name is not None:
                names[key] = name.removesuffix(self._mark)
        return replace(event, **names) if names else event

    def _key(self, account: str) -> str:
        return f"key-of-{self._marked('account', account)}"

    # Requests.

    def _request(self, account: str | None, method: str, path: str, **named: Any) -> httpx.Response:
        headers = {} if account is None else {"X-API-Key": self._key(account)}
        return self._client.request(method, path, headers=headers, **named)

    def _get(self, account: str | None, path: str, **parameters: str | int) -> Any:
        response = self._request(account, "GET", path, params=parameters)
        assert response.status_code == 200, response.text
        return response.json()

    # What a door does.

    def execute(self, kind: str, command: Object, order_id: int | None) -> Answer:
        why = _why_not(kind, command, order_id)
        if why is not None:
            if why:
                self.unsaid.append(f"{kind}: {why}")
            answer = execute_in_process(self._ex, kind, self._marked_command(command), order_id)
            return Answer(answer.code, [self._plain(event) for event in answer.events], answer.unsaid)
        before = self._ex.sequence
        said: Callable[..., httpx.Response] = getattr(self, f"_{kind}")
        response = said(command, order_id)
        events = [self._plain(event) for event in self._ex.events(before)]
        if response.is_success:
            assert response.status_code == (201 if kind == "new_order" else 200)
            self._agree(response.json(), events)
            return Answer(None, events)
        error = response.json()["error"]
        code = error["code"]
        if code == "too_large":
            self.unsaid.append(f"{kind}: {TOO_LARGE_UNSAID}")
            code = TOO_LARGE[error["field"]]
        assert response.status_code == REJECT_STATUS[code], response.text
        if events:
            (event,) = events
            assert event.code == code, "the answer says what the engine said"
        return Answer(code, events)

    def _new_order(self, command: Object, _order_id: int | None) -> httpx.Response:
        body = {key: value for key, value in command.items() if key not in ("account", "order")}
        body["symbol"] = self._marked("symbol", body["symbol"])
        return self._request(command["account"], "POST", "/v1/orders", json=body)

    def _cancel_order(self, command: Object, order_id: int | None) -> httpx.Response:
        path = _path(order_id, command.get("client_order_id"))
        return self._request(command["account"], "DELETE", path)

    def _replace_order(self, command: Object, order_id: int | None) -> httpx.Response:
        path = _path(order_id, command.get("original_client_order_id"))
        body = {key: command[key] for key in ("price", "quantity", "client_order_id") if key in command}
        return self._request(command["account"], "PATCH", path, json=body)

    def _mass_cancel(self, command: Object, _order_id: int | None) -> httpx.Response:
        parameters = {
            key: self._marked(key, command[key]) if key == "symbol" else command[key]
            for key in ("symbol", "side")
            if key in command
        }
        return self._request(command["account"], "DELETE", "/v1/orders", params=parameters)

    def _agree(self, answer: Object, events: list[Event]) -> None:
        """Holds an answer against the events of its command."""
        assert (answer.pop("sequence"), answer.pop("timestamp")) == (
            events[-1].sequence,
            timestamp(events[-1].event_time_ns),
        )
        if isinstance(events[-1], MassCanceled):
            ids = [str(report.order_id) for report in events[:-1]]
            assert answer == {"canceled": events[-1].count, "order_ids": ids}
            return
        own = [report for report in events if report.order_id == events[0].order_id]
        fills = answer.pop("fills")
        assert answer.pop("exec_type") == own[-1].exec_type
        self._agree_order(answer, own[-1])
        assert fills == [
            {
                "trade_id": str(report.trade_id),
                "price": report.last_price,
                "quantity": report.last_quantity,
                "notional": report.last_notional,
                "fee": report.fee,
                "liquidity": report.liquidity,
            }
            for report in own
            if report.exec_type == "trade"
        ]

    def _agree_order(self, order: Object, report: ExecutionReport) -> None:
        assert order.pop("order_id") == str(report.order_id)
        order["symbol"] = order["symbol"].removesuffix(self._mark)
        # Plain orders, all of them: what is open of one is shown.
        shown = report.leaves_quantity if report.status in ("new", "partially_filled") else "0"
        assert order.pop("displayed_quantity") == shown
        assert (order.pop("waits"), order.pop("list_id"), order.pop("terms")) == (False, None, None)
        assert order == {key: getattr(report, key) for key in _ORDER_FIELDS}

    def order(self, report: ExecutionReport) -> Object:
        order = self._get(report.account, f"/v1/orders/{report.order_id}")
        self._agree_order(order, _as_it_is(report))
        return order

    def open_orders(self, account: str) -> list[int]:
        return [int(order["order_id"]) for order in reversed(self._get(account, "/v1/orders", limit=1000)["orders"])]

    def book(self, symbol: str) -> Book:
        book = self._get(None, f"/v1/market/{self._marked('symbol', symbol)}/book", depth=1000)
        assert book["sequence"] == self._ex.sequence
        bids, asks = ([PriceLevel(**level) for level in book[half]] for half in ("bids", "asks"))
        return Book(symbol, book["sequence"], bids, asks)

    def balance(self, account: str, asset: str) -> Balance:
        name = self._marked("asset", asset)
        balances = self._get(account, "/v1/account/balances")["balances"]
        return next((Balance(**row) for row in balances if row["asset"] == name), Balance(name, "0", "0", "0"))

    def last_price(self, symbol: str) -> str | None:
        price: str | None = self._get(None, f"/v1/market/{self._marked('symbol', symbol)}/ticker")["last_price"]
        return price

    def trading_status(self, symbol: str) -> str:
        (row,) = (row for row in self._ex.node.instruments() if row["symbol"] == self._marked("symbol", symbol))
        status: str = row["status"]
        return status

    # At the end.

    def reconcile(self, reports: dict[int, ExecutionReport]) -> None:
        """Holds all that REST tells about the scenario's orders and trades against the scenario's events."""
        events = [self._plain(event) for event in self._ex.events(self._first)]
        trades = [event for event in events if isinstance(event, ExecutionReport) and event.exec_type == "trade"]
        for account in self.accounts - {"venue"}:
            expected = [report for _, report in sorted(reports.items(), reverse=True) if report.account == account]
            orders = self._get(account, "/v1/orders", status="all", limit=1000)["orders"]
            assert len(orders) == len(expected)
            for order, report in zip(orders, expected, strict=True):
                self._agree_order(order, _as_it_is(report))
            told = self._get(account, "/v1/trades", limit=1000)["trades"]
            assert [self._side(trade) for trade in told] == [
                (str(t.trade_id), str(t.order_id), t.client_order_id, t.symbol, t.side, t.liquidity, t.last_price,
                 t.last_quantity, t.last_notional, t.fee, t.sequence, timestamp(t.event_time_ns))
                for t in reversed(trades) if t.account == account
            ]  # fmt: skip
            marked = self._marked("account", account)
            assert self._get(account, "/v1/account/balances")["balances"] == [
                {"asset": row.asset, "total": row.total, "held": row.held, "available": row.available}
                for row in self._ex.balances(marked)
            ]
        for symbol in self.symbols:
            told = self._get(None, f"/v1/market/{self._marked('symbol', symbol)}/trades", limit=1000)["trades"]
            keys = ("trade_id", "price", "quantity", "aggressor_side", "maker_order_id", "taker_order_id", "sequence")
            assert [tuple(trade[key] for key in keys) for trade in told] == [
                (str(t.trade_id), t.last_price, t.last_quantity, t.side, str(t.counter_order_id), str(t.order_id),
                 t.sequence)
                for t in reversed(trades) if t.symbol == symbol and t.liquidity == "taker"
            ]  # fmt: skip

    def _side(self, trade: Object) -> tuple[Any, ...]:
        assert trade.pop("fee_asset").endswith(self._mark)
        trade["symbol"] = trade["symbol"].removesuffix(self._mark)
        assert (trade.pop("busted"), trade.pop("corrected_price")) == (False, None)
        return tuple(trade.values())

    def leave(self) -> None:
        """Takes what is left out of the books."""
        for symbol in self.symbols:
            self._ex.mass_cancel(symbol=self._marked("symbol", symbol))


def _why_not(kind: str, command: Object, order_id: int | None) -> str | None:
    """Why a command does not go over HTTP; the empty text if it is no account's; None if it does."""
    if kind not in _SAID:
        return ""
    if command["account"] is None:
        return ""
    if kind == "replace_order" and not {"price", "quantity", "client_order_id"} & command.keys():
        return "a PATCH that changes nothing is refused as it stands (missing_field)"
    if kind in ("cancel_order", "replace_order"):
        name = command.get("client_order_id" if kind == "cancel_order" else "original_client_order_id")
        if order_id is None and name is None:
            return "a path names an order"
        if order_id is not None and name is not None:
            return "a path names an order once"
    return None


def _as_it_is(report: ExecutionReport) -> ExecutionReport:
    """The order of its last report. What was only restated has no reason to be canceled."""
    return report if report.status == "canceled" else replace(report, cancel_reason=None)


def _path(order_id: int | None, client_order_id: str | None) -> str:
    reference = str(order_id) if client_order_id is None else f"client:{quote(client_order_id, safe='')}"
    return f"/v1/orders/{reference}"


@each_scenario
def test_scenario_over_http(scenario: Scenario, server: Running, client: httpx.Client) -> None:
    """Every scenario comes out as written."""
    tally = TALLIES["over HTTP"]
    if scenario.sets_time:
        tally.timed += 1
        pytest.skip("the application takes its own time")
    if not _is_served(scenario):
        tally.unserved += 1
        pytest.skip("the application does not know the whole rulebook yet")
    door = OverHttp(server, client, scenario.venue)
    runner = Runner(scenario, door)
    try:
        runner.run()
        door.reconcile(runner.reports)
    except Unsayable as unsayable:
        tally.unsaid.append(f"{scenario.file}: {scenario.name}: {unsayable}")
        pytest.skip(str(unsayable))
    finally:
        door.leave()
    tally.scenarios += 1
    tally.checks += runner.checks
    tally.unsaid += [f"{scenario.file}: {scenario.name}: {reason}" for reason in door.unsaid]
