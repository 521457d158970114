//! Proves from an ONNX graph that the items along the first dimension of its inputs do not touch one another, so that a batch may be computed
//! item by item. Operators that are not known to keep items apart are taken to mix them: a graph that is not understood is computed as it
//! comes. What an operator does is the ONNX specification's, of every version since the operator sets that engines still read.

use crate::Error;
use crate::onnx::{Fields, Parts, Value, bytes_field, tensor_spec};
use crate::signature::Dim;
use std::collections::{HashMap, HashSet};

/// What takes its first input item by item, whatever the others are as long as they are the same for all items.
const BY_ITEM: [&str; 24] = [
    "Abs",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Conv",
    "ConvTranspose",
    "Elu",
    "Erf",
    "Exp",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "InstanceNormalization",
    "LeakyRelu",
    "MaxPool",
    "Neg",
    "Relu",
    "Sigmoid",
    "Softplus",
    "Sqrt",
    "Tanh",
];

/// What takes inputs element by element, and stretches smaller ones over larger ones.
const BY_ELEMENT: [&str; 7] = ["Add", "Div", "Max", "Min", "Mul", "Sub", "Sum"];

/// What is by item along any axis but the first: operator, name of the attribute, what it is when it is not there.
const ALONG_AN_AXIS: [(&str, i64); 5] = [
    // Its axis has to be told; one that is not is the first.
    ("Concat", 0),
    ("DequantizeLinear", 1),
    ("LogSoftmax", -1),
    ("QuantizeLinear", 1),
    ("Softmax", -1),
];

/// What keeps the dimensions of weights.
const OF_WEIGHTS: [&str; 4] = ["Cast", "DequantizeLinear", "Identity", "QuantizeLinear"];

/// More values than any graph that is worth the proof has.
const VALUES_MAX: usize = 1 << 16;

/// More inputs or outputs than an operator of such a graph has.
const NAMES_MAX: usize = 256;

/// More dimensions than an engine knows.
const DIMS_MAX: usize = 16;

/// Whether each item of a batch gives the same alone. `false` is "not that anybody knows".
///
/// # Errors
/// `invalid-encoding` when the bytes are not an ONNX model.
pub(crate) fn items_are_apart(model: &[u8]) -> Result<bool, Error> {
    let Parts { graph, functions } = Parts::of(model)?;
    // They give operators other meanings.
    if !functions.is_empty() {
        return Ok(false);
    }
    let mut known = Known::default();
    for field in Fields(graph) {
        if let (5, Value::Bytes(tensor)) = field? {
            let name = bytes_field(tensor, 8)?.unwrap_or_default();
            known.weights.insert(name, dims_of(tensor)?);
        }
        if known.weights.len() > VALUES_MAX {
            return Ok(false);
        }
    }
    for field in Fields(graph) {
        let (11, Value::Bytes(info)) = field? else {
            continue;
        };
        let name = bytes_field(info, 1)?.unwrap_or_default();
        if known.weights.contains_key(name) {
            continue;
        }
        let spec = tensor_spec(info)?;
        let Some([Dim::Named(_) | Dim::Any, rest @ ..]) = spec.dims.as_deref() else {
            return Ok(false);
        };
        let rank = 1 + rest.len();
        if *known.rank.get_or_insert(rank) != rank {
            return Ok(false);
        }
        known.items.insert(name);
    }
    for field in Fields(graph) {
        if let (1, Value::Bytes(node)) = field? {
            let apart = Node::read(node)?.is_some_and(|node| known.follow(&node));
            if !apart || known.weights.len() + known.items.len() > VALUES_MAX {
                return Ok(false);
            }
        }
    }
    for field in Fields(graph) {
        if let (12, Value::Bytes(info)) = field? {
            let name = bytes_field(info, 1)?.unwrap_or_default();
            if !known.items.contains(name) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// What is known of the values of a graph, by their names.
#[derive(Default)]
struct Known<'a> {
    /// Dimensions of all values that have items.
    rank: Option<usize>,
    /// Values whose first dimension is that of the items, each of which rests on the same item of the inputs alone.
    items: HashSet<&'a [u8]>,
    /// Values that are the same for all items, with their dimensions where those are known.
    weights: HashMap<&'a [u8], Option<Vec<i64>>>,
}

impl<'a> Known<'a> {
    /// Takes note of what a node makes; `false` when that may mix items.
    fn follow(&mut self, node: &Node<'a>) -> bool {
        // The further outputs of operators that have some, such as the places of maxima, count over all items.
        let ([output], Ok(operator), false) = (
            node.outputs.as_slice(),
            std::str::from_utf8(node.operator),
            node.means_otherwise,
        ) else {
            return false;
        };
        // An input that is left out has no name.
        let named = node.inputs.iter().copied();
        let inputs: Vec<&[u8]> = named.filter(|name| !name.is_empty()).collect();
        let is_weight = |name: &&[u8]| self.weights.contains_key(*name);
        let is_item = |name: &&[u8]| self.items.contains(*name);
        if inputs.iter().all(is_weight) {
            let dims = match inputs.first() {
                Some(first) if OF_WEIGHTS.contains(&operator) => {
                    self.weights.get(*first).cloned().flatten()
                }
                None if operator == "Constant" => None,
                _ => return false,
            };
            self.weights.insert(output, dims);
            return true;
        }
        let Some((first, others)) = inputs.split_first() else {
            return false;
        };
        let is_stretched = |name: &&[u8]| self.is_stretched(name);
        let along = ALONG_AN_AXIS.iter().find(|(name, _)| *name == operator);
        let apart = if BY_ITEM.contains(&operator) {
            is_item(first) && others.iter().all(is_weight)
        } else if BY_ELEMENT.contains(&operator) {
            // Until operator set 7 an axis said where smaller inputs belong.
            let fits = |name: &&[u8]| is_item(name) || self.is_stretched(name);
            node.axis.is_none() && inputs.iter().all(fits)
        } else if let Some((_, usual)) = along {
            let fit = match operator {
                "Concat" => inputs.iter().all(is_item),
                _ => is_item(first) && others.iter().all(is_stretched),
            };
            fit && self.is_not_first(node.axis.unwrap_or(*usual))
        } else {
            false
        };
        if apart {
            self.items.insert(output);
        }
        apart
    }

    /// Whether a weight is stretched over all items: it has fewer dimensions than they, or one element along the first.
    fn is_stretched(&self, name: &[u8]) -> bool {
        let dims = self.weights.get(name).and_then(Option::as_ref);
        dims.zip(self.rank)
            .is_some_and(|(dims, rank)| match dims.len() {
                length if length < rank => true,
                length => length == rank && dims.first() == Some(&1),
            })
    }

    /// Whether an axis, which counts from the end where it is negative, is not that of the items.
    fn is_not_first(&self, axis: i64) -> bool {
        let rank = self.rank.and_then(|rank| i64::try_from(rank).ok());
        rank.is_some_and(|rank| (1..rank).contains(&axis) || (1 - rank..0).contains(&axis))
    }
}

/// What is read of a NodeProto.
struct Node<'a> {
    operator: &'a [u8],
    inputs: Vec<&'a [u8]>,
    outputs: Vec<&'a [u8]>,
    axis: Option<i64>,
    /// Whether it is not ONNX's own operator, or not as it is used to compute.
    means_otherwise: bool,
}

impl<'a> Node<'a> {
    /// `None` for one of more inputs or outputs than are looked at.
    fn read(node: &'a [u8]) -> Result<Option<Node<'a>>, Error> {
        let domain = bytes_field(node, 7)?.unwrap_or_default();
        let mut read = Node {
            operator: bytes_field(node, 4)?.unwrap_or_default(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            axis: None,
            means_otherwise: ![&b""[..], b"ai.onnx"].contains(&domain),
        };
        for field in Fields(node) {
            match field? {
                (1, Value::Bytes(name)) => read.inputs.push(name),
                (2, Value::Bytes(name)) => read.outputs.push(name),
                (5, Value::Bytes(attribute)) => match bytes_field(attribute, 1)? {
                    Some(b"axis") => read.axis = Some(number_field(attribute, 3)?),
                    // Statistics of the batch are not an item's own, and blocks of a scale are of the whole tensor.
                    Some(b"training_mode" | b"block_size") => {
                        read.means_otherwise |= number_field(attribute, 3)? != 0;
                    }
                    _ => {}
                },
                _ => {}
            }
            if read.inputs.len().max(read.outputs.len()) > NAMES_MAX {
                return Ok(None);
            }
        }
        Ok(Some(read))
    }
}

/// The last value of a field of a whole number; who writes 0 may leave it out.
fn number_field(message: &[u8], wanted: u64) -> Result<i64, Error> {
    let mut found = 0;
    for field in Fields(message) {
        if let (number, Value::Number(value)) = field?
            && number == wanted
        {
            found = value.cast_signed();
        }
    }
    Ok(found)
}

/// The dimensions of a TensorProto: one number a field, or several packed in one. `None` where there are too many.
fn dims_of(tensor: &[u8]) -> Result<Option<Vec<i64>>, Error> {
    let mut dims = Vec::new();
    for field in Fields(tensor) {
        match field? {
            (1, Value::Number(size)) => dims.push(size.cast_signed()),
            (1, Value::Bytes(packed)) => {
                let mut packed = Fields(packed);
                while !packed.0.is_empty() && dims.len() <= DIMS_MAX {
                    dims.push(packed.varint()?.cast_signed());
                }
            }
            _ => {}
        }
        if dims.len() > DIMS_MAX {
            return Ok(None);
        }
    }
    Ok(Some(dims))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn graphs_of_the_suite_are_apart_where_they_are() {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        for (graph, apart) in [
            ("unet_transpose/model.onnx", true),
            ("unet_transpose/model.bf16.onnx", true),
            ("unet_transpose/model.int8.onnx", true),
            ("identity_u8/model.onnx", true),
            ("named_inputs/model.onnx", true),
            ("open_size/model.onnx", true),
            // A mean over the batch, a batch of one size, a selection, and an operator that is not known here.
            ("batch_mixing/model.onnx", false),
            ("convolution/model.onnx", false),
            ("labels/model.onnx", false),
            ("scalar/model.onnx", false),
            ("unet_resize/model.onnx", false),
        ] {
            let model = std::fs::read(data.join(graph)).unwrap();
            assert_eq!(items_are_apart(&model).unwrap(), apart, "{graph}");
            for end in 0..model.len().min(400) {
                // Cut short it may be anything, but no reason to stop.
                let _ = items_are_apart(&model[..end]);
            }
        }
    }

    /// A protobuf field of bytes.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u8::try_from(bytes.len()).unwrap();
        assert!(length < 0x80 && number < 16);
        [&[number << 3 | 2, length], bytes].concat()
    }

    /// A protobuf field of a number.
    fn number(number: u8, value: i64) -> Vec<u8> {
        let mut out = vec![number << 3];
        let mut rest = value.cast_unsigned();
        while rest >= 0x80 {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
        out
    }

    /// A NodeProto with the attributes of whole numbers.
    fn node(operator: &str, inputs: &[&str], outputs: &[&str], whole: &[(&str, i64)]) -> Vec<u8> {
        let names = |at: u8, names: &[&str]| -> Vec<u8> {
            names
                .iter()
                .flat_map(|name| field(at, name.as_bytes()))
                .collect()
        };
        let whole = whole.iter().flat_map(|(name, value)| {
            field(5, &[field(1, name.as_bytes()), number(3, *value)].concat())
        });
        [
            names(1, inputs),
            names(2, outputs),
            field(4, operator.as_bytes()),
            whole.collect(),
        ]
        .concat()
    }

    /// A ValueInfoProto of fp32 whose first dimension is called `n`, or fixed.
    fn input(name: &str, first: Option<i64>, rest: &[i64]) -> Vec<u8> {
        let first = match first {
            Some(size) => number(1, size),
            None => field(2, b"n"),
        };
        let rest = rest.iter().map(|size| number(1, *size));
        let dims: Vec<u8> = std::iter::once(first)
            .chain(rest)
            .flat_map(|dim| field(1, &dim))
            .collect();
        let tensor = [number(1, 1), field(2, &dims)].concat();
        [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
    }

    /// Whether items are apart from the input `x` of `[n, 4]`, with a weight `w` of these dimensions, through the nodes to `y`.
    fn through(weight: &[i64], nodes: &[Vec<u8>]) -> bool {
        let dims: Vec<u8> = weight.iter().flat_map(|size| number(1, *size)).collect();
        let nodes: Vec<u8> = nodes.iter().flat_map(|node| long(1, node)).collect();
        let graph = [
            nodes,
            field(5, &[dims, field(8, b"w")].concat()),
            long(11, &input("x", None, &[4])),
            long(12, &input("y", None, &[4])),
        ]
        .concat();
        let model = [number(1, 9), long(7, &graph)].concat();
        items_are_apart(&model).unwrap()
    }

    /// As [`field`], of up to 16 KiB.
    fn long(number: u8, bytes: &[u8]) -> Vec<u8> {
        let length = bytes.len();
        let head = [
            number << 3 | 2,
            (length & 0x7f) as u8 | 0x80,
            (length >> 7) as u8,
        ];
        [&head, bytes].concat()
    }

    #[test]
    fn what_might_mix_items_is_not_apart() {
        let one = |operator: &str, inputs: &[&str], whole: &[(&str, i64)]| {
            through(&[4], &[node(operator, inputs, &["y"], whole)])
        };
        assert!(one("Relu", &["x"], &[]));
        assert!(!one("CumSum", &["x", "w"], &[]));
        assert!(!one("Relu", &["w"], &[]));
        assert!(one("Conv", &["x", "w"], &[]));
        assert!(!one("Conv", &["x", "x"], &[]));
        assert!(!one("Conv", &["w", "x"], &[]));
        assert!(one("BatchNormalization", &["x", "w"], &[]));
        assert!(!one(
            "BatchNormalization",
            &["x", "w"],
            &[("training_mode", 1)]
        ));
        for (operator, inputs) in [
            ("Softmax", &["x"][..]),
            ("LogSoftmax", &["x"]),
            ("Concat", &["x", "x"]),
            ("QuantizeLinear", &["x", "w"]),
            ("DequantizeLinear", &["x", "w"]),
        ] {
            for (axis, apart) in [(1, true), (-1, true), (0, false), (-2, false), (2, false)] {
                let found = one(operator, inputs, &[("axis", axis)]);
                assert_eq!(found, apart, "{operator} along {axis}");
            }
            assert_eq!(one(operator, inputs, &[]), operator != "Concat");
            // An attribute without a number is 0: who writes it may leave zeros out.
            let named = field(5, &field(1, b"axis"));
            let zero = [node(operator, inputs, &["y"], &[]), named].concat();
            assert!(!through(&[4], &[zero]), "{operator}");
        }
        assert!(!one("Concat", &["x", "w"], &[("axis", 1)]));

        // A weight that is as long as a batch is not the same for all items.
        for (weight, apart) in [
            (&[][..], true),
            (&[4], true),
            (&[1, 4], true),
            (&[2, 4], false),
            (&[1, 1, 4], false),
        ] {
            for inputs in [["x", "w"], ["w", "x"]] {
                let add = node("Add", &inputs, &["y"], &[]);
                assert_eq!(through(weight, &[add]), apart, "{weight:?}");
            }
            let scaled = node("QuantizeLinear", &["x", "w"], &["y"], &[]);
            assert_eq!(through(weight, &[scaled]), apart, "{weight:?}");
        }
        assert!(!one("Mul", &["x", "w"], &[("axis", 0)]));
        assert!(one("Mul", &["x", "x"], &[]));
        assert!(!one("Sum", &["x"; 300], &[]));
        assert!(!one("DequantizeLinear", &["x", "w"], &[("block_size", 2)]));

        // Weights may be made of weights; of a constant it is not known what it is like.
        let dequantized = node("DequantizeLinear", &["w", "w"], &["v"], &[]);
        assert!(through(
            &[4],
            &[dequantized, node("Add", &["x", "v"], &["y"], &[])]
        ));
        let constant = node("Constant", &[], &["v"], &[]);
        assert!(through(
            &[4],
            &[constant.clone(), node("Clip", &["x", "", "v"], &["y"], &[])]
        ));
        assert!(!through(
            &[4],
            &[constant, node("Add", &["x", "v"], &["y"], &[])]
        ));
        let random = node("RandomNormal", &[], &["v"], &[]);
        assert!(!through(
            &[4],
            &[random, node("Conv", &["x", "v"], &["y"], &[])]
        ));

        // Places of maxima count over the batch, and operators of others may do anything.
        assert!(one("MaxPool", &["x"], &[]));
        assert!(!through(
            &[4],
            &[node("MaxPool", &["x"], &["y", "places"], &[])]
        ));
        let of_others = [node("Relu", &["x"], &["y"], &[]), field(7, b"com.example")].concat();
        assert!(!through(&[4], &[of_others]));
    }

    #[test]
    fn a_batch_that_is_fixed_or_not_the_same_and_operators_of_the_models_own_are_not_apart() {
        let of = |inputs: &[Vec<u8>], more: &[u8]| {
            let inputs: Vec<u8> = inputs.iter().flat_map(|input| long(11, input)).collect();
            let relu = node("Relu", &["x"], &["y"], &[]);
            let graph = [long(1, &relu), inputs, long(12, &input("y", None, &[4]))].concat();
            items_are_apart(&[&number(1, 9), &long(7, &graph), more].concat()).unwrap()
        };
        let x = input("x", None, &[4]);
        assert!(of(std::slice::from_ref(&x), &[]));
        assert!(of(&[x.clone(), input("z", None, &[7])], &[]));
        assert!(!of(&[x.clone(), input("z", None, &[7, 7])], &[]));
        assert!(!of(&[input("x", Some(3), &[4])], &[]));
        // A FunctionProto in field 25.
        assert!(!of(&[x], &[0xca, 0x01, 0]));
    }
}
