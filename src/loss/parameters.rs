//! The values of losses' parameters in a pipeline.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Loss, Parameter};

/// The values of every loss's parameters: `[train.dkd]`, `[train.dist]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LossParameters(BTreeMap<Loss, Vec<f32>>);

impl LossParameters {
    /// The values of `loss`'s parameters, in the order of its declaration.
    pub fn of(&self, loss: Loss) -> &[f32] {
        self.0.get(&loss).map_or(&[], Vec::as_slice)
    }

    /// The same with other values for `loss`.
    ///
    /// # Panics
    /// When there are not as many as the loss has parameters.
    #[must_use]
    pub fn with(mut self, loss: Loss, values: &[f32]) -> Self {
        assert_eq!(values.len(), loss.declaration().parameters.len(), "one value for each parameter");
        self.0.insert(loss, values.to_vec());
        self
    }

    fn losses() -> impl Iterator<Item = Loss> {
        Loss::ALL.iter().copied().filter(|loss| !loss.declaration().parameters.is_empty())
    }

    fn defaults(loss: Loss) -> Vec<f32> {
        loss.declaration().parameters.iter().map(|parameter| parameter.default).collect()
    }
}

impl Default for LossParameters {
    fn default() -> Self {
        Self(Self::losses().map(|loss| (loss, Self::defaults(loss))).collect())
    }
}

/// Writes a table for each loss. Only the losses of 0.1.0 are written at their defaults, so that the keys of its runs stay.
impl Serialize for LossParameters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for loss in Self::losses() {
            let values = self.of(loss);
            let is_old = matches!(loss, Loss::Dkd | Loss::Dist);
            if is_old || *values != Self::defaults(loss) {
                map.serialize_entry(loss.name(), &Table(loss, values))?;
            }
        }
        map.end()
    }
}

struct Table<'a>(Loss, &'a [f32]);

impl Serialize for Table<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names = self.0.declaration().parameters.iter().map(Parameter::name);
        serializer.collect_map(names.zip(self.1))
    }
}

impl<'de> Deserialize<'de> for LossParameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tables;

        impl<'de> Visitor<'de> for Tables {
            type Value = LossParameters;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("parameters of losses")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LossParameters, A::Error> {
                let unknown = |name: &str| de::Error::custom(format_args!("unknown key `{name}`"));
                let mut found = LossParameters::default();
                while let Some(name) = map.next_key::<String>()? {
                    let loss = LossParameters::losses().find(|loss| loss.name() == name);
                    let loss = loss.ok_or_else(|| unknown(&name))?;
                    let mut values = LossParameters::defaults(loss);
                    for (name, value) in map.next_value::<BTreeMap<String, f32>>()? {
                        let mut parameters = loss.declaration().parameters.iter();
                        let at = parameters.position(|parameter| parameter.name() == name);
                        values[at.ok_or_else(|| unknown(&name))?] = value;
                    }
                    found.0.insert(loss, values);
                }
                Ok(found)
            }
        }

        deserializer.deserialize_map(Tables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_is_a_key_of_its_loss() {
        for &loss in Loss::ALL {
            for parameter in loss.declaration().parameters {
                assert_eq!(parameter.key, format!("train.{}.{}", loss.name(), parameter.name()));
                assert!(parameter.range.contains(f64::from(parameter.default)), "{}", parameter.key);
            }
        }
    }

    #[test]
    fn parameters_read_back_as_written() {
        let parameters = LossParameters::default().with(Loss::Dist, &[2.0, 0.9]);
        let text = serde_json::to_string(&parameters).unwrap();
        assert_eq!(text, r#"{"dkd":{"alpha":1.0,"beta":8.0},"dist":{"beta":2.0,"gamma":0.9}}"#);
        assert_eq!(serde_json::from_str::<LossParameters>(&text).unwrap(), parameters);
        for unknown in [r#"{"kd":{}}"#, r#"{"dkd":{"gamma":1}}"#] {
            let error = serde_json::from_str::<LossParameters>(unknown).unwrap_err();
            assert!(error.to_string().contains("unknown key"), "{error}");
        }
    }
}
