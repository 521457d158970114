//! Spin's key-value store and SQLite behind the traits of the store; the clock and the source of randomness.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use cinecor_store::{BackendError, Database, Id, KeyValue, SqlValue, Store};
use cinecor_web::Problem;
use spin_sdk::key_value;
use spin_sdk::sqlite::{self, Value};
use spin_sdk::wasip3;

/// The store of the application.
pub type GuestStore = Store<SpinKeyValue, SpinDatabase>;

/// Spin's default key-value store.
#[derive(Clone)]
pub struct SpinKeyValue(Rc<key_value::Store>);

/// Spin's default SQLite database.
#[derive(Clone)]
pub struct SpinDatabase(Rc<sqlite::Connection>);

thread_local! {
    /// The store as this instance has opened it, with its tables made: opening takes longer than most of what is asked of it. Every statement is
    /// a transaction of its own, so that requests of one instance can share a connection.
    static OPEN: RefCell<Option<(SpinKeyValue, SpinDatabase)>> = const { RefCell::new(None) };
}

/// The store; the first request of an instance opens it, and makes the tables that are missing.
///
/// # Errors
/// A 500 with the cause for the log.
pub async fn open_store() -> Result<GuestStore, Problem> {
    if let Some((keys, database)) = OPEN.with_borrow(Option::clone) {
        return Ok(Store::new(keys, database));
    }
    let keys = key_value::Store::open_default()
        .await
        .map_err(|cause| Problem::internal(format!("key-value store: {cause}")))?;
    let database = sqlite::Connection::open_default()
        .await
        .map_err(|cause| Problem::internal(format!("database: {cause}")))?;
    let (keys, database) = (SpinKeyValue(Rc::new(keys)), SpinDatabase(Rc::new(database)));
    let store = Store::new(keys.clone(), database.clone());
    store.prepare().await.map_err(Problem::internal)?;
    OPEN.set(Some((keys, database)));
    Ok(store)
}

/// What a backend said when it failed. The next request opens the store anew: what failed may be the connection.
fn failed(what: &str, cause: impl std::fmt::Display) -> BackendError {
    OPEN.set(None);
    BackendError(format!("{what}: {cause}"))
}

/// Milliseconds since 1970 by the host's clock.
pub fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

/// 16 bytes of the host's secure randomness.
pub(crate) fn random() -> [u8; 16] {
    // Two words of 64 bits: the call that gives bytes may give fewer than were asked for.
    let words = [
        wasip3::random::random::get_random_u64(),
        wasip3::random::random::get_random_u64(),
    ];
    let mut bytes = [0; 16];
    for (part, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *part = word.to_le_bytes();
    }
    bytes
}

/// A new id.
pub fn random_id() -> Id {
    Id::from_random(random())
}

impl KeyValue for SpinKeyValue {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BackendError> {
        self.0
            .get(key)
            .await
            .map_err(|cause| failed("key-value get", cause))
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), BackendError> {
        self.0
            .set(key, value)
            .await
            .map_err(|cause| failed("key-value set", cause))
    }

    async fn delete(&self, key: &str) -> Result<(), BackendError> {
        self.0
            .delete(key)
            .await
            .map_err(|cause| failed("key-value delete", cause))
    }
}

impl Database for SpinDatabase {
    async fn execute(
        &self,
        statement: &str,
        parameters: &[SqlValue],
    ) -> Result<Vec<Vec<SqlValue>>, BackendError> {
        let failed = |cause| failed("database", cause);
        let parameters = parameters.iter().map(|parameter| match parameter {
            SqlValue::Null => Value::Null,
            SqlValue::Integer(number) => Value::Integer(*number),
            SqlValue::Text(text) => Value::Text(text.clone()),
        });
        let rows = self
            .0
            .execute(statement, parameters)
            .await
            .map_err(failed)?
            .collect()
            .await
            .map_err(failed)?;
        let value = |value: Value| match value {
            Value::Null => Ok(SqlValue::Null),
            Value::Integer(number) => Ok(SqlValue::Integer(number)),
            Value::Text(text) => Ok(SqlValue::Text(text)),
            Value::Real(_) | Value::Blob(_) => Err(BackendError(
                "database: a value of a type that is never stored".to_owned(),
            )),
        };
        rows.into_iter()
            .map(|row| row.values.into_iter().map(value).collect())
            .collect()
    }
}
