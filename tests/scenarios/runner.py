"""Reads the scenario tables and checks them, whatever they are said through. The format is described in README.md.

`Runner` keeps what it has seen and makes every check; what the venue is, how a command reaches it and how its state is
read is left to a `Door`. A scenario that says something that is not known here is an error: a misspelt check must not
pass.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from beurs import Exchange
from beurs.errors import DecimalError, Rejected
from beurs.exchange import Balance, Book, Result
from beurs.reports import (
    AccountGroupSet,
    Event,
    ExecutionReport,
    FeesSet,
    MassCanceled,
    Posted,
    Rejection,
    TradingStatusSet,
)

Object = dict[str, Any]

FIELDS: dict[str, tuple[str, ...]] = {
    "new_order": (
        "account", "symbol", "side", "order_type", "time_in_force", "post_only", "self_trade_prevention", "price",
        "quantity", "quote_quantity", "client_order_id", "order",
    ),
    "cancel_order": ("account", "order", "order_id", "client_order_id"),
    "replace_order": (
        "account", "order", "order_id", "original_client_order_id", "client_order_id", "price", "quantity",
    ),
    "mass_cancel": ("account", "symbol", "side"),
    "deposit": ("account", "asset", "amount"),
    "withdraw": ("account", "asset", "amount"),
    "set_fees": ("symbol", "group_id", "maker_ppm", "taker_ppm"),
    "set_account_group": ("account", "group_id"),
    "set_trading_status": ("symbol", "status"),
}  # fmt: skip
"""The commands, and what may be said of each."""

CHECKS = ("rejected", "events", "trades", "fills", "orders", "book", "levels", "balances", "last_price")

_WORDS = (
    "account", "symbol", "exec_type", "status", "side", "order_type", "time_in_force", "self_trade_prevention",
)  # fmt: skip
_WORDS_OR_NONE = ("cancel_reason", "liquidity")
_DECIMALS = (
    "price", "last_price", "quantity", "filled_quantity", "leaves_quantity", "last_quantity", "quote_quantity",
    "last_notional", "fee", "hold",
)  # fmt: skip

TOO_LARGE = {"price": "invalid_price", "quantity": "invalid_quantity"}
"""What the engine says of a number above 2**53 - 1. Both doors refuse it before, as `too_large`."""
TOO_LARGE_UNSAID = "a number above 2^53 - 1 is refused before the engine sees it (too_large)"


@dataclass(frozen=True)
class Scenario:
    """One scenario, with what its file says for all of them."""

    file: str
    name: str
    venue: Object
    steps: list[Object]


def scenarios() -> list[Scenario]:
    """Every scenario of the directory."""
    found = []
    for path in sorted(Path(__file__).parent.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        known_keys(content, "source", "about", "venue", "setup", "scenarios")
        for scenario in content["scenarios"]:
            known_keys(scenario, "name", "differences", "venue", "steps")
            venue = scenario.get("venue", content["venue"])
            steps = content.get("setup", []) + scenario["steps"]
            found.append(Scenario(path.stem, scenario["name"], venue, steps))
    assert len({(scenario.file, scenario.name) for scenario in found}) == len(found), "names are unique in their file"
    return found


def each_scenario(test: Any) -> Any:
    """Runs a test for each scenario."""
    return pytest.mark.parametrize("scenario", scenarios(), ids=lambda scenario: f"{scenario.file}: {scenario.name}")(
        test
    )


def known_keys(said: Iterable[str], *known: str) -> None:
    """Refuses what is not known."""
    unknown = set(said) - set(known)
    assert not unknown, f"{unknown} is not one of {known}"


@dataclass
class Tally:
    """What a way of running the scenarios has done."""

    way: str
    scenarios: int = 0
    checks: int = 0
    unsaid: list[str] = field(default_factory=list)
    """Commands that could not be said this way, and why."""


@dataclass(frozen=True)
class Answer:
    """What became of a command: why it was refused, or None, and its events if it came to have any."""

    code: str | None
    events: list[Event]
    unsaid: str = ""
    """Why it could not be said, if it could not."""


class Door(ABC):
    """One way to the venue of one scenario. What comes in and out has the scenario's names."""

    unsaid: list[str]

    @abstractmethod
    def execute(self, kind: str, command: Object, order_id: int | None) -> Answer:
        """Executes a command; `order_id` is that of the order it names, if it names one by name or order_id."""

    @abstractmethod
    def order(self, report: ExecutionReport) -> Object:
        """The order of this last report as it is now: at least the report's fields that are no trade's."""

    @abstractmethod
    def open_orders(self, account: str) -> list[int]:
        """The order_ids of an account's open orders."""

    @abstractmethod
    def book(self, symbol: str) -> Book:
        """The whole book."""

    @abstractmethod
    def balance(self, account: str, asset: str) -> Balance:
        """A balance."""

    @abstractmethod
    def last_price(self, symbol: str) -> str | None:
        """The price of the last trade."""


def set_up(ex: Exchange, venue: Object) -> None:
    """Makes a venue, in the order in which it is listed."""
    known_keys(venue, "assets", "instruments", "accounts", "fees")
    for asset in venue.get("assets", ()):
        ex.add_asset(**asset)
    for instrument in venue.get("instruments", ()):
        ex.list_instrument(**instrument)
    for fees in venue.get("fees", ()):
        ex.set_fees(**fees)
    for account in venue.get("accounts", ()):
        known_keys(account, "code", "group_id", "deposits")
        if not account["code"].startswith("venue"):
            ex.open_account(account["code"], group_id=account.get("group_id", 0))
        for asset, amount in account.get("deposits", {}).items():
            ex.deposit(account["code"], asset, amount)


def execute_in_process(ex: Exchange, kind: str, command: Object, order_id: int | None) -> Answer:
    """Executes a command through the in-process API, and holds what it returns against the events."""
    before = ex.sequence
    returned: Any
    try:
        returned = _call(ex, kind, command, order_id)
    except (Rejected, DecimalError) as refused:
        returned = refused
    events = ex.events(before)
    match returned:
        case Rejected():
            for event in events:  # one; what the API can tell by itself has none
                assert event == Rejection(
                    sequence=returned.sequence,
                    event_time_ns=ex.event_time_ns,
                    code=returned.code,
                    reason=returned.reason,
                    account_id=event.account_id,
                    instrument_id=event.instrument_id,
                    order_id=event.order_id,
                    client_order_id=event.client_order_id,
                )
            return Answer(returned.code, events)
        case DecimalError():
            assert returned.code == "too_large", returned
            assert events == []
            return Answer(TOO_LARGE[returned.field], events, TOO_LARGE_UNSAID)
        case Result():
            assert returned.reports == events
            own = [report for report in returned.reports if report.order_id == returned.order_id]
            assert returned.status == own[-1].status
            assert returned.trades == [report for report in own if report.exec_type == "trade"]
        case ExecutionReport():
            assert [returned] == events
        case list() if isinstance(events[-1], MassCanceled):
            assert returned == events[:-1]
        case list():
            assert returned == events
        case Balance():
            (posted,) = events
            assert isinstance(posted, Posted)
            assert (returned.asset, returned.total, returned.held) == (posted.asset, posted.total, posted.held)
            assert returned == ex.balance(posted.account, posted.asset)
        case _:
            assert returned is None
    assert {event.sequence for event in events} == {before + 1}, "one command was executed"
    return Answer(None, events)


def _call(ex: Exchange, kind: str, command: Object, order_id: int | None) -> Any:
    c = {key: value for key, value in command.items() if key not in ("order", "order_id")}
    match kind:
        case "new_order":
            return ex.submit(**{"order_type": "limit"} | c)
        case "cancel_order":
            return ex.cancel(order_id=order_id, **c)
        case "replace_order":
            names = {"client_order_id": "new_client_order_id", "original_client_order_id": "client_order_id"}
            return ex.replace(order_id=order_id, **{names.get(key, key): value for key, value in c.items()})
        case _:
            return getattr(ex, kind)(**c)


class Runner:
    """One scenario while it runs."""

    def __init__(self, scenario: Scenario, door: Door) -> None:
        self.scenario = scenario
        self.door = door
        self.orders: dict[str, int] = {}
        self.events: list[Event] = []
        self.reports: dict[int, ExecutionReport] = {}
        """The last report of each order."""
        self.checks = 0

    def run(self) -> None:
        """Runs every step."""
        for number, step in enumerate(self.scenario.steps, 1):
            try:
                self.step(step)
            except BaseException as error:
                error.add_note(f"{self.scenario.file}.json: {self.scenario.name}, step {number}: {json.dumps(step)}")
                raise

    def step(self, step: Object) -> None:
        """Runs one step: its command, then its checks."""
        known_keys(step, *FIELDS, *CHECKS)
        kinds = [kind for kind in FIELDS if kind in step]
        assert len(kinds) <= 1, "a step has one command"
        for kind in kinds:
            self.command(kind, step[kind], step.get("rejected"))
        for check in CHECKS:
            if check in step:
                self.checks += 1
                if check != "rejected":
                    getattr(self, f"check_{check}")(step[check])

    def command(self, kind: str, command: Object, rejected: str | None) -> None:
        """Executes a command and checks whether it was refused, and all that can be known without being told."""
        known_keys(command, *FIELDS[kind])
        assert not ("order" in command and "order_id" in command), "order or order_id"
        if kind == "new_order":
            order_id = None
        elif "order" in command:
            order_id = self.orders[command["order"]]
        else:
            order_id = command.get("order_id")
        answer = self.door.execute(kind, command, order_id)
        assert answer.code == rejected, f"refused for {answer.code} instead of {rejected}"
        self.events = answer.events
        for event in answer.events:
            if isinstance(event, ExecutionReport):
                self.reports[event.order_id] = event
        if kind == "new_order" and answer.code is None:
            entered = answer.events[0]
            assert isinstance(entered, ExecutionReport)
            name = command.get("order", command.get("client_order_id"))
            if name is not None:
                self.orders[name] = entered.order_id
        for account in {report.account for report in self.reports.values()}:
            expected = [
                order_id
                for order_id, report in sorted(self.reports.items())
                if report.account == account and report.status in ("new", "partially_filled")
            ]
            assert self.door.open_orders(account) == expected, f"the open orders of {account}"

    # Checks.

    def check_events(self, expected: list[Object]) -> None:
        assert len(self.events) == len(expected), self.events
        for event, fields in zip(self.events, expected, strict=True):
            kind = fields.get("event", "execution")
            rest = {key: value for key, value in fields.items() if key != "event"}
            match kind, event:
                case "execution", ExecutionReport():
                    self.check_execution(event, rest)
                case "mass_canceled", MassCanceled():
                    assert rest == {"count": event.count}
                case "posted", Posted():
                    known_keys(rest, "account", "asset", "amount", "total", "held")
                    for key, value in rest.items():
                        actual = getattr(event, key)
                        assert actual == value or Decimal(actual) == Decimal(value), f"{key} of {event}"
                case (
                    ("fees_set", FeesSet())
                    | ("account_group_set", AccountGroupSet())
                    | (
                        "trading_status_set",
                        TradingStatusSet(),
                    )
                ):
                    known_keys(rest)
                case _:
                    raise AssertionError(f"{kind} was expected instead of {event}")

    def check_execution(self, report: ExecutionReport, expected: Object) -> None:
        for key, value in expected.items():
            if key == "post_only":
                assert report.post_only is value, f"{key} of {report}"
            elif key in ("order", "counter_order"):
                assert self.name(getattr(report, f"{key}_id")) == value, f"{key} of {report}"
            else:
                self.check_field(getattr(report, key, None), key, value, report)

    def check_field(self, actual: str | None, key: str, expected: str, where: object) -> None:
        if key in _DECIMALS:
            assert Decimal(actual or "0") == Decimal(expected), f"{key} of {where}"
        elif key == "client_order_id":
            assert (actual or "") == expected, f"{key} of {where}"
        elif key in _WORDS_OR_NONE:
            assert (actual or "none") == expected, f"{key} of {where}"
        else:
            assert key in _WORDS, f"{key} is not a field of an execution"
            assert actual == expected, f"{key} of {where}"

    def trades(self) -> list[tuple[ExecutionReport, ExecutionReport]]:
        """The command's trades: the taker's report and the maker's."""
        sides = [event for event in self.events if isinstance(event, ExecutionReport) and event.exec_type == "trade"]
        trades = list(zip(sides[::2], sides[1::2], strict=True))
        for taker, maker in trades:
            assert (taker.liquidity, maker.liquidity) == ("taker", "maker")
            assert taker.trade_id == maker.trade_id
            assert (taker.counter_order_id, maker.counter_order_id) == (maker.order_id, taker.order_id)
        return trades

    def check_trades(self, expected: list[Object]) -> None:
        trades = self.trades()
        assert len(trades) == len(expected), trades
        for (taker, maker), fields in zip(trades, expected, strict=True):
            sides = {
                "maker": (maker, "order"),
                "taker": (taker, "order"),
                "price": (maker, "last_price"),
                "quantity": (maker, "last_quantity"),
                "maker_fee": (maker, "fee"),
                "taker_fee": (taker, "fee"),
            }
            for key, value in fields.items():
                report, name = sides[key]
                self.check_execution(report, {name: value})

    def check_fills(self, expected: Object) -> None:
        fills: dict[str, dict[str, Decimal]] = {}
        for sides in self.trades():
            for report in sides:
                fill = fills.setdefault(self.name(report.order_id), {"quantity": Decimal(0), "notional": Decimal(0)})
                fill["quantity"] += Decimal(report.last_quantity or "0")
                fill["notional"] += Decimal(report.last_notional or "0")
        wanted = {name: {key: Decimal(value) for key, value in fields.items()} for name, fields in expected.items()}
        assert fills == wanted, "what each order traded"

    def check_orders(self, expected: Object) -> None:
        for name, fields in expected.items():
            report = self.reports[self.orders[name]]
            self.check_execution(report, fields)
            now = self.door.order(report)
            for key, value in fields.items():
                if key in now:
                    if key == "cancel_reason" and report.exec_type == "restated":
                        continue  # why it was restated, which is in the report only
                    if key == "post_only":
                        assert now[key] is value
                    else:
                        self.check_field(now[key], key, value, now)

    def check_book(self, expected: Object) -> None:
        for symbol, halves in expected.items():
            known_keys(halves, "bids", "asks")
            book = self.door.book(symbol)
            for half, levels in halves.items():
                actual = [(Decimal(at.price), Decimal(at.quantity), at.orders) for at in getattr(book, half)]
                wanted = levels
                if wanted and wanted[-1] == "...":
                    wanted = wanted[:-1]
                    actual = actual[: len(wanted)]
                assert actual == [(Decimal(p), Decimal(q), orders) for p, q, orders in wanted], f"{half} of {symbol}"

    def check_levels(self, expected: Object) -> None:
        for symbol, halves in expected.items():
            known_keys(halves, "bids", "asks")
            book = self.door.book(symbol)
            for half, levels in halves.items():
                actual = {Decimal(at.price): (Decimal(at.quantity), at.orders) for at in getattr(book, half)}
                for price, level in levels.items():
                    wanted = None if level is None else (Decimal(level[0]), level[1])
                    assert actual.get(Decimal(price)) == wanted, f"{half} of {symbol} at {price}"

    def check_balances(self, expected: Object) -> None:
        for account, assets in expected.items():
            for asset, fields in assets.items():
                known_keys(fields, "total", "held")
                balance = self.door.balance(account, asset)
                assert Fraction(balance.available) == Fraction(balance.total) - Fraction(balance.held)
                for key, value in fields.items():
                    assert Decimal(getattr(balance, key)) == Decimal(value), f"{account}'s {key} {asset}"

    def check_last_price(self, expected: Object) -> None:
        for symbol, price in expected.items():
            actual = self.door.last_price(symbol)
            assert (actual and Decimal(actual)) == (price and Decimal(price)), f"the last price of {symbol}"

    def name(self, order_id: int | None) -> str:
        """What an order is called; the empty text if it has no name."""
        return next((name for name, known in self.orders.items() if known == order_id), "")
