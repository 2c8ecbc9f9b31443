//! Tables of labels beside images: `metadata.csv`, `metadata.jsonl`.

use std::fs;

use decant::config;
use decant::dataset::SplitName;

use crate::dataset_folders::{counts, message_with, open_with, three_splits, write};
use crate::dataset_sources::{folder, message, open, samples};

#[test]
fn hugging_face_metadata_gives_the_labels_of_a_flat_folder() {
    let root = folder(&[
        "train/0.png",
        "train/1.png",
        "train/2.png",
        "train/more/3.png",
        "validation/4.png",
        "test/5.png",
    ]);
    write(
        &root,
        "train/metadata.csv",
        "file_name,additional_feature,label\n0.png,\"x, y\",cat\n1.png,z,dog\n2.png,z,\n",
    );
    write(&root, "train/more/metadata.csv", "\u{feff}file_name;label\n3.png;cat\n");
    write(&root, "validation/metadata.jsonl", "{\"file_name\": \"4.png\", \"label\": \"dog\"}\n\n");
    let dataset = open(&root).unwrap();
    assert_eq!(dataset.classes, ["cat", "dog"]);
    let labels =
        |split| samples(&dataset, split, &root).into_iter().map(|(_, label)| label).collect::<Vec<_>>();
    assert_eq!(labels(SplitName::Train), [0, 1, -1, 0]);
    assert_eq!((labels(SplitName::Validation), labels(SplitName::Test)), (vec![1], vec![-1]));
    assert_eq!(
        dataset.notes,
        ["validation has no image of cat", "1 of 4 train images have no label", "no test image has a label"]
    );
}

#[test]
fn a_table_beside_the_splits_names_files_with_or_without_their_ending() {
    // A competition's download: identifiers, no class folders.
    let root =
        folder(&["train/000a.jpg", "train/000b.jpg", "train/000c.jpg", "test/000d.jpg", "val/000e.jpg"]);
    write(&root, "train.csv", "id,breed\n000a,10\n000b,9\n000c,10\n");
    write(&root, "sample_submission.csv", "id,breed\n000d,0\n");
    let error = message(&root);
    insta::assert_snapshot!(error, @"no image in ROOT has a label; expected <split>/<class>/<image> in at least one split, or a metadata.csv with the columns file_name and label (ROOT/train.csv has the columns id, breed; dataset.label-column names the one that holds the class)");
    let config = config::Dataset { label_column: Some("breed".to_owned()), ..config::Dataset::default() };
    let dataset = open_with(&root, config.clone()).unwrap();
    // Numbers are sorted as numbers.
    assert_eq!(dataset.classes, ["9", "10"]);
    assert_eq!(samples(&dataset, SplitName::Train, &root).iter().map(|s| s.1).collect::<Vec<_>>(), [1, 0, 1]);
    assert_eq!(dataset.notes.last().unwrap(), "no test image has a label");

    // A folder of images and one table.
    let names: Vec<String> = (0..40).map(|n| format!("images/{n}.jpg")).collect();
    let flat = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let rows: Vec<String> = (0..40).map(|n| format!("images/{n}.jpg,{}\n", ["cat", "dog"][n % 2])).collect();
    let rows = rows.concat();
    write(&flat, "labels.csv", &format!("filename,class\n{rows}"));
    let dataset = open(&flat).unwrap();
    assert_eq!((dataset.classes.join(" "), counts(&dataset)), ("cat dog".to_owned(), vec![32, 4, 4]));
}

#[test]
fn class_folders_come_before_a_table_unless_its_column_is_named() {
    let root = three_splits();
    let before = open(&root).unwrap().fingerprint();
    write(&root, "train/metadata.csv", "file_name,label\na/1.jpg,x\na/2.jpg,x\nb/3.jpg,y\nb/4.jpg,x\n");
    let dataset = open(&root).unwrap();
    assert_eq!(dataset.fingerprint(), before);
    assert_eq!(
        dataset.notes,
        [
            "train/metadata.csv is not read, since the class folders give the labels; dataset.label-column = \"...\" takes them from it"
        ]
    );
    let with = |label_column: &str, class_map: &[(&str, &str)]| config::Dataset {
        label_column: Some(label_column.to_owned()),
        class_map: class_map.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect(),
        ..config::Dataset::default()
    };
    let dataset = open_with(&root, with("label", &[("x", "a"), ("y", "b")])).unwrap();
    assert_eq!(
        samples(&dataset, SplitName::Train, &root).iter().map(|s| s.1).collect::<Vec<_>>(),
        [0, 0, 1, 0]
    );
    insta::assert_snapshot!(message_with(&root, with("breed", &[])), @r#"dataset.label-column = "breed" is in no table of ROOT: ROOT/train/metadata.csv has the columns file_name, label"#);
    insta::assert_snapshot!(message_with(&three_splits(), with("breed", &[])), @r#"dataset.label-column = "breed" is in no table of ROOT: there is no metadata.csv, metadata.jsonl or labels.csv beside the images"#);
}

#[test]
fn a_table_that_contradicts_itself_or_the_folder_is_refused() {
    let with = |table: &str, text: &[u8]| {
        let root = folder(&["train/1.png", "train/2.png"]);
        fs::write(root.path().join("train").join(table), text).unwrap();
        message(&root)
    };
    insta::assert_snapshot!(with("metadata.csv", b"file_name,label\n1.png,a\n2.png,b\n3.png,a\n"), @"ROOT/train/metadata.csv can't be used as a table of labels: 1 of its 3 rows name an image that is not there, for example 3.png");
    insta::assert_snapshot!(with("metadata.csv", b"file_name,label\n1.png,a\n1.png,b\n"), @"ROOT/train/metadata.csv can't be used as a table of labels: it has two rows with different labels for 1.png");
    insta::assert_snapshot!(with("metadata.csv", b"file_name,label\n1.png,a\n,b\n"), @"ROOT/train/metadata.csv can't be used as a table of labels: row 2 names no file");
    insta::assert_snapshot!(with("metadata.csv", b"file_name,label\n1.png,Gr\xfcn\n"), @"ROOT/train/metadata.csv can't be used as a table of labels: line 2 is not UTF-8");
    insta::assert_snapshot!(with("metadata.csv", b"file_name,label\n1.png\n"), @"ROOT/train/metadata.csv can't be used as a table of labels: CSV error: record 1 (line: 2, byte: 16): found record with 1 fields, but the previous record has 2 fields");
    insta::assert_snapshot!(with("metadata.jsonl", b"{\"file_name\": \"1.png\", \"label\": 0}\n{\"file_name\"\n"), @"ROOT/train/metadata.jsonl can't be used as a table of labels: line 2: EOF while parsing an object at line 1 column 12");
    insta::assert_snapshot!(with("metadata.csv", b"file_name,text\n1.png,a leaf\n2.png,another\n"), @"no image in ROOT has a label; expected <split>/<class>/<image> in at least one split, or a metadata.csv with the columns file_name and label (ROOT/train/metadata.csv has the columns file_name, text; dataset.label-column names the one that holds the class)");
}
