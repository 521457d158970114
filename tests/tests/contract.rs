//! The service against its own OpenAPI document: every answer that the document names is brought about and checked against its schema, and
//! nothing is brought about that the document does not name.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use cinecor_tests::client::{Answer, Client};
use cinecor_tests::document::{PROBLEM, escaped, kinds, resolved};
use cinecor_tests::forms::Form;
use cinecor_tests::host::{Host, Options};
use cinecor_tests::hostile::Nifti;
use cinecor_tests::packages::{self, Package};
use cinecor_tests::raw::{Connection, exchange};
use cinecor_tests::volumes;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const DOCUMENT: &str = "/api/v1/openapi.json";
const JSON: &str = "application/json";
const NIFTI: &str = "application/x-nifti";
const GZIP: &str = "application/gzip";
const SSE: &str = "text/event-stream";
const CSV: &str = "text/csv";
const PNG: &str = "image/png";
const HTML: &str = "text/html";
const ZIP: &str = "application/zip";

/// Largest body of the host under test: above every good file here, and quickly passed.
const BODY_BYTES: usize = 10 << 20;

/// Largest model package of the host under test: above the smallest that ships.
const PACKAGE_BYTES: usize = 9 << 20;

/// What the document names and no request can bring about on a sound host, and why.
const NOT_BROUGHT_ABOUT: &[(&str, &str, &str)] = &[
    (
        "/api/v1/models/{name}/versions/{version}",
        "overloaded",
        "the engine's own queue is full, which its tests show",
    ),
    (
        "/api/v1/models/{name}/versions/{version}/activate",
        "overloaded",
        "the engine's own queue is full, which its tests show",
    ),
    (
        "/api/v1/models/{name}/versions/{version}/activate",
        "model-unusable",
        "a package that was kept has answered before; only a change of engines or a fault of the disk makes it fail later",
    ),
    (
        "/api/v1/models/{name}/rollback",
        "overloaded",
        "the engine's own queue is full, which its tests show",
    ),
    (
        "/api/v1/models/{name}/rollback",
        "model-unusable",
        "as for activating: a package that was kept has answered before",
    ),
    (
        "/api/v1/models/{name}/shadow",
        "overloaded",
        "the engine's own queue is full, which its tests show",
    ),
    (
        "/api/v1/models/{name}/shadow",
        "model-unusable",
        "as for activating: a package that was kept has answered before",
    ),
    ("/api/v1/studies", "conflict", RACED),
    ("/api/v1/studies/{id}", "conflict", RACED),
    ("/api/v1/studies/{id}/segmentations", "conflict", RACED),
    (
        "/api/v1/studies/{id}/segmentations/{sid}",
        "conflict",
        RACED,
    ),
    (
        "/api/v1/studies/{id}/segmentations/{sid}/review",
        "conflict",
        RACED,
    ),
    (
        "/api/v1/studies/{id}/segmentations/{sid}/mask.nii.gz",
        "conflict",
        RACED,
    ),
    (
        "/api/v1/models/{name}/versions/{version}/activate",
        "conflict",
        RACED,
    ),
    ("/api/v1/models/{name}/shadow", "conflict", RACED),
];

/// Why a conflict cannot be brought about by one request after another.
const RACED: &str = "somebody else changes the same thing at the same moment, again and again, which the store's tests show";

/// An id of the right form that nothing has.
const NOBODY: &str = "00000000000000000000000000000000";

/// Whose key a request carries.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Key {
    None,
    Reader,
    Everything,
}

impl Key {
    fn secret(self) -> &'static str {
        match self {
            Key::None => "",
            Key::Reader => "key that reads",
            Key::Everything => "key that does everything",
        }
    }
}

/// Which host is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Target {
    /// One that works as it should.
    Sound,
    /// One whose default model is not there, and that waits for a body but a moment.
    Unready,
}

/// A request as data, so that others can be made of it.
#[derive(Clone, Debug)]
struct Ask {
    target: Target,
    key: Key,
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
    /// Sends the tag of what the same request gave before.
    has_it_already: bool,
    /// Announces more bytes than it sends.
    stalls: bool,
}

impl Ask {
    fn new(method: &'static str, path: impl Into<String>) -> Ask {
        Ask {
            target: Target::Sound,
            key: Key::Everything,
            method,
            path: path.into(),
            headers: Vec::new(),
            body: None,
            has_it_already: false,
            stalls: false,
        }
    }

    fn key(mut self, key: Key) -> Ask {
        self.key = key;
        self
    }

    fn target(mut self, target: Target) -> Ask {
        self.target = target;
        self
    }

    fn header(mut self, name: &'static str, value: &str) -> Ask {
        self.headers.retain(|(found, _)| *found != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    fn accept(self, media: &str) -> Ask {
        self.header("accept", media)
    }

    fn query(mut self, text: &str) -> Ask {
        let mark = if self.path.contains('?') { '&' } else { '?' };
        self.path = format!("{}{mark}{text}", self.path);
        self
    }

    fn at(mut self, path: impl Into<String>) -> Ask {
        self.path = path.into();
        self
    }

    fn file(self, bytes: impl Into<Vec<u8>>) -> Ask {
        self.typed("application/octet-stream", bytes)
    }

    fn form(self, form: Form) -> Ask {
        self.typed(&Form::content_type(), form.finish())
    }

    fn json(self, text: &str) -> Ask {
        self.typed(JSON, text)
    }

    fn typed(mut self, media: &str, bytes: impl Into<Vec<u8>>) -> Ask {
        self.body = Some(bytes.into());
        self.header("content-type", media)
    }

    fn held(mut self) -> Ask {
        self.has_it_already = true;
        self
    }

    fn stalled(mut self) -> Ask {
        self.stalls = true;
        self.target(Target::Unready)
    }
}

/// What a request has to bring about: a status, and the media type of a good answer or the name of a problem.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Outcome {
    method: String,
    /// The path as the document writes it.
    path: String,
    status: u16,
    /// Empty for an answer without a body.
    what: String,
}

/// The table: outcomes and the requests that bring them about, in the order in which they are sent.
#[derive(Default)]
struct Table {
    rows: Vec<(Outcome, Ask)>,
}

/// The rows of one operation.
struct Rows<'a> {
    table: &'a mut Table,
    path: &'static str,
    good: Ask,
}

impl Table {
    /// An operation and a good request to it. Every query is checked, so that each refuses an unknown parameter.
    fn operation(&mut self, path: &'static str, good: Ask) -> Rows<'_> {
        let rows = Rows {
            table: self,
            path,
            good,
        };
        rows.refused(400, "invalid-parameter", |ask| ask.query("surprise=1"))
    }
}

impl Rows<'_> {
    fn add(self, status: u16, what: &str, change: impl FnOnce(Ask) -> Ask) -> Self {
        let outcome = Outcome {
            method: self.good.method.to_owned(),
            path: self.path.to_owned(),
            status,
            what: what.to_owned(),
        };
        let ask = change(self.good.clone());
        if ask.method == "GET" && status != 206 && status != 416 {
            let mut head = (outcome.clone(), ask.clone());
            head.0.method = "HEAD".to_owned();
            head.1.method = "HEAD";
            if status < 400 {
                head.0.what.clear();
            }
            self.table.rows.push(head);
        }
        self.table.rows.push((outcome, ask));
        self
    }

    /// A good answer without a body.
    fn done(self, status: u16, change: impl FnOnce(Ask) -> Ask) -> Self {
        self.add(status, "", change)
    }

    /// A good answer in each of these forms.
    fn good(self, status: u16, forms: &[&str], change: impl Fn(Ask) -> Ask) -> Self {
        forms.iter().fold(self, |rows, media| {
            rows.add(status, media, |ask| change(ask).accept(media))
        })
    }

    fn refused(self, status: u16, slug: &str, change: impl FnOnce(Ask) -> Ask) -> Self {
        self.add(status, slug, change)
    }

    /// The forms in which the answer to the good request exists, and the refusal of any other.
    fn forms(self, status: u16, forms: &[&str]) -> Self {
        self.good(status, forms, |ask| ask)
            .refused(406, "not-acceptable", |ask| ask.accept("audio/ogg"))
    }

    /// Its answers have tags.
    fn unchanged(self) -> Self {
        self.done(304, Ask::held)
    }

    /// Any key may do it.
    fn for_readers(self) -> Self {
        self.refused(401, "unauthenticated", |ask| ask.key(Key::None))
    }

    /// A key that only reads may not do it.
    fn for_others(self) -> Self {
        self.for_readers()
            .refused(403, "forbidden", |ask| ask.key(Key::Reader))
    }

    /// Something in its path that is not there.
    fn missing(self, path: String) -> Self {
        self.refused(404, "not-found", |ask| ask.at(path))
    }

    /// It takes JSON. `elsewhere` is its path for a study of the host that does not wait.
    fn takes_json(self, wrong: &str, elsewhere: String) -> Self {
        self.refused(400, "malformed-request", |ask| ask.json("{"))
            .refused(408, "body-stalled", |ask| {
                ask.json("{}").at(elsewhere).stalled()
            })
            .refused(413, "body-too-large", |ask| {
                ask.json(&format!("{{\"x\": \"{}\"}}", "x".repeat(100_000)))
            })
            .refused(415, "unsupported-media-type", |ask| {
                ask.typed("text/plain", "{\"x\": 1}")
            })
            .refused(422, "invalid-field", |ask| ask.json(wrong))
    }

    /// It takes a file; `send` makes a body of it.
    fn takes_file(self, send: impl Fn(Ask, Vec<u8>) -> Ask) -> Self {
        self.takes_file_like(&Nifti::one().bytes(), None, send)
    }

    /// The same where not every file will do. `elsewhere` is its path on the host that does not wait, where that is another.
    fn takes_file_like(
        self,
        good: &[u8],
        elsewhere: Option<String>,
        send: impl Fn(Ask, Vec<u8>) -> Ask,
    ) -> Self {
        let cut = |mut bytes: Vec<u8>| {
            bytes.pop();
            bytes
        };
        let wide = hostile("NIfTI-1: 513 columns");
        self.refused(400, "malformed-request", |ask| {
            ask.typed("multipart/form-data", "--x--\r\n")
        })
        .refused(408, "body-stalled", |ask| {
            let ask = send(ask, good.to_vec()).stalled();
            match elsewhere {
                Some(path) => ask.at(path),
                None => ask,
            }
        })
        .refused(413, "body-too-large", |ask| {
            send(ask, vec![0; BODY_BYTES + 1])
        })
        .refused(413, "volume-too-large", |ask| send(ask, wide))
        .refused(415, "unsupported-media-type", |ask| {
            send(ask, b"%PDF-1.7".to_vec())
        })
        .refused(422, "invalid-volume", |ask| send(ask, cut(good.to_vec())))
    }
}

fn hostile(name: &str) -> Vec<u8> {
    cinecor_tests::hostile::cases()
        .iter()
        .find(|case| case.name == name)
        .map(cinecor_tests::hostile::Case::bytes)
        .unwrap_or_default()
}

/// The hosts and what is kept on them.
struct World {
    sound: Host,
    unready: Host,
    volume: Vec<u8>,
    /// A study with a segmentation.
    study: String,
    segmentation: String,
    /// Paths of one study each, without a segmentation.
    fresh: Vec<String>,
    /// The path of a study on the host that does not wait, and of its segmentation.
    elsewhere: String,
    segmentation_elsewhere: String,
    /// The mask of the segmentation.
    mask: Vec<u8>,
    model: String,
    version: String,
    /// A model package, and another that has its name and version.
    package: Vec<u8>,
    other_package: Vec<u8>,
}

impl World {
    fn start() -> Result<World> {
        let entry = |roles: &str, key: Key| {
            let digest: String = Sha256::digest(key.secret())
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            format!("{roles}:{roles}:{digest}")
        };
        let keys = [
            entry("reader", Key::Reader),
            entry("clinician+steward", Key::Everything),
        ]
        .join(",");
        let options = Options::new().variable("api_keys", &keys);
        let sound = options
            .clone()
            .variable("max_body_bytes", &BODY_BYTES.to_string())
            .variable("max_package_bytes", &PACKAGE_BYTES.to_string())
            .start()?;
        let unready = options
            .variable("default_model", "absent")
            .setting("limits", "body_stall_ms", 500)
            .start()?;
        let mut package = Package::of_version("77.0.0")?;
        let mut world = World {
            sound,
            unready,
            volume: volumes::small(2, 3, 51)?,
            study: String::new(),
            segmentation: String::new(),
            fresh: Vec::new(),
            elsewhere: String::new(),
            segmentation_elsewhere: String::new(),
            mask: Vec::new(),
            model: String::new(),
            version: String::new(),
            package: package.zip()?,
            other_package: {
                package.remark("other")?;
                package.zip()?
            },
        };
        ensure!(
            world.volume.len() < BODY_BYTES,
            "the good volume is too large for the limit"
        );
        world.study = world.keep(Target::Sound)?;
        world.elsewhere = world.keep(Target::Unready)?;
        for _ in 0..2 {
            world.fresh.push(world.keep(Target::Sound)?);
        }
        world.segmentation = world.segment(Target::Sound, &world.study)?;
        world.segmentation_elsewhere = world.segment(Target::Unready, &world.elsewhere)?;
        let ask = Ask::new("GET", format!("{}/mask.nii.gz", world.segmentation));
        world.mask = world.send(&ask, "set-up")?.expect(200)?.body;
        let models = world
            .send(&Ask::new("GET", "/api/v1/models"), "set-up")?
            .json()?;
        let model = &models["items"][0];
        let text = |value: &Value| value.as_str().map(str::to_owned).context("no model");
        world.model = text(&model["name"])?;
        world.version = text(&model["active_version"])?;
        Ok(world)
    }

    fn keep(&self, target: Target) -> Result<String> {
        let ask = Ask::new("POST", "/api/v1/studies")
            .target(target)
            .file(self.volume.clone());
        let made = self.send(&ask, "set-up")?.expect(201)?;
        Ok(made.header("location").context("no Location")?.to_owned())
    }

    fn segment(&self, target: Target, study: &str) -> Result<String> {
        let ask = Ask::new("POST", format!("{study}/segmentations"))
            .target(target)
            .json(r#"{"model": "cinecor-unet"}"#);
        let made = self.send(&ask, "set-up")?.expect(201)?;
        Ok(made.header("location").context("no Location")?.to_owned())
    }

    fn host(&self, target: Target) -> &Host {
        match target {
            Target::Sound => &self.sound,
            Target::Unready => &self.unready,
        }
    }

    /// Sends a request under this id.
    fn send(&self, ask: &Ask, id: &str) -> Result<Answer> {
        let host = self.host(ask.target);
        let mut headers = ask.headers.clone();
        headers.push(("x-request-id", id.to_owned()));
        if ask.key != Key::None {
            headers.push(("authorization", format!("Bearer {}", ask.key.secret())));
        }
        if ask.stalls {
            return stall(host, ask, &headers);
        }
        let client = Client::new(host);
        if ask.has_it_already {
            let before: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
            let tag = client
                .send("GET", &ask.path, &before, None)?
                .header("etag")
                .context("no ETag to send back")?
                .to_owned();
            headers.push(("if-none-match", tag));
        }
        let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        client.send(ask.method, &ask.path, &headers, ask.body.as_deref())
    }
}

/// Sends half of a body and waits for what the host says of that.
fn stall(host: &Host, ask: &Ask, headers: &[(&str, String)]) -> Result<Answer> {
    let body = ask.body.clone().unwrap_or_default();
    let mut head = format!(
        "{} {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n",
        ask.method,
        ask.path,
        host.authority(),
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let mut connection = Connection::open(host.authority())?;
    connection.write(head.as_bytes());
    connection.write(body.get(..body.len() / 2).unwrap_or_default());
    connection
        .answer()?
        .context("the connection was closed without an answer")
}

/// Every outcome that the service is held to, and how it is brought about.
fn table(world: &World) -> Table {
    let (study, sid) = (world.study.as_str(), world.segmentation.as_str());
    let no_study = format!("/api/v1/studies/{NOBODY}");
    let no_sid = format!("{study}/segmentations/{NOBODY}");
    let (model, version) = (&world.model, &world.version);
    let package = format!("/api/v1/models/{model}/versions/{version}");
    let mask = || Nifti::one().bytes();
    let raw = |ask: Ask, bytes: Vec<u8>| ask.file(bytes);
    let pair = |ask: Ask, bytes: Vec<u8>| {
        ask.form(Form::new().file("reference", "r.nii", &bytes).file(
            "prediction",
            "p.nii",
            &Nifti::one().bytes(),
        ))
    };
    let fresh = |index: usize| world.fresh.get(index).cloned().unwrap_or_default();
    let mut table = Table::default();

    table
        .operation(
            "/api/v1/segment",
            Ask::new("POST", "/api/v1/segment")
                .query("model=cinecor-unet")
                .file(world.volume.clone()),
        )
        .for_others()
        .forms(200, &[JSON, NIFTI, GZIP, SSE])
        .takes_file(raw)
        .refused(422, "invalid-field", |ask| ask.query("height_cm=1.8"))
        .refused(422, "model-unusable", |ask| {
            ask.at("/api/v1/segment?model=absent")
        })
        .refused(422, "not-measurable", |ask| ask.query("frames=0,99"));
    table
        .operation(
            "/api/v1/studies",
            Ask::new("POST", "/api/v1/studies").file(world.volume.clone()),
        )
        .for_others()
        .forms(201, &[JSON])
        .takes_file(raw)
        .refused(422, "invalid-field", |ask| ask.query("consent=perhaps"));
    table
        .operation(
            "/api/v1/studies",
            Ask::new("GET", "/api/v1/studies?limit=1"),
        )
        .for_readers()
        .forms(200, &[JSON])
        .unchanged();
    table
        .operation("/api/v1/studies/{id}", Ask::new("GET", study))
        .for_readers()
        .missing(no_study.clone())
        .forms(200, &[JSON])
        .unchanged();
    table
        .operation(
            "/api/v1/studies/{id}",
            Ask::new("PATCH", fresh(0))
                .json(r#"{"label": "ward 3", "subject": {"height_cm": 180, "sex": null}}"#),
        )
        .for_others()
        .missing(no_study.clone())
        .forms(200, &[JSON])
        .refused(412, "precondition-failed", |ask| {
            ask.header("if-match", "\"old\"")
        })
        .takes_json(r#"{"name": "nobody"}"#, world.elsewhere.clone());
    table
        .operation("/api/v1/studies/{id}", Ask::new("DELETE", fresh(0)))
        .for_others()
        .missing(no_study.clone())
        .refused(412, "precondition-failed", |ask| {
            ask.header("if-match", "\"old\"")
        })
        .done(204, |ask| ask);
    table
        .operation(
            "/api/v1/studies/{id}/volume.nii.gz",
            Ask::new("GET", format!("{study}/volume.nii.gz")),
        )
        .for_readers()
        .missing(format!("{no_study}/volume.nii.gz"))
        .forms(200, &[NIFTI, GZIP])
        .good(206, &[NIFTI, GZIP], |ask| ask.header("range", "bytes=3-40"))
        .unchanged()
        .refused(416, "range-not-satisfiable", |ask| {
            ask.header("range", "bytes=99999999-")
        });
    table
        .operation(
            "/api/v1/studies/{id}/slices/{slice}.png",
            Ask::new("GET", format!("{study}/slices/1.png?frame=2&width=90")),
        )
        .for_readers()
        .missing(format!("{study}/slices/2.png"))
        .forms(200, &[PNG])
        .unchanged();
    table
        .operation(
            "/api/v1/studies/{id}/segmentations",
            Ask::new("POST", format!("{}/segmentations", fresh(1))).json(r#"{"frames": [0, 2]}"#),
        )
        .for_others()
        .missing(format!("{no_study}/segmentations"))
        .takes_json(
            r#"{"frames": []}"#,
            format!("{}/segmentations", world.elsewhere),
        )
        .refused(422, "model-unusable", |ask| {
            ask.json(r#"{"model": "absent"}"#)
        })
        .refused(422, "not-measurable", |ask| ask.json(r#"{"frames": [99]}"#))
        .forms(201, &[JSON])
        .good(200, &[JSON], |ask| ask)
        .good(200, &[SSE], |ask| ask.json(r#"{"frames": [1]}"#));
    table
        .operation(
            "/api/v1/studies/{id}/segmentations",
            Ask::new("GET", format!("{study}/segmentations")),
        )
        .for_readers()
        .missing(format!("{no_study}/segmentations"))
        .forms(200, &[JSON])
        .unchanged();
    table
        .operation(
            "/api/v1/studies/{id}/segmentations/{sid}",
            Ask::new("GET", sid),
        )
        .for_readers()
        .missing(no_sid.clone())
        .forms(200, &[JSON])
        .unchanged();
    table
        .operation(
            "/api/v1/studies/{id}/segmentations/{sid}/mask.nii.gz",
            Ask::new("GET", format!("{sid}/mask.nii.gz")),
        )
        .for_readers()
        .missing(format!("{sid}/mask.nii.gz?frame=3"))
        .forms(200, &[NIFTI, GZIP])
        .good(206, &[NIFTI, GZIP], |ask| ask.header("range", "bytes=3-40"))
        .unchanged()
        .refused(416, "range-not-satisfiable", |ask| {
            ask.header("range", "bytes=99999999-")
        });
    table
        .operation(
            "/api/v1/studies/{id}/segmentations/{sid}/metrics",
            Ask::new("GET", format!("{sid}/metrics")),
        )
        .for_readers()
        .missing(format!("{no_sid}/metrics"))
        .forms(200, &[JSON, CSV])
        .unchanged()
        .refused(422, "invalid-field", |ask| ask.query("ed_frame=99"));
    table
        .operation(
            "/api/v1/studies/{id}/segmentations/{sid}/report",
            Ask::new("GET", format!("{sid}/report")),
        )
        .for_readers()
        .missing(format!("{no_sid}/report"))
        .refused(422, "invalid-field", |ask| ask.query("ed_frame=99"))
        .forms(200, &[HTML, JSON, CSV])
        .unchanged();
    table
        .operation(
            "/api/v1/studies/{id}/segmentations/{sid}/slices/{slice}.png",
            Ask::new("GET", format!("{sid}/slices/0.png?overlay=fill&opacity=0.5&labels=1,3&window_center=500&window_width=900")),
        )
        .for_readers()
        .missing(format!("{sid}/slices/0.png?frame=3"))
        .forms(200, &[PNG])
        .unchanged();
    table
        .operation(
            "/api/v1/measure",
            Ask::new(
                "POST",
                "/api/v1/measure?height_cm=180&weight_kg=80&heart_rate_bpm=60",
            )
            .file(mask()),
        )
        .for_others()
        .forms(200, &[JSON, CSV])
        .takes_file(raw)
        .refused(422, "invalid-field", |ask| ask.query("ed_frame=99"));
    table
        .operation(
            "/api/v1/compare",
            pair(Ask::new("POST", "/api/v1/compare"), mask()),
        )
        .for_others()
        .forms(200, &[JSON])
        .takes_file(pair)
        .refused(422, "invalid-field", |ask| {
            ask.form(Form::new().file("reference", "r.nii", &mask()))
        })
        .refused(422, "not-measurable", |ask| {
            ask.form(Form::new().file("reference", "r.nii", &mask()).file(
                "prediction",
                "p.nii",
                &Nifti::one().with_frames(1).bytes(),
            ))
        });
    table
        .operation("/api/v1/models", Ask::new("GET", "/api/v1/models"))
        .for_readers()
        .forms(200, &[JSON])
        .unchanged();
    table
        .operation(
            "/api/v1/models/{name}",
            Ask::new("GET", format!("/api/v1/models/{model}")),
        )
        .for_readers()
        .missing("/api/v1/models/absent".to_owned())
        .forms(200, &[JSON])
        .unchanged();
    table
        .operation(
            "/api/v1/models/{name}/versions/{version}",
            Ask::new("GET", &package),
        )
        .for_readers()
        .missing(format!("/api/v1/models/{model}/versions/9.9.9"))
        .forms(200, &[JSON, ZIP])
        .unchanged();
    let sent = packages::address("77.0.0");
    let absent = format!("/api/v1/models/{model}/versions/9.9.9");
    table
        .operation(
            "/api/v1/models/{name}/versions/{version}",
            Ask::new("PUT", &sent).typed(ZIP, world.package.clone()),
        )
        .for_others()
        .missing("/api/v1/models/No_Name/versions/1.0.0".to_owned())
        .refused(400, "malformed-request", |ask| {
            ask.header("content-encoding", "gzip")
        })
        .refused(408, "body-stalled", Ask::stalled)
        .refused(413, "body-too-large", |ask| {
            ask.typed(ZIP, vec![0; PACKAGE_BYTES + 1])
        })
        .refused(415, "unsupported-media-type", |ask| {
            ask.typed(ZIP, "%PDF-1.7")
        })
        .refused(422, "invalid-package", |ask| {
            ask.at(packages::address("77.0.1"))
        })
        .good(201, &[JSON], |ask| ask)
        .forms(200, &[JSON])
        .refused(409, "conflict", |ask| {
            ask.typed(ZIP, world.other_package.clone())
        });
    table
        .operation(
            "/api/v1/models/{name}/versions/{version}/activate",
            Ask::new("POST", format!("{sent}/activate")),
        )
        .for_others()
        .missing(format!("{absent}/activate"))
        .forms(200, &[JSON]);
    let shadow = format!("/api/v1/models/{model}/shadow");
    let other = format!(r#"{{"version": "{version}"}}"#);
    table
        .operation(
            "/api/v1/models/{name}/shadow",
            Ask::new("PUT", &shadow).json(&other),
        )
        .for_others()
        .missing("/api/v1/models/absent/shadow".to_owned())
        .takes_json(r#"{"version": 1}"#, shadow.clone())
        .refused(409, "conflict", |ask| ask.json(r#"{"version": "77.0.0"}"#))
        .forms(200, &[JSON]);
    table
        .operation("/api/v1/models/{name}/shadow", Ask::new("GET", &shadow))
        .for_readers()
        .missing("/api/v1/models/absent/shadow".to_owned())
        .forms(200, &[JSON])
        .unchanged();
    table
        .operation("/api/v1/models/{name}/shadow", Ask::new("DELETE", shadow))
        .for_others()
        .missing("/api/v1/models/absent/shadow".to_owned())
        .done(204, |ask| ask);
    table
        .operation(
            "/api/v1/models/{name}/rollback",
            Ask::new("POST", format!("/api/v1/models/{model}/rollback")),
        )
        .for_others()
        .missing("/api/v1/models/absent/rollback".to_owned())
        .refused(409, "conflict", |ask| {
            ask.at("/api/v1/models/cinecor-unet-lite/rollback")
        })
        .forms(200, &[JSON]);
    table
        .operation(
            "/api/v1/models/{name}/versions/{version}",
            Ask::new("DELETE", sent),
        )
        .for_others()
        .missing(absent)
        .refused(409, "conflict", |ask| ask.at(package))
        .done(204, |ask| ask);
    table
        .operation("/api/v1/audit", Ask::new("GET", "/api/v1/audit?limit=5"))
        .for_others()
        .forms(200, &[JSON])
        .unchanged();
    table
        .operation(
            "/api/v1/health/live",
            Ask::new("GET", "/api/v1/health/live").key(Key::None),
        )
        .forms(200, &[JSON]);
    table
        .operation(
            "/api/v1/health/ready",
            Ask::new("GET", "/api/v1/health/ready").key(Key::None),
        )
        .forms(200, &[JSON])
        .refused(503, "not-ready", |ask| ask.target(Target::Unready));
    table
        .operation(DOCUMENT, Ask::new("GET", DOCUMENT).key(Key::None))
        .forms(200, &[JSON])
        .unchanged();
    table
        .operation("/problems/", Ask::new("GET", "/problems/").key(Key::None))
        .forms(200, &[HTML, JSON])
        .unchanged();
    table
        .operation(
            "/problems/{slug}",
            Ask::new("GET", "/problems/not-found").key(Key::None),
        )
        .missing("/problems/absent".to_owned())
        .forms(200, &[HTML, JSON])
        .unchanged();
    let other_sid = &world.segmentation_elsewhere;
    table
        .operation(
            "/api/v1/studies/{id}/segmentations/{sid}",
            Ask::new("PATCH", sid)
                .json(r#"{"ed_frame": 1, "es_frame": null, "excluded_slices": [1], "bsa_formula": "dubois"}"#),
        )
        .for_others()
        .missing(no_sid.clone())
        .forms(200, &[JSON])
        .refused(412, "precondition-failed", |ask| {
            ask.header("if-match", "\"old\"")
        })
        .takes_json(r#"{"ed_frame": 99}"#, other_sid.clone());
    table
        .operation(
            "/api/v1/studies/{id}/segmentations/{sid}/mask.nii.gz",
            Ask::new("PUT", format!("{sid}/mask.nii.gz")).file(world.mask.clone()),
        )
        .for_others()
        .missing(format!("{sid}/mask.nii.gz?frame=3"))
        .forms(200, &[JSON])
        .refused(412, "precondition-failed", |ask| {
            ask.header("if-match", "\"old\"")
        })
        .takes_file_like(&world.mask, Some(format!("{other_sid}/mask.nii.gz")), raw)
        .refused(422, "invalid-field", |ask| {
            ask.form(Form::new().field("ed_frame", b"1"))
        })
        .refused(422, "not-measurable", |ask| ask.file(mask()));
    table
        .operation(
            "/api/v1/studies/{id}/segmentations/{sid}/review",
            Ask::new("POST", format!("{sid}/review"))
                .json(r#"{"state": "approved", "note": "apex looked at"}"#),
        )
        .for_others()
        .missing(format!("{no_sid}/review"))
        .forms(200, &[JSON])
        .refused(412, "precondition-failed", |ask| {
            ask.header("if-match", "\"old\"")
        })
        .takes_json(r#"{"state": "perhaps"}"#, format!("{other_sid}/review"));
    table
        .operation(
            "/api/v1/studies/{id}/segmentations/{sid}/revisions",
            Ask::new("GET", format!("{sid}/revisions?limit=2")),
        )
        .for_readers()
        .missing(format!("{no_sid}/revisions"))
        .forms(200, &[JSON])
        .unchanged();
    // What the operations above have read is deleted last.
    table
        .operation(
            "/api/v1/studies/{id}/segmentations/{sid}",
            Ask::new("DELETE", sid),
        )
        .for_others()
        .missing(no_sid)
        .refused(412, "precondition-failed", |ask| {
            ask.header("if-match", "\"old\"")
        })
        .done(204, |ask| ask);
    table
}

/// The document, its schemas ready to check with.
struct Document {
    json: Value,
    compiler: boon::Compiler,
    schemas: boon::Schemas,
}

/// Under which address the schemas find each other.
const BASE: &str = "http://cinecor.invalid/openapi.json";

impl Document {
    fn new(json: Value) -> Result<Document> {
        let mut compiler = boon::Compiler::new();
        compiler.enable_format_assertions();
        let mut closed = json.clone();
        // What an answer holds is what the document says; a problem may have members of its own.
        if let Some(schemas) = closed
            .pointer_mut("/components/schemas")
            .and_then(Value::as_object_mut)
        {
            for (_, schema) in schemas.iter_mut().filter(|(name, _)| *name != "Problem") {
                close(schema);
            }
        }
        compiler
            .add_resource(BASE, closed)
            .map_err(|error| anyhow::anyhow!("{error:#}"))?;
        Ok(Document {
            json,
            compiler,
            schemas: boon::Schemas::new(),
        })
    }

    /// Checks a value against the schema at this place.
    fn check(&mut self, pointer: &str, value: &Value) -> Result<()> {
        let place = format!("{BASE}#{pointer}");
        let schema = self
            .compiler
            .compile(&place, &mut self.schemas)
            .map_err(|error| anyhow::anyhow!("{pointer}: {error:#}"))?;
        self.schemas
            .validate(value, schema)
            .map_err(|error| anyhow::anyhow!("{error:#}\nin {value}"))
    }

    /// Where an answer is described, references followed.
    fn response(&self, outcome: &Outcome) -> Result<(String, &Value)> {
        let place = format!(
            "/paths/{}/{}/responses/{}",
            escaped(&outcome.path),
            outcome.method.to_ascii_lowercase(),
            outcome.status
        );
        resolved(&self.json, place)
            .with_context(|| format!("the document does not name {outcome:?}"))
    }

    /// Every method and path.
    fn operations(&self) -> Result<Vec<(String, String)>> {
        let paths = self.json["paths"].as_object().context("no paths")?;
        Ok(paths
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().into_iter().flatten();
                methods.map(move |(method, _)| (method.to_ascii_uppercase(), path.clone()))
            })
            .collect())
    }

    /// Every outcome that the document names.
    fn outcomes(&self) -> Result<BTreeSet<Outcome>> {
        let mut outcomes = BTreeSet::new();
        for (method, path) in self.operations()? {
            let place = format!(
                "/paths/{}/{}/responses",
                escaped(&path),
                method.to_ascii_lowercase()
            );
            let responses = self
                .json
                .pointer(&place)
                .and_then(Value::as_object)
                .context("no responses")?;
            for status in responses.keys().filter(|status| *status != "default") {
                let mut outcome = Outcome {
                    method: method.clone(),
                    path: path.clone(),
                    status: status.parse().with_context(|| format!("status {status}"))?,
                    what: String::new(),
                };
                let (_, response) = self.response(&outcome)?;
                let Some(content) = response["content"].as_object() else {
                    outcomes.insert(outcome);
                    continue;
                };
                for (media, form) in content {
                    let kinds = if media == PROBLEM {
                        kinds(form)
                    } else {
                        vec![media.clone()]
                    };
                    ensure!(!kinds.is_empty(), "{outcome:?} names no kind of problem");
                    for kind in kinds {
                        outcome.what = kind;
                        outcomes.insert(outcome.clone());
                    }
                }
            }
        }
        Ok(outcomes)
    }
}

/// Allows no member that is not written down.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.values_mut().for_each(close);
            if members.get("properties").is_some_and(Value::is_object) {
                members
                    .entry("additionalProperties")
                    .or_insert(json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

#[test]
fn every_answer_that_the_document_names_is_given_and_no_other() -> Result<()> {
    let world = World::start()?;
    let json = Client::new(&world.sound)
        .get(DOCUMENT)?
        .expect(200)?
        .json()?;
    let mut document = Document::new(json)?;
    let table = table(&world);

    let named = document.outcomes()?;
    let covered: BTreeSet<Outcome> = table
        .rows
        .iter()
        .map(|(outcome, _)| outcome.clone())
        .collect();
    let mut wrong: Vec<String> = Vec::new();
    wrong.extend(
        named
            .difference(&covered)
            .filter(|outcome| {
                let exempt = |(path, what, _): &(&str, &str, &str)| {
                    outcome.path == *path && outcome.what == *what
                };
                !NOT_BROUGHT_ABOUT.iter().any(exempt)
            })
            .map(|outcome| format!("named and not tested: {outcome:?}")),
    );
    wrong.extend(
        covered
            .difference(&named)
            .map(|outcome| format!("tested and not named: {outcome:?}")),
    );

    for (number, (outcome, ask)) in table.rows.iter().enumerate() {
        if !named.contains(outcome) {
            continue;
        }
        let id = format!("row-{number}");
        let checked = world
            .send(ask, &id)
            .and_then(|answer| check(&mut document, outcome, &answer, &id));
        if let Err(error) = checked {
            wrong.push(format!(
                "{outcome:?}: {} {}: {error:#}",
                ask.method, ask.path
            ));
        }
    }
    ensure!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    Ok(())
}

/// Whether an answer is the one that the document describes.
fn check(document: &mut Document, outcome: &Outcome, answer: &Answer, id: &str) -> Result<()> {
    ensure!(
        answer.status == outcome.status,
        "expected {}, found {}: {}",
        outcome.status,
        answer.status,
        answer.text()
    );
    ensure!(
        answer.header("x-request-id") == Some(id),
        "X-Request-Id: {:?}",
        answer.header("x-request-id")
    );
    let (place, response) = document.response(outcome)?;
    for name in response["headers"]
        .as_object()
        .context("no headers are described")?
        .keys()
    {
        let header = resolved(&document.json, format!("{place}/headers/{name}"));
        if header.is_some_and(|(_, header)| header["required"] == false) {
            continue;
        }
        ensure!(
            answer.header(&name.to_ascii_lowercase()).is_some(),
            "no {name} in {:?}",
            answer.headers
        );
    }
    let whole = outcome.status == 200 && outcome.method == "GET";
    if whole && answer.header("etag").is_some() {
        let mut unchanged = outcome.clone();
        unchanged.status = 304;
        document
            .response(&unchanged)
            .context("its answers have tags")?;
    }
    let found = answer.header("content-type").unwrap_or_default().to_owned();
    if outcome.method == "HEAD" || outcome.what.is_empty() {
        ensure!(
            answer.body.is_empty(),
            "a body of {} bytes",
            answer.body.len()
        );
        let is_problem = found == PROBLEM;
        ensure!(
            is_problem == (outcome.status >= 400),
            "Content-Type {found}"
        );
        return Ok(());
    }
    if outcome.status >= 400 {
        let slug = answer.problem()?;
        ensure!(
            slug == outcome.what,
            "expected {}, found {slug}: {}",
            outcome.what,
            answer.text()
        );
        says_what_to_do(answer)?;
        let schema = format!("{place}/content/{}/schema", escaped(PROBLEM));
        return document.check(&schema, &answer.json()?);
    }
    ensure!(
        found.split(';').next() == Some(outcome.what.as_str()),
        "expected {}, found Content-Type {found}",
        outcome.what
    );
    ensure!(!answer.body.is_empty(), "an empty body");
    let schema = format!("{place}/content/{}/schema", escaped(&outcome.what));
    match outcome.what.as_str() {
        JSON => document.check(&schema, &answer.json()?),
        SSE => {
            let of = if outcome.path.ends_with("segmentations") {
                "Segmentation"
            } else {
                "OneShot"
            };
            document.check(
                &format!("/components/schemas/{of}"),
                &result_of_events(&answer.body)?,
            )
        }
        HTML | CSV => document.check(
            &schema,
            &Value::String(String::from_utf8(answer.body.clone())?),
        ),
        _ => Ok(()),
    }
}

/// A detail is a sentence, or several, and holds a word of what to do.
fn says_what_to_do(answer: &Answer) -> Result<()> {
    let problem = answer.json()?;
    let detail = problem["detail"].as_str().unwrap_or_default();
    cinecor_tests::wording::check(detail)
}

/// The data of the one `result` at the end of an event stream, after at least one `progress` where work was done.
fn result_of_events(body: &[u8]) -> Result<Value> {
    let text = std::str::from_utf8(body)?;
    ensure!(
        text.ends_with("\n\n"),
        "the stream ends in the middle of an event"
    );
    let mut result = None;
    for event in text.split_terminator("\n\n") {
        let field = |name: &str| {
            event
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .map(str::trim)
        };
        let data: Value = serde_json::from_str(field("data:").context("an event without data")?)?;
        match field("event:") {
            Some("progress") => {
                ensure!(result.is_none(), "progress after the result");
                ensure!(
                    data["stage"].is_string()
                        && data["done"].as_u64() <= data["total"].as_u64()
                        && data["done"].is_u64(),
                    "{data}"
                );
            }
            Some("result") => ensure!(result.replace(data).is_none(), "two results"),
            other => bail!("an event {other:?}"),
        }
    }
    result.context("no result")
}

#[test]
fn a_method_that_an_address_does_not_take_is_refused_with_those_that_it_does() -> Result<()> {
    let world = World::start()?;
    let document = Document::new(Client::new(&world.sound).get(DOCUMENT)?.json()?)?;
    let mut methods: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (method, path) in document.operations()? {
        methods.entry(path).or_default().insert(method);
    }
    let table = table(&world);
    for (template, mut taken) in methods {
        taken.insert("OPTIONS".to_owned());
        let (_, ask) = table
            .rows
            .iter()
            .find(|(outcome, _)| outcome.path == template && outcome.status == 400)
            .with_context(|| format!("{template} is not in the table"))?;
        let path = ask.path.split('?').next().unwrap_or_default();
        for method in [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get",
        ] {
            if taken.contains(method) && method != "OPTIONS" {
                continue;
            }
            let request = format!(
                "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\nconnection: close\r\nx-request-id: method\r\n\r\n",
                world.sound.authority(),
                Key::Everything.secret()
            );
            let answer =
                exchange(world.sound.authority(), request.as_bytes())?.context("no answer")?;
            let what = format!("{method} {path}");
            ensure!(
                answer.header("x-request-id") == Some("method"),
                "{what}: no X-Request-Id"
            );
            let allow = answer
                .header("allow")
                .with_context(|| format!("{what}: no Allow in {}", answer.status))?;
            let allowed: BTreeSet<String> = allow
                .split(',')
                .map(|name| name.trim().to_owned())
                .collect();
            ensure!(allowed == taken, "{what}: Allow is {allow}");
            if method == "OPTIONS" {
                ensure!(
                    answer.status == 204 && answer.body.is_empty(),
                    "{what}: {}",
                    answer.status
                );
            } else if method == "HEAD" {
                ensure!(
                    answer.status == 405 && answer.body.is_empty(),
                    "{what}: {}",
                    answer.status
                );
            } else {
                ensure!(answer.status == 405, "{what}: {}", answer.status);
                ensure!(
                    answer.problem()? == "method-not-allowed",
                    "{what}: {}",
                    answer.text()
                );
            }
        }
    }
    Ok(())
}

#[test]
fn the_type_of_every_problem_leads_to_what_it_means() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let document = Document::new(client.get(DOCUMENT)?.json()?)?;
    let list = client.get_as("/problems/", JSON)?.expect(200)?.json()?;
    let mut types = BTreeSet::new();
    for item in list["items"].as_array().context("items")? {
        types.insert(item["type"].as_str().context("type")?.to_owned());
    }
    for outcome in document
        .outcomes()?
        .iter()
        .filter(|outcome| outcome.status >= 400)
    {
        let kind = format!("/problems/{}", outcome.what);
        ensure!(types.contains(&kind), "{kind} is answered and not listed");
    }
    for kind in types {
        let page = client.get_as(&kind, HTML)?.expect(200)?;
        ensure!(
            page.text().contains("<h2>What to do</h2>"),
            "{kind}: {}",
            page.text()
        );
        let json = client.get_as(&kind, JSON)?.expect(200)?.json()?;
        assert_eq!(json["type"], kind.as_str());
    }
    Ok(())
}

#[test]
fn too_much_at_once_is_told_when_to_come_back() -> Result<()> {
    let host = Options::new()
        .setting("limits", "at_work_max", 1)
        .setting("limits", "waiting_max", 0)
        .setting("limits", "body_stall_ms", 2_000)
        .start()?;
    let client = Client::new(&host);
    let mut holders = Vec::new();
    // A body that does not come holds the only place. Whoever comes first has it, so that more than one holder may be needed.
    let refused = loop {
        let mut holder = Connection::open(host.authority())?;
        holder.write(
            format!(
                "POST /api/v1/measure HTTP/1.1\r\nhost: {}\r\ncontent-length: 9999\r\n\r\n",
                host.authority()
            )
            .as_bytes(),
        );
        holders.push(holder);
        let answer = client.get("/api/v1/health/live")?;
        if answer.status != 200 {
            break answer;
        }
        ensure!(
            holders.len() < 1_000,
            "a thousand bodies that do not come hold no place"
        );
    };
    let refused = refused.expect(503)?;
    assert_eq!(refused.problem()?, "overloaded");
    let seconds: u32 = refused
        .header("retry-after")
        .context("no Retry-After")?
        .parse()?;
    ensure!(seconds > 0, "Retry-After: {seconds}");
    drop(holders);
    // The place is free again as soon as the host sees that the client has gone.
    while client.get("/api/v1/health/live")?.status == 503 {}
    Ok(())
}

#[test]
fn a_fault_of_the_set_up_is_told_to_the_log_and_not_to_the_caller() -> Result<()> {
    let host = Options::new().variable("max_rows", "many-rows").start()?;
    let answer = Client::new(&host).get("/api/v1/studies")?.expect(500)?;
    assert_eq!(answer.problem()?, "internal");
    ensure!(
        !answer.text().contains("many-rows") && !answer.text().contains("max_rows"),
        "{}",
        answer.text()
    );
    let id = answer
        .header("x-request-id")
        .context("no X-Request-Id")?
        .to_owned();
    let line = host.logged("max_rows")?;
    ensure!(
        line.contains(&id),
        "the cause is not found by the request's id: {line}"
    );
    Ok(())
}

#[test]
fn work_that_takes_longer_than_a_request_has_is_ended_with_a_problem() -> Result<()> {
    let bounds = toml::Table::from_iter([
        ("concurrency".to_owned(), toml::Value::Integer(1)),
        ("request_deadline_ms".to_owned(), toml::Value::Integer(1)),
    ]);
    let host = Options::new()
        .setting("component", "segment", bounds)
        .start()?;
    let answer = Client::new(&host)
        .post("/api/v1/segment", &volumes::small(12, 12, 5)?)?
        .expect(504)?;
    assert_eq!(answer.problem()?, "deadline-exceeded");
    Ok(())
}

#[test]
fn the_document_is_openapi() -> Result<()> {
    let Some(python) = std::env::var_os("CINECOR_PYTHON") else {
        println!(
            "SKIP: CINECOR_PYTHON is not set, so openapi-spec-validator is not there; `cargo xtask test` installs it and sets it"
        );
        return Ok(());
    };
    let host = Options::new().start()?;
    let document = Client::new(&host).get(DOCUMENT)?.expect(200)?.body;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, document)?;
    let output = Command::new(python)
        .args(["-m", "openapi_spec_validator", "--errors", "all"])
        .arg(&file)
        .output()?;
    ensure!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
