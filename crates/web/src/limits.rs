//! What a request may ask for, in numbers. Defaults are those of the HTTP contract; each can be set by a variable of the application.

use crate::{Problem, ProblemKind};

/// A setting that cannot be used. Its text is for the log: it names the variable, what was found and what is expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the variable {variable} is `{found}`, expected {expected}")]
pub struct SettingError {
    /// Name of the variable.
    pub variable: &'static str,
    /// What it holds.
    pub found: String,
    /// What it may hold.
    pub expected: &'static str,
}

macro_rules! limits {
    ($($(#[doc = $doc:literal])* $field:ident: $variable:literal = $default:expr;)*) => {
        /// The limits of requests.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Limits {
            $($(#[doc = $doc])* pub $field: u64,)*
        }

        impl Default for Limits {
            fn default() -> Limits {
                Limits { $($field: $default,)* }
            }
        }

        impl Limits {
            /// The variables that set limits.
            pub const VARIABLES: &'static [&'static str] = &[$($variable,)*];

            /// The limits with those replaced that `variable` knows. An empty value counts as not set.
            ///
            /// # Errors
            /// [`SettingError`] for the first variable that is not a positive whole number.
            pub fn from_variables(mut variable: impl FnMut(&str) -> Option<String>) -> Result<Limits, SettingError> {
                let mut limits = Limits::default();
                $(
                    if let Some(found) = variable($variable).filter(|found| !found.trim().is_empty()) {
                        limits.$field = match found.trim().parse() {
                            Ok(value) if value > 0 => value,
                            _ => return Err(SettingError { variable: $variable, found, expected: "a positive whole number" }),
                        };
                    }
                )*
                Ok(limits)
            }
        }
    };
}

limits! {
    /// Bytes of a request's body as they come over the network.
    body_bytes: "max_body_bytes" = 1 << 30;
    /// Bytes that a body may inflate to.
    inflated_bytes: "max_inflated_bytes" = 4 << 30;
    /// Inflated bytes for one compressed byte.
    inflate_ratio: "max_inflate_ratio" = 200;
    /// Columns of a slice.
    columns: "max_columns" = 512;
    /// Rows of a slice.
    rows: "max_rows" = 512;
    /// Slices of a frame.
    slices: "max_slices" = 64;
    /// Frames of a cine.
    frames: "max_frames" = 100;
    /// Files of one study.
    files: "max_files" = 4_000;
    /// Bytes of a model package, as an archive and unpacked.
    package_bytes: "max_package_bytes" = 256 << 20;
    /// Bytes of a JSON body.
    json_bytes: "max_json_bytes" = 64 << 10;
    /// Bytes of a form field that is no file.
    field_bytes: "max_field_bytes" = 4 << 10;
}

impl Limits {
    /// The refusal of a body that has `found` bytes, or more than the limit when that is all that is known.
    pub fn body_too_large(&self, found: Option<u64>) -> Problem {
        too_large("body", self.body_bytes, found)
    }

    /// Checks the length that a request announces.
    ///
    /// # Errors
    /// [`ProblemKind::BodyTooLarge`] citing the limit.
    pub fn check_content_length(&self, announced_bytes: Option<u64>) -> Result<(), Problem> {
        match announced_bytes {
            Some(found) if found > self.body_bytes => Err(self.body_too_large(Some(found))),
            _ => Ok(()),
        }
    }

    /// The refusal of a model package above its limit.
    pub fn package_too_large(&self, found: Option<u64>) -> Problem {
        too_large("model package", self.package_bytes, found)
    }

    /// The refusal of a JSON body above its limit.
    pub fn json_too_large(&self, found: Option<u64>) -> Problem {
        too_large("JSON body", self.json_bytes, found)
    }
}

fn too_large(what: &str, limit_bytes: u64, found: Option<u64>) -> Problem {
    let found = found.map_or_else(|| "more".to_owned(), |bytes| format!("{bytes} bytes"));
    Problem::new(
        ProblemKind::BodyTooLarge,
        format!("The {what} has {found}; the limit is {limit_bytes} bytes. Send less, or have the limit raised."),
    )
    .with("limit_bytes", limit_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let limits = Limits::default();
        assert_eq!(
            (
                limits.body_bytes,
                limits.inflated_bytes,
                limits.inflate_ratio
            ),
            (1_073_741_824, 4_294_967_296, 200)
        );
        assert_eq!(
            (
                limits.columns,
                limits.rows,
                limits.slices,
                limits.frames,
                limits.files
            ),
            (512, 512, 64, 100, 4_000)
        );
    }

    #[test]
    fn a_variable_replaces_its_limit_and_an_empty_one_does_not() {
        let set = |name: &str| match name {
            "max_slices" => Some(" 20 ".to_owned()),
            "max_rows" => Some(String::new()),
            _ => None,
        };
        let limits = Limits::from_variables(set).unwrap();
        assert_eq!((limits.slices, limits.rows), (20, 512));
    }

    #[test]
    fn a_limit_that_is_no_positive_number_is_an_error_that_names_it() {
        for bad in ["0", "-1", "many", "1.5", "99999999999999999999"] {
            let error =
                Limits::from_variables(|name| (name == "max_frames").then(|| bad.to_owned()))
                    .unwrap_err();
            assert_eq!(error.variable, "max_frames", "{bad}");
        }
    }

    #[test]
    fn a_body_at_the_limit_is_taken_and_one_above_is_refused_with_both_numbers() {
        let limits = Limits {
            body_bytes: 10,
            ..Limits::default()
        };
        assert!(limits.check_content_length(Some(10)).is_ok());
        assert!(limits.check_content_length(None).is_ok());
        let problem = limits.check_content_length(Some(11)).unwrap_err();
        assert!(
            problem.detail().contains("11 bytes") && problem.detail().contains("limit is 10 bytes"),
            "{problem}"
        );
    }
}
