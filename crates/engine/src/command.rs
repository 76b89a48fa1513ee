//! What can be asked of the engine. A command is complete: whatever decides its outcome is in it or in the state.

use crate::types::{
    AccountCode, AccountId, Amount, AssetCode, AssetId, ClientOrderId, GroupId, InstrumentId, Lots, OrderId, OrderType,
    PriceTicks, SelfTradePrevention, Side, Step, Symbol, TimeInForce, TradingStatus,
};

/// One input of the engine. The variants are large but flat: no allocation, `Copy`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant)] // Commands live in arrays of one kind of record; boxing would cost the hot path.
pub enum Command {
    /// Enter an order.
    NewOrder(NewOrder),
    /// Cancel one order.
    CancelOrder(CancelOrder),
    /// Change price or quantity of one order.
    ReplaceOrder(ReplaceOrder),
    /// Cancel all orders of an account, an instrument, a side, or any combination.
    MassCancel(MassCancel),
    /// Bring money in.
    Deposit(Deposit),
    /// Take money out.
    Withdraw(Withdraw),
    /// Make an asset known.
    AddAsset(AddAsset),
    /// Make an instrument tradable.
    ListInstrument(ListInstrument),
    /// Open an account.
    OpenAccount(OpenAccount),
    /// Move an account to another group.
    SetAccountGroup(SetAccountGroup),
    /// Set the fees of one account group on one instrument, for orders entered from now on.
    SetFees(SetFees),
    /// Say what an instrument accepts.
    SetTradingStatus(SetTradingStatus),
}

/// FIX D, NewOrderSingle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewOrder {
    /// Who pays.
    pub account_id: AccountId,
    /// What is traded.
    pub instrument_id: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// Limit or market.
    pub order_type: OrderType,
    /// GTC, IOC or FOK; a market order takes IOC or FOK.
    pub time_in_force: TimeInForce,
    /// Refuse rather than take. Limit GTC orders only.
    pub post_only: bool,
    /// What to do on meeting an own order.
    pub self_trade_prevention: SelfTradePrevention,
    /// The limit; 0 for a market order.
    pub price: PriceTicks,
    /// How much base; 0 for a market order given by `quote_quantity`.
    pub quantity: Lots,
    /// How much quote a market IOC order may trade, before fees, in the quote asset's smallest unit; 0 otherwise.
    pub quote_quantity: Amount,
    /// The client's id; may be empty.
    pub client_order_id: ClientOrderId,
}

/// FIX F, OrderCancelRequest. Names the order by `order_id`, or if that is 0 by `client_order_id`; if both are given,
/// both must name the same order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CancelOrder {
    /// The order's account; `NONE` when the venue cancels (`order_id` is then required).
    pub account_id: AccountId,
    /// The venue's id of the order, or 0.
    pub order_id: OrderId,
    /// The client's id of the order, or empty.
    pub client_order_id: ClientOrderId,
}

/// FIX G, OrderCancelReplaceRequest. Names the order as [`CancelOrder`] does. The order keeps its `order_id`.
/// It keeps its place in the queue only when the price stays and the quantity does not grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplaceOrder {
    /// The order's account.
    pub account_id: AccountId,
    /// The venue's id of the order, or 0.
    pub order_id: OrderId,
    /// The client's present id of the order, or empty (FIX OrigClOrdID 41).
    pub original_client_order_id: ClientOrderId,
    /// A new client's id for the order, or empty to keep the present one.
    pub client_order_id: ClientOrderId,
    /// The new limit, or 0 to keep it.
    pub price: PriceTicks,
    /// The new total quantity, what is filled included, or 0 to keep it (FIX OrderQty 38).
    pub quantity: Lots,
}

/// FIX q, OrderMassCancelRequest. Orders are canceled in ascending `order_id`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MassCancel {
    /// Whose orders; `NONE` for everybody's, which only the venue may ask.
    pub account_id: AccountId,
    /// On which instrument; `NONE` for all.
    pub instrument_id: InstrumentId,
    /// On which side; `None` for both.
    pub side: Option<Side>,
}

/// Money in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deposit {
    /// Whose money.
    pub account_id: AccountId,
    /// What money.
    pub asset_id: AssetId,
    /// How much; at least 1.
    pub amount: Amount,
}

/// Money out, at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Withdraw {
    /// Whose money.
    pub account_id: AccountId,
    /// What money.
    pub asset_id: AssetId,
    /// How much; at least 1, at most what is available.
    pub amount: Amount,
}

/// Makes an asset known; its id is the next one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddAsset {
    /// Its unique code.
    pub code: AssetCode,
    /// How many decimals its smallest unit has; at most 18.
    pub scale: u8,
}

/// Makes an instrument tradable; its id is the next one and its status is Open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListInstrument {
    /// Its unique symbol.
    pub symbol: Symbol,
    /// What is traded.
    pub base: AssetId,
    /// What pays.
    pub quote: AssetId,
    /// The price step, in quote per base.
    pub tick_size: Step,
    /// The quantity step, in base.
    pub lot_size: Step,
    /// The smallest order quantity; at least 1 lot.
    pub min_quantity: Lots,
    /// The largest order quantity.
    pub max_quantity: Lots,
    /// The smallest order notional, in the quote asset's smallest unit; 0 for none.
    pub min_notional: Amount,
}

/// Opens an account; its id is the next one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenAccount {
    /// Its unique code.
    pub code: AccountCode,
    /// Its fee group.
    pub group_id: GroupId,
}

/// Moves an account to another fee group. Orders already in the book keep the fees they were entered with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetAccountGroup {
    /// Which account.
    pub account_id: AccountId,
    /// Its new group.
    pub group_id: GroupId,
}

/// Fees in parts per million of the notional, in the quote asset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetFees {
    /// On which instrument.
    pub instrument_id: InstrumentId,
    /// For which account group. What is set for group 0 holds for every group that has nothing of its own.
    pub group_id: GroupId,
    /// What a maker pays, -1,000,000 to 1,000,000; negative for a rebate.
    pub maker_ppm: i32,
    /// What a taker pays, 0 to 1,000,000; at least the rebate.
    pub taker_ppm: i32,
}

/// Sets the trading status of an instrument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetTradingStatus {
    /// Which instrument.
    pub instrument_id: InstrumentId,
    /// Its new status.
    pub status: TradingStatus,
}
