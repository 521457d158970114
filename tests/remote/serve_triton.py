"""Serves an ONNX graph by NVIDIA's Triton, through pytriton, whose Triton has the Python backend alone; see graph.py.

Triton's Python backend loads the system's libpython3: run it with the Python that belongs to that, not with one of another build.
"""

import threading

import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from graph import Graph, arguments, sizes


def main() -> None:
    path, name, version, port, hold = arguments()
    graph = Graph(path, hold)

    @batch
    def infer(**given: np.ndarray) -> dict[str, np.ndarray]:
        return graph.run(given)

    def tensors(of: list) -> list[Tensor]:
        # Triton has the batch apart.
        return [Tensor(name=one.name, dtype=np.float32, shape=tuple(sizes(one.shape)[1:])) for one in of]

    config = TritonConfig(http_address="127.0.0.1", http_port=int(port), allow_grpc=False, allow_metrics=False)
    with Triton(config=config) as server:
        server.bind(
            model_name=name,
            model_version=int(version),
            infer_func=infer,
            inputs=tensors(graph.session.get_inputs()),
            outputs=tensors(graph.session.get_outputs()),
            config=ModelConfig(max_batch_size=64),
        )
        server.run()
        print("ready", flush=True)
        threading.Event().wait()


main()
