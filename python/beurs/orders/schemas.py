"""The JSON of orders. Decimals are strings by the grammar of docs/concepts/numbers, ids are strings, sequences numbers.

What comes in is refused if it has a field that is not here. What goes out always has every field; null says that an
order has no such thing.
"""

from msgspec import UNSET, Struct, UnsetType

from beurs.web.words import (
    CancelReasonText,
    CancelReplaceModeText,
    ClientOrderId,
    ContingencyText,
    DecimalText,
    ExecTypeText,
    LiquidityText,
    ListStatusText,
    OrderStatusText,
    OrderTypeText,
    PegText,
    SelfTradePreventionText,
    SideText,
    TimeInForceText,
    TimeText,
    TriggerByText,
)


class PlainOrder(Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """An order without terms: what nearly all orders are, and what is read quickest."""

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


class NewOrder(PlainOrder, forbid_unknown_fields=True, frozen=True, gc=False):
    """An order to enter. One with a limit has `price` and `quantity`, a market order `quantity` or `quote_quantity`.

    What is not given: `order_type` is `limit`; `time_in_force` is `gtd` with an `expire_time`, else `ioc` for `market`,
    `stop` and `take_profit`, else `gtc`; `post_only` is false, `self_trade_prevention` and `peg` are `none`,
    `trigger_by` is `last`. A post-only order is refused rather than let it take, or with `slide` priced one tick from
    where it would. `trigger_price` and `trail_bps` (how far it trails the best price, in basis points) are of the
    conditional types. `display_quantity` makes an iceberg. A pegged order's `price` is the worst it may get.
    docs/concepts/rulebook.md has all of it.
    """

    trigger_price: DecimalText | UnsetType = UNSET
    trigger_by: TriggerByText | UnsetType = UNSET
    trail_bps: int | UnsetType = UNSET
    display_quantity: DecimalText | UnsetType = UNSET
    hidden: bool | UnsetType = UNSET
    min_quantity: DecimalText | UnsetType = UNSET
    expire_time: TimeText | UnsetType = UNSET
    auction_only: bool | UnsetType = UNSET
    slide: bool | UnsetType = UNSET
    peg: PegText | UnsetType = UNSET
    peg_offset: DecimalText | UnsetType = UNSET


class CancelReplace(Struct, forbid_unknown_fields=True, frozen=True):
    """Which order to cancel, by either id or both, and which to enter instead.

    `mode` is `stop_on_failure` if it is not given: the new order is entered only if the cancel succeeds.
    `allow_failure`: whatever becomes of the cancel.
    """

    new_order: NewOrder
    order_id: str | UnsetType = UNSET
    client_order_id: ClientOrderId | UnsetType = UNSET
    mode: CancelReplaceModeText | UnsetType = UNSET


class NewOrderList(Struct, forbid_unknown_fields=True, frozen=True):
    """Orders that depend on each other: of one instrument, each by `quantity`.

    `oco`: two of one side, a `limit`, `take_profit` or `take_profit_limit` and a `stop` or `stop_limit`; one cancels
    the other. `oto`: the second waits until the first, a `limit`, is filled. `otoco`: the second and the third are an
    OCO pair that does.
    """

    contingency: ContingencyText
    orders: list[NewOrder]


class OrderBatch(Struct, forbid_unknown_fields=True, frozen=True):
    """Orders to enter, in this order."""

    orders: list[NewOrder]


class ReplaceOrder(Struct, forbid_unknown_fields=True, frozen=True):
    """What to change of an order; what is not given stays. `quantity` is the new total, what is filled included.

    `trigger_price` is of an order that still waits for it, `display_quantity` of an iceberg.
    """

    price: DecimalText | UnsetType = UNSET
    quantity: DecimalText | UnsetType = UNSET
    client_order_id: ClientOrderId | UnsetType = UNSET
    trigger_price: DecimalText | UnsetType = UNSET
    display_quantity: DecimalText | UnsetType = UNSET


class OrderTerms(Struct, frozen=True, gc=False):
    """What an order says beyond the common fields, as it is now; null where it says nothing."""

    limit_price: DecimalText | None
    """The worst price of a pegged order."""
    trigger_price: DecimalText | None
    """The price that triggers it, now; of a trailing order it moves."""
    trigger_by: TriggerByText
    trail_bps: int | None
    display_quantity: DecimalText | None
    hidden: bool
    min_quantity: DecimalText | None
    expire_time: str | None
    auction_only: bool
    slide: bool
    peg: PegText
    peg_offset: DecimalText | None


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
    displayed_quantity: DecimalText
    """What of it the book shows."""
    waits: bool
    """Whether it waits: for its trigger price, or for another order of its list."""
    list_id: str | None
    terms: OrderTerms | None
    """null for an order without terms. The answer to a cancel does not repeat them."""


class ExecutionReport(Order, frozen=True, gc=False, kw_only=True):
    """An order after a command, and what the command did to it (FIX 8).

    `list_id` and `terms` are those that the command has told: a cancel tells neither.
    """

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


class CancelReplaceReport(Struct, frozen=True):
    """What became of the two halves. Of each, one is there and the other null."""

    canceled: ExecutionReport | None
    cancel_error: BatchReject | None
    entered: ExecutionReport | None
    order_error: BatchReject | None


class NewOrderListReport(Struct, frozen=True):
    """An order list after it was entered, and what that did to each of its orders, in the order they were given."""

    list_id: str
    contingency: ContingencyText
    status: ListStatusText
    orders: list[ExecutionReport]
    sequence: int
    timestamp: str


class OrderListReport(Struct, frozen=True):
    """An order list and its orders as they are now, in the order they were given."""

    list_id: str
    symbol: str
    contingency: ContingencyText
    status: ListStatusText
    orders: list[Order]
    created_at: str
    updated_at: str


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
