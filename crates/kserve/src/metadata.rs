//! What a server and its models say of themselves.

use crate::error::shown;
use crate::{Datatype, Error, Form, Limits};
use serde::Deserialize;

/// What a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerMetadata {
    /// Its name, for instance `triton`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Parts of the protocol that it has besides the core.
    pub extensions: Vec<String>,
}

impl ServerMetadata {
    /// Reads the answer to `GET /v2`.
    ///
    /// # Errors
    /// [`Error::Json`].
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Wire {
            name: String,
            #[serde(default)]
            version: String,
            #[serde(default)]
            extensions: Option<Vec<String>>,
        }
        let wire: Wire = json("server metadata", body)?;
        Ok(Self {
            name: shown(&wire.name),
            version: shown(&wire.version),
            extensions: wire.extensions.unwrap_or_default(),
        })
    }

    /// The form of tensors that it takes. OpenVINO Model Server takes binary ones and does not list the extension.
    pub fn form(&self) -> Form {
        let lists = self.extensions.iter().any(|of| of == "binary_tensor_data");
        if lists || self.name.starts_with("OpenVINO") {
            Form::Binary
        } else {
            Form::Json
        }
    }
}

/// What a model takes and gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelMetadata {
    /// Its inputs, in the model's order.
    pub inputs: Vec<TensorMetadata>,
    /// Its outputs, in the model's order.
    pub outputs: Vec<TensorMetadata>,
}

/// An input or output of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorMetadata {
    /// Its name.
    pub name: String,
    /// Type of its elements.
    pub datatype: Datatype,
    /// Size of each dimension, outermost first; `None` takes any.
    pub shape: Vec<Option<u64>>,
}

impl TensorMetadata {
    /// Holds a shape against this one.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn fits(&self, shape: &[u64]) -> Result<(), Error> {
        let same = |(expected, found): (&Option<u64>, &u64)| expected.is_none_or(|e| e == *found);
        if self.shape.len() == shape.len() && self.shape.iter().zip(shape).all(same) {
            return Ok(());
        }
        Err(Error::Shape {
            tensor: shown(&self.name),
            found: format!("{shape:?}"),
            expected: self.shape_text(),
        })
    }

    /// The shape as people read it: `[?, 3, 224, 224]`.
    pub fn shape_text(&self) -> String {
        let size = |size: &Option<u64>| size.map_or("?".to_owned(), |size| size.to_string());
        let sizes: Vec<String> = self.shape.iter().map(size).collect();
        format!("[{}]", sizes.join(", "))
    }
}

/// One size of a shape: a number, in some servers as a text, and -1 where any will do.
#[derive(Deserialize)]
#[serde(untagged)]
enum Size {
    Number(i64),
    Text(String),
}

#[derive(Deserialize)]
struct WireTensor {
    name: String,
    datatype: String,
    shape: Vec<Size>,
}

impl ModelMetadata {
    /// Reads the answer to `GET /v2/models/…`.
    ///
    /// # Errors
    /// [`Error::Json`], [`Error::TooMany`], [`Error::Datatype`] for a type without a fixed size.
    pub fn parse(body: &[u8], limits: &Limits) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default)]
            inputs: Option<Vec<WireTensor>>,
            #[serde(default)]
            outputs: Option<Vec<WireTensor>>,
        }
        let wire: Wire = json("model metadata", body)?;
        Ok(Self {
            inputs: tensors(wire.inputs, limits)?,
            outputs: tensors(wire.outputs, limits)?,
        })
    }
}

fn tensors(wire: Option<Vec<WireTensor>>, limits: &Limits) -> Result<Vec<TensorMetadata>, Error> {
    let wire = wire.unwrap_or_default();
    too_many("list of tensors", wire.len(), limits.tensors_max)?;
    wire.into_iter()
        .map(|tensor| {
            too_many("shape", tensor.shape.len(), limits.dimensions_max)?;
            let datatype = known(&tensor.name, &tensor.datatype)?;
            let sizes = tensor.shape.iter().map(|size| match size {
                Size::Number(size) => Some(*size),
                Size::Text(text) => text.parse().ok(),
            });
            let shape = sizes.map(|size| match size {
                Some(-1) => Ok(None),
                Some(size) => u64::try_from(size).map(Some).map_err(|_| ()),
                None => Err(()),
            });
            let shape = shape.collect::<Result<_, ()>>().map_err(|()| Error::Json {
                what: "model metadata",
                reason: "a size that is neither a number nor -1".to_owned(),
            })?;
            Ok(TensorMetadata {
                name: tensor.name,
                datatype,
                shape,
            })
        })
        .collect()
}

/// The type of this name.
pub(crate) fn known(tensor: &str, name: &str) -> Result<Datatype, Error> {
    Datatype::from_name(name).ok_or_else(|| Error::Datatype {
        tensor: shown(tensor),
        found: shown(name),
        expected: "one with a fixed size was".to_owned(),
    })
}

pub(crate) fn too_many(what: &'static str, found: usize, most: usize) -> Result<(), Error> {
    if found > most {
        return Err(Error::TooMany { what, found, most });
    }
    Ok(())
}

/// Reads JSON. What the parser says may repeat a word of the text, hence the cut.
pub(crate) fn json<'a, T: Deserialize<'a>>(what: &'static str, body: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| unread(what, &error))
}

pub(crate) fn unread(what: &'static str, error: &serde_json::Error) -> Error {
    Error::Json {
        what,
        reason: shown(&error.to_string()),
    }
}
