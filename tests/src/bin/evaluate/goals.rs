//! What the models are to reach, and whether they do. The goals of Dice are the best published on the ACDC test set and a step beyond.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::{Value, json};

use crate::cases::{Case, PHASES, QUANTITIES, STRUCTURES};
use crate::summary::{Errors, Figure, Pair, number};
use crate::sunnybrook;

/// Dice of each structure in each phase: goal and stretch goal, in the order of [`STRUCTURES`] and [`PHASES`].
const DICE: [[(f64, f64); 2]; 3] = [
    [(0.967, 0.970), (0.928, 0.935)],
    [(0.904, 0.908), (0.923, 0.925)],
    [(0.946, 0.950), (0.899, 0.905)],
];

/// The largest mean Hausdorff distance of each structure in each phase, mm.
const HAUSDORFF_MM: [[f64; 2]; 3] = [[6.0, 7.5], [7.5, 8.0], [10.0, 12.0]];

/// How well two labellings of one patient agree: the means over the two patients that are in ACDC twice (patient074 = patient076,
/// patient055 = patient118), in the order of [`STRUCTURES`] and [`PHASES`].
const LABELLED_TWICE: [[f64; 2]; 3] = [[0.975, 0.9615], [0.9305, 0.935], [0.9655, 0.872]];

/// What is asked of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// Either sign.
    Within(f64),
    Below(f64),
}

impl Target {
    fn holds(self, value: f64) -> bool {
        match self {
            Target::AtLeast(goal) => value >= goal,
            Target::AtMost(goal) => value <= goal,
            Target::Within(goal) => value.abs() <= goal,
            Target::Below(goal) => value < goal,
        }
    }

    /// By how much a value misses it; 0 where it does not.
    fn missed_by(self, value: f64) -> f64 {
        match self {
            _ if self.holds(value) => 0.0,
            Target::AtLeast(goal) => goal - value,
            Target::AtMost(goal) | Target::Below(goal) => value - goal,
            Target::Within(goal) => value.abs() - goal,
        }
    }

    fn text(self, decimals: usize) -> String {
        let (sign, goal) = match self {
            Target::AtLeast(goal) => ("≥ ", goal),
            Target::AtMost(goal) => ("≤ ", goal),
            Target::Within(goal) => ("within ±", goal),
            Target::Below(goal) => ("< ", goal),
        };
        format!("{sign}{}", number(goal, decimals))
    }
}

/// What came of a goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Met,
    /// The value misses it and the interval holds it; counts as met where the goal is about a bias or a deviation.
    WithinInterval,
    NotMet,
    /// There was nothing to measure it on.
    Unknown,
}

/// One goal beside what was measured.
struct Goal {
    what: String,
    target: Target,
    stretch: Option<f64>,
    measured: Figure,
    decimals: usize,
    /// Whether the interval decides: a bias or a deviation of a few patients is known too badly to be held to its value.
    by_interval: bool,
    /// Agreement of two labellings.
    ceiling: Option<f64>,
}

impl Goal {
    fn outcome(&self) -> Outcome {
        let Figure { value, low, high } = self.measured;
        if !value.is_finite() {
            return Outcome::Unknown;
        }
        if self.target.holds(value) {
            return Outcome::Met;
        }
        if !(low.is_finite() && high.is_finite()) {
            return Outcome::NotMet;
        }
        // Every target is one-sided or lies around nought: when an end of the interval or nought inside it holds, some of the interval does.
        let inside = [low, high, 0.0_f64.max(low).min(high)];
        if inside.into_iter().any(|value| self.target.holds(value)) {
            return Outcome::WithinInterval;
        }
        Outcome::NotMet
    }

    fn met(&self) -> bool {
        match self.outcome() {
            Outcome::Met => true,
            Outcome::WithinInterval => self.by_interval,
            Outcome::NotMet | Outcome::Unknown => false,
        }
    }

    /// The verdict in words.
    fn verdict(&self) -> String {
        let missed_by = self.target.missed_by(self.measured.value);
        // A near miss is not told as none at all.
        let decimals = (self.decimals..9)
            .find(|&decimals| missed_by >= 0.5 * 0.1_f64.powf(decimals as f64))
            .unwrap_or(self.decimals);
        let missed = number(missed_by, decimals);
        match self.outcome() {
            Outcome::Met => {
                let stretched = self
                    .stretch
                    .is_some_and(|stretch| self.measured.value >= stretch);
                if stretched {
                    "**met**, stretch goal too"
                } else {
                    "**met**"
                }
                .to_owned()
            }
            Outcome::WithinInterval if self.by_interval => {
                format!("**met** by its interval; the value is {missed} off")
            }
            Outcome::WithinInterval => {
                format!("not met, {missed} off; the goal lies in the interval")
            }
            Outcome::NotMet => format!("not met, {missed} off"),
            Outcome::Unknown => "not measured".to_owned(),
        }
    }
}

/// Every goal beside these patients and these cines.
fn goals(cases: &[Case], cines: &[sunnybrook::Found]) -> Vec<Goal> {
    let mut goals = Vec::new();
    let per_phase = |of: fn(&cinecor_measures::StructureAgreement) -> Option<f64>,
                     structure: usize,
                     phase: usize| {
        let values: Vec<f64> = cases
            .iter()
            .filter_map(|case| of(case.agreement(structure, phase)?))
            .collect();
        Figure::mean(&values)
    };
    let each = || {
        (0..STRUCTURES.len())
            .flat_map(|structure| (0..PHASES.len()).map(move |phase| (structure, phase)))
    };
    let name = |structure: usize, phase: usize| {
        let label = STRUCTURES.get(structure).map_or("?", |label| label.name());
        format!(
            "{}, {}",
            label.replace('_', " "),
            PHASES.get(phase).unwrap_or(&"?")
        )
    };
    for (structure, phase) in each() {
        let (goal, stretch) = DICE[structure][phase];
        goals.push(Goal {
            what: format!("Dice, {}", name(structure, phase)),
            target: Target::AtLeast(goal),
            stretch: Some(stretch),
            measured: per_phase(|found| found.dice, structure, phase),
            decimals: 3,
            by_interval: false,
            ceiling: Some(LABELLED_TWICE[structure][phase]),
        });
    }
    for (structure, phase) in each() {
        goals.push(Goal {
            what: format!("Hausdorff distance, {}, mm", name(structure, phase)),
            target: Target::AtMost(HAUSDORFF_MM[structure][phase]),
            stretch: None,
            measured: per_phase(|found| found.hausdorff_mm, structure, phase),
            decimals: 1,
            by_interval: false,
            ceiling: None,
        });
    }
    let errors = |wanted: &str| -> Errors {
        let index = QUANTITIES
            .iter()
            .position(|quantity| quantity.name == wanted);
        Errors::of(&pairs(cases, index.unwrap_or(usize::MAX)))
    };
    let (lv, rv) = (
        errors("left ventricular EF"),
        errors("right ventricular EF"),
    );
    let (lv_edv, mass) = (
        errors("left ventricular EDV"),
        errors("myocardial mass, ED"),
    );
    for (what, target, measured, decimals, by_interval) in [
        (
            "bias of left ventricular EF, points",
            Target::Within(0.5),
            lv.bias,
            2,
            true,
        ),
        (
            "SD of left ventricular EF, points",
            Target::Below(3.0),
            lv.sd,
            2,
            true,
        ),
        (
            "r of left ventricular EF",
            Target::AtLeast(0.99),
            lv.r,
            3,
            false,
        ),
        (
            "SD of right ventricular EF, points",
            Target::Below(6.0),
            rv.sd,
            2,
            true,
        ),
        (
            "SD of left ventricular EDV, ml",
            Target::Below(6.0),
            lv_edv.sd,
            2,
            true,
        ),
        (
            "SD of myocardial mass at ED, g",
            Target::Below(8.0),
            mass.sd,
            2,
            true,
        ),
    ] {
        goals.push(Goal {
            what: what.to_owned(),
            target,
            stretch: None,
            measured,
            decimals,
            by_interval,
            ceiling: None,
        });
    }
    for cine in cines {
        // One cine has no interval.
        let single = |value: f64| Figure {
            value,
            low: f64::NAN,
            high: f64::NAN,
        };
        for ((phase, goal), dice) in PHASES.iter().zip([0.95, 0.93]).zip(cine.left_ventricle) {
            goals.push(Goal {
                what: format!(
                    "Dice, left ventricle, {phase}, other scanner, {}",
                    cine.name
                ),
                target: Target::AtLeast(goal),
                stretch: None,
                measured: single(dice.unwrap_or(f64::NAN)),
                decimals: 3,
                by_interval: false,
                ceiling: None,
            });
        }
        goals.push(Goal {
            what: format!("error of EF, other scanner, {}, points", cine.name),
            target: Target::Within(3.0),
            stretch: None,
            measured: single(cine.ef_error_points()),
            decimals: 1,
            by_interval: false,
            ceiling: None,
        });
    }
    goals
}

/// (reference, found) of a quantity where the service gave it.
pub(crate) fn pairs(cases: &[Case], quantity: usize) -> Vec<Pair> {
    cases
        .iter()
        .filter_map(|case| {
            let measured = case.quantities.get(quantity)?;
            Some((measured.reference, measured.found?))
        })
        .collect()
}

/// The goals as a table, and as they stand in the figures.
pub(crate) fn table(cases: &[Case], cines: &[sunnybrook::Found]) -> Result<(String, Value)> {
    let goals = goals(cases, cines);
    let met = goals.iter().filter(|goal| goal.met()).count();
    let known = goals
        .iter()
        .filter(|goal| goal.outcome() != Outcome::Unknown)
        .count();
    let mut table = format!(
        "{met} of {known} are met. A goal of Dice, distance or correlation is met when the measured value reaches it; one of a bias or an SD is met \
         when the value or some of its 95 % interval does. \"Labelled twice\" is how well two labellings of one patient agree, the mean of the two \
         patients that ACDC holds twice: what an honest model can reach, and no more.\n\n\
         | | goal | stretch | measured, 95 % interval | | labelled twice |\n|---|---|---|---|---|---|\n"
    );
    let mut list = Vec::new();
    for goal in &goals {
        let dash = || "–".to_owned();
        writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} |",
            goal.what,
            goal.target.text(goal.decimals),
            goal.stretch
                .map_or_else(dash, |stretch| number(stretch, goal.decimals)),
            goal.measured.text(goal.decimals),
            goal.verdict(),
            goal.ceiling
                .map_or_else(dash, |ceiling| number(ceiling, goal.decimals)),
        )?;
        let mut entry = goal.measured.json("measured");
        entry["goal"] = json!(goal.what);
        entry["target"] = json!(goal.target.text(goal.decimals));
        entry["met"] = json!(goal.met());
        list.push(entry);
    }
    Ok((table, list.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::fixture::cases;

    fn goal(target: Target, by_interval: bool, value: f64, low: f64, high: f64) -> Goal {
        Goal {
            what: "a figure".to_owned(),
            target,
            stretch: Some(0.97),
            measured: Figure { value, low, high },
            decimals: 3,
            by_interval,
            ceiling: None,
        }
    }

    #[test]
    fn a_bias_is_met_when_its_interval_holds_the_goal_and_a_dice_is_not() {
        let bias = goal(Target::Within(0.5), true, -0.8, -2.0, 0.4);
        assert_eq!(
            (bias.outcome(), bias.met()),
            (Outcome::WithinInterval, true)
        );
        // The interval reaches over nought from side to side: both ends miss, its inside does not.
        assert!(goal(Target::Within(0.5), true, 0.9, -1.0, 2.0).met());
        assert!(!goal(Target::Within(0.5), true, -1.5, -2.0, -0.6).met());
        assert!(goal(Target::Below(3.0), true, 3.4, 2.9, 4.0).met());
        assert!(!goal(Target::Below(3.0), true, 3.4, 3.1, 4.0).met());
        let dice = goal(Target::AtLeast(0.967), false, 0.965, 0.957, 0.971);
        assert_eq!(
            (dice.outcome(), dice.met()),
            (Outcome::WithinInterval, false)
        );
        assert!(
            dice.verdict().contains("not met, 0.002 off"),
            "{}",
            dice.verdict()
        );
    }

    #[test]
    fn a_goal_that_is_reached_says_whether_the_next_is_too() {
        assert_eq!(
            goal(Target::AtLeast(0.967), false, 0.968, 0.96, 0.97).verdict(),
            "**met**"
        );
        assert!(
            goal(Target::AtLeast(0.967), false, 0.971, 0.96, 0.98)
                .verdict()
                .contains("stretch")
        );
        assert_eq!(
            goal(Target::AtMost(6.0), false, f64::NAN, f64::NAN, f64::NAN).verdict(),
            "not measured"
        );
    }

    #[test]
    fn a_near_miss_is_not_told_as_none() {
        let near = goal(Target::AtLeast(0.967), false, 0.96696, 0.957, 0.971);
        assert!(
            near.verdict().starts_with("not met, 0.00004 off"),
            "{}",
            near.verdict()
        );
    }

    #[test]
    fn a_single_cine_that_misses_is_not_met() {
        let single = goal(Target::AtLeast(0.95), false, 0.91, f64::NAN, f64::NAN);
        assert_eq!((single.outcome(), single.met()), (Outcome::NotMet, false));
        assert_eq!(single.measured.text(3), "0.910");
    }

    #[test]
    fn the_table_has_a_line_for_every_goal() {
        let (table, list) = table(&cases(25), &[]).unwrap();
        assert_eq!(list.as_array().unwrap().len(), 6 + 6 + 6);
        assert_eq!(
            table.lines().filter(|line| line.starts_with("| ")).count(),
            18 + 1
        );
        // The mean Dice of the made-up patients is .835: no goal of Dice is met.
        assert!(
            list.as_array()
                .unwrap()
                .iter()
                .take(6)
                .all(|goal| goal["met"] == false)
        );
    }
}
