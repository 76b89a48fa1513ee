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

    DuplicateClientOrderId = 301, "duplicate_client_order_id", "The account has used this client_order_id already.";
    InvalidTimeInForce = 302, "invalid_time_in_force", "A market order is ioc or fok; by quote_quantity only ioc.";
    InvalidPostOnly = 303, "invalid_post_only", "Only a limit gtc order can be post_only.";
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
}

/// The reject reasons as a Markdown table, in precedence; the one in the documentation is made by this.
pub fn reject_table() -> String {
    let mut table = String::from("| number | code | rule |\n|---:|---|---|\n");
    for reason in RejectReason::ALL {
        table.push_str(&format!("| {} | `{}` | {} |\n", *reason as u16, reason.as_str(), reason.rule()));
    }
    table
}
