//! Events in the words of the scenarios: names for ids, decimals for counts.

use beurs_engine::command::KillScope;
use beurs_engine::event::{Event, ExecutionReport, OrderTerms};
use beurs_engine::types::{Amount, InstrumentId, Lots, PriceTicks, Side};
use serde_json::{json, Value};

use super::read::{decimal_text, Object};
use super::Runner;

fn fields(value: Value) -> Object {
    let Value::Object(fields) = value else { panic!("an object") };
    fields
}

impl Runner {
    /// What kind of event it is, and its fields.
    pub(super) fn described(&self, event: &Event) -> (&'static str, Object) {
        let symbol = |id: InstrumentId| if id.is_none() { "" } else { self.instrument_of(id).symbol.as_str() };
        let (kind, described) = match event {
            Event::Execution(report) => return ("execution", self.described_report(report)),
            Event::Terms(terms) => return ("terms", self.described_terms(terms)),
            Event::Rejected(e) => ("rejected", json!({"reason": e.reason.as_str()})),
            Event::MassCanceled(e) => ("mass_canceled", json!({"count": e.count})),
            Event::Posted(e) => {
                let text = |amount: Amount| decimal_text(amount.0, self.unit(e.asset_id));
                let described = json!({
                    "account": self.account_name(e.account_id),
                    "asset": self.assets[e.asset_id.0 as usize - 1].0,
                    "amount": text(e.amount),
                    "total": text(e.total),
                    "held": text(e.held),
                });
                ("posted", described)
            }
            Event::AssetAdded(_) => ("asset_added", json!({})),
            Event::InstrumentListed(_) => ("instrument_listed", json!({})),
            Event::AccountOpened(_) => ("account_opened", json!({})),
            Event::AccountGroupSet(e) => {
                let account = self.account_name(e.account_id);
                ("account_group_set", json!({"account": account, "group_id": e.group_id.0}))
            }
            Event::FeesSet(e) => {
                let ppm = (e.maker_ppm, e.taker_ppm);
                let symbol = symbol(e.instrument_id);
                let described =
                    json!({"symbol": symbol, "group_id": e.group_id.0, "maker_ppm": ppm.0, "taker_ppm": ppm.1});
                ("fees_set", described)
            }
            Event::TradingStatusSet(e) => {
                let described = json!({
                    "symbol": symbol(e.instrument_id),
                    "status": e.status.as_str(),
                    "reason": e.reason.as_str(),
                    "end_time_ns": e.end_time_ns,
                });
                ("trading_status_set", described)
            }
            Event::OrderListStatus(e) => {
                let described = json!({
                    "list_id": e.list_id.0,
                    "account": self.account_name(e.account_id),
                    "symbol": symbol(e.instrument_id),
                    "contingency": e.contingency.as_str(),
                    "status": e.status.as_str(),
                });
                ("order_list_status", described)
            }
            Event::AuctionIndication(e) => {
                let described = json!({
                    "symbol": symbol(e.instrument_id),
                    "price": self.price(e.instrument_id, e.price),
                    "volume": self.base(e.instrument_id, e.volume),
                    "imbalance": self.base(e.instrument_id, e.imbalance),
                });
                ("auction_indication", described)
            }
            Event::AuctionEnded(e) => {
                let described = json!({
                    "symbol": symbol(e.instrument_id),
                    "price": self.price(e.instrument_id, e.price),
                    "volume": self.base(e.instrument_id, e.volume),
                });
                ("auction_ended", described)
            }
            Event::LimitStateSet(e) => {
                let side = e.side.map(Side::as_str);
                ("limit_state_set", json!({"symbol": symbol(e.instrument_id), "side": side}))
            }
            Event::CancelAllAfterSet(e) => {
                let account = self.account_name(e.account_id);
                ("cancel_all_after_set", json!({"account": account, "deadline_ns": e.deadline_ns}))
            }
            Event::TimeAdvanced(e) => ("time_advanced", json!({"count": e.count})),
            Event::MarkPriceSet(e) => {
                let price = self.price(e.instrument_id, e.price);
                ("mark_price_set", json!({"symbol": symbol(e.instrument_id), "price": price}))
            }
            Event::KillSwitchSet(e) => {
                let scope = match e.scope {
                    KillScope::All => "all",
                    KillScope::Instrument(_) => "instrument",
                    KillScope::Group(_) => "group",
                    KillScope::Account(_) => "account",
                    KillScope::Key(_, _) => "key",
                };
                ("kill_switch_set", json!({"scope": scope, "engaged": e.engaged, "count": e.count}))
            }
            Event::SettingChanged(e) => {
                let described = json!({
                    "setting": e.setting.as_str(),
                    "symbol": symbol(e.instrument_id),
                    "account": self.account_name(e.account_id),
                    "group_id": e.group_id.0,
                    "key_id": e.key_id.0,
                });
                ("setting_changed", described)
            }
            Event::TradeCorrected(e) => {
                let described = json!({
                    "trade_id": e.trade_id.0,
                    "symbol": symbol(e.instrument_id),
                    "buyer": self.account_name(e.buyer),
                    "seller": self.account_name(e.seller),
                    "price": self.price(e.instrument_id, e.price),
                    "new_price": self.price(e.instrument_id, e.new_price),
                    "quantity": self.base(e.instrument_id, e.quantity.0.into()),
                });
                ("trade_corrected", described)
            }
            Event::Administered(e) => ("administered", json!({"actor": e.actor.as_str(), "reason": e.reason.as_str()})),
        };
        (kind, fields(described))
    }

    pub(super) fn described_report(&self, report: &ExecutionReport) -> Object {
        let instrument = self.instrument_of(report.instrument_id);
        let hold_asset = if report.side == Side::Buy { instrument.quote } else { instrument.base };
        let price = |price: PriceTicks| self.price(report.instrument_id, price);
        let quantity = |lots: Lots| self.base(report.instrument_id, lots.0.into());
        let quote = |amount: Amount| decimal_text(amount.0, self.unit(instrument.quote));
        let order = json!({
            "order": self.order_name(report.order_id),
            "client_order_id": report.client_order_id.as_str(),
            "account": self.account_name(report.account_id),
            "symbol": instrument.symbol.as_str(),
            "exec_type": report.exec_type.as_str(),
            "status": report.status.as_str(),
            "side": report.side.as_str(),
            "order_type": report.order_type.as_str(),
            "time_in_force": report.time_in_force.as_str(),
            "post_only": report.post_only,
            "self_trade_prevention": report.self_trade_prevention.as_str(),
            "cancel_reason": report.cancel_reason.as_str(),
            "key_id": report.key_id.0,
            "price": price(report.price),
            "quantity": quantity(report.quantity),
            "quote_quantity": quote(report.quote_quantity),
            "filled_quantity": quantity(report.filled_quantity),
            "leaves_quantity": quantity(report.leaves_quantity),
            "displayed_quantity": quantity(report.displayed_quantity),
            "hold": decimal_text(report.hold.0, self.unit(hold_asset)),
        });
        let trade = json!({
            "last_price": price(report.last_price),
            "last_quantity": quantity(report.last_quantity),
            "last_notional": quote(report.last_notional),
            "fee": quote(report.fee),
            "liquidity": report.liquidity.as_str(),
            "counter_order": self.order_name(report.counter_order_id),
        });
        let mut described = fields(order);
        described.extend(fields(trade));
        described
    }

    pub(super) fn described_terms(&self, e: &OrderTerms) -> Object {
        let price = |ticks| self.price(e.instrument_id, ticks);
        let quantity = |lots: Lots| self.base(e.instrument_id, lots.0.into());
        fields(json!({
            "order": self.order_name(e.order_id),
            "account": self.account_name(e.account_id),
            "symbol": self.instrument_of(e.instrument_id).symbol.as_str(),
            "list_id": e.list_id.0,
            "waits": e.waits,
            "limit_price": price(e.limit_price),
            "trigger_price": price(e.terms.trigger_price),
            "trigger_by": e.terms.trigger_by.as_str(),
            "trail_bps": e.terms.trail_bps,
            "display_quantity": quantity(e.terms.display_quantity),
            "hidden": e.terms.hidden,
            "min_quantity": quantity(e.terms.min_quantity),
            "expire_time_ns": e.terms.expire_time_ns,
            "auction_only": e.terms.auction_only,
            "slide": e.terms.slide,
            "peg": e.terms.peg.as_str(),
            "peg_offset": price(PriceTicks(e.terms.peg_offset)),
        }))
    }

    fn price(&self, instrument_id: InstrumentId, price: PriceTicks) -> String {
        decimal_text(price.0.into(), self.instrument_of(instrument_id).tick_size)
    }

    fn base(&self, instrument_id: InstrumentId, lots: i128) -> String {
        decimal_text(lots, self.instrument_of(instrument_id).lot_size)
    }
}
