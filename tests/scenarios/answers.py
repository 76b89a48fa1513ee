"""Holds what REST answers and lists against the events of the node, field by field.

The texts are written here a second time, from the events, so that nothing of the application checks itself.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from beurs.exchange import Order as OrderNow
from beurs.reports import (
    Administered,
    CancelAllAfterSet,
    Event,
    ExecutionReport,
    MassCanceled,
    OrderListStatus,
    OrderTerms,
    Rejection,
    Terms,
    TradeCorrected,
)
from beurs.timestamps import timestamp
from beurs.web.problems import REJECT_STATUS
from tests.scenarios.commands import Object

OPEN = ("new", "partially_filled")
_OF_ORDER = (
    "client_order_id", "symbol", "side", "order_type", "time_in_force", "post_only", "self_trade_prevention", "price",
    "quantity", "quote_quantity", "filled_quantity", "leaves_quantity", "status", "cancel_reason", "hold",
)  # fmt: skip
_OF_TERMS = (
    "limit_price", "trigger_price", "trigger_by", "trail_bps", "display_quantity", "hidden", "min_quantity",
    "auction_only", "slide", "peg",
)  # fmt: skip
_OF_ORDERS = (ExecutionReport, OrderTerms, OrderListStatus, CancelAllAfterSet)
_TEXT_IDS = ("trade_id", "asset_id", "instrument_id", "account_id")

Look = Callable[[int], OrderNow | None]
"""The open order of an order_id, as the node has it now."""


def time(time_ns: int | None) -> str | None:
    """A time as text."""
    return None if time_ns is None else timestamp(time_ns)


def as_it_is(report: ExecutionReport) -> ExecutionReport:
    """The order of its last report. What was only restated has no reason to have ended."""
    return report if report.status in ("canceled", "expired") else replace(report, cancel_reason=None)


def check_order(order: Object, report: ExecutionReport, terms: Terms | None, now: OrderNow | None) -> None:
    """An order against its report, its terms as far as they are told, and, if it is open, what it is in the node."""
    assert (report.status in OPEN) == (now is not None)
    shown = "0" if now is None else now.displayed_quantity
    waits = terms is not None and now is not None and now.terms is not None and now.terms.waits
    list_id = None if terms is None or terms.list_id is None else str(terms.list_id)
    expected = {"order_id": str(report.order_id), "displayed_quantity": shown, "waits": waits, "list_id": list_id}
    expected |= {key: getattr(report, key) for key in _OF_ORDER}
    expected["terms"] = None
    if terms is not None:
        expected["terms"] = {key: getattr(terms, key) for key in _OF_TERMS} | {
            "expire_time": time(terms.expire_time_ns),
            "peg_offset": None if terms.peg == "none" else terms.peg_offset,
        }
    assert order == expected


def terms_now(told: Terms | None, now: OrderNow | None) -> Terms | None:
    """The terms of an order. The trigger price of one that trails moves without being told."""
    if now is None or told is None:
        assert now is None or now.terms is None
        return told
    assert now.terms is not None
    assert told.trail_bps or {key: getattr(told, key) for key in _OF_TERMS} == {
        key: getattr(now.terms, key) for key in _OF_TERMS
    }
    return now.terms


def check_report(answer: Object, order_id: int, events: list[Event], look: Look) -> None:
    """What a command did to an order: an execution report."""
    own = [event for event in events if isinstance(event, ExecutionReport) and event.order_id == order_id]
    terms = [event for event in events if isinstance(event, OrderTerms) and event.order_id == order_id]
    answer = dict(answer)
    assert (answer.pop("sequence"), answer.pop("timestamp")) == (own[-1].sequence, time(own[-1].event_time_ns))
    assert answer.pop("exec_type") == own[-1].exec_type
    assert answer.pop("fills") == [
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
    check_order(answer, own[-1], terms[-1] if terms else None, look(order_id))


def check_list(answer: Object, events: list[Event], look: Look) -> None:
    """What entering an order list did."""
    states = [event for event in events if isinstance(event, OrderListStatus)]
    mine = [state for state in states if state.list_id == states[0].list_id]
    new = [event.order_id for event in events if isinstance(event, ExecutionReport) and event.exec_type == "new"]
    orders = answer.pop("orders")
    assert answer == {
        "list_id": str(mine[0].list_id),
        "contingency": mine[0].contingency,
        "status": mine[-1].status,
        "sequence": mine[0].sequence,
        "timestamp": time(mine[0].event_time_ns),
    }
    assert len(orders) == (3 if mine[0].contingency == "otoco" else 2)
    for order, order_id in zip(orders, new, strict=False):
        check_report(order, order_id, events, look)


def check_cancel_replace(answer: Object, events: list[Event], look: Look) -> None:
    """What became of the two halves of a cancel-replace."""
    first, rest = events[0], events[1:]
    new = [event for event in rest if isinstance(event, ExecutionReport) and event.exec_type == "new"]
    refusals = [event for event in rest if isinstance(event, Rejection)]
    canceled, cancel_error, entered, order_error = (
        answer.pop(name) for name in ("canceled", "cancel_error", "entered", "order_error")
    )
    assert answer == {}
    assert ((canceled is None), (entered is None)) == ((cancel_error is not None), (order_error is not None))
    if isinstance(first, Rejection):
        _check_refusal(cancel_error, first)
    else:
        assert isinstance(first, ExecutionReport)
        check_report(canceled, first.order_id, events[:1], lambda _: None)
    if refusals:
        _check_refusal(order_error, refusals[-1])
    else:
        check_report(entered, new[0].order_id, rest, look)


def _check_refusal(told: Object, refusal: Rejection) -> None:
    assert (told["code"], told["status"]) == (refusal.code, REJECT_STATUS[refusal.code])
    assert told["message"]


def check_mass_cancel(answer: Object, events: list[Event]) -> None:
    """What a mass cancel of an account did."""
    (end,) = (event for event in events if isinstance(event, MassCanceled))
    ids = [
        str(event.order_id)
        for event in events
        if isinstance(event, ExecutionReport) and event.cancel_reason == "mass_cancel"
    ]
    assert len(ids) == end.count
    said = {"canceled": end.count, "order_ids": ids, "sequence": end.sequence, "timestamp": time(end.event_time_ns)}
    assert answer == said


def check_cancel_all_after(answer: Object, events: list[Event]) -> None:
    """When all orders will be canceled."""
    (told,) = events
    assert isinstance(told, CancelAllAfterSet)
    said = {"deadline": time(told.deadline_ns), "sequence": told.sequence, "timestamp": time(told.event_time_ns)}
    assert answer == said


def check_change(answer: Object, asked: Object, events: list[Event]) -> None:
    """What staff has changed, and that it is what was asked for; null is what was not."""
    noted = events[0]
    assert isinstance(noted, Administered)
    given = {name: value for name, value in asked.items() if name != "reason"}
    assert {name: answer["value"][name] for name in given} == given
    assert answer == {
        "sequence": noted.sequence,
        "timestamp": time(noted.event_time_ns),
        "actor": noted.actor,
        "reason": noted.note,
        "value": answer["value"],
        "events": [_fact(event) for event in events[1:] if not isinstance(event, _OF_ORDERS)],
    }


def _fact(event: Event) -> Object:
    kind = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in type(event).__name__)
    fact: dict[str, Any] = {"event": kind.lstrip("_")}
    for name in (field.name for field in fields(event)):
        value = getattr(event, name)
        if name in ("sequence", "event_time_ns"):
            continue
        if name.endswith("_ns"):
            fact[name.removesuffix("_ns")] = time(value)
        else:
            fact[name] = str(value) if name in _TEXT_IDS else value
    return fact


def correction(trade_id: int | None, events: list[Event]) -> Object:
    """What became of a trade later."""
    last = [event for event in events if isinstance(event, TradeCorrected) and event.trade_id == trade_id][-1:]
    return {
        "busted": any(event.new_price is None for event in last),
        "corrected_price": next((event.new_price for event in last), None),
    }


def own_trade(report: ExecutionReport, fee_asset: str, events: list[Event]) -> Object:
    """A trade as its account sees it."""
    return {
        "trade_id": str(report.trade_id),
        "order_id": str(report.order_id),
        "client_order_id": report.client_order_id,
        "symbol": report.symbol,
        "side": report.side,
        "liquidity": report.liquidity,
        "price": report.last_price,
        "quantity": report.last_quantity,
        "notional": report.last_notional,
        "fee": report.fee,
        "fee_asset": fee_asset,
        **correction(report.trade_id, events),
        "sequence": report.sequence,
        "timestamp": time(report.event_time_ns),
    }


def public_trade(report: ExecutionReport, events: list[Event]) -> Object:
    """A trade as everybody sees it, from the report of its taker, of an auction from its buyer's."""
    ids = {report.side: str(report.order_id)}
    ids["sell" if report.side == "buy" else "buy"] = str(report.counter_order_id)
    taker = report.liquidity == "taker"
    return {
        "trade_id": str(report.trade_id),
        "symbol": report.symbol,
        "price": report.last_price,
        "quantity": report.last_quantity,
        "aggressor_side": report.side if taker else None,
        "maker_order_id": str(report.counter_order_id) if taker else None,
        "taker_order_id": str(report.order_id) if taker else None,
        "buy_order_id": ids["buy"],
        "sell_order_id": ids["sell"],
        **correction(report.trade_id, events),
        "sequence": report.sequence,
        "timestamp": time(report.event_time_ns),
    }
