//! RLE Lossless (PS3.5, annex G): PackBits, one run of segments for each byte of a sample.

use crate::cursor::array;
use crate::error::DicomError;
use crate::pixels::PixelLayout;

const CODEC: &str = "RLE";

/// Bytes of the header: the number of segments, and where up to 15 start.
const HEADER_BYTES: usize = 64;

/// The stored values of a frame.
///
/// # Errors
/// [`DicomError::BadFrame`] and [`DicomError::FrameMismatch`].
pub(crate) fn decode(
    frame: &[u8],
    layout: &PixelLayout,
    out: &mut Vec<i32>,
) -> Result<(), DicomError> {
    let word = |index: usize| array(frame, index.saturating_mul(4)).map(u32::from_le_bytes);
    let segments = word(0)
        .filter(|_| frame.len() >= HEADER_BYTES)
        .ok_or(bad("its header is cut off"))?;
    let expected = layout.sample_bytes();
    if segments as usize != expected {
        return Err(DicomError::FrameMismatch {
            codec: CODEC,
            what: "segments",
            found: u64::from(segments),
            expected: expected as u64,
        });
    }
    let offset = |index: usize| word(index).and_then(|offset| usize::try_from(offset).ok());
    out.resize(layout.pixels_per_frame(), 0);
    // The most significant byte comes first.
    for segment in 1..=expected {
        let start = offset(segment).unwrap_or(0);
        let end = match segment < expected {
            true => offset(segment.saturating_add(1)).unwrap_or(0),
            false => frame.len(),
        };
        let packed = frame
            .get(start..end)
            .filter(|_| start >= HEADER_BYTES)
            .ok_or(bad("a segment lies outside of its bytes"))?;
        unpack(packed, out)?;
    }
    for value in out.iter_mut() {
        *value = layout.value(value.cast_unsigned());
    }
    Ok(())
}

/// Moves every value up by a byte, and the bytes of a segment under them. What a segment has behind the last pixel is filler.
fn unpack(mut packed: &[u8], out: &mut [i32]) -> Result<(), DicomError> {
    let short = || bad("a segment ends before the last pixel");
    let mut left = out;
    while !left.is_empty() {
        let (&control, rest) = packed.split_first().ok_or_else(short)?;
        let count = match control.cast_signed() {
            0.. => usize::from(control) + 1,
            // One that says nothing.
            -128 => {
                packed = rest;
                continue;
            }
            repeats => usize::from(repeats.unsigned_abs()) + 1,
        };
        let (now, later) = left.split_at_mut(count.min(left.len()));
        if control < 128 {
            let literal = rest.get(..now.len()).ok_or_else(short)?;
            for (value, byte) in now.iter_mut().zip(literal) {
                *value = (*value << 8) | i32::from(*byte);
            }
            packed = rest.get(count..).unwrap_or_default();
        } else {
            let (&byte, rest) = rest.split_first().ok_or_else(short)?;
            for value in now {
                *value = (*value << 8) | i32::from(byte);
            }
            packed = rest;
        }
        left = later;
    }
    Ok(())
}

fn bad(reason: &'static str) -> DicomError {
    DicomError::BadFrame {
        codec: CODEC,
        reason,
    }
}
