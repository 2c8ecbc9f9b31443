//! A whole pipeline file.

use serde::{Deserialize, Serialize};

use super::rule::{Invalid, list, number, within};
use super::{Cache, Dataset, Encoding, Loss, Student, Sweep, Teacher, Train};

/// A whole pipeline file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pipeline {
    /// The readable part of run and cache folder names: the file's name unless given.
    pub name: String,
    /// Where the images come from.
    pub dataset: Dataset,
    /// The model that is run once.
    pub teacher: Teacher,
    /// What of it is kept.
    pub cache: Cache,
    /// The model that is trained.
    pub student: Student,
    /// How it is trained.
    pub train: Train,
    /// Which runs `decant sweep` makes of it.
    #[serde(skip_serializing_if = "is_no_sweep")]
    pub sweep: Sweep,
}

/// A run says nothing of the sweep that it came from, being the same by itself.
fn is_no_sweep(sweep: &Sweep) -> bool {
    *sweep == Sweep::default()
}

impl Pipeline {
    /// Checks every value that a type alone does not bound: each section by itself, then what one asks of another.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        self.dataset.check()?;
        self.teacher.check()?;
        self.cache.check()?;
        self.student.check()?;
        self.train.check()?;
        self.sweep.check()?;
        self.check_targets()
    }

    /// Checks the values of a pipeline that was not read from a TOML file, such as that of a finished run.
    ///
    /// # Errors
    /// The first value out of range, with what is allowed.
    pub fn validate(&self) -> Result<(), String> {
        self.check().map_err(|Invalid { key, value, rule }| {
            format!("{key} = {value} is out of range, it must be {rule}")
        })
    }

    /// Checks that the cache will hold what the loss reads.
    fn check_targets(&self) -> Result<(), Invalid> {
        let Self { cache, train, .. } = self;
        if cache.encoding == Encoding::TopK && train.is_taught() {
            let rule = "kd or ce with cache.encoding = \"top-k\", since the others compare every class with every other";
            within("train.loss", train.loss.as_str(), train.loss == Loss::Kd, rule)?;
            let rule = "left out with cache.encoding = \"top-k\", which knows the mass of the rest at cache.temperatures alone";
            within(
                "train.temperature-end",
                number(train.temperature_end),
                train.temperature_end.is_none(),
                rule,
            )?;
        }

        // Any other encoding keeps the logits, from which targets at every temperature are made.
        let read = train.cached_temperature().filter(|_| cache.encoding == Encoding::TopK);
        let Some(temperature) = read else { return Ok(()) };
        let nearest = cache
            .temperatures
            .iter()
            .copied()
            .min_by(|a, b| (a - temperature).abs().total_cmp(&(b - temperature).abs()));
        let rule = format!(
            "one of cache.temperatures = {}, the nearest is {}",
            list(&cache.temperatures),
            nearest.unwrap_or(1.0)
        );
        within("train.temperature", temperature, cache.temperatures.contains(&temperature), &rule)
    }
}
