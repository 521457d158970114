//! Inference without a host around it: one engine, one caller, no queue, no event loop. It is what a component is made of that itself
//! exports wasi:nn; names, checks and errors are those of the host.

use crate::config::Config;
use crate::engine::{Engine, Graph, GraphSource, Precision, RemoteModel};
use crate::registry::{self, Files, Found, Name, Registry};
use crate::source::{Encoding, GraphInfo, guarded, named_source, source};
use crate::stored::{GraphStore, Stored};
use crate::{Error, SetupError, Signature, Tensor, engines};
use std::sync::{Arc, Mutex, PoisonError};

/// Named and handed-over graphs on the engine that the settings name. Of named graphs the last one is kept.
pub struct Alone {
    config: Config,
    engine: Arc<dyn Engine>,
    registry: Registry,
    kept: Mutex<Option<(Key, Arc<dyn Graph>)>>,
}

/// What a graph is known by: its bytes, what it is computed in, and what it is called elsewhere.
type Key = ([u8; 32], Precision, Option<RemoteModel>);

/// A named graph that is there.
struct Named {
    found: Found,
    files: Option<Files>,
    key: Key,
}

/// A graph ready to compute.
#[derive(Clone)]
pub struct AloneGraph(Arc<dyn Graph>);

impl Alone {
    /// Opens the engine that the settings name; `auto` is none of them here. Graphs that no folder has are looked for in `store`.
    ///
    /// # Errors
    /// When the engine is not built in, a folder of models cannot be read, or a number is out of range.
    pub fn new(config: Config, store: Option<Arc<dyn GraphStore>>) -> Result<Self, SetupError> {
        config.check()?;
        let engine = engines::open(config.engine, &config.device, &config).map_err(|tried| {
            SetupError::NoEngine {
                device: config.device.clone(),
                precision: config.precision,
                tried,
            }
        })?;
        Self::with_engine(config, engine, store)
    }

    /// The same with an engine of the caller's own.
    ///
    /// # Errors
    /// When a folder of models cannot be read.
    pub fn with_engine(
        config: Config,
        engine: Arc<dyn Engine>,
        store: Option<Arc<dyn GraphStore>>,
    ) -> Result<Self, SetupError> {
        let stored = store.map(|store| Stored::new(store, config.store_prefix.clone()));
        Ok(Self {
            registry: Registry::new(config.models.clone(), stored)?,
            kept: Mutex::default(),
            engine,
            config,
        })
    }

    /// The settings that this was made with.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Names of the graphs in folders, in alphabetical order.
    pub fn names(&self) -> Vec<String> {
        self.registry.names()
    }

    /// Says how the graph `name@version` or `name@version:precision` is computed.
    ///
    /// # Errors
    /// `not-found` when there is none, `unsupported-operation` when the engine does not read it or does not compute in its precision.
    pub fn describe(&self, name: &str) -> Result<GraphInfo, Error> {
        let Named { found, key, .. } = self.find(name)?;
        let kept = self.kept();
        Ok(GraphInfo {
            loaded: kept.as_ref().is_some_and(|(known, _)| *known == key),
            precision: key.1,
            digest: found.digest,
            engine: self.engine.name().to_owned(),
            engine_version: self.engine.version().to_owned(),
            device: self.engine.device().to_owned(),
            reason: format!("{} is the engine that is composed in", self.engine.name()),
            batch: self.engine.batch(),
        })
    }

    /// Loads a named graph, or finds it loaded.
    ///
    /// # Errors
    /// As [`Alone::describe`], and what the engine says of the graph.
    pub fn load_by_name(&self, name: &str) -> Result<AloneGraph, Error> {
        let Named { found, files, key } = self.find(name)?;
        let mut kept = self.kept();
        if let Some((_, graph)) = kept.as_ref().filter(|(known, _)| *known == key) {
            return Ok(AloneGraph(graph.clone()));
        }
        // The old one goes first: two of them may not fit into one memory.
        *kept = None;
        let files = files.map_or_else(|| self.registry.read(name, &found), Ok)?;
        let graph = self.open(&named_source(found.format, files, key.1, key.2.clone())?)?;
        *kept = Some((key, graph.clone()));
        Ok(AloneGraph(graph))
    }

    /// Loads a graph that was handed over.
    ///
    /// # Errors
    /// `security` or `too-large` where the settings do not take such graphs, `invalid-encoding` and `unsupported-operation` for one that the
    /// engine does not read.
    pub fn load(
        &self,
        parts: Vec<Vec<u8>>,
        encoding: Encoding,
        device: &str,
    ) -> Result<AloneGraph, Error> {
        let bytes = parts.iter().map(Vec::len).fold(0, usize::saturating_add);
        registry::check_handed_over(bytes, self.config.guest_graph_bytes_max)?;
        if device != self.engine.device() {
            return Err(Error::unsupported(format!(
                "{} computes on {:?} only, not on {device:?}",
                self.engine.name(),
                self.engine.device()
            )));
        }
        if self.engine.by_name() {
            return Err(Error::unsupported(format!(
                "{} cannot be given a graph: it has its own; use load-by-name",
                self.engine.name()
            )));
        }
        Ok(AloneGraph(self.open(&source(parts, encoding)?)?))
    }

    fn open(&self, source: &GraphSource) -> Result<Arc<dyn Graph>, Error> {
        if !self.engine.reads(source.format) {
            return Err(Error::unsupported(format!(
                "{} does not read graphs of this format",
                self.engine.name()
            )));
        }
        guarded(|| self.engine.load(source))
    }

    fn find(&self, name: &str) -> Result<Named, Error> {
        let parsed = Name::parse(name)?;
        let precision = parsed.precision.unwrap_or(self.config.precision);
        // Before any file is read: nobody asks twice for what is not computed here.
        self.engine
            .computes(precision)
            .map_err(Error::unsupported)?;
        self.config.allow(precision)?;
        let (found, files) = self.registry.find(&parsed, precision)?;
        let remote = self.engine.by_name();
        let remote = remote.then(|| self.registry.remote(&parsed)).transpose()?;
        Ok(Named {
            key: (found.key, precision, remote),
            found,
            files,
        })
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Option<(Key, Arc<dyn Graph>)>> {
        // What is kept is whole between statements: a panic elsewhere does not spoil it.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AloneGraph {
    /// What the graph takes and gives.
    pub fn signature(&self) -> &Signature {
        self.0.signature()
    }

    /// Computes the graph on named inputs and gives its named outputs.
    ///
    /// # Errors
    /// `invalid-argument` when the inputs do not fit the graph, `runtime-error` when the engine fails.
    pub fn compute(&self, inputs: Vec<(String, Tensor)>) -> Result<Vec<(String, Tensor)>, Error> {
        let inputs = self.signature().arrange(inputs)?;
        let outputs = guarded(|| self.0.run(inputs))?;
        let names = self
            .signature()
            .outputs
            .iter()
            .map(|spec| spec.name.clone());
        Ok(names.zip(outputs).collect())
    }
}
