//! What people say of a segmentation, and its history.

use cinecor_guest::{Answer, Call, now_ms, open_store, storage_problem};
use cinecor_store::{Action, ReviewRecord, ReviewState, Reviewed, StoreError};
use cinecor_web::{Cursor, Problem, REVIEW_NOTE_CHARS, rfc3339};
use cinecor_wire::{RevisionJson, RevisionListJson};
use serde_json::{Map, Value};

use crate::kept::{PAGE, changed, require_seen};
use crate::revise::MOST_TRIES;

/// `POST /api/v1/studies/{id}/segmentations/{sid}/review`.
///
/// # Errors
/// No such segmentation; fields that are unknown or cannot be; a lost race under `If-Match`.
pub(crate) async fn post(mut call: Call) -> Result<Answer, Problem> {
    call.accepted()?;
    let store = open_store().await?;
    let (study, mut record) = call.kept_segmentation(&store).await?;
    let (state, note) = said(&call.json().await?.unwrap_or_default())?;
    for _ in 0..MOST_TRIES {
        require_seen(&call, &record, &study)?;
        let now = now_ms();
        let before = record.review.as_ref().map_or(0, |review| review.number);
        let review = ReviewRecord {
            revision: record.revision,
            number: before + 1,
            state,
            note: note.clone(),
            author: call.identity.subject.clone(),
            at_ms: now,
            facts: Some(study.facts()),
        };
        let action = Action::ReviewSegmentation;
        let mut event = call.event(action, Some(&study.id), Some(&record.id));
        event.at_ms = now;
        event.revision = Some(record.revision);
        let reviewed = store.review(&study.id, &record.id, &review, &event).await;
        match reviewed.map_err(storage_problem)? {
            Reviewed::Kept => {
                record.review = Some(review);
                return changed(&record, &study);
            }
            Reviewed::Raced => {
                let last = store.segmentation(&study.id, &record.id).await;
                record = last
                    .map_err(storage_problem)?
                    .ok_or_else(Call::no_segmentation)?;
            }
            Reviewed::Gone => return Err(Call::no_segmentation()),
        }
    }
    Err(storage_problem(StoreError::Contended {
        what: "the segmentation",
    }))
}

/// What the body of a review says.
fn said(members: &Map<String, Value>) -> Result<(ReviewState, Option<String>), Problem> {
    let (mut state, mut note) = (None, None);
    for (name, value) in members {
        match (name.as_str(), value) {
            ("state", Value::String(text)) => state = ReviewState::from_name(text),
            ("state", _) => {}
            ("note", Value::Null) => {}
            ("note", Value::String(text)) => note = checked_note(text)?,
            ("note", _) => {
                return Err(Problem::field("note", "is no text; send a text or null"));
            }
            (other, _) => {
                let shown: String = other.chars().filter(|c| !c.is_control()).take(40).collect();
                return Err(Problem::field(
                    &shown,
                    "is not known; a review takes state and note",
                ));
            }
        }
    }
    let state = state.ok_or_else(|| {
        Problem::field(
            "state",
            "is neither approved nor rejected; send one of them",
        )
    })?;
    Ok((state, note))
}

/// A note, or none for an empty text. What it says is told to nobody but those who read the segmentation.
fn checked_note(text: &str) -> Result<Option<String>, Problem> {
    let text = text.trim();
    let shown = |character: char| !character.is_control() || "\n\r\t".contains(character);
    if text.chars().count() > REVIEW_NOTE_CHARS || !text.chars().all(shown) {
        return Err(Problem::field(
            "note",
            format!(
                "has more than {REVIEW_NOTE_CHARS} characters, or characters that cannot be shown; send a shorter text of letters, digits and signs"
            ),
        ));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// `GET /api/v1/studies/{id}/segmentations/{sid}/revisions`.
///
/// # Errors
/// No such segmentation, or a cursor that is none.
pub(crate) async fn list(call: &Call) -> Result<Answer, Problem> {
    call.accepted()?;
    let limit =
        usize::try_from(call.query.integer("limit").unwrap_or(PAGE)).map_err(Problem::internal)?;
    let before = call.query.text("cursor").map(place).transpose()?;
    let store = open_store().await?;
    let (study, record) = call.kept_segmentation(&store).await?;
    // One more than asked for says whether there is a next page.
    let mut entries = store
        .revisions(&study.id, &record.id, limit + 1, before)
        .await
        .map_err(storage_problem)?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let last = entries.last().filter(|_| more);
    let next_cursor = last.map(|entry| {
        Cursor {
            created_at_ms: entry.at_ms,
            id: entry.revision.to_string(),
        }
        .encode()
    });
    let facts = study.facts();
    let items = entries
        .iter()
        .map(|entry| RevisionJson::of(&record, entry, &facts, rfc3339))
        .collect();
    Answer::json(&RevisionListJson { items, next_cursor })
}

fn place(text: &str) -> Result<u32, Problem> {
    Cursor::decode(text)?.id.parse().map_err(|_| {
        Problem::parameter(
            "cursor",
            "is that of another list; take next_cursor of the page before",
        )
    })
}
