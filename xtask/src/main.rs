//! The commands of this repository: `cargo xtask <command>`.
//!
//! This is the only place that knows how the WebAssembly guests are built and where tools come from. It is not part of what
//! ships, and it links no other crate of the workspace: it must run, and say what is wrong, while one of them does not compile.

mod apps;
mod browser;
mod check;
mod demo;
mod doctor;
mod guests;
mod process;
mod python;
mod toolchain;
mod up;
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
    /// Build the WebAssembly guests into target/guests/<name>.wasm, setting up the wasm toolchain where it is missing, and the
    /// demonstration heart that the page shows.
    Build(guests::BuildArgs),
    /// Set up what is missing, build, and serve; prints the URL. Arguments go on to `cinecor up`.
    Up(up::UpArgs),
    /// Run the whole check: formatting, lints, the page, Python, browser, and every test of the workspace.
    Test(check::TestArgs),
    /// Write a beating phantom heart whose volumes are known, as 4-D NIfTI.
    Phantom(apps::AppArgs),
    /// Post real hearts to the service and compare the answers with the experts' labels (needs CINECOR_DATA).
    Evaluate(apps::AppArgs),
    /// Measure speed and memory side by side with the bare engine, a server in Python, nnU-Net and others.
    Bench(apps::AppArgs),
    /// Swap weights and model components again and again, and see that memory does not grow, or, under load, that no request fails.
    Soak(apps::AppArgs),
    /// Put components under the imports of another, as one file: a model component for stock Spin, with an engine under it.
    Compose(apps::AppArgs),
    /// Set up the wasm toolchain, and print lines for a shell under which plain cargo builds components.
    Toolchain,
    /// Print what is there, what is missing, and how to get it.
    Doctor,
}

fn main() -> std::process::ExitCode {
    let done = match Cli::parse().command {
        Command::Build(args) => guests::build(&args),
        Command::Up(args) => up::up(&args),
        Command::Test(args) => check::test(&args),
        Command::Phantom(args) => apps::phantom(&args),
        Command::Evaluate(args) => apps::evaluate(&args),
        Command::Bench(args) => apps::bench(&args),
        Command::Soak(args) => apps::soak(&args),
        Command::Compose(args) => apps::compose(&args),
        Command::Toolchain => toolchain::print_environment(),
        Command::Doctor => doctor::doctor(),
    };
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
