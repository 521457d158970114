//! A whole file: preamble, file meta information, data set, pixels.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::archive::Packed;
use crate::cursor::{Order, array};
use crate::error::DicomError;
use crate::fragments::Fragments;
use crate::inflate::inflate;
use crate::item::{Elements, Item, is_blank};
use crate::limits::Limits;
use crate::pixels::{PixelLayout, Place, native};
use crate::rle;
use crate::syntax::{Compression, Encoding, TransferSyntax};
use crate::tag::Tag;
use crate::vr::Vr;
use crate::walk::{Stop, Walk, Written, head};
use crate::{jpeg, jpeg2000};

/// Where the mark `DICM` stands, behind the preamble, whose content means nothing.
const MARK_AT: usize = 128;
const MARK: &[u8] = b"DICM";

/// A DICOM file. Its bytes stay where they are; cloning it copies the places of its elements and no pixel.
///
/// ```
/// use cinecor_dicom::{DicomFile, Limits, Tag};
///
/// // A data set without preamble and file meta information, Implicit VR Little Endian: tag, length, value.
/// let mut bytes = Vec::new();
/// for (group, element, value) in [
///     (0x0008u16, 0x0008u16, &b"ORIGINAL"[..]),
///     (0x0028, 0x0004, b"MONOCHROME2 "),
///     (0x0028, 0x0010, &[1, 0]),
///     (0x0028, 0x0011, &[2, 0]),
///     (0x0028, 0x0100, &[16, 0]),
///     (0x7fe0, 0x0010, &[0x2c, 0x01, 0x07, 0x00]),
/// ] {
///     bytes.extend(group.to_le_bytes());
///     bytes.extend(element.to_le_bytes());
///     bytes.extend((value.len() as u32).to_le_bytes());
///     bytes.extend(value);
/// }
/// let file = DicomFile::read(bytes.into(), &Limits::default())?;
/// assert_eq!(file.data().integer(Tag(0x0028, 0x0011)), Some(2));
/// let mut values = Vec::new();
/// file.frame(0, &mut values)?;
/// assert_eq!(values, [300, 7]);
/// # Ok::<(), cinecor_dicom::DicomError>(())
/// ```
#[derive(Clone)]
pub struct DicomFile {
    syntax: TransferSyntax,
    /// What the places of elements and pixels are counted in: the file, or its inflated data set.
    bytes: Bytes,
    /// Where all of these bytes can be had again, if only those before the pixels are held.
    packed: Option<Packed>,
    order: Order,
    /// Of the file meta information, those with a value.
    meta: BTreeSet<Tag>,
    elements: Elements,
    pixels: Option<(PixelLayout, Place)>,
}

impl DicomFile {
    /// Reads the header of a file and finds its pixels, without decoding them.
    ///
    /// A file is taken without preamble and mark, and without file meta information, where it is plainly a data set. A transfer syntax
    /// whose pixels cannot be read is no reason for a refusal here, but in [`frame`](DicomFile::frame).
    ///
    /// # Errors
    /// Any [`DicomError`] but those of archives and of frames.
    pub fn read(bytes: Bytes, limits: &Limits) -> Result<DicomFile, DicomError> {
        let has_mark = has_mark(&bytes);
        let at = if has_mark { MARK_AT + MARK.len() } else { 0 };
        if !has_mark && !is_data_set(&bytes) {
            return Err(DicomError::NotDicom);
        }
        let (syntax, meta, at) = meta(&bytes, at)?;
        let syntax = match syntax {
            Some(syntax) => syntax,
            None => guessed(&bytes, at).ok_or(DicomError::NotDicom)?,
        };
        let (bytes, at) = match syntax.encoding {
            Encoding::DeflatedExplicitLittle => {
                let deflated = bytes.get(at..).unwrap_or_default();
                (inflate(deflated, limits)?, 0)
            }
            _ => (bytes, at),
        };
        let written = written(&bytes, at, syntax.encoding);
        let order = written.order();
        let (elements, stop) = Walk::over(&bytes, at, written, limits)?;
        let pixels = match stop {
            Stop::Pixels(head) if head.tag == Tag::PIXELS => {
                let data = Item::whole(&bytes, &elements, order);
                let layout = PixelLayout::read(&data, limits)?;
                let place = match syntax.compression {
                    // What is no grey is never decoded, so that nothing is asked of its bytes.
                    _ if layout.check_grey().is_err() => Place::Unread { at: head.at },
                    Compression::None => {
                        let swapped = order == Order::Big
                            && head.vr == Vr::Words
                            && layout.bits_allocated == 8;
                        native(&bytes, &head, &layout, swapped)?
                    }
                    Compression::Unsupported => Place::Unread { at: head.at },
                    compression => Place::Encapsulated(Fragments::find(
                        &bytes,
                        &head,
                        layout.frames,
                        compression,
                        limits,
                    )?),
                };
                Some((layout, place))
            }
            Stop::Pixels(_) | Stop::End => None,
        };
        Ok(DicomFile {
            syntax,
            bytes,
            packed: None,
            order,
            meta,
            elements,
            pixels,
        })
    }

    /// Lets go of the pixels of an image that lies deflated in an archive: they are inflated anew when its one frame is asked for. A file
    /// with several frames stays as it is, because each would cost the inflating of all, and so does one whose data set is deflated too.
    pub(crate) fn keep_packed(mut self, packed: Packed) -> DicomFile {
        let start = match &self.pixels {
            Some((layout, place)) if layout.frames == 1 => place.start(),
            _ => None,
        };
        let header = start.and_then(|start| self.bytes.get(..start));
        if let Some(header) = header
            && self.syntax.encoding != Encoding::DeflatedExplicitLittle
        {
            self.bytes = Bytes::copy_from_slice(header);
            self.packed = Some(packed);
        }
        self
    }

    /// How the file is written.
    pub fn transfer_syntax(&self) -> &TransferSyntax {
        &self.syntax
    }

    /// The elements of the data set up to its pixel data, without the file meta information.
    pub fn data(&self) -> Item<'_> {
        Item::whole(&self.bytes, &self.elements, self.order)
    }

    /// The tags of the file meta information (PS3.10, 7.1) that have a value.
    pub fn meta(&self) -> &BTreeSet<Tag> {
        &self.meta
    }

    /// How the pixels are written; `None` where the file has none, or has them as floating-point numbers.
    pub fn pixels(&self) -> Option<&PixelLayout> {
        self.pixels.as_ref().map(|(layout, _)| layout)
    }

    /// Puts the stored values of one frame, counted from 0, into `out`, which is emptied first: `rows` x `columns` numbers, row by row,
    /// as the bits say them. They are neither rescaled nor inverted.
    ///
    /// # Errors
    /// [`DicomError::NoPixels`], [`DicomError::NoSuchFrame`], [`DicomError::NotGrey`], [`DicomError::UnsupportedSyntax`],
    /// [`DicomError::BadFragments`], [`DicomError::BadFrame`], [`DicomError::FrameMismatch`], [`DicomError::ValueTooLarge`].
    pub fn frame(&self, index: usize, out: &mut Vec<i32>) -> Result<(), DicomError> {
        out.clear();
        let (layout, place) = self.pixels.as_ref().ok_or(DicomError::NoPixels)?;
        if index >= layout.frames {
            return Err(DicomError::NoSuchFrame {
                index,
                frames: layout.frames,
            });
        }
        layout.check_grey()?;
        let whole = match &self.packed {
            Some(packed) => &packed.unpack()?,
            None => &self.bytes,
        };
        match place {
            Place::Native { at, swapped } => {
                let length = layout.frame_bytes();
                let start = index
                    .checked_mul(length)
                    .and_then(|offset| offset.checked_add(*at));
                let frame = start
                    .and_then(|start| whole.get(start..start.checked_add(length)?))
                    .ok_or(DicomError::NoPixels)?;
                if !*swapped {
                    return values(frame, layout, self.order, out);
                }
                // A frame of an odd number of pixels may start in the middle of a word.
                let pixels = whole.get(*at..).unwrap_or_default();
                let first = index.saturating_mul(length);
                out.reserve_exact(length);
                out.extend(
                    (first..first.saturating_add(length))
                        .filter_map(|pixel| pixels.get(pixel ^ 1))
                        .map(|byte| layout.value(u32::from(*byte))),
                );
                Ok(())
            }
            Place::Encapsulated(fragments) => {
                let frame = fragments.frame(whole, index, layout.frame_bytes())?;
                match self.syntax.compression {
                    Compression::Rle => rle::decode(&frame, layout, out),
                    Compression::Jpeg => jpeg::decode(&frame, layout, out),
                    Compression::Jpeg2000 => jpeg2000::decode(&frame, layout, out),
                    Compression::None | Compression::Unsupported => Err(DicomError::NoPixels),
                }
            }
            Place::Unread { .. } => Err(DicomError::UnsupportedSyntax {
                name: self.syntax.name,
            }),
        }
    }
}

impl std::fmt::Debug for DicomFile {
    /// Sizes only: values may name a patient.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DicomFile")
            .field("syntax", &self.syntax.name)
            .field("bytes", &self.bytes.len())
            .field("pixels", &self.pixels())
            .finish_non_exhaustive()
    }
}

/// The stored values of an uncompressed frame.
fn values(
    frame: &[u8],
    layout: &PixelLayout,
    order: Order,
    out: &mut Vec<i32>,
) -> Result<(), DicomError> {
    out.reserve_exact(layout.pixels_per_frame());
    match layout.bits_allocated {
        8 => out.extend(frame.iter().map(|byte| layout.value(u32::from(*byte)))),
        16 => {
            let (pairs, _) = frame.as_chunks();
            match order {
                Order::Little => out.extend(
                    pairs
                        .iter()
                        .map(|pair| layout.value(u32::from(u16::from_le_bytes(*pair)))),
                ),
                Order::Big => out.extend(
                    pairs
                        .iter()
                        .map(|pair| layout.value(u32::from(u16::from_be_bytes(*pair)))),
                ),
            }
        }
        _ => {
            let (quads, _) = frame.as_chunks();
            out.extend(quads.iter().map(|quad| layout.value(order.u32(*quad))));
            // Of an unsigned number with 32 bits the highest is no sign.
            if !layout.signed && out.iter().any(|value| *value < 0) {
                return Err(DicomError::ValueTooLarge);
            }
        }
    }
    Ok(())
}

/// Whether bytes are those of a DICOM file: the mark stands behind a preamble, or they plainly start a data set.
pub fn looks_like_dicom(bytes: &[u8]) -> bool {
    has_mark(bytes) || is_data_set(bytes)
}

fn has_mark(bytes: &[u8]) -> bool {
    bytes
        .get(MARK_AT..)
        .is_some_and(|rest| rest.starts_with(MARK))
}

/// Whether bytes start with one of the attributes that a data set or its file meta information starts with, and with a length that it can
/// have.
fn is_data_set(bytes: &[u8]) -> bool {
    /// The first attributes of group 8: lengths, character set, image type, dates, times, class and instance.
    const FIRST: [u16; 10] = [0x00, 0x01, 0x05, 0x06, 0x08, 0x12, 0x13, 0x14, 0x16, 0x18];
    /// Longer than any value of these.
    const LENGTH: usize = 1024;
    [
        Written::Explicit(Order::Little),
        Written::Implicit,
        Written::Explicit(Order::Big),
    ]
    .into_iter()
    .any(|written| {
        let is_explicit = matches!(written, Written::Explicit(_));
        let letters_hold = !is_explicit || array(bytes, 4).is_some_and(Vr::is_known);
        head(bytes, 0, bytes.len(), written).is_ok_and(|head| {
            let is_first = match head.tag {
                Tag(0x0002, element) => {
                    written == Written::Explicit(Order::Little)
                        && matches!(element, 0 | 1 | 2 | 0x10)
                }
                Tag(0x0008, element) => FIRST.contains(&element),
                _ => false,
            };
            is_first && letters_hold && head.length.is_some_and(|length| length <= LENGTH)
        })
    })
}

/// Reads the file meta information, which is always Explicit VR Little Endian, up to the first element of another group, whatever the
/// length of the group says. Gives the transfer syntax, if one stands there, the tags that have a value, and where the data set starts.
fn meta(
    bytes: &[u8],
    mut at: usize,
) -> Result<(Option<TransferSyntax>, BTreeSet<Tag>, usize), DicomError> {
    let mut syntax = None;
    let mut tags = BTreeSet::new();
    while array(bytes, at).map(u16::from_le_bytes) == Some(0x0002) {
        let head = head(bytes, at, bytes.len(), Written::Explicit(Order::Little))?;
        let there = bytes.len().saturating_sub(head.at);
        let Some(length) = head.length else {
            return Err(DicomError::BadElement {
                tag: head.tag,
                reason: "its value has no length",
            });
        };
        if length > there {
            return Err(DicomError::Truncated {
                tag: head.tag,
                found: there as u64,
                expected: length as u64,
            });
        }
        let next = head.at.saturating_add(length);
        let value = bytes.get(head.at..next).unwrap_or_default();
        if !is_blank(value) {
            tags.insert(head.tag);
        }
        if head.tag == Tag::TRANSFER_SYNTAX {
            let uid = std::str::from_utf8(value).unwrap_or_default();
            let uid = uid.trim_matches(|c: char| c == '\0' || c.is_whitespace());
            syntax = Some(TransferSyntax::of_uid(uid).ok_or(DicomError::UnknownSyntax)?);
        }
        at = next;
    }
    Ok((syntax, tags, at))
}

/// The transfer syntax of a data set that does not say it.
fn guessed(bytes: &[u8], at: usize) -> Option<TransferSyntax> {
    let has_letters = array(bytes, at.saturating_add(4)).is_some_and(Vr::is_known);
    match array(bytes, at)? {
        [0, group] if group > 0 && has_letters => TransferSyntax::of_uid("1.2.840.10008.1.2.2"),
        _ if has_letters => Some(TransferSyntax::EXPLICIT_LITTLE),
        _ => Some(TransferSyntax::IMPLICIT_LITTLE),
    }
}

/// How the elements of a data set are really written: some files say that they have value representations and have none, or the other
/// way round. The first element shows it.
fn written(bytes: &[u8], at: usize, encoding: Encoding) -> Written {
    let letters = array(bytes, at.saturating_add(4));
    match encoding {
        Encoding::ExplicitBig => Written::Explicit(Order::Big),
        Encoding::ImplicitLittle if letters.is_some_and(Vr::is_known) => {
            Written::Explicit(Order::Little)
        }
        Encoding::ImplicitLittle => Written::Implicit,
        _ if letters.is_some_and(|letters| Vr::of_letters(letters).is_none()) => Written::Implicit,
        _ => Written::Explicit(Order::Little),
    }
}
