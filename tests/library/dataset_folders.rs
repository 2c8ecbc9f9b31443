//! Image folders as people have them: links, names, tables of labels, absent and rare classes, images without labels.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use decant::config::{self, ClassFolder};
use decant::dataset::{Dataset, Error, SplitName};
use decant::support::context::Context;
use tempfile::TempDir;

use crate::dataset_sources::{folder, message, open, samples, source};

pub(crate) fn open_with(root: &TempDir, config: config::Dataset) -> Result<Dataset, Error> {
    let source = root.path().display().to_string();
    Dataset::open(&config::Dataset { source, ..config }, &Context::silent())
}

pub(crate) fn message_with(root: &TempDir, config: config::Dataset) -> String {
    let error = open_with(root, config).unwrap_err().to_string();
    error.replace(&root.path().display().to_string(), "ROOT")
}

pub(crate) fn counts(dataset: &Dataset) -> Vec<usize> {
    dataset.splits.iter().map(|split| split.samples.len()).collect()
}

pub(crate) fn write(root: &TempDir, file: &str, text: &str) {
    let path = root.path().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Train, validation and test with the classes a and b.
pub(crate) fn three_splits() -> TempDir {
    folder(&[
        "train/a/1.jpg",
        "train/a/2.jpg",
        "train/b/3.jpg",
        "train/b/4.jpg",
        "validation/a/5.jpg",
        "validation/b/6.jpg",
        "test/a/7.jpg",
        "test/b/8.jpg",
    ])
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_back_into_the_dataset_is_refused_by_name() {
    use std::os::unix::fs::symlink;
    for (link, target) in [
        ("train/a/loop", "."),
        ("train/a/loop", ".."),
        ("train/a/loop", "../.."),
        ("train/a/deep/loop", "../../../.."),
        ("train/a/other", "../b"),
        ("train/a/leak", "../../test/a"),
        ("train/c", "b"),
        ("train/a2", "a"),
    ] {
        let root = three_splits();
        let path = root.path().join(link);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, &path).unwrap();
        let error = message(&root);
        assert!(error.starts_with(&format!("ROOT/{link} is a link to ")), "{link} -> {target}: {error}");
        assert!(error.ends_with("remove the link"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn links_to_images_and_folders_elsewhere_are_followed() {
    use std::os::unix::fs::symlink;
    let (root, pool) = (three_splits(), folder(&["c/9.jpg", "more/10.jpg", "11.jpg"]));
    symlink(pool.path().join("c"), root.path().join("train/c")).unwrap();
    symlink(pool.path().join("more"), root.path().join("train/a/more")).unwrap();
    symlink(pool.path().join("11.jpg"), root.path().join("train/b/11.jpg")).unwrap();
    let dataset = open(&root).unwrap();
    assert_eq!(dataset.classes, ["a", "b", "c"]);
    assert_eq!(counts(&dataset), [7, 2, 2]);
    symlink(root.path(), pool.path().join("more/back")).unwrap();
    assert!(message(&root).starts_with("ROOT/train/a/more/back is a link to ROOT,"), "{}", message(&root));
}

#[cfg(unix)]
#[test]
fn class_names_that_are_not_utf8_are_refused_together() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let root = three_splits();
    for name in [b"Gr\xfcn", b"Gr\xe4n"] {
        let folder = root.path().join("train").join(OsStr::from_bytes(name));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("1.jpg"), name).unwrap();
    }
    insta::assert_snapshot!(message(&root), @r#"ROOT/train holds class folders whose names are not UTF-8 ("Gr\xe4n", "Gr\xfcn"); rename them, for example with convmv -r -f latin1 -t utf8 --notest"#);
    // An image's name is its own matter, and stays apart from others.
    let root = three_splits();
    for name in [b"\xfc.jpg", b"\xe4.jpg"] {
        fs::write(root.path().join("train/a").join(OsStr::from_bytes(name)), name).unwrap();
    }
    let dataset = open(&root).unwrap();
    let places = [2, 3].map(|index| dataset.path(SplitName::Train, index));
    assert_eq!(places, [r"train/a/\xe4.jpg", r"train/a/\xfc.jpg"]);
}

#[test]
fn two_unicode_spellings_of_one_class_are_refused_unless_they_are_merged() {
    let root = folder(&[
        "train/Gr\u{fc}n/1.jpg",
        "train/b/2.jpg",
        "validation/Gru\u{308}n/3.jpg",
        "validation/b/4.jpg",
        "test/b/5.jpg",
    ]);
    insta::assert_snapshot!(message(&root), @r#"ROOT has two classes of one name in two Unicode spellings, "Gru\u{308}n" and "Gr\u{fc}n"; rename one, or merge them with dataset.class-map"#);
    let class_map = BTreeMap::from([("Gru\u{308}n".to_owned(), "Gr\u{fc}n".to_owned())]);
    let dataset = open_with(&root, config::Dataset { class_map, ..config::Dataset::default() }).unwrap();
    assert_eq!(dataset.classes, ["Gr\u{fc}n", "b"]);
    assert_eq!(samples(&dataset, SplitName::Validation, &root)[0].1, 0);
}

#[test]
fn a_class_that_validation_or_test_lacks_is_noted() {
    let root = folder(&[
        "train/a/1.jpg",
        "train/b/2.jpg",
        "train/c/3.jpg",
        "val/a/4.jpg",
        "val/c/5.jpg",
        "test/c/6.jpg",
    ]);
    fs::create_dir(root.path().join("test/a")).unwrap();
    let dataset = open(&root).unwrap();
    assert_eq!(dataset.classes, ["a", "b", "c"]);
    assert_eq!(samples(&dataset, SplitName::Validation, &root)[1], ("val/c/5.jpg".to_owned(), 2));
    assert_eq!(dataset.notes, ["validation has no image of b", "test has no image of a, b"]);
    let root = folder(&["train/cats/1.jpg", "train/dogs/2.jpg", "test/Cats/3.jpg", "test/dogs/4.jpg"]);
    insta::assert_snapshot!(message(&root), @r#"ROOT/test has the class Cats, which train lacks (did you mean "cats"?); the classes of train are cats, dogs: rename the folder, or use dataset.class-map"#);
}

#[test]
fn a_class_that_is_too_small_to_share_stays_in_train() {
    let names: Vec<String> = (0..20).map(|n| format!("train/a/{n:02}.jpg")).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.push("train/b/1.jpg");
    let dataset = open(&folder(&names)).unwrap();
    assert_eq!(counts(&dataset), [17, 2, 2]);
    let labels: Vec<i32> = dataset.splits[0].samples.iter().map(|sample| sample.label).collect();
    assert_eq!(labels.iter().filter(|&&label| label == 1).count(), 1);
    assert_eq!(
        dataset.notes[2],
        "too few images to share with validation and test, so all stay in train: b (1)"
    );
}

#[test]
fn the_class_of_a_deeper_image_is_the_top_folder_or_the_leaf() {
    let root = folder(&[
        "train/site1/a/1.jpg",
        "train/site1/b/2.jpg",
        "train/site2/a/3.jpg",
        "test/site1/b/4.jpg",
        "test/site2/a/5.jpg",
        "val/site1/a/6.jpg",
        "val/site2/b/7.jpg",
    ]);
    let dataset = open(&root).unwrap();
    assert_eq!(dataset.classes, ["site1", "site2"]);
    assert!(dataset.notes[0].ends_with("dataset.class-folder = \"leaf\" takes the folder that they lie in"));
    let leaf = config::Dataset { class_folder: ClassFolder::Leaf, ..config::Dataset::default() };
    let dataset = open_with(&root, leaf).unwrap();
    assert_eq!(dataset.classes, ["a", "b"]);
    let labels =
        |split| samples(&dataset, split, &root).into_iter().map(|(_, label)| label).collect::<Vec<_>>();
    assert_eq!((labels(SplitName::Train), labels(SplitName::Test)), (vec![0, 1, 0], vec![1, 0]));
    assert!(dataset.notes.is_empty(), "{:?}", dataset.notes);
}

#[test]
fn splits_are_found_in_a_single_folder_and_refused_below_classes() {
    let root = folder(&[
        "flowers/train/a/1.jpg",
        "flowers/train/b/2.jpg",
        "flowers/val/a/3.jpg",
        "flowers/test/b/4.jpg",
        "README.md",
    ]);
    let dataset = open(&root).unwrap();
    assert_eq!((counts(&dataset), dataset.classes.len()), (vec![2, 1, 1], 2));
    assert_eq!(dataset.notes[0], "the splits are those in flowers");
    let root = folder(&["a/train/1.jpg", "a/test/2.jpg", "b/train/3.jpg", "b/test/4.jpg"]);
    insta::assert_snapshot!(message(&root), @"ROOT/a holds a train folder of its own; expected the splits above the classes, <split>/<class>/<image>");
}

#[test]
fn unlabelled_images_join_train_behind_the_labelled_ones() {
    let (root, pool) = (three_splits(), folder(&["x/1.jpg", "2.JPG", "notes.txt"]));
    let labelled = open(&root).unwrap();
    write(&root, "unlabelled/z.png", "z");
    write(&root, "unlabelled/deep/y.png", "y");
    let config =
        config::Dataset { unlabelled: vec![pool.path().to_path_buf()], ..config::Dataset::default() };
    let dataset = open_with(&root, config).unwrap();
    assert_eq!(counts(&dataset), [8, 2, 2]);
    let train = &dataset.splits[0].samples;
    assert_eq!(train.iter().map(|sample| sample.label).collect::<Vec<_>>(), [0, 0, 1, 1, -1, -1, -1, -1]);
    for (index, sample) in labelled.splits[0].samples.iter().enumerate() {
        assert_eq!(sample.content, train[index].content);
    }
    let places: Vec<String> = (3..8).map(|index| dataset.path(SplitName::Train, index)).collect();
    let name = pool.path().file_name().unwrap().to_str().unwrap();
    let expected = [
        "train/b/4.jpg".to_owned(),
        "unlabelled/deep/y.png".to_owned(),
        "unlabelled/z.png".to_owned(),
        format!("{name}/2.JPG"),
        format!("{name}/x/1.jpg"),
    ];
    assert_eq!(places, expected);
    assert_eq!(&*dataset.read(SplitName::Train, 5).unwrap(), b"z");
    assert_eq!(dataset.notes, ["4 unlabelled images join train: only the teacher teaches them"]);

    // Beside classes as well; and they take no part in what is set apart for validation and test.
    let names: Vec<String> = (0..40).map(|n| format!("{}/{n:02}.jpg", ["a", "b"][n % 2])).collect();
    let flat = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let before = open(&flat).unwrap();
    write(&flat, "unlabelled/z.png", "z");
    let after = open(&flat).unwrap();
    assert_eq!((after.classes.join(" "), counts(&after)), ("a b".to_owned(), vec![33, 4, 4]));
    for split in [1, 2] {
        let contents =
            |dataset: &Dataset| dataset.splits[split].samples.iter().map(|s| s.content).collect::<Vec<_>>();
        assert_eq!(contents(&before), contents(&after));
    }

    let missing = |folder: &str| {
        let config =
            config::Dataset { unlabelled: vec![PathBuf::from(folder)], ..config::Dataset::default() };
        message_with(&three_splits(), config)
    };
    insta::assert_snapshot!(missing("no/pool"), @"there is no folder no/pool; dataset.unlabelled lists folders of images");
    assert!(missing("src").starts_with("src, which dataset.unlabelled lists, holds no image; found "));
}

#[test]
fn classes_are_renamed_and_merged() {
    let root = folder(&[
        "train/ill/1.jpg",
        "train/rust/2.jpg",
        "train/sound/3.jpg",
        "val/rust/4.jpg",
        "test/sound/5.jpg",
    ]);
    let with = |map: &[(&str, &str)]| config::Dataset {
        class_map: map.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect(),
        ..config::Dataset::default()
    };
    let dataset = open_with(&root, with(&[("rust", "ill"), ("sound", "healthy")])).unwrap();
    assert_eq!(dataset.classes, ["healthy", "ill"]);
    assert_eq!(samples(&dataset, SplitName::Train, &root).iter().map(|s| s.1).collect::<Vec<_>>(), [1, 1, 0]);
    insta::assert_snapshot!(message_with(&root, with(&[("runt", "ill")])), @r#"dataset.class-map renames "runt", which is not a class of the dataset (did you mean "rust"?); the classes are ill, rust, sound"#);
}

#[cfg(unix)]
#[test]
fn pipes_devices_and_huge_files_in_place_of_images_are_refused() {
    let replaced = |place: &dyn Fn(&std::path::Path)| {
        let root = three_splits();
        let path = root.path().join("train/a/1.jpg");
        fs::remove_file(&path).unwrap();
        place(&path);
        let error = message(&root);
        assert!(error.starts_with("can't read ROOT/train/a/1.jpg: "), "{error}");
        error
    };
    let pipe = replaced(&|path| {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    });
    assert!(pipe.ends_with("it is not a regular file"), "{pipe}");
    replaced(&|path| std::os::unix::fs::symlink("/dev/zero", path).unwrap());
    let sparse = replaced(&|path| fs::File::create(path).unwrap().set_len(3 << 30).unwrap());
    assert!(sparse.contains("more than"), "{sparse}");
}

#[test]
fn keys_that_are_for_parquet_are_refused_for_folders() {
    let config = config::Dataset { config: Some("small".to_owned()), ..config::Dataset::default() };
    insta::assert_snapshot!(message_with(&three_splits(), config), @r#"dataset.config = "small" is for parquet files, and ROOT holds none; leave the key out"#);
    let config = config::Dataset { image_column: Some("img".to_owned()), ..config::Dataset::default() };
    insta::assert_snapshot!(message_with(&three_splits(), config), @r#"dataset.image-column = "img" is for parquet files, and ROOT holds none; leave the key out"#);
}

#[test]
fn every_ending_that_hugging_face_reads_is_an_image() {
    let root = folder(&[
        "a/1.jpg",
        "a/2.jpeg",
        "a/3.jfif",
        "a/4.jpe",
        "a/5.png",
        "a/6.webp",
        "a/7.bmp",
        "a/8.gif",
        "a/9.tif",
        "a/10.TIFF",
        "a/11.svg",
        "a/12.heic",
    ]);
    let dataset = Dataset::open(&source(root.path()), &Context::silent()).unwrap();
    assert_eq!(counts(&dataset).iter().sum::<usize>(), 10);
    assert_eq!(dataset.notes[0], "ignored 2 files, for example a/11.svg");
}
