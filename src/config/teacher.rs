//! `[teacher]`: the model that is run once.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::rule::{Invalid, list, within};
use super::{Count, Provider, TeacherDevices};

/// `[teacher]`: the model that is run once.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Teacher {
    /// `embedded:leaves`, a `model.onnx`, a folder that holds one with its `config.json` and `preprocessor_config.json`, or
    /// `hub:ORG/NAME`, such a folder on the Hugging Face hub.
    pub model: String,
    /// The names of its classes in the order of its logits; a `config.json` beside the model is then not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// How its classes are found among the dataset's.
    #[serde(skip_serializing_if = "ClassMatching::is_default")]
    pub match_classes: ClassMatching,
    /// Mean of red, green and blue, of values from 0 to 1. With `std` and `resample` it is the model's preprocessing in place of a file's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<[f32; 3]>,
    /// Standard deviation of red, green and blue, of values from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub std: Option<[f32; 3]>,
    /// The side of its square input, or `[height, width]`; needed where the model does not fix it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_size: Option<ImageSize>,
    /// How images are resized.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resample: Option<Resample>,
    /// The share of the resized image's side that a central crop keeps, as timm and torchvision evaluate; no crop unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop_pct: Option<f64>,
    /// The Hugging Face checkpoint that `make teacher` exports to `model`.
    pub checkpoint: Option<String>,
    /// Where ONNX Runtime runs it: `auto`, `cpu`, `cuda:0`, `tensorrt:0`, another provider of docs/teacher.md, or several GPUs for
    /// one cache, `cuda:0,1`.
    pub device: TeacherDevices,
    /// Images in one call. `auto` takes the fastest of those that give the logits of the usual size, 4 on the CPU and 64 on a
    /// GPU, to the last bit: what the cache holds does not depend on the measurement.
    pub batch_size: Count,
    /// Threads of one call on the CPU; 0 shares every core among the sessions, and so does `auto`.
    pub threads: Count,
    /// Sessions on each device, which take batches as they can. Each holds the whole model. `auto` takes two on a GPU, so that one
    /// computes while the other's images are on their way, and one a core on the CPU.
    pub sessions: Count,
    /// What only a GPU can do.
    pub gpu: Gpu,
}

impl Default for Teacher {
    fn default() -> Self {
        Self {
            model: "embedded:leaves".to_owned(),
            classes: None,
            match_classes: ClassMatching::Name,
            mean: None,
            std: None,
            image_size: None,
            resample: None,
            crop_pct: None,
            checkpoint: None,
            device: TeacherDevices::default(),
            batch_size: Count::Auto,
            threads: Count::Auto,
            sessions: Count::Auto,
            gpu: Gpu::default(),
        }
    }
}

impl Teacher {
    /// Checks every value that a type alone does not bound.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        let given = |count: Count, range: RangeInclusive<usize>| {
            count.given().is_none_or(|number| range.contains(&number))
        };
        within(
            "teacher.batch-size",
            self.batch_size,
            given(self.batch_size, 1..=4096),
            "1 to 4096, or auto",
        )?;
        within("teacher.threads", self.threads, given(self.threads, 0..=1024), "0 to 1024, or auto")?;
        within("teacher.sessions", self.sessions, given(self.sessions, 1..=16), "1 to 16, or auto")?;
        self.check_description()?;
        self.check_gpu()
    }

    /// Whether the model is part of this program, with its classes and its preprocessing.
    pub fn is_embedded(&self) -> bool {
        self.model.starts_with("embedded:")
    }

    /// Checks the keys that describe the model in place of the files beside it.
    fn check_description(&self) -> Result<(), Invalid> {
        let Self { classes, mean, std, image_size, resample, crop_pct, .. } = self;
        let text = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
        let given = [
            ("teacher.classes", classes.as_ref().map(|classes| classes.join(", "))),
            ("teacher.mean", mean.as_ref().map(|mean| list(mean))),
            ("teacher.std", std.as_ref().map(|std| list(std))),
            ("teacher.image-size", image_size.map(|size| size.to_string())),
            ("teacher.resample", resample.map(|resample| resample.name().to_owned())),
            ("teacher.crop-pct", crop_pct.map(|share| share.to_string())),
        ];
        for (key, value) in &given {
            let rule = "left out with an embedded teacher, which knows it";
            within(key, text(value.clone()), value.is_none() || !self.is_embedded(), rule)?;
        }
        let preprocessing = given[1..].iter().any(|(_, value)| value.is_some());
        for (key, value) in given {
            let needed = ["teacher.mean", "teacher.std", "teacher.resample"].contains(&key);
            let rule = "given where teacher.mean, std, image-size, resample or crop-pct is, since none of them is taken from a file then";
            within(key, text(value.clone()), !preprocessing || !needed || value.is_some(), rule)?;
        }
        let names = classes.as_ref().is_none_or(|classes| !classes.is_empty());
        within("teacher.classes", "[]", names, "a list of at least one name")?;
        let positive = std.is_none_or(|std| std.iter().all(|value| value.is_finite() && *value > 0.0));
        within("teacher.std", text(std.as_ref().map(|std| list(std))), positive, "three numbers above 0")?;
        let finite = mean.is_none_or(|mean| mean.iter().all(|value| value.is_finite()));
        within("teacher.mean", text(mean.as_ref().map(|mean| list(mean))), finite, "three numbers")?;
        let size = text(image_size.map(|size| size.to_string()));
        let sides = image_size.is_none_or(|size| {
            let (height, width) = size.height_and_width();
            (1..=4096).contains(&height) && (1..=4096).contains(&width)
        });
        within("teacher.image-size", size.clone(), sides, "1 to 4096 pixels a side")?;
        let square = image_size.is_none_or(|size| size.height_and_width().0 == size.height_and_width().1);
        let rule = "a square with teacher.crop-pct, whose central crop is one";
        within("teacher.image-size", size, crop_pct.is_none() || square, rule)?;
        let share = crop_pct.is_none_or(|share| share > 0.0 && share <= 1.0);
        within(
            "teacher.crop-pct",
            text(crop_pct.map(|share| share.to_string())),
            share,
            "above 0 and at most 1",
        )
    }

    /// Refuses settings that do nothing on the teacher's device.
    fn check_gpu(&self) -> Result<(), Invalid> {
        let gpu = &self.gpu;
        let on = |provider| self.device.provider() == Some(provider);
        let (cuda, tensorrt) = (on(Provider::Cuda), on(Provider::TensorRt));
        let on = format!("false with teacher.device = \"{}\", ", self.device);
        let rule = format!("{on}since only cuda:N rounds to TensorFloat-32 on demand");
        within("teacher.gpu.tf32", gpu.tf32, !gpu.tf32 || cuda, &rule)?;
        let rule = format!("{on}since only cuda:N and tensorrt:N record CUDA graphs");
        within("teacher.gpu.graph", gpu.graph, !gpu.graph || cuda || tensorrt, &rule)?;
        let rule = format!("{on}since only tensorrt:N can change a model's precision");
        within("teacher.gpu.tensorrt-fp16", gpu.tensorrt_fp16, !gpu.tensorrt_fp16 || tensorrt, &rule)
    }

    /// The batch size whose logits a cache holds: the one that is given, else the usual one of `provider`.
    pub fn batch(&self, provider: Provider) -> usize {
        self.batch_size.given().unwrap_or(provider.usual_batch_size())
    }
}

/// How the teacher's classes are found among the dataset's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassMatching {
    /// By their names, each of which must occur once on either side.
    #[default]
    Name,
    /// The first logit is the dataset's first class and so on, whatever their names: for names that occur twice.
    Index,
}

impl ClassMatching {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it so")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The size of a model's input: 224, or [height, width].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged, expecting = "expected a number of pixels, or [height, width]")]
pub enum ImageSize {
    /// Height and width are the same.
    Square(u32),
    /// Height and width.
    Rectangle([u32; 2]),
}

impl ImageSize {
    /// Height and width.
    pub fn height_and_width(self) -> (u32, u32) {
        match self {
            Self::Square(side) => (side, side),
            Self::Rectangle([height, width]) => (height, width),
        }
    }
}

impl fmt::Display for ImageSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Square(side) => write!(formatter, "{side}"),
            Self::Rectangle([height, width]) => write!(formatter, "[{height}, {width}]"),
        }
    }
}

/// Pillow's resampling filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are Pillow's")]
pub enum Resample {
    Nearest,
    Lanczos,
    Bilinear,
    Bicubic,
    Box,
    Hamming,
}

impl Resample {
    /// The name in a pipeline file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Lanczos => "lanczos",
            Self::Bilinear => "bilinear",
            Self::Bicubic => "bicubic",
            Self::Box => "box",
            Self::Hamming => "hamming",
        }
    }
}

/// `[teacher.gpu]`: how a GPU runs the teacher. A value that would do nothing is refused.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Gpu {
    /// Whether `cuda:N` may round the factors of float32 products to TensorFloat-32: faster, and about as exact as fp16.
    pub tf32: bool,
    /// Whether the calls of a batch are recorded once and replayed as a CUDA graph. Every batch then has the full size.
    pub graph: bool,
    /// Whether `tensorrt:N` may compute a float32 model in float16.
    pub tensorrt_fp16: bool,
    /// The folder that keeps the engines that TensorRT builds, one folder a teacher; empty builds them anew each time.
    pub tensorrt_cache: PathBuf,
}

impl Default for Gpu {
    fn default() -> Self {
        Self { tf32: false, graph: false, tensorrt_fp16: false, tensorrt_cache: PathBuf::from(".tensorrt") }
    }
}
