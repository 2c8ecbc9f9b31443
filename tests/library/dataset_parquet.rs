//! Parquet files as people have them: several columns, names in place of numbers, compression, rows without labels.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use arrow_array::types::Int8Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, Date32Array, DictionaryArray, Int8Array, Int64Array, LargeStringArray,
    RecordBatch, StringArray, StringViewArray, UInt64Array,
};
use decant::config;
use decant::dataset::{Dataset, SplitName};
use decant::support::context::Context;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel};
use parquet::file::properties::WriterProperties;
use tempfile::{TempDir, tempdir};

use crate::dataset_sources::{Columns, FEATURES, columns, message, open, samples, write};

fn open_with(root: &TempDir, config: config::Dataset) -> Result<Dataset, String> {
    let source = root.path().display().to_string();
    let opened = Dataset::open(&config::Dataset { source, ..config }, &Context::silent());
    opened.map_err(|error| error.to_string().replace(&root.path().display().to_string(), "ROOT"))
}

fn labels(dataset: &Dataset, split: SplitName) -> Vec<i32> {
    dataset.split(split).unwrap().samples.iter().map(|sample| sample.label).collect()
}

/// All three splits hold these columns, with images that differ.
fn three(features: Option<&str>, columns: impl Fn(&str) -> Columns) -> TempDir {
    let root = tempdir().unwrap();
    for split in ["train", "validation", "test"] {
        write(&root, &format!("data/{split}-00000-of-00001.parquet"), features, columns(split));
    }
    root
}

fn images(names: &[String]) -> ArrayRef {
    Arc::new(names.iter().map(|name| Some(name.as_bytes())).collect::<BinaryArray>())
}

#[test]
fn a_column_among_several_is_chosen_by_its_name() {
    // As CIFAR-100 has them.
    let features = r#"{"info": {"features": {"img": {"_type": "Image"}, "mask": {"_type": "Image"},
        "fine_label": {"names": ["a", "b", "c"], "_type": "ClassLabel"}, "coarse_label": {"names": ["x", "y"], "_type": "ClassLabel"}}}}"#;
    let columns = |split: &str| {
        let named = |kind: &str| images(&[0, 1, 2].map(|row| format!("{kind} {split} {row}")));
        let fine: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, 2]));
        let coarse: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, 1]));
        vec![("img", named("img")), ("mask", named("mask")), ("fine_label", fine), ("coarse_label", coarse)]
    };
    let root = three(Some(features), columns);
    insta::assert_snapshot!(message(&root), @"ROOT/data/train-00000-of-00001.parquet should have one column of labels (ClassLabel, or called label or labels), found fine_label (int64), coarse_label (int64); choose one with dataset.label-column");
    let both_usual = |features, names: [&'static str; 2]| {
        three(features, |split: &str| {
            let photos = images(&[0, 1, 2].map(|row| format!("{split} {row}")));
            let labels: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, 0]));
            let of = |name: &'static str| {
                (name, if name.starts_with("im") { photos.clone() } else { labels.clone() })
            };
            vec![of(names[0]), of(names[1]), of(if names[0].starts_with("im") { "label" } else { "image" })]
        })
    };
    // Two names are usual, so neither tells.
    for names in [["label", "labels"], ["image", "img"]] {
        let said = message(&both_usual(None, names));
        assert!(said.contains("choose one with dataset."), "{said}");
    }
    let with = |label: &str, image: Option<&str>| {
        let (label_column, image_column) = (Some(label.to_owned()), image.map(str::to_owned));
        open_with(&root, config::Dataset { label_column, image_column, ..config::Dataset::default() })
    };
    let fine = with("fine_label", None).unwrap();
    assert_eq!((fine.classes.join(""), labels(&fine, SplitName::Train)), ("abc".to_owned(), vec![0, 1, 2]));
    let coarse = with("coarse_label", Some("mask")).unwrap();
    assert_eq!((coarse.classes.join(""), labels(&coarse, SplitName::Test)), ("xy".to_owned(), vec![0, 1, 1]));
    assert_eq!(&*coarse.read(SplitName::Test, 2).unwrap(), b"mask test 2");
    insta::assert_snapshot!(with("fine_label", Some("photo")).unwrap_err(), @r#"ROOT/data/train-00000-of-00001.parquet has no image column "photo", as dataset.image-column asks for; its columns are img (byte_array), mask (byte_array), fine_label (int64), coarse_label (int64)"#);
    insta::assert_snapshot!(with("label", None).unwrap_err(), @"ROOT/data/train-00000-of-00001.parquet should have one column of labels (ClassLabel, or called label or labels), found img (byte_array), mask (byte_array), fine_label (int64), coarse_label (int64); choose one with dataset.label-column");
}

#[test]
fn labels_may_be_names_and_numbers_get_their_names_from_the_map() {
    let texts = |values: &[Option<&str>]| -> ArrayRef { Arc::new(StringArray::from(values.to_vec())) };
    let three_images = |split: &str| images(&[0, 1, 2].map(|row| format!("{split} {row}")));
    let root = three(None, |split| {
        let of_train = [Some("dog"), Some("cat"), Some("dog")];
        let values = if split == "test" { [Some("cat"), None, Some("")] } else { of_train };
        vec![("image", three_images(split)), ("label", texts(&values))]
    });
    let dataset = open(&root).unwrap();
    assert_eq!(dataset.classes, ["cat", "dog"]);
    assert_eq!(labels(&dataset, SplitName::Train), [1, 0, 1]);
    assert_eq!(labels(&dataset, SplitName::Test), [0, -1, -1]);
    assert_eq!(dataset.notes, ["2 of 3 test images have no label"]);

    let root = three(None, |split| {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![10, 9, 10]));
        vec![("image", three_images(split)), ("label", numbers)]
    });
    let class_map = BTreeMap::from([("9".to_owned(), "cat".to_owned()), ("10".to_owned(), "dog".to_owned())]);
    let dataset = open_with(&root, config::Dataset { class_map, ..config::Dataset::default() }).unwrap();
    assert_eq!(dataset.classes, ["cat", "dog"]);
    assert_eq!(labels(&dataset, SplitName::Validation), [1, 0, 1]);
}

#[test]
fn labels_may_be_of_any_type_of_text_and_of_whole_numbers() {
    let texts = [Some("dog"), Some("cat"), None];
    let categories: DictionaryArray<Int8Type> = texts.into_iter().collect();
    let types: [ArrayRef; 3] = [
        Arc::new(LargeStringArray::from(texts.to_vec())),
        Arc::new(StringViewArray::from(texts.to_vec())),
        Arc::new(categories),
    ];
    for column in types {
        let root = three(None, |split| {
            vec![("image", images(&[0, 1, 2].map(|row| format!("{split} {row}")))), ("label", column.clone())]
        });
        let dataset = open(&root).unwrap();
        assert_eq!(dataset.classes, ["cat", "dog"], "{}", column.data_type());
        assert_eq!(labels(&dataset, SplitName::Train), [1, 0, -1], "{}", column.data_type());
    }
    let small: ArrayRef = Arc::new(Int8Array::from(vec![Some(1), Some(0), None]));
    let root = three(Some(FEATURES), |split| {
        vec![("image", images(&[0, 1, 2].map(|row| format!("{split} {row}")))), ("label", small.clone())]
    });
    assert_eq!(labels(&open(&root).unwrap(), SplitName::Train), [1, 0, -1]);
}

#[test]
fn a_label_that_fits_no_class_is_refused_whatever_its_type() {
    let with = |labels: ArrayRef| {
        let names: Vec<String> = (0..labels.len()).map(|row| format!("image {row}")).collect();
        let root = tempdir().unwrap();
        write(&root, "train.parquet", Some(FEATURES), vec![("image", images(&names)), ("label", labels)]);
        message(&root)
    };
    insta::assert_snapshot!(with(Arc::new(UInt64Array::from(vec![0, u64::MAX]))), @"ROOT/train.parquet row 1 has the label 18446744073709551615, expected -1 or 0 to 1");
    insta::assert_snapshot!(with(Arc::new(Int64Array::from(vec![Some(0), None, Some(-2)]))), @"ROOT/train.parquet row 2 has the label -2, expected -1 or 0 to 1");
    insta::assert_snapshot!(with(Arc::new(Date32Array::from(vec![0, 1]))), @"ROOT/train.parquet can't be read as a parquet file (labels of type Date32, expected whole numbers or text); fetch or write it again");
}

#[test]
fn common_compressions_are_read() {
    let with = |compression: Compression| {
        let root = tempdir().unwrap();
        let rows: Vec<String> = (0..40).map(|row| row.to_string()).collect();
        let rows: Vec<Option<&str>> = rows.iter().map(|row| Some(row.as_str())).collect();
        let labels: Vec<Option<i64>> = (0..40).map(|row| Some(row % 2)).collect();
        let batch = RecordBatch::try_from_iter(columns(&rows, &labels)).unwrap();
        let metadata = parquet::file::metadata::KeyValue::new("huggingface".to_owned(), FEATURES.to_owned());
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .set_key_value_metadata(Some(vec![metadata]))
            .build();
        let file = fs::File::create(root.path().join("train.parquet")).unwrap();
        let mut writer =
            ArrowWriter::try_new(file, batch.schema(), Some(properties)).map_err(|e| e.to_string())?;
        writer.write(&batch).map_err(|error| error.to_string())?;
        writer.close().map_err(|error| error.to_string())?;
        open_with(&root, config::Dataset::default())
    };
    let plain = with(Compression::UNCOMPRESSED).unwrap().fingerprint();
    for compression in [Compression::GZIP(GzipLevel::default()), Compression::LZ4_RAW, Compression::SNAPPY] {
        assert_eq!(with(compression).unwrap().fingerprint(), plain, "{compression}");
    }
}

#[test]
fn a_file_without_labels_is_unlabelled_unless_it_is_train() {
    let root = three(Some(FEATURES), |split| {
        let two = columns(&[Some("1"), Some(split)], &[Some(0), Some(1)]);
        if split == "test" { two[..1].to_vec() } else { two }
    });
    let unlabelled = columns(&[Some("u"), Some("v")], &[Some(0), Some(-1)]);
    write(&root, "data/unlabeled-00000-of-00001.parquet", Some(FEATURES), unlabelled);
    let dataset = open(&root).unwrap();
    assert_eq!(labels(&dataset, SplitName::Train), [0, 1, -1, -1]);
    assert_eq!(labels(&dataset, SplitName::Test), [-1, -1]);
    assert_eq!(
        dataset.notes,
        ["2 unlabelled images join train: only the teacher teaches them", "no test image has a label"]
    );
    assert_eq!(
        samples(&dataset, SplitName::Train, &root)[2].0,
        "data/unlabeled-00000-of-00001.parquet row 0"
    );
}

#[test]
fn a_configuration_is_chosen_by_its_name() {
    let root = tempdir().unwrap();
    for (config, image) in [("large", "l"), ("small", "s")] {
        let rows: Vec<Option<&str>> = vec![Some(image); 40];
        let labels: Vec<Option<i64>> = (0..40).map(|row| Some(row % 2)).collect();
        write(
            &root,
            &format!("{config}/train-00000-of-00001.parquet"),
            Some(FEATURES),
            columns(&rows, &labels),
        );
    }
    let with = |name: &str| {
        open_with(&root, config::Dataset { config: Some(name.to_owned()), ..config::Dataset::default() })
    };
    assert_eq!(&*with("small").unwrap().read(SplitName::Test, 0).unwrap(), b"s");
    insta::assert_snapshot!(with("tiny").unwrap_err(), @r#"ROOT has no configuration "tiny", as dataset.config asks for; found large, small"#);
}

#[cfg(unix)]
#[test]
fn a_pipe_in_place_of_a_parquet_file_is_refused() {
    let root = tempdir().unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(root.path().join("train.parquet"))
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(message(&root), "can't read ROOT/train.parquet: it is not a regular file");
}
