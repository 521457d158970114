//! Who computes the items of a batch: threads that all requests share, or without the feature `host` the caller, because a component has
//! no threads. Knows nothing of tensors and of engines.

use crate::Error;

/// The threads.
pub(super) struct Pool {
    #[cfg(feature = "host")]
    threads: rayon::ThreadPool,
}

#[cfg(feature = "host")]
impl Pool {
    /// So many threads, which are called by the engine's name.
    pub(super) fn new(
        engine: &'static str,
        threads: usize,
    ) -> Result<Self, rayon::ThreadPoolBuildError> {
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(move |index| format!("{engine}-{index}"))
            .build()?;
        Ok(Self { threads })
    }

    /// Does the work on one of them.
    pub(super) fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.threads.install(work)
    }

    /// What `compute` makes of each item, in their order. A few at a time: between them others get their turn, whose items may be fewer.
    pub(super) fn each<T: Send>(
        &self,
        items: usize,
        compute: impl Fn(usize) -> Result<T, Error> + Sync + Send,
    ) -> Result<Vec<T>, Error> {
        use rayon::prelude::*;
        let round = 2 * self.threads.current_num_threads();
        let mut made = Vec::new();
        for first in (0..items).step_by(round) {
            let some = first..(first + round).min(items);
            let some: Vec<T> = self.threads.install(|| {
                some.into_par_iter()
                    .with_max_len(1)
                    .map(&compute)
                    .collect::<Result<_, Error>>()
            })?;
            made.extend(some);
        }
        Ok(made)
    }
}

#[cfg(not(feature = "host"))]
impl Pool {
    /// The caller alone.
    pub(super) fn new(
        _engine: &'static str,
        _threads: usize,
    ) -> Result<Self, std::convert::Infallible> {
        Ok(Self {})
    }

    /// Does the work.
    pub(super) fn install<T>(&self, work: impl FnOnce() -> T) -> T {
        work()
    }

    /// What `compute` makes of each item, in their order.
    pub(super) fn each<T>(
        &self,
        items: usize,
        compute: impl Fn(usize) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        (0..items).map(compute).collect()
    }
}
