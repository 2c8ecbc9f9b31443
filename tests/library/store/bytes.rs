//! The bytes of a cache are those of the format's first writer, whatever writes them now.

use decant::store::{self, Encoding, Manifest};

use crate::store::common::{Shape, write_shard};

/// Shapes whose lists are shorter and longer than parquet's packed runs of levels.
fn shapes() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for (classes, samples, kept) in
        [(2, 3, 1), (3, 40, 2), (8, 9, 7), (9, 65, 8), (100, 70, 10), (1000, 33, 50)]
    {
        for encoding in [Encoding::FLOAT32, Encoding::FLOAT16, Encoding::top_k(kept)] {
            for zstd in [0, 3] {
                let splits = vec![("train", samples), ("test", 2)];
                shapes.push(Shape { classes, splits, encoding, zstd, shard_rows: 64, ..Shape::default() });
            }
        }
    }
    shapes
}

#[test]
fn every_encoding_has_the_bytes_that_it_always_had() {
    let lines = shapes().into_iter().map(|shape| {
        let root = tempfile::tempdir().unwrap();
        // The writer's version stands in each footer.
        let manifest = Manifest { writer: "a test".to_owned(), ..shape.manifest() };
        let (dir, manifest) = store::create_or_open(root.path(), &manifest).unwrap();
        manifest.shards().iter().for_each(|spec| drop(write_shard(&dir, &manifest, spec)));
        let content = store::complete(&dir).unwrap().content;
        format!("{} classes, {}: {content}", shape.classes, manifest.storage())
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}
