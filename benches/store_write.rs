//! How fast a cache is written when the teacher costs nothing, as stage one writes it: one shard is committed while the next is being
//! filled. Beside it, in turns, plain writes of as many bytes, each file synced: the first can't be faster than the second.

mod common;

use std::fs::File;
use std::io::Write;

use decant::store::{self, Committer, soften};

const CLASSES: usize = 1000;
const SHARD_ROWS: u32 = 4096;
const SHARDS: u64 = 4;

fn main() {
    let root = common::root();
    let noise = common::noise(CLASSES);
    let rows = u64::from(SHARD_ROWS) * SHARDS;
    for temperatures in [&[5.0][..], &[1.0, 2.0, 5.0, 10.0]] {
        let name = format!("write{}", temperatures.len());
        let manifest = common::manifest(&name, rows, CLASSES, temperatures, SHARD_ROWS);
        let (dir, manifest) = store::create_or_open(&root, &manifest).expect("a folder of its own");
        let specs = manifest.shards();
        let seconds = common::seconds(|| {
            let mut committer = Committer::default();
            for spec in &specs {
                let shard = common::fill(&dir, &manifest, spec, &noise);
                committer.commit(shard).expect("space on the disk");
            }
            committer.wait().expect("space on the disk");
        });
        let mut written = (0.0, 0.0, 0);
        let again = &specs[0];
        for _ in &specs {
            let mut shard = None;
            written.0 += common::seconds(|| shard = Some(common::fill(&dir, &manifest, again, &noise)));
            let shard = shard.expect("just filled");
            written.1 += common::seconds(|| written.2 = shard.commit().expect("space on the disk").bytes);
        }
        let (filling, committing, shard_bytes) = written;
        let sevens = vec![7u8; shard_bytes as usize];
        let path = dir.join("plain");
        let plain = common::seconds(|| {
            for _ in &specs {
                let mut file = File::create(&path).expect("writable");
                file.write_all(&sevens).and_then(|()| file.sync_all()).expect("space on the disk");
            }
        });
        std::fs::remove_file(path).expect("just written");
        let bytes = shard_bytes * SHARDS;
        let rate = |seconds: f64| rows as f64 / seconds;
        println!(
            "{} temperature(s): {:.0} rows/s ({:.0} MB/s); separately, filling {:.0} rows/s, committing {:.0} rows/s; plain synced writes {:.0} rows/s ({:.0} MB/s)",
            temperatures.len(),
            rate(seconds),
            bytes as f64 / 1e6 / seconds,
            rate(filling),
            rate(committing),
            rate(plain),
            bytes as f64 / 1e6 / plain
        );
    }
    let mut targets = vec![0.0; CLASSES];
    let softening = common::seconds(|| {
        for row in 0..4096 {
            soften(&noise[row..row + CLASSES], 5.0, &mut targets);
        }
    });
    println!("softening on one core: {:.2} ns a logit", softening * 1e9 / (4096 * CLASSES) as f64);
}
