"""Two models for MLServer: an affine one, and one that gives back what it is given."""
import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput


class Affine(MLModel):
    """y = x W + b, for rows of two numbers; a row of -1 gives NaN."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        x = NumpyCodec.decode_input(payload.inputs[0])
        y = (x @ np.array([[1, 3], [2, 4]], dtype=np.float32) + np.array([0.5, -0.5], dtype=np.float32)).astype(np.float32)
        y[x[:, 0] == -1] = np.nan
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=[NumpyCodec.encode_output("y", y)])


class Echo(MLModel):
    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        outputs = [ResponseOutput(name=f"{i.name}_out", shape=i.shape, datatype=i.datatype, data=i.data) for i in payload.inputs]
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=outputs)
