//! What a plan says comes true, and saying it leaves nothing behind.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common::{TINY, Workshop};

fn workshop(more: &str) -> Workshop {
    let workshop = Workshop::new();
    let rest = TINY.replace("[cache]\nviews = 1\n", "");
    let views = if more.contains("views") { "" } else { "views = 1\n" };
    let cache = format!("[cache]\nshard-rows = 5\nname = \"grid\"\n{views}");
    workshop.file("grid.toml", &format!("{rest}\n{cache}{more}"));
    workshop
}

fn plan(workshop: &Workshop, more: &[&str]) -> Value {
    let plan = ["plan", "-p", "grid.toml", "--json"];
    serde_json::from_str(&workshop.done(&[&plan[..], more].concat())).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Bytes of every parquet file below `folder`.
fn parquet_bytes(folder: &Path) -> u64 {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .map(|path| match path.extension() {
            _ if path.is_dir() => parquet_bytes(&path),
            Some(extension) if extension == "parquet" => fs::metadata(&path).unwrap().len(),
            _ => 0,
        })
        .sum()
}

#[test]
fn the_bytes_of_an_encoding_are_to_the_byte_those_of_the_cache_that_is_then_made() {
    let workshop = workshop("views = 3\n");
    for (index, sets) in [
        &["cache.encoding=\"float32\""][..],
        &["cache.encoding=\"float16\""],
        &["cache.encoding=\"top-k\"", "cache.top-k=2"],
    ]
    .into_iter()
    .enumerate()
    {
        let root = format!("cache-{index}");
        let mut args: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        args.extend(["--cache-dir", &root]);
        let plan = plan(&workshop, &[&args[..], &["--no-measure"]].concat());
        assert!(plan["stage_one"].is_null() && plan["student"].is_null() && plan["sweep"].is_null());
        // 24 train images in three views and nine each of the others: more than ten shards, the last one not full.
        assert_eq!((plan["images"].as_u64(), plan["rows"].as_u64()), (Some(42), Some(90)));
        let chosen =
            plan["encodings"].as_array().unwrap().iter().find(|cost| cost["chosen"] == true).unwrap();
        workshop.done(&[&["teacher-cache", "-p", "grid.toml"], &args[..]].concat());
        assert_eq!(chosen["bytes"].as_u64(), Some(parquet_bytes(&workshop.path().join(root))), "{chosen}");
    }
}

#[test]
fn a_plan_is_made_without_a_cache_with_a_part_of_one_and_with_a_whole_one() {
    let workshop = workshop("[sweep]\ntrain.seed = [0, 1]\n");
    let temporary = workshop.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let measured = || {
        let output =
            workshop.decant().args(["plan", "-p", "grid.toml"]).env("TMPDIR", &temporary).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut left = fs::read_dir(&temporary).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(!left.any(|name| name.to_string_lossy().starts_with("decant")));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.lines().all(|line| line.chars().count() <= 100), "{said}");
        said
    };
    let said = measured();
    assert!(said.contains("(not begun)") && said.contains("measured here on 24 rows"), "{said}");
    assert!(said.contains("with the teacher in every step") && said.contains("2 runs"), "{said}");
    assert!(!workshop.path().join("cache").exists() && !workshop.path().join("runs").exists());

    workshop.done(&["teacher-cache", "-p", "grid.toml", "--shard", "0/2"]);
    let part = plan(&workshop, &["--rate", "10"]);
    assert_eq!(part["rows_left"].as_u64(), Some(20));
    assert!((number(&part["stage_one"]["left_seconds"]) - 2.0).abs() < 1e-9);
    workshop.done(&["teacher-cache", "-p", "grid.toml"]);
    workshop.done(&["sweep", "-p", "grid.toml", "--part", "0/2"]);
    let said = measured();
    assert!(said.contains("(complete)") && said.contains("1 done"), "{said}");
}

#[test]
fn the_cost_of_a_teacher_in_every_step_follows_from_its_rate() {
    let workshop = workshop("views = 2\n[sweep]\ntrain.seed = [0, 1]\n");
    let plan = plan(&workshop, &["--rate", "50"]);
    let student = &plan["student"];
    let teacher = number(&student["online_seconds"]) - number(&student["seconds"]);
    assert!((teacher - 3.0 * 24.0 / 50.0).abs() < 1e-9);
    let sweep = &plan["sweep"];
    let teacher = number(&sweep["online_seconds"]) - number(&sweep["seconds"]);
    assert!((teacher - 2.0 * 3.0 * 24.0 / 50.0).abs() < 1e-9);
    assert!((number(&plan["stage_one"]["cold_seconds"]) - 66.0 / 50.0).abs() < 1e-9);
    assert!((number(&plan["pays_off_epochs"]) - 66.0 / 24.0).abs() < 1e-9);
}

#[test]
fn what_can_not_be_planned_is_said_in_a_sentence() {
    let workshop = workshop("[sweep]\ntrain.temperature = [1, 0]\n");
    let refused = |args: &[&str]| {
        let (code, said) = workshop.refused(&[&["plan", "-p", "grid.toml"], args].concat());
        assert_eq!(code, 2, "{said}");
        said
    };
    assert!(refused(&[]).contains("grid.toml:") && refused(&[]).contains("train.temperature"));
    assert!(refused(&["--set", "teacher.model=none.onnx"]).contains("none.onnx"));
    assert!(refused(&["--set", "dataset.source=nowhere"]).contains("temperature"));
    assert!(refused(&["--rate", "0"]).contains("views a second"));
    assert!(refused(&["--parts", "2"]).contains("--units"));
    let ours = ["--set", "sweep.train.temperature=[1]", "--set", "teacher.device=cuda:0"];
    let said = workshop.refused(&[&["plan", "-p", "grid.toml"], &ours[..]].concat()).1;
    assert!(said.contains("cuda:0"), "{said}");
}
