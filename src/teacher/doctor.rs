//! The library and the execution providers of this machine, examined.

use ort::session::Session;
use ort::value::TensorRef;

use super::Error;
use super::provider::{self, Options};
use super::runtime::{self, Found, Runtime, Search};
use super::session::plain_reason;
use crate::config::{Provider, ProviderDevice};
use crate::support::onnx::{self, Dim, ElementType, Graph, Node, ValueInfo};

/// The library and what it can run on here.
#[derive(Debug)]
pub struct Health {
    /// The ONNX Runtime library, or why there is none.
    pub library: Result<Found, Error>,
    /// Every place that was looked at, in words.
    pub looked: Vec<String>,
    /// Each provider; empty without a library.
    pub providers: Vec<ProviderHealth>,
}

/// One execution provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderHealth {
    /// The first device of it.
    pub device: ProviderDevice,
    /// Whether the library was built with it.
    pub built_in: bool,
    /// The missing parts, each with what to do; empty where it ran a model of one node.
    pub missing: Vec<String>,
}

/// Looks for the library, loads it, and runs a model of one node on each provider that it has.
pub fn examine() -> Health {
    let looked = Search::of_this_process().looked();
    match runtime::load() {
        Err(error) => Health { library: Err(error), looked, providers: Vec::new() },
        Ok(runtime) => {
            let providers = Provider::ALL.map(|provider| health(provider, runtime)).to_vec();
            Health { library: Ok(runtime.found.clone()), looked, providers }
        }
    }
}

fn health(provider: Provider, runtime: &Runtime) -> ProviderHealth {
    let device = ProviderDevice { provider, index: 0 };
    let mut missing = provider::missing(provider, runtime);
    if missing.is_empty() {
        missing.extend(run_one_node(device, runtime).err());
    }
    ProviderHealth { device, built_in: provider::is_built_in(provider), missing }
}

/// A model of one node, `y = Relu(x)` over one float32.
fn one_node() -> Vec<u8> {
    let value = |name: &str| ValueInfo::new(name, ElementType::Float32, [Dim::fixed(1)]);
    let mut graph = Graph { name: "relu".to_owned(), ..Graph::default() };
    graph.nodes.push(Node::new("Relu", &["x"], "y", Vec::new()));
    graph.inputs.push(value("x"));
    graph.outputs.push(value("y"));
    onnx::model(graph, Vec::new())
}

fn run_one_node(device: ProviderDevice, runtime: &Runtime) -> Result<(), String> {
    let reason = |error: ort::Error| plain_reason(&error);
    let dispatches = provider::dispatches(device, runtime, &Options::default())?;
    let mut session = Session::builder(&runtime.environment)
        .and_then(|builder| Ok(builder.with_execution_providers(dispatches)?.with_intra_threads(1)?))
        .and_then(|mut builder| builder.commit_from_memory(&one_node()))
        .map_err(reason)?;
    let input = TensorRef::from_array_view(([1], &[-1.0_f32][..])).map_err(reason)?;
    let outputs = session.run([input.into()]).map_err(reason)?;
    let (_, values) = outputs[0].try_extract_tensor::<f32>().map_err(reason)?;
    if values == [0.0] { Ok(()) } else { Err(format!("Relu of -1 came out as {values:?}")) }
}
