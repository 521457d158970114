"""Makes the graphs of a package at other precisions, measures each on acdc-val, and writes them into its card.

`model.bf16.onnx` holds the weights of the convolutions rounded to bf16, half as large; what multiplies in bf16 is the engine, OpenVINO, on a
processor that has such products. `model.int8.onnx` is quantised statically (QDQ): weights of eight bits with a scale for each output
channel, activations of eight bits whose ranges are those of slices of acdc-train. The range's rule is chosen on acdc-val among the ones
of ONNX Runtime, and the layers that stay in float are as few as the allowed loss of Dice takes. No training and no torch here.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from . import evaluate, grid, prepare

#: What a variant may lose of the mean Dice of acdc-val against the float32 graph.
DICE_LOSS_MAX: float = 0.003
#: Slices of acdc-train that the ranges of activations are taken from.
CALIBRATION_SLICES: int = 96
#: Frames that those slices are of: a few of each, so that many patients are among them.
SLICES_A_FRAME: int = 3
#: Slices whose activations are in memory at once while ranges are taken.
STRIDE: int = 4
#: How the range of an activation is taken from what it was on the calibration slices.
METHODS: dict[str, tuple[CalibrationMethod, dict[str, object]]] = {
    "minmax": (CalibrationMethod.MinMax, {}),
    "percentile": (CalibrationMethod.Percentile, {"CalibPercentile": 99.999}),
    "entropy": (CalibrationMethod.Entropy, {}),
}
#: Operators that are computed in int8. Softmax stays in float: its output is what everything after the network is made of.
QUANTISED: list[str] = ["Conv", "ConvTranspose", "MaxPool", "Concat"]
#: The most layers at either end of the network that may stay in float where Dice asks for it.
FLOAT_ENDS_MAX: int = 3


def bf16(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with its kernels stored as bf16, rounded to the nearest, and cast to float32 where they are used; biases stay as they are.

    An engine that multiplies in bf16 rounds the kernels itself: to it the two graphs are one. One that does not computes in float32 with
    kernels of eight bits of mantissa.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    casts = []
    for tensor in made.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 2:
            continue
        kernel, name = numpy_helper.to_array(tensor), tensor.name
        stored = f"{name}.bf16"
        tensor.CopyFrom(numpy_helper.from_array(kernel.astype(ml_dtypes.bfloat16), stored))
        casts.append(helper.make_node("Cast", [stored], [name], f"{name}.cast", to=TensorProto.FLOAT))
    nodes = [*casts, *made.graph.node]
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    onnx.checker.check_model(made, full_check=True)
    return made


def float_ends(model: onnx.ModelProto, count: int) -> list[str]:
    """Names of the first `count` and the last `count` convolutions."""
    names = [node.name for node in model.graph.node if node.op_type in ("Conv", "ConvTranspose")]
    return [*names[:count], *names[len(names) - count :]] if count else []


def calibration(onto: grid.Grid, seed: int, count: int = CALIBRATION_SLICES) -> np.ndarray:
    """`count` slices of acdc-train as the network sees them, `[count, 1 + 2·neighbours, canvas, canvas]` float32, of frames drawn by `seed`."""
    random = np.random.default_rng(seed)
    frames = prepare.frames("train")
    found: list[np.ndarray] = []
    for number in random.permutation(len(frames)):
        frame = frames[number]
        seen = grid.with_neighbours(grid.to_canvas(frame.image, frame.row_mm, frame.column_mm, onto), onto.neighbours)
        found.extend(seen[random.permutation(len(seen))[:SLICES_A_FRAME]])
        if len(found) >= count:
            break
    return np.stack(found[:count])


class Reader(CalibrationDataReader):
    """Hands slices over one at a time, a range of them if asked."""

    def __init__(self, name: str, slices: np.ndarray) -> None:
        self.name, self.slices = name, slices
        self.set_range(0, len(slices))

    def set_range(self, start_index: int, end_index: int) -> None:
        self.left: Iterator[np.ndarray] = iter(self.slices[start_index:end_index])

    def get_next(self) -> dict[str, np.ndarray] | None:
        found = next(self.left, None)
        return None if found is None else {self.name: found[None]}

    def __len__(self) -> int:
        return len(self.slices)


def int8(model: onnx.ModelProto, slices: np.ndarray, method: str, in_float: list[str]) -> onnx.ModelProto:
    """The graph quantised, with the ranges that activations have on `slices` by `method`, but for the nodes `in_float`."""
    rule, options = METHODS[method]
    # The quantiser tells every stride, and asks for a preparation that a graph of folded convolutions has no use for.
    logging.getLogger().setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        # By files: the quantiser moves the weights of a model in memory out of it.
        whole, made = Path(folder) / "whole.onnx", Path(folder) / "made.onnx"
        onnx.save(model, whole)
        quantize_static(
            whole,
            made,
            Reader(model.graph.input[0].name, slices),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=QUANTISED,
            per_channel=True,
            # The pair that processors multiply: unsigned activations, signed weights.
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=in_float,
            calibrate_method=rule,
            extra_options={"CalibStridedMinMax": STRIDE, **options},
        )
        quantised = onnx.load(made)
    onnx.checker.check_model(quantised, full_check=True)
    return quantised


def on_onnxruntime(graph: bytes) -> tuple[str, evaluate.Predictor]:
    """The graph on ONNX Runtime, and its name and version."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return f"ONNX Runtime {onnxruntime.__version__}", lambda image: np.concatenate(
        [session.run(None, {name: image[i : i + 4]})[0] for i in range(0, len(image), 4)]
    )


def on_openvino(graph: bytes, precision: str) -> tuple[str, evaluate.Predictor]:
    """The graph on OpenVINO with this arithmetic in its float layers, and its name and version. `RuntimeError` where it is not to be had."""
    import openvino

    core = openvino.Core()
    if precision not in {name.lower() for name in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")} | {"f32"}:
        raise RuntimeError(f"OpenVINO has no {precision} on this processor: measure where it has.")
    compiled = core.compile_model(core.read_model(graph), "CPU", {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 2})
    found = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    if found != precision:
        raise RuntimeError(f"OpenVINO computes in {found} where {precision} was asked for: measure on another processor.")
    request = compiled.create_infer_request()

    def predict(image: np.ndarray) -> np.ndarray:
        found = []
        for i in range(0, len(image), 4):
            request.infer([image[i : i + 4]])
            found.append(request.get_output_tensor(0).data.copy())
        return np.concatenate(found)

    return f"OpenVINO {openvino.__version__.split('-')[0]}", predict


def measured(split: str, onto: grid.Grid, precision: str, on: tuple[str, evaluate.Predictor], whole: float | None) -> dict[str, object]:
    """The `accuracy` entry of a variant; `whole` is the mean Dice of the float32 graph on the same set."""
    engine, predict = on
    found = evaluate.evaluate(split, predict, onto=onto)
    found["method"] = str(found["method"]).replace("fp32 on ONNX Runtime", f"{precision} on {engine}")
    if whole is not None:
        found["dice_loss"] = round(whole - float(found["dice_mean"]), 4)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path, help="folder of the package: model.json and its model.onnx")
    parser.add_argument("--precisions", nargs="*", default=["bf16", "int8"], choices=["bf16", "int8"], help="others that the card has are dropped")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS), help="rules for ranges that are tried")
    parser.add_argument("--slices", type=int, default=CALIBRATION_SLICES, help="slices of acdc-train that ranges are taken from")
    parser.add_argument("--loss", type=float, default=DICE_LOSS_MAX, help="mean Dice on acdc-val that a variant may lose")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    folder: Path = arguments.package
    card = json.loads((folder / "model.json").read_text())
    onto = evaluate.grid_of(folder / "model.json")
    bytes_whole = (folder / card["graph"]["file"]).read_bytes()
    if hashlib.sha256(bytes_whole).hexdigest() != card["graph"]["digest"]:
        raise SystemExit(f"{folder} has another graph than its card names: make the package again.")
    model = onnx.load_from_string(bytes_whole)
    whole = float(measured("val", onto, "fp32", on_onnxruntime(bytes_whole), None)["dice_mean"])
    print(f"fp32: mean Dice {whole:.4f}, {len(bytes_whole) / 1e6:.1f} MB", flush=True)

    def told(what: str, found: dict[str, object]) -> None:
        print(f"{what}: mean Dice {found['dice_mean']:.4f}, loss {found['dice_loss']:+.4f}; {found['method']}", flush=True)

    kept: dict[str, tuple[bytes, list[dict[str, object]], dict[str, object]]] = {}
    if "bf16" in arguments.precisions:
        graph = bf16(model).SerializeToString(deterministic=True)
        found = measured("val", onto, "bf16", on_openvino(graph, "bf16"), whole)
        told("bf16", found)
        kept["bf16"] = graph, [found], {"weights": "bf16", "biases": "fp32"}
    if "int8" in arguments.precisions:
        slices = calibration(onto, arguments.seed, arguments.slices)
        for ends in range(1, FLOAT_ENDS_MAX + 1):
            tried: list[tuple[float, str, bytes, dict[str, object]]] = []
            for method in arguments.methods:
                graph = int8(model, slices, method, float_ends(model, ends)).SerializeToString(deterministic=True)
                found = measured("val", onto, "int8", on_onnxruntime(graph), whole)
                told(f"int8, {method}, {ends} float at either end", found)
                tried.append((float(found["dice_loss"]), method, graph, found))
            loss, method, graph, found = min(tried, key=lambda one: one[0])
            if loss <= arguments.loss:
                break
        other = measured("val", onto, "int8", on_openvino(graph, "f32"), whole)
        told("int8", other)
        recipe = {"method": method, "set": "acdc-train", "slices": len(slices), "seed": arguments.seed, "float_convolutions_at_either_end": ends}
        kept["int8"] = graph, [found, other], recipe

    lossy = [name for name, (_, found, _) in kept.items() if any(float(one["dice_loss"]) > arguments.loss for one in found)]
    if lossy:
        raise SystemExit(f"{' and '.join(lossy)} lose more than {arguments.loss} of mean Dice on acdc-val: nothing was written.")
    variants = []
    for precision, (graph, accuracy, recipe) in kept.items():
        file = f"model.{precision}.onnx"
        (folder / file).write_bytes(graph)
        digest = hashlib.sha256(graph).hexdigest()
        variants.append({"format": "onnx", "file": file, "digest": digest, "precision": precision, "recipe": recipe, "accuracy": accuracy})
        print(f"{folder / file}: {len(graph) / 1e6:.1f} MB, {digest}")
    card["variants"] = variants
    (folder / "model.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
