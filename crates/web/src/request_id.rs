//! Request ids: one for every request, the caller's where it is a sane one.

use http::HeaderMap;

/// Name of the header that carries the id, both ways.
pub const REQUEST_ID: &str = "x-request-id";

/// The caller's id when it is 1 to 128 letters, digits or `-_.`; else one made of `random`.
///
/// Other characters are not taken because the id is copied into headers, logs and answers.
pub fn request_id(headers: &HeaderMap, random: [u8; 16]) -> String {
    let sane = |id: &&str| {
        (1..=128).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    match headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(sane)
    {
        Some(id) => id.to_owned(),
        None => random.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn keeps_a_sane_id_and_replaces_any_other() {
        let mut headers = HeaderMap::new();
        assert_eq!(request_id(&headers, [0xab; 16]), "ab".repeat(16));
        headers.insert(REQUEST_ID, HeaderValue::from_static("PACS-7.1_a"));
        assert_eq!(request_id(&headers, [0; 16]), "PACS-7.1_a");
        for bad in ["", "a b", "a\"b", "<script>", &"x".repeat(129)] {
            headers.insert(REQUEST_ID, HeaderValue::from_str(bad).unwrap());
            assert_eq!(request_id(&headers, [0; 16]), "0".repeat(32), "{bad}");
        }
    }
}
