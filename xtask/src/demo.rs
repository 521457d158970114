//! The demonstration heart of the page: a phantom whose true volumes are known. It is made on this machine, because what a page shows
//! as an example may not be anybody's heart. The page's component sees `target/demo` as its folder `demo`.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::process::{self, say};
use crate::workspace;

/// Few enough slices that the embedded engine is done within a minute, and frames enough for a beat that looks like one.
const HEART: [&str; 10] = [
    "--frames",
    "20",
    "--slices",
    "10",
    "--rows",
    "160",
    "--columns",
    "192",
    "--spacing",
    "1.40625,1.40625,10",
];

const VOLUME: &str = "phantom.nii.gz";
const TRUTH: &str = "phantom.json";

/// Makes the heart and tells its truth, unless both are newer than what they are made of.
///
/// # Errors
/// The generator does not compile, or the files cannot be written. The folder is made in any case: the manifest mounts it.
pub(crate) fn make() -> Result<()> {
    let folder = workspace::target().join("demo");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let root = workspace::root();
    let sources = [
        root.join("crates/phantom/src"),
        root.join("crates/phantom/examples"),
        root.join("xtask/src/demo.rs"),
    ];
    let made = [VOLUME, TRUTH].map(|name| folder.join(name));
    if is_newer(&made, &sources) {
        return Ok(());
    }
    say("making the demonstration heart of the page");
    // A host may be giving out the old files: the new ones take their place in one step.
    let aside = made.each_ref().map(|file| file.with_extension("new"));
    let [volume, truth] = &aside;
    process::run(
        process::clean(workspace::cargo())
            .current_dir(&root)
            // Without the name of a package: its dependencies get the features that the rest of the workspace asks for, and are compiled once.
            .args(["run", "--quiet", "--release", "--example", "phantom", "--"])
            .args(HEART)
            .arg("--out")
            .arg(volume)
            .arg("--truth")
            .arg(truth),
    )?;
    for (from, to) in aside.iter().zip(&made) {
        std::fs::rename(from, to).with_context(|| format!("cannot write {}", to.display()))?;
    }
    Ok(())
}

/// Whether every file that was made is there and was changed after everything it is made of.
fn is_newer(made: &[PathBuf], sources: &[PathBuf]) -> bool {
    let oldest = made.iter().map(|file| changed(file)).min().flatten();
    let newest = sources
        .iter()
        .map(|source| newest_in(source))
        .max()
        .flatten();
    oldest.is_some() && oldest > newest
}

fn newest_in(path: &Path) -> Option<SystemTime> {
    if !path.is_dir() {
        return changed(path);
    }
    let entries = path.read_dir().into_iter().flatten().flatten();
    entries.filter_map(|entry| newest_in(&entry.path())).max()
}

fn changed(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|data| data.modified()).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_missing_or_older_than_its_sources_is_made_again() {
        let folder = std::env::temp_dir().join(format!("cinecor-demo-{}", std::process::id()));
        let (sources, made) = ([folder.join("sources")], [folder.join("made")]);
        let source = folder.join("sources/inner/source");
        let at = |file: &Path, second: u64| {
            let file = std::fs::File::create(file).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(second))
                .unwrap();
        };
        std::fs::create_dir_all(source.parent().unwrap()).unwrap();
        at(&source, 10);
        assert!(!is_newer(&made, &sources), "nothing was made");
        let [file] = &made;
        at(file, 11);
        assert!(is_newer(&made, &sources));
        assert!(
            !is_newer(&[file.clone(), folder.join("other")], &sources),
            "a file is missing"
        );
        at(&source, 12);
        assert!(!is_newer(&made, &sources), "a source is newer");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
