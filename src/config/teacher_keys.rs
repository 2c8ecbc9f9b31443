//! The keys of `[teacher]`.

use super::filter::Filter;
use super::key::{Condition, Declared, Role};
use super::kind::{Kind, parses};
use super::teacher::{ImageSize, Teacher};
use super::{Provider, TeacherDevices};
use crate::support::range::Range;

type Key = Declared<Teacher>;

fn is_on(teacher: &Teacher, providers: &[Provider]) -> bool {
    teacher.device.provider().is_some_and(|provider| providers.contains(&provider))
}

const CUDA: Condition<Teacher> = Condition {
    holds: |teacher, _| is_on(teacher, &[Provider::Cuda]),
    text: "with teacher.device = \"cuda:N\"",
    with: &["teacher.device=cuda:0"],
    without: &["teacher.device=cpu"],
};

const TENSORRT: Condition<Teacher> = Condition {
    holds: |teacher, _| is_on(teacher, &[Provider::TensorRt]),
    text: "with teacher.device = \"tensorrt:N\"",
    with: &["teacher.device=tensorrt:0"],
    without: &["teacher.device=cuda:0"],
};

const RECORDS_GRAPHS: Condition<Teacher> = Condition {
    holds: |teacher, _| is_on(teacher, &[Provider::Cuda, Provider::TensorRt]),
    text: "with teacher.device = \"cuda:N\" or \"tensorrt:N\"",
    with: &["teacher.device=tensorrt:0"],
    without: &["teacher.device=cpu"],
};

const NOT_EMBEDDED: Condition<Teacher> = Condition {
    holds: |teacher, _| !teacher.is_embedded(),
    text: "with a teacher.model other than \"embedded:...\", which knows it",
    with: &["teacher.model=model.onnx"],
    without: &["teacher.model=embedded:leaves"],
};

/// The declarations of the section's keys.
pub(super) const KEYS: &[Key] = &[
    Key::new(
        "teacher.model",
        Kind::Path,
        Role::Decides,
        "\"embedded:leaves\", a model.onnx, a folder that holds one with its config.json and preprocessor_config.json, or \"hub:ORG/NAME\", such a folder on the hub",
    )
    .also(&["path", "onnx", "file", "name", "model-path", "arch", "architecture"]),
    Key::new(
        "teacher.classes",
        Kind::Texts,
        Role::Decides,
        "The names of its classes in the order of its logits, in place of those in config.json",
    )
    .read(NOT_EMBEDDED)
    .also(&["labels", "class-names", "id2label"]),
    Key::new(
        "teacher.match-classes",
        Kind::OneOf(&["name", "index"]),
        Role::Decides,
        "How its classes are found among the dataset's: by name, or by index where names occur twice",
    ),
    Key::new(
        "teacher.outputs",
        Kind::OneOf(&["logits", "probabilities"]),
        Role::Decides,
        "What its output is: logits, or probabilities, whose logarithm is cached",
    )
    .read(NOT_EMBEDDED)
    .also(&["output", "activation"]),
    Key::new(
        "teacher.mean",
        Kind::Array(3, Range::FINITE),
        Role::Decides,
        "Mean of red, green and blue, of values from 0 to 1; with std and resample it is the preprocessing in place of a file's",
    )
    .read(NOT_EMBEDDED)
    .also(&["image-mean", "norm-mean"]),
    Key::new(
        "teacher.std",
        Kind::Array(3, Range::closed(1e-3, 1e3)),
        Role::Decides,
        "Standard deviation of red, green and blue, of values from 0 to 1",
    )
    .read(NOT_EMBEDDED)
    .also(&["image-std", "norm-std"]),
    Key::new(
        "teacher.image-size",
        Kind::Written {
            expected: "a number of pixels from 1 to 4096, or [height, width]",
            example: "224",
            check: ImageSize::check,
        },
        Role::Decides,
        "The side of its square input, or [height, width]; needed where the model does not fix it",
    )
    .read(NOT_EMBEDDED)
    .also(&["size", "img-size", "input-size", "resolution"]),
    Key::new("teacher.resample", Kind::OneOf(Filter::NAMES), Role::Decides, "How images are resized, by Pillow's filters")
        .read(NOT_EMBEDDED)
        .also(&["interpolation"]),
    Key::new(
        "teacher.crop-pct",
        Kind::Number(Range::above(0.0, 1.0)),
        Role::Decides,
        "Share of the resized image's side that a central crop keeps, as timm and torchvision evaluate; no crop unless given",
    )
    .read(NOT_EMBEDDED),
    Key::new(
        "teacher.checkpoint",
        Kind::Text,
        Role::Name,
        "The checkpoint that teacher.model is exported from: a Hugging Face id or folder; decant does not read it",
    )
    .also(&["model-name", "model-name-or-path", "pretrained"]),
    Key::new(
        "teacher.device",
        Kind::Written { expected: "a device such as \"auto\", \"cpu\" or \"cuda:0\", or a list of GPUs", example: "\"cuda:0,1\"", check: parses::<TeacherDevices> },
        Role::Machine,
        "Where ONNX Runtime runs it: \"auto\", \"cpu\", \"cuda:0\", \"tensorrt:0\", another provider of ONNX Runtime, or several GPUs, \"cuda:0,1\"",
    ),
    Key::new(
        "teacher.batch-size",
        Kind::WholeOrAuto(1, 4096),
        Role::Decides,
        "Images in one call; auto takes the fastest that gives the logits of the usual size (4 on the CPU, 64 on a GPU) to the last bit",
    )
    .also(&["batch", "per-device-eval-batch-size"]),
    Key::new(
        "teacher.threads",
        Kind::WholeOrAuto(0, 1024),
        Role::Machine,
        "Threads of one call on the CPU; 0 and auto share all cores among the sessions",
    )
    .also(&["num-threads", "intra-op-num-threads"]),
    Key::new(
        "teacher.sessions",
        Kind::WholeOrAuto(1, 16),
        Role::Machine,
        "Sessions on each device, each with the whole model; auto takes two on a GPU and one a core on the CPU",
    )
    .also(&["workers", "num-workers"]),
    Key::new(
        "teacher.gpu.tf32",
        Kind::Flag,
        Role::Decides,
        "Whether the factors of float32 products may be rounded to TensorFloat-32: faster, about as exact as fp16",
    )
    .read(CUDA),
    Key::new(
        "teacher.gpu.graph",
        Kind::Flag,
        Role::Machine,
        "Whether the calls of a batch are recorded once and replayed as a CUDA graph",
    )
    .read(RECORDS_GRAPHS),
    Key::new(
        "teacher.gpu.tensorrt-fp16",
        Kind::Flag,
        Role::Decides,
        "Whether a float32 model may be computed in float16",
    )
    .read(TENSORRT)
    .also(&["fp16", "half"]),
    Key::new(
        "teacher.gpu.tensorrt-cache",
        Kind::Path,
        Role::Machine,
        "The folder that keeps the engines that TensorRT builds; \"\" builds them each time",
    )
    .read(TENSORRT),
];
