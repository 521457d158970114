"""The bare engine: ONNX Runtime on every core, nothing around it.

`python bare_engine.py package` reads lines `volume`, each the path of a gzipped NIfTI file, and answers with the milliseconds that inferring its tensors
took: those that the package's card makes of it, as the service computes them, made before the clock starts. `volume whole` is answered for the whole
canvas of every slice.
"""

import os
import sys
import time
from functools import cache
from pathlib import Path

import numpy
from network import Network, read


#: What a line ends with that asks for the whole canvas of every slice.
WHOLE = " whole"


def main() -> None:
    """Answers lines until there are no more."""
    network = Network(Path(sys.argv[1]), threads=len(os.sched_getaffinity(0)))
    region = network.region

    @cache
    def tensors(volume: Path, whole: bool) -> list[numpy.ndarray]:
        """What is computed for a volume."""
        image, frames = read(volume.read_bytes())
        column, row = (float(mm) for mm in image.header.get_zooms()[:2])
        found = []

        def run(tensor: numpy.ndarray) -> numpy.ndarray:
            found.append(numpy.ascontiguousarray(tensor))
            return network.run(tensor)

        network.region = None if whole else region
        for frame in frames:
            network.look(network.to_canvas(frame, (row, column)), run)
        return found

    for line in sys.stdin:
        volume = line.rstrip("\n")
        made = tensors(Path(volume.removesuffix(WHOLE)), volume.endswith(WHOLE))
        started = time.perf_counter()
        for tensor in made:
            network.run(tensor)
        print((time.perf_counter() - started) * 1000, flush=True)


if __name__ == "__main__":
    main()
