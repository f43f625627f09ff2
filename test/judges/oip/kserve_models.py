"""The same two models for KServe's Python server, which speaks the protocols v1 and v2."""
import sys

import numpy as np
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer


class Affine(Model):
    """y = x W + b, for rows of two numbers; a row of -1 gives NaN."""

    def __init__(self, name: str):
        super().__init__(name)
        self.ready = True

    def predict(self, payload, headers=None, response_headers=None):
        is_v2 = isinstance(payload, InferRequest)
        x = payload.inputs[0].as_numpy() if is_v2 else np.array(payload["instances"], dtype=np.float32)
        y = (x @ np.array([[1, 3], [2, 4]], dtype=np.float32) + np.array([0.5, -0.5], dtype=np.float32)).astype(np.float32)
        y[x[:, 0] == -1] = np.nan
        if not is_v2:
            return {"predictions": y.tolist()}
        output = InferOutput(name="y", shape=list(y.shape), datatype="FP32")
        output.set_data_from_numpy(y, binary_data=payload.use_binary_outputs)
        return InferResponse(response_id=payload.id or "", model_name=self.name, infer_outputs=[output], use_binary_outputs=payload.use_binary_outputs)


class Echo(Model):
    def __init__(self, name: str):
        super().__init__(name)
        self.ready = True

    def predict(self, payload, headers=None, response_headers=None):
        outputs = []
        for i in payload.inputs:
            array = i.as_numpy()
            output = InferOutput(name=f"{i.name}_out", shape=list(array.shape), datatype=i.datatype)
            output.set_data_from_numpy(array, binary_data=payload.use_binary_outputs)
            outputs.append(output)
        return InferResponse(response_id=payload.id or "", model_name=self.name, infer_outputs=outputs, use_binary_outputs=payload.use_binary_outputs)


if __name__ == "__main__":
    sys.argv, port = sys.argv[:1], int(sys.argv[1])
    ModelServer(http_port=port, enable_grpc=False, workers=1).start([Affine("affine"), Echo("echo")])
