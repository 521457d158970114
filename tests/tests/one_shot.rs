//! The one shot: a volume in, mask and numbers out, nothing kept.

use anyhow::{Context, Result, ensure};
use cinecor_formats::{Limits, decode, decode_mask};
use cinecor_measures::compare;
use cinecor_tests::client::Client;
use cinecor_tests::host::Options;
use cinecor_tests::{volumes, wording};
use ndarray::Axis;
use serde_json::Value;

const SEGMENT: &str = "/api/v1/segment";

#[test]
fn answers_with_study_segmentation_metrics_and_mask() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let volume = volumes::small(3, 4, 1)?;
    let answer = client
        .post_as(
            &format!("{SEGMENT}?previews=true&height_cm=180&weight_kg=80&heart_rate_bpm=60"),
            &volume,
            "application/json",
        )?
        .expect(200)?;
    let body = answer.json()?;

    assert_eq!(
        body["study"]["shape"],
        serde_json::json!({"frames": 4, "slices": 3, "rows": 60, "columns": 72})
    );
    let spacing = &body["study"]["spacing_mm"];
    for (axis, expected) in [("row", 1.8), ("column", 1.5), ("slice", 8.0)] {
        let found = spacing[axis].as_f64().context(axis)?;
        ensure!((found - expected).abs() < 1e-5, "{axis}: {found}");
    }
    let model = &body["segmentation"]["model"];
    for fact in ["name", "version", "engine", "device", "precision"] {
        ensure!(
            model[fact].as_str().is_some_and(|text| !text.is_empty()),
            "model.{fact}: {model}"
        );
    }
    for digest in ["digest", "component_digest"] {
        ensure!(
            model[digest].as_str().is_some_and(|text| text.len() == 64),
            "model.{digest}: {model}"
        );
    }
    // Drawn rings are no heart, and the checks say so.
    assert_eq!(body["segmentation"]["quality"]["verdict"], "reject");
    assert_eq!(
        body["metrics"]["curve"]["left_ventricle_ml"]
            .as_array()
            .map(Vec::len),
        Some(4)
    );
    let bsa = body["metrics"]["body"]["bsa_m2"].as_f64().context("bsa")?;
    ensure!(
        (bsa - 2.0).abs() < 1e-9,
        "Mosteller of 180 cm and 80 kg is 2 m², found {bsa}"
    );
    ensure!(
        body["previews"]
            .as_array()
            .is_some_and(|previews| !previews.is_empty()),
        "no previews"
    );
    let mask = decode_mask(&base64(&body["mask"]["data"])?, Limits::default())?.1;
    assert_eq!(mask.labels.shape(), [4, 3, 60, 72]);
    Ok(())
}

#[test]
fn mask_alone_lies_on_the_grid_of_the_input() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let volume = volumes::small(2, 1, 2)?;
    let input = decode(&volume, Limits::default())?.header;
    for accept in ["application/x-nifti", "application/gzip"] {
        let answer = client.post_as(SEGMENT, &volume, accept)?.expect(200)?;
        assert_eq!(answer.header("content-type"), Some(accept));
        assert_eq!(
            answer.body.starts_with(&[0x1f, 0x8b]),
            accept == "application/gzip"
        );
        let (header, mask) = decode_mask(&answer.body, Limits::default())?;
        assert_eq!(header.geometry, input.geometry, "{accept}");
        assert_eq!(mask.labels.shape(), [1, 2, 60, 72], "{accept}");
    }
    Ok(())
}

#[test]
fn equal_requests_give_equal_answers() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let volume = volumes::small(5, 2, 3)?;
    let first = client
        .post_as(SEGMENT, &volume, "application/gzip")?
        .expect(200)?;
    let metrics = |answer: Value| answer["metrics"].clone();
    let numbers = metrics(client.post(SEGMENT, &volume)?.expect(200)?.json()?);
    for _ in 0..3 {
        assert_eq!(
            client
                .post_as(SEGMENT, &volume, "application/gzip")?
                .expect(200)?
                .body,
            first.body
        );
        assert_eq!(
            metrics(client.post(SEGMENT, &volume)?.expect(200)?.json()?),
            numbers
        );
    }
    Ok(())
}

#[test]
fn what_is_told_changes_the_numbers_as_it_says_and_no_voxel() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let volume = volumes::phantom(12, 4)?;
    let ask = |query: &str| -> Result<Value> {
        let path = format!("{SEGMENT}?model=cinecor-unet-lite{query}");
        client.post(&path, &volume)?.expect(200)?.json()
    };
    let number = |answer: &Value, pointer: &str| -> Result<f64> {
        let found = answer.pointer(pointer).and_then(Value::as_f64);
        found.with_context(|| format!("no {pointer}"))
    };
    let plain = ask("")?;
    let curve = |answer: &Value| -> Result<Vec<f64>> {
        let values = answer["metrics"]["curve"]["left_ventricle_ml"].as_array();
        let values = values.context("no curve")?;
        values
            .iter()
            .map(|value| value.as_f64().context("a gap in the curve"))
            .collect()
    };
    let volumes = curve(&plain)?;

    // Phases: the numbers are those of the frames that are told.
    let told = ask("&ed_frame=3&es_frame=2")?;
    ensure!(told["metrics"]["phases"]["method"] == "told");
    let (edv, esv) = (volumes[3], volumes[2]);
    for (name, expected) in [
        ("edv_ml", edv),
        ("esv_ml", esv),
        ("sv_ml", edv - esv),
        ("ef_percent", 100.0 * (edv - esv) / edv),
    ] {
        let found = number(&told, &format!("/metrics/left_ventricle/{name}"))?;
        ensure!((found - expected).abs() < 1e-9, "{name}: {found}");
    }

    // Slices that do not count: their voxels are missing, and nothing else is.
    let without = ask("&excluded_slices=4,2")?;
    ensure!(
        without["metrics"]["conventions"]["excluded_slices"] == serde_json::json!([2, 4])
            && without["segmentation"]["excluded_slices"] == serde_json::json!([2, 4])
    );
    let mask = decode_mask(&base64(&plain["mask"]["data"])?, Limits::default())?.1;
    // The file holds its spacing in single precision.
    let voxel_ml = 1.4 * 1.4 * 8.0 / 1000.0;
    for (frame, (found, whole)) in curve(&without)?.into_iter().zip(&volumes).enumerate() {
        let of_frame = mask.labels.index_axis(Axis(0), frame);
        let left_out: usize = [2, 4]
            .into_iter()
            .map(|slice| {
                let labels = of_frame.index_axis(Axis(0), slice);
                labels.iter().filter(|label| **label == 3).count()
            })
            .sum();
        ensure!(left_out > 0, "frame {frame} has no cavity there");
        let expected = whole - left_out as f64 * voxel_ml;
        ensure!(
            (found - expected).abs() < 1e-4,
            "frame {frame}: {found} for {expected}"
        );
    }

    // Body surface of 180 cm and 81 kg: 180^.725 x 81^.425 x .007184 (DuBois), the root of 180 x 81 / 3600 (Mosteller).
    for (query, formula, bsa_m2) in [
        ("", "mosteller", 2.012_461),
        ("&bsa_formula=dubois", "dubois", 2.006_989),
    ] {
        let answer = ask(&format!("&height_cm=180&weight_kg=81{query}"))?;
        ensure!(answer["metrics"]["body"]["formula"] == formula);
        let found = number(&answer, "/metrics/body/bsa_m2")?;
        ensure!((found - bsa_m2).abs() < 1e-4, "{formula}: {found}");
        let edv = number(&answer, "/metrics/left_ventricle/edv_ml")?;
        let indexed = number(&answer, "/metrics/left_ventricle/edv_ml_per_m2")?;
        ensure!((indexed - edv / found).abs() < 1e-9, "{formula}: {indexed}");
    }

    // The rule at the base is named; where every slice is enclosed it takes nothing away.
    let enclosed = ask("&basal_rule=mostly_enclosed")?;
    ensure!(enclosed["metrics"]["conventions"]["basal_rule"] == "mostly_enclosed");
    ensure!(
        curve(&enclosed)?
            .iter()
            .zip(&volumes)
            .all(|(some, all)| some <= all)
    );

    let timed = ask("&heart_rate_bpm=60&frame_ms=250&sex=female&age_years=50")?;
    ensure!(timed["metrics"]["curve"]["time_ms"] == serde_json::json!([0.0, 250.0, 500.0, 750.0]));
    let litres = number(&timed, "/metrics/left_ventricle/co_l_min")?;
    let beat = number(&timed, "/metrics/left_ventricle/sv_ml")?;
    ensure!((litres - beat * 60.0 / 1000.0).abs() < 1e-9, "{litres}");
    // The range of women of 45 to 74 years: 61 -/+ 1.96 x 5 %.
    ensure!(plain["metrics"]["reference"][0]["low"].is_null());
    ensure!((number(&timed, "/metrics/reference/0/low")? - 51.2).abs() < 1e-9);

    for answer in [&told, &without, &enclosed, &timed] {
        ensure!(answer["mask"] == plain["mask"]);
    }
    Ok(())
}

#[test]
fn what_cannot_be_told_is_refused_by_its_name() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let volume = volumes::small(3, 3, 6)?;
    for (query, status, name) in [
        ("basal_rule=all", 400, "basal_rule"),
        (
            "basal_rule=as_segmented&basal_rule=as_segmented",
            400,
            "basal_rule",
        ),
        ("bsa_formula=haycock", 400, "bsa_formula"),
        ("excluded_slices=-1", 400, "excluded_slices"),
        ("excluded_slices=a", 400, "excluded_slices"),
        ("excluded_slices=1,1", 400, "excluded_slices"),
        ("excluded_slices=3", 422, "excluded_slices"),
        ("excluded_slices=0,1,2", 422, "excluded_slices"),
        // The convention is stated and cannot be chosen.
        ("papillary=wall", 400, "papillary"),
        ("frames=3", 422, "frames"),
        ("ed_frame=-1", 422, "ed_frame"),
        ("ed_frame=3", 422, "ed_frame"),
        ("ed_frame=1&es_frame=1", 422, "es_frame"),
        ("height_cm=3", 422, "height_cm"),
        ("sex=x", 422, "sex"),
        ("heart_rate_bpm=0", 422, "heart_rate_bpm"),
        ("frame_ms=abc", 422, "frame_ms"),
    ] {
        let path = format!("{SEGMENT}?model=cinecor-unet-lite&{query}");
        let answer = client.post(&path, &volume)?.expect(status).context(query)?;
        answer.problem().context(query)?;
        let problem = answer.json()?;
        ensure!(
            problem["parameter"] == name || problem["field"] == name,
            "{query}: {problem}"
        );
        wording::check(problem["detail"].as_str().unwrap_or_default()).context(query)?;
    }
    Ok(())
}

#[test]
fn one_frame_alone_has_no_phases() -> Result<()> {
    let host = Options::new().start()?;
    let body = Client::new(&host)
        .post(SEGMENT, &volumes::small(3, 1, 4)?)?
        .expect(200)?
        .json()?;
    for side in ["left_ventricle", "right_ventricle"] {
        for number in ["edv_ml", "esv_ml", "sv_ml", "ef_percent"] {
            assert_eq!(
                body["metrics"][side][number],
                Value::Null,
                "{side} {number}"
            );
        }
    }
    assert_eq!(
        body["metrics"]["curve"]["left_ventricle_ml"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    Ok(())
}

#[test]
fn chosen_frames_are_segmented_and_no_others() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let volume = volumes::small(2, 6, 5)?;
    let body = client
        .post(&format!("{SEGMENT}?frames=0,3"), &volume)?
        .expect(200)?
        .json()?;
    assert_eq!(body["segmentation"]["frames"], serde_json::json!([0, 3]));
    assert_eq!(
        client
            .post(&format!("{SEGMENT}?frames=0,6"), &volume)?
            .status
            / 100,
        4
    );
    Ok(())
}

#[test]
fn progress_is_told_before_the_result() -> Result<()> {
    let host = Options::new().start()?;
    let answer = Client::new(&host)
        .post_as(SEGMENT, &volumes::small(2, 3, 6)?, "text/event-stream")?
        .expect(200)?;
    let text = String::from_utf8(answer.body)?;
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("event: ").or(line.strip_prefix("event:")))
        .map(str::trim)
        .collect();
    ensure!(
        names.iter().filter(|name| **name == "progress").count() >= 3,
        "{names:?}"
    );
    ensure!(
        names.last() == Some(&"result")
            && names.iter().filter(|name| **name == "result").count() == 1,
        "{names:?}"
    );
    let result: Value = serde_json::from_str(
        text.lines()
            .rev()
            .find_map(|line| line.strip_prefix("data:"))
            .context("no data")?
            .trim(),
    )?;
    ensure!(
        result["metrics"].is_object() && result["mask"].is_object(),
        "the result is the JSON answer"
    );
    Ok(())
}

#[test]
fn a_refusal_inside_an_event_stream_is_a_problem() -> Result<()> {
    let host = Options::new().start()?;
    let mut volume = volumes::small(3, 3, 7)?;
    volume.truncate(volume.len() * 3 / 4);
    let answer = Client::new(&host).post_as(SEGMENT, &volume, "text/event-stream")?;
    if answer.status == 200 {
        let text = answer.text();
        ensure!(
            text.contains("event: problem") && !text.contains("event: result"),
            "{text}"
        );
    } else {
        assert_eq!(answer.status, 422);
        answer.problem()?;
    }
    Ok(())
}

#[test]
fn every_container_of_a_volume_gives_the_same_mask() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let zipped = volumes::small(2, 2, 8)?;
    let mut plain = Vec::new();
    std::io::Read::read_to_end(
        &mut flate2::read::GzDecoder::new(zipped.as_slice()),
        &mut plain,
    )?;
    let expected = client
        .post_as(SEGMENT, &zipped, "application/x-nifti")?
        .expect(200)?
        .body;
    assert_eq!(
        client
            .post_as(SEGMENT, &plain, "application/x-nifti")?
            .expect(200)?
            .body,
        expected,
        "plain"
    );
    let coded = client.send(
        "POST",
        SEGMENT,
        &[
            ("content-encoding", "gzip"),
            ("accept", "application/x-nifti"),
            ("content-type", "application/octet-stream"),
        ],
        Some(&zipped),
    )?;
    assert_eq!(coded.expect(200)?.body, expected, "content-encoding");
    let mut form = b"--edge\r\nContent-Disposition: form-data; name=\"height_cm\"\r\n\r\n170\r\n--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.nii.gz\"\r\nContent-Type: application/octet-stream\r\n\r\n".to_vec();
    form.extend_from_slice(&zipped);
    form.extend_from_slice(b"\r\n--edge--\r\n");
    let posted = client.send(
        "POST",
        SEGMENT,
        &[
            ("content-type", "multipart/form-data; boundary=edge"),
            ("accept", "application/x-nifti"),
        ],
        Some(&form),
    )?;
    assert_eq!(posted.expect(200)?.body, expected, "multipart");
    Ok(())
}

#[test]
fn a_phantom_heart_is_found_and_measured() -> Result<()> {
    let host = Options::new().start()?;
    let frames = 8;
    let (volume, phantom) = volumes::phantom_with_truth(12, frames)?;
    let body = Client::new(&host)
        .post(SEGMENT, &volume)?
        .expect(200)?
        .json()?;
    let mask = decode_mask(&base64(&body["mask"]["data"])?, Limits::default())?.1;
    for (frame, made) in phantom.iter().enumerate() {
        let agreement = compare(
            made.labels.view().insert_axis(Axis(0)),
            mask.labels.slice_axis(Axis(0), (frame..=frame).into()),
            &mask.geometry.spacing,
        )?;
        let dice = agreement.left_ventricle.dice.context("no ventricle")?;
        ensure!(dice >= 0.85, "frame {frame}: Dice {dice}");
    }
    let volumes_ml = || phantom.iter().map(|made| made.truth.left_ventricle_ml);
    let (largest, smallest) = (
        volumes_ml().fold(0.0, f64::max),
        volumes_ml().fold(f64::INFINITY, f64::min),
    );
    let expected = 100.0 * (largest - smallest) / largest;
    let found = body["metrics"]["left_ventricle"]["ef_percent"]
        .as_f64()
        .context("no ejection fraction")?;
    ensure!(
        (found - expected).abs() < 5.0,
        "ejection fraction {found} %, the phantom's is {expected} %"
    );
    // A drawn heart is none that the network knows, but the score sees a heart in it, and none in rings.
    let score = |body: &serde_json::Value| {
        let quality = &body["segmentation"]["quality"];
        quality["score"].as_f64().context("no score")
    };
    let rings = Client::new(&host)
        .post(SEGMENT, &volumes::small(3, 2, 9)?)?
        .expect(200)?
        .json()?;
    let (heart, rings) = (score(&body)?, score(&rings)?);
    ensure!(
        heart > 0.6 && rings < heart && (0.0..=1.0).contains(&rings),
        "the heart scores {heart}, rings {rings}"
    );
    Ok(())
}

#[test]
fn every_engine_gives_the_same_contours() -> Result<()> {
    let volume = volumes::phantom(12, 2)?;
    let mut masks = Vec::new();
    for engine in ["tract", "onnxruntime", "openvino"] {
        let Some(options) = volumes::engine(engine) else {
            continue;
        };
        let host = options.start()?;
        let body = Client::new(&host)
            .post(SEGMENT, &volume)?
            .expect(200)?
            .json()?;
        assert_eq!(body["segmentation"]["model"]["engine"], engine);
        let mask = decode_mask(&base64(&body["mask"]["data"])?, Limits::default())?.1;
        masks.push((engine, mask));
    }
    let (first, reference) = masks.first().context("no engine at all")?;
    for (engine, mask) in &masks {
        let agreement = compare(
            reference.labels.view(),
            mask.labels.view(),
            &reference.geometry.spacing,
        )?;
        for (name, structure) in [
            ("right ventricle", agreement.right_ventricle),
            ("myocardium", agreement.myocardium),
            ("left ventricle", agreement.left_ventricle),
        ] {
            let dice = structure
                .dice
                .with_context(|| format!("{engine} found no {name} in the phantom"))?;
            ensure!(
                dice >= 0.999,
                "{name}: {engine} and {first} agree with a Dice of {dice}"
            );
        }
    }
    Ok(())
}

fn base64(value: &Value) -> Result<Vec<u8>> {
    use base64::Engine as _;
    Ok(base64::engine::general_purpose::STANDARD
        .decode(value.as_str().context("no base64 text")?)?)
}
