//! `sweep.lock.toml`: the inputs of a sweep and the result of each run, small enough to commit.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::points::label;
use super::results::put;
use super::{Error, Plan, Results};
use crate::config::StudentDevice;
use crate::support::files;
use crate::support::hash::Digest;
use crate::train::RunResult;

/// Its name in the folder of results.
pub(crate) const LOCK_FILE: &str = "sweep.lock.toml";

/// The line before the checksum of the lines above it.
const SEAL: &str = "# BLAKE3 of the lines above: ";

/// The origin of a sweep, and its results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Lock {
    /// The sweep's name.
    pub name: String,
    /// The version of decant.
    pub decant: String,
    /// The processor's instruction set, which decides how sums are rounded.
    pub machine: String,
    /// The device.
    pub device: StudentDevice,
    /// The dataset's fingerprint.
    pub dataset: Digest,
    /// The teacher's.
    pub teacher: Digest,
    /// The content hash of every cache that a run reads.
    pub caches: Vec<Digest>,
    /// Every run, in the plan's order.
    pub runs: Vec<LockedRun>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct LockedRun {
    /// Its values, such as `T=5 lambda=0.9 seed=0`.
    pub run: String,
    /// Rung of successive halving.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rung: usize,
    /// Its key.
    pub key: Digest,
    /// A digest over its whole result, weights included; nothing for a run that failed.
    pub result: Option<Digest>,
    /// Accuracy on validation, or agreement with the teacher where nothing has a label.
    pub validation: Option<f64>,
    /// The same on test.
    pub test: Option<f64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it so")]
fn is_zero(rung: &usize) -> bool {
    *rung == 0
}

impl Lock {
    /// The lock of a sweep's results.
    ///
    /// # Panics
    /// When a row's key is not a digest.
    pub(crate) fn of(plan: &Plan, results: &Results) -> Self {
        let first = &plan.runs[0].setup;
        let mut caches: Vec<Digest> =
            plan.runs.iter().map(|run| run.setup.cache.complete().content).collect();
        caches.sort_unstable();
        caches.dedup();
        let runs = results.rows.iter().map(|row| LockedRun {
            run: label(&results.axes, &row.values),
            rung: row.rung,
            key: row.key.parse().expect("a run's key"),
            result: row.result().map(hash),
            validation: row.result().and_then(|run| run.chosen_by.measure(&run.validation)),
            test: row.result().and_then(|run| run.chosen_by.measure(run.test.as_ref()?)),
        });
        Self {
            name: results.name.clone(),
            decant: env!("CARGO_PKG_VERSION").to_owned(),
            machine: machine(),
            device: first.device.name,
            dataset: first.dataset.fingerprint(),
            teacher: first.cache.manifest().teacher.fingerprint,
            caches,
            runs: runs.collect(),
        }
    }

    /// Reads a lockfile.
    ///
    /// # Errors
    /// A file that can't be read or is not a lockfile.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = files::read_text(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        // Decant 0.1.0 wrote no checksum.
        if let Some((content, expected)) = text.trim_end().rsplit_once(SEAL) {
            let found = Digest::of(content.as_bytes());
            if found.to_string() != expected {
                return Err(Error::DamagedLock {
                    path: path.to_owned(),
                    expected: expected.to_owned(),
                    found,
                });
            }
        }
        toml::from_str(&text)
            .map_err(|error| Error::Lock { path: path.to_owned(), reason: error.message().to_owned() })
    }

    /// Writes it beside the results.
    ///
    /// # Errors
    /// A file that can't be written.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), Error> {
        put(&folder.join(LOCK_FILE), self.text().as_bytes())
    }

    /// Its text, with the comment that says what it is for.
    fn text(&self) -> String {
        let values = toml::to_string(self).expect("plain data");
        let text = format!(
            "# The results of a sweep. decant sweep -p FILE --locked THIS compares them with a sweep elsewhere.\n\n{values}"
        );
        let checksum = Digest::of(text.as_bytes());
        format!("{text}{SEAL}{checksum}\n")
    }

    /// Refuses the lock of another sweep: other data, another teacher, other runs.
    ///
    /// # Errors
    /// [`Error::OtherLock`] with the first difference.
    pub(crate) fn check(&self, path: &Path, plan: &Plan) -> Result<(), Error> {
        let first = &plan.runs[0].setup;
        let refuse = |difference: String| Err(Error::OtherLock { path: path.to_owned(), difference });
        let (dataset, teacher) = (first.dataset.fingerprint(), first.cache.manifest().teacher.fingerprint);
        if dataset != self.dataset {
            let (expected, found) = (self.dataset.short(12), dataset.short(12));
            return refuse(format!("the dataset's fingerprint is {found}, expected {expected}"));
        }
        if teacher != self.teacher {
            let (expected, found) = (self.teacher.short(12), teacher.short(12));
            return refuse(format!("the teacher's fingerprint is {found}, expected {expected}"));
        }
        let labels: Vec<String> = plan.runs.iter().map(|run| label(&plan.axes, &run.values)).collect();
        if let Some(locked) = self.runs.iter().find(|locked| !labels.contains(&locked.run)) {
            return refuse(format!("it has the run {}, the pipeline has not", locked.run));
        }
        if let Some(label) = labels.iter().find(|label| self.runs.iter().all(|locked| locked.run != **label))
        {
            return refuse(format!("the pipeline has the run {label}, it has not"));
        }
        Ok(())
    }

    /// The differences from where `self` was made, apart from the data and the runs: `here` is this machine's lock.
    pub(crate) fn circumstances(&self, here: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        let mut differs = |what: &str, there: &str, here: &str| {
            if there != here {
                differences.push(format!("{what}: {there} there, {here} here"));
            }
        };
        differs("decant", &self.decant, &here.decant);
        differs("instruction set", &self.machine, &here.machine);
        differs("device", &self.device.to_string(), &here.device.to_string());
        let caches =
            |lock: &Self| lock.caches.iter().map(|cache| cache.short(12)).collect::<Vec<_>>().join(", ");
        differs("cache", &caches(self), &caches(here));
        let same_settings =
            self.decant == here.decant && self.device == here.device && self.caches == here.caches;
        let keys = |lock: &Self| lock.runs.iter().map(|run| run.key).collect::<Vec<_>>();
        if same_settings && keys(self) != keys(here) {
            differences.push("settings that are the same in every run, such as train.lr".to_owned());
        }
        differences
    }

    /// The runs whose result differs here, each with both accuracies.
    pub(crate) fn differences(&self, here: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for there in &self.runs {
            let other = here.runs.iter().find(|run| run.run == there.run && run.rung == there.rung);
            let result = other.and_then(|run| run.result);
            let validation = other.and_then(|run| run.validation);
            let is_close = match (there.validation, validation) {
                (Some(a), Some(b)) => {
                    !self.device.repeats_exactly() && (a - b).abs() <= StudentDevice::GPU_TOLERANCE
                }
                _ => false,
            };
            if there.result == result || is_close {
                continue;
            }
            let share = |value: Option<f64>| {
                value.map_or("none".to_owned(), |value| format!("{:.2} %", 100.0 * value))
            };
            found.push(format!(
                "{}: validation accuracy {} there, {} here{}",
                there.run,
                share(there.validation),
                share(validation),
                if there.validation == validation { ", with other weights or measures" } else { "" }
            ));
        }
        found
    }
}

/// A digest over a result but its key, which other logits change, and the files beside the weights, which hold no measure.
fn hash(result: &RunResult) -> Digest {
    let result = RunResult { key: String::new(), configs: BTreeMap::new(), ..result.clone() };
    Digest::of(&serde_json::to_vec(&result).expect("plain data"))
}

/// Architecture and vector instructions: kernels are chosen by them, and round differently.
fn machine() -> String {
    let vectors = {
        #[cfg(target_arch = "x86_64")]
        {
            if std::is_x86_feature_detected!("avx512f") {
                " avx512"
            } else if std::is_x86_feature_detected!("avx2") {
                " avx2"
            } else {
                ""
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            ""
        }
    };
    format!("{}{vectors}", std::env::consts::ARCH)
}
