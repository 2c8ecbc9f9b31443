//! Stage one: from an image folder and a teacher to a cache.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use decant::config::{self, Count, OnBadImage};
use decant::dataset::{Dataset, SplitName};
use decant::stage_one::{self, Left, Sessions, Settings, State, Summary, TunedTeacher, Tuner};
use decant::store::Cache;
use decant::support::context::Context;
use decant::support::hash::Digest;
use decant::teacher::{self, Description, OnnxTeacher, Teacher, Tuning};
use decant::view::{self, Preprocess};
use image::{Rgb, RgbImage};

use crate::teacher_support::{CLASSES, GrayTeacher, golden, level_of, on_cpu};

const BATCH: usize = 4;

/// `<split>/<class>/<n>.png`: gray images of their class's level, each with a few pixels of its own.
struct Images(tempfile::TempDir);

impl Images {
    fn new() -> Self {
        let images = Self(tempfile::tempdir().unwrap());
        for (split, each) in [("train", 5), ("validation", 2), ("test", 3)] {
            for class in CLASSES {
                for index in 0..each {
                    let level = (255.0 * level_of(class)) as u8;
                    let mut image = RgbImage::from_pixel(40, 30, Rgb([level; 3]));
                    image.put_pixel(index, 3, Rgb([255, index as u8, 0]));
                    let path = images.path(&format!("{split}/{class}/{index}.png"));
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    image.save(path).unwrap();
                }
            }
        }
        images
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn open(&self) -> Dataset {
        self.open_with(OnBadImage::Error)
    }

    fn open_with(&self, on_bad_image: OnBadImage) -> Dataset {
        let source = self.0.path().display().to_string();
        let config = config::Dataset { source, on_bad_image, ..config::Dataset::default() };
        Dataset::open(&config, &Context::silent()).unwrap()
    }
}

/// Shards of 7 rows: no multiple of a batch, and several in train.
fn cache_in(dir: &Path) -> config::Cache {
    let (name, dir) = ("test".to_owned(), dir.to_path_buf());
    config::Cache {
        name,
        dir,
        views: 1,
        temperatures: vec![1.0, 5.0],
        shard_rows: 7,
        ..config::Cache::default()
    }
}

fn run(dataset: &Dataset, teacher: &mut dyn Teacher, cache: &config::Cache) -> Result<Summary, String> {
    let settings = Settings { cache, batch_size: BATCH, part: (0, 1), context: &Context::silent() };
    stage_one::run(dataset, teacher, &settings).map_err(|error| error.to_string())
}

/// Every file of a cache by its name.
fn files_of(dir: &Path) -> BTreeMap<PathBuf, Digest> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = PathBuf::from(path.file_name().unwrap());
        if path.is_dir() {
            files.extend(files_of(&path).into_iter().map(|(file, digest)| (name.join(file), digest)));
        } else {
            files.insert(name, Digest::of_file(&path).unwrap());
        }
    }
    files
}

#[test]
fn every_row_is_what_a_direct_call_gives_on_the_same_pixels() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let dataset = images.open();
    let mut teacher = OnnxTeacher::open(&on_cpu(&golden("fp32"))).unwrap();
    let summary = run(&dataset, &mut teacher, &cache_in(root.path())).unwrap();
    let cache = Cache::open(&summary.dir).unwrap();

    for split in &dataset.splits {
        let rows = cache.split(split.name.as_str()).unwrap();
        assert_eq!(rows.len(), split.samples.len());
        let identities: Vec<usize> = (0..rows.len()).collect();
        // The batches of stage one: they end where a shard ends.
        for batch in identities.chunks(7).flat_map(|shard| shard.chunks(BATCH)) {
            let mut pixels = vec![0.0; BATCH * 3 * 32 * 32];
            for (&index, out) in batch.iter().zip(pixels.chunks_mut(3 * 32 * 32)) {
                let bytes = dataset.read(split.name, index).unwrap();
                let image = view::decode(&bytes).unwrap();
                let whole = view::Geometry::whole(image.width(), image.height());
                let seen = teacher.preprocess().pixels(&image, &whole).unwrap();
                teacher.preprocess().normalise(&seen, out);
                let row = rows.row(index as u64, 0).unwrap();
                assert_eq!(rows.label(row), split.samples[index].label);
                assert_eq!(rows.image_hash(row), Digest::of(&bytes).0[..16]);
                assert_eq!(rows.input_hash(row), Digest::of(seen.as_raw()).0[..8]);
                assert_eq!((rows.crop(row), rows.flip(row)), (whole.crop, false));
            }
            let mut cached = vec![0.0; batch.len() * 3];
            rows.gather_logits(batch, &mut cached).unwrap();
            // A last batch is filled up; with what, its rows do not show.
            assert_eq!(cached, teacher.logits(&pixels, BATCH).unwrap()[..cached.len()]);
        }
    }
}

#[test]
fn an_interrupted_run_goes_on_to_the_same_bytes() {
    let (images, whole, pieces) = (Images::new(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let dataset = images.open();
    let uninterrupted = run(&dataset, &mut GrayTeacher::new(&CLASSES), &cache_in(whole.path())).unwrap();
    assert!(matches!(uninterrupted.state, State::Complete(_)));
    assert_eq!(uninterrupted.shards, 3 + 1 + 2);

    // Interrupted at the second, third, ... question: within a shard, and between two.
    let cache = cache_in(pieces.path());
    let mut done = 0;
    for patience in 1.. {
        let asked = AtomicUsize::new(0);
        let interrupted = move || asked.fetch_add(1, Ordering::SeqCst) == patience;
        let context = Context::silent().until(interrupted);
        let settings = Settings { cache: &cache, batch_size: BATCH, part: (0, 1), context: &context };
        let summary = stage_one::run(&dataset, &mut GrayTeacher::new(&CLASSES), &settings).unwrap();
        assert_eq!(summary.shards_done_before, done, "finished shards stay, and are not done again");
        done += summary.shards_done_now;
        match summary.state {
            State::Complete(_) => {
                assert!(patience > 1);
                assert_eq!(files_of(&summary.dir), files_of(&uninterrupted.dir));
                break;
            }
            state => assert_eq!(state, State::Interrupted),
        }
    }
    let again = run(&dataset, &mut GrayTeacher::new(&CLASSES), &cache).unwrap();
    assert_eq!((again.images, again.shards_done_before), (0, again.shards));
}

#[test]
fn parts_done_apart_make_the_same_cache() {
    let (images, whole, parts) = (Images::new(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let dataset = images.open();
    let expected = run(&dataset, &mut GrayTeacher::new(&CLASSES), &cache_in(whole.path())).unwrap();
    let cache = cache_in(parts.path());
    let part = |part| {
        let settings = Settings { cache: &cache, batch_size: BATCH, part, context: &Context::silent() };
        stage_one::run(&dataset, &mut GrayTeacher::new(&CLASSES), &settings).unwrap()
    };
    assert_eq!(part((1, 2)).state, State::PartDone);
    let last = part((0, 2));
    assert!(matches!(last.state, State::Complete(_)));
    assert_eq!(files_of(&last.dir), files_of(&expected.dir));
}

#[test]
fn any_number_of_teachers_and_any_size_of_a_call_make_the_same_cache() {
    let (images, whole) = (Images::new(), tempfile::tempdir().unwrap());
    let dataset = images.open();
    let expected = run(&dataset, &mut GrayTeacher::new(&CLASSES), &cache_in(whole.path())).unwrap();
    for (count, call_size) in [(1, 3), (2, BATCH), (3, 16)] {
        let root = tempfile::tempdir().unwrap();
        let cache = cache_in(root.path());
        let mut several: Vec<GrayTeacher> = (0..count).map(|_| GrayTeacher::new(&CLASSES)).collect();
        let mut teachers: Vec<&mut dyn Teacher> = Vec::new();
        for teacher in &mut several {
            teachers.push(teacher);
        }
        let settings =
            Settings { cache: &cache, batch_size: BATCH, part: (0, 1), context: &Context::silent() };
        let summary = stage_one::run_all(&dataset, &mut teachers, call_size, &settings).unwrap();
        assert_eq!(
            files_of(&summary.dir),
            files_of(&expected.dir),
            "{count} teachers, {call_size} images a call"
        );
    }
}

#[test]
fn one_of_several_teachers_that_fails_ends_the_run() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let (dataset, cache) = (images.open(), cache_in(root.path()));
    let mut failing = GrayTeacher { fails_on: |_| true, ..GrayTeacher::new(&CLASSES) };
    // Slow enough for the other one to be given something.
    let mut sound = CallCost { teacher: GrayTeacher::new(&CLASSES), milliseconds: 20, drift: 0.0 };
    let settings = Settings { cache: &cache, batch_size: 1, part: (0, 1), context: &Context::silent() };
    let mut teachers: [&mut dyn Teacher; 2] = [&mut failing, &mut sound];
    let message = stage_one::run_all(&dataset, &mut teachers, 1, &settings).unwrap_err().to_string();
    assert!(message.contains("told to fail"), "{message}");
}

/// A teacher whose calls take a time of their own, whatever their size.
struct CallCost {
    teacher: GrayTeacher,
    milliseconds: u64,
    /// Added to each logit, times the brightest value of the batch: what others it stands beside shows in a row.
    drift: f32,
}

impl Teacher for CallCost {
    fn classes(&self) -> &[String] {
        self.teacher.classes()
    }

    fn preprocess(&self) -> &Preprocess {
        self.teacher.preprocess()
    }

    fn fingerprint(&self) -> Digest {
        self.teacher.fingerprint()
    }

    fn describe(&self) -> Description {
        self.teacher.describe()
    }

    fn logits(&mut self, pixels: &[f32], batch: usize) -> Result<Vec<f32>, teacher::Error> {
        std::thread::sleep(Duration::from_millis(self.milliseconds));
        let brightest = pixels.iter().copied().fold(0.0, f32::max);
        let logits = self.teacher.logits(pixels, batch)?;
        Ok(logits.into_iter().map(|logit| logit + self.drift * brightest).collect())
    }
}

/// What `auto` makes of a teacher whose calls take 4 ms, or `alone_cost` in a session that has every core, and whose logits drift
/// with what else is in the batch.
fn tuned(drift: f32, alone_cost: u64, section: &config::Teacher, images: u64) -> TunedTeacher {
    let open = |tuning: Tuning| -> Result<Sessions, teacher::Error> {
        let milliseconds = if tuning.among == 0 { alone_cost } else { 4 };
        let one = || CallCost { teacher: GrayTeacher::new(&CLASSES), milliseconds, drift };
        Ok((0..tuning.sessions.max(1)).map(|_| Box::new(one()) as Box<dyn Teacher>).collect())
    };
    Tuner::open(section, &open).unwrap().tune(images, section.batch(decant::config::Provider::Cpu)).unwrap()
}

fn cores() -> usize {
    std::thread::available_parallelism().unwrap().get().min(16)
}

#[test]
fn auto_takes_what_is_faster_and_gives_the_same_bits() {
    let section = config::Teacher { sessions: Count::Is(1), ..Default::default() };
    let tuned = tuned(0.0, 4, &section, 1_000_000);
    assert_eq!((tuned.teachers.len(), tuned.batch_size), (1, 32), "{:?}", tuned.measured);
    let words = tuned.words();
    assert!(words[0].starts_with("1 session, batches of 32: "), "{words:?}");
    let usual = "with the same logits to the last bit as 1 session, batches of 4: ";
    assert!(words[1].starts_with(usual), "{words:?}");
}

#[test]
fn auto_never_takes_another_bit_for_speed_and_says_so() {
    let section = config::Teacher { sessions: Count::Is(1), ..Default::default() };
    let tuned = tuned(1e-3, 4, &section, 1_000_000);
    assert_eq!((tuned.teachers.len(), tuned.batch_size), (1, 4), "{:?}", tuned.measured);
    let words = tuned.words();
    assert!(words[1].contains("batches of 8") && words[1].contains("teacher.batch-size = 8"), "{words:?}");
}

#[test]
fn auto_runs_a_session_a_core_and_needs_no_measurement_for_it() {
    let tuned = tuned(0.0, 4, &config::Teacher::default(), 1000);
    assert_eq!((tuned.teachers.len(), tuned.batch_size, tuned.measured.len()), (cores(), 4, 0));
    let plural = if cores() == 1 { "" } else { "s" };
    assert_eq!(tuned.words(), [format!("{} session{plural}, batches of 4", cores())]);
}

#[test]
fn auto_keeps_one_session_where_several_are_slower() {
    let section = config::Teacher { batch_size: Count::Is(16), ..Default::default() };
    let tuned = tuned(0.0, 0, &section, 1_000_000);
    assert_eq!((tuned.teachers.len(), tuned.batch_size), (1, 16), "{:?}", tuned.measured);
}

#[test]
fn nothing_is_opened_or_measured_where_nothing_is_open_or_nothing_is_to_be_done() {
    let fixed =
        config::Teacher { batch_size: Count::Is(8), threads: Count::Is(1), ..config::Teacher::default() };
    for (section, images, size) in [(&fixed, 1_000_000, 8), (&config::Teacher::default(), 0, 4)] {
        let tuned = tuned(0.0, 4, section, images);
        assert_eq!((tuned.teachers.len(), tuned.batch_size, tuned.measured.len()), (1, size, 0));
    }
}

#[test]
fn what_is_left_of_a_cache_and_how_it_was_begun_is_known_beforehand() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let (dataset, cache) = (images.open(), cache_in(root.path()));
    let left = |part| {
        let teacher = GrayTeacher::new(&CLASSES);
        let settings = Settings { cache: &cache, batch_size: BATCH, part, context: &Context::silent() };
        let (fingerprint, resize) = (teacher.fingerprint(), teacher.preprocess().resize());
        let manifest =
            stage_one::manifest(&dataset, &teacher.describe(), fingerprint, &resize, &settings).unwrap();
        stage_one::left(&manifest, &settings).unwrap()
    };
    assert_eq!(left((0, 1)), Left { rows: 30, batch_size: None });
    let first = Settings { cache: &cache, batch_size: 5, part: (1, 2), context: &Context::silent() };
    stage_one::run(&dataset, &mut GrayTeacher::new(&CLASSES), &first).unwrap();
    assert_eq!(left((1, 2)), Left { rows: 0, batch_size: Some(5) });
    assert_eq!(left((0, 1)).batch_size, Some(5));
    assert!((1..30).contains(&left((0, 1)).rows));
}

#[test]
fn logits_are_stored_in_the_datasets_class_order() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let mut teacher = GrayTeacher::new(&["healthy", "angular_leaf_spot", "bean_rust"]);
    let summary = run(&images.open(), &mut teacher, &cache_in(root.path())).unwrap();
    for quality in summary.teacher_quality() {
        assert!((quality.accuracy - 1.0).abs() < 1e-12, "{quality:?}");
    }
    assert_eq!((summary.notes, summary.warnings), (vec![], vec![]));
    assert_eq!(summary.images, 30);
}

#[test]
fn a_teacher_of_other_classes_is_refused_before_anything_is_written() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let mut teacher = GrayTeacher::new(&["bean_rust", "healthy"]);
    let message = run(&images.open(), &mut teacher, &cache_in(root.path())).unwrap_err();
    assert!(message.contains("does not know \"angular_leaf_spot\""), "{message}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn a_teacher_at_chance_level_is_warned_of() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    // Random weights that were never fitted to these images.
    let mut teacher = OnnxTeacher::open(&on_cpu(&golden("fp32"))).unwrap();
    let summary = run(&images.open(), &mut teacher, &cache_in(root.path())).unwrap();
    assert_eq!(summary.warnings.len(), 1);
    assert!(summary.warnings[0].contains("ignore_mismatched_sizes"), "{}", summary.warnings[0]);
}

#[test]
fn each_view_is_a_row_of_its_own_geometry() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let cache = config::Cache { views: 3, ..cache_in(root.path()) };
    let summary = run(&images.open(), &mut GrayTeacher::new(&CLASSES), &cache).unwrap();
    let rows = Cache::open(&summary.dir).unwrap().split("train").unwrap();
    assert_eq!((rows.len(), rows.views()), (45, 3));
    for sample in 0..15 {
        let row = |view| rows.row(sample, view).unwrap();
        let crop = |view| rows.crop(row(view)).map(f32::to_bits);
        assert_eq!(crop(0), [0.0f32, 0.0, 40.0, 30.0].map(f32::to_bits));
        assert_ne!(crop(1), crop(2));
    }
}

#[test]
fn an_image_that_cannot_be_decoded_stops_the_run_and_is_named() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let bad = images.path("test/bean_rust/1.png");
    fs::write(&bad, "no image").unwrap();
    let message = run(&images.open(), &mut GrayTeacher::new(&CLASSES), &cache_in(root.path())).unwrap_err();
    assert!(message.contains(&bad.display().to_string()) && message.contains("on-bad-image"), "{message}");
}

#[test]
fn a_skipped_image_is_left_out_and_listed_in_the_manifest() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    fs::write(images.path("test/bean_rust/1.png"), "no image").unwrap();
    let kept = images.open_with(OnBadImage::Skip);
    assert_eq!(kept.split(SplitName::Test).unwrap().samples.len(), 8);
    let summary = run(&kept, &mut GrayTeacher::new(&CLASSES), &cache_in(root.path())).unwrap();
    let cache = Cache::open(&summary.dir).unwrap();
    let notes = &cache.manifest().dataset.notes;
    assert!(notes.iter().any(|note| note.contains("test/bean_rust/1.png")), "{notes:?}");
    assert_eq!(cache.split("test").unwrap().len(), 8);
}

#[test]
fn a_teacher_that_fails_leaves_the_finished_shards() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let (dataset, cache) = (images.open(), cache_in(root.path()));
    // The first shard holds the other classes, whichever batch comes first.
    let is_healthy = |level: f32| level > level_of("healthy") - 0.1;
    let mut failing = GrayTeacher { fails_on: is_healthy, ..GrayTeacher::new(&CLASSES) };
    let message = run(&dataset, &mut failing, &cache).unwrap_err();
    assert!(message.contains("told to fail"), "{message}");
    let summary = run(&dataset, &mut GrayTeacher::new(&CLASSES), &cache).unwrap();
    assert_eq!(summary.shards_done_before, 1);
}

#[test]
fn going_on_with_another_batch_size_is_refused() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let (dataset, cache) = (images.open(), cache_in(root.path()));
    let stop = Settings {
        cache: &cache,
        batch_size: BATCH,
        part: (0, 1),
        context: &Context::silent().until(|| true),
    };
    let stopped = stage_one::run(&dataset, &mut GrayTeacher::new(&CLASSES), &stop).unwrap();
    assert_eq!((stopped.state, stopped.shards_done_now), (State::Interrupted, 0));
    let other = Settings { batch_size: BATCH + 1, context: &Context::silent(), ..stop };
    let message = stage_one::run(&dataset, &mut GrayTeacher::new(&CLASSES), &other).unwrap_err().to_string();
    assert!(message.contains("teacher.batch_size 4") && message.contains("this run has 5"), "{message}");
}

/// Counts the images that it is given.
struct Counting {
    teacher: GrayTeacher,
    images: usize,
    /// Added to each logit, times the mean of the batch.
    of_neighbours: f32,
    softmax: bool,
    calls: usize,
    /// Added to each logit, times the number of the call.
    of_call: f32,
    /// Adds that only to images that are nearly of one colour, which noise is not.
    only_if_flat: bool,
    /// Gives `[classes, batch]`.
    transposed: bool,
}

impl Counting {
    fn new() -> Self {
        Self {
            teacher: GrayTeacher::new(&CLASSES),
            images: 0,
            of_neighbours: 0.0,
            softmax: false,
            calls: 0,
            of_call: 0.0,
            only_if_flat: false,
            transposed: false,
        }
    }
}

impl Teacher for Counting {
    fn classes(&self) -> &[String] {
        self.teacher.classes()
    }

    fn preprocess(&self) -> &Preprocess {
        self.teacher.preprocess()
    }

    fn fingerprint(&self) -> Digest {
        self.teacher.fingerprint()
    }

    fn describe(&self) -> Description {
        self.teacher.describe()
    }

    fn logits(&mut self, pixels: &[f32], batch: usize) -> Result<Vec<f32>, teacher::Error> {
        self.images += batch;
        let mut logits = self.teacher.logits(pixels, batch)?;
        let mean = pixels.iter().sum::<f32>() / pixels.len() as f32;
        for logit in &mut logits {
            *logit += self.of_neighbours * mean;
        }
        self.calls += 1;
        let is_flat = |image: &[f32]| {
            let near = image.iter().filter(|value| (*value - image[100]).abs() < 1e-3).count();
            near * 10 > image.len() * 8
        };
        let image = pixels.len() / batch;
        for (row, image) in logits.chunks_mut(CLASSES.len()).zip(pixels.chunks(image)) {
            if !self.only_if_flat || is_flat(image) {
                row[0] += self.of_call * self.calls as f32;
            }
        }
        if self.transposed {
            let rows = logits.clone();
            for (at, logit) in logits.iter_mut().enumerate() {
                *logit = rows[at % batch * CLASSES.len() + at / batch];
            }
        }
        if self.softmax {
            for row in logits.chunks_mut(CLASSES.len()) {
                let sum: f32 = row.iter().map(|logit| logit.exp()).sum();
                for logit in row.iter_mut() {
                    *logit = logit.exp() / sum;
                }
            }
        }
        Ok(logits)
    }
}

/// Images that the teacher is given to see whether its rows depend on each other.
const PROBED: usize = 4 * BATCH;

#[test]
fn a_teacher_whose_rows_depend_on_their_neighbours_is_refused() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let mut teacher = Counting { of_neighbours: 0.1, ..Counting::new() };
    let message = run(&images.open(), &mut teacher, &cache_in(root.path())).unwrap_err();
    assert!(message.contains("other logits when other images are in its batch"), "{message}");
    assert_eq!(teacher.images, PROBED);
}

#[test]
fn a_teacher_that_answers_differently_when_it_is_asked_again_is_refused() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let mut teacher = Counting { of_call: 0.1, ..Counting::new() };
    let message = run(&images.open(), &mut teacher, &cache_in(root.path())).unwrap_err();
    assert!(message.contains("or when it is asked again"), "{message}");
    assert!(message.contains("on cpu in fp32"), "{message}");
}

#[test]
fn a_teacher_that_is_steady_on_noise_and_not_on_the_images_is_refused() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let mut teacher = Counting { of_call: 0.1, only_if_flat: true, ..Counting::new() };
    let message = run(&images.open(), &mut teacher, &cache_in(root.path())).unwrap_err();
    assert!(message.contains("or when it is asked again"), "{message}");
    assert_eq!(teacher.images, 2 * PROBED);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn an_output_of_classes_by_batch_is_refused_where_its_shape_does_not_show_it() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let (dataset, cache) = (images.open(), cache_in(root.path()));
    let mut teacher = Counting { transposed: true, ..Counting::new() };
    let settings =
        Settings { cache: &cache, batch_size: CLASSES.len(), part: (0, 1), context: &Context::silent() };
    let message = stage_one::run(&dataset, &mut teacher, &settings).unwrap_err().to_string();
    assert!(message.contains("export it with an output of [batch, classes]"), "{message}");
}

#[test]
fn a_teacher_of_probabilities_is_refused() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let mut teacher = Counting { softmax: true, ..Counting::new() };
    let message = run(&images.open(), &mut teacher, &cache_in(root.path())).unwrap_err();
    assert!(message.contains("gives probabilities, expected logits"), "{message}");
    assert!(message.contains("teacher.outputs = \"probabilities\""), "{message}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn an_image_on_which_the_teacher_fails_is_named() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let white = images.path("train/bean_rust/3.png");
    RgbImage::from_pixel(40, 30, Rgb([255; 3])).save(&white).unwrap();
    let mut teacher = GrayTeacher { fails_on: |level| level > 0.95, ..GrayTeacher::new(&CLASSES) };
    let message = run(&images.open(), &mut teacher, &cache_in(root.path())).unwrap_err();
    assert!(message.contains(&white.display().to_string()), "{message}");
}

#[test]
fn an_image_is_named_where_a_batch_holds_its_views_only() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let white = images.path("train/bean_rust/3.png");
    RgbImage::from_pixel(40, 30, Rgb([255; 3])).save(&white).unwrap();
    let mut teacher = GrayTeacher { fails_on: |level| level > 0.95, ..GrayTeacher::new(&CLASSES) };
    let cache = config::Cache { views: 30, ..cache_in(root.path()) };
    let message = run(&images.open(), &mut teacher, &cache).unwrap_err();
    assert!(message.contains(&white.display().to_string()), "{message}");
}

#[test]
fn images_on_which_the_teacher_fails_can_be_left_out_and_are_listed() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    for name in ["train/bean_rust/3.png", "test/healthy/1.png"] {
        RgbImage::from_pixel(40, 30, Rgb([255; 3])).save(images.path(name)).unwrap();
    }
    let mut teacher = GrayTeacher { fails_on: |level| level > 0.95, ..GrayTeacher::new(&CLASSES) };
    let fingerprint = teacher.fingerprint();
    let (dataset, cache) = (images.open(), cache_in(root.path()));
    let settings = Settings { cache: &cache, batch_size: BATCH, part: (0, 1), context: &Context::silent() };
    let (kept, summary) =
        stage_one::run_all_skipping(dataset.clone(), &mut [&mut teacher], BATCH, &settings).unwrap();
    assert_eq!(kept.split(SplitName::Train).unwrap().samples.len(), 14);
    assert!(matches!(summary.state, State::Complete(_)));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "what was begun with them is gone");
    let manifest = Cache::open(&summary.dir).unwrap().manifest().clone();
    let notes = manifest.dataset.notes.join("\n");
    assert!(notes.contains("train/bean_rust/3.png, on which the teacher fails"), "{notes}");
    assert_eq!(manifest.dataset.left_out.len(), 1, "both have the same bytes");
    // The next one knows them before it asks the teacher.
    let known = stage_one::without_left_out(&dataset, fingerprint, &settings).unwrap().unwrap();
    assert_eq!(known.fingerprint(), kept.fingerprint());
}

#[test]
fn a_cache_under_another_name_is_found_by_its_key() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    let (dataset, cache) = (images.open(), cache_in(root.path()));
    let first = run(&dataset, &mut Counting::new(), &cache).unwrap();
    let mut teacher = Counting::new();
    let other = config::Cache { name: "copy".to_owned(), temperatures: vec![1.0, 3.0], ..cache };
    let again = run(&dataset, &mut teacher, &other).unwrap();
    assert_eq!((again.dir, again.images, teacher.images), (first.dir, 0, 0));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    let State::Complete(complete) = again.state else { panic!("it is complete") };
    assert_eq!(complete.temperatures, [1.0, 3.0, 5.0]);
}

#[test]
fn more_views_and_more_images_ask_the_teacher_for_new_rows_only() {
    let (images, grown, fresh) = (Images::new(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let views = |views, root: &Path| config::Cache { views, ..cache_in(root) };
    run(&images.open(), &mut Counting::new(), &views(2, grown.path())).unwrap();

    let mut teacher = Counting::new();
    let more_views = run(&images.open(), &mut teacher, &views(3, grown.path())).unwrap();
    let expected = run(&images.open(), &mut Counting::new(), &views(3, fresh.path())).unwrap();
    assert_eq!(files_of(&more_views.dir), files_of(&expected.dir));
    assert_eq!((more_views.images, more_views.reused), (15, 45));
    assert!(teacher.images < 2 * PROBED + 15 + 7 * BATCH, "{}", teacher.images);

    // The first of its class, so that all others have another index.
    RgbImage::from_pixel(40, 30, Rgb([60, 61, 62]))
        .save(images.path("train/angular_leaf_spot/-.png"))
        .unwrap();
    let more_images = run(&images.open(), &mut Counting::new(), &views(3, grown.path())).unwrap();
    let expected =
        run(&images.open(), &mut Counting::new(), &views(3, fresh.path().join("2").as_path())).unwrap();
    assert_eq!(files_of(&more_images.dir), files_of(&expected.dir));
    assert_eq!((more_images.images, more_images.reused), (3, 60));
}

#[test]
fn rows_of_a_shard_that_was_interrupted_are_not_asked_for_again() {
    let (images, whole, pieces) = (Images::new(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let dataset = images.open();
    let one_shard = |root: &Path| config::Cache { shard_rows: 64, ..cache_in(root) };
    let expected = run(&dataset, &mut Counting::new(), &one_shard(whole.path())).unwrap();

    let cache = one_shard(pieces.path());
    let asked = AtomicUsize::new(0);
    let asked = std::sync::Arc::new(asked);
    let third = std::sync::Arc::clone(&asked);
    let context = Context::silent().until(move || third.fetch_add(1, Ordering::SeqCst) == 2);
    let settings = Settings { cache: &cache, batch_size: BATCH, part: (0, 1), context: &context };
    let stopped = stage_one::run(&dataset, &mut Counting::new(), &settings).unwrap();
    assert_eq!((stopped.state, stopped.shards_done_now), (State::Interrupted, 0));
    let kept = stopped.dir.join("train/_part-00000.rows");
    let length = fs::metadata(&kept).unwrap().len();

    // A block that was not written to its end counts as none.
    let mut bytes = fs::read(&kept).unwrap();
    bytes.extend_from_within(..length as usize / 2);
    fs::write(&kept, bytes).unwrap();
    let again = run(&dataset, &mut Counting::new(), &cache).unwrap();
    assert_eq!(again.reused, 2 * BATCH as u64);
    assert_eq!(files_of(&again.dir), files_of(&expected.dir));
}

#[test]
fn a_kept_row_with_a_flipped_bit_is_asked_for_again() {
    let (images, whole, pieces) = (Images::new(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let dataset = images.open();
    let expected = run(&dataset, &mut Counting::new(), &cache_in(whole.path())).unwrap();
    let cache = cache_in(pieces.path());
    let asked = std::sync::Arc::new(AtomicUsize::new(0));
    let context = Context::silent().until(move || asked.fetch_add(1, Ordering::SeqCst) == 1);
    let settings = Settings { cache: &cache, batch_size: BATCH, part: (0, 1), context: &context };
    let stopped = stage_one::run(&dataset, &mut Counting::new(), &settings).unwrap();
    let kept = stopped.dir.join("train/_part-00000.rows");
    let mut bytes = fs::read(&kept).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&kept, bytes).unwrap();
    let again = run(&dataset, &mut Counting::new(), &cache).unwrap();
    assert_eq!(again.reused, 0);
    assert_eq!(files_of(&again.dir), files_of(&expected.dir));
}

#[test]
fn a_report_names_images_that_are_in_two_splits() {
    let (images, root) = (Images::new(), tempfile::tempdir().unwrap());
    fs::copy(images.path("train/healthy/0.png"), images.path("test/bean_rust/leaked.png")).unwrap();
    let summary = run(&images.open(), &mut GrayTeacher::new(&CLASSES), &cache_in(root.path())).unwrap();
    let cache = Cache::open(&summary.dir).unwrap();
    let found = decant::report::Teacher::of(&cache, SplitName::Test).unwrap().duplicates;
    let parts =
        ["of test are also in train, 1 of them under another label", "leaked.png", "train/healthy/0.png"];
    assert!(found.iter().any(|said| parts.iter().all(|part| said.contains(part))), "{found:?}");
}
