//! Whole-app scenarios through the real host.
