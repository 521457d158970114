//! Walks over elements (PS3.5, 7): lengths are held against the bytes that are there before anything is done with them, nesting is
//! bounded, and nothing is copied.

use crate::cursor::{Order, array};
use crate::error::DicomError;
use crate::item::{Element, Elements, Kind};
use crate::limits::Limits;
use crate::tag::Tag;
use crate::vr::Vr;

/// The length that says: up to a mark.
const UNDEFINED: u32 = 0xffff_ffff;

/// How elements are written at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// Without value representations; always little-endian.
    Implicit,
    /// With value representations.
    Explicit(Order),
}

impl Written {
    pub(crate) fn order(self) -> Order {
        match self {
            Written::Implicit => Order::Little,
            Written::Explicit(order) => order,
        }
    }
}

/// What stands before a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) tag: Tag,
    pub(crate) vr: Vr,
    /// Bytes of the value; `None` where it lasts up to a mark.
    pub(crate) length: Option<usize>,
    /// Where the value starts.
    pub(crate) at: usize,
}

/// Reads the head at a place that lies before `end`.
///
/// # Errors
/// [`DicomError::Cut`] and [`DicomError::BadElement`].
pub(crate) fn head(
    bytes: &[u8],
    at: usize,
    end: usize,
    written: Written,
) -> Result<Head, DicomError> {
    let bytes = bytes.get(..end).unwrap_or(bytes);
    let order = written.order();
    let (Some(group), Some(element)) = (array(bytes, at), array(bytes, at.saturating_add(2)))
    else {
        return Err(DicomError::Cut {
            found: bytes.len().saturating_sub(at) as u64,
        });
    };
    let tag = Tag(order.u16(group), order.u16(element));
    let cut = || DicomError::Cut {
        found: bytes.len().saturating_sub(at) as u64,
    };
    let long = |offset: usize| -> Option<u32> {
        array(bytes, at.saturating_add(offset)).map(|value| order.u32(value))
    };
    // Items and marks have no value representation in any syntax.
    let (vr, length, before) = match written {
        Written::Explicit(_) if tag.0 != 0xfffe => {
            let letters: [u8; 2] = array(bytes, at.saturating_add(4)).ok_or_else(cut)?;
            let (vr, is_long) = Vr::of_letters(letters).ok_or(DicomError::BadElement {
                tag,
                reason: "its value representation is no two letters",
            })?;
            if is_long {
                (vr, long(8).ok_or_else(cut)?, 12)
            } else {
                let length = array(bytes, at.saturating_add(6)).ok_or_else(cut)?;
                (vr, u32::from(order.u16(length)), 8)
            }
        }
        _ => (Vr::Unknown, long(4).ok_or_else(cut)?, 8),
    };
    let is_short = before == 8 && matches!(written, Written::Explicit(_)) && tag.0 != 0xfffe;
    let length = match length {
        UNDEFINED if !is_short => None,
        length => Some(usize::try_from(length).unwrap_or(usize::MAX)),
    };
    Ok(Head {
        tag,
        vr,
        length,
        at: at.saturating_add(before),
    })
}

/// Where a walk over a data set ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop {
    /// At its end.
    End,
    /// In front of pixel data.
    Pixels(Head),
}

/// A walk over the elements of one data set.
pub(crate) struct Walk<'a> {
    bytes: &'a [u8],
    limits: &'a Limits,
    elements: Elements,
}

impl<'a> Walk<'a> {
    /// Walks from a place up to the pixel data, or to the end of the bytes where there is none.
    ///
    /// # Errors
    /// [`DicomError::Truncated`], [`DicomError::BadElement`], [`DicomError::TooDeep`], [`DicomError::HeaderTooLarge`],
    /// [`DicomError::TooManyElements`].
    pub(crate) fn over(
        bytes: &'a [u8],
        at: usize,
        written: Written,
        limits: &'a Limits,
    ) -> Result<(Elements, Stop), DicomError> {
        let mut walk = Walk {
            bytes,
            limits,
            elements: Elements::default(),
        };
        let stop = walk.data_set(at, written)?;
        walk.elements.list.shrink_to_fit();
        Ok((walk.elements, stop))
    }

    fn data_set(&mut self, mut at: usize, written: Written) -> Result<Stop, DicomError> {
        let end = self.bytes.len();
        loop {
            // Zeros at the end fill a file up.
            let rest = self.bytes.get(at..).unwrap_or_default();
            let is_filler = array::<4>(rest, 0).is_none_or(|tag| tag == [0; 4]);
            if is_filler && rest.iter().all(|byte| *byte == 0) {
                return Ok(Stop::End);
            }
            let head = head(self.bytes, at, end, written)?;
            if matches!(
                head.tag,
                Tag::PIXELS | Tag::FLOAT_PIXELS | Tag::DOUBLE_PIXELS
            ) {
                self.check_place(head.at)?;
                return Ok(Stop::Pixels(head));
            }
            if matches!(head.tag, Tag::ITEM | Tag::ITEM_END | Tag::SEQUENCE_END) {
                return Err(DicomError::BadElement {
                    tag: head.tag,
                    reason: "it stands outside of any sequence",
                });
            }
            at = self.element(head, end, written, 0)?;
        }
    }

    /// Takes one element in, and says where the next starts.
    fn element(
        &mut self,
        head: Head,
        end: usize,
        written: Written,
        depth: usize,
    ) -> Result<usize, DicomError> {
        self.check_place(head.at)?;
        let Some(length) = head.length else {
            return match head.vr {
                // What is unknown and has no length are items without value representations (PS3.5, 6.2.2).
                Vr::Unknown if head.tag != Tag::PIXELS => {
                    self.sequence(head, end, None, Written::Implicit, depth)
                }
                Vr::Sequence => self.sequence(head, end, None, written, depth),
                // A picture inside a sequence, compressed; it is stepped over.
                Vr::Bytes | Vr::Words | Vr::Unknown => {
                    let next = self.fragments(head.at, end)?;
                    self.push_value(head, head.at, head.at)?;
                    Ok(next)
                }
                _ => Err(DicomError::BadElement {
                    tag: head.tag,
                    reason: "its value has no length, which only sequences may have",
                }),
            };
        };
        let there = end.saturating_sub(head.at);
        if length > there {
            return Err(DicomError::Truncated {
                tag: head.tag,
                found: there as u64,
                expected: length as u64,
            });
        }
        let next = head.at.saturating_add(length);
        match head.vr {
            Vr::Sequence => self.sequence(head, end, Some(next), written, depth),
            // A value of unknown kind that starts with an item is a sequence, unless it turns out to be none.
            Vr::Unknown if self.starts_with_item(head.at, next) => {
                let before = self.elements.list.len();
                match self.sequence(head, end, Some(next), Written::Implicit, depth) {
                    Err(
                        DicomError::Truncated { .. }
                        | DicomError::Cut { .. }
                        | DicomError::BadElement { .. },
                    ) => {
                        self.elements.list.truncate(before);
                        self.push_value(head, head.at, next)?;
                        Ok(next)
                    }
                    other => other,
                }
            }
            _ => {
                self.push_value(head, head.at, next)?;
                Ok(next)
            }
        }
    }

    /// Takes the items of a sequence in, which ends at `until` or at a mark, and says where the next element starts.
    fn sequence(
        &mut self,
        head: Head,
        end: usize,
        until: Option<usize>,
        written: Written,
        depth: usize,
    ) -> Result<usize, DicomError> {
        if depth >= self.limits.depth {
            return Err(DicomError::TooDeep {
                limit: self.limits.depth,
            });
        }
        let end = until.unwrap_or(end);
        let sequence = self.open(head.tag)?;
        let mut at = head.at;
        let next = loop {
            if until.is_some() && at >= end {
                break end;
            }
            let item = head_of_item(self.bytes, at, end, written)?;
            match item.tag {
                Tag::ITEM => {}
                Tag::SEQUENCE_END => break until.unwrap_or(item.at),
                tag => {
                    return Err(DicomError::BadElement {
                        tag,
                        reason: "it stands in a sequence where an item has to",
                    });
                }
            }
            at = self.item(item, end, written, depth)?;
        };
        self.close(sequence)?;
        Ok(next)
    }

    /// Takes the elements of an item in, and says where the next item starts.
    fn item(
        &mut self,
        item: Head,
        end: usize,
        written: Written,
        depth: usize,
    ) -> Result<usize, DicomError> {
        let there = end.saturating_sub(item.at);
        let until = match item.length {
            Some(length) if length > there => {
                return Err(DicomError::Truncated {
                    tag: item.tag,
                    found: there as u64,
                    expected: length as u64,
                });
            }
            Some(length) => Some(item.at.saturating_add(length)),
            None => None,
        };
        let end = until.unwrap_or(end);
        let opened = self.open(item.tag)?;
        let mut at = item.at;
        let next = loop {
            if until.is_some() && at >= end {
                break end;
            }
            let head = head(self.bytes, at, end, written)?;
            match head.tag {
                Tag::ITEM_END => break until.unwrap_or(head.at),
                Tag::ITEM | Tag::SEQUENCE_END => {
                    return Err(DicomError::BadElement {
                        tag: head.tag,
                        reason: "it stands inside an item",
                    });
                }
                _ => at = self.element(head, end, written, depth.saturating_add(1))?,
            }
        };
        self.close(opened)?;
        Ok(next)
    }

    /// Steps over fragments, and says what follows their end mark.
    fn fragments(&self, mut at: usize, end: usize) -> Result<usize, DicomError> {
        loop {
            self.check_place(at)?;
            match fragment(self.bytes, at, end)? {
                Some(place) => at = place.end,
                None => return Ok(at.saturating_add(8)),
            }
        }
    }

    fn starts_with_item(&self, at: usize, end: usize) -> bool {
        self.bytes
            .get(at..end)
            .is_some_and(|value| value.starts_with(&[0xfe, 0xff, 0x00, 0xe0]) && value.len() >= 8)
    }

    fn check_place(&self, at: usize) -> Result<(), DicomError> {
        let limit = self.limits.header_bytes;
        if at > limit {
            return Err(DicomError::HeaderTooLarge { limit });
        }
        Ok(())
    }

    fn push(&mut self, element: Element) -> Result<(), DicomError> {
        let limit = self.limits.elements;
        if self.elements.list.len() >= limit {
            return Err(DicomError::TooManyElements { limit });
        }
        self.elements.list.push(element);
        Ok(())
    }

    fn push_value(&mut self, head: Head, at: usize, end: usize) -> Result<(), DicomError> {
        self.check_place(end)?;
        let kind = Kind::Value {
            at: self.place(at)?,
            length: self.place(end.saturating_sub(at))?,
        };
        self.push(Element::new(head.tag, head.vr, kind))
    }

    /// Starts a sequence or an item, and says where it stands in the list.
    fn open(&mut self, tag: Tag) -> Result<usize, DicomError> {
        let index = self.elements.list.len();
        self.push(Element::new(tag, Vr::Sequence, Kind::Nested { end: 0 }))?;
        Ok(index)
    }

    fn close(&mut self, index: usize) -> Result<(), DicomError> {
        let end = self.place(self.elements.list.len())?;
        if let Some(element) = self.elements.list.get_mut(index) {
            *element = Element::new(element.tag, Vr::Sequence, Kind::Nested { end });
        }
        Ok(())
    }

    fn place(&self, at: usize) -> Result<u32, DicomError> {
        u32::try_from(at).map_err(|_| DicomError::HeaderTooLarge {
            limit: self.limits.header_bytes,
        })
    }
}

/// The head of an item or of the mark at the end of a sequence. Both have no value representation, but are written in the order of the rest.
fn head_of_item(bytes: &[u8], at: usize, end: usize, written: Written) -> Result<Head, DicomError> {
    let item = head(bytes, at, end, written)?;
    if item.tag.0 == 0xfffe {
        return Ok(item);
    }
    Err(DicomError::BadElement {
        tag: item.tag,
        reason: "it stands in a sequence where an item has to",
    })
}

/// The place of the fragment whose item starts at `at`; `None` for the mark behind the last one. Compressed data is little-endian.
///
/// # Errors
/// [`DicomError::Truncated`] and [`DicomError::BadElement`].
pub(crate) fn fragment(
    bytes: &[u8],
    at: usize,
    end: usize,
) -> Result<Option<std::ops::Range<usize>>, DicomError> {
    let item = head(bytes, at, end, Written::Implicit)?;
    match (item.tag, item.length) {
        (Tag::SEQUENCE_END, _) => Ok(None),
        (Tag::ITEM, Some(length)) => {
            let there = end.saturating_sub(item.at);
            if length > there {
                return Err(DicomError::Truncated {
                    tag: item.tag,
                    found: there as u64,
                    expected: length as u64,
                });
            }
            Ok(Some(item.at..item.at.saturating_add(length)))
        }
        (tag, _) => Err(DicomError::BadElement {
            tag,
            reason: "it stands among compressed pixels, where a fragment with a length has to",
        }),
    }
}
