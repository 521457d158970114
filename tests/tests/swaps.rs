//! Models and model components that are swapped while requests are under way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use cinecor_tests::client::Client;
use cinecor_tests::host::Host;
use cinecor_tests::packages::{Package, address};
use cinecor_tests::soak::Soak;
use cinecor_tests::swapping::{Application, guest, reload};
use cinecor_tests::volumes;

/// How long a watched file may take to be noticed, compiled and tried.
const WATCH_PATIENCE: Duration = Duration::from_secs(120);

/// The model digest, the component digest, and what else of an answer is the same for the same ones.
fn segment(client: &Client, volume: &[u8]) -> Result<(String, String, String)> {
    let mut answer = client
        .post("/api/v1/segment", volume)?
        .expect(200)?
        .json()?;
    let model = &answer["segmentation"]["model"];
    let text = |name: &str| {
        let text = model[name].as_str();
        Ok::<_, anyhow::Error>(text.with_context(|| name.to_owned())?.to_owned())
    };
    let (digest, component) = (text("digest")?, text("component_digest")?);
    for (place, name) in [
        ("study", "created_at"),
        ("segmentation", "created_at"),
        ("segmentation", "timings_ms"),
    ] {
        answer[place]
            .as_object_mut()
            .context("an answer without its parts")?
            .remove(name);
    }
    Ok((digest, component, answer.to_string()))
}

fn reloaded(host: &Host) -> Result<()> {
    let (content, said) = reload(host)?;
    ensure!(content && said.contains("segment: "), "{said}");
    Ok(())
}

#[test]
fn another_component_takes_over_and_one_that_is_no_model_does_not() -> Result<()> {
    let application = Application::with_model("model-unet")?;
    let host = application.options().start()?;
    let client = Client::new(&host);
    let volume = volumes::small(2, 1, 1)?;
    let first = segment(&client, &volume)?;
    let (content, said) = reload(&host)?;
    ensure!(content && said.contains("nothing has changed"), "{said}");

    for bad in [b"no component".to_vec(), guest("site")?] {
        application.put(&bad)?;
        let (content, said) = reload(&host)?;
        ensure!(!content && said.contains("refused"), "{said}");
        ensure!(segment(&client, &volume)? == first);
    }

    application.put(&guest("model-shift")?)?;
    reloaded(&host)?;
    let second = segment(&client, &volume)?;
    ensure!(second.0 == first.0, "the weights are the same");
    ensure!(second.1 != first.1, "the component is another");
    ensure!(segment(&client, &volume)? == second);
    client.get("/api/v1/health/ready")?.expect(200)?;

    application.put(&guest("model-unet")?)?;
    reloaded(&host)?;
    ensure!(segment(&client, &volume)? == first);
    Ok(())
}

#[test]
fn a_watched_component_takes_over_by_itself() -> Result<()> {
    let application = Application::with_model("model-unet")?;
    let host = application.options().argument("--watch").start()?;
    let client = Client::new(&host);
    let volume = volumes::small(1, 1, 1)?;
    let first = segment(&client, &volume)?;
    application.put(&guest("model-shift")?)?;
    let until = Instant::now() + WATCH_PATIENCE;
    while segment(&client, &volume)?.1 == first.1 {
        ensure!(Instant::now() < until, "nothing happened: {}", host.log());
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

#[test]
fn a_component_that_traps_loops_or_hoards_costs_its_own_request_only() -> Result<()> {
    let application = Application::with_model("model-rogue")?;
    let host = application
        .options()
        .setting("component", "segment", segment_settings())
        .start()?;
    let client = Client::new(&host);
    let good = volumes::of_size(1, 1, 60)?;
    client.post("/api/v1/segment", &good)?.expect(200)?;
    for (rows, statuses) in [(61, [500, 500]), (62, [504, 504]), (63, [500, 503])] {
        let bad = volumes::of_size(1, 1, rows)?;
        std::thread::scope(|scope| -> Result<()> {
            let hurt = scope.spawn(|| client.post("/api/v1/segment", &bad));
            // While it goes on, and after it.
            for _ in 0..5 {
                client.post("/api/v1/segment", &good)?.expect(200)?;
                client.get("/api/v1/health/live")?.expect(200)?;
            }
            let answer = hurt.join().map_err(|_| anyhow!("a client panicked"))??;
            ensure!(
                statuses.contains(&answer.status),
                "{rows} rows: {} {}",
                answer.status,
                answer.text()
            );
            answer.problem()?;
            Ok(())
        })?;
        client.post("/api/v1/segment", &good)?.expect(200)?;
    }
    Ok(())
}

#[test]
fn a_component_that_traps_while_an_upload_is_tried_costs_that_upload_alone() -> Result<()> {
    let application = Application::with_model("model-rogue")?;
    let host = application.options().start()?;
    let client = Client::new(&host);
    let mut package = Package::of_version("1.0.0")?;
    package.card["name"] = "trap".into();
    let (bad, archive) = ("/api/v1/models/trap/versions/1.0.0", package.zip()?);
    let put = |at: &str, archive: &[u8]| client.send("PUT", at, &[], Some(archive));
    put(bad, &archive)?.expect(500)?.problem()?;
    // It told nobody of its end: the next one of the same version is told how long that is waited for.
    let again = put(bad, &archive)?.expect(409)?;
    assert_eq!(again.problem()?, "conflict");
    assert_eq!(again.header("retry-after"), Some("30"));
    client.get(bad)?.expect(404)?;
    let good = Package::of_version("77.0.0")?.zip()?;
    put(&address("77.0.0"), &good)?.expect(201)?;
    client.get("/api/v1/health/ready")?.expect(200)?;
    Ok(())
}

/// Those of `cinecor.toml`, with little time and memory.
fn segment_settings() -> toml::Table {
    let mut settings = toml::Table::new();
    settings.insert("concurrency".to_owned(), 1.into());
    settings.insert("at_work_max".to_owned(), 12.into());
    settings.insert("request_deadline_ms".to_owned(), 5_000.into());
    settings.insert("instance_memory_bytes_max".to_owned(), (256 << 20).into());
    settings
}

/// A number from the environment; tests are short, the evidence for a release is long.
fn told(variable: &str, default: usize) -> usize {
    std::env::var(variable)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

#[test]
fn nothing_fails_and_nothing_is_mixed_while_weights_and_components_are_swapped() -> Result<()> {
    const CLIENTS: usize = 8;
    let wanted = told("CINECOR_SWAP_ANSWERS", 160);
    let longest = Duration::from_secs(told("CINECOR_SWAP_SECONDS", 240) as u64);
    let application = Application::with_model("model-unet")?;
    let host = application.options().start()?;
    let client = Client::new(&host);
    let packages = [
        Package::of_version("91.0.0")?,
        Package::of_version("92.0.0")?,
    ];
    for (package, version) in packages.iter().zip(["91.0.0", "92.0.0"]) {
        client
            .send("PUT", &address(version), &[], Some(&package.zip()?))?
            .expect(201)?;
    }
    let activate = |version: &str| -> Result<()> {
        let address = format!("{}/activate", address(version));
        client.send("POST", &address, &[], None)?.expect(200)?;
        Ok(())
    };
    let volumes: Vec<Vec<u8>> = (1..=3)
        .map(|slices| volumes::small(slices, 1, slices as u64))
        .collect::<Result<_>>()?;
    activate("91.0.0")?;
    let components = [guest("model-shift")?, guest("model-unet")?];
    // Both are compiled once before it counts, and leave the first one serving.
    let mut known = BTreeSet::new();
    for component in &components {
        application.put(component)?;
        reloaded(&host)?;
        known.insert(segment(&client, &volumes[0])?.1);
    }
    ensure!(known.len() == 2, "two components have one digest");

    // Undisturbed, to compare with.
    let undisturbed = load(&client, &volumes, CLIENTS, wanted / 4, longest, |_| Ok(()))?;
    let mut swaps = (0, 0);
    let disturbed = load(&client, &volumes, CLIENTS, wanted, longest, |second| {
        swaps.0 += 1;
        activate(if second % 2 == 0 { "92.0.0" } else { "91.0.0" })?;
        if second % 5 == 4 {
            application.put(&components[swaps.1 % 2])?;
            reloaded(&host)?;
            swaps.1 += 1;
        }
        Ok(())
    })?;
    let digests: BTreeSet<String> = packages.iter().map(Package::digest).collect();
    let mut same: BTreeMap<(String, String, usize), String> = BTreeMap::new();
    for seen in undisturbed.iter().chain(&disturbed) {
        ensure!(
            digests.contains(&seen.model),
            "a digest that nobody activated"
        );
        ensure!(
            known.contains(&seen.component),
            "a component that nobody put"
        );
        let key = (seen.model.clone(), seen.component.clone(), seen.volume);
        let first = same.entry(key).or_insert_with(|| seen.answer.clone());
        ensure!(
            *first == seen.answer,
            "two answers of the same digests differ"
        );
    }
    let [before, during] = [&undisturbed, &disturbed].map(|seen| p99(seen));
    eprintln!(
        "{} answers, {} weight swaps, {} component swaps; p99 {before:?} undisturbed, {during:?} while swapping",
        disturbed.len(),
        swaps.0,
        swaps.1
    );
    ensure!(swaps.0 >= 2, "too few swaps to tell anything: {swaps:?}");
    Ok(())
}

struct Seen {
    model: String,
    component: String,
    volume: usize,
    answer: String,
    took: Duration,
}

fn p99(seen: &[Seen]) -> Duration {
    let mut times: Vec<Duration> = seen.iter().map(|seen| seen.took).collect();
    times.sort();
    let index = (times.len() * 99).div_ceil(100).saturating_sub(1);
    times.get(index).copied().unwrap_or_default()
}

/// Lets clients ask until there are as many answers as wanted, and calls `every_second` meanwhile. The first failure ends it.
fn load(
    client: &Client,
    volumes: &[Vec<u8>],
    clients: usize,
    wanted: usize,
    longest: Duration,
    mut every_second: impl FnMut(usize) -> Result<()>,
) -> Result<Vec<Seen>> {
    let seen = Mutex::new(Vec::new());
    let (asked, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let started = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..clients)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    while !over.load(SeqCst) && started.elapsed() < longest {
                        let turn = asked.fetch_add(1, SeqCst);
                        if turn >= wanted {
                            return Ok(());
                        }
                        let volume = turn % volumes.len();
                        let asked_at = Instant::now();
                        let outcome = segment(client, &volumes[volume]);
                        let (model, component, answer) =
                            outcome.inspect_err(|_| over.store(true, SeqCst))?;
                        seen.lock()
                            .map_err(|_| anyhow!("a client panicked"))?
                            .push(Seen {
                                model,
                                component,
                                volume,
                                answer,
                                took: asked_at.elapsed(),
                            });
                    }
                    Ok(())
                })
            })
            .collect();
        let mut second = 0;
        while workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::sleep(Duration::from_secs(1));
            every_second(second).inspect_err(|_| over.store(true, SeqCst))?;
            second += 1;
        }
        for worker in workers {
            worker.join().map_err(|_| anyhow!("a client panicked"))??;
        }
        Ok::<_, anyhow::Error>(())
    })?;
    seen.into_inner().map_err(|_| anyhow!("a client panicked"))
}

#[test]
fn memory_after_many_swaps_is_what_it_was_after_the_first_few() -> Result<()> {
    let swaps = told("CINECOR_SOAK_SWAPS", 40);
    let soak = Soak {
        swaps,
        components_every: 2,
        samples: 2,
    };
    let series = soak.run(|sample| eprintln!("{sample}"))?;
    if swaps >= Soak::SWAPS {
        series.check()?;
    }
    Ok(())
}
