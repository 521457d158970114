//! The OpenAPI document as far as tests read it.

use std::collections::BTreeSet;

use serde_json::Value;

/// Media type of a problem document.
pub const PROBLEM: &str = "application/problem+json";

/// Text inside a JSON pointer.
pub fn escaped(text: &str) -> String {
    text.replace('~', "~0").replace('/', "~1")
}

/// The value, or what its `$ref` leads to, with the place of either.
pub fn resolved(document: &Value, place: String) -> Option<(String, &Value)> {
    let found = document.pointer(&place)?;
    match found["$ref"].as_str() {
        Some(reference) => {
            let place = reference.trim_start_matches('#').to_owned();
            let found = document.pointer(&place)?;
            Some((place, found))
        }
        None => Some((place, found)),
    }
}

/// The slugs that a problem answer of this form can have.
pub fn kinds(form: &Value) -> Vec<String> {
    let parts = form["schema"]["allOf"].as_array().into_iter().flatten();
    parts
        .filter_map(|part| part["properties"]["type"]["enum"].as_array())
        .flatten()
        .filter_map(|kind| Some(kind.as_str()?.rsplit('/').next()?.to_owned()))
        .collect()
}

/// The refusals that the document names for an operation.
pub fn refusals(document: &Value, method: &str, path: &str) -> BTreeSet<(u16, String)> {
    let place = format!(
        "/paths/{}/{}/responses",
        escaped(path),
        method.to_ascii_lowercase()
    );
    let responses = document.pointer(&place).and_then(Value::as_object);
    let mut named = BTreeSet::new();
    for status in responses.into_iter().flatten().map(|(status, _)| status) {
        let (Ok(code), Some((_, response))) = (
            status.parse(),
            resolved(document, format!("{place}/{status}")),
        ) else {
            continue;
        };
        named.extend(
            kinds(&response["content"][PROBLEM])
                .into_iter()
                .map(|kind| (code, kind)),
        );
    }
    named
}
