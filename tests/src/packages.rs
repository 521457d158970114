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

    /// A model that looks at nothing but a pixel's grey, in standard deviations from the frame's mean: below the first limit it is background,
    /// then right ventricle, myocardium, left ventricle. It sees a picture alike whichever way it lies, and costs next to nothing. Its grid
    /// has the shipped package's spacing and 64 by 64 pixels.
    ///
    /// # Errors
    /// As [`Package::of_version`].
    pub fn by_grey(version: &str, limits: [f32; 3]) -> Result<Self> {
        let mut package = Self::of_version(version)?;
        package.card["preprocessing"]["canvas"]["rows"] = 64.into();
        package.card["preprocessing"]["canvas"]["columns"] = 64.into();
        package.card["outputs"][0]["values"] = "logits".into();
        let name = |tensor: &Value| tensor[0]["name"].as_str().map(str::to_owned);
        let input = name(&package.card["inputs"]).context("no input")?;
        let output = name(&package.card["outputs"]).context("no output")?;
        // Of lines k z - c, with a c that grows by the limits, the k-th is the highest between the k-th limit and the next.
        let steep = 100.0;
        let weights = [0.0, 1.0, 2.0, 3.0].map(|k: f32| steep * k);
        let [first, second, third] = limits;
        let biases = [0.0, first, first + second, first + second + third].map(|c| -steep * c);
        package.graph = onnx::convolution(&input, &output, &weights, &biases);
        package.sign();
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

/// As much of ONNX (its `onnx.proto`) as a convolution of single pixels takes.
mod onnx {
    fn varint(mut value: u64, out: &mut Vec<u8>) {
        while value > 0x7f {
            out.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }

    fn number(field: u64, value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        varint(field << 3, &mut out);
        varint(value, &mut out);
        out
    }

    fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        varint(field << 3 | 2, &mut out);
        varint(value.len() as u64, &mut out);
        out.extend(value);
        out
    }

    fn text(field: u64, value: &str) -> Vec<u8> {
        bytes(field, value.as_bytes())
    }

    /// `float32 [batch, channels, rows, columns]`.
    fn tensor_type(name: &str, channels: u64) -> Vec<u8> {
        let free = |name: &str| bytes(1, &text(2, name));
        let shape = [
            free("batch"),
            bytes(1, &number(1, channels)),
            free("rows"),
            free("columns"),
        ];
        let tensor = [number(1, 1), bytes(2, &shape.concat())].concat();
        [text(1, name), bytes(2, &bytes(1, &tensor))].concat()
    }

    fn constant(name: &str, dims: &[u64], values: &[f32]) -> Vec<u8> {
        let raw: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let dims = dims.iter().flat_map(|&dim| number(1, dim));
        let of: Vec<u8> = dims.chain(number(2, 1)).collect();
        [of, text(8, name), bytes(9, &raw)].concat()
    }

    /// From one channel to as many as there are weights.
    pub(super) fn convolution(
        input: &str,
        output: &str,
        weights: &[f32],
        biases: &[f32],
    ) -> Vec<u8> {
        let channels = weights.len() as u64;
        let inputs = [input, "weights", "biases"].map(|name| text(1, name));
        let node = [inputs.concat(), text(2, output), text(4, "Conv")].concat();
        let graph = [
            bytes(1, &node),
            text(2, "by_grey"),
            bytes(5, &constant("weights", &[channels, 1, 1, 1], weights)),
            bytes(5, &constant("biases", &[channels], biases)),
            bytes(11, &tensor_type(input, 1)),
            bytes(12, &tensor_type(output, channels)),
        ];
        let opset = [text(1, ""), number(2, 17)].concat();
        [number(1, 8), bytes(8, &opset), bytes(7, &graph.concat())].concat()
    }
}
