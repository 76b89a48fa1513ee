//! The engine runs ahead of the disk, within its bound, and nothing leaves before its write is durable.

mod common;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use beurs_node::io::{DirectoryLock, Disk, DiskFile, ReadFile, RealDisk};
use beurs_node::{NodeConfig, NodeHandle};
use common::{small, workload, TempDir};

const PATIENCE: Duration = Duration::from_secs(120);

/// Lets syncs of written data through one by one, or all of them.
#[derive(Default)]
struct Gate {
    allowed: Mutex<u64>,
    changed: Condvar,
}

impl Gate {
    fn allow(&self, syncs: u64) {
        *self.allowed.lock().expect("no panic holds it") = syncs;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let mut allowed = self.allowed.lock().expect("no panic holds it");
        while *allowed == 0 {
            allowed = self.changed.wait(allowed).expect("no panic holds it");
        }
        *allowed -= 1;
    }
}

/// Opens the gate for good when it goes.
struct OpenAtTheEnd(Arc<Gate>);

impl Drop for OpenAtTheEnd {
    fn drop(&mut self) {
        self.0.allow(u64::MAX);
    }
}

/// A disk whose `fdatasync` waits at a gate.
struct SlowDisk(Arc<Gate>);

struct SlowFile(Box<dyn DiskFile>, Arc<Gate>);

impl DiskFile for SlowFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.1.pass();
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

impl Disk for SlowDisk {
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
        Ok(Box::new(SlowFile(RealDisk.create(path, size)?, self.0.clone())))
    }

    fn open(&self, path: &Path, size: u64) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(SlowFile(RealDisk.open(path, size)?, self.0.clone())))
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

fn wait_until(mut what: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
}

#[test]
fn nothing_leaves_while_the_disk_holds_a_sync_back_and_the_engine_runs_ahead_within_its_bound() {
    let directory = TempDir::new("ahead");
    let gate = Arc::new(Gate::default());
    let config =
        NodeConfig { disk: Arc::new(SlowDisk(gate.clone())), segment_bytes: 64 << 20, ..small(directory.path()) };
    let (node, _) = NodeHandle::open(&config).expect("a new node");
    let commands = workload(7, 100_000);
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| node.execute(&commands).expect("a running node").len());
        // Whatever fails here, the threads must be able to end.
        let _open = OpenAtTheEnd(gate.clone());
        // The first write, of however many batches came before it began, is held up; the engine executes as many batches
        // of 4,096 as one caller may have under way.
        wait_until(|| node.stats().commands >= 9 * 4_096);
        let reader = scope.spawn(|| node.with_engine(|engine| engine.sequence()).expect("a running node"));
        for token in 0..10 {
            node.submit(token, commands[1_000].clone()).expect("room in the queue");
        }
        for _ in 0..1_000 {
            let stats = node.stats();
            assert!(stats.journal_depth <= 11, "{stats:?}");
            assert!(stats.commands <= 12 * 4_096, "{stats:?}");
            assert_eq!((stats.sequence, stats.journal_writes), (0, 0));
            std::thread::yield_now();
        }
        assert!(!caller.is_finished() && !reader.is_finished());
        assert!(node.completions().expect("a running node").is_empty());
        assert!(node.events_since(0, 1 << 20).expect("not lagged").is_empty());
        // One write, and just what was in it leaves.
        gate.allow(1);
        wait_until(|| node.sequence() > 0);
        let durable = node.sequence();
        let events = node.events_since(0, 1 << 30).expect("not lagged");
        assert!(events.iter().all(|event| event.sequence <= durable));
        assert!(!caller.is_finished());
        gate.allow(u64::MAX);
        assert!(caller.join().expect("no panic") >= commands.len());
        assert!(reader.join().expect("no panic") <= node.sequence());
    });
    wait_until(|| node.completions().is_ok_and(|completions| !completions.is_empty()));
}
