//! NIfTI bytes to volumes and back.
