"""What was measured through the service stands in the card as it was measured."""

import json
from pathlib import Path

import pytest

from cinecor_weights import served
from cinecor_weights.labels import STRUCTURES


def case(group: str, dice: float) -> dict[str, object]:
    phase = {structure: {"dice": dice} for structure in STRUCTURES}
    return {"group": group, "ed": phase, "es": {**phase, "right_ventricle": {"dice": dice - 0.1}}}


def volume(dice: float | None, verdict: str, refused: str | None = None) -> dict[str, object]:
    return {"mean_dice": dice, "quality": {"verdict": verdict}, "refused": refused}


def test_groups_are_means_over_their_patients() -> None:
    found = served.groups({"cases": [case("NOR", 0.9), case("NOR", 0.8), case("DCM", 0.7)]})
    assert list(found) == ["DCM", "NOR"]
    assert found["NOR"]["patients"] == 2
    assert found["NOR"]["dice"]["left_ventricle"] == {"ed": 0.85, "es": 0.85}
    assert found["NOR"]["dice"]["right_ventricle"] == {"ed": 0.85, "es": 0.75}
    # Five of .85 and one of .75.
    assert found["NOR"]["dice_mean"] == pytest.approx(0.833)


def test_a_bad_volume_that_passes_is_counted_apart_and_a_refused_one_is_rejected() -> None:
    rows = [{"what": "noise", "volumes": [volume(0.9, "pass"), volume(0.7, "pass"), volume(0.5, "reject"), volume(None, "none", "not-a-volume")]}]
    figures = {"set": "acdc-val", "model": {"name": "net", "version": "1.0.0"}, "patients": 4, "degraded": rows, "without_a_heart": [{"what": "grey", "volumes": [volume(None, "reject")]}]}
    found = served.robustness(figures)
    assert found["measured_with"] == "net 1.0.0"
    noise, grey = found["rows"]
    assert noise == {"what": "noise", "volumes": 4, "dice_mean": 0.7, "dice_least": 0.5, "bad": 2, "rejected": 2, "bad_and_passed": 1}
    assert (grey["dice_mean"], grey["bad"], grey["rejected"]) == (None, 0, 1)


def test_figures_of_another_package_are_not_put_into_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.json").write_text(json.dumps({"name": "net", "version": "1.0.0"}))
    results = tmp_path / "results.json"
    results.write_text(json.dumps({"set": "acdc-dev_test", "model": {"name": "net", "version": "2.0.0"}, "cases": []}))
    monkeypatch.setattr("sys.argv", ["served", str(tmp_path), "--results", str(results)])
    with pytest.raises(SystemExit, match="is of net 2.0.0"):
        served.main()
