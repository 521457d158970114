//! Model packages to send: one that ships, changed.

use std::io::{Cursor, Write};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::host::root;

/// Name of the model that ships.
pub const NAME: &str = "cinecor-unet";

/// A package on its way.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its card.
    pub card: Value,
    /// Its graph.
    pub graph: Vec<u8>,
}

impl Package {
    /// The oldest package that ships, as `version`: the same network, and by a remark in its graph with another digest.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of_version(version: &str) -> Result<Self> {
        let folder = root().join("weights/models").join(NAME).join("1.0.0");
        let mut card: Value = serde_json::from_slice(&std::fs::read(folder.join("model.json"))?)?;
        card["version"] = version.into();
        let mut package = Self {
            card,
            graph: std::fs::read(folder.join("model.onnx"))?,
        };
        package.remark(version)?;
        Ok(package)
    }

    /// Puts a remark into the graph, in place of any other, and its digest into the card.
    ///
    /// # Errors
    /// A remark that is too long.
    pub fn remark(&mut self, remark: &str) -> Result<()> {
        // `doc_string` of ONNX's ModelProto is field 6, a text; of a field that is there twice, the last one counts.
        let length = u8::try_from(remark.len())
            .ok()
            .filter(|length| *length < 128);
        self.graph
            .extend([0x32, length.context("the remark is too long")?]);
        self.graph.extend(remark.as_bytes());
        self.sign();
        Ok(())
    }

    /// Writes the digest of the graph into the card.
    pub fn sign(&mut self) {
        self.card["graph"] = json!({
            "format": "onnx", "file": "model.onnx", "digest": self.digest(), "precision": "fp32",
        });
        self.card["variants"] = json!([]);
    }

    /// SHA-256 of the graph.
    pub fn digest(&self) -> String {
        Sha256::digest(&self.graph)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// The archive.
    ///
    /// # Errors
    /// The archive cannot be written.
    pub fn zip(&self) -> Result<Vec<u8>> {
        zip(&[
            ("model.json", self.card.to_string().as_bytes()),
            ("model.onnx", &self.graph),
        ])
    }
}

/// An archive of these files, compressed as zip programs do.
///
/// # Errors
/// A name that is there twice.
pub fn zip(files: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, bytes) in files {
        archive.start_file(*name, options)?;
        archive.write_all(bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// The address of a version of the model that ships.
pub fn address(version: &str) -> String {
    format!("/api/v1/models/{NAME}/versions/{version}")
}
