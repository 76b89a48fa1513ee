//! The canonical encoding of the state, written from the table in `docs/concepts/engine.md`.

use std::collections::BTreeMap;

use beurs_engine::command::{KillScope, RiskScope};
use beurs_engine::types::{AccountMode, MatchingAlgorithm, Side};
use sha2::{Digest, Sha256};

use super::fees::FeeRules;
use super::lists::OrderList;
use super::{Account, Instrument, Naive, Order, Waits, DAY_NS, MAX_TICKS_OR_LOTS};

impl Order {
    /// What it does now, as a number.
    fn stand(&self) -> u8 {
        match self.waits {
            Waits::No if self.is_auction_market() => 5,
            Waits::No => 0,
            Waits::Trigger => 1,
            Waits::Activation => 2,
            Waits::Trail(_) => 3,
            Waits::List => 4,
        }
    }

    /// Its best price so far, if it trails: before there is one, a price that every price is better than.
    fn extreme(&self) -> i128 {
        match (self.waits, self.side) {
            (Waits::Trail(Some(extreme)), _) => extreme,
            (Waits::Trail(None), Side::Buy) => MAX_TICKS_OR_LOTS + 1,
            _ => 0,
        }
    }

    /// Whether it stands in a queue at a price.
    fn in_queue(&self) -> bool {
        self.waits == Waits::No && !self.is_auction_market()
    }

    fn encode(&self, out: &mut Encoder) {
        out.u64(self.order_id).u32(self.account).u8(self.time_in_force as u8);
        out.u8(self.self_trade_prevention as u8).u8(u8::from(self.post_only));
        out.i64(if self.in_queue() { self.price as i64 } else { 0 }).i64(self.filled as i64);
        out.i64(if self.by_quote() { i64::MAX } else { self.leaves as i64 });
        out.i32(self.maker_ppm as i32).i32(self.taker_ppm as i32).u32(self.carry as u32);
        out.u8(u8::from(self.fee_cap != 0));
        if self.fee_cap != 0 {
            out.i128(self.fee_cap).i128(self.fees_paid);
        }
        out.text(self.client_order_id.as_bytes()).u16(self.key_id.0).u8(u8::from(self.has_terms_report()));
        if !self.has_terms_report() {
            return;
        }
        let terms = &self.terms;
        out.u8(self.order_type as u8).u8(self.stand()).i64(terms.trigger_price.0).u8(terms.trigger_by as u8);
        out.u16(terms.trail_bps).i64(terms.display_quantity.0).u8(u8::from(terms.hidden));
        out.i64(terms.min_quantity.0).i64(terms.expire_time_ns).u8(u8::from(terms.auction_only));
        out.u8(u8::from(terms.slide)).u8(terms.peg as u8).i64(terms.peg_offset);
        let limit = if self.is_pegged() { self.worst_price } else { self.price + self.auction_bound };
        out.i64(limit as i64).i128(self.quote_quantity).u64(self.list);
        out.i64(if self.is_iceberg() { self.displayed as i64 } else { 0 }).u8(u8::from(self.in_queue()));
    }
}

impl Instrument {
    fn encode(&self, open: &dyn Fn(u64) -> bool, out: &mut Encoder) {
        out.text(self.symbol.as_bytes()).u32(self.base).u32(self.quote);
        out.u64(self.tick_size.mantissa).u8(self.tick_size.scale);
        out.u64(self.lot_size.mantissa).u8(self.lot_size.scale);
        out.i64(self.min_quantity as i64).i64(self.max_quantity as i64).i128(self.min_notional);
        out.u8(self.status as u8).u8(self.status_reason as u8).i64(self.last_price as i64);
        out.list(self.fees.iter(), |out, (group, (maker, taker))| {
            out.u16(*group).i32(*maker as i32).i32(*taker as i32);
        });
        out.u32(self.features).u32(self.max_triggers).i64(self.mark_price as i64);
        self.encode_session(out);

        let rules = &self.matching;
        let shares = rules.algorithm == MatchingAlgorithm::ProRata;
        out.u8(u8::from(shares));
        if shares {
            out.i64(rules.top_max as i64).u8(rules.lead_percent as u8).u8(rules.fifo_percent as u8);
            out.i64(rules.min_allocation as i64).u8(u8::from(rules.leveling));
            for top in self.tops {
                out.u64(if open(top) { top } else { 0 });
            }
        }
        out.list(self.lead_market_makers.iter(), |out, (account, share)| {
            out.u32(*account).u16(*share as u16);
        });
    }

    fn encode_session(&self, out: &mut Encoder) {
        let session = &self.session;
        out.u16(self.group).i64(self.bands.reference as i64).i64(session.end_time_ns as i64);
        out.u8(u8::from(self.bands.settings.is_some()));
        if let Some(set) = &self.bands.settings {
            out.u32(set.static_up_bps).u32(set.static_down_bps).u32(set.dynamic_bps).u32(set.collar_bps);
            out.u8(set.action as u8).i64(set.auction_ns).i64(set.auction_random_ns).i64(set.limit_state_ns);
        }
        out.u8(session.limit_state.map_or(0, |side| side as u8));
        if session.limit_state.is_some() {
            out.i64(session.limit_due_ns.unwrap_or(0) as i64);
        }
        out.list(self.schedule.entries.iter().flatten(), |out, (entry, due)| {
            out.u8(entry.slot).u8(entry.weekdays).i64(entry.time_of_day_ns).i64(entry.random_ns);
            out.u8(entry.status as u8).i64(*due as i64);
        });
    }
}

impl Account {
    fn encode(&self, held: &dyn Fn(u32) -> i128, deadline_ns: i64, out: &mut Encoder) {
        out.text(self.code.as_bytes()).u16(self.group);
        let balances: Vec<_> = self.totals.iter().filter(|(_, total)| **total != 0).collect();
        out.list(balances.iter(), |out, (asset, total)| {
            out.u32(**asset).i128(**total).i128(held(**asset));
        });
        out.list(self.remembered.iter(), |out, hash| {
            out.u64(*hash);
        });
        out.i64(deadline_ns).u32(self.trade_group);
    }
}

impl OrderList {
    /// Whether it has a pair that works, and of which nothing has happened yet.
    fn has_live_pair(&self) -> bool {
        let pair = if self.has_first() { &self.orders[1..] } else { &self.orders[..] };
        let released = !self.has_first() || !self.open.contains(&self.orders[0]);
        pair.len() == 2 && released && !self.decided && pair.iter().all(|order_id| self.open.contains(order_id))
    }

    fn encode(&self, out: &mut Encoder) {
        out.u64(self.list_id).u8(self.contingency as u8).u32(self.account);
        for place in 0..3 {
            out.u64(self.orders.get(place).copied().filter(|order_id| self.open.contains(order_id)).unwrap_or(0));
        }
        out.u8(u8::from(self.has_live_pair()));
    }
}

impl FeeRules {
    fn encode(&self, out: &mut Encoder) {
        out.list(self.tiers.iter(), |out, ((group, tier), (volume, (maker, taker)))| {
            out.u16(*group).u8(*tier).i128(*volume).i32(*maker as i32).i32(*taker as i32);
        });
        out.list(self.promotions.iter(), |out, (group, (from, until, (maker, taker)))| {
            out.u16(*group).i64(*from).i64(*until).i32(*maker as i32).i32(*taker as i32);
        });
        out.list(self.caps.iter(), |out, (group, cap)| {
            out.u16(*group).i128(*cap);
        });
    }
}

impl Naive {
    /// The canonical encoding of the state.
    pub fn snapshot(&self) -> Vec<u8> {
        let mut out = Encoder(b"BEURSSN3".to_vec());
        out.u64(self.sequence).i64(self.event_time_ns).u64(self.last_order_id).u64(self.last_trade_id);
        out.list(self.assets.iter(), |out, asset| {
            out.text(asset.code.as_bytes()).u8(asset.scale).i128(asset.issued);
        });
        out.list(self.instruments.iter(), |out, instrument| instrument.encode(&|order_id| self.is_open(order_id), out));
        let held = self.all_held(None);
        out.list((1..).zip(&self.accounts), |out, (id, account)| {
            let held = |asset| held.get(&(id, asset)).copied().unwrap_or(0);
            account.encode(&held, self.deadlines.get(&id).copied().unwrap_or(0), out);
        });
        for (id, instrument) in (1..).zip(&self.instruments) {
            for half in [&instrument.bids, &instrument.asks] {
                let queue: Vec<_> = half.iter().filter(|order| order.in_queue()).collect();
                out.list(queue.iter(), |out, order| order.encode(out));
            }
            let mut others: Vec<_> =
                self.open_orders().filter(|order| order.instrument == id && !order.in_queue()).collect();
            others.sort_unstable_by_key(|order| order.order_id);
            out.list(others.iter(), |out, order| {
                out.u8(order.side as u8).i64(order.extreme() as i64);
                order.encode(out);
            });
        }
        out.u64(self.last_list_id);
        out.list(self.lists.iter(), |out, list| list.encode(out));
        out.u64(self.generator.state());
        self.encode_guards(&mut out);
        self.encode_positions(&mut out);
        let with_rules = (1..).zip(&self.instruments).filter(|(_, instrument)| !instrument.fee_rules.is_empty());
        out.list(with_rules, |out, (id, instrument)| {
            out.u32(id);
            instrument.fee_rules.encode(out);
        });
        self.encode_limits(&mut out);
        out.list(self.corrections.busted.iter(), |out, trade_id| {
            out.u64(*trade_id);
        });
        out.0
    }

    fn encode_guards(&self, out: &mut Encoder) {
        let modes = (1..).zip(&self.accounts).filter(|(_, account)| account.mode != AccountMode::Normal);
        out.list(modes, |out, (id, account)| {
            out.u32(id).u8(account.mode as u8);
        });
        out.list(self.risk.kills.iter(), |out, scope| {
            let (kind, id, key) = match *scope {
                KillScope::All => (0, 0, 0),
                KillScope::Instrument(instrument_id) => (1, instrument_id.0, 0),
                KillScope::Group(group_id) => (2, u32::from(group_id.0), 0),
                KillScope::Account(account_id) => (3, account_id.0, 0),
                KillScope::Key(account_id, key_id) => (4, account_id.0, key_id.0),
            };
            out.u8(kind).u32(id).u16(key);
        });
    }

    fn encode_limits(&self, out: &mut Encoder) {
        out.list(self.risk.limits.iter(), |out, ((scope, instrument_id), bound)| {
            let (kind, id, key) = match *scope {
                RiskScope::Account(account_id) => (0, account_id.0, 0),
                RiskScope::Group(group_id) => (1, u32::from(group_id.0), 0),
                RiskScope::Key(account_id, key_id) => (2, account_id.0, key_id.0),
            };
            let limits = &bound.limits;
            out.u8(kind).u32(id).u16(key).u32(instrument_id.0);
            out.i64(limits.max_order_quantity.0).i128(limits.max_order_notional.0);
            out.u32(limits.max_open_orders).u32(limits.max_open_conditional_orders);
            out.i64(limits.max_position.0).i128(limits.max_exposure.0);
            out.u32(limits.max_order_rate).i64(limits.rate_window_ns);
            out.u32(limits.fat_finger_bps).i64(limits.duplicate_window_ns);
            out.u32(if limits.max_order_rate == 0 { 0 } else { bound.used(self.event_time_ns) as u32 });
        });
        out.list(self.risk.last_new.iter(), |out, ((account, instrument), (likeness, time_ns))| {
            let (side, order_type, price, quantity, quote_quantity) = likeness;
            out.u32(*account).u32(*instrument).u8(*side as u8).u8(*order_type as u8);
            out.i64(*price as i64).i64(*quantity as i64).i128(*quote_quantity).i64(*time_ns as i64);
        });
    }

    fn encode_positions(&self, out: &mut Encoder) {
        let accounts = || (1_u32..).zip(&self.accounts);
        let positions =
            accounts().flat_map(|(id, account)| account.positions.iter().map(move |position| (id, position)));
        out.list(positions, |out, (id, (instrument, position))| {
            out.u32(id).u32(*instrument).i128(position.bought).i128(position.sold);
            out.i128(position.cost).i128(position.realised).i128(position.fees);
        });
        let today = i128::from(self.event_time_ns).div_euclid(DAY_NS);
        let mut volumes: BTreeMap<(u32, u32), Vec<(i128, i128)>> = BTreeMap::new();
        for (id, account) in accounts() {
            for ((asset, day), notional) in account.volumes.iter().filter(|((_, day), _)| *day > today - 30) {
                volumes.entry((id, *asset)).or_default().push((*day, *notional));
            }
        }
        out.list(volumes.iter(), |out, ((id, asset), days)| {
            out.u32(*id).u32(*asset);
            out.list(days.iter(), |out, (day, notional)| {
                out.i64(*day as i64).i128(*notional);
            });
        });
    }

    /// SHA-256 of the snapshot.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.snapshot()).into()
    }
}

/// Little-endian bytes.
struct Encoder(Vec<u8>);

impl Encoder {
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn u8(&mut self, value: u8) -> &mut Self {
        self.put(&[value])
    }

    fn u16(&mut self, value: u16) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    fn i32(&mut self, value: i32) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    fn i64(&mut self, value: i64) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    fn i128(&mut self, value: i128) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    fn text(&mut self, text: &[u8]) -> &mut Self {
        self.u8(text.len() as u8).put(text)
    }

    fn list<T>(&mut self, elements: impl Iterator<Item = T>, mut each: impl FnMut(&mut Self, T)) {
        let elements: Vec<T> = elements.collect();
        self.u32(elements.len() as u32);
        for element in elements {
            each(self, element);
        }
    }
}
