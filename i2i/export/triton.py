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
from i2i_runtime.engines.onnxruntime import CARD

LARGEST_BATCH = 8  # images that the server may put together where the batch is free
_TYPES = {onnx.TensorProto.FLOAT: "TYPE_FP32", onnx.TensorProto.UINT8: "TYPE_UINT8"}


def write_repository(file: Path, card: Card, folder: Path, *, largest_batch: int = LARGEST_BATCH) -> Path:
    """Put an exported file into the model repository `folder`, as version 1 of a model named after it; returns that
    model's folder: `config.pbtxt` and `1/model.onnx`.

    Requests of equal size are put together up to `largest_batch`, or come as batches of the only size that the file
    takes. The card stands among the model's parameters. Raises ValueError for a model that is there already.
    """
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", file.stem)
    model = folder / name
    if model.exists():
        raise ValueError(f"{model}: is there already; remove it, or name another file")
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{name}.", dir=folder) as workshop:
        made = Path(workshop) / name
        (made / "1").mkdir(parents=True)
        shutil.copyfile(file, made / "1" / "model.onnx")
        weights = file.with_name(f"{file.name}.data")
        if weights.is_file():  # by this name the graph refers to it
            shutil.copyfile(weights, made / "1" / weights.name)
        (made / "config.pbtxt").write_text(configuration(name, file, card, largest_batch), encoding="utf-8")
        made.rename(model)
    return model


def configuration(name: str, file: Path, card: Card, largest_batch: int) -> str:
    """The text of `config.pbtxt`. A batch that the server may choose is no dimension of a tensor; a fixed one is."""
    graph = onnx.load(file, load_external_data=False).graph
    batches = card.size is None
    lines = [
        f"name: {json.dumps(name)}",
        'backend: "onnxruntime"',
        'default_model_filename: "model.onnx"',
        f"max_batch_size: {largest_batch if batches else 0}",
    ]
    for kind, (tensor, *_) in (("input", graph.input), ("output", graph.output)):
        sizes = [dimension.dim_value or -1 for dimension in tensor.type.tensor_type.shape.dim]
        dims = ", ".join(map(str, sizes[1:] if batches else sizes))
        data_type = _TYPES[tensor.type.tensor_type.elem_type]
        lines.append(f"{kind} [ {{ name: {json.dumps(tensor.name)} data_type: {data_type} dims: [ {dims} ] }} ]")
    if batches:
        lines.append("dynamic_batching { }")
    value = json.dumps(json.dumps(card.to_dict()))
    lines.append(f'parameters {{ key: "{CARD}" value {{ string_value: {value} }} }}')
    return "\n".join(lines) + "\n"
