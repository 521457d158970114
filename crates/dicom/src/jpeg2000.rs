//! JPEG 2000 (ISO/IEC 15444-1) of one component.

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};

use crate::cursor::array;
use crate::error::DicomError;
use crate::pixels::{PixelLayout, check_sizes};

const CODEC: &str = "JPEG 2000";

/// The markers that start a codestream, SOC and SIZ.
const START: &[u8] = &[0xff, 0x4f, 0xff, 0x51];
/// Markers behind them (table A.2): coding style of all components and of one, start of a tile-part and of its data, end.
const CODING: u16 = 0xff52;
const CODING_OF_ONE: u16 = 0xff53;
const TILE_PART: u16 = 0xff90;
const DATA: u16 = 0xff93;
const END: u16 = 0xffd9;

/// More tiles than any encoder cuts an image of these sizes into; each costs a structure of its own.
const TILES: u64 = 1024;
/// More precincts than any encoder makes; an image of 512 x 512 in one tile has some ten. Each costs a few hundred bytes before a byte of
/// data is read.
const PRECINCTS: u64 = 16_384;

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
    let settings = DecodeSettings {
        strict: check_structure(frame, &size)? == Ending::Marked,
        ..DecodeSettings::default()
    };
    let image = Image::new(frame, &settings).map_err(|_| bad("its header cannot be read"))?;
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
    /// Columns and rows.
    image: [u64; 2],
    /// Tiles in a row and in a column.
    tiles: [u64; 2],
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
        let [width, height, from_left, from_top] = [word(24)?, word(28)?, word(32)?, word(36)?];
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
        let tiles =
            [(right, from_left, width), (lower, from_top, height)].map(|(end, start, size)| {
                u64::from(end.saturating_sub(start)).div_ceil(u64::from(size.max(1)))
            });
        if width == 0 || height == 0 || tiles.iter().product::<u64>() > TILES {
            return Err(bad("it is cut into more tiles than an image needs"));
        }
        Ok(Size {
            image: [
                u64::from(right.saturating_sub(left)),
                u64::from(lower.saturating_sub(upper)),
            ],
            tiles,
            bits,
            is_signed: depth & 0x80 != 0,
        })
    }
}

/// How a codestream ends.
#[derive(Clone, Copy, PartialEq)]
enum Ending {
    /// With its mark, right behind the last tile-part: the decoder can be strict.
    Marked,
    /// Otherwise: the decoder would be confused by its own strictness.
    Unmarked,
}

/// Walks over the markers: all tile-parts are there as long as they say, and the coding style asks for no more precincts than allowed. The
/// decoder makes room for all precincts first, and unless it is strict it gives an image for a stream that is cut.
fn check_structure(frame: &[u8], size: &Size) -> Result<Ending, DicomError> {
    let cut = || bad("it is cut");
    let marker = |at| array(frame, at).map(u16::from_be_bytes).ok_or_else(cut);
    let segment = |at: usize| {
        let length = usize::from(marker(at.saturating_add(2))?);
        let next = at.saturating_add(2).saturating_add(length);
        let content = frame.get(at.saturating_add(4)..next).ok_or_else(cut)?;
        Ok((content, next))
    };
    let mut at = 2;
    loop {
        match marker(at)? {
            TILE_PART => break,
            CODING_OF_ONE => return Err(bad("it describes its only component twice")),
            found => {
                let (content, next) = segment(at)?;
                if found == CODING {
                    check_precincts(content, size)?;
                }
                at = next;
            }
        }
    }
    loop {
        let (_, mut inner) = segment(at)?;
        let length = array(frame, at.saturating_add(6))
            .map(u32::from_be_bytes)
            .ok_or_else(cut)?;
        loop {
            match marker(inner)? {
                DATA => break,
                CODING | CODING_OF_ONE => {
                    return Err(bad("the coding style changes from tile to tile"));
                }
                _ => (_, inner) = segment(inner)?,
            }
        }
        let next = match length {
            // The last part may leave its length open: up to the mark at the end, behind which a byte fills up.
            0 if matches!(frame, [.., 0xff, 0xd9] | [.., 0xff, 0xd9, 0]) => {
                return Ok(Ending::Unmarked);
            }
            0 => return Err(cut()),
            length => at.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)),
        };
        if next < inner.saturating_add(2) || next > frame.len() {
            return Err(cut());
        }
        match array(frame, next).map(u16::from_be_bytes) {
            Some(TILE_PART) => at = next,
            Some(END) => return Ok(Ending::Marked),
            None => return Ok(Ending::Unmarked),
            Some(_) => return Err(bad("a marker is not where it has to be")),
        }
    }
}

/// Counts the precincts of all resolutions (A.6.1, B.6) from above.
fn check_precincts(coding: &[u8], size: &Size) -> Result<(), DicomError> {
    let cut = || bad("its coding style is cut off");
    let [style] = array(coding, 0).ok_or_else(cut)?;
    let [levels] = array(coding, 5).ok_or_else(cut)?;
    if levels > 32 {
        return Err(bad("it has more than 32 resolutions"));
    }
    let mut precincts = 0u64;
    for resolution in 0..=levels {
        let exponents = match style & 1 {
            0 => 0xff,
            _ => {
                let [exponents] = array(coding, 10 + usize::from(resolution)).ok_or_else(cut)?;
                exponents
            }
        };
        let exponents = [exponents & 15, exponents >> 4];
        let [across, down] = std::array::from_fn(|axis| {
            let of = |values: [u64; 2]| values.into_iter().nth(axis).unwrap_or(1);
            let exponent = exponents.into_iter().nth(axis).unwrap_or(0);
            let pixels = of(size.image).div_ceil(1 << (levels - resolution));
            pixels
                .div_ceil(1 << exponent)
                .saturating_add(of(size.tiles))
        });
        precincts = precincts.saturating_add(across.saturating_mul(down));
    }
    if precincts > PRECINCTS {
        return Err(bad("it is cut into more precincts than an image needs"));
    }
    Ok(())
}

fn bad(reason: &'static str) -> DicomError {
    DicomError::BadFrame {
        codec: CODEC,
        reason,
    }
}
