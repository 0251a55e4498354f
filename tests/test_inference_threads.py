"""A torch generator is called from several threads at once, each with its share of the cores."""

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from threading import Barrier

import numpy as np
import pytest
import torch

from i2i.inference import Translator, share_cores
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.generators.unet import UnetGenerator
from i2i.networks.seeded_dropout import SeededDropout, seeded_dropout
from tests.runtime.engines.test_onnxruntime import BLUR
from tests.waits import HANGS

BLUR_X1 = replace(BLUR, scale=1, multiple_of=64)
rng = np.random.default_rng(0)


class Meeting(ImageGenerator):
    """From the second call on, each call waits for another one."""

    in_channels = out_channels = 3

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.both = 0, Barrier(2, timeout=HANGS)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.calls > 1:
            self.both.wait()
        return image


class Noise(ImageGenerator):
    in_channels = out_channels = 3

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image + 0.1 * torch.randn(image.shape)


def test_two_images_are_translated_at_once() -> None:
    translator, image = Translator(Meeting(), BLUR), rng.random((1, 3, 8, 8), np.float32)
    translator.network(image)
    with ThreadPoolExecutor(2) as pool:
        for result in pool.map(translator.network, [image, image]):
            np.testing.assert_allclose(result, image, atol=1e-6)


def test_random_numbers_of_an_image_are_the_same_in_any_thread() -> None:
    translator, image = Translator(Noise(), BLUR), rng.random((1, 3, 8, 8), np.float32)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(translator.network, [image] * 12))
    assert all((result == results[0]).all() for result in results) and (results[0] != image).any()


@pytest.mark.parametrize("is_shared", [True, False])
def test_batch_statistics_and_dropout_are_an_image_s_own_in_any_thread(is_shared: bool) -> None:
    generator = UnetGenerator(depth=6, features=8)  # batch norm, and dropout in two layers
    translators = [Translator(deepcopy(generator), BLUR_X1, test_time="published") for _ in range(4)]
    images = [rng.integers(0, 256, (side, side, 3)).astype(np.uint8) for side in (64, 128)] * 12
    expected = [translators[0](image) for image in images[:2]] * 12
    with ThreadPoolExecutor(4) as pool:
        results = pool.map(lambda at: translators[0 if is_shared else at % 4](images[at]), range(len(images)))
        assert all((result == one).all() for result, one in zip(results, expected, strict=True))


def test_dropout_takes_nothing_from_random_numbers_that_others_draw_meanwhile() -> None:
    generator, image = UnetGenerator(depth=6, features=8), rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    translator, drawn = Translator(generator, BLUR_X1, test_time="published"), []
    expected = translator(image)

    def draw_elsewhere(*_: object) -> None:
        with ThreadPoolExecutor(1) as pool:
            drawn.append(pool.submit(lambda: float(torch.rand(()))).result())

    for layer in generator.modules():
        if isinstance(layer, SeededDropout):
            layer.register_forward_pre_hook(draw_elsewhere)
    torch.manual_seed(3)
    assert all((translator(image) == expected).all() for _ in range(2)) and len(drawn) > 1
    torch.manual_seed(3)
    assert drawn == [float(torch.rand(())) for _ in drawn], "and gives none of them twice"


def test_a_seed_gives_dropout_the_masks_of_torch() -> None:
    values = torch.rand(2, 8, 5, 5).to(memory_format=torch.channels_last)
    torch.manual_seed(0)
    expected = [torch.nn.functional.dropout(values, 0.3) for _ in range(2)]
    layer = SeededDropout(0.3)
    for _ in range(2):
        with seeded_dropout(torch.device("cpu")):
            assert all(torch.equal(layer(values), one) for one in expected)


def test_two_workers_get_half_of_the_cores_each_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 6)
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    still, drawing = Translator(Noise(), BLUR), Translator(Noise(), replace(BLUR, test_time="published"))
    assert (share_cores(still), threads) == (2, [3])
    assert (share_cores(drawing), share_cores(still, 1), threads) == (1, 1, [3])
    assert (share_cores(drawing, 3), threads) == (3, [3, 2])
