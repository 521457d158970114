"""Makes the golden files with NumPy and SciPy, independently of the crate. Run it in a folder of its own:

    python make_golden.py            # needs numpy and scipy; rewrites the files beside itself
"""

import json
from pathlib import Path

import hearts
import numpy as np
from scipy import ndimage, signal

HERE = Path(__file__).parent
STRUCTURES = {"right_ventricle": 1, "myocardium": 2, "left_ventricle": 3}


def heart(shape, spacing, shift=(0, 0, 0), scale=1.0, noise=0.0, seed=0):
    """Labels [Z, Y, X] of a half ellipsoid of wall around a cavity with a second cavity beside it; spacing is slice, row, column in mm."""
    z, y, x = np.meshgrid(*(np.arange(n, dtype=float) for n in shape), indexing="ij")
    z, y, x = (
        (axis - (n - 1) / 2 - by) * mm for axis, n, by, mm in zip((z, y, x), shape, shift, spacing)
    )
    taper = np.clip(1 - (z / (shape[0] * spacing[0] * 0.55)) ** 2, 0.05, None) ** 0.5
    reach = np.hypot(y, x)
    labels = np.zeros(shape, np.uint8)
    labels[np.hypot(y * 0.8, x + 21 * scale) < 14 * taper * scale] = 1
    labels[reach < 17 * taper * scale] = 2
    labels[reach < 11 * taper * scale] = 3
    rng = np.random.default_rng(seed)
    changed = rng.random(shape) < noise
    labels[changed] = rng.integers(0, 4, changed.sum())
    return labels


def surface(mask):
    """MedPy's: the mask without its erosion by one face-connected step; beyond the array nothing. A single slice is a picture."""
    mask = mask[0] if mask.shape[0] == 1 else mask
    return mask & ~ndimage.binary_erosion(mask, ndimage.generate_binary_structure(mask.ndim, 1), iterations=1)


def agreement(reference, prediction, spacing):
    """Arrays [T, Z, Y, X] of bool; spacing is slice, row, column in mm."""
    total, frames = int(reference.sum() + prediction.sum()), len(reference)
    if total == 0:
        return dict.fromkeys(["dice", "hausdorff_mm", "hd95_mm", "assd_mm", "volume_error_ml", "volume_error_percent"])
    to_reference, to_prediction, comparable = [], [], True
    for one, other in zip(reference, prediction):
        if one.any() != other.any():
            comparable = False
        elif one.any():
            one, other = surface(one), surface(other)
            mm = spacing[-one.ndim :]
            to_reference.append(ndimage.distance_transform_edt(~one, mm)[other])
            to_prediction.append(ndimage.distance_transform_edt(~other, mm)[one])
    error = int(prediction.sum()) - int(reference.sum())
    out = {
        "dice": 2 * int((reference & prediction).sum()) / total,
        "hausdorff_mm": None,
        "hd95_mm": None,
        "assd_mm": None,
        "volume_error_ml": error * float(np.prod(spacing)) / 1000 / frames,
        "volume_error_percent": 100 * error / int(reference.sum()) if reference.any() else None,
    }
    if comparable:
        there, back = np.concatenate(to_reference), np.concatenate(to_prediction)
        both = np.concatenate([there, back])
        out |= {"hausdorff_mm": both.max(), "hd95_mm": np.percentile(both, 95), "assd_mm": (there.mean() + back.mean()) / 2}
    return out


def agreement_cases():
    isotropic, typical, flat = (1.4, 1.4, 1.4), (10.0, 1.5625, 1.25), (8.0, 0.9, 1.1)
    cases = {
        "shifted_on_isotropic_voxels": (isotropic, [heart((12, 28, 42), isotropic)], [heart((12, 28, 42), isotropic, (1, 2, -1))]),
        "smaller_on_thick_slices": (typical, [heart((7, 30, 50), typical)], [heart((7, 30, 50), typical, (0, 0.5, 0.5), 0.85)]),
        "with_stray_voxels": (typical, [heart((6, 28, 48), typical)], [heart((6, 28, 48), typical, (1, 0, 1), 1.0, 0.01, 5)]),
        "one_slice": (flat, [heart((1, 44, 60), flat)], [heart((1, 44, 60), flat, (0, 2, -3), 1.1)]),
        "two_frames": (
            typical,
            [heart((5, 26, 46), typical), heart((5, 26, 46), typical, scale=0.8)],
            [heart((5, 26, 46), typical, (0, 1, 0)), heart((5, 26, 46), typical, (0, 0, 1), 0.75)],
        ),
        "touching_the_border": (flat, [heart((4, 24, 30), flat, (0, 8, 9))], [heart((4, 24, 30), flat, (1, 7, 9))]),
    }
    without_right = [np.where(frame == 1, 0, frame) for frame in cases["two_frames"][2]]
    cases["right_ventricle_missed"] = (typical, cases["two_frames"][1], without_right)
    missed_once = [cases["two_frames"][2][0], without_right[1]]
    cases["right_ventricle_missed_in_one_frame"] = (typical, cases["two_frames"][1], missed_once)
    for name, (spacing, reference, prediction) in cases.items():
        reference, prediction = (np.stack(frames).astype(np.uint8) for frames in (reference, prediction))
        yield {
            "name": name,
            "spacing_mm": dict(zip(("slice", "row", "column"), spacing)),
            "shape": list(reference.shape),
            # One digit a voxel, columns fastest.
            "reference": "".join(map(str, reference.ravel())),
            "prediction": "".join(map(str, prediction.ravel())),
            "expected": {name: agreement(reference == code, prediction == code, spacing) for name, code in STRUCTURES.items()},
        }


def metrics_case(name, counts, spacing, frame_ms, height_cm, weight_kg, heart_rate_bpm):
    """counts: structure → voxels a frame. The numbers in NumPy's words."""
    voxel_ml = float(np.prod(spacing)) / 1000
    volumes = {structure: np.array(voxels) * voxel_ml for structure, voxels in counts.items()}
    bsa = np.sqrt(height_cm * weight_kg / 3600)

    def ventricle(ml):
        edv, esv = ml.max(), ml.min()
        output = (edv - esv) * heart_rate_bpm / 1000
        return {
            "edv_ml": edv,
            "esv_ml": esv,
            "sv_ml": edv - esv,
            "ef_percent": (1 - esv / edv) * 100,
            "co_l_min": output,
            "edv_ml_per_m2": edv / bsa,
            "esv_ml_per_m2": esv / bsa,
            "sv_ml_per_m2": (edv - esv) / bsa,
            "co_l_min_per_m2": output / bsa,
        }

    left, right, wall = (volumes[s] for s in ("left_ventricle", "right_ventricle", "myocardium"))
    order = np.argsort(left, kind="stable")
    rate = np.diff(np.append(left, left[0])) / (frame_ms / 1000)
    ed, es = int(left.argmax()), int(left.argmin())
    return {
        "name": name,
        "spacing_mm": dict(zip(("slice", "row", "column"), spacing)),
        "counts": counts,
        "frame_ms": frame_ms,
        "height_cm": height_cm,
        "weight_kg": weight_kg,
        "heart_rate_bpm": heart_rate_bpm,
        "expected": {
            "ed_frame": ed,
            "es_frame": es,
            "right_ed_frame": int(right.argmax()),
            "right_es_frame": int(right.argmin()),
            "runner_up_ed_frame": int(order[-2]),
            "runner_up_es_frame": int(order[1]),
            "runner_up_ef_percent": 100 * (left[order[-2]] - left[order[1]]) / left[order[-2]],
            "left_ventricle": ventricle(left),
            "right_ventricle": ventricle(right),
            "ed_mass_g": wall[ed] * 1.05,
            "es_mass_g": wall[es] * 1.05,
            "ed_mass_g_per_m2": wall[ed] * 1.05 / bsa,
            "es_mass_g_per_m2": wall[es] * 1.05 / bsa,
            "peak_ejection_ml_per_s": -rate.min(),
            "peak_filling_ml_per_s": rate.max(),
            "bsa_m2": bsa,
            "time_ms": list(np.arange(len(left)) * frame_ms),
        },
    }


def metrics_cases():
    rng = np.random.default_rng(11)
    for name, frames, spacing, frame_ms, height, weight, rate in (
        ("thirty_frames_on_thick_slices", 30, (10.0, 1.5625, 1.5625), 30.0, 175.0, 80.0, 66.0),
        ("twelve_frames_on_odd_voxels", 12, (7.3, 1.21, 0.97), 71.5, 152.0, 47.5, 70.0),
    ):
        turn = 2 * np.pi * (np.arange(frames) / frames)
        beat = 0.72 + 0.28 * np.cos(turn + 0.2)
        lag = 0.75 + 0.25 * np.cos(turn - 0.3)
        counts = {
            "left_ventricle": np.rint(6000 * beat + rng.integers(-60, 60, frames)),
            "right_ventricle": np.rint(6500 * lag + rng.integers(-60, 60, frames)),
            "myocardium": np.rint(4600 + rng.integers(-90, 90, frames)),
        }
        yield metrics_case(name, {s: [int(v) for v in c] for s, c in counts.items()}, spacing, frame_ms, height, weight, rate)


def quality_cases():
    """Masks whole and spoilt, with the values of the checks and the contrast to a picture."""
    typical, thin = (10.0, 1.5625, 1.25), (8.0, 1.4, 1.4)
    whole = heart((9, 34, 56), typical)
    masks = {
        "whole": (typical, whole),
        "from_apex_to_base": (thin, heart((10, 34, 56), thin)[::-1]),
        "with_stray_voxels": (typical, heart((8, 34, 56), typical, noise=0.004, seed=3)),
        "slice_shifted": (typical, np.stack([np.roll(p, 6, axis=1) if z == 5 else p for z, p in enumerate(whole)])),
        "slice_missing": (typical, np.stack([np.zeros_like(p) if z == 6 else p for z, p in enumerate(whole)])),
        "cut_at_the_apex": (typical, whole[:5]),
        "free_above": (typical, np.concatenate([np.zeros_like(whole[:1]), whole])),
        "open_wall": (typical, np.where((whole == 2) & (np.arange(56) > 34), 0, whole)),
    }
    rng = np.random.default_rng(5)
    for name, (spacing, mask) in masks.items():
        mask = mask.astype(np.uint8)
        image = np.rint(np.array([60.0, 190.0, 70.0, 200.0])[mask] + rng.normal(0, 30, mask.shape)).astype(int)
        yield {
            "name": name,
            "spacing_mm": dict(zip(("slice", "row", "column"), spacing)),
            "shape": list(mask.shape),
            "mask": "".join(map(str, mask.ravel())),
            # One picture is enough, and half a file.
            "image": image.ravel().tolist() if name == "whole" else None,
            "expected": {"contrast": hearts.contrast(mask, image.astype(float)) if name == "whole" else None, **hearts.profile(mask, spacing), **hearts.values(mask, spacing)},
        }


def wall_cases():
    """Hearts of uneven wall and their segments, from areas of sectors."""
    for name, spacing, directions, from_apex in (
        ("left_handed_towards_apex", (8.0, 1.0, 1.0), ((-1, 0, 0), (0, -1, 0), (0, 0, -1)), False),
        ("right_handed_towards_apex", (8.0, 0.9, 1.2), ((1, 0, 0), (0, -1, 0), (0, 0, -1)), False),
        ("right_handed_from_apex", (10.0, 1.25, 1.25), ((-1, 0, 0), (0, -1, 0), (0, 0, 1)), True),
    ):
        shape = (7, round(80 / spacing[1]), round(100 / spacing[2]))
        z, y, x = np.meshgrid(*(np.arange(n, dtype=float) for n in shape), indexing="ij")
        y, x = (y - (shape[1] - 1) / 2) * spacing[1] + 3.1, (x - (shape[2] - 1) / 2) * spacing[2] - 12.3
        reach, angle = np.hypot(y, x), np.arctan2(y, x)
        cavity = 22 - 1.5 * z
        mask = np.zeros(shape, np.uint8)
        mask[np.hypot(y - 12, x + 34) < 24 - 2 * z] = 1
        mask[reach < cavity + 9 + 2 * np.cos(angle - 1.1) + 1.2 * np.sin(2 * angle)] = 2
        mask[reach < cavity] = 3
        mask[6][mask[6] == 1] = 0
        if from_apex:
            mask = mask[::-1]
        yield {
            "name": name,
            "spacing_mm": dict(zip(("slice", "row", "column"), spacing)),
            "right_handed": bool(np.linalg.det(np.array(directions, float).T) > 0),
            "shape": list(shape),
            "mask": "".join(map(str, mask.ravel())),
            "expected": segments(mask, spacing, directions),
        }


def segments(mask, spacing, directions):
    """Thickness of the segments 1 to 16, mm. Directions of columns, rows and slices in the patient, RAS+."""
    column, row, depth = (np.array(d, float) for d in directions)
    first, last, base_first = hearts.extent(mask)
    order = list(range(first, last + 1))[:: 1 if base_first else -1]
    to_apex = depth if base_first else -depth
    own = {z: hearts.septal_direction(mask[z], spacing) for z in order if (mask[z] == 1).any()}
    sums = {n: [] for n in range(1, 17)}
    for index, z in enumerate(order):
        septum = own.get(z, own[min(own, key=lambda other: abs(other - z))])
        to_right = np.cos(septum) * column + np.sin(septum) * row
        front = np.cross(to_right, to_apex)
        # Whether an angle a quarter further is towards the front.
        sign = np.sign(front @ (-np.sin(septum) * column + np.cos(septum) * row))
        part = 3 * index // len(order)
        width = np.pi / 3 if part < 2 else np.pi / 2
        names = {0: (2, 1, 6, 5, 4, 3), 1: (8, 7, 12, 11, 10, 9), 2: (14, 13, 16, 15)}[part]
        for k, name in enumerate(names):
            near = k * width - (width / 2 if part == 2 else 0)
            ends = sorted((septum + sign * near, septum + sign * (near + width)))
            sums[name].append(hearts.sector_thickness(mask[z], spacing, *ends))
    return [float(np.mean(sums[n])) for n in range(1, 17)]


def smooth_cases():
    """Curves of a beat with noise, smoothed by SciPy."""
    rng = np.random.default_rng(7)
    for name, frames, mode in (("closed", 30, "wrap"), ("short", 7, "wrap"), ("open", 18, "interp")):
        turn = 2 * np.pi * np.arange(frames) / frames
        ml = 100 + 45 * np.cos(turn) + 8 * np.cos(2 * turn + 0.4) + rng.normal(0, 2, frames)
        voxels = np.rint(ml * 50).astype(int)
        raw = voxels * 0.02
        smooth, slope = (signal.savgol_filter(raw, 5, 2, deriv=d, mode=mode) for d in (0, 1))
        ed, es = int(voxels.argmax()), int(voxels.argmin())

        def steepest(start, end, sign):
            steps = np.arange((end - start) % frames + 1 if mode == "wrap" else (end if end > start else frames - 1) - start + 1)
            rates = sign * slope[(start + steps) % frames] / 0.04
            return [float(rates.max()), float(rates.argmax() * 40)]

        yield {
            "name": name,
            "closes": mode == "wrap",
            "voxels": voxels.tolist(),
            "smooth_ml": smooth.tolist(),
            "ejection": steepest(ed, es, -1),
            "filling": steepest(es, ed, 1),
        }


def main():
    files = {
        "agreement.json": agreement_cases(),
        "metrics.json": metrics_cases(),
        "quality.json": quality_cases(),
        "wall.json": wall_cases(),
        "smooth.json": smooth_cases(),
    }
    for file, cases in files.items():
        lines = ",\n".join(json.dumps(case) for case in cases)
        (HERE / file).write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
