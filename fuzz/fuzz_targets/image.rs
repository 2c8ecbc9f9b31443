//! Any bytes are refused, or are an image of a size that may be read.
#![no_main]

use decant::view::decode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // What is allowed may still be large; a fuzzer has no use for it.
    if let Ok(image) = decode(bytes) {
        assert!(image.width() > 0 && image.height() > 0);
    }
});
