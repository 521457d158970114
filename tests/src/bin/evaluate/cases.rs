//! One patient through the service: what it drew and measured beside what the experts' labels say.

use anyhow::{Context, Result, bail};
use cinecor_formats::{Limits, decode_mask};
use cinecor_measures::{MYOCARDIAL_DENSITY_G_PER_ML, StructureAgreement, compare};
use cinecor_volume::{Label, Mask};
use serde_json::{Value, json};

use crate::acdc;
use crate::service::Service;
use crate::summary::mean;

/// The structures, in the order of the tables.
pub(crate) const STRUCTURES: [Label; 3] = [
    Label::LeftVentricle,
    Label::Myocardium,
    Label::RightVentricle,
];

/// The phases, in the order of the tables.
pub(crate) const PHASES: [&str; 2] = ["ED", "ES"];

/// A number of the metrics that is compared.
#[derive(Debug, PartialEq)]
pub(crate) struct Quantity {
    /// Its name in the tables.
    pub(crate) name: &'static str,
    /// Its unit in the tables.
    pub(crate) unit: &'static str,
    /// Where it stands in the metrics.
    path: &'static str,
}

const fn quantity(name: &'static str, unit: &'static str, path: &'static str) -> Quantity {
    Quantity { name, unit, path }
}

/// All that are compared, in the order of the tables and of [`Reference::values`].
pub(crate) const QUANTITIES: [Quantity; 10] = [
    quantity(
        "left ventricular EF",
        "points",
        "/left_ventricle/ef_percent",
    ),
    quantity(
        "right ventricular EF",
        "points",
        "/right_ventricle/ef_percent",
    ),
    quantity("left ventricular EDV", "ml", "/left_ventricle/edv_ml"),
    quantity("left ventricular ESV", "ml", "/left_ventricle/esv_ml"),
    quantity("left ventricular SV", "ml", "/left_ventricle/sv_ml"),
    quantity("right ventricular EDV", "ml", "/right_ventricle/edv_ml"),
    quantity("right ventricular ESV", "ml", "/right_ventricle/esv_ml"),
    quantity("right ventricular SV", "ml", "/right_ventricle/sv_ml"),
    quantity("myocardial mass, ED", "g", "/myocardium/ed_mass_g"),
    quantity("myocardial mass, ES", "g", "/myocardium/es_mass_g"),
];

/// One phase of one patient: in the order of [`STRUCTURES`].
pub(crate) type Scored = [StructureAgreement; 3];

/// What the service says of a value's uncertainty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// The part of such intervals that should hold the truth, 0 to 1.
    pub(crate) level: f64,
}

/// One of [`QUANTITIES`] of one patient.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// By the experts' masks.
    pub(crate) reference: f64,
    /// By the service.
    pub(crate) found: Option<f64>,
    /// By the service, where it gives one.
    pub(crate) interval: Option<Interval>,
}

/// What the service says of a result as a whole.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Quality {
    /// `pass`, `review` or `reject`.
    pub(crate) verdict: String,
    /// From 0, useless, to 1.
    pub(crate) score: Option<f64>,
    /// The checks that did not hold.
    pub(crate) failed: Vec<String>,
}

impl Quality {
    /// Out of a metrics document.
    pub(crate) fn of(metrics: &Value) -> Self {
        let quality = &metrics["quality"];
        let checks = quality["checks"].as_array().map_or(&[][..], Vec::as_slice);
        let code = |check: &Value| check["code"].as_str().unwrap_or("?").to_owned();
        Self {
            verdict: quality["verdict"].as_str().unwrap_or("none").to_owned(),
            score: quality["score"].as_f64(),
            failed: checks
                .iter()
                .filter(|check| check["passed"] == false)
                .map(code)
                .collect(),
        }
    }

    /// Whether a reader is told not to use the result. A score below the service's own limit rejects as well.
    pub(crate) fn rejects(&self) -> bool {
        self.verdict == "reject"
    }

    /// As it stands in the figures.
    pub(crate) fn json(&self) -> Value {
        json!({"verdict": self.verdict, "score": self.score, "failed_checks": self.failed})
    }
}

/// One patient.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The set's own name.
    pub(crate) name: String,
    /// The pathology group.
    pub(crate) group: String,
    /// End-diastole and end-systole.
    pub(crate) phases: [Scored; 2],
    /// In the order of [`QUANTITIES`].
    pub(crate) quantities: [Measured; QUANTITIES.len()],
    /// Of both phases together.
    pub(crate) quality: Quality,
}

impl Case {
    /// The number of the patient without the set's word for it.
    pub(crate) fn number(&self) -> &str {
        self.name.trim_start_matches(|c: char| !c.is_ascii_digit())
    }

    /// The agreement of a structure in a phase, in the order of [`STRUCTURES`] and [`PHASES`].
    pub(crate) fn agreement(&self, structure: usize, phase: usize) -> Option<&StructureAgreement> {
        self.phases.get(phase)?.get(structure)
    }

    /// The mean over structures and phases.
    pub(crate) fn mean_dice(&self) -> f64 {
        let all = self.phases.iter().flatten();
        mean(&all.filter_map(|found| found.dice).collect::<Vec<_>>())
    }

    /// As it stands in the figures.
    pub(crate) fn json(&self) -> Value {
        let phase = |scored: &Scored| -> Value {
            let pairs = STRUCTURES.iter().zip(scored);
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
            .zip(self.quantities)
            .map(|(quantity, of)| {
                let mut value = json!({"quantity": quantity.name, "unit": quantity.unit, "reference": of.reference, "found": of.found});
                if let Some(interval) = of.interval {
                    value["interval"] = json!({"low": interval.low, "high": interval.high, "level": interval.level});
                }
                value
            })
            .collect();
        let [ed, es] = &self.phases;
        json!({"case": self.number(), "group": self.group, "ed": phase(ed), "es": phase(es), "quantities": quantities, "quality": self.quality.json()})
    }
}

/// The experts' masks of both phases.
pub(crate) struct Reference {
    pub(crate) masks: [Mask; 2],
}

impl Reference {
    /// Reads the labels of a patient.
    pub(crate) fn of(patient: &acdc::Patient) -> Result<Self> {
        let mask = |file: &[u8]| -> Result<Mask> {
            Ok(decode_mask(file, Limits::for_masks())
                .context("the experts' labels")?
                .1)
        };
        Ok(Self {
            masks: [mask(&patient.ed.labels)?, mask(&patient.es.labels)?],
        })
    }

    /// Slices of a phase.
    pub(crate) fn slices(&self) -> usize {
        let [ed, _] = &self.masks;
        ed.shape().slices
    }

    /// The values of [`QUANTITIES`], by counting voxels.
    pub(crate) fn values(&self) -> [f64; QUANTITIES.len()] {
        let [ed, es] = &self.masks;
        let (lv, rv, wall) = (
            Label::LeftVentricle,
            Label::RightVentricle,
            Label::Myocardium,
        );
        let (lv_ed, lv_es, rv_ed, rv_es) = (ml(ed, lv), ml(es, lv), ml(ed, rv), ml(es, rv));
        let ef = |ed: f64, es: f64| 100.0 * (ed - es) / ed;
        [
            ef(lv_ed, lv_es),
            ef(rv_ed, rv_es),
            lv_ed,
            lv_es,
            lv_ed - lv_es,
            rv_ed,
            rv_es,
            rv_ed - rv_es,
            MYOCARDIAL_DENSITY_G_PER_ML * ml(ed, wall),
            MYOCARDIAL_DENSITY_G_PER_ML * ml(es, wall),
        ]
    }
}

/// Volume of a structure in a mask of one frame, ml.
fn ml(mask: &Mask, label: Label) -> f64 {
    let codes = mask.labels.iter();
    codes.filter(|&&code| code == label.code()).count() as f64 * mask.geometry.spacing.voxel_ml()
}

/// The interval of a quantity in a metrics document. Its name there is its place, whatever stands between the words.
fn interval_of(metrics: &Value, quantity: &Quantity) -> Option<Interval> {
    let plain = |name: &str| name.trim_matches('/').replace(['/', '.'], "_");
    let wanted = plain(quantity.path);
    let found = metrics["intervals"]
        .as_array()?
        .iter()
        .find(|interval| interval["quantity"].as_str().map(plain).as_deref() == Some(&wanted))?;
    Some(Interval {
        low: found["low"].as_f64()?,
        high: found["high"].as_f64()?,
        level: found["level"].as_f64()?,
    })
}

/// Posts a patient: each phase as a volume of its own, for the masks, and both as two frames, for the numbers.
///
/// # Errors
/// An answer that is none, a mask on another grid, a model that changed since the first patient.
pub(crate) fn score(service: &mut Service, patient: &acdc::Patient) -> Result<Case> {
    let reference = Reference::of(patient)?;
    let [ed_reference, es_reference] = &reference.masks;
    let phases = [
        score_phase(service, &patient.ed, ed_reference)?,
        score_phase(service, &patient.es, es_reference)?,
    ];
    let answer = service.segment(&acdc::stack(&patient.ed.image, &patient.es.image)?)?;
    // Either phase alone, and both once more.
    service.count_slices(4 * reference.slices());
    let metrics = &answer["metrics"];
    let mut quantities = reference.values().map(|reference| Measured {
        reference,
        found: None,
        interval: None,
    });
    for (measured, quantity) in quantities.iter_mut().zip(&QUANTITIES) {
        measured.found = metrics.pointer(quantity.path).and_then(Value::as_f64);
        measured.interval = interval_of(metrics, quantity);
    }
    Ok(Case {
        name: patient.name.clone(),
        group: patient.group.clone(),
        phases,
        quantities,
        quality: Quality::of(metrics),
    })
}

fn score_phase(service: &Service, phase: &acdc::Phase, reference: &Mask) -> Result<Scored> {
    let mask = service.mask(&phase.image)?;
    let (found, expected) = (mask.geometry.spacing, reference.geometry.spacing);
    if mask.shape() != reference.shape() || found != expected {
        bail!(
            "the mask is not on the volume's own grid: found {:?} of {found:?}, expected {:?} of {expected:?}",
            mask.shape(),
            reference.shape()
        );
    }
    let agreement = compare(reference.labels.view(), mask.labels.view(), &expected)?;
    Ok([
        agreement.left_ventricle,
        agreement.myocardium,
        agreement.right_ventricle,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use cinecor_volume::{Geometry, Spacing};
    use ndarray::Array4;

    fn mask(lv: usize, wall: usize, rv: usize) -> Mask {
        // Voxels of 10 × 10 × 10 mm are 1 ml each.
        let spacing = Spacing::new(10.0, 10.0, 10.0).unwrap();
        let mut labels = Array4::zeros((1, 1, 1, 500));
        let codes = [(lv, 3), (wall, 2), (rv, 1)];
        let codes = codes
            .iter()
            .flat_map(|&(count, code)| std::iter::repeat_n(code, count));
        for (voxel, code) in labels.iter_mut().zip(codes) {
            *voxel = code;
        }
        Mask {
            labels,
            geometry: Geometry::axis_aligned(spacing, None),
        }
    }

    #[test]
    fn reference_values_of_a_case_worked_by_hand() {
        let reference = Reference {
            masks: [mask(100, 80, 120), mask(40, 90, 72)],
        };
        // EF 60 of 100 and 48 of 120; mass 80 and 90 ml of 1.05 g/ml.
        let expected = [60.0, 40.0, 100.0, 40.0, 60.0, 120.0, 72.0, 48.0, 84.0, 94.5];
        for (found, expected) in reference.values().into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }

    #[test]
    fn interval_is_found_by_the_place_of_its_quantity() {
        let metrics = json!({"intervals": [
            {"quantity": "left_ventricle.edv_ml", "low": 1.0, "high": 2.0, "level": 0.9},
            {"quantity": "left_ventricle.ef_percent", "low": 3.0, "high": 5.0, "level": 0.9},
        ]});
        let [ef, ..] = &QUANTITIES;
        let expected = Interval {
            low: 3.0,
            high: 5.0,
            level: 0.9,
        };
        assert_eq!(interval_of(&metrics, ef), Some(expected));
        assert_eq!(interval_of(&json!({}), ef), None);
    }

    #[test]
    fn quality_names_the_checks_that_failed() {
        let quality = Quality::of(
            &json!({"quality": {"verdict": "reject", "score": 0.4, "checks": [
                {"code": "base", "passed": false, "limit": 0.5},
                {"code": "apex", "passed": true, "limit": 1.0},
            ]}}),
        );
        assert!(quality.rejects());
        assert_eq!(
            (quality.score, quality.failed),
            (Some(0.4), vec!["base".to_owned()])
        );
        assert_eq!(Quality::of(&json!({})).verdict, "none");
    }
}

/// Made-up patients for the tests of tables and figures.
#[cfg(test)]
pub(crate) mod fixture {
    use super::*;

    /// So many patients of the five groups in turn. Dice falls by .01 from one to the next; every value is off by −1, 0, 1 in turn, and
    /// its interval of 90 % holds the reference but where the error is 1.
    pub(crate) fn cases(count: usize) -> Vec<Case> {
        let agreement = |dice: f64| StructureAgreement {
            dice: Some(dice),
            hausdorff_mm: Some(100.0 * (1.0 - dice)),
            hd95_mm: Some(50.0 * (1.0 - dice)),
            ..StructureAgreement::default()
        };
        (0..count)
            .map(|index| {
                let dice = 0.955 - 0.01 * index as f64;
                let error = (index % 3) as f64 - 1.0;
                let found = 50.0 + 2.0 * index as f64 + error;
                Case {
                    name: format!("patient{:03}", index + 1),
                    group: ["NOR", "DCM", "HCM", "MINF", "RV"][index % 5].to_owned(),
                    phases: [[agreement(dice); 3]; 2],
                    quantities: [Measured {
                        reference: found - error,
                        found: Some(found),
                        interval: Some(Interval {
                            low: found - 0.5,
                            high: found + 2.0,
                            level: 0.9,
                        }),
                    }; QUANTITIES.len()],
                    quality: Quality {
                        verdict: "review".to_owned(),
                        score: Some(dice),
                        failed: Vec::new(),
                    },
                }
            })
            .collect()
    }
}
