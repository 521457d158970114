//! The WebAssembly toolchain: finding one, or setting one up. How guests are built with it is `guests`.
//!
//! In this order, because each needs less than the next:
//! 1. the target is installed beside the pinned toolchain;
//! 2. `rustup target add`, where rustup can reach its server;
//! 3. the Debian way: Debian's `rustc-web` with a std that it builds itself, and the C library of a newer suite.
//!
//! `CINECOR_WASM_TOOLCHAIN=rustup` or `=debian` leaves only the first two, or only the last.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process::{self, say};
use crate::workspace;

/// The target of every guest: a component with WASI 0.2 for std; what 0.3 adds is imported by the guests' own bindings.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// Every host that we run on has fixed-width SIMD; the relaxed kind differs between processors, and answers must not.
const GUEST_FLAGS: &str = "-C target-feature=+simd128";

/// What Debian bookworm (with its security suite) calls a recent Rust and its parts.
pub(crate) const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-22"];

/// The suite whose `wasi-libc` is new enough for Rust's std (`realpath`, thread stubs); bookworm's is of 2022.
const WASI_LIBC_SUITE: &str = "forky";

/// A toolchain that can build a guest.
#[derive(Debug)]
pub(crate) enum Toolchain {
    /// rustup's target beside the pinned toolchain.
    Rustup,
    /// Debian's compiler; std is built from its sources.
    Debian {
        /// Holds `wasm-component-ld` and `wasm-ld`; comes first on PATH.
        linkers: PathBuf,
        /// Holds `libc.a` of wasi-libc.
        libc: PathBuf,
    },
}

impl Toolchain {
    /// What is there, without changing anything.
    pub(crate) fn find() -> Option<Self> {
        let wanted = wanted();
        if wanted != Wanted::Debian && rustup_target_is_installed() {
            return Some(Self::Rustup);
        }
        if wanted != Wanted::Rustup {
            return find_debian();
        }
        None
    }

    /// What is there, or else what can be set up; says what it does and why.
    ///
    /// # Errors
    /// Neither way works; the error says what each of them lacks.
    pub(crate) fn set_up() -> Result<Self> {
        if let Some(found) = Self::find() {
            return Ok(found);
        }
        let mut failures = Vec::new();
        if wanted() != Wanted::Debian {
            match add_rustup_target() {
                Ok(()) => return Ok(Self::Rustup),
                Err(error) => failures.push(format!("rustup: {error:#}")),
            }
        }
        if wanted() != Wanted::Rustup {
            match set_up_debian() {
                Ok(toolchain) => return Ok(toolchain),
                Err(error) => failures.push(format!("Debian: {error:#}")),
            }
        }
        bail!(
            "no way to build WebAssembly components.\n  {}",
            failures.join("\n  ")
        )
    }

    /// One line for people.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Rustup => format!("rustup's target {TARGET}"),
            Self::Debian { .. } => format!(
                "Debian's rustc with its own std for {TARGET} and wasi-libc of {WASI_LIBC_SUITE}"
            ),
        }
    }

    /// `cargo <verb>` for the guests, its output in `target/guest-build`.
    pub(crate) fn cargo(&self, verb: &str) -> Command {
        let mut cargo = match self {
            Self::Rustup => process::clean(workspace::cargo()),
            Self::Debian { .. } => {
                let mut cargo = process::clean(DEBIAN_CARGO);
                cargo.env_remove("RUSTDOC");
                cargo
            }
        };
        cargo.arg(verb).envs(self.environment());
        let flags = match self {
            Self::Rustup => GUEST_FLAGS.to_owned(),
            Self::Debian { libc, .. } => format!("{GUEST_FLAGS} {}", link_flags(libc)),
        };
        cargo.env("RUSTFLAGS", flags);
        cargo.current_dir(workspace::root());
        cargo
            .args(["--release", "--target", TARGET, "--target-dir"])
            .arg(build_dir());
        cargo
    }

    /// The environment in which a plain `cargo build --target wasm32-wasip2` builds a component; none is needed beside rustup's target.
    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        let Self::Debian { linkers, libc } = self else {
            return Vec::new();
        };
        let mut variables: Vec<(&str, OsString)> = vec![
            // std is built from source, which a stable compiler allows under this variable alone.
            ("RUSTC_BOOTSTRAP", "1".into()),
            ("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort".into()),
            ("RUSTC", "/usr/bin/rustc".into()),
            ("RUSTFLAGS", link_flags(libc).into()),
        ];
        let path = std::env::var_os("PATH").unwrap_or_default();
        let debian = Path::new(DEBIAN_CARGO).parent().map(Path::to_path_buf);
        let folders = std::iter::once(linkers.clone())
            .chain(debian)
            .chain(std::env::split_paths(&path));
        if let Ok(path) = std::env::join_paths(folders) {
            variables.push(("PATH", path));
        }
        variables
    }
}

/// Debian's cargo, which fits its compiler.
const DEBIAN_CARGO: &str = "/usr/bin/cargo";

fn link_flags(libc: &Path) -> String {
    format!("-C link-self-contained=no -L native={}", libc.display())
}

/// Sets up a toolchain, and prints lines for a shell under which plain cargo builds components.
///
/// # Errors
/// There is no toolchain, and none can be set up.
pub(crate) fn print_environment() -> Result<()> {
    let toolchain = Toolchain::set_up()?;
    println!("# {}", toolchain.describe());
    for (name, value) in toolchain.environment() {
        // A quote in a path ends the quoted text, stands by itself, and begins it again.
        let value = value.to_string_lossy().replace('\'', "'\\''");
        println!("export {name}='{value}'");
    }
    Ok(())
}

/// Where guests are compiled. Apart from native code, so that the two do not wait for each other's lock.
pub(crate) fn build_dir() -> PathBuf {
    workspace::target().join("guest-build")
}

#[derive(PartialEq, Eq)]
enum Wanted {
    Any,
    Rustup,
    Debian,
}

fn wanted() -> Wanted {
    match std::env::var("CINECOR_WASM_TOOLCHAIN").as_deref() {
        Ok("rustup") => Wanted::Rustup,
        Ok("debian") => Wanted::Debian,
        _ => Wanted::Any,
    }
}

fn rustup_target_is_installed() -> bool {
    let mut rustc = process::clean(workspace::rustc());
    rustc
        .current_dir(workspace::root())
        .args(["--print", "target-libdir", "--target", TARGET]);
    let Ok(folder) = process::output(&mut rustc) else {
        return false;
    };
    holds(Path::new(folder.trim()), "libstd-")
}

/// Whether the folder has a file whose name begins so.
fn holds(folder: &Path, prefix: &str) -> bool {
    folder.read_dir().is_ok_and(|files| {
        files
            .flatten()
            .any(|file| file.file_name().to_string_lossy().starts_with(prefix))
    })
}

fn add_rustup_target() -> Result<()> {
    if process::which("rustup").is_none() {
        bail!("no rustup on PATH (https://rustup.rs)");
    }
    say(&format!(
        "the guests are WebAssembly components and {TARGET} is not installed: asking rustup for it"
    ));
    process::run(
        process::clean("rustup")
            .current_dir(workspace::root())
            .args(["target", "add", TARGET]),
    )?;
    if !rustup_target_is_installed() {
        bail!("rustup says that it added {TARGET}, and rustc finds no std for it");
    }
    Ok(())
}

fn find_debian() -> Option<Toolchain> {
    let libc = libc_dir();
    let sysroot =
        process::output(process::clean("/usr/bin/rustc").args(["--print", "sysroot"])).ok()?;
    let sources = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/std/Cargo.toml");
    if !sources.is_file() || !Path::new(DEBIAN_CARGO).is_file() || !libc.join("libc.a").is_file() {
        return None;
    }
    let linkers = link_linkers().ok()?;
    Some(Toolchain::Debian { linkers, libc })
}

fn set_up_debian() -> Result<Toolchain> {
    if process::which("apt-get").is_none() {
        bail!("this machine has no apt-get");
    }
    let missing: Vec<String> = DEBIAN_PACKAGES
        .iter()
        .filter(|package| !is_installed(package))
        .map(|&package| package.to_owned())
        .collect();
    if !missing.is_empty() {
        process::apt_install(
            &missing,
            "building std for WebAssembly with Debian's compiler",
        )?;
    }
    if !libc_dir().join("libc.a").is_file() {
        fetch_libc()?;
    }
    let linkers = link_linkers()?;
    find_debian().with_context(|| {
        format!(
            "the packages are installed, and still rustc, its sources, {} or {} is missing",
            libc_dir().display(),
            linkers.display()
        )
    })
}

fn is_installed(package: &str) -> bool {
    process::output(Command::new("dpkg-query").args(["-W", "-f", "${Status}", package]))
        .is_ok_and(|status| status.ends_with(" installed"))
}

fn libc_dir() -> PathBuf {
    workspace::tools().join("wasi-libc/usr/lib").join(TARGET)
}

/// Puts `wasm-component-ld` and `wasm-ld` into one folder of ours, wherever they come from.
fn link_linkers() -> Result<PathBuf> {
    let folder = workspace::tools().join("wasm-bin");
    std::fs::create_dir_all(&folder)?;
    let mut rustc = process::clean(workspace::rustc());
    let sysroot = process::output(
        rustc
            .current_dir(workspace::root())
            .args(["--print", "sysroot"]),
    )?;
    let rustup_bins: Vec<PathBuf> =
        workspace::subfolders(&Path::new(sysroot.trim()).join("lib/rustlib"))
            .into_iter()
            .map(|host| host.join("bin"))
            .collect();

    let fetched = workspace::tools().join("cargo/bin/wasm-component-ld");
    let mut candidates: Vec<PathBuf> = rustup_bins
        .iter()
        .map(|bin| bin.join("wasm-component-ld"))
        .collect();
    candidates.push(fetched.clone());
    candidates.extend(process::which("wasm-component-ld"));
    let component_ld = match candidates
        .into_iter()
        .find(|file| process::is_program(file))
    {
        Some(found) => found,
        None => {
            say("no wasm-component-ld on this machine: building it from crates.io");
            let root = workspace::tools().join("cargo");
            process::run(
                process::clean(workspace::cargo())
                    .args(["install", "--locked", "wasm-component-ld", "--root"])
                    .arg(root),
            )?;
            fetched
        }
    };
    link(&component_ld, &folder.join("wasm-component-ld"))?;

    let mut candidates: Vec<PathBuf> = DEBIAN_PACKAGES
        .iter()
        .filter_map(|package| package.strip_prefix("lld-"))
        .map(|version| PathBuf::from(format!("/usr/lib/llvm-{version}/bin/wasm-ld")))
        .collect();
    candidates.extend(rustup_bins.iter().map(|bin| bin.join("gcc-ld/wasm-ld")));
    let wasm_ld = candidates
        .into_iter()
        .find(|file| process::is_program(file))
        .context("no wasm-ld: the package lld-22 brings it")?;
    link(&wasm_ld, &folder.join("wasm-ld"))?;
    Ok(folder)
}

fn link(program: &Path, at: &Path) -> Result<()> {
    if at.read_link().is_ok_and(|old| old == program) {
        return Ok(());
    }
    if at.symlink_metadata().is_ok() {
        std::fs::remove_file(at)?;
    }
    std::os::unix::fs::symlink(program, at)
        .with_context(|| format!("cannot link {} to {}", at.display(), program.display()))
}

/// Downloads the architecture-independent `wasi-libc` of a newer suite from the mirror that this machine's apt uses, and unpacks
/// it under target/tools: nothing of the system changes.
fn fetch_libc() -> Result<()> {
    let mirror = apt_mirror()?;
    let folder = workspace::tools().join("wasi-libc-download");
    say(&format!(
        "Debian bookworm's wasi-libc is too old for Rust's std: taking {WASI_LIBC_SUITE}'s from {mirror} into target/tools"
    ));
    std::fs::create_dir_all(folder.join("lists/partial"))?;
    std::fs::create_dir_all(folder.join("cache/archives/partial"))?;
    let list = folder.join("newer.list");
    std::fs::write(&list, format!("deb {mirror} {WASI_LIBC_SUITE} main\n"))?;
    let apt = |program: &str| {
        let mut command = Command::new(program);
        command.current_dir(&folder).arg("-q");
        for (key, path) in [
            ("Dir::Etc::sourcelist", &list),
            ("Dir::State::lists", &folder.join("lists")),
            ("Dir::Cache", &folder.join("cache")),
        ] {
            command.arg("-o").arg(format!("{key}={}", path.display()));
        }
        command
            .args(["-o", "Dir::Etc::sourceparts=/dev/null"])
            .stdout(Stdio::null());
        command
    };
    process::run(apt("apt-get").arg("update"))?;
    process::run(apt("apt-get").args(["download", "wasi-libc"]))?;
    let package = folder
        .read_dir()?
        .flatten()
        .map(|file| file.path())
        .find(|path| path.extension().is_some_and(|end| end == "deb"));
    let package = package.context("apt-get download wasi-libc left no .deb file")?;
    // Unpacked aside and then moved, so that a broken unpacking is never taken for a finished one.
    let unpacked = folder.join("unpacked");
    process::run(Command::new("dpkg").arg("-x").arg(&package).arg(&unpacked))?;
    let home = workspace::tools().join("wasi-libc");
    if home.exists() {
        std::fs::remove_dir_all(&home)?;
    }
    std::fs::rename(&unpacked, &home)?;
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// The address of the Debian archive in the machine's own apt configuration.
fn apt_mirror() -> Result<String> {
    let lines = process::output(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(REPO_URI)|$(RELEASE)|$(COMPONENT)",
    ]))?;
    let mirror = lines.lines().find_map(|line| {
        let mut fields = line.split('|');
        let (uri, release, component) = (fields.next()?, fields.next()?, fields.next()?);
        (component == "main" && !release.contains('-')).then(|| uri.to_owned())
    });
    mirror.context("the machine's apt sources name no Debian archive (run `apt-get update` once)")
}
