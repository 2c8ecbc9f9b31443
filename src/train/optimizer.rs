//! From a pipeline file to burn's optimiser.

use burn::{
    module::ParamGroup,
    optim::{
        AdamConfig, LambConfig, LionConfig, ModuleOptimizer, RmsPropConfig, SgdConfig,
        decay::WeightDecayConfig, momentum::MomentumConfig,
    },
};

use crate::config::{Optimizer, Train};
use crate::student::kernels::AdamW;

/// Parameters of one dimension, by a part of their names: BatchNorm's and the classifier's bias.
const ONE_DIMENSION: [&str; 2] = ["normalization.", ".bias"];

/// The optimiser that `train` asks for, before its first step.
pub fn optimizer(train: &Train) -> ModuleOptimizer {
    let [beta_1, beta_2] = train.betas;
    match train.optimizer {
        Optimizer::AdamW => grouped(train, |decay| AdamW::new(train.betas, train.eps, decay)),
        Optimizer::Adam => grouped(train, |decay| {
            let adam = AdamConfig::new().with_beta_1(beta_1).with_beta_2(beta_2).with_epsilon(train.eps);
            adam.with_weight_decay(added(decay)).build()
        }),
        Optimizer::Sgd => grouped(train, |decay| {
            let momentum = (train.momentum > 0.0).then(|| {
                // burn's own default dampens by 0.1, PyTorch's not at all.
                let momentum = MomentumConfig::new().with_momentum(train.momentum).with_dampening(0.0);
                momentum.with_nesterov(train.nesterov)
            });
            SgdConfig::new().with_momentum(momentum).with_weight_decay(added(decay)).build()
        }),
        Optimizer::RmsProp => grouped(train, |decay| {
            let rmsprop = RmsPropConfig::new().with_alpha(train.alpha).with_epsilon(train.eps);
            rmsprop.with_momentum(train.momentum as f32).with_weight_decay(added(decay)).build()
        }),
        Optimizer::Lion => grouped(train, |decay| {
            LionConfig::new().with_beta_1(beta_1).with_beta_2(beta_2).with_weight_decay(decay).build()
        }),
        Optimizer::Lamb => grouped(train, |decay| {
            let lamb = LambConfig::new().with_beta_1(beta_1).with_beta_2(beta_2).with_epsilon(train.eps);
            lamb.with_weight_decay(decay).build()
        }),
    }
}

/// One optimiser for all parameters, or the same without weight decay for those of one dimension.
fn grouped<O: burn::optim::Optimizer>(train: &Train, with_decay: impl Fn(f32) -> O) -> ModuleOptimizer {
    let all = ModuleOptimizer::from(with_decay(train.weight_decay as f32));
    if train.decay_norm_and_bias {
        return all;
    }
    all.with_group(ParamGroup::from_any_predicates(ONE_DIMENSION.to_vec()), with_decay(0.0), None)
}

/// Weight decay that is added to the gradient; none where it is 0.
fn added(decay: f32) -> Option<WeightDecayConfig> {
    (decay > 0.0).then(|| WeightDecayConfig::new(decay))
}
