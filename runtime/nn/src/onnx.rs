//! Reads from an ONNX file what a host has to know before an engine does: names, types and shapes of inputs and outputs, and
//! that the file points at no other file. Not an ONNX implementation: nodes and weights are looked at for outside
//! references only.
//!
//! Field numbers are those of `onnx.proto` (ONNX 1.x, proto3).

use crate::signature::{Dim, Signature, TensorSpec};
use crate::{Error, TensorType};
use std::collections::HashSet;

/// Deepest nesting of graphs inside nodes that is followed; real graphs nest two or three deep.
const DEPTH_MAX: usize = 32;

/// Reads the signature of an ONNX model.
///
/// # Errors
/// `invalid-encoding` when the bytes are not an ONNX model; `unsupported-operation` when an input or output is not a tensor
/// of a type that wasi:nn carries; `security` when the model points at data outside itself.
pub(crate) fn signature(model: &[u8]) -> Result<Signature, Error> {
    // ONNX Runtime tells its own format by these bytes. What can be read as both would be checked here as one, and computed as the other.
    if model.get(4..8) == Some(b"ORTM") {
        return Err(Error::encoding(
            "the bytes are a graph in ONNX Runtime's own format; send it as an ONNX model",
        ));
    }
    let Parts { graph, functions } = Parts::of(model)?;
    // Operators that the model defines are nodes as well.
    for function in functions {
        refuse_in_function(function)?;
    }

    let mut inputs = Vec::new();
    let mut outputs = Vec::new();
    let mut initializers = HashSet::new();
    for field in Fields(graph) {
        match field? {
            (5, Value::Bytes(tensor)) => {
                initializers.insert(text_field(tensor, 8)?);
            }
            (11, Value::Bytes(info)) => inputs.push(info),
            (12, Value::Bytes(info)) => outputs.push(info),
            _ => {}
        }
    }
    refuse_outside_data(graph, 0)?;

    let mut signature = Signature::default();
    for info in inputs {
        // Before IR version 4 weights had to be listed among the inputs; nobody is asked for them.
        if !initializers.contains(&text_field(info, 1)?) {
            signature.inputs.push(tensor_spec(info)?);
        }
    }
    for info in outputs {
        signature.outputs.push(tensor_spec(info)?);
    }
    if signature.outputs.is_empty() {
        return Err(Error::encoding(
            "the ONNX model has no outputs; there is nothing to compute",
        ));
    }
    let mut names = HashSet::new();
    for spec in &signature.inputs {
        if !names.insert(spec.name.as_str()) {
            return Err(Error::encoding(format!(
                "the ONNX model has two inputs named {:?}",
                spec.name
            )));
        }
    }
    Ok(signature)
}

/// What of a ModelProto matters here.
pub(crate) struct Parts<'a> {
    /// The GraphProto.
    pub(crate) graph: &'a [u8],
    /// Operators that the model defines, as FunctionProto.
    pub(crate) functions: Vec<&'a [u8]>,
}

impl<'a> Parts<'a> {
    /// Finds them.
    ///
    /// # Errors
    /// `invalid-encoding` when the bytes are not an ONNX model, or one with two graphs.
    pub(crate) fn of(model: &'a [u8]) -> Result<Parts<'a>, Error> {
        let (mut graph, mut functions) = (None, Vec::new());
        let mut ir_version = false;
        for field in Fields(model) {
            match field? {
                (1, Value::Number(_)) => ir_version = true,
                // A protobuf parser would merge the two: what is checked here would not be what an engine sees.
                (7, Value::Bytes(_)) if graph.is_some() => {
                    return Err(corrupt("it has two graphs"));
                }
                (7, Value::Bytes(bytes)) => graph = Some(bytes),
                (25, Value::Bytes(function)) => functions.push(function),
                _ => {}
            }
        }
        let graph = graph.filter(|_| ir_version).ok_or_else(|| {
            Error::encoding("the bytes are not an ONNX model: no graph was found in them")
        })?;
        Ok(Parts { graph, functions })
    }
}

/// Reads one ValueInfoProto.
pub(crate) fn tensor_spec(info: &[u8]) -> Result<TensorSpec, Error> {
    let name = text_field(info, 1)?;
    let tensor = bytes_field(info, 2)?
        .map(|ty| bytes_field(ty, 1))
        .transpose()?
        .flatten();
    let Some(tensor) = tensor else {
        return Err(Error::unsupported(format!(
            "{name:?} of the ONNX model is not a tensor; wasi:nn carries tensors only"
        )));
    };
    let mut element = 0;
    let mut dims = None;
    for field in Fields(tensor) {
        match field? {
            (1, Value::Number(number)) => element = number,
            (2, Value::Bytes(shape)) => dims = Some(read_dims(&name, shape)?),
            _ => {}
        }
    }
    let ty = element_type(element).ok_or_else(|| {
        Error::unsupported(format!(
            "{name:?} of the ONNX model has elements of type {}; wasi:nn carries fp16, fp32, fp64, bf16, u8, i32 and i64",
            element_name(element)
        ))
    })?;
    Ok(TensorSpec { name, ty, dims })
}

/// Reads one TensorShapeProto.
fn read_dims(name: &str, shape: &[u8]) -> Result<Vec<Dim>, Error> {
    let mut dims = Vec::new();
    for field in Fields(shape) {
        let (1, Value::Bytes(dimension)) = field? else {
            continue;
        };
        let mut dim = Dim::Any;
        for field in Fields(dimension) {
            match field? {
                // Exporters write -1 for "any"; proto carries it as a 64-bit two's complement.
                (1, Value::Number(size)) if i64::from_ne_bytes(size.to_ne_bytes()) >= 0 => {
                    dim = Dim::Fixed(u32::try_from(size).map_err(|_| {
                        Error::encoding(format!(
                            "{name:?} of the ONNX model has a dimension of {size}; at most {} fits",
                            u32::MAX
                        ))
                    })?);
                }
                (2, Value::Bytes(symbol)) if !symbol.is_empty() && symbol != b"?" => {
                    dim = Dim::Named(text(symbol)?)
                }
                _ => {}
            }
        }
        dims.push(dim);
    }
    Ok(dims)
}

/// TensorProto.DataType to the types that wasi:nn carries.
fn element_type(number: u64) -> Option<TensorType> {
    Some(match number {
        1 => TensorType::Fp32,
        2 => TensorType::U8,
        6 => TensorType::I32,
        7 => TensorType::I64,
        10 => TensorType::Fp16,
        11 => TensorType::Fp64,
        16 => TensorType::Bf16,
        _ => return None,
    })
}

fn element_name(number: u64) -> String {
    let name = match number {
        3 => "int8",
        4 => "uint16",
        5 => "int16",
        8 => "string",
        9 => "bool",
        12 => "uint32",
        13 => "uint64",
        14 => "complex64",
        15 => "complex128",
        _ => return format!("number {number}"),
    };
    name.to_owned()
}

/// Walks a GraphProto and everything inside it for tensors whose data lies in other files. A graph comes from a guest: the
/// path in it must never be opened with the host's rights.
fn refuse_outside_data(graph: &[u8], depth: usize) -> Result<(), Error> {
    if depth > DEPTH_MAX {
        return Err(Error::encoding(format!(
            "the ONNX model nests graphs more than {DEPTH_MAX} deep"
        )));
    }
    for field in Fields(graph) {
        match field? {
            (1, Value::Bytes(node)) => refuse_in_node(node, depth)?,
            (5, Value::Bytes(tensor)) => refuse_in_tensor(tensor)?,
            (15, Value::Bytes(sparse)) => refuse_in_sparse(sparse)?,
            _ => {}
        }
    }
    Ok(())
}

/// A FunctionProto: its nodes, and the defaults of its attributes.
fn refuse_in_function(function: &[u8]) -> Result<(), Error> {
    for field in Fields(function) {
        match field? {
            (7, Value::Bytes(node)) => refuse_in_node(node, 0)?,
            (11, Value::Bytes(attribute)) => refuse_in_attribute(attribute, 0)?,
            _ => {}
        }
    }
    Ok(())
}

fn refuse_in_node(node: &[u8], depth: usize) -> Result<(), Error> {
    for field in Fields(node) {
        if let (5, Value::Bytes(attribute)) = field? {
            refuse_in_attribute(attribute, depth)?;
        }
    }
    Ok(())
}

fn refuse_in_attribute(attribute: &[u8], depth: usize) -> Result<(), Error> {
    for field in Fields(attribute) {
        match field? {
            (5 | 10, Value::Bytes(tensor)) => refuse_in_tensor(tensor)?,
            (6 | 11, Value::Bytes(graph)) => refuse_outside_data(graph, depth + 1)?,
            (22 | 23, Value::Bytes(sparse)) => refuse_in_sparse(sparse)?,
            _ => {}
        }
    }
    Ok(())
}

fn refuse_in_sparse(sparse: &[u8]) -> Result<(), Error> {
    for field in Fields(sparse) {
        if let (1 | 2, Value::Bytes(tensor)) = field? {
            refuse_in_tensor(tensor)?;
        }
    }
    Ok(())
}

fn refuse_in_tensor(tensor: &[u8]) -> Result<(), Error> {
    for field in Fields(tensor) {
        // `external_data` entries, or `data_location` EXTERNAL.
        if matches!(field?, (13, Value::Bytes(_)) | (14, Value::Number(1..))) {
            return Err(Error::new(
                crate::ErrorCode::Security,
                "the ONNX model keeps weights in another file; save it as one file with its weights inside",
            ));
        }
    }
    Ok(())
}

pub(crate) fn bytes_field(message: &[u8], wanted: u64) -> Result<Option<&[u8]>, Error> {
    let mut found = None;
    for field in Fields(message) {
        if let (number, Value::Bytes(bytes)) = field?
            && number == wanted
        {
            found = Some(bytes);
        }
    }
    Ok(found)
}

fn text_field(message: &[u8], wanted: u64) -> Result<String, Error> {
    bytes_field(message, wanted)?.map_or_else(|| Ok(String::new()), text)
}

fn text(bytes: &[u8]) -> Result<String, Error> {
    String::from_utf8(bytes.to_vec()).map_err(|_| corrupt("a name is not UTF-8"))
}

fn corrupt(why: &str) -> Error {
    Error::encoding(format!("the bytes are not an ONNX model: {why}"))
}

/// A protobuf field's value.
pub(crate) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Fixed-width numbers, of which nothing here needs the value.
    Other,
}

/// The fields of a protobuf message, in the order of the bytes. Ends after the first error.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (head, rest) = self
            .0
            .split_at_checked(length)
            .ok_or_else(|| corrupt("it ends in the middle of a field"))?;
        self.0 = rest;
        Ok(head)
    }

    /// One number that stands alone, as in a list of numbers that is packed into one field.
    pub(crate) fn varint(&mut self) -> Result<u64, Error> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = *self.take(1)? else { break };
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(corrupt("a number in it is longer than 64 bits"))
    }

    fn field(&mut self) -> Result<(u64, Value<'a>), Error> {
        // Longer keys are cut to 32 bits by other readers, which would then see another field.
        let key = u32::try_from(self.varint()?)
            .ok()
            .filter(|key| key >> 3 != 0)
            .ok_or_else(|| corrupt("a field of it has a number that there is not"))?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.take(8).map(|_| Value::Other)?,
            2 => {
                let length = self.varint()?;
                let length = usize::try_from(length)
                    .map_err(|_| corrupt("it ends in the middle of a field"))?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Other)?,
            _ => return Err(corrupt("a field of it has an unknown wire type")),
        };
        Ok((u64::from(key >> 3), value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    /// A field of bytes, short enough for a length of one byte.
    fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
        let mut key = number << 3 | 2;
        let mut out = Vec::new();
        while key >= 0x80 {
            out.push(key as u8 | 0x80);
            key >>= 7;
        }
        out.push(key as u8);
        out.push(u8::try_from(bytes.len()).unwrap());
        out.extend_from_slice(bytes);
        out
    }

    /// A node with a constant that lies in a file of the host.
    fn outside_node() -> Vec<u8> {
        let location = [field(1, b"location"), field(2, b"/etc/passwd")].concat();
        field(5, &field(5, &field(13, &location)))
    }

    fn model(parts: &[Vec<u8>]) -> Vec<u8> {
        [vec![0x08, 0x09], parts.concat()].concat()
    }

    fn graph() -> Vec<u8> {
        let ty = field(1, &[0x08, 0x01]);
        field(7, &field(12, &[field(1, b"y"), field(2, &ty)].concat()))
    }

    #[test]
    fn what_onnx_runtime_would_read_in_its_own_format_is_no_onnx_model() {
        // Field 10 is skipped by every reader of ONNX; its bytes lie where the other format's name does.
        let other = [&[0x08, 0x09, 0x52, 0x04][..], b"ORTM", &graph()].concat();
        let error = signature(&other).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidEncoding);
        assert!(error.text.contains("own format"), "{error}");
        let plain = [&[0x08, 0x09, 0x52, 0x04][..], b"ORTN", &graph()].concat();
        assert_eq!(signature(&plain).unwrap().outputs.len(), 1);
    }

    #[test]
    fn a_graph_cannot_point_at_files_from_where_nobody_looks() {
        assert_eq!(signature(&model(&[graph()])).unwrap().outputs.len(), 1);
        let in_graph = field(7, &field(1, &outside_node()));
        let in_function = field(25, &field(7, &outside_node()));
        for (parts, code) in [
            (vec![in_graph.clone()], ErrorCode::Security),
            (vec![in_function.clone(), graph()], ErrorCode::Security),
            (vec![graph(), in_function], ErrorCode::Security),
            (vec![in_graph.clone(), graph()], ErrorCode::InvalidEncoding),
            (vec![graph(), in_graph], ErrorCode::InvalidEncoding),
        ] {
            assert_eq!(signature(&model(&parts)).unwrap_err().code, code);
        }
    }
}
