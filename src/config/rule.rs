//! Rules between values, beside the ranges of keys.

use std::fmt;

use crate::support::range::Range;

/// The temperatures that teacher and student can be softened with.
pub(super) const TEMPERATURE: Range = Range::closed(0.01, 1000.0);

/// A value that breaks a rule: its dotted key, the value as text, and the rule.
#[derive(Debug)]
pub(crate) struct Invalid {
    /// Such as `train.lr`.
    pub key: &'static str,
    /// As a pipeline file has it.
    pub value: String,
    /// The end of `must be ...`.
    pub rule: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, rule } = self;
        write!(formatter, "`{key}` must be {rule}; found {value}")
    }
}

impl std::error::Error for Invalid {}

/// Fails with `rule` unless the value of `key` holds it.
pub(super) fn within(
    key: &'static str,
    value: impl ToString,
    holds: bool,
    rule: &str,
) -> Result<(), Invalid> {
    if holds { Ok(()) } else { Err(Invalid { key, value: value.to_string(), rule: rule.to_owned() }) }
}
