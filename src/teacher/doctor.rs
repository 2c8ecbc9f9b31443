//! What there is to run a teacher with, as data.

use super::Error;
use super::provider;
use super::runtime::{self, Found};
use crate::config::{Provider, ProviderDevice};

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
    /// The first device of it.
    pub device: ProviderDevice,
    /// What is missing, each with what to do; empty where it can be used.
    pub missing: Vec<String>,
}

/// Looks for the library, loads it, and asks what each provider lacks.
pub fn examine() -> Health {
    match runtime::load() {
        Err(error) => Health { library: Err(error), providers: Vec::new() },
        Ok(runtime) => {
            let health = |provider| ProviderHealth {
                device: ProviderDevice { provider, index: 0 },
                missing: provider::missing(provider, runtime),
            };
            Health { library: Ok(runtime.found.clone()), providers: Provider::ALL.map(health).to_vec() }
        }
    }
}
