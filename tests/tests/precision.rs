//! The precision that a request names: what runs is told, what cannot run is refused, and the masks agree.

use anyhow::{Context, Result, ensure};
use cinecor_tests::client::Client;
use cinecor_tests::forms::Form;
use cinecor_tests::host::Options;
use cinecor_tests::volumes;
use serde_json::{Value, json};

const NIFTI: &str = "application/x-nifti";

/// The packages that ship, of which the first answers when a request names none.
const PACKAGES: [&str; 2] = ["cinecor-unet", "cinecor-unet-lite"];

/// The variants of a package's active version: precision, digest, and whether it can run here.
fn variants(client: &Client, package: &str) -> Result<Vec<(String, String, bool)>> {
    let list = client
        .get(&format!("/api/v1/models/{package}"))?
        .expect(200)?
        .json()?;
    let model = &list["items"][0];
    let versions = model["versions"].as_array().context("no versions")?;
    let active = versions
        .iter()
        .find(|version| version["version"] == model["active_version"])
        .context("the active version is not listed")?;
    let text = |value: &Value| value.as_str().map(str::to_owned).context("no text");
    let variants = active["variants"].as_array().context("no variants")?;
    variants
        .iter()
        .map(|of| {
            Ok((
                text(&of["precision"])?,
                text(&of["digest"])?,
                of["runs"].as_bool().context("runs")?,
            ))
        })
        .collect()
}

#[test]
fn a_precision_runs_as_its_own_graph_or_is_refused_and_masks_agree() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let volume = volumes::phantom(12, 1)?;
    for package in PACKAGES {
        let ask = |precision: &str| {
            format!("/api/v1/segment?frames=0&model={package}&precision={precision}")
        };
        let mask = |precision: &str| -> Result<Vec<u8>> {
            let headers = [("accept", NIFTI)];
            let answer = client.send("POST", &ask(precision), &headers, Some(&volume))?;
            Ok(answer.expect(200)?.body)
        };
        let variants = variants(&client, package)?;
        let named: Vec<&str> = variants.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(named, ["fp32", "bf16", "int8"], "{package}");
        let whole = mask("fp32")?;
        for (precision, digest, runs) in &variants {
            let answer = client.post(&ask(precision), &volume)?;
            if !runs {
                // A processor that does not multiply it: nothing else is computed in its place.
                assert_eq!(answer.expect(422)?.problem()?, "model-unusable");
                continue;
            }
            let model = answer.expect(200)?.json()?["segmentation"]["model"].clone();
            assert_eq!(
                (&model["name"], &model["precision"], &model["digest"]),
                (&json!(package), &json!(precision), &json!(digest))
            );
            let form = Form::new().file("reference", "fp32.nii", &whole).file(
                "prediction",
                "other.nii",
                &mask(precision)?,
            );
            let headers = [("content-type", Form::content_type())];
            let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
            let compared = client
                .send("POST", "/api/v1/compare", &headers, Some(&form.finish()))?
                .expect(200)?
                .json()?;
            for structure in ["right_ventricle", "myocardium", "left_ventricle"] {
                let dice = found_dice(&compared, structure)
                    .with_context(|| format!("no Dice of {structure} in {compared}"))?;
                // Rounding moves single voxels of an outline.
                ensure!(dice >= 0.98, "{package}, {precision}, {structure}: {dice}");
            }
        }
    }
    Ok(())
}

/// The Dice of a structure, wherever the answer has it.
fn found_dice(value: &Value, structure: &str) -> Option<f64> {
    match value {
        Value::Object(members) => members.iter().find_map(|(name, member)| {
            if name == structure {
                member["dice"].as_f64()
            } else {
                found_dice(member, structure)
            }
        }),
        _ => None,
    }
}

#[test]
fn a_kept_study_has_a_segmentation_for_each_precision() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let study = client
        .post("/api/v1/studies", &volumes::small(2, 1, 3)?)?
        .expect(201)?;
    let address = format!(
        "{}/segmentations",
        study.header("location").context("no Location")?
    );
    let ask = |precision: &str| {
        let body = json!({ "precision": precision }).to_string();
        let headers = [("content-type", "application/json")];
        client.send("POST", &address, &headers, Some(body.as_bytes()))
    };
    let first = ask("fp32")?.expect(201)?.json()?;
    assert_eq!(ask("fp32")?.expect(200)?.json()?["id"], first["id"]);
    for (precision, _, runs) in variants(&client, PACKAGES[0])?
        .iter()
        .filter(|of| of.0 != "fp32")
    {
        let answer = ask(precision)?;
        if *runs {
            assert_ne!(answer.expect(201)?.json()?["id"], first["id"]);
        } else {
            assert_eq!(answer.expect(422)?.problem()?, "model-unusable");
        }
    }
    assert_eq!(ask("fp8")?.expect(422)?.problem()?, "invalid-field");
    Ok(())
}

#[test]
fn a_precision_that_is_unknown_or_not_allowed_is_refused() -> Result<()> {
    let host = Options::new()
        .setting("nn", "precisions_allowed", vec!["fp32"])
        .start()?;
    let client = Client::new(&host);
    let volume = volumes::small(1, 1, 4)?;
    let unknown = client.post("/api/v1/segment?precision=fp8", &volume)?;
    assert_eq!(unknown.expect(400)?.problem()?, "invalid-parameter");
    let refused = client.post("/api/v1/segment?precision=int8", &volume)?;
    assert_eq!(refused.expect(422)?.problem()?, "model-unusable");
    let taken = client.post("/api/v1/segment?precision=fp32", &volume)?;
    assert_eq!(
        taken.expect(200)?.json()?["segmentation"]["model"]["precision"],
        "fp32"
    );
    Ok(())
}
