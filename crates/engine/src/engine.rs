//! Contract of the engine; the bodies follow.
use crate::command::Command;
use crate::event::EventSink;
use crate::types::*;

/// The state of the venue.
pub struct Engine {}

/// Bounds that the state does not choose itself.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Open orders at the venue; the next one is rejected.
    pub max_open_orders: u32,
    /// Open orders of one account; the next one is rejected.
    pub max_open_orders_per_account: u32,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { max_open_orders: 100_000_000, max_open_orders_per_account: 10_000_000 }
    }
}

/// One account's money in one asset.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Balance {
    /// All of it.
    pub total: i128,
    /// The part held for open orders.
    pub held: i128,
}

/// One price level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PriceLevel {
    /// The price.
    pub price: PriceTicks,
    /// The sum of the orders' leaves, in lots.
    pub quantity: i128,
    /// How many orders.
    pub orders: u32,
}

/// An open order as seen from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenOrder {
    pub order_id: OrderId,
    pub client_order_id: ClientOrderId,
    pub account_id: AccountId,
    pub instrument_id: InstrumentId,
    pub side: Side,
    pub time_in_force: TimeInForce,
    pub post_only: bool,
    pub self_trade_prevention: SelfTradePrevention,
    pub price: PriceTicks,
    pub filled_quantity: Lots,
    pub leaves_quantity: Lots,
    pub maker_ppm: i32,
    pub taker_ppm: i32,
    pub fee_carry: u32,
    pub hold: Amount,
}

/// A listed instrument.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instrument {
    pub instrument_id: InstrumentId,
    pub symbol: Symbol,
    pub base: AssetId,
    pub quote: AssetId,
    pub tick_size: Step,
    pub lot_size: Step,
    pub min_quantity: Lots,
    pub max_quantity: Lots,
    pub min_notional: Amount,
    pub status: TradingStatus,
    pub last_price: PriceTicks,
    /// Base units in a lot.
    pub lot_units: i64,
    /// Quote units in one tick times one lot.
    pub tick_lot_units: i64,
}

/// An asset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asset {
    pub asset_id: AssetId,
    pub code: AssetCode,
    pub scale: u8,
    pub issued: i128,
}

/// An account's identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountInfo {
    pub account_id: AccountId,
    pub code: AccountCode,
    pub group_id: GroupId,
}

/// A snapshot that cannot be restored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotError {
    /// Byte offset.
    pub offset: usize,
    /// What is wrong there.
    pub what: &'static str,
}

#[allow(unused_variables)]
impl Engine {
    pub fn new(config: EngineConfig) -> Self { Self {} }
    /// Applies one command. `sequence` must be the last one plus 1 (asserted); `event_time_ns` never goes backwards.
    /// Returns true if accepted, false if rejected.
    pub fn apply<S: EventSink>(&mut self, sequence: u64, event_time_ns: i64, command: &Command, events: &mut S) -> bool { todo!() }
    /// Sequence of the last command applied; 0 at first.
    pub fn sequence(&self) -> u64 { todo!() }
    pub fn event_time_ns(&self) -> i64 { todo!() }
    /// Appends the canonical snapshot to `out`.
    pub fn snapshot(&self, out: &mut Vec<u8>) { todo!() }
    pub fn restore(config: EngineConfig, snapshot: &[u8]) -> Result<Self, SnapshotError> { todo!() }
    pub fn digest(&self) -> [u8; 32] { todo!() }
    pub fn assets(&self) -> impl Iterator<Item = Asset> + '_ { std::iter::empty() }
    pub fn instruments(&self) -> impl Iterator<Item = &Instrument> + '_ { std::iter::empty() }
    pub fn accounts(&self) -> impl Iterator<Item = AccountInfo> + '_ { std::iter::empty() }
    pub fn instrument(&self, instrument_id: InstrumentId) -> Option<&Instrument> { todo!() }
    pub fn balance(&self, account_id: AccountId, asset_id: AssetId) -> Option<Balance> { todo!() }
    pub fn best_price(&self, instrument_id: InstrumentId, side: Side) -> Option<PriceTicks> { todo!() }
    /// Levels from the best price on.
    pub fn depth(&self, instrument_id: InstrumentId, side: Side) -> impl Iterator<Item = PriceLevel> + '_ { std::iter::empty() }
    /// Orders of one half of a book in priority.
    pub fn queue(&self, instrument_id: InstrumentId, side: Side) -> impl Iterator<Item = OpenOrder> + '_ { std::iter::empty() }
    /// An account's open orders by ascending order_id.
    pub fn open_orders(&self, account_id: AccountId) -> impl Iterator<Item = OpenOrder> + '_ { std::iter::empty() }
    pub fn order(&self, order_id: OrderId) -> Option<OpenOrder> { todo!() }
    pub fn order_by_client_id(&self, account_id: AccountId, client_order_id: &ClientOrderId) -> Option<OpenOrder> { todo!() }
    pub fn open_order_count(&self) -> u32 { todo!() }
    /// Checks every invariant over the whole state; panics with what is broken.
    pub fn check_invariants(&self) { todo!() }
    /// Bytes of heap memory in use by orders, levels and indexes.
    pub fn memory_bytes(&self) -> usize { todo!() }
}
