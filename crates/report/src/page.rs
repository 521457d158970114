//! The page, section by section, in the order of the guideline's tables.

use cinecor_measures::PhaseMethod;
use cinecor_wire::{
    CardJson, FieldJson, FieldState, MetricsJson, PictureJson, QualityJson, ReportJson,
    SegmentationJson, VentricleRatesJson,
};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::bullseye::Bullseye;
use crate::curve;
use crate::numbers::{NOTHING, number, with_unit};
use crate::tables::{Notes, Row, interval, left_ventricle, right_ventricle, table};

/// The whole file.
pub(crate) fn page(report: &ReportJson, style: &str, policy: &str) -> Markup {
    let id = report.study.id.as_deref().unwrap_or(NOTHING);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { "Report of study " (id) }
                // The one thing that is not escaped; of what comes from outside it holds letters and digits alone.
                style { (PreEscaped(style)) }
            }
            body {
                header {
                    h1 { (report.title) }
                    p.use { (report.intended_use) }
                    @if report.what_if {
                        p.use { strong { "What if: " } "these numbers follow phases or rules of the request, not those of the revision. They are not kept, and nobody has reviewed them." }
                    }
                    (at_a_glance(report))
                }
                main {
                    (general(report))
                    (left(report))
                    (right(report))
                    (phases(&report.metrics))
                    (wall(&report.metrics))
                    (pictures(&report.pictures))
                    (not_assessed(&report.fields))
                    (quality(&report.metrics.quality))
                    (methods(report))
                    (model(report))
                    (signature(report))
                }
                footer { p { (report.intended_use) } }
            }
        }
    }
}

/// A list of terms and what is said of them.
fn facts(facts: &[(&str, Markup)]) -> Markup {
    html! {
        dl {
            @for (term, said) in facts {
                div { dt { (term) } dd { (said) } }
            }
        }
    }
}

fn text(text: &str) -> Markup {
    html! { (text) }
}

fn at_a_glance(report: &ReportJson) -> Markup {
    let metrics = &report.metrics;
    let (left, right) = (left_ventricle(metrics), right_ventricle(metrics));
    let figure = |name: &str, rows: &[Row], path: &str| {
        let row = rows.iter().find(|row| row.path == path);
        html! {
            li {
                (name)
                @match row {
                    Some(row) => {
                        strong { (with_unit(row.value, row.decimals, row.unit)) }
                        @if metrics.intervals.iter().any(|interval| interval.quantity == path) { (interval(row, metrics)) }
                    },
                    None => strong { (NOTHING) },
                }
            }
        }
    };
    let label = report.study.label.as_deref();
    html! {
        (facts(&[
            ("Label", text(label.unwrap_or("none"))),
            ("Study", html! { code { (report.study.id.as_deref().unwrap_or(NOTHING)) } }),
            ("Received", text(&report.study.created_at)),
            ("Segmentation", html! { code { (report.segmentation.id.as_deref().unwrap_or(NOTHING)) } ", revision " (report.segmentation.revision) }),
        ]))
        ul.glance {
            (figure("LVEF", &left, "left_ventricle.ef_percent"))
            (figure("LVEDV", &left, "left_ventricle.edv_ml"))
            (figure(if metrics.phases.ed_frame.is_some() { "LV mass" } else { "LV mass in that frame" }, &left, "myocardium.ed_mass_g"))
            (figure("RVEF", &right, "right_ventricle.ef_percent"))
            (figure("RVEDV", &right, "right_ventricle.edv_ml"))
            li { "Automatic checks" strong.verdict { (verdict(&metrics.quality.verdict)) } small { "no clearance: look at every contour" } }
            @if !report.what_if { (reviewed(report)) }
        }
    }
}

/// What a person said of the revision, in a word.
fn reviewed(report: &ReportJson) -> Markup {
    let review = report.segmentation.review.as_ref();
    html! {
        li {
            "Physician's review"
            strong.verdict { (review.map_or("none", |review| review.state.as_str())) }
            @if let Some(review) = review {
                small { (by_whom(&review.author)) @if review.stale { ", before facts of the study changed" } }
            }
        }
    }
}

/// What is there of a field, in words.
fn state(field: &FieldJson) -> Markup {
    html! {
        @match (field.state, &field.text) {
            (FieldState::Given, Some(text)) => (text),
            (FieldState::Given, None) => "in the table of numbers",
            (state, None) => em { (state.in_words()) },
            (FieldState::Missing, Some(text)) => em { (text) },
            (state, Some(text)) => { em { (state.in_words()) } "; " (text) },
        }
    }
}

/// The name of a field.
fn name(field: &FieldJson) -> Markup {
    html! { (field.field) @if field.level == "optional" { " (optional)" } }
}

/// Fields that follow one another in the same section.
fn groups<'a>(fields: &[&'a FieldJson]) -> Vec<Vec<&'a FieldJson>> {
    let mut groups: Vec<Vec<&FieldJson>> = Vec::new();
    for &field in fields {
        match groups.last_mut() {
            Some(group) if group.iter().all(|other| other.section == field.section) => {
                group.push(field);
            }
            _ => groups.push(vec![field]),
        }
    }
    groups
}

/// The names of those fields that are in this state.
fn list(fields: &[&FieldJson], state: FieldState) -> String {
    let names: Vec<&str> = fields
        .iter()
        .filter(|field| field.state == state)
        .map(|field| field.field.as_str())
        .collect();
    names.join(", ")
}

fn general(report: &ReportJson) -> Markup {
    let study = &report.study;
    let shape = study.shape;
    let spacing = study.spacing_mm;
    let fields: Vec<&FieldJson> = report
        .fields
        .iter()
        .filter(|field| field.table == Some(1))
        .collect();
    html! {
        section {
            h2 { "General information" }
            p.source { (report.guideline) ". " (report.guideline_note) }
            div.columns {
                @for group in groups(&fields) {
                    section.group {
                        h3 { (group.first().map_or("", |field| &field.section)) }
                        dl {
                            @for field in group.iter().filter(|field| field.state != FieldState::NotAssessed) {
                                div { dt { (name(field)) } dd { (state(field)) } }
                            }
                            @let missing = list(&group, FieldState::NotAssessed);
                            @if !missing.is_empty() { div { dt { em { "not assessed" } } dd { (missing) } } }
                        }
                    }
                }
            }
            h3 { "Acquisition as the file has it" }
            (facts(&[
                ("Format", text(&study.source.format)),
                ("Grid", html! { (shape.frames) " frames of " (shape.slices) " slices of " (shape.rows) " rows and " (shape.columns) " columns" }),
                ("Spacing", html! { (number(Some(spacing.row), 2)) " mm from row to row, " (number(Some(spacing.column), 2)) " mm from column to column, " (number(Some(spacing.slice), 2)) " mm from slice to slice" }),
                ("Time between frames", text(&with_unit(study.frame_ms, 1, "ms"))),
                (if study.source.format.starts_with("dicom") { "SHA-256 over the digests of its files" } else { "SHA-256 of the file" }, html! { code { (study.source.sha256) } }),
            ]))
            @let warnings = study.warnings.iter().chain(&report.segmentation.warnings);
            h3 { "Warnings" }
            @if warnings.clone().next().is_none() {
                p { "None." }
            } @else {
                table.fields {
                    caption { "What was doubtful in the file and its segmentation, and how it was settled" }
                    thead { tr { th scope="col" { "Code" } th scope="col" { "What was found, what was believed and why" } } }
                    tbody {
                        @for warning in warnings {
                            tr { th scope="row" { code { (warning.code) } } td { (warning.detail) } }
                        }
                    }
                }
            }
        }
    }
}

fn of_section<'a>(fields: &'a [FieldJson], section: &str) -> Vec<&'a FieldJson> {
    fields
        .iter()
        .filter(|field| field.section == section)
        .collect()
}

/// The fields of a section that no table of numbers holds.
fn in_words(report: &ReportJson, section: &str) -> Markup {
    let fields: Vec<&FieldJson> = of_section(&report.fields, section)
        .into_iter()
        .filter(|field| field.quantities.is_empty() || field.state == FieldState::NotAssessed)
        .collect();
    html! {
        dl {
            @for field in fields {
                div { dt { (name(field)) } dd { (state(field)) } }
            }
        }
    }
}

fn body(metrics: &MetricsJson) -> Markup {
    html! {
        @match metrics.body.bsa_m2 {
            Some(m2) => { (number(Some(m2), 2)) " m² by the formula " code { (metrics.body.formula) } },
            None => { em { "not known" } ": height and weight are not told, so nothing is given per body surface area" },
        }
    }
}

fn left(report: &ReportJson) -> Markup {
    let metrics = &report.metrics;
    let mut notes = Notes::default();
    let numbers = table(
        "Left ventricle and myocardium",
        &left_ventricle(metrics),
        metrics,
        &mut notes,
    );
    html! {
        section {
            h2 { "Left ventricular structure and function" }
            (in_words(report, "Left ventricular structure and function"))
            (numbers)
            (notes.list())
            (facts(&[("Body surface area", body(metrics))]))
            p.source { (report.interval_note) }
        }
    }
}

fn right(report: &ReportJson) -> Markup {
    let metrics = &report.metrics;
    let mut notes = Notes::default();
    let numbers = table(
        "Right ventricle",
        &right_ventricle(metrics),
        metrics,
        &mut notes,
    );
    html! {
        section {
            h2 { "Right ventricular structure and function" }
            (in_words(report, "Right ventricular structure and function"))
            (numbers)
            (notes.list())
        }
    }
}

/// A frame with its time.
fn frame(metrics: &MetricsJson, frame: Option<usize>) -> Markup {
    let time = frame.and_then(|frame| {
        let index = metrics
            .curve
            .frames
            .iter()
            .position(|&found| found == frame)?;
        metrics.curve.time_ms.as_ref()?.get(index).copied()
    });
    html! {
        @match frame {
            Some(frame) => { (frame) @if time.is_some() { " (" (with_unit(time, 0, "ms")) ")" } },
            None => (NOTHING),
        }
    }
}

fn phases(metrics: &MetricsJson) -> Markup {
    let of = &metrics.phases;
    let rates = metrics.curve.rates.unwrap_or_default();
    html! {
        section {
            h2 { "Phases and volume curves" }
            table.numbers {
                caption { "Phases; frames count from 0" }
                thead { tr { th scope="col" { "Choice" } th scope="col" { "End-diastole" } th scope="col" { "End-systole" } th scope="col" { "Ejection fraction" } } }
                tbody {
                    tr { th scope="row" { "Left ventricle" } td { (frame(metrics, of.ed_frame)) } td { (frame(metrics, of.es_frame)) } td { (with_unit(metrics.left_ventricle.ef_percent, 1, "%")) } }
                    tr { th scope="row" { "Right ventricle" } td { (frame(metrics, of.right_ventricle.ed_frame)) } td { (frame(metrics, of.right_ventricle.es_frame)) } td { (with_unit(metrics.right_ventricle.ef_percent, 1, "%")) } }
                    @match of.runner_up {
                        Some(other) => tr { th scope="row" { "Runner-up, left ventricle" } td { (frame(metrics, Some(other.ed_frame))) } td { (frame(metrics, Some(other.es_frame))) } td { (with_unit(Some(other.ef_percent), 1, "%")) } },
                        None => tr { th scope="row" { "Runner-up, left ventricle" } td { (NOTHING) } td { (NOTHING) } td { (no_runner_up(&of.method)) } },
                    }
                }
            }
            p.source { "Chosen by: " code { (of.method) } "." }
            @if let Some(fewer) = &metrics.without_basal_slice {
                p #without-basal-slice {
                    "Without slice " (fewer.slice) ", the most basal of the left ventricle at end-diastole: EDV " (with_unit(fewer.edv_ml, 0, "ml"))
                    " in frame " (frame(metrics, fewer.ed_frame)) ", ESV " (with_unit(fewer.esv_ml, 0, "ml")) " in frame " (frame(metrics, fewer.es_frame))
                     ", EF " (with_unit(fewer.ef_percent, 1, "%"))
                    ", mass at end-diastole " (with_unit(fewer.ed_mass_g, 0, "g"))
                    "; of the right ventricle EDV " (with_unit(fewer.right_ventricle.edv_ml, 0, "ml")) " instead of " (with_unit(metrics.right_ventricle.edv_ml, 0, "ml"))
                    ", EF " (with_unit(fewer.right_ventricle.ef_percent, 1, "%")) " instead of " (with_unit(metrics.right_ventricle.ef_percent, 1, "%")) ". One slice more or less at the base changed volumes by up to 15 % in 26 patients (Marterer et al., I J Radiol 2019;16:e74219)."
                }
            }
            @match curve::draw(&metrics.curve, of) {
                Some(drawing) => (drawing),
                None => p { "No frame shows a structure: there is no curve." },
            }
            table.numbers {
                caption { "Peak rates, off the smoothed curves" }
                thead { tr { th scope="col" { "Ventricle" } th scope="col" { "Peak ejection rate" } th scope="col" { "after end-diastole" } th scope="col" { "Peak filling rate" } th scope="col" { "after end-systole" } } }
                tbody {
                    (rates_row("Left ventricle", &rates.left_ventricle))
                    (rates_row("Right ventricle", &rates.right_ventricle))
                }
            }
            @if metrics.curve.rates.is_none() {
                p.source { "Rates need the time between frames and five neighbouring frames." }
            }
        }
    }
}

/// Why there is no second choice of phases.
fn no_runner_up(method: &str) -> &'static str {
    if method == PhaseMethod::LargestAndSmallestCavity.name() {
        "none: there are too few frames"
    } else {
        "none: a person told the phases"
    }
}

fn rates_row(name: &str, rates: &VentricleRatesJson) -> Markup {
    html! {
        tr {
            th scope="row" { (name) }
            td { (with_unit(rates.peak_ejection_ml_per_s, 0, "ml/s")) }
            td { (with_unit(rates.time_to_peak_ejection_ms, 0, "ms")) }
            td { (with_unit(rates.peak_filling_ml_per_s, 0, "ml/s")) }
            td { (with_unit(rates.time_to_peak_filling_ms, 0, "ms")) }
        }
    }
}

fn wall(metrics: &MetricsJson) -> Markup {
    let of = &metrics.myocardium;
    let at = |values: &Option<cinecor_wire::SegmentsJson>, index: usize| {
        values
            .as_ref()
            .and_then(|values| values.segments.get(index).copied().flatten())
    };
    let thickness = Bullseye {
        id: "thickness",
        title: "Wall thickness at end-diastole",
        unit: "mm",
        decimals: 1,
        steps: [6.0, 8.0, 10.0, 12.0],
    };
    let thickening = Bullseye {
        id: "thickening",
        title: "Wall thickening",
        unit: "% of end-diastole",
        decimals: 0,
        steps: [0.0, 20.0, 40.0, 60.0],
    };
    html! {
        section {
            h2 { "Wall thickness and thickening" }
            @if let Some(note) = &of.segments_note { p { (note) } }
            @if of.segments.is_empty() && of.segments_note.is_some() {
                p { "Not measured." }
            } @else if of.segments.is_empty() {
                p { "Not measured: no slice shows a closed wall and where the ventricles meet at the phases of the left ventricle." }
            } @else {
                div.pair {
                    (thickness.draw(&of.segments, of.wall_thickness_mm.as_ref()))
                    (thickening.draw(&of.segments, of.wall_thickening_percent.as_ref()))
                }
                p.source { "Shades are steps of the scale and no limits of health; every segment carries its number above its value. Sixteen segments are measured. Rule of the apex: " code { (metrics.conventions.apex_rule) } ", the cap (segment 17) lies beyond the last cavity, where a short-axis slice shows no thickness." }
                table.numbers {
                    caption { "Segments of the American Heart Association" }
                    thead { tr { th scope="col" { "Segment" } th scope="col" { "End-diastole" } th scope="col" { "End-systole" } th scope="col" { "Thickening" } } }
                    tbody {
                        @for (index, segment) in of.segments.iter().enumerate() {
                            tr {
                                th scope="row" { (segment.number) " " (segment.name) }
                                td { (with_unit(at(&of.wall_thickness_mm, index), 1, "mm")) }
                                td { (with_unit(at(&of.es_wall_thickness_mm, index), 1, "mm")) }
                                td { (with_unit(at(&of.wall_thickening_percent, index), 0, "%")) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn phase_in_words(phase: &str) -> &str {
    match phase {
        "ed" => "End-diastole",
        "es" => "End-systole",
        _ => "The frame",
    }
}

fn pictures(pictures: &[PictureJson]) -> Markup {
    let mut phases: Vec<&str> = Vec::new();
    for picture in pictures {
        if !phases.contains(&picture.phase.as_str()) {
            phases.push(&picture.phase);
        }
    }
    html! {
        section.together {
            h2 { "Key slices" }
            @if pictures.is_empty() {
                p { "None: no slice shows the left ventricle." }
            }
            @for phase in &phases {
                h3 { (phase_in_words(phase)) }
                div.row {
                    @for picture in pictures.iter().filter(|picture| picture.phase == **phase) {
                        @let said = format!("{}, {} slice: slice {} of frame {}", phase_in_words(phase), picture.level, picture.slice, picture.frame);
                        figure {
                            img src=(format!("data:{};{},{}", picture.media_type, picture.encoding, picture.data)) alt=(format!("{said}, with the contours of both ventricles and the myocardium"));
                            figcaption { (picture.level) ", slice " (picture.slice) ", frame " (picture.frame) }
                        }
                    }
                }
            }
            @if !pictures.is_empty() {
                p.source {
                    "Contours as they were measured: "
                    (key(cinecor_volume::Label::LeftVentricle)) " left ventricle, "
                    (key(cinecor_volume::Label::Myocardium)) " myocardium, "
                    (key(cinecor_volume::Label::RightVentricle)) " right ventricle. The middle slice of each third of the ventricle at end-diastole, and the same slices at end-systole, cut out around the heart; columns of the file run to the right, rows down."
                }
            }
        }
    }
}

/// A swatch of a structure's colour.
fn key(label: cinecor_volume::Label) -> Markup {
    html! {
        svg.swatch viewBox="0 0 16 12" aria-hidden="true" {
            rect x="0.5" y="0.5" width="15" height="11" fill=(crate::curve::css_colour(label)) stroke="#333333" stroke-width="1" {}
        }
    }
}

fn not_assessed(fields: &[FieldJson]) -> Markup {
    let missing: Vec<&FieldJson> = fields
        .iter()
        .filter(|field| field.state == FieldState::NotAssessed && field.table != Some(1))
        .collect();
    html! {
        section {
            h2 { "Not assessed" }
            p.source { "What table 2 of the guideline asks for, or a physician may, and the service does not look at." }
            dl {
                @for group in groups(&missing) {
                    div {
                        dt { (group.first().map_or("", |field| &field.section)) }
                        dd {
                            @for (index, field) in group.iter().enumerate() {
                                @if index > 0 { "; " }
                                @if field.field == field.section { em { "not assessed" } } @else { (name(field)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A value or limit of a check, with as many decimals as it needs and three at most.
fn plain(value: Option<f64>) -> String {
    let text = number(value, 3);
    match text.split_once('.') {
        Some(_) => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        None => text,
    }
}

fn quality(quality: &QualityJson) -> Markup {
    html! {
        section {
            h2 { "Quality" }
            (facts(&[
                ("Verdict", html! { strong.verdict { (quality.verdict) } }),
                ("Score", html! {
                    @match quality.score {
                        Some(score) => { (number(Some(score), 3)) " (0 useless, 1 best: the mean Dice that the mask is thought to have)" },
                        None => {
                            em { "none was worked out" }
                            @if let Some(reason) = &quality.score_reason { ": " (reason) }
                        },
                    }
                }),
            ]))
            @if quality.checks.is_empty() {
                p { "No check ran; nothing passes by default." }
            } @else {
                table.checks {
                    caption { "Automatic checks" }
                    thead { tr { th scope="col" { "Check" } th scope="col" { "Held" } th scope="col" { "Value" } th scope="col" { "Limit" } th scope="col" { "In a sentence" } } }
                    tbody {
                        @for check in &quality.checks {
                            tr {
                                th scope="row" { code { (check.code) } }
                                td { @if check.passed { "yes" } @else { strong { "NO" } } }
                                td { (plain(check.value)) }
                                td { (plain(check.limit)) }
                                td { (check.detail) }
                            }
                        }
                    }
                }
            }
            p.source { "A verdict says what automatic checks make of the result; it replaces nobody's look." }
        }
    }
}

fn methods(report: &ReportJson) -> Markup {
    let of = &report.metrics.conventions;
    let excluded = if of.excluded_slices.is_empty() {
        "none".to_owned()
    } else {
        numbers(&of.excluded_slices)
    };
    html! {
        section {
            h2 { "Conventions" }
            (facts(&[
                ("Papillary muscles and trabeculae", html! { "count as " code { (of.papillary) } }),
                ("Basal slices", html! { code { (of.basal_rule) } }),
                ("Volumes", html! { code { (of.volume_rule) } }),
                ("Density of the myocardium", text(&with_unit(Some(of.myocardial_density_g_per_ml), 2, "g/ml"))),
                ("Wall thickness", html! { code { (of.wall_rule) } }),
                ("Apex", html! { code { (of.apex_rule) } }),
                ("Cavity diameter", html! { code { (of.diameter_rule) } }),
                ("Slices left out, from 0", text(&excluded)),
                ("Body surface area", html! { code { (report.metrics.body.formula) } }),
            ]))
        }
    }
}

fn model(report: &ReportJson) -> Markup {
    let model = &report.segmentation.model;
    let component = model.component_digest.as_deref();
    html! {
        section {
            h2 { "Model" }
            (facts(&[
                ("Model", html! { (model.name) " " (model.version) }),
                ("SHA-256 of the graph", html! { code { (model.digest) } }),
                ("SHA-256 of the component", html! { @match component { Some(digest) => code { (digest) }, None => em { "the host cannot tell" } } }),
                ("Engine, device, precision", html! { (model.engine) ", " (model.device) ", " (model.precision) }),
                ("Segmented", text(&report.segmentation.created_at)),
            ]))
            @match &report.card {
                Some(card) => (of_card(card)),
                None => p { em { "The package of this model is not there any more; what its card says of its use is not known." } },
            }
        }
    }
}

fn of_card(card: &CardJson) -> Markup {
    html! {
        (facts(&[
            ("Licence of the weights", html! { (card.licence) @if card.is_non_commercial() { strong { ": no commercial use" } } }),
            ("Intended use", text(&card.intended_use)),
        ]))
        @if !card.limits.is_empty() {
            h3 { "What it was not made for" }
            ul { @for limit in &card.limits { li { (limit) } } }
        }
    }
}

/// Who made the revision, and what was changed.
fn made(of: &SegmentationJson) -> Markup {
    html! {
        (of.revision)
        @match &of.corrected {
            None => { ", as the model made it, " (of.created_at) },
            Some(by) => {
                ", " (by_whom(&by.author)) ", " (by.created_at) ". Changed: " (by.changed.join(", "))
                @if !by.frames.is_empty() { ". Masks drawn by hand in frames " (numbers(&by.frames)) }
            },
        }
    }
}

/// Who did something. A service that asks for no keys knows nobody by name: its one user is `local`.
fn by_whom(author: &str) -> String {
    match author {
        "local" => "by an unnamed user".to_owned(),
        named => format!("by {named}"),
    }
}

/// What a verdict says, in words.
fn verdict(name: &str) -> &str {
    match name {
        "pass" => "passed",
        "review" => "for review",
        "reject" => "rejected",
        other => other,
    }
}

/// What a person said of this revision.
fn review(report: &ReportJson) -> Markup {
    html! {
        @match &report.segmentation.review {
            None if report.what_if => em { "these numbers are not those of the revision: a review of it is none of them" },
            None => em { "nobody has reviewed this revision in the service" },
            Some(review) => {
                strong.verdict { (review.state) } " " (by_whom(&review.author)) ", " (review.created_at)
                @if review.stale { "; " strong { "facts of the study were changed since, and numbers may be others than were reviewed" } }
                @if let Some(note) = &review.note { ": " (note) }
            },
        }
    }
}

fn numbers(values: &[usize]) -> String {
    let values: Vec<String> = values.iter().map(usize::to_string).collect();
    values.join(", ")
}

fn signature(report: &ReportJson) -> Markup {
    html! {
        section.signature {
            h2 { "Revision, review and signature" }
            (facts(&[
                ("Revision", made(&report.segmentation)),
                ("Review", review(report)),
            ]))
            p { "Summary of findings (left to the physician):" }
            div.lines { div.line {} div.line {} div.line {} }
            div.sign {
                p { "Physician, in letters" }
                p { "Signature" }
                p { "Date" }
            }
        }
    }
}
