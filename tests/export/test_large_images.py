"""Large images through a torch generator: the device stays the same, and a refusal says why."""

from pathlib import Path

import numpy as np
import pytest
import torch

from i2i.checkpoints.card import card_of
from i2i.export import large_images
from i2i.export.large_images import LargeImages
from i2i.inference import Translator
from i2i.networks.generators.resnet import ResnetGenerator
from i2i_runtime.images import Array
from i2i_runtime.translate import Network
from tests.export.banded_networks import Pooled, card, picture, resnet
from tests.runtime.engines.test_onnxruntime import no_gpu, write

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def no_memory(batch: Array) -> Array:
    raise MemoryError


def unasked(batch: Array) -> Array:
    raise AssertionError("the whole image went through the network")


def run(generator: ResnetGenerator, network: Network, device: torch.device, image: Array) -> Array:
    out = np.zeros_like(image)
    LargeImages(generator, card(generator), network, device)(image, out)
    return out


@pytest.mark.parametrize("size", [(50, 37), (3, 1), (52, 44)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_on_a_cpu_they_run_over_bands_of_rows_with_the_same_result(
    dtype: type, size: tuple[int, int], large: tuple[Translator, LargeImages]
) -> None:
    translator, in_bands = large
    largest = 1 if dtype is np.float32 else np.iinfo(dtype).max
    image = (picture(*size) * largest).astype(dtype)
    before, room = image.copy(), np.zeros((size[0] + 4, size[1], 3), dtype)
    in_bands(image, room[2:-2])
    np.testing.assert_allclose(room[2:-2].astype(float), translator(image), atol=2e-5 if largest == 1 else 2)
    assert np.array_equal(image, before) and not room[:2].any() and not room[-2:].any()


@pytest.fixture(scope="module")
def large() -> tuple[Translator, LargeImages]:
    torch.manual_seed(0)
    generator = resnet().eval()
    return Translator(generator, card(generator)), LargeImages(generator, card(generator), unasked, CPU)


def test_a_generator_that_cannot_run_over_bands_gets_the_whole_image_on_a_cpu() -> None:
    generator = Pooled().eval()
    translator, image = Translator(generator, card_of(generator, {"product": "pooled", "recipe": ""})), picture(21, 14)
    np.testing.assert_allclose(run(generator, translator.network, CPU, image), translator(image), atol=1e-6)
    with pytest.raises(ValueError, match="generator gave values that are not finite"):
        run(generator, lambda batch: batch * np.nan, CPU, image)


def test_a_gpu_takes_the_whole_image_while_its_memory_suffices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_images, "open_in_bands", lambda *_, **how: providers.append(how["provider"]) or fill)
    providers: list[str] = []

    def fill(image: Array, out: Array, **_: object) -> None:
        out[...] = 0.5

    generator, image = resnet(), picture(8, 8)
    assert np.array_equal(run(generator, lambda batch: batch, CUDA, image), image) and providers == []
    assert (run(generator, no_memory, CUDA, image) == 0.5).all() and providers == ["cuda"]


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ("mps", "ONNX Runtime is used on the CPU and the first CUDA device, not on mps"),
        ("cuda:1", "ONNX Runtime is used on the CPU and the first CUDA device, not on cuda:1"),
        ("cuda", "the provider is not there"),
    ],
)
def test_a_gpu_that_lacks_memory_and_onnx_runtime_is_one_sentence_and_no_cpu(
    device: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_gpu(*_: object, **__: object) -> None:
        raise ValueError("the provider is not there")

    monkeypatch.setattr(large_images, "open_in_bands", without_gpu)
    sentence = f"8x12 image: not enough memory on {device}, and generator cannot run over bands of rows there .{reason}"
    with pytest.raises(ValueError, match=sentence):
        run(resnet(), no_memory, torch.device(device), picture(12, 8))


def test_a_provider_that_cannot_be_used_is_refused_before_tracing(tmp_path: Path) -> None:
    if not no_gpu(write(tmp_path / "blur.onnx")):
        pytest.skip("a GPU is there")
    generator = resnet(features=2, blocks=0)
    with pytest.raises(ValueError, match="cuda cannot be used here"):
        large_images.open_in_bands(generator, card(generator), provider="cuda")


def test_dropout_at_test_time_is_not_run_over_bands() -> None:
    generator = resnet(dropout=True, features=2, blocks=1).eval()
    generator.blocks[0].residual[4].train()
    with pytest.raises(ValueError, match="its graph has Dropout, whose result depends on chance"):
        large_images.open_in_bands(generator, card(generator))
