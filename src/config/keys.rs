//! All keys of a pipeline file, found by name.

use std::ops::Deref;
use std::sync::LazyLock;

use toml::Value;

use super::Pipeline;
use super::key::{Condition, Declared, Facts};
use super::kind::shortest;
use super::{cache, dataset, pipeline, student, sweep, teacher_keys, train_keys};

/// A key of a pipeline file, as it is declared beside its field.
pub(crate) struct Key {
    facts: Facts,
    conditions: Vec<Reader>,
}

/// A condition under which a key is read.
pub(crate) struct Reader {
    /// The end of `it is read only ...`.
    pub text: &'static str,
    /// Settings with which it holds, each `KEY=VALUE`.
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests of every key read it"))]
    pub with: &'static [&'static str],
    /// Settings with which it does not.
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests of every key read it"))]
    pub without: &'static [&'static str],
    holds: Holds,
}

/// Whether a pipeline reads a key.
type Holds = Box<dyn Fn(&Pipeline) -> bool + Send + Sync>;

impl Deref for Key {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.facts
    }
}

impl Key {
    /// The key `declared` of a section that lies in a pipeline.
    fn new<S: 'static>(section: fn(&Pipeline) -> &S, declared: Declared<S>) -> Self {
        let Declared { facts, conditions } = declared;
        let of_pipeline = |Condition { holds, text, with, without }: Condition<S>| {
            let holds: Holds = Box::new(move |pipeline| holds(section(pipeline), facts.name));
            Reader { text, with, without, holds }
        };
        let conditions = conditions.into_iter().flatten().map(of_pipeline).collect();
        Self { facts, conditions }
    }

    /// The section that it stands in: `train` for `train.lr`; empty for a key outside of all sections.
    pub(crate) fn section(&self) -> &'static str {
        self.name.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// All that must hold so that it is read; nothing where it always is.
    pub(crate) fn readers(&self) -> &[Reader] {
        &self.conditions
    }

    /// The condition under which it is read, where `pipeline` does not read it: the end of `it is read only ...`.
    pub(crate) fn unread(&self, pipeline: &Pipeline) -> Option<&'static str> {
        self.conditions.iter().find(|reader| !(reader.holds)(pipeline)).map(|reader| reader.text)
    }

    /// Whether each condition holds with one of these pipelines at least.
    pub(crate) fn can_be_read<'a>(&self, pipelines: impl Iterator<Item = &'a Pipeline> + Clone) -> bool {
        self.conditions.iter().all(|reader| pipelines.clone().any(&reader.holds))
    }

    /// Its default as a pipeline file has it; nothing where it has none.
    pub(crate) fn default(&self) -> Option<Value> {
        let defaults = Value::try_from(Pipeline::default()).ok()?;
        let default = self.name.split('.').try_fold(&defaults, |value, part| value.get(part))?;
        Some(shortest(default))
    }
}

/// Every key, in the order of the sections.
pub(crate) fn keys() -> &'static [Key] {
    fn all<S: 'static>(section: fn(&Pipeline) -> &S, declared: &[Declared<S>]) -> Vec<Key> {
        declared.iter().map(|key| Key::new(section, *key)).collect()
    }

    static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
        let sections = [
            all(|pipeline| pipeline, pipeline::KEYS),
            all(|pipeline| &pipeline.dataset, dataset::KEYS),
            all(|pipeline| &pipeline.teacher, teacher_keys::KEYS),
            all(|pipeline| &pipeline.cache, &cache::keys()),
            all(|pipeline| &pipeline.student, student::KEYS),
            all(|pipeline| &pipeline.train, train_keys::KEYS),
            all(|pipeline| &pipeline.train, &train_keys::loss_keys()),
            all(|pipeline| &pipeline.sweep, sweep::KEYS),
        ];
        sections.into_iter().flatten().collect()
    });
    &KEYS
}

/// The key of this dotted name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    keys().iter().find(|key| key.name == name)
}

/// Whether `name` is a section: `train`, `train.dkd`.
pub(super) fn is_section(name: &str) -> bool {
    keys().iter().any(|key| is_inside(key.name, name))
}

/// The members of a section, keys and sections, in their order.
pub(super) fn members(section: &str) -> Vec<&'static str> {
    let mut members: Vec<&str> = Vec::new();
    for key in keys() {
        let rest = if section.is_empty() { Some(key.name) } else { after(key.name, section) };
        let member = rest.and_then(|rest| rest.split('.').next());
        if let Some(member) = member.filter(|member| !members.contains(member)) {
            members.push(member);
        }
    }
    members
}

/// The advice for the unknown key `name` of `section`: a key of ours for one of another program, the nearest one
/// of the section, the one of this name in another section, or all that there are.
pub(super) fn hint(section: &str, name: &str) -> String {
    let shown = |key: &'static str| {
        let short = after(key, section).filter(|rest| !section.is_empty() && !rest.contains('.'));
        format!("did you mean `{}`?", short.unwrap_or(key))
    };
    let known = || keys().iter().filter(|key| !key.section().starts_with("sweep"));
    let also = || known().filter(|key| key.also.contains(&name));
    if !section.is_empty()
        && let Some(key) = also().find(|key| key.section() == section)
    {
        return shown(key.name);
    }
    let members = members(section);
    if let Some(nearest) = nearest(name, members.iter().copied()) {
        return format!("did you mean `{nearest}`?");
    }
    let is_inside_a_section = section.contains('.');
    let elsewhere = || known().filter(|key| last(key.name) == name);
    let names: Vec<String> = elsewhere().map(|key| format!("`{}`", key.name)).collect();
    if !names.is_empty() && !is_inside_a_section {
        let confused = elsewhere().find(|key| names.len() > 1 && !key.hint.is_empty());
        let more = confused.map(|key| format!(" ({})", key.hint)).unwrap_or_default();
        return format!("did you mean {}{more}?", names.join(" or "));
    }
    if let Some(key) = also().next() {
        return shown(key.name);
    }
    let of_section = || known().filter(|key| key.section() == section);
    if let Some(near) = nearest(name, of_section().flat_map(|key| key.also).copied())
        && let Some(key) = of_section().find(|key| key.also.contains(&near))
    {
        return shown(key.name);
    }
    if section.is_empty()
        && let Some(key) = nearest(name, keys().iter().map(|key| last(key.name)))
        && let Some(key) = keys().iter().find(|candidate| last(candidate.name) == key)
    {
        return shown(key.name);
    }
    format!("expected one of: {}", members.join(", "))
}

/// The candidate that `name` is most likely a slip of.
pub(super) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |candidate: &str| strsim::damerau_levenshtein(name, candidate);
    let nearest = candidates.map(|candidate| (distance(candidate), candidate)).min_by_key(|pair| pair.0);
    let enough = name.chars().count() / 3;
    nearest.filter(|(distance, _)| *distance <= enough.max(1)).map(|(_, candidate)| candidate)
}

/// The rest of a dotted name after `section.`.
fn after<'a>(name: &'a str, section: &str) -> Option<&'a str> {
    name.strip_prefix(section)?.strip_prefix('.')
}

/// Whether `name` lies below `section`.
fn is_inside(name: &str, section: &str) -> bool {
    after(name, section).is_some()
}

fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// A name in the form in which keys are compared: `batch_size` and `Batch-Size` are `batch-size`.
pub(crate) fn canonical(name: &str) -> String {
    name.trim().to_lowercase().replace('_', "-")
}
