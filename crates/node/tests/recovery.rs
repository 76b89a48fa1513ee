//! What stands on the disk after a crash, a cut, a flipped bit or an operator's mistake, and what opening makes of it.

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use beurs_node::engine::{Engine, EngineConfig};
use beurs_node::io::RealDisk;
use beurs_node::journal::{JournalReader, RECORD_HEADER, SEGMENT_HEADER};
use beurs_node::{verify, JournalError, Node, NodeConfig, NodeError, Recovery, StopReason};
use common::{checkpoints, segments, small, workload, Faults, FaultyDisk, Random, TempDir};

/// Executes commands in batches of `batch` in a new node, closes it without a checkpoint, and gives the digest after
/// every command.
fn fill(path: &Path, count: usize, batch: usize) -> Vec<[u8; 32]> {
    fill_with(&small(path), count, batch)
}

fn fill_with(config: &NodeConfig, count: usize, batch: usize) -> Vec<[u8; 32]> {
    let commands = workload(7, count);
    let (mut node, _) = Node::open(config).expect("a new node");
    for commands in commands.chunks(batch) {
        node.execute(commands).expect("a running node");
    }
    drop(node); // Not closed: no checkpoint.
    digests(config.path.as_deref().expect("a directory"))
}

/// The digest before the first and after every record of a journal.
fn digests(path: &Path) -> Vec<[u8; 32]> {
    let mut engine = Engine::new(EngineConfig::default());
    let mut reader = JournalReader::open(Arc::new(RealDisk), &path.join("journal"), 0).expect("a journal");
    let mut digests = vec![engine.digest()];
    while let Some(record) = reader.next_whole().expect("a good journal") {
        engine.apply(record.sequence, record.event_time_ns, &record.command, &mut ());
        digests.push(engine.digest());
    }
    digests
}

fn open(path: &Path) -> Result<(Node, Recovery), NodeError> {
    Node::open(&small(path))
}

fn damaged(result: Result<(Node, Recovery), NodeError>) -> (PathBuf, u64, String) {
    match result {
        Err(NodeError::Journal(JournalError::Damaged { path, offset, what })) => (path, offset, what),
        Err(error) => panic!("another error: {error}"),
        Ok((_, recovery)) => panic!("it opened: {recovery:?}"),
    }
}

/// The records of a segment: where each begins, with the end of the last.
fn record_offsets(segment: &Path) -> Vec<usize> {
    let bytes = std::fs::read(segment).expect("a segment");
    let mut offsets = vec![SEGMENT_HEADER];
    let mut at = SEGMENT_HEADER;
    while at + RECORD_HEADER <= bytes.len() {
        let length = usize::from(u16::from_le_bytes([bytes[at + 4], bytes[at + 5]]));
        if length == 0 {
            break;
        }
        at += RECORD_HEADER + length.next_multiple_of(8);
        offsets.push(at);
    }
    offsets
}

fn flip(path: &Path, at: usize, bit: u8) {
    let mut bytes = std::fs::read(path).expect("a file");
    bytes[at] ^= 1 << bit;
    std::fs::write(path, bytes).expect("a write");
}

#[test]
fn a_reopened_node_has_the_same_digest_and_goes_on() {
    for batch in [1, 7, 100, 3_000] {
        let directory = TempDir::new("reopen");
        let digests = fill(directory.path(), 3_000, batch);
        let (mut node, recovery) = open(directory.path()).expect("a good journal");
        assert_eq!((recovery.sequence, recovery.commands_replayed), (3_000, 3_000));
        assert_eq!(recovery.torn_tail, None);
        assert_eq!(node.engine().digest(), digests[3_000]);
        node.execute(&workload(8, 100)[50..]).expect("a running node");
        let digest = node.engine().digest();
        node.close();
        let (node, recovery) = open(directory.path()).expect("a good journal");
        assert_eq!((recovery.sequence, recovery.checkpoint_sequence), (3_050, Some(3_050)));
        assert_eq!(recovery.commands_replayed, 0);
        assert_eq!(node.engine().digest(), digest);
    }
}

#[test]
fn a_journal_spans_many_segments() {
    let directory = TempDir::new("segments");
    let digests = fill(directory.path(), 10_000, 100);
    assert!(segments(directory.path()).len() > 8);
    let (node, _) = open(directory.path()).expect("a good journal");
    assert_eq!(node.engine().digest(), digests[10_000]);
    drop(node);
    let verified = verify(directory.path(), |_| true).expect("a good journal").expect("not stopped");
    assert_eq!((verified.commands, verified.digest), (10_000, digests[10_000]));
    assert!(verified.is_good() && verified.torn_tail.is_none());
}

#[test]
fn a_directory_has_one_node_at_a_time() {
    let directory = TempDir::new("lock");
    let (node, _) = open(directory.path()).expect("a new node");
    assert!(matches!(open(directory.path()), Err(NodeError::Journal(JournalError::Locked { .. }))));
    node.close();
    assert!(open(directory.path()).is_ok());
}

#[test]
fn a_journal_keeps_the_engines_limits() {
    let directory = TempDir::new("limits");
    fill(directory.path(), 30, 1);
    let mut other = small(directory.path());
    other.engine.max_open_orders = 5;
    assert!(matches!(Node::open(&other), Err(NodeError::Config { setting: "engine", .. })));
}

/// The last write ends at every byte at which it can end, and zeros follow.
#[test]
fn a_last_batch_torn_at_any_byte_is_cut_to_its_whole_records() {
    let directory = TempDir::new("torn");
    let digests = fill(directory.path(), 60, 20);
    let segment = &segments(directory.path())[0];
    let offsets = record_offsets(segment);
    assert_eq!(offsets.len(), 61);
    let whole = std::fs::read(segment).expect("a segment");
    for cut in offsets[40]..offsets[60] {
        let copy = TempDir::copy_of("torn-copy", directory.path());
        let mut bytes = whole.clone();
        bytes[cut..].fill(0);
        // Nothing is missing of a record whose missing bytes are zeros.
        let end = cut + whole[cut..offsets[60]].iter().take_while(|&&byte| byte == 0).count();
        let complete = offsets.iter().rposition(|&offset| offset <= end).expect("the header is whole");
        let torn = bytes[offsets[complete]..].iter().any(|&byte| byte != 0);
        std::fs::write(&segments(copy.path())[0], &bytes).expect("a write");
        if torn {
            // A sector is written whole or not at all: within one, a single missing bit is no torn write.
            let missing: u32 = whole[cut..offsets[complete + 1]].iter().map(|byte| byte.count_ones()).sum();
            let sector = offsets[complete].max(end / 512 * 512)..cut;
            if missing == 1 && bytes[sector].iter().any(|&byte| byte != 0) {
                assert_eq!(damaged(open(copy.path())).1, offsets[complete] as u64);
                continue;
            }
        }
        let (mut node, recovery) = open(copy.path()).expect("a torn tail is cut");
        assert_eq!(recovery.sequence, complete as u64, "cut at {cut}");
        assert_eq!(node.engine().digest(), digests[complete]);
        assert_eq!(recovery.torn_tail.is_some(), torn, "cut at {cut}");
        if let Some(torn) = recovery.torn_tail {
            assert_eq!((torn.offset, torn.last_sequence), (offsets[complete] as u64, complete as u64));
        }
        if cut % 16 == 0 {
            // The journal goes on behind the cut, and the next opening finds nothing torn.
            node.execute(&workload(9, 40)[30..]).expect("a running node");
            let digest = node.engine().digest();
            drop(node);
            let (node, recovery) = open(copy.path()).expect("a good journal");
            assert_eq!((recovery.sequence, recovery.torn_tail), (complete as u64 + 10, None));
            assert_eq!(node.engine().digest(), digest);
        }
    }
}

#[test]
fn a_segment_that_became_shorter_is_refused() {
    let directory = TempDir::new("shorter");
    fill(directory.path(), 60, 20);
    let segment = &segments(directory.path())[0];
    let whole = std::fs::read(segment).expect("a segment");
    let offsets = record_offsets(segment);
    // Within the header, at and within records, in the zeros behind them.
    for size in [0, 63, 64, offsets[60] / 2, offsets[59], offsets[60], whole.len() - 1] {
        std::fs::write(segment, &whole[..size]).expect("a write");
        let (path, offset, what) = damaged(open(directory.path()));
        assert_eq!((&path, offset), (segment, size as u64), "{what}");
    }
    // Longer is what a larger `segment_bytes` makes it.
    std::fs::write(segment, [whole, vec![0; 4096]].concat()).expect("a write");
    assert!(open(directory.path()).is_ok());
}

#[test]
fn a_flipped_bit_before_the_last_record_is_refused_with_file_and_offset() {
    for batch in [1, 40] {
        let directory = TempDir::new("flip");
        fill(directory.path(), 40, batch);
        let segment = segments(directory.path())[0].clone();
        let offsets = record_offsets(&segment);
        let mut r = Random(3);
        for record in [0, 20, 38] {
            for at in offsets[record]..offsets[record + 1] {
                let bit = r.below(8) as u8;
                flip(&segment, at, bit);
                let (path, offset, what) = damaged(open(directory.path()));
                assert_eq!(path, segment);
                let near = offsets[record] as u64..offsets[record + 1] as u64;
                assert!(near.contains(&offset), "flip at {at}: {offset}: {what}");
                flip(&segment, at, bit);
            }
        }
        assert!(open(directory.path()).is_ok());
    }
}

#[test]
fn a_flipped_bit_in_an_earlier_segment_is_refused_wherever_it_is() {
    let directory = TempDir::new("flip-segment");
    fill(directory.path(), 2_000, 50);
    let segment = segments(directory.path())[0].clone();
    let bytes = std::fs::read(&segment).expect("a segment").len();
    let mut r = Random(4);
    for _ in 0..300 {
        // Header, records and the zeros behind them alike.
        let (at, bit) = (r.below(bytes as u64) as usize, r.below(8) as u8);
        flip(&segment, at, bit);
        let (path, ..) = damaged(open(directory.path()));
        assert_eq!(path, segment, "flip at {at}");
        flip(&segment, at, bit);
    }
    assert!(open(directory.path()).is_ok());
}

#[test]
fn damage_before_a_checkpoint_is_refused_as_far_back_as_is_checked() {
    let directory = TempDir::new("before-checkpoint");
    let config = NodeConfig { segment_bytes: 4096, ..small(directory.path()) };
    fill_with(&config, 2_000, 16);
    Node::open(&config).expect("a good journal").0.close();
    let segments = segments(directory.path());
    assert!(segments.len() > 4, "{} segments", segments.len());
    let at = record_offsets(&segments[1])[2];
    flip(&segments[1], at + RECORD_HEADER, 3);
    let (path, offset, _) = damaged(Node::open(&config));
    assert_eq!((path, offset), (segments[1].clone(), at as u64));
    let near = NodeConfig { check_bytes: 4096, ..config };
    Node::open(&near).expect("the damage lies further back than is checked");
    assert!(verify(directory.path(), |_| true).is_err(), "verify reads everything");
}

/// A write that was torn leaves zeros, not another bit.
#[test]
fn a_flipped_bit_in_the_last_record_is_refused() {
    let directory = TempDir::new("flip-last");
    fill(directory.path(), 40, 1);
    let segment = segments(directory.path())[0].clone();
    let offsets = record_offsets(&segment);
    for at in offsets[39]..offsets[40] {
        for bit in 0..8 {
            flip(&segment, at, bit);
            let (path, offset, what) = damaged(open(directory.path()));
            assert_eq!((path, offset), (segment.clone(), offsets[39] as u64));
            assert!(what.ends_with(&format!("a bit of byte {at} is not as it was written")), "{what}");
            flip(&segment, at, bit);
        }
    }
    assert!(open(directory.path()).is_ok());
}

#[test]
fn a_journal_that_ends_before_a_checkpoint_is_refused() {
    let directory = TempDir::new("lost-end");
    fill(directory.path(), 40, 1);
    let (node, _) = open(directory.path()).expect("a good journal");
    node.close(); // With a checkpoint at 40.
    let segment = segments(directory.path())[0].clone();
    let offsets = record_offsets(&segment);
    let mut bytes = std::fs::read(&segment).expect("a segment");
    bytes[offsets[39]..].fill(0);
    std::fs::write(&segment, bytes).expect("a write");
    let (path, _, what) = damaged(open(directory.path()));
    assert!(path.starts_with(directory.path()), "{what}");
    // Not even when the checkpoint is damaged too.
    flip(&checkpoints(directory.path())[0], 200, 0);
    damaged(open(directory.path()));
    // Nor when the whole journal is gone.
    for segment in segments(directory.path()) {
        std::fs::remove_file(segment).expect("a removal");
    }
    let (_, _, what) = damaged(open(directory.path()));
    assert!(what.contains("no segment"), "{what}");
}

#[test]
fn a_missing_segment_is_refused() {
    let directory = TempDir::new("missing");
    fill(directory.path(), 5_000, 100);
    let count = segments(directory.path()).len();
    assert!(count > 4);
    for missing in 0..count - 1 {
        let copy = TempDir::copy_of("missing-copy", directory.path());
        std::fs::remove_file(&segments(copy.path())[missing]).expect("a removal");
        let (path, offset, what) = damaged(open(copy.path()));
        assert!(what.contains("missing"), "{what}");
        let expected = if missing == 0 { &segments(copy.path())[0] } else { &segments(copy.path())[missing - 1] };
        assert_eq!(&path, expected);
        assert!(missing == 0 || offset > SEGMENT_HEADER as u64);
    }
}

#[test]
fn exchanged_segments_are_refused() {
    let directory = TempDir::new("exchanged");
    fill(directory.path(), 5_000, 100);
    let names = segments(directory.path());
    let (a, b) = (&names[1], &names[2]);
    let aside = directory.path().join("aside");
    std::fs::rename(a, &aside).expect("a rename");
    std::fs::rename(b, a).expect("a rename");
    std::fs::rename(&aside, b).expect("a rename");
    let (_, offset, what) = damaged(open(directory.path()));
    assert_eq!(offset, 16, "{what}");
}

#[test]
fn a_segment_of_another_journal_is_refused() {
    let (one, other) = (TempDir::new("one"), TempDir::new("other"));
    fill(one.path(), 5_000, 100);
    // The same lengths, so that all sequences fit; only times differ.
    let mut config = small(other.path());
    let clock = common::TickingClock::new();
    clock.0.store(5_000, std::sync::atomic::Ordering::Relaxed);
    config.clock = clock;
    fill_with(&config, 5_000, 100);
    let (ours, theirs) = (segments(one.path()), segments(other.path()));
    assert_eq!(ours[2].file_name(), theirs[2].file_name());
    std::fs::copy(&theirs[2], &ours[2]).expect("a copy");
    let (path, offset, what) = damaged(open(one.path()));
    assert_eq!((path, offset), (ours[2].clone(), 24), "{what}");
}

#[test]
fn removed_repeated_and_exchanged_records_are_refused() {
    let directory = TempDir::new("records");
    // Cancels of one account only, so that all records have the same size.
    let (mut node, _) = open(directory.path()).expect("a new node");
    let cancels: Vec<_> = (0..50).map(|_| common::order(999, beurs_node::engine::types::Side::Buy, 1, 1, "")).collect();
    for cancel in cancels.chunks(1) {
        node.execute(cancel).expect("a running node");
    }
    drop(node);
    let segment = segments(directory.path())[0].clone();
    let offsets = record_offsets(&segment);
    let size = offsets[1] - offsets[0];
    let whole = std::fs::read(&segment).expect("a segment");
    let record = |n: usize| &whole[offsets[n]..offsets[n + 1]];

    let mut removed = whole.clone();
    removed.copy_within(offsets[11]..offsets[50], offsets[10]);
    removed[offsets[49]..offsets[50]].fill(0);
    let mut repeated = whole.clone();
    repeated.copy_within(offsets[10]..offsets[50], offsets[11]);
    let mut exchanged = whole.clone();
    exchanged[offsets[10]..offsets[11]].copy_from_slice(record(11));
    exchanged[offsets[11]..offsets[12]].copy_from_slice(record(10));
    // A forger gives another record the right sequence and a right checksum; the running hash is not to be had.
    let mut forged = whole.clone();
    forged[offsets[10] + RECORD_HEADER + 16] ^= 1;
    let crc = crc32c::crc32c(&forged[offsets[10] + 4..offsets[11]]);
    forged[offsets[10]..offsets[10] + 4].copy_from_slice(&crc.to_le_bytes());

    for (bytes, at) in [(removed, 8), (repeated, size + 8), (exchanged, 8), (forged, 24)] {
        std::fs::write(&segment, bytes).expect("a write");
        let (path, offset, what) = damaged(open(directory.path()));
        assert_eq!((path, offset), (segment.clone(), (offsets[10] + at) as u64), "{what}");
    }
}

#[test]
fn a_damaged_checkpoint_is_passed_over_for_the_one_before() {
    let directory = TempDir::new("checkpoints");
    let mut config = small(directory.path());
    let commands = workload(7, 1_000);
    let (mut node, _) = Node::open(&config).expect("a new node");
    for part in commands.chunks(200) {
        node.execute(part).expect("a running node");
        node.checkpoint().expect("a journal").recv().expect("a running node").expect("a checkpoint");
    }
    node.execute(&commands[100..150]).expect("a running node");
    let digest = node.engine().digest();
    drop(node);
    assert_eq!(checkpoints(directory.path()).len(), 3);
    let mut r = Random(5);
    for round in 0..200 {
        let copy = TempDir::copy_of("checkpoints-copy", directory.path());
        config.path = Some(copy.path().to_owned());
        let bad = round % 4; // None, the newest, the two newest, all three.
        for path in checkpoints(copy.path()).iter().rev().take(bad) {
            match r.below(4) {
                0 => std::fs::write(path, b"").expect("a write"),
                1 => {
                    let bytes = std::fs::read(path).expect("a file");
                    std::fs::write(path, &bytes[..r.below(bytes.len() as u64) as usize]).expect("a write");
                }
                _ => {
                    let size = std::fs::metadata(path).expect("a file").len();
                    flip(path, r.below(size) as usize, r.below(8) as u8);
                }
            }
        }
        let (node, recovery) = Node::open(&config).expect("a good journal");
        let expected = [Some(1_000), Some(800), Some(600), None][bad];
        assert_eq!(recovery.checkpoint_sequence, expected);
        assert_eq!(recovery.skipped_checkpoints.len(), bad);
        assert_eq!(recovery.commands_replayed, 1_050 - expected.unwrap_or(0));
        assert_eq!(node.engine().digest(), digest);
    }
    // Verification finds the bad one.
    flip(&checkpoints(directory.path())[1], 300, 1);
    let verified = verify(directory.path(), |_| true).expect("a good journal").expect("not stopped");
    assert_eq!(verified.checkpoints, [600, 1_000]);
    assert_eq!(verified.bad_checkpoints.len(), 1);
    assert_eq!(verified.digest, digest);
}

#[test]
fn a_checkpoint_of_another_journal_is_passed_over() {
    let (one, other) = (TempDir::new("history"), TempDir::new("other-history"));
    let digests = fill(one.path(), 500, 10);
    let (mut node, _) = open(other.path()).expect("a new node");
    node.execute(&workload(99, 400)).expect("a running node");
    node.close();
    let theirs = &checkpoints(other.path())[0];
    std::fs::copy(theirs, one.path().join("checkpoint").join(theirs.file_name().expect("a name"))).expect("a copy");
    let (node, recovery) = open(one.path()).expect("a good journal");
    assert_eq!((recovery.checkpoint_sequence, recovery.skipped_checkpoints.len()), (None, 1));
    assert_eq!(node.engine().digest(), digests[500]);
    drop(node);
    let verified = verify(one.path(), |_| true).expect("a good journal").expect("not stopped");
    assert!(!verified.is_good());
}

#[test]
fn files_that_a_crash_left_half_made_are_removed() {
    let directory = TempDir::new("half");
    fill(directory.path(), 100, 10);
    let journal = directory.path().join("journal/00000000000000000101.segment.tmp");
    let checkpoint = directory.path().join("checkpoint/00000000000000000100.checkpoint.tmp");
    std::fs::write(&journal, b"half").expect("a write");
    std::fs::write(&checkpoint, b"half").expect("a write");
    let (_, recovery) = open(directory.path()).expect("a good journal");
    assert_eq!(recovery.sequence, 100);
    assert!(!journal.exists() && !checkpoint.exists());
}

#[test]
fn a_failed_sync_stops_the_node_and_is_never_repeated() {
    for (syncs, writes) in [(Some(5), None), (None, Some(5))] {
        let directory = TempDir::new("sync");
        let (node, _) = open(directory.path()).expect("a new node");
        drop(node);
        let disk =
            FaultyDisk::new(Faults { syncs_until_failure: syncs, writes_until_failure: writes, ..Faults::default() });
        let config = NodeConfig { disk: Arc::new(disk.clone()), ..small(directory.path()) };
        let (mut node, _) = Node::open(&config).expect("a journal");
        let commands = workload(7, 100);
        let mut acknowledged = 0;
        let error = loop {
            match node.execute(&commands[acknowledged..=acknowledged]) {
                Ok(events) => {
                    assert!(events.iter().all(|event| event.sequence == acknowledged as u64 + 1));
                    acknowledged += 1;
                }
                Err(error) => break error,
            }
        };
        assert_eq!(acknowledged, 5);
        assert!(matches!(error, NodeError::Stopped(StopReason::Journal(_))), "{error}");
        for _ in 0..3 {
            assert!(matches!(node.execute(&commands[..1]), Err(NodeError::Stopped(_))));
        }
        assert!(matches!(node.checkpoint(), Err(NodeError::Stopped(_))));
        node.close();
        assert_eq!(disk.faults().tried_after_failure, 0);
        // What was acknowledged is there; of the sixth nobody knows.
        let (_, recovery) = open(directory.path()).expect("a good journal");
        assert!((5..=6).contains(&recovery.sequence), "{recovery:?}");
        assert_eq!(checkpoints(directory.path()).len(), 0);
    }
}

#[test]
fn a_checkpoint_that_cannot_be_written_harms_nothing() {
    let directory = TempDir::new("no-checkpoint");
    let disk = FaultyDisk::new(Faults { creates_until_full: Some(2), ..Faults::default() });
    let config = NodeConfig { disk: Arc::new(disk.clone()), ..small(directory.path()) };
    let (mut node, _) = Node::open(&config).expect("a new node");
    let commands = workload(7, 100);
    node.execute(&commands).expect("a running node");
    let written = node.checkpoint().expect("a journal").recv().expect("a running node");
    assert!(matches!(written, Err(NodeError::Journal(JournalError::Io { .. }))));
    node.execute(&commands[30..]).expect("a running node");
}

/// The power goes while a write is on its way: any of its sectors may be on the disk, in any combination. Opening must
/// always work, and everything that was acknowledged must be there.
#[test]
fn a_power_cut_never_loses_what_was_acknowledged_nor_refuses_to_open() {
    let mut r = Random(11);
    let directory = TempDir::new("power");
    let mut held = Vec::new();
    let (mut torn, mut longer) = (0, 0);
    for round in 0..400 {
        let disk = FaultyDisk::new(Faults { hold_back_writes: true, ..Faults::default() });
        let config = NodeConfig { disk: Arc::new(disk.clone()), ..small(directory.path()) };
        let (mut node, recovery) = Node::open(&config).expect("a journal after a power cut");
        torn += u32::from(recovery.torn_tail.is_some());
        let acknowledged = held.len();
        longer += u32::from(recovery.sequence as usize > acknowledged);
        assert!(recovery.sequence as usize >= acknowledged, "round {round}: {recovery:?}");
        let found = digests(directory.path());
        assert_eq!(found[1..=acknowledged], held[..], "round {round}");
        assert_eq!(node.engine().digest(), found[found.len() - 1]);
        let batches = r.below(4);
        for _ in 0..batches {
            let count = 1 + r.below(40) as usize;
            let commands = workload(r.next(), count + 30);
            node.execute(&commands[30..]).expect("a running node");
        }
        drop(node);
        held = digests(directory.path())[1..].to_vec();
        let config = NodeConfig { disk: Arc::new(disk.clone()), ..small(directory.path()) };
        let (mut node, _) = Node::open(&config).expect("a good journal");
        // The next write never gets its sync.
        disk.faults().syncs_until_failure = Some(0);
        let commands = workload(r.next(), 31 + r.below(40) as usize);
        assert!(node.execute(&commands[30..]).is_err());
        drop(node);
        disk.cut_power(&mut r);
    }
    assert!(torn > 50 && longer > 20, "the cuts were dull: {torn} torn, {longer} longer");
}

/// In memory there is nothing to recover, and asking for it is answered.
#[test]
fn a_node_in_memory_has_no_checkpoints() {
    let (mut node, recovery) = Node::open(&NodeConfig::default()).expect("a new node");
    assert_eq!(recovery.sequence, 0);
    node.execute(&workload(7, 500)).expect("a running node");
    assert!(matches!(node.checkpoint(), Err(NodeError::InMemory)));
    node.close();
}
