//! From a request of the host to a [`Call`], and from its [`Answer`] to a response: the same steps for every component.

use std::rc::Rc;

use cinecor_web::{
    Caller, Cors, HeaderMap, Identity, Method, Problem, ProblemKind, Query, REQUEST_ID, Route, SSE,
    StatusCode, VERDICT, negotiate, request_id, route,
};
use http::HeaderValue;
use http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use serde_json::json;
use spin_sdk::wasip3::http::types;
use spin_sdk::wasip3::http_compat::BodyWriter;
use spin_sdk::wasip3::{spawn, wit_future};

use crate::answer::{Answer, Content, Sink, content_tag};
use crate::call::{Body, Call, list};
use crate::settings::Settings;
use crate::spin::random;

/// A request as the host hands it over.
pub type Request = types::Request;

/// A response as the host takes it, or nothing but the word that the component failed.
pub type Response = Result<types::Response, types::ErrorCode>;

/// The parts of a request that are at hand at once.
struct Head {
    method: Method,
    path: String,
    query: String,
    authority: Option<String>,
    headers: HeaderMap,
    request_id: String,
}

/// Answers a request of the table: routes it, checks who calls and what is asked, and lets `answer` do the work.
pub async fn serve<F>(request: Request, answer: impl FnOnce(Call) -> F) -> Response
where
    F: Future<Output = Result<Answer, Problem>>,
{
    let (head, body) = match take_apart(request) {
        Ok(parts) => parts,
        Err(refused) => return refused,
    };
    let settings = match Settings::load().await {
        Ok(settings) => settings,
        Err(problem) => return refuse(&problem, &head, None),
    };
    let answered = match check(&head, &settings, |needed| {
        let caller = Caller {
            method: &head.method,
            headers: &head.headers,
            authority: head.authority.as_deref(),
        };
        settings.access.authorize(needed, &caller)
    }) {
        Ok(Checked::Options(allow)) => Ok(options(&allow)),
        Ok(Checked::Call(checked)) => answer(checked.into_call(&head, &settings, body)).await,
        Err(problem) => Err(problem),
    };
    respond(answered, &head, &settings)
}

/// As [`serve`], for a component all of whose content is public. What the table does not know goes to `elsewhere` with its path.
pub async fn serve_open<F>(
    request: Request,
    answer: impl FnOnce(Call) -> F,
    elsewhere: impl FnOnce(&Method, &str, &HeaderMap) -> Result<Answer, Problem>,
) -> Response
where
    F: Future<Output = Result<Answer, Problem>>,
{
    let (head, body) = match take_apart(request) {
        Ok(parts) => parts,
        Err(refused) => return refused,
    };
    let settings = match Settings::load_open().await {
        Ok(settings) => settings,
        Err(problem) => return refuse(&problem, &head, None),
    };
    let public = |_| Ok(Identity::anonymous());
    let answered = match check(&head, &settings, public) {
        Ok(Checked::Options(allow)) => Ok(options(&allow)),
        Ok(Checked::Call(checked)) => answer(checked.into_call(&head, &settings, body)).await,
        Err(problem) if problem.kind() == ProblemKind::NotFound => {
            elsewhere(&head.method, &head.path, &head.headers)
        }
        Err(problem) => Err(problem),
    };
    respond(answered, &head, &settings)
}

fn take_apart(request: Request) -> Result<(Head, Body), Response> {
    let headers = HeaderMap::try_from(request.get_headers()).map_err(Err)?;
    let method = Method::try_from(request.get_method())
        .map_err(|_| Err(types::ErrorCode::HttpRequestMethodInvalid))?;
    let target = request
        .get_path_with_query()
        .unwrap_or_else(|| "/".to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let head = Head {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        authority: request.get_authority(),
        request_id: request_id(&headers, random()),
        headers,
    };
    let (result, result_reader) = wit_future::new(|| Ok(()));
    let (stream, end) = types::Request::consume_body(request, result_reader);
    Ok((
        head,
        Body {
            stream,
            end,
            result,
        },
    ))
}

enum Checked {
    Call(Box<CheckedCall>),
    Options(String),
}

struct CheckedCall {
    operation: &'static cinecor_web::Operation,
    path: cinecor_web::PathParameters,
    query: Query,
    identity: Identity,
}

impl CheckedCall {
    fn into_call(self, head: &Head, settings: &Rc<Settings>, body: Body) -> Call {
        Call {
            operation: self.operation,
            path: self.path,
            query: self.query,
            method: head.method.clone(),
            headers: head.headers.clone(),
            identity: self.identity,
            settings: Rc::clone(settings),
            request_id: head.request_id.clone(),
            body: Some(body),
        }
    }
}

/// Who calls is asked before what is asked for is looked at: a caller without a key learns nothing of the rest.
fn check(
    head: &Head,
    settings: &Settings,
    authorize: impl Fn(Option<cinecor_web::Role>) -> Result<Identity, Problem>,
) -> Result<Checked, Problem> {
    let routed = route(&head.method, &head.path);
    let (operation, path) = match routed {
        Ok(Route::Operation {
            operation,
            parameters,
        }) => (operation, parameters),
        Ok(Route::Options { allow }) => {
            // A preflight carries no key; it is answered with what is public anyway.
            let allowed_page = Cors::is_preflight(&head.headers)
                && head
                    .headers
                    .get(http::header::ORIGIN)
                    .and_then(|origin| origin.to_str().ok())
                    .is_some_and(|origin| settings.access.cors().allows(origin));
            if !allowed_page {
                authorize(None)?;
            }
            return Ok(Checked::Options(allow));
        }
        Err(problem) => {
            authorize(None)?;
            return Err(problem);
        }
    };
    let identity = authorize(operation.role)?;
    let query = Query::parse(&head.query, operation)?;
    let offers = operation.offers();
    if !offers.is_empty() {
        // An answer that the caller would not take is not worked for.
        negotiate(list(&head.headers, &ACCEPT).as_deref(), &offers)?;
    }
    Ok(Checked::Call(Box::new(CheckedCall {
        operation,
        path,
        query,
        identity,
    })))
}

fn options(allow: &str) -> Answer {
    let answer = Answer::no_content();
    match HeaderValue::from_str(allow) {
        Ok(value) => answer.header(ALLOW, value),
        Err(_) => answer,
    }
}

fn refuse(problem: &Problem, head: &Head, settings: Option<&Settings>) -> Response {
    log_problem(problem, &head.request_id);
    let (parts, body) = problem.response(&head.request_id).into_parts();
    let answer = Answer {
        status: parts.status,
        headers: parts.headers,
        content: Content::Bytes(body),
        afterwards: None,
        tag: None,
    };
    send(answer, head, settings)
}

fn respond(answered: Result<Answer, Problem>, head: &Head, settings: &Settings) -> Response {
    match answered {
        Ok(answer) => send(with_etag(answer, head), head, Some(settings)),
        Err(problem) => refuse(&problem, head, Some(settings)),
    }
}

/// Gives a whole answer to a GET its tag, and takes the bytes away when the caller has them. One place for every JSON, CSV and PNG.
fn with_etag(answer: Answer, head: &Head) -> Answer {
    let reads = head.method == Method::GET || head.method == Method::HEAD;
    let fixed = answer
        .headers
        .get(CACHE_CONTROL)
        .is_none_or(|value| value != "no-store");
    let Content::Bytes(bytes) = &answer.content else {
        return answer;
    };
    if !fixed || answer.status != StatusCode::OK || answer.headers.contains_key(ETAG) {
        return answer;
    }
    let etag = content_tag(answer.tag.as_deref(), bytes);
    if !reads {
        // What a change was answered with is what a GET would give now. Of a PUT that is not what was sent, so that RFC 9110, 9.3.4,
        // wants no tag.
        return match answer.tag.is_some() && head.method != Method::PUT {
            true => answer.etag(&etag),
            false => answer,
        };
    }
    if !etag.matches_none(&head.headers) {
        return answer.etag(&etag);
    }
    let mut unchanged = Answer::not_modified(&etag);
    for name in [CACHE_CONTROL, VARY, HeaderName::from_static(VERDICT)] {
        if let Some(value) = answer.headers.get(&name) {
            unchanged.headers.insert(name, value.clone());
        }
    }
    unchanged
}

fn send(mut answer: Answer, head: &Head, settings: Option<&Settings>) -> Response {
    let headers = &mut answer.headers;
    if let Ok(id) = HeaderValue::from_str(&head.request_id) {
        headers.insert(HeaderName::from_static(REQUEST_ID), id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(CACHE_CONTROL) {
        // Answers may be kept by the caller alone, who has to ask whether they still hold.
        let value = if answer.status.is_success() || answer.status == StatusCode::NOT_MODIFIED {
            "private, no-cache"
        } else {
            "no-store"
        };
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(value));
    }
    if headers.contains_key(CONTENT_TYPE) && !headers.contains_key(VARY) {
        headers.append(VARY, HeaderValue::from_static("Accept"));
    }
    if let Some(settings) = settings {
        let allow = headers
            .get(ALLOW)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        settings.access.cors().apply(
            &head.headers,
            allow.as_deref().filter(|_| head.method == Method::OPTIONS),
            headers,
        );
    }
    let has_body =
        answer.status != StatusCode::NO_CONTENT && answer.status != StatusCode::NOT_MODIFIED;
    if let (Content::Bytes(bytes), true) = (&answer.content, has_body) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len() as u64));
    }
    let is_events = headers.get(CONTENT_TYPE).is_some_and(|value| value == SSE);
    if is_events {
        // Proxies that gather answers would hold the events back.
        headers.insert(
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        );
    }
    let fields = types::Fields::try_from(answer.headers)
        .map_err(|_| types::ErrorCode::InternalError(None))?;
    if head.method == Method::HEAD || !has_body {
        let (_, ended) = wit_future::new(|| Ok(None));
        let (response, _) = types::Response::new(fields, None, ended);
        let _ = response.set_status_code(answer.status.as_u16());
        return Ok(response);
    }
    let (mut writer, stream, ended) = BodyWriter::new();
    let (response, _) = types::Response::new(fields, Some(stream), ended);
    let _ = response.set_status_code(answer.status.as_u16());
    let request_id = head.request_id.clone();
    match answer.content {
        Content::Bytes(bytes) => spawn(async move {
            // What is left over was not wanted any more.
            let _ = writer.stream_writer.write_all(bytes).await;
            Sink::new(writer, request_id).finish().await;
            if let Some(work) = answer.afterwards {
                work().await;
            }
        }),
        Content::Stream(write) => spawn(write(Sink::new(writer, request_id))),
    }
    Ok(response)
}

/// One line for the log about a failure of the service; refusals are the caller's business and stand in the host's log with their status.
pub(crate) fn log_problem(problem: &Problem, request_id: &str) {
    if problem.status().is_server_error() || problem.cause().is_some() {
        let line = json!({
            "level": if problem.status().is_server_error() { "error" } else { "info" },
            "request_id": request_id,
            "problem": problem.kind().slug(),
            "cause": problem.cause().unwrap_or(problem.detail()),
        });
        eprintln!("{line}");
    }
}
