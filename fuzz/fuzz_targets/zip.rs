//! The files of a zip archive: never more bytes than the limit.
#![no_main]

use bytes::Bytes;
use cinecor_dicom::{Limits, files_of_zip};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let limits = Limits {
        inflated_bytes: 1 << 22,
        files: 1000,
        ..Limits::default()
    };
    if let Ok(files) = files_of_zip(Bytes::copy_from_slice(data), &limits) {
        assert!(files.len() <= 1000);
        let bytes: usize = files.iter().map(Bytes::len).sum();
        assert!(bytes <= (1 << 22) + data.len());
    }
});
