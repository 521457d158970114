//! Dice of every structure and phase, all patients together and by pathology group: a box from quartile to quartile, a line at the median,
//! whiskers to the furthest patient within one and a half boxes (Tukey, 1977), and every patient as a mark.

use std::collections::BTreeSet;

use crate::cases::{Case, PHASES, STRUCTURES};
use crate::plots::mark_of;
use crate::plots::svg::{Anchor, Axis, INK, Panel, Svg};
use crate::summary::{number, quantile};

const PANEL: (f64, f64) = (240.0, 220.0);
const LEFT: f64 = 58.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 28.0;

/// Length of a whisker in boxes.
const WHISKER: f64 = 1.5;

/// Five numbers of a box.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Box {
    low_whisker: f64,
    first_quartile: f64,
    median: f64,
    third_quartile: f64,
    high_whisker: f64,
}

impl Box {
    fn of(values: &[f64]) -> Self {
        let [first_quartile, median, third_quartile] =
            [0.25, 0.5, 0.75].map(|part| quantile(values, part));
        let reach = WHISKER * (third_quartile - first_quartile);
        let inside = || {
            values.iter().copied().filter(move |value| {
                (first_quartile - reach..=third_quartile + reach).contains(value)
            })
        };
        Self {
            low_whisker: inside().fold(first_quartile, f64::min),
            first_quartile,
            median,
            third_quartile,
            high_whisker: inside().fold(third_quartile, f64::max),
        }
    }
}

/// The figure: phases below each other, structures beside each other.
pub(crate) fn dice(cases: &[Case]) -> String {
    let (width, height) = PANEL;
    let mut svg = Svg::new(
        3.0 * (LEFT + width) + 16.0,
        2.0 * (TOP + height + BOTTOM) + 8.0,
        "Dice by structure, phase and pathology group",
    );
    let everything = cases.iter().flat_map(|case| case.phases.iter().flatten());
    let lowest = everything
        .filter_map(|found| found.dice)
        .fold(0.9, f64::min);
    // Tenths, so that figures of different packages are easily compared.
    let floor = (10.0 * lowest).floor() / 10.0;
    for (phase, phase_name) in PHASES.iter().enumerate() {
        for (structure, label) in STRUCTURES.iter().enumerate() {
            let left = LEFT + structure as f64 * (LEFT + width);
            let top = TOP + phase as f64 * (TOP + height + BOTTOM);
            let panel = Panel {
                x: Axis::new(0.0, 1.0, left, left + width),
                y: Axis::new(floor, 1.0, top + height, top),
            };
            panel.rows(
                &mut svg,
                &format!("{}, {phase_name}", label.name().replace('_', " ")),
                "Dice",
            );
            columns(&mut svg, &panel, cases, structure, phase);
        }
    }
    svg.finish()
}

fn columns(svg: &mut Svg, panel: &Panel, cases: &[Case], structure: usize, phase: usize) {
    let groups: BTreeSet<&str> = cases.iter().map(|case| case.group.as_str()).collect();
    let columns: Vec<Option<&str>> = std::iter::once(None)
        .chain(groups.into_iter().map(Some))
        .collect();
    let ((left, right), (bottom, _)) = (panel.sides(), panel.ends());
    let step = (right - left) / columns.len() as f64;
    for (index, group) in columns.into_iter().enumerate() {
        let x = left + step * (index as f64 + 0.5);
        svg.text(
            (x, bottom + 16.0),
            Anchor::Middle,
            10.0,
            group.unwrap_or("all"),
        );
        let members: Vec<(&Case, f64)> = cases
            .iter()
            .filter(|case| group.is_none_or(|group| case.group == group))
            .filter_map(|case| Some((case, case.agreement(structure, phase)?.dice?)))
            .collect();
        let values: Vec<f64> = members.iter().map(|member| member.1).collect();
        if values.is_empty() {
            continue;
        }
        draw(svg, panel, &Box::of(&values), x, step * 0.5);
        // The marks of all patients would hide their box; they stand in their groups.
        if group.is_some() {
            for (at, (case, dice)) in members.iter().enumerate() {
                let aside = step * 0.3 * ((at as f64 + 0.5) / members.len() as f64 - 0.5);
                let hint = format!("case {}: {}", case.number(), number(*dice, 3));
                svg.mark((x + aside, panel.y.at(*dice)), mark_of(&case.group), &hint);
            }
        }
    }
}

fn draw(svg: &mut Svg, panel: &Panel, drawn: &Box, x: f64, width: f64) {
    let y = |value: f64| panel.y.at(value);
    let (left, right) = (x - width / 2.0, x + width / 2.0);
    svg.line(
        (x, y(drawn.low_whisker)),
        (x, y(drawn.first_quartile)),
        INK,
        false,
    );
    svg.line(
        (x, y(drawn.third_quartile)),
        (x, y(drawn.high_whisker)),
        INK,
        false,
    );
    for end in [drawn.low_whisker, drawn.high_whisker] {
        svg.line(
            (x - width / 5.0, y(end)),
            (x + width / 5.0, y(end)),
            INK,
            false,
        );
    }
    svg.rectangle(
        (left, y(drawn.third_quartile)),
        (width, y(drawn.first_quartile) - y(drawn.third_quartile)),
        "#8fb8d8",
        0.45,
    );
    svg.line(
        (left, y(drawn.median)),
        (right, y(drawn.median)),
        INK,
        false,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::fixture::cases;
    use crate::plots::svg::check::values_of_well_formed;

    #[test]
    fn box_of_a_case_worked_by_hand() {
        // Quartiles of 1 to 5 are 2 and 4; whiskers reach 3 beyond them, so that 5 and 1 are inside and 12 is not.
        let found = Box::of(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(
            (found.first_quartile, found.median, found.third_quartile),
            (2.0, 3.0, 4.0)
        );
        assert_eq!((found.low_whisker, found.high_whisker), (1.0, 5.0));
        // Of 1 to 4 and 12 the quartiles are the same: 12 lies beyond 7, and the whisker ends at 4.
        assert_eq!(Box::of(&[1.0, 2.0, 3.0, 4.0, 12.0]).high_whisker, 4.0);
    }

    #[test]
    fn every_patient_is_a_mark_of_each_structure_and_phase() {
        assert_eq!(values_of_well_formed(&dice(&cases(25))), 6 * 25);
        assert_eq!(values_of_well_formed(&dice(&cases(0))), 0);
    }
}
