//! Figures of the host in Prometheus' text format. Labels are component ids and statuses, never anything of a request.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the duration buckets, in seconds: from a trivial route to a whole study.
const BUCKETS_S: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0,
];

/// What happened since the start.
#[derive(Debug, Default)]
pub struct Metrics {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    requests: BTreeMap<(String, u16), u64>,
    durations: BTreeMap<String, Durations>,
    instances: BTreeMap<String, Instances>,
    request_bytes: u64,
    response_bytes: u64,
    abandoned: u64,
}

#[derive(Debug, Default)]
struct Durations {
    buckets: [u64; BUCKETS_S.len()],
    count: u64,
    sum_s: f64,
}

#[derive(Debug, Default)]
struct Instances {
    started: u64,
    ended: u64,
    failed: u64,
}

/// One request that is over.
#[derive(Clone, Copy, Debug)]
pub struct RequestReport<'a> {
    /// Component that answered; `host` where none did.
    pub component: &'a str,
    /// Status of the answer.
    pub status: u16,
    /// From its arrival to the last byte of the answer.
    pub took: Duration,
    /// Bytes of its body.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
    /// Whether the client saw the answer to its end.
    pub complete: bool,
}

/// What is the case now, read when the figures are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// Requests at work.
    pub at_work: usize,
    /// Requests waiting.
    pub waiting: usize,
    /// Requests at work that wait for their turn to compute.
    pub turns_waiting: usize,
    /// Figures of inference.
    pub nn: cinecor_nn::Stats,
}

impl Metrics {
    fn with<R>(&self, change: impl FnOnce(&mut Inner) -> R) -> R {
        change(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts a request.
    pub fn request(&self, report: RequestReport<'_>) {
        self.with(|inner| {
            *inner
                .requests
                .entry((report.component.to_owned(), report.status))
                .or_default() += 1;
            let durations = inner
                .durations
                .entry(report.component.to_owned())
                .or_default();
            let took_s = report.took.as_secs_f64();
            durations.count += 1;
            durations.sum_s += took_s;
            for (bucket, bound_s) in durations.buckets.iter_mut().zip(BUCKETS_S) {
                *bucket += u64::from(took_s <= bound_s);
            }
            inner.request_bytes = inner.request_bytes.saturating_add(report.request_bytes);
            inner.response_bytes = inner.response_bytes.saturating_add(report.response_bytes);
            inner.abandoned += u64::from(!report.complete);
        });
    }

    /// Counts an instance that was made.
    pub fn instance_started(&self, component: &str) {
        self.with(|inner| {
            inner
                .instances
                .entry(component.to_owned())
                .or_default()
                .started += 1
        });
    }

    /// Counts an instance that is gone.
    pub fn instance_ended(&self, component: &str, failed: bool) {
        self.with(|inner| {
            let instances = inner.instances.entry(component.to_owned()).or_default();
            instances.ended += 1;
            instances.failed += u64::from(failed);
        });
    }

    /// All figures as text.
    pub fn text(&self, now: Now) -> String {
        self.with(|inner| {
            let mut out = String::with_capacity(4 << 10);
            // Writing to a text cannot fail.
            let _ = inner.write(&mut out, now);
            out
        })
    }
}

impl Inner {
    fn write(&self, out: &mut String, now: Now) -> std::fmt::Result {
        let head = |out: &mut String, name: &str, kind: &str, help: &str| {
            writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")
        };

        head(
            out,
            "cinecor_requests_total",
            "counter",
            "Requests answered, by component and status.",
        )?;
        for ((component, status), count) in &self.requests {
            writeln!(
                out,
                "cinecor_requests_total{{component=\"{component}\",status=\"{status}\"}} {count}"
            )?;
        }
        head(
            out,
            "cinecor_request_duration_seconds",
            "histogram",
            "Time from the arrival of a request to the last byte of its answer.",
        )?;
        for (component, durations) in &self.durations {
            for (bucket, bound_s) in durations.buckets.iter().zip(BUCKETS_S) {
                writeln!(
                    out,
                    "cinecor_request_duration_seconds_bucket{{component=\"{component}\",le=\"{bound_s}\"}} {bucket}"
                )?;
            }
            writeln!(
                out,
                "cinecor_request_duration_seconds_bucket{{component=\"{component}\",le=\"+Inf\"}} {}",
                durations.count
            )?;
            writeln!(
                out,
                "cinecor_request_duration_seconds_sum{{component=\"{component}\"}} {}",
                durations.sum_s
            )?;
            writeln!(
                out,
                "cinecor_request_duration_seconds_count{{component=\"{component}\"}} {}",
                durations.count
            )?;
        }
        head(
            out,
            "cinecor_instances_started_total",
            "counter",
            "Instances made, by component.",
        )?;
        for (component, instances) in &self.instances {
            writeln!(
                out,
                "cinecor_instances_started_total{{component=\"{component}\"}} {}",
                instances.started
            )?;
        }
        head(
            out,
            "cinecor_instances_failed_total",
            "counter",
            "Instances that trapped or ran out of time or memory, by component.",
        )?;
        for (component, instances) in &self.instances {
            writeln!(
                out,
                "cinecor_instances_failed_total{{component=\"{component}\"}} {}",
                instances.failed
            )?;
        }
        head(
            out,
            "cinecor_instances",
            "gauge",
            "Instances that exist, by component.",
        )?;
        for (component, instances) in &self.instances {
            writeln!(
                out,
                "cinecor_instances{{component=\"{component}\"}} {}",
                instances.started.saturating_sub(instances.ended)
            )?;
        }

        let single: [(&str, &str, &str, f64); 17] = [
            (
                "cinecor_requests_at_work",
                "gauge",
                "Requests at work.",
                count(now.at_work),
            ),
            (
                "cinecor_requests_waiting",
                "gauge",
                "Requests waiting for a place at work.",
                count(now.waiting),
            ),
            (
                "cinecor_turns_waiting",
                "gauge",
                "Requests at work that wait for their turn to compute.",
                count(now.turns_waiting),
            ),
            (
                "cinecor_requests_abandoned_total",
                "counter",
                "Requests whose client left before the end of the answer.",
                big(self.abandoned),
            ),
            (
                "cinecor_request_body_bytes_total",
                "counter",
                "Bytes of request bodies.",
                big(self.request_bytes),
            ),
            (
                "cinecor_response_body_bytes_total",
                "counter",
                "Bytes of response bodies.",
                big(self.response_bytes),
            ),
            (
                "cinecor_nn_computes_total",
                "counter",
                "Computes that gave outputs.",
                big(now.nn.computes),
            ),
            (
                "cinecor_nn_failures_total",
                "counter",
                "Computes in which the engine failed.",
                big(now.nn.failures),
            ),
            (
                "cinecor_nn_refused_total",
                "counter",
                "Computes whose inputs did not fit the graph.",
                big(now.nn.refused),
            ),
            (
                "cinecor_nn_turned_away_total",
                "counter",
                "Computes turned away because the queue was full.",
                big(now.nn.turned_away),
            ),
            (
                "cinecor_nn_waited_seconds_total",
                "counter",
                "Time that computes waited for the engine.",
                now.nn.waited.as_secs_f64(),
            ),
            (
                "cinecor_nn_computed_seconds_total",
                "counter",
                "Time that computes spent in the engine.",
                now.nn.computed.as_secs_f64(),
            ),
            (
                "cinecor_nn_loads_total",
                "counter",
                "Graphs loaded into an engine.",
                big(now.nn.loads),
            ),
            (
                "cinecor_nn_loading_seconds_total",
                "counter",
                "Time spent loading graphs.",
                now.nn.loading.as_secs_f64(),
            ),
            (
                "cinecor_nn_at_work",
                "gauge",
                "Computes in the engine.",
                count(now.nn.at_work),
            ),
            (
                "cinecor_nn_waiting",
                "gauge",
                "Computes waiting for the engine.",
                count(now.nn.waiting),
            ),
            (
                "cinecor_nn_graphs",
                "gauge",
                "Graphs in memory.",
                count(now.nn.graphs),
            ),
        ];
        for (name, kind, help, value) in single {
            head(out, name, kind, help)?;
            writeln!(out, "{name} {value}")?;
        }
        if let Some((resident, peak)) = resident_bytes() {
            head(
                out,
                "process_resident_memory_bytes",
                "gauge",
                "Memory of the host that is in RAM.",
            )?;
            writeln!(out, "process_resident_memory_bytes {resident}")?;
            head(
                out,
                "cinecor_process_peak_memory_bytes",
                "gauge",
                "Most memory of the host that was in RAM at once (VmHWM).",
            )?;
            writeln!(out, "cinecor_process_peak_memory_bytes {peak}")?;
        }
        Ok(())
    }
}

/// Prometheus knows only doubles; a count above 2^53 would lose its last digits.
#[expect(clippy::cast_precision_loss, reason = "the format has doubles only")]
const fn big(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "the format has doubles only")]
const fn count(count: usize) -> f64 {
    count as f64
}

/// `VmRSS` and `VmHWM` of this process in bytes, where the system tells.
fn resident_bytes() -> Option<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = |key: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(key))?
            .split_whitespace()
            .next()?
            .parse::<u64>()
            .ok()
    };
    Some((
        kib("VmRSS:")?.saturating_mul(1024),
        kib("VmHWM:")?.saturating_mul(1024),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted_once_and_lies_in_all_buckets_above_it() {
        let metrics = Metrics::default();
        metrics.instance_started("a");
        metrics.request(RequestReport {
            component: "a",
            status: 200,
            took: Duration::from_millis(40),
            request_bytes: 7,
            response_bytes: 9,
            complete: true,
        });
        let text = metrics.text(Now {
            at_work: 3,
            turns_waiting: 2,
            ..Now::default()
        });
        for line in [
            "cinecor_requests_total{component=\"a\",status=\"200\"} 1",
            "cinecor_request_duration_seconds_bucket{component=\"a\",le=\"0.025\"} 0",
            "cinecor_request_duration_seconds_bucket{component=\"a\",le=\"0.05\"} 1",
            "cinecor_request_duration_seconds_bucket{component=\"a\",le=\"+Inf\"} 1",
            "cinecor_request_duration_seconds_count{component=\"a\"} 1",
            "cinecor_instances{component=\"a\"} 1",
            "cinecor_requests_at_work 3",
            "cinecor_turns_waiting 2",
            "cinecor_request_body_bytes_total 7",
            "cinecor_requests_abandoned_total 0",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is missing in\n{text}"
            );
        }
    }
}
