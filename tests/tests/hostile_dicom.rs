//! The corpus of hostile DICOM, read without a service: each case is refused as it says, with words that help, and within little memory.

use bytes::Bytes;
use cinecor_dicom::{DicomError, DicomFile, Limits, files_of_zip};
use cinecor_tests::hostile_dicom::{Kind, cases, good};
use cinecor_tests::wording;

fn first_frame(bytes: Bytes, limits: &Limits) -> Result<(), DicomError> {
    DicomFile::read(bytes, limits)?.frame(0, &mut Vec::new())
}

/// The text of an error as the detail of a problem has it.
fn sentence(error: &DicomError) -> String {
    let text = error.to_string();
    let (first, rest) = text.split_at(1);
    format!("{}{rest}.", first.to_uppercase())
}

fn refusal(kind: Kind, bytes: Bytes) -> Result<(), DicomError> {
    let limits = Limits::default();
    match kind {
        Kind::File => first_frame(bytes, &limits),
        Kind::Archive => files_of_zip(bytes, &limits).map(drop),
        Kind::Files => files_of_zip(bytes, &limits)
            .unwrap_or_else(|error| panic!("the archive itself is refused: {error}"))
            .into_iter()
            .try_for_each(|file| first_frame(file, &limits)),
    }
}

#[test]
fn each_upload_is_refused_as_it_has_to_be() {
    let mut wrong = Vec::new();
    for case in cases() {
        let found = refusal(case.kind, Bytes::from(case.bytes()));
        match found {
            Err(error) if error.code() == case.code => {
                wrong.extend(
                    wording::check(&sentence(&error))
                        .err()
                        .map(|why| format!("{}: {why}", case.name)),
                );
            }
            Err(error) => wrong.push(format!(
                "{}: {} ({error}), expected {}",
                case.name,
                error.code(),
                case.code
            )),
            Ok(()) => wrong.push(format!("{}: taken, expected {}", case.name, case.code)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_only_looks_like_an_attack_is_read() {
    for (name, bytes) in good() {
        let found = first_frame(Bytes::from(bytes), &Limits::default());
        assert_eq!(found, Ok(()), "{name}");
    }
}
