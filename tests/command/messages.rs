//! What decant says to bad input, command by command, so that the language can be reviewed in one place.

use std::fs;

use crate::common::{TINY, Workshop};

/// Commands that are refused before anything exists, and what they are told.
const WITHOUT_ANYTHING: [&str; 46] = [
    "teacher-cache -p missing.toml",
    "teacher-cache -p folder",
    "teacher-cache -p tiny.toml --shard 4/4",
    "teacher-cache -p tiny.toml --device gpu",
    "teacher-cache -p tiny.toml --set teacher.model=missing.onnx",
    "teacher-cache -p tiny.toml --set teacher.model=notes.txt",
    "teacher-cache -p tiny.toml --set cache.encoding=float8",
    "teacher-cache -p tiny.toml --set cache.encoding=top-k",
    "teacher-cache -p tiny.toml --set cache.temperatures=[0]",
    "teacher-cache -p tiny.toml --set cache.views=0",
    "teacher-cache -p tiny.toml --set dataset.source=missing",
    "teacher-cache -p tiny.toml --set dataset.source=notes.txt",
    "teacher-cache -p tiny.toml --set dataset.source=folder",
    "teacher-cache -p tiny.toml --set dataset.source=flat",
    "teacher-cache -p tiny.toml --set dataset.source=s3://bucket/images",
    "train-student -p tiny.toml",
    "train-student -p tiny.toml --cache missing",
    "train-student -p tiny.toml --lambda 2",
    "train-student -p tiny.toml --lambda=-1",
    "train-student -p tiny.toml --loss KD2",
    "train-student -p tiny.toml --epochs 0",
    "train-student -p tiny.toml --batch-size 0",
    "train-student -p tiny.toml --lr fast",
    "train-student -p tiny.toml --device cuda:0",
    "train-student -p tiny.toml --resume yes",
    "train-student -p tiny.toml --set train.lerning-rate=1",
    "train-student -p tiny.toml --set train.learning_rate=1e-3",
    "train-student -p tiny.toml --set lr=1e-3",
    "train-student -p tiny.toml --set train.alpha=0.5",
    "train-student -p tiny.toml --set train.epochs=3.5",
    "train-student -p tiny.toml --set train.epochs",
    "train-student -p tiny.toml --set student.image-size=31",
    "train-student -p tiny.toml --set student.init=missing",
    "sweep -p tiny.toml",
    "evaluate --run missing",
    "evaluate --run folder",
    "predict --run missing image.jpg",
    "export --run missing --to hf",
    "compare missing --against missing",
    "report missing",
    "report notes.txt",
    "cache ls --cache-dir missing",
    "cache inspect missing",
    "cache verify folder",
    "cache unpack notes.txt",
    "data inspect -p missing.toml",
];

/// Commands that are refused where a cache and a run exist.
const WITH_A_RUN: [&str; 13] = [
    "train-student -p tiny.toml --resume runs/missing",
    "evaluate --run runs/tinny",
    "evaluate tinny",
    "predict --run runs/tiny",
    "predict --run runs/tiny missing.jpg",
    "predict --run runs/tiny notes.txt",
    "predict --run runs/tiny folder",
    "export --run runs/tiny --to hf --out kept",
    "report runs/tiny -o notes.txt",
    "cache soften cache/tiny --temperature 0",
    "cache rm cache/tiny",
    "cache pack cache/tiny notes.txt",
    "cache verify cache/tiny --recompute 3",
];

fn said(workshop: &Workshop, commands: &[&str]) -> String {
    let messages = commands.iter().map(|command| {
        let arguments: Vec<&str> = command.split(' ').collect();
        let (code, said) = workshop.refused(&arguments);
        assert_ne!(code, 101, "{command}: {said}");
        assert!(code != 0, "{command} was accepted");
        format!("$ decant {command}\n[{code}] {}\n", said.trim_end())
    });
    messages.collect::<Vec<_>>().join("\n")
}

fn workshop() -> Workshop {
    let workshop = Workshop::new();
    workshop.file("tiny.toml", TINY);
    workshop.file("empty.toml", "");
    workshop.file("notes.txt", "hello");
    workshop.file("flat/notes.txt", "hello");
    workshop.file("kept/README.md", "mine");
    fs::create_dir(workshop.path().join("folder")).unwrap();
    workshop
}

#[test]
fn bad_input_is_answered_in_plain_sentences() {
    insta::assert_snapshot!(said(&workshop(), &WITHOUT_ANYTHING));
}

#[test]
fn bad_input_beside_a_run_is_answered_in_plain_sentences() {
    let workshop = workshop();
    workshop.done(&["teacher-cache", "-p", "tiny.toml"]);
    workshop.done(&["train-student", "-p", "tiny.toml"]);
    fs::rename(workshop.only("cache", "tiny-"), workshop.path().join("cache/tiny")).unwrap();
    fs::rename(workshop.only("runs", "tiny-"), workshop.path().join("runs/tiny")).unwrap();
    insta::assert_snapshot!(said(&workshop, &WITH_A_RUN));
    let kept = fs::read_to_string(workshop.path().join("kept/README.md")).unwrap();
    assert_eq!(
        (kept.as_str(), fs::read_to_string(workshop.path().join("notes.txt")).unwrap().as_str()),
        ("mine", "hello")
    );
}
