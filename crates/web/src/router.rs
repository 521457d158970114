//! From a method and a path to an operation of the table. `Allow`, 405 and 404 follow from the same table.

use http::header::ALLOW;
use http::{HeaderValue, Method};

use crate::operations::{OPERATIONS, Operation, Place};
use crate::{Problem, ProblemKind};

/// What stands in a path where its template has a name in braces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathParameters(Vec<(&'static str, String)>);

impl PathParameters {
    /// The text of a parameter; empty when the template has none of this name. It has the form that the table asks for.
    pub fn text(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(found, _)| *found == name)
            .map_or("", |(_, value)| value)
    }

    /// The number of a parameter that the table says is one.
    pub fn number(&self, name: &str) -> u64 {
        // The router refuses what is no number of at most nine digits, so that this default is never seen.
        self.text(name).parse().unwrap_or(u64::MAX)
    }
}

/// What a method and a path ask for.
#[derive(Clone, Debug)]
pub enum Route {
    /// An operation. HEAD asks for its GET.
    Operation {
        /// The operation.
        operation: &'static Operation,
        /// What the path holds.
        parameters: PathParameters,
    },
    /// `OPTIONS` on a path that exists: answer 204 with this `Allow`.
    Options {
        /// The methods.
        allow: String,
    },
}

/// Finds the operation.
///
/// # Errors
/// [`ProblemKind::NotFound`] when no template matches, [`ProblemKind::MethodNotAllowed`] with `Allow` when one does.
pub fn route(method: &Method, path: &str) -> Result<Route, Problem> {
    let wanted = if method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    let mut matching = Vec::new();
    for operation in OPERATIONS {
        if let Some(parameters) = match_path(operation, path) {
            if operation.method == *wanted {
                return Ok(Route::Operation {
                    operation,
                    parameters,
                });
            }
            matching.push(operation);
        }
    }
    if matching.is_empty() {
        return Err(Problem::new(
            ProblemKind::NotFound,
            "There is no such address here; the OpenAPI document at /api/v1/openapi.json lists those that are.",
        ));
    }
    let allow = methods(&matching);
    if method == Method::OPTIONS {
        return Ok(Route::Options { allow });
    }
    Err(method_not_allowed(method, &allow))
}

/// The methods of a path that exists, for `Allow`.
pub fn allow(path: &str) -> Option<String> {
    let matching: Vec<&Operation> = OPERATIONS
        .iter()
        .filter(|operation| match_path(operation, path).is_some())
        .collect();
    (!matching.is_empty()).then(|| methods(&matching))
}

/// The refusal of a method that the address does not take.
pub fn method_not_allowed(method: &Method, allow: &str) -> Problem {
    let problem = Problem::new(
        ProblemKind::MethodNotAllowed,
        format!("This address does not take {method}; it takes {allow}."),
    );
    match HeaderValue::from_str(allow) {
        Ok(value) => problem.with_header(ALLOW, value),
        Err(_) => problem,
    }
}

fn methods(operations: &[&Operation]) -> String {
    let mut names = Vec::new();
    for operation in operations {
        names.push(operation.method.as_str());
        if operation.method == Method::GET {
            names.push("HEAD");
        }
    }
    names.push("OPTIONS");
    names.join(", ")
}

fn match_path(operation: &'static Operation, path: &str) -> Option<PathParameters> {
    let mut parameters = Vec::new();
    let mut found = path.split('/');
    for wanted in operation.path.split('/') {
        let segment = found.next()?;
        let Some((name, suffix)) = wanted
            .strip_prefix('{')
            .and_then(|rest| rest.split_once('}'))
        else {
            if segment != wanted {
                return None;
            }
            continue;
        };
        let value = segment.strip_suffix(suffix)?;
        let parameter = operation
            .parameters
            .iter()
            .find(|parameter| parameter.place == Place::Path && parameter.name == name)?;
        if !parameter.kind.takes(value) {
            return None;
        }
        parameters.push((parameter.name, value.to_owned()));
    }
    found.next().is_none().then_some(PathParameters(parameters))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn operation(method: Method, path: &str) -> Result<(&'static str, PathParameters), u16> {
        match route(&method, path) {
            Ok(Route::Operation {
                operation,
                parameters,
            }) => Ok((operation.id, parameters)),
            Ok(Route::Options { .. }) => Err(204),
            Err(problem) => Err(problem.status().as_u16()),
        }
    }

    #[test]
    fn finds_operations_and_what_their_paths_hold() {
        assert_eq!(
            operation(Method::POST, "/api/v1/studies").unwrap().0,
            "create_study"
        );
        assert_eq!(
            operation(Method::HEAD, "/api/v1/studies").unwrap().0,
            "list_studies"
        );
        let (id, parameters) =
            operation(Method::GET, &format!("/api/v1/studies/{ID}/slices/11.png")).unwrap();
        assert_eq!(
            (id, parameters.text("id"), parameters.number("slice")),
            ("get_study_slice", ID, 11)
        );
        let (id, parameters) =
            operation(Method::GET, "/api/v1/models/cinecor-unet/versions/0.1.0").unwrap();
        assert_eq!(
            (id, parameters.text("version")),
            ("get_model_version", "0.1.0")
        );
    }

    #[test]
    fn what_has_the_wrong_form_is_not_there() {
        for path in [
            "/",
            "/api/v1/studies/",
            "/api/v1/studies/42",
            &format!("/api/v1/studies/{}", ID.to_uppercase()),
            &format!("/api/v1/studies/{ID}/"),
            &format!("/api/v1/studies/{ID}/slices/x.png"),
            &format!("/api/v1/studies/{ID}/slices/-1.png"),
            &format!("/api/v1/studies/{ID}/slices/1.jpg"),
            &format!("/api/v1/studies/{ID}/slices/99999999999999999999.png"),
            "/api/v1/models/..%2f..%2fetc/versions/1",
            "/api/v1/models/../versions/1",
        ] {
            assert_eq!(operation(Method::GET, path), Err(404), "{path}");
        }
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        let problem = route(&Method::PUT, "/api/v1/studies").unwrap_err();
        assert_eq!(problem.status(), 405);
        assert_eq!(
            problem.headers().first().unwrap().1,
            "POST, GET, HEAD, OPTIONS"
        );
        assert!(
            matches!(route(&Method::OPTIONS, "/api/v1/studies").unwrap(), Route::Options { allow } if allow == "POST, GET, HEAD, OPTIONS")
        );
        assert_eq!(operation(Method::OPTIONS, "/nowhere"), Err(404));
        assert_eq!(allow("/nowhere"), None);
    }

    #[test]
    fn every_operation_of_the_table_is_found_under_its_own_path() {
        for wanted in OPERATIONS {
            let path = wanted
                .path
                .replace("{id}", ID)
                .replace("{sid}", ID)
                .replace("{slice}", "3")
                .replace("{name}", "cinecor-unet");
            let path = path
                .replace("{version}", "0.1.0")
                .replace("{slug}", "not-found");
            assert_eq!(
                operation(wanted.method.clone(), &path).map(|found| found.0),
                Ok(wanted.id),
                "{path}"
            );
        }
    }
}
