//! Slices that lie otherwise than short-axis pictures usually do: turned, mirrored, in the other order.

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cinecor_formats::{Limits, decode_mask};
use cinecor_measures::compare;
use cinecor_tests::client::Client;
use cinecor_tests::host::Options;
use cinecor_tests::volumes;
use cinecor_volume::{LabelFrame, Spacing, Turn};
use ndarray::{Axis, s};
use serde_json::Value;

const SLICES: usize = 12;

/// Posts the phantom's first frame, turned and perhaps from apex to base; gives the mask as the upright one would lie, and the answer.
fn segmented(client: &Client, turn: Turn, reversed: bool) -> Result<(LabelFrame, Value)> {
    let volume = volumes::phantom_turned(SLICES, turn, reversed)?;
    let body = client
        .post("/api/v1/segment?model=cinecor-unet-lite", &volume)?
        .expect(200)?
        .json()?;
    let mask = BASE64_STANDARD.decode(body["mask"]["data"].as_str().context("no mask")?)?;
    let mask = decode_mask(&mask, Limits::default())?.1;
    let labels = turn.undone(mask.labels.index_axis(Axis(0), 0));
    let labels = if reversed {
        labels.slice(s![..;-1, .., ..]).to_owned()
    } else {
        labels
    };
    Ok((labels, body))
}

#[test]
fn masks_and_volumes_are_the_same_whichever_way_slices_lie() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let (upright, answer) = segmented(&client, Turn::default(), false)?;
    let ml = |body: &Value, structure: &str| {
        body["metrics"]["curve"][structure][0]
            .as_f64()
            .with_context(|| format!("no {structure}"))
    };
    let spacing = Spacing::new(1.4, 1.4, 8.0)?;
    let ways = Turn::ALL.iter().map(|turn| (*turn, false));
    for (turn, reversed) in ways.chain([(Turn::default(), true)]) {
        let (labels, body) = segmented(&client, turn, reversed)?;
        let agreement = compare(
            upright.view().insert_axis(Axis(0)),
            labels.view().insert_axis(Axis(0)),
            &spacing,
        )?;
        for (structure, found, least) in [
            ("right ventricle", agreement.right_ventricle.dice, 0.92),
            ("myocardium", agreement.myocardium.dice, 0.95),
            ("left ventricle", agreement.left_ventricle.dice, 0.98),
        ] {
            let found = found.with_context(|| format!("{turn:?}: no {structure}"))?;
            ensure!(found >= least, "{turn:?}, {structure}: a Dice of {found}");
        }
        for (structure, most) in [("left_ventricle_ml", 0.03), ("right_ventricle_ml", 0.10)] {
            let (found, expected) = (ml(&body, structure)?, ml(&answer, structure)?);
            let apart = (found / expected - 1.0).abs();
            ensure!(
                apart <= most,
                "{turn:?}, {structure}: {found} instead of {expected}"
            );
        }
    }
    Ok(())
}

#[test]
fn what_lies_turned_is_for_a_person_to_look_at() -> Result<()> {
    let host = Options::new().start()?;
    let half = Turn {
        rows_reversed: true,
        columns_reversed: true,
        ..Turn::default()
    };
    let (_, body) = segmented(&Client::new(&host), half, false)?;
    let quality = &body["metrics"]["quality"];
    assert_eq!(quality["verdict"], "review");
    let checks = quality["checks"].as_array().context("no checks")?;
    let failed: Vec<&Value> = checks
        .iter()
        .filter(|check| check["passed"] == false)
        .map(|check| &check["code"])
        .collect();
    assert_eq!(failed, ["orientation"]);
    Ok(())
}
