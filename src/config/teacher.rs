//! `[teacher]`: the model that is run once.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::rule::{Invalid, within};
use super::{Count, Filter, Provider, TeacherDevices};

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
    /// The meaning of its output; of probabilities the logarithm is cached.
    #[serde(skip_serializing_if = "Outputs::is_default")]
    pub outputs: Outputs,
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
    pub resample: Option<Filter>,
    /// The share of the resized image's side that a central crop keeps, as timm and torchvision evaluate; no crop unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop_pct: Option<f64>,
    /// The Hugging Face checkpoint that `model` is exported from; the program does not read it.
    pub checkpoint: Option<String>,
    /// Where ONNX Runtime runs it: `auto`, `cpu`, `cuda:0`, `tensorrt:0`, another provider of docs/gpu.md, or several GPUs for
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
    /// The settings of GPUs.
    pub gpu: Gpu,
}

impl Default for Teacher {
    fn default() -> Self {
        Self {
            model: "embedded:leaves".to_owned(),
            classes: None,
            match_classes: ClassMatching::Name,
            outputs: Outputs::Logits,
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
    /// Checks what one value asks of another.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        let Self { classes, mean, std, image_size, resample, crop_pct, .. } = self;
        let names = classes.as_ref().is_none_or(|classes| !classes.is_empty());
        within("teacher.classes", "[]", names, "a list of at least one name")?;
        let is_described = mean.is_some()
            || std.is_some()
            || image_size.is_some()
            || resample.is_some()
            || crop_pct.is_some();
        for (key, is_given) in [
            ("teacher.mean", mean.is_some()),
            ("teacher.std", std.is_some()),
            ("teacher.resample", resample.is_some()),
        ] {
            let rule = "given where teacher.mean, std, image-size, resample or crop-pct is, since none of them is taken from a file then";
            within(key, "no such key", !is_described || is_given, rule)?;
        }
        let Some(size) = image_size else { return Ok(()) };
        let (height, width) = size.height_and_width();
        let rule = "a square with teacher.crop-pct, whose central crop is one";
        within("teacher.image-size", size, crop_pct.is_none() || height == width, rule)
    }

    /// Whether the model is part of this program, with its classes and its preprocessing.
    pub(crate) fn is_embedded(&self) -> bool {
        self.model.starts_with("embedded:")
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

/// The meaning of a teacher's output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outputs {
    /// Raw logits.
    #[default]
    Logits,
    /// Probabilities, as of a model that ends in a Softmax: their logarithm has the same softened probabilities at every temperature.
    Probabilities,
}

impl Outputs {
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
    /// Checks a value; the error says what is wrong with it.
    pub(super) fn check(value: &toml::Value) -> Result<(), String> {
        let expected = || "expected a number of pixels from 1 to 4096, or [height, width]".to_owned();
        let size: Self = value.clone().try_into().map_err(|_| expected())?;
        let (height, width) = size.height_and_width();
        let fits = (1..=4096).contains(&height) && (1..=4096).contains(&width);
        if fits { Ok(()) } else { Err(expected()) }
    }

    /// Height and width.
    pub(crate) fn height_and_width(self) -> (u32, u32) {
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
