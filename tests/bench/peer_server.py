"""The peer: what a team would write in Python for the same job. FastAPI, nibabel, SciPy and ONNX Runtime; pictures by Pillow.

`python peer_server.py package port` serves the network of a model package. It takes the same bodies and gives the same mask as the service,
with the volumes of each frame, but makes none of its checks, intervals, wall segments and curves: it has less to do.

- `POST /segment`: a gzipped NIfTI volume → JSON with the mask as base64 of gzip, volumes in ml per frame, and where the time went in ms.
- `PUT /volume`, then `GET /slices/{slice}.png?frame=`: one slice of the volume as greyscale PNG, from the array in memory.
- `GET /live`: a trivial answer.

One process; requests run in threads, since NumPy, SciPy and ONNX Runtime let others run meanwhile: as many at once as there are cores, each on one
thread of the engine, and the others wait in line. That takes less processor time and a third of the memory of eight at once on every core.
"""

import base64
import gzip
import io
import json
import os
import sys
import time
from pathlib import Path

import anyio
import nibabel
import numpy
import onnxruntime
import uvicorn
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from PIL import Image
from scipy import ndimage

#: Slices handed to the network at once, as the service does.
BATCH = 10


class Network:
    """A model package: its grid, and its graph."""

    def __init__(self, package: Path) -> None:
        card = json.loads((package / "model.json").read_text())
        stated = card["preprocessing"]
        self.canvas = (stated["canvas"]["rows"], stated["canvas"]["columns"])
        self.spacing = (stated["spacing_mm"]["row"], stated["spacing_mm"]["column"])
        self.clip = stated["normalisation"]["clip_sd"]
        self.neighbours = stated.get("neighbours", 0)
        self.share = card["postprocessing"]["components"]["share"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
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

    def segment(self, body: bytes) -> dict[str, object]:
        """A gzipped NIfTI volume → mask, volumes, times."""
        started = time.perf_counter()
        image = nibabel.Nifti1Image.from_bytes(gzip.decompress(body))
        # x, y, z, t → t, z, y, x, C order.
        volume = numpy.asarray(image.dataobj).T
        volume = numpy.ascontiguousarray(volume.reshape(-1, *volume.shape[-3:]))
        column, row, slice_ = (float(mm) for mm in image.header.get_zooms()[:3])
        inference = 0.0
        masks = []
        for frame in volume:
            canvas = self.to_canvas(frame, (row, column))
            at = numpy.arange(len(canvas))[:, None] + numpy.arange(-self.neighbours, self.neighbours + 1)
            tensor = canvas[numpy.clip(at, 0, len(canvas) - 1)]
            before = time.perf_counter()
            parts = [self.session.run(None, {self.input: tensor[i : i + BATCH]})[0] for i in range(0, len(tensor), BATCH)]
            inference += time.perf_counter() - before
            masks.append(self.keep_largest(self.from_canvas(numpy.concatenate(parts), frame.shape[1:], (row, column))))
        mask = numpy.stack(masks)
        counts = [numpy.bincount(frame.ravel(), minlength=4) for frame in mask]
        voxel_ml = row * column * slice_ / 1000
        saved = nibabel.Nifti1Image(mask.T, image.affine, dtype=numpy.uint8)
        saved.header.set_zooms((*image.header.get_zooms()[:3], *image.header.get_zooms()[3:], *[1.0] * (4 - image.ndim)))
        return {
            "volumes_ml": [[float(count * voxel_ml) for count in frame[1:]] for frame in counts],
            "mask": base64.b64encode(gzip.compress(saved.to_bytes(), 1)).decode(),
            "inference_ms": inference * 1000,
            "total_ms": (time.perf_counter() - started) * 1000,
        }


class Pictures:
    """Slices of one volume in memory."""

    volume: numpy.ndarray

    def keep(self, body: bytes) -> None:
        """Takes a gzipped NIfTI volume."""
        volume = numpy.asarray(nibabel.Nifti1Image.from_bytes(gzip.decompress(body)).dataobj).T
        self.volume = volume.reshape(-1, *volume.shape[-3:])

    def png(self, frame: int, slice_: int) -> bytes:
        """One slice between its 1st and 99th percentile."""
        grey = self.volume[frame, slice_].astype(numpy.float32)
        low, high = numpy.percentile(grey, (1, 99))
        shades = (numpy.clip((grey - low) / max(high - low, 1), 0, 1) * 255).astype(numpy.uint8)
        out = io.BytesIO()
        Image.fromarray(shades).save(out, "png", compress_level=1)
        return out.getvalue()


def served(network: Network) -> FastAPI:
    """The routes."""
    app, pictures = FastAPI(), Pictures()
    at_once = anyio.Semaphore(len(os.sched_getaffinity(0)))

    @app.post("/segment")
    async def segment(request: Request) -> dict[str, object]:
        body = await request.body()
        async with at_once:
            return await run_in_threadpool(network.segment, body)

    @app.put("/volume")
    async def volume(request: Request) -> None:
        await run_in_threadpool(pictures.keep, await request.body())

    @app.get("/slices/{slice_}.png")
    def picture(slice_: int, frame: int = 0) -> Response:
        return Response(pictures.png(frame, slice_), media_type="image/png")

    @app.get("/live")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    return app


if __name__ == "__main__":
    uvicorn.run(served(Network(Path(sys.argv[1]))), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False)
