//! Values of keys: found in a pipeline, written for people, compared.

use toml::{Table, Value};

use crate::config::{Pipeline, shortest};

/// The key that tells runs of one configuration apart.
pub(super) const SEED: &str = "train.seed";
pub(super) const TEMPERATURE: &str = "train.temperature";
pub(super) const LAMBDA: &str = "train.lambda";
pub(super) const EPOCHS: &str = "train.epochs";

/// A pipeline's values by their dotted keys.
pub(super) struct Values(Table);

impl Values {
    pub(crate) fn of(pipeline: &Pipeline) -> Self {
        Self(Table::try_from(pipeline).expect("a pipeline was TOML once"))
    }

    /// The value at a dotted key; `None` where there is none, as with an option that is not set.
    pub(crate) fn get(&self, key: &str) -> Option<Value> {
        let mut parts = key.split('.');
        let mut value = self.0.get(parts.next()?)?;
        for part in parts {
            value = value.get(part)?;
        }
        Some(shortest(value))
    }
}

/// A value as a person would write it: `5`, `0.9`, `cosine`.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Float(number) if *number != 0.0 && number.abs() < 1e-3 => format!("{number:e}"),
        Value::Float(number) => number.to_string(),
        value => value.to_string(),
    }
}

/// The name of a key in tables and labels: `T`, `lambda`, `lr`.
pub(super) fn short(key: &str) -> &str {
    match key {
        TEMPERATURE => "T",
        key => key.split_once('.').map_or(key, |(_, rest)| rest),
    }
}

/// Whether two values are the same number, or the same otherwise. Single precision is what temperatures and weights have.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    };
    match (number(a), number(b)) {
        // Seeds may have more digits than single precision.
        _ if a.is_integer() && b.is_integer() => a == b,
        (Some(a), Some(b)) => (a as f32).to_bits() == (b as f32).to_bits(),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_people_write_them() {
        let mut pipeline = Pipeline::default();
        pipeline.train.lambda = 0.9;
        pipeline.train.temperature = 5.0;
        pipeline.train.lr = 5e-5;
        let values = Values::of(&pipeline);
        let text = |key: &str| values.get(key).as_ref().map_or("-".to_owned(), text);
        assert_eq!([LAMBDA, TEMPERATURE, "train.lr"].map(text), ["0.9", "5", "5e-5"]);
        assert_eq!(
            ["train.betas", "student.init", "train.schedule"].map(text),
            ["[0.9, 0.999]", "-", "cosine"]
        );
    }

    #[test]
    fn a_number_is_the_same_however_it_is_written() {
        assert!(same(&Value::Integer(1), &Value::Float(1.0)));
        assert!(same(&Value::Float(f64::from(0.9f32)), &Value::Float(0.9)));
        assert!(!same(&Value::Float(0.9), &Value::Float(0.91)));
        assert!(!same(&Value::Integer(20_241_123), &Value::Integer(20_241_124)));
        assert!(!same(&Value::String("1".to_owned()), &Value::Integer(1)));
    }
}
