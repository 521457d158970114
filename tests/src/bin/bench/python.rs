//! The service against a FastAPI server that does the same job in Python, with the same graph on ONNX Runtime, and Pillow behind it for pictures.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cinecor_formats::{Limits, decode_mask};
use cinecor_tests::client::Client;
use cinecor_tests::host::{Options, forget_peak_memory, peak_memory_bytes, root};
use cinecor_tests::volumes;
use serde_json::Value;

use crate::bare::runnable;
use crate::report::{Goal, Part, Row, quantile, sorted};
use crate::service::{Turns, number, one_shot, package, python, ready};

/// Clients at once under load.
const CLIENTS: usize = 8;
/// Rounds of each side in turn, and how long each lasts.
const ROUNDS: usize = 3;
const SEGMENT_FOR: Duration = Duration::from_secs(15);
const PICTURES_FOR: Duration = Duration::from_secs(4);

/// Time, requests and memory.
pub(crate) fn against_python(options: &Options) -> Result<Part> {
    let (host, _) = ready(options)?;
    let client = Client::new(&host);
    let twenty = volumes::phantom(20, 1)?;
    let shot = one_shot(&client, &twenty)?;
    let peer = Peer::start(&python("CINECOR_PEERS_PYTHON")?, &package(shot.model()?)?)?;
    agree(&client, &peer, &twenty)?;

    let (mut outside, mut peer_outside) = (Vec::new(), Vec::new());
    Turns::SHORT.each(|| {
        let answer = peer.segment(&twenty)?;
        peer_outside.push(number(&answer["total_ms"])? - number(&answer["inference_ms"])?);
        let shot = one_shot(&client, &twenty)?;
        outside.push(shot.stage("total")? - shot.stage("inference")?);
        Ok(())
    })?;

    let pair = volumes::phantom(11, 2)?;
    // The one that is quickest here, after fp32.
    let mut best: Option<(String, f64)> = None;
    for (precision, _) in runnable(&client, shot.model()?)?.into_iter().skip(1) {
        let path = format!("/api/v1/segment?precision={precision}");
        let ask = || -> Result<f64> {
            let answer = client.post_as(&path, &twenty, "application/json")?;
            let answer = answer.expect(200)?.json()?;
            number(&answer["segmentation"]["timings_ms"]["inference"])
        };
        ask()?;
        let ms = ask()?;
        if best.as_ref().is_none_or(|(_, least)| ms < *least) {
            best = Some((precision, ms));
        }
    }
    let [mut ours, mut theirs, mut fastest] = <[Load; 3]>::default();
    // Memory is that of one precision: a host of its own has not loaded the others.
    let (fp32, _) = ready(options)?;
    let fp32_client = Client::new(&fp32);
    one_shot(&fp32_client, &pair)?;
    peer.segment(&pair)?;
    forget_peak_memory(fp32.pid())?;
    forget_peak_memory(peer.process.id())?;
    let segment = |client: &Client, path: &str| {
        under_load(SEGMENT_FOR, |_| {
            let answer = client.post_as(path, &pair, "application/json")?;
            answer.expect(200).map(drop)
        })
    };
    for round in 1..=ROUNDS {
        println!("  {CLIENTS} clients, round {round} of {ROUNDS}");
        theirs.add(segment(&peer.client, "/segment")?);
        ours.add(segment(&fp32_client, "/api/v1/segment")?);
        if let Some((precision, _)) = &best {
            let path = format!("/api/v1/segment?precision={precision}");
            fastest.add(segment(&client, &path)?);
        }
    }
    let [memory, peer_memory] = [fp32.pid(), peer.process.id()]
        .map(|pid| peak_memory_bytes(pid).map(|bytes| bytes as f64 / f64::from(1 << 20)));

    println!("  pictures");
    let cine = volumes::phantom(12, 30)?;
    let study = client.post("/api/v1/studies", &cine)?.expect(201)?.json()?["id"]
        .as_str()
        .context("a study without an id")?
        .to_owned();
    peer.client
        .send("PUT", "/volume", &[], Some(&cine))?
        .expect(200)?;
    let pictures = |client: &Client, base: &str| {
        under_load(PICTURES_FOR, |count| {
            let path = format!("{base}/{}.png?frame={}", count % 12, count % 30);
            client.get(&path)?.expect(200).map(drop)
        })
    };
    let [mut drawn, mut peer_drawn] = <[Load; 2]>::default();
    for _ in 0..ROUNDS {
        peer_drawn.add(pictures(&peer.client, "/slices")?);
        drawn.add(pictures(
            &client,
            &format!("/api/v1/studies/{study}/slices"),
        )?);
    }

    let row = |what: String, unit, ours, theirs, goal| Row {
        what,
        unit,
        ours,
        theirs,
        goal,
    };
    let load = format!("end-diastole and end-systole at {CLIENTS} clients");
    let a_minute = "requests a minute";
    let mut rows = vec![
        row(
            "20 slices, time outside the engine".to_owned(),
            "ms",
            outside,
            peer_outside,
            Goal::AtMost(0.33),
        ),
        row(
            load.clone(),
            a_minute,
            ours.per_minute(),
            theirs.per_minute(),
            Goal::AtLeast(1.15),
        ),
    ];
    if let Some((precision, _)) = best {
        rows.push(row(
            format!("{load}, the service in {precision}"),
            a_minute,
            fastest.per_minute(),
            theirs.per_minute(),
            Goal::AtLeast(1.8),
        ));
        rows.push(row(
            format!(
                "{load}, the service in {precision}, 99th percentile of the time to the answer"
            ),
            "ms",
            vec![fastest.p99()],
            vec![theirs.p99()],
            Goal::AtMost(0.5),
        ));
    }
    rows.extend([
        row(
            format!("{load}, 99th percentile of the time to the answer"),
            "ms",
            vec![ours.p99()],
            vec![theirs.p99()],
            Goal::AtMost(0.5),
        ),
        row(
            format!("{load}, peak memory (VmHWM)"),
            "MiB",
            vec![memory?],
            vec![peer_memory?],
            Goal::AtMost(0.5),
        ),
        row(
            format!("slices as PNG at {CLIENTS} clients, Pillow there"),
            "requests a second",
            drawn.per_second,
            peer_drawn.per_second,
            Goal::AtLeast(3.0),
        ),
    ]);
    Ok(Part {
        sides: ["service", "Python server"],
        rows,
        notes: vec![format!(
            "The peer is `tests/bench/peer_server.py`: FastAPI, nibabel, SciPy and ONNX Runtime with the same graph, which looks about the heart as the service does, as many \
             requests at once as there are cores and one thread each, which of the settings tried gave the most requests for the least processor time. Its mask is the same to a Dice of .9995; it makes \
             none of the checks, intervals, wall segments and curves. Answers under load: {} of the service, {} of the peer.",
            ours.ms.len(),
            theirs.ms.len()
        )],
    })
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
    per_second: Vec<f64>,
    ms: Vec<f64>,
}

impl Load {
    fn add(&mut self, round: Self) {
        self.per_second.extend(round.per_second);
        self.ms.extend(round.ms);
    }

    fn per_minute(&self) -> Vec<f64> {
        self.per_second.iter().map(|rate| rate * 60.0).collect()
    }

    fn p99(&self) -> f64 {
        quantile(&sorted(self.ms.clone()), 0.99)
    }
}

/// Every client asks again and again for so long; what was begun is waited for, and counts.
fn under_load(long: Duration, one: impl Fn(usize) -> Result<()> + Sync) -> Result<Load> {
    let (count, started) = (AtomicUsize::new(0), Instant::now());
    let asked = || -> Result<Vec<f64>> {
        let mut ms = Vec::new();
        while started.elapsed() < long {
            let begun = Instant::now();
            one(count.fetch_add(1, Relaxed))?;
            ms.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(ms)
    };
    let ms = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(asked)).collect();
        let mut ms = Vec::new();
        for client in clients {
            ms.extend(client.join().map_err(|_| anyhow!("a client panicked"))??);
        }
        Ok::<_, anyhow::Error>(ms)
    })?;
    Ok(Load {
        per_second: vec![ms.len() as f64 / started.elapsed().as_secs_f64()],
        ms,
    })
}
