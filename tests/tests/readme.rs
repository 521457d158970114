//! The README's commands, run word for word: a stranger's first minutes must not end in an error message.
//!
//! Only addresses are replaced: the README names the port that `cargo xtask up` takes first, a test takes a free one. `cargo xtask test`
//! is what runs this.

use anyhow::{Context, Result, bail, ensure};
use cinecor_formats::{Limits, decode_mask};
use cinecor_phantom::dicom::Stack;
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
fn dicom_goes_as_an_archive_and_as_a_form() -> Result<()> {
    let host = Options::new().start()?;
    let lines = commands("DICOM")?;
    let [pack, zipped, in_form] = lines.as_slice() else {
        bail!("three commands were expected: {lines:?}")
    };
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join("study"))?;
    let stack = Stack::short_axis(2, 3, 64, 64);
    let images = stack.images(|frame, slice| vec![(100 * frame + 7 * slice) as u16; 64 * 64]);
    for (index, image) in images.iter().enumerate() {
        let path = folder.path().join(format!("study/IM-{index:04}.dcm"));
        std::fs::write(path, image.file())?;
    }
    documents::run(pack, folder.path(), &[])?;
    let mut answers = Vec::new();
    for line in [zipped, in_form] {
        documents::run(&at(&host, line), folder.path(), &[])?;
        let answer = std::fs::read(folder.path().join("answer.json"))?;
        let answer: Value = serde_json::from_slice(&answer)?;
        ensure!(
            answer["study"]["shape"]["slices"] == 3 && answer["study"]["shape"]["frames"] == 2,
            "{line}: {}",
            answer["study"]
        );
        answers.push(answer);
    }
    ensure!(answers[0]["mask"] == answers[1]["mask"]);
    ensure!(answers[0]["study"]["source"] == answers[1]["study"]["source"]);
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
