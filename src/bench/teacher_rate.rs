//! The rates of a teacher: calls on pixels that lie ready, and stage one, in turns.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Error;
use super::report::{TeacherRate, Turn};
use crate::config;
use crate::dataset::{Dataset, Split, SplitName};
use crate::stage_one::{self, Settings, State, TunedTeacher, Tuner};
use crate::support::context::Context;
use crate::support::scratch::Unusable;
use crate::support::statistics::median;
use crate::support::threads::side_by_side;
use crate::teacher::OnnxModel;

/// Pairs of turns, an odd number. Both of a pair are slowed by the same other work, and every other pair begins with stage one.
const TURNS: usize = 3;
/// The most views of an image, where a teacher is too fast for the images that were drawn.
const MOST_VIEWS: usize = 16;

/// The measurement's surroundings.
pub(super) struct Setting<'a> {
    /// Generated leaves.
    pub dataset: &'a Dataset,
    /// The folder for caches, which are deleted again.
    pub scratch: &'a Path,
    /// About how long each turn of the calls and of stage one runs.
    pub budget: Duration,
    pub context: &'a Context,
}

/// Measures the teacher of `config`, called `name`, with `batch` images in a call.
///
/// # Errors
/// A teacher that fails, a folder that can't be written; Ctrl-C.
pub(super) fn measure(
    name: &str,
    config: &config::Teacher,
    batch: usize,
    setting: &Setting<'_>,
) -> Result<TeacherRate, Error> {
    let model = OnnxModel::read(config)?;
    let open = |tuning| model.open_team(tuning);
    let tuner = Tuner::open(config, &open)?;
    let precision = tuner.teacher().describe().precision;
    let least = 2 * batch;
    let mut tuned = tuner.tune(least as u64, batch)?;
    let sessions = tuned.teachers.len();

    // The first calls allocate and choose kernels; those after them tell how many rows take a turn's time.
    calls(&mut tuned, batch, Duration::ZERO)?;
    let guess = calls(&mut tuned, batch, setting.budget / 4)?;
    let rows = ((guess * setting.budget.as_secs_f64()) as usize).max(least * sessions);
    let mut turns = Vec::new();
    for turn in 0..TURNS {
        if setting.context.is_cancelled() {
            return Err(Error::Interrupted);
        }
        let before = if turn % 2 == 0 { Some(calls(&mut tuned, batch, setting.budget)?) } else { None };
        let stage_one_images_per_second = stage_one(&mut tuned, batch, rows, setting)?;
        let calls_images_per_second = match before {
            Some(rate) => rate,
            None => calls(&mut tuned, batch, setting.budget)?,
        };
        turns.push(Turn { calls_images_per_second, stage_one_images_per_second });
    }
    let middle = |of: fn(&Turn) -> f64| median(&turns.iter().map(of).collect::<Vec<_>>());
    Ok(TeacherRate {
        model: name.to_owned(),
        precision,
        batch,
        sessions,
        calls_images_per_second: middle(|turn| turn.calls_images_per_second),
        stage_one_images_per_second: middle(|turn| turn.stage_one_images_per_second),
        share: middle(Turn::share),
        turns,
    })
}

/// Images a second of all sessions side by side on pixels that are ready, over `budget` or one call each.
fn calls(tuned: &mut TunedTeacher, batch: usize, budget: Duration) -> Result<f64, Error> {
    let (height, width) = tuned.teachers[0].preprocess().size();
    let values = batch * 3 * height as usize * width as usize;
    let pixels: Vec<f32> = (0..values).map(|index| (index * 7919 % 1013) as f32 / 506.5 - 1.0).collect();
    let clock = Instant::now();
    let counts = side_by_side(tuned.each(), |teacher| {
        let mut count = 0;
        while count == 0 || clock.elapsed() < budget {
            teacher.logits_into(&pixels, batch, &mut Vec::new())?;
            count += 1;
        }
        Ok::<usize, crate::teacher::Error>(count)
    })?;
    Ok((counts.iter().sum::<usize>() * batch) as f64 / clock.elapsed().as_secs_f64())
}

/// Images a second of stage one over about `rows` images, from their files to a committed cache.
fn stage_one(
    tuned: &mut TunedTeacher,
    batch: usize,
    rows: usize,
    setting: &Setting<'_>,
) -> Result<f64, Error> {
    let drawn = setting.dataset.split(SplitName::Train).map_or(0, |split| split.samples.len());
    let images = rows.clamp(1, drawn);
    let views = rows.div_ceil(images).min(MOST_VIEWS) as u16;
    let dir = setting.scratch.join("cache");
    let cache =
        config::Cache { name: "bench".to_owned(), dir: dir.clone(), views, ..config::Cache::default() };
    let silent = setting.context.silenced();
    let settings = Settings { cache: &cache, batch_size: batch, part: (0, 1), context: &silent };
    let dataset = first(setting.dataset, images);
    let summary = stage_one::run_all(&dataset, &mut tuned.each(), batch, &settings)?;
    if matches!(summary.state, State::Interrupted | State::PartDone) {
        return Err(Error::Interrupted);
    }
    fs::remove_dir_all(&dir).map_err(Unusable::at(&dir))?;
    Ok(summary.images_per_second)
}

/// The first images of train.
fn first(dataset: &Dataset, images: usize) -> Dataset {
    let samples = dataset.split(SplitName::Train).map_or(&[][..], |split| &split.samples);
    Dataset {
        name: dataset.name.clone(),
        classes: dataset.classes.clone(),
        splits: vec![Split {
            name: SplitName::Train,
            samples: samples[..images.min(samples.len())].to_vec(),
        }],
        notes: Vec::new(),
        duplicates: Vec::new(),
        left_out: Vec::new(),
    }
}
