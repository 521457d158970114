//! The keys and the nulls of the contract, read off documents that are made from measured masks.

use cinecor_measures::{
    BasalRule, BsaFormula, Counts, Cycle, FrameCounts, FrameProfile, Grid, Metrics, Rules, Sex,
    Subject, compare, measure, measure_heart,
};
use cinecor_store::{
    ChangeRecord, DoubtRecord, DrawnRecord, FactorRecord, Id, LabelCounts, ModelUsed,
    QualityRecord, ReviewRecord, ReviewState, SegmentationRecord, Subject as StoredSubject,
    TimingsMs, ToldRecord, TurnRecord,
};
use cinecor_volume::{Spacing, Turn};
use cinecor_wire::{
    CompareJson, IntervalJson, LabelsJson, MetricsJson, ModelJson, OneShot, Preview, Progress,
    QualityJson, RightWithoutBasalSliceJson, SegmentationJson, ShapeJson, SourceJson, SpacingJson,
    StudyJson, SubjectJson, TimingsJson, ToldPhasesJson, WarningJson, WithoutBasalSliceJson,
    kept_csv, kept_quality, kept_subject, label_counts, measure_kept, measure_kept_with,
    metrics_csv, profile_of, profile_record,
};
use ndarray::{Array3, Array4};
use serde_json::{Value, json};

const SPACING: Spacing = Spacing {
    row_mm: 1.0,
    column_mm: 1.0,
    slice_mm: 10.0,
};

/// Frames of these voxels of right ventricle, wall and left ventricle; a voxel is 0.01 ml.
fn measured(frames: &[[u64; 3]], cycle: Cycle, subject: Subject) -> Metrics {
    let counts: Vec<FrameCounts> = frames
        .iter()
        .enumerate()
        .map(
            |(frame, &[right_ventricle, myocardium, left_ventricle])| FrameCounts {
                frame,
                counts: Counts {
                    right_ventricle,
                    myocardium,
                    left_ventricle,
                },
            },
        )
        .collect();
    measure(&counts, &SPACING, &cycle, &subject).expect("the counts can be measured")
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

#[test]
fn metrics_have_the_keys_of_the_contract() {
    let cycle = Cycle {
        frame_ms: Some(40.0),
        frames_in_study: Some(3),
    };
    let subject = Subject {
        height_cm: Some(180.0),
        weight_kg: Some(80.0),
        heart_rate_bpm: Some(60.0),
        ..Subject::default()
    };
    let metrics = measured(
        &[
            [15_000, 9_000, 16_000],
            [9_000, 9_500, 8_000],
            [12_000, 9_200, 12_000],
        ],
        cycle,
        subject,
    );
    let json = serde_json::to_value(MetricsJson::from(&metrics)).expect("JSON");
    assert_eq!(
        keys(&json),
        [
            "body",
            "conventions",
            "curve",
            "intervals",
            "left_ventricle",
            "myocardium",
            "phases",
            "quality",
            "reference",
            "right_ventricle"
        ]
    );
    assert_eq!(json["phases"]["ed_frame"], 0);
    assert_eq!(json["phases"]["es_frame"], 1);
    assert_eq!(json["phases"]["method"], "largest_and_smallest_cavity");
    assert_eq!(
        json["phases"]["right_ventricle"],
        json!({"ed_frame": 0, "es_frame": 1})
    );
    assert_eq!(json["left_ventricle"]["edv_ml"], 160.0);
    assert_eq!(json["left_ventricle"]["esv_ml"], 80.0);
    assert_eq!(json["left_ventricle"]["sv_ml"], 80.0);
    assert_eq!(json["left_ventricle"]["ef_percent"], 50.0);
    assert_eq!(json["left_ventricle"]["co_l_min"], 4.8);
    // Mosteller: the square root of 180 · 80 / 3600 is 2.
    assert_eq!(json["body"], json!({"bsa_m2": 2.0, "formula": "mosteller"}));
    assert_eq!(json["left_ventricle"]["edv_ml_per_m2"], 80.0);
    assert_eq!(json["myocardium"]["ed_mass_g"], 94.5);
    assert_eq!(json["curve"]["time_ms"], json!([0.0, 40.0, 80.0]));
    assert_eq!(json["curve"]["frames"], json!([0, 1, 2]));
    assert_eq!(
        json["curve"]["left_ventricle_ml"],
        json!([160.0, 80.0, 120.0])
    );
    assert_eq!(json["conventions"]["myocardial_density_g_per_ml"], 1.05);
    assert_eq!(json["conventions"]["papillary"], "cavity");
    assert_eq!(
        json["quality"],
        json!({"verdict": "review", "checks": [], "score": null})
    );
    assert_eq!(
        serde_json::from_value::<MetricsJson>(json).expect("reads back"),
        MetricsJson::from(&metrics)
    );
}

#[test]
fn what_is_unknown_is_null_or_absent_and_never_zero() {
    let metrics = measured(
        &[[15_000, 9_000, 16_000]],
        Cycle::default(),
        Subject::default(),
    );
    let json = serde_json::to_value(MetricsJson::from(&metrics)).expect("JSON");
    for ventricle in ["left_ventricle", "right_ventricle"] {
        assert_eq!(
            json[ventricle],
            json!({"edv_ml": null, "esv_ml": null, "sv_ml": null, "ef_percent": null})
        );
    }
    assert_eq!(json["phases"]["ed_frame"], Value::Null);
    assert_eq!(json["body"]["bsa_m2"], Value::Null);
    assert_eq!(json["curve"]["time_ms"], Value::Null);
    assert_eq!(json["myocardium"]["ed_mass_g"], 94.5);
    assert_eq!(
        keys(&json["curve"]),
        [
            "frames",
            "left_ventricle_ml",
            "myocardium_ml",
            "right_ventricle_ml",
            "time_ms"
        ]
    );
}

#[test]
fn csv_says_what_the_json_says() {
    let cycle = Cycle {
        frame_ms: Some(40.0),
        frames_in_study: Some(2),
    };
    let metrics = MetricsJson::from(&measured(
        &[[15_000, 9_000, 16_000], [9_000, 9_500, 8_000]],
        cycle,
        Subject::default(),
    ));
    let json = serde_json::to_value(&metrics).expect("JSON");
    let csv = metrics_csv(&metrics);
    let mut lines = csv.split("\r\n");
    assert_eq!(lines.next(), Some("quantity,frame,time_ms,value,text"));
    let (mut curve, mut words) = (0, 0);
    for line in lines.filter(|line| !line.is_empty()) {
        let fields: Vec<&str> = line.split(',').collect();
        let [quantity, frame, time, value, text] = fields[..] else {
            panic!("{line}")
        };
        let found: Option<f64> = (!value.is_empty()).then(|| value.parse().expect("a number"));
        let pointer = format!("/{}", quantity.replace('.', "/"));
        let mut expected = json.pointer(&pointer).cloned().unwrap_or(Value::Null);
        if expected == json!([]) {
            expected = json!("none");
        }
        if let Value::Array(values) = &expected {
            let frame: usize = frame.parse().expect("a frame");
            expected = values[frame].clone();
            assert_eq!(time.parse::<f64>().expect("a time"), 40.0 * frame as f64);
            curve += 1;
        }
        assert_eq!(expected.as_f64(), found, "{line}");
        if let Some(said) = expected.as_str() {
            assert_eq!(said, text, "{line}");
            words += 1;
        }
    }
    // Seven rules, the formula, the method and the verdict.
    assert_eq!((curve, words), (6, 10));
    assert!(csv.contains("left_ventricle.edv_ml,0,0,160,\r\n"), "{csv}");
    assert!(csv.contains("body.bsa_m2,,,,\r\n"), "{csv}");
    assert!(csv.contains("quality.verdict,,,,review\r\n"), "{csv}");
    let none = "conventions.excluded_slices,,,,none\r\n";
    assert!(csv.contains(none), "{csv}");
}

#[test]
fn csv_tells_verdict_checks_rules_revision_review_and_model() {
    let mut record = kept_record();
    record.excluded_slices = vec![0, 2];
    record.revision = 2;
    record.model.digest = "ab12".to_owned();
    record.change = Some(ChangeRecord {
        author: "=ward, \"3\"".to_owned(),
        at_ms: 7,
        fields: vec!["mask".to_owned(), "excluded_slices".to_owned()],
        frames: vec![0],
    });
    record.review = Some(ReviewRecord {
        revision: 2,
        number: 1,
        state: ReviewState::Approved,
        note: Some("two\r\nlines".to_owned()),
        author: "ward-4".to_owned(),
        at_ms: 8,
        facts: Some(StoredSubject::default()),
    });
    let mut numbers = heart_metrics();
    numbers.conventions.excluded_slices = vec![0, 2];
    let told = measured(
        &[[15_000, 9_000, 16_000]],
        Cycle::default(),
        Subject::default(),
    );
    let of = SegmentationJson::kept(&record, &told, &StoredSubject::default(), |ms| {
        format!("at {ms}")
    });
    let csv = kept_csv(&numbers, &of, false);
    let checks = &numbers.quality.checks;
    let spacing = checks
        .iter()
        .find(|check| check.code == "spacing")
        .expect("a check");
    let limit = spacing.limit.expect("a limit");
    for row in [
        "what_if,,,,false",
        "segmentation.revision,,,2,",
        "segmentation.created_at,,,,at 0",
        // A spreadsheet takes what begins so for a formula.
        "segmentation.corrected.author,,,,\"'=ward, \"\"3\"\"\"",
        "segmentation.corrected.created_at,,,,at 7",
        "segmentation.corrected.changed,,,,\"mask,excluded_slices\"",
        "segmentation.review.state,,,,approved",
        "segmentation.review.author,,,,ward-4",
        "segmentation.review.created_at,,,,at 8",
        "segmentation.review.stale,,,,false",
        "segmentation.review.note,,,,\"two\r\nlines\"",
        "segmentation.model.name,,,,cinecor-unet",
        "segmentation.model.version,,,,1.0.0",
        "segmentation.model.digest,,,,ab12",
        "segmentation.model.component_digest,,,,",
        "quality.verdict,,,,review",
        "conventions.basal_rule,,,,as_segmented",
        "conventions.excluded_slices,,,,\"0,2\"",
        "quality.checks.spacing.passed,,,,true",
        &format!("quality.checks.spacing.limit,,,{limit},"),
        // There are commas in it.
        &format!("quality.checks.spacing.detail,,,,\"{}\"", spacing.detail),
    ] {
        let row = format!("\r\n{row}\r\n");
        assert!(csv.contains(&row), "{row:?} is not in {csv}");
    }
    // As many fields in every row as in the first, quoted ones aside.
    let plain = csv.replace("\"\"", "");
    let outside: String = plain.split('"').step_by(2).collect();
    for line in outside.split("\r\n").filter(|line| !line.is_empty()) {
        assert_eq!(line.matches(',').count(), 4, "{line}");
    }
    let supposed = kept_csv(&numbers, &of, true);
    assert!(supposed.contains("what_if,,,,true\r\n"), "{supposed}");
}

#[test]
fn csv_holds_no_formula_wherever_a_spreadsheet_begins_a_cell() {
    let noted = |note: &str| {
        let mut record = kept_record();
        record.review = Some(ReviewRecord {
            revision: record.revision,
            number: 1,
            state: ReviewState::Approved,
            note: Some(note.to_owned()),
            author: "ward-4".to_owned(),
            at_ms: 8,
            facts: Some(StoredSubject::default()),
        });
        let told = measured(
            &[[15_000, 9_000, 16_000]],
            Cycle::default(),
            Subject::default(),
        );
        let of = SegmentationJson::kept(&record, &told, &StoredSubject::default(), |ms| {
            format!("at {ms}")
        });
        kept_csv(&heart_metrics(), &of, false)
    };
    for (note, cell) in [
        (
            "looked;=1+cmd|' /C calc'!A0",
            "looked;'=1+cmd|' /C calc'!A0",
        ),
        ("=1;+2;-3;@4", "'=1;'+2;'-3;'@4"),
        ("  =1;  =2", "  '=1;  '=2"),
        ("seen\t=1", "seen\t'=1"),
        ("seen\r\n=1\n-2\r@3", "\"seen\r\n'=1\n'-2\r'@3\""),
        // Quotes hide nothing: those of the text are doubled, which leaves a cell that begins with two of them open.
        ("seen;\"=1\"", "\"seen;\"\"'=1\"\"\""),
        ("\t=1", "'\t'=1"),
        // Within a cell no formula begins.
        ("EF = 60; 1+1 = 2", "EF = 60; 1+1 = 2"),
    ] {
        let csv = noted(note);
        let row = format!("\r\nsegmentation.review.note,,,,{cell}\r\n");
        assert!(csv.contains(&row), "{row:?} is not in {csv}");
    }
}

#[test]
fn csv_holds_every_number_and_says_which_frame_it_is_of() {
    let cycle = Cycle {
        frame_ms: Some(40.0),
        frames_in_study: None,
    };
    let counts: Vec<[u64; 3]> = [150, 120, 60, 50, 90]
        .map(|ml| [90 * ml, 16_000, 100 * ml])
        .to_vec();
    let csv = metrics_csv(&MetricsJson::from(&measured(
        &counts,
        cycle,
        Subject::default(),
    )));
    for line in [
        "phases.runner_up.ed_frame,1,40,1,\r\n",
        "phases.runner_up.es_frame,2,80,2,\r\n",
        "phases.runner_up.ef_percent,,,50,\r\n",
    ] {
        assert!(csv.contains(line), "{line} {csv}");
    }
    let mut basal = MetricsJson::from(&measured(&counts, cycle, Subject::default()));
    basal.without_basal_slice = Some(WithoutBasalSliceJson {
        slice: 3,
        ed_frame: Some(1),
        es_frame: Some(2),
        edv_ml: Some(110.0),
        esv_ml: Some(55.0),
        sv_ml: Some(56.0),
        ef_percent: Some(50.5),
        ed_mass_g: Some(90.0),
        es_mass_g: Some(91.0),
        right_ventricle: RightWithoutBasalSliceJson {
            ed_frame: Some(2),
            es_frame: Some(1),
            edv_ml: Some(120.0),
            esv_ml: Some(60.0),
            sv_ml: Some(61.0),
            ef_percent: Some(50.0),
        },
    });
    let basal = metrics_csv(&basal);
    for (name, with, without) in [
        ("edv_ml", "1,40,110", ",,"),
        ("esv_ml", "2,80,55", ",,"),
        ("sv_ml", ",,56", ",,"),
        ("ef_percent", ",,50.5", ",,"),
        ("ed_mass_g", "1,40,90", ",,"),
        ("es_mass_g", "2,80,91", ",,"),
        ("right_ventricle.edv_ml", "2,80,120", ",,"),
        ("right_ventricle.esv_ml", "1,40,60", ",,"),
        ("right_ventricle.sv_ml", ",,61", ",,"),
        ("right_ventricle.ef_percent", ",,50", ",,"),
        ("slice", ",,3", ",,"),
    ] {
        // The rows stand there in any case: tables of several patients have the same ones.
        for (csv, values) in [(&basal, with), (&csv, without)] {
            let line = format!("without_basal_slice.{name},{values},\r\n");
            assert!(csv.contains(&line), "{line} {csv}");
        }
    }
    let lone = metrics_csv(&MetricsJson::from(&measured(
        &counts[..1],
        cycle,
        Subject::default(),
    )));
    assert!(lone.contains("phases.ed_frame,,,,\r\n"), "{lone}");
    assert!(lone.contains("myocardium.ed_mass_g,0,0,168,\r\n"), "{lone}");
    assert!(lone.contains("myocardium.es_mass_g,,,,\r\n"), "{lone}");
}

fn kept_record() -> SegmentationRecord {
    SegmentationRecord {
        id: Id::from_random([1; 16]),
        study_id: Id::from_random([2; 16]),
        created_at_ms: 0,
        revision: 1,
        model: ModelUsed {
            name: "cinecor-unet".to_owned(),
            version: "1.0.0".to_owned(),
            digest: String::new(),
            component_digest: None,
            engine: "tract".to_owned(),
            device: "cpu".to_owned(),
            precision: "fp32".to_owned(),
        },
        frames: vec![1, 2, 4],
        excluded_slices: Vec::new(),
        ed_frame: Some(1),
        es_frame: Some(4),
        counts: [150, 100, 60]
            .map(|ml| LabelCounts {
                right_ventricle: 100 * ml,
                myocardium: 16_000,
                left_ventricle: 100 * ml,
            })
            .to_vec(),
        profiles: Vec::new(),
        doubt: None,
        scores: Vec::new(),
        quality: QualityRecord {
            verdict: "review".to_owned(),
            checks: Vec::new(),
            score: None,
        },
        timings: TimingsMs::default(),
        chunks: Vec::new(),
        author: None,
        turn: TurnRecord::default(),
        told: ToldRecord::default(),
        drawn: Vec::new(),
        change: None,
        review: None,
    }
}

#[test]
fn a_kept_segmentation_has_the_phases_that_its_numbers_have_now() {
    let record = kept_record();
    for (ed_frame, es_frame, phases, ef_percent) in [
        (None, None, (1, 4), 60.0),
        (Some(2), None, (2, 4), 40.0),
        // Frame 3 was told for the study, and this segmentation does not have it.
        (Some(3), Some(2), (1, 2), 100.0 / 3.0),
    ] {
        let told = cinecor_store::Subject {
            ed_frame,
            es_frame,
            ..cinecor_store::Subject::default()
        };
        let metrics = measure_kept(&record, &told, &SPACING, &Cycle::default()).expect("numbers");
        let json = SegmentationJson::kept(
            &record,
            &metrics,
            &cinecor_store::Subject::default(),
            |_| String::new(),
        );
        assert_eq!(
            (json.ed_frame, json.es_frame),
            (Some(phases.0), Some(phases.1))
        );
        let found = metrics
            .left_ventricle
            .ef_percent
            .expect("an ejection fraction");
        assert!((found - ef_percent).abs() < 1e-9, "{found}");
    }
}

#[test]
fn compare_keeps_both_empty_apart_from_one_empty() {
    let mut reference = Array4::<u8>::zeros((1, 1, 4, 4));
    let prediction = reference.clone();
    reference[[0, 0, 1, 1]] = 3;
    let agreement = compare(reference.view(), prediction.view(), &SPACING).expect("one shape");
    let json = serde_json::to_value(CompareJson::from(&agreement)).expect("JSON");
    assert_eq!(
        keys(&json),
        ["left_ventricle", "myocardium", "right_ventricle"]
    );
    assert_eq!(
        keys(&json["left_ventricle"]),
        [
            "assd_mm",
            "dice",
            "hausdorff_mm",
            "hd95_mm",
            "volume_error_ml",
            "volume_error_percent"
        ]
    );
    assert_eq!(json["left_ventricle"]["dice"], 0.0);
    assert_eq!(json["right_ventricle"]["dice"], Value::Null);
}

fn study() -> StudyJson {
    StudyJson {
        id: None,
        created_at: "2026-11-23T21:05:09.042Z".to_owned(),
        label: None,
        consent: "none".to_owned(),
        shape: ShapeJson {
            frames: 1,
            slices: 2,
            rows: 3,
            columns: 4,
        },
        spacing_mm: SpacingJson {
            row: 1.0,
            column: 1.5,
            slice: 8.0,
        },
        frame_ms: None,
        source: SourceJson {
            format: "nifti-1+gzip".to_owned(),
            sha256: "00".repeat(32),
            bytes: 1234,
            sop_class: None,
            modality: None,
            manufacturer: None,
            magnetic_field_t: None,
        },
        subject: SubjectJson::default(),
        deidentification: None,
        warnings: vec![WarningJson {
            code: "sform_unit_matrix".to_owned(),
            detail: "spacing taken from pixdim".to_owned(),
        }],
        links: std::collections::BTreeMap::new(),
    }
}

fn segmentation() -> SegmentationJson {
    SegmentationJson {
        id: None,
        study_id: None,
        created_at: "2026-11-23T21:05:09.042Z".to_owned(),
        revision: 1,
        model: ModelJson {
            name: "cinecor-unet".to_owned(),
            version: "1.0.0".to_owned(),
            digest: "00".repeat(32),
            component_digest: None,
            engine: "tract".to_owned(),
            device: "cpu".to_owned(),
            precision: "fp32".to_owned(),
        },
        labels: LabelsJson::default(),
        frames: vec![0],
        excluded_slices: Vec::new(),
        ed_frame: None,
        es_frame: None,
        warnings: Vec::new(),
        quality: QualityJson {
            verdict: "review".to_owned(),
            checks: Vec::new(),
            score: None,
            score_reason: None,
        },
        told: ToldPhasesJson::default(),
        basal_rule: "as_segmented".to_owned(),
        bsa_formula: "mosteller".to_owned(),
        corrected: None,
        review: None,
        timings_ms: TimingsJson::default(),
        links: std::collections::BTreeMap::new(),
    }
}

#[test]
fn studies_and_segmentations_have_the_keys_of_the_contract() {
    let study = serde_json::to_value(study()).expect("JSON");
    assert_eq!(
        keys(&study),
        [
            "consent",
            "created_at",
            "frame_ms",
            "id",
            "label",
            "links",
            "shape",
            "source",
            "spacing_mm",
            "subject",
            "warnings"
        ]
    );
    assert_eq!(keys(&study["spacing_mm"]), ["column", "row", "slice"]);
    assert_eq!(keys(&study["source"]), ["bytes", "format", "sha256"]);
    let segmentation = serde_json::to_value(segmentation()).expect("JSON");
    assert_eq!(
        keys(&segmentation),
        [
            "basal_rule",
            "bsa_formula",
            "corrected",
            "created_at",
            "ed_frame",
            "es_frame",
            "excluded_slices",
            "frames",
            "id",
            "labels",
            "links",
            "model",
            "quality",
            "review",
            "revision",
            "study_id",
            "timings_ms",
            "told",
            "warnings"
        ]
    );
    assert_eq!(
        segmentation["labels"],
        json!({"background": 0, "right_ventricle": 1, "myocardium": 2, "left_ventricle": 3})
    );
    assert_eq!(
        keys(&segmentation["model"]),
        [
            "component_digest",
            "device",
            "digest",
            "engine",
            "name",
            "precision",
            "version"
        ]
    );
    assert_eq!(
        keys(&segmentation["timings_ms"]),
        ["decode", "inference", "postprocess", "preprocess", "total"]
    );
}

#[test]
fn a_one_shot_answer_is_one_line_of_json_with_its_files_inside() {
    use base64::Engine as _;
    let metrics = MetricsJson::from(&measured(
        &[[1, 2, 3]],
        Cycle::default(),
        Subject::default(),
    ));
    let (study, segmentation) = (study(), segmentation());
    // Pieces whose lengths are no multiples of three: base64 has to run on across them.
    let mask: [&[u8]; 3] = [b"ab", b"", b"cdefg"];
    let previews = [
        Preview {
            frame: 0,
            slice: 5,
            png: vec![1, 2, 3, 4],
        },
        Preview {
            frame: 11,
            slice: 5,
            png: Vec::new(),
        },
    ];
    let json = OneShot {
        study: &study,
        segmentation: &segmentation,
        metrics: &metrics,
        mask: &mask,
        previews: &previews,
    }
    .to_json()
    .expect("nothing fails in memory");
    assert!(!json.contains(&b'\n'), "an event's data is one line");
    let json: Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(
        keys(&json),
        ["mask", "metrics", "previews", "segmentation", "study"]
    );
    assert_eq!(json["mask"]["media_type"], "application/gzip");
    assert_eq!(json["mask"]["encoding"], "base64");
    let decode = |value: &Value| {
        base64::engine::general_purpose::STANDARD
            .decode(value.as_str().expect("text"))
            .expect("base64")
    };
    assert_eq!(decode(&json["mask"]["data"]), b"abcdefg");
    assert_eq!(
        keys(&json["previews"][0]),
        ["data", "encoding", "frame", "media_type", "slice"]
    );
    assert_eq!(decode(&json["previews"][0]["data"]), [1, 2, 3, 4]);
    assert_eq!(json["previews"][1]["frame"], 11);
}

#[test]
fn progress_says_stage_done_and_total() {
    let json = serde_json::to_value(Progress {
        stage: "segment",
        done: 3,
        total: 30,
    })
    .expect("JSON");
    assert_eq!(json, json!({"stage": "segment", "done": 3, "total": 30}));
}

/// A heart of nine slices in two frames: rings that shrink towards the apex and to a part of their width in systole.
fn heart(scale: f64) -> Array3<u8> {
    Array3::from_shape_fn((10, 70, 90), |(z, row, column)| {
        let section = (1.0 - (z as f64 / 9.5).powi(2)).sqrt();
        let (y, x) = (row as f64 - 35.0, column as f64 - 50.0);
        let cavity = 17.0 * section * scale;
        let outer = (240.0 * section * section + cavity * cavity).sqrt();
        match x.hypot(y) {
            reach if reach < cavity => 3,
            reach if reach < outer => 2,
            _ if z < 8 && (x + 0.95 * outer).hypot(y * 0.7) < 16.0 * section * scale => 1,
            _ => 0,
        }
    })
}

fn heart_metrics() -> MetricsJson {
    let grid = Grid {
        spacing: Spacing {
            row_mm: 1.5,
            ..SPACING
        },
        right_handed: None,
        mirrored: false,
    };
    let profiles: Vec<FrameProfile> = (0..6)
        .map(|frame| {
            let scale = [1.0, 0.8, 0.6, 0.7, 0.85, 0.95][frame];
            FrameProfile::of(frame, heart(scale).view(), None, &grid).expect("labels")
        })
        .collect();
    let cycle = Cycle {
        frame_ms: Some(40.0),
        frames_in_study: Some(6),
    };
    let subject = Subject {
        sex: Some(Sex::Male),
        age_years: Some(50.0),
        ..Subject::default()
    };
    let metrics = measure_heart(
        &profiles,
        &Rules::default(),
        &grid.spacing,
        &cycle,
        &subject,
        &[],
    );
    MetricsJson::from(&metrics.expect("a heart"))
}

#[test]
fn a_whole_heart_has_walls_rates_ranges_and_checks() {
    let json = serde_json::to_value(heart_metrics()).expect("JSON");
    for key in [
        "wall_thickness_mm",
        "es_wall_thickness_mm",
        "wall_thickening_percent",
    ] {
        let segments = json["myocardium"][key]["segments"]
            .as_array()
            .expect("segments");
        assert_eq!(segments.len(), 16);
        assert!(segments.iter().all(Value::is_number), "{key}: {segments:?}");
    }
    assert!(json["left_ventricle"]["ed_diameter_mm"].is_number());
    assert_eq!(json["right_ventricle"].get("ed_diameter_mm"), None);
    let smoothed = &json["curve"]["smoothed"];
    assert_eq!(smoothed["method"], "savitzky_golay_5_frames_degree_2");
    assert_eq!(
        smoothed["left_ventricle_ml"].as_array().map(Vec::len),
        Some(6)
    );
    for ventricle in ["left_ventricle", "right_ventricle"] {
        let rates = &json["curve"]["rates"][ventricle];
        assert!(rates["peak_ejection_ml_per_s"].as_f64().expect("a rate") > 0.0);
        assert!(rates["time_to_peak_filling_ms"].as_f64().expect("a time") >= 0.0);
    }
    let range = &json["reference"][0];
    assert_eq!(range["quantity"], "left_ventricle.ef_percent");
    assert_eq!(range["value"], json["left_ventricle"]["ef_percent"]);
    assert!(
        range["source"]
            .as_str()
            .expect("a source")
            .contains("Petersen")
    );
    let checks = json["quality"]["checks"].as_array().expect("checks");
    assert!(checks.iter().any(|check| check["code"] == "stroke_volumes"));
    assert_eq!(json["quality"]["verdict"], "review");
    for rule in ["wall_rule", "apex_rule", "diameter_rule", "basal_rule"] {
        assert!(json["conventions"][rule].is_string(), "{rule}");
    }
}

#[test]
fn csv_holds_intervals_end_by_end() {
    let mut metrics = heart_metrics();
    metrics.intervals = vec![IntervalJson {
        quantity: "left_ventricle.edv_ml".to_owned(),
        low: 150.5,
        high: 171.25,
        level: 0.9,
    }];
    let csv = metrics_csv(&metrics);
    for row in ["low,,,150.5", "high,,,171.25", "level,,,0.9"] {
        let row = format!("\r\nintervals.left_ventricle.edv_ml.{row},\r\n");
        assert!(csv.contains(&row), "{row:?} is not in {csv}");
    }
}

#[test]
fn segments_are_named_and_placed_in_the_order_of_their_values() {
    let json = serde_json::to_value(heart_metrics()).expect("JSON");
    let segments = json["myocardium"]["segments"].as_array().expect("segments");
    assert_eq!(segments.len(), 16);
    assert_eq!(
        segments[1],
        json!({
            "number": 2, "name": "basal anteroseptal", "ring": "basal",
            "inner": 0.75, "outer": 1.0, "from_degrees": 120.0, "to_degrees": 180.0
        })
    );
    let unknown = measured(
        &[[15_000, 9_000, 16_000]],
        Cycle::default(),
        Subject::default(),
    );
    let json = serde_json::to_value(MetricsJson::from(&unknown)).expect("JSON");
    assert_eq!(json["myocardium"].get("segments"), None);
}

#[test]
fn a_number_without_a_range_says_why() {
    let json = serde_json::to_value(heart_metrics()).expect("JSON");
    let of = |quantity: &str| {
        let ranges = json["reference"].as_array().expect("ranges");
        let found = ranges.iter().find(|range| range["quantity"] == quantity);
        found.expect("a range")["reason"].clone()
    };
    // Sex and age are told, height and weight are not.
    assert_eq!(of("left_ventricle.ef_percent"), Value::Null);
    assert!(
        of("myocardium.ed_mass_g_per_m2")
            .as_str()
            .expect("a reason")
            .contains("height and weight")
    );
}

#[test]
fn csv_holds_the_wall_and_the_rates_of_a_whole_heart() {
    let metrics = heart_metrics();
    let json = serde_json::to_value(&metrics).expect("JSON");
    let csv = metrics_csv(&metrics);
    let mut rows = 0;
    for line in csv.split("\r\n").skip(1).filter(|line| !line.is_empty()) {
        let fields: Vec<&str> = line.split(',').collect();
        let [quantity, frame, _, value, text, ..] = fields[..] else {
            panic!("{line}")
        };
        if let Some((_, index)) = quantity.split_once(".segments.") {
            let number = index.parse::<usize>().expect("an index") + 1;
            assert!(text.starts_with(&format!("AHA {number} ")), "{line}");
        }
        if !quantity.contains(".segments.")
            && !quantity.contains("rates")
            && !quantity.contains("smoothed")
        {
            continue;
        }
        rows += 1;
        let pointer = format!("/{}", quantity.replace('.', "/"));
        let mut expected = json
            .pointer(&pointer)
            .cloned()
            .expect("a number of the JSON");
        if let Value::Array(values) = &expected {
            expected = values[frame.parse::<usize>().expect("a frame")].clone();
        }
        assert_eq!(expected.as_f64(), value.parse().ok(), "{line}");
    }
    // Three lists of sixteen segments, four rates of two ventricles, three smoothed curves of six frames.
    assert_eq!(rows, 3 * 16 + 8 + 18);
}

#[test]
fn a_kept_segmentation_with_profiles_has_the_numbers_of_its_masks_under_the_rules_that_are_told() {
    let grid = Grid {
        spacing: Spacing {
            row_mm: 1.5,
            ..SPACING
        },
        right_handed: None,
        mirrored: false,
    };
    let profiles: Vec<FrameProfile> = [1.0, 0.6]
        .iter()
        .enumerate()
        .map(|(frame, &scale)| {
            FrameProfile::of(frame, heart(scale).view(), None, &grid).expect("labels")
        })
        .collect();
    let record = SegmentationRecord {
        frames: vec![0, 1],
        counts: profiles.iter().map(|p| label_counts(p.counts())).collect(),
        profiles: profiles.iter().map(profile_record).collect(),
        ..kept_record()
    };
    let text = serde_json::to_string(&record).expect("JSON");
    let record: SegmentationRecord = serde_json::from_str(&text).expect("reads back");
    for (frame, profile) in profiles.iter().enumerate() {
        assert_eq!(&profile_of(frame, &record.profiles[frame]), profile);
    }
    let (cycle, told) = (Cycle::default(), cinecor_store::Subject::default());
    let kept = measure_kept(&record, &told, &grid.spacing, &cycle).expect("numbers");
    let plain = Subject::default();
    let fresh = measure_heart(
        &profiles,
        &Rules::default(),
        &grid.spacing,
        &cycle,
        &plain,
        &[],
    );
    assert_eq!(Ok(&kept), fresh.as_ref());
    let json = SegmentationJson::kept(&record, &kept, &told, |_| String::new());
    assert_eq!(json.quality, QualityJson::from(&kept.quality));
    assert!(!json.quality.checks.is_empty());
    let rules = Rules {
        excluded_slices: vec![0, 1],
        basal_rule: BasalRule::MostlyEnclosed,
    };
    let formula = BsaFormula::DuBois;
    let ruled =
        measure_kept_with(&record, &told, &grid.spacing, &cycle, &rules, formula).expect("numbers");
    assert!(ruled.left_ventricle.edv_ml < kept.left_ventricle.edv_ml);
    let json = MetricsJson::from(&ruled);
    assert_eq!(json.conventions.excluded_slices, [0, 1]);
    assert_eq!(json.conventions.basal_rule, "mostly_enclosed");
}

#[test]
fn segments_of_mirrored_pictures_that_were_kept_before_that_was_heeded_are_not_known() {
    let grid = Grid {
        spacing: SPACING,
        right_handed: None,
        mirrored: true,
    };
    let profiles = [(0, 1.0), (1, 0.6)].map(|(frame, scale)| {
        FrameProfile::of(frame, heart(scale).view(), None, &grid).expect("labels")
    });
    let turn = |columns_reversed, rows_reversed| TurnRecord {
        columns_reversed,
        rows_reversed,
        ..TurnRecord::default()
    };
    let record = SegmentationRecord {
        frames: vec![0, 1],
        counts: profiles.iter().map(|p| label_counts(p.counts())).collect(),
        profiles: profiles.iter().map(profile_record).collect(),
        turn: turn(true, false),
        ..kept_record()
    };
    let mut before = serde_json::to_value(&record).expect("JSON");
    for profile in before["profiles"].as_array_mut().expect("profiles") {
        for slice in profile["slices"].as_array_mut().expect("slices") {
            slice.as_object_mut().expect("a slice").remove("wall");
        }
    }
    let before: SegmentationRecord = serde_json::from_value(before).expect("reads back");
    let half_a_turn = SegmentationRecord {
        turn: turn(true, true),
        ..before.clone()
    };
    let wall = |record: &SegmentationRecord| {
        let told = cinecor_store::Subject::default();
        let metrics = measure_kept(record, &told, &SPACING, &Cycle::default()).expect("numbers");
        metrics.wall
    };
    let now = wall(&record);
    assert!(now.ed_mm.iter().all(Option::is_some));
    assert_eq!(wall(&half_a_turn), now);
    let unknown = wall(&before);
    assert_eq!([unknown.ed_mm, unknown.es_mm], [[None; 16]; 2]);
    assert_eq!(unknown.ed_diameter_mm, now.ed_diameter_mm);
    // Why is said, and what segments that are known rest on where the file does not say how it lies.
    let note = |record: &SegmentationRecord, right_handed| {
        let told = cinecor_store::Subject::default();
        let metrics = measure_kept(record, &told, &SPACING, &Cycle::default()).expect("numbers");
        let json = MetricsJson::kept(record, &metrics);
        let json = json.with_front(right_handed, Turn::from(record.turn).is_mirror());
        json.myocardium.segments_note.unwrap_or_default()
    };
    for right_handed in [None, Some(true)] {
        let why = note(&before, right_handed);
        assert!(
            why.contains("anterior and inferior may be exchanged"),
            "{why}"
        );
    }
    assert!(note(&record, None).contains("mirrored, as the model"));
    assert!(note(&half_a_turn, None).contains("as they lie in the file"));
    assert_eq!(note(&record, Some(true)), "");
    let mut left_out = half_a_turn.clone();
    left_out.excluded_slices = vec![2];
    assert!(note(&left_out, Some(true)).contains("slices are left out"));
    left_out.profiles.clear();
    assert!(note(&left_out, Some(true)).contains("before its wall"));
}

#[test]
fn what_the_model_said_does_not_hold_for_frames_that_a_person_drew() {
    let profile = |frame, scale| {
        let grid = Grid {
            spacing: SPACING,
            right_handed: None,
            mirrored: false,
        };
        FrameProfile::of(frame, heart(scale).view(), None, &grid).expect("labels")
    };
    let profiles = [(0, 1.0), (1, 0.6), (2, 0.8)].map(|(frame, scale)| profile(frame, scale));
    let factor = |quantity: &str| FactorRecord {
        quantity: quantity.to_owned(),
        share: 0.01,
        low: 1.0,
        high: 1.0,
    };
    let mut record = SegmentationRecord {
        frames: vec![0, 1, 2],
        counts: profiles.iter().map(|p| label_counts(p.counts())).collect(),
        profiles: profiles.iter().map(profile_record).collect(),
        doubt: Some(DoubtRecord {
            level: 0.9,
            factors: vec![
                factor("left_ventricle.edv_ml"),
                factor("myocardium.ed_mass_g"),
            ],
            voxels: vec![[1.0; 3]; 3],
        }),
        ..kept_record()
    };
    record.quality.score = Some(0.9);
    let said = |record: &SegmentationRecord| {
        let told = cinecor_store::Subject::default();
        let metrics = measure_kept(record, &told, &SPACING, &Cycle::default()).expect("numbers");
        let json = MetricsJson::kept(record, &metrics);
        assert_eq!(json.quality, kept_quality(record, &metrics));
        (
            json.intervals.len(),
            json.intervals_reason.is_some(),
            json.quality.score,
            json.quality.score_reason.is_some(),
        )
    };
    assert_eq!(said(&record), (2, false, Some(0.9), false));
    let drawn = |frame| DrawnRecord {
        frame,
        correction: Id::from_random([7; 16]),
    };
    // Neither phase: the numbers are those of the model's masks, the score is of all.
    record.drawn = vec![drawn(2)];
    assert_eq!(said(&record), (2, false, None, true));
    // End-systole: the end-diastolic mass keeps its interval. Volumes are judged with both phases.
    record.drawn = vec![drawn(1), drawn(2)];
    assert_eq!(said(&record), (1, true, None, true));
    record.drawn = vec![drawn(0)];
    assert_eq!(said(&record), (0, true, None, true));
}

#[test]
fn a_phase_told_of_the_segmentation_goes_before_one_told_of_the_study() {
    let told = |ed_frame, es_frame| ToldRecord {
        ed_frame,
        es_frame,
        ..ToldRecord::default()
    };
    for (of_segmentation, of_study, expected) in [
        (told(None, None), (Some(1), Some(4)), (Some(1), Some(4))),
        (told(Some(2), None), (Some(1), Some(4)), (Some(2), Some(4))),
        // One frame cannot be both phases: the study's gives way.
        (told(Some(4), None), (None, Some(4)), (Some(4), None)),
        (told(None, Some(1)), (Some(1), None), (None, Some(1))),
        // The segmentation does not have frame 3.
        (told(Some(2), None), (None, Some(3)), (Some(2), None)),
    ] {
        let record = SegmentationRecord {
            told: of_segmentation,
            ..kept_record()
        };
        let study = cinecor_store::Subject {
            ed_frame: of_study.0,
            es_frame: of_study.1,
            ..cinecor_store::Subject::default()
        };
        let found = kept_subject(&record, &study);
        assert_eq!((found.ed_frame, found.es_frame), expected);
    }
}
