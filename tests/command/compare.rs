//! `decant compare`: what it says of runs, and which it will not compare.

use crate::common::{TINY, Workshop};

/// A run of [`TINY`] with these arguments: its folder.
fn train(workshop: &Workshop, args: &[&str]) -> String {
    let said = workshop.done(&[&["train-student", "-p", "tiny.toml"], args].concat());
    let line =
        said.lines().find_map(|line| line.strip_prefix("  run      ")).expect("the head names the run");
    line.trim().to_owned()
}

#[test]
fn recipes_are_compared_seed_by_seed_and_one_seed_shows_nothing() {
    let workshop = Workshop::new();
    workshop.file("tiny.toml", TINY);
    workshop.done(&["teacher-cache", "-p", "tiny.toml"]);
    let distilled = ["1", "2"].map(|seed| train(&workshop, &["--seed", seed]));
    let scratch = ["1", "2"].map(|seed| train(&workshop, &["--seed", seed, "--control", "labels-only"]));
    assert!(scratch[0].contains("tiny-labels-only-"), "{scratch:?}");

    let said = workshop.done(&["compare", &distilled[0], "--against", &scratch[0]]);
    assert!(said.contains("not significant") && said.contains("with a single seed"), "{said}");
    assert!(said.contains("train.control: \"none\" against \"labels-only\""), "{said}");
    assert!(said.lines().any(|line| line.starts_with("  teacher  ")), "{said}");
    let said = workshop.done(&["compare", &distilled[0], "--against", &scratch[1]]);
    assert!(said.contains("no seed is on both sides"), "{said}");
    let [a, b] = &distilled;
    let said = workshop.done(&["compare", a, b, "--against", &scratch[0], &scratch[1], "--json"]);
    let found: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(found["seeds"], serde_json::json!([1, 2]));
    assert_eq!((&found["paired"]["pairs"], &found["images"]), (&2.into(), &9.into()));

    let refused = |args: &[&str], reason: &str| {
        let (code, said) = workshop.refused(&[&["compare"], args].concat());
        assert!(code == 2 && said.contains(reason), "{said}");
    };
    refused(
        &[a, &scratch[0], "--against", b],
        "are not one configuration: train.control is \"none\" in the first",
    );
    refused(&[a, a, "--against", b], "both have seed 1; give each seed once");
    refused(&[a, "--against", "nowhere"], "there is no run nowhere; did you mean");
    refused(&[a, "--against", b, "--split", "train"], "was not measured on train");
    // Without --against, every configuration against the labels only.
    let said = workshop.done(&["compare", a, b, &scratch[0], &scratch[1]]);
    for part in ["labels only", "teacher", "verdict  ", "95 % interval", "n = 2", "shared   "] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    refused(&["nowhere"], "there is no run nowhere");
}
