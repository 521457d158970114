//! Key-value stores: `spin:key-value/key-value@3.0.0` (asynchronous) and `fermyon:spin/key-value@2.0.0` (synchronous), both over the
//! same embedded SQLite file, in the layout of Spin's own. A component opens the labels that its `key_value_stores` names, and no other.
//!
//! Without a runtime config there is the label `default`, as with stock Spin; `[key_value_store.LABEL]` with `type = "spin"` and
//! `path = "file.db"` adds others.

use crate::capability::{AppSpec, Capability};
use crate::ctx::Ctx;
use crate::database::{Database, blocking};
use anyhow::{Context as _, bail};
use rusqlite::types::FromSqlError;
use rusqlite::{Connection, MAIN_DB, OptionalExtension as _};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
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
        path: ["../../wit/deps/spin-key-value@3.0.0", "../../wit/deps/fermyon-spin@2.0.0"],
        inline: "
            package cinecor:host-key-value;
            world imports {
                import spin:key-value/key-value@3.0.0;
                import fermyon:spin/key-value@2.0.0;
            }
        ",
        world: "cinecor:host-key-value/imports",
        imports: { default: async | trappable },
        with: {
            "spin:key-value/key-value.store": super::Store,
            "fermyon:spin/key-value.store": super::Store,
        },
    });
}

use bindings::fermyon::spin::key_value as v2;
use bindings::spin::key_value::key_value as v3;

/// Largest value in bytes: what Spin's host hands to a guest at most. A larger one is refused when it is set, for it could never be read.
pub const VALUE_BYTES_MAX: usize = 128 << 20;
/// Stores that one instance may hold open, as with Spin.
const STORES_MAX: usize = 256;
/// Name of the file of the label `default` in the state folder, as Spin names it.
const DEFAULT_FILE: &str = "sqlite_key_value.db";

/// The stores of an application.
#[derive(Debug)]
pub struct KeyValue {
    /// By component, the stores that it may open, by label.
    granted: BTreeMap<String, Arc<Grants>>,
    /// What the host itself reads named graphs from.
    graphs: Option<Arc<GraphReader>>,
}

type Grants = BTreeMap<String, Arc<StoreFile>>;

/// Stores of one instance.
pub struct State {
    grants: Arc<Grants>,
    open: usize,
}

/// An open store, as a guest holds it.
pub struct Store {
    label: Arc<str>,
    file: Arc<StoreFile>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum StoreConfig {
    /// An SQLite file of its own; without a path it shares the file of `default`.
    Spin { path: Option<PathBuf> },
}

impl Capability for KeyValue {
    type State = State;

    fn init(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
        v3::add_to_linker::<_, Access>(linker, view)?;
        v2::add_to_linker::<_, Access>(linker, view)
    }

    fn configure(app: &mut AppSpec) -> anyhow::Result<Self> {
        let mut configured: BTreeMap<String, StoreConfig> = app
            .runtime_config
            .take("key_value_store")
            .context("this host has key-value stores of type \"spin\" only")?
            .unwrap_or_default();
        configured
            .entry("default".to_owned())
            .or_insert(StoreConfig::Spin { path: None });
        let mut files: BTreeMap<PathBuf, Arc<StoreFile>> = BTreeMap::new();
        let mut open = |label: &str, path: &Option<PathBuf>| -> anyhow::Result<Arc<StoreFile>> {
            let path = app
                .state_dir
                .join(path.as_deref().unwrap_or(Path::new(DEFAULT_FILE)));
            if let Some(file) = files.get(&path) {
                return Ok(file.clone());
            }
            let file = Arc::new(
                StoreFile::open(&path)
                    .with_context(|| format!("the key-value store {label:?} cannot be opened"))?,
            );
            files.insert(path, file.clone());
            Ok(file)
        };
        let mut granted = BTreeMap::new();
        for (id, component) in &app.manifest.components {
            let mut grants = Grants::new();
            for label in &component.key_value_stores {
                let Some(StoreConfig::Spin { path }) = configured.get(label) else {
                    bail!(
                        "[component.{id}] has key_value_stores = [{label:?}], and there is no such store. Without a runtime config \
                         there is \"default\" only; add to the file of --runtime-config-file:\n\
                         [key_value_store.{label}]\ntype = \"spin\"\npath = \"{label}.db\""
                    );
                };
                grants.insert(label.clone(), open(label, path)?);
            }
            granted.insert(id.clone(), Arc::new(grants));
        }
        let graphs = match &app.settings.nn.store {
            None => None,
            Some(label) => {
                let Some(StoreConfig::Spin { path }) = configured.get(label) else {
                    bail!(
                        "the settings have `nn.store` = {label:?}, and there is no such key-value store; without a runtime config there is \
                         \"default\" only"
                    );
                };
                Some(Arc::new(GraphReader {
                    label: label.clone(),
                    file: open(label, path)?,
                }))
            }
        };
        Ok(Self { granted, graphs })
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

impl KeyValue {
    /// The store of named graphs that the settings name.
    pub fn graphs(&self) -> Option<Arc<dyn cinecor_nn::GraphStore>> {
        let graphs = self.graphs.clone()?;
        Some(graphs)
    }
}

/// One store, as inference reads graphs from it.
#[derive(Debug)]
struct GraphReader {
    label: String,
    file: Arc<StoreFile>,
}

impl cinecor_nn::GraphStore for GraphReader {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        self.file
            .get(&self.label, key)
            .map_err(|error| error.to_string())
    }
}

/// Gives the interfaces their part of the store's data.
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
        state: &mut ctx.key_value,
        table: &mut ctx.table,
    }
}

impl View<'_> {
    fn open(&mut self, label: &str) -> wasmtime::Result<Result<Resource<Store>, v3::Error>> {
        let Some(file) = self.state.grants.get(label) else {
            tracing::warn!(
                component = self.component,
                label,
                "a key-value store was refused; to grant it, add to [component.{}] of spin.toml: key_value_stores = [{label:?}]",
                self.component
            );
            return Ok(Err(v3::Error::AccessDenied));
        };
        if self.state.open >= STORES_MAX {
            return Ok(Err(v3::Error::StoreTableFull));
        }
        let store = self.table.push(Store {
            label: label.into(),
            file: file.clone(),
        })?;
        self.state.open += 1;
        Ok(Ok(store))
    }

    fn store(&self, store: &Resource<Store>) -> wasmtime::Result<(Arc<StoreFile>, Arc<str>)> {
        let store = self.table.get(store)?;
        Ok((store.file.clone(), store.label.clone()))
    }

    fn close(&mut self, store: Resource<Store>) -> wasmtime::Result<()> {
        self.table.delete(store)?;
        self.state.open = self.state.open.saturating_sub(1);
        Ok(())
    }
}

/// What `action` gives for a guest's store, on a thread that may block.
async fn on_store<T, R: Send + 'static>(
    accessor: &Accessor<T, Access>,
    store: Resource<Store>,
    action: impl FnOnce(&StoreFile, &str) -> Result<R, StoreError> + Send + 'static,
) -> wasmtime::Result<Result<R, v3::Error>> {
    let (file, label) = accessor.with(|mut access| access.get().store(&store))?;
    Ok(blocking(move || action(&file, &label))
        .await?
        .map_err(v3::Error::from))
}

impl v3::Host for View<'_> {}

impl v3::HostStore for View<'_> {
    async fn drop(&mut self, store: Resource<Store>) -> wasmtime::Result<()> {
        self.close(store)
    }
}

impl<T: Send> v3::HostStoreWithStore<T> for Access {
    async fn open(
        accessor: &Accessor<T, Self>,
        label: String,
    ) -> wasmtime::Result<Result<Resource<Store>, v3::Error>> {
        accessor.with(|mut access| access.get().open(&label))
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        store: Resource<Store>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, v3::Error>> {
        on_store(accessor, store, move |file, label| file.get(label, &key)).await
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        store: Resource<Store>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), v3::Error>> {
        on_store(accessor, store, move |file, label| {
            file.set(label, &key, &value)
        })
        .await
    }

    async fn delete(
        accessor: &Accessor<T, Self>,
        store: Resource<Store>,
        key: String,
    ) -> wasmtime::Result<Result<(), v3::Error>> {
        on_store(accessor, store, move |file, label| file.delete(label, &key)).await
    }

    async fn exists(
        accessor: &Accessor<T, Self>,
        store: Resource<Store>,
        key: String,
    ) -> wasmtime::Result<Result<bool, v3::Error>> {
        on_store(accessor, store, move |file, label| file.exists(label, &key)).await
    }

    async fn get_keys(
        accessor: &Accessor<T, Self>,
        store: Resource<Store>,
    ) -> wasmtime::Result<(StreamReader<String>, FutureReader<Result<(), v3::Error>>)> {
        let (keys, result) = match on_store(accessor, store, |file, label| file.keys(label)).await?
        {
            Ok(keys) => (keys, Ok(())),
            Err(error) => (Vec::new(), Err(error)),
        };
        accessor.with(|mut access| {
            let keys = StreamReader::new(&mut access, keys)?;
            let result =
                FutureReader::new(&mut access, async move { wasmtime::error::Ok(result) })?;
            Ok((keys, result))
        })
    }
}

impl View<'_> {
    async fn on_store<R: Send + 'static>(
        &mut self,
        store: Resource<Store>,
        action: impl FnOnce(&StoreFile, &str) -> Result<R, StoreError> + Send + 'static,
    ) -> wasmtime::Result<Result<R, v2::Error>> {
        let (file, label) = self.store(&store)?;
        Ok(blocking(move || action(&file, &label))
            .await?
            .map_err(|error| v3::Error::from(error).into()))
    }
}

impl v2::Host for View<'_> {}

impl v2::HostStore for View<'_> {
    async fn open(
        &mut self,
        label: String,
    ) -> wasmtime::Result<Result<Resource<Store>, v2::Error>> {
        Ok(View::open(self, &label)?.map_err(Into::into))
    }

    async fn get(
        &mut self,
        store: Resource<Store>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, v2::Error>> {
        self.on_store(store, move |file, label| file.get(label, &key))
            .await
    }

    async fn set(
        &mut self,
        store: Resource<Store>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), v2::Error>> {
        self.on_store(store, move |file, label| file.set(label, &key, &value))
            .await
    }

    async fn delete(
        &mut self,
        store: Resource<Store>,
        key: String,
    ) -> wasmtime::Result<Result<(), v2::Error>> {
        self.on_store(store, move |file, label| file.delete(label, &key))
            .await
    }

    async fn exists(
        &mut self,
        store: Resource<Store>,
        key: String,
    ) -> wasmtime::Result<Result<bool, v2::Error>> {
        self.on_store(store, move |file, label| file.exists(label, &key))
            .await
    }

    async fn get_keys(
        &mut self,
        store: Resource<Store>,
    ) -> wasmtime::Result<Result<Vec<String>, v2::Error>> {
        self.on_store(store, |file, label| file.keys(label)).await
    }

    async fn drop(&mut self, store: Resource<Store>) -> wasmtime::Result<()> {
        self.close(store)
    }
}

impl From<v3::Error> for v2::Error {
    fn from(error: v3::Error) -> Self {
        match error {
            v3::Error::StoreTableFull => Self::StoreTableFull,
            v3::Error::NoSuchStore => Self::NoSuchStore,
            v3::Error::AccessDenied => Self::AccessDenied,
            v3::Error::Other(text) => Self::Other(text),
        }
    }
}

impl From<StoreError> for v3::Error {
    fn from(error: StoreError) -> Self {
        Self::Other(error.to_string())
    }
}

/// Why a store did not do what was asked. The texts hold neither keys nor values.
#[derive(Debug, thiserror::Error)]
enum StoreError {
    #[error(
        "the value is {bytes} bytes long, a store takes at most {VALUE_BYTES_MAX}; split it over several keys"
    )]
    TooLarge { bytes: usize },
    #[error("the key-value store's file failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// One file of stores. Reads run beside one another and beside a write; writes queue.
#[derive(Debug)]
struct StoreFile {
    database: Database,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
}

impl StoreFile {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let database = Database::open(path)?;
        let writer = database.connect()?;
        // Spin's own table, so that a state folder can move between Spin and this host.
        writer.execute_batch(
            "CREATE TABLE IF NOT EXISTS spin_key_value (
                 store TEXT NOT NULL,
                 key   TEXT NOT NULL,
                 value BLOB NOT NULL,
                 PRIMARY KEY (store, key)
             )",
        )?;
        Ok(Self {
            database,
            writer: Mutex::new(writer),
            readers: Mutex::default(),
        })
    }

    fn read<R>(
        &self,
        action: impl FnOnce(&Connection) -> rusqlite::Result<R>,
    ) -> rusqlite::Result<R> {
        let idle = self
            .readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.database.connect()?,
        };
        let result = action(&connection);
        self.readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
        result
    }

    /// The value, read into the place that it is handed on in: a row's value would be in memory twice, and copied once more.
    fn get(&self, store: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.read(|connection| {
            // One view of the file for both steps: the row number is that of this key and no other.
            let view = connection.unchecked_transaction()?;
            let found = view
                .prepare_cached(
                    "SELECT rowid, typeof(value) = 'blob' FROM spin_key_value WHERE store = ?1 AND key = ?2",
                )?
                .query_row([store, key], |row| Ok((row.get(0)?, row.get::<_, bool>(1)?)))
                .optional()?;
            let Some((row, is_blob)) = found else {
                return Ok(None);
            };
            // Another program may have put it there: a blob is what SQLite opens a text as, too.
            if !is_blob {
                return Err(FromSqlError::InvalidType.into());
            }
            let blob = view.blob_open(MAIN_DB, "spin_key_value", "value", row, true)?;
            if blob.len() > VALUE_BYTES_MAX {
                return Ok(Some(Err(blob.len())));
            }
            let mut value = vec![0; blob.len()];
            blob.read_at_exact(&mut value, 0)?;
            Ok(Some(Ok(value)))
        })?;
        match found {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(bytes)) => Err(StoreError::TooLarge { bytes }),
        }
    }

    fn set(&self, store: &str, key: &str, value: &[u8]) -> Result<(), StoreError> {
        if value.len() > VALUE_BYTES_MAX {
            return Err(StoreError::TooLarge { bytes: value.len() });
        }
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction =
            writer.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let replaced = transaction
            .prepare_cached("UPDATE spin_key_value SET value = ?3 WHERE store = ?1 AND key = ?2")?
            .execute(rusqlite::params![store, key, value])?
            > 0;
        if !replaced {
            transaction
                .prepare_cached(
                    "INSERT INTO spin_key_value (store, key, value) VALUES (?1, ?2, ?3)",
                )?
                .execute(rusqlite::params![store, key, value])?;
        }
        transaction.commit()?;
        if replaced {
            self.database.erased(&writer);
        } else {
            self.database.written();
        }
        Ok(())
    }

    fn delete(&self, store: &str, key: &str) -> Result<(), StoreError> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let deleted = writer
            .prepare_cached("DELETE FROM spin_key_value WHERE store = ?1 AND key = ?2")?
            .execute([store, key])?;
        if deleted > 0 {
            self.database.erased(&writer);
        }
        Ok(())
    }

    fn exists(&self, store: &str, key: &str) -> Result<bool, StoreError> {
        Ok(self.read(|connection| {
            connection
                .prepare_cached("SELECT 1 FROM spin_key_value WHERE store = ?1 AND key = ?2")?
                .exists([store, key])
        })?)
    }

    fn keys(&self, store: &str) -> Result<Vec<String>, StoreError> {
        Ok(self.read(|connection| {
            connection
                .prepare_cached("SELECT key FROM spin_key_value WHERE store = ?1 ORDER BY key")?
                .query_map([store], |row| row.get(0))?
                .collect()
        })?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::holds;

    fn spec(manifest: &str, runtime_config: &str, state_dir: &Path) -> AppSpec {
        AppSpec {
            manifest: crate::manifest::Manifest::parse(manifest).unwrap(),
            base: PathBuf::new(),
            state_dir: state_dir.to_owned(),
            variables: BTreeMap::new(),
            runtime_config: crate::runtime_config::RuntimeConfig::parse(runtime_config).unwrap(),
            settings: crate::settings::Settings::default(),
        }
    }

    fn manifest(stores: &str) -> String {
        format!(
            "spin_manifest_version = 2\n[application]\nname = \"t\"\n[[trigger.http]]\nroute = \"/...\"\ncomponent = \"a\"\n\
             [component.a]\nsource = \"a.wasm\"\nkey_value_stores = [{stores}]\n"
        )
    }

    #[test]
    fn what_was_set_is_there_after_opening_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kv.db");
        {
            let file = StoreFile::open(&path).unwrap();
            file.set("default", "a", b"1").unwrap();
            file.set("default", "b", b"").unwrap();
            file.set("other", "a", b"2").unwrap();
        }
        let file = StoreFile::open(&path).unwrap();
        assert_eq!(
            file.get("default", "a").unwrap().as_deref(),
            Some(&b"1"[..])
        );
        assert_eq!(file.get("default", "b").unwrap().as_deref(), Some(&b""[..]));
        assert_eq!(file.get("other", "a").unwrap().as_deref(), Some(&b"2"[..]));
        assert_eq!(file.keys("default").unwrap(), ["a", "b"]);
        assert!(file.exists("other", "a").unwrap());
        assert!(!file.exists("other", "b").unwrap());
        file.delete("default", "a").unwrap();
        file.delete("default", "never there").unwrap();
        assert_eq!(file.get("default", "a").unwrap(), None);
    }

    #[test]
    fn a_value_of_any_length_comes_back_and_one_that_is_no_bytes_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = StoreFile::open(&folder.path().join("kv.db")).unwrap();
        // Within a page of the file, at its borders, and over many.
        for bytes in [0, 1, 4000, 4096, 8192, 1_000_003] {
            let value: Vec<u8> = (0_u32..bytes).map(|at| (at % 251) as u8).collect();
            file.set("default", "a", &value).unwrap();
            assert_eq!(file.get("default", "a").unwrap(), Some(value), "{bytes}");
        }
        let other = file.database.connect().unwrap();
        for no_bytes in ["5", "'text'"] {
            other
                .execute(&format!("UPDATE spin_key_value SET value = {no_bytes}"), [])
                .unwrap();
            let error = file.get("default", "a").unwrap_err();
            assert!(matches!(error, StoreError::Sqlite(_)), "{error}");
        }
        file.set("default", "a", b"again").unwrap();
        assert_eq!(
            file.get("default", "a").unwrap().as_deref(),
            Some(&b"again"[..])
        );
    }

    #[test]
    fn neither_deleted_nor_replaced_values_stay_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let file = StoreFile::open(&folder.path().join("kv.db")).unwrap();
        let (one, two) = (b"voxels-of-one".repeat(5000), b"voxels-of-two".repeat(5000));
        file.set("default", "frame", &one).unwrap();
        assert!(holds(folder.path(), b"voxels-of-one"));
        file.set("default", "frame", &two).unwrap();
        assert!(!holds(folder.path(), b"voxels-of-one"));
        assert!(holds(folder.path(), b"voxels-of-two"));
        file.delete("default", "frame").unwrap();
        assert!(!holds(folder.path(), b"voxels-of-two"));
    }

    #[test]
    fn refuses_a_value_that_could_never_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = StoreFile::open(&folder.path().join("kv.db")).unwrap();
        let error = file
            .set("default", "a", &vec![0; VALUE_BYTES_MAX + 1])
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the value is 134217729 bytes long, a store takes at most 134217728; split it over several keys"
        );
        assert!(!file.exists("default", "a").unwrap());
    }

    #[test]
    fn a_label_without_a_store_is_an_error_that_says_what_to_add() {
        let folder = tempfile::tempdir().unwrap();
        let error = KeyValue::configure(&mut spec(
            &manifest("\"default\", \"cache\""),
            "",
            folder.path(),
        ))
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "[component.a] has key_value_stores = [\"cache\"], and there is no such store. Without a runtime config there is \
             \"default\" only; add to the file of --runtime-config-file:\n[key_value_store.cache]\ntype = \"spin\"\npath = \"cache.db\""
        );
    }

    #[test]
    fn the_runtime_config_adds_labels() {
        let folder = tempfile::tempdir().unwrap();
        let config = "[key_value_store.cache]\ntype = \"spin\"\npath = \"cache.db\"\n";
        let stores =
            KeyValue::configure(&mut spec(&manifest("\"cache\""), config, folder.path())).unwrap();
        let state = stores.prepare("a").unwrap();
        assert!(state.grants.contains_key("cache"));
        assert!(!state.grants.contains_key("default"));
        assert!(folder.path().join("cache.db").exists());
        assert!(stores.prepare("b").is_err());
    }

    #[test]
    fn another_type_of_store_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let config = "[key_value_store.default]\ntype = \"redis\"\nurl = \"redis://localhost\"\n";
        let error = KeyValue::configure(&mut spec(&manifest("\"default\""), config, folder.path()))
            .unwrap_err();
        assert!(
            format!("{error:#}").contains("unknown variant `redis`"),
            "{error:#}"
        );
    }
}
