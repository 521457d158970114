//! The guide for authors of model components, its commands word for word: in an empty folder, against a running service, up to the answer
//! that names the new component; then the same component in the form for any Spin.

use std::os::unix::fs::symlink;

use anyhow::{Context, Result, ensure};
use cinecor_tests::client::Client;
use cinecor_tests::documents::{commands, run};
use cinecor_tests::host::{Options, root, target};
use cinecor_tests::volumes;
use serde_json::Value;

const GUIDE: &str = "docs/model-component.md";

/// The repository's interfaces, and where the template has its copies.
const INTERFACES: [(&str, &str); 3] = [
    ("wit/cinecor-model/model.wit", "cinecor-model/model.wit"),
    (
        "wit/cinecor-inference/inference.wit",
        "cinecor-inference/inference.wit",
    ),
    (
        "wit/deps/wasi-nn@0.2.0-rc-2024-10-28/wasi-nn.wit",
        "wasi-nn@0.2.0-rc-2024-10-28/wasi-nn.wit",
    ),
];

#[test]
fn the_templates_interfaces_are_the_repositorys() -> Result<()> {
    let copies = root().join("templates/model-component/wit/deps");
    for (original, copy) in INTERFACES {
        let same = std::fs::read(root().join(original))? == std::fs::read(copies.join(copy))?;
        ensure!(same, "copy {original} into the template again");
    }
    Ok(())
}

#[test]
fn a_component_made_as_told_answers_and_goes_into_the_form_for_any_spin() -> Result<()> {
    // What stands for the repository: the same files, with a manifest that may be changed.
    let home = tempfile::tempdir()?;
    for name in ["templates", "weights", "frontend"] {
        symlink(root().join(name), home.path().join(name))?;
    }
    symlink(target(), home.path().join("target"))?;
    let manifest = home.path().join("spin.toml");
    std::fs::copy(root().join("spin.toml"), &manifest)?;
    let state = home.path().join(".spin");
    let host = Options::new().manifest(&manifest).state(&state).start()?;
    let client = Client::new(&host);
    let volume = volumes::small(2, 1, 1)?;
    let before = answered_by(&client, &volume)?;

    let empty = tempfile::tempdir()?;
    let cinecor = home.path().to_str().context("a path of another alphabet")?;
    // Crates that the guests were compiled with are not compiled again; the component itself lies where the guide says.
    let build = target().join("guest-build");
    let build = build.to_str().context("a path of another alphabet")?;
    let variables = [("CINECOR", cinecor), ("CARGO_BUILD_BUILD_DIR", build)];
    let toolchain = run("cargo xtask toolchain", &root(), &[])?;
    let follow = |heading: &str| -> Result<()> {
        let lines = commands(GUIDE, heading)?;
        ensure!(lines.len() >= 2, "{lines:?}");
        for line in lines {
            let line = line.replace("127.0.0.1:3000", host.authority());
            run(&format!("{toolchain}\n{line}"), empty.path(), &variables)?;
        }
        Ok(())
    };

    follow("Write it")?;
    follow("Swap it in")?;
    let told = std::fs::read_to_string(empty.path().join("reloaded.txt"))?;
    let swapped = told
        .lines()
        .find_map(|line| line.strip_prefix("segment: "))
        .and_then(|line| line.split(" -> ").nth(1))
        .with_context(|| format!("the reload says nothing of segment: {told}"))?;
    let answer: Value = serde_json::from_slice(&std::fs::read(empty.path().join("answer.json"))?)?;
    let model = &answer["segmentation"]["model"];
    ensure!(model["component_digest"] == swapped, "{model}");
    ensure!(swapped != before, "the component is the old one");
    ensure!(answered_by(&client, &volume)? == swapped);
    // It found a heart: the template's network is the one that ships.
    let volumes = &answer["metrics"]["curve"];
    for structure in ["left_ventricle_ml", "right_ventricle_ml", "myocardium_ml"] {
        let ml = volumes[structure][0].as_f64().context("no volume")?;
        ensure!(ml > 10.0, "{structure} of {ml} ml");
    }

    follow("For any Spin")?;
    let portable = Options::new()
        .manifest(&manifest)
        .argument("--profile=base")
        .argument("--component-id=segment")
        .variable("default_model", "cinecor-unet-lite")
        .start()?;
    let client = Client::new(&portable);
    let answer = client
        .post("/api/v1/segment", &volume)?
        .expect(200)?
        .json()?;
    let model = &answer["segmentation"]["model"];
    ensure!(
        model["engine"] == "tract" && model["name"] == "cinecor-unet-lite",
        "{model}"
    );
    Ok(())
}

/// The digest of the component that answers.
fn answered_by(client: &Client, volume: &[u8]) -> Result<String> {
    let answer = client
        .post("/api/v1/segment", volume)?
        .expect(200)?
        .json()?;
    let digest = &answer["segmentation"]["model"]["component_digest"];
    Ok(digest.as_str().context("no digest")?.to_owned())
}
