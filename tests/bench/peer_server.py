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
import os
import sys
import time
from pathlib import Path

import anyio
import nibabel
import numpy
import uvicorn
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from network import Network, read
from PIL import Image


def segmented(network: Network, body: bytes) -> dict[str, object]:
    """A gzipped NIfTI volume → mask, volumes, times."""
    started = time.perf_counter()
    image, volume = read(body)
    column, row, slice_ = (float(mm) for mm in image.header.get_zooms()[:3])
    inference = 0.0

    def run(tensor: numpy.ndarray) -> numpy.ndarray:
        nonlocal inference
        before = time.perf_counter()
        found = network.run(tensor)
        inference += time.perf_counter() - before
        return found

    masks = []
    for frame in volume:
        found = network.look(network.to_canvas(frame, (row, column)), run)
        masks.append(network.keep_largest(network.from_canvas(found, frame.shape[1:], (row, column))))
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
        self.volume = read(body)[1]

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
            return await run_in_threadpool(segmented, network, body)

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
    uvicorn.run(served(Network(Path(sys.argv[1]), threads=1)), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False)
