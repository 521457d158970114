"""From the scanner's grid to the network's and back: the reference that `cinecor-segmentation` copies number for number.

The words that bind are in `weights/README.md`, "Before and after the network". No network and no files here.
Arrays are numpy, axis order `[Z, Y, X]`: slices, rows, columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .labels import CLASSES

#: In-plane spacing of the network's grid, mm, unless a card says otherwise. ACDC lies between 0.70 and 1.95 mm; 1.4 keeps a 2 mm wall
#: resolvable: the reference labels, taken there and back, lose .003 of Dice in the wall and .002 in the cavities.
SPACING_MM: float = 1.4
#: Rows and columns of the network's grid, unless a card says otherwise. 224 × 1.4 mm = 314 mm; the farthest labelled voxel of ACDC lies
#: 134 mm off-centre, and all but one patient's within 126 mm.
CANVAS: int = 224
#: Normalised intensities are limited to this many standard deviations.
CLIP_SD: float = 5.0


@dataclass(frozen=True)
class Region:
    """How much of a slice is looked at once it is known where the heart lies: `margin` pixels about it, in squares whose sides are
    multiples of `step` pixels.
    """

    margin: int
    step: int


@dataclass(frozen=True)
class Grid:
    """The network's grid, as the card states it: spacing of its square pixels in mm, its rows, which are also its columns, how many
    slices before and after it the network sees beside each slice, and how much of a slice it looks at; without a region, all of it.
    """

    spacing_mm: float = SPACING_MM
    canvas: int = CANVAS
    neighbours: int = 0
    region: Region | None = None


#: The grid of 1.0.0, and of whoever names none.
GRID = Grid()


def resampled_size(count: int, spacing_mm: float, onto: Grid = GRID) -> int:
    """Pixels along an axis of `count` pixels at `spacing_mm` after resampling: round half up, at least one."""
    return max(1, int(np.floor(count * spacing_mm / onto.spacing_mm + 0.5)))


def _positions(out_count: int, in_count: int, out_mm: float, in_mm: float) -> np.ndarray:
    """Where the centres of `out_count` pixels lie on an axis of `in_count` pixels, both axes sharing their middle. Shape [out]."""
    return (np.arange(out_count) - (out_count - 1) / 2) * (out_mm / in_mm) + (in_count - 1) / 2


def _linear(array: np.ndarray, positions: np.ndarray, axis: int) -> np.ndarray:
    """Linear interpolation along one axis, positions clamped to the outermost pixel centres."""
    count = array.shape[axis]
    at = np.clip(positions, 0, count - 1)
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, count - 1)
    weight = (at - low).astype(np.float32)
    shape = [1] * array.ndim
    shape[axis] = -1
    weight = weight.reshape(shape)
    return np.take(array, low, axis) * (1 - weight) + np.take(array, high, axis) * weight


def resample(frame: np.ndarray, row_mm: float, column_mm: float, onto: Grid = GRID) -> np.ndarray:
    """Slices `[..., Y, X]` of spacing `(row_mm, column_mm)`, float32, at `onto.spacing_mm`; bilinear, pixel centres, common middle."""
    rows, columns = frame.shape[-2:]
    out_rows, out_columns = resampled_size(rows, row_mm, onto), resampled_size(columns, column_mm, onto)
    frame = _linear(frame.astype(np.float32), _positions(out_rows, rows, onto.spacing_mm, row_mm), -2)
    return _linear(frame, _positions(out_columns, columns, onto.spacing_mm, column_mm), -1)


def _window(count: int, canvas: int) -> tuple[slice, slice]:
    """Which part of an axis of `count` pixels is taken, and where on the canvas it is put; centred, the odd pixel after."""
    take = min(count, canvas)
    first, put = (count - take) // 2, (canvas - take) // 2
    return slice(first, first + take), slice(put, put + take)


def to_canvas(frame: np.ndarray, row_mm: float, column_mm: float, onto: Grid = GRID) -> np.ndarray:
    """One frame `[Z, Y, X]` in scanner units → network input `[Z, canvas, canvas]` float32, zero mean and unit deviation.

    Mean and deviation are those of the whole frame inside the canvas, before padding; the padding is 0, the mean.
    """
    grid = resample(frame, row_mm, column_mm, onto)
    (take_y, put_y), (take_x, put_x) = (_window(count, onto.canvas) for count in grid.shape[-2:])
    inside = grid[..., take_y, take_x]
    mean = inside.mean(dtype=np.float64)
    deviation = np.sqrt(np.mean((inside - mean) ** 2, dtype=np.float64))
    canvas = np.zeros((frame.shape[0], onto.canvas, onto.canvas), np.float32)
    if deviation > 0:
        canvas[:, put_y, put_x] = np.clip((inside - mean) / deviation, -CLIP_SD, CLIP_SD)
    return canvas


def with_neighbours(canvas: np.ndarray, neighbours: int) -> np.ndarray:
    """Slices `[Z, Y, X]` → network input `[Z, 1 + 2·neighbours, Y, X]`: each slice between those before and after it, the outermost repeated."""
    at = np.arange(len(canvas))[:, None] + np.arange(-neighbours, neighbours + 1)
    return canvas[np.clip(at, 0, len(canvas) - 1)]


def _part(first: int, last: int, side: int, size: int) -> slice:
    """`side` of `size` pixels, with the middle of `first` to `last`, the later of two, in their middle as far as that is possible."""
    start = min(max((first + last + 1) // 2 - side // 2, 0), size - side)
    return slice(start, start + side)


def region_of(probabilities: np.ndarray, region: Region) -> tuple[slice, slice] | None:
    """Rows and columns to look at, by the probabilities `[N, C, Y, X]` of slices; None where no heart is found or no less would be looked at."""
    heart = (probabilities.argmax(1) != 0).any(0)
    if not heart.any():
        return None
    (top, bottom), (left, right) = (np.flatnonzero(heart.any(axis))[[0, -1]] for axis in (1, 0))
    wanted = max(bottom - top, right - left) + 1 + 2 * region.margin
    side = -(-wanted // region.step) * region.step
    rows, columns = heart.shape
    if side >= rows and side >= columns:
        return None
    return _part(top, bottom, min(side, rows), rows), _part(left, right, min(side, columns), columns)


def _leaves(heart: np.ndarray, rows: slice, columns: slice, canvas: tuple[int, int], near: int) -> bool:
    """Whether the heart `[Y, X]` of a region comes nearer than `near` pixels to an edge that is none of the canvas."""
    (height, width), (canvas_rows, canvas_columns) = heart.shape, canvas
    return bool(
        (rows.start > 0 and heart[:near].any())
        or (rows.stop < canvas_rows and heart[height - near :].any())
        or (columns.start > 0 and heart[:, :near].any())
        or (columns.stop < canvas_columns and heart[:, width - near :].any())
    )


def look(canvas: np.ndarray, predict: Callable[[np.ndarray], np.ndarray], onto: Grid = GRID) -> np.ndarray:
    """One frame `[Z, Y, X]` on the canvas → probabilities `[Z, C, Y, X]`, by `predict` `[N, 1 + 2·neighbours, Y, X]` → `[N, C, Y, X]`.

    With a region the two slices in the middle are looked at whole, and of the others the region about the heart that is found there: outside
    of it is background. Where the heart comes nearer to the region's edge than a quarter of the margin, the slice is looked at whole.
    """
    seen = with_neighbours(canvas, onto.neighbours)
    if onto.region is None or len(seen) < 3:
        return predict(seen)
    first = slice(len(seen) // 2 - 1, len(seen) // 2 + 1)
    middle = predict(seen[first])
    others = [z for z in range(len(seen)) if not first.start <= z < first.stop]
    found = region_of(middle, onto.region)
    out = np.zeros((len(seen), *middle.shape[1:]), np.float32)
    out[first] = middle
    if found is None:
        out[others] = predict(seen[others])
        return out
    rows, columns = found
    out[others, 0] = 1
    part = predict(np.ascontiguousarray(seen[others][:, :, rows, columns]))
    for z, p in zip(others, part, strict=True):
        if _leaves(p.argmax(0) != 0, rows, columns, canvas.shape[1:], onto.region.margin // 4):
            out[z] = predict(seen[z : z + 1])[0]
        else:
            out[z, :, rows, columns] = p
    return out


def labels_to_canvas(labels: np.ndarray, row_mm: float, column_mm: float, onto: Grid = GRID) -> np.ndarray:
    """Labels `[Z, Y, X]` on the network's grid, uint8 `[Z, canvas, canvas]`: each class bilinear, then the largest."""
    grid = np.argmax(np.stack([resample(labels == c, row_mm, column_mm, onto) for c in range(CLASSES)]), 0).astype(np.uint8)
    (take_y, put_y), (take_x, put_x) = (_window(count, onto.canvas) for count in grid.shape[-2:])
    canvas = np.zeros((labels.shape[0], onto.canvas, onto.canvas), np.uint8)
    canvas[:, put_y, put_x] = grid[:, take_y, take_x]
    return canvas


def _canvas_positions(count: int, spacing_mm: float, onto: Grid) -> np.ndarray:
    """Where the scanner's pixel centres lie on the canvas's axis. Shape [count]."""
    grid = resampled_size(count, spacing_mm, onto)
    take, put = _window(grid, onto.canvas)
    return _positions(count, grid, spacing_mm, onto.spacing_mm) - take.start + put.start


def on_scanner(
    probabilities: np.ndarray, rows: int, columns: int, row_mm: float, column_mm: float, onto: Grid = GRID
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities `[Z, C, canvas, canvas]` → `[Z, C, rows, columns]` on the scanner's grid, bilinear per class, and `[rows, columns]`:
    whether the pixel's centre lies on the canvas.
    """
    y, x = _canvas_positions(rows, row_mm, onto), _canvas_positions(columns, column_mm, onto)
    on_y, on_x = ((p >= -0.5) & (p <= onto.canvas - 0.5) for p in (y, x))
    return _linear(_linear(probabilities, y, -2), x, -1), on_y[:, None] & on_x


def from_canvas(probabilities: np.ndarray, rows: int, columns: int, row_mm: float, column_mm: float, onto: Grid = GRID) -> np.ndarray:
    """Probabilities `[Z, C, canvas, canvas]` → labels uint8 `[Z, rows, columns]` on the scanner's grid.

    Bilinear per class, then the most probable, the lower label on a tie. A pixel whose centre lies off the canvas is background.
    """
    found, seen = on_scanner(probabilities, rows, columns, row_mm, column_mm, onto)
    return np.argmax(found, axis=1).astype(np.uint8) * seen


#: Components of at least this share of the largest one stay: one badly seen slice parts a ventricle in two, of which neither is an error.
#: On acdc-val .3 and above change nothing, .2 keeps what is none.
KEEP_SHARE: float = 0.3


def keep_largest(labels: np.ndarray, share: float | None = KEEP_SHARE) -> np.ndarray:
    """Labels `[Z, Y, X]` with, for each structure, only its largest 26-connected component, the first in scan order on a tie, and those
    that have at least `share` of its voxels.
    """
    out = np.zeros_like(labels)
    for value in range(1, CLASSES):
        components, count = ndimage.label(labels == value, np.ones((3, 3, 3)))
        if count:
            sizes = np.bincount(components.ravel())[1:]
            kept = sizes >= sizes.max() * (share if share is not None else np.inf)
            kept[np.argmax(sizes)] = True
            out[np.isin(components, 1 + np.flatnonzero(kept))] = value
    return out
