//! A whole file: everything that can be asked of its header, every frame, and the study that it is alone.
#![no_main]

use bytes::Bytes;
use cinecor_dicom::{Candidate, DicomFile, Item, Limits, Study, looks_like_dicom};
use libfuzzer_sys::fuzz_target;

fn ask(item: &Item<'_>) {
    for tag in item.tags() {
        let _ = (
            item.text(tag),
            item.texts(tag),
            item.numbers(tag),
            item.integer(tag),
        );
        item.items(tag).iter().for_each(ask);
    }
}

fuzz_target!(|data: &[u8]| {
    let limits = Limits {
        inflated_bytes: 1 << 24,
        ..Limits::default()
    };
    let _ = looks_like_dicom(data);
    let Ok(file) = DicomFile::read(Bytes::copy_from_slice(data), &limits) else {
        return;
    };
    ask(&file.data());
    let mut values = Vec::new();
    let frames = file.pixels().map_or(0, |pixels| pixels.frames);
    for frame in 0..frames.min(4) {
        let _ = file.frame(frame, &mut values);
    }
    let candidate = Candidate::read(Bytes::copy_from_slice(data), &limits);
    if let Ok(mut study) = Study::find(vec![candidate], 0, &limits) {
        for frame in 0..study.header().shape.frames.min(4) {
            let _ = study.frame(frame);
        }
    }
});
