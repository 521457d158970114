//! Measures a graph on the engines that are there: milliseconds an item, by batch and by requests at once.
//!
//!     cargo run --release -p cinecor-nn --example measure -- <model.onnx> <rows> <columns> [engine]
//!
//! The graph takes one fp32 input `[n, 1, rows, columns]`. Compare figures of one run only: what else the machine does is in them.

use anyhow::{Context, Result};
use cinecor_nn::{Config, Encoding, EngineChoice, Nn, Tensor, TensorType};
use std::time::Instant;

/// Items that each figure is made of, at least.
const ITEMS: u32 = 40;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, rows, columns, ..] = arguments.as_slice() else {
        anyhow::bail!("usage: measure <model.onnx> <rows> <columns> [engine]");
    };
    let model = std::fs::read(model).with_context(|| format!("the graph {model}"))?;
    let (rows, columns): (u32, u32) = (rows.parse()?, columns.parse()?);
    for engine in EngineChoice::ORDER {
        if arguments.get(3).is_some_and(|only| only != engine.name()) {
            continue;
        }
        let nn = match tokio::task::spawn_blocking(move || {
            Nn::new(Config {
                engine,
                ..Config::default()
            })
        })
        .await?
        {
            Ok(nn) => nn,
            Err(error) => {
                println!("{error}");
                continue;
            }
        };
        let started = Instant::now();
        let graph = nn.load(vec![model.clone()], Encoding::Onnx, "cpu").await?;
        println!(
            "{} loaded in {:.0} ms",
            engine.name(),
            started.elapsed().as_secs_f64() * 1e3
        );
        let input = &graph
            .signature()
            .inputs
            .first()
            .context("the graph has no input")?
            .name
            .clone();
        for batch in [1, 2, 4, 8, 10, 20] {
            let tensor = noise(batch, rows, columns)?;
            // The first compute of a shape makes plans and takes memory.
            nn.compute(&graph, vec![(input.clone(), tensor.clone())])
                .await?;
            for at_once in [1, 8] {
                let runs = ITEMS.div_ceil(batch * at_once).max(2);
                let started = Instant::now();
                let mut requests = tokio::task::JoinSet::new();
                for _ in 0..at_once {
                    let (nn, graph, input, tensor) =
                        (nn.clone(), graph.clone(), input.clone(), tensor.clone());
                    requests.spawn(async move {
                        for _ in 0..runs {
                            nn.compute(&graph, vec![(input.clone(), tensor.clone())])
                                .await?;
                        }
                        anyhow::Ok(())
                    });
                }
                for outcome in requests.join_all().await {
                    outcome?;
                }
                let items = f64::from(batch * at_once * runs);
                println!(
                    "{:12} batch {batch:2}, {at_once} at once: {:7.2} ms an item, peak memory {} MB",
                    engine.name(),
                    started.elapsed().as_secs_f64() * 1e3 / items,
                    peak_memory_mb().unwrap_or_default(),
                );
            }
        }
    }
    Ok(())
}

/// Numbers that look like noise, the same in every run.
fn noise(batch: u32, rows: u32, columns: u32) -> Result<Tensor> {
    let mut state = 1_u32;
    let mut bytes = Vec::new();
    for _ in 0..u64::from(batch) * u64::from(rows) * u64::from(columns) {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let unit = f64::from(state) / f64::from(u32::MAX) * 2.0 - 1.0;
        #[allow(
            clippy::cast_possible_truncation,
            reason = "noise loses nothing by rounding"
        )]
        bytes.extend((unit as f32).to_le_bytes());
    }
    Ok(Tensor::new(
        vec![batch, 1, rows, columns],
        TensorType::Fp32,
        bytes,
    )?)
}

/// The most memory that this process has held, where the system tells (Linux).
fn peak_memory_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(
        line.trim()
            .trim_end_matches("kB")
            .trim()
            .parse::<u64>()
            .ok()?
            / 1024,
    )
}
