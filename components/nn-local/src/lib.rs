//! wasi:nn by an engine in WebAssembly: what is composed under a model component where the host, as stock Spin, has no inference.
//!
//! The engine, the names of graphs and every check are `cinecor-nn`'s, the crate that serves wasi:nn on our own host; here are resources
//! and the places where graphs lie. It imports synchronous interfaces only: a synchronous export, which all of wasi:nn is, cannot wait for
//! an asynchronous one.

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated from the WIT, which documents itself"
)]
mod bindings {
    wit_bindgen::generate!({
        inline: "
            package cinecor:nn-local;
            world provider {
                import fermyon:spin/key-value@2.0.0;
                export wasi:nn/tensor@0.2.0-rc-2024-10-28;
                export wasi:nn/graph@0.2.0-rc-2024-10-28;
                export wasi:nn/inference@0.2.0-rc-2024-10-28;
                export wasi:nn/errors@0.2.0-rc-2024-10-28;
                export cinecor:inference/graphs@0.1.0;
            }
        ",
        path: [
            "../../wit/deps/fermyon-spin@2.0.0",
            "../../wit/deps/wasi-nn@0.2.0-rc-2024-10-28",
            "../../wit/cinecor-inference",
        ],
        world: "cinecor:nn-local/provider",
        generate_all,
    });
}

mod kinds;
mod provider;

use std::path::PathBuf;
use std::sync::Arc;

use cinecor_nn::{Alone, Config, EngineChoice, GraphStore, SetupError};
use provider::Provider;

bindings::export!(Provider with_types_in bindings);

/// Largest graph that a guest may hand over, in bytes: what is left of a memory of 4 GiB when tract has made several copies of it.
const GUEST_GRAPH_BYTES_MAX: usize = 256 << 20;

/// tract, which is compiled in.
fn open(models: Vec<PathBuf>, uploaded: Arc<dyn GraphStore>) -> Result<Alone, SetupError> {
    let config = Config {
        engine: EngineChoice::Tract,
        // Without threads a batch is slices one after another; single ones tell progress and are made ready once.
        batch: 1,
        guest_graph_bytes_max: GUEST_GRAPH_BYTES_MAX,
        models,
        ..Config::default()
    };
    Alone::new(config, Some(uploaded))
}
