"""Unpacks, checks and resamples the ACDC archives into one cache per split. Reads `CINECOR_DATA`, writes under the cache folder only.

The cache holds `Slices` per split and grid, normalised as the service normalises.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np

from . import grid

#: Where the cache lies unless told: the repository's build folder, which git ignores.
CACHE = Path(__file__).resolve().parents[2] / "target" / "weights"


@dataclass(frozen=True)
class Frame:
    """One labelled frame on the scanner's grid, axis order [Z, Y, X]."""

    patient: str
    phase: str  # "ED" or "ES"
    image: np.ndarray
    labels: np.ndarray
    row_mm: float
    column_mm: float
    slice_mm: float


def data_folder() -> Path:
    """The folder of the patient data. Exits with a reason when `CINECOR_DATA` is not set."""
    folder = os.environ.get("CINECOR_DATA")
    if not folder:
        raise SystemExit("CINECOR_DATA is not set: it names the folder with acdc-train.tar.xz, which this repository does not carry.")
    return Path(folder)


def unpack(split: str, cache: Path = CACHE) -> Path:
    """Checks the archive of `split` against SHA256SUMS, unpacks it once, and returns its folder of patients."""
    out = cache / "acdc" / split
    if not out.exists():
        name = f"acdc-{split}.tar.xz"
        folder = data_folder()
        expected = dict(reversed(line.split()) for line in (folder / "SHA256SUMS").read_text().splitlines())[name]
        with (folder / name).open("rb") as archive:
            found = hashlib.file_digest(archive, "sha256").hexdigest()
        if found != expected:
            raise SystemExit(f"{name} has SHA-256 {found}, SHA256SUMS says {expected}: fetch the archive again.")
        partial = out.with_name(split + ".partial")
        with tarfile.open(folder / name) as archive:
            archive.extractall(partial, filter="data")
        partial.rename(out)
    return out


def frames(split: str, cache: Path = CACHE) -> list[Frame]:
    """The ED and ES frames of every patient of `split` ("train", "val", "dev_test"), sorted by patient."""
    found = []
    for info in sorted(unpack(split, cache).rglob("Info.cfg")):
        facts = dict(line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
        patient = info.parent.name
        for phase in ("ED", "ES"):
            stem = info.parent / f"{patient}_frame{int(facts[phase]):02d}"
            image = nibabel.load(f"{stem}.nii")
            labels = nibabel.load(f"{stem}_gt.nii")
            # The sform of ACDC is a unit matrix: the true spacing stands in pixdim alone.
            column_mm, row_mm, slice_mm = (float(v) for v in image.header["pixdim"][1:4])
            found.append(
                Frame(
                    patient,
                    phase,
                    np.asarray(image.dataobj, np.float32).transpose(2, 1, 0),
                    np.asarray(labels.dataobj).astype(np.uint8).transpose(2, 1, 0),
                    row_mm,
                    column_mm,
                    slice_mm,
                )
            )
    return found


def sunnybrook_frames() -> list[Frame]:
    """The ED and ES frames of the Sunnybrook patients: another maker's scanner, never trained on. Not every structure is labelled."""
    found = []
    for path in sorted((data_folder() / "sunnybrook-cine").glob("*_gt.nii.gz")):
        patient, phase, number, _ = path.name.split("_")
        cine, labels = nibabel.load(path.with_name(f"{patient}_4d.nii.gz")), nibabel.load(path)
        column_mm, row_mm, slice_mm = (float(v) for v in cine.header["pixdim"][1:4])
        image = np.asarray(cine.dataobj[..., int(number.removeprefix("frame")) - 1], np.float32).transpose(2, 1, 0)
        truth = np.asarray(labels.dataobj).astype(np.uint8).transpose(2, 1, 0)
        found.append(Frame(patient, phase.upper(), image, truth, row_mm, column_mm, slice_mm))
    return found


@dataclass(frozen=True)
class Slices:
    """Slices on the network's grid, in the order of their stacks: `images` float16 and `labels` uint8 `[N, canvas, canvas]`, and of
    each the number of the frame it is of, `[N]`: neighbours of one frame are neighbours in space.
    """

    images: np.ndarray
    labels: np.ndarray
    frames: np.ndarray


def slices(splits: Sequence[str], cache: Path = CACHE, onto: grid.Grid = grid.GRID) -> Slices:
    """The slices of `splits`, each computed once and kept."""
    found: list[Slices] = []
    for split in splits:
        kept = cache / f"{split}-{onto.spacing_mm}mm-{onto.canvas}-stacks.npz"
        if not kept.exists():
            images, labels, numbers = [], [], []
            for number, frame in enumerate(frames(split, cache)):
                images.append(grid.to_canvas(frame.image, frame.row_mm, frame.column_mm, onto).astype(np.float16))
                labels.append(grid.labels_to_canvas(frame.labels, frame.row_mm, frame.column_mm, onto))
                numbers.append(np.full(len(frame.image), number))
            partial = kept.with_suffix(".partial.npz")
            np.savez(partial, images=np.concatenate(images), labels=np.concatenate(labels), frames=np.concatenate(numbers))
            partial.rename(kept)
        with np.load(kept) as arrays:
            after = 1 + found[-1].frames[-1] if found else 0
            found.append(Slices(arrays["images"], arrays["labels"], arrays["frames"] + after))
    return Slices(*(np.concatenate([getattr(s, name) for s in found]) for name in ("images", "labels", "frames")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("splits", nargs="*", default=["train", "val"])
    for split in parser.parse_args().splits:
        labels = slices([split]).labels
        print(f"{split}: {len(labels)} slices, {np.mean(labels.reshape(len(labels), -1).any(1)):.1%} of them labelled")


if __name__ == "__main__":
    main()
