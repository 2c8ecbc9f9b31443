//! SIGKILL at any moment: a rerun ends with the bytes of an uninterrupted run, and leaves nothing else behind.

use std::path::Path;
use std::time::{Duration, Instant};

use decant::support::rng;
use rand::Rng;

use crate::common::Workshop;
use crate::safety::gallery::{assert_same, files, spawn, workshop};

/// Files that say when things happened or how long they took, which is no part of what a run is.
const OF_TIME: [&str; 2] = ["timing.json", "events.out.tfevents.decant"];

/// How many times each stage is killed; `DECANT_KILLS` asks for more.
fn kills(default: u32) -> u32 {
    std::env::var("DECANT_KILLS").map_or(default, |kills| kills.parse().expect("DECANT_KILLS is a number"))
}

/// Runs a command, and kills it at a moment drawn from `0..longest`; false when it had ended before, well.
fn killed(workshop: &Workshop, args: &[&str], longest: Duration, rng: &mut impl Rng) -> bool {
    let mut child = spawn(workshop.decant().args(args));
    let moment = Instant::now() + longest.mul_f64(rng.random());
    while Instant::now() < moment {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return false;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    child.kill().unwrap();
    // It may have ended by itself in the same instant.
    !child.wait().unwrap().success()
}

/// Kills `args` again and again, each time going on with what is in `folder`; whenever a run gets to its end, `folder` must be
/// as `whole` has it, and is deleted.
fn kill_and_compare(workshop: &Workshop, args: &[&str], folder: &str, count: u32, skip: &[&str]) {
    let whole_args = [args, &["--cache-dir", "cache"]].concat();
    let started = Instant::now();
    workshop.done(&whole_args);
    let longest = started.elapsed();
    let root = workshop.path().join(folder);
    let whole = files(&root, skip);
    std::fs::remove_dir_all(&root).unwrap();

    let mut rng = rng::keyed("test kills", &[u64::from(count)]);
    let (mut dead, mut ended) = (0, 0);
    while dead < count {
        if killed(workshop, &whole_args, longest, &mut rng) {
            dead += 1;
        } else {
            ended += 1;
            check_and_delete(&root, &whole, skip);
            // A machine that has become faster never gets killed: try shorter.
            assert!(ended < 10 * count, "it ends before it can be killed");
        }
    }
    workshop.done(&whole_args);
    check_and_delete(&root, &whole, skip);
}

fn check_and_delete(
    root: &Path,
    whole: &std::collections::BTreeMap<std::path::PathBuf, Vec<u8>>,
    skip: &[&str],
) {
    assert_same(whole, &files(root, skip));
    std::fs::remove_dir_all(root).unwrap();
}

#[test]
fn a_cache_that_was_killed_at_random_moments_ends_with_the_same_bytes() {
    kill_and_compare(&workshop(), &["teacher-cache", "-p", "small.toml"], "cache", kills(40), &[]);
}

#[test]
fn a_run_that_was_killed_at_random_moments_ends_with_the_same_bytes() {
    let workshop = workshop();
    workshop.done(&["teacher-cache", "-p", "small.toml"]);
    kill_and_compare(&workshop, &["train-student", "-p", "small.toml"], "runs", kills(20), &OF_TIME);
}

#[test]
fn a_run_with_checkpoints_at_every_step_that_was_killed_ends_with_the_same_bytes() {
    let workshop = workshop();
    workshop.done(&["teacher-cache", "-p", "small.toml"]);
    let sets = [
        "train.checkpoint-steps=1",
        "train.keep-checkpoints=2",
        "train.ema=0.9",
        "train.accumulate=2",
        "train.batch-size=4",
        "train.optimizer=sgd",
        "train.momentum=0.9",
    ];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let args: Vec<&str> = ["train-student", "-p", "small.toml"].into_iter().chain(sets).collect();
    // burn writes an optimiser's tensors in an order of its own, whose digest `state.json` has.
    let skip = [&OF_TIME[..], &["optimizer.bpk", "state.json"]].concat();
    kill_and_compare(&workshop, &args, "runs", kills(10), &skip);
}
