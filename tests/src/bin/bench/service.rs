//! The service under measurement: started, ready, asked once, and how often it is asked.

use std::io::{BufRead, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use cinecor_tests::client::Client;
use cinecor_tests::host::{Host, Options, root};
use serde_json::Value;

/// Turns of two sides: as many as are wanted, or fewer once they have taken long, which is on a busy machine.
#[derive(Clone, Copy)]
pub(crate) struct Turns {
    pub(crate) wanted: usize,
    pub(crate) least: usize,
    pub(crate) longest: Duration,
}

impl Turns {
    pub(crate) const SHORT: Self = Self {
        wanted: 15,
        least: 5,
        longest: Duration::from_secs(30),
    };
    /// An odd number, so that one of the turns is in the middle.
    pub(crate) const LONG: Self = Self {
        wanted: 5,
        least: 5,
        longest: Duration::from_secs(60),
    };

    /// Does it turn by turn.
    pub(crate) fn each(self, mut turn: impl FnMut() -> Result<()>) -> Result<()> {
        let started = Instant::now();
        for done in 0..self.wanted {
            if done >= self.least && started.elapsed() > self.longest {
                break;
            }
            turn()?;
        }
        Ok(())
    }
}

/// Starts a host and asks until it is ready; the time from the start in ms.
pub(crate) fn ready(options: &Options) -> Result<(Host, f64)> {
    let started = Instant::now();
    let host = options.start()?;
    let client = Client::new(&host);
    loop {
        let answer = client.get("/api/v1/health/ready")?;
        match answer.status {
            200 => return Ok((host, started.elapsed().as_secs_f64() * 1000.0)),
            503 if started.elapsed().as_secs() < 120 => {}
            _ => bail!("the service does not get ready: {}", answer.text()),
        }
    }
}

pub(crate) struct Shot {
    pub(crate) ms: f64,
    pub(crate) answer: Value,
}

impl Shot {
    /// A stage of the answer's own account, in ms.
    pub(crate) fn stage(&self, stage: &str) -> Result<f64> {
        number(&self.answer["segmentation"]["timings_ms"][stage])
    }

    /// The model that answered; it has to be ONNX Runtime's, which the peers compute with.
    pub(crate) fn model(&self) -> Result<&Value> {
        let model = &self.answer["segmentation"]["model"];
        ensure!(
            model["engine"] == "onnxruntime",
            "the peers compute with ONNX Runtime, but the service answered with {}; `cargo xtask doctor` tells why",
            model["engine"]
        );
        Ok(model)
    }
}

pub(crate) fn one_shot(client: &Client, volume: &[u8]) -> Result<Shot> {
    let started = Instant::now();
    let answer = client.post_as("/api/v1/segment", volume, "application/json")?;
    let ms = started.elapsed().as_secs_f64() * 1000.0;
    Ok(Shot {
        ms,
        answer: answer.expect(200)?.json()?,
    })
}

/// The folder of the package of an answer's model.
pub(crate) fn package(model: &Value) -> Result<PathBuf> {
    let folder = root()
        .join("weights/models")
        .join(text(&model["name"]))
        .join(text(&model["version"]));
    ensure!(folder.is_dir(), "no package at {}", folder.display());
    Ok(folder)
}

/// An interpreter that an environment variable names.
pub(crate) fn python(variable: &str) -> Result<PathBuf> {
    let named = std::env::var_os(variable).filter(|named| !named.is_empty());
    let python = PathBuf::from(named.with_context(|| {
        format!("{variable} names no Python interpreter; `cargo xtask bench` sets it")
    })?);
    ensure!(python.exists(), "{} is not there", python.display());
    Ok(python)
}

/// A program that reads a line and answers it with milliseconds.
pub(crate) struct Asked {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Asked {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {command:?}"))?;
        let input = process.stdin.take().context("no standard input")?;
        let output = BufReader::new(process.stdout.take().context("no standard output")?);
        Ok(Self {
            process,
            input,
            output,
        })
    }

    pub(crate) fn ask(&mut self, line: &str) -> Result<f64> {
        let answer = self.say(line)?;
        answer
            .parse()
            .with_context(|| format!("{line:?} was answered with {answer:?}"))
    }

    /// What it answers, as it stands.
    pub(crate) fn say(&mut self, line: &str) -> Result<String> {
        writeln!(self.input, "{line}")?;
        self.input.flush()?;
        let mut answer = String::new();
        self.output.read_line(&mut answer)?;
        Ok(answer.trim().to_owned())
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // It ends by itself when its input closes; what it holds matters to nobody.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

pub(crate) fn number(value: &Value) -> Result<f64> {
    value.as_f64().context("not a number")
}
