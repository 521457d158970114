//! Inference on another server: Triton and MLServer, real ones, in a Python environment of their own (tests/remote). The host gives the masks that
//! it gives by itself, and a server that dies costs its requests a problem and nothing else.

use anyhow::{Context, Result, bail, ensure};
use cinecor_tests::client::Client;
use cinecor_tests::forms::Form;
use cinecor_tests::host::{Host, Options, root};
use cinecor_tests::volumes;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

const MODEL: &str = "cinecor-unet-lite";
const VERSION: &str = "1.1.0";

/// How long a server may take for a line that is waited for, on a machine that is busy with other tests.
const DEADLINE: Duration = Duration::from_secs(120);

/// What a server has for an answer where nothing else is said.
const DEFAULT_MS: i64 = 60_000;

/// One server at a time: pytriton, whose parts meet in memory that the machine has once, now and then waits for ever where several start or die
/// side by side; and each computes on every core.
static ALONE: Mutex<()> = Mutex::new(());

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Triton,
    MlServer,
}

/// What asks the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// The host's engine.
    Host,
    /// The component nn-remote, as on stock Spin.
    Component,
}

impl Kind {
    fn script(self) -> &'static str {
        match self {
            Self::Triton => "serve_triton.py",
            Self::MlServer => "serve_mlserver.py",
        }
    }

    /// What it calls the version of the model: Triton's are numbers.
    fn version(self) -> &'static str {
        match self {
            Self::Triton => "1",
            Self::MlServer => VERSION,
        }
    }
}

/// The interpreter with the servers, or why the test is skipped.
fn python() -> Option<PathBuf> {
    let python = std::env::var_os("CINECOR_REMOTE_PYTHON").map(PathBuf::from);
    if python.is_none() {
        println!(
            "SKIP: CINECOR_REMOTE_PYTHON names no Python with Triton and MLServer; `cargo xtask test workspace` makes one"
        );
    }
    python
}

/// A server that is running, and its folder.
struct Remote {
    kind: Kind,
    python: PathBuf,
    folder: TempDir,
    port: u16,
    process: Child,
    lines: Receiver<String>,
    _alone: MutexGuard<'static, ()>,
}

impl Remote {
    fn start(kind: Kind, python: &Path) -> Result<Self> {
        // A test that failed has ended its server all the same.
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let (process, lines) = spawn(kind, python, folder.path(), port)?;
        let mut remote = Self {
            kind,
            python: python.to_owned(),
            folder,
            port,
            process,
            lines,
            _alone: alone,
        };
        // What is tested is how the host asks a server, not whether pytriton starts: it gets a second try.
        if let Err(error) = remote.wait_for("ready") {
            println!("{error:#}; starting it once more");
            remote.kill()?;
            remote.start_again()?;
        }
        Ok(remote)
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn hold(&self) -> PathBuf {
        self.folder.path().join("hold")
    }

    fn wait_for(&self, line: &str) -> Result<()> {
        loop {
            match self.lines.recv_timeout(DEADLINE) {
                Ok(said) if said == line => return Ok(()),
                Ok(_) => {}
                Err(_) => {
                    let log = std::fs::read_to_string(self.log()).unwrap_or_default();
                    let end: Vec<char> = log.chars().rev().take(3000).collect();
                    let end: String = end.into_iter().rev().collect();
                    bail!(
                        "{:?} did not say {line:?}; its log ends with:\n{end}",
                        self.kind
                    );
                }
            }
        }
    }

    /// Ends the server and all that it started, as a power cut would.
    fn kill(&mut self) -> Result<()> {
        let group = format!("-{}", self.process.id());
        Command::new("kill")
            .args(["-KILL", "--", &group])
            .status()?;
        self.process.wait()?;
        Ok(())
    }

    /// Starts it again where it was.
    fn start_again(&mut self) -> Result<()> {
        (self.process, self.lines) = spawn(self.kind, &self.python, self.folder.path(), self.port)?;
        self.wait_for("ready")
    }

    /// A host that infers there.
    fn host(&self, by: By) -> Result<Host> {
        let url = format!("http://127.0.0.1:{}", self.port);
        asking(
            by,
            &url,
            self.kind.version(),
            DEFAULT_MS,
            self.folder.path(),
            Options::new(),
        )
    }
}

/// A host that infers on the server at `url`, which has so long for an answer and has the graph under `version`. What it is made of lies in `folder`.
fn asking(
    by: By,
    url: &str,
    version_there: &str,
    timeout_ms: i64,
    folder: &Path,
    options: Options,
) -> Result<Host> {
    let models = folder.join("models");
    let version = models.join(MODEL).join(VERSION);
    std::fs::create_dir_all(&version)?;
    std::fs::copy(graph(), version.join("model.onnx"))?;
    if version_there != VERSION {
        let named = json!({ "model": MODEL, "version": version_there });
        std::fs::write(version.join("remote.json"), named.to_string())?;
    }
    std::fs::copy(
        graph().with_file_name("model.json"),
        version.join("model.json"),
    )?;
    let options = options.variable("default_model", MODEL);
    let models = models.to_string_lossy().into_owned();
    if by == By::Host {
        let mut settings = toml::Table::new();
        settings.insert("url".to_owned(), url.into());
        settings.insert("timeout_ms".to_owned(), timeout_ms.into());
        return options
            .setting("nn", "engine", "kserve")
            .setting("nn", "device", "remote")
            .setting("nn", "models", vec![models])
            .setting("nn", "kserve", settings)
            .start();
    }
    // The manifest that ships, with the graphs mounted that the server has. Its paths are relative to where it lies.
    let shipped = std::fs::read_to_string(root().join("spin.toml"))?;
    let root = root().to_string_lossy().into_owned();
    let changed = shipped
        .replace("\"weights/models\"", &format!("\"{models}\""))
        .replace("\"target/", &format!("\"{root}/target/"))
        .replace("\"frontend\"", &format!("\"{root}/frontend\""));
    let manifest = folder.join("spin.toml");
    std::fs::write(&manifest, changed)?;
    options
        .manifest(&manifest)
        .argument("--profile=remote")
        .variable("remote_url", url)
        .variable("remote_timeout_ms", &timeout_ms.to_string())
        .start()
}

impl Drop for Remote {
    fn drop(&mut self) {
        // Nobody is left to tell about a failure.
        let _ = self.kill();
    }
}

fn graph() -> PathBuf {
    root().join(format!("weights/models/{MODEL}/{VERSION}/model.onnx"))
}

fn spawn(kind: Kind, python: &Path, folder: &Path, port: u16) -> Result<(Child, Receiver<String>)> {
    let log = std::fs::File::create(folder.join("log"))?;
    let mut process = Command::new(python)
        .arg(root().join("tests/remote").join(kind.script()))
        .arg(graph())
        .args([MODEL, kind.version(), &port.to_string()])
        .arg(folder.join("hold"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // Where Triton is unpacked to, which a killed one leaves behind.
        .env("PYTRITON_HOME", folder.join("triton"))
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .process_group(0)
        .spawn()
        .with_context(|| format!("starting {}", python.display()))?;
    let stdout = process.stdout.take().context("no standard output")?;
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // Read to the end all the same: a full pipe would stop the server.
            let _ = sender.send(line);
        }
    });
    Ok((process, lines))
}

#[test]
fn triton_gives_the_masks_that_the_host_gives_by_itself() -> Result<()> {
    gives_the_same_masks(Kind::Triton, By::Host)
}

#[test]
fn a_component_that_asks_triton_gives_the_masks_that_the_host_gives_by_itself() -> Result<()> {
    gives_the_same_masks(Kind::Triton, By::Component)
}

#[test]
fn mlserver_gives_the_masks_that_the_host_gives_by_itself() -> Result<()> {
    gives_the_same_masks(Kind::MlServer, By::Host)
}

fn gives_the_same_masks(kind: Kind, by: By) -> Result<()> {
    let Some(python) = python() else {
        return Ok(());
    };
    let remote = Remote::start(kind, &python)?;
    let volume = volumes::phantom(12, 1)?;
    let there = remote.host(by)?;
    let there = Client::new(&there);
    there.get("/api/v1/health/ready")?.expect(200)?;
    let listed = there
        .get(&format!("/api/v1/models/{MODEL}"))?
        .expect(200)?
        .json()?;
    let version = &listed["items"][0]["versions"][0];
    assert_eq!(version["engine"], "kserve");
    assert_eq!(version["device"], "remote");
    // A component has an engine for each instance, and what tells of models is another than what segments.
    ensure!(
        by == By::Component || version["loaded"] == true,
        "{version}"
    );
    let reason = version["reason"].as_str().context("a reason")?;
    ensure!(reason.contains("kserve"), "{reason}");
    // A model that the server does not have is told as one that is not known.
    let other = there.post("/api/v1/segment?model=cinecor-unet", &volume)?;
    assert_eq!(other.expect(422)?.problem()?, "model-unusable");
    let answer = there
        .post("/api/v1/segment", &volume)?
        .expect(200)?
        .json()?;
    let model = &answer["segmentation"]["model"];
    assert_eq!(
        (&model["engine"], &model["device"]),
        (&json!("kserve"), &json!("remote"))
    );
    let mask = |client: &Client| -> Result<Vec<u8>> {
        let answer = client.post_as("/api/v1/segment", &volume, "application/x-nifti")?;
        Ok(answer.expect(200)?.body)
    };
    let remote_mask = mask(&there)?;
    let here = Options::new().variable("default_model", MODEL).start()?;
    let here = Client::new(&here);
    let own = here.post("/api/v1/segment", &volume)?.expect(200)?.json()?;
    assert_eq!(own["segmentation"]["model"]["digest"], model["digest"]);
    let form = Form::new()
        .file("reference", "here.nii", &mask(&here)?)
        .file("prediction", "there.nii", &remote_mask);
    let content_type = Form::content_type();
    let headers = [("content-type", content_type.as_str())];
    let compared = here
        .send("POST", "/api/v1/compare", &headers, Some(&form.finish()))?
        .expect(200)?
        .json()?;
    for structure in ["right_ventricle", "myocardium", "left_ventricle"] {
        let dice =
            found_dice(&compared, structure).with_context(|| format!("no Dice: {compared}"))?;
        // Batches are cut differently, which moves single voxels on an outline at most.
        ensure!(dice >= 0.999, "{structure}: {dice}");
    }
    Ok(())
}

/// The Dice of a structure, wherever the answer has it.
fn found_dice(value: &Value, structure: &str) -> Option<f64> {
    let members = value.as_object()?;
    members.iter().find_map(|(name, member)| {
        if name == structure {
            member["dice"].as_f64()
        } else {
            found_dice(member, structure)
        }
    })
}

#[test]
fn a_triton_that_dies_in_the_middle_costs_the_request_and_nothing_else() -> Result<()> {
    dies_in_the_middle(Kind::Triton, By::Host)
}

#[test]
fn an_mlserver_that_dies_in_the_middle_costs_the_request_and_nothing_else() -> Result<()> {
    dies_in_the_middle(Kind::MlServer, By::Host)
}

#[test]
fn an_mlserver_that_dies_while_a_component_asks_it_costs_the_request_and_nothing_else() -> Result<()>
{
    dies_in_the_middle(Kind::MlServer, By::Component)
}

fn dies_in_the_middle(kind: Kind, by: By) -> Result<()> {
    let Some(python) = python() else {
        return Ok(());
    };
    let mut remote = Remote::start(kind, &python)?;
    let host = remote.host(by)?;
    let client = Client::new(&host);
    let created = client.post("/api/v1/studies", &volumes::small(3, 2, 5)?)?;
    let study = created.expect(201)?;
    let study = study.header("location").context("no Location")?.to_owned();
    let segmentations = format!("{study}/segmentations");
    let volume = client
        .get(&format!("{study}/volume.nii.gz"))?
        .expect(200)?
        .body;
    let segment = || {
        let headers = [("content-type", "application/json")];
        client.send("POST", &segmentations, &headers, Some(b"{}"))
    };
    std::fs::write(remote.hold(), "")?;
    let died = std::thread::scope(|scope| {
        let asked = scope.spawn(segment);
        remote.wait_for("holding")?;
        remote.kill()?;
        asked.join().ok().context("the request panicked")?
    })?;
    assert_eq!(died.expect(502)?.problem()?, "engine-unreachable");
    // While it is away the same problem comes at once, and what needs no inference is served.
    assert_eq!(segment()?.expect(502)?.problem()?, "engine-unreachable");
    let kept = client.get(&format!("{study}/volume.nii.gz"))?.expect(200)?;
    ensure!(kept.body == volume, "the study is not what it was");
    let list = client.get(&segmentations)?.expect(200)?.json()?;
    assert_eq!(list["items"], json!([]));
    std::fs::remove_file(remote.hold())?;
    remote.start_again()?;
    let made = segment()?.expect(201)?.json()?;
    assert_eq!(made["model"]["engine"], "kserve");
    Ok(())
}

#[test]
fn a_server_that_is_not_there_is_told_by_readiness_and_by_every_request() -> Result<()> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut settings = toml::Table::new();
    settings.insert("url".to_owned(), format!("http://127.0.0.1:{port}").into());
    let host = Options::new()
        .setting("nn", "engine", "kserve")
        .setting("nn", "device", "remote")
        .setting("nn", "kserve", settings)
        .start()?;
    let client = Client::new(&host);
    let ready = client.get("/api/v1/health/ready")?.expect(503)?;
    assert_eq!(ready.problem()?, "not-ready");
    let asked = client.post("/api/v1/segment", &volumes::small(2, 1, 6)?)?;
    assert_eq!(asked.expect(502)?.problem()?, "engine-unreachable");
    let listed = client.get("/api/v1/models")?.expect(200)?.json()?;
    let version = &listed["items"][0]["versions"][0];
    assert_eq!(
        (&version["engine"], &version["loaded"]),
        (&json!("kserve"), &json!(false))
    );
    Ok(())
}

/// Both ways of asking a server.
const BOTH: [By; 2] = [By::Host, By::Component];

#[test]
fn a_server_that_says_nothing_is_waited_for_as_long_as_is_configured() -> Result<()> {
    // Accepts, by the system's queue, and never answers.
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    for by in BOTH {
        let folder = tempfile::tempdir()?;
        let host = asking(by, &url, VERSION, 500, folder.path(), Options::new())?;
        let client = Client::new(&host);
        let asked = client.post("/api/v1/segment", &volumes::small(2, 1, 6)?)?;
        assert_eq!(asked.expect(502)?.problem()?, "engine-unreachable");
        client.get("/api/v1/health/live")?.expect(200)?;
        host.logged("within 500 ms")?;
    }
    Ok(())
}

/// A server under TLS whose certificate an authority of the tests has signed. It answers every request that it gets with 503.
struct Secret {
    url: String,
    requests: Arc<AtomicUsize>,
}

impl Secret {
    fn start() -> Result<Self> {
        let chain = CertificateDer::from_pem_file(certificates().join("cert.pem"))?;
        let key = PrivateKeyDer::from_pem_file(certificates().join("key.pem"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)?;
        let (config, requests) = (Arc::new(config), Arc::new(AtomicUsize::new(0)));
        let listener = TcpListener::bind("127.0.0.1:0")?;
        // The name that the certificate is for.
        let url = format!("https://localhost:{}", listener.local_addr()?.port());
        let counted = requests.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (config, counted) = (config.clone(), counted.clone());
                std::thread::spawn(move || -> Result<()> {
                    let mut connection = rustls::ServerConnection::new(config)?;
                    let mut tls = rustls::Stream::new(&mut connection, &mut stream);
                    // A client that does not believe the certificate sends nothing.
                    if tls.read(&mut [0; 4096])? > 0 {
                        counted.fetch_add(1, SeqCst);
                        tls.write_all(
                            b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                        )?;
                    }
                    Ok(())
                });
            }
        });
        Ok(Self { url, requests })
    }
}

fn certificates() -> PathBuf {
    root().join("runtime/host/tests/data/tls")
}

#[test]
fn a_server_whose_certificate_is_not_believed_is_told_and_sent_nothing() -> Result<()> {
    for by in BOTH {
        let server = Secret::start()?;
        let folder = tempfile::tempdir()?;
        let volume = volumes::small(2, 1, 6)?;
        let ask = |options| -> Result<Host> {
            let host = asking(by, &server.url, VERSION, 20_000, folder.path(), options)?;
            let asked = Client::new(&host).post("/api/v1/segment", &volume)?;
            assert_eq!(asked.expect(502)?.problem()?, "engine-unreachable");
            Ok(host)
        };
        ask(Options::new())?;
        assert_eq!(server.requests.load(SeqCst), 0, "{by:?}");
        // With the authority among the roots it is asked, and what it answers is what is told.
        let authority = certificates().join("authority.pem");
        let trusting = Options::new().environment("SSL_CERT_FILE", &authority.to_string_lossy());
        let host = ask(trusting)?;
        ensure!(server.requests.load(SeqCst) > 0, "{by:?}");
        host.logged("answered 503")?;
    }
    Ok(())
}

#[test]
fn the_component_without_a_usable_setting_says_which_and_how_it_is_given() -> Result<()> {
    for (name, value, says) in [
        ("remote_token", "", "--variable remote_url="),
        (
            "remote_url",
            "http://remote-url-is-not-set.invalid",
            "--variable remote_url=",
        ),
        (
            "remote_timeout_ms",
            "soon",
            "a whole number of milliseconds",
        ),
    ] {
        let mut options = Options::new()
            .argument("--profile=remote")
            .variable("default_model", MODEL);
        if name == "remote_timeout_ms" {
            options = options.variable("remote_url", "http://127.0.0.1:9");
        }
        let host = options.variable(name, value).start()?;
        let client = Client::new(&host);
        let asked = client.post("/api/v1/segment", &volumes::small(2, 1, 6)?)?;
        let asked = asked.expect(500)?;
        assert_eq!(asked.problem()?, "engine-not-configured");
        ensure!(asked.text().contains(says), "{name}: {}", asked.text());
        let ready = client.get("/api/v1/health/ready")?.expect(503)?;
        assert_eq!(ready.problem()?, "not-ready");
        ensure!(ready.text().contains(says), "{name}: {}", ready.text());
        let activate = format!("/api/v1/models/{MODEL}/versions/{VERSION}/activate");
        let activated = client.send("POST", &activate, &[], None)?.expect(500)?;
        assert_eq!(activated.problem()?, "engine-not-configured");
        let listed = client
            .get(&format!("/api/v1/models/{MODEL}"))?
            .expect(200)?;
        let listed = listed.json()?;
        let reason = &listed["items"][0]["versions"][0]["reason"];
        let reason = reason.as_str().context("no reason")?;
        ensure!(reason.contains(says), "{name}: {reason}");
    }
    Ok(())
}
