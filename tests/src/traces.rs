//! What is left on disk: whether bytes that were there are still.

use std::path::Path;

use anyhow::Result;

/// How many of these byte strings lie in the files below a folder.
///
/// # Errors
/// A file that cannot be read.
pub fn traces_in(folder: &Path, traces: &[Vec<u8>]) -> Result<usize> {
    let mut folders = vec![folder.to_owned()];
    let mut contents = Vec::new();
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                // Not the socket that takes commands.
                contents.push(std::fs::read(&path)?);
            }
        }
    }
    let found = |trace: &&Vec<u8>| {
        let within = |bytes: &Vec<u8>| memchr::memmem::find(bytes, trace).is_some();
        contents.iter().any(within)
    };
    Ok(traces.iter().filter(found).count())
}
