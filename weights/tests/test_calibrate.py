"""How far probabilities are believed: by hand, and by what must hold whatever was fitted."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from cinecor_weights import calibrate, degrade, evidence, grid, prepare


def test_temperature_moves_no_label_and_a_higher_one_is_less_sure() -> None:
    random = np.random.default_rng(1)
    p = random.dirichlet(np.ones(4), (3, 5, 6)).transpose(0, 3, 1, 2).astype(np.float32)
    warm, warmer = evidence.calibrated(p, 1.5), evidence.calibrated(p, 2.5)
    np.testing.assert_array_equal(warm.argmax(1), p.argmax(1))
    np.testing.assert_allclose(warm.sum(1), 1, atol=1e-5)
    assert (warmer.max(1) <= warm.max(1) + 1e-6).all() and (warm.max(1) <= p.max(1) + 1e-6).all()
    # .9 and .1 to the power of a half are .9487 and .3162: together 1.2649.
    halved = evidence.calibrated(np.array([[0.9, 0.1, 0, 0]], np.float32), 2)
    np.testing.assert_allclose(halved[0], [0.75, 0.25, 0, 0], atol=1e-6)


def test_evidence_of_one_structure_by_hand() -> None:
    # Two voxels: .75 and .25 for the right ventricle; the first is labelled, the background has the rest.
    p = np.zeros((1, 4, 1, 2), np.float32)
    p[0, 1, 0], p[0, 0, 0] = [0.75, 0.25], [0.25, 0.75]
    labels = np.array([[[1, 0]]], np.uint8)
    right, wall, left = evidence.of(p, np.ones((1, 2), bool), labels, labels, 1.0)
    assert (right.expected, right.agreeing, right.labelled, right.removed) == (1.0, 0.75, 1, 0)
    assert right.uncertain == pytest.approx(2 * 0.75 * 0.25)
    assert right.dice == pytest.approx(2 * 0.75 / 2)
    assert (wall.labelled, left.dice) == (0, 0.0)


def test_factors_hold_nine_in_ten_and_may_lie_off_the_middle() -> None:
    # Twenty patients, all 2 doubts above what was found, but one 5 above: the nineteenth of twenty reaches is taken.
    off = np.full(20, 2.0)
    off[7] = 5.0
    found = np.stack([np.full(20, 100.0), 100 + off * 3, np.full(20, 3.0)], 1)
    low, high = calibrate.factor(found)
    assert (low, high) == (0.0, 2.0)
    assert calibrate.held(found, low, high).sum() == 19
    assert calibrate.held(np.array([[100.0, 94.0, 3.0], [100.0, 103.0, 3.0]]), 1.9, 1.0).tolist() == [False, True]


def test_calibration_error_by_hand() -> None:
    # Of fifteen bins two are met: .9 twice, right once; .5 twice, right twice. Two voxels each, off by .4 and .5.
    sure, right = np.array([0.9, 0.9, 0.5, 0.5]), np.array([True, False, True, True])
    assert calibrate.calibration_error(sure, right) == pytest.approx((0.4 + 0.5) / 2)
    assert calibrate.calibration_error(np.ones(3), np.ones(3, bool)) == 0


def voxels() -> calibrate.Voxels:
    """Of ten patients: labels drawn from probabilities, and log-probabilities twice as sure as these."""
    random = np.random.default_rng(4)
    p = random.dirichlet(np.ones(4), 20000)
    label = (random.random((len(p), 1)) > p.cumsum(1)).sum(1)
    log = 2 * np.log(p)
    return calibrate.Voxels(np.repeat([f"patient{i:03}" for i in range(10)], 2000), log - np.logaddexp.reduce(log, 1)[:, None], label)


def test_temperature_finds_how_much_too_sure_a_network_is_and_mends_its_error() -> None:
    assert calibrate.temperature(voxels()) == pytest.approx(2, abs=0.05)
    found = calibrate.errors(voxels(), 1)
    assert found["before"] > 0.15 and found["after"] < 0.02


def test_every_patient_is_left_out_once() -> None:
    names = [f"patient{i:03}" for i in range(12)]
    parts = calibrate.folds([*names, *names], np.random.default_rng(1))
    assert len(parts) == calibrate.FOLDS
    assert sorted(np.concatenate(parts)) == names


def test_auroc_counts_pairs_and_ties_by_half() -> None:
    score, bad = np.array([0.1, 0.5, 0.5, 0.9]), np.array([True, True, False, False])
    # Of four pairs three are right and one is a tie.
    assert calibrate.auroc(score, bad) == pytest.approx(3.5 / 4)
    assert calibrate.auroc(-score, bad) == pytest.approx(0.5 / 4)


def test_score_rises_with_what_speaks_for_a_mask_and_never_with_what_speaks_against_it() -> None:
    random = np.random.default_rng(2)
    features = np.hstack([random.normal(0, 1, (400, 2)), random.uniform(0, 1, (400, 7))])
    dice = 1 / (1 + np.exp(-(features[:, 0] - 2 * features[:, 2])))
    weights = calibrate.fit_score(features, dice)
    assert weights[1] == pytest.approx(1, abs=0.1) and weights[3] == pytest.approx(-2, abs=0.2)
    assert (weights[1:3] >= 0).all() and (weights[3:] <= 0).all()
    np.testing.assert_allclose(calibrate.scored(weights, features), dice, atol=0.05)


def test_score_weighs_only_what_it_is_fitted_on() -> None:
    random = np.random.default_rng(3)
    features = np.hstack([random.normal(0, 1, (400, 2)), random.uniform(0, 1, (400, 7))])
    dice = 1 / (1 + np.exp(-(features[:, 0] - 2 * features[:, 2])))
    weights = calibrate.fit_score(calibrate.only_fitted(features), dice)
    assert {name for name, weight in zip(evidence.FEATURES, weights[1:], strict=True) if weight} <= set(calibrate.FITTED)
    assert weights[1] > 0.5


def test_ragged_is_one_less_the_roundness_of_the_outline() -> None:
    # Four voxels in a row: an outline of ten sides, which are 4 / pi times as long as what they stand for.
    labels = np.zeros((2, 3, 6), np.uint8)
    labels[0, 1, 1:5] = [1, 2, 3, 3]
    found = evidence.shape(labels, 2.0, 2.0).ragged
    assert found == pytest.approx(1 - 4 * np.pi * 16 / (np.pi / 4 * 20) ** 2)
    # Four pixels 2 mm high and 1 mm wide, one above the other: an outline of 18 mm around 8 mm². Side by side, it has 12 mm.
    tall = np.zeros((1, 4, 6), np.uint8)
    tall[0, :, 2] = 2
    assert evidence.shape(tall, 2.0, 1.0).ragged == pytest.approx(1 - 4 * np.pi * 8 / (np.pi / 4 * 18) ** 2)
    wide = np.ascontiguousarray(tall.transpose(0, 2, 1))
    assert evidence.shape(wide, 2.0, 1.0).ragged == pytest.approx(max(0, 1 - 4 * np.pi * 8 / (np.pi / 4 * 12) ** 2))
    # A square is rounder than a disc of its outline's sides; a mask that shows nothing is not ragged.
    labels[0] = 0
    labels[0, :2, :2] = 3
    assert evidence.shape(labels, 1.0, 1.0).ragged == 0
    assert evidence.shape(np.zeros_like(labels), 1.0, 1.0).ragged == 0
    y, x = np.mgrid[-60:61, -60:61]
    disc = (np.hypot(y, x) < 50).astype(np.uint8)[None]
    assert evidence.shape(disc, 1.0, 1.0).ragged < 0.02


def test_limits_of_verdicts_are_the_service_s() -> None:
    source = (Path(__file__).parents[2] / "crates/measures/src/checks.rs").read_text()
    for name, limit in zip(("SCORE_REJECT", "SCORE_PASS"), calibrate.SERVED_LIMITS, strict=True):
        assert f"pub const {name}: f64 = {limit};" in source


def test_verdicts_count_clean_and_spoilt_volumes_apart() -> None:
    frames = [observed("a", "ED", 9, 9), observed("b", "ED", 9, 9), observed("c", "ED", 9, 9, 0.5), observed("d", "ED", 9, 9)]
    frames[2:] = [dataclasses.replace(frame, kind="noise") for frame in frames[2:]]
    found = calibrate.verdicts(frames, np.array([0.9, 0.8, 0.7, 0.9]))
    assert found["clean"] == {"volumes": 2, "rejected": 0, "not_passing": 1}
    assert (found["rejects_of_bad"], found["passes_of_bad"], found["rejects_of_others"], found["passes_of_others"]) == (1, 0, 0, 1)


def test_interval_of_the_area_resamples_whole_patients() -> None:
    # Two patients, of whom either alone is ranked without an error: the interval is a point.
    score, bad = np.array([0.1, 0.9, 0.2, 0.8]), np.array([True, False, True, False])
    assert calibrate.auroc_interval(score, bad, np.array(["a", "a", "b", "b"])) == [1, 1]
    low, high = calibrate.auroc_interval(np.array([0.1, 0.9, 0.8, 0.2]), bad, np.array(["a", "a", "b", "b"]))
    assert (low, high) == (0, 1)


def test_package_that_was_trained_on_the_set_is_not_fitted_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.json").write_text(json.dumps({"training": {"data": [{"set": "acdc-train"}, {"set": "acdc-val"}]}}))
    monkeypatch.setattr("sys.argv", ["calibrate", str(tmp_path)])
    with pytest.raises(SystemExit, match="was trained on acdc-val"):
        calibrate.main()


def observed(patient: str, phase: str, found: int, true: int, dice: float = 0.9) -> calibrate.Observed:
    structure = evidence.Structure(found, found, 2.0, found, 0)
    form = evidence.Shape(0, 0, 0, 0, 0)
    return calibrate.Observed(patient, "as it is", phase, 0.5, [structure] * 3, form, [true] * 3, dice)


def test_limits_of_the_score_miss_one_in_twenty() -> None:
    # Twenty-one bad volumes of scores .40 to .80 by .02, and as many others of .60 to 1.00.
    frames = [observed(f"{dice}{i}", "ED", 100, 100, dice) for dice in (0.7, 0.9) for i in range(21)]
    score = np.concatenate([0.4 + 0.02 * np.arange(21), 0.6 + 0.02 * np.arange(21)])
    found = calibrate.limits(frames, score)
    # The second lowest of the others, and the second highest of the bad: one of twenty-one lies beyond.
    assert (found["reject_below"], found["pass_from"]) == (0.62, 0.78)
    # Of the bad .40 to .60 lie below .62, and .78 and .80 from .78 on.
    assert found["rejects_of_bad"] == pytest.approx(11 / 21, abs=0.05) and found["rejects_of_others"] == pytest.approx(1 / 21, abs=0.05)
    assert found["passes_of_bad"] == pytest.approx(2 / 21, abs=0.05) and found["passes_of_others"] == pytest.approx(12 / 21, abs=0.05)


def test_masses_of_both_phases_are_measured_with_their_doubt() -> None:
    found = calibrate.measured(observed("a", "ED", 100, 110), observed("a", "ES", 60, 50), 0.1)
    # 1.05 g/ml, half a millilitre a voxel; two voxels in doubt and a tenth of what was found.
    assert found["myocardium.ed_mass_g"] == pytest.approx((52.5, 57.75, 1.05 * (1 + 5)))
    assert found["myocardium.es_mass_g"] == pytest.approx((31.5, 26.25, 1.05 * (1 + 3)))
    assert set(found) == set(calibrate.QUANTITIES)


def test_intervals_hold_patients_that_they_were_not_fitted_on() -> None:
    random = np.random.default_rng(5)
    frames = [observed(f"p{i}", phase, n, n + int(random.normal(0, 4))) for i in range(20) for phase, n in (("ED", 300), ("ES", 120))]
    found = calibrate.intervals(frames, 1)
    assert {f["quantity"] for f in found["factors"]} == set(calibrate.QUANTITIES)
    assert 0.8 < found["cross_validated"]["coverage"] <= 1


def heart() -> list[prepare.Frame]:
    random = np.random.default_rng(3)
    labels = np.zeros((6, 48, 52), np.uint8)
    labels[:, 12:36, 14:38] = 2
    labels[:, 16:30, 18:32] = 3
    labels[:, 12:30, 4:14] = 1
    image = labels * 90.0 + random.normal(40, 5, labels.shape)
    return [prepare.Frame("patient007", phase, image.astype(np.float32), labels, 1.4, 1.4, 8.0) for phase in ("ED", "ES")]


def test_one_seed_spoils_alike_and_another_otherwise() -> None:
    one, again, other = (list(degrade.degraded(heart(), seed)) for seed in (1, 1, 2))
    assert len(one) == degrade.PER_PATIENT
    assert [name for name, _ in one] == [name for name, _ in again]
    for (_, frames), (_, same) in zip(one, again, strict=True):
        for frame, twin in zip(frames, same, strict=True):
            np.testing.assert_array_equal(frame.image, twin.image)
    assert any(a.image.shape != b.image.shape or (a.image != b.image).any() for (_, x), (_, y) in zip(one, other, strict=True) for a, b in zip(x, y, strict=True))


@pytest.mark.parametrize("name", degrade.DEGRADATIONS)
def test_every_way_of_spoiling_leaves_a_volume_with_labels_on_its_grid(name: str) -> None:
    for seed in range(5):
        for frame in degrade.DEGRADATIONS[name](heart(), np.random.default_rng(seed)):
            assert frame.image.shape == frame.labels.shape and frame.image.dtype == np.float32
            assert np.isfinite(frame.image).all() and frame.labels.max() <= 3
            assert min(frame.row_mm, frame.column_mm, frame.slice_mm) > 0
            # It can be given to a network.
            assert np.isfinite(grid.to_canvas(frame.image, frame.row_mm, frame.column_mm)).all()


def test_volumes_without_a_heart_have_no_label() -> None:
    found = list(degrade.without_heart(1, 1))
    assert len({name for name, _ in found}) == len(found) >= 5
    assert not any(frame.labels.any() for _, frames in found for frame in frames)
