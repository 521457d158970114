//! Servers elsewhere that speak the Open Inference Protocol v2 over HTTP: Triton, OpenVINO Model Server, MLServer. How requests reach one is a
//! [`Transport`]: [`http`] on a host.
//!
//! A remote engine has its graphs already: a named graph is loaded by asking the server what it takes and gives, and holding that against the
//! graph that the host has under the name. That its numbers are those of the graph is for whoever set the server up; the digest that answers tell
//! is that of the host's graph. What is wrong with an answer is an error of the request, and makes the graph be looked at again before the next one.
//!
//! Nothing is sent twice: a server that goes away in the middle of a request fails that request.

#[cfg(feature = "kserve-http")]
pub(super) mod http;

use super::output;
use crate::config::{Config, TensorForm};
use crate::engine::{Engine, Graph, GraphFormat, GraphSource, RemoteModel};
use crate::signature::{Dim, TensorSpec};
use crate::{Error, Signature, Tensor, TensorType};
use cinecor_kserve::{
    Binding, Datatype, Form, Limits, ModelMetadata, Request, SERVER_METADATA, ServerMetadata,
    TensorMetadata, answer, infer_path, metadata_path, refusal, request,
};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The device of every remote engine: what it computes on is not known here.
pub(crate) const DEVICE: &str = "remote";

/// Items of a batch per compute: enough that the way there and back does not count.
const BATCH: u32 = 8;

/// Longest metadata or refusal that is read, in bytes.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// Takes requests to a server, and brings its answers. Redirects are not followed.
pub trait Transport: Send + Sync {
    /// Sends `request` by POST, or asks by GET when there is none, for a path that begins with `/v2`.
    ///
    /// # Errors
    /// Whatever kept the answer from arriving whole.
    fn exchange(
        &self,
        path: &str,
        request: Option<&Request>,
        answer_bytes_max: u64,
    ) -> Result<Reply, TransportError>;
}

/// What a server answered.
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Value of the header `Inference-Header-Content-Length`, where it has one.
    pub header_length: Option<String>,
    /// Its body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The server took longer than it has.
    #[error("the remote inference server did not answer within {0} ms")]
    Late(u64),
    /// No connection, or one that ended before the answer had.
    #[error(
        "the remote inference server cannot be reached, or went away before it had answered: {0}"
    )]
    Unreachable(String),
    /// The answer is longer than what is read.
    #[error("the remote inference server's answer has more than the {0} bytes that are read")]
    TooLong(u64),
    /// The request could not be made.
    #[error("{0}")]
    Own(String),
}

/// An engine that asks a server by `transport`.
pub fn kserve(transport: Box<dyn Transport>, config: &Config) -> Arc<dyn Engine> {
    let settings = &config.kserve;
    let server = Arc::new(Server {
        transport,
        answer_bytes_max: settings.answer_bytes_max,
        tensors: settings.tensors,
        limits: Limits {
            tensor_bytes_max: config.tensor_bytes_max,
            ..Limits::default()
        },
        version: OnceLock::new(),
    });
    let batch = if config.batch == 0 {
        BATCH
    } else {
        config.batch
    };
    Arc::new(Kserve {
        server,
        batch,
        in_flight_max: settings.in_flight_max.max(1),
    })
}

/// The server, and how it is spoken to.
struct Server {
    transport: Box<dyn Transport>,
    answer_bytes_max: u64,
    tensors: TensorForm,
    limits: Limits,
    /// Its name and version, once it has told them.
    version: OnceLock<String>,
}

impl Server {
    /// Asks the server what it is, and gives the form of tensors that it takes.
    fn greet(&self) -> Result<Form, Error> {
        let body = self.ask(SERVER_METADATA, "itself")?;
        let metadata = ServerMetadata::parse(&body).map_err(Error::runtime)?;
        let version = format!("{} {}", metadata.name, metadata.version);
        if self.version.get_or_init(|| version.clone()) != &version {
            tracing::info!(version, "the remote inference server is another now");
        }
        Ok(match self.tensors {
            TensorForm::Auto => metadata.form(),
            TensorForm::Binary => Form::Binary,
            TensorForm::Json => Form::Json,
        })
    }

    /// The body of what the server says of `what`.
    fn ask(&self, path: &str, what: &str) -> Result<Vec<u8>, Error> {
        let reply = self.exchange(path, None, TEXT_BYTES_MAX, what)?;
        Ok(reply.body)
    }

    /// An answer of status 200.
    fn exchange(
        &self,
        path: &str,
        request: Option<&Request>,
        answer_bytes_max: u64,
        what: &str,
    ) -> Result<Reply, Error> {
        let reply = self.transport.exchange(path, request, answer_bytes_max);
        let reply = reply.map_err(|error| match error {
            TransportError::Late(_) | TransportError::Unreachable(_) => Error::unanswered(error),
            TransportError::TooLong(_) | TransportError::Own(_) => Error::runtime(error),
        })?;
        if reply.status == 200 {
            return Ok(reply);
        }
        let status = reply.status;
        let says = refusal(&reply.body).map_or_else(String::new, |text| format!(": {text}"));
        let text =
            format!("the remote inference server answered {status} when asked for {what}{says}");
        Err(match status {
            // From who stands before a server that is gone, or from one that is starting, ending or full.
            429 | 502..=504 => Error::unanswered(text),
            404 => Error::not_found(text),
            401 | 403 => Error::runtime(format!("{text}; the settings give it a token")),
            _ => Error::runtime(text),
        })
    }
}

struct Kserve {
    server: Arc<Server>,
    batch: u32,
    in_flight_max: usize,
}

impl Engine for Kserve {
    fn name(&self) -> &'static str {
        "kserve"
    }

    fn version(&self) -> &str {
        self.server
            .version
            .get()
            .map_or("not known yet", String::as_str)
    }

    fn device(&self) -> &str {
        DEVICE
    }

    fn reads(&self, _: GraphFormat) -> bool {
        true
    }

    fn by_name(&self) -> bool {
        true
    }

    fn batch(&self) -> u32 {
        self.batch
    }

    fn at_work_max(&self) -> usize {
        self.in_flight_max
    }

    fn load(&self, source: &GraphSource) -> Result<Arc<dyn Graph>, Error> {
        let Some(RemoteModel { model, version }) = &source.remote else {
            return Err(Error::unsupported("kserve is told names of graphs alone"));
        };
        let named = |path: Result<String, cinecor_kserve::Error>| path.map_err(Error::not_found);
        let mut graph = RemoteGraph {
            server: self.server.clone(),
            metadata_path: named(metadata_path(model, version.as_deref()))?,
            infer_path: named(infer_path(model, version.as_deref()))?,
            signature: Signature::default(),
            met: Mutex::new(None),
            doubted: AtomicBool::new(false),
        };
        let metadata = graph.metadata()?;
        graph.signature = match &source.signature {
            Some(signature) => signature.clone(),
            None => signature(&metadata)?,
        };
        let met = graph.meet(&metadata)?;
        graph.met = Mutex::new(Some(Arc::new(met)));
        Ok(Arc::new(graph))
    }
}

struct RemoteGraph {
    server: Arc<Server>,
    metadata_path: String,
    infer_path: String,
    signature: Signature,
    met: Mutex<Option<Arc<Met>>>,
    /// Whether something went wrong since the server was last asked what it has.
    doubted: AtomicBool,
}

/// What was found out about the model when it was looked at.
struct Met {
    form: Form,
    /// Of each input of the signature, whether the server has it without dimensions.
    scalars: Vec<bool>,
    /// The outputs of the signature, as narrow as the server's words and the graph's are together.
    outputs: Vec<TensorMetadata>,
}

impl RemoteGraph {
    fn metadata(&self) -> Result<ModelMetadata, Error> {
        let body = self.server.ask(&self.metadata_path, "a model")?;
        ModelMetadata::parse(&body, &self.server.limits).map_err(Error::runtime)
    }

    /// Holds what the server says against what the graph takes and gives.
    fn meet(&self, metadata: &ModelMetadata) -> Result<Met, Error> {
        let form = self.server.greet()?;
        if let Some(more) = metadata.inputs.iter().find(|of| {
            !self
                .signature
                .inputs
                .iter()
                .any(|spec| spec.name == of.name)
        }) {
            return Err(Error::encoding(format!(
                "the remote model takes an input {:?} that the graph has not",
                more.name
            )));
        }
        let scalars = self.signature.inputs.iter().map(|spec| {
            let found = find(spec, &metadata.inputs, "take an input")?;
            narrowed(spec, found)?;
            Ok(found.shape.is_empty())
        });
        let scalars = scalars.collect::<Result<_, Error>>()?;
        let outputs = self.signature.outputs.iter().map(|spec| {
            let found = find(spec, &metadata.outputs, "give an output")?;
            Ok(TensorMetadata {
                shape: narrowed(spec, found)?,
                ..found.clone()
            })
        });
        Ok(Met {
            form,
            scalars,
            outputs: outputs.collect::<Result<_, Error>>()?,
        })
    }

    /// What is known of the model, asked for anew when it is in doubt.
    fn met(&self) -> Result<Arc<Met>, Error> {
        let doubted = self.doubted.swap(false, Relaxed);
        let known = lock(&self.met).clone().filter(|_| !doubted);
        if let Some(met) = known {
            return Ok(met);
        }
        let met = Arc::new(self.meet(&self.metadata()?)?);
        *lock(&self.met) = Some(met.clone());
        Ok(met)
    }

    fn run_once(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        let met = self.met()?;
        let shapes: Vec<Vec<u64>> = inputs
            .iter()
            .zip(&met.scalars)
            .map(|(tensor, &is_scalar)| match tensor.dims() {
                // A scalar, as the server writes it.
                [] | [1] if is_scalar => Vec::new(),
                [] => vec![1],
                dims => dims.iter().map(|&dim| u64::from(dim)).collect(),
            })
            .collect();
        let bindings: Vec<Binding<'_>> = self
            .signature
            .inputs
            .iter()
            .zip(inputs)
            .zip(&shapes)
            .map(|((spec, tensor), shape)| Binding {
                name: &spec.name,
                datatype: datatype(spec.ty),
                shape,
                data: tensor.data(),
            })
            .collect();
        let names: Vec<&str> = met.outputs.iter().map(|of| of.name.as_str()).collect();
        let request =
            request(met.form, &bindings, &names).map_err(|error| Error::unsupported(&error))?;
        let server = &self.server;
        let most = server.answer_bytes_max;
        let reply = server.exchange(&self.infer_path, Some(&request), most, "an inference")?;
        let header_length = reply.header_length.as_deref();
        let outputs = answer(&reply.body, header_length, &met.outputs, &server.limits)
            .map_err(Error::runtime)?;
        self.signature
            .outputs
            .iter()
            .zip(outputs)
            .map(|(spec, found)| output(&spec.name, found.shape, spec.ty, found.data))
            .collect()
    }
}

impl Graph for RemoteGraph {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Error> {
        // Whatever went wrong, the server may be another one now.
        self.run_once(&inputs)
            .inspect_err(|_| self.doubted.store(true, Relaxed))
    }
}

/// The remote's input or output of this name.
fn find<'a>(
    spec: &TensorSpec,
    metadata: &'a [TensorMetadata],
    verb: &str,
) -> Result<&'a TensorMetadata, Error> {
    metadata
        .iter()
        .find(|found| found.name == spec.name)
        .ok_or_else(|| {
            Error::encoding(format!(
                "the remote model does not {verb} {:?}; it tells {}",
                spec.name,
                if metadata.is_empty() {
                    "none".to_owned()
                } else {
                    let names = metadata.iter().map(|of| format!("{:?}", of.name));
                    names.collect::<Vec<_>>().join(", ")
                }
            ))
        })
}

/// The sizes that both the graph and the remote have; a remote that takes less than the graph is not the graph.
fn narrowed(spec: &TensorSpec, found: &TensorMetadata) -> Result<Vec<Option<u64>>, Error> {
    let differs = || {
        Error::encoding(format!(
            "the remote model has {:?}: {} {}, the graph {spec}",
            spec.name,
            found.datatype,
            found.shape_text()
        ))
    };
    if found.datatype != datatype(spec.ty) {
        return Err(differs());
    }
    let Some(dims) = &spec.dims else {
        return Ok(found.shape.clone());
    };
    // A scalar has no dimensions, or one of 1.
    if dims.is_empty() && matches!(found.shape.as_slice(), [] | [None | Some(1)]) {
        return Ok(found.shape.clone());
    }
    if dims.len() != found.shape.len() {
        return Err(differs());
    }
    dims.iter()
        .zip(&found.shape)
        .map(|(dim, found)| match (dim, found) {
            (Dim::Fixed(size), None) => Ok(Some(u64::from(*size))),
            (Dim::Fixed(size), Some(found)) if u64::from(*size) == *found => Ok(Some(*found)),
            (Dim::Named(_) | Dim::Any, None) => Ok(None),
            _ => Err(differs()),
        })
        .collect()
}

/// What a graph takes and gives that only the remote can tell.
fn signature(metadata: &ModelMetadata) -> Result<Signature, Error> {
    let specs = |tensors: &[TensorMetadata]| tensors.iter().map(spec).collect::<Result<_, _>>();
    Ok(Signature {
        inputs: specs(&metadata.inputs)?,
        outputs: specs(&metadata.outputs)?,
    })
}

fn spec(found: &TensorMetadata) -> Result<TensorSpec, Error> {
    let ty = TensorType::ALL
        .into_iter()
        .find(|&ty| datatype(ty) == found.datatype);
    let ty = ty.ok_or_else(|| {
        Error::unsupported(format!(
            "{:?} of the remote model has elements of type {}; wasi:nn carries fp16, fp32, fp64, bf16, u8, i32 and i64",
            found.name, found.datatype
        ))
    })?;
    let dims = found.shape.iter().map(|size| match size {
        None => Ok(Dim::Any),
        Some(size) => u32::try_from(*size).map(Dim::Fixed).map_err(|_| {
            Error::too_large(format!(
                "{:?} of the remote model has a dimension that wasi:nn cannot carry",
                found.name
            ))
        }),
    });
    Ok(TensorSpec {
        name: found.name.clone(),
        ty,
        dims: Some(dims.collect::<Result<_, _>>()?),
    })
}

fn datatype(ty: TensorType) -> Datatype {
    match ty {
        TensorType::Fp16 => Datatype::Fp16,
        TensorType::Fp32 => Datatype::Fp32,
        TensorType::Fp64 => Datatype::Fp64,
        TensorType::Bf16 => Datatype::Bf16,
        TensorType::U8 => Datatype::Uint8,
        TensorType::I32 => Datatype::Int32,
        TensorType::I64 => Datatype::Int64,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What is inside is whole between calls: a panic elsewhere does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
