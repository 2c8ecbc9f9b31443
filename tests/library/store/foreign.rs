//! Shards that somebody else's parquet writer made, with every digest forged to fit.

use std::fs;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt16Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, Float32Array, Int32Array, ListArray, RecordBatch, UInt16Array, UInt64Array,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Schema};
use decant::store::{self, Damage, Error, Manifest};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};

use crate::store::common::{cache, forge_shard, read_all};

const LOGITS: usize = 8;
const SOFT: usize = 9;

/// The first shard's rows and key-value metadata.
fn first_shard(dir: &std::path::Path, manifest: &Manifest) -> (RecordBatch, Vec<KeyValue>) {
    let bytes = bytes::Bytes::from(fs::read(dir.join(&manifest.shards()[0].path)).unwrap());
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    let key_values = builder.metadata().file_metadata().key_value_metadata().unwrap().clone();
    (builder.build().unwrap().next().unwrap().unwrap(), key_values)
}

pub(crate) fn write(
    batch: &RecordBatch,
    key_values: Vec<KeyValue>,
    adjust: impl Fn(WriterPropertiesBuilder) -> WriterPropertiesBuilder,
) -> Vec<u8> {
    let plain = WriterProperties::builder()
        .set_key_value_metadata(Some(key_values))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None);
    let options =
        ArrowWriterOptions::new().with_properties(adjust(plain).build()).with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), batch.schema(), options).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

/// What the reader says to the first shard when its rows are `change`d.
fn read_changed(change: impl FnOnce(RecordBatch) -> RecordBatch) -> Result<(), Error> {
    let (_root, dir, manifest) = cache();
    let (batch, key_values) = first_shard(&dir, &manifest);
    forge_shard(&dir, &manifest, 0, &write(&change(batch), key_values, |plain| plain));
    read_all(&dir)
}

/// What the reader says to the first shard when it is written otherwise.
fn read_written(adjust: impl Fn(WriterPropertiesBuilder) -> WriterPropertiesBuilder) -> Result<(), Error> {
    let (_root, dir, manifest) = cache();
    let (batch, key_values) = first_shard(&dir, &manifest);
    forge_shard(&dir, &manifest, 0, &write(&batch, key_values, adjust));
    read_all(&dir)
}

pub(crate) fn with_column(batch: &RecordBatch, index: usize, array: ArrayRef) -> RecordBatch {
    let mut columns = batch.columns().to_vec();
    let mut fields: Vec<Field> = batch.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    fields[index] = Field::new(fields[index].name(), array.data_type().clone(), array.null_count() > 0);
    columns[index] = array;
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn floats(batch: &RecordBatch, index: usize) -> Vec<f32> {
    batch.column(index).as_fixed_size_list().values().as_primitive::<Float32Type>().values().to_vec()
}

fn list(values: Vec<f32>, lengths: &[usize], nulls: Option<NullBuffer>) -> ArrayRef {
    let element = Arc::new(Field::new("element", DataType::Float32, false));
    let offsets = OffsetBuffer::from_lengths(lengths.iter().copied());
    Arc::new(ListArray::new(element, offsets, Arc::new(Float32Array::from(values)), nulls))
}

/// Lists of these lengths, without nulls.
pub(crate) fn list_of(values: ArrayRef, lengths: &[usize]) -> ArrayRef {
    let element = Arc::new(Field::new("element", values.data_type().clone(), false));
    let offsets = OffsetBuffer::from_lengths(lengths.iter().copied());
    Arc::new(ListArray::new(element, offsets, values, None))
}

fn with_floats(batch: &RecordBatch, index: usize, change: impl FnOnce(&mut Vec<f32>)) -> RecordBatch {
    let mut values = floats(batch, index);
    change(&mut values);
    with_column(batch, index, list(values, &[3; 4], None))
}

fn layout_reason(result: Result<(), Error>) -> String {
    match result.unwrap_err() {
        Error::Damage(Damage::Layout { reason, .. }) => reason,
        other => panic!("{other}"),
    }
}

#[test]
fn another_writer_with_the_same_layout_is_as_good() {
    read_written(|plain| plain).unwrap();
}

#[test]
fn lists_of_wrong_lengths_are_refused() {
    let reason = layout_reason(read_changed(|batch| {
        let values = floats(&batch, LOGITS);
        with_column(&batch, LOGITS, list(values, &[2, 4, 3, 3], None))
    }));
    assert_eq!(reason, "column logits is not lists of 3 numbers each, none of them null");
}

#[test]
fn longer_lists_are_refused() {
    let reason = layout_reason(read_changed(|batch| {
        let values = [floats(&batch, LOGITS), vec![0.0; 4]].concat();
        with_column(&batch, LOGITS, list(values, &[4; 4], None))
    }));
    assert_eq!(reason, "column logits is not one plain page inside the file");
}

#[test]
fn a_null_list_is_refused() {
    let reason = layout_reason(read_changed(|batch| {
        let values = floats(&batch, LOGITS)[..9].to_vec();
        let nulls = NullBuffer::from(vec![true, false, true, true]);
        with_column(&batch, LOGITS, list(values, &[3, 0, 3, 3], Some(nulls)))
    }));
    assert!(reason.starts_with("column logits.list.element"), "{reason}");
}

#[test]
fn a_column_of_another_type_or_name_is_refused() {
    let doubles = layout_reason(read_changed(|batch| {
        let labels: Vec<i64> = vec![0; 4];
        with_column(&batch, 3, Arc::new(arrow_array::Int64Array::from(labels)))
    }));
    assert!(doubles.contains("INT64"), "{doubles}");
    let renamed = layout_reason(read_changed(|batch| {
        let mut fields: Vec<Field> =
            batch.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        fields[SOFT] = fields[SOFT].clone().with_name("soft_t9");
        RecordBatch::try_new(Arc::new(Schema::new(fields)), batch.columns().to_vec()).unwrap()
    }));
    assert!(renamed.contains("soft_t9"), "{renamed}");
}

#[test]
fn a_column_too_few_or_too_many_is_refused() {
    let fewer = layout_reason(read_changed(|batch| batch.project(&(0..10).collect::<Vec<_>>()).unwrap()));
    assert!(fewer.contains("no column was found"), "{fewer}");
    let more = layout_reason(read_changed(|batch| {
        let mut fields: Vec<Field> =
            batch.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        fields.push(Field::new("more", DataType::UInt16, false));
        let columns = [batch.columns(), &[Arc::new(UInt16Array::from(vec![0; 4])) as ArrayRef]].concat();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }));
    assert!(more.contains("no column was expected"), "{more}");
}

#[test]
fn rows_too_few_are_refused() {
    let reason = layout_reason(read_changed(|batch| batch.slice(0, 3)));
    assert_eq!(reason, "it has 3 rows of 12 columns, expected 4 rows");
}

#[test]
fn a_number_that_is_none_is_refused() {
    for value in [f32::NAN, f32::INFINITY] {
        let error =
            read_changed(|batch| with_floats(&batch, LOGITS, |values| values[4] = value)).unwrap_err();
        assert!(
            matches!(&error, Error::Damage(Damage::Value { column, row: 1, .. }) if column == "logits"),
            "{error}"
        );
    }
    for value in [f32::NAN, -0.1, 1.1] {
        let error =
            read_changed(|batch| with_floats(&batch, SOFT + 2, |values| values[11] = value)).unwrap_err();
        assert!(
            matches!(&error, Error::Damage(Damage::Value { column, row: 3, .. }) if column == "soft_t5"),
            "{error}"
        );
    }
}

#[test]
fn a_label_or_crop_out_of_range_is_refused() {
    let labels = |batch: RecordBatch| with_column(&batch, 3, Arc::new(Int32Array::from(vec![0, 3, 0, 0])));
    let error = read_changed(labels).unwrap_err();
    assert!(
        matches!(&error, Error::Damage(Damage::Value { column, row: 1, .. }) if column == "label"),
        "{error}"
    );
    let error = read_changed(|batch| {
        let mut values = floats(&batch, 5);
        values[14] = -1.0;
        with_column(&batch, 5, list(values, &[4; 4], None))
    });
    assert!(matches!(error.unwrap_err(), Error::Damage(Damage::Value { row: 3, .. })));
}

#[test]
fn rows_in_another_order_are_refused() {
    let samples = |batch: RecordBatch| {
        let mut samples = batch.column(0).as_primitive::<UInt64Type>().values().to_vec();
        samples.swap(0, 2);
        with_column(&batch, 0, Arc::new(UInt64Array::from(samples)))
    };
    let error = read_changed(samples).unwrap_err();
    assert!(
        matches!(error, Error::Damage(Damage::Identity { row: 0, expected_sample: 0, sample: 1, .. })),
        "{error}"
    );
    let views = |batch: RecordBatch| {
        let mut views = batch.column(4).as_primitive::<UInt16Type>().values().to_vec();
        views[1] = 0;
        with_column(&batch, 4, Arc::new(UInt16Array::from(views)))
    };
    let error = read_changed(views).unwrap_err();
    assert!(
        matches!(error, Error::Damage(Damage::Identity { row: 1, expected_view: 1, view: 0, .. })),
        "{error}"
    );
}

#[test]
fn another_page_layout_is_refused() {
    let compressed = layout_reason(read_written(|plain| plain.set_compression(Compression::SNAPPY)));
    assert_eq!(compressed, "column sample is compressed otherwise than the manifest says");
    let dictionary = layout_reason(read_written(|plain| plain.set_dictionary_enabled(true)));
    assert_eq!(dictionary, "column sample is not one plain page inside the file");
    let pages =
        layout_reason(read_written(|plain| plain.set_data_page_row_count_limit(2).set_write_batch_size(1)));
    assert!(pages.contains("has a page of"), "{pages}");
    let groups = layout_reason(read_written(|plain| plain.set_max_row_group_row_count(Some(2))));
    assert_eq!(groups, "it has 2 row groups, expected 1");
    let second = parquet::file::properties::WriterVersion::PARQUET_2_0;
    assert!(read_written(|plain| plain.set_writer_version(second)).is_err());
}

#[test]
fn a_shard_without_the_manifests_essentials_is_refused() {
    let (_root, dir, manifest) = cache();
    let (batch, key_values) = first_shard(&dir, &manifest);
    let without = key_values.into_iter().filter(|pair| pair.key != "decant.key").collect();
    forge_shard(&dir, &manifest, 0, &write(&batch, without, |plain| plain));
    let reason = layout_reason(read_all(&dir));
    assert!(reason.starts_with("its decant.key is nothing"), "{reason}");
}

#[test]
fn targets_that_are_not_the_softened_logits_are_found_by_verify() {
    let (_root, dir, manifest) = cache();
    let (batch, key_values) = first_shard(&dir, &manifest);
    let changed = with_floats(&batch, SOFT + 1, |values| values.swap(6, 7));
    forge_shard(&dir, &manifest, 0, &write(&changed, key_values, |plain| plain));
    let damage = store::verify(&dir).unwrap().damage;
    assert!(
        matches!(&damage[..], [Error::Damage(Damage::Derived { column, row: 2, class: 0, .. })] if column == "soft_t2p5"),
        "{damage:?}"
    );
}
