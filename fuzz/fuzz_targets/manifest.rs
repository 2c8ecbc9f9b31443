//! A manifest of any content under a checksum that fits it is refused or harmless: its folder name and shards stay inside.
#![no_main]

use std::path::{Component, Path};

use decant::store::Manifest;
use decant::support::hash::Digest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let content = content.trim_ascii_end();
    let sealed = [content, b",\n  \"checksum\": \"", Digest::of(content).to_string().as_bytes(), b"\"\n}\n"].concat();
    let Ok(manifest) = Manifest::parse(Path::new("manifest.json"), &sealed) else { return };
    let stays = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
    assert!(stays(Path::new(&manifest.folder_name())));
    let rows: u64 = manifest.dataset.splits.iter().map(|split| manifest.rows(split)).sum();
    if rows / u64::from(manifest.shard_rows) < 10_000 {
        assert!(manifest.shards().iter().all(|shard| stays(&shard.path)));
    }
});
