//! What a guest may get wrong, and the error value that each has to give. The same table is run on the host's side of the
//! boundary and through a real guest.

use super::{Named, case, data};
use cinecor_nn::{ErrorCode, TensorType, byte_length};

/// A tensor as a guest makes it: nothing about it need fit.
#[derive(Clone)]
pub(crate) struct Loose {
    pub(crate) name: String,
    pub(crate) dims: Vec<u32>,
    pub(crate) ty: TensorType,
    pub(crate) data: Vec<u8>,
}

pub(crate) struct Refusal {
    pub(crate) what: &'static str,
    pub(crate) graph: Vec<u8>,
    pub(crate) inputs: Vec<Loose>,
    pub(crate) code: ErrorCode,
    /// A part of the text that a person would look for.
    pub(crate) says: &'static str,
}

fn loose(inputs: &[Named]) -> Vec<Loose> {
    let loose = |(name, tensor): &Named| Loose {
        name: name.clone(),
        dims: tensor.dims().to_vec(),
        ty: tensor.ty(),
        data: tensor.data().to_vec(),
    };
    inputs.iter().map(loose).collect()
}

/// Zeros of this shape.
fn zeros(name: &str, dims: &[u32], ty: TensorType) -> Loose {
    Loose {
        name: name.to_owned(),
        dims: dims.to_vec(),
        ty,
        data: vec![0; byte_length(dims, ty).unwrap()],
    }
}

/// Every mistake. The graph of most is `named_inputs`: fp32 `left` and `right` of shape `[n, 4]`.
pub(crate) fn refusals() -> Vec<Refusal> {
    use ErrorCode::{InvalidArgument, InvalidEncoding, Security, UnsupportedOperation};
    use TensorType::{Bf16, Fp32, Fp64, I32};
    let named = case("named_inputs").unwrap();
    let good = loose(&named.runs[0].inputs);
    let convolution = case("convolution").unwrap().model;
    let open_size = case("open_size").unwrap().model;
    let file = |name: &str| std::fs::read(data("refused").join(name)).unwrap();
    let with = |what, says, change: &dyn Fn(&mut Vec<Loose>)| {
        let mut inputs = good.clone();
        change(&mut inputs);
        Refusal {
            what,
            graph: named.model.clone(),
            inputs,
            code: InvalidArgument,
            says,
        }
    };
    let image = |what, dims: &[u32], says| Refusal {
        what,
        graph: convolution.clone(),
        inputs: vec![zeros("image", dims, Fp32)],
        code: InvalidArgument,
        says,
    };
    let graph = |what, graph: Vec<u8>, code, says| Refusal {
        what,
        graph,
        inputs: good.clone(),
        code,
        says,
    };
    let truncated = convolution[..convolution.len() / 2].to_vec();
    vec![
        with("no input at all", "is missing", &|inputs| inputs.clear()),
        with("one input missing", "\"right\" is missing", &|inputs| {
            inputs.truncate(1)
        }),
        with("an unknown name", "no input \"middle\"", &|inputs| {
            inputs[0].name = "middle".to_owned()
        }),
        with("one input too many", "no input \"more\"", &|inputs| {
            inputs.push(zeros("more", &[1], Fp32))
        }),
        with("a name given twice", "given twice", &|inputs| {
            let again = inputs[0].clone();
            inputs.push(again);
        }),
        with("a longer type", "fp64", &|inputs| {
            inputs[0] = zeros("left", &[1, 4], Fp64)
        }),
        with("a type of the same length", "i32", &|inputs| {
            inputs[0] = zeros("left", &[1, 4], I32)
        }),
        with("a shorter type", "bf16", &|inputs| {
            inputs[0] = zeros("left", &[1, 4], Bf16)
        }),
        with("a byte too few", "15 were given", &|inputs| {
            inputs[0].data.truncate(15)
        }),
        with("a byte too many", "17 were given", &|inputs| {
            inputs[0].data.push(0)
        }),
        with("no bytes", "0 were given", &|inputs| inputs[0].data.clear()),
        with(
            "dimensions whose product overflows",
            "larger than any memory",
            &|inputs| inputs[0].dims = vec![u32::MAX; 4],
        ),
        with(
            "dimensions whose product wraps to the length",
            "larger than any memory",
            &|inputs| {
                inputs[0].dims = vec![1 << 31, 1 << 31, 4, 4];
            },
        ),
        with("a hundred dimensions", "at most 16 dimensions", &|inputs| {
            inputs[0].dims = vec![1; 100]
        }),
        with("no dimensions", "", &|inputs| inputs[0].dims = Vec::new()),
        with(
            "one dimension too few",
            "2 dimensions were expected",
            &|inputs| inputs[0].dims = vec![4],
        ),
        with(
            "one dimension too many",
            "2 dimensions were expected",
            &|inputs| inputs[0].dims = vec![1, 1, 4],
        ),
        with("a wrong fixed dimension", "must be 4", &|inputs| {
            inputs[0] = zeros("left", &[1, 5], Fp32)
        }),
        with("an empty batch", "at least 1", &|inputs| {
            inputs[0] = zeros("left", &[0, 4], Fp32);
            inputs[1] = zeros("right", &[0, 4], Fp32);
        }),
        with("batches that differ", "must be 1", &|inputs| {
            inputs[1] = zeros("right", &[3, 4], Fp32)
        }),
        image("two images where one is taken", &[2, 2, 5, 8], "must be 1"),
        image("dimensions in another order", &[1, 5, 8, 2], "must be 2"),
        Refusal {
            what: "an open dimension of nothing",
            graph: open_size,
            inputs: vec![zeros("x", &[1, 1, 0, 7], Fp32)],
            code: InvalidArgument,
            says: "at least 1",
        },
        graph(
            "no bytes of a graph",
            Vec::new(),
            InvalidEncoding,
            "not an ONNX model",
        ),
        graph(
            "text for a graph",
            b"This is not a graph.".to_vec(),
            InvalidEncoding,
            "not an ONNX model",
        ),
        graph(
            "zeros for a graph",
            vec![0; 4096],
            InvalidEncoding,
            "not an ONNX model",
        ),
        graph(
            "half a graph",
            truncated,
            InvalidEncoding,
            "not an ONNX model",
        ),
        graph(
            "elements that wasi:nn cannot carry",
            file("bool_input.onnx"),
            UnsupportedOperation,
            "bool",
        ),
        graph(
            "weights in a file of the host",
            file("outside_data.onnx"),
            Security,
            "another file",
        ),
        graph(
            "an operator that does not exist",
            file("unknown_operator.onnx"),
            UnsupportedOperation,
            "",
        ),
    ]
}
