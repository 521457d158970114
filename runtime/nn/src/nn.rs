//! Inference for a host: named and handed-over graphs, a cache of loaded ones, a bounded queue in front of the engine. Shared by
//! all stores of a process; what belongs to one store is in [`wit`](crate::wit).

use crate::choose::{Choice, Chooser, Opened};
use crate::config::Config;
use crate::engine::{Engine, Graph, GraphSource, RemoteModel};
use crate::registry::{self, Found, Name, Registry};
use crate::source::{Encoding, GraphInfo, guarded, named_source, source};
use crate::stats::{ComputeReport, Counters, Stats};
use crate::stored::{GraphStore, Stored};
use crate::{Error, ErrorCode, Precision, SetupError, Signature, Tensor};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A graph ready to compute. Cheap to clone; the graph is kept while a clone lives.
#[derive(Clone)]
pub struct LoadedGraph {
    graph: Arc<dyn Graph>,
    opened: Arc<Opened>,
}

impl LoadedGraph {
    /// What the graph takes and gives.
    pub fn signature(&self) -> &Signature {
        self.graph.signature()
    }

    /// Name of the engine that runs it.
    pub fn engine(&self) -> &'static str {
        self.opened.engine.name()
    }
}

/// Cheap to clone: all clones share engines, graphs and queue.
#[derive(Clone)]
pub struct Nn {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    chooser: Chooser,
    registry: Registry,
    graphs: Mutex<HashMap<Key, Slot>>,
    counters: Counters,
}

/// A graph in an engine on a device.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    engine: &'static str,
    device: String,
    graph: [u8; 32],
    precision: Precision,
    /// The name that a remote engine was told: equal graphs may have several.
    remote: Option<RemoteModel>,
}

/// A place for a graph. Its own lock is held while the graph loads, so that requests for one graph load it once and others do
/// not wait.
#[derive(Clone)]
struct Slot {
    graph: Arc<Mutex<Option<Arc<dyn Graph>>>>,
    used: Instant,
}

impl Nn {
    /// Opens the engine that the settings ask for. May block for as long as a shared library takes to load.
    ///
    /// # Errors
    /// When no engine serves the device that was asked for, a folder of models cannot be read, or a number is out of range.
    pub fn new(config: Config) -> Result<Self, SetupError> {
        Self::build(config, None)
    }

    /// The same, and looks in `store` for named graphs that no folder has; `store_prefix` of the settings says where in it.
    ///
    /// # Errors
    /// As [`Nn::new`].
    pub fn with_store(config: Config, store: Arc<dyn GraphStore>) -> Result<Self, SetupError> {
        Self::build(config, Some(store))
    }

    fn build(config: Config, store: Option<Arc<dyn GraphStore>>) -> Result<Self, SetupError> {
        config.check()?;
        let chooser = Chooser::new(config.clone())?;
        Self::with_chooser(config, chooser, store)
    }

    /// Serves with an engine of the host's own instead of those that come with this crate. Of the settings, those about engines do
    /// not apply then.
    ///
    /// # Errors
    /// When a folder of models cannot be read.
    pub fn with_engine(config: Config, engine: Arc<dyn Engine>) -> Result<Self, SetupError> {
        let chooser = Chooser::with_engine(config.clone(), engine);
        Self::with_chooser(config, chooser, None)
    }

    fn with_chooser(
        config: Config,
        chooser: Chooser,
        store: Option<Arc<dyn GraphStore>>,
    ) -> Result<Self, SetupError> {
        let stored = store.map(|store| Stored::new(store, config.store_prefix.clone()));
        let registry = Registry::new(config.models.clone(), stored)?;
        Ok(Self {
            inner: Arc::new(Inner {
                config,
                chooser,
                registry,
                graphs: Mutex::default(),
                counters: Counters::default(),
            }),
        })
    }

    /// The settings that this was made with.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// What was computed, what waits, what is in memory: as of now.
    pub fn stats(&self) -> Stats {
        self.inner.counters.snapshot(self.inner.loaded_graphs())
    }

    /// Names of the graphs that [`Nn::load_by_name`] finds in folders, in alphabetical order. Reads folders: call it where blocking is allowed.
    pub fn names(&self) -> Vec<String> {
        self.inner.registry.names()
    }

    /// Loads a graph that a guest handed over. `device` is the guest's wish in wasi:nn's words (`cpu`, `gpu`, `npu`). It is computed in
    /// single precision, with 8-bit products where it is quantised and the engine has them.
    ///
    /// # Errors
    /// `security` or `too-large` when the host does not take such graphs, `invalid-encoding` and `unsupported-operation` when no engine does.
    pub async fn load(
        &self,
        parts: Vec<Vec<u8>>,
        encoding: Encoding,
        device: &'static str,
    ) -> Result<LoadedGraph, Error> {
        let inner = self.inner.clone();
        blocking(move || {
            let bytes = parts.iter().map(Vec::len).fold(0, usize::saturating_add);
            registry::check_handed_over(bytes, inner.config.guest_graph_bytes_max)?;
            let source = source(parts, encoding)?;
            let choice = inner
                .chooser
                .engine(source.format, device, source.precision)?;
            if choice.opened.engine.by_name() {
                return Err(Error::unsupported(format!(
                    "{} cannot be given a graph: it has its own; use load-by-name",
                    choice.opened.engine.name()
                )));
            }
            let graph = registry::key(&source.model, &source.weights);
            let key = key(&choice.opened, graph, source.precision, None);
            inner.load(&choice, key, || Ok(source))
        })
        .await
    }

    /// Loads the graph `name@version` or `name@version:precision` from the models folders or the store, or finds it loaded.
    ///
    /// # Errors
    /// `not-found` when there is none, also of the precision; `security` for a precision that the settings do not allow; otherwise as
    /// [`Nn::load`].
    pub async fn load_by_name(&self, name: String) -> Result<LoadedGraph, Error> {
        let inner = self.inner.clone();
        blocking(move || {
            let Named {
                found,
                files,
                precision,
                remote,
                choice,
            } = inner.named(&name)?;
            let key = key(&choice.opened, found.key, precision, remote.clone());
            inner.load(&choice, key, || {
                let files = files.map_or_else(|| inner.registry.read(&name, &found), Ok)?;
                named_source(found.format, files, precision, remote)
            })
        })
        .await
    }

    /// Says where the graph `name@version` or `name@version:precision` runs, or would run once loaded.
    ///
    /// # Errors
    /// `not-found` when there is none, `security` for a precision that the settings do not allow, `unsupported-operation` when no engine
    /// reads it or computes in its precision.
    pub async fn describe(&self, name: String) -> Result<GraphInfo, Error> {
        let inner = self.inner.clone();
        blocking(move || {
            let Named {
                found,
                precision,
                remote,
                choice: Choice { opened, reason },
                ..
            } = inner.named(&name)?;
            let loaded = inner.is_loaded(&key(&opened, found.key, precision, remote));
            let engine = &opened.engine;
            Ok(GraphInfo {
                digest: found.digest,
                engine: engine.name().to_owned(),
                engine_version: engine.version().to_owned(),
                device: engine.device().to_owned(),
                precision,
                reason,
                loaded,
                batch: engine.batch(),
            })
        })
        .await
    }

    /// Computes a graph on named inputs and gives its named outputs. Waits for a place in the engine first; dropping the future
    /// gives the place in the queue up.
    ///
    /// # Errors
    /// `invalid-argument` when the inputs do not fit the graph, `timeout` when the queue is full, `runtime-error` when the engine
    /// fails.
    pub async fn compute(
        &self,
        graph: &LoadedGraph,
        inputs: Vec<(String, Tensor)>,
    ) -> Result<(Vec<(String, Tensor)>, ComputeReport), Error> {
        let counters = &self.inner.counters;
        let inputs = graph
            .signature()
            .arrange(inputs)
            .inspect_err(|_| counters.refused())?;
        let queued = Instant::now();
        let places = graph.graph.places().unwrap_or(&graph.opened.places);
        let place = match places.clone().try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                let limit = self.inner.config.waiting_max;
                let Some(_waiting) = counters.wait(limit) else {
                    return Err(Error::new(
                        ErrorCode::Timeout,
                        format!(
                            "busy: {limit} computes are waiting for the engine already; try again later"
                        ),
                    ));
                };
                let acquired = places.clone().acquire_owned().await;
                acquired.map_err(|_| Error::runtime("the engine is closed"))?
            }
        };
        let waited = queued.elapsed();
        let running = graph.graph.clone();
        let inner = self.inner.clone();
        let (outputs, computed) = blocking(move || {
            // The place is held until the engine is done, also when the guest has gone away meanwhile.
            let _place = place;
            let _at_work = inner.counters.begin();
            let started = Instant::now();
            let outputs = guarded(|| running.run(inputs));
            let computed = started.elapsed();
            inner.counters.done(waited, computed, outputs.is_ok());
            outputs.map(|outputs| (outputs, computed))
        })
        .await?;
        let named = graph
            .signature()
            .outputs
            .iter()
            .map(|spec| spec.name.clone())
            .zip(outputs)
            .collect();
        Ok((named, ComputeReport { waited, computed }))
    }
}

/// A named graph that is there, and what is to compute it.
struct Named {
    found: Found,
    files: Option<registry::Files>,
    precision: Precision,
    /// What it is called there, when the engine is told names.
    remote: Option<RemoteModel>,
    choice: Choice,
}

impl Inner {
    fn named(&self, name: &str) -> Result<Named, Error> {
        let parsed = Name::parse(name)?;
        let precision = parsed.precision.unwrap_or(self.config.precision);
        self.config.allow(precision)?;
        let (found, files) = self.registry.find(&parsed, precision)?;
        let choice = self
            .chooser
            .engine(found.format, self.chooser.device(), precision)?;
        let remote = choice.opened.engine.by_name();
        let remote = remote.then(|| self.registry.remote(&parsed)).transpose()?;
        Ok(Named {
            found,
            files,
            precision,
            remote,
            choice,
        })
    }

    /// Finds a graph in memory or loads it. Blocks while another thread loads the same one.
    fn load(
        &self,
        choice: &Choice,
        key: Key,
        source: impl FnOnce() -> Result<GraphSource, Error>,
    ) -> Result<LoadedGraph, Error> {
        let opened = choice.opened.clone();
        let slot = {
            let mut graphs = self.lock();
            let slot = graphs.entry(key.clone()).or_insert_with(|| Slot {
                graph: Arc::default(),
                used: Instant::now(),
            });
            slot.used = Instant::now();
            slot.graph.clone()
        };
        let mut place = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(graph) = &*place {
            return Ok(LoadedGraph {
                graph: graph.clone(),
                opened,
            });
        }
        let started = Instant::now();
        let loaded = source().and_then(|source| guarded(|| opened.engine.load(&source)));
        match loaded {
            Ok(graph) => {
                *place = Some(graph.clone());
                drop(place);
                self.counters.loaded(started.elapsed());
                self.free_unused();
                Ok(LoadedGraph { graph, opened })
            }
            Err(error) => {
                drop(place);
                // A failure is not remembered: the next request tries again.
                self.lock()
                    .retain(|other, slot| *other != key || Arc::strong_count(&slot.graph) > 2);
                Err(error)
            }
        }
    }

    /// Lets go of the graphs that nothing uses, but for the few latest.
    fn free_unused(&self) {
        let mut freed = Vec::new();
        let mut graphs = self.lock();
        let mut unused: Vec<(Key, Instant)> = graphs
            .iter()
            .filter(|(_, slot)| slot.is_unused())
            .map(|(key, slot)| (key.clone(), slot.used))
            .collect();
        unused.sort_by_key(|(_, used)| std::cmp::Reverse(*used));
        // The graph that was just loaded is in use, by whoever loaded it.
        for (key, _) in unused.into_iter().skip(self.config.unused_graphs_max) {
            freed.extend(graphs.remove(&key));
        }
        drop(graphs);
        // An engine may take its time to free a graph: not under the lock.
        drop(freed);
    }

    fn is_loaded(&self, key: &Key) -> bool {
        self.lock().get(key).is_some_and(Slot::is_loaded)
    }

    fn loaded_graphs(&self) -> usize {
        self.lock().values().filter(|slot| slot.is_loaded()).count()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Slot>> {
        // The map is whole between statements: a panic elsewhere does not spoil it.
        self.graphs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn is_loaded(&self) -> bool {
        self.graph.try_lock().is_ok_and(|graph| graph.is_some())
    }

    /// Loaded, and held by nothing but this slot. A slot that is locked is being loaded or handed out.
    fn is_unused(&self) -> bool {
        Arc::strong_count(&self.graph) == 1
            && self.graph.try_lock().is_ok_and(|graph| {
                graph
                    .as_ref()
                    .is_some_and(|graph| Arc::strong_count(graph) == 1)
            })
    }
}

fn key(opened: &Opened, graph: [u8; 32], precision: Precision, remote: Option<RemoteModel>) -> Key {
    let engine = &opened.engine;
    Key {
        engine: engine.name(),
        device: engine.device().to_owned(),
        graph,
        precision,
        remote,
    }
}

/// Runs blocking work beside the event loop, which serves other requests meanwhile.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(move || guarded(work))
        .await
        .unwrap_or_else(|_| Err(Error::runtime("the host is shutting down")))
}
