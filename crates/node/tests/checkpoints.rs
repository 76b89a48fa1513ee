//! Checkpoints beside the engine: it runs on meanwhile, however slow they are, and only what was verified gets a name.

mod common;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use beurs_node::engine::Engine;
use beurs_node::io::{DirectoryLock, Disk, DiskFile, ReadFile, RealDisk};
use beurs_node::{verify, JournalError, NodeConfig, NodeError, NodeHandle};
use common::{checkpoints, setup, small, workload, Random, TempDir};

/// A disk that keeps whoever creates a checkpoint waiting, and reads one bit wrong, as it is told to.
#[derive(Default)]
struct OddDisk {
    held: Mutex<bool>,
    changed: Condvar,
    /// Files whose path contains this text are read with one bit flipped.
    misread: Mutex<Option<&'static str>>,
    waiting: AtomicBool,
}

impl OddDisk {
    fn hold(&self, held: bool) {
        *self.held.lock().expect("no panic holds it") = held;
        self.changed.notify_all();
    }

    fn misread(&self, name: Option<&'static str>) {
        *self.misread.lock().expect("no panic holds it") = name;
    }
}

/// The byte of a file that is read wrong.
const FLIPPED: u64 = 1_000;

struct FlippedFile(Box<dyn ReadFile>);

impl ReadFile for FlippedFile {
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.0.read_at(buffer, offset)?;
        if (offset..offset + read as u64).contains(&FLIPPED) {
            buffer[(FLIPPED - offset) as usize] ^= 1;
        }
        Ok(read)
    }
}

impl Disk for OddDisk {
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
        let file = RealDisk.open_to_read(path)?;
        match *self.misread.lock().expect("no panic holds it") {
            Some(name) if path.to_str().is_some_and(|path| path.contains(name)) => Ok(Box::new(FlippedFile(file))),
            _ => Ok(file),
        }
    }

    fn lock(&self, path: &Path) -> io::Result<Option<DirectoryLock>> {
        RealDisk.lock(path)
    }

    fn create(&self, path: &Path, size: u64) -> io::Result<Box<dyn DiskFile>> {
        if path.to_str().is_some_and(|path| path.contains(".checkpoint")) {
            let mut held = self.held.lock().expect("no panic holds it");
            while *held {
                self.waiting.store(true, Ordering::Relaxed);
                held = self.changed.wait(held).expect("no panic holds it");
            }
        }
        RealDisk.create(path, size)
    }

    fn open(&self, path: &Path, size: u64) -> io::Result<Box<dyn DiskFile>> {
        RealDisk.open(path, size)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_directory(path)
    }
}

fn open(directory: &TempDir, interval: u64) -> (NodeHandle, Arc<OddDisk>) {
    let disk = Arc::new(OddDisk::default());
    let config = NodeConfig { disk: disk.clone(), checkpoint_interval: interval, ..small(directory.path()) };
    let (node, _) = NodeHandle::open(&config).expect("a new node");
    (node, disk)
}

#[test]
fn the_engine_runs_on_while_a_checkpoint_is_held_up() {
    let directory = TempDir::new("held-up");
    let (node, disk) = open(&directory, 100);
    disk.hold(true);
    for part in workload(7, 5_000).chunks(50) {
        node.execute(part).expect("acknowledged whatever the checkpoint does");
    }
    assert_eq!((node.sequence(), node.stats().checkpoints), (5_000, 0));
    assert!(checkpoints(directory.path()).is_empty());
    disk.hold(false);
    // One that is asked for comes behind the late one, which is of the state when it was due.
    assert_eq!(node.checkpoint().expect("a checkpoint"), 5_000);
    assert_eq!((node.stats().checkpoints, node.stats().checkpoint_failures), (2, 0));
    let digest = node.with_engine(Engine::digest).expect("a running node");
    node.close();
    let verified = verify(directory.path(), |_| true).expect("a good journal").expect("not stopped");
    assert_eq!((verified.checkpoints, verified.digest), (vec![100, 5_000], digest));
    assert!(verified.bad_checkpoints.is_empty());
}

#[test]
fn a_checkpoint_is_of_the_state_when_it_was_asked_for() {
    let directory = TempDir::new("moment");
    let (node, disk) = open(&directory, 0);
    let commands = workload(7, 3_000);
    node.execute(&commands[..1_000]).expect("a running node");
    disk.hold(true);
    let asked = {
        let node = node.clone();
        std::thread::spawn(move || node.checkpoint())
    };
    while !disk.waiting.load(Ordering::Relaxed) {
        std::thread::yield_now();
    }
    node.execute(&commands[1_000..]).expect("a running node");
    disk.hold(false);
    assert_eq!(asked.join().expect("no panic").expect("a checkpoint"), 1_000);
    node.close();
    let verified = verify(directory.path(), |_| true).expect("a good journal").expect("not stopped");
    assert_eq!(verified.checkpoints, [1_000, 3_000]);
    assert!(verified.bad_checkpoints.is_empty());
}

#[test]
fn every_checkpoint_of_a_long_run_agrees_with_the_journal() {
    let directory = TempDir::new("long-run");
    let config = NodeConfig { checkpoints_kept: 1_000, checkpoint_interval: 0, ..small(directory.path()) };
    let (mut node, _) = NodeHandle::open(&config).expect("a new node");
    let (mut r, mut made) = (Random(5), Vec::new());
    node.execute(&setup()).expect("a running node");
    for round in 1..=60 {
        let commands: Vec<_> = (0..1 + r.below(300)).map(|_| common::command(&mut r)).collect();
        node.execute(&commands).expect("a running node");
        if r.below(2) == 0 {
            made.push(node.checkpoint().expect("a checkpoint"));
        }
        if round % 20 == 0 {
            // A node that was opened again goes on from a file, not with the private engine it had.
            let sequence = node.sequence();
            node.close();
            if made.last() != Some(&sequence) {
                made.push(sequence);
            }
            node = NodeHandle::open(&config).expect("a good journal").0;
        }
    }
    drop(node);
    let verified = verify(directory.path(), |_| true).expect("a good journal").expect("not stopped");
    assert_eq!(verified.checkpoints, made);
    assert!(made.len() > 20 && verified.bad_checkpoints.is_empty());
}

#[test]
fn a_checkpoint_that_reads_back_wrong_gets_no_name() {
    let directory = TempDir::new("read-back");
    let (node, disk) = open(&directory, 0);
    node.execute(&workload(7, 1_000)).expect("a running node");
    disk.misread(Some(".checkpoint.tmp"));
    let error = node.checkpoint().expect_err("it reads back wrong");
    assert!(matches!(error, NodeError::Journal(JournalError::Damaged { .. })), "{error}");
    assert!(error.to_string().contains("read back"), "{error}");
    assert_eq!(std::fs::read_dir(directory.path().join("checkpoint")).expect("a directory").count(), 0);
    assert_eq!((node.stats().checkpoints, node.stats().checkpoint_failures), (0, 1));
    disk.misread(None);
    assert_eq!(node.checkpoint().expect("a checkpoint"), 1_000);
    node.execute(&workload(7, 100)[50..]).expect("a running node");
}

#[test]
fn a_private_engine_that_cannot_follow_makes_no_checkpoint_and_harms_nobody() {
    let directory = TempDir::new("cannot-follow");
    let (node, disk) = open(&directory, 0);
    node.execute(&workload(7, 1_000)).expect("a running node");
    disk.misread(Some(".segment"));
    let error = node.checkpoint().expect_err("the journal reads wrong");
    assert!(matches!(error, NodeError::Journal(JournalError::Damaged { .. })), "{error}");
    node.execute(&workload(7, 100)[50..]).expect("a running node");
    disk.misread(None);
    assert_eq!(node.checkpoint().expect("a checkpoint"), 1_050);
    node.close();
    assert!(verify(directory.path(), |_| true).expect("a good journal").expect("not stopped").is_good());
}

#[test]
fn as_many_checkpoints_are_kept_as_is_configured() {
    let directory = TempDir::new("kept");
    let config = NodeConfig { checkpoints_kept: 2, ..small(directory.path()) };
    let (node, _) = NodeHandle::open(&config).expect("a new node");
    for part in workload(7, 500).chunks(100) {
        node.execute(part).expect("a running node");
        node.checkpoint().expect("a checkpoint");
    }
    let names: Vec<_> =
        checkpoints(directory.path()).iter().map(|path| path.file_name().map(ToOwned::to_owned)).collect();
    assert_eq!(names, [Some("00000000000000000400.checkpoint".into()), Some("00000000000000000500.checkpoint".into())]);
    drop(node);
    let none = NodeConfig { checkpoints_kept: 0, ..config };
    assert!(matches!(NodeHandle::open(&none), Err(NodeError::Config { setting: "checkpoints_kept", .. })));
}
