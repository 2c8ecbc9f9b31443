//! Pixels equal Pillow's and transformers': the golden values of tests/goldens/preprocess.

use std::fs;
use std::path::PathBuf;

use decant::view::{Filter, Geometry, Preprocess, decode, resize};
use image::RgbImage;
use proptest::prelude::*;
use safetensors::SafeTensors;
use serde_json::Value;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/preprocess").join(name)
}

fn image(name: &str) -> Vec<u8> {
    fs::read(golden("images").join(name)).unwrap()
}

/// Every case of one kind: its description, the shape and the bytes of the values expected.
fn cases(kind: &str) -> Vec<(Value, Vec<usize>, Vec<u8>)> {
    let cases: Value = serde_json::from_slice(&fs::read(golden("cases.json")).unwrap()).unwrap();
    let file = fs::read(golden("expected.safetensors")).unwrap();
    let expected = SafeTensors::deserialize(&file).unwrap();
    let cases = cases[kind].as_array().unwrap().iter().map(|case| {
        let tensor = expected.tensor(case["name"].as_str().unwrap()).unwrap();
        (case.clone(), tensor.shape().to_vec(), tensor.data().to_vec())
    });
    cases.collect()
}

/// The largest and the mean difference of two lists of 8-bit values.
fn difference(found: &[u8], expected: &[u8]) -> (u8, f64) {
    assert_eq!(found.len(), expected.len());
    let differences = found.iter().zip(expected).map(|(a, b)| a.abs_diff(*b));
    let sum: f64 = differences.clone().map(f64::from).sum();
    (differences.max().unwrap(), sum / found.len() as f64)
}

#[test]
fn images_decode_to_pillows_pixels() {
    let mut checked = 0;
    for (case, shape, expected) in cases("decode") {
        let name = case["name"].as_str().unwrap();
        let pixels = decode(&image(name)).unwrap_or_else(|error| panic!("{name} {error}"));
        assert_eq!([pixels.height() as usize, pixels.width() as usize, 3], shape[..], "{name}");
        let (largest, mean) = difference(pixels.as_raw(), &expected);
        assert_eq!((largest, mean), (0, 0.0), "{name}");
        checked += 1;
    }
    assert!(checked >= 30, "{checked}");
}

#[test]
fn resizing_gives_pillows_bytes_with_every_filter() {
    let source = decode(&image("source.png")).unwrap();
    for (case, _, expected) in cases("resize") {
        let filter = Filter::from_pillow(case["filter"].as_u64().unwrap()).unwrap();
        let numbers = |key: &str| -> Vec<f64> {
            case[key].as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
        };
        let (size, crop) = (numbers("size"), numbers("crop"));
        let crop = [crop[0] as f32, crop[1] as f32, crop[2] as f32, crop[3] as f32];
        let resized = resize(&source, crop, size[0] as u32, size[1] as u32, filter);
        assert_eq!(difference(resized.as_raw(), &expected), (0, 0.0), "{}", case["name"]);
    }
}

#[test]
fn preprocessing_gives_the_pixel_values_of_transformers() {
    let source = decode(&image("source.png")).unwrap();
    for (case, shape, expected) in cases("preprocess") {
        let preprocess = Preprocess::from_json("config", &case["config"].to_string()).unwrap();
        let (height, width) = preprocess.size();
        assert_eq!([3, height as usize, width as usize], shape[..], "{}", case["name"]);
        let whole = Geometry::whole(source.width(), source.height());
        let pixels = preprocess.pixels(&source, &whole).unwrap();
        let mut values = vec![0.0; shape.iter().product()];
        preprocess.normalise(&pixels, &mut values);
        let expected = expected.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
        assert!(values.iter().copied().eq(expected), "{}", case["name"]);
    }
}

#[test]
fn a_flipped_view_is_the_mirror_image() {
    let source = decode(&image("source.png")).unwrap();
    let preprocess = Preprocess::for_student(16, [0.5; 3], [0.5; 3]);
    let crop = [3.0, 4.0, 30.0, 20.0];
    let plain = preprocess.pixels(&source, &Geometry { crop, flip: false }).unwrap();
    let flipped = preprocess.pixels(&source, &Geometry { crop, flip: true }).unwrap();
    assert_ne!(plain, flipped);
    assert_eq!(image::imageops::flip_horizontal(&plain), flipped);
}

#[test]
fn a_crop_outside_the_image_is_an_error() {
    let preprocess = Preprocess::for_student(16, [0.5; 3], [0.5; 3]);
    let source = RgbImage::new(20, 10);
    for crop in
        [[5.0, 0.0, 16.0, 10.0], [0.0, -1.0, 5.0, 5.0], [0.0, 0.0, 0.0, 5.0], [f32::NAN, 0.0, 5.0, 5.0]]
    {
        assert!(preprocess.pixels(&source, &Geometry { crop, flip: false }).is_err(), "{crop:?}");
    }
    let error =
        preprocess.pixels(&source, &Geometry { crop: [5.0, 0.0, 16.0, 10.0], flip: false }).unwrap_err();
    insta::assert_snapshot!(error, @"is 20 x 10 pixels, which does not hold the crop at left 5, top 0, 16 wide and 10 high: this is another image than the crop was made for");
}

#[test]
fn an_image_of_another_size_is_an_error_where_nothing_resizes() {
    let preprocess = Preprocess::from_json("config", r#"{"do_resize": false}"#).unwrap();
    let error = preprocess.pixels(&RgbImage::new(20, 10), &Geometry::whole(20, 10)).unwrap_err();
    insta::assert_snapshot!(error, @"is 20 x 10 pixels where the model takes 224 x 224 and its preprocessing says do_resize = false; resize the image or set do_resize to true");
}

#[test]
fn an_image_whose_longer_side_would_be_absurd_is_refused() {
    let config = r#"{"size": {"shortest_edge": 224}, "do_center_crop": true, "crop_size": 224}"#;
    let preprocess = Preprocess::from_json("config", config).unwrap();
    let error = preprocess.pixels(&RgbImage::new(1, 16_384), &Geometry::whole(1, 16_384)).unwrap_err();
    assert!(error.to_string().starts_with("is 224 x 3670016 pixels"), "{error}");
}

#[test]
fn an_image_that_cannot_be_read_says_what_it_is() {
    let message = |bytes: &[u8]| format!("leaf.jpg {}", decode(bytes).unwrap_err());
    insta::assert_snapshot!(message(b""), @"leaf.jpg is not a JPEG, PNG, WebP, GIF, BMP or TIFF image: it is empty; convert it or take it out");
    insta::assert_snapshot!(message(b"<!DOCTYPE html>"), @"leaf.jpg is not a JPEG, PNG, WebP, GIF, BMP or TIFF image: it is a web page (HTML); convert it or take it out");
    insta::assert_snapshot!(message(b"GIF89a......"), @"leaf.jpg is a GIF image that ends early; copy it again or take it out");
    for (bytes, is) in [
        (&b"this is no JPEG"[..], "it is text"),
        (b"\0\0\0\x1cftypheic\0\0\0\0mif1heic", "it is HEIC"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", "it is AVIF"),
        (b"\xff\x0a\xfa\x7f", "it is JPEG XL"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it is SVG"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "it is a Git LFS pointer; `git lfs pull` fetches the image",
        ),
        (b"%PDF-1.7\n", "it is PDF"),
        (&[0; 600], "it holds nothing but zeros"),
        (b"\x07\x01\xfe\x02", "its content is of no known format"),
    ] {
        let said = message(bytes);
        assert!(said.contains(&format!("image: {is}; convert it")), "{said}");
    }
    let jpeg = image("baseline-420.jpg");
    insta::assert_snapshot!(message(&jpeg[..jpeg.len() * 2 / 3]), @"leaf.jpg is a JPEG image that ends early; copy it again or take it out");
    insta::assert_snapshot!(message(&jpeg[..100]), @"leaf.jpg is a JPEG image that ends early; copy it again or take it out");
    let png = image("rgb.png");
    let mut flipped = png.clone();
    flipped[60] ^= 1;
    let message = |bytes: &[u8]| message(bytes).split(" (").next().unwrap().to_owned();
    assert_eq!(message(&flipped), "leaf.jpg is a damaged PNG image");
    assert_eq!(
        message(&png[..png.len() / 2]),
        "leaf.jpg is a PNG image that ends early; copy it again or take it out"
    );
}

#[test]
fn absurd_dimensions_are_refused_before_they_are_allocated() {
    // A PNG with valid checksums that claims 60000 x 60000 pixels and holds none.
    let bomb = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\xea\x60\0\0\xea\x60\x08\x02\0\0\0\x0f\xb0\xe2\x15\
        \0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82";
    insta::assert_snapshot!(decode(bomb).unwrap_err(), @"is 60000 x 60000 pixels, and at most 16384 a side and 200000000 in all are read; scale it down");
    let mut jpeg = image("baseline-420.jpg");
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].fill(0xff);
    insta::assert_snapshot!(decode(&jpeg).unwrap_err(), @"is 65535 x 65535 pixels, and at most 16384 a side and 200000000 in all are read; scale it down");
}

#[test]
fn a_processor_that_cannot_be_followed_is_refused() {
    let message =
        |text: &str| Preprocess::from_json("preprocessor_config.json", text).unwrap_err().to_string();
    insta::assert_snapshot!(message("{"), @"preprocessor_config.json is not an image processor's configuration: EOF while parsing an object at line 1 column 1");
    insta::assert_snapshot!(message(r#"{"size": 0}"#), @r#"preprocessor_config.json says size = 0, expected a number of pixels from 1 to 4096, [height, width], {"height", "width"} or {"shortest_edge"}"#);
    insta::assert_snapshot!(message(r#"{"size": {"shortest_edge": 224}}"#), @r#"preprocessor_config.json says size = {"shortest_edge":224}, expected a height and a width, or a shortest_edge with do_center_crop: a batch needs images of one size"#);
    insta::assert_snapshot!(message(r#"{"size": 224, "do_center_crop": true, "crop_size": 256}"#), @"preprocessor_config.json says crop_size = 256, expected a height and a width that the resized image holds");
    insta::assert_snapshot!(message(r#"{"resample": 9}"#), @"preprocessor_config.json says resample = 9, expected 0 nearest, 1 lanczos, 2 bilinear, 3 bicubic, 4 box or 5 hamming");
    insta::assert_snapshot!(message(r#"{"image_mean": [0.5, 0.5]}"#), @"preprocessor_config.json says image_mean = [0.5,0.5], expected a number, or one for each of red, green and blue");
    insta::assert_snapshot!(message(r#"{"image_std": [0.5, 0, 0.5]}"#), @"preprocessor_config.json says image_std = [0.5,0.0,0.5], expected 0.001 or more for each channel");
    insta::assert_snapshot!(message(r#"{"crop_pct": 0.9}"#), @"preprocessor_config.json says crop_pct = 0.9, expected it to be absent or false: that step is not known here");
    insta::assert_snapshot!(message(r#"{"image_processor_type": "ConvNextImageProcessor", "size": 224}"#), @"preprocessor_config.json is for ConvNextImageProcessor, whose default for do_resize is not known here; write do_resize into the file (processor.to_dict() in transformers shows it)");
    let missing = Preprocess::from_file(&golden("none.json")).unwrap_err().to_string();
    assert!(missing.contains("none.json") && missing.contains("preprocessor_config.json"), "{missing}");
}

#[test]
fn the_fingerprint_changes_with_what_the_model_sees() {
    let fingerprint = |text: &str| Preprocess::from_json("config", text).unwrap().fingerprint();
    assert_eq!(fingerprint("{}"), fingerprint(r#"{"size": {"height": 224, "width": 224}, "resample": 2}"#));
    for other in
        [r#"{"size": 225}"#, r#"{"resample": 3}"#, r#"{"image_std": 0.4}"#, r#"{"do_rescale": false}"#]
    {
        assert_ne!(fingerprint("{}"), fingerprint(other), "{other}");
    }
}

fn images() -> Vec<Vec<u8>> {
    let names = fs::read_dir(golden("images")).unwrap().map(|entry| entry.unwrap().path());
    names.map(|path| fs::read(path).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn a_damaged_image_never_panics(
        which in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let images = images();
        let mut bytes = which.get(&images).clone();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = decode(&bytes);
        let _ = decode(&bytes[..cut.index(bytes.len())]);
    }

    #[test]
    fn any_crop_in_the_image_gives_the_models_size(
        width in 1u32..40, height in 1u32..40, corner in [0.0f32..0.9, 0.0..0.9], part in [0.01f32..1.0, 0.01..1.0], filter in 0u64..6,
    ) {
        let (w, h) = (width as f32, height as f32);
        let [left, top] = [corner[0] * w, corner[1] * h];
        let crop = [left, top, part[0] * (w - left) * 0.99, part[1] * (h - top) * 0.99];
        let config = format!(r#"{{"size": [7, 9], "resample": {filter}}}"#);
        let preprocess = Preprocess::from_json("config", &config).unwrap();
        let flat = RgbImage::from_pixel(width, height, image::Rgb([10, 130, 250]));
        let pixels = preprocess.pixels(&flat, &Geometry { crop, flip: true }).unwrap();
        prop_assert_eq!(pixels.dimensions(), (9, 7));
        for pixel in pixels.pixels() {
            prop_assert_eq!(pixel.0, [10, 130, 250]);
        }
    }
}
