//! The push decoder: bytes of a `.nii` or `.nii.gz` in, header and frames out. Sans IO; memory follows one frame.

use std::fmt;

use cinecor_volume::{Frame, LabelFrame, Mask, Shape, SliceAxis, Volume};
use ndarray::{Array3, Array4};

use crate::error::DecodeError;
use crate::geometry;
use crate::gunzip::Gunzip;
use crate::header::{self, Container, Header, RawHeader};
use crate::limits::Limits;
use crate::sniff;
use crate::voxels::{Intensities, VoxelFormat, labels_of, swap_bytes};
use crate::warning::{Warning, WarningCode};

/// Inflated bytes held between two steps; large enough to keep the inflater busy, small enough to stay in the cache.
const INFLATE_BUFFER_BYTES: usize = 128 << 10;

/// One frame as it was read.
#[derive(Clone)]
pub struct DecodedFrame {
    /// Its number, from 0.
    pub index: usize,
    /// Grey values, shape `[Z, Y, X]`, all finite.
    pub intensities: Frame,
    /// The numbers as they were stored, little-endian, in the header's [`crate::VoxelFormat`] and the file's own order of axes: what is kept
    /// to give the volume back.
    pub raw: Vec<u8>,
    /// How many grey values were NaN or infinite and are 0 now.
    pub replaced: usize,
}

impl DecodedFrame {
    /// The labels of a mask's frame.
    ///
    /// # Errors
    /// [`DecodeError::BadLabel`] for values that are no labels. One that was NaN or infinite is none either: counted as background it
    /// would make a volume too small without a word.
    pub fn labels(&self) -> Result<LabelFrame, DecodeError> {
        if self.replaced > 0 {
            return Err(DecodeError::BadLabel {
                frame: self.index,
                found: f32::NAN,
            });
        }
        labels_of(&self.intensities, self.index)
    }
}

impl fmt::Debug for DecodedFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodedFrame")
            .field("index", &self.index)
            .field("shape", &self.intensities.dim())
            .field("replaced", &self.replaced)
            .finish_non_exhaustive()
    }
}

/// What a decoder has to say.
#[derive(Clone, Debug)]
pub enum Event {
    /// The header, once, before any frame.
    Header(Box<Header>),
    /// The next frame; they come in order.
    Frame(DecodedFrame),
}

/// What is known when the whole file was read.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Doubts that only the voxels or the end of the file could raise; those of the header came with it.
    pub warnings: Vec<Warning>,
    /// Bytes of the NIfTI file itself, inflated.
    pub inflated_bytes: u64,
}

/// Reads one NIfTI file from the chunks it arrives in.
///
/// [`Decoder::next`] gives one event at a time and takes what it used off the front of its input, so that never more than one
/// frame is in memory; [`Decoder::push`] gathers the events of a whole chunk. [`Decoder::finish`] has to be called at the end:
/// only then is it known that the file was whole.
pub struct Decoder {
    limits: Limits,
    source: Source,
    /// Inflated bytes that wait; empty for plain files.
    buffer: Vec<u8>,
    /// The waiting bytes are `buffer[start..end]`.
    start: usize,
    end: usize,
    reader: Reader,
    spent: bool,
}

/// How the file arrives.
enum Source {
    /// The first two bytes decide.
    Undecided(Vec<u8>),
    Plain,
    Gzip(Box<Gunzip>),
}

impl Decoder {
    /// A decoder that has read nothing.
    pub fn new(limits: Limits) -> Decoder {
        Decoder {
            limits,
            source: Source::Undecided(Vec::new()),
            buffer: Vec::new(),
            start: 0,
            end: 0,
            reader: Reader::new(limits),
            spent: false,
        }
    }

    /// Reads on to the next event. `None` means that `input` is used up and more is needed, or that the file is at its end.
    ///
    /// # Errors
    /// Every [`DecodeError`]; afterwards the decoder answers [`DecodeError::Spent`].
    #[allow(
        clippy::should_implement_trait,
        reason = "a decoder is fed; an iterator could not be"
    )]
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Event>, DecodeError> {
        if self.spent {
            return Err(DecodeError::Spent);
        }
        let event = self.advance(input);
        self.spent = event.is_err();
        event
    }

    /// Reads a chunk and gives all that it completed.
    ///
    /// # Errors
    /// As [`Decoder::next`]. Events of the same chunk that came before the error are lost with it.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Vec<Event>, DecodeError> {
        let mut input = chunk;
        let mut events = Vec::new();
        while let Some(event) = self.next(&mut input)? {
            events.push(event);
        }
        Ok(events)
    }

    /// Says that the file is at its end, and asks whether it was whole.
    ///
    /// # Errors
    /// [`DecodeError::Empty`], [`DecodeError::Truncated`], [`DecodeError::TruncatedGzip`], or what the first bytes of a file
    /// that ends before its header say it is.
    pub fn finish(self) -> Result<Summary, DecodeError> {
        if self.spent {
            return Err(DecodeError::Spent);
        }
        let mut garbage = 0;
        match &self.source {
            Source::Undecided(start) => {
                return Err(match start.is_empty() {
                    true => DecodeError::Empty,
                    false => DecodeError::UnsupportedFormat {
                        found: sniff::identify(start),
                    },
                });
            }
            Source::Plain => {}
            Source::Gzip(gunzip) => {
                // A file that is not NIfTI is told as what it is, before its gzip is found to be cut.
                if !self.reader.may_be_nifti() {
                    self.reader.finish(0)?;
                }
                gunzip.finish()?;
                garbage = gunzip.garbage_bytes();
            }
        }
        self.reader.finish(garbage)
    }

    fn advance(&mut self, input: &mut &[u8]) -> Result<Option<Event>, DecodeError> {
        if let Source::Undecided(start) = &mut self.source {
            let missing = 2usize.saturating_sub(start.len()).min(input.len());
            let (head, rest) = input.split_at(missing);
            start.extend_from_slice(head);
            *input = rest;
            if start.len() < 2 {
                return Ok(None);
            }
            let start = std::mem::take(start);
            if sniff::is_gzip(&start) {
                self.buffer = vec![0; INFLATE_BUFFER_BYTES];
                let mut gunzip = Gunzip::new(self.limits);
                gunzip.inflate(&mut start.as_slice(), &mut [])?;
                self.source = Source::Gzip(Box::new(gunzip));
                self.reader.gzip = true;
            } else {
                self.source = Source::Plain;
                // Two bytes complete nothing.
                self.reader.read(&mut start.as_slice())?;
            }
        }
        let Source::Gzip(gunzip) = &mut self.source else {
            return self.reader.read(input);
        };
        loop {
            let mut waiting = self.buffer.get(self.start..self.end).unwrap_or_default();
            let event = self.reader.read(&mut waiting)?;
            self.start = self.end - waiting.len();
            if event.is_some() {
                return Ok(event);
            }
            self.start = 0;
            self.end = gunzip.inflate(input, &mut self.buffer)?;
            self.reader.check_garbage(gunzip.garbage_bytes())?;
            if self.end == 0 {
                return Ok(None);
            }
        }
    }
}

/// Reads the inflated file.
struct Reader {
    limits: Limits,
    gzip: bool,
    stage: Stage,
    bytes: u64,
    replaced: u64,
}

enum Stage {
    /// Gathering the first bytes.
    Start(Vec<u8>),
    /// Reading over extensions, then reading voxels.
    Body(Box<Body>),
    /// Behind the last voxel.
    End {
        trailing: u64,
        voxel_bytes: u64,
        slice_bytes: u64,
    },
}

struct Body {
    shape: Shape,
    slice_axis: SliceAxis,
    voxels: VoxelFormat,
    big_endian: bool,
    /// Bytes between header and voxels, and how many of them are still to come.
    gap_bytes: u64,
    gap_left: u64,
    frame_bytes: usize,
    index: usize,
    raw: Vec<u8>,
}

impl Body {
    fn voxel_bytes(&self) -> u64 {
        self.frame_bytes as u64 * self.shape.frames as u64
    }
}

impl Reader {
    fn new(limits: Limits) -> Reader {
        Reader {
            limits,
            gzip: false,
            stage: Stage::Start(Vec::new()),
            bytes: 0,
            replaced: 0,
        }
    }

    /// Whether the file is, or with the few bytes that were read could yet be, a NIfTI file.
    fn may_be_nifti(&self) -> bool {
        match &self.stage {
            Stage::Start(start) => start.len() < 4 || header::announced(start).is_some(),
            _ => true,
        }
    }

    fn read(&mut self, input: &mut &[u8]) -> Result<Option<Event>, DecodeError> {
        loop {
            let available = input.len();
            let step = self.step(input)?;
            self.bytes += (available - input.len()) as u64;
            match step {
                Step::Event(event) => return Ok(Some(event)),
                Step::Again => {}
                Step::Starved => return Ok(None),
            }
        }
    }

    fn step(&mut self, input: &mut &[u8]) -> Result<Step, DecodeError> {
        match &mut self.stage {
            Stage::Start(start) => {
                let wanted = match header::announced(start) {
                    Some((version, _)) => version.header_bytes(),
                    None if start.len() < 4 => 4,
                    None => sniff::SNIFF_BYTES,
                };
                take(input, start, wanted);
                if start.len() < wanted {
                    return Ok(Step::Starved);
                }
                if wanted == 4 {
                    return Ok(Step::Again);
                }
                let start = std::mem::take(start);
                let (header, body) = self.header(&start)?;
                self.stage = Stage::Body(Box::new(body));
                Ok(Step::Event(Event::Header(Box::new(header))))
            }
            Stage::Body(body) => {
                let skipped = usize::try_from(body.gap_left)
                    .unwrap_or(usize::MAX)
                    .min(input.len());
                *input = input.get(skipped..).unwrap_or_default();
                body.gap_left -= skipped as u64;
                if body.raw.capacity() == 0 && !input.is_empty() {
                    // The limits of the header bound this; it is asked for when the first voxel is there.
                    body.raw.reserve_exact(body.frame_bytes);
                }
                take(input, &mut body.raw, body.frame_bytes);
                if body.raw.len() < body.frame_bytes {
                    return Ok(Step::Starved);
                }
                let mut raw = std::mem::take(&mut body.raw);
                if body.big_endian {
                    swap_bytes(&mut raw, body.voxels.data_type);
                }
                let voxels = body.shape.voxels_per_frame();
                let Intensities {
                    frame: intensities,
                    replaced,
                } = body
                    .voxels
                    .intensities(&raw, &body.shape, body.slice_axis)?;
                let index = body.index;
                if replaced == voxels {
                    return Err(DecodeError::NoFiniteVoxels {
                        frame: index,
                        voxels,
                    });
                }
                self.replaced += replaced as u64;
                body.index += 1;
                if body.index == body.shape.frames {
                    let voxel_bytes = body.voxel_bytes();
                    let slice_bytes = (body.frame_bytes / body.shape.slices) as u64;
                    self.stage = Stage::End {
                        trailing: 0,
                        voxel_bytes,
                        slice_bytes,
                    };
                }
                Ok(Step::Event(Event::Frame(DecodedFrame {
                    index,
                    intensities,
                    raw,
                    replaced,
                })))
            }
            Stage::End { trailing, .. } => {
                *trailing += input.len() as u64;
                *input = &[];
                self.check_garbage(0)?;
                Ok(Step::Starved)
            }
        }
    }

    /// Refuses more bytes behind the last voxel than padding; `garbage` are those behind the gzip stream.
    fn check_garbage(&self, garbage: u64) -> Result<(), DecodeError> {
        let found = self.trailing() + garbage;
        match self.stage {
            Stage::End {
                voxel_bytes,
                slice_bytes,
                ..
            } if found > self.limits.trailing_bytes || (found > 0 && found >= slice_bytes) => {
                Err(DecodeError::TrailingData {
                    found,
                    expected: voxel_bytes,
                })
            }
            // Garbage behind a gzip stream that ended before the voxels did: the file is cut, which `finish` says.
            _ => Ok(()),
        }
    }

    fn trailing(&self) -> u64 {
        if let Stage::End { trailing, .. } = self.stage {
            trailing
        } else {
            0
        }
    }

    fn header(&self, start: &[u8]) -> Result<(Header, Body), DecodeError> {
        let mut raw = RawHeader::read(start)?;
        // What the header calls the axis of its slices is seldom kept right by whoever turns a volume: the steps decide. A refusal comes
        // when the sizes are known to be sound.
        raw.source.slice_axis = geometry::slice_axis(&raw.source).unwrap_or_default();
        let mut warnings = Vec::new();
        let voxels = raw.voxels(&mut warnings)?;
        let shape = raw.shape(voxels.data_type.bytes(), &self.limits)?;
        let gap_bytes = raw.gap(&self.limits, &mut warnings)?;
        let geometry = geometry::settle(&raw.source, &shape, &mut warnings)?;
        let body = Body {
            shape,
            slice_axis: raw.source.slice_axis,
            voxels,
            big_endian: raw.big_endian,
            gap_bytes,
            gap_left: gap_bytes,
            frame_bytes: voxels.frame_bytes(&shape),
            index: 0,
            raw: Vec::new(),
        };
        let version = raw.source.version;
        let mut removed = raw.texts;
        // Four bytes announce extensions; what is behind them is read over.
        if gap_bytes > 4 {
            removed.push("extensions");
        }
        Ok((
            Header {
                container: Container::Nifti {
                    version,
                    gzip: self.gzip,
                },
                shape,
                geometry,
                voxels,
                warnings,
                source: raw.source,
                removed,
            },
            body,
        ))
    }

    fn finish(&self, garbage: u64) -> Result<Summary, DecodeError> {
        let truncated = |part, found: u64, expected: u64| {
            Err(DecodeError::Truncated {
                part,
                found,
                expected,
                missing: expected.saturating_sub(found),
            })
        };
        match &self.stage {
            Stage::Start(start) if start.is_empty() => return Err(DecodeError::Empty),
            Stage::Start(start) => {
                return Err(match RawHeader::read(start) {
                    Err(error) => error,
                    Ok(_) => DecodeError::UnsupportedFormat {
                        found: sniff::identify(start),
                    },
                });
            }
            Stage::Body(body) if body.gap_left > 0 => {
                return truncated("extensions", body.gap_bytes - body.gap_left, body.gap_bytes);
            }
            Stage::Body(body) => {
                let found = body.frame_bytes as u64 * body.index as u64 + body.raw.len() as u64;
                return truncated("voxels", found, body.voxel_bytes());
            }
            Stage::End { .. } => self.check_garbage(garbage)?,
        }
        let mut warnings = Vec::new();
        if self.replaced > 0 {
            let detail = format!(
                "{} voxels were NaN or infinite and were replaced by 0",
                self.replaced
            );
            warnings.push(Warning::new(WarningCode::NonFiniteVoxels, detail));
        }
        let trailing = self.trailing() + garbage;
        if trailing > 0 {
            let detail = format!("{trailing} bytes after the last voxel were read over");
            warnings.push(Warning::new(WarningCode::TrailingBytes, detail));
        }
        Ok(Summary {
            warnings,
            inflated_bytes: self.bytes,
        })
    }
}

enum Step {
    Event(Event),
    Again,
    Starved,
}

/// Moves bytes from `input` to `buffer` until it has `wanted`.
fn take(input: &mut &[u8], buffer: &mut Vec<u8>, wanted: usize) {
    let missing = wanted.saturating_sub(buffer.len()).min(input.len());
    let (head, rest) = input.split_at(missing);
    buffer.extend_from_slice(head);
    *input = rest;
}

/// A whole file in memory.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Its header, with every warning.
    pub header: Header,
    /// Its grey values.
    pub volume: Volume,
}

/// Reads a whole file that is in memory already. Streams are read with [`Decoder`].
///
/// # Errors
/// Every [`DecodeError`].
pub fn decode(file: &[u8], limits: Limits) -> Result<Decoded, DecodeError> {
    let (header, intensities) = gather(file, limits, |frame| Ok(frame.intensities))?;
    let geometry = header.geometry.clone();
    Ok(Decoded {
        header,
        volume: Volume {
            intensities,
            geometry,
        },
    })
}

/// Reads a whole mask file that is in memory already: its header and its labels.
///
/// # Errors
/// Every [`DecodeError`]; [`DecodeError::BadLabel`] for values that are no labels.
pub fn decode_mask(file: &[u8], limits: Limits) -> Result<(Header, Mask), DecodeError> {
    let (header, labels) = gather(file, limits, |frame| frame.labels())?;
    let geometry = header.geometry.clone();
    Ok((header, Mask { labels, geometry }))
}

fn gather<T: Clone>(
    file: &[u8],
    limits: Limits,
    mut convert: impl FnMut(DecodedFrame) -> Result<Array3<T>, DecodeError>,
) -> Result<(Header, Array4<T>), DecodeError> {
    let mut decoder = Decoder::new(limits);
    let mut input = file;
    let mut header = None;
    let mut all: Vec<T> = Vec::new();
    while let Some(event) = decoder.next(&mut input)? {
        match event {
            Event::Header(found) => header = Some(*found),
            Event::Frame(frame) => {
                let converted = convert(frame)?;
                match converted.as_slice() {
                    Some(values) => all.extend_from_slice(values),
                    None => all.extend(converted.iter().cloned()),
                }
            }
        }
    }
    let summary = decoder.finish()?;
    let mut header = header.ok_or(DecodeError::Empty)?;
    header.warnings.extend(summary.warnings);
    let shape = header.shape;
    let array =
        Array4::from_shape_vec((shape.frames, shape.slices, shape.rows, shape.columns), all)
            .map_err(|error| {
                let found = format!("{shape} ({error})");
                DecodeError::DimensionOverflow { found }
            })?;
    Ok((header, array))
}
