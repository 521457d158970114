//! What a two-dimensional network behind `cinecor:model/segmenter` is made of: slices of a frame go to wasi:nn in batches. No component: those that
//! are, `model-unet` and `model-shift`, say how a batch is looked at, and export it.
//!
//! What happens before and after the network is in the crate `cinecor-segmentation`, what a package is in `cinecor-model-card`.

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated from the WIT, which documents itself"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: [
            "../../wit/deps/wasi-nn@0.2.0-rc-2024-10-28",
            "../../wit/cinecor-inference",
            "../../wit/cinecor-model",
        ],
        world: "cinecor:model/model@0.1.0",
        generate_all,
        pub_export_macro: true,
    });
}

mod joint;
mod network;

pub use bindings::exports::cinecor::model::segmenter::Error;
pub use joint::{Joint, Look};
pub use network::{Network, Output};
