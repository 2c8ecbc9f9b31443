//! The rows of a shard that is being filled, kept beside the records, so that a run that is killed loses seconds of the teacher's time.
//!
//! `_records/train/part-00003.rows` is a sequence of blocks, each its length, a checksum and whole rows, and is only ever appended to. A reader takes
//! the blocks up to the first that is not whole. It is removed once its shard is safe on disk; a run that can't write it goes on without.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::known_row::KnownRow;
use super::prepare::ViewRow;
use crate::store::{Manifest, ShardSpec, about_shard, records_folder};
use crate::support::files;
use crate::support::hash::{Digest, FieldHasher};
use crate::view::operation::{self, Operation};

/// How often rows are kept.
const EVERY: Duration = Duration::from_secs(20);
/// The end of the file's name.
const EXTENSION: &str = "rows";
/// Bytes of a block before its rows: their length and 16 bytes of a checksum.
const HEAD: usize = 20;
/// Bytes of a row beside its operations and logits: its place in the shard, crop, flip, hash of the input.
const FIXED: usize = 4 + 16 + 1 + 8;

/// The rows that are kept of one shard.
pub(super) struct Partial {
    path: PathBuf,
    /// The seed of the checksums beside the rows: which shard of which cache, made how.
    seal: Digest,
    /// Numbers of a row's operations.
    operations: usize,
    /// The most bytes that are read.
    most_bytes: u64,
    file: Option<File>,
    /// Rows that are not in the file yet.
    rows: Vec<u8>,
    kept: Instant,
    /// Nothing can be written here, or another process does.
    given_up: bool,
}

impl Partial {
    /// Nothing is written before there is something to keep.
    pub(crate) fn new(dir: &Path, manifest: &Manifest, spec: &ShardSpec) -> Self {
        Self {
            path: path(dir, spec),
            seal: seal(manifest, spec),
            operations: operations(manifest),
            most_bytes: most_bytes(manifest, spec),
            file: None,
            rows: Vec::new(),
            kept: Instant::now(),
            given_up: false,
        }
    }

    /// The rows of a shard that were kept, by their place in it; none while another process is filling it.
    pub(crate) fn read(dir: &Path, manifest: &Manifest, spec: &ShardSpec) -> BTreeMap<u64, KnownRow> {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = files::open_regular(&path(dir, spec))?;
            if file.try_lock_shared().is_err() {
                return Ok(Vec::new());
            }
            let (mut bytes, most) = (Vec::new(), most_bytes(manifest, spec));
            Read::by_ref(&mut file).take(most).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().unwrap_or_default();
        let (whole, width) = (whole_blocks(&bytes, seal(manifest, spec)), row_bytes(manifest));
        let rows = whole.into_iter().flat_map(|block| block.chunks_exact(width));
        rows.filter_map(|row| parse(row, operations(manifest))).filter(|(row, _)| *row < spec.rows).collect()
    }

    /// Notes a row.
    pub(crate) fn add(&mut self, position: u64, row: &ViewRow, logits: &[f32]) {
        self.rows.extend_from_slice(&(position as u32).to_le_bytes());
        for value in &row.crop {
            self.rows.extend_from_slice(&value.to_le_bytes());
        }
        self.rows.push(row.flip.into());
        self.rows.extend_from_slice(&row.input_hash);
        for value in operation::numbers(&row.operations, self.operations).chain(logits.iter().copied()) {
            self.rows.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// Keeps the rows since the last time, where that is a while ago.
    pub(crate) fn keep_now_and_then(&mut self) {
        if self.kept.elapsed() >= EVERY {
            self.keep();
        }
    }

    /// Keeps the rows since the last time.
    pub(crate) fn keep(&mut self) {
        self.kept = Instant::now();
        if !self.rows.is_empty() && !self.given_up {
            self.given_up = self.append().is_err();
        }
        self.rows.clear();
    }

    fn append(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(self.open()?);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut block = (self.rows.len() as u32).to_le_bytes().to_vec();
        block.extend_from_slice(&checksum(self.seal, &self.rows));
        block.extend_from_slice(&self.rows);
        file.write_all(&block)?;
        file.sync_data()
    }

    /// Opens the file for this process only, cut off after its last whole block. What is not a file of its own is left as it is: opening
    /// a pipe may wait, and a link may lead to a file of the user.
    fn open(&self) -> io::Result<File> {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| !found.is_file()) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file =
            OpenOptions::new().read(true).append(true).create(true).truncate(false).open(&self.path)?;
        file.try_lock().map_err(io::Error::other)?;
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(self.most_bytes).read_to_end(&mut bytes)?;
        let whole: usize = whole_blocks(&bytes, self.seal).iter().map(|block| HEAD + block.len()).sum();
        file.set_len(whole as u64)?;
        Ok(file)
    }

    /// Removes the file, once the shard is safe on disk.
    pub(crate) fn remove(self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes what is left of runs that ended between a shard and the removal of its rows.
pub(super) fn remove_all(dir: &Path, manifest: &Manifest) {
    for split in &manifest.dataset.splits {
        for entry in fs::read_dir(records_folder(dir, &split.name)).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                let _ = fs::remove_file(path);
            }
        }
    }
}

fn path(dir: &Path, spec: &ShardSpec) -> PathBuf {
    about_shard(&dir.join(&spec.path), EXTENSION)
}

/// Enough for every row twice, each in a block of its own.
fn most_bytes(manifest: &Manifest, spec: &ShardSpec) -> u64 {
    2 * spec.rows * (HEAD + row_bytes(manifest)) as u64
}

fn row_bytes(manifest: &Manifest) -> usize {
    FIXED + 4 * (operations(manifest) + manifest.classes())
}

/// Numbers of a row's operations.
fn operations(manifest: &Manifest) -> usize {
    manifest.view.operation_count() * Operation::NUMBERS
}

fn seal(manifest: &Manifest, spec: &ShardSpec) -> Digest {
    FieldHasher::new("decant rows of a shard")
        .field("manifest", manifest.to_bytes())
        .field("split", &spec.split)
        .field("shard", spec.index.to_le_bytes())
        .finish()
}

fn checksum(seal: Digest, rows: &[u8]) -> [u8; 16] {
    let digest = FieldHasher::new("decant block of rows").field("seal", seal.0).field("rows", rows).finish();
    digest.0.first_chunk().copied().expect("a digest has 32 bytes")
}

/// The rows of each block, up to the first that is not whole.
fn whole_blocks(mut bytes: &[u8], seal: Digest) -> Vec<&[u8]> {
    let mut blocks = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(HEAD) {
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let Some((rows, after)) = rest.split_at_checked(length) else { break };
        if checksum(seal, rows) != head[4..] {
            break;
        }
        blocks.push(rows);
        bytes = after;
    }
    blocks
}

/// A row and its place, unless an operation is none.
fn parse(row: &[u8], operations: usize) -> Option<(u64, KnownRow)> {
    let float = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let position = u32::from_le_bytes([row[0], row[1], row[2], row[3]]);
    let crop = [4, 8, 12, 16].map(|start| float(&row[start..]));
    let input_hash = row[21..29].first_chunk().copied().expect("8 bytes");
    let mut logits: Vec<f32> = row[FIXED..].chunks_exact(4).map(float).collect();
    let numbers: Vec<f32> = logits.drain(..operations).collect();
    let (numbers, _) = numbers.as_chunks();
    let operations = numbers.iter().copied().map(Operation::from_numbers).collect::<Option<_>>()?;
    let row = KnownRow { crop, flip: row[20] != 0, operations, input_hash, logits, stored: None };
    Some((position.into(), row))
}
