//! Python environments: what the tests compare with, and the wheels that carry the inference engines' shared libraries.
//!
//! Five environments, because one is small and the others are not, and those do not agree on versions:
//! - `target/python` by `tests/requirements.lock`: engines, and the independent tools that golden results come from;
//! - `target/remote` by `tests/remote/requirements.lock`: Triton and MLServer, for the tests of remote inference;
//! - `target/peers` by `tests/bench/requirements.lock`: the server in Python that the benches measure beside the service;
//! - `target/nnunet` by `tests/bench/nnunet/requirements.lock`: nnU-Net, another of those, with the 4 GB of PyTorch that it needs;
//! - `target/weights/venv` by `weights/requirements.lock`: PyTorch and its 4 GB, made only when training or its tests run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, Result, bail};

use crate::process::{self, say};
use crate::workspace;

/// What the locked packages need.
const OLDEST: (u32, u32) = (3, 11);

/// The wheels that carry shared libraries of engines. Their Python parts and dependencies are of no use to the host.
const ENGINE_WHEELS: [&str; 2] = ["onnxruntime", "openvino"];

/// What of an environment is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Environment {
    /// The engines' libraries alone, in `target/python`.
    Engines,
    /// All that the tests need, in `target/python`.
    Tests,
    /// Inference servers that tests ask, in `target/remote`.
    Remote,
    /// What the peers of the benches need, in `target/peers`.
    Peers,
    /// nnU-Net, a peer of the benches, in `target/nnunet`.
    Nnunet,
    /// What training needs, in `target/weights/venv`.
    Weights,
}

impl Environment {
    /// Its folder.
    pub(crate) fn folder(self) -> PathBuf {
        match self {
            Self::Engines | Self::Tests => workspace::target().join("python"),
            Self::Remote => workspace::target().join("remote"),
            Self::Peers => workspace::target().join("peers"),
            Self::Nnunet => workspace::target().join("nnunet"),
            Self::Weights => workspace::target().join("weights/venv"),
        }
    }

    fn lock(self) -> PathBuf {
        match self {
            Self::Engines | Self::Tests => workspace::root().join("tests/requirements.lock"),
            Self::Remote => workspace::root().join("tests/remote/requirements.lock"),
            Self::Peers => workspace::root().join("tests/bench/requirements.lock"),
            Self::Nnunet => workspace::root().join("tests/bench/nnunet/requirements.lock"),
            Self::Weights => workspace::root().join("weights/requirements.lock"),
        }
    }

    /// Its interpreter.
    pub(crate) fn interpreter(self) -> PathBuf {
        self.folder().join("bin/python")
    }

    /// Holds a copy of the lock file that was installed.
    fn mark(self) -> PathBuf {
        let name = match self {
            Self::Engines => "engines.installed",
            Self::Tests | Self::Remote | Self::Peers | Self::Nnunet | Self::Weights => {
                "all.installed"
            }
        };
        self.folder().join(name)
    }

    /// Whether it is installed as its lock file says now.
    pub(crate) fn is_ready(self) -> bool {
        let Ok(lock) = std::fs::read(self.lock()) else {
            return false;
        };
        let is_marked =
            |environment: Self| std::fs::read(environment.mark()).is_ok_and(|mark| mark == lock);
        is_marked(self) || (self == Self::Engines && is_marked(Self::Tests))
    }

    /// Makes it, or brings it to its lock file; returns the interpreter.
    ///
    /// # Errors
    /// No Python that is new enough, no `venv` module, or pip failed.
    pub(crate) fn set_up(self) -> Result<PathBuf> {
        // What is asked for while it is being made (`in_advance`) is waited for.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_ready() {
            return Ok(self.interpreter());
        }
        let why = match self {
            Self::Engines => "the libraries of ONNX Runtime and OpenVINO come in Python wheels",
            Self::Tests => "tests compare with independent tools in Python",
            Self::Remote => "tests ask real inference servers, which come in Python wheels",
            Self::Peers => "the service is measured beside a server in Python",
            Self::Nnunet => "the service is measured beside nnU-Net",
            Self::Weights => "training runs on PyTorch",
        };
        let folder = self.folder();
        say(&format!(
            "{why}: installing {} into {}",
            shown(&self.lock()),
            shown(&folder)
        ));
        if !process::is_program(&self.interpreter()) {
            let (python, _) = match self {
                // Triton's Python backend loads the system's libpython, and needs the standard library of the same build.
                Self::Remote => python_among(&["/usr/bin/python3", "python3"])?,
                _ => system_python()?,
            };
            make_venv(&python, &folder)?;
        }
        let lock = std::fs::read(self.lock())
            .with_context(|| format!("cannot read {}", self.lock().display()))?;
        let mut pip = Command::new(self.interpreter());
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
            // Python compiles what it imports; of PyTorch and the like that is a small part.
            "--no-compile",
        ]);
        if self == Self::Engines {
            pip.arg("--no-deps")
                .arg("--constraint")
                .arg(self.lock())
                .args(ENGINE_WHEELS);
        } else {
            pip.arg("--requirement").arg(self.lock());
        }
        process::run(&mut pip)?;
        std::fs::write(self.mark(), lock)?;
        Ok(self.interpreter())
    }
}

/// Begins to make these environments, one after another, while something else is done. What fails is tried again, and told, where it is needed.
/// Who asked waits for it before ending, so that nothing is left half installed.
pub(crate) fn in_advance(environments: Vec<Environment>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for environment in environments {
            if let Err(error) = environment.set_up() {
                say(&format!("to be tried again: {error:#}"));
            }
        }
    })
}

fn shown(path: &Path) -> String {
    path.strip_prefix(workspace::root())
        .unwrap_or(path)
        .display()
        .to_string()
}

/// The system's Python, when there is one that is new enough.
///
/// # Errors
/// The text says which were found and what is needed.
pub(crate) fn system_python() -> Result<(PathBuf, String)> {
    python_among(&[
        "python3",
        "python3.13",
        "python3.12",
        "python3.11",
        "/usr/bin/python3",
    ])
}

/// The first of these that is there and new enough, and its version.
fn python_among(names: &[&str]) -> Result<(PathBuf, String)> {
    let mut seen = Vec::new();
    for name in names {
        let program = if name.starts_with('/') {
            Some(PathBuf::from(name))
        } else {
            process::which(name)
        };
        let Some(program) = program else { continue };
        let script = "import sys; print('%d.%d.%d' % sys.version_info[:3])";
        let Ok(version) = process::output(Command::new(&program).args(["-c", script])) else {
            continue;
        };
        let version = version.trim().to_owned();
        if is_new_enough(&version) {
            return Ok((program, version));
        }
        seen.push(format!("{} is {version}", program.display()));
    }
    let found = if seen.is_empty() {
        "none was found".to_owned()
    } else {
        seen.join(", ")
    };
    bail!(
        "Python {}.{} or newer is needed; {found}. On Debian: apt-get install python3 python3-venv",
        OLDEST.0,
        OLDEST.1
    )
}

fn is_new_enough(version: &str) -> bool {
    let mut parts = version
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= OLDEST
}

fn make_venv(python: &Path, folder: &Path) -> Result<()> {
    if process::output(Command::new(python).args(["-c", "import ensurepip, venv"])).is_err() {
        process::apt_install(
            &["python3-venv".to_owned()],
            "this Python cannot make virtual environments",
        )?;
    }
    process::run(Command::new(python).args(["-m", "venv"]).arg(folder))
}

/// Where the engines' shared libraries lie, as the host's environment variables name them; what is missing is left out.
pub(crate) fn engine_variables() -> Vec<(&'static str, PathBuf)> {
    let Some(packages) = site_packages(&Environment::Engines.folder()) else {
        return Vec::new();
    };
    let libraries = [
        (
            "CINECOR_ONNXRUNTIME_LIB",
            "onnxruntime/capi",
            "libonnxruntime.so",
        ),
        ("CINECOR_OPENVINO_LIB", "openvino/libs", "libopenvino_c.so"),
    ];
    let find = |(variable, folder, name): (&'static str, &str, &str)| {
        let files = packages
            .join(folder)
            .read_dir()
            .ok()?
            .flatten()
            .map(|file| file.path());
        let library = files.into_iter().find(|path| {
            path.file_name()
                .is_some_and(|file| file.to_string_lossy().starts_with(name))
        })?;
        Some((variable, library))
    };
    // What the caller has set is his choice.
    libraries
        .into_iter()
        .filter(|(variable, ..)| std::env::var_os(variable).is_none())
        .filter_map(find)
        .collect()
}

fn site_packages(environment: &Path) -> Option<PathBuf> {
    let versions = environment.join("lib").read_dir().ok()?.flatten();
    versions
        .map(|version| version.path().join("site-packages"))
        .find(|folder| folder.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(is_new_enough("3.11.2") && is_new_enough("3.13.0") && is_new_enough("4.0.0"));
        assert!(!is_new_enough("3.9.18") && !is_new_enough("2.7.18") && !is_new_enough("python"));
    }
}
