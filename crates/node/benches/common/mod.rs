//! What the benchmarks of the node share: the load, the bare disk, figures.
#![allow(dead_code)] // Every benchmark uses a part of it.

use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use beurs_node::engine::command::{
    AddAsset, CancelOrder, Command, Deposit, ListInstrument, NewOrder, OpenAccount, SetFees,
};
use beurs_node::engine::event::Event;
use beurs_node::engine::types::{
    AccountCode, AccountId, Amount, AssetCode, AssetId, ClientOrderId, ExecType, GroupId, InstrumentId, KeyId, Lots,
    OrderId, OrderType, PriceTicks, SelfTradePrevention, Side, Step, Symbol, TimeInForce,
};
use beurs_node::engine::Engine;

/// How many orders of the load are open, about.
pub const RESTING: usize = 1_000;

/// Where the benchmarks put their files.
pub fn directory() -> PathBuf {
    std::env::var_os("BEURS_BENCH_DIRECTORY")
        .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).to_owned(), PathBuf::from)
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// Two assets, an instrument with fees, accounts 2 to 101 with money.
pub fn setup() -> Vec<Command> {
    let mut commands = vec![
        Command::AddAsset(AddAsset { code: AssetCode::new(b"BTC").expect("a code"), scale: 8 }),
        Command::AddAsset(AddAsset { code: AssetCode::new(b"USD").expect("a code"), scale: 2 }),
        Command::ListInstrument(ListInstrument {
            symbol: Symbol::new(b"BTC-USD").expect("a symbol"),
            base: AssetId(1),
            quote: AssetId(2),
            tick_size: Step { mantissa: 1, scale: 1 },
            lot_size: Step { mantissa: 1, scale: 1 },
            min_quantity: Lots(1),
            max_quantity: Lots(1_000_000),
            min_notional: Amount(0),
        }),
        Command::SetFees(SetFees {
            instrument_id: InstrumentId(1),
            group_id: GroupId(0),
            maker_ppm: -100,
            taker_ppm: 500,
        }),
    ];
    for account in 2..=101 {
        let code = AccountCode::new(format!("a{account}").as_bytes()).expect("a code");
        commands.push(Command::OpenAccount(OpenAccount { code, group_id: GroupId(0) }));
        for asset in 1..=2 {
            let (account_id, asset_id) = (AccountId(account), AssetId(asset));
            commands.push(Command::Deposit(Deposit { account_id, asset_id, amount: Amount(1 << 80) }));
        }
    }
    commands
}

/// The load behind [`setup`], made with an engine at hand so that cancels name orders that are open.
pub fn load(count: usize) -> Vec<Command> {
    let mut engine = Engine::default();
    let mut events: Vec<Event> = Vec::new();
    for (command, sequence) in setup().iter().zip(1..) {
        engine.apply(sequence, 0, command, &mut events);
    }
    let mut r = Random(1);
    let (mut commands, mut open) = (Vec::with_capacity(count), Vec::new());
    while commands.len() < count {
        let kind = r.below(100);
        let buy = r.below(2) == 0;
        let account_id = AccountId(2 + r.below(100) as u32);
        let away = 1 + r.below(20) as i64;
        let command = if kind < 40 && open.len() > RESTING {
            let (account_id, order_id) = open.swap_remove(r.below(open.len() as u64) as usize);
            Command::CancelOrder(CancelOrder { account_id, order_id, client_order_id: ClientOrderId::EMPTY })
        } else {
            let takes = (40..50).contains(&kind);
            let away = if takes { -30 } else { away };
            Command::NewOrder(NewOrder {
                account_id,
                instrument_id: InstrumentId(1),
                side: if buy { Side::Buy } else { Side::Sell },
                order_type: OrderType::Limit,
                time_in_force: if takes { TimeInForce::Ioc } else { TimeInForce::Gtc },
                post_only: false,
                self_trade_prevention: SelfTradePrevention::ExpireTaker,
                price: PriceTicks(if buy { 10_000 - away } else { 10_000 + away }),
                quantity: Lots(1 + r.below(10) as i64),
                quote_quantity: Amount::ZERO,
                client_order_id: ClientOrderId::EMPTY,
                key_id: KeyId::NONE,
                terms: None,
            })
        };
        events.clear();
        engine.apply(engine.sequence() + 1, 0, &command, &mut events);
        if let (Command::NewOrder(order), Some(Event::Execution(report))) = (&command, events.first()) {
            if report.exec_type == ExecType::New && order.time_in_force == TimeInForce::Gtc {
                open.push((report.account_id, report.order_id));
            }
        }
        for event in &events {
            if let Event::Execution(report) = event {
                if report.exec_type == ExecType::Trade && report.leaves_quantity == Lots::ZERO {
                    let gone: OrderId = report.order_id;
                    if let Some(at) = open.iter().position(|&(_, order_id)| order_id == gone) {
                        open.swap_remove(at);
                    }
                }
            }
        }
        commands.push(command);
    }
    commands
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Records a second that the bare disk takes: `batch` records of `bytes` in one write and one fdatasync.
pub fn bare(path: &Path, count: usize, batch: usize, bytes: u64) -> f64 {
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(path).expect("a file");
    let write = vec![7_u8; batch * bytes as usize];
    let writes = count.div_ceil(batch);
    let size = writes * write.len();
    // SAFETY: the descriptor is open; the call touches no memory of ours.
    assert_eq!(unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, size as libc::off_t) }, 0);
    file.sync_all().expect("a sync");
    let begun = Instant::now();
    for n in 0..writes {
        file.write_all_at(&write, (n * write.len()) as u64).expect("a write");
        file.sync_data().expect("a sync");
    }
    let rate = (writes * batch) as f64 / begun.elapsed().as_secs_f64();
    std::fs::remove_file(path).expect("a removal");
    rate
}

pub fn millions(rates: Vec<f64>) -> String {
    format!("{:6.2}", median(rates) / 1e6)
}
