"""The JSON of orders. Decimals are strings by the grammar of docs/concepts/numbers, ids are strings, sequences numbers.

What comes in is refused if it has a field that is not here. What goes out always has every field; null says that an
order has no such thing.
"""

from msgspec import UNSET, Struct, UnsetType

from beurs.web.words import (
    CancelReasonText,
    ClientOrderId,
    DecimalText,
    ExecTypeText,
    LiquidityText,
    OrderStatusText,
    OrderTypeText,
    SelfTradePreventionText,
    SideText,
    TimeInForceText,
)


class NewOrder(Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """An order to enter. A limit order has `price` and `quantity`, a market order `quantity` or `quote_quantity`.

    What is not given: `order_type` is `limit`, `time_in_force` is `gtc` for a limit order and `ioc` for a market order,
    `post_only` is false, `self_trade_prevention` is `none`. A post-only order is refused rather than let it take.
    """

    symbol: str
    side: SideText
    order_type: OrderTypeText | UnsetType = UNSET
    time_in_force: TimeInForceText | UnsetType = UNSET
    post_only: bool | UnsetType = UNSET
    self_trade_prevention: SelfTradePreventionText | UnsetType = UNSET
    price: DecimalText | UnsetType = UNSET
    quantity: DecimalText | UnsetType = UNSET
    quote_quantity: DecimalText | UnsetType = UNSET
    client_order_id: ClientOrderId | UnsetType = UNSET


class OrderBatch(Struct, forbid_unknown_fields=True, frozen=True):
    """Orders to enter, in this order."""

    orders: list[NewOrder]


class ReplaceOrder(Struct, forbid_unknown_fields=True, frozen=True):
    """What to change of an order; what is not given stays. `quantity` is the new total, what is filled included."""

    price: DecimalText | UnsetType = UNSET
    quantity: DecimalText | UnsetType = UNSET
    client_order_id: ClientOrderId | UnsetType = UNSET


class Fill(Struct, frozen=True, gc=False):
    """One trade of the order within the command that is reported."""

    trade_id: str
    price: DecimalText
    quantity: DecimalText
    notional: DecimalText
    fee: str
    """In the quote asset; with a minus sign if it is a rebate."""
    liquidity: LiquidityText


class Order(Struct, frozen=True, gc=False):
    """An order as it is now."""

    order_id: str
    client_order_id: ClientOrderId | None
    symbol: str
    side: SideText
    order_type: OrderTypeText
    time_in_force: TimeInForceText
    post_only: bool
    self_trade_prevention: SelfTradePreventionText
    price: DecimalText | None
    quantity: DecimalText | None
    quote_quantity: DecimalText | None
    filled_quantity: DecimalText
    leaves_quantity: DecimalText
    status: OrderStatusText
    cancel_reason: CancelReasonText | None
    hold: DecimalText
    """The money held for it: quote for a buy, base for a sell."""


class ExecutionReport(Order, frozen=True, gc=False, kw_only=True):
    """An order after a command, and what the command did to it (FIX 8)."""

    exec_type: ExecTypeText
    fills: list[Fill]
    sequence: int
    timestamp: str


class BatchReject(Struct, frozen=True):
    """An order of a batch that was not accepted."""

    status: int
    code: str
    message: str
    field: str | None


class BatchResult(Struct, frozen=True):
    """What became of one order of a batch: exactly one of the two is there."""

    report: ExecutionReport | None
    error: BatchReject | None


class BatchReport(Struct, frozen=True):
    """What became of each order of a batch, in the order they were given."""

    results: list[BatchResult]


class OrderList(Struct, frozen=True):
    """Orders, the newest first."""

    orders: list[Order]
    next_cursor: str | None
    """Give it as `cursor` to read on; null at the end."""


class MassCancelReport(Struct, frozen=True):
    """What a mass cancel did."""

    canceled: int
    order_ids: list[str]
    sequence: int
    timestamp: str
