//! Values that everything else is made of: ids, prices, quantities, amounts, short texts and the field's enums.
//!
//! Invariants: every number is an integer; ids start at 1 and 0 means "none"; enums have stable numbers, which are
//! the ones on the wire and in the snapshot.

use std::fmt;

/// The largest order price, in ticks, and the largest order quantity, in lots: 2^53 - 1, so that both survive any
/// language's number type.
pub const MAX_TICKS_OR_LOTS: i64 = (1 << 53) - 1;
/// The largest notional the engine will compute with, in the quote asset's smallest unit. A notional times a fee in
/// parts per million then still fits 128 bits.
pub const MAX_NOTIONAL: i128 = 10_i128.pow(30);
/// The largest amount of one asset that may exist at the venue, in the asset's smallest unit.
pub const MAX_ISSUED: i128 = 10_i128.pow(36);
/// One, in parts per million.
pub const PPM: i128 = 1_000_000;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        #[repr(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The id that names nothing.
            pub const NONE: Self = Self(0);

            /// Whether this is [`Self::NONE`].
            #[inline]
            pub const fn is_none(self) -> bool {
                self.0 == 0
            }

            /// The place in a dense array whose first element has id 1; `None` for id 0.
            #[inline]
            pub const fn index(self) -> Option<usize> {
                (self.0 as usize).checked_sub(1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// An asset, numbered from 1 in the order of `AddAsset` commands.
    AssetId(u32)
);
id!(
    /// An instrument, numbered from 1 in the order of `ListInstrument` commands.
    InstrumentId(u32)
);
id!(
    /// An account, numbered from 1 in the order of `OpenAccount` commands.
    AccountId(u32)
);
id!(
    /// The venue's id of an order, numbered from 1 in the order of acceptance over all instruments.
    OrderId(u64)
);
id!(
    /// The venue's id of a trade, numbered from 1 over all instruments (FIX TrdMatchID 880).
    TradeId(u64)
);
id!(
    /// The venue's id of an order list, numbered from 1 in the order of acceptance (FIX ListID 66).
    ListId(u64)
);

/// A group of accounts that shares a fee schedule. Group 0 is the default.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(transparent)]
pub struct GroupId(pub u16);

/// A group of instruments that change their trading status together. Group 0 is the default.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(transparent)]
pub struct InstrumentGroupId(pub u16);

/// An API key of an account, numbered by the account from 1 to [`KeyId::MAX`]; 0 is no key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(transparent)]
pub struct KeyId(pub u16);

impl KeyId {
    /// No key.
    pub const NONE: Self = Self(0);
    /// The greatest number of a key.
    pub const MAX: u16 = 4_095;
}

/// A price as a count of the instrument's ticks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(transparent)]
pub struct PriceTicks(pub i64);

/// A quantity as a count of the instrument's lots.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(transparent)]
pub struct Lots(pub i64);

/// An amount of money in the asset's smallest unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(transparent)]
pub struct Amount(pub i128);

impl Lots {
    /// No quantity.
    pub const ZERO: Self = Self(0);
}

impl Amount {
    /// No money.
    pub const ZERO: Self = Self(0);
}

/// A decimal step, `mantissa / 10^scale`: a tick size or a lot size. `0.05` is `{ mantissa: 5, scale: 2 }`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Step {
    /// The digits; at least 1.
    pub mantissa: u64,
    /// How many of the digits stand behind the point; at most 18.
    pub scale: u8,
}

/// ASCII text of at most `N` bytes, stored in place. Unused bytes are zero, so equality is that of the bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortText<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> ShortText<N> {
    /// The empty text.
    pub const EMPTY: Self = Self { bytes: [0; N], len: 0 };
    /// The greatest length in bytes.
    pub const MAX: usize = N;

    /// Takes printable ASCII without spaces (0x21 to 0x7e), at most `N` bytes; `None` for anything else.
    /// The empty text is allowed.
    pub fn new(text: &[u8]) -> Option<Self> {
        if text.len() > N || !text.iter().all(|byte| (0x21..=0x7e).contains(byte)) {
            return None;
        }
        let mut bytes = [0; N];
        bytes[..text.len()].copy_from_slice(text);
        Some(Self { bytes, len: text.len() as u8 })
    }

    /// Takes the text from a fixed field that is padded with zero bytes at its end, by the rule of [`Self::new`].
    /// The loop has no exits and carries nothing but sums, so that it is compiled to a few vector instructions.
    #[inline]
    pub fn from_padded(bytes: &[u8; N]) -> Option<Self> {
        if N == 0 || bytes[0] == 0 {
            let blank = bytes.iter().fold(0, |all, byte| all | byte) == 0;
            return blank.then_some(Self::EMPTY);
        }
        let mut bad = false;
        let mut len = 0_u8;
        for at in 0..N {
            let zero = bytes[at] == 0;
            let ended = at > 0 && bytes[at - 1] == 0;
            bad |= !zero & (ended | !(0x21..=0x7e).contains(&bytes[at]));
            len += u8::from(!zero);
        }
        if bad {
            return None;
        }
        Some(Self { bytes: *bytes, len })
    }

    /// The text in a fixed field, padded with zero bytes at its end.
    #[inline]
    pub const fn padded(&self) -> &[u8; N] {
        &self.bytes
    }

    /// The bytes of the text.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // Only printable ASCII gets in, so this cannot fail.
        std::str::from_utf8(self.as_bytes()).unwrap_or("")
    }

    /// Whether there is no text.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The length in bytes.
    #[inline]
    pub const fn len(&self) -> usize {
        self.len as usize
    }
}

impl<const N: usize> Default for ShortText<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> fmt::Debug for ShortText<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl<const N: usize> fmt::Display for ShortText<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ShortText<36> {
    /// Packs a text of at most 15 bytes into 16, the last byte being the length.
    #[inline]
    pub(crate) fn to_short(self) -> [u8; 16] {
        let mut short = [0; 16];
        short[..15].copy_from_slice(&self.bytes[..15]);
        short[15] = self.len;
        short
    }

    /// The reverse of [`Self::to_short`].
    #[inline]
    pub(crate) fn from_short(short: &[u8; 16]) -> Self {
        let mut bytes = [0; 36];
        bytes[..15].copy_from_slice(&short[..15]);
        Self { bytes, len: short[15] }
    }
}

/// The text code of an asset, such as `BTC`.
pub type AssetCode = ShortText<15>;
/// The text code of an instrument, such as `BTC-USD`.
pub type Symbol = ShortText<31>;
/// The text code of an account, such as `alice`.
pub type AccountCode = ShortText<31>;
/// The client's own id of an order (FIX ClOrdID 11), the idempotency key. Empty means none.
pub type ClientOrderId = ShortText<36>;

macro_rules! wire_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal => $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$vdoc])* $variant = $number,)+
        }

        impl $name {
            /// Every value, in the order of the numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The value with this number.
            pub const fn from_u8(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The name used in JSON, SQL, documents and logs.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}

wire_enum!(
    /// The side of an order (FIX Side 54).
    Side {
        /// Pays quote, receives base.
        Buy = 1 => "buy",
        /// Pays base, receives quote.
        Sell = 2 => "sell",
    }
);

impl Side {
    /// The other side.
    #[inline]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// Whether an order of this side with limit `limit` can trade at the opposite side's price `price`.
    #[inline]
    pub const fn crosses(self, limit: PriceTicks, price: PriceTicks) -> bool {
        self.sign() * (limit.0 - price.0) >= 0
    }

    /// Whether price `a` stands before price `b` on this half of the book.
    #[inline]
    pub const fn sorts_before(self, a: PriceTicks, b: PriceTicks) -> bool {
        self.sign() * (a.0 - b.0) > 0
    }

    /// 1 for buy, -1 for sell. The sides of a stream of orders cannot be predicted, so what depends on them is computed
    /// rather than branched on. Prices are below 2^62, so that their differences fit.
    #[inline]
    pub(crate) const fn sign(self) -> i64 {
        3 - 2 * self as i64
    }

    /// 0 for buy, 1 for sell.
    #[inline]
    pub const fn index(self) -> usize {
        self as usize - 1
    }
}

wire_enum!(
    /// How the price of an order is given (FIX OrdType 40).
    OrderType {
        /// Trades at its price or better.
        Limit = 1 => "limit",
        /// Trades at whatever price is there; never rests in continuous trading.
        Market = 2 => "market",
        /// Waits for its trigger price on the far side of the market, then is a market order.
        Stop = 3 => "stop",
        /// Waits for its trigger price on the far side of the market, then is a limit order.
        StopLimit = 4 => "stop_limit",
        /// Waits for its trigger price on the near side of the market, then is a market order.
        TakeProfit = 5 => "take_profit",
        /// Waits for its trigger price on the near side of the market, then is a limit order.
        TakeProfitLimit = 6 => "take_profit_limit",
        /// Trades at the best opposite price only; what is left is a limit order at that price (FIX K).
        MarketToLimit = 7 => "market_to_limit",
    }
);

wire_enum!(
    /// How long an order lives (FIX TimeInForce 59).
    TimeInForce {
        /// Good till canceled.
        Gtc = 1 => "gtc",
        /// Immediate or cancel: what cannot trade at once is canceled.
        Ioc = 2 => "ioc",
        /// Fill or kill: trades whole at once, or not at all.
        Fok = 3 => "fok",
        /// Good till its `expire_time_ns`.
        Gtd = 4 => "gtd",
        /// Good till its instrument closes.
        Day = 5 => "day",
    }
);

wire_enum!(
    /// What happens when an order meets another one of the same account; the taker's mode decides.
    SelfTradePrevention {
        /// The two trade.
        None = 0 => "none",
        /// What is left of the taker is canceled; the maker stays.
        ExpireTaker = 1 => "expire_taker",
        /// The maker is canceled; the taker goes on.
        ExpireMaker = 2 => "expire_maker",
        /// Both are canceled.
        ExpireBoth = 3 => "expire_both",
        /// Both are reduced by the smaller quantity, without a trade; one reduced to nothing is canceled.
        Decrement = 4 => "decrement",
    }
);

wire_enum!(
    /// What an instrument accepts (FIX SecurityTradingStatus 326).
    TradingStatus {
        /// Everything.
        Open = 1 => "open",
        /// Post-only orders, replaces that do not match, and cancels.
        PostOnly = 2 => "post_only",
        /// Cancels.
        CancelOnly = 3 => "cancel_only",
        /// Nothing but mass cancels by the venue: the book is frozen as it stands.
        Halted = 4 => "halted",
        /// A call auction: orders are collected, and an indicative price is published.
        Auction = 5 => "auction",
        /// Before the auction: orders are collected.
        PreOpen = 6 => "pre_open",
        /// After the session: cancels only, and day orders have ended.
        Closed = 7 => "closed",
    }
);

wire_enum!(
    /// The state of an order (FIX OrdStatus 39).
    OrderStatus {
        /// Accepted, nothing traded.
        New = 1 => "new",
        /// Some of it traded.
        PartiallyFilled = 2 => "partially_filled",
        /// All of it traded.
        Filled = 3 => "filled",
        /// Ended before all of it traded.
        Canceled = 4 => "canceled",
        /// Ended by its time in force, GTD or Day.
        Expired = 5 => "expired",
    }
);

wire_enum!(
    /// What just happened to an order (FIX ExecType 150).
    ExecType {
        /// The order was accepted.
        New = 1 => "new",
        /// A part of it traded.
        Trade = 2 => "trade",
        /// It ended without trading its leaves.
        Canceled = 3 => "canceled",
        /// Its owner changed it.
        Replaced = 4 => "replaced",
        /// The venue changed it: reduced by self-trade prevention, or priced anew by its peg.
        Restated = 5 => "restated",
        /// Its trigger price was reached; or its trailing began (FIX L).
        Triggered = 6 => "triggered",
        /// Its time is over (FIX C).
        Expired = 7 => "expired",
    }
);

wire_enum!(
    /// Which part an order played in a trade (FIX LastLiquidityInd 851).
    Liquidity {
        /// Not a trade.
        None = 0 => "none",
        /// It was in the book.
        Maker = 1 => "maker",
        /// It came in and crossed.
        Taker = 2 => "taker",
        /// Both orders of a trade at an auction's price.
        Auction = 3 => "auction",
    }
);

wire_enum!(
    /// Why an order was canceled.
    CancelReason {
        /// Not canceled.
        None = 0 => "none",
        /// Its owner asked.
        Requested = 1 => "requested",
        /// A mass cancel named it.
        MassCancel = 2 => "mass_cancel",
        /// The rest of an IOC limit order.
        ImmediateOrCancel = 3 => "immediate_or_cancel",
        /// A FOK order that could not trade whole.
        FillOrKill = 4 => "fill_or_kill",
        /// The rest of a market order for which nothing was left to trade with.
        NoLiquidity = 5 => "no_liquidity",
        /// Self-trade prevention.
        SelfTrade = 6 => "self_trade",
        /// Its `expire_time_ns` has come.
        Expired = 7 => "expired",
        /// Its instrument has closed.
        EndOfDay = 8 => "end_of_day",
        /// Another order of its list has traded, triggered or ended.
        OrderList = 9 => "order_list",
        /// Less than its minimum quantity could trade at once.
        MinimumQuantity = 10 => "minimum_quantity",
        /// What was left would trade outside the price bands or the collar.
        PriceBand = 11 => "price_band",
        /// The auction for which it was entered is over.
        AuctionEnded = 12 => "auction_ended",
        /// What it needs when it triggers or is released is not available.
        InsufficientFunds = 13 => "insufficient_funds",
        /// The connection of its account's client was lost.
        Disconnected = 14 => "disconnected",
        /// The account's cancel-all-after time has come.
        CancelAllAfter = 15 => "cancel_all_after",
        /// A kill switch.
        KillSwitch = 16 => "kill_switch",
        /// When it triggered or was released it broke a rule that it kept when it was entered.
        Refused = 17 => "refused",
    }
);

wire_enum!(
    /// Why orders are mass canceled.
    MassCancelReason {
        /// Who may ask has asked.
        Requested = 0 => "requested",
        /// The connection of the account's client was lost.
        Disconnected = 1 => "disconnected",
    }
);

impl MassCancelReason {
    /// What the orders' reports say.
    pub const fn cancel_reason(self) -> CancelReason {
        match self {
            Self::Requested => CancelReason::MassCancel,
            Self::Disconnected => CancelReason::Disconnected,
        }
    }
}

wire_enum!(
    /// Which price triggers a conditional order (FIX TriggerPriceType 1107).
    TriggerBy {
        /// The price of the last trade.
        Last = 0 => "last",
        /// The price at which the order could trade: the best ask for a buy, the best bid for a sell.
        Best = 1 => "best",
        /// The mark price that the venue sets.
        Mark = 2 => "mark",
    }
);

wire_enum!(
    /// What the price of an order follows (FIX PegPriceType 1094).
    Peg {
        /// Nothing.
        None = 0 => "none",
        /// The best price of its own side.
        Primary = 1 => "primary",
        /// The best price of the other side.
        Market = 2 => "market",
    }
);

wire_enum!(
    /// How the orders of a list depend on each other (FIX ContingencyType 1385).
    Contingency {
        /// One cancels the other.
        Oco = 1 => "oco",
        /// One triggers the other.
        Oto = 2 => "oto",
        /// One triggers a pair of which one cancels the other.
        Otoco = 3 => "otoco",
    }
);

wire_enum!(
    /// The state of an order list (FIX ListOrderStatus 431).
    ListStatus {
        /// Its orders are at work, or wait to be.
        Executing = 1 => "executing",
        /// All of its orders have ended.
        AllDone = 2 => "all_done",
    }
);

wire_enum!(
    /// What a cancel-replace does when one of its halves is refused.
    CancelReplaceMode {
        /// The new order is entered only if the cancel succeeds.
        StopOnFailure = 1 => "stop_on_failure",
        /// The new order is entered whatever becomes of the cancel.
        AllowFailure = 2 => "allow_failure",
    }
);

wire_enum!(
    /// Why the trading status is what it is (FIX HaltReason 327).
    StatusReason {
        /// The venue has asked.
        Requested = 1 => "requested",
        /// The schedule.
        Schedule = 2 => "schedule",
        /// A price band was reached.
        PriceBand = 3 => "price_band",
        /// More conditional orders triggered one another than may in one command.
        TriggerCascade = 4 => "trigger_cascade",
        /// The best price stood at a price band for too long.
        LimitState = 5 => "limit_state",
        /// The auction is over.
        AuctionEnd = 6 => "auction_end",
        /// A command on it failed: it broke an invariant, and was undone. The schedule does not end it, only the venue does.
        Quarantined = 7 => "quarantined",
    }
);

wire_enum!(
    /// What happens to an order that would trade outside the price bands.
    BandAction {
        /// What is left of it is canceled.
        Cancel = 1 => "cancel",
        /// The instrument goes to a volatility auction, with what is left of it.
        Auction = 2 => "auction",
    }
);

wire_enum!(
    /// How orders at one price share what comes in.
    MatchingAlgorithm {
        /// The oldest first.
        PriceTime = 1 => "price_time",
        /// In proportion to their leaves.
        ProRata = 2 => "pro_rata",
    }
);

wire_enum!(
    /// What an account may do.
    AccountMode {
        /// Everything.
        Normal = 1 => "normal",
        /// Cancels.
        CancelOnly = 2 => "cancel_only",
        /// Nothing: every order command of it is refused.
        RejectOnly = 3 => "reject_only",
    }
);

wire_enum!(
    /// A setting whose change is told by `SettingChanged`, with the number of the command that sets it.
    Setting {
        /// See [`crate::command::SetInstrumentGroup`].
        InstrumentGroup = 23 => "instrument_group",
        /// See [`crate::command::SetMatching`].
        Matching = 24 => "matching",
        /// See [`crate::command::SetLeadMarketMaker`].
        LeadMarketMaker = 25 => "lead_market_maker",
        /// See [`crate::command::SetPriceBands`].
        PriceBands = 26 => "price_bands",
        /// See [`crate::command::SetFeatures`].
        Features = 27 => "features",
        /// See [`crate::command::SetSchedule`].
        Schedule = 28 => "schedule",
        /// See [`crate::command::SetRandomSeed`].
        RandomSeed = 29 => "random_seed",
        /// See [`crate::command::SetRiskLimits`].
        RiskLimits = 30 => "risk_limits",
        /// See [`crate::command::SetAccountMode`].
        AccountMode = 31 => "account_mode",
        /// See [`crate::command::SetTradeGroup`].
        TradeGroup = 33 => "trade_group",
        /// See [`crate::command::SetFeeTier`].
        FeeTier = 34 => "fee_tier",
        /// See [`crate::command::SetFeePromotion`].
        FeePromotion = 35 => "fee_promotion",
        /// See [`crate::command::SetFeeCap`].
        FeeCap = 36 => "fee_cap",
    }
);
