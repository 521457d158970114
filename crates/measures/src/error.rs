//! Why nothing was measured. Every text can be shown to the caller who sent the mask; none holds a voxel.

/// Why labels or facts cannot be measured.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A voxel carries a code that is no label.
    #[error(
        "the mask holds the value {code}; expected 0 background, 1 right ventricle, 2 myocardium or 3 left ventricle: convert its labels first"
    )]
    UnknownLabel {
        /// What was found.
        code: u8,
    },
    /// Two masks do not have the same shape.
    #[error(
        "the reference has shape {reference:?} and the prediction {prediction:?} (frames, slices, rows, columns); bring both to one grid"
    )]
    ShapesDiffer {
        /// Frames, slices, rows, columns of the reference.
        reference: [usize; 4],
        /// Frames, slices, rows, columns of the prediction.
        prediction: [usize; 4],
    },
    /// A distance or time that must be positive is not.
    #[error("the {name} is {found}; expected a finite number above 0")]
    NotPositive {
        /// Name of the quantity, with its unit.
        name: &'static str,
        /// What was found.
        found: f64,
    },
    /// A fact about the subject that no human has.
    #[error(
        "the fact {name} is {found}; expected a number from {low} to {high}: check the value and its unit"
    )]
    ImplausibleFact {
        /// Name of the fact, with its unit.
        name: &'static str,
        /// What was found.
        found: f64,
        /// The least that is accepted.
        low: f64,
        /// The most that is accepted.
        high: f64,
    },
    /// A phase was told that was not measured.
    #[error(
        "the fact {name} is {found}, but that frame was not measured; choose one of those that were, {measured}"
    )]
    UnknownFrame {
        /// `ed_frame` or `es_frame`.
        name: &'static str,
        /// What was told.
        found: usize,
        /// The measured frames, in words.
        measured: String,
    },
    /// End-diastole and end-systole were told to be one frame.
    #[error(
        "the facts ed_frame and es_frame are both {frame}; end-diastole and end-systole are two frames: correct one, or leave it out to have it found"
    )]
    SamePhases {
        /// The frame that was told twice.
        frame: usize,
    },
    /// A slice was excluded that the study does not have.
    #[error(
        "slice {found} cannot be excluded, the study has the slices 0 to {}; choose one of them",
        .slices.saturating_sub(1)
    )]
    UnknownSlice {
        /// What was told.
        found: usize,
        /// How many slices there are.
        slices: usize,
    },
    /// Every slice was excluded.
    #[error("every slice is excluded; leave at least one to be measured")]
    NoSlices,
    /// There is nothing to measure.
    #[error("no frame was given; at least one is needed")]
    NoFrames,
    /// The frames are not in order, or one is given twice.
    #[error(
        "frame {found} comes after frame {before}; frames are given once each, in rising order"
    )]
    FramesOutOfOrder {
        /// The frame that came first.
        before: usize,
        /// The frame that followed it.
        found: usize,
    },
}

impl Error {
    /// Name of the fact that was told wrong; `None` when what is wrong is no fact that a caller tells.
    pub fn fact(&self) -> Option<&'static str> {
        match self {
            Error::ImplausibleFact { name, .. } | Error::UnknownFrame { name, .. } => Some(name),
            Error::NotPositive { name, .. } => (*name == "frame_ms").then_some(name),
            Error::SamePhases { .. } => Some("es_frame"),
            Error::UnknownSlice { .. } | Error::NoSlices => Some("excluded_slices"),
            _ => None,
        }
    }
}
