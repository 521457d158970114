//! Ids of studies and segmentations.

use std::fmt;

use serde::{Deserialize, Serialize};

/// 128 random bits as 32 lower-case hexadecimal digits: nobody can guess or count them, and they are safe in paths and keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(String);

impl Id {
    /// The id of these random bytes.
    pub fn from_random(random: [u8; 16]) -> Id {
        Id(hex(&random))
    }

    /// The id that a text is, if it is one.
    pub fn parse(text: &str) -> Option<Id> {
        let digits = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        (text.len() == 32 && digits).then(|| Id(text.to_owned()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Id> for String {
    fn from(id: Id) -> String {
        id.0
    }
}

impl TryFrom<String> for Id {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Id, &'static str> {
        Id::parse(&text).ok_or("an id of 32 lower-case hexadecimal digits was expected")
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_taken_in_its_own_form_only() {
        let id = Id::from_random([0x0f; 16]);
        assert_eq!(Id::parse(id.as_str()), Some(id));
        for bad in [
            "",
            "0f0f",
            &"0F".repeat(16),
            &"g".repeat(32),
            &"0".repeat(33),
            "é0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f",
        ] {
            assert_eq!(Id::parse(bad), None, "{bad}");
        }
    }
}
