//! How a shard stores logits and soft targets: the columns that each encoding has.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config;

/// How logits and soft targets are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// Dense float32: what the teacher gave.
    Float32,
    /// Dense float16, the targets softened from the rounded logits.
    Float16,
    /// The largest logits, this many, in float32; of the other classes their mass at each temperature alone.
    TopK(u32),
}

impl Encoding {
    /// What a pipeline's `[cache]` asks for.
    pub fn of(cache: &config::Cache) -> Self {
        match cache.encoding {
            config::Encoding::Float32 => Self::Float32,
            config::Encoding::Float16 => Self::Float16,
            // A checked pipeline names how many; none is refused by the manifest.
            config::Encoding::TopK => Self::TopK(cache.top_k.unwrap_or(0)),
        }
    }

    /// Its name in manifests and pipeline files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float16 => "float16",
            Self::TopK(_) => "top-k",
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Float32 | Self::Float16 => formatter.write_str(self.as_str()),
            Self::TopK(kept) => write!(formatter, "top-{kept}"),
        }
    }
}

/// A number in a column of logits or targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Element {
    Float32,
    Float16,
    Int32,
}

impl Element {
    pub(in crate::store) fn bytes(self) -> usize {
        match self {
            Self::Float32 | Self::Int32 => 4,
            Self::Float16 => 2,
        }
    }
}

/// A column of logits or targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct ValueColumn {
    pub name: String,
    pub element: Element,
    /// Numbers in a row's list; `None` for one number that is no list.
    pub list: Option<usize>,
}

impl ValueColumn {
    /// Numbers in a row.
    pub(in crate::store) fn width(&self) -> usize {
        self.list.unwrap_or(1)
    }
}

/// Which of the value columns hold what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Layout {
    /// The logits, then the targets at each temperature, each `[rows, classes]`.
    Dense,
    /// The kept classes, their logits, both `[rows, kept]`, then the mass of the rest at each temperature, `[rows]`.
    Top {
        /// How many classes are kept.
        kept: usize,
    },
}

/// Positions among the value columns.
pub(in crate::store) mod dense {
    pub const LOGITS: usize = 0;
    /// The first of one column a temperature.
    pub const SOFT: usize = 1;
}

/// Positions among the value columns.
pub(in crate::store) mod top {
    pub const CLASSES: usize = 0;
    pub const LOGITS: usize = 1;
    /// The first of one column a temperature.
    pub const REST: usize = 2;
}

impl Encoding {
    /// Which of the value columns hold what.
    pub(in crate::store) fn layout(self) -> Layout {
        match self {
            Self::Float32 | Self::Float16 => Layout::Dense,
            Self::TopK(kept) => Layout::Top { kept: kept as usize },
        }
    }

    /// Whether a value column, by position, can be made again from others: soft targets from the logits. Of dropped classes the mass
    /// can't.
    pub(in crate::store) fn is_derived(self, index: usize) -> bool {
        match self.layout() {
            Layout::Dense => index >= dense::SOFT,
            Layout::Top { .. } => false,
        }
    }

    /// The columns after `input_hash`, in order, for a number of classes and these temperatures.
    pub(in crate::store) fn value_columns(self, classes: usize, temperatures: &[f32]) -> Vec<ValueColumn> {
        let list = |name: String, element, width| ValueColumn { name, element, list: Some(width) };
        let dense = |element| {
            let names = temperatures.iter().map(|&temperature| soft_column(temperature));
            let names = std::iter::once("logits".to_owned()).chain(names);
            names.map(|name| list(name, element, classes)).collect()
        };
        match self {
            Self::Float32 => dense(Element::Float32),
            Self::Float16 => dense(Element::Float16),
            Self::TopK(kept) => {
                let kept = kept as usize;
                let mut columns = vec![
                    list("top_classes".to_owned(), Element::Int32, kept),
                    list("top_logits".to_owned(), Element::Float32, kept),
                ];
                columns.extend(temperatures.iter().map(|&temperature| ValueColumn {
                    name: soft_column(temperature).replacen("soft", "rest", 1),
                    element: Element::Float32,
                    list: None,
                }));
                columns
            }
        }
    }
}

/// The name of the soft column at `temperature`: `soft_t5`, `soft_t2p5`.
pub fn soft_column(temperature: f32) -> String {
    format!("soft_t{temperature}").replace('.', "p")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_columns_are_named_after_their_temperature() {
        let names: Vec<String> = [1.0, 5.0, 2.5, 0.1].into_iter().map(soft_column).collect();
        assert_eq!(names, ["soft_t1", "soft_t5", "soft_t2p5", "soft_t0p1"]);
    }
}
