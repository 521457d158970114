//! Bland-Altman plots and correlations: found against reference, one mark a patient, four quantities to a figure.

use std::collections::BTreeSet;

use crate::cases::{Case, QUANTITIES};
use crate::plots::mark_of;
use crate::plots::svg::{Anchor, Axis, FAINT, INK, Panel, Svg};
use crate::summary::{Errors, Pair, number};

/// The quantities that are drawn, by their names in the tables.
const DRAWN: [&str; 4] = [
    "left ventricular EF",
    "right ventricular EF",
    "left ventricular EDV",
    "myocardial mass, ED",
];

const PANEL: f64 = 300.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 52.0;
const LEGEND: f64 = 26.0;

/// One patient in a panel.
struct Point<'a> {
    case: &'a Case,
    pair: Pair,
}

/// A quantity's panel: its name and unit, and its patients.
struct Drawn<'a> {
    name: &'static str,
    unit: &'static str,
    points: Vec<Point<'a>>,
}

fn drawn(cases: &[Case]) -> Vec<Drawn<'_>> {
    let all = QUANTITIES.iter().enumerate();
    all.filter(|(_, quantity)| DRAWN.contains(&quantity.name))
        .map(|(index, quantity)| Drawn {
            name: quantity.name,
            unit: quantity.unit,
            points: cases
                .iter()
                .filter_map(|case| {
                    let measured = case.quantities.get(index)?;
                    let pair = (measured.reference, measured.found?);
                    Some(Point { case, pair })
                })
                .collect(),
        })
        .collect()
}

/// Two rows of two panels, with a legend of the groups below.
fn sheet(title: &str, cases: &[Case], panel: impl Fn(&mut Svg, &Drawn<'_>, Axis, Axis)) -> String {
    let width = 2.0 * (LEFT + PANEL) + 16.0;
    let height = 2.0 * (TOP + PANEL + BOTTOM) + LEGEND;
    let mut svg = Svg::new(width, height, title);
    for (index, drawn) in drawn(cases).iter().enumerate() {
        let (column, row) = ((index % 2) as f64, (index / 2) as f64);
        let left = LEFT + column * (LEFT + PANEL);
        let top = TOP + row * (TOP + PANEL + BOTTOM);
        // The axes are set to their values by the panel; these carry the pixels.
        let x = Axis::new(0.0, 1.0, left, left + PANEL);
        let y = Axis::new(0.0, 1.0, top + PANEL, top);
        panel(&mut svg, drawn, x, y);
    }
    legend(&mut svg, cases, (LEFT, height - 12.0));
    svg.finish()
}

/// The groups with their marks, in a row.
pub(super) fn legend(svg: &mut Svg, cases: &[Case], (left, y): (f64, f64)) {
    let groups: BTreeSet<&str> = cases.iter().map(|case| case.group.as_str()).collect();
    for (index, group) in groups.into_iter().enumerate() {
        let x = left + 80.0 * index as f64;
        svg.text((x + 10.0, y), Anchor::Start, 11.0, group);
        svg.symbol((x, y - 4.0), mark_of(group));
    }
}

/// Difference against mean, with bias and limits of agreement (Bland and Altman, Lancet 1986;i:307).
pub(crate) fn bland_altman(cases: &[Case]) -> String {
    sheet("Bland-Altman plots", cases, |svg, drawn, x, y| {
        let pairs: Vec<Pair> = drawn.points.iter().map(|point| point.pair).collect();
        let errors = Errors::of(&pairs);
        let middle = |(reference, found): Pair| (reference + found) / 2.0;
        let difference = |(reference, found): Pair| found - reference;
        let lines = [errors.lower.value, 0.0, errors.upper.value];
        let panel = Panel {
            x: x.holding(pairs.iter().copied().map(middle)),
            y: y.holding(pairs.iter().copied().map(difference).chain(lines)),
        };
        let (left, right) = panel.sides();
        if errors.bias.low.is_finite() {
            let (top, bottom) = (panel.y.at(errors.bias.high), panel.y.at(errors.bias.low));
            svg.rectangle((left, top), (right - left, bottom - top), FAINT, 0.5);
        }
        panel.frame(
            svg,
            &format!(
                "{}: bias {}, limits {} to {}",
                drawn.name,
                number(errors.bias.value, 1),
                number(errors.lower.value, 1),
                number(errors.upper.value, 1)
            ),
            &format!("mean of service and experts, {}", drawn.unit),
            &format!("service − experts, {}", drawn.unit),
        );
        for (value, dashed) in [
            (errors.bias.value, false),
            (errors.lower.value, true),
            (errors.upper.value, true),
        ] {
            if value.is_finite() {
                let y = panel.y.at(value);
                svg.line((left, y), (right, y), INK, dashed);
            }
        }
        for point in &drawn.points {
            let place = (
                panel.x.at(middle(point.pair)),
                panel.y.at(difference(point.pair)),
            );
            svg.mark(place, mark_of(&point.case.group), &hint(point, drawn.unit));
        }
    })
}

/// Found against reference, with the line on which they are equal.
pub(crate) fn correlation(cases: &[Case]) -> String {
    sheet("Service against experts", cases, |svg, drawn, x, y| {
        let pairs: Vec<Pair> = drawn.points.iter().map(|point| point.pair).collect();
        // One range for both, so that equality runs from corner to corner.
        let values = || {
            pairs
                .iter()
                .flat_map(|(reference, found)| [*reference, *found])
        };
        let panel = Panel {
            x: x.holding(values()),
            y: y.holding(values()),
        };
        let r = Errors::of(&pairs).r;
        panel.frame(
            svg,
            &format!("{}: r {}", drawn.name, r.text(3)),
            &format!("experts, {}", drawn.unit),
            &format!("service, {}", drawn.unit),
        );
        let ((left, right), (bottom, top)) = (panel.sides(), panel.ends());
        svg.line((left, bottom), (right, top), INK, true);
        for point in &drawn.points {
            let place = (panel.x.at(point.pair.0), panel.y.at(point.pair.1));
            svg.mark(place, mark_of(&point.case.group), &hint(point, drawn.unit));
        }
    })
}

fn hint(point: &Point<'_>, unit: &str) -> String {
    format!(
        "case {} ({}): {} {unit}, experts {}",
        point.case.number(),
        point.case.group,
        number(point.pair.1, 1),
        number(point.pair.0, 1)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::fixture::cases;
    use crate::plots::svg::check::values_of_well_formed;

    #[test]
    fn every_patient_is_a_mark_in_every_panel() {
        for figure in [bland_altman(&cases(25)), correlation(&cases(25))] {
            assert_eq!(values_of_well_formed(&figure), 4 * 25);
        }
    }

    #[test]
    fn a_value_that_the_service_did_not_give_is_no_mark() {
        let mut cases = cases(6);
        cases[2].quantities[0].found = None;
        assert_eq!(values_of_well_formed(&bland_altman(&cases)), 4 * 6 - 1);
    }

    #[test]
    fn one_patient_and_none_can_be_drawn() {
        for count in [0, 1] {
            assert_eq!(
                values_of_well_formed(&bland_altman(&cases(count))),
                4 * count
            );
            assert_eq!(
                values_of_well_formed(&correlation(&cases(count))),
                4 * count
            );
        }
    }

    #[test]
    fn bias_and_limits_of_a_case_worked_by_hand_stand_in_the_heading() {
        // The errors of the fixture's EF are −1, 0, 1: bias 0, SD 1, limits ± 1.96.
        let figure = bland_altman(&cases(3));
        assert!(
            figure.contains("left ventricular EF: bias 0.0, limits −2.0 to 2.0"),
            "{figure}"
        );
    }
}
