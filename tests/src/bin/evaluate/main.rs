//! How well the running service segments real hearts: every volume of a set of ACDC is posted to it, and what comes back is compared
//! with the experts' labels on the volume's own grid. Nothing of the pipeline is called directly: what is measured is what is served.
//!
//! Dice is three-dimensional, over the union of both masks, one volume a phase. Volumes, ejection fractions and mass are the service's own
//! numbers for the two phases stacked as two frames. Intervals are percentile bootstraps over patients.

mod acdc;
mod summary;
mod sunnybrook;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
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
    /// Only the first so many patients.
    #[arg(long)]
    first: Option<usize>,
    /// Folder for the figures; `evaluate` in cargo's target folder if it is not given.
    #[arg(long)]
    out: Option<PathBuf>,
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
    group: String,
    ed: Scored,
    es: Scored,
    /// In the order of [`QUANTITIES`]: by the experts' masks, and the service's answer.
    quantities: [(f64, Option<f64>); QUANTITIES.len()],
}

/// A number of the metrics that is compared: its name, its unit, and where it stands in the answer.
type Quantity = (&'static str, &'static str, &'static str);

const QUANTITIES: [Quantity; 7] = [
    (
        "left ventricular EF",
        "points",
        "/left_ventricle/ef_percent",
    ),
    (
        "right ventricular EF",
        "points",
        "/right_ventricle/ef_percent",
    ),
    ("left ventricular EDV", "ml", "/left_ventricle/edv_ml"),
    ("left ventricular ESV", "ml", "/left_ventricle/esv_ml"),
    ("right ventricular EDV", "ml", "/right_ventricle/edv_ml"),
    ("right ventricular ESV", "ml", "/right_ventricle/esv_ml"),
    ("myocardial mass, ED", "g", "/myocardium/ed_mass_g"),
];

/// Myocardial density in g/ml, as the contract of the service states it.
const DENSITY_G_PER_ML: f64 = 1.05;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
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
    if arguments.set == "sunnybrook" {
        return sunnybrook::evaluate(&client);
    }
    let mut patients = acdc::patients(&arguments.set)?;
    if let Some(first) = arguments.first {
        patients.truncate(first);
    }
    let started = Instant::now();
    let mut cases = Vec::new();
    let mut model = Value::Null;
    for (done, patient) in patients.iter().enumerate() {
        eprintln!("{} of {}", done + 1, patients.len());
        cases.push(score(&client, patient, &mut model).with_context(|| patient.name.clone())?);
    }
    let folder = arguments.out.unwrap_or_else(|| target().join("evaluate"));
    report(
        &folder,
        &arguments.set,
        &model,
        &cases,
        started.elapsed().as_secs_f64(),
    )
}

impl Case {
    /// The mean over structures and phases.
    fn mean_dice(&self) -> f64 {
        let both = self.ed.agreement.iter().chain(&self.es.agreement);
        let dice: Vec<f64> = both.filter_map(|found| found.dice).collect();
        dice.iter().sum::<f64>() / dice.len() as f64
    }
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
    let ml = |mask: &Mask, label| voxels(mask, label) as f64 * mask.geometry.spacing.voxel_ml();
    let (lv, rv) = (Label::LeftVentricle, Label::RightVentricle);
    let ef = |label| {
        let (ed, es) = (ml(&ed_reference, label), ml(&es_reference, label));
        100.0 * (ed - es) / ed
    };
    let references = [
        ef(lv),
        ef(rv),
        ml(&ed_reference, lv),
        ml(&es_reference, lv),
        ml(&ed_reference, rv),
        ml(&es_reference, rv),
        DENSITY_G_PER_ML * ml(&ed_reference, Label::Myocardium),
    ];
    let mut quantities = references.map(|reference| (reference, None));
    for ((_, found), (_, _, path)) in quantities.iter_mut().zip(QUANTITIES) {
        *found = answer["metrics"].pointer(path).and_then(Value::as_f64);
    }
    Ok(Case {
        name: patient.name.clone(),
        group: patient.group.clone(),
        ed,
        es,
        quantities,
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

fn report(folder: &Path, set: &str, model: &Value, cases: &[Case], seconds: f64) -> Result<()> {
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
        "| structure | ED Dice | ES Dice | Hausdorff ED / ES, mm | HD95 ED / ES, mm |\n|---|---|---|---|---|"
    )?;
    let (mut dice, mut distances) = (serde_json::Map::new(), serde_json::Map::new());
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
        let hausdorff = [false, true].map(|es| Mean::of(&values(es, |found| found.hausdorff_mm)));
        let hd95 = [false, true].map(|es| Mean::of(&values(es, |found| found.hd95_mm)));
        writeln!(
            table,
            "| {} | {} | {} | {:.1} / {:.1} | {:.1} / {:.1} |",
            structure.name().replace('_', " "),
            ed.text(3),
            es.text(3),
            hausdorff[0].mean,
            hausdorff[1].mean,
            hd95[0].mean,
            hd95[1].mean,
        )?;
        dice.insert(
            structure.name().to_owned(),
            json!({"ed": ed.json(), "es": es.json()}),
        );
        distances.insert(
            structure.name().to_owned(),
            json!({"ed": hausdorff[0].json(), "es": hausdorff[1].json()}),
        );
        means.extend([ed.mean, es.mean]);
    }
    let dice_mean = means.iter().sum::<f64>() / means.len() as f64;
    writeln!(table, "\nMean Dice {dice_mean:.4}.\n")?;
    writeln!(
        table,
        "| quantity | bias | SD | r | patients |\n|---|---|---|---|---|"
    )?;
    let mut errors = Vec::new();
    for (index, (name, unit, _)) in QUANTITIES.into_iter().enumerate() {
        let pairs: Vec<(f64, f64)> = cases
            .iter()
            .filter_map(|case| {
                let &(reference, found) = case.quantities.get(index)?;
                Some((reference, found?))
            })
            .collect();
        let error = Errors::of(&pairs);
        writeln!(
            table,
            "| {name}, {unit} | {} | {} | {:.4} | {} |",
            error.bias.text(2),
            error.sd.text(2),
            error.r,
            pairs.len()
        )?;
        errors.push(json!({"quantity": name, "unit": unit, "bias": error.bias.json(), "sd": error.sd.json(), "r": error.r, "patients": pairs.len()}));
    }
    writeln!(table, "\n| group | mean Dice | patients |\n|---|---|---|")?;
    let groups: BTreeSet<&str> = cases.iter().map(|case| case.group.as_str()).collect();
    for group in groups {
        let members = cases.iter().filter(|case| case.group == group);
        let dice: Vec<f64> = members.map(Case::mean_dice).collect();
        writeln!(
            table,
            "| {group} | {} | {} |",
            Mean::of(&dice).text(3),
            dice.len()
        )?;
    }
    let details: Vec<Value> = cases.iter().map(case_json).collect();
    let whole = json!({
        "set": format!("acdc-{set}"),
        "patients": cases.len(),
        "model": model,
        "dice": dice,
        "dice_mean": dice_mean,
        "hausdorff_mm": distances,
        "errors": errors,
        "cases": details,
    });
    println!("{table}");
    std::fs::create_dir_all(folder)?;
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
                    json!({"dice": found.dice, "hausdorff_mm": found.hausdorff_mm, "hd95_mm": found.hd95_mm}),
                )
            })
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let quantities: Vec<Value> = QUANTITIES
        .iter()
        .zip(case.quantities)
        .map(|((name, unit, _), (reference, found))| json!({"quantity": name, "unit": unit, "reference": reference, "found": found}))
        .collect();
    json!({"case": case.name, "group": case.group, "ed": phase(&case.ed), "es": phase(&case.es), "quantities": quantities})
}
