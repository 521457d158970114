//! The commands of this repository: `cargo xtask <command>`.
//!
//! This is the only place that knows how the WebAssembly guests are built and where tools come from. It is not part of what
//! ships, and it links no other crate of the workspace: it must run, and say what is wrong, while one of them does not compile.

mod guests;
mod process;
mod toolchain;
mod workspace;

use clap::{Parser, Subcommand};

/// The commands of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the WebAssembly guests into target/guests/<name>.wasm, setting up the wasm toolchain where it is missing.
    Build(guests::BuildArgs),
}

fn main() -> std::process::ExitCode {
    let done = match Cli::parse().command {
        Command::Build(args) => guests::build(&args),
    };
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
