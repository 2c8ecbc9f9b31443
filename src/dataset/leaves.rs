//! Generated photographs of bean leaves: a stand-in for the `beans` data set that needs no network.
//!
//! The classes, splits and sizes are those of `beans`: angular leaf spot (brown cells that the veins bound), bean rust
//! (small raised pustules with yellow halos) and healthy. Leaves of every class also carry what only looks like a
//! disease: soil, bruises, burnt margins, holes, yellowing, flecks and drops. Some cases are so mild that no model is
//! sure of them.
//!
//! An image depends on (seed, split, index, label) and on nothing else; no arithmetic here differs between machines.

mod canvas;
mod disease;
mod math;
mod scene;
mod shape;
mod surface;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::{GrayImage, RgbImage};
use rayon::prelude::*;

use crate::config;
use crate::support::context::Context;
use crate::support::exit::{ExitKind, Kind};
use crate::support::rng;
use math::Dice;

/// Class names in the order of their labels.
pub const CLASSES: [&str; 3] = ["angular_leaf_spot", "bean_rust", "healthy"];

/// Width and height of every image in pixels.
pub(crate) const SIZE: u32 = 500;

/// The names of the parts, in the order of the numbers that [`render`] takes: the splits, and images without a label.
pub(crate) const PARTS: [&str; 4] = ["train", "validation", "test", UNLABELLED];

const UNLABELLED: &str = "unlabelled";

const JPEG_QUALITY: u8 = 90;

/// How many images are drawn between two looks at the progress bar and at Ctrl-C.
const BATCH: usize = 64;

/// An error of writing the generated leaves.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The target holds something already.
    #[error("`{}` is not empty: name a folder that does not exist yet, or remove this one first", .0.display())]
    NotEmpty(PathBuf),
    /// The file system refused.
    #[error("can't write `{}` ({source}): check the folder's permissions and the free space", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        r#source: io::Error,
    },
    /// Ctrl-C.
    #[error("interrupted: nothing was kept at `{}`", .0.display())]
    Interrupted(PathBuf),
}

/// One image: its label and its number among its class's images in its split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Index into [`CLASSES`].
    pub label: usize,
    /// Number within split and class, from 0.
    pub index: u64,
}

impl Entry {
    /// Path inside a part's folder: `bean_rust/bean_rust_train.00012.jpg` in the split `train`. One without a label does not say
    /// its class.
    pub(crate) fn file_name(self, split: &str) -> String {
        if split == UNLABELLED {
            return format!("leaf.{:05}.jpg", self.index * CLASSES.len() as u64 + self.label as u64);
        }
        let class = CLASSES[self.label];
        format!("{class}/{class}_{split}.{:05}.jpg", self.index)
    }
}

/// The entries of a split of `count` images: classes in order and balanced to within one image.
///
/// The order is that of the sorted file names, so a written folder reads back as the same data set.
pub(crate) fn entries(count: usize) -> Vec<Entry> {
    let classes = CLASSES.len();
    (0..classes)
        .flat_map(|label| {
            let of_class = count / classes + usize::from(label < count % classes);
            (0..of_class as u64).map(move |index| Entry { label, index })
        })
        .collect()
}

/// Draws one image of class `label`, [`SIZE`] pixels square; `split` is a position in [`PARTS`], and no ill leaf is
/// less ill than `severity`, from 0 (the mildest cases are one to three spots) to 1.
pub(crate) fn render(seed: u64, split: u64, index: u64, label: usize, severity: f32) -> RgbImage {
    photograph(seed, split, index, label, severity).0
}

/// [`render`]'s image and its lesions: 255 where a pixel is all lesion, 0 where the leaf is sound or there is none.
pub(crate) fn photograph(
    seed: u64,
    split: u64,
    index: u64,
    label: usize,
    severity: f32,
) -> (RgbImage, GrayImage) {
    let mut dice = Dice(rng::keyed("leaves", &[seed, split, index, label as u64]));
    let (image, lesions) = scene::photograph(&mut dice, label, severity);
    let lesions = lesions.into_iter().map(|share| (share * 255.0 + 0.5) as u8).collect();
    (image, GrayImage::from_raw(SIZE, SIZE, lesions).expect("the canvas is SIZE pixels square"))
}

/// [`render`]'s image as a baseline JPEG of quality 90.
pub fn jpeg(seed: u64, split: u64, index: u64, label: usize, severity: f32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128 * 1024);
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)
        .encode_image(&render(seed, split, index, label, severity))
        .expect("memory takes any number of bytes");
    bytes
}

/// Writes the leaves as an image folder, `<out>/<split>/<class>/<class>_<split>.<index>.jpg` and `<out>/unlabelled/leaf.<index>.jpg`, all
/// of it or nothing.
///
/// Returns the number of images.
///
/// # Errors
/// If `out` exists and is not empty, if the file system refuses, or on Ctrl-C.
pub fn write_folder(out: &Path, leaves: &config::Leaves, context: &Context) -> Result<usize, Error> {
    write(out, leaves, ("drawing", context), |split, entry, path| {
        fs::write(path, jpeg(leaves.seed, split, entry.index, entry.label, leaves.severity))
    })
}

/// Writes each image's lesions, as [`photograph`] gives them, to where [`write_folder`] writes it, but as grey PNG.
///
/// # Errors
/// As [`write_folder`].
pub(crate) fn write_masks(out: &Path, leaves: &config::Leaves, context: &Context) -> Result<usize, Error> {
    write(out, leaves, ("drawing", context), |split, entry, path| {
        let (_, lesions) = photograph(leaves.seed, split, entry.index, entry.label, leaves.severity);
        lesions.save(path.with_extension("png")).map_err(io::Error::other)
    })
}

/// Calls `save(split, entry, path)` for every image, in a folder that gets its name when all are there.
fn write(
    out: &Path,
    leaves: &config::Leaves,
    (label, context): (&str, &Context),
    save: impl Fn(u64, &Entry, &Path) -> io::Result<()> + Sync,
) -> Result<usize, Error> {
    if fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::NotEmpty(out.to_path_buf()));
    }
    let partial = partial_sibling(out);
    let sizes = [leaves.train, leaves.validation, leaves.test, leaves.unlabelled];
    let mut progress = context.progress(label, sizes.iter().sum::<usize>() as u64, "images");
    let mut fill = || {
        for (split, (name, size)) in PARTS.into_iter().zip(sizes).enumerate() {
            let classes: &[&str] = match (name, size) {
                (UNLABELLED, 0) => &[],
                (UNLABELLED, _) => &[""],
                _ => &CLASSES,
            };
            for class in classes {
                let folder = partial.join(name).join(class);
                fs::create_dir_all(&folder)
                    .map_err(|source| Error::Write { path: folder.clone(), source })?;
            }
            for batch in entries(size).chunks(BATCH) {
                if context.is_cancelled() {
                    return Err(Error::Interrupted(out.to_path_buf()));
                }
                batch.par_iter().try_for_each(|entry| {
                    let path = partial.join(name).join(entry.file_name(name));
                    save(split as u64, entry, &path).map_err(|source| Error::Write { path, source })
                })?;
                progress.advance(batch.len() as u64);
            }
        }
        // Where an empty folder stands at `out` some systems refuse the rename; a missing one is fine.
        let _ = fs::remove_dir(out);
        fs::rename(&partial, out).map_err(|source| Error::Write { path: out.to_path_buf(), source })
    };
    let written = fill();
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_dir_all(&partial);
    }
    written.map(|()| sizes.iter().sum())
}

fn partial_sibling(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.partial", std::process::id()));
    out.with_file_name(name)
}

impl ExitKind for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NotEmpty(_) => Kind::Usage,
            Self::Interrupted(_) => Kind::Interrupted,
            Self::Write { .. } => Kind::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> config::Leaves {
        config::Leaves { seed: 5, train: 0, validation: 0, test: 0, unlabelled: 0, severity: 0.0 }
    }

    #[test]
    fn the_same_key_gives_the_same_bytes_and_any_other_key_other_bytes() {
        let first = jpeg(7, 0, 3, 1, 0.0);
        assert_eq!(first, jpeg(7, 0, 3, 1, 0.0));
        for other in
            [jpeg(8, 0, 3, 1, 0.0), jpeg(7, 1, 3, 1, 0.0), jpeg(7, 0, 4, 1, 0.0), jpeg(7, 0, 3, 2, 0.0)]
        {
            assert_ne!(first, other);
        }
    }

    /// The embedded teacher was trained on these drawings: who changes them trains it again.
    #[test]
    fn the_drawing_is_the_one_that_the_embedded_teacher_knows() {
        let mut pixels = blake3::Hasher::new();
        for label in 0..CLASSES.len() {
            pixels.update(&render(0, 2, 0, label, 0.0));
        }
        assert_eq!(&pixels.finalize().to_hex()[..16], "bbe1d81c5b86b16c");
    }

    #[test]
    fn labels_are_balanced_to_within_one() {
        for size in [0, 1, 2, 128, 133, 1034] {
            let entries = entries(size);
            assert_eq!(entries.len(), size);
            let of = |label| entries.iter().filter(|entry| entry.label == label).count();
            assert!((0..3).all(|label| of(label) == size / 3 || of(label) == size / 3 + 1));
        }
    }

    #[test]
    fn entries_come_in_the_order_of_their_file_names() {
        let names: Vec<String> = entries(400).into_iter().map(|entry| entry.file_name("train")).collect();
        assert!(names.is_sorted());
    }

    #[test]
    fn a_folder_holds_every_image_as_a_square_jpeg() {
        let parent = tempfile::tempdir().unwrap();
        let out = parent.path().join("leaves");
        let sizes =
            config::Leaves { seed: 5, train: 4, validation: 2, test: 3, unlabelled: 4, severity: 0.0 };
        let count = write_folder(&out, &sizes, &Context::silent()).unwrap();
        assert_eq!(count, 13);
        let parts = [(0, "train", 4), (1, "validation", 2), (2, "test", 3), (3, "unlabelled", 4)];
        for (split, name, size) in parts {
            for entry in entries(size) {
                let bytes = fs::read(out.join(name).join(entry.file_name(name))).unwrap();
                assert_eq!(bytes, jpeg(5, split, entry.index, entry.label, 0.0));
                let image = image::load_from_memory_with_format(&bytes, image::ImageFormat::Jpeg).unwrap();
                assert_eq!((image.width(), image.height()), (SIZE, SIZE));
            }
        }
        assert!(!partial_sibling(&out).exists());
    }

    #[test]
    fn masks_show_lesions_on_ill_leaves_only() {
        let parent = tempfile::tempdir().unwrap();
        let out = parent.path().join("masks");
        let sizes = config::Leaves { train: 6, ..none() };
        write_masks(&out, &sizes, &Context::silent()).unwrap();
        for entry in entries(6) {
            let path = out.join("train").join(entry.file_name("train")).with_extension("png");
            let lesions = image::open(path).unwrap().into_luma8();
            assert_eq!(lesions.pixels().any(|pixel| pixel[0] > 0), CLASSES[entry.label] != "healthy");
        }
    }

    #[test]
    fn a_folder_that_holds_something_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("mine.txt"), "keep").unwrap();
        let sizes = config::Leaves { train: 1, ..none() };
        let error = write_folder(parent.path(), &sizes, &Context::silent()).unwrap_err();
        assert!(matches!(&error, Error::NotEmpty(path) if path == parent.path()));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }
}
