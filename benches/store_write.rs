//! How fast a cache is written when the teacher costs nothing, beside plain writes of as many bytes, each synced: the first can't be
//! faster than the second.

mod common;

use std::fs::File;
use std::io::Write;

use decant::store::{self, soften};

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
        let (mut bytes, mut plain) = (0, 0.0);
        let mut filled = 0.0;
        let mut written = 0.0;
        for spec in &specs {
            let mut writer = None;
            filled += common::seconds(|| writer = Some(common::fill(&dir, &manifest, spec, &noise)));
            let writer = writer.expect("just filled");
            let mut size = 0;
            written += common::seconds(|| size = writer.commit().expect("space on the disk").bytes);
            let zeros = vec![7u8; size as usize];
            let path = dir.join("plain");
            plain += common::seconds(|| {
                let mut file = File::create(&path).expect("writable");
                file.write_all(&zeros).and_then(|()| file.sync_all()).expect("space on the disk");
            });
            std::fs::remove_file(path).expect("just written");
            bytes += size;
        }
        let rate = |seconds: f64| rows as f64 / seconds;
        println!(
            "{} temperature(s): {:.0} rows/s ({:.0} MB/s); filling {:.0} rows/s, committing {:.0} rows/s; plain synced writes {:.0} rows/s ({:.0} MB/s)",
            temperatures.len(),
            rate(filled + written),
            bytes as f64 / 1e6 / (filled + written),
            rate(filled),
            rate(written),
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
