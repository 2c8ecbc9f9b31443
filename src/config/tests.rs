//! Tests of pipeline files: which are accepted, and the error for each that is not.

use std::fs;
use std::path::Path;

use super::keys::keys;
use super::kind::Kind;
use super::{Pipeline, load};

fn load_text(text: &str, overrides: &[&str]) -> Result<Pipeline, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("beans.toml");
    fs::write(&path, text).unwrap();
    let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
    let shown = folder.path().display().to_string();
    load(&path, &overrides).map_err(|error| error.to_string().replace(&shown, "DIR"))
}

#[test]
fn an_empty_file_is_the_defaults_under_the_files_name() {
    let pipeline = load_text("", &[]).unwrap();
    assert_eq!(pipeline.name, "beans");
    assert_eq!(pipeline.cache.name, "beans");
    let mut expected = Pipeline::default();
    expected.settle();
    assert_eq!((pipeline.train, pipeline.student), (expected.train, expected.student));
}

#[test]
fn a_set_comes_before_the_file() {
    let pipeline = load_text("[train]\nlr = 0.1\n", &["train.lr=3e-4", "teacher.device=cpu"]).unwrap();
    assert!((pipeline.train.lr - 3e-4).abs() < 1e-12);
    assert_eq!(pipeline.teacher.device, crate::config::TeacherDevice::CPU.into());
}

#[test]
fn mixed_images_are_refused_with_the_reason() {
    insta::assert_snapshot!(
        load_text("[train]\nmixup = 0.2\n", &[]).unwrap_err(),
        @"DIR/beans.toml:2: `mixup` is not supported: the cached targets are of whole images, and the teacher never saw mixed ones; cache.views gives crops and flips that it did see, and [cache.view] colour jitter and RandAugment"
    );
    assert!(load_text("", &["train.cutmix=1.0"]).unwrap_err().contains("cutmix"));
}

#[test]
fn an_unknown_key_names_its_line_and_the_nearest_one() {
    insta::assert_snapshot!(
        load_text("[cache]\n\ntempratures = [1.0]\n", &[]).unwrap_err(),
        @"DIR/beans.toml:3: unknown key `tempratures` in [cache]; did you mean `temperatures`?"
    );
    insta::assert_snapshot!(
        load_text("", &["teacher.learning-rate=1"]).unwrap_err(),
        @"--set teacher.learning-rate=1: unknown key `learning-rate` in [teacher]; did you mean `train.lr`?"
    );
}

#[test]
fn an_unknown_name_says_the_nearest_one() {
    insta::assert_snapshot!(
        load_text("[train]\nloss = \"dkdd\"\n", &[]).unwrap_err(),
        @r#"DIR/beans.toml:2: unknown value "dkdd" of `train.loss`; did you mean "dkd"?"#
    );
    insta::assert_snapshot!(
        load_text("", &["train.loss=contrastive"]).unwrap_err(),
        @r#"--set train.loss=contrastive: unknown value "contrastive" of `train.loss`; expected one of: kd, std-kd, dkd, dist, mse, ce"#
    );
    insta::assert_snapshot!(
        load_text("", &["train.dkd.gamma=2"]).unwrap_err(),
        @"--set train.dkd.gamma=2: unknown key `gamma` in [train.dkd]; expected one of: alpha, beta"
    );
}

#[test]
fn a_loss_that_the_cache_cannot_serve_is_refused() {
    insta::assert_snapshot!(
        load_text("[cache]\nencoding = \"top-k\"\ntop-k = 2\n[train]\nloss = \"dist\"\n", &[]).unwrap_err(),
        @r#"DIR/beans.toml:5: `train.loss` must be "kd" or "ce" with cache.encoding = "top-k", since the others compare every class with every other; found "dist""#
    );
    insta::assert_snapshot!(
        load_text("[cache]\nencoding = \"top-k\"\ntop-k = 2\n", &["train.temperature-end=1"]).unwrap_err(),
        @r#"--set train.temperature-end=1: `train.temperature-end` must be left out with cache.encoding = "top-k", which knows the mass of the rest only at cache.temperatures; found 1"#
    );
    insta::assert_snapshot!(
        load_text("[train]\ncontrol = \"permuted-targets\"\n", &["train.lambda=0"]).unwrap_err(),
        @r#"DIR/beans.toml:2: `train.control` must be left out where the student does not learn from the teacher: set train.lambda above 0 and a train.loss other than "ce"; found "permuted-targets""#
    );
    insta::assert_snapshot!(load_text("", &["train.label-smoothing=1"]).unwrap_err(), @"--set train.label-smoothing=1: `train.label-smoothing` must be a number from 0 to below 1; found 1");
    insta::assert_snapshot!(load_text("", &["train.dist.gamma=-1"]).unwrap_err(), @"--set train.dist.gamma=-1: `train.dist.gamma` must be a number from 0 to 1000; found -1");
    insta::assert_snapshot!(load_text("", &["train.lambda-end=2"]).unwrap_err(), @"--set train.lambda-end=2: `train.lambda-end` must be a number from 0 to 1; found 2");
}

#[test]
fn a_loss_that_reads_logits_needs_no_temperature_of_the_cache() {
    for sets in
        [["train.loss=dkd"], ["train.loss=ce"], ["train.temperature-end=1"], ["train.control=labels-only"]]
    {
        assert!(load_text("[train]\ntemperature = 4\n", &sets).is_ok(), "{sets:?}");
    }
}

#[test]
fn a_value_of_the_wrong_type_names_its_line() {
    insta::assert_snapshot!(
        load_text("[train]\nepochs = \"many\"\n", &[]).unwrap_err(),
        @r#"DIR/beans.toml:2: `train.epochs` must be a whole number from 0 to 100000; found "many""#
    );
    insta::assert_snapshot!(
        load_text("[train\n", &[]).unwrap_err(),
        @"DIR/beans.toml:1: not valid TOML: unclosed table, expected `]`"
    );
    insta::assert_snapshot!(
        load_text("", &["train.device=gpu"]).unwrap_err(),
        @r#"--set train.device=gpu: unknown device "gpu" for a student, expected auto, cpu, cuda:N, vulkan:N, metal:N or wgpu:N"#
    );
}

#[test]
fn a_value_out_of_range_names_its_line_and_the_range() {
    insta::assert_snapshot!(
        load_text("[train]\nlambda = 1.5\n", &[]).unwrap_err(),
        @"DIR/beans.toml:2: `train.lambda` must be a number from 0 to 1; found 1.5"
    );
    insta::assert_snapshot!(
        load_text("[cache]\nencoding = \"top-k\"\ntop-k = 2\n[train]\ntemperature = 4\n", &[]).unwrap_err(),
        @r#"DIR/beans.toml:5: `train.temperature` must be one of cache.temperatures = [1, 2, 5, 10] with cache.encoding = "top-k", which knows the mass of the rest only there; found 4"#
    );
    insta::assert_snapshot!(
        load_text("", &["train.epochs=100001"]).unwrap_err(),
        @"--set train.epochs=100001: `train.epochs` must be a whole number from 0 to 100000; found 100001"
    );
}

#[test]
fn what_the_teachers_device_would_not_heed_is_refused() {
    insta::assert_snapshot!(
        load_text("[teacher]\ndevice = \"cpu\"\ngpu.graph = true\n", &[]).unwrap_err(),
        @r#"DIR/beans.toml:3: `teacher.gpu.graph` would do nothing: it is read only with teacher.device = "cuda:N" or "tensorrt:N""#
    );
    insta::assert_snapshot!(
        load_text("[teacher]\ndevice = \"cpu\"\n", &["teacher.gpu.tensorrt-fp16=true"]).unwrap_err(),
        @r#"--set teacher.gpu.tensorrt-fp16=true: `teacher.gpu.tensorrt-fp16` would do nothing: it is read only with teacher.device = "tensorrt:N""#
    );
    insta::assert_snapshot!(
        load_text("[teacher]\ndevice = \"tensorrt:0\"\n", &["teacher.gpu.tf32=true"]).unwrap_err(),
        @r#"--set teacher.gpu.tf32=true: `teacher.gpu.tf32` would do nothing: it is read only with teacher.device = "cuda:N""#
    );
    insta::assert_snapshot!(
        load_text("", &["teacher.device=cuda:0,0"]).unwrap_err(),
        @"--set teacher.device=cuda:0,0: cuda:0 occurs twice, expected each device once"
    );
}

#[test]
fn a_bare_model_is_described_in_the_file() {
    use crate::config::{Filter, ImageSize};

    let text = "[teacher]\nmodel = \"m.onnx\"\nclasses = [\"a\", \"b\"]\nmean = [0, 0.5, 0.5]\nstd = [1, 0.5, 0.5]\n\
                resample = \"bicubic\"\nimage-size = [224, 192]\n";
    let teacher = load_text(text, &[]).unwrap().teacher;
    assert_eq!(teacher.mean, Some([0.0, 0.5, 0.5]));
    assert_eq!(teacher.resample, Some(Filter::Bicubic));
    assert_eq!(teacher.image_size, Some(ImageSize::Rectangle([224, 192])));
    let square = load_text(text, &["teacher.image-size=224", "teacher.crop-pct=0.9"]).unwrap().teacher;
    assert_eq!((square.image_size, square.crop_pct), (Some(ImageSize::Square(224)), Some(0.9)));
    for (sets, reason) in [
        (&["teacher.crop-pct=0.9"][..], "a square with teacher.crop-pct"),
        (&["teacher.model=embedded:leaves", "teacher.std=[1, 1, 1]"], "which knows it"),
        (&["teacher.std=[0, 1, 1]"], "a list of 3 numbers, each from 0.001"),
        (&["teacher.image-size=0"], "a number of pixels from 1 to 4096"),
        (&["teacher.image-size=big"], "expected a number of pixels from 1 to 4096, or [height, width]"),
        (&["teacher.classes=[]"], "at least one name"),
    ] {
        let message = load_text(text, sets).unwrap_err();
        assert!(message.contains(reason), "{message}");
    }
    let alone = load_text("[teacher]\nmodel = \"m.onnx\"\nmean = [0.5, 0.5, 0.5]\n", &[]).unwrap_err();
    assert!(alone.contains("teacher.std") && alone.contains("none of them is taken from a file"), "{alone}");
}

#[test]
fn several_gpus_record_graphs_as_one_does() {
    for device in ["teacher.device=cuda:0,1", "teacher.device=[\"tensorrt:0\", \"tensorrt:2\"]"] {
        let pipeline = load_text("", &[device, "teacher.gpu.graph=true"]).unwrap();
        assert_eq!(pipeline.teacher.device.as_slice().len(), 2);
    }
}

#[test]
fn a_missing_file_and_a_bare_set_say_what_to_give() {
    assert!(load(Path::new("no.toml"), &[]).unwrap_err().to_string().contains("--pipeline"));
    assert!(load_text("", &["train.lr"]).unwrap_err().contains("KEY=VALUE"));
}

#[test]
fn every_shipped_pipeline_loads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let pipelines: Vec<_> = files.filter(|path| path.extension().is_some_and(|ext| ext == "toml")).collect();
    assert!(!pipelines.is_empty());
    for path in pipelines {
        load(&path, &[]).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// A value that a key takes, as TOML.
fn example(kind: &Kind) -> String {
    match kind {
        Kind::Text | Kind::Path => "\"some\"".to_owned(),
        Kind::Flag => "true".to_owned(),
        Kind::Whole(from, _) | Kind::WholeOrAuto(from, _) => from.to_string(),
        Kind::Number(range) => number(|number| range.contains(number)),
        Kind::Array(count, range) => {
            let number = number(|number| range.contains(number));
            format!("[{}]", vec![number; *count].join(", "))
        }
        Kind::Numbers(range) => format!("[{}]", number(|number| range.contains(number))),
        Kind::Texts => "[\"a\", \"b\"]".to_owned(),
        Kind::OneOf(names) => format!("\"{}\"", names[0]),
        Kind::Written { example, .. } => (*example).to_owned(),
        Kind::Map => "{ a = \"b\" }".to_owned(),
        Kind::Axes("student") => "{ dropout = [0.1, 0.2] }".to_owned(),
        Kind::Axes(_) => "{ seed = [1, 2] }".to_owned(),
        Kind::Runs => "[]".to_owned(),
    }
}

fn number(fits: impl Fn(f64) -> bool) -> String {
    [0.5, 1.0, 0.1].into_iter().find(|number| fits(*number)).expect("a number in the range").to_string()
}

/// These settings as a file; the last one of a key holds.
fn file(settings: &[String]) -> String {
    let mut lines = Vec::new();
    for (at, setting) in settings.iter().enumerate() {
        let (key, value) = setting.split_once('=').unwrap();
        if settings[at + 1..].iter().any(|later| later.split_once('=').unwrap().0 == key) {
            continue;
        }
        let is_toml = toml::from_str::<toml::Table>(&format!("value = {value}")).is_ok();
        let value = if is_toml { value.to_owned() } else { format!("\"{value}\"") };
        lines.push(format!("{key} = {value}\n"));
    }
    lines.concat()
}

#[test]
fn every_key_is_refused_where_it_would_do_nothing_and_accepted_where_it_is_read() {
    let mut tested = 0;
    for key in keys() {
        let own = format!("{}={}", key.name, example(&key.kind));
        let all: Vec<String> =
            key.readers().iter().flat_map(|reader| reader.with).map(|&setting| setting.to_owned()).collect();
        let with_own = |mut settings: Vec<String>| {
            settings.push(own.clone());
            settings
        };
        let is_unread = |result: &Result<Pipeline, String>| {
            let start = format!("`{}` would do nothing", key.name);
            result.as_ref().is_err_and(|message| message.contains(&start))
        };
        let command_line =
            |settings: &[String]| load_text("", &settings.iter().map(String::as_str).collect::<Vec<_>>());
        for found in [command_line(&with_own(all.clone())), load_text(&file(&with_own(all.clone())), &[])] {
            assert!(!is_unread(&found), "{}: {found:?}", key.name);
            let fits = found.is_ok() || found.as_ref().is_err_and(|message| message.contains(" must be "));
            assert!(fits, "{}: {found:?}", key.name);
        }
        for reader in key.readers() {
            let settings = with_own(reader.without.iter().map(|&setting| setting.to_owned()).collect());
            for found in [load_text(&file(&settings), &[]), command_line(&settings)] {
                // What turns it off may do nothing itself, such as a momentum of 0 with an optimiser that has none.
                let is_refused = settings.iter().any(|setting| {
                    let start = format!("`{}` would do nothing", setting.split('=').next().unwrap());
                    found.as_ref().is_err_and(|message| message.contains(&start))
                });
                assert!(is_refused, "{}: {found:?}", key.name);
            }
            tested += 1;
        }
    }
    assert!(tested > 40, "{tested} conditions");
}

#[test]
fn every_default_is_in_its_range_and_every_name_is_one() {
    Pipeline::default().validate().unwrap();
    for key in keys() {
        assert!(!key.about.is_empty() && !key.about.ends_with('.'), "{}", key.name);
        let Kind::OneOf(names) = &key.kind else { continue };
        let with: Vec<String> =
            key.readers().iter().flat_map(|reader| reader.with).map(|&setting| setting.to_owned()).collect();
        for name in *names {
            let upper = format!("{}={}", key.name, name.to_uppercase().replace('-', "_"));
            let sets: Vec<&str> = with.iter().chain([&upper]).map(String::as_str).collect();
            let found = load_text("", &sets);
            let is_known =
                !found.as_ref().is_err_and(|message| message.contains("unknown") || message.contains("TOML"));
            assert!(is_known, "{upper}: {found:?}");
        }
        if let Some(default) = key.default() {
            assert!(names.contains(&default.as_str().unwrap()), "{}", key.name);
        }
    }
}

#[test]
fn every_field_is_declared() {
    let fields = crate::runs::flatten(&Pipeline::default());
    for field in fields.keys() {
        assert!(keys().iter().any(|key| key.name == field), "{field} has no declaration");
    }
}

#[test]
fn a_key_that_only_one_run_of_a_sweep_reads_may_stand_in_the_file() {
    let text = "[train]\nmomentum = 0.9\n[sweep]\ntrain.optimizer = [\"adamw\", \"sgd\"]\n";
    let train = load_text(text, &[]).unwrap().train;
    assert!(train.momentum.abs() <= 0.0, "a run by adamw has none: {}", train.momentum);
    let refused = load_text(text, &["train.momentum=0.5"]).unwrap_err();
    assert!(refused.contains("would do nothing"), "{refused}");
}

#[test]
fn what_an_override_makes_meaningless_is_left_out() {
    let text = "[train]\nloss = \"dkd\"\ntemperature = 4\ndkd.beta = 2\n";
    let mse = load_text(text, &["train.loss=mse"]).unwrap();
    assert_eq!(mse, load_text("", &["train.loss=mse"]).unwrap());
    // The baseline of the file's own run has its values.
    let labels = load_text(text, &["train.control=labels-only"]).unwrap().train;
    assert!((labels.temperature - 4.0).abs() < 1e-6);
}

#[test]
fn names_of_other_programs_lead_to_ours() {
    for (foreign, ours) in [
        ("train.learning_rate", "lr"),
        ("train.num_train_epochs", "epochs"),
        ("train.per_device_train_batch_size", "batch-size"),
        ("train.tau", "temperature"),
        ("train.wd", "weight-decay"),
        ("train.lr_scheduler_type", "schedule"),
        ("train.gradient_accumulation_steps", "accumulate"),
        ("student.resolution", "image-size"),
        ("lr", "train.lr"),
        ("learning_rate", "train.lr"),
        ("epochs", "train.epochs"),
        ("num_train_epochs", "train.epochs"),
        ("temperature", "train.temperature"),
        ("train.width", "student.width"),
        ("dataset.path", "source"),
    ] {
        let message = load_text("", &[&format!("{foreign}=1")]).unwrap_err();
        assert!(message.contains(&format!("did you mean `{ours}`")), "{message}");
    }
    // The key in its section may be written with another case and underscores.
    let train = load_text("[train]\nWeight_Decay = 0.1\nBatch_Size = 4\n", &[]).unwrap().train;
    assert_eq!(train.batch_size, 4);
    for alpha in ["train.alpha=0.5", "alpha=0.5"] {
        let message = load_text("", &[alpha]).unwrap_err();
        assert!(message.contains("the weight of the distillation term is train.lambda"), "{message}");
    }
}
