//! Why a command was refused: one reason, the first that applies, in the order of the numbers.
//!
//! The numbers are stable and never reused. Gaps leave room for later reasons at their place in the precedence.

macro_rules! reject_reasons {
    ($($variant:ident = $number:literal, $code:literal, $rule:literal;)+) => {
        /// The reason of a rejection. Checks run in ascending number, so that when several apply the lowest is given.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u16)]
        pub enum RejectReason {
            $(#[doc = $rule] $variant = $number,)+
        }

        impl RejectReason {
            /// Every reason, in precedence.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The reason with this number.
            pub const fn from_u16(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The stable text code, as in JSON.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                }
            }

            /// The rule that was broken, as a sentence.
            pub const fn rule(self) -> &'static str {
                match self {
                    $(Self::$variant => $rule,)+
                }
            }
        }
    };
}

reject_reasons! {
    UnknownAccount = 101, "unknown_account", "The account does not exist.";
    UnknownAsset = 102, "unknown_asset", "The asset does not exist.";
    UnknownInstrument = 103, "unknown_instrument", "The instrument does not exist.";
    OrderReferenceMissing = 104, "order_reference_missing", "An order_id or a client_order_id must name the order.";
    UnknownOrder = 105, "unknown_order", "The account has no open order of that id.";

    InstrumentHalted = 201, "instrument_halted", "The instrument is halted: nothing is accepted.";
    InstrumentCancelOnly = 202, "instrument_cancel_only", "The instrument accepts only cancels.";
    InstrumentPostOnly = 203, "instrument_post_only", "The instrument accepts only post-only orders.";
    InstrumentClosed = 204, "instrument_closed", "The instrument is closed: only cancels are accepted.";
    AuctionOnlyNotAllowed = 205, "auction_only_not_allowed", "An auction_only order is accepted only before and in an auction.";
    NotInAuction = 206, "not_in_auction", "In an auction, orders that trade at once (ioc, fok, post_only, market_to_limit, pegged, minimum quantity, by quote_quantity) are not accepted.";
    AccountCancelOnly = 207, "account_cancel_only", "The account may only cancel.";
    AccountRejectOnly = 208, "account_reject_only", "The account may do nothing.";
    KillSwitchEngaged = 209, "kill_switch_engaged", "A kill switch is engaged for the key, the account, its group, the instrument or the venue.";

    DuplicateClientOrderId = 301, "duplicate_client_order_id", "The account has used this client_order_id already.";
    InvalidTimeInForce = 302, "invalid_time_in_force", "An order without a limit is ioc or fok, by quote_quantity only ioc; outside continuous trading any. A market_to_limit order can rest.";
    InvalidPostOnly = 303, "invalid_post_only", "Only a limit order that can rest can be post_only.";
    PriceNotAllowed = 304, "price_not_allowed", "A market order has no price.";
    InvalidPrice = 305, "invalid_price", "The price is from 1 to 9007199254740991 ticks.";
    QuoteQuantityNotAllowed = 306, "quote_quantity_not_allowed", "Only a market order can be given by quote_quantity, and then it has no quantity.";
    InvalidQuantity = 307, "invalid_quantity", "The quantity is from 1 to 9007199254740991 lots, a quote_quantity at least 1 of the smallest unit.";
    QuantityBelowMinimum = 308, "quantity_below_minimum", "The quantity is below the instrument's minimum.";
    QuantityAboveMaximum = 309, "quantity_above_maximum", "The quantity is above the instrument's maximum.";
    QuantityNotAboveFilled = 310, "quantity_not_above_filled", "The new quantity must be above what is filled.";
    NotionalOverflow = 311, "notional_overflow", "price × quantity is above 10^30 of the quote asset's smallest unit.";
    NotionalBelowMinimum = 312, "notional_below_minimum", "price × quantity is below the instrument's minimum notional.";
    InvalidAmount = 313, "invalid_amount", "The amount is at least 1 of the asset's smallest unit.";
    AmountOverflow = 314, "amount_overflow", "At most 10^36 of the smallest unit of an asset may exist.";
    OrderTypeNotAllowed = 315, "order_type_not_allowed", "The instrument does not take orders of this kind.";
    InvalidTriggerPrice = 316, "invalid_trigger_price", "A conditional order has a trigger_price from 1 to 9007199254740991 ticks, or trails; other orders have none.";
    InvalidTrail = 317, "invalid_trail", "trail_bps is from 1 to 9999, for conditional orders only.";
    InvalidDisplayQuantity = 318, "invalid_display_quantity", "A display_quantity is from 1 lot, and a thousandth of the order's quantity, to all of it, for limit orders that can rest and are not hidden.";
    InvalidHidden = 319, "invalid_hidden", "Only a limit order that can rest can be hidden, and it is not post_only.";
    InvalidMinimumQuantity = 320, "invalid_minimum_quantity", "A min_quantity is from 1 lot to the order's quantity, for limit orders that are not post_only nor fok.";
    InvalidExpireTime = 321, "invalid_expire_time", "A gtd order has an expire_time_ns after now; other orders have none.";
    InvalidSlide = 322, "invalid_slide", "Only a post_only order can slide.";
    InvalidPeg = 323, "invalid_peg", "Only a limit order that can rest, is not conditional, hidden nor iceberg can be pegged; peg_offset is from 0, for a market peg from 1, to 1000000 ticks.";
    InvalidAuctionOnly = 324, "invalid_auction_only", "An auction_only order is a market or limit order without other terms.";
    InvalidKey = 325, "invalid_key", "A key_id is from 0 to 4095.";
    InvalidOrderList = 326, "invalid_order_list", "The orders of a list are of one account and instrument; oco: one limit or take-profit and one stop order of one side that can rest; oto: two, otoco: three, the first a limit order that can rest.";
    InvalidTimeout = 327, "invalid_timeout", "A timeout is 0, or from 1 ms to 24 h.";
    ReplaceNotAllowed = 329, "replace_not_allowed", "The field cannot be changed on this order.";
    NestedAdminister = 330, "nested_administer", "An administer command holds a command of another kind.";
    DuplicateTradeCorrection = 331, "duplicate_trade_correction", "The trade has been busted already.";
    UnknownTrade = 332, "unknown_trade", "There was no trade of that id.";

    PriceOutsideBands = 381, "price_outside_bands", "The price is outside the instrument's static price band.";
    FatFinger = 382, "fat_finger", "The price is further from the reference price, against its owner, than the risk limit allows.";
    OrderQuantityLimit = 383, "order_quantity_limit", "The quantity is above the risk limit.";
    OrderNotionalLimit = 384, "order_notional_limit", "price × quantity is above the risk limit.";
    OpenOrdersLimit = 385, "open_orders_limit", "As many orders are open as the risk limit allows.";
    OpenConditionalOrdersLimit = 386, "open_conditional_orders_limit", "As many conditional orders wait as the risk limit allows.";
    PositionLimit = 387, "position_limit", "If all open orders of this side traded, the position would be above the risk limit.";
    ExposureLimit = 388, "exposure_limit", "With this order the exposure would be above the risk limit.";
    DuplicateOrder = 389, "duplicate_order", "An equal order was entered a moment ago.";
    OrderRateLimit = 390, "order_rate_limit", "More orders than the risk limit allows in this time.";
    NoReferencePrice = 391, "no_reference_price", "There is no price to peg to, or to bound a market order in an auction by.";

    TooManyOpenOrders = 401, "too_many_open_orders", "The account or the venue has as many open orders as are allowed.";
    PostOnlyWouldMatch = 402, "post_only_would_match", "The post-only order would trade at once.";
    InsufficientFunds = 403, "insufficient_funds", "The available balance does not cover the worst case, fees included.";

    InvalidCode = 501, "invalid_code", "A code or symbol is 1 or more characters of A-Z a-z 0-9 . _ -.";
    DuplicateCode = 502, "duplicate_code", "The code or symbol is taken.";
    InvalidScale = 503, "invalid_scale", "A scale is from 0 to 18.";
    SameAsset = 504, "same_asset", "Base and quote must differ.";
    InvalidTickSize = 505, "invalid_tick_size", "The tick size is at least 1 in the last of at most 18 decimals.";
    InvalidLotSize = 506, "invalid_lot_size", "The lot size is a whole number of the base asset's smallest unit.";
    InexactNotional = 507, "inexact_notional", "tick size × lot size must be a whole number of the quote asset's smallest unit.";
    InvalidQuantityRange = 508, "invalid_quantity_range", "1 lot ≤ minimum quantity ≤ maximum quantity ≤ 9007199254740991 lots.";
    InvalidMinimumNotional = 509, "invalid_minimum_notional", "The minimum notional is from 0 to 10^30.";
    InvalidFee = 510, "invalid_fee", "taker_ppm is from 0 to 1000000, maker_ppm from -taker_ppm to 1000000.";
    TooManyEntries = 511, "too_many_entries", "The venue has as many of these as are allowed.";
    InvalidMatching = 512, "invalid_matching", "Percents are from 0 to 100, the least allocation is at least 1 lot, a share at most 10000.";
    BookNotEmpty = 513, "book_not_empty", "The matching algorithm changes only while the instrument has no open orders.";
    InvalidPriceBands = 514, "invalid_price_bands", "static_up_bps is up to 1000000, the others up to 9999; auction_ns from 1 ms to 24 h, auction_random_ns up to 1 h, limit_state_ns up to 24 h; nothing is negative.";
    InvalidFeatures = 515, "invalid_features", "features is a sum of known bits; max_triggers is from 1 to 100000.";
    InvalidSchedule = 516, "invalid_schedule", "A slot is from 0 to 15, weekdays a sum of known bits, the time of day below 24 h, random_ns up to 1 h.";
    InvalidRiskLimits = 517, "invalid_risk_limits", "Limits are not negative; a rate has a window of 1 ms to 24 h; a duplicate window is up to 1 h; without an instrument only counts can be bounded.";
    InvalidFeeTier = 518, "invalid_fee_tier", "A tier is from 1 to 15 and its volume is not negative.";
    InvalidFeeCap = 519, "invalid_fee_cap", "A fee cap is from 0 to 10^30.";
    InvalidEndTime = 520, "invalid_end_time", "Only an auction has an end_time_ns, and it is after now.";

    CommandFailed = 601, "command_failed", "Executing the command broke an invariant of the exchange. It has been undone, and its instrument is quarantined.";
    DiskFull = 901, "disk_full", "The journal's disk is full: only what reduces risk is accepted. The node says so, not the engine: the command is not in the journal, its sequence is 0, and it may be sent again.";
}

/// The reject reasons as a Markdown table, in precedence; the one in the documentation is made by this.
pub fn reject_table() -> String {
    let mut table = String::from("| number | code | rule |\n|---:|---|---|\n");
    for reason in RejectReason::ALL {
        table.push_str(&format!("| {} | `{}` | {} |\n", *reason as u16, reason.as_str(), reason.rule()));
    }
    table
}
