//! The upload component: takes studies in, keeps them, gives them out, deletes them, and tells what was done to them.
//!
//! Handlers only: reading a body is in `cinecor-guest`, decoding in `cinecor-formats`, keeping in `cinecor-store`, JSON in `cinecor-wire`.

mod audit;
mod create;
mod volume;

use cinecor_guest::{
    Answer, Call, Request, Response, content_tag, fact_problem, now_ms, open_store, serve,
    storage_problem,
};
use cinecor_store::{Action, Consent, StudyRecord};
use cinecor_web::{Cursor, Problem, require_match, rfc3339};
use cinecor_wire::{StudyJson, StudyListJson};
use serde_json::Value;
use spin_sdk::wasip3;

/// How many studies a page has unless it is said.
const PAGE: u64 = 20;

/// The longest label, in characters; the table of operations says the same of the query.
const LABEL_CHARS: usize = 200;

struct Upload;

wasip3::http::service::export!(Upload);

impl wasip3::exports::http::handler::Guest for Upload {
    async fn handle(request: Request) -> Response {
        serve(request, answer).await
    }
}

async fn answer(mut call: Call) -> Result<Answer, Problem> {
    match call.operation.id {
        "create_study" => create::create(&mut call).await,
        "list_studies" => list(&call).await,
        "get_study" => get(&call).await,
        "update_study" => update(&mut call).await,
        "delete_study" => delete(&call).await,
        "get_study_volume" => volume::get(&call).await,
        "get_audit" => audit::list(&call).await,
        _ => Err(call.not_here()),
    }
}

async fn list(call: &Call) -> Result<Answer, Problem> {
    let limit = page_size(call, PAGE);
    let cursor = call.query.text("cursor").map(Cursor::decode).transpose()?;
    let behind = cursor
        .as_ref()
        .map(|cursor| (cursor.created_at_ms, cursor.id.as_str()));
    let store = open_store().await?;
    store.sweep(now_ms()).await.map_err(storage_problem)?;
    let mut records = store
        .studies(limit + 1, behind)
        .await
        .map_err(storage_problem)?;
    let more = records.len() > limit;
    records.truncate(limit);
    let last = records.last().filter(|_| more);
    let next_cursor = last.map(|record| {
        Cursor {
            created_at_ms: record.created_at_ms,
            id: record.id.to_string(),
        }
        .encode()
    });
    Answer::json(&StudyListJson {
        items: records.iter().map(json).collect(),
        next_cursor,
    })
}

async fn get(call: &Call) -> Result<Answer, Problem> {
    let record = open_store()
        .await?
        .study(&call.id("id")?)
        .await
        .map_err(storage_problem)?;
    Answer::json(&json(&record.ok_or_else(Call::no_study)?))
}

async fn update(call: &mut Call) -> Result<Answer, Problem> {
    let id = call.id("id")?;
    let store = open_store().await?;
    // Whether the study is there is told before what is wrong with the body.
    store
        .study(&id)
        .await
        .map_err(storage_problem)?
        .ok_or_else(Call::no_study)?;
    let members = call.json().await?.filter(|members| !members.is_empty());
    let members = members.ok_or_else(|| {
        Problem::field("body", "is empty; send an object with the fields to change")
    })?;
    let event = call.event(Action::UpdateStudy, Some(&id), None);
    let updated = store.update_study(&id, &event, |record| {
        require_seen(call, record).map_err(Refused)?;
        for (name, value) in &members {
            match (name.as_str(), value) {
                // As the study itself shows them, or one by one as queries and forms tell them.
                ("subject", Value::Object(facts)) => {
                    for (name, value) in facts {
                        tell(record, name, value)?;
                    }
                }
                ("subject", _) => {
                    return Err(refused("subject", "is no object, expected facts by name"));
                }
                (name, value) => change(record, name, value)?,
            }
        }
        record
            .subject
            .check_frames(record.shape.first().copied().unwrap_or(0))
            .map_err(|error| Refused(fact_problem(&error)))
    });
    let record = updated.await.map_err(|Refused(problem)| problem)?;
    Answer::json(&json(&record.ok_or_else(Call::no_study)?))
}

/// A refusal in the closure of a change, beside those of the store.
struct Refused(Problem);

impl From<cinecor_store::StoreError> for Refused {
    fn from(error: cinecor_store::StoreError) -> Refused {
        Refused(storage_problem(error))
    }
}

fn refused(name: &str, says: &str) -> Refused {
    Refused(Problem::field(name, says))
}

fn change(record: &mut StudyRecord, name: &str, value: &Value) -> Result<(), Refused> {
    match (name, value) {
        ("label", Value::Null) => record.label = None,
        ("label", Value::String(text)) => record.label = label(text).map_err(Refused)?,
        ("label", _) => return Err(refused(name, "is no text, expected a text or null")),
        ("consent", Value::String(text)) => record.consent = consent(text).map_err(Refused)?,
        ("consent", _) => return Err(refused(name, "is no text, expected none or research")),
        _ => tell(record, name, value)?,
    }
    Ok(())
}

/// Tells a fact about the subject, or takes it away with null.
fn tell(record: &mut StudyRecord, name: &str, value: &Value) -> Result<(), Refused> {
    if !cinecor_store::Subject::is_fact(name) {
        return Err(Refused(unknown_field(name)));
    }
    let told = match (name, value) {
        ("sex", Value::Null) => {
            record.subject.sex = None;
            Ok(())
        }
        ("sex", Value::String(text)) if !text.is_empty() => record.subject.tell_text(name, text),
        ("sex", _) => {
            return Err(refused(
                name,
                "is neither female nor male nor null; send one of them",
            ));
        }
        (_, Value::Null) => record.subject.tell_number(name, None),
        (_, Value::Number(number)) => record.subject.tell_number(name, number.as_f64()),
        _ => return Err(refused(name, "is no number, expected a number or null")),
    };
    told.map_err(|error| Refused(fact_problem(&error)))
}

fn unknown_field(name: &str) -> Problem {
    let shown: String = name
        .chars()
        .filter(|character| !character.is_control())
        .take(40)
        .collect();
    Problem::field(
        &shown,
        "is not one that a study has; the OpenAPI document lists them",
    )
}

/// A label, or none for an empty text.
fn label(text: &str) -> Result<Option<String>, Problem> {
    let text = text.trim();
    if text.chars().count() > LABEL_CHARS || text.chars().any(char::is_control) {
        return Err(Problem::field(
            "label",
            format!(
                "has more than {LABEL_CHARS} characters, or characters that cannot be shown; send a shorter text of letters, digits and signs"
            ),
        ));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn consent(text: &str) -> Result<Consent, Problem> {
    Consent::from_name(text.trim())
        .ok_or_else(|| Problem::field("consent", "is neither none nor research; send one of them"))
}

async fn delete(call: &Call) -> Result<Answer, Problem> {
    let id = call.id("id")?;
    let store = open_store().await?;
    let event = call.event(Action::DeleteStudy, Some(&id), None);
    let deleted = store.delete_study_if(&id, &event, |record| {
        require_seen(call, record).map_err(Refused)
    });
    if !deleted.await.map_err(|Refused(problem)| problem)? {
        return Err(Call::no_study());
    }
    store.sweep(now_ms()).await.map_err(storage_problem)?;
    Ok(Answer::no_content())
}

/// Checks `If-Match` against the tag that the study has now.
fn require_seen(call: &Call, record: &StudyRecord) -> Result<(), Problem> {
    let bytes = serde_json::to_vec(&json(record)).map_err(Problem::internal)?;
    require_match(&call.headers, &[content_tag(None, &bytes)])
}

fn page_size(call: &Call, otherwise: u64) -> usize {
    usize::try_from(call.query.integer("limit").unwrap_or(otherwise)).unwrap_or(usize::MAX - 1)
}

fn json(record: &StudyRecord) -> StudyJson {
    StudyJson::kept(record, rfc3339(record.created_at_ms))
}
