//! OpenVINO: loaded from a shared library when the host starts. Processors, and Intel's GPUs and NPUs where the library has them.
//!
//! A graph is compiled with the settings' number of streams: one stream gives every compute all threads, several let as many computes
//! run side by side on a share of them. A few infer requests more than there are streams keep the streams fed.

use super::output;
use crate::config::Config;
use crate::engine::{Engine, Graph, GraphFormat, GraphSource, Precision};
use crate::signature::{Dim, TensorSpec};
use crate::{Error, Signature, Tensor, TensorType, processor};
use openvino::{
    CompiledModel, Core, DeviceType, ElementType, InferRequest, InferenceError, Node, PropertyKey,
    RwPropertyKey, Shape,
};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where the shared library is looked for when the settings do not tell.
const LIBRARY_VARIABLE: &str = "CINECOR_OPENVINO_LIB";

/// Items of a batch per compute. The time an item takes hardly depends on it (examples/measure), the memory grows with it.
const BATCH: u32 = 4;

pub(super) fn open(device: &str, config: &Config) -> Result<Arc<dyn Engine>, String> {
    load_library(config)?;
    let mut core = Core::new().map_err(|error| format!("openvino cannot be started: {error}"))?;
    let name = device.to_ascii_uppercase();
    let devices = core
        .available_devices()
        .map_err(|error| format!("openvino cannot list its devices: {error}"))?;
    // Several devices of a kind are listed as GPU.0, GPU.1; GPU alone means the first.
    let there = devices
        .iter()
        .map(AsRef::<str>::as_ref)
        .any(|there: &str| there == name || there.split('.').next() == Some(name.as_str()));
    if !there {
        let devices: Vec<&str> = devices.iter().map(AsRef::as_ref).collect();
        return Err(format!(
            "openvino has no device {device:?} on this machine; it has {}",
            devices.join(", ")
        ));
    }
    let capabilities = core
        .get_property(
            &DeviceType::from(name.as_str()),
            &PropertyKey::DeviceCapabilities,
        )
        .map_err(|error| format!("openvino cannot tell what {name} computes: {error}"))?;
    // "BF16 FP32 INT8", on a machine of that kind.
    let capabilities = capabilities
        .split([' ', ','])
        .map(str::to_owned)
        .collect::<Vec<_>>();
    let streams = config.streams.max(1);
    let device_type = DeviceType::from(name.as_str());
    let set = |core: &mut Core, key, value: &str| {
        core.set_property(&device_type, &key, value)
            .map_err(|error| format!("openvino refused the setting {value} for {name}: {error}"))
    };
    if name == "CPU" {
        set(&mut core, RwPropertyKey::NumStreams, &streams.to_string())?;
        set(
            &mut core,
            RwPropertyKey::InferenceNumThreads,
            &config.thread_count().to_string(),
        )?;
        // Threads that are bound to cores fight the rest of the host for them.
        set(&mut core, RwPropertyKey::HintEnableCpuPinning, "NO")?;
    }
    let version = openvino::version().build_number;
    // "2026.1.0-21000-abcdef-releases/2026/1": the part that people know.
    let version = version.split('-').next().unwrap_or_default().to_owned();
    let batch = if config.batch == 0 {
        BATCH
    } else {
        config.batch
    };
    Ok(Arc::new(OpenVino {
        core: Mutex::new(core),
        version,
        name,
        device: device.to_owned(),
        capabilities,
        streams,
        batch,
    }))
}

fn load_library(config: &Config) -> Result<(), String> {
    let given = config.openvino_lib.clone().or_else(|| {
        std::env::var_os(LIBRARY_VARIABLE)
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
    });
    let Some(given) = given else {
        // Installed as a package of the system, or by OpenVINO's own set-up script.
        return openvino_sys::library::load().map_err(|error| {
            tracing::debug!(%error, "openvino is not set up");
            format!("openvino is not set up: neither the settings' openvino_lib nor {LIBRARY_VARIABLE} names its library, and the system has none")
        });
    };
    let library = if given.is_dir() {
        in_folder(&given)
    } else {
        Some(given.clone())
    };
    let library = library.filter(|library| library.is_file()).ok_or_else(|| {
        tracing::warn!(path = %given.display(), "openvino's library libopenvino_c is not there");
        format!("openvino's library libopenvino_c is not where the settings' openvino_lib or {LIBRARY_VARIABLE} says; the host's log says where that is")
    })?;
    openvino_sys::library::load_from(&library).map_err(|error| {
        tracing::warn!(path = %library.display(), %error, "openvino cannot be loaded");
        "openvino's library is there and cannot be loaded; the host's log says why".to_owned()
    })
}

/// The C library in a folder: PyPI's wheels carry it with a version at the end of its name.
fn in_folder(folder: &Path) -> Option<PathBuf> {
    let prefix = format!("{}openvino_c", std::env::consts::DLL_PREFIX);
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| {
                    name.starts_with(&prefix) && name.contains(std::env::consts::DLL_SUFFIX)
                })
        })
        .min()
}

struct OpenVino {
    core: Mutex<Core>,
    version: String,
    /// The device in OpenVINO's spelling.
    name: String,
    device: String,
    /// Types that the device has instructions for or imitates.
    capabilities: Vec<String>,
    streams: usize,
    batch: u32,
}

impl Engine for OpenVino {
    fn name(&self) -> &'static str {
        "openvino"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn device(&self) -> &str {
        &self.device
    }

    fn computes(&self, precision: Precision) -> Result<(), String> {
        let (capability, instructions) = match precision {
            Precision::Fp32 => return Ok(()),
            Precision::Bf16 => ("BF16", processor::multiplies_bf16()),
            Precision::Int8 => ("INT8", processor::multiplies_int8()),
        };
        // The processor first: OpenVINO lists what it imitates there, and leaves out without a reason what it does not.
        if self.name == "CPU" {
            instructions.map_err(|why| {
                format!("openvino computes in {precision} where it can, but {why}")
            })?;
        }
        if !self.capabilities.iter().any(|has| has == capability) {
            return Err(format!(
                "openvino does not compute in {precision} on {}",
                self.name
            ));
        }
        Ok(())
    }

    fn reads(&self, _: GraphFormat) -> bool {
        true
    }

    fn batch(&self) -> u32 {
        self.batch
    }

    fn at_work_max(&self) -> usize {
        // One more than can compute: its tensors are copied while the others compute.
        self.streams + 1
    }

    fn load(&self, source: &GraphSource) -> Result<Arc<dyn Graph>, Error> {
        let refused = |error: InferenceError| {
            Error::unsupported(format!("openvino does not take the graph: {error}"))
        };
        // What a quantised graph leaves in float stays in single precision.
        let floats = match source.precision {
            Precision::Fp32 | Precision::Int8 => "f32",
            Precision::Bf16 => "bf16",
        };
        let mut compiled = {
            let mut core = lock(&self.core);
            let weights = if source.format == GraphFormat::OpenvinoIr {
                Some(bytes_tensor(&source.weights).map_err(refused)?)
            } else {
                None
            };
            let model = core
                .read_model_from_buffer(&source.model, weights.as_ref())
                .map_err(|error| {
                    let text = format!("openvino cannot read the graph: {error}");
                    // The signature of an ONNX graph was read: its encoding is right, an operator of it is not known.
                    if source.signature.is_some() {
                        Error::unsupported(text)
                    } else {
                        Error::encoding(text)
                    }
                })?;
            // The device's setting holds for what is compiled from here on; the lock keeps others from changing it meanwhile.
            core.set_property(
                &DeviceType::from(self.name.as_str()),
                &RwPropertyKey::HintInferencePrecision,
                floats,
            )
            .map_err(refused)?;
            core.compile_model(&model, DeviceType::from(self.name.as_str()))
                .map_err(refused)?
        };
        let found = compiled
            .get_property(&PropertyKey::Rw(RwPropertyKey::HintInferencePrecision))
            .map_err(refused)?;
        if found != floats {
            return Err(Error::unsupported(format!(
                "openvino computes this graph in {found} where {floats} was asked for"
            )));
        }
        let signature = match &source.signature {
            Some(signature) => {
                // Tensors are set and got by name: the graph's names must be OpenVINO's.
                for spec in &signature.inputs {
                    compiled.get_input_by_name(&spec.name).map_err(refused)?;
                }
                for spec in &signature.outputs {
                    compiled.get_output_by_name(&spec.name).map_err(refused)?;
                }
                signature.clone()
            }
            None => signature(&compiled)?,
        };
        let first = compiled.create_infer_request().map_err(refused)?;
        Ok(Arc::new(OpenVinoGraph {
            signature,
            idle: Mutex::new(vec![first]),
            compiled: Mutex::new(compiled),
        }))
    }
}

/// What a graph of OpenVINO's own format takes and gives.
fn signature(compiled: &CompiledModel) -> Result<Signature, Error> {
    let failed = |error: InferenceError| {
        Error::encoding(format!(
            "openvino cannot tell what the graph takes: {error}"
        ))
    };
    let inputs = (0..compiled.get_input_size().map_err(failed)?)
        .map(|index| spec(&compiled.get_input_by_index(index).map_err(failed)?));
    let outputs = (0..compiled.get_output_size().map_err(failed)?)
        .map(|index| spec(&compiled.get_output_by_index(index).map_err(failed)?));
    Ok(Signature {
        inputs: inputs.collect::<Result<_, _>>()?,
        outputs: outputs.collect::<Result<_, _>>()?,
    })
}

fn spec(port: &Node) -> Result<TensorSpec, Error> {
    let failed = |error: InferenceError| {
        Error::encoding(format!(
            "openvino cannot tell what the graph takes: {error}"
        ))
    };
    let name = port.get_name().map_err(failed)?;
    let element = port.get_element_type().map_err(failed)?;
    let ty = TensorType::ALL
        .into_iter()
        .find(|&ty| element_type(ty) == element);
    let ty = ty.ok_or_else(|| Error::unsupported(format!("{name:?} of the graph has elements of type {element:?}; wasi:nn carries fp16, fp32, fp64, bf16, u8, i32 and i64")))?;
    let shape = port.get_partial_shape().map_err(failed)?;
    let rank = shape.get_rank();
    let dims = (!rank.is_dynamic()).then(|| {
        let dim = |dim: &openvino::Dimension| {
            u32::try_from(dim.get_min())
                .ok()
                .filter(|_| !dim.is_dynamic())
                .map_or(Dim::Any, Dim::Fixed)
        };
        shape.get_dimensions().iter().map(dim).collect()
    });
    Ok(TensorSpec { name, ty, dims })
}

struct OpenVinoGraph {
    signature: Signature,
    // Requests go before the model that they are of.
    idle: Mutex<Vec<InferRequest>>,
    compiled: Mutex<CompiledModel>,
}

impl OpenVinoGraph {
    fn run_in(&self, request: &mut InferRequest, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        let failed = |error: InferenceError| Error::runtime(format!("openvino failed: {error}"));
        for (spec, tensor) in self.signature.inputs.iter().zip(inputs) {
            if tensor.dims().is_empty() {
                // OpenVINO's C interface makes no tensor without dimensions, but lends the request's own.
                let mut value = request.get_tensor(&spec.name).map_err(failed)?;
                let place = value.get_raw_data_mut().map_err(failed)?;
                if place.len() != tensor.data().len() {
                    return Err(Error::runtime(format!(
                        "openvino has {} bytes for the scalar {:?}",
                        place.len(),
                        spec.name
                    )));
                }
                place.copy_from_slice(tensor.data());
                continue;
            }
            refuse_wide(spec, tensor)?;
            let value = to_openvino(tensor).map_err(failed)?;
            request.set_tensor(&spec.name, &value).map_err(failed)?;
        }
        request.infer().map_err(failed)?;
        self.signature
            .outputs
            .iter()
            .map(|spec| {
                let value = request.get_tensor(&spec.name).map_err(failed)?;
                let element = value.get_element_type().map_err(failed)?;
                if element != element_type(spec.ty) {
                    return Err(Error::runtime(format!(
                        "openvino's output {:?} is {element:?}, the graph declares {}",
                        spec.name, spec.ty
                    )));
                }
                // Nor does it tell the dimensions of what has none.
                let shape = match &spec.dims {
                    Some(dims) if dims.is_empty() => Vec::new(),
                    _ => value.get_shape().map_err(failed)?.get_dimensions().to_vec(),
                };
                output(
                    &spec.name,
                    shape,
                    spec.ty,
                    value.get_raw_data().map_err(failed)?.to_vec(),
                )
            })
            .collect()
    }
}

impl Graph for OpenVinoGraph {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Error> {
        let idle = lock(&self.idle).pop();
        let mut request = match idle {
            Some(request) => request,
            None => lock(&self.compiled)
                .create_infer_request()
                .map_err(|error| {
                    Error::runtime(format!("openvino gave no infer request: {error}"))
                })?,
        };
        let outputs = self.run_in(&mut request, &inputs);
        // A request that failed may be in any state: it is not used again.
        if outputs.is_ok() {
            lock(&self.idle).push(request);
        }
        outputs
    }
}

/// OpenVINO computes 64-bit integers in 32 bits on the processor, and would change larger ones without a word.
fn refuse_wide(spec: &TensorSpec, tensor: &Tensor) -> Result<(), Error> {
    let narrow = |&bytes: &[u8; 8]| i32::try_from(i64::from_le_bytes(bytes)).is_ok();
    if tensor.ty() != TensorType::I64 || tensor.data().as_chunks().0.iter().all(narrow) {
        return Ok(());
    }
    Err(Error::unsupported(format!(
        "openvino computes i64 in 32 bits, and input {:?} has larger numbers; use another engine",
        spec.name
    )))
}

fn to_openvino(tensor: &Tensor) -> openvino_result::Result<openvino::Tensor> {
    let dims: Vec<i64> = tensor.dims().iter().map(|&dim| i64::from(dim)).collect();
    let mut value = openvino::Tensor::new(element_type(tensor.ty()), &Shape::new(&dims)?)?;
    // Both lengths are the product of the dimensions and the size of an element.
    value.get_raw_data_mut()?.copy_from_slice(tensor.data());
    Ok(value)
}

fn bytes_tensor(bytes: &[u8]) -> openvino_result::Result<openvino::Tensor> {
    let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let mut value = openvino::Tensor::new(ElementType::U8, &Shape::new(&[length])?)?;
    value.get_raw_data_mut()?.copy_from_slice(bytes);
    Ok(value)
}

/// OpenVINO's own result, which its crate does not export.
mod openvino_result {
    pub(super) type Result<T> = std::result::Result<T, openvino::InferenceError>;
}

fn element_type(ty: TensorType) -> ElementType {
    match ty {
        TensorType::Fp16 => ElementType::F16,
        TensorType::Fp32 => ElementType::F32,
        TensorType::Fp64 => ElementType::F64,
        TensorType::Bf16 => ElementType::Bf16,
        TensorType::U8 => ElementType::U8,
        TensorType::I32 => ElementType::I32,
        TensorType::I64 => ElementType::I64,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is inside is whole between calls: a panic elsewhere does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
