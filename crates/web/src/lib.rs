//! What the HTTP of Cinecor has in common: problems, limits, media types, ranges, ids, who may call, and the one table of operations
//! from which routes, roles, `Allow` and the OpenAPI document come. Values in, values or problems out: no IO, no clock, no hearts.
//!
//! A component does `decode → crate → encode`; this crate is the decode and encode that all of them share:
//!
//! ```
//! use cinecor_web::{Limits, Method, Query, Route, negotiate, route};
//!
//! let Route::Operation { operation, parameters } = route(&Method::GET, "/api/v1/studies/0123456789abcdef0123456789abcdef")? else {
//!     unreachable!("the table has it");
//! };
//! assert_eq!(operation.id, "get_study");
//! assert_eq!(parameters.text("id"), "0123456789abcdef0123456789abcdef");
//! let query = Query::parse("", operation)?;
//! assert_eq!(query.text("frame"), None);
//! assert_eq!(negotiate(Some("application/json"), &["application/json"])?, "application/json");
//! assert_eq!(Limits::default().frames, 100);
//! # Ok::<(), cinecor_web::Problem>(())
//! ```

// The table of schemas is one JSON text, which a macro reads item by item.
#![recursion_limit = "256"]

mod access;
mod conditional;
mod cors;
mod cursor;
mod limits;
mod media;
mod openapi;
mod operations;
mod pages;
mod problem;
mod query;
mod request_id;
mod router;
mod schemas;
mod sse;
mod time;

pub use access::{Access, Caller, Identity, KeyError, Role};
pub use conditional::{ByteRange, Delivery, Etag, deliver, require_match};
pub use cors::Cors;
pub use cursor::Cursor;
pub use http::{HeaderMap, Method, StatusCode};
pub use limits::{Limits, SettingError};
pub use media::{
    BodyKind, ContentCoding, MediaType, content_coding, negotiate, require_json, volume_body,
};
pub use openapi::openapi;
pub use operations::{
    API, Body, CSV, GZIP, HTML, JSON, NIFTI, OPERATIONS, Operation, PNG, PRECISIONS, Parameter,
    Place, REVIEW_NOTE_CHARS, SSE, Success, VERDICT, ValueKind, ZIP,
};
pub use pages::{problem_json, problem_page, problems_page};
pub use problem::{PROBLEM_JSON, PROBLEM_PATH, Problem, ProblemKind};
pub use query::Query;
pub use request_id::{REQUEST_ID, request_id};
pub use router::{PathParameters, Route, allow, method_not_allowed, route};
pub use sse::{SSE_KEEP_ALIVE, event};
pub use time::{parse_rfc3339, rfc3339};
