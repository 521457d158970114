//! A cine as DICOM files: what it costs over the bare engine, what memory it takes, and how fast its files are read beside pydicom.

use std::io::{Cursor, Write as _};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use cinecor_dicom::{DicomFile, Limits};
use cinecor_phantom::MAX_GREY;
use cinecor_phantom::dicom::Stack;
use cinecor_tests::client::Client;
use cinecor_tests::forms::Form;
use cinecor_tests::host::{Options, forget_peak_memory, peak_memory_bytes, root};
use cinecor_tests::volumes;
use serde_json::Value;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::bare::bare_engine;
use crate::report::{Goal, Part, Row};
use crate::service::{Asked, Turns, one_shot, python, ready};

const FRAMES: usize = 20;
const SLICES: usize = 13;
const SIZE: usize = 256;

/// What may be held beyond the upload: frames of 32 bits, and whatever else.
const FRAMES_HELD: usize = 3;
const BESIDES_BYTES: f64 = 100e6;

const MIB: f64 = 1_048_576.0;

/// A way to send the files.
struct Upload {
    what: &'static str,
    kind: String,
    body: Vec<u8>,
}

/// Whole requests, memory, and reading alone.
pub(crate) fn as_dicom(options: &Options) -> Result<Part> {
    let files = cine()?;
    let uploads = [
        Upload {
            what: "a zip, stored",
            kind: "application/zip".to_owned(),
            body: zipped(&files, CompressionMethod::Stored)?,
        },
        Upload {
            what: "a zip, deflated",
            kind: "application/zip".to_owned(),
            body: zipped(&files, CompressionMethod::Deflated)?,
        },
        Upload {
            what: "a form of files",
            kind: Form::content_type(),
            body: files
                .iter()
                .fold(Form::new(), |form, file| form.file("file", "image", file))
                .finish(),
        },
    ];
    let mut rows = over_the_engine(options, &uploads)?;
    for upload in &uploads {
        rows.push(memory(upload)?);
    }
    rows.push(beside_pydicom(&files)?);
    Ok(Part {
        sides: ["service", "bare engine, allowance or pydicom"],
        rows,
        notes: vec![format!(
            "The cine has {SLICES} slices × {FRAMES} frames of {SIZE} × {SIZE} pixels of 16 bits, one uncompressed file an image. Memory is the peak of the host (VmHWM) \
             above what it held after one request of one frame, each on a host of its own; the allowance is the body, {FRAMES_HELD} frames of 32 bits and 100 MB. Reading is \
             headers and pixels of all files, without a zip and without a service."
        )],
    })
}

/// The phantom heart, one file an image.
fn cine() -> Result<Vec<Vec<u8>>> {
    let (_, frames) = volumes::phantom_with_truth(SLICES, FRAMES)?;
    let stack = Stack {
        spacing_mm: [1.4, 1.4],
        ..Stack::short_axis(FRAMES, SLICES, SIZE, SIZE)
    };
    let pixels = |frame: usize, slice: usize| -> Vec<u16> {
        let greys = frames.get(frame).map(|frame| frame.intensities.iter());
        greys
            .into_iter()
            .flatten()
            .skip(slice * SIZE * SIZE)
            .take(SIZE * SIZE)
            .map(|grey| grey.clamp(0.0, MAX_GREY).round() as u16)
            .collect()
    };
    let images = stack.images(pixels);
    Ok(images.iter().map(|image| image.file()).collect())
}

fn zipped(files: &[Vec<u8>], method: CompressionMethod) -> Result<Vec<u8>> {
    let options = SimpleFileOptions::default().compression_method(method);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (index, file) in files.iter().enumerate() {
        archive.start_file(format!("{index}.dcm"), options)?;
        archive.write_all(file)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// Sends the files; the milliseconds until the answer was there.
fn send(client: &Client, upload: &Upload) -> Result<f64> {
    let started = Instant::now();
    let answer = client.send(
        "POST",
        "/api/v1/segment",
        &[("content-type", &upload.kind)],
        Some(&upload.body),
    )?;
    let ms = started.elapsed().as_secs_f64() * 1000.0;
    let answer: Value = answer.expect(200)?.json()?;
    let shape = &answer["study"]["shape"];
    ensure!(
        shape["frames"] == FRAMES && shape["slices"] == SLICES,
        "{}: {shape}",
        upload.what
    );
    Ok(ms)
}

fn over_the_engine(options: &Options, uploads: &[Upload]) -> Result<Vec<Row>> {
    let (host, _) = ready(options)?;
    let client = Client::new(&host);
    let first = one_shot(&client, &volumes::phantom(11, 1)?)?;
    let (mut engine, _) = bare_engine(&first)?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("cine.nii.gz");
    std::fs::write(&file, volumes::phantom(SLICES, FRAMES)?)?;
    let line = file.display().to_string();
    engine.ask(&line)?;
    let mut ours = vec![Vec::new(); uploads.len()];
    let mut theirs = Vec::new();
    Turns::LONG.each(|| {
        theirs.push(engine.ask(&line)?);
        for (upload, times) in uploads.iter().zip(&mut ours) {
            times.push(send(&client, upload)?);
        }
        Ok(())
    })?;
    let rows = uploads.iter().zip(ours).map(|(upload, ours)| Row {
        what: format!("cine as {}", upload.what),
        unit: "ms",
        ours,
        theirs: theirs.clone(),
        goal: Goal::AtMost(1.15),
    });
    Ok(rows.collect())
}

fn memory(upload: &Upload) -> Result<Row> {
    let state = tempfile::tempdir()?;
    let (host, _) = ready(&Options::new().state(state.path()))?;
    let client = Client::new(&host);
    one_shot(&client, &volumes::phantom(SLICES, 1)?)?;
    // Counted anew, the peak is what is held now.
    forget_peak_memory(host.pid())?;
    let idle = peak_memory_bytes(host.pid())? as f64;
    send(&client, upload)?;
    let peak = peak_memory_bytes(host.pid())? as f64;
    let frames = (FRAMES_HELD * SLICES * SIZE * SIZE * 4) as f64;
    Ok(Row {
        what: format!("memory of {}, above idle", upload.what),
        unit: "MiB",
        ours: vec![(peak - idle) / MIB],
        theirs: vec![(upload.body.len() as f64 + frames + BESIDES_BYTES) / MIB],
        goal: Goal::AtMost(1.0),
    })
}

fn beside_pydicom(files: &[Vec<u8>]) -> Result<Row> {
    let folder = tempfile::tempdir()?;
    let mut paths = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let path = folder.path().join(format!("{index:04}.dcm"));
        std::fs::write(&path, file)?;
        paths.push(path);
    }
    let mut peer = Asked::start(
        Command::new(python("CINECOR_PYTHON")?)
            .arg(root().join("crates/dicom/examples/beside_pydicom.py"))
            .arg(folder.path()),
    )?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut turn = || -> Result<[f64; 2]> {
        let said = peer.say("go")?;
        let (ms, peer_sum) = said
            .split_once(' ')
            .with_context(|| format!("pydicom said {said:?}"))?;
        let started = Instant::now();
        let (mut values, mut sum) = (Vec::new(), 0);
        for path in &paths {
            let file = DicomFile::read(Bytes::from(std::fs::read(path)?), &Limits::default())?;
            for frame in 0..file.pixels().map_or(0, |pixels| pixels.frames) {
                file.frame(frame, &mut values)?;
                sum += values.iter().map(|value| i64::from(*value)).sum::<i64>();
            }
        }
        let own_ms = started.elapsed().as_secs_f64() * 1000.0;
        ensure!(sum.to_string() == peer_sum, "{sum} is not pydicom's sum");
        Ok([own_ms, ms.parse()?])
    };
    // Fills the cache of files.
    turn()?;
    Turns::SHORT.each(|| {
        let [own, other] = turn()?;
        ours.push(own);
        theirs.push(other);
        Ok(())
    })?;
    Ok(Row {
        what: "reading the files, without a zip".to_owned(),
        unit: "ms",
        ours,
        theirs,
        goal: Goal::AtMost(0.5),
    })
}
