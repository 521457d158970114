//! Model packages: parses a card (`model.json`) and checks it before anything is inferred with it.
//!
//! No file is opened here and no graph is run: texts and bytes in, a [`Card`] or a reason out. `model.schema.json` beside this crate says
//! the same to other tools; a test holds the two in step. What the fields mean in numbers stands in `weights/README.md`.
//!
//! ```
//! let refused = cinecor_model_card::Card::parse("{}").unwrap_err();
//! assert!(refused.to_string().contains("schema_version"));
//! ```

mod calibration;
mod package;
mod raw;

use cinecor_volume::Label;
use sha2::{Digest, Sha256};
use thiserror::Error;

pub use calibration::{
    Calibration, Coefficients, Factor, Intervals, MAX_FACTORS, Score, TEMPERATURE,
};

pub use package::{CARD_FILE, PACKAGE_FILES_MAX, Package, PackageError, PackageLimits};

/// The JSON Schema of a card, for tools that want one.
pub const SCHEMA: &str = include_str!("../model.schema.json");

/// The one `schema_version` that this crate reads.
pub const SCHEMA_VERSION: u32 = 1;

/// The longest card that is read, in bytes. The first one has four thousand.
pub const MAX_CARD_BYTES: usize = 1 << 20;

/// The widest and highest canvas, in pixels: what the largest slice that the service takes (512 × 512) needs twice over.
pub const MAX_CANVAS: u32 = 1024;

/// In-plane spacing that a network may ask for, in mm; cine MRI lies between 0.7 and 2.5.
pub const SPACING_MM: std::ops::RangeInclusive<f64> = 0.1..=20.0;

/// The most slices on either side of a slice that a network may ask for: four of 8 mm reach from the middle of a heart to its ends.
pub const MAX_NEIGHBOURS: u32 = 4;

/// Why a package is refused.
#[derive(Debug, Error, PartialEq)]
pub enum Error {
    /// The text is too long to be a card.
    #[error(
        "the card has {bytes} bytes, at most {MAX_CARD_BYTES} are read: move bulky material out of model.json"
    )]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not JSON, a field is missing, or one has another type.
    #[error(
        "the card is not one that can be read: {0}. The fields are described in model.schema.json"
    )]
    Syntax(String),
    /// No label map.
    #[error(
        "the card has no `labels`: add a map from background, right_ventricle, myocardium and left_ventricle to the output's channels; \
         anatomy is never guessed from integers"
    )]
    NoLabels,
    /// A field holds something that cannot be used.
    #[error("`{field}` is {found}, expected {expected}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What it holds.
        found: String,
        /// What it should hold.
        expected: String,
    },
    /// A file is not the one that the card describes.
    #[error(
        "{file} has SHA-256 {found}, the card says {expected}: pack the file that the card was written for, or correct the card"
    )]
    Digest {
        /// Which file.
        file: String,
        /// The digest of the bytes that were given.
        found: String,
        /// The digest in the card.
        expected: String,
    },
}

/// What a graph is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One `.onnx` file.
    Onnx,
    /// An OpenVINO `.xml` with its `.bin`.
    OpenVino,
}

/// The arithmetic of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floating point.
    Fp32,
    /// 16-bit brain floating point.
    Bf16,
    /// 8-bit integers.
    Int8,
}

impl Precision {
    /// The name in cards and answers.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Fp32 => "fp32",
            Precision::Bf16 => "bf16",
            Precision::Int8 => "int8",
        }
    }
}

/// A file of the package and the digest that its bytes must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedFile {
    /// A plain file name beside the card.
    pub name: String,
    /// SHA-256, lower-case hexadecimal.
    pub digest: String,
}

impl PackedFile {
    /// Checks that `bytes` are those that the card describes.
    ///
    /// # Errors
    /// [`Error::Digest`] if they are not.
    pub fn check(&self, bytes: &[u8]) -> Result<(), Error> {
        let found = sha256_hex(bytes);
        if found == self.digest {
            Ok(())
        } else {
            Err(Error::Digest {
                file: self.name.clone(),
                found,
                expected: self.digest.clone(),
            })
        }
    }
}

/// One graph of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// What it is written in.
    pub format: Format,
    /// The graph itself; its digest is the one that answers name.
    pub file: PackedFile,
    /// The weights of a format that keeps them apart.
    pub weights: Option<PackedFile>,
    /// Its arithmetic.
    pub precision: Precision,
}

/// What the output's numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// They sum to one over the channels.
    Probabilities,
    /// They need a softmax over the channels.
    Logits,
}

/// The network's grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Canvas {
    /// Rows of the input tensor.
    pub rows: u32,
    /// Columns of the input tensor.
    pub columns: u32,
    /// The normalised value outside the image.
    pub padding: f32,
}

/// How much of a slice the network looks at, once it is known where the heart lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Pixels of the canvas about the heart, on each side.
    pub margin: u32,
    /// The sides of what is looked at are multiples of so many pixels.
    pub step: u32,
}

/// What is kept of each structure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Keep {
    /// Everything.
    All,
    /// The largest component, neighbours being those that share a face, or also those that share an edge or a corner.
    Largest {
        /// Whether voxels that share only an edge or a corner are neighbours (26 of them rather than 6).
        corners: bool,
        /// Components of at least this share of the largest one's voxels stay too, above 0 and at most 1; `None`: no other stays.
        share: Option<f64>,
    },
}

/// A checked card.
#[derive(Clone, Debug, PartialEq)]
pub struct Card {
    /// Name of the package, `[a-z0-9][a-z0-9-]*`.
    pub name: String,
    /// Its semantic version.
    pub version: String,
    /// One line for people.
    pub title: Option<String>,
    /// The graph.
    pub graph: Graph,
    /// The same network at other precisions.
    pub variants: Vec<Graph>,
    /// Name of the input tensor, `[N, 1 + 2 · neighbours, Y, X]` float32.
    pub input_name: String,
    /// Name of the output tensor, `[N, 4, Y, X]` float32.
    pub output_name: String,
    /// What the output's numbers are.
    pub values: Values,
    /// Spacing of the network's grid from row to row, in mm.
    pub row_mm: f64,
    /// Spacing of the network's grid from column to column, in mm.
    pub column_mm: f64,
    /// The network's grid.
    pub canvas: Canvas,
    /// Normalised intensities are limited to this many standard deviations.
    pub clip_sd: f64,
    /// How many slices before and after it the network sees beside each slice.
    pub neighbours: u32,
    /// How much of a slice it looks at; `None`: the whole canvas.
    pub region: Option<About>,
    /// What is kept of each structure.
    pub keep: Keep,
    /// What each channel of the output means.
    pub labels: [Label; 4],
    /// Licence of the weights.
    pub licence: String,
    /// What the package is meant for.
    pub intended_use: String,
    /// What it was not made for, in sentences.
    pub limits: Vec<String>,
    /// How far its probabilities are to be believed; `None` when that is not known.
    pub calibration: Option<Calibration>,
}

impl Card {
    /// Reads and checks the text of a `model.json`.
    ///
    /// # Errors
    /// Any [`Error`] but [`Error::Digest`]; the text names the field, what was found and what is expected.
    pub fn parse(text: &str) -> Result<Card, Error> {
        if text.len() > MAX_CARD_BYTES {
            return Err(Error::TooLong { bytes: text.len() });
        }
        let raw: raw::Card =
            serde_json::from_str(text).map_err(|error| Error::Syntax(error.to_string()))?;
        check(raw)
    }

    /// The name under which an engine knows the graph: `name@version`.
    pub fn graph_name(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// The graph of this precision, by its name in cards and answers.
    pub fn in_precision(&self, name: &str) -> Option<&Graph> {
        std::iter::once(&self.graph)
            .chain(&self.variants)
            .find(|graph| graph.precision.name() == name)
    }
}

/// SHA-256 of `bytes`, lower-case hexadecimal, as cards and answers write it.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Whether `name` may name a package.
pub fn is_package_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 64 && name.starts_with(allowed) && name.chars().all(|c| allowed(c) || c == '-')
}

/// Whether `version` is a semantic version: three numbers without leading zeros, then perhaps `-pre.release` and `+build`.
pub fn is_version(version: &str) -> bool {
    version_order(version).is_some()
}

/// A key that sorts semantic versions as semver.org does, or `None` for what is none. Build metadata does not count.
pub fn version_order(version: &str) -> Option<impl Ord + Clone + std::fmt::Debug + use<>> {
    /// One dotted part of a pre-release; numbers come before words, as the derived order has it.
    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
    enum Part {
        Number(u64),
        Word(String),
    }
    fn number(text: &str) -> Option<u64> {
        let plain = !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_digit())
            && (text.len() == 1 || !text.starts_with('0'));
        plain.then(|| text.parse().ok()).flatten()
    }
    fn identifier(text: &str) -> bool {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    }

    if version.len() > 64 {
        return None;
    }
    let (version, build) = version
        .split_once('+')
        .map_or((version, None), |(version, build)| (version, Some(build)));
    if build.is_some_and(|build| !build.split('.').all(identifier)) {
        return None;
    }
    let (core, pre) = version
        .split_once('-')
        .map_or((version, None), |(core, pre)| (core, Some(pre)));
    let mut numbers = core.split('.').map(number);
    let core = [numbers.next()??, numbers.next()??, numbers.next()??];
    if numbers.next().is_some() {
        return None;
    }
    let mut parts = Vec::new();
    for part in pre.into_iter().flat_map(|pre| pre.split('.')) {
        if !identifier(part) {
            return None;
        }
        parts.push(match number(part) {
            Some(number) => Part::Number(number),
            None if part.bytes().all(|b| b.is_ascii_digit()) => return None,
            None => Part::Word(part.to_owned()),
        });
    }
    // A version without a pre-release comes after every pre-release of its number.
    Some((core, pre.is_none(), parts))
}

fn refuse(
    field: &'static str,
    found: impl std::fmt::Display,
    expected: impl Into<String>,
) -> Error {
    // What a hostile card holds goes into an error text: a bounded part of it.
    let mut found = found.to_string();
    if let Some((cut, _)) = found.char_indices().nth(80) {
        found.truncate(cut);
        found.push('…');
    }
    Error::Field {
        field,
        found,
        expected: expected.into(),
    }
}

fn check(raw: raw::Card) -> Result<Card, Error> {
    if raw.schema_version != SCHEMA_VERSION {
        return Err(refuse(
            "schema_version",
            raw.schema_version,
            SCHEMA_VERSION.to_string(),
        ));
    }
    if !is_package_name(&raw.name) {
        return Err(refuse(
            "name",
            format!("“{}”", raw.name),
            "lower-case letters, digits and hyphens, at most 64, not starting with a hyphen",
        ));
    }
    if !is_version(&raw.version) {
        return Err(refuse(
            "version",
            format!("“{}”", raw.version),
            "a semantic version like 1.0.0",
        ));
    }
    let labels = labels(raw.labels.ok_or(Error::NoLabels)?)?;
    let graph = graph("graph", raw.graph)?;
    let variants = raw
        .variants
        .into_iter()
        .map(|variant| self::graph("variants", variant))
        .collect::<Result<Vec<_>, _>>()?;

    let spacing = raw.preprocessing.spacing_mm;
    for (field, value) in [
        ("preprocessing.spacing_mm.row", spacing.row),
        ("preprocessing.spacing_mm.column", spacing.column),
    ] {
        if !SPACING_MM.contains(&value) {
            return Err(refuse(
                field,
                value,
                format!("{} to {} mm", SPACING_MM.start(), SPACING_MM.end()),
            ));
        }
    }
    let canvas = raw.preprocessing.canvas;
    if canvas.multiple == 0 || canvas.multiple > MAX_CANVAS {
        return Err(refuse(
            "preprocessing.canvas.multiple",
            canvas.multiple,
            format!("1 to {MAX_CANVAS}"),
        ));
    }
    for (field, pixels) in [
        ("preprocessing.canvas.rows", canvas.rows),
        ("preprocessing.canvas.columns", canvas.columns),
    ] {
        if pixels == 0 || pixels > MAX_CANVAS || pixels % canvas.multiple != 0 {
            return Err(refuse(
                field,
                pixels,
                format!(
                    "a multiple of {} from {} to {MAX_CANVAS}",
                    canvas.multiple, canvas.multiple
                ),
            ));
        }
    }
    let padding = canvas.padding as f32;
    if !padding.is_finite() {
        return Err(refuse(
            "preprocessing.canvas.padding",
            canvas.padding,
            "a finite 32-bit number",
        ));
    }
    let clip_sd = raw.preprocessing.normalisation.clip_sd;
    if !(clip_sd > 0.0 && clip_sd <= 1000.0) {
        return Err(refuse(
            "preprocessing.normalisation.clip_sd",
            clip_sd,
            "more than 0 and at most 1000 standard deviations",
        ));
    }
    let neighbours = raw.preprocessing.neighbours;
    if neighbours > MAX_NEIGHBOURS {
        return Err(refuse(
            "preprocessing.neighbours",
            neighbours,
            format!("0 to {MAX_NEIGHBOURS} slices on either side"),
        ));
    }
    let input = tensor("inputs", raw.inputs, 1 + 2 * neighbours as usize, &canvas)?;
    let output = tensor("outputs", raw.outputs, labels.len(), &canvas)?;
    let region = raw.preprocessing.region;
    let region = region.map(|region| about(&region, &canvas)).transpose()?;
    for (field, tensor) in [("inputs", &input), ("outputs", &output)] {
        if region.is_some() && tensor.shape.get(2..) != Some(&[-1, -1]) {
            return Err(refuse(
                field,
                format!("the shape {:?}", tensor.shape),
                "rows and columns that are free (-1) where the card has a `preprocessing.region`",
            ));
        }
    }
    let values = match output.values {
        Some(raw::Values::Probabilities) => Values::Probabilities,
        Some(raw::Values::Logits) => Values::Logits,
        None => {
            return Err(refuse(
                "outputs.values",
                "missing",
                "probabilities or logits",
            ));
        }
    };
    let components = raw.postprocessing.components;
    let keep = match (components.keep, components.connectivity) {
        (raw::Keep::All, _) => Keep::All,
        (raw::Keep::Largest, connectivity @ (6 | 26)) => Keep::Largest {
            corners: connectivity == 26,
            share: match components.share {
                Some(found) if !(found > 0.0 && found <= 1.0) => {
                    return Err(refuse(
                        "postprocessing.components.share",
                        found,
                        "a number above 0 and at most 1",
                    ));
                }
                share => share,
            },
        },
        (raw::Keep::Largest, other) => {
            return Err(refuse(
                "postprocessing.components.connectivity",
                other,
                "6 or 26",
            ));
        }
    };
    Ok(Card {
        name: raw.name,
        version: raw.version,
        title: raw.title,
        graph,
        variants,
        input_name: input.name,
        output_name: output.name,
        values,
        row_mm: spacing.row,
        column_mm: spacing.column,
        canvas: Canvas {
            rows: canvas.rows,
            columns: canvas.columns,
            padding,
        },
        clip_sd,
        neighbours,
        region,
        keep,
        labels,
        licence: raw.licence,
        intended_use: raw.intended_use,
        limits: raw.limits,
        calibration: raw.calibration.map(calibration::check).transpose()?,
    })
}

/// The label of each channel.
fn labels(raw::Entries(entries): raw::Entries) -> Result<[Label; 4], Error> {
    const EXPECTED: &str = "background, right_ventricle, myocardium and left_ventricle, each with its own channel from 0 to 3";
    let mut channels = [None; 4];
    for (name, channel) in &entries {
        let label = Label::ALL
            .into_iter()
            .find(|label| label.name() == name && !channels.contains(&Some(*label)));
        let slot = usize::try_from(*channel)
            .ok()
            .and_then(|channel| channels.get_mut(channel));
        match (label, slot) {
            (Some(label), Some(slot @ None)) => *slot = Some(label),
            _ => {
                return Err(refuse(
                    "labels",
                    format!("“{name}” on channel {channel}"),
                    EXPECTED,
                ));
            }
        }
    }
    match channels {
        [Some(a), Some(b), Some(c), Some(d)] => Ok([a, b, c, d]),
        _ => Err(refuse(
            "labels",
            format!("a map of {} names", entries.len()),
            EXPECTED,
        )),
    }
}

fn graph(field: &'static str, raw: raw::Graph) -> Result<Graph, Error> {
    let file = packed_file(field, raw.file, raw.digest)?;
    let (format, weights) = match raw.format {
        raw::Format::Onnx => (Format::Onnx, None),
        raw::Format::Openvino => match (raw.weights_file, raw.weights_digest) {
            (Some(name), Some(digest)) => {
                (Format::OpenVino, Some(packed_file(field, name, digest)?))
            }
            _ => {
                return Err(refuse(
                    field,
                    "an openvino graph alone",
                    "also its `weights_file` and `weights_digest`",
                ));
            }
        },
    };
    let precision = match raw.precision {
        raw::Precision::Fp32 => Precision::Fp32,
        raw::Precision::Bf16 => Precision::Bf16,
        raw::Precision::Int8 => Precision::Int8,
    };
    Ok(Graph {
        format,
        file,
        weights,
        precision,
    })
}

fn packed_file(field: &'static str, name: String, digest: String) -> Result<PackedFile, Error> {
    let plain = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if name.is_empty() || name.len() > 128 || name.starts_with('.') || !plain {
        return Err(refuse(
            field,
            format!("the file “{name}”"),
            "a plain file name beside the card: letters, digits, dots, hyphens, underscores",
        ));
    }
    if digest.len() != 64
        || !digest
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    {
        return Err(refuse(
            field,
            format!("the digest “{digest}”"),
            "a SHA-256 of 64 lower-case hexadecimal digits",
        ));
    }
    Ok(PackedFile { name, digest })
}

/// How much of a slice is looked at, checked against the canvas.
fn about(region: &raw::About, canvas: &raw::Canvas) -> Result<About, Error> {
    let raw::About { margin, step } = *region;
    if margin == 0 || margin > MAX_CANVAS {
        return Err(refuse(
            "preprocessing.region.margin",
            margin,
            format!("1 to {MAX_CANVAS} pixels"),
        ));
    }
    if step == 0 || step > MAX_CANVAS || step % canvas.multiple != 0 {
        return Err(refuse(
            "preprocessing.region.step",
            step,
            format!(
                "a multiple of {} from {} to {MAX_CANVAS}",
                canvas.multiple, canvas.multiple
            ),
        ));
    }
    Ok(About { margin, step })
}

/// The one tensor of a list, checked to be `[N, channels, Y, X]` and able to take the canvas.
fn tensor(
    field: &'static str,
    tensors: Vec<raw::Tensor>,
    channels: usize,
    canvas: &raw::Canvas,
) -> Result<raw::Tensor, Error> {
    let count = tensors.len();
    let [tensor] = <[raw::Tensor; 1]>::try_from(tensors)
        .map_err(|_| refuse(field, format!("{count} tensors"), "one tensor"))?;
    if tensor.name.is_empty() || tensor.name.len() > 256 {
        return Err(refuse(
            field,
            format!("the name “{}”", tensor.name),
            "1 to 256 bytes",
        ));
    }
    let free_or = |found: i64, wanted: u32| found == -1 || found == i64::from(wanted);
    let fits = match tensor.shape[..] {
        [n, c, y, x] => {
            (n == -1 || n >= 1)
                && usize::try_from(c) == Ok(channels)
                && free_or(y, canvas.rows)
                && free_or(x, canvas.columns)
        }
        _ => false,
    };
    if !fits {
        let expected = format!(
            "[N, {channels}, {}, {}], -1 for what is free",
            canvas.rows, canvas.columns
        );
        return Err(refuse(
            field,
            format!("the shape {:?}", tensor.shape),
            expected,
        ));
    }
    Ok(tensor)
}
