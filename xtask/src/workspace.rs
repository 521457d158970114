//! Where things lie in this repository, and what cargo knows about its members.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    // Set by cargo for `cargo xtask`; the compiled-in value serves a binary that was started by hand.
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent()
        .map_or_else(|| here.clone(), Path::to_path_buf)
}

/// `target/`, which holds everything that is made or fetched and can be deleted.
pub(crate) fn target() -> PathBuf {
    root().join("target")
}

/// Where the built guests lie, as spin.toml names them.
pub(crate) fn guests() -> PathBuf {
    target().join("guests")
}

/// Tools that were fetched for this checkout alone.
pub(crate) fn tools() -> PathBuf {
    target().join("tools")
}

/// The host, as cargo builds it for release.
pub(crate) fn host_binary() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(target, PathBuf::from)
        .join("release/cinecor")
}

/// The folders in a folder; none where it is none.
pub(crate) fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect()
}

/// A package of the workspace that becomes a WebAssembly component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Guest {
    /// The cargo package, which is the name of the built file too.
    pub(crate) package: String,
    /// How cargo tells it from packages of the same name that others depend on: `name@version`.
    pub(crate) spec: String,
    /// Its library target: cargo names the built file after it.
    pub(crate) library: String,
    /// A guest that only tests use.
    pub(crate) for_tests: bool,
}

/// Every guest of the workspace: the members that build a `cdylib`.
///
/// # Errors
/// `cargo metadata` fails, mostly because a Cargo.toml is not right.
pub(crate) fn all_guests() -> Result<Vec<Guest>> {
    let text = process::output(process::clean(cargo()).current_dir(root()).args([
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
    ]))?;
    let metadata: Value = serde_json::from_str(&text)
        .context("cargo metadata answered something that is not JSON")?;
    let mut guests = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let library = package["targets"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|target| {
                target["crate_types"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .any(|kind| kind == "cdylib")
            });
        let (Some(name), Some(version), Some(manifest)) = (
            package["name"].as_str(),
            package["version"].as_str(),
            package["manifest_path"].as_str(),
        ) else {
            continue;
        };
        if let Some(library) = library.and_then(|library| library["name"].as_str()) {
            guests.push(Guest {
                package: name.to_owned(),
                spec: format!("{name}@{version}"),
                library: library.replace('-', "_"),
                for_tests: !Path::new(manifest).starts_with(root().join("components")),
            });
        }
    }
    guests.sort_by(|a, b| a.package.cmp(&b.package));
    Ok(guests)
}

/// The cargo that runs us, so that the pinned toolchain is used throughout.
pub(crate) fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// The rustc that belongs to [`cargo`].
pub(crate) fn rustc() -> PathBuf {
    let beside = cargo().with_file_name("rustc");
    if process::is_program(&beside) {
        beside
    } else {
        PathBuf::from("rustc")
    }
}
