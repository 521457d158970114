//! `cargo xtask doctor`: what is there, what is missing, and how to get it. It changes nothing.

use anyhow::Result;

use crate::process;
use crate::python::{self, Environment};
use crate::toolchain::{self, Toolchain};
use crate::{browser, workspace};

/// What the archives of real hearts are called; their README stands beside them.
const DATA_FILES: [&str; 4] = [
    "acdc-train.tar.xz",
    "acdc-val.tar.xz",
    "acdc-dev_test.tar.xz",
    "sunnybrook-cine",
];

struct Check {
    what: &'static str,
    /// What needs it.
    purpose: &'static str,
    /// What was found, or else how to get it.
    found: Result<String, String>,
}

/// Prints the checks.
///
/// # Errors
/// None today; a command's shape.
pub(crate) fn doctor() -> Result<()> {
    let checks = checks();
    for check in &checks {
        let (sign, text) = match &check.found {
            Ok(found) => ("ok     ", found),
            Err(fix) => ("missing", fix),
        };
        println!("{sign}  {:<18} {text}", check.what);
        if check.found.is_err() {
            println!("         {:<18} needed for: {}", "", check.purpose);
        }
    }
    let missing = checks.iter().filter(|check| check.found.is_err()).count();
    if missing == 0 {
        println!("\nnothing is missing");
    } else {
        println!(
            "\n{missing} missing; `cargo xtask up` and `cargo xtask test` set up by themselves what they can"
        );
    }
    Ok(())
}

fn checks() -> Vec<Check> {
    vec![
        Check {
            what: "Rust",
            purpose: "everything",
            found: rust(),
        },
        Check {
            what: "wasm toolchain",
            purpose: "building the components",
            found: wasm(),
        },
        Check {
            what: "components",
            purpose: "serving",
            found: components(),
        },
        Check {
            what: "host",
            purpose: "serving",
            found: host(),
        },
        Check {
            what: "model packages",
            purpose: "segmenting",
            found: models(),
        },
        Check {
            what: "ONNX Runtime",
            purpose: "fast inference; without it the embedded engine tract serves",
            found: engine("CINECOR_ONNXRUNTIME_LIB"),
        },
        Check {
            what: "OpenVINO",
            purpose: "fast inference; without it another engine serves",
            found: engine("CINECOR_OPENVINO_LIB"),
        },
        Check {
            what: "Python",
            purpose: "engine libraries, tests, training",
            found: python(),
        },
        Check {
            what: "tests' Python",
            purpose: "tests against independent tools, bench",
            found: environment(Environment::Tests, "cargo xtask test"),
        },
        Check {
            what: "inference servers",
            purpose: "tests of remote inference",
            found: environment(Environment::Remote, "cargo xtask test"),
        },
        Check {
            what: "bench's Python",
            purpose: "bench against a server in Python",
            found: environment(Environment::Peers, "cargo xtask bench"),
        },
        Check {
            what: "nnU-Net",
            purpose: "bench against nnU-Net",
            found: environment(Environment::Nnunet, "cargo xtask bench"),
        },
        Check {
            what: "training's Python",
            purpose: "training and its tests",
            found: environment(Environment::Weights, "cargo xtask test"),
        },
        Check {
            what: "Node",
            purpose: "tests of the page",
            found: browser::node().map_err(|error| error.to_string()),
        },
        Check {
            what: "npm packages",
            purpose: "tests of the page in a browser",
            found: npm(),
        },
        Check {
            what: "Chromium",
            purpose: "tests of the page in a browser",
            found: chromium(),
        },
        Check {
            what: "real hearts",
            purpose: "evaluate, training, and the tests that need patients' images",
            found: data(),
        },
    ]
}

fn rust() -> Result<String, String> {
    let version = process::output(
        process::clean(workspace::rustc())
            .current_dir(workspace::root())
            .arg("--version"),
    );
    version
        .map(|version| version.trim().to_owned())
        .map_err(|error| format!("{error:#}; install it from https://rustup.rs"))
}

fn wasm() -> Result<String, String> {
    Toolchain::find()
        .map(|toolchain| toolchain.describe())
        .ok_or_else(|| {
            format!(
                "`cargo xtask build` sets it up: `rustup target add {}`, or Debian's packages {}",
                toolchain::TARGET,
                toolchain::DEBIAN_PACKAGES.join(" ")
            )
        })
}

fn components() -> Result<String, String> {
    let guests = workspace::all_guests().map_err(|error| format!("{error:#}"))?;
    let absent: Vec<String> = guests
        .iter()
        .filter(|guest| {
            !guest.for_tests
                && !workspace::guests()
                    .join(format!("{}.wasm", guest.package))
                    .is_file()
        })
        .map(|guest| guest.package.clone())
        .collect();
    if absent.is_empty() {
        Ok("built, in target/guests".to_owned())
    } else {
        Err(format!(
            "not built: {}; run `cargo xtask build`",
            absent.join(", ")
        ))
    }
}

fn host() -> Result<String, String> {
    let file = workspace::host_binary();
    if file.is_file() {
        Ok(file.display().to_string())
    } else {
        Err("not built; `cargo xtask up` builds it".to_owned())
    }
}

fn models() -> Result<String, String> {
    let mut found = Vec::new();
    let models = workspace::root().join("weights/models");
    for name in workspace::subfolders(&models) {
        for version in workspace::subfolders(&name) {
            if version.join("model.json").is_file() {
                let package = version
                    .strip_prefix(&models)
                    .unwrap_or(&version)
                    .display()
                    .to_string();
                found.push(package.replace('/', "@"));
            }
        }
    }
    found.sort();
    if found.is_empty() {
        Err("weights/models holds none; weights/README.md says how one is trained".to_owned())
    } else {
        Ok(found.join(", "))
    }
}

fn engine(variable: &str) -> Result<String, String> {
    if let Some(set) = std::env::var_os(variable) {
        let path = std::path::Path::new(&set);
        let text = format!("{} ({variable})", path.display());
        return if path.exists() {
            Ok(text)
        } else {
            Err(format!(
                "{text} is not there; correct the variable or unset it"
            ))
        };
    }
    let found = python::engine_variables()
        .into_iter()
        .find(|(name, _)| *name == variable);
    found
        .map(|(_, library)| library.display().to_string())
        .ok_or_else(|| format!("`cargo xtask up` installs it, or set {variable} to the library"))
}

fn python() -> Result<String, String> {
    python::system_python()
        .map(|(program, version)| format!("{version} ({})", program.display()))
        .map_err(|error| format!("{error:#}"))
}

fn environment(environment: Environment, command: &str) -> Result<String, String> {
    if environment.is_ready() {
        Ok(environment.folder().display().to_string())
    } else {
        Err(format!("`{command}` makes it"))
    }
}

fn npm() -> Result<String, String> {
    if browser::packages_are_ready() {
        Ok("as tests/browser/package-lock.json".to_owned())
    } else {
        Err("`cargo xtask test` installs them".to_owned())
    }
}

fn chromium() -> Result<String, String> {
    let found = browser::chromium().map(|path| path.display().to_string());
    found.ok_or_else(|| {
        "apt-get install chromium (`cargo xtask test` does so when it may)".to_owned()
    })
}

fn data() -> Result<String, String> {
    let Some(folder) = std::env::var_os("CINECOR_DATA") else {
        return Err("set CINECOR_DATA to the folder with the archives of ACDC and Sunnybrook; what needs them is skipped".to_owned());
    };
    let folder = std::path::PathBuf::from(folder);
    let absent: Vec<&str> = DATA_FILES
        .into_iter()
        .filter(|file| !folder.join(file).exists())
        .collect();
    if absent.is_empty() {
        Ok(folder.display().to_string())
    } else {
        Err(format!("{} lacks {}", folder.display(), absent.join(", ")))
    }
}
