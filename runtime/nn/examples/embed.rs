//! A whole host in one file: runs the exported function `run` of a component that imports wasi:nn, with named graphs from a folder.
//!
//!     cargo run --release -p cinecor-nn --example embed -- <component.wasm> <models folder>
//!
//! The folder holds `<name>/<version>/model.onnx`; the component loads it with `load-by-name("<name>@<version>")`.

use anyhow::{Context, Result};
use cinecor_nn::{Config, Nn, NnCtx, NnCtxView, NnView};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// What a store holds: one for each request or guest.
struct State {
    wasi: WasiCtx,
    nn: NnCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl NnView for State {
    fn nn(&mut self) -> NnCtxView<'_> {
        NnCtxView {
            ctx: &mut self.nn,
            table: &mut self.table,
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let component = arguments
        .next()
        .context("the first argument is a component")?;
    let models = arguments
        .next()
        .context("the second argument is a folder of models")?;

    // Once for the process: the engine, the cache of graphs, the queue. It may load a shared library, so not on the event loop.
    let config = Config {
        models: vec![models.into()],
        ..Config::default()
    };
    let nn = tokio::task::spawn_blocking(|| Nn::new(config)).await??;
    for name in tokio::task::spawn_blocking({
        let nn = nn.clone();
        move || nn.names()
    })
    .await?
    {
        let info = nn.describe(name.clone()).await?;
        println!(
            "{name}: {} {} on {} ({})",
            info.engine, info.engine_version, info.device, info.reason
        );
    }

    // Once for the process: the linker.
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    cinecor_nn::add_to_linker(&mut linker)?;

    // For each guest: a store.
    let state = State {
        wasi: WasiCtx::builder().inherit_stdio().build(),
        nn: NnCtx::new(nn.clone()),
        table: ResourceTable::new(),
    };
    let mut store = Store::new(&engine, state);
    let component = Component::from_file(&engine, component)?;
    let instance = linker.instantiate_async(&mut store, &component).await?;
    let run = instance.get_typed_func::<(), ()>(&mut store, "run")?;
    run.call_async(&mut store, ()).await?;

    let (computes, report) = store.data().nn.report();
    println!(
        "{computes} computes, {:?} in the queue, {:?} in the engine",
        report.waited, report.computed
    );
    Ok(())
}
