//! Bad input: one clear sentence and the right exit code, before any work starts.

use std::fs;
use std::path::Path;

use crate::common::{TINY, Workshop};

#[test]
fn a_wrong_key_or_value_exits_with_2_and_names_its_line() {
    let workshop = Workshop::new();
    workshop.file("typo.toml", "[teacher]\nlernrate = 1\n");
    let (code, said) = workshop.refused(&["train-student", "-p", "typo.toml"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(said, @"decant: typo.toml:2: unknown key `lernrate` in [teacher]; expected one of: model, classes, match-classes, outputs, mean, std, image-size, resample, crop-pct, checkpoint, device, batch-size, threads, sessions, gpu");
    let (code, said) = workshop.refused(&["teacher-cache", "-p", "no.toml"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(said, @"decant: can't read the pipeline file no.toml: No such file or directory (os error 2); give one with --pipeline, or one that comes with decant, such as leaves.toml");
    workshop.file("t.toml", "[cache]\nencoding = \"top-k\"\ntop-k = 2\n");
    let (code, said) = workshop.refused(&["train-student", "-p", "t.toml", "--temperature", "4"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(said, @r#"decant: --set train.temperature=4: `train.temperature` must be one of cache.temperatures = [1, 2, 5, 10] with cache.encoding = "top-k", which knows the mass of the rest only there; found 4"#);
    assert_eq!(workshop.refused(&["train-student"]).0, 2);
    assert_eq!(workshop.refused(&["demo", "-p", "t.toml", "--seeds", "0"]).0, 2);
}

#[test]
fn training_without_a_cache_says_how_to_make_one() {
    let workshop = Workshop::new();
    workshop.file("tiny.toml", TINY);
    let (code, said) = workshop.refused(&["train-student", "-p", "tiny.toml"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(said, @"decant: no cache under cache fits this pipeline; make it with decant teacher-cache -p tiny.toml, or name one with --cache");
}

#[test]
fn a_cache_of_other_images_is_refused() {
    let workshop = Workshop::new();
    workshop.file("tiny.toml", TINY);
    workshop.done(&["teacher-cache", "-p", "tiny.toml"]);
    let cache = workshop.only("cache", "tiny-");
    let args = [
        "train-student",
        "-p",
        "tiny.toml",
        "--set",
        "dataset.leaves.seed=1",
        "--cache",
        cache.to_str().unwrap(),
    ];
    let (code, said) = workshop.refused(&args);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("does not fit this pipeline: the dataset's fingerprint is"), "{said}");
    let (code, said) = workshop.refused(&args[..5]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("differs: the dataset's fingerprint is"), "{said}");
}

#[test]
fn a_flipped_bit_in_the_cache_stops_training_with_3() {
    let workshop = Workshop::new();
    workshop.file("tiny.toml", TINY);
    workshop.done(&["teacher-cache", "-p", "tiny.toml"]);
    let shard = workshop.only("cache", "tiny-").join("train/part-00000.parquet");
    let mut bytes = fs::read(&shard).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 4;
    fs::write(&shard, bytes).unwrap();
    let (code, said) = workshop.refused(&["train-student", "-p", "tiny.toml"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("part-00000.parquet"), "{said}");
    let cache = workshop.only("cache", "tiny-");
    assert_eq!(workshop.refused(&["cache", "verify", cache.to_str().unwrap()]).0, 3);
}

#[test]
fn a_library_that_is_not_there_names_the_remedy_and_no_cache_is_begun() {
    let workshop = Workshop::new();
    workshop.file("tiny.toml", TINY);
    let mut command = workshop.decant();
    command.env("ORT_DYLIB_PATH", "/nowhere/libonnxruntime.so").args(["teacher-cache", "-p", "tiny.toml"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("/nowhere/libonnxruntime.so") && said.contains("pip install onnxruntime"),
        "{said}"
    );
    assert!(!workshop.path().join("cache").exists());
}

#[test]
fn a_device_that_is_not_there_is_an_error_and_no_fallback() {
    let workshop = Workshop::new();
    workshop.file("tiny.toml", TINY);
    for args in [["teacher-cache", "--device", "cuda:9"], ["train-student", "--device", "cuda:9"]] {
        let (code, said) = workshop.refused(&[args[0], "-p", "tiny.toml", args[1], args[2]]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("cuda:9"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    // The default build has every provider; the library that the tests use has only the CPU's.
    for (device, brings) in [("cuda:0", "pip install onnxruntime-gpu"), ("openvino", "onnxruntime-openvino")]
    {
        let (code, said) = workshop.refused(&["teacher-cache", "-p", "tiny.toml", "--device", device]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(brings) && said.contains("--device cpu"), "{said}");
        assert!(!workshop.path().join("cache").exists());
    }
}

#[test]
fn a_teacher_of_other_classes_lists_both() {
    let workshop = Workshop::new();
    let embedded = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/teachers/leaves");
    let config = fs::read_to_string(embedded.join("config.json")).unwrap();
    workshop.file("teacher/config.json", &config.replace("bean_rust", "powdery_mildew"));
    for name in ["model.onnx", "preprocessor_config.json"] {
        fs::copy(embedded.join(name), workshop.path().join("teacher").join(name)).unwrap();
    }
    workshop.file("tiny.toml", &format!("[teacher]\nmodel = \"teacher\"\n{TINY}"));
    let (code, said) = workshop.refused(&["teacher-cache", "-p", "tiny.toml"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("powdery_mildew") && said.contains("bean_rust"), "{said}");
}

#[test]
fn help_and_doctor_work_anywhere() {
    let workshop = Workshop::new();
    assert!(workshop.done(&["--help"]).contains("teacher-cache"));
    assert!(workshop.done(&["doctor"]).contains("ONNX Runtime"));
}

#[test]
fn images_that_are_not_there_or_are_none_are_named() {
    let workshop = Workshop::new();
    workshop.file("none.toml", "[dataset]\nsource = \"no/such/folder\"\n");
    let (code, said) = workshop.refused(&["teacher-cache", "-p", "none.toml"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("no/such/folder"), "{said}");

    let sizes = ["--train", "6", "--validation", "3", "--test", "3"];
    workshop.done(&[&["data", "synth", "--out", "leaves"], &sizes[..]].concat());
    let (code, said) = workshop.refused(&[&["data", "synth", "--out", "leaves"], &sizes[..]].concat());
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("is not empty"), "{said}");

    let broken = "leaves/train/healthy/healthy_train.00001.jpg";
    workshop.file(broken, "this is no JPEG");
    workshop.file("leaves.toml", "[dataset]\nsource = \"./leaves\"\n");
    let (code, said) = workshop.refused(&["teacher-cache", "-p", "leaves.toml"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("healthy_train.00001.jpg") && said.contains("on-bad-image"), "{said}");
    let healthy = workshop.path().join("leaves/test/healthy");
    let other = fs::read_dir(&healthy).unwrap().next().unwrap().unwrap().path();
    let good = fs::read(&other).unwrap();
    fs::write(&other, "<html>").unwrap();
    let (code, said) = workshop.refused(&["teacher-cache", "-p", "leaves.toml"]);
    assert_eq!(code, 2, "{said}");
    for part in ["2 of 12 images", "healthy_train.00001.jpg is not a", "it is text", "healthy_test", "(HTML)"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    fs::write(&other, good).unwrap();
    let skipped =
        workshop.done(&["teacher-cache", "-p", "leaves.toml", "--set", "dataset.on-bad-image=skip"]);
    assert!(skipped.contains("train 5") && skipped.contains("healthy_train.00001.jpg"), "{skipped}");

    // What `data inspect` says of a dataset is what its cache was made from.
    let skip = "[dataset]\nsource = \"./leaves\"\non-bad-image = \"skip\"\n";
    workshop.file("skip.toml", skip);
    let inspected = workshop.done(&["data", "inspect", "-p", "skip.toml"]);
    let fingerprint = inspected.split_whitespace().skip_while(|&word| word != "fingerprint").nth(1).unwrap();
    // The refused runs have begun caches of all images.
    let caches = fs::read_dir(workshop.path().join("cache")).unwrap().map(|entry| entry.unwrap().path());
    let made = caches.filter(|cache| cache.join("complete.json").exists()).collect::<Vec<_>>();
    let manifest = fs::read_to_string(made[0].join("manifest.json")).unwrap();
    assert!(made.len() == 1 && manifest.contains(fingerprint), "{inspected}\n{manifest}");
}
