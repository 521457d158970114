"""Makes `golden.json`: what NumPy and SciPy, through `cinecor_weights.grid`, give for small frames on a small canvas.

Run from the repository's root with NumPy and SciPy: `PYTHONPATH=weights python crates/segmentation/tests/golden/make.py`.
"""

import json
from pathlib import Path

import numpy as np
from cinecor_weights import evidence, grid

CANVAS = 16
SHARE = 0.25
TEMPERATURE = 1.6
GRID = grid.Grid(canvas=CANVAS)
CASES = [
    # name, (slices, rows, columns), row_mm, column_mm: finer, coarser, cropped, stretched, equal
    ("landscape_finer_than_the_canvas", (2, 14, 20), 1.0, 1.0),
    ("portrait_coarser_than_the_canvas", (2, 11, 7), 1.9, 1.9),
    ("wider_than_the_canvas", (1, 12, 30), 1.5, 1.2),
    ("larger_than_the_canvas_both_ways", (2, 23, 21), 1.4, 1.9),
    ("pixels_that_are_not_square", (1, 9, 15), 2.1, 0.9),
    ("equal_spacing", (1, 10, 13), 1.4, 1.4),
    ("one_voxel", (1, 1, 1), 1.0, 1.0),
]


def rows_of(labels: np.ndarray) -> list[str]:
    """`[Z, Y, X]` as one string of digits a row."""
    return ["".join(map(str, row)) for row in labels.reshape(-1, labels.shape[-1])]


def drawn(random: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Labels `[Y, X]` with something of at most a third of either side."""
    labels = np.zeros(size, np.uint8)
    top, left = (int(random.integers(0, side)) for side in size)
    part = labels[top : top + size[0] // 3, left : left + size[1] // 3]
    part[:] = random.integers(0, 4, part.shape)
    return labels


def main() -> None:
    random = np.random.default_rng(7)
    cases = []
    for name, shape, row_mm, column_mm in CASES:
        frame = random.integers(0, 900, shape)
        # Integers that are divided by their sum, with a border where background is certain.
        weights = random.integers(0, 12, (shape[0], 4, CANVAS, CANVAS))
        weights[:, 0] += 3
        border = np.ones((CANVAS, CANVAS), bool)
        border[4:13, 5:11] = False
        weights[:, :, border] = np.array([1, 0, 0, 0])[None, :, None]
        probabilities = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
        tensor = grid.to_canvas(frame.astype(np.float32), row_mm, column_mm, GRID)
        labels = grid.from_canvas(probabilities, shape[1], shape[2], row_mm, column_mm, GRID)
        y, x = (grid._canvas_positions(size, mm, GRID) for size, mm in ((shape[1], row_mm), (shape[2], column_mm)))
        best = grid._linear(grid._linear(probabilities, y, -2), x, -1).max(1)
        confidence = np.floor(best * 255 + 0.5).astype(int)
        off_y, off_x = ((p < -0.5) | (p > CANVAS - 0.5) for p in (y, x))
        confidence[:, off_y, :] = 0
        confidence[:, :, off_x] = 0
        # What the probabilities say before and after a clean-up, calibrated.
        found, seen = grid.on_scanner(probabilities, shape[1], shape[2], row_mm, column_mm, GRID)
        kept = grid.keep_largest(labels, SHARE)
        said = [
            [[s.expected, s.agreeing, s.uncertain, s.removed] for s in evidence.of(found, seen, labels, after, TEMPERATURE)]
            for after in (labels, kept)
        ]
        cases.append(
            {
                "name": name,
                "shape": shape,
                "row_mm": row_mm,
                "column_mm": column_mm,
                "frame": frame.ravel().tolist(),
                "tensor": [round(float(v), 7) for v in tensor.ravel()],
                "weights": weights.ravel().tolist(),
                "labels": rows_of(labels),
                "confidence": confidence.ravel().tolist(),
                "evidence": said,
            }
        )
    scattered = []
    for density in (0.15, 0.35, 0.6):
        labels = (random.random((3, 12, 18)) < density) * random.integers(1, 4, (3, 12, 18))
        largest, large = (rows_of(grid.keep_largest(labels.astype(np.uint8), share)) for share in (None, SHARE))
        scattered.append({"shape": labels.shape, "labels": rows_of(labels), "kept": largest, "kept_large": large})
    regions = []
    for margin, step, size in ((2, 4, (16, 16)), (8, 4, (40, 40)), (3, 8, (24, 24)), (1, 2, (12, 16))):
        for _ in range(8):
            # A heart in a slice that is seen whole, and another one in the region that comes of it.
            first, other = (drawn(random, size) for _ in range(2))
            found = grid.region_of(np.eye(4)[first].transpose(2, 0, 1)[None], grid.Region(margin, step))
            rows, columns = found or (slice(0, size[0]), slice(0, size[1]))
            leaves = found is not None and grid._leaves(other[rows, columns] != 0, rows, columns, size, margin // 4)
            regions.append(
                {
                    "margin": margin,
                    "step": step,
                    "canvas": size,
                    "first": rows_of(first),
                    "other": rows_of(other),
                    "rows": [int(rows.start), int(rows.stop)],
                    "columns": [int(columns.start), int(columns.stop)],
                    "leaves": bool(leaves),
                }
            )
    golden = {"canvas": CANVAS, "temperature": TEMPERATURE, "cases": cases, "components": scattered, "regions": regions}
    Path(__file__).with_name("golden.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
