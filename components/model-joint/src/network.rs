//! A loaded graph and its card: bytes and names on wasi:nn's side, values on ours. Nothing of pixels.

use std::borrow::Cow;

use crate::bindings::cinecor::inference::concurrent;
use crate::bindings::cinecor::inference::graphs::{self, GraphInfo};
use crate::bindings::exports::cinecor::model::segmenter::{Error, ModelPackage};
use crate::bindings::wasi::nn::errors::ErrorCode;
use crate::bindings::wasi::nn::graph::load_by_name;
use crate::bindings::wasi::nn::inference::GraphExecutionContext;
use crate::bindings::wasi::nn::tensor::{Tensor, TensorType};
use cinecor_model_card::Card;

/// A graph that is loaded, ready to compute.
pub struct Network {
    /// The text that `card` was read from: another text is another package.
    text: String,
    /// The precision that was asked for.
    asked: Option<String>,
    card: Card,
    info: GraphInfo,
    context: GraphExecutionContext,
}

/// The bytes of an output tensor.
pub struct Output(pub Vec<u8>);

impl std::fmt::Debug for Output {
    // An output is the picture of somebody's organs: its size is told, its content never.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Output of {} bytes", self.0.len())
    }
}

/// The name of the graph of `model` in its precision.
fn graph_name(model: &ModelPackage) -> String {
    match &model.precision {
        Some(precision) => format!("{}@{}:{precision}", model.name, model.version),
        None => format!("{}@{}", model.name, model.version),
    }
}

/// What the engine says of the graph of `model`.
pub(crate) fn inform(model: &ModelPackage) -> Result<GraphInfo, Error> {
    graphs::describe(&graph_name(model)).map_err(|error| match error {
        graphs::Error::NotFound(text) | graphs::Error::Refused(text)
            if model.precision.is_some() =>
        {
            Error::UnsupportedPrecision(text)
        }
        graphs::Error::NotFound(text) => Error::UnknownModel(text),
        graphs::Error::NotConfigured(text) => Error::NotConfigured(text),
        graphs::Error::Unavailable(text) | graphs::Error::Refused(text) => Error::Engine(text),
    })
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network")
            .field("graph", &self.card.graph_name())
            .field("digest", &self.info.digest)
            .finish_non_exhaustive()
    }
}

impl Network {
    /// Loads the graph that `info` describes, once the card is known to be the card of that graph.
    pub(crate) fn load(model: &ModelPackage, info: GraphInfo) -> Result<Network, Error> {
        let card =
            Card::parse(&model.card).map_err(|error| Error::InvalidCard(error.to_string()))?;
        let name = format!("{}@{}", model.name, model.version);
        if card.graph_name() != name {
            return Err(Error::InvalidCard(format!(
                "the card is that of {}, expected {name}",
                card.graph_name()
            )));
        }
        let graph = card.in_precision(&info.precision);
        let expected = graph.map_or("none", |graph| graph.file.digest.as_str());
        if expected != info.digest {
            return Err(Error::InvalidCard(format!(
                "the engine holds a graph of SHA-256 {} as {name} in {}, the card names {expected}: put the graph beside its own card",
                info.digest, info.precision
            )));
        }
        let context = load_by_name(&graph_name(model))
            .and_then(|graph| graph.init_execution_context())
            .map_err(|error| engine(&error))?;
        // What is known of the graph once it is loaded: an engine may choose its device only then.
        let info = inform(model)?;
        Ok(Network {
            text: model.card.clone(),
            asked: model.precision.clone(),
            card,
            info,
            context,
        })
    }

    /// Whether this is the network of `model`.
    pub(crate) fn is_of(&self, model: &ModelPackage) -> bool {
        self.card.name == model.name
            && self.card.version == model.version
            && self.asked == model.precision
            && self.text == model.card
    }

    /// Whether this is the network of `model` and its graph still the one that the engine would load.
    pub(crate) fn is(&self, model: &ModelPackage, info: &GraphInfo) -> bool {
        self.is_of(model)
            && self.info.digest == info.digest
            && self.info.engine == info.engine
            && self.info.device == info.device
            && self.info.precision == info.precision
    }

    pub(crate) fn card(&self) -> &Card {
        &self.card
    }

    pub(crate) fn info(&self) -> &GraphInfo {
        &self.info
    }

    /// Slices that one compute carries.
    pub(crate) fn batch(&self) -> usize {
        (self.info.batch as usize).max(1)
    }

    /// `values` as the input tensor of shape `[N, C, Y, X]`.
    ///
    /// # Errors
    /// A shape that no tensor can have.
    pub fn input(&self, shape: [usize; 4], values: &[f32]) -> Result<(String, Tensor), Error> {
        let mut dimensions = Vec::with_capacity(shape.len());
        for size in shape {
            dimensions.push(
                u32::try_from(size)
                    .map_err(|_| Error::UnsupportedGrid(format!("a tensor of {shape:?}")))?,
            );
        }
        let tensor = Tensor::new(&dimensions, TensorType::Fp32, bytemuck::cast_slice(values));
        Ok((self.card.input_name.clone(), tensor))
    }

    /// Runs the network; whoever called this component goes on meanwhile.
    ///
    /// # Errors
    /// What the engine says, and an output that is not there or not of float32.
    pub async fn compute(&self, input: (String, Tensor)) -> Result<Output, Error> {
        let outputs = concurrent::compute(&self.context, vec![input])
            .await
            .map_err(|error| engine(&error))?;
        let Some((_, tensor)) = outputs
            .into_iter()
            .find(|(name, _)| *name == self.card.output_name)
        else {
            return Err(Error::InvalidCard(format!(
                "the graph has no output `{}`",
                self.card.output_name
            )));
        };
        if tensor.ty() != TensorType::Fp32 {
            return Err(Error::InvalidCard(format!(
                "the output `{}` is not float32, as its card says",
                self.card.output_name
            )));
        }
        Ok(Output(tensor.data()))
    }
}

impl Output {
    /// The output as `expected` values.
    ///
    /// # Errors
    /// An output of another length.
    pub fn values(&self, expected: usize) -> Result<Cow<'_, [f32]>, Error> {
        if Some(self.0.len()) != expected.checked_mul(size_of::<f32>()) {
            return Err(Error::InvalidCard(format!(
                "the output has {} bytes, its card says {expected} values",
                self.0.len()
            )));
        }
        Ok(match bytemuck::try_cast_slice(&self.0) {
            Ok(values) => Cow::Borrowed(values),
            // The allocator aligns to eight bytes, but no rule says that it must.
            Err(_) => Cow::Owned(
                self.0
                    .chunks_exact(4)
                    .map(bytemuck::pod_read_unaligned)
                    .collect(),
            ),
        })
    }
}

/// A wasi:nn error in the interface's words.
fn engine(error: &crate::bindings::wasi::nn::errors::Error) -> Error {
    let text = error.data();
    match error.code() {
        ErrorCode::NotFound => Error::UnknownModel(text),
        ErrorCode::Timeout => Error::Busy(text),
        // wasi:nn's own word is no better; engines that are elsewhere use it for this alone.
        ErrorCode::Unknown => Error::Unreachable(text),
        ErrorCode::InvalidArgument | ErrorCode::InvalidEncoding => Error::InvalidCard(text),
        _ => Error::Engine(text),
    }
}
