"""Reads the scenario tables and checks them, whatever they are said through. The format is described in README.md.

`Runner` keeps what it has seen and makes every check; what the venue is, how a command reaches it and how its state is
read is left to a `Door`. A scenario that says something that is not known here is an error: a misspelt check must not
pass.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

import pytest

from beurs.exchange import Balance, Book
from beurs.reports import AuctionEnded, AuctionIndication, Event, ExecutionReport, OrderTerms
from tests.scenarios.commands import (
    FIELDS,
    STEP_NS,
    Answer,
    Object,
    Unsayable,
    check_command,
    entered,
    known_keys,
)
from tests.scenarios.events import check_event, check_fields, check_value

CHECKS = (
    "rejected", "events", "trades", "fills", "orders", "terms", "book", "levels", "balances", "last_price",
    "trading_status", "indications",
)  # fmt: skip


@dataclass(frozen=True)
class Scenario:
    """One scenario, with what its file says for all of them."""

    file: str
    name: str
    venue: Object
    steps: list[Object]

    @property
    def sets_time(self) -> bool:
        """Whether it says when its commands are executed."""
        return any("time_ns" in step for step in self.steps)

    def commands(self) -> Iterator[tuple[str, Object]]:
        """Its commands by kind, those that an `administer` holds too."""
        for step in self.steps:
            for kind in step.keys() & FIELDS.keys():
                yield kind, step[kind]
                if kind == "administer":
                    yield from ((held, step[kind][held]) for held in step[kind].keys() & FIELDS.keys())


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


@dataclass
class Tally:
    """What a way of running the scenarios has done."""

    way: str
    scenarios: int = 0
    checks: int = 0
    skipped: int = 0
    """Scenarios that were left out; why, `unsaid` says."""
    unsaid: list[str] = field(default_factory=list)
    """Commands that could not be said this way, and why."""
    notes: list[str] = field(default_factory=list)
    """What else there is to say at the end."""

    def skip(self, scenario: Scenario, why: Exception) -> NoReturn:
        """Leaves a scenario out."""
        self.skipped += 1
        self.unsaid.append(f"{scenario.file}: {scenario.name}: left out: {why}")
        pytest.skip(str(why))


class Door(ABC):
    """One way to the venue of one scenario. What comes in and out has the scenario's names."""

    unsaid: list[str]
    looks_at_everybody = True
    """Whether after each command the open orders of all accounts are looked at, or just of those that it reports."""
    begun_ns: int
    """When the last command of its setting up was executed."""

    @abstractmethod
    def set_time(self, time_ns: int) -> list[Event]:
        """Lets the time of the next command come, and gives the events of what is due by then."""

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

    @abstractmethod
    def trading_status(self, symbol: str) -> str:
        """What the instrument accepts."""


class Runner:
    """One scenario while it runs."""

    def __init__(self, scenario: Scenario, door: Door) -> None:
        self.scenario = scenario
        self.door = door
        self.orders: dict[str, int] = {}
        self.events: list[Event] = []
        self.reports: dict[int, ExecutionReport] = {}
        """The last report of each order."""
        self.terms: dict[int, OrderTerms] = {}
        """The last terms of each order that has any."""
        self.indications: dict[str, AuctionIndication] = {}
        """The last indication of each instrument, until its auction ends."""
        self.checks = 0
        self.time_ns = door.begun_ns

    def run(self) -> None:
        """Runs every step."""
        for number, step in enumerate(self.scenario.steps, 1):
            try:
                self.step(step)
            except BaseException as error:
                error.add_note(f"{self.scenario.file}.json: {self.scenario.name}, step {number}: {json.dumps(step)}")
                raise
        self.check_open_orders({report.account for report in self.reports.values()})

    def step(self, step: Object) -> None:
        """Runs one step: its command, then its checks."""
        known_keys(step, "time_ns", *FIELDS, *CHECKS)
        kinds = [kind for kind in FIELDS if kind in step]
        assert len(kinds) <= 1, "a step has one command"
        for kind in kinds:
            if self.scenario.sets_time:  # Else it stands still.
                self.time_ns = step.get("time_ns", self.time_ns + STEP_NS)
            self.command(kind, step[kind], step.get("rejected"))
        for check in CHECKS:
            if check in step:
                self.checks += 1
                if check != "rejected":
                    getattr(self, f"check_{check}")(step[check])

    def command(self, kind: str, command: Object, rejected: str | None) -> None:
        """Executes a command and checks whether it was refused, and all that can be known without being told."""
        check_command(kind, command)
        due = self.door.set_time(self.time_ns)
        if due and kind == "advance_time":
            answer = Answer(None, due)
        elif due:
            raise Unsayable("a node does what is due before it executes another command")
        else:
            answer = self.door.execute(kind, command, self.order_id(kind, command))
        if answer.unsaid and answer.code is None:
            assert rejected is not None, answer.unsaid
        else:
            assert answer.code == rejected, f"refused for {answer.code} instead of {rejected}"
        self.events = answer.events
        for event in answer.events:
            match event:
                case ExecutionReport():
                    self.reports[event.order_id] = event
                case OrderTerms():
                    self.terms[event.order_id] = event
                case AuctionIndication():
                    self.indications[event.symbol] = event
                case AuctionEnded():
                    self.indications.pop(event.symbol, None)
        new = (event for event in answer.events if isinstance(event, ExecutionReport) and event.exec_type == "new")
        for order, report in zip(entered(kind, command), new, strict=False):
            name = order.get("order", order.get("client_order_id"))
            if name is not None:
                self.orders[name] = report.order_id
        of = self.reports.values() if self.door.looks_at_everybody else answer.events
        self.check_open_orders({event.account for event in of if isinstance(event, ExecutionReport)})

    def check_open_orders(self, accounts: Iterable[str]) -> None:
        """Whether what these accounts have open is what the reports say."""
        for account in accounts:
            expected = [
                order_id
                for order_id, report in sorted(self.reports.items())
                if report.account == account and report.status in ("new", "partially_filled")
            ]
            assert self.door.open_orders(account) == expected, f"the open orders of {account}"

    def order_id(self, kind: str, command: Object) -> int | None:
        """The order_id of the order that a command names by name or order_id."""
        if kind == "administer":
            (held,) = command.keys() & FIELDS.keys()
            return self.order_id(held, command[held])
        if kind == "new_order":
            return None
        return self.orders[command["order"]] if "order" in command else command.get("order_id")

    # Checks.

    def check_events(self, expected: list[Object]) -> None:
        for event, fields in zip(self.events, expected, strict=False):
            check_event(event, fields, self.name)
        assert len(self.events) == len(expected), self.events

    def trades(self) -> list[tuple[ExecutionReport, ExecutionReport]]:
        """The command's trades: the taker's report and the maker's, of an auction the buyer's and the seller's."""
        sides = [event for event in self.events if isinstance(event, ExecutionReport) and event.exec_type == "trade"]
        trades = list(zip(sides[::2], sides[1::2], strict=True))
        for taker, maker in trades:
            assert (taker.liquidity, maker.liquidity) in (("taker", "maker"), ("auction", "auction"))
            assert taker.trade_id == maker.trade_id
            assert (taker.counter_order_id, maker.counter_order_id) == (maker.order_id, taker.order_id)
        return trades

    def check_trades(self, expected: list[Object]) -> None:
        trades = self.trades()
        assert len(trades) == len(expected), trades
        for (first, second), fields in zip(trades, expected, strict=True):
            names = ("buyer", "seller") if first.liquidity == "auction" else ("taker", "maker")
            sides = {"price": (second, "last_price"), "quantity": (second, "last_quantity")}
            for side, report in zip(names, (first, second), strict=True):
                sides |= {side: (report, "order"), f"{side}_fee": (report, "fee")}
            for key, value in fields.items():
                report, name = sides[key]
                check_fields(report, {name: value}, self.name)

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
            check_fields(report, fields, self.name)
            now = self.door.order(report)
            for key, value in fields.items():
                # Why it was restated, and what is shown after it came to rest, the report says only.
                if key in now and not (key == "cancel_reason" and report.exec_type == "restated"):
                    check_value(now[key], value, f"{key} of {now}")

    def check_terms(self, expected: Object) -> None:
        for name, fields in expected.items():
            check_fields(self.terms[self.orders[name]], fields, self.name)

    def check_indications(self, expected: Object) -> None:
        for symbol, fields in expected.items():
            check_fields(self.indications[symbol], fields, self.name)

    def check_trading_status(self, expected: Object) -> None:
        for symbol, status in expected.items():
            assert self.door.trading_status(symbol) == status, f"the status of {symbol}"

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
