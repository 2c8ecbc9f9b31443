//! How many channels each layer has.

use crate::config::Freeze;

/// What fixes a student's layers; everything else is `transformers`' `MobileNetV2Config` at its defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct StudentShape {
    /// Depth multiplier: scales the channels of every layer.
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
    /// What `transformers` gives to `BatchNorm2d`. It is TensorFlow's 0.997 read as PyTorch's momentum, which means the
    /// opposite: the running statistics are nearly those of the last training batch alone.
    pub const TRANSFORMERS_MOMENTUM: f64 = 0.997;
    /// `classifier_dropout_prob` of `MobileNetV2Config`.
    pub const TRANSFORMERS_DROPOUT: f64 = 0.8;

    /// The shape that `MobileNetV2Config(depth_multiplier=width, image_size=image_size, num_labels=classes)` describes.
    pub fn new(width: f64, classes: usize, image_size: usize) -> Self {
        Self {
            width,
            classes,
            image_size,
            dropout: Self::TRANSFORMERS_DROPOUT,
            batch_norm_momentum: Self::TRANSFORMERS_MOMENTUM,
            freeze: Freeze::None,
        }
    }

    /// Channels of the first convolution.
    pub(super) fn stem_channels(&self) -> usize {
        self.scaled(32)
    }

    /// Channels out of the stem (first) and of each of the 16 inverted residual blocks.
    pub(super) fn block_channels(&self) -> [usize; 17] {
        [16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320].map(|base| self.scaled(base))
    }

    /// Features that the classifier sees: with `finegrained_output` they do not shrink below 1280.
    pub(super) fn features(&self) -> usize {
        if self.width < 1.0 { 1280 } else { self.scaled(1280) }
    }

    /// `apply_depth_multiplier`. Python rounds halves to even.
    fn scaled(&self, base: usize) -> usize {
        make_divisible((base as f64 * self.width).round_ties_even() as usize)
    }
}

/// Channels inside an inverted residual block that takes `channels`: `expand_ratio` is 6.
pub(super) fn expanded(channels: usize) -> usize {
    make_divisible(channels * 6)
}

/// The nearest multiple of `depth_divisible_by` (8), at least `min_depth` (8), and never 10 % below `channels`.
fn make_divisible(channels: usize) -> usize {
    const DIVISOR: usize = 8;
    let nearest = ((channels + DIVISOR / 2) / DIVISOR * DIVISOR).max(DIVISOR);
    if (nearest as f64) < 0.9 * channels as f64 { nearest + DIVISOR } else { nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_multiples_of_eight_and_never_a_tenth_too_few() {
        assert_eq!([1, 8, 11, 12, 18, 19, 20, 44].map(make_divisible), [8, 8, 16, 16, 24, 24, 24, 48]);
    }

    #[test]
    fn width_scales_every_layer_but_the_last_stays_wide() {
        let narrow = StudentShape::new(0.35, 3, 96);
        assert_eq!((narrow.stem_channels(), narrow.features()), (16, 1280));
        assert_eq!(narrow.block_channels()[..5], [8, 8, 8, 16, 16]);
        assert_eq!(StudentShape::new(1.4, 3, 224).features(), 1792);
    }
}
