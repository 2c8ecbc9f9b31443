//! How many channels each layer has.

/// Channels of the first convolution.
pub(super) fn stem_channels(width: f64) -> usize {
    scaled(32, width)
}

/// Channels out of the stem (first) and of each of the 16 inverted residual blocks.
pub(super) fn block_channels(width: f64) -> [usize; 17] {
    let base = [16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320];
    base.map(|base| scaled(base, width))
}

/// Features that the classifier sees: with `finegrained_output` they do not shrink below 1280.
pub(super) fn features(width: f64) -> usize {
    if width < 1.0 { 1280 } else { scaled(1280, width) }
}

/// `apply_depth_multiplier`. Python rounds halves to even.
fn scaled(base: usize, width: f64) -> usize {
    make_divisible((base as f64 * width).round_ties_even() as usize)
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
        assert_eq!((stem_channels(0.35), features(0.35)), (16, 1280));
        assert_eq!(block_channels(0.35)[..5], [8, 8, 8, 16, 16]);
        assert_eq!(features(1.4), 1792);
    }
}
