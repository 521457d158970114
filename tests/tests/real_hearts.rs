//! Real patients through the running service: the shipped weights are worth what their card says, and another scanner is read.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The program that `cargo xtask evaluate` runs; `None` with the reason printed where there are no patients.
fn evaluate() -> Option<Command> {
    if std::env::var_os("CINECOR_DATA").is_none() {
        println!("SKIP: CINECOR_DATA is not set, so there are no real hearts");
        return None;
    }
    Some(Command::new(env!("CARGO_BIN_EXE_evaluate")))
}

/// What a command prints; its standard error if it fails.
fn run(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn patients_who_were_not_trained_on_are_segmented_as_the_card_says() -> Result<()> {
    let Some(mut evaluate) = evaluate() else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    run(evaluate
        .args(["--set", "val", "--first", "6", "--out"])
        .arg(folder.path()))?;
    let found: Value = serde_json::from_slice(&std::fs::read(folder.path().join("val.json"))?)?;
    let dice = found["dice_mean"].as_f64().context("no mean Dice")?;
    // The whole set reaches .92; six patients of it scatter about that by less than .015.
    ensure!(dice > 0.905, "mean Dice {dice}");
    let ef = found["errors"][0]["bias"]["mean"]
        .as_f64()
        .context("no bias")?;
    ensure!(
        ef.abs() < 4.0,
        "the ejection fraction is off by {ef} points"
    );
    Ok(())
}

#[test]
fn a_cine_of_another_scanner_is_read() -> Result<()> {
    let Some(mut evaluate) = evaluate() else {
        return Ok(());
    };
    let table = run(evaluate.args(["--set", "sunnybrook"]))?;
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| SCD"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    ensure!(rows.len() == 2, "{table}");
    for row in rows {
        for phase in [1, 2] {
            let dice: f64 = row.get(phase).context("a cell")?.parse()?;
            ensure!(dice > 0.86, "{row:?}");
        }
    }
    Ok(())
}
