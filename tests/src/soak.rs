//! Weights and model components swapped again and again, with a request after each swap, and the memory of the host on the way.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::client::Client;
use crate::host::Host;
use crate::packages::{Package, address};
use crate::swapping::{Application, guest, reloaded};
use crate::volumes;

/// Versions that take turns.
const VERSIONS: [&str; 2] = ["91.0.0", "92.0.0"];

/// Components that take turns.
const COMPONENTS: [&str; 2] = ["model-shift", "model-unet"];

/// How long an instance with nothing to do is kept, so that memory is looked at without old ones.
const IDLE: &str = "--idle-instance-timeout=200ms";

/// How often memory is looked at until it stays.
const LOOK: Duration = Duration::from_millis(250);

/// How long memory is given to settle.
const PATIENCE: Duration = Duration::from_secs(20);

/// What to swap, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Soak {
    /// Swaps of weights.
    pub swaps: usize,
    /// A component is swapped with every so many swaps of weights; 0 is never.
    pub components_every: usize,
    /// Times that memory is told between the first and the last.
    pub samples: usize,
}

/// The host's memory at one point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Swaps of weights so far.
    pub swaps: usize,
    /// Swaps of components so far.
    pub components: usize,
    /// Resident memory (VmRSS) in bytes once idle instances have ended.
    pub bytes: u64,
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "| {} | {} | {:.1} |",
            self.swaps,
            self.components,
            self.bytes as f64 / f64::from(1 << 20)
        )
    }
}

/// The memory on the way: after the first swaps, in between, at the end.
#[derive(Clone, Debug, Default)]
pub struct Series(pub Vec<Sample>);

impl Series {
    /// By how much the end lies above the first sample, in percent.
    ///
    /// # Errors
    /// There are no two samples.
    pub fn growth_percent(&self) -> Result<f64> {
        let (first, last) = self.0.first().zip(self.0.last()).context("no samples")?;
        Ok((last.bytes as f64 / first.bytes as f64 - 1.0) * 100.0)
    }

    /// Whether the end is within [`Soak::GROWTH_MAX_PERCENT`] of the first sample.
    ///
    /// # Errors
    /// It is not.
    pub fn check(&self) -> Result<()> {
        let growth = self.growth_percent()?;
        ensure!(
            growth <= Soak::GROWTH_MAX_PERCENT,
            "memory grew by {growth:.1} %, at most {} % may be: {:?}",
            Soak::GROWTH_MAX_PERCENT,
            self.0
        );
        Ok(())
    }
}

impl Soak {
    /// Swaps that are evidence.
    pub const SWAPS: usize = 1_000;
    /// Swaps before the first sample: caches fill, graphs are loaded once.
    pub const FIRST: usize = 20;
    /// What memory may grow by from the first sample to the last, in percent.
    pub const GROWTH_MAX_PERCENT: f64 = 5.0;

    /// Swaps, and tells each sample as it is taken.
    ///
    /// # Errors
    /// A request or a swap that fails.
    pub fn run(&self, mut tell: impl FnMut(&Sample)) -> Result<Series> {
        let application = Application::with_model(COMPONENTS[1])?;
        let host = application.options().argument(IDLE).start()?;
        let client = Client::new(&host);
        let volume = volumes::small(1, 1, 1)?;
        for version in VERSIONS {
            let archive = Package::of_version(version)?.zip()?;
            client
                .send("PUT", &address(version), &[], Some(&archive))?
                .expect(201)?;
        }
        let components = [guest(COMPONENTS[0])?, guest(COMPONENTS[1])?];
        let between = (self.swaps.saturating_sub(Self::FIRST) / (self.samples + 1)).max(1);
        let mut series = Series::default();
        let mut swapped = 0;
        for swap in 1..=self.swaps {
            let version = VERSIONS[swap % 2];
            let activate = format!("{}/activate", address(version));
            client.send("POST", &activate, &[], None)?.expect(200)?;
            if self.components_every > 0 && swap % self.components_every == 0 {
                application.put(&components[swapped % 2])?;
                reloaded(&host)?;
                swapped += 1;
            }
            client.post("/api/v1/segment", &volume)?.expect(200)?;
            let due = swap == Self::FIRST
                || swap == self.swaps
                || swap > Self::FIRST && (swap - Self::FIRST).is_multiple_of(between);
            if due {
                let sample = Sample {
                    swaps: swap,
                    components: swapped,
                    bytes: settled_bytes(&host)?,
                };
                tell(&sample);
                series.0.push(sample);
            }
        }
        Ok(series)
    }
}

/// The host's memory (VmRSS) once it stays: idle instances have ended then.
fn settled_bytes(host: &Host) -> Result<u64> {
    let until = Instant::now() + PATIENCE;
    let mut seen = [0, 0, resident_bytes(host)?];
    while Instant::now() < until {
        std::thread::sleep(LOOK);
        seen = [seen[1], seen[2], resident_bytes(host)?];
        if seen.iter().all(|bytes| *bytes == seen[0]) {
            break;
        }
    }
    Ok(seen[2])
}

fn resident_bytes(host: &Host) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line
        .and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok())
        .context("no VmRSS in the host's status")?;
    Ok(kib * 1024)
}
