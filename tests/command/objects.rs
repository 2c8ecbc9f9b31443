//! Caches and datasets in object stores. `make test-objects` runs the same and more against an S3 server.

#[cfg(not(feature = "object-store"))]
use crate::common::TINY;
use crate::common::Workshop;

#[cfg(not(feature = "object-store"))]
#[test]
fn a_binary_without_object_stores_says_what_it_lacks() {
    let shop = Workshop::new();
    shop.file("tiny.toml", TINY);
    let expected = "decant: s3://bucket/caches is in an object store, which this binary was built without; build it with --features \
                    object-store, or give a local folder\n";
    for args in [
        &["teacher-cache", "-p", "tiny.toml", "--cache-dir", "s3://bucket/caches"][..],
        &["train-student", "-p", "tiny.toml", "--set", "cache.dir=\"s3://bucket/caches\""],
        &["train-student", "-p", "tiny.toml", "--set", "dataset.source=s3://bucket/caches"],
        &["cache", "ls", "--cache-dir", "s3://bucket/caches"],
        &["cache", "inspect", "s3://bucket/caches/leaves-0123456789ab"],
    ] {
        let (code, said) = shop.refused(args);
        assert_eq!((code, said.as_str()), (2, expected), "{args:?}");
    }
    let left: Vec<_> =
        std::fs::read_dir(shop.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["tiny.toml"]);
}

#[test]
fn what_is_done_to_a_folder_alone_says_what_to_do_instead() {
    let shop = Workshop::new();
    let cache = "s3://bucket/caches/leaves-0123456789ab";
    for (args, remedy) in [
        (
            &["cache", "rm", cache, "--yes"][..],
            "can't be deleted in an object store; delete it with the object store's own tools",
        ),
        (
            &["cache", "soften", cache, "--temperature", "3"],
            "can't be softened in an object store; pull it and soften the copy",
        ),
        (
            &["cache", "unpack", "a.tar.zst", "--cache-dir", "s3://bucket/caches"],
            "can't be filled from an archive in an object store",
        ),
    ] {
        let (code, said) = shop.refused(args);
        assert_eq!(code, 2);
        assert!(said.contains(remedy), "{said}");
    }
}
