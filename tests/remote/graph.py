"""The graph that a server of the tests serves, and how it is told what to do.

The servers take GRAPH NAME VERSION PORT HOLD, and write `ready` when they serve. While a file HOLD exists, an inference writes `holding` and
never ends. All ends with the end of standard input.
"""

import os
import sys
import threading

import numpy as np
import onnxruntime


class Graph:
    """An ONNX graph in ONNX Runtime."""

    def __init__(self, path: str, hold: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.hold = hold

    def run(self, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name for inputs by name."""
        if os.path.exists(self.hold):
            print("holding", flush=True)
            threading.Event().wait()
        names = [of.name for of in self.session.get_outputs()]
        return dict(zip(names, self.session.run(names, given)))


def sizes(shape: list) -> list[int]:
    """A graph's shape with -1 for what is open."""
    return [size if isinstance(size, int) else -1 for size in shape]


def arguments() -> list[str]:
    """GRAPH, NAME, VERSION, PORT, HOLD; from here on the process group ends with standard input."""

    def end_with_input() -> None:
        sys.stdin.read()
        os.killpg(0, 9)

    threading.Thread(target=end_with_input, daemon=True).start()
    return sys.argv[1:]
