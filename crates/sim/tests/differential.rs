//! The engine against the naive model, command by command: answers, whole event lists, snapshots and digests.
//!
//! `BEURS_SEED` chooses the first seed and `BEURS_COMMANDS` the number of commands; both are printed. `BEURS_AREAS` leaves
//! out parts of the rulebook: it names those to keep (`orders,book,auctions,risk,corrections`). A failure prints the seed, the index of the command and a reduced list of commands.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

use beurs_engine::command::{AddAsset, Command, Deposit, ListInstrument, NewOrder, OpenAccount};
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{
    AccountId, Amount, AssetId, CancelReason, ClientOrderId, Contingency, ExecType, GroupId, InstrumentId, KeyId,
    Liquidity, ListStatus, Lots, OrderStatus, OrderType, Peg, PriceTicks, SelfTradePrevention, Setting, ShortText,
    Side, StatusReason, Step, TimeInForce, TradingStatus, TriggerBy,
};
use beurs_sim::differential::{replay, run, Coverage, Pair};
use beurs_sim::naive::{Defect, REMEMBERED_IDS};
use beurs_sim::workload::Areas;

const COMMANDS: u64 = 1_000_000;
const COMMANDS_PER_SEED: u64 = 10_000;
const THREADS: u64 = 2;

fn number_from_environment(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.replace('_', "").parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")),
        Err(_) => default,
    }
}

#[test]
fn engine_and_model_agree_after_every_command() {
    let seed = number_from_environment("BEURS_SEED", 1);
    let commands = number_from_environment("BEURS_COMMANDS", COMMANDS);
    let areas = std::env::var("BEURS_AREAS").map_or(Areas::ALL, |names| {
        Areas::parse(&names)
            .unwrap_or_else(|| panic!("areas are orders, book, auctions, risk, corrections, all; not {names}"))
    });
    let per_seed = COMMANDS_PER_SEED.min(commands.max(1));
    let runs = commands.div_ceil(per_seed);
    println!("BEURS_SEED={seed} BEURS_COMMANDS={commands}: seeds {seed} to {}", seed.wrapping_add(runs) - 1);

    let next = AtomicU64::new(0);
    let coverage = Mutex::new(Coverage::default());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= runs {
                        return;
                    }
                    match run(seed.wrapping_add(index), per_seed, areas, None, |_| {}) {
                        Ok(seen) => coverage.lock().expect("no other run has failed").add(&seen),
                        Err(failure) => {
                            next.store(runs, Ordering::Relaxed);
                            panic!("{failure}");
                        }
                    }
                })
            })
            .collect();
        for worker in workers {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });

    let coverage = coverage.into_inner().expect("every run has ended well");
    println!("{} commands, no difference", coverage.commands);
    assert!(coverage.commands >= commands);
    if commands >= 200_000 && areas == Areas::ALL {
        assert_every_rule_was_reached(&coverage, commands / 50_000);
    }
}

/// Each of them at least `least` times.
fn assert_every_rule_was_reached(coverage: &Coverage, least: u64) {
    let mut wanted: Vec<(&'static str, &'static str)> = Vec::new();
    // That there are too many assets, instruments or accounts is tested on its own, in the engine.
    // That the disk is full is said by the node.
    let elsewhere = [RejectReason::TooManyEntries, RejectReason::DiskFull];
    let reachable = RejectReason::ALL.iter().filter(|reason| !elsewhere.contains(reason));
    wanted.extend(reachable.map(|reason| ("reject", reason.as_str())));
    wanted.extend(CancelReason::ALL.iter().map(|reason| ("cancel_reason", reason.as_str())));
    wanted.extend(ExecType::ALL.iter().map(|exec_type| ("exec_type", exec_type.as_str())));
    wanted.extend(OrderStatus::ALL.iter().map(|status| ("status", status.as_str())));
    wanted.extend(Liquidity::ALL.iter().map(|liquidity| ("liquidity", liquidity.as_str())));
    wanted.extend(SelfTradePrevention::ALL.iter().map(|mode| ("self_trade", mode.as_str())));
    wanted.extend(TradingStatus::ALL.iter().map(|status| ("trading_status", status.as_str())));
    wanted.extend(TimeInForce::ALL.iter().map(|lifetime| ("limit", lifetime.as_str())));
    wanted.extend([("market", "ioc"), ("market", "fok"), ("market", "gtc")]);
    wanted.extend(OrderType::ALL.iter().map(|order_type| ("order_type", order_type.as_str())));
    wanted.extend(TimeInForce::ALL.iter().map(|lifetime| ("lifetime", lifetime.as_str())));
    wanted.extend(TriggerBy::ALL.iter().map(|by| ("trigger_by", by.as_str())));
    wanted.extend(Peg::ALL.iter().map(|peg| ("peg", peg.as_str())));
    wanted.extend(Contingency::ALL.iter().map(|contingency| ("contingency", contingency.as_str())));
    wanted.extend(ListStatus::ALL.iter().map(|status| ("order_list", status.as_str())));
    wanted.extend(StatusReason::ALL.iter().map(|reason| ("status_reason", reason.as_str())));
    wanted.extend(Setting::ALL.iter().map(|setting| ("setting", setting.as_str())));
    let terms =
        ["waits", "list", "trail", "trail_from_a_price", "iceberg", "hidden", "min_quantity", "slide", "auction_only"];
    wanted.extend(terms.map(|which| ("terms", which)));
    wanted.extend([("maker", "iceberg"), ("maker", "not_shown"), ("key", "some")]);
    wanted.extend(["both", "cancel", "new_order", "none"].map(|outcome| ("cancel_replace", outcome)));
    for which in ["none", "some"] {
        wanted.extend(["auction_indication", "auction_ended", "time_advanced", "kill_count"].map(|what| (what, which)));
    }
    wanted.extend(["none", "buy", "sell"].map(|side| ("limit_state", side)));
    wanted.extend(["engaged", "released"].map(|which| ("kill_switch", which)));
    wanted.extend(["all", "instrument", "group", "account", "key"].map(|scope| ("kill_scope", scope)));
    wanted.extend(["busted", "adjusted"].map(|which| ("trade_corrected", which)));
    wanted.extend(["cancel_all_after_set", "mark_price_set", "administered"].map(|event| ("event", event)));
    wanted.extend([("new_order", "quote_quantity"), ("new_order", "post_only")]);
    wanted.extend([("replace", "trades"), ("replace", "does_not_trade")]);
    wanted.extend([("mass_cancel", "some"), ("mass_cancel", "none"), ("fee", "paid"), ("fee", "rebate")]);
    let events = ["posted", "asset_added", "instrument_listed", "account_opened", "account_group_set", "fees_set"];
    wanted.extend(events.map(|event| ("event", event)));

    let mut rarest: Vec<_> = wanted.iter().map(|rule| (coverage.count(rule.0, rule.1), rule)).collect();
    rarest.sort_unstable();
    println!("the rarest: {:?}", &rarest[..12]);
    let missed: Vec<_> = wanted.iter().filter(|(what, which)| coverage.count(what, which) < least).collect();
    assert!(missed.is_empty(), "reached less than {least} times: {missed:?}\nof {:?}", coverage.seen);
}

/// The comparison must notice a model that is wrong in one small thing.
fn defect_is_noticed(defect: Defect) {
    const WITHIN: u64 = 20_000;
    let failure = (1..=4)
        .find_map(|seed| run(seed, WITHIN / 4, Areas::ALL, Some(defect), |_| {}).err())
        .unwrap_or_else(|| panic!("{defect:?} was not noticed within {WITHIN} commands"));
    println!(
        "{defect:?} was noticed after {} commands of seed {}, reduced to {}",
        failure.index + 1,
        failure.seed,
        failure.inputs.len()
    );
    assert!(failure.inputs.len() <= 30, "the reduced commands are few: {failure}");
    assert!(replay(&failure.inputs, Some(defect)).is_some(), "the reduced commands show the defect");
    assert!(replay(&failure.inputs, None).is_none(), "without the defect they show no difference");
}

#[test]
fn comparison_notices_a_reversed_time_priority() {
    defect_is_noticed(Defect::NewestFirst);
}

#[test]
fn comparison_notices_fees_rounded_down() {
    defect_is_noticed(Defect::FeesRoundDown);
}

#[test]
fn comparison_notices_a_reduction_that_loses_priority() {
    defect_is_noticed(Defect::ReduceLosesPriority);
}

#[test]
fn comparison_notices_hidden_orders_before_displayed_ones() {
    defect_is_noticed(Defect::HiddenFirst);
}

#[test]
fn comparison_notices_an_order_of_a_pair_that_lives_on() {
    defect_is_noticed(Defect::PairSurvives);
}

#[test]
fn comparison_notices_an_auction_a_tick_off() {
    defect_is_noticed(Defect::AuctionOneTickOff);
}

#[test]
fn comparison_notices_a_trigger_that_needs_more() {
    defect_is_noticed(Defect::TriggersBeyond);
}

fn text<const N: usize>(text: &str) -> ShortText<N> {
    ShortText::new(text.as_bytes()).expect("short printable ASCII")
}

/// More closed orders than are remembered: the oldest ids become free again, one by one, and survive a restore.
#[test]
fn oldest_remembered_client_order_ids_are_forgotten() {
    let mut pair = Pair::new(None);
    let apply = |pair: &mut Pair, command: Command| {
        pair.apply_without_state(&(1, command)).unwrap_or_else(|mismatch| panic!("{}", mismatch.0));
    };
    apply(&mut pair, Command::AddAsset(AddAsset { code: text("BASE"), scale: 0 }));
    apply(&mut pair, Command::AddAsset(AddAsset { code: text("QUOTE"), scale: 0 }));
    apply(&mut pair, Command::OpenAccount(OpenAccount { code: text("alice"), group_id: GroupId(0) }));
    let account_id = AccountId(2);
    apply(&mut pair, Command::Deposit(Deposit { account_id, asset_id: AssetId(2), amount: Amount(1_000_000) }));
    apply(
        &mut pair,
        Command::ListInstrument(ListInstrument {
            symbol: text("BASE-QUOTE"),
            base: AssetId(1),
            quote: AssetId(2),
            tick_size: Step { mantissa: 1, scale: 0 },
            lot_size: Step { mantissa: 1, scale: 0 },
            min_quantity: Lots(1),
            max_quantity: Lots(1000),
            min_notional: Amount(0),
        }),
    );
    let order = |name: usize| {
        Command::NewOrder(NewOrder {
            account_id,
            instrument_id: InstrumentId(1),
            side: Side::Buy,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Ioc,
            post_only: false,
            self_trade_prevention: SelfTradePrevention::None,
            key_id: KeyId::NONE,
            price: PriceTicks(1),
            quantity: Lots(1),
            quote_quantity: Amount(0),
            client_order_id: ClientOrderId::new(name.to_string().as_bytes()).expect("a short number"),
            terms: None,
        })
    };
    let duplicates = |pair: &Pair| pair.coverage().count("reject", "duplicate_client_order_id");

    for name in 0..REMEMBERED_IDS {
        apply(&mut pair, order(name));
    }
    pair.restore().unwrap_or_else(|mismatch| panic!("{}", mismatch.0));
    apply(&mut pair, order(0));
    assert_eq!(duplicates(&pair), 1, "the oldest of 10,000 is remembered");
    apply(&mut pair, order(REMEMBERED_IDS));
    apply(&mut pair, order(1));
    assert_eq!(duplicates(&pair), 2, "the second oldest is still remembered");
    apply(&mut pair, order(0));
    assert_eq!(duplicates(&pair), 2, "one more and the oldest is forgotten");
    pair.restore().unwrap_or_else(|mismatch| panic!("{}", mismatch.0));
    apply(&mut pair, order(2));
    assert_eq!(duplicates(&pair), 3, "the third oldest is remembered");
    apply(&mut pair, order(1));
    assert_eq!(duplicates(&pair), 3, "the second oldest went when the oldest came back");
}
