//! Mistakes that the simulation can be told to make, so that the auditor is known to find them. They are made between the
//! node and the rest of the simulation; the node itself has no switch for them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use beurs_engine::command::{CancelOrder, Command, Deposit};
use beurs_engine::event::Event;
use beurs_engine::types::{AccountId, Amount, AssetId, ClientOrderId, ExecType, OrderId, ShortText};
use beurs_node::io::{DirectoryLock, Disk, DiskFile, ReadFile};

use crate::auditor::Entry;

/// One planted mistake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Defect {
    /// A sync says yes and makes nothing durable: what is acknowledged may be lost.
    AckBeforeSync,
    /// A sync that has failed is taken for one that has not.
    SyncErrorIgnored,
    /// The names of new files are not made durable.
    DirectorySyncIgnored,
    /// A request that comes twice is applied twice.
    DuplicateApplied,
    /// A cancel is answered as if there were no such order.
    LostCancel,
    /// After a crash, a piece of the last write is taken for a command.
    TornTailAccepted,
    /// After a crash, the last command is executed once more.
    ReplayedTwice,
    /// After a crash, the node goes on with a sequence too far.
    WrongRecoverySequence,
    /// After a crash, the state is not that of the journal.
    WrongRecoveredState,
    /// Two reports of one command leave in the wrong order.
    ReorderedReports,
    /// A report does not leave.
    DroppedReport,
    /// A report leaves twice.
    RepeatedReport,
    /// A balance grows by one unit.
    MoneyCreated,
    /// A fee is one unit too small.
    FeeTooSmall,
    /// A trade is reported one tick worse for the taker.
    WorsePrice,
    /// The events of a command are told with the time of an earlier one.
    TimeGoesBack,
    /// An answer goes to another request of the same client.
    WrongAnswer,
    /// A request is dropped, and never answered.
    NeverAnswered,
    /// A session that resumes misses a report.
    ResumeLosesReport,
    /// A session that resumes gets a report twice.
    ResumeRepeatsReport,
    /// Sessions are told what was executed and is not durable.
    SessionAheadOfDisk,
    /// The end of a session does not cancel what it should.
    ForgottenDisconnect,
}

impl Defect {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::AckBeforeSync,
        Self::SyncErrorIgnored,
        Self::DirectorySyncIgnored,
        Self::DuplicateApplied,
        Self::LostCancel,
        Self::TornTailAccepted,
        Self::ReplayedTwice,
        Self::WrongRecoverySequence,
        Self::WrongRecoveredState,
        Self::ReorderedReports,
        Self::DroppedReport,
        Self::RepeatedReport,
        Self::MoneyCreated,
        Self::FeeTooSmall,
        Self::WorsePrice,
        Self::TimeGoesBack,
        Self::WrongAnswer,
        Self::NeverAnswered,
        Self::ResumeLosesReport,
        Self::ResumeRepeatsReport,
        Self::SessionAheadOfDisk,
        Self::ForgottenDisconnect,
    ];

    /// Whether it is one of the binary door's: sessions are then a part of the simulation, and with other mistakes not.
    pub fn is_of_the_door(self) -> bool {
        matches!(
            self,
            Self::ResumeLosesReport | Self::ResumeRepeatsReport | Self::SessionAheadOfDisk | Self::ForgottenDisconnect
        )
    }
}

/// Makes the mistakes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tampering {
    defect: Option<Defect>,
    /// Chances to make the mistake that were passed over, so that it is made in the middle of things.
    passed: u32,
    recovered: bool,
}

impl Tampering {
    pub(crate) fn new(defect: Option<Defect>) -> Self {
        Self { defect, ..Self::default() }
    }

    pub(crate) fn is(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    /// Every tenth chance.
    pub(crate) fn now(&mut self) -> bool {
        self.passed += 1;
        self.passed % 10 == 0
    }

    /// What the node gets of a request that has come before or not.
    pub(crate) fn command(&mut self, command: &Command, repeated: bool) -> Option<Command> {
        match (self.defect, command) {
            (Some(Defect::DuplicateApplied), Command::NewOrder(order)) if repeated => {
                let mut order = order.clone();
                order.client_order_id = longer(&order.client_order_id);
                Some(Command::NewOrder(order))
            }
            (Some(Defect::LostCancel), Command::CancelOrder(cancel)) => {
                Some(Command::CancelOrder(CancelOrder { order_id: OrderId(u64::MAX), ..*cancel }))
            }
            (Some(Defect::NeverAnswered), Command::NewOrder(order))
                if order.client_order_id.as_str().ends_with('3') =>
            {
                None
            }
            _ => Some(command.clone()),
        }
    }

    /// What leaves the node of what was released.
    pub(crate) fn events(&mut self, released: &mut Vec<Entry>) {
        for entry in released.iter_mut() {
            let defect = self.defect;
            match defect {
                Some(Defect::DuplicateApplied) => undo_longer(&mut entry.events),
                Some(Defect::LostCancel) => {
                    if let (Command::CancelOrder(cancel), [Event::Rejected(rejected)]) =
                        (&entry.command, &mut entry.events[..])
                    {
                        rejected.order_id = cancel.order_id;
                    }
                }
                Some(Defect::ReorderedReports) if entry.events.len() > 1 && self.now() => entry.events.swap(0, 1),
                Some(Defect::DroppedReport) if entry.events.len() > 1 && self.now() => {
                    entry.events.pop();
                }
                Some(Defect::RepeatedReport) if !entry.events.is_empty() && self.now() => {
                    let last = entry.events[entry.events.len() - 1];
                    entry.events.push(last);
                }
                Some(Defect::TimeGoesBack) if self.now() => entry.event_time_ns -= 1_000_000_000,
                Some(Defect::FeeTooSmall) => self.trades(&mut entry.events, |_, fee| fee.0 -= 1),
                Some(Defect::WorsePrice) => self.trades(&mut entry.events, |price, _| *price += 1),
                _ => {}
            }
        }
        if self.is(Defect::WrongRecoverySequence) && self.recovered {
            for entry in released {
                entry.sequence += 1;
            }
        }
    }

    fn trades(&mut self, events: &mut [Event], mut change: impl FnMut(&mut i64, &mut Amount)) {
        for event in events {
            let Event::Execution(report) = event else { continue };
            if report.exec_type == ExecType::Trade && self.now() {
                change(&mut report.last_price.0, &mut report.fee);
            }
        }
    }

    /// Whether two answers are to be exchanged.
    pub(crate) fn exchanges_answers(&mut self) -> bool {
        self.is(Defect::WrongAnswer) && self.now()
    }

    /// What a recovered node executes although nobody has asked for it.
    pub(crate) fn after_recovery(&mut self, journal: &[Entry]) -> Option<Command> {
        self.recovered = !journal.is_empty();
        let last = journal.iter().rev().map(|entry| &entry.command);
        match self.defect {
            Some(Defect::ReplayedTwice) => last.into_iter().find(|command| **command != Command::AdvanceTime).cloned(),
            Some(Defect::TornTailAccepted) => last.into_iter().find_map(|command| match command {
                Command::NewOrder(order) => {
                    let mut order = order.clone();
                    order.client_order_id = ClientOrderId::EMPTY;
                    order.quantity.0 += 256;
                    Some(Command::NewOrder(order))
                }
                _ => None,
            }),
            _ => None,
        }
    }

    /// What makes the recovered state another one.
    pub(crate) fn spoils_recovery(&self, journal: &[Entry]) -> Option<Command> {
        let deposit = Deposit { account_id: AccountId(2), asset_id: AssetId(1), amount: Amount(1) };
        (self.is(Defect::WrongRecoveredState) && !journal.is_empty()).then_some(Command::Deposit(deposit))
    }

    /// Whether what leaves is changed.
    pub(crate) fn changes_events(&self) -> bool {
        self.defect.is_some()
    }

    /// What the venue shows as its balances.
    pub(crate) fn balances(&mut self, balances: &mut [(AccountId, AssetId, i128, i128)]) {
        if let (true, Some(balance)) = (self.is(Defect::MoneyCreated), balances.first_mut()) {
            balance.2 += 1;
        }
    }

    /// The disk that the node gets.
    pub(crate) fn disk(&self, disk: Arc<dyn Disk>) -> Arc<dyn Disk> {
        match self.defect {
            Some(defect @ (Defect::AckBeforeSync | Defect::SyncErrorIgnored | Defect::DirectorySyncIgnored)) => {
                Arc::new(LyingDisk { disk, defect })
            }
            _ => disk,
        }
    }
}

fn longer(name: &ClientOrderId) -> ClientOrderId {
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(b'*');
    ShortText::new(&bytes).unwrap_or(*name)
}

fn undo_longer(events: &mut [Event]) {
    for event in events {
        let name = match event {
            Event::Execution(report) => &mut report.client_order_id,
            Event::Rejected(rejected) => &mut rejected.client_order_id,
            _ => continue,
        };
        if let [short @ .., b'*'] = name.as_bytes() {
            *name = ShortText::new(short).unwrap_or(*name);
        }
    }
}

struct LyingDisk {
    disk: Arc<dyn Disk>,
    defect: Defect,
}

struct LyingFile {
    file: Box<dyn DiskFile>,
    defect: Defect,
}

impl LyingDisk {
    fn file(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(LyingFile { file, defect: self.defect })
    }
}

impl Disk for LyingDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.disk.create_directory(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.disk.exists(path)
    }

    fn read_directory(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.disk.read_directory(path)
    }

    fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        self.disk.open_to_read(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<DirectoryLock>> {
        self.disk.lock(path)
    }

    fn create(&self, path: &Path, size: u64) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.file(self.disk.create(path, size)?))
    }

    fn open(&self, path: &Path, size: u64) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.file(self.disk.open(path, size)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        match self.defect {
            Defect::DirectorySyncIgnored => Ok(()),
            _ => self.disk.sync_directory(path),
        }
    }
}

impl LyingFile {
    fn sync(&self, sync: impl FnOnce(&dyn DiskFile) -> io::Result<()>) -> io::Result<()> {
        match self.defect {
            Defect::AckBeforeSync => Ok(()),
            Defect::SyncErrorIgnored => {
                let _ = sync(self.file.as_ref()); // That is the mistake.
                Ok(())
            }
            _ => sync(self.file.as_ref()),
        }
    }
}

impl DiskFile for LyingFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync(|file| file.sync_data())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync(|file| file.sync_all())
    }
}
