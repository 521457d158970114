"""Reading the archives: a made-up one in the layout of ACDC, and the real one against its manifest where it is there."""

import csv
import hashlib
import os
import tarfile
from pathlib import Path

import nibabel
import numpy as np
import pytest

from cinecor_weights import prepare
from cinecor_weights.labels import LABELS


def archive(folder: Path) -> None:
    """`acdc-train.tar.xz` with one patient of 3 slices, 5 rows and 4 columns; the sform is a unit matrix, as in ACDC."""
    patient = folder / "training" / "patient007"
    patient.mkdir(parents=True)
    (patient / "Info.cfg").write_text("ED: 1\nES: 12\nGroup: NOR\nHeight: 175.0\n")
    for frame in ("01", "12"):
        for suffix, dtype in (("", np.float32), ("_gt", np.uint8)):
            voxels = np.zeros((4, 5, 3), dtype)
            voxels[3, 1, 2] = 3
            image = nibabel.Nifti1Image(voxels, None)
            image.header["pixdim"][1:4] = [1.5, 1.25, 10]
            image.header["sform_code"], image.header["qform_code"] = 2, 0
            nibabel.save(image, patient / f"patient007_frame{frame}{suffix}.nii")
    with tarfile.open(folder / "acdc-train.tar.xz", "w:xz") as out:
        out.add(folder / "training", "training")
    digest = hashlib.sha256((folder / "acdc-train.tar.xz").read_bytes()).hexdigest()
    (folder / "SHA256SUMS").write_text(f"{digest}  acdc-train.tar.xz\n")


def test_frames_are_slices_rows_columns_with_the_spacing_of_pixdim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive(tmp_path)
    monkeypatch.setenv("CINECOR_DATA", str(tmp_path))
    frames = prepare.frames("train", tmp_path / "cache")
    assert [(f.patient, f.phase) for f in frames] == [("patient007", "ED"), ("patient007", "ES")]
    assert frames[0].labels.shape == (3, 5, 4) and frames[0].labels[2, 1, 3] == LABELS["left_ventricle"]
    assert (frames[0].column_mm, frames[0].row_mm, frames[0].slice_mm) == (1.5, 1.25, 10)
    slices = prepare.slices(["train", "train"], tmp_path / "cache")
    assert slices.images.shape == slices.labels.shape == (12, 224, 224)
    # Two frames of three slices, twice over: those of two frames are no neighbours.
    assert slices.frames.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_archive_with_another_checksum_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive(tmp_path)
    (tmp_path / "SHA256SUMS").write_text("0" * 64 + "  acdc-train.tar.xz\n")
    monkeypatch.setenv("CINECOR_DATA", str(tmp_path))
    with pytest.raises(SystemExit, match="fetch the archive again"):
        prepare.frames("train", tmp_path / "cache")
    assert not (tmp_path / "cache" / "acdc" / "train").exists()


def test_missing_data_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CINECOR_DATA", raising=False)
    with pytest.raises(SystemExit, match="CINECOR_DATA"):
        prepare.frames("train", tmp_path)


@pytest.mark.skipif("CINECOR_DATA" not in os.environ, reason="CINECOR_DATA is not set: the patient data is not here")
def test_volumes_of_real_patients_are_those_of_the_manifest() -> None:
    with (prepare.data_folder() / "acdc-manifest.csv").open() as table:
        expected = {row["patient"]: row for row in csv.DictReader(table) if row["split"] == "val"}
    frames = prepare.frames("val")
    assert len(frames) == 2 * len(expected) > 0
    for frame in frames:
        voxel_ml = frame.row_mm * frame.column_mm * frame.slice_mm / 1000
        for structure, short in (("right_ventricle", "rv"), ("myocardium", "myo"), ("left_ventricle", "lv")):
            found = float((frame.labels == LABELS[structure]).sum()) * voxel_ml
            # The manifest has two decimals.
            assert found == pytest.approx(float(expected[frame.patient][f"{short}_{frame.phase.lower()}_ml"]), abs=0.01), frame.patient
