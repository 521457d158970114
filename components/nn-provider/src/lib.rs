//! What a component that itself exports wasi:nn is made of, whatever its engine. No component: those that are, `nn-local` and `nn-remote`, say
//! which engine it is, and export it.

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated from the WIT, which documents itself"
)]
pub mod bindings {
    wit_bindgen::generate!({
        inline: "
            package cinecor:nn-provider;
            world provider {
                import fermyon:spin/key-value@2.0.0;
                export wasi:nn/tensor@0.2.0-rc-2024-10-28;
                export wasi:nn/graph@0.2.0-rc-2024-10-28;
                export wasi:nn/inference@0.2.0-rc-2024-10-28;
                export wasi:nn/errors@0.2.0-rc-2024-10-28;
                export cinecor:inference/graphs@0.1.0;
                export cinecor:inference/concurrent@0.1.0;
            }
        ",
        path: [
            "../../wit/deps/fermyon-spin@2.0.0",
            "../../wit/deps/wasi-nn@0.2.0-rc-2024-10-28",
            "../../wit/cinecor-inference",
        ],
        world: "cinecor:nn-provider/provider",
        generate_all,
        pub_export_macro: true,
    });
}

mod kinds;
mod provider;

pub use provider::{Engine, Provider};
