//! A compressed frame as it lies under its key.

use serde::{Deserialize, Serialize};

/// A piece of a gzip member: sync-flushed raw deflate with the checksum and length of its content, so that pieces are joined to one
/// file without compressing again. Who compresses and joins is the formats crate; here it is only kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The deflate bytes.
    pub bytes: Vec<u8>,
    /// CRC-32 of the content.
    pub crc32: u32,
    /// Length of the content in bytes.
    pub len: u64,
}

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
        value
    }

    /// What [`Chunk::to_value`] made, or `None` when the value is too short to be one.
    pub fn from_value(value: &[u8]) -> Option<Chunk> {
        let (crc32, rest) = value.split_first_chunk::<4>()?;
        let (len, bytes) = rest.split_first_chunk::<8>()?;
        Some(Chunk {
            bytes: bytes.to_vec(),
            crc32: u32::from_le_bytes(*crc32),
            len: u64::from_le_bytes(*len),
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
        assert_eq!(Chunk::from_value(&[0; 11]), None);
        assert_eq!(
            Chunk::from_value(&[0; 12]),
            Some(Chunk {
                bytes: Vec::new(),
                crc32: 0,
                len: 0
            })
        );
    }
}
