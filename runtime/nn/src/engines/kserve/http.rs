//! The way to a server from a host: connections that are kept and used again, at most as many as computes are in flight, with TLS where the
//! URL says so. No proxy is used.

use super::{DEVICE, Reply, Transport, TransportError};
use crate::config::{Config, Kserve as Settings};
use crate::engine::Engine;
use cinecor_kserve::{HEADER_LENGTH, Request};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use ureq::Agent;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// How long an idle connection is kept. Servers close theirs too, and a request that meets one that is just being closed fails. MLServer closes
/// after 5 s, the earliest of the three.
const IDLE: Duration = Duration::from_secs(4);

/// Opens the engine on the server that the settings name. One that does not answer yet is no error: it may start later than the host, and what
/// is loaded from it tells.
pub(in crate::engines) fn open(device: &str, config: &Config) -> Result<Arc<dyn Engine>, String> {
    if device != DEVICE {
        return Err(format!(
            "kserve has no device {device:?}, only {DEVICE:?}: what the server computes on is the server's matter"
        ));
    }
    let http = Http::new(&config.kserve)?;
    match http.exchange(cinecor_kserve::SERVER_METADATA, None, super::TEXT_BYTES_MAX) {
        Ok(Reply { status: 200, .. }) => {}
        Ok(Reply { status, .. }) => {
            tracing::warn!(
                status,
                "the remote inference server refuses to tell what it is"
            );
        }
        Err(error) => {
            tracing::warn!(%error, "the remote inference server does not answer yet");
        }
    }
    Ok(super::kserve(Box::new(http), config))
}

struct Http {
    agent: Agent,
    base: String,
    token: Token,
    timeout_ms: u64,
}

impl Http {
    fn new(settings: &Settings) -> Result<Self, String> {
        let token = match (&settings.token_variable, &settings.token_file) {
            (None, None) => Token::None,
            (Some(name), None) => {
                let text = std::env::var(name).map_err(|_| {
                    format!("kserve's token_variable {name} is not set in the environment")
                })?;
                Token::Text(text.trim().to_owned())
            }
            (None, Some(path)) => Token::File(path.clone()),
            (Some(_), Some(_)) => {
                return Err("kserve has a token_variable and a token_file; keep one".to_owned());
            }
        };
        token.read()?;
        let (base, is_secret) = base(&settings.url)?;
        if !is_secret && !matches!(token, Token::None) {
            tracing::warn!(
                "the token of the remote inference server goes over plain HTTP; use https:// where others can listen"
            );
        }
        let connections = settings.in_flight_max.max(1);
        let time = |ms: u64| Some(Duration::from_millis(ms.max(1)));
        let mut agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .user_agent(concat!("cinecor-nn/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .max_idle_age(IDLE)
            .timeout_connect(time(settings.connect_timeout_ms))
            .timeout_global(time(settings.timeout_ms));
        if is_secret {
            agent = agent.tls_config(tls());
        }
        Ok(Self {
            agent: agent.build().new_agent(),
            base,
            token,
            timeout_ms: settings.timeout_ms,
        })
    }

    fn failed(&self, error: &ureq::Error) -> TransportError {
        match error {
            ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
                TransportError::Unreachable("it accepts no connection".to_owned())
            }
            ureq::Error::Timeout(_) => TransportError::Late(self.timeout_ms),
            ureq::Error::Io(error) => TransportError::Unreachable(error.kind().to_string()),
            ureq::Error::BodyExceedsLimit(most) => TransportError::TooLong(*most),
            // A name that is not known, a certificate that is not believed, an answer that is no HTTP.
            other => TransportError::Unreachable(other.to_string()),
        }
    }
}

impl Transport for Http {
    fn exchange(
        &self,
        path: &str,
        request: Option<&Request>,
        answer_bytes_max: u64,
    ) -> Result<Reply, TransportError> {
        let url = format!("{}{path}", self.base);
        let token = self.token.read().map_err(TransportError::Own)?;
        let response = match request {
            None => {
                let mut asked = self.agent.get(url);
                if let Some(token) = token {
                    asked = asked.header("authorization", token);
                }
                asked.call()
            }
            Some(request) => {
                let mut asked = self.agent.post(url).content_type(request.media_type());
                if let Some(header_bytes) = request.header_bytes {
                    asked = asked.header(HEADER_LENGTH, header_bytes.to_string());
                }
                if let Some(token) = token {
                    asked = asked.header("authorization", token);
                }
                asked.send(&request.body[..])
            }
        };
        let mut response = response.map_err(|error| self.failed(&error))?;
        let header_length = response.headers().get(HEADER_LENGTH);
        let header_length =
            header_length.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let body = response.body_mut().with_config().limit(answer_bytes_max);
        let body = body.read_to_vec().map_err(|error| self.failed(&error))?;
        Ok(Reply {
            status: response.status().as_u16(),
            header_length,
            body,
        })
    }
}

/// Where the server is, without a slash at the end, and whether the way there is encrypted.
fn base(url: &str) -> Result<(String, bool), String> {
    let wrong = |why: &str| {
        Err(format!(
            "kserve's url cannot be used: {why}; it is http://host:port or https://host:port, perhaps with a path before /v2"
        ))
    };
    if url.is_empty() {
        return wrong("it is not set");
    }
    let Ok(uri) = url.parse::<Uri>() else {
        return wrong("it is no address");
    };
    let is_secret = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return wrong("it is neither http nor https"),
    };
    let Some(authority) = uri.authority() else {
        return wrong("it has no host");
    };
    if authority.as_str().contains('@') {
        return wrong("it has a user or password; give a token by token_variable or token_file");
    }
    if uri.query().is_some() {
        return wrong("it has a query");
    }
    Ok((url.trim_end_matches('/').to_owned(), is_secret))
}

/// Certificates are held against the operating system's roots, where hospitals put their own, or Mozilla's where it has none.
fn tls() -> TlsConfig {
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "some of the operating system's certificates could not be read");
    }
    let roots = native
        .certs
        .iter()
        .map(|of| Certificate::from_der(of).to_owned());
    let roots: Vec<_> = roots.collect();
    let provider = rustls::crypto::ring::default_provider();
    TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(provider))
        .root_certs(if roots.is_empty() {
            RootCerts::WebPki
        } else {
            RootCerts::from(roots)
        })
        .build()
}

/// What the host is known by.
enum Token {
    None,
    Text(String),
    File(PathBuf),
}

impl Token {
    /// The value of `Authorization`, if there is one.
    fn read(&self) -> Result<Option<String>, String> {
        let text = match self {
            Self::None => return Ok(None),
            Self::Text(text) => text.clone(),
            Self::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    tracing::error!(path = %path.display(), %error, "the token of the remote inference server cannot be read");
                    "the file of kserve's token_file cannot be read; the host's log says why".to_owned()
                })?;
                text.trim().to_owned()
            }
        };
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("kserve's token is empty or has characters that no token has".to_owned());
        }
        Ok(Some(format!("Bearer {text}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_refused_with_what_is_wrong_with_it() {
        for (url, says) in [
            ("", "not set"),
            ("triton:8000", "neither http nor https"),
            ("ftp://triton", "neither http nor https"),
            ("http://", "no address"),
            ("http://user:secret@triton:8000", "user or password"),
            ("http://triton:8000/?a=b", "query"),
        ] {
            let error = base(url).unwrap_err();
            assert!(
                error.contains(says) && !error.contains("secret"),
                "{url}: {error}"
            );
        }
        let base = |url| base(url).unwrap();
        assert_eq!(
            base("http://[::1]:8000/"),
            ("http://[::1]:8000".to_owned(), false)
        );
        assert_eq!(
            base("https://triton/pool/"),
            ("https://triton/pool".to_owned(), true)
        );
    }

    #[test]
    fn a_token_is_read_anew_and_never_sent_when_it_cannot_be_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let token = Token::File(path.clone());
        assert!(token.read().is_err());
        std::fs::write(&path, "first\n").unwrap();
        assert_eq!(token.read().unwrap().unwrap(), "Bearer first");
        std::fs::write(&path, "second").unwrap();
        assert_eq!(token.read().unwrap().unwrap(), "Bearer second");
        for wrong in ["", " \n", "a b", "a\r\nb"] {
            std::fs::write(&path, wrong).unwrap();
            assert!(token.read().is_err(), "{wrong:?}");
        }
    }
}
