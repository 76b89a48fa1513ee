//! What becomes of old journal segments: kept, archived or dropped.
//!
//! Invariants:
//! * Only segments that end at or before the oldest checkpoint that is kept go, and only when as many checkpoints are
//!   there as are to be kept and that oldest one reads back whole: each of them remains a place to start from.
//! * Besides the newest checkpoints the newest at or before every registered reader is kept, so that the reader finds a
//!   state to go on from and all commands behind it.
//! * That segments are gone on purpose is durable in the journal's directory before the first of them goes; without that
//!   a missing segment is damage.
//! * A segment is removed only after its copy in the archive is durable, read back equal, and has its name.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::checkpoint::{self, CheckpointFile};
use crate::error::JournalError;
use crate::feed::lock;
use crate::io::Disk;
use crate::journal::{self, SegmentFile};

/// How much of a segment is copied at a time.
const PIECE: usize = 1 << 20;

/// What becomes of journal segments that nobody needs for a restart any more.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Retention {
    /// They stay.
    #[default]
    Keep,
    /// They move to a directory, which may be on another disk.
    Archive(PathBuf),
    /// They are removed.
    Drop,
}

/// Who reads the journal and how far each is. A reader that has not said so yet is at the beginning.
#[derive(Debug, Default)]
pub(crate) struct Readers(Mutex<BTreeMap<String, u64>>);

impl Readers {
    pub(crate) fn new(names: &[String]) -> Self {
        Self(Mutex::new(names.iter().map(|name| (name.clone(), 0)).collect()))
    }

    pub(crate) fn set(&self, name: &str, sequence: Option<u64>) {
        let mut readers = lock(&self.0);
        match sequence {
            Some(sequence) => readers.insert(name.to_owned(), sequence),
            None => readers.remove(name),
        };
    }

    /// The sequence that the last of them has read; `u64::MAX` without any.
    fn last(&self) -> u64 {
        lock(&self.0).values().copied().min().unwrap_or(u64::MAX)
    }
}

/// Removes checkpoints and segments that are no longer kept. Returns how many segments went.
pub(crate) fn tidy(
    disk: &dyn Disk,
    journal: &Path,
    checkpoints: &Path,
    kept: usize,
    retention: &Retention,
    readers: &Readers,
) -> Result<u64, JournalError> {
    if *retention == Retention::Keep {
        checkpoint::remove_old(checkpoints, disk, kept, u64::MAX)?;
        return Ok(0);
    }
    let last_read = readers.last();
    checkpoint::remove_old(checkpoints, disk, kept, last_read)?;
    let files = checkpoint::list(disk, checkpoints)?;
    let Some(oldest) = files.last().filter(|oldest| files.len() >= kept && oldest.sequence <= last_read) else {
        return Ok(0);
    };
    let segments = journal::segment_files(disk, journal)?;
    let past = segments.windows(2).take_while(|pair| pair[1].start.sequence <= oldest.sequence).count();
    if past == 0 {
        return Ok(0);
    }
    check(disk, oldest)?;
    let (past, left) = segments.split_at(past);
    if let Retention::Archive(archive) = retention {
        for segment in past {
            copy(disk, segment, archive)?;
        }
    }
    journal::write_trimmed(disk, journal, &left[0])?;
    // The oldest first, so that what is left never has a gap.
    for segment in past {
        disk.remove(&segment.path).map_err(|error| JournalError::io("remove", &segment.path, error))?;
    }
    disk.sync_directory(journal).map_err(|error| JournalError::io("sync the directory", journal, error))?;
    Ok(past.len() as u64)
}

fn check(disk: &dyn Disk, file: &CheckpointFile) -> Result<(), JournalError> {
    match checkpoint::read(disk, file) {
        Ok(_) => Ok(()),
        Err(skipped) => {
            let what = format!("{}; no segment goes while the oldest checkpoint is not good", skipped.why);
            Err(JournalError::damaged(&file.path, 0, what))
        }
    }
}

/// Copies a segment into the archive. One that is there already, from a crash behind the copying, is compared.
fn copy(disk: &dyn Disk, segment: &SegmentFile, archive: &Path) -> Result<(), JournalError> {
    let target = archive.join(segment.path.file_name().expect("a segment has a name"));
    let looked = disk.exists(&target).map_err(|error| JournalError::io("look at", &target, error))?;
    if looked {
        return compare(disk, &segment.path, &target);
    }
    let mut aside = target.clone().into_os_string();
    aside.push(".tmp");
    let aside = PathBuf::from(aside);
    match disk.remove(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(JournalError::io("remove", &aside, error));
        }
        _ => {}
    }
    let source = disk.open_to_read(&segment.path).map_err(|error| JournalError::io("open", &segment.path, error))?;
    let size = source.size().map_err(|error| JournalError::io("look at", &segment.path, error))?;
    let copied = disk.create(&aside, size).and_then(|file| {
        let mut piece = vec![0; PIECE];
        let mut offset = 0;
        while offset < size {
            let length = PIECE.min(usize::try_from(size - offset).unwrap_or(PIECE));
            source.read_exact_at(&mut piece[..length], offset)?;
            file.write_all_at(&piece[..length], offset)?;
            offset += length as u64;
        }
        file.sync_all()
    });
    let checked = match copied {
        Ok(()) => compare(disk, &segment.path, &aside),
        Err(error) => Err(JournalError::io("archive a segment as", &aside, error)),
    };
    if let Err(error) = checked {
        let _ = disk.remove(&aside); // What is left of it is removed by the next attempt, if not now.
        return Err(error);
    }
    disk.rename(&aside, &target).map_err(|error| JournalError::io("rename", &aside, error))?;
    disk.sync_directory(archive).map_err(|error| JournalError::io("sync the directory", archive, error))
}

fn compare(disk: &dyn Disk, segment: &Path, copy: &Path) -> Result<(), JournalError> {
    let open = |path: &Path| disk.open_to_read(path).map_err(|error| JournalError::io("open", path, error));
    let (ours, theirs) = (open(segment)?, open(copy)?);
    let size = ours.size().map_err(|error| JournalError::io("look at", segment, error))?;
    let differs = |offset| JournalError::damaged(copy, offset, "the copy in the archive differs from its segment");
    if theirs.size().map_err(|error| JournalError::io("look at", copy, error))? != size {
        return Err(differs(size));
    }
    let (mut one, mut other) = (vec![0; PIECE], vec![0; PIECE]);
    let mut offset = 0;
    while offset < size {
        let length = PIECE.min(usize::try_from(size - offset).unwrap_or(PIECE));
        ours.read_exact_at(&mut one[..length], offset).map_err(|error| JournalError::io("read", segment, error))?;
        theirs.read_exact_at(&mut other[..length], offset).map_err(|error| JournalError::io("read", copy, error))?;
        if one[..length] != other[..length] {
            return Err(differs(offset));
        }
        offset += length as u64;
    }
    Ok(())
}
