//! A model component for Cinecor: grey values of one frame in, labels on the same grid out.
//!
//! As it stands it lays each slice on the network's canvas, centred and not resampled, and takes the likeliest label of each voxel. It is a
//! start for a model of your own, not a model for patients: change `segment`, and leave the rest.

#[allow(missing_docs, clippy::all, reason = "generated from the WIT, which documents itself")]
mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "my:model/my-model",
        generate_all,
    });
}

use bindings::cinecor::inference::graphs;
use bindings::cinecor::model::types::{Evidence, StructureEvidence};
use bindings::exports::cinecor::model::segmenter::{
    Description, Error, Grid, Guest, ModelPackage, SegmentedFrame,
};
use bindings::wasi::nn::graph::load_by_name;
use bindings::wasi::nn::tensor::{Tensor, TensorType};
use serde_json::Value;
use std::time::Instant;

/// Labels of an answer, in the order of their numbers, as cards name them.
const LABELS: [&str; 4] = [
    "background",
    "right_ventricle",
    "myocardium",
    "left_ventricle",
];

/// Farthest a normalised grey value may lie from the mean, in standard deviations.
const CLIP_SD: f32 = 5.0;

struct MyModel;

bindings::export!(MyModel with_types_in bindings);

impl Guest for MyModel {
    async fn describe(model: ModelPackage) -> Result<Description, Error> {
        let info = graphs::describe(&graph_name(&model)).map_err(|error| match error {
            graphs::Error::NotFound(text) => Error::UnknownModel(text),
            graphs::Error::Refused(text) => Error::UnsupportedPrecision(text),
            graphs::Error::NotConfigured(text) => Error::NotConfigured(text),
            graphs::Error::Unavailable(text) => Error::Engine(text),
        })?;
        Ok(Description {
            name: model.name,
            version: model.version,
            digest: info.digest,
            engine: info.engine,
            device: info.device,
            precision: info.precision,
        })
    }

    async fn segment(
        model: ModelPackage,
        grid: Grid,
        intensities: Vec<f32>,
    ) -> Result<SegmentedFrame, Error> {
        let card = Card::read(&model.card)
            .ok_or_else(|| Error::InvalidCard("a field that is needed is missing".to_owned()))?;
        let started = Instant::now();
        let context = load_by_name(&graph_name(&model))
            .and_then(|graph| graph.init_execution_context())
            .map_err(|error| Error::Engine(error.data()))?;
        let grey = normalised(&intensities);
        let preprocess_ms = milliseconds(started);

        let started = Instant::now();
        let (rows, columns) = (grid.rows as usize, grid.columns as usize);
        let (plane, canvas) = (rows * columns, card.rows * card.columns);
        let mut frame = Labelled::default();
        for slice in 0..grid.slices as usize {
            // The slice between its neighbours; at the ends the last one stands for those that are not there.
            let mut image = vec![0.0_f32; card.channels * canvas];
            for (channel, image) in image.chunks_exact_mut(canvas).enumerate() {
                let other = (slice + channel)
                    .saturating_sub(card.channels / 2)
                    .min(grid.slices as usize - 1);
                let source = &grey[other * plane..(other + 1) * plane];
                card.each_pixel(rows, columns, |pixel, place| image[place] = source[pixel]);
            }
            let dimensions = [1, card.channels, card.rows, card.columns].map(|size| size as u32);
            let bytes: Vec<u8> = image.iter().flat_map(|value| value.to_le_bytes()).collect();
            let input = Tensor::new(&dimensions, TensorType::Fp32, &bytes);
            let outputs = context
                .compute(vec![(card.input.clone(), input)])
                .map_err(|error| Error::Engine(error.data()))?;
            let output = outputs.into_iter().find(|(name, _)| *name == card.output);
            let (_, output) = output
                .ok_or_else(|| Error::InvalidCard(format!("there is no output {}", card.output)))?;
            let values: Vec<f32> = output
                .data()
                .chunks_exact(4)
                .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
                .collect();
            if values.len() != LABELS.len() * canvas {
                return Err(Error::InvalidCard(format!(
                    "the output has {} values, {} were expected",
                    values.len(),
                    LABELS.len() * canvas
                )));
            }
            let first = frame.labels.len();
            // What lies outside the canvas was not looked at: background.
            frame.labels.resize(first + plane, 0);
            frame.confidence.resize(first + plane, 0);
            card.each_pixel(rows, columns, |pixel, place| {
                let of_label = |label: usize| values[card.classes[label] * canvas + place];
                frame.set(first + pixel, [0, 1, 2, 3].map(of_label));
            });
        }
        let [_, right_ventricle, myocardium, left_ventricle] = frame.evidence;
        Ok(SegmentedFrame {
            labels: frame.labels,
            confidence: frame.confidence,
            evidence: Evidence {
                right_ventricle,
                myocardium,
                left_ventricle,
            },
            preprocess_ms,
            inference_ms: milliseconds(started),
            postprocess_ms: 0.0,
        })
    }
}

/// The name under which the inference engine knows the graph of a package.
fn graph_name(model: &ModelPackage) -> String {
    match &model.precision {
        Some(precision) => format!("{}@{}:{precision}", model.name, model.version),
        None => format!("{}@{}", model.name, model.version),
    }
}

/// What of a card is used here.
struct Card {
    input: String,
    output: String,
    channels: usize,
    rows: usize,
    columns: usize,
    /// The network's class of each label.
    classes: [usize; 4],
}

impl Card {
    fn read(text: &str) -> Option<Self> {
        let card: Value = serde_json::from_str(text).ok()?;
        let size = |value: &Value| usize::try_from(value.as_u64()?).ok().filter(|size| *size > 0);
        let (input, output) = (&card["inputs"][0], &card["outputs"][0]);
        let canvas = &card["preprocessing"]["canvas"];
        let mut classes = [0; 4];
        for (class, label) in classes.iter_mut().zip(LABELS) {
            let number = usize::try_from(card["labels"][label].as_u64()?).ok()?;
            *class = Some(number).filter(|number| *number < LABELS.len())?;
        }
        Some(Self {
            input: input["name"].as_str()?.to_owned(),
            output: output["name"].as_str()?.to_owned(),
            channels: size(&input["shape"][1])?,
            rows: size(&canvas["rows"])?,
            columns: size(&canvas["columns"])?,
            classes,
        })
    }

    /// Calls `visit` with the index of every pixel of a slice that lies on the canvas, and its place there; both are centred.
    fn each_pixel(&self, rows: usize, columns: usize, mut visit: impl FnMut(usize, usize)) {
        for row in 0..rows {
            let Some(on_canvas) = (row + self.rows / 2).checked_sub(rows / 2) else {
                continue;
            };
            for column in 0..columns {
                let place = (column + self.columns / 2).checked_sub(columns / 2);
                if let Some(place) = place.filter(|place| *place < self.columns)
                    && on_canvas < self.rows
                {
                    visit(row * columns + column, on_canvas * self.columns + place);
                }
            }
        }
    }
}

/// The answer as it grows.
#[derive(Default)]
struct Labelled {
    labels: Vec<u8>,
    confidence: Vec<u8>,
    evidence: [StructureEvidence; 4],
}

impl Labelled {
    /// Gives a voxel its likeliest label.
    fn set(&mut self, voxel: usize, probabilities: [f32; 4]) {
        let mut likeliest = 0;
        for label in 1..4 {
            if probabilities[label] > probabilities[likeliest] {
                likeliest = label;
            }
        }
        self.labels[voxel] = likeliest as u8;
        self.confidence[voxel] = (probabilities[likeliest].clamp(0.0, 1.0) * 255.0).round() as u8;
        for (label, evidence) in self.evidence.iter_mut().enumerate() {
            let p = f64::from(probabilities[label].clamp(0.0, 1.0));
            evidence.expected_voxels += p;
            evidence.uncertain_voxels += p * (1.0 - p);
            if label == likeliest {
                evidence.agreeing_voxels += p;
            }
        }
    }
}

impl Default for StructureEvidence {
    fn default() -> Self {
        Self {
            expected_voxels: 0.0,
            agreeing_voxels: 0.0,
            uncertain_voxels: 0.0,
            removed_voxels: 0,
        }
    }
}

/// Grey values of the whole frame with mean 0 and standard deviation 1.
fn normalised(grey: &[f32]) -> Vec<f32> {
    let count = grey.len().max(1) as f64;
    let mean = grey.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
    let square = |value: &f32| (f64::from(*value) - mean).powi(2);
    let deviation = (grey.iter().map(square).sum::<f64>() / count).sqrt();
    let scale = if deviation > 0.0 { 1.0 / deviation } else { 0.0 };
    grey.iter()
        .map(|value| (((f64::from(*value) - mean) * scale) as f32).clamp(-CLIP_SD, CLIP_SD))
        .collect()
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
