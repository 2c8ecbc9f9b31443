//! How many bytes a cache will have, before it is made.

use crate::store::format::levels;
use crate::store::format::manifest::Manifest;
use crate::store::format::plan::ShardSpec;
use crate::store::format::schema::{CROP_WIDTH, IMAGE_HASH_BYTES, INPUT_HASH_BYTES};
use crate::store::write::shard_file::{self, Sizes};

impl Manifest {
    /// Bytes of all shards where no column is compressed, to the byte: every page and every footer has a length that no
    /// value changes, but for `path`. `path_bytes` says how long that of a sample of a split is.
    pub(crate) fn plain_bytes(&self, path_bytes: &dyn Fn(&str, u64) -> usize) -> u64 {
        let plain = Self { zstd: 0, ..self.clone() };
        let bytes = |spec: &ShardSpec| {
            let rows = 0..spec.rows;
            let paths = rows.map(|row| path_bytes(&spec.split, spec.identity(row).0)).sum();
            shard_file::plain_bytes(&plain, spec, &sizes(&plain, spec, paths))
        };
        plain.shards().iter().map(bytes).sum()
    }
}

/// The sizes of each column's page, in the order of the schema.
fn sizes(manifest: &Manifest, spec: &ShardSpec, path_bytes: usize) -> Vec<Sizes> {
    let rows = spec.rows as usize;
    let scalar = |bytes: usize| Sizes { bytes: rows * bytes, values: rows };
    let list = |width: usize, bytes: usize| Sizes {
        bytes: levels::regular(rows, width).len() + rows * width * bytes,
        values: rows * width,
    };
    let mut sizes = vec![
        scalar(8),
        // Each path after its length.
        Sizes { bytes: 4 * rows + path_bytes, values: rows },
        scalar(IMAGE_HASH_BYTES),
        scalar(4),
        scalar(4),
        list(CROP_WIDTH, 4),
        Sizes { bytes: rows.div_ceil(8), values: rows },
        scalar(INPUT_HASH_BYTES),
    ];
    let operations = manifest.operations_width();
    if operations > 0 {
        sizes.push(list(operations, 4));
    }
    let values = manifest.value_columns();
    sizes.extend(values.iter().map(|column| match column.list {
        Some(width) => list(width, column.element.bytes()),
        None => scalar(column.element.bytes()),
    }));
    sizes
}
