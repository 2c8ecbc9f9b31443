//! A trial of several ways to run a teacher: whether they give the same bits, and how fast each is.

use std::time::{Duration, Instant};

use rand::RngCore;

use super::Error;
use super::tuned::{AHEAD, MeasuredCandidate, Sessions, TunedTeacher};
use crate::support::rng;
use crate::support::statistics::median;
use crate::support::threads::side_by_side;
use crate::teacher::{self, Teacher};

/// Probe images: several batches of most sizes, for a model that looks at a whole batch, as one that is quantised while it
/// runs does, shows it only in batches of other images.
pub(super) const PROBES: usize = 32;

const ROUNDS: u32 = 3;

/// Sessions and a batch size to try.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    /// In one session that has all cores, instead of the team.
    pub alone: bool,
    pub batch_size: usize,
}

/// The teams, the probe images and what was found out with them.
pub(super) struct TuningTrial {
    team: Sessions,
    /// One session that has all cores, where that is another way.
    alone: Sessions,
    /// The usual batch size.
    batch_size: usize,
    /// `[PROBES, 3, height, width]`.
    images: Vec<f32>,
    tried: Vec<TriedCandidate>,
}

struct TriedCandidate {
    way: Candidate,
    same_bits: bool,
    rates: Vec<f64>,
}

impl TuningTrial {
    /// The usual way: this team, and batches of this size.
    pub(crate) fn new(team: Sessions, batch_size: usize) -> Self {
        let images = noise(&*team[0]);
        Self { team, alone: Sessions::new(), batch_size, images, tried: Vec::new() }
    }

    /// How long the team's first session takes for a batch.
    pub(crate) fn first_call(&mut self) -> Result<Duration, Error> {
        let batch = filled(&self.images, self.batch_size);
        let started = Instant::now();
        self.team[0].logits(&batch, self.batch_size)?;
        Ok(started.elapsed())
    }

    /// More sessions for the team.
    pub(crate) fn extend(&mut self, sessions: Sessions) {
        self.team.extend(sessions);
    }

    /// Another team, opened once there is room for it.
    pub(crate) fn replace(
        &mut self,
        open: impl FnOnce() -> Result<Sessions, teacher::Error>,
    ) -> Result<(), Error> {
        self.team.clear();
        self.team = open()?;
        Ok(())
    }

    pub(crate) fn add_alone(&mut self, session: Sessions) {
        self.alone = session;
    }

    /// The usual way, whatever was measured.
    pub(crate) fn usual(self) -> TunedTeacher {
        TunedTeacher { teachers: self.team, batch_size: self.batch_size, measured: Vec::new() }
    }

    /// Compares the logits of the usual way and of `ways`, as far as the budget goes, and then their speed, in turn.
    pub(crate) fn measure(&mut self, ways: Vec<Candidate>, budget: Duration) -> Result<(), Error> {
        let usual = Candidate { alone: false, batch_size: self.batch_size };
        let expected = self.answers(usual)?.swap_remove(0);
        self.tried.push(TriedCandidate { way: usual, same_bits: true, rates: Vec::new() });
        let started = Instant::now();
        for way in ways {
            if started.elapsed() > budget {
                break;
            }
            if way != usual {
                let same =
                    |given: &Vec<f32>| given.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits());
                let same_bits = self.answers(way)?.iter().all(same);
                self.tried.push(TriedCandidate { way, same_bits, rates: Vec::new() });
            }
        }
        self.rounds(budget)
    }

    /// The logits `[PROBES, classes]` of the probe images from every session of a way, which also warms it up.
    fn answers(&mut self, way: Candidate) -> Result<Vec<Vec<f32>>, Error> {
        let (team, images) = self.parts(way);
        side_by_side(team, |teacher| answers(&mut **teacher, images, way.batch_size))
    }

    fn parts(&mut self, way: Candidate) -> (&mut Sessions, &[f32]) {
        (if way.alone { &mut self.alone } else { &mut self.team }, &self.images)
    }

    fn rounds(&mut self, budget: Duration) -> Result<(), Error> {
        let slice = budget / (ROUNDS * self.tried.len() as u32);
        let started = Instant::now();
        for round in 0..ROUNDS {
            for index in 0..self.tried.len() {
                if round > 0 && started.elapsed() > budget {
                    return Ok(());
                }
                let way = self.tried[index].way;
                let (team, images) = self.parts(way);
                let batch = filled(images, way.batch_size);
                let rates =
                    side_by_side(team, |teacher| rate(&mut **teacher, &batch, way.batch_size, slice))?;
                self.tried[index].rates.push(rates.iter().sum());
            }
        }
        Ok(())
    }

    /// The fastest of the ways that give the usual bits, if it is ahead of the usual one.
    pub(crate) fn choose(self) -> TunedTeacher {
        let measured: Vec<MeasuredCandidate> = self
            .tried
            .iter()
            .map(|tried| MeasuredCandidate {
                sessions: if tried.way.alone { self.alone.len() } else { self.team.len() },
                batch_size: tried.way.batch_size,
                same_bits: tried.same_bits,
                images_per_second: median(&tried.rates),
            })
            .collect();
        let best = (0..measured.len())
            .filter(|&index| measured[index].same_bits)
            .max_by(|&a, &b| measured[a].images_per_second.total_cmp(&measured[b].images_per_second))
            .filter(|&index| measured[index].images_per_second >= AHEAD * measured[0].images_per_second)
            .unwrap_or(0);
        let Candidate { alone, batch_size } = self.tried[best].way;
        let teachers = if alone { self.alone } else { self.team };
        TunedTeacher { teachers, batch_size, measured }
    }
}

/// Noise in the range of the teacher's input, weak in the first image and strongest in the last. Which kernels a runtime takes
/// depends on shapes, not on values.
pub(super) fn noise(teacher: &dyn Teacher) -> Vec<f32> {
    let (height, width) = teacher.preprocess().size();
    let mut levels = image::RgbImage::new(width, height * PROBES as u32);
    rng::keyed("probe", &[]).fill_bytes(&mut levels);
    let mut images = vec![0.0; levels.len()];
    let image = images.len() / PROBES;
    for (index, out) in images.chunks_exact_mut(image).enumerate() {
        let strength = |level: &u8| (u32::from(*level) * (index as u32 + 1) / PROBES as u32) as u8;
        let levels = levels.as_raw()[index * image..][..image].iter().map(strength).collect();
        let levels = image::RgbImage::from_raw(width, height, levels).expect("one image of them");
        teacher.preprocess().normalise(&levels, out);
    }
    images
}

/// A batch of `size` probe images, from the first again after the last.
fn filled(images: &[f32], size: usize) -> Vec<f32> {
    let image = images.len() / PROBES;
    images.iter().copied().cycle().take(size * image).collect()
}

/// The logits of the probe images in batches of `size`, of all of them at least once.
fn answers(teacher: &mut dyn Teacher, images: &[f32], size: usize) -> Result<Vec<f32>, Error> {
    let image = images.len() / PROBES;
    let mut logits = Vec::new();
    for first in (0..PROBES).step_by(size) {
        let batch: Vec<f32> = images.iter().copied().cycle().skip(first * image).take(size * image).collect();
        logits.extend(teacher.logits(&batch, size)?);
    }
    logits.truncate(PROBES * teacher.classes().len());
    Ok(logits)
}

/// Images a second in calls over `slice`, one at least.
fn rate(teacher: &mut dyn Teacher, batch: &[f32], size: usize, slice: Duration) -> Result<f64, Error> {
    let started = Instant::now();
    let mut calls = 0;
    while calls == 0 || started.elapsed() < slice {
        teacher.logits(batch, size)?;
        calls += 1;
    }
    Ok((calls * size) as f64 / started.elapsed().as_secs_f64())
}
