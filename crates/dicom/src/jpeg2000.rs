//! JPEG 2000 (ISO/IEC 15444-1) of one component.

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};

use crate::cursor::array;
use crate::error::DicomError;
use crate::pixels::{PixelLayout, check_sizes};

const CODEC: &str = "JPEG 2000";

/// The markers that start a codestream, SOC and SIZ.
const START: &[u8] = &[0xff, 0x4f, 0xff, 0x51];

/// The stored values of a frame.
///
/// # Errors
/// [`DicomError::BadFrame`] and [`DicomError::FrameMismatch`].
pub(crate) fn decode(
    frame: &[u8],
    layout: &PixelLayout,
    out: &mut Vec<i32>,
) -> Result<(), DicomError> {
    let size = Size::read(frame, layout)?;
    let image = Image::new(frame, &DecodeSettings::default())
        .map_err(|_| bad("its header cannot be read"))?;
    let mut context = DecoderContext::default();
    let decoded = image
        .decode(&mut context)
        .map_err(|_| bad("its data cannot be read"))?;
    let [component] = decoded.components() else {
        return Err(bad("it has not one component"));
    };
    // The decoder moves the values of all components up to where the smallest is 0, those with a sign too.
    let values = (1u32 << size.bits) as f32;
    let middle = if size.is_signed { values / 2.0 } else { 0.0 };
    out.extend(component.samples().iter().map(|sample| {
        let value = (sample.round().clamp(0.0, values - 1.0) - middle) as i32;
        layout.value(value.cast_unsigned())
    }));
    if out.len() != layout.pixels_per_frame() {
        return Err(bad("it has another number of pixels than its header says"));
    }
    Ok(())
}

/// What the codestream says about its samples (A.5.1).
struct Size {
    bits: u8,
    is_signed: bool,
}

impl Size {
    /// Reads the sizes, and holds them against the header of the file before anything is decoded.
    fn read(frame: &[u8], layout: &PixelLayout) -> Result<Size, DicomError> {
        if !frame.starts_with(START) {
            return Err(bad("it does not start as a codestream"));
        }
        let cut = || bad("its header is cut off");
        let word = |at| array(frame, at).map(u32::from_be_bytes).ok_or_else(cut);
        let [right, lower, left, upper] = [word(8)?, word(12)?, word(16)?, word(20)?];
        let components = array(frame, 40).map(u16::from_be_bytes).ok_or_else(cut)?;
        let [depth, across, down] = array(frame, 42).ok_or_else(cut)?;
        let bits = (depth & 0x7f) + 1;
        check_sizes(
            CODEC,
            layout,
            [
                u64::from(lower.saturating_sub(upper)),
                u64::from(right.saturating_sub(left)),
                u64::from(components),
                u64::from(bits),
            ],
        )?;
        if (across, down) != (1, 1) || bits > 16 {
            return Err(bad(
                "its samples are thinned out, or have more than 16 bits",
            ));
        }
        Ok(Size {
            bits,
            is_signed: depth & 0x80 != 0,
        })
    }
}

fn bad(reason: &'static str) -> DicomError {
    DicomError::BadFrame {
        codec: CODEC,
        reason,
    }
}
