//! A guest of the host's tests, on WASI 0.2: `hello`, `echo`, `fetch?url` and `loop`, by the last part of the path.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingRequest, OutgoingResponse, ResponseOutparam,
    Scheme,
};
use wasip2::io::streams::StreamError;

struct Probe;

wasip2::http::proxy::export!(Probe);

impl wasip2::exports::http::incoming_handler::Guest for Probe {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, argument) = target.split_once('?').unwrap_or((&target, ""));
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().expect("the body of a new response");
        ResponseOutparam::set(out, Ok(response));
        let writer = body.write().expect("the stream of a new body");
        match path.rsplit('/').next().unwrap_or_default() {
            "hello" => writer
                .blocking_write_and_flush(b"hello from 0.2")
                .expect("writing"),
            "echo" => {
                let incoming = request.consume().expect("the body of the request");
                let reader = incoming.stream().expect("the stream of the body");
                loop {
                    match reader.blocking_read(4096) {
                        Ok(bytes) => writer.blocking_write_and_flush(&bytes).expect("writing"),
                        Err(StreamError::Closed) => break,
                        Err(error) => panic!("reading: {error:?}"),
                    }
                }
            }
            "fetch" => {
                let words = fetch(argument).unwrap_or_else(|error| format!("refused: {error}"));
                writer
                    .blocking_write_and_flush(words.as_bytes())
                    .expect("writing");
            }
            "loop" => loop {
                std::hint::black_box(());
            },
            _ => writer
                .blocking_write_and_flush(b"the probe knows no such path")
                .expect("writing"),
        }
        drop(writer);
        OutgoingBody::finish(body, None).expect("the end of the body");
    }
}

/// Status and the first bytes of what a URL answers.
fn fetch(url: &str) -> Result<String, String> {
    let rest = url
        .strip_prefix("http://")
        .ok_or("only http:// is asked for in tests")?;
    let (authority, path) = rest
        .split_once('/')
        .map_or((rest, String::from("/")), |(authority, path)| {
            (authority, format!("/{path}"))
        });
    let request = OutgoingRequest::new(Fields::new());
    let set = request
        .set_scheme(Some(&Scheme::Http))
        .and_then(|()| request.set_authority(Some(authority)));
    set.and_then(|()| request.set_path_with_query(Some(&path)))
        .map_err(|()| "an address that is none".to_owned())?;
    let future = outgoing_handler::handle(request, None).map_err(|error| format!("{error:?}"))?;
    future.subscribe().block();
    let response = match future.get() {
        Some(Ok(Ok(response))) => response,
        other => return Err(format!("{other:?}")),
    };
    let body = response.consume().map_err(|()| "no body".to_owned())?;
    let reader = body.stream().map_err(|()| "no stream".to_owned())?;
    let bytes = reader.blocking_read(4096).unwrap_or_default();
    Ok(format!(
        "{} {}",
        response.status(),
        String::from_utf8_lossy(&bytes)
    ))
}
