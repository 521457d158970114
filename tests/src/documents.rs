//! The commands that the project's documents tell people to type, and running them as a shell does.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::host::root;

/// The commands of the `sh` blocks below a heading of a document of the repository, one a line, without the comments behind them.
///
/// # Errors
/// There is no such document or heading.
pub fn commands(document: &str, heading: &str) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root().join(document))
        .with_context(|| format!("reading {document}"))?;
    let section = text
        .split("\n## ")
        .find(|section| section.starts_with(heading))
        .with_context(|| format!("{document} has no section {heading}"))?;
    let blocks = section
        .split("```sh\n")
        // What stands before the first block is none.
        .skip(1)
        .filter_map(|block| block.split("```").next());
    Ok(blocks
        .flat_map(str::lines)
        .map(|line| line.split("  #").next().unwrap_or(line).trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect())
}

/// Runs a command line in a folder, with these variables; returns what it prints.
///
/// # Errors
/// It ends with a failure; the text carries what it wrote.
pub fn run(line: &str, folder: &Path, variables: &[(&str, &str)]) -> Result<String> {
    let output = Command::new("bash")
        .args(["-o", "pipefail", "-ec", line])
        .current_dir(folder)
        .envs(variables.iter().copied())
        .output()
        .context("starting bash")?;
    if !output.status.success() {
        bail!(
            "`{line}` ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}
