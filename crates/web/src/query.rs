//! The query of an address, checked against the table: every parameter is known, given once, and of its kind.

use crate::operations::{Operation, Parameter, Place};
use crate::{Problem, ProblemKind};

/// The parameters of a query.
///
/// An unknown parameter is refused: a misspelt `frame` would otherwise be answered with another frame, and look right. Facts about the
/// subject are only checked for their names here, their values are fields of the study and refused as such (422).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(String, String)>,
    facts: Vec<(String, String)>,
}

impl Query {
    /// Reads the text behind the question mark for this operation.
    ///
    /// # Errors
    /// [`ProblemKind::InvalidParameter`] naming the parameter.
    pub fn parse(text: &str, operation: &Operation) -> Result<Query, Problem> {
        let mut query = Query::default();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            let known = operation
                .parameters
                .iter()
                .find(|parameter| in_query(parameter) && parameter.name == name);
            let Some(parameter) = known else {
                let names: Vec<&str> = operation
                    .parameters
                    .iter()
                    .filter(|parameter| in_query(parameter))
                    .map(|parameter| parameter.name)
                    .collect();
                let takes = if names.is_empty() {
                    "none".to_owned()
                } else {
                    names.join(", ")
                };
                // The name is the caller's text: what is shown of it is cut short.
                let shown: String = name
                    .chars()
                    .filter(|character| !character.is_control())
                    .take(40)
                    .collect();
                return Err(Problem::parameter(
                    &shown,
                    format!("is not known; this address takes {takes}"),
                ));
            };
            if query
                .pairs
                .iter()
                .chain(&query.facts)
                .any(|(found, _)| *found == name)
            {
                return Err(Problem::parameter(
                    parameter.name,
                    "is given twice; give it once",
                ));
            }
            if parameter.place == Place::Fact {
                query.facts.push((name, value));
                continue;
            }
            if !parameter.kind.takes(&value) {
                return Err(Problem::parameter(
                    parameter.name,
                    format!(
                        "has a value that it cannot have; it takes {}",
                        parameter.kind.in_words()
                    ),
                ));
            }
            query.pairs.push((name, value));
        }
        Ok(query)
    }

    /// The text of a parameter.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// The number of a parameter that the table says is a whole one.
    pub fn integer(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// The number of a parameter that the table says is one.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.text(name)?.parse().ok()
    }

    /// Whether a parameter that the table says is yes or no is yes.
    pub fn flag(&self, name: &str) -> Option<bool> {
        Some(self.text(name)? == "true")
    }

    /// The numbers of a parameter that the table says is a list of whole ones; `None` when it is not given or a word.
    pub fn integers(&self, name: &str) -> Option<Vec<u64>> {
        self.text(name)?
            .split(',')
            .map(|part| part.parse().ok())
            .collect()
    }

    /// Facts about the subject, names and values, in the order given. Their names are known, their values are not checked.
    pub fn facts(&self) -> &[(String, String)] {
        &self.facts
    }
}

fn in_query(parameter: &Parameter) -> bool {
    matches!(parameter.place, Place::Query | Place::Fact)
}

/// Percent-decoding of a query (`+` is a space).
fn decode(text: &str) -> Result<String, Problem> {
    let refused = || {
        Problem::new(
            ProblemKind::InvalidParameter,
            "The query is not percent-encoded UTF-8; encode it as HTTP libraries do.",
        )
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Err(refused());
                };
                u8::try_from(high * 16 + low).map_err(|_| refused())?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OPERATIONS;

    fn parse(id: &str, text: &str) -> Result<Query, Problem> {
        Query::parse(
            text,
            OPERATIONS
                .iter()
                .find(|operation| operation.id == id)
                .unwrap(),
        )
    }

    #[test]
    fn reads_values_of_every_kind() {
        let query = parse(
            "get_segmentation_slice",
            "frame=7&opacity=0.25&labels=1%2C3&overlay=fill&window_center=-20.5",
        )
        .unwrap();
        assert_eq!(query.integer("frame"), Some(7));
        assert_eq!(query.number("opacity"), Some(0.25));
        assert_eq!(query.integers("labels"), Some(vec![1, 3]));
        assert_eq!(query.text("overlay"), Some("fill"));
        assert_eq!(query.number("window_center"), Some(-20.5));
        assert_eq!(query.number("window_width"), None);
    }

    #[test]
    fn refuses_and_names_unknown_repeated_and_wrong_parameters() {
        for (text, named) in [
            ("fram=7", "fram"),
            ("frame=7&frame=8", "frame"),
            ("frame=", "frame"),
            ("frame=-1", "frame"),
            ("frame=+1", "frame"),
            ("frame=1.0", "frame"),
            ("opacity=2", "opacity"),
            ("opacity=NaN", "opacity"),
            ("overlay=both", "overlay"),
            ("labels=4", "labels"),
            ("labels=", "labels"),
            ("width=0", "width"),
        ] {
            let problem = parse("get_segmentation_slice", text).unwrap_err();
            assert_eq!(
                (
                    problem.status().as_u16(),
                    problem.document("")["parameter"].as_str()
                ),
                (400, Some(named)),
                "{text}"
            );
        }
        for text in ["frame=%zz", "frame=%f", "frame=%ff"] {
            assert_eq!(
                parse("get_segmentation_slice", text).unwrap_err().status(),
                400,
                "{text}"
            );
        }
    }

    #[test]
    fn facts_are_handed_on_unread() {
        let query = parse("create_study", "height_cm=tall&label=a+b%20c").unwrap();
        assert_eq!(
            query.facts(),
            [
                ("height_cm".to_owned(), "tall".to_owned()),
                ("label".to_owned(), "a b c".to_owned())
            ]
        );
    }

    #[test]
    fn all_frames_is_no_list() {
        assert_eq!(
            parse("segment", "frames=all").unwrap().integers("frames"),
            None
        );
        assert_eq!(
            parse("segment", "frames=0,7").unwrap().integers("frames"),
            Some(vec![0, 7])
        );
        assert_eq!(
            parse("get_metrics", "excluded_slices=none")
                .unwrap()
                .integers("excluded_slices"),
            None
        );
        assert!(parse("get_metrics", "excluded_slices=all").is_err());
        assert!(parse("segment", "frames=0,7,").is_err());
        assert!(parse("segment", "frames=0,0").is_err());
    }
}
