"""From the node's events and rows to the JSON of orders."""

from types import SimpleNamespace
from typing import Any

from beurs.catalogue import Instrument
from beurs.engine import decode_events, format_amount
from beurs.orders.schemas import (
    BatchReject,
    CancelReplaceReport,
    ExecutionReport,
    Fill,
    MassCancelReport,
    NewOrderListReport,
    Order,
    OrderListReport,
    OrderTerms,
)
from beurs.rows import OrderRow
from beurs.store.models import OPEN_STATUSES
from beurs.timestamps import timestamp
from beurs.web.problems import Problem, rejection
from beurs.web.steps import Instruments, hold_text, price_text, quantity_text


def execution_report(events: bytes, instruments: Instruments) -> ExecutionReport:
    """What one command about one order did to it: its last report, and all of its trades.

    The order is that of the first report: a command's own order is reported before any maker's. Raises Problem if the
    command was refused.
    """
    said: list[Any] = decode_events(events)  # whose fields are there depends on its kind
    first = said[0]
    if first.kind == "rejected":
        raise rejection(first.code)
    return _report(said, first.order_id, instruments)


def _report(said: list[Any], order_id: int, instruments: Instruments) -> ExecutionReport:
    own = [event for event in said if event.kind == "execution" and event.order_id == order_id]
    terms = None
    if len(said) > 1:
        terms = next((event for event in reversed(said) if event.kind == "terms" and event.order_id == order_id), None)
    last = own[-1]
    instrument = instruments.by_id[last.instrument_id]
    return ExecutionReport(
        **_order_fields(last, instrument, terms),
        exec_type=last.exec_type,
        fills=[_fill(report, instrument) for report in own if report.exec_type == "trade"],
        sequence=last.sequence,
        timestamp=timestamp(last.event_time_ns),
    )


def cancel_replace_report(events: bytes, instruments: Instruments) -> CancelReplaceReport:
    """What became of both halves. Raises Problem if nothing was done."""
    said: list[Any] = decode_events(events)
    first = said[0]
    refused = first.kind == "rejected"
    if refused and (len(said) == 1 or first.code == "command_failed"):
        raise rejection(first.code)
    refusals = [event for event in said[1:] if event.kind == "rejected"]
    entered = next((event for event in said[1:] if event.kind == "execution" and event.exec_type == "new"), None)
    return CancelReplaceReport(
        canceled=None if refused else _report(said[:1], first.order_id, instruments),
        cancel_error=batch_reject(rejection(first.code)) if refused else None,
        entered=None if entered is None else _report(said[1:], entered.order_id, instruments),
        order_error=batch_reject(rejection(refusals[-1].code)) if refusals else None,
    )


def batch_reject(problem: Problem) -> BatchReject:
    """A problem of a part of a request, as it stands in an answer."""
    detail = problem.detail
    return BatchReject(problem.status, detail.code, detail.message, detail.field)


def new_order_list_report(events: bytes, count: int, instruments: Instruments) -> NewOrderListReport:
    """What entering a list of `count` orders did. Raises Problem if it was refused."""
    said: list[Any] = decode_events(events)
    entered = said[0]
    if entered.kind == "rejected":
        raise rejection(entered.code)
    states = [event for event in said if event.kind == "order_list_status" and event.list_id == entered.list_id]
    new = [event.order_id for event in said if event.kind == "execution" and event.exec_type == "new"][:count]
    return NewOrderListReport(
        list_id=str(entered.list_id),
        contingency=entered.contingency,
        status=states[-1].status,
        orders=[_report(said, order_id, instruments) for order_id in new],
        sequence=entered.sequence,
        timestamp=timestamp(entered.event_time_ns),
    )


def order_list_report(found: Any, orders: list[Order], instruments: Instruments) -> OrderListReport:
    """An order list as the store has it, and its orders."""
    return OrderListReport(
        list_id=str(found.list_id),
        symbol=instruments.by_id[found.instrument_id].symbol,
        contingency=found.contingency,
        status=found.status,
        orders=orders,
        created_at=timestamp(found.created_time_ns),
        updated_at=timestamp(found.updated_time_ns),
    )


def mass_cancel_report(events: bytes) -> MassCancelReport:
    """What a mass cancel did. Raises Problem if it was refused."""
    said: list[Any] = decode_events(events)
    if said[0].kind == "rejected":
        raise rejection(said[0].code)
    end = next(event for event in said if event.kind == "mass_canceled")
    canceled = [event for event in said if event.exec_type == "canceled" and event.cancel_reason == "mass_cancel"]
    return MassCancelReport(
        canceled=end.count,
        order_ids=[str(report.order_id) for report in canceled],
        sequence=end.sequence,
        timestamp=timestamp(end.event_time_ns),
    )


def _order_fields(report: Any, instrument: Instrument, terms: Any) -> dict[str, Any]:
    by_quote = report.quote_quantity != 0
    waits = terms is not None and bool(terms.waits) and report.status in OPEN_STATUSES
    return {
        "order_id": str(report.order_id),
        "client_order_id": report.client_order_id or None,
        "symbol": instrument.symbol,
        "side": report.side,
        "order_type": report.order_type,
        "time_in_force": report.time_in_force,
        "post_only": bool(report.post_only),
        "self_trade_prevention": report.self_trade_prevention,
        "price": price_text(instrument, report.price) if report.price else None,
        "quantity": None if by_quote else quantity_text(instrument, report.quantity),
        "quote_quantity": format_amount(report.quote_quantity, instrument.quote_unit.scale) if by_quote else None,
        "filled_quantity": quantity_text(instrument, report.filled_quantity),
        "leaves_quantity": quantity_text(instrument, report.leaves_quantity),
        "status": report.status,
        "cancel_reason": None if report.cancel_reason in (None, "none") else report.cancel_reason,
        "hold": hold_text(instrument, report.side, report.hold),
        "displayed_quantity": quantity_text(instrument, _displayed(report, terms, waits)),
        "waits": waits,
        "list_id": str(terms.list_id) if terms is not None and terms.list_id else None,
        "terms": None if terms is None else _terms(terms, instrument),
    }


def _displayed(report: Any, terms: Any, waits: bool) -> int:
    """What of an order the book shows after a command, in lots.

    A report from before the order came to rest says 0, and no other one follows when it does. So what the order must
    show since then is said here: all of its leaves, or its peak.
    """
    lots: int = report.displayed_quantity
    if lots or waits or report.status not in OPEN_STATUSES or report.order_type == "market":
        return lots
    if terms is None:
        return int(report.leaves_quantity)
    return 0 if terms.hidden else min(terms.display_quantity or report.leaves_quantity, report.leaves_quantity)


def _terms(terms: Any, instrument: Instrument) -> OrderTerms:
    def price(ticks: int) -> str | None:
        return price_text(instrument, ticks) if ticks else None

    def quantity(lots: int) -> str | None:
        return quantity_text(instrument, lots) if lots else None

    return OrderTerms(
        limit_price=price(terms.limit_price),
        trigger_price=price(terms.trigger_price),
        trigger_by=terms.trigger_by,
        trail_bps=terms.trail_bps or None,
        display_quantity=quantity(terms.display_quantity),
        hidden=bool(terms.hidden),
        min_quantity=quantity(terms.min_quantity),
        expire_time=timestamp(terms.expire_time_ns) if terms.expire_time_ns else None,
        auction_only=bool(terms.auction_only),
        slide=bool(terms.slide),
        peg=terms.peg,
        peg_offset=None if terms.peg == "none" else price_text(instrument, terms.peg_offset),
    )


def _fill(report: Any, instrument: Instrument) -> Fill:
    return Fill(
        trade_id=str(report.trade_id),
        price=price_text(instrument, report.last_price),
        quantity=quantity_text(instrument, report.last_quantity),
        notional=format_amount(report.last_notional, instrument.quote_unit.scale),
        fee=format_amount(report.fee, instrument.quote_unit.scale),
        liquidity=report.liquidity,
    )


def open_order(row: OrderRow, instruments: Instruments) -> Order:
    """An open order as the node gives it: in a book, or waiting."""
    terms = row["terms"]
    report = SimpleNamespace(**row, status="partially_filled" if row["filled_quantity"] else "new", cancel_reason=None)
    fields = _order_fields(
        report, instruments.by_id[row["instrument_id"]], None if terms is None else SimpleNamespace(**terms)
    )
    fields["displayed_quantity"] = quantity_text(instruments.by_id[row["instrument_id"]], row["displayed_quantity"])
    return Order(**fields)


def stored_order(row: Any, instruments: Instruments) -> Order:
    """An order as the store has it: the columns have the names of the report's fields."""
    fields = _order_fields(row, instruments.by_id[row.instrument_id], row.terms)
    if row.status not in ("canceled", "expired"):
        fields["cancel_reason"] = None  # the last report may say why the order was restated
    return Order(**fields)
