//! Compressed pixels in fragments (PS3.5, A.4): which of them make which frame.

use std::borrow::Cow;
use std::ops::Range;

use crate::cursor::array;
use crate::error::DicomError;
use crate::limits::Limits;
use crate::syntax::Compression;
use crate::walk::{Head, fragment};

/// How many times as large as its pixels a compressed frame is at most. Lossless JPEG of noise comes to twice the bits, in 8 bits with the
/// worst of codes to three times.
const EXPANSION: usize = 4;
/// Bytes of headers, tables and comments that a frame may have beyond that.
const TABLE_BYTES: usize = 256 << 10;

/// The fragments of all frames.
#[derive(Clone, Debug)]
pub(crate) struct Fragments {
    /// Where each lies.
    places: Vec<Range<usize>>,
    /// The first fragment of each frame; empty where each frame has one.
    starts: Vec<usize>,
}

impl Fragments {
    /// Finds the fragments behind the head of the pixel data, and the frames among them. As many fragments as frames are one each, the
    /// fragments of a single frame are all its own; else the basic offset table says where frames start if it can be believed, and else
    /// the marks with which compressed images start. An extended offset table is not needed: frames that have one are not split.
    ///
    /// # Errors
    /// [`DicomError::Truncated`], [`DicomError::BadElement`], [`DicomError::TooManyElements`], [`DicomError::BadFragments`].
    pub(crate) fn find(
        bytes: &[u8],
        head: &Head,
        frames: usize,
        compression: Compression,
        limits: &Limits,
    ) -> Result<Fragments, DicomError> {
        if head.length.is_some() {
            return Err(DicomError::BadFragments {
                reason: "the transfer syntax says they are compressed, but they are not in fragments",
            });
        }
        let Some(table) = fragment(bytes, head.at, bytes.len())? else {
            return Err(DicomError::BadFragments {
                reason: "not even an offset table is there",
            });
        };
        let first_at = table.end;
        let mut places = Vec::new();
        let mut at = first_at;
        while let Some(place) = fragment(bytes, at, bytes.len())? {
            let limit = limits.elements;
            if places.len() >= limit {
                return Err(DicomError::TooManyElements { limit });
            }
            at = place.end;
            places.push(place);
        }
        places.shrink_to_fit();
        if places.len() < frames {
            return Err(DicomError::BadFragments {
                reason: "there are fewer fragments than frames",
            });
        }
        let starts = if places.len() == frames {
            Vec::new()
        } else if frames == 1 {
            vec![0]
        } else {
            let table = bytes.get(table).unwrap_or_default();
            by_table(table, &places, first_at, frames)
                .or_else(|| by_marks(bytes, &places, frames, compression))
                .ok_or(DicomError::BadFragments {
                    reason: "there are more fragments than frames, and neither an offset table nor the marks of images say which frame has which",
                })?
        };
        Ok(Fragments { places, starts })
    }

    /// Where the first one lies.
    pub(crate) fn start(&self) -> Option<usize> {
        self.places.first().map(|place| place.start)
    }

    /// The compressed bytes of a frame, counted from 0. Copied only where the frame has several fragments.
    ///
    /// # Errors
    /// [`DicomError::BadFragments`] for more bytes than any codec makes of `pixel_bytes`.
    pub(crate) fn frame<'a>(
        &self,
        bytes: &'a [u8],
        index: usize,
        pixel_bytes: usize,
    ) -> Result<Cow<'a, [u8]>, DicomError> {
        let places = if self.starts.is_empty() {
            self.places.get(index..=index)
        } else {
            let end = self
                .starts
                .get(index.saturating_add(1))
                .copied()
                .unwrap_or(self.places.len());
            self.starts
                .get(index)
                .and_then(|start| self.places.get(*start..end))
        };
        let places = places.unwrap_or_default();
        let most = pixel_bytes
            .saturating_mul(EXPANSION)
            .saturating_add(TABLE_BYTES);
        if places.iter().map(Range::len).sum::<usize>() > most {
            return Err(DicomError::BadFragments {
                reason: "a frame has more compressed bytes than any codec makes of its pixels",
            });
        }
        let mut parts = places.iter().filter_map(|place| bytes.get(place.clone()));
        Ok(match (parts.next(), parts.next()) {
            (None, _) => Cow::Borrowed(&[]),
            (Some(only), None) => Cow::Borrowed(only),
            (Some(first), Some(second)) => {
                let mut whole = [first, second].concat();
                parts.for_each(|part| whole.extend_from_slice(part));
                Cow::Owned(whole)
            }
        })
    }
}

/// The first fragment of each frame by the basic offset table: one offset a frame, from the first fragment's item on, each to an item.
fn by_table(
    table: &[u8],
    places: &[Range<usize>],
    first_at: usize,
    frames: usize,
) -> Option<Vec<usize>> {
    if table.len() != frames.checked_mul(4)? {
        return None;
    }
    let mut starts = Vec::with_capacity(frames);
    for at in (0..table.len()).step_by(4) {
        let offset = usize::try_from(array(table, at).map(u32::from_le_bytes)?).ok()?;
        // A place is behind the tag and the length of its item.
        let place = first_at.checked_add(offset)?.checked_add(8)?;
        let start = places
            .binary_search_by_key(&place, |place| place.start)
            .ok()?;
        if starts.last().map_or(start != 0, |last| *last >= start) {
            return None;
        }
        starts.push(start);
    }
    Some(starts)
}

/// The first fragment of each frame by the mark that starts a compressed image.
fn by_marks(
    bytes: &[u8],
    places: &[Range<usize>],
    frames: usize,
    compression: Compression,
) -> Option<Vec<usize>> {
    let mark: &[u8] = match compression {
        Compression::Jpeg => &[0xff, 0xd8, 0xff],
        Compression::Jpeg2000 => &[0xff, 0x4f, 0xff, 0x51],
        _ => return None,
    };
    let starts: Vec<usize> = places
        .iter()
        .enumerate()
        .filter(|(_, place)| {
            bytes
                .get((*place).clone())
                .is_some_and(|fragment| fragment.starts_with(mark))
        })
        .map(|(index, _)| index)
        .collect();
    (starts.len() == frames && starts.first() == Some(&0)).then_some(starts)
}
