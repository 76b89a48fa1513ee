"""The shapes of what the compiled module's reads give: integers and words, nothing converted."""

from typing import TypedDict

__all__ = ["AccountRow", "AssetRow", "InstrumentRow", "OrderRow", "TermsRow"]


class AssetRow(TypedDict):
    """An asset. Amounts are in its smallest unit."""

    asset_id: int
    code: str
    scale: int
    issued: int


class InstrumentRow(TypedDict):
    """An instrument. Steps are `mantissa / 10**scale`, quantities in lots; `last_price` in ticks, 0 before a trade."""

    instrument_id: int
    symbol: str
    base_id: int
    quote_id: int
    tick_mantissa: int
    tick_scale: int
    lot_mantissa: int
    lot_scale: int
    min_quantity: int
    max_quantity: int
    min_notional: int
    status: str
    last_price: int
    lot_units: int
    tick_lot_units: int


class AccountRow(TypedDict):
    """An account."""

    account_id: int
    code: str
    group_id: int


class TermsRow(TypedDict):
    """What an order says beyond the common fields, as it is now; 0 for none."""

    list_id: int
    waits: bool
    limit_price: int
    trigger_price: int
    trigger_by: str
    trail_bps: int
    display_quantity: int
    hidden: bool
    min_quantity: int
    expire_time_ns: int
    auction_only: bool
    slide: bool
    peg: str
    peg_offset: int


class OrderRow(TypedDict):
    """An open order. Prices are in ticks, quantities in lots, the hold in the smallest unit of what it holds."""

    order_id: int
    client_order_id: str
    account_id: int
    instrument_id: int
    side: str
    order_type: str
    time_in_force: str
    post_only: bool
    self_trade_prevention: str
    price: int
    quantity: int
    quote_quantity: int
    filled_quantity: int
    leaves_quantity: int
    displayed_quantity: int
    key_id: int
    maker_ppm: int
    taker_ppm: int
    fee_carry: int
    hold: int
    terms: TermsRow | None
