//! A volume and a mask, whole and in two pieces.
#![no_main]

use cinecor_formats::{Decoder, Limits, decode_mask};
use cinecor_volume::ShapeLimits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let limits = Limits {
        inflated_bytes: 1 << 22,
        // Small, so that time goes into reading and not into making room.
        shape: ShapeLimits {
            frames: 8,
            slices: 8,
            rows: 32,
            columns: 32,
        },
        ..Limits::default()
    };
    let mut decoder = Decoder::new(limits);
    let (first, second) = data.split_at(data.len() / 3);
    let whole = decoder.push(first).is_ok() && decoder.push(second).is_ok();
    if whole {
        let _ = decoder.finish();
    }
    let _ = decode_mask(data, limits);
});
