//! Requests written byte by byte, for what a proper HTTP client would not send: broken framing, stalls, heads that are no heads.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::client::Answer;

/// Longer than the host waits for anything; a hang is reported, not waited for.
const DEADLINE: Duration = Duration::from_secs(60);

/// A connection on which bytes are written as they are.
pub struct Connection {
    stream: TcpStream,
}

impl Connection {
    /// Connects to `host:port`.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn open(authority: &str) -> Result<Self> {
        let stream =
            TcpStream::connect(authority).with_context(|| format!("connecting to {authority}"))?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(Self { stream })
    }

    /// Writes bytes. That the other end has stopped reading is no error: its answer may say why.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self
            .stream
            .write_all(bytes)
            .and_then(|()| self.stream.flush());
    }

    /// Reads one answer, or until the host closes the connection. `None` when it did so without a word.
    ///
    /// # Errors
    /// What came is no HTTP, or nothing came for a minute.
    pub fn answer(mut self) -> Result<Option<Answer>> {
        let mut bytes = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        while !is_whole(&bytes) {
            match self.stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => bytes.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                // A reset after the answer takes nothing away from it.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                Err(error) => return Err(error).context("waiting for an answer"),
            }
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        parse(&bytes).map(Some)
    }
}

/// Sends bytes on a connection of their own and reads the answer; the request should say `connection: close`.
///
/// # Errors
/// As [`Connection::open`] and [`Connection::answer`].
pub fn exchange(authority: &str, request: &[u8]) -> Result<Option<Answer>> {
    let mut connection = Connection::open(authority)?;
    connection.write(request);
    connection.answer()
}

/// Whether the answer is all there by its own length. The host may read on before it closes the connection.
fn is_whole(bytes: &[u8]) -> bool {
    let Ok(answer) = parse(bytes) else {
        return false;
    };
    answer
        .header("content-length")
        .and_then(|length| length.parse().ok())
        .is_some_and(|length: usize| answer.body.len() >= length)
}

fn parse(bytes: &[u8]) -> Result<Answer> {
    let end = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .context("an answer without an end of its head")?;
    let (head, body) = bytes.split_at(end + 4);
    let head = String::from_utf8_lossy(head).into_owned();
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1)?.parse().ok())
        .context("an answer without a status")?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut answer = Answer {
        status,
        headers,
        body: body.to_vec(),
    };
    if answer.header("transfer-encoding") == Some("chunked") {
        answer.body = dechunk(body)?;
    }
    Ok(answer)
}

fn dechunk(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = rest
            .windows(2)
            .position(|two| two == b"\r\n")
            .context("a chunk without a size")?;
        let (size, after) = rest.split_at(end);
        let size =
            usize::from_str_radix(std::str::from_utf8(size)?, 16).context("the size of a chunk")?;
        let after = after.get(2..).context("a chunk that is cut")?;
        if size == 0 {
            return Ok(whole);
        }
        whole.extend_from_slice(after.get(..size).context("a chunk that is cut")?);
        rest = after.get(size + 2..).context("a chunk that is cut")?;
    }
}
