//! Swaps weights and model components of a running service again and again, prints its memory on the way, and fails when it has grown by
//! more than 5 % since the first 20 swaps. With `--out` the series is written as a table. With `--under-load` clients ask meanwhile, and what is
//! looked at is their answers and how long they took.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use cinecor_tests::soak::Soak;
use cinecor_tests::under_load::UnderLoad;
use clap::Parser;

#[derive(Parser)]
#[command(name = "soak", bin_name = "cargo xtask soak", about)]
struct Cli {
    /// Swaps of weights.
    #[arg(long, default_value_t = Soak::SWAPS)]
    swaps: usize,
    /// A component is swapped with every so many swaps of weights; 0 is never.
    #[arg(long, default_value_t = 5)]
    components_every: usize,
    /// Swap while clients ask, weights each second and a component every five; so many answers, 2,000 when no number is given.
    #[arg(long, value_name = "ANSWERS", num_args = 0..=1, default_missing_value = "2000", conflicts_with = "out")]
    under_load: Option<usize>,
    /// Where the series is written as Markdown.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

const HEAD: &str = "| weights swapped | components swapped | resident memory, MiB |\n|---|---|---|";

fn main() -> Result<()> {
    let cli = Cli::parse();
    if let Some(answers) = cli.under_load {
        return under_load(answers);
    }
    let soak = Soak {
        swaps: cli.swaps,
        components_every: cli.components_every,
        samples: 9,
    };
    let started = Instant::now();
    println!("{HEAD}");
    let series = soak.run(|sample| println!("{sample}"))?;
    let growth = series.growth_percent()?;
    let said = format!(
        "From the first sample to the last: {growth:+.1} % (goal: at most +{} %), in {} s.",
        Soak::GROWTH_MAX_PERCENT,
        started.elapsed().as_secs()
    );
    println!("{said}");
    if let Some(out) = cli.out {
        let rows: Vec<String> = series.0.iter().map(ToString::to_string).collect();
        let text = format!(
            "# Memory under swaps\n\nWritten by `cargo xtask soak`: weights and model components of the running service swapped again and again, a \
             request after each.\n\n{HEAD}\n{}\n\n{said}\n",
            rows.join("\n")
        );
        std::fs::write(&out, text).with_context(|| format!("writing {}", out.display()))?;
    }
    series.check()
}

fn under_load(answers: usize) -> Result<()> {
    let outcome = UnderLoad {
        clients: 8,
        answers,
        longest: Duration::from_secs(3600),
    }
    .run()?;
    let ratio = outcome.p99_ratio();
    println!(
        "{outcome}: {ratio:.2} times (goal: at most {})",
        UnderLoad::P99_RATIO_MAX
    );
    ensure!(
        ratio <= UnderLoad::P99_RATIO_MAX,
        "answers took too long while there were swaps"
    );
    Ok(())
}
