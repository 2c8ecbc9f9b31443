//! The declarations of the keys of `[train]`.

use super::key::{Condition, Declared, Role};
use super::kind::{ANY, Kind, parses};
use super::rule::TEMPERATURE;
use super::train::Schedule;
use super::{ClassWeights, Control, Optimizer, Precision, StudentDevice, Train};
use crate::loss::{Loss, Parameter, Reads};
use crate::support::range::Range;

type Key = Declared<Train>;

const TAUGHT: Condition<Train> = Condition {
    holds: |train, _| train.is_taught(),
    text: "where the student learns from the teacher: train.lambda above 0, train.loss other than \"ce\" and no train.control = \"labels-only\"",
    with: &["train.lambda=0.5"],
    without: &["train.lambda=0"],
};

const LABELS_COUNT: Condition<Train> = Condition {
    holds: |train, _| train.lambda_at(0) < 1.0 || train.lambda_end.is_some_and(|end| end < 1.0),
    text: "where the labels have a weight: train.lambda below 1",
    with: &["train.lambda=0.5"],
    without: &["train.lambda=1"],
};

/// A loss and a control that look at `train.lambda`.
const WEIGHTED: Condition<Train> = Condition {
    holds: |train, _| {
        train.loss.declaration().reads != Reads::Nothing && train.control != Control::LabelsOnly
    },
    text: "with a train.loss other than \"ce\" and without train.control = \"labels-only\"",
    with: &["train.loss=kd"],
    without: &["train.loss=ce"],
};

/// The loss has an effect only where it has a weight.
const HAS_WEIGHT: Condition<Train> = Condition {
    holds: |train, _| {
        (train.lambda > 0.0 || train.lambda_end.is_some_and(|end| end > 0.0))
            && train.control != Control::LabelsOnly
    },
    text: "with train.lambda above 0 and without train.control = \"labels-only\"",
    with: &["train.lambda=0.5"],
    without: &["train.lambda=0"],
};

const TEMPERED: Condition<Train> = Condition {
    holds: |train, _| train.loss.declaration().softens,
    text: "by a train.loss that softens: all but \"mse\" and \"ce\"",
    with: &["train.loss=std-kd"],
    without: &["train.loss=mse"],
};

const HAS_END: Condition<Train> = Condition {
    holds: |train, _| {
        train.lambda_end.is_some() || (train.temperature_end.is_some() && train.loss.declaration().softens)
    },
    text: "with train.temperature-end or train.lambda-end",
    with: &["train.lambda-end=0.7"],
    without: &[],
};

const FALLS: Condition<Train> = Condition {
    holds: |train, _| train.schedule != Schedule::Constant,
    text: "with a train.schedule other than \"constant\"",
    with: &["train.schedule=cosine"],
    without: &["train.schedule=constant"],
};

const DECAYS: Condition<Train> = Condition {
    holds: |train, _| train.weight_decay > 0.0,
    text: "with train.weight-decay above 0",
    with: &["train.weight-decay=0.1"],
    without: &["train.weight-decay=0"],
};

const HAS_BETAS: Condition<Train> = Condition {
    holds: |train, _| !train.optimizer.has_momentum(),
    text: "with train.optimizer = \"adamw\", \"adam\", \"lamb\" or \"lion\"",
    with: &["train.optimizer=lion"],
    without: &["train.optimizer=sgd"],
};

const HAS_EPS: Condition<Train> = Condition {
    holds: |train, _| !matches!(train.optimizer, Optimizer::Sgd | Optimizer::Lion),
    text: "with train.optimizer = \"adamw\", \"adam\", \"rmsprop\" or \"lamb\"",
    with: &["train.optimizer=rmsprop"],
    without: &["train.optimizer=lion"],
};

const HAS_MOMENTUM: Condition<Train> = Condition {
    holds: |train, _| train.optimizer.has_momentum(),
    text: "with train.optimizer = \"sgd\" or \"rmsprop\"",
    with: &["train.optimizer=sgd"],
    without: &["train.optimizer=adamw"],
};

const SGD: Condition<Train> = Condition {
    holds: |train, _| train.optimizer == Optimizer::Sgd,
    text: "with train.optimizer = \"sgd\"",
    with: &["train.optimizer=sgd"],
    without: &["train.optimizer=rmsprop"],
};

const MOVES: Condition<Train> = Condition {
    holds: |train, _| train.momentum > 0.0,
    text: "with train.momentum above 0",
    with: &["train.momentum=0.9"],
    without: &["train.momentum=0"],
};

const RMSPROP: Condition<Train> = Condition {
    holds: |train, _| train.optimizer == Optimizer::RmsProp,
    text: "with train.optimizer = \"rmsprop\"",
    with: &["train.optimizer=rmsprop"],
    without: &["train.optimizer=sgd"],
};

const SHARE: Range = Range::closed(0.0, 1.0);
const BELOW_ONE: Range = Range::below(0.0, 1.0);

/// The declarations of the section's keys; those of losses' parameters are [`loss_keys`].
pub(super) const KEYS: &[Key] = &[
    Key::new("train.loss", Kind::OneOf(Loss::NAMES), Role::TeacherTerm, "The distillation term of the loss")
        .read(HAS_WEIGHT)
        .also(&["criterion", "loss-fn", "loss-function", "kd-loss"]),
    Key::new(
        "train.temperature",
        Kind::Number(TEMPERATURE),
        Role::TeacherTerm,
        "Softens teacher and student in the distillation term",
    )
    .read(TAUGHT)
    .read(TEMPERED)
    .also(&["tau", "t", "temp", "kd-t", "kd-temperature", "distillation-temperature"]),
    Key::new(
        "train.temperature-end",
        Kind::Number(TEMPERATURE),
        Role::TeacherTerm,
        "The temperature of the last epoch, where it moves over the epochs",
    )
    .read(TAUGHT)
    .read(TEMPERED),
    Key::new(
        "train.lambda",
        Kind::Number(SHARE),
        Role::TeacherTerm,
        "Weight of the distillation term, the labels' is one minus it; 0 trains from the labels only, as loss = \"ce\" does",
    )
    .read(WEIGHTED)
    .also(&["lambda-param", "kd-weight", "kd-alpha", "distillation-alpha", "distill-weight", "lambda-kd"]),
    Key::new(
        "train.lambda-end",
        Kind::Number(SHARE),
        Role::TeacherTerm,
        "The lambda of the last epoch, where it moves over the epochs",
    )
    .read(WEIGHTED),
    Key::new(
        "train.ramp",
        Kind::OneOf(&["linear", "cosine"]),
        Role::TeacherTerm,
        "How temperature and lambda move: in a straight line, or along half a cosine",
    )
    .read(TAUGHT)
    .read(HAS_END),
    Key::new(
        "train.label-smoothing",
        Kind::Number(BELOW_ONE),
        Role::Decides,
        "Share of each label that is spread evenly over all classes (arXiv 1512.00567)",
    )
    .read(LABELS_COUNT)
    .also(&["smoothing", "label-smoothing-factor"]),
    Key::new(
        "train.control",
        Kind::OneOf(&["none", "permuted-targets", "labels-only"]),
        Role::TeacherTerm,
        "Makes the run a control: each image taught by the targets of another one, or lambda 0 with all else as it was",
    ),
    Key::new("train.epochs", Kind::Whole(0, 100_000), Role::Decides, "Passes over the train split; 0 takes as many as suit the number of images")
        .also(&["num-train-epochs", "num-epochs", "n-epochs", "max-epochs", "epoch"]),
    Key::new(
        "train.batch-size",
        Kind::Whole(2, 65_536),
        Role::Decides,
        "Images in one forward pass; BatchNorm needs two",
    )
    .also(&["per-device-train-batch-size", "train-batch-size", "batch", "bs"]),
    Key::new(
        "train.accumulate",
        Kind::Whole(1, 1024),
        Role::Decides,
        "Batches of one step: their gradients are joined as those of one large batch, except for BatchNorm",
    )
    .also(&["gradient-accumulation-steps", "accumulate-grad-batches", "grad-accum-steps"]),
    Key::new(
        "train.drop-last",
        Kind::Flag,
        Role::Decides,
        "Whether images that are too few for a last full step of an epoch are left out of it",
    )
    .also(&["dataloader-drop-last"]),
    Key::new(
        "train.optimizer",
        Kind::OneOf(Optimizer::NAMES),
        Role::Decides,
        "How gradients become steps",
    )
    .also(&["optim", "opt", "optimiser"]),
    Key::new("train.lr", Kind::Number(Range::closed(0.0, 10.0)), Role::Decides, "Peak learning rate; 0 takes one that suits the optimiser and the images of a step")
        .also(&["learning-rate", "max-lr", "base-lr", "eta"]),
    Key::new(
        "train.min-lr",
        Kind::Number(Range::closed(0.0, 10.0)),
        Role::Decides,
        "The learning rate at the end of the schedule, at most train.lr",
    )
    .read(FALLS)
    .also(&["eta-min", "lr-min", "final-lr"]),
    Key::new(
        "train.weight-decay",
        Kind::Number(Range::closed(0.0, 10.0)),
        Role::Decides,
        "Weight decay: decoupled with adamw and lion, else added to the gradient or, with lamb, to the update",
    )
    .also(&["wd", "decay", "l2"]),
    Key::new(
        "train.decay-norm-and-bias",
        Kind::Flag,
        Role::Decides,
        "Whether weight decay is for every parameter, or for none with one dimension: BatchNorm's and the biases",
    )
    .read(DECAYS),
    Key::new(
        "train.betas",
        Kind::Array(2, BELOW_ONE),
        Role::Decides,
        "Decay rates of the two moments (lion's paper has 0.9 and 0.99)",
    )
    .read(HAS_BETAS)
    .also(&["adam-beta1", "adam-beta2", "beta1", "beta2", "beta", "opt-betas"]),
    Key::new(
        "train.eps",
        Kind::Number(Range::between(0.0, 1.0)),
        Role::Decides,
        "Keeps a denominator from 0",
    )
    .read(HAS_EPS)
    .also(&["epsilon", "adam-epsilon", "opt-eps"]),
    Key::new(
        "train.momentum",
        Kind::Number(BELOW_ONE),
        Role::Decides,
        "How much of the last step goes into the next",
    )
    .read(HAS_MOMENTUM)
    .hint("the others have train.betas"),
    Key::new("train.nesterov", Kind::Flag, Role::Decides, "Nesterov's momentum").read(SGD).read(MOVES),
    Key::new("train.alpha", Kind::Number(BELOW_ONE), Role::Decides, "Decay rate of rmsprop's mean square")
        .read(RMSPROP)
        .hint("the weight of the distillation term is train.lambda"),
    Key::new(
        "train.max-grad-norm",
        Kind::Number(Range::closed(0.0, f64::MAX)),
        Role::Decides,
        "The gradient's global L2 norm is scaled down to this; 0 leaves it as it is",
    )
    .also(&["clip-grad", "clip-grad-norm", "gradient-clip-val", "grad-clip"]),
    Key::new(
        "train.schedule",
        Kind::OneOf(&["linear", "cosine", "constant"]),
        Role::Decides,
        "How the learning rate falls after the warm-up: in a straight line to min-lr, along half a cosine, or not at all",
    )
    .also(&["lr-scheduler-type", "lr-scheduler", "scheduler", "lr-schedule", "sched"]),
    Key::new(
        "train.warmup-steps",
        Kind::Whole(0, ANY),
        Role::Decides,
        "Steps over which the learning rate first rises from 0 to its peak",
    )
    .also(&["num-warmup-steps"]),
    Key::new(
        "train.warmup-epochs",
        Kind::Number(Range::closed(0.0, f64::MAX)),
        Role::Decides,
        "The same in epochs, which need not be whole; at most train.epochs",
    ),
    Key::new("train.warmup-ratio", Kind::Number(SHARE), Role::Decides, "The same as a share of all steps; unless one of the three is given, 0.05")
        .also(&["warmup-proportion"]),
    Key::new(
        "train.ema",
        Kind::Number(BELOW_ONE),
        Role::Decides,
        "How much of the weights' moving average each step keeps; the average is then validated and kept. 0 keeps none",
    )
    .also(&["ema-decay", "model-ema-decay", "model-ema"]),
    Key::new(
        "train.precise-bn",
        Kind::Whole(0, 10_000_000),
        Role::Decides,
        "Images over which BatchNorm's statistics are taken anew before each validation; 0 validates with the running ones",
    ),
    Key::new(
        "train.class-weights",
        Kind::Written {
            expected: "\"balanced\" or a list with a number for each class, 0 or more and one of them above 0",
            example: "\"balanced\"",
            check: ClassWeights::check,
        },
        Role::Decides,
        "What each class counts for in the cross-entropy: \"balanced\", or a weight a class; the same for all where it is left out",
    )
    .read(LABELS_COUNT)
    .also(&["class-weight"]),
    Key::new("train.seed", Kind::Whole(0, ANY), Role::Seed, "Fixes initial weights, order and dropout")
        .also(&["random-seed", "manual-seed"]),
    Key::new(
        "train.tensorboard",
        Kind::Whole(0, ANY),
        Role::Machine,
        "Steps between two points of the training curves in TensorBoard's event file; 0 writes none",
    )
    .also(&["logging-steps", "log-every-n-steps", "log-interval"]),
    Key::new(
        "train.checkpoint-steps",
        Kind::Whole(0, ANY),
        Role::Machine,
        "Steps between checkpoints, beside the one after every epoch; 0 for none",
    )
    .also(&["save-steps"]),
    Key::new(
        "train.checkpoint-minutes",
        Kind::Number(Range::closed(0.0, 7.0 * 24.0 * 60.0)),
        Role::Machine,
        "Minutes after which a checkpoint is written where none was; 0 for none",
    ),
    Key::new(
        "train.keep-checkpoints",
        Kind::Whole(0, ANY),
        Role::Machine,
        "How many checkpoints are kept, the last ones and that of the best epoch, also of a finished run; 0 keeps the last two, and none of a finished run",
    )
    .also(&["save-total-limit", "save-top-k"]),
    Key::new(
        "train.precision",
        Kind::OneOf(Precision::NAMES),
        Role::Decides,
        "What the products of the layers are computed in while the student trains; bfloat16 needs a GPU that has it",
    )
    .also(&["bf16", "mixed-precision", "amp"]),
    Key::new(
        "train.device",
        Kind::Written { expected: "a device such as \"auto\", \"cpu\" or \"cuda:0\"", example: "\"cuda:0\"", check: parses::<StudentDevice> },
        Role::Machine,
        "Where the student trains: \"auto\", \"cpu\", \"cuda:N\", \"vulkan:N\", \"metal:N\" or \"wgpu:N\"",
    ),
    Key::new(
        "train.dir",
        Kind::Path,
        Role::Name,
        "The folder that holds runs; --runs-dir and DECANT_RUNS come before it",
    )
    .also(&["output-dir", "out-dir", "save-dir", "runs-dir"]),
    Key::new("train.name", Kind::Text, Role::Name, "What people call the run; no part of its key or its files' bytes")
        .also(&["run-name", "experiment-name"]),
    Key::new("train.tags", Kind::Texts, Role::Name, "Words to find the run by; no part of its key or its files' bytes"),
];

/// The keys of losses' parameters, each read by its own loss.
pub(super) fn loss_keys() -> Vec<Key> {
    let of = |loss: &Loss| {
        let name = loss.name();
        // There are as many as there are losses, and they live as long as the program.
        let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
        let with: &'static [&'static str] = Box::leak(Box::new([leak(format!("train.loss={name}"))]));
        let is_read = Condition {
            holds: |train: &Train, key| key.starts_with(&format!("train.{}.", train.loss.name())),
            text: leak(format!("with train.loss = \"{name}\"")),
            with,
            without: &["train.loss=std-kd"],
        };
        loss.declaration().parameters.iter().map(move |parameter| {
            let Parameter { key, range, about, .. } = *parameter;
            Key::new(key, Kind::Number(range), Role::TeacherTerm, about).read(is_read).read(TAUGHT)
        })
    };
    Loss::ALL.iter().flat_map(of).collect()
}
