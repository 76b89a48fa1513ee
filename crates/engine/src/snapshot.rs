//! The canonical encoding of the state, and its SHA-256, the digest.
//!
//! Invariant: two engines have the same snapshot exactly when they behave the same from here on, whatever memory layout
//! they got there with. The format is specified in `docs/concepts/engine.md`.

use crate::bands::{Bands, Limit};
use crate::book::Sharing;
use crate::command::{KillScope, RiskLimits, RiskScope, Terms};
use crate::engine::{active, Asset, Engine, EngineConfig, Instrument, LiveBook, MAX_LEAD_SHARE};
use crate::extra::{Extra, Stand};
use crate::fees::{FeeRules, FeeSchedule, MAX_TIER, UNCAPPED};
use crate::limits::{are_valid, Bound, Last};
use crate::lists::List;
use crate::pool::{Flags, Order, NIL};
use crate::positions::Position;
use crate::pro_rata::ProRata;
use crate::rates::RateWindow;
use crate::schedule::Entry;
use crate::status::Session;
use crate::terms::MAX_TRAIL_BPS;
use crate::timers::Due;
use crate::types::{
    AccountId, AccountMode, Amount, AssetId, BandAction, ClientOrderId, Contingency, GroupId, InstrumentId, KeyId,
    ListId, Lots, OrderType, Peg, PriceTicks, SelfTradePrevention, ShortText, Side, StatusReason, Step, TimeInForce,
    TradingStatus, TriggerBy, MAX_NOTIONAL, MAX_TICKS_OR_LOTS,
};
use sha2::{Digest, Sha256};
use std::fmt;

const MAGIC: &[u8; 8] = b"BEURSSN3";

/// A snapshot that cannot be restored: what is wrong, and at which byte.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotError {
    /// The byte offset.
    pub offset: usize,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad snapshot at byte {}: {}", self.offset, self.what)
    }
}

impl std::error::Error for SnapshotError {}

fn put_text<const N: usize>(out: &mut Vec<u8>, text: &ShortText<N>) {
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&(count as u32).to_le_bytes());
}

macro_rules! put {
    ($out:expr, $($value:expr),+) => { $($out.extend_from_slice(&$value.to_le_bytes());)+ };
}

fn put_session(out: &mut Vec<u8>, session: &Session) {
    put!(out, session.group, session.reference, session.end_time_ns);
    put!(out, u8::from(session.bands.is_some()));
    if let Some(bands) = &session.bands {
        put!(out, bands.static_up_bps, bands.static_down_bps, bands.dynamic_bps, bands.collar_bps);
        put!(out, bands.action as u8, bands.auction_ns, bands.auction_random_ns, bands.limit_state_ns);
    }
    put!(out, session.limit.map_or(0, |limit| limit.side as u8));
    if let Some(limit) = &session.limit {
        put!(out, limit.deadline_ns);
    }
    put_count(out, session.schedule.len());
    for entry in &session.schedule {
        put!(out, entry.slot, entry.weekdays, entry.time_of_day_ns, entry.random_ns, entry.status as u8);
        put!(out, entry.due_ns);
    }
}

impl Engine {
    /// Appends the snapshot to `out`.
    pub fn snapshot(&self, out: &mut Vec<u8>) {
        out.reserve(64 * self.arena.orders.len() as usize + 256);
        out.extend_from_slice(MAGIC);
        put!(out, self.sequence, self.event_time_ns, self.last_order_id, self.last_trade_id);
        put_count(out, self.assets.len());
        for asset in &self.assets {
            put_text(out, &asset.code);
            put!(out, asset.scale, asset.issued);
        }
        put_count(out, self.listings.len());
        for (listing, book) in self.listings.iter().zip(&self.books) {
            let it = &listing.instrument;
            put_text(out, &it.symbol);
            put!(out, it.base.0, it.quote.0, it.tick_size.mantissa, it.tick_size.scale);
            put!(out, it.lot_size.mantissa, it.lot_size.scale, it.min_quantity.0, it.max_quantity.0);
            put!(out, it.min_notional.0, it.status as u8, it.status_reason as u8, it.last_price.0);
            put_count(out, listing.fees.len());
            for &(group, number) in &listing.fees {
                let schedule = self.fees.schedule(number);
                put!(out, group, schedule.maker_ppm, schedule.taker_ppm);
            }
            put!(out, listing.features, listing.max_triggers, listing.mark_price);
            put_session(out, &listing.session);
            self.put_sharing(out, book);
        }
        put_count(out, self.ledger.accounts.len());
        for account in &self.ledger.accounts {
            put_text(out, &account.code);
            put!(out, account.group);
            put_count(out, account.balances().count());
            for (asset, balance) in account.balances() {
                put!(out, (asset as u32 + 1), balance.total, balance.held);
            }
            put_count(out, account.remembered.len());
            for hash in self.remembered.iter(&account.remembered) {
                put!(out, hash);
            }
            put!(out, account.deadline_ns, account.trade_group);
        }
        let mut outside = self.orders_outside();
        for (book, outside) in self.books.iter().zip(&mut outside) {
            for &side in Side::ALL {
                let count_at = out.len();
                put_count(out, 0);
                let mut count = 0_u32;
                for slot in book.queue(&self.arena, side) {
                    self.put_order(out, slot);
                    count += 1;
                }
                out[count_at..count_at + 4].copy_from_slice(&count.to_le_bytes());
            }
            put_count(out, outside.len());
            for &mut (order_id, slot) in outside {
                put!(out, self.arena.half_of(slot).1 as u8);
                let trailing = |at: usize| self.listings[at].triggers.trailing(order_id);
                put!(out, trailing(self.arena.half_of(slot).0).map_or(0, |(extreme, _)| extreme));
                self.put_order(out, slot);
            }
        }
        put!(out, self.lists.last_list_id);
        put_count(out, self.lists.open.len());
        for (list_id, list) in &self.lists.open {
            let [first, second, third] = list.orders;
            put!(out, list_id, list.contingency as u8, (list.account + 1), first, second, third);
            put!(out, u8::from(list.live.is_some()));
        }
        put!(out, self.random);
        self.put_guards(out);
        self.put_positions(out);
        self.put_fee_rules(out);
        self.put_limits(out);
        put_count(out, self.busted.len());
        for trade_id in &self.busted {
            put!(out, trade_id);
        }
    }

    fn put_guards(&self, out: &mut Vec<u8>) {
        put_count(out, self.risk.modes.len());
        for (account, &mode) in &self.risk.modes {
            put!(out, (account + 1), mode as u8);
        }
        put_count(out, self.risk.engaged.len());
        for scope in &self.risk.engaged {
            let (kind, id, key) = match *scope {
                KillScope::All => (0_u8, 0, 0),
                KillScope::Instrument(instrument_id) => (1, instrument_id.0, 0),
                KillScope::Group(group_id) => (2, u32::from(group_id.0), 0),
                KillScope::Account(account_id) => (3, account_id.0, 0),
                KillScope::Key(account_id, key_id) => (4, account_id.0, key_id.0),
            };
            put!(out, kind, id, key);
        }
    }

    fn put_positions(&self, out: &mut Vec<u8>) {
        let accounts = || (1_u32..).zip(&self.ledger.accounts);
        put_count(out, accounts().map(|(_, account)| account.positions.iter().len()).sum());
        for (account_id, account) in accounts() {
            for (instrument, position) in account.positions.iter() {
                put!(out, account_id, (instrument + 1), position.bought, position.sold);
                put!(out, position.cost, position.realised, position.fees);
            }
        }
        put_count(out, accounts().map(|(_, account)| account.volumes.iter(self.event_time_ns).count()).sum());
        for (account_id, account) in accounts() {
            for (asset, days) in account.volumes.iter(self.event_time_ns) {
                put!(out, account_id, (asset + 1));
                put_count(out, days.len());
                for (day, amount) in days {
                    put!(out, day, amount);
                }
            }
        }
    }

    fn put_fee_rules(&self, out: &mut Vec<u8>) {
        let rules =
            || (1_u32..).zip(&self.listings).filter_map(|(id, listing)| Some((id, listing.fee_rules.as_ref()?)));
        put_count(out, rules().count());
        for (instrument_id, rules) in rules() {
            put!(out, instrument_id);
            put_count(out, rules.tiers.len());
            for ((group, tier), (volume, schedule)) in &rules.tiers {
                put!(out, group, tier, volume, schedule.maker_ppm, schedule.taker_ppm);
            }
            put_count(out, rules.promotions.len());
            for (group, (from_ns, until_ns, schedule)) in &rules.promotions {
                put!(out, group, from_ns, until_ns, schedule.maker_ppm, schedule.taker_ppm);
            }
            put_count(out, rules.caps.len());
            for (group, cap) in &rules.caps {
                put!(out, group, cap);
            }
        }
    }

    fn put_limits(&self, out: &mut Vec<u8>) {
        put_count(out, self.limits.bounds.len());
        for ((scope, instrument_id), bound) in &self.limits.bounds {
            let (kind, id, key) = match *scope {
                RiskScope::Account(account_id) => (0_u8, account_id.0, 0),
                RiskScope::Group(group_id) => (1, u32::from(group_id.0), 0),
                RiskScope::Key(account_id, key_id) => (2, account_id.0, key_id.0),
            };
            put!(out, kind, id, key, instrument_id.0);
            let limits = &bound.limits;
            put!(out, limits.max_order_quantity.0, limits.max_order_notional.0, limits.max_open_orders);
            put!(out, limits.max_open_conditional_orders, limits.max_position.0, limits.max_exposure.0);
            put!(out, limits.max_order_rate, limits.rate_window_ns, limits.fat_finger_bps, limits.duplicate_window_ns);
            put!(out, bound.rate.map_or(0, |rate| rate.used(self.event_time_ns)));
        }
        put_count(out, self.limits.last.len());
        for ((account, instrument), last) in &self.limits.last {
            put!(out, (account + 1), (instrument + 1), last.side as u8, last.order_type as u8);
            put!(out, last.price.0, last.quantity.0, last.quote_quantity.0, last.time_ns);
        }
    }

    fn put_sharing(&self, out: &mut Vec<u8>, book: &LiveBook) {
        let nothing = Sharing::default();
        let sharing = book.sharing.as_deref().unwrap_or(&nothing);
        put!(out, u8::from(sharing.rule.is_some()));
        if let Some(rule) = &sharing.rule {
            put!(out, rule.top_max, rule.lead_percent, rule.fifo_percent, rule.minimum, u8::from(rule.leveling));
            for order_id in sharing.top {
                // One that is not open any more is nobody.
                put!(out, self.arena.orders.find(order_id).map_or(0, |_| order_id));
            }
        }
        put_count(out, sharing.leads.len());
        for (account, share) in &sharing.leads {
            put!(out, (account + 1), share);
        }
    }

    /// By instrument: the open orders that are in no level, by ascending order_id.
    fn orders_outside(&self) -> Vec<Vec<(u64, u32)>> {
        let mut outside = vec![Vec::new(); self.books.len()];
        for slot in self.arena.orders.slots() {
            let order = self.arena.orders.get(slot);
            if order.level == NIL {
                outside[self.arena.half_of(slot).0].push((order.order_id, slot));
            }
        }
        for orders in &mut outside {
            orders.sort_unstable();
        }
        outside
    }

    fn put_order(&self, out: &mut Vec<u8>, slot: u32) {
        let order = self.arena.orders.get(slot);
        let schedule = self.fees.of(order);
        put!(out, order.order_id, (order.account + 1), order.flags.time_in_force() as u8);
        put!(out, order.flags.self_trade_prevention() as u8, u8::from(order.flags.post_only()));
        let price = if order.level == NIL { 0 } else { self.arena.level(order.level).price };
        put!(out, price, order.filled, order.leaves);
        put!(out, schedule.maker_ppm, schedule.taker_ppm, order.fee_carry());
        let cap = self.fees.schedule(order.fees).most;
        put!(out, u8::from(cap != UNCAPPED));
        if cap != UNCAPPED {
            put!(out, cap, (cap - schedule.most));
        }
        put_text(out, &self.arena.orders.client_order_id(slot));
        put!(out, order.key_id().0, u8::from(order.flags.special()));
        if let Some(extra) = self.arena.orders.some_extra(slot) {
            let terms = &extra.terms;
            put!(out, extra.order_type as u8, extra.stand as u8, terms.trigger_price.0, terms.trigger_by as u8);
            put!(out, terms.trail_bps, terms.display_quantity.0, u8::from(terms.hidden), terms.min_quantity.0);
            put!(out, terms.expire_time_ns, u8::from(terms.auction_only), u8::from(terms.slide), terms.peg as u8);
            put!(out, terms.peg_offset, extra.limit, extra.quote_quantity, extra.list_id.0, extra.peak);
            put!(out, u8::from(extra.entered));
        }
    }

    /// The SHA-256 of the snapshot.
    pub fn digest(&self) -> [u8; 32] {
        let mut bytes = Vec::new();
        self.snapshot(&mut bytes);
        Sha256::digest(&bytes).into()
    }

    /// The engine whose snapshot this is. What cannot be a snapshot is refused; the result keeps every invariant.
    pub fn restore(config: EngineConfig, snapshot: &[u8]) -> Result<Self, SnapshotError> {
        let mut reader = Reader { bytes: snapshot, at: 0 };
        let mut engine = Self::empty(config);
        reader.magic()?;
        engine.sequence = reader.u64()?;
        engine.event_time_ns = reader.i64()?;
        engine.last_order_id = reader.u64()?;
        engine.last_trade_id = reader.u64()?;
        for id in 1..=reader.u32()? {
            let code = reader.text()?;
            let (scale, issued) = (reader.u8()?, reader.i128()?);
            engine.assets.push(Asset { asset_id: AssetId(id), code, scale, issued });
            engine.asset_codes.insert(code, id);
        }
        let mut sharing = Vec::new();
        for id in 1..=reader.u32()? {
            reader.listing(&mut engine, id)?;
            sharing.push(reader.sharing()?);
        }
        for _ in 0..reader.u32()? {
            reader.account(&mut engine)?;
        }
        for at in 0..engine.books.len() {
            for &side in Side::ALL {
                for _ in 0..reader.u32()? {
                    let (slot, price) = reader.order(&mut engine, at, side)?;
                    if price.0 < 1 {
                        return reader.fail("a price is out of range");
                    }
                    engine.books[at].rest(&mut engine.arena, slot, side, price);
                    engine.note_peg(at, slot);
                }
            }
            for _ in 0..reader.u32()? {
                let Some(side) = Side::from_u8(reader.u8()?) else {
                    return reader.fail("there is no such side");
                };
                let extreme = reader.i64()?;
                if !(0..=MAX_TICKS_OR_LOTS + 1).contains(&extreme) {
                    return reader.fail("an extreme is out of range");
                }
                let (slot, price) = reader.order(&mut engine, at, side)?;
                if price.0 != 0 || !engine.arena.orders.get(slot).flags.special() {
                    return reader.fail("an order that is in no level is special and has no price there");
                }
                engine.wait_again(slot, extreme);
            }
        }
        for (book, sharing) in engine.books.iter_mut().zip(sharing) {
            book.sharing = sharing; // Now that it does not see orders come any more.
        }
        reader.lists(&mut engine)?;
        engine.random = reader.u64()?;
        reader.guards(&mut engine)?;
        reader.positions(&mut engine)?;
        reader.fee_rules(&mut engine)?;
        reader.limits(&mut engine)?;
        for _ in 0..reader.u32()? {
            let trade_id = reader.u64()?;
            let ascends = engine.busted.last().is_none_or(|&last| last < trade_id);
            if !ascends || !(1..=engine.last_trade_id).contains(&trade_id) {
                return reader.fail("there was no such trade, or they do not ascend");
            }
            engine.busted.insert(trade_id);
        }
        if reader.at != snapshot.len() {
            return reader.fail("there are bytes after the end");
        }
        let mut slots: Vec<u32> = engine.arena.orders.slots().collect();
        slots.sort_unstable_by_key(|&slot| engine.arena.orders.get(slot).order_id);
        for slot in slots {
            let account = engine.arena.orders.get(slot).account as usize;
            engine.ledger.append_order(&mut engine.arena, account, slot);
            if engine.arena.orders.get(slot).flags.special() {
                engine.note_terms(slot);
            }
        }
        for account in 0..engine.ledger.accounts.len() {
            engine.track(account);
        }
        for at in 0..engine.listings.len() {
            engine.resume_session(at);
        }
        if let Err(what) = engine.audit() {
            return reader.fail(what);
        }
        Ok(engine)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn fail<T>(&self, what: impl Into<String>) -> Result<T, SnapshotError> {
        Err(SnapshotError { offset: self.at, what: what.into() })
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let Some(bytes) = self.bytes[self.at..].first_chunk::<N>() else {
            return self.fail("it ends too early");
        };
        self.at += N;
        Ok(*bytes)
    }

    fn magic(&mut self) -> Result<(), SnapshotError> {
        if &self.take::<8>()? != MAGIC {
            self.at = 0;
            return self.fail("it is not a snapshot of this version");
        }
        Ok(())
    }

    fn u8(&mut self) -> Result<u8, SnapshotError> {
        Ok(self.take::<1>()?[0])
    }

    /// A truth value.
    fn flag(&mut self) -> Result<bool, SnapshotError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => self.fail("a truth value is 0 or 1"),
        }
    }

    fn u16(&mut self) -> Result<u16, SnapshotError> {
        Ok(u16::from_le_bytes(self.take()?))
    }

    fn u32(&mut self) -> Result<u32, SnapshotError> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn i32(&mut self) -> Result<i32, SnapshotError> {
        Ok(i32::from_le_bytes(self.take()?))
    }

    fn u64(&mut self) -> Result<u64, SnapshotError> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    fn i64(&mut self) -> Result<i64, SnapshotError> {
        Ok(i64::from_le_bytes(self.take()?))
    }

    fn i128(&mut self) -> Result<i128, SnapshotError> {
        Ok(i128::from_le_bytes(self.take()?))
    }

    fn text<const N: usize>(&mut self) -> Result<ShortText<N>, SnapshotError> {
        let length = usize::from(self.u8()?);
        let text = self.bytes[self.at..].get(..length).and_then(ShortText::new);
        let Some(text) = text else {
            return self.fail("a text is too long, cut off, or not printable ASCII");
        };
        self.at += length;
        Ok(text)
    }

    fn step(&mut self) -> Result<Step, SnapshotError> {
        Ok(Step { mantissa: self.u64()?, scale: self.u8()? })
    }

    fn listing(&mut self, engine: &mut Engine, id: u32) -> Result<(), SnapshotError> {
        let symbol = self.text()?;
        let (base, quote) = (AssetId(self.u32()?), AssetId(self.u32()?));
        let (tick_size, lot_size) = (self.step()?, self.step()?);
        let (min_quantity, max_quantity) = (Lots(self.i64()?), Lots(self.i64()?));
        let min_notional = Amount(self.i128()?);
        let (status, status_reason) = (self.u8()?, self.u8()?);
        let last_price = PriceTicks(self.i64()?);
        let Some(status) = TradingStatus::from_u8(status) else {
            return self.fail("there is no such trading status");
        };
        let Some(status_reason) = StatusReason::from_u8(status_reason) else {
            return self.fail("there is no such reason of a trading status");
        };
        let Some((lot_units, tick_lot_units)) = engine.units(base, quote, tick_size, lot_size) else {
            return self.fail("the instrument could not have been listed");
        };
        let mut fees = Vec::new();
        for _ in 0..self.u32()? {
            let group = self.u16()?;
            let schedule = self.schedule()?;
            let Some(number) = engine.fees.intern(schedule) else {
                return self.fail("there are too many fee schedules");
            };
            fees.push((group, number));
        }
        engine.add_listing(
            Instrument {
                instrument_id: InstrumentId(id),
                symbol,
                base,
                quote,
                tick_size,
                lot_size,
                min_quantity,
                max_quantity,
                min_notional,
                status,
                status_reason,
                last_price,
                lot_units,
                tick_lot_units,
            },
            fees,
        );
        let (features, max_triggers, mark_price) = (self.u32()?, self.u32()?, self.i64()?);
        let session = self.session()?;
        if let Some(listing) = engine.listings.last_mut() {
            listing.features = features;
            listing.max_triggers = max_triggers;
            listing.mark_price = mark_price;
            *listing.session = session;
        }
        Ok(())
    }

    fn session(&mut self) -> Result<Session, SnapshotError> {
        let mut session = Session {
            group: self.u16()?,
            reference: self.i64()?,
            end_time_ns: self.i64()?,
            bands: if self.u8()? == 0 { None } else { Some(self.bands()?) },
            ..Session::default()
        };
        session.limit = match self.u8()? {
            0 => None,
            side => match Side::from_u8(side) {
                Some(side) => Some(Limit { side, deadline_ns: self.i64()? }),
                None => return self.fail("there is no such side"),
            },
        };
        for _ in 0..self.u32()? {
            let (slot, weekdays) = (self.u8()?, self.u8()?);
            let (time_of_day_ns, random_ns, status) = (self.i64()?, self.i64()?, self.u8()?);
            let Some(status) = TradingStatus::from_u8(status) else {
                return self.fail("there is no such trading status");
            };
            let entry = Entry { slot, weekdays, time_of_day_ns, random_ns, status, due_ns: self.i64()? };
            let ascends = session.schedule.last().is_none_or(|last| last.slot < slot);
            if !(ascends && entry.is_valid() && weekdays != 0) {
                return self.fail("an entry of a schedule could not have been set");
            }
            session.schedule.push(entry);
        }
        if !(0..=MAX_TICKS_OR_LOTS).contains(&session.reference) {
            return self.fail("a reference price is out of range");
        }
        Ok(session)
    }

    fn bands(&mut self) -> Result<Bands, SnapshotError> {
        let (static_up_bps, static_down_bps) = (self.u32()?, self.u32()?);
        let (dynamic_bps, collar_bps) = (self.u32()?, self.u32()?);
        let Some(action) = BandAction::from_u8(self.u8()?) else {
            return self.fail("there is no such band action");
        };
        let bands = Bands {
            static_up_bps,
            static_down_bps,
            dynamic_bps,
            collar_bps,
            action,
            auction_ns: self.i64()?,
            auction_random_ns: self.i64()?,
            limit_state_ns: self.i64()?,
        };
        if !bands.is_valid() {
            return self.fail("price bands could not have been set");
        }
        Ok(bands)
    }

    fn sharing(&mut self) -> Result<Option<Box<Sharing>>, SnapshotError> {
        let mut sharing = Sharing::default();
        if self.flag()? {
            let (top_max, lead_percent, fifo_percent) = (self.i64()?, self.u8()?, self.u8()?);
            let (minimum, leveling) = (self.i64()?, self.flag()?);
            let rule = ProRata { top_max, lead_percent, fifo_percent, minimum, leveling };
            if !rule.is_valid() {
                return self.fail("there is no such matching algorithm");
            }
            sharing.rule = Some(rule);
            sharing.top = [self.u64()?, self.u64()?];
        }
        for _ in 0..self.u32()? {
            let (account, share) = (self.u32()?, self.u16()?);
            if account == 0 || !(1..=MAX_LEAD_SHARE).contains(&share) {
                return self.fail("there is no such lead market maker");
            }
            if sharing.leads.insert(account - 1, share).is_some() {
                return self.fail("a lead market maker occurs twice");
            }
        }
        let needed = sharing.rule.is_some() || !sharing.leads.is_empty();
        Ok(needed.then(|| Box::new(sharing)))
    }

    fn account(&mut self, engine: &mut Engine) -> Result<(), SnapshotError> {
        let code = self.text()?;
        let group = self.u16()?;
        let at = engine.add_account(code, group).0 as usize - 1;
        for _ in 0..self.u32()? {
            let asset = self.u32()? as usize;
            let (total, held) = (self.i128()?, self.i128()?);
            if !(1..=engine.assets.len()).contains(&asset) {
                return self.fail("there is no such asset");
            }
            let balance = engine.ledger.balance_mut(at, asset - 1);
            balance.total = total;
            balance.held = held;
        }
        for _ in 0..self.u32()? {
            let hash = self.u64()?;
            if engine.remembered.contains(hash) {
                return self.fail("a remembered client_order_id occurs twice");
            }
            engine.remembered.push(&mut engine.ledger.accounts[at].remembered, hash);
        }
        let deadline_ns = self.i64()?;
        if deadline_ns != 0 {
            engine.timers.set(deadline_ns, Due::CancelAllAfter(at as u32));
        }
        engine.ledger.accounts[at].deadline_ns = deadline_ns;
        engine.ledger.accounts[at].trade_group = self.u32()?;
        Ok(())
    }

    /// Reads an order and gives it its record. It is in no level yet; its price there comes with it.
    fn order(&mut self, engine: &mut Engine, at: usize, side: Side) -> Result<(u32, PriceTicks), SnapshotError> {
        let order_id = self.u64()?;
        let account = self.u32()?;
        let (time_in_force, mode, post_only) = (self.u8()?, self.u8()?, self.u8()?);
        let price = PriceTicks(self.i64()?);
        let (filled, leaves) = (self.i64()?, self.i64()?);
        let mut schedule = self.schedule()?;
        let fee_carry = self.u32()?;
        if fee_carry >= 1_000_000 {
            return self.fail("what was paid too much in fees is below a unit");
        }
        if self.flag()? {
            let (cap, paid) = (self.i128()?, self.i128()?);
            if !(1..=MAX_NOTIONAL).contains(&cap) || !(-MAX_NOTIONAL..=cap).contains(&paid) {
                return self.fail("an order has paid more than its fee cap");
            }
            schedule.most = cap;
            engine.fees.pay(order_id, paid);
        }
        let client_order_id: ClientOrderId = self.text()?;
        let modes = (TimeInForce::from_u8(time_in_force), SelfTradePrevention::from_u8(mode));
        let (Some(time_in_force), Some(mode)) = modes else {
            return self.fail("there is no such time in force or self-trade prevention mode");
        };
        if !(1..=engine.ledger.accounts.len() as u32).contains(&account) {
            return self.fail("there is no such account");
        }
        let Some(number) = engine.fees.intern(schedule) else {
            return self.fail("there are too many fee schedules");
        };
        if order_id == 0 || engine.arena.orders.find(order_id).is_some() {
            return self.fail("an order_id is 0 or occurs twice");
        }
        if leaves < 1 || !(0..=MAX_TICKS_OR_LOTS).contains(&filled) {
            return self.fail("a quantity is out of range");
        }
        if !(0..=MAX_TICKS_OR_LOTS).contains(&price.0) || post_only > 1 {
            return self.fail("a price or a truth value is out of range");
        }
        let key_id = KeyId(self.u16()?);
        if key_id.0 > KeyId::MAX {
            return self.fail("there is no such key");
        }
        let extra = if self.flag()? { Some(self.extra(at, side)?) } else { None };
        // A conditional order by quote quantity has no quantity of its own until it triggers.
        let by_quote = extra.as_ref().is_some_and(|extra| extra.quote_quantity != 0);
        if !by_quote && leaves > MAX_TICKS_OR_LOTS {
            return self.fail("a quantity is out of range");
        }
        let (limit, shown) = match &extra {
            Some(extra) if extra.terms.display_quantity.0 != 0 => (extra.limit, extra.peak),
            Some(extra) => (extra.limit, 0),
            None => (0, 0),
        };
        if !(0..=leaves).contains(&shown) {
            return self.fail("an iceberg shows more than it has");
        }
        // So that what a buy holds can be computed, fees included. A sell holds base: its notional has no bound.
        let units = i128::from(engine.listings[at].instrument.tick_lot_units);
        let notional = (i128::from(price.0.max(limit)) * i128::from(leaves)).checked_mul(units);
        if side == Side::Buy && !by_quote && notional.is_none_or(|notional| notional > i128::MAX >> 24) {
            return self.fail("a notional is out of range");
        }
        let flags = Flags::new(mode, post_only != 0, time_in_force);
        let mut order = Order::new(order_id, account - 1, leaves, number, flags);
        order.filled = filled;
        order.set_fee_carry(fee_carry);
        order.set_key_id(key_id);
        let slot = engine.arena.orders.insert(order);
        engine.arena.orders.set_client_order_id(slot, &client_order_id);
        if let Some(extra) = extra {
            if extra.terms.expire_time_ns != 0 {
                engine.timers.set(extra.terms.expire_time_ns, Due::Expiry(order_id));
            }
            engine.arena.orders.set_extra(slot, extra);
        }
        Ok((slot, price))
    }

    fn extra(&mut self, at: usize, side: Side) -> Result<Extra, SnapshotError> {
        let (order_type, stand) = (OrderType::from_u8(self.u8()?), Stand::from_u8(self.u8()?));
        let (trigger_price, trigger_by) = (PriceTicks(self.i64()?), TriggerBy::from_u8(self.u8()?));
        let (trail_bps, display_quantity, hidden) = (self.u16()?, Lots(self.i64()?), self.flag()?);
        let (min_quantity, expire_time_ns, auction_only) = (Lots(self.i64()?), self.i64()?, self.flag()?);
        let (slide, peg, peg_offset) = (self.flag()?, Peg::from_u8(self.u8()?), self.i64()?);
        let (limit, quote_quantity, list_id) = (self.i64()?, self.i128()?, ListId(self.u64()?));
        let (peak, entered) = (self.i64()?, self.flag()?);
        let (Some(order_type), Some(stand), Some(trigger_by), Some(peg)) = (order_type, stand, trigger_by, peg) else {
            return self.fail("there is no such order type, stand, trigger or peg");
        };
        if trail_bps > MAX_TRAIL_BPS {
            return self.fail("an order trails too far");
        }
        if !(0..=MAX_TICKS_OR_LOTS).contains(&limit) || !(0..=MAX_TICKS_OR_LOTS).contains(&trigger_price.0) {
            return self.fail("a price is out of range");
        }
        Ok(Extra {
            terms: Terms {
                trigger_price,
                trigger_by,
                trail_bps,
                display_quantity,
                hidden,
                min_quantity,
                expire_time_ns,
                auction_only,
                slide,
                peg,
                peg_offset,
            },
            order_type,
            stand,
            half: at as u32 * 2 + side.index() as u32,
            limit,
            quote_quantity,
            list_id,
            peak,
            entered,
        })
    }

    fn account_id(&mut self, engine: &Engine) -> Result<AccountId, SnapshotError> {
        let account_id = AccountId(self.u32()?);
        match engine.account_index(account_id) {
            Ok(_) => Ok(account_id),
            Err(_) => self.fail("there is no such account"),
        }
    }

    fn instrument_id(&mut self, engine: &Engine) -> Result<InstrumentId, SnapshotError> {
        let instrument_id = InstrumentId(self.u32()?);
        match engine.instrument_index(instrument_id) {
            Ok(_) => Ok(instrument_id),
            Err(_) => self.fail("there is no such instrument"),
        }
    }

    fn key_id(&mut self) -> Result<KeyId, SnapshotError> {
        let key_id = KeyId(self.u16()?);
        if key_id.0 > KeyId::MAX {
            return self.fail("there is no such key");
        }
        Ok(key_id)
    }

    fn guards(&mut self, engine: &mut Engine) -> Result<(), SnapshotError> {
        for _ in 0..self.u32()? {
            let account = self.account_id(engine)?.0 - 1;
            let mode = AccountMode::from_u8(self.u8()?).filter(|&mode| mode != AccountMode::Normal);
            let ascends = engine.risk.modes.last_key_value().is_none_or(|(&last, _)| last < account);
            let (Some(mode), true) = (mode, ascends) else {
                return self.fail("there is no such account mode, or they do not ascend");
            };
            engine.risk.modes.insert(account, mode);
        }
        for _ in 0..self.u32()? {
            let kind = self.u8()?;
            let at = self.at;
            let scope = match kind {
                0 if self.u32()? == 0 => KillScope::All,
                1 => KillScope::Instrument(self.instrument_id(engine)?),
                2 => match u16::try_from(self.u32()?) {
                    Ok(group) => KillScope::Group(GroupId(group)),
                    Err(_) => return self.fail("there is no such group"),
                },
                3 | 4 => {
                    let account_id = self.account_id(engine)?;
                    if kind == 3 {
                        KillScope::Account(account_id)
                    } else {
                        KillScope::Key(account_id, self.key_id()?)
                    }
                }
                _ => return self.fail("there is no such kill switch"),
            };
            if self.at == at + 4 && self.u16()? != 0 || engine.risk.engaged.last().is_some_and(|last| *last >= scope) {
                return self.fail("there is no such kill switch, or they do not ascend");
            }
            engine.risk.engaged.insert(scope);
        }
        engine.risk.note_guards();
        Ok(())
    }

    fn positions(&mut self, engine: &mut Engine) -> Result<(), SnapshotError> {
        let mut last = 0;
        for _ in 0..self.u32()? {
            let account = self.account_id(engine)?.0 as usize - 1;
            let instrument = self.instrument_id(engine)?.0 - 1;
            let (bought, sold) = (self.i128()?, self.i128()?);
            let (cost, realised, fees) = (self.i128()?, self.i128()?, self.i128()?);
            let quantity = bought.saturating_sub(sold);
            let position = Position { quantity, cost, realised, fees, bought, sold };
            if account < last || !engine.ledger.accounts[account].positions.restore(instrument, position) {
                return self.fail("a position is impossible, or they do not ascend");
            }
            last = account;
        }
        let mut last = 0;
        for _ in 0..self.u32()? {
            let account = self.account_id(engine)?.0 as usize - 1;
            let asset = AssetId(self.u32()?);
            let mut days = Vec::new();
            for _ in 0..self.u32()? {
                days.push((self.i64()?, self.i128()?));
            }
            let Ok(asset) = engine.asset_index(asset) else {
                return self.fail("there is no such asset");
            };
            let now_ns = engine.event_time_ns;
            let volumes = &mut engine.ledger.accounts[account].volumes;
            if account < last || !volumes.restore(asset as u32, now_ns, &days) {
                return self.fail("a volume is impossible, or they do not ascend");
            }
            last = account;
        }
        Ok(())
    }

    fn schedule(&mut self) -> Result<FeeSchedule, SnapshotError> {
        let (maker_ppm, taker_ppm) = (self.i32()?, self.i32()?);
        match FeeSchedule::uncapped(maker_ppm, taker_ppm) {
            Ok(schedule) => Ok(schedule),
            Err(_) => self.fail("a fee is out of range"),
        }
    }

    fn fee_rules(&mut self, engine: &mut Engine) -> Result<(), SnapshotError> {
        let mut last = 0;
        for _ in 0..self.u32()? {
            let instrument_id = self.instrument_id(engine)?.0;
            let mut rules = FeeRules::default();
            let counted = self.at;
            let mut count = 0;
            for _ in 0..self.u32()? {
                let (group, tier, volume) = (self.u16()?, self.u8()?, self.i128()?);
                if !(1..=MAX_TIER).contains(&tier) || volume < 1 {
                    return self.fail("there is no such fee tier");
                }
                rules.tiers.insert((group, tier), (volume, self.schedule()?));
                count += 1;
            }
            for _ in 0..self.u32()? {
                let (group, from_ns, until_ns) = (self.u16()?, self.i64()?, self.i64()?);
                if until_ns <= from_ns {
                    return self.fail("a promotion ends before it begins");
                }
                rules.promotions.insert(group, (from_ns, until_ns, self.schedule()?));
                count += 1;
            }
            for _ in 0..self.u32()? {
                let (group, cap) = (self.u16()?, self.i128()?);
                if !(1..=MAX_NOTIONAL).contains(&cap) {
                    return self.fail("a fee cap is out of range");
                }
                rules.caps.insert(group, cap);
                count += 1;
            }
            let kept = rules.tiers.len() + rules.promotions.len() + rules.caps.len();
            if instrument_id <= last || count != kept || count == 0 {
                self.at = counted;
                return self.fail("fee rules occur twice or do not ascend");
            }
            last = instrument_id;
            let at = instrument_id as usize - 1;
            let base = engine.base_fees(at);
            if engine.change_fees(at, &base, rules).is_err() {
                return self.fail("there are too many fee schedules");
            }
        }
        Ok(())
    }

    fn limits(&mut self, engine: &mut Engine) -> Result<(), SnapshotError> {
        for _ in 0..self.u32()? {
            let (kind, id, key_id) = (self.u8()?, self.u32()?, self.key_id()?);
            let account_id = AccountId(id);
            let scope = match (kind, u16::try_from(id)) {
                (0, _) if key_id == KeyId::NONE => RiskScope::Account(account_id),
                (1, Ok(group)) if key_id == KeyId::NONE => RiskScope::Group(GroupId(group)),
                (2, _) => RiskScope::Key(account_id, key_id),
                _ => return self.fail("there is no such scope of risk limits"),
            };
            let on = InstrumentId(self.u32()?);
            let limits = RiskLimits {
                max_order_quantity: Lots(self.i64()?),
                max_order_notional: Amount(self.i128()?),
                max_open_orders: self.u32()?,
                max_open_conditional_orders: self.u32()?,
                max_position: Lots(self.i64()?),
                max_exposure: Amount(self.i128()?),
                max_order_rate: self.u32()?,
                rate_window_ns: self.i64()?,
                fat_finger_bps: self.u32()?,
                duplicate_window_ns: self.i64()?,
            };
            let used = self.u32()?;
            let exists = (on.is_none() || engine.instrument_index(on).is_ok())
                && (kind == 1 || engine.account_index(account_id).is_ok());
            let possible = limits != RiskLimits::default() && are_valid(scope, on, &limits);
            let ascends = engine.limits.bounds.last_key_value().is_none_or(|(&last, _)| last < (scope, on));
            if !exists || !possible || !ascends || limits.max_order_rate == 0 && used != 0 {
                return self.fail("risk limits are impossible, or they do not ascend");
            }
            let rate = RateWindow::restore(limits.max_order_rate, limits.rate_window_ns, engine.event_time_ns, used);
            let bound = Bound::new(limits, rate.filter(|_| limits.max_order_rate != 0));
            engine.limits.bounds.insert((scope, on), bound);
        }
        let count = self.u32()?;
        for _ in 0..count {
            let key = (self.account_id(engine)?.0 - 1, self.instrument_id(engine)?.0 - 1);
            let (side, order_type) = (Side::from_u8(self.u8()?), OrderType::from_u8(self.u8()?));
            let (Some(side), Some(order_type)) = (side, order_type) else {
                return self.fail("there is no such side or order type");
            };
            let last = Last {
                side,
                order_type,
                price: PriceTicks(self.i64()?),
                quantity: Lots(self.i64()?),
                quote_quantity: Amount(self.i128()?),
                time_ns: self.i64()?,
            };
            engine.limits.last.insert(key, last);
        }
        if engine.limits.last.len() != count as usize {
            return self.fail("an account's last order on an instrument occurs twice");
        }
        Ok(())
    }

    fn lists(&mut self, engine: &mut Engine) -> Result<(), SnapshotError> {
        engine.lists.last_list_id = self.u64()?;
        for _ in 0..self.u32()? {
            let list_id = self.u64()?;
            let (contingency, account) = (Contingency::from_u8(self.u8()?), self.u32()?);
            let orders = [self.u64()?, self.u64()?, self.u64()?];
            let live = self.flag()?;
            let Some(contingency) = contingency else {
                return self.fail("there is no such contingency");
            };
            if list_id == 0 || list_id > engine.lists.last_list_id || engine.lists.open.contains_key(&list_id) {
                return self.fail("a list_id is out of range or occurs twice");
            }
            let mut list = List { contingency, account: account.wrapping_sub(1), orders, live: live.then_some([0; 2]) };
            for order_id in orders.into_iter().filter(|&order_id| order_id != 0) {
                match engine.arena.orders.find(order_id) {
                    Some(slot) => engine.listings[engine.arena.half_of(slot).0].active |= active::LISTS,
                    None => return self.fail("an order of a list is not open"),
                }
            }
            if let Some([first, second]) = list.live_pair() {
                let hold = |(order_id, _): (u64, i128)| {
                    let slot = engine.arena.orders.find(order_id)?;
                    Some(engine.listings[engine.arena.half_of(slot).0].hold_of(&engine.arena, &engine.fees, slot))
                };
                let (Some(first), Some(second)) = (hold(first), hold(second)) else {
                    return self.fail("an order of a live pair is not open");
                };
                list.live = Some([first, second]);
            } else if live {
                return self.fail("a list of this kind has no pair");
            }
            engine.lists.open.insert(list_id, list);
        }
        Ok(())
    }
}
