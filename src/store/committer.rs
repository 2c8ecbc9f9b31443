//! Committing a shard while the next one is being filled.

use std::thread::JoinHandle;

use super::error::Error;
use super::record::ShardRecord;
use super::writer::ShardWriter;

/// Commits shards one at a time on a thread of its own. Memory is that of two shards: the one being committed and the one
/// being filled.
#[derive(Default)]
pub struct Committer {
    running: Option<JoinHandle<Result<ShardRecord, Error>>>,
}

impl Committer {
    /// Begins to commit `shard`, once the one before is safe on disk.
    ///
    /// # Errors
    /// As [`ShardWriter::commit`], about the shard before; `shard` is then given up.
    pub fn commit(&mut self, shard: ShardWriter) -> Result<(), Error> {
        self.wait()?;
        self.running = Some(std::thread::spawn(move || shard.commit()));
        Ok(())
    }

    /// Waits until every shard is safe on disk.
    ///
    /// # Errors
    /// As [`ShardWriter::commit`], about the last shard.
    pub fn wait(&mut self) -> Result<(), Error> {
        let Some(running) = self.running.take() else { return Ok(()) };
        running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map(|_| ())
    }
}

impl Drop for Committer {
    /// A shard that was filled is worth keeping, whatever has failed since.
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            let _ = running.join();
        }
    }
}
