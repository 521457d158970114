//! The README's commands, run word for word: a stranger's first minutes must not end in an error message.
//!
//! Only addresses are replaced: the README names the port that `cargo xtask up` takes first, a test takes a free one. `cargo xtask test`
//! is what runs this.

use anyhow::{Context, Result, bail, ensure};
use cinecor_formats::{Limits, decode_mask};
use cinecor_tests::client::Client;
use cinecor_tests::documents;
use cinecor_tests::host::{Host, Options, root};
use serde_json::Value;

/// The commands below a heading of the README.
fn commands(heading: &str) -> Result<Vec<String>> {
    documents::commands("README.md", heading)
}

/// Runs a command line in the repository's root; returns what it prints.
fn run(line: &str) -> Result<String> {
    documents::run(line, &root(), &[])
}

fn at(host: &Host, line: &str) -> String {
    line.replace("127.0.0.1:3000", host.authority())
        .replace("http://…:3000", host.url())
}

#[test]
fn the_two_commands_are_there() -> Result<()> {
    let lines = commands("Two commands")?;
    ensure!(lines.len() >= 2, "{lines:?}");
    for line in lines {
        ensure!(
            run(&format!("{line} --help"))?.contains("Usage: cargo xtask"),
            "{line}"
        );
    }
    Ok(())
}

#[test]
fn the_first_request_is_answered_with_mask_and_numbers() -> Result<()> {
    let host = Options::new().start()?;
    let lines = commands("A first request")?;
    ensure!(lines.len() >= 3, "{lines:?}");
    for line in &lines {
        run(&at(&host, line))?;
    }
    let answer: Value = serde_json::from_slice(&std::fs::read(root().join("target/answer.json"))?)?;
    let ef = answer["metrics"]["left_ventricle"]["ef_percent"]
        .as_f64()
        .context("no ejection fraction")?;
    // The phantom's default volumes: 130 ml and 52 ml.
    ensure!((ef - 60.0).abs() < 5.0, "ejection fraction of {ef} %");
    let mask = std::fs::read(root().join("target/mask.nii.gz"))?;
    let labels = decode_mask(&mask, Limits::for_masks())?.1.labels;
    ensure!((1..=3).all(|code| labels.iter().any(|&label| label == code)));
    Ok(())
}

#[test]
fn a_key_made_as_told_opens_the_service() -> Result<()> {
    let lines = commands("Who may call")?;
    let [make, serve, call] = lines.as_slice() else {
        bail!("three commands were expected: {lines:?}")
    };
    let digest = run(make)?;
    let digest = digest.split_whitespace().next().context("no digest")?;
    let variable = serve
        .split('\'')
        .nth(1)
        .and_then(|pair| pair.strip_prefix("api_keys="))
        .context("no api_keys")?
        .replace("<digest>", digest);
    ensure!(
        serve.starts_with("cargo xtask up --listen 0.0.0.0:3000 --variable "),
        "{serve}"
    );
    let host = Options::new().variable("api_keys", &variable).start()?;
    Client::new(&host).get("/api/v1/studies")?.expect(401)?;
    let answer: Value = serde_json::from_str(&run(&at(&host, call))?)?;
    ensure!(answer["items"].is_array(), "{answer}");
    Ok(())
}
