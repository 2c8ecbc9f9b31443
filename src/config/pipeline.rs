//! A whole pipeline file.

use serde::{Deserialize, Serialize};

use super::key::{Declared, Role};
use super::kind::Kind;
use super::{Cache, Dataset, Student, Sweep, Teacher, Train};

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
    /// The part of its outputs that is kept.
    pub cache: Cache,
    /// The model that is trained.
    pub student: Student,
    /// How it is trained.
    pub train: Train,
    /// Which runs `decant sweep` makes of it.
    #[serde(skip_serializing_if = "is_no_sweep")]
    pub sweep: Sweep,
}

/// Whether `[sweep]` is at its default; `run.json` never has it, since a run is the same in or out of a sweep.
fn is_no_sweep(sweep: &Sweep) -> bool {
    *sweep == Sweep::default()
}

/// The declarations of the keys outside of all sections.
pub(super) const KEYS: &[Declared<Pipeline>] = &[Declared::new(
    "name",
    Kind::Text,
    Role::Name,
    "The readable part of run and cache folder names; the file's name unless given",
)];
