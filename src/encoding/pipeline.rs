//! Encodings as keys of a pipeline's `[cache]`: `encoding = "top-k"` and `top-k = 10`.

use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserializer, Serializer};

use super::Encoding;
use super::codec::Parameter;
use super::serial::named;

fn parameters() -> impl Iterator<Item = (Encoding, &'static Parameter)> {
    Encoding::all().filter_map(|encoding| Some((encoding, encoding.codec.parameter()?)))
}

pub(crate) fn serialize<S: Serializer>(encoding: &Encoding, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("encoding", encoding.name())?;
    for (of, parameter) in parameters() {
        let given = of.name() == encoding.name() && encoding.parameter > 0;
        if given || parameter.always_written {
            map.serialize_entry(parameter.name(), &given.then_some(encoding.parameter))?;
        }
    }
    map.end()
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Encoding, D::Error> {
    struct Keys;

    impl<'de> Visitor<'de> for Keys {
        type Value = Encoding;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an encoding")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Encoding, A::Error> {
            let (mut encoding, mut given) = (Encoding::FLOAT32, None);
            while let Some(key) = map.next_key::<String>()? {
                if key == "encoding" {
                    encoding = named(&map.next_value::<String>()?, |_| true)?;
                } else if let Some((of, _)) = parameters().find(|(_, parameter)| parameter.name() == key) {
                    let value: Option<u32> = map.next_value()?;
                    given = value.map(|value| (of, value)).or(given);
                } else {
                    return Err(de::Error::custom(format_args!("unknown key `{key}`")));
                }
            }
            if let Some((_, value)) = given.filter(|(of, _)| of.name() == encoding.name()) {
                encoding.parameter = value;
            }
            Ok(encoding)
        }
    }

    deserializer.deserialize_map(Keys)
}
