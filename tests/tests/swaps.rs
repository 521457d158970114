//! Models and model components that are swapped while requests are under way.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use cinecor_tests::client::{Answer, Client};
use cinecor_tests::host::Options;
use cinecor_tests::packages::{NAME, Package, address};
use cinecor_tests::raw::Connection;
use cinecor_tests::soak::Soak;
use cinecor_tests::swapping::{Application, guest, reload, reloaded};
use cinecor_tests::under_load::{UnderLoad, segment};
use cinecor_tests::volumes;
use serde_json::json;

/// How long a watched file may take to be noticed, compiled and tried.
const WATCH_PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn another_component_takes_over_and_one_that_is_no_model_does_not() -> Result<()> {
    let application = Application::with_model("model-unet")?;
    let host = application.options().start()?;
    let client = Client::new(&host);
    let volume = volumes::small(2, 1, 1)?;
    let first = segment(&client, &volume)?;
    let (content, said) = reload(&host)?;
    ensure!(content && said.contains("nothing has changed"), "{said}");

    for bad in [b"no component".to_vec(), guest("site")?] {
        application.put(&bad)?;
        let (content, said) = reload(&host)?;
        ensure!(!content && said.contains("refused"), "{said}");
        ensure!(segment(&client, &volume)? == first);
    }

    application.put(&guest("model-shift")?)?;
    reloaded(&host)?;
    let second = segment(&client, &volume)?;
    ensure!(second.0 == first.0, "the weights are the same");
    ensure!(second.1 != first.1, "the component is another");
    ensure!(segment(&client, &volume)? == second);
    client.get("/api/v1/health/ready")?.expect(200)?;

    application.put(&guest("model-unet")?)?;
    reloaded(&host)?;
    ensure!(segment(&client, &volume)? == first);
    Ok(())
}

#[test]
fn a_watched_component_takes_over_by_itself() -> Result<()> {
    let application = Application::with_model("model-unet")?;
    let host = application.options().argument("--watch").start()?;
    let client = Client::new(&host);
    let volume = volumes::small(1, 1, 1)?;
    let first = segment(&client, &volume)?;
    application.put(&guest("model-shift")?)?;
    let until = Instant::now() + WATCH_PATIENCE;
    while segment(&client, &volume)?.1 == first.1 {
        ensure!(Instant::now() < until, "nothing happened: {}", host.log());
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// What model-rogue does: the rows of a slice and the version of a package that have it do so, and what a request of it may be answered with.
const MISDEEDS: [(usize, &str, &[u16]); 3] = [
    (TRAPS, "66.6.1", &[500]),
    (62, "66.6.2", &[504]),
    // Out of memory is told as such where the host sees it first, and memory takes its time on a busy machine.
    (63, "66.6.3", &[500, 503, 504]),
];

/// The rows of a slice on which model-rogue traps, and those on which it says that it failed.
const TRAPS: usize = 61;
const FAILS: usize = 65;

/// The version of a package with which model-rogue answers otherwise each time.
const WAVERS: &str = "66.6.4";

/// Asks `bad`, which has to be answered with a problem of one of these statuses, and serves others while it goes on.
fn costs_itself_alone(
    client: &Client,
    statuses: &[u16],
    bad: impl FnOnce() -> Result<Answer> + Send,
) -> Result<()> {
    let good = volumes::of_size(1, 1, 60)?;
    std::thread::scope(|scope| -> Result<()> {
        let hurt = scope.spawn(bad);
        let mut served = 0;
        while served < 5 || !hurt.is_finished() {
            client.post("/api/v1/segment", &good)?.expect(200)?;
            client.get("/api/v1/health/live")?.expect(200)?;
            served += 1;
        }
        let answer = hurt.join().map_err(|_| anyhow!("a client panicked"))??;
        ensure!(
            statuses.contains(&answer.status),
            "{} is none of {statuses:?}: {}",
            answer.status,
            answer.text()
        );
        answer.problem()?;
        Ok(())
    })?;
    client.post("/api/v1/segment", &good)?.expect(200)?;
    Ok(())
}

/// Little time and memory for what computes.
fn in_bounds(application: &Application) -> Options {
    let mut settings = toml::Table::new();
    settings.insert("concurrency".to_owned(), 1.into());
    settings.insert("at_work_max".to_owned(), 12.into());
    settings.insert("request_deadline_ms".to_owned(), 8_000.into());
    settings.insert("instance_memory_bytes_max".to_owned(), (256 << 20).into());
    let segment = settings.clone();
    settings.insert("probe".to_owned(), "/api/v1/health/ready".into());
    let options = application.options();
    options
        .setting("component", "segment", segment)
        .setting("component", "models", settings)
}

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

#[test]
fn a_component_that_traps_loops_or_hoards_costs_its_own_request_only() -> Result<()> {
    let application = Application::with_model("model-rogue")?;
    let host = in_bounds(&application).start()?;
    let client = Client::new(&host);
    for (rows, _, statuses) in MISDEEDS {
        let bad = volumes::of_size(1, 1, rows)?;
        costs_itself_alone(&client, statuses, || client.post("/api/v1/segment", &bad))?;
        // Of a kept study the study stays, without a segmentation, and asking again is no conflict.
        let study = client.post("/api/v1/studies", &bad)?.expect(201)?;
        let study = study.header("location").unwrap_or_default().to_owned();
        let segmentations = format!("{study}/segmentations");
        for _ in 0..2 {
            costs_itself_alone(&client, statuses, || {
                client.send("POST", &segmentations, &JSON, Some(b"{}"))
            })?;
        }
        let list = client.get(&segmentations)?.expect(200)?.json()?;
        assert_eq!(list["items"], json!([]));
        client.get(&format!("{study}/volume.nii.gz"))?.expect(200)?;
        client.delete(&study)?.expect(204)?;
    }
    client.get("/api/v1/health/ready")?.expect(200)?;
    Ok(())
}

#[test]
fn a_model_that_fails_is_told_while_the_body_is_still_to_come() -> Result<()> {
    let application = Application::with_model("model-rogue")?;
    let host = in_bounds(&application).start()?;
    let client = Client::new(&host);
    for (rows, status, problem) in [(TRAPS, 500, "internal"), (FAILS, 502, "engine-failed")] {
        // More of it than is held until its turn comes, with the first frame whole; the rest is never sent.
        let file = volumes::of_size(64, 60, rows)?;
        let sent = file.get(..12 << 20).context("a file of 12 MiB")?;
        let mut connection = Connection::open(host.authority())?;
        let head = format!(
            "POST /api/v1/segment HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            file.len()
        );
        connection.write(head.as_bytes());
        connection.write(sent);
        let answer = connection.answer()?.context("no answer")?.expect(status)?;
        assert_eq!(answer.problem()?, problem);
        client
            .post("/api/v1/segment", &volumes::of_size(1, 1, 60)?)?
            .expect(200)?;
    }
    Ok(())
}

#[test]
fn a_component_that_fails_while_an_upload_is_tried_costs_that_upload_alone() -> Result<()> {
    let application = Application::with_model("model-rogue")?;
    let host = in_bounds(&application).start()?;
    let client = Client::new(&host);
    let put = |version: &str, archive: &[u8]| -> Result<Answer> {
        client.send("PUT", &address(version), &[], Some(archive))
    };
    for (_, version, statuses) in MISDEEDS {
        let archive = Package::of_version(version)?.zip()?;
        costs_itself_alone(&client, statuses, || put(version, &archive))?;
        client.get(&address(version))?.expect(404)?;
        // It told nobody of its end: the next one of the same version is told how long that is waited for.
        let again = put(version, &archive)?.expect(409)?;
        assert_eq!(again.problem()?, "conflict");
        assert_eq!(again.header("retry-after"), Some("30"));
    }
    let good = Package::of_version("77.0.0")?.zip()?;
    put("77.0.0", &good)?.expect(201)?;
    client.get("/api/v1/health/ready")?.expect(200)?;
    Ok(())
}

#[test]
fn a_component_that_answers_otherwise_when_it_is_asked_twice_at_once_is_refused_a_package()
-> Result<()> {
    let application = Application::with_model("model-rogue")?;
    let host = in_bounds(&application).start()?;
    let client = Client::new(&host);
    let archive = Package::of_version(WAVERS)?.zip()?;
    let answer = client
        .send("PUT", &address(WAVERS), &[], Some(&archive))?
        .expect(422)?;
    assert!(
        answer.text().contains("asked twice at once"),
        "{}",
        answer.text()
    );
    client.get(&address(WAVERS))?.expect(404)?;
    Ok(())
}

#[test]
fn a_component_that_fails_while_a_version_or_it_itself_is_tried_changes_nothing() -> Result<()> {
    let application = Application::with_model("model-unet")?;
    let host = in_bounds(&application).start()?;
    let client = Client::new(&host);
    let volume = volumes::of_size(1, 1, 60)?;
    let activate = |version: &str| -> Result<Answer> {
        let address = format!("{}/activate", address(version));
        client.send("POST", &address, &[], None)
    };
    for (_, version, _) in MISDEEDS {
        let archive = Package::of_version(version)?.zip()?;
        client
            .send("PUT", &address(version), &[], Some(&archive))?
            .expect(201)?;
    }
    let models = client
        .get(&format!("/api/v1/models/{NAME}"))?
        .expect(200)?
        .json()?;
    let shipped = models["items"][0]["active_version"].as_str();
    let shipped = shipped.context("no active version")?.to_owned();

    // With such a version active, the component that fails with it is refused by its trial.
    for (_, version, _) in MISDEEDS {
        activate(version)?.expect(200)?;
        let before = segment(&client, &volume)?;
        application.put(&guest("model-rogue")?)?;
        let (content, said) = reload(&host)?;
        ensure!(!content && said.contains("refused"), "{said}");
        ensure!(segment(&client, &volume)? == before);
    }
    activate(&shipped)?.expect(200)?;

    // Where it serves already, the version is refused by its warm-up.
    reloaded(&host)?;
    let before = segment(&client, &volume)?;
    let shadow = format!("/api/v1/models/{NAME}/shadow");
    for (_, version, statuses) in MISDEEDS {
        costs_itself_alone(&client, statuses, || activate(version))?;
        let body = json!({ "version": version }).to_string();
        costs_itself_alone(&client, statuses, || {
            client.send("PUT", &shadow, &JSON, Some(body.as_bytes()))
        })?;
        ensure!(segment(&client, &volume)? == before);
        let told = client.get(&shadow)?.expect(200)?.json()?;
        ensure!(told["version"].is_null(), "{told}");
    }
    client.get("/api/v1/health/ready")?.expect(200)?;
    Ok(())
}

#[test]
fn a_shadow_that_traps_costs_no_answer_and_is_told() -> Result<()> {
    let (_, traps, _) = MISDEEDS[0];
    let application = Application::with_model("model-unet")?;
    let host = application.options().start()?;
    let client = Client::new(&host);
    let archive = Package::of_version(traps)?.zip()?;
    client
        .send("PUT", &address(traps), &[], Some(&archive))?
        .expect(201)?;
    let shadow = format!("/api/v1/models/{NAME}/shadow");
    let body = json!({ "version": traps }).to_string();
    client
        .send("PUT", &shadow, &JSON, Some(body.as_bytes()))?
        .expect(200)?;
    application.put(&guest("model-rogue")?)?;
    reloaded(&host)?;

    let volume = volumes::of_size(2, 2, 60)?;
    let study = client.post("/api/v1/studies", &volume)?.expect(201)?;
    let study = study.header("location").unwrap_or_default().to_owned();
    let segmentations = format!("{study}/segmentations");
    let made = client
        .send("POST", &segmentations, &JSON, Some(b"{}"))?
        .expect(201)?
        .json()?;
    // It traps once that answer is sent; others are served meanwhile.
    let until = Instant::now() + WATCH_PATIENCE;
    while !host.log().contains("trap") {
        ensure!(Instant::now() < until, "nothing trapped: {}", host.log());
        client.post("/api/v1/segment", &volume)?.expect(200)?;
    }
    let kept = client.get(&segmentations)?.expect(200)?.json()?;
    assert_eq!(kept["items"][0]["id"], made["id"]);
    let told = client.get(&shadow)?.expect(200)?.json()?;
    let told = &told["studies"][0];
    // Nobody could say that it ended; when it is silent for long that counts as a failure.
    ensure!(
        told["state"] == "comparing" && told["failed"].is_null(),
        "{told}"
    );
    ensure!(told["compared_at"].is_null(), "{told}");
    client.get("/api/v1/health/ready")?.expect(200)?;
    Ok(())
}

/// In CI a short one; `cargo xtask soak --under-load` is the long one, and looks at the times.
#[test]
fn nothing_fails_and_nothing_is_mixed_while_weights_and_components_are_swapped() -> Result<()> {
    let outcome = UnderLoad {
        clients: 8,
        answers: 160,
        longest: Duration::from_secs(240),
    }
    .run()?;
    eprintln!("{outcome}");
    ensure!(
        outcome.weights >= 2,
        "too few swaps to tell anything: {outcome}"
    );
    Ok(())
}

#[test]
fn memory_after_many_swaps_is_what_it_was_after_the_first_few() -> Result<()> {
    // Few, so that it is seen to run; `cargo xtask soak` is the evidence, and looks at the growth.
    let soak = Soak {
        swaps: 40,
        components_every: 2,
        samples: 2,
    };
    soak.run(|sample| eprintln!("{sample}"))?;
    Ok(())
}
