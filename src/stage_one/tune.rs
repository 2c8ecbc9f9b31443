//! `auto`: how many sessions the teacher runs in and how many images each is given at once.
//!
//! On the CPU the usual way is a session of one thread on each core, each with a few images at a time: no core waits for others
//! at the end of an operator, and what a core works on stays in its own caches. On a GPU it is two sessions. A long stage one
//! begins with a short measurement of other ways. What a cache holds must not depend on it, so another way is taken only if its
//! logits for some probe images are those of the usual one, to the last bit.

use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use super::Error;
use super::trial::{Candidate, PROBES, TuningTrial};
use super::tuned::{Sessions, TunedTeacher};
use crate::config::{self, Provider};
use crate::support::memory;
use crate::teacher::{self, Teacher, Tuning};

/// A stage one that is expected to take less is not measured: asking and timing other ways would take a notable part of it.
const WORTH_MEASURING: Duration = Duration::from_secs(100);
/// How long the speed of all ways is measured; asking them for the same logits comes on top, one batch after the other.
const MEASURE: Duration = Duration::from_secs(1);
/// The share of stage one that one way may take to give the probe images' logits.
const CHECK: f64 = 0.005;
/// Sessions on the CPU at most: with more cores each has several threads.
const MOST_SESSIONS: usize = 16;

/// Opens the teacher in as many sessions as the tuning says, on each device: one at least, all of one model.
pub(crate) type Open<'a> = dyn Fn(Tuning) -> Result<Sessions, teacher::Error> + 'a;

/// A teacher that is open, before it is known how much there is to do.
pub struct Tuner<'a> {
    config: &'a config::Teacher,
    open: &'a Open<'a>,
    team: Sessions,
    /// Sessions that have all cores together, where their number is open.
    most: usize,
    /// Memory of the process before the teacher was opened, where that is known.
    before_bytes: Option<u64>,
    opening: Duration,
}

impl<'a> Tuner<'a> {
    /// Opens the teacher as its section says; on the CPU `auto` is the first of the sessions for now.
    ///
    /// # Errors
    /// As `open`.
    pub fn open(config: &'a config::Teacher, open: &'a Open<'a>) -> Result<Self, Error> {
        let (before_bytes, started) = (memory::resident_bytes(), Instant::now());
        let cores = available_parallelism().map_or(1, usize::from);
        let sessions_open = config.sessions.given().is_none() && config.threads.given().is_none();
        let most = if sessions_open { cores.min(MOST_SESSIONS) } else { 1 };
        let team = open(Tuning { among: most, ..Tuning::from(config) })?;
        Ok(Self { config, open, team, most, before_bytes, opening: started.elapsed() })
    }

    /// The teacher.
    pub fn teacher(&self) -> &dyn Teacher {
        &*self.team[0]
    }

    /// Opens the sessions for a stage one of `images` images whose logits are to be those of batches of `batch_size`, and
    /// measures what is left open where that pays.
    ///
    /// # Errors
    /// The teacher can't be opened once more, or fails.
    pub fn tune(self, images: u64, batch_size: usize) -> Result<TunedTeacher, Error> {
        let Self { config, open, team, most, before_bytes, opening } = self;
        let provider = team[0].describe().device.provider;
        let cpu = provider == Provider::Cpu;
        let sessions_open = cpu && most > 1;
        // A recorded graph and an engine are made for one batch size.
        let sizes_open = config.batch_size.given().is_none()
            && !config.gpu.graph
            && !provider.compiles_for_one_batch_size();
        if images == 0 || !(sessions_open || sizes_open) {
            return Ok(TunedTeacher { teachers: team, batch_size, measured: Vec::new() });
        }

        let mut trial = TuningTrial::new(team, batch_size);
        let call = trial.first_call()?;
        let mut expected = call.mul_f64(images as f64 / batch_size as f64);
        if sessions_open && opening <= expected / 2 {
            let bytes = memory::resident_bytes().zip(before_bytes);
            let bytes = bytes.map(|(after, before)| after.saturating_sub(before));
            let sessions = most.min(1 + sessions_that_fit(bytes));
            let tuning = Tuning { among: sessions, ..Tuning::from(config) };
            if sessions < most {
                // The first one has too few threads.
                trial.replace(|| open(Tuning { sessions, ..tuning }))?;
            } else {
                trial.extend(open(Tuning { sessions: sessions - 1, ..tuning })?);
            }
            expected /= sessions as u32;
        }
        let check = call.mul_f64(PROBES as f64 / batch_size as f64);
        if expected < WORTH_MEASURING || check > expected.mul_f64(CHECK) {
            return Ok(trial.usual());
        }
        let sizes: &[usize] = match (sizes_open, cpu) {
            (false, _) => &[],
            (true, true) => &[8, 16, 32, 4],
            (true, false) => &[32, 128, 256, 64],
        };
        let mut ways: Vec<Candidate> =
            sizes.iter().map(|&batch_size| Candidate { alone: false, batch_size }).collect();
        if sessions_open {
            trial.add_alone(open(Tuning { sessions: 1, ..Tuning::from(config) })?);
            ways.push(Candidate { alone: true, batch_size: if sizes_open { 16 } else { batch_size } });
        }
        trial.measure(ways, MEASURE)?;
        Ok(trial.choose())
    }
}

/// How many more sessions of `bytes` each half of the free memory holds; as many as one likes where that is not known.
fn sessions_that_fit(bytes: Option<u64>) -> usize {
    match (bytes, memory::available_bytes()) {
        (Some(bytes), Some(available)) => (available / 2 / bytes.max(1)) as usize,
        _ => MOST_SESSIONS,
    }
}
