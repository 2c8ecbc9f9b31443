//! The event file of a run that is interrupted.

use std::fs;
use std::path::Path;

use super::{Board, FILE, FOLDER, event};
use crate::config::Pipeline;
use crate::support::tfrecord::Records;
use crate::train::metrics::Metrics;
use crate::train::record::EpochRecord;
use crate::train::step::StepLoss;

const BATCHES: usize = 4;

fn record(epoch: usize) -> EpochRecord {
    EpochRecord {
        epoch,
        step: epoch * BATCHES,
        lr: 0.1,
        temperature: 5.0,
        lambda: 0.5,
        train_loss: 1.0,
        ce_loss: 1.0,
        kd_loss: 1.0,
        train_accuracy: Some(0.5),
        validation: Metrics::default(),
        best: true,
    }
}

fn pipeline(every: usize) -> Pipeline {
    let mut pipeline = Pipeline::default();
    pipeline.train.tensorboard = every;
    pipeline
}

/// Takes the steps after `from` up to `to`, and ends the epochs on the way.
fn train(run: &Path, from: usize, to: usize) {
    let log: Vec<EpochRecord> = (1..=from / BATCHES).map(record).collect();
    let mut board = Board::open(run, &pipeline(1), from, &log).unwrap();
    for step in from + 1..=to {
        let loss = StepLoss { total: step as f32, ce: 0.0, kd: 0.0, correct: 0.0, gradient_norm: 0.0 };
        board.step(step, &loss, 0.1, 8).unwrap();
        if step.is_multiple_of(BATCHES) {
            board.epoch(&record(step / BATCHES)).unwrap();
        }
    }
}

/// Step and first tag of every event.
fn events(run: &Path) -> Vec<(usize, String)> {
    let file = fs::read(run.join(FOLDER).join(FILE)).unwrap();
    let read = |(content, _): (&[u8], usize)| {
        let (step, tag) = event::step_and_tag(content).unwrap();
        (step, tag.to_owned())
    };
    Records::new(&file).map(read).collect()
}

#[test]
fn a_run_that_goes_on_has_each_step_once() {
    let whole = tempfile::tempdir().unwrap();
    train(whole.path(), 0, 10);
    assert_eq!(events(whole.path()).len(), 3 + 10 + 2);
    assert_eq!(
        events(whole.path())[..4].iter().map(|event| event.1.as_str()).collect::<Vec<_>>(),
        ["", "config", "_hparams_/session_start_info", "train/loss"]
    );
    // Killed after step `reached`, with the last checkpoint at step `saved`.
    for (reached, saved) in [(3, 0), (6, 4), (6, 6), (8, 8), (9, 4)] {
        let broken = tempfile::tempdir().unwrap();
        train(broken.path(), 0, reached);
        train(broken.path(), saved, 10);
        assert_eq!(events(broken.path()), events(whole.path()), "{reached} {saved}");
    }
}

#[test]
fn what_a_crash_took_of_the_finished_epochs_is_written_again() {
    let (whole, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    train(whole.path(), 0, 8);
    train(broken.path(), 0, 8);
    let path = broken.path().join(FOLDER).join(FILE);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    train(broken.path(), 8, 8);
    assert_eq!(events(broken.path()), events(whole.path()));

    fs::write(&path, b"no events at all").unwrap();
    train(broken.path(), 8, 8);
    let epochs: Vec<usize> = events(broken.path())
        .iter()
        .filter(|event| event.1.starts_with("validation/"))
        .map(|event| event.0)
        .collect();
    assert_eq!(epochs, [4, 8]);
}

#[test]
fn every_few_steps_means_so_and_0_means_no_file() {
    let run = tempfile::tempdir().unwrap();
    let loss = StepLoss { total: 1.0, ce: 0.0, kd: 0.0, correct: 0.0, gradient_norm: 0.0 };
    let mut board = Board::open(run.path(), &pipeline(0), 0, &[]).unwrap();
    board.step(1, &loss, 0.1, 8).unwrap();
    assert!(!run.path().join(FOLDER).exists());
    let mut board = Board::open(run.path(), &pipeline(3), 0, &[]).unwrap();
    for step in 1..=7 {
        board.step(step, &loss, 0.1, 8).unwrap();
    }
    let steps: Vec<usize> = events(run.path()).iter().skip(3).map(|event| event.0).collect();
    assert_eq!(steps, [3, 6]);
}

#[test]
fn hyper_parameters_are_what_decides_the_student_and_none_is_a_place() {
    let found = super::hyper_parameters(&pipeline(1));
    assert_eq!(found["train.lambda"], serde_json::json!(0.9));
    assert_eq!(found["cache.views"], 4);
    assert!(found.keys().all(|key| key != "train.dir" && key != "train.tensorboard"), "{found:?}");
}
