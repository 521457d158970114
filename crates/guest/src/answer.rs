//! Answers: bytes at hand, or a stream that is written while it is sent.

use std::future::Future;
use std::pin::Pin;

use cinecor_web::{Etag, JSON, Problem, SSE, SSE_KEEP_ALIVE, StatusCode, VERDICT, event};
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE, ETAG,
    HeaderName, LOCATION,
};
use http::{HeaderMap, HeaderValue};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use spin_sdk::wasip3::http::types::ErrorCode;
use spin_sdk::wasip3::http_compat::BodyWriter;

type Written = Pin<Box<dyn Future<Output = ()>>>;

/// Work that begins once an answer has been taken.
pub(crate) type Afterwards = Box<dyn FnOnce() -> Written>;

/// What is sent behind the headers.
pub(crate) enum Content {
    Bytes(Vec<u8>),
    Stream(Box<dyn FnOnce(Sink) -> Written>),
}

/// An answer on its way.
pub struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) content: Content,
    pub(crate) afterwards: Option<Afterwards>,
    /// What the tag of the content begins with.
    pub(crate) tag: Option<String>,
}

/// The tag of an answer's bytes. Under a name, so that the same bytes of two things have two tags.
pub fn content_tag(name: Option<&str>, bytes: &[u8]) -> Etag {
    let digest: String = Sha256::digest(bytes)
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    match name {
        Some(name) => Etag::of(&format!("{name}-{digest}")),
        None => Etag::of(&digest),
    }
}

impl Answer {
    fn with_content(status: StatusCode, content: Content) -> Answer {
        Answer {
            status,
            headers: HeaderMap::new(),
            content,
            afterwards: None,
            tag: None,
        }
    }

    /// 204.
    pub fn no_content() -> Answer {
        Answer::with_content(StatusCode::NO_CONTENT, Content::Bytes(Vec::new()))
    }

    /// 304.
    pub fn not_modified(etag: &Etag) -> Answer {
        let answer = Answer::with_content(StatusCode::NOT_MODIFIED, Content::Bytes(Vec::new()));
        answer.header(ETAG, etag.header())
    }

    /// 200 with these bytes.
    pub fn bytes(media_type: &'static str, bytes: impl Into<Vec<u8>>) -> Answer {
        Answer::with_content(StatusCode::OK, Content::Bytes(bytes.into()))
            .header(CONTENT_TYPE, HeaderValue::from_static(media_type))
    }

    /// 200 with this value as JSON.
    ///
    /// # Errors
    /// A 500 for a value that JSON cannot hold.
    pub fn json(value: &impl Serialize) -> Result<Answer, Problem> {
        Ok(Answer::bytes(
            JSON,
            serde_json::to_vec(value).map_err(Problem::internal)?,
        ))
    }

    /// 200 with bytes that `write` sends while they are made; their number is told when it is known.
    pub fn stream<W>(
        media_type: &'static str,
        total_bytes: Option<u64>,
        write: impl FnOnce(Sink) -> W + 'static,
    ) -> Answer
    where
        W: Future<Output = ()> + 'static,
    {
        let answer = Answer::with_content(
            StatusCode::OK,
            Content::Stream(Box::new(move |sink| Box::pin(write(sink)))),
        )
        .header(CONTENT_TYPE, HeaderValue::from_static(media_type));
        match total_bytes {
            Some(bytes) => answer.header(CONTENT_LENGTH, HeaderValue::from(bytes)),
            None => answer,
        }
    }

    /// 200 with server-sent events that `write` sends: [`Sink::event`] and [`Sink::problem`].
    pub fn events<W>(write: impl FnOnce(Sink) -> W + 'static) -> Answer
    where
        W: Future<Output = ()> + 'static,
    {
        Answer::stream(SSE, None, write).header(CACHE_CONTROL, HeaderValue::from_static("no-store"))
    }

    /// The same, and `work` once its bytes have been taken: nobody waits for it, and what comes of it touches the answer no more.
    #[must_use]
    pub fn then<W>(mut self, work: impl FnOnce() -> W + 'static) -> Answer
    where
        W: Future<Output = ()> + 'static,
    {
        self.afterwards = Some(Box::new(move || Box::pin(work())));
        self
    }

    /// The same with another status.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Answer {
        self.status = status;
        self
    }

    /// The same with a header in place of any other of its name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Answer {
        self.headers.insert(name, value);
        self
    }

    /// 201 with `Location`.
    #[must_use]
    pub fn created(self, location: &str) -> Answer {
        let answer = self.status(StatusCode::CREATED);
        match HeaderValue::from_str(location) {
            Ok(location) => answer.header(LOCATION, location),
            Err(_) => answer,
        }
    }

    /// The same, said to be what a GET of this path gives.
    #[must_use]
    pub fn located(self, path: &str) -> Answer {
        match HeaderValue::from_str(path) {
            Ok(path) => self.header(CONTENT_LOCATION, path),
            Err(_) => self,
        }
    }

    /// The same with `ETag`.
    #[must_use]
    pub fn etag(self, etag: &Etag) -> Answer {
        self.header(ETAG, etag.header())
    }

    /// The same; its tag, which is that of its bytes, begins with this name.
    #[must_use]
    pub fn tagged(mut self, name: &str) -> Answer {
        self.tag = Some(name.to_owned());
        self
    }

    /// The same with the verdict on the segmentation that it is of: `pass`, `review` or `reject`.
    #[must_use]
    pub fn verdict(self, verdict: &str) -> Answer {
        match HeaderValue::from_str(verdict) {
            Ok(value) => self.header(HeaderName::from_static(VERDICT), value),
            Err(_) => self,
        }
    }

    /// The same with the name under which a browser saves it. The name is ours: letters, digits, dashes and dots.
    #[must_use]
    pub fn saved_as(self, file_name: &str) -> Answer {
        match HeaderValue::from_str(&format!("attachment; filename=\"{file_name}\"")) {
            Ok(value) => self.header(CONTENT_DISPOSITION, value),
            Err(_) => self,
        }
    }
}

/// The client has gone away: whoever writes should stop working.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client has gone away")]
pub struct Disconnected;

/// Where a streamed answer is written to. Dropping it without [`Sink::finish`] breaks the answer off, which the client can tell.
pub struct Sink {
    writer: BodyWriter,
    request_id: String,
}

impl Sink {
    pub(crate) fn new(writer: BodyWriter, request_id: String) -> Sink {
        Sink { writer, request_id }
    }

    /// Sends bytes; comes back when they were taken, so that no more than these are in memory.
    ///
    /// # Errors
    /// [`Disconnected`].
    pub async fn send(&mut self, bytes: Vec<u8>) -> Result<(), Disconnected> {
        match self.writer.stream_writer.write_all(bytes).await.is_empty() {
            true => Ok(()),
            false => Err(Disconnected),
        }
    }

    /// Sends an event.
    ///
    /// # Errors
    /// [`Disconnected`].
    pub async fn event(&mut self, name: &str, data: &Value) -> Result<(), Disconnected> {
        self.send(event(name, data).into_bytes()).await
    }

    /// Sends a comment that keeps the connection from being taken for dead.
    ///
    /// # Errors
    /// [`Disconnected`].
    pub async fn keep_alive(&mut self) -> Result<(), Disconnected> {
        self.send(SSE_KEEP_ALIVE.as_bytes().to_vec()).await
    }

    /// Sends a problem as the event `problem`, logs what stands behind it, and ends the answer.
    pub async fn problem(mut self, problem: &Problem) {
        crate::serve::log_problem(problem, &self.request_id);
        // When the client is gone, nobody is left to be told.
        if self
            .event("problem", &problem.document(&self.request_id))
            .await
            .is_ok()
        {
            self.finish().await;
        }
    }

    /// Ends the answer: it is whole.
    pub async fn finish(self) {
        let BodyWriter {
            stream_writer,
            result_writer,
            ..
        } = self.writer;
        drop(stream_writer);
        // An error says that the client left before the end was told; there is nothing to do about it.
        let _ = result_writer.write(Ok(None)).await;
    }

    /// Breaks the answer off: it is not whole. The cause goes to the log.
    pub async fn fail(self, cause: &Problem) {
        crate::serve::log_problem(cause, &self.request_id);
        let BodyWriter {
            stream_writer,
            result_writer,
            ..
        } = self.writer;
        let _ = result_writer
            .write(Err(ErrorCode::InternalError(None)))
            .await;
        drop(stream_writer);
    }
}
