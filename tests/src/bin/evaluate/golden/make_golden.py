"""Makes statistics.json with NumPy and SciPy, independently of the program that is tested with it. Run it in its own folder:

    python make_golden.py            # needs numpy and scipy; rewrites the file beside itself
"""

import json
from pathlib import Path

import numpy as np
from scipy import stats

SEED = 20261125
RESAMPLES = 100_000


def main() -> None:
    random = np.random.default_rng(SEED)
    reference = np.round(random.uniform(15, 75, 25), 2)
    found = np.round(reference + random.normal(-1.0, 3.0, 25), 2)
    score = np.round(random.uniform(0, 1, 40), 1)  # one decimal, so that some are equal
    bad = (random.uniform(0, 1, 40) > score * 0.8 + 0.1).astype(float)
    difference = found - reference
    bias, sd = difference.mean(), difference.std(ddof=1)
    golden = {
        "reference": reference.tolist(),
        "found": found.tolist(),
        "bias": bias,
        "sd": sd,
        "r": stats.pearsonr(reference, found).statistic,
        "lower": bias - 1.96 * sd,
        "upper": bias + 1.96 * sd,
        "spearman": stats.spearmanr(reference, found).statistic,
        "first_quartile": np.quantile(found, 0.25),
        "median": np.quantile(found, 0.5),
        "ninth_decile": np.quantile(found, 0.9),
        "score": score.tolist(),
        "bad": bad.tolist(),
        # U of the good over the bad, over all pairs of one of each.
        "auroc": stats.mannwhitneyu(score[bad == 0], score[bad == 1]).statistic / ((bad == 0).sum() * (bad == 1).sum()),
    }
    figures = {
        "bias": lambda a, b, axis: np.mean(b - a, axis=axis),
        "sd": lambda a, b, axis: np.std(b - a, axis=axis, ddof=1),
        "r": lambda a, b, axis: stats.pearsonr(a, b, axis=axis).statistic,
    }
    for name, figure in figures.items():
        interval = stats.bootstrap(
            (reference, found), figure, paired=True, vectorized=True, n_resamples=RESAMPLES, batch=1000, method="percentile", rng=np.random.default_rng(SEED)
        ).confidence_interval
        golden[f"{name}_low"], golden[f"{name}_high"] = interval.low, interval.high
    Path(__file__).with_name("statistics.json").write_text(json.dumps({key: value if isinstance(value, list) else float(value) for key, value in golden.items()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
