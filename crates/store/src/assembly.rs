//! Which bytes of which values make up a part of a file that is stitched from stored chunks.

use crate::chunk::Chunk;

/// A file made of bytes that are at hand, values under keys, and bytes at hand again: a gzip header with the file's own header,
/// frames, and a trailer. Its length is known without reading a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assembly {
    head: Vec<u8>,
    values: Vec<(String, u64)>,
    tail: Vec<u8>,
}

/// A run of bytes of an [`Assembly`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Inline(Vec<u8>),
    /// The bytes `start..end` of the chunk under a key.
    Stored {
        /// The key.
        key: String,
        /// The first byte of the chunk's deflate bytes.
        start: usize,
        /// The byte behind the last.
        end: usize,
    },
}

impl Piece {
    /// The bytes of a stored piece out of the value under its key; `None` when the value is not the one that was put there.
    pub fn cut(value: &[u8], start: usize, end: usize) -> Option<&[u8]> {
        value.get(Chunk::VALUE_HEADER_BYTES..)?.get(start..end)
    }
}

impl Assembly {
    /// A file of `head`, the chunks under `values` (key and deflate bytes), and `tail`.
    pub fn new(head: Vec<u8>, values: Vec<(String, u64)>, tail: Vec<u8>) -> Assembly {
        Assembly { head, values, tail }
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.head.len() as u64
            + self.values.iter().map(|(_, bytes)| bytes).sum::<u64>()
            + self.tail.len() as u64
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces that make up the bytes `start..=end`; only values that the range touches are among them.
    pub fn pieces(&self, start: u64, end: u64) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut at = 0;
        let mut visit = |bytes: u64, piece: &dyn Fn(usize, usize) -> Piece| {
            let (from, to) = (start.max(at), end.saturating_add(1).min(at + bytes));
            if from < to
                && let (Ok(from), Ok(to)) = (usize::try_from(from - at), usize::try_from(to - at))
            {
                pieces.push(piece(from, to));
            }
            at += bytes;
        };
        let inline = |bytes: &[u8], from: usize, to: usize| {
            Piece::Inline(bytes.get(from..to).unwrap_or_default().to_vec())
        };
        visit(self.head.len() as u64, &|from, to| {
            inline(&self.head, from, to)
        });
        for (key, bytes) in &self.values {
            visit(*bytes, &|start, end| Piece::Stored {
                key: key.clone(),
                start,
                end,
            });
        }
        visit(self.tail.len() as u64, &|from, to| {
            inline(&self.tail, from, to)
        });
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_is_the_same_part_of_the_whole() {
        let chunks = [
            Chunk {
                bytes: vec![10, 11, 12],
                crc32: 0,
                len: 9,
                parts: Vec::new(),
                window: None,
            },
            Chunk {
                bytes: vec![],
                crc32: 0,
                len: 0,
                parts: Vec::new(),
                window: None,
            },
            Chunk {
                bytes: vec![20, 21],
                crc32: 0,
                len: 5,
                parts: Vec::new(),
                window: None,
            },
        ];
        let values = chunks
            .iter()
            .enumerate()
            .map(|(index, chunk)| (index.to_string(), chunk.bytes.len() as u64))
            .collect();
        let file = Assembly::new(vec![1, 2], values, vec![3]);
        let whole = [1, 2, 10, 11, 12, 20, 21, 3];
        assert_eq!(file.len(), 8);
        for start in 0..8_u64 {
            for end in start..10 {
                let mut bytes = Vec::new();
                for piece in file.pieces(start, end) {
                    match piece {
                        Piece::Inline(inline) => bytes.extend(inline),
                        Piece::Stored { key, start, end } => {
                            let value = chunks[key.parse::<usize>().unwrap()].to_value();
                            bytes.extend_from_slice(Piece::cut(&value, start, end).unwrap());
                        }
                    }
                }
                assert_eq!(
                    bytes,
                    whole[start as usize..=(end as usize).min(7)],
                    "{start}-{end}"
                );
            }
        }
    }

    #[test]
    fn a_range_touches_only_the_values_that_it_covers() {
        let file = Assembly::new(
            vec![0; 10],
            (0..30).map(|frame| (frame.to_string(), 100)).collect(),
            vec![0; 10],
        );
        assert_eq!(
            file.pieces(110, 209),
            [Piece::Stored {
                key: "1".to_owned(),
                start: 0,
                end: 100
            }]
        );
    }
}
