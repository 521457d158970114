//! How fast the files of a folder are read, headers and pixels, beside pydicom, turn by turn in one run:
//!
//! ```text
//! CINECOR_PYTHON=target/python/bin/python cargo run --release -p cinecor-dicom --example beside_pydicom -- FOLDER
//! ```

use std::error::Error;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use bytes::Bytes;
use cinecor_dicom::{DicomFile, Limits};

const TURNS: usize = 7;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os()
        .nth(1)
        .map(PathBuf::from)
        .ok_or("name a folder of DICOM files")?;
    let python = std::env::var_os("CINECOR_PYTHON")
        .ok_or("CINECOR_PYTHON names the interpreter that has pydicom")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/beside_pydicom.py");
    let mut peer = Command::new(python)
        .arg(script)
        .arg(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = peer.stdin.take().ok_or("no input")?;
    let mut output = BufReader::new(peer.stdout.take().ok_or("no output")?);

    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    // The first turn fills the cache of files.
    for turn in 0..=TURNS {
        writeln!(input, "go")?;
        input.flush()?;
        let mut line = String::new();
        output.read_line(&mut line)?;
        let (peer_ms, peer_sum) = line.trim().split_once(' ').ok_or("pydicom said nothing")?;
        let (ms, sum) = read(&paths)?;
        if sum.to_string() != peer_sum {
            return Err(
                format!("the pixels add up to {sum}, those of pydicom to {peer_sum}").into(),
            );
        }
        if turn > 0 {
            ours.push(ms);
            theirs.push(peer_ms.parse::<f64>()?);
        }
    }
    drop(input);
    peer.wait()?;
    let (ours, theirs) = (median(ours), median(theirs));
    println!(
        "{} files, medians of {TURNS} turns: cinecor-dicom {ours:.1} ms, pydicom {theirs:.1} ms, {:.1} times as long",
        paths.len(),
        theirs / ours
    );
    Ok(())
}

/// The milliseconds that reading every file took, and the sum of all pixels.
fn read(paths: &[PathBuf]) -> Result<(f64, i64), Box<dyn Error>> {
    let started = Instant::now();
    let (mut values, mut sum) = (Vec::new(), 0);
    for path in paths {
        let file = DicomFile::read(Bytes::from(std::fs::read(path)?), &Limits::default())?;
        for frame in 0..file.pixels().map_or(0, |pixels| pixels.frames) {
            file.frame(frame, &mut values)?;
            sum += values.iter().map(|value| i64::from(*value)).sum::<i64>();
        }
    }
    Ok((started.elapsed().as_secs_f64() * 1000.0, sum))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
