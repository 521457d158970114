//! The corpus of hostile DICOM, read without a service and sent to one: each case is refused as it says, with words that help, and within
//! little memory.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use cinecor_dicom::{DicomError, DicomFile, Limits, files_of_zip};
use cinecor_phantom::dicom::{DataSet, Stack};
use cinecor_tests::client::{Answer, Client};
use cinecor_tests::forms::Form;
use cinecor_tests::host::{Options, forget_peak_memory, peak_memory_bytes};
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
        Kind::Archive => files_of_zip(bytes, &limits, drop),
        Kind::Files => {
            let mut files = Vec::new();
            files_of_zip(bytes, &limits, |file| files.push(file.bytes))
                .unwrap_or_else(|error| panic!("the archive itself is refused: {error}"));
            files
                .into_iter()
                .try_for_each(|file| first_frame(file, &limits))
        }
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

/// The most memory that the host may take while it refuses. The largest uploads of the corpus are a few megabytes, the largest images that
/// the limits allow are as large, and the engine takes what it always takes.
const PEAK_BYTES: u64 = 600_000_000;

/// What a service may answer to a reader's refusal.
fn status(code: &str) -> u16 {
    match code {
        "too_large" | "inflated_too_large" | "inflate_ratio" | "header_too_large"
        | "too_many_elements" | "too_many_files" | "too_many_images" => 413,
        "unknown_transfer_syntax" | "unsupported_transfer_syntax" | "unsupported_format" => 415,
        _ => 422,
    }
}

/// A file as the images of a cine: with a place, a time and an identifier between its file meta information and its data set. `None` for a
/// file that is not explicit and little-endian as these are, or is said to be something else on purpose.
fn as_cine(file: &[u8]) -> Option<Vec<Vec<u8>>> {
    let bare = DataSet::new().file();
    let placed = |set: &DataSet| set.file().get(bare.len()..).map(<[u8]>::to_vec);
    let explicit =
        DicomFile::read(Bytes::copy_from_slice(file), &Limits::default()).is_ok_and(|read| {
            read.transfer_syntax()
                .uid
                .starts_with("1.2.840.10008.1.2.4")
                || read.transfer_syntax().uid.ends_with(".2.5")
        });
    if !explicit {
        return None;
    }
    let length = usize::from(*file.get(138)?) + 140;
    let (meta, set) = file.split_at_checked(length)?;
    let stack = Stack::short_axis(2, 3, 4, 6);
    let mut files = Vec::new();
    for frame in 0..2 {
        for slice in 0..3 {
            let place = DataSet::new()
                .text((0x08, 0x18), "UI", &format!("2.25.{frame}.{slice}"))
                .text((0x20, 0x0e), "UI", "2.25.1")
                .decimals((0x18, 0x50), &[stack.step_mm])
                .decimals((0x18, 0x1060), &[stack.trigger_ms(frame)])
                .decimals((0x20, 0x32), &stack.position_mm(slice))
                .decimals((0x20, 0x37), stack.directions.as_flattened())
                .decimals((0x28, 0x30), &stack.spacing_mm);
            files.push([meta, &placed(&place)?, set].concat());
        }
    }
    Some(files)
}

fn form(files: &[Vec<u8>]) -> (String, Vec<u8>) {
    let form = files.iter().fold(Form::new(), |form, file| {
        form.file("file", "../../etc/image", file)
    });
    (Form::content_type(), form.finish())
}

/// That an answer is a refusal in words with one of these codes, and no name of a file is in it.
fn check(answer: &Answer, codes: &[&str]) -> Result<()> {
    answer.problem()?;
    let problem = answer.json()?;
    let code = problem["code"].as_str().context("no code")?;
    ensure!(
        codes.contains(&code),
        "{code} and none of {codes:?}: {problem}"
    );
    ensure!(
        answer.status == status(code),
        "{}: {problem}",
        answer.status
    );
    wording::check(problem["detail"].as_str().unwrap_or_default())?;
    ensure!(!answer.text().contains("etc/"), "{problem}");
    Ok(())
}

#[test]
fn a_service_refuses_each_upload_and_lives_on() -> Result<()> {
    let mut host = Options::new().start()?;
    let client = Client::new(&host);
    let stack = Stack::short_axis(2, 3, 64, 64);
    let images = stack.images(|frame, slice| vec![(100 * frame + 7 * slice) as u16; 64 * 64]);
    let files: Vec<Vec<u8>> = images.iter().map(DataSet::file).collect();
    let (kind, good) = form(&files);
    let path = "/api/v1/segment?model=cinecor-unet-lite";
    let send = |path: &str, kind: &str, body: &[u8]| {
        client.send("POST", path, &[("content-type", kind)], Some(body))
    };
    send(path, &kind, &good)?.expect(200)?;
    forget_peak_memory(host.pid())?;
    let (mut wrong, mut decoded) = (Vec::new(), 0);
    for case in cases() {
        let bytes = case.bytes();
        // A single file is no cine, a broken one is told first; what does not even look like DICOM is refused as no volume at all.
        let codes = [case.code, "no_images", "no_dicom", "unsupported_format"];
        for path in [path, "/api/v1/studies"] {
            let answer = send(path, "application/octet-stream", &bytes)?;
            wrong.extend(
                check(&answer, &codes)
                    .err()
                    .map(|why| format!("{}, {path}: {why:#}", case.name)),
            );
        }
        let Some(cine) = as_cine(&bytes).filter(|_| case.kind == Kind::File) else {
            continue;
        };
        decoded += 1;
        let (kind, body) = form(&cine);
        for path in [path, "/api/v1/studies"] {
            wrong.extend(
                check(&send(path, &kind, &body)?, &[case.code])
                    .err()
                    .map(|why| format!("{} as a cine, {path}: {why:#}", case.name)),
            );
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    ensure!(decoded > 20, "only {decoded} cases reached a codec");
    let peak = peak_memory_bytes(host.pid())?;
    ensure!(peak < PEAK_BYTES, "{peak} bytes");
    ensure!(host.is_running());
    // Whatever was sent was refused by the code that is there to refuse it.
    for word in ["panicked", "wasm trap"] {
        ensure!(!host.log().contains(word), "the log says {word}");
    }
    send(path, &kind, &good)?.expect(200)?;
    let studies = client.get("/api/v1/studies")?.expect(200)?.json()?;
    ensure!(
        studies["items"].as_array().is_some_and(Vec::is_empty),
        "{studies}"
    );
    Ok(())
}
