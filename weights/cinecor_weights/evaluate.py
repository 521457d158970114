"""How well an exported package does: Dice and Hausdorff distance on the scanner's grid, and the errors of what doctors read off it.

Runs the graph through ONNX Runtime with the pre- and post-processing of `grid`, so what is measured is what is served.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from scipy import ndimage

from . import grid, prepare
from .labels import LABELS, STRUCTURES

#: `[N, 1 + 2·neighbours, Y, X]` float32 → probabilities `[N, C, Y, X]` float32.
Predictor = Callable[[np.ndarray], np.ndarray]

#: Resamples of the patients for the 95 % intervals.
BOOTSTRAPS: int = 2000
#: Density of myocardium, g/mL: Vinnakota and Bassingthwaighte, Am J Physiol Heart Circ Physiol 286:H1742, 2004.
MYOCARDIUM_G_PER_ML: float = 1.05


def predictor(graph: Path, threads: int = 2) -> Predictor:
    """The graph as a function, a few slices at a time."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda image: np.concatenate([session.run(None, {name: image[i : i + 4]})[0] for i in range(0, len(image), 4)])


def grid_of(card: Path) -> grid.Grid:
    """The network's grid as the card `model.json` states it."""
    stated = json.loads(card.read_text())["preprocessing"]
    sides, spacings = ({stated[key][a], stated[key][b]} for key, a, b in (("canvas", "rows", "columns"), ("spacing_mm", "row", "column")))
    if len(sides) > 1 or len(spacings) > 1:
        raise ValueError(f"{card} has a canvas or pixels that are not square: this evaluation knows only square ones")
    region = stated.get("region")
    return grid.Grid(spacings.pop(), sides.pop(), stated.get("neighbours", 0), region and grid.Region(region["margin"], region["step"]))


def segment(
    image: np.ndarray, row_mm: float, column_mm: float, predict: Predictor, largest: bool = True, onto: grid.Grid = grid.GRID
) -> np.ndarray:
    """One frame `[Z, Y, X]` in scanner units → labels uint8 `[Z, Y, X]` on the same grid, as the service makes them."""
    canvas = grid.to_canvas(image, row_mm, column_mm, onto)
    probabilities = grid.look(canvas, predict, onto)
    labels = grid.from_canvas(probabilities, *image.shape[-2:], row_mm, column_mm, onto)
    return grid.keep_largest(labels) if largest else labels


def dice(reference: np.ndarray, prediction: np.ndarray) -> float | None:
    """Dice of two boolean arrays; None when both are empty, which is neither right nor wrong."""
    total = int(reference.sum()) + int(prediction.sum())
    return None if total == 0 else 2 * int((reference & prediction).sum()) / total


def hausdorff_mm(reference: np.ndarray, prediction: np.ndarray, spacing_mm: tuple[float, float, float]) -> float | None:
    """The farthest that a voxel of either boolean array `[Z, Y, X]` lies from the other, mm between centres; None when one is empty."""
    if not reference.any() or not prediction.any():
        return None
    around = ndimage.find_objects((reference | prediction).astype(np.uint8))[0]
    one, other = reference[around], prediction[around]
    # The distance transform of what is not there is the distance to what is.
    there, back = (float(ndimage.distance_transform_edt(~to, spacing_mm)[of].max()) for of, to in ((one, other), (other, one)))
    return max(there, back)


def _summary(values: list[float], digits: int = 4) -> dict[str, float]:
    """Mean and its bootstrap 95 % interval over patients, seeded."""
    array = np.asarray(values)
    draws = np.random.default_rng(1).integers(0, len(array), (BOOTSTRAPS, len(array)))
    low, high = np.percentile(array[draws].mean(1), [2.5, 97.5])
    return {"mean": round(float(array.mean()), digits), "low": round(float(low), digits), "high": round(float(high), digits)}


def _errors(reference: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Bias, standard deviation and correlation of `found` `[patients]` against `reference` `[patients]`, of two patients or more.

    Where all are alike there is no correlation to state.
    """
    error = found - reference
    out = {"bias": round(float(error.mean()), 2), "sd": round(float(error.std(ddof=1)), 2)}
    if np.ptp(reference) > 0 and np.ptp(found) > 0:
        out["r"] = round(float(np.corrcoef(found, reference)[0, 1]), 4)
    return out


def measure(name: str, frames: list[prepare.Frame], predict: Predictor, largest: bool = True, onto: grid.Grid = grid.GRID) -> dict[str, object]:
    """The `accuracy` entry of a card for `frames`, an ED and an ES frame of each patient.

    A structure that the references of a frame leave out everywhere is not scored there: not every set has all of them.
    """
    scores: dict[str, dict[str, list[float]]] = {s: {"ed": [], "es": []} for s in STRUCTURES}
    distances: dict[str, dict[str, list[float]]] = {s: {"ed": [], "es": []} for s in STRUCTURES}
    #: (structure, phase) → millilitres by the reference and as found, a pair a patient.
    volumes_ml: dict[tuple[str, str], list[tuple[float, float]]] = {(s, phase): [] for s in STRUCTURES for phase in ("ed", "es")}
    for frame in frames:
        labels = segment(frame.image, frame.row_mm, frame.column_mm, predict, largest, onto)
        phase, voxel_ml = frame.phase.lower(), frame.row_mm * frame.column_mm * frame.slice_mm / 1000
        for structure in STRUCTURES:
            masks = frame.labels == LABELS[structure], labels == LABELS[structure]
            if not masks[0].any():
                continue
            scores[structure][phase].append(dice(*masks))
            distance = hausdorff_mm(*masks, (frame.slice_mm, frame.row_mm, frame.column_mm))
            if distance is not None:
                distances[structure][phase].append(distance)
            volumes_ml[structure, phase].append(tuple(float(mask.sum()) * voxel_ml for mask in masks))

    patients = len({frame.patient for frame in frames})
    out: dict[str, object] = {
        "set": name,
        "patients": patients,
        "method": "3-D Dice on the scanner's grid, "
        + ("slices looked at about the heart, " if onto.region else "")
        + "largest components kept, fp32 on ONNX Runtime; intervals: bootstrap over patients, 95 %",
        "dice": {s: {p: _summary(v) for p, v in phases.items() if v} for s, phases in scores.items() if any(phases.values())},
        "dice_mean": round(float(np.mean([np.mean(v) for phases in scores.values() for v in phases.values() if v])), 4),
        "hausdorff_mm": {s: {p: _summary(v, 1) for p, v in phases.items() if v} for s, phases in distances.items() if any(phases.values())},
    }
    if not largest:
        out["method"] = str(out["method"]).replace("largest components kept", "all components kept")
    for structure in ("left_ventricle", "right_ventricle"):
        ed_ml, es_ml = (np.array(volumes_ml[structure, phase]) for phase in ("ed", "es"))
        if len(ed_ml) == len(es_ml) == patients > 1:
            ef_percent = 100 * (ed_ml - es_ml) / ed_ml
            out[f"{structure}_ef_error_points"] = _errors(*ef_percent.T)
            out[f"{structure}_edv_error_ml"] = _errors(*ed_ml.T)
            out[f"{structure}_esv_error_ml"] = _errors(*es_ml.T)
    wall_ml = np.array(volumes_ml["myocardium", "ed"])
    if len(wall_ml) == patients > 1:
        out["myocardial_mass_error_g"] = _errors(*(MYOCARDIUM_G_PER_ML * wall_ml).T)
    return out


def evaluate(split: str, predict: Predictor, largest: bool = True, onto: grid.Grid = grid.GRID) -> dict[str, object]:
    """The `accuracy` entry of a card for one split of ACDC, or for "sunnybrook", the other scanner."""
    if split == "sunnybrook":
        return measure("sunnybrook-cine", prepare.sunnybrook_frames(), predict, largest, onto)
    return measure(f"acdc-{split}", prepare.frames(split), predict, largest, onto)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("graph", type=Path, help="a model.onnx beside its card model.json")
    parser.add_argument(
        "--set", default="val", choices=["train", "val", "dev_test", "sunnybrook"], help="dev_test is for the report, never for a choice"
    )
    parser.add_argument("--all-components", action="store_true", help="without the largest-component clean-up")
    arguments = parser.parse_args()
    onto = grid_of(arguments.graph.with_name("model.json"))
    print(json.dumps(evaluate(arguments.set, predictor(arguments.graph), not arguments.all_components, onto), indent=2))


if __name__ == "__main__":
    main()
