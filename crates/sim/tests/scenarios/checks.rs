//! The checks of a step.

use std::collections::BTreeMap;

use beurs_engine::event::{Event, ExecutionReport};
use beurs_engine::types::{ExecType, Liquidity, Side};
use serde_json::Value;

use super::read::{count, is_as_expected, known_keys, object, optional, string, Object};
use super::Runner;

/// Price in ticks, quantity in lots, number of orders.
type Level = (i128, i128, u32);

/// Whether every field that is expected is there and as expected.
fn check_fields(actual: &Object, expected: &Object, what: &str) {
    for (key, value) in expected {
        let found = actual.get(key).unwrap_or_else(|| panic!("{key} is not a field of {what}"));
        assert!(is_as_expected(found, value), "{key} is {found} instead of {value} in {what} {actual:?}");
    }
}

impl Runner {
    pub(super) fn check(&self, key: &str, expected: &Value) {
        match key {
            "rejected" => {} // Looked at after every command.
            "events" => self.check_events(expected),
            "trades" => self.check_trades(expected),
            "fills" => self.check_fills(object(expected)),
            "orders" => {
                for (name, fields) in object(expected) {
                    let report = self.described_report(&self.reports[&self.named_order(name)]);
                    check_fields(&report, object(fields), name);
                }
            }
            "terms" => {
                for (name, fields) in object(expected) {
                    let terms = self.terms.get(&self.named_order(name));
                    let terms = terms.unwrap_or_else(|| panic!("{name} has no terms"));
                    check_fields(&self.described_terms(terms), object(fields), name);
                }
            }
            _ => {
                for (name, expected) in object(expected) {
                    match key {
                        "book" => self.check_book(name, object(expected)),
                        "levels" => self.check_levels(name, object(expected)),
                        "balances" => self.check_balances(name, object(expected)),
                        "last_price" => {
                            let instrument = self.instrument(name);
                            let expected = expected.as_str().map_or(0, |price| count(price, instrument.tick_size));
                            assert_eq!(i128::from(instrument.last_price.0), expected, "the last price of {name}");
                        }
                        "trading_status" => {
                            let status = self.instrument(name).status.as_str();
                            assert_eq!(Some(status), expected.as_str(), "the status of {name}");
                        }
                        "indications" => {
                            let indication = self.indications.get(&self.instrument(name).instrument_id);
                            let indication = indication.unwrap_or_else(|| panic!("{name} has no indication"));
                            let (kind, fields) = self.described(&Event::AuctionIndication(*indication));
                            check_fields(&fields, object(expected), kind);
                        }
                        _ => panic!("{key} is neither a command nor a check"),
                    }
                }
            }
        }
    }

    pub(super) fn check_answer(&self, rejected: Option<&str>) {
        let reason = match self.subject.events() {
            [Event::Rejected(rejected)] => Some(rejected.reason.as_str()),
            _ => None,
        };
        assert_eq!(reason, rejected, "the reason of the rejection");
    }

    fn check_events(&self, expected: &Value) {
        let expected = expected.as_array().expect("events are a list");
        let events: Vec<_> = self.subject.events().iter().map(|event| self.described(event)).collect();
        let kinds: Vec<_> =
            events.iter().map(|(kind, event)| (kind, event.get("exec_type"), event.get("order"))).collect();
        for ((kind, event), fields) in events.iter().zip(expected) {
            let mut fields = object(fields).clone();
            let wanted = fields.remove("event");
            let wanted = wanted.as_ref().map_or("execution", |kind| kind.as_str().expect("a kind is a text"));
            assert_eq!(*kind, wanted, "the kind of {event:?}, of {kinds:?}");
            check_fields(event, &fields, kind);
        }
        assert_eq!(events.len(), expected.len(), "the number of events, which are {kinds:?}");
    }

    /// The command's trades: the taker's report and the maker's, of an auction the buyer's and the seller's.
    fn trades(&self) -> Vec<(ExecutionReport, ExecutionReport)> {
        let sides: Vec<&ExecutionReport> = self
            .subject
            .events()
            .iter()
            .filter_map(|event| if let Event::Execution(report) = event { Some(report) } else { None })
            .filter(|report| report.exec_type == ExecType::Trade)
            .collect();
        assert_eq!(sides.len() % 2, 0, "a trade is two reports");
        let trades: Vec<_> = sides.chunks(2).map(|sides| (*sides[0], *sides[1])).collect();
        for (first, second) in &trades {
            assert_eq!(first.trade_id, second.trade_id, "a trade is two reports, one after the other");
            assert_eq!((first.counter_order_id, second.counter_order_id), (second.order_id, first.order_id));
            match (first.liquidity, second.liquidity) {
                (Liquidity::Taker, Liquidity::Maker) => {}
                (Liquidity::Auction, Liquidity::Auction) => assert_eq!(first.side, Side::Buy, "the buyer is first"),
                other => panic!("{other:?} is no trade"),
            }
        }
        trades
    }

    fn check_trades(&self, expected: &Value) {
        let expected = expected.as_array().expect("trades are a list");
        let trades = self.trades();
        for ((first, second), fields) in trades.iter().zip(expected) {
            let (first, second) = (self.described_report(first), self.described_report(second));
            for (key, value) in object(fields) {
                let (report, field) = match key.as_str() {
                    "taker" | "buyer" => (&first, "order"),
                    "maker" | "seller" => (&second, "order"),
                    "price" => (&second, "last_price"),
                    "quantity" => (&second, "last_quantity"),
                    "taker_fee" | "buyer_fee" => (&first, "fee"),
                    "maker_fee" | "seller_fee" => (&second, "fee"),
                    _ => panic!("{key} is not a field of a trade"),
                };
                let auction = first["liquidity"] == "auction";
                assert!(!auction || !key.contains("aker"), "a trade of an auction has a buyer and a seller");
                assert!(auction || !key.contains("uyer") && !key.contains("eller"), "a trade has a maker and a taker");
                check_fields(report, &Object::from_iter([(field.to_string(), value.clone())]), "a trade");
            }
        }
        assert_eq!(trades.len(), expected.len(), "the number of trades, which are {trades:#?}");
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
        let instrument = self.subject.engine().instruments().next().expect("the venue has an instrument");
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
            let levels = self.subject.engine().depth(instrument_id, side);
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
            let balance = self.subject.engine().balance(self.account(account), asset_id).expect("both are known");
            for (key, actual) in [("total", balance.total), ("held", balance.held)] {
                if let Some(expected) = optional(fields, key) {
                    assert_eq!(actual, self.amount(asset_id, expected), "{account}'s {key} {asset}");
                }
            }
        }
    }
}
