//! The way to a server from a component: `wasi:http@0.2`, whose calls wait without a future of the guest's. The host keeps connections and checks
//! certificates; redirects are not followed.

use cinecor_kserve::{HEADER_LENGTH, Request};
use cinecor_nn::{Kserve as Settings, Reply, Transport, TransportError};
use wasip2::clocks::monotonic_clock::{self, Instant};
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    RequestOptions, Scheme,
};
use wasip2::io::poll::{self, Pollable};
use wasip2::io::streams::StreamError;

/// Most bytes of an answer that are asked for at once.
const PIECE: u64 = 1 << 20;

const NS_PER_MS: u64 = 1_000_000;

/// A server's address, and how it is spoken to.
pub(crate) struct Http {
    scheme: Scheme,
    authority: String,
    /// What comes before `/v2`, without a slash at its end.
    prefix: String,
    authorization: Option<String>,
    timeout_ms: u64,
    connect_timeout_ms: u64,
}

/// Whether `url` is meant as an address. The manifest has to have one even where there is no server, and takes a name under `.invalid`, which no
/// server can have (RFC 2606).
pub(crate) fn names_a_server(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host);
    let host = host.trim().trim_end_matches('.');
    !host.is_empty() && !host.to_ascii_lowercase().ends_with(".invalid")
}

impl Http {
    /// The way to the server of the settings.
    ///
    /// # Errors
    /// A sentence that says what cannot be used.
    pub(crate) fn new(settings: &Settings, token: &str) -> Result<Self, String> {
        let wrong = "the variable remote_url is not http://host:port or https://host:port, perhaps with a path before /v2";
        let (scheme, rest) = settings.url.split_once("://").ok_or(wrong)?;
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(wrong.to_owned()),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.is_empty() || authority.contains('@') || path.contains(['?', '#']) {
            return Err(wrong.to_owned());
        }
        let path = path.trim_end_matches('/');
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the variable remote_token has characters that no token has".to_owned());
        }
        Ok(Self {
            scheme,
            authority: authority.to_owned(),
            prefix: if path.is_empty() {
                String::new()
            } else {
                format!("/{path}")
            },
            authorization: (!token.is_empty()).then(|| format!("Bearer {token}")),
            timeout_ms: settings.timeout_ms,
            connect_timeout_ms: settings.connect_timeout_ms,
        })
    }

    fn head(
        &self,
        path: &str,
        request: Option<&Request>,
    ) -> Result<OutgoingRequest, TransportError> {
        let mut headers = Vec::new();
        if let Some(authorization) = &self.authorization {
            headers.push(("authorization", authorization.clone()));
        }
        if let Some(request) = request {
            headers.push(("content-type", request.media_type().to_owned()));
            headers.push(("content-length", request.body.len().to_string()));
            if let Some(header_bytes) = request.header_bytes {
                headers.push((HEADER_LENGTH, header_bytes.to_string()));
            }
        }
        let headers: Vec<(String, Vec<u8>)> = headers
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into_bytes()))
            .collect();
        let headers = Fields::from_list(&headers).map_err(own)?;
        let head = OutgoingRequest::new(headers);
        let method = match request {
            Some(_) => Method::Post,
            None => Method::Get,
        };
        let path = format!("{}{path}", self.prefix);
        head.set_method(&method)
            .and_then(|()| head.set_scheme(Some(&self.scheme)))
            .and_then(|()| head.set_authority(Some(&self.authority)))
            .and_then(|()| head.set_path_with_query(Some(&path)))
            .map_err(|()| own("the address of the remote inference server cannot be used"))?;
        Ok(head)
    }

    fn options(&self) -> Result<RequestOptions, TransportError> {
        let options = RequestOptions::new();
        let whole = Some(self.timeout_ms.saturating_mul(NS_PER_MS));
        let connect = Some(self.connect_timeout_ms.saturating_mul(NS_PER_MS));
        options
            .set_connect_timeout(connect)
            .and_then(|()| options.set_first_byte_timeout(whole))
            .and_then(|()| options.set_between_bytes_timeout(whole))
            .map_err(|()| own("the host does not take times for requests"))?;
        Ok(options)
    }

    /// Waits until `ready` is, or the time is over.
    fn wait(&self, ready: &Pollable, end: Instant) -> Result<(), TransportError> {
        let over = monotonic_clock::subscribe_instant(end);
        poll::poll(&[ready, &over]);
        if ready.ready() {
            Ok(())
        } else {
            Err(TransportError::Late(self.timeout_ms))
        }
    }

    /// Sends a body. A server that stops reading may have answered before: what it says is looked at afterwards.
    fn send(&self, body: OutgoingBody, bytes: &[u8], end: Instant) -> Result<(), TransportError> {
        let stream = body
            .write()
            .map_err(|()| own("the body of a request cannot be written"))?;
        let ready = stream.subscribe();
        let mut left = bytes;
        let whole = loop {
            let room = match stream.check_write() {
                Ok(0) => {
                    self.wait(&ready, end)?;
                    continue;
                }
                Ok(room) => usize::try_from(room).unwrap_or(usize::MAX),
                Err(_) => break false,
            };
            if left.is_empty() {
                break stream.flush().is_ok();
            }
            let (piece, rest) = left.split_at(room.min(left.len()));
            if stream.write(piece).is_err() {
                break false;
            }
            left = rest;
        };
        // A stream has to go before its body, and what waits for it before that.
        drop(ready);
        drop(stream);
        if whole {
            // Fails where the connection did, which the answer tells better.
            let _ = OutgoingBody::finish(body, None);
        }
        Ok(())
    }

    fn read(
        &self,
        response: &IncomingResponse,
        most: u64,
        end: Instant,
    ) -> Result<Vec<u8>, TransportError> {
        let body: IncomingBody = response
            .consume()
            .map_err(|()| own("the body of an answer cannot be read"))?;
        let stream = body
            .stream()
            .map_err(|()| own("the body of an answer cannot be read"))?;
        let ready = stream.subscribe();
        let mut bytes = Vec::new();
        loop {
            self.wait(&ready, end)?;
            match stream.read(PIECE) {
                Ok(piece) => {
                    if (bytes.len() + piece.len()) as u64 > most {
                        return Err(TransportError::TooLong(most));
                    }
                    bytes.extend_from_slice(&piece);
                }
                Err(StreamError::Closed) => return Ok(bytes),
                Err(StreamError::LastOperationFailed(error)) => {
                    return Err(TransportError::Unreachable(error.to_debug_string()));
                }
            }
        }
    }
}

impl Transport for Http {
    fn exchange(
        &self,
        path: &str,
        request: Option<&Request>,
        answer_bytes_max: u64,
    ) -> Result<Reply, TransportError> {
        let time = self.timeout_ms.saturating_mul(NS_PER_MS);
        let end = monotonic_clock::now().saturating_add(time);
        let head = self.head(path, request)?;
        let body = head
            .body()
            .map_err(|()| own("a request cannot have a body"))?;
        let answer = outgoing_handler::handle(head, Some(self.options()?))
            .map_err(|error| self.failed(&error))?;
        match request {
            Some(request) => self.send(body, &request.body, end)?,
            None => OutgoingBody::finish(body, None).map_err(|error| self.failed(&error))?,
        }
        let ready = answer.subscribe();
        self.wait(&ready, end)?;
        let response = match answer.get() {
            Some(Ok(Ok(response))) => response,
            Some(Ok(Err(error))) => return Err(self.failed(&error)),
            Some(Err(())) | None => return Err(own("an answer was lost on its way")),
        };
        let header_length = response.headers().get(HEADER_LENGTH);
        let header_length = header_length
            .first()
            .map(|value| String::from_utf8_lossy(value).into_owned());
        let body = self.read(&response, answer_bytes_max, end)?;
        Ok(Reply {
            status: response.status(),
            header_length,
            body,
        })
    }
}

impl Http {
    fn failed(&self, error: &ErrorCode) -> TransportError {
        match error {
            ErrorCode::ConnectionReadTimeout
            | ErrorCode::ConnectionWriteTimeout
            | ErrorCode::HttpResponseTimeout => TransportError::Late(self.timeout_ms),
            ErrorCode::HttpRequestDenied => own(
                "the manifest does not allow the component to call the remote inference server; add its address to allowed_outbound_hosts",
            ),
            other => TransportError::Unreachable(format!("{other:?}")),
        }
    }
}

fn own(text: impl std::fmt::Display) -> TransportError {
    TransportError::Own(text.to_string())
}
