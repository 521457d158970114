//! Volumes in the body of a request: the bytes of a file, or a multipart form of fields and files. Recognised by content, decoded as they
//! arrive, never gathered.

use bytes::Bytes;
use cinecor_formats::{
    DecodeError, Decoder, DeflatedChunk, Event, Found, Limits as FormatLimits, Summary,
};
use cinecor_store::Chunk;
use cinecor_web::{BodyKind, Limits, Place, Problem, ProblemKind, volume_body};
use futures::stream;
use http::header::CONTENT_TYPE;
use multer::Multipart;
use sha2::{Digest, Sha256};

use crate::body::BodyReader;
use crate::call::Call;
use crate::refusals::decode_problem;

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
}

/// One part of a form. Has to be read before the next part can be had.
pub struct FormPart {
    field: multer::Field<'static>,
    name: String,
    is_file: bool,
    limits: Limits,
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
        Form {
            multipart: Multipart::new(chunks, boundary),
            limits,
            parts: 0,
        }
    }

    /// The next part; `None` at the end.
    ///
    /// # Errors
    /// [`ProblemKind::MalformedRequest`], [`ProblemKind::BodyTooLarge`] for more parts than files are allowed, and those of the body.
    pub async fn next(&mut self) -> Result<Option<FormPart>, Problem> {
        let Some(field) = self.multipart.next_field().await.map_err(form_problem)? else {
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
        self.field.chunk().await.map_err(form_problem)
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

/// What is known of a file when it was read to its end.
#[derive(Clone, Debug)]
pub struct FileFacts {
    /// SHA-256 of its bytes, lower-case hexadecimal.
    pub sha256: String,
    /// How many they were.
    pub bytes: u64,
    /// What the decoder says at the end.
    pub summary: Summary,
}

/// Where the bytes of a file come from.
trait Source {
    async fn next(&mut self) -> Result<Option<Bytes>, Problem>;
}

impl Source for BodyReader {
    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        BodyReader::next(self).await
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
    let mut bytes = 0;
    while let Some(chunk) = source.next().await? {
        digest.update(&chunk);
        bytes += chunk.len() as u64;
        consumer.arrived().await?;
        let mut input: &[u8] = &chunk;
        while let Some(event) = decoder.next(&mut input).map_err(|error| refused(&error))? {
            consumer.event(event).await?;
        }
    }
    let summary = decoder.finish().map_err(|error| refused(&error))?;
    let sha256 = digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(FileFacts {
        sha256,
        bytes,
        summary,
    })
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

/// Reads the body of a call that takes one volume, raw or in a form with facts, and hands the volume to `consumer` as it arrives.
///
/// # Errors
/// Those of the body, of the file and of the consumer; [`ProblemKind::InvalidField`] for a form without a file, with several, or with a
/// field that the operation does not take.
pub async fn take_volume(
    call: &mut Call,
    limits: FormatLimits,
    consumer: &mut impl Consumer,
) -> Result<Intake, Problem> {
    let mut facts = call.query.facts().to_vec();
    let mut form = match Upload::open(call)? {
        Upload::Raw(mut body) => {
            let file = decode(&mut body, limits, consumer).await?;
            return Ok(Intake { file, facts });
        }
        Upload::Form(form) => form,
    };
    let mut file = None;
    while let Some(mut part) = form.next().await? {
        if part.is_file() {
            if file.is_some() {
                return Err(Problem::field(
                    "file",
                    "is there more than once; send the volume as one NIfTI file",
                ));
            }
            file = Some(decode(&mut part, limits, consumer).await?);
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
    match file {
        Some(file) => Ok(Intake { file, facts }),
        None => Err(Problem::field(
            "file",
            "is missing; send the volume as a part with a file name",
        )),
    }
}

/// The refusal of a file; of DICOM it is said that it is not read yet.
fn refused(error: &DecodeError) -> Problem {
    match error {
        DecodeError::UnsupportedFormat {
            found: Found::Zip | Found::Dicom,
        } => Problem::new(
            ProblemKind::UnsupportedMediaType,
            format!(
                "{} DICOM is not read yet, neither as files nor as a zip of them.",
                crate::refusals::sentence(&error.to_string())
            ),
        )
        .with("code", error.code()),
        other => decode_problem(other),
    }
}

/// A stored chunk as the formats crate joins it.
pub fn chunk_from(chunk: Chunk) -> DeflatedChunk {
    DeflatedChunk {
        bytes: chunk.bytes,
        crc32: chunk.crc32,
        len: chunk.len,
    }
}

/// A deflated chunk as the store keeps it.
pub fn chunk_into(chunk: DeflatedChunk) -> Chunk {
    Chunk {
        bytes: chunk.bytes,
        crc32: chunk.crc32,
        len: chunk.len,
    }
}
