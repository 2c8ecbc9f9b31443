//! What stands where a file of the cache belongs: pipes, devices, folders, links, huge files, numbers out of range.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use decant::store::{self, COMPLETE_FILE, Damage, Error, MANIFEST_FILE, Mismatch, Summary};

use crate::store::common::{self, cache};

/// Puts something else in the place of a file.
type Place = fn(&Path);

const PLACES: [(&str, Place); 6] = [
    ("a pipe", |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
    ("/dev/zero", |path| std::os::unix::fs::symlink("/dev/zero", path).unwrap()),
    ("a folder", |path| fs::create_dir(path).unwrap()),
    ("a link to nothing", |path| std::os::unix::fs::symlink("gone", path).unwrap()),
    ("a link to itself", |path| std::os::unix::fs::symlink(path, path).unwrap()),
    ("3 GB of nothing", |path| fs::File::create(path).unwrap().set_len(3 << 30).unwrap()),
];

fn replaced(relative: &Path, place: Place) -> (tempfile::TempDir, PathBuf) {
    let (root, dir, _) = cache();
    fs::remove_file(dir.join(relative)).unwrap();
    place(&dir.join(relative));
    (root, dir)
}

#[test]
fn what_is_not_a_regular_file_is_damage_and_never_waited_for() {
    let start = Instant::now();
    let (_root, _, manifest) = cache();
    let record = manifest.shards()[1].record_path();
    for (what, place) in PLACES {
        for file in [MANIFEST_FILE, COMPLETE_FILE] {
            let (_root, dir) = replaced(Path::new(file), place);
            for error in [
                store::Cache::open(&dir).unwrap_err(),
                store::verify(&dir).unwrap_err(),
                Summary::read(&dir).unwrap_err(),
            ] {
                assert!(error.is_damage() && error.to_string().contains(file), "{what}: {error}");
            }
        }
        let (_root, dir) = replaced(&record, place);
        let report = store::verify(&dir).unwrap();
        assert!(report.damage.len() == 1 && report.damage[0].is_damage(), "{what}: {:?}", report.damage);
        let missing = store::missing_shards(&dir, &manifest).unwrap();
        assert_eq!(missing, [manifest.shards()[1].clone()], "{what}: it is made again");
        let (_root, dir) = replaced(&manifest.shards()[1].path, place);
        let report = store::verify(&dir).unwrap();
        assert!(report.damage.len() == 1 && report.damage[0].is_damage(), "{what}: {:?}", report.damage);
    }
    assert!(start.elapsed() < Duration::from_mins(1));
}

#[test]
fn a_cache_whose_manifest_is_something_else_is_found_and_named() {
    for (what, place) in PLACES {
        let (root, dir) = replaced(Path::new(MANIFEST_FILE), place);
        assert_eq!(store::find(root.path(), Some("leaves")).unwrap(), [dir], "{what}");
    }
}

#[test]
fn a_split_whose_folder_is_a_file_is_damage() {
    let (_root, dir, _) = cache();
    fs::remove_dir_all(dir.join("test")).unwrap();
    fs::write(dir.join("test"), "a file").unwrap();
    let error = store::Cache::open(&dir).unwrap_err();
    assert!(error.is_damage(), "{error}");
    assert!(store::verify(&dir).unwrap().damage.iter().all(Error::is_damage));
}

#[test]
fn a_folder_of_caches_that_is_a_file_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = store::find(file.path(), None).unwrap_err();
    assert!(matches!(error, Error::Mismatch(Mismatch::NotAFolder { .. })), "{error}");
}

#[test]
fn a_permission_is_not_called_damage() {
    use std::os::unix::fs::PermissionsExt;
    let (root, dir, manifest) = cache();
    let forbid = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
    let shard = dir.join(&manifest.shards()[0].path);
    forbid(&shard);
    if fs::File::open(&shard).is_ok() {
        // The superuser may read everything.
        return;
    }
    let error = store::verify(&dir).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    forbid(&dir);
    assert_eq!(store::find(root.path(), None).unwrap(), std::slice::from_ref(&dir));
    let error = Summary::read(&dir).unwrap_err();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[test]
fn a_quality_out_of_range_or_of_other_logits_is_damage() {
    let (_root, dir, _) = cache();
    let path = dir.join(COMPLETE_FILE);
    let whole = common::unsealed(&path);
    for (field, value) in [
        ("accuracy", serde_json::Value::from(-1.0)),
        ("accuracy", 2.0.into()),
        ("nll", (-0.5).into()),
        ("ece", 1.5.into()),
        ("labelled", 1_000_000_000_000_000_u64.into()),
        ("split", "elsewhere".into()),
    ] {
        let mut edited = whole.clone();
        edited["teacher_quality"][0][field] = value;
        fs::write(&path, common::seal(&edited)).unwrap();
        let error = store::Cache::open(&dir).unwrap_err();
        assert!(matches!(error, Error::Damage(Damage::Contradiction { .. })), "{field}: {error}");
    }
    let mut edited = whole.clone();
    edited["teacher_quality"].as_array_mut().unwrap().pop();
    fs::write(&path, common::seal(&edited)).unwrap();
    assert!(store::Cache::open(&dir).unwrap_err().is_damage());

    // In range, and not what the logits say.
    for field in ["accuracy", "nll", "ece"] {
        let mut edited = whole.clone();
        edited["teacher_quality"][0][field] = 0.125.into();
        fs::write(&path, common::seal(&edited)).unwrap();
        let damage = store::verify(&dir).unwrap().damage;
        assert!(matches!(damage[..], [Error::Damage(Damage::Contradiction { .. })]), "{field}: {damage:?}");
    }
}
