//! Cursors of lists that run from the newest to the oldest: opaque to callers, a place in the list to us.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::Problem;

/// The last item of a page: the next page starts behind it. Deleting that item does not disturb the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When the item was made, ms since 1970.
    pub created_at_ms: i64,
    /// Its id; tells items of the same millisecond apart.
    pub id: String,
}

impl Cursor {
    /// The text for `next_cursor`.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}.{}", self.created_at_ms, self.id))
    }

    /// The cursor behind a text that [`Cursor::encode`] made.
    ///
    /// # Errors
    /// [`ProblemKind::InvalidParameter`](crate::ProblemKind::InvalidParameter) for anything else.
    pub fn decode(text: &str) -> Result<Cursor, Problem> {
        let refused = || {
            Problem::parameter(
                "cursor",
                "is not one that this list gave; take next_cursor of the page before, or leave it out",
            )
        };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refused())?;
        let plain = String::from_utf8(bytes).map_err(|_| refused())?;
        let (created_at_ms, id) = plain.split_once('.').ok_or_else(refused)?;
        let created_at_ms = created_at_ms.parse().map_err(|_| refused())?;
        if id.is_empty() || id.len() > 64 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(refused());
        }
        Ok(Cursor {
            created_at_ms,
            id: id.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_and_is_safe_in_an_address() {
        let cursor = Cursor {
            created_at_ms: 1_795_467_909_042,
            id: "00ff".repeat(8),
        };
        let text = cursor.encode();
        assert!(
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        );
        assert_eq!(Cursor::decode(&text).unwrap(), cursor);
    }

    #[test]
    fn refuses_what_it_did_not_make() {
        let own = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for bad in [
            "",
            "%%%",
            &own("12"),
            &own("x.00ff"),
            &own("12."),
            &own("12.a b"),
            &own(&format!("12.{}", "a".repeat(65))),
        ] {
            assert_eq!(Cursor::decode(bad).unwrap_err().status(), 400, "{bad}");
        }
    }
}
