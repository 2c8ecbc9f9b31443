//! A pipeline file of any text is refused with one sentence, or is a pipeline.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fuzz.toml");
    std::fs::write(&path, text).unwrap();
    if let Err(error) = decant::config::load(&path, &[]) {
        assert!(!error.to_string().is_empty());
    }
});
