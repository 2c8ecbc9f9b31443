//! Units of work for a scheduler: each can be run anywhere, again, or twice at once, and nothing is lost or doubled.

use std::path::PathBuf;

use serde::Serialize;

use super::{PlannedCache, PlannedShard};
use crate::sweep::{self, State};

/// The arguments that every command of a plan repeats.
#[derive(Clone, Debug)]
pub(crate) struct Commands {
    /// Those of the pipeline: its file and what overrides it.
    pub pipeline: Vec<String>,
    /// Those of `decant sweep` besides.
    pub sweep: Vec<String>,
}

impl Commands {
    fn stage_one(&self, part: usize, parts: usize) -> Vec<String> {
        let own = ["--shard".to_owned(), format!("{part}/{parts}")];
        ["teacher-cache".to_owned()].into_iter().chain(self.pipeline.iter().cloned()).chain(own).collect()
    }

    fn sweep(&self, own: &[&str]) -> Vec<String> {
        let common = self.pipeline.iter().chain(&self.sweep).cloned();
        let own = own.iter().map(ToString::to_string);
        ["sweep".to_owned()].into_iter().chain(common).chain(own).collect()
    }
}

/// Everything that a pipeline's stage one and sweep come to. Commands are arguments of `decant`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Units {
    /// The pipeline file.
    pub pipeline: PathBuf,
    /// The cache that stage one makes.
    pub cache: CacheState,
    /// Its units, in any order and number side by side.
    pub stage_one: Vec<StageOneUnit>,
    /// The command that closes the cache once they are done, where it is not closed: the process that makes the last shard does so by itself,
    /// unless it is killed just then. Closing a closed cache changes nothing.
    pub close: Option<Vec<String>>,
    /// The sweep's, once the cache is closed; none where the file has no `[sweep]`.
    pub sweep: Option<SweepUnits>,
}

/// A cache, as units see it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CacheState {
    /// Its folder.
    pub dir: PathBuf,
    /// Its key.
    pub key: String,
    /// Whether it is closed.
    pub complete: bool,
}

/// One or more shards.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StageOneUnit {
    /// `train/part-00003`, or `part-00003-of-00064` for a unit of several shards.
    pub id: String,
    /// Its place in the order.
    pub index: usize,
    /// The split; none for a unit of several shards.
    pub split: Option<String>,
    /// How many shards.
    pub shards: usize,
    /// Views of images.
    pub rows: u64,
    /// How long it takes here, where that was measured.
    pub seconds: Option<f64>,
    /// Whether every shard is there.
    pub done: bool,
    /// The command that does it.
    pub command: Vec<String>,
}

/// The runs of a sweep.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SweepUnits {
    /// Those that are known, in their order.
    pub runs: Vec<SweepUnit>,
    /// Rungs of successive halving whose runs are known once these are done: plan again then.
    pub rungs_left: usize,
    /// The command that sums all of them up at last.
    pub collect: Vec<String>,
}

/// One run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SweepUnit {
    /// Over its settings; the same before and after the cache is there.
    pub id: String,
    /// Its place in the order.
    pub index: usize,
    /// Rung of successive halving, from 0; 0 without.
    pub rung: usize,
    /// How long it takes here, where that was measured.
    pub seconds: Option<f64>,
    /// Whether it is trained.
    pub done: bool,
    /// The error that it failed with, which the same command tries again.
    pub failed: Option<String>,
    /// The command that does it.
    pub command: Vec<String>,
}

impl Units {
    /// The units of a cache, `parts` of them or one a shard, and of a sweep. `row_seconds` is what a row of the cache takes, and
    /// `run_seconds` what each run does, where that is known.
    pub(crate) fn new(
        pipeline: PathBuf,
        cache: &PlannedCache,
        parts: Option<usize>,
        row_seconds: Option<f64>,
        sweep: Option<&sweep::Units>,
        run_seconds: &[Option<f64>],
        commands: &Commands,
    ) -> Self {
        let merge = || vec!["cache".to_owned(), "merge".to_owned(), cache.dir.display().to_string()];
        let mut units = Self {
            pipeline,
            cache: CacheState {
                dir: cache.dir.clone(),
                key: cache.manifest.key.to_string(),
                complete: cache.complete,
            },
            stage_one: stage_one(&cache.shards, parts, commands),
            close: (!cache.complete).then(merge),
            sweep: sweep.map(|units| runs(units, commands)),
        };
        for unit in &mut units.stage_one {
            unit.seconds = row_seconds.map(|row| row * unit.rows as f64);
        }
        for (unit, seconds) in units.sweep.iter_mut().flat_map(|sweep| &mut sweep.runs).zip(run_seconds) {
            unit.seconds = *seconds;
        }
        units
    }
}

fn stage_one(shards: &[PlannedShard], parts: Option<usize>, commands: &Commands) -> Vec<StageOneUnit> {
    let Some(parts) = parts else {
        let unit = |(index, shard): (usize, &PlannedShard)| StageOneUnit {
            id: shard.spec.path.with_extension("").display().to_string(),
            index,
            split: Some(shard.spec.split.clone()),
            shards: 1,
            rows: shard.spec.rows,
            seconds: None,
            done: shard.done,
            command: commands.stage_one(index, shards.len()),
        };
        return shards.iter().enumerate().map(unit).collect();
    };
    // As `teacher-cache --shard` deals them out; a part without a shard is not a unit.
    let unit = |part: usize| {
        let own: Vec<&PlannedShard> = shards.iter().skip(part).step_by(parts).collect();
        StageOneUnit {
            id: format!("part-{part:05}-of-{parts:05}"),
            index: part,
            split: None,
            shards: own.len(),
            rows: own.iter().map(|shard| shard.spec.rows).sum(),
            seconds: None,
            done: own.iter().all(|shard| shard.done),
            command: commands.stage_one(part, parts),
        }
    };
    (0..parts.min(shards.len())).map(unit).collect()
}

fn runs(units: &sweep::Units, commands: &Commands) -> SweepUnits {
    let unit = |unit: &sweep::Unit| SweepUnit {
        id: unit.id.clone(),
        index: unit.index,
        rung: unit.rung,
        seconds: None,
        done: matches!(unit.state, State::Done(_)),
        failed: match &unit.state {
            State::Failed(error) => Some(error.clone()),
            _ => None,
        },
        command: commands.sweep(&["--run", &unit.id]),
    };
    SweepUnits {
        runs: units.units.iter().map(unit).collect(),
        rungs_left: units.rungs_left,
        collect: commands.sweep(&["--collect"]),
    }
}
