//! Huffman codes (ISO/IEC 10918-1, annex C and F.2.2.3), and the bits that they are made of.

use super::bad;
use crate::cursor::array;
use crate::error::DicomError;

/// The second byte of the first of eight restart markers.
const RESTART: u8 = 0xd0;

/// How many bits of a code are looked up at once.
const LOOKUP_BITS: u32 = 9;

/// Codes of up to 16 bits, each for a byte.
pub(crate) struct Huffman {
    /// By the next bits: the length of the code in them, and its value; length 0 where the code is longer.
    lookup: Vec<(u8, u8)>,
    /// For each length from 1: the first code that is too large for it, moved up to 16 bits, and how far the place of a value lies from
    /// its code.
    longer: [(u32, i32); 16],
    values: Vec<u8>,
}

impl Huffman {
    /// A table from how many codes there are of each length, and the values of all.
    ///
    /// # Errors
    /// [`DicomError::BadFrame`] for more codes than a length has.
    pub(crate) fn new(counts: &[u8; 16], values: &[u8]) -> Result<Huffman, DicomError> {
        let mut lookup = vec![(0, 0); 1 << LOOKUP_BITS];
        let mut longer = [(0, 0); 16];
        let mut code: u32 = 0;
        let mut place: usize = 0;
        for ((length, &count), limit) in (1u32..).zip(counts).zip(&mut longer) {
            let offset = i32::try_from(place).unwrap_or(i32::MAX) - code.cast_signed();
            for _ in 0..count {
                let value = values.get(place).copied().unwrap_or(0);
                if length <= LOOKUP_BITS {
                    let first = (code << (LOOKUP_BITS - length)) as usize;
                    let same = 1usize << (LOOKUP_BITS - length);
                    for slot in lookup.iter_mut().skip(first).take(same) {
                        *slot = (length as u8, value);
                    }
                }
                code += 1;
                place += 1;
            }
            if code > 1 << length {
                return Err(bad("a Huffman table has more codes than there are"));
            }
            *limit = (code << (16 - length), offset);
            code <<= 1;
        }
        Ok(Huffman {
            lookup,
            longer,
            values: values.to_vec(),
        })
    }

    /// Takes a code off the bits.
    ///
    /// # Errors
    /// [`DicomError::BadFrame`] where the bits are no code.
    pub(crate) fn take(&self, bits: &mut Bits<'_>) -> Result<u8, DicomError> {
        let next = bits.peek(16);
        let slot = self.lookup.get((next >> (16 - LOOKUP_BITS)) as usize);
        if let Some(&(length @ 1.., value)) = slot {
            bits.skip(u32::from(length));
            return Ok(value);
        }
        for (length, &(limit, offset)) in (1u32..).zip(&self.longer) {
            if next < limit {
                let place = (next >> (16 - length)).cast_signed() + offset;
                bits.skip(length);
                return usize::try_from(place)
                    .ok()
                    .and_then(|place| self.values.get(place))
                    .copied()
                    .ok_or(bad("a Huffman code means nothing"));
            }
        }
        Err(bad("a Huffman code means nothing"))
    }
}

/// The bits of the compressed samples, up to the next marker; behind them there are zeros.
pub(crate) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// The next bits from the top down.
    next: u64,
    /// How many there are.
    count: u32,
    /// How many of them are none of the data.
    invented: u32,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Bits<'a> {
        Bits {
            data,
            at: 0,
            next: 0,
            count: 0,
            invented: 0,
        }
    }

    fn fill(&mut self) {
        while self.count <= 56 {
            let byte = match (self.data.get(self.at), self.data.get(self.at + 1)) {
                // A zero behind this byte says that it is none of a marker.
                (Some(0xff), Some(0)) => {
                    self.at += 2;
                    0xff
                }
                (Some(0xff), _) | (None, _) => {
                    self.invented += 8;
                    0
                }
                (Some(byte), _) => {
                    self.at += 1;
                    *byte
                }
            };
            self.next |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// The next bits, up to 16.
    fn peek(&mut self, bits: u32) -> u32 {
        if self.count < bits {
            self.fill();
        }
        (self.next >> 48) as u32 >> (16 - bits)
    }

    fn skip(&mut self, bits: u32) {
        self.next <<= bits;
        self.count = self.count.saturating_sub(bits);
    }

    /// Takes a difference of so many bits (F.1.2.1, H.1.2.2); 16 of them mean 32768 and take none.
    ///
    /// # Errors
    /// [`DicomError::BadFrame`] for more bits than that.
    pub(crate) fn difference(&mut self, bits: u8) -> Result<i32, DicomError> {
        match u32::from(bits) {
            0 => Ok(0),
            16 => Ok(32768),
            bits @ 1..16 => {
                let value = self.peek(bits).cast_signed();
                self.skip(bits);
                Ok(if value < 1 << (bits - 1) {
                    value - (1 << bits) + 1
                } else {
                    value
                })
            }
            _ => Err(bad("a difference has more than 16 bits")),
        }
    }

    /// Whether more bits were taken than there are.
    pub(crate) fn is_overrun(&self) -> bool {
        self.count < self.invented
    }

    /// Goes behind the restart marker that has to be next.
    ///
    /// # Errors
    /// [`DicomError::BadFrame`] where there is none.
    pub(crate) fn restart(&mut self) -> Result<(), DicomError> {
        match array(self.data, self.at) {
            Some([0xff, marker]) if marker & 0xf8 == RESTART => {
                *self = Bits {
                    at: self.at + 2,
                    ..Bits::new(self.data)
                };
                Ok(())
            }
            _ => Err(bad("a restart marker is missing")),
        }
    }
}
