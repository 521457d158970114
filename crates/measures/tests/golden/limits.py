"""Measures the checks' limits on expert masks: prints the percentiles over the patients of an ACDC folder, and how many stacks that lost slices
the two coverage checks see.

    python limits.py FOLDER          # needs numpy, scipy and nibabel; FOLDER holds patientNNN/Info.cfg and their volumes
"""

import sys
from pathlib import Path

import hearts
import nibabel
import numpy as np

SHOWN = (0, 2.5, 5, 25, 50, 75, 95, 97.5, 100)


def show(name, numbers):
    print(f"{name:34s} n={len(numbers):3d} " + " ".join(f"{p:g}%:{np.percentile(numbers, p):.3g}" for p in SHOWN))


def read(path):
    file = nibabel.load(path)
    # ACDC's affine is a unit matrix; the spacing stands in the header's zooms, as column, row, slice.
    return np.asarray(file.dataobj).transpose(2, 1, 0), tuple(float(mm) for mm in file.header.get_zooms()[2::-1])


def main():
    patients = []
    for folder in sorted(path.parent for path in Path(sys.argv[1]).glob("patient*/Info.cfg")):
        info = dict(line.split(": ") for line in (folder / "Info.cfg").read_text().split("\n") if ": " in line)
        frames = {}
        for phase in ("ED", "ES"):
            stem = folder / f"{folder.name}_frame{int(info[phase]):02d}"
            mask, spacing = read(f"{stem}_gt.nii")
            image, _ = read(f"{stem}.nii")
            frames[phase] = (mask.astype(np.uint8), spacing, hearts.contrast(mask, image.astype(float)))
        patients.append((info["Group"].strip(), frames))
    for phase in ("ED", "ES"):
        found = [hearts.values(mask, spacing) for mask, spacing, _ in (frames[phase] for _, frames in patients)]
        for name in found[0]:
            show(f"{phase} {name}", [float(one[name]) for one in found])
        show(f"{phase} contrast", [frames[phase][2] for _, frames in patients])
    strokes, masses, edv = [], [], []
    for group, frames in patients:
        ml = {p: [(m == c).sum() * np.prod(s) / 1000 for c in (1, 2, 3)] for p, (m, s, _) in frames.items()}
        left, right = ml["ED"][2] - ml["ES"][2], ml["ED"][0] - ml["ES"][0]
        strokes.append((group, 100 * abs(left - right) / left))
        masses.append(100 * abs(ml["ES"][1] - ml["ED"][1]) / ml["ED"][1])
        edv.append(ml["ED"][2])
    show("stroke volumes apart, all, %", [apart for _, apart in strokes])
    show("stroke volumes apart, healthy, %", [apart for group, apart in strokes if group == "NOR"])
    show("masses apart, %", masses)
    show("LVEDV, ml", edv)
    for what, cut in (("base", slice(1, None)), ("base", slice(2, None)), ("base", slice(3, None)), ("apex", slice(None, -1)), ("apex", slice(None, -2))):
        short = [hearts.values(mask[cut], spacing) for mask, spacing, _ in (frames["ED"] for _, frames in patients)]
        seen = [one["base_covered"] < 0.84 and not one["free_above"] if what == "base" else one["apex_covered"] > 0.42 for one in short]
        print(f"stacks cut to [{cut.start}:{cut.stop}] of which the {what} is seen to be missing: {np.mean(seen):.0%}")


if __name__ == "__main__":
    main()
