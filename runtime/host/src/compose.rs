//! `[component.X.dependencies]`: other components put under a component's imports before it is compiled, as Spin does it. What no
//! dependency satisfies stays an import, for the host. Nothing is compiled or run in here.
//!
//! A dependency uses what its parent was granted only where the manifest says so (`inherit_configuration`, or
//! `dependencies_inherit_configuration` for all). Where it says otherwise a dependency that imports a grant of the host is refused.

use crate::manifest::{Component, Dependency, InheritConfiguration, Manifest};
use anyhow::{Context as _, bail};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use wac_graph::types::{Package, SubtypeChecker, WorldId};
use wac_graph::{CompositionGraph, EncodeOptions, NodeId, PackageId};

/// The component `id` with its dependencies composed under it. `base` is the manifest's folder.
///
/// # Errors
/// A file that cannot be read, a dependency that matches no import or does not fit, two for one import.
pub fn compose(id: &str, manifest: &Manifest, base: &Path) -> anyhow::Result<Vec<u8>> {
    let component = manifest
        .components
        .get(id)
        .with_context(|| format!("there is no component `{id}`"))?;
    let source = read(
        &base.join(component.source.path()),
        &format!("[component.{id}] source"),
    )?;
    if component.dependencies.is_empty() {
        return Ok(source);
    }
    let mut composer = Composer {
        id,
        graph: CompositionGraph::new(),
    };
    let (parent_package, parent_world) = composer
        .register(id, source)
        .with_context(|| format!("[component.{id}] source cannot be composed"))?;
    let parent = composer.graph.instantiate(parent_package);
    let mut satisfied: BTreeMap<String, &str> = BTreeMap::new();
    for (name, dependency) in &component.dependencies {
        let key = Key::parse(name)
            .with_context(|| format!("[component.{id}.dependencies] {name:?} cannot be used"))?;
        let imports = composer.imports_of(parent_world, &key, name)?;
        for import in &imports {
            if let Some(other) = satisfied.insert(import.clone(), name) {
                bail!(
                    "[component.{id}.dependencies] {other:?} and {name:?} both satisfy the import {import:?}; name interfaces instead of packages so that each has one"
                );
            }
        }
        let resolved = Resolved::of(id, name, dependency, component, manifest, base)?;
        if resolved.export.is_some() && imports.len() > 1 {
            bail!(
                "[component.{id}.dependencies] {name:?} has an `export` and satisfies {} imports; name one interface",
                imports.len()
            );
        }
        composer.plug(name, &resolved, parent, parent_world, &imports)?;
    }
    composer.export_all(parent, parent_world)?;
    composer
        .graph
        .encode(EncodeOptions::default())
        .with_context(|| format!("[component.{id}] cannot be composed with its dependencies"))
}

fn read(path: &Path, what: &str) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| {
        format!(
            "{what}: cannot read {}; build it first if it is not there",
            path.display()
        )
    })
}

/// A dependency with all that the manifest says of it looked up.
struct Resolved {
    path: PathBuf,
    export: Option<String>,
    inherit: Inherit,
}

/// What of its parent's grants a dependency may use.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Inherit {
    All,
    /// Keys of the manifest.
    Some(Vec<String>),
}

impl Resolved {
    fn of(
        id: &str,
        name: &str,
        dependency: &Dependency,
        parent: &Component,
        manifest: &Manifest,
        base: &Path,
    ) -> anyhow::Result<Self> {
        let (path, export, inherit) = match dependency {
            Dependency::Path(path) => {
                (path.path.clone(), &path.export, &path.inherit_configuration)
            }
            Dependency::Component(other) => {
                let Some(found) = manifest.components.get(&other.component) else {
                    bail!(
                        "[component.{id}.dependencies] {name:?} names the component `{}`, which the manifest does not have",
                        other.component
                    );
                };
                // Spin's rules; the parent's grants would be used, never these.
                let own = own_grants(found);
                if !own.is_empty() {
                    bail!(
                        "[component.{id}.dependencies] {name:?} is the component `{}`, which has grants of its own ({}); a dependency uses its \
                         parent's: remove them and write inherit_configuration = true",
                        other.component,
                        own.join(", ")
                    );
                }
                if !found.dependencies.is_empty() {
                    bail!(
                        "[component.{id}.dependencies] {name:?} is the component `{}`, which has dependencies itself; one level is composed here, \
                         compose deeper ones when they are built",
                        other.component
                    );
                }
                (
                    found.source.path().to_owned(),
                    &other.export,
                    &other.inherit_configuration,
                )
            }
        };
        let inherit = match inherit {
            None => {
                if parent.dependencies_inherit_configuration {
                    Inherit::All
                } else {
                    Inherit::Some(Vec::new())
                }
            }
            Some(_) if parent.dependencies_inherit_configuration => bail!(
                "[component.{id}] has dependencies_inherit_configuration = true and the dependency {name:?} an inherit_configuration of its own; \
                 keep one of them"
            ),
            Some(InheritConfiguration::All(true)) => Inherit::All,
            Some(InheritConfiguration::All(false)) => Inherit::Some(Vec::new()),
            Some(InheritConfiguration::Some(keys)) => {
                if let Some(unknown) = keys
                    .iter()
                    .find(|key| !GRANTS.iter().any(|(known, _)| *known == key.as_str()))
                {
                    let known: Vec<_> = GRANTS.iter().map(|(key, _)| *key).collect();
                    bail!(
                        "[component.{id}.dependencies] {name:?} inherits `{unknown}`, which is none of {}",
                        known.join(", ")
                    );
                }
                Inherit::Some(keys.clone())
            }
        };
        Ok(Self {
            path: base.join(path),
            export: export.clone(),
            inherit,
        })
    }
}

/// Keys of the manifest that grant something, and the imports that use it. Files and environment variables are not among them: every
/// component of Rust imports those interfaces, used or not.
const GRANTS: [(&str, &[&str]); 4] = [
    (
        "allowed_outbound_hosts",
        &[
            "wasi:http/outgoing-handler",
            "wasi:http/client",
            "wasi:sockets/",
        ],
    ),
    (
        "key_value_stores",
        &[
            "spin:key-value/",
            "fermyon:spin/key-value",
            "wasi:keyvalue/",
        ],
    ),
    ("sqlite_databases", &["spin:sqlite/", "fermyon:spin/sqlite"]),
    (
        "variables",
        &["spin:variables/", "fermyon:spin/variables", "wasi:config/"],
    ),
];

/// Keys of a component that grant it something.
fn own_grants(component: &Component) -> Vec<&'static str> {
    [
        (
            "allowed_outbound_hosts",
            component.allowed_outbound_hosts.is_empty(),
        ),
        ("key_value_stores", component.key_value_stores.is_empty()),
        ("sqlite_databases", component.sqlite_databases.is_empty()),
        ("ai_models", component.ai_models.is_empty()),
        ("variables", component.variables.is_empty()),
        ("environment", component.environment.is_empty()),
        ("files", component.files.is_empty()),
    ]
    .into_iter()
    .filter_map(|(key, empty)| (!empty).then_some(key))
    .collect()
}

/// What a dependency is for: an import of the parent, as the manifest names it.
#[derive(Debug, PartialEq, Eq)]
struct Key<'a> {
    /// `namespace:name`, or a plain name.
    package: &'a str,
    interface: Option<&'a str>,
    version: Option<&'a str>,
}

impl<'a> Key<'a> {
    fn parse(text: &'a str) -> anyhow::Result<Self> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let (package, interface) = match name.split_once('/') {
            Some((package, interface)) => (package, Some(interface)),
            None => (name, None),
        };
        let whole = |part: Option<&str>| {
            part.is_none_or(|part| !part.is_empty() && !part.contains([':', '/', '@']))
        };
        let package_is_name =
            package.split(':').all(|part| !part.is_empty()) && package.split(':').count() <= 2;
        let plain = !package.contains(':');
        if !package_is_name
            || !whole(interface)
            || version.is_some_and(str::is_empty)
            || (plain && (interface.is_some() || version.is_some()))
        {
            bail!(
                "it is neither an interface (\"package:name/interface@version\"), nor a package (\"package:name@version\"), nor a plain name"
            );
        }
        Ok(Self {
            package,
            interface,
            version,
        })
    }

    fn matches(&self, import: &str) -> bool {
        let Ok(import) = Key::parse(import) else {
            return false;
        };
        self.package == import.package
            && self
                .interface
                .is_none_or(|interface| Some(interface) == import.interface)
            && self
                .version
                .is_none_or(|version| Some(version) == import.version)
    }
}

struct Composer<'a> {
    id: &'a str,
    graph: CompositionGraph,
}

impl Composer<'_> {
    fn register(&mut self, name: &str, bytes: Vec<u8>) -> anyhow::Result<(PackageId, WorldId)> {
        let package = Package::from_bytes(name, None, bytes, self.graph.types_mut())?;
        let world = package.ty();
        Ok((self.graph.register_package(package)?, world))
    }

    /// Imports of the parent that the key means.
    fn imports_of(
        &self,
        parent: WorldId,
        key: &Key<'_>,
        name: &str,
    ) -> anyhow::Result<Vec<String>> {
        let imports = &self.graph.types()[parent].imports;
        let matching: Vec<_> = imports
            .keys()
            .filter(|import| key.matches(import))
            .cloned()
            .collect();
        if matching.is_empty() {
            let open: Vec<_> = imports
                .keys()
                .filter(|import| !import.starts_with("wasi:"))
                .map(String::as_str)
                .collect();
            bail!(
                "[component.{}.dependencies] {name:?} matches no import of the component; besides WASI it imports {}",
                self.id,
                if open.is_empty() {
                    "nothing".to_owned()
                } else {
                    open.join(", ")
                }
            );
        }
        Ok(matching)
    }

    fn plug(
        &mut self,
        name: &str,
        dependency: &Resolved,
        parent: NodeId,
        parent_world: WorldId,
        imports: &[String],
    ) -> anyhow::Result<()> {
        let id = self.id;
        let path = dependency.path.display();
        let bytes = read(
            &dependency.path,
            &format!("[component.{id}.dependencies] {name:?}"),
        )?;
        // A package is known by its name; two dependencies may be the same file.
        let (package, world) = self
            .register(
                &format!("dependency:{}", name.replace([':', '/', '@', '.'], "-")),
                bytes,
            )
            .with_context(|| {
                format!("[component.{id}.dependencies] {name:?}: {path} cannot be composed")
            })?;
        self.check_inheritance(name, &dependency.inherit, world)?;
        let instance = self.graph.instantiate(package);
        let mut fitting = 0;
        for import in imports {
            let export = dependency.export.as_deref().unwrap_or(import);
            let types = self.graph.types();
            let Some(export_type) = types[world].exports.get(export).copied() else {
                // A package may have interfaces of types alone, which nobody exports: they stay with the host.
                if imports.len() > 1 {
                    continue;
                }
                let exports: Vec<_> = types[world].exports.keys().map(String::as_str).collect();
                bail!(
                    "[component.{id}.dependencies] {name:?}: {path} does not export {export:?}; it exports {}",
                    if exports.is_empty() {
                        "nothing".to_owned()
                    } else {
                        exports.join(", ")
                    }
                );
            };
            let Some(import_type) = types[parent_world].imports.get(import).copied() else {
                continue;
            };
            let mut cache = HashSet::new();
            SubtypeChecker::new(&mut cache)
                .is_subtype(export_type, types, import_type, types)
                .map_err(|error| anyhow::anyhow!("{error:#}"))
                .with_context(|| format!("[component.{id}.dependencies] {name:?}: {path} exports {export:?} in another shape than the component imports it"))?;
            let alias = self.graph.alias_instance_export(instance, export)?;
            self.graph
                .set_instantiation_argument(parent, import, alias)?;
            fitting += 1;
        }
        if fitting == 0 {
            bail!(
                "[component.{id}.dependencies] {name:?}: {path} exports none of {}",
                imports.join(", ")
            );
        }
        Ok(())
    }

    fn check_inheritance(
        &self,
        name: &str,
        inherit: &Inherit,
        world: WorldId,
    ) -> anyhow::Result<()> {
        let Inherit::Some(inherited) = inherit else {
            return Ok(());
        };
        for import in self.graph.types()[world].imports.keys() {
            for (key, prefixes) in GRANTS {
                if prefixes.iter().any(|prefix| import.starts_with(prefix))
                    && !inherited.iter().any(|granted| granted == key)
                {
                    bail!(
                        "[component.{}.dependencies] {name:?} imports {import:?} and does not inherit `{key}`; if it may use what `{}` was \
                         granted, add inherit_configuration = true to it",
                        self.id,
                        self.id
                    );
                }
            }
        }
        Ok(())
    }

    fn export_all(&mut self, parent: NodeId, world: WorldId) -> anyhow::Result<()> {
        let exports: Vec<_> = self.graph.types()[world].exports.keys().cloned().collect();
        for name in exports {
            let alias = self.graph.alias_instance_export(parent, &name)?;
            self.graph.export(alias, &name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_match_imports_to_the_letter() {
        for (key, import, matches) in [
            ("foo:bar/baz@0.1.0", "foo:bar/baz@0.1.0", true),
            ("foo:bar/baz@0.1.0", "foo:bar/baz@0.1.1", false),
            ("foo:bar/baz@0.1.0", "foo:bar/baz", false),
            ("foo:bar/baz", "foo:bar/baz@0.1.0", true),
            ("foo:bar/baz", "foo:bar/bub", false),
            ("foo:bar@0.1.0", "foo:bar/baz@0.1.0", true),
            ("foo:bar@0.1.0", "foo:bar/baz@0.2.0", false),
            ("foo:bar", "foo:bar/baz@0.1.0", true),
            ("foo:bar", "foo:bub/baz@0.1.0", false),
            (
                "wasi:nn@0.2.0-rc-2024-10-28",
                "wasi:nn/tensor@0.2.0-rc-2024-10-28",
                true,
            ),
            ("foo-bar", "foo-bar", true),
            ("foo-bar", "foo:bar/baz", false),
        ] {
            assert_eq!(
                Key::parse(key).unwrap().matches(import),
                matches,
                "{key} and {import}"
            );
        }
    }

    #[test]
    fn keys_that_name_nothing_are_errors() {
        for key in [
            "", ":", "a:", "a:b/", "a:b/c/d", "a:b@", "a@1.0.0", "a/b", "a:b:c",
        ] {
            assert!(Key::parse(key).is_err(), "{key}");
        }
    }
}
