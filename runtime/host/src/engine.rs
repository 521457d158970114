//! The wasmtime engine of the host and the bounds of one instance: memory, and processor time by epochs. It knows nothing of HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, ResourceLimiter,
};

/// How often a guest that computes without a pause gives way, so that others on its thread are served and its deadline is looked at.
const EPOCH: Duration = Duration::from_millis(10);

/// Linear memories that can be in use at once. Each reserves address space and nothing more; a composed component has several.
const MEMORIES_MAX: u32 = 1_000;

/// Core instances that can be in use at once: a component is made of about ten.
const CORE_INSTANCES_MAX: u32 = 10_000;

/// Elements of one table, enough for the function tables of the largest components seen and far from what a guest could use to exhaust
/// the host.
const TABLE_ELEMENTS_MAX: usize = 100_000;

/// Makes the engine, and a thread that counts its epochs for as long as it lives.
///
/// # Errors
/// A machine that wasmtime cannot compile for.
pub fn engine() -> wasmtime::Result<Engine> {
    let engine = Engine::new(&config(true)).or_else(|error| {
        // Where address space is rationed (a container with a limit on it) instances are allocated one by one, which is slower.
        tracing::warn!(%error, "no address space for a pool of instances; each is allocated by itself");
        Engine::new(&config(false))
    })?;
    let weak = engine.weak();
    std::thread::Builder::new()
        .name("epochs".to_owned())
        .spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(EPOCH);
            }
        })?;
    Ok(engine)
}

fn config(pooling: bool) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .wasm_component_model_async(true)
        .epoch_interruption(true);
    if pooling {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(MEMORIES_MAX)
            .total_core_instances(CORE_INSTANCES_MAX)
            .total_memories(MEMORIES_MAX)
            .total_tables(CORE_INSTANCES_MAX)
            .total_stacks(MEMORIES_MAX)
            .table_elements(TABLE_ELEMENTS_MAX)
            .max_core_instance_size(4 << 20)
            .max_component_instance_size(4 << 20);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

/// The memory that one instance may take, all linear memories of its composed components together.
#[derive(Debug)]
pub struct MemoryLimit {
    bytes_max: usize,
    bytes: usize,
    exceeded: Arc<AtomicBool>,
}

impl MemoryLimit {
    /// A limit of so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            bytes: 0,
            exceeded: Arc::default(),
        }
    }

    /// Whether the guest asked for more than it may have. It got an out-of-memory error, and most guests end themselves then.
    pub fn exceeded(&self) -> Arc<AtomicBool> {
        self.exceeded.clone()
    }

    /// Bytes that it may take.
    pub const fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Bytes of linear memory now.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let grown = self.bytes.saturating_add(desired.saturating_sub(current));
        if grown > self.bytes_max {
            self.exceeded.store(true, Relaxed);
            return Ok(false);
        }
        self.bytes = grown;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_of_one_instance_share_the_limit() {
        let mut limit = MemoryLimit::new(10 << 16);
        assert!(limit.memory_growing(0, 6 << 16, None).unwrap());
        assert!(limit.memory_growing(0, 4 << 16, None).unwrap());
        assert!(!limit.exceeded().load(Relaxed));
        assert!(!limit.memory_growing(4 << 16, 5 << 16, None).unwrap());
        assert!(limit.exceeded().load(Relaxed));
        assert_eq!(limit.bytes(), 10 << 16);
    }
}
