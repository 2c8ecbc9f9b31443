//! Numbers between two bounds.

use std::fmt;

/// Numbers between two bounds; either bound may be excluded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    from: f64,
    to: f64,
    with_from: bool,
    with_to: bool,
}

impl Range {
    /// Any finite number.
    pub(crate) const FINITE: Self = Self::closed(f64::MIN, f64::MAX);

    /// Both bounds included.
    pub(crate) const fn closed(from: f64, to: f64) -> Self {
        Self { from, to, with_from: true, with_to: true }
    }

    /// Without the lower bound itself.
    pub(crate) const fn above(from: f64, to: f64) -> Self {
        Self { from, to, with_from: false, with_to: true }
    }

    /// Without the upper bound itself.
    pub(crate) const fn below(from: f64, to: f64) -> Self {
        Self { from, to, with_from: true, with_to: false }
    }

    /// Without both bounds.
    pub(crate) const fn between(from: f64, to: f64) -> Self {
        Self { from, to, with_from: false, with_to: false }
    }

    /// Whether `number` is inside.
    pub(crate) fn contains(self, number: f64) -> bool {
        let above = if self.with_from { self.from <= number } else { self.from < number };
        let below = if self.with_to { number <= self.to } else { number < self.to };
        above && below
    }
}

/// The words after `a number`: ` from 0 to 1`.
impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, with_from, with_to } = self;
        let endless = *to >= f64::MAX;
        match (with_from, with_to) {
            _ if *from <= f64::MIN && endless => Ok(()),
            (true, _) if endless => write!(formatter, ", {from} or more"),
            (false, _) if endless => write!(formatter, " above {from}"),
            (true, true) => write!(formatter, " from {from} to {to}"),
            (true, false) => write!(formatter, " from {from} to below {to}"),
            (false, true) => write!(formatter, " above {from} and at most {to}"),
            (false, false) => write!(formatter, " between {from} and {to}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_their_bounds_or_leave_them_out() {
        let inside = |range: Range| [0.0, 0.5, 1.0, f64::NAN].map(|number| range.contains(number));
        assert_eq!(inside(Range::closed(0.0, 1.0)), [true, true, true, false]);
        assert_eq!(inside(Range::above(0.0, 1.0)), [false, true, true, false]);
        assert_eq!(inside(Range::below(0.0, 1.0)), [true, true, false, false]);
        assert_eq!(inside(Range::between(0.0, 1.0)), [false, true, false, false]);
        assert!(!Range::FINITE.contains(f64::INFINITY));
    }
}
