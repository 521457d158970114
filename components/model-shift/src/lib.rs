//! A network that looks twice: at the slices as they are and at the slices moved aside by a few pixels, and answers the mean of both.
//!
//! A network that halves its grid again and again answers a little differently when the picture lies differently on that grid; the mean of
//! two looks varies less. It costs twice the inference, and is no other model: what it gains on a package has to be measured for it.
//! Mirrored looks are not among them, because a mirrored heart does not exist and the networks here are not trained on one.
//!
//! It takes the same packages as `model-unet` and can stand in its place, which is how components are swapped.

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated from the WIT, which documents itself"
)]
mod bindings {
    wit_bindgen::generate!({
        path: [
            "../../wit/deps/wasi-nn@0.2.0-rc-2024-10-28",
            "../../wit/cinecor-inference",
            "../../wit/cinecor-model",
        ],
        world: "cinecor:model/model@0.1.0",
        generate_all,
    });
}

/// The graph and its tensors are the same business as in `model-unet`.
#[path = "../../model-unet/src/network.rs"]
mod network;
mod shift;

use std::cell::RefCell;
use std::time::Instant;

use bindings::cinecor::inference::graphs::GraphInfo;
use bindings::cinecor::model::types::{Evidence, StructureEvidence};
use bindings::exports::cinecor::model::segmenter::{
    Description, Error, Grid, Guest, ModelPackage, SegmentedFrame,
};
use cinecor_segmentation::{FrameGrid, Pipeline};
use network::Network;

/// How far the second look is moved, in pixels of the network's grid: odd, so that no halving of the grid lies as it lay before.
const SHIFT: usize = 5;

struct ModelShift;

bindings::export!(ModelShift with_types_in bindings);

/// What an instance keeps from one call to the next.
#[derive(Default)]
struct Kept {
    network: Option<Network>,
    pipeline: Option<Pipeline>,
    canvases: Vec<f32>,
    batch: Vec<f32>,
    moved: Vec<f32>,
}

thread_local! {
    // Taken out while a call works with it, so that a second call finds it empty instead of borrowed.
    static KEPT: RefCell<Kept> = RefCell::default();
}

impl Guest for ModelShift {
    async fn describe(model: ModelPackage) -> Result<Description, Error> {
        let mut kept = KEPT.take();
        let described = kept
            .current(&model)
            .map(|network| describe(&model, network.info()));
        KEPT.set(kept);
        described
    }

    async fn segment(
        model: ModelPackage,
        grid: Grid,
        intensities: Vec<f32>,
    ) -> Result<SegmentedFrame, Error> {
        let mut kept = KEPT.take();
        let segmented = kept.segment(&model, &grid, &intensities);
        KEPT.set(kept);
        segmented
    }
}

fn describe(model: &ModelPackage, info: &GraphInfo) -> Description {
    Description {
        name: model.name.clone(),
        version: model.version.clone(),
        digest: info.digest.clone(),
        engine: info.engine.clone(),
        device: info.device.clone(),
        precision: info.precision.clone(),
    }
}

impl Kept {
    /// The network of `model`, loaded anew when the package or the graph behind its name is another than the one that is kept.
    fn current(&mut self, model: &ModelPackage) -> Result<&mut Network, Error> {
        let info = network::inform(model)?;
        if !self
            .network
            .as_ref()
            .is_some_and(|network| network.is(model, &info))
        {
            self.pipeline = None;
            self.network = None;
            self.network = Some(Network::load(model, info)?);
        }
        self.network
            .as_mut()
            .ok_or_else(|| Error::Engine("the network was not kept".to_owned()))
    }

    fn segment(
        &mut self,
        model: &ModelPackage,
        grid: &Grid,
        intensities: &[f32],
    ) -> Result<SegmentedFrame, Error> {
        if !self
            .network
            .as_ref()
            .is_some_and(|network| network.is_of(model))
        {
            self.current(model)?;
        }
        let Some(network) = &self.network else {
            return Err(Error::Engine("the network was not kept".to_owned()));
        };
        let started = Instant::now();
        let grid = FrameGrid {
            slices: grid.slices,
            rows: grid.rows,
            columns: grid.columns,
            row_mm: grid.row_mm,
            column_mm: grid.column_mm,
        };
        let pipeline = match self.pipeline.take() {
            Some(pipeline) if *pipeline.grid() == grid => pipeline,
            _ => Pipeline::new(network.card(), grid).map_err(unsupported)?,
        };
        let pipeline = self.pipeline.insert(pipeline);
        pipeline
            .prepare(intensities, &mut self.canvases)
            .map_err(unsupported)?;
        let mut preprocess_ms = milliseconds(started);
        let (mut inference_ms, mut postprocess_ms) = (0.0, 0.0);

        let mut labels = vec![0; intensities.len()];
        let mut confidence = vec![0; intensities.len()];
        let mut evidence = cinecor_segmentation::Evidence::default();
        let (rows, columns) = pipeline.canvas();
        let slice_voxels = grid.rows as usize * grid.columns as usize;
        let mut places = labels
            .chunks_exact_mut(slice_voxels)
            .zip(confidence.chunks_exact_mut(slice_voxels));
        let all = grid.slices as usize;
        for first in (0..all).step_by(network.batch()) {
            let started = Instant::now();
            let slices = network.batch().min(all - first);
            let batch = pipeline
                .batch(&self.canvases, first..first + slices, &mut self.batch)
                .map_err(unsupported)?;
            let shape = [slices, pipeline.channels(), rows as usize, columns as usize];
            let (rows, columns) = (rows as usize, columns as usize);
            shift::aside(batch, rows, columns, SHIFT, &mut self.moved);
            let input = network.input(shape, batch)?;
            let moved = network.input(shape, &self.moved)?;
            preprocess_ms += milliseconds(started);

            let started = Instant::now();
            let output = network.compute(input)?;
            let moved = network.compute(moved)?;
            inference_ms += milliseconds(started);

            let started = Instant::now();
            let expected = slices * pipeline.output_values_per_slice();
            let mut output = output.values(expected)?.into_owned();
            let moved = moved.values(expected)?;
            shift::mean_with(&mut output, &moved, rows, columns, SHIFT);
            for (output, (labels, confidence)) in output
                .chunks_exact(pipeline.output_values_per_slice())
                .zip(&mut places)
            {
                pipeline
                    .restore(output, labels, confidence, &mut evidence)
                    .map_err(|error| Error::Engine(error.to_string()))?;
            }
            postprocess_ms += milliseconds(started);
        }
        let started = Instant::now();
        pipeline
            .clean_up(&mut labels, &mut confidence, &mut evidence)
            .map_err(|error| Error::Engine(error.to_string()))?;
        postprocess_ms += milliseconds(started);
        Ok(SegmentedFrame {
            labels,
            confidence,
            evidence: Evidence {
                right_ventricle: in_words(evidence.right_ventricle),
                myocardium: in_words(evidence.myocardium),
                left_ventricle: in_words(evidence.left_ventricle),
            },
            preprocess_ms,
            inference_ms,
            postprocess_ms,
        })
    }
}

/// What is known of a structure in the interface's words.
fn in_words(evidence: cinecor_segmentation::StructureEvidence) -> StructureEvidence {
    StructureEvidence {
        expected_voxels: evidence.expected_voxels,
        agreeing_voxels: evidence.agreeing_voxels,
        uncertain_voxels: evidence.uncertain_voxels,
        removed_voxels: evidence.removed_voxels,
    }
}

fn unsupported(error: cinecor_segmentation::Error) -> Error {
    Error::UnsupportedGrid(error.to_string())
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
