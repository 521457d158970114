//! What a labelled heart says in numbers: phases, volumes, ejection fractions, mass, the volume curve and its rates, the thickness of the
//! wall, where the numbers lie among healthy people, whether they may be trusted unseen, and how well two masks agree.
//!
//! Labels go in, plain structs with units in their names come out; `None` is "not known", never 0. Nothing here is a wire type: JSON and
//! CSV are made by the callers.
//!
//! Frames come one at a time, so that a cine need not be held: look at each with [`FrameProfile::of`], then [`measure_heart`]. Where only
//! volumes are asked for, [`Counts::of`] and [`measure`] do.
//!
//! ```
//! use cinecor_measures::{Counts, Cycle, FrameCounts, Subject, measure};
//! use cinecor_volume::Spacing;
//! use ndarray::Array3;
//!
//! let spacing = Spacing { row_mm: 1.0, column_mm: 1.0, slice_mm: 10.0 };
//! let mut end_diastole = Array3::<u8>::zeros((1, 20, 20));
//! end_diastole.slice_mut(ndarray::s![.., 0..10, 0..20]).fill(3); // 200 voxels of 0.01 ml: 2 ml of left ventricle
//! let mut end_systole = Array3::<u8>::zeros((1, 20, 20));
//! end_systole.slice_mut(ndarray::s![.., 0..5, 0..20]).fill(3); // 1 ml
//! let frames = [
//!     FrameCounts { frame: 0, counts: Counts::of(end_diastole.view())? },
//!     FrameCounts { frame: 1, counts: Counts::of(end_systole.view())? },
//! ];
//! let metrics = measure(&frames, &spacing, &Cycle::default(), &Subject::default())?;
//! assert_eq!(metrics.left_ventricle.edv_ml, Some(2.0));
//! assert_eq!(metrics.left_ventricle.ef_percent, Some(50.0));
//! assert_eq!(metrics.right_ventricle.edv_ml, None);
//! # Ok::<(), cinecor_measures::Error>(())
//! ```

mod agreement;
mod beat;
mod checks;
mod counts;
mod distance;
mod error;
mod heart;
mod intervals;
mod metrics;
mod pieces;
mod profile;
mod reference;
mod rules;
pub mod score;
mod segments;
mod subject;
mod wall;

pub use agreement::{Agreement, StructureAgreement, compare};
pub use beat::{Beat, SMOOTHER, SmoothCurve};
pub use checks::{Judged, SCORE_PASS, SCORE_REJECT, assess, checks, lies_as_usual, verdict};
pub use counts::{Counts, FrameCounts};
pub use error::Error;
pub use heart::measure_heart;
pub use intervals::{Doubt, Factor, Factors, Interval, intervals};
pub use metrics::{
    BASAL_RULE, Body, Check, Conventions, Curve, Cycle, MYOCARDIAL_DENSITY_G_PER_ML, Metrics,
    Myocardium, PAPILLARY_RULE, PhaseMethod, PhasePair, Phases, Quality, RunnerUp, VOLUME_RULE,
    Ventricle, Verdict, WithoutBasalSlice, measure,
};
pub use profile::{FrameProfile, Grid, SliceProfile, base_to_apex};
pub use reference::{Place, Reference, Sex, references};
pub use rules::{BasalRule, Rules};
pub use segments::{Ring, SEGMENT_PLACES, SegmentPlace};
pub use subject::{BSA_FORMULA, BsaFormula, Subject, bsa_m2};
pub use wall::{
    APEX_RULE, DIAMETER_RULE, RegionalWall, SEGMENTS, SegmentShare, WALL_RULE, Wall, WallShare,
};
