//! Looking at the state from outside. Nothing here changes it.

use crate::command::{KillScope, SetMatching, SetPriceBands, SetRiskLimits, SetSchedule};
use crate::engine::{
    AccountInfo, Asset, Balance, Engine, Instrument, InstrumentSettings, OpenList, OpenOrder, PositionView, PriceLevel,
};
use crate::pool::{client_hash, NIL};
use crate::positions::Position;
use crate::settlement::open_report;
use crate::types::{
    AccountId, Amount, AssetId, ClientOrderId, ExecType, GroupId, InstrumentGroupId, InstrumentId, ListId, Lots,
    MatchingAlgorithm, OrderId, PriceTicks, Side,
};

impl Engine {
    /// The sequence of the last command; 0 before the first.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The time of the last command.
    pub fn event_time_ns(&self) -> i64 {
        self.event_time_ns
    }

    /// All assets, by id.
    pub fn assets(&self) -> impl Iterator<Item = Asset> + '_ {
        self.assets.iter().copied()
    }

    /// All instruments, by id.
    pub fn instruments(&self) -> impl Iterator<Item = &Instrument> + '_ {
        self.listings.iter().map(|listing| &listing.instrument)
    }

    /// All accounts, by id.
    pub fn accounts(&self) -> impl Iterator<Item = AccountInfo> + '_ {
        self.ledger.accounts.iter().zip(1..).map(|(account, id)| AccountInfo {
            account_id: AccountId(id),
            code: account.code,
            group_id: GroupId(account.group),
        })
    }

    /// One instrument.
    pub fn instrument(&self, instrument_id: InstrumentId) -> Option<&Instrument> {
        self.listings.get(instrument_id.index()?).map(|listing| &listing.instrument)
    }

    /// The fees of an account group on an instrument, as (maker, taker) in parts per million.
    pub fn fees(&self, instrument_id: InstrumentId, group_id: GroupId) -> Option<(i32, i32)> {
        let schedule = self.fees.schedule(self.listings.get(instrument_id.index()?)?.fees_of(group_id.0));
        Some((schedule.maker_ppm, schedule.taker_ppm))
    }

    /// One account's money in one asset; empty if it never had any. `None` if there is no such account or asset.
    pub fn balance(&self, account_id: AccountId, asset_id: AssetId) -> Option<Balance> {
        let account = self.ledger.accounts.get(account_id.index()?)?;
        let asset = asset_id.index().filter(|&at| at < self.assets.len())?;
        Some(account.balance(asset))
    }

    /// An account's balances that are not empty, by asset.
    pub fn balances(&self, account_id: AccountId) -> impl Iterator<Item = (AssetId, Balance)> + '_ {
        let account = account_id.index().and_then(|at| self.ledger.accounts.get(at));
        account
            .into_iter()
            .flat_map(|account| account.balances().map(|(asset, balance)| (AssetId(asset as u32 + 1), balance)))
    }

    /// The best price of a side at which something is shown.
    pub fn best_price(&self, instrument_id: InstrumentId, side: Side) -> Option<PriceTicks> {
        self.depth(instrument_id, side).next().map(|level| level.price)
    }

    /// What the levels of a side show, from the best price on: hidden orders and the reserves of icebergs are left out.
    pub fn depth(&self, instrument_id: InstrumentId, side: Side) -> impl Iterator<Item = PriceLevel> + '_ {
        let book = instrument_id.index().and_then(|at| self.books.get(at));
        let levels = book.into_iter().flat_map(move |book| book.levels(&self.arena, side));
        levels.filter(|level| level.displayed_orders() != 0).map(|level| PriceLevel {
            price: PriceTicks(level.price),
            quantity: level.displayed() as i128,
            orders: level.displayed_orders(),
        })
    }

    /// The orders of a side, in priority; hidden ones are there too, and show nothing.
    pub fn queue(&self, instrument_id: InstrumentId, side: Side) -> impl Iterator<Item = OpenOrder> + '_ {
        let book = instrument_id.index().and_then(|at| self.books.get(at));
        book.into_iter().flat_map(move |book| book.queue(&self.arena, side)).map(|slot| self.open_order(slot))
    }

    /// The open orders of an instrument that are in no queue, by ascending order_id: they wait for a price, an auction, or
    /// another order of their list. Looks at all orders of the venue.
    pub fn waiting_orders(&self, instrument_id: InstrumentId) -> impl Iterator<Item = OpenOrder> + '_ {
        let outside = |&slot: &u32| self.arena.orders.get(slot).level == NIL;
        let on_it = move |&slot: &u32| Some(self.arena.half_of(slot).0) == instrument_id.index();
        let mut slots: Vec<u32> = self.arena.orders.slots().filter(outside).filter(on_it).collect();
        slots.sort_unstable_by_key(|&slot| self.arena.orders.get(slot).order_id);
        slots.into_iter().map(|slot| self.open_order(slot))
    }

    /// The order lists that have open orders, by ascending list_id.
    pub fn order_lists(&self) -> impl Iterator<Item = OpenList> + '_ {
        self.lists.open.iter().map(|(&list_id, list)| OpenList {
            list_id: ListId(list_id),
            account_id: AccountId(list.account + 1),
            contingency: list.contingency,
            orders: list.orders.map(OrderId),
        })
    }

    /// An account's position in an instrument; `None` if it never traded it.
    pub fn position(&self, account_id: AccountId, instrument_id: InstrumentId) -> Option<PositionView> {
        let account = self.ledger.accounts.get(account_id.index()?)?;
        let at = instrument_id.index()?;
        Some(self.position_view(at as u32, &account.positions.get(at as u32)?))
    }

    /// An account's positions, closed ones too, by instrument.
    pub fn positions(&self, account_id: AccountId) -> impl Iterator<Item = PositionView> + '_ {
        let account = account_id.index().and_then(|at| self.ledger.accounts.get(at));
        let positions = account.into_iter().flat_map(|account| account.positions.iter());
        positions.map(|(at, position)| self.position_view(at, &position))
    }

    fn position_view(&self, at: u32, position: &Position) -> PositionView {
        let listing = &self.listings[at as usize];
        let instrument = &listing.instrument;
        let mark = if listing.mark_price == 0 { instrument.last_price.0 } else { listing.mark_price };
        let units = |tick_lots: i128| Amount(tick_lots.saturating_mul(i128::from(instrument.tick_lot_units)));
        PositionView {
            instrument_id: instrument.instrument_id,
            position: *position,
            mark: PriceTicks(mark),
            cost: units(position.cost),
            realised: units(position.realised),
            unrealised: units(position.unrealised(mark)),
        }
    }

    /// What staff has set for an instrument, and what belongs to its status.
    pub fn settings(&self, instrument_id: InstrumentId) -> Option<InstrumentSettings> {
        let at = instrument_id.index()?;
        let listing = self.listings.get(at)?;
        let session = &listing.session;
        let sharing = self.books[at].sharing.as_deref();
        Some(InstrumentSettings {
            instrument_group_id: InstrumentGroupId(session.group),
            reference: PriceTicks(session.reference),
            mark_price: PriceTicks(listing.mark_price),
            end_time_ns: session.end_time_ns,
            features: listing.features,
            max_triggers: listing.max_triggers,
            bands: session.bands.map(|bands| SetPriceBands {
                instrument_id,
                reference: PriceTicks(session.reference),
                static_up_bps: bands.static_up_bps,
                static_down_bps: bands.static_down_bps,
                dynamic_bps: bands.dynamic_bps,
                collar_bps: bands.collar_bps,
                action: bands.action,
                auction_ns: bands.auction_ns,
                auction_random_ns: bands.auction_random_ns,
                limit_state_ns: bands.limit_state_ns,
            }),
            matching: sharing.and_then(|sharing| sharing.rule).map(|rule| SetMatching {
                instrument_id,
                algorithm: MatchingAlgorithm::ProRata,
                top_max: Lots(rule.top_max),
                lead_percent: rule.lead_percent,
                fifo_percent: rule.fifo_percent,
                min_allocation: Lots(rule.minimum),
                leveling: rule.leveling,
            }),
            lead_market_makers: sharing
                .into_iter()
                .flat_map(|sharing| &sharing.leads)
                .map(|(&account, &share)| (AccountId(account + 1), share))
                .collect(),
            schedule: session
                .schedule
                .iter()
                .map(|entry| {
                    let command = SetSchedule {
                        instrument_id,
                        slot: entry.slot,
                        weekdays: entry.weekdays,
                        time_of_day_ns: entry.time_of_day_ns,
                        random_ns: entry.random_ns,
                        status: entry.status,
                    };
                    (command, entry.due_ns)
                })
                .collect(),
        })
    }

    /// The kill switches that are engaged: the venue's, then by instrument, group, account and key.
    pub fn kill_switches(&self) -> impl Iterator<Item = KillScope> + '_ {
        self.risk.engaged.iter().copied()
    }

    /// The risk limits that are set, as the commands that would set them: by account, group and key, each by instrument.
    pub fn risk_limits(&self) -> impl Iterator<Item = SetRiskLimits> + '_ {
        let bounds = self.limits.bounds.iter();
        bounds.map(|(&(scope, instrument_id), bound)| SetRiskLimits { scope, instrument_id, limits: bound.limits })
    }

    /// What an account has traded in the last 30 UTC days, today included, in trades paid in this asset.
    pub fn volume(&self, account_id: AccountId, asset_id: AssetId) -> Amount {
        let account = account_id.index().and_then(|at| self.ledger.accounts.get(at));
        let volume = account
            .zip(asset_id.index())
            .map(|(account, asset)| account.volumes.sum_at(asset as u32, self.event_time_ns));
        Amount(volume.unwrap_or(0))
    }

    /// An account's open orders, by ascending order_id.
    pub fn open_orders(&self, account_id: AccountId) -> impl Iterator<Item = OpenOrder> + '_ {
        let account = account_id.index().filter(|&at| at < self.ledger.accounts.len());
        account.into_iter().flat_map(|account| self.account_slots(account)).map(|slot| self.open_order(slot))
    }

    /// One open order.
    pub fn order(&self, order_id: OrderId) -> Option<OpenOrder> {
        self.arena.orders.find(order_id.0).map(|slot| self.open_order(slot))
    }

    /// One open order, by its client's id.
    pub fn order_by_client_id(&self, account_id: AccountId, client_order_id: &ClientOrderId) -> Option<OpenOrder> {
        let account = account_id.index()? as u32;
        let hash = client_hash(account_id.0, client_order_id);
        self.arena.orders.find_client(account, client_order_id, hash).map(|slot| self.open_order(slot))
    }

    /// How many orders are open at the venue.
    pub fn open_order_count(&self) -> u32 {
        self.arena.orders.len()
    }

    /// Bytes of heap memory in use by orders, levels and all indexes over them.
    pub fn memory_bytes(&self) -> usize {
        self.arena.memory_bytes() + self.books.iter().map(|book| book.memory_bytes()).sum::<usize>()
    }

    fn open_order(&self, slot: u32) -> OpenOrder {
        let order = self.arena.orders.get(slot);
        let (at, side) = self.arena.half_of(slot);
        let listing = &self.listings[at];
        let report = open_report(&self.arena, &listing.instrument, slot, ExecType::New);
        let schedule = self.fees.of(order);
        OpenOrder {
            order_id: OrderId(order.order_id),
            client_order_id: self.arena.orders.client_order_id(slot),
            account_id: AccountId(order.account + 1),
            instrument_id: report.instrument_id,
            side,
            order_type: report.order_type,
            time_in_force: order.flags.time_in_force(),
            post_only: order.flags.post_only(),
            self_trade_prevention: order.flags.self_trade_prevention(),
            key_id: report.key_id,
            price: report.price,
            quote_quantity: report.quote_quantity,
            filled_quantity: Lots(order.filled),
            leaves_quantity: report.leaves_quantity,
            displayed_quantity: report.displayed_quantity,
            maker_ppm: schedule.maker_ppm,
            taker_ppm: schedule.taker_ppm,
            fee_carry: order.fee_carry(),
            hold: Amount(listing.hold_of(&self.arena, &self.fees, slot)),
            terms: order.flags.special().then(|| self.order_terms(slot)),
        }
    }
}
