//! A request that was routed, checked against the table, and whose caller may make it.

use std::rc::Rc;

use cinecor_store::{Action, Event, Id, SegmentationRecord, StudyRecord};
use cinecor_web::{
    ContentCoding, HeaderMap, Identity, Method, Operation, PathParameters, Problem, ProblemKind,
    Query, content_coding, negotiate, require_json,
};
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use serde_json::{Map, Value};
use spin_sdk::wasip3::http::types::{ErrorCode, Trailers};
use spin_sdk::wit_bindgen::{FutureReader, FutureWriter, StreamReader};

use crate::body::BodyReader;
use crate::refusals::storage_problem;
use crate::settings::Settings;
use crate::spin::{GuestStore, now_ms};

/// A request.
pub struct Call {
    /// Its operation.
    pub operation: &'static Operation,
    /// What its path holds.
    pub path: PathParameters,
    /// Its query, checked against the table.
    pub query: Query,
    /// Its method: that of the operation, or HEAD for a GET.
    pub method: Method,
    /// Its headers.
    pub headers: HeaderMap,
    /// Who calls.
    pub identity: Identity,
    /// What is configured.
    pub settings: Rc<Settings>,
    /// Its id.
    pub request_id: String,
    pub(crate) body: Option<Body>,
}

/// A body of which nothing was read.
pub(crate) struct Body {
    pub(crate) stream: StreamReader<u8>,
    pub(crate) end: FutureReader<Result<Option<Trailers>, ErrorCode>>,
    pub(crate) result: FutureWriter<Result<(), ErrorCode>>,
}

/// A header that is a list: all of its lines as one, as RFC 9110, 5.3 wants.
pub(crate) fn list(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let lines = headers.get_all(name).iter();
    let lines: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

impl Call {
    /// A header as text.
    pub fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The id in the path under this name.
    ///
    /// # Errors
    /// [`ProblemKind::NotFound`] when it has none; the table makes sure that it has.
    pub fn id(&self, name: &str) -> Result<Id, Problem> {
        Id::parse(self.path.text(name)).ok_or_else(|| self.not_here())
    }

    /// The study and the segmentation whose ids are in the path, in the revision that the query asks for or else in the last.
    ///
    /// # Errors
    /// [`ProblemKind::NotFound`] when one of them is not there; what the store says when it fails.
    pub async fn kept_segmentation(
        &self,
        store: &GuestStore,
    ) -> Result<(StudyRecord, SegmentationRecord), Problem> {
        let (study_id, id) = (self.id("id")?, self.id("sid")?);
        let revision = self.revision()?;
        let found = match revision {
            Some(revision) => store.segmentation_revision(&study_id, &id, revision).await,
            None => store.segmentation(&study_id, &id).await,
        };
        let record = found
            .map_err(storage_problem)?
            .ok_or_else(|| match revision {
                Some(_) => Self::no_revision(),
                None => Self::no_segmentation(),
            })?;
        let study = store
            .study(&study_id)
            .await
            .map_err(storage_problem)?
            .ok_or_else(Self::no_study)?;
        Ok((study, record))
    }

    /// The revision that the query asks for; `None` is the last.
    ///
    /// # Errors
    /// None that a number of the contract's range can cause.
    pub fn revision(&self) -> Result<Option<u32>, Problem> {
        let asked = self.query.integer("revision").map(u32::try_from);
        asked.transpose().map_err(Problem::internal)
    }

    /// The form of the answer that the caller likes best among those of the operation.
    ///
    /// # Errors
    /// [`ProblemKind::NotAcceptable`].
    pub fn accepted(&self) -> Result<&'static str, Problem> {
        negotiate(
            list(&self.headers, &ACCEPT).as_deref(),
            &self.operation.offers(),
        )
    }

    /// The body. Can be had once.
    ///
    /// # Errors
    /// [`ProblemKind::BodyTooLarge`] for an announced length above the limit, [`ProblemKind::UnsupportedMediaType`] for a coding that is not read.
    pub fn body(&mut self) -> Result<BodyReader, Problem> {
        let coding: ContentCoding =
            content_coding(list(&self.headers, &CONTENT_ENCODING).as_deref())?;
        let announced = self
            .header(CONTENT_LENGTH)
            .and_then(|length| length.trim().parse().ok());
        self.settings.limits.check_content_length(announced)?;
        let body = self
            .body
            .take()
            .ok_or_else(|| Problem::internal("the body was asked for twice"))?;
        Ok(BodyReader::new(
            body.stream,
            body.end,
            body.result,
            coding,
            announced,
            self.settings.limits,
        ))
    }

    /// The JSON object in the body; `None` when the body is empty. What its members are is for the caller to check.
    ///
    /// # Errors
    /// [`ProblemKind::UnsupportedMediaType`], [`ProblemKind::BodyTooLarge`], [`ProblemKind::MalformedRequest`] for a text that is no JSON,
    /// [`ProblemKind::InvalidField`] for JSON that is no object.
    pub async fn json(&mut self) -> Result<Option<Map<String, Value>>, Problem> {
        let limits = self.settings.limits;
        let content_type = self.header(CONTENT_TYPE).map(str::to_owned);
        let bytes = self
            .body()?
            .collect(limits.json_bytes, || limits.json_too_large(None))
            .await?;
        if bytes.is_empty() {
            return Ok(None);
        }
        require_json(content_type.as_deref())?;
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(members)) => Ok(Some(members)),
            Ok(_) => Err(Problem::new(
                ProblemKind::InvalidField,
                "The body is JSON, but no object; send an object with the fields to set.",
            )),
            // The parser's own text may quote the body; its place does not.
            Err(error) => Err(Problem::new(
                ProblemKind::MalformedRequest,
                format!(
                    "The body is no JSON (line {}, column {}); send a JSON object.",
                    error.line(),
                    error.column()
                ),
            )),
        }
    }

    /// What the audit is told of a success.
    pub fn event(
        &self,
        action: Action,
        study_id: Option<&Id>,
        segmentation_id: Option<&Id>,
    ) -> Event {
        Event {
            at_ms: now_ms(),
            subject: self.identity.subject.clone(),
            action,
            study_id: study_id.cloned(),
            segmentation_id: segmentation_id.cloned(),
            model: None,
            revision: None,
            outcome: "ok".to_owned(),
            request_id: self.request_id.clone(),
        }
    }

    /// What the audit is told of a success with a version of a model.
    pub fn model_event(&self, action: Action, name: &str, version: &str) -> Event {
        Event {
            model: Some(format!("{name}@{version}")),
            ..self.event(action, None, None)
        }
    }

    /// The answer of a component to an operation that is another's.
    pub fn not_here(&self) -> Problem {
        Problem::new(
            ProblemKind::NotFound,
            "There is no such address here; the OpenAPI document at /api/v1/openapi.json lists those that are.",
        )
    }

    /// The answer when a study does not exist.
    pub fn no_study() -> Problem {
        Problem::new(
            ProblemKind::NotFound,
            "There is no study with this id; /api/v1/studies lists those that are there.",
        )
    }

    /// The answer when a revision does not exist.
    pub fn no_revision() -> Problem {
        Problem::new(
            ProblemKind::NotFound,
            "There is no segmentation with this id and revision here; `revisions` under a segmentation lists those that it has.",
        )
    }

    /// The answer when a segmentation does not exist.
    pub fn no_segmentation() -> Problem {
        Problem::new(
            ProblemKind::NotFound,
            "The study has no segmentation with this id; its segmentations are listed under it.",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_list_in_several_lines_is_one_list() {
        let mut headers = HeaderMap::new();
        assert_eq!(list(&headers, &ACCEPT), None);
        headers.append(ACCEPT, HeaderValue::from_static("text/csv;q=0.5"));
        headers.append(ACCEPT, HeaderValue::from_static("application/json"));
        assert_eq!(
            list(&headers, &ACCEPT).as_deref(),
            Some("text/csv;q=0.5, application/json")
        );
    }
}
