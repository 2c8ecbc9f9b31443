//! `decant cache`, where caches are damaged or the teacher has drifted.

use std::fs;

use crate::common::Workshop;
use crate::safety::gallery::{teacher_of_files, workshop};

const MAKE: [&str; 3] = ["teacher-cache", "-p", "small.toml"];

#[test]
fn a_damaged_cache_is_listed_beside_the_others() {
    let workshop = workshop();
    workshop.done(&MAKE);
    let whole = workshop.only("cache", "small-");
    for name in ["broken", "short"] {
        let copy = whole.file_name().unwrap().to_string_lossy().replacen("small", name, 1);
        let copied =
            std::process::Command::new("cp").arg("-r").arg(&whole).arg(whole.with_file_name(copy)).status();
        assert!(copied.unwrap().success());
    }
    let manifest = workshop.only("cache", "broken-").join("manifest.json");
    fs::write(&manifest, "{}").unwrap();
    let shard = workshop.only("cache", "short-").join("train/part-00002.parquet");
    fs::remove_file(&shard).unwrap();

    let listed = workshop.done(&["cache", "ls"]);
    let line = |name: &str| listed.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("small-").ends_with("complete"), "{listed}");
    assert!(line("broken-").ends_with("damaged"), "{listed}");
    assert!(line("short-").ends_with("damaged") && listed.contains("11 of its 12 shards"), "{listed}");
    assert!(listed.contains("manifest.json is damaged"), "{listed}");

    let listed: serde_json::Value = serde_json::from_str(&workshop.done(&["cache", "ls", "--json"])).unwrap();
    assert!(listed[0]["damage"].is_string() && listed[2]["complete"] == true, "{listed}");
    assert!(listed[2]["age_seconds"].as_u64().unwrap() < 600, "{listed}");
}

#[test]
fn inspect_shows_how_sure_the_teacher_is() {
    let workshop = workshop();
    workshop.done(&MAKE);
    let cache = workshop.only("cache", "small-");
    let said = workshop.done(&["cache", "inspect", cache.to_str().unwrap()]);
    let bins: Vec<&str> = said
        .lines()
        .skip_while(|line| !line.contains("largest probability at T = 1 on train"))
        .skip(1)
        .take_while(|line| line.trim_start().starts_with("0."))
        .collect();
    assert!(bins.last().unwrap().trim_start().starts_with("0.9 - 1.0"), "{said}");
    // Three classes: the largest probability is a third at least, and empty bins are left out.
    assert!(
        bins.iter().all(|bin| !["0.0", "0.1", "0.2"].iter().any(|low| bin.trim_start().starts_with(low))),
        "{said}"
    );
    assert!(bins.iter().any(|bin| bin.ends_with("####")), "{said}");
}

#[test]
fn rm_deletes_a_cache_damaged_or_not_when_told_to_and_nothing_else() {
    let workshop = workshop();
    workshop.done(&MAKE);
    let cache = workshop.only("cache", "small-");
    let (code, said) = workshop.refused(&["cache", "rm", cache.to_str().unwrap()]);
    assert!(code == 2 && said.contains("only after a question"), "{said}");
    let (code, said) = workshop.refused(&["cache", "rm", "images", "--yes"]);
    assert!(code == 2 && workshop.path().join("images/train").is_dir(), "{code} {said}");
    fs::write(cache.join("manifest.json"), "{}").unwrap();
    assert!(workshop.done(&["cache", "rm", cache.to_str().unwrap(), "--yes"]).contains("deleted"));
    assert!(!cache.exists() && workshop.path().join("cache").is_dir());
}

#[test]
fn inspect_says_how_views_are_drawn() {
    let workshop = workshop();
    let augment = ["--set", "cache.views=3", "--set", "cache.view.rand-augment=2"];
    for (name, more) in [("plain", &["--set", "cache.views=1"][..]), ("augmented", &augment)] {
        workshop.done(&[&MAKE[..], more, &["--set", &format!("cache.name={name}")]].concat());
    }
    let inspect = |name: &str| {
        let cache = workshop.only("cache", name);
        workshop.done(&["cache", "inspect", cache.to_str().unwrap()])
    };
    assert!(inspect("plain-").contains("  views         the whole image, "));
    let said = inspect("augmented-");
    assert!(said.contains("  views         3 views of seed 0, crops of 0.35 to 1 of the area"), "{said}");
    assert!(said.contains(", 2 operations of RandAugment at magnitude 9 of 30\n"), "{said}");
}

#[test]
fn inspect_shows_what_the_encoding_lost() {
    let workshop = workshop();
    let top_1 = ["--set", "cache.encoding=\"top-k\"", "--set", "cache.top-k=1"];
    for (name, more) in
        [("small", &[][..]), ("half", &["--set", "cache.encoding=\"float16\""]), ("top", &top_1)]
    {
        let said = workshop.done(&[&MAKE[..], more, &["--set", &format!("cache.name={name}")]].concat());
        let lines = said.lines().filter(|line| line.starts_with("encoding at T = ")).count();
        assert_eq!(lines, if name == "small" { 0 } else { 2 }, "{said}");
    }
    let inspect = |name: &str, more: &[&str]| {
        let cache = workshop.only("cache", name);
        workshop.done(&[&["cache", "inspect", cache.to_str().unwrap()], more].concat())
    };
    assert!(inspect("small-", &[]).contains("the encoding lost nothing"));
    for name in ["half-", "top-"] {
        let said = inspect(name, &[]);
        let line = |start: &str| said.lines().filter(|line| line.trim_start().starts_with(start)).count();
        assert!(said.contains("encoding lost on") && line("train ") >= 3, "{said}");
        let json: serde_json::Value = serde_json::from_str(&inspect(name, &["--json"])).unwrap();
        let losses = json["encoding_loss"].as_array().unwrap();
        assert_eq!(losses.len(), 3 * 2, "three splits at two temperatures: {json}");
        assert!(losses.iter().all(|loss| loss["mean_kl"].as_f64().unwrap() > 0.0), "{json}");
        assert_eq!(losses[0]["least_kept"].is_f64(), name == "top-", "{json}");
        assert_eq!(json["targets"][0]["entropies"].as_array().unwrap().len(), 2, "{json}");
        assert_eq!(json["targets"][0]["confidences"].as_array().unwrap().len(), 10, "{json}");
        assert_eq!(
            json["columns"][8]["name"],
            if name == "top-" { "top_classes" } else { "logits" },
            "{json}"
        );
    }
}

fn recompute(workshop: &Workshop) -> std::process::Output {
    let cache = workshop.only("cache", "small-");
    workshop.run(&["cache", "verify", cache.to_str().unwrap(), "--recompute", "20", "-p", "small.toml"])
}

#[test]
fn the_teacher_says_the_same_in_any_batch_size_up_to_its_noise_floor() {
    let workshop = workshop();
    workshop.done(&MAKE);
    let output = recompute(&workshop);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("recomputed 20 rows") && said.contains("noise floor"), "{said}");
    for batch in ["1", "2", "7"] {
        assert!(said.lines().any(|line| line.trim_start().starts_with(&format!("{batch} "))), "{said}");
    }
}

#[test]
fn another_teacher_is_not_compared() {
    let workshop = workshop();
    teacher_of_files(&workshop);
    workshop.done(&MAKE);
    let preprocessor = workshop.path().join("teacher/preprocessor_config.json");
    let text = fs::read_to_string(&preprocessor).unwrap();
    fs::write(&preprocessor, text.replacen("0.5", "0.45", 1)).unwrap();
    let output = recompute(&workshop);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("was made by the teacher"), "{said}");
}
