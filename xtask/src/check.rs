//! `cargo xtask test`: the whole check, in sections. A section that fails does not stop the next; the tests of the workspace run
//! last, so that their counts are the last lines.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::process::{self, say};
use crate::python::{self, Environment};
use crate::{browser, guests, workspace};

/// What may be missing where everything else must be there: a licence to use patients' images, or the images themselves.
const FAIR_REASONS: [&str; 2] = ["CINECOR_DATA", "licence"];

/// Which sections to run.
#[derive(clap::Args, Debug)]
pub(crate) struct TestArgs {
    /// Only these sections: guests, frontend, crates, which run when none is named; fmt, clippy, python, weights, browser, app.
    sections: Vec<String>,
}

type Section = (&'static str, fn(&mut Skips) -> Result<()>);

/// Sections that run only when they are named: they start the host or need more than Rust, and have not been green on a
/// fresh clone yet.
const BY_NAME: [&str; 6] = ["fmt", "clippy", "python", "weights", "browser", "app"];

const SECTIONS: [Section; 9] = [
    ("fmt", fmt),
    ("guests", build_guests),
    ("clippy", clippy),
    ("frontend", frontend),
    // Compiles what the next sections start, so that all of it is compiled once and with the same features.
    ("python", python_tests),
    ("weights", weights_tests),
    ("browser", browser_tests),
    ("app", app_tests),
    ("crates", crate_tests),
];

/// Runs the sections.
///
/// # Errors
/// A section failed, or, where the environment says `CI`, something was skipped without a fair reason.
pub(crate) fn test(args: &TestArgs) -> Result<()> {
    for name in &args.sections {
        if !SECTIONS.iter().any(|(section, _)| section == name) {
            let all: Vec<&str> = SECTIONS.iter().map(|(section, _)| *section).collect();
            bail!(
                "`{name}` is no section; the sections are {}",
                all.join(", ")
            );
        }
    }
    let mut skips = Skips::default();
    let mut failed = Vec::new();
    let mut timings = Vec::new();
    for (name, run) in SECTIONS {
        let wanted = if args.sections.is_empty() {
            !BY_NAME.contains(&name)
        } else {
            args.sections.iter().any(|wanted| wanted == name)
        };
        if !wanted {
            continue;
        }
        if name == "crates" && !timings.is_empty() {
            println!("\n== so far: {}", timings.join(", "));
        }
        println!("\n== {name}");
        let started = Instant::now();
        let done = run(&mut skips);
        let line = format!("{name} {:.0} s", started.elapsed().as_secs_f64());
        match done {
            Ok(()) => timings.push(line),
            Err(error) => {
                println!("== {name} failed: {error:#}");
                failed.push(name);
                timings.push(format!("{line} (failed)"));
            }
        }
    }
    let unfair = skips.unfair();
    let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
    if ci && !unfair.is_empty() {
        bail!(
            "skipped, which only missing data or a missing licence excuses here:\n  {}",
            unfair.join("\n  ")
        );
    }
    if !failed.is_empty() {
        bail!("failed: {} ({})", failed.join(", "), timings.join(", "));
    }
    Ok(())
}

/// The reasons that tests gave for not running, as lines `SKIP: reason`.
#[derive(Default)]
struct Skips(Vec<String>);

impl Skips {
    fn note(&mut self, line: &str) {
        if let Some(at) = line.find("SKIP: ") {
            self.0
                .push(line[at..].trim_start_matches("SKIP: ").trim().to_owned());
        }
    }

    fn unfair(&self) -> Vec<String> {
        self.0
            .iter()
            .filter(|reason| !FAIR_REASONS.iter().any(|fair| reason.contains(fair)))
            .cloned()
            .collect()
    }

    /// Runs a command, shows what it writes on stdout line by line, and notes the skips among it.
    fn run(&mut self, command: &mut Command) -> Result<()> {
        let line = process::shown(command);
        eprintln!("+ {line}");
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start `{line}`"))?;
        if let Some(stdout) = child.stdout.take() {
            let mut reader = BufReader::new(stdout);
            let mut bytes = Vec::new();
            while reader.read_until(b'\n', &mut bytes)? > 0 {
                std::io::stdout().write_all(&bytes)?;
                self.note(&String::from_utf8_lossy(&bytes));
                bytes.clear();
            }
        }
        let status = child.wait()?;
        if !status.success() {
            bail!("`{line}` ended with {status}");
        }
        Ok(())
    }
}

fn cargo() -> Command {
    let mut cargo = process::clean(workspace::cargo());
    cargo.current_dir(workspace::root());
    cargo
}

fn fmt(_: &mut Skips) -> Result<()> {
    process::run(cargo().args(["fmt", "--all", "--check"]))
}

fn build_guests(_: &mut Skips) -> Result<()> {
    guests::build_all(true)
}

fn clippy(_: &mut Skips) -> Result<()> {
    process::run(cargo().args([
        "clippy",
        "--quiet",
        "--release",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    guests::clippy_all()
}

fn frontend(skips: &mut Skips) -> Result<()> {
    browser::node()?;
    skips.run(
        Command::new("node")
            .current_dir(workspace::root())
            .args(["--test", "tests/frontend/"]),
    )
}

fn python_tests(skips: &mut Skips) -> Result<()> {
    let python = Environment::Tests.set_up()?;
    let folder = workspace::root().join("tests/python");
    if !folder.is_dir() {
        say(
            "tests/python does not exist: the environment is made for what the tests of the workspace compare with",
        );
        return Ok(());
    }
    skips.run(Command::new(python).current_dir(workspace::root()).args([
        "-m",
        "pytest",
        "-q",
        "-rs",
        "tests/python",
    ]))
}

fn weights_tests(skips: &mut Skips) -> Result<()> {
    let python = Environment::Weights.set_up()?;
    skips.run(
        Command::new(python)
            .current_dir(workspace::root().join("weights"))
            .args(["-m", "pytest", "-q", "-rs"]),
    )
}

fn browser_tests(skips: &mut Skips) -> Result<()> {
    browser::set_up()?;
    compile_tests()?;
    let mut node = Command::new("node");
    node.current_dir(workspace::root().join("tests/browser"))
        .envs(python::engine_variables());
    skips.run(node.args(["--test", "--test-concurrency=1"]))
}

/// Everything of the workspace that is tested, and the host that whole-app tests start, in one go: asked for apart they could get
/// other features and be compiled twice.
fn compile_tests() -> Result<()> {
    process::run(cargo().args(["test", "--quiet", "--release", "--no-run"]))?;
    if !workspace::host_binary().is_file() {
        crate::up::build_host()?;
    }
    Ok(())
}

/// The domain crates, whose tests need nothing but Rust.
fn crate_tests(skips: &mut Skips) -> Result<()> {
    let mut cargo = cargo();
    cargo.args(["test", "--release", "--no-fail-fast"]);
    for package in DOMAIN_CRATES {
        cargo.args(["--package", package]);
    }
    skips.run(&mut cargo)
}

/// The crates under `crates/` that are tested natively.
const DOMAIN_CRATES: [&str; 10] = [
    "cinecor-volume",
    "cinecor-formats",
    "cinecor-render",
    "cinecor-phantom",
    "cinecor-web",
    "cinecor-store",
    "cinecor-measures",
    "cinecor-model-card",
    "cinecor-segmentation",
    "cinecor-wire",
];

fn app_tests(skips: &mut Skips) -> Result<()> {
    let python = Environment::Tests.set_up()?;
    compile_tests()?;
    let mut cargo = cargo();
    cargo
        .env("CINECOR_PYTHON", python)
        .envs(python::engine_variables());
    // The output of tests that pass is shown as well: it is where they say why they skip.
    skips.run(cargo.args(["test", "--release", "--no-fail-fast", "--", "--show-output"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_data_and_licences_excuse_a_skip() {
        let mut skips = Skips::default();
        skips.note("test a ... ok\n");
        skips.note("SKIP: CINECOR_DATA is not set\n");
        skips.note("# SKIP: no Chromium is installed\n");
        assert_eq!(skips.0.len(), 2);
        assert_eq!(skips.unfair(), ["no Chromium is installed"]);
    }

    #[test]
    fn every_section_has_a_name_of_its_own() {
        let mut names: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SECTIONS.len());
    }
}
