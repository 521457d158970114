//! The sets of ACDC: checked against their digests, unpacked once under `target/`, read as bytes to post.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use cinecor_tests::host::target;
use sha2::{Digest, Sha256};

/// One phase of a patient: the file to post and the experts' labels, both uncompressed NIfTI-1.
pub(crate) struct Phase {
    pub(crate) image: Vec<u8>,
    pub(crate) labels: Vec<u8>,
}

/// One patient of the set.
pub(crate) struct Patient {
    /// The set's own name for the patient, which says nothing about a person.
    pub(crate) name: String,
    /// The pathology group: NOR, DCM, HCM, MINF or RV.
    pub(crate) group: String,
    pub(crate) ed: Phase,
    pub(crate) es: Phase,
}

/// Every patient of the set, sorted by name.
///
/// # Errors
/// `CINECOR_DATA` is not set, or the archive is missing or not the one that SHA256SUMS names.
pub(crate) fn patients(set: &str) -> Result<Vec<Patient>> {
    let data = std::env::var_os("CINECOR_DATA").context(
        "CINECOR_DATA is not set: it names the folder with the archives of ACDC, which this repository does not carry",
    )?;
    let folder = unpack(Path::new(&data), set)?;
    let mut patients = Vec::new();
    for group in folders(&folder)? {
        for patient in folders(&group)? {
            if patient.join("Info.cfg").is_file() {
                patients.push(read(&patient)?);
            }
        }
    }
    ensure!(
        !patients.is_empty(),
        "{} holds no patient",
        folder.display()
    );
    patients.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(patients)
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = folder
        .read_dir()
        .with_context(|| format!("reading {}", folder.display()))?;
    Ok(entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect())
}

fn unpack(data: &Path, set: &str) -> Result<PathBuf> {
    let folder = target().join("data").join(format!("acdc-{set}"));
    if folder.is_dir() {
        return Ok(folder);
    }
    let name = format!("acdc-{set}.tar.xz");
    let archive = data.join(&name);
    let sums = std::fs::read_to_string(data.join("SHA256SUMS"))
        .with_context(|| format!("reading SHA256SUMS in {}", data.display()))?;
    let expected = sums.lines().find_map(|line| {
        let (sum, file) = line.split_once(char::is_whitespace)?;
        (file.trim().trim_start_matches('*') == name).then_some(sum)
    });
    let expected = expected.with_context(|| format!("SHA256SUMS does not name {name}"))?;
    let found = sha256(&archive)?;
    ensure!(
        found == expected,
        "{name} has SHA-256 {found}, SHA256SUMS says {expected}: fetch the archive again"
    );
    let partial = folder.with_extension("partial");
    if partial.exists() {
        std::fs::remove_dir_all(&partial)?;
    }
    std::fs::create_dir_all(&partial)?;
    let status = Command::new("tar")
        .arg("-xJf")
        .arg(&archive)
        .arg("-C")
        .arg(&partial)
        .status()
        .context("starting tar")?;
    ensure!(
        status.success(),
        "tar could not unpack {name}: {status} (is xz installed?)"
    );
    std::fs::rename(&partial, &folder)?;
    Ok(folder)
}

fn sha256(file: &Path) -> Result<String> {
    let mut digest = Sha256::new();
    std::io::copy(
        &mut File::open(file).with_context(|| format!("opening {}", file.display()))?,
        &mut digest,
    )?;
    let mut text = String::new();
    for byte in digest.finalize() {
        write!(text, "{byte:02x}")?;
    }
    Ok(text)
}

fn read(folder: &Path) -> Result<Patient> {
    let name = folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let facts = std::fs::read_to_string(folder.join("Info.cfg"))?;
    let fact = |key: &str| {
        let found = facts.lines().find_map(|line| {
            line.split_once(':')
                .filter(|(found, _)| found.trim() == key)
        });
        found
            .map(|(_, value)| value.trim().to_owned())
            .with_context(|| format!("{name}: Info.cfg names no {key}"))
    };
    let phase = |key: &str| -> Result<Phase> {
        let frame: u32 = fact(key)?
            .parse()
            .with_context(|| format!("{name}: {key} is no frame number"))?;
        let file = |end: &str| {
            let path = folder.join(format!("{name}_frame{frame:02}{end}.nii"));
            std::fs::read(&path).with_context(|| format!("reading {}", path.display()))
        };
        Ok(Phase {
            image: file("")?,
            labels: file("_gt")?,
        })
    };
    Ok(Patient {
        ed: phase("ED")?,
        es: phase("ES")?,
        group: fact("Group")?,
        name: name.clone(),
    })
}

/// Bytes of a NIfTI-1 header in which the two phases of a patient must agree: dim, datatype and bitpix, pixdim, vox_offset, scl.
const ONE_GRID: [std::ops::Range<usize>; 3] = [40..56, 70..74, 76..120];

/// Two little-endian 3-D NIfTI-1 files as one 4-D file of two frames.
///
/// # Errors
/// Files that are not so, or that do not lie on one grid.
pub(crate) fn stack(first: &[u8], second: &[u8]) -> Result<Vec<u8>> {
    for range in ONE_GRID {
        let (a, b) = (
            first.get(range.clone()).context("no header")?,
            second.get(range.clone()).context("no header")?,
        );
        ensure!(
            a == b,
            "the headers of the two phases differ in bytes {range:?}"
        );
    }
    let short = |at: usize| {
        first
            .get(at..at + 2)
            .and_then(|two| two.try_into().ok())
            .map(i16::from_le_bytes)
    };
    let float = |at: usize| {
        first
            .get(at..at + 4)
            .and_then(|four| four.try_into().ok())
            .map(f32::from_le_bytes)
    };
    if short(40) != Some(3) {
        bail!(
            "not a little-endian NIfTI-1 file of three dimensions: dim[0] is {:?}",
            short(40)
        );
    }
    let offset = float(108).context("no vox_offset")?;
    ensure!(
        (352.0..=65_536.0).contains(&offset),
        "vox_offset is {offset}, expected 352 or somewhat more"
    );
    // Truncation is what the format means: offsets are whole numbers in a float.
    let offset = offset as usize;
    let mut file = first.to_vec();
    // dim[0] = 4 axes, dim[4] = 2 frames.
    for (at, value) in [(40, 4_i16), (48, 2)] {
        if let Some(two) = file.get_mut(at..at + 2) {
            two.copy_from_slice(&value.to_le_bytes());
        }
    }
    ensure!(
        first.len() == second.len(),
        "the two phases have {} and {} bytes",
        first.len(),
        second.len()
    );
    file.extend_from_slice(second.get(offset..).context("no voxels")?);
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cinecor_formats::{DataType, Limits, SourceHeader, VoxelFormat, decode, encode_volume};
    use cinecor_volume::{Geometry, Shape, Spacing};

    fn file(values: [i16; 8]) -> Vec<u8> {
        let shape = Shape::new(1, 2, 2, 2).unwrap();
        let geometry = Geometry::axis_aligned(Spacing::new(1.5, 1.5, 8.0).unwrap(), None);
        let raw: Vec<u8> = values.into_iter().flat_map(i16::to_le_bytes).collect();
        encode_volume(
            &SourceHeader::from_geometry(&geometry, shape),
            VoxelFormat::unscaled(DataType::I16),
            shape,
            &raw,
        )
        .unwrap()
    }

    #[test]
    fn two_volumes_become_two_frames_on_the_same_grid() {
        let stacked = stack(
            &three_dimensional(file([1; 8])),
            &three_dimensional(file([2; 8])),
        )
        .unwrap();
        let volume = decode(&stacked, Limits::default()).unwrap().volume;
        assert_eq!(volume.intensities.dim(), (2, 2, 2, 2));
        assert!(volume.intensities.iter().take(8).all(|&value| value == 1.0));
        assert!(volume.intensities.iter().skip(8).all(|&value| value == 2.0));
        assert_eq!(volume.geometry.spacing.slice_mm, 8.0);
    }

    #[test]
    fn volumes_on_different_grids_are_refused() {
        let mut other = three_dimensional(file([2; 8]));
        other[80..84].copy_from_slice(&9.0_f32.to_le_bytes());
        assert!(stack(&three_dimensional(file([1; 8])), &other).is_err());
    }

    /// The encoder writes one frame as four axes of which the last is 1 or as three; the set has three.
    fn three_dimensional(mut file: Vec<u8>) -> Vec<u8> {
        file[40..42].copy_from_slice(&3_i16.to_le_bytes());
        file
    }
}
