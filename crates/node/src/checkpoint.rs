//! Checkpoints: the engine's snapshot at one sequence, so that a restart need not begin at the journal's start.
//!
//! Invariants:
//! * A checkpoint is written aside, synced, read back, renamed, and its directory synced: one that has its name is whole.
//! * It is written only when all it contains is durable in the journal. A journal that ends before a checkpoint has
//!   therefore lost something, and is refused.
//! * It can always be made again from the journal. A damaged one is passed over for the one before, with a warning.
//! * The newest are kept, as many as is configured.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::JournalError;
use crate::io::Disk;
use crate::journal::Position;

const MAGIC: [u8; 8] = *b"BEURSCP1";
const VERSION: u32 = 1;
const HEADER: usize = 128;
const SUFFIX: &str = ".checkpoint";
const UNFINISHED: &str = ".tmp";
/// How much of a checkpoint is written between two syncs.
const PIECE: usize = 8 << 20;

/// A checkpoint as it is in its file.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Where in the journal it stands.
    pub position: Position,
    /// SHA-256 of the snapshot, which is the engine's digest.
    pub digest: [u8; 32],
    /// The engine's snapshot.
    pub snapshot: Vec<u8>,
}

/// A checkpoint file, by its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckpointFile {
    /// Its place in the journal.
    pub sequence: u64,
    /// Where it is.
    pub path: PathBuf,
}

/// A checkpoint that was not used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SkippedCheckpoint {
    /// Where it is.
    pub path: PathBuf,
    /// Why not.
    pub why: String,
}

/// The checkpoints of a directory, the newest first. A directory that does not exist has none.
///
/// # Errors
/// The directory cannot be read.
pub fn list(disk: &dyn Disk, directory: &Path) -> Result<Vec<CheckpointFile>, JournalError> {
    let paths = match disk.read_directory(directory) {
        Ok(paths) => paths,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(JournalError::io("read the directory", directory, error)),
    };
    let mut files = Vec::new();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        if let Some(sequence) = name.strip_suffix(SUFFIX).and_then(|digits| digits.parse().ok()) {
            files.push(CheckpointFile { sequence, path });
        }
    }
    files.sort_by_key(|file| std::cmp::Reverse(file.sequence));
    Ok(files)
}

/// A checkpoint that is on the disk, but has no name yet by which it is found.
#[derive(Debug)]
pub struct Unfinished {
    aside: PathBuf,
    path: PathBuf,
}

impl Unfinished {
    /// Gives the checkpoint its name, durably.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn finish(&self, disk: &dyn Disk) -> Result<(), JournalError> {
        disk.rename(&self.aside, &self.path).map_err(|error| JournalError::io("rename", &self.aside, error))?;
        let directory = self.path.parent().expect("a checkpoint is in a directory");
        disk.sync_directory(directory).map_err(|error| JournalError::io("sync the directory", directory, error))
    }
}

/// Writes a checkpoint aside, in pieces, each durable before the next, so that the journal's writes need not wait for
/// all of it, and reads it back.
///
/// # Errors
/// Those of the operating system; or what was read is not what was written.
pub fn write_aside(
    directory: &Path,
    disk: &dyn Disk,
    position: Position,
    snapshot: &[u8],
) -> Result<(Unfinished, Checkpoint), JournalError> {
    let path = directory.join(format!("{:020}{SUFFIX}", position.sequence));
    let aside = directory.join(format!("{:020}{SUFFIX}{UNFINISHED}", position.sequence));
    let mut header = [0_u8; HEADER];
    header[0..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[16..24].copy_from_slice(&position.sequence.to_le_bytes());
    header[24..32].copy_from_slice(&position.event_time_ns.to_le_bytes());
    header[32..40].copy_from_slice(&position.running_hash.to_le_bytes());
    header[40..48].copy_from_slice(&(snapshot.len() as u64).to_le_bytes());
    let digest: [u8; 32] = Sha256::digest(snapshot).into();
    header[48..80].copy_from_slice(&digest);
    let crc = checksum(&header);
    header[12..16].copy_from_slice(&crc.to_le_bytes());

    let failed = |action, error| JournalError::io(action, &aside, error);
    match disk.remove(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("remove", error)),
        _ => {}
    }
    let written = disk.create(&aside, 0).and_then(|file| {
        file.write_all_at(&header, 0)?;
        let mut offset = HEADER as u64;
        for piece in snapshot.chunks(PIECE) {
            if offset > HEADER as u64 {
                file.sync_data()?;
            }
            file.write_all_at(piece, offset)?;
            offset += piece.len() as u64;
        }
        file.sync_all()
    });
    // What is left of a failed one is removed by the next opening, if not now.
    if let Err(error) = written {
        let _ = disk.remove(&aside);
        return Err(failed("write", error));
    }
    match read(disk, &CheckpointFile { sequence: position.sequence, path: aside.clone() }) {
        Ok(found) if found.digest == digest && found.position == position => Ok((Unfinished { aside, path }, found)),
        found => {
            let _ = disk.remove(&aside);
            let why = found.map_or_else(|skipped| skipped.why, |_| "it is of another state".to_owned());
            Err(JournalError::damaged(&aside, 0, format!("what was read back is not what was written: {why}")))
        }
    }
}

/// Removes all but the newest `kept` checkpoints and the newest at or before a sequence.
///
/// # Errors
/// Those of the operating system.
pub fn remove_old(directory: &Path, disk: &dyn Disk, kept: usize, sequence: u64) -> Result<(), JournalError> {
    let files = list(disk, directory)?;
    let needed = files.iter().find(|file| file.sequence <= sequence).map(|file| file.sequence);
    for old in files.into_iter().skip(kept).filter(|file| Some(file.sequence) != needed) {
        disk.remove(&old.path).map_err(|error| JournalError::io("remove", &old.path, error))?;
    }
    Ok(())
}

/// Reads and checks a checkpoint.
///
/// # Errors
/// Why it cannot be used.
pub fn read(disk: &dyn Disk, file: &CheckpointFile) -> Result<Checkpoint, SkippedCheckpoint> {
    let skipped = |why: String| SkippedCheckpoint { path: file.path.clone(), why };
    let mut bytes = disk.read(&file.path).map_err(|error| skipped(format!("cannot read: {error}")))?;
    let Some((header, snapshot)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(skipped("the file ends within its header".to_owned()));
    };
    if header[..8] != MAGIC {
        return Err(skipped("this is not a checkpoint".to_owned()));
    }
    let u64_at = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("8 bytes"));
    let u32_at = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("4 bytes"));
    if u32_at(8) != VERSION {
        return Err(skipped(format!("format version {} is not known", u32_at(8))));
    }
    if u32_at(12) != checksum(header) {
        return Err(skipped("the header's checksum is wrong".to_owned()));
    }
    let position = Position { sequence: u64_at(16), event_time_ns: u64_at(24) as i64, running_hash: u64_at(32) };
    if position.sequence != file.sequence {
        return Err(skipped(format!("the header says that it stands at sequence {}", position.sequence)));
    }
    if u64_at(40) != snapshot.len() as u64 {
        return Err(skipped(format!("the snapshot has {} bytes instead of {}", snapshot.len(), u64_at(40))));
    }
    let digest: [u8; 32] = header[48..80].try_into().expect("32 bytes");
    if Sha256::digest(snapshot).as_slice() != digest {
        return Err(skipped("the snapshot's digest is wrong".to_owned()));
    }
    bytes.drain(..HEADER);
    Ok(Checkpoint { position, digest, snapshot: bytes })
}

/// Removes files that a crash left half made.
///
/// # Errors
/// The directory cannot be read or written.
pub fn remove_unfinished(directory: &Path, disk: &dyn Disk) -> Result<(), JournalError> {
    let paths =
        disk.read_directory(directory).map_err(|error| JournalError::io("read the directory", directory, error))?;
    for path in paths {
        if path.to_str().is_some_and(|name| name.ends_with(UNFINISHED)) {
            disk.remove(&path).map_err(|error| JournalError::io("remove", &path, error))?;
        }
    }
    Ok(())
}

fn checksum(header: &[u8; HEADER]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&header[..12]), &header[16..])
}
