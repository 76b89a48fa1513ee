"""The scenarios over REST, against the real application on a real socket.

What an account does goes over HTTP with its key, what staff does with a key of staff, and so does every look at books,
orders, balances and statuses. Only the venue is set up on the application's own node, and what REST has no words for is
done there, with the reason printed at the end.

One server serves many scenarios. So that they do not see each other, each has assets, instruments and accounts of its
own, under names that only it uses, and at its end nothing of it is left in a book. The server's clock is a manual one
that nobody moves, so nothing of a scenario falls due in a later one. A scenario that says when its commands come has a
server of its own, and so has one that does something to everybody.

An answer shows its account its own side only. So the events that a step is checked against are the node's, and every
answer is held against them, field by field; at the end the same is done with all lists that REST gives, and with the
tables of the store.
"""

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, replace
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

import pytest

from beurs import Exchange
from beurs.catalogue import Catalogue
from beurs.exchange import Balance, Book, PriceLevel
from beurs.keys import Operator, Trader, digest
from beurs.reports import (
    AuctionEnded,
    AuctionIndication,
    Event,
    ExecutionReport,
    OrderListStatus,
    OrderTerms,
    TradeCorrected,
    TradingStatusSet,
    Translator,
)
from beurs.store import Repository
from beurs.store.audit import check
from beurs.web.problems import REJECT_STATUS
from tests.scenarios import answers, rest
from tests.scenarios.commands import (
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
from tests.waiting import WAIT_SECONDS_MAX

SCENARIOS_OF_A_SERVER = 100
"""More make the lists long in which one is looked up."""
_NUMBERS = itertools.count(1)
_NAMES = ("account", "symbol", "asset", "buyer", "seller")


class _OverNode(Exchange):
    """The in-process API over a node that is there already."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self._journalled = True
        self._catalogue = Catalogue(node)
        self._translator = Translator(self._catalogue)


@dataclass(frozen=True)
class Reply:
    """What the server answers."""

    status: int
    content: bytes

    @property
    def is_success(self) -> bool:
        """Whether it is."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body."""
        return json.loads(self.content)


class Client:
    """A connection that stays. A library for people would take most of the time of these tests."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS_MAX)

    def request(self, key: str | None, method: str, path: str, parameters: Object, body: Object | None) -> Reply:
        """Asks, and waits for the answer."""
        headers = {} if key is None else {"X-API-Key": key}
        if body is not None:
            headers["Content-Type"] = "application/json"
        target = f"{path}?{urlencode(parameters)}" if parameters else path
        self._connection.request(method, target, None if body is None else json.dumps(body), headers)
        response = self._connection.getresponse()
        return Reply(response.status, response.read())

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()


@dataclass
class Shared:
    """A server that scenarios share, and how many trades and order lists those before have made."""

    running: Running
    client: Client
    trades: int = 0
    lists: int = 0
    scenarios: int = 0


class Servers:
    """Starts servers, and stops those that have served enough."""

    def __init__(self, directories: pytest.TempPathFactory) -> None:
        self._directories = directories
        self._opened = ExitStack()
        self._shared: Shared | None = None

    @contextmanager
    def fresh(self) -> Iterator[Shared]:
        """One for one scenario."""
        directory = self._directories.mktemp("scenario")
        for running in run(settings(directory, demo=False, clock="manual")):
            running.exchange.keys.add(digest(rest.OPERATOR), Operator(rest.OPERATOR))
            with closing(Client(running.port)) as client:
                yield Shared(running, client)
            # The tables keep their own rules, too.
            assert running.exchange.projector.wait_for(running.exchange.node.sequence, WAIT_SECONDS_MAX)
            assert check(running.exchange.store) == []

    def shared(self) -> Shared:
        """One for many scenarios."""
        if self._shared is None or self._shared.scenarios == SCENARIOS_OF_A_SERVER:
            self.close()
            self._shared = self._opened.enter_context(self.fresh())
        self._shared.scenarios += 1
        return self._shared

    def close(self) -> None:
        """Stops the shared one."""
        self._shared = None
        self._opened.close()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The servers of this module."""
    servers = Servers(tmp_path_factory)
    yield servers
    servers.close()


class OverHttp(Door):
    """A venue of its own within a running application."""

    looks_at_everybody = False

    def __init__(self, shared: Shared, scenario: Scenario, counts: Counter[str]) -> None:
        self.unsaid: list[str] = []
        self._counts = counts
        self._mark = f".{next(_NUMBERS)}"
        self._shared = shared
        self._keys = shared.running.exchange.keys
        self._client = shared.client
        self._ex = _OverNode(shared.running.exchange.node)
        self._first = self._ex.sequence
        self._moves_time = scenario.sets_time
        venue = scenario.venue
        self.begun_ns = set_up(self._ex, self._marked_venue(venue), self.set_time)
        self._begun = self._ex.sequence
        self._get(None, "/v1/instruments")  # Now it knows them.
        self.symbols = [instrument["symbol"] for instrument in venue["instruments"]]
        self.accounts = {account["code"] for account in venue["accounts"]} - {"venue"}

    # Names.

    def _marked(self, key: str, name: Any) -> Any:
        """The name that this scenario's thing has in the application."""
        if key == "trade_id":
            return name + self._shared.trades
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
            key: self._marked(key, value) if key in (*_NAMES, "trade_id") else self._marked_command(value)
            for key, value in said.items()
            if key != "order"
        }

    def _plain(self, event: Event) -> Event:
        """The event with the scenario's names and numbers."""
        plain: dict[str, Any] = {}
        for key in _NAMES:
            name = getattr(event, key, None)
            if name is not None:
                plain[key] = name.removesuffix(self._mark)
        for key, before in (("trade_id", self._shared.trades), ("list_id", self._shared.lists)):
            number = getattr(event, key, None)
            if number is not None:
                plain[key] = number - before
        return replace(event, **plain) if plain else event

    # Requests.

    def _key(self, account: str, key_id: int = 0) -> str:
        """The key of an account, by the application's name of it. It becomes valid when it is used first."""
        key = f"key-{key_id}-of-{account}"
        if self._keys.trader(key.encode()) is None:
            known = self._ex._catalogue.account(account)
            self._keys.add(digest(key), Trader(known.account_id, known.code, key_id))
        return key

    def _get(self, account: str | None, path: str, **parameters: str | int) -> Any:
        """Of an account by the scenario's name of it."""
        key = None if account is None else self._key(self._marked("account", account))
        reply = self._client.request(key, "GET", path, parameters, None)
        assert reply.status == 200, reply
        return reply.json()

    # What a door does.

    def set_time(self, time_ns: int) -> list[Event]:
        return [self._plain(event) for event in self._ex.set_time(time_ns)] if self._moves_time else []

    def execute(self, kind: str, command: Object, order_id: int | None) -> Answer:
        marked = self._marked_command(command)
        try:
            request = rest.request(kind, marked, order_id, self._settled)
        except rest.Unsaid as why:
            if kind != "advance_time":  # When nothing is due; when something is, moving the clock has done it.
                self.unsaid.append(f"{kind}: {why}")
            self._counts["on the node"] += 1
            answer = execute_in_process(self._ex, kind, marked, order_id)
            return Answer(answer.code, [self._plain(event) for event in answer.events], answer.unsaid)
        self._counts["over HTTP"] += 1
        before = self._ex.sequence
        if request.operator is None:
            assert request.account is not None
            key = self._key(request.account, request.key_id)
        else:
            key = request.operator
            if self._keys.operator(key.encode()) is None:
                self._keys.add(digest(key), Operator(key))
        reply = self._client.request(key, request.method, request.path, request.parameters, request.body)
        events = self._ex.events(before)
        if reply.is_success:
            assert reply.status == request.status
            self._agree(kind, request, reply.json(), events)
            if request.operator is not None and kind != "administer":
                events = events[1:]  # Who and why; the scenario has no word of it.
            return Answer(None, [self._plain(event) for event in events])
        return self._refused(kind, reply, [self._plain(event) for event in events])

    def _agree(self, kind: str, request: rest.Request, answer: Object, events: list[Event]) -> None:
        """Holds an answer against the events of its command."""
        assert {event.sequence for event in events} == {self._ex.sequence}, "one command was executed"
        if request.operator is not None:
            assert request.body is not None
            answers.check_change(answer, request.body, events)
            return
        match kind:
            case "new_order" | "cancel_order" | "replace_order":
                first = events[0]
                assert isinstance(first, ExecutionReport)
                answers.check_report(answer, first.order_id, events, self._ex.order)
            case "new_order_list":
                answers.check_list(answer, events, self._ex.order)
            case "cancel_replace":
                answers.check_cancel_replace(answer, events, self._ex.order)
            case "mass_cancel":
                answers.check_mass_cancel(answer, events)
            case "cancel_all_after":
                answers.check_cancel_all_after(answer, events)
            case _:
                raise AssertionError(f"{kind} is not known")

    def _refused(self, kind: str, reply: Reply, events: list[Event]) -> Answer:
        error = reply.json()["error"]
        code = error["code"]
        assert error["message"]
        if code == "too_large" and error["field"] in TOO_LARGE:
            assert events == []
            self.unsaid.append(f"{kind}: {TOO_LARGE_UNSAID}")
            return Answer(TOO_LARGE[error["field"]], events)
        if code not in REJECT_STATUS:
            assert reply.status == 422, reply
            assert events == []
            refused = f"refused before the engine sees it: {error['field']}: {error['message']}"
            self.unsaid.append(f"{kind}: {refused}")
            return Answer(None, events, refused)
        assert reply.status == REJECT_STATUS[code], reply
        if events:
            (event,) = events
            assert getattr(event, "code", None) == code, "the answer says what the engine said"
        return Answer(code, events)

    def _settled(self, trade_id: int) -> Object | None:
        """With which figures a trade is settled now, from its reports and corrections."""
        events = self._ex.events(self._first)
        sides = {
            event.side: event
            for event in events
            if isinstance(event, ExecutionReport) and event.trade_id == trade_id and event.exec_type == "trade"
        }
        if not sides:
            return None
        buy, sell = sides["buy"], sides["sell"]
        corrected = [event for event in events if isinstance(event, TradeCorrected) and event.trade_id == trade_id]
        return {
            "symbol": buy.symbol,
            "buyer": buy.account,
            "seller": sell.account,
            "price": corrected[-1].new_price or corrected[-1].price if corrected else buy.last_price,
            "quantity": buy.last_quantity,
            "buyer_fee": buy.fee,
            "seller_fee": sell.fee,
        }

    def order(self, report: ExecutionReport) -> Object:
        order: Object = self._get(report.account, f"/v1/orders/{report.order_id}")
        self._check_order(order)
        return order | {"symbol": report.symbol}

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
        status: str = self._get(None, f"/v1/instruments/{self._marked('symbol', symbol)}")["status"]
        return status

    # At the end.

    def _check_order(self, order: Object) -> None:
        """An order that REST shows, against its last report, its last terms and the node."""
        order_id = int(order["order_id"])
        mine = [event for event in self._ex.events(self._first) if getattr(event, "order_id", None) == order_id]
        report = [event for event in mine if isinstance(event, ExecutionReport)][-1]
        terms = ([event for event in mine if isinstance(event, OrderTerms)] or [None])[-1]
        now = self._ex.order(order_id)
        answers.check_order(order, answers.as_it_is(report), answers.terms_now(terms, now), now)

    def reconcile(self) -> None:
        """Holds all that REST lists, and the tables, against the scenario's events and the node's state."""
        events = self._ex.events(self._first)
        exchange = self._shared.running.exchange
        assert exchange.projector.wait_for(self._ex.sequence, WAIT_SECONDS_MAX)
        repository = Repository(exchange.store)
        reports = {event.order_id: event for event in events if isinstance(event, ExecutionReport)}
        terms = {event.order_id: event for event in events if isinstance(event, OrderTerms)}
        trades = [event for event in events if isinstance(event, ExecutionReport) and event.exec_type == "trade"]
        instruments = {instrument.symbol: instrument for instrument in self._ex.instruments()}
        touched = {getattr(event, "account", None) for event in events if event.sequence > self._begun}
        for plain in self.accounts:
            account = self._marked("account", plain)
            if account not in touched:
                continue
            account_id = self._ex._catalogue.account(account).account_id
            orders = self._get(plain, "/v1/orders", status="all", limit=1000)["orders"]
            expected = [report for _, report in sorted(reports.items(), reverse=True) if report.account == account]
            assert [order["order_id"] for order in orders] == [str(report.order_id) for report in expected]
            for order, report in zip(orders, expected, strict=True):
                now = self._ex.order(report.order_id)
                its = answers.terms_now(terms.get(report.order_id), now)
                answers.check_order(order, answers.as_it_is(report), its, now)
            told = self._get(plain, "/v1/trades", limit=1000)["trades"]
            assert told == [
                answers.own_trade(trade, instruments[trade.symbol].quote, events)
                for trade in reversed(trades)
                if trade.account == account
            ]
            assert self._get(plain, "/v1/account/balances")["balances"] == [
                asdict(balance) for balance in self._ex.balances(account)
            ]
            assert [
                (row.asset_id, row.total, row.held) for row in repository.balances(account_id) if row.total or row.held
            ] == self._ex.node.balances(account_id), "the table of balances"
            positions = [asdict(position) for position in self._ex.positions(account)]
            assert self._get(plain, "/v1/account/positions")["positions"] == positions
        for symbol in (self._marked("symbol", symbol) for symbol in self.symbols):
            told = self._get(None, f"/v1/market/{symbol}/trades", limit=1000)["trades"]
            assert told == [
                answers.public_trade(trade, events)
                for trade in reversed(trades)
                if trade.symbol == symbol
                and (trade.liquidity == "taker" or (trade.liquidity, trade.side) == ("auction", "buy"))
            ]
            self._check_status(symbol, [event for event in events if getattr(event, "symbol", None) == symbol])
        self._check_lists(events, reports, terms)

    def _check_status(self, symbol: str, events: list[Event]) -> None:
        sets = [event for event in events if isinstance(event, TradingStatusSet)]
        told = self._get(None, f"/v1/instruments/{symbol}")
        (row,) = (row for row in self._ex.node.instruments() if row["symbol"] == symbol)
        assert told["status"] == row["status"]
        assert (told["status"], told["status_reason"], told["auction_end_time"]) == (
            (sets[-1].status, sets[-1].reason, answers.time(sets[-1].end_time_ns))
            if sets
            else ("open", "requested", None)
        )
        auction = self._get(None, f"/v1/market/{symbol}/auction")
        ended = [event for event in events if isinstance(event, AuctionEnded)]
        assert auction["last_auction"] == (
            {
                "price": ended[-1].price,
                "volume": ended[-1].volume,
                "timestamp": answers.time(ended[-1].event_time_ns),
            }
            if ended
            else None
        )
        since = next((at for at in reversed(range(len(events))) if isinstance(events[at], TradingStatusSet)), 0)
        told_since = [event for event in events[since:] if isinstance(event, AuctionIndication)]
        assert auction["indication"] == (
            {name: getattr(told_since[-1], name) for name in ("price", "volume", "imbalance")} if told_since else None
        )

    def _check_lists(
        self, events: list[Event], reports: dict[int, ExecutionReport], terms: dict[int, OrderTerms]
    ) -> None:
        states: dict[int, list[OrderListStatus]] = {}
        for event in events:
            if isinstance(event, OrderListStatus):
                states.setdefault(event.list_id, []).append(event)
        for list_id, said in states.items():
            told = self._get(said[0].account.removesuffix(self._mark), f"/v1/order-lists/{list_id}")
            orders = told.pop("orders")
            assert told == {
                "list_id": str(list_id),
                "symbol": said[0].symbol,
                "contingency": said[0].contingency,
                "status": said[-1].status,
                "created_at": answers.time(said[0].event_time_ns),
                "updated_at": answers.time(said[-1].event_time_ns),
            }
            mine = sorted(order_id for order_id, its in terms.items() if its.list_id == list_id)
            assert [order["order_id"] for order in orders] == [str(order_id) for order_id in mine]
            for order, order_id in zip(orders, mine, strict=True):
                report, now = answers.as_it_is(reports[order_id]), self._ex.order(order_id)
                answers.check_order(order, report, answers.terms_now(terms[order_id], now), now)

    def leave(self) -> None:
        """Takes what is left out of the books, and counts on."""
        for symbol in self.symbols:
            self._ex.mass_cancel(symbol=self._marked("symbol", symbol))
        events = self._ex.events(self._first)
        for event in events:
            if isinstance(event, ExecutionReport) and event.trade_id is not None:
                self._shared.trades = max(self._shared.trades, event.trade_id)
            elif isinstance(event, OrderListStatus):
                self._shared.lists = max(self._shared.lists, event.list_id)


COUNTS: Counter[str] = Counter()


def _is_alone(scenario: Scenario) -> bool:
    return scenario.sets_time or any(rest.is_of_everybody(kind, command) for kind, command in scenario.commands())


@each_scenario
def test_scenario_over_http(scenario: Scenario, servers: Servers) -> None:
    """Every scenario comes out as written."""
    tally = TALLIES["over HTTP"]
    with ExitStack() as stack:
        shared = stack.enter_context(servers.fresh()) if _is_alone(scenario) else servers.shared()
        door = OverHttp(shared, scenario, COUNTS)
        runner = Runner(scenario, door)
        try:
            runner.run()
            door.reconcile()
        except Unsayable as unsayable:
            tally.skip(scenario, unsayable)
        finally:
            door.leave()
    tally.scenarios += 1
    tally.checks += runner.checks
    tally.notes = [f"commands {where}: {count}" for where, count in COUNTS.items()]
    tally.unsaid += [f"{scenario.file}: {scenario.name}: {reason}" for reason in door.unsaid]
