//! A deflated data set (RFC 1951, as PS3.5, A.5 has it) inflated within limits.

use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};

use crate::error::DicomError;
use crate::limits::Limits;

/// What is inflated at a time: what a bomb costs at most beyond the limit.
const STEP: usize = 64 << 10;

const WHAT: &str = "data set";

/// The inflated bytes.
///
/// # Errors
/// [`DicomError::InflatedTooLarge`], [`DicomError::InflateRatio`] and [`DicomError::CorruptDeflate`], the last also for a stream that has
/// no end.
pub(crate) fn inflate(deflated: &[u8], limits: &Limits) -> Result<Bytes, DicomError> {
    let mut inflater = Decompress::new(false);
    let mut inflated = Vec::new();
    let mut step = vec![0; STEP];
    loop {
        let (consumed, produced) = (inflater.total_in(), inflater.total_out());
        let input = usize::try_from(consumed)
            .ok()
            .and_then(|consumed| deflated.get(consumed..))
            .unwrap_or_default();
        let status = inflater
            .decompress(input, &mut step, FlushDecompress::None)
            .map_err(|_| DicomError::CorruptDeflate)?;
        let fresh = usize::try_from(inflater.total_out() - produced).unwrap_or(STEP);
        inflated.extend_from_slice(step.get(..fresh).unwrap_or(&step));
        check(WHAT, inflater.total_in(), inflater.total_out(), limits)?;
        match status {
            Status::StreamEnd => {
                inflated.shrink_to_fit();
                return Ok(inflated.into());
            }
            _ if inflater.total_in() == consumed && fresh == 0 => {
                return Err(DicomError::CorruptDeflate);
            }
            _ => {}
        }
    }
}

/// Holds what was inflated against the limits.
pub(crate) fn check(
    what: &'static str,
    compressed_bytes: u64,
    inflated_bytes: u64,
    limits: &Limits,
) -> Result<(), DicomError> {
    let limit = limits.inflated_bytes;
    if inflated_bytes > limit {
        return Err(DicomError::InflatedTooLarge { what, limit });
    }
    let limit = limits.inflate_ratio;
    if inflated_bytes > limits.inflate_ratio_from_bytes
        && inflated_bytes > compressed_bytes.saturating_mul(limit)
    {
        return Err(DicomError::InflateRatio {
            what,
            compressed_bytes,
            limit,
        });
    }
    Ok(())
}
