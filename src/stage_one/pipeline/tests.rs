use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use image::RgbImage;

use super::*;
use crate::dataset::SplitName;
use crate::store::ShardSpec;
use crate::support::hash::Digest;
use crate::teacher::{self, Description};
use crate::view::Preprocess;

const BATCH: usize = 4;

/// Images of one pixel, whose values are the sample and the view.
#[derive(Default)]
struct Fake {
    bad: Vec<u64>,
    panics_at: Option<u64>,
    decoded: Mutex<BTreeMap<u64, usize>>,
    views: AtomicUsize,
}

impl Prepare for Fake {
    fn values(&self) -> usize {
        3
    }

    fn decode(&self, _: SplitName, sample: u64) -> Result<RgbImage, Error> {
        assert_ne!(self.panics_at, Some(sample), "told to panic");
        *self.decoded.lock().unwrap().entry(sample).or_default() += 1;
        if self.bad.contains(&sample) {
            let source = crate::view::Error::Truncated { format: "JPEG" };
            return Err(Error::Image { name: format!("sample {sample}"), source });
        }
        Ok(RgbImage::new(1, 1))
    }

    fn view(
        &self,
        _: SplitName,
        (sample, view): (u64, u16),
        _: &RgbImage,
        out: &mut [f32],
    ) -> Result<ViewRow, Error> {
        self.views.fetch_add(1, Ordering::SeqCst);
        out.copy_from_slice(&[sample as f32, f32::from(view), 0.0]);
        Ok(ViewRow::default())
    }
}

/// Its logits are the sample and the view of each image.
struct Echo<'a> {
    classes: Vec<String>,
    preprocess: Preprocess,
    /// Called with how many calls came before.
    each: Box<dyn FnMut(usize) + Send + 'a>,
    calls: usize,
    sizes: Vec<usize>,
}

impl<'a> Echo<'a> {
    fn new(each: impl FnMut(usize) + Send + 'a) -> Self {
        let classes = vec!["sample".to_owned(), "view".to_owned()];
        let preprocess = Preprocess::for_student(1, [0.0; 3], [1.0; 3]);
        Self { classes, preprocess, each: Box::new(each), calls: 0, sizes: Vec::new() }
    }
}

impl Teacher for Echo<'_> {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    fn fingerprint(&self) -> Digest {
        Digest::of(b"echo")
    }

    fn describe(&self) -> Description {
        let [model, precision, runtime] = ["echo", "fp32", "none"].map(str::to_owned);
        let device = crate::config::ProviderDevice::CPU;
        Description { model, device, precision, runtime, notes: Vec::new() }
    }

    fn logits(&mut self, pixels: &[f32], batch: usize) -> Result<Vec<f32>, teacher::Error> {
        (self.each)(self.calls);
        self.calls += 1;
        self.sizes.push(batch);
        Ok(pixels.chunks(3).flat_map(|image| [image[0], image[1]]).collect())
    }
}

/// Shards of 7 rows of a split of `samples` samples in `views` views.
fn shards(samples: u64, views: u16) -> Vec<Task> {
    let rows = samples * u64::from(views);
    let shard = |index: u64| ShardSpec {
        split: "train".to_owned(),
        index: index as u32,
        first_row: index * 7,
        rows: 7.min(rows - index * 7),
        views,
        path: PathBuf::new(),
    };
    (0..rows.div_ceil(7)).map(|index| Task::whole(shard(index))).collect()
}

fn pipeline<'a>(shards: &'a [Task], prepare: &'a Fake) -> Pipeline<'a> {
    Pipeline { shards, prepare, batch_size: BATCH, workers: 3 }
}

/// The logits of every answer, until the end or an error.
fn all(pipeline: &Pipeline, teachers: &mut [&mut dyn Teacher]) -> (Vec<f32>, Option<String>) {
    let mut logits = Vec::new();
    let result = pipeline.run(teachers, |answers| {
        while let Some(answer) = answers.next()? {
            assert_eq!(answer.logits.len(), 2 * answer.rows.len());
            logits.extend_from_slice(&answer.logits);
            answers.give_back(answer);
        }
        Ok(())
    });
    (logits, result.err().map(|error| error.to_string()))
}

fn in_order(samples: u64, views: u16) -> Vec<f32> {
    (0..samples)
        .flat_map(|sample| (0..views).flat_map(move |view| [sample as f32, f32::from(view)]))
        .collect()
}

#[test]
fn teachers_of_different_speed_give_the_rows_in_order_and_share_the_work() {
    let (shards, prepare) = (shards(150, 3), Fake::default());
    let mut fast = Echo::new(|_| std::thread::sleep(Duration::from_micros(200)));
    let mut slow = Echo::new(|_| std::thread::sleep(Duration::from_millis(4)));
    let (logits, error) = all(&pipeline(&shards, &prepare), &mut [&mut slow, &mut fast]);
    assert_eq!((logits, error), (in_order(150, 3), None));
    assert!(fast.calls > slow.calls && slow.calls > 0, "{} {}", fast.calls, slow.calls);
    assert!(fast.sizes.iter().chain(&slow.sizes).all(|&size| size == BATCH), "short batches are filled up");
}

#[test]
fn an_image_is_decoded_once_for_all_its_views_in_a_shard() {
    // 20 views stand in up to four shards and in several batches of each.
    let (shards, prepare) = (shards(9, 20), Fake::default());
    let (logits, error) = all(&pipeline(&shards, &prepare), &mut [&mut Echo::new(|_| {})]);
    assert_eq!((logits, error), (in_order(9, 20), None));
    let shards_of = |sample: u64| (sample * 20 + 19) / 7 - sample * 20 / 7 + 1;
    for (sample, times) in prepare.decoded.into_inner().unwrap() {
        assert_eq!(times as u64, shards_of(sample), "sample {sample}");
    }
}

#[test]
fn no_more_batches_are_prepared_than_there_are_buffers() {
    let mut shards = shards(7, 1);
    // Nothing but full batches.
    shards[0].spec.rows = 300;
    let prepare = Fake::default();
    let mut furthest = 0;
    {
        let mut teacher = Echo::new(|calls| {
            // Long enough for the workers to go as far as they can.
            std::thread::sleep(Duration::from_millis(3));
            let ahead = prepare.views.load(Ordering::SeqCst) - calls * BATCH;
            assert!(ahead <= batches_alive(1) * BATCH, "{ahead} images");
            furthest = furthest.max(ahead);
        });
        let (logits, error) = all(&pipeline(&shards, &prepare), &mut [&mut teacher]);
        assert_eq!((logits, error), (in_order(300, 1), None));
    }
    assert!(furthest > BATCH, "the workers never were ahead of the teacher");
}

#[test]
fn the_first_bad_image_ends_the_run_after_all_rows_before_its_batch() {
    let shards = shards(60, 1);
    let prepare = Fake { bad: vec![19, 18, 45], ..Fake::default() };
    for _ in 0..20 {
        let (logits, error) =
            all(&pipeline(&shards, &prepare), &mut [&mut Echo::new(|_| {}), &mut Echo::new(|_| {})]);
        // Shards of 7 rows in batches of 4 and 3: sample 18 stands in the batch that begins at 18.
        assert_eq!(logits, in_order(18, 1));
        assert!(error.as_ref().is_some_and(|error| error.starts_with("sample 18 ")), "{error:?}");
    }
}

#[test]
fn the_run_ends_when_no_more_answers_are_asked_for() {
    let (shards, prepare) = (shards(5000, 1), Fake::default());
    let mut teacher = Echo::new(|_| {});
    let first = pipeline(&shards, &prepare).run(&mut [&mut teacher], Answers::next).unwrap();
    assert_eq!(first.unwrap().rows.len(), BATCH);
    assert!(prepare.views.into_inner() < 5000);
}

#[test]
#[should_panic(expected = "a scoped thread panicked")]
fn a_worker_that_panics_ends_the_run_with_its_panic() {
    let (shards, prepare) = (shards(40, 1), Fake { panics_at: Some(20), ..Fake::default() });
    all(&pipeline(&shards, &prepare), &mut [&mut Echo::new(|_| {})]);
}

#[test]
#[should_panic(expected = "a scoped thread panicked")]
fn a_teacher_that_panics_ends_the_run_with_its_panic() {
    let (shards, prepare) = (shards(40, 1), Fake::default());
    all(&pipeline(&shards, &prepare), &mut [&mut Echo::new(|calls| assert!(calls < 3, "told to panic"))]);
}
