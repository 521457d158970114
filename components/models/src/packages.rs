//! The model packages that the manifest mounts: which there are, which is active, what the host says of their graphs, and the package as
//! a zip archive.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use cinecor_guest::open_store;
use cinecor_model_card::{Card, Graph, is_package_name, version_order};
use cinecor_store::KeyValue;
use cinecor_web::Problem;
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::bindings::cinecor::inference::graphs::{self, Error};

/// Where the manifest mounts the packages: `<name>/<version>/model.json` and the graph beside it.
const ROOT: &str = "/models";

/// A package.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The text of its card.
    pub(crate) text: String,
    pub(crate) card: Card,
    folder: PathBuf,
}

impl Package {
    /// Opens a package that is there.
    ///
    /// # Errors
    /// A 500: a package that is mounted and cannot be read is a fault of the service.
    pub(crate) fn open(name: &str, version: &str) -> Result<Package, Problem> {
        let folder = Path::new(ROOT).join(name).join(version);
        let broken = |cause: &dyn std::fmt::Display| {
            Problem::internal(format!("the package {name}@{version}: {cause}"))
        };
        let text =
            std::fs::read_to_string(folder.join("model.json")).map_err(|cause| broken(&cause))?;
        let card = Card::parse(&text).map_err(|cause| broken(&cause))?;
        Ok(Package {
            name: name.to_owned(),
            version: version.to_owned(),
            text,
            card,
            folder,
        })
    }

    /// The card and the graphs in one archive: stored, without dates, so that the same package gives the same bytes.
    pub(crate) fn zip(&self) -> Result<Vec<u8>, Problem> {
        let mut files = vec![("model.json", self.text.clone().into_bytes())];
        let graphs = std::iter::once(&self.card.graph).chain(&self.card.variants);
        for file in graphs.flat_map(|graph| std::iter::once(&graph.file).chain(&graph.weights)) {
            let bytes = std::fs::read(self.folder.join(&file.name)).map_err(Problem::internal)?;
            file.check(&bytes).map_err(Problem::internal)?;
            files.push((&file.name, bytes));
        }
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::DEFAULT);
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            archive
                .start_file(name, options)
                .map_err(Problem::internal)?;
            archive.write_all(&bytes).map_err(Problem::internal)?;
        }
        Ok(archive.finish().map_err(Problem::internal)?.into_inner())
    }
}

/// The names of all packages, in order.
pub(crate) fn names() -> Vec<String> {
    let mut names: Vec<String> = folders(Path::new(ROOT))
        .into_iter()
        .filter(|name| is_package_name(name))
        .collect();
    names.retain(|name| !versions(name).is_empty());
    names.sort();
    names
}

/// The versions of a package, the lowest first; none when there is no such package.
pub(crate) fn versions(name: &str) -> Vec<String> {
    if !is_package_name(name) {
        return Vec::new();
    }
    let folder = Path::new(ROOT).join(name);
    let mut versions: Vec<_> = folders(&folder)
        .into_iter()
        .filter(|version| folder.join(version).join("model.json").is_file())
        .filter_map(|version| Some((version_order(&version)?, version)))
        .collect();
    versions.sort();
    versions.into_iter().map(|(_, version)| version).collect()
}

fn folders(folder: &Path) -> Vec<String> {
    // A folder that is not there holds nothing.
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect()
}

/// The version that answers when a request names none: the one that was activated, or else the highest.
pub(crate) async fn active_version(name: &str) -> Result<Option<String>, Problem> {
    let versions = versions(name);
    let store = open_store().await?;
    let activated = store
        .keys()
        .get(&format!("models/{name}/active"))
        .await
        .map_err(Problem::internal)?;
    let activated = activated
        .map(String::from_utf8)
        .transpose()
        .map_err(Problem::internal)?;
    let activated = activated
        .map(|version| version.trim().to_owned())
        .filter(|version| versions.contains(version));
    Ok(activated.or_else(|| versions.into_iter().next_back()))
}

/// The graphs of a package in other precisions, each with whether it can be asked for here, and why.
fn variants(package: &Package, card: &Value) -> Vec<Value> {
    let described = |graph: &Graph| {
        let precision = graph.precision.name();
        let file = package.folder.join(&graph.file.name);
        let measured = card["variants"].as_array().and_then(|variants| {
            variants
                .iter()
                .find(|variant| variant["precision"] == precision)
        });
        let (info, refused) =
            match graphs::describe(&format!("{}:{precision}", package.card.graph_name())) {
                Ok(info) => (Some(info), None),
                Err(Error::NotFound(text) | Error::Unavailable(text) | Error::Refused(text)) => {
                    (None, Some(text))
                }
            };
        let info = info.as_ref();
        json!({
            "precision": precision,
            "digest": info.map_or(&graph.file.digest, |info| &info.digest),
            "bytes": std::fs::metadata(file).ok().map(|file| file.len()),
            "runs": info.is_some(),
            "engine": info.map(|info| &info.engine),
            "device": info.map(|info| &info.device),
            "reason": info.map(|info| &info.reason).or(refused.as_ref()),
            "loaded": info.is_some_and(|info| info.loaded),
            "accuracy": measured.and_then(|variant| variant.get("accuracy")),
        })
    };
    package.card.variants.iter().map(described).collect()
}

/// A version as the models API tells it.
pub(crate) fn describe(package: &Package) -> Value {
    let card: Value = serde_json::from_str(&package.text).unwrap_or(Value::Null);
    let variants = variants(package, &card);
    let digest = &package.card.graph.file.digest;
    match graphs::describe(&package.card.graph_name()) {
        Ok(info) => json!({
            "version": package.version,
            "digest": info.digest,
            "engine": info.engine,
            "engine_version": info.engine_version,
            "device": info.device,
            "precision": info.precision,
            "reason": info.reason,
            "loaded": info.loaded,
            "variants": variants,
            "card": card,
        }),
        Err(error) => {
            let reason = match error {
                Error::NotFound(_) => "the inference engine does not know this graph",
                Error::Unavailable(_) | Error::Refused(_) => {
                    "no inference engine can run this graph now"
                }
            };
            json!({
                "version": package.version,
                "digest": digest,
                "engine": null,
                "device": null,
                "precision": package.card.graph.precision.name(),
                "reason": reason,
                "loaded": false,
                "variants": variants,
                "card": card,
            })
        }
    }
}
