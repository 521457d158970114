//! How large an upload may be. Numbers only; they are enforced where the bytes are read.

use cinecor_volume::ShapeLimits;

/// What a decoder takes in at most. Every limit is checked before the memory or the time it protects is spent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// The largest sizes of the volume.
    pub shape: ShapeLimits,
    /// The most bytes that a gzip file may inflate to.
    pub inflated_bytes: u64,
    /// The most bytes that one compressed byte may inflate to, on average over what was read so far.
    pub inflate_ratio: u64,
    /// [`inflate_ratio`](Limits::inflate_ratio) is held from this many inflated bytes on. Small files of mostly one value
    /// compress better than any image and harm nobody.
    pub inflate_ratio_from_bytes: u64,
    /// The most bytes between the header and the first voxel (extensions), which are read over.
    pub extension_bytes: u64,
    /// The most bytes after the last voxel that are read over with a warning, as long as they are less than one slice.
    pub trailing_bytes: u64,
}

impl Default for Limits {
    /// 512 x 512 x 64 slices x 100 frames, 4 GiB inflated, 200:1 from 8 MiB on, 16 MiB of extensions, 4 KiB at the end.
    fn default() -> Limits {
        Limits {
            shape: ShapeLimits::default(),
            inflated_bytes: 4 << 30,
            inflate_ratio: 200,
            inflate_ratio_from_bytes: 8 << 20,
            extension_bytes: 16 << 20,
            trailing_bytes: 4 << 10,
        }
    }
}

impl Limits {
    /// The limits for masks, which are mostly zeros: a label volume saved as 64-bit numbers compresses to a 600th, so the
    /// ratio is held at 1,000:1 (deflate itself ends at 1,032:1) and what bounds the work is the size in bytes, 1 GiB.
    pub fn for_masks() -> Limits {
        Limits {
            inflated_bytes: 1 << 30,
            inflate_ratio: 1000,
            ..Limits::default()
        }
    }
}
