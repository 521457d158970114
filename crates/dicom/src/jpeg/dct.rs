//! The sequential processes (ISO/IEC 10918-1, annex F): blocks of 8 x 8 samples, as cosines.
//!
//! The inverse transform is the accurate integer one of Loeffler, Ligtenberg and Moschytz (ICASSP 1989) with 13 bits of fraction and the
//! rounding of libjpeg's `islow`, so that values are those of the common decoders to the last bit.

use super::{Scan, bad};
use crate::error::DicomError;
use crate::pixels::PixelLayout;

/// Where the coefficients of a block stand, row by row, in the order in which they are written (figure 5).
const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Puts all samples into `out`, row by row, from 0 to the largest that the precision allows.
///
/// # Errors
/// [`DicomError::BadFrame`].
pub(crate) fn samples(
    scan: &Scan<'_>,
    layout: &PixelLayout,
    out: &mut Vec<i32>,
) -> Result<(), DicomError> {
    let (dc, ac) = (scan.dc_table()?, scan.ac_table()?);
    let quantization = scan.quantization()?;
    let mut bits = scan.bits();
    let mut last = 0i32;
    let mut until_restart = scan.restart;
    out.resize(layout.pixels_per_frame(), 0);
    for rows in out.chunks_mut(8usize.saturating_mul(layout.columns)) {
        for first in (0..layout.columns).step_by(8) {
            if scan.restart > 0 {
                if until_restart == 0 {
                    bits.restart()?;
                    last = 0;
                    until_restart = scan.restart;
                }
                until_restart -= 1;
            }
            let mut block = [0i64; 64];
            let length = dc.take(&mut bits)?;
            last = last.wrapping_add(bits.difference(length)?);
            let scaled = |value: i32, place: usize| {
                i64::from(value) * i64::from(quantization.get(place).copied().unwrap_or(0))
            };
            block[0] = scaled(last, 0);
            let mut place = 1;
            while place < 64 {
                let code = ac.take(&mut bits)?;
                let (zeros, length) = (usize::from(code >> 4), code & 15);
                match (zeros, length) {
                    (0, 0) => break,
                    (15, 0) => place += 16,
                    (_, 0) => return Err(bad("a block has a code that means nothing")),
                    _ => {
                        place += zeros;
                        let value = bits.difference(length)?;
                        let slot = ZIGZAG
                            .get(place)
                            .and_then(|to| block.get_mut(usize::from(*to)))
                            .ok_or(bad("a block has more than 64 coefficients"))?;
                        *slot = scaled(value, place);
                        place += 1;
                    }
                }
            }
            if bits.is_overrun() {
                return Err(bad("it ends before its last block"));
            }
            inverse(&mut block, scan.precision);
            // Blocks at the right and at the lower edge reach beyond the image.
            for (row, values) in rows.chunks_mut(layout.columns).zip(block.chunks_exact(8)) {
                for (sample, value) in row.iter_mut().skip(first).zip(values) {
                    *sample = *value as i32;
                }
            }
        }
    }
    Ok(())
}

/// Coefficients to samples, in place.
fn inverse(block: &mut [i64; 64], precision: u32) {
    // Between the passes two more bits are kept of samples of 8 bits, and one of those of 12.
    let kept = if precision == 8 { 2 } else { 1 };
    for column in 0..8 {
        let line = std::array::from_fn(|row| at(block, row * 8 + column));
        for (row, value) in line_of(line, 13 - kept).into_iter().enumerate() {
            put(block, row * 8 + column, value);
        }
    }
    let (middle, largest) = (1i64 << (precision - 1), (1i64 << precision) - 1);
    for row in 0..8 {
        let line = std::array::from_fn(|column| at(block, row * 8 + column));
        for (column, value) in line_of(line, 13 + kept + 3).into_iter().enumerate() {
            put(block, row * 8 + column, (value + middle).clamp(0, largest));
        }
    }
}

fn at(block: &[i64; 64], place: usize) -> i64 {
    block.get(place).copied().unwrap_or(0)
}

fn put(block: &mut [i64; 64], place: usize, value: i64) {
    if let Some(slot) = block.get_mut(place) {
        *slot = value;
    }
}

/// Eight values of one row or column, each rounded down by so many bits. Coefficients have up to 32 bits in a hostile file, the factors 15,
/// so that nothing overflows in 64.
fn line_of(line: [i64; 8], down: u32) -> [i64; 8] {
    let [c0, c1, c2, c3, c4, c5, c6, c7] = line;
    let z1 = (c2 + c6) * 4433;
    let even2 = z1 - c6 * 15137;
    let even3 = z1 + c2 * 6270;
    let even0 = (c0 + c4) << 13;
    let even1 = (c0 - c4) << 13;
    let (t10, t13) = (even0 + even3, even0 - even3);
    let (t11, t12) = (even1 + even2, even1 - even2);

    let z5 = (c7 + c3 + c5 + c1) * 9633;
    let z1 = (c7 + c1) * -7373;
    let z2 = (c5 + c3) * -20995;
    let z3 = (c7 + c3) * -16069 + z5;
    let z4 = (c5 + c1) * -3196 + z5;
    let odd0 = c7 * 2446 + z1 + z3;
    let odd1 = c5 * 16819 + z2 + z4;
    let odd2 = c3 * 25172 + z2 + z3;
    let odd3 = c1 * 12299 + z1 + z4;

    [
        t10 + odd3,
        t11 + odd2,
        t12 + odd1,
        t13 + odd0,
        t13 - odd0,
        t12 - odd1,
        t11 - odd2,
        t10 - odd3,
    ]
    .map(|value| (value + (1 << (down - 1))) >> down)
}
