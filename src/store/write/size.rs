//! How many bytes a cache will have, before it is made.

use crate::store::format::levels;
use crate::store::format::manifest::Manifest;
use crate::store::format::plan::ShardSpec;
use crate::store::format::schema::{CROP_WIDTH, IMAGE_HASH_BYTES, INPUT_HASH_BYTES};
use crate::store::write::shard_file::{self, Sizes};

impl Manifest {
    /// Bytes of all shards where no column is compressed, to the byte: every page and every footer has a length that no
    /// value changes, but for `path`. `path_bytes` says how long that of a sample of a split is.
    pub fn plain_bytes(&self, path_bytes: &dyn Fn(&str, u64) -> usize) -> u64 {
        let plain = Self { zstd: 0, ..self.clone() };
        let shards = plain.shards();
        let mut total = 0;
        // The shards of a split differ in their last one's rows, and in the digits of two numbers in the footer.
        let mut like: Option<(&ShardSpec, u64)> = None;
        for spec in &shards {
            let known = like.filter(|(first, _)| (&first.split, first.rows) == (&spec.split, spec.rows));
            let (first, bytes) =
                known.unwrap_or_else(|| (spec, shard_file::plain_bytes(&plain, spec, &sizes(&plain, spec))));
            like = Some((first, bytes));
            total += bytes + digits(spec) - digits(first);
        }
        for split in &self.dataset.splits {
            let paths: u64 = (0..split.samples).map(|sample| path_bytes(&split.name, sample) as u64).sum();
            total += paths * u64::from(self.views(split));
        }
        total
    }
}

/// Digits in which the footers of two shards can differ.
fn digits(spec: &ShardSpec) -> u64 {
    (spec.index.to_string().len() + spec.first_row.to_string().len()) as u64
}

/// What the page of each column holds, in the order of the schema.
fn sizes(manifest: &Manifest, spec: &ShardSpec) -> Vec<Sizes> {
    let rows = spec.rows as usize;
    let scalar = |bytes: usize| Sizes { bytes: rows * bytes, values: rows };
    let list = |width: usize, bytes: usize| Sizes {
        bytes: levels::regular(rows, width).len() + rows * width * bytes,
        values: rows * width,
    };
    let mut sizes = vec![
        scalar(8),
        // The lengths of the paths.
        scalar(4),
        scalar(IMAGE_HASH_BYTES),
        scalar(4),
        scalar(4),
        list(CROP_WIDTH, 4),
        Sizes { bytes: rows.div_ceil(8), values: rows },
        scalar(INPUT_HASH_BYTES),
    ];
    let values = manifest.value_columns();
    sizes.extend(values.iter().map(|column| match column.list {
        Some(width) => list(width, column.element.bytes()),
        None => scalar(column.element.bytes()),
    }));
    sizes
}
