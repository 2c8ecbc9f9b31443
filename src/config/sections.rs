//! The sections of a pipeline file, with every default named and documented.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    ClassWeights, Control, Count, Dist, Dkd, Freeze, Loss, Optimizer, Provider, Ramp, StudentDevice,
    TeacherDevices,
};

/// `[dataset]`: where the images come from.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Dataset {
    /// `leaves` (generated), a folder of images or parquet files, its URL in an object store (`s3://`, `gs://`, `az://`, `file://`),
    /// or `hub:ORG/NAME`.
    pub source: String,
    /// The share of train that becomes validation (or test) where the source has none.
    pub validation_share: f64,
    /// Fixes which samples that share takes.
    pub seed: u64,
    /// What an image that can't be decoded does.
    pub on_bad_image: OnBadImage,
    /// Sizes of the generated leaves, read only with `source = "leaves"`.
    pub leaves: Leaves,
}

impl Default for Dataset {
    fn default() -> Self {
        Self {
            source: "leaves".to_owned(),
            validation_share: 0.1,
            seed: 0,
            on_bad_image: OnBadImage::Error,
            leaves: Leaves::default(),
        }
    }
}

/// What to do about an image that can't be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnBadImage {
    /// Stop, naming it.
    Error,
    /// Leave it out and list it in the cache's manifest.
    Skip,
}

/// `[dataset.leaves]`: how many leaves are generated. The defaults are the published sizes of `beans`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Leaves {
    /// Same seed, same images.
    pub seed: u64,
    /// Images in the train split.
    pub train: usize,
    /// Images in the validation split.
    pub validation: usize,
    /// Images in the test split.
    pub test: usize,
    /// How ill an ill leaf is at least: 0 draws the mildest cases as well, which are hard to see, 1 the severest alone.
    pub severity: f32,
}

impl Default for Leaves {
    fn default() -> Self {
        Self { seed: 0, train: 1034, validation: 133, test: 128, severity: 0.0 }
    }
}

/// `[teacher]`: the model that is run once.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Teacher {
    /// `embedded:leaves`, a `model.onnx`, or a folder that holds one with its `config.json` and `preprocessor_config.json`.
    pub model: String,
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
    /// The batch size whose logits a cache holds: the one that is given, else the usual one of `provider`.
    pub fn batch(&self, provider: Provider) -> usize {
        self.batch_size.given().unwrap_or(provider.usual_batch_size())
    }
}

/// `[teacher.gpu]`: how a GPU runs the teacher. Whatever differs from the defaults is refused where it would do nothing.
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

/// `[cache]`: what of the teacher is kept, and where.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Cache {
    /// The readable part of the cache's folder name; the pipeline file's own name where it is empty.
    pub name: String,
    /// The folder that holds caches, or its URL in an object store; `--cache-dir` and `DECANT_CACHE` come before it.
    pub dir: PathBuf,
    /// One column of soft targets is written for each.
    pub temperatures: Vec<f32>,
    /// How many views of each train image the teacher sees; view 0 is the plain evaluation view, and the only one of
    /// validation and test.
    pub views: u16,
    /// Fixes the crops and flips of the views.
    pub seed: u64,
    /// Rows in one shard at most.
    pub shard_rows: usize,
    /// How logits and soft targets are stored.
    pub encoding: Encoding,
    /// How many of the largest logits are kept, with `encoding = "top-k"` and only there.
    pub top_k: Option<u32>,
    /// The level at which zstd compresses the cache; 0 leaves it plain, to be read straight from the memory map.
    pub zstd: u8,
    /// How views other than view 0 are drawn.
    pub view: View,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            name: String::new(),
            dir: PathBuf::from("cache"),
            temperatures: vec![1.0, 2.0, 5.0, 10.0],
            views: 1,
            seed: 0,
            shard_rows: 4096,
            encoding: Encoding::Float32,
            top_k: None,
            zstd: 0,
            view: View::default(),
        }
    }
}

/// How a cache stores logits and soft targets; `cache/README.md` has the columns of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// Every logit, as the teacher gave it.
    Float32,
    /// Every logit, rounded to 11 bits.
    Float16,
    /// The largest logits, and the mass of all others at each temperature.
    TopK,
}

/// `[cache.view]`: how views other than view 0 are drawn. The defaults are those of torchvision's `RandomResizedCrop`
/// and `RandomHorizontalFlip`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct View {
    /// The least and the largest share of the image's area.
    pub scale: [f64; 2],
    /// The least and the largest ratio of width to height.
    pub ratio: [f64; 2],
    /// The probability of a mirrored view.
    pub flip: f64,
}

impl Default for View {
    fn default() -> Self {
        Self { scale: [0.08, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0], flip: 0.5 }
    }
}

/// `[student]`: a MobileNetV2.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Student {
    /// Depth multiplier: scales the channels of every layer.
    pub width: f64,
    /// Side of the square input, in pixels.
    pub image_size: usize,
    /// Dropout before the classifier, in training.
    pub dropout: f64,
    /// Weight of the batch in the running statistics of BatchNorm. `transformers` has 0.997, TensorFlow's number read the
    /// other way round, so that its statistics are nearly those of the last batch alone.
    pub batch_norm_momentum: f64,
    /// A Hugging Face `model.safetensors` to start from, in place of random weights.
    pub init: Option<PathBuf>,
    /// How much of the backbone keeps those weights and its running statistics: `none`, `blocks:N` (the stem and the first
    /// N of the 16 blocks) or `backbone`.
    pub freeze: Freeze,
    /// Mean of each channel, of pixels scaled to 0..1.
    pub image_mean: [f32; 3],
    /// Standard deviation of each channel, of pixels scaled to 0..1.
    pub image_std: [f32; 3],
}

impl Default for Student {
    /// `MobileNetV2Config`'s defaults, with the input of `google/mobilenet_v2_1.0_224`, but for PyTorch's own momentum.
    fn default() -> Self {
        Self {
            width: 1.0,
            image_size: 224,
            dropout: 0.8,
            batch_norm_momentum: 0.1,
            init: None,
            freeze: Freeze::None,
            image_mean: [0.5; 3],
            image_std: [0.5; 3],
        }
    }
}

/// `[train]`: how a student is trained. The defaults are those of the Hugging Face `Trainer`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Train {
    /// What is learnt from the teacher.
    pub loss: Loss,
    /// Softens teacher and student alike in the teacher's term. For `loss = "kd"` the cache must hold it; `mse` has no use
    /// for it.
    pub temperature: f32,
    /// The temperature of the last epoch, where it is to move over the epochs; every one is then made from the cache's logits.
    pub temperature_end: Option<f32>,
    /// Weight of the teacher's term, the labels' is one minus it; 0 trains from the labels alone, as `loss = "ce"` does.
    pub lambda: f32,
    /// The lambda of the last epoch, where it is to move over the epochs.
    pub lambda_end: Option<f32>,
    /// How temperature and lambda move, epoch by epoch, where they have an end.
    pub ramp: Ramp,
    /// The share of each label that is spread evenly over all classes in the cross-entropy (arXiv 1512.00567).
    pub label_smoothing: f32,
    /// Weights that `loss = "dkd"` reads.
    pub dkd: Dkd,
    /// Weights that `loss = "dist"` reads.
    pub dist: Dist,
    /// Makes the run a control of itself; `--control` on the command line.
    pub control: Control,
    /// Passes over the train split.
    pub epochs: usize,
    /// Images in one forward pass.
    pub batch_size: usize,
    /// Batches of one step: their gradients are joined as those of one large batch, but for BatchNorm, which sees each alone.
    pub accumulate: usize,
    /// Whether the images that are too few for a last full step of an epoch are left out of it.
    pub drop_last: bool,
    /// How gradients become steps.
    pub optimizer: Optimizer,
    /// Peak learning rate.
    pub lr: f64,
    /// The learning rate at the end of the schedule.
    pub min_lr: f64,
    /// Weight decay: decoupled with adamw and lion, else added to the gradient or, with lamb, to the update.
    pub weight_decay: f64,
    /// Whether weight decay is for every parameter, or for none with one dimension: BatchNorm's and the biases.
    pub decay_norm_and_bias: bool,
    /// Decay rates of the two moments of adamw, adam, lamb and lion (whose paper has 0.9 and 0.99).
    pub betas: [f32; 2],
    /// Keeps a denominator from 0: adamw, adam, rmsprop and lamb.
    pub eps: f32,
    /// How much of the last step goes into the next: sgd and rmsprop.
    pub momentum: f64,
    /// Nesterov's momentum: sgd.
    pub nesterov: bool,
    /// Decay rate of rmsprop's mean square.
    pub alpha: f32,
    /// The gradient's global L2 norm is scaled down to this; 0 leaves it alone.
    pub max_grad_norm: f32,
    /// How the learning rate goes from its peak to the end.
    pub schedule: Schedule,
    /// Steps over which the learning rate rises from 0 to its peak first.
    pub warmup_steps: usize,
    /// The same in epochs, which need not be whole.
    pub warmup_epochs: f64,
    /// The same as a share of all steps.
    pub warmup_ratio: f64,
    /// How much of the weights' moving average each step keeps; the average is then what is validated and kept. 0 keeps none.
    pub ema: f64,
    /// What each class counts for in the labels' loss: `"balanced"` or a weight a class; the same where it is left out.
    pub class_weights: Option<ClassWeights>,
    /// Fixes initial weights, order and dropout.
    pub seed: u64,
    /// Steps between two points of the training curves in TensorBoard's event file; 0 writes none.
    pub tensorboard: usize,
    /// A checkpoint after every so many steps of the run, beside that after every epoch; 0 for none.
    pub checkpoint_steps: usize,
    /// A checkpoint after so many minutes without one; 0 for none.
    pub checkpoint_minutes: f64,
    /// How many checkpoints are kept, the last ones and that of the best epoch, also when the run is finished. 0 keeps the last
    /// one, and none of a finished run.
    pub keep_checkpoints: usize,
    /// Where the student trains.
    pub device: StudentDevice,
    /// The folder that holds runs; `--runs-dir` and `DECANT_RUNS` come before it.
    pub dir: PathBuf,
}

impl Default for Train {
    fn default() -> Self {
        Self {
            loss: Loss::Kd,
            temperature: 5.0,
            temperature_end: None,
            lambda: 0.5,
            lambda_end: None,
            ramp: Ramp::Linear,
            label_smoothing: 0.0,
            dkd: Dkd::default(),
            dist: Dist::default(),
            control: Control::None,
            epochs: 30,
            batch_size: 8,
            accumulate: 1,
            drop_last: false,
            optimizer: Optimizer::AdamW,
            lr: 5e-5,
            min_lr: 0.0,
            weight_decay: 0.0,
            decay_norm_and_bias: true,
            betas: [0.9, 0.999],
            eps: 1e-8,
            momentum: 0.0,
            nesterov: false,
            alpha: 0.99,
            max_grad_norm: 1.0,
            schedule: Schedule::Linear,
            warmup_steps: 0,
            warmup_epochs: 0.0,
            warmup_ratio: 0.0,
            ema: 0.0,
            class_weights: None,
            seed: 42,
            tensorboard: 10,
            checkpoint_steps: 0,
            checkpoint_minutes: 10.0,
            keep_checkpoints: 0,
            device: StudentDevice::Auto,
            dir: PathBuf::from("runs"),
        }
    }
}

impl Train {
    /// The same with every key that has no part in the trained bytes at its default.
    #[must_use]
    pub fn deciding(&self) -> Self {
        let plain = Self::default();
        Self {
            tensorboard: plain.tensorboard,
            checkpoint_steps: plain.checkpoint_steps,
            checkpoint_minutes: plain.checkpoint_minutes,
            keep_checkpoints: plain.keep_checkpoints,
            device: plain.device,
            dir: plain.dir,
            ..self.clone()
        }
    }
}

/// How the learning rate falls after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// In a straight line to `min-lr`.
    Linear,
    /// Along half a cosine to `min-lr` (arXiv 1608.03983, without restarts).
    Cosine,
    /// Not at all.
    Constant,
}
