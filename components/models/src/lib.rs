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

mod changes;
mod health;
mod packages;
mod shadow;
mod warm_up;

use cinecor_guest::{Answer, Call, GuestStore, Request, Response, open_store, serve};
use cinecor_web::{JSON, Problem, ZIP, openapi};
use serde_json::json;
use spin_sdk::wasip3;

use crate::packages::{Package, no_model};

struct Models;

wasip3::http::service::export!(Models);

impl wasip3::exports::http::handler::Guest for Models {
    async fn handle(request: Request) -> Response {
        serve(request, answer).await
    }
}

async fn answer(call: Call) -> Result<Answer, Problem> {
    match call.operation.id {
        "list_models" => list(&open_store().await?, None).await,
        "get_model" => list(&open_store().await?, Some(call.path.text("name"))).await,
        "get_model_version" => version(&call, &open_store().await?).await,
        "put_model_version" => changes::put(call, &open_store().await?).await,
        "delete_model_version" => changes::delete(&call, &open_store().await?).await,
        "activate_model_version" => changes::activate(&call, &open_store().await?).await,
        "get_shadow" => shadow::get(&call, &open_store().await?).await,
        "put_shadow" => shadow::put(call, &open_store().await?).await,
        "delete_shadow" => shadow::delete(&call, &open_store().await?).await,
        "roll_back_model" => changes::roll_back(&call, &open_store().await?).await,
        "live" => health::live(),
        "ready" => health::ready().await,
        "get_openapi" => Ok(Answer::bytes(
            JSON,
            openapi(env!("CARGO_PKG_VERSION")).to_string(),
        )),
        _ => Err(call.not_here()),
    }
}

/// All models, or the one that is named.
async fn list(store: &GuestStore, only: Option<&str>) -> Result<Answer, Problem> {
    let mut items = Vec::new();
    for (name, versions) in packages::all(store).await? {
        if only.is_none_or(|only| only == name) {
            items.push(packages::describe_model(store, &name, &versions).await?);
        }
    }
    if only.is_some() && items.is_empty() {
        return Err(no_model());
    }
    Answer::json(&json!({ "items": items }))
}

async fn version(call: &Call, store: &GuestStore) -> Result<Answer, Problem> {
    let (name, version) = (call.path.text("name"), call.path.text("version"));
    let package = Package::find(store, name, version)
        .await?
        .ok_or_else(no_model)?;
    match call.accepted()? {
        ZIP => {
            let archive = package.zip(store).await?;
            Ok(Answer::bytes(ZIP, archive).saved_as(&format!("{name}-{version}.zip")))
        }
        _ => Answer::json(&packages::describe(&package)),
    }
}
