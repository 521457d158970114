//! Weights and model components swapped while clients ask: every answer is one of one model and one component, and none fails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use crate::client::Client;
use crate::packages::{Package, address};
use crate::swapping::{Application, guest, reloaded};
use crate::volumes;

/// Versions that take turns.
const VERSIONS: [&str; 2] = ["91.0.0", "92.0.0"];

/// Components that take turns.
const COMPONENTS: [&str; 2] = ["model-shift", "model-unet"];

/// How many clients ask, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct UnderLoad {
    /// Clients at once.
    pub clients: usize,
    /// Answers while there are swaps; a quarter as many before, with none.
    pub answers: usize,
    /// The longest that each of the two may take, however many answers there are.
    pub longest: Duration,
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Times to the answers without swaps.
    pub undisturbed: Vec<Duration>,
    /// Times to the answers while there were swaps.
    pub disturbed: Vec<Duration>,
    /// How long the swaps went on.
    pub took: Duration,
    /// Swaps of weights meanwhile.
    pub weights: usize,
    /// Swaps of components meanwhile.
    pub components: usize,
    /// Pairs of model and component that answered.
    pub pairs: usize,
}

impl Outcome {
    /// The 99th percentile of the time to an answer while there were swaps, over that without.
    pub fn p99_ratio(&self) -> f64 {
        p99(&self.disturbed).as_secs_f64() / p99(&self.undisturbed).as_secs_f64()
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} answers in {:.0} s, none failed, those of one model and one component the same to the byte ({} pairs); {} swaps of weights, {} of components; \
             99th percentile {:.0} ms, {:.0} ms without swaps ({} answers)",
            self.disturbed.len(),
            self.took.as_secs_f64(),
            self.pairs,
            self.weights,
            self.components,
            p99(&self.disturbed).as_secs_f64() * 1000.0,
            p99(&self.undisturbed).as_secs_f64() * 1000.0,
            self.undisturbed.len(),
        )
    }
}

/// One answer.
struct Seen {
    model: String,
    component: String,
    volume: usize,
    answer: String,
    took: Duration,
}

impl UnderLoad {
    /// What the p99 may be over that without swaps. Of a measurement, not of a test: it is a time.
    pub const P99_RATIO_MAX: f64 = 3.0;
    /// Answers that are evidence.
    pub const ANSWERS: usize = 2_000;

    /// Asks, and swaps weights each second and a component every five.
    ///
    /// # Errors
    /// A request or a swap that fails; an answer of a model or component that nobody put; two answers of the same ones that differ.
    pub fn run(&self) -> Result<Outcome> {
        let application = Application::with_model(COMPONENTS[1])?;
        let host = application.options().start()?;
        let client = Client::new(&host);
        let mut digests = BTreeSet::new();
        for version in VERSIONS {
            let package = Package::of_version(version)?;
            digests.insert(package.digest());
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
        activate(VERSIONS[0])?;
        let components = [guest(COMPONENTS[0])?, guest(COMPONENTS[1])?];
        // Both are compiled once before it counts, and leave the first one to be put next.
        let mut known = BTreeSet::new();
        for component in &components {
            application.put(component)?;
            reloaded(&host)?;
            known.insert(segment(&client, &volumes[0])?.1);
        }
        ensure!(known.len() == 2, "two components have one digest");

        let undisturbed = self.ask(&client, &volumes, self.answers / 4, |_| Ok(()))?;
        let (mut weights, mut swapped) = (0, 0);
        let started = Instant::now();
        let disturbed = self.ask(&client, &volumes, self.answers, |second| {
            weights += 1;
            activate(VERSIONS[(second + 1) % 2])?;
            if second % 5 == 4 {
                application.put(&components[swapped % 2])?;
                reloaded(&host)?;
                swapped += 1;
            }
            Ok(())
        })?;
        let took = started.elapsed();

        let mut same: BTreeMap<(&str, &str, usize), &str> = BTreeMap::new();
        for seen in undisturbed.iter().chain(&disturbed) {
            ensure!(
                digests.contains(&seen.model),
                "a digest that nobody activated"
            );
            ensure!(
                known.contains(&seen.component),
                "a component that nobody put"
            );
            let first = same
                .entry((&seen.model, &seen.component, seen.volume))
                .or_insert(&seen.answer);
            ensure!(
                *first == seen.answer,
                "two answers of the same digests differ"
            );
        }
        let pairs: BTreeSet<(&str, &str)> = same
            .keys()
            .map(|(model, component, _)| (*model, *component))
            .collect();
        let times = |seen: &[Seen]| seen.iter().map(|seen| seen.took).collect();
        Ok(Outcome {
            undisturbed: times(&undisturbed),
            disturbed: times(&disturbed),
            took,
            weights,
            components: swapped,
            pairs: pairs.len(),
        })
    }

    /// Lets clients ask until there are as many answers as wanted, and calls `every_second` meanwhile. The first failure ends it.
    fn ask(
        &self,
        client: &Client,
        volumes: &[Vec<u8>],
        wanted: usize,
        mut every_second: impl FnMut(usize) -> Result<()>,
    ) -> Result<Vec<Seen>> {
        let seen = Mutex::new(Vec::new());
        let (asked, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let started = Instant::now();
        let worker = || -> Result<()> {
            while !over.load(SeqCst) && started.elapsed() < self.longest {
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
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.clients).map(|_| scope.spawn(worker)).collect();
            let mut second = 0;
            while workers.iter().any(|worker| !worker.is_finished()) {
                // What takes longer than a second is followed by the next at once.
                let due = started + Duration::from_secs(second as u64 + 1);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
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
}

/// The model digest, the component digest, and what else of an answer is the same for the same ones.
///
/// # Errors
/// The request failed, or its answer has other parts than expected.
pub fn segment(client: &Client, volume: &[u8]) -> Result<(String, String, String)> {
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

fn p99(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    let index = (times.len() * 99).div_ceil(100).saturating_sub(1);
    times.get(index).copied().unwrap_or_default()
}
