//! The part that each key of a pipeline file has in a run's result, from the keys' declarations.

use crate::config;

pub(crate) use crate::config::Role;

/// The role of a dotted key; nothing for one that is not declared.
pub(crate) fn role(key: &str) -> Option<Role> {
    config::keys().iter().find(|known| is_of(key, known.name)).map(|known| known.role)
}

/// Whether `key` belongs to the teacher's term of the loss.
pub(crate) fn is_teachers(key: &str) -> bool {
    role(key) == Some(Role::TeacherTerm)
}

/// The keys of the teacher's term.
pub(crate) fn teacher_term() -> impl Iterator<Item = &'static str> {
    config::keys().iter().filter(|key| key.role == Role::TeacherTerm).map(|key| key.name)
}

/// Whether `key` is `name`, or in the section of that name.
pub(crate) fn is_of(key: &str, name: &str) -> bool {
    key.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::super::recipe::flatten;
    use super::*;
    use crate::config::{self, Pipeline, Train};

    #[test]
    fn every_key_has_a_role() {
        // Keys that are only written where they are given.
        let teacher = config::Teacher {
            classes: Some(vec!["a".to_owned()]),
            match_classes: config::ClassMatching::Index,
            mean: Some([0.5; 3]),
            std: Some([0.5; 3]),
            image_size: Some(config::ImageSize::Square(224)),
            resample: Some(config::Filter::Bicubic),
            crop_pct: Some(0.9),
            ..config::Teacher::default()
        };
        let student = config::Student { width: Some(1.0), dropout: Some(0.2), ..config::Student::default() };
        let train = Train {
            name: Some("a".to_owned()),
            tags: vec!["b".to_owned()],
            warmup_ratio: Some(0.1),
            ..Train::default()
        };
        let keys = flatten(&Pipeline { teacher, student, train, ..Pipeline::default() });
        let without: Vec<&String> = keys.keys().filter(|key| role(key).is_none()).collect();
        assert!(without.is_empty(), "{without:?} need a declaration in their section's file");
    }

    #[test]
    fn what_decides_nothing_is_not_in_a_runs_key() {
        let mut train = Train::default();
        train.tensorboard += 1;
        train.checkpoint_steps += 1;
        train.checkpoint_minutes += 1.0;
        train.keep_checkpoints += 1;
        train.dir = "elsewhere".into();
        train.name = Some("name".to_owned());
        train.tags = vec!["tag".to_owned()];
        let changed = flatten(&train.deciding());
        for (key, value) in flatten(&Train::default().deciding()) {
            let decides = !matches!(role(&format!("train.{key}")), Some(Role::Machine | Role::Name));
            assert!(changed[&key] == value || decides, "{key}");
        }
        assert_eq!(train.deciding(), Train::default().deciding());
    }
}
