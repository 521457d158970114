//! Speed and memory of the service against its peers, measured side by side and written to `tests/bench/RESULTS.md`. Ratios, not seconds: both
//! sides run on the same machine, turn by turn. Each part stands by itself: what one found is kept where another fails.

mod bare;
mod dicom;
mod nnunet;
mod portable;
mod python;
mod report;
mod service;
mod trivial;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use cinecor_tests::host::{Options, root};
use clap::Parser;
use report::{Part, Report};

#[derive(Parser)]
#[command(name = "bench", bin_name = "cargo xtask bench", about)]
struct Cli {
    /// Only the parts whose title holds one of these words; all when none is named.
    words: Vec<String>,
    /// Where the figures are written.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

type Measure = fn(&Options) -> Result<Part>;

const PARTS: [(&str, Measure); 9] = [
    ("Start", bare::start),
    ("Against the bare engine", bare::against_the_bare_engine),
    ("DICOM", dicom::as_dicom),
    ("Precisions", bare::precisions),
    ("Against a Python server", python::against_python),
    ("Against nnU-Net", nnunet::against_nnunet),
    ("A trivial route", trivial::against_hyper),
    ("Long against short", bare::long_against_short),
    ("In WebAssembly", portable::in_webassembly),
];

fn main() -> Result<()> {
    let cli = Cli::parse();
    let wanted = |title: &str| {
        let title = title.to_lowercase();
        cli.words.is_empty()
            || cli
                .words
                .iter()
                .any(|word| title.contains(&word.to_lowercase()))
    };
    let chosen: Vec<_> = PARTS.iter().filter(|(title, _)| wanted(title)).collect();
    if chosen.is_empty() {
        let titles: Vec<&str> = PARTS.iter().map(|(title, _)| *title).collect();
        bail!("no part has such a title; there are: {}", titles.join(", "));
    }
    let path = cli
        .out
        .unwrap_or_else(|| root().join("tests/bench/RESULTS.md"));
    let head = "# Speed and memory\n\nWritten by `cargo xtask bench`, part by part; what it does not measure it leaves as it is. Both sides of a row take turns on the same \
                machine in the same minutes. Values are medians with their middle half, ratios are those of the turns where there are turns. Where the load average is above \
                the number of cores, other work ran beside, which both sides had to bear: then only ratios say something.";
    let order = PARTS.iter().map(|(title, _)| *title).collect();
    let mut report = Report::open(&path, head.to_owned(), order)?;
    let started = Instant::now();
    let mut failed = Vec::new();
    for (index, (title, measure)) in chosen.iter().enumerate() {
        println!(
            "[{}/{}, {:.0} s] {title}",
            index + 1,
            chosen.len(),
            started.elapsed().as_secs_f64()
        );
        let before = load_average()?;
        let state = tempfile::tempdir()?;
        match measure(&Options::new().state(state.path())) {
            // As precisions are on a processor that has none but fp32.
            Ok(part) if part.rows.is_empty() => println!("  this machine has nothing to measure"),
            Ok(part) => {
                let text = part.text();
                println!("{text}");
                let machine = format!(
                    "{} cores; load average {before} before and {} after.",
                    std::thread::available_parallelism()?,
                    load_average()?
                );
                report.put(title, &format!("{text}\n{machine}"))?;
            }
            Err(error) => {
                println!("  failed: {error:#}");
                report.put(
                    title,
                    "Not measured: this part failed when it was last run.",
                )?;
                failed.push(*title);
            }
        }
    }
    println!(
        "written to {} after {:.0} s",
        path.display(),
        started.elapsed().as_secs_f64()
    );
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// Of the last minute.
fn load_average() -> Result<String> {
    let text = std::fs::read_to_string("/proc/loadavg").context("the machine's load")?;
    Ok(text.split_whitespace().next().unwrap_or("?").to_owned())
}
