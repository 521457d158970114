//! Compressed frames that can be joined to one gzip file without compressing again.
//!
//! Each chunk is a raw deflate stream that starts with an empty window and ends with a sync flush, that is on a byte boundary
//! and without a final block. Such streams may follow one another; a final empty block and the joined checksum make them one
//! gzip member, which every reader takes (a file of many members is legal and yet not read by all). The length of the file is
//! known before a byte of it is sent, so ranges and entity tags cost nothing.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::error::DecodeError;

/// Deflate level of stored frames. MR noise hardly compresses further at higher levels, they only take longer.
const LEVEL: u32 = 1;

/// A final deflate block without content: ends the joined stream.
const FINAL_BLOCK: [u8; 2] = [0x03, 0x00];

/// A piece of a gzip member: sync-flushed raw deflate with what the trailer needs to know of its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeflatedChunk {
    /// The deflate bytes.
    pub bytes: Vec<u8>,
    /// CRC-32 of the content.
    pub crc32: u32,
    /// Length of the content in bytes.
    pub len: u64,
    /// The parts that it is made of, each of which can be inflated alone; none when it was compressed as a whole.
    pub parts: Vec<DeflatedPart>,
}

/// One of the parts of a [`DeflatedChunk`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflatedPart {
    /// Its deflate bytes, which follow those of the part before.
    pub bytes: u32,
    /// CRC-32 of its content.
    pub crc32: u32,
}

impl DeflatedChunk {
    /// Compresses `content` part by part, `part_bytes` of it each, so that [`DeflatedChunk::inflate_part`] can give one of them. As a whole it is
    /// no less a chunk.
    pub fn compress_parts(content: &[u8], part_bytes: usize) -> DeflatedChunk {
        let mut whole = DeflatedChunk {
            bytes: Vec::with_capacity(content.len() / 2 + 1024),
            crc32: 0,
            len: content.len() as u64,
            parts: Vec::new(),
        };
        let mut crc = crc32fast::Hasher::new();
        for part in content.chunks(part_bytes.max(1)) {
            let part = DeflatedChunk::compress(part);
            let Ok(bytes) = u32::try_from(part.bytes.len()) else {
                return DeflatedChunk::compress(content);
            };
            crc.combine(&crc32fast::Hasher::new_with_initial_len(
                part.crc32, part.len,
            ));
            whole.bytes.extend_from_slice(&part.bytes);
            whole.parts.push(DeflatedPart {
                bytes,
                crc32: part.crc32,
            });
        }
        whole.bytes.shrink_to_fit();
        whole.crc32 = crc.finalize();
        whole
    }

    /// The content of one part, of which these are the deflate bytes, the checksum and the length, checked against both.
    ///
    /// # Errors
    /// As [`DeflatedChunk::inflate`].
    pub fn inflate_part(bytes: &[u8], crc32: u32, len: u64) -> Result<Vec<u8>, DecodeError> {
        inflated(bytes, len, crc32)
    }

    /// Compresses `content`. The same content gives the same bytes.
    pub fn compress(content: &[u8]) -> DeflatedChunk {
        let mut deflater = Compress::new(Compression::new(LEVEL), false);
        // Stored blocks cost 5 bytes per 16 KiB at worst; the room is grown below if that is ever not enough.
        let mut bytes = Vec::with_capacity(content.len() / 2 + 1024);
        let mut rest = content;
        loop {
            if bytes.capacity() - bytes.len() < 64 {
                bytes.reserve(content.len() / 4 + 1024);
            }
            let before = deflater.total_in();
            // Compressing from memory into memory has no way to fail; an error would leave a chunk that `inflate` refuses.
            let status = deflater.compress_vec(rest, &mut bytes, FlushCompress::Sync);
            let used = usize::try_from(deflater.total_in() - before).unwrap_or(rest.len());
            rest = rest.get(used..).unwrap_or_default();
            let done = rest.is_empty() && bytes.capacity() > bytes.len();
            if done || status.is_err() {
                break;
            }
        }
        bytes.shrink_to_fit();
        DeflatedChunk {
            bytes,
            crc32: crc32fast::hash(content),
            len: content.len() as u64,
            parts: Vec::new(),
        }
    }

    /// The content again, checked against its length and checksum.
    ///
    /// # Errors
    /// [`DecodeError::CorruptGzip`] when the bytes are not what [`DeflatedChunk::compress`] made.
    pub fn inflate(&self) -> Result<Vec<u8>, DecodeError> {
        inflated(&self.bytes, self.len, self.crc32)
    }
}

/// What `bytes` inflate to, if that is `len` bytes with this checksum.
fn inflated(bytes: &[u8], len: u64, crc32: u32) -> Result<Vec<u8>, DecodeError> {
    let corrupt = |inflated: usize, reason| DecodeError::CorruptGzip {
        inflated_bytes: inflated as u64,
        reason,
    };
    // A deflate byte gives at most 1,032: a length that the bytes cannot have is refused before memory is asked for.
    if len / 1032 > bytes.len() as u64 {
        return Err(corrupt(0, "the chunk is too short for its length"));
    }
    let length = usize::try_from(len)
        .map_err(|_| corrupt(0, "the chunk is longer than this machine's memory"))?;
    let mut content = vec![0; length];
    let mut inflater = Decompress::new(false);
    let mut filled = 0;
    let mut rest = bytes;
    while filled < length {
        let (consumed, produced) = (inflater.total_in(), inflater.total_out());
        let room = content.get_mut(filled..).unwrap_or_default();
        let status = inflater.decompress(rest, room, FlushDecompress::None);
        let consumed = usize::try_from(inflater.total_in() - consumed).unwrap_or(rest.len());
        let produced = usize::try_from(inflater.total_out() - produced).unwrap_or(0);
        filled += produced;
        rest = rest.get(consumed..).unwrap_or_default();
        match status {
            Ok(Status::StreamEnd) => break,
            Ok(_) if consumed == 0 && produced == 0 => break,
            Ok(_) => {}
            Err(_) => return Err(corrupt(filled, "the deflate data is not valid")),
        }
    }
    if filled != length {
        return Err(corrupt(filled, "the chunk ends early"));
    }
    if crc32fast::hash(&content) != crc32 {
        return Err(corrupt(filled, "the checksum is wrong"));
    }
    Ok(content)
}

/// Joins chunks to one gzip member: [`GzipStitcher::HEADER`], the bytes of every chunk in turn, [`GzipStitcher::trailer`].
///
/// ```
/// use cinecor_formats::{DeflatedChunk, GzipStitcher};
///
/// let chunks = [DeflatedChunk::compress(b"base"), DeflatedChunk::compress(b"apex")];
/// let mut stitcher = GzipStitcher::new();
/// let mut file = GzipStitcher::HEADER.to_vec();
/// for chunk in &chunks {
///     stitcher.add(chunk.crc32, chunk.len);
///     file.extend_from_slice(&chunk.bytes);
/// }
/// file.extend_from_slice(&stitcher.trailer());
/// assert_eq!(file.len() as u64, GzipStitcher::file_bytes(chunks.iter().map(|chunk| chunk.bytes.len() as u64)));
/// ```
#[derive(Clone, Debug, Default)]
pub struct GzipStitcher {
    crc: crc32fast::Hasher,
    len: u64,
}

impl GzipStitcher {
    /// The ten bytes before the first chunk: deflate, no name, no time, unknown system, so that equal content is equal bytes.
    pub const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

    /// Bytes of the trailer: the final block, the checksum, the length.
    pub const TRAILER_BYTES: u64 = 10;

    /// Nothing joined yet.
    pub fn new() -> GzipStitcher {
        GzipStitcher::default()
    }

    /// Takes note of the next chunk's content.
    pub fn add(&mut self, crc32: u32, len: u64) {
        self.crc
            .combine(&crc32fast::Hasher::new_with_initial_len(crc32, len));
        self.len = self.len.wrapping_add(len);
    }

    /// The bytes behind the last chunk.
    pub fn trailer(&self) -> [u8; 10] {
        let [f0, f1] = FINAL_BLOCK;
        let [c0, c1, c2, c3] = self.crc.clone().finalize().to_le_bytes();
        // The trailer holds the length modulo 2^32, as RFC 1952 says: the low four bytes.
        let [l0, l1, l2, l3, ..] = self.len.to_le_bytes();
        [f0, f1, c0, c1, c2, c3, l0, l1, l2, l3]
    }

    /// The length of the whole file for chunks of these compressed lengths.
    pub fn file_bytes(chunk_bytes: impl IntoIterator<Item = u64>) -> u64 {
        GzipStitcher::HEADER.len() as u64
            + chunk_bytes.into_iter().sum::<u64>()
            + GzipStitcher::TRAILER_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> Vec<u8> {
        (0..5_000_u32)
            .map(|at| (at * at / 97 % 251) as u8)
            .collect()
    }

    #[test]
    fn each_part_comes_back_alone_and_all_of_them_as_one() {
        let content = content();
        let chunk = DeflatedChunk::compress_parts(&content, 1_000);
        assert_eq!(chunk.parts.len(), 5);
        assert_eq!(chunk.inflate().unwrap(), content);
        let whole = DeflatedChunk::compress(&content);
        assert_eq!((chunk.crc32, chunk.len), (whole.crc32, whole.len));
        assert!(whole.parts.is_empty());
        for part in 0..5 {
            let (bytes, crc32) = of_part(&chunk, part);
            let inflated = DeflatedChunk::inflate_part(bytes, crc32, 1_000).unwrap();
            assert_eq!(inflated, content[part * 1_000..(part + 1) * 1_000]);
        }
    }

    /// Deflate bytes and checksum of one part.
    fn of_part(chunk: &DeflatedChunk, part: usize) -> (&[u8], u32) {
        let before: u32 = chunk.parts[..part].iter().map(|part| part.bytes).sum();
        let DeflatedPart { bytes, crc32 } = chunk.parts[part];
        let start = before as usize;
        (&chunk.bytes[start..start + bytes as usize], crc32)
    }

    #[test]
    fn a_part_that_is_not_what_was_told_is_refused() {
        let chunk = DeflatedChunk::compress_parts(&content(), 1_000);
        let (bytes, crc32) = of_part(&chunk, 2);
        for length in [999, 1_001, u64::MAX] {
            assert!(
                DeflatedChunk::inflate_part(bytes, crc32, length).is_err(),
                "{length}"
            );
        }
        assert!(DeflatedChunk::inflate_part(bytes, crc32 ^ 1, 1_000).is_err());
        assert!(DeflatedChunk::inflate_part(&bytes[1..], crc32, 1_000).is_err());
        assert!(DeflatedChunk::inflate_part(&bytes[..bytes.len() / 2], crc32, 1_000).is_err());
    }
}
