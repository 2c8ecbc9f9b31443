//! Other parquet readers see what was written.

use std::path::Path;
use std::process::Command;

use crate::store::common::{Shape, cache, cache_of, encoded};

#[test]
#[ignore = "needs a Python with tests/interop/requirements.txt, named by PYTHON; `make interop` runs it"]
fn other_readers_agree_on_every_value() {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/read_cache.py");
    let wide = Shape { classes: 130, splits: vec![("train", 700)], shard_rows: 256, ..Shape::default() };
    let encoded = encoded().into_iter().map(|shape| cache_of(&shape));
    for (_root, dir, _) in [cache(), cache_of(&wide)].into_iter().chain(encoded) {
        let status = Command::new(&python).arg(&script).arg(&dir).status().unwrap();
        assert!(status.success(), "{}", dir.display());
    }
}
