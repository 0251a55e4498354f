"""Writes generators for ncnn, as upscayl and Real-ESRGAN's program take them, after running the files."""

import math
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from i2i.data.world import draw_scene
from i2i.extras import install_hint
from i2i.interop.ncnn_graph import INPUT, OUTPUT
from i2i.interop.ncnn_networks import ncnn_files
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.value_range import ValueRange
from i2i_runtime.images import to_float, with_channels

LEAST_PSNR = {False: 80.0, True: 50.0}  # dB against torch, of float32 and of half precision
_SIDES = (96, 64)  # pixels of the images that are compared, at least


def ncnn_pair(file: Path) -> tuple[Path, Path]:
    """The two files of a network: `file` with .param and .bin, which it may have as its suffix."""
    name = file.name.removesuffix(".param").removesuffix(".bin")
    return file.with_name(f"{name}.param"), file.with_name(f"{name}.bin")


def save_ncnn(generator: ImageGenerator, file: Path, *, half: bool = False) -> float:
    """Write a generator to `ncnn_pair(file)` from `data` to `output`, (C, H, W) in [0, 1]; returns the PSNR of ncnn's
    results against torch's in dB.

    `half` is half precision of the convolutions' weights. `generator` is as `set_test_time` leaves it, but its dropout
    is switched off. Raises ValueError, and writes nothing, for a generator that ncnn's layers cannot express, where
    ncnn is not installed to try the files, and where its results are others.
    """
    ncnn = _import_ncnn()
    for layer in generator.modules():
        if isinstance(layer, nn.Dropout):
            layer.eval()
    graph, weights = ncnn_files(generator, half=half)
    pair = ncnn_pair(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{pair[0].name}.", dir=file.parent) as folder:
        unproven = [Path(folder) / each.name for each in pair]
        unproven[0].write_text(graph, encoding="utf-8")
        unproven[1].write_bytes(weights)
        psnr = _prove(ncnn, unproven[0], generator)
        if psnr < LEAST_PSNR[half]:
            raise ValueError(
                f"not written: ncnn's results have {psnr:.1f} dB against torch, below {LEAST_PSNR[half]:g}"
            )
        for source, target in zip(reversed(unproven), reversed(pair), strict=True):  # the weights first
            os.replace(source, target)
    return psnr


def _import_ncnn() -> ModuleType:
    try:
        import ncnn
    except ImportError:
        raise ValueError(f"files for ncnn are run before they are written: {install_hint('ncnn')}") from None
    return ncnn


def run_ncnn(ncnn: ModuleType, graph: Path, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The result of a network's files for an image, (C, H, W) in [0, 1]. Raises ValueError where ncnn refuses them."""
    net = ncnn.Net()
    for option in ("use_vulkan_compute", "use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"):
        setattr(net.opt, option, False)
    net.opt.num_threads = torch.get_num_threads()
    if net.load_param(str(graph)) or net.load_model(str(graph.with_suffix(".bin"))):
        raise ValueError("not written: ncnn does not load the files")
    extractor = net.create_extractor()
    extractor.input(INPUT, ncnn.Mat(np.ascontiguousarray(image)).clone())
    failed, result = extractor.extract(OUTPUT)
    if failed:
        raise ValueError("not written: ncnn does not run the files")
    return np.array(result)


def _prove(ncnn: ModuleType, graph: Path, generator: ImageGenerator) -> float:
    """The lowest PSNR of the results of rendered streets of two sizes, in dB."""
    found = []
    value_range = ValueRange(*generator.value_range)
    for index, least in enumerate(_SIDES):
        image = _picture(generator, index, least)
        with torch.inference_mode():
            expected = value_range.to_unit(generator(value_range.from_unit(torch.from_numpy(image)[None])))[0].numpy()
        result = run_ncnn(ncnn, graph, image)
        if result.shape != expected.shape or not np.isfinite(result).all():
            return -math.inf
        scale = max(1.0, float(np.ptp(expected)))
        error = float(np.square((result - expected) / scale).mean())
        found.append(-10 * math.log10(error + 1e-20))
    return min(found)


def _picture(generator: ImageGenerator, index: int, least: int) -> NDArray[np.float32]:
    step = generator.multiple_of
    height = -(-max(least, generator.min_size) // step) * step
    scene = draw_scene(size=max(16, height + step), seed=0, index=index).real[:height, : height + step]
    return np.ascontiguousarray(to_float(with_channels(scene, generator.in_channels)).transpose(2, 0, 1))
