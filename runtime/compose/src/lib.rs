//! Components put under the imports of another, as one file: what a host that composes one level only needs for deeper stacks, at build
//! time. What no component satisfies stays an import. Nothing is run in here.

use anyhow::{Context as _, bail};
use clap::Args;
use std::path::{Path, PathBuf};
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions, PackageId};

/// What to compose.
#[derive(Clone, Debug, Args)]
pub struct Compose {
    /// The component whose imports are satisfied, and below it the one that satisfies them; more are put below the last, one under another.
    #[arg(required = true, num_args = 2.., value_name = "COMPONENT")]
    components: Vec<PathBuf>,
    /// Where the composed component is written.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl Compose {
    /// Composes, and writes the file in one step and only when its bytes differ: a running host may watch it.
    ///
    /// # Errors
    /// A file that cannot be read or written, or components that do not fit.
    pub fn run(&self) -> anyhow::Result<()> {
        let mut from_below = self.components.iter().rev();
        let lowest = from_below.next().context("no component was named")?;
        let mut composed = read(lowest)?;
        let mut below = lowest;
        for above in from_below {
            composed = plug(&read(above)?, &composed)
                .with_context(|| format!("{} below {}", below.display(), above.display()))?;
            below = above;
        }
        replace(&self.output, &composed)
            .with_context(|| format!("cannot write {}", self.output.display()))
    }
}

/// The component `above` with the exports of `below` in place of its imports of the same names. It exports what `above` exports.
///
/// # Errors
/// Bytes that are no component, or not one export that fits an import.
pub fn plug(above: &[u8], below: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut graph = CompositionGraph::new();
    let socket = register(&mut graph, "cinecor:above", above)?;
    let provider = register(&mut graph, "cinecor:below", below)?;
    if let Err(error) = wac_graph::plug(&mut graph, vec![provider], socket) {
        let types = graph.types();
        let exports = listed(types[graph[provider].ty()].exports.keys());
        let imports = listed(types[graph[socket].ty()].imports.keys());
        bail!("{error}; it exports {exports}, and the one above imports {imports}");
    }
    Ok(graph.encode(EncodeOptions::default())?)
}

fn register(graph: &mut CompositionGraph, name: &str, bytes: &[u8]) -> anyhow::Result<PackageId> {
    let package = Package::from_bytes(name, None, bytes.to_vec(), graph.types_mut())
        .map_err(|error| anyhow::anyhow!("not a component: {error:#}"))?;
    Ok(graph.register_package(package)?)
}

/// Names of interfaces, but for those of WASI that every component has.
fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let own: Vec<&str> = names
        .map(String::as_str)
        .filter(|name| !name.starts_with("wasi:") || name.starts_with("wasi:nn/"))
        .collect();
    if own.is_empty() {
        "nothing besides WASI".to_owned()
    } else {
        own.join(", ")
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let aside = path.with_extension("wasm.new");
    std::fs::write(&aside, bytes)?;
    std::fs::rename(&aside, path)
}
