//! The recorded days that lie beside the repository, for tests that use them when they are there.

#![allow(dead_code)] // Each test uses its part.

use flate2::read::DeflateDecoder;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// The folder of the recorded days: `BEURS_SHARED`, or `shared` beside the repository. `None`, with the reason printed,
/// if it is not there.
pub fn lobster_folder() -> Option<PathBuf> {
    let shared = std::env::var_os("BEURS_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let folder = shared.join("data/lobster");
    if !folder.is_dir() {
        eprintln!("skipped: there are no recorded days in {} (set BEURS_SHARED)", folder.display());
        return None;
    }
    Some(folder)
}

/// A message file and its order book file, as text.
#[derive(Clone)]
pub struct Day {
    pub messages: String,
    pub orderbook: String,
}

/// The sample day with this number of levels (10 or 1).
pub fn goog(levels: u32) -> Option<Day> {
    let archive = lobster_folder()?.join(format!("LOBSTER_SampleFile_GOOG_2012-06-21_{levels}.zip"));
    let archive = fs::read(&archive).unwrap_or_else(|error| panic!("{}: {error}", archive.display()));
    let member = |part: &str| {
        let (_, bytes) = zip_members(&archive)
            .into_iter()
            .find(|(name, _)| name.contains(part))
            .unwrap_or_else(|| panic!("the archive has no {part} file"));
        String::from_utf8(bytes).expect("the vendor's files are ASCII")
    };
    Some(Day { messages: member("_message_"), orderbook: member("_orderbook_") })
}

/// The prepared stream of the sample day, a gzip file.
pub fn goog_stream(levels: u32) -> Option<PathBuf> {
    Some(lobster_folder()?.join(format!("GOOG_2012-06-21_{levels}.stream.csv.gz")))
}

/// The same day as the vendor would sell it with fewer levels: only the messages that change those levels, and the
/// hidden executions, auctions and halts.
pub fn with_fewer_levels(day: &Day, levels: usize) -> Day {
    let mut fewer = Day { messages: String::new(), orderbook: String::new() };
    let mut previous = "";
    for (message, row) in day.messages.lines().zip(day.orderbook.lines()) {
        let end = row.match_indices(',').nth(levels * 4 - 1).map_or(row.len(), |(place, _)| place);
        let row = &row[..end];
        let kind = message.split(',').nth(1).expect("a message has a type");
        if row != previous || ["5", "6", "7"].contains(&kind) {
            fewer.messages += message;
            fewer.messages.push('\n');
            fewer.orderbook += row;
            fewer.orderbook.push('\n');
        }
        previous = row;
    }
    fewer
}

/// Files that are there while this is.
pub struct Files {
    folder: PathBuf,
}

impl Files {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("beurs-replay-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("the temporary folder can be written");
        Self { folder }
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, bytes).expect("the temporary folder can be written");
        path
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // What stays behind in the temporary folder does no harm.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The members of a zip archive: stored or deflated, below 4 GiB, not encrypted.
fn zip_members(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let u16_at = |at: usize| usize::from(u16::from_le_bytes([archive[at], archive[at + 1]]));
    let u32_at = |at: usize| u16_at(at) | u16_at(at + 2) << 16;
    let end = archive.windows(4).rposition(|bytes| bytes == b"PK\x05\x06").expect("a zip archive has an end record");
    let (count, mut entry) = (u16_at(end + 10), u32_at(end + 16));
    let mut members = Vec::new();
    for _ in 0..count {
        let (method, packed, size) = (u16_at(entry + 10), u32_at(entry + 20), u32_at(entry + 24));
        let (name_length, extra, comment) = (u16_at(entry + 28), u16_at(entry + 30), u16_at(entry + 32));
        let name = String::from_utf8_lossy(&archive[entry + 46..entry + 46 + name_length]).into_owned();
        let local = u32_at(entry + 42);
        let data = local + 30 + u16_at(local + 26) + u16_at(local + 28);
        let mut bytes = Vec::with_capacity(size);
        match method {
            0 => bytes.extend_from_slice(&archive[data..data + packed]),
            8 => {
                let read = DeflateDecoder::new(&archive[data..data + packed]).read_to_end(&mut bytes);
                read.expect("the member is whole");
            }
            other => panic!("{name}: compression method {other}"),
        }
        assert_eq!(bytes.len(), size, "{name}");
        members.push((name, bytes));
        entry += 46 + name_length + extra + comment;
    }
    members
}
