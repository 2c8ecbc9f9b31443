//! The sizes that fix a student's layers.

use super::format;
use crate::config::{self, Architecture, Freeze};

/// The sizes that fix a student's layers.
#[derive(Clone, Debug, PartialEq)]
pub struct StudentShape {
    /// Which network it is.
    pub architecture: Architecture,
    /// Scales the channels of every layer, where the architecture can be scaled; else 1.
    pub width: f64,
    /// Number of classes.
    pub classes: usize,
    /// Side of the square input in pixels. Any size runs; this one is recorded in the exported `config.json`.
    pub image_size: usize,
    /// Probability that a pooled feature is dropped before the classifier, in training.
    pub dropout: f64,
    /// Weight of the batch in the running statistics: `running = (1 - momentum) * running + momentum * batch`.
    pub batch_norm_momentum: f64,
    /// Layers that training leaves as they are.
    pub freeze: Freeze,
}

impl StudentShape {
    /// The shape that `transformers` gives the architecture, for square images of `image_size` pixels.
    pub fn new(architecture: Architecture, classes: usize, image_size: usize) -> Self {
        Self {
            architecture,
            width: 1.0,
            classes,
            image_size,
            dropout: format(architecture).dropout,
            batch_norm_momentum: format(architecture).batch_norm_momentum,
            freeze: Freeze::None,
        }
    }

    /// The same with every layer's channels scaled.
    #[must_use]
    pub fn with_width(self, width: f64) -> Self {
        Self { width, ..self }
    }

    /// The shape that a pipeline file asks for.
    pub fn of(student: &config::Student, classes: usize) -> Self {
        Self {
            dropout: student.dropout(),
            batch_norm_momentum: student.batch_norm_momentum,
            freeze: student.freeze,
            ..Self::new(student.architecture, classes, student.image_size).with_width(student.width())
        }
    }
}
