//! What the browser tests need: Node, the locked npm packages, and a Chromium.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::process::{self, say};
use crate::workspace;

/// Where Debian and others put Chromium; the browser tests look in the same places.
const CHROMIUM: [&str; 3] = [
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
];

/// Node's test runner and `--test` with patterns are what the tests use.
const OLDEST_NODE: u32 = 20;

/// The Chromium that is installed.
pub(crate) fn chromium() -> Option<PathBuf> {
    CHROMIUM
        .iter()
        .map(PathBuf::from)
        .find(|path| process::is_program(path))
}

/// Node's version, when it is new enough.
///
/// # Errors
/// The text says what was found and what is needed.
pub(crate) fn node() -> Result<String> {
    let fix = format!("Node {OLDEST_NODE} or newer with npm is needed (https://nodejs.org)");
    let Ok(version) = process::output(Command::new("node").arg("--version")) else {
        bail!("{fix}; none was found")
    };
    let version = version.trim().trim_start_matches('v').to_owned();
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok())
        .unwrap_or(0);
    if major < OLDEST_NODE {
        bail!("{fix}; found {version}");
    }
    Ok(version)
}

/// Whether the npm packages are installed as their lock file says now.
pub(crate) fn packages_are_ready() -> bool {
    let lock = std::fs::read(folder().join("package-lock.json"));
    lock.is_ok_and(|lock| std::fs::read(mark()).is_ok_and(|mark| mark == lock))
}

/// Installs what is missing for the browser tests.
///
/// # Errors
/// Node or Chromium is missing and cannot be installed from here, or npm failed.
pub(crate) fn set_up() -> Result<()> {
    node()?;
    if chromium().is_none() {
        process::apt_install(
            &["chromium".to_owned()],
            "the page is tested in a real Chromium",
        )?;
    }
    if !packages_are_ready() {
        say("browser tests: installing the locked npm packages");
        // The tests bring their browser; a package must neither fetch one nor run scripts.
        process::run(Command::new("npm").current_dir(folder()).args([
            "ci",
            "--silent",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
        ]))?;
        std::fs::copy(folder().join("package-lock.json"), mark())?;
    }
    Ok(())
}

fn folder() -> PathBuf {
    workspace::root().join("tests/browser")
}

/// A copy of the lock file that was installed.
fn mark() -> PathBuf {
    folder().join("node_modules/.installed-lock.json")
}
