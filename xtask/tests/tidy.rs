//! Rules of the repository that a compiler does not hold: the map of ARCHITECTURE.md, one home for versions, module docs, no paths of
//! anybody's machine. Reads files and `cargo metadata`, and changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the repository")
        .to_path_buf()
}

fn output(command: &mut Command) -> String {
    let output = command
        .current_dir(root())
        .output()
        .expect("the program starts");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The files that git tracks or would track.
fn files() -> Vec<PathBuf> {
    let list = output(Command::new("git").args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]));
    list.split('\0')
        .filter(|file| !file.is_empty())
        .map(PathBuf::from)
        .filter(|file| root().join(file).is_file())
        .collect()
}

fn read(file: &Path) -> Option<String> {
    // What is not text has nothing to check.
    std::fs::read(root().join(file))
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
}

fn holds(violations: &[String], rule: &str) {
    assert!(
        violations.is_empty(),
        "{rule}\n  {}",
        violations.join("\n  ")
    );
}

/// Folder → the folders that it may use, out of the table of ARCHITECTURE.md. `crates` stands for every folder there.
fn map(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let section = text
        .split("## The map")
        .nth(1)
        .expect("ARCHITECTURE.md has a section `The map`");
    let rows = section
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'));
    let mut map = BTreeMap::new();
    for row in rows.skip(2) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [folder, _, uses] = cells.as_slice() else {
            panic!("a row of the map has three cells: {row}")
        };
        let uses = uses
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty() && *name != "–");
        map.insert(
            folder.trim_matches('`').to_owned(),
            uses.map(str::to_owned).collect(),
        );
    }
    map
}

/// Why the map does not allow `from` to use `to`, both folders; `None` where it does.
fn objection(map: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> Option<String> {
    // A guest of a host's tests is a program by itself.
    if from.contains("/tests/guests/") {
        return Some(format!(
            "{from} → {to}: a guest of the tests uses no crate of the workspace"
        ));
    }
    let row = map
        .get(from)
        .or_else(|| map.get(&format!("{}/*", Path::new(from).parent()?.display())));
    let Some(row) = row else {
        return Some(format!("{from} is not on the map"));
    };
    let name = to.rsplit('/').next().unwrap_or(to);
    let allowed = row.contains(name)
        || row.contains(to)
        || (row.contains("crates") && to.starts_with("crates/"));
    (!allowed).then(|| format!("{from} → {to}: the map does not draw it"))
}

#[test]
fn crates_depend_on_each_other_as_the_map_says() {
    let text = read(Path::new("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let map = map(&text);
    let metadata = output(Command::new(env!("CARGO")).args([
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
    ]));
    let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    let mut violations = Vec::new();
    let folder = |path: &str| {
        Path::new(path)
            .strip_prefix(root())
            .ok()
            .map(|path| path.display().to_string())
    };
    for package in metadata["packages"].as_array().expect("packages") {
        let from = package["manifest_path"]
            .as_str()
            .and_then(|path| folder(path.trim_end_matches("/Cargo.toml")))
            .expect("a folder");
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let Some(to) = dependency["path"].as_str().and_then(folder) else {
                continue;
            };
            // Tests of a crate may use others to check it; the runtime's tests know no hearts either.
            if dependency["kind"] == "dev" && !from.starts_with("runtime/") {
                continue;
            }
            violations.extend(objection(&map, &from, &to));
        }
    }
    holds(
        &violations,
        "an edge between crates is a design decision: draw it in ARCHITECTURE.md, or take it out",
    );
}

#[test]
fn an_edge_that_is_not_drawn_is_found() {
    let map = map(
        "## The map\n| folder | what | may use |\n|---|---|---|\n| `crates/a` | x | – |\n| `crates/b` | x | a |\n| `components/*` | x | crates |\n\nafter",
    );
    assert_eq!(objection(&map, "crates/b", "crates/a"), None);
    assert_eq!(objection(&map, "components/c", "crates/b"), None);
    assert!(objection(&map, "crates/a", "crates/b").is_some());
    assert!(objection(&map, "components/c", "runtime/nn").is_some());
    assert!(
        objection(&map, "crates/new", "crates/a")
            .is_some_and(|text| text.contains("not on the map"))
    );
}

#[test]
fn versions_are_declared_at_the_root_alone() {
    let mut violations = Vec::new();
    for file in files()
        .iter()
        .filter(|file| file.ends_with("Cargo.toml") && file.as_path() != Path::new("Cargo.toml"))
        // Copied into a folder of its own, where there is no root.
        .filter(|file| !file.starts_with("templates"))
    {
        let Ok(manifest) = read(file).unwrap_or_default().parse::<toml::Table>() else {
            violations.push(format!("{} does not parse", file.display()));
            continue;
        };
        let mut tables: Vec<&toml::Table> = vec![&manifest];
        tables.extend(
            manifest
                .get("target")
                .and_then(toml::Value::as_table)
                .into_iter()
                .flat_map(|all| all.values().filter_map(toml::Value::as_table)),
        );
        for table in tables {
            for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
                for (name, value) in table
                    .get(section)
                    .and_then(toml::Value::as_table)
                    .into_iter()
                    .flatten()
                {
                    if value.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                        violations.push(format!("{}: {name}", file.display()));
                    }
                }
            }
        }
    }
    holds(
        &violations,
        "a dependency is declared once, with its reason, in the root's Cargo.toml; members write `x.workspace = true`",
    );
}

#[test]
fn every_module_says_what_it_is() {
    let silent = |file: &&PathBuf| {
        file.extension().is_some_and(|end| end == "rs")
            && !read(file).is_some_and(|text| text.starts_with("//!"))
    };
    let violations: Vec<String> = files()
        .iter()
        .filter(silent)
        .map(|file| file.display().to_string())
        .collect();
    holds(
        &violations,
        "every module opens with `//!`: what it is, and what it is not",
    );
}

#[test]
fn no_test_is_parked() {
    // In two halves, so that this file is not its own finding.
    let parked = [concat!("#[ig", "nore"), concat!("#[should", "_panic")];
    let mut violations = Vec::new();
    for file in files()
        .iter()
        .filter(|file| file.extension().is_some_and(|end| end == "rs"))
    {
        let text = read(file).unwrap_or_default();
        violations.extend(
            parked
                .iter()
                .filter(|word| text.contains(**word))
                .map(|word| format!("{}: {word}", file.display())),
        );
    }
    holds(&violations, "a test runs, and says what it expects");
}

#[test]
fn no_file_names_a_path_of_somebodys_machine() {
    let paths = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
    ];
    let mut violations = Vec::new();
    for file in files() {
        // What others wrote is copied as it is; container images have a home of their own.
        if file.starts_with("frontend/vendor") || file.starts_with("deploy") {
            continue;
        }
        for (number, line) in read(&file).unwrap_or_default().lines().enumerate() {
            // A path begins a word; the same letters inside an address are none.
            let begins = |path: &&&str| {
                line.match_indices(**path).any(|(at, _)| {
                    !line[..at].ends_with(|before: char| {
                        before.is_alphanumeric() || "._-*}".contains(before)
                    })
                })
            };
            violations.extend(
                paths
                    .iter()
                    .filter(begins)
                    .map(|path| format!("{}:{}: {path}", file.display(), number + 1)),
            );
        }
    }
    holds(
        &violations,
        "files of the project speak of the project alone",
    );
}

/// Words of what the application is about.
const HEARTS: [&str; 10] = [
    "heart",
    "cardiac",
    "ventric",
    "myocard",
    "segmentation",
    "segmenter",
    "patient",
    "dicom",
    "nifti",
    "diastol",
];

#[test]
fn the_runtime_knows_nothing_of_hearts() {
    let mut violations = Vec::new();
    for file in files() {
        // The host's tests of the application's own files stand in it; what others build on is the inference and the composer.
        let for_others = file.starts_with("runtime/nn") || file.starts_with("runtime/compose");
        if !for_others {
            continue;
        }
        for (number, line) in read(&file).unwrap_or_default().lines().enumerate() {
            let line = line.to_lowercase();
            violations.extend(
                HEARTS
                    .iter()
                    .filter(|word| line.contains(**word))
                    .map(|word| format!("{}:{}: {word}", file.display(), number + 1)),
            );
        }
    }
    holds(
        &violations,
        "runtime/nn and runtime/compose are for others as well: no word of what this application does with them",
    );
}
