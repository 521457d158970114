"""Makes tests/data: small ONNX graphs, inputs, and golden outputs by onnx's ReferenceEvaluator, which no engine under test is
made of. Run it where `onnx`, `numpy`, `ml_dtypes` and, for its quantiser, `onnxruntime` are installed (onnx 1.23 and onnxruntime 1.32 made
the committed files):

    python runtime/nn/tests/make_data.py

Each case is a folder: `model.onnx`, and `case.json` with one or more runs of named inputs and expected outputs, whose elements are
row-major little-endian bytes in base64. `unet_transpose` has its graph in bf16 and int8 besides. The seed is fixed: making the files again changes nothing but the producer's version.
"""

import base64
import json
import pathlib

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

DATA = pathlib.Path(__file__).parent / "data"
RNG = np.random.default_rng(20261123)

# wasi:nn name -> (ONNX element type, NumPy type).
TYPES = {
    "fp16": (TensorProto.FLOAT16, np.float16),
    "fp32": (TensorProto.FLOAT, np.float32),
    "fp64": (TensorProto.DOUBLE, np.float64),
    "bf16": (TensorProto.BFLOAT16, ml_dtypes.bfloat16),
    "u8": (TensorProto.UINT8, np.uint8),
    "i32": (TensorProto.INT32, np.int32),
    "i64": (TensorProto.INT64, np.int64),
}


def value(name: str, ty: str, shape: list[int | str] | None) -> onnx.ValueInfoProto:
    """Declares an input or output; a text in `shape` is a size that is open."""
    return helper.make_tensor_value_info(name, TYPES[ty][0], shape)


def weight(name: str, array: np.ndarray) -> onnx.TensorProto:
    """An initializer."""
    return numpy_helper.from_array(array, name)


def normal(*shape: int, scale: float = 1.0) -> np.ndarray:
    """Normally distributed fp32 numbers."""
    return (RNG.standard_normal(shape) * scale).astype(np.float32)


def model(nodes, inputs, outputs, weights=()) -> onnx.ModelProto:
    """A checked model of opset 17."""
    graph = helper.make_graph(list(nodes), "case", list(inputs), list(outputs), list(weights))
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="cinecor-nn tests")
    onnx.checker.check_model(made)
    return made


def encode(name: str, array: np.ndarray) -> dict:
    """A named tensor as the tests read it."""
    ty = next(ty for ty, (_, dtype) in TYPES.items() if np.dtype(dtype) == array.dtype)
    array = np.ascontiguousarray(array)
    # wasi:nn writes a scalar as one dimension of one.
    shape = list(array.shape) or [1]
    return {"name": name, "type": ty, "dims": shape, "data": base64.b64encode(array.tobytes()).decode()}


def save(case: str, made: onnx.ModelProto, *runs: dict[str, np.ndarray]) -> None:
    """Writes a case with the reference's outputs for each run's inputs."""
    folder = DATA / case
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(made.SerializeToString(deterministic=True))
    reference = ReferenceEvaluator(made)
    names = [output.name for output in made.graph.output]
    written = []
    for inputs in runs:
        outputs = reference.run(None, inputs)
        expected = []
        for declared, name, array in zip(made.graph.output, names, outputs, strict=True):
            dtype = next(d for e, d in TYPES.values() if e == declared.type.tensor_type.elem_type)
            expected.append(encode(name, np.asarray(array).astype(dtype)))
        written.append({"inputs": [encode(name, array) for name, array in inputs.items()], "outputs": expected})
    (folder / "case.json").write_text(json.dumps({"runs": written}, indent=1) + "\n")


def identities() -> None:
    """One case for each type: the bits go in and come out."""
    values = {
        "fp16": [0.0, -1.5, 65504.0],
        "fp32": [0.1, -3.4028235e38, 1.17549435e-38],
        "fp64": [0.1, 1.7976931348623157e308, 2.2250738585072014e-308],
        "bf16": [0.0, -1.5, 3.0e38],
        "u8": [0, 128, 255],
        "i32": [0, -(2**31), 2**31 - 1],
        "i64": [0, -(2**63), 2**63 - 1],
    }
    for ty, numbers in values.items():
        made = model([helper.make_node("Identity", ["x"], ["y"])], [value("x", ty, ["n", 3])], [value("y", ty, ["n", 3])])
        one = np.array([numbers], dtype=TYPES[ty][1])
        save(f"identity_{ty}", made, {"x": one}, {"x": np.concatenate([one, one[:, ::-1], one])})


def convolution() -> None:
    """Fixed shape, as exported without open sizes."""
    nodes = [
        helper.make_node("Conv", ["image", "w", "b"], ["c"], pads=[1, 1, 1, 1], strides=[1, 2]),
        helper.make_node("Relu", ["c"], ["features"]),
    ]
    made = model(nodes, [value("image", "fp32", [1, 2, 5, 8])], [value("features", "fp32", [1, 3, 5, 4])], [weight("w", normal(3, 2, 3, 3)), weight("b", normal(3))])
    save("convolution", made, {"image": normal(1, 2, 5, 8)})


def named_inputs() -> None:
    """Inputs and outputs told apart by name only."""
    nodes = [helper.make_node("Sub", ["left", "right"], ["difference"]), helper.make_node("Mul", ["left", "right"], ["product"])]
    made = model(
        nodes,
        [value("left", "fp32", ["n", 4]), value("right", "fp32", ["n", 4])],
        [value("difference", "fp32", ["n", 4]), value("product", "fp32", ["n", 4])],
    )
    save("named_inputs", made, {"left": normal(1, 4), "right": normal(1, 4)}, {"right": normal(3, 4), "left": normal(3, 4)})


def batch_mixing() -> None:
    """Items of a batch that do touch one another: whoever cuts this batch into pieces gets zeros."""
    nodes = [helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1), helper.make_node("Sub", ["x", "mean"], ["centred"])]
    made = model(nodes, [value("x", "fp32", ["n", 3])], [value("centred", "fp32", ["n", 3])])
    save("batch_mixing", made, {"x": normal(4, 3)}, {"x": normal(1, 3)})


def open_size() -> None:
    """Rows and columns are open as well."""
    made = model(
        [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])],
        [value("x", "fp32", ["n", 1, "rows", "columns"])],
        [value("y", "fp32", ["n", 2, "rows", "columns"])],
        [weight("w", normal(2, 1, 3, 3))],
    )
    save("open_size", made, {"x": normal(1, 1, 4, 7)}, {"x": normal(3, 1, 9, 5)}, {"x": normal(1, 1, 4, 7)})


def scalar() -> None:
    """A scalar in and a scalar out: [1] in wasi:nn."""
    nodes = [helper.make_node("Mul", ["x", "factor"], ["scaled"]), helper.make_node("ReduceSum", ["scaled"], ["sum"], keepdims=0)]
    made = model(nodes, [value("x", "fp32", [2, 3]), value("factor", "fp32", [])], [value("sum", "fp32", [])])
    save("scalar", made, {"x": normal(2, 3), "factor": np.float32([2.5]).reshape(())})


def labels() -> None:
    """Several types in one graph: scores to the place of the largest (i64) and a byte of it (u8), chosen by i64 indices."""
    nodes = [
        helper.make_node("Gather", ["scores", "order"], ["chosen"], axis=1),
        helper.make_node("ArgMax", ["chosen"], ["place"], axis=1, keepdims=0),
        helper.make_node("Cast", ["place"], ["label"], to=TensorProto.UINT8),
    ]
    made = model(
        nodes,
        [value("scores", "fp32", ["n", 4, 3]), value("order", "i64", [3])],
        [value("place", "i64", ["n", 3]), value("label", "u8", ["n", 3])],
    )
    save("labels", made, {"scores": normal(2, 4, 3), "order": np.array([3, 0, 2], dtype=np.int64)})


def unet(case: str, upsample: str) -> None:
    """Two levels of a U-Net with an open batch: convolutions, pooling, a skip, softmax over four classes."""
    weights: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []

    def conv(source: str, target: str, channels_in: int, channels_out: int, size: int = 3) -> None:
        weights.append(weight(f"{target}.w", normal(channels_out, channels_in, size, size, scale=(2.0 / (channels_in * size * size)) ** 0.5)))
        weights.append(weight(f"{target}.b", normal(channels_out, scale=0.1)))
        nodes.append(helper.make_node("Conv", [source, f"{target}.w", f"{target}.b"], [target], pads=[size // 2] * 4))

    conv("image", "e1", 1, 4)
    nodes.append(helper.make_node("Relu", ["e1"], ["e1r"]))
    nodes.append(helper.make_node("MaxPool", ["e1r"], ["down"], kernel_shape=[2, 2], strides=[2, 2]))
    conv("down", "e2", 4, 8)
    nodes.append(helper.make_node("LeakyRelu", ["e2"], ["e2r"], alpha=0.01))
    if upsample == "transpose":
        weights.append(weight("up.w", normal(8, 4, 2, 2, scale=0.3)))
        nodes.append(helper.make_node("ConvTranspose", ["e2r", "up.w"], ["up"], strides=[2, 2]))
        channels = 4
    else:
        weights.append(weight("up.scales", np.array([1, 1, 2, 2], dtype=np.float32)))
        nodes.append(helper.make_node("Resize", ["e2r", "", "up.scales"], ["up"], mode="linear", coordinate_transformation_mode="half_pixel"))
        channels = 8
    nodes.append(helper.make_node("Concat", ["up", "e1r"], ["both"], axis=1))
    conv("both", "d1", channels + 4, 4)
    weights.append(weight("norm.scale", np.abs(normal(4)) + 0.5))
    weights.append(weight("norm.shift", normal(4)))
    weights.append(weight("norm.mean", normal(4, scale=0.1)))
    weights.append(weight("norm.variance", np.abs(normal(4)) + 0.5))
    nodes.append(helper.make_node("BatchNormalization", ["d1", "norm.scale", "norm.shift", "norm.mean", "norm.variance"], ["d1n"]))
    nodes.append(helper.make_node("Relu", ["d1n"], ["d1r"]))
    conv("d1r", "scores", 4, 4, size=1)
    nodes.append(helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1))
    made = model(nodes, [value("image", "fp32", ["n", 1, 16, 12])], [value("probabilities", "fp32", ["n", 4, 16, 12])], weights)
    save(case, made, {"image": normal(1, 1, 16, 12)}, {"image": normal(5, 1, 16, 12)})


class Images:
    """Hands the images of a case to the quantiser, one at a time."""

    def __init__(self, images: list[np.ndarray]) -> None:
        self.images = iter([image[i : i + 1] for image in images for i in range(len(image))])

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self.images, None)
        return None if image is None else {"image": image}


def precisions(case: str) -> None:
    """The graph of a case with kernels of bf16 that are cast to fp32, and quantised with the ranges of the case's own images."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    folder = DATA / case
    made = onnx.load(folder / "model.onnx")
    casts = []
    for tensor in made.graph.initializer:
        if len(tensor.dims) == 4:
            kernel = numpy_helper.to_array(tensor)
            casts.append(helper.make_node("Cast", [f"{tensor.name}.bf16"], [tensor.name], to=TensorProto.FLOAT))
            tensor.CopyFrom(weight(f"{tensor.name}.bf16", kernel.astype(ml_dtypes.bfloat16)))
    nodes = [*casts, *made.graph.node]
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    onnx.checker.check_model(made)
    (folder / "model.bf16.onnx").write_bytes(made.SerializeToString(deterministic=True))

    runs = json.loads((folder / "case.json").read_text())["runs"]
    images = [np.frombuffer(base64.b64decode(i["data"]), np.float32).reshape(i["dims"]) for run in runs for i in run["inputs"]]
    quantize_static(
        folder / "model.onnx",
        folder / "model.int8.onnx",
        Images(images),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv", "ConvTranspose", "MaxPool", "Concat"],
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    quantised = onnx.load(folder / "model.int8.onnx")
    (folder / "model.int8.onnx").write_bytes(quantised.SerializeToString(deterministic=True))


def refused() -> None:
    """Graphs that are refused before an engine sees them."""
    folder = DATA / "refused"
    folder.mkdir(parents=True, exist_ok=True)
    boolean = helper.make_tensor_value_info("x", TensorProto.BOOL, ["n"])
    made = model([helper.make_node("Identity", ["x"], ["y"])], [boolean], [helper.make_tensor_value_info("y", TensorProto.BOOL, ["n"])])
    (folder / "bool_input.onnx").write_bytes(made.SerializeToString(deterministic=True))

    made = model([helper.make_node("Add", ["x", "w"], ["y"])], [value("x", "fp32", ["n", 2])], [value("y", "fp32", ["n", 2])], [weight("w", normal(1, 2))])
    initializer = made.graph.initializer[0]
    initializer.ClearField("raw_data")
    initializer.data_location = TensorProto.EXTERNAL
    entry = initializer.external_data.add()
    entry.key, entry.value = "location", "/etc/hostname"
    (folder / "outside_data.onnx").write_bytes(made.SerializeToString(deterministic=True))

    made = helper.make_model(
        helper.make_graph([helper.make_node("NoSuchOperator", ["x"], ["y"])], "case", [value("x", "fp32", [1, 2])], [value("y", "fp32", [1, 2])]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    (folder / "unknown_operator.onnx").write_bytes(made.SerializeToString(deterministic=True))


def main() -> None:
    """Makes all cases."""
    identities()
    convolution()
    named_inputs()
    batch_mixing()
    open_size()
    scalar()
    labels()
    unet("unet_transpose", "transpose")
    unet("unet_resize", "resize")
    refused()
    precisions("unet_transpose")


if __name__ == "__main__":
    main()
