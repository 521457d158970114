//! What becomes of Dice, ejection fraction and verdict when a volume is degraded: every change of a fixed list is done to a few patients
//! in memory, posted, and compared with the experts' labels that were moved along. Besides: the other scanner, and volumes without a heart.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use cinecor_formats::{Limits, decode};
use cinecor_measures::compare;
use cinecor_volume::Label;
use ndarray::Axis;
use serde_json::{Value, json};

use crate::acdc;
use crate::cases::{PHASES, QUANTITIES, Quality, Reference, STRUCTURES};
use crate::degrade::{Beat, Blank, DEGRADATIONS, WITHOUT_HEART};
use crate::plots::robustness::{Row as Drawn, plot};
use crate::report::{BAD_DICE, area_of, model_name};
use crate::service::{Service, mask_of};
use crate::summary::{Figure, mean, number, quantile};
use crate::sunnybrook;

/// How many patients are degraded, evenly spread over the set in the order of their names.
const PATIENTS: usize = 8;

/// Dice of the bad that a score should tell from good: around the limit, where it is hard.
const HARD: std::ops::Range<f64> = 0.6..0.85;

/// One volume as it was posted.
#[derive(Clone, Debug)]
struct Posted {
    /// Of each structure and phase; none where neither mask has it or the experts drew none.
    dice: [[Option<f64>; 2]; 3],
    /// Found − the experts' of the whole heart, points: left and right ventricle.
    ef_error_points: [Option<f64>; 2],
    /// Volume that was drawn at end-diastole, all structures together, ml.
    drawn_ml: f64,
    quality: Quality,
    /// The problem's type where the service refused the volume.
    refused: Option<String>,
}

impl Posted {
    fn mean_dice(&self) -> Option<f64> {
        let dice: Vec<f64> = self.dice.iter().flatten().flatten().copied().collect();
        (!dice.is_empty()).then(|| mean(&dice))
    }

    /// Whether a reader is told not to use it.
    fn warned(&self) -> bool {
        self.refused.is_some() || self.quality.rejects()
    }

    fn is_bad(&self) -> bool {
        self.refused.is_none() && self.mean_dice().is_some_and(|dice| dice < BAD_DICE)
    }

    fn json(&self) -> Value {
        json!({
            "mean_dice": self.mean_dice(),
            "dice": self.dice,
            "ef_error_points": self.ef_error_points,
            "drawn_ml": self.drawn_ml,
            "quality": self.quality.json(),
            "refused": self.refused,
        })
    }
}

/// A line of the table.
#[derive(Clone, Debug)]
struct Row {
    name: String,
    posted: Vec<Posted>,
}

/// Posts a volume and compares what comes; `labels` are the experts' of both phases, `ef_percent` those of the whole heart.
fn post(
    service: &mut Service,
    file: &[u8],
    expected: Option<(&Beat, [Option<f64>; 2])>,
) -> Result<Posted> {
    let answer = service.try_segment(file)?;
    let mut posted = Posted {
        dice: [[None; 2]; 3],
        ef_error_points: [None; 2],
        drawn_ml: 0.0,
        quality: Quality::of(&Value::Null),
        refused: None,
    };
    if answer.status != 200 {
        ensure!(
            answer.status < 500,
            "status {}: {}",
            answer.status,
            answer.text()
        );
        posted.refused = Some(answer.problem()?);
        return Ok(posted);
    }
    let answer = answer.json()?;
    service.note_model(&answer)?;
    posted.quality = Quality::of(&answer["metrics"]);
    let mask = mask_of(&answer)?;
    let first = mask.labels.index_axis(Axis(0), 0);
    let drawn = first
        .iter()
        .filter(|&&code| code != Label::Background.code());
    posted.drawn_ml = drawn.count() as f64 * mask.geometry.spacing.voxel_ml();
    let Some((beat, ef_percent)) = expected else {
        return Ok(posted);
    };
    for (phase, labels) in beat.labels.iter().enumerate() {
        let reference = labels.view().insert_axis(Axis(0));
        let found = mask.labels.slice_axis(Axis(0), (phase..phase + 1).into());
        let agreement = compare(reference, found, &beat.spacing)?;
        let structures = [
            agreement.left_ventricle,
            agreement.myocardium,
            agreement.right_ventricle,
        ];
        for ((of, label), found) in posted.dice.iter_mut().zip(STRUCTURES).zip(structures) {
            // Where the experts drew nothing there is nothing to agree with.
            if labels.iter().any(|&code| code == label.code())
                && let Some(slot) = of.get_mut(phase)
            {
                *slot = found.dice;
            }
        }
    }
    let ventricles = ["left_ventricle", "right_ventricle"];
    for ((slot, ventricle), expected) in posted
        .ef_error_points
        .iter_mut()
        .zip(ventricles)
        .zip(ef_percent)
    {
        let found = answer["metrics"][ventricle]["ef_percent"].as_f64();
        *slot = found
            .zip(expected)
            .map(|(found, expected)| found - expected);
    }
    Ok(posted)
}

/// The volume and labels of a patient.
fn beat_of(patient: &acdc::Patient) -> Result<(Beat, [Option<f64>; 2])> {
    let reference = Reference::of(patient)?;
    let image = |file: &[u8]| -> Result<_> {
        let volume = decode(file, Limits::default())?.volume;
        Ok(volume.intensities.index_axis(Axis(0), 0).to_owned())
    };
    let images = [image(&patient.ed.image)?, image(&patient.es.image)?];
    let [left, right, ..] = reference.values();
    // The table's order.
    debug_assert!(
        QUANTITIES
            .first()
            .is_some_and(|quantity| quantity.name == "left ventricular EF")
    );
    let spacing = reference.masks[0].geometry.spacing;
    let labels = reference
        .masks
        .each_ref()
        .map(|mask| mask.labels.index_axis(Axis(0), 0).to_owned());
    let beat = Beat {
        images,
        labels,
        spacing,
    };
    Ok((beat, [Some(left), Some(right)]))
}

/// The labelled frames of a cine of the other scanner.
fn other_scanner(cine: &sunnybrook::Cine) -> Result<(Beat, [Option<f64>; 2])> {
    let volume = decode(&cine.volume()?, Limits::default())?.volume;
    let mut labels = [cine.labels(0)?, cine.labels(1)?]
        .map(|mask| mask.labels.index_axis(Axis(0), 0).to_owned());
    if !cine.has_wall {
        for labels in &mut labels {
            labels.mapv_inplace(|code| {
                if code == Label::LeftVentricle.code() {
                    code
                } else {
                    0
                }
            });
        }
    }
    let frame = |frame: usize| -> Result<_> {
        ensure!(
            frame <= volume.intensities.len_of(Axis(0)),
            "the cine has no frame {frame}"
        );
        Ok(volume.intensities.index_axis(Axis(0), frame - 1).to_owned())
    };
    let [ed, es] = cine.frames;
    let beat = Beat {
        images: [frame(ed)?, frame(es)?],
        labels,
        spacing: volume.geometry.spacing,
    };
    Ok((beat, [Some(cine.ef_percent), None]))
}

/// Degrades, posts and compares, and writes `robustness.md`, `robustness.json` and `robustness.svg`.
///
/// # Errors
/// The service failed, or the data are not there.
pub(crate) fn evaluate(
    service: &mut Service,
    set: &str,
    patients: &[acdc::Patient],
    folder: &Path,
) -> Result<()> {
    let chosen = spread(patients);
    let mut beats = Vec::new();
    for patient in &chosen {
        beats.push(beat_of(patient).with_context(|| patient.name.clone())?);
    }
    let mut rows = Vec::new();
    for degradation in &DEGRADATIONS {
        eprintln!("{}", degradation.name);
        rows.push(degraded(
            service,
            degradation.name,
            &beats,
            |beat, seed| beat.changed(degradation.change, seed),
        )?);
    }
    eprintln!("the other scanner");
    let mut cines = Vec::new();
    for cine in &sunnybrook::CINES {
        cines.push(other_scanner(cine).with_context(|| cine.name)?);
    }
    rows.push(degraded(
        service,
        "another scanner (2 cines)",
        &cines,
        |beat, _| beat.clone(),
    )?);
    let mut empty = Vec::new();
    eprintln!("no heart");
    let mut cut_out = Row {
        name: format!("a patient with {}", WITHOUT_HEART.name),
        posted: Vec::new(),
    };
    for (seed, (beat, _)) in (1..).zip(&beats) {
        let file = beat.changed(WITHOUT_HEART.change, seed).file()?;
        cut_out.posted.push(post(service, &file, None)?);
    }
    empty.push(cut_out);
    for (blank, name) in Blank::ALL {
        empty.push(Row {
            name: name.to_owned(),
            posted: vec![post(service, &blank.file(1)?, None)?],
        });
    }
    let model = service.model().clone();
    let page = page(set, &model, chosen.len(), &rows, &empty)?;
    println!("{page}");
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("robustness.md"), &page)?;
    let drawn: Vec<Drawn> = rows.iter().map(drawn).collect();
    std::fs::write(folder.join("robustness.svg"), plot(&drawn, BAD_DICE))?;
    let line = |row: &Row| json!({"what": row.name, "volumes": row.posted.iter().map(Posted::json).collect::<Vec<_>>()});
    let figures = json!({
        "set": format!("acdc-{set}"),
        "model": model,
        "patients": chosen.len(),
        "degraded": rows.iter().map(line).collect::<Vec<_>>(),
        "without_a_heart": empty.iter().map(line).collect::<Vec<_>>(),
    });
    std::fs::write(
        folder.join("robustness.json"),
        serde_json::to_string(&figures)? + "\n",
    )?;
    println!("report in {}", folder.display());
    Ok(())
}

fn degraded(
    service: &mut Service,
    name: &str,
    beats: &[(Beat, [Option<f64>; 2])],
    change: impl Fn(&Beat, u64) -> Beat,
) -> Result<Row> {
    let mut posted = Vec::new();
    for (seed, (beat, ef_percent)) in (1..).zip(beats) {
        let changed = change(beat, seed);
        let found = post(service, &changed.file()?, Some((&changed, *ef_percent)));
        posted.push(found.with_context(|| format!("{name}, volume {seed}"))?);
    }
    Ok(Row {
        name: name.to_owned(),
        posted,
    })
}

/// So many patients, evenly spread.
fn spread(patients: &[acdc::Patient]) -> Vec<&acdc::Patient> {
    let count = patients.len().min(PATIENTS);
    (0..count)
        .filter_map(|index| patients.get(index * patients.len() / count.max(1)))
        .collect()
}

fn dice_of(row: &Row) -> Vec<f64> {
    row.posted.iter().filter_map(Posted::mean_dice).collect()
}

/// What became of the bad volumes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bad {
    all: usize,
    rejected: usize,
    /// Passed: nobody is told.
    silent: usize,
}

fn bad_of(row: &Row) -> Bad {
    let bad = || row.posted.iter().filter(|posted| posted.is_bad());
    Bad {
        all: bad().count(),
        rejected: bad().filter(|posted| posted.warned()).count(),
        silent: bad()
            .filter(|posted| posted.quality.verdict == "pass")
            .count(),
    }
}

fn drawn(row: &Row) -> Drawn {
    let Bad {
        all,
        rejected,
        silent,
    } = bad_of(row);
    Drawn {
        name: row.name.clone(),
        dice: dice_of(row),
        bad: all,
        rejected,
        silent,
    }
}

fn page(set: &str, model: &Value, patients: usize, rows: &[Row], empty: &[Row]) -> Result<String> {
    let mut page = format!(
        "# Robustness, acdc-{set}\n\n{}. {patients} patients, evenly spread over the set in the order of their names, each degraded in {} ways of a fixed list with \
         fixed seeds, posted as two frames; Dice with the experts' labels, which move with the voxels. EF errors are against the whole, undegraded heart. \
         A volume is bad below a mean Dice of {BAD_DICE}; it is rejected when the verdict is `reject`, which a low score gives as well, or when it is refused, \
         and a `review` asks a person to look at it. **Silent** marks rows in which a bad volume passes.\n\n![Mean Dice against degradations](robustness.svg)\n\n",
        model_name(model),
        DEGRADATIONS.len() - 1,
    );
    write!(page, "| | mean Dice | change |")?;
    for label in STRUCTURES {
        for phase in PHASES {
            write!(page, " {} {phase} |", short(label))?;
        }
    }
    writeln!(
        page,
        " LV EF error, bias ± SD | RV EF error | pass / review / reject / refused | score, median | bad | of those rejected |\n|---|---|---|{}---|---|---|---|---|---|",
        "---|".repeat(6)
    )?;
    let first: Vec<Option<f64>> = rows
        .first()
        .map(|row| row.posted.iter().map(Posted::mean_dice).collect())
        .unwrap_or_default();
    for row in rows {
        write!(
            page,
            "| {} | {} |",
            row.name,
            Figure::mean(&dice_of(row)).text(3)
        )?;
        // The other scanner's volumes are others: nothing to subtract.
        let pairs = row.posted.iter().map(Posted::mean_dice).zip(&first);
        let changes: Vec<f64> = pairs
            .filter_map(|(now, before)| Some(now? - (*before)?))
            .collect();
        if row.posted.len() == first.len() {
            write!(page, " {} |", Figure::mean(&changes).text(3))?;
        } else {
            write!(page, " – |")?;
        }
        for structure in 0..STRUCTURES.len() {
            for phase in 0..PHASES.len() {
                let values: Vec<f64> = row
                    .posted
                    .iter()
                    .filter_map(|posted| *posted.dice.get(structure)?.get(phase)?)
                    .collect();
                write!(page, " {} |", dash(mean(&values), 3))?;
            }
        }
        for ventricle in 0..2 {
            let errors: Vec<f64> = row
                .posted
                .iter()
                .filter_map(|posted| *posted.ef_error_points.get(ventricle)?)
                .collect();
            if errors.is_empty() {
                write!(page, " – |")?;
            } else {
                write!(
                    page,
                    " {} ± {} |",
                    number(mean(&errors), 1),
                    dash(crate::summary::deviation(&errors), 1)
                )?;
            }
        }
        let Bad {
            all: bad,
            rejected,
            silent,
        } = bad_of(row);
        let share = match (bad, bad - rejected - silent, silent) {
            (0, ..) => "–".to_owned(),
            (_, 0, 0) => format!("{rejected} of {bad}"),
            (_, review, 0) => format!("{rejected} of {bad}, {review} for review"),
            (_, review, _) => {
                format!("**{rejected} of {bad}, {review} for review, {silent} silent**")
            }
        };
        writeln!(
            page,
            " {} | {} | {bad} | {share} |",
            verdicts(row),
            dash(score_median(row), 2)
        )?;
    }
    writeln!(page, "\n{}", score_text(rows))?;
    writeln!(
        page,
        "\n## Volumes without a heart\n\n| | volumes | nothing drawn | drawn at most, ml | rejected | pass / review / reject / refused |\n|---|---|---|---|---|---|"
    )?;
    for row in empty {
        let count = |is: fn(&Posted) -> bool| row.posted.iter().filter(|posted| is(posted)).count();
        writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} |",
            row.name,
            row.posted.len(),
            count(|posted| posted.refused.is_none() && posted.drawn_ml == 0.0),
            number(
                row.posted
                    .iter()
                    .map(|posted| posted.drawn_ml)
                    .fold(0.0, f64::max),
                1
            ),
            count(Posted::warned),
            verdicts(row),
        )?;
    }
    Ok(page)
}

fn short(label: Label) -> &'static str {
    match label {
        Label::LeftVentricle => "LV",
        Label::Myocardium => "myocardium",
        Label::RightVentricle => "RV",
        Label::Background => "background",
    }
}

fn dash(value: f64, decimals: usize) -> String {
    if value.is_finite() {
        number(value, decimals)
    } else {
        "–".to_owned()
    }
}

fn verdicts(row: &Row) -> String {
    let of = |verdict: &str| {
        row.posted
            .iter()
            .filter(|posted| posted.quality.verdict == verdict)
            .count()
    };
    let refused = row
        .posted
        .iter()
        .filter(|posted| posted.refused.is_some())
        .count();
    format!(
        "{} / {} / {} / {refused}",
        of("pass"),
        of("review"),
        of("reject")
    )
}

fn score_median(row: &Row) -> f64 {
    let scores: Vec<f64> = row
        .posted
        .iter()
        .filter_map(|posted| posted.quality.score)
        .collect();
    quantile(&scores, 0.5)
}

/// How well the score ranks all volumes of the table that have a heart.
fn score_text(rows: &[Row]) -> String {
    let all: Vec<&Posted> = rows.iter().flat_map(|row| &row.posted).collect();
    let dice: Vec<f64> = all.iter().filter_map(|posted| posted.mean_dice()).collect();
    let bad = all.iter().filter(|posted| posted.is_bad()).count();
    let rejected = all
        .iter()
        .filter(|posted| posted.is_bad() && posted.warned())
        .count();
    let silent: usize = rows.iter().map(|row| bad_of(row).silent).sum();
    let good = all
        .iter()
        .filter(|posted| posted.refused.is_none() && !posted.is_bad())
        .count();
    let needless = all
        .iter()
        .filter(|posted| posted.refused.is_none() && !posted.is_bad() && posted.warned())
        .count();
    let hard = dice.iter().filter(|dice| HARD.contains(dice)).count();
    let scored: Vec<(f64, f64)> = all
        .iter()
        .filter_map(|posted| Some((posted.quality.score?, posted.mean_dice()?)))
        .collect();
    let area = Figure::of(&scored, area_of);
    let score = if scored.is_empty() {
        "The answers held no score.".to_owned()
    } else {
        format!(
            "The score tells bad from good with an area under the ROC curve of {} (interval over volumes).",
            area.text(3)
        )
    };
    format!(
        "All volumes together: {bad} of {} are bad, {rejected} of those rejected and {silent} passed; {needless} of the {good} others are rejected as well; {} % lie between {} and {}. {score}",
        all.len(),
        number(100.0 * hard as f64 / dice.len().max(1) as f64, 0),
        HARD.start,
        HARD.end,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posted(dice: f64, verdict: &str, score: f64) -> Posted {
        Posted {
            dice: [[Some(dice); 2]; 3],
            ef_error_points: [Some(1.0), None],
            drawn_ml: 10.0,
            quality: Quality::of(&json!({"quality": {"verdict": verdict, "score": score}})),
            refused: None,
        }
    }

    #[test]
    fn a_bad_volume_that_nobody_is_warned_of_is_called_silent() {
        let row = |name: &str, posted: Vec<Posted>| Row {
            name: name.to_owned(),
            posted,
        };
        let rows = [
            row(
                "as it is",
                vec![posted(0.9, "pass", 0.9), posted(0.92, "review", 0.8)],
            ),
            row(
                "told",
                vec![posted(0.5, "reject", 0.2), posted(0.9, "pass", 0.9)],
            ),
            row(
                "asked",
                vec![posted(0.5, "review", 0.3), posted(0.7, "reject", 0.1)],
            ),
            row(
                "not told",
                vec![posted(0.5, "pass", 0.35), posted(0.7, "review", 0.4)],
            ),
        ];
        let page = page("val", &json!({}), 2, &rows, &rows[..1]).unwrap();
        let line = |start: &str| {
            page.lines()
                .find(|line| line.starts_with(start))
                .unwrap()
                .to_owned()
        };
        assert!(line("| told").ends_with("| 1 | 1 of 1 |"), "{page}");
        assert!(
            line("| asked").ends_with("| 2 | 1 of 2, 1 for review |"),
            "{page}"
        );
        assert!(
            line("| not told").ends_with("| 2 | **0 of 2, 1 for review, 1 silent** |"),
            "{page}"
        );
        assert!(line("| as it is").ends_with("| 0 | – |"), "{page}");
        // Changes against the same patients: (.5 − .9 + .9 − .92) / 2.
        assert!(line("| told").contains("| −0.210 ["), "{page}");
        assert!(
            page.contains("5 of 8 are bad, 2 of those rejected and 1 passed; 0 of the 3 others"),
            "{page}"
        );
        assert!(page.contains("area under the ROC curve of 1.000"), "{page}");
        for table in page.split("\n\n").filter(|part| part.starts_with("| ")) {
            let counts: std::collections::BTreeSet<usize> = table
                .lines()
                .map(|line| line.matches('|').count())
                .collect();
            assert_eq!(counts.len(), 1, "{table}");
        }
    }

    #[test]
    fn a_refused_volume_is_rejected_and_has_no_dice() {
        let refused = Posted {
            dice: [[None; 2]; 3],
            refused: Some("not-a-volume".to_owned()),
            ..posted(0.9, "none", 0.9)
        };
        assert!(refused.warned() && !refused.is_bad() && refused.mean_dice().is_none());
    }
}
