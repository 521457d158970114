//! The metrics component.
