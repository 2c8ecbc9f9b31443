//! Stage two: training a student from cached targets.

pub mod clip;
pub mod loss;
