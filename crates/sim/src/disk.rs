//! A disk in memory that loses what a disk may lose: unsynced writes by the sector, unsynced names one by one. It fills
//! up, fails at a chosen call, flips bits and reads short, all of it by a stated policy or a seed.
//!
//! Invariants:
//! * What was written and then synced survives every [`SimDisk::restart`]; so does a name once its directory was synced.
//! * Of what was not synced each 512-byte sector holds, after a restart, the content of before or after one of the
//!   writes to it, independently of every other sector; of the names each change has happened or not.
//! * A sync that fails makes nothing durable, and no later sync does either: the system has forgotten that the pages
//!   were dirty, as Linux does. Reading shows them until the restart nevertheless.
//! * The same calls, policies and seeds give the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use beurs_node::io::{DirectoryLock, Disk, DiskFile, ReadFile};

use crate::workload::Rng;

/// The smallest piece that is written whole or not at all, in bytes.
pub const SECTOR: usize = 512;

/// What a power failure does to writes that were not synced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Writes {
    /// All of them had reached the disk.
    Keep,
    /// None of them had.
    Drop,
    /// All but the last had, and of that one its first so many sectors.
    Torn(usize),
    /// Each sector is as of before or after one of the writes to it, drawn with this seed.
    Seeded(u64),
}

/// What a power failure does to names (creations, renames, removals) whose directory was not synced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Names {
    /// All changes had reached the disk.
    Keep,
    /// None of them had.
    Drop,
    /// Each change happened or did not, drawn with this seed.
    Seeded(u64),
}

/// What a power failure loses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Loss {
    /// Of the writes.
    pub writes: Writes,
    /// Of the names.
    pub names: Names,
}

impl Loss {
    /// Everything had reached the disk in time.
    pub const NOTHING: Self = Self { writes: Writes::Keep, names: Names::Keep };
    /// Nothing that was not synced is there.
    pub const UNSYNCED: Self = Self { writes: Writes::Drop, names: Names::Drop };

    /// Anything that a disk may do, drawn with a seed.
    pub fn seeded(seed: u64) -> Self {
        Self { writes: Writes::Seeded(seed), names: Names::Seeded(seed ^ 0x6e61_6d65) }
    }
}

/// Which calls fail with `EIO`. Calls are counted from 1, reads included.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Failing {
    /// None.
    #[default]
    Never,
    /// This one.
    Call(u64),
    /// This one and all behind it: the power is off, or the disk is dead.
    From(u64),
}

/// A kind of call; those that [`Self::changes`] something are where a crash makes a difference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // They are the methods of the traits.
pub enum Call {
    CreateDirectory,
    Exists,
    ReadDirectory,
    OpenToRead,
    Lock,
    Create,
    Open,
    Rename,
    Remove,
    SyncDirectory,
    Size,
    Read,
    Write,
    SyncData,
    SyncAll,
}

impl Call {
    /// Whether it changes what is on the disk or what of it is durable.
    pub fn changes(self) -> bool {
        !matches!(self, Self::Exists | Self::ReadDirectory | Self::OpenToRead | Self::Size | Self::Read)
    }
}

type FileId = u64;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Entry {
    Directory,
    File(FileId),
}

#[derive(Clone, Debug)]
struct Write {
    offset: usize,
    bytes: Arc<[u8]>,
    /// Where it stands among all unsynced writes.
    order: u64,
}

#[derive(Clone, Default, Debug)]
struct File {
    /// What reading shows.
    present: Arc<Vec<u8>>,
    /// What is on the disk for certain.
    durable: Arc<Vec<u8>>,
    /// What was written since the last sync, in order.
    unsynced: Vec<Write>,
}

/// A change of names in one directory, which happens whole or not at all.
#[derive(Clone, Debug)]
struct NameChange {
    directory: PathBuf,
    /// Names and what they mean from then on.
    set: Vec<(PathBuf, Option<Entry>)>,
}

/// Everything on the disk at one moment, durable or not.
#[derive(Clone, Default, Debug)]
pub struct Image {
    files: BTreeMap<FileId, File>,
    names: BTreeMap<PathBuf, Entry>,
    durable_names: BTreeMap<PathBuf, Entry>,
    unsynced_names: Vec<NameChange>,
    last_file: FileId,
    writes: u64,
}

fn directory_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).to_owned()
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// `EIO`, the number of an error of the device itself.
fn input_output_error() -> io::Error {
    const EIO: i32 = 5;
    io::Error::from_raw_os_error(EIO)
}

/// `ENOSPC`.
fn no_space() -> io::Error {
    const ENOSPC: i32 = 28;
    io::Error::from_raw_os_error(ENOSPC)
}

impl Image {
    fn file(&self, path: &Path) -> io::Result<FileId> {
        match self.names.get(path) {
            Some(Entry::File(id)) => Ok(*id),
            Some(Entry::Directory) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(not_found()),
        }
    }

    fn is_directory(&self, path: &Path) -> bool {
        path == Path::new("") || path == Path::new("/") || self.names.get(path) == Some(&Entry::Directory)
    }

    fn change_names(&mut self, directory: PathBuf, set: Vec<(PathBuf, Option<Entry>)>) {
        apply_names(&mut self.names, &set);
        self.unsynced_names.push(NameChange { directory, set });
    }

    fn write(&mut self, id: FileId, bytes: &[u8], offset: usize) {
        let order = self.writes;
        self.writes += 1;
        if let Some(file) = self.files.get_mut(&id) {
            put(Arc::make_mut(&mut file.present), bytes, offset);
            file.unsynced.push(Write { offset, bytes: bytes.into(), order });
        }
    }

    fn sync(&mut self, id: FileId) {
        if let Some(file) = self.files.get_mut(&id) {
            let durable = Arc::make_mut(&mut file.durable);
            for write in file.unsynced.drain(..) {
                put(durable, &write.bytes, write.offset);
            }
            durable.resize(file.present.len(), 0);
        }
    }

    fn sync_directory(&mut self, directory: &Path) {
        let Self { unsynced_names, durable_names, .. } = self;
        unsynced_names.retain(|change| {
            let keep = change.directory != directory;
            if !keep {
                apply_names(durable_names, &change.set);
            }
            keep
        });
        // A file that no name leads to, and none that may come back, is gone.
        let changed = unsynced_names.iter().flat_map(|change| &change.set).filter_map(|(_, entry)| *entry);
        let named = self.names.values().chain(durable_names.values()).copied().chain(changed);
        let reachable: BTreeSet<FileId> = named
            .filter_map(|entry| match entry {
                Entry::File(id) => Some(id),
                Entry::Directory => None,
            })
            .collect();
        self.files.retain(|id, _| reachable.contains(id));
    }

    fn used_bytes(&self) -> u64 {
        // A file that has no name any more may be open still; nobody keeps one, so it is not counted.
        let named = self.names.values().filter_map(|entry| match entry {
            Entry::File(id) => self.files.get(id),
            Entry::Directory => None,
        });
        named.map(|file| file.present.len() as u64).sum()
    }

    /// How many sectors the last write touches, if it was not synced since; 0 if everything that was written is durable.
    pub fn sectors_of_last_unsynced_write(&self) -> usize {
        let writes = self.files.values().flat_map(|file| &file.unsynced);
        writes.max_by_key(|write| write.order).map_or(0, |write| {
            let end = write.offset + write.bytes.len();
            end.div_ceil(SECTOR) - write.offset / SECTOR
        })
    }

    /// Whether a power failure may undo a change of names.
    pub fn has_unsynced_names(&self) -> bool {
        !self.unsynced_names.is_empty()
    }

    /// What is on the disk after the power went at this moment and came back.
    pub fn after_power_failure(&self, loss: Loss) -> Self {
        let mut names = self.durable_names.clone();
        let mut r = Rng::new(if let Names::Seeded(seed) = loss.names { seed } else { 0 });
        let keep = share(&mut r);
        for change in &self.unsynced_names {
            let happened = match loss.names {
                Names::Keep => true,
                Names::Drop => false,
                Names::Seeded(_) => r.chance(keep),
            };
            if happened {
                apply_names(&mut names, &change.set);
            }
        }
        // What is in a directory that is not there is not there either.
        let whole = names.clone();
        names.retain(|path, _| {
            let mut above = path.parent();
            loop {
                match above {
                    Some(parent) if parent != Path::new("") && parent != Path::new("/") => {
                        if whole.get(parent) != Some(&Entry::Directory) {
                            return false;
                        }
                        above = parent.parent();
                    }
                    _ => return true,
                }
            }
        });

        let last_write = self.files.values().flat_map(|file| &file.unsynced).map(|write| write.order).max();
        let mut r = Rng::new(if let Writes::Seeded(seed) = loss.writes { seed } else { 0 });
        let keep = share(&mut r);
        let mut files = BTreeMap::new();
        for entry in names.values() {
            let Entry::File(id) = entry else { continue };
            let Some(file) = self.files.get(id) else { continue };
            let mut content = file.durable.clone();
            if loss.writes != Writes::Drop && content.len() != file.present.len() {
                // The size is one more thing that is there or not.
                let grown = if let Writes::Seeded(_) = loss.writes { r.chance(keep) } else { true };
                if grown {
                    Arc::make_mut(&mut content).resize(file.present.len(), 0);
                }
            }
            for write in &file.unsynced {
                match loss.writes {
                    Writes::Drop => {}
                    Writes::Keep => put(Arc::make_mut(&mut content), &write.bytes, write.offset),
                    Writes::Torn(sectors) => {
                        let end = if Some(write.order) == last_write {
                            sector_end(write.offset, sectors, write.bytes.len())
                        } else {
                            write.bytes.len()
                        };
                        put(Arc::make_mut(&mut content), &write.bytes[..end], write.offset);
                    }
                    Writes::Seeded(_) => {}
                }
            }
            if let Writes::Seeded(_) = loss.writes {
                lose_sectors(Arc::make_mut(&mut content), &file.unsynced, keep, &mut r);
            }
            files.insert(*id, File { present: content.clone(), durable: content, unsynced: Vec::new() });
        }
        Self {
            files,
            durable_names: names.clone(),
            names,
            unsynced_names: Vec::new(),
            last_file: self.last_file,
            writes: self.writes,
        }
    }
}

/// How many of a thousand things have reached the disk: all, none, few, half or most.
fn share(r: &mut Rng) -> u64 {
    [0, 200, 500, 800, 1_000][r.below(5) as usize]
}

fn apply_names(names: &mut BTreeMap<PathBuf, Entry>, set: &[(PathBuf, Option<Entry>)]) {
    for (path, entry) in set {
        match entry {
            Some(entry) => names.insert(path.clone(), *entry),
            None => names.remove(path),
        };
    }
}

fn put(content: &mut Vec<u8>, bytes: &[u8], offset: usize) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}

/// How many bytes of a write at `offset` lie in its first so many sectors.
fn sector_end(offset: usize, sectors: usize, length: usize) -> usize {
    if sectors == 0 {
        return 0;
    }
    length.min(sectors * SECTOR - offset % SECTOR)
}

/// Draws, for each sector, how many of the writes to it have reached the disk.
fn lose_sectors(content: &mut Vec<u8>, writes: &[Write], keep: u64, r: &mut Rng) {
    let mut touched: BTreeMap<usize, Vec<&Write>> = BTreeMap::new();
    for write in writes.iter().filter(|write| !write.bytes.is_empty()) {
        for sector in write.offset / SECTOR..=(write.offset + write.bytes.len() - 1) / SECTOR {
            touched.entry(sector).or_default().push(write);
        }
    }
    for (sector, writes) in touched {
        let reached = if r.chance(keep) { writes.len() } else { r.below(writes.len() as u64) as usize };
        for write in &writes[..reached] {
            let start = write.offset.max(sector * SECTOR);
            let end = (write.offset + write.bytes.len()).min((sector + 1) * SECTOR);
            put(content, &write.bytes[start - write.offset..end - write.offset], start);
        }
    }
}

#[derive(Default)]
struct State {
    image: Image,
    calls: u64,
    failing: Failing,
    failed: Option<(Call, PathBuf)>,
    capacity_bytes: Option<u64>,
    short_reads: Option<Rng>,
    locked: BTreeSet<PathBuf>,
    /// The disk as it was before each call that changed it, if anybody wants them.
    images: Option<Vec<(u64, Image)>>,
}

/// See the module. Clones are handles of the same disk.
#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

struct SimFile {
    disk: SimDisk,
    id: FileId,
    path: PathBuf,
}

struct SimLock {
    disk: SimDisk,
    path: PathBuf,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.state().locked.remove(&self.path);
    }
}

impl SimDisk {
    /// An empty disk without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// A disk with this on it, without faults.
    pub fn with_image(image: Image) -> Self {
        let disk = Self::new();
        disk.state().image = image;
        disk
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panics while it holds the disk has failed already.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk as it is at this moment.
    pub fn image(&self) -> Image {
        self.state().image.clone()
    }

    /// The power goes and comes back: the disk with what is left, as a new one without faults, so that whoever still has
    /// the old one reaches nothing.
    pub fn restart(&self, loss: Loss) -> Self {
        Self::with_image(self.state().image.after_power_failure(loss))
    }

    /// The process is killed and the machine runs on: nothing is lost, nothing has become durable, and locks are free.
    pub fn restart_process(&self) -> Self {
        Self::with_image(self.image())
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Has calls fail. Of a write that fails about half the sectors are written; a sync that fails, never.
    pub fn fail(&self, failing: Failing) {
        self.state().failing = failing;
    }

    /// The first call that failed, and the file or directory that it was for.
    pub fn failed(&self) -> Option<(Call, PathBuf)> {
        self.state().failed.clone()
    }

    /// Bounds the sum of the files' sizes: what would grow beyond it fails with `ENOSPC`. `None` for no bound.
    pub fn set_capacity_bytes(&self, capacity_bytes: Option<u64>) {
        self.state().capacity_bytes = capacity_bytes;
    }

    /// The sum of the files' sizes.
    pub fn used_bytes(&self) -> u64 {
        self.state().image.used_bytes()
    }

    /// Has reads return fewer bytes than asked for, as many as the seed says.
    pub fn read_short(&self, seed: u64) {
        self.state().short_reads = Some(Rng::new(seed));
    }

    /// Keeps an image of the disk from before each call that changes it, from now on.
    pub fn keep_images(&self) {
        self.state().images = Some(Vec::new());
    }

    /// Takes those images, each with the number of the call that came next.
    pub fn take_images(&self) -> Vec<(u64, Image)> {
        self.state().images.take().unwrap_or_default()
    }

    /// The paths of all files.
    pub fn files(&self) -> Vec<PathBuf> {
        let state = self.state();
        let files = state.image.names.iter().filter(|(_, entry)| matches!(entry, Entry::File(_)));
        files.map(|(path, _)| path.clone()).collect()
    }

    /// What is in a file.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn content(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state();
        let id = state.image.file(path)?;
        Ok(state.image.files[&id].present.as_ref().clone())
    }

    /// Puts a file there with this content, durable, in place of what was there: what an operator or a broken disk does.
    pub fn set_content(&self, path: &Path, content: &[u8]) {
        let mut state = self.state();
        let image = &mut state.image;
        image.last_file += 1;
        let id = image.last_file;
        let content = Arc::new(content.to_vec());
        image.files.insert(id, File { present: content.clone(), durable: content, unsynced: Vec::new() });
        image.names.insert(path.to_owned(), Entry::File(id));
        image.durable_names.insert(path.to_owned(), Entry::File(id));
    }

    /// Takes a file away, for good.
    pub fn lose_file(&self, path: &Path) {
        let mut state = self.state();
        state.image.names.remove(path);
        state.image.durable_names.remove(path);
    }

    /// Flips one bit of a file at rest.
    ///
    /// # Errors
    /// `NotFound`.
    ///
    /// # Panics
    /// If the file has no such byte.
    pub fn flip(&self, path: &Path, offset: usize, bit: u8) -> io::Result<()> {
        let mut state = self.state();
        let id = state.image.file(path)?;
        let file = state.image.files.get_mut(&id).ok_or_else(not_found)?;
        Arc::make_mut(&mut file.present)[offset] ^= 1 << bit;
        if offset < file.durable.len() {
            Arc::make_mut(&mut file.durable)[offset] ^= 1 << bit;
        }
        Ok(())
    }

    /// Counts a call and fails it if it shall fail.
    fn call(&self, call: Call, path: &Path) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.calls += 1;
        let fails = match state.failing {
            Failing::Never => false,
            Failing::Call(n) => state.calls == n,
            Failing::From(n) => state.calls >= n,
        };
        if fails {
            state.failed.get_or_insert_with(|| (call, path.to_owned()));
            return Err(input_output_error());
        }
        if call.changes() {
            let number = state.calls;
            let State { images, image, .. } = &mut *state;
            if let Some(images) = images {
                images.push((number, image.clone()));
            }
        }
        Ok(state)
    }

    fn file(&self, id: FileId, path: &Path) -> SimFile {
        SimFile { disk: self.clone(), id, path: path.to_owned() }
    }
}

impl State {
    fn room_for(&self, more: u64) -> io::Result<()> {
        match self.capacity_bytes {
            Some(capacity) if self.image.used_bytes() + more > capacity => Err(no_space()),
            _ => Ok(()),
        }
    }
}

impl Disk for SimDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.call(Call::CreateDirectory, path)?;
        let mut missing = Vec::new();
        let mut at = Some(path);
        while let Some(directory) = at.filter(|directory| !state.image.is_directory(directory)) {
            if state.image.names.contains_key(directory) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            missing.push(directory.to_owned());
            at = directory.parent();
        }
        for directory in missing.into_iter().rev() {
            let above = directory_of(&directory);
            state.image.change_names(above, vec![(directory, Some(Entry::Directory))]);
        }
        Ok(())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let state = self.call(Call::Exists, path)?;
        Ok(state.image.is_directory(path) || state.image.names.contains_key(path))
    }

    fn read_directory(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let state = self.call(Call::ReadDirectory, path)?;
        if !state.image.is_directory(path) {
            return Err(not_found());
        }
        Ok(state.image.names.keys().filter(|name| directory_of(name) == path).cloned().collect())
    }

    fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        let id = self.call(Call::OpenToRead, path)?.image.file(path)?;
        Ok(Box::new(self.file(id, path)))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<DirectoryLock>> {
        let mut state = self.call(Call::Lock, path)?;
        if !state.image.is_directory(&directory_of(path)) {
            return Err(not_found());
        }
        if !state.locked.insert(path.to_owned()) {
            return Ok(None);
        }
        if !state.image.names.contains_key(path) {
            state.create_file(path);
        }
        Ok(Some(Box::new(SimLock { disk: self.clone(), path: path.to_owned() })))
    }

    fn create(&self, path: &Path, size: u64) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.call(Call::Create, path)?;
        if state.image.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !state.image.is_directory(&directory_of(path)) {
            return Err(not_found());
        }
        // As on a real disk: the file is there even if there is no room for its bytes.
        let id = state.create_file(path);
        state.room_for(size)?;
        state.grow(id, size);
        Ok(Box::new(self.file(id, path)))
    }

    fn open(&self, path: &Path, size: u64) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.call(Call::Open, path)?;
        let id = state.image.file(path)?;
        let present = state.image.files[&id].present.len() as u64;
        if present < size {
            state.room_for(size - present)?;
            state.grow(id, size);
            state.image.sync(id);
        }
        Ok(Box::new(self.file(id, path)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.call(Call::Rename, from)?;
        let id = state.image.file(from)?;
        let (directory, target) = (directory_of(from), directory_of(to));
        if !state.image.is_directory(&target) {
            return Err(not_found());
        }
        let (gone, there) = ((from.to_owned(), None), (to.to_owned(), Some(Entry::File(id))));
        if directory == target {
            state.image.change_names(directory, vec![gone, there]);
        } else {
            // Two directories are two changes, of which a power failure may keep either.
            state.image.change_names(target, vec![there]);
            state.image.change_names(directory, vec![gone]);
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.call(Call::Remove, path)?;
        state.image.file(path)?;
        state.image.change_names(directory_of(path), vec![(path.to_owned(), None)]);
        Ok(())
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.call(Call::SyncDirectory, path)?;
        if !state.image.is_directory(path) {
            return Err(not_found());
        }
        state.image.sync_directory(path);
        Ok(())
    }
}

impl State {
    fn create_file(&mut self, path: &Path) -> FileId {
        self.image.last_file += 1;
        let id = self.image.last_file;
        self.image.files.insert(id, File::default());
        self.image.change_names(directory_of(path), vec![(path.to_owned(), Some(Entry::File(id)))]);
        id
    }

    fn grow(&mut self, id: FileId, size: u64) {
        if let Some(file) = self.image.files.get_mut(&id) {
            Arc::make_mut(&mut file.present).resize(size as usize, 0);
        }
    }
}

impl ReadFile for SimFile {
    fn size(&self) -> io::Result<u64> {
        let state = self.disk.call(Call::Size, &self.path)?;
        Ok(state.image.files.get(&self.id).map_or(0, |file| file.present.len() as u64))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.call(Call::Read, &self.path)?;
        let content = state.image.files.get(&self.id).ok_or_else(not_found)?.present.clone();
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        let mut length = buffer.len().min(content.len() - start);
        if let (Some(r), true) = (&mut state.short_reads, length > 1) {
            length -= r.below(length as u64) as usize;
        }
        buffer[..length].copy_from_slice(&content[start..start + length]);
        Ok(length)
    }
}

impl SimFile {
    fn sync(&self, call: Call) -> io::Result<()> {
        match self.disk.call(call, &self.path) {
            Ok(mut state) => {
                state.image.sync(self.id);
                Ok(())
            }
            Err(error) => {
                // The pages count as clean from now on, and are not on the disk.
                if let Some(file) = self.disk.state().image.files.get_mut(&self.id) {
                    file.unsynced.clear();
                }
                Err(error)
            }
        }
    }
}

impl DiskFile for SimFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let at = offset as usize;
        let mut state = match self.disk.call(Call::Write, &self.path) {
            Ok(state) => state,
            Err(error) => {
                let mut state = self.disk.state();
                let present = state.image.files.get(&self.id).map_or(0, |file| file.present.len());
                let end = (at + bytes.len() / 2) / SECTOR * SECTOR;
                let half = end.min(present).saturating_sub(at);
                state.image.write(self.id, &bytes[..half], at);
                return Err(error);
            }
        };
        let present = state.image.files.get(&self.id).ok_or_else(not_found)?.present.len();
        state.room_for((at + bytes.len()).saturating_sub(present) as u64)?;
        state.image.write(self.id, bytes, at);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync(Call::SyncData)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync(Call::SyncAll)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIRECTORY: &str = "/data";
    const NAME: &str = "/data/a";

    fn disk() -> SimDisk {
        let disk = SimDisk::new();
        disk.create_directory(Path::new(DIRECTORY)).expect("a directory");
        disk.sync_directory(Path::new("/")).expect("a sync");
        disk
    }

    /// A disk with a durable file of `size` zeros.
    fn with_file(size: u64) -> (SimDisk, Box<dyn DiskFile>) {
        let disk = disk();
        let file = disk.create(Path::new(NAME), size).expect("a file");
        file.sync_all().expect("a sync");
        disk.sync_directory(Path::new(DIRECTORY)).expect("a sync");
        (disk, file)
    }

    fn content(disk: &SimDisk) -> Vec<u8> {
        disk.content(Path::new(NAME)).expect("a file")
    }

    #[test]
    fn what_is_synced_survives_and_what_is_not_goes_by_the_policy() {
        let (disk, file) = with_file(2_048);
        file.write_all_at(&[1; 600], 0).expect("a write");
        file.sync_data().expect("a sync");
        file.write_all_at(&[2; 1_500], 500).expect("a write");
        assert_eq!(content(&disk)[500..2_000], [2; 1_500], "reading shows what was written");

        let kept = content(&disk.restart(Loss::NOTHING));
        assert_eq!((&kept[..500], &kept[500..2_000], &kept[2_000..]), (&[1; 500][..], &[2; 1_500][..], &[0; 48][..]));
        let dropped = content(&disk.restart(Loss::UNSYNCED));
        assert_eq!((&dropped[..600], &dropped[600..]), (&[1; 600][..], &[0; 1_448][..]));
        // The write begins 12 bytes before the end of the first sector.
        for (sectors, end) in [(0, 500), (1, 512), (2, 1_024), (3, 1_536), (4, 2_000), (9, 2_000)] {
            let torn = content(&disk.restart(Loss { writes: Writes::Torn(sectors), names: Names::Keep }));
            assert_eq!(torn[500..end], vec![2; end - 500], "{sectors} sectors");
            let before = content(&disk.restart(Loss::UNSYNCED));
            assert_eq!(torn[end..], before[end..], "{sectors} sectors");
        }
    }

    #[test]
    fn a_seed_loses_whole_sectors_each_on_its_own_and_always_the_same() {
        let (disk, file) = with_file(8 * SECTOR as u64);
        file.write_all_at(&[1; 8 * SECTOR], 0).expect("a write");
        file.write_all_at(&[2; 4 * SECTOR], 0).expect("a write");
        let mut seen = BTreeSet::new();
        for seed in 0..400 {
            let after = content(&disk.restart(Loss::seeded(seed)));
            assert_eq!(after, content(&disk.restart(Loss::seeded(seed))));
            let sectors: Vec<u8> = after.chunks(SECTOR).map(|sector| sector[0]).collect();
            assert!(after.chunks(SECTOR).all(|sector| sector.iter().all(|&byte| byte == sector[0])));
            assert!(sectors[4..].iter().all(|&byte| byte < 2));
            seen.insert(sectors);
        }
        assert!(seen.len() > 100, "{} outcomes", seen.len());
        assert!(seen.contains(&vec![0; 8]) && seen.contains(&vec![2, 2, 2, 2, 1, 1, 1, 1]));
        // A later write that reached the disk, an earlier one elsewhere that did not.
        assert!(seen.iter().any(|sectors| sectors[0] == 2 && sectors[7] == 0));
    }

    #[test]
    fn names_are_durable_with_their_directory_only() {
        let (disk, file) = with_file(8);
        file.write_all_at(b"contents", 0).expect("a write");
        file.sync_all().expect("a sync");
        let (old, new) = (Path::new(NAME), Path::new("/data/b"));
        disk.rename(old, new).expect("a rename");
        assert_eq!(disk.files(), [new]);
        assert_eq!(disk.restart(Loss::UNSYNCED).files(), [old]);
        assert_eq!(disk.restart(Loss::NOTHING).files(), [new]);
        disk.sync_directory(Path::new(DIRECTORY)).expect("a sync");
        assert_eq!(disk.restart(Loss::UNSYNCED).files(), [new]);
        disk.remove(new).expect("a removal");
        assert_eq!(disk.restart(Loss::UNSYNCED).content(new).expect("it is there again"), b"contents");
        // Synced content does not help a file without a name.
        let other = disk.create(Path::new("/data/c"), 4).expect("a file");
        other.sync_all().expect("a sync");
        assert_eq!(disk.restart(Loss::UNSYNCED).files(), [new]);
        let seen: BTreeSet<_> = (0..50).map(|seed| disk.restart(Loss::seeded(seed)).files()).collect();
        assert_eq!(seen.len(), 4, "removed or not, created or not: {seen:?}");
    }

    #[test]
    fn a_directory_that_was_not_synced_takes_what_is_in_it_along() {
        let disk = SimDisk::new();
        disk.create_directory(Path::new("/a/b")).expect("directories");
        disk.create(Path::new("/a/b/c"), 0).expect("a file").sync_all().expect("a sync");
        disk.sync_directory(Path::new("/a/b")).expect("a sync");
        disk.sync_directory(Path::new("/a")).expect("a sync");
        assert!(disk.restart(Loss::UNSYNCED).files().is_empty());
        disk.sync_directory(Path::new("/")).expect("a sync");
        assert_eq!(disk.restart(Loss::UNSYNCED).files(), [Path::new("/a/b/c")]);
    }

    #[test]
    fn a_failed_sync_is_never_made_good() {
        let (disk, file) = with_file(8);
        file.write_all_at(&[1; 8], 0).expect("a write");
        disk.fail(Failing::Call(disk.calls() + 1));
        assert_eq!(file.sync_data().expect_err("it fails").raw_os_error(), Some(5));
        assert_eq!(disk.failed(), Some((Call::SyncData, NAME.into())));
        file.sync_data().expect("the system says yes the second time");
        assert_eq!(content(&disk), [1; 8]);
        assert_eq!(content(&disk.restart_process()), [1; 8]);
        assert_eq!(content(&disk.restart(Loss::NOTHING)), [0; 8]);
    }

    #[test]
    fn a_failed_write_is_done_in_half_and_a_dead_disk_stays_dead() {
        let (disk, file) = with_file(4 * SECTOR as u64);
        disk.fail(Failing::From(disk.calls() + 1));
        assert!(file.write_all_at(&[1; 3 * SECTOR], 100).is_err());
        assert!(disk.exists(Path::new(NAME)).is_err());
        let left = content(&disk);
        assert_eq!((&left[100..SECTOR], left[SECTOR], left[99]), (&[1; SECTOR - 100][..], 0, 0));
        assert!(disk.restart(Loss::NOTHING).exists(Path::new(NAME)).expect("a disk without faults"));
    }

    #[test]
    fn a_full_disk_refuses_what_would_grow() {
        let (disk, file) = with_file(100);
        disk.set_capacity_bytes(Some(150));
        let full = |result: io::Result<Box<dyn DiskFile>>| result.err().and_then(|error| error.raw_os_error());
        assert_eq!(full(disk.create(Path::new("/data/b"), 51)), Some(28));
        assert_eq!(disk.used_bytes(), 100);
        assert!(file.write_all_at(&[1; 100], 0).is_ok(), "what is allocated can be written");
        assert_eq!(file.write_all_at(&[1; 60], 100).expect_err("no room").raw_os_error(), Some(28));
        assert!(file.write_all_at(&[1; 50], 100).is_ok());
        disk.remove(Path::new(NAME)).expect("a removal");
        assert_eq!(disk.used_bytes(), 0);
    }

    #[test]
    fn short_reads_give_all_in_the_end_and_bits_flip() {
        let (disk, file) = with_file(1_000);
        let bytes: Vec<u8> = (0..1_000_u32).map(|i| i as u8).collect();
        file.write_all_at(&bytes, 0).expect("a write");
        file.sync_all().expect("a sync");
        disk.read_short(3);
        let before = disk.calls();
        let read = (&disk as &dyn Disk).read(Path::new(NAME)).expect("a read");
        assert_eq!(read, bytes);
        assert!(disk.calls() > before + 4, "in several pieces");
        disk.flip(Path::new(NAME), 7, 3).expect("a file");
        assert_eq!(content(&disk)[7], bytes[7] ^ 8);
        assert_eq!(content(&disk.restart(Loss::UNSYNCED))[7], bytes[7] ^ 8);
    }

    #[test]
    fn a_lock_is_held_by_one_until_it_is_dropped() {
        let disk = disk();
        let path = Path::new("/data/lock");
        let lock = disk.lock(path).expect("a lock").expect("it is free");
        assert!(disk.lock(path).expect("a lock").is_none());
        assert!(disk.restart_process().lock(path).expect("a lock").is_some(), "the holder is dead");
        drop(lock);
        assert!(disk.lock(path).expect("a lock").is_some());
    }

    #[test]
    fn images_are_of_before_each_change() {
        let (disk, file) = with_file(8);
        disk.keep_images();
        file.write_all_at(&[1; 8], 0).expect("a write");
        file.sync_data().expect("a sync");
        let _ = disk.exists(Path::new(NAME));
        let images = disk.take_images();
        let at = |n: usize, loss| content(&SimDisk::with_image(images[n].1.after_power_failure(loss)));
        assert_eq!(images.len(), 2);
        assert_eq!(at(0, Loss::NOTHING), [0; 8]);
        assert_eq!((at(1, Loss::NOTHING), at(1, Loss::UNSYNCED)), (vec![1; 8], vec![0; 8]));
    }
}
