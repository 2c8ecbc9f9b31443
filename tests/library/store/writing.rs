use decant::store::{Error, Manifest, Mismatch, Row, ShardSpec, ShardWriter};
use decant::view::operation::{Kind, Operation};

use crate::store::common::Shape;

const ROW: Row<'static> = Row {
    path: "a.jpg",
    sample: 0,
    image_hash: [0; 16],
    label: 0,
    view: 0,
    crop: [0.0, 0.0, 500.0, 500.0],
    flip: false,
    operations: &[],
    input_hash: [0; 8],
    logits: &[1.0, 2.0, 3.0],
};

fn push_after(before: &[Row<'_>], row: Row<'_>) -> Error {
    let (manifest, spec) = first_shard();
    let mut writer = ShardWriter::create(std::path::Path::new("cache"), &manifest, &spec);
    for row in before {
        writer.push(*row).unwrap();
    }
    writer.push(row).unwrap_err()
}

fn first_shard() -> (Manifest, ShardSpec) {
    let manifest = Shape { splits: vec![("train", 1)], ..Shape::default() }.manifest();
    let spec = manifest.shards().remove(0);
    (manifest, spec)
}

#[test]
fn a_row_that_must_not_be_stored_is_named() {
    let second = Row { view: 1, ..ROW };
    let errors = [
        push_after(&[], second),
        push_after(&[ROW], ROW),
        push_after(&[ROW, second], Row { sample: 1, ..ROW }),
        push_after(&[], Row { logits: &[1.0, 2.0], ..ROW }),
        push_after(&[], Row { logits: &[1.0, f32::NAN, 3.0], ..ROW }),
        push_after(&[ROW], Row { logits: &[1.0, 2.0, f32::NEG_INFINITY], ..second }),
        push_after(&[], Row { label: 3, ..ROW }),
        push_after(&[], Row { label: -2, ..ROW }),
        push_after(&[], Row { operations: &[Operation { kind: Kind::Identity, amount: 0.0 }], ..ROW }),
        push_after(&[], Row { crop: [0.0, 0.0, 0.0, 5.0], ..ROW }),
        push_after(&[], Row { crop: [f32::NAN, 0.0, 5.0, 5.0], ..ROW }),
    ];
    let messages: Vec<String> = errors.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn a_refused_row_leaves_the_shard_as_it_was() {
    let root = tempfile::tempdir().unwrap();
    let (manifest, spec) = first_shard();
    let mut writer = ShardWriter::create(root.path(), &manifest, &spec);
    writer.push(ROW).unwrap();
    writer.push(Row { view: 1, label: 9, ..ROW }).unwrap_err();
    writer.push(Row { view: 1, ..ROW }).unwrap();
    assert_eq!(writer.commit().unwrap().rows, 2);
}

#[test]
fn a_shard_with_rows_missing_is_not_written() {
    let root = tempfile::tempdir().unwrap();
    let (manifest, spec) = first_shard();
    let mut writer = ShardWriter::create(root.path(), &manifest, &spec);
    writer.push(ROW).unwrap();
    let error = writer.commit().unwrap_err();
    assert!(
        matches!(error, Error::Mismatch(Mismatch::ShardNotFull { expected: 2, found: 1, .. })),
        "{error}"
    );
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_that_can_not_be_written_is_an_io_error() {
    let root = tempfile::tempdir().unwrap();
    let (manifest, spec) = first_shard();
    // A file where the split's folder belongs.
    std::fs::write(root.path().join("train"), b"").unwrap();
    let mut writer = ShardWriter::create(root.path(), &manifest, &spec);
    writer.push(ROW).unwrap();
    writer.push(Row { view: 1, ..ROW }).unwrap();
    let error = writer.commit().unwrap_err();
    assert!(matches!(error, Error::Io { .. }) && error.to_string().contains("train"), "{error}");
}

#[test]
fn a_shard_knows_its_samples() {
    let manifest = Shape::default().manifest();
    let shards = manifest.shards();
    let of = |number: usize| (shards[number].split.as_str(), shards[number].samples(), shards[number].rows);
    assert_eq!([of(0), of(2), of(3)], [("train", 0..2, 4), ("train", 4..5, 2), ("validation", 0..2, 2)]);
    let odd = Shape { views: 3, ..Shape::default() }.manifest().shards();
    assert_eq!((odd[1].samples(), odd[1].identity(0)), (1..3, (1, 1)));
}
