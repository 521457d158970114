//! wasi:nn by an engine in WebAssembly: what is composed under a model component where the host, as stock Spin, has no inference.
//!
//! The engine, the names of graphs and every check are `cinecor-nn`'s, the crate that serves wasi:nn on our own host; resources and the places where
//! graphs lie are `cinecor-nn-provider`'s. It imports synchronous interfaces only: a synchronous export, which all of wasi:nn is, cannot wait for
//! an asynchronous one.

use std::path::PathBuf;
use std::sync::Arc;

use cinecor_nn::{Alone, Config, EngineChoice, GraphStore};
use cinecor_nn_provider::{Engine, Provider, bindings};

type Local = Provider<Tract>;

bindings::export!(Local with_types_in bindings);

/// Largest graph that a guest may hand over, in bytes: what is left of a memory of 4 GiB when tract has made several copies of it.
const GUEST_GRAPH_BYTES_MAX: usize = 256 << 20;

/// tract, which is compiled in.
struct Tract;

impl Engine for Tract {
    fn open(models: Vec<PathBuf>, uploaded: Arc<dyn GraphStore>) -> Result<Alone, String> {
        let config = Config {
            engine: EngineChoice::Tract,
            // Without threads a batch is slices one after another; single ones tell progress and are made ready once.
            batch: 1,
            guest_graph_bytes_max: GUEST_GRAPH_BYTES_MAX,
            models,
            ..Config::default()
        };
        Alone::new(config, Some(uploaded)).map_err(|error| error.to_string())
    }
}
