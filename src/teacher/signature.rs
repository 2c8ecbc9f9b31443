//! A classifier's input and output among a model's, by name and else by shape.

use ort::session::Session;
use ort::value::{Outlet, TensorElementType, ValueType};

/// The element types that a teacher's input and output may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    Fp32,
    Fp16,
}

impl Precision {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Fp16 => "fp16",
        }
    }
}

/// The only input, of pixels, and the output of logits.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    pub input: String,
    pub input_precision: Precision,
    pub output: String,
    pub output_precision: Precision,
    /// The batch size that the model is fixed to.
    pub batch: Option<usize>,
    /// Height and width, where the model is fixed to them.
    pub size: Option<(u32, u32)>,
    /// The number of logits, where the model states it.
    pub classes: Option<usize>,
}

/// The largest batch size that a model may be fixed to: each call is filled up to it.
const LARGEST_BATCH: usize = 4096;

/// The expected and the found signature.
pub(super) type Mismatch = (&'static str, String);

impl Signature {
    /// Finds `pixel_values` `[batch, 3, height, width]` and `logits` `[batch, classes]`, or the only ones of such shapes.
    pub(crate) fn of(session: &Session) -> Result<Self, Mismatch> {
        const INPUT: &str = "one input pixel_values [batch, 3, height, width] of float or float16";
        const OUTPUT: &str = "an output logits [batch, classes] of float or float16";

        const BATCH: &str =
            "a batch of 1 to 4096 images, or of any size (export it with a dynamic batch dimension)";

        let (inputs, outputs) = (session.inputs(), session.outputs());
        let [_] = inputs else { return Err((INPUT, listed("inputs", inputs))) };
        let input = pick(inputs, "pixel_values", 4).filter(|input| matches!(input.shape[1], 3 | -1));
        let input = input.ok_or_else(|| (INPUT, listed("inputs", inputs)))?;
        let output = pick(outputs, "logits", 2).ok_or_else(|| (OUTPUT, listed("outputs", outputs)))?;
        let batch = fixed(input.shape[0]);
        if batch.is_some_and(|batch| !(1..=LARGEST_BATCH).contains(&batch)) {
            return Err((BATCH, format!("a batch that is fixed to {}", input.shape[0])));
        }
        let size = fixed(input.shape[2]).zip(fixed(input.shape[3]));
        Ok(Self {
            input: input.name.to_owned(),
            input_precision: input.precision,
            output: output.name.to_owned(),
            output_precision: output.precision,
            batch,
            size: size.map(|(height, width)| (height as u32, width as u32)),
            classes: fixed(output.shape[1]),
        })
    }
}

struct Candidate<'a> {
    name: &'a str,
    precision: Precision,
    shape: &'a [i64],
}

/// The float tensor of `rank` dimensions called `name`, or the only float tensor of that rank.
fn pick<'a>(outlets: &'a [Outlet], name: &str, rank: usize) -> Option<Candidate<'a>> {
    let candidates: Vec<Candidate> = outlets
        .iter()
        .filter_map(|outlet| {
            let precision = match outlet.dtype().tensor_type()? {
                TensorElementType::Float32 => Precision::Fp32,
                TensorElementType::Float16 => Precision::Fp16,
                _ => return None,
            };
            let shape = outlet.dtype().tensor_shape()?;
            (shape.len() == rank).then_some(Candidate { name: outlet.name(), precision, shape })
        })
        .collect();
    let named = candidates.iter().position(|candidate| candidate.name == name);
    let index = named.or((candidates.len() == 1).then_some(0))?;
    candidates.into_iter().nth(index)
}

/// A dimension whose size the model states.
fn fixed(dimension: i64) -> Option<usize> {
    usize::try_from(dimension).ok()
}

/// `the inputs input_ids [batch, 128] of int64`, for messages.
fn listed(kind: &str, outlets: &[Outlet]) -> String {
    let each: Vec<String> =
        outlets.iter().map(|outlet| format!("{} {}", outlet.name(), described(outlet.dtype()))).collect();
    if each.is_empty() { format!("no {kind}") } else { format!("the {kind} {}", each.join(", ")) }
}

fn described(dtype: &ValueType) -> String {
    let ValueType::Tensor { ty, shape, dimension_symbols } = dtype else { return dtype.to_string() };
    let symbols = dimension_symbols.iter().map(String::as_str).chain(std::iter::repeat(""));
    let dimensions: Vec<String> = shape
        .iter()
        .zip(symbols)
        .map(|(&size, symbol)| match (size, symbol) {
            (-1, "") => "?".to_owned(),
            (-1, symbol) => symbol.to_owned(),
            (size, _) => size.to_string(),
        })
        .collect();
    format!("[{}] of {ty}", dimensions.join(", "))
}
