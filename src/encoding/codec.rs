//! The declaration of an encoding.

use super::element::ValueColumn;

/// An encoding, as its file declares it. `parameter` is the value of its [`Parameter`], 0 where it takes none.
pub(crate) trait Codec: Sync {
    /// Its name in manifests and pipeline files.
    fn name(&self) -> &'static str;

    /// One line for the reference.
    fn about(&self) -> &'static str;

    /// The whole number that it takes, a key of `[cache]`.
    fn parameter(&self) -> Option<&'static Parameter> {
        None
    }

    /// The encoding with its parameter, as people read it: `top-10`.
    fn title(&self, _parameter: u32) -> String {
        self.name().to_owned()
    }

    /// The parameter with which a plan compares it for this number of classes.
    fn compared(&self, _classes: usize) -> u32 {
        0
    }

    /// The most that a logit is rounded by, as a share of it; nothing where not every logit is stored.
    fn rounding(&self) -> Option<f64>;

    /// How many classes are kept of each row, where not all are.
    fn kept(&self, _parameter: u32) -> Option<usize> {
        None
    }

    /// Checks that it fits a number of classes.
    fn check(&self, _parameter: u32, _classes: usize) -> Result<(), Unfit> {
        Ok(())
    }

    /// The first class whose finite logit can't be stored, and the limit that it breaks.
    fn unstorable(&self, _logits: &[f32]) -> Option<(usize, &'static str)> {
        None
    }

    /// A warning about the targets that a run reads; `mass` is a temperature and the mass that the kept classes have at it.
    fn warning(&self, _parameter: u32, _classes: usize, _mass: Option<(f32, f64)>) -> Option<String> {
        None
    }

    /// The columns that no temperature changes, in order.
    fn columns(&self, parameter: u32, classes: usize) -> Vec<ValueColumn>;

    /// The position of the logits among them.
    fn logits_column(&self) -> usize;

    /// The column of a temperature.
    fn column_at(&self, temperature: f32, classes: usize) -> ValueColumn;

    /// The logits of a shard, `[rows, classes]`, ready to be written.
    fn encoder(&self, parameter: u32, logits: Vec<f32>, classes: usize) -> Box<dyn Encoder>;

    /// Reads the logits of a row to `out`, `[classes]`. Where not all are stored, the others share one logit that gives them their exact
    /// mass at `at`, which then has a column.
    fn read_logits(&self, row: &dyn StoredRow, at: At, out: &mut [f32]) -> Result<(), Wrong>;

    /// Reads the soft targets of a row to `out`, `[classes]`; dropped classes share their mass evenly.
    fn read_soft(&self, row: &dyn StoredRow, at: At, out: &mut [f32]) -> Result<(), Wrong>;

    /// Reads the kept classes of a row, `[kept]`, largest first, and their soft targets, then the mass of the rest, `[kept + 1]`.
    fn read_kept(
        &self,
        _row: &dyn StoredRow,
        _at: At,
        _classes: &mut [i32],
        _masses: &mut [f32],
    ) -> Result<(), Wrong> {
        unreachable!("the caller asks whether classes are dropped")
    }

    /// Checks what the ranges of a row's numbers don't say.
    fn check_row(&self, _row: &dyn StoredRow, _kept: usize) -> Result<(), Wrong> {
        Ok(())
    }

    /// Holds the column of a temperature against the others.
    fn check_derived(&self, row: &dyn StoredRow, temperature: f32, column: usize) -> Result<(), Wrong>;
}

/// A whole number that an encoding takes, from 1.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// Its key, `cache.<name>`.
    pub key: &'static str,
    /// Its field in a manifest's messages and key.
    pub field: &'static str,
    /// The largest value.
    pub most: u32,
    /// One line for the reference.
    pub about: &'static str,
    /// The end of `it is read only ...`.
    pub condition: &'static str,
    /// A setting with which it is read, `KEY=VALUE`.
    pub with: &'static [&'static str],
    /// Its names in other programs.
    pub also: &'static [&'static str],
    /// Whether `run.json` names it where it is not given, as 0.1.0 wrote it: the keys of runs depend on that.
    pub always_written: bool,
}

impl Parameter {
    /// Its own name, `top-k` of `cache.top-k`.
    pub(crate) fn name(&self) -> &'static str {
        self.key.rsplit('.').next().unwrap_or(self.key)
    }
}

/// A parameter that does not fit a cache.
#[derive(Debug)]
pub(crate) struct Unfit {
    /// The manifest's field.
    pub field: &'static str,
    /// The values that would do.
    pub expected: String,
    /// The value.
    pub found: String,
}

/// The rows of a shard on their way to its columns.
pub(crate) trait Encoder: Send + Sync {
    /// Writes the numbers of a column, by position, to `out`, little-endian, `[rows, width]`; those of a temperature's column at it. Row
    /// by row on every core, for a row does not depend on another.
    fn write(&self, column: usize, temperature: Option<f32>, out: &mut [u8]);

    /// The loss of each row at a temperature; nothing where every number is stored as it is.
    fn lost(&self, _temperature: f32) -> Option<Vec<RowLoss>> {
        None
    }
}

/// The difference between a row's targets and those that are stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RowLoss {
    /// `KL(targets of the teacher's logits || targets as they are read)`, in nats.
    pub kl: f64,
    /// Where classes are dropped: their mass.
    pub rest: Option<f64>,
}

/// A temperature, and the position of its column, where it has one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub temperature: f32,
    pub column: Option<usize>,
}

/// A row as it is stored.
pub(crate) trait StoredRow {
    /// The bytes of a column of logits and targets, by position.
    fn bytes(&self, column: usize) -> Result<&[u8], Wrong>;

    /// How many classes a row has.
    fn classes(&self) -> usize;
}

/// A fault of a row, with the position of the column among those of logits and targets.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// A column that can't be read; the row knows why.
    Unread,
    /// A value that can't be.
    Value { column: usize, value: String, expected: &'static str },
    /// A target that the logits don't give.
    Target { column: usize, class: usize, expected: f32, found: f32 },
    /// More mass for dropped classes than the kept ones leave.
    Rest { column: usize, most: f64, found: f32 },
}
