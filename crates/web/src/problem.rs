//! Problem documents (RFC 9457) and the catalogue of everything that can be answered with one. The catalogue is the only list:
//! statuses, titles, the pages under `/problems/` and the error answers of the OpenAPI document all come from it.

use std::fmt;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use serde_json::{Map, Value};

use crate::REQUEST_ID;

/// Media type of a problem document.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Path under which the service explains its problems; a problem's `type` is this and its slug.
pub const PROBLEM_PATH: &str = "/problems/";

macro_rules! catalogue {
    ($($(#[doc = $doc:literal])* $variant:ident { $slug:literal, $status:literal, $title:literal, $meaning:literal, $remedy:literal })*) => {
        /// What went wrong. Each kind has one status, one stable `type` and one page that explains it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ProblemKind {
            $($(#[doc = $doc])* $variant,)*
        }

        impl ProblemKind {
            /// Every kind, in the order of their statuses.
            pub const ALL: &'static [ProblemKind] = &[$(ProblemKind::$variant,)*];

            fn entry(self) -> (&'static str, u16, &'static str, &'static str, &'static str) {
                match self {
                    $(ProblemKind::$variant => ($slug, $status, $title, $meaning, $remedy),)*
                }
            }
        }
    };
}

catalogue! {
    /// The request line, the body's framing or a JSON text cannot be read.
    MalformedRequest { "malformed-request", 400, "The request cannot be read",
        "The body or a header is not what its type says: JSON that does not parse, a multipart body without its boundary, a gzip coding that is broken.",
        "Correct the part that the detail names and send the request again." }
    /// A query parameter is unknown, repeated or has a value that it cannot have.
    InvalidParameter { "invalid-parameter", 400, "A query parameter is wrong",
        "A parameter in the address is unknown, given twice, or has a value of the wrong kind. Unknown parameters are refused so that a misspelt one is not silently left out.",
        "The detail names the parameter and what it takes; the OpenAPI document lists them all." }
    /// No key, or one that is not known.
    Unauthenticated { "unauthenticated", 401, "A key is needed",
        "The service is set up with API keys, and the request carries none that it knows.",
        "Send `Authorization: Bearer` and your key. Keys are given out by whoever runs the service." }
    /// The key is known and its roles do not allow the call.
    Forbidden { "forbidden", 403, "The key does not allow this",
        "The key is known, but none of its roles may make this call. Readers read; clinicians also upload, segment, correct and review; stewards read, delete studies and see the audit.",
        "Use a key with the role that the detail names." }
    /// Without keys only this machine is answered.
    LoopbackOnly { "loopback-only", 403, "Only this machine is answered",
        "No API keys are configured, so the service answers only programs and pages on the machine that it runs on. Requests from elsewhere, under another host name, or from pages of other sites are refused.",
        "Call it as localhost on its own machine, or have `api_keys` configured." }
    /// Nothing is there.
    NotFound { "not-found", 404, "Nothing is there",
        "The address names nothing: a route that does not exist, or a study, segmentation, revision, slice or model that does not exist or was deleted.",
        "Check the address; lists such as /api/v1/studies say what is there." }
    /// The resource does not answer this method.
    MethodNotAllowed { "method-not-allowed", 405, "The method is not possible here",
        "The address exists, but does not take this method. The `Allow` header lists those it takes.",
        "Use one of the methods in `Allow`." }
    /// No media type that the caller accepts.
    NotAcceptable { "not-acceptable", 406, "No acceptable form",
        "The `Accept` header leaves none of the forms in which the answer exists.",
        "Ask for one of the forms that the detail lists, or leave `Accept` out." }
    /// The body stopped coming.
    BodyStalled { "body-stalled", 408, "The body stopped coming",
        "The client announced more bytes, and none came for longer than the service waits.",
        "Send the request again over a connection that keeps up." }
    /// What is asked for collides with what is there.
    Conflict { "conflict", 409, "The state does not allow this",
        "What was asked for collides with what happened in the meantime, for instance a study that is being deleted, or a model version that is active.",
        "Read the current state and decide again." }
    /// What the caller saw is not what is there any more.
    PreconditionFailed { "precondition-failed", 412, "It has changed meanwhile",
        "The `If-Match` header names a tag that what is to be changed does not have any more: somebody else was faster.",
        "Read what is there now, decide again, and send its tag." }
    /// The body is larger than the limit.
    BodyTooLarge { "body-too-large", 413, "The body is too large",
        "The body, or what it inflates to, is above a limit of the service. The detail gives the limit and the number found.",
        "Send fewer frames or files, or have the limit raised by whoever runs the service." }
    /// The volume has more voxels on an axis than the limit.
    VolumeTooLarge { "volume-too-large", 413, "The volume is too large",
        "The volume has more columns, rows, slices or frames than the service takes. The detail gives the limit and the number found.",
        "Crop the volume, send fewer frames, or have the limit raised by whoever runs the service." }
    /// The address is longer than any route.
    AddressTooLong { "address-too-long", 414, "The address is too long",
        "The address is longer than any that the service has.",
        "Send facts as form fields, or correct the address." }
    /// The body is of a kind that is not taken.
    UnsupportedMediaType { "unsupported-media-type", 415, "This kind of body is not taken",
        "The body, by its content or by its declared type or coding, is not one of the kinds that the call takes. Volumes are NIfTI-1 or NIfTI-2, plain or gzip, or DICOM files, as they are or in a zip archive.",
        "Convert the file to NIfTI, export the series as DICOM without compression, or send it with the type that the detail names." }
    /// The range lies outside the file.
    RangeNotSatisfiable { "range-not-satisfiable", 416, "The range lies outside the file",
        "The `Range` header asks for bytes behind the end. `Content-Range` says how long the file is.",
        "Ask for a range that starts before the end." }
    /// The file is of the right kind and its content cannot be taken.
    InvalidVolume { "invalid-volume", 422, "The volume cannot be believed",
        "The file is NIfTI or DICOM, but what it says cannot be true or is not all there: it is cut off, its sizes do not fit its length, its spacing is not a distance, its voxels are no numbers. Or there is no short-axis cine in the DICOM files, or a part of it is missing.",
        "The detail says what was found and expected; save or convert the volume again, or send the series that it names." }
    /// A field of a form or a JSON body is wrong.
    InvalidField { "invalid-field", 422, "A field is wrong",
        "A field of the form or of the JSON body is unknown, missing, of the wrong type, or has a value that cannot be true, such as a height in metres where centimetres are expected.",
        "The detail names the field, what was found and what it takes." }
    /// What was sent is readable, and cannot be measured or compared.
    NotMeasurable { "not-measurable", 422, "This cannot be measured",
        "The files are readable, but the question has no answer: masks of different shapes, a frame that is not there, a label that means nothing.",
        "The detail says what does not fit." }
    /// The model package or its grid does not take this volume.
    ModelUnusable { "model-unusable", 422, "The model cannot be used on this",
        "The model does not exist, its card cannot be used, or the volume's grid is not one that it takes.",
        "Choose a model that /api/v1/models lists, or another volume." }
    /// A model package that is not kept.
    InvalidPackage { "invalid-package", 422, "The model package cannot be kept",
        "The package is not whole, is not what its card says, or its graph did not answer the warm-up inference as its card declares. Nothing was changed.",
        "The detail says what was found and expected; correct the card or the graph and send the package again." }
    /// A header is too large.
    HeadersTooLarge { "headers-too-large", 431, "The headers are too large",
        "The request's headers are larger than the service reads.",
        "Send fewer or shorter headers." }
    /// Something broke that should not.
    Internal { "internal", 500, "Something broke inside",
        "The service failed for a reason that is not the caller's. Nothing of the request was kept unless the answer says so.",
        "Try again; if it stays, give the request id to whoever runs the service: it finds the cause in the log." }
    /// The inference engine or another service failed.
    EngineFailed { "engine-failed", 502, "The engine failed",
        "The inference engine, or a service that is called for the answer, did not answer as it should.",
        "Try again; if it stays, give the request id to whoever runs the service." }
    /// There is no engine until the service is configured.
    EngineNotConfigured { "engine-not-configured", 500, "Inference is not configured",
        "The service is set up so that it cannot infer: a setting that says where or by what is missing, or cannot be used. Everything else is served.",
        "Whoever runs the service gives the setting that the detail names and starts it again; trying again alone does not help." }
    /// The server that infers did not answer.
    EngineUnreachable { "engine-unreachable", 502, "The inference server did not answer",
        "Inference runs on another server here, and that one cannot be reached, went away before it had answered, or took too long. What was kept before is kept still; nothing of this request was.",
        "Send the request again; if it stays, whoever runs the service has to look at the inference server." }
    /// As many requests are at work as are allowed.
    Overloaded { "overloaded", 503, "Too much at once",
        "As many requests are at work and waiting as the service allows.",
        "Try again after the seconds in `Retry-After`." }
    /// The service has started and its model has not answered yet.
    NotReady { "not-ready", 503, "Not ready yet",
        "The active model has not given its first answer yet, or cannot be loaded.",
        "Try again after the seconds in `Retry-After`." }
    /// The work took longer than the deadline.
    DeadlineExceeded { "deadline-exceeded", 504, "It took too long",
        "The work was not done within the time that a request has.",
        "Send fewer frames, or have the deadline raised by whoever runs the service." }
}

impl ProblemKind {
    /// The stable name at the end of the `type`.
    pub fn slug(self) -> &'static str {
        self.entry().0
    }

    /// The status of every answer of this kind.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.entry().1).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// A few words, the same for every answer of this kind.
    pub fn title(self) -> &'static str {
        self.entry().2
    }

    /// What it means, in sentences.
    pub fn meaning(self) -> &'static str {
        self.entry().3
    }

    /// What to do about it, in a sentence.
    pub fn remedy(self) -> &'static str {
        self.entry().4
    }

    /// The `type`: a path of the service.
    pub fn type_path(self) -> String {
        format!("{PROBLEM_PATH}{}", self.slug())
    }

    /// The kind with this slug.
    pub fn from_slug(slug: &str) -> Option<ProblemKind> {
        ProblemKind::ALL
            .iter()
            .copied()
            .find(|kind| kind.slug() == slug)
    }
}

/// A refusal or a failure, on its way to becoming an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    kind: ProblemKind,
    detail: String,
    members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<String>,
}

impl Problem {
    /// A problem whose `detail` says what was found, what was expected and what to do. The detail is shown to the caller: no
    /// patient data, no internals.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Problem {
        Problem {
            kind,
            detail: detail.into(),
            members: Map::new(),
            headers: Vec::new(),
            cause: None,
        }
    }

    /// A failure of the service. The cause goes to the log and never to the caller.
    pub fn internal(cause: impl fmt::Display) -> Problem {
        let detail = "The request failed inside the service. Try again; the request id finds the cause in the log.";
        Problem {
            cause: Some(cause.to_string()),
            ..Problem::new(ProblemKind::Internal, detail)
        }
    }

    /// A field of a form or JSON body that is wrong, named in the text and in the member `field`.
    pub fn field(name: &str, says: impl fmt::Display) -> Problem {
        Problem::new(
            ProblemKind::InvalidField,
            format!("The field {} {says}.", named(name)),
        )
        .with("field", name)
    }

    /// A query parameter that is wrong, named in the text and in the member `parameter`.
    pub fn parameter(name: &str, says: impl fmt::Display) -> Problem {
        Problem::new(
            ProblemKind::InvalidParameter,
            format!("The query parameter {} {says}.", named(name)),
        )
        .with("parameter", name)
    }

    /// Adds a member to the document, beside those of RFC 9457.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Problem {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Problem {
        self.headers.push((name, value));
        self
    }

    /// Adds `Retry-After`.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Problem {
        self.with_header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Adds the cause that the log is told and the caller is not.
    #[must_use]
    pub fn caused_by(mut self, cause: impl fmt::Display) -> Problem {
        self.cause = Some(cause.to_string());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// What was found, what was expected, what to do.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// What the log is told and the caller is not.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The headers that belong to the answer, besides its type.
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// The document for a request with this id.
    pub fn document(&self, request_id: &str) -> Value {
        let mut document = self.members.clone();
        document.insert("type".to_owned(), self.kind.type_path().into());
        document.insert("title".to_owned(), self.kind.title().into());
        document.insert("status".to_owned(), self.kind.status().as_u16().into());
        document.insert("detail".to_owned(), self.detail.clone().into());
        document.insert("request_id".to_owned(), request_id.into());
        Value::Object(document)
    }

    /// The whole answer to a request with this id.
    pub fn response(&self, request_id: &str) -> Response<Vec<u8>> {
        let mut response = Response::new(self.document(request_id).to_string().into_bytes());
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(value) = HeaderValue::from_str(request_id) {
            headers.insert(REQUEST_ID, value);
        }
        for (name, value) in &self.headers {
            headers.append(name.clone(), value.clone());
        }
        response
    }
}

/// A name in a sentence, also where it is empty.
fn named(name: &str) -> &str {
    if name.is_empty() {
        "without a name"
    } else {
        name
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.slug(), self.detail)
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_kind_has_a_slug_of_its_own_an_error_status_and_words() {
        let mut slugs = HashSet::new();
        for kind in ProblemKind::ALL {
            assert!(slugs.insert(kind.slug()), "{} is there twice", kind.slug());
            assert!(
                kind.status().is_client_error() || kind.status().is_server_error(),
                "{kind:?}"
            );
            assert_eq!(kind.status().as_u16(), kind.entry().1, "{kind:?}");
            assert!(
                kind.slug()
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
                "{kind:?}"
            );
            assert!(
                kind.meaning().ends_with('.') && kind.remedy().ends_with('.'),
                "{kind:?}"
            );
            assert_eq!(ProblemKind::from_slug(kind.slug()), Some(*kind));
        }
        assert_eq!(ProblemKind::from_slug("nothing"), None);
    }

    #[test]
    fn a_document_has_the_members_of_rfc_9457_and_its_own() {
        let problem = Problem::field("height_cm", "is 1.8, expected 20 to 280");
        let document = problem.document("r-1");
        assert_eq!(document["type"], "/problems/invalid-field");
        assert_eq!(document["status"], 422);
        assert_eq!(document["request_id"], "r-1");
        assert_eq!(document["field"], "height_cm");
        assert_eq!(
            document["detail"],
            "The field height_cm is 1.8, expected 20 to 280."
        );
    }

    #[test]
    fn a_failure_keeps_its_cause_from_the_caller() {
        let problem = Problem::internal("disk full at /var/lib");
        assert!(!problem.document("r-1").to_string().contains("disk"));
        assert_eq!(problem.cause(), Some("disk full at /var/lib"));
    }

    #[test]
    fn an_answer_carries_its_type_its_id_and_its_headers() {
        let response = Problem::new(ProblemKind::Overloaded, "16 requests are at work.")
            .retry_after(2)
            .response("r-1");
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_JSON);
        assert_eq!(response.headers()[REQUEST_ID], "r-1");
        assert_eq!(response.headers()[RETRY_AFTER], "2");
    }

    #[test]
    fn a_member_cannot_hide_one_of_the_standard_members() {
        let document = Problem::new(ProblemKind::NotFound, "none")
            .with("status", 200)
            .document("r-1");
        assert_eq!(document["status"], 404);
    }
}
