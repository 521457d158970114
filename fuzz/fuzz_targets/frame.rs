//! One compressed frame inside a header that fits it, so that the fuzzer's bytes are the codec's. The first byte chooses the codec and the
//! pixels, the next two are the sizes.
#![no_main]

use bytes::Bytes;
use cinecor_dicom::{DicomFile, Limits};
use libfuzzer_sys::fuzz_target;

const SYNTAXES: [&str; 3] = [
    "1.2.840.10008.1.2.5\0",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.90",
];

fn element(file: &mut Vec<u8>, tag: [u16; 2], vr: &[u8; 2], value: &[u8]) {
    tag.iter().for_each(|part| file.extend(part.to_le_bytes()));
    file.extend(vr);
    file.extend((value.len() as u16).to_le_bytes());
    file.extend(value);
}

fuzz_target!(|data: &[u8]| {
    let [choice, rows, columns, frame @ ..] = data else {
        return;
    };
    let mut file = vec![0; 128];
    file.extend(b"DICM");
    let syntax = SYNTAXES[usize::from(choice % 3)];
    element(&mut file, [2, 0x10], b"UI", syntax.as_bytes());
    element(&mut file, [0x28, 4], b"CS", b"MONOCHROME2 ");
    let bits: u16 = if choice & 0x40 == 0 { 16 } else { 8 };
    for (tag, value) in [
        (0x10, u16::from(*rows)),
        (0x11, u16::from(*columns)),
        (0x100, bits),
        (0x101, bits),
        (0x102, bits - 1),
        (0x103, u16::from(choice >> 7)),
    ] {
        element(&mut file, [0x28, tag], b"US", &value.to_le_bytes());
    }
    file.extend([
        0xe0, 0x7f, 0x10, 0, b'O', b'B', 0, 0, 0xff, 0xff, 0xff, 0xff,
    ]);
    file.extend([0xfe, 0xff, 0, 0xe0, 0, 0, 0, 0, 0xfe, 0xff, 0, 0xe0]);
    file.extend((frame.len() as u32).to_le_bytes());
    file.extend(frame);
    file.extend([0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]);
    if let Ok(file) = DicomFile::read(Bytes::from(file), &Limits::default()) {
        let _ = file.frame(0, &mut Vec::new());
    }
});
