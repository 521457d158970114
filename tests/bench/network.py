"""A model package in Python: what a team would write with NumPy, SciPy and ONNX Runtime between a volume and its masks."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy
import onnxruntime
from scipy import ndimage

Run = Callable[[numpy.ndarray], numpy.ndarray]

#: Slices handed to the network at once.
BATCH = 10


class Network:
    """A model package: its grid, and its graph on so many threads."""

    def __init__(self, package: Path, threads: int) -> None:
        card = json.loads((package / "model.json").read_text())
        stated = card["preprocessing"]
        self.canvas = (stated["canvas"]["rows"], stated["canvas"]["columns"])
        self.spacing = (stated["spacing_mm"]["row"], stated["spacing_mm"]["column"])
        self.clip = stated["normalisation"]["clip_sd"]
        self.neighbours = stated.get("neighbours", 0)
        self.region = stated.get("region")
        self.share = card["postprocessing"]["components"]["share"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(package / "model.onnx"), options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    def to_canvas(self, frame: numpy.ndarray, spacing: tuple[float, float]) -> numpy.ndarray:
        """`[Z, Y, X]` → `[Z, canvas]`: resampled about the middle, zero mean and unit deviation inside the image, 0 outside."""
        scale = [onto / of for onto, of in zip(self.spacing, spacing)]
        sizes = [min(int(count / by + 0.5), side) for count, by, side in zip(frame.shape[1:], scale, self.canvas)]
        offset = [(count - 1) / 2 - (size - 1) / 2 * by for count, size, by in zip(frame.shape[1:], sizes, scale)]
        inside = ndimage.affine_transform(
            frame, [1, *scale], [0, *offset], (len(frame), *sizes), order=1, mode="nearest", output=numpy.float32
        )
        inside = numpy.clip((inside - inside.mean()) / (inside.std() or 1), -self.clip, self.clip)
        before = [(side - size) // 2 for side, size in zip(self.canvas, sizes)]
        around = [(first, side - size - first) for first, side, size in zip(before, self.canvas, sizes)]
        return numpy.pad(inside, [(0, 0), *around])

    def run(self, tensor: numpy.ndarray) -> numpy.ndarray:
        """`[N, channels, Y, X]` → probabilities `[N, C, Y, X]`."""
        return self.session.run(None, {self.input: tensor})[0]

    def look(self, canvas: numpy.ndarray, run: Run) -> numpy.ndarray:
        """`[Z, canvas]` → probabilities `[Z, C, canvas]` by `run`, a batch at a time; about the heart alone where the card has it so."""
        at = numpy.arange(len(canvas))[:, None] + numpy.arange(-self.neighbours, self.neighbours + 1)
        seen = canvas[numpy.clip(at, 0, len(canvas) - 1)]

        def batches(tensor: numpy.ndarray) -> numpy.ndarray:
            return numpy.concatenate([run(tensor[i : i + BATCH]) for i in range(0, len(tensor), BATCH)])

        if not self.region or len(seen) < 3:
            return batches(seen)
        middle = numpy.arange(len(seen) // 2 - 1, len(seen) // 2 + 1)
        found = batches(seen[middle])
        heart = (found.argmax(1) > 0).any(0)
        if not heart.any():
            return batches(seen)
        margin, step = self.region["margin"], self.region["step"]
        ends = [numpy.flatnonzero(heart.any(1 - axis))[[0, -1]] for axis in (0, 1)]
        side = -(-(max(last - first for first, last in ends) + 1 + 2 * margin) // step) * step
        sides = [min(side, size) for size in self.canvas]
        starts = [
            min(max((first + last + 1) // 2 - side // 2, 0), size - side) for (first, last), side, size in zip(ends, sides, self.canvas)
        ]
        rows, columns = (slice(start, start + side) for start, side in zip(starts, sides))
        out = numpy.zeros((len(seen), *found.shape[1:]), numpy.float32)
        out[:, 0] = 1
        out[middle] = found
        others = numpy.setdiff1d(numpy.arange(len(seen)), middle)
        parts = batches(seen[others][:, :, rows, columns])
        inner = numpy.zeros(sides, bool)
        inner[tuple(slice(margin // 4 * (s > 0), side - margin // 4 * (s + side < size)) for s, side, size in zip(starts, sides, self.canvas))] = True
        again = ((parts.argmax(1) > 0) & ~inner).any((1, 2))
        out[others[~again], :, rows, columns] = parts[~again]
        if again.any():
            out[others[again]] = batches(seen[others[again]])
        return out

    def from_canvas(self, probabilities: numpy.ndarray, shape: tuple[int, int], spacing: tuple[float, float]) -> numpy.ndarray:
        """`[Z, C, canvas]` → labels `[Z, Y, X]`: the most probable structure of each voxel."""
        scale = [of / onto for onto, of in zip(self.spacing, spacing)]
        offset = [(side - 1) / 2 - (count - 1) / 2 * by for side, count, by in zip(self.canvas, shape, scale)]
        # Off the canvas is background.
        classes = [
            ndimage.affine_transform(
                probabilities[:, index], [1, *scale], [0, *offset], (len(probabilities), *shape), order=1, mode="constant", cval=index == 0
            )
            for index in range(probabilities.shape[1])
        ]
        return numpy.argmax(classes, 0).astype(numpy.uint8)

    def keep_largest(self, labels: numpy.ndarray) -> numpy.ndarray:
        """Each structure's largest component, and those that are not much smaller."""
        kept = numpy.zeros_like(labels)
        for value in (1, 2, 3):
            found, count = ndimage.label(labels == value, numpy.ones((3, 3, 3)))
            if count:
                sizes = numpy.bincount(found.ravel())
                sizes[0] = 0
                kept[(sizes >= self.share * sizes.max())[found] & (found > 0)] = value
        return kept


def read(body: bytes) -> tuple[nibabel.Nifti1Image, numpy.ndarray]:
    """A gzipped NIfTI volume, and its grey values `[t, z, y, x]` in C order."""
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(body))
    volume = numpy.asarray(image.dataobj).T
    return image, numpy.ascontiguousarray(volume.reshape(-1, *volume.shape[-3:]))
