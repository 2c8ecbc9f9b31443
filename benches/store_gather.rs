//! How fast a warm cache is read: our gather against memcpy of as many bytes, in order and at random, how long opening takes, and what each
//! check costs.
//!
//! Prints one line a measurement, `name order value unit`, for `benches/store.sh`. What is compared is measured in turns, and the
//! medians are printed.

mod common;

use std::hint::black_box;
use std::path::Path;

use decant::store::{self, Cache};
use decant::support::rng;
use rand::seq::SliceRandom;

const ROWS: usize = 65_536;
const CLASSES: usize = 1000;
const SHARD_ROWS: u32 = 4096;
const BATCH: usize = 256;
const TEMPERATURE: f32 = 5.0;
const ROUNDS: usize = 7;
/// As many shards as 1,281,167 rows make at 4096 rows a shard.
const IMAGENET_SHARDS: u64 = 313;

fn main() {
    let root = common::root();
    let dir =
        common::cache(&root, &common::manifest("gather", ROWS as u64, CLASSES, &[TEMPERATURE], SHARD_ROWS));
    let cache = Cache::open(&dir).expect("it was just made");
    cache.check_content().expect("and reading it all warms it");
    let rows = cache.split("train").expect("its only split");

    let in_order: Vec<usize> = (0..ROWS).collect();
    let mut at_random = in_order.clone();
    at_random.shuffle(&mut rng::keyed("bench order", &[]));
    let mut source = vec![0.0f32; ROWS * CLASSES];
    rows.gather_soft(TEMPERATURE, &in_order, &mut source).expect("rows that are there");
    let mut batch = vec![0.0f32; BATCH * CLASSES];

    for (order, indices) in [("sequential", &in_order), ("random", &at_random)] {
        let (mut gather, mut memcpy) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            gather.push(common::seconds(|| {
                for rows_of_batch in indices.chunks_exact(BATCH) {
                    rows.gather_soft(TEMPERATURE, rows_of_batch, black_box(&mut batch))
                        .expect("rows that are there");
                }
            }));
            memcpy.push(common::seconds(|| {
                for start in (0..ROWS).step_by(BATCH) {
                    let bytes = &source[start * CLASSES..(start + BATCH) * CLASSES];
                    black_box(&mut batch).copy_from_slice(black_box(bytes));
                }
            }));
        }
        let gigabytes = (ROWS * CLASSES * 4) as f64 / 1e9;
        println!("decant {order} {:.3} GB/s", gigabytes / common::median(gather));
        println!("memcpy {order} {:.3} GB/s", gigabytes / common::median(memcpy));
    }

    checks(&dir);

    let rows = IMAGENET_SHARDS * 64;
    let many = common::cache(&root, &common::manifest("open", rows, CLASSES, &[TEMPERATURE], 64));
    let opening = (0..ROUNDS)
        .map(|_| common::seconds(|| drop(black_box(Cache::open(&many).expect("it was just made")))));
    println!("open {IMAGENET_SHARDS}-shards {:.1} ms", 1e3 * common::median(opening.collect()));
}

/// What is checked when a split, and then a column of it, is first used, before training, and by `cache verify`.
fn checks(dir: &Path) {
    let (mut split, mut column, mut content, mut all) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let one_of_each_shard: Vec<usize> = (0..ROWS).step_by(SHARD_ROWS as usize).collect();
    let mut few = vec![0.0f32; one_of_each_shard.len() * CLASSES];
    for _ in 0..ROUNDS {
        let cache = Cache::open(dir).expect("it was just made");
        split.push(common::seconds(|| drop(cache.split("train").expect("its only split"))));
        let rows = cache.split("train").expect("its only split");
        column.push(common::seconds(|| {
            rows.gather_soft(TEMPERATURE, &one_of_each_shard, &mut few).expect("rows that are there");
        }));
        content.push(common::seconds(|| cache.check_content().expect("sound")));
        all.push(common::seconds(|| drop(store::verify(dir).expect("sound"))));
    }
    let bytes = Cache::open(dir).expect("it was just made").complete().bytes() as f64;
    for (name, seconds) in [("split", split), ("column", column)] {
        println!("check first-use-of-a-{name} {:.2} ms", 1e3 * common::median(seconds));
    }
    for (name, seconds) in [("before-training", content), ("cache-verify", all)] {
        println!("check {name} {:.2} GB/s", bytes / 1e9 / common::median(seconds));
    }
}
