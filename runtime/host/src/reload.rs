//! Reloading while the application serves: on request, over a socket in the state folder, or when a file changes. Nothing is loaded in
//! here; that is [`App::reload`]'s, and what the files are stands in the manifest.

use crate::app::{App, Swapped};
use crate::cli::told;
use crate::manifest::{Dependency, Manifest};
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

/// Name of the socket in the state folder.
const SOCKET: &str = "reload.sock";

/// How often watched files are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Longest request that is read, in bytes.
const REQUEST_BYTES_MAX: u64 = 64;

/// How long a client may take to say what it wants.
const REQUEST_WAIT: Duration = Duration::from_secs(5);

/// What a client asks for.
const REQUEST: &str = "reload\n";

/// What came of a reload.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// These were swapped; none where every component is what it was.
    Swapped(Vec<Swapped>),
    /// What served goes on serving, for this reason.
    Refused(String),
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Swapped(none) if none.is_empty() => {
                f.write_str("nothing has changed; every component is what it was")
            }
            Self::Swapped(swapped) => {
                for (index, swap) in swapped.iter().enumerate() {
                    let line_end = if index > 0 { "\n" } else { "" };
                    write!(
                        f,
                        "{line_end}{}: {} -> {}",
                        swap.component, swap.from, swap.to
                    )?;
                }
                Ok(())
            }
            Self::Refused(why) => write!(f, "refused, and what served goes on serving: {why}"),
        }
    }
}

/// Reloads one application.
#[derive(Clone)]
pub struct Reloader {
    app: Arc<App>,
    manifest: Arc<dyn Fn() -> anyhow::Result<Manifest> + Send + Sync>,
}

impl Reloader {
    /// A reloader that reads the manifest anew with `manifest`.
    pub fn new(
        app: Arc<App>,
        manifest: impl Fn() -> anyhow::Result<Manifest> + Send + Sync + 'static,
    ) -> Self {
        Self {
            app,
            manifest: Arc::new(manifest),
        }
    }

    /// Reloads now.
    pub async fn reload(&self) -> Outcome {
        let outcome = match (self.manifest)() {
            Ok(manifest) => self.app.reload(manifest).await,
            Err(error) => Err(error),
        };
        outcome.map_or_else(
            |error| {
                let why = told(&error);
                tracing::warn!(why, "a reload was refused; what served goes on serving");
                Outcome::Refused(why)
            },
            Outcome::Swapped,
        )
    }

    /// Answers requests to reload for as long as the application serves. Where no socket can be made that is told, and nothing else is lost.
    pub fn listen(&self) {
        let path = socket(&self.app.spec().state_dir);
        match bind(&path) {
            Ok(listener) => {
                let reloader = self.clone();
                tokio::spawn(async move { reloader.accept(listener).await });
            }
            Err(error) => {
                tracing::warn!(socket = %path.display(), %error, "`cinecor reload` cannot reach this host: its socket cannot be made");
            }
        }
    }

    async fn accept(self, listener: UnixListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let reloader = self.clone();
                    tokio::spawn(async move {
                        if let Err(error) = reloader.answer(stream).await {
                            tracing::debug!(%error, "a request to reload broke off");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a request to reload could not be accepted");
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    async fn answer(&self, mut stream: UnixStream) -> std::io::Result<()> {
        let mut request = String::new();
        let (reader, mut writer) = stream.split();
        let read = async {
            let mut reader = reader.take(REQUEST_BYTES_MAX);
            let mut bytes = [0; REQUEST.len()];
            reader.read_exact(&mut bytes).await?;
            request.push_str(&String::from_utf8_lossy(&bytes));
            Ok::<_, std::io::Error>(())
        };
        tokio::time::timeout(REQUEST_WAIT, read).await??;
        let outcome = if request == REQUEST {
            self.reload().await
        } else {
            Outcome::Refused("only `reload` can be asked for here".to_owned())
        };
        let answer = serde_json::to_vec(&outcome)?;
        writer.write_all(&answer).await?;
        writer.shutdown().await
    }

    /// Reloads whenever the manifest or one of the files that it names changes. A change that is refused is tried again at the next one.
    pub fn watch(&self, manifest: PathBuf) {
        let reloader = self.clone();
        tokio::spawn(async move {
            let mut seen = reloader.stamps(&manifest);
            loop {
                tokio::time::sleep(LOOK).await;
                let mut now = reloader.stamps(&manifest);
                if now == seen {
                    continue;
                }
                // Whoever writes the file may not be done.
                loop {
                    tokio::time::sleep(LOOK).await;
                    let again = reloader.stamps(&manifest);
                    if again == now {
                        break;
                    }
                    now = again;
                }
                seen = now;
                if let Outcome::Swapped(swapped) = reloader.reload().await
                    && swapped.is_empty()
                {
                    tracing::info!(
                        "a watched file was written, and every component is what it was"
                    );
                }
            }
        });
    }

    fn stamps(&self, manifest: &Path) -> Vec<(PathBuf, Option<(u64, SystemTime)>)> {
        // A manifest that cannot be read now is watched itself.
        let named = (self.manifest)().map_or_else(
            |_| Vec::new(),
            |read| named_files(&read, &self.app.spec().base),
        );
        let stamp = |path: PathBuf| {
            let data = std::fs::metadata(&path).ok();
            let stamp = data.and_then(|data| Some((data.len(), data.modified().ok()?)));
            (path, stamp)
        };
        std::iter::once(manifest.to_owned())
            .chain(named)
            .map(stamp)
            .collect()
    }
}

/// The WebAssembly files that a manifest names.
fn named_files(manifest: &Manifest, base: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    for component in manifest.components.values() {
        files.push(base.join(component.source.path()));
        for dependency in component.dependencies.values() {
            if let Dependency::Path(dependency) = dependency {
                files.push(base.join(&dependency.path));
            }
        }
    }
    files.sort();
    files.dedup();
    files
}

fn socket(state_dir: &Path) -> PathBuf {
    state_dir.join(SOCKET)
}

/// Makes the socket, in place of one that a host left behind which is not there any more.
fn bind(path: &Path) -> anyhow::Result<UnixListener> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        bail!("another host uses this state folder");
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    // Who may reload is who may write to the state folder.
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Asks the host with this state folder to reload.
///
/// # Errors
/// No host answers there.
pub async fn ask(state_dir: &Path) -> anyhow::Result<Outcome> {
    let path = socket(state_dir);
    let mut stream = UnixStream::connect(&path).await.with_context(|| {
        format!(
            "no host answers at {}; start one with `cinecor up`, or name its state folder with --state-dir",
            path.display()
        )
    })?;
    stream.write_all(REQUEST.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    serde_json::from_slice(&answer).context("the host ended before it answered")
}
