"""What a plugin's method gets without writing it: directions, sizes, sheets, outputs and scores."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from i2i import recipe, registry
from i2i.data.batch import Pair, Unpaired
from i2i.evaluate import evaluate_run, open_instruments
from i2i.methods.base import GeneratorFactory, Update
from i2i.methods.translation import Direction, Translation
from i2i.networks.generators.base import ImageGenerator
from i2i.recipe import components
from i2i.registry import discriminators
from i2i.report.run_images import generate_images
from i2i.training import run
from i2i_runtime import images
from tests.worlds import SIZES, Recorder, tiny_world

RECIPE = """[method]
name = "{name}"
[method.generator]
name = "resnet"
blocks = 1
features = 4
[schedule]
name = "constant"
"""


class Sketches(Translation):
    """Two networks that learn nothing but their biases, and four members."""

    batch = Unpaired

    def __init__(self, *, generator: GeneratorFactory) -> None:
        super().__init__()
        self.there, self.back = (generator(in_channels=3, out_channels=3) for _ in range(2))

    def players(self) -> Mapping[str, nn.Module]:
        return {"generators": nn.ModuleList([self.there, self.back])}

    def products(self) -> Mapping[str, ImageGenerator]:
        return {"photo_to_sketch": self.there, "sketch_to_photo": self.back}

    def training_step(self, batch: Unpaired, update: Update) -> None:
        a, b = batch
        update("generators", there=F.l1_loss(self.there(a), b), back=F.l1_loss(self.back(b), a))


class Backwards(Sketches):
    """One product, from the second domain to the first, whose name says the opposite."""

    def products(self) -> Mapping[str, ImageGenerator]:
        return {"a_to_b": self.back}

    def directions(self) -> Mapping[str, Direction]:
        return {"a_to_b": Direction("b", "a")}


class Paired(Sketches):
    """One product on pairs."""

    batch = Pair

    def products(self) -> Mapping[str, ImageGenerator]:
        return {"depth": self.there}


PLUGINS = {"sketches": Sketches, "backwards": Backwards, "paired": Paired}


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, method in PLUGINS.items():
        monkeypatch.setitem(registry.methods._parts, name, method)


def train(name: str, folder: Path, *options: str) -> Path:
    (folder / "plugin.toml").write_text(RECIPE.format(name=name))
    settings = [*SIZES, "train.workers=0", "train.samples=2", "train.steps=2", "train.checkpoint_every=1", *options]
    chosen = recipe.load(folder / "plugin.toml", [str(tiny_world(folder / "world"))], settings)
    return run.train(chosen, folder / "run", reporter=Recorder())


@pytest.mark.parametrize(
    ("name", "product", "source", "target"),
    [
        ("sketches", "photo_to_sketch", "testA", "testB"),
        ("sketches", "sketch_to_photo", "testB", "testA"),
        ("backwards", "a_to_b", "testB", "testA"),
    ],
)
def test_a_product_is_measured_in_its_direction_whatever_its_name(
    name: str, product: str, source: str, target: str, tmp_path: Path
) -> None:
    folder = train(name, tmp_path, "collapse.every=0")
    kept, world = tmp_path / "kept", tmp_path / "world"
    evaluate_run(
        folder,
        [],
        ["structure"],
        open_instruments(["structure"]),
        product=product,
        device="cpu",
        keep=kept,
        overwrite=True,
    )
    for part, domain in (("source", source), ("real", target)):
        files = images.list_images(kept / part)
        assert files
        for file in files:
            assert np.array_equal(images.read(kept / part / file), images.read(world / domain / file))
    results = {result.name: result for result in generate_images(folder, 1).results}
    (result,) = (result for name, result in results.items() if product.replace("_", " ") in name)
    expected = images.read(world / source / f"{result.name.partition(',')[0]}.png")
    assert abs(result.given["input"].astype(int) - expected).max() <= 1


def test_four_members_are_enough_for_a_run(tmp_path: Path) -> None:
    folder = train("sketches", tmp_path, "collapse.every=1", "train.sample_every=1")
    assert not (folder / "scores.csv").exists()
    assert (folder / "best").resolve() == (folder / "latest").resolve(), "without a score the latest is the best"
    assert (folder / "samples/00000002.png").exists() and (folder / "diversity.csv").exists()


def build(name: str) -> Translation:
    table = {"name": name, "generator": {"name": "unet", "depth": 2, "features": 2}}
    return components.build(registry.methods, components.complete(registry.methods, table, "method"))


def test_more_products_than_directions_known_by_their_order_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sketches, "batch", Pair)
    with pytest.raises(ValueError, match=r"Sketches.directions is missing: .* photo_to_sketch, sketch_to_photo"):
        _ = build("sketches").channels


def test_channels_are_those_of_the_fields_whichever_product_takes_them() -> None:
    class Grey(Backwards):
        def __init__(self, *, generator: GeneratorFactory) -> None:
            super().__init__(generator=generator)
            self.back = generator(in_channels=1, out_channels=3)

    registry.methods._parts["backwards"] = Grey
    assert build("backwards").channels == (3, 1)


def test_generators_must_take_the_sources_and_discriminators_the_targets() -> None:
    method = build("paired")
    method.check_size((8, 12), (8, 12))
    with pytest.raises(ValueError, match="UnetGenerator can't take images of height 6"):
        method.check_size((6, 12), (8, 12))
    method.there.add_module("judge", discriminators["patchgan"](layers=2, features=1))
    with pytest.raises(ValueError, match="PatchGAN can't judge images of height 8"):
        method.check_size((16, 16), (8, 16))


def test_pairs_are_scored_by_their_mean_absolute_error() -> None:
    method = build("paired")
    held_out = [Pair(*torch.rand(2, 1, 3, 8, 8)) for _ in range(3)]
    fakes = [method.there(source) for source, _ in held_out]
    expected = torch.stack([(fake - pair.target).abs().mean() for fake, pair in zip(fakes, held_out, strict=True)])
    torch.testing.assert_close(method.score(held_out, method.products()), expected.mean())
    outputs = method.outputs(held_out, method.products())["depth"]
    assert all(map(torch.equal, outputs.fake, fakes)) and len(outputs.fake_logits) == 0
    (row, *_) = method.preview(held_out, method.products())
    assert list(row) == ["source", "fake", "target"] and torch.equal(row["fake"], fakes[0])
