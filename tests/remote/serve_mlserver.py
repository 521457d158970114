"""Serves an ONNX graph by Seldon's MLServer; see graph.py. Its REST interface has tensors as JSON alone."""

import asyncio
import socket
import tempfile
import threading
import time
import urllib.request

from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from graph import Graph, arguments, sizes


class OnnxRuntime(MLModel):
    """A graph as a model of MLServer's, which imports this class by name."""

    async def load(self) -> bool:
        parameters = self.settings.parameters
        self.graph = Graph(parameters.uri, parameters.extra["hold"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        given = {one.name: NumpyCodec.decode_input(one) for one in payload.inputs}
        outputs = [NumpyCodec.encode_output(*of) for of in self.graph.run(given).items()]
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=outputs)


def main() -> None:
    path, name, version, port, hold = arguments()
    session = Graph(path, hold).session

    def tensors(of: list) -> list[dict]:
        return [{"name": one.name, "datatype": "FP32", "shape": sizes(one.shape)} for one in of]

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        grpc_port = free.getsockname()[1]
    settings = Settings(
        host="127.0.0.1",
        http_port=int(port),
        grpc_port=grpc_port,
        metrics_endpoint=None,
        parallel_workers=0,
        debug=False,
        environments_dir=tempfile.mkdtemp(),
    )
    model = ModelSettings(
        name=name,
        implementation="serve_mlserver.OnnxRuntime",
        parameters={"version": version, "uri": path, "extra": {"hold": hold}},
        inputs=tensors(session.get_inputs()),
        outputs=tensors(session.get_outputs()),
    )

    def tell() -> None:
        url = f"http://127.0.0.1:{port}/v2/models/{name}/versions/{version}/ready"
        while True:
            try:
                urllib.request.urlopen(url)
                break
            except OSError:
                time.sleep(0.1)
        print("ready", flush=True)

    threading.Thread(target=tell, daemon=True).start()
    asyncio.run(MLServer(settings).start([model]))


if __name__ == "__main__":
    main()
