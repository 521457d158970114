//! Figures of what inference does, for a host's metrics. Counters only; how they are shown is the host's matter.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// What one compute took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ComputeReport {
    /// Time in the queue before the engine began.
    pub waited: Duration,
    /// Time in the engine.
    pub computed: Duration,
}

/// What happened since the start, and what is the case now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Computes that gave outputs.
    pub computes: u64,
    /// Computes in which the engine failed.
    pub failures: u64,
    /// Computes whose inputs did not fit the graph.
    pub refused: u64,
    /// Computes turned away because the queue was full.
    pub turned_away: u64,
    /// Time that computes spent waiting, in all.
    pub waited: Duration,
    /// Time that computes spent in the engine, in all.
    pub computed: Duration,
    /// Graphs loaded into an engine.
    pub loads: u64,
    /// Time spent loading graphs, in all.
    pub loading: Duration,
    /// Computes waiting now.
    pub waiting: usize,
    /// Computes in the engine now.
    pub at_work: usize,
    /// Graphs in memory now.
    pub graphs: usize,
}

#[derive(Default)]
pub(crate) struct Counters {
    computes: AtomicU64,
    failures: AtomicU64,
    refused: AtomicU64,
    turned_away: AtomicU64,
    waited_us: AtomicU64,
    computed_us: AtomicU64,
    loads: AtomicU64,
    loading_us: AtomicU64,
    waiting: AtomicUsize,
    at_work: AtomicUsize,
}

/// Counts one thing for as long as it lives.
pub(crate) struct Gauge<'a>(&'a AtomicUsize);

impl Drop for Gauge<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Counters {
    pub(crate) fn snapshot(&self, graphs: usize) -> Stats {
        let time = |counter: &AtomicU64| Duration::from_micros(counter.load(Relaxed));
        Stats {
            computes: self.computes.load(Relaxed),
            failures: self.failures.load(Relaxed),
            refused: self.refused.load(Relaxed),
            turned_away: self.turned_away.load(Relaxed),
            waited: time(&self.waited_us),
            computed: time(&self.computed_us),
            loads: self.loads.load(Relaxed),
            loading: time(&self.loading_us),
            waiting: self.waiting.load(Relaxed),
            at_work: self.at_work.load(Relaxed),
            graphs,
        }
    }

    /// Takes a place in a queue of `limit`, if there is one.
    pub(crate) fn wait(&self, limit: usize) -> Option<Gauge<'_>> {
        let taken = self.waiting.fetch_update(Relaxed, Relaxed, |waiting| {
            (waiting < limit).then_some(waiting + 1)
        });
        if taken.is_err() {
            self.turned_away.fetch_add(1, Relaxed);
        }
        taken.ok().map(|_| Gauge(&self.waiting))
    }

    pub(crate) fn begin(&self) -> Gauge<'_> {
        self.at_work.fetch_add(1, Relaxed);
        Gauge(&self.at_work)
    }

    pub(crate) fn done(&self, waited: Duration, computed: Duration, well: bool) {
        let counter = if well { &self.computes } else { &self.failures };
        counter.fetch_add(1, Relaxed);
        add(&self.waited_us, waited);
        add(&self.computed_us, computed);
    }

    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(crate) fn loaded(&self, took: Duration) {
        self.loads.fetch_add(1, Relaxed);
        add(&self.loading_us, took);
    }
}

fn add(counter: &AtomicU64, time: Duration) {
    counter.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Relaxed);
}
