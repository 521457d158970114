//! The manifest's base form, which is stock Spin's: inference is a component. The same requests as in the native form, with the small
//! package and few slices, and the same answers.

use anyhow::{Context, Result, ensure};
use cinecor_formats::{Limits, decode_mask};
use cinecor_tests::client::Client;
use cinecor_tests::host::{Host, Options};
use cinecor_tests::packages::{Package, address};
use cinecor_tests::volumes;

/// The small package.
const MODEL: &str = "cinecor-unet-lite";

/// The two engines round differently; single voxels of an outline may go either way.
const DICE_MIN: f64 = 0.999;

fn base() -> Result<Host> {
    Options::new()
        .argument("--profile=base")
        .variable("default_model", MODEL)
        .start()
}

fn native() -> Result<Host> {
    Options::new().variable("default_model", MODEL).start()
}

fn labels(mask: &[u8]) -> Result<Vec<u8>> {
    let (_, mask) = decode_mask(mask, Limits::for_masks())?;
    Ok(mask.labels.iter().copied().collect())
}

/// The Dice coefficient of label `label`.
fn dice(a: &[u8], b: &[u8], label: u8) -> f64 {
    let both = a.iter().zip(b).filter(|pair| *pair == (&label, &label));
    let each = a.iter().chain(b).filter(|found| **found == label).count();
    2.0 * both.count() as f64 / each as f64
}

#[test]
fn stock_spins_form_answers_as_the_native_form_does() -> Result<()> {
    let [portable, native] = [base()?, native()?];
    let volume = volumes::phantom(11, 1)?;
    let mut masks = Vec::new();
    for host in [&portable, &native] {
        let client = Client::new(host);
        client.get("/api/v1/health/ready")?.expect(200)?;
        let shot = client.post_as("/api/v1/segment", &volume, "application/gzip")?;
        masks.push(labels(&shot.expect(200)?.body)?);
    }
    for label in 1..=3 {
        let dice = dice(&masks[0], &masks[1], label);
        ensure!(dice >= DICE_MIN, "label {label}: a Dice of {dice}");
    }

    // What answers is told; precisions that it does not compute are refused.
    let client = Client::new(&portable);
    let list = client
        .get(&format!("/api/v1/models/{MODEL}"))?
        .expect(200)?
        .json()?;
    let version = &list["items"][0]["versions"][0];
    ensure!(
        version["engine"] == "tract" && version["device"] == "cpu",
        "{version}"
    );
    let refused = client.post("/api/v1/segment?model=cinecor-unet&precision=int8", &volume)?;
    assert_eq!(refused.expect(422)?.problem()?, "model-unusable");
    Ok(())
}

#[test]
fn stock_spins_form_keeps_studies_and_takes_uploaded_packages() -> Result<()> {
    let host = base()?;
    let client = Client::new(&host);
    let volume = volumes::small(2, 2, 1)?;
    let study = client
        .post("/api/v1/studies", &volume)?
        .expect(201)?
        .header("location")
        .context("no location")?
        .to_owned();
    let segmentations = format!("{study}/segmentations");
    let json = [("content-type", "application/json")];
    let made = client
        .send("POST", &segmentations, &json, Some(b"{}"))?
        .expect(201)?;
    let place = made.header("location").context("no location")?.to_owned();
    let again = client
        .send("POST", &segmentations, &json, Some(b"{}"))?
        .expect(200)?;
    ensure!(again.json()?["id"] == made.json()?["id"]);
    client.get(&format!("{place}/mask.nii.gz"))?.expect(200)?;
    client.get(&format!("{place}/metrics"))?.expect(200)?;

    // Its graph comes out of the key-value store.
    let package = Package::of_version("77.0.0")?;
    let zip = package.zip()?;
    client
        .send("PUT", &address("77.0.0"), &[], Some(&zip))?
        .expect(201)?;
    let answer = client
        .post("/api/v1/segment?model=cinecor-unet@77.0.0", &volume)?
        .expect(200)?
        .json()?;
    let model = &answer["segmentation"]["model"];
    ensure!(model["digest"] == package.digest(), "{model}");
    Ok(())
}
