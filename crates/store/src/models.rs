//! Model packages that were uploaded, and which version of a model is active: the records, and every statement and key of them.
//!
//! - `models/{name}/{version}/graph`: the description of the version's graphs as JSON, from which whoever loads graphs by name finds their
//!   bytes (`runtime/nn` tells its form). It is written before the package exists, because a package has to have answered before it does.
//! - `models/{name}/{version}/{upload}/{n}`: pieces of its files. Every upload has keys of its own.
//! - `models`: one row a version with its state, its card and its files. `model_active`: one row a model that somebody activated.
//!
//! A version begins as a row in the state `staging` and exists from the one `UPDATE` on that sets it to `kept`, as studies do. Which version
//! is active is one row, changed by one statement that looks whether the version is there; deleting looks whether it is active.

use serde::{Deserialize, Serialize};

use crate::audit::Event;
use crate::backend::{Database, KeyValue, SqlValue};
use crate::id::Id;
use crate::store::{MOST_TRIES, Store, StoreError, from_json, id_of, integer, text, to_json};

/// Bytes of one piece of a file. What Spin hands over in one value is 128 MiB at most; a piece is held twice while it crosses the
/// component's border.
pub const MODEL_CHUNK_BYTES: usize = 4 << 20;

/// How long an upload may go untouched before it counts as left behind by a crash: longer than its warm-up can take, which is one request.
pub const MODEL_STALE_MS: i64 = 900_000;

/// How long nothing may be heard of an upload before another one of the same version takes its place: a model component that trapped while
/// it was tried took the upload with it, and told nobody.
pub const MODEL_LEASE_MS: i64 = 30_000;

/// The most versions that are remembered for going back.
const HISTORY_MAX: usize = 32;

/// A file of a kept package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFile {
    /// Its name in the package.
    pub name: String,
    /// SHA-256 of its bytes, lower-case hexadecimal.
    pub sha256: String,
    /// How many they are.
    pub bytes: u64,
    /// The keys of its pieces, in order.
    pub chunks: Vec<String>,
}

/// A graph of a kept package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelGraph {
    /// Its arithmetic: `fp32`, `bf16`, `int8`.
    pub precision: String,
    /// What it is written in: `onnx` or `openvino`.
    pub format: String,
    /// The graph, and then its weights where they are apart.
    pub files: Vec<ModelFile>,
}

/// A package that was uploaded and is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRecord {
    /// Name of the model.
    pub name: String,
    /// Its version.
    pub version: String,
    /// When it was kept, ms since 1970.
    pub created_at_ms: i64,
    /// The text of its `model.json`.
    pub card: String,
    /// Its graphs; the first is the one that answers name by its digest.
    pub graphs: Vec<ModelGraph>,
}

/// A package that is being written and does not exist yet.
#[derive(Debug)]
pub struct ModelStaging {
    name: String,
    version: String,
    upload: Id,
    chunks: usize,
    written: usize,
}

/// What came of deleting a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelDeleted {
    /// It is gone.
    Gone,
    /// It is the active one, and stays.
    Active,
    /// There is none.
    Missing,
}

/// What came of activating a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Activated {
    /// This version is active.
    Version(String),
    /// It is not there.
    Missing,
}

/// What was active before, as it was when it was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Before {
    /// The version.
    pub version: String,
    /// How often the active version had been changed then.
    revision: i64,
}

/// What came of going back to a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RolledBack {
    /// It is active.
    Done,
    /// Somebody else changed the active version since it was looked for, or deleted the one to go back to; nothing was changed.
    Raced,
}

#[derive(Serialize)]
struct Description<'a> {
    graphs: &'a [ModelGraph],
}

pub(crate) const SCHEMA: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS models (name TEXT NOT NULL, version TEXT NOT NULL, upload TEXT NOT NULL, chunks BIGINT NOT NULL, state TEXT NOT NULL, \
     touched_at_ms BIGINT NOT NULL, card TEXT NOT NULL, graphs TEXT NOT NULL, owed TEXT NOT NULL, PRIMARY KEY (name, version))",
    "CREATE TABLE IF NOT EXISTS model_active (name TEXT PRIMARY KEY, version TEXT NOT NULL, history TEXT NOT NULL, revision BIGINT NOT NULL, \
     owed TEXT NOT NULL)",
];

impl<K: KeyValue, D: Database> Store<K, D> {
    /// Begins a version whose files have `chunks` pieces together. Nothing can be seen of it until [`Store::commit_model`]; `None` when
    /// there is one already, kept, being written or being deleted. One that nothing was heard of for [`MODEL_LEASE_MS`] and is not kept goes
    /// for it: what was to be written is given up, what was to be deleted is deleted.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    pub async fn begin_model(
        &self,
        name: &str,
        version: &str,
        upload: &Id,
        chunks: usize,
        now_ms: i64,
    ) -> Result<Option<ModelStaging>, StoreError> {
        let silent = self
            .run(
                // Touched, so that another that comes now does not find it silent as well and takes the pieces of this one away.
                "UPDATE models SET state = 'deleting', touched_at_ms = ? WHERE name = ? AND version = ? AND state <> 'kept' AND touched_at_ms < ? \
                 RETURNING upload, chunks, owed",
                &[
                    now_ms.into(),
                    name.into(),
                    version.into(),
                    SqlValue::Integer(now_ms.saturating_sub(MODEL_LEASE_MS)),
                ],
            )
            .await?;
        if let Some(row) = silent.first() {
            self.pay_before_removal(row, 2).await?;
            self.remove_model(name, version, &id_of(row, 0)?, chunks_of(row, 1)?)
                .await?;
        }
        let begun = self
            .run(
                "INSERT INTO models (name, version, upload, chunks, state, touched_at_ms, card, graphs, owed) VALUES (?, ?, ?, ?, 'staging', ?, '', '', '') \
                 ON CONFLICT DO NOTHING RETURNING name",
                &[
                    name.into(),
                    version.into(),
                    upload.as_str().into(),
                    i64::try_from(chunks).unwrap_or(i64::MAX).into(),
                    now_ms.into(),
                ],
            )
            .await?;
        Ok((!begun.is_empty()).then(|| ModelStaging {
            name: name.to_owned(),
            version: version.to_owned(),
            upload: upload.clone(),
            chunks,
            written: 0,
        }))
    }

    /// Puts the bytes of a file in place, in pieces.
    ///
    /// # Errors
    /// [`StoreError::Backend`]; [`StoreError::Corrupt`] for more pieces than were announced.
    pub async fn put_model_file(
        &self,
        staging: &mut ModelStaging,
        name: &str,
        sha256: &str,
        bytes: &[u8],
    ) -> Result<ModelFile, StoreError> {
        let mut chunks = Vec::new();
        for piece in bytes.chunks(MODEL_CHUNK_BYTES) {
            if staging.written >= staging.chunks {
                return Err(StoreError::Corrupt {
                    what: "an upload".to_owned(),
                    cause: "it has more pieces than were announced".to_owned(),
                });
            }
            let key = chunk_key(
                &staging.name,
                &staging.version,
                &staging.upload,
                staging.written,
            );
            staging.written += 1;
            self.keys().set(&key, piece).await?;
            chunks.push(key);
        }
        Ok(ModelFile {
            name: name.to_owned(),
            sha256: sha256.to_owned(),
            bytes: bytes.len() as u64,
            chunks,
        })
    }

    /// Lets the graphs of a version that is being written be loaded by name, so that it can be tried.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when another upload took its place, [`StoreError::Backend`].
    pub async fn offer_model(
        &self,
        staging: &ModelStaging,
        graphs: &[ModelGraph],
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let touched = self
            .run(
                "UPDATE models SET touched_at_ms = ? WHERE name = ? AND version = ? AND upload = ? AND state = 'staging' RETURNING name",
                &[
                    now_ms.into(),
                    staging.name.as_str().into(),
                    staging.version.as_str().into(),
                    staging.upload.as_str().into(),
                ],
            )
            .await?;
        if touched.is_empty() {
            return Err(StoreError::Gone { what: "the upload" });
        }
        let description = to_json(&Description { graphs })?;
        let key = graph_key(&staging.name, &staging.version);
        Ok(self.keys().set(&key, description.as_bytes()).await?)
    }

    /// Makes the version exist.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when it was swept, [`StoreError::Backend`].
    pub async fn commit_model(
        &self,
        staging: ModelStaging,
        card: &str,
        graphs: &[ModelGraph],
        event: &Event,
    ) -> Result<(), StoreError> {
        let kept = self
            .run(
                "UPDATE models SET state = 'kept', touched_at_ms = ?, card = ?, graphs = ?, owed = ? \
                 WHERE name = ? AND version = ? AND upload = ? AND state = 'staging' RETURNING name",
                &[
                    event.at_ms.into(),
                    card.into(),
                    to_json(&graphs)?.into(),
                    to_json(event)?.into(),
                    staging.name.as_str().into(),
                    staging.version.as_str().into(),
                    staging.upload.as_str().into(),
                ],
            )
            .await?;
        if kept.is_empty() {
            return Err(StoreError::Gone {
                what: "the model version",
            });
        }
        self.pay_model_audit(&staging.name, &staging.version, event)
            .await
    }

    /// Takes away what was written of a version that shall not exist.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    pub async fn abort_model(&self, staging: ModelStaging, now_ms: i64) -> Result<(), StoreError> {
        let own = self
            .run(
                "UPDATE models SET state = 'deleting', touched_at_ms = ? WHERE name = ? AND version = ? AND upload = ? AND state = 'staging' RETURNING name",
                &[
                    now_ms.into(),
                    staging.name.as_str().into(),
                    staging.version.as_str().into(),
                    staging.upload.as_str().into(),
                ],
            )
            .await?;
        if own.is_empty() {
            // Another upload took its place: the description under the version's name is that one's.
            return self
                .remove_pieces(
                    &staging.name,
                    &staging.version,
                    &staging.upload,
                    staging.chunks,
                )
                .await;
        }
        self.remove_model(
            &staging.name,
            &staging.version,
            &staging.upload,
            staging.chunks,
        )
        .await
    }

    /// A version that was uploaded and is kept.
    ///
    /// # Errors
    /// [`StoreError::Backend`], [`StoreError::Corrupt`].
    pub async fn model(
        &self,
        name: &str,
        version: &str,
    ) -> Result<Option<ModelRecord>, StoreError> {
        let rows = self
            .run(
                "SELECT name, version, touched_at_ms, card, graphs FROM models WHERE name = ? AND version = ? AND state = 'kept'",
                &[name.into(), version.into()],
            )
            .await?;
        rows.first().map(|row| record(row)).transpose()
    }

    /// Names and versions of all that were uploaded and are kept, in no order that means something.
    ///
    /// # Errors
    /// [`StoreError::Backend`], [`StoreError::Corrupt`].
    pub async fn model_versions(&self) -> Result<Vec<(String, String)>, StoreError> {
        let rows = self
            .run("SELECT name, version FROM models WHERE state = 'kept'", &[])
            .await?;
        rows.iter()
            .map(|row| {
                let what = "a model version";
                Ok((
                    text(row, 0, what)?.to_owned(),
                    text(row, 1, what)?.to_owned(),
                ))
            })
            .collect()
    }

    /// The bytes of a file of a kept version.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a piece is missing, [`StoreError::Backend`].
    pub async fn model_file(&self, file: &ModelFile) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        for key in &file.chunks {
            let piece = self.keys().get(key).await?;
            bytes.extend(piece.ok_or_else(|| StoreError::Corrupt {
                what: key.clone(),
                cause: "there is no such key".to_owned(),
            })?);
        }
        Ok(bytes)
    }

    /// Deletes a version that was uploaded, unless it is active.
    ///
    /// # Errors
    /// [`StoreError::Backend`], [`StoreError::Corrupt`].
    pub async fn delete_model(
        &self,
        name: &str,
        version: &str,
        event: &Event,
    ) -> Result<ModelDeleted, StoreError> {
        let which = [SqlValue::from(name), SqlValue::from(version)];
        let owing = self
            .run(
                "SELECT owed FROM models WHERE name = ? AND version = ? AND state = 'kept' AND owed <> ''",
                &which,
            )
            .await?;
        if let Some(row) = owing.first() {
            self.pay_model_audit(
                name,
                version,
                &from_json(row, 0, "what a model version owes")?,
            )
            .await?;
        }
        let deleted = self
            .run(
                "UPDATE models SET state = 'deleting', touched_at_ms = ?, owed = ? WHERE name = ? AND version = ? AND state = 'kept' \
                 AND NOT EXISTS (SELECT 1 FROM model_active WHERE model_active.name = models.name AND model_active.version = models.version) \
                 RETURNING upload, chunks",
                &[
                    event.at_ms.into(),
                    to_json(event)?.into(),
                    name.into(),
                    version.into(),
                ],
            )
            .await?;
        let Some(row) = deleted.first() else {
            let there = self
                .run(
                    "SELECT 1 FROM models WHERE name = ? AND version = ? AND state = 'kept'",
                    &which,
                )
                .await?;
            return Ok(if there.is_empty() {
                ModelDeleted::Missing
            } else {
                ModelDeleted::Active
            });
        };
        self.append_once(event).await?;
        self.remove_model(name, version, &id_of(row, 0)?, chunks_of(row, 1)?)
            .await?;
        Ok(ModelDeleted::Gone)
    }

    async fn remove_model(
        &self,
        name: &str,
        version: &str,
        upload: &Id,
        chunks: usize,
    ) -> Result<(), StoreError> {
        // First, so that nobody begins to read pieces that are about to go.
        self.keys().delete(&graph_key(name, version)).await?;
        self.remove_pieces(name, version, upload, chunks).await?;
        self.run(
            "DELETE FROM models WHERE name = ? AND version = ? AND upload = ? AND state <> 'kept'",
            &[name.into(), version.into(), upload.as_str().into()],
        )
        .await?;
        Ok(())
    }

    async fn remove_pieces(
        &self,
        name: &str,
        version: &str,
        upload: &Id,
        chunks: usize,
    ) -> Result<(), StoreError> {
        for chunk in 0..chunks {
            self.keys()
                .delete(&chunk_key(name, version, upload, chunk))
                .await?;
        }
        Ok(())
    }

    /// The version of a model that somebody activated.
    ///
    /// # Errors
    /// [`StoreError::Backend`], [`StoreError::Corrupt`].
    pub async fn active_model(&self, name: &str) -> Result<Option<String>, StoreError> {
        let rows = self
            .run(
                "SELECT version FROM model_active WHERE name = ?",
                &[name.into()],
            )
            .await?;
        rows.first()
            .map(|row| Ok(text(row, 0, "the active version")?.to_owned()))
            .transpose()
    }

    /// Makes a version the active one. `bundled` says of a version whether it ships with the service; any other has to be kept here.
    /// `before` is the version that is active where nobody has activated one.
    ///
    /// # Errors
    /// [`StoreError::Backend`], [`StoreError::Corrupt`], [`StoreError::Contended`].
    pub async fn activate_model(
        &self,
        name: &str,
        version: &str,
        before: Option<&str>,
        bundled: impl Fn(&str) -> bool,
        event: &Event,
    ) -> Result<Activated, StoreError> {
        self.change_active(name, event, bundled, |active, history| {
            let before = active.or(before);
            if before != Some(version) {
                history.extend(before.map(str::to_owned));
            }
            version.to_owned()
        })
        .await
    }

    /// What [`Store::rollback_model`] would go back to now: the version before the active one, past those that were deleted since.
    ///
    /// # Errors
    /// [`StoreError::Backend`], [`StoreError::Corrupt`].
    pub async fn rollback_target(
        &self,
        name: &str,
        bundled: impl Fn(&str) -> bool,
    ) -> Result<Option<Before>, StoreError> {
        let Some(row) = self.active_row(name).await? else {
            return Ok(None);
        };
        for version in row.history.into_iter().rev() {
            if bundled(&version) || self.model(name, &version).await?.is_some() {
                return Ok(Some(Before {
                    version,
                    revision: row.revision,
                }));
            }
        }
        Ok(None)
    }

    /// Makes the version active again that [`Store::rollback_target`] told, unless the active version was changed since: of two that go back
    /// from the same version at once, one goes back and the other is told.
    ///
    /// # Errors
    /// [`StoreError::Backend`], [`StoreError::Corrupt`].
    pub async fn rollback_model(
        &self,
        name: &str,
        to: &Before,
        bundled: impl Fn(&str) -> bool,
        event: &Event,
    ) -> Result<RolledBack, StoreError> {
        let row = self.active_row(name).await?;
        let Some(row) = row.filter(|row| row.revision == to.revision) else {
            return Ok(RolledBack::Raced);
        };
        let Some(at) = row.history.iter().rposition(|past| *past == to.version) else {
            return Ok(RolledBack::Raced);
        };
        let history = row.history.get(..at).unwrap_or_default();
        let there = bundled(&to.version);
        let changed = self
            .set_active(name, Some(&row), &to.version, history, there, event)
            .await?;
        Ok(match changed {
            true => RolledBack::Done,
            false => RolledBack::Raced,
        })
    }

    /// One change of the active version: what `change` makes of the version and history that are there.
    async fn change_active(
        &self,
        name: &str,
        event: &Event,
        bundled: impl Fn(&str) -> bool,
        mut change: impl FnMut(Option<&str>, &mut Vec<String>) -> String,
    ) -> Result<Activated, StoreError> {
        for _ in 0..MOST_TRIES {
            let row = self.active_row(name).await?;
            let mut history = row.as_ref().map_or(Vec::new(), |row| row.history.clone());
            let active = row.as_ref().map(|row| row.version.as_str());
            let version = change(active, &mut history);
            let surplus = history.len().saturating_sub(HISTORY_MAX);
            history.drain(..surplus);
            let there = bundled(&version);
            if self
                .set_active(name, row.as_ref(), &version, &history, there, event)
                .await?
            {
                return Ok(Activated::Version(version));
            }
            if !there && self.model(name, &version).await?.is_none() {
                return Ok(Activated::Missing);
            }
        }
        Err(StoreError::Contended {
            what: "the active version",
        })
    }

    /// Makes `version` the active one in place of what `row` says, if that still holds and the version is there: one that ships is.
    async fn set_active(
        &self,
        name: &str,
        row: Option<&ActiveRow>,
        version: &str,
        history: &[String],
        ships: bool,
        event: &Event,
    ) -> Result<bool, StoreError> {
        if let Some(row) = row
            && !row.owed.is_empty()
        {
            self.pay_active_audit(name, &row.owed).await?;
        }
        let statement = if row.is_some() {
            "UPDATE model_active SET version = ?, history = ?, owed = ?, revision = revision + 1 WHERE name = ? AND revision = ? \
             AND (? = 1 OR EXISTS (SELECT 1 FROM models WHERE models.name = model_active.name AND models.version = ? AND state = 'kept')) \
             RETURNING revision"
        } else {
            "INSERT INTO model_active (version, history, owed, name, revision) SELECT ?, ?, ?, n, r FROM (SELECT ? AS n, ? AS r) \
             WHERE (? = 1 OR EXISTS (SELECT 1 FROM models WHERE models.name = n AND models.version = ? AND state = 'kept')) \
             ON CONFLICT DO NOTHING RETURNING revision"
        };
        let owed = to_json(event)?;
        let changed = self
            .run(
                statement,
                &[
                    version.into(),
                    to_json(&history)?.into(),
                    owed.as_str().into(),
                    name.into(),
                    row.map_or(0, |row| row.revision).into(),
                    i64::from(ships).into(),
                    version.into(),
                ],
            )
            .await?;
        if changed.is_empty() {
            return Ok(false);
        }
        self.pay_active_audit(name, &owed).await?;
        Ok(true)
    }

    async fn active_row(&self, name: &str) -> Result<Option<ActiveRow>, StoreError> {
        let what = "the active version";
        let rows = self
            .run(
                "SELECT version, history, revision, owed FROM model_active WHERE name = ?",
                &[name.into()],
            )
            .await?;
        rows.first()
            .map(|row| {
                Ok(ActiveRow {
                    version: text(row, 0, what)?.to_owned(),
                    history: from_json(row, 1, what)?,
                    revision: integer(row, 2, what)?,
                    owed: text(row, 3, what)?.to_owned(),
                })
            })
            .transpose()
    }

    async fn pay_active_audit(&self, name: &str, owed: &str) -> Result<(), StoreError> {
        let event: Event = serde_json::from_str(owed).map_err(|cause| StoreError::Corrupt {
            what: "what the active version owes".to_owned(),
            cause: cause.to_string(),
        })?;
        self.append_once(&event).await?;
        self.run(
            "UPDATE model_active SET owed = '' WHERE name = ? AND owed = ?",
            &[name.into(), owed.into()],
        )
        .await?;
        Ok(())
    }

    async fn pay_model_audit(
        &self,
        name: &str,
        version: &str,
        event: &Event,
    ) -> Result<(), StoreError> {
        self.append_once(event).await?;
        self.run(
            "UPDATE models SET owed = '' WHERE name = ? AND version = ? AND owed = ?",
            &[name.into(), version.into(), to_json(event)?.into()],
        )
        .await?;
        Ok(())
    }

    /// Ends what crashes have left half done of models. Returns how much it ended.
    pub(crate) async fn sweep_models(&self, now_ms: i64) -> Result<usize, StoreError> {
        let what = "a model version";
        let stale = SqlValue::Integer(now_ms - MODEL_STALE_MS);
        let rows = self
            .run(
                "SELECT name, version, upload, chunks, state, owed, touched_at_ms FROM models WHERE touched_at_ms < ? AND (state <> 'kept' OR owed <> '')",
                std::slice::from_ref(&stale),
            )
            .await?;
        for row in &rows {
            let (name, version) = (text(row, 0, what)?, text(row, 1, what)?);
            if !text(row, 5, what)?.is_empty() {
                self.pay_model_audit(name, version, &from_json(row, 5, what)?)
                    .await?;
            }
            if text(row, 4, what)? == "kept" {
                continue;
            }
            // Whoever takes it touches it: another that saw the same row leaves it alone.
            let claimed = self
                .run(
                    "UPDATE models SET state = 'deleting', touched_at_ms = ? WHERE name = ? AND version = ? AND upload = ? AND state <> 'kept' AND touched_at_ms = ? \
                     RETURNING name",
                    &[
                        now_ms.into(),
                        name.into(),
                        version.into(),
                        text(row, 2, what)?.into(),
                        integer(row, 6, what)?.into(),
                    ],
                )
                .await?;
            if claimed.is_empty() {
                continue;
            }
            self.remove_model(name, version, &id_of(row, 2)?, chunks_of(row, 3)?)
                .await?;
        }
        let owing = self
            .run("SELECT name, owed FROM model_active WHERE owed <> ''", &[])
            .await?;
        for row in &owing {
            self.pay_active_audit(text(row, 0, what)?, text(row, 1, what)?)
                .await?;
        }
        Ok(rows.len() + owing.len())
    }
}

struct ActiveRow {
    version: String,
    history: Vec<String>,
    revision: i64,
    owed: String,
}

fn record(row: &[SqlValue]) -> Result<ModelRecord, StoreError> {
    let what = "a model version";
    Ok(ModelRecord {
        name: text(row, 0, what)?.to_owned(),
        version: text(row, 1, what)?.to_owned(),
        created_at_ms: integer(row, 2, what)?,
        card: text(row, 3, what)?.to_owned(),
        graphs: from_json(row, 4, what)?,
    })
}

fn chunks_of(row: &[SqlValue], column: usize) -> Result<usize, StoreError> {
    let found = integer(row, column, "the pieces of a model")?;
    usize::try_from(found).map_err(|_| StoreError::Corrupt {
        what: "the pieces of a model".to_owned(),
        cause: format!("their number is {found}"),
    })
}

/// The key of the description of a version's graphs.
pub fn graph_key(name: &str, version: &str) -> String {
    format!("models/{name}/{version}/graph")
}

fn chunk_key(name: &str, version: &str, upload: &Id, chunk: usize) -> String {
    format!("models/{name}/{version}/{upload}/{chunk}")
}
