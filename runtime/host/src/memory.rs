//! What the allocator keeps. Composing and compiling components takes some hundred megabytes for a moment, on threads that change, and glibc keeps
//! what was freed in the arena of the thread it was freed on; of arenas there are eight for each processor. Other allocators are left as they are.

/// Bounds the arenas to one for each processor, at least two, and has what is large leave no hole in them; each unless the environment says
/// otherwise. Must be called before there are other threads.
pub(crate) fn bound() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let arenas = std::thread::available_parallelism()
            .ok()
            .and_then(|count| libc::c_int::try_from(count.get()).ok())
            .unwrap_or(ARENAS_MIN)
            .max(ARENAS_MIN);
        let settings = [
            ("MALLOC_ARENA_MAX", libc::M_ARENA_MAX, arenas),
            (
                "MALLOC_MMAP_THRESHOLD_",
                libc::M_MMAP_THRESHOLD,
                LARGE_BYTES,
            ),
        ];
        for (variable, setting, value) in settings {
            if std::env::var_os(variable).is_none() {
                // SAFETY: `mallopt` takes two numbers, and no other thread allocates yet.
                let _done = unsafe { libc::mallopt(setting, value) };
            }
        }
    }
}

/// So that the event loop and what computes beside it need not wait for each other.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const ARENAS_MIN: libc::c_int = 2;

/// From so many bytes on an allocation is a mapping of its own, which goes back to the system when it is freed: bodies, graphs, tensors. Left to
/// itself glibc keeps up to 32 MiB of each in its arenas, in holes that the next one may not fit.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE_BYTES: libc::c_int = 1 << 20;

/// Gives memory that is free back to the system.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: `malloc_trim` takes a number, may be called from any thread at any time, and touches only memory that is free.
        let _something_was_given = unsafe { libc::malloc_trim(0) };
    }
}

/// Gives memory back when it goes: what stands before it in a structure has been freed by then.
pub(crate) struct Freed;

impl Drop for Freed {
    fn drop(&mut self) {
        // It takes a moment, which the event loop does not have.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(give_back)),
            Err(_) => give_back(),
        }
    }
}
