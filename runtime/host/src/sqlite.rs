//! SQLite databases: `spin:sqlite/sqlite@3.1.0`, the synchronous functions and their `-async` twins, over embedded SQLite files in the
//! state folder. A component opens the labels that its `sqlite_databases` names, and no other.
//!
//! Every connection that a guest opens is an SQLite connection of its own: transactions, temporary tables and
//! `last-insert-rowid` are its own, and closing it, however that comes about, rolls back what was not committed. SQL that reaches outside
//! the database (`ATTACH` of files, `VACUUM INTO`, settings that this host decides) is refused.
//!
//! Without a runtime config there is the label `default`, as with stock Spin; `[sqlite_database.LABEL]` with `type = "spin"` and
//! `path = "file.db"` adds others.

use crate::capability::{AppSpec, Capability};
use crate::ctx::Ctx;
use crate::database::{Database, blocking};
use anyhow::{Context as _, bail};
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{ErrorCode, InterruptHandle};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::component::{
    Accessor, FutureReader, HasData, Linker, Resource, ResourceTable, StreamReader,
};

#[allow(
    missing_docs,
    unreachable_pub,
    reason = "generated from WIT, documented there"
)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/deps/spin-sqlite@3.1.0",
        inline: "
            package cinecor:host-sqlite;
            world imports {
                import spin:sqlite/sqlite@3.1.0;
            }
        ",
        world: "cinecor:host-sqlite/imports",
        imports: { default: async | trappable },
        with: { "spin:sqlite/sqlite.connection": super::Connection },
    });
}

use bindings::spin::sqlite::sqlite as wit;
use wit::{Error, QueryResult, RowResult, Value};

/// Most bytes of rows that one statement may give back: they are held in the host until the guest has read them. Spin's bound.
pub const RESULT_BYTES_MAX: usize = 128 << 20;
/// Connections that one instance may hold open, as with Spin.
const CONNECTIONS_MAX: usize = 256;
/// Name of the file of the label `default` in the state folder, as Spin names it.
const DEFAULT_FILE: &str = "sqlite_db.db";

/// Pragmas that a guest may use: those that only look, and those that concern its own connection or schema and nothing that this host
/// promises.
const PRAGMAS: [&str; 25] = [
    "application_id",
    "collation_list",
    "compile_options",
    "data_version",
    "database_list",
    "defer_foreign_keys",
    "encoding",
    "foreign_key_check",
    "foreign_key_list",
    "foreign_keys",
    "freelist_count",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "optimize",
    "page_count",
    "page_size",
    "pragma_list",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
    "user_version",
];

/// The databases of an application.
#[derive(Debug)]
pub struct Sqlite {
    granted: BTreeMap<String, Arc<Grants>>,
}

type Grants = BTreeMap<String, Arc<Database>>;

/// Databases of one instance.
pub struct State {
    grants: Arc<Grants>,
    open: usize,
}

/// An open connection, as a guest holds it.
pub struct Connection {
    inner: Arc<GuestConnection>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum DatabaseConfig {
    /// An SQLite file.
    Spin { path: Option<PathBuf> },
}

impl Capability for Sqlite {
    type State = State;

    fn init(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
        wit::add_to_linker::<_, Access>(linker, view)
    }

    fn configure(app: &mut AppSpec) -> anyhow::Result<Self> {
        let mut configured: BTreeMap<String, DatabaseConfig> = app
            .runtime_config
            .take("sqlite_database")
            .context("this host has SQLite databases of type \"spin\" only")?
            .unwrap_or_default();
        configured
            .entry("default".to_owned())
            .or_insert(DatabaseConfig::Spin { path: None });
        let mut files: BTreeMap<PathBuf, Arc<Database>> = BTreeMap::new();
        let mut granted = BTreeMap::new();
        for (id, component) in &app.manifest.components {
            let mut grants = Grants::new();
            for label in &component.sqlite_databases {
                let Some(DatabaseConfig::Spin { path }) = configured.get(label) else {
                    bail!(
                        "[component.{id}] has sqlite_databases = [{label:?}], and there is no such database. Without a runtime config \
                         there is \"default\" only; add to the file of --runtime-config-file:\n\
                         [sqlite_database.{label}]\ntype = \"spin\"\npath = \"{label}.db\""
                    );
                };
                let file_name = match path {
                    Some(path) => path.clone(),
                    None if label == "default" => PathBuf::from(DEFAULT_FILE),
                    None => bail!(
                        "[sqlite_database.{label}] of the runtime config has no path; add path = \"{label}.db\""
                    ),
                };
                let path = app.state_dir.join(file_name);
                let file = match files.get(&path) {
                    Some(file) => file.clone(),
                    None => {
                        let file =
                            Arc::new(Database::open(&path).with_context(|| {
                                format!("the database {label:?} cannot be opened")
                            })?);
                        files.insert(path, file.clone());
                        file
                    }
                };
                grants.insert(label.clone(), file);
            }
            granted.insert(id.clone(), Arc::new(grants));
        }
        Ok(Self { granted })
    }

    fn prepare(&self, component: &str) -> anyhow::Result<State> {
        let grants = self
            .granted
            .get(component)
            .with_context(|| format!("there is no component `{component}`"))?;
        Ok(State {
            grants: grants.clone(),
            open: 0,
        })
    }
}

/// Gives the interface its part of the store's data.
struct Access;

impl HasData for Access {
    type Data<'a> = View<'a>;
}

struct View<'a> {
    component: &'a str,
    state: &'a mut State,
    table: &'a mut ResourceTable,
}

fn view(ctx: &mut Ctx) -> View<'_> {
    View {
        component: &ctx.component,
        state: &mut ctx.sqlite,
        table: &mut ctx.table,
    }
}

impl View<'_> {
    fn grant(&self, label: &str) -> Result<Arc<Database>, Error> {
        let Some(database) = self.state.grants.get(label) else {
            tracing::warn!(
                component = self.component,
                label,
                "a database was refused; to grant it, add to [component.{}] of spin.toml: sqlite_databases = [{label:?}]",
                self.component
            );
            return Err(Error::AccessDenied);
        };
        if self.state.open >= CONNECTIONS_MAX {
            return Err(Error::Io(format!(
                "{CONNECTIONS_MAX} connections are open already; close some"
            )));
        }
        Ok(database.clone())
    }

    fn push(&mut self, inner: Arc<GuestConnection>) -> wasmtime::Result<Resource<Connection>> {
        let connection = self.table.push(Connection { inner })?;
        self.state.open += 1;
        Ok(connection)
    }

    fn connection(
        &self,
        connection: &Resource<Connection>,
    ) -> wasmtime::Result<Arc<GuestConnection>> {
        Ok(self.table.get(connection)?.inner.clone())
    }
}

async fn open(database: Arc<Database>) -> wasmtime::Result<Result<Arc<GuestConnection>, Error>> {
    Ok(blocking(move || GuestConnection::open(database))
        .await?
        .map(Arc::new))
}

async fn execute(
    connection: Arc<GuestConnection>,
    statement: String,
    parameters: Vec<Value>,
) -> wasmtime::Result<Result<QueryResult, Error>> {
    // When the future is dropped nobody waits for the rows any more, and the statement must not go on.
    let guard = InterruptOnDrop(&connection.interrupt);
    let worker = connection.clone();
    let result = blocking(move || worker.execute(&statement, &parameters)).await;
    std::mem::forget(guard);
    result
}

struct InterruptOnDrop<'a>(&'a InterruptHandle);

impl Drop for InterruptOnDrop<'_> {
    fn drop(&mut self) {
        self.0.interrupt();
    }
}

impl wit::Host for View<'_> {}

impl wit::HostConnection for View<'_> {
    async fn open(
        &mut self,
        database: String,
    ) -> wasmtime::Result<Result<Resource<Connection>, Error>> {
        let database = match self.grant(&database) {
            Ok(database) => database,
            Err(error) => return Ok(Err(error)),
        };
        match open(database).await? {
            Ok(connection) => Ok(Ok(self.push(connection)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn execute(
        &mut self,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<QueryResult, Error>> {
        let connection = self.connection(&connection)?;
        execute(connection, statement, parameters).await
    }

    async fn last_insert_rowid(
        &mut self,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<i64> {
        let connection = self.connection(&connection)?;
        blocking(move || connection.last_insert_rowid()).await
    }

    async fn changes(&mut self, connection: Resource<Connection>) -> wasmtime::Result<u64> {
        let connection = self.connection(&connection)?;
        blocking(move || connection.changes()).await
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        self.state.open = self.state.open.saturating_sub(1);
        Ok(())
    }
}

impl<T: Send> wit::HostConnectionWithStore<T> for Access {
    async fn open_async(
        accessor: &Accessor<T, Self>,
        database: String,
    ) -> wasmtime::Result<Result<Resource<Connection>, Error>> {
        let database = match accessor.with(|mut access| access.get().grant(&database)) {
            Ok(database) => database,
            Err(error) => return Ok(Err(error)),
        };
        match open(database).await? {
            Ok(connection) => Ok(Ok(
                accessor.with(|mut access| access.get().push(connection))?
            )),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn execute_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<
        Result<
            (
                Vec<String>,
                StreamReader<RowResult>,
                FutureReader<Result<(), Error>>,
            ),
            Error,
        >,
    > {
        let connection = accessor.with(|mut access| access.get().connection(&connection))?;
        // The statement runs to its end before the guest sees a row: a guest that reads half of the rows, or uses the connection again
        // between two of them, leaves nothing half done.
        match execute(connection, statement, parameters).await? {
            Ok(result) => accessor.with(|mut access| {
                let rows = StreamReader::new(&mut access, result.rows)?;
                let end = FutureReader::new(&mut access, async { wasmtime::error::Ok(Ok(())) })?;
                Ok(Ok((result.columns, rows, end)))
            }),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn last_insert_rowid_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<i64> {
        let connection = accessor.with(|mut access| access.get().connection(&connection))?;
        blocking(move || connection.last_insert_rowid()).await
    }

    async fn changes_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<u64> {
        let connection = accessor.with(|mut access| access.get().connection(&connection))?;
        blocking(move || connection.changes()).await
    }
}

/// A connection that runs a guest's SQL.
struct GuestConnection {
    database: Arc<Database>,
    connection: Mutex<rusqlite::Connection>,
    interrupt: InterruptHandle,
    writes: Arc<Writes>,
}

/// What the statements of the running transaction do, as SQLite tells while it prepares them.
#[derive(Default)]
struct Writes {
    any: AtomicBool,
    erasing: AtomicBool,
}

impl GuestConnection {
    fn open(database: Arc<Database>) -> Result<Self, Error> {
        let connection = database.connect().map_err(|error| sqlite_error(&error))?;
        let writes = Arc::new(Writes::default());
        let seen = writes.clone();
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            authorize(&context.action, &seen)
        }));
        let interrupt = connection.get_interrupt_handle();
        Ok(Self {
            database,
            connection: Mutex::new(connection),
            interrupt,
            writes,
        })
    }

    fn execute(&self, statement: &str, parameters: &[Value]) -> Result<QueryResult, Error> {
        let connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // SQLite does not tell of rows that an insert replaces.
        if statement
            .as_bytes()
            .windows(7)
            .any(|word| word.eq_ignore_ascii_case(b"replace"))
        {
            self.writes.erasing.store(true, Ordering::Relaxed);
        }
        let result = run(&connection, statement, parameters);
        if connection.is_autocommit() {
            let any = self.writes.any.swap(false, Ordering::Relaxed);
            if self.writes.erasing.swap(false, Ordering::Relaxed) && any {
                self.with_own_pragmas(&connection);
            } else if any {
                self.database.written();
            }
        }
        result
    }

    /// The checkpoint is a pragma, which the guest's SQL may not use.
    fn with_own_pragmas(&self, connection: &rusqlite::Connection) {
        connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>);
        self.database.erased(connection);
        let seen = self.writes.clone();
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            authorize(&context.action, &seen)
        }));
    }

    fn last_insert_rowid(&self) -> i64 {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .last_insert_rowid()
    }

    fn changes(&self) -> u64 {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .changes()
    }
}

fn authorize(action: &AuthAction<'_>, writes: &Writes) -> Authorization {
    match action {
        // VACUUM attaches a nameless temporary database; a file of any name would be outside the database.
        AuthAction::Attach { filename: "" } => Authorization::Allow,
        AuthAction::Attach { .. } => Authorization::Deny,
        // The name is not known before the statement runs.
        AuthAction::Unknown { .. } => Authorization::Deny,
        AuthAction::Pragma {
            pragma_name,
            pragma_value,
        } => {
            let name = pragma_name.to_ascii_lowercase();
            // Freed pages keep their size only when nothing changes it.
            let fixed = matches!(name.as_str(), "page_size" | "encoding") && pragma_value.is_some();
            if PRAGMAS.contains(&name.as_str()) && !fixed {
                Authorization::Allow
            } else {
                Authorization::Deny
            }
        }
        AuthAction::Function { function_name }
            if function_name.eq_ignore_ascii_case("load_extension") =>
        {
            Authorization::Deny
        }
        AuthAction::Select
        | AuthAction::Read { .. }
        | AuthAction::Recursive
        | AuthAction::Function { .. }
        | AuthAction::Transaction { .. }
        | AuthAction::Savepoint { .. } => Authorization::Allow,
        AuthAction::Insert { .. } => {
            writes.any.store(true, Ordering::Relaxed);
            Authorization::Allow
        }
        _ => {
            writes.any.store(true, Ordering::Relaxed);
            writes.erasing.store(true, Ordering::Relaxed);
            Authorization::Allow
        }
    }
}

fn run(
    connection: &rusqlite::Connection,
    statement: &str,
    parameters: &[Value],
) -> Result<QueryResult, Error> {
    // What only reads is prepared once for its connection. Preparing anything else tells the authorizer what it does, each time.
    let reads = statement
        .trim_start()
        .get(..6)
        .is_some_and(|word| word.eq_ignore_ascii_case("select"));
    if reads {
        let mut statement = connection
            .prepare_cached(statement)
            .map_err(|error| sqlite_error(&error))?;
        return step(&mut statement, parameters);
    }
    let mut statement = connection
        .prepare(statement)
        .map_err(|error| sqlite_error(&error))?;
    step(&mut statement, parameters)
}

fn step(
    statement: &mut rusqlite::Statement<'_>,
    parameters: &[Value],
) -> Result<QueryResult, Error> {
    let names = |statement: &rusqlite::Statement<'_>| -> Vec<String> {
        let names = statement.column_names().into_iter();
        names.map(str::to_owned).collect()
    };
    let mut found = statement
        .query(rusqlite::params_from_iter(parameters))
        .map_err(|error| sqlite_error(&error))?;
    let mut rows = Vec::new();
    let mut bytes = 0_usize;
    let mut columns: Option<Vec<String>> = None;
    while let Some(row) = found.next().map_err(|error| sqlite_error(&error))? {
        // The first step may have prepared the statement anew, for tables that have changed.
        let columns = columns.get_or_insert_with(|| names(row.as_ref()));
        let mut values = Vec::with_capacity(columns.len());
        for (index, column) in columns.iter().enumerate() {
            let value = match row.get_ref(index).map_err(|error| sqlite_error(&error))? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(number) => Value::Integer(number),
                ValueRef::Real(number) => Value::Real(number),
                ValueRef::Blob(blob) => {
                    bytes += blob.len();
                    Value::Blob(blob.to_vec())
                }
                ValueRef::Text(text) => {
                    bytes += text.len();
                    let text = std::str::from_utf8(text).map_err(|_| {
                        Error::Io(format!(
                            "the column {column:?} holds text that is not UTF-8; store it as a blob"
                        ))
                    })?;
                    Value::Text(text.to_owned())
                }
            };
            values.push(value);
        }
        bytes += values.len() * size_of::<Value>();
        if bytes > RESULT_BYTES_MAX {
            return Err(Error::Io(format!(
                "the rows are more than {RESULT_BYTES_MAX} bytes long; ask for fewer at a time"
            )));
        }
        rows.push(RowResult { values });
    }
    drop(found);
    let columns = columns.unwrap_or_else(|| names(statement));
    Ok(QueryResult { columns, rows })
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(blob) => ValueRef::Blob(blob),
            Self::Null => ValueRef::Null,
        }))
    }
}

/// SQLite's own words, without the statement: a statement may hold values.
fn sqlite_error(error: &rusqlite::Error) -> Error {
    if let rusqlite::Error::SqlInputError { msg, .. } = error
        && error.sqlite_error_code() != Some(ErrorCode::AuthorizationForStatementDenied)
    {
        return Error::Io(msg.clone());
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::DatabaseFull,
        Some(ErrorCode::AuthorizationForStatementDenied) => Error::Io(
            "this host does not allow the statement: it reaches outside the database (ATTACH, VACUUM INTO) or uses a pragma that the host decides"
                .to_owned(),
        ),
        _ => Error::Io(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::holds;
    use std::path::Path;

    fn database(folder: &Path) -> Arc<Database> {
        Arc::new(Database::open(&folder.join("a.db")).unwrap())
    }

    fn rows(
        connection: &GuestConnection,
        statement: &str,
        parameters: &[Value],
    ) -> Result<Vec<Vec<Value>>, String> {
        connection
            .execute(statement, parameters)
            .map(|result| result.rows.into_iter().map(|row| row.values).collect())
            .map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn every_type_goes_in_and_comes_out() {
        let folder = tempfile::tempdir().unwrap();
        let connection = GuestConnection::open(database(folder.path())).unwrap();
        let values = [
            Value::Integer(i64::MIN),
            Value::Real(0.1),
            Value::Text("ä".to_owned()),
            Value::Blob(vec![0, 255]),
            Value::Null,
        ];
        let result = connection
            .execute(
                "SELECT ?1 AS i, ?2 AS r, ?3 AS t, ?4 AS b, ?5 AS n",
                &values,
            )
            .unwrap();
        assert_eq!(result.columns, ["i", "r", "t", "b", "n"]);
        assert_eq!(
            format!("{:?}", result.rows[0].values),
            format!("{values:?}")
        );
    }

    #[test]
    fn what_was_not_committed_is_gone_when_the_connection_goes() {
        let folder = tempfile::tempdir().unwrap();
        let database = database(folder.path());
        let one = GuestConnection::open(database.clone()).unwrap();
        one.execute("CREATE TABLE t (v)", &[]).unwrap();
        one.execute("INSERT INTO t VALUES (1)", &[]).unwrap();
        assert_eq!(one.last_insert_rowid(), 1);
        one.execute("BEGIN IMMEDIATE", &[]).unwrap();
        one.execute("INSERT INTO t VALUES (2)", &[]).unwrap();
        drop(one);
        let two = GuestConnection::open(database).unwrap();
        assert_eq!(two.last_insert_rowid(), 0);
        let count = rows(&two, "SELECT count(*) FROM t", &[]).unwrap();
        assert!(matches!(count[0][0], Value::Integer(1)), "{count:?}");
    }

    #[test]
    fn deleted_rows_are_in_no_file_after_the_commit() {
        let folder = tempfile::tempdir().unwrap();
        let connection = GuestConnection::open(database(folder.path())).unwrap();
        connection
            .execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", &[])
            .unwrap();
        for (delete, secret) in [
            ("DELETE FROM t", "first-secret"),
            ("UPDATE t SET v = NULL", "second-secret"),
            ("REPLACE INTO t (id, v) VALUES (1, 'x')", "third-secret"),
            ("DROP TABLE t", "fourth-secret"),
        ] {
            connection
                .execute(
                    "REPLACE INTO t (id, v) VALUES (1, ?)",
                    &[Value::Text(secret.repeat(2000))],
                )
                .unwrap();
            assert!(holds(folder.path(), secret.as_bytes()));
            connection.execute("BEGIN", &[]).unwrap();
            connection.execute(delete, &[]).unwrap();
            connection.execute("COMMIT", &[]).unwrap();
            assert!(!holds(folder.path(), secret.as_bytes()), "{delete}");
        }
    }

    #[test]
    fn sql_does_not_reach_outside_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let connection = GuestConnection::open(database(folder.path())).unwrap();
        let other = folder.path().join("other.db");
        let other = other.to_str().unwrap();
        for statement in [
            format!("ATTACH '{other}' AS o"),
            format!("ATTACH '{}' || 'x' AS o", other),
            format!("VACUUM INTO '{other}'"),
            "PRAGMA journal_mode = DELETE".to_owned(),
            "PRAGMA secure_delete = OFF".to_owned(),
            "PRAGMA synchronous = OFF".to_owned(),
            "PRAGMA wal_checkpoint".to_owned(),
            "PRAGMA temp_store_directory = '/'".to_owned(),
            "PRAGMA writable_schema = ON".to_owned(),
            "SELECT load_extension('x')".to_owned(),
        ] {
            let error = rows(&connection, &statement, &[]).unwrap_err();
            assert!(
                error.contains("does not allow") || error.contains("not authorized"),
                "{statement}: {error}"
            );
        }
        assert!(
            rows(
                &connection,
                "ATTACH ? AS o",
                &[Value::Text(other.to_owned())]
            )
            .is_err()
        );
        assert!(!Path::new(other).exists());
        connection.execute("VACUUM", &[]).unwrap();
        assert!(
            rows(&connection, "PRAGMA user_version = 7", &[])
                .unwrap()
                .is_empty()
        );
        assert!(matches!(
            rows(&connection, "PRAGMA user_version", &[]).unwrap()[0][0],
            Value::Integer(7)
        ));
        assert!(
            rows(&connection, "PRAGMA foreign_keys", &[])
                .is_ok_and(|found| matches!(found[0][0], Value::Integer(1)))
        );
    }

    #[test]
    fn wrong_sql_is_an_error_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let connection = GuestConnection::open(database(folder.path())).unwrap();
        for (statement, parameters, expected) in [
            ("SELEC 1", &[][..], "syntax error"),
            ("SELECT * FROM absent", &[], "no such table: absent"),
            ("SELECT ?", &[], "Wrong number of parameters"),
            ("SELECT 1", &[Value::Null], "Wrong number of parameters"),
            ("SELECT 1; SELECT 2", &[], "Multiple statements"),
            ("SELECT CAST(x'ff' AS TEXT)", &[], "not UTF-8"),
        ] {
            let error = rows(&connection, statement, parameters).unwrap_err();
            assert!(error.contains(expected), "{statement}: {error}");
        }
    }

    #[tokio::test]
    async fn a_statement_that_nobody_waits_for_ends() {
        let folder = tempfile::tempdir().unwrap();
        let connection = Arc::new(GuestConnection::open(database(folder.path())).unwrap());
        let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";
        let (running, started) = tokio::sync::oneshot::channel();
        let worker = connection.clone();
        // Takes the connection's lock first, so that the statement is known to run when the lock is taken again.
        let waiting = tokio::spawn(async move {
            let _ = running.send(());
            execute(worker, endless.to_owned(), Vec::new()).await
        });
        started.await.unwrap();
        while connection.connection.try_lock().is_ok() {
            tokio::task::yield_now().await;
        }
        waiting.abort();
        // Locking succeeds only once the statement has ended. An interrupt that came before the first step is lost, hence the loop.
        let released = tokio::task::spawn_blocking(move || {
            while connection.connection.try_lock().is_err() {
                connection.interrupt.interrupt();
                std::thread::yield_now();
            }
        });
        released.await.unwrap();
        assert!(waiting.await.is_err_and(|error| error.is_cancelled()));
    }

    #[test]
    fn a_label_without_a_database_is_an_error_that_says_what_to_add() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = "spin_manifest_version = 2\n[application]\nname = \"t\"\n[[trigger.http]]\nroute = \"/...\"\ncomponent = \"a\"\n\
                        [component.a]\nsource = \"a.wasm\"\nsqlite_databases = [\"log\"]\n";
        let mut spec = AppSpec {
            manifest: crate::manifest::Manifest::parse(manifest).unwrap(),
            base: PathBuf::new(),
            state_dir: folder.path().to_owned(),
            variables: BTreeMap::new(),
            runtime_config: crate::runtime_config::RuntimeConfig::default(),
            settings: crate::settings::Settings::default(),
        };
        let error = Sqlite::configure(&mut spec).unwrap_err().to_string();
        assert!(
            error.ends_with("[sqlite_database.log]\ntype = \"spin\"\npath = \"log.db\""),
            "{error}"
        );
    }
}
