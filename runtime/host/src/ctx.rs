//! The data of one wasmtime store, that is of one instance of one component. It only holds; what the fields can do is in their modules.

use crate::engine::MemoryLimit;
use std::sync::Arc;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::WasiHttpCtx;

/// The store's data.
pub struct Ctx {
    /// Id of the component, as the manifest has it.
    pub component: Arc<str>,
    /// Resources of every interface that guests hold handles to.
    pub table: ResourceTable,
    /// Clocks, random numbers, preopened files, environment, standard streams.
    pub wasi: WasiCtx,
    /// Limits of the HTTP types.
    pub http: WasiHttpCtx,
    /// How much memory the instance may take.
    pub memory: MemoryLimit,
    /// Inference.
    pub nn: cinecor_nn::NnCtx,
}

impl WasiView for Ctx {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
