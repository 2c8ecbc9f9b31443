//! `auto`: how many sessions the teacher runs in and how many images each is given at once, by a short measurement.
//!
//! What a cache holds must not depend on a measurement, so a candidate is taken only if its logits for some probe images are those of
//! the usual way, one session and the usual batch, to the last bit.

use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use rand::RngCore;

use super::Error;
use crate::config;
use crate::support::{memory, rng};
use crate::teacher::{self, Teacher, Tuning};

/// Probe images: two full batches of the usual size, for a model that looks at a whole batch, as one that is quantised while it
/// runs does, shows it only in batches of other images.
const PROBES: usize = 32;
/// The share of stage one that goes into measuring; opening and checking candidates comes on top.
const SHARE: f64 = 0.04;
/// Longer than this it gives nothing new.
const LONGEST: Duration = Duration::from_secs(1);
/// Below this, which is ten seconds of stage one, opening and checking would cost more than is won.
const SHORTEST: Duration = Duration::from_millis(400);
/// With fewer images the probe images alone would take too much of stage one.
const FEWEST: u64 = 10 * PROBES as u64;
const ROUNDS: u32 = 3;
/// What a candidate must be ahead by, so that noise alone does not choose.
const AHEAD: f64 = 1.03;
/// Sessions on the CPU at most: with more cores each has several threads.
const MOST_SESSIONS: usize = 16;

/// Opens the teacher in as many sessions as the tuning says, on each device: one at least, all of one model.
pub type Open<'a> = dyn Fn(Tuning) -> Result<Team, teacher::Error> + 'a;

/// Sessions of one teacher.
pub type Team = Vec<Box<dyn Teacher>>;

/// One way to run a teacher, and how fast it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Sessions side by side.
    pub sessions: usize,
    /// Images in one call.
    pub batch_size: usize,
    /// Whether its logits for the probe images are the usual ones, to the last bit.
    pub same_bits: bool,
    /// Images a second, the median of the rounds.
    pub images_per_second: f64,
}

/// What was chosen, and why.
pub struct Tuned {
    /// The sessions.
    pub teachers: Team,
    /// Images that each is given at once.
    pub batch_size: usize,
    /// What was measured, the usual way first; nothing where the pipeline file leaves nothing open, or too few images are to be done.
    pub measured: Vec<Measured>,
}

impl Tuned {
    /// Every session, as [`run_all`](super::run_all) takes them.
    pub fn each(&mut self) -> Vec<&mut dyn Teacher> {
        self.teachers.iter_mut().map(|teacher| &mut **teacher as &mut dyn Teacher).collect()
    }
}

/// Sessions and a batch size to try.
#[derive(Clone, Copy, PartialEq)]
struct Candidate {
    /// One session a core, or several cores, instead of one for all.
    many: bool,
    batch_size: usize,
}

/// A teacher that is open, before what its section leaves to `auto` is measured.
pub struct Tuner<'a> {
    config: &'a config::Teacher,
    open: &'a Open<'a>,
    usual: Tuning,
    team: Team,
    /// Memory of the process before the teacher was opened, where that is known.
    before_bytes: Option<u64>,
    opening: Duration,
}

impl<'a> Tuner<'a> {
    /// Opens the teacher as its section says, `auto` being the usual way.
    ///
    /// # Errors
    /// As `open`.
    pub fn open(config: &'a config::Teacher, open: &'a Open<'a>) -> Result<Self, Error> {
        let usual = Tuning::from(config);
        let (before_bytes, started) = (memory::resident_bytes(), Instant::now());
        let team = open(usual)?;
        Ok(Self { config, open, usual, team, before_bytes, opening: started.elapsed() })
    }

    /// The teacher.
    pub fn teacher(&self) -> &dyn Teacher {
        &*self.team[0]
    }

    /// Measures what is left open, for a stage one of `images` images whose logits are to be those of batches of
    /// `batch_size`.
    ///
    /// # Errors
    /// The teacher can't be opened once more, or fails.
    pub fn tune(self, images: u64, batch_size: usize) -> Result<Tuned, Error> {
        let Self { config, open, usual, team, before_bytes, opening } = self;
        let candidates = candidates(config, &team[0].describe().provider, batch_size);
        let mut probe = Probe::new(team, batch_size);
        if candidates.is_empty() || images < FEWEST {
            return Ok(probe.usual_alone());
        }
        let call = probe.first_answer()?;
        let expected = call.mul_f64(images as f64 / batch_size as f64);
        let budget = expected.mul_f64(SHARE).min(LONGEST);
        let check = call.mul_f64(PROBES as f64 / batch_size as f64);
        if budget < SHORTEST || check > expected.mul_f64(SHARE / 2.0) {
            return Ok(probe.usual_alone());
        }
        let after_bytes = memory::resident_bytes();
        let bytes = after_bytes.zip(before_bytes).map(|(after, before)| after.saturating_sub(before));
        let sessions = sessions_that_fit(bytes);
        let affordable = sessions > 1 && opening * sessions as u32 <= expected.mul_f64(4.0 * SHARE);

        let started = Instant::now();
        for candidate in candidates {
            if started.elapsed() > budget {
                break;
            }
            if candidate.many && !affordable {
                continue;
            }
            if candidate.many && probe.many.is_empty() {
                probe.many = open(Tuning { sessions, threads: 0, ..usual })?;
            }
            probe.check(candidate)?;
        }
        probe.rounds(budget)?;
        Ok(probe.choose())
    }
}

/// What may be better than the usual way, the likeliest first.
fn candidates(config: &config::Teacher, provider: &str, usual: usize) -> Vec<Candidate> {
    let cpu = provider == "cpu";
    // A recorded graph and an engine are made for one batch size.
    let sizes_open =
        config.batch_size.given().is_none() && !config.gpu.graph && !provider.starts_with("tensorrt");
    let sessions_open = cpu && config.sessions.given().is_none() && config.threads.given().is_none();
    let mut candidates = Vec::new();
    if sessions_open {
        // One image after the other through caches of one core's own, and nothing to wait for.
        let sizes: &[usize] = if sizes_open { &[4, 8, usual] } else { &[usual] };
        candidates.extend(sizes.iter().map(|&batch_size| Candidate { many: true, batch_size }));
    }
    if sizes_open {
        let sizes: &[usize] = if cpu { &[32, 8] } else { &[64, 32, 128, 256] };
        candidates.extend(sizes.iter().map(|&batch_size| Candidate { many: false, batch_size }));
    }
    candidates.dedup();
    candidates
}

/// Sessions for all cores, of which each takes `bytes`: no more than half of the free memory holds.
fn sessions_that_fit(bytes: Option<u64>) -> usize {
    let cores = available_parallelism().map_or(1, Into::into).min(MOST_SESSIONS);
    match (bytes, memory::available_bytes()) {
        (Some(bytes), Some(available)) => cores.min((available / 2 / bytes.max(1)) as usize),
        _ => cores,
    }
}

/// The teams, the probe images and what was found out with them.
struct Probe {
    usual: Team,
    many: Team,
    /// `[PROBES, 3, height, width]`.
    images: Vec<f32>,
    usual_size: usize,
    /// `[PROBES, classes]`.
    expected: Vec<f32>,
    tried: Vec<Tried>,
}

struct Tried {
    candidate: Candidate,
    same_bits: bool,
    rates: Vec<f64>,
}

impl Probe {
    fn new(usual: Team, usual_size: usize) -> Self {
        let (many, images, expected, tried) = (Team::new(), Vec::new(), Vec::new(), Vec::new());
        Self { usual, many, images, usual_size, expected, tried }
    }

    fn usual_alone(self) -> Tuned {
        Tuned { teachers: self.usual, batch_size: self.usual_size, measured: Vec::new() }
    }

    /// Makes the probe images, asks the usual team for their logits, and gives the time that one call took.
    fn first_answer(&mut self) -> Result<Duration, Error> {
        self.images = noise(&*self.usual[0]);
        let started = Instant::now();
        self.expected = answers(&mut *self.usual[0], &self.images, self.usual_size)?;
        self.expected.truncate(PROBES * self.usual[0].classes().len());
        let calls = PROBES.div_ceil(self.usual_size) as u32;
        let candidate = Candidate { many: false, batch_size: self.usual_size };
        self.tried.push(Tried { candidate, same_bits: true, rates: Vec::new() });
        Ok(started.elapsed() / calls)
    }

    fn team(&mut self, candidate: Candidate) -> &mut Team {
        if candidate.many { &mut self.many } else { &mut self.usual }
    }

    /// Compares the candidate's logits with the usual ones, from every session, which also warms it up.
    fn check(&mut self, candidate: Candidate) -> Result<(), Error> {
        let images = std::mem::take(&mut self.images);
        let given =
            side_by_side(self.team(candidate), |teacher| answers(teacher, &images, candidate.batch_size));
        self.images = images;
        let expected = &self.expected;
        let same = |given: &Vec<f32>| {
            given.iter().zip(expected.iter().cycle()).all(|(a, b)| a.to_bits() == b.to_bits())
        };
        let same_bits = given?.iter().all(same);
        self.tried.push(Tried { candidate, same_bits, rates: Vec::new() });
        Ok(())
    }

    /// Measures everything that was tried, by turns.
    fn rounds(&mut self, budget: Duration) -> Result<(), Error> {
        let slice = budget / (ROUNDS * self.tried.len() as u32);
        let started = Instant::now();
        let images = std::mem::take(&mut self.images);
        for round in 0..ROUNDS {
            for index in 0..self.tried.len() {
                if round > 0 && started.elapsed() > budget {
                    return Ok(());
                }
                let candidate = self.tried[index].candidate;
                let batch: Vec<f32> = filled(&images, candidate.batch_size);
                let rates = side_by_side(self.team(candidate), |teacher| {
                    rate(teacher, &batch, candidate.batch_size, slice)
                });
                self.tried[index].rates.push(rates?.iter().sum());
            }
        }
        Ok(())
    }

    fn choose(self) -> Tuned {
        let (usual_sessions, many_sessions) = (self.usual.len(), self.many.len());
        let measured: Vec<Measured> = self
            .tried
            .iter()
            .map(|tried| Measured {
                sessions: if tried.candidate.many { many_sessions } else { usual_sessions },
                batch_size: tried.candidate.batch_size,
                same_bits: tried.same_bits,
                images_per_second: median(&tried.rates),
            })
            .collect();
        let best = (0..measured.len())
            .filter(|&index| measured[index].same_bits)
            .max_by(|&a, &b| measured[a].images_per_second.total_cmp(&measured[b].images_per_second))
            .filter(|&index| measured[index].images_per_second >= AHEAD * measured[0].images_per_second)
            .unwrap_or(0);
        let Candidate { many, batch_size } = self.tried[best].candidate;
        let teachers = if many { self.many } else { self.usual };
        Tuned { teachers, batch_size, measured }
    }
}

/// Noise in the range of the teacher's input, weak in the first image and strongest in the last. Which kernels a runtime takes
/// depends on shapes, not on values.
fn noise(teacher: &dyn Teacher) -> Vec<f32> {
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

/// What `work` gives for each teacher, all at the same time.
fn side_by_side<T: Send>(
    team: &mut Team,
    work: impl Fn(&mut dyn Teacher) -> Result<T, Error> + Sync,
) -> Result<Vec<T>, Error> {
    std::thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> =
            team.iter_mut().map(|teacher| scope.spawn(move || work(&mut **teacher))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<Result<T, Error>>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        running.into_iter().map(join).collect()
    })
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

impl Tuned {
    /// What was chosen and what it was measured against, in words; nothing where nothing was measured.
    pub fn words(&self) -> Vec<String> {
        let words = |way: &Measured| {
            let plural = if way.sessions == 1 { "" } else { "s" };
            format!(
                "{} session{plural}, batches of {}: {:.1} images/s",
                way.sessions, way.batch_size, way.images_per_second
            )
        };
        let Some(usual) = self.measured.first() else { return Vec::new() };
        let is_chosen =
            |way: &&Measured| (way.sessions, way.batch_size) == (self.teachers.len(), self.batch_size);
        let chosen = self.measured.iter().find(is_chosen).unwrap_or(usual);
        let mut lines = vec![words(chosen)];
        if chosen != usual {
            lines.push(format!("with the same logits to the last bit as {}", words(usual)));
        }
        let faster =
            |way: &&Measured| !way.same_bits && way.images_per_second > AHEAD * chosen.images_per_second;
        if let Some(way) = self.measured.iter().find(faster) {
            lines.push(format!(
                "{} would be faster, but the last bits of its logits differ; teacher.batch-size = {} takes it all the same",
                words(way),
                way.batch_size
            ));
        }
        lines
    }
}
