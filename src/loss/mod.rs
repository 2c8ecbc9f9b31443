//! Losses: each a file that declares its name, its parameters and their ranges, what it reads of the cache, its formula and its value.
//!
//! A new loss is a file here and its two lines below: its module, and its place in the registry.

mod cross_entropy;
mod declaration;
mod dist;
mod dkd;
mod kd;
mod mse;
mod parameters;
mod softmax;
mod std_kd;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use cross_entropy::cross_entropy;
pub(crate) use cross_entropy::weighted_cross_entropy;
pub use declaration::Targets;
pub(crate) use declaration::{Batch, Declaration, Parameter, Reads};
pub use dist::dist;
pub use dkd::dkd;
pub use kd::{kd, kd_top};
pub use mse::mse;
pub(crate) use parameters::LossParameters;
pub use std_kd::std_kd;

macro_rules! registry {
    ($($variant:ident $file:ident;)*) => {
        /// The distillation term of a student's loss.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Loss {
            $(#[doc = concat!("`loss/", stringify!($file), ".rs`")] $variant,)*
        }

        impl Loss {
            /// Every loss.
            pub const ALL: &[Self] = &[$(Self::$variant),*];
            /// Their names in a pipeline file.
            pub const NAMES: &[&str] = &[$($file::DECLARATION.name),*];

            /// Its declaration.
            pub(crate) const fn declaration(self) -> &'static Declaration {
                match self { $(Self::$variant => &$file::DECLARATION,)* }
            }
        }
    };
}

registry! {
    Kd kd;
    StdKd std_kd;
    Dkd dkd;
    Dist dist;
    Mse mse;
    Ce cross_entropy;
}

impl Loss {
    /// Its name in a pipeline file.
    pub(crate) const fn name(self) -> &'static str {
        self.declaration().name
    }
}

impl Serialize for Loss {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Loss {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let found = Self::ALL.iter().copied().find(|loss| loss.name() == text);
        found.ok_or_else(|| de::Error::custom(format_args!("unknown loss {text:?}")))
    }
}
