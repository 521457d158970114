//! Whether the service runs, and whether its active model answers.

use cinecor_guest::{Answer, open_store, variable};
use cinecor_web::{Problem, ProblemKind};
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use serde_json::{Value, json};

use crate::packages::{self, Package};
use crate::warm_up::{Failure, warm_up_once};

/// Seconds after which a caller may ask again; loading a graph takes about as long.
const RETRY_AFTER_S: u32 = 2;

pub(crate) fn live() -> Result<Answer, Problem> {
    Ok(uncached(Answer::json(&json!({ "status": "live" }))?))
}

/// 200 after one inference on the active model, which an instance makes once for each graph. The records are opened too: a service that cannot
/// keep studies is not ready.
pub(crate) async fn ready() -> Result<Answer, Problem> {
    let name = variable("default_model").await?.unwrap_or_default();
    let unopened = |cause: Problem| {
        not_ready("The records cannot be opened").caused_by(cause.cause().unwrap_or(cause.detail()))
    };
    let missing = || {
        not_ready("The default model is not there").caused_by(format!("default_model is `{name}`"))
    };
    let store = open_store().await.map_err(unopened)?;
    let version = packages::active_version(&store, &name)
        .await
        .map_err(unopened)?
        .ok_or_else(missing)?;
    let package = Package::find(&store, &name, &version)
        .await
        .map_err(|cause| {
            let cause = Problem::from(cause);
            not_ready("The package of the active model cannot be read")
                .caused_by(cause.cause().unwrap_or(cause.detail()))
        })?
        .ok_or_else(missing)?;
    let model = answers(&package).await?;
    Ok(uncached(Answer::json(
        &json!({ "status": "ready", "model": model }),
    )?))
}

async fn answers(package: &Package) -> Result<Value, Problem> {
    let described = warm_up_once(package.model())
        .await
        .map_err(|failure| match failure {
            Failure::NotConfigured(what) => {
                not_ready(&format!("Inference is not configured: {what}"))
            }
            other => not_ready("The active model does not answer").caused_by(other),
        })?;
    Ok(json!({
        "name": described.name,
        "version": described.version,
        "digest": described.digest,
        "engine": described.engine,
        "device": described.device,
        "precision": described.precision,
    }))
}

fn not_ready(what: &str) -> Problem {
    Problem::new(
        ProblemKind::NotReady,
        format!("{what}; try again in a while. If it stays, the log of the service says why."),
    )
    .retry_after(RETRY_AFTER_S)
}

fn uncached(answer: Answer) -> Answer {
    answer.header(CACHE_CONTROL, HeaderValue::from_static("no-store"))
}
