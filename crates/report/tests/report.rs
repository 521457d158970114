//! The report of a phantom against a golden file, and what must hold for every report: texts are escaped, nothing is fetched, tables can be
//! read without seeing them. That the file is HTML is checked through the service, by a parser of another hand.

use std::sync::LazyLock;

use cinecor_measures::score::FrameScore;
use cinecor_measures::{
    BASAL_RULE, BsaFormula, Cycle, FrameProfile, Grid, Interval, Metrics, Rules, Sex, Subject,
    measure_heart,
};
use cinecor_phantom::{Settings, TrueFrame};
use cinecor_report::{Phase, html, key_slices};
use cinecor_volume::{Frame, Shape};
use cinecor_wire::{
    CardJson, CheckJson, CorrectedJson, LabelsJson, MetricsJson, ModelJson, PictureJson,
    QualityJson, ReportJson, ReviewJson, SegmentationJson, ShapeJson, SourceJson, SpacingJson,
    StudyJson, SubjectJson, TimingsJson, ToldPhasesJson, WarningJson, shown_turned,
};
use proptest::prelude::*;
use serde_json::Value;

/// Set, the golden file is written anew.
const BLESS: &str = "CINECOR_BLESS";

fn settings() -> Settings {
    let small = Settings::small();
    Settings {
        shape: Shape {
            frames: 6,
            ..small.shape
        },
        ..small
    }
}

/// The labels of the phantom, measured.
fn measured(settings: &Settings, frames: usize) -> Metrics {
    let grid = Grid {
        spacing: settings.spacing,
        right_handed: None,
        mirrored: false,
    };
    let profiles: Vec<FrameProfile> = (0..frames)
        .map(|frame| {
            let labels = TrueFrame::generate(settings, frame)
                .expect("a phantom")
                .labels;
            FrameProfile::of(frame, labels.view(), None, &grid).expect("labels")
        })
        .collect();
    let cycle = Cycle {
        frame_ms: settings.frame_ms(),
        frames_in_study: Some(frames),
    };
    let subject = Subject {
        height_cm: Some(180.0),
        weight_kg: Some(80.0),
        heart_rate_bpm: Some(60.0),
        sex: Some(Sex::Male),
        age_years: Some(50.0),
        ..Subject::default()
    };
    let rules = Rules::default();
    let mut metrics = measure_heart(
        &profiles,
        &rules,
        &settings.spacing,
        &cycle,
        &subject,
        &[FrameScore {
            frame: 0,
            score: 0.93,
        }],
    )
    .expect("a heart");
    metrics.intervals = vec![Interval {
        quantity: "left_ventricle.ef_percent".to_owned(),
        low: 55.04,
        high: 63.25,
        level: 0.9,
    }];
    metrics
}

/// A PNG of one black pixel.
const PIXEL: &[u8] = &[
    0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0,
    1, 0, 0, 0, 1, 8, 0, 0, 0, 0, 0x3a, 0x7e, 0x9b, 0x55, 0, 0, 0, 10, b'I', b'D', b'A', b'T',
    0x78, 0x9c, 0x63, 0x60, 0, 0, 0, 2, 0, 1, 0x48, 0xaf, 0xa4, 0x71, 0, 0, 0, 0, b'I', b'E', b'N',
    b'D', 0xae, 0x42, 0x60, 0x82,
];

/// The phantom's report; made once, as its heart is.
fn report() -> ReportJson {
    static MADE: LazyLock<ReportJson> = LazyLock::new(make);
    MADE.clone()
}

fn make() -> ReportJson {
    let settings = settings();
    let metrics = measured(&settings, settings.shape.frames);
    let mut numbers = MetricsJson::from(&metrics);
    // Checks have tests of their own; here are two that stay as they are.
    let check = |code: &str, passed, value| CheckJson {
        code: code.to_owned(),
        passed,
        value: Some(value),
        limit: Some(0.35),
        detail: "A sentence, with < and &.".to_owned(),
    };
    numbers.quality = QualityJson {
        verdict: "review".to_owned(),
        checks: vec![check("one", true, 0.1234), check("another", false, 1.0)],
        score: Some(0.93),
        score_reason: None,
    };
    let study = StudyJson {
        id: Some("0123456789abcdef0123456789abcdef".to_owned()),
        created_at: "2026-01-02T03:04:05Z".to_owned(),
        label: Some("phantom".to_owned()),
        consent: "none".to_owned(),
        shape: ShapeJson::from(settings.shape),
        spacing_mm: SpacingJson::from(settings.spacing),
        frame_ms: settings.frame_ms(),
        source: SourceJson {
            format: "nifti-1+gzip".to_owned(),
            sha256: "c".repeat(64),
            bytes: 1_000_000,
            sop_class: None,
            modality: None,
            manufacturer: None,
            magnetic_field_t: None,
        },
        subject: SubjectJson {
            height_cm: Some(180.0),
            weight_kg: Some(80.0),
            heart_rate_bpm: Some(60.0),
            sex: Some("male".to_owned()),
            age_years: Some(50.0),
            ..SubjectJson::default()
        },
        deidentification: None,
        warnings: vec![WarningJson {
            code: "sform_unit_matrix".to_owned(),
            detail: "The sform is a unit matrix; pixdim was believed.".to_owned(),
        }],
        links: Default::default(),
    };
    let segmentation = SegmentationJson {
        id: Some("fedcba9876543210fedcba9876543210".to_owned()),
        study_id: study.id.clone(),
        created_at: "2026-01-02T03:05:05Z".to_owned(),
        revision: 1,
        model: ModelJson {
            name: "cinecor-unet".to_owned(),
            version: "1.3.0".to_owned(),
            digest: "a".repeat(64),
            component_digest: None,
            engine: "onnxruntime".to_owned(),
            device: "cpu".to_owned(),
            precision: "fp32".to_owned(),
        },
        labels: LabelsJson::default(),
        frames: numbers.curve.frames.clone(),
        excluded_slices: Vec::new(),
        ed_frame: numbers.phases.ed_frame,
        es_frame: numbers.phases.es_frame,
        told: ToldPhasesJson::default(),
        basal_rule: numbers.conventions.basal_rule.clone(),
        bsa_formula: numbers.body.formula.clone(),
        corrected: None,
        warnings: shown_turned(cinecor_volume::Turn::ALL[3]),
        quality: numbers.quality.clone(),
        review: None,
        timings_ms: TimingsJson::default(),
        links: Default::default(),
    };
    let card = CardJson {
        title: None,
        licence: "CC-BY-NC-SA-4.0".to_owned(),
        intended_use: "Research.".to_owned(),
        limits: vec!["Adults only.".to_owned()],
        has_intervals: true,
    };
    let pictures = ["ed", "es"]
        .into_iter()
        .flat_map(|phase| {
            ["base", "mid", "apex"].map(|level| PictureJson::of(phase, level, 0, 2, PIXEL))
        })
        .collect();
    ReportJson::of(study, segmentation, numbers, Some(card), pictures)
}

#[test]
fn the_report_of_the_phantom_is_the_golden_one() {
    let found = html(&report()).text;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/phantom.html");
    // A line a tag, so that a change can be read.
    let found = found.replace("><", ">\n<");
    if std::env::var_os(BLESS).is_some() {
        std::fs::write(path, &found).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(path).expect("the golden file");
    let differs = found.lines().zip(golden.lines()).find(|(a, b)| a != b);
    assert!(
        found == golden,
        "the report differs from {path}; if it should, set {BLESS}=1 once: {differs:?}"
    );
}

#[test]
fn the_numbers_are_those_of_the_metrics() {
    let report = report();
    let text = html(&report).text;
    let left = &report.metrics.left_ventricle;
    let fewer = report.metrics.without_basal_slice.expect("slices besides");
    let ml = |volume: Option<f64>| format!("{:.0} ml in frame ", volume.expect("a volume"));
    for said in [
        format!("Without slice {}, the most basal", fewer.slice),
        format!("EDV {}", ml(fewer.edv_ml)),
        format!("ESV {}", ml(fewer.esv_ml)),
        format!("EF {:.1} %, mass at", fewer.ef_percent.expect("a fraction")),
        format!(
            "of the right ventricle EDV {:.0} ml instead of {:.0} ml",
            fewer.right_ventricle.edv_ml.expect("a volume"),
            report.metrics.right_ventricle.edv_ml.expect("a volume")
        ),
        format!("{:.1} ml", left.edv_ml.expect("a volume")),
        format!("{:.1} ml/m²", left.edv_ml_per_m2.expect("a volume")),
        format!("{:.1} %", left.ef_percent.expect("a fraction")),
        "55.0 to 63.2".to_owned(),
        // 58 -/+ 1.96 · 5.
        "48.2 to 67.8 %".to_owned(),
        "2.00 m² (Mosteller)".to_owned(),
        "CC-BY-NC-SA-4.0<strong>: no commercial use".to_owned(),
        "the host cannot tell".to_owned(),
        "Left atrium".to_owned(),
        "17 not".to_owned(),
        "apical_cap_not_measured".to_owned(),
        "A sentence, with &lt; and &amp;.".to_owned(),
        "<strong>NO</strong></td><td>1</td><td>0.35</td>".to_owned(),
        "<td>yes</td><td>0.123</td>".to_owned(),
    ] {
        assert!(text.contains(&said), "{said} is not in the report");
    }
    for check in &report.metrics.quality.checks {
        assert!(text.contains(&format!("<code>{}</code>", check.code)));
    }
    // 16 segments twice, and the table.
    for value in report
        .metrics
        .myocardium
        .wall_thickness_mm
        .expect("a wall")
        .segments
    {
        let value = format!("{:.1}", value.expect("a thickness"));
        assert!(text.contains(&format!(">{value}</text>")), "{value}");
        assert!(text.contains(&format!("{value} mm")), "{value}");
    }
}

#[test]
fn equal_reports_give_equal_bytes() {
    assert_eq!(html(&report()), html(&report()));
}

#[test]
fn nothing_is_fetched_and_nothing_runs() {
    let page = html(&report());
    for never in [
        "<script",
        "http:",
        "https:",
        "url(",
        " style=",
        "<link",
        "<iframe",
        "@import",
        "javascript:",
    ] {
        assert!(!page.text.contains(never), "{never}");
    }
    let sources = page.text.matches(" src=").count();
    assert_eq!(sources, 6);
    assert_eq!(
        page.text
            .matches(" src=\"data:image/png;base64,iVBOR")
            .count(),
        sources
    );
    assert!(
        page.policy
            .starts_with("default-src 'none'; img-src data:; style-src 'sha256-")
    );
    // As an attribute of the file, where quotes need no escape.
    assert!(page.text.contains(&format!("content=\"{}\"", page.policy)));
}

#[test]
fn what_is_seen_can_be_heard() {
    let text = html(&report()).text;
    assert!(text.starts_with("<!DOCTYPE html><html lang=\"en\">"));
    assert!(text.contains("<title>Report of study 0123456789abcdef"));
    assert_eq!(text.matches("<h1").count(), 1);
    assert_eq!(
        text.matches("<table").count(),
        text.matches("<caption>").count()
    );
    assert_eq!(
        text.matches("<table").count(),
        text.matches("<thead>").count()
    );
    assert_eq!(text.matches("<th>").count(), 0, "a heading without scope");
    assert_eq!(
        text.matches("<th ").count(),
        text.matches("<th scope=").count()
    );
    assert_eq!(
        text.matches("<img").count(),
        text.matches(" alt=\"").count()
    );
    assert_eq!(
        text.matches("<svg").count(),
        text.matches("role=\"img\" aria-labelledby=").count()
            + text.matches("aria-hidden=\"true\"").count()
    );
    let mut ids: Vec<&str> = text
        .split(" id=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "an id is there twice");
}

#[test]
fn what_is_missing_is_said_to_be() {
    let mut report = report();
    let settings = settings();
    // One frame alone, and nobody told anything.
    report.metrics = MetricsJson::from(&measured(&settings, 1));
    report.study.subject = SubjectJson::default();
    report.study.label = None;
    report.study.frame_ms = None;
    report.study.warnings.clear();
    let report = ReportJson::of(
        report.study,
        report.segmentation,
        report.metrics,
        None,
        Vec::new(),
    );
    let text = html(&report).text;
    for said in [
        "not told",
        "not known",
        "not assessed",
        "left to the physician",
        "none: there are too few frames",
        "They were not smoothed",
        "The package of this model is not there any more",
        "None: no slice shows the left ventricle.",
    ] {
        assert!(text.contains(said), "{said}");
    }
    assert!(!text.contains("NaN") && !text.contains("null") && !text.contains("None\""));
}

#[test]
fn who_changed_and_who_reviewed_a_revision_is_said() {
    let text = html(&report()).text;
    assert!(text.contains("1, as the model made it, 2026-01-02T03:05:05Z"));
    assert!(text.contains("nobody has reviewed this revision"));
    let mut corrected = report();
    corrected.segmentation.revision = 2;
    corrected.segmentation.corrected = Some(CorrectedJson {
        author: "ward-3".to_owned(),
        created_at: "2026-01-03T00:00:00Z".to_owned(),
        changed: vec!["mask".to_owned(), "es_frame".to_owned()],
        frames: vec![0, 3],
    });
    corrected.segmentation.review = Some(ReviewJson {
        revision: 2,
        state: "rejected".to_owned(),
        note: Some("The base is one slice off.".to_owned()),
        author: "dr-x".to_owned(),
        created_at: "2026-01-04T00:00:00Z".to_owned(),
        stale: false,
    });
    corrected.metrics.quality.score = None;
    corrected.metrics.quality.score_reason = Some("A person drew masks.".to_owned());
    corrected.fields = ReportJson::of(
        corrected.study.clone(),
        corrected.segmentation.clone(),
        corrected.metrics.clone(),
        None,
        Vec::new(),
    )
    .fields;
    let text = html(&corrected).text;
    for said in [
        ", masks of frames 0, 3 drawn by hand after it; volumes are",
        "2, by ward-3, 2026-01-03T00:00:00Z. Changed: mask, es_frame. Masks drawn by hand in frames 0, 3",
        "rejected</strong> by dr-x, 2026-01-04T00:00:00Z: The base is one slice off.",
        "none was worked out</em>: A person drew masks.",
        // At the head of every printed page.
        "revision 2\"; }",
    ] {
        assert!(text.contains(said), "{said}");
    }
    // A service without keys knows no names.
    if let Some(by) = corrected.segmentation.corrected.as_mut() {
        by.author = "local".to_owned();
    }
    if let Some(review) = corrected.segmentation.review.as_mut() {
        review.author = "local".to_owned();
    }
    let text = html(&corrected).text;
    for said in [
        "2, by an unnamed user, 2026-01-03T00:00:00Z",
        "rejected</strong> by an unnamed user, 2026-01-04T00:00:00Z",
    ] {
        assert!(text.contains(said), "{said}");
    }
}

#[test]
fn a_review_is_told_of_the_numbers_that_were_reviewed_and_of_no_others() {
    let mut report = report();
    let review = |stale| {
        Some(ReviewJson {
            revision: 1,
            state: "approved".to_owned(),
            note: None,
            author: "dr-x".to_owned(),
            created_at: "2026-01-04T00:00:00Z".to_owned(),
            stale,
        })
    };
    report.segmentation.review = review(false);
    let text = html(&report).text;
    assert!(text.contains("approved</strong> by dr-x"));
    assert!(!text.contains("changed since") && !text.contains("What if"));
    report.segmentation.review = review(true);
    assert!(
        html(&report)
            .text
            .contains("facts of the study were changed since")
    );
    let rules = Rules {
        excluded_slices: vec![0],
        ..Rules::default()
    };
    let told = cinecor_store::Subject {
        ed_frame: Some(1),
        ..cinecor_store::Subject::default()
    };
    let supposed = report.supposed(&rules, BsaFormula::default(), &told);
    assert_eq!(supposed.segmentation.review, None);
    assert_eq!(supposed.segmentation.excluded_slices, [0]);
    assert_eq!(supposed.segmentation.told.ed_frame, Some(1));
    let text = html(&supposed).text;
    assert!(text.contains("What if: "));
    assert!(text.contains("a review of it is none of them"));
    assert!(!text.contains("approved</strong>"));
}

#[test]
fn why_there_are_no_intervals_is_said() {
    let of = |change: &dyn Fn(&mut MetricsJson, &mut CardJson)| {
        let ReportJson {
            study,
            segmentation,
            mut metrics,
            card,
            ..
        } = report();
        let mut card = card.expect("a card");
        metrics.intervals.clear();
        change(&mut metrics, &mut card);
        ReportJson::of(study, segmentation, metrics, Some(card), Vec::new()).interval_note
    };
    assert!(of(&|_, card| card.has_intervals = false).contains("card of the model does not say"));
    assert!(of(&|metrics, _| metrics.conventions.excluded_slices = vec![0]).contains("left out"));
    assert!(
        of(&|metrics, _| metrics.conventions.basal_rule = "other".to_owned()).contains("basal")
    );
    assert!(of(&|_, _| ()).contains("kept without"));
    assert_eq!(
        of(&|metrics, _| metrics.intervals_reason = Some("A person drew.".to_owned())),
        "There are no intervals. A person drew."
    );
    let note = report().interval_note;
    assert!(note.contains("calibration has none"), "{note}");
    assert_eq!(report().metrics.conventions.basal_rule, BASAL_RULE);
}

#[test]
fn key_slices_are_pictures_of_both_phases() {
    let settings = Settings::small();
    let frames: Vec<_> = [0, settings.es_frame()]
        .map(|frame| {
            TrueFrame::generate(&settings, frame)
                .expect("a phantom")
                .labels
        })
        .into_iter()
        .collect();
    let grey = Frame::zeros(frames[0].dim());
    let phases = [("ed", 0), ("es", 1)].map(|(name, at)| Phase {
        name,
        frame: at,
        grey: &grey,
        labels: &frames[at],
    });
    let pictures = key_slices(&phases, &settings.spacing).expect("pictures");
    let shown: Vec<_> = pictures
        .iter()
        .map(|picture| {
            (
                picture.phase.as_str(),
                picture.level.as_str(),
                picture.slice,
            )
        })
        .collect();
    assert_eq!(shown.len(), 6);
    assert_eq!(shown[0].2, shown[3].2);
    assert!(shown[0].2 < shown[1].2 && shown[1].2 < shown[2].2);
    assert!(
        pictures
            .iter()
            .all(|picture| picture.data.starts_with("iVBOR"))
    );
    assert_eq!(
        pictures,
        key_slices(&phases, &settings.spacing).expect("pictures")
    );
}

/// The names of the tags, in order; what stands between them and in their attributes is left out.
fn tags(text: &str) -> Vec<&str> {
    text.split('<')
        .skip(1)
        .map(|rest| {
            let end = rest.find([' ', '>', '\n']).unwrap_or(rest.len());
            &rest[..end]
        })
        .collect()
}

/// Every text of the report, but the words that are told apart by a closed list.
fn texts(value: &mut Value, change: &dyn Fn(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Array(values) => values.iter_mut().for_each(|value| texts(value, change)),
        Value::Object(members) => members
            .iter_mut()
            .filter(|(name, _)| name.as_str() != "state")
            .for_each(|(_, value)| texts(value, change)),
        _ => {}
    }
}

fn with_texts(text: &str) -> String {
    let mut json = serde_json::to_value(report()).expect("JSON");
    texts(&mut json, &|found| text.clone_into(found));
    let report: ReportJson = serde_json::from_value(json).expect("a report");
    html(&report).text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Every text that comes from outside stays a text: whatever it is, the tags are those of a report whose texts are harmless.
    #[test]
    fn no_text_becomes_markup(text in r#"([<>&"'/= a-z]|</style>|</title>|<script>|-->|\]\]>|\PC){0,24}"#) {
        let (harmless, found) = (with_texts("x"), with_texts(&text));
        prop_assert_eq!(tags(&found), tags(&harmless));
        // No attribute ends early: quotes are only those that are always there.
        prop_assert_eq!(found.matches('"').count(), harmless.matches('"').count());
    }
}
