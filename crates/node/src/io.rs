//! The disk and the clock, as small traits, so that tests can make them fail or stand still.
//!
//! Journal, checkpoints, recovery and followers see files through [`Disk`] only, for reading as for writing.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// An exclusive lock on a directory, held for as long as the value lives.
pub type DirectoryLock = Box<dyn Send + Sync>;

/// What the journal and the checkpoints do to a disk.
pub trait Disk: Send + Sync {
    /// Creates a directory and those above it; one that exists stays as it is. Its name is durable only when the
    /// directory above it is synced.
    ///
    /// # Errors
    /// Those of the operating system.
    fn create_directory(&self, path: &Path) -> io::Result<()>;
    /// Whether there is a file or directory of this name.
    ///
    /// # Errors
    /// Those of the operating system.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// The paths of what is in a directory, in no particular order.
    ///
    /// # Errors
    /// Those of the operating system; `NotFound` without the directory.
    fn read_directory(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
    /// Opens a file for reading.
    ///
    /// # Errors
    /// Those of the operating system; `NotFound` without the file.
    fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn ReadFile>>;
    /// Takes the lock of this name, creating the file; `None` if another holder has it.
    ///
    /// # Errors
    /// Those of the operating system.
    fn lock(&self, path: &Path) -> io::Result<Option<DirectoryLock>>;
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

impl dyn Disk + '_ {
    /// All bytes of a file.
    ///
    /// # Errors
    /// Those of the operating system; `NotFound` without the file.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.open_to_read(path)?;
        let size = usize::try_from(file.size()?).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let mut bytes = vec![0; size];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }
}

/// A file that is being read.
pub trait ReadFile: Send {
    /// How many bytes it has now.
    ///
    /// # Errors
    /// Those of the operating system.
    fn size(&self) -> io::Result<u64>;
    /// Reads some of the bytes at an offset: at least one, unless the file ends there or `buffer` is empty. Returns
    /// how many.
    ///
    /// # Errors
    /// Those of the operating system.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl dyn ReadFile + '_ {
    /// Fills `buffer` with the bytes at an offset.
    ///
    /// # Errors
    /// Those of the operating system; `UnexpectedEof` if the file ends before.
    pub fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    buffer = &mut buffer[read..];
                    offset += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
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
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn read_directory(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect()
    }

    fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        Ok(Box::new(RealFile(File::open(path)?)))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<DirectoryLock>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        // SAFETY: the descriptor is open; the call touches no memory of ours.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
            return Ok(Some(Box::new(file))); // It holds the lock until it is dropped.
        }
        let error = io::Error::last_os_error();
        if error.kind() == io::ErrorKind::WouldBlock {
            Ok(None)
        } else {
            Err(error)
        }
    }

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

impl ReadFile for RealFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
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
