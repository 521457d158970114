"""How far a package's probabilities are to be believed: fits `calibration` of its card on acdc-val, or copies it from a package of the same
recipe, and judges it on acdc-dev_test.

Three things are fitted, each on patients that the network was not trained on: one temperature, by likelihood; how many doubts wide an
interval is (normalised conformal prediction: Lei et al., J Am Stat Assoc 2018;113:1094, with each patient's centre taken from the others);
and the score, a fractional logit (Papke and Wooldridge, J Appl Econom 1996;11:619) of the mean Dice of frames that `degrade` has spoilt, and
the limits of the score between which a person decides.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import optimize, stats

from . import degrade, evaluate, evidence, grid, prepare
from .labels import CLASSES, LABELS

#: How often the truth is to lie inside an interval.
LEVEL: float = 0.9
#: Shares of a volume that are tried as a doubt beside that of the probabilities: how thick the basal slice is, no probability tells.
SHARES: tuple[float, ...] = (0.0, 0.01, 0.02, 0.05, 0.1)
#: The temperatures that a card may state.
TEMPERATURES: tuple[float, float] = (0.5, 3.0)
#: Weight of the squared coefficients, of features of unit deviation, against the likelihood of one frame.
RIDGE: float = 0.01
#: Volumes without a heart of each kind, beside the spoilt ones.
WITHOUT_HEART_EACH: int = 4
#: A volume is bad where its mean Dice is below this.
BAD_BELOW: float = 0.8
#: What a score is fitted on; the other features of `evidence` get no weight. On the spoilt volumes of acdc-val, patients left out one by one, these
#: two rank better than any more of them together.
FITTED: tuple[str, ...] = ("dice_mean", "ragged")
#: The share of volumes that a limit of the score may put on the wrong side.
MISSED: float = 0.05
#: The numbers that have an interval, as paths in the metrics.
QUANTITIES: tuple[str, ...] = (
    *(f"{v}_ventricle.{q}" for v in ("left", "right") for q in ("edv_ml", "esv_ml", "sv_ml", "ef_percent")),
    *(f"myocardium.{phase}_mass_g" for phase in ("ed", "es")),
)
#: The limits of the service's verdict, `SCORE_REJECT` and `SCORE_PASS` of `cinecor-measures`.
SERVED_LIMITS: tuple[float, float] = (0.76, 0.86)
#: Patients are left out in so many parts, and parted anew so often, to see what factors and temperatures are worth on others.
FOLDS: int = 5
REPEATS: int = 20
#: Bins of equal width between 0 and 1, by which confidence and correctness are compared.
BINS: int = 15


@dataclass(frozen=True)
class Observed:
    """What is kept of a frame: its evidence and form, and how good the mask is."""

    patient: str
    kind: str
    phase: str
    voxel_ml: float
    structures: list[evidence.Structure]
    form: evidence.Shape
    #: Voxels of right ventricle, wall and left ventricle in the reference.
    truth: list[int]
    #: Mean Dice over the structures that the reference or the mask has; 0 where the reference has none.
    dice: float

    def features(self) -> np.ndarray:
        return evidence.features(self.structures, self.form, self.voxel_ml)


@dataclass(frozen=True)
class Network:
    """A package's graph and the grid that its card states."""

    predict: evaluate.Predictor
    onto: grid.Grid

    @staticmethod
    def of(folder: Path) -> Network:
        card = folder / "model.json"
        return Network(evaluate.predictor(folder / json.loads(card.read_text())["graph"]["file"]), evaluate.grid_of(card))

    def probabilities(self, frame: prepare.Frame) -> np.ndarray:
        """On the canvas, `[Z, C, canvas, canvas]`."""
        canvas = grid.to_canvas(frame.image, frame.row_mm, frame.column_mm, self.onto)
        return grid.look(canvas, self.predict, self.onto)

    def observe(self, kind: str, frame: prepare.Frame, temperature: float) -> Observed:
        p, seen = grid.on_scanner(self.probabilities(frame), *frame.image.shape[-2:], frame.row_mm, frame.column_mm, self.onto)
        before = p.argmax(1).astype(np.uint8) * seen
        after = grid.keep_largest(before)
        scores = [evaluate.dice(frame.labels == value, after == value) for value in range(1, CLASSES)]
        known = [score for score in scores if score is not None] if frame.labels.any() else []
        return Observed(
            frame.patient,
            kind,
            frame.phase,
            frame.row_mm * frame.column_mm * frame.slice_mm / 1000,
            evidence.of(p, seen, before, after, temperature),
            evidence.shape(after, frame.row_mm, frame.column_mm),
            [int((frame.labels == value).sum()) for value in range(1, CLASSES)],
            float(np.mean(known)) if known else 0.0,
        )


@dataclass(frozen=True)
class Voxels:
    """Voxels on the canvas that are in doubt: of which patient, log-probabilities `[N, C]` and labels `[N]`."""

    patient: np.ndarray
    log: np.ndarray
    label: np.ndarray

    def of(self, which: np.ndarray) -> Voxels:
        return Voxels(self.patient[which], self.log[which], self.label[which])


def doubtful(network: Network, frames: Iterable[prepare.Frame], seed: int, voxels: int = 20000) -> Voxels:
    """Voxels in doubt, as many of each frame."""
    rng = np.random.default_rng(seed)
    patients, logs, labels = [], [], []
    for frame in frames:
        p = network.probabilities(frame).transpose(0, 2, 3, 1).reshape(-1, CLASSES)
        truth = grid.labels_to_canvas(frame.labels, frame.row_mm, frame.column_mm, network.onto).ravel()
        in_doubt = np.flatnonzero(p.max(1) < 1 - evidence.ROUNDS_OFF)
        at = rng.choice(in_doubt, min(voxels, len(in_doubt)), replace=False)
        patients.append(np.full(len(at), frame.patient))
        logs.append(np.log(np.maximum(p[at], 1e-12)))
        labels.append(truth[at])
    return Voxels(np.concatenate(patients), np.concatenate(logs).astype(np.float64), np.concatenate(labels))


def temperature(voxels: Voxels) -> float:
    """The temperature under which the labels are likeliest."""

    def loss(t: float) -> float:
        scaled = voxels.log / t
        return float(np.mean(np.logaddexp.reduce(scaled, 1) - scaled[np.arange(len(voxels.label)), voxels.label]))

    return round(float(optimize.minimize_scalar(loss, bounds=TEMPERATURES, method="bounded").x), 3)


def sureness(voxels: Voxels, t: float) -> tuple[np.ndarray, np.ndarray]:
    """How sure the most probable class of each voxel is at temperature `t`, and whether it is right."""
    scaled = voxels.log / t
    sure = np.exp(scaled.max(1) - np.logaddexp.reduce(scaled, 1))
    return sure, scaled.argmax(1) == voxels.label


def calibration_error(sure: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error (Guo et al., ICML 2017): how far sureness lies from the share that is right, mean over `BINS` by their voxels."""
    at = np.minimum((sure * BINS).astype(int), BINS - 1)
    count = np.bincount(at, minlength=BINS)
    off = np.abs(np.bincount(at, sure, BINS) - np.bincount(at, right, BINS))
    return round(float(off.sum() / count.sum()), 4)


def folds(patients: Iterable[str], rng: np.random.Generator) -> list[np.ndarray]:
    """The patients in `FOLDS` parts by chance."""
    return np.array_split(rng.permutation(np.unique(list(patients))), FOLDS)


def errors(voxels: Voxels, seed: int) -> dict[str, object]:
    """The calibration error without a temperature, and with those of the other patients."""
    sure, right = np.empty(len(voxels.label)), np.empty(len(voxels.label), bool)
    for part in folds(voxels.patient, np.random.default_rng(seed)):
        here = np.isin(voxels.patient, part)
        sure[here], right[here] = sureness(voxels.of(here), temperature(voxels.of(~here)))
    return {
        "method": f"expected calibration error of the most probable class, {BINS} bins, voxels on the canvas that are in doubt",
        "before": calibration_error(*sureness(voxels, 1.0)),
        "after": calibration_error(sure, right),
        "temperatures_from": f"the other patients, in {FOLDS} parts",
    }


def measured(ed: Observed, es: Observed, share: float) -> dict[str, tuple[float, float, float]]:
    """Quantity → found, true and doubt, of one patient; `cinecor-measures` works out the same doubt."""
    out: dict[str, tuple[float, float, float]] = {}
    for name in ("left_ventricle", "right_ventricle"):
        at = LABELS[name] - 1
        (d, d_true, d_off), (s, s_true, s_off) = (_volume(frame, at, share) for frame in (ed, es))
        if d <= 0 or d_true <= 0:
            continue
        out[f"{name}.edv_ml"] = d, d_true, d_off
        out[f"{name}.esv_ml"] = s, s_true, s_off
        out[f"{name}.sv_ml"] = d - s, d_true - s_true, float(np.hypot(d_off, s_off))
        # The partial derivatives of 100 (1 - ESV / EDV).
        off = 100 * float(np.hypot(s / d**2 * d_off, s_off / d))
        out[f"{name}.ef_percent"] = 100 * (d - s) / d, 100 * (d_true - s_true) / d_true, off
    for phase, frame in (("ed", ed), ("es", es)):
        wall = _volume(frame, LABELS["myocardium"] - 1, share)
        out[f"myocardium.{phase}_mass_g"] = tuple(evaluate.MYOCARDIUM_G_PER_ML * v for v in wall)
    return out


def _volume(frame: Observed, at: int, share: float) -> tuple[float, float, float]:
    """Found, true and doubtful ml of a structure."""
    ml = frame.structures[at].labelled * frame.voxel_ml
    return ml, frame.truth[at] * frame.voxel_ml, frame.structures[at].uncertain * frame.voxel_ml + share * ml


def pairs(observed: Iterable[Observed]) -> dict[tuple[str, str], dict[str, Observed]]:
    """(patient, kind) → phase → frame."""
    out: dict[tuple[str, str], dict[str, Observed]] = {}
    for one in observed:
        out.setdefault((one.patient, one.kind), {})[one.phase] = one
    return out


def factor(found: np.ndarray) -> tuple[float, float]:
    """Doubts below and above a number, of `found` `[patients, (found, true, doubt)]`.

    The middle of the errors may lie off zero, but the number itself stays inside.
    """
    off = (found[:, 1] - found[:, 0]) / found[:, 2]
    count = len(off)
    others = np.array([np.median(np.delete(off, i)) for i in range(count)])
    rank = min(count, int(np.ceil((count + 1) * LEVEL)))
    reach, middle = float(np.sort(np.abs(off - others))[rank - 1]), float(np.median(off))
    return round(max(reach - middle, 0.0), 4), round(max(reach + middle, 0.0), 4)


def held(found: np.ndarray, low: float, high: float) -> np.ndarray:
    value, truth, doubt = found.T
    return (truth >= value - low * doubt) & (truth <= value + high * doubt)


def intervals(observed: list[Observed], seed: int) -> dict[str, object]:
    """The factors of every quantity, and how often intervals that were fitted without a part of the patients hold the truth of these."""
    patients = list(pairs(observed).values())

    def tables(share: float) -> dict[str, np.ndarray]:
        all_of = [measured(p["ED"], p["ES"], share) for p in patients]
        return {q: np.array([one[q] for one in all_of if q in one]) for q in QUANTITIES}

    def width(share: float) -> float:
        return float(np.mean([sum(factor(t)) * t[:, 2].mean() / t[:, 1].std() for t in tables(share).values()]))

    share = min(SHARES, key=width)
    found = tables(share)
    rng = np.random.default_rng(seed)
    hits: dict[str, list[np.ndarray]] = {q: [] for q in found}
    for _ in range(REPEATS):
        for part in np.array_split(rng.permutation(len(patients)), FOLDS):
            for q, t in found.items():
                out = np.isin(np.arange(len(t)), part)
                hits[q].append(held(t[out], *factor(t[~out])))
    left_out = {q: float(np.concatenate(of).mean()) for q, of in hits.items()}
    return {
        "method": "value ± factor · doubt; normalised conformal, the middle of the errors taken from the other patients",
        "level": LEVEL,
        "factors": [{"quantity": q, "share": share, "low": factor(t)[0], "high": factor(t)[1]} for q, t in found.items()],
        "cross_validated": {
            "method": f"patients left out in {FOLDS} parts, {REPEATS} times; factors of the fewer patients that are left reach a little wider",
            "coverage": round(float(np.mean(list(left_out.values()))), 3),
            "by_quantity": {q: round(v, 3) for q, v in left_out.items()},
            "seed": seed,
        },
    }


def fit_score(features: np.ndarray, dice: np.ndarray) -> np.ndarray:
    """Intercept and coefficients `[1 + features]` of the log-odds of the mean Dice; what speaks against a mask never speaks for it."""
    scale = np.maximum(features.std(0), 1e-9)
    x = np.hstack([np.ones((len(features), 1)), features / scale])

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        z = x @ w
        gradient = x.T @ (1 / (1 + np.exp(-z)) - dice)
        penalty = np.r_[0, w[1:]]
        return float(np.sum(np.logaddexp(0, z) - dice * z) + RIDGE * penalty @ penalty), gradient + 2 * RIDGE * penalty

    bounds = [(None, None), (0, None), (0, None), *[(None, 0)] * (features.shape[1] - 2)]
    found = optimize.minimize(loss, np.zeros(x.shape[1]), jac=True, bounds=bounds, method="L-BFGS-B").x
    return np.r_[found[0], found[1:] / scale]


def only_fitted(features: np.ndarray) -> np.ndarray:
    """The features `[frames, features]` with nothing where the score is not fitted: what is always 0 gets no weight."""
    return np.where(np.isin(evidence.FEATURES, FITTED), features, 0)


def scored(weights: np.ndarray, features: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-(weights[0] + features @ weights[1:])))


def auroc(score: np.ndarray, is_bad: np.ndarray) -> float:
    """How often a bad volume has a lower score than a good one, ties by half."""
    ranks = stats.rankdata(score)
    bad, good = int(is_bad.sum()), int((~is_bad).sum())
    return float((ranks[~is_bad].sum() - good * (good + 1) / 2) / (bad * good)) if bad and good else float("nan")


def by_volume(observed: list[Observed], score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Score and mean Dice of each volume, the means over its frames, in the order of `volumes`."""
    rows = [[i for i, one in enumerate(observed) if (one.patient, one.kind) == volume] for volume in volumes(observed)]
    return tuple(np.array([np.mean(values[at]) for at in rows]) for values in (score, np.array([o.dice for o in observed])))


def volumes(observed: list[Observed]) -> list[tuple[str, str]]:
    """Patient and kind of each volume, in the order in which they come."""
    return list(dict.fromkeys((one.patient, one.kind) for one in observed))


def auroc_interval(score: np.ndarray, is_bad: np.ndarray, patients: np.ndarray) -> list[float]:
    """The 95 % interval of the area by percentile bootstrap over whole patients."""
    rng = np.random.default_rng(1)
    rows = [np.flatnonzero(patients == name) for name in np.unique(patients)]
    found = []
    for _ in range(evaluate.BOOTSTRAPS):
        at = np.concatenate([rows[i] for i in rng.integers(0, len(rows), len(rows))])
        found.append(auroc(score[at], is_bad[at]))
    return [round(float(v), 3) for v in np.nanpercentile(found, [2.5, 97.5])]


def ranked(observed: list[Observed], score: np.ndarray) -> dict[str, object]:
    """How well the score finds bad volumes among the spoilt ones that show a heart, and what those without one get."""
    heart = np.array([any(o.truth) for o in observed])
    shown = [o for o in observed if any(o.truth)]
    found, dice = by_volume(shown, score[heart])
    patients = np.array([patient for patient, _ in volumes(shown)])
    out: dict[str, object] = {
        "patients": len(np.unique(patients)),
        "volumes": len(found),
        "bad": int((dice < BAD_BELOW).sum()),
        "share_between": round(float(((dice >= 0.6) & (dice <= 0.85)).mean()), 3),
        "auroc": round(auroc(found, dice < BAD_BELOW), 4),
        "auroc_interval": auroc_interval(found, dice < BAD_BELOW, patients),
        "mean_absolute_error": round(float(np.abs(found - dice).mean()), 4),
    }
    if (~heart).any():
        none, _ = by_volume([o for o in observed if not any(o.truth)], score[~heart])
        out["without_heart"] = {"volumes": len(none), "highest_score": round(float(none.max()), 3)}
    return out


def verdicts(observed: list[Observed], score: np.ndarray) -> dict[str, object]:
    """What the limits of the service make of volumes by their score alone: of spoilt ones that show a heart, bad or not, and of those as they
    are.
    """
    reject, accept = SERVED_LIMITS
    clean = np.array([o.kind == "as it is" for o in observed])
    spoilt = np.array([any(o.truth) for o in observed]) & ~clean
    out: dict[str, object] = {"reject_below": reject, "pass_from": accept}
    found, dice = by_volume([o for o, is_one in zip(observed, spoilt, strict=True) if is_one], score[spoilt])
    for name, of in (("bad", found[dice < BAD_BELOW]), ("others", found[dice >= BAD_BELOW])):
        out[f"rejects_of_{name}"] = round(float((of < reject).mean()), 3)
        out[f"passes_of_{name}"] = round(float((of >= accept).mean()), 3)
    found, _ = by_volume([o for o, is_one in zip(observed, clean, strict=True) if is_one], score[clean])
    out["clean"] = {"volumes": len(found), "rejected": int((found < reject).sum()), "not_passing": int((found < accept).sum())}
    return out


def spoilt(network: Network, frames: list[prepare.Frame], t: float, seed: int) -> list[Observed]:
    out = []
    made = itertools.chain(degrade.degraded(frames, seed), degrade.without_heart(seed, WITHOUT_HEART_EACH))
    for turn, (name, volume) in enumerate(made):
        out += [network.observe(name, frame, t) for frame in volume]
        print(f"\rspoilt volumes: {turn + 1}", end="", flush=True)
    print()
    return out


def limits(observed: list[Observed], score: np.ndarray) -> dict[str, float]:
    """Below which score a mask is not to be used, and from which it may pass, by spoilt volumes that show a heart: `MISSED` of those that are not
    bad lie below the one, `MISSED` of the bad ones above the other. With the shares that each limit takes of either.
    """
    heart = np.array([any(o.truth) for o in observed])
    found, dice = by_volume([o for o in observed if any(o.truth)], score[heart])
    bad, other = found[dice < BAD_BELOW], found[dice >= BAD_BELOW]
    reject, accept = float(np.quantile(other, MISSED)), float(np.quantile(bad, 1 - MISSED))
    return {
        "reject_below": round(reject, 3),
        "rejects_of_bad": round(float((bad < reject).mean()), 3),
        "rejects_of_others": round(float((other < reject).mean()), 3),
        "pass_from": round(accept, 3),
        "passes_of_bad": round(float((bad >= accept).mean()), 3),
        "passes_of_others": round(float((other >= accept).mean()), 3),
    }


def fit(folder: Path, seed: int) -> dict[str, object]:
    """The `calibration` of a package's card."""
    network, frames = Network.of(folder), prepare.frames("val")
    voxels = doubtful(network, frames, seed)
    t, error = temperature(voxels), errors(voxels, seed)
    print(f"temperature {t}", json.dumps(error), flush=True)
    clean = [network.observe("as it is", frame, t) for frame in frames]
    interval = intervals(clean, seed)
    print(json.dumps(interval, indent=2), flush=True)
    observed = clean + spoilt(network, frames, t, seed)
    features, dice = only_fitted(np.stack([o.features() for o in observed])), np.array([o.dice for o in observed])
    weights = fit_score(features, dice)
    patient = np.array([o.patient for o in observed])
    left_out = np.empty(len(observed))
    for name in np.unique(patient):
        here = patient == name
        left_out[here] = scored(fit_score(features[~here], dice[~here]), features[here])
    only = [i for i, o in enumerate(observed) if o.kind != "as it is"]
    found = {
        "method": "fractional logit of a frame's mean Dice, of frames as they are and spoilt; a volume's score is the mean over its frames",
        "intercept": round(float(weights[0]), 4),
        "coefficients": {name: round(float(w), 4) for name, w in zip(evidence.FEATURES, weights[1:], strict=True)},
        "leave_one_patient_out": ranked([observed[i] for i in only], left_out[only]),
        "limits": limits([observed[i] for i in only], left_out[only]),
        "verdicts": verdicts(observed, left_out),
        "seed": seed,
    }
    return {
        "set": "acdc-val",
        "patients": len({frame.patient for frame in frames}),
        "fitted_with": f"{folder.parent.name} {folder.name}",
        "temperature": t,
        "calibration_error": error,
        "intervals": interval,
        "score": found,
    }


def judge(folder: Path, calibration: dict[str, object], seed: int) -> dict[str, object]:
    """What intervals and score are worth on acdc-dev_test, where nothing was fitted."""
    network, frames, t = Network.of(folder), prepare.frames("dev_test"), calibration["temperature"]
    voxels = doubtful(network, frames, seed)
    clean = [network.observe("as it is", frame, t) for frame in frames]
    factors = {f["quantity"]: f for f in calibration["intervals"]["factors"]}
    hits: dict[str, list[bool]] = {q: [] for q in factors}
    for pair in pairs(clean).values():
        for q, f in factors.items():
            one = measured(pair["ED"], pair["ES"], f["share"]).get(q)
            if one:
                hits[q].append(bool(held(np.array([one]), f["low"], f["high"])[0]))
    coverage = round(float(np.mean([hit for of in hits.values() for hit in of])), 3)
    print(f"coverage {coverage}", {q: round(float(np.mean(v)), 3) for q, v in hits.items()}, flush=True)
    observed = clean + spoilt(network, frames, t, seed)
    score = calibration["score"]
    weights = np.array([score["intercept"], *(score["coefficients"][name] for name in evidence.FEATURES)])
    found = scored(weights, np.stack([o.features() for o in observed]))
    only = [i for i, o in enumerate(observed) if o.kind != "as it is"]
    return {
        "set": "acdc-dev_test",
        "patients": len({frame.patient for frame in frames}),
        "calibration_error": {"before": calibration_error(*sureness(voxels, 1.0)), "after": calibration_error(*sureness(voxels, t))},
        "coverage": coverage,
        "by_quantity": {q: round(float(np.mean(v)), 3) for q, v in hits.items()},
        "score": {**ranked([observed[i] for i in only], found[only]), "verdicts": verdicts(observed, found), "seed": seed},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path, help="folder of the package whose card is written")
    parser.add_argument("--like", type=Path, help="copy from this package of the same recipe: for one that has been trained on acdc-val too")
    parser.add_argument("--judge", action="store_true", help="measure on acdc-dev_test what the card's calibration is worth; for the report")
    parser.add_argument("--seed", type=int, default=1, help="of voxels and of what is spoilt; judging takes the next one")
    arguments = parser.parse_args()

    path = arguments.package / "model.json"
    if arguments.like:
        calibration = json.loads((arguments.like / "model.json").read_text())["calibration"]
    elif arguments.judge:
        calibration = json.loads(path.read_text())["calibration"]
    else:
        if "acdc-val" in {data["set"] for data in json.loads(path.read_text())["training"]["data"]}:
            raise SystemExit(f"{arguments.package} was trained on acdc-val: fit its sister that was not, and copy with --like.")
        calibration = fit(arguments.package, arguments.seed)
    if arguments.judge:
        calibration["judged"] = judge(arguments.package, calibration, arguments.seed + 1)
        print(json.dumps(calibration["judged"], indent=2))
    # Read only now: the card may have been written to in the meantime.
    card = json.loads(path.read_text())
    card["calibration"] = calibration
    path.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    print(f"{path}: calibration fitted with {calibration['fitted_with']}")


if __name__ == "__main__":
    main()
