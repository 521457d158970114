"""Makes `score.json`: features and scores of drawn masks by `cinecor_weights.evidence` and `calibrate`, in NumPy.

Run from the repository's root with NumPy and SciPy: `PYTHONPATH=weights python crates/measures/tests/golden/make_score.py`.
"""

import json
from pathlib import Path

import numpy as np
from cinecor_weights import evidence

random = np.random.default_rng(11)
WEIGHTS = [-0.8, 1.4, 0.3, -3.2, -0.7, -0.4, -0.8, -2.3, -1.7, -0.6]


def main() -> None:
    cases = []
    for name, shape, kept in [("scattered", (4, 7, 9), 1.0), ("sparse", (3, 6, 6), 0.3), ("one slice", (1, 8, 8), 1.0), ("empty", (2, 3, 3), 0.0)]:
        labels = (random.integers(0, 4, shape) * (random.random(shape) < kept)).astype(np.uint8)
        labels[len(labels) // 2, :3] = 0
        structures = []
        for value in (1, 2, 3):
            count = int((labels == value).sum())
            agreeing = count * random.uniform(0.5, 1)
            structures.append(evidence.Structure(agreeing + random.uniform(0, 9), agreeing, 1.0, count, int(random.integers(0, 5))))
        voxel_ml = float(random.uniform(0.5, 60))
        spacing_mm = [float(v) for v in random.uniform(0.7, 3, 2)]
        found = evidence.features(structures, evidence.shape(labels, *spacing_mm), voxel_ml)
        odds = WEIGHTS[0] + found @ np.array(WEIGHTS[1:])
        cases.append(
            {
                "name": name,
                "shape": shape,
                "labels": "".join(map(str, labels.ravel())),
                "structures": [[s.expected, s.agreeing, s.labelled, s.removed] for s in structures],
                "voxel_ml": voxel_ml,
                "spacing_mm": spacing_mm,
                "features": found.tolist(),
                "score": 1 / (1 + np.exp(-odds)),
            }
        )
    golden = {"weights": WEIGHTS, "cases": cases}
    Path(__file__).with_name("score.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
