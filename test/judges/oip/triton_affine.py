"""For Triton's Python backend: y = x W + b, for rows of two numbers; a row of -1 gives NaN. Version 2 answers one more."""
import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        self.bonus = int(args["model_version"]) - 1

    def execute(self, requests):
        responses = []
        for request in requests:
            x = pb.get_input_tensor_by_name(request, "x").as_numpy()
            y = (x @ np.array([[1, 3], [2, 4]], dtype=np.float32) + np.array([0.5, -0.5], dtype=np.float32) + self.bonus).astype(np.float32)
            y[x[:, 0] == -1] = np.nan
            responses.append(pb.InferenceResponse(output_tensors=[pb.Tensor("y", y)]))
        return responses
