//! Files of every kind give the pixels that Pillow gives, and are refused where Pillow refuses them: a choice of small files in
//! tests/goldens/pixels, and with Pillow at hand (`make interop`) all that tests/interop/pixels.py writes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use decant::view::decode;
use safetensors::SafeTensors;
use serde_json::Value;

/// How decant may differ from Pillow.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Difference {
    /// It refuses what Pillow reads.
    Stricter,
    /// It reads what Pillow refuses.
    Laxer,
    /// It gives other pixels.
    Pixels,
}

use Difference::{Laxer, Pixels, Stricter};

/// The differences that remain, by how the files' names begin; docs/design/pixels.md explains them.
const KNOWN: [(&str, Difference); 24] = [
    ("jpeg-flip/", Stricter),
    ("jpeg-flip/", Laxer),
    ("jpeg-layout/", Stricter),
    ("jpeg-odd/rst-", Stricter),
    ("jpeg-odd/frame-c9", Pixels),
    ("orientation-png/cut-", Laxer),
    ("orientation-webp/cut-", Laxer),
    ("png-damage/rows-missing", Stricter),
    ("png-damage/whole-fcTL", Laxer),
    ("tiff/1-group3", Stricter),
    ("tiff/1-tiff_raw_16", Stricter),
    ("tiff/LAB-", Stricter),
    ("tiff/LA-jpeg", Stricter),
    ("tiff/RGBA-jpeg", Stricter),
    ("tiff/YCbCr-", Stricter),
    ("tiff-damage/flip-deflate", Stricter),
    ("tiff-damage/flip-packbits", Laxer),
    ("tiff-layout/lab8", Stricter),
    ("tiff-layout/la8-", Stricter),
    ("tiff-layout/rgb", Stricter),
    ("tiff-layout/cmyk16", Stricter),
    ("tiff-layout/ycc8", Stricter),
    // Planes of which Pillow drops one, bits in reverse order, and BigTIFF of the other byte order.
    ("tiff-layout/", Laxer),
    ("tiff/", Laxer),
];

/// What Pillow makes of a file: width, height and RGB, or nothing.
type Expected = Option<(u32, u32, Vec<u8>)>;

fn difference(bytes: &[u8], expected: &Expected) -> Option<(Difference, String)> {
    match (decode(bytes), expected) {
        (Err(_), None) => None,
        (Err(error), Some(_)) => Some((Stricter, error.to_string())),
        (Ok(image), None) => Some((Laxer, format!("{} x {}", image.width(), image.height()))),
        (Ok(image), Some((width, height, pixels))) => {
            if image.dimensions() != (*width, *height) {
                return Some((Pixels, format!("{:?}, not {width} x {height}", image.dimensions())));
            }
            let unequal = image.as_raw().iter().zip(pixels).filter(|(a, b)| a != b).count();
            (unequal > 0).then(|| (Pixels, format!("{unequal} of {} levels differ", pixels.len())))
        }
    }
}

/// Fails on a difference that is not known, naming the first of each kind.
fn check(cases: impl Iterator<Item = (String, Vec<u8>, Expected)>) -> usize {
    let mut unknown: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut count = 0;
    for (name, bytes, expected) in cases {
        count += 1;
        let Some((difference, said)) = difference(&bytes, &expected) else { continue };
        // Compressions that decant does not read are refused by name.
        let is_lzma = difference == Stricter && said.contains("LZMA");
        if !is_lzma && !KNOWN.iter().any(|(start, known)| *known == difference && name.starts_with(start)) {
            let kind = name.split('/').next().unwrap().to_owned();
            unknown.entry(kind).or_default().push(format!("{name}: {difference:?}: {said}"));
        }
    }
    for (kind, all) in &unknown {
        println!("{kind}: {} files differ from Pillow", all.len());
        all.iter().take(10).for_each(|one| println!("  {one}"));
    }
    assert!(unknown.is_empty(), "files of {} kinds differ from Pillow", unknown.len());
    count
}

/// Whether a golden tensor holds the pixels of the file before it.
fn is_pixels(name: &str) -> bool {
    name.strip_suffix(".rgb").is_some()
}

#[test]
fn small_files_of_every_kind_give_pillows_pixels() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/pixels/files.safetensors");
    let file = fs::read(path).unwrap();
    let goldens = SafeTensors::deserialize(&file).unwrap();
    let names: Vec<&str> = goldens.names().into_iter().filter(|name| !is_pixels(name)).collect();
    let cases = names.into_iter().map(|name| {
        let expected = goldens.tensor(&format!("{name}.rgb")).ok().map(|pixels| {
            let shape = pixels.shape();
            (shape[1] as u32, shape[0] as u32, pixels.data().to_vec())
        });
        (name.to_owned(), goldens.tensor(name).unwrap().data().to_vec(), expected)
    });
    let count = check(cases);
    assert!(count >= 150, "{count}");
}

#[test]
#[ignore = "needs Pillow: make interop"]
fn thousands_of_files_give_pillows_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/pixels.py");
    let python = std::env::var("PYTHON").expect("make interop names an interpreter that has Pillow");
    let made = Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    // libtiff reports each damaged file there.
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let list = fs::read(folder.path().join("expected.json")).unwrap();
    let list: Vec<Value> = serde_json::from_slice(&list).unwrap();
    let cases = list.iter().map(|case| {
        let name = case["name"].as_str().unwrap();
        let side = |key: &str| case[key].as_u64().map(|side| side as u32);
        let expected = side("width").zip(side("height")).map(|(width, height)| {
            (width, height, fs::read(folder.path().join(format!("{name}.rgb"))).unwrap())
        });
        (name.to_owned(), fs::read(folder.path().join(name)).unwrap(), expected)
    });
    let count = check(cases);
    println!("{count} files");
    assert!(count >= 2000, "{count}");
}
