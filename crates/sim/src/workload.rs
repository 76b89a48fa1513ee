//! Seeded streams of commands that reach every rule of the engine: books that cross all the time, poor accounts,
//! amounts on the edge of what is available, extreme instruments, stale ids, and every field wrong in turn. About a third
//! of the streams are of plain orders only; the others have the whole rulebook ([`rules`]), in shares drawn from the seed.
//!
//! The stream is a function of the seed: the generator looks at the [`Naive`] model (not at the engine) to name open
//! orders and available amounts. Invariant: the books stay small, so that interactions are frequent and a snapshot
//! after every command is cheap; now and then a deep phase fills them up to the engine's bounds.

mod areas;
mod rules;

use beurs_engine::command::{
    AddAsset, CancelOrder, Command, CommandFailed, Deposit, InstrumentScope, ListInstrument, MassCancel, NewOrder,
    OpenAccount, ReplaceOrder, SetAccountGroup, SetFees, SetTradingStatus, Withdraw,
};
use beurs_engine::types::{
    AccountId, Amount, AssetId, ClientOrderId, GroupId, InstrumentId, KeyId, Lots, MassCancelReason, OrderId,
    OrderType, PriceTicks, SelfTradePrevention, ShortText, Side, StatusReason, Step, TimeInForce, TradingStatus,
};

use crate::naive::{Naive, Order};

pub use areas::Areas;

/// Bounds of the engine that the deep phases reach.
pub const MAX_OPEN_ORDERS: u32 = 220;
/// Open orders of one account that the deep phases reach.
pub const MAX_OPEN_ORDERS_PER_ACCOUNT: u32 = 50;

const NUMBERS: [i64; 10] = [0, -1, 1, 2, i64::MIN, i64::MAX, (1 << 53) - 1, 1 << 53, 1 << 62, -9_007_199_254_740_991];
const AMOUNTS: [i128; 12] = [
    0,
    -1,
    1,
    i128::MIN,
    i128::MAX,
    10_i128.pow(30),
    10_i128.pow(30) + 1,
    10_i128.pow(36),
    10_i128.pow(36) + 1,
    i64::MAX as i128,
    1 << 64,
    -(10_i128.pow(30)),
];

/// SplitMix64: small, fast, the same everywhere.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A stream of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `bound` - 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low) as u64 + 1) as i64
    }

    /// True `per_mille` times in a thousand.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// What a stream is made of; drawn from its seed.
#[derive(Clone, Debug)]
struct Profile {
    /// Half the width of the band in which orders are entered, in ticks.
    spread: i64,
    /// How many orders get a client_order_id, in a thousand.
    named: u64,
    /// How many orders the books should hold.
    depth: usize,
    /// How often a field is made wrong, in a thousand.
    hostile: u64,
    /// Whether the bands jump, by up to 40 % or to anywhere.
    swings: bool,
    modes: Vec<SelfTradePrevention>,
    /// Accounts from this one on get little money.
    first_poor_account: u32,
}

/// A stream of commands.
#[derive(Clone, Debug)]
pub struct Workload {
    rng: Rng,
    profile: Profile,
    prelude: Vec<Command>,
    /// The middle of each instrument's band, in ticks.
    middles: Vec<i64>,
    time_ns: i64,
    names: u64,
    used_names: Vec<ClientOrderId>,
    deep_left: u32,
    count: u64,
    areas: Areas,
    /// None in a plain stream.
    rules: Option<rules::Rules>,
    pending: rules::Pending,
}

fn text<const N: usize>(text: &str) -> ShortText<N> {
    ShortText::new(text.as_bytes()).expect("workload texts are short printable ASCII")
}

fn step(mantissa: u64, scale: u8) -> Step {
    Step { mantissa, scale }
}

impl Workload {
    /// The stream of this seed, with the whole rulebook.
    pub fn new(seed: u64) -> Self {
        Self::with_areas(seed, Areas::ALL)
    }

    /// The stream of this seed, with these parts of the rulebook only.
    pub fn with_areas(seed: u64, areas: Areas) -> Self {
        let mut rng = Rng::new(seed);
        let modes = match rng.below(4) {
            0 => SelfTradePrevention::ALL.to_vec(),
            1 => vec![SelfTradePrevention::None, SelfTradePrevention::Decrement],
            2 => vec![SelfTradePrevention::ExpireMaker, SelfTradePrevention::ExpireBoth, SelfTradePrevention::None],
            _ => vec![SelfTradePrevention::ExpireTaker, SelfTradePrevention::Decrement, SelfTradePrevention::None],
        };
        let profile = Profile {
            spread: rng.pick(&[2, 4, 8, 8, 30, 1000, 200_000]),
            named: rng.pick(&[100, 300, 600]),
            depth: rng.pick(&[15, 40, 70]),
            hostile: rng.pick(&[2, 10, 40]),
            swings: rng.chance(300),
            modes,
            first_poor_account: rng.pick(&[4, 5, 6]),
        };
        let rules = rules::Rules::draw(&mut rng);
        let mut workload = Self {
            rng,
            profile,
            prelude: Vec::new(),
            middles: Vec::new(),
            time_ns: 1_700_000_000_000_000_000,
            names: 0,
            used_names: Vec::new(),
            deep_left: 0,
            count: 0,
            areas,
            rules,
            pending: rules::Pending::default(),
        };
        workload.prelude = workload.opening();
        workload.prelude.retain(|command| areas.have(command));
        workload.prelude.reverse();
        workload
    }

    /// Assets, instruments, accounts, fees and first deposits.
    fn opening(&mut self) -> Vec<Command> {
        let mut commands = Vec::new();
        for (code, scale) in [("BTC", 8), ("USD", 6), ("UNIT", 0), ("WEI", 18), ("CENT", 2)] {
            commands.push(Command::AddAsset(AddAsset { code: text(code), scale }));
        }
        let accounts = self.rng.between(5, 8) as u32;
        for account in 2..=accounts {
            let group_id = GroupId(self.rng.pick(&[0, 0, 1, 2, 65535]));
            let code = text(&format!("account-{account}"));
            commands.push(Command::OpenAccount(OpenAccount { code, group_id }));
        }
        let max = (1 << 53) - 1;
        let listings = [
            // Notionals of single units: fees are all rounding.
            (("BTC-USD", 1, 2), (step(1, 2), step(1, 4)), (1, max), 0, 50),
            // Bounds on everything; the minimum notional is above that of the smallest order at usual prices.
            (("WEI-USD", 4, 2), (step(5, 1), step(1, 3)), (5, 60), 150_000, 40),
            (("UNIT_CENT", 3, 5), (step(1, 0), step(1, 0)), (1, 1000), 0, 1000),
            // One tick times one lot is nearly 2^63 units: 10^11 tick-lots are too much.
            (("UNIT.WEI", 3, 4), (step(9, 0), step(1, 0)), (1, max), 1, 30),
            // The greatest prices there are.
            (("BTC-UNIT", 1, 3), (step(1, 0), step(1, 0)), (1, max), 0, max - 20),
        ];
        // The smallest lots and notionals of one unit.
        let tiny = (("BTC-WEI", 1, 4), (step(1, 10), step(1, 8)), (1, max), 0, 300);
        let more = self.rules.is_some().then_some(tiny);
        for listing in listings.into_iter().chain(more) {
            let ((symbol, base, quote), (tick_size, lot_size), (min, max), min_notional, middle) = listing;
            self.middles.push(middle);
            commands.push(Command::ListInstrument(ListInstrument {
                symbol: text(symbol),
                base: AssetId(base),
                quote: AssetId(quote),
                tick_size,
                lot_size,
                min_quantity: Lots(min),
                max_quantity: Lots(max),
                min_notional: Amount(min_notional),
            }));
        }
        for instrument in 1..=self.middles.len() as u32 {
            for group in [0, 1, 2] {
                if self.rng.chance(700) {
                    commands.push(self.valid_fees(instrument, group));
                }
            }
        }
        let rich = [10_i128.pow(16), 10_i128.pow(13), 10_i128.pow(26), 10_i128.pow(34), 10_i128.pow(9)];
        for account in 1..=accounts {
            let poor = account >= self.profile.first_poor_account || account == 1;
            for asset in 1..=5_u32 {
                let mut amount = rich[asset as usize - 1];
                if poor {
                    amount = self.poor_amount(asset);
                }
                commands.push(Command::Deposit(Deposit {
                    account_id: AccountId(account),
                    asset_id: AssetId(asset),
                    amount: Amount(amount),
                }));
            }
        }
        if self.rules.is_some() {
            commands.extend(self.opening_rules());
        }
        commands
    }

    /// About the cost of a few orders.
    fn poor_amount(&mut self, asset: u32) -> i128 {
        let unit = match asset {
            1 => 10_i128.pow(6),
            2 => 1000,
            3 => 20,
            4 => 10_i128.pow(18),
            _ => 100_000,
        };
        unit * i128::from(self.rng.between(1, 40)) + i128::from(self.rng.between(0, 3))
    }

    fn valid_fees(&mut self, instrument: u32, group: u16) -> Command {
        let taker_ppm = self.rng.pick(&[0, 1, 200, 333, 2_500, 100_000, 999_999, 1_000_000]);
        let maker_ppm = match self.rng.below(4) {
            0 => -taker_ppm,
            1 => -(taker_ppm / 3),
            2 => self.rng.pick(&[0, 1, 100, 777]),
            _ => self.rng.pick(&[5_000, 1_000_000, 0]),
        };
        Command::SetFees(SetFees {
            instrument_id: InstrumentId(instrument),
            group_id: GroupId(group),
            maker_ppm,
            taker_ppm,
        })
    }

    /// The next command and its time.
    pub fn next(&mut self, venue: &Naive) -> (i64, Command) {
        self.time_ns += self.rng.pick(&[0, 0, 1, 1000, 1_000_000_000]);
        if let Some(rules) = self.rules.clone() {
            self.time_ns += self.leap(&rules);
        }
        let command = match self.prelude.pop() {
            Some(command) => command,
            None => loop {
                let mut command = self.draw(venue);
                if self.rules.is_some() && self.rng.chance(2) {
                    command = Command::CommandFailed(Box::new(CommandFailed { command }));
                }
                if self.areas.have(&command) {
                    break command;
                }
            },
        };
        (self.time_ns, command)
    }

    fn draw(&mut self, venue: &Naive) -> Command {
        self.count += 1;
        if self.count % 4_000 == 2_000 {
            self.deep_left = 500;
        }
        self.deep_left = self.deep_left.saturating_sub(1);
        if self.rng.chance(10) {
            let instrument = self.rng.below(self.middles.len() as u64) as usize;
            let width = self.profile.spread / 2 + 1;
            let moved = self.middles[instrument] + self.rng.between(-width, width);
            self.middles[instrument] = moved.clamp(1, (1 << 53) - 1);
        }
        if self.profile.swings && self.rng.chance(2) {
            let instrument = self.rng.below(self.middles.len() as u64) as usize;
            let (power, percent) = (self.rng.below(53), self.rng.between(60, 140));
            let swung = self.middles[instrument] / 100 * percent;
            let moved = if self.rng.chance(100) { 1 << power } else { swung };
            self.middles[instrument] = moved.clamp(1, (1 << 53) - 1);
        }
        if let Some(rules) = self.rules.clone() {
            if let Some(command) = self.draw_rules(venue, &rules) {
                return command;
            }
        }
        // A status other than open is not for long.
        for (index, instrument) in venue.instruments.iter().enumerate() {
            if instrument.status != TradingStatus::Open && self.rng.chance(15) {
                return Command::SetTradingStatus(SetTradingStatus {
                    scope: InstrumentScope::Instrument(InstrumentId(index as u32 + 1)),
                    status: TradingStatus::Open,
                    reason: StatusReason::Requested,
                    end_time_ns: 0,
                });
            }
        }
        let open = venue.open_order_count();
        if self.deep_left > 0 {
            return if self.rng.chance(900) { self.new_order(venue) } else { self.replace_order(venue) };
        }
        if open > self.profile.depth * 2 {
            return if self.rng.chance(20) { self.mass_cancel(venue) } else { self.cancel_order(venue) };
        }
        let cancels = if open > self.profile.depth { 300 } else { 100 };
        match self.rng.below(1000 + cancels) {
            0..=619 => self.new_order(venue),
            620..=829 => self.replace_order(venue),
            830..=849 => self.mass_cancel(venue),
            850..=889 => self.deposit(venue),
            890..=939 => self.withdraw(venue),
            940..=949 => self.set_fees(),
            950..=959 => self.set_account_group(),
            960..=965 => self.set_trading_status(),
            966..=979 => self.open_account(venue),
            980..=989 => self.add_asset(venue),
            990..=999 => self.list_instrument(venue),
            _ => self.cancel_order(venue),
        }
    }

    fn hostile(&mut self) -> bool {
        let chance = self.profile.hostile;
        self.rng.chance(chance)
    }

    fn account(&mut self, venue: &Naive) -> AccountId {
        if self.hostile() {
            let (_, accounts) = venue.counts();
            return AccountId(self.rng.pick(&[0, accounts + 1, u32::MAX]));
        }
        let accounts = u64::from(venue.counts().1.min(8));
        AccountId(1 + self.rng.below(accounts) as u32)
    }

    fn asset(&mut self, venue: &Naive) -> AssetId {
        if self.hostile() {
            return AssetId(self.rng.pick(&[0, venue.counts().0 + 1, u32::MAX]));
        }
        AssetId(1 + self.rng.below(5) as u32)
    }

    fn instrument(&mut self, venue: &Naive) -> InstrumentId {
        if self.hostile() {
            return InstrumentId(self.rng.pick(&[0, venue.instruments.len() as u32 + 1, u32::MAX]));
        }
        if self.rules.is_some() {
            if let Some(instrument_id) = self.collecting(venue) {
                return instrument_id;
            }
            if self.rng.chance(60) {
                return InstrumentId(6);
            }
        }
        // Mostly one of the first two, so that their books are busy.
        InstrumentId(self.rng.pick(&[1, 1, 1, 2, 2, 3, 4, 5]))
    }

    fn side(&mut self) -> Side {
        self.rng.pick(&[Side::Buy, Side::Sell])
    }

    fn mode(&mut self) -> SelfTradePrevention {
        let modes = std::mem::take(&mut self.profile.modes);
        let mode = self.rng.pick(&modes);
        self.profile.modes = modes;
        mode
    }

    fn client_order_id(&mut self, venue: &Naive) -> ClientOrderId {
        let named = self.profile.named;
        if !self.rng.chance(named) {
            return ClientOrderId::EMPTY;
        }
        if self.rng.chance(60) && !self.used_names.is_empty() {
            return self.used_name();
        }
        if self.rng.chance(30) {
            if let Some(order) = self.open_order(venue) {
                return order.client_order_id;
            }
        }
        self.names += 1;
        let name = match self.rng.below(8) {
            0 => text(&format!("{:~>36}", self.names)),
            // The lengths around 16 bytes.
            1 => text(&format!("{:~>14}", self.names)),
            2 => text(&format!("{:~>15}", self.names)),
            3 => text(&format!("{:~>16}", self.names)),
            _ => text(&format!("{}", self.names)),
        };
        self.used_names.push(name);
        name
    }

    /// One that was given before: of an open order, a closed one, another account's, or a refused one.
    fn used_name(&mut self) -> ClientOrderId {
        let recent = self.used_names.len().min(50) as u64;
        let back =
            if self.rng.chance(700) { self.rng.below(recent) } else { self.rng.below(self.used_names.len() as u64) };
        self.used_names[self.used_names.len() - 1 - back as usize]
    }

    fn open_order(&mut self, venue: &Naive) -> Option<Order> {
        let count = venue.open_order_count() as u64;
        if count == 0 {
            return None;
        }
        venue.open_orders().nth(self.rng.below(count) as usize).cloned()
    }

    fn best(venue: &Naive, instrument_id: InstrumentId, side: Side) -> Option<i64> {
        let instrument = venue.instruments.get(instrument_id.index()?)?;
        Some(instrument.best(side)? as i64)
    }

    fn price(&mut self, venue: &Naive, instrument_id: InstrumentId, side: Side) -> i64 {
        if self.hostile() {
            return self.rng.pick(&NUMBERS);
        }
        if self.rng.chance(150) {
            let half = self.side();
            if let Some(best) = Self::best(venue, instrument_id, half) {
                return best + self.rng.between(-1, 1);
            }
        }
        let middle = instrument_id.index().and_then(|index| self.middles.get(index)).copied().unwrap_or(50);
        let spread = self.profile.spread;
        let away = match side {
            Side::Buy => -(spread / 3),
            Side::Sell => spread / 3,
        };
        (middle + away + self.rng.between(-spread, spread)).clamp(1, (1 << 53) - 1)
    }

    fn quantity(&mut self, venue: &Naive, instrument_id: InstrumentId, side: Side) -> i64 {
        if self.hostile() {
            return self.rng.pick(&NUMBERS);
        }
        let instrument = instrument_id.index().and_then(|index| venue.instruments.get(index));
        match (self.rng.below(40), instrument) {
            (0, Some(instrument)) => instrument.min_quantity as i64,
            (1, Some(instrument)) => instrument.min_quantity as i64 - 1,
            (2, Some(instrument)) => instrument.max_quantity as i64,
            (3, Some(instrument)) => instrument.max_quantity as i64 + 1,
            // As much as the first few orders of the other half, for FOK on the edge.
            (4..=9, Some(instrument)) => {
                let first = self.rng.below(4) as usize;
                let sum: i128 = instrument.half(side.opposite()).iter().take(first).map(|order| order.leaves).sum();
                (sum as i64 + self.rng.between(-1, 1)).max(1)
            }
            (10, Some(_)) => self.rng.between(1_000_000_000, 20_000_000_000),
            (11, Some(_)) => self.rng.between(1, 2000),
            (12..=25, _) => self.rng.between(1, 5),
            _ => self.rng.between(4, 30),
        }
    }

    fn quote_quantity(&mut self, venue: &Naive, instrument_id: InstrumentId, side: Side) -> i128 {
        let instrument = instrument_id.index().and_then(|index| venue.instruments.get(index));
        let (false, Some(instrument)) = (self.hostile(), instrument) else {
            return self.rng.pick(&AMOUNTS);
        };
        let first = 1 + self.rng.below(4) as usize;
        let makers = instrument.half(side.opposite()).iter().take(first);
        let whole: i128 = makers.map(|order| order.price * order.leaves * instrument.tick_lot_units).sum();
        let one = self.middles.get(instrument_id.index().unwrap_or(0)).copied().unwrap_or(50);
        let one = i128::from(one) * instrument.tick_lot_units;
        let best = instrument.half(side.opposite()).first().map_or(0, |order| order.price);
        match self.rng.below(7) {
            // About one lot at the best price.
            6 => (best + i128::from(self.rng.between(-2, 1))) * instrument.tick_lot_units,
            0 | 1 => whole,
            2 => whole + i128::from(self.rng.between(-3, 3)),
            3 => whole / i128::from(self.rng.between(1, 5)),
            4 => one * i128::from(self.rng.between(1, 30)),
            _ => one * i128::from(self.rng.between(1, 3000)) / 100,
        }
    }

    fn new_order(&mut self, venue: &Naive) -> Command {
        let mut order = self.plain_order(venue);
        if let Some(rules) = self.rules.clone() {
            order = self.with_terms(venue, order, &rules);
        }
        Command::NewOrder(order)
    }

    fn plain_order(&mut self, venue: &Naive) -> NewOrder {
        let account_id = self.account(venue);
        let instrument_id = self.instrument(venue);
        let side = self.side();
        let kind = if self.deep_left > 0 && self.rng.chance(900) { 0 } else { self.rng.below(100) };
        let (order_type, time_in_force, post_only) = match kind {
            0..=54 => (OrderType::Limit, TimeInForce::Gtc, false),
            55..=64 => (OrderType::Limit, TimeInForce::Gtc, true),
            65..=72 => (OrderType::Limit, TimeInForce::Ioc, false),
            73..=79 => (OrderType::Limit, TimeInForce::Fok, false),
            80..=86 => (OrderType::Market, TimeInForce::Ioc, false),
            87..=90 => (OrderType::Market, TimeInForce::Fok, false),
            _ => (OrderType::Market, TimeInForce::Ioc, false),
        };
        let by_quote = kind >= 91;
        let limit = order_type == OrderType::Limit;
        let mut order = NewOrder {
            account_id,
            instrument_id,
            side,
            order_type,
            time_in_force,
            post_only,
            self_trade_prevention: self.mode(),
            key_id: KeyId::NONE,
            price: PriceTicks(if limit { self.price(venue, instrument_id, side) } else { 0 }),
            quantity: Lots(if by_quote { 0 } else { self.quantity(venue, instrument_id, side) }),
            quote_quantity: Amount(if by_quote { self.quote_quantity(venue, instrument_id, side) } else { 0 }),
            client_order_id: self.client_order_id(venue),
            terms: None,
        };
        if self.deep_left > 0 && self.rng.chance(900) {
            // Away from the other half, so that it rests.
            let away = self.rng.between(1, 40);
            let middle = instrument_id.index().and_then(|index| self.middles.get(index)).copied().unwrap_or(50);
            order.price.0 = match side {
                Side::Buy => (middle - away).max(1),
                Side::Sell => (middle + away).min((1 << 53) - 1),
            };
        }
        if self.hostile() {
            match self.rng.below(7) {
                0 => order.post_only = !order.post_only,
                1 => order.time_in_force = self.rng.pick(&[TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok]),
                2 => order.order_type = self.rng.pick(&[OrderType::Limit, OrderType::Market]),
                3 => order.price.0 = self.rng.pick(&NUMBERS),
                4 => order.quantity.0 = self.rng.pick(&NUMBERS),
                5 => order.quote_quantity.0 = self.rng.pick(&AMOUNTS),
                _ => order.account_id = AccountId(self.rng.pick(&[0, 1, 99])),
            }
        }
        order
    }

    /// How a cancel or a replace names its order: account, order_id, client_order_id.
    fn reference(&mut self, venue: &Naive) -> (AccountId, OrderId, ClientOrderId) {
        let stale = OrderId(self.rng.below(self.count + 2));
        let Some(order) = self.open_order(venue) else {
            return (self.account(venue), stale, ClientOrderId::EMPTY);
        };
        let (account_id, order_id) = (AccountId(order.account), OrderId(order.order_id));
        match self.rng.below(100) {
            0..=54 => (account_id, order_id, ClientOrderId::EMPTY),
            55..=74 if !order.client_order_id.is_empty() => (account_id, OrderId::NONE, order.client_order_id),
            55..=72 => (account_id, order_id, ClientOrderId::EMPTY),
            75..=84 => (account_id, order_id, order.client_order_id),
            85 => (account_id, order_id, self.client_order_id(venue)),
            86..=87 => (self.account(venue), order_id, ClientOrderId::EMPTY),
            88 => (self.account(venue), OrderId::NONE, order.client_order_id),
            89..=90 => (account_id, stale, ClientOrderId::EMPTY),
            91 => (account_id, stale, order.client_order_id),
            92 if !self.used_names.is_empty() => (account_id, OrderId::NONE, self.used_name()),
            93 => (account_id, OrderId::NONE, ClientOrderId::EMPTY),
            94..=95 => (AccountId::NONE, order_id, ClientOrderId::EMPTY),
            96 => (AccountId::NONE, order_id, order.client_order_id),
            97 => (AccountId::NONE, OrderId::NONE, order.client_order_id),
            98 => (AccountId::NONE, self.rng.pick(&[OrderId(u64::MAX), stale]), ClientOrderId::EMPTY),
            _ => (self.account(venue), OrderId(self.rng.pick(&[u64::MAX, 1, 1 << 32])), ClientOrderId::EMPTY),
        }
    }

    fn cancel_order(&mut self, venue: &Naive) -> Command {
        let (account_id, order_id, client_order_id) = self.reference(venue);
        Command::CancelOrder(CancelOrder { account_id, order_id, client_order_id })
    }

    fn replace_order(&mut self, venue: &Naive) -> Command {
        let (account_id, order_id, original_client_order_id) = self.reference(venue);
        let named = venue.open_orders().find(|order| {
            order.order_id == order_id.0
                || (order.account == account_id.0 && order.client_order_id == original_client_order_id)
        });
        let (instrument_id, side, price, quantity, filled) = match named {
            Some(o) => (InstrumentId(o.instrument), o.side, o.price as i64, o.quantity as i64, o.filled as i64),
            None => (InstrumentId(1), Side::Buy, 50, 10, 0),
        };
        let new_price = match self.rng.below(10) {
            0..=3 => 0,
            4 => price,
            5..=8 => self.price(venue, instrument_id, side),
            _ => Self::best(venue, instrument_id, side.opposite()).unwrap_or(price),
        };
        let new_quantity = match self.rng.below(12) {
            0..=2 => 0,
            3 => quantity,
            4..=6 => (quantity - self.rng.between(1, 4)).max(1),
            7..=8 => quantity + self.rng.between(1, 4),
            9 => filled + self.rng.between(-1, 1),
            _ => filled + self.quantity(venue, instrument_id, side).clamp(-1, 1 << 60),
        };
        let client_order_id = if self.rng.chance(400) { self.client_order_id(venue) } else { ClientOrderId::EMPTY };
        let (trigger_price, display_quantity) = match self.rules {
            Some(_) => self.replaced_terms(venue, order_id.0),
            None => (PriceTicks(0), Lots(0)),
        };
        Command::ReplaceOrder(ReplaceOrder {
            account_id,
            order_id,
            original_client_order_id,
            client_order_id,
            price: PriceTicks(new_price),
            quantity: Lots(new_quantity),
            trigger_price,
            display_quantity,
        })
    }

    fn mass_cancel(&mut self, venue: &Naive) -> Command {
        let everybody = self.rng.chance(50);
        let account_id = if everybody { AccountId::NONE } else { self.account(venue) };
        let instrument_id = if self.rng.chance(500) { InstrumentId::NONE } else { self.instrument(venue) };
        let side = self.rng.pick(&[None, Some(Side::Buy), Some(Side::Sell)]);
        let reason = self.rng.pick(MassCancelReason::ALL);
        Command::MassCancel(MassCancel { account_id, instrument_id, side, reason })
    }

    fn deposit(&mut self, venue: &Naive) -> Command {
        let (account_id, asset_id) = (self.account(venue), self.asset(venue));
        let amount = match self.rng.below(10) {
            0 => self.rng.pick(&AMOUNTS),
            1 => i128::from(self.rng.between(1, 3)),
            _ => self.poor_amount(asset_id.0),
        };
        Command::Deposit(Deposit { account_id, asset_id, amount: Amount(amount) })
    }

    /// Often all that is available, or all but a little, so that the next holds are checked on their edge.
    fn withdraw(&mut self, venue: &Naive) -> Command {
        let (account_id, asset_id) = (self.account(venue), self.asset(venue));
        let known = (1..=venue.counts().1).contains(&account_id.0);
        let poor = account_id.0 == 1 || account_id.0 >= self.profile.first_poor_account;
        let amount = match self.rng.below(10) {
            0 => self.rng.pick(&AMOUNTS),
            1 => i128::from(self.rng.between(1, 1000)),
            2..=8 if known && poor => {
                let left = match self.rng.below(4) {
                    0 => i128::from(self.rng.between(-1, 2)),
                    1 => self.poor_amount(asset_id.0),
                    _ => self.cost_of_an_order(venue, asset_id) + i128::from(self.rng.between(-1, 1)),
                };
                venue.available(account_id.0, asset_id.0) - left
            }
            _ => self.poor_amount(asset_id.0),
        };
        Command::Withdraw(Withdraw { account_id, asset_id, amount: Amount(amount) })
    }

    fn cost_of_an_order(&mut self, venue: &Naive, asset_id: AssetId) -> i128 {
        let quantity = i128::from(self.rng.between(1, 12));
        let Some(instrument) = venue.instruments.iter().find(|i| i.quote == asset_id.0 || i.base == asset_id.0) else {
            return quantity;
        };
        if instrument.base == asset_id.0 {
            return quantity * instrument.lot_units;
        }
        let price = instrument.asks.first().map_or(50, |order| order.price);
        let notional = price * quantity * instrument.tick_lot_units;
        notional + notional / self.rng.pick(&[1, 10, 400, 5000, 1 << 40])
    }

    fn set_fees(&mut self) -> Command {
        let instrument = self.rng.pick(&[1, 1, 2, 2, 3, 4, 5, 0, 9_999]);
        if self.rng.chance(850) {
            let group = self.rng.pick(&[0, 0, 1, 2, 65535]);
            return self.valid_fees(instrument, group);
        }
        let (maker_ppm, taker_ppm) = self.rng.pick(&[
            (-1, 0),
            (0, -1),
            (1_000_001, 5),
            (0, 1_000_001),
            (-11, 10),
            (i32::MIN, i32::MAX),
            (i32::MIN, 0),
            (i32::MAX, i32::MIN),
        ]);
        Command::SetFees(SetFees {
            instrument_id: InstrumentId(instrument),
            group_id: GroupId(0),
            maker_ppm,
            taker_ppm,
        })
    }

    fn set_account_group(&mut self) -> Command {
        Command::SetAccountGroup(SetAccountGroup {
            account_id: AccountId(self.rng.pick(&[1, 2, 3, 4, 5, 0, 9_999])),
            group_id: GroupId(self.rng.pick(&[0, 1, 2, 7, 65535])),
        })
    }

    fn set_trading_status(&mut self) -> Command {
        use TradingStatus as S;
        // A plain stream has no auctions.
        let plain = self.rng.pick(&[S::Open, S::PostOnly, S::CancelOnly, S::Halted]);
        let status = if self.rules.is_some() { self.rng.pick(S::ALL) } else { plain };
        Command::SetTradingStatus(SetTradingStatus {
            scope: InstrumentScope::Instrument(InstrumentId(self.rng.pick(&[1, 1, 2, 3, 4, 5, 0, 9_999]))),
            status,
            reason: StatusReason::Requested,
            end_time_ns: 0,
        })
    }

    fn code<const N: usize>(&mut self, taken: &str) -> ShortText<N> {
        let serial = self.rng.below(40);
        match self.rng.below(6) {
            0 => text(taken),
            1 => text(self.rng.pick(&["", "a/b", "~", "a,b", "(x)"])),
            _ => text(&format!("Z-{serial}")),
        }
    }

    fn open_account(&mut self, venue: &Naive) -> Command {
        let mut code = self.code("venue");
        if venue.counts().1 >= 10 {
            code = text("account-2");
        }
        Command::OpenAccount(OpenAccount { code, group_id: GroupId(self.rng.pick(&[0, 1, 9])) })
    }

    fn add_asset(&mut self, venue: &Naive) -> Command {
        let mut code = self.code("USD");
        if venue.counts().0 >= 7 && self.rng.chance(500) {
            code = text("BTC");
        }
        let scale = if venue.counts().0 >= 7 { 19 } else { self.rng.pick(&[0, 2, 18, 19, 255]) };
        Command::AddAsset(AddAsset { code, scale })
    }

    /// Mostly with something wrong; while there are few instruments also without.
    fn list_instrument(&mut self, venue: &Naive) -> Command {
        let mut listing = ListInstrument {
            symbol: self.code("BTC-USD"),
            base: AssetId(self.rng.pick(&[1, 3, 4])),
            quote: AssetId(self.rng.pick(&[2, 5])),
            tick_size: step(1, 2),
            lot_size: step(1, 0),
            min_quantity: Lots(1),
            max_quantity: Lots(1000),
            min_notional: Amount(0),
        };
        let full = venue.instruments.len() >= 8;
        let wrong = if full { 1 + self.rng.below(9) } else { self.rng.below(12) };
        match wrong {
            1 => listing.base = self.rng.pick(&[AssetId(0), AssetId(77), listing.quote]),
            2 => listing.quote = self.rng.pick(&[AssetId(0), AssetId(u32::MAX), listing.base]),
            3 => listing.tick_size = self.rng.pick(&[step(0, 0), step(1, 19), step(5, 255), step(0, 18)]),
            4 => listing.lot_size = self.rng.pick(&[step(0, 0), step(1, 19), step(1, 18), step(u64::MAX, 0)]),
            5 => listing.tick_size = self.rng.pick(&[step(1, 18), step(u64::MAX, 0), step(15, 7)]),
            6 => listing.min_quantity = Lots(self.rng.pick(&[0, -1, 1001, i64::MAX, i64::MIN])),
            7 => listing.max_quantity = Lots(self.rng.pick(&[0, -1, 1 << 53, i64::MAX, i64::MIN])),
            8 => listing.min_notional = Amount(self.rng.pick(&[-1, 10_i128.pow(30) + 1, i128::MIN, i128::MAX])),
            9 => listing.symbol = text(self.rng.pick(&["BTC-USD", "", "b!", "a:b"])),
            10 => {
                listing.base = AssetId(4);
                listing.quote = AssetId(2);
                // Whole only as a product.
                listing.tick_size = self.rng.pick(&[step(125, 3), step(8, 7), step(2, 18)]);
                listing.lot_size = self.rng.pick(&[step(8, 3), step(125, 0), step(5, 18)]);
            }
            _ => {}
        }
        Command::ListInstrument(listing)
    }
}
