//! What a NIfTI header is believed to say about place and time. Decided once, here; every doubt becomes a [`Warning`].
//!
//! Lengths. pixdim is what scanners and converters always write, so it is asked first; the sform is preferred for directions.
//! - pixdim that is negative, NaN, infinite or no distance that a scanner makes: refused (`bad_spacing`).
//! - pixdim never set (all 0 or all 1) and a sform with real lengths: the sform's (`pixdim_unset`).
//! - a sform of unit length beside a set pixdim: pixdim (`sform_unit_matrix`; all of the ACDC data is like this).
//! - any other disagreement beyond one percent: pixdim (`spacing_disagreement`).
//!
//! Directions come from the sform, then the qform, then the axes of the array, in the order of the standard; a transform that
//! cannot be one (not finite, singular) falls through to the next with a warning. Columns are scaled to the believed lengths.
//!
//! Slices lie along the third axis, unless another has by far the longest steps; then it and the third change places (`axes_exchanged`).
//! A volume whose lengths speak for another axis without saying which is refused (`slice_axis`). A transform does not say where slices are:
//! the patient's axes are none of the heart's.

use cinecor_volume::{Geometry, Shape, SliceAxis, Spacing, VolumeError};

use crate::error::DecodeError;
use crate::header::SourceHeader;
use crate::warning::{Warning, WarningCode};

/// Two lengths are the same up to this part: headers are written in single precision by tools that round to three digits.
const SAME_LENGTH: f64 = 0.01;

/// In-plane spacings further apart than this are those of a slice axis: pixels of cine MR are square up to interpolation.
const MOST_ANISOTROPIC_PIXEL: f64 = 3.0;

/// Steps this many times as long as along both other axes are those from slice to slice: slices of a short axis are 6 to 10 mm apart, their
/// pixels 1 to 2 mm.
const SLICE_STEP: f64 = 2.0;

/// Times between frames that a cine can have, ms: 1 ms is beyond any scanner, two seconds are beyond any heart beat.
const FRAME_MS: std::ops::RangeInclusive<f64> = 1.0..=2000.0;

/// A number without unit in this range is a time in seconds (5 to 200 ms between frames) ...
const FRAME_SECONDS_WITHOUT_UNIT: std::ops::RangeInclusive<f64> = 0.005..=0.2;

/// ... and in this one in milliseconds. In between lies 1.0, which writers put where they know nothing.
const FRAME_MS_WITHOUT_UNIT: std::ops::RangeInclusive<f64> = 5.0..=200.0;

/// Settles the geometry of a header.
pub(crate) fn settle(
    source: &SourceHeader,
    shape: &Shape,
    warnings: &mut Vec<Warning>,
) -> Result<Geometry, DecodeError> {
    let (unit_mm, unit) = length_unit(source.xyzt_units, warnings);
    let sform = sform(source, unit_mm, warnings);
    let lengths_mm = lengths(source, unit_mm, unit, sform.as_ref(), warnings)?;
    // In the file's order first, so that what is refused is named as it stands in the header.
    spacing_of(lengths_mm).map_err(|error| bad_spacing(source, unit, &error))?;
    let slice_axis = longest(lengths_mm)?;
    if slice_axis != SliceAxis::Third {
        warnings.push(exchanged(slice_axis, lengths_mm));
    }
    let believed_mm = slice_axis.exchanged(lengths_mm);
    let spacing = spacing_of(believed_mm).map_err(|error| bad_spacing(source, unit, &error))?;

    let (directions, origin) = match sform {
        Some(sform) => (unit_columns(&sform), sform.map(|row| row[3])),
        None => match qform(source, warnings) {
            Some(rotation) => (rotation, source.qoffset.map(|offset| offset * unit_mm)),
            None => {
                if source.qform_code == 0 && source.sform_code == 0 {
                    let detail = "neither sform nor qform is set; columns, rows and slices were taken along the scanner's axes";
                    warnings.push(Warning::new(WarningCode::OrientationUnknown, detail));
                }
                (
                    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
                    [0.0; 3],
                )
            }
        },
    };
    let mut mm_from_voxel = [[0.0; 4]; 3];
    for ((row, direction), offset) in mm_from_voxel.iter_mut().zip(directions).zip(origin) {
        let [column, row_step, slice] = slice_axis.exchanged(direction);
        let [column_mm, row_mm, slice_mm] = believed_mm;
        *row = [
            column * column_mm,
            row_step * row_mm,
            slice * slice_mm,
            offset,
        ];
    }
    let frame_ms = frame_time(source, shape, warnings);
    Geometry::new(spacing, mm_from_voxel, frame_ms)
        .map_err(|error| bad_spacing(source, unit, &error))
}

/// Millimetres of the header's unit of length, and its name for texts.
fn length_unit(xyzt_units: u8, warnings: &mut Vec<Warning>) -> (f64, &'static str) {
    match xyzt_units & 0x07 {
        0 => (1.0, ""),
        1 => (1000.0, " m"),
        2 => (1.0, " mm"),
        3 => (0.001, " micron"),
        code => {
            let detail = format!(
                "the unit of length is the number {code}, which means nothing; millimetres were believed"
            );
            warnings.push(Warning::new(WarningCode::LengthUnitUnknown, detail));
            (1.0, "")
        }
    }
}

/// The sform in mm, when it is set and can be a transform.
fn sform(
    source: &SourceHeader,
    unit_mm: f64,
    warnings: &mut Vec<Warning>,
) -> Option<[[f64; 4]; 3]> {
    if !form_is_set(source.sform_code, "sform_code", warnings) {
        return None;
    }
    let sform = source.srow.map(|row| row.map(|value| value * unit_mm));
    let lengths = column_lengths(&sform);
    let product: f64 = lengths.iter().product();
    let volume = determinant(&sform).abs();
    // Below a hundredth of the box that its axes span, the axes lie in one plane for every practical purpose.
    let usable = sform.iter().flatten().all(|value| value.is_finite())
        && product > 0.0
        && volume > 0.01 * product;
    if !usable {
        let detail = "the sform is not finite or its axes lie in one plane; it was left aside";
        warnings.push(Warning::new(WarningCode::SformInvalid, detail));
        return None;
    }
    if volume < (1.0 - SAME_LENGTH) * product {
        let detail = format!(
            "the axes of the sform are not at right angles (a voxel has {:.3} of the volume of its edges); the edges were believed",
            volume / product
        );
        warnings.push(Warning::new(WarningCode::SformSheared, detail));
    }
    Some(sform)
}

fn form_is_set(code: i32, name: &str, warnings: &mut Vec<Warning>) -> bool {
    match code {
        0 => false,
        1..=5 => true,
        _ => {
            let detail =
                format!("{name} is {code}, which means nothing; the transform was left aside");
            warnings.push(Warning::new(WarningCode::FormCodeUnknown, detail));
            false
        }
    }
}

/// The believed lengths of column, row and slice steps in mm.
fn lengths(
    source: &SourceHeader,
    unit_mm: f64,
    unit: &'static str,
    sform: Option<&[[f64; 4]; 3]>,
    warnings: &mut Vec<Warning>,
) -> Result<[f64; 3], DecodeError> {
    let [_, x, y, z, ..] = source.pixdim;
    let stored = [x, y, z];
    let pixdim_mm = stored.map(|length| length * unit_mm);
    let sform_mm = sform.map(column_lengths);
    let plausible = |lengths: &[f64; 3]| Spacing::new(lengths[1], lengths[0], lengths[2]).is_ok();

    let unset = stored == [0.0; 3] || stored == [1.0; 3];
    if let Some(sform_mm) =
        sform_mm.filter(|lengths| unset && plausible(lengths) && !same(lengths, &pixdim_mm))
    {
        let detail = format!(
            "pixdim is {x} x {y} x {z}, as if never set, and the sform says {}; the sform was believed",
            in_words(&sform_mm)
        );
        warnings.push(Warning::new(WarningCode::PixdimUnset, detail));
        return Ok(sform_mm);
    }
    for (index, length) in stored.into_iter().enumerate() {
        if !(length.is_finite() && length > 0.0) {
            return Err(DecodeError::BadSpacing {
                index: index + 1,
                found: length,
                unit,
            });
        }
    }
    if let Some(sform_mm) = sform_mm.filter(|lengths| !same(lengths, &pixdim_mm)) {
        let is_unit = sform_mm
            .iter()
            .all(|length| (length / unit_mm - 1.0).abs() < 1e-6);
        let (code, what) = if is_unit {
            (
                WarningCode::SformUnitMatrix,
                "the sform is a matrix of unit length".to_owned(),
            )
        } else {
            (
                WarningCode::SpacingDisagreement,
                format!("the sform says {}", in_words(&sform_mm)),
            )
        };
        let detail = format!(
            "{what} and pixdim says {}; spacing taken from pixdim, which scanners and converters always write",
            in_words(&pixdim_mm)
        );
        warnings.push(Warning::new(code, detail));
    }
    Ok(pixdim_mm)
}

fn in_words(lengths_mm: &[f64; 3]) -> String {
    let [column, row, slice] = lengths_mm;
    format!("{column:.4} x {row:.4} x {slice:.4} mm")
}

fn same(left: &[f64; 3], right: &[f64; 3]) -> bool {
    left.iter()
        .zip(right)
        .all(|(left, right)| (left - right).abs() <= SAME_LENGTH * right.abs())
}

fn bad_spacing(source: &SourceHeader, unit: &'static str, error: &VolumeError) -> DecodeError {
    let index = match error {
        VolumeError::BadSpacing { axis: "column", .. } => 1,
        VolumeError::BadSpacing { axis: "row", .. } => 2,
        _ => 3,
    };
    let found = source.pixdim.get(index).copied().unwrap_or(f64::NAN);
    DecodeError::BadSpacing { index, found, unit }
}

/// The axis that slices follow one another along; the third where the lengths cannot be, which is another reason's.
///
/// # Errors
/// [`DecodeError::SliceAxis`].
pub(crate) fn slice_axis(source: &SourceHeader) -> Result<SliceAxis, DecodeError> {
    let mut unsaid = Vec::new();
    let (unit_mm, unit) = length_unit(source.xyzt_units, &mut unsaid);
    let sform = sform(source, unit_mm, &mut unsaid);
    match lengths(source, unit_mm, unit, sform.as_ref(), &mut unsaid) {
        Ok(lengths_mm) if spacing_of(lengths_mm).is_ok() => longest(lengths_mm),
        _ => Ok(SliceAxis::Third),
    }
}

fn spacing_of([column_mm, row_mm, slice_mm]: [f64; 3]) -> Result<Spacing, VolumeError> {
    Spacing::new(row_mm, column_mm, slice_mm)
}

/// The axis whose steps are by far the longest; the third where none are.
fn longest(lengths_mm: [f64; 3]) -> Result<SliceAxis, DecodeError> {
    for axis in [SliceAxis::First, SliceAxis::Second] {
        let [one, other, step] = axis.exchanged(lengths_mm);
        if step >= SLICE_STEP * one.max(other) {
            return Ok(axis);
        }
    }
    let [first_mm, second_mm, third_mm] = lengths_mm;
    let (short, long) = (first_mm.min(second_mm), first_mm.max(second_mm));
    if long > MOST_ANISOTROPIC_PIXEL * short && long > third_mm {
        return Err(DecodeError::SliceAxis {
            first_mm,
            second_mm,
            third_mm,
        });
    }
    Ok(SliceAxis::Third)
}

fn exchanged(slice_axis: SliceAxis, lengths_mm: [f64; 3]) -> Warning {
    let [columns, rows, slices] = slice_axis.exchanged(["first", "second", "third"]);
    let [first, second, third] = lengths_mm;
    let detail = format!(
        "voxels are {first:.4} x {second:.4} x {third:.4} mm apart along the first, second and third axis of the file, so that slices were taken along the {slices}; columns are the {columns} axis of the file and rows the {rows}, and masks and volumes are written back in the file's own order"
    );
    Warning::new(WarningCode::AxesExchanged, detail)
}

/// The rotation of the qform as its three columns' directions, row-major; `None` when it is not set or cannot be one.
fn qform(source: &SourceHeader, warnings: &mut Vec<Warning>) -> Option<[[f64; 3]; 3]> {
    if !form_is_set(source.qform_code, "qform_code", warnings) {
        return None;
    }
    let all_finite = source
        .quatern
        .iter()
        .chain(&source.qoffset)
        .all(|value| value.is_finite());
    if !all_finite || source.quatern.iter().any(|value| value.abs() > 1e3) {
        let detail = "the quaternion or the offset of the qform is not finite; it was left aside";
        warnings.push(Warning::new(WarningCode::QformInvalid, detail));
        return None;
    }
    let [qfac, ..] = source.pixdim;
    // The standard reads 0 as 1.
    let handedness = if qfac < 0.0 { -1.0 } else { 1.0 };
    if qfac.abs() != 1.0 && qfac != 0.0 {
        let detail =
            format!("qfac (pixdim[0]) is {qfac}, expected 1 or -1; {handedness} was believed");
        warnings.push(Warning::new(WarningCode::QfacOdd, detail));
    }
    let [mut b, mut c, mut d] = source.quatern;
    let squares = b * b + c * c + d * d;
    let rest = 1.0 - squares;
    // As the standard's own code: without room for a real part the rotation is by half a turn about the unit vector.
    let a = if rest < 1e-7 {
        if rest < -1e-5 {
            let detail = format!(
                "the quaternion of the qform has the length {:.6}; it was shortened to 1",
                squares.sqrt()
            );
            warnings.push(Warning::new(WarningCode::QuaternionNotUnit, detail));
        }
        let shorten = 1.0 / squares.sqrt();
        (b, c, d) = (b * shorten, c * shorten, d * shorten);
        0.0
    } else {
        rest.sqrt()
    };
    Some([
        [
            a * a + b * b - c * c - d * d,
            2.0 * (b * c - a * d),
            2.0 * (b * d + a * c) * handedness,
        ],
        [
            2.0 * (b * c + a * d),
            a * a + c * c - b * b - d * d,
            2.0 * (c * d - a * b) * handedness,
        ],
        [
            2.0 * (b * d - a * c),
            2.0 * (c * d + a * b),
            (a * a + d * d - b * b - c * c) * handedness,
        ],
    ])
}

fn column_lengths(matrix: &[[f64; 4]; 3]) -> [f64; 3] {
    std::array::from_fn(|column| {
        matrix
            .iter()
            .map(|row| row[column] * row[column])
            .sum::<f64>()
            .sqrt()
    })
}

fn unit_columns(matrix: &[[f64; 4]; 3]) -> [[f64; 3]; 3] {
    let lengths = column_lengths(matrix);
    matrix.map(|row| std::array::from_fn(|column| row[column] / lengths[column]))
}

fn determinant(matrix: &[[f64; 4]; 3]) -> f64 {
    let [[a, b, c, _], [d, e, f, _], [g, h, i, _]] = *matrix;
    a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
}

/// The time from frame to frame in ms, when it is known.
fn frame_time(source: &SourceHeader, shape: &Shape, warnings: &mut Vec<Warning>) -> Option<f64> {
    if shape.frames < 2 {
        return None;
    }
    let [_, _, _, _, stored, ..] = source.pixdim;
    let mut unknown = |code, detail| {
        warnings.push(Warning::new(code, detail));
        None
    };
    let unit_ms = match source.xyzt_units & 0x38 {
        8 => 1000.0,
        16 => 1.0,
        24 => 0.001,
        _ if FRAME_SECONDS_WITHOUT_UNIT.contains(&stored)
            || FRAME_MS_WITHOUT_UNIT.contains(&stored) =>
        {
            let frame_ms = if stored < 1.0 {
                stored * 1000.0
            } else {
                stored
            };
            let detail = format!(
                "pixdim[4] is {stored} without a unit of time; {frame_ms:.3} ms between frames was believed, from the size of the number"
            );
            warnings.push(Warning::new(WarningCode::FrameTimeUnitGuessed, detail));
            return Some(frame_ms);
        }
        _ => {
            let detail = format!(
                "pixdim[4] is {stored} without a unit of time; the time between frames is not known, give frame_ms if you know it"
            );
            return unknown(WarningCode::FrameTimeUnknown, detail);
        }
    };
    let frame_ms = stored * unit_ms;
    if FRAME_MS.contains(&frame_ms) {
        return Some(frame_ms);
    }
    let (code, what) = if stored == 0.0 {
        (WarningCode::FrameTimeUnknown, "pixdim[4] is 0".to_owned())
    } else {
        (
            WarningCode::FrameTimeImplausible,
            format!("pixdim[4] says {frame_ms} ms between frames, which is no time of a heart"),
        )
    };
    unknown(
        code,
        format!("{what}; the time between frames is not known, give frame_ms if you know it"),
    )
}
