//! What the header says about the pixels, held against the limits (PS3.3, C.7.6.3).

use crate::error::DicomError;
use crate::fragments::Fragments;
use crate::item::Item;
use crate::limits::Limits;
use crate::tag::Tag;
use crate::walk::Head;

/// What a stored value means (PS3.3, C.7.6.3.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Photometric {
    /// Grey, the smallest value is white.
    Monochrome1,
    /// Grey, the smallest value is black.
    Monochrome2,
    /// An index into a palette of colours.
    Palette,
    /// Colour: RGB, or one of the YBR.
    Colour,
    /// One that is none of these, or none at all.
    Other,
}

/// How the pixels of a file are written. Sizes are within the limits, and the bits fit one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelLayout {
    /// Rows of an image.
    pub rows: usize,
    /// Columns of an image.
    pub columns: usize,
    /// Images of the file, at least one.
    pub frames: usize,
    /// Samples of a pixel: 1, and 3 or 4 for colour.
    pub samples: usize,
    /// Bits from one sample to the next: 8, 16 or 32.
    pub bits_allocated: u32,
    /// Bits of a sample, from 1 to as many as are allocated.
    pub bits_stored: u32,
    /// The highest bit of a sample, counted from 0.
    pub high_bit: u32,
    /// Whether values are in two's complement.
    pub signed: bool,
    /// What a value means.
    pub photometric: Photometric,
    /// The least and the largest value of pixels outside of the image, if the file names one or a range; stored values, as
    /// [`frame`](crate::DicomFile::frame) gives them.
    pub padding: Option<[i32; 2]>,
}

impl PixelLayout {
    /// Reads the description of pixels out of a data set.
    pub(crate) fn read(data: &Item<'_>, limits: &Limits) -> Result<PixelLayout, DicomError> {
        let field = Field { data };
        let rows = field.required(Tag::ROWS, "Rows")?;
        let columns = field.required(Tag::COLUMNS, "Columns")?;
        let frames = field.optional(Tag::FRAMES, "Number of Frames", 1)?;
        let samples = field.optional(Tag::SAMPLES, "Samples per Pixel", 1)?;
        let bits_allocated = field.required(Tag::BITS_ALLOCATED, "Bits Allocated")?;
        let bits_stored = field.optional(Tag::BITS_STORED, "Bits Stored", bits_allocated)?;
        let high_bit = field.optional(Tag::HIGH_BIT, "High Bit", bits_stored.saturating_sub(1))?;
        let representation = field.optional(Tag::REPRESENTATION, "Pixel Representation", 0)?;

        let shape = &limits.shape;
        // In 64 bits, since a component counts in 32 and the file need not.
        let size = |tag, name, axis, found: i64, limit: usize| match u64::try_from(found) {
            Ok(size) if size > limit as u64 => Err(DicomError::TooLarge {
                axis,
                found: size,
                limit: limit as u64,
            }),
            Ok(1..) => usize::try_from(found).map_err(|_| bad(tag, name, found, "at least 1")),
            _ => Err(bad(tag, name, found, "at least 1")),
        };
        let rows = size(Tag::ROWS, "Rows", "rows", rows, shape.rows)?;
        let columns = size(Tag::COLUMNS, "Columns", "columns", columns, shape.columns)?;
        let images = shape.frames.saturating_mul(shape.slices);
        let frames = size(Tag::FRAMES, "Number of Frames", "frames", frames, images)?;
        let samples = match samples {
            1 | 3 | 4 => samples as usize,
            _ => return Err(bad(Tag::SAMPLES, "Samples per Pixel", samples, "1, 3 or 4")),
        };
        let bits = |tag, name, found: i64, is_good: bool, expected| match u32::try_from(found) {
            Ok(bits) if is_good => Ok(bits),
            _ => Err(bad(tag, name, found, expected)),
        };
        Ok(PixelLayout {
            rows,
            columns,
            frames,
            samples,
            bits_allocated: bits(
                Tag::BITS_ALLOCATED,
                "Bits Allocated",
                bits_allocated,
                matches!(bits_allocated, 8 | 16 | 32),
                "8, 16 or 32",
            )?,
            bits_stored: bits(
                Tag::BITS_STORED,
                "Bits Stored",
                bits_stored,
                (1..=bits_allocated).contains(&bits_stored),
                "at least 1 and no more than are allocated",
            )?,
            high_bit: bits(
                Tag::HIGH_BIT,
                "High Bit",
                high_bit,
                (bits_stored.saturating_sub(1)..bits_allocated).contains(&high_bit),
                "a bit that leaves room for those stored, and below those allocated",
            )?,
            signed: match representation {
                0 => false,
                1 => true,
                _ => {
                    return Err(bad(
                        Tag::REPRESENTATION,
                        "Pixel Representation",
                        representation,
                        "0 or 1",
                    ));
                }
            },
            photometric: match data.text(Tag::PHOTOMETRIC).as_deref() {
                Some("MONOCHROME1") => Photometric::Monochrome1,
                Some("MONOCHROME2") => Photometric::Monochrome2,
                Some("PALETTE COLOR") => Photometric::Palette,
                Some(name) if name == "RGB" || name.starts_with("YBR_") => Photometric::Colour,
                _ => Photometric::Other,
            },
            padding: None,
        }
        .with_padding(data))
    }

    /// Padding values are as signed as the pixels, whatever their value representation says; one that no pixel can have is none. The
    /// limit of a range may lie below the value or above it (PS3.3, C.7.5.1.1.2), and means nothing without it.
    fn with_padding(self, data: &Item<'_>) -> PixelLayout {
        let stored = |tag| {
            let value = data.integer(tag)?;
            let wrapped = if (-0x8000..=0xffff).contains(&value) && self.bits_allocated <= 16 {
                let low = (value & 0xffff) as u16;
                if self.signed {
                    i64::from(low.cast_signed())
                } else {
                    i64::from(low)
                }
            } else {
                value
            };
            i32::try_from(wrapped).ok()
        };
        let padding = stored(Tag::PADDING).map(|value| {
            let limit = stored(Tag::PADDING_LIMIT).unwrap_or(value);
            [value.min(limit), value.max(limit)]
        });
        PixelLayout { padding, ..self }
    }

    /// Bytes of one sample.
    pub(crate) fn sample_bytes(&self) -> usize {
        match self.bits_allocated {
            8 => 1,
            16 => 2,
            _ => 4,
        }
    }

    /// Pixels of one frame.
    pub fn pixels_per_frame(&self) -> usize {
        self.rows.saturating_mul(self.columns)
    }

    /// Bytes of one frame that is not compressed.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.pixels_per_frame()
            .saturating_mul(self.samples)
            .saturating_mul(self.sample_bytes())
    }

    /// Refuses what is no single sample of grey.
    pub(crate) fn check_grey(&self) -> Result<(), DicomError> {
        let found = match (self.photometric, self.samples) {
            (Photometric::Monochrome1 | Photometric::Monochrome2, 1) => return Ok(()),
            (Photometric::Palette, _) => "in colours of a palette",
            (Photometric::Colour, _) => "in colour",
            (Photometric::Monochrome1 | Photometric::Monochrome2, _) => {
                "grey with more than one sample a pixel"
            }
            (Photometric::Other, _) => "of no known photometric interpretation",
        };
        Err(DicomError::NotGrey { found })
    }

    /// The stored value in a sample as it was allocated: the bits from the highest one down, with their sign.
    pub(crate) fn value(&self, raw: u32) -> i32 {
        let (left, right) = self.shifts();
        if self.signed {
            (raw << left).cast_signed() >> right
        } else {
            ((raw << left) >> right).cast_signed()
        }
    }

    /// How far a sample is moved up, to lose what is above its highest bit, and down again, to lose what is below its lowest.
    pub(crate) fn shifts(&self) -> (u32, u32) {
        (
            31u32.saturating_sub(self.high_bit),
            32u32.saturating_sub(self.bits_stored).min(31),
        )
    }
}

struct Field<'a, 'b> {
    data: &'b Item<'a>,
}

impl Field<'_, '_> {
    fn required(&self, tag: Tag, name: &'static str) -> Result<i64, DicomError> {
        self.data
            .integer(tag)
            .ok_or(DicomError::MissingAttribute { tag, name })
    }

    /// A value that may be absent or empty, but not unreadable.
    fn optional(&self, tag: Tag, name: &'static str, default: i64) -> Result<i64, DicomError> {
        match self.data.value(tag) {
            None | Some((&[], _)) => Ok(default),
            Some(_) if self.data.text(tag).is_none() && self.data.number(tag).is_none() => {
                Ok(default)
            }
            Some(_) => self.required(tag, name),
        }
    }
}

fn bad(tag: Tag, name: &'static str, found: i64, expected: &'static str) -> DicomError {
    DicomError::BadAttribute {
        tag,
        name,
        found,
        expected,
    }
}

/// Holds rows, columns, samples a pixel and bits of compressed data against the header of the file.
///
/// # Errors
/// [`DicomError::FrameMismatch`].
pub(crate) fn check_sizes(
    codec: &'static str,
    layout: &PixelLayout,
    found: [u64; 4],
) -> Result<(), DicomError> {
    let [rows, columns, samples, bits] = found;
    let allocated = u64::from(layout.bits_allocated);
    for (what, found, expected, is_good) in [
        ("rows", rows, layout.rows as u64, rows == layout.rows as u64),
        (
            "columns",
            columns,
            layout.columns as u64,
            columns == layout.columns as u64,
        ),
        (
            "samples a pixel",
            samples,
            layout.samples as u64,
            samples == layout.samples as u64,
        ),
        ("bits", bits, allocated, bits <= allocated),
    ] {
        if !is_good {
            return Err(DicomError::FrameMismatch {
                codec,
                what,
                found,
                expected,
            });
        }
    }
    Ok(())
}

/// Where the pixels lie.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// One frame behind the other, from here on.
    Native {
        at: usize,
        /// Two bytes each were written as a big-endian word, though a pixel has one.
        swapped: bool,
    },
    /// Compressed, in fragments.
    Encapsulated(Fragments),
    /// Pixels that are no grey, or whose compression is not read, from here on.
    Unread { at: usize },
}

impl Place {
    /// Where the first byte of the pixels lies.
    pub(crate) fn start(&self) -> Option<usize> {
        match self {
            Place::Native { at, .. } | Place::Unread { at } => Some(*at),
            Place::Encapsulated(fragments) => fragments.start(),
        }
    }
}

/// Checks that uncompressed pixels are all there.
pub(crate) fn native(
    bytes: &[u8],
    head: &Head,
    layout: &PixelLayout,
    swapped: bool,
) -> Result<Place, DicomError> {
    let expected = layout.frame_bytes().saturating_mul(layout.frames);
    let expected = match swapped {
        true => expected.next_multiple_of(2),
        false => expected,
    };
    let there = bytes.len().saturating_sub(head.at);
    let found = head.length.unwrap_or(0).min(there);
    if found < expected {
        return Err(DicomError::PixelsTruncated {
            found: found as u64,
            expected: expected as u64,
        });
    }
    Ok(Place::Native {
        at: head.at,
        swapped,
    })
}
