//! Answers to inference requests.

use crate::error::shown;
use crate::metadata::{json, known, too_many};
use crate::numbers::Flat;
use crate::{Error, Limits, TensorMetadata};
use serde::Deserialize;
use std::fmt;

/// An output and its elements.
#[derive(Clone, PartialEq, Eq)]
pub struct Output {
    /// Size of each dimension, outermost first.
    pub shape: Vec<u64>,
    /// The elements, row-major and little-endian, of the type that was expected; as many as the shape takes.
    pub data: Vec<u8>,
}

impl fmt::Debug for Output {
    // Outputs are masks of patients: their size is told, their content never.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("shape", &self.shape)
            .field("bytes", &self.data.len())
            .finish()
    }
}

#[derive(Deserialize)]
struct Wire {
    outputs: Vec<WireOutput>,
}

#[derive(Deserialize)]
struct WireOutput {
    name: String,
    datatype: String,
    shape: Vec<u64>,
    #[serde(default)]
    parameters: Option<Parameters>,
    #[serde(default)]
    data: Option<Flat>,
}

#[derive(Default, Deserialize)]
struct Parameters {
    #[serde(default)]
    binary_data_size: Option<u64>,
}

/// Reads an answer: the outputs in the order of `expected`, each of its type and of a shape that fits it. `header_length` is the value of the
/// header [`HEADER_LENGTH`](crate::HEADER_LENGTH), where the answer has it.
///
/// # Errors
/// Whatever the answer declares and is not, and whatever it is and was not expected.
pub fn answer(
    body: &[u8],
    header_length: Option<&str>,
    expected: &[TensorMetadata],
    limits: &Limits,
) -> Result<Vec<Output>, Error> {
    let (text, mut tensors) = split(body, header_length)?;
    let wire: Wire = json("answer", text)?;
    too_many("answer", wire.outputs.len(), limits.tensors_max)?;
    let mut left = limits.tensor_bytes_max;
    let mut found: Vec<Option<Output>> = expected.iter().map(|_| None).collect();
    for output in wire.outputs {
        let place = expected
            .iter()
            .zip(&mut found)
            .find(|(spec, _)| spec.name == output.name);
        let times = |found, expected| Error::Output {
            tensor: shown(&output.name),
            found,
            expected,
        };
        let Some((spec, place)) = place else {
            return Err(times(1, 0));
        };
        if place.is_some() {
            return Err(times(2, 1));
        }
        let read = one(output, spec, &mut tensors, left, limits)?;
        left -= read.data.len();
        *place = Some(read);
    }
    if !tensors.is_empty() {
        return Err(Error::Trailing(tensors.len()));
    }
    let whole = found.into_iter().zip(expected).map(|(output, spec)| {
        output.ok_or_else(|| Error::Output {
            tensor: shown(&spec.name),
            found: 0,
            expected: 1,
        })
    });
    whole.collect()
}

/// The JSON text of a body and the bytes after it.
fn split<'a>(body: &'a [u8], header_length: Option<&str>) -> Result<(&'a [u8], &'a [u8]), Error> {
    let Some(told) = header_length else {
        return Ok((body, &[]));
    };
    // Digits alone: `parse` would take a sign as well.
    let is_number = !told.is_empty() && told.bytes().all(|byte| byte.is_ascii_digit());
    is_number
        .then(|| told.parse().ok())
        .flatten()
        .and_then(|length: usize| body.split_at_checked(length))
        .ok_or_else(|| Error::HeaderLength {
            found: shown(told),
            body_bytes: body.len(),
        })
}

/// Reads one output, and takes its bytes from the front of `tensors`.
fn one(
    output: WireOutput,
    spec: &TensorMetadata,
    tensors: &mut &[u8],
    bytes_max: usize,
    limits: &Limits,
) -> Result<Output, Error> {
    let name = || shown(&output.name);
    let datatype = known(&output.name, &output.datatype)?;
    if datatype != spec.datatype {
        return Err(Error::Datatype {
            tensor: name(),
            found: datatype.name().to_owned(),
            expected: format!("{} was", spec.datatype),
        });
    }
    too_many("shape", output.shape.len(), limits.dimensions_max)?;
    spec.fits(&output.shape)?;
    let expected = datatype
        .byte_length(&output.shape)
        .filter(|&bytes| bytes <= bytes_max);
    let expected = expected.ok_or_else(|| Error::TooLarge {
        tensor: name(),
        shape: output.shape.clone(),
        most: limits.tensor_bytes_max,
    })?;
    let wrong = |unit, found, expected| Error::Length {
        tensor: name(),
        unit,
        found,
        expected,
    };
    let declared = output
        .parameters
        .as_ref()
        .and_then(|parameters| parameters.binary_data_size);
    let data = match (declared, &output.data) {
        (Some(declared), None) => {
            if usize::try_from(declared) != Ok(expected) {
                let declared = usize::try_from(declared).unwrap_or(usize::MAX);
                return Err(wrong("bytes", declared, expected));
            }
            let (data, rest) = tensors
                .split_at_checked(expected)
                .ok_or_else(|| wrong("bytes", tensors.len(), expected))?;
            *tensors = rest;
            data.to_vec()
        }
        (None, Some(Flat(numbers))) => {
            let count = expected / datatype.bytes();
            if numbers.len() != count {
                return Err(wrong("numbers", numbers.len(), count));
            }
            let mut data = Vec::with_capacity(expected);
            if !numbers.iter().all(|of| of.write(datatype, &mut data)) {
                return Err(Error::Number {
                    tensor: name(),
                    datatype,
                });
            }
            data
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err(Error::Json {
                what: "answer",
                reason: format!(
                    "{:?} has to have either `data` or a `binary_data_size`",
                    name()
                ),
            });
        }
    };
    Ok(Output {
        shape: output.shape,
        data,
    })
}

/// What an answer that is not 200 says, cut to [`TEXT_MAX`](crate::TEXT_MAX) characters; `None` when it does not say it as the protocol does.
pub fn refusal(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Wire {
        error: String,
    }
    let wire: Wire = serde_json::from_slice(body).ok()?;
    Some(shown(&wire.error)).filter(|text| !text.trim().is_empty())
}
