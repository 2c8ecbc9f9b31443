#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decant_fuzz::resize(bytes));
