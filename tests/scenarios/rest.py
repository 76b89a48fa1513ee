"""From the commands of the scenarios to requests: what REST calls a command, and what it has no words for.

Commands come here with the names that the application knows, and without the scenario's names of orders.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, get_args
from urllib.parse import quote

from beurs.admin.schemas import FeatureWord, Weekday
from beurs.timestamps import timestamp
from beurs.values import Feature
from tests.scenarios.commands import FIELDS, Object, Unsayable

OPERATOR: Final = "scenarios"
REASON: Final = "the scenario says so"
_DAY_NS: Final = 86_400_000_000_000
_YEAR_10000_NS: Final = 253_402_300_800_000_000_000


class Unsaid(Exception):
    """REST has no words for this one command. It is done on the node instead, and the scenario goes on."""


@dataclass(frozen=True)
class Request:
    """A request, and the status of an answer that is a success."""

    method: str
    path: str
    body: Object | None = None
    parameters: Object = field(default_factory=dict)
    account: str | None = None
    """Whose key it is sent with."""
    key_id: int = 0
    """Which of the account's keys."""
    operator: str | None = None
    """Or the key of which member of staff."""
    status: int = 200


def request(kind: str, command: Object, order_id: int | None, settled: Callable[[int], Object | None]) -> Request:
    """What to ask for. `settled` gives the figures that a trade is settled with now. Raises Unsaid, Unsayable."""
    unknown = command.keys() - _SAID.get(kind, command.keys())
    if unknown:
        raise Unsaid(f"it has no {' and no '.join(sorted(unknown))}")
    of_account = _ACCOUNTS.get(kind)
    if of_account is not None and command["account"] is not None:
        return of_account(command, order_id)
    of_staff = _STAFF.get(kind)
    if of_staff is not None:
        path, body = of_staff({key: value for key, value in command.items() if value is not None}, settled)
        reason = {"reason": REASON}
        return Request("POST", f"/v1/admin{path}", body | reason, operator=OPERATOR, status=_CREATED.get(kind, 200))
    match kind:
        case "administer":
            (held,) = command.keys() & FIELDS.keys()
            if held not in _STAFF or (held == "mass_cancel" and command[held]["account"] is not None):
                raise Unsayable(f"staff has no route for {held}")
            path, body = _STAFF[held](command[held], settled)
            body |= {"reason": command["reason"]}
            return Request("POST", f"/v1/admin{path}", body, operator=command["actor"])
        case "cancel_order":
            raise Unsaid("staff cancels all orders of an account or an instrument, not one")
        case "advance_time":
            raise Unsaid("time is nobody's to advance")
        case "set_random_seed":
            raise Unsaid("staff has the seed drawn, nobody gets to see it")
    raise AssertionError(f"{kind} is not known")


# Accounts.


def _order(order: Object) -> Object:
    body = {key: value for key, value in order.items() if key not in ("account", "order", "key_id")}
    if "expire_time_ns" in body:
        body["expire_time"] = _time(body.pop("expire_time_ns"))
    return body


def _new_order(c: Object, _order_id: int | None) -> Request:
    return Request(
        "POST", "/v1/orders", _order(c), account=c["account"], key_id=c.get("key_id", 0), status=201
    )  # fmt: skip


def _new_order_list(c: Object, _order_id: int | None) -> Request:
    keys = {order.get("key_id", 0) for order in c["orders"]}
    if len(keys) > 1:
        raise Unsaid("all orders of a list come with one key")
    body = {"contingency": c["contingency"], "orders": [_order(order) for order in c["orders"]]}
    return Request("POST", "/v1/order-lists", body, account=c["account"], key_id=keys.pop() if keys else 0, status=201)


def _cancel_replace(c: Object, order_id: int | None) -> Request:
    body = {key: c[key] for key in ("client_order_id", "mode") if key in c} | {"new_order": _order(c["new_order"])}
    if order_id is not None:
        body["order_id"] = str(order_id)
    key_id = c["new_order"].get("key_id", 0)
    return Request("POST", "/v1/orders/cancel-replace", body, account=c["account"], key_id=key_id)


def _cancel_order(c: Object, order_id: int | None) -> Request:
    return Request("DELETE", _path(order_id, c.get("client_order_id")), account=c["account"])


def _replace_order(c: Object, order_id: int | None) -> Request:
    body = {
        key: c[key] for key in ("price", "quantity", "client_order_id", "trigger_price", "display_quantity") if key in c
    }
    if not body:
        raise Unsaid("a PATCH that changes nothing is refused as it stands (missing_field)")
    return Request("PATCH", _path(order_id, c.get("original_client_order_id")), body, account=c["account"])


def _mass_cancel(c: Object, _order_id: int | None) -> Request:
    parameters = {key: c[key] for key in ("symbol", "side") if key in c}
    return Request("DELETE", "/v1/orders", parameters=parameters, account=c["account"])


def _cancel_all_after(c: Object, _order_id: int | None) -> Request:
    timeout_ms, rest = divmod(c["timeout_ns"], 1_000_000)
    if rest:
        raise Unsaid("a timeout is in whole milliseconds")
    return Request("POST", "/v1/account/cancel-all-after", {"timeout_ms": timeout_ms}, account=c["account"])


def _path(order_id: int | None, client_order_id: str | None) -> str:
    if order_id is None and client_order_id is None:
        raise Unsaid("a path names an order")
    if order_id is not None and client_order_id is not None:
        raise Unsaid("a path names an order once")
    reference = str(order_id) if client_order_id is None else f"client:{quote(client_order_id, safe='')}"
    return f"/v1/orders/{reference}"


_ACCOUNTS: Final[dict[str, Callable[[Object, int | None], Request]]] = {
    "new_order": _new_order,
    "new_order_list": _new_order_list,
    "cancel_replace": _cancel_replace,
    "cancel_order": _cancel_order,
    "replace_order": _replace_order,
    "mass_cancel": _mass_cancel,
    "cancel_all_after": _cancel_all_after,
}


_ID: Final = {"account", "order_id", "client_order_id"}
_SAID: Final[dict[str, set[str]]] = {
    "new_order_list": {"account", "contingency", "orders"},
    "cancel_replace": {*_ID, "mode", "new_order"},
    "cancel_order": _ID,
    "replace_order": {
        *_ID, "original_client_order_id", "price", "quantity", "trigger_price", "display_quantity",
    },
    "mass_cancel": {"account", "symbol", "side"},
    "cancel_all_after": {"account", "timeout_ns"},
}  # fmt: skip
"""The fields that are said, of commands of which a request is made field by field. Others the server would refuse."""


# Staff.

_Said = tuple[str, Object]
_Settled = Callable[[int], Object | None]


def _as_it_is(path: str) -> Callable[[Object, _Settled], _Said]:
    return lambda c, _settled: (path, dict(c))


def _time(time_ns: int) -> str:
    if not 0 <= time_ns < _YEAR_10000_NS:
        raise Unsaid("a time is from 1970 to 9999")
    return timestamp(time_ns)


def _trading_status(c: Object, _settled: _Settled) -> _Said:
    body = dict(c)
    if body.pop("reason", "requested") != "requested":
        raise Unsaid("what staff asks for has the reason requested")
    if "end_time_ns" in body:
        body["end_time"] = _time(body.pop("end_time_ns"))
    return "/trading-status", _scoped(body, "symbol", "instrument_group_id")


def _kill_switch(c: Object, _settled: _Settled) -> _Said:
    return "/kill-switches", _scoped(dict(c), "symbol", "group_id", "account")


def _orders_of_all(c: Object, _settled: _Settled) -> _Said:
    return "/mass-cancel", _scoped({key: value for key, value in c.items() if value is not None}, "account", "symbol")


def _scoped(body: Object, *scopes: str) -> Object:
    return body if body.keys() & set(scopes) else body | {"all": True}


def _features(c: Object, _settled: _Settled) -> _Said:
    body = {"features": int(Feature.ALL)} | c
    if body["features"] >> len(get_args(FeatureWord)):
        raise Unsaid("features are words, and there are only so many")
    body["features"] = [word for word in get_args(FeatureWord) if body["features"] & Feature[word.upper()]]
    return "/features", body


def _schedule(c: Object, _settled: _Settled) -> _Said:
    if c["weekdays"] >> 7:
        raise Unsaid("a week has seven days")
    if not 0 <= c["time_of_day_ns"] < _DAY_NS:
        raise Unsaid("a day has 24 hours")
    body = {key: value for key, value in c.items() if key != "time_of_day_ns"}
    body["weekdays"] = [day for at, day in enumerate(get_args(Weekday)) if c["weekdays"] >> at & 1]
    body["time_of_day"] = timestamp(c["time_of_day_ns"])[11:-1]
    return "/schedule", body


def _fee_promotion(c: Object, _settled: _Settled) -> _Said:
    body = {key: value for key, value in c.items() if key not in ("from_ns", "until_ns")}
    return "/fee-promotions", body | {"from_time": _time(c["from_ns"]), "until_time": _time(c["until_ns"])}


def _fee_cap(c: Object, _settled: _Settled) -> _Said:
    return "/fee-caps", {key: value for key, value in c.items() if (key, value) != ("max_fee", "0")}


def _correction(path: str) -> Callable[[Object, _Settled], _Said]:
    def said(c: Object, settled: _Settled) -> _Said:
        trade = settled(c["trade_id"])
        if trade is not None and any(c[key] != value for key, value in trade.items() if key in c):
            raise Unsaid("the figures of a trade are those of the store")
        return path, {key: str(value) for key, value in c.items() if key in ("trade_id", "new_price")}

    return said


_STAFF: Final[dict[str, Callable[[Object, _Settled], _Said]]] = {
    "deposit": _as_it_is("/deposits"),
    "withdraw": _as_it_is("/withdrawals"),
    "set_account_group": _as_it_is("/account-group"),
    "set_fees": _as_it_is("/fees"),
    "set_fee_tier": _as_it_is("/fee-tiers"),
    "set_fee_promotion": _fee_promotion,
    "set_fee_cap": _fee_cap,
    "set_trading_status": _trading_status,
    "set_mark_price": _as_it_is("/mark-price"),
    "set_instrument_group": _as_it_is("/instrument-group"),
    "set_matching": _as_it_is("/matching"),
    "set_lead_market_maker": _as_it_is("/lead-market-makers"),
    "set_price_bands": _as_it_is("/price-bands"),
    "set_features": _features,
    "set_schedule": _schedule,
    "set_risk_limits": _as_it_is("/risk-limits"),
    "set_account_mode": _as_it_is("/account-mode"),
    "set_trade_group": _as_it_is("/trade-group"),
    "kill_switch": _kill_switch,
    "mass_cancel": _orders_of_all,
    "bust_trade": _correction("/trade-busts"),
    "adjust_trade": _correction("/trade-adjustments"),
}
_CREATED: Final = {"deposit": 201, "withdraw": 201}


def is_of_everybody(kind: str, command: Any) -> bool:
    """Whether a command of staff is about more than one scenario's accounts and instruments."""
    match kind:
        case "set_trading_status":
            return "symbol" not in command
        case "kill_switch":
            return not command.keys() & {"symbol", "account"}
        case "set_risk_limits":
            return "group_id" in command
        case "mass_cancel":
            return command["account"] is None and "symbol" not in command
        case "set_instrument_group" | "set_random_seed":
            return True
        case _:
            return False
