"""From the commands of the scenarios to the in-process API, whose answers are held against the events."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from beurs import Exchange
from beurs.errors import DecimalError, InputError, Rejected
from beurs.exchange import Balance, CancelReplaced, ListResult, Result, Staff
from beurs.reports import Event, ExecutionReport, MassCanceled, Posted, Rejection

Object = dict[str, Any]

_NEW_ORDER = (
    "symbol", "side", "order_type", "time_in_force", "post_only", "self_trade_prevention", "price", "quantity",
    "quote_quantity", "client_order_id", "order", "key_id", "trigger_price", "trigger_by", "trail_bps",
    "display_quantity", "hidden", "min_quantity", "expire_time_ns", "auction_only", "slide", "peg", "peg_offset",
)  # fmt: skip
_FEES = ("symbol", "group_id", "maker_ppm", "taker_ppm")
_TRADE = ("trade_id", "symbol", "buyer", "seller", "price", "quantity")
FIELDS: dict[str, tuple[str, ...]] = {
    "new_order": ("account", *_NEW_ORDER),
    "cancel_order": ("account", "order", "order_id", "client_order_id"),
    "replace_order": (
        "account", "order", "order_id", "original_client_order_id", "client_order_id", "price", "quantity",
        "trigger_price", "display_quantity",
    ),
    "mass_cancel": ("account", "symbol", "side", "reason"),
    "cancel_replace": ("account", "order", "order_id", "client_order_id", "mode", "new_order"),
    "new_order_list": ("account", "contingency", "orders"),
    "cancel_all_after": ("account", "timeout_ns"),
    "advance_time": (),
    "deposit": ("account", "asset", "amount"),
    "withdraw": ("account", "asset", "amount"),
    "set_account_group": ("account", "group_id"),
    "set_fees": _FEES,
    "set_fee_tier": (*_FEES, "tier", "min_volume"),
    "set_fee_promotion": (*_FEES, "from_ns", "until_ns"),
    "set_fee_cap": ("symbol", "group_id", "max_fee"),
    "set_trading_status": ("symbol", "instrument_group_id", "status", "reason", "end_time_ns"),
    "set_mark_price": ("symbol", "price"),
    "set_instrument_group": ("symbol", "instrument_group_id"),
    "set_matching": (
        "symbol", "algorithm", "top_max", "lead_percent", "fifo_percent", "min_allocation", "leveling",
    ),
    "set_lead_market_maker": ("symbol", "account", "share"),
    "set_price_bands": (
        "symbol", "reference", "static_up_bps", "static_down_bps", "dynamic_bps", "collar_bps", "action", "auction_ns",
        "auction_random_ns", "limit_state_ns",
    ),
    "set_features": ("symbol", "features", "max_triggers"),
    "set_schedule": ("symbol", "slot", "weekdays", "time_of_day_ns", "random_ns", "status"),
    "set_random_seed": ("seed",),
    "set_risk_limits": (
        "account", "group_id", "key_id", "symbol", "max_order_quantity", "max_order_notional", "max_open_orders",
        "max_open_conditional_orders", "max_position", "max_exposure", "max_order_rate", "rate_window_ns",
        "fat_finger_bps", "duplicate_window_ns",
    ),
    "set_account_mode": ("account", "mode"),
    "set_trade_group": ("account", "trade_group_id"),
    "kill_switch": ("engaged", "symbol", "group_id", "account", "key_id"),
    "bust_trade": (*_TRADE, "buyer_fee", "seller_fee"),
    "adjust_trade": (*_TRADE, "new_price"),
    "administer": ("actor", "reason"),
}  # fmt: skip
"""The commands, and what may be said of each. `administer` has one of the others besides."""

STEP_NS = 1_000_000
"""What a command that says no time comes after the one before."""
TOO_LARGE = {"price": "invalid_price", "quantity": "invalid_quantity", "trigger_price": "invalid_trigger_price"}
"""What the engine says of a number above 2**53 - 1. Both doors refuse it before, as `too_large`."""
TOO_LARGE_UNSAID = "a number above 2^53 - 1 is refused before the engine sees it (too_large)"


class Unsayable(Exception):
    """A way has no words for this command."""


def known_keys(said: Iterable[str], *known: str) -> None:
    """Refuses what is not known."""
    unknown = set(said) - set(known)
    assert not unknown, f"{unknown} is not one of {known}"


def check_command(kind: str, command: Object) -> None:
    """Refuses a command that says what is not known."""
    held = [key for key in command if kind == "administer" and key in FIELDS]
    known_keys(command, *FIELDS[kind], *held)
    for key in held:
        check_command(key, command[key])
    for order in entered(kind, command):
        known_keys(order, "account", *_NEW_ORDER)
    assert not ("order" in command and "order_id" in command), "order or order_id"


def entered(kind: str, command: Object) -> list[Object]:
    """The orders that a command would enter."""
    match kind:
        case "new_order":
            return [command]
        case "cancel_replace":
            return [command["new_order"]]
        case "new_order_list":
            return list(command["orders"])
        case _:
            return []


@dataclass(frozen=True)
class Answer:
    """What became of a command: why it was refused, or None, and its events if it came to have any."""

    code: str | None
    events: list[Event]
    unsaid: str = ""
    """Why it could not be said, if it could not. It has been refused, before the engine could say why."""


def set_up(ex: Exchange, venue: Object, set_time: Callable[[int], object]) -> int:
    """Makes a venue, in the order in which it is listed, and gives the time of its last command.

    `set_time` lets the time of each come.
    """
    known_keys(venue, "assets", "instruments", "accounts", "fees")
    time_ns = 0

    def tick() -> None:
        nonlocal time_ns
        time_ns += STEP_NS
        set_time(time_ns)

    for asset in venue.get("assets", ()):
        tick()
        ex.add_asset(**asset)
    for instrument in venue.get("instruments", ()):
        tick()
        ex.list_instrument(**instrument)
    for fees in venue.get("fees", ()):
        tick()
        ex.set_fees(**fees)
    for account in venue.get("accounts", ()):
        known_keys(account, "code", "group_id", "deposits")
        if not account["code"].startswith("venue"):
            tick()
            ex.open_account(account["code"], group_id=account.get("group_id", 0))
        for asset, amount in account.get("deposits", {}).items():
            tick()
            ex.deposit(account["code"], asset, amount)
    return time_ns


def execute_in_process(ex: Exchange, kind: str, command: Object, order_id: int | None) -> Answer:
    """Executes a command through the in-process API, and holds what it returns against the events."""
    before = ex.sequence
    returned: Any
    try:
        returned = _call(ex, kind, command, order_id)
    except (Rejected, DecimalError, InputError) as refused:
        returned = refused
    events = ex.events(before)
    match returned:
        case Rejected():
            for event in events:  # one; what the API can tell by itself has none
                assert isinstance(event, Rejection)
                assert (event.sequence, event.code, event.reason) == (
                    returned.sequence,
                    returned.code,
                    returned.reason,
                )
            return Answer(returned.code, events)
        case DecimalError() if returned.code == "too_large" and returned.field in TOO_LARGE:
            assert events == []
            return Answer(TOO_LARGE[returned.field], events, TOO_LARGE_UNSAID)
        case DecimalError() | InputError():
            assert events == []
            return Answer(None, events, f"refused before the engine sees it: {returned}")
    _agree(ex, returned, events)
    assert {event.sequence for event in events} == {before + 1}, "one command was executed"
    return Answer(None, events)


def _agree(ex: Exchange, returned: Any, events: list[Event]) -> None:
    """Holds what the API returned against the events."""
    reports = [event for event in events if isinstance(event, ExecutionReport)]
    match returned:
        case Result():
            assert (returned.events, returned.reports) == (events, reports)
            own = [report for report in reports if report.order_id == returned.order_id]
            assert returned.status == own[-1].status
            assert returned.trades == [report for report in own if report.exec_type == "trade"]
        case ListResult():
            assert (returned.events, returned.reports) == (events, reports)
        case CancelReplaced():
            first = returned.canceled or returned.cancel_rejected
            assert first == events[0]
            assert (returned.entered is None) != (returned.order_rejected is None)
        case ExecutionReport():
            assert returned in events
        case list() if events and isinstance(events[-1], MassCanceled):
            assert returned == [report for report in reports if report.exec_type == "canceled"]
        case list():
            assert [event for event in events if event in returned] == returned
        case Balance():
            (posted,) = events
            assert isinstance(posted, Posted)
            assert (returned.asset, returned.total, returned.held) == (posted.asset, posted.total, posted.held)
            assert returned == ex.balance(posted.account, posted.asset)
        case None:
            pass
        case _:
            assert returned in events


def _call(ex: Any, kind: str, command: Object, order_id: int | None) -> Any:
    c = {key: value for key, value in command.items() if key not in ("order", "order_id")}
    match kind:
        case "new_order":
            return ex.submit(**_order(c))
        case "cancel_order":
            return ex.cancel(order_id=order_id, **c)
        case "replace_order":
            names = {"client_order_id": "new_client_order_id", "original_client_order_id": "client_order_id"}
            return ex.replace(order_id=order_id, **{names.get(key, key): value for key, value in c.items()})
        case "cancel_replace":
            return ex.cancel_replace(order_id=order_id, **c | {"new_order": _order(c["new_order"])})
        case "new_order_list":
            return ex.submit_list(**c | {"orders": [_order(order) for order in c["orders"]]})
        case "set_trading_status" if "instrument_group_id" in c:
            return ex.set_trading_status(group=c.pop("instrument_group_id"), **c)
        case "set_fee_cap" if c["max_fee"] == "0":
            return ex.set_fee_cap(**c | {"max_fee": None})  # As the door says it.
        case "administer":
            (held,) = c.keys() & FIELDS.keys()
            if not hasattr(Staff, held):
                raise Unsayable(f"the staff's commands are settings, not {held}")
            return _call(ex.staff(c["actor"], c["reason"]), held, c[held], order_id)
        case _:
            return getattr(ex, kind)(**c)


def _order(order: Object) -> Object:
    return {"order_type": "limit"} | {key: value for key, value in order.items() if key != "order"}
