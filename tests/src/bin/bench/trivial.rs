//! A route that does nothing against hyper that does nothing.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use cinecor_tests::client::Client;
use cinecor_tests::host::Options;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;

use crate::report::{Goal, Part, Row, median, sorted};
use crate::service::ready;

/// Requests of each side.
const REQUESTS: usize = 600;

/// Of instances that serve many requests, and of one instance for each.
pub(crate) fn against_hyper(options: &Options) -> Result<Part> {
    let bare = Client::at(&format!("http://{}", serve_nothing()?));
    let mut rows = Vec::new();
    let fresh = options
        .clone()
        .setting("component.models", "instance_reuse_max", 1);
    for (what, goal, options) in [
        ("a trivial route, instances reused", 3.0, options),
        ("a trivial route, a fresh instance each", 4.5, &fresh),
    ] {
        let (host, _) = ready(options)?;
        let client = Client::new(&host);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..REQUESTS {
            theirs.push(one_get(&bare, "/")?);
            ours.push(one_get(&client, "/api/v1/health/live")?);
        }
        rows.push(Row {
            what: what.to_owned(),
            unit: "µs",
            // Medians are compared: one request beside one other tells nothing.
            ours: thirds(&ours),
            theirs: thirds(&theirs),
            goal: Goal::AtMost(goal),
        });
    }
    Ok(Part {
        sides: ["service", "hyper"],
        rows,
        notes: vec![format!(
            "Of {REQUESTS} requests one after another on a connection that is kept, turn by turn: the medians of each third of them. hyper answers a constant; \
             the service's answer is made by a component."
        )],
    })
}

/// The medians of each third.
fn thirds(values: &[f64]) -> Vec<f64> {
    let long = values.len().div_ceil(3).max(1);
    values
        .chunks(long)
        .map(|some| median(&sorted(some.to_vec())))
        .collect()
}

fn one_get(client: &Client, path: &str) -> Result<f64> {
    let started = Instant::now();
    client.get(path)?.expect(200)?;
    Ok(started.elapsed().as_secs_f64() * 1e6)
}

/// hyper on every core that answers each request with a few bytes, for as long as this process runs.
fn serve_nothing() -> Result<SocketAddr> {
    let (sender, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || -> Result<()> {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(async {
                let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
                sender.send(listener.local_addr()?)?;
                loop {
                    let (stream, _) = listener.accept().await?;
                    stream.set_nodelay(true)?;
                    tokio::spawn(async {
                        // A client that goes away ends its connection, which is none of our business.
                        let _ = hyper::server::conn::http1::Builder::new()
                            .serve_connection(TokioIo::new(stream), service_fn(nothing))
                            .await;
                    });
                }
            })
    });
    address
        .recv_timeout(Duration::from_secs(10))
        .context("hyper does not serve")
}

async fn nothing(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(
        br#"{"status":"live"}"#,
    ))))
}
