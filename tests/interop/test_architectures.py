import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from spandrel import ModelLoader

from i2i import inference
from i2i.checkpoints.load import load_generator, save_generator
from i2i.export import export
from i2i.interop import architectures, load_published, save_published
from i2i.interop.architectures import Measured
from i2i.networks.generators import spandrel
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.generators.spandrel import ArchitectureGenerator
from i2i_runtime.tiles import Tiling
from i2i_runtime.translate import translate_image
from tests.architectures import random_state

# Windows, an x1 restorer, a noise level beside the image, squares only, further results, its input changed in place.
REPRESENTATIVE = ("SwinIR", "NAFNet", "DRUNet", "Uformer", "MMRealSR", "RCAN")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("I2I_WEIGHTS", str(tmp_path / "cache"))


def file_of(architecture, folder):
    file = folder / f"{architecture}.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in random_state(architecture).items()}, file)
    return file


def test_a_network_for_images_of_one_size_refuses_others_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(spandrel._ONLY_SIDE, "SwinIR", 64)
    generator = load_published(file_of("SwinIR", tmp_path))
    assert generator(torch.zeros(1, generator.in_channels, 64, 64)).shape[2] == 64 * generator.scale
    with pytest.raises(ValueError, match="SwinIR takes images of 64x64 only; cut them out first, or resize them"):
        generator(torch.zeros(1, generator.in_channels, 64, 128))


@pytest.mark.parametrize("architecture", REPRESENTATIVE)
def test_a_network_gives_what_spandrel_gives_for_any_size_and_for_batches(architecture, tmp_path):
    translator = inference.load(file_of(architecture, tmp_path), device="cpu")
    network = ModelLoader().load_from_state_dict(random_state(architecture)).eval()
    assert (translator.card.scale, translator.card.in_channels) == (network.scale, network.input_channels)
    images = torch.rand(2, translator.card.in_channels, 70, 91, generator=torch.Generator().manual_seed(0))
    expected = torch.cat([network(image.clone()) for image in images.split(1)])
    assert torch.allclose(translator(images), expected, atol=1e-5)


def test_tiles_give_what_the_whole_image_gives(tmp_path):
    translator = inference.load(file_of("SwinIR", tmp_path), device="cpu")
    card = translator.card
    assert (card.multiple_of, card.tile_step) == (1, 8) and card.overlap >= 16
    image = np.random.default_rng(0).integers(0, 256, (48, 150, 3), np.uint8)
    whole, tiles = (
        translate_image(translator.network, card, image, tiling=Tiling(card, tile)) for tile in (0, 3 * card.overlap)
    )
    assert np.abs(whole.astype(int) - tiles).max() <= 1


def test_an_exported_network_gives_what_torch_gives(tmp_path):
    translator = inference.load(file_of("MoSR", tmp_path), device="cpu")
    _, proof = export(translator._generator, translator.card, tmp_path / "mosr.onnx")
    assert proof.holds


def test_tiles_are_measured_once_for_the_same_weights(tmp_path, monkeypatch):
    file = file_of("NAFNet", tmp_path)
    said = []
    first = load_published(file, notify=said.append)
    assert said[0].startswith("NAFNet: measuring how its tiles must overlap, once")
    monkeypatch.setattr(architectures, "measure", lambda generator: pytest.fail("measured again"))
    second = load_published(file, notify=pytest.fail)
    assert (first.tile_step, first.overlap) == (second.tile_step, second.overlap)


@pytest.mark.parametrize("faster", [False, True])
def test_a_network_has_the_memory_layout_that_was_faster(tmp_path, monkeypatch, faster):
    monkeypatch.setattr(architectures, "measure", lambda generator: Measured(0, 0, faster))
    translator = inference.load(file_of("NAFNet", tmp_path), device="cpu")
    weight = translator._generator.network.intro.weight
    assert weight.is_contiguous(memory_format=torch.channels_last) == faster
    assert weight.is_contiguous() != faster


def test_weights_of_five_axes_have_no_channels_last_layout():
    class FiveAxes(ImageGenerator):
        in_channels = out_channels = 3

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(4, 1, 1, 8, 5))  # as FFTformer's

        def forward(self, image):
            return image * self.weight.mean()

    assert not architectures._is_faster_channels_last(FiveAxes())


class TakesContiguousFeatures(ArchitectureGenerator):
    """A network that cannot run in channels-last, as IPT, whose features it views as contiguous."""

    only_side, min_size, multiple_of, in_channels = None, 1, 1, 3

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        self.convolution = torch.nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.convolution(image).view(-1)


def test_a_network_that_does_not_run_in_channels_last_stays_contiguous():
    generator = TakesContiguousFeatures()
    assert not architectures._is_faster_channels_last(generator)
    assert generator.convolution.weight.is_contiguous()


def test_loading_draws_no_random_numbers_and_the_network_can_be_trained(tmp_path):
    before = torch.get_rng_state()
    generator = load_published(file_of("NAFNet", tmp_path))
    assert torch.equal(torch.get_rng_state(), before) and not generator.training
    generator(torch.rand(1, 3, 16, 16)).mean().backward()
    assert any(weight.grad is not None for weight in generator.parameters())


def test_a_grey_image_stays_grey_and_alpha_is_carried(tmp_path):
    translator = inference.load(file_of("MoSR", tmp_path), device="cpu")
    image = np.random.default_rng(0).integers(0, 256, (12, 10), np.uint8)
    assert translator(image).shape == (24, 20)
    assert translator(np.dstack([image] * 4)).shape == (24, 20, 4)


def test_a_network_of_ours_is_not_given_to_spandrel(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "spandrel", None)
    assert load_published(file_of("Compact", tmp_path)).spec["name"] == "srvgg"


def test_networks_that_share_a_key_with_ours_are_spandrels(tmp_path, monkeypatch):
    monkeypatch.setattr(architectures, "measure", lambda generator: Measured(0, 0, True))
    for architecture in ("RCAN", "ESRGAN", "MMRealSR"):  # of two groups; ESRGAN+
        assert isinstance(load_published(file_of(architecture, tmp_path)), ArchitectureGenerator)


def test_without_the_extra_the_sentence_names_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(ValueError, match=r"not a published generator .*; pip install '\.\[architectures\]' .* brings"):
        load_published(file_of("NAFNet", tmp_path))


def test_a_network_that_nobody_knows_is_refused_in_a_sentence(tmp_path):
    save_file({"some.weight": torch.zeros(3, 3)}, tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match=r"net\.safetensors: not a published .* none of the 4\d architectures"):
        load_published(tmp_path / "net.safetensors")


def test_a_damaged_network_is_refused_in_a_sentence(tmp_path):
    state = random_state("NAFNet")
    del state["ups.1.0.weight"]
    save_file(state, tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match=r"net\.safetensors: spandrel recognises it, but can't build it"):
        load_published(tmp_path / "net.safetensors")


def test_a_network_that_fills_holes_is_refused_in_a_sentence(monkeypatch):
    monkeypatch.setattr(architectures, "measure", None)
    with pytest.raises(ValueError, match="LaMa: fills holes"):
        architectures.load_architecture(random_state("LaMa"))


def test_a_network_of_spandrels_is_written_as_one_of_ours_and_in_its_own_layout(tmp_path):
    file = file_of("MoSR", tmp_path)
    generator, facts = load_generator(file)
    save_generator(tmp_path / "ours.safetensors", generator, facts)
    ours, _ = load_generator(tmp_path / "ours.safetensors")
    assert (ours.tile_step, ours.overlap, ours.scale) == (generator.tile_step, generator.overlap, generator.scale)
    save_published(ours, tmp_path / "published.pth")
    image = torch.rand(1, 3, 12, 9)
    for each in (ours.eval(), load_published(tmp_path / "published.pth")):
        assert torch.equal(each(image), generator(image))


def test_a_scale_that_its_layers_do_not_have_is_refused(tmp_path):
    with pytest.raises(ValueError, match="its layers are those of x2, not of x4"):
        load_published(file_of("MoSR", tmp_path), scale=4)
