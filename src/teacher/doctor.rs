//! What there is to run a teacher with, as data.

use super::Error;
use super::provider::Provider;
use super::runtime::{self, Found};

/// The library and what it can run on here.
#[derive(Debug)]
pub struct Health {
    /// The ONNX Runtime library, or why there is none.
    pub library: Result<Found, Error>,
    /// Each provider; empty without a library.
    pub providers: Vec<ProviderHealth>,
}

/// One execution provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderHealth {
    /// `cpu`, `cuda:0` or `tensorrt:0`, as `teacher.device` takes it.
    pub device: String,
    /// What is missing, each with what to do; empty where it can be used.
    pub missing: Vec<String>,
}

/// Looks for the library, loads it, and asks what each provider lacks.
pub fn examine() -> Health {
    match runtime::load() {
        Err(error) => Health { library: Err(error), providers: Vec::new() },
        Ok(runtime) => {
            let providers = [Provider::Cpu, Provider::Cuda(0), Provider::TensorRt(0)];
            let health = |provider: Provider| ProviderHealth {
                device: provider.to_string(),
                missing: provider.missing(runtime),
            };
            Health { library: Ok(runtime.found.clone()), providers: providers.map(health).to_vec() }
        }
    }
}
