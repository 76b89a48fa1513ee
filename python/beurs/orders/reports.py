"""From the node's events and rows to the JSON of orders."""

from typing import Any

from beurs.catalogue import Instrument
from beurs.engine import decode_events, format_amount
from beurs.orders.schemas import ExecutionReport, Fill, MassCancelReport, Order
from beurs.rows import OrderRow
from beurs.timestamps import timestamp
from beurs.web.problems import rejection
from beurs.web.steps import Instruments, hold_text, price_text, quantity_text


def execution_report(events: bytes, instruments: Instruments) -> ExecutionReport:
    """What one command about one order did to it: its last report, and all of its trades.

    The order is that of the first report: a command's own order is reported before any maker's. Raises Problem if the
    command was refused.
    """
    reports: list[Any] = decode_events(events)  # whose fields are there depends on its kind
    first = reports[0]
    if first.kind == "rejected":
        raise rejection(first.code)
    order_id = first.order_id
    own = [report for report in reports if report.kind == "execution" and report.order_id == order_id]
    instrument = instruments.by_id[first.instrument_id]
    last = own[-1]
    return ExecutionReport(
        **_order_fields(last, instrument),
        exec_type=last.exec_type,
        fills=[_fill(report, instrument) for report in own if report.exec_type == "trade"],
        sequence=last.sequence,
        timestamp=timestamp(last.event_time_ns),
    )


def mass_cancel_report(events: bytes) -> MassCancelReport:
    """What a mass cancel did. Raises Problem if it was refused."""
    said: list[Any] = decode_events(events)
    if said[0].kind == "rejected":
        raise rejection(said[0].code)
    end = next(event for event in said if event.kind == "mass_canceled")
    canceled = [event for event in said if event.exec_type == "canceled"]
    return MassCancelReport(
        canceled=end.count,
        order_ids=[str(report.order_id) for report in canceled],
        sequence=end.sequence,
        timestamp=timestamp(end.event_time_ns),
    )


def _order_fields(report: Any, instrument: Instrument) -> dict[str, Any]:
    by_quote = report.quote_quantity != 0
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
    }


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
    """An order in the book, as the node gives it: only limit orders by quantity rest."""
    instrument = instruments.by_id[row["instrument_id"]]
    words: dict[str, Any] = {name: row[name] for name in ("side", "time_in_force", "self_trade_prevention")}
    return Order(
        order_id=str(row["order_id"]),
        client_order_id=row["client_order_id"] or None,
        symbol=instrument.symbol,
        order_type="limit",
        post_only=row["post_only"],
        price=price_text(instrument, row["price"]),
        quantity=quantity_text(instrument, row["quantity"]),
        quote_quantity=None,
        filled_quantity=quantity_text(instrument, row["filled_quantity"]),
        leaves_quantity=quantity_text(instrument, row["leaves_quantity"]),
        status="partially_filled" if row["filled_quantity"] else "new",
        cancel_reason=None,
        hold=hold_text(instrument, row["side"], row["hold"]),
        **words,
    )


def stored_order(row: Any, instruments: Instruments) -> Order:
    """An order as the store has it: the columns have the names of the report's fields."""
    fields = _order_fields(row, instruments.by_id[row.instrument_id])
    if row.status != "canceled":
        fields["cancel_reason"] = None  # the last report may say why the order was restated
    return Order(**fields)
