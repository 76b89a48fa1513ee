//! Orders through the binary door: TCP on this machine, a journal with fdatasync, clients and server in one process and
//! so on the same cores.
//!
//! `cargo bench -p beurs-node --bench door -- [COMMANDS] [CONNECTIONS] [RATE]`. First as many as it takes, with up to
//! 4,096 unanswered requests a connection; then at a steady rate, where the latency of a command is from the moment it was
//! due to be sent to its last report. The commands: 60 % limit orders around the touch, of which some trade, 40 % cancels.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use beurs_node::engine::command::{AddAsset, Command, Deposit, ListInstrument, OpenAccount};
use beurs_node::engine::types::{
    AccountCode, AccountId, Amount, AssetCode, AssetId, GroupId, InstrumentId, KeyId, Lots, Step, Symbol,
};
use beurs_node::gateway::client::{Client, SigningKey};
use beurs_node::gateway::{Address, GatewayConfig, Key, Keys, Position, Server};
use beurs_node::sbe::{CancelOrder, Message, NewOrder, OrderAccepted};
use beurs_node::{NodeConfig, NodeHandle};

const WINDOW: u64 = 4_096;
const RUNS: usize = 3;

fn private(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

fn account(number: u8) -> AccountCode {
    AccountCode::new(format!("trader-{number}").as_bytes()).expect("a code")
}

/// One instrument, and an account with money for each connection.
fn venue(handle: &NodeHandle, connections: u8) -> Keys {
    let asset = |code: &[u8], scale| Command::AddAsset(AddAsset { code: AssetCode::new(code).expect("a code"), scale });
    let mut commands = vec![
        asset(b"BTC", 8),
        asset(b"USD", 2),
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
    ];
    for number in 1..=connections {
        commands.push(Command::OpenAccount(OpenAccount { code: account(number), group_id: GroupId(0) }));
        for asset in 1..=2 {
            let (account_id, amount) = (AccountId(u32::from(number) + 1), Amount(1_000_000_000_000_000_000));
            commands.push(Command::Deposit(Deposit { account_id, asset_id: AssetId(asset), amount }));
        }
    }
    handle.execute(&commands).expect("executed");
    let keys = Keys::default();
    keys.set((1..=connections).map(|number| {
        let (account_id, key_id) = (AccountId(u32::from(number) + 1), KeyId(1));
        let key = Key { account_id, account: account(number), key_id, trade: true };
        (private(number).verifying_key().to_bytes(), key)
    }));
    keys
}

/// A stream of commands, made as it goes.
struct Flow {
    random: u64,
    /// Orders that were accepted and perhaps rest, to be canceled.
    resting: Vec<u64>,
}

impl Flow {
    fn below(&mut self, n: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % n
    }

    fn push(&mut self, client: &mut Client) {
        let request_sequence = client.number();
        if self.below(10) < 4 {
            if let Some(order_id) = self.resting.pop() {
                client.push(&CancelOrder { request_sequence, order_id, ..CancelOrder::ZERO });
                return;
            }
        }
        let side = 1 + self.below(2) as u8;
        let behind = self.below(20) as i64;
        let price = if side == 1 { 100_002 - behind } else { 99_998 + behind };
        client.push(&NewOrder {
            request_sequence,
            instrument_id: 1,
            side,
            order_type: 1,
            time_in_force: 1,
            price,
            quantity: 1 + self.below(9) as i64,
            ..NewOrder::ZERO
        });
    }

    /// Takes what came. Gives the number of the last request that has its last report; how many have.
    fn take(&mut self, client: &mut Client, mut done: impl FnMut(u64)) -> u64 {
        let mut count = 0;
        while let Some(frame) = client.next_message().expect("a frame") {
            if !(60..80).contains(&frame.template_id) {
                assert!(frame.template_id < 60, "template {}", frame.template_id);
                continue;
            }
            let fields = frame.fields;
            let request = u64::from_le_bytes(std::array::from_fn(|at| fields[28 + at]));
            if request != 0 && fields[36] & 1 != 0 {
                count += 1;
                done(request);
                if frame.template_id == OrderAccepted::TEMPLATE_ID && self.resting.len() < 1_000 {
                    let order_id = u64::from_le_bytes(std::array::from_fn(|at| fields[37 + at]));
                    self.resting.push(order_id);
                }
            }
        }
        count
    }
}

/// As fast as it goes.
fn flood(address: &Address, number: u8, commands: u64) {
    let mut client = Client::connect(address).expect("connected");
    client.log_on(&private(number), 0, Position::default(), 60_000).expect("a session");
    let mut flow = Flow { random: u64::from(number), resting: Vec::new() };
    let (mut sent, mut done) = (0, 0);
    while done < commands {
        // Not one by one: a write is worth some hundred commands.
        if sent < commands && sent - done <= WINDOW - 512 {
            let count = (commands - sent).min(512);
            for _ in 0..count {
                flow.push(&mut client);
            }
            sent += count;
            client.flush().expect("sent");
            continue;
        }
        client.receive().expect("something");
        done += flow.take(&mut client, |_| {});
    }
}

/// At a steady rate. Gives the latencies, in microseconds.
fn pace(address: &Address, number: u8, commands: u64, rate: u64) -> Vec<u32> {
    let mut client = Client::connect(address).expect("connected");
    client.log_on(&private(number), 0, Position::default(), 60_000).expect("a session");
    let mut flow = Flow { random: u64::from(number), resting: Vec::new() };
    let begun = Instant::now();
    let due_ns = |request: u64| request * 1_000_000_000 / rate;
    let mut latencies = Vec::with_capacity(commands as usize);
    let (mut sent, mut done) = (0, 0);
    while done < commands {
        let now_ns = begun.elapsed().as_nanos() as u64;
        while sent < commands && due_ns(sent) <= now_ns {
            flow.push(&mut client);
            sent += 1;
        }
        if client.buffered() > 0 {
            client.flush().expect("sent");
        }
        let wait = if sent < commands { due_ns(sent).saturating_sub(now_ns).max(100_000) } else { 1_000_000_000 };
        if client.receive_within(Duration::from_nanos(wait)).expect("alive") {
            let now_ns = begun.elapsed().as_nanos() as u64;
            done += flow.take(&mut client, |request| {
                latencies.push((now_ns.saturating_sub(due_ns(request - 1)) / 1_000) as u32);
            });
        }
    }
    latencies
}

/// Processor time of all threads so far.
fn processor_seconds() -> f64 {
    // SAFETY: the structure is plain numbers, and is filled by the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let commands = numbers.first().copied().unwrap_or(1_000_000);
    let connections = numbers.get(1).copied().unwrap_or(2).clamp(1, 200) as u8;
    let rate = numbers.get(2).copied().unwrap_or(100_000);
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("door-bench-{}", std::process::id()));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{cores} cores, {connections} connections, {commands} commands, TCP, journal with fdatasync");

    let mut rates = Vec::new();
    for run in 0..RUNS {
        let path = directory.join(format!("flood-{run}"));
        let (handle, _) = NodeHandle::open(&NodeConfig::at(&path)).expect("a node");
        let keys = venue(&handle, connections);
        let local = [Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))];
        let server = Server::start(handle.clone(), keys, &local, GatewayConfig::default()).expect("a server");
        let address = &server.addresses()[0];
        let (begun, processor) = (Instant::now(), processor_seconds());
        std::thread::scope(|scope| {
            for number in 1..=connections {
                scope.spawn(move || flood(address, number, commands / u64::from(connections)));
            }
        });
        let seconds = begun.elapsed().as_secs_f64();
        let (processor, stats) = (processor_seconds() - processor, handle.stats());
        let reports = server.stats().reports as f64 / commands as f64;
        println!(
            "  {:>9.0} commands/s, {:.2} µs of processor each, {reports:.2} reports each, {:.0} commands a write",
            commands as f64 / seconds,
            processor * 1e6 / commands as f64,
            stats.journal_commands as f64 / stats.journal_writes as f64,
        );
        rates.push(commands as f64 / seconds);
        drop(server);
        handle.close();
    }
    rates.sort_by(f64::total_cmp);
    println!("  median {:.0} commands/s", rates[RUNS / 2]);

    let (handle, _) = NodeHandle::open(&NodeConfig::at(directory.join("pace"))).expect("a node");
    let keys = venue(&handle, connections);
    let local = [Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))];
    let server = Server::start(handle.clone(), keys, &local, GatewayConfig::default()).expect("a server");
    let address = &server.addresses()[0];
    let share = u64::from(connections);
    let mut latencies: Vec<u32> = std::thread::scope(|scope| {
        let paced: Vec<_> = (1..=connections)
            .map(|number| scope.spawn(move || pace(address, number, 5 * rate / share, rate / share)))
            .collect();
        paced.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    println!("{rate} commands/s for 5 s: p50 {} µs, p99 {} µs, p99.9 {} µs", at(0.5), at(0.99), at(0.999));
    let open = handle.with_engine(|engine| engine.depth(InstrumentId(1), beurs_node::engine::types::Side::Buy).count());
    println!("{} bid levels at the end", open.expect("running"));
    drop(server);
    handle.close();
    // It is in the target directory, where nothing misses it.
    let _ = std::fs::remove_dir_all(&directory);
}
