//! A compressed frame as it lies under its key.

use serde::{Deserialize, Serialize};

/// A piece of a gzip member: sync-flushed raw deflate with the checksum and length of its content, so that pieces are joined to one
/// file without compressing again. Who compresses and joins is the formats crate; here it is only kept.
#[derive(Clone, PartialEq)]
pub struct Chunk {
    /// The deflate bytes.
    pub bytes: Vec<u8>,
    /// CRC-32 of the content.
    pub crc32: u32,
    /// Length of the content in bytes.
    pub len: u64,
    /// Deflate bytes and CRC-32 of each of the parts that can be inflated alone, one after the other; none when there is only the whole.
    pub parts: Vec<(u32, u32)>,
    /// Center and width of the window that a frame's grey values are shown in, when somebody has worked it out.
    pub window: Option<(f32, f32)>,
}

/// The end of a value whose deflate bytes an index follows. Deflate bytes alone end with those of a sync flush, `00 00 ff ff`.
const INDEXED: &[u8; 4] = b"ccix";

impl std::fmt::Debug for Chunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chunk")
            .field("bytes", &self.bytes.len())
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl Chunk {
    /// Bytes before the deflate bytes in a value: the checksum (4) and the length (8), little-endian.
    pub const VALUE_HEADER_BYTES: usize = 12;

    /// What is put under the key.
    pub fn to_value(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(Chunk::VALUE_HEADER_BYTES + self.bytes.len());
        value.extend_from_slice(&self.crc32.to_le_bytes());
        value.extend_from_slice(&self.len.to_le_bytes());
        value.extend_from_slice(&self.bytes);
        if self.parts.is_empty() && self.window.is_none() {
            return value;
        }
        // The index, which is read from its end: parts, window, the number of parts, and what says that it is one. All is little-endian.
        for (bytes, crc32) in &self.parts {
            value.extend_from_slice(&bytes.to_le_bytes());
            value.extend_from_slice(&crc32.to_le_bytes());
        }
        let (center, width) = self.window.unwrap_or((f32::NAN, f32::NAN));
        value.extend_from_slice(&center.to_le_bytes());
        value.extend_from_slice(&width.to_le_bytes());
        // A frame has fewer slices than its bytes, and those are bounded far below.
        let parts = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
        value.extend_from_slice(&parts.to_le_bytes());
        value.extend_from_slice(INDEXED);
        value
    }

    /// What [`Chunk::to_value`] made, or `None` when the value is too short to be one or its index does not fit it.
    pub fn from_value(mut value: Vec<u8>) -> Option<Chunk> {
        let read = Read::of(&value)?;
        let (crc32, len, window) = (read.crc32, read.len, read.window);
        let parts = read.parts().collect();
        let end = Chunk::VALUE_HEADER_BYTES + read.bytes.len();
        // The value becomes the deflate bytes: a frame is too much to be copied.
        value.truncate(end);
        value.drain(..Chunk::VALUE_HEADER_BYTES);
        Some(Chunk {
            bytes: value,
            crc32,
            len,
            parts,
            window,
        })
    }

    /// The part `part` of what [`Chunk::to_value`] made of a chunk of `parts` parts, and nothing of the others; `None` when it has not so many
    /// or is none.
    pub fn part_of(value: &[u8], part: usize, parts: usize) -> Option<ChunkPart> {
        let read = Read::of(value)?;
        if read.index.len() != parts {
            return None;
        }
        let (bytes, crc32) = read.parts().nth(part)?;
        let before: u64 = read
            .parts()
            .take(part)
            .map(|(bytes, _)| u64::from(bytes))
            .sum();
        let start = usize::try_from(before).ok()?;
        let end = start.checked_add(usize::try_from(bytes).ok()?)?;
        Some(ChunkPart {
            bytes: read.bytes.get(start..end)?.to_vec(),
            crc32,
            window: read.window,
        })
    }

    /// What a record says of it.
    pub fn info(&self) -> ChunkInfo {
        ChunkInfo {
            bytes: self.bytes.len() as u64,
            crc32: self.crc32,
            len: self.len,
        }
    }
}

/// One of the parts of a [`Chunk`], which can be inflated alone.
#[derive(Clone, PartialEq)]
pub struct ChunkPart {
    /// Its deflate bytes.
    pub bytes: Vec<u8>,
    /// CRC-32 of its content.
    pub crc32: u32,
    /// The window of the whole chunk.
    pub window: Option<(f32, f32)>,
}

impl std::fmt::Debug for ChunkPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChunkPart")
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// A value, looked at where it lies.
struct Read<'a> {
    crc32: u32,
    len: u64,
    bytes: &'a [u8],
    index: &'a [[u8; 8]],
    window: Option<(f32, f32)>,
}

impl<'a> Read<'a> {
    fn of(value: &'a [u8]) -> Option<Read<'a>> {
        let (crc32, rest) = value.split_first_chunk::<4>()?;
        let (len, bytes) = rest.split_first_chunk::<8>()?;
        let read = Read {
            crc32: u32::from_le_bytes(*crc32),
            len: u64::from_le_bytes(*len),
            bytes,
            index: &[],
            window: None,
        };
        match bytes.strip_suffix(INDEXED) {
            Some(indexed) => read.indexed(indexed),
            None => Some(read),
        }
    }

    /// With the index at the end of these bytes, which lack [`INDEXED`].
    fn indexed(self, bytes: &'a [u8]) -> Option<Read<'a>> {
        let (bytes, count) = bytes.split_last_chunk::<4>()?;
        let (bytes, width) = bytes.split_last_chunk::<4>()?;
        let (bytes, center) = bytes.split_last_chunk::<4>()?;
        let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
        let at = bytes.len().checked_sub(count.checked_mul(8)?)?;
        let (bytes, index) = bytes.split_at_checked(at)?;
        let window = (f32::from_le_bytes(*center), f32::from_le_bytes(*width));
        let is_window = window.0.is_finite() && window.1.is_finite();
        let read = Read {
            bytes,
            index: index.as_chunks::<8>().0,
            window: is_window.then_some(window),
            ..self
        };
        let lengths: u64 = read.parts().map(|(bytes, _)| u64::from(bytes)).sum();
        (read.index.is_empty() || lengths == bytes.len() as u64).then_some(read)
    }

    /// Deflate bytes and CRC-32 of each part.
    fn parts(&self) -> impl Iterator<Item = (u32, u32)> + use<'a> {
        self.index.iter().map(|&[b0, b1, b2, b3, c0, c1, c2, c3]| {
            (
                u32::from_le_bytes([b0, b1, b2, b3]),
                u32::from_le_bytes([c0, c1, c2, c3]),
            )
        })
    }
}

/// What has to be known of a chunk to say how long a stitched file is and how it ends, without reading the chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkInfo {
    /// Deflate bytes.
    pub bytes: u64,
    /// CRC-32 of the content.
    pub crc32: u32,
    /// Length of the content in bytes.
    pub len: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_too_short_for_its_header_is_none() {
        assert_eq!(Chunk::from_value(vec![0; 11]), None);
        assert_eq!(
            Chunk::from_value(vec![0; 12]),
            Some(Chunk {
                bytes: Vec::new(),
                crc32: 0,
                len: 0,
                parts: Vec::new(),
                window: None,
            })
        );
    }

    #[test]
    fn an_index_comes_back_and_is_no_part_of_what_is_downloaded() {
        let indexed = Chunk {
            bytes: vec![1, 2, 3, 0, 0, 0xff, 0xff],
            crc32: 7,
            len: 900,
            parts: vec![(3, 1), (4, 2)],
            window: Some((10.5, 3.0)),
        };
        let plain = Chunk {
            parts: Vec::new(),
            window: None,
            ..indexed.clone()
        };
        let grey = Chunk {
            parts: Vec::new(),
            ..indexed.clone()
        };
        let mask = Chunk {
            window: None,
            ..indexed.clone()
        };
        for chunk in [&indexed, &plain, &grey, &mask] {
            let value = chunk.to_value();
            assert_eq!(Chunk::from_value(value.clone()).as_ref(), Some(chunk));
            assert_eq!(chunk.info().bytes, 7);
            let cut = crate::assembly::Piece::cut(&value, 0, 7);
            assert_eq!(cut, Some(chunk.bytes.as_slice()));
        }
        assert_eq!(plain.to_value().len(), Chunk::VALUE_HEADER_BYTES + 7);
    }

    #[test]
    fn a_part_is_read_alone_where_there_are_as_many_as_are_expected() {
        let chunk = Chunk {
            bytes: vec![1, 2, 3, 4, 5],
            crc32: 7,
            len: 900,
            parts: vec![(3, 11), (2, 12)],
            window: Some((10.5, 3.0)),
        };
        let value = chunk.to_value();
        let part = |bytes: &[u8], crc32| {
            Some(ChunkPart {
                bytes: bytes.to_vec(),
                crc32,
                window: Some((10.5, 3.0)),
            })
        };
        assert_eq!(Chunk::part_of(&value, 0, 2), part(&[1, 2, 3], 11));
        assert_eq!(Chunk::part_of(&value, 1, 2), part(&[4, 5], 12));
        for (wanted, of) in [(2, 2), (0, 1), (0, 3)] {
            assert_eq!(Chunk::part_of(&value, wanted, of), None);
        }
        let whole = Chunk {
            parts: Vec::new(),
            ..chunk
        };
        assert_eq!(Chunk::part_of(&whole.to_value(), 0, 2), None);
    }

    #[test]
    fn an_index_that_lies_makes_no_chunk() {
        let chunk = Chunk {
            bytes: vec![0; 9],
            crc32: 0,
            len: 1,
            parts: vec![(4, 0), (5, 0)],
            window: None,
        };
        let value = chunk.to_value();
        let count = value.len() - 8;
        for lie in [0_u32, 1, 3, 4, u32::MAX] {
            let mut value = value.clone();
            value[count..count + 4].copy_from_slice(&lie.to_le_bytes());
            assert!(lie == 0 || Chunk::part_of(&value, 0, 2).is_none(), "{lie}");
            let read = Chunk::from_value(value);
            assert!(lie == 0 || read.is_none(), "{lie}");
        }
        for end in Chunk::VALUE_HEADER_BYTES..value.len() {
            // Cut off it has no index, and what is left is for who inflates it to refuse.
            let read = Chunk::from_value(value[..end].to_vec()).unwrap();
            assert!(read.parts.is_empty());
        }
    }
}
