//! Two cines of another scanner, never trained on: the left ventricle of the whole beat against experts' contours of two frames.
//!
//! Radau et al., MIDAS Journal 2009. The contours hold the left ventricle at both phases, its wall at one phase of one patient, and no right
//! ventricle. Volumes by polygon, which the voxels of the labels only approximate, stand in [`CASES`].

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use cinecor_formats::{Limits, decode_mask};
use cinecor_measures::compare;
use cinecor_tests::client::Client;
use ndarray::Axis;
use std::path::Path;

/// A cine, its labelled frames counted from 1, and the ejection fraction in percent by the area of the experts' polygons.
const CASES: [(&str, usize, usize, f64); 2] =
    [("SCD0000201", 20, 7, 25.5), ("SCD0000501", 19, 9, 25.8)];

/// Posts both cines and prints what came of them.
pub(crate) fn evaluate(client: &Client) -> Result<()> {
    let data = std::env::var_os("CINECOR_DATA")
        .context("CINECOR_DATA is not set: it names the folder with sunnybrook-cine")?;
    let folder = Path::new(&data).join("sunnybrook-cine");
    let read =
        |name: String| std::fs::read(folder.join(&name)).with_context(|| format!("reading {name}"));
    println!(
        "| cine | LV Dice ED | LV Dice ES | myocardium Dice ED | ED / ES found (experts') | EF, % (experts') |\n|---|---|---|---|---|---|"
    );
    for (name, ed, es, expected_ef) in CASES {
        let answer = client
            .post("/api/v1/segment", &read(format!("{name}_4d.nii.gz"))?)?
            .expect(200)?
            .json()?;
        let text = answer["mask"]["data"].as_str().context("no mask")?;
        let file = base64::engine::general_purpose::STANDARD.decode(text)?;
        let mask = decode_mask(&file, Limits::for_masks())?.1;
        let agreement = |phase: &str, frame: usize| -> Result<_> {
            let labels = read(format!("{name}_{phase}_frame{frame:02}_gt.nii.gz"))?;
            let labels = decode_mask(&labels, Limits::for_masks())?.1.labels;
            ensure!(
                frame <= mask.labels.len_of(Axis(0)),
                "{name} has no frame {frame}"
            );
            let found = mask.labels.slice_axis(Axis(0), (frame - 1..frame).into());
            Ok(compare(labels.view(), found, &mask.geometry.spacing)?)
        };
        let (at_ed, at_es) = (agreement("ed", ed)?, agreement("es", es)?);
        let dice = |found: Option<f64>| found.map_or("–".to_owned(), |dice| format!("{dice:.3}"));
        let phases = &answer["metrics"]["phases"];
        let frame = |name: &str| phases[name].as_u64().map_or(0, |frame| frame + 1);
        let ef = answer["metrics"]["left_ventricle"]["ef_percent"]
            .as_f64()
            .context("no ejection fraction")?;
        // Only this cine's outer contours can be used: those of the other are shifted.
        let wall = (name == "SCD0000201")
            .then_some(at_ed.myocardium.dice)
            .flatten();
        println!(
            "| {name} | {} | {} | {} | {} / {} ({ed} / {es}) | {ef:.1} ({expected_ef}) |",
            dice(at_ed.left_ventricle.dice),
            dice(at_es.left_ventricle.dice),
            dice(wall),
            frame("ed_frame"),
            frame("es_frame"),
        );
    }
    Ok(())
}
