//! What stage one does with an image before the teacher sees it, step by step, on one core.
//!
//! ```sh
//! cargo bench --bench prepare                 # generated leaves (JPEG, 500 x 500, quality 90)
//! cargo bench --bench prepare -- FOLDER       # the images below a folder of your own
//! ```
//!
//! Milliseconds of the thread's CPU time for an image, the least of several rounds over all of them. Decoding has the decoders of
//! the crate `image` beside it, with the largest difference between the pixels of the two.

#![expect(unsafe_code, reason = "reads the clock of a thread")]

use std::path::PathBuf;

use decant::config;
use decant::dataset::images_below;
use decant::dataset::leaves;
use decant::support::hash::Digest;
use decant::view::{self, Geometry, Preprocess};
use image::RgbImage;

const ROUNDS: usize = 7;
const LEAVES: usize = 64;
/// Pixels of a side that the teacher sees, and their mean and standard deviation.
const SIDE: u32 = 224;
const HALF: [f32; 3] = [0.5; 3];

fn main() {
    let folder = std::env::args_os().skip(1).find(|argument| argument != "--bench").map(PathBuf::from);
    let files = files(folder);
    println!("{} images, {:.1} kB each", files.len(), kilobytes(&files));

    let (decode, images) = rounds(&files, |bytes| view::decode(bytes).expect("an image that decant reads"));
    let (other, others) =
        rounds(&files, |bytes| image::load_from_memory(bytes).expect("an image").into_rgb8());
    let furthest = images.iter().zip(&others).map(|(a, b)| difference(a, b)).max();
    let preprocess = Preprocess::for_student(SIDE, HALF, HALF);
    let whole = |image: &RgbImage| Geometry::whole(image.width(), image.height());
    let (resize, resized) =
        rounds(&images, |image| preprocess.pixels(image, &whole(image)).expect("the whole image"));
    let mut out = vec![0.0; (3 * SIDE * SIDE) as usize];
    let (normalise, _) = rounds(&resized, |pixels| preprocess.normalise(pixels, &mut out));
    let (hash, _) = rounds(&resized, |pixels| Digest::of(pixels.as_raw()));

    println!("decode      {decode:.2} ms; image {other:.2} ms, at most {} levels off", furthest.unwrap_or(0));
    println!("resize      {resize:.2} ms, bilinear to {SIDE} x {SIDE}");
    println!("normalise   {normalise:.2} ms");
    println!("hash        {hash:.2} ms");
    println!("all         {:.2} ms", decode + resize + normalise + hash);
}

/// The bytes of every image below `folder`, or of generated leaves.
fn files(folder: Option<PathBuf>) -> Vec<Vec<u8>> {
    let Some(folder) = folder else {
        let severity = config::Leaves::default().severity;
        return (0..LEAVES).map(|index| leaves::jpeg(0, 0, index as u64, index % 3, severity)).collect();
    };
    let paths = images_below(&folder).expect("a folder of images");
    paths.iter().map(|path| std::fs::read(path).expect("a file that can be read")).collect()
}

fn kilobytes(files: &[Vec<u8>]) -> f64 {
    files.iter().map(Vec::len).sum::<usize>() as f64 / files.len() as f64 / 1e3
}

/// Milliseconds for one of `items`, the least of the rounds, and what `step` gave for each.
fn rounds<T, U>(items: &[T], mut step: impl FnMut(&T) -> U) -> (f64, Vec<U>) {
    let mut round = || {
        let started = cpu_seconds();
        let given: Vec<U> = items.iter().map(&mut step).collect();
        ((cpu_seconds() - started) * 1e3 / items.len() as f64, given)
    };
    let (mut least, given) = round();
    for _ in 1..ROUNDS {
        least = round().0.min(least);
    }
    (least, given)
}

fn difference(a: &RgbImage, b: &RgbImage) -> u8 {
    a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes the one `timespec` that it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
