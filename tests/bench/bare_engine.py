"""The bare engine: ONNX Runtime on every core, nothing around it.

`python bare_engine.py model.onnx rows columns` reads lines `slices batch` and answers each with the milliseconds that inferring so many slices
in batches of that size took. Tensors are float32 `[batch, channels, rows, columns]`, as many channels as the graph takes, made before the clock starts.
"""

import os
import sys
import time

import numpy
import onnxruntime


def main() -> None:
    """Answers lines until there are no more."""
    graph, rows, columns = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    name, channels = session.get_inputs()[0].name, session.get_inputs()[0].shape[1]
    generator = numpy.random.default_rng(1)
    for line in sys.stdin:
        slices, batch = (int(word) for word in line.split())
        counts = [min(batch, slices - start) for start in range(0, slices, batch)]
        tensors = [generator.standard_normal((count, channels, rows, columns), dtype=numpy.float32) for count in counts]
        started = time.perf_counter()
        for tensor in tensors:
            session.run(None, {name: tensor})
        print((time.perf_counter() - started) * 1000, flush=True)


if __name__ == "__main__":
    main()
