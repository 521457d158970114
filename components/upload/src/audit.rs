//! The audit, newest first.

use cinecor_guest::{Answer, Call, open_store, storage_problem};
use cinecor_store::AuditEntry;
use cinecor_web::{Cursor, Problem, rfc3339};
use serde_json::{Value, json};

/// How many entries a page has unless it is said.
const PAGE: u64 = 100;

pub(crate) async fn list(call: &Call) -> Result<Answer, Problem> {
    let limit = crate::page_size(call, PAGE);
    let before = call.query.text("cursor").map(place).transpose()?;
    let store = open_store().await?;
    let mut entries = store
        .audit(limit + 1, before)
        .await
        .map_err(storage_problem)?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let last = entries.last().filter(|_| more);
    let next_cursor = last.map(|entry| {
        Cursor {
            created_at_ms: entry.event.at_ms,
            id: entry.sequence.to_string(),
        }
        .encode()
    });
    Answer::json(
        &json!({ "items": entries.iter().map(entry_json).collect::<Vec<Value>>(), "next_cursor": next_cursor }),
    )
}

fn place(text: &str) -> Result<i64, Problem> {
    Cursor::decode(text)?.id.parse().map_err(|_| {
        Problem::parameter(
            "cursor",
            "is that of another list; take next_cursor of the page before",
        )
    })
}

fn entry_json(entry: &AuditEntry) -> Value {
    let event = &entry.event;
    json!({
        "sequence": entry.sequence,
        "at": rfc3339(event.at_ms),
        "subject": event.subject,
        "action": event.action.name(),
        "study_id": event.study_id,
        "segmentation_id": event.segmentation_id,
        "model": event.model,
        "revision": event.revision,
        "outcome": event.outcome,
        "request_id": event.request_id,
        "previous_hash": entry.previous_hash,
        "hash": entry.hash,
    })
}
