//! Running other programs, so that every one is shown, checked and explained in the same way. Not a shell.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};

/// A line about what is being done and why.
pub(crate) fn say(line: &str) {
    eprintln!("xtask: {line}");
}

/// The command line as a person would type it, without the environment.
pub(crate) fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned()),
    );
    words.join(" ")
}

/// Run a command with its output passed through; anything but success is an error that shows the command line.
///
/// # Errors
/// The program is not there, or it ended with a status other than 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = shown(command);
    eprintln!("+ {line}");
    let status = command
        .status()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// Run a command quietly and give back what it wrote on stdout; on failure the error carries what it wrote on stderr.
///
/// # Errors
/// The program is not there, or it ended with a status other than 0, or it wrote something that is not UTF-8.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = shown(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!(
            "`{line}` ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{line}` wrote something that is not UTF-8"))
}

/// The first program of that name on PATH.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| is_program(file))
}

/// Whether the file is there and may be executed.
pub(crate) fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// A command without the variables that cargo sets for the program it runs: another cargo, or another toolchain's, must not see them.
pub(crate) fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text == "CARGO"
            || text.starts_with("CARGO_PKG_")
            || text.starts_with("CARGO_MANIFEST_")
            || text == "LD_LIBRARY_PATH"
        {
            command.env_remove(&name);
        }
    }
    command
}

/// Whether this process may install system packages.
pub(crate) fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

/// Install Debian packages when we may; otherwise an error with the line that a person with the right can type.
///
/// # Errors
/// This is no Debian, we are not root, or apt failed.
pub(crate) fn apt_install(packages: &[String], why: &str) -> Result<()> {
    // apt does not wait for another apt.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let names = packages.join(" ");
    if which("apt-get").is_none() {
        bail!("{why} needs the packages {names}, and this machine has no apt-get");
    }
    if !is_root() {
        bail!(
            "{why} needs Debian packages; run: sudo apt-get install --no-install-recommends {names}"
        );
    }
    say(&format!("{why}: installing the Debian packages {names}"));
    let mut update = Command::new("apt-get");
    update.args(["-q", "update"]).stdout(Stdio::null());
    run(&mut update)?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive");
    install
        .args(["-q", "install", "-y", "--no-install-recommends"])
        .args(packages)
        .stdout(Stdio::null());
    run(&mut install)
}
