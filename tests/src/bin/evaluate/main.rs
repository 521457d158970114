//! How well the running service segments real hearts: every volume of a set of ACDC is posted to it, and what comes back is compared
//! with the experts' labels on the volume's own grid. Nothing of the pipeline is called directly: what is measured is what is served.
//!
//! Dice is three-dimensional, over the union of both masks, one volume a phase. The ejection fraction is the service's own number
//! for the two phases stacked as two frames. Intervals are percentile bootstraps over patients.

mod acdc;
mod summary;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use cinecor_formats::{Limits, decode_mask};
use cinecor_measures::{StructureAgreement, compare};
use cinecor_tests::client::Client;
use cinecor_tests::host::{Host, Options, target};
use cinecor_tests::volumes;
use cinecor_volume::{Label, Mask};
use clap::Parser;
use serde_json::{Value, json};
use summary::{Errors, Mean};

/// Posts a set of ACDC to the service and compares the answers with the experts' labels.
#[derive(Parser)]
#[command(name = "cargo xtask evaluate", bin_name = "cargo xtask evaluate")]
struct Arguments {
    /// Which patients: `val` is for choices, `dev_test` is reported on and never tuned on.
    #[arg(long, default_value = "val", value_parser = ["val", "dev_test", "train"])]
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
    /// Only the first so many patients.
    #[arg(long)]
    first: Option<usize>,
}

/// The structures, in the order of the tables.
const STRUCTURES: [Label; 3] = [
    Label::LeftVentricle,
    Label::Myocardium,
    Label::RightVentricle,
];

/// One phase of one patient: what the service drew against what the expert drew.
struct Scored {
    agreement: [StructureAgreement; 3],
}

/// One patient.
struct Case {
    name: String,
    ed: Scored,
    es: Scored,
    /// Ejection fractions of the left and the right ventricle in percent: the experts' masks, and the service's answer.
    ef_percent: [(f64, Option<f64>); 2],
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut patients = acdc::patients(&arguments.set)?;
    if let Some(first) = arguments.first {
        patients.truncate(first);
    }
    let host = match arguments.url {
        Some(_) => None,
        None => Some(start(&arguments.engine)?),
    };
    let url = arguments
        .url
        .clone()
        .or_else(|| host.as_ref().map(|host| host.url().to_owned()));
    let mut client = Client::at(&url.context("an address")?);
    if let Some(key) = &arguments.key {
        client = client.with_header("authorization", &format!("Bearer {key}"));
    }
    let started = Instant::now();
    let mut cases = Vec::new();
    let mut model = Value::Null;
    for (done, patient) in patients.iter().enumerate() {
        eprintln!("{} of {}", done + 1, patients.len());
        cases.push(score(&client, patient, &mut model).with_context(|| patient.name.clone())?);
    }
    report(
        &arguments.set,
        &model,
        &cases,
        started.elapsed().as_secs_f64(),
    )
}

fn start(engine: &str) -> Result<Host> {
    let options = match engine {
        "auto" => Options::new(),
        name => volumes::engine(name).with_context(|| format!("{name} is not there"))?,
    };
    options.start()
}

fn score(client: &Client, patient: &acdc::Patient, model: &mut Value) -> Result<Case> {
    let (ed, ed_reference) = score_phase(client, &patient.ed)?;
    let (es, es_reference) = score_phase(client, &patient.es)?;
    let answer = client
        .post(
            "/api/v1/segment",
            &acdc::stack(&patient.ed.image, &patient.es.image)?,
        )?
        .expect(200)?
        .json()?;
    let found = &answer["segmentation"]["model"];
    if model.is_null() {
        *model = found.clone();
    } else if model != found {
        bail!("the model changed while the set was evaluated: first {model}, then {found}");
    }
    let metrics = &answer["metrics"];
    let reference = |label| ef_percent(voxels(&ed_reference, label), voxels(&es_reference, label));
    Ok(Case {
        name: patient.name.clone(),
        ed,
        es,
        ef_percent: [
            (
                reference(Label::LeftVentricle),
                metrics["left_ventricle"]["ef_percent"].as_f64(),
            ),
            (
                reference(Label::RightVentricle),
                metrics["right_ventricle"]["ef_percent"].as_f64(),
            ),
        ],
    })
}

fn score_phase(client: &Client, phase: &acdc::Phase) -> Result<(Scored, Mask)> {
    let (reference_header, reference) =
        decode_mask(&phase.labels, Limits::for_masks()).context("the experts' labels")?;
    let answer = client
        .post_as("/api/v1/segment", &phase.image, "application/x-nifti")?
        .expect(200)?;
    let (header, mask) =
        decode_mask(&answer.body, Limits::for_masks()).context("the service's mask")?;
    let (found, expected) = (header.geometry.spacing, reference_header.geometry.spacing);
    if mask.shape() != reference.shape() || found != expected {
        bail!(
            "the mask is not on the volume's own grid: found {:?} of {found:?}, expected {:?} of {expected:?}",
            mask.shape(),
            reference.shape()
        );
    }
    let agreement = compare(reference.labels.view(), mask.labels.view(), &expected)?;
    let agreement = [
        agreement.left_ventricle,
        agreement.myocardium,
        agreement.right_ventricle,
    ];
    Ok((Scored { agreement }, reference))
}

fn voxels(mask: &Mask, label: Label) -> usize {
    mask.labels
        .iter()
        .filter(|&&code| code == label.code())
        .count()
}

/// From voxel counts, since both phases lie on one grid.
fn ef_percent(ed: usize, es: usize) -> f64 {
    100.0 * (ed as f64 - es as f64) / ed as f64
}

fn report(set: &str, model: &Value, cases: &[Case], seconds: f64) -> Result<()> {
    let mut table = String::new();
    writeln!(table, "# acdc-{set}: {} patients\n", cases.len())?;
    let text = |key: &str| model[key].as_str().unwrap_or("?").to_owned();
    writeln!(
        table,
        "{} {} ({}) on {} {}, {}; {seconds:.0} s. Dice in three dimensions on the volume's own grid, mean and bootstrap 95 % interval.\n",
        text("name"),
        text("version"),
        text("digest").chars().take(12).collect::<String>(),
        text("engine"),
        text("device"),
        text("precision")
    )?;
    writeln!(
        table,
        "| structure | ED Dice | ES Dice | ED HD95, mm | ES HD95, mm |\n|---|---|---|---|---|"
    )?;
    let mut dice = serde_json::Map::new();
    let mut means = Vec::new();
    for (index, structure) in STRUCTURES.iter().enumerate() {
        let values = |es: bool, of: fn(&StructureAgreement) -> Option<f64>| -> Vec<f64> {
            let phases = cases
                .iter()
                .map(|case| if es { &case.es } else { &case.ed });
            phases
                .filter_map(|scored| scored.agreement.get(index).and_then(of))
                .collect()
        };
        let [ed, es] = [false, true].map(|es| Mean::of(&values(es, |found| found.dice)));
        let [ed_mm, es_mm] = [false, true].map(|es| Mean::of(&values(es, |found| found.hd95_mm)));
        writeln!(
            table,
            "| {} | {} | {} | {ed_mm:.1} | {es_mm:.1} |",
            structure.name().replace('_', " "),
            ed.text(3),
            es.text(3),
            ed_mm = ed_mm.mean,
            es_mm = es_mm.mean
        )?;
        dice.insert(
            structure.name().to_owned(),
            json!({"ed": ed.json(), "es": es.json()}),
        );
        means.extend([ed.mean, es.mean]);
    }
    let dice_mean = means.iter().sum::<f64>() / means.len() as f64;
    writeln!(table, "\nMean Dice {dice_mean:.4}.\n")?;
    writeln!(
        table,
        "| ejection fraction, points | bias | SD | r | patients |\n|---|---|---|---|---|"
    )?;
    let mut errors = serde_json::Map::new();
    for (index, name) in ["left_ventricle", "right_ventricle"]
        .into_iter()
        .enumerate()
    {
        let pairs: Vec<(f64, f64)> = cases
            .iter()
            .filter_map(|case| {
                case.ef_percent
                    .get(index)
                    .and_then(|&(reference, found)| Some((reference, found?)))
            })
            .collect();
        let error = Errors::of(&pairs);
        writeln!(
            table,
            "| {} | {} | {} | {:.4} | {} |",
            name.replace('_', " "),
            error.bias.text(2),
            error.sd.text(2),
            error.r,
            pairs.len()
        )?;
        errors.insert(name.to_owned(), json!({"bias": error.bias.json(), "sd": error.sd.json(), "r": error.r, "patients": pairs.len()}));
    }
    let details: Vec<Value> = cases.iter().map(case_json).collect();
    let whole = json!({
        "set": format!("acdc-{set}"),
        "patients": cases.len(),
        "model": model,
        "dice": dice,
        "dice_mean": dice_mean,
        "ef_error_points": errors,
        "cases": details,
    });
    println!("{table}");
    let folder: PathBuf = target().join("evaluate");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(
        folder.join(format!("{set}.json")),
        serde_json::to_string_pretty(&whole)?,
    )?;
    std::fs::write(folder.join(format!("{set}.md")), &table)?;
    println!(
        "written to {0}/{set}.json and {0}/{set}.md",
        folder.display()
    );
    Ok(())
}

fn case_json(case: &Case) -> Value {
    let phase = |scored: &Scored| -> Value {
        let pairs = STRUCTURES.iter().zip(&scored.agreement);
        pairs
            .map(|(structure, found)| {
                (
                    structure.name().to_owned(),
                    json!({"dice": found.dice, "hd95_mm": found.hd95_mm}),
                )
            })
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let [left, right] = case
        .ef_percent
        .map(|(reference, found)| json!({"reference": reference, "found": found}));
    json!({"case": case.name, "ed": phase(&case.ed), "es": phase(&case.es), "ef_percent": {"left_ventricle": left, "right_ventricle": right}})
}
