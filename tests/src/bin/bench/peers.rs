//! The service beside its peers: a FastAPI server that does the same job in Python, Pillow behind it for pictures, and a bare hyper server.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use cinecor_formats::{Limits, decode_mask};
use cinecor_tests::client::Client;
use cinecor_tests::host::{Host, Options, forget_peak_memory, peak_memory_bytes, root};
use cinecor_tests::volumes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use crate::{TURNS, one_shot, quantile, ready, shown};

/// Clients at once under load.
const CLIENTS: usize = 8;
/// Volumes of each client in a round, and rounds of each side in turn.
const VOLUMES: usize = 5;
const ROUNDS: usize = 2;
/// Pictures of each client in a round.
const PICTURES: usize = 100;
/// Trivial requests in a round.
const TRIVIAL: usize = 400;

/// One comparison as the report shows it.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) ours: Vec<f64>,
    pub(crate) theirs: Vec<f64>,
    pub(crate) goal: &'static str,
}

impl Row {
    /// What the service has over what the peer has, medians.
    pub(crate) fn ratio(&self) -> f64 {
        quantile(&self.ours, 0.5) / quantile(&self.theirs, 0.5)
    }

    pub(crate) fn line(&self) -> String {
        format!(
            "| {}, {} | {} | {} | {:.2} | {} |",
            self.what,
            self.unit,
            shown(&self.ours),
            shown(&self.theirs),
            self.ratio(),
            self.goal
        )
    }
}

/// The service against the Python server, both with the same graph on ONNX Runtime.
pub(crate) fn against_python(
    host: &Host,
    python: &Path,
    package: &Path,
    best: Option<&str>,
) -> Result<Vec<Row>> {
    let client = Client::new(host);
    let peer = Peer::start(python, package)?;
    let twenty = volumes::phantom(20, 1)?;
    agree(&client, &peer, &twenty)?;

    println!("outside the engine, {TURNS} turns");
    let (mut outside, mut peer_outside) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let answer = peer.segment(&twenty)?;
        peer_outside.push(number(&answer["total_ms"])? - number(&answer["inference_ms"])?);
        let timings = &one_shot(&client, &twenty)?.answer["segmentation"]["timings_ms"];
        outside.push(number(&timings["total"])? - number(&timings["inference"])?);
    }

    println!("{CLIENTS} clients, {ROUNDS} rounds of each side");
    let pair = volumes::phantom(11, 2)?;
    let best_path = best.map(|precision| format!("/api/v1/segment?precision={precision}"));
    let (mut ours, mut theirs, mut fastest) = (Load::default(), Load::default(), Load::default());
    forget_peak_memory(host.pid())?;
    forget_peak_memory(peer.process.id())?;
    for _ in 0..ROUNDS {
        theirs.add(load(&peer.client, "/segment", &pair)?);
        ours.add(load(&client, "/api/v1/segment", &pair)?);
    }
    let memory = [host.pid(), peer.process.id()]
        .map(|pid| peak_memory_bytes(pid).map(|bytes| bytes as f64 / f64::from(1 << 20)));
    if let Some(path) = &best_path {
        one_shot(&client, &pair)?;
        for _ in 0..ROUNDS {
            fastest.add(load(&client, path, &pair)?);
        }
    }

    println!("pictures, {ROUNDS} rounds of each side");
    let cine = volumes::phantom(12, 30)?;
    let study = client.post("/api/v1/studies", &cine)?.expect(201)?.json()?["id"]
        .as_str()
        .context("a study without an id")?
        .to_owned();
    peer.client
        .send("PUT", "/volume", &[], Some(&cine))?
        .expect(200)?;
    let (mut pictures, mut peer_pictures) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        peer_pictures.push(pictures_per_s(&peer.client, "/slices")?);
        pictures.push(pictures_per_s(
            &client,
            &format!("/api/v1/studies/{study}/slices"),
        )?);
    }

    let [our_memory, peer_memory] = memory;
    let row = |what, unit, ours, theirs, goal| Row {
        what,
        unit,
        ours: sorted(ours),
        theirs: sorted(theirs),
        goal,
    };
    let mut rows = vec![
        row(
            "20 slices, time outside the engine",
            "ms",
            outside,
            peer_outside,
            "≤ 0.33",
        ),
        row(
            "end-diastole and end-systole at 8 clients",
            "requests a minute",
            ours.per_minute.clone(),
            theirs.per_minute.clone(),
            "≥ 1.15",
        ),
        row(
            "the same, 99th percentile of the time to the answer",
            "ms",
            vec![ours.p99()],
            vec![theirs.p99()],
            "≤ 0.50",
        ),
        row(
            "the same, peak memory (VmHWM)",
            "MiB",
            vec![our_memory?],
            vec![peer_memory?],
            "≤ 0.50",
        ),
        row(
            "slices as PNG at 8 clients, Pillow there",
            "requests a second",
            pictures,
            peer_pictures,
            "≥ 3",
        ),
    ];
    if best_path.is_some() {
        rows.insert(
            2,
            row(
                "the same with our best precision",
                "requests a minute",
                fastest.per_minute,
                theirs.per_minute,
                "≥ 1.8",
            ),
        );
    }
    Ok(rows)
}

/// A route that does nothing, against hyper that does nothing: of instances that serve many requests, and of one instance for each.
pub(crate) fn against_hyper(options: &Options) -> Result<Vec<Row>> {
    let bare = Client::at(&format!("http://{}", serve_nothing()?));
    let mut rows = Vec::new();
    for (what, goal, arguments) in [
        ("a trivial route, instances reused", "≤ 3", None),
        ("a trivial route, a fresh instance each", "≤ 4.5", Some("1")),
    ] {
        let options = arguments.map_or(options.clone(), |count| {
            options
                .clone()
                .argument("--max-instance-reuse-count")
                .argument(count)
        });
        let (host, _) = ready(&options)?;
        let client = Client::new(&host);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..TRIVIAL {
            theirs.push(one_get(&bare, "/")?);
            ours.push(one_get(&client, "/api/v1/health/live")?);
        }
        rows.push(Row {
            what,
            unit: "µs",
            ours: sorted(ours),
            theirs: sorted(theirs),
            goal,
        });
    }
    Ok(rows)
}

/// Long against short: time per slice, and peak memory.
pub(crate) fn long_against_short(options: &Options) -> Result<Vec<Row>> {
    let (host, _) = ready(options)?;
    let client = Client::new(&host);
    let (long, short) = (volumes::phantom(20, 30)?, volumes::phantom(20, 1)?);
    one_shot(&client, &short)?;
    let mut rows = Vec::new();
    let (mut times, mut memory) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for (at, volume, slices, turns) in [(1, &short, 20.0, TURNS), (0, &long, 600.0, 2)] {
        forget_peak_memory(host.pid())?;
        for _ in 0..turns {
            times[at].push(one_shot(&client, volume)?.ms / slices);
        }
        memory[at].push(peak_memory_bytes(host.pid())? as f64 / f64::from(1 << 20));
    }
    for (what, unit, [ours, theirs], goal) in [
        (
            "600 slices against 20, time per slice",
            "ms",
            times,
            "≤ 1.05",
        ),
        (
            "600 slices against 20, peak memory (VmHWM)",
            "MiB",
            memory,
            "≤ 1.5",
        ),
    ] {
        rows.push(Row {
            what,
            unit,
            ours: sorted(ours),
            theirs: sorted(theirs),
            goal,
        });
    }
    Ok(rows)
}

/// Both have to give the same mask, or they do not do the same job: at most one voxel in two thousand of a structure may differ, since SciPy and
/// we round differently.
fn agree(client: &Client, peer: &Peer, volume: &[u8]) -> Result<()> {
    let ours = one_shot(client, volume)?.answer["mask"]["data"].take();
    let theirs = peer.segment(volume)?["mask"].take();
    let [ours, theirs] = [ours, theirs].map(|data| -> Result<_> {
        let file = BASE64_STANDARD.decode(data.as_str().context("no mask")?)?;
        Ok(decode_mask(&file, Limits::for_masks())?)
    });
    let (ours, theirs) = (ours?.1.labels, theirs?.1.labels);
    for label in 1..=3 {
        let of = |mask: &ndarray::Array4<u8>| mask.iter().filter(|&&code| code == label).count();
        let both = ours
            .iter()
            .zip(theirs.iter())
            .filter(|&(&one, &other)| one == label && other == label)
            .count();
        let dice = 2.0 * both as f64 / (of(&ours) + of(&theirs)) as f64;
        ensure!(
            dice > 0.9995,
            "the peer's mask of label {label} agrees with the service's to a Dice of {dice:.4} only"
        );
    }
    Ok(())
}

/// The Python server in a process of its own.
struct Peer {
    process: Child,
    client: Client,
}

impl Peer {
    fn start(python: &Path, package: &Path) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let process = Command::new(python)
            .arg(root().join("tests/bench/peer_server.py"))
            .arg(package)
            .arg(port.to_string())
            .stdin(Stdio::null())
            .spawn()
            .context("starting the Python server")?;
        let mut peer = Self {
            process,
            client: Client::at(&format!("http://127.0.0.1:{port}")),
        };
        let started = Instant::now();
        while peer.client.get("/live").is_err() {
            if let Some(status) = peer.process.try_wait()? {
                bail!("the Python server ended: {status}");
            }
            ensure!(
                started.elapsed() < Duration::from_secs(120),
                "the Python server does not serve"
            );
        }
        Ok(peer)
    }

    fn segment(&self, volume: &[u8]) -> Result<Value> {
        self.client.post("/segment", volume)?.expect(200)?.json()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a load of several clients gave.
#[derive(Default)]
struct Load {
    per_minute: Vec<f64>,
    ms: Vec<f64>,
}

impl Load {
    fn add(&mut self, round: Load) {
        self.per_minute.extend(round.per_minute);
        self.ms.extend(round.ms);
        self.ms.sort_by(f64::total_cmp);
    }

    fn p99(&self) -> f64 {
        quantile(&self.ms, 0.99)
    }
}

fn load(client: &Client, path: &str, volume: &[u8]) -> Result<Load> {
    let started = Instant::now();
    let ms = at_once(VOLUMES, |_| {
        let started = Instant::now();
        client
            .post_as(path, volume, "application/json")?
            .expect(200)?;
        Ok(started.elapsed().as_secs_f64() * 1000.0)
    })?;
    Ok(Load {
        per_minute: vec![ms.len() as f64 / started.elapsed().as_secs_f64() * 60.0],
        ms,
    })
}

fn pictures_per_s(client: &Client, base: &str) -> Result<f64> {
    let started = Instant::now();
    let made = at_once(PICTURES, |count| {
        let path = format!("{base}/{}.png?frame={}", count % 12, count % 30);
        client.get(&path)?.expect(200)
    })?;
    Ok(made.len() as f64 / started.elapsed().as_secs_f64())
}

/// Every client does this so many times, all at once.
fn at_once<T: Send>(times: usize, one: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| scope.spawn(|| (0..times).map(&one).collect::<Result<Vec<T>>>()))
            .collect();
        let mut all = Vec::new();
        for client in clients {
            all.extend(
                client
                    .join()
                    .map_err(|_| anyhow::anyhow!("a client panicked"))??,
            );
        }
        Ok(all)
    })
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

fn number(value: &Value) -> Result<f64> {
    value.as_f64().context("not a number")
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}
