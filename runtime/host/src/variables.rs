//! Variables: `spin:variables/variables@3.0.0` (asynchronous) and `fermyon:spin/variables@2.0.0` (synchronous). A component reads the
//! names in its own `[component.X.variables]`; their values are templates over the application's variables, whose values come from the
//! command line, then `SPIN_VARIABLE_NAME`, then the manifest's default. All is resolved when the application loads.
//!
//! No value is ever logged or part of an error's text.

use crate::capability::{AppSpec, Capability};
use crate::ctx::Ctx;
use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::sync::Arc;
use wasmtime::component::{Accessor, HasData, Linker};

#[allow(
    missing_docs,
    unreachable_pub,
    reason = "generated from WIT, documented there"
)]
mod bindings {
    wasmtime::component::bindgen!({
        path: ["../../wit/deps/spin-variables@3.0.0", "../../wit/deps/fermyon-spin@2.0.0"],
        inline: "
            package cinecor:host-variables;
            world imports {
                import spin:variables/variables@3.0.0;
                import fermyon:spin/variables@2.0.0;
            }
        ",
        world: "cinecor:host-variables/imports",
    });
}

use bindings::fermyon::spin::variables as v2;
use bindings::spin::variables::variables as v3;

/// The variables of all components.
pub struct Variables {
    resolved: BTreeMap<String, Arc<BTreeMap<String, String>>>,
}

/// The variables of one instance.
pub struct State {
    values: Arc<BTreeMap<String, String>>,
}

impl Capability for Variables {
    type State = State;

    fn init(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
        v3::add_to_linker::<_, Access>(linker, view)?;
        v2::add_to_linker::<_, Access>(linker, view)
    }

    fn configure(app: &mut AppSpec) -> anyhow::Result<Self> {
        let resolver = Resolver::new(app)?;
        let mut resolved = BTreeMap::new();
        for (id, component) in &app.manifest.components {
            let mut values = BTreeMap::new();
            for (name, template) in &component.variables {
                check_name(name)
                    .map_err(|error| anyhow::anyhow!("[component.{id}.variables] has {error}"))?;
                let value = resolver
                    .resolve(template)
                    .with_context(|| format!("[component.{id}.variables] {name} cannot be used"))?;
                values.insert(name.clone(), value);
            }
            resolved.insert(id.clone(), Arc::new(values));
        }
        Ok(Self { resolved })
    }

    fn prepare(&self, component: &str) -> anyhow::Result<State> {
        let values = self
            .resolved
            .get(component)
            .with_context(|| format!("there is no component `{component}`"))?;
        Ok(State {
            values: values.clone(),
        })
    }
}

/// Why a template cannot be resolved.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `{{` without `}}`.
    #[error("the template opens a variable with `{{{{` and does not close it with `}}}}`")]
    Unclosed,
    /// A variable that the manifest does not declare.
    #[error(
        "the template uses the variable `{0}`, which the manifest does not declare; add it to [variables]"
    )]
    Unknown(String),
}

/// Puts the application's variables into templates such as `https://{{ host }}:8000`.
pub struct Resolver {
    values: BTreeMap<String, String>,
}

impl Resolver {
    /// The values of the application's variables.
    ///
    /// # Errors
    /// A name that cannot be one, a value for a variable that is not declared, a required variable without a value.
    pub fn new(app: &AppSpec) -> anyhow::Result<Self> {
        let declared = &app.manifest.variables;
        for name in app.variables.keys() {
            if !declared.contains_key(name) {
                let known: Vec<_> = declared.keys().map(String::as_str).collect();
                bail!(
                    "a value was given for the variable `{name}`, which the manifest does not declare; it declares: {}",
                    known.join(", ")
                );
            }
        }
        let mut values = BTreeMap::new();
        for (name, variable) in declared {
            check_name(name).map_err(|error| anyhow::anyhow!("[variables] has {error}"))?;
            match app.variables.get(name).or(variable.default.as_ref()) {
                Some(value) => values.insert(name.clone(), value.clone()),
                None => bail!(
                    "the variable `{name}` has no value; give it one with --variable {name}=VALUE, in the environment as \
                     SPIN_VARIABLE_{}, or as its `default` in [variables]",
                    name.to_ascii_uppercase()
                ),
            };
        }
        Ok(Self { values })
    }

    /// The text of a template.
    ///
    /// # Errors
    /// See [`TemplateError`].
    pub fn resolve(&self, template: &str) -> Result<String, TemplateError> {
        let mut text = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((literal, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").ok_or(TemplateError::Unclosed)?;
            let name = name.trim();
            text.push_str(literal);
            text.push_str(
                self.values
                    .get(name)
                    .ok_or_else(|| TemplateError::Unknown(name.to_owned()))?,
            );
            rest = after;
        }
        text.push_str(rest);
        Ok(text)
    }
}

/// Why a text cannot be the name of a variable. Spin's rules: names also become parts of environment variables and paths.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name {name:?}: {reason}")]
struct NameError {
    name: String,
    reason: &'static str,
}

fn check_name(name: &str) -> Result<(), NameError> {
    let reason = if name.is_empty() {
        "a name must not be empty"
    } else if !name
        .bytes()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
    {
        "a name consists of lower-case letters, digits and underscores"
    } else if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        "a name starts with a lower-case letter"
    } else if name.ends_with('_') {
        "a name does not end with an underscore"
    } else if name.contains("__") {
        "a name has no two underscores after one another"
    } else {
        return Ok(());
    };
    Err(NameError {
        name: name.to_owned(),
        reason,
    })
}

struct Access;

impl HasData for Access {
    type Data<'a> = View<'a>;
}

struct View<'a> {
    component: &'a str,
    state: &'a State,
}

fn view(ctx: &mut Ctx) -> View<'_> {
    View {
        component: &ctx.component,
        state: &ctx.variables,
    }
}

impl View<'_> {
    fn get(&self, name: &str) -> Result<String, v3::Error> {
        check_name(name).map_err(|error| v3::Error::InvalidName(error.to_string()))?;
        self.state.values.get(name).cloned().ok_or_else(|| {
            v3::Error::Undefined(format!(
                "the component has no variable `{name}`; add to [component.{}.variables]: {name} = \"{{{{ {name} }}}}\"",
                self.component
            ))
        })
    }
}

impl v3::Host for View<'_> {}

impl<T> v3::HostWithStore<T> for Access {
    async fn get(accessor: &Accessor<T, Self>, name: String) -> Result<String, v3::Error> {
        accessor.with(|mut access| access.get().get(&name))
    }
}

impl v2::Host for View<'_> {
    fn get(&mut self, name: String) -> Result<String, v2::Error> {
        View::get(self, &name).map_err(|error| match error {
            v3::Error::InvalidName(text) => v2::Error::InvalidName(text),
            v3::Error::Undefined(text) => v2::Error::Undefined(text),
            v3::Error::Provider(text) => v2::Error::Provider(text),
            v3::Error::Other(text) => v2::Error::Other(text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(variables: &str, component: &str, given: &[(&str, &str)]) -> AppSpec {
        let manifest = format!(
            "spin_manifest_version = 2\n[application]\nname = \"t\"\n[variables]\n{variables}\n[[trigger.http]]\nroute = \"/...\"\n\
             component = \"a\"\n[component.a]\nsource = \"a.wasm\"\n[component.a.variables]\n{component}\n"
        );
        AppSpec {
            manifest: crate::manifest::Manifest::parse(&manifest).unwrap(),
            base: "".into(),
            state_dir: "".into(),
            variables: given
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            runtime_config: crate::runtime_config::RuntimeConfig::default(),
            settings: crate::settings::Settings::default(),
        }
    }

    fn value(mut spec: AppSpec, name: &str) -> Result<String, v3::Error> {
        let state = Variables::configure(&mut spec)
            .unwrap()
            .prepare("a")
            .unwrap();
        View {
            component: "a",
            state: &state,
        }
        .get(name)
    }

    #[test]
    fn a_given_value_comes_before_the_default() {
        let declared = "host = { default = \"localhost\" }";
        let url = "url = \"http://{{ host }}:{{host}}/\"";
        assert_eq!(
            value(spec(declared, url, &[]), "url").unwrap(),
            "http://localhost:localhost/"
        );
        assert_eq!(
            value(spec(declared, url, &[("host", "h")]), "url").unwrap(),
            "http://h:h/"
        );
    }

    #[test]
    fn a_required_variable_without_a_value_is_an_error_that_says_how_to_give_it() {
        let error = Variables::configure(&mut spec(
            "api_key = { required = true, secret = true }",
            "",
            &[],
        ))
        .err()
        .unwrap();
        assert_eq!(
            error.to_string(),
            "the variable `api_key` has no value; give it one with --variable api_key=VALUE, in the environment as \
             SPIN_VARIABLE_API_KEY, or as its `default` in [variables]"
        );
    }

    #[test]
    fn a_component_reads_its_own_variables_only() {
        let error = value(
            spec(
                "host = { default = \"localhost\" }",
                "url = \"{{ host }}\"",
                &[],
            ),
            "host",
        )
        .unwrap_err();
        let v3::Error::Undefined(text) = error else {
            panic!("{error:?}")
        };
        assert_eq!(
            text,
            "the component has no variable `host`; add to [component.a.variables]: host = \"{{ host }}\""
        );
    }

    #[test]
    fn values_for_undeclared_variables_are_errors() {
        let error = Variables::configure(&mut spec(
            "host = { default = \"h\" }",
            "",
            &[("hots", "x")],
        ))
        .err()
        .unwrap();
        assert_eq!(
            error.to_string(),
            "a value was given for the variable `hots`, which the manifest does not declare; it declares: host"
        );
    }

    #[test]
    fn templates_are_checked_when_the_application_loads() {
        for (template, expected) in [
            (
                "{{ nothing }}",
                "the template uses the variable `nothing`, which the manifest does not declare; add it to [variables]",
            ),
            (
                "{{ host",
                "the template opens a variable with `{{` and does not close it with `}}`",
            ),
        ] {
            let error = Variables::configure(&mut spec(
                "host = { default = \"h\" }",
                &format!("x = \"{template}\""),
                &[],
            ))
            .err()
            .unwrap();
            assert_eq!(
                format!("{error:#}"),
                format!("[component.a.variables] x cannot be used: {expected}")
            );
        }
    }

    #[test]
    fn names_follow_spins_rules() {
        for name in ["a", "abc", "a1b2c3", "a_1", "a_1_b_3"] {
            check_name(name).unwrap();
        }
        for name in ["", "aX", "1bc", "_x", "x.y", "x_", "a__b", "x-y", "ä"] {
            check_name(name).unwrap_err();
        }
        let asked = value(spec("", "", &[]), "x-y").unwrap_err();
        assert!(matches!(asked, v3::Error::InvalidName(_)), "{asked:?}");
    }
}
