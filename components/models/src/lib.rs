//! The models component.
