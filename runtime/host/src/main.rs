//! The bundled host, binary `cinecor`.
fn main() {}
