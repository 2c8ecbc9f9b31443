//! The part that each key of a pipeline file has in a run's result.

/// What a key is to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It decides what a student learns.
    Decides,
    /// It decides it through the teacher's term of the loss: a student from the labels only does not depend on it.
    TeacherTerm,
    /// It is repeated over: runs that differ in it only are one configuration.
    Seed,
    /// It says how this machine works, and decides nothing.
    Machine,
    /// It names something, and decides nothing.
    Name,
}

/// The keys and, with everything below them, the sections.
const ROLES: [(&str, Role); 79] = [
    ("name", Role::Name),
    ("dataset", Role::Decides),
    ("teacher.model", Role::Decides),
    ("teacher.classes", Role::Decides),
    ("teacher.match-classes", Role::Decides),
    ("teacher.mean", Role::Decides),
    ("teacher.std", Role::Decides),
    ("teacher.image-size", Role::Decides),
    ("teacher.resample", Role::Decides),
    ("teacher.crop-pct", Role::Decides),
    ("teacher.checkpoint", Role::Name),
    ("teacher.device", Role::Machine),
    ("teacher.batch-size", Role::Decides),
    ("teacher.threads", Role::Machine),
    ("teacher.sessions", Role::Machine),
    ("teacher.gpu.tf32", Role::Decides),
    ("teacher.gpu.graph", Role::Machine),
    ("teacher.gpu.tensorrt-fp16", Role::Decides),
    ("teacher.gpu.tensorrt-cache", Role::Machine),
    ("cache.name", Role::Name),
    ("cache.dir", Role::Name),
    // Which temperatures are stored decides nothing: train.temperature says which is read.
    ("cache.temperatures", Role::Machine),
    ("cache.views", Role::Decides),
    ("cache.seed", Role::Decides),
    ("cache.shard-rows", Role::Machine),
    ("cache.encoding", Role::Decides),
    ("cache.top-k", Role::Decides),
    ("cache.zstd", Role::Machine),
    ("cache.view", Role::Decides),
    ("student.architecture", Role::Decides),
    ("student.width", Role::Decides),
    ("student.image-size", Role::Decides),
    ("student.dropout", Role::Decides),
    ("student.batch-norm-momentum", Role::Decides),
    ("student.init", Role::Decides),
    ("student.freeze", Role::Decides),
    ("student.image-mean", Role::Decides),
    ("student.image-std", Role::Decides),
    ("train.loss", Role::TeacherTerm),
    ("train.temperature", Role::TeacherTerm),
    ("train.temperature-end", Role::TeacherTerm),
    ("train.lambda", Role::TeacherTerm),
    ("train.lambda-end", Role::TeacherTerm),
    ("train.ramp", Role::TeacherTerm),
    ("train.dkd", Role::TeacherTerm),
    ("train.dist", Role::TeacherTerm),
    ("train.control", Role::TeacherTerm),
    ("train.label-smoothing", Role::Decides),
    ("train.epochs", Role::Decides),
    ("train.batch-size", Role::Decides),
    ("train.accumulate", Role::Decides),
    ("train.drop-last", Role::Decides),
    ("train.optimizer", Role::Decides),
    ("train.lr", Role::Decides),
    ("train.min-lr", Role::Decides),
    ("train.weight-decay", Role::Decides),
    ("train.decay-norm-and-bias", Role::Decides),
    ("train.betas", Role::Decides),
    ("train.eps", Role::Decides),
    ("train.momentum", Role::Decides),
    ("train.nesterov", Role::Decides),
    ("train.alpha", Role::Decides),
    ("train.max-grad-norm", Role::Decides),
    ("train.schedule", Role::Decides),
    ("train.warmup-steps", Role::Decides),
    ("train.warmup-epochs", Role::Decides),
    ("train.warmup-ratio", Role::Decides),
    ("train.ema", Role::Decides),
    ("train.class-weights", Role::Decides),
    ("train.seed", Role::Seed),
    ("train.tensorboard", Role::Machine),
    ("train.checkpoint-steps", Role::Machine),
    ("train.checkpoint-minutes", Role::Machine),
    ("train.keep-checkpoints", Role::Machine),
    ("train.device", Role::Machine),
    ("train.dir", Role::Name),
    ("train.name", Role::Name),
    ("train.tags", Role::Name),
    ("sweep", Role::Name),
];

/// The role of a dotted key; nothing for a key that has none yet.
pub fn role(key: &str) -> Option<Role> {
    ROLES.iter().find(|(name, _)| is_of(key, name)).map(|(_, role)| *role)
}

/// Whether `key` belongs to the teacher's term of the loss.
pub fn is_teachers(key: &str) -> bool {
    role(key) == Some(Role::TeacherTerm)
}

/// The keys and sections of the teacher's term.
pub fn teacher_term() -> impl Iterator<Item = &'static str> {
    ROLES.iter().filter(|(_, role)| *role == Role::TeacherTerm).map(|(name, _)| *name)
}

/// Whether `key` is `name`, or in the section of that name.
pub fn is_of(key: &str, name: &str) -> bool {
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
            resample: Some(config::Resample::Bicubic),
            crop_pct: Some(0.9),
            ..config::Teacher::default()
        };
        let train = Train { name: Some("a".to_owned()), tags: vec!["b".to_owned()], ..Train::default() };
        let keys = flatten(&Pipeline { teacher, train, ..Pipeline::default() });
        let without: Vec<&String> = keys.keys().filter(|key| role(key).is_none()).collect();
        assert!(without.is_empty(), "{without:?} need a role");
        let unknown = ROLES.iter().filter(|(name, _)| !keys.keys().any(|key| is_of(key, name)));
        assert_eq!(unknown.map(|(name, _)| *name).collect::<Vec<_>>(), ["sweep"]);
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
