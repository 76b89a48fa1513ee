//! The journal: every command in its order, durable before anyone is told. It is the truth; all else is rebuilt from it.
//!
//! A journal is a directory of segment files, each named by its first sequence and allocated in full when it is
//! created. A batch is one contiguous write, made durable by one `fdatasync`, and the next batch is written only after
//! that has returned.
//!
//! Invariants:
//! * Sequences are dense, from 1. Event times never go backwards.
//! * Every record carries the running hash of all records up to it, so that a record that is removed, moved, exchanged
//!   or taken from another journal is noticed even though its own checksum is right.
//! * What stands behind the last record of a segment is zeros.
//! * A segment exists only if everything before it is durable.
//! * The first segment begins with sequence 1, or where the file `trimmed` says, which is there before segments go.
//! * Beside the last segment there is a spare one, allocated in full, which becomes the next. Without room for a spare
//!   the journal is [`Room::Full`], and what is left of the last segment is the reserve.
//! * After a failed write or sync nothing is written any more ([`AppendError::Unknown`], then `Poisoned`).
//!
//! The format, and the rule by which a torn tail is told from damage, are in `docs/concepts/journal.md`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use beurs_engine::command::Command;
use beurs_engine::EngineConfig;

use crate::error::{AppendError, JournalError};
use crate::io::{Disk, DiskFile, ReadFile};
use crate::wire::{decode_command, encode_command_into, MAX_ENCODED_COMMAND};

const SEGMENT_MAGIC: [u8; 8] = *b"BEURSJL1";
const TRIMMED_MAGIC: [u8; 8] = *b"BEURSTR1";
/// The versions before it had other commands; they are not read.
const VERSION: u32 = 3;
/// The size of a segment's header.
pub const SEGMENT_HEADER: usize = 64;
/// The size of a record's header.
pub const RECORD_HEADER: usize = 32;
/// The most commands that one write may have.
pub const MAX_BATCH_COMMANDS: usize = 8192;
/// The most bytes that one command may take in a segment.
pub const MAX_RECORD: usize = RECORD_HEADER + MAX_ENCODED_COMMAND;
/// The smallest segment that any batch fits into.
pub const MIN_SEGMENT_BYTES: u64 = 8 << 20;
/// The largest segment.
pub const MAX_SEGMENT_BYTES: u64 = 1 << 30;
/// The running hash before the first record.
pub const GENESIS_HASH: u64 = u64::from_le_bytes(SEGMENT_MAGIC);
/// The smallest piece of a disk that is written whole or not at all.
const SECTOR: usize = 512;
const WINDOW: usize = 1 << 20;
const SUFFIX: &str = ".segment";

/// Commands with consecutive sequences that share one event time.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The sequence of the first command.
    pub first_sequence: u64,
    /// The event time of all of them.
    pub event_time_ns: i64,
    /// The commands.
    pub commands: Vec<Command>,
}

impl Batch {
    /// The sequence of the last command.
    pub fn last_sequence(&self) -> u64 {
        self.first_sequence + self.commands.len() as u64 - 1
    }
}

/// One command as the journal holds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Its place in the order of everything, from 1.
    pub sequence: u64,
    /// When it was put there: nanoseconds since 1970 UTC.
    pub event_time_ns: i64,
    /// The running hash after it.
    pub running_hash: u64,
    /// The command.
    pub command: Command,
}

/// A place in the journal: behind the record with this sequence; sequence 0 is the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// The sequence of the last record before it.
    pub sequence: u64,
    /// The event time of that record.
    pub event_time_ns: i64,
    /// The running hash after that record.
    pub running_hash: u64,
}

impl Position {
    /// Before the first record.
    pub const GENESIS: Self = Self { sequence: 0, event_time_ns: 0, running_hash: GENESIS_HASH };
}

/// A durable, ordered log of commands, whatever keeps it.
pub trait Log: Send {
    /// Appends batches as one unit and makes them durable. `expected_sequence` is the sequence of the first command;
    /// the batches continue each other.
    ///
    /// # Errors
    /// See [`AppendError`]. After `Unknown` the caller must stop: what it appended may or may not be there.
    fn append(&mut self, expected_sequence: u64, batches: &[Arc<Batch>]) -> Result<(), AppendError>;

    /// The records from a sequence on, up to the last durable one.
    ///
    /// # Errors
    /// The directory cannot be read, or does not have the sequence.
    fn read(&self, from: u64) -> Result<Box<dyn Iterator<Item = Result<Record, JournalError>>>, JournalError>;

    /// Makes room for another segment, if it has to and can.
    ///
    /// # Errors
    /// As [`Self::append`] with `Unknown`; that the disk is full is no error but in [`Self::room`].
    fn make_room(&mut self) -> Result<(), AppendError>;

    /// How much the log can take.
    fn room(&self) -> Room;

    /// The end of the log.
    fn position(&self) -> Position;

    /// How many bytes of records have been appended since the log was opened.
    fn bytes_written(&self) -> u64;
}

/// How much a log can take without asking the disk for more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Room {
    /// What is begun and another whole segment: appends of up to so many bytes in all, whatever they leave unused where
    /// one segment ends.
    Segment {
        /// How many.
        bytes: u64,
    },
    /// The disk is full: only what is left of the last segment. One append of up to so many bytes.
    Full {
        /// How many.
        bytes_left: u64,
    },
}

/// What was cut from the end of a journal when it was opened: a write that never became durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TornTail {
    /// The last segment.
    pub path: PathBuf,
    /// Where the first record that was not whole began; the journal goes on from here.
    pub offset: u64,
    /// How many bytes reach from there to the last one that is not zero.
    pub bytes: u64,
    /// The sequence of the last whole record.
    pub last_sequence: u64,
}

#[inline]
const fn mix(hash: u64, word: u64) -> u64 {
    let product = ((hash ^ word) as u128) * 0x9e37_79b9_7f4a_7c15;
    (product as u64) ^ ((product >> 64) as u64)
}

/// The running hash after a record. `payload` is padded with zeros to whole words.
#[inline]
fn chain(previous: u64, sequence: u64, event_time_ns: i64, length: usize, payload: &[u8]) -> u64 {
    let mut hash = mix(mix(mix(previous, sequence), event_time_ns as u64), length as u64);
    for word in payload.chunks_exact(8) {
        hash = mix(hash, u64::from_le_bytes(word.try_into().expect("chunks of 8")));
    }
    hash
}

/// CRC32C of everything behind the field that holds it.
#[inline]
fn checksum(record: &[u8]) -> u32 {
    crc32c::crc32c(&record[4..])
}

#[inline]
const fn padded(length: usize) -> usize {
    (length + 7) & !7
}

/// Appends one record to `buffer` at `at`, where at least [`MAX_RECORD`] bytes are left; returns where it ends.
#[inline]
fn put_record(buffer: &mut [u8], at: usize, place: u16, position: &mut Position, command: &Command) -> usize {
    let record: &mut [u8; MAX_RECORD] = (&mut buffer[at..at + MAX_RECORD]).try_into().expect("the slice's size");
    let payload: &mut [u8; MAX_ENCODED_COMMAND] = (&mut record[RECORD_HEADER..]).try_into().expect("the rest's size");
    let length = encode_command_into(command, payload);
    let padded_length = padded(length);
    payload[length..padded_length].fill(0);
    position.running_hash =
        chain(position.running_hash, position.sequence, position.event_time_ns, length, &payload[..padded_length]);
    record[4..6].copy_from_slice(&(length as u16).to_le_bytes());
    record[6..8].copy_from_slice(&place.to_le_bytes());
    record[8..16].copy_from_slice(&position.sequence.to_le_bytes());
    record[16..24].copy_from_slice(&position.event_time_ns.to_le_bytes());
    record[24..32].copy_from_slice(&position.running_hash.to_le_bytes());
    let total = RECORD_HEADER + padded_length;
    let crc = checksum(&record[..total]);
    record[0..4].copy_from_slice(&crc.to_le_bytes());
    at + total
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("2 bytes"))
}

fn is_zero(bytes: &[u8]) -> bool {
    // Chunks without exits, so that each is a few vector instructions.
    bytes.chunks(4096).all(|chunk| chunk.iter().fold(0, |all, byte| all | byte) == 0)
}

// ---------------------------------------------------------------------------------------------------------------------
// Segments.

/// The bounds of the engine that the commands were applied with; the same in all segments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// [`EngineConfig::max_open_orders`].
    pub max_open_orders: u32,
    /// [`EngineConfig::max_open_orders_per_account`].
    pub max_open_orders_per_account: u32,
}

impl From<&EngineConfig> for Limits {
    fn from(config: &EngineConfig) -> Self {
        Self {
            max_open_orders: config.max_open_orders,
            max_open_orders_per_account: config.max_open_orders_per_account,
        }
    }
}

impl From<Limits> for EngineConfig {
    fn from(limits: Limits) -> Self {
        Self {
            max_open_orders: limits.max_open_orders,
            max_open_orders_per_account: limits.max_open_orders_per_account,
        }
    }
}

/// The header of a segment; the note of what was trimmed is the header of the first segment that was left, with a magic
/// of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct SegmentHeader {
    /// Where the segment begins; its first sequence is the next one.
    start: Position,
    limits: Limits,
    /// How many bytes the file had when it was made; it may grow and never shrinks. 0 if that was not written down.
    size: u64,
}

impl SegmentHeader {
    fn encode(self, magic: [u8; 8]) -> [u8; SEGMENT_HEADER] {
        let mut bytes = [0; SEGMENT_HEADER];
        bytes[0..8].copy_from_slice(&magic);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&(self.start.sequence + 1).to_le_bytes());
        bytes[24..32].copy_from_slice(&self.start.running_hash.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.start.event_time_ns.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.limits.max_open_orders.to_le_bytes());
        bytes[44..48].copy_from_slice(&self.limits.max_open_orders_per_account.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.size.to_le_bytes());
        let crc = Self::checksum(&bytes);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn checksum(bytes: &[u8; SEGMENT_HEADER]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..])
    }

    fn decode(path: &Path, bytes: &[u8], magic: [u8; 8]) -> Result<Self, JournalError> {
        let bytes: &[u8; SEGMENT_HEADER] = bytes
            .try_into()
            .map_err(|_| JournalError::damaged(path, bytes.len() as u64, "the segment ends within its header"))?;
        if bytes[..8] != magic {
            return Err(JournalError::damaged(path, 0, "this is not a file of a journal"));
        }
        let version = u32_at(bytes, 8);
        if version != VERSION {
            let what = format!(
                "the journal has format version {version}, and this program reads version {VERSION} only: use the release \
                 that wrote it"
            );
            return Err(JournalError::damaged(path, 8, what));
        }
        if u32_at(bytes, 12) != Self::checksum(bytes) {
            return Err(JournalError::damaged(path, 12, "the header's checksum is wrong"));
        }
        let first_sequence = u64_at(bytes, 16);
        let Some(sequence) = first_sequence.checked_sub(1) else {
            return Err(JournalError::damaged(path, 16, "a segment cannot begin with sequence 0"));
        };
        let event_time_ns = u64_at(bytes, 32) as i64;
        let start = Position { sequence, event_time_ns, running_hash: u64_at(bytes, 24) };
        let limits = Limits { max_open_orders: u32_at(bytes, 40), max_open_orders_per_account: u32_at(bytes, 44) };
        Ok(Self { start, limits, size: u64_at(bytes, 48) })
    }
}

fn segment_path(directory: &Path, first_sequence: u64) -> PathBuf {
    directory.join(format!("{first_sequence:020}{SUFFIX}"))
}

/// The segment files of a directory by first sequence, which their names and headers must agree on.
fn list_segments(disk: &dyn Disk, directory: &Path) -> Result<Vec<(PathBuf, SegmentHeader)>, JournalError> {
    let mut segments = Vec::new();
    let paths = match disk.read_directory(directory) {
        Ok(paths) => paths,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(segments),
        Err(error) => return Err(JournalError::io("read the directory", directory, error)),
    };
    for path in paths {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let Some(digits) = name.strip_suffix(SUFFIX) else {
            continue;
        };
        let Ok(first_sequence) = digits.parse::<u64>() else {
            return Err(JournalError::damaged(&path, 0, "a segment is named by its first sequence"));
        };
        let Some(header) = read_header(disk, &path, SEGMENT_MAGIC)? else {
            continue; // It has just been archived or dropped; if it should be there, its place is found empty.
        };
        if header.start.sequence + 1 != first_sequence {
            let what = format!("the header says that sequence {} is the first", header.start.sequence + 1);
            return Err(JournalError::damaged(&path, 16, what));
        }
        segments.push((path, header));
    }
    segments.sort_by_key(|(_, header)| header.start.sequence);
    if let Some((path, header)) = segments.first() {
        if header.start != Position::GENESIS {
            let trimmed = read_header(disk, &directory.join(TRIMMED), TRIMMED_MAGIC)?.map(|trimmed| trimmed.start);
            let on_purpose = trimmed.is_some_and(|trimmed| match header.start.sequence {
                // Not all that should go has gone.
                sequence if sequence < trimmed.sequence => true,
                _ => header.start == trimmed,
            });
            if !on_purpose {
                let from = trimmed.map_or(1, |trimmed| trimmed.sequence + 1);
                let what = format!("sequences {from} to {} are missing: no segment before this", header.start.sequence);
                return Err(JournalError::damaged(path, 0, what));
            }
        }
    }
    Ok(segments)
}

/// The header of a segment, or of the note of what was trimmed; `None` if there is no such file.
fn read_header(disk: &dyn Disk, path: &Path, magic: [u8; 8]) -> Result<Option<SegmentHeader>, JournalError> {
    let file = match disk.open_to_read(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(JournalError::io("open", path, error)),
    };
    let size = file.size().map_err(|error| JournalError::io("look at", path, error))?;
    let mut bytes = vec![0; SEGMENT_HEADER.min(usize::try_from(size).unwrap_or(SEGMENT_HEADER))];
    file.read_exact_at(&mut bytes, 0).map_err(|error| JournalError::io("read", path, error))?;
    let header = SegmentHeader::decode(path, &bytes, magic)?;
    if size < header.size {
        let what = format!("the segment has {size} bytes, but was made with {}", header.size);
        return Err(JournalError::damaged(path, size, what));
    }
    Ok(Some(header))
}

/// A segment by its name and header.
#[derive(Clone, Debug)]
pub(crate) struct SegmentFile {
    pub(crate) path: PathBuf,
    /// Where it begins.
    pub(crate) start: Position,
    limits: Limits,
}

/// The segments of a journal, in order.
pub(crate) fn segment_files(disk: &dyn Disk, directory: &Path) -> Result<Vec<SegmentFile>, JournalError> {
    let segments = list_segments(disk, directory)?;
    Ok(segments
        .into_iter()
        .map(|(path, SegmentHeader { start, limits, .. })| SegmentFile { path, start, limits })
        .collect())
}

/// Notes durably that the segments before this one go on purpose.
pub(crate) fn write_trimmed(disk: &dyn Disk, directory: &Path, first: &SegmentFile) -> Result<(), JournalError> {
    let path = directory.join(TRIMMED);
    let aside = directory.join(format!("{TRIMMED}{UNFINISHED}"));
    match disk.remove(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(JournalError::io("remove", &aside, error));
        }
        _ => {}
    }
    let header = SegmentHeader { start: first.start, limits: first.limits, size: 0 };
    let written = disk.create(&aside, 0).and_then(|file| {
        file.write_all_at(&header.encode(TRIMMED_MAGIC), 0)?;
        file.sync_all()
    });
    written.map_err(|error| JournalError::io("write", &aside, error))?;
    disk.rename(&aside, &path).map_err(|error| JournalError::io("rename", &aside, error))?;
    disk.sync_directory(directory).map_err(|error| JournalError::io("sync the directory", directory, error))
}

/// Whether a directory has no segment.
pub(crate) fn is_empty(disk: &dyn Disk, directory: &Path) -> Result<bool, JournalError> {
    Ok(list_segments(disk, directory)?.is_empty())
}

/// A segment file, read through a window.
struct SegmentReader {
    path: PathBuf,
    file: Box<dyn ReadFile>,
    size: u64,
    window: Vec<u8>,
    window_start: u64,
}

/// A record whose checksum is right.
#[derive(Clone, Copy, Debug)]
struct RawRecord {
    /// Where it ends.
    end: u64,
    /// How many records of its batch stand before it.
    place: u16,
    length: usize,
    sequence: u64,
    event_time_ns: i64,
    running_hash: u64,
}

impl RawRecord {
    /// The sequence of the first record of the write that this one was part of.
    fn batch_first_sequence(&self) -> u64 {
        self.sequence.saturating_sub(u64::from(self.place))
    }
}

enum Parsed {
    Record(RawRecord),
    /// Zeros, or the end of the file.
    End,
    Bad(&'static str),
}

/// Looks for a record at the start of `bytes`, which reach to the end of the file or are [`MAX_RECORD`] long.
fn parse_record(bytes: &[u8], offset: u64) -> Parsed {
    if bytes.len() < RECORD_HEADER {
        return if is_zero(bytes) { Parsed::End } else { Parsed::Bad("the file ends within a record") };
    }
    if is_zero(&bytes[..RECORD_HEADER]) {
        return Parsed::End;
    }
    let length = usize::from(u16_at(bytes, 4));
    if length == 0 || length > MAX_ENCODED_COMMAND {
        return Parsed::Bad("the record's length is impossible");
    }
    let total = RECORD_HEADER + padded(length);
    if bytes.len() < total {
        return Parsed::Bad("the file ends within a record");
    }
    if u32_at(bytes, 0) != checksum(&bytes[..total]) {
        return Parsed::Bad("the record's checksum is wrong");
    }
    Parsed::Record(RawRecord {
        end: offset + total as u64,
        place: u16_at(bytes, 6),
        length,
        sequence: u64_at(bytes, 8),
        event_time_ns: u64_at(bytes, 16) as i64,
        running_hash: u64_at(bytes, 24),
    })
}

impl SegmentReader {
    fn new(path: PathBuf, file: Box<dyn ReadFile>) -> Result<Self, JournalError> {
        let size = file.size().map_err(|error| JournalError::io("look at", &path, error))?;
        Ok(Self { path, file, size, window: Vec::new(), window_start: 0 })
    }

    /// The bytes at an offset, fewer than asked for only at the end of the file.
    fn bytes(&mut self, offset: u64, length: usize) -> Result<&[u8], JournalError> {
        let length = length.min(usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX));
        let window_end = self.window_start + self.window.len() as u64;
        if offset < self.window_start || offset + length as u64 > window_end {
            let wanted = length.max(WINDOW).min((self.size - offset) as usize);
            self.window.resize(wanted, 0);
            self.window_start = offset;
            if let Err(error) = self.file.read_exact_at(&mut self.window, offset) {
                self.window.clear();
                return Err(JournalError::io("read", &self.path, error));
            }
        }
        let start = (offset - self.window_start) as usize;
        Ok(&self.window[start..start + length])
    }

    /// Forgets what was read, because the file has grown records since.
    fn refresh(&mut self) {
        self.window.clear();
        self.window_start = 0;
    }

    fn parse(&mut self, offset: u64) -> Result<Parsed, JournalError> {
        Ok(parse_record(self.bytes(offset, MAX_RECORD)?, offset))
    }

    /// The first byte at or behind `offset` that is not zero.
    fn first_non_zero(&mut self, mut offset: u64) -> Result<Option<u64>, JournalError> {
        while offset < self.size {
            let bytes = self.bytes(offset, WINDOW)?;
            if !is_zero(bytes) {
                return Ok(bytes.iter().position(|&byte| byte != 0).map(|at| offset + at as u64));
            }
            offset += bytes.len() as u64;
        }
        Ok(None)
    }

    /// Everything from `offset` to the end of the file.
    fn rest(&self, offset: u64) -> Result<Vec<u8>, JournalError> {
        let mut rest = vec![0; self.size.saturating_sub(offset) as usize];
        self.file.read_exact_at(&mut rest, offset).map_err(|error| JournalError::io("read", &self.path, error))?;
        Ok(rest)
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Reading.

/// Why a journal cannot be read behind a checkpoint's position.
#[derive(Clone, Debug)]
pub enum SeekError {
    /// The journal itself cannot be read.
    Journal(JournalError),
    /// The journal was begun with other limits of the engine.
    OtherLimits(Limits),
    /// The journal has another running hash at that sequence: the position is not one of this journal.
    OtherHistory,
}

impl From<JournalError> for SeekError {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

/// Reads records in order, checking checksum, sequence, time and running hash of each.
pub struct JournalReader {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    segments: Vec<(PathBuf, SegmentHeader)>,
    index: usize,
    segment: Option<SegmentReader>,
    offset: u64,
    /// Where in the segment the last write begins, of which the record before `offset` is a part.
    write_offset: u64,
    position: Position,
}

impl JournalReader {
    /// A reader whose next record is the one behind `sequence`. It reads the segment from its start to get there.
    ///
    /// # Errors
    /// The journal is damaged before that place, or ends before it.
    pub fn open(disk: Arc<dyn Disk>, directory: &Path, sequence: u64) -> Result<Self, JournalError> {
        let segments = list_segments(disk.as_ref(), directory)?;
        let mut reader = Self {
            disk,
            directory: directory.to_owned(),
            segments,
            index: 0,
            segment: None,
            offset: SEGMENT_HEADER as u64,
            write_offset: SEGMENT_HEADER as u64,
            position: Position::GENESIS,
        };
        // The last segment that begins at or before the record behind `sequence`.
        let found = reader.segments.partition_point(|(_, header)| header.start.sequence <= sequence);
        match found.checked_sub(1) {
            Some(index) => reader.enter(index)?,
            None => reader.check_not_trimmed(sequence)?,
        }
        while reader.position.sequence < sequence {
            if reader.advance()?.is_none() {
                return Err(reader.ends_early(sequence));
            }
        }
        Ok(reader)
    }

    /// As [`Self::open`], at a known position: that of a checkpoint.
    ///
    /// # Errors
    /// As [`Self::open`], and when the journal's running hash there is not the position's.
    pub fn open_at(disk: Arc<dyn Disk>, directory: &Path, position: Position) -> Result<Self, SeekError> {
        let reader = Self::open(disk, directory, position.sequence)?;
        if reader.position != position {
            return Err(SeekError::OtherHistory);
        }
        Ok(reader)
    }

    /// The engine's limits, if there is a journal.
    pub fn limits(&self) -> Option<Limits> {
        self.segments.first().map(|(_, header)| header.limits)
    }

    /// The place behind the last record that was read.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Whether the record behind `sequence` is further on in the segment that it reads.
    fn reaches(&self, sequence: u64) -> bool {
        let next = self.segments.get(self.index + 1);
        self.position.sequence <= sequence && next.is_none_or(|(_, header)| header.start.sequence > sequence)
    }

    /// The next record with a sequence of at most `limit`, which the caller knows to be durable; `None` behind it.
    ///
    /// # Errors
    /// The journal is damaged, or ends before `limit`.
    pub fn next_until(&mut self, limit: u64) -> Result<Option<Record>, JournalError> {
        if self.position.sequence >= limit {
            return Ok(None);
        }
        if let Some(record) = self.advance()? {
            return Ok(Some(record));
        }
        // The file may have grown since it was read, and so may the directory.
        self.refresh()?;
        match self.advance()? {
            Some(record) => Ok(Some(record)),
            None => Err(self.ends_early(limit)),
        }
    }

    /// The next record, or `None` where no whole record follows: at the end, at a torn tail, or, if the journal is
    /// being written, at what is not written yet.
    ///
    /// # Errors
    /// The journal is damaged.
    pub fn next_whole(&mut self) -> Result<Option<Record>, JournalError> {
        self.advance()
    }

    /// What stands behind the last whole record of the journal, if anything does, after [`Self::next_whole`] gave
    /// `None`.
    ///
    /// # Errors
    /// It is not the torn tail of a write that never became durable: the journal is damaged.
    pub fn torn_tail(&mut self) -> Result<Option<TornTail>, JournalError> {
        let (offset, last_sequence) = (self.offset, self.position.sequence);
        let Some(segment) = &mut self.segment else {
            return Ok(None);
        };
        if segment.first_non_zero(offset)?.is_none() {
            return Ok(None);
        }
        let rest = segment.rest(offset)?;
        let Some(last) = rest.iter().rposition(|&byte| byte != 0) else {
            return Ok(None);
        };
        let what = match parse_record(&rest[..rest.len().min(MAX_RECORD)], offset) {
            Parsed::Bad(what) => what,
            Parsed::End | Parsed::Record(_) => "there is no record",
        };
        if let Some(at) = flipped_bit(self.position, offset, &rest) {
            let what = format!("{what}: a bit of byte {} is not as it was written", offset + at as u64);
            return Err(JournalError::damaged(&segment.path, offset, what));
        }
        check_torn(&segment.path, offset, last_sequence + 1, &rest, what)?;
        Ok(Some(TornTail { path: segment.path.clone(), offset, bytes: last as u64 + 1, last_sequence }))
    }

    fn refresh(&mut self) -> Result<(), JournalError> {
        let mut segments = list_segments(self.disk.as_ref(), &self.directory)?;
        match &mut self.segment {
            Some(segment) => {
                // Those before may have been archived or dropped, and so may this one, which is still open.
                let this = self.segments.swap_remove(self.index);
                self.index = segments.partition_point(|(_, header)| header.start.sequence < this.1.start.sequence);
                if segments.get(self.index).is_none_or(|(path, _)| *path != this.0) {
                    segments.insert(self.index, this);
                }
                self.segments = segments;
                segment.refresh();
            }
            None => {
                self.segments = segments;
                if !self.segments.is_empty() {
                    self.check_not_trimmed(self.position.sequence)?;
                    self.enter(0)?;
                }
            }
        }
        Ok(())
    }

    /// Whether the records behind `sequence` are in the journal, as far as its beginning is concerned.
    fn check_not_trimmed(&self, sequence: u64) -> Result<(), JournalError> {
        match self.segments.first() {
            Some((_, first)) if first.start.sequence > sequence => {
                let first_sequence = first.start.sequence + 1;
                Err(JournalError::Trimmed { path: self.directory.clone(), first_sequence })
            }
            _ => Ok(()),
        }
    }

    fn enter(&mut self, index: usize) -> Result<(), JournalError> {
        let (path, header) = &self.segments[index];
        let file = match self.disk.open_to_read(path) {
            Ok(file) => file,
            Err(error) => {
                let error = JournalError::io("open", path, error);
                // It may have been archived or dropped since the directory was read.
                let sequence = header.start.sequence;
                self.segments = list_segments(self.disk.as_ref(), &self.directory)?;
                self.check_not_trimmed(sequence)?;
                return Err(error);
            }
        };
        self.segment = Some(SegmentReader::new(path.clone(), file)?);
        self.position = header.start;
        self.offset = SEGMENT_HEADER as u64;
        self.write_offset = self.offset;
        self.index = index;
        Ok(())
    }

    /// Checks the records of the segments that end before `sequence`, of which [`Self::open`] looks at the headers only:
    /// the newest segments whose sizes add up to at most `most_bytes`.
    ///
    /// # Errors
    /// The journal is damaged there, or cannot be read.
    pub fn check_before(
        disk: Arc<dyn Disk>,
        directory: &Path,
        sequence: u64,
        most_bytes: u64,
    ) -> Result<(), JournalError> {
        let segments = list_segments(disk.as_ref(), directory)?;
        let last = segments.partition_point(|(_, header)| header.start.sequence <= sequence).saturating_sub(1);
        let mut first = last;
        let mut bytes = 0;
        while first > 0 {
            let path = &segments[first - 1].0;
            let size = disk.open_to_read(path).and_then(|file| file.size());
            bytes += size.map_err(|error| JournalError::io("look at", path, error))?;
            if bytes > most_bytes {
                break;
            }
            first -= 1;
        }
        if first == last {
            return Ok(());
        }
        let mut reader = Self::open(disk, directory, segments[first].1.start.sequence)?;
        // Into the last one, so that every place where two of them meet is looked at.
        while reader.index < last && reader.advance()?.is_some() {}
        Ok(())
    }

    fn ends_early(&self, sequence: u64) -> JournalError {
        let path = self.segment.as_ref().map_or(&self.directory, |segment| &segment.path);
        let what = format!("the journal ends with sequence {}; {sequence} was durable", self.position.sequence);
        JournalError::damaged(path, self.offset, what)
    }

    fn advance(&mut self) -> Result<Option<Record>, JournalError> {
        loop {
            let Some(segment) = &mut self.segment else {
                return Ok(None);
            };
            let raw = match segment.parse(self.offset)? {
                Parsed::Record(raw) => raw,
                end_or_bad => {
                    let Some((next_path, next)) = self.segments.get(self.index + 1) else {
                        return Ok(None);
                    };
                    // A later segment proves that all of this one was durable: nothing here can be a torn tail.
                    if let Parsed::Bad(what) = end_or_bad {
                        return Err(JournalError::damaged(&segment.path, self.offset, what));
                    }
                    if next.start.sequence != self.position.sequence {
                        let what = format!(
                            "sequences {} to {} are missing, the next segment begins behind them",
                            self.position.sequence + 1,
                            next.start.sequence
                        );
                        return Err(JournalError::damaged(&segment.path, self.offset, what));
                    }
                    if next.start != self.position {
                        let what = "the running hash is not the one that the segment before ends with";
                        return Err(JournalError::damaged(next_path, 24, what));
                    }
                    if let Some(offset) = segment.first_non_zero(self.offset)? {
                        return Err(JournalError::damaged(&segment.path, offset, "zeros must follow the last record"));
                    }
                    self.enter(self.index + 1)?;
                    continue;
                }
            };
            let path = &segment.path;
            let damaged = |at: u64, what: String| Err(JournalError::damaged(path, self.offset + at, what));
            let sequence = self.position.sequence + 1;
            if raw.sequence != sequence {
                return damaged(8, format!("sequence {} where {sequence} must be", raw.sequence));
            }
            if let Some((_, next)) = self.segments.get(self.index + 1) {
                if sequence > next.start.sequence {
                    return damaged(8, format!("sequence {sequence} is also in the next segment"));
                }
            }
            if raw.event_time_ns < self.position.event_time_ns {
                return damaged(16, "the event time goes backwards".to_owned());
            }
            let total = (raw.end - self.offset) as usize;
            let bytes = segment.bytes(self.offset, total)?;
            let payload = &bytes[RECORD_HEADER..];
            let running_hash = chain(self.position.running_hash, sequence, raw.event_time_ns, raw.length, payload);
            let decoded = decode_command(&payload[..raw.length]);
            let (path, damaged_at) = (segment.path.as_path(), self.offset);
            if raw.running_hash != running_hash {
                let what = "the running hash does not follow from the record before";
                return Err(JournalError::damaged(path, damaged_at + 24, what));
            }
            let command = match decoded {
                Ok((command, length)) if length == raw.length => command,
                Ok(_) => {
                    return Err(JournalError::damaged(path, damaged_at + 4, "the payload is longer than its command"))
                }
                Err(error) => {
                    let what = format!("the payload is no command: {}: {}", error.field, error.rule);
                    return Err(JournalError::damaged(path, damaged_at + RECORD_HEADER as u64, what));
                }
            };
            if raw.place == 0 {
                self.write_offset = self.offset;
            }
            self.offset = raw.end;
            self.position = Position { sequence, event_time_ns: raw.event_time_ns, running_hash };
            return Ok(Some(Record { sequence, event_time_ns: raw.event_time_ns, running_hash, command }));
        }
    }
}

/// The commands with these sequences, which ascend; `None` for those that were trimmed or are behind
/// `durable_sequence`. Of every segment that has one it reads what is before it.
pub(crate) fn commands_at(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    sequences: &[u64],
    durable_sequence: u64,
) -> Result<Vec<Option<Command>>, JournalError> {
    let mut reader: Option<JournalReader> = None;
    let mut commands = Vec::with_capacity(sequences.len());
    for &sequence in sequences {
        let Some(before) = sequence.checked_sub(1).filter(|_| sequence <= durable_sequence) else {
            commands.push(None);
            continue;
        };
        let within = reader.take().filter(|reader| reader.reaches(before));
        let mut at = match within.map_or_else(|| JournalReader::open(disk.clone(), directory, before), Ok) {
            Ok(reader) => reader,
            Err(JournalError::Trimmed { .. }) => {
                commands.push(None);
                continue;
            }
            Err(error) => return Err(error),
        };
        let mut last = None;
        while at.position.sequence < sequence {
            last = at.next_until(sequence)?;
        }
        commands.push(last.map(|record| record.command));
        reader = Some(at);
    }
    Ok(commands)
}

/// The iterator of [`Log::read`].
struct ReadIter {
    reader: JournalReader,
    limit: u64,
    failed: bool,
}

impl Iterator for ReadIter {
    type Item = Result<Record, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let item = self.reader.next_until(self.limit).transpose();
        self.failed = matches!(item, Some(Err(_)));
        item
    }
}

/// Tells whether what stands behind the last whole record may be a write that never became durable.
///
/// `rest` are the bytes of the last segment from `offset`, where a whole record with `sequence` should begin and does
/// not. A batch is written only after the one before it is durable, so:
///
/// * a whole record of a **later** batch proves that the bad one was durable: damage;
/// * a whole record of the **same** batch, further on, is what a disk leaves that wrote some sectors of the batch and
///   not others; then a sector that was never written, all zeros, must lie before it. Without one it is damage;
/// * with no whole record behind it, the bad record is the torn end of the journal.
fn check_torn(path: &Path, offset: u64, sequence: u64, rest: &[u8], what: &str) -> Result<(), JournalError> {
    let mut seen_whole = false;
    let mut at = 0;
    while at + RECORD_HEADER <= rest.len() {
        let Parsed::Record(raw) = parse_record(&rest[at..rest.len().min(at + MAX_RECORD)], offset + at as u64) else {
            at += 8;
            continue;
        };
        if raw.batch_first_sequence() > sequence {
            let what = format!("{what}, but sequence {} behind it, of a later write, is whole", raw.sequence);
            return Err(JournalError::damaged(path, offset, what));
        }
        if raw.sequence <= sequence {
            let what = format!("sequence {} stands where sequences above {sequence} must be", raw.sequence);
            return Err(JournalError::damaged(path, offset + at as u64, what));
        }
        if !seen_whole && !has_unwritten_sector(offset, rest, at) {
            let what = format!("{what}, but sequence {} behind it is whole and all between was written", raw.sequence);
            return Err(JournalError::damaged(path, offset, what));
        }
        seen_whole = true;
        at = (raw.end - offset) as usize;
    }
    Ok(())
}

/// The byte of the record at the start of `rest` in which a single bit has changed since the record was written, if that
/// makes it the record that follows `position`, and a write that never became durable does not explain it.
///
/// Such a write leaves sectors as they were before it, zeros where the record belongs; it changes no bits among others
/// that it wrote. So the record had been written, and was perhaps acknowledged.
fn flipped_bit(position: Position, offset: u64, rest: &[u8]) -> Option<usize> {
    let mut record = rest[..rest.len().min(MAX_RECORD)].to_vec();
    for at in 0..record.len() {
        for bit in 0..8 {
            record[at] ^= 1 << bit;
            let whole = follows(position, &record);
            record[at] ^= 1 << bit;
            if whole {
                let in_sector = (offset as usize + at) % SECTOR;
                let sector = at.saturating_sub(in_sector)..rest.len().min(at + SECTOR - in_sector);
                let was_written = !is_zero(&rest[sector]);
                return was_written.then_some(at);
            }
        }
    }
    None
}

/// Whether a record stands at the start of `bytes` that follows `position` in every respect.
fn follows(position: Position, bytes: &[u8]) -> bool {
    let Parsed::Record(raw) = parse_record(bytes, 0) else {
        return false;
    };
    let payload = &bytes[RECORD_HEADER..raw.end as usize];
    raw.sequence == position.sequence + 1
        && raw.event_time_ns >= position.event_time_ns
        && raw.running_hash == chain(position.running_hash, raw.sequence, raw.event_time_ns, raw.length, payload)
}

/// Whether a sector of the file, or the rest of the one in which `rest` begins, is all zeros before `rest[..end]` ends:
/// one that still holds what stood there before the write. `rest` begins at `offset` of the file.
fn has_unwritten_sector(offset: u64, rest: &[u8], end: usize) -> bool {
    let mut at = 0;
    while at < end {
        let in_sector = (offset as usize + at) % SECTOR;
        let next = (at + SECTOR - in_sector).min(rest.len());
        if is_zero(&rest[at..next]) {
            return true;
        }
        at = next;
    }
    false
}

// ---------------------------------------------------------------------------------------------------------------------
// Writing.

/// The journal in files of a local directory.
pub struct Journal {
    directory: PathBuf,
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    limits: Limits,
    segment: Segment,
    /// The next segment, still without its header and its name.
    spare: Option<Box<dyn DiskFile>>,
    position: Position,
    buffer: Vec<u8>,
    poisoned: bool,
    bytes_written: u64,
}

struct Segment {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    /// Where the next record goes.
    offset: u64,
    size: u64,
}

impl Journal {
    /// Opens the journal of a directory, which the caller has locked, and gives every record behind `after` to
    /// `apply`. A torn tail is cut. A directory without a journal gets one.
    ///
    /// # Errors
    /// The journal is damaged behind `after`, ends before it, or cannot be read or written; `after` is not one of its
    /// positions; or it was begun with other limits.
    pub fn open(
        directory: &Path,
        disk: Arc<dyn Disk>,
        segment_bytes: u64,
        limits: Limits,
        after: Position,
        mut apply: impl FnMut(&Record),
    ) -> Result<(Self, Option<TornTail>), SeekError> {
        disk.create_directory(directory).map_err(|error| JournalError::io("create", directory, error))?;
        crate::checkpoint::remove_unfinished(directory, disk.as_ref())?;
        let mut reader = JournalReader::open_at(disk.clone(), directory, after)?;
        if reader.segments.is_empty() {
            let header = SegmentHeader { start: Position::GENESIS, limits, size: segment_bytes };
            let segment = create_segment(directory, disk.as_ref(), header)
                .map_err(|error| JournalError::io("create a segment in", directory, error.into_inner()))?;
            let mut journal = Self::at(directory, disk, segment_bytes, limits, segment, Position::GENESIS);
            journal.find_spare()?;
            return Ok((journal, None));
        }
        if let Some(begun_with) = reader.limits().filter(|begun_with| *begun_with != limits) {
            return Err(SeekError::OtherLimits(begun_with));
        }
        while let Some(record) = reader.next_whole()? {
            apply(&record);
        }
        let torn = reader.torn_tail()?;
        let JournalReader { segments, segment, offset, write_offset, position, .. } = reader;
        let mut segment = segment.expect("a journal with segments has entered one");
        let path = segment.path.clone();
        let file =
            disk.open(&path, segment_bytes).map_err(|error| JournalError::io("open for writing", &path, error))?;
        let unsure = (offset - write_offset) as usize;
        if let Some(torn) = &torn {
            // Zeros are what tells the end of the journal from here on.
            let zeros = vec![0; usize::try_from(torn.bytes).expect("a part of a segment")];
            file.write_all_at(&zeros, offset).map_err(|error| JournalError::io("cut", &path, error))?;
        }
        if unsure > 0 {
            // The last write may be in the system's memory only, if the process was killed or its sync failed; it is
            // about to be shown. It is written once more, the same bytes, because a failed sync leaves pages that count
            // as written.
            let bytes = segment.bytes(write_offset, unsure)?;
            file.write_all_at(bytes, write_offset).map_err(|error| JournalError::io("write again", &path, error))?;
        }
        if unsure > 0 || torn.is_some() {
            file.sync_data().map_err(|error| JournalError::io("sync", &path, error))?;
        }
        // And so may the segment's name.
        disk.sync_directory(directory).map_err(|error| JournalError::io("sync the directory", directory, error))?;
        let size = disk.open_to_read(&path).and_then(|file| file.size());
        let size = size.map_err(|error| JournalError::io("look at", &path, error))?;
        let segment = Segment { path, file, offset, size };
        let limits = segments[0].1.limits;
        let mut journal = Self::at(directory, disk, segment_bytes, limits, segment, position);
        journal.find_spare()?;
        Ok((journal, torn))
    }

    fn at(
        directory: &Path,
        disk: Arc<dyn Disk>,
        segment_bytes: u64,
        limits: Limits,
        segment: Segment,
        position: Position,
    ) -> Self {
        Self {
            directory: directory.to_owned(),
            disk,
            segment_bytes,
            limits,
            segment,
            spare: None,
            position,
            buffer: Vec::new(),
            poisoned: false,
            bytes_written: 0,
        }
    }

    fn spare_path(&self) -> PathBuf {
        self.directory.join(SPARE)
    }

    /// Takes the spare segment that an earlier run left. One of another size, or with anything but zeros where records
    /// will be, is removed.
    fn find_spare(&mut self) -> Result<(), JournalError> {
        let path = self.spare_path();
        let disk = self.disk.clone();
        if !disk.exists(&path).map_err(|error| JournalError::io("look at", &path, error))? {
            return Ok(());
        }
        let file = disk.open_to_read(&path).map_err(|error| JournalError::io("open", &path, error))?;
        let mut reader = SegmentReader::new(path.clone(), file)?;
        if reader.size == self.segment_bytes && reader.first_non_zero(SEGMENT_HEADER as u64)?.is_none() {
            let file = disk.open(&path, self.segment_bytes);
            self.spare = Some(file.map_err(|error| JournalError::io("open for writing", &path, error))?);
            return Ok(());
        }
        disk.remove(&path).map_err(|error| JournalError::io("remove", &path, error))
    }

    /// The segment behind the present one: the spare, if there is one.
    fn next_segment(&mut self) -> Result<Segment, CreateError> {
        let header = SegmentHeader { start: self.position, limits: self.limits, size: self.segment_bytes };
        let Some(file) = self.spare.take() else {
            return create_segment(&self.directory, self.disk.as_ref(), header);
        };
        let path = segment_path(&self.directory, header.start.sequence + 1);
        let named = file
            .write_all_at(&header.encode(SEGMENT_MAGIC), 0)
            .and_then(|()| file.sync_all())
            .and_then(|()| self.disk.rename(&self.spare_path(), &path))
            .and_then(|()| self.disk.sync_directory(&self.directory));
        named.map_err(CreateError::Unknown)?;
        Ok(Segment { path, file, offset: SEGMENT_HEADER as u64, size: self.segment_bytes })
    }

    fn unknown(&mut self, action: &'static str, source: io::Error) -> AppendError {
        self.poisoned = true;
        AppendError::Unknown { action, path: self.segment.path.clone(), source: Arc::new(source) }
    }
}

impl Log for Journal {
    fn append(&mut self, expected_sequence: u64, batches: &[Arc<Batch>]) -> Result<(), AppendError> {
        if self.poisoned {
            return Err(AppendError::Poisoned);
        }
        let next_sequence = self.position.sequence + 1;
        if expected_sequence != next_sequence {
            return Err(AppendError::Conflict { expected_sequence, next_sequence });
        }
        let commands: usize = batches.iter().map(|batch| batch.commands.len()).sum();
        if commands > MAX_BATCH_COMMANDS || (SEGMENT_HEADER + commands * MAX_RECORD) as u64 > self.segment_bytes {
            return Err(AppendError::TooLarge { commands });
        }
        if commands == 0 {
            return Ok(());
        }

        // Encode behind the position, without touching it.
        let mut position = self.position;
        if self.buffer.len() < commands * MAX_RECORD {
            self.buffer.resize(commands * MAX_RECORD, 0);
        }
        let (mut end, mut place) = (0, 0);
        for batch in batches {
            if batch.first_sequence != position.sequence + 1 {
                let (expected_sequence, next_sequence) = (batch.first_sequence, position.sequence + 1);
                return Err(AppendError::Conflict { expected_sequence, next_sequence });
            }
            assert!(batch.event_time_ns >= position.event_time_ns, "event times never go backwards");
            position.event_time_ns = batch.event_time_ns;
            for command in &batch.commands {
                position.sequence += 1;
                end = put_record(&mut self.buffer, end, place, &mut position, command);
                place += 1;
            }
        }

        if self.segment.offset + end as u64 > self.segment.size {
            // Everything before is durable, so the segment may exist.
            match self.next_segment() {
                Ok(segment) => self.segment = segment,
                Err(CreateError::Nothing(error)) if is_full(&error) => {
                    return Err(AppendError::Full { source: Arc::new(error) });
                }
                Err(CreateError::Nothing(error) | CreateError::Unknown(error)) => {
                    return Err(self.unknown("create the next segment behind", error));
                }
            }
        }
        // From here on a failure leaves the outcome unknown.
        let written = self.segment.file.write_all_at(&self.buffer[..end], self.segment.offset);
        if let Err(error) = written {
            return Err(self.unknown("write", error));
        }
        if let Err(error) = self.segment.file.sync_data() {
            return Err(self.unknown("sync", error));
        }
        self.segment.offset += end as u64;
        self.bytes_written += end as u64;
        self.position = position;
        Ok(())
    }

    fn read(&self, from: u64) -> Result<Box<dyn Iterator<Item = Result<Record, JournalError>>>, JournalError> {
        let reader = JournalReader::open(self.disk.clone(), &self.directory, from.saturating_sub(1))?;
        Ok(Box::new(ReadIter { reader, limit: self.position.sequence, failed: false }))
    }

    fn make_room(&mut self) -> Result<(), AppendError> {
        if self.poisoned {
            return Err(AppendError::Poisoned);
        }
        if self.spare.is_some() {
            return Ok(());
        }
        let path = self.spare_path();
        match create_aside(&self.directory, self.disk.as_ref(), &path, self.segment_bytes, None) {
            Ok(file) => self.spare = Some(file),
            Err(CreateError::Nothing(error)) if is_full(&error) => {}
            Err(error) => return Err(self.unknown("make a spare segment behind", error.into_inner())),
        }
        Ok(())
    }

    fn room(&self) -> Room {
        match self.spare {
            Some(_) => Room::Segment { bytes: self.segment_bytes - SEGMENT_HEADER as u64 },
            None => Room::Full { bytes_left: self.segment.size.saturating_sub(self.segment.offset) },
        }
    }

    fn position(&self) -> Position {
        self.position
    }

    fn bytes_written(&self) -> u64 {
        self.bytes_written
    }
}

const UNFINISHED: &str = ".tmp";
const SPARE: &str = "spare";
const TRIMMED: &str = "trimmed";

/// Whether an error says that there is no room, on the disk or in the owner's share of it.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT))
}

enum CreateError {
    /// The segment does not exist.
    Nothing(io::Error),
    /// The segment may exist.
    Unknown(io::Error),
}

impl CreateError {
    fn into_inner(self) -> io::Error {
        let (Self::Nothing(error) | Self::Unknown(error)) = self;
        error
    }
}

/// Creates a segment aside and renames it, so that a segment always has its header and its whole size.
fn create_segment(directory: &Path, disk: &dyn Disk, header: SegmentHeader) -> Result<Segment, CreateError> {
    let path = segment_path(directory, header.start.sequence + 1);
    let file = create_aside(directory, disk, &path, header.size, Some(header))?;
    Ok(Segment { path, file, offset: SEGMENT_HEADER as u64, size: header.size })
}

fn create_aside(
    directory: &Path,
    disk: &dyn Disk,
    path: &Path,
    size: u64,
    header: Option<SegmentHeader>,
) -> Result<Box<dyn DiskFile>, CreateError> {
    let mut aside = path.to_owned().into_os_string();
    aside.push(UNFINISHED);
    let aside = PathBuf::from(aside);
    let made = disk.create(&aside, size).and_then(|file| {
        if let Some(header) = header {
            file.write_all_at(&header.encode(SEGMENT_MAGIC), 0)?;
        }
        file.sync_all()?;
        Ok(file)
    });
    let file = match made {
        Ok(file) => file,
        Err(error) => {
            // What is left is removed on the next opening, if not now.
            let _ = disk.remove(&aside);
            return Err(CreateError::Nothing(error));
        }
    };
    disk.rename(&aside, path).map_err(CreateError::Unknown)?;
    disk.sync_directory(directory).map_err(CreateError::Unknown)?;
    Ok(file)
}
