//! The segment component.
