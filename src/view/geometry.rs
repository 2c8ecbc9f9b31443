//! Which part of an image a view shows: a crop in the source's pixels, perhaps mirrored. And how views are drawn.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::operation::{Operation, RandomOperations};
use crate::config;
use crate::support::rng;

/// The part of an image that is seen; with the image's bytes it fixes every pixel of the view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geometry {
    /// Left, top, width, height in the source's pixels; fractions are allowed.
    pub crop: [f32; 4],
    /// Mirrored left to right, after resizing.
    pub flip: bool,
}

impl Geometry {
    /// The whole image, not mirrored: what view 0 shows.
    pub fn whole(width: u32, height: u32) -> Self {
        Self { crop: [0.0, 0.0, width as f32, height as f32], flip: false }
    }
}

/// How views other than view 0 are drawn: torchvision's `RandomResizedCrop` and `RandomHorizontalFlip`, then operations.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Policy {
    /// The least and the largest share of the image's area.
    pub scale: [f64; 2],
    /// The least and the largest ratio of width to height.
    pub ratio: [f64; 2],
    /// The probability of a mirrored view.
    pub flip: f64,
    /// What is done to the pixels, where anything is.
    pub operations: Option<RandomOperations>,
}

impl From<&config::View> for Policy {
    fn from(view: &config::View) -> Self {
        let &config::View { scale, ratio, flip, .. } = view;
        Self { scale, ratio, flip, operations: RandomOperations::of(view) }
    }
}

/// One view of one image: the same for the same arguments, whatever was drawn before.
///
/// View 0 is the whole image, not mirrored, without operations. `image` is the first 8 bytes of the BLAKE3 of its file, little-endian; `width` and
/// `height` are the source's, in pixels.
pub(crate) fn draw(
    policy: &Policy,
    seed: u64,
    image: u64,
    view: u16,
    width: u32,
    height: u32,
) -> (Geometry, Vec<Operation>) {
    if view == 0 {
        return (Geometry::whole(width, height), Vec::new());
    }
    let mut rng = rng::keyed("view", &[seed, image, u64::from(view)]);
    let crop = random_crop(policy, &mut rng, f64::from(width), f64::from(height));
    let geometry = Geometry { crop: crop.map(|value| value as f32), flip: rng.random::<f64>() < policy.flip };
    // Last, so that crops and flips are the same without operations.
    let operations = policy.operations.as_ref().map_or_else(Vec::new, |operations| operations.draw(&mut rng));
    (geometry, operations)
}

/// torchvision's `RandomResizedCrop.get_params`: ten attempts at a random area and ratio, then the largest central crop.
fn random_crop(policy: &Policy, rng: &mut ChaCha8Rng, width: f64, height: f64) -> [f64; 4] {
    let between = |rng: &mut ChaCha8Rng, low: f64, high: f64| low + (high - low) * rng.random::<f64>();
    let [narrowest, widest] = policy.ratio;
    for _ in 0..10 {
        let area = width * height * between(rng, policy.scale[0], policy.scale[1]);
        let ratio = between(rng, narrowest.ln(), widest.ln()).exp();
        let (w, h) = ((area * ratio).sqrt().round(), (area / ratio).sqrt().round());
        if 0.0 < w && w <= width && 0.0 < h && h <= height {
            let top = rng.random_range(0..=(height - h) as u32);
            let left = rng.random_range(0..=(width - w) as u32);
            return [f64::from(left), f64::from(top), w, h];
        }
    }
    let ratio = width / height;
    let (w, h) = if ratio < narrowest {
        (width, (width / narrowest).round())
    } else if ratio > widest {
        ((height * widest).round(), height)
    } else {
        (width, height)
    };
    let (w, h) = (w.clamp(1.0, width), h.clamp(1.0, height));
    [((width - w) / 2.0).floor(), ((height - h) / 2.0).floor(), w, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn torchvision() -> Policy {
        Policy::from(&config::View::default())
    }

    #[test]
    fn view_zero_is_the_whole_image() {
        let view = draw(&torchvision(), 7, 3, 0, 640, 480);
        assert_eq!(view, (Geometry { crop: [0.0, 0.0, 640.0, 480.0], flip: false }, Vec::new()));
    }

    #[test]
    fn a_view_depends_on_its_arguments_alone() {
        let policy = torchvision();
        let view = |seed, sample, view| draw(&policy, seed, sample, view, 500, 500);
        assert_eq!(view(1, 2, 3), view(1, 2, 3));
        assert_ne!(view(1, 2, 3), view(2, 2, 3));
        assert_ne!(view(1, 2, 3), view(1, 3, 3));
        assert_ne!(view(1, 2, 3), view(1, 2, 4));
    }

    #[test]
    fn operations_leave_crops_and_flips_as_they_are() {
        let view = config::View { hue: 0.1, rand_augment: 2, ..config::View::default() };
        let with = Policy::from(&view);
        for sample in 0..50 {
            let (geometry, operations) = draw(&with, 7, sample, 1, 500, 500);
            assert_eq!((geometry, Vec::new()), draw(&torchvision(), 7, sample, 1, 500, 500));
            assert_eq!(operations.len(), 3);
            assert_eq!(draw(&with, 7, sample, 0, 500, 500).1, Vec::new());
        }
    }

    #[test]
    fn crops_lie_in_the_image_and_keep_to_area_and_ratio() {
        let policy = torchvision();
        let mut flips = 0;
        for sample in 0..2000 {
            let Geometry { crop: [left, top, width, height], flip } = draw(&policy, 0, sample, 1, 333, 500).0;
            assert!(left >= 0.0 && top >= 0.0 && left + width <= 333.0 && top + height <= 500.0);
            assert!(width * height > 0.075 * 333.0 * 500.0, "{width} x {height}");
            assert!((0.73..1.37).contains(&(width / height)), "{width} x {height}");
            flips += u32::from(flip);
        }
        assert!((900..1100).contains(&flips), "{flips} of 2000 are mirrored");
    }

    #[test]
    fn an_image_too_narrow_for_any_ratio_gives_its_largest_central_crop() {
        let (view, _) = draw(&torchvision(), 0, 0, 1, 1, 1000);
        assert_eq!(Geometry { flip: false, ..view }, Geometry { crop: [0.0, 499.0, 1.0, 1.0], flip: false });
    }
}
