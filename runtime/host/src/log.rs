//! Logs: one JSON object a line on standard error, the host's own and what components print. Request paths, queries and header values
//! are not logged, for they may hold patient data; route patterns, ids, sizes and times are.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use tracing_subscriber::EnvFilter;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

/// The variable of the environment that sets what is logged, in the words of `tracing` (`info`, `debug`, `cinecor_host=debug,warn`).
pub const FILTER_VARIABLE: &str = "CINECOR_LOG";

/// Starts logging. Called once, by the binary.
pub fn start() {
    // The HTTP library logs broken connections as warnings with what it knows of them; here they are everyday.
    let default = "info,wasmtime_wasi_http=error";
    let filter =
        EnvFilter::try_from_env(FILTER_VARIABLE).unwrap_or_else(|_| EnvFilter::new(default));
    // A second start in one process keeps the first.
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .try_init();
}

/// Longest line of a component that is logged whole, in bytes; what is longer is cut into several.
const LINE_BYTES_MAX: usize = 8 << 10;

/// Standard output or error of a component: each line becomes a line of the log.
pub(crate) struct GuestOutput {
    component: Arc<str>,
    stream: &'static str,
}

impl GuestOutput {
    pub(crate) fn new(component: &Arc<str>, stream: &'static str) -> Self {
        Self {
            component: component.clone(),
            stream,
        }
    }
}

impl IsTerminal for GuestOutput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestOutput {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Lines {
            component: self.component.clone(),
            stream: self.stream,
            line: Vec::new(),
        })
    }
}

struct Lines {
    component: Arc<str>,
    stream: &'static str,
    line: Vec<u8>,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
            }
            if byte == b'\n' || self.line.len() >= LINE_BYTES_MAX {
                self.tell();
            }
        }
    }

    fn tell(&mut self) {
        let text = String::from_utf8_lossy(&self.line);
        if !text.trim().is_empty() {
            tracing::info!(target: "component", component = %self.component, stream = self.stream, "{text}");
        }
        self.line.clear();
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.tell();
    }
}

impl AsyncWrite for Lines {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded() {
        let mut lines = Lines {
            component: "c".into(),
            stream: "stdout",
            line: Vec::new(),
        };
        lines.take(&vec![b'x'; 3 * LINE_BYTES_MAX + 1]);
        assert_eq!(lines.line.len(), 1);
        lines.take(b"\n");
        assert!(lines.line.is_empty());
    }
}
