//! `cinecor.toml`: the settings of this host that stock Spin does not know, so that `spin.toml` and Spin's runtime config stay
//! usable by Spin. A key that is not known is an error that names it.

use anyhow::Context as _;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// All settings; every one has a default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Inference: engine, device, precision, folders of graphs.
    pub nn: cinecor_nn::Config,
    /// Bounds of the whole host.
    pub limits: Limits,
    /// Bounds of single components, by id.
    pub component: BTreeMap<String, ComponentSettings>,
    /// Where the host may listen.
    pub listen: Listen,
}

/// Bounds of the whole host.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Largest request body in bytes; one byte more is a 413.
    pub body_bytes_max: u64,
    /// How long a request body, or the reader of a response, may stall, in ms; then it is a 408, or the connection ends.
    pub body_stall_ms: u64,
    /// Requests at work at once.
    pub at_work_max: usize,
    /// Requests that wait for their turn; one more is a 503 with `Retry-After`.
    pub waiting_max: usize,
    /// `Retry-After` of that 503, in seconds.
    pub retry_after_s: u32,
    /// Linear memory of one instance in bytes, all memories of the composed component together.
    pub instance_memory_bytes_max: usize,
    /// Time from the first byte of a request to the head of its response, in ms; then it is a 504.
    pub request_deadline_ms: u64,
    /// Time that a response may take after its head, in ms; then the connection ends.
    pub response_deadline_ms: u64,
    /// Time that a connection may take for the head of a request, in ms.
    pub head_timeout_ms: u64,
    /// Connections open at once; more are accepted as others end.
    pub connections_max: usize,
    /// Time that requests under way get to finish when the host is told to end, in ms.
    pub shutdown_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 1 << 30,
            body_stall_ms: 10_000,
            at_work_max: 16,
            waiting_max: 64,
            retry_after_s: 1,
            instance_memory_bytes_max: 2 << 30,
            request_deadline_ms: 600_000,
            response_deadline_ms: 1_800_000,
            head_timeout_ms: 10_000,
            connections_max: 1024,
            shutdown_ms: 30_000,
        }
    }
}

/// Bounds of one component.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ComponentSettings {
    /// Requests that one instance serves at once; 1 gives each request an instance of its own while it runs.
    pub concurrency: usize,
    /// Requests that one instance serves in all, at once or one after another. 1 is a fresh instance for each request. Components of
    /// WASI 0.2 always get a fresh one.
    pub instance_reuse_max: usize,
    /// Requests of this component at work at once, within the host's bound; 0 is the host's bound.
    pub at_work_max: usize,
    /// Linear memory of one instance in bytes; 0 is the host's bound.
    pub instance_memory_bytes_max: usize,
    /// Time to the head of the response, in ms; 0 is the host's bound.
    pub request_deadline_ms: u64,
    /// Those of its requests that compute for long and hold much memory meanwhile, and how many of them are at work at once.
    pub computing: Option<Computing>,
    /// A path that the component has to answer well before it takes over from another in a reload; without one an instance has to come up.
    pub probe: Option<String>,
}

impl Default for ComponentSettings {
    /// What Spin 4 does with components of WASI 0.3.
    fn default() -> Self {
        Self {
            concurrency: 16,
            instance_reuse_max: 128,
            at_work_max: 0,
            instance_memory_bytes_max: 0,
            request_deadline_ms: 0,
            computing: None,
            probe: None,
        }
    }
}

/// Methods that a request which computes can have.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Requests of a component that compute for long. More at once than there are processors would gain nothing and hold their memory. Each waits for
/// its turn once its body is there, or 8 MiB of it. Of who sends nothing for a second the component sees the head, where a place is free.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Computing {
    /// Which they are: method and route, as `POST /api/:thing`; the route as it stands in the manifest.
    pub requests: Vec<String>,
    /// How many of them are at work at once, within the component's bound; 0 is as many as there are processors, and at least two.
    #[serde(default)]
    pub at_work_max: usize,
}

impl Computing {
    /// Whether a request is one of them.
    pub fn has(&self, method: &str, route: &str) -> bool {
        self.requests
            .iter()
            .any(|request| request.split_once(' ') == Some((method, route)))
    }

    fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            !self.requests.is_empty(),
            "names no request; leave the table out where none is limited"
        );
        for request in &self.requests {
            let known = request
                .split_once(' ')
                .is_some_and(|(method, route)| METHODS.contains(&method) && route.starts_with('/'));
            anyhow::ensure!(
                known,
                "has {request:?}; expected a method in capitals and a route, as \"POST /a/:b\""
            );
        }
        Ok(())
    }

    /// How many are at work at once.
    pub fn places(&self) -> usize {
        match self.at_work_max {
            0 => std::thread::available_parallelism()
                .map_or(1, std::num::NonZero::get)
                .max(2),
            some => some,
        }
    }
}

/// Where the host may listen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// A variable of the application that must have a value before an address other than loopback is listened on.
    pub loopback_unless: Option<String>,
}

impl Settings {
    /// Reads the settings at `path`. Relative paths in them become relative to the file's folder.
    ///
    /// # Errors
    /// A file that cannot be read, is not TOML, or has keys that are not known or values that are out of range.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the settings {}", path.display()))?;
        let base = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, base)
            .with_context(|| format!("the settings {} cannot be used", path.display()))
    }

    /// Parses the text of a settings file that lies in the folder `base`.
    ///
    /// # Errors
    /// As [`Settings::read`].
    pub fn parse(text: &str, base: &Path) -> anyhow::Result<Self> {
        let mut settings: Self = toml::from_str(text)?;
        let rebase = |path: &mut PathBuf| *path = base.join(&path);
        settings.nn.models.iter_mut().for_each(rebase);
        settings.nn.onnxruntime_lib.iter_mut().for_each(rebase);
        settings.nn.openvino_lib.iter_mut().for_each(rebase);
        settings.nn.kserve.token_file.iter_mut().for_each(rebase);
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> anyhow::Result<()> {
        let limits = &self.limits;
        let positive = [
            ("limits.body_bytes_max", limits.body_bytes_max > 0),
            ("limits.body_stall_ms", limits.body_stall_ms > 0),
            ("limits.at_work_max", limits.at_work_max > 0),
            (
                "limits.instance_memory_bytes_max",
                limits.instance_memory_bytes_max > 0,
            ),
            ("limits.request_deadline_ms", limits.request_deadline_ms > 0),
            (
                "limits.response_deadline_ms",
                limits.response_deadline_ms > 0,
            ),
            ("limits.head_timeout_ms", limits.head_timeout_ms > 0),
            ("limits.connections_max", limits.connections_max > 0),
        ];
        for (key, holds) in positive {
            anyhow::ensure!(holds, "`{key}` is 0; it must be at least 1");
        }
        for (id, component) in &self.component {
            anyhow::ensure!(
                component.concurrency > 0,
                "`component.{id}.concurrency` is 0; it must be at least 1"
            );
            anyhow::ensure!(
                component.instance_reuse_max > 0,
                "`component.{id}.instance_reuse_max` is 0; it must be at least 1"
            );
            if let Some(computing) = &component.computing {
                computing
                    .check()
                    .with_context(|| format!("`component.{id}.computing.requests`"))?;
            }
        }
        Ok(())
    }

    /// The settings of a component, with the host's bounds in place of zeros.
    pub fn of_component(&self, id: &str) -> ComponentSettings {
        let mut settings = self.component.get(id).cloned().unwrap_or_default();
        if settings.at_work_max == 0 {
            settings.at_work_max = self.limits.at_work_max;
        }
        if settings.instance_memory_bytes_max == 0 {
            settings.instance_memory_bytes_max = self.limits.instance_memory_bytes_max;
        }
        if settings.request_deadline_ms == 0 {
            settings.request_deadline_ms = self.limits.request_deadline_ms;
        }
        settings
    }
}

impl Limits {
    /// How long a body may stall.
    pub const fn body_stall(&self) -> Duration {
        Duration::from_millis(self.body_stall_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_all_defaults() {
        let settings = Settings::parse("", Path::new("/app")).unwrap();
        assert_eq!(settings.limits, Limits::default());
        assert_eq!(
            (
                settings.limits.body_bytes_max,
                settings.limits.at_work_max,
                settings.limits.waiting_max
            ),
            (1 << 30, 16, 64)
        );
        let component = settings.of_component("any");
        assert_eq!(
            (component.concurrency, component.instance_reuse_max),
            (16, 128)
        );
        assert_eq!(
            component.instance_memory_bytes_max,
            settings.limits.instance_memory_bytes_max
        );
    }

    #[test]
    fn a_component_has_the_hosts_bounds_where_it_has_none() {
        let text = "[limits]\nrequest_deadline_ms = 5\nat_work_max = 9\n[component.heavy]\nconcurrency = 1\nat_work_max = 2\n";
        let component = Settings::parse(text, Path::new(""))
            .unwrap()
            .of_component("heavy");
        assert_eq!(
            (
                component.concurrency,
                component.at_work_max,
                component.request_deadline_ms
            ),
            (1, 2, 5)
        );
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let settings = Settings::parse(
            "[nn]\nmodels = [\"weights/models\", \"/abs\"]\n",
            Path::new("/app"),
        )
        .unwrap();
        assert_eq!(
            settings.nn.models,
            [PathBuf::from("/app/weights/models"), PathBuf::from("/abs")]
        );
    }

    #[test]
    fn says_which_key_is_wrong() {
        for (text, expected) in [
            ("[limit]\n", "unknown field `limit`"),
            ("[limits]\nbody_bytes = 1\n", "unknown field `body_bytes`"),
            ("[component.c]\nparallel = 1\n", "unknown field `parallel`"),
            ("[nn]\nengines = \"tract\"\n", "unknown field `engines`"),
            (
                "[nn]\nengine = \"tensorflow\"\n",
                "unknown variant `tensorflow`",
            ),
            ("[nn.kserve]\ntoken = \"secret\"\n", "unknown field `token`"),
            (
                "[limits]\nat_work_max = 0\n",
                "`limits.at_work_max` is 0; it must be at least 1",
            ),
            (
                "[component.c]\nconcurrency = 0\n",
                "`component.c.concurrency` is 0; it must be at least 1",
            ),
        ] {
            let error = format!("{:#}", Settings::parse(text, Path::new("")).unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn the_applications_own_settings_name_components_that_there_are() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let settings = Settings::read(&root.join("cinecor.toml")).unwrap();
        let manifest = crate::manifest::Manifest::read(&root.join("spin.toml")).unwrap();
        for id in settings.component.keys() {
            assert!(manifest.components.contains_key(id), "{id}");
        }
        let routes: Vec<_> = manifest
            .http_triggers
            .iter()
            .filter_map(|trigger| match &trigger.route {
                crate::manifest::Route::Pattern(route) => Some(route.as_str()),
                crate::manifest::Route::Private => None,
            })
            .collect();
        for computing in settings.component.values().flat_map(|one| &one.computing) {
            for request in &computing.requests {
                let (_, route) = request.split_once(' ').unwrap();
                assert!(routes.contains(&route), "{request}");
            }
        }
        assert_eq!(settings.of_component("segment").concurrency, 1);
    }
}
