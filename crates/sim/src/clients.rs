//! Clients and the venue's staff: what they send, and how a client that hears nothing asks again.
//!
//! Invariants:
//! * A client names every order by a `client_order_id` of its own that it never gives to another, and repeats a request that
//!   was not answered word for word. So whatever the network does, each request has one effect.
//! * A client believes only what it was answered.

use std::collections::BTreeMap;

use beurs_engine::command::{
    AddAsset, CancelAllAfter, CancelOrder, CancelReplace, Command, Deposit, InstrumentScope, ListInstrument,
    MassCancel, NewOrder, NewOrderList, OpenAccount, ReplaceOrder, SetAccountGroup, SetFees, SetMarkPrice, SetMatching,
    SetPriceBands, SetTradingStatus, Terms, Withdraw,
};
use beurs_engine::event::Event;
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{
    AccountId, Amount, AssetId, BandAction, CancelReplaceMode, ClientOrderId, Contingency, ExecType, GroupId,
    InstrumentId, KeyId, Lots, MassCancelReason, MatchingAlgorithm, OrderId, OrderStatus, OrderType, Peg, PriceTicks,
    SelfTradePrevention, ShortText, Side, StatusReason, Step, TimeInForce, TradingStatus, TriggerBy,
};

use crate::auditor::Listing;
use crate::workload::Rng;

/// Instruments that are traded.
pub const INSTRUMENTS: u32 = 3;
/// The price around which each instrument is traded.
const MIDDLE: i64 = 1000;
const MS: i64 = 1_000_000;
/// How often a client doubles its patience.
const MOST_DOUBLINGS: u32 = 5;

/// What is sent how often; drawn from the seed, so that each run is of another kind.
#[derive(Clone, Debug)]
pub struct Mix {
    /// Of each kind of action, how often compared with the others.
    weights: [u64; Action::ALL.len()],
    /// Half the width of the band of prices.
    spread: i64,
    /// How many requests a client has under way at the most.
    window: usize,
    /// When it asks again.
    patience_ns: i64,
    /// Between two actions.
    pause_ns: i64,
    modes: Vec<SelfTradePrevention>,
    /// How many clients get little money, of ten.
    poor: u64,
    /// How often the staff acts, in a thousand of its turns.
    staff: u64,
    pro_rata: bool,
    bands: Option<BandAction>,
    rebates: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    Limit,
    PostOnly,
    Ioc,
    Fok,
    Market,
    ByQuote,
    Conditional,
    Trailing,
    Iceberg,
    Hidden,
    Pegged,
    Expiring,
    MinimumQuantity,
    MarketToLimit,
    List,
    Cancel,
    Replace,
    CancelReplace,
    MassCancel,
    CancelAllAfter,
}

impl Action {
    const ALL: [Self; 20] = [
        Self::Limit,
        Self::PostOnly,
        Self::Ioc,
        Self::Fok,
        Self::Market,
        Self::ByQuote,
        Self::Conditional,
        Self::Trailing,
        Self::Iceberg,
        Self::Hidden,
        Self::Pegged,
        Self::Expiring,
        Self::MinimumQuantity,
        Self::MarketToLimit,
        Self::List,
        Self::Cancel,
        Self::Replace,
        Self::CancelReplace,
        Self::MassCancel,
        Self::CancelAllAfter,
    ];
}

impl Mix {
    /// A mix of its own for each seed: some actions never, some often.
    pub fn draw(rng: &mut Rng) -> Self {
        let mut weights = [0; Action::ALL.len()];
        for (weight, action) in weights.iter_mut().zip(Action::ALL) {
            *weight = match action {
                Action::Limit => rng.pick(&[20, 40, 60]),
                Action::Cancel => rng.pick(&[2, 10, 25]),
                Action::MassCancel | Action::CancelAllAfter => rng.pick(&[0, 1]),
                _ => rng.pick(&[0, 0, 1, 4, 10]),
            };
        }
        let modes = rng.pick(&[0_u64, 1, 2]);
        Self {
            weights,
            spread: rng.pick(&[2, 5, 12, 60]),
            window: rng.pick(&[1, 4, 16]),
            patience_ns: rng.pick(&[2, 10, 40]) * MS,
            pause_ns: rng.pick(&[100_000, 500_000, 2_000_000]),
            modes: match modes {
                0 => vec![SelfTradePrevention::None],
                1 => SelfTradePrevention::ALL.to_vec(),
                _ => vec![SelfTradePrevention::ExpireMaker, SelfTradePrevention::Decrement],
            },
            poor: rng.pick(&[0, 2, 8]),
            staff: rng.pick(&[0, 20, 100, 300]),
            pro_rata: rng.chance(500),
            bands: rng.pick(&[None, None, Some(BandAction::Cancel), Some(BandAction::Auction)]),
            rebates: rng.chance(500),
        }
    }

    /// How long a client waits for an answer before it asks again.
    pub fn patience_ns(&self) -> i64 {
        self.patience_ns
    }

    /// Between two actions of a client.
    pub fn pause_ns(&self, rng: &mut Rng) -> i64 {
        rng.between(self.pause_ns / 2, self.pause_ns * 3 / 2)
    }
}

fn text<const N: usize>(text: &str) -> ShortText<N> {
    ShortText::new(text.as_bytes()).expect("the simulation's texts are short printable ASCII")
}

/// What makes the venue: assets, instruments, accounts and their first money. The listings are what the venue publishes.
pub fn opening(mix: &Mix, clients: usize, rng: &mut Rng) -> (Vec<Command>, Vec<Listing>) {
    let mut commands = Vec::new();
    for (code, scale) in [("BTC", 8), ("USD", 6), ("UNIT", 0), ("CENT", 2)] {
        commands.push(Command::AddAsset(AddAsset { code: text(code), scale }));
    }
    let instruments = [
        // Notionals of single units: fees are all rounding.
        ("BTC-USD", 1, 2, Step { mantissa: 1, scale: 2 }, Step { mantissa: 1, scale: 4 }, 10_000, 1),
        ("UNIT-USD", 3, 2, Step { mantissa: 5, scale: 1 }, Step { mantissa: 1, scale: 0 }, 1, 500_000),
        ("UNIT-CENT", 3, 4, Step { mantissa: 1, scale: 0 }, Step { mantissa: 1, scale: 0 }, 1, 100),
    ];
    let mut listings = Vec::new();
    for (symbol, base, quote, tick_size, lot_size, lot_units, tick_lot_units) in instruments {
        commands.push(Command::ListInstrument(ListInstrument {
            symbol: text(symbol),
            base: AssetId(base),
            quote: AssetId(quote),
            tick_size,
            lot_size,
            min_quantity: Lots(1),
            max_quantity: Lots(1_000_000),
            min_notional: Amount(0),
        }));
        let (base, quote) = (AssetId(base), AssetId(quote));
        listings.push(Listing { base, quote, lot_units, tick_lot_units, by_time: true, bands: None });
    }
    if mix.pro_rata {
        listings[2].by_time = false;
        commands.push(Command::SetMatching(SetMatching {
            instrument_id: InstrumentId(3),
            algorithm: MatchingAlgorithm::ProRata,
            top_max: Lots(3),
            lead_percent: 0,
            fifo_percent: 20,
            min_allocation: Lots(2),
            leveling: true,
        }));
    }
    if let Some(action) = mix.bands {
        commands.push(Command::SetPriceBands(SetPriceBands {
            instrument_id: InstrumentId(2),
            reference: PriceTicks(MIDDLE),
            static_up_bps: 100,
            static_down_bps: 100,
            dynamic_bps: 50,
            collar_bps: 40,
            action,
            auction_ns: 20 * MS,
            auction_random_ns: 5 * MS,
            limit_state_ns: 15 * MS,
        }));
    }
    for account in 2..2 + clients as u32 {
        let group_id = GroupId(rng.pick(&[0, 1]));
        commands.push(Command::OpenAccount(OpenAccount { code: text(&format!("client-{account}")), group_id }));
        let poor = rng.chance(mix.poor * 100);
        for asset in 1..=4 {
            // Enough for everything, or for a few orders.
            let amount = if poor { rng.pick(&[0, 50_000, 3_000_000, 5_000_000_000]) } else { 10_i128.pow(15) };
            if amount > 0 {
                let (account_id, asset_id) = (AccountId(account), AssetId(asset));
                commands.push(Command::Deposit(Deposit { account_id, asset_id, amount: Amount(amount) }));
            }
        }
    }
    for instrument in 1..=INSTRUMENTS {
        commands.push(fees(mix, InstrumentId(instrument), rng));
    }
    (commands, listings)
}

fn fees(mix: &Mix, instrument_id: InstrumentId, rng: &mut Rng) -> Command {
    let taker_ppm = rng.pick(&[0, 500, 1000, 333_333]);
    let maker_ppm = if mix.rebates { rng.pick(&[-taker_ppm, -taker_ppm / 2, 0]) } else { rng.pick(&[0, 100, 777]) };
    Command::SetFees(SetFees { instrument_id, group_id: GroupId(rng.pick(&[0, 1])), maker_ppm, taker_ppm })
}

/// What the staff does now, if anything.
pub fn staff(mix: &Mix, clients: usize, now_ns: i64, rng: &mut Rng) -> Option<Command> {
    if !rng.chance(mix.staff) {
        return None;
    }
    let instrument_id = InstrumentId(1 + rng.below(INSTRUMENTS.into()) as u32);
    let account_id = AccountId(2 + rng.below(clients as u64) as u32);
    let asset_id = AssetId(1 + rng.below(4) as u32);
    Some(match rng.below(12) {
        0..=4 => {
            // Mostly back to where it trades.
            let status = rng.pick(&[
                TradingStatus::Open,
                TradingStatus::Open,
                TradingStatus::Open,
                TradingStatus::Auction,
                TradingStatus::Auction,
                TradingStatus::PreOpen,
                TradingStatus::PostOnly,
                TradingStatus::CancelOnly,
                TradingStatus::Halted,
                TradingStatus::Closed,
            ]);
            let ends = status == TradingStatus::Auction;
            Command::SetTradingStatus(SetTradingStatus {
                scope: if rng.chance(300) { InstrumentScope::All } else { InstrumentScope::Instrument(instrument_id) },
                status,
                reason: StatusReason::Requested,
                end_time_ns: if ends { now_ns + rng.between(1, 40) * MS } else { 0 },
            })
        }
        5 => fees(mix, instrument_id, rng),
        6 => Command::SetAccountGroup(SetAccountGroup { account_id, group_id: GroupId(rng.pick(&[0, 1, 2])) }),
        7 => {
            let price = PriceTicks(MIDDLE + rng.between(-mix.spread, mix.spread));
            Command::SetMarkPrice(SetMarkPrice { instrument_id, price })
        }
        8..=9 => {
            let amount = Amount(i128::from(rng.between(1, 1_000_000_000)));
            Command::Deposit(Deposit { account_id, asset_id, amount })
        }
        _ => {
            let amount = Amount(i128::from(rng.between(1, 1_000_000_000)));
            Command::Withdraw(Withdraw { account_id, asset_id, amount })
        }
    })
}

/// A request on its way: who asks, the client's count of its requests, and what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// Which client.
    pub client: usize,
    /// Its count of its requests; the same when it asks again.
    pub number: u64,
    /// What it asks.
    pub command: Command,
}

#[derive(Clone, Debug)]
struct UnderWay {
    command: Command,
    asked_ns: i64,
    times: u32,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    order_id: OrderId,
    quantity: i64,
}

/// One client.
#[derive(Clone, Debug)]
pub struct Client {
    index: usize,
    account_id: AccountId,
    rng: Rng,
    names: u64,
    requests: u64,
    under_way: BTreeMap<u64, UnderWay>,
    /// Orders that it believes to be open.
    known: BTreeMap<ClientOrderId, Known>,
    /// Requests that were answered at last.
    pub answered: u64,
    /// Requests that were sent again.
    pub repeated: u64,
}

impl Client {
    /// A client with an account of its own.
    pub fn new(index: usize, seed: u64) -> Self {
        Self {
            index,
            account_id: AccountId(2 + index as u32),
            rng: Rng::new(seed),
            names: 0,
            requests: 0,
            under_way: BTreeMap::new(),
            known: BTreeMap::new(),
            answered: 0,
            repeated: 0,
        }
    }

    /// Whose orders it enters.
    pub fn account_id(&self) -> AccountId {
        self.account_id
    }

    /// Requests that wait for their answer.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// The next thing that it asks, unless it waits for too many answers.
    pub fn act(&mut self, mix: &Mix, now_ns: i64) -> Option<Request> {
        if self.under_way.len() >= mix.window {
            return None;
        }
        let command = self.command(mix, now_ns);
        self.requests += 1;
        let under_way = UnderWay { command: command.clone(), asked_ns: now_ns, times: 1 };
        self.under_way.insert(self.requests, under_way);
        Some(Request { client: self.index, number: self.requests, command })
    }

    /// What it asks again because it has waited for too long: the more often it has asked, the longer. Without that a node
    /// that has fallen behind would be asked the same for ever.
    pub fn ask_again(&mut self, mix: &Mix, now_ns: i64) -> Vec<Request> {
        let client = self.index;
        let mut again = Vec::new();
        for (&number, waiting) in &mut self.under_way {
            if now_ns - waiting.asked_ns >= mix.patience_ns << (waiting.times - 1).min(MOST_DOUBLINGS) {
                waiting.asked_ns = now_ns;
                waiting.times += 1;
                again.push(Request { client, number, command: waiting.command.clone() });
            }
        }
        self.repeated += again.len() as u64;
        again
    }

    /// Forgets how often it has asked in vain.
    pub fn calm_down(&mut self) {
        for waiting in self.under_way.values_mut() {
            waiting.times = 1;
        }
    }

    /// Takes an answer. Gives what it was the answer to, if it still waited for it.
    pub fn answer(&mut self, number: u64, events: &[Event]) -> Option<Command> {
        for event in events {
            let Event::Execution(report) = event else { continue };
            if report.account_id != self.account_id || report.client_order_id.is_empty() {
                continue;
            }
            let over = matches!(report.status, OrderStatus::Filled | OrderStatus::Canceled | OrderStatus::Expired);
            if over {
                self.known.remove(&report.client_order_id);
            } else if report.exec_type != ExecType::Trade {
                let known = Known { order_id: report.order_id, quantity: report.quantity.0 };
                self.known.retain(|_, order| order.order_id != report.order_id);
                self.known.insert(report.client_order_id, known);
            }
        }
        if matches!(events, [Event::Rejected(rejected)] if rejected.reason == RejectReason::DiskFull) {
            return None; // It will ask again.
        }
        let waiting = self.under_way.remove(&number)?;
        self.answered += 1;
        // What was refused because it is gone, or was done by the first asking, is not known to be open.
        if let (Some(Event::Rejected(_)), Command::CancelOrder(cancel)) = (events.first(), &waiting.command) {
            self.known.retain(|name, order| *name != cancel.client_order_id && order.order_id != cancel.order_id);
        }
        Some(waiting.command)
    }

    fn name(&mut self) -> ClientOrderId {
        self.names += 1;
        text(&format!("{}-{}", self.account_id, self.names))
    }

    fn command(&mut self, mix: &Mix, now_ns: i64) -> Command {
        let all: u64 = mix.weights.iter().sum();
        let mut drawn = self.rng.below(all);
        let mut action = Action::Limit;
        for (weight, candidate) in mix.weights.iter().zip(Action::ALL) {
            if drawn < *weight {
                action = candidate;
                break;
            }
            drawn -= weight;
        }
        let known = self.pick_known();
        match (action, known) {
            (Action::Cancel, Some((name, known))) => {
                let by_name = self.rng.chance(500);
                Command::CancelOrder(CancelOrder {
                    account_id: self.account_id,
                    order_id: if by_name { OrderId::NONE } else { known.order_id },
                    client_order_id: if by_name { name } else { ClientOrderId::EMPTY },
                })
            }
            (Action::Replace, Some((_, known))) => Command::ReplaceOrder(ReplaceOrder {
                account_id: self.account_id,
                order_id: known.order_id,
                original_client_order_id: ClientOrderId::EMPTY,
                // Or asking again would be another replace.
                client_order_id: self.name(),
                price: PriceTicks(if self.rng.chance(500) { 0 } else { self.price(mix) }),
                quantity: Lots((known.quantity + self.rng.between(-3, 3)).max(1)),
                trigger_price: PriceTicks(0),
                display_quantity: Lots(0),
            }),
            (Action::CancelReplace, Some((_, known))) => Command::CancelReplace(Box::new(CancelReplace {
                cancel: CancelOrder {
                    account_id: self.account_id,
                    order_id: known.order_id,
                    client_order_id: ClientOrderId::EMPTY,
                },
                mode: self.rng.pick(CancelReplaceMode::ALL),
                new_order: self.order(mix, Action::Limit, now_ns),
            })),
            (Action::MassCancel, _) => Command::MassCancel(MassCancel {
                account_id: self.account_id,
                instrument_id: InstrumentId(self.rng.below(u64::from(INSTRUMENTS) + 1) as u32),
                side: self.rng.pick(&[None, Some(Side::Buy), Some(Side::Sell)]),
                reason: MassCancelReason::Requested,
            }),
            (Action::CancelAllAfter, _) => Command::CancelAllAfter(CancelAllAfter {
                account_id: self.account_id,
                timeout_ns: self.rng.pick(&[0, 5 * MS, 50 * MS]),
            }),
            (Action::List, _) => self.list(mix, now_ns),
            _ => Command::NewOrder(self.order(mix, action, now_ns)),
        }
    }

    fn pick_known(&mut self) -> Option<(ClientOrderId, Known)> {
        let at = self.rng.below(self.known.len().max(1) as u64) as usize;
        self.known.iter().nth(at).map(|(name, known)| (*name, *known))
    }

    fn price(&mut self, mix: &Mix) -> i64 {
        MIDDLE + self.rng.between(-mix.spread, mix.spread)
    }

    fn order(&mut self, mix: &Mix, action: Action, now_ns: i64) -> NewOrder {
        let side = self.rng.pick(&[Side::Buy, Side::Sell]);
        let mut order = NewOrder {
            account_id: self.account_id,
            instrument_id: InstrumentId(self.rng.pick(&[1, 1, 2, 2, 3])),
            side,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            post_only: false,
            self_trade_prevention: self.rng.pick(&mix.modes),
            key_id: KeyId::NONE,
            price: PriceTicks(self.price(mix)),
            quantity: Lots(self.rng.between(1, 12)),
            quote_quantity: Amount(0),
            client_order_id: self.name(),
            terms: None,
        };
        let mut terms = Terms::NONE;
        match action {
            Action::PostOnly => {
                order.post_only = true;
                terms.slide = self.rng.chance(300);
            }
            Action::Ioc => order.time_in_force = TimeInForce::Ioc,
            Action::Fok => order.time_in_force = TimeInForce::Fok,
            Action::Market | Action::ByQuote => {
                order.order_type = OrderType::Market;
                order.time_in_force = TimeInForce::Ioc;
                order.price = PriceTicks(0);
                if action == Action::ByQuote {
                    let unit = [1, 500_000, 100][order.instrument_id.0 as usize - 1];
                    order.quantity = Lots(0);
                    order.quote_quantity = Amount(i128::from(MIDDLE * unit * self.rng.between(1, 20)));
                }
            }
            Action::Conditional | Action::Trailing => {
                let (order_type, priced) = self.rng.pick(&[
                    (OrderType::Stop, false),
                    (OrderType::StopLimit, true),
                    (OrderType::TakeProfit, false),
                    (OrderType::TakeProfitLimit, true),
                ]);
                order.order_type = order_type;
                if !priced {
                    order.price = PriceTicks(0);
                    order.time_in_force = TimeInForce::Ioc;
                }
                terms.trigger_by = self.rng.pick(TriggerBy::ALL);
                terms.trigger_price = PriceTicks(self.price(mix));
                if action == Action::Trailing {
                    terms.trail_bps = self.rng.pick(&[1, 20, 100]);
                    if self.rng.chance(500) {
                        terms.trigger_price = PriceTicks(0);
                    }
                }
            }
            Action::Iceberg => {
                order.quantity = Lots(self.rng.between(4, 40));
                terms.display_quantity = Lots(self.rng.between(1, 4));
            }
            Action::Hidden => terms.hidden = true,
            Action::Pegged => {
                terms.peg = self.rng.pick(&[Peg::Primary, Peg::Market]);
                terms.peg_offset = self.rng.between(1, 3);
                let away = 3 * mix.spread;
                order.price = PriceTicks(if side == Side::Buy { MIDDLE + away } else { MIDDLE - away });
            }
            Action::Expiring => {
                order.time_in_force = TimeInForce::Gtd;
                terms.expire_time_ns = now_ns + self.rng.between(1, 60) * MS;
            }
            Action::MinimumQuantity => terms.min_quantity = Lots(self.rng.between(1, order.quantity.0)),
            Action::MarketToLimit => {
                order.order_type = OrderType::MarketToLimit;
                order.price = PriceTicks(0);
            }
            _ => {}
        }
        order.terms = (terms != Terms::NONE).then(|| Box::new(terms));
        order
    }

    fn list(&mut self, mix: &Mix, now_ns: i64) -> Command {
        let contingency = self.rng.pick(Contingency::ALL);
        let first = self.order(mix, Action::Limit, now_ns);
        let pair_side = if contingency == Contingency::Oco { first.side } else { first.side.opposite() };
        let mut take = self.order(mix, Action::Limit, now_ns);
        let mut stop = self.order(mix, Action::Limit, now_ns);
        for order in [&mut take, &mut stop] {
            (order.instrument_id, order.side, order.quantity) = (first.instrument_id, pair_side, first.quantity);
        }
        let sign = if pair_side == Side::Buy { 1 } else { -1 };
        take.price = PriceTicks(MIDDLE - sign * self.rng.between(0, mix.spread));
        stop.order_type = OrderType::StopLimit;
        let trigger_price = PriceTicks(MIDDLE + sign * self.rng.between(0, mix.spread));
        stop.price = PriceTicks(trigger_price.0 + sign * 2);
        stop.terms = Some(Box::new(Terms { trigger_price, ..Terms::NONE }));
        let orders = match contingency {
            Contingency::Oco => vec![take, stop],
            Contingency::Oto => vec![first, stop],
            Contingency::Otoco => vec![first, take, stop],
        };
        Command::NewOrderList(Box::new(NewOrderList { contingency, orders }))
    }
}
