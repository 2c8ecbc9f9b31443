//! What a finished run's student is outside: exported, opened again, predicting and measured.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::common::{TINY, Workshop};

/// A finished run of [`TINY`], its leaves as an image folder, and the run's folder.
fn trained() -> (Workshop, String) {
    let workshop = Workshop::new();
    workshop.done(&[
        "data",
        "synth",
        "--out",
        "leaves",
        "--train",
        "24",
        "--validation",
        "9",
        "--test",
        "9",
        "--severity",
        "1",
    ]);
    workshop.file(
        "tiny.toml",
        &TINY
            .replace("[dataset.leaves]", "[dataset]\nsource = \"leaves/\"\n#")
            .replace("train = 24\nvalidation = 9\ntest = 9\n", ""),
    );
    workshop.done(&["teacher-cache", "-p", "tiny.toml"]);
    workshop.done(&["train-student", "-p", "tiny.toml"]);
    let run = workshop.only("runs", "tiny-").display().to_string();
    (workshop, run)
}

fn lines(output: &str) -> Vec<Value> {
    output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Every probability that `predict --json` prints, line by line.
fn probabilities(output: &str) -> Vec<Vec<f64>> {
    let of = |line: Value| {
        let mut found: Vec<(u64, f64)> = line["predictions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["index"].as_u64().unwrap(), one["probability"].as_f64().unwrap()))
            .collect();
        found.sort_by_key(|one| one.0);
        found.into_iter().map(|one| one.1).collect()
    };
    lines(output).into_iter().map(of).collect()
}

#[test]
fn a_run_its_hugging_face_folder_and_its_onnx_file_predict_and_measure_the_same() {
    let (workshop, run) = trained();
    workshop.done(&["export", "--run", &run, "--to", "hf", "--out", "hf"]);
    workshop.done(&["export", "--run", &run, "--to", "onnx"]);
    let onnx = format!("{run}/export/onnx/model.onnx");
    let alone = workshop.path().join("alone.onnx");
    fs::copy(&onnx, &alone).unwrap();

    let predict = |which: &str, model: &str| {
        workshop.done(&["predict", which, model, "--json", "--batch-size", "7", "leaves/test"])
    };
    let of_run = predict("--run", &run);
    let names: Vec<String> =
        lines(&of_run).iter().map(|line| line["image"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names.len(), 9);
    assert!(names.is_sorted() && names[0].starts_with("leaves/test/angular_leaf_spot/"), "{names:?}");
    assert_eq!(of_run, predict("--model", "hf"), "the same weights give the same bits");
    for model in [onnx.as_str(), "alone.onnx"] {
        let (expected, found) = (probabilities(&of_run), probabilities(&predict("--model", model)));
        for (expected, found) in expected.iter().flatten().zip(found.iter().flatten()) {
            assert!((expected - found).abs() < 1e-5, "{model}: {found} is not {expected}");
        }
    }

    let measured = workshop.done(&["evaluate", "--run", &run, "--json"]);
    let result: Value =
        serde_json::from_slice(&fs::read(Path::new(&run).join("result.json")).unwrap()).unwrap();
    let measured: Value = serde_json::from_str(&measured).unwrap();
    assert_eq!(measured["test"], result["test"]);
    assert_eq!(measured["validation"], result["validation"]);
    for model in ["hf", "alone.onnx"] {
        let found = workshop.done(&["evaluate", "--model", model, "-p", "tiny.toml", "--json"]);
        let found: Value = serde_json::from_str(&found).unwrap();
        assert_eq!(found["test"]["confusion"], result["test"]["confusion"], "{model}");
        let kl = |metrics: &Value| metrics["test"]["teacher_kl"].as_f64().unwrap();
        assert!((kl(&found) - kl(&measured)).abs() < 1e-5, "{model}");
    }
    let table = workshop.done(&["evaluate", "--run", &run, "--split", "test"]);
    for text in ["-> healthy", "precision", "times less", "ms/image, batch 32"] {
        assert!(table.contains(text), "{text}: {table}");
    }
    let compression = &measured["compression"];
    let parameters = |of: &str| compression[of]["parameters"].as_u64().unwrap();
    assert_eq!(Some(parameters("student")), result["parameters"].as_u64());
    assert!(
        parameters("teacher") > 0
            && compression["teacher"]["macs"].as_u64() > compression["student"]["macs"].as_u64()
    );
    let (code, said) = workshop.refused(&["evaluate", "--model", "hf"]);
    assert!(code == 2 && said.contains("-p FILE"), "{said}");
}

#[test]
fn the_model_card_says_what_the_student_is() {
    let (workshop, run) = trained();
    for (to, library) in [("hf", "transformers"), ("onnx", "onnx")] {
        workshop.done(&["export", "--run", &run, "--to", to]);
        let card = fs::read_to_string(Path::new(&run).join("export").join(to).join("README.md")).unwrap();
        let head = card.strip_prefix("---\n").unwrap().split_once("\n---\n").unwrap().0;
        for line in [
            "license: \"unknown\"",
            &format!("library_name: {library}"),
            "pipeline_tag: image-classification",
            "- knowledge-distillation",
            "datasets:",
            "- accuracy",
        ] {
            assert!(head.lines().any(|found| found == line), "{line}: {head}");
        }
        for text in ["train 24, validation 9, test 9", "embedded:leaves", "lambda = 0.5", "| test | 9 |"] {
            assert!(card.contains(text), "{text}: {card}");
        }
        let folder = workshop.path().display().to_string();
        assert!(!card.contains(&folder), "{card}");
        let (_, sizes) = card.split_once("\n## Size and speed\n").unwrap();
        assert!(sizes.contains("| teacher | ") && sizes.contains("| student | "), "{card}");
        workshop.done(&["export", "--run", &run, "--to", to]);
        let again = fs::read_to_string(Path::new(&run).join("export").join(to).join("README.md")).unwrap();
        assert_eq!(card, again, "the measured times are kept");
    }
}

#[test]
fn weights_that_are_not_the_runs_are_not_exported() {
    let (workshop, run) = trained();
    let weights = Path::new(&run).join("best/model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, bytes).unwrap();
    let (code, said) = workshop.refused(&["export", "--run", &run, "--to", "onnx"]);
    assert!(code == 3 && said.contains("best/model.safetensors"), "{code}: {said}");
    let (code, said) = workshop.refused(&["export", "--run", "leaves", "--to", "onnx"]);
    assert!(code == 2 && said.contains("holds no finished run"), "{code}: {said}");
}

/// Runs `predict` with something on its standard input.
fn piped(workshop: &Workshop, args: &[&str], input: &[u8]) -> Output {
    let mut command = workshop.decant();
    command.arg("predict").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn predict_names_what_it_can_not_read_and_goes_on() {
    let (workshop, run) = trained();
    let images: Vec<PathBuf> = fs::read_dir(workshop.path().join("leaves/test/healthy"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let good = images[0].display().to_string();
    workshop.file("broken.jpg", "no image");
    fs::create_dir(workshop.path().join("empty")).unwrap();
    let args = ["predict", "--run", &run, "--top", "1", "--json", "broken.jpg", "gone.png", "empty", &good];
    let output = workshop.run(&args);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    for name in ["broken.jpg is not a JPEG", "gone.png can't be read", "empty holds no", "3 inputs"] {
        assert!(said.contains(name), "{name}: {said}");
    }
    let printed = lines(std::str::from_utf8(&output.stdout).unwrap());
    assert_eq!(printed.len(), 4);
    let predicted: Vec<&Value> = printed.iter().filter(|line| line["predictions"].is_array()).collect();
    assert_eq!(predicted.len(), 1);
    assert_eq!(predicted[0]["predictions"].as_array().unwrap().len(), 1);
    assert_eq!(predicted[0]["image"].as_str(), Some(good.as_str()));

    let bytes = fs::read(&good).unwrap();
    let of_input = piped(&workshop, &["--run", &run, "-"], &bytes);
    let of_file = workshop.done(&["predict", "--run", &run, &good]);
    assert_eq!(String::from_utf8(of_input.stdout).unwrap(), of_file.replace(&good, "-"));
    let of_list = piped(&workshop, &["--run", &run, "--list", "-"], format!("{good}\n\n").as_bytes());
    assert_eq!(String::from_utf8(of_list.stdout).unwrap(), of_file);

    let twice = piped(&workshop, &["--run", &run, "--list", "-", "-"], b"-\n");
    assert_eq!(twice.status.code(), Some(2));
    for (model, reason) in
        [("nowhere", "there is no nowhere"), ("leaves", "is not a model"), ("broken.jpg", "is not a model")]
    {
        let (code, said) = workshop.refused(&["predict", "--model", model, &good]);
        assert!(code == 2 && said.contains(reason), "{code}: {said}");
    }
}

/// A finished run of a ResNet-18, with its checkpoints, and its folder.
fn trained_resnet() -> (Workshop, String) {
    let workshop = Workshop::new();
    let text = TINY
        .replace("width = 0.35", "architecture = \"resnet-18\"")
        .replace("train = 24\nvalidation = 9\ntest = 9", "train = 16\nvalidation = 6\ntest = 6")
        .replace("epochs = 3", "epochs = 2");
    workshop.file("tiny.toml", &text);
    workshop.done(&["teacher-cache", "-p", "tiny.toml"]);
    workshop.done(&["train-student", "-p", "tiny.toml", "--set", "train.keep-checkpoints=3"]);
    let run = workshop.only("runs", "tiny-").display().to_string();
    (workshop, run)
}

#[test]
fn a_resnet_is_trained_resumed_exported_and_described_as_one() {
    let (workshop, run) = trained_resnet();
    let weights = |run: &Path| fs::read(run.join("best/model.safetensors")).unwrap();
    let whole = weights(Path::new(&run));
    // As if it had died after the first epoch.
    fs::remove_file(Path::new(&run).join("result.json")).unwrap();
    fs::remove_file(Path::new(&run).join("best/model.safetensors")).unwrap();
    let checkpoint = Path::new(&run).join("checkpoint-000001-000000");
    let said = workshop.done(&["train-student", "-p", "tiny.toml", "--resume", checkpoint.to_str().unwrap()]);
    assert!(said.contains("resuming at epoch 2/2"), "{said}");
    assert!(weights(Path::new(&run)) == whole);

    for to in ["hf", "onnx"] {
        workshop.done(&["export", "--run", &run, "--to", to]);
        let folder = Path::new(&run).join("export").join(to);
        let card = fs::read_to_string(folder.join("README.md")).unwrap();
        assert!(
            card.contains("\n- resnet\n") && card.contains("A ResNet-18 (32 pixels, 11178051 parameters)"),
            "{card}"
        );
        let config: Value = serde_json::from_slice(&fs::read(folder.join("config.json")).unwrap()).unwrap();
        assert_eq!(config["architectures"][0], "ResNetForImageClassification");
    }
    workshop.done(&["data", "synth", "--out", "leaves", "--train", "3", "--validation", "3", "--test", "6"]);
    let predict = |model: &str| workshop.done(&["predict", "--model", model, "--json", "leaves/test"]);
    let of_run = predict(&run);
    assert_eq!(of_run, predict(&format!("{run}/export/hf")), "the same weights give the same bits");
    let onnx = predict(&format!("{run}/export/onnx"));
    for (expected, found) in
        probabilities(&of_run).iter().flatten().zip(probabilities(&onnx).iter().flatten())
    {
        assert!((expected - found).abs() < 1e-5, "{found} is not {expected}");
    }

    // What it starts from may be a folder, and what is frozen stays.
    let init = format!("student.init={run}/export/hf");
    let frozen =
        ["--set", &init, "--set", "student.freeze=blocks:8", "--epochs", "1", "--runs-dir", "frozen"];
    workshop.done(&[&["train-student", "-p", "tiny.toml"][..], &frozen].concat());
    let [before, after] = [Path::new(&run), &workshop.only("frozen", "tiny-")].map(weights);
    let [before, after] =
        [&before, &after].map(|bytes| safetensors::SafeTensors::deserialize(bytes).unwrap());
    for (name, tensor) in before.iter().filter(|(name, _)| !name.ends_with("num_batches_tracked")) {
        let same = after.tensor(name).unwrap().data() == tensor.data();
        assert_eq!(same, !name.starts_with("classifier."), "{name}");
    }
}

#[test]
fn keys_that_an_architecture_does_not_have_are_refused() {
    let workshop = Workshop::new();
    workshop.file("tiny.toml", TINY);
    for (set, said) in [
        // The file's width has no meaning any more, and the run asks for its cache.
        ("student.architecture=resnet-18", "no cache"),
        ("student.architecture=resnet", "resnet-18"),
        ("student.freeze=blocks:17", "blocks:N"),
    ] {
        let (code, message) = workshop.refused(&["train-student", "-p", "tiny.toml", "--set", set]);
        assert!(code == 2 && message.contains(said), "{set}: {message}");
    }
    workshop.file("resnet.toml", &TINY.replace("width = 0.35", "architecture = \"resnet-18\""));
    workshop.file("both.toml", &TINY.replace("width = 0.35", "architecture = \"resnet-18\"\nwidth = 0.35"));
    let (code, message) = workshop.refused(&["train-student", "-p", "both.toml"]);
    assert!(code == 2 && message.contains("student.width") && message.contains("both.toml:"), "{message}");
    let (code, message) =
        workshop.refused(&["train-student", "-p", "resnet.toml", "--set", "student.freeze=blocks:9"]);
    assert!(code == 2 && message.contains("N from 0 to 8"), "{message}");
}

/// Runs one of the scripts under `tests/interop` with the Python that PYTHON names.
fn python(script: &str, args: &[&str], input: &[u8]) {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(script);
    let mut child = std::process::Command::new(python)
        .arg(script)
        .args(args)
        .stdin(Stdio::piped())
        .spawn()
        .expect("PYTHON names a Python");
    child.stdin.take().unwrap().write_all(input).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
#[ignore = "needs a Python with tests/interop/requirements-models.txt, named by PYTHON; `make interop` runs it"]
fn onnx_and_transformers_open_what_was_exported() {
    let (workshop, run) = trained();
    exports_are_opened(&workshop, &run);
}

#[test]
#[ignore = "needs a Python with tests/interop/requirements-models.txt, named by PYTHON; `make interop` runs it"]
fn onnx_and_transformers_open_an_exported_resnet() {
    let (workshop, run) = trained_resnet();
    workshop.done(&["data", "synth", "--out", "leaves", "--train", "24", "--validation", "3", "--test", "3"]);
    exports_are_opened(&workshop, &run);
}

/// ONNX Runtime and `transformers` predict from the exports of `run` what decant predicts.
fn exports_are_opened(workshop: &Workshop, run: &str) {
    workshop.done(&["export", "--run", run, "--to", "hf"]);
    workshop.done(&["export", "--run", run, "--to", "onnx"]);
    let png = workshop.path().join("png");
    fs::create_dir(&png).unwrap();
    for (index, path) in fs::read_dir(workshop.path().join("leaves/train/bean_rust")).unwrap().enumerate() {
        let picture = image::open(path.unwrap().path()).unwrap();
        picture.save(png.join(format!("{index:02}.png"))).unwrap();
    }
    let predicted = workshop.done(&["predict", "--run", run, "--json", "png"]);
    let [hf, onnx] = ["hf", "onnx"].map(|to| format!("{run}/export/{to}"));
    python("read_export.py", &[&hf, &onnx, png.to_str().unwrap()], predicted.as_bytes());
}

#[test]
#[ignore = "needs a Python with tests/interop/requirements-models.txt, named by PYTHON; `make interop` runs it"]
fn tensorboard_reads_the_events_of_a_run() {
    let (workshop, run) = trained();
    workshop.done(&["train-student", "-p", "tiny.toml", "--lambda", "0"]);
    python("read_events.py", &[&run, "10"], b"");
    workshop.done(&[
        "train-student",
        "-p",
        "tiny.toml",
        "--epochs",
        "4",
        "--runs-dir",
        "every",
        "--set",
        "train.tensorboard=1",
    ]);
    let run = workshop.only("every", "tiny-").display().to_string();
    python("read_events.py", &[&run, "1"], b"");
}

#[test]
#[ignore = "needs a Python with tests/interop/requirements*.txt, named by PYTHON; `make interop` runs it"]
fn mlflow_reads_what_the_python_package_writes_of_runs() {
    let (workshop, _) = trained();
    workshop.done(&["train-student", "-p", "tiny.toml", "--seed", "7", "--name", "seven", "--tag", "odd"]);
    let seven = workshop.done(&["runs", "ls", "--json", "--tag", "odd"]);
    assert!(seven.contains("seven"), "{seven}");
    python("read_mlflow.py", &[&workshop.path().join("runs").display().to_string()], b"");
}
