//! What a component that itself exports wasi:nn is made of, whatever its engine: resources, and the places where graphs lie. The engine, the names
//! of graphs and every check are `cinecor-nn`'s.

use std::cell::OnceCell;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;

use crate::bindings::exports::cinecor::inference::{concurrent, graphs};
use crate::bindings::exports::wasi::nn::{errors, graph, inference, tensor};
use crate::bindings::fermyon::spin::key_value::{Error as StoreError, Store};
use crate::kinds;
use cinecor_nn::{Alone, AloneGraph, Error, ErrorCode, GraphStore};

/// Where the manifest mounts the packages that ship: `<name>/<version>/model.onnx`.
const MODELS: &str = "/models";

/// The key-value store of packages that were uploaded: the one label that stock Spin has without configuration.
const STORE: &str = "default";

/// An engine, before it is opened.
pub trait Engine {
    /// Opens it for the graphs in the folders `models`, and for those in `uploaded`.
    ///
    /// # Errors
    /// A sentence that says which setting is missing or cannot be used, and how it is given.
    fn open(models: Vec<PathBuf>, uploaded: Arc<dyn GraphStore>) -> Result<Alone, String>;
}

/// A component that infers with `E`.
#[derive(Debug)]
pub struct Provider<E>(PhantomData<E>);

thread_local! {
    // One component is one `E`; it has one thread, and an instance one engine.
    static ENGINE: OnceCell<Result<Alone, Error>> = const { OnceCell::new() };
}

/// Does `work` with the engine, which is opened when it is first asked for.
fn with_engine<E: Engine, T>(work: impl FnOnce(&Alone) -> Result<T, Error>) -> Result<T, Error> {
    ENGINE.with(|engine| {
        let opened = engine.get_or_init(|| {
            let models = PathBuf::from(MODELS);
            // Whoever is granted no files has the store alone.
            let models = models.is_dir().then_some(models).into_iter().collect();
            E::open(models, Arc::new(Uploaded))
                .map_err(|error| Error::new(ErrorCode::RuntimeError, error))
        });
        work(opened.as_ref().map_err(Clone::clone)?)
    })
}

/// Packages that were uploaded.
struct Uploaded;

impl GraphStore for Uploaded {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        match Store::open(STORE) {
            Ok(store) => store.get(key).map_err(|error| format!("{error:?}")),
            // Whoever is granted no store has the files alone.
            Err(StoreError::AccessDenied | StoreError::NoSuchStore) => Ok(None),
            Err(error) => Err(format!("{error:?}")),
        }
    }
}

/// A tensor as its caller made it; what is wrong with it is told when it is used, because its constructor cannot fail.
pub struct Tensor {
    dimensions: Vec<u32>,
    ty: tensor::TensorType,
    data: Vec<u8>,
}

impl tensor::GuestTensor for Tensor {
    fn new(dimensions: Vec<u32>, ty: tensor::TensorType, data: Vec<u8>) -> Self {
        Self {
            dimensions,
            ty,
            data,
        }
    }

    fn dimensions(&self) -> Vec<u32> {
        self.dimensions.clone()
    }

    fn ty(&self) -> tensor::TensorType {
        self.ty
    }

    fn data(&self) -> Vec<u8> {
        self.data.clone()
    }
}

impl<E: Engine + 'static> tensor::Guest for Provider<E> {
    type Tensor = Tensor;
}

impl errors::GuestError for Error {
    fn code(&self) -> errors::ErrorCode {
        kinds::code(self.code)
    }

    fn data(&self) -> String {
        self.text.clone()
    }
}

impl<E: Engine + 'static> errors::Guest for Provider<E> {
    type Error = Error;
}

impl graph::GuestGraph for AloneGraph {
    fn init_execution_context(&self) -> Result<graph::GraphExecutionContext, graph::Error> {
        Ok(graph::GraphExecutionContext::new(self.clone()))
    }
}

impl<E: Engine + 'static> graph::Guest for Provider<E> {
    type Graph = AloneGraph;

    fn load(
        builder: Vec<graph::GraphBuilder>,
        encoding: graph::GraphEncoding,
        target: graph::ExecutionTarget,
    ) -> Result<graph::Graph, graph::Error> {
        let (encoding, device) = (kinds::encoding(encoding), kinds::device(target));
        with_engine::<E, _>(|engine| engine.load(builder, encoding, device))
            .map(graph::Graph::new)
            .map_err(graph::Error::new)
    }

    fn load_by_name(name: String) -> Result<graph::Graph, graph::Error> {
        with_engine::<E, _>(|engine| engine.load_by_name(&name))
            .map(graph::Graph::new)
            .map_err(graph::Error::new)
    }
}

impl inference::GuestGraphExecutionContext for AloneGraph {
    fn compute(
        &self,
        inputs: Vec<inference::NamedTensor>,
    ) -> Result<Vec<inference::NamedTensor>, inference::Error> {
        let taken: Result<Vec<_>, Error> = inputs
            .into_iter()
            .map(|(name, tensor)| {
                let tensor: Tensor = tensor.into_inner();
                let made = cinecor_nn::Tensor::new(
                    tensor.dimensions,
                    kinds::taken(tensor.ty),
                    tensor.data,
                );
                made.map(|made| (name.clone(), made))
                    .map_err(|error| Error::new(error.code, format!("input {name:?}: {error}")))
            })
            .collect();
        let outputs = taken.and_then(|inputs| AloneGraph::compute(self, inputs));
        let given = |(name, tensor): (String, cinecor_nn::Tensor)| {
            let (dimensions, ty, data) = tensor.into_parts();
            let tensor = Tensor {
                dimensions,
                ty: kinds::given(ty),
                data,
            };
            (name, inference::Tensor::new(tensor))
        };
        outputs
            .map(|outputs| outputs.into_iter().map(given).collect())
            .map_err(inference::Error::new)
    }
}

impl<E: Engine + 'static> inference::Guest for Provider<E> {
    type GraphExecutionContext = AloneGraph;
}

impl<E: Engine + 'static> concurrent::Guest for Provider<E> {
    /// While its caller stands still after all: an instance has one thread, and the way to a server elsewhere is synchronous.
    async fn compute(
        context: inference::GraphExecutionContextBorrow<'_>,
        inputs: Vec<inference::NamedTensor>,
    ) -> Result<Vec<inference::NamedTensor>, inference::Error> {
        inference::GuestGraphExecutionContext::compute(context.get::<AloneGraph>(), inputs)
    }
}

impl<E: Engine + 'static> graphs::Guest for Provider<E> {
    fn describe(name: String) -> Result<graphs::GraphInfo, graphs::Error> {
        with_engine::<E, _>(|_| Ok(()))
            .map_err(|error| graphs::Error::NotConfigured(error.text))?;
        match with_engine::<E, _>(|engine| engine.describe(&name)) {
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
            Err(error) => Err(match error.code {
                ErrorCode::NotFound => graphs::Error::NotFound(error.text),
                ErrorCode::Security | ErrorCode::UnsupportedOperation => {
                    graphs::Error::Refused(error.text)
                }
                _ => graphs::Error::Unavailable(error.text),
            }),
        }
    }
}
