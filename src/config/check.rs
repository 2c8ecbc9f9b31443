//! Whether a pipeline's values can stand together.

use toml::Value;

use super::Pipeline;
use super::keys::keys;
use super::kind::{Wrong, shortest};
use super::rule::{Invalid, within};
use crate::loss::{Loss, Reads};

impl Pipeline {
    /// Checks every value by its type and range, then what one asks of another: for a pipeline that was not read from a TOML
    /// file, such as that of a finished run.
    ///
    /// # Errors
    /// The first value that can't be, with what is allowed.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let values = Value::try_from(self).map_err(|error| error.to_string())?;
        for key in keys() {
            let value = key.name.split('.').try_fold(&values, |value, part| value.get(part));
            let Some(value) = value else { continue };
            if let Err(wrong) = key.kind.read(value.clone()) {
                let rule = match wrong {
                    Wrong::Expected(expected) => expected,
                    Wrong::Unknown(names) => format!("one of: {}", names.join(", ")),
                    Wrong::Said(sentence) => sentence,
                };
                let value = shortest(value).to_string();
                return Err(Invalid { key: key.name, value, rule }.to_string());
            }
        }
        self.check_rules().map_err(|invalid| invalid.to_string())
    }

    /// Checks what one value asks of another.
    pub(super) fn check_rules(&self) -> Result<(), Invalid> {
        self.teacher.check()?;
        self.cache.check()?;
        self.student.check()?;
        self.train.check()?;
        self.check_kept()
    }

    /// Checks that a cache that does not keep every class holds what the loss reads.
    fn check_kept(&self) -> Result<(), Invalid> {
        let Self { cache, train, .. } = self;
        if cache.encoding.keeps_all() || !train.is_taught() {
            return Ok(());
        }
        let with = format!("with cache.encoding = \"{}\"", cache.encoding.name());
        let fits = |loss: &Loss| loss.declaration().reads != Reads::Logits;
        let names: Vec<String> =
            Loss::ALL.iter().filter(|loss| fits(loss)).map(|loss| format!("\"{}\"", loss.name())).collect();
        let rule =
            format!("{} {with}, since the others compare every class with every other", names.join(" or "));
        within("train.loss", format!("\"{}\"", train.loss.name()), fits(&train.loss), &rule)?;
        let end = train.temperature_end.map_or(String::new(), |end| end.to_string());
        let rule = format!("left out {with}, which knows the mass of the rest only at cache.temperatures");
        within("train.temperature-end", end, train.temperature_end.is_none(), &rule)?;
        let rule = format!(
            "one of cache.temperatures = [{}] {with}, which knows the mass of the rest only there",
            cache.temperatures.iter().map(f32::to_string).collect::<Vec<_>>().join(", ")
        );
        within("train.temperature", train.temperature, cache.temperatures.contains(&train.temperature), &rule)
    }
}
