//! Archives as zip programs make them: what is in them comes out, bounded.

use std::io::{Cursor, Write as _};

use bytes::Bytes;
use cinecor_dicom::{DicomError, Limits, files_of_zip};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

fn options(method: CompressionMethod) -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(method)
}

/// Files of different lengths, none of them empty.
fn contents() -> Vec<Vec<u8>> {
    (1..5u8)
        .map(|index| vec![index; 300 * usize::from(index)])
        .collect()
}

fn archive(method: CompressionMethod) -> Bytes {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (index, content) in contents().iter().enumerate() {
        writer
            .start_file(format!("series/{index}"), options(method))
            .unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner().into()
}

fn unzip(archive: Bytes, limits: &Limits) -> Result<Vec<Bytes>, DicomError> {
    let mut files = Vec::new();
    files_of_zip(archive, limits, |file| files.push(file.bytes))?;
    Ok(files)
}

fn files(archive: Bytes) -> Vec<Bytes> {
    unzip(archive, &Limits::default()).unwrap()
}

#[test]
fn every_file_comes_out_in_its_order() {
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        assert_eq!(files(archive(method)), contents(), "{method:?}");
    }
}

#[test]
fn stored_files_are_not_copied() {
    let archive = archive(CompressionMethod::Stored);
    let whole = archive.as_ptr_range();
    for file in files(archive.clone()) {
        assert!(whole.contains(&file.as_ptr()));
    }
}

#[test]
fn archives_written_as_a_stream_are_read() {
    // Sizes and checksums stand behind each file.
    let mut writer = ZipWriter::new_stream(Vec::new());
    for (index, content) in contents().iter().enumerate() {
        let large = options(CompressionMethod::Deflated).large_file(index == 1);
        writer.start_file(index.to_string(), large).unwrap();
        writer.write_all(content).unwrap();
    }
    let archive = writer.finish().unwrap().into_inner();
    assert_eq!(files(archive.into()), contents());
}

#[test]
fn folders_empty_files_and_what_macos_packs_are_left_out() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let deflated = options(CompressionMethod::Deflated);
    writer.add_directory("series", deflated).unwrap();
    for (name, content) in [
        ("series/1", &b"one"[..]),
        ("series/empty", b""),
        ("series/.DS_Store", b"what macOS knows of a folder"),
        ("__MACOSX/series/._1", b"what macOS knows of a file"),
        ("../2", b"two"),
    ] {
        writer.start_file(name, deflated).unwrap();
        writer.write_all(content).unwrap();
    }
    let archive = writer.finish().unwrap().into_inner();
    assert_eq!(files(archive.into()), [&b"one"[..], b"two"]);
}

#[test]
fn limits_are_held_to_the_byte() {
    let total: u64 = contents().iter().map(|content| content.len() as u64).sum();
    let limits = |inflated_bytes, files| Limits {
        inflated_bytes,
        files,
        ..Limits::default()
    };
    let archive = archive(CompressionMethod::Deflated);
    assert!(unzip(archive.clone(), &limits(total, 4)).is_ok());
    assert!(matches!(
        unzip(archive.clone(), &limits(total - 1, 4)),
        Err(DicomError::InflatedTooLarge { .. })
    ));
    assert_eq!(
        unzip(archive.clone(), &limits(total, 3)),
        Err(DicomError::TooManyFiles { limit: 3 })
    );
    let ratio = Limits {
        inflate_ratio: 1,
        inflate_ratio_from_bytes: 0,
        ..Limits::default()
    };
    assert!(matches!(
        unzip(archive, &ratio),
        Err(DicomError::InflateRatio { .. })
    ));
}
