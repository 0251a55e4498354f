"""A model repository for NVIDIA's Triton Inference Server, which serves exported files over HTTP and gRPC.

https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/model_configuration.html
"""

import json
import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx

from i2i_runtime.card import Card
from i2i_runtime.engines.base import CARD

MAX_BATCH = 8  # images in a batch that the server forms from requests
_TYPES = {onnx.TensorProto.FLOAT: "TYPE_FP32", onnx.TensorProto.UINT8: "TYPE_UINT8"}


def check_repository(file: Path, folder: Path) -> Path:
    """The folder of the model named after a file in a repository. Raises ValueError for a model that is there."""
    model = folder / re.sub(r"[^A-Za-z0-9_.-]", "_", file.stem)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: a file, not a folder; name another")
    if model.exists():
        raise ValueError(f"{model}: is there already; remove it, or name another file")
    return model


def write_repository(file: Path, card: Card, folder: Path) -> Path:
    """Put an exported file into the model repository `folder`, as version 1 of a model named after the file.

    Returns the model's folder, with `config.pbtxt` and `1/model.onnx`. The server batches requests of equal size up to
    MAX_BATCH; a file of fixed size takes batches of that size. The card is a parameter of the model. Raises ValueError
    like `check_repository`.
    """
    model = check_repository(file, folder)
    name = model.name
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{name}.", dir=folder) as temporary:
        copy = Path(temporary) / name
        (copy / "1").mkdir(parents=True)
        shutil.copyfile(file, copy / "1" / "model.onnx")
        weights = file.with_name(f"{file.name}.data")
        if weights.is_file():  # the graph refers to it by this name
            shutil.copyfile(weights, copy / "1" / weights.name)
        (copy / "config.pbtxt").write_text(_configuration(name, file, card), encoding="utf-8")
        copy.rename(model)
    return model


def _configuration(name: str, file: Path, card: Card) -> str:
    """The text of `config.pbtxt`. `dims` leave out the batch where the server chooses it, and hold a fixed one."""
    graph = onnx.load(file, load_external_data=False).graph
    server_batches = card.size is None
    lines = [
        f"name: {json.dumps(name)}",
        'backend: "onnxruntime"',
        'default_model_filename: "model.onnx"',
        f"max_batch_size: {MAX_BATCH if server_batches else 0}",
    ]
    for kind, (tensor, *_) in (("input", graph.input), ("output", graph.output)):
        sizes = [dimension.dim_value or -1 for dimension in tensor.type.tensor_type.shape.dim]
        dims = ", ".join(map(str, sizes[1:] if server_batches else sizes))
        data_type = _TYPES[tensor.type.tensor_type.elem_type]
        lines.append(f"{kind} [ {{ name: {json.dumps(tensor.name)} data_type: {data_type} dims: [ {dims} ] }} ]")
    if server_batches:
        lines.append("dynamic_batching { }")
    value = json.dumps(json.dumps(card.to_dict()))
    lines.append(f'parameters {{ key: "{CARD}" value {{ string_value: {value} }} }}')
    return "\n".join(lines) + "\n"
