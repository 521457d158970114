//! A plain HTTP client: every status is an answer, nothing is retried, nothing is followed.

use std::io::Read;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::host::Host;

/// Longer than any answer takes on the slowest engine and a busy machine; a hang is reported, not waited for.
const DEADLINE: Duration = Duration::from_secs(300);

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers in the order they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's first value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| {
            format!(
                "status {} with a body that is not JSON: {}",
                self.status,
                self.text()
            )
        })
    }

    /// The body as text, at most 2,000 characters of it.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body)
            .chars()
            .take(2_000)
            .collect()
    }

    /// The answer if it has this status.
    pub fn expect(self, status: u16) -> Result<Self> {
        if self.status != status {
            bail!(
                "expected status {status}, found {}: {}",
                self.status,
                self.text()
            );
        }
        Ok(self)
    }

    /// The last part of the problem's type, if this is a well-formed problem document with the answer's own status.
    pub fn problem(&self) -> Result<String> {
        if self
            .header("content-type")
            .is_none_or(|found| !found.starts_with("application/problem+json"))
        {
            bail!(
                "status {} without a problem document: {:?} {}",
                self.status,
                self.header("content-type"),
                self.text()
            );
        }
        let problem = self.json()?;
        if problem["status"].as_u64() != Some(u64::from(self.status)) {
            bail!(
                "status {} but the problem says {}",
                self.status,
                problem["status"]
            );
        }
        for field in ["title", "detail", "request_id"] {
            if problem[field].as_str().is_none_or(str::is_empty) {
                bail!("the problem has no {field}: {problem}");
            }
        }
        if self.header("x-request-id") != problem["request_id"].as_str() {
            bail!(
                "X-Request-Id {:?} is not the problem's {}",
                self.header("x-request-id"),
                problem["request_id"]
            );
        }
        let kind = problem["type"]
            .as_str()
            .context("the problem has no type")?;
        Ok(kind.rsplit('/').next().unwrap_or_default().to_owned())
    }
}

/// A client of one host.
#[derive(Clone)]
pub struct Client {
    agent: ureq::Agent,
    base: String,
    headers: Vec<(String, String)>,
}

impl Client {
    /// A client of this host.
    pub fn new(host: &Host) -> Self {
        Self::at(host.url())
    }

    /// A client of the service at this address.
    pub fn at(base: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(DEADLINE))
            .build()
            .into();
        Self {
            agent,
            base: base.trim_end_matches('/').to_owned(),
            headers: Vec::new(),
        }
    }

    /// Sends this header with every request.
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends a request and reads the answer whole.
    ///
    /// # Errors
    /// No answer came.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Answer> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        for (name, value) in self
            .headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .chain(headers.iter().copied())
        {
            request = request.header(name, value);
        }
        let what = || format!("{method} {path}");
        let agent = self.agent.clone();
        let response = match body {
            Some(body) => agent.run(request.body(body).with_context(what)?),
            None => agent.run(request.body(()).with_context(what)?),
        }
        .with_context(what)?;
        let (head, body) = response.into_parts();
        let mut bytes = Vec::new();
        body.into_reader()
            .read_to_end(&mut bytes)
            .with_context(what)?;
        let headers = head
            .headers
            .iter()
            .map(|(name, value)| {
                (
                    name.as_str().to_owned(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect();
        Ok(Answer {
            status: head.status.as_u16(),
            headers,
            body: bytes,
        })
    }

    /// `GET`.
    pub fn get(&self, path: &str) -> Result<Answer> {
        self.send("GET", path, &[], None)
    }

    /// `GET` with an `Accept`.
    pub fn get_as(&self, path: &str, accept: &str) -> Result<Answer> {
        self.send("GET", path, &[("accept", accept)], None)
    }

    /// `POST` of bytes whose type is not told.
    pub fn post(&self, path: &str, body: &[u8]) -> Result<Answer> {
        self.send(
            "POST",
            path,
            &[("content-type", "application/octet-stream")],
            Some(body),
        )
    }

    /// `POST` of bytes with an `Accept`.
    pub fn post_as(&self, path: &str, body: &[u8], accept: &str) -> Result<Answer> {
        self.send(
            "POST",
            path,
            &[
                ("content-type", "application/octet-stream"),
                ("accept", accept),
            ],
            Some(body),
        )
    }

    /// `DELETE`.
    pub fn delete(&self, path: &str) -> Result<Answer> {
        self.send("DELETE", path, &[], None)
    }
}
