//! A gzip stream (RFC 1952) inflated as it arrives, within limits. Sans IO: bytes are pushed in, bytes come out.
//!
//! Members that follow one another are one stream, as the format says. The header is read here because flate2's own reader
//! keeps the name and comment fields, whose length the file decides.

use flate2::{Decompress, FlushDecompress, Status};

use crate::error::DecodeError;
use crate::limits::Limits;

/// FHCRC, FEXTRA, FNAME, FCOMMENT of the flag byte.
const HAS_CRC: u8 = 2;
const HAS_EXTRA: u8 = 4;
const HAS_NAME: u8 = 8;
const HAS_COMMENT: u8 = 16;
const RESERVED: u8 = 0xe0;

/// Where in a member the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// In the ten fixed bytes; how many were seen.
    Fixed(usize),
    /// In the two length bytes of the extra field; how many were seen, and the value so far.
    ExtraLength(u8, u16),
    /// In the extra field; how many bytes are left.
    Extra(u16),
    /// In the zero-terminated name.
    Name,
    /// In the zero-terminated comment.
    Comment,
    /// In the header's checksum; how many bytes were seen.
    HeaderCrc(u8),
    /// In the deflate stream.
    Body,
    /// In the eight bytes after it; how many were seen.
    Trailer(usize),
    /// Between members: the next byte starts one, or is garbage.
    Between,
    /// Behind the last member: everything else is garbage.
    After,
}

/// Inflates gzip bytes within [`Limits`]. Costs one deflate window (32 KiB) and nothing that the file decides.
pub struct Gunzip {
    inflater: Decompress,
    place: Place,
    flags: u8,
    trailer: [u8; 8],
    crc: crc32fast::Hasher,
    member_bytes: u64,
    compressed_bytes: u64,
    inflated_bytes: u64,
    garbage_bytes: u64,
    limits: Limits,
}

impl Gunzip {
    /// A stream of which nothing was read.
    pub fn new(limits: Limits) -> Gunzip {
        Gunzip {
            inflater: Decompress::new(false),
            place: Place::Fixed(0),
            flags: 0,
            trailer: [0; 8],
            crc: crc32fast::Hasher::new(),
            member_bytes: 0,
            compressed_bytes: 0,
            inflated_bytes: 0,
            garbage_bytes: 0,
            limits,
        }
    }

    /// Bytes given so far.
    pub fn inflated_bytes(&self) -> u64 {
        self.inflated_bytes
    }

    /// Bytes behind the last member that were read over.
    pub fn garbage_bytes(&self) -> u64 {
        self.garbage_bytes
    }

    /// Inflates into `output` until it is full or `input` is used up; takes what it used off the front of `input` and says how
    /// many bytes it wrote. Zero written with `input` empty means that more input is needed.
    ///
    /// # Errors
    /// [`DecodeError::CorruptGzip`], [`DecodeError::InflatedTooLarge`], [`DecodeError::InflateRatio`].
    pub fn inflate(&mut self, input: &mut &[u8], output: &mut [u8]) -> Result<usize, DecodeError> {
        let mut written = 0;
        loop {
            if self.place == Place::Body {
                let Some(room) = output.get_mut(written..).filter(|room| !room.is_empty()) else {
                    return Ok(written);
                };
                let (consumed, produced) = (self.inflater.total_in(), self.inflater.total_out());
                let status = self
                    .inflater
                    .decompress(input, room, FlushDecompress::None)
                    .map_err(|_| self.corrupt("the deflate data is not valid"))?;
                let consumed =
                    usize::try_from(self.inflater.total_in() - consumed).unwrap_or(input.len());
                let produced =
                    usize::try_from(self.inflater.total_out() - produced).unwrap_or(room.len());
                *input = input.get(consumed..).unwrap_or_default();
                self.crc.update(room.get(..produced).unwrap_or_default());
                written += produced;
                self.compressed_bytes += consumed as u64;
                self.member_bytes += produced as u64;
                self.inflated_bytes += produced as u64;
                self.check_limits()?;
                match status {
                    Status::StreamEnd => self.place = Place::Trailer(0),
                    _ if consumed == 0 && produced == 0 => return Ok(written),
                    _ => {}
                }
                continue;
            }
            if self.place == Place::After {
                self.garbage_bytes += input.len() as u64;
                *input = &[];
                return Ok(written);
            }
            let Some((&byte, rest)) = input.split_first() else {
                return Ok(written);
            };
            *input = rest;
            self.compressed_bytes += 1;
            self.step(byte)?;
        }
    }

    /// Says that no more input comes.
    ///
    /// # Errors
    /// [`DecodeError::TruncatedGzip`] in the middle of a member.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.place {
            Place::Between | Place::After => Ok(()),
            _ => Err(DecodeError::TruncatedGzip {
                inflated_bytes: self.inflated_bytes,
            }),
        }
    }

    fn step(&mut self, byte: u8) -> Result<(), DecodeError> {
        self.place = match self.place {
            Place::Fixed(seen) => {
                match (seen, byte) {
                    (0, 0x1f) | (1, 0x8b) | (2, 8) => {}
                    (0 | 1, _) => {
                        return Err(self.corrupt("a member does not start with the gzip mark"));
                    }
                    (2, _) => return Err(self.corrupt("the compression method is not deflate")),
                    (3, _) if byte & RESERVED != 0 => {
                        return Err(self.corrupt("reserved flags are set"));
                    }
                    (3, _) => self.flags = byte,
                    _ => {}
                }
                if seen < 9 {
                    Place::Fixed(seen + 1)
                } else {
                    self.after(HAS_EXTRA)
                }
            }
            Place::ExtraLength(0, _) => Place::ExtraLength(1, u16::from(byte)),
            Place::ExtraLength(_, low) => match low | (u16::from(byte) << 8) {
                0 => self.after(HAS_NAME),
                length => Place::Extra(length),
            },
            Place::Extra(left) if left > 1 => Place::Extra(left - 1),
            Place::Extra(_) => self.after(HAS_NAME),
            Place::Name if byte != 0 => Place::Name,
            Place::Name => self.after(HAS_COMMENT),
            Place::Comment if byte != 0 => Place::Comment,
            Place::Comment => self.after(HAS_CRC),
            Place::HeaderCrc(0) => Place::HeaderCrc(1),
            Place::HeaderCrc(_) => Place::Body,
            Place::Trailer(seen) => {
                if let Some(slot) = self.trailer.get_mut(seen) {
                    *slot = byte;
                }
                if seen < 7 {
                    Place::Trailer(seen + 1)
                } else {
                    self.end_member()?
                }
            }
            Place::Between if byte == 0x1f => {
                self.inflater.reset(false);
                self.crc = crc32fast::Hasher::new();
                self.member_bytes = 0;
                Place::Fixed(1)
            }
            Place::Between | Place::After => {
                self.garbage_bytes += 1;
                Place::After
            }
            Place::Body => Place::Body,
        };
        Ok(())
    }

    /// The place of the first optional field, from `field` on, that the flags announce.
    fn after(&self, field: u8) -> Place {
        let wanted = |flag: u8, from: &[u8]| self.flags & flag != 0 && from.contains(&field);
        if wanted(HAS_EXTRA, &[HAS_EXTRA]) {
            Place::ExtraLength(0, 0)
        } else if wanted(HAS_NAME, &[HAS_EXTRA, HAS_NAME]) {
            Place::Name
        } else if wanted(HAS_COMMENT, &[HAS_EXTRA, HAS_NAME, HAS_COMMENT]) {
            Place::Comment
        } else if wanted(HAS_CRC, &[HAS_EXTRA, HAS_NAME, HAS_COMMENT, HAS_CRC]) {
            Place::HeaderCrc(0)
        } else {
            Place::Body
        }
    }

    fn end_member(&mut self) -> Result<Place, DecodeError> {
        let [c0, c1, c2, c3, l0, l1, l2, l3] = self.trailer;
        if u32::from_le_bytes([c0, c1, c2, c3]) != self.crc.clone().finalize() {
            return Err(self.corrupt("the checksum is wrong"));
        }
        if u64::from(u32::from_le_bytes([l0, l1, l2, l3]))
            != self.member_bytes & u64::from(u32::MAX)
        {
            return Err(self.corrupt("the length in the trailer is wrong"));
        }
        Ok(Place::Between)
    }

    fn check_limits(&self) -> Result<(), DecodeError> {
        let limit = self.limits.inflated_bytes;
        if self.inflated_bytes > limit {
            return Err(DecodeError::InflatedTooLarge { limit });
        }
        let limit = self.limits.inflate_ratio;
        if self.inflated_bytes > self.limits.inflate_ratio_from_bytes
            && self.inflated_bytes > self.compressed_bytes.saturating_mul(limit)
        {
            let (compressed_bytes, inflated_bytes) = (self.compressed_bytes, self.inflated_bytes);
            return Err(DecodeError::InflateRatio {
                compressed_bytes,
                inflated_bytes,
                limit,
            });
        }
        Ok(())
    }

    fn corrupt(&self, reason: &'static str) -> DecodeError {
        DecodeError::CorruptGzip {
            inflated_bytes: self.inflated_bytes,
            reason,
        }
    }
}
