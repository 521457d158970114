//! The tables and figures of one package on one set of patients, as files: `results.json`, `results.md` and what they show.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use cinecor_measures::StructureAgreement;
use serde_json::{Map, Value, json};

use crate::cases::{Case, PHASES, QUANTITIES, STRUCTURES};
use crate::pictures::Pictured;
use crate::summary::{Errors, Figure, RESAMPLES, auroc, mean, number, rank_correlation};
use crate::{goals, plots, sunnybrook};

/// Mean Dice below which a segmentation counts as bad.
pub(crate) const BAD_DICE: f64 = 0.8;

/// Whose pictures and labels are shown, and under which terms.
pub(crate) const ACDC_NOTICE: &str = "Pictures of patients and their labels: ACDC (Automated Cardiac Diagnosis Challenge), © its authors, CC BY-NC-SA 4.0 \
    (https://creativecommons.org/licenses/by-nc-sa/4.0/), shown here with contours drawn over crops of them, under the same licence; not for commercial use. \
    O. Bernard et al., Deep Learning Techniques for Automatic MRI Cardiac Multi-Structures Segmentation and Diagnosis: Is the Problem Solved?, \
    IEEE Transactions on Medical Imaging 37(11):2514-2525, 2018, doi:10.1109/TMI.2018.2837502.";

/// Everything that was measured of one package on one set.
pub(crate) struct Run<'a> {
    /// `val`, `dev_test`, `train`.
    pub(crate) set: &'a str,
    /// The package that answered, and where.
    pub(crate) model: &'a Value,
    pub(crate) cases: &'a [Case],
    /// The other scanner; empty where its data are not there.
    pub(crate) cines: &'a [sunnybrook::Found],
    /// The package's card.
    pub(crate) card: &'a Value,
    pub(crate) cpu_ms_per_slice: Option<f64>,
    pub(crate) seconds: f64,
}

/// Name, version, precision of a model.
pub(crate) fn model_name(model: &Value) -> String {
    let text = |key: &str| model[key].as_str().unwrap_or("?");
    format!(
        "{} {}, {}",
        text("name"),
        text("version"),
        text("precision")
    )
}

impl Run<'_> {
    /// The mean over structures, phases and patients.
    fn mean_dice(&self) -> Figure {
        Figure::mean(&self.cases.iter().map(Case::mean_dice).collect::<Vec<_>>())
    }

    fn head(&self) -> String {
        let text = |key: &str| self.model[key].as_str().unwrap_or("?").to_owned();
        format!(
            "{} ({}) on {} {}; {:.0} s. Posted to the running service; Dice in three dimensions on the scanner's own grid, means over patients, and 95 % \
             intervals in brackets: percentile bootstrap over patients, {RESAMPLES} resamples.",
            model_name(self.model),
            text("digest").chars().take(12).collect::<String>(),
            text("engine"),
            text("device"),
            self.seconds,
        )
    }

    /// What a reader has to know of the set before the figures mean anything; empty for the test set.
    fn caution(&self) -> String {
        let name = format!("acdc-{}", self.set);
        let trained_on = self.card["training"]["data"]
            .as_array()
            .is_some_and(|data| data.iter().any(|data| data["set"] == name.as_str()));
        if trained_on {
            format!(
                "**The package was trained on {name}, says its card: these figures show that it learnt, not how well it does on others.**\n\n"
            )
        } else if self.set == "dev_test" {
            String::new()
        } else {
            format!(
                "Choices were made on {name}, so these figures flatter; the goals are about acdc-dev_test.\n\n"
            )
        }
    }

    fn gmac_per_slice(&self) -> Option<f64> {
        self.card["cost"]["gmac_per_slice"].as_f64()
    }

    /// The tables of agreement and errors.
    pub(crate) fn tables(&self) -> Result<String> {
        let mut text = format!(
            "# acdc-{}: {} patients\n\n{}\n\n{}",
            self.set,
            self.cases.len(),
            self.head(),
            self.caution()
        );
        text.push_str(&agreement_table(self.cases)?);
        writeln!(
            text,
            "\nMean Dice over structures, phases and patients: {}.\n",
            self.mean_dice().text(4)
        )?;
        text.push_str(&error_table(self.cases)?);
        Ok(text)
    }

    /// The tables that only a report has: groups, intervals, quality, the other scanner, cost, every patient.
    fn further_tables(&self) -> Result<String> {
        let mut text = String::new();
        writeln!(
            text,
            "\n## By pathology group\n\n{}",
            group_tables(self.cases)?
        )?;
        writeln!(
            text,
            "\n## Intervals of the service's own\n\n{}",
            coverage(self.cases)?.0
        )?;
        writeln!(text, "\n## Quality score\n\n{}", quality(self.cases)?.0)?;
        if !self.cines.is_empty() {
            writeln!(
                text,
                "\n## Another scanner\n\nTwo cines of Sunnybrook (GE, CC0 1.0; Radau et al., MIDAS Journal 2009), never trained on, the whole beat posted; EF by the experts' polygons.\n\n{}",
                sunnybrook::table(self.cines)?
            )?;
        }
        let cost = |value: Option<f64>, decimals| {
            value.map_or("not known".to_owned(), |value| number(value, decimals))
        };
        writeln!(
            text,
            "\n## Cost\n\n{} GMAC a slice, by the package's card; {} ms of CPU time a slice, the whole service from HTTP in to mask out, measured over this run.\n",
            cost(self.gmac_per_slice(), 2),
            cost(self.cpu_ms_per_slice, 1)
        )?;
        writeln!(text, "\n## Every patient\n\n{}", patient_table(self.cases)?)?;
        Ok(text)
    }

    /// All figures as JSON. `value` of Dice stands under `mean`.
    pub(crate) fn json(&self) -> Result<Value> {
        let (mut dice, mut hausdorff, mut hd95) = (Map::new(), Map::new(), Map::new());
        for (index, structure) in STRUCTURES.iter().enumerate() {
            let both = |of: fn(&StructureAgreement) -> Option<f64>| {
                let [ed, es] =
                    [0, 1].map(|phase| agreement(self.cases, index, phase, of).json("mean"));
                json!({"ed": ed, "es": es})
            };
            let name = structure.name().to_owned();
            dice.insert(name.clone(), both(|found| found.dice));
            hausdorff.insert(name.clone(), both(|found| found.hausdorff_mm));
            hd95.insert(name, both(|found| found.hd95_mm));
        }
        let mean_dice = self.mean_dice();
        Ok(json!({
            "set": format!("acdc-{}", self.set),
            "patients": self.cases.len(),
            "model": self.model,
            "method": format!("posted to the running service; percentile bootstrap over patients, {RESAMPLES} resamples, 95 %"),
            "dice": dice,
            "dice_mean": mean_dice.value,
            "dice_mean_interval": {"low": mean_dice.low, "high": mean_dice.high},
            "hausdorff_mm": hausdorff,
            "hd95_mm": hd95,
            "errors": errors_json(self.cases),
            "groups": groups(self.cases).into_iter().map(|(group, members)| json!({
                "group": group,
                "patients": members.len(),
                "dice_mean": Figure::mean(&members.iter().map(Case::mean_dice).collect::<Vec<_>>()).json("mean"),
                "errors": errors_json(&members),
            })).collect::<Vec<_>>(),
            "interval_coverage": coverage(self.cases)?.1,
            "quality": quality(self.cases)?.1,
            "other_scanner": self.cines.iter().map(sunnybrook::Found::json).collect::<Vec<_>>(),
            "goals": goals::table(self.cases, self.cines)?.1,
            "cost": {"gmac_per_slice": self.gmac_per_slice(), "cpu_ms_per_slice": self.cpu_ms_per_slice},
            "cases": self.cases.iter().map(Case::json).collect::<Vec<_>>(),
        }))
    }

    /// Writes the whole report into a folder.
    pub(crate) fn write(&self, folder: &Path, pictures: &[Pictured]) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        let file = |name: &str, content: &[u8]| {
            std::fs::write(folder.join(name), content).with_context(|| format!("writing {name}"))
        };
        let mut page = self.tables()?;
        writeln!(
            page,
            "\n## Goals\n\n{}",
            goals::table(self.cases, self.cines)?.0
        )?;
        page.push_str(
            "\n## Figures\n\nOne mark a patient, its colour and shape the pathology group; a pointer that rests on a mark is told the case.\n\n\
             ![Bland-Altman plots of ejection fractions, volume and mass](bland-altman.svg)\n\nSolid: bias, with its 95 % interval in grey. Dashed: limits of agreement.\n\n\
             ![Service against experts](correlation.svg)\n\nDashed: equality.\n\n\
             ![Dice by structure, phase and pathology group](dice.svg)\n\nBox: quartiles and median. Whiskers: the furthest patient within one and a half boxes.\n",
        );
        if !pictures.is_empty() {
            writeln!(
                page,
                "\n## Best, median and worst\n\nOf each patient the most basal, the middle and the most apical slice that the experts labelled, at end-diastole (left three) and end-systole (right three). \
                Above: the service's contours, as it draws them. Below: the experts'. Right ventricle blue, myocardium yellow, left ventricle red.\n"
            )?;
            for picture in pictures {
                writeln!(
                    page,
                    "**{}**: {}\n\n![{0}]({})\n",
                    picture.title, picture.caption, picture.file
                )?;
                file(&picture.file, &picture.png)?;
            }
            writeln!(page, "{ACDC_NOTICE}")?;
        }
        page.push_str(&self.further_tables()?);
        file(
            "bland-altman.svg",
            plots::agreement::bland_altman(self.cases).as_bytes(),
        )?;
        file(
            "correlation.svg",
            plots::agreement::correlation(self.cases).as_bytes(),
        )?;
        file("dice.svg", plots::boxes::dice(self.cases).as_bytes())?;
        file(
            "results.json",
            (serde_json::to_string(&self.json()?)? + "\n").as_bytes(),
        )?;
        file("results.md", page.as_bytes())
    }
}

/// The mean of something of a structure in a phase.
fn agreement(
    cases: &[Case],
    structure: usize,
    phase: usize,
    of: fn(&StructureAgreement) -> Option<f64>,
) -> Figure {
    let values: Vec<f64> = cases
        .iter()
        .filter_map(|case| of(case.agreement(structure, phase)?))
        .collect();
    Figure::mean(&values)
}

fn agreement_table(cases: &[Case]) -> Result<String> {
    let mut table =
        "| structure | phase | Dice | Hausdorff distance, mm | HD95, mm |\n|---|---|---|---|---|\n"
            .to_owned();
    for (index, structure) in STRUCTURES.iter().enumerate() {
        for (phase, name) in PHASES.iter().enumerate() {
            writeln!(
                table,
                "| {} | {name} | {} | {} | {} |",
                structure.name().replace('_', " "),
                agreement(cases, index, phase, |found| found.dice).text(3),
                agreement(cases, index, phase, |found| found.hausdorff_mm).text(1),
                agreement(cases, index, phase, |found| found.hd95_mm).text(1),
            )?;
        }
    }
    Ok(table)
}

fn error_table(cases: &[Case]) -> Result<String> {
    let mut table = "| quantity | bias | SD | r | limits of agreement | patients |\n|---|---|---|---|---|---|\n".to_owned();
    for (index, quantity) in QUANTITIES.iter().enumerate() {
        let pairs = goals::pairs(cases, index);
        let errors = Errors::of(&pairs);
        writeln!(
            table,
            "| {}, {} | {} | {} | {} | {} to {} | {} |",
            quantity.name,
            quantity.unit,
            errors.bias.text(2),
            errors.sd.text(2),
            errors.r.text(4),
            number(errors.lower.value, 1),
            number(errors.upper.value, 1),
            pairs.len(),
        )?;
    }
    Ok(table)
}

fn errors_json(cases: &[Case]) -> Vec<Value> {
    let all = QUANTITIES.iter().enumerate();
    all.map(|(index, quantity)| {
        let pairs = goals::pairs(cases, index);
        let errors = Errors::of(&pairs);
        json!({
            "quantity": quantity.name,
            "unit": quantity.unit,
            "bias": errors.bias.json("mean"),
            "sd": errors.sd.json("value"),
            "r": errors.r.value,
            "r_interval": {"low": errors.r.low, "high": errors.r.high},
            "limits_of_agreement": {"low": errors.lower.value, "high": errors.upper.value},
            "patients": pairs.len(),
        })
    })
    .collect()
}

/// The groups in the order of the alphabet, each with its patients.
fn groups(cases: &[Case]) -> Vec<(String, Vec<Case>)> {
    let names: BTreeSet<&str> = cases.iter().map(|case| case.group.as_str()).collect();
    names
        .into_iter()
        .map(|name| {
            let members = cases.iter().filter(|case| case.group == name);
            (name.to_owned(), members.cloned().collect())
        })
        .collect()
}

fn group_tables(cases: &[Case]) -> Result<String> {
    let mut text = "NOR healthy, DCM dilated and HCM hypertrophic cardiomyopathy, MINF after infarction, RV abnormal right ventricle.\n\n| group | patients | mean Dice |".to_owned();
    let each = || {
        (0..STRUCTURES.len())
            .flat_map(|structure| (0..PHASES.len()).map(move |phase| (structure, phase)))
    };
    for (structure, phase) in each() {
        let label = STRUCTURES.get(structure).map_or("?", |label| label.name());
        write!(
            text,
            " {}, {} |",
            label.replace('_', " "),
            PHASES.get(phase).unwrap_or(&"?")
        )?;
    }
    writeln!(text, "\n|---|---|---|{}", "---|".repeat(each().count()))?;
    let groups = groups(cases);
    for (name, members) in &groups {
        let dice: Vec<f64> = members.iter().map(Case::mean_dice).collect();
        write!(
            text,
            "| {name} | {} | {} |",
            members.len(),
            Figure::mean(&dice).text(3)
        )?;
        for (structure, phase) in each() {
            write!(
                text,
                " {} |",
                agreement(members, structure, phase, |found| found.dice).text(3)
            )?;
        }
        text.push('\n');
    }
    writeln!(text, "\nErrors, bias and SD (r) each with its interval:\n")?;
    write!(text, "| quantity |")?;
    for (name, _) in &groups {
        write!(text, " {name} |")?;
    }
    writeln!(text, "\n|---|{}", "---|".repeat(groups.len()))?;
    for (index, quantity) in QUANTITIES.iter().enumerate() {
        write!(text, "| {}, {} |", quantity.name, quantity.unit)?;
        for (_, members) in &groups {
            let errors = Errors::of(&goals::pairs(members, index));
            write!(
                text,
                " {}; SD {}; r {} |",
                errors.bias.text(1),
                errors.sd.text(1),
                errors.r.text(2)
            )?;
        }
        text.push('\n');
    }
    Ok(text)
}

/// How often the service's own intervals hold the experts' value, as a table and as JSON.
fn coverage(cases: &[Case]) -> Result<(String, Value)> {
    // (held, intervals) of one patient; the figure is held over intervals, so that pooling keeps a patient's quantities together.
    type Held = (f64, f64);
    let share = |held: &[Held]| {
        let (held, all) = held
            .iter()
            .fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        held / all
    };
    let held = |case: &Case, index: usize| -> Option<(Held, f64, f64)> {
        let measured = case.quantities.get(index)?;
        let interval = measured.interval?;
        let inside = (interval.low..=interval.high).contains(&measured.reference);
        Some((
            (f64::from(u8::from(inside)), 1.0),
            interval.high - interval.low,
            interval.level,
        ))
    };
    let mut pooled: Vec<Held> = vec![(0.0, 0.0); cases.len()];
    let mut rows = String::new();
    let mut list = Vec::new();
    let mut levels = BTreeSet::new();
    for (index, quantity) in QUANTITIES.iter().enumerate() {
        let mut own = Vec::new();
        let mut widths = Vec::new();
        for (case, sum) in cases.iter().zip(&mut pooled) {
            if let Some((one, width, level)) = held(case, index) {
                own.push(one);
                widths.push(width);
                *sum = (sum.0 + one.0, sum.1 + one.1);
                levels.insert(number(100.0 * level, 0));
            }
        }
        if own.is_empty() {
            continue;
        }
        let figure = Figure::of(&own, share);
        writeln!(
            rows,
            "| {}, {} | {} | {} | {} |",
            quantity.name,
            quantity.unit,
            figure.text(2),
            number(mean(&widths), 1),
            own.len()
        )?;
        let mut entry = figure.json("covered");
        entry["quantity"] = json!(quantity.name);
        entry["mean_width"] = json!(mean(&widths));
        list.push(entry);
    }
    if list.is_empty() {
        return Ok(("The answers held no intervals.\n".to_owned(), Value::Null));
    }
    let figure = Figure::of(&pooled, share);
    let levels: Vec<String> = levels.into_iter().collect();
    let text = format!(
        "How often an interval of the answer, nominally {} %, holds the experts' value.\n\n| quantity | share that holds it | mean width | patients |\n|---|---|---|---|\n{rows}| all together | {} | | {} |\n",
        levels.join(", "),
        figure.text(2),
        cases.len()
    );
    let mut whole = figure.json("pooled");
    whole["quantities"] = list.into();
    Ok((text, whole))
}

/// How the service's score and verdict go with Dice, as text and as JSON.
fn quality(cases: &[Case]) -> Result<(String, Value)> {
    let mut text = String::new();
    for verdict in ["pass", "review", "reject"] {
        let of: Vec<f64> = cases
            .iter()
            .filter(|case| case.quality.verdict == verdict)
            .map(Case::mean_dice)
            .collect();
        if !of.is_empty() {
            writeln!(
                text,
                "- `{verdict}`: {} patients, mean Dice {}",
                of.len(),
                Figure::mean(&of).text(3)
            )?;
        }
    }
    let scored: Vec<(f64, f64)> = cases
        .iter()
        .filter_map(|case| Some((case.quality.score?, case.mean_dice())))
        .collect();
    let bad = cases
        .iter()
        .filter(|case| case.mean_dice() < BAD_DICE)
        .count();
    if scored.is_empty() {
        writeln!(
            text,
            "\nThe answers held no score. Patients with a mean Dice below {BAD_DICE}: {bad}."
        )?;
        return Ok((text, Value::Null));
    }
    let rank = Figure::of(&scored, rank_correlation);
    let area = Figure::of(&scored, area_of);
    let area_text = if area.value.is_finite() {
        format!("area under the ROC curve {}", area.text(3))
    } else {
        "so there is no ROC curve here; the degraded volumes of the robustness table have one"
            .to_owned()
    };
    writeln!(
        text,
        "\nRank correlation of score and mean Dice {}. Patients with a mean Dice below {BAD_DICE}: {bad}, {area_text}.",
        rank.text(2)
    )?;
    Ok((
        text,
        json!({"rank_correlation": rank.json("value"), "auroc": area.json("value"), "patients_below": bad}),
    ))
}

/// The area under the ROC curve of (score, mean Dice).
pub(crate) fn area_of(scored: &[(f64, f64)]) -> f64 {
    let cases: Vec<(f64, bool)> = scored
        .iter()
        .map(|&(score, dice)| (score, dice < BAD_DICE))
        .collect();
    auroc(&cases)
}

fn patient_table(cases: &[Case]) -> Result<String> {
    let mut table = "From the worst to the best by mean Dice.\n\n| case | group | mean Dice | LV ED | LV ES | myocardium ED | myocardium ES | RV ED | RV ES | LV EF (experts') | RV EF (experts') | verdict | score |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n".to_owned();
    let mut sorted: Vec<&Case> = cases.iter().collect();
    sorted.sort_by(|a, b| a.mean_dice().total_cmp(&b.mean_dice()));
    let value = |value: Option<f64>, decimals| {
        value.map_or("–".to_owned(), |value| number(value, decimals))
    };
    for case in sorted {
        write!(
            table,
            "| {} | {} | {} |",
            case.number(),
            case.group,
            number(case.mean_dice(), 3)
        )?;
        for structure in 0..STRUCTURES.len() {
            for phase in 0..PHASES.len() {
                let dice = case
                    .agreement(structure, phase)
                    .and_then(|found| found.dice);
                write!(table, " {} |", value(dice, 3))?;
            }
        }
        for measured in case.quantities.iter().take(2) {
            write!(
                table,
                " {} ({}) |",
                value(measured.found, 1),
                number(measured.reference, 1)
            )?;
        }
        writeln!(
            table,
            " {} | {} |",
            case.quality.verdict,
            value(case.quality.score, 2)
        )?;
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::fixture::cases;

    static CARD: std::sync::LazyLock<Value> = std::sync::LazyLock::new(
        || json!({"cost": {"gmac_per_slice": 1.1}, "training": {"data": [{"set": "acdc-train"}]}}),
    );

    #[test]
    fn a_package_that_was_trained_on_the_set_is_called_so() {
        let model = json!({});
        let mut run = run(&[], &model);
        assert!(run.caution().contains("flatter"));
        run.set = "train";
        assert!(run.caution().contains("was trained on acdc-train"));
        run.set = "dev_test";
        assert_eq!(
            (run.caution(), run.gmac_per_slice()),
            (String::new(), Some(1.1))
        );
    }

    fn run<'a>(cases: &'a [Case], model: &'a Value) -> Run<'a> {
        Run {
            set: "val",
            model,
            cases,
            cines: &[],
            card: &CARD,
            cpu_ms_per_slice: None,
            seconds: 1.0,
        }
    }

    #[test]
    fn intervals_of_a_case_worked_by_hand_hold_two_of_three() {
        // The errors are −1, 0, 1 in turn, and the interval from −0.5 to +2 about the found value misses where it is 1 too large.
        let (text, figures) = coverage(&cases(6)).unwrap();
        let pooled = figures["pooled"].as_f64().unwrap();
        assert!((pooled - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(
            figures["quantities"].as_array().unwrap().len(),
            QUANTITIES.len()
        );
        assert_eq!(figures["quantities"][0]["mean_width"], 2.5);
        assert!(text.contains("nominally 90 %"));
    }

    #[test]
    fn answers_without_intervals_and_scores_say_so() {
        let mut cases = cases(3);
        for case in &mut cases {
            case.quality.score = None;
            for measured in &mut case.quantities {
                measured.interval = None;
            }
        }
        assert!(coverage(&cases).unwrap().0.contains("no intervals"));
        assert!(quality(&cases).unwrap().0.contains("no score"));
    }

    #[test]
    fn a_score_that_falls_with_dice_tells_bad_from_good() {
        // Dice .955 to .715 by .01; the fixture's score is its Dice.
        let figures = quality(&cases(25)).unwrap().1;
        assert_eq!(figures["auroc"]["value"], 1.0);
        assert_eq!(figures["rank_correlation"]["value"], 1.0);
        assert_eq!(figures["patients_below"], 9);
    }

    #[test]
    fn a_report_holds_every_file_and_the_licence_of_its_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let (cases, model) = (
            cases(10),
            json!({"name": "net", "version": "1.0.0", "digest": "0123456789abcdef"}),
        );
        let picture = Pictured {
            title: "Worst".to_owned(),
            caption: "case 10".to_owned(),
            file: "worst.png".to_owned(),
            png: vec![1, 2, 3],
        };
        run(&cases, &model)
            .write(folder.path(), &[picture])
            .unwrap();
        let page = std::fs::read_to_string(folder.path().join("results.md")).unwrap();
        for file in [
            "bland-altman.svg",
            "correlation.svg",
            "dice.svg",
            "worst.png",
        ] {
            assert!(
                folder.path().join(file).is_file() && page.contains(&format!("({file})")),
                "{file}"
            );
        }
        assert!(page.contains("CC BY-NC-SA 4.0") && page.contains("doi:10.1109/TMI.2018.2837502"));
        // Every table has as many cells in each line as in its head.
        for table in page.split("\n\n").filter(|part| part.starts_with("| ")) {
            let counts: BTreeSet<usize> = table
                .lines()
                .map(|line| line.matches('|').count())
                .collect();
            assert_eq!(counts.len(), 1, "{table}");
        }
        let figures: Value =
            serde_json::from_slice(&std::fs::read(folder.path().join("results.json")).unwrap())
                .unwrap();
        assert_eq!(figures["cases"].as_array().unwrap().len(), 10);
        assert_eq!(figures["errors"][0]["patients"], 10);
    }

    #[test]
    fn a_report_without_pictures_shows_none() {
        let folder = tempfile::tempdir().unwrap();
        let (cases, model) = (cases(2), json!({}));
        run(&cases, &model).write(folder.path(), &[]).unwrap();
        let page = std::fs::read_to_string(folder.path().join("results.md")).unwrap();
        assert!(!page.contains(".png"));
    }
}
