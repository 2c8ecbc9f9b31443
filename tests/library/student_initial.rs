//! Random weights are spread as torchvision's are.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::tensor::Device;
use decant::config::{Architecture, Initializer};
use decant::student::{Student, StudentShape, visit_parameters};

/// The shape and the standard deviation of each weight of a network, in the order of its layers.
type Spreads = Vec<(Vec<usize>, f64)>;

fn goldens() -> BTreeMap<String, Spreads> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/student_kaiming/goldens.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn spreads(width: f64, initializer: Initializer, seed: u64) -> Spreads {
    let shape = StudentShape::new(Architecture::MobileNetV2, 3, 64).with_width(width);
    let mut found = Vec::new();
    visit_parameters(&Student::initialised(&shape, initializer, seed, &Device::flex()), |_, data| {
        if data.shape().len() > 1 {
            let squares: f64 = data.iter::<f64>().map(|value| value * value).sum();
            found.push((data.shape().to_vec(), squares / data.num_elements() as f64));
        }
    });
    found
}

#[test]
fn kaiming_weights_have_torchvisions_shapes_and_deviations() {
    for (width, golden) in [(0.5, "mobilenet-v2 x0.5"), (1.0, "mobilenet-v2 x1")] {
        let expected = &goldens()[golden];
        // A small filter's deviation is known from many draws only.
        let draws: Vec<Spreads> = (0..16).map(|seed| spreads(width, Initializer::Kaiming, seed)).collect();
        assert_eq!(draws[0].len(), expected.len(), "{golden}");
        for (index, (shape, deviation)) in expected.iter().enumerate() {
            assert_eq!(&draws[0][index].0, shape, "{golden}, weight {index}");
            let mean = draws.iter().map(|draw| draw[index].1).sum::<f64>() / draws.len() as f64;
            let ratio = mean.sqrt() / deviation;
            assert!(
                (ratio - 1.0).abs() < 0.1,
                "{golden}, weight {index} {shape:?}: {ratio} of torchvision's"
            );
        }
    }
}

#[test]
fn the_weights_of_transformers_are_others() {
    let ratio = spreads(0.5, Initializer::Kaiming, 1)[0].1 / spreads(0.5, Initializer::Transformers, 1)[0].1;
    assert!(ratio > 10.0, "{ratio}");
}
