//! Cross-origin requests: refused by browsers unless origins are configured.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    VARY,
};
use http::{HeaderMap, HeaderValue};

use crate::SettingError;

/// The origins whose pages may call. Empty means none, which is the default; there is no way to say "any".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    origins: Vec<String>,
}

impl Cors {
    /// Name of the variable that lists the origins.
    pub const VARIABLE: &'static str = "cors_origins";

    /// Origins separated by commas or white space, each `https://host` or `http://host:port`.
    ///
    /// # Errors
    /// [`SettingError`] for an entry that is no origin, `*` included.
    pub fn parse(text: &str) -> Result<Cors, SettingError> {
        let mut origins = Vec::new();
        for entry in text
            .split([',', ' ', '\n', '\t'])
            .filter(|entry| !entry.is_empty())
        {
            let host = entry
                .strip_prefix("https://")
                .or_else(|| entry.strip_prefix("http://"));
            if host.is_none_or(|host| host.is_empty() || host.contains(['/', '*', '@', '?'])) {
                return Err(SettingError {
                    variable: Cors::VARIABLE,
                    found: entry.to_owned(),
                    expected: "origins such as https://viewer.example.org, separated by commas",
                });
            }
            origins.push(entry.to_ascii_lowercase());
        }
        Ok(Cors { origins })
    }

    /// Whether pages of this origin may call.
    pub fn allows(&self, origin: &str) -> bool {
        self.origins.contains(&origin.to_ascii_lowercase())
    }

    /// Whether the request asks if another may be sent (a preflight).
    pub fn is_preflight(headers: &HeaderMap) -> bool {
        headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// Adds what a browser needs to hand the answer to the page that asked; nothing when the origin is not configured.
    /// `allow` are the methods for the answer to a preflight.
    pub fn apply(&self, request: &HeaderMap, allow: Option<&str>, response: &mut HeaderMap) {
        if self.origins.is_empty() {
            return;
        }
        response.append(VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = request.get(ORIGIN) else {
            return;
        };
        if !origin.to_str().is_ok_and(|origin| self.allows(origin)) {
            return;
        }
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        response.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(
                "ETag, Location, Retry-After, X-Request-Id, Content-Range, X-Cinecor-Verdict",
            ),
        );
        if let Some(Ok(methods)) = allow.map(HeaderValue::from_str) {
            response.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
            response.insert(
                ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static("Accept, Authorization, Content-Encoding, Content-Type, If-Match, If-None-Match, Range, X-Request-Id"),
            );
            response.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_from(origin: &str) -> HeaderMap {
        let mut request = HeaderMap::new();
        request.insert(ORIGIN, HeaderValue::from_str(origin).unwrap());
        request
    }

    #[test]
    fn is_off_unless_configured() {
        let mut response = HeaderMap::new();
        Cors::parse("").unwrap().apply(
            &asked_from("https://a.example"),
            Some("GET"),
            &mut response,
        );
        assert!(response.is_empty());
    }

    #[test]
    fn answers_configured_origins_and_no_other() {
        let cors = Cors::parse("https://a.example, http://localhost:5000").unwrap();
        let mut response = HeaderMap::new();
        cors.apply(
            &asked_from("https://a.example"),
            Some("GET, POST"),
            &mut response,
        );
        assert_eq!(response[ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
        assert_eq!(response[ACCESS_CONTROL_ALLOW_METHODS], "GET, POST");
        let mut other = HeaderMap::new();
        cors.apply(&asked_from("https://a.example.evil.org"), None, &mut other);
        assert!(!other.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        assert_eq!(other[VARY], "Origin");
    }

    #[test]
    fn a_star_or_a_path_is_no_origin() {
        for bad in [
            "*",
            "https://*",
            "a.example",
            "https://a.example/page",
            "https://",
        ] {
            assert!(Cors::parse(bad).is_err(), "{bad}");
        }
    }
}
