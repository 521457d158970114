//! The model packages that there are: those that the manifest mounts, which ship with the service, and those that were uploaded. Which is
//! active, what the host says of their graphs, and the package as a zip archive.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use cinecor_guest::{GuestStore, MODELS, storage_problem};
use cinecor_model_card::{Card, Graph, is_package_name, version_order};
use cinecor_store::ModelRecord;
use cinecor_web::{Problem, ProblemKind};
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::bindings::cinecor::inference::graphs::{self, Error, GraphInfo};
use crate::bindings::cinecor::model::segmenter::ModelPackage;

/// A package.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The text of its card.
    pub(crate) text: String,
    pub(crate) card: Card,
    origin: Origin,
}

/// Where its files are.
enum Origin {
    Bundled(PathBuf),
    Uploaded(ModelRecord),
}

impl Package {
    /// The package `name@version`; `None` when there is none.
    ///
    /// # Errors
    /// See [`Unfound`].
    pub(crate) async fn find(
        store: &GuestStore,
        name: &str,
        version: &str,
    ) -> Result<Option<Package>, Unfound> {
        let (text, origin) = if is_bundled(name, version) {
            let folder = Path::new(MODELS).join(name).join(version);
            let text = std::fs::read_to_string(folder.join("model.json")).map_err(|_| {
                Unfound::Unreadable("the file model.json cannot be read".to_owned())
            })?;
            (text, Origin::Bundled(folder))
        } else {
            match store.model(name, version).await.map_err(storage_problem)? {
                Some(record) => (record.card.clone(), Origin::Uploaded(record)),
                None => return Ok(None),
            }
        };
        let card = Card::parse(&text).map_err(|cause| Unfound::Unreadable(cause.to_string()))?;
        Ok(Some(Package {
            name: name.to_owned(),
            version: version.to_owned(),
            text,
            card,
            origin,
        }))
    }

    /// The package as model components take it.
    pub(crate) fn model(&self) -> ModelPackage {
        ModelPackage {
            name: self.name.clone(),
            version: self.version.clone(),
            card: self.text.clone(),
            precision: None,
        }
    }

    /// The card and the files that it names in one archive: stored, without dates, so that the same package gives the same bytes.
    pub(crate) async fn zip(&self, store: &GuestStore) -> Result<Vec<u8>, Problem> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::DEFAULT);
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let mut add = |name: &str, bytes: &[u8]| {
            archive
                .start_file(name, options)
                .map_err(Problem::internal)?;
            archive.write_all(bytes).map_err(Problem::internal)
        };
        add(cinecor_model_card::CARD_FILE, self.text.as_bytes())?;
        for file in self.card.files() {
            let bytes = match &self.origin {
                Origin::Bundled(folder) => {
                    std::fs::read(folder.join(&file.name)).map_err(Problem::internal)?
                }
                Origin::Uploaded(record) => {
                    let mut files = record.graphs.iter().flat_map(|graph| &graph.files);
                    let kept = files.find(|kept| kept.name == file.name).ok_or_else(|| {
                        broken(&self.name, &self.version, &"a file has no record")
                    })?;
                    store.model_file(kept).await.map_err(storage_problem)?
                }
            };
            file.check(&bytes).map_err(Problem::internal)?;
            add(&file.name, &bytes)?;
        }
        Ok(archive.finish().map_err(Problem::internal)?.into_inner())
    }

    fn is_bundled(&self) -> bool {
        matches!(self.origin, Origin::Bundled(_))
    }
}

/// Why a package that may be there was not found.
pub(crate) enum Unfound {
    /// It is there, and its card cannot be used, for this reason.
    Unreadable(String),
    /// Something else than the package.
    Other(Problem),
}

impl From<Problem> for Unfound {
    fn from(problem: Problem) -> Self {
        Self::Other(problem)
    }
}

/// Where one package is asked for, one that cannot be read is a fault of the service.
impl From<Unfound> for Problem {
    fn from(unfound: Unfound) -> Self {
        match unfound {
            Unfound::Unreadable(reason) => {
                Problem::internal(format!("a package that ships cannot be used: {reason}"))
            }
            Unfound::Other(problem) => problem,
        }
    }
}

fn broken(name: &str, version: &str, cause: &dyn std::fmt::Display) -> Problem {
    Problem::internal(format!("the package {name}@{version}: {cause}"))
}

/// The answer when there is no such model or version.
pub(crate) fn no_model() -> Problem {
    Problem::new(
        ProblemKind::NotFound,
        "There is no such model or version; /api/v1/models lists those that are there.",
    )
}

/// Every model with its versions, the lowest first, in the order of names.
pub(crate) async fn all(store: &GuestStore) -> Result<Vec<(String, Vec<String>)>, Problem> {
    let uploaded = store.model_versions().await.map_err(storage_problem)?;
    let mut names: Vec<String> = folders(Path::new(MODELS))
        .into_iter()
        .filter(|name| is_package_name(name) && !bundled_versions(name).is_empty())
        .chain(uploaded.iter().map(|(name, _)| name.clone()))
        .collect();
    names.sort();
    names.dedup();
    Ok(names
        .into_iter()
        .map(|name| {
            let mut versions = bundled_versions(&name);
            for (_, version) in uploaded.iter().filter(|(found, _)| *found == name) {
                if !versions.contains(version) {
                    versions.push(version.clone());
                }
            }
            versions.sort_by_cached_key(|version| version_order(version));
            (name, versions)
        })
        .collect())
}

/// Whether a version ships with the service.
pub(crate) fn is_bundled(name: &str, version: &str) -> bool {
    is_package_name(name)
        && version_order(version).is_some()
        && Path::new(MODELS)
            .join(name)
            .join(version)
            .join("model.json")
            .is_file()
}

/// The versions of a model that ship with the service, the lowest first.
fn bundled_versions(name: &str) -> Vec<String> {
    let mut versions: Vec<_> = folders(&Path::new(MODELS).join(name))
        .into_iter()
        .filter(|version| is_bundled(name, version))
        .collect();
    versions.sort_by_cached_key(|version| version_order(version));
    versions
}

fn folders(folder: &Path) -> Vec<String> {
    // A folder that is not there holds nothing.
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect()
}

/// The version that answers when a request names none: the one that was activated while it is there, or else the highest that ships. What
/// was uploaded answers only once it was activated.
pub(crate) async fn active_version(
    store: &GuestStore,
    name: &str,
) -> Result<Option<String>, Problem> {
    if let Some(version) = store.active_model(name).await.map_err(storage_problem)?
        && (is_bundled(name, &version)
            || store
                .model(name, &version)
                .await
                .map_err(storage_problem)?
                .is_some())
    {
        return Ok(Some(version));
    }
    Ok(bundled_versions(name).pop())
}

/// A model as the models API tells it.
pub(crate) async fn describe_model(
    store: &GuestStore,
    name: &str,
    versions: &[String],
) -> Result<Value, Problem> {
    let mut described = Vec::new();
    let mut unreadable = Vec::new();
    for version in versions {
        match Package::find(store, name, version).await {
            Ok(Some(package)) => described.push(describe(&package)),
            // One that was deleted meanwhile is not there any more.
            Ok(None) => {}
            Err(Unfound::Unreadable(reason)) => {
                unreadable.push(json!({ "version": version, "reason": reason }));
            }
            Err(Unfound::Other(problem)) => return Err(problem),
        }
    }
    Ok(json!({
        "name": name,
        "active_version": active_version(store, name).await?,
        "versions": described,
        "unreadable": unreadable,
    }))
}

/// A version as the models API tells it.
pub(crate) fn describe(package: &Package) -> Value {
    let card: Value = serde_json::from_str(&package.text).unwrap_or(Value::Null);
    let variants: Vec<Value> = package
        .card
        .graphs()
        .enumerate()
        .map(|(index, graph)| package.describe_variant(index, graph, &card))
        .collect();
    let (info, reason) = run(&package.card.graph_name());
    json!({
        "version": package.version,
        "digest": info.as_ref().map_or(&package.card.graph.file.digest, |info| &info.digest),
        "engine": info.as_ref().map(|info| &info.engine),
        "engine_version": info.as_ref().map(|info| &info.engine_version),
        "device": info.as_ref().map(|info| &info.device),
        "precision": info
            .as_ref()
            .map_or(package.card.graph.precision.name(), |info| &info.precision),
        "reason": reason,
        "loaded": info.as_ref().is_some_and(|info| info.loaded),
        "bundled": package.is_bundled(),
        "variants": variants,
        "card": card,
    })
}

/// Where a graph runs, and why there or why nowhere.
fn run(name: &str) -> (Option<GraphInfo>, String) {
    match graphs::describe(name) {
        Ok(info) => {
            let reason = info.reason.clone();
            (Some(info), reason)
        }
        Err(Error::NotFound(_)) => (
            None,
            "the inference engine does not know this graph".to_owned(),
        ),
        Err(Error::Refused(text) | Error::NotConfigured(text)) => (None, text),
        Err(Error::Unavailable(text)) => (
            None,
            format!("no inference engine can run this graph now: {text}"),
        ),
    }
}

impl Package {
    /// One precision of the package: whether a request may ask for it here, and what the card says was measured of it.
    fn describe_variant(&self, index: usize, graph: &Graph, card: &Value) -> Value {
        let name = format!("{}:{}", self.card.graph_name(), graph.precision.name());
        let (info, reason) = run(&name);
        let told = match index.checked_sub(1) {
            None => card.get("accuracy"),
            Some(variant) => card
                .get("variants")
                .and_then(|variants| variants.get(variant)?.get("accuracy")),
        };
        json!({
            "precision": graph.precision.name(),
            "digest": graph.file.digest,
            "bytes": self.file_bytes(&graph.file.name),
            "runs": info.is_some(),
            "engine": info.as_ref().map(|info| &info.engine),
            "device": info.as_ref().map(|info| &info.device),
            "reason": reason,
            "loaded": info.as_ref().is_some_and(|info| info.loaded),
            "accuracy": told,
        })
    }

    /// The length of one of its files.
    fn file_bytes(&self, name: &str) -> Option<u64> {
        match &self.origin {
            Origin::Bundled(folder) => std::fs::metadata(folder.join(name))
                .ok()
                .map(|file| file.len()),
            Origin::Uploaded(record) => record
                .graphs
                .iter()
                .flat_map(|graph| &graph.files)
                .find(|file| file.name == name)
                .map(|file| file.bytes),
        }
    }
}
