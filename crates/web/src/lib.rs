//! Problems, limits, media types, request ids, and who may call.
