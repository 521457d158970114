//! A two-dimensional network behind `cinecor:model/segmenter`: slices of a frame go to wasi:nn in batches.
//!
//! What happens before and after the network is in the crate `cinecor-segmentation`, what a package is in `cinecor-model-card`. `joint` is
//! what stands between; here is that the network looks once at each batch.

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated from the WIT, which documents itself"
)]
mod bindings {
    wit_bindgen::generate!({
        path: [
            "../../wit/deps/wasi-nn@0.2.0-rc-2024-10-28",
            "../../wit/cinecor-inference",
            "../../wit/cinecor-model",
        ],
        world: "cinecor:model/model@0.1.0",
        generate_all,
    });
}

mod joint;
mod network;

use bindings::exports::cinecor::model::segmenter::Error;
use joint::Joint;
use network::{Network, Output};

bindings::export!(Joint with_types_in bindings);

/// The network's output of `expected` values for a batch of `shape`.
fn look(
    network: &Network,
    shape: [usize; 4],
    batch: &[f32],
    _expected: usize,
) -> Result<Output, Error> {
    network.compute(network.input(shape, batch)?)
}
