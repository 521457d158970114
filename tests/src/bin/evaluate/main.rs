//! How well the running service segments real hearts: every volume of a set of ACDC is posted to it, and what comes back is compared
//! with the experts' labels on the volume's own grid. Nothing of the pipeline is called directly: what is measured is what is served.
//!
//! Dice is three-dimensional, over the union of both masks, one volume a phase. Volumes, ejection fractions and mass are the service's own
//! numbers for the two phases stacked as two frames. Intervals are percentile bootstraps over patients.

mod acdc;
mod cases;
mod costs;
mod degrade;
mod goals;
mod pictures;
mod plots;
mod random;
mod report;
mod robustness;
mod service;
mod summary;
mod sunnybrook;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use cinecor_tests::client::Client;
use cinecor_tests::host::{Host, Options, target};
use cinecor_tests::volumes;
use clap::Parser;
use report::Run;
use service::Service;

/// Posts a set of ACDC to the service and compares the answers with the experts' labels.
#[derive(Parser)]
#[command(name = "cargo xtask evaluate", bin_name = "cargo xtask evaluate")]
struct Arguments {
    /// Which patients: `val` is for choices, `dev_test` is reported on and never tuned on, `sunnybrook` is another scanner.
    #[arg(long, default_value = "val", value_parser = ["val", "dev_test", "train", "sunnybrook"])]
    set: String,
    /// Engine that the started service uses.
    #[arg(long, default_value = "auto", value_parser = ["auto", "tract", "onnxruntime", "openvino"], conflicts_with = "url")]
    engine: String,
    /// A service that runs already, instead of one that is started.
    #[arg(long)]
    url: Option<String>,
    /// API key for that service.
    #[arg(long, env = "CINECOR_API_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Package that is asked, `name` or `name@version`; the active one if it is not given.
    #[arg(long)]
    model: Option<String>,
    /// Only the first so many patients.
    #[arg(long)]
    first: Option<usize>,
    /// Folder for the figures; `evaluate` in cargo's target folder if it is not given.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Folder for the whole report: tables, plots, goals, pictures of patients.
    #[arg(long, value_name = "FOLDER")]
    report: Option<PathBuf>,
    /// The report shows no pictures of patients.
    #[arg(long, requires = "report")]
    without_pictures: bool,
    /// Degrade the volumes in every way of a fixed list before they are posted, and write what came of it into the report's folder.
    #[arg(long)]
    robustness: bool,
    /// Nothing is posted: draw what packages cost against their accuracy, out of the results.json of their reports, into the report's folder.
    #[arg(long, value_name = "RESULTS", num_args = 1.., conflicts_with_all = ["robustness", "url"])]
    cost_plot: Vec<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let plain = arguments
        .out
        .clone()
        .unwrap_or_else(|| target().join("evaluate"));
    let folder = arguments.report.clone().unwrap_or_else(|| plain.clone());
    if !arguments.cost_plot.is_empty() {
        return costs::write(&arguments.cost_plot, &folder);
    }
    let mut service = service(&arguments)?;
    if arguments.set == "sunnybrook" {
        print!(
            "{}",
            sunnybrook::table(&sunnybrook::evaluate(&mut service)?)?
        );
        return Ok(());
    }
    let mut patients = acdc::patients(&arguments.set)?;
    if let Some(first) = arguments.first {
        patients.truncate(first);
    }
    if arguments.robustness {
        return robustness::evaluate(&mut service, &arguments.set, &patients, &folder);
    }
    // Loading and compiling the graph is no part of what a slice costs.
    if let Some(patient) = patients.first() {
        service.mask(&patient.ed.image)?;
    }
    service.start_counting();
    let started = Instant::now();
    let mut cases = Vec::new();
    for (done, patient) in patients.iter().enumerate() {
        eprintln!("{} of {}", done + 1, patients.len());
        cases.push(cases::score(&mut service, patient).with_context(|| patient.name.clone())?);
    }
    let seconds = started.elapsed().as_secs_f64();
    let cpu_ms_per_slice = service.cpu_ms_per_slice();
    let cines = if arguments.report.is_some() {
        sunnybrook::evaluate(&mut service)?
    } else {
        Vec::new()
    };
    let (model, card) = (service.model().clone(), service.card()?);
    let run = Run {
        set: &arguments.set,
        model: &model,
        cases: &cases,
        cines: &cines,
        card: &card,
        cpu_ms_per_slice,
        seconds,
    };
    let table = run.tables()?;
    println!("{table}");
    std::fs::create_dir_all(&plain)?;
    let figures = serde_json::to_string_pretty(&run.json()?)?;
    std::fs::write(plain.join(format!("{}.json", arguments.set)), figures)?;
    std::fs::write(plain.join(format!("{}.md", arguments.set)), &table)?;
    println!(
        "written to {0}/{1}.json and {0}/{1}.md",
        plain.display(),
        arguments.set
    );
    if let Some(folder) = &arguments.report {
        let pictures = match arguments.without_pictures {
            true => Vec::new(),
            false => pictures::of(&service, &patients, &cases)?,
        };
        run.write(folder, &pictures)?;
        println!("report in {}", folder.display());
    }
    Ok(())
}

/// The service that was named, or one that is started.
fn service(arguments: &Arguments) -> Result<Service> {
    let host = match arguments.url {
        Some(_) => None,
        None => Some(start(&arguments.engine)?),
    };
    let url = arguments
        .url
        .as_deref()
        .or_else(|| host.as_ref().map(Host::url))
        .context("no address")?;
    let mut client = Client::at(url);
    if let Some(key) = &arguments.key {
        client = client.with_header("authorization", &format!("Bearer {key}"));
    }
    Ok(Service::new(client, host, arguments.model.as_deref()))
}

fn start(engine: &str) -> Result<Host> {
    let options = match engine {
        "auto" => Options::new(),
        name => volumes::engine(name).with_context(|| format!("{name} is not there"))?,
    };
    options.start()
}
