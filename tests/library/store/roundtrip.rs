use decant::store::{self, Cache, Error, Manifest, Mismatch, soften};
use decant::support::hash::Digest;
use decant::view::operation::{Kind, Operation};
use proptest::prelude::*;

use crate::store::common::{self, Shape, cache, cache_of};

fn softened(logits: &[f32], temperature: f32) -> Vec<f32> {
    let mut targets = vec![0.0; logits.len()];
    soften(logits, temperature, &mut targets);
    targets
}

fn check_every_row(cache: &Cache, manifest: &Manifest) {
    let classes = manifest.classes();
    for size in &manifest.dataset.splits {
        let rows = cache.split(&size.name).unwrap();
        assert_eq!(rows.len() as u64, size.samples * u64::from(rows.views()));
        for sample in 0..size.samples {
            for view in 0..rows.views() {
                let row = rows.row(sample, view).unwrap();
                let expected = common::logits(&size.name, sample, view, classes);
                assert_eq!(rows.identity(row), (sample, view));
                assert_eq!(rows.label(row), common::label(sample, classes));
                assert_eq!(rows.image_hash(row), [sample as u8; 16]);
                assert_eq!(rows.input_hash(row), [view as u8 + 7; 8]);
                assert_eq!(rows.crop(row).map(f32::to_bits), common::crop(sample, view).map(f32::to_bits));
                assert_eq!(rows.flip(row), (sample + u64::from(view)) % 3 == 1);
                let mut values = vec![0.0; classes];
                rows.gather_logits(&[row], &mut values).unwrap();
                assert_eq!(values, expected);
                for &temperature in &manifest.temperatures {
                    rows.gather_soft(temperature, &[row], &mut values).unwrap();
                    assert_eq!(values, softened(&expected, temperature));
                }
            }
        }
    }
}

#[test]
fn every_row_reads_back_as_it_was_written() {
    let (_root, dir, manifest) = cache();
    let cache = Cache::open(&dir).unwrap();
    cache.check_content().unwrap();
    check_every_row(&cache, &manifest);
    let report = store::verify(&dir).unwrap();
    assert!(report.damage.is_empty(), "{:?}", report.damage);
    assert_eq!((report.shards, report.rows), (5, 15));
}

#[test]
fn operations_read_back_as_they_were_written() {
    let mut checked = 0;
    for shape in common::encoded().into_iter().filter(|shape| shape.operations.is_some()) {
        let (_root, dir, manifest) = cache_of(&shape);
        assert_eq!(manifest.view.operation_count(), 3);
        let train = Cache::open(&dir).unwrap().split("train").unwrap();
        for row in 0..train.len() {
            let (sample, view) = train.identity(row);
            let nothing = Operation { kind: Kind::Identity, amount: 0.0 };
            let mut expected = common::operations(sample, view);
            expected.resize(3, nothing);
            assert_eq!(train.operations(row), expected);
            checked += 1;
        }
        assert!(store::verify(&dir).unwrap().damage.is_empty());
    }
    assert_eq!(checked, 20);
    let (_root, dir, _) = cache();
    assert_eq!(Cache::open(&dir).unwrap().split("train").unwrap().operations(1), []);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn caches_of_any_shape_read_back(
        classes in 2usize..70,
        train in 0u64..23,
        validation in 0u64..5,
        views in 1u16..4,
        shard_rows in 1u32..20,
        temperatures in prop::collection::btree_set(1u8..40, 0..4),
    ) {
        let temperatures = temperatures.into_iter().map(|quarters| f32::from(quarters) / 4.0).collect();
        let splits = vec![("train", train), ("validation", validation)];
        let (_root, dir, manifest) = cache_of(&Shape { classes, splits, views, temperatures, shard_rows, ..Shape::default() });
        let cache = Cache::open(&dir).unwrap();
        check_every_row(&cache, &manifest);
        let damage = store::verify(&dir).unwrap().damage;
        prop_assert!(damage.is_empty(), "{:?}", damage);
    }
}

#[test]
fn rows_gather_in_any_order_and_more_than_once() {
    let (_root, dir, manifest) = cache();
    let rows = Cache::open(&dir).unwrap().split("train").unwrap();
    let order = [9, 0, 4, 4, 7];
    let mut batch = vec![0.0; order.len() * 3];
    rows.gather_soft(2.5, &order, &mut batch).unwrap();
    for (&row, targets) in order.iter().zip(batch.chunks(3)) {
        let (sample, view) = rows.identity(row);
        assert_eq!(targets, softened(&common::logits("train", sample, view, manifest.classes()), 2.5));
    }
}

#[test]
fn a_split_outlives_its_cache_and_crosses_threads() {
    let (_root, dir, _) = cache();
    let rows = Cache::open(&dir).unwrap().split("test").unwrap();
    let labels = std::thread::spawn(move || (0..rows.len()).map(|row| rows.label(row)).collect::<Vec<_>>());
    assert_eq!(labels.join().unwrap(), [0, 1, 2]);
}

#[test]
fn the_same_rows_give_the_same_bytes_in_any_order_of_shards() {
    let (_root, dir, manifest) = cache();
    let other = tempfile::tempdir().unwrap();
    let (again, _) = store::create_or_open(other.path(), &manifest).unwrap();
    for spec in manifest.shards().iter().rev() {
        common::write_shard(&again, &manifest, spec);
    }
    store::complete(&again).unwrap();
    assert_eq!(common::files(&dir), common::files(&again));
}

#[test]
fn the_values_of_a_column_are_one_block_of_the_file() {
    let (_root, dir, manifest) = cache();
    let spec = &manifest.shards()[0];
    let bytes = std::fs::read(dir.join(&spec.path)).unwrap();
    let logits: Vec<u8> = (0..spec.rows)
        .map(|row| spec.identity(row))
        .flat_map(|(sample, view)| common::logits("train", sample, view, 3))
        .flat_map(f32::to_le_bytes)
        .collect();
    assert!(bytes.windows(logits.len()).any(|window| window == logits));
}

#[test]
fn a_row_is_found_by_sample_and_view_or_not_at_all() {
    let (_root, dir, _) = cache();
    let rows = Cache::open(&dir).unwrap().split("train").unwrap();
    assert_eq!(rows.row(4, 1), Some(9));
    assert_eq!((rows.row(5, 0), rows.row(0, 2), rows.row(u64::MAX, 0)), (None, None, None));
}

#[test]
fn what_is_not_there_is_named() {
    let (_root, dir, _) = cache();
    let cache = Cache::open(&dir).unwrap();
    let rows = cache.split("train").unwrap();
    let mut batch = vec![0.0; 3];
    let errors = [
        cache.split("dev").unwrap_err(),
        rows.gather_logits(&[10], &mut batch).unwrap_err(),
        rows.gather_logits(&[0, 1], &mut batch).unwrap_err(),
    ];
    let messages: Vec<String> =
        errors.iter().map(|error| error.to_string().replace(dir.to_str().unwrap(), "DIR")).collect();
    insta::assert_snapshot!(messages.join("\n"), @r#"
    DIR has no split "dev", it has train, validation, test
    split "train" has 10 rows, row 10 was asked for
    a batch of 2 rows takes 6 values, the buffer holds 3
    "#);
    assert!(errors.iter().all(store::Error::is_mismatch));
}

#[test]
fn another_dataset_or_class_order_is_refused() {
    let (_root, dir, manifest) = cache();
    let cache = Cache::open(&dir).unwrap();
    let ours = &manifest.dataset;
    cache.check_dataset(ours.fingerprint, &ours.classes).unwrap();
    let mut swapped = ours.classes.clone();
    swapped.swap(1, 2);
    let error = cache.check_dataset(ours.fingerprint, &swapped).unwrap_err();
    assert!(matches!(error, Error::Mismatch(Mismatch::OtherClasses { index: 1, .. })), "{error}");
    let error = cache.check_dataset(ours.fingerprint, &ours.classes[..2]).unwrap_err();
    assert!(
        matches!(&error, Error::Mismatch(Mismatch::OtherClasses { index: 2, expected, .. }) if expected == "none"),
        "{error}"
    );
    let error = cache.check_dataset(Digest::of(b"other"), &ours.classes).unwrap_err();
    assert!(matches!(error, Error::Mismatch(Mismatch::OtherDataset { .. })), "{error}");
}

#[test]
fn the_teacher_is_measured_on_the_labelled_plain_views() {
    let (_root, dir, manifest) = cache();
    let cache = Cache::open(&dir).unwrap();
    let quality = &cache.complete().teacher_quality[0];
    let mut expected = (0u64, 0u64, 0.0f64);
    for sample in 0..5 {
        let Ok(label) = usize::try_from(common::label(sample, 3)) else { continue };
        let logits = common::logits("train", sample, 0, 3);
        let best = (0..3).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
        let probability =
            f64::from(logits[label]).exp() / logits.iter().map(|&x| f64::from(x).exp()).sum::<f64>();
        expected = (expected.0 + 1, expected.1 + u64::from(best == label), expected.2 - probability.ln());
    }
    assert_eq!((quality.split.as_str(), quality.labelled), ("train", expected.0));
    assert!((quality.accuracy - expected.1 as f64 / expected.0 as f64).abs() < 1e-12);
    assert!((quality.nll - expected.2 / expected.0 as f64).abs() < 1e-9);
    assert!((0.0..=1.0).contains(&quality.ece));
    let rows = cache.split("train").unwrap();
    let mistakes: u64 = rows.confusions(10).unwrap().iter().map(|confusion| confusion.count).sum();
    assert_eq!(mistakes, expected.0 - expected.1);
    let entropies = rows.entropies().unwrap();
    assert_eq!(entropies.len(), manifest.temperatures.len());
    assert!(entropies.windows(2).all(|pair| pair[0].mean_nats < pair[1].mean_nats));
    assert!(entropies.iter().all(|entropy| entropy.mean_nats <= 3f64.ln()));
}
