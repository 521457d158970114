//! The render component.
