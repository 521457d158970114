//! The wasmtime engine of the host and the bounds of one instance: memory, and processor time by epochs. It knows nothing of HTTP.

use wasmtime::ResourceLimiter;

/// The memory that one instance may take, all linear memories of its composed components together.
#[derive(Debug)]
pub struct MemoryLimit {
    bytes_max: usize,
    bytes: usize,
    exceeded: bool,
}

/// Elements of one table, enough for the function tables of the largest components seen and far from what a guest could use to exhaust
/// the host.
const TABLE_ELEMENTS_MAX: usize = 100_000;

impl MemoryLimit {
    /// A limit of so many bytes.
    pub const fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, exceeded: false }
    }

    /// Whether the guest asked for more than it may have. It got an out-of-memory error, and most guests end themselves then.
    pub const fn exceeded(&self) -> bool {
        self.exceeded
    }

    /// Bytes of linear memory now.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let grown = self.bytes.saturating_add(desired.saturating_sub(current));
        if grown > self.bytes_max {
            self.exceeded = true;
            return Ok(false);
        }
        self.bytes = grown;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }
}
