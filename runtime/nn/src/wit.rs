//! wasi:nn and cinecor:inference for a wasmtime linker: turns guests' calls into calls of [`Nn`] and back, and keeps count of what one
//! store's guest holds. No engine is known here.

use crate::nn::{LoadedGraph, Nn};
use crate::source::Encoding;
use crate::stats::ComputeReport;
use crate::tensor::RANK_MAX;
use crate::{Error, ErrorCode, Tensor, TensorType, byte_length};
use bindings::cinecor::inference::{concurrent, graphs};
use bindings::wasi::nn::{errors, graph, inference, tensor};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use wasmtime::component::{Accessor, HasData, Linker, Resource, ResourceTable};

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated from the WIT, which documents itself"
)]
mod bindings {
    wasmtime::component::bindgen!({
        inline: "
            package cinecor:nn-host;
            world host {
                import wasi:nn/tensor@0.2.0-rc-2024-10-28;
                import wasi:nn/graph@0.2.0-rc-2024-10-28;
                import wasi:nn/inference@0.2.0-rc-2024-10-28;
                import wasi:nn/errors@0.2.0-rc-2024-10-28;
                import cinecor:inference/graphs@0.1.0;
                import cinecor:inference/concurrent@0.1.0;
            }
        ",
        path: ["../../wit/deps/wasi-nn@0.2.0-rc-2024-10-28", "../../wit/cinecor-inference"],
        with: {
            "wasi:nn/graph.graph": crate::nn::LoadedGraph,
            "wasi:nn/inference.graph-execution-context": super::ExecutionContext,
            "wasi:nn/tensor.tensor": super::GuestTensor,
            "wasi:nn/errors.error": crate::Error,
        },
        imports: {
            // The guest waits for these, the host's event loop does not.
            "wasi:nn/graph.load": async | trappable,
            "wasi:nn/graph.load-by-name": async | trappable,
            "wasi:nn/inference.[method]graph-execution-context.compute": async | trappable,
            "cinecor:inference/graphs.describe": async | trappable,
            // For this one its caller alone waits.
            "cinecor:inference/concurrent.compute": async | store | trappable,
            default: trappable,
        },
    });
}

/// Inference as one store's guest sees it. Make one for each store; all share one [`Nn`].
pub struct NnCtx {
    nn: Nn,
    /// Of tensors in the guest's hands.
    tensor_bytes: usize,
    /// Of computes under way.
    under_way: UnderWay,
    report: ComputeReport,
    computes: u64,
}

impl NnCtx {
    /// A store's share of `nn`.
    pub fn new(nn: Nn) -> Self {
        Self {
            nn,
            tensor_bytes: 0,
            under_way: UnderWay::default(),
            report: ComputeReport::default(),
            computes: 0,
        }
    }

    /// How many computes this store's guest has made, and the time that they waited and took in all.
    pub fn report(&self) -> (u64, ComputeReport) {
        (self.computes, self.report)
    }

    /// Bytes of tensors that the guest holds now, and of those that are being computed for it.
    pub fn tensor_bytes(&self) -> usize {
        self.tensor_bytes
            .saturating_add(self.under_way.bytes.load(Relaxed))
    }

    fn release(&mut self, tensor: &GuestTensor) {
        self.tensor_bytes = self.tensor_bytes.saturating_sub(tensor.data.len());
    }
}

/// A store's [`NnCtx`] and its table of resources.
pub struct NnCtxView<'a> {
    /// What the store knows of inference.
    pub ctx: &'a mut NnCtx,
    /// The store's resources.
    pub table: &'a mut ResourceTable,
}

/// What the data of a store has to offer for guests to be able to infer.
pub trait NnView: Send {
    /// The store's inference and resources.
    fn nn(&mut self) -> NnCtxView<'_>;
}

/// Adds wasi:nn@0.2.0-rc-2024-10-28 and the interfaces of cinecor:inference@0.1.0 to a linker. The engine's stores must be asynchronous, and
/// run inside a tokio runtime.
///
/// # Errors
/// When the linker has one of the interfaces already; when `Config::concurrency_support` is off.
pub fn add_to_linker<T: NnView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    tensor::add_to_linker::<T, Nested>(linker, T::nn)?;
    errors::add_to_linker::<T, Nested>(linker, T::nn)?;
    graph::add_to_linker::<T, Nested>(linker, T::nn)?;
    inference::add_to_linker::<T, Nested>(linker, T::nn)?;
    graphs::add_to_linker::<T, Nested>(linker, T::nn)?;
    concurrent::add_to_linker::<T, Nested>(linker, T::nn)
}

struct Nested;

impl HasData for Nested {
    type Data<'a> = NnCtxView<'a>;
}

/// A tensor in a guest's hands. Its constructor cannot fail in wasi:nn: what is wrong with it is told when it is used.
pub struct GuestTensor {
    dims: Vec<u32>,
    ty: TensorType,
    data: Vec<u8>,
    /// Why the data was not taken.
    refused: Option<Error>,
}

/// A graph to compute with. Holds nothing of its own: computes of one context do not see one another.
pub struct ExecutionContext(LoadedGraph);

/// Computes that one guest may have under way at once: they hold places in a queue that all share.
pub const UNDER_WAY_MAX: usize = 8;

/// What the computes under way of one store hold.
#[derive(Clone, Default)]
struct UnderWay {
    computes: Arc<AtomicUsize>,
    bytes: Arc<AtomicUsize>,
}

impl UnderWay {
    /// Counts one compute more, until what is given is dropped.
    fn begin(&self, bytes: usize) -> Result<Held, Error> {
        if self.computes.fetch_add(1, Relaxed) >= UNDER_WAY_MAX {
            self.computes.fetch_sub(1, Relaxed);
            return Err(Error::new(
                ErrorCode::Timeout,
                format!(
                    "busy: {UNDER_WAY_MAX} computes of this guest are under way already; wait for one of them"
                ),
            ));
        }
        self.bytes.fetch_add(bytes, Relaxed);
        Ok(Held {
            of: self.clone(),
            bytes,
        })
    }
}

/// A compute that is counted.
struct Held {
    of: UnderWay,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.of.computes.fetch_sub(1, Relaxed);
        self.of.bytes.fetch_sub(self.bytes, Relaxed);
    }
}

/// A compute under way, which needs nothing of its store until it ends.
struct Work {
    nn: Nn,
    graph: LoadedGraph,
    inputs: Result<(Vec<(String, Tensor)>, Held), Error>,
}

/// What a compute gives, and the time it took.
type Computed = (Vec<(String, Tensor)>, ComputeReport);

impl Work {
    async fn done(self) -> Result<Computed, Error> {
        let (inputs, _held) = self.inputs?;
        self.nn.compute(&self.graph, inputs).await
    }
}

/// The outcome of a call, with the guest's kind of error.
type Answer<T> = wasmtime::Result<Result<T, Resource<Error>>>;

impl NnCtxView<'_> {
    fn answer<T>(&mut self, outcome: Result<T, Error>) -> Answer<T> {
        Ok(match outcome {
            Ok(value) => Ok(value),
            Err(error) => {
                tracing::debug!(code = ?error.code, text = error.text, "an error value for a guest");
                Err(self.table.push(error)?)
            }
        })
    }

    /// Takes the tensors of a compute out of the guest's hands; what fits or not is told afterwards, when all are taken.
    fn take(
        &mut self,
        inputs: Vec<inference::NamedTensor>,
    ) -> wasmtime::Result<Result<Vec<(String, Tensor)>, Error>> {
        let mut taken = Ok(Vec::with_capacity(inputs.len()));
        for (name, tensor) in inputs {
            let tensor = self.table.delete(tensor)?;
            self.ctx.release(&tensor);
            if let Ok(tensors) = &mut taken {
                let GuestTensor {
                    dims,
                    ty,
                    data,
                    refused,
                } = tensor;
                let checked = refused.map_or_else(|| Tensor::new(dims, ty, data), Err);
                match checked {
                    Ok(tensor) => tensors.push((name, tensor)),
                    Err(error) => {
                        taken = Err(Error::new(error.code, format!("input {name:?}: {error}")))
                    }
                }
            }
        }
        Ok(taken)
    }

    /// Gives outputs into the guest's hands, if it may hold that much.
    fn give(
        &mut self,
        outputs: Vec<(String, Tensor)>,
    ) -> wasmtime::Result<Result<Vec<inference::NamedTensor>, Error>> {
        let bytes = outputs
            .iter()
            .map(|(_, tensor)| tensor.data().len())
            .fold(0, usize::saturating_add);
        if let Err(error) = self.room(bytes) {
            return Ok(Err(error));
        }
        let mut given = Vec::with_capacity(outputs.len());
        for (name, tensor) in outputs {
            let (dims, ty, data) = tensor.into_parts();
            self.ctx.tensor_bytes += data.len();
            given.push((
                name,
                self.table.push(GuestTensor {
                    dims,
                    ty,
                    data,
                    refused: None,
                })?,
            ));
        }
        Ok(Ok(given))
    }

    /// What a compute is, apart from the store that it is of.
    fn begin(
        &mut self,
        context: &Resource<ExecutionContext>,
        inputs: Vec<inference::NamedTensor>,
    ) -> wasmtime::Result<Work> {
        let inputs = self.take(inputs)?.and_then(|inputs| {
            let bytes = inputs.iter().map(|(_, tensor)| tensor.data().len()).sum();
            Ok((inputs, self.ctx.under_way.begin(bytes)?))
        });
        Ok(Work {
            inputs,
            graph: self.table.get(context)?.0.clone(),
            nn: self.ctx.nn.clone(),
        })
    }

    /// Counts a compute, and gives the guest what came of it.
    fn end(&mut self, outcome: Result<Computed, Error>) -> Answer<Vec<inference::NamedTensor>> {
        let given = match outcome {
            Ok((outputs, report)) => {
                self.ctx.computes += 1;
                self.ctx.report.waited += report.waited;
                self.ctx.report.computed += report.computed;
                self.give(outputs)?
            }
            Err(error) => Err(error),
        };
        self.answer(given)
    }

    fn loaded(&mut self, loaded: Result<LoadedGraph, Error>) -> Answer<Resource<LoadedGraph>> {
        match loaded {
            Ok(graph) => Ok(Ok(self.table.push(graph)?)),
            Err(error) => self.answer(Err(error)),
        }
    }

    fn room(&self, bytes: usize) -> Result<(), Error> {
        let limit = self.ctx.nn.config().tensor_bytes_max;
        let held = self.ctx.tensor_bytes();
        if held.saturating_add(bytes) > limit {
            return Err(Error::too_large(format!(
                "{bytes} bytes of tensors on top of {held} are more than the {limit} that a guest may hold; drop tensors that are done with"
            )));
        }
        Ok(())
    }
}

impl graph::Host for NnCtxView<'_> {
    async fn load(
        &mut self,
        parts: Vec<graph::GraphBuilder>,
        encoding: graph::GraphEncoding,
        target: graph::ExecutionTarget,
    ) -> Answer<Resource<LoadedGraph>> {
        let encoding = match encoding {
            graph::GraphEncoding::Onnx => Encoding::Onnx,
            graph::GraphEncoding::Openvino => Encoding::Openvino,
            graph::GraphEncoding::Autodetect => Encoding::Autodetect,
            _ => Encoding::Other,
        };
        let device = match target {
            graph::ExecutionTarget::Cpu => "cpu",
            graph::ExecutionTarget::Gpu => "gpu",
            graph::ExecutionTarget::Tpu => "npu",
        };
        let loaded = self.ctx.nn.load(parts, encoding, device).await;
        self.loaded(loaded)
    }

    async fn load_by_name(&mut self, name: String) -> Answer<Resource<LoadedGraph>> {
        let loaded = self.ctx.nn.load_by_name(name).await;
        self.loaded(loaded)
    }
}

impl graph::HostGraph for NnCtxView<'_> {
    fn init_execution_context(
        &mut self,
        graph: Resource<LoadedGraph>,
    ) -> Answer<Resource<ExecutionContext>> {
        let graph = self.table.get(&graph)?.clone();
        Ok(Ok(self.table.push(ExecutionContext(graph))?))
    }

    fn drop(&mut self, graph: Resource<LoadedGraph>) -> wasmtime::Result<()> {
        self.table.delete(graph)?;
        Ok(())
    }
}

impl inference::Host for NnCtxView<'_> {}

impl inference::HostGraphExecutionContext for NnCtxView<'_> {
    async fn compute(
        &mut self,
        context: Resource<ExecutionContext>,
        inputs: Vec<inference::NamedTensor>,
    ) -> Answer<Vec<inference::NamedTensor>> {
        let work = self.begin(&context, inputs)?;
        let outcome = work.done().await;
        self.end(outcome)
    }

    fn drop(&mut self, context: Resource<ExecutionContext>) -> wasmtime::Result<()> {
        self.table.delete(context)?;
        Ok(())
    }
}

impl tensor::Host for NnCtxView<'_> {}

impl tensor::HostTensor for NnCtxView<'_> {
    fn new(
        &mut self,
        dims: tensor::TensorDimensions,
        ty: tensor::TensorType,
        data: tensor::TensorData,
    ) -> wasmtime::Result<Resource<GuestTensor>> {
        let ty = from_wit(ty);
        let fits = byte_length(&dims, ty).and_then(|_| self.room(data.len()));
        let (data, refused) = match fits {
            Ok(()) => (data, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        // Dimensions that no tensor has are not kept: they are memory of the host as well.
        let mut dims = dims;
        dims.truncate(RANK_MAX);
        dims.shrink_to_fit();
        self.ctx.tensor_bytes += data.len();
        Ok(self.table.push(GuestTensor {
            dims,
            ty,
            data,
            refused,
        })?)
    }

    fn dimensions(
        &mut self,
        tensor: Resource<GuestTensor>,
    ) -> wasmtime::Result<tensor::TensorDimensions> {
        Ok(self.table.get(&tensor)?.dims.clone())
    }

    fn ty(&mut self, tensor: Resource<GuestTensor>) -> wasmtime::Result<tensor::TensorType> {
        Ok(to_wit(self.table.get(&tensor)?.ty))
    }

    fn data(&mut self, tensor: Resource<GuestTensor>) -> wasmtime::Result<tensor::TensorData> {
        Ok(self.table.get(&tensor)?.data.clone())
    }

    fn drop(&mut self, tensor: Resource<GuestTensor>) -> wasmtime::Result<()> {
        let tensor = self.table.delete(tensor)?;
        self.ctx.release(&tensor);
        Ok(())
    }
}

impl errors::Host for NnCtxView<'_> {}

impl errors::HostError for NnCtxView<'_> {
    fn code(&mut self, error: Resource<Error>) -> wasmtime::Result<errors::ErrorCode> {
        Ok(match self.table.get(&error)?.code {
            ErrorCode::InvalidArgument => errors::ErrorCode::InvalidArgument,
            ErrorCode::InvalidEncoding => errors::ErrorCode::InvalidEncoding,
            ErrorCode::Timeout => errors::ErrorCode::Timeout,
            ErrorCode::RuntimeError => errors::ErrorCode::RuntimeError,
            ErrorCode::UnsupportedOperation => errors::ErrorCode::UnsupportedOperation,
            ErrorCode::TooLarge => errors::ErrorCode::TooLarge,
            ErrorCode::NotFound => errors::ErrorCode::NotFound,
            ErrorCode::Security => errors::ErrorCode::Security,
            ErrorCode::Unknown => errors::ErrorCode::Unknown,
        })
    }

    fn data(&mut self, error: Resource<Error>) -> wasmtime::Result<String> {
        Ok(self.table.get(&error)?.text.clone())
    }

    fn drop(&mut self, error: Resource<Error>) -> wasmtime::Result<()> {
        self.table.delete(error)?;
        Ok(())
    }
}

impl concurrent::Host for NnCtxView<'_> {}

impl<T: Send> concurrent::HostWithStore<T> for Nested {
    async fn compute(
        store: &Accessor<T, Self>,
        context: Resource<ExecutionContext>,
        inputs: Vec<inference::NamedTensor>,
    ) -> Answer<Vec<inference::NamedTensor>> {
        let work = store.with(|mut store| store.get().begin(&context, inputs))?;
        let outcome = work.done().await;
        store.with(|mut store| store.get().end(outcome))
    }
}

impl graphs::Host for NnCtxView<'_> {
    async fn describe(
        &mut self,
        name: String,
    ) -> wasmtime::Result<Result<graphs::GraphInfo, graphs::Error>> {
        Ok(match self.ctx.nn.describe(name).await {
            Ok(info) => Ok(graphs::GraphInfo {
                digest: info.digest,
                engine: info.engine,
                engine_version: info.engine_version,
                device: info.device,
                precision: info.precision.to_string(),
                reason: info.reason,
                loaded: info.loaded,
                batch: info.batch,
            }),
            Err(error) if error.code == ErrorCode::NotFound => {
                Err(graphs::Error::NotFound(error.text))
            }
            Err(error)
                if matches!(
                    error.code,
                    ErrorCode::Security | ErrorCode::UnsupportedOperation
                ) =>
            {
                Err(graphs::Error::Refused(error.text))
            }
            Err(error) => Err(graphs::Error::Unavailable(error.text)),
        })
    }
}

fn from_wit(ty: tensor::TensorType) -> TensorType {
    match ty {
        tensor::TensorType::Fp16 => TensorType::Fp16,
        tensor::TensorType::Fp32 => TensorType::Fp32,
        tensor::TensorType::Fp64 => TensorType::Fp64,
        tensor::TensorType::Bf16 => TensorType::Bf16,
        tensor::TensorType::U8 => TensorType::U8,
        tensor::TensorType::I32 => TensorType::I32,
        tensor::TensorType::I64 => TensorType::I64,
    }
}

fn to_wit(ty: TensorType) -> tensor::TensorType {
    match ty {
        TensorType::Fp16 => tensor::TensorType::Fp16,
        TensorType::Fp32 => tensor::TensorType::Fp32,
        TensorType::Fp64 => tensor::TensorType::Fp64,
        TensorType::Bf16 => tensor::TensorType::Bf16,
        TensorType::U8 => tensor::TensorType::U8,
        TensorType::I32 => tensor::TensorType::I32,
        TensorType::I64 => tensor::TensorType::I64,
    }
}
