//! What a service on a network is sent sooner or later: broken files, lying headers, bombs, nonsense. Each is refused with a problem that
//! says why, in bounded memory, and the next good request is served.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail, ensure};
use cinecor_tests::client::{Answer, Client};
use cinecor_tests::forms::Form;
use cinecor_tests::host::{Host, Options};
use cinecor_tests::hostile::{Case, Nifti, TakenAs, cases, packed};
use cinecor_tests::raw::{Connection, exchange};
use cinecor_tests::{document, volumes, wording};
use serde_json::Value;

const STUDIES: &str = "/api/v1/studies";
const BYTES: &str = "application/octet-stream";

/// Clients at once; more would only wait for the processor.
const CLIENTS: usize = 4;

/// The most memory that the host may take while the corpus is thrown at it by all clients at once. The largest frames that the limits
/// allow are 33 MB as stored and 67 MB as numbers, a few of each are held by each request, and the engine takes what it always takes.
const PEAK_BYTES: u64 = 1_200_000_000;

/// A way to send a file.
struct Route {
    name: &'static str,
    path: &'static str,
    taken_as: TakenAs,
    /// Largest file that is sent this way.
    bytes_max: usize,
    send: fn(&Client, &str, &[u8]) -> Result<Answer>,
}

fn raw(client: &Client, path: &str, file: &[u8]) -> Result<Answer> {
    client.post(path, file)
}

fn in_form(client: &Client, path: &str, file: &[u8]) -> Result<Answer> {
    let form = Form::new()
        .field("height_cm", b"180")
        .file("file", "heart.nii.gz", file);
    post_form(client, path, form)
}

fn coded(client: &Client, path: &str, file: &[u8]) -> Result<Answer> {
    client.send(
        "POST",
        path,
        &[("content-type", BYTES), ("content-encoding", "gzip")],
        Some(&packed(file)),
    )
}

/// As events: the problem at their end is the answer.
fn as_events(client: &Client, path: &str, file: &[u8]) -> Result<Answer> {
    let mut answer = client.post_as(path, file, "text/event-stream")?;
    if answer.status == 200 {
        let text = String::from_utf8(answer.body)?;
        let event = text.trim_end().rsplit("\n\n").next().unwrap_or_default();
        let data = event
            .strip_prefix("event: problem\ndata: ")
            .with_context(|| format!("no problem at the end of {text}"))?;
        let problem: Value = serde_json::from_str(data)?;
        answer.status = problem["status"]
            .as_u64()
            .and_then(|status| status.try_into().ok())
            .context("status")?;
        answer.body = data.as_bytes().to_vec();
        answer.headers.retain(|(name, _)| name != "content-type");
        answer
            .headers
            .push(("content-type".to_owned(), document::PROBLEM.to_owned()));
    }
    Ok(answer)
}

fn as_reference(client: &Client, path: &str, file: &[u8]) -> Result<Answer> {
    let good = Nifti::one().bytes();
    post_form(
        client,
        path,
        Form::new()
            .file("reference", "r", file)
            .file("prediction", "p", &good),
    )
}

fn as_prediction(client: &Client, path: &str, file: &[u8]) -> Result<Answer> {
    let good = Nifti::one().bytes();
    post_form(
        client,
        path,
        Form::new()
            .file("reference", "r", &good)
            .file("prediction", "p", file),
    )
}

fn post_form(client: &Client, path: &str, form: Form) -> Result<Answer> {
    client.send(
        "POST",
        path,
        &[("content-type", &Form::content_type())],
        Some(&form.finish()),
    )
}

const ANY: usize = usize::MAX;
const SMALL: usize = 1 << 20;

/// Every route that takes a volume or a mask, in every form in which it takes one.
const ROUTES: [Route; 12] = [
    Route {
        name: "segment",
        path: "/api/v1/segment",
        taken_as: TakenAs::Volume,
        bytes_max: ANY,
        send: raw,
    },
    Route {
        name: "segment in a form",
        path: "/api/v1/segment",
        taken_as: TakenAs::Volume,
        bytes_max: SMALL,
        send: in_form,
    },
    Route {
        name: "segment with a coding",
        path: "/api/v1/segment",
        taken_as: TakenAs::Volume,
        bytes_max: SMALL,
        send: coded,
    },
    Route {
        name: "segment as events",
        path: "/api/v1/segment",
        taken_as: TakenAs::Volume,
        bytes_max: SMALL,
        send: as_events,
    },
    Route {
        name: "studies",
        path: STUDIES,
        taken_as: TakenAs::Volume,
        bytes_max: ANY,
        send: raw,
    },
    Route {
        name: "studies in a form",
        path: STUDIES,
        taken_as: TakenAs::Volume,
        bytes_max: ANY,
        send: in_form,
    },
    Route {
        name: "studies with a coding",
        path: STUDIES,
        taken_as: TakenAs::Volume,
        bytes_max: SMALL,
        send: coded,
    },
    Route {
        name: "measure",
        path: "/api/v1/measure",
        taken_as: TakenAs::Measured,
        bytes_max: ANY,
        send: raw,
    },
    Route {
        name: "measure in a form",
        path: "/api/v1/measure",
        taken_as: TakenAs::Measured,
        bytes_max: SMALL,
        send: in_form,
    },
    Route {
        name: "measure with a coding",
        path: "/api/v1/measure",
        taken_as: TakenAs::Measured,
        bytes_max: SMALL,
        send: coded,
    },
    Route {
        name: "compare as reference",
        path: "/api/v1/compare",
        taken_as: TakenAs::Compared,
        bytes_max: ANY,
        send: as_reference,
    },
    Route {
        name: "compare as prediction",
        path: "/api/v1/compare",
        taken_as: TakenAs::Compared,
        bytes_max: SMALL,
        send: as_prediction,
    },
];

/// Good requests of each kind are served, and nothing is left of bad ones.
fn serves(client: &Client) -> Result<()> {
    let mask = Nifti::one().bytes();
    client.post("/api/v1/measure", &mask)?.expect(200)?;
    as_reference(client, "/api/v1/compare", &mask)?.expect(200)?;
    client
        .post("/api/v1/segment", &volumes::small(1, 1, 1)?)?
        .expect(200)?;
    let made = client
        .post(STUDIES, &volumes::small(1, 1, 2)?)?
        .expect(201)?;
    let location = made.header("location").context("no Location")?;
    client.delete(location)?.expect(204)?;
    Ok(())
}

/// No instance failed and nothing panicked: whatever was sent was refused by the code that is there to refuse it.
fn log_is_calm(host: &Host) -> Result<()> {
    let log = host.log();
    for bad in [
        "panicked",
        "wasm trap",
        "\"level\":\"ERROR\"",
        "\"level\":\"error\"",
    ] {
        if let Some(line) = log.lines().find(|line| line.contains(bad)) {
            bail!(
                "the log holds {bad}: {}",
                line.chars().take(1_000).collect::<String>()
            );
        }
    }
    Ok(())
}

/// Checks a refusal: its kind, that the document names it for the operation, and its words.
fn refused(
    answer: &Answer,
    status: u16,
    slugs: &[&str],
    named: &BTreeSet<(u16, String)>,
) -> Result<Value> {
    ensure!(
        answer.status == status,
        "expected {status}, found {}: {}",
        answer.status,
        answer.text()
    );
    let slug = answer.problem()?;
    ensure!(
        slugs.contains(&slug.as_str()),
        "expected {slugs:?}, found {}",
        answer.text()
    );
    ensure!(
        named.contains(&(status, slug.clone())),
        "the document does not name {status} {slug}"
    );
    let problem = answer.json()?;
    wording::check(problem["detail"].as_str().unwrap_or_default())?;
    Ok(problem)
}

fn openapi(client: &Client) -> Result<Value> {
    client.get("/api/v1/openapi.json")?.expect(200)?.json()
}

fn check_case(client: &Client, case: &Case, api: &Value) -> Vec<String> {
    let file = case.bytes();
    let mut wrong = Vec::new();
    for route in ROUTES.iter().filter(|route| file.len() <= route.bytes_max) {
        let named = document::refusals(api, "POST", route.path);
        let outcome = (route.send)(client, route.path, &file).and_then(|answer| {
            let (status, slug, code) = case.expected(route.taken_as);
            let problem = refused(&answer, status, &[slug], &named)?;
            ensure!(
                problem["code"] == code,
                "expected the code {code}: {problem}"
            );
            Ok(())
        });
        if let Err(error) = outcome {
            wrong.push(format!("{} to {}: {error:#}", case.name, route.name));
        }
    }
    wrong
}

#[test]
fn every_file_of_the_corpus_is_refused_on_every_route() -> Result<()> {
    let mut host = Options::new().start()?;
    let api = openapi(&Client::new(&host))?;
    let cases = cases();
    ensure!(cases.len() >= 150, "{} cases", cases.len());
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    let note = |mut more: Vec<String>| {
        if let Ok(mut wrong) = wrong.lock() {
            wrong.append(&mut more);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let client = Client::new(&host);
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(index) else { break };
                    note(check_case(&client, case, &api));
                    if index % 32 == 31
                        && let Err(error) = serves(&client)
                    {
                        note(vec![format!(
                            "a good request after {}: {error:#}",
                            case.name
                        )]);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap_or_default();
    ensure!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    let client = Client::new(&host);
    serves(&client)?;
    let kept = client.get(STUDIES)?.expect(200)?.json()?;
    ensure!(
        kept["items"].as_array().is_some_and(Vec::is_empty),
        "something is left: {kept}"
    );
    let peak = cinecor_tests::host::peak_memory_bytes(host.pid())?;
    println!(
        "{} files, {} ways to send them, at most {} MB of memory",
        cases.len(),
        ROUTES.len(),
        peak / 1_000_000
    );
    ensure!(
        peak < PEAK_BYTES,
        "the host took {peak} bytes, at most {PEAK_BYTES} are allowed"
    );
    ensure!(host.is_running(), "the host has ended");
    log_is_calm(&host)
}

#[test]
fn volumes_within_the_limits_that_cannot_be_held_are_refused_and_not_failed_on() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let api = openapi(&client)?;
    // One frame of doubles without a pattern: as large as its bytes when it is compressed, and larger than one value of a store.
    let frame = Nifti::largest_frame(64);
    let answer = client.post(STUDIES, &frame)?;
    refused(
        &answer,
        413,
        &["volume-too-large"],
        &document::refusals(&api, "POST", STUDIES),
    )?;
    // Two masks that need more memory than an instance has, in a few megabytes.
    let mask = Nifti::largest_mask(64, 60);
    let form = Form::new()
        .file("reference", "r", &mask)
        .file("prediction", "p", &mask);
    let answer = post_form(&client, "/api/v1/compare", form)?;
    refused(
        &answer,
        413,
        &["volume-too-large"],
        &document::refusals(&api, "POST", "/api/v1/compare"),
    )?;
    serves(&client)?;
    log_is_calm(&host)
}

/// A study with a segmentation on a host of its own.
fn kept(host: &Host) -> Result<(Client, String, String)> {
    let client = Client::new(host);
    let made = client
        .post(STUDIES, &volumes::small(2, 3, 61)?)?
        .expect(201)?;
    let study = made.header("location").context("no Location")?.to_owned();
    let made = client
        .send("POST", &format!("{study}/segmentations"), &[], None)?
        .expect(201)?;
    let segmentation = made.header("location").context("no Location")?.to_owned();
    Ok((client, study, segmentation))
}

fn nested(open: &str, times: usize) -> Vec<u8> {
    open.repeat(times).into_bytes()
}

#[test]
fn json_that_is_none_or_says_what_cannot_be_changes_nothing() -> Result<()> {
    let host = Options::new().start()?;
    let (client, study, _) = kept(&host)?;
    let api = openapi(&client)?;
    let segmentations = format!("{study}/segmentations");
    let before = (
        client.get(&study)?.json()?,
        client.get(&segmentations)?.json()?,
    );
    const BAD: &[&str] = &["malformed-request"];
    const FIELD: &[&str] = &["invalid-field"];
    const LARGE: &[&str] = &["body-too-large"];
    const MODEL: &[&str] = &["model-unusable"];
    const FRAMES: &[&str] = &["not-measurable", "invalid-field"];
    let mut anywhere: Vec<(u16, &[&str], Vec<u8>)> = vec![
        (400, BAD, nested("[", 60_000)),
        (400, BAD, nested("{\"a\":", 10_000)),
        (400, BAD, nested("[", 1)),
        (413, LARGE, nested("[", 10_000_000)),
        (
            413,
            LARGE,
            [
                b"{\"label\": \"".to_vec(),
                vec![b'x'; 1 << 20],
                b"\"}".to_vec(),
            ]
            .concat(),
        ),
        (400, BAD, b"{\"label\": \"\xff\xfe\"}".to_vec()),
        (400, BAD, b"\xef\xbb\xbf{}".to_vec()),
        (400, BAD, b"\0".to_vec()),
        (400, BAD, vec![0; 1000]),
    ];
    for text in [
        "{",
        "}",
        "nul",
        "{'label': 'x'}",
        "{\"label\": NaN}",
        "{\"label\": 1e999}",
        "{\"label\": \"x\",}",
        "{} {}",
        "{\"label\": \"\\ud800\"}",
        "label=x",
        "<label/>",
        " ",
    ] {
        anywhere.push((400, BAD, text.into()));
    }
    for text in [
        "null",
        "[]",
        "\"text\"",
        "1",
        "true",
        "[{}]",
        "{\"patient_name\": \"x\"}",
        "{\"id\": \"0\"}",
        "{\"\": 1}",
        "{\"__proto__\": {}}",
    ] {
        anywhere.push((422, FIELD, text.into()));
    }
    let long = format!("{{\"label\": \"{}\"}}", "x".repeat(201));
    let mut patches: Vec<(u16, &[&str], Vec<u8>)> = Vec::new();
    for text in [
        "",
        "{}",
        long.as_str(),
        "{\"label\": 1}",
        "{\"label\": []}",
        "{\"label\": \"a\\u0000b\"}",
        "{\"label\": \"a\\nb\"}",
        "{\"consent\": \"yes\"}",
        "{\"consent\": null}",
        "{\"height_cm\": \"180\"}",
        "{\"height_cm\": 1.8}",
        "{\"height_cm\": 1e308}",
        "{\"height_cm\": -1}",
        "{\"height_cm\": 0}",
        "{\"height_cm\": true}",
        "{\"height_cm\": [180]}",
        "{\"height_cm\": {\"value\": 180}}",
        "{\"weight_kg\": 80000}",
        "{\"sex\": \"F\"}",
        "{\"sex\": \"\"}",
        "{\"sex\": 1}",
        "{\"age_years\": 131}",
        "{\"frame_ms\": 0}",
        "{\"ed_frame\": 1.5}",
        "{\"ed_frame\": -1}",
        "{\"ed_frame\": 3}",
        "{\"ed_frame\": 1e18}",
        "{\"ed_frame\": 18446744073709551616}",
        "{\"ed_frame\": 1, \"es_frame\": 1}",
        "{\"subject\": null}",
        "{\"subject\": []}",
        "{\"subject\": {\"name\": \"x\"}}",
        "{\"subject\": {\"label\": \"x\"}}",
        "{\"label\": \"not kept\", \"height_cm\": 1}",
    ] {
        patches.push((422, FIELD, text.into()));
    }
    let mut requests: Vec<(u16, &[&str], Vec<u8>)> = Vec::new();
    for text in [
        "{\"model\": 1}",
        "{\"model\": null}",
        "{\"model\": [\"cinecor-unet\"]}",
        "{\"frames\": []}",
        "{\"frames\": [0, 0]}",
        "{\"frames\": [-1]}",
        "{\"frames\": [1.5]}",
        "{\"frames\": [\"0\"]}",
        "{\"frames\": [[0]]}",
        "{\"frames\": \"some\"}",
        "{\"frames\": 0}",
        "{\"frames\": null}",
        "{\"frames\": {}}",
        "{\"frame\": \"all\"}",
    ] {
        requests.push((422, FIELD, text.into()));
    }
    let many = format!(
        "{{\"frames\": [{}]}}",
        (0..9_000)
            .map(|frame| frame.to_string())
            .collect::<Vec<_>>()
            .join(",")
    );
    for text in [
        "{\"frames\": [3]}",
        "{\"frames\": [18446744073709551615]}",
        "{\"frames\": [4294967296]}",
        many.as_str(),
    ] {
        requests.push((422, FRAMES, text.into()));
    }
    let long = format!("{{\"model\": \"{}\"}}", "x".repeat(10_000));
    for text in [
        "{\"model\": \"\"}",
        "{\"model\": \"absent\"}",
        "{\"model\": \"../../etc/passwd\"}",
        "{\"model\": \"cinecor-unet@../1.0.0\"}",
        "{\"model\": \"cinecor-unet@9.9.9\"}",
        "{\"model\": \"a@b@c\"}",
        "{\"model\": \"cinecor-unet\\u0000\"}",
        long.as_str(),
    ] {
        requests.push((422, MODEL, text.into()));
    }
    for (method, path, template, bodies) in [
        (
            "PATCH",
            &study,
            "/api/v1/studies/{id}",
            anywhere.iter().chain(&patches),
        ),
        (
            "POST",
            &segmentations,
            "/api/v1/studies/{id}/segmentations",
            anywhere.iter().chain(&requests),
        ),
    ] {
        let named = document::refusals(&api, method, template);
        for (status, slugs, body) in bodies {
            let answer = client.send(
                method,
                path,
                &[("content-type", "application/json")],
                Some(body),
            )?;
            let shown: String = String::from_utf8_lossy(body).chars().take(60).collect();
            refused(&answer, *status, slugs, &named)
                .with_context(|| format!("{method} {template} {shown}"))?;
        }
        for (coding, body, status, slugs) in [
            ("gzip", b"{}".to_vec(), 400, BAD),
            ("gzip", packed(&nested("[", 10_000_000)), 413, LARGE),
            ("br", b"{}".to_vec(), 415, &["unsupported-media-type"]),
            (
                "gzip, gzip",
                packed(&packed(b"{}")),
                415,
                &["unsupported-media-type"],
            ),
        ] {
            let headers = [
                ("content-type", "application/json"),
                ("content-encoding", coding),
            ];
            let answer = client.send(method, path, &headers, Some(&body))?;
            refused(&answer, status, slugs, &named)
                .with_context(|| format!("{method} {template} as {coding}"))?;
        }
    }
    assert_eq!(
        before,
        (
            client.get(&study)?.json()?,
            client.get(&segmentations)?.json()?
        ),
        "something was changed"
    );
    log_is_calm(&host)
}

#[test]
fn a_query_that_is_not_as_it_should_be_is_refused_by_the_name_of_the_parameter() -> Result<()> {
    let host = Options::new().start()?;
    let (client, study, segmentation) = kept(&host)?;
    let grey = format!("{study}/slices/0.png");
    let overlaid = format!("{segmentation}/slices/0.png");
    let mask = format!("{segmentation}/mask.nii.gz");
    let volume = volumes::small(1, 1, 3)?;
    let long = "9".repeat(3_000);
    let cases: Vec<(&str, String, &str)> = [
        (
            STUDIES,
            "limit",
            vec![
                "",
                "0",
                "-1",
                "101",
                "1.5",
                "1e1",
                "abc",
                "0x10",
                "+5",
                "%20",
                "%00",
                "99999999999999999999",
                "٣",
                long.as_str(),
                "5&limit=5",
            ],
        ),
        (
            STUDIES,
            "cursor",
            vec!["", "x", "%2e", "AAAA", long.as_str()],
        ),
        ("/api/v1/audit", "limit", vec!["0", "1001", "-1"]),
        ("/api/v1/audit", "cursor", vec!["x", "MS5h"]),
        (
            grey.as_str(),
            "frame",
            vec!["", "-1", "1.0", "1e0", "1000000", "0&frame=0"],
        ),
        (
            grey.as_str(),
            "width",
            vec!["0", "-1", "2049", "1e9", "NaN"],
        ),
        (
            grey.as_str(),
            "window_width",
            vec!["0", "-5", "NaN", "inf", "1e99", "100&window_center=a"],
        ),
        (grey.as_str(), "opacity", vec!["0.5"]),
        (
            overlaid.as_str(),
            "overlay",
            vec!["", "both", "Fill", "fill,contour"],
        ),
        (overlaid.as_str(), "opacity", vec!["2", "-0.1", "half"]),
        (
            overlaid.as_str(),
            "labels",
            vec!["", "0", "4", "1,", "1,1", ",", "1;2", "all"],
        ),
        (mask.as_str(), "frame", vec!["-1", "all", "0,1"]),
        (
            "/api/v1/segment",
            "frames",
            vec!["", "-1", "0,,1", "0,0", "all,0", "ALL", "1-3"],
        ),
        ("/api/v1/segment", "previews", vec!["", "yes", "1"]),
        (
            "/api/v1/segment",
            "model",
            vec!["", "../x", "a@", "@1", "a@b@c"],
        ),
        ("/api/v1/openapi.json", "x", vec!["1"]),
        ("/problems/", "q", vec!["1"]),
        (study.as_str(), "fields", vec!["all"]),
    ]
    .into_iter()
    .flat_map(|(path, name, values)| {
        values
            .into_iter()
            .map(move |value| (path, format!("{name}={value}"), name))
    })
    .chain([
        (STUDIES, "limit".to_owned(), "limit"),
        (STUDIES, "LIMIT=1".to_owned(), "LIMIT"),
        (STUDIES, "limit[]=1".to_owned(), "limit[]"),
        (STUDIES, "=1".to_owned(), ""),
    ])
    .collect();
    for (path, query, name) in &cases {
        let request = format!("{path}?{query}");
        let answer = match path.ends_with("segment") {
            true => client.post(&request, &volume)?,
            false => raw_get(&host, &request, "")?,
        };
        let shown: String = request.chars().take(120).collect();
        let answer = answer.expect(400).with_context(|| shown.clone())?;
        ensure!(
            answer.problem()? == "invalid-parameter",
            "{shown}: {}",
            answer.text()
        );
        let problem = answer.json()?;
        let named = problem["parameter"].as_str().unwrap_or_default();
        // Of a window that is half there, the other half is what is missing.
        ensure!(
            named == *name || (named.starts_with("window_") && name.starts_with("window_")),
            "{shown}: {problem}"
        );
        wording::check(problem["detail"].as_str().unwrap_or_default())?;
    }
    for query in ["limit=%", "limit=%zz", "%ff=1", "limit=%ff"] {
        let answer = raw_get(&host, &format!("{STUDIES}?{query}"), "")?.expect(400)?;
        ensure!(
            answer.problem()? == "invalid-parameter",
            "{query}: {}",
            answer.text()
        );
    }
    for query in ["", "&&", "limit=1&"] {
        client.get(&format!("{STUDIES}?{query}"))?.expect(200)?;
    }
    for (fact, values) in [
        (
            "height_cm",
            vec!["1.8", "NaN", "inf", "tall", "-180", "1e300", "180cm"],
        ),
        ("weight_kg", vec!["0", "1e9"]),
        ("sex", vec!["F", "unknown"]),
        ("age_years", vec!["-1", "131"]),
        ("heart_rate_bpm", vec!["9", "401"]),
        ("frame_ms", vec!["0", "2001"]),
        ("ed_frame", vec!["-1", "1.5", "1", "1000000"]),
        ("es_frame", vec!["-1", "x", "1"]),
    ] {
        for path in ["/api/v1/segment", STUDIES, "/api/v1/measure"] {
            let file = if path.ends_with("measure") {
                Nifti::one().with_frames(1).bytes()
            } else {
                volume.clone()
            };
            for value in &values {
                let named = |answer: Answer| -> Result<()> {
                    let answer = answer.expect(422)?;
                    ensure!(
                        answer.problem()? == "invalid-field" && answer.json()?["field"] == fact,
                        "{}",
                        answer.text()
                    );
                    wording::check(answer.json()?["detail"].as_str().unwrap_or_default())
                };
                client
                    .post(&format!("{path}?{fact}={value}"), &file)
                    .and_then(named)
                    .with_context(|| format!("{path} {fact}={value}"))?;
                let form = Form::new()
                    .file("file", "x", &file)
                    .field(fact, value.as_bytes());
                post_form(&client, path, form)
                    .and_then(named)
                    .with_context(|| format!("{path} {fact}={value} in a form"))?;
            }
        }
    }
    log_is_calm(&host)
}

/// A `GET` whose target and further header lines are written as they are.
fn raw_get(host: &Host, target: &str, lines: &str) -> Result<Answer> {
    let request = format!(
        "GET {target} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{lines}\r\n",
        host.authority()
    );
    exchange(host.authority(), request.as_bytes())?.context("no answer")
}

#[test]
fn an_address_that_leads_nowhere_is_404_however_it_is_written() -> Result<()> {
    let host = Options::new().start()?;
    let (client, study, segmentation) = kept(&host)?;
    let other = client
        .post(STUDIES, &volumes::small(1, 1, 5)?)?
        .expect(201)?;
    let other = other.header("location").context("no Location")?.to_owned();
    let sid = segmentation.rsplit('/').next().unwrap_or_default();
    let upper = study.to_uppercase().replace("/API/V1/STUDIES", STUDIES);
    let long = "a".repeat(4_000);
    let mut targets: Vec<String> = [
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v2/studies",
        "/api/v1/studies/",
        "/api/v1/studies/42",
        "/api/v1//studies",
        "//api/v1/studies",
        "/api/v1/studies/%00",
        "/api/v1/studies/../studies",
        "/api/v1/studies/%2e%2e/%2e%2e/etc/passwd",
        "/api/v1/./studies",
        "/api/v1/models/..%2f..%2fetc/versions/1",
        "/api/v1/models/cinecor-unet/versions/..",
        "/api/v1/models/CINECOR-UNET",
        "/../spin.toml",
        "/%2e%2e/spin.toml",
        "/scripts/../../cinecor.toml",
        "/.git/config",
        "/.env",
        "/index.html/",
        "/frontend/index.html",
        "/demo/../../Cargo.toml",
        "/problems/..",
        "/problems/Not-Found",
        "/wp-login.php",
        "/metrics",
        "/scripts/",
        "/scripts/main.js%00",
    ]
    .map(str::to_owned)
    .into();
    targets.extend([
        upper,
        format!("{study}x"),
        format!("{study}/"),
        format!("{study}/volume.nii"),
        format!("{study}/slices/-1.png"),
        format!("{study}/slices/1.5.png"),
        format!("{study}/slices/999999999999.png"),
        format!("{study}/slices/2.png"),
        format!("{study}/slices/0.jpg"),
        format!("{study}/slices/0.png?frame=3"),
        format!("{segmentation}/mask.nii.gz?frame=3"),
        format!("{segmentation}/mask"),
        format!("{other}/segmentations/{sid}"),
        format!("{other}/segmentations/{sid}/mask.nii.gz"),
        format!("{other}/segmentations/{sid}/metrics"),
        format!("{other}/segmentations/{sid}/report"),
        format!("{other}/segmentations/{sid}/slices/0.png"),
        format!("{STUDIES}/{long}"),
        format!("/api/v1/models/{long}"),
        format!("/problems/{long}"),
    ]);
    for target in targets {
        let shown: String = target.chars().take(100).collect();
        let answer = raw_get(&host, &target, "")?
            .expect(404)
            .with_context(|| shown.clone())?;
        ensure!(
            answer.problem()? == "not-found",
            "{shown}: {}",
            answer.text()
        );
        wording::check(answer.json()?["detail"].as_str().unwrap_or_default())
            .with_context(|| shown)?;
    }
    let answer = raw_get(&host, &format!("/{}", "a".repeat(9_000)), "")?.expect(414)?;
    ensure!(answer.problem()? == "address-too-long", "{}", answer.text());
    log_is_calm(&host)
}

#[test]
fn headers_that_say_nonsense_are_refused_or_passed_over_and_never_failed_on() -> Result<()> {
    let host = Options::new().start()?;
    let (client, study, _) = kept(&host)?;
    let volume = format!("{study}/volume.nii.gz");
    let accepts = format!("accept: {}*/*;q=0.1\r\n", "text/x;q=0.1, ".repeat(3_000));
    let tags = format!(
        "if-none-match: {}\"x\"\r\n",
        "\"0123456789abcdef\", ".repeat(2_000)
    );
    let ranges = format!("range: bytes={}0-1\r\n", "0-1,".repeat(5_000));
    for (lines, statuses) in [
        (accepts.as_str(), [200].as_slice()),
        ("accept: \r\n", &[200]),
        ("accept: ;;;,,,q=\r\n", &[406]),
        ("accept: audio/*\r\n", &[406]),
        ("accept: application/x-nifti;q=0, */*;q=0\r\n", &[406]),
        ("accept: \"\r\n", &[406]),
        (tags.as_str(), &[200]),
        ("if-none-match: \"\r\n", &[200]),
        ("if-none-match: ,,,\r\n", &[200]),
        ("if-none-match: *\r\n", &[304]),
        (ranges.as_str(), &[200]),
        ("range: bytes=\r\n", &[200]),
        ("range: bytes=-\r\n", &[200]),
        ("range: bytes=a-b\r\n", &[200]),
        ("range: bytes=5-2\r\n", &[200]),
        ("range: lines=1-2\r\n", &[200]),
        ("range: bytes=0-0,2-3\r\n", &[200]),
        ("range: bytes=18446744073709551615-\r\n", &[416]),
        ("range: bytes=99999999999999999999-\r\n", &[200, 416]),
        ("range: bytes=-0\r\n", &[416]),
        ("range: bytes=0-1\r\nif-range: nonsense\r\n", &[200]),
        ("range: bytes=0-18446744073709551615\r\n", &[206]),
        ("x-request-id: DOE^JANE\r\n", &[200]),
        ("authorization: Bearer\r\n", &[200]),
        ("content-type: \r\n", &[200]),
        ("host: localhost\r\n", &[400]),
        ("origin: https://elsewhere.example\r\n", &[403]),
        ("origin: null\r\n", &[403]),
        ("sec-fetch-site: cross-site\r\n", &[403]),
    ] {
        let shown: String = lines.chars().take(60).collect();
        let answer = raw_get(&host, &volume, lines).with_context(|| shown.clone())?;
        ensure!(
            statuses.contains(&answer.status),
            "{shown}: {} {}",
            answer.status,
            answer.text()
        );
        ensure!(
            answer
                .header("x-request-id")
                .is_some_and(|id| !id.contains('^')),
            "{shown}: {:?}",
            answer.headers
        );
        if answer.status >= 400 {
            answer.problem().with_context(|| shown)?;
        }
    }
    for (name, value, status, slug) in [
        ("content-type", "nonsense", 400, "malformed-request"),
        (
            "content-type",
            "multipart/form-data",
            400,
            "malformed-request",
        ),
        (
            "content-type",
            "multipart/form-data; boundary=",
            400,
            "malformed-request",
        ),
        (
            "content-type",
            "multipart/form-data; boundary=\"unclosed",
            400,
            "malformed-request",
        ),
        (
            "content-type",
            "multipart/mixed; boundary=x",
            415,
            "unsupported-media-type",
        ),
        (
            "content-type",
            "application/json",
            415,
            "unsupported-media-type",
        ),
        ("content-type", "text/html", 415, "unsupported-media-type"),
        ("content-encoding", "br", 415, "unsupported-media-type"),
        (
            "content-encoding",
            "gzip, gzip",
            415,
            "unsupported-media-type",
        ),
        ("content-encoding", "gzip", 400, "malformed-request"),
    ] {
        for path in ["/api/v1/segment", STUDIES, "/api/v1/measure"] {
            let what = format!("{path} {name}: {value}");
            let answer =
                client.send("POST", path, &[(name, value)], Some(&Nifti::one().bytes()))?;
            let answer = answer.expect(status).with_context(|| what.clone())?;
            ensure!(answer.problem()? == slug, "{what}: {}", answer.text());
            wording::check(answer.json()?["detail"].as_str().unwrap_or_default())
                .with_context(|| what)?;
        }
    }
    serves(&client)?;
    log_is_calm(&host)
}

#[test]
fn bytes_that_are_no_http_end_their_connection_and_nothing_else() -> Result<()> {
    let mut host = Options::new().start()?;
    let client = Client::new(&host);
    let authority = host.authority().to_owned();
    let post = |lines: &str, body: &[u8]| {
        let head = format!(
            "POST /api/v1/measure HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n{lines}\r\n"
        );
        [head.as_bytes(), body].concat()
    };
    let many = (0..200)
        .map(|n| format!("x-{n}: y\r\n"))
        .collect::<String>();
    let requests: Vec<(&str, Vec<u8>)> = vec![
        ("noise", (0..200u32).map(|n| (n * 97 % 251) as u8).chain(*b"\r\n\r\n").collect()),
        ("a TLS hello", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n".to_vec()),
        ("no version", b"GET /\r\n\r\n".to_vec()),
        ("an unknown version", b"GET / HTTP/9.9\r\nhost: x\r\n\r\n".to_vec()),
        ("no host", b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n".to_vec()),
        ("another host", b"GET /api/v1/studies HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n".to_vec()),
        ("an absolute target", b"GET http://evil.example/api/v1/studies HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".to_vec()),
        ("a star", format!("GET * HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n").into_bytes()),
        ("CONNECT", b"CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n".to_vec()),
        ("a NUL in a header", post("x: a\0b\r\n", b"")),
        ("a header without a colon", post("nonsense\r\n", b"")),
        ("a negative length", post("content-length: -1\r\n", b"x")),
        ("a length in words", post("content-length: many\r\n", b"x")),
        ("a length above all numbers", post("content-length: 99999999999999999999\r\n", b"x")),
        ("two lengths", post("content-length: 1\r\ncontent-length: 2\r\n", b"xy")),
        ("a chunk of no size", post("transfer-encoding: chunked\r\n", b"zz\r\nabc\r\n0\r\n\r\n")),
        ("a chunk of all memory", post("transfer-encoding: chunked\r\n", b"ffffffffffffffff\r\nabc\r\n0\r\n\r\n")),
        ("an unknown transfer coding", post("transfer-encoding: nonsense\r\n", b"x")),
        ("300 KB of headers", post(&format!("x: {}\r\n", "y".repeat(300_000)), b"")),
        ("200 headers", post(&many, b"")),
    ];
    for (name, request) in requests {
        // Without an answer the connection was closed, which is an answer to what is no request.
        if let Some(answer) = exchange(&authority, &request).with_context(|| name.to_owned())? {
            ensure!(
                (400..500).contains(&answer.status),
                "{name}: {} {}",
                answer.status,
                answer.text()
            );
            if !answer.body.is_empty() {
                answer.problem().with_context(|| name.to_owned())?;
            }
        }
        client.get("/api/v1/health/live")?.expect(200)?;
    }
    // What is left open says nothing and costs nobody else anything.
    let mut silent = Vec::new();
    for _ in 0..100 {
        let mut connection = Connection::open(&authority)?;
        connection.write(b"GET / HT");
        silent.push(connection);
    }
    serves(&client)?;
    drop(silent);
    ensure!(host.is_running(), "the host has ended");
    log_is_calm(&host)
}

#[test]
fn a_body_above_a_limit_is_told_the_limit() -> Result<()> {
    let host = Options::new()
        .variable("max_body_bytes", "100000")
        .setting("limits", "body_bytes_max", 200_000)
        .start()?;
    let client = Client::new(&host);
    let authority = host.authority().to_owned();
    let good = Nifti::one().bytes();
    for path in [
        "/api/v1/segment",
        STUDIES,
        "/api/v1/measure",
        "/api/v1/compare",
    ] {
        for (length, limit) in [
            (100_001, 100_000),
            (200_001, 200_000),
            (1_000_000_000_000u64, 200_000),
        ] {
            let request = format!(
                "POST {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\ncontent-type: {}\r\ncontent-length: {length}\r\n\r\n",
                Form::content_type()
            );
            let answer = exchange(&authority, request.as_bytes())?
                .context("no answer")?
                .expect(413)?;
            is_told(&answer, limit).with_context(|| format!("{path} of {length} bytes"))?;
        }
        // A body of no declared length is read until it passes the limit. It starts as a good one does.
        let form = Form::new()
            .file("reference", "r", &good)
            .file("prediction", "p", &[&good[..], &vec![0; 150_000]].concat())
            .finish();
        let file = [&good[..352], &vec![0; 150_000]].concat();
        let (media, body) = if path.ends_with("compare") {
            (Form::content_type(), form)
        } else {
            (BYTES.to_owned(), file)
        };
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\ncontent-type: {media}\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        .into_bytes();
        for chunk in body.chunks(10_000) {
            request.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            request.extend(chunk);
            request.extend(b"\r\n");
        }
        request.extend(b"0\r\n\r\n");
        let answer = exchange(&authority, &request)?.context("no answer")?;
        // What follows the last voxel may be seen first.
        ensure!(
            [413, 422].contains(&answer.status),
            "{path} in chunks: {} {}",
            answer.status,
            answer.text()
        );
        answer.problem()?;
    }
    serves(&client)?;
    log_is_calm(&host)
}

/// The limit stands in the text and beside it.
fn is_told(answer: &Answer, limit: u64) -> Result<()> {
    ensure!(answer.problem()? == "body-too-large", "{}", answer.text());
    let problem = answer.json()?;
    ensure!(problem["limit_bytes"] == limit, "{problem}");
    let detail = problem["detail"].as_str().unwrap_or_default();
    ensure!(detail.contains(&limit.to_string()), "{detail}");
    Ok(())
}

#[test]
fn forms_that_are_none_or_hold_what_they_should_not_are_refused() -> Result<()> {
    let host = Options::new().variable("max_files", "5").start()?;
    let client = Client::new(&host);
    let api = openapi(&client)?;
    let good = Nifti::one().bytes();
    let whole = Form::new()
        .field("height_cm", b"180")
        .file("file", "x.nii", &good)
        .finish();
    let boundary = whole
        .split(|byte| *byte == b'\r')
        .next()
        .unwrap_or_default()
        .to_vec();
    let mut bodies: Vec<(String, Vec<u8>, u16, &str)> = vec![
        ("nothing".into(), Vec::new(), 400, "malformed-request"),
        ("no boundary".into(), good.clone(), 400, "malformed-request"),
        (
            "no parts".into(),
            Form::new().finish(),
            422,
            "invalid-field",
        ),
        (
            "another boundary".into(),
            b"--other\r\n\r\n\r\n--other--\r\n".to_vec(),
            400,
            "malformed-request",
        ),
        (
            "no file".into(),
            Form::new().field("height_cm", b"180").finish(),
            422,
            "invalid-field",
        ),
        (
            "two files".into(),
            Form::new()
                .file("file", "a", &good)
                .file("file", "b", &good)
                .finish(),
            422,
            "invalid-field",
        ),
        (
            "an unknown field".into(),
            Form::new()
                .field("patient_name", b"x")
                .file("file", "a", &good)
                .finish(),
            422,
            "invalid-field",
        ),
        (
            "a field without a name".into(),
            Form::new().part("form-data", b"x").finish(),
            422,
            "invalid-field",
        ),
        (
            "a part that is no form-data".into(),
            Form::new()
                .part("attachment; name=\"height_cm\"", b"180")
                .finish(),
            422,
            "invalid-field",
        ),
        (
            "a long field".into(),
            Form::new().field("height_cm", &[b'1'; 10_000]).finish(),
            422,
            "invalid-field",
        ),
        (
            "a field that is no text".into(),
            Form::new().field("height_cm", b"\xff\xfe").finish(),
            422,
            "invalid-field",
        ),
        (
            "too many parts".into(),
            (0..7)
                .fold(Form::new(), |form, _| form.field("height_cm", b"180"))
                .finish(),
            413,
            "body-too-large",
        ),
        (
            "headers without an end".into(),
            [
                &boundary[..],
                b"\r\nContent-Disposition: form-data; name=\"file\"\r\nx: ",
                &vec![b'y'; 200_000],
            ]
            .concat(),
            400,
            "malformed-request",
        ),
    ];
    for share in [1, 2, 3, 4, 5, 6, 7] {
        let mut cut = whole.clone();
        cut.truncate(whole.len() * share / 8);
        bodies.push((
            format!("cut after {share} eighths"),
            cut,
            400,
            "malformed-request",
        ));
    }
    for path in ["/api/v1/segment", STUDIES, "/api/v1/measure"] {
        let named = document::refusals(&api, "POST", path);
        for (name, body, status, slug) in &bodies {
            let answer = client.send(
                "POST",
                path,
                &[("content-type", &Form::content_type())],
                Some(body),
            )?;
            // A field told twice is refused where there is no room for more parts either.
            let also = if name == "too many parts" && answer.status == 422 {
                (422, "invalid-field")
            } else {
                (*status, *slug)
            };
            refused(&answer, also.0, &[also.1], &named)
                .with_context(|| format!("{path}: {name}"))?;
        }
        for file_name in ["../../etc/passwd", "C:\\\\heart.nii", "\u{1f494}.nii", ""] {
            let form = Form::new().file("file", file_name, &volumes::small(1, 1, 1)?);
            let answer = post_form(&client, path, form)?;
            // Noise of three grey values is no mask; all else is well.
            ensure!(
                [200, 201, 422].contains(&answer.status) && answer.status != 500,
                "{path} {file_name}: {}",
                answer.text()
            );
        }
    }
    log_is_calm(&host)
}

#[test]
fn a_body_that_stops_coming_is_told_so_on_every_route() -> Result<()> {
    let host = Options::new()
        .setting("limits", "body_stall_ms", 300)
        .start()?;
    let authority = host.authority().to_owned();
    let good = Nifti::one().bytes();
    let form = Form::new()
        .file("reference", "r", &good)
        .file("prediction", "p", &good)
        .finish();
    let file = Form::new().file("file", "x", &good).finish();
    let form_type = Form::content_type();
    let bodies = [
        ("/api/v1/segment", BYTES, &good),
        ("/api/v1/segment", form_type.as_str(), &file),
        (STUDIES, BYTES, &good),
        (STUDIES, form_type.as_str(), &file),
        ("/api/v1/measure", BYTES, &good),
        ("/api/v1/measure", form_type.as_str(), &file),
        ("/api/v1/compare", form_type.as_str(), &form),
    ];
    let answers: Vec<Result<()>> = std::thread::scope(|scope| {
        let mut clients = Vec::new();
        for (path, media, body) in bodies {
            // The end of a form is all there without its last line end.
            for sent in [0, 1, 100, body.len() / 2, body.len() - 5] {
                let authority = &authority;
                clients.push(scope.spawn(move || -> Result<()> {
                    let mut connection = Connection::open(authority)?;
                    let head = format!(
                        "POST {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\ncontent-type: {media}\r\ncontent-length: {}\r\n\r\n",
                        body.len()
                    );
                    connection.write(head.as_bytes());
                    connection.write(body.get(..sent).unwrap_or_default());
                    let what = || format!("{path} as {media} after {sent} bytes");
                    let answer = connection.answer()?.with_context(what)?.expect(408).with_context(what)?;
                    ensure!(answer.problem()? == "body-stalled", "{}", answer.text());
                    wording::check(answer.json()?["detail"].as_str().unwrap_or_default())
                }));
            }
        }
        clients
            .into_iter()
            .map(|client| {
                client
                    .join()
                    .unwrap_or_else(|_| Err(anyhow::anyhow!("a client panicked")))
            })
            .collect()
    });
    answers.into_iter().collect::<Result<()>>()?;
    let client = Client::new(&host);
    let kept = client.get(STUDIES)?.expect(200)?.json()?;
    ensure!(
        kept["items"].as_array().is_some_and(Vec::is_empty),
        "something is left: {kept}"
    );
    log_is_calm(&host)
}

/// A name that stands wherever a file or a request can hold one.
const NAME: &str = "DOE^JANE";

fn holds_name(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, NAME.as_bytes()).is_some()
}

fn inflated(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain)?;
    Ok(plain)
}

#[test]
fn a_name_in_a_header_is_neither_kept_nor_told_nor_logged() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let mut answers: Vec<(String, Answer)> = Vec::new();
    for (form, file) in [("NIfTI-1", Nifti::one()), ("NIfTI-2", Nifti::two())] {
        let file = file.with_name(NAME).bytes();
        ensure!(holds_name(&file), "the file does not hold the name");
        let segmented = client
            .post_as("/api/v1/segment", &file, "application/x-nifti")?
            .expect(200)?;
        answers.push((format!("{form}: mask of the one shot"), segmented));
        answers.push((
            format!("{form}: one shot"),
            client
                .post("/api/v1/segment?previews=true", &file)?
                .expect(200)?,
        ));
        answers.push((
            format!("{form}: events"),
            client
                .post_as("/api/v1/segment", &file, "text/event-stream")?
                .expect(200)?,
        ));
        answers.push((
            format!("{form}: numbers"),
            client.post("/api/v1/measure", &file)?.expect(200)?,
        ));
        answers.push((
            format!("{form}: agreement"),
            as_reference(&client, "/api/v1/compare", &file)?.expect(200)?,
        ));
        let posted = Form::new().file("file", &format!("{NAME}.nii"), &file);
        let made = post_form(&client, STUDIES, posted)?.expect(201)?;
        let study = made.header("location").context("no Location")?.to_owned();
        answers.push((format!("{form}: study"), made));
        let made = client
            .send("POST", &format!("{study}/segmentations"), &[], None)?
            .expect(201)?;
        let segmentation = made.header("location").context("no Location")?.to_owned();
        answers.push((format!("{form}: segmentation"), made));
        for path in [
            study.clone(),
            format!("{study}/volume.nii.gz"),
            format!("{study}/slices/0.png"),
            segmentation.clone(),
            format!("{segmentation}/mask.nii.gz"),
            format!("{segmentation}/metrics"),
            format!("{segmentation}/report"),
            format!("{segmentation}/slices/0.png"),
            STUDIES.to_owned(),
            "/api/v1/audit".to_owned(),
        ] {
            answers.push((format!("{form}: {path}"), client.get(&path)?.expect(200)?));
        }
        // A file that is refused is not quoted either.
        let mut cut = file.clone();
        cut.pop();
        answers.push((
            format!("{form}: a cut file"),
            client.post(STUDIES, &cut)?.expect(422)?,
        ));
    }
    for (what, answer) in &answers {
        let body = if answer.body.starts_with(&[0x1f, 0x8b]) {
            inflated(&answer.body)?
        } else {
            answer.body.clone()
        };
        ensure!(
            !holds_name(&body) && !holds_name(&answer.body),
            "{what} holds the name"
        );
        ensure!(
            !answer.headers.iter().any(|(_, value)| value.contains(NAME)),
            "{what} holds the name in a header"
        );
    }
    // Wherever a caller may put a name, the log is not told.
    client
        .post(&format!("{STUDIES}?label={NAME}"), &Nifti::one().bytes())?
        .expect(201)?;
    raw_get(&host, &format!("{STUDIES}?{NAME}=1"), "")?.expect(400)?;
    raw_get(&host, &format!("{STUDIES}?cursor={NAME}"), "")?.expect(400)?;
    raw_get(
        &host,
        &format!("{STUDIES}/{NAME}"),
        &format!("x-request-id: {NAME}\r\nuser-agent: {NAME}\r\n"),
    )?
    .expect(404)?;
    raw_get(&host, &format!("/{NAME}.nii.gz"), "")?.expect(404)?;
    let unknown =
        Form::new()
            .field(NAME, NAME.as_bytes())
            .file("file", NAME, &Nifti::one().bytes());
    post_form(&client, STUDIES, unknown)?.expect(422)?;
    client.send(
        "POST",
        "/api/v1/segment",
        &[("content-type", &format!("text/{NAME}"))],
        Some(NAME.as_bytes()),
    )?;
    client
        .post(
            &format!("/api/v1/segment?model={NAME}"),
            &Nifti::one().bytes(),
        )?
        .expect(400)?;
    ensure!(!host.log().contains(NAME), "the log holds the name");
    log_is_calm(&host)
}
