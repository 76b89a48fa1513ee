"""From the JSON of orders to encoded commands: everything that can be wrong before the engine sees it."""

import re

from msgspec import UNSET, UnsetType

from beurs.catalogue import Instrument
from beurs.engine import Node, cancel_order, new_order, replace_order
from beurs.keys import Trader
from beurs.orders.schemas import NewOrder, ReplaceOrder
from beurs.rows import OrderRow
from beurs.values import OrderType, SelfTradePrevention, Side, TimeInForce
from beurs.web.problems import Problem
from beurs.web.steps import lots, quote_units, ticks

CLIENT_ORDER_ID = re.compile(r"[!-~]{1,36}", re.ASCII)
ORDER_ID = re.compile(r"[1-9][0-9]{0,19}", re.ASCII)
ORDER_ID_MAX = 2**63 - 1  # what the store can look for
BY_CLIENT_ORDER_ID = "client:"

SIDE = {member.value: member.number for member in Side}
_ORDER_TYPE = {member.value: member.number for member in OrderType}
_TIME_IN_FORCE = {member.value: member.number for member in TimeInForce}
_SELF_TRADE_PREVENTION = {member.value: member.number for member in SelfTradePrevention}
_LIMIT, _NONE = OrderType.LIMIT.number, SelfTradePrevention.NONE.number
_GTC, _IOC = TimeInForce.GTC.number, TimeInForce.IOC.number


def client_order_id(text: str | UnsetType) -> str:
    """A client_order_id, or the empty text for none."""
    if text is UNSET:
        return ""
    if CLIENT_ORDER_ID.fullmatch(text) is None:
        raise Problem("invalid_value", "Must be 1 to 36 printable ASCII characters without spaces.", "client_order_id")
    return text


def new_order_command(trader: Trader, order: NewOrder, instrument: Instrument) -> bytes:
    """The command that enters an order."""
    price, quantity, quote_quantity = order.price, order.quantity, order.quote_quantity
    market = order.order_type == "market"
    if order.time_in_force is not UNSET:
        time_in_force = _TIME_IN_FORCE[order.time_in_force]
    else:
        time_in_force = _IOC if market else _GTC
    return new_order(
        trader.account_id,
        instrument.instrument_id,
        SIDE[order.side],
        _LIMIT if order.order_type is UNSET else _ORDER_TYPE[order.order_type],
        time_in_force,
        order.post_only is True,
        _NONE if order.self_trade_prevention is UNSET else _SELF_TRADE_PREVENTION[order.self_trade_prevention],
        0 if price is UNSET else ticks(instrument, price, 1 if market else 0),
        0 if quantity is UNSET else lots(instrument, quantity, 0 if quote_quantity is UNSET else 1),
        0 if quote_quantity is UNSET else quote_units(instrument, quote_quantity),
        client_order_id(order.client_order_id),
        key_id=trader.key_id,
    )


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
        )
