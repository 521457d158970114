//! The command line of the composer, for builds; `cinecor compose` is the same for those who have the host.

use clap::Parser;

/// Puts components under the imports of another, as one file.
#[derive(Parser)]
#[command(name = "cinecor-compose")]
struct Cli {
    #[command(flatten)]
    compose: cinecor_compose::Compose,
}

fn main() -> anyhow::Result<()> {
    Cli::parse().compose.run()
}
