"""The words and texts that the JSON of every domain is made of. A test holds the words against the engine's."""

from typing import Annotated, Literal

from msgspec import Meta

DECIMAL_PATTERN = r"^(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?$"
CLIENT_ORDER_ID_PATTERN = r"^[!-~]{1,36}$"

# The patterns are for the documentation; the edge checks them itself, so that its errors name code and rule.
DecimalText = Annotated[
    str, Meta(description="A decimal, as text.", examples=["0.5"], extra_json_schema={"pattern": DECIMAL_PATTERN})
]
ClientOrderId = Annotated[
    str,
    Meta(
        description="The client's own id of the order: 1 to 36 printable ASCII characters without spaces.",
        examples=["my-order-1"],
        extra_json_schema={"pattern": CLIENT_ORDER_ID_PATTERN},
    ),
]
TimeText = Annotated[
    str, Meta(description="A time in UTC, with at most nine decimals.", examples=["2030-01-31T09:30:00Z"])
]
SideText = Literal["buy", "sell"]
OrderTypeText = Literal["limit", "market", "stop", "stop_limit", "take_profit", "take_profit_limit", "market_to_limit"]
TimeInForceText = Literal["gtc", "ioc", "fok", "gtd", "day"]
SelfTradePreventionText = Literal["none", "expire_taker", "expire_maker", "expire_both", "decrement"]
OrderStatusText = Literal["new", "partially_filled", "filled", "canceled", "expired"]
TriggerByText = Literal["last", "best", "mark"]
PegText = Literal["none", "primary", "market"]
ContingencyText = Literal["oco", "oto", "otoco"]
ListStatusText = Literal["executing", "all_done"]
CancelReplaceModeText = Literal["stop_on_failure", "allow_failure"]
TradingStatusText = Literal["open", "post_only", "cancel_only", "halted", "auction", "pre_open", "closed"]
StatusReasonText = Literal[
    "requested", "schedule", "price_band", "trigger_cascade", "limit_state", "auction_end", "quarantined"
]
ExecTypeText = Literal["new", "trade", "canceled", "replaced", "restated", "triggered", "expired"]
CancelReasonText = Literal[
    "requested",
    "mass_cancel",
    "immediate_or_cancel",
    "fill_or_kill",
    "no_liquidity",
    "self_trade",
    "expired",
    "end_of_day",
    "order_list",
    "minimum_quantity",
    "price_band",
    "auction_ended",
    "insufficient_funds",
    "disconnected",
    "cancel_all_after",
    "kill_switch",
    "refused",
]
LiquidityText = Literal["maker", "taker", "auction"]
