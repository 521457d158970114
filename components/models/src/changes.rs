//! What stewards do with models: upload a package, activate a version, go back, delete.

use cinecor_guest::{Answer, Call, GuestStore, now_ms, random_id, sentence, storage_problem};
use cinecor_model_card::{Format, Package as Unpacked, PackageError, PackageLimits};
use cinecor_store::{
    Action, Activated, MODEL_CHUNK_BYTES, MODEL_LEASE_MS, ModelDeleted, ModelFile, ModelGraph,
    ModelStaging, RolledBack,
};
use cinecor_web::{Problem, ProblemKind};

use crate::bindings::cinecor::model::segmenter::ModelPackage;
use crate::packages::{self, Package, no_model};
use crate::warm_up::{warm_up_once, warm_up_wholly};

/// `PUT /api/v1/models/{name}/versions/{version}`.
pub(crate) async fn put(mut call: Call, store: &GuestStore) -> Result<Answer, Problem> {
    let (name, version) = named(&call);
    let limits = call.settings.limits;
    let archive = call
        .body()?
        .collect(limits.package_bytes, || limits.package_too_large(None))
        .await?;
    let unpacked = Unpacked::unpack(
        &archive,
        PackageLimits {
            bytes: limits.package_bytes,
            ratio: limits.inflate_ratio,
        },
    )
    .map_err(|error| refused(&error))?;
    drop(archive);
    if (&unpacked.card.name, &unpacked.card.version) != (&name, &version) {
        return Err(Problem::new(
            ProblemKind::InvalidPackage,
            format!(
                "The card is that of {}, and it was sent to {name}@{version}; send it to the address of its own name and version.",
                unpacked.card.graph_name()
            ),
        ));
    }
    store.sweep(now_ms()).await.map_err(storage_problem)?;
    if let Some(existing) = Package::find(store, &name, &version).await? {
        return same_or_conflict(&unpacked, &existing);
    }
    let pieces = unpacked
        .files
        .values()
        .map(|bytes| bytes.len().div_ceil(MODEL_CHUNK_BYTES))
        .sum();
    let staging = store
        .begin_model(&name, &version, &random_id(), pieces, now_ms())
        .await
        .map_err(storage_problem)?;
    let Some(staging) = staging else {
        // Another upload of it was faster, or is still under way.
        return match Package::find(store, &name, &version).await? {
            Some(existing) => same_or_conflict(&unpacked, &existing),
            None => Err(Problem::new(
                ProblemKind::Conflict,
                format!(
                    "An upload or a deletion of {name}@{version} is under way; wait for its end. One that broke off gives way after {} seconds.",
                    MODEL_LEASE_MS / 1000
                ),
            )
            .retry_after(u32::try_from(MODEL_LEASE_MS / 1000).unwrap_or(u32::MAX))),
        };
    };
    keep(&call, store, staging, &unpacked).await?;
    let package = Package::find(store, &name, &version)
        .await?
        .ok_or_else(no_model)?;
    let location = format!("/api/v1/models/{name}/versions/{version}");
    Ok(Answer::json(&packages::describe(&package))?.created(&location))
}

/// A version never changes, so that what it answered can be told from its name.
fn same_or_conflict(sent: &Unpacked, existing: &Package) -> Result<Answer, Problem> {
    if sent.text == existing.text {
        return Answer::json(&packages::describe(existing));
    }
    Err(Problem::new(
        ProblemKind::Conflict,
        format!(
            "There is another package as {}; a version never changes. Give the new one a version of its own, or delete the old one first.",
            existing.card.graph_name()
        ),
    ))
}

/// Writes the files, tries the package, and lets it exist; or takes all of it away again.
async fn keep(
    call: &Call,
    store: &GuestStore,
    mut staging: ModelStaging,
    unpacked: &Unpacked,
) -> Result<(), Problem> {
    match write_and_try(store, &mut staging, unpacked).await {
        Ok(graphs) => {
            let event = call.model_event(
                Action::CreateModel,
                &unpacked.card.name,
                &unpacked.card.version,
            );
            store
                .commit_model(staging, &unpacked.text, &graphs, &event)
                .await
                .map_err(storage_problem)
        }
        Err(problem) => {
            // A failure of that does not hide why the package was refused: the sweep tries again.
            let _ = store.abort_model(staging, now_ms()).await;
            Err(problem)
        }
    }
}

async fn write_and_try(
    store: &GuestStore,
    staging: &mut ModelStaging,
    unpacked: &Unpacked,
) -> Result<Vec<ModelGraph>, Problem> {
    let mut kept: Vec<ModelFile> = Vec::new();
    for file in unpacked.card.files() {
        let bytes = unpacked
            .files
            .get(&file.name)
            .ok_or_else(|| Problem::internal("an unpacked file is missing"))?;
        kept.push(
            store
                .put_model_file(staging, &file.name, &file.digest, bytes)
                .await
                .map_err(storage_problem)?,
        );
    }
    let graphs: Vec<ModelGraph> = unpacked
        .card
        .graphs()
        .map(|graph| ModelGraph {
            precision: graph.precision.name().to_owned(),
            format: match graph.format {
                Format::Onnx => "onnx",
                Format::OpenVino => "openvino",
            }
            .to_owned(),
            files: std::iter::once(&graph.file)
                .chain(&graph.weights)
                .filter_map(|file| kept.iter().find(|kept| kept.name == file.name).cloned())
                .collect(),
        })
        .collect();
    store
        .offer_model(staging, &graphs, now_ms())
        .await
        .map_err(storage_problem)?;
    let model = ModelPackage {
        name: unpacked.card.name.clone(),
        version: unpacked.card.version.clone(),
        card: unpacked.text.clone(),
        precision: None,
    };
    let described = warm_up_wholly(model).await.map_err(|failure| {
        failure.problem(|text| {
            Problem::new(
                ProblemKind::InvalidPackage,
                format!("The graph did not answer the warm-up inference: {text}"),
            )
        })
    })?;
    if !unpacked
        .card
        .graphs()
        .any(|graph| graph.file.digest == described.digest)
    {
        return Err(Problem::internal(
            "another graph than the one that was sent answered the warm-up",
        ));
    }
    Ok(graphs)
}

fn refused(error: &PackageError) -> Problem {
    let kind = match error {
        PackageError::NotZip => ProblemKind::UnsupportedMediaType,
        PackageError::TooLarge { .. } | PackageError::Ratio { .. } => ProblemKind::BodyTooLarge,
        _ => ProblemKind::InvalidPackage,
    };
    Problem::new(kind, sentence(&error.to_string()))
}

/// `DELETE /api/v1/models/{name}/versions/{version}`.
pub(crate) async fn delete(call: &Call, store: &GuestStore) -> Result<Answer, Problem> {
    let (name, version) = named(call);
    let conflict = |what: &str| Err(Problem::new(ProblemKind::Conflict, what));
    if packages::is_bundled(&name, &version) {
        return conflict(
            "This version ships with the service and cannot be deleted; activate another one, and it is not used any more.",
        );
    }
    let event = call.model_event(Action::DeleteModel, &name, &version);
    match store
        .delete_model(&name, &version, &event)
        .await
        .map_err(storage_problem)?
    {
        ModelDeleted::Gone => Ok(Answer::no_content()),
        ModelDeleted::Missing => Err(no_model()),
        ModelDeleted::Active => {
            conflict("This version is active; activate another one, then delete it.")
        }
    }
}

/// `POST /api/v1/models/{name}/versions/{version}/activate`.
pub(crate) async fn activate(call: &Call, store: &GuestStore) -> Result<Answer, Problem> {
    let (name, version) = named(call);
    let package = Package::find(store, &name, &version)
        .await?
        .ok_or_else(no_model)?;
    answers(&package).await?;
    let before = packages::active_version(store, &name).await?;
    let event = call.model_event(Action::ActivateModel, &name, &version);
    let activated = store
        .activate_model(
            &name,
            &version,
            before.as_deref(),
            |version| packages::is_bundled(&name, version),
            &event,
        )
        .await
        .map_err(storage_problem)?;
    match activated {
        Activated::Version(_) => model(store, &name).await,
        Activated::Missing => Err(no_model()),
    }
}

/// The first request on a version that is activated does not wait for the graph to load, and one that does not answer is not activated.
async fn answers(package: &Package) -> Result<(), Problem> {
    let answered = warm_up_once(package.model()).await;
    answered.map(|_| ()).map_err(|failure| {
        failure.problem(|text| {
            Problem::new(
                ProblemKind::ModelUnusable,
                format!("The version does not answer, and the active one stays: {text}"),
            )
        })
    })
}

/// `POST /api/v1/models/{name}/rollback`.
pub(crate) async fn roll_back(call: &Call, store: &GuestStore) -> Result<Answer, Problem> {
    let (name, _) = named(call);
    if !packages::all(store)
        .await?
        .iter()
        .any(|(found, _)| *found == name)
    {
        return Err(no_model());
    }
    let bundled = |version: &str| packages::is_bundled(&name, version);
    let target = store.rollback_target(&name, bundled).await;
    let conflict = |what: &str| Err(Problem::new(ProblemKind::Conflict, what));
    let Some(before) = target.map_err(storage_problem)? else {
        return conflict(
            "No version of this model that is still there was active before; activate one by its name.",
        );
    };
    // One that was deleted meanwhile is found missing when it would become active.
    if let Some(package) = Package::find(store, &name, &before.version).await? {
        answers(&package).await?;
    }
    let event = call.model_event(Action::RollBackModel, &name, &before.version);
    let rolled_back = store
        .rollback_model(&name, &before, bundled, &event)
        .await
        .map_err(storage_problem)?;
    match rolled_back {
        RolledBack::Done => model(store, &name).await,
        RolledBack::Raced => conflict(
            "Somebody else changed the active version at the same time; look which one is active now, and decide again.",
        ),
    }
}

async fn model(store: &GuestStore, name: &str) -> Result<Answer, Problem> {
    let all = packages::all(store).await?;
    let (_, versions) = all
        .iter()
        .find(|(found, _)| found == name)
        .ok_or_else(no_model)?;
    Answer::json(&packages::describe_model(store, name, versions).await?)
}

fn named(call: &Call) -> (String, String) {
    (
        call.path.text("name").to_owned(),
        call.path.text("version").to_owned(),
    )
}
