//! Tags, and the few whose meaning is needed to read bytes.

use std::fmt;

/// Group and element of an attribute.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u16, pub u16);

impl Tag {
    pub(crate) const TRANSFER_SYNTAX: Tag = Tag(0x0002, 0x0010);
    pub(crate) const SAMPLES: Tag = Tag(0x0028, 0x0002);
    pub(crate) const PHOTOMETRIC: Tag = Tag(0x0028, 0x0004);
    pub(crate) const FRAMES: Tag = Tag(0x0028, 0x0008);
    pub(crate) const ROWS: Tag = Tag(0x0028, 0x0010);
    pub(crate) const COLUMNS: Tag = Tag(0x0028, 0x0011);
    pub(crate) const BITS_ALLOCATED: Tag = Tag(0x0028, 0x0100);
    pub(crate) const BITS_STORED: Tag = Tag(0x0028, 0x0101);
    pub(crate) const HIGH_BIT: Tag = Tag(0x0028, 0x0102);
    pub(crate) const REPRESENTATION: Tag = Tag(0x0028, 0x0103);
    pub(crate) const PADDING: Tag = Tag(0x0028, 0x0120);
    pub(crate) const PADDING_LIMIT: Tag = Tag(0x0028, 0x0121);
    pub(crate) const FLOAT_PIXELS: Tag = Tag(0x7fe0, 0x0008);
    pub(crate) const DOUBLE_PIXELS: Tag = Tag(0x7fe0, 0x0009);
    pub(crate) const PIXELS: Tag = Tag(0x7fe0, 0x0010);
    pub(crate) const ITEM: Tag = Tag(0xfffe, 0xe000);
    pub(crate) const ITEM_END: Tag = Tag(0xfffe, 0xe00d);
    pub(crate) const SEQUENCE_END: Tag = Tag(0xfffe, 0xe0dd);

    /// Whether a manufacturer gave it its meaning: the group is odd.
    pub fn is_private(self) -> bool {
        self.0 % 2 == 1
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:04x},{:04x})", self.0, self.1)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
