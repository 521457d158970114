//! The data of one wasmtime store, that is of one instance of one component. It only holds; what the fields can do is in their modules.

use crate::engine::MemoryLimit;
use std::sync::Arc;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

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
    /// Requests to other services and to other components, with the allow-list.
    pub outbound_http: crate::outbound_http::State,
    /// Key-value stores that the component may open.
    pub key_value: crate::key_value::State,
    /// SQLite databases that the component may open.
    pub sqlite: crate::sqlite::State,
    /// Variables of the component.
    pub variables: crate::variables::State,
    /// Inference.
    pub nn: cinecor_nn::NnCtx,
}

impl WasiView for Ctx {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for Ctx {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.outbound_http,
        }
    }
}

impl cinecor_nn::NnView for Ctx {
    fn nn(&mut self) -> cinecor_nn::NnCtxView<'_> {
        cinecor_nn::NnCtxView {
            ctx: &mut self.nn,
            table: &mut self.table,
        }
    }
}
