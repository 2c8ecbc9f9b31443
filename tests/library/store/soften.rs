//! More temperatures from stored logits, without a teacher.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use decant::store::{self, Damage, Encoding, Error, add_temperatures};
use decant::support::context::Context;

use crate::store::common::{Shape, cache, cache_of, encoded, files, unsealed};

/// The temperatures of [`Shape::default`] are 5, 1 and 2.5.
fn without_five(shape: Shape) -> Shape {
    Shape { temperatures: vec![1.0, 2.5], ..shape }
}

/// The files of a cache; what float16 loses at a temperature that was added is not known, and left out of the comparison.
fn without_losses(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = files(dir);
    files.retain(|(name, _)| name.extension().is_none_or(|found| found != "losses"));
    let json = files.iter_mut().filter(|(name, _)| name.extension().is_some_and(|found| found == "json"));
    for (name, bytes) in json {
        let mut value = unsealed(&dir.join(name));
        let fields = value.as_object_mut().unwrap();
        fields.remove("lost");
        if let Some(shards) = fields.get_mut("shards") {
            let shards = shards.as_array_mut().unwrap().iter_mut();
            shards.for_each(|shard| drop(shard.as_object_mut().unwrap().remove("lost")));
        }
        *bytes = value.to_string().into_bytes();
    }
    files
}

#[test]
fn a_temperature_that_was_added_makes_the_bytes_of_one_that_was_asked_for_at_first() {
    let dense = encoded().into_iter().filter(|shape| shape.encoding.keeps_all());
    for shape in dense.chain([Shape::default()]) {
        let (_expected_root, expected, _) = cache_of(&shape);
        let (_root, dir, _) = cache_of(&without_five(shape));
        let before = store::Cache::open(&dir).unwrap();
        add_temperatures(&dir, &[5.0], &Context::silent()).unwrap();
        assert_eq!(dir.file_name(), expected.file_name());
        assert_eq!(without_losses(&dir), without_losses(&expected));
        assert!(store::verify(&dir).unwrap().damage.is_empty());
        let after = store::Cache::open(&dir).unwrap();
        assert_eq!(before.complete().content, after.complete().content, "runs keep their cache");
        before.check_content().expect("what was mapped stays");
    }
}

#[test]
fn an_interrupted_softening_can_be_read_and_goes_on_to_the_same_bytes() {
    let (_expected_root, expected, _) = cache();
    let (_root, dir, _) = cache_of(&without_five(Shape::default()));
    let asked = AtomicUsize::new(0);
    let third = Context::silent().until(move || asked.fetch_add(1, Ordering::SeqCst) == 2);
    let stopped = add_temperatures(&dir, &[5.0], &third).unwrap_err();
    assert!(matches!(stopped, Error::Stopped { .. }), "{stopped}");
    let cache = store::Cache::open(&dir).unwrap();
    cache.check_content().unwrap();
    assert_eq!(cache.complete().temperatures, [1.0, 2.5]);
    let rows = cache.split("train").unwrap();
    let mut targets = vec![0.0; 3 * rows.len()];
    rows.gather_soft(2.5, &(0..rows.len()).collect::<Vec<_>>(), &mut targets).unwrap();
    add_temperatures(&dir, &[5.0], &Context::silent()).unwrap();
    assert_eq!(files(&dir), files(&expected));
}

#[test]
fn a_shard_whose_record_was_written_first_is_not_lost() {
    let (_root, dir, manifest) = cache_of(&without_five(Shape::default()));
    let (_expected_root, expected, _) = cache();
    // Killed between the record and the shard.
    let record = manifest.shards()[1].record_path();
    fs::copy(expected.join(&record), dir.join(&record)).unwrap();
    assert_eq!(store::missing_shards(&dir, &manifest).unwrap(), []);
    add_temperatures(&dir, &[5.0], &Context::silent()).unwrap();
    assert_eq!(files(&dir), files(&expected));
}

#[test]
fn a_temperature_without_a_column_is_softened_to_the_bits_of_one() {
    let dense = encoded().into_iter().filter(|shape| shape.encoding.keeps_all());
    for shape in dense.chain([Shape::default()]) {
        let (_with_root, with, _) = cache_of(&shape);
        let (_without_root, without, _) = cache_of(&without_five(shape));
        let [stored, made] = [with, without].map(|dir| {
            let rows = store::Cache::open(&dir).unwrap().split("train").unwrap();
            let mut targets = vec![0.0; 3 * rows.len()];
            rows.gather_soft(5.0, &(0..rows.len()).collect::<Vec<_>>(), &mut targets).unwrap();
            targets.iter().map(|target| target.to_bits()).collect::<Vec<_>>()
        });
        assert_eq!(stored, made);
    }
}

#[test]
fn what_cannot_be_added_is_refused_and_nothing_is_written() {
    let (root, dir, _) = cache();
    let (top_root, top, _) = cache_of(&Shape { encoding: Encoding::top_k(2), ..Shape::default() });
    let errors = [
        add_temperatures(&dir, &[0.0], &Context::silent()).unwrap_err(),
        add_temperatures(&top, &[7.0], &Context::silent()).unwrap_err(),
    ];
    let messages: Vec<String> = errors
        .iter()
        .map(|error| error.to_string().replace(&top.canonicalize().unwrap().display().to_string(), "DIR"))
        .collect();
    insta::assert_snapshot!(messages.join("\n"), @r"
    the cache's temperatures must be finite and above 0, found 0
    DIR keeps 2 of 3 logits a row, so the mass of the rest at another temperature is not known; add the temperature to [cache] temperatures and run `decant teacher-cache`
    ");
    assert!(errors.iter().all(store::Error::is_mismatch));
    for root in [root, top_root] {
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }
}

#[test]
fn damage_is_not_carried_over() {
    let (root, dir, manifest) = cache();
    let path = dir.join(&manifest.shards()[1].path);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 4;
    fs::write(&path, bytes).unwrap();
    let error = add_temperatures(&dir, &[7.0], &Context::silent()).unwrap_err();
    assert!(matches!(error, Error::Damage(Damage::Content { .. })), "{error}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}

#[test]
fn what_float16_loses_stays_known_and_at_the_new_temperature_unknown() {
    let (_root, dir, _) = cache_of(&without_five(Shape { encoding: Encoding::FLOAT16, ..Shape::default() }));
    let before = store::Summary::read(&dir).unwrap().encoding_loss;
    add_temperatures(&dir, &[5.0], &Context::silent()).unwrap();
    assert_eq!(before.len(), 2 * 3);
    assert_eq!(store::Summary::read(&dir).unwrap().encoding_loss, before);
}
