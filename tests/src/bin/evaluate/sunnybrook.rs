//! Two cines of another scanner, never trained on: the left ventricle of the whole beat against experts' contours of two frames.
//!
//! Radau et al., MIDAS Journal 2009. The contours hold the left ventricle at both phases, its wall at one phase of one patient, and no right
//! ventricle. Volumes by polygon, which the voxels of the labels only approximate, stand in [`CINES`].

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use cinecor_formats::{Limits, decode_mask};
use cinecor_measures::compare;
use cinecor_volume::Mask;
use ndarray::Axis;
use serde_json::{Value, json};

use crate::service::{Service, mask_of};

/// A cine of the set.
pub(crate) struct Cine {
    /// The set's name for it.
    pub(crate) name: &'static str,
    /// The labelled frames, counted from 1: end-diastole and end-systole.
    pub(crate) frames: [usize; 2],
    /// Ejection fraction in percent by the area of the experts' polygons.
    pub(crate) ef_percent: f64,
    /// Whether its outer contours can be used at end-diastole; those of the other cine are shifted.
    pub(crate) has_wall: bool,
}

/// Both.
pub(crate) const CINES: [Cine; 2] = [
    Cine {
        name: "SCD0000201",
        frames: [20, 7],
        ef_percent: 25.5,
        has_wall: true,
    },
    Cine {
        name: "SCD0000501",
        frames: [19, 9],
        ef_percent: 25.8,
        has_wall: false,
    },
];

impl Cine {
    /// The cine, gzipped NIfTI.
    pub(crate) fn volume(&self) -> Result<Vec<u8>> {
        read(&format!("{}_4d.nii.gz", self.name))
    }

    /// The experts' labels of end-diastole (0) or end-systole (1), one frame.
    pub(crate) fn labels(&self, phase: usize) -> Result<Mask> {
        let [ed, es] = self.frames;
        let name = match phase {
            0 => format!("{}_ed_frame{ed:02}_gt.nii.gz", self.name),
            _ => format!("{}_es_frame{es:02}_gt.nii.gz", self.name),
        };
        Ok(decode_mask(&read(&name)?, Limits::for_masks())
            .context("the experts' labels")?
            .1)
    }
}

fn read(name: &str) -> Result<Vec<u8>> {
    let data = std::env::var_os("CINECOR_DATA")
        .context("CINECOR_DATA is not set: it names the folder with sunnybrook-cine")?;
    let path = Path::new(&data).join("sunnybrook-cine").join(name);
    std::fs::read(&path).with_context(|| format!("reading {name}"))
}

/// What came of one cine.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The set's name for it.
    pub(crate) name: &'static str,
    /// Dice of the left ventricle at end-diastole and end-systole.
    pub(crate) left_ventricle: [Option<f64>; 2],
    /// Dice of the wall at end-diastole.
    pub(crate) myocardium: Option<f64>,
    /// Frames found, from 1.
    frames: [u64; 2],
    /// The experts'.
    expected_frames: [usize; 2],
    /// Ejection fraction by the service, %.
    ef_percent: f64,
    /// By the experts' polygons, %.
    expected_ef_percent: f64,
}

impl Found {
    /// Ejection fraction, found − the experts', points.
    pub(crate) fn ef_error_points(&self) -> f64 {
        self.ef_percent - self.expected_ef_percent
    }

    /// As it stands in the figures.
    pub(crate) fn json(&self) -> Value {
        let [ed, es] = self.left_ventricle;
        json!({
            "cine": self.name,
            "left_ventricle_dice": {"ed": ed, "es": es},
            "myocardium_dice": {"ed": self.myocardium},
            "ef_percent": self.ef_percent,
            "reference_ef_percent": self.expected_ef_percent,
        })
    }
}

/// Posts both cines.
///
/// # Errors
/// `CINECOR_DATA` does not hold them, or the service does not answer as it should.
pub(crate) fn evaluate(service: &mut Service) -> Result<Vec<Found>> {
    CINES
        .iter()
        .map(|cine| one(service, cine).with_context(|| cine.name))
        .collect()
}

fn one(service: &mut Service, cine: &Cine) -> Result<Found> {
    let answer = service.segment(&cine.volume()?)?;
    let mask = mask_of(&answer)?;
    let agreement = |phase: usize, frame: usize| -> Result<_> {
        let labels = cine.labels(phase)?.labels;
        ensure!(
            frame <= mask.labels.len_of(Axis(0)),
            "the cine has no frame {frame}"
        );
        let found = mask.labels.slice_axis(Axis(0), (frame - 1..frame).into());
        Ok(compare(labels.view(), found, &mask.geometry.spacing)?)
    };
    let [ed, es] = cine.frames;
    let (at_ed, at_es) = (agreement(0, ed)?, agreement(1, es)?);
    let phases = &answer["metrics"]["phases"];
    let frame = |name: &str| phases[name].as_u64().map_or(0, |frame| frame + 1);
    Ok(Found {
        name: cine.name,
        left_ventricle: [at_ed.left_ventricle.dice, at_es.left_ventricle.dice],
        myocardium: cine.has_wall.then_some(at_ed.myocardium.dice).flatten(),
        frames: [frame("ed_frame"), frame("es_frame")],
        expected_frames: cine.frames,
        ef_percent: answer["metrics"]["left_ventricle"]["ef_percent"]
            .as_f64()
            .context("no ejection fraction")?,
        expected_ef_percent: cine.ef_percent,
    })
}

/// Both cines as a table.
pub(crate) fn table(found: &[Found]) -> Result<String> {
    let mut table = "| cine | LV Dice ED | LV Dice ES | myocardium Dice ED | ED / ES found (experts') | EF, % (experts') |\n|---|---|---|---|---|---|\n".to_owned();
    let dice = |found: Option<f64>| found.map_or("–".to_owned(), |dice| format!("{dice:.3}"));
    for cine in found {
        let ([ed_dice, es_dice], [ed, es]) = (cine.left_ventricle, cine.frames);
        let [expected_ed, expected_es] = cine.expected_frames;
        writeln!(
            table,
            "| {} | {} | {} | {} | {ed} / {es} ({expected_ed} / {expected_es}) | {:.1} ({}) |",
            cine.name,
            dice(ed_dice),
            dice(es_dice),
            dice(cine.myocardium),
            cine.ef_percent,
            cine.expected_ef_percent,
        )?;
    }
    Ok(table)
}
