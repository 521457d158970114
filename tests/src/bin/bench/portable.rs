//! The engine in WebAssembly against the same engine native: tract under nn-local, as on stock Spin, and tract in the host.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cinecor_tests::client::Client;
use cinecor_tests::host::{Host, Options};
use cinecor_tests::volumes;

use crate::report::{Goal, Part, Row};
use crate::service::{Turns, one_shot, ready, text};

/// The small package, which stock Spin's form is for.
const MODEL: &str = "cinecor-unet-lite";
/// Slices of a request.
const SLICES: usize = 11;
/// Ticks of a second in /proc; Linux has had this number on every processor it runs on here.
const TICKS: f64 = 100.0;

pub(crate) fn in_webassembly(options: &Options) -> Result<Part> {
    let lite = options.clone().variable("default_model", MODEL);
    let (local, _) = ready(&lite.clone().argument("--profile=base"))?;
    let native = lite
        .setting("nn", "engine", "tract")
        .setting("nn", "threads", 1);
    let (native, _) = ready(&native)?;
    let hosts = [local, native];
    let clients = [Client::new(&hosts[0]), Client::new(&hosts[1])];
    let volume = volumes::phantom(SLICES, 1)?;
    for client in &clients {
        let model = one_shot(client, &volume)?;
        let engine = text(&model.answer["segmentation"]["model"]["engine"]).to_owned();
        ensure!(engine == "tract", "{engine} answered");
    }
    let (mut whole, mut inference) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    Turns {
        wanted: 8,
        least: 4,
        longest: Duration::from_secs(60),
    }
    .each(|| {
        for side in 0..2 {
            let before = cpu_ms(&hosts[side])?;
            let shot = one_shot(&clients[side], &volume)?;
            whole[side].push(cpu_ms(&hosts[side])? - before);
            inference[side].push(shot.stage("inference")?);
        }
        Ok(())
    })?;
    let row = |what: &str, [ours, theirs]: [Vec<f64>; 2], goal| Row {
        what: format!("{SLICES} slices, {what}"),
        unit: "ms",
        ours,
        theirs,
        goal,
    };
    Ok(Part {
        sides: ["nn-local", "tract native"],
        rows: vec![
            row(
                "processor time of the whole request",
                whole,
                Goal::AtMost(3.0),
            ),
            row("time of inference by the clock", inference, Goal::None),
        ],
        notes: vec![format!(
            "{MODEL}, one thread each; both through the same service, whose other work is the same on both sides and is in the first row. In the base form \
             every request has an instance of its own, which makes the graph ready anew: that is in it as well."
        )],
    })
}

/// Processor time that a host has taken since its start, in ms.
fn cpu_ms(host: &Host) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", host.pid()))?;
    // The name of the program may hold blanks; user and system time are the 12th and 13th field after it.
    let (_, fields) = stat
        .rsplit_once(')')
        .context("a /proc/…/stat without a name")?;
    let ticks: f64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    Ok(ticks / TICKS * 1000.0)
}
