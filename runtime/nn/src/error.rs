//! The error values of wasi:nn: a code that programs act on and a text that people read. Not the errors of setting up a
//! host, which are [`SetupError`].

use std::fmt;

/// What went wrong, as wasi:nn names it. A guest chooses what to do by this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The guest passed something that does not fit: a shape, a type, a length, a name.
    InvalidArgument,
    /// The bytes are not a graph of the encoding that was told.
    InvalidEncoding,
    /// The engine had no room for the work in time: the queue is full.
    Timeout,
    /// The engine failed while loading or computing.
    RuntimeError,
    /// The engine or the interface cannot do this: a tensor type, an operator, a device.
    UnsupportedOperation,
    /// A tensor or a graph is larger than the host allows.
    TooLarge,
    /// No graph of this name.
    NotFound,
    /// The host does not let this guest do that.
    Security,
    /// A remote engine did not answer: it cannot be reached, went away, or was too slow. wasi:nn has no word for it but `unknown`.
    Unknown,
}

/// An error value as a guest receives it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Error {
    /// What went wrong.
    pub code: ErrorCode,
    /// What was found, what was expected, what to do.
    pub text: String,
}

impl Error {
    /// An error with this code and text.
    pub fn new(code: ErrorCode, text: impl fmt::Display) -> Self {
        Self {
            code,
            text: text.to_string(),
        }
    }

    pub(crate) fn invalid(text: impl fmt::Display) -> Self {
        Self::new(ErrorCode::InvalidArgument, text)
    }

    pub(crate) fn encoding(text: impl fmt::Display) -> Self {
        Self::new(ErrorCode::InvalidEncoding, text)
    }

    pub(crate) fn runtime(text: impl fmt::Display) -> Self {
        Self::new(ErrorCode::RuntimeError, text)
    }

    pub(crate) fn unsupported(text: impl fmt::Display) -> Self {
        Self::new(ErrorCode::UnsupportedOperation, text)
    }

    pub(crate) fn too_large(text: impl fmt::Display) -> Self {
        Self::new(ErrorCode::TooLarge, text)
    }

    #[cfg(feature = "kserve")]
    pub(crate) fn unanswered(text: impl fmt::Display) -> Self {
        Self::new(ErrorCode::Unknown, text)
    }

    pub(crate) fn not_found(text: impl fmt::Display) -> Self {
        Self::new(ErrorCode::NotFound, text)
    }
}

/// Why a host could not be set up with the engine and device that were asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// None of the engines that may serve is there.
    #[error("no engine serves device {device:?} with precision {precision}: {tried}")]
    NoEngine {
        /// The device that was asked for.
        device: String,
        /// The precision that was asked for.
        precision: crate::Precision,
        /// What was tried, and why each failed.
        tried: String,
    },
    /// A folder of models cannot be read.
    #[error("the models folder {} cannot be read: {source}; give an existing folder or leave it out", path.display())]
    Models {
        /// The folder.
        path: std::path::PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A number in the settings that is out of range.
    #[error("`{key}` of the inference settings is {found}; at most {most} can be asked for")]
    Setting {
        /// The setting.
        key: &'static str,
        /// What it is.
        found: usize,
        /// What it may be.
        most: usize,
    },
    /// Threads could not be started.
    #[error("the engine's threads could not be started: {0}")]
    Threads(String),
}
