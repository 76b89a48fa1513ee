//! What goes over the socket: frames of a 32-bit length of the rest, a kind, and numbers, all little-endian.
//!
//! Both ends are of one build, so that there are no versions; what cannot be read ends the link.

use std::io::{self, Read};

use beurs_engine::EngineConfig;

use crate::pipeline::Stats;
use crate::wire::EVENT_SIZE;

/// No frame is longer: what is due at one time is cut into several.
const MAX_FRAME: usize = 16 << 20;
/// How much is read at one time.
const READ_BYTES: usize = 64 << 10;
/// The most answers in one [`ToReplica::Released`].
pub(super) const MAX_ASSIGNED: usize = 65_536;

/// What a replica asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Question {
    /// The last sequence whose events may be seen.
    Sequence,
    /// The numbers about the node.
    Stats,
    /// To make a checkpoint; its sequence.
    Checkpoint,
}

/// To the engine's process.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum ToEngine<'a> {
    /// A command, encoded.
    Submit { token: u64, command: &'a [u8] },
    /// A question, to be answered with its number.
    Ask { number: u64, question: Question },
}

/// To the other process.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum ToReplica {
    /// The first frame: the engine's limits, and what is durable.
    Welcome { config: EngineLimits, sequence: u64 },
    /// Everything up to `sequence` is durable. `assigned` are token and sequence of commands of this link, ascending.
    Released { sequence: u64, assigned: Vec<(u64, u64)> },
    /// A command of this link was refused because the disk is full; it has no sequence. `record` is its event.
    Refused { token: u64, record: Box<[u8; EVENT_SIZE]> },
    /// The answer to a question: numbers, or why there are none.
    Answer { number: u64, answer: Result<Vec<u64>, String> },
    /// The node has stopped; nothing comes any more.
    Stopped { why: String },
}

/// [`EngineConfig`], comparable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct EngineLimits {
    max_open_orders: u32,
    max_open_orders_per_account: u32,
}

impl From<&EngineConfig> for EngineLimits {
    fn from(config: &EngineConfig) -> Self {
        let EngineConfig { max_open_orders, max_open_orders_per_account } = *config;
        Self { max_open_orders, max_open_orders_per_account }
    }
}

impl From<EngineLimits> for EngineConfig {
    fn from(limits: EngineLimits) -> Self {
        let EngineLimits { max_open_orders, max_open_orders_per_account } = limits;
        Self { max_open_orders, max_open_orders_per_account }
    }
}

const SUBMIT: u8 = 1;
const ASK: u8 = 2;
const WELCOME: u8 = 3;
const RELEASED: u8 = 4;
const ANSWER: u8 = 5;
const STOPPED: u8 = 6;
const REFUSED: u8 = 7;

fn frame(out: &mut Vec<u8>, kind: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, kind]);
    fill(out);
    let length = out.len() - start - 4;
    assert!(length <= MAX_FRAME, "frames are cut by whoever makes them");
    out[start..start + 4].copy_from_slice(&(length as u32).to_le_bytes());
}

fn put(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

impl ToEngine<'_> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Submit { token, command } => frame(out, SUBMIT, |out| {
                put(out, token);
                out.extend_from_slice(command);
            }),
            Self::Ask { number, question } => frame(out, ASK, |out| {
                put(out, number);
                out.push(question as u8);
            }),
        }
    }
}

impl<'a> ToEngine<'a> {
    pub(super) fn decode(frame: &'a [u8]) -> io::Result<Self> {
        let mut input = Input(frame);
        match input.byte()? {
            SUBMIT => Ok(Self::Submit { token: input.number()?, command: input.0 }),
            ASK => {
                let number = input.number()?;
                let question = match input.byte()? {
                    0 => Question::Sequence,
                    1 => Question::Stats,
                    2 => Question::Checkpoint,
                    _ => return Err(unreadable()),
                };
                input.end(Self::Ask { number, question })
            }
            _ => Err(unreadable()),
        }
    }
}

impl ToReplica {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Welcome { config, sequence } => frame(out, WELCOME, |out| {
                put(out, config.max_open_orders.into());
                put(out, config.max_open_orders_per_account.into());
                put(out, *sequence);
            }),
            Self::Released { sequence, assigned } => frame(out, RELEASED, |out| {
                put(out, *sequence);
                for &(token, sequence) in assigned {
                    put(out, token);
                    put(out, sequence);
                }
            }),
            Self::Refused { token, record } => frame(out, REFUSED, |out| {
                put(out, *token);
                out.extend_from_slice(&record[..]);
            }),
            Self::Answer { number, answer } => frame(out, ANSWER, |out| {
                put(out, *number);
                match answer {
                    Ok(numbers) => {
                        out.push(1);
                        numbers.iter().for_each(|&number| put(out, number));
                    }
                    Err(why) => {
                        out.push(0);
                        out.extend_from_slice(why.as_bytes());
                    }
                }
            }),
            Self::Stopped { why } => frame(out, STOPPED, |out| out.extend_from_slice(why.as_bytes())),
        }
    }

    pub(super) fn decode(frame: &[u8]) -> io::Result<Self> {
        let mut input = Input(frame);
        match input.byte()? {
            WELCOME => {
                let narrow = |number: u64| u32::try_from(number).map_err(|_| unreadable());
                let config = EngineLimits {
                    max_open_orders: narrow(input.number()?)?,
                    max_open_orders_per_account: narrow(input.number()?)?,
                };
                let sequence = input.number()?;
                input.end(Self::Welcome { config, sequence })
            }
            RELEASED => {
                let sequence = input.number()?;
                let mut assigned = Vec::with_capacity(input.0.len() / 16);
                while !input.0.is_empty() {
                    assigned.push((input.number()?, input.number()?));
                }
                Ok(Self::Released { sequence, assigned })
            }
            REFUSED => {
                let token = input.number()?;
                let record = <[u8; EVENT_SIZE]>::try_from(input.0).map_err(|_| unreadable())?;
                Ok(Self::Refused { token, record: Box::new(record) })
            }
            ANSWER => {
                let number = input.number()?;
                let answer = if input.byte()? == 1 {
                    let mut numbers = Vec::with_capacity(input.0.len() / 8);
                    while !input.0.is_empty() {
                        numbers.push(input.number()?);
                    }
                    Ok(numbers)
                } else {
                    Err(input.text()?)
                };
                Ok(Self::Answer { number, answer })
            }
            STOPPED => Ok(Self::Stopped { why: input.text()? }),
            _ => Err(unreadable()),
        }
    }
}

pub(super) fn unreadable() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a frame that cannot be read")
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> io::Result<u8> {
        let (&byte, rest) = self.0.split_first().ok_or_else(unreadable)?;
        self.0 = rest;
        Ok(byte)
    }

    fn number(&mut self) -> io::Result<u64> {
        let (&number, rest) = self.0.split_first_chunk::<8>().ok_or_else(unreadable)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(number))
    }

    fn text(&mut self) -> io::Result<String> {
        String::from_utf8(std::mem::take(&mut self.0).to_vec()).map_err(|_| unreadable())
    }

    fn end<T>(&self, whole: T) -> io::Result<T> {
        if self.0.is_empty() {
            Ok(whole)
        } else {
            Err(unreadable())
        }
    }
}

/// Cuts what is read from a socket into frames.
pub(super) struct Frames {
    bytes: Vec<u8>,
    /// Where the next frame begins.
    at: usize,
}

impl Frames {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::new(), at: 0 }
    }

    /// Reads what there is, and waits if there is nothing; false at the end.
    pub(super) fn fill(&mut self, mut from: impl Read) -> io::Result<bool> {
        self.bytes.drain(..self.at);
        self.at = 0;
        let had = self.bytes.len();
        self.bytes.resize(had + READ_BYTES, 0);
        let read = loop {
            match from.read(&mut self.bytes[had..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.bytes.truncate(had + *read.as_ref().unwrap_or(&0));
        Ok(read? > 0)
    }

    /// The next whole frame, without its length.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let Some(&length) = self.bytes[self.at..].first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(length) as usize;
        if length > MAX_FRAME {
            return Err(unreadable());
        }
        let (start, end) = (self.at + 4, self.at + 4 + length);
        if end > self.bytes.len() {
            return Ok(None);
        }
        self.at = end;
        Ok(Some(&self.bytes[start..end]))
    }
}

/// The numbers about a node as they cross.
pub(super) fn stats_to_numbers(stats: &Stats) -> Vec<u64> {
    // Every field is named, so that a new one cannot be forgotten.
    let Stats {
        sequence,
        commands,
        batches,
        queue_depth,
        under_way,
        completions_waiting,
        ring_bytes,
        ring_oldest_sequence,
        journal_writes,
        journal_commands,
        journal_bytes,
        journal_depth,
        journal_latency_us_log2,
        checkpoints,
        checkpoint_failures,
        last_checkpoint_sequence,
        segments_removed,
        retention_failures,
        disk_full,
        disk_full_refusals,
        commands_failed,
    } = stats;
    let mut numbers = vec![
        *sequence,
        *commands,
        *batches,
        *queue_depth as u64,
        *under_way as u64,
        *completions_waiting as u64,
        *ring_bytes as u64,
        *ring_oldest_sequence,
        *journal_writes,
        *journal_commands,
        *journal_bytes,
        *journal_depth as u64,
        *checkpoints,
        *checkpoint_failures,
        *last_checkpoint_sequence,
        *segments_removed,
        *retention_failures,
        u64::from(*disk_full),
        *disk_full_refusals,
        *commands_failed,
    ];
    numbers.extend_from_slice(journal_latency_us_log2);
    numbers
}

/// [`stats_to_numbers`] the other way.
pub(super) fn stats_from_numbers(numbers: &[u64]) -> io::Result<Stats> {
    let mut input = numbers.iter().copied();
    let mut next = || input.next().ok_or_else(unreadable);
    let mut stats = Stats {
        sequence: next()?,
        commands: next()?,
        batches: next()?,
        queue_depth: next()? as usize,
        under_way: next()? as usize,
        completions_waiting: next()? as usize,
        ring_bytes: next()? as usize,
        ring_oldest_sequence: next()?,
        journal_writes: next()?,
        journal_commands: next()?,
        journal_bytes: next()?,
        journal_depth: next()? as usize,
        checkpoints: next()?,
        checkpoint_failures: next()?,
        last_checkpoint_sequence: next()?,
        segments_removed: next()?,
        retention_failures: next()?,
        disk_full: next()? != 0,
        disk_full_refusals: next()?,
        commands_failed: next()?,
        journal_latency_us_log2: Vec::new(),
    };
    stats.journal_latency_us_log2 = input.collect();
    Ok(stats)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> EngineLimits {
        EngineLimits { max_open_orders: 3, max_open_orders_per_account: 2 }
    }

    #[test]
    fn what_is_encoded_is_decoded_however_the_bytes_arrive() {
        let frames = [
            ToReplica::Welcome { config: config(), sequence: 9 },
            ToReplica::Released { sequence: 1 << 60, assigned: vec![(7, 8), (u64::MAX, 9)] },
            ToReplica::Answer { number: 1, answer: Ok(vec![5, 6]) },
            ToReplica::Answer { number: 2, answer: Err("no room".to_owned()) },
            ToReplica::Refused { token: 4, record: Box::new([7; EVENT_SIZE]) },
            ToReplica::Stopped { why: "closed".to_owned() },
        ];
        let mut bytes = Vec::new();
        frames.iter().for_each(|frame| frame.encode(&mut bytes));
        for piece in [1, 3, 7, bytes.len()] {
            let (mut reader, mut seen) = (Frames::new(), Vec::new());
            for mut part in bytes.chunks(piece) {
                assert!(reader.fill(&mut part).expect("bytes"));
                while let Some(frame) = reader.next().expect("frames") {
                    seen.push(ToReplica::decode(frame).expect("a frame"));
                }
            }
            assert_eq!(seen, frames);
            assert!(!reader.fill(&[][..]).expect("the end"));
        }
    }

    #[test]
    fn commands_and_questions_are_decoded() {
        let sent = [
            ToEngine::Submit { token: 5, command: b"abc" },
            ToEngine::Ask { number: 6, question: Question::Checkpoint },
            ToEngine::Ask { number: 7, question: Question::Sequence },
            ToEngine::Ask { number: 8, question: Question::Stats },
        ];
        for frame in sent {
            let mut bytes = Vec::new();
            frame.encode(&mut bytes);
            assert_eq!(ToEngine::decode(&bytes[4..]).expect("a frame"), frame);
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        assert!(ToEngine::decode(&[]).is_err());
        assert!(ToEngine::decode(&[ASK, 0, 0, 0, 0, 0, 0, 0, 0, 3]).is_err());
        assert!(ToReplica::decode(&[RELEASED, 0, 0]).is_err());
        assert!(ToReplica::decode(&[99]).is_err());
        let mut reader = Frames::new();
        assert!(reader.fill(&u32::MAX.to_le_bytes()[..]).expect("bytes"));
        assert!(reader.next().is_err());
    }

    #[test]
    fn the_numbers_cross() {
        let stats = Stats { journal_latency_us_log2: vec![1, 2, 3], checkpoints: 9, ..Stats::default() };
        assert_eq!(stats_from_numbers(&stats_to_numbers(&stats)).expect("numbers"), stats);
        assert!(stats_from_numbers(&[1, 2]).is_err());
    }
}
