"""What a training job does with MLflow, told line by line: one JSON array per line comes in, one JSON value goes out."""
import json
import os
import sys
import tempfile

import mlflow
import numpy as np
import onnx
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec
from onnx import TensorProto, helper, numpy_helper

mlflow.set_tracking_uri(sys.argv[1])
client = mlflow.MlflowClient()
is_new = not mlflow.__version__.startswith('2.')
where = {'name': 'model'} if is_new else {'artifact_path': 'model'}


def scaled(factor, padding=0):
    """y = factor * sum(x), with an unused tensor of so many bytes."""
    inputs = [helper.make_tensor_value_info('x', TensorProto.FLOAT, [None, 4])]
    outputs = [helper.make_tensor_value_info('y', TensorProto.FLOAT, [None, 1])]
    tensors = [numpy_helper.from_array(np.full((4, 1), factor, np.float32), 'w')]
    if padding:
        tensors.append(numpy_helper.from_array(np.random.default_rng(1).integers(0, 256, padding, np.uint8), 'padding'))
    graph = helper.make_graph([helper.make_node('MatMul', ['x', 'w'], ['y'])], 'g', inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)


signatures = {
    'named': ModelSignature(Schema([TensorSpec(np.dtype('float32'), (-1, 4), 'x')]), Schema([TensorSpec(np.dtype('float32'), (-1, 1), 'y')])),
    'nameless': ModelSignature(Schema([TensorSpec(np.dtype('float32'), (-1, 4))]), Schema([TensorSpec(np.dtype('float32'), (-1, 1))])),
    'columns': ModelSignature(Schema([ColSpec('double', 'a'), ColSpec('double', 'b')]), Schema([ColSpec('double')])),
    'none': None,
}


def log_onnx(name, factor, signature='named', padding=0, metadata=None):
    with mlflow.start_run():
        mlflow.onnx.log_model(scaled(factor, padding), registered_model_name=name, signature=signatures[signature], metadata=metadata, **where)


class Echo(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input


def log_pyfunc(name):
    with mlflow.start_run():
        mlflow.pyfunc.log_model(python_model=Echo(), registered_model_name=name, **where)


def log_files(name, files):
    """Files without an MLmodel, registered from the run that made them."""
    with mlflow.start_run() as run, tempfile.TemporaryDirectory() as folder:
        for path, text in files.items():
            full = os.path.join(folder, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, 'w', encoding='utf8') as file:
                file.write(text)
        mlflow.log_artifacts(folder, 'model')
        try:
            client.create_registered_model(name)
        except mlflow.exceptions.MlflowException:
            pass
        client.create_model_version(name, f'{mlflow.get_artifact_uri("model")}', run.info.run_id)


commands = {
    'versions': lambda: {'mlflow': mlflow.__version__, 'onnx': onnx.__version__},
    'log_onnx': log_onnx,
    'log_pyfunc': log_pyfunc,
    'log_files': log_files,
    'alias': lambda name, alias, version: client.set_registered_model_alias(name, alias, str(version)),
    'tag': lambda name, version, key, value: client.set_model_version_tag(name, str(version), key, value),
    'delete_model': lambda name: client.delete_registered_model(name),
    'predict': lambda name, version, rows: mlflow.onnx.load_model(f'models:/{name}/{version}') and np.asarray(list(mlflow.pyfunc.load_model(f'models:/{name}/{version}').predict({'x': np.array(rows, np.float32)}).values())[0]).tolist(),
}

out = os.fdopen(os.dup(1), 'w')
os.dup2(2, 1)  # what MLflow prints is no answer
for line in sys.stdin:
    command, *arguments = json.loads(line)
    try:
        answer = {'ok': commands[command](*arguments)}
    except Exception as error:
        answer = {'error': f'{type(error).__name__}: {error}'[:500]}
    out.write(json.dumps(answer) + '\n')
    out.flush()
