//! Answers to inference requests.

use crate::error::shown;
use crate::metadata::{json, known, too_many, unread};
use crate::numbers::{Counted, Fill, Room};
use crate::{Error, Limits, TensorMetadata};
use serde::Deserialize;
use serde::de::DeserializeSeed as _;
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
    data: Option<Counted>,
}

#[derive(Default, Deserialize)]
struct Parameters {
    #[serde(default)]
    binary_data_size: Option<u64>,
}

/// Where the bytes of an output are.
enum Content {
    /// After the text.
    Bytes(Vec<u8>),
    /// In the text, as numbers that have still to be read. So many of them as the shape takes, which is known before there is room for any.
    Numbers(Room),
}

/// An output whose shape and length are what they have to be.
struct Measured {
    name: String,
    shape: Vec<u64>,
    bytes: usize,
    content: Content,
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
    // For each output of the answer, the place among those that are expected.
    let mut measured: Vec<(usize, Measured)> = Vec::with_capacity(wire.outputs.len());
    for output in wire.outputs {
        let place = expected.iter().position(|spec| spec.name == output.name);
        let times = |found, expected| Error::Output {
            tensor: shown(&output.name),
            found,
            expected,
        };
        let Some(place) = place else {
            return Err(times(1, 0));
        };
        if measured.iter().any(|(taken, _)| *taken == place) {
            return Err(times(2, 1));
        }
        let read = one(output, &expected[place], &mut tensors, left, limits)?;
        left -= read.bytes;
        measured.push((place, read));
    }
    if !tensors.is_empty() {
        return Err(Error::Trailing(tensors.len()));
    }
    for (place, spec) in expected.iter().enumerate() {
        if !measured.iter().any(|(taken, _)| *taken == place) {
            return Err(Error::Output {
                tensor: shown(&spec.name),
                found: 0,
                expected: 1,
            });
        }
    }
    let mut outputs = filled(text, measured)?;
    outputs.sort_by_key(|(place, _)| *place);
    Ok(outputs.into_iter().map(|(_, output)| output).collect())
}

/// Reads the numbers of the outputs that have them in the text.
fn filled(text: &[u8], measured: Vec<(usize, Measured)>) -> Result<Vec<(usize, Output)>, Error> {
    let mut rooms = Vec::with_capacity(measured.len());
    let mut outputs = Vec::with_capacity(measured.len());
    for (place, of) in measured {
        let (data, room) = match of.content {
            Content::Bytes(data) => (data, None),
            Content::Numbers(mut room) => {
                room.data.reserve_exact(of.bytes);
                (Vec::new(), Some(room))
            }
        };
        rooms.push(room);
        let output = Output {
            shape: of.shape,
            data,
        };
        outputs.push((place, of.name, output));
    }
    if rooms.iter().any(Option::is_some) {
        let mut reader = serde_json::Deserializer::from_slice(text);
        Fill(&mut rooms)
            .deserialize(&mut reader)
            .map_err(|error| unread("answer", &error))?;
    }
    outputs
        .into_iter()
        .zip(rooms)
        .map(|((place, name, mut output), room)| {
            if let Some(room) = room {
                if !room.fits {
                    return Err(Error::Number {
                        tensor: shown(&name),
                        datatype: room.datatype,
                    });
                }
                output.data = room.data;
            }
            Ok((place, output))
        })
        .collect()
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
) -> Result<Measured, Error> {
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
    let content = match (declared, &output.data) {
        (Some(declared), None) => {
            if usize::try_from(declared) != Ok(expected) {
                let declared = usize::try_from(declared).unwrap_or(usize::MAX);
                return Err(wrong("bytes", declared, expected));
            }
            let (data, rest) = tensors
                .split_at_checked(expected)
                .ok_or_else(|| wrong("bytes", tensors.len(), expected))?;
            *tensors = rest;
            Content::Bytes(data.to_vec())
        }
        (None, Some(Counted(found))) => {
            let count = expected / datatype.bytes();
            if *found != count {
                return Err(wrong("numbers", *found, count));
            }
            Content::Numbers(Room {
                datatype,
                data: Vec::new(),
                fits: true,
            })
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
    Ok(Measured {
        name: output.name,
        shape: output.shape,
        bytes: expected,
        content,
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
