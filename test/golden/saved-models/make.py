"""Small SavedModels, and what TensorFlow itself answers: golden values for test/engines/tfjs-node.

    python3 -m venv venv && venv/bin/pip install tensorflow-cpu==2.21.0
    venv/bin/python test/golden/saved-models/make.py

Each folder is a SavedModel; golden.json holds, by model and signature, the inputs and outputs as
`{ name: { dtype, shape, data } }`. Files differ from run to run (names of temporary nodes), answers do not.
"""
import json
import os
import shutil
import tempfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

here = os.path.dirname(os.path.abspath(__file__))
spec = tf.TensorSpec
serve = "serving_default"


class Classifier(tf.Module):
    """Two signatures over the same variables; the class is a 64-bit integer, as `argmax` gives it."""

    def __init__(self):
        super().__init__()
        seeded = np.random.default_rng(7)
        self.hidden = tf.Variable(seeded.normal(size=(4, 5)), dtype=tf.float32)
        self.bias = tf.Variable(seeded.normal(size=5), dtype=tf.float32)
        self.out = tf.Variable(seeded.normal(size=(5, 3)), dtype=tf.float32)

    def scores(self, x):
        return tf.tanh(x @ self.hidden + self.bias) @ self.out

    @tf.function(input_signature=[spec([None, 4], tf.float32, "x")])
    def classify(self, x):
        scores = self.scores(x)
        return {"probability": tf.nn.softmax(scores), "class": tf.argmax(scores, -1)}

    @tf.function(input_signature=[spec([None, 4], tf.float32, "x")])
    def logits(self, x):
        return {"logits": self.scores(x)}


class ManyTypes(tf.Module):
    """Every type that tfjs-node passes; `bytes` answers with one that it cannot read."""

    @tf.function(input_signature=[spec([None], tf.int64, "id"), spec([None], tf.int32, "count"), spec([None, 2], tf.uint8, "pixels"), spec([None], tf.string, "word"), spec([None], tf.bool, "flag")])
    def all(self, id, count, pixels, word, flag):
        return {
            "far": id * 1_000_000_007,
            "twice": count * 2,
            "brightness": tf.reduce_mean(tf.cast(pixels, tf.float32), -1),
            "upper": tf.strings.upper(word, encoding="utf-8"),
            "negated": tf.logical_not(flag),
        }

    @tf.function(input_signature=[spec([None, 2], tf.uint8, "pixels")])
    def bytes(self, pixels):
        return {"inverted": 255 - pixels}


class Doubles(tf.Module):
    """One signature with a type that tfjs-node does not know: it then loads none of them."""

    @tf.function(input_signature=[spec([None], tf.float64, "x")])
    def doubles(self, x):
        return {"y": tf.cast(x, tf.float32)}

    @tf.function(input_signature=[spec([None], tf.float32, "x")])
    def floats(self, x):
        return {"y": x}


class Vocabulary(tf.Module):
    """Reads an asset when it is loaded (the table), and again whenever it runs (its size)."""

    def __init__(self, path):
        super().__init__()
        self.path = tf.saved_model.Asset(path)
        self.table = tf.lookup.StaticHashTable(tf.lookup.TextFileInitializer(self.path, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER), -1)

    @tf.function(input_signature=[spec([None], tf.string, "word")])
    def look_up(self, word):
        size = tf.strings.length(tf.io.read_file(self.path.asset_path))
        return {"id": tf.cast(self.table.lookup(word), tf.int32), "bytes": tf.fill(tf.shape(word), size)}


class Fixed(tf.Module):
    """Insists on four rows a run."""

    @tf.function(input_signature=[spec([4, 2], tf.float32, "x")])
    def sums(self, x):
        return {"sum": tf.reduce_sum(x, -1)}


def keras():
    tf.keras.utils.set_random_seed(3)
    a, b = tf.keras.Input((3,), name="a"), tf.keras.Input((2,), name="b")
    joined = tf.keras.layers.Concatenate()([tf.keras.layers.Dense(4, activation="relu")(a), b])
    return tf.keras.Model({"a": a, "b": b}, {"score": tf.keras.layers.Dense(1, activation="sigmoid", name="score")(joined)})


def plain(tensor):
    array = tensor.numpy() if hasattr(tensor, "numpy") else np.asarray(tensor)
    kind = {"object": "string", "bytes": "string"}.get(array.dtype.name, array.dtype.name)
    data = [value.decode("utf-8") if isinstance(value, bytes) else value for value in array.reshape(-1).tolist()]
    return {"dtype": kind, "shape": list(array.shape), "data": [str(value) for value in data] if kind == "int64" else data}


golden = {}


def save(name, model, signatures, inputs):
    folder = os.path.join(here, name)
    shutil.rmtree(folder, ignore_errors=True)
    if signatures is None:
        model.export(folder, format="tf_saved_model", verbose=False)
    else:
        tf.saved_model.save(model, folder, signatures=signatures)
    loaded = tf.saved_model.load(folder)
    golden[name] = {
        signature: {"inputs": {key: plain(value) for key, value in values.items()}, "outputs": {key: plain(value) for key, value in loaded.signatures[signature](**values).items()}}
        for signature, values in inputs.items()
    }


rows = np.random.default_rng(11)
x = tf.constant(rows.normal(size=(6, 4)), tf.float32)
classifier = Classifier()
save("classifier", classifier, {serve: classifier.classify, "logits": classifier.logits}, {serve: {"x": x}, "logits": {"x": x}})

many = ManyTypes()
save("many-types", many, {serve: many.all, "bytes": many.bytes}, {serve: {
    "id": tf.constant([1, 2_147_483_647, 3_000_000_000], tf.int64), "count": tf.constant([1, -2, 3]), "pixels": tf.constant([[0, 255], [1, 2], [128, 128]], tf.uint8),
    "word": tf.constant(["hello", "straße", "日本"]), "flag": tf.constant([True, False, True]),
}})

with tempfile.TemporaryDirectory() as scratch:
    words = os.path.join(scratch, "words.txt")
    with open(words, "w", encoding="utf-8") as file:
        file.write("on time\nlate\ncancelled\n")
    vocabulary = Vocabulary(words)
    save("vocabulary", vocabulary, {serve: vocabulary.look_up}, {serve: {"word": tf.constant(["late", "diverted", "on time"])}})

doubles = Doubles()
save("doubles", doubles, {serve: doubles.floats, "doubles": doubles.doubles}, {})
fixed = Fixed()
save("fixed", fixed, {serve: fixed.sums}, {serve: {"x": tf.constant(rows.normal(size=(4, 2)), tf.float32)}})
save("keras", keras(), None, {serve: {"a": tf.constant(rows.normal(size=(5, 3)), tf.float32), "b": tf.constant(rows.normal(size=(5, 2)), tf.float32)}})

with open(os.path.join(here, "golden.json"), "w", encoding="utf-8") as file:
    models = ",\n".join(f"{json.dumps(name)}: {json.dumps(values, ensure_ascii=False)}" for name, values in golden.items())
    file.write(f'{{"tensorflow": "{tf.__version__}", "models": {{\n{models}\n}}}}\n')
