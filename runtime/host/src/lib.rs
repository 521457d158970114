//! The bundled host: serves a Spin application (manifest version 2) on wasmtime, with `wasi:nn`. Binary `cinecor`.
//!
//! It knows nothing of hearts. A request's way: [`server`] accepts and bounds it, [`router`] finds the component, [`app`] holds each
//! component ready to be instantiated, [`engine`] runs it, the capabilities below serve what it imports.
//!
//! # Capabilities
//! A capability is one module and one type that implements [`capability::Capability`]. It has three moments:
//! 1. `init` adds its interfaces to the linker. Once, before anything is known of the application; it may not block.
//! 2. `configure` reads the application ([`capability::AppSpec`]): checks what the manifest grants, opens stores, takes its sections out
//!    of the runtime config. Once; it may block and fail, and its error names component and key.
//! 3. `prepare` makes the state of one instance. For every instance; it may not block, and it decides nothing that `configure` could
//!    have decided.
//!
//! The state lives in a field of [`ctx::Ctx`], the data of every wasmtime store, and interfaces reach it through a function of
//! `&mut Ctx`. A refused permission is an error value of the interface where it has one, and its text says which line of the manifest
//! would grant it. They are assembled in exactly one place, [`app`].

pub mod admission;
pub mod allowed_hosts;
pub mod app;
pub mod body;
pub mod capability;
pub mod cli;
pub mod compose;
pub mod ctx;
pub mod database;
pub mod engine;
pub mod instance;
pub mod key_value;
pub mod log;
pub mod manifest;
mod memory;
pub mod metrics;
pub mod outbound_http;
pub mod reload;
pub mod router;
pub mod runtime_config;
pub mod server;
pub mod settings;
pub mod sqlite;
pub mod static_files;
pub mod tls;
pub mod variables;
