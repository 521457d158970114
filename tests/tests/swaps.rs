//! Models and model components that are swapped while requests are under way.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use cinecor_tests::client::Client;
use cinecor_tests::packages::{NAME, Package, address};
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

#[test]
fn a_component_that_traps_loops_or_hoards_costs_its_own_request_only() -> Result<()> {
    let application = Application::with_model("model-rogue")?;
    let host = application
        .options()
        .setting("component", "segment", segment_settings())
        .start()?;
    let client = Client::new(&host);
    let good = volumes::of_size(1, 1, 60)?;
    client.post("/api/v1/segment", &good)?.expect(200)?;
    for (rows, statuses) in [(61, [500, 500]), (62, [504, 504]), (63, [500, 503])] {
        let bad = volumes::of_size(1, 1, rows)?;
        std::thread::scope(|scope| -> Result<()> {
            let hurt = scope.spawn(|| client.post("/api/v1/segment", &bad));
            // While it goes on, and after it.
            for _ in 0..5 {
                client.post("/api/v1/segment", &good)?.expect(200)?;
                client.get("/api/v1/health/live")?.expect(200)?;
            }
            let answer = hurt.join().map_err(|_| anyhow!("a client panicked"))??;
            ensure!(
                statuses.contains(&answer.status),
                "{rows} rows: {} {}",
                answer.status,
                answer.text()
            );
            answer.problem()?;
            Ok(())
        })?;
        client.post("/api/v1/segment", &good)?.expect(200)?;
    }
    Ok(())
}

#[test]
fn a_component_that_traps_while_an_upload_is_tried_costs_that_upload_alone() -> Result<()> {
    let application = Application::with_model("model-rogue")?;
    let host = application.options().start()?;
    let client = Client::new(&host);
    let mut package = Package::of_version("1.0.0")?;
    package.card["name"] = "trap".into();
    let (bad, archive) = ("/api/v1/models/trap/versions/1.0.0", package.zip()?);
    let put = |at: &str, archive: &[u8]| client.send("PUT", at, &[], Some(archive));
    put(bad, &archive)?.expect(500)?.problem()?;
    // It told nobody of its end: the next one of the same version is told how long that is waited for.
    let again = put(bad, &archive)?.expect(409)?;
    assert_eq!(again.problem()?, "conflict");
    assert_eq!(again.header("retry-after"), Some("30"));
    client.get(bad)?.expect(404)?;
    let good = Package::of_version("77.0.0")?.zip()?;
    put(&address("77.0.0"), &good)?.expect(201)?;
    client.get("/api/v1/health/ready")?.expect(200)?;
    Ok(())
}

#[test]
fn a_shadow_that_traps_costs_no_answer_and_is_told() -> Result<()> {
    // With this version of a package model-rogue traps, whatever it is asked.
    const TRAPS: &str = "66.6.6";
    let application = Application::with_model("model-unet")?;
    let host = application.options().start()?;
    let client = Client::new(&host);
    let archive = Package::of_version(TRAPS)?.zip()?;
    client
        .send("PUT", &address(TRAPS), &[], Some(&archive))?
        .expect(201)?;
    let json = [("content-type", "application/json")];
    let shadow = format!("/api/v1/models/{NAME}/shadow");
    let body = json!({ "version": TRAPS }).to_string();
    client
        .send("PUT", &shadow, &json, Some(body.as_bytes()))?
        .expect(200)?;
    application.put(&guest("model-rogue")?)?;
    reloaded(&host)?;

    let volume = volumes::of_size(2, 2, 60)?;
    let study = client.post("/api/v1/studies", &volume)?.expect(201)?;
    let study = study.header("location").unwrap_or_default().to_owned();
    let segmentations = format!("{study}/segmentations");
    let made = client
        .send("POST", &segmentations, &json, Some(b"{}"))?
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
    ensure!(
        told["failed"]
            .as_str()
            .is_some_and(|why| why.contains("not ended")),
        "{told}"
    );
    client.get("/api/v1/health/ready")?.expect(200)?;
    Ok(())
}

/// Those of `cinecor.toml`, with little time and memory.
fn segment_settings() -> toml::Table {
    let mut settings = toml::Table::new();
    settings.insert("concurrency".to_owned(), 1.into());
    settings.insert("at_work_max".to_owned(), 12.into());
    settings.insert("request_deadline_ms".to_owned(), 5_000.into());
    settings.insert("instance_memory_bytes_max".to_owned(), (256 << 20).into());
    settings
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
