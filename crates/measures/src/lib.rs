//! Phases, volumes, ejection fractions, mass, and agreement of masks.
