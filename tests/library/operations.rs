//! Colour jitter and RandAugment change pixels as torchvision does with Pillow: the golden values of tests/goldens/operations.

use std::fs;
use std::path::PathBuf;

use decant::view::operation::{Kind, Operation, apply};
use image::RgbImage;
use safetensors::SafeTensors;

/// The operations by their names in the file.
const NAMES: [(&str, Kind); 14] = [
    ("brightness", Kind::Brightness),
    ("contrast", Kind::Contrast),
    ("saturation", Kind::Saturation),
    ("hue", Kind::Hue),
    ("sharpness", Kind::Sharpness),
    ("posterize", Kind::Posterize),
    ("solarize", Kind::Solarize),
    ("auto-contrast", Kind::AutoContrast),
    ("equalize", Kind::Equalize),
    ("rotate", Kind::Rotate),
    ("shear-x", Kind::ShearX),
    ("shear-y", Kind::ShearY),
    ("translate-x", Kind::TranslateX),
    ("translate-y", Kind::TranslateY),
];

fn goldens() -> Vec<u8> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    fs::read(root.join("tests/goldens/operations/expected.safetensors")).unwrap()
}

fn picture(file: &SafeTensors<'_>, name: &str) -> RgbImage {
    let tensor = file.tensor(name).unwrap();
    let [height, width, 3] = tensor.shape() else { panic!("{name} is no picture") };
    RgbImage::from_raw(*width as u32, *height as u32, tensor.data().to_vec()).unwrap()
}

#[test]
fn every_operation_gives_torchvisions_pixels() {
    let file = goldens();
    let file = SafeTensors::deserialize(&file).unwrap();
    let mut checked = [0; NAMES.len()];
    for case in file.names() {
        let parts: Vec<&str> = case.split('/').collect();
        let [name, operation, amount] = parts[..] else { continue };
        let place = NAMES.iter().position(|(known, _)| *known == operation).unwrap();
        let amount = amount.parse::<f64>().unwrap() as f32;
        let mut pixels = picture(&file, name);
        apply(&[Operation { kind: NAMES[place].1, amount }], &mut pixels);
        let expected = picture(&file, case);
        let differ =
            pixels.pixels().zip(expected.pixels()).filter(|(found, expected)| found != expected).count();
        assert_eq!(differ, 0, "{case}: pixels that differ");
        checked[place] += 1;
    }
    assert!(checked.iter().all(|&cases| cases >= 2), "{checked:?}");
}

#[test]
fn operations_follow_each_other() {
    let file = goldens();
    let file = SafeTensors::deserialize(&file).unwrap();
    let operations =
        [Operation { kind: Kind::Solarize, amount: 76.5 }, Operation { kind: Kind::Brightness, amount: 1.9 }];
    let (mut together, mut one_by_one) = (picture(&file, "smooth"), picture(&file, "smooth"));
    apply(&operations, &mut together);
    apply(&operations[..1], &mut one_by_one);
    apply(&operations[1..], &mut one_by_one);
    assert_eq!(together, one_by_one);
    let mut other_order = picture(&file, "smooth");
    apply(&[operations[1], operations[0]], &mut other_order);
    assert_ne!(together, other_order);
}
