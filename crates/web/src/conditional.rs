//! Entity tags, `If-Match`, `If-None-Match`, `Range` and `If-Range` (RFC 9110, 13 and 14): what of a file to send, and whether what is to be
//! changed is what the caller saw.

use http::header::{CONTENT_RANGE, IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, Method};

use crate::{Problem, ProblemKind};

/// A strong entity tag: equal tags mean equal bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Etag(String);

impl Etag {
    /// The tag of content with this name, for instance its SHA-256. Characters that a tag may not hold are left out.
    pub fn of(content: &str) -> Etag {
        let sane: String = content
            .chars()
            .filter(|character| character.is_ascii_alphanumeric() || "-._".contains(*character))
            .collect();
        Etag(format!("\"{sane}\""))
    }

    /// The value of the `ETag` header, quotes included.
    pub fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
    }

    /// Whether `If-None-Match` holds this tag, so that the caller has the content already. Weak comparison, as RFC 9110 wants.
    pub fn matches_none(&self, headers: &HeaderMap) -> bool {
        headers
            .get_all(IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| {
                value
                    .split(',')
                    .map(str::trim)
                    .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.0)
            })
    }
}

/// Checks `If-Match` against the tags of what is to be changed, one for each form in which it exists. Without the header anything holds.
/// Strong comparison, as RFC 9110 wants.
///
/// # Errors
/// [`ProblemKind::PreconditionFailed`].
pub fn require_match(headers: &HeaderMap, tags: &[Etag]) -> Result<(), Problem> {
    let mut asked = headers.get_all(IF_MATCH).iter().peekable();
    if asked.peek().is_none() {
        return Ok(());
    }
    let holds = asked
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').map(str::trim))
        .any(|asked| asked == "*" || tags.iter().any(|tag| tag.0 == asked));
    match holds {
        true => Ok(()),
        false => Err(Problem::new(
            ProblemKind::PreconditionFailed,
            "If-Match holds no tag that this has now; read it again, decide again, and send its new tag.",
        )),
    }
}

/// Bytes `start..=end` of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// First byte, from 0.
    pub start: u64,
    /// Last byte.
    pub end: u64,
}

impl ByteRange {
    /// How many bytes it covers.
    pub fn bytes(&self) -> u64 {
        self.end - self.start + 1
    }

    /// The value of `Content-Range` for a file of `total_bytes`.
    pub fn content_range(&self, total_bytes: u64) -> HeaderValue {
        HeaderValue::from_str(&format!("bytes {}-{}/{total_bytes}", self.start, self.end))
            .unwrap_or_else(|_| HeaderValue::from_static("bytes */*"))
    }
}

/// What of a file to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// 304: the caller has it.
    NotModified,
    /// 200: all of it.
    Whole,
    /// 206: a part of it.
    Part(ByteRange),
}

/// Decides what to send of a file with this tag and length, or of one whose parts cannot be sent when `total_bytes` is `None`.
///
/// A range that cannot be read, several ranges, a range on another method than GET, and one whose `If-Range` does not hold are
/// answered with the whole file, as RFC 9110 allows.
///
/// # Errors
/// [`ProblemKind::RangeNotSatisfiable`] with `Content-Range: bytes */length`.
pub fn deliver(
    method: &Method,
    headers: &HeaderMap,
    etag: &Etag,
    total_bytes: Option<u64>,
) -> Result<Delivery, Problem> {
    if (method == Method::GET || method == Method::HEAD) && etag.matches_none(headers) {
        return Ok(Delivery::NotModified);
    }
    let (Some(total), Some(range)) = (total_bytes, headers.get(RANGE)) else {
        return Ok(Delivery::Whole);
    };
    // If-Range compares strongly: a weak tag or a date never holds.
    let condition_holds = headers
        .get(IF_RANGE)
        .is_none_or(|value| value.as_bytes() == etag.0.as_bytes());
    if method != Method::GET || !condition_holds {
        return Ok(Delivery::Whole);
    }
    match range
        .to_str()
        .ok()
        .map_or(Asked::Unreadable, |text| Asked::parse(text, total))
    {
        Asked::Unreadable => Ok(Delivery::Whole),
        Asked::Part(part) => Ok(Delivery::Part(part)),
        Asked::Outside => {
            let problem = Problem::new(
                ProblemKind::RangeNotSatisfiable,
                format!(
                    "The range starts at or behind the end of the file, which has {total} bytes; ask for one that starts before."
                ),
            );
            Err(match HeaderValue::from_str(&format!("bytes */{total}")) {
                Ok(value) => problem.with_header(CONTENT_RANGE, value),
                Err(_) => problem,
            })
        }
    }
}

enum Asked {
    Unreadable,
    Outside,
    Part(ByteRange),
}

impl Asked {
    fn parse(text: &str, total: u64) -> Asked {
        let Some((unit, set)) = text.split_once('=') else {
            return Asked::Unreadable;
        };
        if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
            return Asked::Unreadable;
        }
        let Some((first, last)) = set.trim().split_once('-') else {
            return Asked::Unreadable;
        };
        // `u64::from_str` takes a plus sign, the grammar does not.
        let number = |digits: &str| {
            digits
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| digits.parse::<u64>().ok())
                .flatten()
        };
        match (
            first.is_empty(),
            last.is_empty(),
            number(first),
            number(last),
        ) {
            (true, false, _, Some(suffix)) => match (suffix, total) {
                (0, _) | (_, 0) => Asked::Outside,
                _ => Asked::Part(ByteRange {
                    start: total.saturating_sub(suffix),
                    end: total - 1,
                }),
            },
            (false, true, Some(start), _) if start < total => Asked::Part(ByteRange {
                start,
                end: total - 1,
            }),
            (false, false, Some(start), Some(end)) if start > end => Asked::Unreadable,
            (false, false, Some(start), Some(end)) if start < total => Asked::Part(ByteRange {
                start,
                end: end.min(total - 1),
            }),
            (false, true, Some(_), _) | (false, false, Some(_), Some(_)) => Asked::Outside,
            _ => Asked::Unreadable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(http::HeaderName, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn range(text: &str, total: u64) -> Result<Delivery, Problem> {
        deliver(
            &Method::GET,
            &asked(&[(RANGE, text)]),
            &Etag::of("a"),
            Some(total),
        )
    }

    #[test]
    fn takes_the_three_forms_of_a_single_range() {
        let part = |start, end| Delivery::Part(ByteRange { start, end });
        assert_eq!(range("bytes=0-9", 100).unwrap(), part(0, 9));
        assert_eq!(range("bytes=90-", 100).unwrap(), part(90, 99));
        assert_eq!(range("bytes=-10", 100).unwrap(), part(90, 99));
        assert_eq!(range("bytes=-1000", 100).unwrap(), part(0, 99));
        assert_eq!(range("bytes=99-1000", 100).unwrap(), part(99, 99));
        assert_eq!(
            part(90, 99),
            Delivery::Part(ByteRange { start: 90, end: 99 })
        );
        assert_eq!(ByteRange { start: 90, end: 99 }.bytes(), 10);
    }

    #[test]
    fn answers_the_whole_file_to_ranges_it_does_not_read() {
        for text in [
            "bytes=9-3",
            "bytes=0-1,5-6",
            "lines=1-2",
            "bytes=+1-2",
            "bytes=x-",
            "bytes",
            "bytes=-",
            "bytes=99999999999999999999999-",
        ] {
            assert_eq!(range(text, 100).unwrap(), Delivery::Whole, "{text}");
        }
    }

    #[test]
    fn refuses_ranges_behind_the_end_and_says_where_it_is() {
        for text in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
            let problem = range(text, 100).unwrap_err();
            assert_eq!(problem.status(), 416, "{text}");
            assert_eq!(problem.headers().first().unwrap().1, "bytes */100");
        }
        assert_eq!(range("bytes=0-", 0).unwrap_err().status(), 416);
    }

    #[test]
    fn sends_nothing_that_the_caller_has() {
        for held in ["\"a\"", "W/\"a\"", "\"x\", \"a\"", "*"] {
            let headers = asked(&[(IF_NONE_MATCH, held), (RANGE, "bytes=0-1")]);
            assert_eq!(
                deliver(&Method::GET, &headers, &Etag::of("a"), Some(10)).unwrap(),
                Delivery::NotModified,
                "{held}"
            );
        }
        assert_eq!(
            deliver(
                &Method::GET,
                &asked(&[(IF_NONE_MATCH, "\"b\"")]),
                &Etag::of("a"),
                None
            )
            .unwrap(),
            Delivery::Whole
        );
    }

    #[test]
    fn a_change_is_made_to_what_the_caller_saw_and_to_nothing_else() {
        let tags = [Etag::of("a"), Etag::of("b")];
        for held in ["\"a\"", "\"x\", \"b\"", "*"] {
            let headers = asked(&[(IF_MATCH, held)]);
            assert!(require_match(&headers, &tags).is_ok(), "{held}");
        }
        assert!(require_match(&HeaderMap::new(), &tags).is_ok());
        for other in ["\"c\"", "W/\"a\"", "a", ""] {
            let headers = asked(&[(IF_MATCH, other)]);
            let problem = require_match(&headers, &tags).unwrap_err();
            assert_eq!(problem.status(), 412, "{other}");
        }
    }

    #[test]
    fn a_range_of_another_version_is_answered_with_the_whole() {
        let with = |tag: &str| asked(&[(RANGE, "bytes=0-1"), (IF_RANGE, tag)]);
        let etag = Etag::of("a");
        assert!(matches!(
            deliver(&Method::GET, &with("\"a\""), &etag, Some(10)).unwrap(),
            Delivery::Part(_)
        ));
        for other in ["\"b\"", "W/\"a\"", "Mon, 23 Nov 2026 20:00:00 GMT"] {
            assert_eq!(
                deliver(&Method::GET, &with(other), &etag, Some(10)).unwrap(),
                Delivery::Whole,
                "{other}"
            );
        }
        assert_eq!(
            deliver(&Method::HEAD, &with("\"a\""), &etag, Some(10)).unwrap(),
            Delivery::Whole
        );
    }
}
