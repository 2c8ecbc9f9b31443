//! Tests of students of any architecture.

use burn::{
    module::{Param, ParamId},
    optim::GradientsParams,
    tensor::TensorData,
};

use super::*;

/// A narrow student for images of 32 px.
fn small(classes: usize) -> StudentShape {
    StudentShape::new(Architecture::MobileNetV2, classes, 32).with_width(0.35)
}

fn student(classes: usize, device: &Device) -> Student {
    Student::new(&small(classes), 5, device)
}

fn values(model: &Student) -> Vec<(String, TensorData)> {
    let mut found = Vec::new();
    visit_parameters(model, |name, data| found.push((name.to_owned(), data)));
    found
}

#[test]
fn a_seed_gives_the_same_backbone_on_any_device_and_for_any_classes() {
    let three = values(&student(3, &Device::flex()));
    assert_eq!(three, values(&student(3, &Device::flex().autodiff())));
    let five = values(&student(5, &Device::flex()));
    let backbone = three.len() - 2;
    assert_eq!(three[..backbone], five[..backbone]);
}

#[test]
fn ids_are_the_same_in_every_process() {
    struct Ids(Vec<ParamId>);
    impl ModuleVisitor for Ids {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            self.0.push(parameter.id);
        }
    }
    let mut ids = Ids(Vec::new());
    student(3, &Device::flex().autodiff()).visit(&mut ids);
    let expected: Vec<ParamId> = (1..=ids.0.len() as u64).map(ParamId::from).collect();
    assert_eq!(ids.0, expected);
}

#[test]
fn running_statistics_are_current_as_soon_as_a_step_has_been_forward() {
    let device = Device::flex().autodiff();
    let model = student(3, &device);
    let before = values(&model);
    model.forward_train(Tensor::ones([2, 3, 32, 32], &device), None);
    let after = values(&model);
    assert_ne!(before, after);
    assert_eq!(after, values(&model.valid()));
}

#[test]
fn measured_statistics_are_the_mean_over_the_batches_and_nothing_of_before() {
    let device = Device::flex();
    let model = student(3, &device);
    let pixels = |value: f32| Tensor::<4>::ones([2, 3, 32, 32], &device) * value + probe(&device);
    let measured = |batches: &[f32]| {
        let model = model.clone();
        for (index, &batch) in batches.iter().enumerate() {
            model.measure_statistics(pixels(batch), index + 1);
        }
        statistics(&model)
    };
    let [one, two, both] = [&[0.5][..], &[1.5], &[0.5, 1.5]].map(measured);
    // Of the first layer only: what later layers see is the same, since each batch is normalised by itself.
    for (both, (one, two)) in both.iter().zip(one.iter().zip(&two)) {
        assert!((both - 0.5 * (one + two)).abs() < 1e-4, "{both} of {one} and {two}");
    }
    // What stood there before has no part in it.
    model.measure_statistics(pixels(9.0), 1);
    assert_eq!(measured(&[0.5]), one);
}

/// Values that differ from pixel to pixel.
fn probe(device: &Device) -> Tensor<4> {
    let values: Vec<f32> = (0..2 * 3 * 32 * 32).map(|index| (index * 37 % 101) as f32 / 101.0).collect();
    Tensor::from_data(burn::tensor::TensorData::new(values, [2, 3, 32, 32]), device)
}

fn statistics(model: &Student) -> Vec<f32> {
    let mut found = Vec::new();
    visit_parameters(model, |name, data| {
        if name.contains("running_") {
            found.extend(data.iter::<f32>());
        }
    });
    found
}

#[test]
fn frozen_layers_keep_their_statistics_and_get_no_gradient() {
    let device = Device::flex().autodiff();
    let changed = |freeze: Freeze| {
        let shape = StudentShape { freeze, ..small(3) };
        let model = Student::new(&shape, 5, &device);
        let before = values(&model);
        let loss = model.forward_train(Tensor::ones([2, 3, 32, 32], &device), None).square().sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let moved = values(&model).iter().zip(&before).filter(|(after, before)| after != before).count();
        (gradients.len(), moved)
    };
    // Three layers in the stem, 16 blocks of three, one last: a weight, two affine and two running ones each.
    assert_eq!(changed(Freeze::None), (52 * 3 + 2, 52 * 2));
    assert_eq!(changed(Freeze::Blocks(0)), (49 * 3 + 2, 49 * 2));
    assert_eq!(changed(Freeze::Blocks(15)), (4 * 3 + 2, 4 * 2));
    assert_eq!(changed(Freeze::Backbone), (2, 0));
}

#[test]
fn a_frozen_backbone_trains_on_the_features_that_it_evaluates_to() {
    let device = Device::flex().autodiff();
    let shape = StudentShape { freeze: Freeze::Backbone, ..small(3) };
    let model = Student::new(&shape, 5, &device);
    let pixels = Tensor::<4>::ones([2, 3, 32, 32], &device);
    let training = model.forward_train(pixels.clone(), None).into_data();
    assert_eq!(training, model.valid().forward(pixels.inner()).into_data());
}

#[test]
fn a_batch_with_one_value_a_channel_gives_finite_statistics() {
    let device = Device::flex().autodiff();
    let model = student(3, &device);
    model.forward_train(Tensor::ones([1, 3, 32, 32], &device), None);
    assert!(values(&model).iter().all(|(_, data)| data.iter::<f32>().all(f32::is_finite)));
}

#[test]
fn the_mask_drops_features_before_the_classifier() {
    let device = Device::flex();
    let model = student(3, &device);
    let pixels = || Tensor::<4>::ones([2, 3, 32, 32], &device);
    let mask = |value: f64| Some(Tensor::<2>::full([2, model.features()], value, &device));
    let logits = |mask| model.forward_train(pixels(), mask).into_data();
    assert_eq!(logits(mask(1.0)), logits(None));
    assert!(logits(mask(0.0)).iter::<f32>().all(|logit| logit == 0.0), "the bias starts at 0");
}

/// ResNet-18 for images of 32 px.
fn resnet(freeze: Freeze) -> StudentShape {
    StudentShape { freeze, ..StudentShape::new(Architecture::ResNet18, 3, 32) }
}

#[test]
fn frozen_blocks_of_a_resnet_keep_their_statistics_and_get_no_gradient() {
    let device = Device::flex().autodiff();
    let changed = |freeze: Freeze| {
        let model = Student::new(&resnet(freeze), 5, &device);
        let before = values(&model);
        let loss = model.forward_train(Tensor::ones([2, 3, 32, 32], &device), None).square().sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let moved = values(&model).iter().zip(&before).filter(|(after, before)| after != before).count();
        (gradients.len(), moved)
    };
    // A layer in the stem, 8 blocks of two, and a shortcut in three of them.
    assert_eq!(changed(Freeze::None), (20 * 3 + 2, 20 * 2));
    assert_eq!(changed(Freeze::Blocks(0)), (19 * 3 + 2, 19 * 2));
    assert_eq!(changed(Freeze::Blocks(7)), (2 * 3 + 2, 2 * 2));
    assert_eq!(changed(Freeze::Backbone), (2, 0));
}

#[test]
fn parameters_are_those_that_pytorch_counts() {
    for (architecture, parameters) in
        [(Architecture::MobileNetV2, 3_504_872), (Architecture::ResNet18, 11_689_512)]
    {
        let shape = StudentShape::new(architecture, 1000, 224);
        let model = Student::zeros(&shape, &mut Slots::new(&Device::flex()));
        assert_eq!(parameter_count(&model), parameters);
    }
}
