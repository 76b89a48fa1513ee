//! From the commands of the scenarios to those of the engine.

use beurs_engine::command::{
    AdjustTrade, Administer, BustTrade, CancelAllAfter, CancelOrder, CancelReplace, Command, Deposit, InstrumentScope,
    KillScope, KillSwitch, MassCancel, NewOrder, NewOrderList, Note, ReplaceOrder, RiskLimits, RiskScope,
    SetAccountGroup, SetAccountMode, SetFeatures, SetFeeCap, SetFeePromotion, SetFeeTier, SetFees, SetInstrumentGroup,
    SetLeadMarketMaker, SetMarkPrice, SetMatching, SetPriceBands, SetRandomSeed, SetRiskLimits, SetSchedule,
    SetTradeGroup, SetTradingStatus, Terms,
};
use beurs_engine::types::{
    AccountId, AccountMode, Amount, BandAction, CancelReplaceMode, ClientOrderId, Contingency, GroupId,
    InstrumentGroupId, InstrumentId, KeyId, Lots, MassCancelReason, MatchingAlgorithm, OrderId, OrderType, Peg,
    PriceTicks, SelfTradePrevention, Side, StatusReason, TimeInForce, TradeId, TradingStatus, TriggerBy,
};
use beurs_engine::Instrument;
use serde_json::Value;

use super::read::{count, flag, known_keys, list, named, number, number_or_0, object, optional, string, text, Object};
use super::Runner;

/// The commands that a step may have.
pub const KINDS: [&str; 31] = [
    "new_order",
    "cancel_order",
    "replace_order",
    "mass_cancel",
    "cancel_replace",
    "new_order_list",
    "cancel_all_after",
    "advance_time",
    "deposit",
    "withdraw",
    "set_account_group",
    "set_fees",
    "set_fee_tier",
    "set_fee_promotion",
    "set_fee_cap",
    "set_trading_status",
    "set_mark_price",
    "set_instrument_group",
    "set_matching",
    "set_lead_market_maker",
    "set_price_bands",
    "set_features",
    "set_schedule",
    "set_random_seed",
    "set_risk_limits",
    "set_account_mode",
    "set_trade_group",
    "kill_switch",
    "bust_trade",
    "adjust_trade",
    "administer",
];

const TERMS: [&str; 11] = [
    "trigger_price",
    "trigger_by",
    "trail_bps",
    "display_quantity",
    "hidden",
    "min_quantity",
    "expire_time_ns",
    "auction_only",
    "slide",
    "peg",
    "peg_offset",
];
const NEW_ORDER: [&str; 13] = [
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
    "key_id",
];

/// The command of a step.
pub fn kind(step: &Object) -> Option<&'static str> {
    let mut kinds = KINDS.into_iter().filter(|kind| step.contains_key(*kind));
    let kind = kinds.next();
    assert!(kinds.next().is_none(), "a step has one command");
    kind
}

/// The orders that a command would enter.
pub fn entered<'a>(kind: &str, fields: &'a Object) -> Vec<&'a Object> {
    match kind {
        "new_order" => vec![fields],
        "cancel_replace" => vec![object(&fields["new_order"])],
        "new_order_list" => list(fields, "orders").iter().map(object).collect(),
        _ => Vec::new(),
    }
}

fn ticks(object: &Object, key: &str, instrument: &Instrument) -> PriceTicks {
    PriceTicks(optional(object, key).map_or(0, |price| count(price, instrument.tick_size)) as i64)
}

fn lots(object: &Object, key: &str, instrument: &Instrument) -> Lots {
    Lots(optional(object, key).map_or(0, |quantity| count(quantity, instrument.lot_size)) as i64)
}

fn client_order_id(object: &Object, key: &str) -> ClientOrderId {
    optional(object, key).map_or(ClientOrderId::EMPTY, text)
}

fn side(text: &str) -> Side {
    named(text, Side::ALL, Side::as_str)
}

fn status(c: &Object) -> TradingStatus {
    named(string(c, "status"), TradingStatus::ALL, TradingStatus::as_str)
}

impl Runner {
    pub(super) fn command(&self, kind: &str, c: &Object) -> Command {
        match kind {
            "new_order" => Command::NewOrder(self.new_order(c, c)),
            "cancel_order" => {
                known_keys(c, &["account", "order", "order_id", "client_order_id"]);
                Command::CancelOrder(self.cancel_order(c, self.account_or_venue(c)))
            }
            "replace_order" => self.replace_order(c),
            "mass_cancel" => {
                known_keys(c, &["account", "symbol", "side", "reason"]);
                Command::MassCancel(MassCancel {
                    account_id: self.account_or_venue(c),
                    instrument_id: self.instrument_or_none(c),
                    side: optional(c, "side").map(side),
                    reason: optional(c, "reason").map_or(MassCancelReason::Requested, |text| {
                        named(text, MassCancelReason::ALL, MassCancelReason::as_str)
                    }),
                })
            }
            "cancel_replace" => self.cancel_replace(c),
            "new_order_list" => {
                known_keys(c, &["account", "contingency", "orders"]);
                let contingency = named(string(c, "contingency"), Contingency::ALL, Contingency::as_str);
                let orders = list(c, "orders").iter().map(|order| self.new_order(object(order), c)).collect();
                Command::NewOrderList(Box::new(NewOrderList { contingency, orders }))
            }
            "cancel_all_after" => {
                known_keys(c, &["account", "timeout_ns"]);
                let account_id = self.account(string(c, "account"));
                Command::CancelAllAfter(CancelAllAfter { account_id, timeout_ns: number(c, "timeout_ns") })
            }
            "advance_time" => {
                known_keys(c, &[]);
                Command::AdvanceTime
            }
            "deposit" | "withdraw" => {
                known_keys(c, &["account", "asset", "amount"]);
                let (account_id, asset_id) = (self.account(string(c, "account")), self.asset(string(c, "asset")));
                let amount = Amount(self.amount(asset_id, string(c, "amount")));
                match kind {
                    "deposit" => Command::Deposit(Deposit { account_id, asset_id, amount }),
                    _ => Command::Withdraw(beurs_engine::command::Withdraw { account_id, asset_id, amount }),
                }
            }
            "bust_trade" | "adjust_trade" => self.correction(kind, c),
            "administer" => self.administer(c),
            _ => self.setting(kind, c),
        }
    }

    /// The commands that change how the venue works.
    fn setting(&self, kind: &str, c: &Object) -> Command {
        let instrument = || self.instrument(string(c, "symbol"));
        let instrument_id = || instrument().instrument_id;
        let account_id = || self.account(string(c, "account"));
        let group_id = || GroupId(number_or_0(c, "group_id"));
        let quote = |key| Amount(self.amount(instrument().quote, string(c, key)));
        match kind {
            "set_account_group" => {
                known_keys(c, &["account", "group_id"]);
                Command::SetAccountGroup(SetAccountGroup { account_id: account_id(), group_id: group_id() })
            }
            "set_fees" => {
                known_keys(c, &["symbol", "group_id", "maker_ppm", "taker_ppm"]);
                Command::SetFees(SetFees {
                    instrument_id: instrument_id(),
                    group_id: group_id(),
                    maker_ppm: number(c, "maker_ppm"),
                    taker_ppm: number(c, "taker_ppm"),
                })
            }
            "set_fee_tier" => {
                known_keys(c, &["symbol", "group_id", "tier", "min_volume", "maker_ppm", "taker_ppm"]);
                Command::SetFeeTier(SetFeeTier {
                    instrument_id: instrument_id(),
                    group_id: group_id(),
                    tier: number(c, "tier"),
                    min_volume: quote("min_volume"),
                    maker_ppm: number(c, "maker_ppm"),
                    taker_ppm: number(c, "taker_ppm"),
                })
            }
            "set_fee_promotion" => {
                known_keys(c, &["symbol", "group_id", "from_ns", "until_ns", "maker_ppm", "taker_ppm"]);
                Command::SetFeePromotion(SetFeePromotion {
                    instrument_id: instrument_id(),
                    group_id: group_id(),
                    from_ns: number(c, "from_ns"),
                    until_ns: number(c, "until_ns"),
                    maker_ppm: number(c, "maker_ppm"),
                    taker_ppm: number(c, "taker_ppm"),
                })
            }
            "set_fee_cap" => {
                known_keys(c, &["symbol", "group_id", "max_fee"]);
                Command::SetFeeCap(SetFeeCap {
                    instrument_id: instrument_id(),
                    group_id: group_id(),
                    max_fee: quote("max_fee"),
                })
            }
            "set_trading_status" => {
                known_keys(c, &["symbol", "instrument_group_id", "status", "reason", "end_time_ns"]);
                let scope = match (c.contains_key("symbol"), c.contains_key("instrument_group_id")) {
                    (true, false) => InstrumentScope::Instrument(instrument_id()),
                    (false, true) => InstrumentScope::Group(InstrumentGroupId(number(c, "instrument_group_id"))),
                    (false, false) => InstrumentScope::All,
                    (true, true) => panic!("symbol or instrument_group_id"),
                };
                let reason = optional(c, "reason").unwrap_or("requested");
                Command::SetTradingStatus(SetTradingStatus {
                    scope,
                    status: status(c),
                    reason: named(reason, StatusReason::ALL, StatusReason::as_str),
                    end_time_ns: number_or_0(c, "end_time_ns"),
                })
            }
            "set_mark_price" => {
                known_keys(c, &["symbol", "price"]);
                let price = ticks(c, "price", instrument());
                Command::SetMarkPrice(SetMarkPrice { instrument_id: instrument_id(), price })
            }
            "set_instrument_group" => {
                known_keys(c, &["symbol", "instrument_group_id"]);
                Command::SetInstrumentGroup(SetInstrumentGroup {
                    instrument_id: instrument_id(),
                    instrument_group_id: InstrumentGroupId(number(c, "instrument_group_id")),
                })
            }
            "set_matching" => {
                let pro_rata = ["top_max", "lead_percent", "fifo_percent", "min_allocation", "leveling"];
                known_keys(c, &[&["symbol", "algorithm"][..], &pro_rata].concat());
                let given = c.contains_key("min_allocation");
                Command::SetMatching(SetMatching {
                    instrument_id: instrument_id(),
                    algorithm: named(string(c, "algorithm"), MatchingAlgorithm::ALL, MatchingAlgorithm::as_str),
                    top_max: lots(c, "top_max", instrument()),
                    lead_percent: number_or_0(c, "lead_percent"),
                    fifo_percent: number_or_0(c, "fifo_percent"),
                    min_allocation: if given { lots(c, "min_allocation", instrument()) } else { Lots(1) },
                    leveling: flag(c, "leveling"),
                })
            }
            "set_lead_market_maker" => {
                known_keys(c, &["symbol", "account", "share"]);
                Command::SetLeadMarketMaker(SetLeadMarketMaker {
                    instrument_id: instrument_id(),
                    account_id: account_id(),
                    share: number(c, "share"),
                })
            }
            "set_price_bands" => self.price_bands(c),
            "set_features" => {
                known_keys(c, &["symbol", "features", "max_triggers"]);
                let given = |key, default| if c.contains_key(key) { number(c, key) } else { default };
                Command::SetFeatures(SetFeatures {
                    instrument_id: instrument_id(),
                    features: given("features", beurs_engine::command::feature::ALL),
                    max_triggers: given("max_triggers", 1_000),
                })
            }
            "set_schedule" => {
                known_keys(c, &["symbol", "slot", "weekdays", "time_of_day_ns", "random_ns", "status"]);
                Command::SetSchedule(SetSchedule {
                    instrument_id: instrument_id(),
                    slot: number(c, "slot"),
                    weekdays: number(c, "weekdays"),
                    time_of_day_ns: number(c, "time_of_day_ns"),
                    random_ns: number_or_0(c, "random_ns"),
                    status: status(c),
                })
            }
            "set_random_seed" => {
                known_keys(c, &["seed"]);
                Command::SetRandomSeed(SetRandomSeed { seed: number(c, "seed") })
            }
            "set_risk_limits" => self.risk_limits(c),
            "set_account_mode" => {
                known_keys(c, &["account", "mode"]);
                let mode = named(string(c, "mode"), AccountMode::ALL, AccountMode::as_str);
                Command::SetAccountMode(SetAccountMode { account_id: account_id(), mode })
            }
            "set_trade_group" => {
                known_keys(c, &["account", "trade_group_id"]);
                Command::SetTradeGroup(SetTradeGroup {
                    account_id: account_id(),
                    trade_group_id: number(c, "trade_group_id"),
                })
            }
            "kill_switch" => {
                known_keys(c, &["engaged", "symbol", "group_id", "account", "key_id"]);
                let scope = match (optional(c, "symbol"), c.contains_key("group_id"), c.contains_key("account")) {
                    (Some(_), false, false) => KillScope::Instrument(instrument_id()),
                    (None, true, false) => KillScope::Group(group_id()),
                    (None, false, true) if c.contains_key("key_id") => KillScope::Key(account_id(), self.key_id(c)),
                    (None, false, true) => KillScope::Account(account_id()),
                    (None, false, false) => KillScope::All,
                    _ => panic!("a kill switch has one scope"),
                };
                Command::KillSwitch(KillSwitch { scope, engaged: flag(c, "engaged") })
            }
            _ => panic!("{kind} is not a command of a step"),
        }
    }

    /// The account of a command; `null` is the venue.
    fn account_or_venue(&self, c: &Object) -> AccountId {
        match c.get("account") {
            Some(Value::Null) => AccountId::NONE,
            _ => self.account(string(c, "account")),
        }
    }

    fn instrument_or_none(&self, c: &Object) -> InstrumentId {
        optional(c, "symbol").map_or(InstrumentId::NONE, |symbol| self.instrument(symbol).instrument_id)
    }

    fn key_id(&self, c: &Object) -> KeyId {
        KeyId(number_or_0(c, "key_id"))
    }

    fn order_id(&self, c: &Object) -> OrderId {
        match (c.get("order_id"), optional(c, "order")) {
            (Some(_), None) => OrderId(number(c, "order_id")),
            (None, Some(name)) => self.named_order(name),
            (None, None) => OrderId::NONE,
            (Some(_), Some(_)) => panic!("order or order_id"),
        }
    }

    fn cancel_order(&self, c: &Object, account_id: AccountId) -> CancelOrder {
        CancelOrder { account_id, order_id: self.order_id(c), client_order_id: client_order_id(c, "client_order_id") }
    }

    /// An order; of a list or a cancel-replace the account is that of the whole, unless it has one of its own.
    fn new_order(&self, c: &Object, whole: &Object) -> NewOrder {
        known_keys(c, &[&NEW_ORDER[..], &TERMS].concat());
        let instrument = self.instrument(string(c, "symbol"));
        let order_type = named(optional(c, "order_type").unwrap_or("limit"), OrderType::ALL, OrderType::as_str);
        let without_limit = matches!(order_type, OrderType::Market | OrderType::Stop | OrderType::TakeProfit);
        let lifetime = match (c.contains_key("expire_time_ns"), without_limit) {
            (true, _) => "gtd",
            (_, true) => "ioc",
            _ => "gtc",
        };
        let lifetime = optional(c, "time_in_force").unwrap_or(lifetime);
        let mode = optional(c, "self_trade_prevention").unwrap_or("none");
        let quote_quantity = optional(c, "quote_quantity").map_or(0, |amount| self.amount(instrument.quote, amount));
        NewOrder {
            account_id: self.account(string(if c.contains_key("account") { c } else { whole }, "account")),
            instrument_id: instrument.instrument_id,
            side: side(string(c, "side")),
            order_type,
            time_in_force: named(lifetime, TimeInForce::ALL, TimeInForce::as_str),
            post_only: flag(c, "post_only"),
            self_trade_prevention: named(mode, SelfTradePrevention::ALL, SelfTradePrevention::as_str),
            key_id: self.key_id(c),
            price: ticks(c, "price", instrument),
            quantity: lots(c, "quantity", instrument),
            quote_quantity: Amount(quote_quantity),
            client_order_id: client_order_id(c, "client_order_id"),
            terms: TERMS.iter().any(|key| c.contains_key(*key)).then(|| Box::new(terms(c, instrument))),
        }
    }

    fn replace_order(&self, c: &Object) -> Command {
        let names = ["account", "order", "order_id", "original_client_order_id", "client_order_id"];
        known_keys(c, &[&names[..], &["price", "quantity", "trigger_price", "display_quantity"]].concat());
        let order_id = self.order_id(c);
        let original_client_order_id = client_order_id(c, "original_client_order_id");
        let account_id = self.account(string(c, "account"));
        // The steps are those of the order's instrument, or of the only one if the order is not known.
        let report = self.reports.values().find(|report| {
            report.order_id == order_id
                || order_id.is_none()
                    && report.account_id == account_id
                    && report.client_order_id == original_client_order_id
        });
        let engine = self.subject.engine();
        let instrument = match report {
            Some(report) => engine.instrument(report.instrument_id),
            None => engine.instruments().next(),
        };
        let instrument = instrument.expect("the venue has an instrument");
        Command::ReplaceOrder(ReplaceOrder {
            account_id,
            order_id,
            original_client_order_id,
            client_order_id: client_order_id(c, "client_order_id"),
            price: ticks(c, "price", instrument),
            quantity: lots(c, "quantity", instrument),
            trigger_price: ticks(c, "trigger_price", instrument),
            display_quantity: lots(c, "display_quantity", instrument),
        })
    }

    fn cancel_replace(&self, c: &Object) -> Command {
        known_keys(c, &["account", "order", "order_id", "client_order_id", "mode", "new_order"]);
        let mode = optional(c, "mode").unwrap_or("stop_on_failure");
        Command::CancelReplace(Box::new(CancelReplace {
            cancel: self.cancel_order(c, self.account(string(c, "account"))),
            mode: named(mode, CancelReplaceMode::ALL, CancelReplaceMode::as_str),
            new_order: self.new_order(object(&c["new_order"]), c),
        }))
    }

    fn price_bands(&self, c: &Object) -> Command {
        known_keys(
            c,
            &[
                "symbol",
                "reference",
                "static_up_bps",
                "static_down_bps",
                "dynamic_bps",
                "collar_bps",
                "action",
                "auction_ns",
                "auction_random_ns",
                "limit_state_ns",
            ],
        );
        let instrument = self.instrument(string(c, "symbol"));
        let auction_ns = if c.contains_key("auction_ns") { number(c, "auction_ns") } else { 60_000_000_000 };
        let action = optional(c, "action").unwrap_or("cancel");
        Command::SetPriceBands(SetPriceBands {
            instrument_id: instrument.instrument_id,
            reference: ticks(c, "reference", instrument),
            static_up_bps: number_or_0(c, "static_up_bps"),
            static_down_bps: number_or_0(c, "static_down_bps"),
            dynamic_bps: number_or_0(c, "dynamic_bps"),
            collar_bps: number_or_0(c, "collar_bps"),
            action: named(action, BandAction::ALL, BandAction::as_str),
            auction_ns,
            auction_random_ns: number_or_0(c, "auction_random_ns"),
            limit_state_ns: number_or_0(c, "limit_state_ns"),
        })
    }

    fn risk_limits(&self, c: &Object) -> Command {
        known_keys(
            c,
            &[
                "account",
                "group_id",
                "key_id",
                "symbol",
                "max_order_quantity",
                "max_order_notional",
                "max_open_orders",
                "max_open_conditional_orders",
                "max_position",
                "max_exposure",
                "max_order_rate",
                "rate_window_ns",
                "fat_finger_bps",
                "duplicate_window_ns",
            ],
        );
        let scope = match (c.contains_key("account"), c.contains_key("key_id"), c.contains_key("group_id")) {
            (true, true, false) => RiskScope::Key(self.account(string(c, "account")), self.key_id(c)),
            (true, false, false) => RiskScope::Account(self.account(string(c, "account"))),
            (false, false, true) => RiskScope::Group(GroupId(number(c, "group_id"))),
            _ => panic!("risk limits have one scope"),
        };
        let instrument = optional(c, "symbol").map(|symbol| self.instrument(symbol));
        let base = |key| match instrument {
            Some(instrument) => lots(c, key, instrument),
            None => Lots(optional(c, key).map_or(0, |lots| lots.parse().expect("lots of no instrument"))),
        };
        let quote = |key| match instrument {
            Some(instrument) => Amount(optional(c, key).map_or(0, |amount| self.amount(instrument.quote, amount))),
            None => Amount(optional(c, key).map_or(0, |units| units.parse().expect("units of no instrument"))),
        };
        Command::SetRiskLimits(Box::new(SetRiskLimits {
            scope,
            instrument_id: self.instrument_or_none(c),
            limits: RiskLimits {
                max_order_quantity: base("max_order_quantity"),
                max_order_notional: quote("max_order_notional"),
                max_open_orders: number_or_0(c, "max_open_orders"),
                max_open_conditional_orders: number_or_0(c, "max_open_conditional_orders"),
                max_position: base("max_position"),
                max_exposure: quote("max_exposure"),
                max_order_rate: number_or_0(c, "max_order_rate"),
                rate_window_ns: number_or_0(c, "rate_window_ns"),
                fat_finger_bps: number_or_0(c, "fat_finger_bps"),
                duplicate_window_ns: number_or_0(c, "duplicate_window_ns"),
            },
        }))
    }

    fn correction(&self, kind: &str, c: &Object) -> Command {
        let trade = ["trade_id", "symbol", "buyer", "seller", "price", "quantity"];
        let instrument = self.instrument(string(c, "symbol"));
        let trade_id = TradeId(number(c, "trade_id"));
        let (buyer, seller) = (self.account(string(c, "buyer")), self.account(string(c, "seller")));
        let (price, quantity) = (ticks(c, "price", instrument), lots(c, "quantity", instrument));
        let instrument_id = instrument.instrument_id;
        if kind == "adjust_trade" {
            known_keys(c, &[&trade[..], &["new_price"]].concat());
            let new_price = ticks(c, "new_price", instrument);
            return Command::AdjustTrade(AdjustTrade {
                trade_id,
                instrument_id,
                buyer,
                seller,
                price,
                quantity,
                new_price,
            });
        }
        known_keys(c, &[&trade[..], &["buyer_fee", "seller_fee"]].concat());
        let fee = |key| Amount(optional(c, key).map_or(0, |fee| self.amount(instrument.quote, fee)));
        let (buyer_fee, seller_fee) = (fee("buyer_fee"), fee("seller_fee"));
        Command::BustTrade(BustTrade { trade_id, instrument_id, buyer, seller, price, quantity, buyer_fee, seller_fee })
    }

    /// What the staff does: who, why, and a command as a step would have it.
    fn administer(&self, c: &Object) -> Command {
        let kind = kind(c).expect("an administer command holds a command");
        known_keys(c, &["actor", "reason", kind]);
        Command::Administer(Box::new(Administer {
            actor: text(string(c, "actor")),
            reason: Note::new(string(c, "reason").as_bytes()).expect("a reason is 1 to 64 printable characters"),
            command: self.command(kind, object(&c[kind])),
        }))
    }
}

fn terms(c: &Object, instrument: &Instrument) -> Terms {
    Terms {
        trigger_price: ticks(c, "trigger_price", instrument),
        trigger_by: named(optional(c, "trigger_by").unwrap_or("last"), TriggerBy::ALL, TriggerBy::as_str),
        trail_bps: number_or_0(c, "trail_bps"),
        display_quantity: lots(c, "display_quantity", instrument),
        hidden: flag(c, "hidden"),
        min_quantity: lots(c, "min_quantity", instrument),
        expire_time_ns: number_or_0(c, "expire_time_ns"),
        auction_only: flag(c, "auction_only"),
        slide: flag(c, "slide"),
        peg: named(optional(c, "peg").unwrap_or("none"), Peg::ALL, Peg::as_str),
        peg_offset: ticks(c, "peg_offset", instrument).0,
    }
}
