//! The JSON of a card as it is written. What serde can refuse is refused here; meaning is checked by the crate's root.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

#[derive(Deserialize)]
pub(crate) struct Card {
    pub(crate) schema_version: u32,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) title: Option<String>,
    pub(crate) graph: Graph,
    pub(crate) variants: Vec<Graph>,
    pub(crate) inputs: Vec<Tensor>,
    pub(crate) outputs: Vec<Tensor>,
    pub(crate) preprocessing: Preprocessing,
    pub(crate) postprocessing: Postprocessing,
    /// Optional only so that its absence is refused with a reason of its own.
    pub(crate) labels: Option<Entries>,
    #[serde(rename = "training")]
    pub(crate) _training: Training,
    pub(crate) licence: String,
    #[serde(rename = "licence_note")]
    pub(crate) _licence_note: Option<String>,
    #[serde(rename = "citation")]
    pub(crate) _citation: String,
    pub(crate) intended_use: String,
    pub(crate) limits: Vec<String>,
    #[serde(rename = "accuracy")]
    pub(crate) _accuracy: Vec<Accuracy>,
    pub(crate) calibration: Option<Calibration>,
}

/// The members of a JSON object as they stand. A map would keep the last of a name that stands twice, where another reader keeps the
/// first.
pub(crate) struct Entries(pub(crate) Vec<(String, u32)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from names to channels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[derive(Deserialize)]
pub(crate) struct Graph {
    pub(crate) format: Format,
    pub(crate) file: String,
    pub(crate) digest: String,
    pub(crate) weights_file: Option<String>,
    pub(crate) weights_digest: Option<String>,
    pub(crate) precision: Precision,
    #[serde(rename = "accuracy", default)]
    pub(crate) _accuracy: Option<Vec<Accuracy>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    Onnx,
    Openvino,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Precision {
    Fp32,
    Bf16,
    Int8,
}

#[derive(Deserialize)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    #[serde(rename = "dtype")]
    pub(crate) _dtype: Dtype,
    #[serde(rename = "axis_order")]
    pub(crate) _axis_order: AxisOrder,
    pub(crate) shape: Vec<i64>,
    pub(crate) values: Option<Values>,
}

#[derive(Deserialize)]
pub(crate) enum Dtype {
    #[serde(rename = "float32")]
    Float32,
}

#[derive(Deserialize)]
pub(crate) enum AxisOrder {
    #[serde(rename = "N,C,Y,X")]
    Nchw,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Values {
    Probabilities,
    Logits,
}

#[derive(Deserialize)]
pub(crate) struct Preprocessing {
    pub(crate) spacing_mm: SpacingMm,
    #[serde(rename = "interpolation")]
    pub(crate) _interpolation: Interpolation,
    pub(crate) canvas: Canvas,
    pub(crate) normalisation: Normalisation,
    #[serde(default)]
    pub(crate) neighbours: u32,
    pub(crate) region: Option<About>,
}

#[derive(Deserialize)]
pub(crate) struct About {
    pub(crate) margin: u32,
    pub(crate) step: u32,
}

#[derive(Deserialize)]
pub(crate) struct SpacingMm {
    pub(crate) row: f64,
    pub(crate) column: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Interpolation {
    Bilinear,
}

#[derive(Deserialize)]
pub(crate) struct Canvas {
    pub(crate) rows: u32,
    pub(crate) columns: u32,
    pub(crate) multiple: u32,
    #[serde(rename = "placement")]
    pub(crate) _placement: Placement,
    pub(crate) padding: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Placement {
    Centre,
}

#[derive(Deserialize)]
pub(crate) struct Normalisation {
    #[serde(rename = "method")]
    pub(crate) _method: Method,
    #[serde(rename = "scope")]
    pub(crate) _scope: Scope,
    pub(crate) clip_sd: f64,
}

#[derive(Deserialize)]
pub(crate) enum Method {
    #[serde(rename = "z_score")]
    ZScore,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    Frame,
}

#[derive(Deserialize)]
pub(crate) struct Postprocessing {
    #[serde(rename = "interpolation")]
    pub(crate) _interpolation: Interpolation,
    #[serde(rename = "decision")]
    pub(crate) _decision: Decision,
    pub(crate) components: Components,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Decision {
    Argmax,
}

#[derive(Deserialize)]
pub(crate) struct Components {
    pub(crate) keep: Keep,
    pub(crate) connectivity: u32,
    pub(crate) share: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Keep {
    Largest,
    All,
}

#[derive(Deserialize)]
pub(crate) struct Training {
    #[serde(rename = "data")]
    pub(crate) _data: Vec<TrainingData>,
    #[serde(rename = "recipe")]
    pub(crate) _recipe: BTreeMap<String, IgnoredAny>,
}

#[derive(Deserialize)]
pub(crate) struct TrainingData {
    #[serde(rename = "name")]
    pub(crate) _name: String,
    #[serde(rename = "set")]
    pub(crate) _set: String,
    #[serde(rename = "patients")]
    pub(crate) _patients: u32,
    #[serde(rename = "licence")]
    pub(crate) _licence: String,
    #[serde(rename = "citation")]
    pub(crate) _citation: String,
}

#[derive(Deserialize)]
pub(crate) struct Accuracy {
    #[serde(rename = "set")]
    pub(crate) _set: String,
    #[serde(rename = "patients")]
    pub(crate) _patients: u32,
    #[serde(rename = "method")]
    pub(crate) _method: String,
    #[serde(rename = "dice")]
    pub(crate) _dice: BTreeMap<String, Phases>,
    #[serde(rename = "dice_mean")]
    pub(crate) _dice_mean: f64,
    #[serde(rename = "left_ventricle_ef_error_points")]
    pub(crate) _ef_error: Option<EfError>,
}

#[derive(Deserialize)]
pub(crate) struct Phases {
    #[serde(rename = "ed")]
    pub(crate) _ed: Option<Interval>,
    #[serde(rename = "es")]
    pub(crate) _es: Option<Interval>,
}

#[derive(Deserialize)]
pub(crate) struct Interval {
    #[serde(rename = "mean")]
    pub(crate) _mean: f64,
    #[serde(rename = "low")]
    pub(crate) _low: f64,
    #[serde(rename = "high")]
    pub(crate) _high: f64,
}

#[derive(Deserialize)]
pub(crate) struct EfError {
    #[serde(rename = "bias")]
    pub(crate) _bias: f64,
    #[serde(rename = "sd")]
    pub(crate) _sd: f64,
    #[serde(rename = "r")]
    pub(crate) _r: f64,
}

#[derive(Deserialize)]
pub(crate) struct Calibration {
    #[serde(rename = "set")]
    pub(crate) _set: String,
    #[serde(rename = "patients")]
    pub(crate) _patients: u32,
    pub(crate) temperature: f64,
    pub(crate) intervals: Option<Intervals>,
    pub(crate) score: Option<Score>,
}

#[derive(Deserialize)]
pub(crate) struct Intervals {
    #[serde(rename = "method")]
    pub(crate) _method: String,
    pub(crate) level: f64,
    pub(crate) factors: Vec<Factor>,
}

#[derive(Deserialize)]
pub(crate) struct Factor {
    pub(crate) quantity: String,
    pub(crate) share: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

#[derive(Deserialize)]
pub(crate) struct Score {
    #[serde(rename = "method")]
    pub(crate) _method: String,
    pub(crate) intercept: f64,
    pub(crate) coefficients: Coefficients,
}

#[derive(Deserialize)]
pub(crate) struct Coefficients {
    pub(crate) dice_mean: f64,
    pub(crate) dice_worst: f64,
    pub(crate) removed: f64,
    pub(crate) missing: f64,
    pub(crate) gaps: f64,
    pub(crate) open_wall: f64,
    pub(crate) jump: f64,
    #[serde(default)]
    pub(crate) ragged: f64,
    pub(crate) volume: f64,
}
