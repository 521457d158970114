//! The running service as the evaluation sees it: which package answers, what it costs, and the routes that are asked.

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use cinecor_formats::{Limits, decode_mask};
use cinecor_tests::client::{Answer, Client};
use cinecor_tests::host::Host;
use cinecor_volume::Mask;
use serde_json::{Value, json};

/// A service, started for the evaluation or running already.
pub(crate) struct Service {
    client: Client,
    /// The host, where it was started here: only then can its CPU time be read.
    host: Option<Host>,
    /// `?model=…`, or nothing where the active package is asked.
    query: String,
    /// The model of the first answer.
    model: Value,
    cpu_seconds_before: Option<f64>,
    slices: usize,
}

impl Service {
    /// A service that answers for the evaluation; `model` is `name` or `name@version`, or nothing for the active one.
    pub(crate) fn new(client: Client, host: Option<Host>, model: Option<&str>) -> Self {
        Self {
            client,
            host,
            query: model.map_or_else(String::new, |model| format!("?model={model}")),
            model: Value::Null,
            cpu_seconds_before: None,
            slices: 0,
        }
    }

    /// The plain client.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The model that answered: name, version, digests, engine, device, precision.
    pub(crate) fn model(&self) -> &Value {
        &self.model
    }

    /// What the model's card says, null where the service does not tell.
    pub(crate) fn card(&self) -> Result<Value> {
        let text = |key: &str| self.model[key].as_str().unwrap_or_default();
        let path = format!(
            "/api/v1/models/{}/versions/{}",
            text("name"),
            text("version")
        );
        let answer = self.client.get(&path)?;
        if answer.status != 200 {
            return Ok(Value::Null);
        }
        Ok(answer.json()?["card"].clone())
    }

    /// Posts a volume and returns the whole answer.
    ///
    /// # Errors
    /// No 200, or another model than that of the answers before.
    pub(crate) fn segment(&mut self, volume: &[u8]) -> Result<Value> {
        let answer = self.try_segment(volume)?.expect(200)?.json()?;
        self.note_model(&answer)?;
        Ok(answer)
    }

    /// Posts a volume and returns whatever comes.
    pub(crate) fn try_segment(&self, volume: &[u8]) -> Result<Answer> {
        self.client
            .post(&format!("/api/v1/segment{}", self.query), volume)
    }

    /// Holds the model of an answer against that of the first.
    pub(crate) fn note_model(&mut self, answer: &Value) -> Result<()> {
        let found = &answer["segmentation"]["model"];
        if self.model.is_null() {
            self.model = found.clone();
        } else if self.model != *found {
            bail!(
                "the model changed while the set was evaluated: first {}, then {found}",
                self.model
            );
        }
        Ok(())
    }

    /// Posts a volume and returns the mask alone.
    pub(crate) fn mask(&self, volume: &[u8]) -> Result<Mask> {
        let path = format!("/api/v1/segment{}", self.query);
        let answer = self
            .client
            .post_as(&path, volume, "application/x-nifti")?
            .expect(200)?;
        Ok(decode_mask(&answer.body, Limits::for_masks())
            .context("the service's mask")?
            .1)
    }

    /// The body that asks for a kept segmentation by the same package.
    pub(crate) fn wanted_model(&self) -> Value {
        match self.query.strip_prefix("?model=") {
            Some(model) => json!({"model": model}),
            None => json!({}),
        }
    }

    /// From here on CPU time counts: what was loaded and compiled before does not belong to a slice.
    pub(crate) fn start_counting(&mut self) {
        self.cpu_seconds_before = self.host.as_ref().and_then(|host| cpu_seconds(host.pid()));
        self.slices = 0;
    }

    /// So many slices were posted.
    pub(crate) fn count_slices(&mut self, slices: usize) {
        self.slices += slices;
    }

    /// CPU time of the whole host for each slice since [`Service::start_counting`], ms; none where the host was not started here.
    pub(crate) fn cpu_ms_per_slice(&self) -> Option<f64> {
        let now = cpu_seconds(self.host.as_ref()?.pid())?;
        let spent = now - self.cpu_seconds_before?;
        (self.slices > 0).then(|| 1000.0 * spent / self.slices as f64)
    }
}

/// The mask inside a JSON answer.
pub(crate) fn mask_of(answer: &Value) -> Result<Mask> {
    let text = answer["mask"]["data"]
        .as_str()
        .context("the answer has no mask")?;
    let file = base64::engine::general_purpose::STANDARD.decode(text)?;
    Ok(decode_mask(&file, Limits::for_masks())
        .context("the service's mask")?
        .1)
}

/// Ticks a second in which Linux tells CPU times to programs, on every architecture that it is common on.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time of a process so far, user and system, all threads; none where there is no `/proc`.
fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before the last bracket may hold spaces; what follows starts with field 3, the state. User time is field 14.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(14 - 3);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_cpu_time_grows_with_work() {
        let before = cpu_seconds(std::process::id()).unwrap();
        let started = std::time::Instant::now();
        let mut sum = 0.0_f64;
        // A tick is 10 ms; this process is busy for more than one, unless it is not given the processor at all.
        while cpu_seconds(std::process::id()).unwrap() <= before {
            sum += std::hint::black_box(1.5_f64).sqrt();
            assert!(
                started.elapsed().as_secs() < 60,
                "no CPU time after a minute ({sum})"
            );
        }
    }
}
