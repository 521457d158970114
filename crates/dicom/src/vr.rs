//! Value representations: what the bytes of a value are (PS3.5, 6.2).

use crate::tag::Tag;

/// What the bytes of a value are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vr {
    /// Characters; several values are parted by a backslash.
    Text,
    /// Characters in which a backslash is a backslash: LT, ST, UT, UR.
    LongText,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
    /// OB, OD, OF, OL, OV, OW: bytes that nobody asks for here; pixel data is a place of its own.
    Bytes,
    /// OW, where it makes a difference whether words or bytes were written.
    Words,
    /// Items.
    Sequence,
    /// Not said: UN, or every value of an implicit syntax.
    Unknown,
}

impl Vr {
    /// The two letters of an explicit syntax, and whether a length of 32 bits follows two reserved bytes (PS3.5, 7.1.2). Letters that
    /// the standard does not know yet have such a length, as it promises. `None` for what are no letters.
    pub(crate) fn of_letters(letters: [u8; 2]) -> Option<(Vr, bool)> {
        Some(match &letters {
            b"AE" | b"AS" | b"CS" | b"DA" | b"DS" | b"DT" | b"IS" | b"LO" | b"PN" | b"SH"
            | b"TM" | b"UI" => (Vr::Text, false),
            b"LT" | b"ST" => (Vr::LongText, false),
            b"US" => (Vr::U16, false),
            b"SS" => (Vr::I16, false),
            b"UL" => (Vr::U32, false),
            b"SL" => (Vr::I32, false),
            b"FL" => (Vr::F32, false),
            b"FD" => (Vr::F64, false),
            b"AT" => (Vr::U16, false),
            b"UC" => (Vr::Text, true),
            b"UR" | b"UT" => (Vr::LongText, true),
            b"SV" => (Vr::I64, true),
            b"UV" => (Vr::U64, true),
            b"SQ" => (Vr::Sequence, true),
            b"OW" => (Vr::Words, true),
            b"UN" => (Vr::Unknown, true),
            [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => (Vr::Bytes, true),
            _ => return None,
        })
    }

    /// Whether the letters are those of a representation that the standard knows today.
    pub(crate) fn is_known(letters: [u8; 2]) -> bool {
        match Vr::of_letters(letters) {
            Some((Vr::Bytes, _)) => matches!(&letters, b"OB" | b"OD" | b"OF" | b"OL" | b"OV"),
            Some(_) => true,
            None => false,
        }
    }

    /// What an attribute is whose file does not say it, as far as it is binary and describes an image, its place or its time (PS3.6);
    /// what stands not here is text, or items where it starts with one.
    pub(crate) fn of_tag(tag: Tag) -> Vr {
        match (tag.0, tag.1) {
            // File meta information group length, and the lengths of other groups, which are retired.
            (_, 0x0000) => Vr::U32,
            // Samples, planar configuration, rows, columns, bits, representation, and what the pixels are padded with.
            (0x0028, 0x0002 | 0x0006 | 0x0010 | 0x0011 | 0x0100..=0x0103 | 0x0107) => Vr::U16,
            // Smallest and largest values, padding: as signed as the pixels are; what asks for them knows.
            (0x0028, 0x0106 | 0x0120 | 0x0121) => Vr::U16,
            // Descriptors of look-up tables, and planar colours.
            (0x0028, 0x1101..=0x1103 | 0x3002) => Vr::U16,
            // Acquisition matrix.
            (0x0018, 0x1310) => Vr::U16,
            // Frame increment pointer, dimension index pointer, functional group pointer.
            (0x0028, 0x0009) | (0x0020, 0x9165 | 0x9167) => Vr::U16,
            // Temporal position index, in-stack position number, frame acquisition number, dimension index values.
            (0x0020, 0x9128 | 0x9057 | 0x9157) => Vr::U32,
            (0x0020, 0x9156) => Vr::U16,
            // Nominal and actual cardiac trigger delay time, R-R interval, temporal position time offset.
            (0x0020, 0x9153 | 0x9251 | 0x9252 | 0x930d) => Vr::F64,
            // Times before the R peak, percentage of the cardiac phase.
            (0x0020, 0x9154 | 0x9155 | 0x9241) => Vr::F32,
            // Acquisition duration of a series and of a frame, echo time, R-R intervals, velocity encoding, b-value and its direction,
            // transmitter frequency.
            (
                0x0018,
                0x9070 | 0x9073 | 0x9082 | 0x9087 | 0x9089 | 0x9090 | 0x9091 | 0x9098 | 0x9217
                | 0x9220,
            ) => Vr::F64,
            // Number of k-space trajectories.
            (0x0018, 0x9093) => Vr::U16,
            _ => Vr::Unknown,
        }
    }
}
