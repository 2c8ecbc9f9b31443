//! Encodings in a manifest, and as keys of `[cache]`.

use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Encoding;

/// In a manifest: `"float32"`, or `{"top-k": 10}`.
impl Serialize for Encoding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.parameter() {
            Some((_, value)) => serializer.collect_map([(self.name(), value)]),
            None => serializer.serialize_str(self.name()),
        }
    }
}

impl<'de> Deserialize<'de> for Encoding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        impl<'de> Visitor<'de> for Written {
            type Value = Encoding;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an encoding")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Encoding, E> {
                named(name, |encoding| encoding.codec.parameter().is_none())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Encoding, A::Error> {
                let expected = || de::Error::custom("an encoding has one name");
                let (name, parameter) = map.next_entry::<String, u32>()?.ok_or_else(expected)?;
                if map.next_key::<String>()?.is_some() {
                    return Err(expected());
                }
                let encoding = named(&name, |encoding| encoding.codec.parameter().is_some())?;
                Ok(Encoding { parameter, ..encoding })
            }
        }

        deserializer.deserialize_any(Written)
    }
}

/// The encoding of a name.
pub(super) fn named<E: de::Error>(name: &str, fits: impl Fn(&Encoding) -> bool) -> Result<Encoding, E> {
    let found = Encoding::all().find(|encoding| encoding.name() == name && fits(encoding));
    found.ok_or_else(|| de::Error::unknown_variant(name, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_reads_back_what_it_wrote() {
        for (encoding, text) in [
            (Encoding::FLOAT32, r#""float32""#),
            (Encoding::FLOAT16, r#""float16""#),
            (Encoding::top_k(10), r#"{"top-k":10}"#),
        ] {
            assert_eq!(serde_json::to_string(&encoding).unwrap(), text);
            assert_eq!(serde_json::from_str::<Encoding>(text).unwrap(), encoding);
        }
        for wrong in
            [r#""top-k""#, r#"{"float32":1}"#, r#"{"top-k":1,"float16":2}"#, r#""float8""#, "{}", "3"]
        {
            assert!(serde_json::from_str::<Encoding>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_and_parameters_are_distinct() {
        let mut names: Vec<&str> = Encoding::all().map(Encoding::name).collect();
        names.extend(Encoding::all().filter_map(|encoding| Some(encoding.codec.parameter()?.name())));
        names.sort_unstable();
        // An encoding may have the name of its own parameter.
        let repeated = names.windows(2).filter(|pair| pair[0] == pair[1]).count();
        let own = Encoding::all().filter(|encoding| {
            encoding.codec.parameter().is_some_and(|parameter| parameter.name() == encoding.name())
        });
        assert_eq!(repeated, own.count());
    }
}
