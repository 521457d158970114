//! ONNX Runtime: loaded from a shared library when the host starts. Processor, and NVIDIA GPUs where the library has them.
//!
//! On the processor, graphs whose items along the first dimension do not touch one another (which is proved from the graph, not guessed)
//! are computed item by item on a few lanes that all requests share. Where there are no more threads than lanes, a lane computes on its own
//! thread alone: threads with an item each wait for nobody, where threads that share an operator wait for each other at its end, a hundred
//! times an item. Otherwise, and for other graphs, all share one pool of threads, as many as the settings say. ONNX Runtime's session must
//! not be run by two threads at once (its allocators and statistics are not all thread-safe), so a graph has a session for each of them,
//! made when it is needed; once all are there the graph's bytes go. How an operator is cut into pieces depends on the number of threads alone, and an item of such a graph is computed
//! alone (unless a batch has more than a thousand, which one session computes whole), so that equal inputs give equal bytes under any load.

use super::items::{item_of, join, same_batch};
use super::output;
use super::pool::Pool;
use crate::apart::items_are_apart;
use crate::config::Config;
use crate::engine::{Engine, Graph, GraphFormat, GraphSource, Precision};
use crate::source::guarded;
use crate::{Error, Signature, Tensor, TensorType};
use ort::environment::{Environment, GlobalThreadPoolOptions};
use ort::ep;
use ort::memory::Allocator;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::{DynTensor, DynTensorValueType, TensorElementType};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;

/// Where the shared library is looked for when the settings do not tell.
const LIBRARY_VARIABLE: &str = "CINECOR_ONNXRUNTIME_LIB";

/// Items of a batch per compute on a GPU. The time an item takes hardly depends on it (examples/measure), the memory grows with it.
const GPU_BATCH: u32 = 4;

/// Most lanes: each holds what a session needs to compute an item, its own copy of the weights among it.
const LANES_MAX: usize = 4;

/// ONNX Runtime is one to a process: the library, the settings of its threads, and its environment.
static RUNTIME: Mutex<Option<(PathBuf, usize, Environment)>> = Mutex::new(None);

pub(super) fn open(device: &str, config: &Config) -> Result<Arc<dyn Engine>, String> {
    let device = match device {
        "cpu" => Device::Cpu,
        "gpu" | "cuda" => Device::Cuda,
        other => {
            return Err(format!(
                "onnxruntime has no device {other:?}, only \"cpu\" and \"gpu\" (NVIDIA)"
            ));
        }
    };
    let library = config.onnxruntime_lib.clone().or_else(|| {
        std::env::var_os(LIBRARY_VARIABLE)
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
    });
    let library = library.ok_or_else(|| format!("onnxruntime is not set up: neither the settings' onnxruntime_lib nor {LIBRARY_VARIABLE} names its library"))?;
    let threads = config.thread_count();
    let version = version_in_name(&library);
    let environment = environment(library, threads)?;
    let lanes = threads.clamp(1, LANES_MAX);
    let at_once = match device {
        Device::Cpu => (threads / 4).max(2),
        Device::Cuda => 2,
    };
    let whole = Workers::new(at_once, at_once)?;
    let engine = OnnxRuntime {
        environment,
        version: version.unwrap_or_else(version_in_build),
        device,
        lanes: match device {
            // A place more than there are lanes: while one request's last items end, another's first begin.
            Device::Cpu => Workers::new(lanes, lanes + 1)?,
            Device::Cuda => whole.clone(),
        },
        whole,
        threads_of_lanes: (threads <= LANES_MAX).then_some(1),
        at_work_max: at_once,
        batch: match (config.batch, device) {
            (0, Device::Cuda) => GPU_BATCH,
            // An item for each lane.
            (0, Device::Cpu) => u32::try_from(lanes).unwrap_or(1),
            (told, _) => told,
        },
    };
    if device == Device::Cuda {
        // A missing driver or GPU shows only when a session is made.
        new_session(&engine.environment, device, None, IDENTITY)
            .map_err(|error| format!("onnxruntime has no usable NVIDIA GPU: {error}"))?;
    }
    Ok(Arc::new(engine))
}

/// The smallest graph: one identity of a 2 × 2 tensor.
const IDENTITY: &[u8] = b"\x08\x07\x12\x0acinecor-nn:j\n*\n\x06inputs\x12\x07outputs\x1a\ridentity_node\"\x08Identity\x12\x0bno-op-modelZ\x16\n\x06inputs\x12\x0c\n\n\x08\x01\x12\x06\n\x00\n\x02\x08\x02b\x17\n\x07outputs\x12\x0c\n\n\x08\x01\x12\x06\n\x00\n\x02\x08\x02B\x02\x10\x0c";

fn environment(library: PathBuf, threads: usize) -> Result<Environment, String> {
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((loaded, pool, environment)) = &*runtime {
        if *loaded == library && *pool == threads {
            return Ok(environment.clone());
        }
        tracing::error!(loaded = %loaded.display(), asked_for = %library.display(), "onnxruntime is loaded once in a process");
        let other = if *loaded == library {
            "the same"
        } else {
            "another"
        };
        return Err(format!(
            "onnxruntime is loaded with {pool} threads already, and a process has it once; {other} library with {threads} threads was asked for"
        ));
    }
    if !library.is_file() {
        tracing::warn!(path = %library.display(), "onnxruntime's library is not there");
        return Err(
            "onnxruntime's library is not where the settings or the environment name it; the host's log says where that is"
                .to_owned(),
        );
    }
    let builder = ort::init_from(&library).map_err(|error| {
        tracing::warn!(path = %library.display(), %error, "onnxruntime cannot be loaded");
        "onnxruntime's library is there and cannot be loaded; the host's log says why".to_owned()
    })?;
    let open = || -> ort::Result<Environment> {
        // Idle threads sleep: the cores belong to the rest of the host as well.
        let pool = GlobalThreadPoolOptions::default()
            .with_intra_threads(threads)?
            .with_inter_threads(1)?
            .with_spin_control(false)?;
        let environment = builder
            .with_name("cinecor-nn")
            .with_telemetry(false)
            .with_global_thread_pool(pool)
            .with_logger(Arc::new(|level, _, _, place, message| {
                tracing::debug!(?level, place, message, "onnxruntime")
            }))
            .build()?;
        environment.set_log_level(ort::logging::LogLevel::Warning);
        Ok(environment)
    };
    let environment = open().map_err(|error| format!("onnxruntime cannot be started: {error}"))?;
    *runtime = Some((library, threads, environment.clone()));
    Ok(environment)
}

/// The version at the end of the library's file name: `libonnxruntime.so.1.32.0`, perhaps behind a link.
fn version_in_name(library: &Path) -> Option<String> {
    let file = library.canonicalize().ok()?;
    let (_, version) = file.file_name()?.to_str()?.split_once(".so.")?;
    let numbers = version
        .split('.')
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    (numbers && version.contains('.')).then(|| version.to_owned())
}

/// The version, from the text that the library tells about its build: `…git-branch=rel-1.24.1, …`. Not every build tells one; the
/// commit does then.
fn version_in_build() -> String {
    let info = ort::info();
    ["git-branch=rel-", "git-commit-id="]
        .into_iter()
        .find_map(|key| info.split_once(key))
        .and_then(|(_, rest)| rest.split([',', ' ']).next())
        .unwrap_or(info)
        .to_owned()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Device {
    Cpu,
    Cuda,
}

struct OnnxRuntime {
    environment: Environment,
    version: String,
    device: Device,
    /// Where items of a batch are computed side by side.
    lanes: Workers,
    /// Where other graphs are computed.
    whole: Workers,
    /// Threads of a lane's session; `None` is those that all share.
    threads_of_lanes: Option<usize>,
    at_work_max: usize,
    batch: u32,
}

/// Threads that each have a session while they compute, and places for computes that use them.
#[derive(Clone)]
struct Workers {
    pool: Arc<Pool>,
    threads: usize,
    places: Arc<Semaphore>,
}

impl Workers {
    fn new(threads: usize, places: usize) -> Result<Self, String> {
        let pool = Pool::new("onnxruntime", threads)
            .map_err(|error| format!("onnxruntime's threads could not be started: {error}"))?;
        Ok(Self {
            pool: Arc::new(pool),
            threads,
            places: Arc::new(Semaphore::new(places)),
        })
    }
}

/// Makes a session with threads of its own, or on those that all share.
fn new_session(
    environment: &Environment,
    device: Device,
    threads: Option<usize>,
    model: &[u8],
) -> Result<Session, Error> {
    let provider = match device {
        Device::Cpu => ep::CPU::default().with_arena_allocator(true).build(),
        Device::Cuda => ep::CUDA::default().build(),
    };
    let build = || -> ort::Result<Session> {
        let mut builder = Session::builder(environment)?;
        if let Some(threads) = threads {
            // Idle threads sleep: the cores belong to the rest of the host as well.
            builder = builder
                .with_independent_thread_pool()?
                .with_intra_threads(threads)?
                .with_intra_op_spinning(false)?;
        }
        builder
            // Bytes that are also a graph in its own format were checked as ONNX.
            .with_config_entry("session.load_model_format", "ONNX")?
            .with_execution_providers([provider.error_on_failure()])?
            .with_optimization_level(GraphOptimizationLevel::All)?
            // Shapes differ from request to request.
            .with_memory_pattern(false)?
            .commit_from_memory(model)
    };
    build().map_err(|error| {
        Error::unsupported(format!("onnxruntime does not take the graph: {error}"))
    })
}

impl Engine for OnnxRuntime {
    fn name(&self) -> &'static str {
        "onnxruntime"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn device(&self) -> &str {
        match self.device {
            Device::Cpu => "cpu",
            Device::Cuda => "gpu",
        }
    }

    fn computes(&self, precision: Precision) -> Result<(), String> {
        match (precision, self.device) {
            (Precision::Fp32, _) => Ok(()),
            (Precision::Int8, Device::Cpu) => crate::processor::multiplies_int8()
                .map_err(|why| format!("onnxruntime computes in int8 where it can, but {why}")),
            // Its kernels for the processor take no bf16, and those for the GPU no quantised convolutions: they would compute in float.
            (Precision::Bf16 | Precision::Int8, _) => Err(format!(
                "onnxruntime does not compute in {precision} on the {}",
                self.device()
            )),
        }
    }

    fn reads(&self, format: GraphFormat) -> bool {
        format == GraphFormat::Onnx
    }

    fn batch(&self) -> u32 {
        self.batch
    }

    fn at_work_max(&self) -> usize {
        self.at_work_max
    }

    fn load(&self, source: &GraphSource) -> Result<Arc<dyn Graph>, Error> {
        let Some(signature) = source.signature.clone() else {
            return Err(Error::encoding("onnxruntime reads ONNX graphs only"));
        };
        // A graph that cannot be read here is for the engine to refuse, or not.
        let by_item = self.device == Device::Cpu && items_are_apart(&source.model).unwrap_or(false);
        tracing::debug!(by_item, "onnxruntime loads a graph");
        let threads = self.threads_of_lanes.filter(|_| by_item);
        let first = new_session(&self.environment, self.device, threads, &source.model)?;
        for spec in &signature.inputs {
            if !first.inputs().iter().any(|input| input.name() == spec.name) {
                return Err(Error::encoding(format!(
                    "onnxruntime finds no input {:?} in the graph",
                    spec.name
                )));
            }
        }
        let workers = if by_item { &self.lanes } else { &self.whole }.clone();
        let unmade = workers.threads.saturating_sub(1);
        Ok(Arc::new(OnnxRuntimeGraph {
            signature,
            environment: self.environment.clone(),
            device: self.device,
            by_item,
            workers,
            threads,
            sessions: Mutex::new(Sessions {
                idle: vec![first],
                unmade,
                model: (unmade > 0).then(|| source.model.as_slice().into()),
            }),
        }))
    }
}

struct OnnxRuntimeGraph {
    signature: Signature,
    environment: Environment,
    device: Device,
    /// Whether its items are apart.
    by_item: bool,
    workers: Workers,
    /// Of each session; `None` is those that all share.
    threads: Option<usize>,
    sessions: Mutex<Sessions>,
}

/// Of a graph: as many as there are threads that compute it, in the end.
struct Sessions {
    /// Those that are made and do not compute.
    idle: Vec<Session>,
    /// How many are still to be made.
    unmade: usize,
    /// What they are made of; gone with the last of them.
    model: Option<Arc<[u8]>>,
}

impl OnnxRuntimeGraph {
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        // Sessions are whole while they are in the list: a panic elsewhere does not spoil it.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Computes, on one of the workers, with a session that nobody else has meanwhile.
    fn run_alone(&self, inputs: &[Input<'_>]) -> Result<Vec<Tensor>, Error> {
        let idle = self.sessions().idle.pop();
        let mut session = match idle {
            Some(session) => session,
            None => self.another()?,
        };
        // What a run makes is its own: where it failed, the session is as it was.
        let outputs = guarded(|| self.run_in(&mut session, inputs));
        self.sessions().idle.push(session);
        outputs
    }

    /// Makes a session more. Each of the other workers has one or makes one: one is left to make.
    fn another(&self) -> Result<Session, Error> {
        let model = self.sessions().model.clone().ok_or_else(|| {
            Error::runtime("onnxruntime's sessions of the graph are fewer than its threads")
        })?;
        let session = new_session(&self.environment, self.device, self.threads, &model)?;
        let mut sessions = self.sessions();
        sessions.unmade = sessions.unmade.saturating_sub(1);
        if sessions.unmade == 0 {
            sessions.model = None;
        }
        Ok(session)
    }

    fn run_in(&self, session: &mut Session, inputs: &[Input<'_>]) -> Result<Vec<Tensor>, Error> {
        let failed = |error: ort::Error| Error::runtime(format!("onnxruntime failed: {error}"));
        let mut values = Vec::with_capacity(inputs.len());
        for (spec, input) in self.signature.inputs.iter().zip(inputs) {
            values.push((
                Cow::from(spec.name.as_str()),
                to_ort(input).map_err(failed)?,
            ));
        }
        let mut outputs = session.run(values).map_err(failed)?;
        self.signature
            .outputs
            .iter()
            .map(|spec| {
                let value = outputs.remove(&spec.name).ok_or_else(|| {
                    Error::runtime(format!("onnxruntime gave no output {:?}", spec.name))
                })?;
                let tensor = value.downcast::<DynTensorValueType>().map_err(failed)?;
                if *tensor.data_type() != element_type(spec.ty) {
                    return Err(Error::runtime(format!(
                        "onnxruntime's output {:?} is {:?}, the graph declares {}",
                        spec.name,
                        tensor.data_type(),
                        spec.ty
                    )));
                }
                if !tensor.memory_info().is_cpu_accessible() {
                    return Err(Error::runtime(format!(
                        "onnxruntime left output {:?} in the device's memory",
                        spec.name
                    )));
                }
                let shape: Vec<i64> = tensor.shape().to_vec();
                let elements = shape.iter().try_fold(1, |product: usize, &dim| {
                    product.checked_mul(usize::try_from(dim).ok()?)
                });
                let bytes = elements
                    .and_then(|elements| elements.checked_mul(spec.ty.bytes()))
                    .ok_or_else(|| Error::too_large("an output is larger than memory"))?;
                let data = if bytes == 0 {
                    Vec::new()
                } else {
                    // SAFETY: the tensor is alive, in the processor's memory, and holds as many elements of the checked type as its shape
                    // says; the bytes are copied before it goes.
                    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<u8>(), bytes) }
                        .to_vec()
                };
                output(&spec.name, shape, spec.ty, data)
            })
            .collect()
    }
}

impl Graph for OnnxRuntimeGraph {
    fn places(&self) -> Option<&Arc<Semaphore>> {
        Some(&self.workers.places)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Error> {
        let shapes: Vec<Vec<usize>> = inputs.iter().map(Tensor::shape).collect();
        let Some(items) = same_batch(&shapes).filter(|_| self.by_item) else {
            let whole: Vec<Input<'_>> = inputs.iter().map(Input::whole).collect();
            return self.workers.pool.install(|| self.run_alone(&whole));
        };
        let computed = self.workers.pool.each(items, |item| {
            let inputs: Vec<Input<'_>> = inputs
                .iter()
                .map(|tensor| Input::item(tensor, items, item))
                .collect();
            self.run_alone(&inputs)
        });
        join(&self.signature, computed?)
    }
}

/// A tensor that goes in, or an item of one.
struct Input<'a> {
    ty: TensorType,
    shape: Vec<usize>,
    /// As many bytes as elements of the type and the shape have.
    data: &'a [u8],
}

impl<'a> Input<'a> {
    fn whole(tensor: &'a Tensor) -> Self {
        Self {
            ty: tensor.ty(),
            shape: tensor.shape(),
            data: tensor.data(),
        }
    }

    fn item(tensor: &'a Tensor, items: usize, item: usize) -> Self {
        let (shape, data) = item_of(tensor, items, item);
        Self {
            ty: tensor.ty(),
            shape,
            data,
        }
    }
}

fn to_ort(input: &Input<'_>) -> ort::Result<DynTensor> {
    let shape = input.shape.clone();
    let mut value = DynTensor::new(&Allocator::default(), element_type(input.ty), shape)?;
    if !input.data.is_empty() {
        // SAFETY: ONNX Runtime has just allocated elements of this type for this shape in the processor's memory, which is the
        // length of `data` by `Tensor`'s guarantee, also of one of equal items; nobody else knows the value yet.
        unsafe {
            value
                .data_ptr_mut()
                .cast::<u8>()
                .copy_from_nonoverlapping(input.data.as_ptr(), input.data.len())
        };
    }
    Ok(value)
}

fn element_type(ty: TensorType) -> TensorElementType {
    match ty {
        TensorType::Fp16 => TensorElementType::Float16,
        TensorType::Fp32 => TensorElementType::Float32,
        TensorType::Fp64 => TensorElementType::Float64,
        TensorType::Bf16 => TensorElementType::Bfloat16,
        TensorType::U8 => TensorElementType::Uint8,
        TensorType::I32 => TensorElementType::Int32,
        TensorType::I64 => TensorElementType::Int64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_told_by_the_file_name_also_behind_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("libonnxruntime.so.1.32.0");
        std::fs::write(&file, b"").unwrap();
        assert_eq!(version_in_name(&file).as_deref(), Some("1.32.0"));
        let plain = folder.path().join("libonnxruntime.so");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&file, &plain).unwrap();
            assert_eq!(version_in_name(&plain).as_deref(), Some("1.32.0"));
            std::fs::remove_file(&plain).unwrap();
        }
        std::fs::write(&plain, b"").unwrap();
        assert_eq!(version_in_name(&plain), None);
    }
}
