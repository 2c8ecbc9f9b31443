//! How a teacher is run, and what else was measured.

use crate::teacher::Teacher;

/// The lead that another way must have, so that noise does not choose.
pub(super) const AHEAD: f64 = 1.03;

/// Sessions of one teacher.
pub type Sessions = Vec<Box<dyn Teacher>>;

/// One way to run a teacher, and how fast it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeasuredCandidate {
    /// Sessions side by side.
    pub sessions: usize,
    /// Images in one call.
    pub batch_size: usize,
    /// Whether its logits for the probe images are the usual ones, to the last bit.
    pub same_bits: bool,
    /// Images a second, the median of the rounds.
    pub images_per_second: f64,
}

/// The chosen way, and why.
pub struct TunedTeacher {
    /// The sessions.
    pub teachers: Sessions,
    /// Images that each is given at once.
    pub batch_size: usize,
    /// The measurements, the usual way first; nothing where the pipeline file leaves nothing open, or too few images are to be done.
    pub measured: Vec<MeasuredCandidate>,
}

impl TunedTeacher {
    /// Every session, as [`run_all`](super::run_all) takes them.
    pub fn each(&mut self) -> Vec<&mut dyn Teacher> {
        self.teachers.iter_mut().map(|teacher| &mut **teacher as &mut dyn Teacher).collect()
    }

    /// The choice and the alternative that it was measured against, in words.
    pub fn words(&self) -> Vec<String> {
        let Some(usual) = self.measured.first() else {
            return vec![way(self.teachers.len(), self.batch_size)];
        };
        let words = |measured: &MeasuredCandidate| {
            format!(
                "{}: {:.1} images/s",
                way(measured.sessions, measured.batch_size),
                measured.images_per_second
            )
        };
        let is_chosen = |way: &&MeasuredCandidate| {
            (way.sessions, way.batch_size) == (self.teachers.len(), self.batch_size)
        };
        let chosen = self.measured.iter().find(is_chosen).unwrap_or(usual);
        let mut lines = vec![words(chosen)];
        if chosen != usual {
            lines.push(format!("with the same logits to the last bit as {}", words(usual)));
        }
        let faster = |way: &&MeasuredCandidate| {
            !way.same_bits && way.images_per_second > AHEAD * chosen.images_per_second
        };
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

fn way(sessions: usize, batch_size: usize) -> String {
    let plural = if sessions == 1 { "" } else { "s" };
    format!("{sessions} session{plural}, batches of {batch_size}")
}
