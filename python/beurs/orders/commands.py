"""From the JSON of orders to encoded commands: everything that can be wrong before the engine sees it."""

import re
from typing import Any

from msgspec import UNSET, UnsetType

from beurs import engine
from beurs.catalogue import Instrument
from beurs.engine import Node, cancel_order, new_order, replace_order
from beurs.keys import Trader
from beurs.orders.schemas import CancelReplace, NewOrder, PlainOrder, ReplaceOrder
from beurs.rows import OrderRow
from beurs.timestamps import parse_timestamp
from beurs.values import (
    CancelReplaceMode,
    Contingency,
    OrderType,
    Peg,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TriggerBy,
)
from beurs.web.problems import Problem
from beurs.web.steps import lots, quote_units, ticks

CLIENT_ORDER_ID = re.compile(r"[!-~]{1,36}", re.ASCII)
ORDER_ID = re.compile(r"[1-9][0-9]{0,19}", re.ASCII)
ORDER_ID_MAX = 2**63 - 1  # what the store can look for
TIME_NS_MAX = 2**63 - 1
TRAIL_BPS_MAX = 9_999
BY_CLIENT_ORDER_ID = "client:"

SIDE = {member.value: member.number for member in Side}
CONTINGENCY = {member.value: member.number for member in Contingency}
_ORDER_TYPE = {member.value: member.number for member in OrderType}
_TIME_IN_FORCE = {member.value: member.number for member in TimeInForce}
_SELF_TRADE_PREVENTION = {member.value: member.number for member in SelfTradePrevention}
_LIMIT, _NONE = OrderType.LIMIT.number, SelfTradePrevention.NONE.number
_GTC, _IOC, _GTD = TimeInForce.GTC.number, TimeInForce.IOC.number, TimeInForce.GTD.number
_TRIGGER_BY = {member.value: member.number for member in TriggerBy}
_PEG = {member.value: member.number for member in Peg}
_CANCEL_REPLACE_MODE = {member.value: member.number for member in CancelReplaceMode}
_WITHOUT_LIMIT = ("market", "stop", "take_profit", "market_to_limit")
_AT_ONCE = ("market", "stop", "take_profit")


def client_order_id(text: str | UnsetType) -> str:
    """A client_order_id, or the empty text for none."""
    if text is UNSET:
        return ""
    if CLIENT_ORDER_ID.fullmatch(text) is None:
        raise Problem("invalid_value", "Must be 1 to 36 printable ASCII characters without spaces.", "client_order_id")
    return text


def new_order_command(trader: Trader, order: PlainOrder, instrument: Instrument) -> bytes:
    """The command that enters an order."""
    if type(order) is NewOrder and (terms := _terms(order, instrument)):
        return _with_terms(trader, order, instrument, terms)
    price, quantity, quote_quantity, kind = order.price, order.quantity, order.quote_quantity, order.order_type
    if order.time_in_force is not UNSET:
        time_in_force = _TIME_IN_FORCE[order.time_in_force]
    else:
        time_in_force = _GTC if kind is UNSET or kind not in _AT_ONCE else _IOC
    return new_order(
        trader.account_id,
        instrument.instrument_id,
        SIDE[order.side],
        _LIMIT if kind is UNSET else _ORDER_TYPE[kind],
        time_in_force,
        order.post_only is True,
        _NONE if order.self_trade_prevention is UNSET else _SELF_TRADE_PREVENTION[order.self_trade_prevention],
        0 if price is UNSET else ticks(instrument, price, 0 if kind is UNSET or kind not in _WITHOUT_LIMIT else 1),
        0 if quantity is UNSET else lots(instrument, quantity, 0 if quote_quantity is UNSET else 1),
        0 if quote_quantity is UNSET else quote_units(instrument, quote_quantity),
        client_order_id(order.client_order_id),
        key_id=trader.key_id,
    )


def _with_terms(trader: Trader, order: NewOrder, instrument: Instrument, terms: dict[str, Any]) -> bytes:
    """The same for an order with terms. Apart: a call with `**` is slow, and plain orders are many."""
    price, quantity, quote_quantity = order.price, order.quantity, order.quote_quantity
    kind = "limit" if order.order_type is UNSET else order.order_type
    if order.time_in_force is not UNSET:
        time_in_force = _TIME_IN_FORCE[order.time_in_force]
    elif "expire_time_ns" in terms:
        time_in_force = _GTD
    else:
        time_in_force = _IOC if kind in _AT_ONCE else _GTC
    return new_order(
        trader.account_id,
        instrument.instrument_id,
        SIDE[order.side],
        _ORDER_TYPE[kind],
        time_in_force,
        order.post_only is True,
        _NONE if order.self_trade_prevention is UNSET else _SELF_TRADE_PREVENTION[order.self_trade_prevention],
        0 if price is UNSET else ticks(instrument, price, 1 if kind in _WITHOUT_LIMIT or "peg" in terms else 0),
        0 if quantity is UNSET else lots(instrument, quantity, 0 if quote_quantity is UNSET else 1),
        0 if quote_quantity is UNSET else quote_units(instrument, quote_quantity),
        client_order_id(order.client_order_id),
        key_id=trader.key_id,
        **terms,
    )


def _terms(order: NewOrder, instrument: Instrument) -> dict[str, Any]:
    """The terms that an order gives, as arguments of `new_order`."""
    terms: dict[str, Any] = {}
    if order.trigger_price is not UNSET:
        terms["trigger_price"] = ticks(instrument, order.trigger_price, field="trigger_price")
    if order.trigger_by is not UNSET:
        terms["trigger_by"] = _TRIGGER_BY[order.trigger_by]
    if order.trail_bps is not UNSET:
        if not 1 <= order.trail_bps <= TRAIL_BPS_MAX:
            raise Problem("invalid_trail", field="trail_bps")
        terms["trail_bps"] = order.trail_bps
    if order.display_quantity is not UNSET:
        terms["display_quantity"] = lots(instrument, order.display_quantity, field="display_quantity")
    if order.min_quantity is not UNSET:
        terms["min_quantity"] = lots(instrument, order.min_quantity, field="min_quantity")
    if order.expire_time is not UNSET:
        terms["expire_time_ns"] = _expire_time(order.expire_time)
    if order.peg is not UNSET and order.peg != "none":
        terms["peg"] = _PEG[order.peg]
    if order.peg_offset is not UNSET:
        terms["peg_offset"] = ticks(instrument, order.peg_offset, 0, field="peg_offset")
    for name in ("hidden", "auction_only", "slide"):
        if getattr(order, name) is True:
            terms[name] = True
    return terms


def _expire_time(text: str) -> int:
    try:
        time_ns = parse_timestamp(text)
    except ValueError as error:
        raise Problem("invalid_value", f"The expire_time {error}.", "expire_time") from None
    if not 0 < time_ns <= TIME_NS_MAX:
        raise Problem("invalid_expire_time", field="expire_time")
    return time_ns


def cancel_replace_command(trader: Trader, both: CancelReplace, instrument: Instrument) -> bytes:
    """The command that cancels one order and enters another one."""
    order_id = 0
    if both.order_id is not UNSET:
        if ORDER_ID.fullmatch(both.order_id) is None or int(both.order_id) > ORDER_ID_MAX:
            raise Problem("unknown_order", field="order_id")
        order_id = int(both.order_id)
    canceling = cancel_order(trader.account_id, order_id, client_order_id(both.client_order_id))
    mode = CancelReplaceMode.STOP_ON_FAILURE.value if both.mode is UNSET else both.mode
    try:
        entering = new_order_command(trader, both.new_order, instrument)
    except Problem as problem:
        raise problem.within("new_order") from None
    return engine.cancel_replace(_CANCEL_REPLACE_MODE[mode], canceling, entering)


class OrderReference:
    """How a path names an order: by its id, or as `client:` and its client_order_id."""

    __slots__ = ("client_order_id", "order_id")

    def __init__(self, text: str) -> None:
        """Raises Problem unknown_order for what can name no order."""
        self.order_id = 0
        self.client_order_id = ""
        if ORDER_ID.fullmatch(text) is not None and int(text) <= ORDER_ID_MAX:
            self.order_id = int(text)
        elif text.startswith(BY_CLIENT_ORDER_ID) and CLIENT_ORDER_ID.fullmatch(text[len(BY_CLIENT_ORDER_ID) :]):
            self.client_order_id = text[len(BY_CLIENT_ORDER_ID) :]
        else:
            raise Problem("unknown_order", field="order_id")

    def cancel(self, trader: Trader) -> bytes:
        """The command that cancels the order."""
        return cancel_order(trader.account_id, self.order_id, self.client_order_id)

    def find(self, node: Node, trader: Trader) -> OrderRow | None:
        """The order as the node has it, if it is open and the trader's."""
        if self.order_id:
            row = node.order(self.order_id)
        else:
            row = node.order_by_client_id(trader.account_id, self.client_order_id)
        return row if row is not None and row["account_id"] == trader.account_id else None

    def replace(self, trader: Trader, change: ReplaceOrder, instrument: Instrument) -> bytes:
        """The command that changes the order, which is on `instrument`."""
        return replace_order(
            trader.account_id,
            self.order_id,
            self.client_order_id,
            client_order_id(change.client_order_id),
            0 if change.price is UNSET else ticks(instrument, change.price),
            0 if change.quantity is UNSET else lots(instrument, change.quantity),
            trigger_price=0
            if change.trigger_price is UNSET
            else ticks(instrument, change.trigger_price, field="trigger_price"),
            display_quantity=0
            if change.display_quantity is UNSET
            else lots(instrument, change.display_quantity, field="display_quantity"),
        )
