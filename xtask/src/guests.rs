//! Building the WebAssembly guests with the toolchain that `toolchain` finds.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::demo;
use crate::process::{self, say};
use crate::toolchain::{self, Toolchain};
use crate::workspace::{self, Guest};

/// The guest that gives out the page, and with it the demonstration heart.
const PAGE: &str = "site";

/// Components that are made of others, for hosts that compose one level only: the name, and from above to below what it is made of.
const COMPOSED: [(&str, [&str; 2]); 6] = [
    ("model-unet-local", ["model-unet", "nn-local"]),
    ("models-local", ["models", "nn-local"]),
    ("model-unet-remote", ["model-unet", "nn-remote"]),
    ("models-remote", ["models", "nn-remote"]),
    // The suite of the inference engines, on the engines that are components.
    ("nn-suite-local", ["nn-suite", "nn-local"]),
    ("nn-suite-remote", ["nn-suite", "nn-remote"]),
];

/// Links `cinecor-nn` without the engine that `nn-local` has of it, which is most of its bytes.
const APART: [&str; 1] = ["nn-remote"];

/// What to build.
#[derive(clap::Args, Debug)]
pub(crate) struct BuildArgs {
    /// Names of guests; none means every component.
    names: Vec<String>,
    /// The guests of the tests as well.
    #[arg(long)]
    with_tests: bool,
    /// Only check that they compile (`cargo check`), which is quicker.
    #[arg(long, conflicts_with = "clippy")]
    check: bool,
    /// Only run clippy on them, and fail on a warning.
    #[arg(long)]
    clippy: bool,
}

/// Builds guests and copies them to `target/guests/<name>.wasm`; what the page shows as an example is made with the page.
///
/// # Errors
/// A name that is no guest, no toolchain, or a guest or the example's generator that does not compile.
pub(crate) fn build(args: &BuildArgs) -> Result<()> {
    let guests = choose(&workspace::all_guests()?, &args.names, args.with_tests)?;
    let toolchain = Toolchain::set_up()?;
    say(&format!(
        "building {} with {}",
        names(&guests),
        toolchain.describe()
    ));
    let verb = match (args.check, args.clippy) {
        (true, _) => "check",
        (_, true) => "clippy",
        _ => "build",
    };
    let mut built = Ok(());
    for group in together(&guests) {
        let mut cargo = toolchain.cargo(verb);
        for guest in group {
            cargo.args(["--package", &guest.spec]);
        }
        match verb {
            // One guest that does not compile must not hold up the others.
            "build" => cargo.arg("--keep-going"),
            "clippy" => cargo.args(["--", "-D", "warnings"]),
            _ => &mut cargo,
        };
        built = built.and(process::run(&mut cargo));
    }
    if verb != "build" {
        return built;
    }
    let folder = toolchain::build_dir()
        .join(toolchain::TARGET)
        .join("release");
    std::fs::create_dir_all(workspace::guests())?;
    for guest in &guests {
        let from = folder.join(format!("{}.wasm", guest.library));
        let to = workspace::guests().join(format!("{}.wasm", guest.package));
        // Without a file the build has failed, which is told below.
        if from.is_file() {
            replace(&from, &to)?;
        }
    }
    let shows_demo = guests.iter().any(|guest| guest.package == PAGE);
    let made = if shows_demo { demo::make() } else { Ok(()) };
    built.and(made).and_then(|()| compose(&guests))
}

/// Those that are built in one call of cargo, which gives a crate the features that any of its users asks for: what links a crate without its
/// large features is built apart.
fn together(guests: &[Guest]) -> impl Iterator<Item = Vec<&Guest>> {
    let (apart, others): (Vec<&Guest>, Vec<&Guest>) = guests
        .iter()
        .partition(|guest| APART.contains(&guest.package.as_str()));
    std::iter::once(others)
        .chain(apart.into_iter().map(|guest| vec![guest]))
        .filter(|group| !group.is_empty())
}

/// Makes those of [`COMPOSED`] that one of these guests is a part of, once all their parts are there.
fn compose(built: &[Guest]) -> Result<()> {
    let file = |name: &str| workspace::guests().join(format!("{name}.wasm"));
    let mut runs = Vec::new();
    for (name, parts) in COMPOSED {
        let concerned = built
            .iter()
            .any(|guest| parts.contains(&guest.package.as_str()));
        if concerned && parts.iter().all(|part| file(part).is_file()) {
            runs.push((file(name), parts.map(file)));
        }
    }
    for (to, parts) in runs {
        let mut cargo = process::clean(workspace::cargo());
        cargo
            .current_dir(workspace::root())
            // Without the name of a package: its dependencies get the features that the rest of the workspace asks for, and are compiled once.
            .args(["run", "--quiet", "--release", "--bin"])
            .args(["cinecor-compose", "--"])
            .args(&parts)
            .arg("--output")
            .arg(&to);
        process::run(&mut cargo)?;
    }
    Ok(())
}

/// Builds every component, and the tests' guests when asked.
///
/// # Errors
/// As [`build`].
pub(crate) fn build_all(with_tests: bool) -> Result<()> {
    build(&BuildArgs {
        names: Vec::new(),
        with_tests,
        check: false,
        clippy: false,
    })
}

/// Runs clippy on every guest; a warning is an error.
///
/// # Errors
/// As [`build`].
pub(crate) fn clippy_all() -> Result<()> {
    build(&BuildArgs {
        names: Vec::new(),
        with_tests: true,
        check: false,
        clippy: true,
    })
}

fn choose(all: &[Guest], wanted: &[String], with_tests: bool) -> Result<Vec<Guest>> {
    if wanted.is_empty() {
        return Ok(all
            .iter()
            .filter(|guest| with_tests || !guest.for_tests)
            .cloned()
            .collect());
    }
    for name in wanted {
        if !all.iter().any(|guest| guest.package == *name) {
            bail!("`{name}` is no guest; the guests are {}", names(all));
        }
    }
    Ok(all
        .iter()
        .filter(|guest| wanted.contains(&guest.package) || (with_tests && guest.for_tests))
        .cloned()
        .collect())
}

fn names(guests: &[Guest]) -> String {
    guests
        .iter()
        .map(|guest| guest.package.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

/// Puts the file in place in one step, and only when its bytes differ: a running host watches these files.
fn replace(from: &Path, to: &Path) -> Result<()> {
    let new = std::fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    if std::fs::read(to).is_ok_and(|old| old == new) {
        return Ok(());
    }
    let aside = to.with_extension("wasm.new");
    std::fs::write(&aside, &new).with_context(|| format!("cannot write {}", aside.display()))?;
    std::fs::rename(&aside, to).with_context(|| format!("cannot write {}", to.display()))?;
    say(&format!(
        "{} ({} kB)",
        to.strip_prefix(workspace::root()).unwrap_or(to).display(),
        new.len().div_ceil(1000)
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(name: &str, for_tests: bool) -> Guest {
        Guest {
            package: name.to_owned(),
            spec: format!("{name}@0.1.0"),
            library: name.replace('-', "_"),
            for_tests,
        }
    }

    #[test]
    fn without_names_every_component_is_built_and_no_test_guest() {
        let all = [guest("model-unet", false), guest("hello", true)];
        assert_eq!(names(&choose(&all, &[], false).unwrap()), "model-unet");
        assert_eq!(
            names(&choose(&all, &[], true).unwrap()),
            "model-unet, hello"
        );
    }

    #[test]
    fn a_name_that_is_no_guest_is_refused_with_the_names_that_are() {
        let error = choose(&[guest("segment", false)], &["segmnt".to_owned()], false)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("segmnt") && error.contains("the guests are segment"),
            "{error}"
        );
    }
}
