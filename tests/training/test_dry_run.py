"""What is wrong with a component is said before training, naming the class and the attribute."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from i2i import registry
from i2i.data.batch import Images, LabelledUnpaired, Pair, Segmentation, image_fields
from i2i.methods import cut
from i2i.methods.base import Method
from i2i.methods.dcgan import DCGAN
from i2i.methods.pix2pix import Pix2Pix
from i2i.methods.translation import Translation
from i2i.networks.discriminators.base import Discriminator
from i2i.networks.generators.base import ImageGenerator, LatentGenerator
from i2i.networks.generators.resnet import ResnetGenerator
from i2i.recipe import Recipe, choose
from i2i.recipe.components import build
from i2i.training import dry_run
from i2i.training.dry_run import check_contract, check_networks, check_step
from i2i.training.run import train
from tests.worlds import SIZES, TINY, Recorder, tiny_recipe, tiny_world


class Narrow(ImageGenerator):
    """Keeps what it is given."""

    def __init__(self, *, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.layer = nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image)


class Unset(Narrow):
    def __init__(self, *, in_channels: int, out_channels: int) -> None:
        ImageGenerator.__init__(self)
        self.in_channels = in_channels


class Shrinks(Narrow):
    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image)[:, :, 1:]


class Greys(Narrow):
    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image)[:, :1]


class Fails(Narrow):
    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image) @ torch.ones(3, 3)


class GivesATuple(Narrow):
    def forward(self, image: Tensor) -> Any:
        return self.layer(image), image


class LooksAtValues(Narrow):
    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image) if float(image.mean()) < 1 else image


class NoGenerator(nn.Module):
    def __init__(self, *, in_channels: int, out_channels: int) -> None:
        super().__init__()


class FromNoise(LatentGenerator):
    def __init__(self, *, in_channels: int, out_channels: int) -> None:
        super().__init__()

    def synthesise(self, w: Tensor, label: Tensor | None = None) -> Tensor:
        return w


class Pools(Discriminator):
    def __init__(self, *, in_channels: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.layer = nn.Conv2d(in_channels, 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image).mean()


class NoChannels(Pools):
    def __init__(self, *, in_channels: int) -> None:
        Discriminator.__init__(self)


class Lacks(Pix2Pix):
    """No training step."""

    training_step = Method.training_step  # type: ignore[assignment]
    __abstractmethods__ = frozenset({"training_step"})


class NoBatch(Pix2Pix):
    @property
    def batch(self) -> Any:  # type: ignore[override]
        raise AttributeError


class Triple(NamedTuple):
    a: Tensor
    b: Tensor
    depth: Tensor


class OddBatch(Pix2Pix):
    batch = Triple  # type: ignore[assignment]


class OddImages(DCGAN):
    batch = Pair  # type: ignore[assignment]


class NoProducts(Pix2Pix):
    def products(self) -> Any:
        return {}


class ForgetsPlayer(Pix2Pix):
    def players(self) -> Any:
        return {"generator": self.generator}


class OddProducts(Pix2Pix):
    def products(self) -> Any:
        return {"fake": self.discriminator}


class BuildsItsOwn(Pix2Pix):
    def products(self) -> Any:
        return {"mine": ResnetGenerator(features=2, blocks=1)}


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registers the classes of this file by their names, for one test."""
    for kind, classes in (
        (
            registry.generators,
            (Narrow, Unset, Shrinks, Greys, Fails, GivesATuple, LooksAtValues, NoGenerator, FromNoise),
        ),
        (registry.discriminators, (Pools, NoChannels)),
        (registry.methods, (Lacks, NoBatch, OddBatch, NoProducts, OddProducts, ForgetsPlayer, BuildsItsOwn, nn.Linear)),
    ):
        for cls in classes:
            monkeypatch.setitem(kind._parts, cls.__name__, cls)


def checked(*overrides: str, method: str = "pix2pix") -> None:
    """Build a method and check it as a run does."""
    recipe, _ = choose(method, ["x"], overrides)
    built = build(registry.methods, recipe.method)
    check_contract(built)
    check_networks(built, (32, 32), (32, 32))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Unset", "generator 'Unset': Unset never sets the attribute 'out_channels', which Generator declares"),
        ("Shrinks", r"Shrinks: gives \(2, 3, 31, 32\) for \(2, 3, 32, 32\); expected \(2, 3, 32, 32\): \(N, out_ch"),
        ("Greys", r"Greys: gives \(2, 1, 32, 32\) for \(2, 3, 32, 32\); expected \(2, 3, 32, 32\)"),
        ("Fails", r"Fails fails on \(2, 3, 32, 32\): RuntimeError"),
        ("GivesATuple", "GivesATuple: forward gives tuple, no tensor"),
        ("NoGenerator", "NoGenerator is no ImageGenerator; derive it from i2i.networks.generators.base.ImageGenerator"),
        ("FromNoise", "FromNoise is no ImageGenerator"),
    ],
)
@pytest.mark.usefixtures("names")
def test_a_wrong_generator_is_refused(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        checked(f"method.generator={name}")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("NoChannels", "discriminator 'NoChannels': NoChannels never sets the attribute 'in_channels'"),
        ("Pools", r"Pools: gives \(\) for \(2, 6, 32, 32\); expected \(2, '...'\): logits of every image"),
    ],
)
@pytest.mark.usefixtures("names")
def test_a_wrong_discriminator_is_refused(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        checked("method.generator=Narrow", f"method.discriminator.name={name}")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Lacks", "method 'Lacks': .*Lacks has no training_step, which every Method needs"),
        ("NoBatch", "never sets the attribute 'batch', which Method declares"),
        (
            "OddBatch",
            r"OddBatch\.batch is .*Triple.*, of which there are no samples; choose from: i2i\.data\.batch\.Pair",
        ),
        ("NoProducts", "NoProducts.products gives nothing; allowed: a mapping of names to networks"),
        ("ForgetsPlayer", r"ForgetsPlayer.players: discriminator\.\S+ belongs to no player, so that it would never"),
        ("OddProducts", "OddProducts.products: 'fake' is a PatchGAN, no ImageGenerator"),
        ("BuildsItsOwn", "BuildsItsOwn.products: 'mine' is a ResnetGenerator that no recipe describes, so that it"),
    ],
)
@pytest.mark.usefixtures("names")
def test_a_method_that_lacks_a_member_is_refused(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        checked("method.generator=Narrow", method=name)


def test_a_method_of_images_from_noise_takes_images() -> None:
    built = build(registry.methods, tiny_recipe("dcgan", Path("x")).method)
    built.__class__ = OddImages
    with pytest.raises(ValueError, match=r"OddImages\.batch is .*Pair.*; choose from: i2i\.data\.batch\.Images$"):
        check_contract(built)


@pytest.mark.usefixtures("names")
def test_a_network_that_looks_at_values_runs_on_zeros() -> None:
    checked("method.generator=LooksAtValues")


@pytest.mark.usefixtures("names")
def test_a_run_with_a_wrong_generator_leaves_nothing_behind(tmp_path: Path) -> None:
    recipe, _ = choose(
        "cyclegan",
        [str(tiny_world(tmp_path / "world"))],
        ["method.generator=Shrinks", "method.discriminator.layers=1", *SIZES],
    )
    with pytest.raises(ValueError, match=r"Shrinks: gives \(2, 3, 15, 16\)"):
        train(recipe, tmp_path / "run", reporter=Recorder())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("method", sorted(TINY))
def test_every_method_passes_without_values_and_keeps_its_state(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dry_run, "_run_on_zeros", None)
    # Of sim2real the step that follows those of its segmenter
    more = ["method.segmenter_steps=0"] if method == "sim2real" else []
    recipe: Recipe = tiny_recipe(method, Path("x"), *more)
    built = build(registry.methods, recipe.method)
    before = {name: tensor.clone() for name, tensor in built.named_buffers()}
    random = torch.get_rng_state()
    check_contract(built)
    scale = recipe.method.get("scale", 1)
    sizes = [(32, 32)] if "size" in recipe.method else [(16, 16), (16 * scale, 16 * scale)]
    check_networks(built, *sizes[: len(image_fields(built.batch))])
    assert all(torch.equal(before[name], tensor) for name, tensor in built.named_buffers())
    assert torch.equal(random, torch.get_rng_state()) and built.training


@pytest.mark.parametrize("method", sorted(TINY))
def test_a_step_reads_no_value_from_its_device_and_its_trial_changes_nothing(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dry_run, "suppress", lambda _: nullcontext())  # of reading a value
    monkeypatch.setattr(cut, "draw_flip", lambda: True)  # which reads one, on the host
    recipe: Recipe = tiny_recipe(method, Path("x"))
    built = build(registry.methods, recipe.method)
    before = {name: tensor.clone() for name, tensor in built.state_dict().items() if isinstance(tensor, Tensor)}
    random = torch.get_rng_state()
    sample: Any
    labels = torch.zeros(1, 16, 16, dtype=torch.uint8)
    if built.batch is LabelledUnpaired:
        sample = LabelledUnpaired(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16), labels, labels)
    elif isinstance(built, Translation):
        images = [torch.zeros(1, 3, side, side) for side in (16, 16 * built.scale, 24)]
        sample = built.batch(*images[: len(built.batch._fields)])
    elif built.batch is Segmentation:
        sample = Segmentation(torch.zeros(1, 3, 16, 16), labels)
    else:
        sample = Images(torch.zeros(1, built.channels, 32, 32), torch.zeros(1, dtype=torch.int64))
    check_step(built, recipe.optimizer, sample, recipe.train.batch_size)
    assert all(torch.equal(before[name], built.state_dict()[name]) for name in before)
    assert torch.equal(random, torch.get_rng_state())


def test_a_step_that_comes_later_is_tried_too(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe: Recipe = tiny_recipe("sim2real", Path("x"), "method.segmenter_steps=100")
    built = build(registry.methods, recipe.method)
    labels = torch.zeros(1, 16, 16, dtype=torch.uint8)
    sample = LabelledUnpaired(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16), labels, labels)
    check_step(built, recipe.optimizer, sample, 1)
    monkeypatch.setattr(type(built.nce), "forward", lambda *_: torch.zeros(2) + torch.zeros(3))
    with pytest.raises(ValueError, match="fails in its training step"):
        check_step(built, recipe.optimizer, sample, 1)
