//! What the host's tests share: a host of their own on a free port, and a client that sees every byte.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// Patience of tests: an answer that is not there by then is a failure. No test waits for it when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Where the built guests are.
pub(crate) fn guest(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        PathBuf::from,
    );
    let path = target.join("guests").join(format!("{name}.wasm"));
    assert!(
        path.is_file(),
        "the guest {} is not built; run `cargo xtask build --with-tests`",
        path.display()
    );
    path.canonicalize().expect("a path that exists")
}

/// How a host is started.
#[derive(Default)]
pub(crate) struct Setup {
    manifest: String,
    settings: String,
    arguments: Vec<String>,
    files: Vec<(String, String)>,
}

impl Setup {
    /// The components `probe` (all of `/probe/...`) and `probe-p2` (all of `/p2/...`), with `keys` in the table of `probe`.
    pub(crate) fn probes(keys: &str) -> Self {
        let manifest = format!(
            "spin_manifest_version = 2\n[application]\nname = \"probes\"\nversion = \"1.2.3\"\n\
             [variables]\ngreeting = {{ default = \"hi\" }}\nsecret = {{ required = true, secret = true }}\n\
             [[trigger.http]]\nroute = \"/probe/...\"\ncomponent = \"probe\"\n\
             [[trigger.http]]\nroute = \"/studies/:study/slices/:slice\"\ncomponent = \"probe\"\n\
             [[trigger.http]]\nroute = \"/p2/...\"\ncomponent = \"probe-p2\"\n\
             [[trigger.http]]\nroute = {{ private = true }}\ncomponent = \"inner\"\n\
             [component.probe]\nsource = {:?}\n{keys}\n\
             [component.inner]\nsource = {:?}\n\
             [component.probe-p2]\nsource = {:?}\nallowed_outbound_hosts = [\"http://inner.spin.internal\"]\n",
            guest("probe"),
            guest("probe"),
            guest("probe-p2"),
        );
        Self {
            manifest,
            ..Self::default()
        }
        .argument("--variable")
        .argument("secret=hunter2")
    }

    /// A whole manifest.
    pub(crate) fn manifest(manifest: &str) -> Self {
        Self {
            manifest: manifest.to_owned(),
            ..Self::default()
        }
    }

    /// Adds to the settings.
    pub(crate) fn settings(mut self, text: &str) -> Self {
        self.settings.push_str(text);
        self.settings.push('\n');
        self
    }

    /// Gives the application one more variable.
    pub(crate) fn variable(mut self, name: &str, default: &str) -> Self {
        let variable = format!("[variables]\n{name} = {{ default = {default:?} }}\n");
        self.manifest = self.manifest.replacen("[variables]\n", &variable, 1);
        self
    }

    /// Adds an argument.
    pub(crate) fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds a file beside the manifest.
    pub(crate) fn file(mut self, path: &str, content: &str) -> Self {
        self.files.push((path.to_owned(), content.to_owned()));
        self
    }

    fn folder(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder for the host");
        let files = self
            .files
            .iter()
            .map(|(path, content)| (path.as_str(), content.as_str()));
        for (path, content) in files.chain([
            ("spin.toml", self.manifest.as_str()),
            ("cinecor.toml", &self.settings),
        ]) {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, content).expect("a file");
        }
        folder
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cinecor"));
        command
            .args([
                "up",
                "--listen",
                "127.0.0.1:0",
                "--metrics-listen",
                "127.0.0.1:0",
                "-f",
            ])
            .arg(folder)
            .args(&self.arguments);
        command
            .arg("--state-dir")
            .arg(folder.join("state"))
            // Guests are compiled once for all tests: the code depends on the guest and the engine alone.
            .arg("--cache-dir")
            .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts the host and waits until it serves.
    pub(crate) fn start(self) -> Host {
        self.launch()
    }

    /// Starts the host, which can be started again from the same setup later.
    pub(crate) fn launch(&self) -> Host {
        let folder = self.folder();
        Host::start(self.command(folder.path()), folder)
    }

    /// Starts the host, expects it to refuse, and gives what it said.
    pub(crate) fn refused(self) -> String {
        let folder = self.folder();
        let output = self.command(folder.path()).output().expect("the host runs");
        assert!(!output.status.success(), "the host served");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

/// A running host; ended when dropped.
pub(crate) struct Host {
    process: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Where it tells its figures.
    pub(crate) metrics: SocketAddr,
    /// The scheme it serves.
    pub(crate) scheme: String,
    log: Arc<Mutex<String>>,
    /// Ends when the log does.
    logging: Option<std::thread::JoinHandle<()>>,
    folder: tempfile::TempDir,
}

impl Host {
    fn start(mut command: Command, folder: tempfile::TempDir) -> Self {
        let mut process = command.spawn().expect("the host starts");
        let log = Arc::new(Mutex::new(String::new()));
        let mut stderr = BufReader::new(process.stderr.take().expect("standard error"));
        let logging = std::thread::spawn({
            let log = log.clone();
            move || {
                let mut line = String::new();
                while stderr.read_line(&mut line).is_ok_and(|count| count > 0) {
                    log.lock()
                        .expect("the log")
                        .push_str(&std::mem::take(&mut line));
                }
            }
        });
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(process.stdout.take().expect("standard output"));
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // Read on when nobody listens any more, so that the host never waits.
                let _ = sender.send(line);
            }
        });
        let mut metrics = None;
        let started = Instant::now();
        loop {
            // Compiling for the first time takes a while on a busy machine.
            let Ok(line) = lines.recv_timeout(3 * PATIENCE) else {
                let _ = process.kill();
                let _ = process.wait();
                panic!(
                    "the host did not serve after {:?}: {}",
                    started.elapsed(),
                    log.lock().expect("the log")
                );
            };
            if let Some(rest) = line.strip_prefix("Metrics http://") {
                metrics = Some(
                    rest.trim_end_matches("/metrics")
                        .parse()
                        .expect("an address"),
                );
            }
            if let Some(rest) = line.strip_prefix("Serving ") {
                let (scheme, address) = rest.split_once("://").expect("a URL");
                let address = address.parse().expect("an address");
                let metrics = metrics.expect("metrics are told first");
                return Self {
                    process,
                    address,
                    metrics,
                    scheme: scheme.to_owned(),
                    log,
                    logging: Some(logging),
                    folder,
                };
            }
        }
    }

    /// What the host logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    /// All that the host logged, once it has ended.
    pub(crate) fn whole_log(&mut self) -> String {
        if let Some(logging) = self.logging.take() {
            logging.join().expect("the log is read");
        }
        self.log()
    }

    /// The folder of the manifest.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Opens a connection.
    pub(crate) fn connect(&self) -> Connection {
        Connection::new(self.address)
    }

    /// One `GET`.
    pub(crate) fn get(&self, target: &str) -> Answer {
        self.connect().request("GET", target, &[], b"")
    }

    /// One `POST` with a length.
    pub(crate) fn post(&self, target: &str, body: &[u8]) -> Answer {
        self.connect().request("POST", target, &[], body)
    }

    /// The value of a figure, given as it is written before the value.
    pub(crate) fn figure(&self, name: &str) -> Option<f64> {
        let answer = Connection::new(self.metrics).request("GET", "/metrics", &[], b"");
        let text = answer.text();
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// Waits until something holds that the host does in its own time.
    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < end, "{what}; the log: {}", self.log());
            std::thread::yield_now();
        }
    }

    /// Sends the signal that asks a process to end.
    pub(crate) fn terminate(&self) {
        let status = Command::new("kill")
            .arg("-TERM")
            .arg(self.process.id().to_string())
            .status()
            .expect("kill runs");
        assert!(status.success());
    }

    /// Waits for the process to end, and says whether it did so well.
    pub(crate) fn ended(&mut self) -> bool {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().expect("the process") {
                return status.success();
            }
            assert!(
                Instant::now() < end,
                "the host does not end: {}",
                self.log()
            );
            std::thread::yield_now();
        }
    }

    /// Ends the host as a power cut would, and starts it again on the same folder.
    pub(crate) fn killed(mut self, setup: &Setup) -> Self {
        self.process.kill().expect("the process");
        self.process.wait().expect("the process");
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a folder"));
        Self::start(setup.command(folder.path()), folder)
    }

    /// Ends the host and starts it again on the same folder.
    pub(crate) fn again(mut self, setup: &Setup) -> Self {
        self.terminate();
        assert!(self.ended());
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a folder"));
        Self::start(setup.command(folder.path()), folder)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("the host's log:\n{}", self.log());
        }
    }
}

/// A connection on which a test says every byte itself.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects.
    pub(crate) fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the host accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Writes bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// One request with a body of known length.
    pub(crate) fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[&str],
        body: &[u8],
    ) -> Answer {
        let mut head = format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\n");
        for header in headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        if !body.is_empty() || method == "POST" {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        self.send(head.as_bytes()).expect("the host reads");
        // An early answer may close the way for the rest; what it is then counts.
        let _ = self.send(body);
        self.answer(method == "HEAD")
    }

    /// Starts a request with a body in chunks.
    pub(crate) fn start_chunked(&mut self, target: &str) {
        self.send(
            format!(
                "POST {target} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
            )
            .as_bytes(),
        )
        .expect("the host reads");
    }

    /// Sends one chunk; an empty one ends the body.
    pub(crate) fn send_chunk(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
        framed.extend_from_slice(bytes);
        framed.extend_from_slice(b"\r\n");
        self.send(&framed)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line in time");
        line.trim_end().to_owned()
    }

    /// Reads the head of an answer.
    pub(crate) fn head(&mut self) -> Answer {
        let status = self.line();
        let status = status
            .split(' ')
            .nth(1)
            .unwrap_or_else(|| panic!("a status line, not {status:?}"))
            .parse()
            .expect("a status");
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                return Answer {
                    status,
                    headers,
                    body: Vec::new(),
                };
            }
            let (name, value) = line.split_once(':').expect("a header");
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// Reads one chunk of a body in chunks.
    pub(crate) fn chunk(&mut self) -> Vec<u8> {
        let length = usize::from_str_radix(&self.line(), 16).expect("the length of a chunk");
        let mut chunk = vec![0; length];
        self.stream.read_exact(&mut chunk).expect("a chunk");
        assert_eq!(self.line(), "");
        chunk
    }

    /// Reads a whole answer.
    pub(crate) fn answer(&mut self, head_only: bool) -> Answer {
        let mut answer = self.head();
        if head_only || answer.status == 204 || answer.status == 304 {
            return answer;
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            loop {
                let chunk = self.chunk();
                if chunk.is_empty() {
                    break;
                }
                answer.body.extend_from_slice(&chunk);
            }
        } else if let Some(length) = answer.header("content-length") {
            answer.body = vec![0; length.parse().expect("a length")];
            self.stream.read_exact(&mut answer.body).expect("the body");
        } else {
            self.stream.read_to_end(&mut answer.body).expect("the body");
        }
        answer
    }

    /// Whether the host has closed the connection, read to its end.
    pub(crate) fn closed(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => true,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The problem document that the answer is expected to be.
    pub(crate) fn problem(&self) -> serde_json::Value {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem: serde_json::Value = serde_json::from_slice(&self.body).expect("JSON");
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"));
        assert!(
            problem["type"]
                .as_str()
                .is_some_and(|kind| kind.starts_with("/problems/")),
            "{problem}"
        );
        problem
    }
}
