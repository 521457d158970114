//! Speed and memory of the service against the bare engine and against its peers, measured side by side in one run and written to
//! `tests/bench/RESULTS.md`. Ratios, not seconds: both sides run on the same machine, turn by turn.

mod peers;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use cinecor_tests::client::Client;
use cinecor_tests::host::{Host, Options, forget_peak_memory, peak_memory_bytes, root, target};
use cinecor_tests::volumes;
use serde_json::Value;

/// Turns of each side; the median and the middle half are reported.
const TURNS: usize = 15;
/// Turns of the long ones.
const CINE_TURNS: usize = 3;

fn main() -> Result<()> {
    let python = PathBuf::from(std::env::var_os("CINECOR_PYTHON").context(
        "CINECOR_PYTHON names the interpreter with onnxruntime; `cargo xtask bench` sets it",
    )?);
    let peers_python = PathBuf::from(std::env::var_os("CINECOR_PEERS_PYTHON").context(
        "CINECOR_PEERS_PYTHON names the interpreter with FastAPI; `cargo xtask bench` sets it",
    )?);
    let state = tempfile::tempdir()?;
    let options = Options::new().state(state.path());

    println!("starting, to fill the cache of compiled code");
    drop(ready(&options)?);
    println!("starting again");
    let (host, ready_ms) = ready(&options)?;
    let client = Client::new(&host);

    let first = one_shot(&client, &volumes::phantom(20, 1)?)?;
    let model = &first.answer["segmentation"]["model"];
    if model["engine"] != "onnxruntime" {
        bail!(
            "the bare engine is ONNX Runtime, but the service answered with {}; `cargo xtask doctor` tells why",
            model["engine"]
        );
    }
    let card: Value = serde_json::from_slice(&std::fs::read(package(model)?.join("model.json"))?)?;
    let canvas = &card["preprocessing"]["canvas"];
    let mut bare = Bare::start(&python, &package(model)?.join("model.onnx"), canvas)?;
    let batch = std::env::var("CINECOR_BENCH_BATCH")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(10);

    println!("20 slices, {TURNS} turns");
    let twenty = compare(
        &client,
        &mut bare,
        &volumes::phantom(20, 1)?,
        20,
        batch,
        TURNS,
    )?;
    println!("end-diastole and end-systole, 11 slices each, {TURNS} turns");
    let pair = compare(
        &client,
        &mut bare,
        &volumes::phantom(11, 2)?,
        22,
        batch,
        TURNS,
    )?;

    println!("a cine of 12 slices x 30 frames, {CINE_TURNS} turns");
    let cine_volume = volumes::phantom(12, 30)?;
    forget_peak_memory(host.pid())?;
    let cine = compare(&client, &mut bare, &cine_volume, 360, batch, CINE_TURNS)?;
    let peak_mib = peak_memory_bytes(host.pid())? as f64 / (1024.0 * 1024.0);

    // After the memory was read: graphs of other precisions take some of it.
    println!("20 slices in every precision, {TURNS} turns");
    let precisions = precisions(&client, model, &volumes::phantom(20, 1)?)?;

    let best = precisions
        .iter()
        .min_by(|one, other| one.median().total_cmp(&other.median()))
        .filter(|one| one.precision != "fp32")
        .map(|one| one.precision.as_str());
    let mut beside = peers::against_python(&host, &peers_python, &package(model)?, best)?;
    drop(host);
    println!("trivial requests against hyper");
    beside.extend(peers::against_hyper(&options)?);
    println!("600 slices against 20");
    beside.extend(peers::long_against_short(&options)?);

    let mut report = String::new();
    writeln!(report, "# Speed and memory\n")?;
    writeln!(
        report,
        "Written by `cargo xtask bench` on {} cores. Bare engine: {} {} in Python on ONNX Runtime, every core, tensors of {} × {}, batches of {batch}. Times are \
         medians with their middle half; both sides took turns in one run.\n",
        std::thread::available_parallelism()?,
        text(&model["name"]),
        text(&model["version"]),
        canvas["rows"],
        canvas["columns"],
    )?;
    writeln!(
        report,
        "| what | service, ms | bare engine, ms | ratio | goal |"
    )?;
    writeln!(report, "|---|---|---|---|---|")?;
    row(
        &mut report,
        "20 slices of 256 × 256, one shot, JSON",
        &twenty,
        "≤ 1.40",
    )?;
    row(
        &mut report,
        "end-diastole and end-systole, 11 slices each",
        &pair,
        "≤ 1.25 later",
    )?;
    row(
        &mut report,
        "cine of 12 slices × 30 frames",
        &cine,
        "≤ 1.10 later",
    )?;
    writeln!(
        report,
        "\n| 20 slices, one shot, inference alone | engine | ms | fp32 over it | goal |"
    )?;
    writeln!(report, "|---|---|---|---|---|")?;
    let whole = precisions.first().context("no precision")?.median();
    for found in &precisions {
        writeln!(
            report,
            "| {} | {} | {} | {:.2} | {} |",
            found.precision,
            found.engine,
            shown(&found.ms),
            whole / found.median(),
            if found.precision == "fp32" {
                "–"
            } else {
                "≥ 1.5"
            }
        )?;
    }
    writeln!(
        report,
        "\nThe peer is `tests/bench/peer_server.py`: FastAPI, nibabel, SciPy and ONNX Runtime with the same graph on every core, whose mask is the same; it makes \
         none of the checks, intervals, wall segments and curves. Pictures there are Pillow's; the trivial route's peer is hyper that answers a constant.\n"
    )?;
    writeln!(report, "| what | service | peer | ratio | goal |")?;
    writeln!(report, "|---|---|---|---|---|")?;
    for row in &beside {
        writeln!(report, "{}", row.line())?;
    }
    writeln!(report, "\n| what | measured | goal |")?;
    writeln!(report, "|---|---|---|")?;
    writeln!(
        report,
        "| start to ready, compiled code cached | {ready_ms:.0} ms | ≤ 3,000 ms |"
    )?;
    writeln!(
        report,
        "| peak memory of the host during the cine (VmHWM) | {peak_mib:.0} MiB | < 600 MB |"
    )?;
    writeln!(
        report,
        "\nWhere the service's time went, 20 slices, medians over the turns (ms): {}.",
        twenty.stages
    )?;
    let path = root().join("tests/bench/RESULTS.md");
    std::fs::write(&path, &report)?;
    println!("\n{report}\nwritten to {}", path.display());
    Ok(())
}

/// Starts a host and asks until it is ready; the time from the start in ms.
fn ready(options: &Options) -> Result<(Host, f64)> {
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

struct Shot {
    ms: f64,
    answer: Value,
}

fn one_shot(client: &Client, volume: &[u8]) -> Result<Shot> {
    let started = Instant::now();
    let answer = client.post_as("/api/v1/segment", volume, "application/json")?;
    let ms = started.elapsed().as_secs_f64() * 1000.0;
    Ok(Shot {
        ms,
        answer: answer.expect(200)?.json()?,
    })
}

/// Service and bare engine, turn by turn.
struct Compared {
    service: Vec<f64>,
    bare: Vec<f64>,
    stages: String,
}

fn compare(
    client: &Client,
    bare: &mut Bare,
    volume: &[u8],
    slices: usize,
    batch: usize,
    turns: usize,
) -> Result<Compared> {
    one_shot(client, volume)?;
    bare.run(slices, batch)?;
    let (mut service, mut engine, mut stages) = (Vec::new(), Vec::new(), Vec::<Value>::new());
    for _ in 0..turns {
        engine.push(bare.run(slices, batch)?);
        let shot = one_shot(client, volume)?;
        service.push(shot.ms);
        stages.push(shot.answer["segmentation"]["timings_ms"].clone());
    }
    let stages = ["decode", "preprocess", "inference", "postprocess", "total"]
        .map(|stage| {
            let mut values: Vec<f64> = stages
                .iter()
                .filter_map(|one| one[stage].as_f64())
                .collect();
            values.sort_by(f64::total_cmp);
            format!("{stage} {:.0}", quantile(&values, 0.5))
        })
        .join(", ");
    service.sort_by(f64::total_cmp);
    engine.sort_by(f64::total_cmp);
    Ok(Compared {
        service,
        bare: engine,
        stages,
    })
}

/// What one precision of a package takes.
struct InPrecision {
    precision: String,
    engine: String,
    ms: Vec<f64>,
}

impl InPrecision {
    fn median(&self) -> f64 {
        quantile(&self.ms, 0.5)
    }
}

/// Every precision that the package has and that can run here, turn by turn, fp32 first: the inference time that the answers tell.
fn precisions(client: &Client, model: &Value, volume: &[u8]) -> Result<Vec<InPrecision>> {
    let address = format!(
        "/api/v1/models/{}/versions/{}",
        text(&model["name"]),
        text(&model["version"])
    );
    let version = client.get(&address)?.expect(200)?.json()?;
    let variants = version["variants"].as_array().context("no variants")?;
    let mut found: Vec<InPrecision> = variants
        .iter()
        .filter(|variant| variant["runs"] == true)
        .map(|variant| InPrecision {
            precision: text(&variant["precision"]).to_owned(),
            engine: text(&variant["engine"]).to_owned(),
            ms: Vec::new(),
        })
        .collect();
    for turn in 0..=TURNS {
        for one in &mut found {
            let path = format!("/api/v1/segment?precision={}", one.precision);
            let answer = client.post_as(&path, volume, "application/json")?;
            let answer = answer.expect(200)?.json()?;
            let ms = answer["segmentation"]["timings_ms"]["inference"].as_f64();
            // The first turn loads the graphs.
            if turn > 0 {
                one.ms.push(ms.context("no time")?);
            }
        }
    }
    for one in &mut found {
        one.ms.sort_by(f64::total_cmp);
    }
    Ok(found)
}

/// The median of sorted values, and their middle half.
fn shown(values: &[f64]) -> String {
    format!(
        "{:.0} ({:.0}–{:.0})",
        quantile(values, 0.5),
        quantile(values, 0.25),
        quantile(values, 0.75)
    )
}

fn row(report: &mut String, what: &str, compared: &Compared, goal: &str) -> Result<()> {
    let ratio = quantile(&compared.service, 0.5) / quantile(&compared.bare, 0.5);
    writeln!(
        report,
        "| {what} | {} | {} | {ratio:.2} | {goal} |",
        shown(&compared.service),
        shown(&compared.bare)
    )?;
    Ok(())
}

/// The nearest entry of sorted values.
fn quantile(sorted: &[f64], at: f64) -> f64 {
    let index = (at * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

fn package(model: &Value) -> Result<PathBuf> {
    let folder = root()
        .join("weights/models")
        .join(text(&model["name"]))
        .join(text(&model["version"]));
    if !folder.is_dir() {
        bail!(
            "no package at {} below {}",
            folder.display(),
            target().display()
        );
    }
    Ok(folder)
}

/// The bare engine in a process of its own.
struct Bare {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Bare {
    fn start(python: &PathBuf, graph: &PathBuf, canvas: &Value) -> Result<Self> {
        let mut process = Command::new(python)
            .arg(root().join("tests/bench/bare_engine.py"))
            .arg(graph)
            .arg(canvas["rows"].to_string())
            .arg(canvas["columns"].to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the bare engine")?;
        let input = process.stdin.take().context("the bare engine's input")?;
        let output = BufReader::new(process.stdout.take().context("the bare engine's output")?);
        Ok(Self {
            process,
            input,
            output,
        })
    }

    fn run(&mut self, slices: usize, batch: usize) -> Result<f64> {
        writeln!(self.input, "{slices} {batch}")?;
        self.input.flush()?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        line.trim()
            .parse()
            .with_context(|| format!("the bare engine said {line:?}"))
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // It ends by itself when its input closes; what it holds matters to nobody.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
