"""Makes tests/data/framing.json: requests as NVIDIA's tritonclient frames them, and answers that it reads. Run it where `tritonclient[http]`,
`numpy` and `ml_dtypes` are installed (tritonclient 2.73 made the committed file); nothing is sent:

    python crates/kserve/tests/make_data.py

`requests` are bodies that tritonclient built; `answers` are bodies as Triton writes them, with what tritonclient makes of them. Bytes are base64.
"""

import base64
import json
import pathlib

import ml_dtypes
import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput, InferResult

TYPES = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "BF16": ml_dtypes.bfloat16,
}
RNG = np.random.default_rng(20261128)


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def values(datatype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Random elements; those of whole numbers span their type."""
    kind = TYPES[datatype]
    if datatype == "BOOL":
        return RNG.integers(0, 2, shape).astype(kind)
    if datatype.startswith(("U", "I")):
        info = np.iinfo(kind)
        return RNG.integers(info.min, info.max, shape, dtype=kind, endpoint=True)
    return RNG.normal(0, 100, shape).astype(kind)


def request(tensors: dict[str, tuple[str, np.ndarray]], outputs: list[str], binary: bool) -> dict:
    inputs = []
    for name, (datatype, array) in tensors.items():
        one = InferInput(name, list(array.shape), datatype)
        one.set_data_from_numpy(array, binary_data=binary)
        inputs.append(one)
    asked = [InferRequestedOutput(name, binary_data=binary) for name in outputs]
    body, header = InferenceServerClient.generate_request_body(inputs, outputs=asked)
    return {
        "binary": binary,
        "inputs": [
            {"name": name, "datatype": datatype, "shape": list(array.shape), "data": text(array.tobytes())}
            for name, (datatype, array) in tensors.items()
        ],
        "outputs": outputs,
        "body": text(body),
        "header": header,
    }


def answer(tensors: dict[str, tuple[str, np.ndarray]], binary: bool) -> dict:
    outputs, tail = [], b""
    for name, (datatype, array) in tensors.items():
        one = {"name": name, "datatype": datatype, "shape": list(array.shape)}
        if binary:
            one["parameters"] = {"binary_data_size": array.nbytes}
            tail += array.tobytes()
        else:
            one["data"] = array.flatten().tolist()
        outputs.append(one)
    header = json.dumps({"model_name": "m", "model_version": "1", "outputs": outputs}).encode()
    result = InferResult.from_response_body(header + tail, header_length=len(header) if binary else None)
    read = []
    for name, (datatype, _) in tensors.items():
        array = result.as_numpy(name)
        if datatype == "BF16":
            array = array.astype(ml_dtypes.bfloat16)
        read.append({"name": name, "datatype": datatype, "shape": list(array.shape), "data": text(array.tobytes())})
    return {"header": len(header) if binary else None, "body": text(header + tail), "outputs": read}


def main() -> None:
    each = {f"of_{name.lower()}": (name, values(name, (2, 3))) for name in TYPES}
    in_json = {name: of for name, of in each.items() if of[0] not in ("FP16", "BF16")}
    image = {"image": ("FP32", values("FP32", (1, 3, 4, 5)))}
    requests = [
        request(image, ["logits"], True),
        request(each, ["logits", "labels"], True),
        request(in_json, ["logits"], False),
    ]
    answers = [answer(image, True), answer(each, True), answer(in_json, False)]
    out = pathlib.Path(__file__).parent / "data" / "framing.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"requests": requests, "answers": answers}, indent=1) + "\n")


main()
