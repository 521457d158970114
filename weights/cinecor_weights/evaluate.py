"""How well an exported package does: 3-D Dice on the scanner's grid per structure and phase, and the error of the ejection fraction.

Runs the graph through ONNX Runtime with the pre- and post-processing of `grid`, so what is measured is what is served.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime

from . import grid, prepare
from .labels import LABELS, STRUCTURES

#: `[N, 1, CANVAS, CANVAS]` float32 → probabilities `[N, C, CANVAS, CANVAS]` float32.
Predictor = Callable[[np.ndarray], np.ndarray]

#: Resamples of the patients for the 95 % intervals.
BOOTSTRAPS: int = 2000


def predictor(graph: Path, threads: int = 2) -> Predictor:
    """The graph as a function, a few slices at a time."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda image: np.concatenate([session.run(None, {name: image[i : i + 4]})[0] for i in range(0, len(image), 4)])


def segment(image: np.ndarray, row_mm: float, column_mm: float, predict: Predictor, largest: bool = True) -> np.ndarray:
    """One frame `[Z, Y, X]` in scanner units → labels uint8 `[Z, Y, X]` on the same grid, as the service makes them."""
    canvas = grid.to_canvas(image, row_mm, column_mm)
    probabilities = predict(canvas[:, None])
    labels = grid.from_canvas(probabilities, *image.shape[-2:], row_mm, column_mm)
    return grid.keep_largest(labels) if largest else labels


def dice(reference: np.ndarray, prediction: np.ndarray) -> float | None:
    """Dice of two boolean arrays; None when both are empty, which is neither right nor wrong."""
    total = int(reference.sum()) + int(prediction.sum())
    return None if total == 0 else 2 * int((reference & prediction).sum()) / total


def _summary(values: list[float]) -> dict[str, float]:
    """Mean and its bootstrap 95 % interval over patients, seeded."""
    array = np.asarray(values)
    draws = np.random.default_rng(1).integers(0, len(array), (BOOTSTRAPS, len(array)))
    low, high = np.percentile(array[draws].mean(1), [2.5, 97.5])
    return {"mean": round(float(array.mean()), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def evaluate(split: str, predict: Predictor, largest: bool = True) -> dict[str, object]:
    """The `accuracy` entry of a card for one split of ACDC."""
    scores: dict[str, dict[str, list[float]]] = {s: {"ed": [], "es": []} for s in STRUCTURES}
    volumes: dict[tuple[str, str, str], float] = {}
    frames = prepare.frames(split)
    for frame in frames:
        labels = segment(frame.image, frame.row_mm, frame.column_mm, predict, largest)
        for structure in STRUCTURES:
            value = dice(frame.labels == LABELS[structure], labels == LABELS[structure])
            if value is not None:
                scores[structure][frame.phase.lower()].append(value)
        voxel_ml = frame.row_mm * frame.column_mm * frame.slice_mm / 1000
        for who, mask in (("reference", frame.labels), ("prediction", labels)):
            volumes[frame.patient, frame.phase, who] = float((mask == LABELS["left_ventricle"]).sum()) * voxel_ml

    def ef_percent(patient: str, who: str) -> float:
        edv_ml, esv_ml = (volumes[patient, phase, who] for phase in ("ED", "ES"))
        return 100 * (edv_ml - esv_ml) / edv_ml

    patients = sorted({frame.patient for frame in frames})
    reference, found = (np.array([ef_percent(p, who) for p in patients]) for who in ("reference", "prediction"))
    per_structure = {s: {phase: _summary(values) for phase, values in phases.items()} for s, phases in scores.items()}
    return {
        "set": f"acdc-{split}",
        "patients": len(patients),
        "method": "3-D Dice on the scanner's grid, largest components kept, fp32 on ONNX Runtime; intervals: bootstrap over patients, 95 %",
        "dice": per_structure,
        "dice_mean": round(float(np.mean([phase["mean"] for s in per_structure.values() for phase in s.values()])), 4),
        "left_ventricle_ef_error_points": {
            "bias": round(float((found - reference).mean()), 2),
            "sd": round(float((found - reference).std(ddof=1)), 2),
            "r": round(float(np.corrcoef(found, reference)[0, 1]), 4),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("graph", type=Path, help="a model.onnx")
    parser.add_argument("--set", default="val", choices=["train", "val", "dev_test"], help="dev_test is for the report, never for a choice")
    parser.add_argument("--all-components", action="store_true", help="without the largest-component clean-up")
    arguments = parser.parse_args()
    print(json.dumps(evaluate(arguments.set, predictor(arguments.graph), not arguments.all_components), indent=2))


if __name__ == "__main__":
    main()
