//! The body of a request as it arrives: counted, bounded, and with its `Content-Encoding` undone.

use bytes::Bytes;
use cinecor_formats::{DecodeError, Gunzip, Limits as FormatLimits};
use cinecor_web::{ContentCoding, Limits, Problem, ProblemKind};
use spin_sdk::wasip3::http::types::{ErrorCode, Trailers};
use spin_sdk::wit_bindgen::{FutureReader, FutureWriter, StreamReader, StreamResult};

use crate::refusals::decode_problem;

/// Bytes read at once: each read crosses the component's border, so that few large ones are better than many small ones.
const READ_BYTES: usize = 256 << 10;

/// Inflated bytes handed on at once.
const INFLATE_BYTES: usize = 256 << 10;

/// The body of a request.
pub struct BodyReader {
    stream: StreamReader<u8>,
    end: Option<FutureReader<Result<Option<Trailers>, ErrorCode>>>,
    /// Tells the other side that the body was read; dropped at the end, which says that it was.
    _result: FutureWriter<Result<(), ErrorCode>>,
    limits: Limits,
    announced_bytes: Option<u64>,
    received_bytes: u64,
    inflater: Option<Inflater>,
}

struct Inflater {
    gunzip: Box<Gunzip>,
    waiting: Bytes,
    ended: bool,
}

impl BodyReader {
    pub(crate) fn new(
        stream: StreamReader<u8>,
        end: FutureReader<Result<Option<Trailers>, ErrorCode>>,
        result: FutureWriter<Result<(), ErrorCode>>,
        coding: ContentCoding,
        announced_bytes: Option<u64>,
        limits: Limits,
    ) -> BodyReader {
        let inflater = (coding == ContentCoding::Gzip).then(|| Inflater {
            gunzip: Box::new(Gunzip::new(FormatLimits {
                inflated_bytes: limits.inflated_bytes,
                inflate_ratio: limits.inflate_ratio,
                ..FormatLimits::default()
            })),
            waiting: Bytes::new(),
            ended: false,
        });
        BodyReader {
            stream,
            end: Some(end),
            _result: result,
            limits,
            announced_bytes,
            received_bytes: 0,
            inflater,
        }
    }

    /// How many bytes its Content-Length says it has, within the limit. A hint: it may be wrong, and it is the length before a coding is
    /// undone.
    pub fn announced_bytes(&self) -> Option<u64> {
        self.announced_bytes
    }

    /// The next bytes, never empty; `None` at the end.
    ///
    /// # Errors
    /// [`ProblemKind::BodyTooLarge`], [`ProblemKind::BodyStalled`], and [`ProblemKind::MalformedRequest`] for a body that breaks off or
    /// is not in the coding that it was said to be.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            let Some(inflater) = &mut self.inflater else {
                return self.receive().await;
            };
            if !inflater.waiting.is_empty() {
                let mut input: &[u8] = &inflater.waiting;
                let before = input.len();
                let mut output = vec![0; INFLATE_BYTES];
                let written = inflater
                    .gunzip
                    .inflate(&mut input, &mut output)
                    .map_err(|error| coding_problem(&error))?;
                let used = before - input.len();
                inflater.waiting = inflater.waiting.slice(used..);
                output.truncate(written);
                if !output.is_empty() {
                    return Ok(Some(output.into()));
                }
                if used > 0 {
                    continue;
                }
            }
            if inflater.ended {
                return Ok(None);
            }
            match self.receive().await? {
                Some(bytes) => {
                    if let Some(inflater) = &mut self.inflater {
                        inflater.waiting = bytes;
                    }
                }
                None => {
                    if let Some(inflater) = &mut self.inflater {
                        inflater.ended = true;
                        inflater
                            .gunzip
                            .finish()
                            .map_err(|error| coding_problem(&error))?;
                    }
                }
            }
        }
    }

    /// The next bytes as the network delivers them.
    async fn receive(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            if self.end.is_none() {
                return Ok(None);
            }
            let (result, bytes) = self.stream.read(Vec::with_capacity(READ_BYTES)).await;
            self.received_bytes += bytes.len() as u64;
            if self.received_bytes > self.limits.body_bytes {
                return Err(self.limits.body_too_large(None));
            }
            if !bytes.is_empty() {
                return Ok(Some(bytes.into()));
            }
            if !matches!(result, StreamResult::Complete(_))
                && let Some(end) = self.end.take()
                && let Err(code) = end.await
            {
                return Err(self.broken(&code));
            }
        }
    }

    /// The whole body, if it is at most `limit_bytes` long.
    ///
    /// # Errors
    /// As [`BodyReader::next`], and what `too_large` makes of a longer one.
    pub async fn collect(
        &mut self,
        limit_bytes: u64,
        too_large: impl FnOnce() -> Problem,
    ) -> Result<Vec<u8>, Problem> {
        let mut whole = Vec::new();
        while let Some(bytes) = self.next().await? {
            if (whole.len() + bytes.len()) as u64 > limit_bytes {
                return Err(too_large());
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole)
    }

    fn broken(&self, code: &ErrorCode) -> Problem {
        match code {
            ErrorCode::HttpRequestBodySize(found) => self.limits.body_too_large(*found),
            ErrorCode::ConnectionReadTimeout | ErrorCode::ConnectionTimeout => Problem::new(
                ProblemKind::BodyStalled,
                format!(
                    "The body stopped coming after {} bytes; send it again over a connection that keeps up.",
                    self.received_bytes
                ),
            ),
            other => Problem::new(
                ProblemKind::MalformedRequest,
                format!(
                    "The body broke off after {} bytes; send it again.",
                    self.received_bytes
                ),
            )
            .caused_by(other),
        }
    }
}

fn coding_problem(error: &DecodeError) -> Problem {
    match decode_problem(error) {
        // What is said of the coding is no word about the file inside it.
        problem if problem.kind() == ProblemKind::InvalidVolume => Problem::new(
            ProblemKind::MalformedRequest,
            "The body is not the gzip that its Content-Encoding says; leave the header out for a file that is gzip by itself.",
        )
        .with("code", error.code()),
        problem => problem,
    }
}
