//! SQLite files that hold what must not be lost and what must not stay: a committed transaction survives the end of the process at
//! any moment, and content that was deleted is overwritten, in the file and in its log. It knows nothing of what the tables mean;
//! [`crate::key_value`] and [`crate::sqlite`] do.
//!
//! Every function here may block and belongs on a thread that may, see [`blocking`].

use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Pages of a new file. Most of what is kept are values of a megabyte, which are read and written page by page; SQLite's own 4 KiB are four
/// times as many.
const PAGE_BYTES: u32 = 16 << 10;
/// After so many bytes in the log SQLite begins to bring it into the file: as many as with its own pages and its own thousand of them.
const LOG_BYTES: u32 = 4 << 20;
/// How long a statement waits for another connection's write to end before it fails as busy.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// How long a deletion waits for readers of older content before it leaves the rest to the sweeper.
const ERASE_WAIT: Duration = Duration::from_millis(250);
/// How often the sweeper tries again while readers hold older content.
const SWEEP_AGAIN: Duration = Duration::from_millis(200);
/// How long a file has to be left alone before its log is emptied without a deletion.
const QUIET: Duration = Duration::from_secs(2);

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The folder or the file cannot be made.
    #[error("cannot make {}: {source}; check that the folder can be written to", path.display())]
    Create {
        /// Folder or file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is there and SQLite cannot use it.
    #[error("cannot open the database {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The thread that empties the log cannot be started.
    #[error("cannot start the thread that empties the log of {}: {source}", path.display())]
    Sweeper {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// One file, ready for connections.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    notes: Sender<Note>,
}

/// What the sweeper is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Note {
    /// Something was written; the log can be emptied when the file is left alone.
    Written,
    /// Something was deleted and the log may still hold it.
    Erased,
}

impl Database {
    /// Opens the file, making it and its folder if they are not there. What an earlier process left in the log is brought into the file.
    ///
    /// # Errors
    /// See [`DatabaseError`].
    pub fn open(path: &Path) -> Result<Self, DatabaseError> {
        create(path)?;
        let opened = |source| DatabaseError::Open {
            path: path.to_owned(),
            source,
        };
        let connection = connect(path).map_err(opened)?;
        // Does nothing to a file that has pages already.
        connection
            .pragma_update(None, "page_size", PAGE_BYTES)
            .map_err(opened)?;
        // Kept by the file itself, so set once. A reader never waits for a writer with it.
        let mode: String = connection
            .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
            .map_err(opened)?;
        if mode != "wal" {
            // For instance on a network file system without shared memory.
            return Err(opened(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
                Some(format!(
                    "the journal mode is `{mode}` and must be `wal`; put the state folder on a local file system"
                )),
            )));
        }
        empty_log(&connection, ERASE_WAIT).map_err(opened)?;
        let (notes, inbox) = channel();
        std::thread::Builder::new()
            .name("database-sweeper".to_owned())
            // The sweeper's connection stays open as long as the file is used: SQLite would else tidy up whenever the last one closes.
            .spawn(move || sweep(&connection, &inbox))
            .map_err(|source| DatabaseError::Sweeper {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self {
            path: path.to_owned(),
            notes,
        })
    }

    /// A connection of its own.
    ///
    /// # Errors
    /// What SQLite said.
    pub fn connect(&self) -> rusqlite::Result<Connection> {
        connect(&self.path)
    }

    /// To be called after a commit that deleted or replaced content: empties the log, so that the content is nowhere on disk any more.
    /// Where a reader still needs the older content, that is done as soon as the reader is through.
    pub fn erased(&self, connection: &Connection) {
        match empty_log(connection, ERASE_WAIT) {
            Ok(true) => {}
            Ok(false) => self.note(Note::Erased),
            Err(error) => {
                tracing::warn!(database = %self.path.display(), %error, "the log could not be emptied; trying again");
                self.note(Note::Erased);
            }
        }
    }

    /// To be called after any other commit.
    pub fn written(&self) {
        self.note(Note::Written);
    }

    fn note(&self, note: Note) {
        // The sweeper ends with the last sender only.
        let _ = self.notes.send(note);
    }
}

fn create(path: &Path) -> Result<(), DatabaseError> {
    let made = |path: &Path, source| DatabaseError::Create {
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|source| made(folder, source))?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // SQLite gives its log the permissions of the file.
        options.mode(0o600);
    }
    options.open(path).map_err(|source| made(path, source))?;
    Ok(())
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // No URI: a file name is a file name. No mutex: a connection is used by one thread at a time.
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY_WAIT)?;
    // FULL: a commit is on disk when it returns. Temporary tables and sorting stay in memory, not in files that nobody overwrites.
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;",
    )?;
    let page_bytes: u32 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_BYTES / page_bytes.max(1))?;
    Ok(connection)
}

/// Brings the log into the file and cuts it to nothing. `false` if a reader or writer was in the way for longer than `wait`.
fn empty_log(connection: &Connection, wait: Duration) -> rusqlite::Result<bool> {
    connection.busy_timeout(wait)?;
    let busy: rusqlite::Result<i64> =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
    connection.busy_timeout(BUSY_WAIT)?;
    match busy {
        Ok(busy) => Ok(busy == 0),
        Err(error) if is_busy(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked)
    )
}

fn sweep(connection: &Connection, inbox: &std::sync::mpsc::Receiver<Note>) {
    while let Ok(first) = inbox.recv() {
        let mut urgent = first == Note::Erased;
        loop {
            let mut until = Instant::now() + if urgent { SWEEP_AGAIN } else { QUIET };
            let open = loop {
                match inbox.recv_timeout(until.saturating_duration_since(Instant::now())) {
                    Ok(Note::Erased) if !urgent => {
                        urgent = true;
                        until = Instant::now() + SWEEP_AGAIN;
                    }
                    Ok(Note::Written) if !urgent => until = Instant::now() + QUIET,
                    Ok(_) => {}
                    Err(RecvTimeoutError::Timeout) => break true,
                    Err(RecvTimeoutError::Disconnected) => break false,
                }
            };
            match empty_log(connection, ERASE_WAIT) {
                Ok(true) => break,
                // A file that is only written to is tried again at the next write.
                Ok(false) if !urgent => break,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "a database's log could not be emptied");
                    if !urgent {
                        break;
                    }
                }
            }
            if !open {
                return;
            }
        }
    }
    if let Err(error) = empty_log(connection, ERASE_WAIT) {
        tracing::warn!(%error, "a database's log could not be emptied");
    }
}

/// Runs `work` on a thread that may block. A panic in there is passed on.
pub(crate) async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> wasmtime::Result<R> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| wasmtime::format_err!("a database's thread failed: {error}"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Whether any file of the folder holds the bytes.
    pub(crate) fn holds(folder: &Path, needle: &[u8]) -> bool {
        std::fs::read_dir(folder).unwrap().any(|entry| {
            let content = match std::fs::read(entry.unwrap().path()) {
                // The log goes with the last connection, perhaps just now.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return false,
                content => content.unwrap(),
            };
            content.windows(needle.len()).any(|window| window == needle)
        })
    }

    #[test]
    fn deleted_content_is_in_no_file_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("state/a.db")).unwrap();
        let connection = database.connect().unwrap();
        let secret = b"the-voxels-of-somebody";
        connection.execute_batch("CREATE TABLE t (v BLOB)").unwrap();
        // Larger than a page, so that overflow pages are freed as well.
        connection
            .execute("INSERT INTO t VALUES (?)", [secret.repeat(4096)])
            .unwrap();
        let state = folder.path().join("state");
        assert!(
            holds(&state, secret),
            "the test must be able to see the content"
        );
        connection.execute("DELETE FROM t", []).unwrap();
        assert!(
            holds(&state, secret),
            "without emptying the log the content would stay"
        );
        database.erased(&connection);
        assert!(!holds(&state, secret));
    }

    #[test]
    fn deleted_content_goes_when_the_last_reader_is_through() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("a.db")).unwrap();
        let connection = database.connect().unwrap();
        let secret = b"the-voxels-of-somebody";
        connection.execute_batch("CREATE TABLE t (v BLOB)").unwrap();
        connection
            .execute("INSERT INTO t VALUES (?)", [secret.repeat(4096)])
            .unwrap();
        let reader = database.connect().unwrap();
        reader.execute_batch("BEGIN").unwrap();
        let bytes: i64 = reader
            .query_row("SELECT length(v) FROM t", [], |row| row.get(0))
            .unwrap();
        assert!(bytes > 0);
        connection.execute("DELETE FROM t", []).unwrap();
        database.erased(&connection);
        assert!(holds(folder.path(), secret), "the reader still needs it");
        reader.execute_batch("COMMIT").unwrap();
        // The sweeper ends when nobody can write any more, and empties the log before it does.
        drop((reader, connection, database));
        let until = Instant::now() + Duration::from_secs(60);
        while holds(folder.path(), secret) {
            assert!(Instant::now() < until, "the sweeper did not empty the log");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_new_file_has_large_pages_and_one_with_others_is_taken_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (new, old) = (folder.path().join("new.db"), folder.path().join("old.db"));
        Connection::open(&old)
            .unwrap()
            .execute_batch("PRAGMA page_size = 4096; CREATE TABLE t (v); INSERT INTO t VALUES (7)")
            .unwrap();
        let page_bytes = |path: &Path| -> u32 {
            let connection = Database::open(path).unwrap().connect().unwrap();
            connection
                .execute_batch("CREATE TABLE IF NOT EXISTS t (v)")
                .unwrap();
            connection
                .query_row("PRAGMA page_size", [], |row| row.get(0))
                .unwrap()
        };
        assert_eq!((page_bytes(&new), page_bytes(&old)), (PAGE_BYTES, 4096));
        let kept: i64 = Connection::open(&old)
            .unwrap()
            .query_row("SELECT v FROM t", [], |row| row.get(0))
            .unwrap();
        assert_eq!(kept, 7);
    }

    #[test]
    fn says_which_folder_cannot_be_made() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), b"").unwrap();
        let error = Database::open(&folder.path().join("file/a.db")).unwrap_err();
        assert!(matches!(error, DatabaseError::Create { .. }), "{error}");
    }

    #[test]
    fn a_file_that_is_no_database_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        std::fs::write(&path, [7; 8192]).unwrap();
        let error = Database::open(&path).unwrap_err();
        assert!(error.to_string().contains("not a database"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_the_files() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("a.db")).unwrap();
        database
            .connect()
            .unwrap()
            .execute_batch("CREATE TABLE t (v)")
            .unwrap();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(
                entry.metadata().unwrap().permissions().mode() & 0o077,
                0,
                "{:?}",
                entry.file_name()
            );
        }
    }
}
