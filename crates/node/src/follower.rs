//! A private engine that reads the journal: events of any sequence for readers that are late, and the proof that a
//! journal gives the state that its checkpoints say.
//!
//! Invariant: a follower of a running node never reads behind what the node says is durable.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use beurs_engine::{Engine, EngineConfig, SnapshotError};

use crate::checkpoint::{self, CheckpointFile, SkippedCheckpoint};
use crate::error::{JournalError, NodeError, StopReason};
use crate::io::{Disk, RealDisk};
use crate::journal::{self, JournalReader, Position, Record, SeekError, TornTail};
use crate::node::{checkpoint_directory, guarded, journal_directory};
use crate::wire::{EventRecord, RecordSink, EVENT_SIZE};

/// Executes a journal on the side.
pub struct Follower {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    config: EngineConfig,
    engine: Engine,
    reader: JournalReader,
    /// The records that no longer fitted into an answer are executed already; their events wait here.
    left: Vec<EventRecord>,
}

impl Follower {
    /// A follower at the newest usable checkpoint at or before `sequence`, or else at the start.
    ///
    /// # Errors
    /// The journal is damaged, cannot be read, or begins behind `sequence` (`Trimmed`).
    pub fn open(disk: Arc<dyn Disk>, path: &Path, config: &EngineConfig, sequence: u64) -> Result<Self, NodeError> {
        let journal_path = journal_directory(path);
        for file in checkpoint::list(disk.as_ref(), &checkpoint_directory(path))? {
            if file.sequence > sequence {
                continue;
            }
            // One that cannot be used is passed over, as in recovery.
            let Ok(checkpoint) = checkpoint::read(disk.as_ref(), &file) else {
                continue;
            };
            let Ok(engine) = Engine::restore(config.clone(), &checkpoint.snapshot) else {
                continue;
            };
            match JournalReader::open_at(disk.clone(), &journal_path, checkpoint.position) {
                Ok(reader) => return Ok(Self::new(disk, path, config, engine, reader)),
                Err(SeekError::Journal(error)) => return Err(error.into()),
                Err(SeekError::OtherHistory | SeekError::OtherLimits(_)) => {}
            }
        }
        match JournalReader::open(disk.clone(), &journal_path, 0) {
            Ok(reader) => Ok(Self::new(disk, path, config, Engine::new(config.clone()), reader)),
            Err(JournalError::Trimmed { path: journal_path, .. }) => {
                // Commands alone give no events: there must be a state before them.
                let oldest = checkpoint::list(disk.as_ref(), &checkpoint_directory(path))?.pop();
                let first_sequence = oldest.map_or(u64::MAX, |oldest| oldest.sequence + 1);
                Err(JournalError::Trimmed { path: journal_path, first_sequence }.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The state after the command `sequence`, which must be durable, with the limits that the journal itself tells: for
    /// who has no node. It changes nothing and may run beside the node.
    ///
    /// # Errors
    /// As [`Self::open`] and [`Self::advance_to`]; there is no journal.
    pub fn open_at(path: &Path, sequence: u64) -> Result<Self, NodeError> {
        let disk = Arc::new(RealDisk) as Arc<dyn Disk>;
        let journal_path = journal_directory(path);
        for file in checkpoint::list(disk.as_ref(), &checkpoint_directory(path))? {
            if file.sequence > sequence {
                continue;
            }
            // As above: one that cannot be used is passed over.
            let Ok(checkpoint) = checkpoint::read(disk.as_ref(), &file) else {
                continue;
            };
            let reader = match JournalReader::open_at(disk.clone(), &journal_path, checkpoint.position) {
                Ok(reader) => reader,
                Err(SeekError::Journal(error)) => return Err(error.into()),
                Err(SeekError::OtherHistory | SeekError::OtherLimits(_)) => continue,
            };
            let Some(limits) = reader.limits() else {
                continue;
            };
            let config: EngineConfig = limits.into();
            if let Ok(engine) = Engine::restore(config.clone(), &checkpoint.snapshot) {
                let mut follower = Self::new(disk, path, &config, engine, reader);
                follower.advance_to(sequence)?;
                return Ok(follower);
            }
        }
        let reader = JournalReader::open(disk.clone(), &journal_path, 0)?;
        let Some(limits) = reader.limits() else {
            return Err(JournalError::damaged(&journal_path, 0, "there is no journal").into());
        };
        let config: EngineConfig = limits.into();
        let mut follower = Self::new(disk, path, &config, Engine::new(config.clone()), reader);
        follower.advance_to(sequence)?;
        Ok(follower)
    }

    /// The journal's running hash after [`Self::sequence`].
    pub fn running_hash(&self) -> u64 {
        self.position().running_hash
    }

    fn new(disk: Arc<dyn Disk>, path: &Path, config: &EngineConfig, engine: Engine, reader: JournalReader) -> Self {
        Self { disk, path: path.to_owned(), config: config.clone(), engine, reader, left: Vec::new() }
    }

    /// The sequence of the last command that it has executed.
    pub fn sequence(&self) -> u64 {
        self.engine.sequence()
    }

    /// Its state: that after [`Self::sequence`].
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Where in the journal it is.
    pub(crate) fn position(&self) -> Position {
        self.reader.position()
    }

    /// Goes on with the engine whose snapshot this is, which must be of where it is. The engine before goes first, so
    /// that there never are two.
    pub(crate) fn restore(&mut self, snapshot: &[u8]) -> Result<(), SnapshotError> {
        self.left.clear();
        self.engine = Engine::new(EngineConfig::default());
        self.engine = Engine::restore(self.config.clone(), snapshot)?;
        Ok(())
    }

    /// Its state, to go on with.
    pub(crate) fn into_engine(self) -> Engine {
        self.engine
    }

    /// Goes on to a sequence, which must be durable.
    ///
    /// # Errors
    /// The journal is damaged, cannot be read or ends before it; or a command breaks an invariant of the engine.
    pub fn advance_to(&mut self, sequence: u64) -> Result<(), NodeError> {
        self.left.clear();
        while self.engine.sequence() < sequence {
            self.step(sequence, None)?;
        }
        Ok(())
    }

    /// Goes on to a sequence, which must be durable, and appends the events.
    ///
    /// # Errors
    /// As [`Self::advance_to`].
    pub(crate) fn events_to(&mut self, sequence: u64, events: &mut Vec<EventRecord>) -> Result<(), NodeError> {
        while self.engine.sequence() < sequence {
            self.step(sequence, Some(events))?;
        }
        Ok(())
    }

    /// The events with a sequence above `sequence` and at most `durable_sequence`: whole commands, at most `max_bytes`,
    /// but at least one command if there is one. It goes on from where it is if it can, and from a checkpoint if not.
    ///
    /// # Errors
    /// As [`Self::advance_to`].
    pub fn events_since(
        &mut self,
        sequence: u64,
        max_bytes: usize,
        durable_sequence: u64,
    ) -> Result<Vec<EventRecord>, NodeError> {
        let waiting = self.left.first().map_or(self.engine.sequence() + 1, |record| record.sequence);
        if sequence + 1 < waiting || self.checkpoint_ahead(sequence)? {
            *self = Self::open(self.disk.clone(), &self.path, &self.config, sequence)?;
        }
        let most = max_bytes / EVENT_SIZE;
        let mut records = std::mem::take(&mut self.left);
        records.retain(|record| record.sequence > sequence);
        while records.len() <= most && self.engine.sequence() < durable_sequence {
            let keep = self.engine.sequence() >= sequence;
            self.step(durable_sequence, keep.then_some(&mut records))?;
        }
        if records.len() > most {
            let cut = records[most].sequence;
            let first = records[0].sequence;
            let cut = if cut == first { first + 1 } else { cut };
            let end = records.partition_point(|record| record.sequence < cut);
            self.left = records.split_off(end);
        }
        Ok(records)
    }

    /// Whether a checkpoint is a better place to go on from: far ahead of this follower and not behind `sequence`.
    fn checkpoint_ahead(&self, sequence: u64) -> Result<bool, NodeError> {
        const FAR: u64 = 1_000_000;
        if sequence < self.engine.sequence().saturating_add(FAR) {
            return Ok(false);
        }
        let files = checkpoint::list(self.disk.as_ref(), &checkpoint_directory(&self.path))?;
        Ok(files.iter().any(|file| file.sequence <= sequence && file.sequence >= self.engine.sequence() + FAR))
    }

    fn step(&mut self, limit: u64, events: Option<&mut Vec<EventRecord>>) -> Result<(), NodeError> {
        let Some(record) = self.reader.next_until(limit)? else {
            return Ok(());
        };
        apply(&mut self.engine, &record, events)
    }
}

fn apply(engine: &mut Engine, record: &Record, events: Option<&mut Vec<EventRecord>>) -> Result<(), NodeError> {
    let Record { sequence, event_time_ns, ref command, .. } = *record;
    let applied = guarded(|| match events {
        Some(events) => {
            engine.apply(sequence, event_time_ns, command, &mut RecordSink::new(events, sequence, event_time_ns))
        }
        None => engine.apply(sequence, event_time_ns, command, &mut ()),
    });
    match applied {
        Ok(_) => Ok(()),
        Err(message) => Err(NodeError::Stopped(StopReason::Panicked { sequence, message })),
    }
}

/// How far a verification is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Commands executed so far.
    pub commands: u64,
    /// The sequence of the newest checkpoint, which is at least how many there are.
    pub at_least: u64,
    /// Checkpoints compared so far.
    pub checkpoints: u64,
}

/// What a verification found. It is good if [`Self::is_good`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified {
    /// Where the execution began: at the start, or, if the journal was trimmed, at the oldest good checkpoint.
    pub from_sequence: u64,
    /// Commands executed: the sequence of the last whole record.
    pub commands: u64,
    /// The digest of the state after them.
    pub digest: [u8; 32],
    /// The running hash after them.
    pub running_hash: u64,
    /// The event time of the last one.
    pub event_time_ns: i64,
    /// Sequences of checkpoints whose digest is that of the state there.
    pub checkpoints: Vec<u64>,
    /// Checkpoints that cannot be read, or whose digest is another one.
    pub bad_checkpoints: Vec<SkippedCheckpoint>,
    /// What stands behind the last whole record: an opening would cut it, or a running node is writing it.
    pub torn_tail: Option<TornTail>,
}

impl Verified {
    /// Whether every checkpoint agrees with the journal.
    pub fn is_good(&self) -> bool {
        self.bad_checkpoints.is_empty()
    }
}

/// Executes a node's journal from its start, or from the oldest good checkpoint of a trimmed one, compares the digest with that of every checkpoint, and changes nothing.
/// It may run beside the node. `progress` is called every 65,536 commands and returns whether to go on.
///
/// # Errors
/// The journal is damaged, cannot be read, or ends before a checkpoint; a command breaks an invariant of the engine.
pub fn verify(path: &Path, progress: impl FnMut(Progress) -> bool) -> Result<Option<Verified>, NodeError> {
    verify_on(&(Arc::new(RealDisk) as Arc<dyn Disk>), path, progress)
}

/// An engine from a checkpoint of a trimmed journal and the reader behind it, or why the checkpoint cannot be used. The
/// records before it are read and checked, as far back as there are any.
fn begin_at(
    disk: &Arc<dyn Disk>,
    journal_path: &Path,
    file: &CheckpointFile,
) -> Result<Result<(Engine, JournalReader), String>, NodeError> {
    let checkpoint = match checkpoint::read(disk.as_ref(), file) {
        Ok(checkpoint) => checkpoint,
        Err(skipped) => return Ok(Err(skipped.why)),
    };
    let segments = journal::segment_files(disk.as_ref(), journal_path)?;
    let start = segments.first().expect("a trimmed journal has segments").start;
    if start.sequence > file.sequence {
        return Ok(Err("the journal begins behind it".to_owned()));
    }
    let mut reader = JournalReader::open(disk.clone(), journal_path, start.sequence)?;
    while reader.position().sequence < file.sequence {
        if reader.next_until(file.sequence)?.is_none() {
            break;
        }
    }
    if reader.position() != checkpoint.position {
        return Ok(Err("the running hash or the event time is not the journal's".to_owned()));
    }
    let limits = reader.limits().expect("a journal that begins somewhere has segments");
    let restored = Engine::restore(limits.into(), &checkpoint.snapshot);
    Ok(restored.map(|engine| (engine, reader)).map_err(|error| error.to_string()))
}

/// The same on any disk.
///
/// # Errors
/// As [`verify`].
pub fn verify_on(
    disk: &Arc<dyn Disk>,
    path: &Path,
    mut progress: impl FnMut(Progress) -> bool,
) -> Result<Option<Verified>, NodeError> {
    let journal_path = journal_directory(path);
    let mut files = checkpoint::list(disk.as_ref(), &checkpoint_directory(path))?;
    files.reverse();
    let at_least = files.last().map_or(0, |file| file.sequence);
    let (mut checkpoints, mut bad_checkpoints) = (Vec::new(), Vec::new());
    let mut next_file = files.iter().peekable();
    let (mut engine, mut reader) = match JournalReader::open(disk.clone(), &journal_path, 0) {
        Ok(reader) => {
            let Some(limits) = reader.limits() else {
                return Err(JournalError::damaged(&journal_path, 0, "there is no journal").into());
            };
            (Engine::new(limits.into()), reader)
        }
        Err(trimmed @ JournalError::Trimmed { .. }) => loop {
            let Some(file) = next_file.next() else {
                return Err(trimmed.into());
            };
            match begin_at(disk, &journal_path, file)? {
                Ok(begun) => {
                    checkpoints.push(file.sequence);
                    break begun;
                }
                Err(why) => bad_checkpoints.push(SkippedCheckpoint { path: file.path.clone(), why }),
            }
        },
        Err(error) => return Err(error.into()),
    };
    let from_sequence = engine.sequence();
    while let Some(record) = reader.next_whole()? {
        apply(&mut engine, &record, None)?;
        if let Some(file) = next_file.next_if(|file| file.sequence == record.sequence) {
            let digest = engine.digest();
            let why = match checkpoint::read(disk.as_ref(), file) {
                // The node removes old checkpoints while we look.
                Err(_) if disk.exists(&file.path).is_ok_and(|exists| !exists) => continue,
                Err(skipped) => Some(skipped.why),
                Ok(checkpoint) if checkpoint.digest != digest => Some("the digest is not that of the state".to_owned()),
                Ok(checkpoint) if checkpoint.position != reader.position() => {
                    Some("the running hash or the event time is not the journal's".to_owned())
                }
                Ok(_) => None,
            };
            match why {
                Some(why) => bad_checkpoints.push(SkippedCheckpoint { path: file.path.clone(), why }),
                None => checkpoints.push(record.sequence),
            }
        }
        if record.sequence % 65_536 == 0 {
            let done = checkpoints.len() + bad_checkpoints.len();
            if !progress(Progress { commands: record.sequence, at_least, checkpoints: done as u64 }) {
                return Ok(None);
            }
        }
    }
    let position = reader.position();
    if at_least > position.sequence {
        let what =
            format!("the journal ends with sequence {}, but there is a checkpoint at {at_least}", position.sequence);
        return Err(JournalError::damaged(&journal_path, 0, what).into());
    }
    Ok(Some(Verified {
        from_sequence,
        commands: position.sequence,
        digest: engine.digest(),
        running_hash: position.running_hash,
        event_time_ns: position.event_time_ns,
        checkpoints,
        bad_checkpoints,
        torn_tail: reader.torn_tail()?,
    }))
}
