//! The choice of sessions and batch sizes.

use std::time::Duration;

use decant::config::Count;
use decant::stage_one::{Sessions, TunedTeacher, Tuner};
use decant::support::hash::Digest;
use decant::teacher::{Description, Teacher, Tuning};
use decant::view::Preprocess;
use decant::{config, teacher};

use crate::teacher_support::{CLASSES, GrayTeacher};

/// A teacher whose calls take a time of their own, whatever their size.
pub(super) struct CallCost {
    pub(super) teacher: GrayTeacher,
    pub(super) milliseconds: u64,
    /// Added to each logit, times the brightest value of the batch: what others it stands beside shows in a row.
    pub(super) drift: f32,
}

impl Teacher for CallCost {
    is_its_teacher!();

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
