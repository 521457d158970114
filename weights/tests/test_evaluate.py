"""What is reported of a package, on frames made by hand and a "network" that answers what it is told."""

import json
from pathlib import Path

import numpy as np
import pytest

from cinecor_weights import evaluate, export, grid, prepare, train
from cinecor_weights.labels import LABELS
from cinecor_weights.model import LEVELS_DOWN, UNet

#: 32×32 pixels at the network's own spacing: nothing is interpolated.
ONTO = grid.Grid(canvas=32)


def frame(patient: str, phase: str, cavity_rows: int) -> prepare.Frame:
    """A wall of 16×20 voxels about a cavity of `cavity_rows`×10, in three slices of 8 mm; the image tells the labels: 0, 2 and 3."""
    labels = np.zeros((3, 32, 32), np.uint8)
    labels[:, 6:22, 6:26] = LABELS["myocardium"]
    labels[:, 8 : 8 + cavity_rows, 10:20] = LABELS["left_ventricle"]
    return prepare.Frame(patient, phase, labels.astype(np.float32), labels, grid.SPACING_MM, grid.SPACING_MM, 8.0)


def read_off(image: np.ndarray, lost_rows: int = 0) -> np.ndarray:
    """The labels that an image of `frame` tells, as probabilities; of the cavity the last `lost_rows` rows are called wall."""
    values = np.unique(image)
    labels = np.array([0, 2, 3])[np.searchsorted(values, image[:, 0])]
    rows = np.flatnonzero((labels == LABELS["left_ventricle"]).any((0, 2)))
    lost = labels[:, rows[len(rows) - lost_rows :]]
    lost[lost == LABELS["left_ventricle"]] = LABELS["myocardium"]
    labels[:, rows[len(rows) - lost_rows :]] = lost
    return np.stack([labels == c for c in range(4)], 1).astype(np.float32)


FRAMES = [frame("a", "ED", 10), frame("a", "ES", 5), frame("b", "ED", 8), frame("b", "ES", 4)]


def test_what_equals_the_reference_has_no_error() -> None:
    entry = evaluate.measure("made", FRAMES, read_off, onto=ONTO)
    assert entry["patients"] == 2 and entry["dice_mean"] == 1
    assert entry["dice"]["left_ventricle"] == {p: {"mean": 1, "low": 1, "high": 1} for p in ("ed", "es")}
    assert entry["hausdorff_mm"]["myocardium"]["ed"]["mean"] == 0
    assert entry["left_ventricle_ef_error_points"]["bias"] == entry["myocardial_mass_error_g"]["sd"] == 0
    # No right ventricle is in the references: nothing is said about it.
    assert "right_ventricle" not in entry["dice"] and "right_ventricle_ef_error_points" not in entry


def test_errors_are_those_worked_out_by_hand() -> None:
    entry = evaluate.measure("made", FRAMES, lambda image: read_off(image, 1), onto=ONTO)
    row_ml = 3 * 10 * 1.4 * 1.4 * 8 / 1000
    # One row of 10, 5, 8, 4 is lost. Dice of 9 rows against 10 is 18/19; and so on.
    assert entry["dice"]["left_ventricle"]["ed"]["mean"] == pytest.approx((18 / 19 + 14 / 15) / 2, abs=1e-4)
    assert entry["dice"]["left_ventricle"]["es"]["mean"] == pytest.approx((8 / 9 + 6 / 7) / 2, abs=1e-4)
    assert entry["hausdorff_mm"]["left_ventricle"]["ed"]["mean"] == pytest.approx(1.4)
    assert entry["left_ventricle_edv_error_ml"]["bias"] == pytest.approx(-row_ml, abs=0.01)
    assert entry["left_ventricle_edv_error_ml"]["sd"] == 0
    # EF 50 % in both; found 1 − 4/9 and 1 − 3/7.
    found = np.array([100 * 5 / 9, 100 * 4 / 7])
    assert entry["left_ventricle_ef_error_points"]["bias"] == pytest.approx(found.mean() - 50, abs=0.01)
    assert entry["left_ventricle_ef_error_points"]["sd"] == pytest.approx(found.std(ddof=1), abs=0.01)
    assert entry["myocardial_mass_error_g"]["bias"] == pytest.approx(1.05 * row_ml, abs=0.01)


def test_hausdorff_distance_counts_millimetres_and_both_ways() -> None:
    one, other = np.zeros((2, 5, 9, 9), bool)
    one[1, 2, 2] = other[1, 2, 2] = True
    other[4, 2, 6] = True
    # Three slices of 8 mm and four columns of 1.5 mm: √(24² + 6²).
    expected = pytest.approx(np.hypot(24, 6))
    assert evaluate.hausdorff_mm(one, other, (8, 1, 1.5)) == expected == evaluate.hausdorff_mm(other, one, (8, 1, 1.5))
    assert evaluate.hausdorff_mm(one, one, (8, 1, 1.5)) == 0
    assert evaluate.hausdorff_mm(one, np.zeros_like(one), (8, 1, 1.5)) is None


def test_grid_is_read_from_the_card_that_export_writes(tmp_path: Path) -> None:
    recipe = train.Recipe(canvas=48, spacing_mm=1.6, served_spacing_mm=1.25)
    path = tmp_path / "model.json"
    text = json.dumps(export.card("made", "0.0.1", b"", recipe, []))
    path.write_text(text)
    assert evaluate.grid_of(path) == recipe.served == grid.Grid(1.25, 48)
    assert recipe.grid == grid.Grid(1.6, 48) and "more than 30 mm" in text
    assert export.ABOUT_THE_HEART not in text
    about = train.Recipe(canvas=48, region=(8, 16))
    made = export.card("made", "0.0.1", b"", about, [])
    (tmp_path / "about.json").write_text(json.dumps(made))
    assert evaluate.grid_of(tmp_path / "about.json") == about.served == grid.Grid(1.4, 48, region=grid.Region(8, 16))
    assert export.ABOUT_THE_HEART in made["limits"]
    path.write_text(text.replace('"rows": 48', '"rows": 64'))
    with pytest.raises(ValueError, match="not square"):
        evaluate.grid_of(path)


@pytest.mark.parametrize("package", sorted(p.parent for p in train.MODELS.glob("*/*/model.json")), ids=lambda p: f"{p.parent.name}/{p.name}")
def test_package_is_of_its_recipe(package: Path) -> None:
    name = f"{package.parent.name}/{package.name}"
    card, recipe = json.loads((package / "model.json").read_text()), train.RECIPES[name]
    stated = {key: tuple(value) if isinstance(value, list) else value for key, value in card["training"]["recipe"].items()}
    # The card of 1.0.0 says `base` where recipes now say `width`.
    base = stated.pop("base", None)
    stated |= {"width": tuple(base << level for level in range(LEVELS_DOWN + 1))} if base else {}
    assert train.Recipe(**stated) == recipe
    assert evaluate.grid_of(package / "model.json") == recipe.served
    train.network_of(recipe)


def test_sunnybrook_is_read_with_its_phases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nibabel = pytest.importorskip("nibabel")
    folder = tmp_path / "sunnybrook-cine"
    folder.mkdir()
    cine = np.zeros((4, 5, 3, 2), np.int16)
    cine[3, 1, 2, 1] = 9
    for stem, voxels in (("X1_4d", cine), ("X1_es_frame02_gt", (cine[..., 1] > 0).astype(np.uint8) * 3)):
        image = nibabel.Nifti1Image(voxels, np.diag([1.5, 1.25, 10, 1]))
        nibabel.save(image, folder / f"{stem}.nii.gz")
    monkeypatch.setenv("CINECOR_DATA", str(tmp_path))
    (found,) = prepare.sunnybrook_frames()
    assert (found.patient, found.phase, found.column_mm, found.row_mm, found.slice_mm) == ("X1", "ES", 1.5, 1.25, 10)
    assert found.image[2, 1, 3] == 9 and found.labels[2, 1, 3] == LABELS["left_ventricle"] and found.image.shape == (3, 5, 4)
