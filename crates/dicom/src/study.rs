//! From files to one study: its header and its frames as any other volume has them, what it tells of the subject and the scanner, and
//! what was removed.
//!
//! The files stay in memory as they came; each frame is decoded when it is asked for.

use bytes::Bytes;
use cinecor_formats::{
    Container, DataType, DecodeError, DecodedFrame, Header, SourceHeader, VoxelFormat, Warning,
    WarningCode,
};
use cinecor_volume::SliceAxis;
use sha2::{Digest, Sha256};

use crate::archive::ArchivedFile;
use crate::deidentify::Removed;
use crate::error::DicomError;
use crate::facts::{Equipment, Facts, Told};
use crate::file::DicomFile;
use crate::header::{self, Identifiers, PATIENT, STUDY_INSTANCE};
use crate::limits::Limits;
use crate::modality;
use crate::pixels::{Photometric, PixelLayout};
use crate::series::{self, Cine, Plane, SeriesError};

/// Why files make no study.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StudyError {
    /// A file that is broken.
    #[error("{}{error}", one_of(*.files))]
    File {
        /// DICOM files there are.
        files: usize,
        /// What is wrong with it.
        error: DicomError,
    },
    /// Files without a cine.
    #[error(transparent)]
    Series(#[from] SeriesError),
    /// A frame that makes no volume.
    #[error(transparent)]
    Frame(#[from] DecodeError),
}

fn one_of(files: usize) -> String {
    match files {
        0 | 1 => String::new(),
        _ => format!("one of the {files} DICOM files cannot be taken: "),
    }
}

impl StudyError {
    /// A stable name of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            StudyError::File { error, .. } => error.code(),
            StudyError::Series(error) => error.code(),
            StudyError::Frame(error) => error.code(),
        }
    }
}

/// A short-axis cine in DICOM files.
pub struct Study {
    header: Header,
    files: Vec<DicomFile>,
    planes: Vec<Plane>,
    grid: Vec<Vec<usize>>,
    facts: Facts,
    equipment: Equipment,
    removed: Removed,
    sha256: String,
    bytes: u64,
    padded: u64,
}

/// A file that may belong to a study: what it says of itself, and its digest. Of a deflated file in an archive only the header is held.
#[derive(Clone, Debug)]
pub struct Candidate {
    digest: [u8; 32],
    bytes: u64,
    file: Result<DicomFile, DicomError>,
}

impl Candidate {
    /// Reads a file. One that is broken is a candidate too: whether it matters is seen when all are there.
    pub fn read(bytes: Bytes, limits: &Limits) -> Candidate {
        Candidate {
            digest: Sha256::digest(&bytes).into(),
            bytes: bytes.len() as u64,
            file: DicomFile::read(bytes, limits),
        }
    }

    /// The file, or why it cannot be read.
    ///
    /// # Errors
    /// As [`DicomFile::read`].
    pub fn file(&self) -> Result<&DicomFile, DicomError> {
        self.file.as_ref().map_err(Clone::clone)
    }

    /// Reads a file of an archive.
    pub fn of_archive(file: ArchivedFile, limits: &Limits) -> Candidate {
        let candidate = Candidate::read(file.bytes, limits);
        match file.packed {
            Some(packed) => Candidate {
                file: candidate.file.map(|file| file.keep_packed(packed)),
                ..candidate
            },
            None => candidate,
        }
    }
}

/// One file while the study is made.
struct Read {
    file: DicomFile,
    layout: PixelLayout,
}

impl Study {
    /// Finds the short-axis cine among the files of an upload; `passed_over` counts those that are no DICOM and were left out.
    ///
    /// # Errors
    /// [`StudyError`]: a file that is broken, or files in which there is no such cine.
    pub fn find(
        mut files: Vec<Candidate>,
        passed_over: usize,
        limits: &Limits,
    ) -> Result<Study, StudyError> {
        let count = files.len();
        let bytes = files.iter().map(|file| file.bytes).sum();
        // From here on nothing depends on the order in which files came.
        files.sort_by_key(|file| file.digest);
        let sha256 = joint_digest(files.iter().map(|file| &file.digest));
        files.dedup_by_key(|file| file.digest);
        let copies = count - files.len();

        let refused = |error| StudyError::File {
            files: count,
            error,
        };
        let mut removed = Removed::default();
        let mut identifiers = Identifiers::default();
        let mut patients = Vec::new();
        let mut planes = Vec::new();
        let mut read: Vec<Read> = Vec::new();
        let mut without_image = passed_over;
        let mut too_large = None;
        let mut other_modalities = Vec::new();
        for Candidate { digest, file, .. } in files {
            let file = match file {
                Ok(file) => file,
                // A report or a screenshot beside the series: what it is does not matter as long as the cine is there.
                Err(
                    error @ (DicomError::TooLarge { .. }
                    | DicomError::MissingAttribute { .. }
                    | DicomError::BadAttribute { .. }),
                ) => {
                    too_large = too_large.or(Some(error));
                    without_image += 1;
                    continue;
                }
                Err(error) => return Err(refused(error)),
            };
            removed.read(&file);
            let data = file.data();
            let Some(layout) = file.pixels().copied() else {
                without_image += 1;
                continue;
            };
            // Whose image it is counts whatever made it: files of two people are a mistake that nobody should look past.
            if data.text(PATIENT).is_some() {
                patients.push(identifiers.number(&data, PATIENT));
            }
            if let Some(modality) = modality::other_than_mr(&data) {
                other_modalities.push(modality);
                continue;
            }
            if planes.len().saturating_add(layout.frames) > limits.images {
                let limit = limits.images;
                return Err(SeriesError::TooManyImages { limit }.into());
            }
            let of_file = header::planes(
                &data,
                read.len(),
                digest,
                layout.frames,
                (layout.rows, layout.columns),
                &mut identifiers,
            );
            if of_file.is_empty() {
                without_image += 1;
                continue;
            }
            planes.extend(of_file);
            read.push(Read { file, layout });
        }
        other_modalities.sort_unstable();
        patients.sort_unstable();
        patients.dedup();
        if patients.len() > 1 {
            let patients = patients.len();
            return Err(SeriesError::SeveralPatients { patients }.into());
        }
        if planes.is_empty() {
            return Err(match (other_modalities.is_empty(), too_large) {
                (false, _) => SeriesError::NotMagneticResonance {
                    images: other_modalities.len(),
                    found: modality::listed(other_modalities),
                }
                .into(),
                (true, Some(error)) => refused(error),
                (true, None) => SeriesError::NoImages { files: count }.into(),
            });
        }
        let Cine {
            grid,
            shape,
            geometry,
            mut warnings,
        } = series::find(&planes, &limits.shape)?;

        let mut used: Vec<usize> = grid.iter().flatten().copied().collect();
        used.sort_unstable();
        used.dedup();
        let used_planes = || used.iter().filter_map(|plane| planes.get(*plane));
        let mut of_files: Vec<usize> = used_planes().map(|plane| plane.file).collect();
        of_files.sort_unstable();
        of_files.dedup();
        let mut told = Told::default();
        let mut studies = Vec::new();
        for file in of_files.iter().filter_map(|file| read.get(*file)) {
            let data = file.file.data();
            told.read(&data);
            removed.flag(&data);
            if data.text(STUDY_INSTANCE).is_some() {
                studies.push(identifiers.number(&data, STUDY_INSTANCE));
            }
        }
        studies.sort_unstable();
        studies.dedup();
        let layouts = used_planes()
            .filter_map(|plane| Some((read.get(plane.file)?.layout, plane.rescale)))
            .collect::<Vec<_>>();
        let voxels = voxels(&layouts);
        let mut tell = |code, detail: String| warnings.push(Warning { code, detail });
        if copies > 0 {
            tell(
                WarningCode::Duplicates,
                format!(
                    "{copies} of {count} files were there twice, byte for byte; one of each was taken"
                ),
            );
        }
        if without_image > 0 {
            tell(
                WarningCode::FilesPassedOver,
                format!(
                    "{without_image} files were passed over: they are no DICOM, or hold no image of a scanner with a place"
                ),
            );
        }
        if !other_modalities.is_empty() {
            tell(
                WarningCode::FilesPassedOver,
                format!(
                    "Images that are not of magnetic resonance were passed over, {} of them: their modality (0008,0060) is {}",
                    other_modalities.len(),
                    modality::listed(other_modalities)
                ),
            );
        }
        if studies.len() > 1 {
            tell(
                WarningCode::SeveralStudies,
                format!(
                    "the images name {} different studies (0020,000d); they fit into one stack and were taken as one",
                    studies.len()
                ),
            );
        }
        if layouts
            .iter()
            .any(|(layout, _)| layout.photometric == Photometric::Monochrome1)
        {
            tell(
                WarningCode::Inverted,
                "the images show the smallest value as white (MONOCHROME1); their values were turned around".to_owned(),
            );
        }
        if !removed.burned_in.is_empty() {
            let tags: Vec<String> = removed.burned_in.iter().map(ToString::to_string).collect();
            tell(
                WarningCode::BurnedIn,
                format!(
                    "the header says that the pixels may hold text or a face ({}); pixels are kept as they are, look at them before passing them on",
                    tags.join(", ")
                ),
            );
        }
        Ok(Study {
            header: Header {
                container: Container::Dicom,
                shape,
                source: SourceHeader::from_geometry(&geometry, shape),
                geometry,
                voxels,
                warnings,
                removed: Vec::new(),
            },
            files: read.into_iter().map(|read| read.file).collect(),
            planes,
            grid,
            facts: told.facts(),
            equipment: told.equipment(),
            removed,
            sha256,
            bytes,
            padded: 0,
        })
    }

    /// Its header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What the cine's files tell of the subject.
    pub fn facts(&self) -> Facts {
        self.facts
    }

    /// What they tell of the scanner.
    pub fn equipment(&self) -> &Equipment {
        &self.equipment
    }

    /// What was removed of all files.
    pub fn removed(&self) -> &Removed {
        &self.removed
    }

    /// SHA-256 of the one file, or of the sorted SHA-256 digests of all files as `sha256sum FILES | cut -c-64 | sort | sha256sum` makes
    /// it; lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Bytes of all files together.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Decodes one frame, from 0: padding becomes the darkest value of its image, and inverted shades are turned around.
    ///
    /// # Errors
    /// [`StudyError::File`] for pixels that cannot be decoded.
    pub fn frame(&mut self, index: usize) -> Result<DecodedFrame, StudyError> {
        let shape = self.header.shape;
        let format = self.header.voxels;
        let mut raw = Vec::with_capacity(format.frame_bytes(&shape));
        let mut stored = Vec::new();
        let refused = |error| StudyError::File {
            files: self.files.len(),
            error,
        };
        for number in self.grid.get(index).into_iter().flatten() {
            let place = self
                .planes
                .get(*number)
                .and_then(|plane| Some((plane, self.files.get(plane.file)?)));
            let Some((plane, file)) = place else {
                return Err(refused(DicomError::NoPixels));
            };
            file.frame(plane.frame, &mut stored).map_err(refused)?;
            if let Some(layout) = file.pixels() {
                self.padded += unpad(&mut stored, layout);
                invert(&mut stored, layout);
            }
            write(&stored, format.data_type, plane.rescale, &mut raw);
        }
        let intensities = format.intensities(&raw, &shape, SliceAxis::Third)?;
        Ok(DecodedFrame {
            index,
            intensities: intensities.frame,
            raw,
            replaced: intensities.replaced,
        })
    }

    /// Doubts that only the pixels could raise; complete when every frame was decoded.
    pub fn pixel_warnings(&self) -> Vec<Warning> {
        let detail = format!(
            "{} pixels hold a padding value of the header (0028,0120 and 0028,0121), which marks what is outside of the image; they became the darkest value of their image",
            self.padded
        );
        match self.padded {
            0 => Vec::new(),
            _ => vec![Warning {
                code: WarningCode::PixelPadding,
                detail,
            }],
        }
    }
}

impl std::fmt::Debug for Study {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Study")
            .field("shape", &self.header.shape)
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

fn joint_digest<'a>(digests: impl ExactSizeIterator<Item = &'a [u8; 32]>) -> String {
    let count = digests.len();
    let lines: Vec<String> = digests.map(|digest| hexadecimal(digest)).collect();
    match (count, lines.first()) {
        (1, Some(only)) => only.clone(),
        _ => {
            let mut joint = Sha256::new();
            for line in &lines {
                joint.update(line);
                joint.update("\n");
            }
            hexadecimal(&joint.finalize())
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The least and the largest value that the bits of a layout can say.
fn range(layout: &PixelLayout) -> (i64, i64) {
    match layout.signed {
        true => {
            let half = 1i64 << layout.bits_stored.saturating_sub(1).min(31);
            (-half, half - 1)
        }
        false => (0, (1i64 << layout.bits_stored.min(31)) - 1),
    }
}

/// How the frames of a cine are stored: as integers with one scaling where its images have one, else as the values themselves.
fn voxels(layouts: &[(PixelLayout, Option<(f64, f64)>)]) -> VoxelFormat {
    let scaling = layouts.first().and_then(|(_, rescale)| *rescale);
    if layouts.iter().any(|(_, rescale)| *rescale != scaling) {
        return VoxelFormat::unscaled(DataType::F32);
    }
    let (low, high) = layouts
        .iter()
        .map(|(layout, _)| range(layout))
        .fold((0, 0), |(low, high), (least, most)| {
            (least.min(low), most.max(high))
        });
    let fits = |least: i64, most: i64| low >= least && high <= most;
    let data_type = match () {
        () if fits(0, u8::MAX.into()) => DataType::U8,
        () if fits(i16::MIN.into(), i16::MAX.into()) => DataType::I16,
        () if fits(0, u16::MAX.into()) => DataType::U16,
        () => DataType::I32,
    };
    VoxelFormat { data_type, scaling }
}

/// Replaces padding by the smallest value of the image, or the largest where white is small, and counts it.
fn unpad(stored: &mut [i32], layout: &PixelLayout) -> u64 {
    let Some([least, most]) = layout.padding else {
        return 0;
    };
    let is_padding = |value: i32| (least..=most).contains(&value);
    let image = stored.iter().copied().filter(|value| !is_padding(*value));
    let darkest = match layout.photometric {
        Photometric::Monochrome1 => image.max(),
        _ => image.min(),
    };
    // An image of nothing but padding is an image of those values.
    let Some(darkest) = darkest else { return 0 };
    let mut padded = 0;
    for value in stored.iter_mut().filter(|value| is_padding(**value)) {
        *value = darkest;
        padded += 1;
    }
    padded
}

/// Turns the values of an image around that shows small ones as white.
fn invert(stored: &mut [i32], layout: &PixelLayout) {
    if layout.photometric != Photometric::Monochrome1 {
        return;
    }
    let (low, high) = range(layout);
    for value in stored {
        // Within the range of the layout, as the value was.
        *value = i32::try_from(low + high - i64::from(*value)).unwrap_or(*value);
    }
}

/// Appends stored values as little-endian numbers of a type that holds them.
fn write(stored: &[i32], data_type: DataType, rescale: Option<(f64, f64)>, raw: &mut Vec<u8>) {
    match data_type {
        // The type was chosen by the bits of the values: nothing is cut off.
        DataType::U8 => raw.extend(stored.iter().map(|value| *value as u8)),
        DataType::I16 | DataType::U16 => {
            raw.extend(
                stored
                    .iter()
                    .flat_map(|value| (*value as u16).to_le_bytes()),
            );
        }
        DataType::F32 => {
            let (slope, intercept) = rescale.unwrap_or((1.0, 0.0));
            raw.extend(
                stored.iter().flat_map(|value| {
                    ((f64::from(*value) * slope + intercept) as f32).to_le_bytes()
                }),
            );
        }
        _ => raw.extend(stored.iter().flat_map(|value| value.to_le_bytes())),
    }
}
