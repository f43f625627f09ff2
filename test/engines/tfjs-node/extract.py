"""Takes what tfjs-node links against out of a wheel of TensorFlow: the two libraries, and the headers of its C API."""
import os
import sys
import zipfile

wheel, deps = sys.argv[1:]
libraries = {
    "tensorflow/libtensorflow_cc.so.2": "lib/libtensorflow_cc.so.2",
    "tensorflow/libtensorflow_framework.so.2": "lib/libtensorflow_framework.so.2",
}
headers = tuple(f"tensorflow/include/{part}/" for part in ("tensorflow/c", "tensorflow/core/platform", "tsl/platform", "xla/tsl/c"))

with zipfile.ZipFile(wheel) as archive:
    for member in archive.namelist():
        if member.startswith(headers) and not member.endswith("/"):
            target = member.removeprefix("tensorflow/")
        elif member in libraries:
            target = libraries[member]
        else:
            continue
        path = os.path.join(deps, target)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with archive.open(member) as source, open(path, "wb") as sink:
            while chunk := source.read(1 << 20):
                sink.write(chunk)

# The names that tfjs-node's binding.gyp links by (-ltensorflow -ltensorflow_framework).
os.symlink("libtensorflow_cc.so.2", os.path.join(deps, "lib", "libtensorflow.so"))
os.symlink("libtensorflow_framework.so.2", os.path.join(deps, "lib", "libtensorflow_framework.so"))
