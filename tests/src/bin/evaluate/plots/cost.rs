//! What packages cost against how well they segment: one mark a package, with the interval of its mean Dice.

use crate::plots::svg::{Anchor, Axis, INK, Mark, Panel, Shape, Svg};
use crate::summary::number;

const PANEL: (f64, f64) = (330.0, 280.0);
const LEFT: f64 = 64.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 52.0;

/// A package as it was measured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Package {
    /// Name, version, precision.
    pub(crate) name: String,
    /// Mean Dice over structures, phases and patients, and its interval.
    pub(crate) dice: [f64; 3],
    /// Multiplications and additions for each input slice, 10⁹.
    pub(crate) gmac_per_slice: Option<f64>,
    /// CPU time of the whole service for each slice, ms.
    pub(crate) cpu_ms_per_slice: Option<f64>,
}

/// The figure: by arithmetic on the left, by time on the right. A package whose cost is not known is left out there.
pub(crate) fn plot(packages: &[Package], title: &str) -> String {
    let (width, height) = PANEL;
    let mut svg = Svg::new(2.0 * (LEFT + width) + 20.0, TOP + height + BOTTOM, title);
    let y = Axis::around(
        packages.iter().flat_map(|package| package.dice),
        TOP + height,
        TOP,
    );
    type Cost = fn(&Package) -> Option<f64>;
    let panels: [(&str, Cost); 2] = [
        ("GMAC a slice", |package| package.gmac_per_slice),
        ("CPU time of the service a slice, ms", |package| {
            package.cpu_ms_per_slice
        }),
    ];
    for (index, (x_name, cost)) in panels.into_iter().enumerate() {
        let left = LEFT + index as f64 * (LEFT + width);
        let shown: Vec<(&Package, f64)> = packages
            .iter()
            .filter_map(|package| Some((package, cost(package)?)))
            .collect();
        // From nought, so that twice the distance is twice the cost.
        let most = shown.iter().map(|package| package.1).fold(0.0, f64::max);
        let most = if most > 0.0 { 1.25 * most } else { 1.0 };
        let panel = Panel {
            x: Axis::new(0.0, most, left, left + width),
            y,
        };
        panel.frame(
            &mut svg,
            if index == 0 { title } else { "" },
            x_name,
            "mean Dice",
        );
        for (package, cost) in shown {
            let [dice, low, high] = package.dice;
            let (x, y) = (panel.x.at(cost), panel.y.at(dice));
            if low.is_finite() && high.is_finite() {
                svg.line((x, panel.y.at(low)), (x, panel.y.at(high)), INK, false);
            }
            let mark = Mark {
                colour: "#0072b2",
                shape: Shape::Circle,
            };
            let hint = format!(
                "{}: {} at {}",
                package.name,
                number(dice, 3),
                number(cost, 2)
            );
            svg.mark((x, y), mark, &hint);
            // Words run towards the middle of the panel, where there is room.
            let (at, anchor) = if cost > most / 2.0 {
                (x - 8.0, Anchor::End)
            } else {
                (x + 8.0, Anchor::Start)
            };
            svg.text((at, y + 4.0), anchor, 10.0, &package.name);
        }
    }
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plots::svg::check::values_of_well_formed;

    #[test]
    fn a_package_is_a_mark_wherever_its_cost_is_known() {
        let package = Package {
            name: "net 1.0.0 <fp32>".to_owned(),
            dice: [0.92, 0.91, 0.93],
            gmac_per_slice: Some(1.1),
            cpu_ms_per_slice: Some(50.0),
        };
        let timed = Package {
            gmac_per_slice: None,
            ..package.clone()
        };
        assert_eq!(values_of_well_formed(&plot(&[package, timed], "Cost")), 3);
        assert_eq!(values_of_well_formed(&plot(&[], "Cost")), 0);
    }
}
