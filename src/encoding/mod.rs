//! Encodings of a cache's logits and soft targets: each a file that declares its name, its parameter and its columns, and turns rows into
//! bytes and bytes into targets.
//!
//! A new encoding is a file here and its two lines below: its module, and its place in the registry. The keys of `[cache]` and their
//! reference, the store's writer, reader, checks and key, plans and warnings read from its declaration.

mod codec;
mod dense;
mod element;
mod float16;
mod float32;
mod kl;
pub(crate) mod pipeline;
mod serial;
mod soften;
mod top_k;

use std::fmt;
use std::sync::LazyLock;

pub(crate) use codec::{At, Codec, Encoder, Parameter, RowLoss, StoredRow, Unfit, Wrong};
pub(crate) use element::{Element, ValueColumn};
pub use soften::soften;

/// Every encoding, in the order in which people see them.
const REGISTRY: &[&dyn Codec] = &[&float32::Float32, &float16::Float16, &top_k::TopK];

/// An encoding of logits and soft targets, with the value of its parameter.
#[derive(Clone, Copy)]
pub struct Encoding {
    codec: &'static dyn Codec,
    /// 0 where it takes none, or where none is given yet.
    parameter: u32,
}

impl Encoding {
    /// The names of all encodings in manifests and pipeline files.
    pub fn names() -> &'static [&'static str] {
        static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| Encoding::all().map(Encoding::name).collect());
        &NAMES
    }

    /// Every encoding, their parameters not given.
    pub fn all() -> impl Iterator<Item = Self> {
        REGISTRY.iter().map(|&codec| Self { codec, parameter: 0 })
    }

    /// Every encoding as a plan compares them for this number of classes.
    pub(crate) fn compared(classes: usize) -> impl Iterator<Item = Self> {
        Self::all().map(move |Self { codec, .. }| Self { codec, parameter: codec.compared(classes) })
    }

    /// The declaration.
    pub(crate) fn codec(self) -> &'static dyn Codec {
        self.codec
    }

    /// The name in manifests and pipeline files.
    pub fn name(self) -> &'static str {
        self.codec.name()
    }

    /// Whether every class's logit is stored, so that targets at any temperature can be made.
    pub fn keeps_all(self) -> bool {
        self.kept().is_none()
    }

    /// Whether every number is stored as the teacher gave it.
    pub(crate) fn is_exact(self) -> bool {
        self.codec.rounding() == Some(0.0)
    }

    /// The most that a logit is rounded by, as a share of it; nothing where not every logit is stored.
    pub(crate) fn rounding(self) -> Option<f64> {
        self.codec.rounding()
    }

    /// How many classes are kept of each row, where not all are.
    pub fn kept(self) -> Option<usize> {
        self.codec.kept(self.parameter)
    }

    /// A warning about the targets that a run reads; `mass` is a temperature and the mass that the kept classes have at it.
    pub(crate) fn warning(self, classes: usize, mass: Option<(f32, f64)>) -> Option<String> {
        self.codec.warning(self.parameter, classes, mass)
    }

    /// The parameter and its value, where the encoding takes one.
    pub(crate) fn parameter(self) -> Option<(&'static Parameter, u32)> {
        Some((self.codec.parameter()?, self.parameter))
    }

    /// Checks that it fits a number of classes.
    pub(crate) fn check(self, classes: usize) -> Result<(), Unfit> {
        self.codec.check(self.parameter, classes)
    }

    /// Whether a value column, by position, can be made again from others: soft targets from the logits. The mass of dropped classes
    /// can't.
    pub(crate) fn is_derived(self, index: usize) -> bool {
        self.keeps_all() && index >= self.first_temperature()
    }

    /// The position of the first column of a temperature among the value columns: the others come before it.
    pub(crate) fn first_temperature(self) -> usize {
        self.codec.columns(self.parameter, 0).len()
    }

    /// The columns after `input_hash`, in order, for a number of classes and these temperatures.
    pub(crate) fn value_columns(self, classes: usize, temperatures: &[f32]) -> Vec<ValueColumn> {
        let mut columns = self.codec.columns(self.parameter, classes);
        columns.extend(temperatures.iter().map(|&temperature| self.codec.column_at(temperature, classes)));
        columns
    }

    /// The logits of a shard, `[rows, classes]`, ready to be written.
    pub(crate) fn encoder(self, logits: Vec<f32>, classes: usize) -> Box<dyn Encoder> {
        self.codec.encoder(self.parameter, logits, classes)
    }
}

impl PartialEq for Encoding {
    fn eq(&self, other: &Self) -> bool {
        (self.name(), self.parameter) == (other.name(), other.parameter)
    }
}

impl Eq for Encoding {}

impl fmt::Display for Encoding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.codec.title(self.parameter))
    }
}

impl fmt::Debug for Encoding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
