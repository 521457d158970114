//! The `files` of a component: which folders its instances see, read-only, and where. It serves nothing over HTTP; components do.
//!
//! A folder that is mounted whole is seen as it is on the disk. Globs, single files and mounts with `exclude_files` are copied into the
//! state folder first, under a name made of their content's description, because a guest's file tree can only be made of folders.

use crate::manifest::{Component, FilesMount};
use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::{Component as PathPart, Path, PathBuf};
use std::time::UNIX_EPOCH;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

/// The folders of one component.
#[derive(Clone, Debug, Default)]
pub struct Mounts {
    /// Folder on the disk, and the path that the guest sees.
    mounts: Vec<(PathBuf, String)>,
}

impl Mounts {
    /// Finds the component's files, and copies those that have to be copied. `base` is the manifest's folder.
    ///
    /// # Errors
    /// A source that does not exist, lies outside the manifest's folder by a glob, or two mounts of the same destination.
    pub fn configure(
        id: &str,
        component: &Component,
        base: &Path,
        state_dir: &Path,
    ) -> anyhow::Result<Self> {
        Self::configure_inner(component, base, state_dir)
            .with_context(|| format!("[component.{id}] files cannot be mounted"))
    }

    fn configure_inner(
        component: &Component,
        base: &Path,
        state_dir: &Path,
    ) -> anyhow::Result<Self> {
        let excluded = component
            .exclude_files
            .iter()
            .map(|text| {
                glob::Pattern::new(text)
                    .with_context(|| format!("exclude_files \"{text}\" is no glob"))
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let mut mounts: Vec<(PathBuf, String)> = Vec::new();
        // Files to be copied, by destination folder and path inside of it.
        let mut copies: BTreeMap<String, BTreeMap<PathBuf, PathBuf>> = BTreeMap::new();
        for mount in &component.files {
            match mount {
                FilesMount::Placement(placement) => {
                    let source = base.join(&placement.source);
                    let kind = std::fs::metadata(&source).with_context(|| {
                        format!(
                            "the source \"{}\" does not exist beside the manifest",
                            placement.source.display()
                        )
                    })?;
                    let destination = normal_destination(&placement.destination)?;
                    if kind.is_dir() && excluded.is_empty() {
                        mounts.push((source, destination));
                    } else if kind.is_dir() {
                        let files = copies.entry(destination).or_default();
                        for file in walk(&source)? {
                            let inside = file.strip_prefix(&source)?.to_owned();
                            if !excluded.iter().any(|pattern| {
                                pattern.matches_path(&placement.source.join(&inside))
                            }) {
                                files.insert(inside, file);
                            }
                        }
                    } else {
                        let (folder, name) =
                            destination.rsplit_once('/').unwrap_or(("", &destination));
                        if name.is_empty() {
                            bail!(
                                "the destination of the file \"{}\" is a folder; give it a file name",
                                placement.source.display()
                            );
                        }
                        let folder = if folder.is_empty() { "/" } else { folder };
                        copies
                            .entry(folder.to_owned())
                            .or_default()
                            .insert(PathBuf::from(name), source);
                    }
                }
                FilesMount::Pattern(pattern) => {
                    if Path::new(pattern)
                        .components()
                        .any(|part| !matches!(part, PathPart::Normal(_) | PathPart::CurDir))
                    {
                        bail!("the glob \"{pattern}\" leads out of the manifest's folder");
                    }
                    let files = copies.entry("/".to_owned()).or_default();
                    let whole = base.join(pattern);
                    if whole.is_dir() {
                        bail!(
                            "the glob \"{pattern}\" names a folder; write \"{pattern}/**/*\", or a source and a destination"
                        );
                    }
                    let Some(text) = whole.to_str() else {
                        bail!("the path of the manifest is not UTF-8, globs cannot be used there")
                    };
                    let escaped = format!(
                        "{}/{pattern}",
                        glob::Pattern::escape(base.to_str().unwrap_or(text))
                    );
                    let before = files.len();
                    for file in
                        glob::glob(&escaped).with_context(|| format!("\"{pattern}\" is no glob"))?
                    {
                        let file = file?;
                        let inside = file.strip_prefix(base)?.to_owned();
                        if file.is_file()
                            && !excluded.iter().any(|pattern| pattern.matches_path(&inside))
                        {
                            files.insert(inside, file);
                        }
                    }
                    if files.len() == before {
                        tracing::warn!(pattern, "a glob of `files` matches nothing");
                    }
                }
            }
        }
        for (destination, files) in copies {
            mounts.push((copy(&files, state_dir)?, destination));
        }
        let mut seen = std::collections::BTreeSet::new();
        for (_, destination) in &mounts {
            if !seen.insert(destination) {
                bail!(
                    "two mounts have the destination \"{destination}\"; give them folders of their own"
                );
            }
        }
        Ok(Self { mounts })
    }

    /// Opens the folders for one instance.
    ///
    /// # Errors
    /// A folder that has been removed since.
    pub fn add_to(&self, wasi: &mut WasiCtxBuilder) -> wasmtime::Result<()> {
        for (source, destination) in &self.mounts {
            wasi.preopened_dir(source, destination, FsPerms::ReadOnly)?;
        }
        Ok(())
    }
}

/// A destination without `.`, `..` and doubled or trailing slashes.
fn normal_destination(text: &str) -> anyhow::Result<String> {
    let parts: Vec<_> = text
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    if parts.contains(&"..") {
        bail!("the destination \"{text}\" contains `..`");
    }
    Ok(format!("/{}", parts.join("/")))
}

fn walk(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)
            .with_context(|| format!("cannot read the folder {}", folder.display()))?
        {
            let entry = entry?;
            // Symbolic links are followed for files and not for folders, which ends loops.
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Copies files into a folder of the state folder that is named by what they are, and is reused by the next start.
fn copy(files: &BTreeMap<PathBuf, PathBuf>, state_dir: &Path) -> anyhow::Result<PathBuf> {
    let mut digest = Sha256::new();
    for (inside, source) in files {
        let kind = std::fs::metadata(source)
            .with_context(|| format!("cannot read {}", source.display()))?;
        let changed = kind
            .modified()?
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_nanos();
        for part in [
            inside.as_os_str().as_encoded_bytes(),
            source.as_os_str().as_encoded_bytes(),
        ] {
            digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            digest.update(part);
        }
        digest.update(kind.len().to_le_bytes());
        digest.update(changed.to_le_bytes());
    }
    let name = crate::app::hex(&digest.finalize());
    let parent = state_dir.join("files");
    let done = parent.join(&name);
    if done.is_dir() {
        return Ok(done);
    }
    let aside = parent.join(format!("{name}.{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&aside);
    for (inside, source) in files {
        let target = aside.join(inside);
        std::fs::create_dir_all(target.parent().unwrap_or(&aside))?;
        std::fs::copy(source, &target)
            .with_context(|| format!("cannot copy {}", source.display()))?;
    }
    std::fs::create_dir_all(&aside)?;
    match std::fs::rename(&aside, &done) {
        Ok(()) => {}
        // Another host was faster with the same files.
        Err(_) if done.is_dir() => std::fs::remove_dir_all(&aside)?,
        Err(error) => {
            return Err(error).with_context(|| format!("cannot write {}", done.display()));
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;

    fn mounts(base: &Path, keys: &str) -> anyhow::Result<Mounts> {
        let manifest = Manifest::parse(&format!(
            "spin_manifest_version = 2\n[application]\nname = \"x\"\n[component.c]\nsource = \"c.wasm\"\n{keys}"
        ))?;
        let component = manifest.components.get("c").unwrap();
        Mounts::configure("c", component, base, &base.join(".spin"))
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for path in [
            "assets/a.txt",
            "assets/deep/b.txt",
            "assets/secret.key",
            "one.json",
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, path.file_name().unwrap().as_encoded_bytes()).unwrap();
        }
        folder
    }

    fn seen(mounts: &Mounts) -> Vec<(String, Vec<String>)> {
        mounts
            .mounts
            .iter()
            .map(|(source, destination)| {
                let files = walk(source).unwrap();
                (
                    destination.clone(),
                    files
                        .iter()
                        .map(|file| {
                            file.strip_prefix(source)
                                .unwrap()
                                .to_str()
                                .unwrap()
                                .to_owned()
                        })
                        .collect(),
                )
            })
            .collect()
    }

    #[test]
    fn mounts_a_folder_as_it_is() {
        let folder = folder();
        let mounts = mounts(
            folder.path(),
            "files = [{ source = \"assets\", destination = \"/static/\" }]",
        )
        .unwrap();
        assert_eq!(
            mounts.mounts,
            [(folder.path().join("assets"), "/static".to_owned())]
        );
    }

    #[test]
    fn copies_globs_single_files_and_what_is_not_excluded() {
        let folder = folder();
        let mounts = mounts(
            folder.path(),
            "files = [\"assets/**/*\", { source = \"one.json\", destination = \"/config/settings.json\" }]\nexclude_files = [\"assets/*.key\"]",
        )
        .unwrap();
        assert_eq!(
            seen(&mounts),
            [
                (
                    "/".to_owned(),
                    vec!["assets/a.txt".to_owned(), "assets/deep/b.txt".to_owned()]
                ),
                ("/config".to_owned(), vec!["settings.json".to_owned()]),
            ]
        );
    }

    #[test]
    fn says_what_is_wrong_with_a_mount() {
        let folder = folder();
        for (keys, expected) in [
            (
                "files = [{ source = \"none\", destination = \"/x\" }]",
                "the source \"none\" does not exist beside the manifest",
            ),
            (
                "files = [\"../*\"]",
                "the glob \"../*\" leads out of the manifest's folder",
            ),
            (
                "files = [\"assets\"]",
                "the glob \"assets\" names a folder; write \"assets/**/*\", or a source and a destination",
            ),
            (
                "files = [{ source = \"assets\", destination = \"/a/../b\" }]",
                "the destination \"/a/../b\" contains `..`",
            ),
            (
                "files = [{ source = \"assets\", destination = \"/x\" }, { source = \"assets/deep\", destination = \"/x\" }]",
                "two mounts have the destination \"/x\"; give them folders of their own",
            ),
        ] {
            let error = format!("{:#}", mounts(folder.path(), keys).unwrap_err());
            assert!(error.contains(expected), "{error}");
            assert!(
                error.starts_with("[component.c] files cannot be mounted"),
                "{error}"
            );
        }
    }
}
