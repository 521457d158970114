//! The models component: which model packages there are and what runs them, whether the service is ready, and the OpenAPI document.
//!
//! What a package is stands in `cinecor-model-card`; where its graph runs is asked of the host.

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated from the WIT, which documents itself"
)]
mod bindings {
    spin_sdk::wit_bindgen::generate!({
        inline: "
            package cinecor:models;
            world models {
                import cinecor:model/segmenter@0.1.0;
                import cinecor:inference/graphs@0.1.0;
            }
        ",
        path: [
            "../../wit/deps/wasi-nn@0.2.0-rc-2024-10-28",
            "../../wit/cinecor-inference",
            "../../wit/cinecor-model",
        ],
        world: "cinecor:models/models",
        runtime_path: "spin_sdk::wit_bindgen::rt",
        generate_all,
    });
}

mod health;
mod packages;

use cinecor_guest::{Answer, Call, Request, Response, serve};
use cinecor_web::{JSON, Problem, ProblemKind, ZIP, openapi};
use serde_json::json;
use spin_sdk::wasip3;

struct Models;

wasip3::http::service::export!(Models);

impl wasip3::exports::http::handler::Guest for Models {
    async fn handle(request: Request) -> Response {
        serve(request, answer).await
    }
}

async fn answer(call: Call) -> Result<Answer, Problem> {
    match call.operation.id {
        "list_models" => list(&packages::names()).await,
        "get_model" => {
            let name = call.path.text("name").to_owned();
            if packages::versions(&name).is_empty() {
                return Err(no_model());
            }
            list(&[name]).await
        }
        "get_model_version" => version(&call),
        "live" => health::live(),
        "ready" => health::ready().await,
        "get_openapi" => Ok(Answer::bytes(
            JSON,
            openapi(env!("CARGO_PKG_VERSION")).to_string(),
        )),
        _ => Err(call.not_here()),
    }
}

async fn list(names: &[String]) -> Result<Answer, Problem> {
    let mut items = Vec::new();
    for name in names {
        let mut versions = Vec::new();
        for version in packages::versions(name) {
            versions.push(packages::describe(&packages::Package::open(
                name, &version,
            )?));
        }
        items.push(json!({ "name": name, "active_version": packages::active_version(name).await?, "versions": versions }));
    }
    Answer::json(&json!({ "items": items }))
}

fn version(call: &Call) -> Result<Answer, Problem> {
    let (name, version) = (call.path.text("name"), call.path.text("version"));
    if !packages::versions(name)
        .iter()
        .any(|found| found == version)
    {
        return Err(no_model());
    }
    let package = packages::Package::open(name, version)?;
    match call.accepted()? {
        ZIP => Ok(Answer::bytes(ZIP, package.zip()?).saved_as(&format!("{name}-{version}.zip"))),
        _ => Answer::json(&packages::describe(&package)),
    }
}

fn no_model() -> Problem {
    Problem::new(
        ProblemKind::NotFound,
        "There is no such model or version; /api/v1/models lists those that are there.",
    )
}
