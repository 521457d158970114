//! Spin's route rules: which component a path belongs to. Paths only; methods and queries are the components' matter.
//!
//! A pattern is segments between slashes: literal, `:name` (any one segment, captured) and a last `...` (whatever follows, also nothing).
//! A leading and a trailing slash do not count. Where several patterns match, the first difference from the left decides: a literal
//! before a parameter, a parameter before the end, the end before `...`.

use crate::manifest::{HttpTrigger, Route};
use std::cmp::Ordering;

/// Why the routes of a manifest cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// `...` before the end.
    #[error(
        "the route `{0}` has `...` before its end; `...` stands for all that follows, and can only be last"
    )]
    WildcardInside(String),
    /// `:` without a name, or a name that cannot become a header.
    #[error("the route `{0}` has a parameter `{1}`; a parameter is `:` and letters, digits or `_`")]
    ParameterName(String, String),
    /// One name twice.
    #[error("the route `{0}` has the parameter `{1}` twice")]
    ParameterTwice(String, String),
    /// A character that no path has.
    #[error(
        "the route `{0}` has a character that no path can have; write paths in their encoded form"
    )]
    Character(String),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(String),
    Parameter(String),
    Wildcard,
}

impl Segment {
    /// Smaller is more specific.
    const fn rank(&self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Parameter(_) => 1,
            Self::Wildcard => 3,
        }
    }

    /// The rank of a pattern that has ended: it matches one path where `...` matches that path and many more.
    const END: u8 = 2;
}

#[derive(Clone, Debug)]
struct Entry {
    segments: Vec<Segment>,
    pattern: String,
    component: String,
}

/// The routes of an application.
#[derive(Clone, Debug, Default)]
pub struct Router {
    /// The more specific first.
    entries: Vec<Entry>,
    duplicates: Vec<Duplicate>,
}

/// A route that another of the same pattern hides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// The pattern.
    pub pattern: String,
    /// The component that is never reached by it.
    pub hidden: String,
    /// The component that is.
    pub effective: String,
}

/// A path's component, and what the pattern captured.
#[derive(Debug, PartialEq, Eq)]
pub struct RouteMatch<'router, 'path> {
    /// Id of the component.
    pub component: &'router str,
    /// The pattern as the manifest has it.
    pub pattern: &'router str,
    /// What `...` stands for, with its leading slash; empty where there is none.
    pub path_info: &'path str,
    /// Captured parameters in the order of the pattern.
    pub parameters: Vec<(&'router str, &'path str)>,
}

impl RouteMatch<'_, '_> {
    /// The pattern without its `/...`.
    pub fn component_route(&self) -> &str {
        self.pattern.strip_suffix("/...").unwrap_or(self.pattern)
    }
}

impl Router {
    /// Builds the router; private routes are left out. Of equal patterns the last one counts.
    ///
    /// # Errors
    /// A pattern that cannot be read.
    pub fn build(triggers: &[HttpTrigger]) -> Result<Self, RouteError> {
        let mut router = Self::default();
        for trigger in triggers {
            let Route::Pattern(pattern) = &trigger.route else {
                continue;
            };
            let entry = Entry {
                segments: parse(pattern)?,
                pattern: absolute(pattern),
                component: trigger.component.clone(),
            };
            match router
                .entries
                .iter_mut()
                .find(|other| same_paths(&other.segments, &entry.segments))
            {
                Some(other) => {
                    router.duplicates.push(Duplicate {
                        pattern: entry.pattern.clone(),
                        hidden: other.component.clone(),
                        effective: entry.component.clone(),
                    });
                    *other = entry;
                }
                None => router.entries.push(entry),
            }
        }
        router
            .entries
            .sort_by(|one, other| specificity(&one.segments, &other.segments));
        Ok(router)
    }

    /// Routes that others of the same pattern hide.
    pub fn duplicates(&self) -> &[Duplicate] {
        &self.duplicates
    }

    /// Patterns and components, the more specific first.
    pub fn routes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries
            .iter()
            .map(|entry| (entry.pattern.as_str(), entry.component.as_str()))
    }

    /// The component of a path; `path` is without its query.
    pub fn find<'router, 'path>(
        &'router self,
        path: &'path str,
    ) -> Option<RouteMatch<'router, 'path>> {
        self.entries.iter().find_map(|entry| entry.find(path))
    }
}

impl Entry {
    fn find<'router, 'path>(&'router self, path: &'path str) -> Option<RouteMatch<'router, 'path>> {
        let mut rest = path;
        let mut parameters = Vec::new();
        for segment in &self.segments {
            if matches!(segment, Segment::Wildcard) {
                return Some(self.found(rest, parameters));
            }
            let tail = rest.strip_prefix('/').unwrap_or(rest);
            let (value, after) = tail.split_at(tail.find('/').unwrap_or(tail.len()));
            match segment {
                Segment::Literal(literal) if literal == value => {}
                Segment::Parameter(name) if !value.is_empty() => {
                    parameters.push((name.as_str(), value))
                }
                _ => return None,
            }
            rest = after;
        }
        matches!(rest, "" | "/").then(|| self.found("", parameters))
    }

    fn found<'router, 'path>(
        &'router self,
        path_info: &'path str,
        parameters: Vec<(&'router str, &'path str)>,
    ) -> RouteMatch<'router, 'path> {
        RouteMatch {
            component: &self.component,
            pattern: &self.pattern,
            path_info,
            parameters,
        }
    }
}

fn absolute(pattern: &str) -> String {
    if pattern.starts_with('/') {
        pattern.to_owned()
    } else {
        format!("/{pattern}")
    }
}

fn parse(pattern: &str) -> Result<Vec<Segment>, RouteError> {
    if pattern
        .bytes()
        .any(|byte| !(0x21..0x7f).contains(&byte) || matches!(byte, b'?' | b'#'))
    {
        return Err(RouteError::Character(pattern.to_owned()));
    }
    let trimmed = pattern.strip_prefix('/').unwrap_or(pattern);
    let trimmed = trimmed.strip_suffix('/').unwrap_or(trimmed);
    let mut segments = Vec::new();
    if trimmed.is_empty() {
        return Ok(segments);
    }
    for text in trimmed.split('/') {
        if segments.contains(&Segment::Wildcard) {
            return Err(RouteError::WildcardInside(pattern.to_owned()));
        }
        segments.push(match text {
            "..." | "*" => Segment::Wildcard,
            text => match text.strip_prefix(':') {
                Some(name) => {
                    if name.is_empty()
                        || !name
                            .bytes()
                            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                    {
                        return Err(RouteError::ParameterName(
                            pattern.to_owned(),
                            text.to_owned(),
                        ));
                    }
                    if segments.contains(&Segment::Parameter(name.to_owned())) {
                        return Err(RouteError::ParameterTwice(
                            pattern.to_owned(),
                            text.to_owned(),
                        ));
                    }
                    Segment::Parameter(name.to_owned())
                }
                None => Segment::Literal(text.to_owned()),
            },
        });
    }
    Ok(segments)
}

/// Whether two patterns match the same paths: names of parameters do not count.
fn same_paths(one: &[Segment], other: &[Segment]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|pair| match pair {
            (Segment::Literal(one), Segment::Literal(other)) => one == other,
            (one, other) => one.rank() == other.rank(),
        })
}

fn specificity(one: &[Segment], other: &[Segment]) -> Ordering {
    let ranks = |segments: &[Segment]| {
        let ranks = segments.iter().map(Segment::rank);
        ranks.chain([Segment::END]).collect::<Vec<u8>>()
    };
    ranks(one).cmp(&ranks(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(patterns: &[&str]) -> Router {
        let triggers: Vec<_> = patterns
            .iter()
            .map(|pattern| HttpTrigger {
                route: Route::Pattern((*pattern).to_owned()),
                component: (*pattern).to_owned(),
            })
            .collect();
        Router::build(&triggers).unwrap()
    }

    fn component<'a>(router: &'a Router, path: &str) -> Option<&'a str> {
        router.find(path).map(|found| found.component)
    }

    #[test]
    fn exact_goes_before_parameter_before_wildcard_in_any_order() {
        let patterns = [
            "/...",
            "/api/...",
            "/api/studies/:id",
            "/api/studies/new",
            "/api/studies/:id/mask",
            "/",
        ];
        let mut reversed = patterns;
        reversed.reverse();
        for patterns in [patterns, reversed] {
            let router = router(&patterns);
            for (path, expected) in [
                ("/", "/"),
                ("/index.html", "/..."),
                ("/api", "/api/..."),
                ("/api/", "/api/..."),
                ("/api/studies", "/api/..."),
                ("/api/studies/new", "/api/studies/new"),
                ("/api/studies/new/", "/api/studies/new"),
                ("/api/studies/7", "/api/studies/:id"),
                ("/api/studies/7/mask", "/api/studies/:id/mask"),
                ("/api/studies/7/masks", "/api/..."),
                ("/apiary", "/..."),
            ] {
                assert_eq!(component(&router, path), Some(expected), "{path}");
            }
        }
    }

    #[test]
    fn the_longest_wildcard_wins() {
        let router = router(&["/one/...", "/one/two/three/...", "/one/two/..."]);
        assert_eq!(
            component(&router, "/one/two/three/four"),
            Some("/one/two/three/...")
        );
        assert_eq!(component(&router, "/one/two/four"), Some("/one/two/..."));
        assert_eq!(component(&router, "/two"), None);
    }

    #[test]
    fn a_literal_late_beats_a_wildcard_only_where_it_matches() {
        let router = router(&["/a/:b/c", "/a/b/..."]);
        assert_eq!(component(&router, "/a/b/c"), Some("/a/b/..."));
        assert_eq!(component(&router, "/a/x/c"), Some("/a/:b/c"));
    }

    #[test]
    fn captures_parameters_and_what_follows() {
        let router = router(&["/studies/:study/slices/:slice", "/files/:kind/..."]);
        let found = router.find("/studies/7/slices/3.png").unwrap();
        assert_eq!(found.parameters, [("study", "7"), ("slice", "3.png")]);
        assert_eq!(
            (found.path_info, found.component_route()),
            ("", "/studies/:study/slices/:slice")
        );
        for (path, info) in [
            ("/files/a", ""),
            ("/files/a/", "/"),
            ("/files/a/b", "/b"),
            ("/files/a/b/c/", "/b/c/"),
        ] {
            let found = router.find(path).unwrap();
            assert_eq!(
                (found.path_info, found.component_route()),
                (info, "/files/:kind"),
                "{path}"
            );
        }
        assert_eq!(router.find("/studies//slices/3"), None);
    }

    #[test]
    fn of_equal_patterns_the_last_counts_and_is_told() {
        let triggers = ["one", "two"].map(|id| HttpTrigger {
            route: Route::Pattern(format!("/x/:{id}")),
            component: id.to_owned(),
        });
        let router = Router::build(&triggers).unwrap();
        assert_eq!(component(&router, "/x/1"), Some("two"));
        assert_eq!(
            router.duplicates(),
            [Duplicate {
                pattern: "/x/:two".to_owned(),
                hidden: "one".to_owned(),
                effective: "two".to_owned()
            }]
        );
    }

    #[test]
    fn private_routes_are_not_reached() {
        let triggers = [HttpTrigger {
            route: Route::Private,
            component: "inner".to_owned(),
        }];
        assert_eq!(Router::build(&triggers).unwrap().find("/inner"), None);
    }

    #[test]
    fn refuses_patterns_that_cannot_be_meant() {
        for (pattern, text) in [
            (
                "/a/.../b",
                "the route `/a/.../b` has `...` before its end; `...` stands for all that follows, and can only be last",
            ),
            (
                "/a/:",
                "the route `/a/:` has a parameter `:`; a parameter is `:` and letters, digits or `_`",
            ),
            ("/:x/:x", "the route `/:x/:x` has the parameter `:x` twice"),
            (
                "/a b",
                "the route `/a b` has a character that no path can have; write paths in their encoded form",
            ),
        ] {
            assert_eq!(parse(pattern).unwrap_err().to_string(), text);
        }
    }
}
