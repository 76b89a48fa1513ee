"""Holds events against what the scenarios say of them."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from beurs import reports
from beurs.reports import Event, ExecutionReport, OrderTerms, Rejection

_KINDS: dict[str, type] = {
    "execution": reports.ExecutionReport,
    "terms": reports.OrderTerms,
    "rejected": reports.Rejection,
    "mass_canceled": reports.MassCanceled,
    "posted": reports.Posted,
    "fees_set": reports.FeesSet,
    "account_group_set": reports.AccountGroupSet,
    "trading_status_set": reports.TradingStatusSet,
    "order_list_status": reports.OrderListStatus,
    "auction_indication": reports.AuctionIndication,
    "auction_ended": reports.AuctionEnded,
    "limit_state_set": reports.LimitStateSet,
    "cancel_all_after_set": reports.CancelAllAfterSet,
    "time_advanced": reports.TimeAdvanced,
    "mark_price_set": reports.MarkPriceSet,
    "kill_switch_set": reports.KillSwitchSet,
    "setting_changed": reports.SettingChanged,
    "trade_corrected": reports.TradeCorrected,
    "administered": reports.Administered,
}
_ABSENT = (None, 0, "", "0", "none", False)
"""What a scenario may say of a field that an event does not have."""


def check_event(event: Event, expected: dict[str, Any], name: Callable[[int | None], str]) -> None:
    """Whether it is an event of that kind with these fields. `name` gives the name of an order."""
    kind = expected.get("event", "execution")
    assert type(event) is _KINDS[kind], f"{kind} was expected instead of {event}"
    check_fields(event, {key: value for key, value in expected.items() if key != "event"}, name)


def check_fields(event: Event, expected: dict[str, Any], name: Callable[[int | None], str]) -> None:
    """Whether the event has these fields."""
    for key, value in expected.items():
        match event, key:
            case ((ExecutionReport() | OrderTerms()), ("order" | "counter_order")):
                assert name(getattr(event, f"{key}_id")) == value, f"{key} of {event}"
            case Rejection(), "reason":
                assert event.code == value, f"{key} of {event}"
            case reports.Administered(), "reason":
                assert event.note == value, f"{key} of {event}"
            case _:
                check_value(getattr(event, key), value, f"{key} of {event}")


def check_value(actual: Any, expected: Any, what: str) -> None:
    """Whether they are the same: decimals as numbers, an absent value as what says so."""
    if actual is None:
        assert expected in _ABSENT, what
    elif isinstance(actual, str) and isinstance(expected, str) and _is_decimal(actual) and _is_decimal(expected):
        assert Decimal(actual) == Decimal(expected), what
    else:
        assert actual == expected, what


def _is_decimal(text: str) -> bool:
    try:
        Decimal(text)
    except InvalidOperation:
        return False
    return True
