//! The architectures of students.

use serde::{Deserialize, Serialize};

/// The facts of an architecture that hold for every student of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Traits {
    /// Its name for people.
    pub title: &'static str,
    /// The least and the largest `student.width`, where its layers can be scaled.
    pub widths: Option<[f64; 2]>,
    /// Blocks between the stem and the classifier, for `student.freeze`.
    pub blocks: usize,
    /// `student.dropout` where it is left out: torchvision's.
    pub dropout: f64,
}

macro_rules! registry {
    ($($variant:ident $name:literal $traits:expr;)*) => {
        /// The architecture of a student.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
        pub enum Architecture {
            #[default]
            $(#[doc = $name] #[serde(rename = $name)] $variant,)*
        }

        impl Architecture {
            /// Every architecture.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Their names in a pipeline file.
            pub const NAMES: &[&str] = &[$($name),*];

            /// Its name in a pipeline file.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The facts that hold for every student of it.
            pub(crate) const fn traits(self) -> Traits {
                match self { $(Self::$variant => $traits,)* }
            }
        }
    };
}

registry! {
    MobileNetV2 "mobilenet-v2" Traits { title: "MobileNetV2", widths: Some([0.35, 1.4]), blocks: 16, dropout: 0.2 };
    ResNet18 "resnet-18" Traits { title: "ResNet-18", widths: None, blocks: 8, dropout: 0.0 };
}
