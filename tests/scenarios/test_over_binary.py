"""The scenarios over the binary door, through the Python client.

Each scenario has a node and a gateway of its own. What an account does goes over its own connection; what only an
operator does goes to the node. The events that a step is checked against are the node's, and what the door tells each
account is held against them: all reports of it, in order, and the result of each request.
"""

from dataclasses import fields, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from beurs import Exchange, reports
from beurs.client import Client, TradeCorrected
from beurs.client.replies import Reply
from beurs.errors import DecimalError, InputError, Rejected
from beurs.exchange import Balance, Book, CancelReplaced, ListResult, Result
from beurs.reports import (
    CancelAllAfterSet,
    Event,
    ExecutionReport,
    KillSwitchSet,
    MassCanceled,
    OrderListStatus,
    OrderTerms,
    Posted,
    Rejection,
)
from beurs.signing import public_half
from beurs.values import Side
from tests.binary import gateway
from tests.scenarios.commands import TOO_LARGE, TOO_LARGE_UNSAID, Answer, Object, Unsayable, execute_in_process, set_up
from tests.scenarios.conftest import TALLIES
from tests.scenarios.runner import Door, Runner, Scenario, each_scenario

SECONDS = 60
_SAID = {
    "new_order",
    "cancel_order",
    "replace_order",
    "mass_cancel",
    "cancel_replace",
    "new_order_list",
    "cancel_all_after",
}
_OF_LISTS = {"quote_quantity", "peg", "peg_offset"}


class OverBinary(Door):
    """A node, a gateway, and a client for each key that is used."""

    def __init__(self, ex: Exchange, gate: Any, begun_ns: int) -> None:
        self.ex = ex
        self.unsaid: list[str] = []
        self.begun_ns = begun_ns
        self._gate = gate
        self._clients: dict[tuple[str, int], Client] = {}
        self._since: dict[tuple[str, int], int] = {}

    def client(self, account: str, key_id: int = 1) -> Client:
        """The client with that key of the account."""
        found = self._clients.get((account, key_id))
        if found is None:
            key = Ed25519PrivateKey.generate()
            self._gate.add_key(public_half(key), account, key_id)
            found = Client(self._gate.address, key, keep_reports=100_000, heartbeat_interval_ms=60_000)
            found.open()
            self._clients[account, key_id] = found
            self._since[account, key_id] = self.ex.sequence
        return found

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def set_time(self, time_ns: int) -> list[Event]:
        return self.ex.set_time(time_ns)

    def execute(self, kind: str, command: Object, order_id: int | None) -> Answer:
        why = _why_not(kind, command)
        if why is not None:
            if why:
                self.unsaid.append(f"{kind}: {why}")
            return execute_in_process(self.ex, kind, command, order_id)
        client = self.client(command["account"], _key_id(command))
        before = self.ex.sequence
        returned: Any
        try:
            returned = self._call(client, kind, command, order_id).result(SECONDS)
        except (Rejected, DecimalError, InputError) as refused:
            returned = refused
        events = self.ex.events(before)
        match returned:
            case Rejected():
                assert (events[0].code, events[0].sequence) == (returned.code, returned.sequence)  # type: ignore[union-attr]
                return Answer(returned.code, events)
            case DecimalError() if returned.code == "too_large" and returned.field in TOO_LARGE:
                assert events == []
                self.unsaid.append(f"{kind}: {TOO_LARGE_UNSAID}")
                return Answer(TOO_LARGE[returned.field], events, TOO_LARGE_UNSAID)
            case DecimalError() | InputError():
                assert events == []
                return Answer(None, events, f"refused before the engine sees it: {returned}")
        _agree(returned, self._told(events, command["account"]))
        return Answer(None, events)

    def _call(self, client: Client, kind: str, command: Object, order_id: int | None) -> Reply[Any]:
        c = {key: value for key, value in command.items() if key not in ("account", "order", "order_id")}
        match kind:
            case "new_order":
                return client.submit(**_order(c))
            case "cancel_order":
                return client.cancel(order_id, **c)
            case "replace_order":
                names = {"client_order_id": "new_client_order_id", "original_client_order_id": "client_order_id"}
                c = {names.get(key, key): value for key, value in c.items()}
                return client.replace(order_id, symbol=self._symbol(command["account"], order_id, c), **c)
            case "mass_cancel":
                return client.mass_cancel(**c)
            case "cancel_replace":
                return client.cancel_replace(order_id, **c | {"new_order": _order(c["new_order"])})
            case "new_order_list":
                return client.submit_list(c["contingency"], [_order(order) for order in c["orders"]])
            case _:
                return client.cancel_all_after(**c)

    def _symbol(self, account: str, order_id: int | None, c: Object) -> str | None:
        """The instrument of the order that is changed; any one where there is no such order."""
        for order in self.ex.open_orders(account):
            if order.order_id == order_id or (order_id is None and order.client_order_id == c.get("client_order_id")):
                return order.symbol
        return self.ex.instruments()[0].symbol

    def order(self, report: ExecutionReport) -> Object:
        for order in self.client(report.account).open_orders().result(SECONDS):
            if order.order_id == report.order_id:
                now = {field.name: getattr(order, field.name) for field in fields(order)}
                del now["terms"], now["displayed_quantity"]
                return now
        assert report.status in ("filled", "canceled", "expired")
        return {}

    def open_orders(self, account: str) -> list[int]:
        if account == "venue":
            return [order.order_id for order in self.ex.open_orders(account)]
        return [order.order_id for order in self.client(account).open_orders().result(SECONDS)]

    def book(self, symbol: str) -> Book:
        return self.ex.book(symbol, depth=1_000_000)

    def balance(self, account: str, asset: str) -> Balance:
        if account == "venue":
            return self.ex.balance(account, asset)
        told = self.client(account).balances().result(SECONDS)
        return next((row for row in told if row.asset == asset), Balance(asset, "0", "0", "0"))

    def trading_status(self, symbol: str) -> str:
        (row,) = (row for row in self.ex.node.instruments() if row["symbol"] == symbol)
        status: str = row["status"]
        return status

    def last_price(self, symbol: str) -> str | None:
        (row,) = (row for row in self.ex.node.instruments() if row["symbol"] == symbol)
        instrument = next(listed for listed in self.ex.instruments() if listed.symbol == symbol)
        return instrument.tick.text(row["last_price"]) if row["last_price"] else None

    def reconcile(self) -> None:
        """Holds every report that each client was told against the node's events."""
        for (account, key_id), client in self._clients.items():
            expected = self._told(self.ex.events(self._since[account, key_id]), account)
            assert [client.reports.next().result(SECONDS) for _ in expected] == expected
            assert len(client.reports) == 0

    def _told(self, events: list[Event], account: str) -> list[Any]:
        """What of the events an account is told, and how."""
        account_id = next(known.account_id for known in self.ex.accounts() if known.code == account)
        told: list[Any] = []
        for event in events:
            match event:
                case ExecutionReport() if event.account == account:
                    told.append(replace(event, counter_order_id=None))
                case Rejection() if event.account_id == account_id:
                    told.append(event)
                case reports.TradeCorrected() if account in (event.buyer, event.seller):
                    same = {name: getattr(event, name) for name in _CORRECTED}
                    told.append(TradeCorrected(side=Side.BUY if event.buyer == account else Side.SELL, **same))
                case (
                    OrderTerms() | OrderListStatus() | MassCanceled() | CancelAllAfterSet() | Posted() | KillSwitchSet()
                ):
                    if event.account == account:
                        told.append(event)
        return told


_TOLD = (OrderTerms, OrderListStatus, MassCanceled, CancelAllAfterSet, Posted, KillSwitchSet)
_CORRECTED = ("sequence", "event_time_ns", "trade_id", "symbol", "price", "new_price", "quantity")


def _agree(returned: Any, own: list[Event]) -> None:
    """Holds what the client returned against the account's events."""
    match returned:
        case Result() | ListResult():
            assert returned.events == own
        case ExecutionReport():
            assert returned in own
        case list():
            canceled = [event for event in own if isinstance(event, ExecutionReport)]
            assert returned == [event for event in canceled if event.exec_type == "canceled"]
        case CancelReplaced():
            assert (returned.entered is None) != (returned.order_rejected is None)
            assert returned.canceled is None or returned.canceled in own
        case _:
            assert returned in own


def _order(order: Object) -> Object:
    """The arguments of an order; one without a client's id stays so."""
    said = {key: value for key, value in order.items() if key not in ("order", "account", "key_id")}
    return {"order_type": "limit", "client_order_id": ""} | said


def _key_id(command: Object) -> int:
    key_id: int = command.get("key_id", 0) or command.get("new_order", {}).get("key_id", 0)
    return key_id or 1


def _why_not(kind: str, command: Object) -> str | None:
    """Why a command does not go over the door; the empty text if it is no account's; None if it does."""
    if kind not in _SAID or command["account"] in (None, "venue"):
        return ""
    if kind == "new_order_list" and any(_OF_LISTS & order.keys() for order in command["orders"]):
        return "the orders of a list have no quote_quantity and no peg"
    if "reason" in command:
        return "a client does not say why"
    if any(command.get(name) == "" for name in ("client_order_id", "original_client_order_id")):
        return "an empty id is none"
    return None


@each_scenario
def test_scenario_over_binary(scenario: Scenario) -> None:
    """Every scenario comes out as written."""
    tally = TALLIES["over the binary door"]
    with Exchange(clock="manual") as ex:
        begun_ns = set_up(ex, scenario.venue, ex.set_time)
        with gateway(ex) as gate:
            door = OverBinary(ex, gate, begun_ns)
            runner = Runner(scenario, door)
            try:
                runner.run()
                door.reconcile()
            except Unsayable as unsayable:
                tally.skip(scenario, unsayable)
            finally:
                door.close()
    tally.scenarios += 1
    tally.checks += runner.checks
    tally.unsaid += [f"{scenario.file}: {scenario.name}: {reason}" for reason in door.unsaid]
