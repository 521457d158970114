//! Which engine serves a graph, and why. Engines are opened when first needed and kept; one that could not be opened is not
//! tried again, so that an answer does not change while the host runs.

use crate::config::{Config, EngineChoice};
use crate::engine::{Engine, GraphFormat, Precision};
use crate::{Error, ErrorCode, SetupError, engines};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// An open engine, and the places for computes in it.
pub(crate) struct Opened {
    pub(crate) engine: Arc<dyn Engine>,
    /// One permit for each compute that may be at work.
    pub(crate) places: Arc<Semaphore>,
}

impl Opened {
    fn new(engine: Arc<dyn Engine>) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(engine.at_work_max().max(1)));
        Arc::new(Self { engine, places })
    }
}

/// An engine that was chosen, and why.
#[derive(Clone)]
pub(crate) struct Choice {
    pub(crate) opened: Arc<Opened>,
    pub(crate) reason: String,
}

type Tried = Result<Arc<Opened>, String>;

pub(crate) struct Chooser {
    config: Config,
    /// The engine that the host brought itself; no other serves then.
    brought: Option<Arc<Opened>>,
    opened: Mutex<HashMap<(EngineChoice, String), Tried>>,
}

impl Chooser {
    /// Opens the engine that the settings ask for, so that a host that cannot serve says so when it starts.
    pub(crate) fn new(config: Config) -> Result<Self, SetupError> {
        let chooser = Self {
            config,
            brought: None,
            opened: Mutex::default(),
        };
        let precision = chooser.config.precision;
        match chooser.choose(GraphFormat::Onnx, &chooser.config.device, precision) {
            Ok(choice) => {
                let engine = &choice.opened.engine;
                tracing::info!(
                    engine = engine.name(),
                    version = engine.version(),
                    device = engine.device(),
                    %precision,
                    reason = choice.reason,
                    "inference engine"
                );
                Ok(chooser)
            }
            Err(tried) => Err(SetupError::NoEngine {
                device: chooser.config.device.clone(),
                precision,
                tried,
            }),
        }
    }

    /// Serves with an engine that the host brings itself.
    pub(crate) fn with_engine(config: Config, engine: Arc<dyn Engine>) -> Self {
        Self {
            config,
            brought: Some(Opened::new(engine)),
            opened: Mutex::default(),
        }
    }

    pub(crate) fn device(&self) -> &str {
        &self.config.device
    }

    /// The engine for graphs of `format` on `device` in `precision`. May block while an engine opens.
    pub(crate) fn engine(
        &self,
        format: GraphFormat,
        device: &str,
        precision: Precision,
    ) -> Result<Choice, Error> {
        self.choose(format, device, precision).map_err(|tried| {
            Error::new(
                ErrorCode::UnsupportedOperation,
                format!("no engine of this host computes such a graph in {precision} on device {device:?}: {tried}"),
            )
        })
    }

    fn choose(
        &self,
        format: GraphFormat,
        device: &str,
        precision: Precision,
    ) -> Result<Choice, String> {
        if let Some(brought) = &self.brought {
            let engine = &brought.engine;
            if engine.device() != device {
                return Err(format!(
                    "{} is on device {:?}",
                    engine.name(),
                    engine.device()
                ));
            }
            if !engine.reads(format) {
                return Err(format!(
                    "{} does not read graphs of this format",
                    engine.name()
                ));
            }
            engine.computes(precision)?;
            let reason = format!("the host brought {} itself", engine.name());
            return Ok(Choice {
                opened: brought.clone(),
                reason,
            });
        }
        let wanted = self.config.engine;
        let order = if wanted == EngineChoice::Auto {
            &EngineChoice::ORDER[..]
        } else {
            std::slice::from_ref(&wanted)
        };
        let mut passed = Vec::new();
        for &engine in order {
            let opened = match self.open(engine, device) {
                Ok(opened) => opened,
                Err(why) => {
                    passed.push(why);
                    continue;
                }
            };
            match opened.engine.computes(precision) {
                Ok(()) if opened.engine.reads(format) => {
                    let engine = &opened.engine;
                    let reason = match (wanted, passed.is_empty()) {
                        (EngineChoice::Auto, true) if precision == Precision::Fp32 => format!(
                            "{} is the first engine in the order of preference and is there",
                            engine.name()
                        ),
                        (EngineChoice::Auto, true) => format!(
                            "{} is the first engine in the order of preference and computes in {precision} here",
                            engine.name()
                        ),
                        (EngineChoice::Auto, false) => format!(
                            "first engine that serves; passed over: {}",
                            passed.join("; ")
                        ),
                        _ if precision == Precision::Fp32 => {
                            format!("the settings ask for {}", engine.name())
                        }
                        _ => format!(
                            "the settings ask for {}, which computes in {precision} here",
                            engine.name()
                        ),
                    };
                    return Ok(Choice { opened, reason });
                }
                Ok(()) => passed.push(format!(
                    "{} does not read graphs of this format",
                    opened.engine.name()
                )),
                Err(why) => passed.push(why),
            }
        }
        Err(passed.join("; "))
    }

    fn open(&self, engine: EngineChoice, device: &str) -> Tried {
        // Held while an engine opens: two openings of one shared library at once are of no use.
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let id = (engine, device.to_owned());
        if let Some(tried) = opened.get(&id) {
            return tried.clone();
        }
        let tried = crate::source::guarded(|| Ok(engines::open(engine, device, &self.config)))
            .unwrap_or_else(|error| Err(error.text));
        let tried = tried.map(Opened::new);
        opened.insert(id, tried.clone());
        tried
    }
}
