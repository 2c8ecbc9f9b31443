//! The functions of an architecture, and one type for all architectures.

use serde_json::Value;

use super::{StudentShape, block::Block, classifier::Classifier, initial::Initial, layer::Slots};

/// A network of one architecture.
pub(super) trait Network: Layers {
    /// The architecture in `transformers`.
    const FORMAT: Format;

    /// The layers of `shape`, all zeros.
    fn new(shape: &StudentShape, slots: &mut Slots) -> Self;
}

/// A network's layers: what stage two does with a student follows from them.
pub(super) trait Layers {
    /// The configuration that the network was made from.
    fn shape(&self) -> &StudentShape;

    /// The backbone in order: the stem, the blocks, and what follows them up to the pooled features.
    fn blocks(&self) -> Vec<Block<'_>>;

    /// The head.
    fn classifier(&self) -> &Classifier;
}

/// An architecture as `transformers` has it.
pub(super) struct Format {
    /// `model_type` of its `config.json`.
    pub model_type: &'static str,
    /// The class that loads it.
    pub class: &'static str,
    /// Dropout before its classifier.
    pub dropout: f64,
    /// Weight of the batch in the running statistics of its BatchNorm.
    pub batch_norm_momentum: f64,
    /// How a parameter or running statistic starts, by its name and shape.
    pub initial: fn(&str, &[usize]) -> Initial,
    /// The key of `config.json` that scales the layers, where one does, and its value where it is left out.
    pub width: Option<(&'static str, f64)>,
    /// The keys of `config.json` that describe a shape, in the order in which they are written.
    pub config: fn(&StudentShape) -> Vec<(&'static str, Value)>,
    /// The keys of `config.json` that must have the given value where they are there: with another one, the network computes
    /// something else.
    pub fixed: fn() -> Vec<(&'static str, Value)>,
}

/// Lists the architectures, and makes the type [`Student`](super::Student) of them.
macro_rules! students {
    ($($variant:ident($network:ty),)*) => {
        /// A student: a network of one of the architectures.
        #[derive(Clone, Debug)]
        #[expect(missing_docs, private_interfaces, reason = "a variant is what its name says, and opaque")]
        #[expect(clippy::large_enum_variant, reason = "a process holds a few students, each far larger on the heap")]
        pub enum Student {
            $($variant($network),)*
        }

        impl Student {
            fn zeros(shape: &StudentShape, slots: &mut Slots) -> Self {
                match shape.architecture {
                    $(Architecture::$variant => Self::$variant(Network::new(shape, slots)),)*
                }
            }

            fn layers(&self) -> &dyn Layers {
                match self { $(Self::$variant(network) => network,)* }
            }
        }

        fn format(architecture: Architecture) -> &'static Format {
            match architecture {
                $(Architecture::$variant => &<$network as Network>::FORMAT,)*
            }
        }

        // Written out, since burn's own derivation would put the variant before each parameter's name.
        impl Module for Student {
            fn collect_devices(&self, devices: Devices) -> Devices {
                match self { $(Self::$variant(network) => network.collect_devices(devices),)* }
            }

            fn fork(self, device: &Device) -> Self {
                match self { $(Self::$variant(network) => Self::$variant(network.fork(device)),)* }
            }

            fn to_device(self, device: &Device) -> Self {
                match self { $(Self::$variant(network) => Self::$variant(network.to_device(device)),)* }
            }

            fn train(self) -> Self {
                match self { $(Self::$variant(network) => Self::$variant(network.train()),)* }
            }

            fn valid(&self) -> Self {
                match self { $(Self::$variant(network) => Self::$variant(network.valid()),)* }
            }

            fn materialize(self) -> Self {
                match self { $(Self::$variant(network) => Self::$variant(network.materialize()),)* }
            }

            fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
                match self { $(Self::$variant(network) => network.visit(visitor),)* }
            }

            fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
                match self { $(Self::$variant(network) => Self::$variant(network.map(mapper)),)* }
            }
        }
    };
}
pub(super) use students;
