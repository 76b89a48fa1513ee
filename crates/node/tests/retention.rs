//! Old segments: kept, archived or dropped, never one that a checkpoint or a reader needs.

mod common;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::Arc;

use beurs_node::engine::Engine;
use beurs_node::io::{DirectoryLock, Disk, DiskFile, ReadFile, RealDisk};
use beurs_node::journal::JournalReader;
use beurs_node::wire::EventRecord;
use beurs_node::{verify, JournalError, NodeConfig, NodeError, NodeHandle, Retention};
use common::{checkpoints, command, files, segments, setup, small, workload, Random, TempDir};

fn config(path: &Path, retention: Retention) -> NodeConfig {
    NodeConfig { segment_bytes: 16 << 10, checkpoints_kept: 2, journal_retention: retention, ..small(path) }
}

/// A node with `rounds` times 1,000 commands and a checkpoint behind each.
fn run(config: &NodeConfig, rounds: u64) -> (NodeHandle, [u8; 32]) {
    let (node, _) = NodeHandle::open(config).expect("a good journal");
    for round in 0..rounds {
        let commands =
            if node.sequence() == 0 { workload(1, 1_000) } else { workload(round + 2, 1_100)[100..].to_vec() };
        node.execute(&commands).expect("a running node");
        node.checkpoint().expect("a checkpoint");
    }
    let digest = node.with_engine(Engine::digest).expect("a running node");
    (node, digest)
}

/// The first sequence of each segment.
fn begins(directory: &Path) -> Vec<u64> {
    let name = |path: &PathBuf| path.file_stem().and_then(|name| name.to_str()).expect("a name").parse();
    files(directory, ".segment").iter().map(|path| name(path).expect("a number")).collect()
}

fn trimmed<T>(result: Result<T, NodeError>) -> u64 {
    match result {
        Err(NodeError::Journal(JournalError::Trimmed { first_sequence, .. })) => first_sequence,
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("it is there"),
    }
}

#[test]
fn segments_are_kept_unless_it_is_said_otherwise() {
    let directory = TempDir::new("keep");
    let (node, _) = run(&config(directory.path(), Retention::default()), 6);
    assert_eq!((begins(&directory.path().join("journal"))[0], node.stats().segments_removed), (1, 0));
    assert!(!directory.path().join("journal/trimmed").exists());
}

#[test]
fn dropped_segments_lie_behind_the_oldest_checkpoint_that_is_kept() {
    let directory = TempDir::new("drop");
    let journal = directory.path().join("journal");
    let config = config(directory.path(), Retention::Drop);
    let (node, digest) = run(&config, 6);
    let first = begins(&journal);
    assert_eq!(checkpoints(directory.path()).len(), 2);
    assert!(first[0] > 1 && first[0] <= 5_001 && first[1] > 5_001, "{first:?}");
    assert_eq!((node.stats().retention_failures, node.stats().segments_removed > 5), (0, true));
    // What is there can be had; what is not is named.
    assert_eq!(trimmed(node.replay_events(0, 1_000)), 5_001);
    assert_eq!(trimmed(node.replay_events(4_999, 1_000)), 5_001);
    assert_eq!(node.replay_events(5_000, 1).expect("it is there")[0].sequence, 5_001);
    let error = JournalReader::open(Arc::new(RealDisk), &journal, 0).map(|_| ());
    assert_eq!(trimmed(error.map_err(NodeError::from)), first[0]);
    assert!(JournalReader::open(Arc::new(RealDisk), &journal, first[0] - 1).is_ok());
    drop(node);
    // It opens, with either checkpoint, and verifies.
    for bad in 0..2 {
        if bad == 1 {
            std::fs::write(&checkpoints(directory.path())[1], b"").expect("a write");
        }
        let (node, recovery) = NodeHandle::open(&config).expect("a good journal");
        let expected = [6_000, 5_000][bad];
        assert_eq!((recovery.sequence, recovery.checkpoint_sequence), (6_000, Some(expected)));
        assert_eq!(node.with_engine(Engine::digest).expect("a running node"), digest);
        let verified = verify(directory.path(), |_| true).expect("a good journal").expect("not stopped");
        assert_eq!((verified.from_sequence, verified.commands, verified.digest), (5_000, 6_000, digest));
        assert_eq!((verified.checkpoints.len(), verified.bad_checkpoints.len()), (2 - bad, bad));
        drop(node);
    }
    // Without any good checkpoint it cannot be opened, and says where it begins.
    for checkpoint in checkpoints(directory.path()) {
        std::fs::write(checkpoint, b"").expect("a write");
    }
    assert_eq!(trimmed(NodeHandle::open(&config)), first[0]);
    assert_eq!(trimmed(verify(directory.path(), |_| true)), first[0]);
}

#[test]
fn a_segment_that_is_missing_behind_the_trimmed_ones_is_damage() {
    let directory = TempDir::new("trimmed-missing");
    let config = config(directory.path(), Retention::Drop);
    drop(run(&config, 4));
    let first = segments(directory.path())[0].clone();
    std::fs::remove_file(first).expect("a removal");
    let error = NodeHandle::open(&config).map(|_| ()).expect_err("a segment is missing");
    assert!(matches!(error, NodeError::Journal(JournalError::Damaged { .. })), "{error}");
    assert!(error.to_string().contains("missing"), "{error}");
}

#[test]
fn no_segment_goes_before_as_many_checkpoints_are_there_as_are_kept() {
    let directory = TempDir::new("too-few");
    let config = NodeConfig { checkpoints_kept: 4, ..config(directory.path(), Retention::Drop) };
    let (node, _) = run(&config, 3);
    assert_eq!(node.stats().segments_removed, 0);
    node.execute(&workload(9, 1_000)[100..]).expect("a running node");
    node.checkpoint().expect("a checkpoint");
    assert!(node.stats().segments_removed > 0);
}

#[test]
fn nothing_goes_while_the_oldest_checkpoint_is_damaged() {
    let directory = TempDir::new("oldest-bad");
    let config = config(directory.path(), Retention::Drop);
    drop(run(&config, 3));
    let before = begins(&directory.path().join("journal"));
    std::fs::write(&checkpoints(directory.path())[1], b"").expect("a write");
    let (node, _) = run(&config, 1); // Now the damaged one is the oldest.
    assert_eq!((node.stats().segments_removed, node.stats().retention_failures), (0, 1));
    assert_eq!(begins(&directory.path().join("journal"))[..before.len()], before);
    node.execute(&workload(9, 200)[100..]).expect("a running node");
    node.checkpoint().expect("a checkpoint");
    assert!(node.stats().segments_removed > 0);
}

#[test]
fn archived_segments_and_those_that_are_left_are_the_whole_journal() {
    let directory = TempDir::new("archive");
    let archive = TempDir::new("archive-to");
    let config = config(directory.path(), Retention::Archive(archive.path().join("deep")));
    let (node, digest) = run(&config, 6);
    drop(node);
    let journal = directory.path().join("journal");
    let (archived, left) = (begins(&archive.path().join("deep")), begins(&journal));
    assert!(archived.len() > 5 && archived.last() < left.first(), "{archived:?} {left:?}");
    assert!(files(&archive.path().join("deep"), ".tmp").is_empty());
    // Put back, everything can be executed from the start again, and the next checkpoint archives it once more.
    common::copy_all(&archive.path().join("deep"), &journal);
    let verified = verify(directory.path(), |_| true).expect("a good journal").expect("not stopped");
    assert_eq!((verified.from_sequence, verified.commands, verified.digest), (0, 6_000, digest));
    let (node, _) = run(&config, 1);
    assert_eq!(node.stats().retention_failures, 0);
    assert!(begins(&journal)[0] > left[0]);
}

#[test]
fn an_archive_that_has_another_segment_of_that_name_keeps_the_journal_whole() {
    let directory = TempDir::new("archive-other");
    let archive = TempDir::new("archive-other-to");
    let other = archive.path().join("00000000000000000001.segment");
    std::fs::write(&other, vec![0; 16 << 10]).expect("a write");
    let config = config(directory.path(), Retention::Archive(archive.path().to_owned()));
    let (node, _) = run(&config, 3);
    assert!(node.stats().retention_failures > 0);
    assert_eq!((node.stats().segments_removed, begins(&directory.path().join("journal"))[0]), (0, 1));
    std::fs::remove_file(other).expect("a removal");
    node.execute(&workload(9, 200)[100..]).expect("a running node");
    node.checkpoint().expect("a checkpoint");
    assert!(node.stats().segments_removed > 0);
    drop(node);
    let itself = Retention::Archive(directory.path().join("journal"));
    let refused = NodeHandle::open(&NodeConfig { journal_retention: itself, ..config });
    assert!(matches!(refused, Err(NodeError::Config { setting: "journal_archive_directory", .. })));
}

/// A reader that is late, by however much, always finds what it has not read yet.
#[test]
fn a_registered_reader_finds_everything_behind_it() {
    let directory = TempDir::new("readers");
    let config = NodeConfig { readers: vec!["slow".to_owned()], ..config(directory.path(), Retention::Drop) };
    let (mut node, _) = NodeHandle::open(&config).expect("a new node");
    let mut r = Random(4);
    let mut recorded: Vec<EventRecord> = node.execute(&setup()).expect("a running node").iter().copied().collect();
    let journal = directory.path().join("journal");
    let mut read = 0;
    for round in 0..40 {
        let commands: Vec<_> = (0..200 + r.below(400)).map(|_| command(&mut r)).collect();
        recorded.extend(node.execute(&commands).expect("a running node").iter().copied());
        node.checkpoint().expect("a checkpoint");
        if round < 8 {
            assert_eq!(begins(&journal)[0], 1, "it has not said where it is");
        }
        let mut sequence = read;
        while sequence < node.sequence() {
            let events = node.replay_events(sequence, 1 << 16).expect("nothing that it needs is gone");
            let from = recorded.partition_point(|record| record.sequence <= sequence);
            assert_eq!(events, recorded[from..from + events.len()]);
            sequence = events.last().expect("events").sequence;
        }
        if round >= 8 && r.below(3) == 0 {
            read += r.below(node.sequence() - read + 1);
            node.set_reader("slow", Some(read));
        }
        if round % 10 == 9 {
            node.close();
            node = NodeHandle::open(&config).expect("a good journal").0;
            if round > 10 {
                node.set_reader("slow", Some(read));
            }
        }
    }
    assert!(begins(&journal)[0] > 1, "nothing was dropped");
    let behind = node.sequence() - begins(&journal)[0];
    node.set_reader("slow", None);
    node.execute(&[command(&mut r)]).expect("a running node");
    node.checkpoint().expect("a checkpoint");
    assert!(node.sequence() - begins(&journal)[0] <= behind);
}

#[test]
fn a_reader_beside_the_node_is_told_when_it_is_too_late() {
    let directory = TempDir::new("beside");
    let journal = directory.path().join("journal");
    let config = config(directory.path(), Retention::Drop);
    let (node, _) = NodeHandle::open(&config).expect("a new node");
    node.execute(&workload(1, 1_000)).expect("a running node");
    let mut early = JournalReader::open(Arc::new(RealDisk), &journal, 0).expect("a journal");
    let mut late = JournalReader::open(Arc::new(RealDisk), &journal, 900).expect("a journal");
    drop(node);
    let (node, _) = run(&config, 3);
    assert!(begins(&journal)[0] > 1_000);
    // The segment that it has open it can still read; those behind it are gone.
    let mut read = 0;
    let error = loop {
        match early.next_until(4_000) {
            Ok(record) => {
                read += 1;
                assert_eq!(record.expect("a record").sequence, read);
            }
            Err(error) => break error,
        }
    };
    assert!(read > 100);
    assert_eq!(trimmed::<()>(Err(error.into())), begins(&journal)[0]);
    assert_eq!(late.next_until(4_000).expect("open").expect("a record").sequence, 901);
    node.close();
}

/// A disk on which the n-th change fails and every later one, as if the process had died there.
struct DyingDisk(AtomicI64);

impl DyingDisk {
    fn change(&self) -> io::Result<()> {
        if self.0.fetch_sub(1, Ordering::Relaxed) > 0 {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(5))
        }
    }
}

impl Disk for DyingDisk {
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
        self.change()?;
        RealDisk.create(path, size)
    }

    fn open(&self, path: &Path, size: u64) -> io::Result<Box<dyn DiskFile>> {
        RealDisk.open(path, size)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change()?;
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change()?;
        RealDisk.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.change()?;
        RealDisk.sync_directory(path)
    }
}

#[test]
fn ending_at_any_step_of_archiving_loses_nothing() {
    let before = TempDir::new("dying-before");
    let (node, digest) = run(&config(before.path(), Retention::Keep), 2);
    drop(node);
    let mut steps = 0;
    loop {
        let directory = TempDir::copy_of("dying", before.path());
        let archive = TempDir::new("dying-archive");
        let retention = Retention::Archive(archive.path().to_owned());
        let disk = Arc::new(DyingDisk(AtomicI64::new(i64::MAX)));
        let mortal = NodeConfig { disk: disk.clone(), ..config(directory.path(), retention.clone()) };
        let (node, _) = NodeHandle::open(&mortal).expect("a good journal");
        disk.0.store(steps, Ordering::Relaxed);
        let made = node.checkpoint();
        let died = disk.0.load(Ordering::Relaxed) < 0;
        assert!(made.is_ok() || died);
        drop(node);

        let (node, recovery) = NodeHandle::open(&config(directory.path(), retention)).expect("a good journal");
        assert_eq!(recovery.sequence, 2_000, "after {steps} steps");
        assert_eq!(node.with_engine(Engine::digest).expect("a running node"), digest);
        node.checkpoint().expect("a checkpoint");
        assert_eq!(node.stats().retention_failures, 0, "after {steps} steps");
        drop(node);
        assert!(begins(&directory.path().join("journal"))[0] > 1);
        // Nothing is in neither place.
        common::copy_all(archive.path(), &directory.path().join("journal"));
        let verified = verify(directory.path(), |_| true).expect("a good journal").expect("not stopped");
        assert_eq!((verified.from_sequence, verified.commands, verified.digest), (0, 2_000, digest));
        if !died {
            break;
        }
        steps += 1;
    }
    assert!(steps > 20, "only {steps} steps");
}
