//! What the tests of the node share: a temporary directory, a workload, a disk that fails.
#![allow(dead_code)] // Every test file uses a part of it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use beurs_node::engine::command::{
    AddAsset, CancelOrder, Command, Deposit, ListInstrument, MassCancel, NewOrder, OpenAccount, ReplaceOrder,
};
use beurs_node::engine::types::{
    AccountCode, AccountId, Amount, AssetCode, AssetId, ClientOrderId, GroupId, InstrumentId, KeyId, Lots,
    MassCancelReason, OrderId, OrderType, PriceTicks, SelfTradePrevention, Side, Step, Symbol, TimeInForce,
};
use beurs_node::engine::Engine;
use beurs_node::io::{Clock, DirectoryLock, Disk, DiskFile, ReadFile, RealDisk};
use beurs_node::NodeConfig;

/// A directory of its own, removed at the end.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}-{count}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a temporary directory");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A copy of a directory with everything in it.
    pub fn copy_of(name: &str, from: &Path) -> Self {
        let copy = Self::new(name);
        copy_all(from, copy.path());
        copy
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn copy_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&target).expect("a directory");
            copy_all(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("a copy");
        }
    }
}

/// The files of a directory with a suffix, by name.
pub fn files(directory: &Path, suffix: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_str().is_some_and(|name| name.ends_with(suffix)))
        .collect();
    files.sort();
    files
}

pub fn segments(path: &Path) -> Vec<PathBuf> {
    files(&path.join("journal"), ".segment")
}

pub fn checkpoints(path: &Path) -> Vec<PathBuf> {
    files(&path.join("checkpoint"), ".checkpoint")
}

/// A small deterministic generator.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

pub const ACCOUNTS: u32 = 8;

/// Two assets, one instrument, accounts 2 to 9 with money.
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
    ];
    for account in 0..ACCOUNTS {
        let code = AccountCode::new(format!("account-{account}").as_bytes()).expect("a code");
        commands.push(Command::OpenAccount(OpenAccount { code, group_id: GroupId(0) }));
        for asset in 1..=2 {
            commands.push(Command::Deposit(Deposit {
                account_id: AccountId(account + 2),
                asset_id: AssetId(asset),
                amount: Amount(1_000_000_000_000_000),
            }));
        }
    }
    commands
}

pub fn order(account: u32, side: Side, price: i64, quantity: i64, client_order_id: &str) -> Command {
    Command::NewOrder(NewOrder {
        account_id: AccountId(account),
        instrument_id: InstrumentId(1),
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: false,
        self_trade_prevention: SelfTradePrevention::ExpireTaker,
        price: PriceTicks(price),
        quantity: Lots(quantity),
        quote_quantity: Amount::ZERO,
        client_order_id: ClientOrderId::new(client_order_id.as_bytes()).expect("a client_order_id"),
        key_id: KeyId::NONE,
        terms: None,
    })
}

/// What clients might send after [`setup`]: orders that rest and trade, cancels, replaces, mass cancels, money, nonsense.
pub fn command(r: &mut Random) -> Command {
    let account_id = AccountId(2 + r.below(u64::from(ACCOUNTS)) as u32);
    let order_id = OrderId(1 + r.below(400));
    match r.below(20) {
        0..=9 => {
            let side = if r.below(2) == 0 { Side::Buy } else { Side::Sell };
            let price = 1_000 + r.below(40) as i64;
            let id = if r.below(2) == 0 { String::new() } else { format!("id-{}", r.below(100_000)) };
            order(account_id.0, side, price, 1 + r.below(50) as i64, &id)
        }
        10..=14 => Command::CancelOrder(CancelOrder { account_id, order_id, client_order_id: ClientOrderId::EMPTY }),
        15..=16 => Command::ReplaceOrder(ReplaceOrder {
            account_id,
            order_id,
            original_client_order_id: ClientOrderId::EMPTY,
            client_order_id: ClientOrderId::EMPTY,
            price: PriceTicks(1_000 + r.below(40) as i64),
            quantity: Lots(1 + r.below(50) as i64),
            trigger_price: PriceTicks(0),
            display_quantity: Lots::ZERO,
        }),
        17 => Command::MassCancel(MassCancel {
            account_id,
            instrument_id: InstrumentId(1),
            side: Some(Side::Buy),
            reason: MassCancelReason::Requested,
        }),
        18 => Command::Deposit(Deposit { account_id, asset_id: AssetId(2), amount: Amount(r.below(1_000) as i128) }),
        _ => order(999, Side::Buy, 1, 1, ""),
    }
}

pub fn workload(seed: u64, count: usize) -> Vec<Command> {
    let mut r = Random(seed);
    let mut commands = setup();
    while commands.len() < count {
        commands.push(command(&mut r));
    }
    commands.truncate(count);
    commands
}

/// A clock that goes on by one nanosecond each time it is read, from where it was set.
pub struct TickingClock(pub AtomicU64);

impl TickingClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(1_000)))
    }
}

impl Clock for TickingClock {
    fn now_ns(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed) as i64
    }
}

/// A node in a directory with small segments, no checkpoints but on request, and a clock that ticks.
pub fn small(path: &Path) -> NodeConfig {
    NodeConfig {
        path: Some(path.to_owned()),
        segment_bytes: 64 << 10,
        checkpoint_interval: 0,
        clock: TickingClock::new(),
        ..NodeConfig::default()
    }
}

pub fn digest(engine: &Engine) -> [u8; 32] {
    engine.digest()
}

// ---------------------------------------------------------------------------------------------------------------------

/// What a [`FaultyDisk`] does to the next operations.
#[derive(Default)]
pub struct Faults {
    /// The sync after so many good ones fails, and every later one.
    pub syncs_until_failure: Option<u64>,
    /// The write after so many good ones fails half way.
    pub writes_until_failure: Option<u64>,
    /// The file creation after so many good ones finds the disk full.
    pub creates_until_full: Option<u64>,
    /// After a failure: writes and syncs that were tried nevertheless.
    pub tried_after_failure: u64,
    /// Writes that no sync has confirmed yet: they reach the file only when synced, or in pieces by a power cut.
    pub hold_back_writes: bool,
    /// The names of the files that are open for writing, which follow a rename.
    pub names: Vec<Arc<Mutex<PathBuf>>>,
    pub held_back: Vec<(PathBuf, u64, Vec<u8>)>,
    pub failed: bool,
}

/// A disk that fails as it is told to.
#[derive(Clone)]
pub struct FaultyDisk(pub Arc<Mutex<Faults>>);

impl FaultyDisk {
    pub fn new(faults: Faults) -> Self {
        Self(Arc::new(Mutex::new(faults)))
    }

    pub fn faults(&self) -> std::sync::MutexGuard<'_, Faults> {
        self.0.lock().expect("no panic holds it")
    }

    /// The power goes: of each write that was not synced, every sector is either on the disk or not.
    pub fn cut_power(&self, r: &mut Random) {
        use std::os::unix::fs::FileExt;
        const SECTOR: u64 = 512;
        for (path, offset, bytes) in std::mem::take(&mut self.faults().held_back) {
            // Written when nothing else had failed, or before it had its name; then it has no record either.
            let Ok(file) = std::fs::OpenOptions::new().write(true).open(&path) else { continue };
            let mut at = 0;
            let keep_percent = [0, 20, 50, 80, 100][r.below(5) as usize];
            while at < bytes.len() {
                let next = bytes.len().min(at + (SECTOR - (offset + at as u64) % SECTOR) as usize);
                if r.below(100) < keep_percent {
                    file.write_all_at(&bytes[at..next], offset + at as u64).expect("a write");
                }
                at = next;
            }
        }
    }
}

fn count_down(left: &mut Option<u64>) -> bool {
    match left {
        Some(0) => true,
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    }
}

fn input_output_error() -> io::Error {
    io::Error::from_raw_os_error(5)
}

struct FaultyFile {
    file: Box<dyn DiskFile>,
    path: Arc<Mutex<PathBuf>>,
    faults: Arc<Mutex<Faults>>,
}

impl Disk for FaultyDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_directory(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        RealDisk.exists(path)
    }

    fn read_directory(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        RealDisk.read_directory(path)
    }

    fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        RealDisk.open_to_read(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<DirectoryLock>> {
        RealDisk.lock(path)
    }

    fn create(&self, path: &Path, size: u64) -> io::Result<Box<dyn DiskFile>> {
        if count_down(&mut self.faults().creates_until_full) {
            return Err(io::Error::from_raw_os_error(28));
        }
        let file = RealDisk.create(path, size)?;
        let path = Arc::new(Mutex::new(path.to_owned()));
        self.faults().names.push(path.clone());
        Ok(Box::new(FaultyFile { file, path, faults: self.0.clone() }))
    }

    fn open(&self, path: &Path, size: u64) -> io::Result<Box<dyn DiskFile>> {
        let file = RealDisk.open(path, size)?;
        let path = Arc::new(Mutex::new(path.to_owned()));
        self.faults().names.push(path.clone());
        Ok(Box::new(FaultyFile { file, path, faults: self.0.clone() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        for name in &self.faults().names {
            let mut name = name.lock().expect("no panic holds it");
            if *name == from {
                to.clone_into(&mut name);
            }
        }
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_directory(path)
    }
}

impl DiskFile for FaultyFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut faults = self.faults.lock().expect("no panic holds it");
        if faults.failed {
            faults.tried_after_failure += 1;
        }
        if count_down(&mut faults.writes_until_failure) {
            faults.failed = true;
            self.file.write_all_at(&bytes[..bytes.len() / 2], offset)?;
            return Err(input_output_error());
        }
        if faults.hold_back_writes {
            let path = self.path.lock().expect("no panic holds it").clone();
            faults.held_back.push((path, offset, bytes.to_vec()));
            return Ok(());
        }
        self.file.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut faults = self.faults.lock().expect("no panic holds it");
        if faults.failed {
            faults.tried_after_failure += 1;
        }
        if count_down(&mut faults.syncs_until_failure) {
            faults.failed = true;
            return Err(input_output_error());
        }
        for (_, offset, bytes) in std::mem::take(&mut faults.held_back) {
            self.file.write_all_at(&bytes, offset)?;
        }
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        for (_, offset, bytes) in std::mem::take(&mut self.faults.lock().expect("no panic holds it").held_back) {
            self.file.write_all_at(&bytes, offset)?;
        }
        self.file.sync_all()
    }
}
