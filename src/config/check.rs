//! The ranges of a pipeline file's values.

use std::ops::RangeInclusive;

use super::{Control, Count, Encoding, Halving, Loss, Pipeline, Provider, Teacher, View};

/// A value outside its range: its dotted key, the value as text, and the rule it breaks.
pub(super) struct Invalid {
    pub key: &'static str,
    pub value: String,
    pub rule: String,
}

/// Checks every value that a type alone does not bound.
pub(super) fn check(pipeline: &Pipeline) -> Result<(), Invalid> {
    let Pipeline { dataset, teacher, cache, student, train, .. } = pipeline;
    let leaves = &dataset.leaves;

    within(
        "dataset.validation-share",
        dataset.validation_share,
        0.0 < dataset.validation_share && dataset.validation_share < 1.0,
        "between 0 and 1",
    )?;
    let largest_split = 1_000_000;
    for (key, images) in [
        ("dataset.leaves.train", leaves.train),
        ("dataset.leaves.validation", leaves.validation),
        ("dataset.leaves.test", leaves.test),
    ] {
        within(
            key,
            images,
            (3..=largest_split).contains(&images),
            "3 to 1000000, one image a class at least",
        )?;
    }

    within("dataset.leaves.severity", leaves.severity, (0.0..=1.0).contains(&leaves.severity), "0 to 1")?;

    let given = |count: Count, range: RangeInclusive<usize>| {
        count.given().is_none_or(|number| range.contains(&number))
    };
    within(
        "teacher.batch-size",
        teacher.batch_size,
        given(teacher.batch_size, 1..=4096),
        "1 to 4096, or auto",
    )?;
    within("teacher.threads", teacher.threads, given(teacher.threads, 0..=1024), "0 to 1024, or auto")?;
    within("teacher.sessions", teacher.sessions, given(teacher.sessions, 1..=16), "1 to 16, or auto")?;
    check_gpu(teacher)?;

    within("cache.views", cache.views, cache.views >= 1, "1 or more")?;
    let View { scale: [least, most], ratio: [narrowest, widest], flip } = cache.view;
    let scale = format!("[{least}, {most}]");
    within(
        "cache.view.scale",
        scale,
        0.0 < least && least <= most && most <= 1.0,
        "[min, max] above 0, at most 1",
    )?;
    let ratio = format!("[{narrowest}, {widest}]");
    let fits = 0.01 <= narrowest && narrowest <= widest && widest <= 100.0;
    within("cache.view.ratio", ratio, fits, "[min, max] from 0.01 to 100")?;
    within("cache.view.flip", flip, (0.0..=1.0).contains(&flip), "0 to 1")?;
    within("cache.zstd", cache.zstd, cache.zstd <= 22, "0 (none) to 22")?;
    let kept = cache.top_k.map_or("nothing".to_owned(), |kept| kept.to_string());
    match cache.encoding {
        Encoding::TopK => {
            let some = cache.top_k.is_some_and(|kept| kept > 0);
            within("cache.top-k", kept, some, "1 or more, and fewer than there are classes")?;
        }
        Encoding::Float32 | Encoding::Float16 => {
            within("cache.top-k", kept, cache.top_k.is_none(), "left out unless cache.encoding = \"top-k\"")?;
        }
    }
    within("cache.shard-rows", cache.shard_rows, (1..=1 << 20).contains(&cache.shard_rows), "1 to 1048576")?;
    within(
        "cache.temperatures",
        list(&cache.temperatures),
        !cache.temperatures.is_empty(),
        "a list of one temperature at least",
    )?;
    for (index, &temperature) in cache.temperatures.iter().enumerate() {
        within("cache.temperatures", temperature, is_temperature(temperature), "from 0.01 to 1000")?;
        within(
            "cache.temperatures",
            temperature,
            !cache.temperatures[..index].contains(&temperature),
            "listed once",
        )?;
    }

    within(
        "student.width",
        student.width,
        (0.35..=1.4).contains(&student.width),
        "0.35 to 1.4, the widths that MobileNetV2 is published with",
    )?;
    within(
        "student.image-size",
        student.image_size,
        (32..=1024).contains(&student.image_size),
        "32 to 1024",
    )?;
    within("student.dropout", student.dropout, (0.0..1.0).contains(&student.dropout), "from 0 to below 1")?;
    let momentum = student.batch_norm_momentum;
    within(
        "student.batch-norm-momentum",
        momentum,
        momentum > 0.0 && momentum <= 1.0,
        "above 0 and at most 1",
    )?;
    for (key, channels) in
        [("student.image-mean", student.image_mean), ("student.image-std", student.image_std)]
    {
        within(key, list(&channels), channels.iter().all(|value| value.is_finite()), "three finite numbers")?;
    }
    within(
        "student.image-std",
        list(&student.image_std),
        student.image_std.iter().all(|&value| value > 0.0),
        "three numbers above 0",
    )?;

    within("train.temperature", train.temperature, is_temperature(train.temperature), "from 0.01 to 1000")?;
    within("train.lambda", train.lambda, (0.0..=1.0).contains(&train.lambda), "0 to 1")?;
    within("train.epochs", train.epochs, (1..=100_000).contains(&train.epochs), "1 to 100000")?;
    within(
        "train.batch-size",
        train.batch_size,
        (2..=65_536).contains(&train.batch_size),
        "2 to 65536, since BatchNorm needs two images",
    )?;
    super::check_recipe::check(train)?;

    if let Some(search) = &pipeline.sweep.search {
        within("sweep.search.budget", search.budget, (1..=10_000).contains(&search.budget), "1 to 10000")?;
    }
    if let Some(Halving { from, factor }) = pipeline.sweep.halving {
        within("sweep.halving.from", from, (1..=100_000).contains(&from), "1 to 100000")?;
        within("sweep.halving.factor", factor, (2..=1000).contains(&factor), "2 to 1000")?;
    }

    check_loss(pipeline)
}

/// Refuses what the teacher's device would not heed.
fn check_gpu(teacher: &Teacher) -> Result<(), Invalid> {
    let gpu = &teacher.gpu;
    let on = |provider| teacher.device.provider() == Some(provider);
    let (cuda, tensorrt) = (on(Provider::Cuda), on(Provider::TensorRt));
    let on = format!("false with teacher.device = \"{}\", ", teacher.device);
    let rule = format!("{on}since only cuda:N rounds to TensorFloat-32 on demand");
    within("teacher.gpu.tf32", gpu.tf32, !gpu.tf32 || cuda, &rule)?;
    let rule = format!("{on}since only cuda:N and tensorrt:N record CUDA graphs");
    within("teacher.gpu.graph", gpu.graph, !gpu.graph || cuda || tensorrt, &rule)?;
    let rule = format!("{on}since only tensorrt:N can change a model's precision");
    within("teacher.gpu.tensorrt-fp16", gpu.tensorrt_fp16, !gpu.tensorrt_fp16 || tensorrt, &rule)
}

/// Checks what is learnt from the teacher, and that the cache will hold it.
fn check_loss(pipeline: &Pipeline) -> Result<(), Invalid> {
    let Pipeline { cache, train, .. } = pipeline;
    let number = |value: Option<f32>| value.map_or("none".to_owned(), |value| value.to_string());
    let end = train.temperature_end;
    within("train.temperature-end", number(end), end.is_none_or(is_temperature), "from 0.01 to 1000")?;
    let end = train.lambda_end;
    let is_share = |value: f32| (0.0..=1.0).contains(&value);
    within("train.lambda-end", number(end), end.is_none_or(is_share), "0 to 1")?;
    let smoothing = train.label_smoothing;
    within("train.label-smoothing", smoothing, (0.0..1.0).contains(&smoothing), "from 0 to below 1")?;
    for (key, weight) in [
        ("train.dkd.alpha", train.dkd.alpha),
        ("train.dkd.beta", train.dkd.beta),
        ("train.dist.beta", train.dist.beta),
        ("train.dist.gamma", train.dist.gamma),
    ] {
        within(key, weight, (0.0..=1000.0).contains(&weight), "0 to 1000")?;
    }
    if train.control == Control::PermutedTargets {
        let rule = "left out where no targets are read, with train.lambda = 0 or train.loss = \"ce\"";
        within("train.control", train.control.as_str(), train.is_taught(), rule)?;
    }
    if cache.encoding == Encoding::TopK && train.is_taught() {
        let rule =
            "kd or ce with cache.encoding = \"top-k\", since the others compare every class with every other";
        within("train.loss", train.loss.as_str(), train.loss == Loss::Kd, rule)?;
        let rule = "left out with cache.encoding = \"top-k\", which knows the mass of the rest at cache.temperatures alone";
        within(
            "train.temperature-end",
            number(train.temperature_end),
            train.temperature_end.is_none(),
            rule,
        )?;
    }

    let Some(temperature) = train.cached_temperature() else { return Ok(()) };
    let nearest = cache
        .temperatures
        .iter()
        .copied()
        .min_by(|a, b| (a - temperature).abs().total_cmp(&(b - temperature).abs()));
    let rule = format!(
        "one of cache.temperatures = {}, the nearest is {}",
        list(&cache.temperatures),
        nearest.unwrap_or(1.0)
    );
    within("train.temperature", temperature, cache.temperatures.contains(&temperature), &rule)
}

pub(super) fn within(
    key: &'static str,
    value: impl ToString,
    holds: bool,
    rule: &str,
) -> Result<(), Invalid> {
    if holds { Ok(()) } else { Err(Invalid { key, value: value.to_string(), rule: rule.to_owned() }) }
}

fn is_temperature(value: f32) -> bool {
    (0.01..=1000.0).contains(&value)
}

pub(super) fn list(values: &[f32]) -> String {
    let values: Vec<String> = values.iter().map(f32::to_string).collect();
    format!("[{}]", values.join(", "))
}
