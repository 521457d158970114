//! What the HTTP contract says in JSON and CSV: serde types whose keys are the contract, and their making from domain values.
//!
//! Numbers are made in `cinecor-measures`, refusals in `cinecor-web`; here is neither arithmetic nor a route. Unknown is `null`; a key
//! that the contract marks as optional is left out instead. Units stand in the keys.
//!
//! ```
//! use cinecor_volume::{Shape, Spacing};
//! use cinecor_wire::{ShapeJson, SpacingJson};
//!
//! let shape = Shape { frames: 30, slices: 12, rows: 256, columns: 224 };
//! let json = serde_json::to_value(ShapeJson::from(shape))?;
//! assert_eq!(json, serde_json::json!({"frames": 30, "slices": 12, "rows": 256, "columns": 224}));
//! let spacing = Spacing { row_mm: 1.5, column_mm: 1.25, slice_mm: 8.0 };
//! assert_eq!(serde_json::to_value(SpacingJson::from(spacing))?["column"], 1.25);
//! # Ok::<(), serde_json::Error>(())
//! ```

mod agreement;
mod csv;
mod metrics;
mod one_shot;
mod profile;
mod report;
mod revision;
mod segmentation;
mod study;

pub use agreement::{CompareJson, StructureAgreementJson};
pub use csv::{kept_csv, metrics_csv};
pub use metrics::{
    BodyJson, CheckJson, ConventionsJson, CurveJson, IntervalJson, MetricsJson, MyocardiumJson,
    PhasePairJson, PhasesJson, QualityJson, RatesJson, ReferenceJson, RightWithoutBasalSliceJson,
    RunnerUpJson, SegmentJson, SegmentsJson, SmoothedJson, VentricleJson, VentricleRatesJson,
    WithoutBasalSliceJson,
};
pub use one_shot::{OneShot, Preview, Progress};
pub use profile::{profile_of, profile_record};
pub use report::{
    CardJson, FieldJson, FieldState, GUIDELINE, GUIDELINE_NOTE, INTENDED_USE, INTERVAL_NOTE,
    PictureJson, ReportJson,
};
pub use revision::{ReviewJson, RevisionJson, RevisionListJson};
pub use segmentation::{
    CorrectedJson, LabelsJson, ModelJson, SegmentationJson, SegmentationListJson, TimingsJson,
    ToldPhasesJson, doubt_record, kept_quality, kept_rules, kept_subject, label_counts,
    measure_kept, measure_kept_with, shown_turned, told_rules,
};
pub use study::{
    DeidentificationJson, ShapeJson, SourceJson, SpacingJson, StudyJson, StudyListJson,
    SubjectJson, WarningJson, measured_with,
};
