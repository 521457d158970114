//! What a capability of the host is, and what it is told of the application. No capability is in here.

use crate::ctx::Ctx;
use crate::manifest::Manifest;
use crate::runtime_config::RuntimeConfig;
use crate::settings::Settings;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::path::PathBuf;
use wasmtime::component::Linker;
use wasmtime_wasi_http::WasiBody;

/// One capability of the host; the crate's page tells the three moments.
pub trait Capability: Sized + Send + Sync + 'static {
    /// The state of one instance: a field of [`Ctx`].
    type State: Send + 'static;

    /// Adds the interfaces to the linker, once.
    ///
    /// # Errors
    /// An interface that is in the linker already.
    fn init(linker: &mut Linker<Ctx>) -> wasmtime::Result<()>;

    /// Reads the application once: checks the manifest's grants and opens what has to be open. May block.
    ///
    /// # Errors
    /// A grant that cannot be given, in words that name the component and the key of the manifest.
    fn configure(app: &mut AppSpec) -> anyhow::Result<Self>;

    /// Makes the state of one instance of `component`. May not block.
    ///
    /// # Errors
    /// A component that `configure` has not seen.
    fn prepare(&self, component: &str) -> anyhow::Result<Self::State>;
}

/// The application as capabilities see it, before anything of it runs.
#[derive(Debug)]
pub struct AppSpec {
    /// The manifest, with the profile applied and components that were left out removed.
    pub manifest: Manifest,
    /// The manifest's folder: relative paths of the manifest are relative to it.
    pub base: PathBuf,
    /// Where the host keeps its state: databases, compiled code. It exists.
    pub state_dir: PathBuf,
    /// Values of application variables from the command line (`--variable`) and then from `SPIN_VARIABLE_*`.
    pub variables: BTreeMap<String, String>,
    /// The sections of `--runtime-config-file`; a section that nobody takes is an error.
    pub runtime_config: RuntimeConfig,
    /// The settings of this host, `cinecor.toml`.
    pub settings: Settings,
}

impl AppSpec {
    /// The value of a variable of the application: what was given, or else the manifest's default.
    pub fn variable(&self, name: &str) -> Option<&str> {
        let given = self.variables.get(name);
        let default = || self.manifest.variables.get(name)?.default.as_ref();
        given.or_else(default).map(String::as_str)
    }
}

/// The application's own components, reached by name from within: `http://<component>.spin.internal`.
pub trait LocalServices: Send + Sync + 'static {
    /// Sends a request of one component to the component `to`. The permission has been checked by the caller; admission (the number at
    /// work of `to`) is checked here.
    fn call(
        &self,
        to: &str,
        request: http::Request<WasiBody>,
    ) -> BoxFuture<'static, Result<http::Response<WasiBody>, wasmtime_wasi_http::Error>>;

    /// Sends a request of a component to the application itself, to the component whose route it matches. As [`Self::call`] otherwise.
    fn call_route(
        &self,
        request: http::Request<WasiBody>,
    ) -> BoxFuture<'static, Result<http::Response<WasiBody>, wasmtime_wasi_http::Error>>;
}
