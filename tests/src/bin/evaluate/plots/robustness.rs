//! Mean Dice of every degradation: a mark for the mean, a line from the worst patient to the best, and how many of the bad ones were rejected.

use crate::plots::svg::{Anchor, Axis, FAINT, INK, Mark, Panel, Shape, Svg};
use crate::summary::number;

const ROW: f64 = 17.0;
const NAMES: f64 = 290.0;
const PANEL: f64 = 420.0;
const WORDS: f64 = 150.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 40.0;

/// One degradation.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What was done.
    pub(crate) name: String,
    /// Mean Dice of each patient.
    pub(crate) dice: Vec<f64>,
    /// Of the patients below the limit: how many there are, how many were rejected, and how many passed.
    pub(crate) bad: usize,
    pub(crate) rejected: usize,
    pub(crate) silent: usize,
}

/// The figure; the first row is what the others are held against.
pub(crate) fn plot(rows: &[Row], limit: f64) -> String {
    let height = TOP + ROW * rows.len() as f64 + BOTTOM;
    let mut svg = Svg::new(
        NAMES + PANEL + WORDS,
        height,
        "Mean Dice against degradations of the volume",
    );
    let panel = Panel {
        x: Axis::new(0.0, 1.0, NAMES, NAMES + PANEL),
        y: Axis::new(0.0, 1.0, height - BOTTOM, TOP),
    };
    let (bottom, top) = panel.ends();
    for tenth in 0..=10 {
        let x = panel.x.at(f64::from(tenth) / 10.0);
        svg.line((x, top), (x, bottom), FAINT, false);
        svg.text(
            (x, bottom + 14.0),
            Anchor::Middle,
            10.0,
            &number(f64::from(tenth) / 10.0, 1),
        );
    }
    svg.text(
        ((NAMES + PANEL / 2.0), bottom + 30.0),
        Anchor::Middle,
        11.0,
        "mean Dice over structures and phases: mean of the patients, worst to best",
    );
    svg.text(
        (NAMES + PANEL + 10.0, TOP - 10.0),
        Anchor::Start,
        10.0,
        &format!("rejected of those below {}", number(limit, 1)),
    );
    let mut lines = vec![(limit, "#d55e00")];
    if let Some(first) = rows.first().filter(|row| !row.dice.is_empty()) {
        lines.push((crate::summary::mean(&first.dice), INK));
    }
    for (value, colour) in lines {
        svg.line(
            (panel.x.at(value), top),
            (panel.x.at(value), bottom),
            colour,
            true,
        );
    }
    for (index, row) in rows.iter().enumerate() {
        let y = TOP + ROW * (index as f64 + 0.5);
        svg.text((NAMES - 8.0, y + 3.5), Anchor::End, 10.5, &row.name);
        if !row.dice.is_empty() {
            let ends = row
                .dice
                .iter()
                .fold((1.0_f64, 0.0_f64), |(low, high), &dice| {
                    (low.min(dice), high.max(dice))
                });
            svg.line((panel.x.at(ends.0), y), (panel.x.at(ends.1), y), INK, false);
            let mean = crate::summary::mean(&row.dice);
            let silent = row.silent > 0;
            let mark = Mark {
                colour: if silent { "#d55e00" } else { "#0072b2" },
                shape: if silent {
                    Shape::Diamond
                } else {
                    Shape::Circle
                },
            };
            svg.mark(
                (panel.x.at(mean), y),
                mark,
                &format!("{}: {}", row.name, number(mean, 3)),
            );
        }
        if row.bad > 0 {
            svg.text(
                (NAMES + PANEL + 10.0, y + 3.5),
                Anchor::Start,
                10.5,
                &format!("{} of {}", row.rejected, row.bad),
            );
        }
    }
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plots::svg::check::values_of_well_formed;

    #[test]
    fn every_degradation_with_a_dice_is_a_mark() {
        let row = |dice: &[f64], bad| Row {
            name: "blur > 2 mm".to_owned(),
            dice: dice.to_vec(),
            bad,
            rejected: 0,
            silent: 0,
        };
        let figure = plot(&[row(&[0.9, 0.8], 0), row(&[0.5], 1), row(&[], 0)], 0.8);
        assert_eq!(values_of_well_formed(&figure), 2);
        assert_eq!(figure.matches("0 of 1").count(), 1);
    }
}
