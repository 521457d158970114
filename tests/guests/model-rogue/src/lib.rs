//! A model component that finds nothing in any picture, and on slices of certain numbers of rows, or with certain versions of a package, traps,
//! computes without end, takes memory without end, answers otherwise each time, or says that it failed. What it does to others is for the tests
//! to see.

use std::sync::atomic::{AtomicU8, Ordering};

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
            "../../../wit/deps/wasi-nn@0.2.0-rc-2024-10-28",
            "../../../wit/cinecor-inference",
            "../../../wit/cinecor-model",
        ],
        world: "cinecor:model/model@0.1.0",
        generate_all,
    });
}

use bindings::cinecor::inference::graphs;
use bindings::cinecor::model::types::{Evidence, StructureEvidence};
use bindings::exports::cinecor::model::segmenter::{
    Description, Error, Grid, Guest, ModelPackage, SegmentedFrame,
};

struct Rogue;

bindings::export!(Rogue with_types_in bindings);

/// The rows of a slice, and the version of any package, on which it traps.
const TRAPS: (u32, &str) = (61, "66.6.1");
/// Those on which it never ends.
const LOOPS: (u32, &str) = (62, "66.6.2");
/// Those on which it takes memory until there is none.
const HOARDS: (u32, &str) = (63, "66.6.3");
/// Those on which no answer is like the one before.
const WAVERS: (u32, &str) = (64, "66.6.4");

/// Those of which it says that the engine failed.
const FAILS: (u32, &str) = (65, "66.6.5");

/// How often it has wavered.
static WAVERED: AtomicU8 = AtomicU8::new(0);

impl Guest for Rogue {
    async fn describe(model: ModelPackage) -> Result<Description, Error> {
        let info = graphs::describe(&format!("{}@{}", model.name, model.version))
            .map_err(|error| Error::UnknownModel(format!("{error:?}")))?;
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
        let is = |(rows, version): (u32, &str)| grid.rows == rows || model.version == version;
        if is(TRAPS) {
            std::process::abort();
        }
        if is(LOOPS) {
            loop {
                std::hint::black_box(0);
            }
        }
        if is(HOARDS) {
            let mut hoard = Vec::new();
            loop {
                hoard.push(std::hint::black_box(vec![1_u8; 16 << 20]));
            }
        }
        if is(FAILS) {
            return Err(Error::Engine("it was asked to".to_owned()));
        }
        let mut labels = vec![0; intensities.len()];
        if let Some(first) = labels.first_mut().filter(|_| is(WAVERS)) {
            *first = WAVERED.fetch_add(1, Ordering::Relaxed) % 2;
        }
        let nothing = StructureEvidence {
            expected_voxels: 0.0,
            agreeing_voxels: 0.0,
            uncertain_voxels: 0.0,
            removed_voxels: 0,
        };
        Ok(SegmentedFrame {
            labels,
            confidence: vec![255; intensities.len()],
            evidence: Evidence {
                right_ventricle: nothing,
                myocardium: nothing,
                left_ventricle: nothing,
            },
            preprocess_ms: 0.0,
            inference_ms: 0.0,
            postprocess_ms: 0.0,
        })
    }
}
