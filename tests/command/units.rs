//! What a scheduler may rely on: any unit may run twice, twice at once, or die, and what comes out has the bytes of one process.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{TINY, Workshop};

const GRID: &str = "[sweep]\ntrain.temperature = [1, 5]\ntrain.lambda = [0, 0.5]\ntrain.seed = [0, 1]\n";

/// A workshop with a pipeline of a dozen shards that has this `[sweep]`, and nothing done of it.
fn workshop(sweep: &str) -> Workshop {
    let workshop = Workshop::new();
    workshop.file(
        "grid.toml",
        &format!("{}\n{sweep}", TINY.replace("views = 1", "views = 1\nshard-rows = 4\nname = \"grid\"")),
    );
    workshop
}

fn plan(workshop: &Workshop, more: &[&str]) -> Value {
    let plan = ["plan", "-p", "grid.toml", "--units", "json", "--no-measure"];
    serde_json::from_str(&workshop.done(&[&plan[..], more].concat())).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn command(value: &Value) -> Vec<&str> {
    list(value).iter().map(|argument| argument.as_str().unwrap()).collect()
}

fn commands(units: &Value) -> Vec<Vec<&str>> {
    list(units).iter().map(|unit| command(&unit["command"])).collect()
}

fn is_done(units: &Value) -> bool {
    list(units).iter().all(|unit| unit["done"].as_bool().unwrap())
}

fn texts<'a>(units: &'a Value, field: &str) -> Vec<&'a str> {
    list(units).iter().map(|unit| unit[field].as_str().unwrap()).collect()
}

fn spawn(workshop: &Workshop, args: &[&str]) -> Child {
    workshop.decant().args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Runs each of these commands twice at once, some pairs side by side.
fn twice_at_once(workshop: &Workshop, commands: &[Vec<&str>]) {
    for some in commands.chunks(3) {
        let running: Vec<Child> =
            some.iter().flat_map(|args| [spawn(workshop, args), spawn(workshop, args)]).collect();
        for mut child in running {
            assert!(child.wait().unwrap().success(), "{some:?}");
        }
    }
}

/// Every file below `root` by its path, but those that say how long something took.
fn files(root: PathBuf) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if !["timing.json", "timing.csv", "events.out.tfevents.decant"].contains(&name.as_str()) {
                found.insert(path.strip_prefix(&root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Cache, runs and results of one process, in folders of their own.
fn whole(workshop: &Workshop, sweep: &[&str]) {
    let cache = ["--cache-dir", "whole/cache"];
    workshop.done(&[&["teacher-cache", "-p", "grid.toml"], &cache[..]].concat());
    let dirs = ["sweep", "-p", "grid.toml", "--runs-dir", "whole/runs", "--sweeps-dir", "whole/sweeps"];
    workshop.run(&[&dirs[..], &cache[..], sweep].concat());
}

/// Compares `folder` with that of one process. A run says where its cache and runs are, so those names are made the same.
fn assert_same(workshop: &Workshop, folder: &str) {
    let root = workshop.path();
    let plain = |files: BTreeMap<PathBuf, Vec<u8>>| -> BTreeMap<PathBuf, Vec<u8>> {
        let plain = |(path, bytes): (PathBuf, Vec<u8>)| match path.file_name() {
            Some(name) if name == "run.json" => {
                let mut run: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
                run.as_object_mut().unwrap().remove("checksum");
                (path, run.to_string().replace("\"whole/", "\"").into_bytes())
            }
            _ => (path, bytes),
        };
        files.into_iter().map(plain).collect()
    };
    let (whole, units) = (files(root.join("whole").join(folder)), files(root.join(folder)));
    let (whole, units) = (plain(whole), plain(units));
    assert!(whole.keys().eq(units.keys()), "{:?} {:?}", whole.keys(), units.keys());
    for (path, bytes) in &whole {
        assert!(units[path] == *bytes, "{} differs", path.display());
    }
}

fn assert_same_all(workshop: &Workshop, folders: &[&str]) {
    for folder in folders {
        assert_same(workshop, folder);
    }
}

#[test]
fn units_are_known_before_anything_is_done_and_what_they_make_has_the_bytes_of_one_process() {
    let workshop = workshop(GRID);
    let before = plan(&workshop, &["--cache-dir", "cache"]);
    assert!(!workshop.path().join("cache").exists() && !workshop.path().join("runs").exists());
    assert_eq!((list(&before["stage_one"]).len(), list(&before["sweep"]["runs"]).len()), (12, 6));
    assert_eq!(texts(&before["stage_one"], "id")[..2], ["train/part-00000", "train/part-00001"]);
    assert_eq!(before["cache"]["complete"], false);

    for args in commands(&before["stage_one"]) {
        workshop.done(&args);
    }
    let cached = plan(&workshop, &["--cache-dir", "cache"]);
    assert!(is_done(&cached["stage_one"]) && cached["close"].is_null());
    assert_eq!(cached["cache"]["complete"], true);
    assert_eq!(texts(&before["sweep"]["runs"], "id"), texts(&cached["sweep"]["runs"], "id"));
    assert_eq!(before["sweep"]["runs"], cached["sweep"]["runs"]);

    let (first, rest) = list(&before["sweep"]["runs"]).split_first().unwrap();
    workshop.done(&command(&first["command"]));
    let collect = command(&before["sweep"]["collect"]);
    let (code, said) = workshop.refused(&collect);
    let last = rest.last().unwrap()["id"].as_str().unwrap();
    assert!(code == 1 && said.contains("5 of 6 runs are not done") && said.contains(last), "{said}");
    assert!(!workshop.path().join("sweeps").exists());
    // The rest as parts; what is done is not done again.
    for part in ["0/2", "1/2"] {
        workshop.done(&["sweep", "-p", "grid.toml", "--cache-dir", "cache", "--part", part]);
    }
    assert!(is_done(&plan(&workshop, &["--cache-dir", "cache"])["sweep"]["runs"]));
    workshop.done(&collect);
    whole(&workshop, &[]);
    assert_same_all(&workshop, &["cache", "runs", "sweeps"]);
}

#[test]
fn two_processes_that_do_the_same_unit_at_once_lose_and_double_nothing() {
    let workshop = workshop("[sweep]\ntrain.seed = [0, 1]\n");
    let units = plan(&workshop, &[]);
    let twice = |commands: &[Vec<&str>]| twice_at_once(&workshop, commands);
    twice(&commands(&units["stage_one"]));
    twice(&[command(&units["close"])]);
    twice(&commands(&units["sweep"]["runs"]));
    twice(&[command(&units["sweep"]["collect"])]);
    whole(&workshop, &[]);
    assert_same_all(&workshop, &["cache", "runs", "sweeps"]);
}

#[test]
fn units_that_are_killed_and_run_again_end_with_the_bytes_of_one_process() {
    let workshop = workshop("[sweep]\ntrain.epochs = 8\ntrain.seed = [0, 1]\n");
    whole(&workshop, &[]);
    let units = plan(&workshop, &["--parts", "2"]);
    assert_eq!(texts(&units["stage_one"], "id")[1], "part-00001-of-00002");
    let mut killed = 0;
    // Later and later, until a unit gets to its end.
    let mut until_done = |args: &[&str], step: u64| {
        for attempt in 1.. {
            let mut child = spawn(&workshop, args);
            let moment = Instant::now() + Duration::from_millis(step * attempt);
            while Instant::now() < moment && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            let _ = child.kill();
            if child.wait().unwrap().success() {
                return;
            }
            killed += 1;
        }
    };
    for args in commands(&units["stage_one"]) {
        until_done(&args, 120);
    }
    if !plan(&workshop, &[])["cache"]["complete"].as_bool().unwrap() {
        workshop.done(&command(&units["close"]));
    }
    for args in commands(&units["sweep"]["runs"]) {
        until_done(&args, 250);
    }
    assert!(killed > 3, "only {killed} were killed");
    workshop.done(&command(&units["sweep"]["collect"]));
    assert_same_all(&workshop, &["cache", "sweeps"]);
}

#[test]
fn a_unit_waits_for_the_process_that_trains_its_run_and_goes_on_where_that_one_dies() {
    let workshop = workshop("[sweep]\ntrain.epochs = 150\ntrain.seed = [0]\n");
    workshop.done(&["teacher-cache", "-p", "grid.toml"]);
    let units = plan(&workshop, &[]);
    let args = command(&units["sweep"]["runs"][0]["command"]);
    let mut first = spawn(&workshop, &args);
    let log = || fs::read_dir(workshop.path().join("runs")).ok()?.next()?.ok().map(|run| run.path());
    while !log().is_some_and(|run: PathBuf| run.join("metrics.jsonl").exists()) {
        assert!(first.try_wait().unwrap().is_none(), "it ended before it was looked at");
        std::thread::sleep(Duration::from_millis(1));
    }
    let second = workshop.decant().args(&args).stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(800));
    first.kill().unwrap();
    assert!(!first.wait().unwrap().success(), "it ended before it was killed");
    let second = second.wait_with_output().unwrap();
    let said = String::from_utf8(second.stdout).unwrap();
    assert!(
        second.status.success() && said.contains("another process trains") && said.contains("[1/1]"),
        "{said}"
    );
    assert!(is_done(&plan(&workshop, &[])["sweep"]["runs"]));
}

#[test]
fn a_run_that_fails_elsewhere_is_collected_as_in_a_sweep_of_one_process() {
    let workshop =
        workshop("[sweep]\nruns = [{ student.init = \"none.safetensors\" }, { train.lambda = 0 }]\n");
    workshop.file("none.safetensors", "these are no weights");
    workshop.done(&["teacher-cache", "-p", "grid.toml"]);
    let units = plan(&workshop, &[]);
    let [fails, goes] = &commands(&units["sweep"]["runs"])[..] else { panic!("two runs") };
    let (code, said) = workshop.refused(fails);
    assert!(code == 1 && said.contains("1 of 1 runs failed") && said.contains("none.safetensors"), "{said}");
    workshop.done(goes);
    let after = plan(&workshop, &[]);
    assert!(after["sweep"]["runs"][0]["failed"].as_str().unwrap().contains("none.safetensors"));
    let (code, said) = workshop.refused(&command(&units["sweep"]["collect"]));
    assert!(code == 1 && said.contains("1 of 2 runs failed"), "{said}");
    whole(&workshop, &[]);
    assert_same(&workshop, "sweeps");
}

#[test]
fn successive_halving_is_handed_out_rung_by_rung() {
    let workshop = workshop(
        "[sweep]\ntrain.lr = [1e-4, 1e-3, 1e-2, 1e-1]\ntrain.epochs = 4\n[sweep.halving]\nfrom = 1\nfactor = 2\n",
    );
    workshop.done(&["teacher-cache", "-p", "grid.toml"]);
    let mut sizes = Vec::new();
    loop {
        let units = plan(&workshop, &[]);
        let sweep = &units["sweep"];
        let open: Vec<&Value> = list(&sweep["runs"]).iter().filter(|unit| unit["done"] == false).collect();
        let left = sweep["rungs_left"].as_u64().unwrap();
        sizes.push((list(&sweep["runs"]).len(), open.len(), left));
        if open.is_empty() && left == 0 {
            break;
        }
        let (code, said) = workshop.refused(&command(&sweep["collect"]));
        assert!(code == 1 && said.contains("not done"), "{said}");
        for unit in open {
            workshop.done(&command(&unit["command"]));
        }
    }
    assert_eq!(sizes, [(4, 4, 2), (6, 2, 1), (7, 1, 0), (7, 0, 0)]);
    workshop.done(&["sweep", "-p", "grid.toml", "--collect"]);
    whole(&workshop, &[]);
    assert_same_all(&workshop, &["runs", "sweeps"]);
}

#[test]
fn units_of_a_temperature_that_the_cache_lacks_may_run_twice_at_once() {
    let workshop = workshop("[sweep]\ntrain.temperature = [5, 7]\ntrain.seed = [0, 1]\n");
    workshop.done(&["teacher-cache", "-p", "grid.toml"]);
    let units = plan(&workshop, &[]);
    let (_, said) = workshop.refused(&command(&units["sweep"]["collect"]));
    assert!(said.contains("4 of 4 runs are not done"), "{said}");
    twice_at_once(&workshop, &commands(&units["sweep"]["runs"]));
    workshop.done(&command(&units["sweep"]["collect"]));
    whole(&workshop, &[]);
    assert_same_all(&workshop, &["cache", "sweeps"]);
}

#[test]
fn overrides_are_part_of_every_command_and_what_is_no_unit_is_refused() {
    let workshop = workshop("[sweep]\ntrain.seed = [0, 1]\n");
    let dirs = ["--cache-dir", "c", "--runs-dir", "r", "--sweeps-dir", "s", "--set", "train.epochs=1"];
    let units = plan(&workshop, &dirs);
    for args in commands(&units["stage_one"]).iter().chain(&commands(&units["sweep"]["runs"])) {
        let all = args.join(" ");
        let own = if all.starts_with("sweep") { 8 } else { 6 };
        assert!(dirs.iter().filter(|part| args.contains(part)).count() == own, "{all}");
    }
    workshop.done(&["teacher-cache", "-p", "grid.toml"]);
    let (code, said) = workshop.refused(&["sweep", "-p", "grid.toml", "--run", "0123456789ab"]);
    assert!(code == 2 && said.contains("no run with the id 0123456789ab among the 2"), "{said}");
    for both in [["--part", "2/2"], ["--collect", "--dry-run"], ["--collect", "--part=0/2"]] {
        assert_eq!(workshop.refused(&[&["sweep", "-p", "grid.toml"], &both[..]].concat()).0, 2);
    }
    let alone = workshop.file("alone.toml", TINY);
    let plan =
        workshop.done(&["plan", "-p", Path::to_str(&alone).unwrap(), "--units", "json", "--no-measure"]);
    assert!(serde_json::from_str::<Value>(&plan).unwrap()["sweep"].is_null());
}
