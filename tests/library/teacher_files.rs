//! Teachers as the ecosystem writes them: every layout is read, and what is missing is listed with the lines to write.

use std::fs;
use std::path::Path;
use std::process::Command;

use decant::config::{self, ClassMatching, Filter, ImageSize};
use decant::teacher::{OnnxTeacher, Teacher, identify};

use crate::teacher_support::{CLASSES, copy_of, golden, on_cpu};

/// A folder with the golden model, and these files in place of its own.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(golden("fp32/model.onnx"), folder.path().join("model.onnx")).unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn message(teacher: &config::Teacher) -> String {
    identify(teacher).expect_err("it is refused").to_string()
}

/// `config.json` as `optimum-cli export onnx` and `save_pretrained()` write it, the ids of `label2id` as numbers.
const OPTIMUM_CONFIG: &str = r#"{
  "_attn_implementation_autoset": true,
  "architectures": ["ViTForImageClassification"],
  "attention_probs_dropout_prob": 0.0,
  "encoder_stride": 16,
  "hidden_act": "gelu",
  "hidden_size": 16,
  "id2label": {"0": "angular_leaf_spot", "1": "bean_rust", "2": "healthy"},
  "image_size": 32,
  "label2id": {"angular_leaf_spot": 0, "bean_rust": 1, "healthy": 2},
  "model_type": "vit",
  "num_channels": 3,
  "patch_size": 8,
  "problem_type": "single_label_classification",
  "qkv_bias": true,
  "torch_dtype": "float32",
  "transformers_version": "4.52.4"
}"#;

/// `preprocessor_config.json` as a slow `ViTImageProcessor` is saved, and `optimum-cli` copies it.
const PREPROCESSOR: &str = r#"{
  "do_convert_rgb": null,
  "do_normalize": true,
  "do_rescale": true,
  "do_resize": true,
  "image_mean": [0.5, 0.5, 0.5],
  "image_processor_type": "ViTImageProcessor",
  "image_std": [0.5, 0.5, 0.5],
  "resample": 2,
  "rescale_factor": 0.00392156862745098,
  "size": {"height": 32, "width": 32}
}"#;

/// As a fast processor of transformers 5 is saved.
const FAST_PREPROCESSOR: &str = r#"{
  "crop_size": null,
  "data_format": "channels_first",
  "default_to_square": true,
  "device": null,
  "disable_grouping": null,
  "do_center_crop": null,
  "do_convert_rgb": null,
  "do_normalize": true,
  "do_rescale": true,
  "do_resize": true,
  "image_mean": [0.5, 0.5, 0.5],
  "image_processor_type": "ViTImageProcessorFast",
  "image_std": [0.5, 0.5, 0.5],
  "input_data_format": null,
  "resample": 2,
  "rescale_factor": 0.00392156862745098,
  "return_tensors": null,
  "size": {"height": 32, "width": 32}
}"#;

/// `config.json` as `timm.models.push_to_hf_hub` and `save_for_hf` write it.
const TIMM_CONFIG: &str = r#"{
  "architecture": "vit_tiny_patch16_224",
  "num_classes": 3,
  "num_features": 16,
  "global_pool": "token",
  "label_names": ["angular_leaf_spot", "bean_rust", "healthy"],
  "label_descriptions": {"healthy": "no spots"},
  "pretrained_cfg": {
    "tag": "augreg_in21k_ft_in1k",
    "custom_load": false,
    "input_size": [3, 32, 32],
    "fixed_input_size": true,
    "interpolation": "bicubic",
    "crop_pct": 0.9,
    "crop_mode": "center",
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
    "num_classes": 3,
    "pool_size": null,
    "first_conv": "patch_embed.proj",
    "classifier": "head",
    "license": "apache-2.0"
  }
}"#;

#[test]
fn every_layout_of_transformers_is_the_same_teacher() {
    let expected = identify(&on_cpu(&golden("fp32"))).unwrap();
    let guide =
        OPTIMUM_CONFIG.replace(": 0,", ": \"0\",").replace(": 1,", ": \"1\",").replace(": 2}", ": \"2\"}");
    assert!(guide.contains("\"healthy\": \"2\""));
    let placeholders = OPTIMUM_CONFIG.replace(
        r#"{"angular_leaf_spot": 0, "bean_rust": 1, "healthy": 2}"#,
        r#"{"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2}"#,
    );
    let with_nan = OPTIMUM_CONFIG.replace("0.0,", "NaN,");
    let with_mark = format!("\u{feff}{OPTIMUM_CONFIG}");
    let nested = format!("{{\"image_processor\": {PREPROCESSOR}, \"processor_class\": \"AutoProcessor\"}}");
    for (config, processor, text) in [
        (OPTIMUM_CONFIG, "preprocessor_config.json", PREPROCESSOR),
        (OPTIMUM_CONFIG, "preprocessor_config.json", FAST_PREPROCESSOR),
        (OPTIMUM_CONFIG, "processor_config.json", &nested),
        (&guide, "preprocessor_config.json", PREPROCESSOR),
        (&placeholders, "preprocessor_config.json", PREPROCESSOR),
        (&with_nan, "preprocessor_config.json", PREPROCESSOR),
        (&with_mark, "preprocessor_config.json", &format!("\u{feff}{PREPROCESSOR}")),
    ] {
        let folder = folder(&[("config.json", config), (processor, text)]);
        let found = identify(&on_cpu(folder.path())).unwrap();
        assert_eq!(found.classes, CLASSES, "{config}");
        assert_eq!(found.fingerprint, expected.fingerprint, "{config} {text}");
    }
}

/// `transformers.exporters.OnnxExporter` writes `model.onnx`, `model.onnx.data`, `export.json` and `config.json`; the hub's exports have
/// the model in `onnx/`.
#[test]
fn a_model_below_its_files_and_one_of_another_name_are_found() {
    let expected = identify(&on_cpu(&golden("fp32"))).unwrap().fingerprint;
    let found = |folder: &Path| identify(&on_cpu(folder)).unwrap().fingerprint;
    let files =
        [("config.json", OPTIMUM_CONFIG), ("preprocessor_config.json", PREPROCESSOR), ("export.json", "{}")];
    let hub = folder(&files);
    fs::create_dir(hub.path().join("onnx")).unwrap();
    fs::rename(hub.path().join("model.onnx"), hub.path().join("onnx/model.onnx")).unwrap();
    assert_eq!(found(hub.path()), expected);
    assert_eq!(found(&hub.path().join("onnx/model.onnx")), expected);
    let named = folder(&files);
    fs::rename(named.path().join("model.onnx"), named.path().join("vit-tiny.onnx")).unwrap();
    assert_eq!(found(named.path()), expected);
}

#[test]
fn a_timm_model_is_described_by_its_pretrained_cfg() {
    let timm = folder(&[("config.json", TIMM_CONFIG)]);
    let found = identify(&on_cpu(timm.path())).unwrap();
    assert_eq!(found.classes, CLASSES);
    assert_eq!(found.preprocess.size(), (32, 32));
    assert_eq!(
        found.preprocess.resize().to_string(),
        "resized to shortest edge 35 bicubic, center crop 32 x 32 rounded"
    );
    let mut teacher = OnnxTeacher::open(&on_cpu(timm.path())).unwrap();
    assert_eq!(teacher.logits(&vec![0.5; 3 * 32 * 32], 1).unwrap().len(), 3);

    let nameless = TIMM_CONFIG.replace("label_names", "other_labels");
    let timm = folder(&[("config.json", &nameless)]);
    let message = message(&on_cpu(timm.path()));
    assert!(message.contains("has no id2label, label2id or label_names"), "{message}");
    assert!(!message.contains("mean ="), "its preprocessing is known: {message}");
}

/// A bare model of `torch.onnx.export`, described in the pipeline file.
pub(crate) fn bare(folder: &Path) -> config::Teacher {
    config::Teacher {
        classes: Some(CLASSES.map(str::to_owned).to_vec()),
        mean: Some([0.5; 3]),
        std: Some([0.5; 3]),
        image_size: Some(ImageSize::Square(32)),
        resample: Some(Filter::Bilinear),
        ..on_cpu(folder)
    }
}

#[test]
fn a_bare_model_is_described_in_the_pipeline_file() {
    let expected = identify(&on_cpu(&golden("fp32"))).unwrap();
    let folder = folder(&[]);
    let teacher = bare(folder.path());
    assert_eq!(identify(&teacher).unwrap().fingerprint, expected.fingerprint);
    // The model fixes the size of its input.
    let without_size = config::Teacher { image_size: None, ..teacher.clone() };
    assert_eq!(identify(&without_size).unwrap().fingerprint, expected.fingerprint);
    let cropped =
        config::Teacher { crop_pct: Some(0.875), resample: Some(Filter::Bicubic), ..teacher.clone() };
    let cropped = identify(&cropped).unwrap();
    assert_eq!(
        cropped.preprocess.resize().to_string(),
        "resized to shortest edge 36 bicubic, center crop 32 x 32 rounded"
    );
    let other_size = config::Teacher { image_size: Some(ImageSize::Square(64)), ..teacher };
    let message = OnnxTeacher::open(&other_size).err().unwrap().to_string();
    assert!(message.contains("takes images of 32x32"), "{message}");
}

#[test]
fn the_pipeline_file_comes_before_the_files_beside_the_model() {
    let placeholders = OPTIMUM_CONFIG.replace("angular_leaf_spot", "LABEL_0").replace("bean_rust", "LABEL_1");
    let folder = folder(&[("config.json", &placeholders), ("preprocessor_config.json", PREPROCESSOR)]);
    let classes = Some(CLASSES.map(str::to_owned).to_vec());
    let teacher = config::Teacher { classes, ..on_cpu(folder.path()) };
    assert_eq!(
        identify(&teacher).unwrap().fingerprint,
        identify(&on_cpu(&golden("fp32"))).unwrap().fingerprint
    );
}

#[test]
fn all_that_is_missing_is_listed_at_once_with_the_lines_to_write() {
    let folder = folder(&[]);
    let message = message(&on_cpu(folder.path())).replace(&folder.path().display().to_string(), "DIR");
    insta::assert_snapshot!(message, @r#"
    DIR/model.onnx does not tell the names of its classes (there is no config.json in DIR) and its preprocessing (there is no preprocessor_config.json in DIR); copy what save_pretrained() of the model and of its image processor writes into DIR, or write into the pipeline file:

    [teacher]
    classes = ["...", "..."]      # 3 names, in the order of the logits
    image-size = 32              # what the model takes
    mean = [0.485, 0.456, 0.406]  # these are ImageNet's; many ViTs have 0.5, 0.5, 0.5
    std = [0.229, 0.224, 0.225]
    resample = "bilinear"         # or nearest, lanczos, bicubic, box, hamming
    crop-pct = 0.875              # leave it out where the whole image is resized
    "#);
}

#[test]
fn a_json_file_that_is_none_is_named_with_its_fault() {
    for (name, text, reason) in [
        ("config.json", "{\"id2label\": nan}", "line 1 column"),
        ("config.json", "[1]", "it is not an object"),
        ("config.json", r#"{"id2label": {"0": "a", "2": "b"}}"#, "expected 0 to 1"),
        ("preprocessor_config.json", "{", "EOF"),
    ] {
        let folder = folder(&[("config.json", OPTIMUM_CONFIG), ("preprocessor_config.json", PREPROCESSOR)]);
        fs::write(folder.path().join(name), text).unwrap();
        let message = message(&on_cpu(folder.path()));
        assert!(message.contains(name) && message.contains(reason), "{message}");
        assert!(!message.contains("damaged"), "{message}");
    }
}

#[test]
fn names_that_occur_twice_are_matched_by_index_where_the_pipeline_says_so() {
    let twice = OPTIMUM_CONFIG
        .replace("\"1\": \"bean_rust\"", "\"1\": \"healthy\"")
        .replace("\"bean_rust\": 1, ", "");
    let folder = folder(&[("config.json", &twice), ("preprocessor_config.json", PREPROCESSOR)]);
    let by_name = on_cpu(folder.path());
    let dataset = ["spot", "rust", "healthy"].map(str::to_owned);
    let refused = identify(&by_name).unwrap().class_order(&dataset).unwrap_err().to_string();
    assert!(refused.contains("occurs twice") && refused.contains("match-classes"), "{refused}");
    let by_index = config::Teacher { match_classes: ClassMatching::Index, ..by_name.clone() };
    let identity = identify(&by_index).unwrap();
    assert_eq!(identity.class_order(&dataset).unwrap(), [0, 1, 2]);
    assert_ne!(identity.fingerprint, identify(&by_name).unwrap().fingerprint, "its cache is another one");
    let teacher = OnnxTeacher::open(&by_index).unwrap();
    assert_eq!(teacher.class_order(&dataset).unwrap(), [0, 1, 2]);
}

#[test]
fn a_pipe_in_place_of_a_file_is_refused_and_not_waited_for() {
    for name in ["model.onnx", "model.onnx_data", "config.json", "preprocessor_config.json"] {
        let copy = copy_of("external-data");
        let path = copy.path().join(name);
        fs::remove_file(&path).unwrap();
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let message = message(&on_cpu(copy.path()));
        assert!(message.contains(name) && message.contains("not a regular file"), "{name}: {message}");
    }
}

#[test]
fn an_endless_and_a_huge_file_are_refused_before_they_fill_the_memory() {
    for name in ["config.json", "preprocessor_config.json"] {
        let copy = copy_of("fp32");
        let path = copy.path().join(name);
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(message(&on_cpu(copy.path())).contains("not a regular file"));
        fs::remove_file(&path).unwrap();
        fs::File::create(&path).unwrap().set_len(3 << 30).unwrap();
        assert!(message(&on_cpu(copy.path())).contains("more than the"));
    }
}
