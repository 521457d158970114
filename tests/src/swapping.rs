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

    /// A copy of the packages that ship, in place of theirs: whatever is put there is this application's alone.
    ///
    /// # Errors
    /// They cannot be copied.
    pub fn models(&self) -> Result<PathBuf> {
        let own = self.folder.path().join("models");
        copy(&root().join("weights/models"), &own)?;
        let manifest = self.folder.path().join("spin.toml");
        let text = std::fs::read_to_string(&manifest)?;
        let shipped = root().join("weights/models");
        let changed = text.replace(
            &format!("\"{}\"", shipped.display()),
            &format!("\"{}\"", own.display()),
        );
        ensure!(changed != text, "the manifest is another than expected");
        std::fs::write(manifest, changed)?;
        Ok(own)
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

/// Copies a folder and what is in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &place)?;
        } else {
            std::fs::copy(entry.path(), place)?;
        }
    }
    Ok(())
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

/// [`reload`], which has to have swapped the model component under `segment`.
///
/// # Errors
/// It has not.
pub fn reloaded(host: &Host) -> Result<()> {
    let (content, said) = reload(host)?;
    ensure!(content && said.contains("segment: "), "{said}");
    Ok(())
}
