//! Slices that lie otherwise than short-axis pictures usually do: turned, mirrored, in the other order.

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cinecor_formats::{Limits, decode_mask};
use cinecor_measures::compare;
use cinecor_tests::client::Client;
use cinecor_tests::host::Options;
use cinecor_tests::volumes;
use cinecor_volume::{Frame, Geometry, LabelFrame, Shape, Spacing, Turn};
use ndarray::{Axis, s};
use serde_json::Value;

const SLICES: usize = 12;

/// Half a turn.
const HALF: Turn = Turn {
    transposed: false,
    rows_reversed: true,
    columns_reversed: true,
};

/// The phantom's first frame.
fn heart() -> Result<Frame> {
    let made = volumes::phantom_with_truth(SLICES, 1)?.1;
    Ok(made.into_iter().next().context("no frame")?.intensities)
}

/// Posts frames with their slices turned, of which nothing in the file tells; gives the masks as those of upright frames would lie, and the
/// answer.
fn segmented(client: &Client, frames: &[Frame], turn: Turn) -> Result<(Vec<LabelFrame>, Value)> {
    let turned: Vec<Frame> = frames.iter().map(|frame| turn.of(frame.view())).collect();
    let (slices, rows, columns) = turned.first().context("no frame")?.dim();
    let shape = Shape::new(frames.len(), slices, rows, columns)?;
    let geometry = Geometry::axis_aligned(turn.of_spacing(&spacing()?), None);
    let file = volumes::file(&geometry, shape, turned.iter().flatten())?;
    let body = client
        .post("/api/v1/segment?model=cinecor-unet-lite", &file)?
        .expect(200)?
        .json()?;
    let mask = BASE64_STANDARD.decode(body["mask"]["data"].as_str().context("no mask")?)?;
    let mask = decode_mask(&mask, Limits::default())?.1;
    let masks = mask.labels.outer_iter().map(|labels| turn.undone(labels));
    Ok((masks.collect(), body))
}

/// Not square: a row is no column.
fn spacing() -> Result<Spacing> {
    Ok(Spacing::new(1.4, 1.6, 8.0)?)
}

/// Dice of right ventricle, myocardium and left ventricle.
fn dice(one: &LabelFrame, other: &LabelFrame) -> Result<[f64; 3]> {
    let [one, other] = [one, other].map(|labels| labels.view().insert_axis(Axis(0)));
    let agreement = compare(one, other, &spacing()?)?;
    let found = [
        agreement.right_ventricle.dice,
        agreement.myocardium.dice,
        agreement.left_ventricle.dice,
    ];
    let found: Option<Vec<f64>> = found.into_iter().collect();
    found
        .and_then(|found| found.try_into().ok())
        .context("a structure is missing")
}

fn ensure_close(what: &str, found: [f64; 3]) -> Result<()> {
    for (found, least) in found.into_iter().zip([0.92, 0.95, 0.98]) {
        ensure!(
            found >= least,
            "{what}: a Dice of {found}, expected {least}"
        );
    }
    Ok(())
}

#[test]
fn masks_and_volumes_are_the_same_whichever_way_slices_lie() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let heart = heart()?;
    let (upright, answer) = segmented(&client, std::slice::from_ref(&heart), Turn::default())?;
    let ml = |body: &Value, structure: &str| {
        body["metrics"]["curve"][structure][0]
            .as_f64()
            .with_context(|| format!("no {structure}"))
    };
    let ways = Turn::ALL.iter().map(|turn| (*turn, false));
    for (turn, reversed) in ways.chain([(Turn::default(), true)]) {
        let order = if reversed { -1 } else { 1 };
        let frame = heart.slice(s![..;order, .., ..]).to_owned();
        let (masks, body) = segmented(&client, &[frame], turn)?;
        let mask = masks.first().context("no mask")?;
        let mask = mask.slice(s![..;order, .., ..]).to_owned();
        let what = format!("{turn:?}, reversed {reversed}");
        ensure_close(&what, dice(upright.first().context("no mask")?, &mask)?)?;
        for (structure, most) in [("left_ventricle_ml", 0.03), ("right_ventricle_ml", 0.10)] {
            let (found, expected) = (ml(&body, structure)?, ml(&answer, structure)?);
            let apart = (found / expected - 1.0).abs();
            ensure!(
                apart <= most,
                "{what}, {structure}: {found} instead of {expected}"
            );
        }
    }
    Ok(())
}

#[test]
fn what_lies_turned_is_for_a_person_to_look_at() -> Result<()> {
    let host = Options::new().start()?;
    let (_, body) = segmented(&Client::new(&host), &[heart()?], HALF)?;
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

#[test]
fn a_first_frame_that_shows_nothing_does_not_decide_for_the_others() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let heart = heart()?;
    let upright = segmented(&client, std::slice::from_ref(&heart), Turn::default())?.0;
    let nothing = Frame::zeros(heart.dim());
    let masks = segmented(&client, &[nothing, heart], HALF)?.0;
    ensure_close(
        "after an empty frame",
        dice(
            upright.first().context("no mask")?,
            masks.get(1).context("no mask")?,
        )?,
    )
}
