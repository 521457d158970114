//! JPEG (ISO/IEC 10918-1) of one component with Huffman codes: the sequential processes, baseline and extended, of 8 or 12 bits, and the
//! lossless one of 2 to 16 bits. No arithmetic codes, nothing progressive or hierarchical, no colour.
//!
//! Written here, because a decoder that never panics on what an upload may hold is a page once colour is left out, and because libraries
//! for pictures give 8 bits.

mod dct;
mod huffman;
mod lossless;

use crate::cursor::array;
use crate::error::DicomError;
use crate::pixels::{PixelLayout, check_sizes};
use huffman::{Bits, Huffman};

const CODEC: &str = "JPEG";

/// The second byte of markers (table B.1).
const START: u8 = 0xd8;
const BASELINE: u8 = 0xc0;
const EXTENDED: u8 = 0xc1;
const LOSSLESS: u8 = 0xc3;
const HUFFMAN: u8 = 0xc4;
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;
const QUANTIZATION: u8 = 0xdb;
const RESTART_INTERVAL: u8 = 0xdd;

/// The stored values of a frame.
///
/// # Errors
/// [`DicomError::BadFrame`] and [`DicomError::FrameMismatch`].
pub(crate) fn decode(
    frame: &[u8],
    layout: &PixelLayout,
    out: &mut Vec<i32>,
) -> Result<(), DicomError> {
    let scan = Scan::read(frame, layout)?;
    if scan.is_lossless {
        lossless::samples(&scan, layout, out)?;
    } else {
        dct::samples(&scan, layout, out)?;
    }
    for value in out.iter_mut() {
        *value = layout.value(value.cast_unsigned());
    }
    Ok(())
}

/// What stands before the compressed samples.
struct Scan<'a> {
    is_lossless: bool,
    /// Bits of a sample.
    precision: u32,
    /// The last three bytes of the scan's header: predictor, end of the spectrum, and approximation or point transform.
    parameters: [u8; 3],
    /// Which tables the component has: quantization, and of Huffman codes the one for DC, or for differences, and the one for AC.
    chosen: [usize; 3],
    /// Samples of the lossless process, or blocks of the others, from one restart to the next; 0 for none.
    restart: usize,
    tables: Tables,
    data: &'a [u8],
}

#[derive(Default)]
struct Tables {
    dc: [Option<Huffman>; 4],
    ac: [Option<Huffman>; 4],
    /// In zigzag order.
    quantization: [Option<[u16; 64]>; 4],
}

impl<'a> Scan<'a> {
    fn read(frame: &'a [u8], layout: &PixelLayout) -> Result<Scan<'a>, DicomError> {
        if !frame.starts_with(&[0xff, START]) {
            return Err(bad("it does not start as a JPEG image"));
        }
        let mut at = 2;
        let mut tables = Tables::default();
        let mut image = None;
        let mut restart = 0;
        loop {
            let marker = match array(frame, at) {
                // Any number of filling bytes may stand in front of a marker.
                Some([0xff, 0xff]) => {
                    at += 1;
                    continue;
                }
                Some([0xff, END]) | None => return Err(bad("it ends before its samples")),
                Some([0xff, marker]) => marker,
                Some(_) => return Err(bad("a marker is not where it has to be")),
            };
            let length = array(frame, at + 2).map_or(0, u16::from_be_bytes);
            let next = at + 2 + usize::from(length);
            let segment = frame
                .get(at + 4..next)
                .ok_or(bad("a marker segment is cut off"))?;
            at = next;
            match marker {
                BASELINE | EXTENDED | LOSSLESS => {
                    image = Some(Image::read(segment, marker == LOSSLESS, layout)?);
                }
                HUFFMAN => tables.read_huffman(segment)?,
                QUANTIZATION => tables.read_quantization(segment)?,
                RESTART_INTERVAL => {
                    restart = usize::from(array(segment, 0).map_or(0, u16::from_be_bytes));
                }
                SCAN => {
                    let image = image.ok_or(bad("its samples stand before their description"))?;
                    let [1, _, chosen, start, end, approximation] = *segment else {
                        return Err(bad("its scan has not one component"));
                    };
                    return Ok(Scan {
                        is_lossless: image.is_lossless,
                        precision: image.precision,
                        parameters: [start, end, approximation],
                        chosen: [
                            image.quantization,
                            usize::from(chosen >> 4),
                            usize::from(chosen & 15),
                        ],
                        restart,
                        tables,
                        data: frame.get(at..).unwrap_or_default(),
                    });
                }
                // Every other kind of image; 0xc8 is reserved and 0xcc is for arithmetic codes.
                0xc2..=0xcf => {
                    return Err(bad(
                        "it is progressive, hierarchical, or has arithmetic codes; such images are not read",
                    ));
                }
                _ => {}
            }
        }
    }

    fn bits(&self) -> Bits<'a> {
        Bits::new(self.data)
    }

    fn dc_table(&self) -> Result<&Huffman, DicomError> {
        let [_, dc, _] = self.chosen;
        table(&self.tables.dc, dc)
    }

    fn ac_table(&self) -> Result<&Huffman, DicomError> {
        let [_, _, ac] = self.chosen;
        table(&self.tables.ac, ac)
    }

    fn quantization(&self) -> Result<&[u16; 64], DicomError> {
        let [quantization, ..] = self.chosen;
        table(&self.tables.quantization, quantization)
    }
}

fn table<T>(tables: &[Option<T>; 4], chosen: usize) -> Result<&T, DicomError> {
    tables
        .get(chosen)
        .and_then(Option::as_ref)
        .ok_or(bad("a table that its scan needs is missing"))
}

impl Tables {
    fn read_huffman(&mut self, mut segment: &[u8]) -> Result<(), DicomError> {
        let cut = || bad("a Huffman table is cut off");
        while let Some((&which, rest)) = segment.split_first() {
            let counts: [u8; 16] = array(rest, 0).ok_or_else(cut)?;
            let rest = rest.get(16..).ok_or_else(cut)?;
            let total: usize = counts.iter().map(|count| usize::from(*count)).sum();
            let values = rest.get(..total).ok_or_else(cut)?;
            let tables = if which >> 4 == 0 {
                &mut self.dc
            } else {
                &mut self.ac
            };
            if let Some(table) = tables.get_mut(usize::from(which & 15)) {
                *table = Some(Huffman::new(&counts, values)?);
            }
            segment = rest.get(total..).unwrap_or_default();
        }
        Ok(())
    }

    fn read_quantization(&mut self, mut segment: &[u8]) -> Result<(), DicomError> {
        while let Some((&which, rest)) = segment.split_first() {
            let width = if which >> 4 == 0 { 1 } else { 2 };
            let values = rest
                .get(..64 * width)
                .ok_or(bad("a quantization table is cut off"))?;
            let mut table = [0; 64];
            for (slot, bytes) in table.iter_mut().zip(values.chunks_exact(width)) {
                *slot = bytes
                    .iter()
                    .fold(0, |value, byte| (value << 8) | u16::from(*byte));
            }
            if let Some(slot) = self.quantization.get_mut(usize::from(which & 15)) {
                *slot = Some(table);
            }
            segment = rest.get(64 * width..).unwrap_or_default();
        }
        Ok(())
    }
}

/// The description of an image.
#[derive(Clone, Copy)]
struct Image {
    is_lossless: bool,
    precision: u32,
    /// Which quantization table its component has.
    quantization: usize,
}

impl Image {
    /// Reads a description, and holds it against the header of the file.
    fn read(segment: &[u8], is_lossless: bool, layout: &PixelLayout) -> Result<Image, DicomError> {
        let cut = || bad("the description of the image is cut off");
        let [precision] = array(segment, 0).ok_or_else(cut)?;
        let rows = u16::from_be_bytes(array(segment, 1).ok_or_else(cut)?);
        let columns = u16::from_be_bytes(array(segment, 3).ok_or_else(cut)?);
        let [components] = array(segment, 5).ok_or_else(cut)?;
        let found = [rows, columns, components.into(), precision.into()].map(u64::from);
        check_sizes(CODEC, layout, found)?;
        let [quantization] = array(segment, 8).ok_or_else(cut)?;
        let is_known = match is_lossless {
            true => (2..=16).contains(&precision),
            false => matches!(precision, 8 | 12),
        };
        if !is_known {
            return Err(bad(
                "its samples have another number of bits than the process allows",
            ));
        }
        Ok(Image {
            is_lossless,
            precision: precision.into(),
            quantization: quantization.into(),
        })
    }
}

fn bad(reason: &'static str) -> DicomError {
    DicomError::BadFrame {
        codec: CODEC,
        reason,
    }
}
