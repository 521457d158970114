"""nnU-Net v2 on the processor: the 2-D network that its planner chose on ACDC's training patients, in its own predictor.

`python predict.py plans.json dataset.json` reads lines `volume.nii.gz mirroring`, 1 or 0, and answers each with the milliseconds that the
prediction of every frame took: preprocessing, sliding windows that overlap by half (nnU-Net's default), resampling back and argmax. Reading the file does not count.

The weights are random, as the network is made: only the time is compared, and it does not depend on them. One fold; nnU-Net's usual ensemble of
five takes five times as long.
"""

import json
import os
import sys
import tempfile
import time

import nibabel
import numpy

for name in ("raw", "preprocessed", "results"):
    # Read when nnU-Net is imported, and not used: nothing is trained or looked up.
    os.environ.setdefault(f"nnUNet_{name}", tempfile.gettempdir())

import torch  # noqa: E402
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor  # noqa: E402
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer  # noqa: E402
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager  # noqa: E402


def predictor(plans_file: str, dataset_file: str) -> nnUNetPredictor:
    """nnU-Net's predictor with its defaults, on every core."""
    torch.manual_seed(1)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    plans = PlansManager(plans_file)
    with open(dataset_file) as file:
        dataset = json.load(file)
    configuration = plans.get_configuration("2d")
    labels = plans.get_label_manager(dataset)
    network = nnUNetTrainer.build_network_architecture(
        plans, configuration, 1, labels.num_segmentation_heads, enable_deep_supervision=False
    )
    made = nnUNetPredictor(device=torch.device("cpu"), perform_everything_on_device=False, allow_tqdm=False)
    made.manual_initialization(network, plans, configuration, [network.state_dict()], dataset, "nnUNetTrainer", (0, 1))
    return made


def main() -> None:
    """Answers lines until there are no more."""
    # What nnU-Net prints is not an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    made = predictor(*sys.argv[1:3])
    for line in sys.stdin:
        path, mirroring = line.split()
        image = nibabel.load(path)
        # x, y, z, t → t, z, y, x.
        volume = numpy.asarray(image.dataobj).T.astype(numpy.float32)
        volume = volume.reshape(-1, *volume.shape[-3:])
        spacing = [float(mm) for mm in image.header.get_zooms()[2::-1]]
        made.use_mirroring = mirroring == "1"
        started = time.perf_counter()
        for frame in volume:
            made.predict_single_npy_array(frame[None], {"spacing": spacing})
        print((time.perf_counter() - started) * 1000, file=answers, flush=True)


if __name__ == "__main__":
    main()
