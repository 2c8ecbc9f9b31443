//! `decant bench` from nothing: no dataset, no pipeline file, no checkout.

use std::fs;

use decant::bench::{Check, Part, Report};

use crate::common::Workshop;

#[test]
fn the_cpu_agrees_with_itself_and_both_stages_have_a_rate() {
    let workshop = Workshop::new();
    let shown = workshop.done(&["bench", "--quick", "--device", "cpu", "-o", "bench.json"]);
    let report: Report =
        serde_json::from_slice(&fs::read(workshop.path().join("bench.json")).unwrap()).unwrap();
    assert_eq!(report.student, Part::On("cpu".to_owned()));
    assert!(matches!(&report.teacher, Part::On(device) if device.starts_with("cpu, ONNX Runtime 1.")));
    assert_eq!(report.checks.len(), 2);
    assert!(report.checks.iter().all(Check::passed), "{:?}", report.checks);
    let models: Vec<&str> = report.stage_one.iter().map(|rate| rate.model.as_str()).collect();
    assert_eq!(models, ["embedded:leaves", "ViT of 2 small blocks"]);
    assert!(report.stage_one.iter().all(|rate| rate.share > 0.0 && rate.share.is_finite()));
    assert!(report.stage_one.iter().all(|rate| rate.turns.len() == 3));
    assert!(!report.processor.is_empty() && report.cores > 0);
    assert_eq!((report.card, report.driver), (None, None), "a processor is no card");
    assert!(report.stage_two[0].images_per_second > 0.0);
    assert!(shown.contains(&format!("machine  {}, ", report.processor)), "{shown}");
    for part in ["stage one images/s", "MobileNetV2 0.35", "passed", "wrote bench.json"] {
        assert!(shown.contains(part), "{shown}");
    }
    // Its own file is replaced, another one is not.
    fs::write(workshop.path().join("mine.json"), "{}").unwrap();
    let (code, said) = workshop.refused(&["bench", "--quick", "-o", "mine.json"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("mine.json is there already"), "{said}");
}

#[test]
fn a_device_that_this_build_lacks_leaves_its_stage_out_and_says_why() {
    let workshop = Workshop::new();
    let (code, said) = workshop.refused(&["bench", "--quick", "--device", "cuda:0"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.starts_with("decant: nothing can be measured: ") && said.contains("cuda:0"), "{said}");
    assert!(!workshop.path().join("decant-bench.json").exists());
}
