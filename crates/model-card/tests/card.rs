//! Cards that are taken, cards that are refused, and the schema in step with the parser.

use cinecor_model_card::{
    About, Card, Error, Factor, Keep, Precision, Values, is_version, sha256_hex, version_order,
};
use cinecor_volume::Label;
use serde_json::{Value, json};

const CARD: &str = include_str!("data/model.json");

/// The card of the fixture with `pointer` set to `value`, or removed where `value` is `None`.
fn with(pointer: &str, value: Option<Value>) -> Value {
    let mut card: Value = serde_json::from_str(CARD).expect("the fixture is JSON");
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer has a slash");
    let parent = card
        .pointer_mut(parent)
        .expect("the fixture has the parent");
    match (parent, value) {
        (Value::Object(map), Some(value)) => drop(map.insert(key.to_owned(), value)),
        (Value::Object(map), None) => assert!(map.remove(key).is_some(), "{pointer} was not there"),
        (Value::Array(list), Some(value)) => list[key.parse::<usize>().expect("an index")] = value,
        _ => panic!("{pointer} leads nowhere"),
    }
    card
}

#[test]
fn reads_the_card_of_a_package() {
    let card = Card::parse(CARD).expect("the fixture is a card");
    assert_eq!(card.graph_name(), "cinecor-unet@0.1.0");
    assert_eq!((card.row_mm, card.column_mm, card.clip_sd), (1.4, 1.4, 5.0));
    assert_eq!(
        (card.canvas.rows, card.canvas.columns, card.canvas.padding),
        (224, 224, 0.0)
    );
    assert_eq!(card.labels, Label::ALL);
    assert_eq!(
        card.keep,
        Keep::Largest {
            corners: true,
            share: None
        }
    );
    assert_eq!(
        (card.values, card.graph.precision),
        (Values::Probabilities, Precision::Fp32)
    );
    assert_eq!(
        (card.input_name.as_str(), card.output_name.as_str()),
        ("image", "probabilities")
    );
}

/// A calibration as a card may have it.
fn calibration() -> Value {
    json!({
        "set": "acdc-val",
        "patients": 20,
        "temperature": 1.25,
        "intervals": {
            "method": "normalised conformal",
            "level": 0.9,
            "factors": [
                {"quantity": "left_ventricle.edv_ml", "share": 0.02, "low": 1.5, "high": 2.5},
                {"quantity": "left_ventricle.ef_percent", "share": 0, "low": -0.25, "high": 1},
            ],
        },
        "score": {
            "method": "logistic",
            "intercept": 0.5,
            "coefficients": {
                "dice_mean": 1, "dice_worst": 0.5, "removed": -2, "missing": -3,
                "gaps": -1, "open_wall": -4, "jump": -1.5, "volume": -0.5,
            },
        },
    })
}

#[test]
fn reads_how_far_the_probabilities_are_to_be_believed() {
    let card = Card::parse(CARD).expect("the fixture is a card");
    assert_eq!(card.calibration, None);
    let card = Card::parse(&with("/calibration", Some(calibration())).to_string())
        .expect("a calibration is taken");
    let known = card.calibration.expect("the card has one");
    assert_eq!(known.temperature, 1.25);
    let intervals = known.intervals.expect("it has intervals");
    assert_eq!((intervals.level, intervals.factors.len()), (0.9, 2));
    assert_eq!(
        intervals.factors[0],
        Factor {
            quantity: "left_ventricle.edv_ml".to_owned(),
            share: 0.02,
            low: 1.5,
            high: 2.5
        }
    );
    let score = known.score.expect("it has a score");
    assert_eq!((score.intercept, score.coefficients.volume), (0.5, -0.5));
    // Cards from before it was known do without.
    assert_eq!(score.coefficients.ragged, 0.0);
}

#[test]
fn channels_are_taken_by_name_and_not_by_order() {
    let map = json!({"left_ventricle": 1, "myocardium": 2, "right_ventricle": 3, "background": 0});
    let card =
        Card::parse(&with("/labels", Some(map)).to_string()).expect("another order is as good");
    assert_eq!(
        card.labels,
        [
            Label::Background,
            Label::LeftVentricle,
            Label::Myocardium,
            Label::RightVentricle
        ]
    );
}

#[test]
fn a_card_without_labels_is_refused_with_its_own_reason() {
    assert_eq!(
        Card::parse(&with("/labels", None).to_string()),
        Err(Error::NoLabels)
    );
}

#[test]
fn a_label_that_is_named_twice_is_refused_and_not_guessed() {
    // JSON lets a name stand twice, and readers differ in which they take.
    let labels = r#""labels":{"background":0,"left_ventricle":1,"right_ventricle":1,"myocardium":2,"left_ventricle":3}"#;
    let card = with("/labels", Some(json!("here"))).to_string();
    let twice = card.replace(r#""labels":"here""#, labels);
    assert_ne!(card, twice);
    let refused = Card::parse(&twice).expect_err("a card whose labels contradict themselves");
    assert!(refused.to_string().contains("left_ventricle"), "{refused}");
}

#[test]
fn no_damage_to_a_card_makes_the_parser_panic() {
    let card = CARD.as_bytes();
    for at in (0..card.len()).step_by(7) {
        for byte in [b'"', b'}', b'[', b'9', b'-', b'e', 0, 0xff] {
            let mut damaged = card.to_vec();
            damaged[at] = byte;
            // Whatever it says; a digit may well become another.
            let _ = Card::parse(&String::from_utf8_lossy(&damaged));
            let _ = Card::parse(&String::from_utf8_lossy(&card[..at]));
        }
    }
    let deep = "[".repeat(100_000);
    assert!(Card::parse(&deep).is_err());
    assert!(Card::parse(&CARD.replace("\"limits\": [", &format!("\"more\": {deep}"))).is_err());
}

#[test]
fn refuses_what_the_schema_cannot_say() {
    for (pointer, value) in [
        (
            "/labels",
            json!({"background": 0, "right_ventricle": 1, "myocardium": 1, "left_ventricle": 3}),
        ),
        ("/preprocessing/canvas/rows", json!(225)),
        ("/inputs/0/shape", json!([-1, 1, 128, -1])),
        ("/outputs/0/shape", json!([-1, 4, -1, 128])),
        ("/inputs/0/shape", json!([-1, 1, -2, -1])),
        // Sides that the network does not take.
        ("/preprocessing/region", json!({"margin": 32, "step": 24})),
        // An interval that ends before it begins, one number twice, and a rejected result that need not be looked at.
        ("/calibration", {
            let mut calibration = calibration();
            calibration["intervals"]["factors"][0]["high"] = json!(-1.5);
            calibration
        }),
        ("/calibration", {
            let mut calibration = calibration();
            calibration["intervals"]["factors"][1]["quantity"] = json!("left_ventricle.edv_ml");
            calibration
        }),
        ("/calibration", {
            let mut calibration = calibration();
            calibration["score"]["coefficients"]["jump"] = json!(1e6);
            calibration
        }),
    ] {
        let refused = Card::parse(&with(pointer, Some(value)).to_string());
        assert!(
            matches!(refused, Err(Error::Field { .. })),
            "{pointer}: {refused:?}"
        );
    }
    let long = " ".repeat(cinecor_model_card::MAX_CARD_BYTES + 1);
    assert!(matches!(Card::parse(&long), Err(Error::TooLong { .. })));
}

#[test]
fn a_region_needs_a_graph_that_takes_any_rows_and_columns() {
    let region = json!({"margin": 30, "step": 32});
    let card = with("/preprocessing/region", Some(region));
    let taken = Card::parse(&card.to_string()).expect("the fixture's tensors are free");
    assert_eq!(
        taken.region,
        Some(About {
            margin: 30,
            step: 32
        })
    );
    for (tensor, channels) in [("inputs", 1), ("outputs", 4)] {
        let mut fixed = card.clone();
        fixed[tensor][0]["shape"] = json!([-1, channels, 224, -1]);
        let refused = Card::parse(&fixed.to_string()).expect_err("rows that are fixed");
        assert!(refused.to_string().contains("free (-1)"), "{refused}");
        assert!(refused.to_string().contains(tensor), "{refused}");
    }
}

#[test]
fn the_schema_and_the_parser_agree() {
    let mut compiler = boon::Compiler::new();
    let mut schemas = boon::Schemas::new();
    let schema = serde_json::from_str(cinecor_model_card::SCHEMA).expect("the schema is JSON");
    compiler
        .add_resource("card.json", schema)
        .expect("the schema has an address");
    let index = compiler
        .compile("card.json", &mut schemas)
        .expect("the schema is one");

    let with_calibration = |pointer: &str, value: Value| {
        let mut calibration = calibration();
        let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
        calibration
            .pointer_mut(parent)
            .and_then(Value::as_object_mut)
            .expect("the calibration has the object")
            .insert(field.to_owned(), value);
        Some(calibration)
    };
    let digest = "0".repeat(64);
    let openvino =
        json!({"format": "openvino", "file": "model.xml", "digest": digest, "precision": "fp32"});
    let mut whole_openvino = openvino.clone();
    whole_openvino["weights_file"] = json!("model.bin");
    whole_openvino["weights_digest"] = json!(digest);
    // (pointer, value or nothing to remove the field, whether the card is still one)
    let mut measured =
        json!({"format": "onnx", "file": "model.int8.onnx", "digest": digest, "precision": "int8"});
    measured["accuracy"] = with("/graph/precision", None)["accuracy"].clone();
    measured["accuracy"][0]["dice_loss"] = json!(0.0002);
    let mut mismeasured = measured.clone();
    mismeasured["accuracy"] = json!(0.92);
    let mut cases = vec![
        ("/title", None, true),
        ("/title", Some(Value::Null), true),
        ("/unheard_of", Some(json!(1)), true),
        ("/licence_note", None, true),
        ("/schema_version", Some(json!(2)), false),
        ("/schema_version", Some(json!("1")), false),
        ("/name", Some(json!("Cinecor")), false),
        ("/name", Some(json!("-unet")), false),
        ("/name", Some(json!("../unet")), false),
        ("/name", Some(json!("a".repeat(65))), false),
        ("/version", Some(json!("1.0")), false),
        ("/version", Some(json!("01.0.0")), false),
        ("/version", Some(json!("1.0.0-rc.1+build.5")), true),
        ("/graph/file", Some(json!("../model.onnx")), false),
        ("/graph/file", Some(json!(".onnx")), false),
        ("/graph/file", Some(json!("")), false),
        ("/graph/digest", Some(json!("0".repeat(63))), false),
        ("/graph/digest", Some(json!("A".repeat(64))), false),
        ("/graph/format", Some(json!("torch")), false),
        ("/graph/precision", Some(json!("fp16")), false),
        ("/graph", Some(openvino.clone()), false),
        ("/graph", Some(whole_openvino), true),
        ("/variants", Some(json!([openvino])), false),
        ("/variants", Some(json!([measured])), true),
        ("/variants", Some(json!([mismeasured])), false),
        ("/inputs", Some(json!([])), false),
        ("/inputs/0/dtype", Some(json!("float16")), false),
        ("/inputs/0/axis_order", Some(json!("N,Y,X,C")), false),
        ("/inputs/0/shape", Some(json!([-1, 1, 224, 224])), true),
        ("/inputs/0/shape", Some(json!([0, 1, -1, -1])), false),
        ("/inputs/0/shape", Some(json!([-1, 3, -1, -1])), false),
        ("/inputs/0/shape", Some(json!([-1, 1, -1])), false),
        ("/inputs/0/name", Some(json!("")), false),
        ("/outputs/0/values", Some(json!("logits")), true),
        ("/outputs/0/values", Some(json!("classes")), false),
        ("/outputs/0/values", None, false),
        ("/outputs/0/shape", Some(json!([-1, 5, -1, -1])), false),
        ("/preprocessing/spacing_mm/row", Some(json!(0)), false),
        ("/preprocessing/spacing_mm/row", Some(json!(-1.4)), false),
        ("/preprocessing/spacing_mm/column", Some(json!(21)), false),
        ("/preprocessing/interpolation", Some(json!("cubic")), false),
        ("/preprocessing/canvas/rows", Some(json!(0)), false),
        ("/preprocessing/canvas/rows", Some(json!(1040)), false),
        ("/preprocessing/canvas/multiple", Some(json!(0)), false),
        (
            "/preprocessing/canvas/placement",
            Some(json!("corner")),
            false,
        ),
        ("/preprocessing/canvas/padding", Some(json!(1e39)), false),
        ("/preprocessing/canvas/padding", Some(json!(-0.5)), true),
        (
            "/preprocessing/normalisation/method",
            Some(json!("min_max")),
            false,
        ),
        (
            "/preprocessing/normalisation/scope",
            Some(json!("slice")),
            false,
        ),
        (
            "/preprocessing/normalisation/clip_sd",
            Some(json!(0)),
            false,
        ),
        // The fixture's tensor has one channel: none but its own slice is seen.
        ("/preprocessing/neighbours", Some(json!(0)), true),
        ("/preprocessing/neighbours", Some(json!(1)), false),
        ("/preprocessing/neighbours", Some(json!(5)), false),
        ("/preprocessing/neighbours", Some(json!(-1)), false),
        ("/preprocessing/region", Some(Value::Null), true),
        (
            "/preprocessing/region",
            Some(json!({"margin": 32, "step": 32})),
            true,
        ),
        ("/preprocessing/region", Some(json!({"margin": 32})), false),
        (
            "/preprocessing/region",
            Some(json!({"margin": 0, "step": 32})),
            false,
        ),
        (
            "/preprocessing/region",
            Some(json!({"margin": 1025, "step": 32})),
            false,
        ),
        (
            "/preprocessing/region",
            Some(json!({"margin": 32, "step": 0})),
            false,
        ),
        (
            "/preprocessing/region",
            Some(json!({"margin": 32, "step": 2048})),
            false,
        ),
        ("/preprocessing/region", Some(json!(32)), false),
        ("/postprocessing/decision", Some(json!("threshold")), false),
        ("/postprocessing/components/keep", Some(json!("all")), true),
        ("/postprocessing/components/share", Some(json!(0.3)), true),
        ("/postprocessing/components/share", Some(json!(0)), false),
        ("/postprocessing/components/share", Some(json!(1.5)), false),
        (
            "/postprocessing/components/share",
            Some(json!("a third")),
            false,
        ),
        (
            "/postprocessing/components/connectivity",
            Some(json!(6)),
            true,
        ),
        (
            "/postprocessing/components/connectivity",
            Some(json!(18)),
            false,
        ),
        ("/labels/left_ventricle", None, false),
        ("/labels/left_ventricle", Some(json!(4)), false),
        ("/labels/atrium", Some(json!(4)), false),
        ("/labels", Some(json!(["background"])), false),
        ("/training/data", None, false),
        ("/limits", Some(json!("none")), false),
        ("/accuracy/0/dice_mean", None, false),
        // A set may have a structure labelled in one phase only.
        ("/accuracy/0/dice/myocardium/es", None, true),
        ("/accuracy/0/left_ventricle_ef_error_points", None, true),
        ("/accuracy", Some(json!([])), true),
        ("/calibration", Some(Value::Null), true),
        ("/calibration", Some(calibration()), true),
        (
            "/calibration",
            Some(json!({"set": "acdc-val", "patients": 20, "temperature": 1})),
            true,
        ),
        (
            "/calibration",
            Some(json!({"set": "acdc-val", "patients": 20})),
            false,
        ),
        (
            "/calibration",
            with_calibration("/temperature", json!(0.4)),
            false,
        ),
        (
            "/calibration",
            with_calibration("/temperature", json!("warm")),
            false,
        ),
        (
            "/calibration",
            with_calibration("/intervals", Value::Null),
            true,
        ),
        (
            "/calibration",
            with_calibration("/intervals/level", json!(1)),
            false,
        ),
        (
            "/calibration",
            with_calibration("/intervals/factors/0/share", json!(-0.1)),
            false,
        ),
        (
            "/calibration",
            with_calibration("/intervals/factors/0/high", json!(2000)),
            false,
        ),
        (
            "/calibration",
            with_calibration("/intervals/factors/0/quantity", json!("LV EDV")),
            false,
        ),
        (
            "/calibration",
            with_calibration("/score/coefficients", json!({"dice_mean": 1})),
            false,
        ),
        (
            "/calibration",
            with_calibration("/score/intercept", json!(1001)),
            false,
        ),
        (
            "/calibration",
            with_calibration("/score/coefficients/ragged", json!(1001)),
            false,
        ),
        (
            "/calibration",
            with_calibration("/score/coefficients/ragged", json!(-2)),
            true,
        ),
    ];
    for field in [
        "/name",
        "/version",
        "/graph",
        "/variants",
        "/inputs",
        "/outputs",
        "/preprocessing",
        "/postprocessing",
        "/labels",
        "/training",
    ] {
        cases.push((field, None, false));
    }
    for field in [
        "/licence",
        "/citation",
        "/intended_use",
        "/limits",
        "/accuracy",
        "/schema_version",
    ] {
        cases.push((field, None, false));
    }
    for (pointer, value, is_card) in cases {
        let case = format!("{pointer} = {value:?}");
        let card = with(pointer, value);
        let parsed = Card::parse(&card.to_string());
        assert_eq!(parsed.is_ok(), is_card, "parser, {case}: {parsed:?}");
        assert_eq!(
            schemas.validate(&card, index).is_ok(),
            is_card,
            "schema, {case}"
        );
    }
}

#[test]
fn a_file_is_checked_against_its_digest() {
    // SHA-256 of "abc" as FIPS 180-2 gives it.
    assert_eq!(
        sha256_hex(b"abc"),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    let card = with("/graph/digest", Some(json!(sha256_hex(b"abc"))));
    let card = Card::parse(&card.to_string()).expect("a card");
    assert_eq!(card.graph.file.check(b"abc"), Ok(()));
    let refused = card.graph.file.check(b"abd").expect_err("other bytes");
    assert!(refused.to_string().contains("model.onnx"), "{refused}");
}

#[test]
fn versions_sort_as_semver_says() {
    // The example of semver.org, section 11.
    let sorted = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "2.0.0",
        "2.1.0",
        "10.0.0",
    ];
    for pair in sorted.windows(2) {
        assert!(version_order(pair[0]) < version_order(pair[1]), "{pair:?}");
    }
    for none in [
        "",
        "1",
        "1.0.0.0",
        "1.0.x",
        "1.0.0-",
        "1.0.0-01",
        "1.0.0+",
        "v1.0.0",
        "99999999999999999999.0.0",
    ] {
        assert!(!is_version(none), "{none}");
    }
}

#[test]
fn the_packages_that_ship_are_whole() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../weights/models");
    let mut checked = 0;
    for package in std::fs::read_dir(&root).expect("weights/models is there") {
        for version in
            std::fs::read_dir(package.expect("an entry").path()).expect("a folder of versions")
        {
            let folder = version.expect("an entry").path();
            let text = std::fs::read_to_string(folder.join("model.json")).expect("a card");
            let card =
                Card::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            assert!(
                folder.ends_with(format!("{}/{}", card.name, card.version)),
                "{} holds {}",
                folder.display(),
                card.graph_name()
            );
            let graph = std::fs::read(folder.join(&card.graph.file.name)).expect("the graph");
            assert_eq!(
                card.graph.file.check(&graph),
                Ok(()),
                "{}",
                folder.display()
            );
            checked += 1;
        }
    }
    assert!(checked > 0, "no package ships");
}
