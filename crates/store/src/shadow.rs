//! A version of a model that runs beside the active one on the studies that are kept: which it is, and what the two made of each study. The
//! records and every statement of them.
//!
//! - `model_shadow`: one row a model that somebody gave a shadow.
//! - `model_shadow_results`: one row a segmentation that both versions have seen; it goes with the segmentation, and with the shadow.

use serde::{Deserialize, Serialize};

use crate::audit::Event;
use crate::backend::{Database, KeyValue};
use crate::id::Id;
use crate::store::{Store, StoreError, from_json, integer, text, to_json};

/// The most comparisons that are read at once, the latest first.
pub const SHADOW_RESULTS_MAX: usize = 1_000;

/// How long a comparison of two frames may say nothing, in ms, before it is taken to have been stopped.
pub const SHADOW_SILENCE_MS: i64 = 600_000;

/// A shadow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadow {
    /// The version that runs beside the active one.
    pub version: String,
    /// Since when, ms since 1970.
    pub since_ms: i64,
}

/// What two versions made of one segmentation's study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShadowResult {
    /// The study.
    pub study_id: Id,
    /// The segmentation that was answered.
    pub segmentation_id: Id,
    /// When the comparison began, and once it is over when that was, ms since 1970.
    pub at_ms: i64,
    /// The version that answered.
    pub active_version: String,
    /// SHA-256 of the graph that answered.
    pub active_digest: String,
    /// The version beside it.
    pub shadow_version: String,
    /// SHA-256 of its graph; unknown where it did not run.
    pub shadow_digest: Option<String>,
    /// The frames that both saw.
    pub frames: Vec<usize>,
    /// Dice of the right ventricle, the myocardium and the left ventricle over these frames; `None` where neither has it.
    pub dice: [Option<f64>; 3],
    /// The shadow's left ejection fraction minus the answer's, in points, both of these frames; `None` without two phases.
    pub ef_difference_points: Option<f64>,
    /// Whether the comparison has begun and not told of its end yet.
    #[serde(default)]
    pub comparing: bool,
    /// Why the shadow made nothing of the study.
    pub failed: Option<String>,
}

/// Where a comparison stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShadowState<'a> {
    /// It is under way.
    Comparing,
    /// There are figures.
    Done,
    /// There are none, for this reason.
    Failed(&'a str),
}

impl ShadowResult {
    /// Where the comparison stands at `now_ms`. One whose component was stopped tells nobody: it has failed once it is silent for longer than
    /// [`SHADOW_SILENCE_MS`].
    pub fn state(&self, now_ms: i64) -> ShadowState<'_> {
        match &self.failed {
            Some(why) => ShadowState::Failed(why),
            None if !self.comparing => ShadowState::Done,
            None if now_ms.saturating_sub(self.at_ms) <= SHADOW_SILENCE_MS => {
                ShadowState::Comparing
            }
            None => ShadowState::Failed(
                "The comparison never told of its end: the model's component was stopped while it was under way.",
            ),
        }
    }
}

pub(crate) const SCHEMA: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS model_shadow (name TEXT PRIMARY KEY, version TEXT NOT NULL, since_ms BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS model_shadow_results (segmentation_id TEXT PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL, \
     at_ms BIGINT NOT NULL, result TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS model_shadow_results_by_model ON model_shadow_results (name, version, at_ms DESC)",
];

impl<K: KeyValue, D: Database> Store<K, D> {
    /// The shadow of a model.
    ///
    /// # Errors
    /// [`StoreError::Backend`], [`StoreError::Corrupt`].
    pub async fn shadow(&self, name: &str) -> Result<Option<Shadow>, StoreError> {
        let what = "a shadow";
        let rows = self
            .run(
                "SELECT version, since_ms FROM model_shadow WHERE name = ?",
                &[name.into()],
            )
            .await?;
        rows.first()
            .map(|row| {
                Ok(Shadow {
                    version: text(row, 0, what)?.to_owned(),
                    since_ms: integer(row, 1, what)?,
                })
            })
            .transpose()
    }

    /// Gives a model a shadow, in place of any other. Told to the audit first: a shadow is never without an entry.
    ///
    /// # Errors
    /// [`StoreError::Backend`], [`StoreError::Contended`].
    pub async fn set_shadow(
        &self,
        name: &str,
        version: &str,
        event: &Event,
    ) -> Result<(), StoreError> {
        self.append_once(event).await?;
        self.run(
            "INSERT INTO model_shadow (name, version, since_ms) VALUES (?, ?, ?) \
             ON CONFLICT (name) DO UPDATE SET version = excluded.version, since_ms = excluded.since_ms WHERE model_shadow.version <> excluded.version",
            &[name.into(), version.into(), event.at_ms.into()],
        )
        .await?;
        Ok(())
    }

    /// Takes a model's shadow away, and what it was compared with. `false` when it has none.
    ///
    /// # Errors
    /// [`StoreError::Backend`], [`StoreError::Contended`].
    pub async fn remove_shadow(&self, name: &str, event: &Event) -> Result<bool, StoreError> {
        if self.shadow(name).await?.is_none() {
            return Ok(false);
        }
        self.append_once(event).await?;
        for statement in [
            "DELETE FROM model_shadow WHERE name = ?",
            "DELETE FROM model_shadow_results WHERE name = ?",
        ] {
            self.run(statement, &[name.into()]).await?;
        }
        Ok(true)
    }

    /// Keeps what came of a study, while its segmentation and the shadow are there; in place of what was kept of it before.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    pub async fn put_shadow_result(
        &self,
        name: &str,
        result: &ShadowResult,
    ) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO model_shadow_results (segmentation_id, name, version, at_ms, result) SELECT s, n, v, a, r \
             FROM (SELECT ? AS s, ? AS n, ? AS v, ? AS a, ? AS r) \
             WHERE EXISTS (SELECT 1 FROM segmentations WHERE segmentations.id = s AND state = 'kept') \
             AND EXISTS (SELECT 1 FROM model_shadow WHERE model_shadow.name = n AND model_shadow.version = v) \
             ON CONFLICT (segmentation_id) DO UPDATE SET name = excluded.name, version = excluded.version, at_ms = excluded.at_ms, result = excluded.result",
            &[
                result.segmentation_id.as_str().into(),
                name.into(),
                result.shadow_version.as_str().into(),
                result.at_ms.into(),
                to_json(result)?.into(),
            ],
        )
        .await?;
        Ok(())
    }

    /// What came of studies with the shadow that a model has now, the latest first, [`SHADOW_RESULTS_MAX`] at most.
    ///
    /// # Errors
    /// [`StoreError::Backend`], [`StoreError::Corrupt`].
    pub async fn shadow_results(
        &self,
        name: &str,
        version: &str,
    ) -> Result<Vec<ShadowResult>, StoreError> {
        let rows = self
            .run(
                "SELECT result FROM model_shadow_results WHERE name = ? AND version = ? ORDER BY at_ms DESC, segmentation_id LIMIT ?",
                &[
                    name.into(),
                    version.into(),
                    i64::try_from(SHADOW_RESULTS_MAX).unwrap_or(i64::MAX).into(),
                ],
            )
            .await?;
        rows.iter()
            .map(|row| from_json(row, 0, "what came of a shadow"))
            .collect()
    }
}
