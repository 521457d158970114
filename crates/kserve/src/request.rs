//! Inference requests.

use crate::error::shown;
use crate::numbers::Elements;
use crate::{Datatype, Error, Form};
use serde::Serialize;

/// An input and its elements.
#[derive(Clone, Copy)]
pub struct Binding<'a> {
    /// Name of the input.
    pub name: &'a str,
    /// Type of the elements.
    pub datatype: Datatype,
    /// Size of each dimension, outermost first.
    pub shape: &'a [u64],
    /// The elements, row-major and little-endian.
    pub data: &'a [u8],
}

/// A request, ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The body.
    pub body: Vec<u8>,
    /// Bytes of the body that are JSON, for the header [`HEADER_LENGTH`](crate::HEADER_LENGTH); `None` when all are.
    pub header_bytes: Option<usize>,
}

impl Request {
    /// Media type of the body.
    pub fn media_type(&self) -> &'static str {
        match self.header_bytes {
            Some(_) => crate::BINARY_MEDIA_TYPE,
            None => crate::JSON_MEDIA_TYPE,
        }
    }
}

/// Writes the request for `outputs` of a model with `inputs`.
///
/// # Errors
/// [`Error::Length`] when the elements of an input are not as many as its shape and type take; [`Error::NoForm`] for half precision and for
/// floats that are not finite as JSON.
pub fn request(form: Form, inputs: &[Binding<'_>], outputs: &[&str]) -> Result<Request, Error> {
    let mut tensors = Vec::with_capacity(inputs.len());
    for input in inputs {
        let expected = input.datatype.byte_length(input.shape);
        if expected != Some(input.data.len()) {
            return Err(Error::Length {
                tensor: shown(input.name),
                unit: "bytes",
                found: input.data.len(),
                expected: expected.unwrap_or(usize::MAX),
            });
        }
        let (parameters, data) = match form {
            Form::Binary => (Some(Parameters::Size(input.data.len())), None),
            Form::Json => {
                let elements = Elements::new(input.datatype, input.data);
                let elements = elements.ok_or_else(|| Error::NoForm {
                    tensor: shown(input.name),
                    datatype: input.datatype,
                })?;
                (None, Some(elements))
            }
        };
        tensors.push(Input {
            name: input.name,
            shape: input.shape,
            datatype: input.datatype.name(),
            parameters,
            data,
        });
    }
    let outputs = outputs.iter().map(|&name| Output {
        name,
        parameters: (form == Form::Binary).then_some(Parameters::Binary(true)),
    });
    let text = Text {
        inputs: tensors,
        outputs: outputs.collect(),
    };
    // Names and numbers alone: there is nothing in it that JSON cannot hold.
    let mut body = serde_json::to_vec(&text).map_err(|error| Error::Json {
        what: "request",
        reason: shown(&error.to_string()),
    })?;
    if form == Form::Json {
        return Ok(Request {
            body,
            header_bytes: None,
        });
    }
    let header_bytes = body.len();
    body.reserve_exact(inputs.iter().map(|input| input.data.len()).sum());
    for input in inputs {
        body.extend_from_slice(input.data);
    }
    Ok(Request {
        body,
        header_bytes: Some(header_bytes),
    })
}

#[derive(Serialize)]
struct Text<'a> {
    inputs: Vec<Input<'a>>,
    outputs: Vec<Output<'a>>,
}

#[derive(Serialize)]
struct Input<'a> {
    name: &'a str,
    shape: &'a [u64],
    datatype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Parameters>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Elements<'a>>,
}

#[derive(Serialize)]
struct Output<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Parameters>,
}

#[derive(Serialize)]
enum Parameters {
    /// Bytes that an input has after the text.
    #[serde(rename = "binary_data_size")]
    Size(usize),
    /// Whether an output is to come after the text.
    #[serde(rename = "binary_data")]
    Binary(bool),
}
