//! An application whose model component is a file that tests replace while it serves.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::host::{Host, Options, root, target};

/// A copy of the manifest in a folder of its own, and the model component beside it.
pub struct Application {
    folder: tempfile::TempDir,
}

impl Application {
    /// The application as it ships, with the component `model` under the interface of models.
    ///
    /// # Errors
    /// The manifest or the component cannot be read.
    pub fn with_model(model: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let shipped = std::fs::read_to_string(root().join("spin.toml"))?;
        let own = folder.path().join("model.wasm");
        let manifest = shipped
            .replace(
                "\"target/guests/model-unet.wasm\"",
                &format!("\"{}\"", own.display()),
            )
            .replace("\"target/", &format!("\"{}/", target().display()))
            .replace(
                "\"frontend\"",
                &format!("\"{}\"", root().join("frontend").display()),
            )
            .replace("\"weights/", &format!("\"{}/weights/", root().display()));
        ensure!(manifest != shipped, "the manifest is another than expected");
        std::fs::write(folder.path().join("spin.toml"), manifest)?;
        let application = Self { folder };
        application.put(&guest(model)?)?;
        Ok(application)
    }

    /// How to start it.
    pub fn options(&self) -> Options {
        Options::new().manifest(&self.folder.path().join("spin.toml"))
    }

    /// Puts these bytes in place of the model component, in one step.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put(&self, component: &[u8]) -> Result<()> {
        let own = self.folder.path().join("model.wasm");
        let aside = own.with_extension("new");
        std::fs::write(&aside, component)?;
        std::fs::rename(aside, own).context("replacing the model component")
    }
}

/// The bytes of a built component.
///
/// # Errors
/// It is not built.
pub fn guest(name: &str) -> Result<Vec<u8>> {
    let path: PathBuf = target().join("guests").join(format!("{name}.wasm"));
    std::fs::read(&path).with_context(|| {
        format!(
            "{} is not built; run `cargo xtask build --with-tests`",
            path.display()
        )
    })
}

/// What `cinecor reload` said of a host, and whether it was content.
///
/// # Errors
/// The command cannot be started.
pub fn reload(host: &Host) -> Result<(bool, String)> {
    let binary: &Path = &target().join("release/cinecor");
    let output = Command::new(binary)
        .args(["reload", "--state-dir"])
        .arg(host.state())
        .output()
        .context("starting cinecor reload")?;
    let said = [output.stdout, output.stderr].concat();
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    ))
}
