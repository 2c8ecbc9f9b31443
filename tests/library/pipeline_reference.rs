//! `docs/pipeline.md` is written from the keys' declarations.

use std::fs;
use std::path::Path;

#[test]
fn pipeline_reference_is_that_of_the_declarations() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pipeline.md");
    let expected = decant::config::reference();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/pipeline.md is stale; run UPDATE_DOCS=1 cargo test --test library pipeline_reference"
    );
}
