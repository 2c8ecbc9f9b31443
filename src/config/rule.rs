//! Range rules: what every section's check is made of.

/// A value outside its range: its dotted key, the value as text, and the rule it breaks.
pub(super) struct Invalid {
    pub key: &'static str,
    pub value: String,
    pub rule: String,
}

/// Fails with `rule` unless the value of `key` holds it.
pub(super) fn within(
    key: &'static str,
    value: impl ToString,
    holds: bool,
    rule: &str,
) -> Result<(), Invalid> {
    if holds { Ok(()) } else { Err(Invalid { key, value: value.to_string(), rule: rule.to_owned() }) }
}

/// Whether teacher and student can be softened with it.
pub(super) fn is_temperature(value: f32) -> bool {
    (0.01..=1000.0).contains(&value)
}

/// A list as a pipeline file has it.
pub(super) fn list(values: &[f32]) -> String {
    let values: Vec<String> = values.iter().map(f32::to_string).collect();
    format!("[{}]", values.join(", "))
}

/// An optional number as messages have it.
pub(super) fn number(value: Option<f32>) -> String {
    value.map_or("none".to_owned(), |value| value.to_string())
}
