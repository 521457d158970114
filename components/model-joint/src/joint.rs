//! The joint between `cinecor:model/segmenter` and wasi:nn: the graph and the grid that an instance keeps, the batches, the clock. How a
//! batch is looked at is the component's own.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::time::Instant;

use crate::bindings::cinecor::inference::graphs::GraphInfo;
use crate::bindings::cinecor::model::types::{Evidence, StructureEvidence};
use crate::bindings::exports::cinecor::model::segmenter::{
    Description, Error, Grid, Guest, ModelPackage, SegmentedFrame,
};
use crate::network::{self, Network, Output};
use cinecor_segmentation::{FrameGrid, Pipeline};

/// How a network looks at a batch of slices.
pub trait Look {
    /// The network's output of `expected` values for a batch of `shape`.
    ///
    /// # Errors
    /// What the engine says, and what of the output is not as the card says.
    fn look(
        network: &Network,
        shape: [usize; 4],
        batch: &[f32],
        expected: usize,
    ) -> Result<Output, Error>;
}

/// A component that looks at batches as `L` does.
#[derive(Debug)]
pub struct Joint<L>(PhantomData<L>);

/// What an instance keeps from one call to the next.
#[derive(Default)]
struct Kept {
    network: Option<Network>,
    pipeline: Option<Pipeline>,
    canvases: Vec<f32>,
    batch: Vec<f32>,
}

thread_local! {
    // One component is one `L`. Taken out while a call works with it, so that a second call finds it empty instead of borrowed.
    static KEPT: RefCell<Kept> = RefCell::default();
}

impl<L: Look> Guest for Joint<L> {
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
        let segmented = kept.segment::<L>(&model, &grid, &intensities);
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

    fn segment<L: Look>(
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
            let expected = slices * pipeline.output_values_per_slice();
            preprocess_ms += milliseconds(started);

            let started = Instant::now();
            let output = L::look(network, shape, batch, expected)?;
            inference_ms += milliseconds(started);

            let started = Instant::now();
            let output = output.values(expected)?;
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
