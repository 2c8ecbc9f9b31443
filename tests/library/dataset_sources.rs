//! Every source of samples: what it reads, in which order, and what it says when it can't.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray, StructArray};
use arrow_schema::{DataType, Field};
use decant::config;
use decant::dataset::{Dataset, Error, SplitName, leaves};
use decant::support::context::Context;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use tempfile::{TempDir, tempdir};

/// Empty files are as good as images to a dataset, which does not decode them; their content is their name.
pub(crate) fn folder(files: &[&str]) -> TempDir {
    let root = tempdir().unwrap();
    for file in files {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    root
}

pub(crate) fn source(path: &Path) -> config::Dataset {
    config::Dataset { source: path.display().to_string(), ..config::Dataset::default() }
}

pub(crate) fn open(root: &TempDir) -> Result<Dataset, Error> {
    Dataset::open(&source(root.path()), &Context::silent())
}

/// The error's message, with the temporary folder's path replaced.
pub(crate) fn message(root: &TempDir) -> String {
    open(root).unwrap_err().to_string().replace(&root.path().display().to_string(), "ROOT")
}

/// Each sample's name below the folder, and its label.
pub(crate) fn samples(dataset: &Dataset, split: SplitName, root: &TempDir) -> Vec<(String, i32)> {
    let samples = &dataset.split(split).unwrap().samples;
    let name = |index| dataset.sample_name(split, index);
    let short = |name: String| name.replace(&format!("{}/", root.path().display()), "");
    samples.iter().enumerate().map(|(index, sample)| (short(name(index)), sample.label)).collect()
}

#[test]
fn an_image_folder_is_read_in_the_order_of_its_paths() {
    let root = folder(&[
        "train/rust/b.jpg",
        "train/rust/a.JPEG",
        "train/rust/deep/c.png",
        "train/healthy/10.webp",
        "train/healthy/9.jpg",
        "train/.hidden/x.jpg",
        "train/rust/.DS_Store",
        "train/rust/notes.txt",
        "val/healthy/1.jpg",
        "val/rust/1.jpg",
        "testing/healthy/1.jpg",
        "testing/rust/1.jpg",
        "LICENSE",
        "docs/figure.png",
    ]);
    let dataset = open(&root).unwrap();
    assert_eq!(dataset.classes, ["healthy", "rust"]);
    let expected = [
        ("train/healthy/10.webp", 0),
        ("train/healthy/9.jpg", 0),
        ("train/rust/a.JPEG", 1),
        ("train/rust/b.jpg", 1),
        ("train/rust/deep/c.png", 1),
    ];
    assert_eq!(
        samples(&dataset, SplitName::Train, &root),
        expected.map(|(name, label)| (name.to_owned(), label))
    );
    assert_eq!(samples(&dataset, SplitName::Validation, &root)[1], ("val/rust/1.jpg".to_owned(), 1));
    assert_eq!(samples(&dataset, SplitName::Test, &root).len(), 2);
    assert_eq!(&*dataset.read(SplitName::Train, 3).unwrap(), b"train/rust/b.jpg");
    insta::assert_snapshot!(dataset.notes.join("\n"), @r#"
    1 train images lie deeper than their class folder, for example in train/rust/deep: their class is the folder below train; dataset.class-folder = "leaf" takes the folder that they lie in
    ignored 1 folder and 2 files, for example LICENSE
    "#);
}

#[test]
fn a_folder_of_classes_is_train_and_gives_the_missing_splits_their_share() {
    let names: Vec<String> = (0..30).map(|n| format!("{}/{n:02}.jpg", ["a", "b"][n % 3 / 2])).collect();
    let root = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let dataset = open(&root).unwrap();
    let of_class =
        |split, class| samples(&dataset, split, &root).iter().filter(|(_, label)| *label == class).count();
    assert_eq!(
        [SplitName::Train, SplitName::Validation, SplitName::Test].map(|s| of_class(s, 0)),
        [16, 2, 2]
    );
    assert_eq!([SplitName::Train, SplitName::Validation, SplitName::Test].map(|s| of_class(s, 1)), [8, 1, 1]);
    let mut all: Vec<_> =
        SplitName::ALL.into_iter().flat_map(|split| samples(&dataset, split, &root)).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 30, "every sample is in one split");
    assert_eq!(
        dataset.notes,
        ["validation", "test"].map(|split| {
            format!("3 of 30 train images became the missing {split} split (10 % of each class, seed 0)")
        })
    );

    assert_eq!(open(&root).unwrap().fingerprint(), dataset.fingerprint());
    let other =
        Dataset::open(&config::Dataset { seed: 1, ..source(root.path()) }, &Context::silent()).unwrap();
    assert_ne!(other.fingerprint(), dataset.fingerprint(), "another seed takes other samples");
}

#[test]
fn a_split_without_class_folders_is_unlabelled() {
    let root = folder(&[
        "train/a/1.jpg",
        "train/b/1.jpg",
        "train/a/2.jpg",
        "train/b/2.jpg",
        "test/1.jpg",
        "test/2.jpg",
    ]);
    let dataset = open(&root).unwrap();
    assert_eq!(
        samples(&dataset, SplitName::Test, &root),
        [("test/1.jpg".into(), -1), ("test/2.jpg".into(), -1)]
    );
    assert_eq!(dataset.split(SplitName::Validation).unwrap().samples.len(), 2);
}

#[test]
fn a_folder_that_is_no_dataset_says_what_is_wrong() {
    let missing =
        Dataset::open(&source(Path::new("no/such/folder")), &Context::silent()).unwrap_err().to_string();
    insta::assert_snapshot!(missing, @r#"there is no folder no/such/folder; dataset.source takes "leaves", a folder of images or parquet files, or "hub:ORG/NAME""#);
    let root = folder(&["train/a/1.jpg"]);
    let file = Dataset::open(&source(&root.path().join("train/a/1.jpg")), &Context::silent())
        .unwrap_err()
        .to_string();
    insta::assert_snapshot!(file.replace(&root.path().display().to_string(), "ROOT"), @"ROOT/train/a/1.jpg is a file, and dataset.source expects the folder that holds the splits");
    insta::assert_snapshot!(message(&folder(&[])), @"ROOT holds no image and no parquet file; expected <split>/<class>/<image> or <split>-00000-of-00001.parquet, found nothing");
    insta::assert_snapshot!(message(&folder(&["README.md", "a.svg"])), @"ROOT holds no image and no parquet file; expected <split>/<class>/<image> or <split>-00000-of-00001.parquet, found README.md, a.svg");
    insta::assert_snapshot!(message(&folder(&["train/a/1.jpg", "train/b/readme.txt"])), @"ROOT/train/b holds no image and no parquet file; expected <split>/<class>/<image> or <split>-00000-of-00001.parquet, found readme.txt");
    insta::assert_snapshot!(message(&folder(&["train/a/1.jpg", "train/b/1.jpg", "test/a/1.jpg", "test/fish/1.jpg"])), @"ROOT/test has the class fish, which train lacks; the classes of train are a, b: rename the folder, or use dataset.class-map");
    insta::assert_snapshot!(message(&folder(&["train/a/1.jpg", "val/a/1.jpg", "valid/a/1.jpg"])), @"ROOT/val and ROOT/valid both hold the validation split; merge them or remove one");
    insta::assert_snapshot!(message(&folder(&["train/a/1.jpg", "train/2.jpg"])), @"ROOT/train holds class folders (a) and images beside them (2.jpg); move the images into their class's folder or, where they have no label, into a folder unlabelled beside the splits");
    insta::assert_snapshot!(message(&folder(&["train/1.jpg", "test/1.jpg"])), @"no image in ROOT has a label; expected <split>/<class>/<image> in at least one split, or a metadata.csv with the columns file_name and label");
    insta::assert_snapshot!(message(&folder(&["test/a/1.jpg", "val/a/1.jpg"])), @"ROOT has no train split, found validation, test; name its folder or its files train");
    let small = folder(&["set/train/a/1.jpg", "set/train/a/2.jpg", "set/train/b/1.jpg"]);
    let error = Dataset::open(&source(&small.path().join("set")), &Context::silent()).unwrap_err();
    insta::assert_snapshot!(error, @"set has no validation and test split, and its largest class with 2 train images is too small to give a share of 0.1 to it; add images or that split");
}

#[test]
fn an_image_that_changed_since_it_was_hashed_is_refused() {
    let root = folder(&["train/a/1.jpg", "train/a/2.jpg", "validation/a/1.jpg", "test/a/1.jpg"]);
    let dataset = open(&root).unwrap();
    fs::write(root.path().join("train/a/1.jpg"), "another image").unwrap();
    let error = dataset.read(SplitName::Train, 0).unwrap_err().to_string();
    insta::assert_snapshot!(error.replace(&root.path().display().to_string(), "ROOT"), @"ROOT/train/a/1.jpg changed since the dataset was opened: expected content 86470dbffe29, found 5646c87d619f; run the command again");
    fs::remove_file(root.path().join("train/a/1.jpg")).unwrap();
    let error = dataset.read(SplitName::Train, 0).unwrap_err().to_string();
    assert!(error.contains("train/a/1.jpg"), "{error}");
    assert_ne!(dataset.fingerprint(), open(&root).unwrap().fingerprint());
    let error = dataset.read(SplitName::Train, 2).unwrap_err().to_string();
    assert!(error.ends_with("has no sample 2 in its train split, which has 2"), "{error}");
}

#[test]
fn skipped_samples_are_gone_and_noted() {
    let root =
        folder(&["train/a/1.jpg", "train/a/2.jpg", "train/a/3.jpg", "validation/a/1.jpg", "test/a/1.jpg"]);
    let dataset = open(&root).unwrap();
    let kept = dataset.without(&[(SplitName::Train, 1)]).unwrap();
    let names: Vec<_> = samples(&kept, SplitName::Train, &root).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["train/a/1.jpg", "train/a/3.jpg"]);
    assert!(kept.notes[0].contains("train/a/2.jpg"), "{:?}", kept.notes);
    let error = dataset.without(&[(SplitName::Test, 0)]).unwrap_err().to_string();
    assert!(error.starts_with("none of the 1 images in the test split of"), "{error}");
}

#[test]
fn generated_leaves_are_the_folder_that_data_synth_writes() {
    let leaves = config::Leaves { seed: 3, train: 4, validation: 3, test: 3, unlabelled: 0, severity: 0.0 };
    let dataset = Dataset::open(
        &config::Dataset { leaves: leaves.clone(), ..config::Dataset::default() },
        &Context::silent(),
    )
    .unwrap();
    assert_eq!(dataset.classes, leaves::CLASSES);
    let counts = SplitName::ALL.map(|split| dataset.split(split).unwrap().samples.len());
    assert_eq!(counts, [4, 3, 3]);
    assert!(dataset.sample_name(SplitName::Test, 2).ends_with("test/healthy/healthy_test.00000.jpg"));
    assert_eq!(*dataset.read(SplitName::Test, 2).unwrap(), leaves::jpeg(3, 2, 0, 2, 0.0)[..]);
    assert!(dataset.notes.is_empty());

    let root = tempdir().unwrap();
    leaves::write_folder(root.path(), &leaves, &Context::silent()).unwrap();
    assert_eq!(open(&root).unwrap().fingerprint(), dataset.fingerprint());
}

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/parquet")
}

#[test]
fn parquet_that_datasets_wrote_is_read() {
    let dataset = Dataset::open(&source(&golden()), &Context::silent()).unwrap();
    assert_eq!(dataset.classes, ["angular_leaf_spot", "bean_rust", "healthy"]);
    let labels = |split| dataset.split(split).unwrap().samples.iter().map(|s| s.label).collect::<Vec<_>>();
    assert_eq!(labels(SplitName::Test), [2, 1, 0]);
    assert_eq!(labels(SplitName::Train).len() + labels(SplitName::Validation).len(), 6);
    assert_eq!(dataset.sample_name(SplitName::Test, 1), "data/test-00000-of-00001.parquet row 1");
    let pixels = decant::view::decode(&dataset.read(SplitName::Test, 1).unwrap()).unwrap();
    assert_eq!(pixels.dimensions(), (6, 5));
}

pub(crate) const FEATURES: &str = r#"{"info": {"features": {"image": {"_type": "Image"}, "label": {"names": ["a", "b"], "_type": "ClassLabel"}}}}"#;

pub(crate) type Columns = Vec<(&'static str, ArrayRef)>;

/// The columns of `rows` images: a struct around bytes that name the row, and labels.
pub(crate) fn columns(rows: &[Option<&str>], labels: &[Option<i64>]) -> Columns {
    let bytes: ArrayRef = Arc::new(rows.iter().map(|row| row.map(str::as_bytes)).collect::<BinaryArray>());
    let path: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>; rows.len()]));
    let fields = [("bytes", DataType::Binary, bytes), ("path", DataType::Utf8, path)];
    let fields = fields.map(|(name, kind, array)| (Arc::new(Field::new(name, kind, true)), array));
    let image = Arc::new(StructArray::from(fields.to_vec()));
    vec![("image", image), ("label", Arc::new(Int64Array::from(labels.to_vec())))]
}

pub(crate) fn write(root: &TempDir, file: &str, features: Option<&str>, columns: Columns) {
    let path = root.path().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let metadata =
        features.map(|features| vec![KeyValue::new("huggingface".to_owned(), features.to_owned())]);
    let properties =
        WriterProperties::builder().set_max_row_group_row_count(Some(2)).set_key_value_metadata(metadata);
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let out = fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(out, batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn the_files_of_a_split_are_read_in_order() {
    let root = tempdir().unwrap();
    let five = [Some("0"), Some("1"), Some("2"), Some("3"), Some("4")];
    write(&root, "data/train-00001-of-00002.parquet", Some(FEATURES), columns(&[Some("5")], &[Some(1)]));
    write(
        &root,
        "data/train-00000-of-00002.parquet",
        Some(FEATURES),
        columns(&five, &[Some(0), Some(1), None, Some(0), Some(1)]),
    );
    write(&root, "data/valid-00000-of-00001.parquet", Some(FEATURES), columns(&[Some("v")], &[Some(0)]));
    write(&root, "data/test-00000-of-00001.parquet", Some(FEATURES), columns(&[Some("t")], &[Some(-1)]));
    let dataset = open(&root).unwrap();
    let train = samples(&dataset, SplitName::Train, &root);
    assert_eq!(train.iter().map(|(_, label)| *label).collect::<Vec<_>>(), [0, 1, -1, 0, 1, 1]);
    assert_eq!(train[4].0, "data/train-00000-of-00002.parquet row 4");
    for index in [5, 0, 3] {
        assert_eq!(&*dataset.read(SplitName::Train, index).unwrap(), index.to_string().as_bytes());
    }
    assert_eq!(samples(&dataset, SplitName::Test, &root)[0].1, -1);
    assert_eq!(dataset.notes, ["1 of 6 train images have no label", "no test image has a label"]);
    assert_eq!(dataset.path(SplitName::Train, 4), "data/train-00000-of-00002.parquet row 4");
}

#[test]
fn parquet_that_is_no_dataset_says_what_is_wrong() {
    let one = || columns(&[Some("x")], &[Some(0)]);
    let with = |files: &[(&str, Option<&str>, Columns)]| {
        let root = tempdir().unwrap();
        for (file, features, columns) in files {
            write(&root, file, *features, columns.clone());
        }
        message(&root)
    };
    let features = Some(FEATURES);
    let other = FEATURES.replace(r#""a", "b""#, r#""b", "a""#);
    insta::assert_snapshot!(with(&[("train.parquet", None, one())]), @r#"ROOT/train.parquet does not name the classes of its column label: its metadata lacks the `huggingface` entry that `datasets` writes with to_parquet or push_to_hub; name them with [dataset.class-map], such as 0 = "cat""#);
    insta::assert_snapshot!(with(&[("train.parquet", features, one()[1..].to_vec())]), @"ROOT/train.parquet should have one image column (struct {bytes, path} or binary), found label (int64)");
    insta::assert_snapshot!(with(&[("train.parquet", features, one()[..1].to_vec())]), @"ROOT/train.parquet should have one column of labels (ClassLabel, or called label or labels), found image (struct {bytes, path}); choose one with dataset.label-column");
    insta::assert_snapshot!(with(&[("train.parquet", features, columns(&[Some("x"), Some("y")], &[Some(0), Some(2)]))]), @"ROOT/train.parquet row 1 has the label 2, expected -1 or 0 to 1");
    insta::assert_snapshot!(with(&[("train.parquet", features, columns(&[Some("x"), None], &[Some(0), Some(1)]))]), @"ROOT/train.parquet row 1 holds no image bytes; write it again with the images embedded");
    insta::assert_snapshot!(with(&[("train.parquet", features, one()), ("test.parquet", Some(&other), one())]), @"ROOT/train.parquet has the classes a, b and ROOT/test.parquet has b, a; the same names are expected in both");
    insta::assert_snapshot!(with(&[("train-00000-of-00003.parquet", features, one())]), @"ROOT/train-00000-of-00003.parquet says that the train split has 3 files, and 1 of them are there; fetch the others");
    insta::assert_snapshot!(with(&[("small/train.parquet", features, one()), ("large/train.parquet", features, one())]), @"ROOT holds several configurations (large, small); choose one with dataset.config");
    insta::assert_snapshot!(with(&[("test.parquet", features, one())]), @"ROOT has no train split, found test; name its folder or its files train");
    let root = folder(&["train.parquet"]);
    let damaged = message(&root);
    assert!(damaged.starts_with("ROOT/train.parquet can't be read as a parquet file ("), "{damaged}");
}
