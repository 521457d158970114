//! The file of `--runtime-config-file`, in Spin's format: which backend stands behind a label. It only holds the sections; each
//! capability takes its own, and what is left over at the end is an error, as with Spin.

use anyhow::{Context as _, bail};
use std::path::Path;

/// The sections of a runtime config that no capability has taken yet.
#[derive(Debug, Default)]
pub struct RuntimeConfig {
    sections: toml::Table,
}

impl RuntimeConfig {
    /// Reads the file.
    ///
    /// # Errors
    /// A file that cannot be read or is not TOML.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the runtime config {}", path.display()))?;
        Self::parse(&text)
            .with_context(|| format!("the runtime config {} cannot be used", path.display()))
    }

    /// Parses the text of a runtime config.
    ///
    /// # Errors
    /// A text that is not TOML.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        Ok(Self {
            sections: text.parse()?,
        })
    }

    /// Takes the section `key` out, for instance `key_value_store`, parsed into `T`; `None` if it is not there.
    ///
    /// # Errors
    /// A section of another shape than `T`.
    pub fn take<T: serde::de::DeserializeOwned>(&mut self, key: &str) -> anyhow::Result<Option<T>> {
        self.sections
            .remove(key)
            .map(|section| {
                section.try_into().with_context(|| {
                    format!("the section `{key}` of the runtime config cannot be used")
                })
            })
            .transpose()
    }

    /// Checks that every section has been taken.
    ///
    /// # Errors
    /// Sections that this host does not know.
    pub fn finish(&self) -> anyhow::Result<()> {
        let unused: Vec<_> = self.sections.keys().map(|key| format!("`{key}`")).collect();
        if !unused.is_empty() {
            bail!(
                "the runtime config has sections that nothing here uses: {}; remove them",
                unused.join(", ")
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_sections_that_nobody_took() {
        let mut config = RuntimeConfig::parse(
            "[key_value_store.default]\ntype = \"spin\"\n[llm_compute]\ntype = \"spin\"\n",
        )
        .unwrap();
        assert!(
            config
                .take::<toml::Table>("key_value_store")
                .unwrap()
                .is_some()
        );
        assert!(
            config
                .take::<toml::Table>("sqlite_database")
                .unwrap()
                .is_none()
        );
        assert_eq!(
            config.finish().unwrap_err().to_string(),
            "the runtime config has sections that nothing here uses: `llm_compute`; remove them"
        );
    }

    #[test]
    fn names_the_section_of_another_shape() {
        let mut config = RuntimeConfig::parse("solar_system = 8").unwrap();
        let error = config.take::<toml::Table>("solar_system").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the section `solar_system` of the runtime config cannot be used"
        );
    }
}
