//! The lossless process (ISO/IEC 10918-1, annex H): the difference between a sample and its prediction out of its neighbours.

use super::{Scan, bad};
use crate::error::DicomError;
use crate::pixels::PixelLayout;

/// Puts all samples into `out`, row by row, with the bits that they have in the file.
///
/// # Errors
/// [`DicomError::BadFrame`].
pub(crate) fn samples(
    scan: &Scan<'_>,
    layout: &PixelLayout,
    out: &mut Vec<i32>,
) -> Result<(), DicomError> {
    let [predictor @ 1..=7, _, transform] = scan.parameters else {
        return Err(bad("its scan names no predictor from 1 to 7"));
    };
    let point_transform = u32::from(transform & 15);
    if point_transform >= scan.precision {
        return Err(bad("its point transform leaves no bits"));
    }
    let columns = layout.columns;
    // Prediction starts anew with a row (H.1.2.1), so that a restart is at the start of one.
    if !scan.restart.is_multiple_of(columns) {
        return Err(bad("a restart interval is no number of whole rows"));
    }
    let rows_to_restart = scan.restart / columns;
    let table = scan.dc_table()?;
    let mut bits = scan.bits();
    let start = 1i32 << (scan.precision - point_transform - 1);
    out.resize(layout.pixels_per_frame(), 0);
    let mut above: &[i32] = &[];
    for (row, line) in out.chunks_exact_mut(columns).enumerate() {
        if rows_to_restart > 0 && row > 0 && row % rows_to_restart == 0 {
            bits.restart()?;
            above = &[];
        }
        let mut left = above.first().copied().unwrap_or(start);
        let mut corner = left;
        for (column, sample) in line.iter_mut().enumerate() {
            let predicted = match above.get(column) {
                // In the first row the left one predicts, in the first column the one above.
                None => left,
                Some(_) if column == 0 => left,
                Some(&above) => {
                    let predicted = predict(predictor, left, above, corner);
                    corner = above;
                    predicted
                }
            };
            let length = table.take(&mut bits)?;
            left = (predicted + bits.difference(length)?) & 0xffff;
            *sample = left;
        }
        if bits.is_overrun() {
            return Err(bad("it ends before its last sample"));
        }
        above = line;
    }
    if point_transform > 0 {
        for sample in out {
            *sample <<= point_transform;
        }
    }
    Ok(())
}

/// Table H.1.
fn predict(predictor: u8, left: i32, above: i32, corner: i32) -> i32 {
    match predictor {
        1 => left,
        2 => above,
        3 => corner,
        4 => left + above - corner,
        5 => left + ((above - corner) >> 1),
        6 => above + ((left - corner) >> 1),
        _ => (left + above) >> 1,
    }
}
