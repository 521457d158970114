//! Archives as they are sent: whole ones, and those that are refused with the reason.

use std::io::{Cursor, Write};

use cinecor_model_card::{
    Error, PACKAGE_FILES_MAX, Package, PackageError, PackageLimits, sha256_hex,
};
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const LIMITS: PackageLimits = PackageLimits {
    bytes: 1 << 20,
    ratio: 200,
};

/// The golden card, for a graph of these bytes.
fn card(graph: &[u8]) -> Value {
    let mut card: Value = serde_json::from_str(include_str!("data/model.json")).unwrap();
    card["graph"] = json!({
        "format": "onnx", "file": "model.onnx", "digest": sha256_hex(graph), "precision": "fp32",
    });
    card["variants"] = json!([]);
    card
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, bytes) in files {
        archive.start_file(*name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn refused(archive: &[u8]) -> PackageError {
    Package::unpack(archive, LIMITS).err().unwrap()
}

#[test]
fn a_whole_package_comes_out_as_it_went_in() {
    let text = card(b"graph").to_string();
    let archive = zip(&[("model.onnx", b"graph"), ("model.json", text.as_bytes())]);
    let package = Package::unpack(&archive, LIMITS).unwrap();
    assert_eq!(package.text, text);
    assert_eq!(package.card.graph.file.name, "model.onnx");
    assert_eq!(package.files["model.onnx"], b"graph");
    assert_eq!(package.files.len(), 1);
}

#[test]
fn what_is_no_package_is_refused_by_its_reason() {
    let text = card(b"graph").to_string();
    let text = text.as_bytes();
    let graph: &[u8] = b"graph";
    assert_eq!(refused(b""), PackageError::NotZip);
    assert_eq!(refused(b"\x1f\x8b"), PackageError::NotZip);
    assert!(matches!(refused(b"PK\x03\x04"), PackageError::Broken(_)));
    let missing = |archive: &[u8], expected: &str| {
        assert_eq!(
            refused(archive),
            PackageError::Missing {
                name: expected.to_owned()
            }
        );
    };
    missing(&zip(&[("model.onnx", graph)]), "model.json");
    missing(&zip(&[("model.json", text)]), "model.onnx");
    assert_eq!(
        refused(&zip(&[
            ("model.json", text),
            ("model.onnx", graph),
            ("other.onnx", graph)
        ])),
        PackageError::Extra {
            name: "other.onnx".to_owned()
        }
    );
    assert!(matches!(
        refused(&zip(&[("model.json", text), ("model.onnx", b"other")])),
        PackageError::Card(Error::Digest { .. })
    ));
    assert!(matches!(
        refused(&zip(&[("model.json", b"{}"), ("model.onnx", graph)])),
        PackageError::Card(Error::Syntax(_))
    ));
    for name in [
        "../model.onnx",
        "/model.onnx",
        "1.0.0/model.onnx",
        "..\\model.onnx",
        ".model.onnx",
        "a b",
        "é.onnx",
    ] {
        assert!(
            matches!(
                refused(&zip(&[("model.json", text), (name, graph)])),
                PackageError::Name { .. }
            ),
            "{name}"
        );
    }
    let many: Vec<String> = (0..=PACKAGE_FILES_MAX).map(|n| format!("f{n}")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), graph)).collect();
    assert_eq!(
        refused(&zip(&many)),
        PackageError::TooManyFiles {
            found: PACKAGE_FILES_MAX + 1
        }
    );
}

#[test]
fn a_name_that_is_there_twice_is_refused_whichever_comes_first() {
    let text = card(b"graph").to_string();
    let mut archive = zip(&[
        ("model.json", text.as_bytes()),
        ("model.onnx", b"graph"),
        ("model.onny", b"other"),
    ]);
    // The writer refuses it; the bytes of the name are changed in place, in the entry and in the directory.
    while let Some(at) = archive
        .windows(b"model.onny".len())
        .position(|window| window == b"model.onny")
    {
        archive[at..at + 10].copy_from_slice(b"model.onnx");
    }
    assert_eq!(refused(&archive), PackageError::Twice);
}

#[test]
fn bombs_are_refused_before_they_are_inflated() {
    let zeros = vec![0; 8 << 20];
    let text = card(&zeros).to_string();
    let archive = zip(&[("model.json", text.as_bytes()), ("model.onnx", &zeros)]);
    assert!(archive.len() < 64 << 10);
    assert_eq!(
        refused(&archive),
        PackageError::TooLarge {
            limit: LIMITS.bytes
        }
    );
    let wide = PackageLimits {
        bytes: 1 << 40,
        ratio: 20,
    };
    assert_eq!(
        Package::unpack(&archive, wide).err().unwrap(),
        PackageError::Ratio { limit: 20 }
    );
}

#[test]
fn an_archive_that_is_cut_or_changed_anywhere_is_refused_without_a_panic() {
    let text = card(b"graph of a network").to_string();
    let archive = zip(&[
        ("model.json", text.as_bytes()),
        ("model.onnx", b"graph of a network"),
    ]);
    for end in 0..archive.len() {
        assert!(Package::unpack(&archive[..end], LIMITS).is_err(), "{end}");
    }
    let whole = Package::unpack(&archive, LIMITS).unwrap();
    for at in 0..archive.len() {
        let mut changed = archive.clone();
        changed[at] ^= 0x55;
        // Dates and the like may change; content may not.
        if let Ok(package) = Package::unpack(&changed, LIMITS) {
            assert!(package == whole, "{at}");
        }
    }
}
