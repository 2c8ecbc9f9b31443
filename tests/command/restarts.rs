//! Stopped anywhere, a run ends as if it had not been; and its folder belongs to no other.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::common::{TINY, Workshop};

/// Everything that a checkpoint has to bring back: moments, average, partial epoch, an epoch's last short step.
const RICH: &str = r#"
optimizer = "sgd"
momentum = 0.9
nesterov = true
weight-decay = 1e-4
decay-norm-and-bias = false
ema = 0.9
accumulate = 2
batch-size = 4
class-weights = "balanced"
schedule = "cosine"
warmup-epochs = 0.5
min-lr = 1e-4
checkpoint-steps = 1
"#;

/// A workshop with a complete cache and `rich.toml`, which trains for `epochs` with 3 steps each, the last a short one.
fn workshop(epochs: usize) -> Workshop {
    let workshop = Workshop::new();
    let base = TINY.replace("batch-size = 8\n", "").replace("epochs = 3", &format!("epochs = {epochs}"));
    workshop.file(
        "rich.toml",
        &base.replace("train = 24", "train = 22").replace("lr = 1e-3\n", &format!("lr = 0.02\n{RICH}")),
    );
    workshop.done(&["teacher-cache", "-p", "rich.toml"]);
    workshop
}

fn products(run: &Path) -> [Vec<u8>; 4] {
    let names = ["best/model.safetensors", "metrics.jsonl", "result.json", "run.json"];
    names.map(|name| fs::read(run.join(name)).unwrap())
}

fn checkpoints(run: &Path) -> Vec<String> {
    let entries = fs::read_dir(run)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut found: Vec<String> =
        entries.filter(|name| name.starts_with("checkpoint-") && !name.contains(".tmp")).collect();
    found.sort();
    found
}

/// The only run under `runs`, once it is there.
fn run_in(workshop: &Workshop, runs: &str) -> Option<PathBuf> {
    let mut folders = fs::read_dir(workshop.path().join(runs)).ok()?.map(|entry| entry.unwrap().path());
    folders.next()
}

fn start(workshop: &Workshop, args: &[&str]) -> Child {
    workshop.decant().args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Sends a signal once `ready`; false when the process had ended before.
fn signal_when(child: &mut Child, signal: &str, ready: impl Fn() -> bool) -> bool {
    while !ready() {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success()
}

#[test]
fn stopped_in_the_middle_of_epochs_by_every_signal_a_run_ends_with_the_same_bytes() {
    let workshop = workshop(20);
    let args = |runs: &'static str| ["train-student", "-p", "rich.toml", "--runs-dir", runs];
    workshop.done(&args("whole"));
    let whole = workshop.only("whole", "rich-");

    for (signal, least) in [
        ("-TERM", "checkpoint-000002-000001"),
        ("-KILL", "checkpoint-000006-000002"),
        ("-INT", "checkpoint-000010"),
    ] {
        let mut child = start(&workshop, &args("broken"));
        let reached = || {
            let run = run_in(&workshop, "broken");
            run.is_some_and(|run| checkpoints(&run).last().is_some_and(|name| name.as_str() >= least))
        };
        assert!(signal_when(&mut child, signal, reached), "it ended before {signal}");
        let code = child.wait().unwrap().code();
        assert_eq!(code, if signal == "-KILL" { None } else { Some(130) });
    }
    workshop.done(&args("broken"));
    let broken = workshop.only("broken", "rich-");
    assert!(products(&whole)[..3] == products(&broken)[..3]);
    assert_eq!(checkpoints(&broken), [""; 0]);
}

#[test]
fn the_last_checkpoints_and_the_best_are_kept_and_any_of_them_leads_to_the_same_bytes() {
    let workshop = workshop(6);
    let args = ["train-student", "-p", "rich.toml"];
    let keep = ["--set", "train.keep-checkpoints=4"];
    workshop.done(&[&args[..], &keep].concat());
    let run = workshop.only("runs", "rich-");
    let whole = products(&run);
    let result: serde_json::Value =
        serde_json::from_slice(&fs::read(run.join("result.json")).unwrap()).unwrap();
    let best = format!("checkpoint-{:06}-000000", result["best_epoch"].as_u64().unwrap());
    let last = ["000004-000002", "000005-000000", "000005-000001", "000005-000002", "000006-000000"];
    let mut expected: Vec<String> = last[1..].iter().map(|name| format!("checkpoint-{name}")).collect();
    if !expected.contains(&best) {
        expected.insert(0, best);
    }
    assert_eq!(checkpoints(&run), expected);

    // Looking at it again deletes nothing.
    assert!(workshop.done(&args).contains("already trained"));
    assert_eq!(checkpoints(&run), expected);

    // As if it had died there, with the best weights of a later epoch, or none at all.
    fs::remove_file(run.join("result.json")).unwrap();
    fs::remove_dir_all(run.join("best")).unwrap();
    let from = run.join("checkpoint-000005-000001");
    let said = workshop.done(&[&args[..], &keep, &["--resume", from.to_str().unwrap()]].concat());
    assert!(said.contains("resuming at epoch 6/6, step 1"), "{said}");
    assert!(products(&run) == whole);
    assert!(
        ["config.json", "preprocessor_config.json"].iter().all(|name| run.join("best").join(name).exists())
    );

    // What is kept has no part in the bytes, so the run is the same one.
    fs::remove_file(run.join("result.json")).unwrap();
    workshop.done(&args);
    assert_eq!(products(&run)[..3], whole[..3]);
    assert_eq!(checkpoints(&run), [""; 0]);
}

#[test]
fn a_run_that_keeps_none_has_one_before_a_damaged_checkpoint_while_it_trains() {
    let workshop = workshop(20);
    let args = |runs: &'static str| ["train-student", "-p", "rich.toml", "--runs-dir", runs];
    workshop.done(&args("whole"));
    let mut child = start(&workshop, &args("broken"));
    let reached = || {
        let run = run_in(&workshop, "broken");
        run.is_some_and(|run| {
            checkpoints(&run).last().is_some_and(|name| name.as_str() >= "checkpoint-000004")
        })
    };
    assert!(signal_when(&mut child, "-KILL", reached), "it ended before it was killed");
    child.wait().unwrap();
    let run = workshop.only("broken", "rich-");
    fs::write(run.join(checkpoints(&run).last().unwrap()).join("state.json"), "{").unwrap();
    let said = workshop.done(&args("broken"));
    assert!(said.contains("is damaged (state.json") && said.contains("the one before it is used"), "{said}");
    assert!(products(&workshop.only("whole", "rich-"))[..3] == products(&run)[..3]);
}

#[test]
fn resume_never_uses_and_deletes_nothing() {
    let workshop = workshop(2);
    let never = ["train-student", "-p", "rich.toml", "--resume", "never"];
    workshop.done(&never);
    let run = workshop.only("runs", "rich-");
    let before = products(&run);
    let (code, said) = workshop.refused(&never);
    assert_eq!(code, 2);
    assert!(said.contains("was begun before") && said.contains("move or delete that folder"), "{said}");
    assert!(products(&run) == before);
    let nowhere = ["train-student", "-p", "rich.toml", "--resume", "runs/nowhere"];
    let (code, said) = workshop.refused(&nowhere);
    assert_eq!(code, 2);
    assert!(said.contains("runs/nowhere is not a checkpoint; this run has none"), "{said}");
}

#[test]
fn a_folder_of_another_run_is_refused_naming_what_changed() {
    let workshop = workshop(2);
    let keep = ["--set", "train.keep-checkpoints=2"];
    workshop.done(&[&["train-student", "-p", "rich.toml"], &keep[..]].concat());
    let run = workshop.only("runs", "rich-");
    let checkpoint = run.join("checkpoint-000002-000000");
    let other = ["train-student", "-p", "rich.toml", "--set", "train.lr=0.01", "--seed", "7"];
    let (code, said) = workshop.refused(&[&other[..], &["--resume", checkpoint.to_str().unwrap()]].concat());
    assert_eq!(code, 2);
    assert!(
        said.contains("train.lr is 0.02 there and 0.01 here; train.seed is 42 there and 7 here"),
        "{said}"
    );

    // The folder of the right name with something else in it, and with a checkpoint from elsewhere.
    workshop.done(&other);
    let mut runs = fs::read_dir(workshop.path().join("runs")).unwrap().map(|entry| entry.unwrap().path());
    let mine = runs.find(|path| *path != run).unwrap();
    fs::remove_file(mine.join("result.json")).unwrap();
    fs::rename(&checkpoint, mine.join("checkpoint-000002-000000")).unwrap();
    let (code, said) = workshop.refused(&other);
    assert!(code == 2 && said.contains("belongs to another run: its key is"), "{said}");
    fs::copy(run.join("run.json"), mine.join("run.json")).unwrap();
    let (code, said) = workshop.refused(&other);
    assert!(code == 2 && said.contains("train.lr is 0.02 there and 0.01 here"), "{said}");
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_it_serves() {
    let workshop = workshop(4);
    let args = ["train-student", "-p", "rich.toml", "--set", "train.keep-checkpoints=3"];
    workshop.done(&args);
    let run = workshop.only("runs", "rich-");
    let whole = products(&run);
    fs::remove_file(run.join("result.json")).unwrap();
    let newest = run.join("checkpoint-000004-000000");
    for name in ["model.bpk", "optimizer.bpk", "ema.bpk"] {
        let path = newest.join(name);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 16;
        fs::write(&path, bytes).unwrap();
        // By name it is refused, and without a name the one before it is taken.
        let (code, said) = workshop.refused(&[&args[..], &["--resume", newest.to_str().unwrap()]].concat());
        assert_eq!(code, 3, "{said}");
        assert!(said.contains("checkpoint-000004-000000 is damaged") && said.contains(name), "{said}");
        let said = workshop.done(&args);
        assert!(said.contains("warning: the checkpoint") && said.contains(name), "{said}");
        assert!(said.contains("resuming at epoch 4/4, step 2"), "{said}");
        assert!(products(&run) == whole);
        assert!(newest.join(name).exists() && !newest.with_extension("damaged").exists());
        fs::remove_file(run.join("result.json")).unwrap();
    }
    for damage in [("model.bpk", None), ("state.json", Some("{"))] {
        for checkpoint in checkpoints(&run) {
            let path = run.join(checkpoint).join(damage.0);
            match damage.1 {
                Some(text) => fs::write(path, text).unwrap(),
                None => drop(fs::remove_file(path)),
            }
        }
        let (code, said) = workshop.refused(&args);
        assert!(code == 3 && said.contains(damage.0) && said.contains("is damaged"), "{said}");
    }
    for checkpoint in checkpoints(&run) {
        fs::remove_dir_all(run.join(checkpoint)).unwrap();
    }
    workshop.done(&args);
    assert!(products(&run) == whole);
}

#[test]
fn a_run_is_trained_by_one_process_at_a_time_and_freed_by_its_death() {
    let workshop = workshop(2000);
    let args = ["train-student", "-p", "rich.toml"];
    let mut first = start(&workshop, &args);
    let begun = || run_in(&workshop, "runs").is_some_and(|run| !checkpoints(&run).is_empty());
    while !begun() {
        assert!(first.try_wait().unwrap().is_none(), "it ended too soon");
        std::thread::sleep(Duration::from_millis(2));
    }
    let (code, said) = workshop.refused(&args);
    assert_eq!(code, 1);
    assert!(said.contains("is being trained by another process"), "{said}");
    assert!(first.try_wait().unwrap().is_none(), "the second process disturbed the first");
    first.kill().unwrap();
    first.wait().unwrap();

    let mut second = start(&workshop, &args);
    let run = run_in(&workshop, "runs").unwrap();
    let stood = checkpoints(&run);
    assert!(signal_when(&mut second, "-INT", || checkpoints(&run).last() > stood.last()));
    assert_eq!(second.wait().unwrap().code(), Some(130));
}

#[test]
fn a_run_that_diverges_names_the_step_and_keeps_a_checkpoint_of_numbers() {
    let workshop = workshop(20);
    let wild = [
        "train.lr=10",
        "train.weight-decay=10",
        "train.max-grad-norm=0",
        "train.warmup-epochs=0",
        "train.schedule=constant",
    ];
    let sets = wild.iter().flat_map(|set| ["--set", set]);
    let args: Vec<&str> = ["train-student", "-p", "rich.toml"].into_iter().chain(sets).collect();
    let (code, said) = workshop.refused(&args);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("of 60, so training stopped; the last good checkpoint is kept in"), "{said}");
    let run = workshop.only("runs", "rich-");
    let kept = checkpoints(&run);
    assert_eq!(kept.len(), 2, "{kept:?}");
    // Going on from it comes to the same end: what it holds are numbers, and it is still there.
    let (code, again) = workshop.refused(&args);
    assert_eq!((code, again), (1, said));
    assert_eq!(checkpoints(&run), kept);
}

#[test]
fn too_few_images_for_a_full_step_and_weights_for_other_classes_are_refused() {
    let workshop = workshop(2);
    let refused = |set: &str| {
        workshop.refused(&["train-student", "-p", "rich.toml", "--set", set, "--set", "train.drop-last=true"])
    };
    let (code, said) = refused("train.batch-size=12");
    assert!(
        code == 2 && said.contains("the train split has 22 images, fewer than the 24 of one step"),
        "{said}"
    );
    let (code, said) = refused("train.class-weights=[1, 2]");
    assert!(code == 2 && said.contains("train.class-weights has 2 weights for 3 classes"), "{said}");
}

#[test]
fn one_thread_and_two_give_the_same_bytes_with_every_part_of_the_recipe() {
    let workshop = workshop(3);
    let train = |runs: &str, threads: &str| {
        let mut command = workshop.decant();
        command
            .args(["train-student", "-p", "rich.toml", "--runs-dir", runs])
            .env("RAYON_NUM_THREADS", threads);
        assert!(command.output().unwrap().status.success());
        products(&workshop.only(runs, "rich-"))[..3].to_vec()
    };
    assert!(train("one", "1") == train("two", "2"));
}
