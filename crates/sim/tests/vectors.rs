//! The scenario tables of `tests/scenarios` on the engine, with the naive model beside it. The format is described there.
//!
//! A scenario that says something this runner does not know is an error: a misspelt check must not pass.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use beurs_engine::command::{
    AddAsset, CancelOrder, Command, Deposit, InstrumentScope, ListInstrument, MassCancel, NewOrder, OpenAccount,
    ReplaceOrder, SetAccountGroup, SetFees, SetTradingStatus, Withdraw,
};
use beurs_engine::event::{Event, ExecutionReport};
use beurs_engine::types::{
    AccountId, Amount, AssetId, ClientOrderId, ExecType, GroupId, InstrumentId, KeyId, Liquidity, Lots, OrderId,
    OrderType, PriceTicks, SelfTradePrevention, ShortText, Side, StatusReason, Step, TimeInForce, TradingStatus,
};
use beurs_engine::Instrument;
use beurs_sim::differential::Pair;
use serde_json::{Map, Value};

type Object = Map<String, Value>;
/// Price in ticks, quantity in lots, number of orders.
type Level = (i128, i128, u32);

/// A decimal as a whole number of `10^-18`: wide enough for every price and amount of the scenarios.
fn decimal(text: &str) -> i128 {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    assert!(!whole.is_empty() && fraction.len() <= 18, "{text} is a decimal");
    let digits: i128 = format!("{whole}{fraction:0<18}").parse().unwrap_or_else(|_| panic!("{text} is a decimal"));
    sign * digits
}

/// A decimal as a count of steps of `mantissa / 10^scale`.
fn count(text: &str, step: Step) -> i128 {
    let step_size = i128::from(step.mantissa) * 10_i128.pow(18 - u32::from(step.scale));
    let value = decimal(text);
    assert_eq!(value % step_size, 0, "{text} is a multiple of the step");
    value / step_size
}

fn step(text: &str) -> Step {
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    let mantissa = text.replace('.', "").parse().unwrap_or_else(|_| panic!("{text} is a decimal"));
    Step { mantissa, scale: fraction.len() as u8 }
}

fn text<const N: usize>(text: &str) -> ShortText<N> {
    ShortText::new(text.as_bytes()).unwrap_or_else(|| panic!("{text} is short printable ASCII"))
}

fn string<'a>(object: &'a Object, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_else(|| panic!("{key} is a text in {object:?}"))
}

fn optional<'a>(object: &'a Object, key: &str) -> Option<&'a str> {
    object.get(key).map(|value| value.as_str().unwrap_or_else(|| panic!("{key} is a text in {object:?}")))
}

fn number<T: TryFrom<i64>>(object: &Object, key: &str) -> T {
    let number = object.get(key).and_then(Value::as_i64).and_then(|number| T::try_from(number).ok());
    number.unwrap_or_else(|| panic!("{key} is a number that fits in {object:?}"))
}

fn list<'a>(object: &'a Object, key: &str) -> &'a [Value] {
    object.get(key).map_or(&[], |value| value.as_array().unwrap_or_else(|| panic!("{key} is a list")).as_slice())
}

fn object(value: &Value) -> &Object {
    value.as_object().unwrap_or_else(|| panic!("an object instead of {value}"))
}

fn known_keys(object: &Object, known: &[&str]) {
    for key in object.keys() {
        assert!(known.contains(&key.as_str()), "{key} is not one of {known:?}");
    }
}

fn side(text: &str) -> Side {
    named(text, Side::ALL, Side::as_str)
}

fn named<T: Copy>(text: &str, all: &[T], name: fn(T) -> &'static str) -> T {
    *all.iter().find(|value| name(**value) == text).unwrap_or_else(|| panic!("{text} is not known"))
}

const COMMANDS: [&str; 9] = [
    "new_order",
    "cancel_order",
    "replace_order",
    "mass_cancel",
    "deposit",
    "withdraw",
    "set_fees",
    "set_account_group",
    "set_trading_status",
];
const CHECKS: [&str; 9] =
    ["rejected", "events", "trades", "fills", "orders", "book", "levels", "balances", "last_price"];

/// One scenario while it runs.
struct Runner {
    pair: Pair,
    time_ns: i64,
    assets: Vec<(String, u8)>,
    accounts: Vec<String>,
    /// Order name to order_id.
    orders: BTreeMap<String, OrderId>,
    reports: BTreeMap<OrderId, ExecutionReport>,
    checks: u32,
}

impl Runner {
    fn new(venue: &Object) -> Self {
        known_keys(venue, &["assets", "instruments", "accounts", "fees"]);
        let mut runner = Self {
            pair: Pair::new(None),
            time_ns: 0,
            assets: Vec::new(),
            accounts: vec!["venue".into()],
            orders: BTreeMap::new(),
            reports: BTreeMap::new(),
            checks: 0,
        };
        for asset in list(venue, "assets").iter().map(object) {
            let scale = number(asset, "scale");
            runner.must(Command::AddAsset(AddAsset { code: text(string(asset, "code")), scale }));
            runner.assets.push((string(asset, "code").into(), scale));
        }
        for instrument in list(venue, "instruments").iter().map(object) {
            runner.list_instrument(instrument);
        }
        for fees in list(venue, "fees").iter().map(object) {
            let command = runner.set_fees(fees);
            runner.must(command);
        }
        for account in list(venue, "accounts").iter().map(object) {
            let code = string(account, "code");
            if code != "venue" {
                let group_id = GroupId(account.get("group_id").map_or(0, |_| number(account, "group_id")));
                runner.must(Command::OpenAccount(OpenAccount { code: text(code), group_id }));
                runner.accounts.push(code.into());
            }
            for (asset, amount) in account.get("deposits").map(object).into_iter().flatten() {
                let amount = amount.as_str().expect("an amount is a text");
                runner.must(Command::Deposit(Deposit {
                    account_id: runner.account(code),
                    asset_id: runner.asset(asset),
                    amount: Amount(runner.amount(runner.asset(asset), amount)),
                }));
            }
        }
        runner
    }

    fn list_instrument(&mut self, instrument: &Object) {
        let (tick_size, lot_size) = (step(string(instrument, "tick_size")), step(string(instrument, "lot_size")));
        let (base, quote) = (self.asset(string(instrument, "base")), self.asset(string(instrument, "quote")));
        let lots = |key| Lots(count(string(instrument, key), lot_size) as i64);
        self.must(Command::ListInstrument(ListInstrument {
            symbol: text(string(instrument, "symbol")),
            base,
            quote,
            tick_size,
            lot_size,
            min_quantity: lots("min_quantity"),
            max_quantity: lots("max_quantity"),
            min_notional: Amount(self.amount(quote, string(instrument, "min_notional"))),
        }));
    }

    // From names and texts to ids and counts

    fn asset(&self, code: &str) -> AssetId {
        let place = self.assets.iter().position(|(known, _)| known == code);
        AssetId(place.unwrap_or_else(|| panic!("there is no asset {code}")) as u32 + 1)
    }

    fn account(&self, code: &str) -> AccountId {
        let place = self.accounts.iter().position(|known| known == code);
        AccountId(place.unwrap_or_else(|| panic!("there is no account {code}")) as u32 + 1)
    }

    /// The account of a command; `null` is the venue.
    fn account_or_venue(&self, command: &Object) -> AccountId {
        match command.get("account") {
            Some(Value::Null) => AccountId::NONE,
            _ => self.account(string(command, "account")),
        }
    }

    fn instrument(&self, symbol: &str) -> &Instrument {
        let found = self.pair.engine().instruments().find(|instrument| instrument.symbol.as_str() == symbol);
        found.unwrap_or_else(|| panic!("there is no instrument {symbol}"))
    }

    fn amount(&self, asset_id: AssetId, amount: &str) -> i128 {
        let (_, scale) = self.assets[asset_id.0 as usize - 1];
        count(amount, Step { mantissa: 1, scale })
    }

    fn order_id(&self, command: &Object) -> OrderId {
        match (command.get("order_id"), optional(command, "order")) {
            (Some(_), None) => OrderId(number(command, "order_id")),
            (None, Some(name)) => *self.orders.get(name).unwrap_or_else(|| panic!("there is no order {name}")),
            (None, None) => OrderId::NONE,
            (Some(_), Some(_)) => panic!("order or order_id"),
        }
    }

    fn order_name(&self, order_id: OrderId) -> &str {
        self.orders.iter().find(|(_, id)| **id == order_id).map_or("", |(name, _)| name)
    }

    // Commands

    fn command(&self, kind: &str, c: &Object) -> Command {
        let client_order_id = |key| optional(c, key).map_or(ClientOrderId::EMPTY, text);
        match kind {
            "new_order" => self.new_order(c),
            "cancel_order" => {
                known_keys(c, &["account", "order", "order_id", "client_order_id"]);
                Command::CancelOrder(CancelOrder {
                    account_id: self.account_or_venue(c),
                    order_id: self.order_id(c),
                    client_order_id: client_order_id("client_order_id"),
                })
            }
            "replace_order" => self.replace_order(c),
            "mass_cancel" => {
                known_keys(c, &["account", "symbol", "side"]);
                let instrument_id =
                    optional(c, "symbol").map_or(InstrumentId::NONE, |symbol| self.instrument(symbol).instrument_id);
                Command::MassCancel(MassCancel {
                    account_id: self.account_or_venue(c),
                    instrument_id,
                    side: optional(c, "side").map(side),
                })
            }
            "deposit" | "withdraw" => {
                known_keys(c, &["account", "asset", "amount"]);
                let (account_id, asset_id) = (self.account(string(c, "account")), self.asset(string(c, "asset")));
                let amount = Amount(self.amount(asset_id, string(c, "amount")));
                match kind {
                    "deposit" => Command::Deposit(Deposit { account_id, asset_id, amount }),
                    _ => Command::Withdraw(Withdraw { account_id, asset_id, amount }),
                }
            }
            "set_fees" => self.set_fees(c),
            "set_account_group" => {
                known_keys(c, &["account", "group_id"]);
                Command::SetAccountGroup(SetAccountGroup {
                    account_id: self.account(string(c, "account")),
                    group_id: GroupId(number(c, "group_id")),
                })
            }
            "set_trading_status" => {
                known_keys(c, &["symbol", "status"]);
                Command::SetTradingStatus(SetTradingStatus {
                    scope: InstrumentScope::Instrument(self.instrument(string(c, "symbol")).instrument_id),
                    status: named(string(c, "status"), TradingStatus::ALL, TradingStatus::as_str),
                    reason: StatusReason::Requested,
                    end_time_ns: 0,
                })
            }
            _ => panic!("{kind} is not a command"),
        }
    }

    fn new_order(&self, c: &Object) -> Command {
        known_keys(
            c,
            &[
                "account",
                "symbol",
                "side",
                "order_type",
                "time_in_force",
                "post_only",
                "self_trade_prevention",
                "price",
                "quantity",
                "quote_quantity",
                "client_order_id",
                "order",
            ],
        );
        let instrument = self.instrument(string(c, "symbol"));
        let order_type = named(optional(c, "order_type").unwrap_or("limit"), OrderType::ALL, OrderType::as_str);
        let lifetime = if order_type == OrderType::Limit { "gtc" } else { "ioc" };
        let lifetime = optional(c, "time_in_force").unwrap_or(lifetime);
        let mode = optional(c, "self_trade_prevention").unwrap_or("none");
        let price = optional(c, "price").map_or(0, |price| count(price, instrument.tick_size));
        let quantity = optional(c, "quantity").map_or(0, |quantity| count(quantity, instrument.lot_size));
        let quote_quantity = optional(c, "quote_quantity").map_or(0, |amount| self.amount(instrument.quote, amount));
        Command::NewOrder(NewOrder {
            account_id: self.account(string(c, "account")),
            instrument_id: instrument.instrument_id,
            side: side(string(c, "side")),
            order_type,
            time_in_force: named(lifetime, TimeInForce::ALL, TimeInForce::as_str),
            post_only: c.get("post_only").is_some_and(|flag| flag.as_bool().expect("post_only is true or false")),
            self_trade_prevention: named(mode, SelfTradePrevention::ALL, SelfTradePrevention::as_str),
            key_id: KeyId::NONE,
            price: PriceTicks(price as i64),
            quantity: Lots(quantity as i64),
            quote_quantity: Amount(quote_quantity),
            client_order_id: optional(c, "client_order_id").map_or(ClientOrderId::EMPTY, text),
            terms: None,
        })
    }

    fn replace_order(&self, c: &Object) -> Command {
        let keys = ["account", "order", "order_id", "original_client_order_id", "client_order_id", "price", "quantity"];
        known_keys(c, &keys);
        let order_id = self.order_id(c);
        let original_client_order_id = optional(c, "original_client_order_id").map_or(ClientOrderId::EMPTY, text);
        let account_id = self.account(string(c, "account"));
        // The steps are those of the order's instrument, or of the only one if the order is not known.
        let report = self.reports.values().find(|report| {
            report.order_id == order_id
                || order_id.is_none()
                    && report.account_id == account_id
                    && report.client_order_id == original_client_order_id
        });
        let engine = self.pair.engine();
        let instrument = match report {
            Some(report) => engine.instrument(report.instrument_id),
            None => engine.instruments().next(),
        };
        let instrument = instrument.expect("the venue has an instrument");
        let price = optional(c, "price").map_or(0, |price| count(price, instrument.tick_size));
        let quantity = optional(c, "quantity").map_or(0, |quantity| count(quantity, instrument.lot_size));
        Command::ReplaceOrder(ReplaceOrder {
            account_id,
            order_id,
            original_client_order_id,
            client_order_id: optional(c, "client_order_id").map_or(ClientOrderId::EMPTY, text),
            price: PriceTicks(price as i64),
            quantity: Lots(quantity as i64),
            trigger_price: PriceTicks(0),
            display_quantity: Lots(0),
        })
    }

    fn set_fees(&self, c: &Object) -> Command {
        known_keys(c, &["symbol", "group_id", "maker_ppm", "taker_ppm"]);
        Command::SetFees(SetFees {
            instrument_id: self.instrument(string(c, "symbol")).instrument_id,
            group_id: GroupId(number(c, "group_id")),
            maker_ppm: number(c, "maker_ppm"),
            taker_ppm: number(c, "taker_ppm"),
        })
    }

    fn apply(&mut self, command: Command) {
        self.time_ns += 1_000_000;
        self.pair.apply(&(self.time_ns, command)).unwrap_or_else(|mismatch| panic!("{}", mismatch.0));
        for event in self.pair.events() {
            if let Event::Execution(report) = event {
                self.reports.insert(report.order_id, *report);
            }
        }
    }

    fn must(&mut self, command: Command) {
        self.apply(command);
        let events = self.pair.events();
        assert!(!matches!(events[0], Event::Rejected(_)), "{events:?}");
    }

    fn step(&mut self, step: &Object) {
        let mut kinds = COMMANDS.iter().filter(|kind| step.contains_key(**kind));
        if let Some(kind) = kinds.next() {
            assert!(kinds.next().is_none(), "a step has one command");
            let fields = object(&step[*kind]);
            let command = self.command(kind, fields);
            self.apply(command.clone());
            if let (Command::NewOrder(_), Event::Execution(report)) = (command, self.pair.events()[0]) {
                if let Some(name) = optional(fields, "order").or_else(|| optional(fields, "client_order_id")) {
                    self.orders.insert(name.into(), report.order_id);
                }
            }
            self.check_answer(optional(step, "rejected"));
        }
        for (key, expected) in step {
            self.checks += 1;
            match key.as_str() {
                "rejected" => {}
                "events" => self.check_events(expected),
                "trades" => self.check_trades(expected),
                "fills" => self.check_fills(object(expected)),
                "orders" => {
                    for (name, fields) in object(expected) {
                        let order_id = self.orders.get(name).unwrap_or_else(|| panic!("there is no order {name}"));
                        self.check_execution(&self.reports[order_id], object(fields));
                    }
                }
                "book" => {
                    for (symbol, halves) in object(expected) {
                        self.check_book(symbol, object(halves));
                    }
                }
                "levels" => {
                    for (symbol, halves) in object(expected) {
                        self.check_levels(symbol, object(halves));
                    }
                }
                "balances" => {
                    for (account, assets) in object(expected) {
                        self.check_balances(account, object(assets));
                    }
                }
                "last_price" => {
                    for (symbol, price) in object(expected) {
                        let instrument = self.instrument(symbol);
                        let expected = price.as_str().map_or(0, |price| count(price, instrument.tick_size));
                        assert_eq!(i128::from(instrument.last_price.0), expected, "the last price of {symbol}");
                    }
                }
                command => {
                    self.checks -= 1;
                    assert!(COMMANDS.contains(&command), "{command} is neither a command nor one of {CHECKS:?}");
                }
            }
        }
    }

    // Checks

    fn check_answer(&self, rejected: Option<&str>) {
        let reason = match self.pair.events().first() {
            Some(Event::Rejected(rejected)) => Some(rejected.reason.as_str()),
            _ => None,
        };
        assert_eq!(reason, rejected, "the reason of the rejection");
    }

    fn check_events(&self, expected: &Value) {
        let expected = expected.as_array().expect("events are a list");
        let events = self.pair.events();
        assert_eq!(events.len(), expected.len(), "the number of events, which are {events:#?}");
        for (event, fields) in events.iter().zip(expected) {
            let fields = object(fields);
            let kind = optional(fields, "event").unwrap_or("execution");
            let rest: Object =
                fields.iter().filter(|(key, _)| *key != "event").map(|(k, v)| (k.clone(), v.clone())).collect();
            match (kind, event) {
                ("execution", Event::Execution(report)) => self.check_execution(report, &rest),
                ("mass_canceled", Event::MassCanceled(done)) => {
                    known_keys(&rest, &["count"]);
                    assert_eq!(done.count, number::<u32>(&rest, "count"), "the count");
                }
                ("posted", Event::Posted(posted)) => {
                    known_keys(&rest, &["account", "asset", "amount", "total", "held"]);
                    for (key, value) in [("amount", posted.amount), ("total", posted.total), ("held", posted.held)] {
                        if let Some(expected) = optional(&rest, key) {
                            assert_eq!(value.0, self.amount(posted.asset_id, expected), "{key}");
                        }
                    }
                }
                ("fees_set", Event::FeesSet(_))
                | ("account_group_set", Event::AccountGroupSet(_))
                | ("trading_status_set", Event::TradingStatusSet(_)) => known_keys(&rest, &[]),
                _ => panic!("{kind} was expected instead of {event:?}"),
            }
        }
    }

    fn check_execution(&self, report: &ExecutionReport, expected: &Object) {
        let instrument = self.pair.engine().instrument(report.instrument_id).expect("a report names an instrument");
        let hold_asset = if report.side == Side::Buy { instrument.quote } else { instrument.base };
        for (key, value) in expected {
            let lots = |actual: Lots, text: &str| {
                assert_eq!(i128::from(actual.0), count(text, instrument.lot_size), "{key} of {report:?}")
            };
            let ticks = |actual: PriceTicks, text: &str| {
                assert_eq!(i128::from(actual.0), count(text, instrument.tick_size), "{key} of {report:?}")
            };
            let amount = |actual: Amount, asset, text: &str| {
                assert_eq!(actual.0, self.amount(asset, text), "{key} of {report:?}")
            };
            let word = |actual: &str, text: &str| assert_eq!(actual, text, "{key} of {report:?}");
            if key == "post_only" {
                assert_eq!(Some(report.post_only), value.as_bool(), "{key} of {report:?}");
                continue;
            }
            let text = value.as_str().unwrap_or_else(|| panic!("{key} is a text"));
            match key.as_str() {
                "order" => word(self.order_name(report.order_id), text),
                "counter_order" => word(self.order_name(report.counter_order_id), text),
                "client_order_id" => word(report.client_order_id.as_str(), text),
                "account" => word(&self.accounts[report.account_id.0 as usize - 1], text),
                "symbol" => word(instrument.symbol.as_str(), text),
                "exec_type" => word(report.exec_type.as_str(), text),
                "status" => word(report.status.as_str(), text),
                "side" => word(report.side.as_str(), text),
                "order_type" => word(report.order_type.as_str(), text),
                "time_in_force" => word(report.time_in_force.as_str(), text),
                "self_trade_prevention" => word(report.self_trade_prevention.as_str(), text),
                "cancel_reason" => word(report.cancel_reason.as_str(), text),
                "liquidity" => word(report.liquidity.as_str(), text),
                "price" => ticks(report.price, text),
                "last_price" => ticks(report.last_price, text),
                "quantity" => lots(report.quantity, text),
                "filled_quantity" => lots(report.filled_quantity, text),
                "leaves_quantity" => lots(report.leaves_quantity, text),
                "last_quantity" => lots(report.last_quantity, text),
                "quote_quantity" => amount(report.quote_quantity, instrument.quote, text),
                "last_notional" => amount(report.last_notional, instrument.quote, text),
                "fee" => amount(report.fee, instrument.quote, text),
                "hold" => amount(report.hold, hold_asset, text),
                _ => panic!("{key} is not a field of an execution"),
            }
        }
    }

    /// The command's trades, as (taker's report, maker's report).
    fn trades(&self) -> Vec<(ExecutionReport, ExecutionReport)> {
        let mut trades: Vec<(ExecutionReport, ExecutionReport)> = Vec::new();
        let mut taker = None;
        for event in self.pair.events() {
            let Event::Execution(report) = event else { continue };
            match (report.exec_type, report.liquidity) {
                (ExecType::Trade, Liquidity::Taker) => taker = Some(*report),
                (ExecType::Trade, _) => trades.push((taker.expect("the taker is first"), *report)),
                _ => {}
            }
        }
        trades
    }

    fn check_trades(&self, expected: &Value) {
        let expected = expected.as_array().expect("trades are a list");
        let trades = self.trades();
        assert_eq!(trades.len(), expected.len(), "the number of trades, which are {trades:#?}");
        for ((taker, maker), fields) in trades.iter().zip(expected) {
            for (key, value) in object(fields) {
                let (report, field) = match key.as_str() {
                    "maker" => (maker, "order"),
                    "taker" => (taker, "order"),
                    "price" => (maker, "last_price"),
                    "quantity" => (maker, "last_quantity"),
                    "maker_fee" => (maker, "fee"),
                    "taker_fee" => (taker, "fee"),
                    _ => panic!("{key} is not a field of a trade"),
                };
                self.check_execution(report, &Object::from_iter([(field.to_string(), value.clone())]));
            }
        }
    }

    fn check_fills(&self, expected: &Object) {
        let mut fills: BTreeMap<&str, (i128, i128)> = BTreeMap::new();
        for (taker, maker) in &self.trades() {
            for report in [taker, maker] {
                let fill = fills.entry(self.order_name(report.order_id)).or_default();
                fill.0 += i128::from(report.last_quantity.0);
                fill.1 += report.last_notional.0;
            }
        }
        let instrument = self.pair.engine().instruments().next().expect("the venue has an instrument");
        let mut wanted: BTreeMap<&str, (i128, i128)> = BTreeMap::new();
        for (name, fields) in expected {
            let fields = object(fields);
            known_keys(fields, &["quantity", "notional"]);
            let quantity = count(string(fields, "quantity"), instrument.lot_size);
            wanted.insert(name, (quantity, self.amount(instrument.quote, string(fields, "notional"))));
        }
        assert_eq!(fills, wanted, "what each order traded");
    }

    fn halves<'a>(&self, symbol: &str, halves: &'a Object) -> Vec<(&'a str, &'a Value, Vec<Level>)> {
        known_keys(halves, &["bids", "asks"]);
        let instrument_id = self.instrument(symbol).instrument_id;
        let half = |key: &'a str, side| {
            let levels = self.pair.engine().depth(instrument_id, side);
            let levels = levels.map(|l| (i128::from(l.price.0), l.quantity, l.orders)).collect();
            halves.get(key).map(|expected| (key, expected, levels))
        };
        [half("bids", Side::Buy), half("asks", Side::Sell)].into_iter().flatten().collect()
    }

    fn check_book(&self, symbol: &str, expected: &Object) {
        let instrument = self.instrument(symbol);
        for (half, expected, mut levels) in self.halves(symbol, expected) {
            let mut expected = expected.as_array().expect("half a book is a list").as_slice();
            if let Some((Value::String(more), listed)) = expected.split_last() {
                assert_eq!(more, "...", "the end of half a book");
                levels.truncate(listed.len());
                expected = listed;
            }
            let wanted: Vec<Level> = expected
                .iter()
                .map(|level| {
                    let level = level.as_array().expect("a level is a list");
                    let text = |at: usize| level[at].as_str().expect("a decimal is a text");
                    let orders = level[2].as_u64().expect("a number of orders") as u32;
                    (count(text(0), instrument.tick_size), count(text(1), instrument.lot_size), orders)
                })
                .collect();
            assert_eq!(levels, wanted, "{half} of {symbol}");
        }
    }

    fn check_levels(&self, symbol: &str, expected: &Object) {
        let instrument = self.instrument(symbol);
        for (half, expected, levels) in self.halves(symbol, expected) {
            for (price, level) in object(expected) {
                let ticks = count(price, instrument.tick_size);
                let actual = levels.iter().find(|level| level.0 == ticks).map(|level| (level.1, level.2));
                let wanted = level.as_array().map(|level| {
                    let quantity = level[0].as_str().expect("a decimal is a text");
                    let orders = level[1].as_u64().expect("a number of orders") as u32;
                    (count(quantity, instrument.lot_size), orders)
                });
                assert_eq!(actual, wanted, "{half} of {symbol} at {price}");
            }
        }
    }

    fn check_balances(&self, account: &str, assets: &Object) {
        for (asset, fields) in assets {
            let fields = object(fields);
            known_keys(fields, &["total", "held"]);
            let asset_id = self.asset(asset);
            let balance = self.pair.engine().balance(self.account(account), asset_id).expect("both are known");
            for (key, actual) in [("total", balance.total), ("held", balance.held)] {
                if let Some(expected) = optional(fields, key) {
                    assert_eq!(actual, self.amount(asset_id, expected), "{account}'s {key} {asset}");
                }
            }
        }
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios")
}

#[test]
fn every_scenario_comes_out_as_written() {
    let mut paths: Vec<PathBuf> = fs::read_dir(directory())
        .expect("the scenarios are in the repository")
        .map(|entry| entry.expect("a readable directory").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    let (mut scenarios, mut checks, mut failures) = (0, 0, Vec::new());
    for path in &paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let content = fs::read_to_string(path).expect("a readable file");
        let file: Value = serde_json::from_str(&content).unwrap_or_else(|error| panic!("{name}: {error}"));
        let file = object(&file);
        known_keys(file, &["source", "about", "venue", "setup", "scenarios"]);
        assert!(!string(file, "source").is_empty(), "{name} names its source");
        let mut names = std::collections::BTreeSet::new();
        for scenario in list(file, "scenarios").iter().map(object) {
            known_keys(scenario, &["name", "differences", "venue", "steps"]);
            assert!(names.insert(string(scenario, "name")), "{name} has {} once", string(scenario, "name"));
            scenarios += 1;
            let place = std::cell::Cell::new(0);
            let run = || {
                let mut runner = Runner::new(object(scenario.get("venue").unwrap_or_else(|| &file["venue"])));
                for step in list(file, "setup").iter().chain(list(scenario, "steps")).map(object) {
                    place.set(place.get() + 1);
                    runner.step(step);
                }
                runner.pair.restore().unwrap_or_else(|mismatch| panic!("{}", mismatch.0));
                runner.checks
            };
            match std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
                Ok(made) => checks += made,
                Err(_) => failures.push(format!("{name}: {}, step {}", string(scenario, "name"), place.get())),
            }
        }
    }
    println!("{} files, {scenarios} scenarios, {checks} checks", paths.len());
    assert!(failures.is_empty(), "failed:\n{}", failures.join("\n"));
    assert!(scenarios >= 150, "the scenarios are there: {scenarios}");
}
