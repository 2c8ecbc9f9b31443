//! The cache on disk: what is written reads back, and whatever is wrong with it is refused.

mod archive;
mod bytes;
mod common;
mod damage;
mod encodings;
mod foreign;
mod hostile;
mod interop;
mod manifest;
mod python;
mod resume;
mod roundtrip;
mod soften;
mod upgrade;
mod writing;
