//! From intensities to tensors and from probabilities to labels.
