//! Fuzzing of everything that reads bytes from outside: encoded commands, COMMAND and EVENT records, journal segments,
//! checkpoints, and what clients send to the binary door. It builds on the stable compiler and needs nothing installed.
//!
//! Inputs are mutations of good ones. There is no coverage to follow; what is followed instead is the answer: an input
//! that gets an answer of a new kind (another field, another rule, another outcome) joins those that are mutated. Half the
//! inputs of formats with checksums get right checksums again, so that what lies behind them is reached.
//!
//! Invariant: a run is a function of its seed and the number of inputs.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use beurs_engine::command::Command;
use beurs_engine::event::Event;
use beurs_engine::{Engine, EngineConfig};
use beurs_node::checkpoint::{self, CheckpointFile};
use beurs_node::io::{Clock, Disk, ManualClock};
use beurs_node::journal::{JournalReader, Record, RECORD_HEADER, SEGMENT_HEADER};
use beurs_node::wire::{
    check_encodable, decode_command, decode_command_records, decode_commands, decode_one_command, encode_command,
    event_records, CommandRecord, EventRecord, RecordSink,
};
use beurs_node::{JournalError, NodeConfig, NodeError, SteppedNode};
use sha2::{Digest, Sha256};

use crate::disk::SimDisk;
use crate::door::hostile::{self, Hostile};
use crate::naive::Naive;
use crate::workload::{Rng, Workload, MAX_OPEN_ORDERS, MAX_OPEN_ORDERS_PER_ACCOUNT};

/// What is fuzzed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// Encoded commands; what decodes is executed.
    Wire,
    /// Arrays of COMMAND and of EVENT records.
    Records,
    /// A journal segment, read record by record and opened by a node.
    Journal,
    /// A checkpoint and the snapshot in it.
    Checkpoint,
    /// What a client sends to the binary door, behind a good logon or instead of one.
    Door,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Wire, Self::Records, Self::Journal, Self::Checkpoint, Self::Door];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wire => "wire",
            Self::Records => "records",
            Self::Journal => "journal",
            Self::Checkpoint => "checkpoint",
            Self::Door => "door",
        }
    }

    /// The target of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }
}

/// An input that broke a rule.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which one it was in the run, from 0.
    pub index: u64,
    /// The input.
    pub input: Vec<u8>,
    /// What was broken.
    pub message: String,
}

/// The answers of one kind are one number.
type Answer = u64;

fn answer(of: impl Hash) -> Answer {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(of)
}

const MOST_INPUTS: usize = 4_096;
const PATH: &str = "/venue";
const CHECKPOINT_HEADER: usize = 128;

/// Inputs that got different answers, and what is needed to try the next ones.
pub struct Fuzzer {
    target: Target,
    rng: Rng,
    inputs: VecDeque<Vec<u8>>,
    answers: HashSet<Answer, BuildHasherDefault<DefaultHasher>>,
    tried: u64,
    venue: Venue,
}

/// A small venue that has traded: what inputs are made of and compared with.
struct Venue {
    commands: Vec<Command>,
    events: Vec<EventRecord>,
    disk: SimDisk,
    segment: PathBuf,
    checkpoint: CheckpointFile,
    records: Vec<Record>,
    /// The digest before the first and after every record.
    digests: Vec<[u8; 32]>,
    engine: Engine,
    /// Made when it is needed, and anew when it has grown.
    door: Option<Hostile>,
}

fn engine_config() -> EngineConfig {
    EngineConfig { max_open_orders: MAX_OPEN_ORDERS, max_open_orders_per_account: MAX_OPEN_ORDERS_PER_ACCOUNT }
}

fn node_config(disk: &SimDisk, clock: &Arc<ManualClock>) -> NodeConfig {
    NodeConfig {
        path: Some(PATH.into()),
        engine: engine_config(),
        checkpoint_interval: 0,
        segment_bytes: 64 << 10,
        event_ring_bytes: 0,
        disk: Arc::new(disk.clone()),
        clock: clock.clone(),
        ..NodeConfig::default()
    }
}

impl Venue {
    fn new(seed: u64) -> Self {
        const COMMANDS: u64 = 240;
        let (disk, clock) = (SimDisk::new(), Arc::new(ManualClock::default()));
        let mut naive = Naive::new(MAX_OPEN_ORDERS, MAX_OPEN_ORDERS_PER_ACCOUNT);
        let mut workload = Workload::new(seed);
        let (mut node, _) = SteppedNode::open(&node_config(&disk, &clock)).expect("an empty disk");
        let mut commands = Vec::new();
        for sequence in 1..=COMMANDS {
            let (time, command) = workload.next(&naive);
            naive.apply(sequence, time, &command, &mut Vec::new());
            if check_encodable(&command).is_err() {
                continue;
            }
            clock.set(time);
            while matches!(node.start(&[(0, command.clone())]), Err(NodeError::QueueFull { .. })) {
                node.write();
            }
            if sequence % 3 == 0 {
                node.write();
            }
            if sequence == COMMANDS / 2 {
                node.begin_checkpoint().expect("a running node");
                node.write();
                node.make_checkpoint();
            }
            commands.push(command);
        }
        while node.write() {}
        drop(node);

        let as_disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let mut engine = Engine::new(engine_config());
        let (mut records, mut digests, mut events) = (Vec::new(), vec![engine.digest()], Vec::new());
        let mut reader = JournalReader::open(as_disk.clone(), &Path::new(PATH).join("journal"), 0).expect("a journal");
        while let Some(record) = reader.next_whole().expect("a good journal") {
            let mut sink = RecordSink::new(&mut events, record.sequence, record.event_time_ns);
            engine.apply(record.sequence, record.event_time_ns, &record.command, &mut sink);
            digests.push(engine.digest());
            records.push(record);
        }
        let ends_with = |suffix: &str| disk.files().into_iter().find(|path| path.to_string_lossy().ends_with(suffix));
        let checkpoints = checkpoint::list(as_disk.as_ref(), &Path::new(PATH).join("checkpoint"));
        Self {
            commands,
            events,
            segment: ends_with(".segment").expect("a segment"),
            checkpoint: checkpoints.expect("a directory").pop().expect("a checkpoint"),
            disk,
            records,
            digests,
            engine,
            door: None,
        }
    }

    /// Good inputs.
    fn inputs(&self, target: Target) -> Vec<Vec<u8>> {
        let content = |path: &Path| self.disk.content(path).expect("a file");
        match target {
            Target::Wire => self
                .commands
                .chunks(3)
                .map(|commands| {
                    let mut bytes = Vec::new();
                    commands.iter().for_each(|command| encode_command(command, &mut bytes));
                    bytes
                })
                .collect(),
            Target::Records => {
                let records: Vec<_> = self.commands.iter().filter_map(CommandRecord::from_command).collect();
                let commands = records.chunks(2).map(|records| CommandRecord::slice_as_bytes(records).to_vec());
                let events = self.events.chunks(2).map(|records| EventRecord::slice_as_bytes(records).to_vec());
                commands.chain(events).collect()
            }
            Target::Journal => {
                let whole = content(&self.segment);
                let end = whole.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
                // The zeros behind the records are many; some will do.
                vec![whole[..end.next_multiple_of(512) + 512].to_vec(), whole[..SEGMENT_HEADER].to_vec()]
            }
            Target::Checkpoint => vec![content(&self.checkpoint.path)],
            Target::Door => hostile::inputs(&self.commands),
        }
    }

    fn door(&mut self, bytes: &[u8]) -> Answer {
        const MOST_COMMANDS: u64 = 3_000;
        if self.door.as_mut().is_some_and(|door| door.commands() > MOST_COMMANDS) {
            self.door = None;
        }
        let disk = &self.disk;
        let door = self.door.get_or_insert_with(|| {
            let disk = SimDisk::with_image(disk.image());
            let (node, _) = SteppedNode::open(&node_config(&disk, &Arc::default())).expect("a good journal");
            Hostile::new(node, 1)
        });
        answer(door.check(bytes))
    }

    fn wire(&mut self, bytes: &[u8]) -> Answer {
        let mut commands = Vec::new();
        let all = decode_commands(bytes, &mut commands);
        assert!(all.is_ok() || commands.is_empty(), "what does not decode gives nothing");
        let one = decode_one_command(bytes);
        let first = decode_command(bytes);
        if let Ok((command, length)) = &first {
            let mut encoded = Vec::new();
            encode_command(command, &mut encoded);
            assert_eq!(decode_command(&encoded), Ok((command.clone(), encoded.len())), "encoding keeps the command");
            assert_eq!(encoded, bytes[..*length], "a command has one encoding");
            assert_eq!(one.is_ok(), *length == bytes.len());
        }
        let mut outcome = Vec::new();
        for command in &commands {
            let mut events: Vec<Event> = Vec::new();
            self.engine.apply(self.engine.sequence() + 1, self.engine.event_time_ns() + 1, command, &mut events);
            assert!(!events.is_empty(), "every command gives an event");
            outcome.push((std::mem::discriminant(command), std::mem::discriminant(&events[0])));
        }
        if self.engine.sequence() > 100_000 {
            *self = Self::new(self.engine.sequence());
        }
        answer((outcome, all.err().map(|error| (error.field, error.rule))))
    }

    fn records(bytes: &[u8]) -> Answer {
        let mut commands = Vec::new();
        let decoded = decode_command_records(bytes, &mut commands);
        assert_eq!(CommandRecord::check_all(bytes), decoded);
        assert!(decoded.is_ok() || commands.is_empty(), "what does not decode gives nothing");
        for command in &commands {
            if let Some(record) = CommandRecord::from_command(command) {
                assert_eq!(record.to_command().as_ref(), Ok(command), "a record keeps the command");
            }
        }
        let events = event_records(bytes).map(|records| records.iter().map(EventRecord::to_event).collect::<Vec<_>>());
        let mut outcome = Vec::new();
        for event in events.iter().flatten() {
            if let Ok(event) = event {
                let again = EventRecord::new(1, 1, 0, event);
                assert_eq!(again.to_event().as_ref(), Ok(event), "a record keeps the event");
            }
            outcome.push(match event {
                Ok(event) => Ok(std::mem::discriminant(event)),
                Err(error) => Err((error.field, error.rule)),
            });
        }
        let kinds: Vec<_> = commands.iter().map(std::mem::discriminant).collect();
        answer((kinds, decoded.err().map(|error| (error.field, error.rule)), outcome))
    }

    fn journal(&self, bytes: &[u8], turn: u64) -> Answer {
        let disk = SimDisk::new();
        disk.create_directory(&Path::new(PATH).join("journal")).expect("a directory");
        disk.set_content(&self.segment, bytes);
        let as_disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let mut count = 0;
        let read = JournalReader::open(as_disk, &Path::new(PATH).join("journal"), 0).and_then(|mut reader| {
            while let Some(record) = reader.next_whole()? {
                assert_eq!(Some(&record), self.records.get(count), "what is read is what was written");
                count += 1;
            }
            reader.torn_tail()
        });
        // A whole opening is dearer.
        if turn % 16 == 0 {
            match SteppedNode::open(&node_config(&disk, &Arc::default())) {
                Ok((node, recovery)) => {
                    assert_eq!(recovery.sequence, count as u64);
                    assert_eq!(node.engine().digest(), self.digests[count]);
                }
                Err(NodeError::Journal(JournalError::Damaged { .. }) | NodeError::Config { .. }) => {}
                Err(error) => panic!("another error: {error}"),
            }
        }
        match read {
            Ok(torn) => answer((count, torn.map(|torn| torn.bytes.min(3)))),
            Err(JournalError::Damaged { what, .. }) => {
                answer(what.chars().filter(|c| !c.is_ascii_digit()).collect::<String>())
            }
            Err(error) => panic!("another error: {error}"),
        }
    }

    fn checkpoint(&self, bytes: &[u8]) -> Answer {
        let disk = SimDisk::new();
        disk.create_directory(&Path::new(PATH).join("checkpoint")).expect("a directory");
        disk.set_content(&self.checkpoint.path, bytes);
        let as_disk: Arc<dyn Disk> = Arc::new(disk);
        let read = checkpoint::read(as_disk.as_ref(), &self.checkpoint);
        let snapshot = bytes.get(CHECKPOINT_HEADER..).unwrap_or_default();
        if let Ok(checkpoint) = &read {
            assert_eq!(checkpoint.snapshot, snapshot);
        }
        let restored = Engine::restore(engine_config(), snapshot);
        if let Ok(engine) = &restored {
            let mut again = Vec::new();
            engine.snapshot(&mut again);
            assert_eq!(again, snapshot, "a state has one snapshot");
            engine.check_invariants();
        }
        let why = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
        answer((read.err().map(|skipped| why(&skipped.why)), restored.err().map(|error| why(&error.what.to_string()))))
    }
}

/// Gives the records and the header of a segment right checksums.
fn repair_segment(bytes: &mut [u8]) {
    if bytes.len() < SEGMENT_HEADER {
        return;
    }
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..SEGMENT_HEADER]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    let mut at = SEGMENT_HEADER;
    while at + RECORD_HEADER <= bytes.len() {
        let length = usize::from(u16::from_le_bytes([bytes[at + 4], bytes[at + 5]])).next_multiple_of(8);
        let end = at + RECORD_HEADER + length;
        if length == 0 || end > bytes.len() {
            break;
        }
        let crc = crc32c::crc32c(&bytes[at + 4..end]);
        bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
        at = end;
    }
}

/// Gives a checkpoint the right length, digest and checksum.
fn repair_checkpoint(bytes: &mut [u8]) {
    if bytes.len() < CHECKPOINT_HEADER {
        return;
    }
    let (header, snapshot) = bytes.split_at_mut(CHECKPOINT_HEADER);
    header[40..48].copy_from_slice(&(snapshot.len() as u64).to_le_bytes());
    header[48..80].copy_from_slice(&Sha256::digest(snapshot));
    let crc = crc32c::crc32c_append(crc32c::crc32c(&header[..12]), &header[16..]);
    header[12..16].copy_from_slice(&crc.to_le_bytes());
}

impl Fuzzer {
    /// A fuzzer of one target.
    pub fn new(target: Target, seed: u64) -> Self {
        let venue = Venue::new(seed);
        let inputs = venue.inputs(target).into();
        Self { target, rng: Rng::new(seed), inputs, answers: HashSet::default(), tried: 0, venue }
    }

    /// How many kinds of answers were seen.
    pub fn answers(&self) -> usize {
        self.answers.len()
    }

    /// How many inputs were tried.
    pub fn tried(&self) -> u64 {
        self.tried
    }

    /// Tries the next input.
    ///
    /// # Errors
    /// The input broke a rule, or the code under test panicked.
    pub fn step(&mut self) -> Result<(), Box<Failure>> {
        let index = self.tried;
        self.tried += 1;
        // The good ones first, as they are.
        let input = match self.inputs.get(index as usize) {
            Some(input) if self.answers.len() < self.inputs.len() && index < 64 => input.clone(),
            _ => self.mutated(),
        };
        let answer = self.check(&input, index)?;
        if self.answers.insert(answer) {
            if self.inputs.len() == MOST_INPUTS {
                self.inputs.pop_front();
            }
            self.inputs.push_back(input);
        }
        Ok(())
    }

    /// Tries this input.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn check(&mut self, input: &[u8], index: u64) -> Result<Answer, Box<Failure>> {
        let (target, venue) = (self.target, &mut self.venue);
        let checked = catch_unwind(AssertUnwindSafe(|| match target {
            Target::Wire => venue.wire(input),
            Target::Records => Venue::records(input),
            Target::Journal => venue.journal(input, index),
            Target::Checkpoint => venue.checkpoint(input),
            Target::Door => venue.door(input),
        }));
        checked.map_err(|panic| {
            let message = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                .unwrap_or_default();
            Box::new(Failure { index, input: input.to_vec(), message })
        })
    }

    fn mutated(&mut self) -> Vec<u8> {
        let r = &mut self.rng;
        let pick = |r: &mut Rng, inputs: &VecDeque<Vec<u8>>| inputs[r.below(inputs.len() as u64) as usize].clone();
        let mut input = pick(r, &self.inputs);
        let other = pick(r, &self.inputs);
        for _ in 0..1 + r.below(4) {
            mutate(&mut input, &other, r);
        }
        if r.chance(500) {
            match self.target {
                Target::Journal => repair_segment(&mut input),
                Target::Checkpoint => repair_checkpoint(&mut input),
                Target::Door => hostile::repair(&mut input),
                Target::Wire | Target::Records => {}
            }
        }
        input
    }
}

/// Numbers on the edge of something.
const NUMBERS: [u64; 14] =
    [0, 1, 2, 7, 8, 127, 128, 255, 256, (1 << 53) - 1, i64::MAX as u64, 1 << 63, u64::MAX - 1, u64::MAX];

/// Changes a piece of an input in one way.
fn mutate(input: &mut Vec<u8>, other: &[u8], r: &mut Rng) {
    const MOST_BYTES: usize = 256 << 10;
    if input.is_empty() {
        input.extend_from_slice(other);
        return;
    }
    let at = r.below(input.len() as u64) as usize;
    let length = (1 + r.below(40) as usize).min(input.len() - at);
    match r.below(9) {
        0 => input[at] ^= 1 << r.below(8),
        1 => input[at] = r.bits() as u8,
        2 => {
            let width = r.pick(&[1, 2, 4, 8, 16]).min(input.len() - at);
            let mut number = [0; 16];
            number[..8].copy_from_slice(&r.pick(&NUMBERS).to_le_bytes());
            if r.chance(300) {
                number[8..].fill(0xff);
            }
            input[at..at + width].copy_from_slice(&number[..width]);
        }
        3 => input[at] = input[at].wrapping_add(if r.chance(500) { 1 } else { 255 }),
        4 => drop(input.drain(at..at + length)),
        5 if input.len() < MOST_BYTES => {
            let piece = input[at..at + length].to_vec();
            input.splice(at..at, piece);
        }
        6 if !other.is_empty() => {
            let from = r.below(other.len() as u64) as usize;
            let length = length.min(other.len() - from);
            input[at..at + length].copy_from_slice(&other[from..from + length]);
        }
        7 => input[at..at + length].fill(0),
        8 if r.chance(300) => input.truncate(at),
        _ => {
            for byte in &mut input[at..at + length.min(8)] {
                *byte = r.bits() as u8;
            }
        }
    }
}
