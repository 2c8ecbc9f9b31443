//! Damage that happens to files: bits, lengths, names.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use decant::store::{self, COMPLETE_FILE, Cache, Damage, Error, MANIFEST_FILE, Manifest};

use tempfile::TempDir;

use crate::store::common::{Shape, cache, cache_of, encoded, footer, forge_shard, read_all, seal, unsealed};

/// Flips each of `bits` of a file in turn and calls `check` in between; the file is whole again afterwards.
fn flip_each(path: &Path, bits: impl Iterator<Item = usize>, mut check: impl FnMut(usize)) {
    let whole = fs::read(path).unwrap();
    let mut file = File::options().write(true).open(path).unwrap();
    let mut put = |at: usize, byte: u8| {
        file.seek(SeekFrom::Start(at as u64)).unwrap();
        file.write_all(&[byte]).unwrap();
    };
    for bit in bits {
        put(bit / 8, whole[bit / 8] ^ (1 << (bit % 8)));
        check(bit);
        put(bit / 8, whole[bit / 8]);
    }
}

/// The smallest cache, where thousands of tries are wanted.
fn one_shard() -> (TempDir, PathBuf, Manifest) {
    cache_of(&Shape { splits: vec![("train", 2)], ..Shape::default() })
}

fn bits_of(path: &Path) -> std::ops::Range<usize> {
    0..fs::metadata(path).unwrap().len() as usize * 8
}

#[test]
fn every_flipped_bit_of_the_manifest_is_found_on_opening() {
    let (_root, dir, _) = cache();
    let path = dir.join(MANIFEST_FILE);
    flip_each(&path, bits_of(&path), |bit| {
        assert!(Cache::open(&dir).is_err_and(|error| error.is_damage()), "bit {bit}");
    });
    read_all(&dir).unwrap();
}

#[test]
fn every_flipped_bit_of_the_complete_file_is_found_on_opening() {
    let (_root, dir, _) = cache();
    let path = dir.join(COMPLETE_FILE);
    flip_each(&path, bits_of(&path), |bit| {
        assert!(Cache::open(&dir).is_err_and(|error| error.is_damage()), "bit {bit}");
    });
}

#[test]
fn every_flipped_bit_of_a_record_is_found_by_verify() {
    let (_root, dir, manifest) = cache();
    let path = dir.join(manifest.shards()[1].record_path());
    flip_each(&path, bits_of(&path), |bit| {
        let damage = store::verify(&dir).unwrap().damage;
        assert!(damage.len() == 1 && damage[0].is_damage(), "bit {bit}: {damage:?}");
    });
}

#[test]
fn every_flipped_bit_of_a_footer_is_found_on_opening() {
    let (_root, dir, manifest) = one_shard();
    let path = dir.join(&manifest.shards()[0].path);
    let length = footer(&fs::read(&path).unwrap()).len();
    let bits = bits_of(&path);
    flip_each(&path, bits.end - length * 8..bits.end, |bit| {
        assert!(Cache::open(&dir).is_err_and(|error| error.is_damage()), "bit {bit}");
    });
}

#[test]
fn every_flipped_bit_of_page_headers_and_values_is_found_before_training() {
    let plain = (Shape::default(), 1);
    // Of the others every seventh: that visits every position of a byte too.
    let others = encoded().into_iter().map(|shape| (shape, 7));
    for (shape, step) in std::iter::once(plain).chain(others) {
        let (_root, dir, manifest) = cache_of(&shape);
        let path = dir.join(&manifest.shards()[0].path);
        let length = footer(&fs::read(&path).unwrap()).len();
        let bits = bits_of(&path);
        flip_each(&path, (0..bits.end - length * 8).step_by(step), |bit| {
            assert!(read_all(&dir).is_err_and(|error| error.is_damage()), "{shape:?} bit {bit}");
        });
        read_all(&dir).unwrap();
    }
}

/// With every digest forged to fit, no bit of a shard makes the reader panic, and no number that is none comes out.
#[test]
fn a_forged_bit_is_refused_or_harmless() {
    // Steps that are no multiple of 8 visit every position of a byte.
    forge_bits(&Shape::default(), 3);
    for shape in encoded() {
        forge_bits(&shape, 19);
    }
}

fn forge_bits(shape: &Shape, step: usize) {
    let (_root, dir, manifest) = cache_of(&Shape { splits: vec![("train", 2)], ..shape.clone() });
    let path = dir.join(&manifest.shards()[0].path);
    let whole = fs::read(&path).unwrap();
    let mut refused = 0;
    let bits = (0..whole.len() * 8).step_by(step);
    let tried = bits.len();
    for bit in bits {
        let mut forged = whole.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        forge_shard(&dir, &manifest, 0, &forged);
        match read_all(&dir) {
            Err(error) => {
                assert!(error.is_damage(), "{shape:?} bit {bit}: {error}");
                refused += 1;
            }
            Ok(()) => check_numbers(&dir),
        }
    }
    assert!(refused > tried / 4, "{refused} of {tried}");
}

fn check_numbers(dir: &Path) {
    let rows = Cache::open(dir).unwrap().split("train").unwrap();
    let all: Vec<usize> = (0..rows.len()).collect();
    let mut values = vec![0.0; rows.len() * rows.classes()];
    rows.gather_logits(&all, &mut values).unwrap();
    assert!(values.iter().all(|value| value.is_finite()));
    rows.gather_soft(5.0, &all, &mut values).unwrap();
    assert!(values.iter().all(|value| (0.0..=1.0).contains(value)));
}

fn shard(dir: &Path, manifest: &Manifest, number: usize) -> PathBuf {
    dir.join(&manifest.shards()[number].path)
}

/// Opens the cache and verifies it: both must refuse, and the error of the former comes back.
fn refused(dir: &Path) -> Error {
    assert!(!store::verify(dir).unwrap().damage.is_empty());
    let error = read_all(dir).unwrap_err();
    assert!(error.is_damage(), "{error}");
    error
}

#[test]
fn a_truncated_shard_is_refused_at_every_length() {
    let (_root, dir, manifest) = cache();
    let path = shard(&dir, &manifest, 0);
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let error = Cache::open(&dir).unwrap_err();
        assert!(matches!(error, Error::Damage(Damage::Size { .. })), "{length}: {error}");
    }
}

#[test]
fn a_truncated_shard_is_refused_though_its_record_agrees() {
    let (_root, dir, manifest) = cache();
    let whole = fs::read(shard(&dir, &manifest, 0)).unwrap();
    for length in (8..whole.len()).step_by(7) {
        forge_shard(&dir, &manifest, 0, &whole[..length]);
        assert!(Cache::open(&dir).is_err_and(|error| error.is_damage()), "{length}");
    }
}

#[test]
fn a_missing_shard_is_refused() {
    let (_root, dir, manifest) = cache();
    fs::remove_file(shard(&dir, &manifest, 3)).unwrap();
    assert!(matches!(refused(&dir), Error::Damage(Damage::Missing { .. })));
}

#[test]
fn a_renamed_shard_is_missing_and_one_too_many() {
    let (_root, dir, manifest) = cache();
    fs::rename(shard(&dir, &manifest, 0), dir.join("train/part-00009.parquet")).unwrap();
    assert!(matches!(refused(&dir), Error::Damage(Damage::Missing { .. })));
    let damage = store::verify(&dir).unwrap().damage;
    assert!(
        matches!(damage[..], [Error::Damage(Damage::Missing { .. }), Error::Damage(Damage::Extra { .. })]),
        "{damage:?}"
    );
}

#[test]
fn an_extra_shard_is_found_by_verify() {
    let (_root, dir, manifest) = cache();
    fs::copy(shard(&dir, &manifest, 0), dir.join("train/part-00003.parquet")).unwrap();
    fs::create_dir(dir.join("dev")).unwrap();
    fs::copy(shard(&dir, &manifest, 0), dir.join("dev/part-00000.parquet")).unwrap();
    let damage = store::verify(&dir).unwrap().damage;
    assert!(
        matches!(damage[..], [Error::Damage(Damage::Extra { .. }), Error::Damage(Damage::Extra { .. })]),
        "{damage:?}"
    );
}

#[test]
fn swapped_shards_are_refused() {
    let (_root, dir, manifest) = cache();
    let (first, second) = (shard(&dir, &manifest, 0), shard(&dir, &manifest, 1));
    let (a, b) = (fs::read(&first).unwrap(), fs::read(&second).unwrap());
    fs::write(&first, &b).unwrap();
    fs::write(&second, &a).unwrap();
    refused(&dir);
    // Even when every digest is forged to fit: each shard's footer says which one it is.
    forge_shard(&dir, &manifest, 0, &b);
    forge_shard(&dir, &manifest, 1, &a);
    let error = refused(&dir);
    assert!(
        matches!(&error, Error::Damage(Damage::Layout { reason, .. }) if reason.contains("decant.shard")),
        "{error}"
    );
}

#[test]
fn a_shard_of_another_cache_is_refused() {
    let (_root, dir, manifest) = cache();
    let (_other_root, other, _) = cache_of(&Shape { temperatures: vec![1.0, 2.5, 6.0], ..Shape::default() });
    let bytes = fs::read(shard(&other, &manifest, 0)).unwrap();
    forge_shard(&dir, &manifest, 0, &bytes);
    let error = refused(&dir);
    assert!(matches!(error, Error::Damage(Damage::Layout { .. })), "{error}");
}

#[test]
fn a_record_of_another_shard_is_found() {
    let (_root, dir, manifest) = cache();
    let specs = manifest.shards();
    fs::copy(dir.join(specs[0].record_path()), dir.join(specs[1].record_path())).unwrap();
    let damage = store::verify(&dir).unwrap().damage;
    assert!(
        matches!(&damage[..], [Error::Damage(Damage::Contradiction { field, .. })] if field.starts_with("shard")),
        "{damage:?}"
    );
}

#[test]
fn records_in_another_order_are_refused() {
    let (_root, dir, _) = cache();
    let path = dir.join(COMPLETE_FILE);
    let mut complete = unsealed(&path);
    complete["shards"].as_array_mut().unwrap().swap(0, 1);
    fs::write(&path, seal(&complete)).unwrap();
    let error = Cache::open(&dir).unwrap_err();
    assert!(matches!(error, Error::Damage(Damage::Contradiction { .. })), "{error}");
}

#[test]
fn a_content_hash_that_does_not_fit_is_refused() {
    let (_root, dir, _) = cache();
    let path = dir.join(COMPLETE_FILE);
    let mut complete = unsealed(&path);
    complete["content"] = complete["key"].clone();
    fs::write(&path, seal(&complete)).unwrap();
    let error = Cache::open(&dir).unwrap_err();
    assert!(
        matches!(&error, Error::Damage(Damage::Contradiction { field, .. }) if field == "content"),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_folder_is_refused() {
    let (root, dir, manifest) = cache();
    let path = shard(&dir, &manifest, 0);
    let outside = root.path().join("outside.parquet");
    fs::rename(&path, &outside).unwrap();
    std::os::unix::fs::symlink(&outside, &path).unwrap();
    assert!(matches!(refused(&dir), Error::Damage(Damage::Escape { .. })));
}

#[cfg(unix)]
#[test]
fn a_split_that_is_a_link_out_of_the_folder_is_refused() {
    let (root, dir, _) = cache();
    fs::rename(dir.join("train"), root.path().join("train")).unwrap();
    std::os::unix::fs::symlink(root.path().join("train"), dir.join("train")).unwrap();
    assert!(matches!(refused(&dir), Error::Damage(Damage::Escape { .. })));
}

#[cfg(unix)]
#[test]
fn a_cache_may_be_reached_through_a_link() {
    let (root, dir, _) = cache();
    let link = root.path().join("link");
    std::os::unix::fs::symlink(&dir, &link).unwrap();
    read_all(&link).unwrap();
}

#[test]
fn a_folder_in_place_of_a_shard_is_refused() {
    let (_root, dir, manifest) = cache();
    let path = shard(&dir, &manifest, 0);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(refused(&dir), Error::Damage(Damage::Layout { .. })));
}
