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
use cinecor_segmentation::{FrameGrid, Pipeline, Region};

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
    ) -> impl Future<Output = Result<Output, Error>>;
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
    on_canvas: Vec<f32>,
}

/// How many an instance keeps: of more calls at once than these, what was made for them goes with them.
const KEPT_MAX: usize = 3;

thread_local! {
    // One component is one `L`. Taken out while a call works with it: a second call may come while the first one's network computes.
    static KEPT: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
}

/// One that no call works with, and that is of this model. What is there of others goes: an instance holds one graph.
fn taken(model: &ModelPackage) -> Kept {
    KEPT.with_borrow_mut(|all| {
        all.retain(|kept| kept.is_of(model));
        all.pop().unwrap_or_default()
    })
}

/// Puts one back for the next call.
fn put(kept: Kept) {
    KEPT.with_borrow_mut(|all| {
        if all.len() < KEPT_MAX {
            all.push(kept);
        }
    });
}

impl<L: Look> Guest for Joint<L> {
    async fn describe(model: ModelPackage) -> Result<Description, Error> {
        let mut kept = taken(&model);
        let described = kept
            .current(&model)
            .map(|network| describe(&model, network.info()));
        put(kept);
        described
    }

    async fn segment(
        model: ModelPackage,
        grid: Grid,
        intensities: Vec<f32>,
    ) -> Result<SegmentedFrame, Error> {
        let mut kept = taken(&model);
        let segmented = kept.segment::<L>(&model, &grid, &intensities).await;
        put(kept);
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
    /// Whether it has the network of `model`.
    fn is_of(&self, model: &ModelPackage) -> bool {
        self.network
            .as_ref()
            .is_some_and(|network| network.is_of(model))
    }

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

    async fn segment<L: Look>(
        &mut self,
        model: &ModelPackage,
        grid: &Grid,
        intensities: &[f32],
    ) -> Result<SegmentedFrame, Error> {
        if !self.is_of(model) {
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
        let preprocess_ms = milliseconds(started);
        let mut at_work = AtWork {
            network,
            pipeline,
            canvases: &self.canvases,
            batch: &mut self.batch,
            on_canvas: &mut self.on_canvas,
            labels: vec![0; intensities.len()],
            confidence: vec![0; intensities.len()],
            evidence: cinecor_segmentation::Evidence::default(),
            preprocess_ms,
            inference_ms: 0.0,
            postprocess_ms: 0.0,
        };
        at_work.frame::<L>(grid.slices as usize).await?;
        Ok(at_work.done())
    }
}

/// A frame at work.
struct AtWork<'a> {
    network: &'a Network,
    pipeline: &'a mut Pipeline,
    canvases: &'a [f32],
    /// Scratch.
    batch: &'a mut Vec<f32>,
    on_canvas: &'a mut Vec<f32>,
    labels: Vec<u8>,
    confidence: Vec<u8>,
    evidence: cinecor_segmentation::Evidence,
    preprocess_ms: f64,
    inference_ms: f64,
    postprocess_ms: f64,
}

impl AtWork<'_> {
    /// Looks at every slice, and cleans up.
    async fn frame<L: Look>(&mut self, slices: usize) -> Result<(), Error> {
        let whole = self.pipeline.whole();
        let first = self.pipeline.first_look();
        let mut region = whole.clone();
        if !first.is_empty() {
            let slices: Vec<usize> = first.clone().collect();
            let mut outputs = Vec::new();
            for slices in slices.chunks(self.network.batch()) {
                let output = self.look::<L>(slices, &whole).await?;
                let expected = self.pipeline.output_values(slices.len(), &whole);
                outputs.extend_from_slice(&output.values(expected)?);
            }
            let started = Instant::now();
            region = self.pipeline.region(&outputs).map_err(broken)?;
            self.postprocess_ms += milliseconds(started);
            let each = outputs.chunks_exact(self.pipeline.output_values(1, &whole));
            for (slice, output) in slices.into_iter().zip(each) {
                self.keep(slice, output, &whole)?;
            }
        }
        let others: Vec<usize> = (0..slices).filter(|slice| !first.contains(slice)).collect();
        let again = self.slices::<L>(&others, &region).await?;
        // The whole canvas has no edge that a heart could pass.
        self.slices::<L>(&again, &whole).await?;
        let started = Instant::now();
        self.pipeline
            .clean_up(&mut self.labels, &mut self.confidence, &mut self.evidence)
            .map_err(broken)?;
        self.postprocess_ms += milliseconds(started);
        Ok(())
    }

    /// Looks at `slices` in `region`, and tells of which the heart may reach beyond it: nothing of them is kept.
    async fn slices<L: Look>(
        &mut self,
        slices: &[usize],
        region: &Region,
    ) -> Result<Vec<usize>, Error> {
        let mut again = Vec::new();
        for slices in slices.chunks(self.network.batch()) {
            let outputs = self.look::<L>(slices, region).await?;
            let outputs = outputs.values(self.pipeline.output_values(slices.len(), region))?;
            let each = outputs.chunks_exact(self.pipeline.output_values(1, region));
            for (&slice, output) in slices.iter().zip(each) {
                let started = Instant::now();
                let leaves = self.pipeline.leaves(output, region).map_err(broken)?;
                self.postprocess_ms += milliseconds(started);
                if leaves {
                    again.push(slice);
                } else {
                    self.keep(slice, output, region)?;
                }
            }
        }
        Ok(again)
    }

    /// The network's output for `slices` in `region`, `[slices, 4, rows, columns]`.
    async fn look<L: Look>(&mut self, slices: &[usize], region: &Region) -> Result<Output, Error> {
        let started = Instant::now();
        self.pipeline
            .batch(self.canvases, slices, region, self.batch)
            .map_err(unsupported)?;
        let (rows, columns) = region.size();
        let shape = [slices.len(), self.pipeline.channels(), rows, columns];
        let expected = self.pipeline.output_values(slices.len(), region);
        self.preprocess_ms += milliseconds(started);

        let started = Instant::now();
        let output = L::look(self.network, shape, self.batch, expected).await?;
        self.inference_ms += milliseconds(started);
        Ok(output)
    }

    /// Keeps what an output of `region` says of a slice.
    fn keep(&mut self, slice: usize, output: &[f32], region: &Region) -> Result<(), Error> {
        let started = Instant::now();
        let output = self
            .pipeline
            .on_canvas(output, region, self.on_canvas)
            .map_err(broken)?;
        let voxels = self.pipeline.grid().rows as usize * self.pipeline.grid().columns as usize;
        let (Some(labels), Some(confidence)) = (
            self.labels.chunks_exact_mut(voxels).nth(slice),
            self.confidence.chunks_exact_mut(voxels).nth(slice),
        ) else {
            return Err(Error::Engine(format!("the frame has no slice {slice}")));
        };
        self.pipeline
            .restore(output, labels, confidence, &mut self.evidence)
            .map_err(broken)?;
        self.postprocess_ms += milliseconds(started);
        Ok(())
    }

    fn done(self) -> SegmentedFrame {
        SegmentedFrame {
            labels: self.labels,
            confidence: self.confidence,
            evidence: Evidence {
                right_ventricle: in_words(self.evidence.right_ventricle),
                myocardium: in_words(self.evidence.myocardium),
                left_ventricle: in_words(self.evidence.left_ventricle),
            },
            preprocess_ms: self.preprocess_ms,
            inference_ms: self.inference_ms,
            postprocess_ms: self.postprocess_ms,
        }
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

fn broken(error: cinecor_segmentation::Error) -> Error {
    Error::Engine(error.to_string())
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
