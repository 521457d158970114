//! The HTTP server: connections, TLS, admission, ids, limits, and the host's own answers. What a request means to the application is not
//! known here; every refusal of the host is a problem document.

use crate::admission::Permit;
use crate::app::{App, Failure, LinkGuard, Service, SpinHeaders, millis};
use crate::body::{
    BodyFault, BodyWatch, Due, Finish, InTurn, RequestBody, ResponseBody, TimedBody, overdue, relay,
};
use crate::instance::Link;
use crate::metrics::RequestReport;
use bytes::Bytes;
use cinecor_web::{Cors, Problem, ProblemKind, REQUEST_ID};
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, ORIGIN};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use wasmtime_wasi_http::WasiBody;

/// Longest path with query that is taken, in bytes.
const TARGET_BYTES_MAX: usize = 8 << 10;

/// Largest head of a request that is read, in bytes; beyond it the connection gets a bare 431.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Bytes that all answers together may have waiting for their clients without a place; those beyond keep theirs until they are taken.
const UNTAKEN_BYTES_MAX: usize = 64 << 20;

/// So many times as long as a connection may have nothing to do, it may take over the end of its last answers.
const TAIL_TIMES: u32 = 6;

/// A client that has sent nothing of its body for so long may wait to be refused. So long, too, a request waits for its body and its turn before
/// it is looked whether a place is free: of clients that come together all find the places free.
const SILENCE: Duration = Duration::from_secs(1);

/// The media type of server-sent events.
const EVENTS: &[u8] = b"text/event-stream";

/// Spin's own paths, answered before any route.
const HEALTH: &str = "/.well-known/spin/health";
const INFO: &str = "/.well-known/spin/info";

/// A server of one application.
pub struct Server {
    app: Arc<App>,
    tls: Option<TlsAcceptor>,
    /// The pages that may read the host's own answers, as components let them read theirs.
    cors: Cors,
    untaken: Arc<Semaphore>,
}

impl Server {
    /// A server, with TLS or without.
    pub fn new(app: Arc<App>, tls: Option<TlsAcceptor>) -> Arc<Self> {
        let cors = app.spec().variable(Cors::VARIABLE).map(Cors::parse);
        let cors = cors.unwrap_or_else(|| Ok(Cors::default()));
        Arc::new(Self {
            cors: cors.unwrap_or_else(|error| {
                tracing::warn!(%error, "no page of another site may read an answer");
                Cors::default()
            }),
            app,
            tls,
            untaken: Arc::new(Semaphore::new(UNTAKEN_BYTES_MAX)),
        })
    }

    /// The scheme that clients use.
    pub fn scheme(&self) -> Scheme {
        if self.tls.is_some() {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        }
    }

    /// Serves connections until `shutdown` resolves, then lets requests under way finish for as long as the settings allow.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let limits = self.app.limits();
        let connections = Arc::new(Semaphore::new(
            limits.connections_max.min(Semaphore::MAX_PERMITS),
        ));
        // Every connection has a receiver for as long as it is there.
        let (ending, _) = watch::channel(false);
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let accept = async {
                // The semaphore is never closed.
                let place = connections.clone().acquire_owned().await;
                (place, listener.accept().await)
            };
            // As many connections as may be are no reason to miss that the host is told to end.
            let (place, accepted) = tokio::select! {
                accepted = accept => accepted,
                () = shutdown.as_mut() => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let ending = ending.subscribe();
                    let server = self.clone();
                    tokio::spawn(async move {
                        server.connection(stream, peer, ending).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: those in use have to be given back first.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        drop(listener);
        tracing::info!(
            connections = ending.receiver_count(),
            "ending: no new requests, those under way finish"
        );
        ending.send_replace(true);
        let patience = Duration::from_millis(limits.shutdown_ms);
        if tokio::time::timeout(patience, ending.closed())
            .await
            .is_err()
        {
            tracing::warn!(
                after_ms = limits.shutdown_ms,
                "ending with requests under way: they took too long"
            );
        }
    }

    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        ending: watch::Receiver<bool>,
    ) {
        // Small answers go out at once; failing that they go out later.
        let _ = stream.set_nodelay(true);
        let limits = self.app.limits();
        let head_timeout = Duration::from_millis(limits.head_timeout_ms);
        let end = Arc::new(OtherEnd::of(&stream));
        let stream = Patient::new(stream, limits.body_stall());
        if let Some(tls) = self.tls.clone() {
            match tokio::time::timeout(head_timeout, tls.accept(stream)).await {
                Ok(Ok(stream)) => self.http(stream, peer, end, head_timeout, ending).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            }
        } else {
            self.http(stream, peer, end, head_timeout, ending).await;
        }
    }

    async fn http<S>(
        self: Arc<Self>,
        stream: S,
        peer: SocketAddr,
        end: Arc<OtherEnd>,
        head_timeout: Duration,
        mut ending: watch::Receiver<bool>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let streams = Streams::default();
        let mut builder = auto::Builder::new(streams.clone());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(head_timeout)
            .max_buf_size(HEAD_BYTES_MAX.max(8 << 10));
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            .keep_alive_interval(head_timeout)
            .max_concurrent_streams(128);
        let asked = Arc::new(AtomicBool::new(false));
        let service = hyper::service::service_fn({
            let asked = asked.clone();
            move |request| {
                asked.store(true, Relaxed);
                let (server, end) = (self.clone(), end.clone());
                async move {
                    tokio::select! {
                        biased;
                        response = server.answer(request, peer) => Ok(response),
                        () = end.gone() => Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted)),
                    }
                }
            }
        });
        let due = Arc::new(Due::new(None));
        let mut connection =
            std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        let (mut told, mut over) = (false, false);
        let mut first = std::pin::pin!(tokio::time::sleep(head_timeout));
        let mut waited = false;
        let ended = loop {
            tokio::select! {
                biased;
                ended = std::future::poll_fn(|cx| DUE.sync_scope(due.clone(), || connection.as_mut().poll(cx))) => break ended,
                // Streams of HTTP/2 are ended one by one; without them the connection is the answer.
                () = overdue(due.subscribe()) => {
                    tracing::debug!("a connection ended: its client did not take an answer in time");
                    return;
                }
                () = told_to(&mut ending), if !told => {
                    told = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = streams.idle(head_timeout), if !over => {
                    (told, over) = (true, true);
                    connection.as_mut().graceful_shutdown();
                }
                // Streams that came before it was told go on; what a client does not take of its last answers in that time is not kept for it.
                () = streams.idle(head_timeout * TAIL_TIMES), if over => return,
                // The HTTP library has no time limit for the bytes that tell the version of HTTP: whoever never sends them would hold a place.
                () = first.as_mut(), if !waited => {
                    waited = true;
                    if !asked.load(Relaxed) {
                        tracing::debug!("a connection ended: no request came over it in time");
                        return;
                    }
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }

    /// Answers one request: by a component, or by a problem of the host's own.
    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<WasiBody> {
        let arrived = Instant::now();
        let id = cinecor_web::request_id(request.headers(), random_id());
        let mut record = Record {
            app: self.app.clone(),
            arrived,
            id: id.clone(),
            method: request.method().clone(),
            component: "host".into(),
            route: String::new(),
            status: StatusCode::INTERNAL_SERVER_ERROR,
            watch: Arc::default(),
            link: None,
            permit: None,
            told: false,
        };
        let head_only = request.method() == Method::HEAD;
        let mut asked_from = HeaderMap::new();
        if let Some(origin) = request.headers().get(ORIGIN) {
            asked_from.insert(ORIGIN, origin.clone());
        }
        let outcome = self.route(request, peer, &mut record).await;
        let mut response = match outcome {
            Ok(response) => response,
            Err(problem) => {
                // What is left to do is the host's.
                record.permit = None;
                if let Some(cause) = problem.cause() {
                    tracing::error!(request_id = id, component = %record.component, cause, "a request failed");
                }
                let mut refusal = problem.response(&id).map(|body| own(body.into()));
                self.cors.apply(&asked_from, None, refusal.headers_mut());
                refusal
            }
        };
        record.status = response.status();
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        let promised = promised(&response);
        let bodiless = head_only
            || matches!(
                response.status(),
                StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
            );
        if bodiless {
            if let Some(promised) = promised.filter(|_| head_only) {
                response
                    .headers_mut()
                    .insert(CONTENT_LENGTH, HeaderValue::from(promised));
            }
            // Over HTTP/2 the library would send what the component wrote.
            let none = Empty::new().map_err(|never| match never {}).boxed_unsync();
            return response
                .map(|_| ResponseBody::new(none, promised, true, record).boxed_unsync());
        }
        let limits = self.app.limits();
        let work = record.link.take().map(Work);
        let place = record.permit.take();
        response.map(|body| {
            let body = match work {
                Some(work) => relay(body, promised, work, place, self.untaken.clone()),
                None => body,
            };
            let body = match DUE.try_with(Arc::clone) {
                Ok(due) => TimedBody::new(
                    body,
                    due,
                    limits.body_stall(),
                    Duration::from_millis(limits.response_deadline_ms),
                )
                .boxed_unsync(),
                Err(_) => body,
            };
            ResponseBody::new(body, promised, false, record).boxed_unsync()
        })
    }

    async fn route(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        record: &mut Record,
    ) -> Result<Response<WasiBody>, Problem> {
        let limits = self.app.limits();
        let target_bytes = request
            .uri()
            .path_and_query()
            .map_or(0, |target| target.as_str().len());
        if target_bytes > TARGET_BYTES_MAX {
            return Err(Problem::new(
                ProblemKind::AddressTooLong,
                format!(
                    "The address has {target_bytes} bytes; at most {TARGET_BYTES_MAX} are read. Send what is long in the body."
                ),
            ));
        }
        let uri = self.absolute_uri(&request)?;
        match uri.path() {
            HEALTH => return Ok(text("OK")),
            INFO => return Ok(self.info()),
            _ => {}
        }
        let path = uri.path().to_owned();
        let Some(found) = self.app.router().find(&path) else {
            return Err(Problem::new(
                ProblemKind::NotFound,
                "No component has a route that this address belongs to; check the address.",
            ));
        };
        let Some(service) = self.app.service(found.component) else {
            return Err(Problem::internal(format!(
                "the route {} leads to a component that is not served",
                found.pattern
            )));
        };
        record.component = service.id().into();
        record.route = found.pattern.to_owned();

        let declared = content_length(request.headers())?;
        if let Some(declared) = declared
            && declared > limits.body_bytes_max
        {
            // The body is let go here, which reads some of it on: see `RequestBody`.
            drop(self.body(request.into_body(), record));
            return Err(too_large(Some(declared), limits.body_bytes_max));
        }

        let (parts, incoming) = request.into_parts();
        let body = self.body(incoming, record);
        let deadline = tokio::time::Instant::now() + service.deadline();
        let entered = self.app.enter(&service);
        let permit = match tokio::time::timeout_at(deadline, entered).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(busy)) => {
                return Err(self.overloaded(format!(
                    "{} requests are at work and {} wait, which is as many as the service allows.",
                    busy.at_work_max, busy.waiting_max
                )));
            }
            Err(_) => {
                return Err(self.overloaded(
                    "No place became free within the time that a request has.".to_owned(),
                ));
            }
        };
        let body = match service.computing(&parts.method, found.pattern) {
            Some(places) => {
                let mut body = InTurn::new(body, permit.turn(places).come());
                // All wait without an instance, which takes memory and keeps it, but who wants to hear of the progress: that is told by the
                // component. Where a place is free, the component may see the head of who sends slowly, and of who asks before it sends.
                let patience = deadline.min(tokio::time::Instant::now() + SILENCE);
                let waits = !wants_events(&parts.headers)
                    && (parts.headers.contains_key(EXPECT)
                        || tokio::time::timeout_at(patience, body.come(SILENCE))
                            .await
                            .is_err())
                    && places.are_taken();
                if waits {
                    let come = body.come(SILENCE);
                    if tokio::time::timeout_at(deadline, come).await.is_err() {
                        return Err(self.overloaded(
                            "No turn to compute came within the time that a request has."
                                .to_owned(),
                        ));
                    }
                }
                body.boxed_unsync()
            }
            None => body.boxed_unsync(),
        };
        let link = Link::of(deadline, permit.computing());
        record.permit = Some(permit);

        let mut headers = parts.headers;
        let facts = SpinHeaders {
            path_info: found.path_info,
            full_url: &uri.to_string(),
            route: found.pattern,
            client: &peer.to_string(),
            parameters: &found.parameters,
        };
        facts
            .put(&mut headers)
            .map_err(|_| malformed("The address has characters that no address has."))?;
        headers.insert(
            REQUEST_ID,
            HeaderValue::from_str(&record.id).map_err(Problem::internal)?,
        );

        let mut forwarded = Request::new(body);
        *forwarded.method_mut() = parts.method;
        *forwarded.uri_mut() = uri;
        *forwarded.headers_mut() = headers;
        match self
            .app
            .call(&service, forwarded, link, &record.watch)
            .await
        {
            Ok((response, link)) => {
                record.link = Some(link);
                Ok(response)
            }
            Err(failure) => Err(self.problem(&service, failure, record)),
        }
    }

    fn body(&self, incoming: Incoming, record: &Record) -> RequestBody<Incoming> {
        let limits = self.app.limits();
        RequestBody::new(
            incoming,
            limits.body_bytes_max,
            limits.body_stall(),
            record.watch.clone(),
        )
    }

    /// The address that the client used, whole: components are given scheme and authority as well.
    fn absolute_uri(&self, request: &Request<Incoming>) -> Result<Uri, Problem> {
        let mut hosts = request.headers().get_all(HOST).iter();
        let authority = match (request.uri().authority(), hosts.next()) {
            (Some(authority), _) => authority.clone(),
            (None, Some(host)) if hosts.next().is_none() => Authority::try_from(host.as_bytes())
                .map_err(|_| {
                    malformed("The `Host` header is not a host name with an optional port.")
                })?,
            (None, None) if request.version() == http::Version::HTTP_10 => {
                Authority::from_static("localhost")
            }
            (None, _) => {
                return Err(malformed(
                    "The request has no `Host` header, or several; exactly one is expected.",
                ));
            }
        };
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme());
        parts.authority = Some(authority);
        parts.path_and_query = request
            .uri()
            .path_and_query()
            .cloned()
            .filter(|target| target.as_str().starts_with('/'));
        if parts.path_and_query.is_none() {
            return Err(malformed(
                "The request's target is not a path; it must start with `/`.",
            ));
        }
        Uri::from_parts(parts).map_err(|_| malformed("The request's target is not an address."))
    }

    fn info(&self) -> Response<WasiBody> {
        let info = serde_json::json!({ "name": self.app.name(), "version": self.app.version(), "bindle_version": null });
        let mut response = text(&info.to_string());
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    fn overloaded(&self, detail: String) -> Problem {
        let seconds = self.app.limits().retry_after_s;
        Problem::new(
            ProblemKind::Overloaded,
            format!("{detail} Try again in {seconds} s."),
        )
        .retry_after(seconds)
    }

    fn problem(&self, service: &Service, failure: Failure, record: &Record) -> Problem {
        let limits = self.app.limits();
        match failure {
            Failure::Body(BodyFault::Stalled) => Problem::new(
                ProblemKind::BodyStalled,
                format!(
                    "No byte of the body came for {} s after the first {}; send it again over a connection that keeps up.",
                    Duration::from_millis(limits.body_stall_ms).as_secs_f64(),
                    record.watch.bytes()
                ),
            ),
            Failure::Body(BodyFault::TooLarge) => too_large(None, limits.body_bytes_max),
            Failure::Body(BodyFault::Broken) => malformed("The connection broke, or the body's framing did, before the body was all there."),
            Failure::Deadline => Problem::new(
                ProblemKind::DeadlineExceeded,
                format!("No answer was there after {} s, which is the time that a request has. Send fewer frames at once, or try again when less is going on.", service.deadline().as_secs_f64()),
            ),
            Failure::Memory { bytes_max } => Problem::new(
                ProblemKind::Internal,
                format!("The request needed more memory than the {bytes_max} bytes that one may take; send fewer or smaller frames."),
            )
            .caused_by(format!("an instance asked for more than {bytes_max} bytes of memory")),
            Failure::NoInstance => self.overloaded("As many instances exist as the host can hold.".to_owned()),
            Failure::Component(cause) => Problem::internal(cause),
        }
    }
}

fn malformed(detail: &str) -> Problem {
    Problem::new(ProblemKind::MalformedRequest, detail)
}

fn too_large(declared: Option<u64>, bytes_max: u64) -> Problem {
    let found = declared.map_or_else(
        || format!("more than {bytes_max}"),
        |declared| declared.to_string(),
    );
    Problem::new(
        ProblemKind::BodyTooLarge,
        format!("The body has {found} bytes; at most {bytes_max} are taken. Send less, or have [limits] body_bytes_max of the host's settings raised."),
    )
    .with("limit_bytes", bytes_max)
}

/// Whether a client takes server-sent events.
fn wants_events(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().any(|accept| {
        accept
            .as_bytes()
            .windows(EVENTS.len())
            .any(|part| part.eq_ignore_ascii_case(EVENTS))
    })
}

fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(CONTENT_LENGTH) else {
        return Ok(None);
    };
    let length = value.to_str().ok().and_then(|text| text.parse().ok());
    length
        .map(Some)
        .ok_or_else(|| malformed("`Content-Length` is not a number of bytes."))
}

/// The length of an answer, where it is known before it is sent.
fn promised(response: &Response<WasiBody>) -> Option<u64> {
    let declared = response.headers().get(CONTENT_LENGTH);
    declared
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .or_else(|| response.body().size_hint().exact())
}

fn own(bytes: Bytes) -> WasiBody {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}

fn text(text: &str) -> Response<WasiBody> {
    let mut response = Response::new(own(Bytes::copy_from_slice(text.as_bytes())));
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

/// Sixteen bytes that no other request has; ids are for finding lines of a log, and are no secret.
fn random_id() -> [u8; 16] {
    use std::collections::hash_map::RandomState;
    use std::hash::BuildHasher as _;
    use std::sync::LazyLock;
    use std::sync::atomic::AtomicU64;
    static SEEDS: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Relaxed);
    let [high, low] = SEEDS.each_ref().map(|seed| seed.hash_one(count));
    (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
}

/// What is known of a request while it is answered; logged and counted when its response is over.
struct Record {
    app: Arc<App>,
    arrived: Instant,
    id: String,
    method: Method,
    component: Arc<str>,
    route: String,
    status: StatusCode,
    watch: Arc<BodyWatch>,
    link: Option<LinkGuard>,
    permit: Option<Permit>,
    told: bool,
}

impl Finish for Record {
    fn finish(mut self, bytes: u64, complete: bool) {
        self.tell(bytes, complete);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.told {
            // The client left before there was an answer. No status says so; this one is what others use in their logs.
            self.status = StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST);
            self.tell(0, false);
        }
    }
}

impl Record {
    fn tell(&mut self, bytes: u64, complete: bool) {
        self.told = true;
        let took = self.arrived.elapsed();
        if let Some(link) = self.link.take() {
            link.finish(complete);
        }
        drop(self.permit.take());
        self.app.metrics().request(RequestReport {
            component: &self.component,
            status: self.status.as_u16(),
            took,
            request_bytes: self.watch.bytes(),
            response_bytes: bytes,
            complete,
        });
        tracing::info!(
            target: "request",
            request_id = self.id,
            method = self.method.as_str(),
            route = self.route,
            component = %self.component,
            status = self.status.as_u16(),
            took_ms = millis(took),
            request_bytes = self.watch.bytes(),
            response_bytes = bytes,
            complete,
        );
    }
}

/// The work behind an answer.
struct Work(LinkGuard);

impl Finish for Work {
    fn finish(self, _bytes: u64, complete: bool) {
        self.0.finish(complete);
    }
}

tokio::task_local! {
    /// Where an answer says by when its client has to take it: to its stream of HTTP/2, or to its connection.
    static DUE: Arc<Due>;
}

/// Runs the streams of a connection of HTTP/2, each apart: one whose client takes nothing is reset, and the others go on.
#[derive(Clone)]
struct Streams {
    /// Streams that are open; `None` before the first.
    open: Arc<watch::Sender<Option<usize>>>,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            open: Arc::new(watch::Sender::new(None)),
        }
    }
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, stream: F) {
        self.open
            .send_modify(|open| *open = Some(open.unwrap_or(0) + 1));
        let closing = Closing(self.open.clone());
        let due = Arc::new(Due::new(None));
        let late = overdue(due.subscribe());
        tokio::spawn(DUE.scope(due, async move {
            let _closing = closing;
            tokio::select! {
                biased;
                _ = stream => {}
                () = late => tracing::debug!("a stream was reset: its client did not take an answer in time"),
            }
        }));
    }
}

impl Streams {
    /// Resolves when there were streams and none has been open for so long.
    async fn idle(&self, long: Duration) {
        let mut open = self.open.subscribe();
        loop {
            // The sender is here.
            if open.wait_for(|open| *open == Some(0)).await.is_err() {
                return std::future::pending().await;
            }
            tokio::select! {
                _ = open.changed() => {}
                () = tokio::time::sleep(long) => return,
            }
        }
    }
}

/// A stream that is open until this goes.
struct Closing(Arc<watch::Sender<Option<usize>>>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0
            .send_modify(|open| *open = open.map(|open| open.saturating_sub(1)));
    }
}

/// Resolves when the server ends.
async fn told_to(ending: &mut watch::Receiver<bool>) {
    // Whether it was told, or its teller is gone.
    let _ = ending.wait_for(|ends| *ends).await;
}

/// Whether the client is still there. The HTTP library learns of its end when it has read all that came before, and of a body it reads
/// only what is asked for: the work of a client that sent its body and left would go on, or wait in the queue in others' way.
struct OtherEnd {
    /// The connection once more, never read from. Without it the client's end is noticed later.
    #[cfg(target_os = "linux")]
    stream: Option<TcpStream>,
}

impl OtherEnd {
    #[cfg(target_os = "linux")]
    fn of(stream: &TcpStream) -> Self {
        use std::os::fd::AsFd as _;
        let again = stream.as_fd().try_clone_to_owned();
        let again = again.and_then(|socket| TcpStream::from_std(socket.into()));
        Self { stream: again.ok() }
    }

    #[cfg(not(target_os = "linux"))]
    fn of(_: &TcpStream) -> Self {
        Self {}
    }

    /// Resolves when the client has closed its end, whether all that it sent has been read or not.
    async fn gone(&self) {
        #[cfg(target_os = "linux")]
        if let Some(stream) = &self.stream {
            use tokio::io::Interest;
            // Of all that can be waited for, this is what data that waits to be read does not wake.
            while let Ok(ready) = stream.ready(Interest::PRIORITY).await {
                if ready.is_read_closed() {
                    return;
                }
                // Urgent data, which nobody reads; saying so is what makes the next wait one.
                let _ = stream.try_io(Interest::PRIORITY, || {
                    Err::<(), _>(std::io::ErrorKind::WouldBlock.into())
                });
            }
        }
        std::future::pending().await
    }
}

/// A connection whose other end has to keep reading: one that takes nothing for too long is closed, and gives back what it holds.
struct Patient {
    inner: TcpStream,
    stall: Duration,
    timer: Pin<Box<Sleep>>,
    waiting: bool,
}

impl Patient {
    fn new(inner: TcpStream, stall: Duration) -> Self {
        Self {
            inner,
            stall,
            timer: Box::pin(tokio::time::sleep(stall)),
            waiting: false,
        }
    }

    fn watched<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<std::io::Result<T>>,
    ) -> Poll<std::io::Result<T>> {
        if outcome.is_ready() {
            self.waiting = false;
            return outcome;
        }
        if !self.waiting {
            self.waiting = true;
            self.timer
                .as_mut()
                .reset(tokio::time::Instant::now() + self.stall);
        }
        self.timer
            .as_mut()
            .poll(cx)
            .map(|()| Err(std::io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.watched(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(cx, bytes);
        self.watched(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Serves the host's figures to Prometheus on a port of their own, which is not meant for the world.
pub async fn serve_metrics(app: Arc<App>, listener: TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let app = app.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let app = app.clone();
                async move {
                    let mut response = Response::new(Full::new(Bytes::new()));
                    if request.uri().path() == "/metrics" {
                        *response.body_mut() = Full::new(app.metrics_text().into());
                        response.headers_mut().insert(
                            CONTENT_TYPE,
                            HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
                        );
                    } else {
                        *response.status_mut() = StatusCode::NOT_FOUND;
                    }
                    Ok::<_, Infallible>(response)
                }
            });
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(10));
            // A scraper that leaves early is its own matter.
            let _ = builder
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
