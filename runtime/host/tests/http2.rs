//! What the host does with HTTP/2: streams that nobody reads, answers without bodies, connections with nothing to do. On the real binary.

mod support;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{Host, PATIENCE, Setup};
use tokio::task::JoinHandle;

/// A connection on which answers may be sent `window` bytes of before they are read.
struct Client {
    sender: http2::SendRequest<Empty<Bytes>>,
    connection: JoinHandle<hyper::Result<()>>,
}

impl Client {
    async fn connect(host: &Host, window: u32) -> Self {
        let stream = tokio::net::TcpStream::connect(host.address)
            .await
            .expect("the host accepts");
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(window)
            .handshake(TokioIo::new(stream))
            .await
            .expect("the host speaks HTTP/2");
        Self {
            sender,
            connection: tokio::spawn(connection),
        }
    }

    async fn ask(&mut self, method: Method, target: &str) -> Response<Incoming> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://localhost{target}"))
            .body(Empty::new())
            .expect("a request");
        tokio::time::timeout(PATIENCE, self.sender.send_request(request))
            .await
            .expect("an answer in time")
            .expect("an answer")
    }
}

fn on_a_runtime(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(test);
}

fn none_at_work(host: &Host) -> bool {
    host.figure("cinecor_requests_at_work") == Some(0.0)
}

#[test]
fn answers_that_nobody_reads_keep_no_place() {
    // No timer ends anything here.
    let host = Setup::probes("")
        .settings("[limits]\nat_work_max = 2\nwaiting_max = 0\nbody_stall_ms = 3600000")
        .start();
    on_a_runtime(async {
        let mut client = Client::connect(&host, 0).await;
        let mut unread = Vec::new();
        for _ in 0..4 {
            let answer = client.ask(Method::GET, "/probe/hello").await;
            assert_eq!(answer.status(), 200);
            unread.push(answer);
            host.until("an answer that was all said keeps a place", none_at_work);
        }
        assert_eq!(host.get("/probe/hello").text(), "hello");
        drop(unread);
    });
}

#[test]
fn a_stream_that_nobody_reads_is_reset_and_the_others_go_on() {
    let host = Setup::probes("")
        .settings("[limits]\nat_work_max = 1\nbody_stall_ms = 200")
        .start();
    on_a_runtime(async {
        let mut client = Client::connect(&host, 0).await;
        let endless = client.ask(Method::GET, "/probe/ticks").await;
        assert_eq!(endless.status(), 200);
        let frame = tokio::time::timeout(PATIENCE, endless.into_body().frame()).await;
        // The client's library shows a stream that was cancelled as one that ended.
        assert!(matches!(frame, Ok(None | Some(Err(_)))), "{frame:?}");
        host.until("the work goes on", none_at_work);
        assert_eq!(client.ask(Method::GET, "/probe/hello").await.status(), 200);
    });
}

#[test]
fn head_is_answered_without_a_body_whoever_answers() {
    let host = Setup::probes("").start();
    on_a_runtime(async {
        let mut client = Client::connect(&host, 1 << 16).await;
        for target in ["/.well-known/spin/health", "/nowhere", "/probe/hello"] {
            let get = client.ask(Method::GET, target).await;
            let head = client.ask(Method::HEAD, target).await;
            assert_eq!(head.status(), get.status(), "{target}");
            let declared =
                |answer: &Response<Incoming>| answer.headers().get("content-length").cloned();
            let length = declared(&get);
            assert_eq!(declared(&head), length, "{target}");
            let sent = get.into_body().collect().await.expect("a body").to_bytes();
            if let Some(length) = length {
                assert_eq!(length, sent.len().to_string().as_str(), "{target}");
            }
            let sent = head.into_body().collect().await;
            assert!(sent.expect("no body").to_bytes().is_empty(), "{target}");
        }
    });
}

#[test]
fn a_connection_with_nothing_to_do_is_closed() {
    let host = Setup::probes("")
        .settings("[limits]\nhead_timeout_ms = 200")
        .start();
    on_a_runtime(async {
        let mut client = Client::connect(&host, 1 << 16).await;
        let answer = client.ask(Method::GET, "/probe/hello").await;
        assert_eq!(answer.status(), 200);
        drop(answer);
        let closed = tokio::time::timeout(PATIENCE, &mut client.connection).await;
        assert!(closed.is_ok(), "the connection is kept");
    });
}
