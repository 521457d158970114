//! Slice and overlay to PNG.
