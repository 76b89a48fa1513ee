//! The disk and the clock, as small traits, so that tests can make them fail or stand still.
//!
//! Only what changes the disk goes through [`Disk`]; reading uses the standard library.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// What the journal and the checkpoints do to a disk.
pub trait Disk: Send + Sync {
    /// Creates a file that must not exist, with `size` bytes of zeros allocated on the disk.
    ///
    /// # Errors
    /// Those of the operating system; `ENOSPC` when there is no room.
    fn create(&self, path: &Path, size: u64) -> io::Result<Box<dyn DiskFile>>;
    /// Opens a file for writing and allocates zeros up to `size`, if it is shorter.
    ///
    /// # Errors
    /// Those of the operating system.
    fn open(&self, path: &Path, size: u64) -> io::Result<Box<dyn DiskFile>>;
    /// Renames a file, replacing what is there.
    ///
    /// # Errors
    /// Those of the operating system.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// Those of the operating system.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// Those of the operating system.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
}

/// A file that is being written.
pub trait DiskFile: Send {
    /// Writes all the bytes at an offset.
    ///
    /// # Errors
    /// Those of the operating system; how much was written is then unknown.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes what was written durable (fdatasync).
    ///
    /// # Errors
    /// Those of the operating system. A second call proves nothing: the kernel may have dropped the pages.
    fn sync_data(&self) -> io::Result<()>;
    /// Makes what was written and the file's size durable (fsync).
    ///
    /// # Errors
    /// As [`Self::sync_data`].
    fn sync_all(&self) -> io::Result<()>;
}

/// The machine's disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

struct RealFile(File);

fn allocate(file: &File, size: u64) -> io::Result<()> {
    let size = libc::off_t::try_from(size).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    loop {
        // SAFETY: the descriptor is open for as long as `file` lives; the call touches no memory of ours.
        let error = unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, size) };
        match error {
            0 => return Ok(()),
            libc::EINTR => {}
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

impl Disk for RealDisk {
    fn create(&self, path: &Path, size: u64) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        if size > 0 {
            allocate(&file, size)?;
        }
        Ok(Box::new(RealFile(file)))
    }

    fn open(&self, path: &Path, size: u64) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        if file.metadata()?.len() < size {
            allocate(&file, size)?;
            file.sync_all()?;
        }
        Ok(Box::new(RealFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

impl DiskFile for RealFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

/// An exclusive lock on a directory, held for as long as the value lives (flock on its file `lock`).
#[derive(Debug)]
pub struct DirectoryLock(#[allow(dead_code)] File); // Never read; it holds the lock until it is dropped.

impl DirectoryLock {
    /// Takes the lock; `None` if another holder has it.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn take(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        // SAFETY: the descriptor is open; the call touches no memory of ours.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
            return Ok(Some(Self(file)));
        }
        let error = io::Error::last_os_error();
        if error.kind() == io::ErrorKind::WouldBlock {
            Ok(None)
        } else {
            Err(error)
        }
    }
}

/// Where event times come from.
pub trait Clock: Send + Sync {
    /// Nanoseconds since 1970 UTC.
    fn now_ns(&self) -> i64;
    /// Moves a clock that stands still to a time, and gives the time that it stood at. It never goes backwards: at a
    /// time before that one it stays where it is. `None` if it goes by itself.
    fn set(&self, _now_ns: i64) -> Option<i64> {
        None
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[inline]
    fn now_ns(&self) -> i64 {
        // A clock before 1970 counts as 1970; event times never go backwards anyway.
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
    }
}

/// A clock that stands still until it is moved, for those who test what time does.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at a time.
    pub fn at(now_ns: i64) -> Self {
        Self(AtomicI64::new(now_ns))
    }
}

impl Clock for ManualClock {
    fn now_ns(&self) -> i64 {
        self.0.load(Ordering::Acquire)
    }

    fn set(&self, now_ns: i64) -> Option<i64> {
        Some(self.0.fetch_max(now_ns, Ordering::AcqRel))
    }
}
