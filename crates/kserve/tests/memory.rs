//! What reading a hostile answer takes: no more than the shape that was expected has room for, however many numbers come. In a program of its own,
//! whose allocator counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use cinecor_kserve::{Datatype, Limits, TensorMetadata, answer};

/// The system's allocator, counting.
struct Counting;

/// Bytes that are taken now, and the most that were since the mark was set back.
static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        MOST.fetch_max(now, Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The most that `work` takes at once, beyond what was taken before.
fn most<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = NOW.load(Relaxed);
    MOST.store(before, Relaxed);
    let done = work();
    (done, MOST.load(Relaxed) - before)
}

#[test]
fn numbers_that_the_shape_has_no_room_for_take_none() {
    let expected = [TensorMetadata {
        name: "y".to_owned(),
        datatype: Datatype::Uint8,
        shape: vec![None],
    }];
    let numbers = "7,".repeat(500_000);
    let text = |data: &str, shape: usize| {
        // The shape comes last: who sends the text chooses.
        format!(
            r#"{{"outputs":[{{"data":[{data}7],"datatype":"UINT8","name":"y","shape":[{shape}]}}]}}"#
        )
    };
    let read = |text: &str| answer(text.as_bytes(), None, &expected, &Limits::default());

    let lie = text(&numbers, 2);
    let (refused, bytes) = most(|| read(&lie));
    let error = refused.unwrap_err().to_string();
    assert!(
        error.contains("500001 numbers; its shape and type take 2"),
        "{error}"
    );
    assert!(bytes < 100_000, "{bytes} bytes");

    let truth = text(&numbers, 500_001);
    let (outputs, bytes) = most(|| read(&truth));
    assert_eq!(outputs.unwrap()[0].data, vec![7; 500_001]);
    // One byte a number.
    assert!(bytes < 500_001 + 100_000, "{bytes} bytes");
}
