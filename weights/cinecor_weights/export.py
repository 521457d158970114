"""Turns trained weights into a model package: `model.onnx`, checked against PyTorch before it is kept, and its card `model.json`."""

from __future__ import annotations

import argparse
import copy
import hashlib
import io
import json
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from . import evaluate, grid, train
from .labels import CLASSES, LABELS
from .model import LEVELS_DOWN, Inference, UNet, macs

#: The operator set that every engine of the service reads.
OPSET: int = 17
#: The largest difference of a probability between PyTorch and ONNX Runtime. Folding batch norm reorders float32 sums, no more.
TOLERANCE: float = 1e-4

#: Patients of each split of ACDC that a network may be trained on.
PATIENTS: dict[str, int] = {"train": 78, "val": 20}

CITATION = (
    "O. Bernard et al., Deep Learning Techniques for Automatic MRI Cardiac Multi-Structures Segmentation and Diagnosis: "
    "Is the Problem Solved?, IEEE Transactions on Medical Imaging 37(11):2514-2525, 2018, doi:10.1109/TMI.2018.2837502"
)


def fold_batch_norm(network: UNet) -> UNet:
    """A copy of `network` with every batch norm inside the convolution before it."""
    folded = copy.deepcopy(network).eval()
    for block in [*folded.down, *folded.merge]:
        for index in (0, 3):
            block[index] = fuse_conv_bn_eval(block[index], block[index + 1])
            block[index + 1] = nn.Identity()
    return folded


def graph_of(network: UNet) -> bytes:
    """The ONNX graph: `image` `[N, inputs, Y, X]` float32 → `probabilities` `[N, C, Y, X]` float32, any N, Y and X multiples of 16.

    Raises `ValueError` when ONNX Runtime and PyTorch do not agree on it.
    """
    module = Inference(fold_batch_norm(network)).to(memory_format=torch.contiguous_format).eval()
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter that needs no further package warns that a newer one exists.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (torch.zeros(2, network.inputs, 64, 64),),
            buffer,
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["probabilities"],
            dynamic_axes={"image": {0: "slices", 2: "rows", 3: "columns"}, "probabilities": {0: "slices", 2: "rows", 3: "columns"}},
        )
    model = onnx.load_from_string(buffer.getvalue())
    onnx.checker.check_model(model, full_check=True)
    graph = model.SerializeToString()
    _check_equal(network, graph)
    return graph


def _check_equal(network: UNet, graph: bytes) -> None:
    """PyTorch with its batch norms = ONNX Runtime without, on sizes other than the one traced."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(1)
    for slices, rows, columns in ((1, 64, 64), (3, 96, 160), (2, grid.CANVAS, grid.CANVAS)):
        image = torch.randn(slices, network.inputs, rows, columns, generator=generator)
        with torch.inference_mode():
            expected = Inference(network)(image).numpy()
        found = session.run(["probabilities"], {"image": image.numpy()})[0]
        worst = float(np.abs(found - expected).max())
        if found.shape != expected.shape or found.dtype != np.float32 or not worst <= TOLERANCE:
            raise ValueError(f"ONNX Runtime differs from PyTorch by {worst:.2e} at {slices}x{rows}x{columns}, at most {TOLERANCE:.0e} is allowed")


#: The limit of a network that has a region.
ABOUT_THE_HEART = (
    "Apart from the two slices in the middle of a stack, what lies farther than the card's margin from the heart that is found there is not looked at."
)


def card(name: str, version: str, graph: bytes, recipe: train.Recipe, accuracy: list[dict[str, object]]) -> dict[str, object]:
    """The card of the package, field by field as `weights/README.md` describes it."""
    tensor = {"dtype": "float32", "axis_order": "N,C,Y,X"}
    return {
        "schema_version": 1,
        "name": name,
        "version": version,
        "title": "2-D U-Net for short-axis cardiac cine MRI",
        "graph": {"format": "onnx", "file": "model.onnx", "digest": hashlib.sha256(graph).hexdigest(), "precision": "fp32"},
        "variants": [],
        "inputs": [{"name": "image", **tensor, "shape": [-1, 1 + 2 * recipe.neighbours, -1, -1]}],
        "outputs": [{"name": "probabilities", **tensor, "shape": [-1, CLASSES, -1, -1], "values": "probabilities"}],
        "preprocessing": {
            "spacing_mm": {"row": recipe.served.spacing_mm, "column": recipe.served.spacing_mm},
            "interpolation": "bilinear",
            "canvas": {"rows": recipe.canvas, "columns": recipe.canvas, "multiple": 2**LEVELS_DOWN, "placement": "centre", "padding": 0.0},
            "normalisation": {"method": "z_score", "scope": "frame", "clip_sd": grid.CLIP_SD},
            "neighbours": recipe.neighbours,
            **({"region": asdict(recipe.served.region)} if recipe.served.region else {}),
        },
        "postprocessing": {
            "interpolation": "bilinear",
            "decision": "argmax",
            "components": {"keep": "largest", "connectivity": 26, "share": grid.KEEP_SHARE},
        },
        "labels": LABELS,
        "training": {
            "data": [
                {"name": "ACDC", "set": f"acdc-{split}", "patients": PATIENTS[split], "licence": "CC-BY-NC-SA-4.0", "citation": CITATION}
                for split in recipe.splits
            ],
            "recipe": asdict(recipe),
        },
        "licence": "CC-BY-NC-SA-4.0",
        "licence_note": "Trained on ACDC: research and other non-commercial use only, attribution, share alike.",
        "citation": CITATION,
        "intended_use": (
            "Research: segmentation of both ventricles and the left ventricular myocardium in short-axis balanced SSFP cine MRI, "
            "each result reviewed by a qualified person. Not a medical device, not for diagnosis or treatment."
        ),
        "limits": [
            f"Trained on {sum(PATIENTS[split] for split in recipe.splits)} adult patients of one hospital on Siemens scanners of 1.5 T and 3 T; other vendors, field strengths, children and "
            "congenital heart disease were not seen.",
            "Short-axis slices only; long-axis views, late enhancement and mapping were not seen.",
            f"What lies more than {recipe.canvas * recipe.served.spacing_mm / 2:.0f} mm from the middle of the image in a row or column is not looked at.",
            ("Each slice is seen alone" if recipe.neighbours == 0 else "Each slice is seen with its neighbours alone") + ": the most basal and the most apical slice are the least certain, and of the right ventricle more so.",
            *([ABOUT_THE_HEART] if recipe.region else []),
            "Papillary muscles and trabeculae count as cavity; the right ventricular outflow tract is left out, as in ACDC.",
        ],
        "accuracy": accuracy,
    }


def package(network: UNet, recipe: train.Recipe, name: str, version: str, models: Path, sets: list[str]) -> Path:
    """Writes `models/name/version/` with the graph and its card, measured on `sets`, and returns the folder."""
    folder = models / name / version
    folder.mkdir(parents=True, exist_ok=True)
    graph = graph_of(network)
    (folder / "model.onnx").write_bytes(graph)
    predict = evaluate.predictor(folder / "model.onnx")
    accuracy = [evaluate.evaluate(split, predict, onto=recipe.served) for split in sets]
    whole = {**card(name, version, graph, recipe, accuracy), "cost": {"gmac_per_slice": round(macs(network, recipe.canvas) / 1e9, 4)}}
    text = json.dumps(whole, indent=2, ensure_ascii=False)
    (folder / "model.json").write_text(text + "\n")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, help="weights.pt of a training run")
    parser.add_argument("--name", default="cinecor-unet")
    parser.add_argument("--version", required=True)
    parser.add_argument("--models", type=Path, default=train.MODELS)
    parser.add_argument("--measure", nargs="*", default=["val", "dev_test"], help="sets whose accuracy the card states")
    arguments = parser.parse_args()
    network, recipe = train.load(arguments.weights)
    folder = package(network, recipe, arguments.name, arguments.version, arguments.models, arguments.measure)
    print(f"{folder}: {macs(network, recipe.canvas) / 1e9:.2f} GMAC a slice of {recipe.canvas}x{recipe.canvas}")


if __name__ == "__main__":
    main()
