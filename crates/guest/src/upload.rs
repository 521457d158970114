//! Volumes in the body of a request: the bytes of a file, or a multipart form of fields and files. Recognised by content. NIfTI is decoded as
//! it arrives and never gathered; DICOM files are held until all are there.

use bytes::Bytes;
use cinecor_dicom::{Candidate, Study, files_of_zip, looks_like_dicom};
use cinecor_formats::{
    Decoder, DeflatedChunk, DeflatedPart, Event, Limits as FormatLimits, SNIFF_BYTES, Warning,
    WarningCode, looks_like_nifti, looks_like_zip,
};
use cinecor_store::{Chunk, DeidentificationRecord, Sex, SourceRecord, Subject};
use cinecor_volume::{Shape, SliceAxis};
use cinecor_web::{BodyKind, Limits, Place, Problem, ProblemKind, volume_body};
use futures::Stream;
use futures::stream;
use http::header::CONTENT_TYPE;
use multer::Multipart;
use sha2::{Digest, Sha256};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use crate::body::BodyReader;
use crate::call::Call;
use crate::decode_limits::{dicom_limits, volume_limits};
use crate::refusals::{decode_problem, dicom_problem, study_problem};

/// By which rules DICOM headers are let go: the basic profile, and its option that keeps what normal ranges need (PS3.15, annex E; codes of
/// CID 7050).
const DICOM_PROFILE: &str = "DICOM PS3.15 annex E: Basic Application Confidentiality Profile (113100), Retain Patient Characteristics Option (113108)";

/// And NIfTI headers.
const NIFTI_PROFILE: &str = "NIfTI: fields of text and extensions are not kept";

/// How many times as long as what has come of a body the room for it may be.
const AHEAD: usize = 8;

/// The body of a call that takes files.
pub enum Upload {
    /// One file.
    Raw(BodyReader),
    /// A form.
    Form(Form),
}

impl Upload {
    /// The body of this call.
    ///
    /// # Errors
    /// As [`volume_body`] and [`Call::body`].
    pub fn open(call: &mut Call) -> Result<Upload, Problem> {
        let kind = volume_body(call.header(CONTENT_TYPE))?;
        let limits = call.settings.limits;
        let body = call.body()?;
        Ok(match kind {
            BodyKind::Raw => Upload::Raw(body),
            BodyKind::Multipart { boundary } => Upload::Form(Form::new(body, boundary, limits)),
        })
    }
}

/// A multipart form, part by part.
pub struct Form {
    multipart: Multipart<'static>,
    limits: Limits,
    parts: u64,
    heads: Arc<Heads>,
}

/// One part of a form. Has to be read before the next part can be had.
pub struct FormPart {
    field: multer::Field<'static>,
    name: String,
    is_file: bool,
    limits: Limits,
    heads: Arc<Heads>,
}

/// The most bytes before the first part of a form, or of the headers of one part. The parser holds them until their end comes, and looks for
/// it from their start.
const HEAD_BYTES_MAX: u64 = 64 << 10;

/// How much was read since the head of a part was begun; [`Heads::NONE`] while none is read.
struct Heads(AtomicU64);

impl Heads {
    const NONE: u64 = u64::MAX;
}

/// A form's bytes, handed to the parser chunk by chunk: it would gather all that is ready before it looks at any.
struct Paced<S> {
    chunks: Pin<Box<S>>,
    paused: bool,
    heads: Arc<Heads>,
}

impl<S: Stream<Item = Result<Bytes, Problem>>> Stream for Paced<S> {
    type Item = Result<Bytes, Problem>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.paused) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = self.heads.0.load(Relaxed);
        if read != Heads::NONE && read > HEAD_BYTES_MAX {
            return Poll::Ready(Some(Err(Problem::new(
                ProblemKind::MalformedRequest,
                format!(
                    "The form has more than {HEAD_BYTES_MAX} bytes before its first part or in the headers of one, which is the limit; let the HTTP library write it, with the boundary that the Content-Type names."
                ),
            ))));
        }
        let chunk = ready!(self.chunks.as_mut().poll_next(cx));
        if let Some(Ok(bytes)) = &chunk {
            self.paused = true;
            if read != Heads::NONE {
                self.heads
                    .0
                    .store(read.saturating_add(bytes.len() as u64), Relaxed);
            }
        }
        Poll::Ready(chunk)
    }
}

impl Form {
    fn new(body: BodyReader, boundary: String, limits: Limits) -> Form {
        let chunks = stream::unfold(Some(body), |body| async move {
            let mut body = body?;
            match body.next().await {
                Ok(Some(bytes)) => Some((Ok(bytes), Some(body))),
                Ok(None) => None,
                Err(problem) => Some((Err(problem), None)),
            }
        });
        Form::over(chunks, boundary, limits)
    }

    fn over(
        chunks: impl Stream<Item = Result<Bytes, Problem>> + Send + 'static,
        boundary: String,
        limits: Limits,
    ) -> Form {
        let heads = Arc::new(Heads(AtomicU64::new(0)));
        let paced = Paced {
            chunks: Box::pin(chunks),
            paused: false,
            heads: heads.clone(),
        };
        Form {
            multipart: Multipart::new(paced, boundary),
            limits,
            parts: 0,
            heads,
        }
    }

    /// The next part; `None` at the end.
    ///
    /// # Errors
    /// [`ProblemKind::MalformedRequest`], [`ProblemKind::BodyTooLarge`] for more parts than files are allowed, and those of the body.
    pub async fn next(&mut self) -> Result<Option<FormPart>, Problem> {
        let field = self.multipart.next_field().await.map_err(form_problem)?;
        self.heads.0.store(Heads::NONE, Relaxed);
        let Some(field) = field else {
            return Ok(None);
        };
        self.parts += 1;
        if self.parts > self.limits.files {
            let limit = self.limits.files;
            return Err(Problem::new(
                ProblemKind::BodyTooLarge,
                format!(
                    "The form has more than {limit} parts, which is the limit; send fewer files."
                ),
            ));
        }
        let name = field.name().unwrap_or_default().to_owned();
        let is_file = field.file_name().is_some()
            || ["file", "reference", "prediction"].contains(&name.as_str());
        Ok(Some(FormPart {
            field,
            name,
            is_file,
            limits: self.limits,
            heads: self.heads.clone(),
        }))
    }
}

impl FormPart {
    /// Its name; empty when it has none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a file and no field: it has a file name, or is named as files are.
    pub fn is_file(&self) -> bool {
        self.is_file
    }

    /// The next bytes; `None` at its end.
    ///
    /// # Errors
    /// As [`Form::next`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        let chunk = self.field.chunk().await.map_err(form_problem)?;
        if chunk.is_none() {
            self.heads.0.store(0, Relaxed);
        }
        Ok(chunk)
    }

    /// Reads what is left of it, so that what comes next is held against the limit of heads.
    ///
    /// # Errors
    /// As [`Form::next`].
    async fn pass_over(&mut self) -> Result<(), Problem> {
        while self.next().await?.is_some() {}
        Ok(())
    }

    /// The whole part as a text.
    ///
    /// # Errors
    /// [`ProblemKind::InvalidField`] for one that is too long or not UTF-8.
    pub async fn text(&mut self) -> Result<String, Problem> {
        let limit = self.limits.field_bytes;
        let mut bytes = Vec::new();
        while let Some(chunk) = self.next().await? {
            if (bytes.len() + chunk.len()) as u64 > limit {
                return Err(Problem::field(
                    &shown(&self.name),
                    format!("has more than {limit} bytes, which is the limit; send a shorter text"),
                ));
            }
            bytes.extend_from_slice(&chunk);
        }
        String::from_utf8(bytes).map_err(|_| {
            Problem::field(
                &shown(&self.name),
                "is no UTF-8 text; encode it as HTTP libraries do",
            )
        })
    }
}

/// A name that the caller chose, cut short and without control characters.
pub(crate) fn shown(name: &str) -> String {
    name.chars()
        .filter(|character| !character.is_control())
        .take(40)
        .collect()
}

fn form_problem(error: multer::Error) -> Problem {
    let malformed = |what: &str| {
        Problem::new(
            ProblemKind::MalformedRequest,
            format!("The form {what}; let the HTTP library write it."),
        )
    };
    match error {
        multer::Error::StreamReadFailed(cause) => match cause.downcast::<Problem>() {
            Ok(problem) => *problem,
            Err(cause) => Problem::internal(cause),
        },
        multer::Error::IncompleteFieldData { .. } | multer::Error::IncompleteStream => {
            malformed("ends in the middle of a part")
        }
        multer::Error::IncompleteHeaders | multer::Error::ReadHeaderFailed(_) => {
            malformed("has a part whose headers cannot be read")
        }
        other => malformed("cannot be read").caused_by(other),
    }
}

/// What is known of the files of a volume when they were read to their end.
#[derive(Clone, Debug)]
pub struct FileFacts {
    /// What they were.
    pub source: SourceRecord,
    /// What the header of DICOM files says of the subject.
    pub found: Subject,
    /// What was not kept of them.
    pub deidentification: DeidentificationRecord,
    /// Doubts that came after the header.
    pub warnings: Vec<Warning>,
}

/// Where the bytes of a file come from.
trait Source {
    async fn next(&mut self) -> Result<Option<Bytes>, Problem>;

    /// As [`BodyReader::announced_bytes`]; a part of a form announces nothing.
    fn announced_bytes(&self) -> Option<u64> {
        None
    }
}

impl Source for BodyReader {
    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        BodyReader::next(self).await
    }

    fn announced_bytes(&self) -> Option<u64> {
        BodyReader::announced_bytes(self)
    }
}

impl Source for FormPart {
    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        FormPart::next(self).await
    }
}

/// Who takes a volume in while it arrives.
pub trait Consumer {
    /// Takes the header, once, and then every frame.
    ///
    /// # Errors
    /// Ends the reading.
    fn event(&mut self, event: Event) -> impl Future<Output = Result<(), Problem>>;

    /// Is told that bytes arrived; on a slow line a frame may take minutes.
    ///
    /// # Errors
    /// Ends the reading.
    fn arrived(&mut self) -> impl Future<Output = Result<(), Problem>> {
        async { Ok(()) }
    }
}

/// A closure that takes events.
struct Taking<F>(F);

impl<F: AsyncFnMut(Event) -> Result<(), Problem>> Consumer for Taking<F> {
    async fn event(&mut self, event: Event) -> Result<(), Problem> {
        (self.0)(event).await
    }
}

/// Bytes that were read to see what they are, and those behind them.
struct Begun<'a, S> {
    start: Option<Bytes>,
    rest: &'a mut S,
}

impl<S: Source> Source for Begun<'_, S> {
    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        match self.start.take() {
            Some(start) => Ok(Some(start)),
            None => self.rest.next().await,
        }
    }
}

impl BodyReader {
    /// Decodes the body as one NIfTI file and hands its header and frames to `take` as they are complete.
    ///
    /// # Errors
    /// Those of the body, of the file, and of `take`.
    pub async fn decode(
        &mut self,
        limits: FormatLimits,
        take: impl AsyncFnMut(Event) -> Result<(), Problem>,
    ) -> Result<FileFacts, Problem> {
        decode(self, limits, &mut Taking(take)).await
    }
}

impl FormPart {
    /// Decodes the part as one NIfTI file and hands its header and frames to `take` as they are complete.
    ///
    /// # Errors
    /// Those of the body, of the file, and of `take`.
    pub async fn decode(
        &mut self,
        limits: FormatLimits,
        take: impl AsyncFnMut(Event) -> Result<(), Problem>,
    ) -> Result<FileFacts, Problem> {
        decode(self, limits, &mut Taking(take)).await
    }
}

async fn decode(
    source: &mut impl Source,
    limits: FormatLimits,
    consumer: &mut impl Consumer,
) -> Result<FileFacts, Problem> {
    let mut decoder = Decoder::new(limits);
    let mut digest = Sha256::new();
    let mut record = SourceRecord::default();
    let mut removed = Vec::new();
    while let Some(chunk) = source.next().await? {
        digest.update(&chunk);
        record.bytes += chunk.len() as u64;
        consumer.arrived().await?;
        let mut input: &[u8] = &chunk;
        while let Some(event) = decoder
            .next(&mut input)
            .map_err(|error| decode_problem(&error))?
        {
            if let Event::Header(header) = &event {
                record.format = header.container.name().to_owned();
                removed = header.removed.iter().map(ToString::to_string).collect();
            }
            consumer.event(event).await?;
        }
    }
    let summary = decoder.finish().map_err(|error| decode_problem(&error))?;
    record.sha256 = digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(FileFacts {
        source: record,
        found: Subject::default(),
        deidentification: DeidentificationRecord {
            profile: NIFTI_PROFILE.to_owned(),
            removed,
            ..DeidentificationRecord::default()
        },
        warnings: summary.warnings,
    })
}

/// The files of one volume as they arrive: one NIfTI file, which is decoded while it comes, or DICOM files and zip archives of them, which
/// are held until the last is there, because nothing but all of them says which image is which.
pub struct VolumeFiles {
    limits: Limits,
    nifti: Option<FileFacts>,
    dicom: Vec<Candidate>,
    /// Files that are neither, and the refusal of the first.
    passed_over: usize,
    refusal: Option<Problem>,
}

impl VolumeFiles {
    /// No file yet.
    pub fn new(limits: Limits) -> VolumeFiles {
        VolumeFiles {
            limits,
            nifti: None,
            dicom: Vec::new(),
            passed_over: 0,
            refusal: None,
        }
    }

    /// Whether any file came.
    pub fn any(&self) -> bool {
        self.nifti.is_some() || !self.dicom.is_empty() || self.passed_over > 0
    }

    /// Takes a body as the one file.
    ///
    /// # Errors
    /// Those of the body, of the file, and of `take`.
    pub async fn body(
        &mut self,
        body: &mut BodyReader,
        take: impl AsyncFnMut(Event) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        self.alone(body, &mut Taking(take)).await
    }

    /// Takes the part of a form as one more file.
    ///
    /// # Errors
    /// Those of the body, of the file, and of `take`; [`ProblemKind::InvalidField`] for a file that does not go with those before it.
    pub async fn part(
        &mut self,
        part: &mut FormPart,
        take: impl AsyncFnMut(Event) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        self.file(part, &mut Taking(take)).await?;
        part.pass_over().await
    }

    /// Hands the cine of DICOM files over, when all have come.
    ///
    /// # Errors
    /// Those of the files and of `take`.
    pub async fn end(
        self,
        take: impl AsyncFnMut(Event) -> Result<(), Problem>,
    ) -> Result<FileFacts, Problem> {
        self.finish(&mut Taking(take)).await
    }

    /// A file beside which there is none: one that is no volume is refused without reading it to its end.
    async fn alone(
        &mut self,
        source: &mut impl Source,
        consumer: &mut impl Consumer,
    ) -> Result<(), Problem> {
        self.file(source, consumer).await?;
        match self.dicom.is_empty() {
            true => self.refusal.take().map_or(Ok(()), Err),
            false => Ok(()),
        }
    }

    async fn file(
        &mut self,
        source: &mut impl Source,
        consumer: &mut impl Consumer,
    ) -> Result<(), Problem> {
        let mut start = Vec::new();
        while start.len() < SNIFF_BYTES {
            match source.next().await? {
                Some(chunk) => start.extend_from_slice(&chunk),
                None => break,
            }
        }
        if self.nifti.is_some() {
            return Err(Problem::field(
                "file",
                "is there more than once; send the volume as one NIfTI file, or the DICOM files of one study",
            ));
        }
        if looks_like_nifti(&start) {
            if self.any() {
                return Err(Problem::field(
                    "file",
                    "is a NIfTI volume among other files; send it alone, or the DICOM files of one study",
                ));
            }
            let mut whole = Begun {
                start: Some(start.into()),
                rest: source,
            };
            let limits = volume_limits(&self.limits);
            self.nifti = Some(decode(&mut whole, limits, consumer).await?);
            return Ok(());
        }
        let is_zip = looks_like_zip(&start);
        if !is_zip && !looks_like_dicom(&start) {
            self.passed_over += 1;
            let refusal = || unknown(&start, volume_limits(&self.limits));
            self.refusal.get_or_insert_with(refusal);
            return Ok(());
        }
        while let Some(chunk) = source.next().await? {
            consumer.arrived().await?;
            make_room(&mut start, chunk.len(), source.announced_bytes());
            start.extend_from_slice(&chunk);
        }
        start.shrink_to_fit();
        match is_zip {
            true => self.unzip(start.into())?,
            false => {
                let limits = dicom_limits(&self.limits);
                self.dicom.push(Candidate::read(start.into(), &limits));
            }
        }
        self.check_count()
    }

    fn unzip(&mut self, archive: Bytes) -> Result<(), Problem> {
        let limits = dicom_limits(&self.limits);
        let (mut found, mut dicom) = (0, Vec::new());
        files_of_zip(archive, &limits, |file| {
            found += 1;
            if looks_like_dicom(&file.bytes) {
                dicom.push(Candidate::of_archive(file, &limits));
            }
        })
        .map_err(|error| dicom_problem(&error))?;
        if dicom.is_empty() {
            let refusal = || {
                Problem::new(
                    ProblemKind::InvalidVolume,
                    format!(
                        "The zip archive has {found} files and none of them is DICOM; pack the DICOM files of one study, and send a NIfTI file as it is."
                    ),
                )
                .with("code", "no_dicom")
            };
            self.refusal.get_or_insert_with(refusal);
        }
        self.passed_over += found - dicom.len();
        self.dicom.extend(dicom);
        Ok(())
    }

    fn check_count(&self) -> Result<(), Problem> {
        let limit = self.limits.files;
        if (self.dicom.len() + self.passed_over) as u64 > limit {
            return Err(Problem::new(
                ProblemKind::BodyTooLarge,
                format!("There are more than {limit} files, which is the limit; send fewer files."),
            ));
        }
        Ok(())
    }

    async fn finish(self, consumer: &mut impl Consumer) -> Result<FileFacts, Problem> {
        if let Some(nifti) = self.nifti {
            return Ok(nifti);
        }
        if self.dicom.is_empty() {
            return Err(self.refusal.unwrap_or_else(|| {
                Problem::field(
                    "file",
                    "is missing; send the volume as a part with a file name",
                )
            }));
        }
        let limits = dicom_limits(&self.limits);
        let mut study = Study::find(self.dicom, self.passed_over, &limits)
            .map_err(|error| study_problem(&error))?;
        consumer
            .event(Event::Header(Box::new(study.header().clone())))
            .await?;
        for index in 0..study.header().shape.frames {
            let frame = study.frame(index).map_err(|error| study_problem(&error))?;
            consumer.event(Event::Frame(frame)).await?;
        }
        Ok(dicom_facts(&study))
    }
}

/// Room for more bytes of a body that is held whole. A vector that doubles leaves behind as much as it holds, and the memory of a component
/// never shrinks: so room is made for what the body announces, but at most for [`AHEAD`] times what has come.
fn make_room(held: &mut Vec<u8>, more: usize, announced_bytes: Option<u64>) {
    let needed = held.len().saturating_add(more);
    if needed <= held.capacity() {
        return;
    }
    let announced = announced_bytes.and_then(|bytes| usize::try_from(bytes).ok());
    if let Some(announced) = announced.filter(|announced| needed <= *announced) {
        let room = announced.min(needed.saturating_mul(AHEAD));
        held.reserve_exact(room.saturating_sub(held.len()));
    }
}

/// What is to be said of DICOM files at their end.
fn dicom_facts(study: &Study) -> FileFacts {
    let mut warnings = study.pixel_warnings();
    let facts = study.facts();
    let mut found = Subject {
        sex: facts.sex.map(|sex| match sex {
            cinecor_dicom::Sex::Female => Sex::Female,
            cinecor_dicom::Sex::Male => Sex::Male,
        }),
        ..Subject::default()
    };
    for (name, attribute, value) in [
        (
            "height_cm",
            "PatientSize (0010,1020), metres",
            facts.height_cm,
        ),
        (
            "weight_kg",
            "PatientWeight (0010,1030), kg",
            facts.weight_kg,
        ),
        ("age_years", "PatientAge (0010,1010)", facts.age_years),
        (
            "heart_rate_bpm",
            "HeartRate (0018,1088)",
            facts.heart_rate_bpm,
        ),
    ] {
        if found.tell_number(name, value).is_err() {
            warnings.push(Warning {
                code: WarningCode::FactImplausible,
                detail: format!(
                    "the header's {attribute} cannot be true of a human and was not taken; tell {name} if you know it"
                ),
            });
        }
    }
    let equipment = study.equipment().clone();
    let removed = study.removed();
    let texts = |tags: &std::collections::BTreeSet<cinecor_dicom::Tag>| {
        tags.iter().map(ToString::to_string).collect()
    };
    FileFacts {
        source: SourceRecord {
            format: study.header().container.name().to_owned(),
            sha256: study.sha256().to_owned(),
            bytes: study.bytes(),
            sop_class: equipment.sop_class,
            modality: equipment.modality,
            manufacturer: equipment.manufacturer,
            magnetic_field_t: equipment.magnetic_field_t,
        },
        found,
        deidentification: DeidentificationRecord {
            profile: DICOM_PROFILE.to_owned(),
            removed: texts(&removed.tags),
            further: removed.further,
            burned_in: texts(&removed.burned_in),
        },
        warnings,
    }
}

/// The refusal of bytes that are no volume.
fn unknown(start: &[u8], limits: FormatLimits) -> Problem {
    let mut decoder = Decoder::new(limits);
    let refused = decoder.push(start).err().or_else(|| decoder.finish().err());
    match refused {
        Some(error) => decode_problem(&error),
        None => Problem::internal("a file that is no volume was read as one"),
    }
}

/// What came with a volume.
#[derive(Clone, Debug)]
pub struct Intake {
    /// The file.
    pub file: FileFacts,
    /// The facts that were told, names and values, from the query and from form fields. Every name is a fact of the operation and is
    /// there once; values are not checked.
    pub facts: Vec<(String, String)>,
}

/// Reads the body of a call that takes one volume, raw or in a form with facts, and hands the volume to `consumer`: NIfTI as it arrives,
/// DICOM when all files have come.
///
/// # Errors
/// Those of the body, of the file and of the consumer; [`ProblemKind::InvalidField`] for a form without a file, with several that do not
/// belong together, or with a field that the operation does not take.
pub async fn take_volume(call: &mut Call, consumer: &mut impl Consumer) -> Result<Intake, Problem> {
    let mut facts = call.query.facts().to_vec();
    let mut files = VolumeFiles::new(call.settings.limits);
    let mut form = match Upload::open(call)? {
        Upload::Raw(mut body) => {
            files.alone(&mut body, consumer).await?;
            let file = files.finish(consumer).await?;
            return Ok(Intake { file, facts });
        }
        Upload::Form(form) => form,
    };
    while let Some(mut part) = form.next().await? {
        if part.is_file() {
            files.file(&mut part, consumer).await?;
            part.pass_over().await?;
            continue;
        }
        let name = part.name().to_owned();
        let known = call
            .operation
            .parameters
            .iter()
            .any(|parameter| parameter.place == Place::Fact && parameter.name == name);
        if !known {
            return Err(Problem::field(
                &shown(&name),
                "is not known; the OpenAPI document lists the fields of this form",
            ));
        }
        if facts.iter().any(|(found, _)| *found == name) {
            return Err(Problem::field(
                &name,
                "is told twice; tell it once, in the address or in the form",
            ));
        }
        facts.push((name, part.text().await?));
    }
    let file = files.finish(consumer).await?;
    Ok(Intake { file, facts })
}

/// A stored chunk as the formats crate joins it.
pub fn chunk_from(chunk: Chunk) -> DeflatedChunk {
    DeflatedChunk {
        bytes: chunk.bytes,
        crc32: chunk.crc32,
        len: chunk.len,
        parts: chunk
            .parts
            .into_iter()
            .map(|(bytes, crc32)| DeflatedPart { bytes, crc32 })
            .collect(),
    }
}

/// A deflated chunk as the store keeps it.
pub fn chunk_into(chunk: DeflatedChunk) -> Chunk {
    Chunk {
        bytes: chunk.bytes,
        crc32: chunk.crc32,
        len: chunk.len,
        parts: chunk
            .parts
            .iter()
            .map(|part| (part.bytes, part.crc32))
            .collect(),
        window: None,
    }
}

/// A frame as a file stores it, deflated for the store: slice by slice, so that a picture inflates no more than it shows, where slices follow
/// one another.
pub fn deflated_frame(stored: &[u8], shape: &Shape, slice_axis: SliceAxis) -> DeflatedChunk {
    match slice_axis {
        SliceAxis::Third => {
            DeflatedChunk::compress_parts(stored, stored.len().div_ceil(shape.slices.max(1)))
        }
        SliceAxis::First | SliceAxis::Second => DeflatedChunk::compress(stored),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt as _;
    use futures::executor::block_on;

    const CHUNK: usize = 32 << 10;

    /// A form of these bytes, which are all there at once, and how many chunks were read of it.
    fn form(bytes: Vec<u8>) -> (Form, Arc<AtomicU64>) {
        let read = Arc::new(AtomicU64::new(0));
        let counted = read.clone();
        let chunks: Vec<Bytes> = bytes.chunks(CHUNK).map(Bytes::copy_from_slice).collect();
        let chunks = stream::iter(chunks).map(move |chunk| {
            counted.fetch_add(1, Relaxed);
            Ok(chunk)
        });
        (Form::over(chunks, "x".to_owned(), Limits::default()), read)
    }

    #[test]
    fn what_stands_before_a_part_and_in_its_headers_is_bounded() {
        let long = || vec![b'y'; 64 * CHUNK];
        let headers = [
            b"--x\r\nContent-Disposition: form-data; name=\"".to_vec(),
            long(),
        ]
        .concat();
        let second = [
            b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nvalue\r\n--x\r\nB: "
                .to_vec(),
            long(),
        ]
        .concat();
        for (bytes, parts) in [(long(), 0), (headers, 0), (second, 1)] {
            let (mut form, read) = form(bytes);
            for _ in 0..parts {
                let mut part = block_on(form.next()).unwrap().unwrap();
                assert_eq!(block_on(part.text()).unwrap(), "value");
            }
            let problem = block_on(form.next()).map(|_| ()).unwrap_err();
            assert_eq!(problem.status().as_u16(), 400);
            assert!(
                problem.detail().contains("more than 65536 bytes"),
                "{problem}"
            );
            // Of 64 and more.
            assert!(read.load(Relaxed) <= 6, "{read:?}");
        }
    }

    #[test]
    fn the_content_of_a_part_is_not_held_to_that_bound() {
        let content = vec![b'y'; 64 * CHUNK];
        let bytes = [
            b"--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n".to_vec(),
            content.clone(),
            b"\r\n--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nvalue\r\n--x--\r\n"
                .to_vec(),
        ]
        .concat();
        let (mut form, _) = form(bytes);
        let mut file = block_on(form.next()).unwrap().unwrap();
        let mut found = Vec::new();
        while let Some(chunk) = block_on(file.next()).unwrap() {
            found.extend_from_slice(&chunk);
        }
        assert_eq!(found, content);
        drop(file);
        let mut part = block_on(form.next()).unwrap().unwrap();
        assert_eq!(block_on(part.text()).unwrap(), "value");
        drop(part);
        assert!(block_on(form.next()).unwrap().is_none());
    }
}
