//! The report of a kept segmentation as the service gives it: the same thing as HTML, JSON and CSV, whole, safe and the same again.

use std::io::Cursor;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cinecor_tests::client::Client;
use cinecor_tests::host::Options;
use cinecor_tests::volumes;
use serde_json::{Value, json};

/// Parses a file of HTML as strictly as the standard is, and says which tags are there.
const PARSE: &str = r#"
import collections, json, sys, html5lib
with open(sys.argv[1], "rb") as file:
    tree = html5lib.HTMLParser(strict=True).parse(file.read(), transport_encoding="utf-8")
names = collections.Counter(str(node.tag).rsplit("}", 1)[-1] for node in tree.iter() if isinstance(node.tag, str))
print(json.dumps(names))
"#;

#[test]
fn a_report_is_one_safe_page_and_says_what_the_json_and_the_csv_say() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let label = "%3C%2Ftitle%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let facts = "height_cm=180&weight_kg=80&sex=male&age_years=50&heart_rate_bpm=60";
    let study = client
        .post(
            &format!("/api/v1/studies?label={label}&{facts}"),
            &volumes::small(5, 6, 3)?,
        )?
        .expect(201)?
        .json()?;
    let study = study["links"]["self"].as_str().context("no study")?;
    let made = client
        .send("POST", &format!("{study}/segmentations"), &[], None)?
        .expect(201)?
        .json()?;
    let path = made["links"]["report"].as_str().context("no report")?;
    let metrics = made["links"]["metrics"].as_str().context("no metrics")?;

    // HTML unless told otherwise; the same again, and not sent to who has it.
    let page = client.get(path)?.expect(200)?;
    ensure!(
        page.header("content-type")
            .is_some_and(|kind| kind.starts_with("text/html")),
        "{:?}",
        page.headers
    );
    let policy = page
        .header("content-security-policy")
        .context("no Content-Security-Policy")?;
    for part in [
        "default-src 'none'",
        "style-src 'sha256-",
        "frame-ancestors 'self'",
    ] {
        ensure!(policy.contains(part), "{policy}");
    }
    let tag = page.header("etag").context("no ETag")?.to_owned();
    assert_eq!(client.get(path)?.expect(200)?.body, page.body);
    client
        .send("GET", path, &[("if-none-match", &tag)], None)?
        .expect(304)?;
    let text = String::from_utf8(page.body.clone())?;
    ensure!(!text.contains("<script"), "the label became markup");
    ensure!(text.contains("&lt;/title&gt;&lt;script&gt;alert(1)"));
    ensure!(text.contains("no commercial use"), "the card is not there");

    // The same as JSON: its numbers are those of the metrics, and stand in the page.
    let report = client
        .get_as(path, "application/json")?
        .expect(200)?
        .json()?;
    assert_eq!(report["metrics"], client.get(metrics)?.expect(200)?.json()?);
    assert_eq!(report["segmentation"], made);
    for quantity in ["edv_ml", "esv_ml", "sv_ml"] {
        if let Some(value) = report["metrics"]["left_ventricle"][quantity].as_f64() {
            ensure!(
                text.contains(&format!("{value:.1} ml")),
                "{quantity}: {value}"
            );
        }
    }
    let fields = report["fields"].as_array().context("no fields")?;
    let state = |name: &str| {
        let found = fields.iter().find(|field| field["field"] == name);
        found.map(|field| field["state"].clone())
    };
    assert_eq!(state("Patient sex"), Some(json!("given")));
    assert_eq!(state("Referring physician"), Some(json!("missing")));
    assert_eq!(state("Left atrium"), Some(json!("not_assessed")));
    assert_eq!(
        state("Summary of test findings"),
        Some(json!("left_to_physician"))
    );
    let pictures = report["pictures"].as_array().context("no pictures")?;
    for picture in pictures {
        let data = picture["data"].as_str().context("no data")?;
        ensure!(text.contains(data), "a picture is not in the page");
        png::Decoder::new(Cursor::new(STANDARD.decode(data)?)).read_info()?;
    }
    assert_eq!(text.matches("<img").count(), pictures.len());

    // What a person tells and says of it stands in the next report, and the first stays as it was.
    let segmentation = made["links"]["self"].as_str().context("no segmentation")?;
    client
        .send(
            "PATCH",
            segmentation,
            &[("content-type", "application/json")],
            Some(br#"{"es_frame": 2}"#),
        )?
        .expect(200)?;
    client
        .send(
            "POST",
            &format!("{segmentation}/review"),
            &[("content-type", "application/json")],
            Some(br#"{"state": "approved", "note": "Looked at <all> slices."}"#),
        )?
        .expect(200)?;
    let second = String::from_utf8(client.get(path)?.expect(200)?.body)?;
    for said in [
        "revision 2",
        "Changed: es_frame",
        "approved</strong>",
        "Looked at &lt;all&gt; slices.",
    ] {
        ensure!(second.contains(said), "{said} is not in the report");
    }
    let path = &format!("{path}?revision=1");
    let metrics = &format!("{metrics}?revision=1");
    let first = client.get(path)?.expect(200)?;
    ensure!(
        first.body == page.body,
        "the first revision's report is another"
    );

    // As CSV the numbers.
    let csv = client.get_as(path, "text/csv")?.expect(200)?;
    assert_eq!(
        csv.body,
        client.get_as(metrics, "text/csv")?.expect(200)?.body
    );
    let csv = String::from_utf8(csv.body)?;
    ensure!(csv.contains("intervals.left_ventricle.edv_ml.low"), "{csv}");

    // Rules hold for the answer that they are told to.
    let without = client
        .get_as(
            &format!("{path}&excluded_slices=0&bsa_formula=dubois"),
            "application/json",
        )?
        .expect(200)?
        .json()?;
    assert_eq!(
        without["metrics"]["conventions"]["excluded_slices"],
        json!([0])
    );
    assert_eq!(without["metrics"]["body"]["formula"], "dubois");
    assert_eq!(without["segmentation"]["links"]["report"], path.as_str());
    assert_eq!(without["metrics"]["intervals"], json!([]));
    ensure!(
        without["interval_note"]
            .as_str()
            .is_some_and(|note| note.contains("left out"))
    );
    parses(&page.body)
}

/// By another's parser.
fn parses(page: &[u8]) -> Result<()> {
    let Some(python) = std::env::var_os("CINECOR_PYTHON") else {
        println!(
            "SKIP: CINECOR_PYTHON is not set, so html5lib is not there; `cargo xtask test` installs it and sets it"
        );
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("report.html");
    std::fs::write(&file, page)?;
    let output = Command::new(python)
        .args(["-c", PARSE])
        .arg(&file)
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let names: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(names["script"], Value::Null);
    assert_eq!(names["caption"], names["table"]);
    assert_eq!(names["h1"], 1);
    Ok(())
}

/// Works the numbers out anew with nibabel and numpy, from the mask and the facts alone, and holds the report against them.
const BY_NIBABEL: &str = r#"
import csv, json, sys
import nibabel as nib
import numpy as np
mask, report, table, excluded, formula = sys.argv[1:]
report = json.load(open(report, encoding="utf-8"))
rows = {row["quantity"]: row for row in csv.DictReader(open(table, encoding="utf-8", newline="")) if not row["frame"] or not row["quantity"].startswith("curve")}
image = nib.load(mask)
labels = np.asarray(image.dataobj).copy()
assert labels.ndim == 4, labels.shape
excluded = [int(at) for at in excluded.split(",") if at]
labels[:, :, excluded] = 0
voxel_ml = abs(np.linalg.det(image.affine[:3, :3])) / 1000
right, wall, left = ((labels == code).sum(axis=(0, 1, 2)) * voxel_ml for code in (1, 2, 3))
assert min(right.min(), wall.min(), left.min()) > 0
height, weight, rate = 180.0, 80.0, 60.0
m2 = {"mosteller": (height * weight / 3600) ** 0.5, "dubois": 0.007184 * height**0.725 * weight**0.425}[formula]
expected = {"body.bsa_m2": m2, "phases.ed_frame": left.argmax(), "phases.es_frame": left.argmin()}
expected |= {"phases.right_ventricle.ed_frame": right.argmax(), "phases.right_ventricle.es_frame": right.argmin()}
for name, ml in (("left_ventricle", left), ("right_ventricle", right)):
    numbers = {"edv_ml": ml.max(), "esv_ml": ml.min(), "sv_ml": ml.max() - ml.min()}
    numbers["co_l_min"] = numbers["sv_ml"] * rate / 1000
    numbers |= {f"{key}_per_m2": value / m2 for key, value in numbers.items()}
    numbers["ef_percent"] = 100 * numbers["sv_ml"] / numbers["edv_ml"]
    expected |= {f"{name}.{key}": value for key, value in numbers.items()}
for phase, frame in (("ed", left.argmax()), ("es", left.argmin())):
    expected[f"myocardium.{phase}_mass_g"] = 1.05 * wall[frame]
    expected[f"myocardium.{phase}_mass_g_per_m2"] = 1.05 * wall[frame] / m2
for path, value in expected.items():
    found = report["metrics"]
    for part in path.split("."):
        found = found[part]
    # Spacings are single precision in the file.
    for where, number in (("JSON", found), ("CSV", float(rows[path]["value"]))):
        assert abs(number - value) <= 1e-6 * abs(value), (where, path, number, value)
for name, ml in (("left_ventricle_ml", left), ("right_ventricle_ml", right), ("myocardium_ml", wall)):
    assert np.allclose(report["metrics"]["curve"][name], ml, rtol=1e-6), name
segmentation, metrics = report["segmentation"], report["metrics"]
said = {
    "quality.verdict": metrics["quality"]["verdict"],
    "conventions.basal_rule": metrics["conventions"]["basal_rule"],
    "conventions.excluded_slices": ",".join(map(str, excluded)) or "none",
    "body.formula": formula,
    "segmentation.created_at": segmentation["created_at"],
    "segmentation.model.digest": segmentation["model"]["digest"],
    "segmentation.corrected.author": "local",
    "segmentation.corrected.created_at": segmentation["corrected"]["created_at"],
    "segmentation.review.note": "=\"Looked\" at all,\r\nslice by slice." if not report["what_if"] else "",
    "what_if": str(report["what_if"]).lower(),
}
for check in metrics["quality"]["checks"]:
    said[f"quality.checks.{check['code']}.passed"] = str(check["passed"]).lower()
    said[f"quality.checks.{check['code']}.detail"] = check["detail"]
for path, text in said.items():
    # What a spreadsheet would take for a formula is kept from it.
    text = f"'{text}" if text.startswith("=") else text
    assert rows[path]["text"] == text, (path, rows[path], text)
assert float(rows["segmentation.revision"]["value"]) == segmentation["revision"] == 2
print(len(expected))
"#;

#[test]
fn the_reports_numbers_are_those_that_another_program_finds_in_the_mask() -> Result<()> {
    let Some(python) = std::env::var_os("CINECOR_PYTHON") else {
        println!(
            "SKIP: CINECOR_PYTHON is not set, so nibabel is not there; `cargo xtask test` installs it and sets it"
        );
        return Ok(());
    };
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let facts = "height_cm=180&weight_kg=80&sex=male&age_years=50&heart_rate_bpm=60";
    let kind = [("content-type", "application/json")];
    let send = |method: &str, path: &str, body: Value| {
        let body = body.to_string();
        client.send(method, path, &kind, Some(body.as_bytes()))
    };
    let study = client
        .post(
            &format!("/api/v1/studies?{facts}"),
            &volumes::phantom(11, 4)?,
        )?
        .expect(201)?
        .json()?;
    let study = study["links"]["self"].as_str().context("no study")?;
    let model = json!({"model": "cinecor-unet-lite"});
    let made = send("POST", &format!("{study}/segmentations"), model)?.expect(201)?;
    let path = made.header("location").context("no Location")?.to_owned();
    send("PATCH", &path, json!({"excluded_slices": [6]}))?.expect(200)?;
    let note = json!({"state": "approved", "note": "=\"Looked\" at all,\r\nslice by slice."});
    send("POST", &format!("{path}/review"), note)?.expect(200)?;

    let folder = tempfile::tempdir()?;
    let keep = |name: &str, bytes: &[u8]| -> Result<std::path::PathBuf> {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes)?;
        Ok(path)
    };
    let mask = client
        .get(&format!("{path}/mask.nii.gz"))?
        .expect(200)?
        .body;
    let mask = keep("mask.nii.gz", &mask)?;
    for (query, excluded, formula) in [
        ("", "6", "mosteller"),
        ("?excluded_slices=1,6&bsa_formula=dubois", "1,6", "dubois"),
        ("?excluded_slices=none", "", "mosteller"),
    ] {
        let of = |form: &str| -> Result<Vec<u8>> {
            let answer = client.get_as(&format!("{path}/report{query}"), form)?;
            Ok(answer.expect(200)?.body)
        };
        let report = keep("report.json", &of("application/json")?)?;
        let table = keep("report.csv", &of("text/csv")?)?;
        let done = Command::new(&python)
            .args(["-c", BY_NIBABEL])
            .args([&mask, &report, &table])
            .args([excluded, formula])
            .output()?;
        ensure!(
            done.status.success(),
            "{query}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        // As many numbers as there are in the script.
        assert_eq!(String::from_utf8_lossy(&done.stdout).trim(), "27");
    }
    Ok(())
}
