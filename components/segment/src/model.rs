//! The model that answers: which package, read once a request, and the calls of `cinecor:model/segmenter`.

use std::path::Path;

use cinecor_guest::{
    GuestStore, MODELS, engine_not_configured, engine_unreachable, kept_card, open_store, sentence,
    storage_problem, variable,
};
use cinecor_measures::score::{self, Features, Form, Weights};
use cinecor_measures::{Counts, Factor, Factors};
use cinecor_model_card::Card;
use cinecor_store::ModelUsed;
use cinecor_volume::{Frame, Spacing};
use cinecor_web::{PRECISIONS, Problem, ProblemKind};
use ndarray::ArrayView3;

use crate::bindings::cinecor::model::segmenter::{self, Error, Grid, ModelPackage};
pub(crate) use crate::bindings::cinecor::model::types::{
    Description, Evidence, SegmentedFrame, StructureEvidence,
};

/// Name of the variable that holds the name of the model that answers when a request names none.
const DEFAULT_MODEL: &str = "default_model";

/// Name of the environment variable in which the host tells the digest of this component as it is composed; stock Spin does not.
const COMPONENT_DIGEST: &str = "CINECOR_COMPONENT_DIGEST";

/// A package and what the engine says of it.
pub(crate) struct Model {
    package: ModelPackage,
    description: Description,
    /// How the card scores a mask, when it does.
    weights: Option<Weights>,
    /// How the card widens doubts to intervals, when it does.
    factors: Option<Factors>,
}

impl Model {
    /// The model of a request: `name`, or `name@version`; without it the default model, without a version the active one, or else
    /// the highest that is there. In `precision`, or else in that of the host's settings. Read once a request, so that an answer names
    /// exactly one.
    ///
    /// # Errors
    /// [`ProblemKind::ModelUnusable`] for a package that is not there or does not load, or not in this precision.
    pub(crate) async fn chosen(
        reference: Option<&str>,
        precision: Option<&str>,
    ) -> Result<Model, Problem> {
        let unknown = |what: String| {
            Problem::new(
                ProblemKind::ModelUnusable,
                format!("{what}; /api/v1/models lists what is there."),
            )
        };
        let default;
        let reference = match reference {
            Some(reference) => reference,
            None => {
                default = variable(DEFAULT_MODEL)
                    .await?
                    .filter(|name| !name.is_empty());
                default.as_deref().ok_or_else(|| {
                    Problem::internal(format!("the variable {DEFAULT_MODEL} is not set"))
                })?
            }
        };
        let (name, version) = reference
            .split_once('@')
            .map_or((reference, None), |(name, version)| (name, Some(version)));
        if !cinecor_model_card::is_package_name(name) {
            return Err(unknown(
                "The name is not one that a model can have".to_owned(),
            ));
        }
        let store = open_store().await?;
        let (version, card) = match version {
            Some(version) => {
                if !cinecor_model_card::is_version(version) {
                    return Err(unknown(format!("The model `{name}` has no such version")));
                }
                let card = kept_card(&store, name, version)
                    .await?
                    .ok_or_else(|| unknown(format!("There is no model `{name}@{version}`")))?;
                (version.to_owned(), card)
            }
            None => active(&store, name)
                .await?
                .ok_or_else(|| unknown(format!("There is no model `{name}` that is active")))?,
        };
        let package = ModelPackage {
            name: name.to_owned(),
            version,
            card,
            precision: precision.map(str::to_owned),
        };
        let description = segmenter::describe(package.clone())
            .await
            .map_err(problem)?;
        // Whoever takes another card than this service reads has no score to offer.
        let known = Card::parse(&package.card)
            .ok()
            .and_then(|card| card.calibration);
        let known = known.as_ref();
        let score = known.and_then(|known| known.score.as_ref());
        let intervals = known.and_then(|known| known.intervals.as_ref());
        Ok(Model {
            package,
            description,
            weights: score.map(weights),
            factors: intervals.map(factors),
        })
    }

    /// What answers, as records and answers name it.
    pub(crate) fn used(&self) -> ModelUsed {
        let Description {
            name,
            version,
            digest,
            engine,
            device,
            precision,
        } = self.description.clone();
        ModelUsed {
            name,
            version,
            digest,
            component_digest: std::env::var(COMPONENT_DIGEST).ok(),
            engine,
            device,
            precision,
        }
    }

    /// How wide intervals are; `None` when the card does not say.
    pub(crate) fn factors(&self) -> Option<&Factors> {
        self.factors.as_ref()
    }

    /// The mean Dice that the mask of a frame is thought to have; `None` when the card does not say how to tell.
    pub(crate) fn score(
        &self,
        labels: ArrayView3<'_, u8>,
        counts: &Counts,
        evidence: &Evidence,
        spacing: &Spacing,
    ) -> Option<f64> {
        let weights = self.weights?;
        let structure = |of: &StructureEvidence, labelled_voxels| score::StructureEvidence {
            expected_voxels: of.expected_voxels,
            agreeing_voxels: of.agreeing_voxels,
            labelled_voxels,
            removed_voxels: of.removed_voxels,
        };
        let structures = [
            structure(&evidence.right_ventricle, counts.right_ventricle),
            structure(&evidence.myocardium, counts.myocardium),
            structure(&evidence.left_ventricle, counts.left_ventricle),
        ];
        let features = Features::of(&structures, Form::of(labels, spacing), spacing.voxel_ml());
        Some(weights.score(&features))
    }

    /// Segments a frame, in standard layout.
    ///
    /// # Errors
    /// What the model refuses or fails at.
    pub(crate) async fn segment(
        &self,
        spacing: &Spacing,
        intensities: Frame,
    ) -> Result<SegmentedFrame, Problem> {
        let (slices, rows, columns) = intensities.dim();
        let size = |size: usize| u32::try_from(size).map_err(Problem::internal);
        let grid = Grid {
            columns: size(columns)?,
            rows: size(rows)?,
            slices: size(slices)?,
            column_mm: spacing.column_mm,
            row_mm: spacing.row_mm,
            slice_mm: spacing.slice_mm,
        };
        let intensities = intensities.into_raw_vec_and_offset().0;
        segmenter::segment(self.package.clone(), grid, intensities)
            .await
            .map_err(problem)
    }
}

/// The weights of a score as its measure takes them.
fn weights(score: &cinecor_model_card::Score) -> Weights {
    let of = &score.coefficients;
    Weights {
        intercept: score.intercept,
        coefficients: Features {
            dice_mean: of.dice_mean,
            dice_worst: of.dice_worst,
            removed: of.removed,
            form: Form {
                missing: of.missing,
                gaps: of.gaps,
                open_wall: of.open_wall,
                jump: of.jump,
                ragged: of.ragged,
            },
            volume: of.volume,
        },
    }
}

/// The factors of intervals as their measure takes them.
fn factors(intervals: &cinecor_model_card::Intervals) -> Factors {
    let of = intervals.factors.iter().map(|factor| Factor {
        quantity: factor.quantity.clone(),
        share: factor.share,
        low: factor.low,
        high: factor.high,
    });
    Factors {
        level: intervals.level,
        of: of.collect(),
    }
}

/// The precision of a field.
///
/// # Errors
/// [`ProblemKind::InvalidField`] for one that there is not.
pub(crate) fn precision(text: &str) -> Result<&'static str, Problem> {
    let known = PRECISIONS.iter().find(|known| **known == text);
    known.copied().ok_or_else(|| {
        Problem::field(
            "precision",
            format!("is none that there is; send {}", PRECISIONS.join(" or ")),
        )
    })
}

/// The version that answers when a request names none, with its card: the one that was activated while it is there, or else the highest
/// that ships. What was uploaded answers only once it was activated.
async fn active(store: &GuestStore, name: &str) -> Result<Option<(String, String)>, Problem> {
    let activated = store.active_model(name).await.map_err(storage_problem)?;
    for version in activated.into_iter().chain(highest_version(name)) {
        if let Some(card) = kept_card(store, name, &version).await? {
            return Ok(Some((version, card)));
        }
    }
    Ok(None)
}

/// The highest version of a package that is mounted.
fn highest_version(name: &str) -> Option<String> {
    let folders = std::fs::read_dir(Path::new(MODELS).join(name)).ok()?;
    folders
        .filter_map(|folder| folder.ok()?.file_name().into_string().ok())
        .filter_map(|version| Some((cinecor_model_card::version_order(&version)?, version)))
        .max()
        .map(|(_, version)| version)
}

fn problem(error: Error) -> Problem {
    match error {
        Error::InvalidCard(text) => Problem::new(ProblemKind::ModelUnusable, sentence(&text)),
        Error::UnknownModel(text) => Problem::new(
            ProblemKind::ModelUnusable,
            "The engine does not know this model; choose one that /api/v1/models lists with an engine.",
        )
        .caused_by(text),
        Error::UnsupportedPrecision(text) => Problem::new(
            ProblemKind::ModelUnusable,
            format!("The model is not computed in this precision: {}", sentence(&text)),
        )
        .with("parameter", "precision"),
        Error::UnsupportedGrid(text) => Problem::new(ProblemKind::ModelUnusable, sentence(&text)),
        Error::Busy(text) => Problem::new(
            ProblemKind::Overloaded,
            "The inference engine has no room now; try again in a second.",
        )
        .caused_by(text)
        .retry_after(1),
        Error::Unreachable(text) => engine_unreachable(&text),
        Error::NotConfigured(text) => engine_not_configured(&text),
        Error::Engine(text) => {
            Problem::new(ProblemKind::EngineFailed, "The inference engine failed; try again. The request id finds the cause in the log.").caused_by(text)
        }
    }
}
