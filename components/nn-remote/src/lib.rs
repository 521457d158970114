//! wasi:nn by a server elsewhere that speaks the Open Inference Protocol v2 (Triton, OpenVINO Model Server, MLServer): what is composed under a model
//! component where the host, as stock Spin, has no inference, and graphics processors are on another machine.
//!
//! The engine, the names of graphs and every check are `cinecor-nn`'s, the crate that serves wasi:nn on our own host; `http` is the way to the
//! server, and the rest `cinecor-nn-provider`'s. It imports synchronous interfaces only: a synchronous export, which all of wasi:nn is, cannot wait for an asynchronous one.

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated from the WIT, which documents itself"
)]
mod settings {
    wit_bindgen::generate!({
        inline: "
            package cinecor:nn-remote;
            world settings {
                import fermyon:spin/variables@2.0.0;
            }
        ",
        path: "../../wit/deps/fermyon-spin@2.0.0",
        world: "cinecor:nn-remote/settings",
        generate_all,
    });
}

mod http;

use std::path::PathBuf;
use std::sync::Arc;

use cinecor_nn::{Alone, Config, EngineChoice, GraphStore};
use cinecor_nn_provider::{Engine, Provider, bindings};
use http::Http;
use settings::fermyon::spin::variables;

type Remote = Provider<Server>;

bindings::export!(Remote with_types_in bindings);

/// Variable with the server's address: `http://triton:8000`. The manifest allows the component to call it.
const URL: &str = "remote_url";

/// Variable with a bearer token; empty is none.
const TOKEN: &str = "remote_token";

/// Variable with the time that the server has for a whole answer, in ms; where it is missing or empty, the engine's
/// own default.
const TIMEOUT: &str = "remote_timeout_ms";

/// The server that the variables name. Whether it is there is found out when a graph is loaded.
struct Server;

impl Engine for Server {
    fn open(models: Vec<PathBuf>, uploaded: Arc<dyn GraphStore>) -> Result<Alone, String> {
        let mut config = Config {
            engine: EngineChoice::Kserve,
            device: "remote".to_owned(),
            // It has its graphs.
            guest_graph_bytes_max: 0,
            models,
            ..Config::default()
        };
        config.kserve.url = variables::get(URL)
            .map_err(|error| format!("the variable {URL} cannot be read: {error:?}"))?;
        if !http::names_a_server(&config.kserve.url) {
            return Err(format!(
                "the variable {URL} is not set; start the service with --variable {URL}=http://HOST:PORT, the address of the server that infers"
            ));
        }
        let timeout = match variables::get(TIMEOUT) {
            Err(variables::Error::Undefined(_)) => String::new(),
            read => {
                read.map_err(|error| format!("the variable {TIMEOUT} cannot be read: {error:?}"))?
            }
        };
        if !timeout.trim().is_empty() {
            let told = timeout.trim().parse().ok().filter(|ms| *ms > 0);
            config.kserve.timeout_ms = told.ok_or_else(|| {
                format!(
                    "the variable {TIMEOUT} is {timeout:?}; a whole number of milliseconds, at least 1, is expected"
                )
            })?;
        }
        let token = variables::get(TOKEN).unwrap_or_default();
        let http = Http::new(&config.kserve, &token)?;
        let engine = cinecor_nn::kserve(Box::new(http), &config);
        Alone::with_engine(config, engine, Some(uploaded)).map_err(|error| error.to_string())
    }
}
