//! Starts the built host on a free loopback port with a state folder of its own, and ends it.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a host may take from its start to its first line, on a machine that is busy with other tests: an engine in WebAssembly is
/// compiled first.
const START_DEADLINE: Duration = Duration::from_secs(600);

/// How long a line of the log may take to arrive.
const LOG_DEADLINE: Duration = Duration::from_secs(20);

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(PathBuf::new, Path::to_path_buf)
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// How a host is to be started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    variables: Vec<(String, String)>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    state: Option<PathBuf>,
    manifest: Option<PathBuf>,
    settings: Vec<(String, String, toml::Value)>,
}

impl Options {
    /// The application as it ships, on a fresh state folder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets an application variable.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds an argument of the command line.
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets a variable of the process.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Changes a setting of `cinecor.toml`: its table, such as `nn` or `component.models`, its key, its value.
    pub fn setting(mut self, table: &str, key: &str, value: impl Into<toml::Value>) -> Self {
        self.settings
            .push((table.to_owned(), key.to_owned(), value.into()));
        self
    }

    /// Serves the application of another manifest, with the settings that ship.
    pub fn manifest(mut self, manifest: &Path) -> Self {
        self.manifest = Some(manifest.to_owned());
        self
    }

    /// Uses a state folder that is already there, and leaves it in place.
    pub fn state(mut self, folder: &Path) -> Self {
        self.state = Some(folder.to_owned());
        self
    }

    /// Starts the host and waits until it serves.
    ///
    /// # Errors
    /// The host is not built, ends, or does not say that it serves; the text carries the end of its log.
    pub fn start(&self) -> Result<Host> {
        let binary = target().join("release/cinecor");
        if !binary.is_file() {
            bail!(
                "the host is not built: expected {}; run `cargo build --release`",
                binary.display()
            );
        }
        if !target().join("guests/segment.wasm").is_file() {
            bail!("the components are not built; run `cargo xtask build`");
        }
        let scratch = tempfile::tempdir().context("a folder for the host's state")?;
        let state = self
            .state
            .clone()
            .unwrap_or_else(|| scratch.path().join("state"));
        let mut command = Command::new(&binary);
        command
            .arg("up")
            .args(["--listen", "127.0.0.1:0"])
            .arg("--from")
            .arg(
                self.manifest
                    .clone()
                    .unwrap_or_else(|| root().join("spin.toml")),
            )
            .arg("--state-dir")
            .arg(&state)
            // Components are compiled once for all tests: the code depends on them and on the host alone.
            .arg("--cache-dir")
            .arg(target().join("compiled"));
        if !self.settings.is_empty() || self.manifest.is_some() {
            let file = scratch.path().join("cinecor.toml");
            std::fs::write(&file, self.changed_settings()?)?;
            command.arg("--engine-config-file").arg(file);
        }
        for (name, value) in &self.variables {
            command.arg("--variable").arg(format!("{name}={value}"));
        }
        command
            .args(&self.arguments)
            .envs(self.environment.iter().cloned());
        let mut process = command
            .current_dir(root())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", binary.display()))?;
        let log = Arc::new(Mutex::new(String::new()));
        if let Some(stderr) = process.stderr.take() {
            let log = Arc::clone(&log);
            std::thread::spawn(move || collect(stderr, &log));
        }
        let (sender, lines) = std::sync::mpsc::channel();
        if let Some(stdout) = process.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        let mut host = Host {
            process,
            url: String::new(),
            state,
            log,
            _scratch: scratch,
        };
        let deadline = Instant::now() + START_DEADLINE;
        while host.url.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            match lines.recv_timeout(left) {
                Ok(line) => {
                    if let Some(url) = line.strip_prefix("Serving ") {
                        host.url = url.trim_end_matches('/').to_owned();
                    }
                }
                Err(_) => bail!("the host did not serve; its log ends with:\n{}", host.log()),
            }
        }
        // Drain what else it prints, so that it never waits for a reader.
        std::thread::spawn(move || for _ in lines {});
        Ok(host)
    }
}

impl Options {
    /// The shipped settings with the changes; the folders of models are made absolute, since the copy lies elsewhere.
    fn changed_settings(&self) -> Result<String> {
        let shipped =
            std::fs::read_to_string(root().join("cinecor.toml")).context("reading cinecor.toml")?;
        let mut settings: toml::Table = shipped.parse().context("cinecor.toml")?;
        if let Some(models) = settings
            .get_mut("nn")
            .and_then(|nn| nn.get_mut("models"))
            .and_then(toml::Value::as_array_mut)
        {
            for folder in models {
                if let Some(relative) = folder.as_str() {
                    *folder = root().join(relative).to_string_lossy().into_owned().into();
                }
            }
        }
        for (table, key, value) in &self.settings {
            let mut place = &mut settings;
            for name in table.split('.') {
                place = place
                    .entry(name)
                    .or_insert_with(|| toml::Table::new().into())
                    .as_table_mut()
                    .with_context(|| format!("{table} is not a table of cinecor.toml"))?;
            }
            place.insert(key.clone(), value.clone());
        }
        Ok(settings.to_string())
    }
}

fn collect(mut from: impl Read, into: &Mutex<String>) {
    let mut buffer = [0_u8; 8192];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if let (Ok(mut log), Some(read)) = (into.lock(), buffer.get(..count)) {
            log.push_str(&String::from_utf8_lossy(read));
        }
    }
}

/// A running host. It is killed when this is dropped.
pub struct Host {
    process: Child,
    url: String,
    state: PathBuf,
    log: Arc<Mutex<String>>,
    _scratch: tempfile::TempDir,
}

impl Host {
    /// Where it serves, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `host:port` of [`Host::url`].
    pub fn authority(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Its state folder.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().map(|log| log.clone()).unwrap_or_default()
    }

    /// The first line of its log that holds these words, once it is there: what is logged arrives by a pipe, after the answer it belongs to.
    ///
    /// # Errors
    /// It does not come.
    pub fn logged(&self, words: &str) -> Result<String> {
        let until = Instant::now() + LOG_DEADLINE;
        loop {
            let log = self.log();
            // A line is whole once the next byte after it is there.
            let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
            if let Some(line) = whole.lines().find(|line| line.contains(words)) {
                return Ok(line.to_owned());
            }
            if Instant::now() > until {
                bail!("the log does not say {words:?}");
            }
            std::thread::yield_now();
        }
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill().context("killing the host")?;
        self.process.wait().context("waiting for the host")?;
        Ok(())
    }
}

/// The most memory that a process has held since [`forget_peak_memory`] or its start (VmHWM), in bytes.
///
/// # Errors
/// There is no such process, or the system does not tell.
pub fn peak_memory_bytes(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .context("the memory of a process")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .context("no VmHWM in the status of a process")?;
    let kib: u64 = line
        .trim()
        .trim_end_matches("kB")
        .trim()
        .parse()
        .context("VmHWM is not a number")?;
    Ok(kib * 1024)
}

/// Starts counting [`peak_memory_bytes`] anew.
///
/// # Errors
/// As [`peak_memory_bytes`].
pub fn forget_peak_memory(pid: u32) -> Result<()> {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").context("resetting a VmHWM")
}

impl Drop for Host {
    fn drop(&mut self) {
        // Already ended is as good as killed; there is nobody left to tell about any other failure.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
