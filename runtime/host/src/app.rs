//! An application, loaded: components composed, compiled and linked, capabilities assembled, routes known. The one place that names
//! every capability. It passes requests to components and says in words of its own what came of it; HTTP connections are
//! [`crate::server`]'s.

use crate::admission::{Admission, ComponentPlaces, Permit};
use crate::body::{BodyFault, BodyWatch, Finish, ResponseBody};
use crate::capability::{AppSpec, Capability as _, LocalServices};
use crate::ctx::Ctx;
use crate::instance::{Blueprint, Link, Times};
use crate::manifest::Manifest;
use crate::memory::Freed;
use crate::metrics::{Metrics, Now};
use crate::router::Router;
use crate::settings::Limits;
use crate::static_files::Mounts;
use crate::{compose, key_value, outbound_http, sqlite, variables};
use anyhow::{Context as _, bail};
use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use http::{HeaderName, HeaderValue};
use http_body_util::BodyExt as _;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, DefaultHasher, Hash as _, Hasher as _, RandomState};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi_http::handler::{
    ExpirationError, HandlerState as _, InstantiationError, ProxyHandler, ProxyPre,
    TrapOrPanicError, WorkerState as _,
};
use wasmtime_wasi_http::{Error, WasiBody};

/// Everything that components can import, besides WASI itself.
pub struct Capabilities {
    /// Requests to other services and components.
    pub outbound_http: outbound_http::OutboundHttp,
    /// Key-value stores.
    pub key_value: key_value::KeyValue,
    /// SQLite databases.
    pub sqlite: sqlite::Sqlite,
    /// Variables.
    pub variables: variables::Variables,
    /// Inference.
    pub nn: cinecor_nn::Nn,
}

impl Capabilities {
    fn init(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
        wasmtime_wasi::p2::add_to_linker_async(linker)?;
        wasmtime_wasi::p3::add_to_linker(linker)?;
        outbound_http::OutboundHttp::init(linker)?;
        key_value::KeyValue::init(linker)?;
        sqlite::Sqlite::init(linker)?;
        variables::Variables::init(linker)?;
        cinecor_nn::add_to_linker(linker)
    }

    fn configure(spec: &mut AppSpec) -> anyhow::Result<Self> {
        let key_value = key_value::KeyValue::configure(spec)?;
        let inference = spec.settings.nn.clone();
        let nn = match key_value.graphs() {
            Some(store) => cinecor_nn::Nn::with_store(inference, store),
            None => cinecor_nn::Nn::new(inference),
        };
        let capabilities = Self {
            outbound_http: outbound_http::OutboundHttp::configure(spec)?,
            key_value,
            sqlite: sqlite::Sqlite::configure(spec)?,
            variables: variables::Variables::configure(spec)?,
            nn: nn.context("inference cannot be set up")?,
        };
        spec.runtime_config.finish()?;
        Ok(capabilities)
    }
}

/// How an application is loaded, beyond what its files say.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Environment variables that every component gets (`--env`).
    pub environment: Vec<(String, String)>,
    /// How long an instance with nothing to do is kept.
    pub idle: Option<Duration>,
    /// Where compiled code is kept.
    pub cache: Cache,
}

/// Where compiled code is kept.
#[derive(Clone, Debug, Default)]
pub enum Cache {
    /// In the state folder.
    #[default]
    State,
    /// In a folder that hosts of several state folders may share. Who can write there decides what runs.
    Folder(PathBuf),
    /// Nowhere: every start compiles afresh.
    Off,
}

/// How long an instance with nothing to do is kept, unless told otherwise.
const IDLE: Duration = Duration::from_secs(10);

/// Requests that components may have under way among themselves, for each request that may be at work. They do not wait for a place, for
/// the waiting one holds a place itself; a component that calls itself without end finds this bound.
const CHAINED_PER_PLACE: usize = 4;

/// An application that serves.
pub struct App {
    name: String,
    version: String,
    router: Router,
    /// All components that serve. Swapped as a whole, so that a request sees either what was or what is.
    services: ArcSwap<Services>,
    loader: Loader,
    /// One reload at a time.
    reloading: tokio::sync::Mutex<()>,
    admission: Admission,
    chained: Arc<Semaphore>,
    limits: Limits,
    metrics: Arc<Metrics>,
    capabilities: Arc<Capabilities>,
}

type Services = BTreeMap<String, Arc<Service>>;

/// A component that was swapped.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Swapped {
    /// Its id.
    pub component: String,
    /// SHA-256 of what served before.
    pub from: String,
    /// SHA-256 of what serves now.
    pub to: String,
}

/// One component that serves.
#[derive(Clone)]
pub struct Service {
    id: Arc<str>,
    digest: String,
    handler: ProxyHandler<Blueprint>,
    places: ComponentPlaces,
    computing: Option<ComponentPlaces>,
    deadline: Duration,
}

impl Service {
    /// Id of the component.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// SHA-256 of the component as composed, lower-case hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Time from a request's arrival to the head of its response.
    pub const fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Where a request to one of its routes waits for its turn, if it is one of those that compute.
    pub fn computing(&self, method: &http::Method, route: &str) -> Option<&ComponentPlaces> {
        let settings = self.handler.state().settings.computing.as_ref()?;
        self.computing
            .as_ref()
            .filter(|_| settings.has(method.as_str(), route))
    }
}

/// What came of a request that got no response.
#[derive(Debug)]
pub enum Failure {
    /// The request's body failed first.
    Body(BodyFault),
    /// No head of a response before the deadline.
    Deadline,
    /// The instance asked for more memory than it may have, and ended.
    Memory {
        /// Bytes that it may have.
        bytes_max: usize,
    },
    /// No instance could be made because too many exist.
    NoInstance,
    /// The component failed; the text is for the log.
    Component(String),
}

/// Ends a [`Link`] when it goes: as not wanted any more, unless it was finished.
#[derive(Debug)]
pub struct LinkGuard(Arc<Link>);

impl LinkGuard {
    /// The request is over, and its answer was seen to its end or not.
    pub fn finish(self, complete: bool) {
        self.0.end(complete);
    }
}

impl Drop for LinkGuard {
    fn drop(&mut self) {
        self.0.end(false);
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Body(_) => f.write_str("the request's body failed"),
            Self::Deadline => f.write_str("there was no answer before the deadline"),
            Self::Memory { bytes_max } => {
                write!(
                    f,
                    "it asked for more memory than the {bytes_max} bytes that it may have"
                )
            }
            Self::NoInstance => f.write_str("too many instances exist"),
            Self::Component(cause) => f.write_str(cause),
        }
    }
}

impl App {
    /// Loads the application. Blocks for as long as compiling takes, unless the compiled code is cached.
    ///
    /// # Errors
    /// A component that cannot be read, composed, compiled or linked, a grant that cannot be given, a route that cannot be read.
    pub fn load(mut spec: AppSpec, options: &LoadOptions) -> anyhow::Result<Arc<Self>> {
        let started = std::time::Instant::now();
        let engine = crate::engine::engine()?;
        let mut linker = Linker::new(&engine);
        Capabilities::init(&mut linker)?;
        let capabilities = Arc::new(Capabilities::configure(&mut spec)?);
        let router = Router::build(&spec.manifest.http_triggers)?;
        for duplicate in router.duplicates() {
            tracing::warn!(
                route = duplicate.pattern,
                hidden = duplicate.hidden,
                effective = duplicate.effective,
                "two components have the same route; the last one counts"
            );
        }
        let metrics = Arc::new(Metrics::default());
        let cache = match &options.cache {
            Cache::State => Some(spec.state_dir.join("compiled")),
            Cache::Folder(folder) => Some(folder.clone()),
            Cache::Off => None,
        };
        // Without it every start is slow, and nothing else.
        let cache = cache.filter(|folder| match own_folder(folder) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(
                    folder = %folder.display(),
                    error = %format!("{error:#}"),
                    "compiled code is neither read from here nor kept here, because what lies here is executed"
                );
                false
            }
        });
        let loader = Loader {
            code: CodeCache {
                folder: cache,
                shared: matches!(options.cache, Cache::Folder(_)),
                engine,
            },
            linker,
            capabilities: capabilities.clone(),
            metrics: metrics.clone(),
            options: options.clone(),
            spec,
        };
        let spec = &loader.spec;
        let mut services = Services::new();
        for id in spec.manifest.served_components() {
            let service = loader.load(id, &spec.manifest, None)?;
            services.insert(id.to_owned(), Arc::new(service));
        }
        if services.is_empty() {
            bail!("the manifest has no [[trigger.http]]; nothing would be served");
        }
        loader.code.prune(&services);
        loader.code.sweep();
        let mut set = spec.settings.component.keys();
        if let Some(id) = set.find(|id| !spec.manifest.components.contains_key(*id)) {
            bail!(
                "the settings have [component.{id}], the manifest has no such component; it has {:?}",
                services.keys()
            );
        }
        let limits = spec.settings.limits.clone();
        let served = spec.settings.component.iter();
        for (id, component) in served.filter(|(id, _)| services.contains_key(*id)) {
            for request in component
                .computing
                .iter()
                .flat_map(|computing| &computing.requests)
            {
                let route = request.split_once(' ').map(|(_, route)| route);
                if !router
                    .routes()
                    .any(|(pattern, to)| Some(pattern) == route && to == id)
                {
                    bail!(
                        "the settings have `component.{id}.computing.requests` with {request:?}, and that is no method and route of the component; one is \"POST /a/:b\""
                    );
                }
            }
        }
        let app = Arc::new(Self {
            name: spec.manifest.application.name.clone(),
            version: spec.manifest.application.version.clone(),
            router,
            services: ArcSwap::from_pointee(services),
            reloading: tokio::sync::Mutex::default(),
            loader,
            admission: Admission::new(limits.at_work_max, limits.waiting_max),
            chained: Arc::new(Semaphore::new(
                limits
                    .at_work_max
                    .saturating_mul(CHAINED_PER_PLACE)
                    .min(Semaphore::MAX_PERMITS),
            )),
            limits,
            metrics,
            capabilities,
        });
        app.capabilities
            .outbound_http
            .set_local(Arc::new(Local(Arc::downgrade(&app))));
        tracing::info!(
            application = app.name,
            components = app.services.load().len(),
            took_ms = millis(started.elapsed()),
            "application loaded"
        );
        Ok(app)
    }

    /// Name of the application.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Version of the application.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Routes of the application.
    pub const fn router(&self) -> &Router {
        &self.router
    }

    /// Bounds of the host.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Figures of the host.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Figures as Prometheus reads them.
    pub fn metrics_text(&self) -> String {
        let now = Now {
            at_work: self.admission.at_work(),
            waiting: self.admission.waiting(),
            turns_waiting: self.admission.turns_waiting(),
            nn: self.capabilities.nn.stats(),
        };
        self.metrics.text(now)
    }

    /// The component with this id, if it is served.
    pub fn service(&self, id: &str) -> Option<Arc<Service>> {
        self.services.load().get(id).cloned()
    }

    /// Where the application lies and keeps its state.
    pub(crate) fn spec(&self) -> &AppSpec {
        &self.loader.spec
    }

    /// Takes the sources and dependencies of `manifest` in place of those that serve: composes and compiles what differs, tries it aside, and
    /// swaps all of it in one step. Requests under way finish on what they began with. Of the manifest nothing else is looked at.
    ///
    /// # Errors
    /// A component that cannot be read, composed, compiled, linked or instantiated, or whose probe is not answered; then all that served
    /// goes on serving.
    pub async fn reload(self: &Arc<Self>, manifest: Manifest) -> anyhow::Result<Vec<Swapped>> {
        let _one_at_a_time = self.reloading.lock().await;
        let started = std::time::Instant::now();
        let current = self.services.load_full();
        let app = self.clone();
        let loaded = tokio::task::spawn_blocking({
            let current = current.clone();
            let load = move || -> anyhow::Result<Vec<Service>> {
                let mut manifest = manifest;
                let mut merged = app.loader.spec.manifest.clone();
                for (id, component) in &mut merged.components {
                    let Some(fresh) = manifest.components.remove(id) else {
                        bail!("the manifest has no component `{id}` any more; taking one away needs a restart")
                    };
                    component.source = fresh.source;
                    component.dependencies = fresh.dependencies;
                }
                let mut loaded = Vec::new();
                for (id, serving) in current.iter() {
                    let service = app.loader.load(id, &merged, Some(serving))?;
                    if service.digest != serving.digest {
                        loaded.push(service);
                    }
                }
                Ok(loaded)
            };
            // Requests are served meanwhile, and compiling takes every processor that it gets.
            move || compilers()?.install(load)
        })
        .await??;
        for service in &loaded {
            self.try_aside(service)
                .await
                .with_context(|| format!("[component.{}] was tried and refused", service.id))?;
        }
        let mut services = (*current).clone();
        let mut swapped = Vec::new();
        for service in loaded {
            let id = service.id.to_string();
            let to = service.digest.clone();
            if let Some(old) = services.insert(id.clone(), Arc::new(service)) {
                swapped.push(Swapped {
                    component: id,
                    from: old.digest.clone(),
                    to,
                });
            }
        }
        self.loader.code.prune(&services);
        self.services.store(Arc::new(services));
        for change in &swapped {
            // What is idle ends at once; what works ends when it is done.
            if let Some(old) = current.get(&change.component) {
                old.handler.state().retire();
            }
            tracing::info!(
                component = change.component,
                from = change.from,
                to = change.to,
                took_ms = millis(started.elapsed()),
                "component swapped"
            );
        }
        Ok(swapped)
    }

    /// Makes an instance of a component that does not serve yet and, where the settings name a path for it, has it answer a request.
    async fn try_aside(&self, service: &Service) -> anyhow::Result<()> {
        let Some(path) = &service.handler.state().settings.probe else {
            let instantiated = service.handler.state().instantiate();
            let instance = tokio::time::timeout(service.deadline, instantiated)
                .await
                .context("no instance was made before the deadline of a request")?
                .map_err(|error| anyhow::anyhow!("no instance could be made: {error:?}"))?;
            instance.state.drop(instance.store, Ok(()));
            return Ok(());
        };
        let url = format!("http://localhost{path}");
        let mut request = http::Request::new(
            http_body_util::Empty::new()
                .map_err(|never| match never {})
                .boxed_unsync(),
        );
        *request.uri_mut() = url
            .parse()
            .with_context(|| format!("the probe `{path}` is no path"))?;
        SpinHeaders {
            path_info: path,
            full_url: &url,
            route: "/...",
            client: LOCAL,
            parameters: &[],
        }
        .put(request.headers_mut())?;
        request
            .headers_mut()
            .insert(http::header::HOST, HeaderValue::from_static("localhost"));
        let link = Link::new(service.deadline);
        let watch = BodyWatch::default();
        let answered = self.call(service, request, link, &watch).await;
        let outcome = match answered {
            Ok((response, guard)) => {
                let status = response.status();
                let body = response.into_body().collect().await;
                guard.finish(body.is_ok());
                match body {
                    Ok(_) if status.is_success() => Ok(()),
                    Ok(body) => {
                        let text: String = String::from_utf8_lossy(&body.to_bytes())
                            .chars()
                            .take(1_000)
                            .collect();
                        Err(anyhow::anyhow!(
                            "its probe {path} was answered with {status}: {text}"
                        ))
                    }
                    Err(error) => Err(anyhow::anyhow!(
                        "the answer to its probe {path} broke off: {error}"
                    )),
                }
            }
            Err(failure) => Err(anyhow::anyhow!("its probe {path} failed: {failure}")),
        };
        if outcome.is_err() {
            service.handler.state().retire();
        }
        outcome
    }

    /// The host ends: instances with nothing to do end now, and those that are dropped at work have not failed.
    pub fn end(&self) {
        for service in self.services.load().values() {
            service.handler.state().end();
        }
    }

    /// Takes a place for a request, or waits for one.
    ///
    /// # Errors
    /// See [`Admission::enter`].
    pub async fn enter(&self, service: &Service) -> Result<Permit, crate::admission::Busy> {
        self.admission.enter(&service.places).await
    }

    /// Gives a request to a component and waits for the head of its response. Dropping the future, or the guard that comes with the
    /// response, tells the instance that nobody waits any more.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn call(
        &self,
        service: &Service,
        request: http::Request<WasiBody>,
        link: Arc<Link>,
        watch: &BodyWatch,
    ) -> Result<(http::Response<WasiBody>, LinkGuard), Failure> {
        let guard = LinkGuard(link.clone());
        let handled = service.handler.handle(link.clone(), request);
        let overdue = tokio::time::sleep_until(link.deadline());
        let outcome = tokio::select! {
            biased;
            // First: a component that learns of the fault at the same time answers something of its own, which would hide it.
            fault = watch.fault() => return Err(Failure::Body(fault)),
            outcome = handled => outcome,
            // The instance enforces it as well; this one also covers a request that waits for an instance.
            () = overdue => return Err(Failure::Deadline),
        };
        match outcome {
            Ok(response) => Ok((response, guard)),
            Err(error) => Err(failure(service, &link, error)),
        }
    }
}

fn failure(service: &Service, link: &Link, error: wasmtime::Error) -> Failure {
    if error.is::<ExpirationError>() || (error.is::<TrapOrPanicError>() && link.overdue()) {
        return Failure::Deadline;
    }
    if link.memory_exceeded() {
        return Failure::Memory {
            bytes_max: service.handler.state().settings.instance_memory_bytes_max,
        };
    }
    if let Some(failed) = error.downcast_ref::<InstantiationError<Arc<Link>>>() {
        if failed.error.is::<wasmtime::PoolConcurrencyLimitError>() {
            return Failure::NoInstance;
        }
        return Failure::Component(format!("no instance could be made: {:?}", failed.error));
    }
    Failure::Component(format!("{error:?}"))
}

/// Threads to compile on while the application serves: half of the processors.
fn compilers() -> anyhow::Result<rayon::ThreadPool> {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    rayon::ThreadPoolBuilder::new()
        .num_threads((processors / 2).max(1))
        .thread_name(|index| format!("compile-{index}"))
        .build()
        .context("threads to compile on could not be started")
}

/// What loading a component takes. Kept, for components are loaded again while the application serves.
struct Loader {
    code: CodeCache,
    linker: Linker<Ctx>,
    capabilities: Arc<Capabilities>,
    metrics: Arc<Metrics>,
    options: LoadOptions,
    spec: AppSpec,
}

impl Loader {
    /// Loads the component `id` as `manifest` has it now. What comes in place of `serving` shares its places; where both are the same bytes,
    /// nothing is compiled.
    fn load(
        &self,
        id: &str,
        manifest: &Manifest,
        serving: Option<&Service>,
    ) -> anyhow::Result<Service> {
        let started = std::time::Instant::now();
        let spec = &self.spec;
        let Some(component) = manifest.components.get(id) else {
            bail!("there is no component `{id}`")
        };
        let bytes = compose::compose(id, manifest, &spec.base)?;
        let digest = hex(&Sha256::digest(&bytes));
        if let Some(serving) = serving
            && serving.digest == digest
        {
            return Ok(serving.clone());
        }
        let (compiled, cached) = self
            .code
            .compile(&bytes, &digest)
            .with_context(|| format!("[component.{id}] cannot be compiled"))?;
        let pre = self
        .linker
        .instantiate_pre(&compiled)
        .map_err(anyhow::Error::from)
        .with_context(|| format!("[component.{id}] imports something that this host does not have, or has in another version"))?;
        let pre = match kind(&self.code.engine, &compiled) {
            Some(Kind::P3) => ProxyPre::P3(wasmtime_wasi_http::p3::bindings::ServicePre::new(pre)?),
            Some(Kind::P2) => ProxyPre::P2(wasmtime_wasi_http::p2::bindings::ProxyPre::new(pre)?),
            None => bail!(
                "[component.{id}] exports neither wasi:http/handler@0.3.0 nor wasi:http/incoming-handler@0.2.x; a component behind an \
             HTTP trigger has to"
            ),
        };
        let settings = spec.settings.of_component(id);
        let mut environment: Vec<_> = component.environment.clone().into_iter().collect();
        environment.extend(self.options.environment.iter().cloned());
        environment.push((DIGEST_VARIABLE.to_owned(), digest.clone()));
        let deadline = Duration::from_millis(settings.request_deadline_ms);
        tracing::info!(
            component = id,
            digest,
            cached,
            took_ms = millis(started.elapsed()),
            "component loaded"
        );
        let blueprint = Blueprint {
            id: id.into(),
            engine: self.code.engine.clone(),
            pre,
            capabilities: self.capabilities.clone(),
            environment,
            mounts: Mounts::configure(id, component, &spec.base, &spec.state_dir)?,
            times: Times {
                request: deadline,
                response: Duration::from_millis(spec.settings.limits.response_deadline_ms),
                idle: self.options.idle.unwrap_or(IDLE),
            },
            metrics: self.metrics.clone(),
            settings: settings.clone(),
            retirement: Arc::default(),
            _freed: Freed,
        };
        Ok(Service {
            id: id.into(),
            digest,
            handler: ProxyHandler::new(blueprint),
            places: serving.map_or_else(
                || ComponentPlaces::new(settings.at_work_max),
                |serving| serving.places.clone(),
            ),
            computing: serving.map_or_else(
                || {
                    let computing = settings.computing.as_ref();
                    computing.map(|computing| ComponentPlaces::new(computing.places()))
                },
                |serving| serving.computing.clone(),
            ),
            deadline,
        })
    }
}

/// The environment variable that tells a component its own digest, which it cannot know otherwise.
pub const DIGEST_VARIABLE: &str = "CINECOR_COMPONENT_DIGEST";

enum Kind {
    P2,
    P3,
}

fn kind(engine: &Engine, component: &Component) -> Option<Kind> {
    let exports: Vec<_> = component
        .component_type()
        .exports(engine)
        .map(|(name, _)| name.to_owned())
        .collect();
    if exports
        .iter()
        .any(|name| name.starts_with("wasi:http/handler@0.3."))
    {
        Some(Kind::P3)
    } else if exports
        .iter()
        .any(|name| name.starts_with("wasi:http/incoming-handler@0.2."))
    {
        Some(Kind::P2)
    } else {
        None
    }
}

/// Compiled code in a folder, named by the component's digest and by all of the engine's settings.
struct CodeCache {
    engine: Engine,
    folder: Option<PathBuf>,
    /// Hosts of other state folders may use it: nothing is taken away there.
    shared: bool,
}

/// Compiled code that is kept of components which do not serve any more, so that going back to one compiles nothing.
const UNUSED_CODE_MAX: usize = 8;

impl CodeCache {
    fn compile(&self, bytes: &[u8], digest: &str) -> anyhow::Result<(Component, bool)> {
        let Some(folder) = &self.folder else {
            return Ok((Component::new(&self.engine, bytes)?, false));
        };
        let mut hasher = DefaultHasher::new();
        self.engine
            .precompile_compatibility_hash()
            .hash(&mut hasher);
        let path = folder.join(format!("{digest}-{:016x}.cwasm", hasher.finish()));
        if path.exists() && is_own(&path) {
            // SAFETY: the file was written by `write_whole` below, under a name made of everything that its content depends on, into a folder
            // that only this user can write to (`own_folder`), and is this user's alone to write. Whoever can write there can replace the
            // components themselves.
            match unsafe { Component::deserialize_file(&self.engine, &path) } {
                Ok(component) => {
                    used(&path);
                    return Ok((component, true));
                }
                Err(error) => {
                    tracing::warn!(%error, "compiled code in the cache cannot be used; compiling again")
                }
            }
        }
        let component = Component::new(&self.engine, bytes)?;
        // A cache that cannot be written makes the next start slow, and nothing else.
        if let Err(error) = component
            .serialize()
            .map_err(anyhow::Error::from)
            .and_then(|code| write_whole(&path, &code))
        {
            tracing::warn!(error = %format!("{error:#}"), "compiled code cannot be cached");
        }
        Ok((component, false))
    }
}

/// How long nothing may have been written to a file that was to become one of the cache, until it counts as left behind by a host that ended
/// while it wrote. Writing one takes seconds.
const PART_STALE: Duration = Duration::from_secs(24 * 60 * 60);

impl CodeCache {
    /// Takes away what hosts left behind that ended while they wrote.
    fn sweep(&self) {
        if let Some(folder) = &self.folder {
            sweep_parts(folder, std::time::SystemTime::now());
        }
    }

    /// Takes away the code that nothing serves with any more, but for the files used last.
    fn prune(&self, services: &Services) {
        if let (Some(folder), false) = (&self.folder, self.shared) {
            let digests: Vec<&str> = services
                .values()
                .map(|service| service.digest.as_str())
                .collect();
            prune(folder, &digests, UNUSED_CODE_MAX);
        }
    }
}

/// Notes that a file of the cache was used now.
fn used(path: &Path) {
    // A cache that cannot be written forgets the wrong file first, and nothing else.
    let _ = std::fs::File::options()
        .append(true)
        .open(path)
        .and_then(|file| file.set_modified(std::time::SystemTime::now()));
}

/// Takes away compiled code in `folder` whose name begins with none of `digests`, but for the `keep` files used last.
fn prune(folder: &Path, digests: &[&str], keep: usize) {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut unused: Vec<_> = files
        .filter_map(|file| {
            let name = file.file_name().into_string().ok()?;
            let serves = digests.iter().any(|digest| name.starts_with(digest));
            (name.ends_with(".cwasm") && !serves).then_some(())?;
            Some((file.metadata().ok()?.modified().ok()?, file.path()))
        })
        .collect();
    unused.sort_by_key(|(used, _)| std::cmp::Reverse(*used));
    for (_, path) in unused.into_iter().skip(keep) {
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::warn!(%error, "compiled code that nothing uses cannot be taken away");
        }
    }
}

/// Takes away files of `folder` that were never finished, and that nothing was written to for [`PART_STALE`] before `now`: others may be
/// writing theirs.
fn sweep_parts(folder: &Path, now: std::time::SystemTime) {
    for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_part = file.path().extension().is_some_and(|ending| ending == PART);
        let written = file.metadata().and_then(|data| data.modified());
        let is_stale = written.is_ok_and(|written| {
            now.duration_since(written)
                .is_ok_and(|silent| silent > PART_STALE)
        });
        if is_part
            && is_stale
            && let Err(error) = std::fs::remove_file(file.path())
        {
            tracing::warn!(%error, "a file of the cache that was never finished cannot be taken away");
        }
    }
}

/// What the name of a file ends in that is being written.
const PART: &str = "part";

/// Makes a folder that this user alone (or root) can write to, or makes sure that the one that is there is such: it is refused, never changed, because who
/// could write there before may have.
fn own_folder(folder: &Path) -> anyhow::Result<()> {
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder);
    made.context("the folder cannot be made")?;
    let data = std::fs::metadata(folder)?;
    if !is_trusted(data.uid()) {
        // SAFETY: it takes nothing and cannot fail.
        let user = unsafe { libc::geteuid() };
        bail!(
            "it belongs to the user {}, and this is the user {user}; name a folder of this user's own with --cache-dir, or use --disable-cache",
            data.uid()
        );
    }
    if data.mode() & WRITABLE_BY_OTHERS != 0 {
        bail!(
            "others may write there (its mode is {:03o}); if nobody else has, `chmod go-w` it, else delete it",
            data.mode() & 0o777
        );
    }
    Ok(())
}

/// The bits of a mode that let the group or everybody write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Whether what belongs to the user `owner` may be executed: to this one, or to root, who can replace this program as well and makes what an
/// image brings along.
fn is_trusted(owner: u32) -> bool {
    // SAFETY: it takes nothing and cannot fail.
    owner == 0 || owner == unsafe { libc::geteuid() }
}

/// Whether a file belongs to this user or root and nobody else may write to it.
fn is_own(path: &Path) -> bool {
    let own = std::fs::symlink_metadata(path).is_ok_and(|data| {
        data.is_file() && is_trusted(data.uid()) && data.mode() & WRITABLE_BY_OTHERS == 0
    });
    if !own {
        tracing::warn!(
            "compiled code in the cache is another user's or others may write to it; compiling again"
        );
    }
    own
}

/// Writes a file so that it is there with all of its content, or not at all.
fn write_whole(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    use std::io::Write as _;
    // Two containers that share the folder may have the same process id.
    let random = RandomState::new().build_hasher().finish();
    let aside = path.with_extension(format!("{random:016x}.{PART}"));
    let mut file = std::fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&aside)
        .with_context(|| format!("cannot write {}", aside.display()))?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&aside, path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The way from one component to another. Weak: the application holds the capability that holds this.
struct Local(Weak<App>);

struct LocalEnd {
    guard: LinkGuard,
    _permit: tokio::sync::OwnedSemaphorePermit,
}

impl Finish for LocalEnd {
    fn finish(self, _bytes: u64, complete: bool) {
        self.guard.finish(complete);
    }
}

impl LocalServices for Local {
    fn call(
        &self,
        to: &str,
        request: http::Request<WasiBody>,
    ) -> BoxFuture<'static, Result<http::Response<WasiBody>, Error>> {
        Box::pin(call_local(self.0.upgrade(), Some(to.to_owned()), request))
    }

    fn call_route(
        &self,
        request: http::Request<WasiBody>,
    ) -> BoxFuture<'static, Result<http::Response<WasiBody>, Error>> {
        Box::pin(call_local(self.0.upgrade(), None, request))
    }
}

/// Gives a request of one component to another: to the one named `to`, or to the one whose route it matches.
async fn call_local(
    app: Option<Arc<App>>,
    to: Option<String>,
    mut request: http::Request<WasiBody>,
) -> Result<http::Response<WasiBody>, Error> {
    let app = app.ok_or(Error::DestinationUnavailable)?;
    let path = request.uri().path().to_owned();
    let full_url = request.uri().to_string();
    let found = match to {
        Some(_) => None,
        None => Some(app.router.find(&path).ok_or(Error::DestinationNotFound)?),
    };
    let (to, facts) = match &found {
        Some(found) => (
            found.component,
            SpinHeaders {
                path_info: found.path_info,
                full_url: &full_url,
                route: found.pattern,
                client: LOCAL,
                parameters: &found.parameters,
            },
        ),
        None => (
            to.as_deref().unwrap_or_default(),
            SpinHeaders {
                path_info: &path,
                full_url: &full_url,
                route: "/...",
                client: LOCAL,
                parameters: &[],
            },
        ),
    };
    let service = app.service(to).ok_or(Error::DestinationNotFound)?;
    let permit = app
        .chained
        .clone()
        .try_acquire_owned()
        .map_err(|_| Error::ConnectionLimitReached)?;
    facts
        .put(request.headers_mut())
        .map_err(|_| Error::HttpRequestUriInvalid)?;
    let promises_body = request.method() == http::Method::HEAD;
    let link = Link::new(service.deadline);
    let watch = BodyWatch::default();
    let (response, guard) = app
        .call(&service, request, link, &watch)
        .await
        .map_err(|failure| {
            tracing::error!(
                component = to,
                ?failure,
                "a request of another component failed"
            );
            match failure {
                Failure::Deadline => Error::HttpResponseTimeout,
                Failure::NoInstance => Error::ConnectionLimitReached,
                Failure::Body(_) | Failure::Memory { .. } | Failure::Component(_) => {
                    Error::InternalError(None)
                }
            }
        })?;
    Ok(response.map(|body| {
        ResponseBody::new(
            body,
            None,
            promises_body,
            LocalEnd {
                guard,
                _permit: permit,
            },
        )
        .boxed_unsync()
    }))
}

/// The client of requests that components send one another.
const LOCAL: &str = "127.0.0.1:0";

/// The facts of a request that Spin tells components in headers.
pub(crate) struct SpinHeaders<'a> {
    pub(crate) path_info: &'a str,
    pub(crate) full_url: &'a str,
    pub(crate) route: &'a str,
    pub(crate) client: &'a str,
    pub(crate) parameters: &'a [(&'a str, &'a str)],
}

impl SpinHeaders<'_> {
    /// Puts the headers in, in place of any that came with the request.
    pub(crate) fn put(&self, headers: &mut http::HeaderMap) -> Result<(), http::Error> {
        let foreign: Vec<_> = headers
            .keys()
            .filter(|name| name.as_str().starts_with("spin-"))
            .cloned()
            .collect();
        for name in foreign {
            headers.remove(name);
        }
        let component_route = self.route.strip_suffix("/...").unwrap_or(self.route);
        let facts = [
            ("spin-path-info", self.path_info),
            ("spin-full-url", self.full_url),
            ("spin-matched-route", self.route),
            ("spin-base-path", "/"),
            ("spin-raw-component-route", self.route),
            ("spin-component-route", component_route),
            ("spin-client-addr", self.client),
        ];
        for (name, value) in facts {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_bytes(value.as_bytes())?,
            );
        }
        for (name, value) in self.parameters {
            let name = format!(
                "spin-path-match-{}",
                name.to_ascii_lowercase().replace('_', "-")
            );
            headers.insert(
                HeaderName::try_from(name)?,
                HeaderValue::from_bytes(value.as_bytes())?,
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spins_headers_replace_those_that_a_client_sent() {
        let mut headers = http::HeaderMap::new();
        headers.insert("spin-client-addr", HeaderValue::from_static("127.0.0.1:1"));
        headers.insert("spin-made-up", HeaderValue::from_static("x"));
        headers.insert("accept", HeaderValue::from_static("*/*"));
        let facts = SpinHeaders {
            path_info: "/b",
            full_url: "http://h/a/7/b?q",
            route: "/a/:study_id/...",
            client: "10.0.0.9:4",
            parameters: &[("study_id", "7")],
        };
        facts.put(&mut headers).unwrap();
        let of = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(of("spin-client-addr"), Some("10.0.0.9:4"));
        assert_eq!(of("spin-made-up"), None);
        assert_eq!(of("accept"), Some("*/*"));
        assert_eq!(of("spin-component-route"), Some("/a/:study_id"));
        assert_eq!(of("spin-path-match-study-id"), Some("7"));
    }

    #[test]
    fn code_that_nothing_uses_goes_but_for_the_latest() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let early = std::time::SystemTime::now() - Duration::from_secs(1_000);
        for (age, name) in ["a-1.cwasm", "b-1.cwasm", "c-1.cwasm", "d-1.cwasm", "d.txt"]
            .into_iter()
            .enumerate()
        {
            std::fs::write(at(name), b"code").unwrap();
            let file = std::fs::File::options()
                .append(true)
                .open(at(name))
                .unwrap();
            file.set_modified(early + Duration::from_secs(age as u64))
                .unwrap();
        }
        used(&at("b-1.cwasm"));
        prune(folder.path(), &["a"], 1);
        let mut left: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["a-1.cwasm", "b-1.cwasm", "d.txt"]);
    }

    #[test]
    fn what_was_never_finished_goes_once_nobody_can_be_writing_it() {
        let folder = tempfile::tempdir().unwrap();
        let now = std::time::SystemTime::now();
        for (age_s, name) in [
            (0, "a-1.0000000000000001.part"),
            (86_000, "b-1.0000000000000002.part"),
            (87_000, "c-1.0000000000000003.part"),
            (87_000, "d-1.cwasm"),
        ] {
            let file = std::fs::File::create(folder.path().join(name)).unwrap();
            file.set_modified(now - Duration::from_secs(age_s)).unwrap();
        }
        sweep_parts(folder.path(), now);
        let mut left: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(
            left,
            [
                "a-1.0000000000000001.part",
                "b-1.0000000000000002.part",
                "d-1.cwasm"
            ]
        );
    }

    #[test]
    fn a_folder_that_others_can_write_to_holds_no_code() {
        use std::os::unix::fs::PermissionsExt as _;
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/compiled");
        own_folder(&folder).unwrap();
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        assert_eq!(folder.metadata().unwrap().mode() & 0o777, 0o700);
        mode(&folder, 0o755);
        own_folder(&folder).unwrap();
        let file = folder.join("x.cwasm");
        write_whole(&file, b"code").unwrap();
        assert!(is_own(&file));
        mode(&file, 0o666);
        assert!(!is_own(&file));
        for open in [0o770, 0o707, 0o1777] {
            mode(&folder, open);
            let error = own_folder(&folder).unwrap_err().to_string();
            assert!(error.contains("others may write there"), "{error}");
            assert_eq!(folder.metadata().unwrap().mode() & 0o7777, open);
        }
        // A folder of the system's, where this is not root, or somebody's, where it is.
        mode(&folder, 0o700);
        // SAFETY: it takes nothing and cannot fail.
        if unsafe { libc::geteuid() } == 0 {
            std::os::unix::fs::chown(&folder, Some(65_534), None).unwrap();
            let error = own_folder(&folder).unwrap_err().to_string();
            assert!(error.contains("belongs to the user 65534"), "{error}");
        }
    }

    #[test]
    fn a_file_of_the_cache_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("compiled/x.cwasm");
        own_folder(path.parent().unwrap()).unwrap();
        write_whole(&path, b"one").unwrap();
        write_whole(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1
        );
    }
}
