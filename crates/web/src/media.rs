//! Media types: which form of an answer a caller accepts, and what a body says it is.

use crate::{Problem, ProblemKind};

/// A media type without its parameters, in lower case, and its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    essence: String,
    parameters: Vec<(String, String)>,
}

impl MediaType {
    /// Reads `type/subtype; name=value`. `None` when it is not of that form.
    pub fn parse(text: &str) -> Option<MediaType> {
        let mut parts = split_outside_quotes(text, ';').into_iter();
        let essence = parts.next()?.trim().to_ascii_lowercase();
        let (kind, subtype) = essence.split_once('/')?;
        if !is_token(kind) || !is_token(subtype) {
            return None;
        }
        let parameters = parts
            .filter_map(|part| {
                let (name, value) = part.split_once('=')?;
                Some((name.trim().to_ascii_lowercase(), unquote(value.trim())))
            })
            .collect();
        Some(MediaType {
            essence,
            parameters,
        })
    }

    /// `type/subtype` in lower case.
    pub fn essence(&self) -> &str {
        &self.essence
    }

    /// The value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What kind of thing a request's body is said to be. Volumes are recognised by their content, so that every type that is not a
/// multipart form counts as raw bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// The bytes of one file.
    Raw,
    /// A multipart form with this boundary.
    Multipart {
        /// The boundary, without the leading dashes.
        boundary: String,
    },
}

/// Whether the body is a form or the bytes of a file.
///
/// # Errors
/// [`ProblemKind::MalformedRequest`] for a `Content-Type` that is none or a form without a boundary,
/// [`ProblemKind::UnsupportedMediaType`] for types that cannot hold a volume (text, JSON, HTML, pictures, URL-encoded forms).
pub fn volume_body(content_type: Option<&str>) -> Result<BodyKind, Problem> {
    let Some(content_type) = content_type else {
        return Ok(BodyKind::Raw);
    };
    let media = MediaType::parse(content_type).ok_or_else(|| {
        Problem::new(ProblemKind::MalformedRequest, "The Content-Type header is no media type; send application/octet-stream or multipart/form-data.")
    })?;
    let refused = |found: &str| {
        Problem::new(
            ProblemKind::UnsupportedMediaType,
            format!(
                "A body of type {found} holds no volume; send a NIfTI file as application/octet-stream, or multipart/form-data with a file."
            ),
        )
    };
    match media.essence() {
        "multipart/form-data" => match media.parameter("boundary") {
            Some(boundary) if (1..=70).contains(&boundary.len()) => Ok(BodyKind::Multipart {
                boundary: boundary.to_owned(),
            }),
            _ => Err(Problem::new(
                ProblemKind::MalformedRequest,
                "The Content-Type multipart/form-data has no boundary of 1 to 70 characters; let the HTTP library write the header.",
            )),
        },
        // curl's `--data-binary` sends the URL-encoded type unless told otherwise: the content decides.
        "application/x-www-form-urlencoded" => Ok(BodyKind::Raw),
        found @ ("application/json" | "text/html" | "application/xml") => Err(refused(found)),
        found if found.starts_with("multipart/") => Err(refused(found)),
        _ => Ok(BodyKind::Raw),
    }
}

/// Checks that a body is JSON, or says nothing of its type.
///
/// # Errors
/// [`ProblemKind::UnsupportedMediaType`].
pub fn require_json(content_type: Option<&str>) -> Result<(), Problem> {
    let Some(content_type) = content_type else {
        return Ok(());
    };
    match MediaType::parse(content_type) {
        Some(media)
            if media.essence() == "application/json"
                || media.essence() == "application/merge-patch+json" =>
        {
            Ok(())
        }
        _ => Err(Problem::new(
            ProblemKind::UnsupportedMediaType,
            "The body has to be JSON; send it with Content-Type: application/json.",
        )),
    }
}

/// How a body is coded on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentCoding {
    /// As it is.
    Identity,
    /// One layer of gzip around it.
    Gzip,
}

/// The coding that `Content-Encoding` names.
///
/// # Errors
/// [`ProblemKind::UnsupportedMediaType`] for any other than gzip and identity, or several.
pub fn content_coding(content_encoding: Option<&str>) -> Result<ContentCoding, Problem> {
    match content_encoding
        .map(|value| value.trim().to_ascii_lowercase())
        .as_deref()
    {
        None | Some("" | "identity") => Ok(ContentCoding::Identity),
        Some("gzip" | "x-gzip") => Ok(ContentCoding::Gzip),
        Some(_) => Err(Problem::new(
            ProblemKind::UnsupportedMediaType,
            "The Content-Encoding is not one that is read; send gzip, or leave the header out.",
        )
        .with_header(
            http::header::ACCEPT_ENCODING,
            http::HeaderValue::from_static("gzip, identity"),
        )),
    }
}

/// Chooses the form of an answer: of `offers`, the one that `accept` gives the highest quality, the earlier where two are equal.
/// Without `Accept` the first is taken.
///
/// ```
/// use cinecor_web::negotiate;
///
/// let offers = ["application/json", "text/csv"];
/// assert_eq!(negotiate(None, &offers)?, "application/json");
/// assert_eq!(negotiate(Some("text/*, application/json;q=0.5"), &offers)?, "text/csv");
/// assert!(negotiate(Some("image/png"), &offers).is_err());
/// # Ok::<(), cinecor_web::Problem>(())
/// ```
///
/// # Errors
/// [`ProblemKind::NotAcceptable`] listing the offers.
pub fn negotiate<'a>(accept: Option<&str>, offers: &[&'a str]) -> Result<&'a str, Problem> {
    let refused = || {
        Problem::new(
            ProblemKind::NotAcceptable,
            format!(
                "The answer exists as {}; ask for one of them, or leave Accept out.",
                offers.join(", ")
            ),
        )
    };
    let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else {
        return offers.first().copied().ok_or_else(refused);
    };
    let ranges = accept_ranges(accept);
    let mut best: Option<(&'a str, u16)> = None;
    for offer in offers {
        let quality = quality_of(offer, &ranges);
        if quality > 0 && best.is_none_or(|(_, so_far)| quality > so_far) {
            best = Some((offer, quality));
        }
    }
    best.map(|(offer, _)| offer).ok_or_else(refused)
}

/// One range of `Accept` with its quality in thousandths.
struct AcceptRange {
    essence: String,
    quality: u16,
}

fn accept_ranges(accept: &str) -> Vec<AcceptRange> {
    split_outside_quotes(accept, ',')
        .into_iter()
        .filter_map(|part| {
            let mut pieces = split_outside_quotes(part, ';').into_iter();
            let essence = pieces.next()?.trim().to_ascii_lowercase();
            // Old clients write a single star for anything.
            let essence = if essence == "*" {
                "*/*".to_owned()
            } else {
                essence
            };
            essence.contains('/').then_some(())?;
            let quality = pieces
                .filter_map(|piece| {
                    piece
                        .trim()
                        .strip_prefix("q=")
                        .or_else(|| piece.trim().strip_prefix("Q="))
                })
                .next()
                .map_or(1000, parse_quality);
            Some(AcceptRange { essence, quality })
        })
        .collect()
}

/// A quality in thousandths; one that cannot be read counts as 0, so that it is never chosen by accident.
fn parse_quality(text: &str) -> u16 {
    match text.trim().parse::<f32>() {
        Ok(value) if (0.0..=1.0).contains(&value) => (value * 1000.0).round() as u16,
        _ => 0,
    }
}

/// The quality of the most specific range that takes the offer (RFC 9110, 12.5.1).
fn quality_of(offer: &str, ranges: &[AcceptRange]) -> u16 {
    let kind = offer.split('/').next().unwrap_or_default();
    let mut best = (0u8, 0u16);
    for range in ranges {
        let specificity = match range.essence.as_str() {
            "*/*" => 1,
            essence if essence == offer => 3,
            essence if essence.strip_suffix("/*") == Some(kind) => 2,
            _ => continue,
        };
        if specificity > best.0 || (specificity == best.0 && range.quality > best.1) {
            best = (specificity, range.quality);
        }
    }
    best.1
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn unquote(text: &str) -> String {
    match text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    {
        Some(inner) => {
            let mut plain = String::with_capacity(inner.len());
            let mut escaped = false;
            for character in inner.chars() {
                if character == '\\' && !escaped {
                    escaped = true;
                    continue;
                }
                escaped = false;
                plain.push(character);
            }
            plain
        }
        None => text.to_owned(),
    }
}

/// Splits at a separator that is not inside a quoted string.
pub(crate) fn split_outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    let (mut quoted, mut escaped, mut start) = (false, false, 0);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if character == separator && !quoted => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + character.len_utf8();
                rest = text.get(start..).unwrap_or_default();
            }
            _ => {}
        }
    }
    parts.push(rest);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_range_decides_and_zero_refuses() {
        let offers = [
            "application/json",
            "application/x-nifti",
            "text/event-stream",
        ];
        for (accept, expected) in [
            ("*/*", Some("application/json")),
            (
                "application/*;q=0.2, text/event-stream;q=0.3",
                Some("text/event-stream"),
            ),
            ("application/json;q=0, */*", Some("application/x-nifti")),
            (
                "text/html, application/xhtml+xml, */*;q=0.8",
                Some("application/json"),
            ),
            ("APPLICATION/X-NIFTI", Some("application/x-nifti")),
            (
                "application/json;profile=\"a,b;q=0\"",
                Some("application/json"),
            ),
            ("*", Some("application/json")),
            ("image/png", None),
            ("application/json;q=oops", None),
        ] {
            assert_eq!(negotiate(Some(accept), &offers).ok(), expected, "{accept}");
        }
    }

    #[test]
    fn an_empty_accept_is_none() {
        assert_eq!(negotiate(Some("  "), &["text/csv"]).unwrap(), "text/csv");
    }

    #[test]
    fn a_form_needs_its_boundary() {
        let boundary = |text: &str| volume_body(Some(text));
        assert_eq!(
            boundary("multipart/form-data; boundary=\"a b\"").unwrap(),
            BodyKind::Multipart {
                boundary: "a b".to_owned()
            }
        );
        assert_eq!(
            boundary("Multipart/Form-Data; charset=x; boundary=xyz").unwrap(),
            BodyKind::Multipart {
                boundary: "xyz".to_owned()
            }
        );
        assert_eq!(
            boundary("multipart/form-data").unwrap_err().kind(),
            ProblemKind::MalformedRequest
        );
        assert_eq!(
            boundary("multipart/mixed; boundary=x").unwrap_err().kind(),
            ProblemKind::UnsupportedMediaType
        );
    }

    #[test]
    fn a_volume_is_taken_under_any_type_that_could_hold_one() {
        for taken in [
            "application/octet-stream",
            "application/gzip",
            "application/x-nifti",
            "application/x-www-form-urlencoded",
            "application/zip",
        ] {
            assert_eq!(volume_body(Some(taken)).unwrap(), BodyKind::Raw, "{taken}");
        }
        assert_eq!(volume_body(None).unwrap(), BodyKind::Raw);
        assert_eq!(
            volume_body(Some("application/json")).unwrap_err().kind(),
            ProblemKind::UnsupportedMediaType
        );
        assert_eq!(
            volume_body(Some("nonsense")).unwrap_err().kind(),
            ProblemKind::MalformedRequest
        );
    }

    #[test]
    fn only_gzip_and_identity_codings_are_read() {
        assert_eq!(content_coding(Some("GZIP")).unwrap(), ContentCoding::Gzip);
        assert_eq!(content_coding(None).unwrap(), ContentCoding::Identity);
        for bad in ["br", "gzip, gzip", "deflate"] {
            assert_eq!(
                content_coding(Some(bad)).unwrap_err().status(),
                415,
                "{bad}"
            );
        }
    }

    #[test]
    fn json_bodies_may_carry_a_charset_and_nothing_else_passes() {
        assert!(require_json(Some("application/json; charset=utf-8")).is_ok());
        assert!(require_json(None).is_ok());
        assert!(require_json(Some("text/plain")).is_err());
    }
}
