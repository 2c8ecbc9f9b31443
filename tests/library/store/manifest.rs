use std::fs;

use decant::config::Provider;
use decant::store::{self, Cache, Encoding, Error, MANIFEST_FILE, Manifest, Mismatch, SplitSize};
use decant::support::hash::Digest;
use decant::view::operation::{RandAugment, RandomOperations};
use serde_json::{Value, json};

use crate::store::common::{self, Shape, cache, seal, unsealed};

fn manifest_with(
    classes: usize,
    splits: &[(&str, u64)],
    views: u16,
    temperatures: &[f32],
    rows: u32,
) -> Result<Manifest, Error> {
    let splits = splits.iter().map(|&(name, samples)| SplitSize { name: name.to_owned(), samples }).collect();
    let view = common::view(views);
    let dataset = common::dataset(common::class_names(classes), splits);
    Manifest::new("leaves", dataset, common::teacher(), view, temperatures, Encoding::FLOAT32, rows)
}

#[test]
fn a_value_out_of_range_is_named() {
    let train = [("train", 4)];
    let made = [
        manifest_with(1, &train, 1, &[5.0], 8),
        manifest_with(3, &train, 0, &[5.0], 8),
        manifest_with(3, &train, 1, &[5.0], 0),
        manifest_with(1000, &train, 1, &[5.0], 1 << 20),
        manifest_with(3, &train, 1, &[0.0], 8),
        manifest_with(3, &train, 1, &[f32::NAN], 8),
        manifest_with(3, &train, 1, &[5.0, 5.0], 8),
        manifest_with(3, &[], 1, &[5.0], 8),
        manifest_with(3, &[("../up", 4)], 1, &[5.0], 8),
        manifest_with(3, &[("train", 4), ("train", 4)], 1, &[5.0], 8),
        manifest_with(3, &[("train", u64::MAX)], 1, &[5.0], 8),
        manifest_with(3, &[("train", 1 << 30)], 1, &[5.0], 1),
    ];
    let messages: Vec<String> = made.into_iter().map(|made| made.unwrap_err().to_string()).collect();
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn a_class_name_twice_is_refused() {
    let mut manifest = Shape::default().manifest();
    manifest.dataset.classes[2] = manifest.dataset.classes[0].clone();
    let Manifest { name, dataset, teacher, view, .. } = manifest;
    let error = Manifest::new(&name, dataset, teacher, view, &[], Encoding::FLOAT32, 8).unwrap_err();
    assert!(matches!(error, Error::Mismatch(Mismatch::Invalid { field: "dataset.classes", .. })), "{error}");
}

#[test]
fn everything_that_decides_the_bytes_decides_the_key() {
    let base = Shape::default().manifest();
    let changes: [fn(&mut Manifest); 11] = [
        |manifest| manifest.dataset.fingerprint = Digest::of(b"other"),
        |manifest| manifest.dataset.classes.swap(0, 1),
        |manifest| manifest.dataset.splits[0].samples += 1,
        |manifest| manifest.teacher.fingerprint = Digest::of(b"other"),
        |manifest| manifest.view.resize.filter = None,
        |manifest| manifest.view.views += 1,
        |manifest| manifest.view.crops.as_mut().unwrap().seed += 1,
        |manifest| manifest.view.crops.as_mut().unwrap().flip = 0.0,
        |manifest| {
            let rand_augment = Some(RandAugment { count: 2, magnitude: 9 });
            manifest.view.operations = Some(RandomOperations { color_jitter: None, rand_augment });
        },
        |manifest| manifest.shard_rows += 1,
        |manifest| manifest.format += 1,
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut changed = base.clone();
        change(&mut changed);
        assert_ne!(changed.key_of(), base.key, "change {number}");
    }
    let mut same = base.clone();
    same.teacher.provider = Provider::Cuda;
    same.name = "other".to_owned();
    same.temperatures[0] = 0.5;
    assert_eq!(same.key_of(), base.key);
    assert_eq!(base.folder_name(), format!("leaves-{}", base.key.short(12)));
}

#[test]
fn temperatures_come_in_any_order() {
    let of = |temperatures: &[f32]| manifest_with(3, &[("train", 4)], 1, temperatures, 8).unwrap();
    assert_eq!(of(&[5.0, 1.0, 2.5]).key, of(&[1.0, 2.5, 5.0]).key);
}

#[test]
fn a_manifest_reads_back_and_opening_twice_changes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let manifest = Shape::default().manifest();
    let (dir, made) = store::create_or_open(root.path(), &manifest).unwrap();
    let before = common::files(&dir);
    let (again, found) = store::create_or_open(root.path(), &manifest).unwrap();
    assert_eq!((again, &found, &made), (dir.clone(), &manifest, &manifest));
    assert_eq!(common::files(&dir), before);
    assert_eq!(store::find(root.path(), Some("leaves")).unwrap(), std::slice::from_ref(&dir));
    assert_eq!(store::find(root.path(), None).unwrap(), [dir]);
    assert!(store::find(root.path(), Some("leave")).unwrap().is_empty());
    assert!(store::find(&root.path().join("nowhere"), None).unwrap().is_empty());
}

#[test]
fn a_folder_that_holds_another_cache_is_refused_by_field() {
    let root = tempfile::tempdir().unwrap();
    let ours = Shape::default().manifest();
    let other = Shape { views: 3, ..Shape::default() }.manifest();
    let dir = root.path().join(ours.folder_name());
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join(MANIFEST_FILE), other.to_bytes()).unwrap();
    let error = store::create_or_open(root.path(), &ours).unwrap_err();
    let message = error.to_string().replace(dir.to_str().unwrap(), "DIR");
    insta::assert_snapshot!(message, @"DIR/manifest.json was made with view 3 views of seed 3, crops of 0.08 to 1 of the area and ratio 0.75 to 1.25, flipped with probability 0.5, resized to 32 x 32 bilinear, this run has 2 views of seed 3, crops of 0.08 to 1 of the area and ratio 0.75 to 1.25, flipped with probability 0.5, resized to 32 x 32 bilinear; give the cache another name or folder");
    assert!(error.is_mismatch(), "{error}");
}

#[test]
fn another_provider_may_use_a_complete_cache_and_not_go_on_with_one() {
    let (root, dir, manifest) = cache();
    let mut other = manifest.clone();
    other.teacher.provider = Provider::Cuda;
    let (_, found) = store::create_or_open(root.path(), &other).unwrap();
    assert_eq!(found, manifest);
    fs::remove_file(dir.join(store::COMPLETE_FILE)).unwrap();
    let error = store::create_or_open(root.path(), &other).unwrap_err();
    assert!(
        matches!(error, Error::Mismatch(Mismatch::Different { field: "teacher.provider", .. })),
        "{error}"
    );
}

type Forgery = (&'static str, fn(&mut Value));

/// Opens the cache with one field of its manifest forged, the seal fitting.
fn open_forged(forge: impl FnOnce(&mut Value)) -> Error {
    let (_root, dir, _) = cache();
    let path = dir.join(MANIFEST_FILE);
    let mut manifest = unsealed(&path);
    forge(&mut manifest);
    fs::write(&path, seal(&manifest)).unwrap();
    let error = Cache::open(&dir).unwrap_err();
    assert!(store::verify(&dir).is_err());
    error
}

#[test]
fn a_forged_manifest_is_refused() {
    let forgeries: [Forgery; 14] = [
        ("huge count", |manifest| manifest["dataset"]["splits"][0]["samples"] = json!(u64::MAX)),
        ("many shards", |manifest| manifest["dataset"]["splits"][0]["samples"] = json!(1u64 << 40)),
        ("negative count", |manifest| manifest["dataset"]["splits"][0]["samples"] = json!(-1)),
        ("fraction", |manifest| manifest["shard_rows"] = json!(4.5)),
        ("huge shard", |manifest| manifest["shard_rows"] = json!(u32::MAX)),
        ("no shard", |manifest| manifest["shard_rows"] = json!(0)),
        ("path out", |manifest| manifest["dataset"]["splits"][0]["name"] = json!("../../etc")),
        ("absolute path", |manifest| manifest["dataset"]["splits"][0]["name"] = json!("/etc")),
        ("name out", |manifest| manifest["name"] = json!("../x")),
        ("unknown field", |manifest| manifest["colour"] = json!("green")),
        ("missing field", |manifest| drop(manifest.as_object_mut().unwrap().remove("view"))),
        ("other temperature", |manifest| manifest["temperatures"] = json!([1.0, 2.5, 6.0])),
        ("other class order", |manifest| manifest["dataset"]["classes"].as_array_mut().unwrap().swap(0, 1)),
        ("other provider", |manifest| manifest["teacher"]["provider"] = json!("cuda:0")),
    ];
    for (name, forge) in forgeries {
        let error = open_forged(forge);
        assert!(error.is_damage(), "{name}: {error}");
    }
}

#[test]
fn no_split_has_the_name_of_the_folder_of_the_records() {
    let error = open_forged(|manifest| manifest["dataset"]["splits"][0]["name"] = json!("_records"));
    assert!(error.to_string().contains("not _records, the folder of the records"), "{error}");
}

#[test]
fn another_format_is_named_whatever_else_it_holds() {
    let error = open_forged(|manifest| {
        manifest["format"] = json!(3);
        manifest["new"] = json!(true);
    });
    assert!(matches!(error, Error::Mismatch(Mismatch::Format { expected: 2, found: 3, .. })), "{error}");
    assert!(error.is_mismatch(), "{error}");
}

#[test]
fn a_folder_without_a_manifest_is_no_cache() {
    let root = tempfile::tempdir().unwrap();
    let error = Cache::open(root.path()).unwrap_err();
    assert!(matches!(error, Error::Mismatch(Mismatch::NoCache { .. })), "{error}");
}
