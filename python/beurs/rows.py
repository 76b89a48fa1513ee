"""The shapes of what the compiled module's reads give: integers and words, nothing converted."""

from typing import TypedDict

__all__ = [
    "AccountRow",
    "AssetRow",
    "BalancesRow",
    "BandsRow",
    "InstrumentRow",
    "KillSwitchRow",
    "MatchingRow",
    "OrderRow",
    "PositionRow",
    "RiskLimitsRow",
    "ScheduleRow",
    "SettingsRow",
    "TermsRow",
]


class AssetRow(TypedDict):
    """An asset. Amounts are in its smallest unit."""

    asset_id: int
    code: str
    scale: int
    issued: int


class BalancesRow(TypedDict):
    """The money of all accounts after one command. `digest` is the state's, `running_hash` the journal's, hexadecimal.

    `balances` has those that are not empty: the account's code, whether it is the venue's own, asset_id, total.
    """

    sequence: int
    event_time_ns: int
    digest: str
    running_hash: str
    assets: list[AssetRow]
    balances: list[tuple[str, bool, int, int]]


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


class PositionRow(TypedDict):
    """A position. Quantities are in lots, `mark` in ticks; money in the quote asset's smallest unit, except
    `cost_tick_lots`.
    """

    instrument_id: int
    quantity: int
    bought: int
    sold: int
    cost_tick_lots: int
    cost: int
    realised: int
    unrealised: int
    fees: int
    mark: int


class BandsRow(TypedDict):
    """Price bands."""

    static_up_bps: int
    static_down_bps: int
    dynamic_bps: int
    collar_bps: int
    action: str
    auction_ns: int
    auction_random_ns: int
    limit_state_ns: int


class MatchingRow(TypedDict):
    """How orders at one price share. Quantities are in lots."""

    algorithm: str
    top_max: int
    lead_percent: int
    fifo_percent: int
    min_allocation: int
    leveling: bool


class ScheduleRow(TypedDict):
    """An entry of a schedule; `weekdays` is the sum of 1 for Monday to 64 for Sunday."""

    slot: int
    weekdays: int
    time_of_day_ns: int
    random_ns: int
    status: str
    due_ns: int


class SettingsRow(TypedDict):
    """What staff has set for an instrument. Prices are in ticks, 0 for none; `lead_market_makers` are the account_id
    and the share of each.
    """

    instrument_group_id: int
    reference: int
    mark_price: int
    end_time_ns: int
    features: int
    max_triggers: int
    bands: BandsRow | None
    matching: MatchingRow | None
    lead_market_makers: list[tuple[int, int]]
    schedule: list[ScheduleRow]


class KillSwitchRow(TypedDict):
    """A kill switch that is engaged; ids are 0 where they do not belong to its scope."""

    scope: str
    instrument_id: int
    group_id: int
    account_id: int
    key_id: int


class RiskLimitsRow(TypedDict):
    """Risk limits; ids are 0 where they do not belong to the scope, limits where there is none. Quantities are in lots,
    money in the quote asset's smallest unit.
    """

    scope: str
    instrument_id: int
    group_id: int
    account_id: int
    key_id: int
    max_order_quantity: int
    max_order_notional: int
    max_open_orders: int
    max_open_conditional_orders: int
    max_position: int
    max_exposure: int
    max_order_rate: int
    rate_window_ns: int
    fat_finger_bps: int
    duplicate_window_ns: int


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
