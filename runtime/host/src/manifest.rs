//! `spin.toml`, manifest version 2: parsed, checked, with a profile applied. It knows the shape of the manifest and nothing of how its
//! grants are given: the capabilities read them from here.
//!
//! Where this host does less than Spin the manifest is refused in words: remote sources, inline components, triggers other than
//! `http`. A key that is not known is an error that names it.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

/// Why a manifest was refused. The texts name the key and say what to do.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("cannot read the manifest {}: {source}", path.display())]
    Read {
        /// Path that was tried.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The text is not TOML, or not the shape of a manifest; the text of the parser names line and key.
    #[error("{0}")]
    Parse(#[from] toml::de::Error),
    /// Another version of the manifest's format.
    #[error(
        "spin_manifest_version is {0}, this host reads version 2; see Spin's `spin doctor` to convert older manifests"
    )]
    Version(i64),
    /// The parts contradict one another.
    #[error("{0}")]
    Invalid(String),
}

/// A manifest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    spin_manifest_version: i64,
    /// Name and description of the application.
    pub application: Application,
    /// Variables of the application, which components refer to as `{{ name }}`.
    #[serde(default)]
    pub variables: BTreeMap<String, Variable>,
    /// Triggers by their type; only `http` is served.
    #[serde(default)]
    trigger: BTreeMap<String, Vec<toml::Table>>,
    /// Components by id.
    #[serde(default, rename = "component")]
    pub components: BTreeMap<String, Component>,
    /// The HTTP triggers, in the order of the manifest.
    #[serde(skip)]
    pub http_triggers: Vec<HttpTrigger>,
}

/// The table `[application]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Name of the application.
    pub name: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// What it is.
    #[serde(default)]
    pub description: String,
    /// Who wrote it.
    #[serde(default)]
    pub authors: Vec<String>,
    /// Settings of triggers for the whole application; `http.base` was of version 1 and is refused by [`Manifest::parse`].
    #[serde(default)]
    trigger: BTreeMap<String, toml::Table>,
    /// Settings of other tools; not read.
    #[serde(default)]
    #[expect(dead_code, reason = "allowed by the format, meant for others")]
    tool: BTreeMap<String, toml::Table>,
}

/// A variable of the application.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether the application does not start without a value.
    #[serde(default)]
    pub required: bool,
    /// Its value when none is given.
    #[serde(default)]
    pub default: Option<String>,
    /// Whether the value must not be shown.
    #[serde(default)]
    pub secret: bool,
}

/// A secret's default is not printed.
impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default = if self.secret {
            self.default.as_ref().map(|_| "<secret>")
        } else {
            self.default.as_deref()
        };
        f.debug_struct("Variable")
            .field("required", &self.required)
            .field("default", &default)
            .field("secret", &self.secret)
            .finish_non_exhaustive()
    }
}

/// Which requests a component is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Paths that match the pattern, for instance `/studies/:id` or `/files/...`.
    Pattern(String),
    /// None from outside; other components reach it by service chaining.
    Private,
}

/// One `[[trigger.http]]`.
#[derive(Clone, Debug)]
pub struct HttpTrigger {
    /// Its route.
    pub route: Route,
    /// Id of the component that answers.
    pub component: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHttpTrigger {
    #[serde(default)]
    #[expect(
        dead_code,
        reason = "allowed by the format; ids of triggers are not shown anywhere"
    )]
    id: Option<String>,
    route: RawRoute,
    component: RawComponentReference,
    #[serde(default)]
    executor: Option<RawExecutor>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a route is a text such as \"/path/...\" or { private = true }"
)]
enum RawRoute {
    Pattern(String),
    Private(RawPrivate),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPrivate {
    private: bool,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a trigger's component is the id of a [component.ID] table; components written inline are not supported by this host"
)]
enum RawComponentReference {
    Id(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExecutor {
    r#type: String,
}

/// One `[component.ID]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// The WebAssembly file, relative to the manifest.
    pub source: Source,
    /// What it is.
    #[serde(default)]
    pub description: String,
    /// Its variables; values are templates over the application's variables.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Its environment variables.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Files it may read.
    #[serde(default)]
    pub files: Vec<FilesMount>,
    /// Globs of files that are left out of `files`.
    #[serde(default)]
    pub exclude_files: Vec<String>,
    /// Addresses it may send requests to, for instance `https://example.org` or `http://other.spin.internal`.
    #[serde(default)]
    pub allowed_outbound_hosts: Vec<String>,
    /// Labels of key-value stores it may open.
    #[serde(default)]
    pub key_value_stores: Vec<String>,
    /// Labels of SQLite databases it may open.
    #[serde(default)]
    pub sqlite_databases: Vec<String>,
    /// Language models it may use; this host has none and refuses a name in here.
    #[serde(default)]
    pub ai_models: Vec<String>,
    /// Environments it is meant for; not read.
    #[serde(default)]
    #[expect(dead_code, reason = "allowed by the format, meant for `spin build`")]
    targets: Vec<toml::Value>,
    /// How it is built; not read.
    #[serde(default)]
    #[expect(dead_code, reason = "allowed by the format, meant for `spin build`")]
    build: Option<toml::Table>,
    /// Settings of other tools; not read.
    #[serde(default)]
    #[expect(dead_code, reason = "allowed by the format, meant for others")]
    tool: BTreeMap<String, toml::Table>,
    /// Whether its dependencies may use all that it may use.
    #[serde(default)]
    pub dependencies_inherit_configuration: bool,
    /// Components that are composed under it, by the import that they satisfy (`package:name/interface@version`, or a whole package).
    #[serde(default)]
    pub dependencies: BTreeMap<String, Dependency>,
    /// Overrides by the name of a profile.
    #[serde(default)]
    profile: BTreeMap<String, ProfileOverride>,
}

/// Where a component's WebAssembly comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a source is the path of a WebAssembly file; sources by url or registry are not fetched by this host"
)]
pub enum Source {
    /// A file, relative to the manifest.
    Path(PathBuf),
}

impl Source {
    /// The file, relative to the manifest.
    pub fn path(&self) -> &Path {
        let Self::Path(path) = self;
        path
    }
}

/// One item of `files`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    expecting = "an item of files is a glob such as \"assets/**\" or { source = \"folder\", destination = \"/path\" }"
)]
pub enum FilesMount {
    /// A glob, relative to the manifest; the files appear under `/` at the same relative paths.
    Pattern(String),
    /// A folder or a file at a place.
    Placement(Placement),
}

/// A folder or file at a place of the guest's file tree.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placement {
    /// Folder or file, relative to the manifest.
    pub source: PathBuf,
    /// Absolute path that the guest sees.
    pub destination: String,
}

/// A component that is composed under another.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    expecting = "a dependency is { path = \"file.wasm\" } or { component = \"id\" }, with `export` and `inherit_configuration` as wanted; \
               dependencies by version, registry or url are not fetched by this host"
)]
pub enum Dependency {
    /// A WebAssembly file.
    Path(PathDependency),
    /// Another component of the manifest.
    Component(ComponentDependency),
}

/// A dependency given by a file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathDependency {
    /// The file, relative to the manifest.
    pub path: PathBuf,
    /// The export that satisfies the import, when its name differs.
    #[serde(default)]
    pub export: Option<String>,
    /// Whether it may use what its parent may use.
    #[serde(default)]
    pub inherit_configuration: Option<InheritConfiguration>,
}

/// A dependency given by a component of the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentDependency {
    /// Id of the component.
    pub component: String,
    /// The export that satisfies the import, when its name differs.
    #[serde(default)]
    pub export: Option<String>,
    /// Whether it may use what its parent may use.
    #[serde(default)]
    pub inherit_configuration: Option<InheritConfiguration>,
}

/// What of its parent's grants a dependency may use.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    expecting = "inherit_configuration is true, false or a list of keys such as [\"key_value_stores\"]"
)]
pub enum InheritConfiguration {
    /// All or nothing.
    All(bool),
    /// The named ones.
    Some(Vec<String>),
}

/// What a profile may override.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileOverride {
    #[serde(default)]
    source: Option<Source>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    dependencies: BTreeMap<String, Dependency>,
    #[serde(default)]
    #[expect(dead_code, reason = "allowed by the format, meant for `spin build`")]
    build: Option<toml::Table>,
}

impl Manifest {
    /// Reads and checks the manifest at `path`.
    ///
    /// # Errors
    /// See [`ManifestError`].
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let text = std::fs::read_to_string(path).map_err(|source| ManifestError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text)
    }

    /// Parses and checks the text of a manifest.
    ///
    /// # Errors
    /// See [`ManifestError`].
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        // The version first: the keys of another version would be reported one by one as unknown.
        #[derive(Deserialize)]
        struct Version {
            spin_manifest_version: Option<toml::Value>,
        }
        match toml::from_str::<Version>(text)?.spin_manifest_version {
            Some(toml::Value::Integer(2)) => {}
            Some(toml::Value::Integer(other)) => return Err(ManifestError::Version(other)),
            Some(toml::Value::String(other)) if other == "1" => {
                return Err(ManifestError::Version(1));
            }
            Some(other) => {
                return Err(invalid(format!(
                    "spin_manifest_version is {other}, it must be the number 2"
                )));
            }
            None => {
                return Err(invalid(
                    "the manifest has no spin_manifest_version; write `spin_manifest_version = 2` as its first line",
                ));
            }
        }
        let mut manifest: Self = toml::from_str(text)?;
        debug_assert_eq!(manifest.spin_manifest_version, 2);
        manifest.http_triggers = http_triggers(&manifest.trigger)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Whether a component knows a profile of this name.
    pub fn has_profile(&self, name: &str) -> bool {
        self.components
            .values()
            .any(|component| component.profile.contains_key(name))
    }

    /// The manifest with the overrides of a profile applied; components that do not know the profile stay as they are.
    ///
    /// # Errors
    /// A profile that no component knows.
    pub fn with_profile(mut self, name: &str) -> Result<Self, ManifestError> {
        if !self.has_profile(name) {
            let known: BTreeSet<_> = self
                .components
                .values()
                .flat_map(|component| component.profile.keys())
                .cloned()
                .collect();
            return Err(invalid(format!(
                "no component has a profile `{name}`; the manifest knows {}",
                quoted_list(known.iter(), "no profiles")
            )));
        }
        for component in self.components.values_mut() {
            if let Some(overrides) = component.profile.get(name).cloned() {
                if let Some(source) = overrides.source {
                    component.source = source;
                }
                component.environment.extend(overrides.environment);
                component.dependencies.extend(overrides.dependencies);
            }
        }
        self.check()?;
        Ok(self)
    }

    /// The manifest with only the named components, and the triggers of these.
    ///
    /// # Errors
    /// An id that the manifest does not know.
    pub fn with_only(mut self, ids: &[String]) -> Result<Self, ManifestError> {
        for id in ids {
            if !self.components.contains_key(id) {
                return Err(invalid(format!(
                    "there is no component `{id}`; the manifest has {}",
                    quoted_list(self.components.keys(), "none")
                )));
            }
        }
        // Components that kept ones are composed of stay in the manifest; without a trigger they are not served.
        self.http_triggers
            .retain(|trigger| ids.contains(&trigger.component));
        Ok(self)
    }

    /// Ids of the components that are served, each once, in the order of their first trigger.
    pub fn served_components(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        self.http_triggers
            .iter()
            .map(|trigger| trigger.component.as_str())
            .filter(|id| seen.insert(*id))
            .collect()
    }

    fn check(&self) -> Result<(), ManifestError> {
        if let Some(settings) = self.application.trigger.get("http")
            && let Some(key) = settings.keys().next()
        {
            return Err(invalid(format!(
                "[application.trigger.http] has the key `{key}`, which this host does not know; write the whole path into each route"
            )));
        }
        for (name, variable) in &self.variables {
            check_variable_name(name)
                .map_err(|why| invalid(format!("[variables] `{name}`: {why}")))?;
            if variable.required && variable.default.is_some() {
                return Err(invalid(format!(
                    "[variables] `{name}` is required and has a default; it can be only one of them"
                )));
            }
            if !variable.required && variable.default.is_none() {
                return Err(invalid(format!(
                    "[variables] `{name}` needs `required = true` or a `default`"
                )));
            }
        }
        for trigger in &self.http_triggers {
            if !self.components.contains_key(&trigger.component) {
                return Err(invalid(format!(
                    "a [[trigger.http]] names the component `{}`, which the manifest does not have; it has {}",
                    trigger.component,
                    quoted_list(self.components.keys(), "none")
                )));
            }
        }
        for (id, component) in &self.components {
            check_component(id, component, &self.components)?;
        }
        Ok(())
    }
}

fn http_triggers(
    triggers: &BTreeMap<String, Vec<toml::Table>>,
) -> Result<Vec<HttpTrigger>, ManifestError> {
    if let Some(other) = triggers.keys().find(|kind| *kind != "http") {
        return Err(invalid(format!(
            "the manifest has a trigger of type `{other}`; this host serves `http` only"
        )));
    }
    let mut out = Vec::new();
    for (index, table) in triggers.get("http").into_iter().flatten().enumerate() {
        let number = index + 1;
        let raw: RawHttpTrigger = table.clone().try_into().map_err(|error: toml::de::Error| {
            invalid(format!(
                "[[trigger.http]] number {number}: {}",
                error.message()
            ))
        })?;
        let route = match raw.route {
            RawRoute::Pattern(pattern) => Route::Pattern(pattern),
            RawRoute::Private(RawPrivate { private: true }) => Route::Private,
            RawRoute::Private(RawPrivate { private: false }) => {
                return Err(invalid(format!(
                    "[[trigger.http]] number {number}: a route is `{{ private = true }}` or a path, not `private = false`"
                )));
            }
        };
        if let Some(executor) = raw.executor
            && !matches!(executor.r#type.as_str(), "http" | "spin")
        {
            return Err(invalid(format!(
                "[[trigger.http]] number {number}: the executor `{}` is not served by this host; it serves components of wasi:http",
                executor.r#type
            )));
        }
        let RawComponentReference::Id(component) = raw.component;
        out.push(HttpTrigger { route, component });
    }
    Ok(out)
}

fn check_component(
    id: &str,
    component: &Component,
    all: &BTreeMap<String, Component>,
) -> Result<(), ManifestError> {
    let at = |why: String| invalid(format!("[component.{id}] {why}"));
    let kebab = !id.is_empty()
        && id.split('-').all(|word| {
            word.chars()
                .next()
                .is_some_and(|first| first.is_ascii_alphabetic())
                && word.chars().all(|letter| letter.is_ascii_alphanumeric())
        });
    if !kebab {
        return Err(at(
            "an id is words of letters and digits joined by `-`, each starting with a letter"
                .to_owned(),
        ));
    }
    if let Some(model) = component.ai_models.first() {
        return Err(at(format!(
            "ai_models names `{model}`; this host has no language models"
        )));
    }
    for name in component.variables.keys() {
        check_variable_name(name).map_err(|why| at(format!("variables `{name}`: {why}")))?;
    }
    for mount in &component.files {
        if let FilesMount::Placement(placement) = mount
            && !placement.destination.starts_with('/')
        {
            return Err(at(format!(
                "files: the destination `{}` must be an absolute path such as \"/{}\"",
                placement.destination, placement.destination
            )));
        }
    }
    for (name, dependency) in &component.dependencies {
        if let Dependency::Component(dependency) = dependency
            && !all.contains_key(&dependency.component)
        {
            return Err(at(format!(
                "dependencies \"{name}\": there is no component `{}`",
                dependency.component
            )));
        }
    }
    Ok(())
}

/// Names of variables: lower-case words joined by single underscores, as Spin has them.
fn check_variable_name(name: &str) -> Result<(), &'static str> {
    let word = |word: &str| {
        !word.is_empty()
            && word
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
    };
    if name.starts_with(|first: char| first.is_ascii_lowercase()) && name.split('_').all(word) {
        Ok(())
    } else {
        Err("a name is lower-case words joined by single underscores, starting with a letter")
    }
}

fn invalid(text: impl Into<String>) -> ManifestError {
    ManifestError::Invalid(text.into())
}

fn quoted_list<'a>(names: impl Iterator<Item = &'a String>, none: &str) -> String {
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        none.to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "spin_manifest_version = 2\n[application]\nname = \"x\"\n";

    fn refusal(rest: &str) -> String {
        Manifest::parse(&format!("{HEAD}{rest}"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn reads_all_that_spin_has_for_http() {
        let manifest = Manifest::parse(
            r#"
            spin_manifest_version = 2
            [application]
            name = "all"
            version = "1.0.0"
            description = "d"
            authors = ["a"]
            [variables]
            token = { required = true, secret = true }
            greeting = { default = "hi", description = "what to say" }
            [[trigger.http]]
            id = "first"
            route = "/..."
            component = "front"
            executor = { type = "http" }
            [[trigger.http]]
            route = { private = true }
            component = "back"
            [component.front]
            source = "front.wasm"
            files = ["assets/**/*", { source = "a", destination = "/b" }]
            exclude_files = ["assets/x"]
            environment = { A = "b" }
            variables = { say = "{{ greeting }}" }
            allowed_outbound_hosts = ["http://back.spin.internal"]
            key_value_stores = ["default"]
            sqlite_databases = ["default"]
            ai_models = []
            dependencies_inherit_configuration = true
            [component.front.dependencies]
            "a:b/c@0.1.0" = { path = "c.wasm", export = "d:e/f" }
            "g:h" = { component = "back", inherit_configuration = ["key_value_stores"] }
            [component.front.build]
            command = "make"
            [component.front.profile.debug]
            source = "debug.wasm"
            environment = { A = "c" }
            [component.front.tool.lint]
            level = 3
            [component.back]
            source = "back.wasm"
            "#,
        )
        .unwrap();
        assert_eq!(manifest.served_components(), ["front", "back"]);
        assert_eq!(manifest.http_triggers[1].route, Route::Private);
        let debug = manifest.clone().with_profile("debug").unwrap();
        assert_eq!(
            debug.components["front"].source.path(),
            Path::new("debug.wasm")
        );
        assert_eq!(debug.components["front"].environment["A"], "c");
        assert_eq!(
            debug.components["back"].source.path(),
            Path::new("back.wasm")
        );
        let one = manifest.with_only(&["back".to_owned()]).unwrap();
        assert_eq!(one.served_components(), ["back"]);
    }

    #[test]
    fn unknown_keys_are_named_with_their_line() {
        let error =
            refusal("[component.c]\nsource = \"c.wasm\"\nkey_value_store = [\"default\"]\n");
        assert!(error.contains("unknown field `key_value_store`"), "{error}");
        assert!(error.contains("line 6"), "{error}");
        let error = refusal(
            "[[trigger.http]]\nroute = \"/\"\ncomponent = \"c\"\nroutes = 1\n[component.c]\nsource = \"c.wasm\"\n",
        );
        assert_eq!(
            error,
            "[[trigger.http]] number 1: unknown field `routes`, expected one of `id`, `route`, `component`, `executor`"
        );
        assert!(refusal("[aplication]\n").contains("unknown field `aplication`"));
    }

    #[test]
    fn says_what_is_wrong_and_what_to_do() {
        let component = "[component.c]\nsource = \"c.wasm\"\n";
        let cases = [
            (
                "[trigger]\nredis = [{ channel = \"x\", component = \"c\" }]\n".to_owned(),
                "the manifest has a trigger of type `redis`; this host serves `http` only",
            ),
            (
                format!("[[trigger.http]]\nroute = \"/\"\ncomponent = \"d\"\n{component}"),
                "a [[trigger.http]] names the component `d`, which the manifest does not have; it has `c`",
            ),
            (
                format!("[[trigger.http]]\nroute = {{ private = false }}\ncomponent = \"c\"\n{component}"),
                "[[trigger.http]] number 1: a route is `{ private = true }` or a path, not `private = false`",
            ),
            (
                format!("[[trigger.http]]\nroute = 7\ncomponent = \"c\"\n{component}"),
                "[[trigger.http]] number 1: a route is a text such as \"/path/...\" or { private = true }",
            ),
            (
                format!("[[trigger.http]]\nroute = \"/\"\ncomponent = \"c\"\nexecutor = {{ type = \"wagi\" }}\n{component}"),
                "[[trigger.http]] number 1: the executor `wagi` is not served by this host; it serves components of wasi:http",
            ),
            (
                "[variables]\nBad = { default = \"\" }\n".to_owned(),
                "[variables] `Bad`: a name is lower-case words joined by single underscores, starting with a letter",
            ),
            ("[variables]\na = {}\n".to_owned(), "[variables] `a` needs `required = true` or a `default`"),
            (
                "[variables]\na = { required = true, default = \"\" }\n".to_owned(),
                "[variables] `a` is required and has a default; it can be only one of them",
            ),
            (
                "[component.c]\nsource = \"c.wasm\"\nai_models = [\"llama2-chat\"]\n".to_owned(),
                "[component.c] ai_models names `llama2-chat`; this host has no language models",
            ),
            (
                "[component.c]\nsource = \"c.wasm\"\nfiles = [{ source = \"a\", destination = \"b\" }]\n".to_owned(),
                "[component.c] files: the destination `b` must be an absolute path such as \"/b\"",
            ),
            (
                "[component.c]\nsource = \"c.wasm\"\n[component.c.dependencies]\n\"a:b\" = { component = \"d\" }\n".to_owned(),
                "[component.c] dependencies \"a:b\": there is no component `d`",
            ),
            (
                "[component.1]\nsource = \"c.wasm\"\n".to_owned(),
                "[component.1] an id is words of letters and digits joined by `-`, each starting with a letter",
            ),
        ];
        for (rest, expected) in cases {
            assert_eq!(refusal(&rest), expected);
        }
        let error =
            refusal("[component.c]\nsource = { url = \"https://x\", digest = \"sha256:0\" }\n");
        assert!(error.contains("a source is the path of a WebAssembly file; sources by url or registry are not fetched"), "{error}");
        let error = refusal(
            "[component.c]\nsource = \"c.wasm\"\n[component.c.dependencies]\n\"a:b\" = \">=1.0\"\n",
        );
        assert!(
            error.contains("a dependency is { path = \"file.wasm\" } or { component = \"id\" }"),
            "{error}"
        );
    }

    #[test]
    fn other_versions_are_told_before_their_keys() {
        let error = |text: &str| Manifest::parse(text).unwrap_err().to_string();
        assert_eq!(
            error("spin_version = \"1\"\n"),
            "the manifest has no spin_manifest_version; write `spin_manifest_version = 2` as its first line"
        );
        assert_eq!(
            error("spin_manifest_version = \"1\"\nname = \"x\"\n"),
            "spin_manifest_version is 1, this host reads version 2; see Spin's `spin doctor` to convert older manifests"
        );
        assert!(error("spin_manifest_version = 3\n").starts_with("spin_manifest_version is 3"));
        assert_eq!(
            error("spin_manifest_version = 2.0\n"),
            "spin_manifest_version is 2.0, it must be the number 2"
        );
    }

    #[test]
    fn profiles_and_components_that_are_not_there_are_told_with_those_that_are() {
        let manifest = || {
            Manifest::parse(&format!("{HEAD}[component.c]\nsource = \"c.wasm\"\n[component.c.profile.fast]\nsource = \"f.wasm\"\n")).unwrap()
        };
        assert_eq!(
            manifest().with_profile("slow").unwrap_err().to_string(),
            "no component has a profile `slow`; the manifest knows `fast`"
        );
        assert_eq!(
            manifest()
                .with_only(&["d".to_owned()])
                .unwrap_err()
                .to_string(),
            "there is no component `d`; the manifest has `c`"
        );
    }

    #[test]
    fn a_secret_default_is_not_shown() {
        let manifest = Manifest::parse(&format!(
            "{HEAD}[variables]\nkey = {{ default = \"hunter2\", secret = true }}\n"
        ))
        .unwrap();
        assert!(!format!("{manifest:?}").contains("hunter2"));
    }

    /// What stock Spin 4 takes without any configuration, in every form of the manifest.
    #[test]
    fn the_applications_own_manifest_is_one_for_any_spin() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spin.toml");
        let base = Manifest::read(&path).unwrap();
        let mut forms = vec![base.clone()];
        for profile in ["native", "remote"] {
            if base.has_profile(profile) {
                forms.push(base.clone().with_profile(profile).unwrap());
            }
        }
        assert!(base.has_profile("native"));
        for manifest in forms {
            for (id, component) in &manifest.components {
                // Spin knows these labels without a runtime config.
                for label in component
                    .key_value_stores
                    .iter()
                    .chain(&component.sqlite_databases)
                {
                    assert_eq!(label, "default", "{id}");
                }
                assert!(!component.dependencies_inherit_configuration, "{id}");
                for (name, dependency) in &component.dependencies {
                    let Dependency::Path(dependency) = dependency else {
                        panic!(
                            "{id}: {name} is a component of the manifest, which may not have what it inherits"
                        )
                    };
                    assert_eq!(dependency.export, None, "{id}: {name}");
                    assert!(
                        matches!(
                            dependency.inherit_configuration,
                            None | Some(InheritConfiguration::All(true))
                        ),
                        "{id}: {name} inherits a part; Spin gives all or nothing"
                    );
                }
            }
        }
        // Profiles cannot change what a component may reach, so the base form grants what the remote form needs: one server.
        for (id, component) in &base.components {
            let asks_elsewhere = ["segment", "models"].contains(&id.as_str());
            let allowed: &[&str] = if asks_elsewhere {
                &["{{ remote_url }}"]
            } else {
                &[]
            };
            assert_eq!(component.allowed_outbound_hosts, allowed, "{id}");
        }
    }
}
