//! What packages cost against how well they segment, out of the figures of reports that were written before.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::plots::cost::{self, Package};
use crate::report::model_name;
use crate::summary::{Figure, number};

/// Writes `cost.svg` and `cost.md` out of several `results.json`.
///
/// # Errors
/// A file that is not there or no report, or reports on different sets, which cannot be compared.
pub(crate) fn write(results: &[PathBuf], folder: &Path) -> Result<()> {
    let mut packages = Vec::new();
    let mut set: Option<String> = None;
    for file in results {
        let figures: Value = std::fs::read(file)
            .map_err(anyhow::Error::from)
            .and_then(|bytes| Ok(serde_json::from_slice(&bytes)?))
            .with_context(|| format!("reading {}", file.display()))?;
        let own = figures["set"].as_str().unwrap_or("?").to_owned();
        let first = set.get_or_insert_with(|| own.clone());
        ensure!(
            *first == own,
            "{} is on {own}, the ones before on {first}: reports on one set can be compared",
            file.display()
        );
        packages
            .push(package(&figures).with_context(|| format!("{} is no report", file.display()))?);
    }
    let set = set.unwrap_or_default();
    std::fs::create_dir_all(folder)?;
    let title = format!("Accuracy against cost, {set}");
    std::fs::write(folder.join("cost.svg"), cost::plot(&packages, &title))?;
    let table = table(&packages)?;
    println!("{table}");
    std::fs::write(
        folder.join("cost.md"),
        format!("# {title}\n\n{table}\n![{title}](cost.svg)\n"),
    )?;
    Ok(())
}

fn package(figures: &Value) -> Option<Package> {
    let interval = &figures["dice_mean_interval"];
    Some(Package {
        name: model_name(&figures["model"]),
        dice: [
            figures["dice_mean"].as_f64()?,
            interval["low"].as_f64()?,
            interval["high"].as_f64()?,
        ],
        gmac_per_slice: figures["cost"]["gmac_per_slice"].as_f64(),
        cpu_ms_per_slice: figures["cost"]["cpu_ms_per_slice"].as_f64(),
    })
}

fn table(packages: &[Package]) -> Result<String> {
    let mut table = "| package | mean Dice | GMAC a slice | CPU time of the service a slice, ms |\n|---|---|---|---|\n".to_owned();
    let cost = |value: Option<f64>, decimals| {
        value.map_or("–".to_owned(), |value| number(value, decimals))
    };
    for package in packages {
        let [value, low, high] = package.dice;
        writeln!(
            table,
            "| {} | {} | {} | {} |",
            package.name,
            Figure { value, low, high }.text(3),
            cost(package.gmac_per_slice, 2),
            cost(package.cpu_ms_per_slice, 1)
        )?;
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn figures(set: &str) -> Value {
        json!({"set": set, "model": {"name": "net", "version": "1.0.0", "precision": "fp32"}, "dice_mean": 0.92,
            "dice_mean_interval": {"low": 0.91, "high": 0.93}, "cost": {"gmac_per_slice": 1.1, "cpu_ms_per_slice": null}})
    }

    #[test]
    fn reports_of_one_set_become_a_plot_and_a_table() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, set: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, figures(set).to_string()).unwrap();
            path
        };
        let one = file("a.json", "acdc-val");
        write(&[one.clone(), one.clone()], folder.path()).unwrap();
        let page = std::fs::read_to_string(folder.path().join("cost.md")).unwrap();
        assert_eq!(
            page.matches("| net 1.0.0, fp32 | 0.920 [0.910, 0.930] | 1.10 | – |")
                .count(),
            2
        );
        let other = file("b.json", "acdc-dev_test");
        let refusal = write(&[one, other], folder.path()).unwrap_err();
        assert!(refusal.to_string().contains("one set"), "{refusal}");
    }
}
