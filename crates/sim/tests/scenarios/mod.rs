//! One scenario while it runs. What a step may say is in `tests/scenarios/README.md`.

mod checks;
mod commands;
mod events;
pub mod read;

use std::collections::BTreeMap;

use beurs_engine::command::{AddAsset, Command, Deposit, ListInstrument, OpenAccount};
use beurs_engine::event::{AuctionIndication, Event, ExecutionReport, OrderTerms};
use beurs_engine::types::{
    AccountId, Amount, AssetId, ExecType, GroupId, InstrumentId, Lots, OrderId, OrderStatus, Step,
};
use beurs_engine::Instrument;
use read::{count, known_keys, list, number, number_or_0, object, step, string, text, Object};

use beurs_sim::differential::Pair as Subject;

/// What a step that says no time adds to that of the step before.
const STEP_NS: i64 = 1_000_000;

pub struct Runner {
    subject: Subject,
    time_ns: i64,
    assets: Vec<(String, u8)>,
    accounts: Vec<String>,
    /// Order name to order_id.
    orders: BTreeMap<String, OrderId>,
    /// The last report of each order.
    reports: BTreeMap<OrderId, ExecutionReport>,
    /// The last terms of each order that has any.
    terms: BTreeMap<OrderId, OrderTerms>,
    /// The last indication of each instrument, until its auction ends.
    indications: BTreeMap<InstrumentId, AuctionIndication>,
    pub checks: u32,
}

impl Runner {
    pub fn new(venue: &Object) -> Self {
        known_keys(venue, &["assets", "instruments", "accounts", "fees"]);
        let mut runner = Self {
            subject: Subject::new(None),
            time_ns: 0,
            assets: Vec::new(),
            accounts: vec!["venue".into()],
            orders: BTreeMap::new(),
            reports: BTreeMap::new(),
            terms: BTreeMap::new(),
            indications: BTreeMap::new(),
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
            let command = runner.command("set_fees", fees);
            runner.must(command);
        }
        for account in list(venue, "accounts").iter().map(object) {
            known_keys(account, &["code", "group_id", "deposits"]);
            let code = string(account, "code");
            if code != "venue" {
                let group_id = GroupId(number_or_0(account, "group_id"));
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

    // From names and texts to ids and counts, and back

    fn asset(&self, code: &str) -> AssetId {
        let place = self.assets.iter().position(|(known, _)| known == code);
        AssetId(place.unwrap_or_else(|| panic!("there is no asset {code}")) as u32 + 1)
    }

    fn account(&self, code: &str) -> AccountId {
        let place = self.accounts.iter().position(|known| known == code);
        AccountId(place.unwrap_or_else(|| panic!("there is no account {code}")) as u32 + 1)
    }

    fn account_name(&self, account_id: AccountId) -> &str {
        account_id.index().map_or("", |at| &self.accounts[at])
    }

    fn instrument(&self, symbol: &str) -> &Instrument {
        let found = self.subject.engine().instruments().find(|instrument| instrument.symbol.as_str() == symbol);
        found.unwrap_or_else(|| panic!("there is no instrument {symbol}"))
    }

    fn instrument_of(&self, instrument_id: InstrumentId) -> &Instrument {
        self.subject.engine().instrument(instrument_id).expect("an event names an instrument that is there")
    }

    fn unit(&self, asset_id: AssetId) -> Step {
        let (_, scale) = self.assets[asset_id.0 as usize - 1];
        Step { mantissa: 1, scale }
    }

    fn amount(&self, asset_id: AssetId, amount: &str) -> i128 {
        count(amount, self.unit(asset_id))
    }

    fn named_order(&self, name: &str) -> OrderId {
        *self.orders.get(name).unwrap_or_else(|| panic!("there is no order {name}"))
    }

    fn order_name(&self, order_id: OrderId) -> &str {
        self.orders.iter().find(|(_, id)| **id == order_id).map_or("", |(name, _)| name)
    }

    // Steps

    fn apply(&mut self, command: Command) {
        self.subject.apply(&(self.time_ns, command)).unwrap_or_else(|mismatch| panic!("{}", mismatch.0));
        for event in self.subject.events() {
            match event {
                Event::Execution(report) => {
                    self.reports.insert(report.order_id, *report);
                }
                Event::Terms(terms) => {
                    self.terms.insert(terms.order_id, *terms);
                }
                Event::AuctionIndication(indication) => {
                    self.indications.insert(indication.instrument_id, *indication);
                }
                Event::AuctionEnded(ended) => {
                    self.indications.remove(&ended.instrument_id);
                }
                _ => {}
            }
        }
    }

    fn must(&mut self, command: Command) {
        self.time_ns += STEP_NS;
        self.apply(command);
        let events = self.subject.events();
        assert!(!matches!(events[0], Event::Rejected(_)), "{events:?}");
    }

    /// Runs a step: its command, then its checks.
    pub fn step(&mut self, step: &Object) {
        if let Some(kind) = commands::kind(step) {
            self.time_ns = if step.contains_key("time_ns") { number(step, "time_ns") } else { self.time_ns + STEP_NS };
            let fields = object(&step[kind]);
            let command = self.command(kind, fields);
            self.apply(command);
            self.name_orders(kind, fields);
            self.check_answer(read::optional(step, "rejected"));
            self.check_open_orders();
        }
        for (key, expected) in step {
            if key != "time_ns" && !commands::KINDS.contains(&key.as_str()) {
                self.check(key, expected);
                self.checks += 1;
            }
        }
    }

    /// The orders that a command enters get their names, in the order in which they are entered.
    fn name_orders(&mut self, kind: &str, fields: &Object) {
        let mut entered = self.subject.events().iter().filter_map(|event| match event {
            Event::Execution(report) if report.exec_type == ExecType::New => Some(report.order_id),
            _ => None,
        });
        for order in commands::entered(kind, fields) {
            let Some(order_id) = entered.next() else { break };
            if let Some(name) = read::optional(order, "order").or_else(|| read::optional(order, "client_order_id")) {
                self.orders.insert(name.into(), order_id);
            }
        }
    }

    /// What the reports leave open is what the engine has open.
    fn check_open_orders(&self) {
        let open: Vec<OrderId> = self
            .reports
            .values()
            .filter(|report| matches!(report.status, OrderStatus::New | OrderStatus::PartiallyFilled))
            .map(|report| report.order_id)
            .collect();
        for order_id in &open {
            assert!(self.subject.engine().order(*order_id).is_some(), "{} is open", self.order_name(*order_id));
        }
        assert_eq!(self.subject.engine().open_order_count() as usize, open.len(), "the number of open orders");
    }

    /// The state survives a snapshot.
    pub fn restore(&mut self) {
        self.subject.restore().unwrap_or_else(|mismatch| panic!("{}", mismatch.0));
    }
}
