//! A version that runs beside the active one: which, and how the two agree on the studies that are kept. The running is `segment`'s.

use cinecor_guest::{Answer, Call, GuestStore, now_ms, storage_problem};
use cinecor_store::{Action, ShadowResult, ShadowState};
use cinecor_web::{Problem, ProblemKind, rfc3339};
use serde_json::{Map, Value, json};

use crate::packages::{self, Package, no_model};
use crate::warm_up::warm_up_once;

/// `GET /api/v1/models/{name}/shadow`.
pub(crate) async fn get(call: &Call, store: &GuestStore) -> Result<Answer, Problem> {
    call.accepted()?;
    let name = call.path.text("name");
    known(store, name).await?;
    tell(store, name).await
}

/// `PUT /api/v1/models/{name}/shadow`.
pub(crate) async fn put(mut call: Call, store: &GuestStore) -> Result<Answer, Problem> {
    let name = call.path.text("name").to_owned();
    let version = version(&call.json().await?.unwrap_or_default())?;
    let active = known(store, &name).await?;
    if active.as_deref() == Some(version.as_str()) {
        return Err(Problem::new(
            ProblemKind::Conflict,
            "This version is the active one, and would be compared with itself; choose another.",
        ));
    }
    let package = match cinecor_model_card::is_version(&version) {
        true => Package::find(store, &name, &version).await?,
        false => None,
    };
    let package = package.ok_or_else(|| {
        Problem::field(
            "version",
            "is none of this model's; /api/v1/models lists those that are there",
        )
    })?;
    warm_up_once(package.model()).await.map_err(|failure| {
        failure.problem(|text| {
            Problem::new(
                ProblemKind::ModelUnusable,
                format!("The version does not answer, and nothing has changed: {text}"),
            )
        })
    })?;
    let event = call.model_event(Action::ShadowModel, &name, &version);
    store
        .set_shadow(&name, &version, &event)
        .await
        .map_err(storage_problem)?;
    tell(store, &name).await
}

/// `DELETE /api/v1/models/{name}/shadow`.
pub(crate) async fn delete(call: &Call, store: &GuestStore) -> Result<Answer, Problem> {
    let name = call.path.text("name").to_owned();
    known(store, &name).await?;
    let shadow = store.shadow(&name).await.map_err(storage_problem)?;
    let version = shadow.map(|shadow| shadow.version).unwrap_or_default();
    let event = call.model_event(Action::ShadowModel, &name, &version);
    // A model without a shadow is what was asked for.
    store
        .remove_shadow(&name, &event)
        .await
        .map_err(storage_problem)?;
    Ok(Answer::no_content())
}

/// The active version of a model that there is.
async fn known(store: &GuestStore, name: &str) -> Result<Option<String>, Problem> {
    let there = packages::all(store)
        .await?
        .iter()
        .any(|(found, _)| found == name);
    match there {
        true => packages::active_version(store, name).await,
        false => Err(no_model()),
    }
}

fn version(body: &Map<String, Value>) -> Result<String, Problem> {
    if let Some(other) = body.keys().find(|key| *key != "version") {
        let shown: String = other.chars().filter(|c| !c.is_control()).take(40).collect();
        return Err(Problem::field(
            &shown,
            "is not known; the body takes version",
        ));
    }
    let version = body.get("version").and_then(Value::as_str);
    version.map(str::to_owned).ok_or_else(|| {
        Problem::field(
            "version",
            "is missing or no text; it takes a version of the model",
        )
    })
}

async fn tell(store: &GuestStore, name: &str) -> Result<Answer, Problem> {
    let active = packages::active_version(store, name).await?;
    let shadow = store.shadow(name).await.map_err(storage_problem)?;
    let results = match &shadow {
        Some(shadow) => store
            .shadow_results(name, &shadow.version)
            .await
            .map_err(storage_problem)?,
        None => Vec::new(),
    };
    Answer::json(&json!({
        "name": name,
        "active_version": active,
        "version": shadow.as_ref().map(|shadow| &shadow.version),
        "since": shadow.as_ref().map(|shadow| rfc3339(shadow.since_ms)),
        "studies": results.iter().map(|result| in_words(result, now_ms())).collect::<Vec<_>>(),
    }))
}

fn in_words(result: &ShadowResult, now_ms: i64) -> Value {
    let (state, failed) = match result.state(now_ms) {
        ShadowState::Comparing => ("comparing", None),
        ShadowState::Done => ("done", None),
        ShadowState::Failed(why) => ("failed", Some(why)),
    };
    let [right_ventricle, myocardium, left_ventricle] = result.dice;
    json!({
        "study_id": result.study_id.as_str(),
        "segmentation_id": result.segmentation_id.as_str(),
        "state": state,
        "compared_at": (state != "comparing").then(|| rfc3339(result.at_ms)),
        "active": { "version": result.active_version, "digest": result.active_digest },
        "shadow": { "version": result.shadow_version, "digest": result.shadow_digest },
        "frames": result.frames,
        "dice": {
            "right_ventricle": right_ventricle,
            "myocardium": myocardium,
            "left_ventricle": left_ventricle,
        },
        "ef_difference_points": result.ef_difference_points,
        "failed": failed,
    })
}
