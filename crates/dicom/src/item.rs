//! A data set, or an item of a sequence: its elements in order, as places in the bytes of the file.

use std::borrow::Cow;

use crate::cursor::{Order, array};
use crate::tag::Tag;
use crate::vr::Vr;

/// One element: 16 bytes, so that a header costs no more than twice what it is in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element {
    pub(crate) tag: Tag,
    /// Where a value starts in the bytes; of what is nested, the index of the list up to which everything is inside it.
    place: u32,
    length: u32,
    vr: Vr,
    is_nested: bool,
}

const _: () = assert!(size_of::<Element>() == 16);

/// What an element is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Where a value starts in the bytes and how long it is.
    Value { at: u32, length: u32 },
    /// A sequence or an item of one: everything up to this index of the list is inside it.
    Nested { end: u32 },
}

impl Element {
    pub(crate) fn new(tag: Tag, vr: Vr, kind: Kind) -> Element {
        let (place, length, is_nested) = match kind {
            Kind::Value { at, length } => (at, length, false),
            Kind::Nested { end } => (end, 0, true),
        };
        Element {
            tag,
            place,
            length,
            vr,
            is_nested,
        }
    }

    fn kind(&self) -> Kind {
        if self.is_nested {
            Kind::Nested { end: self.place }
        } else {
            Kind::Value {
                at: self.place,
                length: self.length,
            }
        }
    }
}

/// Elements of a data set in the order of the file, each sequence before its items, each item before its elements.
#[derive(Clone, Debug, Default)]
pub(crate) struct Elements {
    pub(crate) list: Vec<Element>,
}

/// A data set or an item of a sequence. Looks things up in the bytes of the file; asking copies nothing but what is asked for.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    bytes: &'a [u8],
    list: &'a [Element],
    /// Index of the first of `list` in the whole list.
    first: usize,
    order: Order,
}

impl<'a> Item<'a> {
    pub(crate) fn whole(bytes: &'a [u8], elements: &'a Elements, order: Order) -> Item<'a> {
        Item {
            bytes,
            list: &elements.list,
            first: 0,
            order,
        }
    }

    /// The tags that are there, in the order of the file, private ones too.
    pub fn tags(&self) -> impl Iterator<Item = Tag> + use<'a> {
        self.elements().map(|(_, element)| element.tag)
    }

    /// Whether an attribute is there, with or without a value.
    pub fn has(&self, tag: Tag) -> bool {
        self.find(tag).is_some()
    }

    /// The whole value of an attribute as characters, without the spaces and zeros around it; `None` where it is absent, empty or not
    /// text. UTF-8 is taken as such, everything else as Latin 1 (ISO-IR 100), so that plain ASCII is right in every character set.
    pub fn text(&self, tag: Tag) -> Option<Cow<'a, str>> {
        let (value, vr) = self.value(tag)?;
        if !matches!(vr, Vr::Text | Vr::LongText | Vr::Unknown) {
            return None;
        }
        let value = trim(value);
        if value.is_empty() {
            return None;
        }
        Some(match std::str::from_utf8(value) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(value.iter().copied().map(char::from).collect()),
        })
    }

    /// The values of an attribute with several, parted by backslashes, each without the spaces around it; an empty one stays in its place.
    /// None at all where the attribute is absent or empty.
    pub fn texts(&self, tag: Tag) -> Vec<Cow<'a, str>> {
        match self.text(tag) {
            None => Vec::new(),
            Some(Cow::Borrowed(text)) => text
                .split('\\')
                .map(|part| Cow::Borrowed(part.trim()))
                .collect(),
            Some(Cow::Owned(text)) => text
                .split('\\')
                .map(|part| Cow::Owned(part.trim().to_owned()))
                .collect(),
        }
    }

    /// The values of an attribute as numbers, written in characters (DS, IS) or in binary; `None` where it is absent or empty, where one
    /// of them is no finite number, or where a binary value is no multiple of its size.
    ///
    /// A file with implicit value representations does not say what is binary. That is known here of the attributes which describe an
    /// image, its place and its time; all others are taken as characters.
    pub fn numbers(&self, tag: Tag) -> Option<Vec<f64>> {
        let (value, vr) = self.value(tag)?;
        let order = self.order;
        let numbers = match vr {
            Vr::Text | Vr::LongText | Vr::Unknown => std::str::from_utf8(trim(value))
                .ok()?
                .split('\\')
                .map(|text| text.trim().parse::<f64>().ok())
                .collect::<Option<Vec<f64>>>()?,
            Vr::U16 => each(value, |bytes| f64::from(order.u16(bytes)))?,
            Vr::I16 => each(value, |bytes| f64::from(order.u16(bytes).cast_signed()))?,
            Vr::U32 => each(value, |bytes| f64::from(order.u32(bytes)))?,
            Vr::I32 => each(value, |bytes| f64::from(order.u32(bytes).cast_signed()))?,
            // Counts and times above 2^53 mean nothing here.
            Vr::U64 => each(value, |bytes| order.u64(bytes) as f64)?,
            Vr::I64 => each(value, |bytes| order.u64(bytes).cast_signed() as f64)?,
            Vr::F32 => each(value, |bytes| f64::from(f32::from_bits(order.u32(bytes))))?,
            Vr::F64 => each(value, |bytes| f64::from_bits(order.u64(bytes)))?,
            Vr::Bytes | Vr::Words | Vr::Sequence => return None,
        };
        (!numbers.is_empty() && numbers.iter().all(|number| number.is_finite())).then_some(numbers)
    }

    /// The first value of an attribute as a number, as [`numbers`](Item::numbers) reads it.
    pub fn number(&self, tag: Tag) -> Option<f64> {
        self.numbers(tag)?.first().copied()
    }

    /// The first value of an attribute as a whole number; `None` where it is none, or beyond what a double counts exactly.
    pub fn integer(&self, tag: Tag) -> Option<i64> {
        /// 2^53.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let number = self.number(tag)?;
        (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
    }

    /// The items of a sequence, in order; none where it is absent, empty or no sequence.
    pub fn items(&self, tag: Tag) -> Vec<Item<'a>> {
        let Some((at, element)) = self.find(tag) else {
            return Vec::new();
        };
        let Kind::Nested { end } = element.kind() else {
            return Vec::new();
        };
        self.inside(at, end)
            .elements()
            .filter_map(|(at, element)| match element.kind() {
                Kind::Nested { end } => Some(self.inside(at, end)),
                Kind::Value { .. } => None,
            })
            .collect()
    }

    /// The bytes of a value, and what they are.
    pub(crate) fn value(&self, tag: Tag) -> Option<(&'a [u8], Vr)> {
        let (_, element) = self.find(tag)?;
        let Kind::Value { at, length } = element.kind() else {
            return None;
        };
        let at = usize::try_from(at).ok()?;
        let end = at.checked_add(usize::try_from(length).ok()?)?;
        let vr = match element.vr {
            Vr::Unknown => Vr::of_tag(tag),
            vr => vr,
        };
        Some((self.bytes.get(at..end)?, vr))
    }

    /// Index in the whole list, and the element.
    fn find(&self, tag: Tag) -> Option<(usize, &'a Element)> {
        self.elements().find(|(_, element)| element.tag == tag)
    }

    /// What lies inside the element at an index of the whole list.
    fn inside(&self, at: usize, end: u32) -> Item<'a> {
        let first = at.saturating_add(1);
        let from = first.saturating_sub(self.first);
        let to = usize::try_from(end)
            .unwrap_or(usize::MAX)
            .saturating_sub(self.first);
        Item {
            list: self.list.get(from..to).unwrap_or_default(),
            first,
            ..*self
        }
    }

    /// The elements of this item, each with its index in the whole list; what is inside sequences is stepped over.
    fn elements(&self) -> impl Iterator<Item = (usize, &'a Element)> + use<'a> {
        let (list, first) = (self.list, self.first);
        let mut next = 0;
        std::iter::from_fn(move || {
            let element = list.get(next)?;
            let at = first.saturating_add(next);
            next = match element.kind() {
                Kind::Nested { end } => usize::try_from(end)
                    .unwrap_or(usize::MAX)
                    .saturating_sub(first)
                    // An end that lies not behind its start would be read for ever.
                    .max(next.saturating_add(1)),
                Kind::Value { .. } => next.saturating_add(1),
            };
            Some((at, element))
        })
    }
}

impl std::fmt::Debug for Item<'_> {
    /// Tags only: values may name a patient.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.tags()).finish()
    }
}

/// Whether a value says nothing: it is empty, or there are only the spaces and zeros that fill values up.
pub(crate) fn is_blank(value: &[u8]) -> bool {
    value.iter().all(|byte| matches!(byte, 0 | b' '))
}

/// Without the spaces and zeros that fill a value up, and without those in front.
fn trim(value: &[u8]) -> &[u8] {
    let filler = |byte: &u8| matches!(byte, 0 | b' ' | b'\t' | b'\r' | b'\n');
    let start = value.iter().position(|byte| !filler(byte));
    let end = value.iter().rposition(|byte| !filler(byte));
    match (start, end) {
        (Some(start), Some(end)) => value.get(start..=end).unwrap_or_default(),
        _ => &[],
    }
}

fn each<const N: usize>(value: &[u8], number: impl Fn([u8; N]) -> f64) -> Option<Vec<f64>> {
    if !value.len().is_multiple_of(N) {
        return None;
    }
    Some(
        (0..value.len())
            .step_by(N)
            .filter_map(|at| array(value, at))
            .map(number)
            .collect(),
    )
}
