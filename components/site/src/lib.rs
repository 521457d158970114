//! The site component: the page's static files, the pages that say what problems mean, and 404 for everything that nobody else answers.
//!
//! All of it is public, so that the page can ask for a key: no key is looked at here.

mod files;

use cinecor_guest::{Answer, Call, Request, Response, serve_open};
use cinecor_web::{
    HTML, HeaderMap, JSON, Method, PROBLEM_PATH, Problem, ProblemKind, StatusCode, problem_json,
    problem_page, problems_page,
};
use http::HeaderValue;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, LOCATION, REFERRER_POLICY, X_FRAME_OPTIONS,
};
use serde_json::{Value, json};
use spin_sdk::wasip3;

/// What the page may load. Plotly makes style elements and style attributes while it draws, which is why styles may be inline; scripts
/// may not. Pictures come as blobs, because they are fetched with a key.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; \
                           connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

struct Site;

wasip3::http::service::export!(Site);

impl wasip3::exports::http::handler::Guest for Site {
    async fn handle(request: Request) -> Response {
        serve_open(request, answer, elsewhere).await
    }
}

async fn answer(call: Call) -> Result<Answer, Problem> {
    let as_json = call.accepted()? == JSON;
    match call.operation.id {
        "list_problems" if as_json => {
            let items: Vec<Value> = ProblemKind::ALL
                .iter()
                .map(|kind| problem_json(*kind))
                .collect();
            Answer::json(&json!({ "items": items }))
        }
        "list_problems" => Ok(html(problems_page())),
        "get_problem" => {
            let kind = ProblemKind::from_slug(call.path.text("slug"));
            let kind = kind.ok_or_else(|| {
                Problem::new(
                    ProblemKind::NotFound,
                    format!("There is no such kind of problem; {PROBLEM_PATH} lists them."),
                )
            })?;
            if as_json {
                Answer::json(&problem_json(kind))
            } else {
                Ok(html(problem_page(kind)))
            }
        }
        _ => Err(call.not_here()),
    }
}

/// Static files, and nothing else.
fn elsewhere(method: &Method, path: &str, headers: &HeaderMap) -> Result<Answer, Problem> {
    if path == PROBLEM_PATH.trim_end_matches('/') {
        return Ok(Answer::no_content()
            .status(StatusCode::PERMANENT_REDIRECT)
            .header(LOCATION, HeaderValue::from_static(PROBLEM_PATH)));
    }
    files::answer(method, path, headers).map(secured)
}

fn html(page: String) -> Answer {
    secured(Answer::bytes(HTML, page))
        .header(CACHE_CONTROL, HeaderValue::from_static("public, no-cache"))
}

/// The headers that keep a browser from doing with the page what it is not for.
fn secured(answer: Answer) -> Answer {
    answer
        .header(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(PAGE_POLICY),
        )
        .header(REFERRER_POLICY, HeaderValue::from_static("no-referrer"))
        .header(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"))
        .header(
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        )
        .header(
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        )
        .header(
            HeaderName::from_static("permissions-policy"),
            HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
        )
}
