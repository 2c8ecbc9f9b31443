//! On a GPU no step waits for the host: losses are read once in `train.tensorboard` steps, and the results are the same bits.

use std::fs;
use std::path::Path;

use decant::runs;
use decant::store::Encoding;
use decant::support::context::Context;
use decant::train::{self, Outcome, Setup};

use crate::controls::Workshop;

const EPOCHS: usize = 2;
const EVERY: usize = 5;

#[test]
fn the_device_is_read_once_in_n_steps_and_the_run_has_the_same_bits() {
    let workshop = Workshop::new(Encoding::FLOAT32);
    // The CPU stands in for the GPU: what it is asked to do is the same.
    let train = |on_host: bool| {
        let mut pipeline = workshop.pipeline.clone();
        let train = &mut pipeline.train;
        (train.epochs, train.batch_size, train.tensorboard) = (EPOCHS, 2, EVERY);
        train.dir = train.dir.join(on_host.to_string());
        let mut setup = Setup::new(pipeline, None, Path::new("gray.toml"), &Context::silent()).unwrap();
        setup.device.is_host = on_host;
        let before = train::reads();
        let outcome = runs::train(&setup, &Context::silent(), &mut |_| {}).unwrap();
        let Outcome::Done { result, .. } = outcome else { panic!("it trains to its end") };
        let epochs = fs::read(setup.folder.join("metrics.jsonl")).unwrap();
        (result.weights, epochs, train::reads() - before)
    };
    let (weights, epochs, reads_of_cpu) = train(true);
    let (same_weights, same_epochs, reads) = train(false);
    assert_eq!(same_weights, weights);
    assert_eq!(same_epochs, epochs);
    // 24 images, 2 a step; an epoch's end reads what is left of it. Validation is one batch, after each epoch and at the end, and
    // so is the test split.
    let steps = 12;
    let evaluations = EPOCHS + 2;
    assert!(reads <= EPOCHS * (steps / EVERY + 1) + evaluations, "{reads} reads");
    assert!(reads_of_cpu >= EPOCHS * steps, "{reads_of_cpu} reads of the CPU");
}
