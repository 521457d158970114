//! Studies, segmentations and audit over key-value and sqlite traits.
