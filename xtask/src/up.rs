//! `cargo xtask up`: from a clone to a service that answers, with every step told.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{self, say};
use crate::python::{self, Environment};
use crate::{guests, workspace};

/// Spin's own default port; the next free one is taken where it is in use.
const FIRST_PORT: u16 = 3000;
const PORTS_TRIED: u16 = 100;

/// What is handed on to the host.
#[derive(clap::Args, Debug)]
pub(crate) struct UpArgs {
    /// Do not fetch engine libraries; whatever is there, at least the embedded engine, serves.
    #[arg(long)]
    offline: bool,
    /// Arguments of `cinecor up`, for instance `--listen 127.0.0.1:8080` or `--variable api_keys=…`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    host: Vec<String>,
}

/// Sets up what is missing, builds, and becomes the host.
///
/// # Errors
/// A step failed; the engines' libraries are not such a step.
pub(crate) fn up(args: &UpArgs) -> Result<()> {
    guests::build_all(false)?;
    say("building the host (the first time takes minutes)");
    build_host()?;
    if !args.offline {
        offer_engines();
    }
    let mut host = Command::new(workspace::host_binary());
    host.current_dir(workspace::root())
        .envs(python::engine_variables());
    host.args(["up", "--from", "spin.toml"]);
    if !args
        .host
        .iter()
        .any(|word| word == "--listen" || word.starts_with("--listen="))
    {
        host.args(["--listen", &format!("127.0.0.1:{}", free_port()?)]);
    }
    host.args(&args.host);
    eprintln!("+ {}", process::shown(&host));
    // The host takes this process over, so that a signal reaches it and its status is ours.
    Err(host.exec()).with_context(|| format!("cannot start {}", workspace::host_binary().display()))
}

/// Builds the host as it ships, and the other programs of the workspace beside it: a package built alone gets other features of
/// the crates that they share, and wasmtime would be compiled once for each choice.
///
/// # Errors
/// It does not compile.
pub(crate) fn build_host() -> Result<()> {
    process::run(
        process::clean(workspace::cargo())
            .current_dir(workspace::root())
            .args(["build", "--release"]),
    )
}

/// Fetches the engines' libraries where that works. The embedded engine needs nothing, so a failure is told and no more.
fn offer_engines() {
    match Environment::Engines.set_up() {
        Ok(_) => say(
            "ONNX Runtime and OpenVINO are there; the host takes the first that serves (cinecor.toml, [nn] engine)",
        ),
        Err(error) => say(&format!(
            "no engine libraries ({error:#}): the embedded engine tract serves, which is several times slower"
        )),
    }
}

fn free_port() -> Result<u16> {
    let mut ports = FIRST_PORT..FIRST_PORT.saturating_add(PORTS_TRIED);
    let free = ports.find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    let free = free.with_context(|| {
        format!("{PORTS_TRIED} ports from {FIRST_PORT} on are in use; name one with --listen")
    })?;
    if free != FIRST_PORT {
        say(&format!("port {FIRST_PORT} is in use: taking {free}"));
    }
    Ok(free)
}
