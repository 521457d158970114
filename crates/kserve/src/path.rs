//! Addresses below the server's own.

use crate::Error;
use std::fmt::Write as _;

/// Where a server tells what it is.
pub const SERVER_METADATA: &str = "/v2";

/// Longest name or version of a model, in bytes.
const NAME_MAX: usize = 128;

/// Where a model tells what it takes and gives. Without a version the server chooses one.
///
/// # Errors
/// [`Error::Name`] for a name or version that no address carries.
pub fn metadata_path(model: &str, version: Option<&str>) -> Result<String, Error> {
    let mut path = String::from("/v2/models/");
    segment(&mut path, model)?;
    if let Some(version) = version {
        path.push_str("/versions/");
        segment(&mut path, version)?;
    }
    Ok(path)
}

/// Where a model infers.
///
/// # Errors
/// As [`metadata_path`].
pub fn infer_path(model: &str, version: Option<&str>) -> Result<String, Error> {
    metadata_path(model, version).map(|path| path + "/infer")
}

/// Adds a segment with everything but RFC 3986's unreserved characters as percent-encoded bytes.
fn segment(path: &mut String, text: &str) -> Result<(), Error> {
    let is_dots = text.bytes().all(|byte| byte == b'.');
    if text.len() > NAME_MAX || is_dots || text.chars().any(char::is_control) {
        return Err(Error::Name(crate::error::shown(text)));
    }
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            path.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_one_segment_each() {
        for (model, version, expected) in [
            ("unet", None, "/v2/models/unet"),
            ("unet", Some("1.3.0"), "/v2/models/unet/versions/1.3.0"),
            (
                "a/b?c#d",
                Some("1 +"),
                "/v2/models/a%2Fb%3Fc%23d/versions/1%20%2B",
            ),
            ("hé", None, "/v2/models/h%C3%A9"),
        ] {
            assert_eq!(metadata_path(model, version).unwrap(), expected);
            let infer = infer_path(model, version).unwrap();
            assert_eq!(infer, format!("{expected}/infer"));
        }
    }

    #[test]
    fn names_that_leave_the_path_or_break_a_request_are_refused() {
        let long = "a".repeat(NAME_MAX + 1);
        for name in ["", ".", "..", "a\r\nb", "\0", long.as_str()] {
            assert!(metadata_path(name, None).is_err(), "{name:?}");
            assert!(metadata_path("a", Some(name)).is_err(), "{name:?}");
        }
    }
}
