//! The tables of numbers: each row a quantity with its value, its value per body surface area, its interval and its range.

use cinecor_wire::{IntervalJson, MetricsJson, ReferenceJson};
use maud::{Markup, html};

use crate::numbers::{NOTHING, number, with_unit};

/// A row of a table of numbers.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Its path in the metrics.
    pub(crate) path: &'static str,
    pub(crate) value: Option<f64>,
    pub(crate) unit: &'static str,
    pub(crate) decimals: usize,
    /// The same per body surface area, with its path and unit.
    pub(crate) indexed: Option<(&'static str, Option<f64>, &'static str)>,
}

/// Notes below tables; the same note has one number.
#[derive(Default)]
pub(crate) struct Notes(Vec<String>);

impl Notes {
    fn number(&mut self, note: String) -> usize {
        let at = self.0.iter().position(|other| *other == note);
        at.unwrap_or_else(|| {
            self.0.push(note);
            self.0.len() - 1
        }) + 1
    }

    pub(crate) fn list(&self) -> Markup {
        html! {
            @if !self.0.is_empty() {
                ol.notes {
                    @for note in &self.0 { li { (note) } }
                }
            }
        }
    }
}

/// Left ventricle, in the order of the guideline's table.
pub(crate) fn left_ventricle(metrics: &MetricsJson) -> Vec<Row> {
    let of = &metrics.left_ventricle;
    let wall = &metrics.myocardium;
    vec![
        volume(
            "End-diastolic volume",
            "left_ventricle.edv_ml",
            of.edv_ml,
            ("left_ventricle.edv_ml_per_m2", of.edv_ml_per_m2),
        ),
        volume(
            "End-systolic volume",
            "left_ventricle.esv_ml",
            of.esv_ml,
            ("left_ventricle.esv_ml_per_m2", of.esv_ml_per_m2),
        ),
        volume(
            "Stroke volume",
            "left_ventricle.sv_ml",
            of.sv_ml,
            ("left_ventricle.sv_ml_per_m2", of.sv_ml_per_m2),
        ),
        fraction("left_ventricle.ef_percent", of.ef_percent),
        output(
            "left_ventricle.co_l_min",
            of.co_l_min,
            ("left_ventricle.co_l_min_per_m2", of.co_l_min_per_m2),
        ),
        mass(
            // One frame alone has no phases, and yet a mass.
            match metrics.phases.ed_frame {
                Some(_) => "Myocardial mass at end-diastole",
                None => "Myocardial mass in the measured frame",
            },
            "myocardium.ed_mass_g",
            wall.ed_mass_g,
            ("myocardium.ed_mass_g_per_m2", wall.ed_mass_g_per_m2),
        ),
        mass(
            "Myocardial mass at end-systole",
            "myocardium.es_mass_g",
            wall.es_mass_g,
            ("myocardium.es_mass_g_per_m2", wall.es_mass_g_per_m2),
        ),
        width(
            "Cavity diameter at end-diastole",
            "left_ventricle.ed_diameter_mm",
            of.ed_diameter_mm,
        ),
        width(
            "Cavity diameter at end-systole",
            "left_ventricle.es_diameter_mm",
            of.es_diameter_mm,
        ),
    ]
}

/// Right ventricle.
pub(crate) fn right_ventricle(metrics: &MetricsJson) -> Vec<Row> {
    let of = &metrics.right_ventricle;
    vec![
        fraction("right_ventricle.ef_percent", of.ef_percent),
        volume(
            "End-diastolic volume",
            "right_ventricle.edv_ml",
            of.edv_ml,
            ("right_ventricle.edv_ml_per_m2", of.edv_ml_per_m2),
        ),
        volume(
            "End-systolic volume",
            "right_ventricle.esv_ml",
            of.esv_ml,
            ("right_ventricle.esv_ml_per_m2", of.esv_ml_per_m2),
        ),
        volume(
            "Stroke volume",
            "right_ventricle.sv_ml",
            of.sv_ml,
            ("right_ventricle.sv_ml_per_m2", of.sv_ml_per_m2),
        ),
        output(
            "right_ventricle.co_l_min",
            of.co_l_min,
            ("right_ventricle.co_l_min_per_m2", of.co_l_min_per_m2),
        ),
    ]
}

type Indexed = (&'static str, Option<f64>);

fn volume(name: &'static str, path: &'static str, value: Option<f64>, indexed: Indexed) -> Row {
    Row {
        name,
        path,
        value,
        unit: "ml",
        decimals: 1,
        indexed: Some((indexed.0, indexed.1, "ml/m²")),
    }
}

fn mass(name: &'static str, path: &'static str, value: Option<f64>, indexed: Indexed) -> Row {
    Row {
        name,
        path,
        value,
        unit: "g",
        decimals: 1,
        indexed: Some((indexed.0, indexed.1, "g/m²")),
    }
}

fn output(path: &'static str, value: Option<f64>, indexed: Indexed) -> Row {
    Row {
        name: "Cardiac output",
        path,
        value,
        unit: "l/min",
        decimals: 2,
        indexed: Some((indexed.0, indexed.1, "l/min/m²")),
    }
}

fn fraction(path: &'static str, value: Option<f64>) -> Row {
    Row {
        name: "Ejection fraction",
        path,
        value,
        unit: "%",
        decimals: 1,
        indexed: None,
    }
}

fn width(name: &'static str, path: &'static str, value: Option<f64>) -> Row {
    Row {
        name,
        path,
        value,
        unit: "mm",
        decimals: 1,
        indexed: None,
    }
}

/// A table of numbers.
pub(crate) fn table(
    caption: &str,
    rows: &[Row],
    metrics: &MetricsJson,
    notes: &mut Notes,
) -> Markup {
    let level = metrics
        .intervals
        .first()
        .map_or(0.9, |interval| interval.level);
    html! {
        table.numbers {
            caption { (caption) }
            thead {
                tr {
                    th scope="col" { "Quantity" }
                    th scope="col" { "Value" }
                    th scope="col" { (number(Some(100.0 * level), 0)) " % interval" }
                    th scope="col" { "Per body surface area" }
                    th scope="col" { "Reference range" }
                    th scope="col" { "Place" }
                }
            }
            tbody {
                @for row in rows {
                    @let range = range(row, metrics);
                    tr {
                        th scope="row" { (row.name) }
                        td { (with_unit(row.value, row.decimals, row.unit)) }
                        td { (interval(row, metrics)) }
                        td { (row.indexed.map_or_else(|| NOTHING.to_owned(), |(_, value, unit)| with_unit(value, row.decimals, unit))) }
                        (range_cells(row, range, notes))
                    }
                }
            }
        }
    }
}

/// The interval of a row's value.
pub(crate) fn interval(row: &Row, metrics: &MetricsJson) -> String {
    let found = metrics
        .intervals
        .iter()
        .find(|interval| interval.quantity == row.path);
    found.map_or_else(
        || NOTHING.to_owned(),
        |IntervalJson { low, high, .. }| {
            format!(
                "{} to {}",
                number(Some(*low), row.decimals),
                number(Some(*high), row.decimals)
            )
        },
    )
}

/// The range of the row's value, or else of its value per body surface area.
fn range<'a>(row: &Row, metrics: &'a MetricsJson) -> Option<&'a ReferenceJson> {
    let of = |path: &str| {
        metrics
            .reference
            .iter()
            .find(|reference| reference.quantity == path)
    };
    of(row.path).or_else(|| of(row.indexed?.0))
}

fn range_cells(row: &Row, range: Option<&ReferenceJson>, notes: &mut Notes) -> Markup {
    let Some(range) = range else {
        return html! { td { "no range" (mark(notes, "No range that was read in its publication and was measured by the same conventions is known to the service.".to_owned())) } td { (NOTHING) } };
    };
    let unit = if range.quantity == row.path {
        row.unit
    } else {
        row.indexed.map_or("", |(.., unit)| unit)
    };
    let limits = match (range.low, range.high) {
        (Some(low), Some(high)) => Some(format!(
            "{} to {} {unit}",
            number(Some(low), row.decimals),
            number(Some(high), row.decimals)
        )),
        (Some(low), None) => Some(format!(
            "{} {unit} and more",
            number(Some(low), row.decimals)
        )),
        (None, Some(high)) => Some(format!("up to {} {unit}", number(Some(high), row.decimals))),
        (None, None) => None,
    };
    let source = match (&range.source, &range.cohort) {
        (Some(source), Some(cohort)) => Some(format!("{source}: {cohort}.")),
        (Some(source), None) => Some(source.clone()),
        _ => None,
    };
    html! {
        td {
            @match limits {
                Some(limits) => (limits),
                None => "no range",
            }
            @if let Some(source) = source { (mark(notes, source)) }
            @if let Some(reason) = &range.reason { (mark(notes, reason.clone())) }
        }
        td {
            @match range.verdict.as_str() {
                "below" | "above" => strong { (range.verdict) },
                "within" => "within",
                _ => (NOTHING),
            }
        }
    }
}

fn mark(notes: &mut Notes, note: String) -> Markup {
    html! { sup { (notes.number(note)) } }
}
