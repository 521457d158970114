//! wasi:nn for wasmtime hosts, with engines behind one trait.
