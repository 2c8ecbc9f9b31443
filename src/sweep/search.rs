//! `[sweep.search]`: axes whose values are drawn.

use rand::Rng;
use toml::Value;

use super::Error;
use super::grid::{flatten, refuse_common};
use super::value::Values;
use crate::config::{Assignment, Pipeline, Search, Source};
use crate::support::rng;

/// The distribution that one key is drawn from.
enum Range {
    Uniform([f64; 2]),
    Log([f64; 2]),
    Choice(Vec<Value>),
}

struct Drawn {
    key: String,
    place: String,
    range: Range,
    /// The key takes whole numbers.
    whole: bool,
}

/// The draws, one after another; a single empty one where there is no search.
pub(super) fn draws(source: &Source, base: &Pipeline) -> Result<Vec<Vec<Assignment>>, Error> {
    let Some(search) = &base.sweep.search else { return Ok(vec![Vec::new()]) };
    let axes = read(source, base, search)?;
    let draw = |index: usize| {
        axes.iter()
            .map(|axis| Assignment {
                key: axis.key.clone(),
                value: axis.draw(search.seed, index as u64),
                place: axis.place.clone(),
            })
            .collect()
    };
    Ok((0..search.budget).map(draw).collect())
}

fn read(source: &Source, base: &Pipeline, search: &Search) -> Result<Vec<Drawn>, Error> {
    let values = Values::of(base);
    let mut axes = Vec::new();
    for (section, table) in [("student", &search.student), ("train", &search.train)] {
        for given in flatten(section, table, &|key| source.place(&format!("sweep.search.{key}"))) {
            refuse_common(&given)?;
            let whole = matches!(values.get(&given.key), Some(Value::Integer(_)));
            axes.push(Drawn::read(given, whole)?);
        }
    }
    if axes.is_empty() {
        return Err(Error::Axis {
            place: source.place("sweep.search"),
            key: "sweep.search".to_owned(),
            value: "no range".to_owned(),
            expected: "a key to draw, such as train.lr = { log = [1e-4, 1e-2] }",
        });
    }
    Ok(axes)
}

impl Drawn {
    fn read(given: Assignment, whole: bool) -> Result<Self, Error> {
        let Assignment { key, value, place } = given;
        let range = match &value {
            Value::Array(list) if !list.is_empty() => Some(Range::Choice(list.clone())),
            Value::Table(table) if table.len() == 1 => {
                let bounds = |name: &str| table.get(name).and_then(bounds);
                let log = bounds("log").filter(|[from, _]| *from > 0.0).map(Range::Log);
                bounds("uniform").map(Range::Uniform).or(log)
            }
            _ => None,
        };
        match range {
            Some(range) => Ok(Self { key, place, range, whole }),
            None => Err(Error::Axis {
                place,
                key,
                value: value.to_string(),
                expected: "a list, { uniform = [from, to] } or { log = [from, to] } with from above 0, from below to",
            }),
        }
    }

    /// The value of draw `index`.
    fn draw(&self, seed: u64, index: u64) -> Value {
        let mut rng = rng::keyed(&format!("sweep search {}", self.key), &[seed, index]);
        let number = match &self.range {
            Range::Choice(values) => return values[rng.random_range(0..values.len())].clone(),
            Range::Uniform([from, to]) => rng.random_range(*from..=*to),
            // In two steps, since a power may round past the bound.
            Range::Log([from, to]) => libm::exp(rng.random_range(from.ln()..=to.ln())).clamp(*from, *to),
        };
        let [from, to] = match self.range {
            Range::Uniform(bounds) | Range::Log(bounds) => bounds,
            Range::Choice(_) => unreachable!("returned above"),
        };
        if self.whole {
            return Value::Integer(number.round().clamp(from.ceil(), to.floor()) as i64);
        }
        let rounded: f64 = format!("{number:.2e}").parse().unwrap_or(number);
        Value::Float(rounded.clamp(from, to))
    }
}

/// `[from, to]`, in this order.
fn bounds(value: &Value) -> Option<[f64; 2]> {
    let number = |value: &Value| value.as_float().or_else(|| value.as_integer().map(|number| number as f64));
    match value.as_array()?.as_slice() {
        [from, to] => Some([number(from)?, number(to)?]).filter(|[from, to]| from < to && to.is_finite()),
        _ => None,
    }
}
