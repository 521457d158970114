//! The files of a zip archive: never more bytes than the limit, and each as it was where it is read again from the archive.
#![no_main]

use bytes::Bytes;
use cinecor_dicom::{Candidate, DicomFile, Limits, files_of_zip};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let limits = Limits {
        inflated_bytes: 1 << 22,
        files: 1000,
        ..Limits::default()
    };
    let (mut files, mut bytes) = (0, 0);
    let _ = files_of_zip(Bytes::copy_from_slice(data), &limits, |file| {
        files += 1;
        bytes += file.bytes.len();
        let mut found = [Vec::new(), Vec::new()];
        let held = DicomFile::read(file.bytes.clone(), &limits)
            .and_then(|held| held.frame(0, &mut found[0]));
        let packed = Candidate::of_archive(file, &limits)
            .file()
            .and_then(|packed| packed.frame(0, &mut found[1]));
        assert_eq!(held, packed);
        assert_eq!(found[0], found[1]);
    });
    assert!(files <= 1000);
    assert!(bytes <= (1 << 22) + data.len());
});
