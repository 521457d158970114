"""Plans nnU-Net v2 on ACDC's training patients: writes what `predict.py` reads, `tests/bench/nnunet/{plans,dataset}.json`.

`python plan.py folder` takes the folder with `patientNNN/patientNNN_frameFF.nii` and `…_gt.nii`, and runs nnU-Net's own fingerprint and
planner on it. What is written are medians, percentiles and the architecture that nnU-Net chose; nothing of one patient is in it.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import nibabel
import numpy

HERE = Path(__file__).parent
DATASET = "Dataset027_ACDC"


def main() -> None:
    """Converts, plans, and keeps the two files."""
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("raw", "preprocessed", "results"):
            folder = Path(scratch) / name
            folder.mkdir()
            os.environ[f"nnUNet_{name}"] = str(folder)
        raw = Path(scratch) / "raw" / DATASET
        for name in ("imagesTr", "labelsTr"):
            (raw / name).mkdir(parents=True)
        cases = 0
        for image in sorted(Path(sys.argv[1]).glob("patient*/patient*_frame??.nii")):
            case = image.stem
            save(image, raw / "imagesTr" / f"{case}_0000.nii.gz", numpy.float32)
            save(image.with_name(f"{case}_gt.nii"), raw / "labelsTr" / f"{case}.nii.gz", numpy.uint8)
            cases += 1
        described = {
            "channel_names": {"0": "cineMRI"},
            "labels": {"background": 0, "right_ventricle": 1, "myocardium": 2, "left_ventricle": 3},
            "numTraining": cases,
            "file_ending": ".nii.gz",
        }
        (raw / "dataset.json").write_text(json.dumps(described, indent=2))

        # The folders are read from the environment when nnU-Net is imported.
        from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprints, plan_experiments

        extract_fingerprints([27], num_processes=2, check_dataset_integrity=False)
        plan_experiments([27])
        HERE.mkdir(exist_ok=True)
        for name in ("nnUNetPlans.json", "dataset.json"):
            shutil.copy(Path(scratch) / "preprocessed" / DATASET / name, HERE / name.replace("nnUNetPlans", "plans"))


def save(source: Path, to: Path, dtype: type) -> None:
    """A volume with the spacing of `pixdim`: the matrix of ACDC's files says 1 mm."""
    image = nibabel.load(source)
    spacing = image.header.get_zooms()[:3]
    values = numpy.asarray(image.dataobj).astype(dtype)
    nibabel.save(nibabel.Nifti1Image(values, numpy.diag([*spacing, 1.0]), dtype=dtype), to)


if __name__ == "__main__":
    main()
