//! The engines, one file each, and their opening by name. Which of them serves a graph is decided in [`choose`](crate::choose).

use crate::config::{Config, EngineChoice};
use crate::{Engine, Error, Tensor};
use std::sync::Arc;

#[cfg(any(feature = "onnxruntime", feature = "tract"))]
mod items;
#[cfg(feature = "kserve")]
pub(crate) mod kserve;
#[cfg(feature = "onnxruntime")]
mod onnxruntime;
#[cfg(feature = "openvino")]
mod openvino;
#[cfg(any(feature = "onnxruntime", feature = "tract"))]
mod pool;
#[cfg(feature = "tract")]
mod tract;

/// Opens an engine on a device.
///
/// # Errors
/// A sentence that says why it is not there: not built in, no library, no such device.
#[allow(
    unused_variables,
    reason = "with no engine's feature on, none is opened by name"
)]
pub(crate) fn open(
    engine: EngineChoice,
    device: &str,
    config: &Config,
) -> Result<Arc<dyn Engine>, String> {
    match engine {
        #[cfg(feature = "tract")]
        EngineChoice::Tract => tract::open(device, config),
        #[cfg(feature = "onnxruntime")]
        EngineChoice::Onnxruntime => onnxruntime::open(device, config),
        #[cfg(feature = "openvino")]
        EngineChoice::Openvino => openvino::open(device, config),
        #[cfg(feature = "kserve-http")]
        EngineChoice::Kserve => kserve::http::open(device, config),
        #[allow(
            unreachable_patterns,
            reason = "reached when an engine's feature is off"
        )]
        engine => Err(format!("{} is not built into this host", engine.name())),
    }
}

/// Checks what an engine gave against what the graph declares, and makes a tensor of it. A scalar becomes `[1]`, as wasi:nn
/// writes one.
fn output(
    name: &str,
    shape: impl IntoIterator<Item = impl TryInto<u32>>,
    ty: crate::TensorType,
    data: Vec<u8>,
) -> Result<Tensor, Error> {
    let dims: Result<Vec<u32>, _> = shape.into_iter().map(TryInto::try_into).collect();
    let mut dims = dims.map_err(|_| {
        Error::too_large(format!(
            "output {name:?} has a dimension that wasi:nn cannot carry"
        ))
    })?;
    if dims.is_empty() {
        dims.push(1);
    }
    Tensor::new(dims, ty, data).map_err(|error| {
        Error::runtime(format!(
            "the engine's output {name:?} contradicts itself: {error}"
        ))
    })
}
