//! `cargo xtask test`: the whole check, in sections. A section that fails does not stop the next; the tests of the workspace run
//! last, and the last line is the sum of what their runners counted.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};

use crate::process;
use crate::python::{self, Environment};
use crate::{browser, guests, workspace};

/// What may be missing where everything else must be there: a licence to use patients' images, or the images themselves.
const FAIR_REASONS: [&str; 2] = ["CINECOR_DATA", "licence"];

/// Which sections to run.
#[derive(clap::Args, Debug)]
pub(crate) struct TestArgs {
    /// Only these sections: fmt, guests, clippy, frontend, weights, browser, workspace. All when none is named.
    sections: Vec<String>,
}

type Section = (&'static str, fn(&mut Report) -> Result<()>);

const SECTIONS: [Section; 7] = [
    ("fmt", fmt),
    ("guests", build_guests),
    ("clippy", clippy),
    ("frontend", frontend),
    ("weights", weights),
    ("browser", browser_tests),
    ("workspace", workspace_tests),
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
    let is_wanted =
        |name: &str| args.sections.is_empty() || args.sections.iter().any(|wanted| wanted == name);
    let mut report = Report::default();
    let mut failed = Vec::new();
    let mut timings = Vec::new();
    // Python's wheels are fetched and unpacked while guests are compiled, and so is the one checked that shares no file with them.
    let mut in_advance = None;
    if is_wanted("guests") {
        let needs = [
            ("weights", Environment::Weights),
            ("workspace", Environment::Tests),
            ("workspace", Environment::Remote),
        ];
        let needed = needs.iter().filter(|(section, _)| is_wanted(section));
        in_advance = Some(python::in_advance(
            needed.map(|(_, environment)| *environment).collect(),
        ));
        if is_wanted("clippy") {
            report.clippy = Some(std::thread::spawn(native_clippy));
        }
    }
    for (name, run) in SECTIONS {
        if !is_wanted(name) {
            continue;
        }
        println!("\n== {name}");
        let started = Instant::now();
        let done = run(&mut report);
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
    // What it had to tell was told by the sections that needed it.
    let _ = in_advance.map(JoinHandle::join);
    println!("\n== {}", timings.join(", "));
    for reason in &report.skips {
        println!("skipped: {reason}");
    }
    if let Some(sum) = report.counts.sum() {
        println!("{sum}");
    }
    let unfair = report.unfair();
    let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
    if ci && !unfair.is_empty() {
        bail!(
            "skipped, which only missing data or a missing licence excuses here:\n  {}",
            unfair.join("\n  ")
        );
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// What cargo's test runners counted: each test program ends with a line of its own, and nobody adds them up.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    programs: u64,
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Counts {
    /// Adds what a line `test result: ok. 5 passed; 0 failed; 1 ignored; …` says; any other line says nothing.
    fn note(&mut self, line: &str) {
        let Some((_, counts)) = line
            .strip_prefix("test result: ")
            .and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        self.programs += 1;
        for count in counts.split(';') {
            let mut words = count.split_whitespace();
            let (Some(number), Some(what)) = (words.next(), words.next()) else {
                continue;
            };
            let number: u64 = number.parse().unwrap_or(0);
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    /// The sum in the same form; none when nothing ran.
    fn sum(&self) -> Option<String> {
        let verdict = if self.failed == 0 { "ok" } else { "FAILED" };
        (self.programs > 0).then(|| {
            format!(
                "test result: {verdict}. {} passed; {} failed; {} ignored; in all {} test programs of the workspace",
                self.passed, self.failed, self.ignored, self.programs
            )
        })
    }
}

/// What the sections said: why tests did not run, as lines `SKIP: reason`, and cargo's counts.
#[derive(Default)]
struct Report {
    skips: Vec<String>,
    counts: Counts,
    /// What is checked beside the section before.
    clippy: Option<JoinHandle<Result<()>>>,
}

impl Report {
    fn note(&mut self, line: &str) {
        self.counts.note(line);
        if let Some(at) = line.find("SKIP: ") {
            let reason = line[at..].trim_start_matches("SKIP: ").trim().to_owned();
            if !self.skips.contains(&reason) {
                self.skips.push(reason);
            }
        }
    }

    fn unfair(&self) -> Vec<String> {
        self.skips
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

fn fmt(_: &mut Report) -> Result<()> {
    process::run(cargo().args(["fmt", "--all", "--check"]))
}

fn build_guests(_: &mut Report) -> Result<()> {
    guests::build_all(true)
}

fn clippy(report: &mut Report) -> Result<()> {
    let native = match report.clippy.take() {
        Some(begun) => begun
            .join()
            .unwrap_or_else(|_| Err(anyhow!("the check of the native crates was cut off"))),
        None => native_clippy(),
    };
    match (native, guests::clippy_all()) {
        (Err(native), Err(guests)) => bail!("{native:#}; {guests:#}"),
        (native, guests) => native.and(guests),
    }
}

fn native_clippy() -> Result<()> {
    process::run(cargo().args([
        "clippy",
        "--quiet",
        "--release",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}

fn frontend(report: &mut Report) -> Result<()> {
    browser::node()?;
    // Without arguments node finds what is named *.test.js; a folder as an argument means different things to its versions.
    report.run(
        Command::new("node")
            .current_dir(workspace::root().join("tests/frontend"))
            .arg("--test"),
    )
}

fn weights(report: &mut Report) -> Result<()> {
    let python = Environment::Weights.set_up()?;
    report.run(
        Command::new(python)
            .current_dir(workspace::root().join("weights"))
            .args(["-m", "pytest", "-q", "-rs"]),
    )
}

fn browser_tests(report: &mut Report) -> Result<()> {
    browser::set_up()?;
    Environment::Engines.set_up()?;
    compile_tests()?;
    let mut node = Command::new("node");
    node.current_dir(workspace::root().join("tests/browser"))
        .envs(python::engine_variables());
    report.run(node.args(["--test", "--test-concurrency=1"]))
}

/// Everything of the workspace that is tested, and the programs that whole-app tests start, in one go: asked for apart they could
/// get other features and be compiled twice.
fn compile_tests() -> Result<()> {
    process::run(cargo().args(["test", "--quiet", "--release", "--no-run"]))
}

/// Every crate, the host, the engines, and the scenarios through the running application.
fn workspace_tests(report: &mut Report) -> Result<()> {
    let python = Environment::Tests.set_up()?;
    let mut cargo = cargo();
    cargo
        .env("CINECOR_PYTHON", python)
        .envs(python::engine_variables());
    match Environment::Remote.set_up() {
        Ok(python) => {
            cargo.env("CINECOR_REMOTE_PYTHON", python);
        }
        // Their tests are skipped then, and say so.
        Err(error) => process::say(&format!("no inference servers for the tests: {error:#}")),
    }
    // The output of tests that pass is shown as well: it is where they say why they skip.
    report.run(cargo.args(["test", "--release", "--no-fail-fast", "--", "--show-output"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_data_and_licences_excuse_a_skip() {
        let mut report = Report::default();
        report.note("test a ... ok\n");
        report.note("SKIP: CINECOR_DATA is not set\n");
        report.note("# SKIP: no Chromium is installed\n");
        report.note("# SKIP: no Chromium is installed\n");
        assert_eq!(report.skips.len(), 2);
        assert_eq!(report.unfair(), ["no Chromium is installed"]);
    }

    #[test]
    fn counts_of_test_programs_are_added_up() {
        let mut counts = Counts::default();
        assert_eq!(counts.sum(), None);
        counts.note("test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.10s\n");
        counts.note("test a ... ok\n");
        counts.note("test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s\n");
        assert_eq!(
            counts.sum().unwrap(),
            "test result: FAILED. 7 passed; 3 failed; 1 ignored; in all 2 test programs of the workspace"
        );
    }

    #[test]
    fn every_section_has_a_name_of_its_own() {
        let mut names: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SECTIONS.len());
    }
}
