//! Random commands, valid and not, of everything that risk, fees and corrections know: every invariant holds after each of
//! them, and the state survives a snapshot.

mod common;

use beurs_engine::command::{
    AdjustTrade, BustTrade, CancelOrder, Command, KillScope, KillSwitch, ReplaceOrder, RiskLimits, RiskScope,
    SetAccountGroup, SetAccountMode, SetFeeCap, SetFeePromotion, SetFeeTier, SetFees, SetRiskLimits,
};
use beurs_engine::event::Event;
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{
    AccountId, AccountMode, Amount, ClientOrderId, GroupId, InstrumentId, KeyId, Lots, OrderId, OrderType, PriceTicks,
    SelfTradePrevention, Side, TradeId,
};
use common::{conditional, limit, market, Venue};

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64 (S. Vigna, public domain reference).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn account(&mut self) -> AccountId {
        AccountId(2 + self.below(4) as u32)
    }

    fn group(&mut self) -> GroupId {
        GroupId(self.below(3) as u16)
    }

    fn fees(&mut self) -> (i32, i32) {
        let taker = self.below(50_000) as i32;
        (self.below(taker as u64 * 2 + 2) as i32 - taker, taker)
    }

    fn on(&mut self) -> InstrumentId {
        InstrumentId(self.below(5).min(1) as u32)
    }
}

fn command(random: &mut Random) -> Command {
    let one = InstrumentId(1);
    let account_id = random.account();
    let side = Side::ALL[random.below(2) as usize];
    let (price, quantity) = (95 + random.below(10) as i64, 1 + 20 * random.below(3) as i64);
    match random.below(100) {
        0..=54 => {
            let mut order = match random.below(10) {
                0..=6 => limit(account_id.0, side, price, quantity),
                7 => market(account_id.0, side, quantity),
                8 => conditional(OrderType::StopLimit, account_id.0, side, price, 100, quantity),
                _ => conditional(OrderType::Stop, account_id.0, side, price, 0, quantity),
            };
            order.key_id = KeyId(random.below(3) as u16);
            order.self_trade_prevention =
                SelfTradePrevention::ALL[random.below(SelfTradePrevention::ALL.len() as u64) as usize];
            Command::NewOrder(order)
        }
        55..=64 => Command::CancelOrder(CancelOrder {
            account_id: AccountId(0),
            order_id: OrderId(1 + random.below(600)),
            client_order_id: ClientOrderId::EMPTY,
        }),
        65..=74 => Command::ReplaceOrder(ReplaceOrder {
            account_id,
            order_id: OrderId(1 + random.below(600)),
            original_client_order_id: ClientOrderId::EMPTY,
            client_order_id: ClientOrderId::EMPTY,
            price: PriceTicks(price),
            quantity: Lots(quantity),
            trigger_price: PriceTicks(0),
            display_quantity: Lots(0),
        }),
        75..=78 => {
            let scope = match random.below(3) {
                0 => RiskScope::Account(account_id),
                1 => RiskScope::Group(random.group()),
                _ => RiskScope::Key(account_id, KeyId(1 + random.below(2) as u16)),
            };
            let mut limits = RiskLimits::default();
            match random.below(12) {
                0 => limits.max_open_orders = 5,
                1 => limits.max_open_conditional_orders = 2,
                2 => limits.max_position = Lots(200),
                3 => limits.max_exposure = Amount(20_000),
                4 => (limits.max_order_rate, limits.rate_window_ns) = (3, 10_000_000),
                5 => limits.duplicate_window_ns = 1_000_000_000,
                _ => {}
            }
            Command::SetRiskLimits(Box::new(SetRiskLimits { scope, instrument_id: random.on(), limits }))
        }
        79..=81 => Command::SetAccountGroup(SetAccountGroup { account_id, group_id: random.group() }),
        82 => Command::SetAccountMode(SetAccountMode {
            account_id,
            mode: AccountMode::ALL[random.below(AccountMode::ALL.len() as u64 + 9).saturating_sub(9) as usize],
        }),
        83..=85 => {
            let scope = match random.below(5) {
                0 => KillScope::All,
                1 => KillScope::Instrument(one),
                2 => KillScope::Group(random.group()),
                3 => KillScope::Account(account_id),
                _ => KillScope::Key(account_id, KeyId(random.below(3) as u16)),
            };
            Command::KillSwitch(KillSwitch { scope, engaged: random.below(25) == 0 })
        }
        86..=93 => {
            let (maker_ppm, taker_ppm) = random.fees();
            let (instrument_id, group_id) = (one, random.group());
            match random.below(4) {
                0 => Command::SetFees(SetFees { instrument_id, group_id, maker_ppm, taker_ppm }),
                1 => {
                    let (tier, min_volume) = (random.below(17) as u8, Amount(random.below(5) as i128 * 10_000));
                    Command::SetFeeTier(SetFeeTier { instrument_id, group_id, tier, min_volume, maker_ppm, taker_ppm })
                }
                2 => {
                    let (from_ns, until_ns) = (random.below(200_000_000) as i64, random.below(300_000_000) as i64);
                    Command::SetFeePromotion(SetFeePromotion {
                        instrument_id,
                        group_id,
                        from_ns,
                        until_ns,
                        maker_ppm,
                        taker_ppm,
                    })
                }
                _ => {
                    let max_fee = Amount(random.below(4) as i128 * 20);
                    Command::SetFeeCap(SetFeeCap { instrument_id, group_id, max_fee })
                }
            }
        }
        other => {
            let (trade_id, buyer, seller) = (TradeId(random.below(100)), account_id, random.account());
            let (price, quantity) = (PriceTicks(price), Lots(quantity));
            if other < 97 {
                let (buyer_fee, seller_fee) = (Amount(random.below(9) as i128), Amount(random.below(9) as i128 - 4));
                let instrument_id = one;
                Command::BustTrade(BustTrade {
                    trade_id,
                    instrument_id,
                    buyer,
                    seller,
                    price,
                    quantity,
                    buyer_fee,
                    seller_fee,
                })
            } else {
                let new_price = PriceTicks(90 + random.below(20) as i64);
                Command::AdjustTrade(AdjustTrade {
                    trade_id,
                    instrument_id: one,
                    buyer,
                    seller,
                    price,
                    quantity,
                    new_price,
                })
            }
        }
    }
}

#[test]
fn random_commands_keep_every_invariant() {
    let mut reasons = std::collections::BTreeMap::new();
    for seed in 0..40 {
        let mut random = Random(seed);
        let mut venue = Venue::new();
        for step in 0..2_000 {
            venue.now_ns += random.below(200_000) as i64;
            if let Some(Event::Rejected(rejected)) = venue.events(command(&mut random)).first() {
                *reasons.entry(rejected.reason).or_insert(0) += 1;
            }
            if step % 100 == 0 {
                venue.check_snapshot();
            }
        }
        assert!(venue.engine.positions(AccountId(2)).next().is_some_and(|view| view.position.bought > 0), "{seed}");
    }
    // What is meant to be reached is reached.
    let limits = [
        RejectReason::AccountCancelOnly,
        RejectReason::KillSwitchEngaged,
        RejectReason::DuplicateTradeCorrection,
        RejectReason::OpenOrdersLimit,
        RejectReason::OpenConditionalOrdersLimit,
        RejectReason::PositionLimit,
        RejectReason::ExposureLimit,
        RejectReason::DuplicateOrder,
        RejectReason::OrderRateLimit,
    ];
    for reason in limits {
        assert!(reasons.contains_key(&reason), "{reason:?} of {reasons:?}");
    }
}
