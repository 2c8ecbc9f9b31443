//! Every encoding: what it stores, what it loses, what it refuses.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int32Type};
use arrow_array::{ArrayRef, Float32Array, Int32Array, RecordBatch};
use decant::store::{
    self, Cache, Damage, Encoding, Error, Manifest, Mismatch, Row, ShardWriter, SplitRows, Summary, soften,
};
use half::f16;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::store::common::{self, Shape, cache, cache_of, encoded, forge_shard, logits, read_all};
use crate::store::foreign::{list_of, write};

const CLASSES: usize = 40;

fn shape(encoding: Encoding, zstd: u8) -> Shape {
    Shape { classes: CLASSES, splits: vec![("train", 9), ("test", 3)], encoding, zstd, ..Shape::default() }
}

fn rows_of(shape: &Shape) -> (tempfile::TempDir, Arc<SplitRows>) {
    let (root, dir, _) = cache_of(shape);
    let damage = store::verify(&dir).unwrap().damage;
    assert!(damage.is_empty(), "{damage:?}");
    let rows = Cache::open(&dir).unwrap().split("train").unwrap();
    (root, rows)
}

fn truth(rows: &SplitRows, row: usize) -> Vec<f32> {
    let (sample, view) = rows.identity(row);
    common::logits("train", sample, view, rows.classes())
}

fn softened(logits: &[f32], temperature: f32) -> Vec<f32> {
    let mut targets = vec![0.0; logits.len()];
    soften(logits, temperature, &mut targets);
    targets
}

fn row_logits(rows: &SplitRows, row: usize) -> Vec<f32> {
    let mut out = vec![0.0; rows.classes()];
    rows.gather_logits(&[row], &mut out).unwrap();
    out
}

fn row_soft(rows: &SplitRows, temperature: f32, row: usize) -> Vec<f32> {
    let mut out = vec![0.0; rows.classes()];
    rows.gather_soft(temperature, &[row], &mut out).unwrap();
    out
}

#[test]
fn compression_changes_no_value() {
    for encoding in [Encoding::FLOAT32, Encoding::FLOAT16, Encoding::top_k(7)] {
        let (_plain_root, plain) = rows_of(&shape(encoding, 0));
        for level in [1, 3, 19] {
            let (_root, rows) = rows_of(&shape(encoding, level));
            for row in 0..rows.len() {
                assert_eq!(row_logits(&rows, row), row_logits(&plain, row));
                assert_eq!(row_soft(&rows, 2.5, row), row_soft(&plain, 2.5, row));
                assert_eq!(rows.identity(row), plain.identity(row));
                assert_eq!((rows.crop(row)[1], rows.flip(row)), (plain.crop(row)[1], plain.flip(row)));
            }
        }
    }
}

#[test]
fn float16_rounds_each_logit_once_and_softens_the_rounded() {
    let (_root, rows) = rows_of(&shape(Encoding::FLOAT16, 0));
    for row in 0..rows.len() {
        let round = |values: Vec<f32>| -> Vec<f32> {
            values.into_iter().map(|value| f16::from_f32(value).to_f32()).collect()
        };
        let logits = round(truth(&rows, row));
        assert_eq!(row_logits(&rows, row), logits);
        assert_eq!(row_soft(&rows, 5.0, row), round(softened(&logits, 5.0)));
    }
}

#[test]
fn the_kept_targets_and_the_mass_of_the_rest_are_those_of_every_logit() {
    for kept in [1, 7, CLASSES - 1] {
        let (_root, rows) = rows_of(&shape(Encoding::top_k(kept as u32), 0));
        assert_eq!(rows.kept(), Some(kept));
        for &temperature in &[1.0, 2.5, 5.0] {
            for row in 0..rows.len() {
                let logits = truth(&rows, row);
                let expected = softened(&logits, temperature);
                let (mut classes, mut masses) = (vec![0; kept], vec![0.0; kept + 1]);
                rows.gather_top(temperature, &[row], &mut classes, &mut masses).unwrap();
                for (&class, &mass) in classes.iter().zip(&masses) {
                    assert!(
                        (mass - expected[class as usize]).abs() < 2e-7,
                        "{mass} {}",
                        expected[class as usize]
                    );
                }
                let smallest = logits[classes[kept - 1] as usize];
                let dropped = |class: &usize| !classes.contains(&(*class as i32));
                assert!((0..CLASSES).filter(dropped).all(|class| logits[class] <= smallest));
                let rest: f64 = (0..CLASSES).filter(dropped).map(|class| f64::from(expected[class])).sum();
                assert!((f64::from(masses[kept]) - rest).abs() < 1e-6);
            }
        }
    }
}

#[test]
fn dense_batches_of_kept_classes_spread_the_rest_evenly() {
    let kept = 7;
    let (_root, rows) = rows_of(&shape(Encoding::top_k(kept), 0));
    for row in 0..rows.len() {
        let truth = truth(&rows, row);
        let soft = row_soft(&rows, 5.0, row);
        assert!((soft.iter().map(|&mass| f64::from(mass)).sum::<f64>() - 1.0).abs() < 1e-6);
        let mut logits = vec![0.0; CLASSES];
        rows.gather_logits_for(5.0, &[row], &mut logits).unwrap();
        for (found, expected) in softened(&logits, 5.0).into_iter().zip(&soft) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        assert_eq!(
            logits.iter().zip(&truth).filter(|(found, truth)| found.to_bits() == truth.to_bits()).count(),
            kept as usize
        );
    }
}

#[test]
fn a_dense_cache_has_no_kept_classes_to_read() {
    let (_root, dir, _) = cache();
    let rows = Cache::open(&dir).unwrap().split("train").unwrap();
    let error = rows.gather_top(5.0, &[0], &mut [0; 2], &mut [0.0; 3]).unwrap_err();
    assert!(rows.kept().is_none() && matches!(error, Error::Mismatch(Mismatch::NotKept { .. })), "{error}");
}

#[test]
fn every_encoding_is_another_cache_of_its_own_bytes() {
    let mut shapes = encoded();
    shapes.extend([Shape::default(), Shape { zstd: 4, ..Shape::default() }]);
    let keys: std::collections::BTreeSet<String> =
        shapes.iter().map(|shape| shape.manifest().key.to_string()).collect();
    assert_eq!(keys.len(), shapes.len());
    for shape in shapes {
        let (_root, dir, _) = cache_of(&shape);
        let (_again_root, again, _) = cache_of(&shape);
        assert_eq!(common::files(&dir), common::files(&again), "{shape:?}");
        read_all(&dir).unwrap();
    }
}

#[test]
fn an_encoding_out_of_range_is_named() {
    let Shape { classes, temperatures, .. } = Shape::default();
    let manifest = |encoding, temperatures: &[f32], zstd| {
        let base = Shape { classes, ..Shape::default() }.manifest();
        store::Manifest::new("leaves", base.dataset, base.teacher, base.view, temperatures, encoding, 4)
            .and_then(|manifest| manifest.with_zstd(zstd))
            .unwrap_err()
            .to_string()
    };
    let messages = [
        manifest(Encoding::top_k(0), &temperatures, 0),
        manifest(Encoding::top_k(3), &temperatures, 0),
        manifest(Encoding::top_k(2), &[], 0),
        manifest(Encoding::FLOAT16, &temperatures, 23),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r"
    the cache's encoding.top-k must be 1 to 2, one less than there are classes, found 0
    the cache's encoding.top-k must be 1 to 2, one less than there are classes, found 3
    the cache's temperatures must be at least one, since the mass of the rest is kept for each, found none
    the cache's zstd must be 0 (none) to 22, found 23
    ");
}

#[test]
fn a_logit_that_float16_cannot_hold_is_refused() {
    let shape = Shape { encoding: Encoding::FLOAT16, splits: vec![("train", 1)], ..Shape::default() };
    let manifest = shape.manifest();
    let mut writer = ShardWriter::create(std::path::Path::new("cache"), &manifest, &manifest.shards()[0]);
    let row = Row {
        path: "a.jpg",
        sample: 0,
        image_hash: [0; 16],
        label: 0,
        view: 0,
        crop: [0.0, 0.0, 5.0, 5.0],
        flip: false,
        operations: &[],
        input_hash: [0; 8],
        logits: &[1.0, 65519.0, -65520.0],
    };
    let error = writer.push(row).unwrap_err();
    assert!(matches!(error, Error::Mismatch(Mismatch::LogitTooLarge { class: 2, .. })), "{error}");
}

/// What the reader and `verify` say to the first shard of a cache of two kept classes when its rows are `change`d and
/// every digest forged to fit.
fn changed(change: impl Fn(&RecordBatch) -> (usize, ArrayRef)) -> (Result<(), Error>, Vec<Error>) {
    let (_root, dir, manifest) = cache_of(&Shape { encoding: Encoding::top_k(2), ..Shape::default() });
    let bytes = bytes::Bytes::from(fs::read(dir.join(&manifest.shards()[0].path)).unwrap());
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    let key_values = builder.metadata().file_metadata().key_value_metadata().unwrap().clone();
    let batch = builder.build().unwrap().next().unwrap().unwrap();
    let (index, array) = change(&batch);
    let batch = crate::store::foreign::with_column(&batch, index, array);
    forge_shard(&dir, &manifest, 0, &write(&batch, key_values, |plain| plain));
    (read_all(&dir), store::verify(&dir).unwrap().damage)
}

#[test]
fn kept_classes_that_are_none_come_twice_or_are_out_of_order_are_refused() {
    let classes = |change: fn(&mut Vec<i32>)| {
        let (read, damage) = changed(|batch| {
            let list = batch.column(8).as_fixed_size_list();
            let mut values = list.values().as_primitive::<Int32Type>().values().to_vec();
            change(&mut values);
            (8, list_of(Arc::new(Int32Array::from(values)), &[2; 4]))
        });
        let error = read.unwrap_err();
        assert!(
            matches!(&error, Error::Damage(Damage::Value { column, .. }) if column == "top_classes"),
            "{error}"
        );
        assert_eq!(damage.len(), 1);
    };
    classes(|values| values[3] = 3);
    classes(|values| values[3] = -1);
    classes(|values| values[3] = values[2]);
    let (read, _) = changed(|batch| {
        let list = batch.column(9).as_fixed_size_list();
        let mut values = list.values().as_primitive::<Float32Type>().values().to_vec();
        values.swap(4, 5);
        (9, list_of(Arc::new(Float32Array::from(values)), &[2; 4]))
    });
    assert!(matches!(read.unwrap_err(), Error::Damage(Damage::Value { row: 2, .. })));
}

#[test]
fn a_mass_of_the_rest_that_the_kept_logits_forbid_is_found_by_verify() {
    let (read, damage) = changed(|batch| {
        let mut values = batch.column(10).as_primitive::<Float32Type>().values().to_vec();
        values[1] = 0.75;
        (10, Arc::new(Float32Array::from(values)))
    });
    read.unwrap();
    assert!(
        matches!(&damage[..], [Error::Damage(Damage::Rest { column, row: 1, .. })] if column == "rest_t1"),
        "{damage:?}"
    );
    let (read, _) = changed(|_| (10, Arc::new(Float32Array::from(vec![0.1, 0.1, 1.5, 0.1]))));
    assert!(matches!(read.unwrap_err(), Error::Damage(Damage::Value { row: 2, .. })));
}

#[test]
fn a_column_is_read_when_it_is_used_and_no_other() {
    for zstd in [0, 3] {
        let shape = Shape { splits: vec![("train", 2)], zstd, ..Shape::default() };
        let (_root, dir, manifest) = cache_of(&shape);
        let path = dir.join(&manifest.shards()[0].path);
        let file = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(&path).unwrap()).unwrap();
        let chunks = file.metadata().row_group(0).columns();
        let chunk = chunks.iter().find(|chunk| chunk.column_path().parts()[0] == "soft_t1").unwrap();
        // Its page can't be read any more, and the digests can't tell.
        let mut bytes = fs::read(&path).unwrap();
        bytes[chunk.data_page_offset() as usize..][..8].fill(0xff);
        forge_shard(&dir, &manifest, 0, &bytes);

        let cache = Cache::open(&dir).unwrap();
        let rows = cache.split("train").unwrap();
        let mut values = vec![0.0; 3];
        rows.gather_logits(&[1], &mut values).unwrap();
        rows.gather_soft(5.0, &[1], &mut values).unwrap();
        let error = rows.gather_soft(1.0, &[1], &mut values).unwrap_err();
        assert!(error.is_damage() && error.to_string().contains("soft_t1"), "{error}");
    }
}

/// `KL(targets of all logits || targets as they are read)` of each row, as a reader of the cache would work it out.
fn losses(dir: &Path, manifest: &Manifest, split: &str, temperature: f32) -> Vec<f64> {
    let cache = store::Cache::open(dir).unwrap();
    let rows = cache.split(split).unwrap();
    let (mut truth, mut stored) = (vec![0.0; rows.classes()], vec![0.0; rows.classes()]);
    let loss = |row: usize| {
        let (sample, view) = rows.identity(row);
        soften(&logits(split, sample, view, manifest.classes()), temperature, &mut truth);
        rows.gather_soft(temperature, &[row], &mut stored).unwrap();
        let pairs = truth.iter().zip(&stored).map(|(&p, &q)| (f64::from(p), f64::from(q)));
        pairs.map(|(p, q)| p * (p.max(1e-30) / q.max(1e-30)).ln() - p + q).sum()
    };
    (0..rows.len()).map(loss).collect()
}

#[test]
fn what_an_encoding_lost_is_known_from_the_records() {
    for encoding in [Encoding::FLOAT16, Encoding::top_k(2), Encoding::top_k(7)] {
        let shape = Shape { classes: 12, encoding, ..Shape::default() };
        let (_root, dir, manifest) = cache_of(&shape);
        let found = Summary::read(&dir).unwrap().encoding_loss;
        assert_eq!(found.len(), 3 * 3, "three splits of three temperatures");
        for loss in found {
            let expected = losses(&dir, &manifest, &loss.split, loss.temperature);
            let mean = expected.iter().sum::<f64>() / expected.len() as f64;
            assert!((loss.mean_kl - mean).abs() < 2e-6, "{loss:?}, expected {mean}");
            let largest = expected.iter().copied().fold(0.0, f64::max);
            assert!((loss.largest_kl - largest).abs() < 2e-6, "{loss:?}, expected {largest}");
            assert!(loss.mean_kl > 0.0 && loss.largest_kl >= loss.mean_kl);
            let kept = loss.mean_kept.zip(loss.least_kept);
            assert_eq!(kept.is_some(), encoding != Encoding::FLOAT16);
            assert!(kept.is_none_or(|(mean, least)| 0.0 < least && least <= mean && mean < 1.0), "{loss:?}");
        }
    }
}

#[test]
fn float32_loses_nothing_and_its_records_say_nothing_of_it() {
    let (_root, dir, manifest) = cache_of(&Shape::default());
    let summary = Summary::read(&dir).unwrap();
    assert!(summary.lossless && summary.encoding_loss.is_empty());
    let record = std::fs::read_to_string(dir.join(manifest.shards()[0].record_path())).unwrap();
    assert!(!record.contains("lost"), "{record}");
}
