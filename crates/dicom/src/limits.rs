//! How large an upload may be. Numbers only; they are enforced where the bytes are read.

use cinecor_volume::ShapeLimits;

/// What is taken in at most. Every limit is checked before the memory or the time that it protects is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest sizes of a volume. One file holds at most `frames` x `slices` images of `rows` x `columns`.
    pub shape: ShapeLimits,
    /// The most files of a zip archive.
    pub files: usize,
    /// The most images of all files of an upload together: each costs memory and time, however small it is.
    pub images: usize,
    /// The most bytes that a zip archive, all its files together, or a deflated data set may inflate to.
    pub inflated_bytes: u64,
    /// The most bytes that one compressed byte may inflate to, on average over a file.
    pub inflate_ratio: u64,
    /// [`inflate_ratio`](Limits::inflate_ratio) is held from this many inflated bytes on. Small files of mostly one value compress
    /// better than any image and harm nobody.
    pub inflate_ratio_from_bytes: u64,
    /// How deep sequences may be nested. The deepest of cardiac MR (enhanced multi-frame) are three deep.
    pub depth: usize,
    /// The most bytes of a file before its pixel data.
    pub header_bytes: usize,
    /// The most elements, items and fragments of a file, all together.
    pub elements: usize,
}

impl Default for Limits {
    /// The shapes of [`ShapeLimits`], 20,000 files, 100,000 images, 4 GiB inflated, 200:1 from 8 MiB on, sequences 16 deep, 32 MiB and 500,000 elements
    /// before the pixel data.
    fn default() -> Limits {
        Limits {
            shape: ShapeLimits::default(),
            files: 20_000,
            images: 100_000,
            inflated_bytes: 4 << 30,
            inflate_ratio: 200,
            inflate_ratio_from_bytes: 8 << 20,
            depth: 16,
            header_bytes: 32 << 20,
            elements: 500_000,
        }
    }
}
