//! Studies that are kept: their life, what a crash leaves, and what deleting leaves.

use std::io::Write as _;
use std::net::TcpStream;

use anyhow::{Context, Result, ensure};
use cinecor_tests::client::Client;
use cinecor_tests::host::Options;
use cinecor_tests::traces::traces_in;
use cinecor_tests::volumes;

const STUDIES: &str = "/api/v1/studies";

#[test]
fn a_study_lives_from_upload_to_numbers_to_deletion() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let created = client
        .post(
            &format!("{STUDIES}?label=ward+3"),
            &volumes::small(3, 4, 11)?,
        )?
        .expect(201)?;
    let location = created
        .header("location")
        .context("no Location")?
        .to_owned();
    let study = created.json()?;
    let id = study["id"].as_str().context("no id")?;
    ensure!(
        location.ends_with(&format!("/api/v1/studies/{id}")),
        "{location}"
    );
    assert_eq!(study["label"], "ward 3");
    assert_eq!(
        client.get(&location)?.expect(200)?.json()?["id"],
        study["id"]
    );
    assert_eq!(
        client.get(STUDIES)?.expect(200)?.json()?["items"][0]["id"],
        study["id"]
    );

    let patched = client
        .send(
            "PATCH",
            &location,
            &[("content-type", "application/json")],
            Some(br#"{"subject": {"height_cm": 180, "weight_kg": 80}}"#),
        )?
        .expect(200)?
        .json()?;
    assert_eq!(patched["subject"]["height_cm"], 180.0);

    let segmentations = format!("{location}/segmentations");
    let made = client
        .send(
            "POST",
            &segmentations,
            &[("content-type", "application/json")],
            Some(b"{}"),
        )?
        .expect(201)?;
    let sid = made.json()?["id"]
        .as_str()
        .context("no segmentation id")?
        .to_owned();
    let again = client
        .send(
            "POST",
            &segmentations,
            &[("content-type", "application/json")],
            Some(b"{}"),
        )?
        .expect(200)?;
    assert_eq!(
        again.json()?["id"],
        sid.as_str(),
        "the same request finds the segmentation that exists"
    );

    let base = format!("{segmentations}/{sid}");
    let metrics = client
        .get(&format!("{base}/metrics"))?
        .expect(200)?
        .json()?;
    assert_eq!(
        metrics["curve"]["time_ms"],
        serde_json::json!([0.0, 40.0, 80.0, 120.0])
    );
    // As the one shot has it: intervals of what was measured, each about its number.
    let intervals = metrics["intervals"].as_array().context("no intervals")?;
    ensure!(!intervals.is_empty(), "{metrics}");
    for interval in intervals {
        let quantity = interval["quantity"].as_str().context("no quantity")?;
        let value = metrics
            .pointer(&format!("/{}", quantity.replace('.', "/")))
            .and_then(serde_json::Value::as_f64)
            .with_context(|| format!("{quantity} is not in {metrics}"))?;
        let (low, high) = (interval["low"].as_f64(), interval["high"].as_f64());
        ensure!(
            low.is_some_and(|low| low <= value) && high.is_some_and(|high| value <= high),
            "{interval} about {value}"
        );
    }
    // The doubt is that of whole frames: where a slice is left out, and where nobody's model made the mask, there is none.
    let without = client
        .get(&format!("{base}/metrics?excluded_slices=0"))?
        .expect(200)?;
    assert_eq!(without.json()?["intervals"], serde_json::json!([]));
    // Phases that are told with the request hold for its answer alone: the volumes are the curve's at these frames.
    let told = client
        .get(&format!("{base}/metrics?ed_frame=3&es_frame=1"))?
        .expect(200)?
        .json()?;
    assert_eq!(told["phases"]["method"], "told");
    for (volume, frame) in [("edv_ml", 3), ("esv_ml", 1)] {
        let expected = &metrics["curve"]["left_ventricle_ml"][frame];
        assert_eq!(&told["left_ventricle"][volume], expected, "{volume}");
    }
    for (query, field) in [
        ("ed_frame=4", "ed_frame"),
        ("ed_frame=2&es_frame=2", "es_frame"),
    ] {
        let refused = client
            .get(&format!("{base}/metrics?{query}"))?
            .expect(422)?
            .json()?;
        assert_eq!(refused["field"], field, "{query}");
    }
    for query in ["", "?excluded_slices=none"] {
        let after = client.get(&format!("{base}/metrics{query}"))?.expect(200)?;
        assert_eq!(after.json()?, metrics, "{query}");
    }
    let mask = client.get(&format!("{base}/mask.nii.gz"))?.expect(200)?;
    let measured = client.post("/api/v1/measure", &mask.body)?.expect(200)?;
    assert_eq!(measured.json()?["intervals"], serde_json::json!([]));
    let csv = client
        .get_as(&format!("{base}/metrics"), "text/csv")?
        .expect(200)?;
    ensure!(
        csv.header("content-type")
            .is_some_and(|kind| kind.starts_with("text/csv"))
            && csv.text().lines().count() > 1,
        "{}",
        csv.text()
    );

    for path in [
        format!("{base}/mask.nii.gz"),
        format!("{location}/volume.nii.gz"),
    ] {
        check_file(&client, &path)?;
    }
    for path in [
        format!("{location}/slices/1.png"),
        format!("{base}/slices/1.png?frame=2&overlay=fill"),
    ] {
        let png = client.get(&path)?.expect(200)?;
        assert_eq!(png.header("content-type"), Some("image/png"));
        ensure!(png.body.starts_with(b"\x89PNG"), "{path}");
    }

    client.delete(&location)?.expect(204)?;
    for path in [
        location.clone(),
        base.clone(),
        format!("{base}/mask.nii.gz"),
        format!("{location}/volume.nii.gz"),
    ] {
        assert_eq!(
            client.get(&path)?.expect(404)?.problem()?,
            "not-found",
            "{path}"
        );
    }
    Ok(())
}

/// Entity tag, 304, ranges and `HEAD` of a stored file.
fn check_file(client: &Client, path: &str) -> Result<()> {
    let whole = client.get(path)?.expect(200)?;
    let tag = whole
        .header("etag")
        .with_context(|| format!("{path} has no ETag"))?;
    assert_eq!(
        client
            .send("GET", path, &[("if-none-match", tag)], None)?
            .expect(304)?
            .body
            .len(),
        0
    );
    for (range, expected) in [
        ("bytes=0-9", 0..10),
        ("bytes=10-99", 10..100),
        ("bytes=-7", whole.body.len() - 7..whole.body.len()),
        ("bytes=100-", 100..whole.body.len()),
    ] {
        let part = client
            .send("GET", path, &[("range", range)], None)?
            .expect(206)?;
        assert_eq!(
            Some(part.body.as_slice()),
            whole.body.get(expected.clone()),
            "{path} {range}"
        );
        let said = format!(
            "bytes {}-{}/{}",
            expected.start,
            expected.end - 1,
            whole.body.len()
        );
        assert_eq!(part.header("content-range"), Some(said.as_str()));
    }
    client
        .send("GET", path, &[("range", "bytes=999999999-")], None)?
        .expect(416)?;
    let head = client.send("HEAD", path, &[], None)?.expect(200)?;
    ensure!(head.body.is_empty(), "HEAD has a body");
    assert_eq!(
        head.header("content-length"),
        Some(whole.body.len().to_string().as_str())
    );
    assert_eq!(head.header("etag"), Some(tag));
    cinecor_formats::decode(&whole.body, cinecor_formats::Limits::default())?;
    Ok(())
}

#[test]
fn pages_of_studies_are_complete_and_newest_first() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let mut made = Vec::new();
    for seed in 0..5 {
        made.push(
            client
                .post(STUDIES, &volumes::small(1, 1, seed)?)?
                .expect(201)?
                .json()?["id"]
                .clone(),
        );
    }
    made.reverse();
    let mut found = Vec::new();
    let mut path = format!("{STUDIES}?limit=2");
    loop {
        let page = client.get(&path)?.expect(200)?.json()?;
        found.extend(
            page["items"]
                .as_array()
                .context("items")?
                .iter()
                .map(|study| study["id"].clone()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("{STUDIES}?limit=2&cursor={cursor}");
    }
    assert_eq!(found, made);
    Ok(())
}

#[test]
fn deleting_leaves_no_voxel_in_the_state_folder() -> Result<()> {
    let mut host = Options::new().start()?;
    let client = Client::new(&host);
    let created = client
        .post(STUDIES, &volumes::small(3, 4, 21)?)?
        .expect(201)?;
    let location = created
        .header("location")
        .context("no Location")?
        .to_owned();
    client
        .send(
            "POST",
            &format!("{location}/segmentations"),
            &[("content-type", "application/json")],
            Some(b"{}"),
        )?
        .expect(201)?;
    let stored = client
        .get(&format!("{location}/volume.nii.gz"))?
        .expect(200)?
        .body;
    let traces: Vec<Vec<u8>> = stored
        .chunks(stored.len() / 40)
        .filter(|chunk| chunk.len() > 64)
        .filter_map(|chunk| chunk.get(16..48))
        .map(<[u8]>::to_vec)
        .collect();
    ensure!(
        traces_in(host.state(), &traces)? > traces.len() / 2,
        "the search does not find what is there"
    );
    client.delete(&location)?.expect(204)?;
    assert_eq!(
        traces_in(host.state(), &traces)?,
        0,
        "voxels are left while the host runs"
    );
    host.kill()?;
    assert_eq!(
        traces_in(host.state(), &traces)?,
        0,
        "voxels are left after a crash"
    );
    Ok(())
}

#[test]
fn a_crash_loses_no_accepted_study_and_leaves_no_half_one() -> Result<()> {
    let state = tempfile::tempdir()?;
    let options = Options::new().state(state.path());
    let volume = volumes::small(4, 12, 31)?;
    let mut accepted = Vec::new();
    // The upload is cut after these shares of its body; the crash follows at once.
    for share in [0.0, 0.1, 0.5, 0.9, 1.0] {
        let mut host = options.start()?;
        let client = Client::new(&host);
        accepted.push(
            client
                .post(STUDIES, &volumes::small(1, 1, accepted.len() as u64)?)?
                .expect(201)?
                .json()?["id"]
                .clone(),
        );
        let mut connection = TcpStream::connect(host.authority())?;
        write!(
            connection,
            "POST {STUDIES} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n",
            host.authority(),
            volume.len()
        )?;
        let sent = ((volume.len() as f64 * share) as usize).min(volume.len());
        connection.write_all(volume.get(..sent).unwrap_or_default())?;
        connection.flush()?;
        // An answer means that what was sent before has been read; the cut upload stays open meanwhile.
        client.get(STUDIES)?.expect(200)?;
        host.kill()?;
    }
    let host = options.start()?;
    let client = Client::new(&host);
    // An upload after the crashes is taken as any other.
    accepted.push(
        client
            .post(STUDIES, &volumes::small(1, 1, 99)?)?
            .expect(201)?
            .json()?["id"]
            .clone(),
    );
    let items = client
        .get(&format!("{STUDIES}?limit=100"))?
        .expect(200)?
        .json()?["items"]
        .as_array()
        .cloned()
        .context("items")?;
    for id in &accepted {
        ensure!(
            items.iter().any(|study| &study["id"] == id),
            "an accepted study is lost: {id}"
        );
    }
    for study in &items {
        let location = format!("{STUDIES}/{}", study["id"].as_str().context("id")?);
        let file = client
            .get(&format!("{location}/volume.nii.gz"))?
            .expect(200)?
            .body;
        let whole = cinecor_formats::decode(&file, cinecor_formats::Limits::default())?;
        assert_eq!(
            study["shape"]["frames"].as_u64(),
            Some(whole.volume.intensities.dim().0 as u64),
            "half a study is listed"
        );
    }
    Ok(())
}
