//! Files that were edited at random never make anything panic, nor lead out of their folder.

use std::path::{Component, Path};

use decant::config;
use decant::store::Manifest;
use decant::support::hash::Digest;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::Workshop;
use crate::gallery::PIPELINE;

/// Pieces that an edit puts in: what the formats' grammars turn on.
const PIECES: [&str; 16] = [
    "-1",
    "0",
    "1e999",
    "18446744073709551616",
    "nan",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "=",
    "\n",
    "../..",
    "/etc/passwd",
    "null",
    "\u{0}",
];

/// Replaces up to eight bytes each at some places by a piece.
fn edited(text: &str, edits: &[(prop::sample::Index, usize, prop::sample::Index)]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (at, length, piece) in edits {
        let at = at.index(bytes.len() + 1);
        let end = (at + length).min(bytes.len());
        bytes.splice(at..end, piece.get(&PIECES).bytes());
    }
    bytes
}

fn edits() -> impl Strategy<Value = Vec<(prop::sample::Index, usize, prop::sample::Index)>> {
    vec((any::<prop::sample::Index>(), 0usize..8, any::<prop::sample::Index>()), 1..5)
}

const MANIFEST: &str = include_str!("manifest.json");

/// A manifest's text under a checksum that fits it.
fn sealed(content: &[u8]) -> Vec<u8> {
    let digest = Digest::of(content).to_string();
    [content, b",\n  \"checksum\": \"", digest.as_bytes(), b"\"\n}\n"].concat()
}

fn stays_inside(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_)))
}

#[test]
fn the_manifest_that_is_edited_here_is_sound() {
    let manifest =
        Manifest::parse(Path::new("manifest.json"), &sealed(MANIFEST.trim_end().as_bytes())).unwrap();
    assert!(manifest.shards().iter().all(|shard| stays_inside(&shard.path)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn an_edited_manifest_is_refused_or_stays_in_its_folder(edits in edits()) {
        let bytes = sealed(&edited(MANIFEST.trim_end(), &edits));
        if let Ok(manifest) = Manifest::parse(Path::new("manifest.json"), &bytes) {
            prop_assert!(stays_inside(Path::new(&manifest.folder_name())));
            prop_assert!(manifest.dataset.splits.iter().all(|split| stays_inside(Path::new(&split.name))));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn an_edited_pipeline_file_is_refused_in_one_sentence_or_is_a_pipeline(edits in edits()) {
        let workshop = Workshop::new();
        let path = workshop.path().join("edited.toml");
        std::fs::write(&path, edited(PIPELINE, &edits)).unwrap();
        if let Err(error) = config::load(&path, &[]) {
            let said = error.to_string();
            prop_assert!(!said.is_empty() && said.contains("edited.toml"), "{said}");
        }
    }
}
