//! What the HTTP contract says in JSON and CSV.
