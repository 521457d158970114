//! The command line, and what `cinecor up` does with it. Names and defaults are those of `spin up` where the two overlap.

use crate::app::{App, Cache, LoadOptions};
use crate::capability::AppSpec;
use crate::manifest::Manifest;
use crate::reload::{Outcome, Reloader};
use crate::runtime_config::RuntimeConfig;
use crate::server::{Server, serve_metrics};
use crate::settings::Settings;
use anyhow::{Context as _, bail};
use cinecor_web::{Access, Cors};
use clap::{Args, Parser, Subcommand};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;

/// A Spin-compatible host with wasi:nn.
#[derive(Debug, Parser)]
#[command(name = "cinecor", version, about, long_about = None)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves an application.
    Up(Box<Up>),
    /// Has a running host take changed components in place of those that serve.
    Reload(ReloadArgs),
    /// Puts components under the imports of another, as one file, for hosts that compose one level only.
    Compose(cinecor_compose::Compose),
}

/// `cinecor reload`.
#[derive(Clone, Debug, Args)]
pub struct ReloadArgs {
    /// The manifest of the running host, or the folder that it is in.
    #[arg(
        short = 'f',
        long = "from",
        alias = "file",
        value_name = "APPLICATION",
        default_value = "spin.toml"
    )]
    from: PathBuf,
    /// Where the running host keeps its state; the default is `.spin` beside the manifest.
    #[arg(long, value_name = "FOLDER")]
    state_dir: Option<PathBuf>,
}

/// `cinecor up`.
#[derive(Clone, Debug, Default, Args)]
pub struct Up {
    /// The manifest, or the folder that it is in.
    #[arg(
        short = 'f',
        long = "from",
        alias = "file",
        value_name = "APPLICATION",
        default_value = "spin.toml"
    )]
    from: PathBuf,
    /// Address to listen on; port 0 takes a free one.
    #[arg(
        long,
        env = "SPIN_HTTP_LISTEN_ADDR",
        default_value = "127.0.0.1:3000",
        value_name = "ADDRESS"
    )]
    listen: String,
    /// Which backends stand behind the labels of stores, in Spin's format.
    #[arg(long, env = "RUNTIME_CONFIG_FILE", value_name = "FILE")]
    runtime_config_file: Option<PathBuf>,
    /// Settings of this host; the default is `cinecor.toml` beside the manifest, if it is there.
    #[arg(long, value_name = "FILE")]
    engine_config_file: Option<PathBuf>,
    /// A variable of the application as `key=value`, or a file of them as `@file.toml` or `@file.json`. Can be repeated.
    #[arg(long = "variable", value_name = "KEY=VALUE")]
    variables: Vec<String>,
    /// The profile of the manifest; the default is `native` if the manifest has it, and `base` is none: what stock Spin takes.
    #[arg(long)]
    profile: Option<String>,
    /// Serves only this component, and what else is named. Can be repeated.
    #[arg(short = 'c', long = "component-id", value_name = "ID")]
    component_ids: Vec<String>,
    /// Where state is kept; the default is `.spin` beside the manifest.
    #[arg(long, value_name = "FOLDER")]
    state_dir: Option<PathBuf>,
    /// An environment variable for all components, as `key=value`. Can be repeated.
    #[arg(short = 'e', long = "env", value_name = "KEY=VALUE")]
    env: Vec<String>,
    /// Certificate chain for HTTPS, in PEM.
    #[arg(long, env = "SPIN_TLS_CERT", requires = "tls_key", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Private key for HTTPS, in PEM.
    #[arg(long, env = "SPIN_TLS_KEY", requires = "tls_cert", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Address for Prometheus to read figures from (`/metrics`); none if not given.
    #[arg(long, env = "CINECOR_METRICS_LISTEN", value_name = "ADDRESS")]
    metrics_listen: Option<SocketAddr>,
    /// Requests that one instance of a WASI 0.3 component serves in all, for components that the settings do not name.
    #[arg(long, value_name = "N")]
    max_instance_reuse_count: Option<usize>,
    /// Requests that one instance of a WASI 0.3 component serves at once, for components that the settings do not name.
    #[arg(long, value_name = "N")]
    max_instance_concurrent_reuse_count: Option<usize>,
    /// Time that a request has until the head of its response, such as `30s` or `500ms`.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    request_timeout: Option<Duration>,
    /// How long an instance with nothing to do is kept, such as `10s`.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    idle_instance_timeout: Option<Duration>,
    /// Where compiled code is kept; the default is `compiled` in the state folder. Only its owner may be able to write there.
    #[arg(long, env = "CINECOR_CACHE_DIR", value_name = "FOLDER")]
    cache_dir: Option<PathBuf>,
    /// Compiles components afresh, and keeps no compiled code.
    #[arg(long)]
    disable_cache: bool,
    /// Reloads when the manifest or a WebAssembly file that it names changes, as `cinecor reload` does.
    #[arg(long)]
    watch: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    let refusal = || format!("`{text}` is no duration; write for instance 500ms, 30s or 5m");
    let digits = text.len()
        - text
            .trim_start_matches(|letter: char| letter.is_ascii_digit())
            .len();
    let (number, unit) = text.split_at_checked(digits).ok_or_else(refusal)?;
    let number: u64 = number.parse().map_err(|_| refusal())?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    }
    .filter(|duration| *duration <= DURATION_MAX)
    .ok_or_else(refusal)
}

/// Far beyond any use, and far from where the arithmetic of times ends.
const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Runs the command line of this process to its end.
///
/// # Errors
/// Whatever keeps the application from being served, in words for whoever started it.
pub fn run() -> anyhow::Result<()> {
    crate::memory::bound();
    let command = Cli::parse().command;
    crate::log::start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no event loop could be started")?;
    let outcome = runtime.block_on(async {
        match command {
            Command::Up(up) => up.run().await,
            Command::Reload(reload) => reload.run().await,
            Command::Compose(compose) => compose.run(),
        }
    });
    // Computes that nobody waits for any more are not waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

/// An error and its causes, one after another. A cause that the error before it has told already is not told again.
pub fn told(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        let text = if cause.is::<toml::de::Error>() || text.starts_with("TOML parse error") {
            one_line(&text)
        } else {
            text
        };
        if !line.contains(&text) {
            if !line.is_empty() {
                line.push_str(": ");
            }
            line.push_str(&text);
        }
    }
    line
}

/// The parser of TOML draws the place below its line number; line and column say it as well.
fn one_line(text: &str) -> String {
    let drawn = |line: &str| {
        line.split_once('|').is_some_and(|(number, _)| {
            number
                .bytes()
                .all(|byte| byte == b' ' || byte.is_ascii_digit())
        })
    };
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !drawn(line))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines.join("; ")
}

impl ReloadArgs {
    async fn run(self) -> anyhow::Result<()> {
        let state_dir = match self.state_dir {
            Some(folder) => folder,
            None => base_of(&manifest_path(&self.from))?.join(STATE_DIR),
        };
        let outcome = crate::reload::ask(&state_dir).await?;
        if let Outcome::Refused(_) = outcome {
            bail!("{outcome}");
        }
        say(&outcome.to_string());
        Ok(())
    }
}

/// Where state is kept, beside the manifest, unless told otherwise.
const STATE_DIR: &str = ".spin";

fn manifest_path(from: &Path) -> PathBuf {
    if from.is_dir() {
        from.join("spin.toml")
    } else {
        from.to_owned()
    }
}

/// The folder that the manifest is in.
fn base_of(manifest: &Path) -> anyhow::Result<PathBuf> {
    let base = match manifest.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    base.canonicalize()
        .with_context(|| format!("the manifest's folder {} does not exist", base.display()))
}

impl Up {
    /// Serves until the process is told to end.
    async fn run(self) -> anyhow::Result<()> {
        let listen: SocketAddr = resolve(&self.listen).await?;
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => Some(crate::tls::acceptor(cert, key)?),
            _ => None,
        };
        let spec = self.spec()?;
        check_listen(&spec, listen)?;
        if let Some(metrics) = self.metrics_listen
            && !metrics.ip().is_loopback()
        {
            tracing::warn!(address = %metrics, "figures are served to other machines; they hold no data of requests");
        }
        let options = LoadOptions {
            environment: self
                .env
                .iter()
                .map(|pair| key_value(pair, "--env"))
                .collect::<anyhow::Result<_>>()?,
            idle: self.idle_instance_timeout,
            cache: match &self.cache_dir {
                _ if self.disable_cache => Cache::Off,
                Some(folder) => Cache::Folder(folder.clone()),
                None => Cache::State,
            },
        };
        let app = tokio::task::spawn_blocking(move || App::load(spec, &options)).await??;
        crate::memory::give_back();
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on {listen}"))?;
        let address = listener.local_addr()?;
        if let Some(metrics) = self.metrics_listen {
            let listener = TcpListener::bind(metrics)
                .await
                .with_context(|| format!("cannot listen on {metrics} for metrics"))?;
            let address = listener.local_addr()?;
            say(&format!("Metrics http://{address}/metrics"));
            tokio::spawn(serve_metrics(app.clone(), listener));
        }
        let shutdown = shutdown()?;
        let reloader = Reloader::new(app.clone(), {
            let up = self.clone();
            move || up.manifest()
        });
        reloader.listen();
        if self.watch {
            reloader.watch(manifest_path(&self.from));
        }
        let server = Server::new(app.clone(), tls);
        say(&format!("Serving {}://{address}", server.scheme()));
        for (route, component) in app.router().routes() {
            tracing::info!(route, component, "route");
        }
        server.serve(listener, shutdown).await;
        app.end();
        tracing::info!("ended");
        Ok(())
    }

    /// Reads all files that the command line names.
    fn spec(&self) -> anyhow::Result<AppSpec> {
        let base = base_of(&manifest_path(&self.from))?;
        let manifest = self.manifest()?;
        let runtime_config = self
            .runtime_config_file
            .as_deref()
            .map(RuntimeConfig::read)
            .transpose()?
            .unwrap_or_default();
        let beside = base.join("cinecor.toml");
        let mut settings = match &self.engine_config_file {
            Some(path) => Settings::read(path)?,
            None if beside.is_file() => Settings::read(&beside)?,
            None => Settings::default(),
        };
        self.override_settings(&mut settings, &manifest);
        let state_dir = self
            .state_dir
            .clone()
            .unwrap_or_else(|| base.join(STATE_DIR));
        std::fs::create_dir_all(&state_dir)
            .with_context(|| format!("cannot make the state folder {}", state_dir.display()))?;
        let state_dir = state_dir.canonicalize()?;
        Ok(AppSpec {
            variables: self.given_variables(std::env::vars_os())?,
            manifest,
            base,
            state_dir,
            runtime_config,
            settings,
        })
    }

    /// Reads the manifest, and applies the profile and the choice of components.
    fn manifest(&self) -> anyhow::Result<Manifest> {
        let path = manifest_path(&self.from);
        let mut manifest = Manifest::read(&path)
            .with_context(|| format!("the manifest {} cannot be used", path.display()))?;
        match &self.profile {
            Some(base) if base == BASE && !manifest.has_profile(BASE) => {}
            Some(profile) => manifest = manifest.with_profile(profile)?,
            None if manifest.has_profile(DEFAULT_PROFILE) => {
                manifest = manifest.with_profile(DEFAULT_PROFILE)?
            }
            None => {}
        }
        if !self.component_ids.is_empty() {
            manifest = manifest.with_only(&self.component_ids)?;
        }
        Ok(manifest)
    }

    fn override_settings(&self, settings: &mut Settings, manifest: &Manifest) {
        if let Some(timeout) = self.request_timeout {
            settings.limits.request_deadline_ms = crate::app::millis(timeout).max(1);
        }
        if self.max_instance_reuse_count.is_none()
            && self.max_instance_concurrent_reuse_count.is_none()
        {
            return;
        }
        for id in manifest
            .components
            .keys()
            .filter(|id| !settings.component.contains_key(*id))
            .cloned()
            .collect::<Vec<_>>()
        {
            let component = settings.component.entry(id).or_default();
            component.instance_reuse_max = self
                .max_instance_reuse_count
                .unwrap_or(component.instance_reuse_max)
                .max(1);
            component.concurrency = self
                .max_instance_concurrent_reuse_count
                .unwrap_or(component.concurrency)
                .max(1);
        }
    }

    /// Values of variables: those of the command line, before those of the environment.
    fn given_variables(
        &self,
        environment: impl Iterator<Item = (OsString, OsString)>,
    ) -> anyhow::Result<BTreeMap<String, String>> {
        let mut values = BTreeMap::new();
        for (name, value) in environment {
            // Whatever else is in the environment may be any bytes.
            if let Some(variable) = name
                .to_str()
                .and_then(|name| name.strip_prefix("SPIN_VARIABLE_"))
            {
                let Ok(value) = value.into_string() else {
                    bail!("the environment's SPIN_VARIABLE_{variable} is not UTF-8");
                };
                values.insert(variable.to_ascii_lowercase(), value);
            }
        }
        for argument in &self.variables {
            match argument.strip_prefix('@') {
                Some(file) => values.extend(variables_file(Path::new(file))?),
                None => values.extend([key_value(argument, "--variable")?]),
            }
        }
        Ok(values)
    }
}

/// The profile that is taken when none is named and the manifest has it: inference by this host, where stock Spin has a component for it.
const DEFAULT_PROFILE: &str = "native";

/// What takes no profile at all, unless the manifest has one of this name.
const BASE: &str = "base";

fn say(line: &str) {
    use std::io::Write as _;
    // A closed standard output is no reason not to serve.
    let _ = writeln!(std::io::stdout(), "{line}");
    let _ = std::io::stdout().flush();
}

fn key_value(pair: &str, option: &str) -> anyhow::Result<(String, String)> {
    match pair.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        // The value is not repeated: it may be a secret.
        _ => bail!("{option} takes `key=value`; what was given has no `=`, or nothing before it"),
    }
}

fn variables_file(path: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the variables in {}", path.display()))?;
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => serde_json::from_str(&text).map_err(anyhow::Error::from),
        Some("toml") => toml::from_str(&text).map_err(anyhow::Error::from),
        _ => bail!(
            "the file of variables {} must end in .toml or .json",
            path.display()
        ),
    }
    // The parser's message quotes the line, which may be a secret; only where it was is told.
    .map_err(|_| {
        anyhow::anyhow!(
            "the file of variables {} is not a table of texts: `name = \"value\"`",
            path.display()
        )
    })
}

async fn resolve(listen: &str) -> anyhow::Result<SocketAddr> {
    let mut found = tokio::net::lookup_host(listen)
        .await
        .with_context(|| format!("--listen `{listen}` is not an address such as 127.0.0.1:3000"))?;
    found
        .next()
        .with_context(|| format!("--listen `{listen}` is a name without an address"))
}

/// Refuses addresses that other machines reach, unless the variable that the settings name has a value.
fn check_listen(spec: &AppSpec, listen: SocketAddr) -> anyhow::Result<()> {
    let Some(variable) = &spec.settings.listen.loopback_unless else {
        return Ok(());
    };
    if let Some(value) = spec.variable(variable)
        && opens(variable, value)?
    {
        return Ok(());
    }
    if listen.ip().is_loopback() {
        tracing::warn!(
            variable,
            "the variable has no value: only this machine is answered"
        );
        return Ok(());
    }
    bail!(
        "refusing to listen on {listen}: the variable `{variable}` has no value, and without it only loopback addresses are allowed \
         (`listen.loopback_unless` of the settings); set the variable, or listen on 127.0.0.1"
    )
}

/// Whether the variable has a value that other machines may be answered by. Keys are read by the code that asks for them: a list of nothing is
/// none.
fn opens(variable: &str, value: &str) -> anyhow::Result<bool> {
    if variable != Access::VARIABLE {
        return Ok(!value.trim().is_empty());
    }
    let access = Access::parse(value, Cors::default())
        .with_context(|| format!("the variable `{variable}` cannot be used"))?;
    Ok(!access.is_loopback_only())
}

/// Resolves when the process is told to end. A second time ends it at once.
fn shutdown() -> anyhow::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let (sender, receiver) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut sender = Some(sender);
        loop {
            #[cfg(unix)]
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            #[cfg(not(unix))]
            let _ = tokio::signal::ctrl_c().await;
            match sender.take() {
                // The receiver lives as long as the server.
                Some(sender) => drop(sender.send(())),
                None => std::process::exit(130),
            }
        }
    });
    Ok(async {
        let _ = receiver.await;
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    #[test]
    fn reads_durations_with_their_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for bad in [
            "",
            "5",
            "s",
            "-1s",
            "1h",
            "999999999999999999999s",
            "18446744073709551615s",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_command_line_goes_before_the_environment() {
        let up = Up {
            variables: vec!["a=cli".to_owned(), "c=x=y".to_owned()],
            ..Up::default()
        };
        let environment = [
            ("SPIN_VARIABLE_A", "env"),
            ("SPIN_VARIABLE_B_B", "env"),
            ("HOME", "/"),
        ]
        .map(|(k, v)| (k.into(), v.into()));
        let values = up.given_variables(environment.into_iter()).unwrap();
        let expected =
            [("a", "cli"), ("b_b", "env"), ("c", "x=y")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(values, expected.into());
    }

    #[cfg(unix)]
    #[test]
    fn an_environment_of_other_bytes_is_no_panic() {
        use std::os::unix::ffi::OsStringExt as _;
        let bytes = || OsString::from_vec(vec![0xff]);
        let up = Up::default();
        let foreign = [("HOME".into(), bytes()), (bytes(), "x".into())];
        assert!(up.given_variables(foreign.into_iter()).unwrap().is_empty());
        let own = [("SPIN_VARIABLE_KEY".into(), bytes())];
        let error = up.given_variables(own.into_iter()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the environment's SPIN_VARIABLE_KEY is not UTF-8"
        );
    }

    #[test]
    fn an_error_is_one_line_that_says_everything_once() {
        let error =
            Manifest::parse("spin_manifest_version = 2\n[application]\nname = \"x\"\nfoo = 1\n")
                .unwrap_err();
        let error = anyhow::Error::from(error).context("the manifest cannot be used");
        assert_eq!(
            told(&error),
            "the manifest cannot be used: TOML parse error at line 4, column 1; unknown field `foo`, expected one of `name`, \
             `version`, `description`, `authors`, `trigger`, `tool`"
        );
        let error = Manifest::read(Path::new("/nonexistent/spin.toml")).unwrap_err();
        assert_eq!(
            told(&anyhow::Error::from(error)),
            "cannot read the manifest /nonexistent/spin.toml: No such file or directory (os error 2)"
        );
    }

    #[test]
    fn files_of_variables_never_show_their_content_in_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v.toml");
        std::fs::write(&path, "key = hunter2").unwrap();
        assert!(!format!("{:#}", variables_file(&path).unwrap_err()).contains("hunter2"));
        std::fs::write(&path, "key = \"value\"").unwrap();
        assert_eq!(
            variables_file(&path)
                .unwrap()
                .get("key")
                .map(String::as_str),
            Some("value")
        );
    }

    fn spec(default: &str, given: &[(&str, &str)]) -> AppSpec {
        let manifest = format!(
            "spin_manifest_version = 2\n[application]\nname = \"x\"\n[variables]\nkeys = {{ default = \"{default}\", secret = true }}\n"
        );
        AppSpec {
            manifest: Manifest::parse(&manifest).unwrap(),
            base: PathBuf::new(),
            state_dir: PathBuf::new(),
            variables: given
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            runtime_config: RuntimeConfig::default(),
            settings: Settings::parse("[listen]\nloopback_unless = \"keys\"", Path::new(""))
                .unwrap(),
        }
    }

    #[test]
    fn listens_to_the_world_only_with_the_variable_set() {
        let world = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 80);
        let own = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 80);
        assert!(check_listen(&spec("", &[]), own).is_ok());
        let error = check_listen(&spec("", &[]), world).unwrap_err().to_string();
        assert!(
            error.starts_with("refusing to listen on 0.0.0.0:80: the variable `keys` has no value"),
            "{error}"
        );
        assert!(check_listen(&spec("", &[("keys", " \n")]), world).is_err());
        assert!(check_listen(&spec("", &[("keys", "reader:a:00")]), world).is_ok());
        assert!(check_listen(&spec("reader:a:00", &[]), world).is_ok());
    }

    #[test]
    fn keys_are_counted_as_they_are_when_somebody_calls() {
        let world = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 80);
        let own = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 80);
        let spec = |keys: &str| {
            let mut spec = spec("", &[(Access::VARIABLE, keys)]);
            spec.settings.listen.loopback_unless = Some(Access::VARIABLE.to_owned());
            spec
        };
        for nothing in [",", " \n, ,"] {
            assert!(check_listen(&spec(nothing), world).is_err(), "{nothing:?}");
            assert!(check_listen(&spec(nothing), own).is_ok(), "{nothing:?}");
        }
        let key = format!("reader:a:{}", "0".repeat(64));
        assert!(check_listen(&spec(&key), world).is_ok());
        // One that serves nobody, wherever it listens, and is never shown.
        for address in [world, own] {
            let error = check_listen(&spec("hunter2"), address).unwrap_err();
            let error = told(&error);
            assert!(
                error.contains("entry 1 of api_keys") && !error.contains("hunter2"),
                "{error}"
            );
        }
    }
}
