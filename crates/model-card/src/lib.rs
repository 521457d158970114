//! Parse and check a model package.
