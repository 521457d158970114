//! The files of the page, from the folder that the manifest mounts. A path names a file by plain names only, and only files of kinds
//! that a page has are given out.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::SystemTime;

use cinecor_guest::Answer;
use cinecor_web::{Etag, HeaderMap, Method, Problem, ProblemKind, method_not_allowed};
use http::HeaderValue;
use http::header::{ALLOW, CACHE_CONTROL};
use sha2::{Digest, Sha256};

/// Where the manifest mounts the front end.
const ROOT: &str = "/frontend";

/// What a file of the page may do with.
const METHODS: &str = "GET, HEAD, OPTIONS";

/// Endings of the files of a page and their media types.
const TYPES: [(&str, &str); 13] = [
    (".html", "text/html; charset=utf-8"),
    (".css", "text/css; charset=utf-8"),
    (".js", "text/javascript; charset=utf-8"),
    (".svg", "image/svg+xml"),
    (".png", "image/png"),
    (".webp", "image/webp"),
    (".ico", "image/x-icon"),
    (".woff2", "font/woff2"),
    (".nii.gz", "application/gzip"),
    (".json", "application/json"),
    (".txt", "text/plain; charset=utf-8"),
    (".LICENSE", "text/plain; charset=utf-8"),
    (".webmanifest", "application/manifest+json"),
];

/// When a file was changed and how long it is: as long as both stay, so does its tag.
type Version = (Option<SystemTime>, u64);

thread_local! {
    /// Tags of files that this instance has read.
    static TAGS: RefCell<HashMap<PathBuf, (Version, Etag)>> = RefCell::default();
}

pub(crate) fn answer(method: &Method, path: &str, headers: &HeaderMap) -> Result<Answer, Problem> {
    let missing = || {
        Problem::new(
            ProblemKind::NotFound,
            "There is no such address here; the page is at /, and /api/v1/openapi.json lists what programs may call.",
        )
    };
    let (file, media_type) = locate(path).ok_or_else(missing)?;
    let about = std::fs::metadata(&file)
        .ok()
        .filter(std::fs::Metadata::is_file)
        .ok_or_else(missing)?;
    if method == Method::OPTIONS {
        return Ok(Answer::no_content().header(ALLOW, HeaderValue::from_static(METHODS)));
    }
    if method != Method::GET && method != Method::HEAD {
        return Err(method_not_allowed(method, METHODS));
    }
    let public =
        |answer: Answer| answer.header(CACHE_CONTROL, HeaderValue::from_static("public, no-cache"));
    let version = (about.modified().ok(), about.len());
    let known = TAGS.with_borrow(|tags| {
        tags.get(&file)
            .filter(|(found, _)| *found == version)
            .map(|(_, etag)| etag.clone())
    });
    if let Some(etag) = known.as_ref().filter(|etag| etag.matches_none(headers)) {
        return Ok(public(Answer::not_modified(etag)));
    }
    let bytes = std::fs::read(&file).map_err(Problem::internal)?;
    let etag = known.unwrap_or_else(|| {
        let digest = Sha256::digest(&bytes);
        Etag::of(
            &digest
                .iter()
                .take(16)
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>(),
        )
    });
    TAGS.with_borrow_mut(|tags| tags.insert(file, (version, etag.clone())));
    if etag.matches_none(headers) {
        return Ok(public(Answer::not_modified(&etag)));
    }
    Ok(public(Answer::bytes(media_type, bytes).etag(&etag)))
}

/// The file and media type that a path names. Names hold letters, digits, dashes, underscores and dots and do not start with a dot, so
/// that no path leads out of the folder.
fn locate(path: &str) -> Option<(PathBuf, &'static str)> {
    let path = if path == "/" { "/index.html" } else { path };
    let mut file = PathBuf::from(ROOT);
    for name in path.strip_prefix('/')?.split('/') {
        let plain = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if name.is_empty() || name.starts_with('.') || !plain {
            return None;
        }
        file.push(name);
    }
    let media_type = TYPES.iter().find(|(ending, _)| path.ends_with(ending))?.1;
    Some((file, media_type))
}
