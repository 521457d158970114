//! The commands that are programs of their own: evaluate and bench of `tests/`, phantom of `crates/phantom`. They link the crates of
//! the workspace, which xtask does not; here they get what they need around them.

use std::ffi::OsString;

use anyhow::Result;

use crate::process::{self, say};
use crate::python::{self, Environment};
use crate::{guests, up, workspace};

/// Arguments of the program; `--help` prints them.
#[derive(clap::Args, Debug)]
#[command(disable_help_flag = true)]
pub(crate) struct AppArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

impl AppArgs {
    fn asks_for_help(&self) -> bool {
        self.words
            .iter()
            .any(|word| word == "--help" || word == "-h")
    }

    fn names(&self, option: &str) -> bool {
        self.words
            .iter()
            .any(|word| word == option || word.to_string_lossy().starts_with(&format!("{option}=")))
    }
}

/// Posts real hearts to the service and compares what comes back with the experts' labels.
///
/// # Errors
/// A step failed; the program says which.
pub(crate) fn evaluate(args: &AppArgs) -> Result<()> {
    // A service that runs already needs nothing here, and a plot of reports asks none.
    if !args.asks_for_help() && !args.names("--url") && !args.names("--cost-plot") {
        service()?;
        if let Err(error) = Environment::Engines.set_up() {
            say(&format!(
                "no engine libraries ({error:#}): only the embedded engine can be evaluated"
            ));
        }
    }
    run(&["--package", "cinecor-tests", "--bin", "evaluate"], args)
}

/// Measures the service side by side with the bare engine and with its peers.
///
/// # Errors
/// As [`evaluate`]; the bare engine needs the tests' Python.
pub(crate) fn bench(args: &AppArgs) -> Result<()> {
    if !args.asks_for_help() {
        service()?;
        Environment::Tests.set_up()?;
        // What cannot be installed costs its own part of the measurements; the program says which.
        for environment in [Environment::Peers, Environment::Nnunet] {
            if let Err(error) = environment.set_up() {
                say(&format!("{}: {error:#}", environment.folder().display()));
            }
        }
    }
    run(&["--package", "cinecor-tests", "--bin", "bench"], args)
}

/// Swaps weights and model components again and again, and sees that memory does not grow.
///
/// # Errors
/// As [`evaluate`]; or memory has grown.
pub(crate) fn soak(args: &AppArgs) -> Result<()> {
    if !args.asks_for_help() {
        service()?;
        if let Err(error) = Environment::Engines.set_up() {
            say(&format!(
                "no engine libraries ({error:#}): the embedded engine is swapped on"
            ));
        }
    }
    run(&["--package", "cinecor-tests", "--bin", "soak"], args)
}

/// Writes a beating phantom heart whose volumes are known.
///
/// # Errors
/// The arguments are not right, or the file cannot be written.
pub(crate) fn phantom(args: &AppArgs) -> Result<()> {
    run(
        &["--package", "cinecor-phantom", "--example", "phantom"],
        args,
    )
}

/// Puts components under the imports of another, as one file.
///
/// # Errors
/// The arguments are not right, or the components do not fit.
pub(crate) fn compose(args: &AppArgs) -> Result<()> {
    run(&["--package", "cinecor-compose"], args)
}

fn service() -> Result<()> {
    guests::build_all(false)?;
    up::build_host()
}

fn run(program: &[&str], args: &AppArgs) -> Result<()> {
    let mut cargo = process::clean(workspace::cargo());
    // The person's own folder, so that the paths of the arguments mean what they say.
    cargo
        .args(["run", "--quiet", "--release", "--manifest-path"])
        .arg(workspace::root().join("Cargo.toml"));
    cargo.args(program).arg("--").args(&args.words);
    cargo
        .env("CINECOR_PYTHON", Environment::Tests.interpreter())
        .env("CINECOR_PEERS_PYTHON", Environment::Peers.interpreter())
        .env("CINECOR_NNUNET_PYTHON", Environment::Nnunet.interpreter())
        .envs(python::engine_variables());
    process::run(&mut cargo)
}
