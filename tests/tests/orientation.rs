//! Slices that lie otherwise than short-axis pictures usually do: turned, mirrored, in the other order.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cinecor_formats::{Limits, decode_mask, gzip};
use cinecor_measures::compare;
use cinecor_tests::client::Client;
use cinecor_tests::host::Options;
use cinecor_tests::volumes;
use cinecor_volume::{Frame, Geometry, LabelFrame, Shape, SliceAxis, Spacing, Turn};
use ndarray::{Axis, s};
use serde_json::{Value, json};

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
    assert_eq!(answer["segmentation"]["warnings"], json!([]));
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
fn the_walls_segments_are_the_same_in_a_mirrored_picture() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let heart = heart()?;
    let mirrored = Turn {
        columns_reversed: true,
        ..Turn::default()
    };
    // Two frames, for one alone has no phases.
    let segments = |turn| -> Result<Vec<f64>> {
        let (_, body) = segmented(&client, &[heart.clone(), heart.clone()], turn)?;
        let warnings = body["segmentation"]["warnings"].as_array();
        ensure!(warnings.is_some_and(|warnings| warnings.is_empty()) == turn.is_none());
        let of = &body["metrics"]["myocardium"]["wall_thickness_mm"]["segments"];
        let of = of.as_array().context("no segments")?.iter();
        let of: Option<_> = of.map(Value::as_f64).collect();
        of.context("a segment is missing")
    };
    let (upright, turned) = (segments(Turn::default())?, segments(mirrored)?);
    let far = |one: &[f64], other: &[f64]| {
        let apart = one
            .iter()
            .zip(other)
            .map(|(one, other)| (one - other).abs());
        apart.fold(0.0, f64::max)
    };
    let most_mm = far(&upright, &turned);
    // Anterior and inferior segments exchanged, and those beside them.
    let exchanged: Vec<f64> = [3, 2, 1, 0, 5, 4, 9, 8, 7, 6, 11, 10, 14, 13, 12, 15]
        .iter()
        .filter_map(|&segment: &usize| turned.get(segment).copied())
        .collect();
    let other_mm = far(&upright, &exchanged);
    ensure!(
        most_mm < 0.05 && other_mm > 0.5,
        "{most_mm} mm apart, {other_mm} mm if they were exchanged"
    );
    Ok(())
}

#[test]
fn what_lies_turned_is_for_a_person_to_look_at() -> Result<()> {
    let host = Options::new().start()?;
    let (_, body) = segmented(&Client::new(&host), &[heart()?], HALF)?;
    let warnings = &body["segmentation"]["warnings"];
    assert_eq!(warnings[0]["code"], "shown_turned");
    let detail = warnings[0]["detail"].as_str().context("no detail")?;
    ensure!(detail.contains("turned by half a turn before"), "{detail}");
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

/// Somewhere between the patient's axes, as a short axis lies.
fn oblique() -> Result<Geometry> {
    let mm_from_voxel = [
        [0.96, -0.672, 5.12, 10.0],
        [1.28, 0.504, -3.84, -20.0],
        [0.0, 1.12, 4.8, 30.0],
    ];
    Ok(Geometry::new(spacing()?, mm_from_voxel, None)?)
}

/// One frame in a file whose slices follow one another along this axis, at the same place in the scanner.
fn along(frame: &Frame, axis: SliceAxis) -> Result<Vec<u8>> {
    let (slices, rows, columns) = frame.dim();
    let [first, second, third] = axis.exchanged([columns, rows, slices]);
    let geometry = oblique()?;
    let Spacing {
        row_mm,
        column_mm,
        slice_mm,
    } = geometry.spacing;
    let [first_mm, second_mm, third_mm] = axis.exchanged([column_mm, row_mm, slice_mm]);
    let mm_from_voxel = geometry.mm_from_voxel.map(|[column, row, slice, offset]| {
        let [first, second, third] = axis.exchanged([column, row, slice]);
        [first, second, third, offset]
    });
    let in_file = Geometry {
        spacing: Spacing::new(second_mm, first_mm, third_mm)?,
        mm_from_voxel,
        frame_ms: None,
    };
    let shape = Shape::new(1, third, second, first)?;
    volumes::file(&in_file, shape, &axis.stored(frame.clone()))
}

/// A gzipped file as it is.
fn inflated(file: &[u8]) -> Result<Vec<u8>> {
    let mut whole = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(file), &mut whole)?;
    Ok(whole)
}

/// Asks nibabel whether `turned` is `upright` with the third axis and another exchanged, voxel for voxel, and lies on the grid of `volume`.
fn ask_nibabel(
    folder: &Path,
    axis: SliceAxis,
    [upright, turned, volume]: [&[u8]; 3],
) -> Result<()> {
    let Some(python) = std::env::var_os("CINECOR_PYTHON") else {
        println!(
            "SKIP: CINECOR_PYTHON is not set, so nibabel is not there; `cargo xtask test` installs it and sets it"
        );
        return Ok(());
    };
    let script = r"
import sys
import nibabel as nib
import numpy as np
upright, turned, volume = (nib.load(name) for name in sys.argv[2:])
axis = int(sys.argv[1]) - 1
labels = np.asarray(upright.dataobj)
assert {1, 2, 3} <= set(np.unique(labels)), np.unique(labels)
assert np.array_equal(np.swapaxes(labels, axis, 2), np.asarray(turned.dataobj)), 'other voxels'
assert turned.shape == volume.shape, (turned.shape, volume.shape)
assert np.array_equal(turned.affine, volume.affine), (turned.affine, volume.affine)
assert turned.header.get_zooms() == volume.header.get_zooms()
order = [0, 1, 2, 3]
order[axis], order[2] = order[2], order[axis]
assert np.allclose(upright.affine[:, order], turned.affine, atol=1e-5), (upright.affine, turned.affine)
";
    let mut command = Command::new(python);
    command.arg("-c").arg(script).arg(axis.number().to_string());
    for (name, file) in [("upright", upright), ("turned", turned), ("volume", volume)] {
        let path = folder.join(format!("{name}.nii.gz"));
        std::fs::write(&path, file)?;
        command.arg(path);
    }
    let done = command.output()?;
    ensure!(
        done.status.success(),
        "slices along the {axis:?} axis: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(())
}

/// What has to be the same wherever a file has its slices.
fn alike(study: &Value, metrics: &Value) -> Value {
    json!({ "shape": study["shape"], "spacing": study["spacing_mm"], "metrics": metrics })
}

#[test]
fn slices_along_any_axis_of_a_file_are_segmented_alike_and_masks_lie_as_the_file_does() -> Result<()>
{
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let folder = tempfile::tempdir()?;
    let heart = heart()?;
    let mut first: Option<(Value, Vec<u8>, Vec<u8>)> = None;
    for axis in [SliceAxis::Third, SliceAxis::First, SliceAxis::Second] {
        let file = along(&heart, axis)?;
        let body = client
            .post("/api/v1/segment?model=cinecor-unet-lite", &file)?
            .expect(200)?
            .json()?;
        let codes: Vec<&Value> = body["study"]["warnings"]
            .as_array()
            .context("no warnings")?
            .iter()
            .map(|warning| &warning["code"])
            .collect();
        match axis {
            SliceAxis::Third => assert_eq!(codes, [""; 0]),
            _ => assert_eq!(codes, ["axes_exchanged"]),
        }
        let mask = BASE64_STANDARD.decode(body["mask"]["data"].as_str().context("no mask")?)?;

        // Kept, the mask is the same file, the volume comes back as it was sent, and pictures are of slices.
        let made = client.post("/api/v1/studies", &file)?.expect(201)?;
        let study = made.header("location").context("no Location")?.to_owned();
        let volume = client.get(&format!("{study}/volume.nii.gz"))?.expect(200)?;
        let (sent, back) = (inflated(&file)?, inflated(&volume.body)?);
        ensure!(
            sent.get(352..) == back.get(352..),
            "{axis:?}: other voxels came back"
        );
        let made = client
            .send(
                "POST",
                &format!("{study}/segmentations"),
                &[("content-type", "application/json")],
                Some(br#"{"model": "cinecor-unet-lite"}"#),
            )?
            .expect(201)?;
        let path = made.header("location").context("no Location")?.to_owned();
        // Slices that follow one another in the file are inflated alone, others out of their frame.
        let mut picture = Vec::new();
        for (of, slice) in (0..SLICES).flat_map(|slice| [(&study, slice), (&path, slice)]) {
            let drawn = client.get(&format!("{of}/slices/{slice}.png"))?;
            picture.extend(drawn.expect(200)?.body);
        }
        let metrics = client
            .get(&format!("{path}/metrics"))?
            .expect(200)?
            .json()?;
        assert_eq!(metrics["curve"], body["metrics"]["curve"], "{axis:?}");
        let mask_path = format!("{path}/mask.nii.gz");
        let kept = client.get(&mask_path)?.expect(200)?.body;
        ensure!(
            inflated(&mask)? == inflated(&kept)?,
            "{axis:?}: the kept mask is another"
        );

        let found = alike(&body["study"], &body["metrics"]);
        let (expected, upright_mask, upright_picture) =
            first.get_or_insert_with(|| (found.clone(), mask.clone(), picture.clone()));
        assert_eq!(found, *expected, "{axis:?}");
        ensure!(picture == *upright_picture, "{axis:?}: another picture");
        ask_nibabel(folder.path(), axis, [upright_mask, &mask, &file])?;

        // A voxel that a person adds, at its place in the file, is at this place when the mask is asked for again.
        let mut drawn = inflated(&kept)?;
        let corner = drawn.get_mut(352).context("no voxels")?;
        *corner = 3;
        let revised = client
            .send("PUT", &mask_path, &[], Some(&gzip(&drawn)))?
            .expect(200)?
            .json()?;
        assert_eq!(revised["revision"], 2);
        let again = client.get(&mask_path)?.expect(200)?.body;
        ensure!(
            inflated(&again)? == drawn,
            "{axis:?}: another mask came back"
        );
        let metrics = client
            .get(&format!("{path}/metrics"))?
            .expect(200)?
            .json()?;
        let ml = |metrics: &Value| metrics["curve"]["left_ventricle_ml"][0].as_f64();
        let more =
            ml(&metrics).context("no volume")? - ml(&body["metrics"]).context("no volume")?;
        ensure!(
            (more - spacing()?.voxel_ml()).abs() < 1e-9,
            "{axis:?}: {more} ml more"
        );
        // A mask whose file has its slices elsewhere, at the same place in the scanner, lands on the same voxels.
        client
            .send("PUT", &mask_path, &[], Some(upright_mask))?
            .expect(200)?;
        let again = client.get(&mask_path)?.expect(200)?.body;
        ensure!(
            inflated(&again)? == inflated(&mask)?,
            "{axis:?}: the mask of the upright file landed elsewhere"
        );
    }
    Ok(())
}
