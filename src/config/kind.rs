//! The kinds of values: how each is checked, put into its one form and described.

use serde::de::DeserializeOwned;
use toml::Value;

use crate::support::range::Range;

/// The type and range of a key's value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Text.
    Text,
    /// A file or folder; relative ones are taken from the working directory.
    Path,
    /// True or false.
    Flag,
    /// A whole number, the bounds included.
    Whole(u64, u64),
    /// The same, or `auto`.
    WholeOrAuto(u64, u64),
    /// A number.
    Number(Range),
    /// This many numbers.
    Array(usize, Range),
    /// One number or more, each once.
    Numbers(Range),
    /// Texts.
    Texts,
    /// One of these names.
    OneOf(&'static [&'static str]),
    /// A form that a type of its own reads.
    Written {
        /// The end of `must be ...`.
        expected: &'static str,
        /// One of its values, as a pipeline file has it.
        #[cfg_attr(not(test), expect(dead_code, reason = "the tests of every key read it"))]
        example: &'static str,
        /// Checks a value; the error says what is wrong with it.
        check: fn(&Value) -> Result<(), String>,
    },
    /// A table of texts by names of the user's own.
    Map,
    /// Keys of this section with values or lists of them, for `[sweep]`.
    Axes(&'static str),
    /// A list of tables of keys, for `[sweep]`.
    Runs,
}

/// No upper bound for a whole number.
pub(crate) const ANY: u64 = i64::MAX as u64;

/// The fault of a value.
#[derive(Debug, PartialEq)]
pub(super) enum Wrong {
    /// It is something else than what completes `must be ...`.
    Expected(String),
    /// It is none of the names.
    Unknown(&'static [&'static str]),
    /// A sentence of its own.
    Said(String),
}

impl Kind {
    /// The end of `must be ...`.
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Text => "text in quotes".to_owned(),
            Self::Path => "a path in quotes".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Whole(from, to) => whole(*from, *to),
            Self::WholeOrAuto(from, to) => format!("{}, or \"auto\"", whole(*from, *to)),
            Self::Number(range) => format!("a number{range}"),
            Self::Array(count, range) => format!("a list of {count} numbers{}", each(*range)),
            Self::Numbers(range) => format!("a list of one or more different numbers{}", each(*range)),
            Self::Texts => "a list of texts in quotes".to_owned(),
            Self::OneOf(names) => format!("one of: {}", names.join(", ")),
            Self::Written { expected, .. } => (*expected).to_owned(),
            Self::Map => "a table such as { \"name\" = \"other name\" }".to_owned(),
            Self::Axes(section) => format!("a table of keys of [{section}]"),
            Self::Runs => "a list of tables, such as [{ train.lr = 1e-3 }]".to_owned(),
        }
    }

    /// `value` in its one form: `AdamW` is `adamw`.
    pub(super) fn read(&self, value: Value) -> Result<Value, Wrong> {
        let fits = match self {
            Self::Text | Self::Path => value.is_str(),
            Self::Flag => value.is_bool(),
            Self::Whole(from, to) => is_whole(&value, *from, *to),
            Self::WholeOrAuto(from, to) => {
                if let Some(text) = value.as_str()
                    && text.eq_ignore_ascii_case("auto")
                {
                    return Ok(Value::String("auto".to_owned()));
                }
                is_whole(&value, *from, *to)
            }
            Self::Number(range) => is_number(&value, *range),
            Self::Array(count, range) => {
                value.as_array().is_some_and(|list| list.len() == *count && all(list, *range))
            }
            Self::Numbers(range) => value
                .as_array()
                .is_some_and(|list| !list.is_empty() && all(list, *range) && are_different(list)),
            Self::Texts => value.as_array().is_some_and(|list| list.iter().all(Value::is_str)),
            Self::Map => value.as_table().is_some_and(|table| table.values().all(Value::is_str)),
            Self::Axes(_) => value.is_table(),
            Self::Runs => value.as_array().is_some_and(|list| list.iter().all(Value::is_table)),
            Self::OneOf(names) => {
                let Some(text) = value.as_str() else { return Err(Wrong::Expected(self.expected())) };
                let known = names.iter().find(|name| folded(name) == folded(text));
                return known.map(|name| Value::String((*name).to_owned())).ok_or(Wrong::Unknown(names));
            }
            Self::Written { check, .. } => {
                return match (check(&value), &value) {
                    (Ok(()), _) => Ok(value),
                    (Err(said), Value::String(text)) => {
                        let lower = Value::String(text.to_lowercase());
                        if check(&lower).is_ok() { Ok(lower) } else { Err(Wrong::Said(said)) }
                    }
                    (Err(_), _) => Err(Wrong::Expected(self.expected())),
                };
            }
        };
        if fits { Ok(value) } else { Err(Wrong::Expected(self.expected())) }
    }
}

/// Checks a value of a type that reads itself.
pub(super) fn parses<T: DeserializeOwned>(value: &Value) -> Result<(), String> {
    value.clone().try_into::<T>().map(drop).map_err(|error| error.message().to_owned())
}

/// A name without what people write differently: `Adam_W` is `adamw`.
pub(super) fn folded(name: &str) -> String {
    name.to_lowercase().replace(['-', '_', ' '], "")
}

/// A value in the least digits that tell single-precision numbers apart, as people write them.
pub(crate) fn shortest(value: &Value) -> Value {
    match value {
        Value::Float(number) if is_single(*number) => {
            Value::Float((*number as f32).to_string().parse().unwrap_or(*number))
        }
        Value::Array(values) => Value::Array(values.iter().map(shortest).collect()),
        value => value.clone(),
    }
}

#[expect(clippy::float_cmp, reason = "whether a number is exactly a single-precision one")]
fn is_single(number: f64) -> bool {
    f64::from(number as f32) == number
}

fn whole(from: u64, to: u64) -> String {
    if to == ANY {
        format!("a whole number, {from} or more")
    } else {
        format!("a whole number from {from} to {to}")
    }
}

fn each(range: Range) -> String {
    let range = range.to_string();
    if range.is_empty() { range } else { format!(", each{range}") }
}

fn is_whole(value: &Value, from: u64, to: u64) -> bool {
    let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
    number.is_some_and(|number| (from..=to).contains(&number))
}

fn is_number(value: &Value, range: Range) -> bool {
    match shortest(value) {
        Value::Integer(number) => range.contains(number as f64),
        Value::Float(number) => range.contains(number),
        _ => false,
    }
}

fn all(list: &[Value], range: Range) -> bool {
    list.iter().all(|value| is_number(value, range))
}

fn are_different(list: &[Value]) -> bool {
    let number = |value: &Value| value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
    let bits: Vec<Option<u32>> =
        list.iter().map(|value| number(value).map(|number| (number as f32).to_bits())).collect();
    (1..bits.len()).all(|at| !bits[..at].contains(&bits[at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_precision_number_at_a_bound_is_inside() {
        assert!(is_number(&Value::Float(f64::from(0.01f32)), Range::closed(0.01, 1.0)));
    }

    #[test]
    fn a_name_is_found_however_it_is_written() {
        let kind = Kind::OneOf(&["adamw", "std-kd"]);
        for (text, name) in
            [("AdamW", "adamw"), ("adam_w", "adamw"), ("STD_KD", "std-kd"), ("stdkd", "std-kd")]
        {
            assert_eq!(kind.read(Value::from(text)), Ok(Value::from(name)));
        }
        assert!(kind.read(Value::from("adam")).is_err());
    }
}
