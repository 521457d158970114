//! The service against the bare engine: ONNX Runtime in Python with nothing around it.

use std::process::Command;

use anyhow::{Context, Result};
use cinecor_tests::client::Client;
use cinecor_tests::host::{Options, forget_peak_memory, peak_memory_bytes, root};
use cinecor_tests::volumes;
use serde_json::Value;

use crate::report::{Goal, Part, Row, median};
use crate::service::{Asked, Shot, Turns, number, one_shot, package, python, ready, text};

/// Starts of the host.
const STARTS: usize = 5;
const STAGES: [&str; 5] = ["decode", "preprocess", "inference", "postprocess", "total"];

/// How often the engine is asked for whole slices.
const OVER_WHOLE: usize = 3;

/// Whole requests, and the memory of the longest.
pub(crate) fn against_the_bare_engine(options: &Options) -> Result<Part> {
    let (host, _) = ready(options)?;
    let client = Client::new(&host);
    let first = one_shot(&client, &volumes::phantom(11, 1)?)?;
    let (mut engine, note) = bare_engine(&first)?;
    let folder = tempfile::tempdir()?;
    let mut rows = Vec::new();
    let mut notes = vec![note];
    let shapes = [
        (
            "20 slices of 256 × 256, one shot",
            [20, 1],
            Turns::SHORT,
            Goal::None,
        ),
        (
            "end-diastole and end-systole, 11 slices each",
            [11, 2],
            Turns::SHORT,
            Goal::AtMost(1.25),
        ),
        (
            "cine of 12 slices × 30 frames",
            [12, 30],
            Turns::LONG,
            Goal::AtMost(1.10),
        ),
    ];
    for (what, [slices, frames], turns, goal) in shapes {
        let volume = volumes::phantom(slices, frames)?;
        let file = folder.path().join(format!("{slices}x{frames}.nii.gz"));
        std::fs::write(&file, &volume)?;
        let line = file.display().to_string();
        let whole = format!("{line} whole");
        engine.ask(&line)?;
        engine.ask(&whole)?;
        one_shot(&client, &volume)?;
        forget_peak_memory(host.pid())?;
        let (mut ours, mut theirs, mut over_whole) = (Vec::new(), Vec::new(), Vec::new());
        let mut stages: [Vec<f64>; 5] = Default::default();
        turns.each(|| {
            // Said beside the rows alone: in every turn it would part the two sides by its own length.
            if over_whole.len() < OVER_WHOLE {
                over_whole.push(engine.ask(&whole)?);
            }
            theirs.push(engine.ask(&line)?);
            let shot = one_shot(&client, &volume)?;
            ours.push(shot.ms);
            for (stage, times) in STAGES.iter().zip(&mut stages) {
                times.push(shot.stage(stage)?);
            }
            Ok(())
        })?;
        let told: Vec<String> = STAGES
            .iter()
            .zip(&stages)
            .map(|(stage, times)| format!("{stage} {:.0}", median(times)))
            .collect();
        let memory = peak_memory_bytes(host.pid())? as f64 / f64::from(1 << 20);
        notes.push(format!(
            "{what}: where the service's time went, medians in ms: {}; peak memory of the host (VmHWM) {memory:.0} MiB. Over whole slices the bare engine takes {:.0} ms.",
            told.join(", "),
            median(&over_whole)
        ));
        rows.push(Row {
            what: what.to_owned(),
            unit: "ms",
            ours,
            theirs,
            goal,
        });
    }
    Ok(Part {
        sides: ["service", "bare engine"],
        rows,
        notes,
    })
}

/// The bare engine with the graph that answered, and what it is in a sentence.
pub(crate) fn bare_engine(answered: &Shot) -> Result<(Asked, String)> {
    let model = answered.model()?;
    let folder = package(model)?;
    let card: Value = serde_json::from_slice(&std::fs::read(folder.join("model.json"))?)?;
    let engine = Asked::start(
        Command::new(python("CINECOR_PYTHON")?)
            .arg(root().join("tests/bench/bare_engine.py"))
            .arg(&folder),
    )?;
    let note = format!(
        "The bare engine is the graph of {} {} in Python on ONNX Runtime, on every core, with the tensors that the service computes, in batches of up to 10: {}.",
        text(&model["name"]),
        text(&model["version"]),
        if card["preprocessing"]["region"].is_object() {
            "whole slices where the service looks at them whole, and what lies about the heart where it looks at that alone"
        } else {
            "whole slices"
        }
    );
    Ok((engine, note))
}

/// Every precision that the package has and that can run here, turn by turn: the inference time that the answers tell.
pub(crate) fn precisions(options: &Options) -> Result<Part> {
    let (host, _) = ready(options)?;
    let client = Client::new(&host);
    let volume = volumes::phantom(20, 1)?;
    let found = runnable(&client, one_shot(&client, &volume)?.model()?)?;
    let mut times = vec![Vec::new(); found.len()];
    let ask = |precision: &str| -> Result<f64> {
        let path = format!("/api/v1/segment?precision={precision}");
        let answer = client.post_as(&path, &volume, "application/json")?;
        let answer = answer.expect(200)?.json()?;
        number(&answer["segmentation"]["timings_ms"]["inference"])
    };
    for (precision, _) in &found {
        // Loads the graph.
        ask(precision)?;
    }
    Turns::SHORT.each(|| {
        for ((precision, _), times) in found.iter().zip(&mut times) {
            times.push(ask(precision)?);
        }
        Ok(())
    })?;
    let whole = times.first().context("no precision")?;
    let rows = found
        .iter()
        .zip(&times)
        .skip(1)
        .map(|((precision, engine), times)| Row {
            what: format!("20 slices, inference, fp32 against {precision} on {engine}"),
            unit: "ms",
            ours: whole.clone(),
            theirs: times.clone(),
            goal: Goal::AtLeast(1.5),
        })
        .collect();
    let note = "The ratio is how many times faster the other precision is; what it costs in Dice stands in the package's card.";
    Ok(Part {
        sides: ["fp32", "other precision"],
        rows,
        notes: vec![note.to_owned()],
    })
}

/// The precisions of a model that run here, and on which engine; fp32 first.
pub(crate) fn runnable(client: &Client, model: &Value) -> Result<Vec<(String, String)>> {
    let address = format!(
        "/api/v1/models/{}/versions/{}",
        text(&model["name"]),
        text(&model["version"])
    );
    let version = client.get(&address)?.expect(200)?.json()?;
    let variants = version["variants"].as_array().context("no variants")?;
    let own = |value: &Value| text(value).to_owned();
    let mut found: Vec<_> = variants
        .iter()
        .filter(|variant| variant["runs"] == true)
        .map(|variant| (own(&variant["precision"]), own(&variant["engine"])))
        .collect();
    found.sort_by_key(|(precision, _)| precision != "fp32");
    Ok(found)
}

/// From the start of the process to the first answer that it is ready.
pub(crate) fn start(options: &Options) -> Result<Part> {
    // Fills the cache of compiled code.
    drop(ready(options)?);
    let mut seconds = Vec::new();
    for _ in 0..STARTS {
        seconds.push(ready(options)?.1 / 1000.0);
    }
    let rows = vec![Row {
        what: "start to ready, compiled code cached".to_owned(),
        unit: "s",
        theirs: vec![1.0; seconds.len()],
        ours: seconds,
        goal: Goal::AtMost(1.5),
    }];
    Ok(Part {
        sides: ["service", "one second"],
        rows,
        notes: Vec::new(),
    })
}

/// Long against short: time per slice, and peak memory.
pub(crate) fn long_against_short(options: &Options) -> Result<Part> {
    let (host, _) = ready(options)?;
    let client = Client::new(&host);
    let (long, short) = (volumes::phantom(20, 30)?, volumes::phantom(20, 1)?);
    one_shot(&client, &short)?;
    let mib = || -> Result<f64> { Ok(peak_memory_bytes(host.pid())? as f64 / f64::from(1 << 20)) };
    // The peak of short requests alone, before the long ones.
    forget_peak_memory(host.pid())?;
    Turns::SHORT.each(|| one_shot(&client, &short).map(drop))?;
    let short_mib = mib()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    Turns {
        least: 3,
        ..Turns::LONG
    }
    .each(|| {
        // As much work on both sides of a turn, half of the short before the long and half after it, so that a machine that gets busier moves both.
        let several = || -> Result<f64> {
            let mut ms = 0.0;
            for _ in 0..8 {
                ms += one_shot(&client, &short)?.ms / 160.0;
            }
            Ok(ms)
        };
        let before = several()?;
        ours.push(one_shot(&client, &long)?.ms / 600.0);
        theirs.push(f64::midpoint(before, several()?));
        Ok(())
    })?;
    let rows = vec![
        Row {
            what: "time per slice".to_owned(),
            unit: "ms",
            ours,
            theirs,
            goal: Goal::AtMost(1.05),
        },
        Row {
            what: "peak memory of the host (VmHWM)".to_owned(),
            unit: "MiB",
            ours: vec![mib()?],
            theirs: vec![short_mib],
            goal: Goal::AtMost(1.5),
        },
    ];
    Ok(Part {
        sides: ["600 slices", "20 slices"],
        rows,
        notes: Vec::new(),
    })
}
