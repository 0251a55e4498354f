"""A trained generator as a function: same type in and out, any size, the same result every time."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import i2i
from i2i.checkpoints import run as checkpoint
from i2i.checkpoints.card import card_of
from i2i.export.large_images import LargeImages
from i2i.inference import Translator
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.generators.rrdb import RRDBNet
from i2i.networks.generators.srvgg import SRVGGNet
from i2i.networks.generators.unet import UnetGenerator
from i2i.training import run
from i2i_runtime import images, translate
from i2i_runtime.card import Card
from i2i_runtime.tiles import Tiling
from i2i_runtime.translate import translate_image
from tests.published import published_resnet
from tests.worlds import Recorder, tiny_recipe, tiny_world


@pytest.fixture(scope="module")
def cyclegan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cyclegan")
    world = tiny_world(folder / "world")
    chosen = tiny_recipe("cyclegan", world, "train.steps=2", "train.ema=0.5")
    return run.train(chosen, folder / "run", reporter=Recorder())


@pytest.fixture(scope="module")
def pix2pix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pix2pix")
    world = tiny_world(folder / "world")
    return run.train(tiny_recipe("pix2pix", world, "train.steps=8"), folder / "run", reporter=Recorder())


def picture(height: int, width: int, channels: int, dtype: type) -> np.ndarray:
    values = np.random.default_rng(0).random((height, width, channels))
    return values.astype(np.float32) if dtype is np.float32 else (values * np.iinfo(dtype).max).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("size", [(16, 16), (17, 23), (3, 40)])
def test_arrays_keep_type_and_size(cyclegan: Path, dtype: type, size: tuple[int, int]) -> None:
    result = i2i.load(cyclegan)(picture(*size, 3, dtype))
    assert result.dtype == dtype and result.shape == (*size, 3)


@pytest.mark.parametrize("shape", [(3, 17, 23), (2, 3, 16, 16)])
def test_tensors_keep_type_and_size(cyclegan: Path, shape: tuple[int, ...]) -> None:
    result = i2i.load(cyclegan)(torch.rand(shape, dtype=torch.float64))
    assert result.dtype == torch.float64 and result.shape == shape and result.min() >= 0 and result.max() <= 1


def test_arrays_and_tensors_give_the_same_picture(cyclegan: Path) -> None:
    translator, image = i2i.load(cyclegan), picture(18, 22, 3, np.float32)
    from_tensor = translator(torch.from_numpy(image).permute(2, 0, 1)).permute(1, 2, 0).numpy()
    np.testing.assert_allclose(translator(image), from_tensor, atol=1e-6)


def test_products_are_named(cyclegan: Path) -> None:
    image = picture(16, 16, 3, np.float32)
    forth, back = (i2i.load(cyclegan / "latest", product=name)(image) for name in ("a_to_b", "b_to_a"))
    assert not np.allclose(forth, back)
    np.testing.assert_array_equal(i2i.load(cyclegan)(image), forth)
    with pytest.raises(ValueError, match="no product 'a_to_c'; did you mean"):
        i2i.load(cyclegan, product="a_to_c")


def test_the_average_is_what_is_kept(cyclegan: Path) -> None:
    state = checkpoint.load_state(checkpoint.find(cyclegan))
    kept = checkpoint.load_product(checkpoint.find(cyclegan) / "a_to_b.safetensors")[0]
    average = state["averages"]["a_to_b"]
    assert all(torch.equal(kept[key], average[f"module.{key}"]) for key in kept)
    assert any(not torch.equal(kept[key], state["method"][f"a_to_b.{key}"]) for key in kept)


def test_the_published_test_time_uses_dropout_and_each_images_own_statistics(pix2pix: Path) -> None:
    published, plain = i2i.load(pix2pix), i2i.load(pix2pix, test_time="eval")
    image = torch.rand(3, 16, 16)
    assert not torch.allclose(published(image), plain(image))
    assert torch.equal(published(image), published(image)), "and still the same picture every time"
    batch = torch.stack([image, torch.rand(3, 16, 16)])
    torch.testing.assert_close(published(batch)[0], published(image), msg="whatever stands beside it in the batch")


def test_translation_does_not_change_the_random_state(pix2pix: Path) -> None:
    translator, before = i2i.load(pix2pix), torch.get_rng_state()
    translator(torch.rand(3, 16, 16, generator=torch.Generator()))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    "image",
    [torch.rand(4, 16, 16), torch.rand(16, 16), torch.zeros(3, 16, 16, dtype=torch.uint8)],
    ids=lambda t: str(t.shape),
)
def test_other_tensors_are_refused(cyclegan: Path, image: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="allowed: float"):
        i2i.load(cyclegan)(image)


UPSCALERS = {
    "srvgg": SRVGGNet(features=6, convolutions=4),
    "rrdb": RRDBNet(features=6, blocks=1, growth=4),
    "rrdb x2, unshuffled": RRDBNet(features=6, blocks=1, growth=4, scale=2),
}


def upscaler(name: str) -> Translator:
    torch.manual_seed(0)
    generator = UPSCALERS[name]
    for weight in generator.parameters():  # so large that every pixel in reach counts
        torch.nn.init.normal_(weight, std=(2 / weight[0].numel()) ** 0.5 if weight.ndim > 1 else 0.1)
    card = Card(
        product=name, in_channels=3, out_channels=3, scale=generator.scale, multiple_of=generator.multiple_of,
        min_size=generator.min_size, overlap=generator.overlap,
    )  # fmt: skip
    return Translator(generator, card)


@pytest.mark.parametrize("name", UPSCALERS)
def test_tiles_give_the_picture_of_the_whole(name: str) -> None:
    translator, image = upscaler(name), picture(230, 170, 3, np.float32)
    card, tiling = translator.card, Tiling(translator.card, 3 * translator.card.overlap)
    whole = translate_image(translator.network, card, image, tiling=Tiling(card, 0))
    tiled = translate_image(translator.network, card, image, tiling=tiling)
    assert len(tiling.axis(232)[1]) > 1 and whole.std() > 0.1, "several tiles, and more to see than one colour"
    np.testing.assert_allclose(tiled, whole, atol=1e-4)


def test_memory_that_runs_out_is_one_kind_of_error(monkeypatch: pytest.MonkeyPatch) -> None:
    translator, batch = upscaler("srvgg"), np.zeros((1, 3, 8, 8), np.float32)

    def fail(error: Exception) -> None:
        raise error

    monkeypatch.setattr(translator._generator, "forward", lambda image: torch.empty(2**50))
    with pytest.raises(MemoryError, match="DefaultCPUAllocator"):
        translator.network(batch)
    monkeypatch.setattr(translator._generator, "forward", lambda image: fail(torch.OutOfMemoryError("CUDA out of")))
    with pytest.raises(MemoryError, match="CUDA out of"):
        translator.network(batch)
    monkeypatch.setattr(translator._generator, "forward", lambda image: fail(RuntimeError("another one")))
    with pytest.raises(RuntimeError, match="another one"):
        translator.network(batch)


def test_a_whole_image_that_needs_more_memory_than_there_is_is_refused_before_it_is_taken(monkeypatch) -> None:
    class Attention(ImageGenerator):
        in_channels = out_channels = 1

        def forward(self, image: Tensor) -> Tensor:
            pixels = image.flatten(2)
            return (pixels.transpose(1, 2) @ pixels).softmax(1).mean(1).reshape(image.shape)

    generator = Attention()
    facts = {"product": "all", "generator": "{}", "test_time": "eval"}
    translator = Translator(generator, card_of(generator, facts))
    with pytest.raises(ValueError, match="1200x1000 image: not enough memory, and all needs it whole; try a smaller"):
        translator(np.zeros((1000, 1200), np.uint8))
    assert translator(np.zeros((8, 9), np.uint8)).shape == (8, 9)


def test_an_image_is_translated_where_the_whole_does_not_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    translator, image = upscaler("srvgg"), picture(200, 150, 3, np.float32)
    whole, forward, sizes = translator(image), translator._generator.forward, []

    def limited(tile: torch.Tensor) -> torch.Tensor:
        sizes.append(tile.shape[2])
        return torch.empty(2**50) if tile.shape[2] > 120 else forward(tile)

    monkeypatch.setattr(translator._generator, "forward", limited)
    np.testing.assert_allclose(translator(image), whole, atol=1e-4)
    count = len(sizes)
    translator(image)
    assert max(sizes[:count]) > 120 >= max(sizes[count:]), "the second time it knows"


def test_values_that_are_not_finite_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    translator = upscaler("srvgg")
    monkeypatch.setattr(translator._generator, "forward", lambda image: torch.full((1, 3, 32, 32), torch.inf))
    with pytest.raises(ValueError, match="not finite"):
        translator(picture(8, 8, 3, np.uint8))


def test_the_published_compact_network_needs_no_more_than_its_overlap(shared: Path) -> None:
    translator = i2i.load(shared / "weights/realesr-animevideov3.pth", device="cpu")
    photo = images.read(next((shared / "data/bsds200").rglob("*.jpg")))[:120, :160]
    whole, tiling = translator(photo), Tiling(translator.card, 80)
    assert translator.card.overlap == 36 and len(tiling.axis(160)[1]) > 1
    tiled = translate_image(translator.network, translator.card, photo, tiling=tiling)
    assert np.abs(tiled.astype(int) - whole).max() <= 1


def test_a_published_generator_is_loaded_from_its_file(tmp_path: Path) -> None:
    state = published_resnet(blocks=1)
    state["model.1.weight"] = torch.randn(4, 3, 7, 7)
    state["model.18.weight"], state["model.18.bias"] = torch.randn(3, 4, 7, 7), torch.zeros(3)
    torch.save(dict(state), tmp_path / "latest_net_G.pth")
    translator = i2i.load(tmp_path / "latest_net_G.pth")
    assert translator.card.product == "latest_net_G" and translator(picture(9, 14, 3, np.uint8)).shape == (9, 14, 3)


def test_what_is_no_model_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"nothing")
    (tmp_path / "a.safetensors").write_bytes(b"nothing")
    for path in (tmp_path / "a.pth", tmp_path / "a.safetensors", tmp_path / "gone", tmp_path):
        with pytest.raises(ValueError) as error:
            i2i.load(path)
        assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_weights_that_do_not_fit_are_refused(cyclegan: Path, tmp_path: Path) -> None:
    facts = checkpoint.load_product(checkpoint.find(cyclegan) / "a_to_b.safetensors")[1]
    save_file(UnetGenerator(depth=2, features=4).state_dict(), tmp_path / "a.safetensors", metadata=facts)
    with pytest.raises(ValueError, match="do not fit the network"):
        i2i.load(tmp_path / "a.safetensors")


def test_a_large_image_of_an_instance_norm_network_is_the_same_in_less_memory(
    cyclegan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    translator, image = i2i.load(cyclegan), picture(70, 90, 4, np.uint8)
    whole = translator(image)
    monkeypatch.setattr(translate, "LARGEST_WHOLE", 99)
    monkeypatch.setattr(LargeImages, "_run_whole", None)  # it is not called
    assert int(np.abs(translator(image).astype(int) - whole).max()) <= 1


def test_an_exported_file_is_not_taken_for_weights(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"")
    with pytest.raises(ValueError, match="i2i translate, bench and stream take it"):
        i2i.load(tmp_path / "x.onnx")
