//! What a key-value store and a database have to be able to do. Implemented for Spin's in `cinecor-guest`, in memory in tests.

use std::future::Future;

/// A failure of the store or the database. Its text is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BackendError(pub String);

/// Blobs under keys.
pub trait KeyValue {
    /// The value under `key`.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<Vec<u8>>, BackendError>>;
    /// Puts a value under `key`, in place of any other.
    fn set(&self, key: &str, value: &[u8]) -> impl Future<Output = Result<(), BackendError>>;
    /// Takes `key` away; one that is not there is no error.
    fn delete(&self, key: &str) -> impl Future<Output = Result<(), BackendError>>;
}

/// A value of a row or a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlValue {
    /// NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
}

impl SqlValue {
    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            SqlValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn integer(&self) -> Option<i64> {
        match self {
            SqlValue::Integer(number) => Some(*number),
            _ => None,
        }
    }
}

impl From<&str> for SqlValue {
    fn from(text: &str) -> SqlValue {
        SqlValue::Text(text.to_owned())
    }
}

impl From<String> for SqlValue {
    fn from(text: String) -> SqlValue {
        SqlValue::Text(text)
    }
}

impl From<i64> for SqlValue {
    fn from(number: i64) -> SqlValue {
        SqlValue::Integer(number)
    }
}

/// SQL of the kind that SQLite and PostgreSQL share, with `?` for parameters.
pub trait Database {
    /// Runs one statement, which is atomic, and gives the rows that it returns.
    fn execute(
        &self,
        statement: &str,
        parameters: &[SqlValue],
    ) -> impl Future<Output = Result<Vec<Vec<SqlValue>>, BackendError>>;
}
