"""What a frame's probabilities say of its mask: the reference that `cinecor-segmentation` and `cinecor-measures` copy number for number.

The words that bind are in `weights/README.md`, "What the probabilities say of the mask". No network and no files here.
Arrays are numpy, axis order `[Z, C, Y, X]` and `[Z, Y, X]`: slices, classes, rows, columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .labels import CLASSES, STRUCTURES

#: The least that rounds to a confidence of 255 is 1 - ROUNDS_OFF: half a step of a byte.
ROUNDS_OFF: float = 1 / 511


def calibrated(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities `[Z, C, ...]` to the power of 1 / `temperature`, made to sum to one again; the order of the classes stays.

    Where what is left beside the most probable class rounds off in a byte even after that, they stay as they are.
    """
    if temperature == 1:
        return probabilities
    powers = np.maximum(probabilities, 0) ** np.float32(1 / temperature)
    is_sure = probabilities.max(1, keepdims=True) >= np.float32(1 - ROUNDS_OFF**temperature)
    return np.where(is_sure, probabilities, powers / powers.sum(1, keepdims=True))


@dataclass(frozen=True)
class Structure:
    """What is known of one structure in one frame, in voxels of the scanner's grid."""

    #: Σ p: how many voxels it has if the probabilities are right.
    expected: float
    #: Σ p where the mask has it.
    agreeing: float
    #: Σ p (1 - p): the variance of `expected` if voxels erred independently.
    uncertain: float
    #: Voxels of the mask.
    labelled: int
    #: Voxels that the clean-up took away.
    removed: int

    @property
    def dice(self) -> float:
        """The Dice that the mask has if the probabilities are right; 0 where there is no mask."""
        return 2 * self.agreeing / (self.expected + self.labelled) if self.labelled else 0.0


def of(probabilities: np.ndarray, seen: np.ndarray, before: np.ndarray, after: np.ndarray, temperature: float) -> list[Structure]:
    """The evidence of right ventricle, wall and left ventricle from the network's `probabilities` on the scanner's grid, what was `seen` of
    it `[Y, X]`, and the labels before and after the clean-up.

    Nothing is counted where the background is certain or was not seen, and nothing of a structure where the clean-up took it away.
    """
    counts = seen & (probabilities[:, 0] < np.float32(1 - ROUNDS_OFF**temperature))
    p = calibrated(probabilities, temperature) * counts[:, None]
    found = []
    for value in range(1, CLASSES):
        mask = after == value
        here = p[:, value].astype(np.float64) * ((before != value) | mask)
        found.append(
            Structure(
                float(here.sum()),
                float(here[mask].sum()),
                float((here * (1 - here)).sum()),
                int(mask.sum()),
                int(((before == value) & ~mask).sum()),
            )
        )
    return found


@dataclass(frozen=True)
class Shape:
    """What a mask alone says against itself; every number is 0 where nothing is wrong."""

    #: Share of the three structures that the frame lacks.
    missing: float
    #: Of the slices between the first and the last that show a structure, the share that does not show it; mean over the structures.
    gaps: float
    #: Share of the left ventricle's in-plane outline that borders on something else than its wall.
    open_wall: float
    #: 1 - overlap of the heart in neighbouring slices, by the smaller of the two; mean over the pairs that both show it.
    jump: float
    #: 1 - roundness of the heart's outline in a slice, 4 π area / outline², at most 1; mean over the slices that show it.
    ragged: float


def shape(labels: np.ndarray, row_mm: float, column_mm: float) -> Shape:
    """The shape of the mask `[Z, Y, X]` of one frame, whose rows and columns lie so far apart."""
    shown = np.stack([(labels == value).any((1, 2)) for value in range(1, CLASSES)])
    gaps = []
    for slices in shown:
        at = np.flatnonzero(slices)
        if len(at):
            gaps.append(1 - len(at) / (at[-1] - at[0] + 1))
    outline = open_sides = 0
    padded = np.pad(labels, ((0, 0), (1, 1), (1, 1)))
    ventricle = padded == 3
    for axis, step in ((1, 1), (1, -1), (2, 1), (2, -1)):
        beside = np.roll(padded, step, axis)[ventricle]
        outline += int((beside != 3).sum())
        open_sides += int(((beside != 3) & (beside != 2)).sum())
    heart = labels > 0
    sizes = heart.sum((1, 2))
    around = np.pad(heart, ((0, 0), (1, 1), (1, 1)))
    sides = [(around[:, 1:] != around[:, :-1]).sum((1, 2)) * column_mm, (around[:, :, 1:] != around[:, :, :-1]).sum((1, 2)) * row_mm]
    # The sides of pixels around a disc are 4 / π times as long as its outline.
    outlines_mm = (np.pi / 4 * (sides[0] + sides[1]))[sizes > 0]
    roundness = np.minimum(4 * np.pi * sizes[sizes > 0] * row_mm * column_mm / outlines_mm**2, 1)
    pairs = [(heart[z] & heart[z + 1]).sum() / min(sizes[z], sizes[z + 1]) for z in range(len(labels) - 1) if min(sizes[z], sizes[z + 1])]
    return Shape(
        1 - float(shown.any(1).mean()),
        float(np.mean(gaps)) if gaps else 0.0,
        open_sides / outline if outline else 0.0,
        1 - float(np.mean(pairs)) if pairs else 0.0,
        1 - float(roundness.mean()) if len(roundness) else 0.0,
    )


#: The numbers that a score is made of, in the order of `features`.
FEATURES: tuple[str, ...] = ("dice_mean", "dice_worst", "removed", "missing", "gaps", "open_wall", "jump", "ragged", "volume")

#: Dice is taken to lie within these before its log-odds are taken.
DICE_LIMITS: tuple[float, float] = (0.02, 0.98)
#: A whole heart (both cavities and the wall, of an adult) is taken to have between these ml; beyond, the logarithm of the excess counts.
HEART_ML: tuple[float, float] = (150.0, 750.0)


def features(structures: list[Structure], form: Shape, voxel_ml: float) -> np.ndarray:
    """What a frame's score is made of, in the order of `FEATURES`."""
    found = [s.dice for s in structures]
    odds = [np.clip(d, *DICE_LIMITS) for d in (np.mean(found), np.min(found))]
    labelled, removed = (sum(getattr(s, name) for s in structures) for name in ("labelled", "removed"))
    ml = labelled * voxel_ml
    low, high = HEART_ML
    excess = 0.0 if ml <= 0 else max(0.0, np.log(low / ml), np.log(ml / high))
    share = removed / (removed + labelled) if removed else 0.0
    return np.array([*(np.log(d / (1 - d)) for d in odds), share, form.missing, form.gaps, form.open_wall, form.jump, form.ragged, min(excess, 3.0)])
