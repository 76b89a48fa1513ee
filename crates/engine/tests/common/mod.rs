//! A small venue, and events as short lines, for tests that say whole event lists.
#![allow(dead_code)] // Each test file uses a part of it.

use beurs_engine::command::{AddAsset, Command, Deposit, ListInstrument, NewOrder, OpenAccount, Terms};
use beurs_engine::event::{Event, ExecutionReport};
use beurs_engine::types::{
    AccountCode, AccountId, Amount, AssetCode, AssetId, ClientOrderId, ExecType, GroupId, InstrumentId, KeyId,
    Liquidity, Lots, OrderType, PriceTicks, SelfTradePrevention, Side, Step, Symbol, TimeInForce,
};
use beurs_engine::{Engine, EngineConfig};

/// An engine with one instrument whose ticks and lots are one unit, and accounts 2 to 9 with plenty of both assets.
pub struct Venue {
    pub engine: Engine,
    pub now_ns: i64,
}

impl Venue {
    pub fn new() -> Self {
        let mut venue = Self { engine: Engine::default(), now_ns: 1_000 };
        for code in ["BASE", "QUOTE"] {
            let code = AssetCode::new(code.as_bytes()).expect("a valid code");
            venue.accept(Command::AddAsset(AddAsset { code, scale: 0 }));
        }
        let unit = Step { mantissa: 1, scale: 0 };
        venue.accept(Command::ListInstrument(ListInstrument {
            symbol: Symbol::new(b"BASE-QUOTE").expect("a valid symbol"),
            base: AssetId(1),
            quote: AssetId(2),
            tick_size: unit,
            lot_size: unit,
            min_quantity: Lots(1),
            max_quantity: Lots(1_000_000_000),
            min_notional: Amount(0),
        }));
        for account in 2..=9 {
            let code = AccountCode::new(format!("a{account}").as_bytes()).expect("a valid code");
            venue.accept(Command::OpenAccount(OpenAccount { code, group_id: GroupId(0) }));
            for asset in 1..=2 {
                venue.deposit(account, asset, 1_000_000_000_000);
            }
        }
        venue
    }

    pub fn deposit(&mut self, account: u32, asset: u32, amount: i128) {
        self.accept(Command::Deposit(Deposit {
            account_id: AccountId(account),
            asset_id: AssetId(asset),
            amount: Amount(amount),
        }));
    }

    /// Applies a command and gives its events; checks every invariant.
    pub fn events(&mut self, command: Command) -> Vec<Event> {
        let mut events = Vec::new();
        let sequence = self.engine.sequence() + 1;
        let accepted = self.engine.apply(sequence, self.now_ns, &command, &mut events);
        assert!(!events.is_empty(), "every command gives an event");
        assert_eq!(accepted, !matches!(events.as_slice(), [Event::Rejected(_)]), "{command:?}: {events:?}");
        self.engine.check_invariants();
        events
    }

    /// Applies a command and gives its events as lines.
    pub fn say(&mut self, command: Command) -> Vec<String> {
        self.events(command).iter().map(line).collect()
    }

    /// Applies a command that must be accepted.
    pub fn accept(&mut self, command: Command) -> Vec<String> {
        let lines = self.say(command.clone());
        assert!(!lines.iter().any(|line| line.starts_with("rejected")), "{command:?}: {lines:?}");
        lines
    }

    /// What is available to an account: base, quote.
    pub fn available(&self, account: u32) -> (i128, i128) {
        let of = |asset| self.engine.balance(AccountId(account), AssetId(asset)).expect("it is there").available();
        (of(1), of(2))
    }

    /// What an account holds: base, quote.
    pub fn held(&self, account: u32) -> (i128, i128) {
        let of = |asset| self.engine.balance(AccountId(account), AssetId(asset)).expect("it is there").held;
        (of(1), of(2))
    }

    /// The state survives a snapshot.
    pub fn check_snapshot(&self) {
        let mut bytes = Vec::new();
        self.engine.snapshot(&mut bytes);
        let restored = Engine::restore(EngineConfig::default(), &bytes).expect("its own snapshot");
        let mut again = Vec::new();
        restored.snapshot(&mut again);
        assert_eq!(bytes, again, "a snapshot restores to the same state");
    }
}

/// A limit GTC order.
pub fn limit(account: u32, side: Side, price: i64, quantity: i64) -> NewOrder {
    NewOrder {
        account_id: AccountId(account),
        instrument_id: InstrumentId(1),
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: false,
        self_trade_prevention: SelfTradePrevention::None,
        key_id: KeyId::NONE,
        price: PriceTicks(price),
        quantity: Lots(quantity),
        quote_quantity: Amount(0),
        client_order_id: ClientOrderId::EMPTY,
        terms: None,
    }
}

/// A market IOC order.
pub fn market(account: u32, side: Side, quantity: i64) -> NewOrder {
    NewOrder {
        order_type: OrderType::Market,
        time_in_force: TimeInForce::Ioc,
        price: PriceTicks(0),
        ..limit(account, side, 0, quantity)
    }
}

/// A conditional order: of a type without a limit it is IOC.
pub fn conditional(
    order_type: OrderType,
    account: u32,
    side: Side,
    trigger: i64,
    price: i64,
    quantity: i64,
) -> NewOrder {
    let time_in_force = if price == 0 { TimeInForce::Ioc } else { TimeInForce::Gtc };
    with(NewOrder { order_type, time_in_force, ..limit(account, side, price, quantity) }, |terms| {
        terms.trigger_price = PriceTicks(trigger);
    })
}

/// The order with other terms.
pub fn with(mut order: NewOrder, change: impl FnOnce(&mut Terms)) -> NewOrder {
    let mut terms = order.terms.as_deref().copied().unwrap_or_default();
    change(&mut terms);
    order.terms = Some(Box::new(terms));
    order
}

/// One event in a few words.
pub fn line(event: &Event) -> String {
    match event {
        Event::Execution(report) => execution(report),
        Event::Rejected(rejected) => format!("rejected {}", rejected.reason.as_str()),
        Event::Terms(terms) => {
            let waits = if terms.waits { " waits" } else { "" };
            let list = if terms.list_id.is_none() { String::new() } else { format!(" list {}", terms.list_id) };
            format!("terms {} trigger {}{waits}{list}", terms.order_id, terms.terms.trigger_price.0)
        }
        Event::OrderListStatus(list) => format!("list {} {}", list.list_id, list.status.as_str()),
        Event::TradingStatusSet(set) => format!("status {} {}", set.status.as_str(), set.reason.as_str()),
        Event::MassCanceled(done) => format!("mass canceled {}", done.count),
        Event::TimeAdvanced(done) => format!("time advanced {}", done.count),
        Event::KillSwitchSet(set) => format!("kill {} {}", if set.engaged { "on" } else { "off" }, set.count),
        Event::SettingChanged(set) => format!("set {}", set.setting.as_str()),
        Event::Posted(posted) => format!("posted {} {} {}", posted.account_id, posted.asset_id, posted.amount.0),
        Event::TradeCorrected(trade) => format!("corrected {} to {}", trade.trade_id, trade.new_price.0),
        Event::Administered(by) => format!("administered by {} for {}", by.actor, by.reason.as_str()),
        other => format!("{other:?}"),
    }
}

fn execution(report: &ExecutionReport) -> String {
    let id = report.order_id;
    match report.exec_type {
        ExecType::Trade => {
            let role = match report.liquidity {
                Liquidity::Maker => "maker",
                Liquidity::Taker => "taker",
                _ => "auction",
            };
            let displayed = match (report.liquidity, report.displayed_quantity.0) {
                (_, 0) => String::new(),
                (_, shown) => format!(" shows {shown}"),
            };
            format!("trade {id} {role} {}@{}{displayed}", report.last_quantity.0, report.last_price.0)
        }
        ExecType::Canceled | ExecType::Expired => {
            format!("{} {id} {}", report.exec_type.as_str(), report.cancel_reason.as_str())
        }
        kind => format!("{} {id} {}@{}", kind.as_str(), report.leaves_quantity.0, report.price.0),
    }
}
