//! Why a request cannot be written or an answer not be read.

use crate::Datatype;

/// Most characters of a text of the other side that are repeated.
pub const TEXT_MAX: usize = 200;

/// What was found, what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not the JSON that the protocol has here.
    #[error("the remote's {what} is not what the protocol says: {reason}")]
    Json {
        /// `server metadata`, `model metadata` or `answer`.
        what: &'static str,
        /// What the parser says; it repeats nothing of the text but a few words.
        reason: String,
    },
    /// A length of the JSON text that the body does not have.
    #[error("the remote's answer tells a header of {found:?} bytes and has {body_bytes} in all")]
    HeaderLength {
        /// The header's value.
        found: String,
        /// Length of the body.
        body_bytes: usize,
    },
    /// More of something than is read.
    #[error("the remote's {what} has {found}; at most {most} are read")]
    TooMany {
        /// Of what, in the plural.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// Elements of a type that is not known, or another than the model's.
    #[error("the remote's {tensor:?} has elements of type {found:?}; {expected} expected")]
    Datatype {
        /// Name of the tensor.
        tensor: String,
        /// The type that the remote tells.
        found: String,
        /// What is taken.
        expected: String,
    },
    /// A shape that the model does not have.
    #[error("{tensor:?} has the shape {found}; the remote's model has {expected}")]
    Shape {
        /// Name of the tensor.
        tensor: String,
        /// Its shape.
        found: String,
        /// The model's.
        expected: String,
    },
    /// Bytes or numbers that do not fit the shape.
    #[error("{tensor:?} has {found} {unit}; its shape and type take {expected}")]
    Length {
        /// Name of the tensor.
        tensor: String,
        /// `bytes` or `numbers`.
        unit: &'static str,
        /// How many there are.
        found: usize,
        /// How many there have to be.
        expected: usize,
    },
    /// A shape whose product is larger than any memory, or than what is read.
    #[error(
        "the remote's {tensor:?} of shape {shape:?} takes more than the {most} bytes that are read"
    )]
    TooLarge {
        /// Name of the tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<u64>,
        /// Bytes that are read at most.
        most: usize,
    },
    /// An output that was asked for is not there, there twice, or one that nobody asked for is.
    #[error("the remote's answer has the output {tensor:?} {found} times; {expected} expected")]
    Output {
        /// Name of the tensor.
        tensor: String,
        /// How often it is there.
        found: usize,
        /// How often it should be.
        expected: usize,
    },
    /// Bytes after the last tensor.
    #[error("the remote's answer has {0} bytes after its last tensor")]
    Trailing(usize),
    /// A number that does not fit the type of its tensor.
    #[error("the remote's {tensor:?} has a number that is no {datatype}")]
    Number {
        /// Name of the tensor.
        tensor: String,
        /// Type of its elements.
        datatype: Datatype,
    },
    /// A type that JSON has no form for.
    #[error(
        "{tensor:?} is {datatype}, which the protocol cannot write as JSON, and the remote does not take binary tensors"
    )]
    NoForm {
        /// Name of the tensor.
        tensor: String,
        /// Type of its elements.
        datatype: Datatype,
    },
    /// A name that no address can carry.
    #[error(
        "{0:?} cannot be the name or version of a remote model; give 1 to 128 visible characters"
    )]
    Name(String),
}

/// A text of the other side, short enough to be repeated and without control characters.
pub(crate) fn shown(text: &str) -> String {
    text.chars()
        .take(TEXT_MAX)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
