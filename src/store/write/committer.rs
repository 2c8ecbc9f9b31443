//! Committing a shard while the next one is being filled.

use std::sync::Arc;
use std::thread::JoinHandle;

use crate::store::error::Error;
use crate::store::format::plan::ShardSpec;
use crate::store::format::record::ShardRecord;
use crate::store::write::writer::ShardWriter;

/// The action on a shard once it is safe on disk.
type Then = dyn Fn(&ShardSpec, &ShardRecord) -> Result<(), Error> + Send + Sync;

/// Commits shards one at a time on a thread of its own. Memory is that of two shards: the one being committed and the one
/// being filled.
pub struct Committer {
    then: Arc<Then>,
    running: Option<JoinHandle<Result<(), Error>>>,
}

impl Default for Committer {
    /// Nothing is done with a shard beyond that it is safe on disk.
    fn default() -> Self {
        Self::new(|_, _| Ok(()))
    }
}

impl Committer {
    /// Calls `then` with each shard that is safe on disk, before the next one is written.
    pub fn new(then: impl Fn(&ShardSpec, &ShardRecord) -> Result<(), Error> + Send + Sync + 'static) -> Self {
        Self { then: Arc::new(then), running: None }
    }

    /// Begins to commit `shard`, once the one before is safe on disk.
    ///
    /// # Errors
    /// As [`ShardWriter::commit`], and what was to be done then, about the shard before; `shard` is then given up.
    pub fn commit(&mut self, shard: ShardWriter) -> Result<(), Error> {
        self.wait()?;
        let then = Arc::clone(&self.then);
        self.running = Some(std::thread::spawn(move || {
            let spec = shard.spec().clone();
            then(&spec, &shard.commit()?)
        }));
        Ok(())
    }

    /// Waits until every shard is safe on disk.
    ///
    /// # Errors
    /// As [`ShardWriter::commit`], and what was to be done then, about the last shard.
    pub fn wait(&mut self) -> Result<(), Error> {
        let Some(running) = self.running.take() else { return Ok(()) };
        running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
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
