//! A number that may be left to a measurement.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A number of things, or `auto`: what a short measurement finds best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Count {
    /// To be measured.
    #[default]
    Auto,
    /// This many.
    Is(usize),
}

impl Count {
    /// The number, where there is one.
    pub(crate) fn given(self) -> Option<usize> {
        match self {
            Self::Auto => None,
            Self::Is(number) => Some(number),
        }
    }
}

/// As a pipeline file has it.
impl fmt::Display for Count {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => formatter.write_str("auto"),
            Self::Is(number) => write!(formatter, "{number}"),
        }
    }
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Is(number) => serializer.serialize_u64(*number as u64),
        }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Count;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a number or \"auto\"")
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Count, E> {
                let refused = |_| E::invalid_value(de::Unexpected::Signed(value), &self);
                usize::try_from(value).map(Count::Is).map_err(refused)
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Count, E> {
                let refused = |_| E::invalid_value(de::Unexpected::Unsigned(value), &self);
                usize::try_from(value).map(Count::Is).map_err(refused)
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Count, E> {
                match value {
                    "auto" => Ok(Count::Auto),
                    _ => Err(E::invalid_value(de::Unexpected::Str(value), &self)),
                }
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, Serialize)]
    struct Section {
        count: Count,
    }

    #[test]
    fn numbers_and_auto_read_back_as_written() {
        for (text, count) in [("count = 12\n", Count::Is(12)), ("count = \"auto\"\n", Count::Auto)] {
            let section: Section = toml::from_str(text).unwrap();
            assert_eq!((section.count, toml::to_string(&section).unwrap().as_str()), (count, text));
        }
    }

    #[test]
    fn anything_else_says_what_is_expected() {
        for text in ["count = -1", "count = \"many\"", "count = 1.5", "count = true"] {
            let message = toml::from_str::<Section>(text).unwrap_err().message().to_owned();
            assert!(message.contains("expected a number or \"auto\""), "{text}: {message}");
        }
    }
}
