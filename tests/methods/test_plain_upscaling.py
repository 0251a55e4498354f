"""The steps of super-resolution give the weights of the published steps.

Compared in float64, as in `test_plain.py`.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor

from i2i import registry
from i2i.data.batch import Pair
from i2i.data.degradation.sharpen import sharpen
from i2i.losses.adversarial import Vanilla
from i2i.losses.perceptual import VGG19
from i2i.losses.relativistic import RelativisticAverage
from i2i.methods.esrgan import ESRGAN
from i2i.methods.pair_pool import PairPool
from i2i.methods.real_esrgan import RealESRGAN
from i2i.methods.upscaling import Upscaling
from i2i.recipe import Optimizer, components
from i2i.training.update import TrainingUpdate
from tests.plain import plain_step
from tests.vgg import SHALLOW, write_vgg19

STEPS, SCALE, LOW, HIGH = 4, 2, (16, 16), (32, 32)
OPTIONS = Optimizer(lr=1e-4, betas=(0.9, 0.99))
RRDB = {"name": "rrdb", "features": 4, "blocks": 1, "growth": 3}
DISCRIMINATORS: dict[str, dict[str, Any]] = {
    "vgg": {"size": 32, "features": 4},
    "dcgan": {"size": 32, "features": 4},
    "patchgan": {"layers": 1, "features": 4},
    "pixelgan": {"features": 4},
    "unet": {"features": 4},
}


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = write_vgg19(tmp_path_factory.mktemp("vgg") / "vgg19.safetensors", convolutions=3)
    return {"name": "vgg19", "layers": SHALLOW, "weights": str(file)}


def build(name: str, vgg: dict[str, Any], *, judge: str = "vgg", objective: str = "relativistic", **more: Any) -> Any:
    """A method in float64, each term of which has a weight that shows in the gradients."""
    table: dict[str, Any] = {"name": name, "scale": SCALE, "generator": RRDB, "pixel": {"name": "l1"}}
    if "gan" in name:
        options = DISCRIMINATORS[judge]
        if objective == "wgan-gp" and judge in ("patchgan", "pixelgan"):
            options = {**options, "norm": "instance"}
        table |= {"discriminator": {"name": judge, **options}, "adversarial": {"name": objective}, "perceptual": vgg}
        table |= {"pixel_weight": 0.3, "adversarial_weight": 0.2}
    torch.manual_seed(0)
    chosen = components.complete(registry.methods, table | more, "method")
    method = components.build(registry.methods, chosen).double().train()
    if name == "esrgan" and judge == "unet":
        method.discriminator.eval()  # the published step has one more pass, which advances spectral norm's iteration
    return method


def pairs(count: int = 2) -> list[Pair]:
    generator = torch.Generator().manual_seed(0)
    sizes = [(count, 3, *LOW), (count, 3, *HIGH)]
    return [Pair(*(torch.rand(size, generator=generator, dtype=torch.float64) for size in sizes)) for _ in range(STEPS)]


def weights_after(method: Upscaling, step: Callable[[Pair], None]) -> dict[str, Tensor]:
    torch.manual_seed(1)  # the pool and the gradient penalty draw, in the same order in both
    for batch in pairs():
        step(batch)
    return {name: weight.detach() for name, weight in method.named_parameters()}


def trained(method: Upscaling) -> dict[str, Tensor]:
    ours = deepcopy(method)
    update = TrainingUpdate(ours.players(), OPTIONS)
    return weights_after(ours, lambda batch: ours.training_step(batch, update))


def as_published(method: Upscaling) -> dict[str, Tensor]:
    plain = deepcopy(method)
    return weights_after(plain, plain_step(plain, OPTIONS))


def assert_trained_alike(method: Upscaling) -> None:
    ours = trained(method)
    for name, before in method.named_parameters():
        assert not torch.equal(ours[name], before) or name.endswith("head.bias"), f"{name} was not trained"
    torch.testing.assert_close(ours, as_published(method), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("judge", DISCRIMINATORS)
def test_esrgan_trains_as_published_with_every_discriminator(judge: str, vgg: dict[str, Any]) -> None:
    assert_trained_alike(build("esrgan", vgg, judge=judge))


@pytest.mark.parametrize("objective", list(registry.adversarial))
def test_esrgan_trains_as_published_with_every_objective(objective: str, vgg: dict[str, Any]) -> None:
    assert_trained_alike(build("esrgan", vgg, judge="patchgan", objective=objective))


@pytest.mark.parametrize("without", ["pixel_weight", "perceptual_weight", "adversarial_weight"])
def test_esrgan_trains_as_published_without_a_term(without: str, vgg: dict[str, Any]) -> None:
    assert_trained_alike(build("esrgan", vgg, **{without: 0.0}))


@pytest.mark.parametrize("pool", [0, 4])
@pytest.mark.parametrize("judge", ["unet", "vgg"])
def test_real_esrgan_trains_as_published(judge: str, pool: int, vgg: dict[str, Any]) -> None:
    assert_trained_alike(build("real-esrgan", vgg, judge=judge, objective="vanilla", pool=pool))


@pytest.mark.parametrize("name", ["rrdb-psnr", "real-esrnet"])
@pytest.mark.parametrize("loss", list(registry.pixel_losses))
def test_first_stages_train_as_published(name: str, loss: str, vgg: dict[str, Any]) -> None:
    assert_trained_alike(build(name, vgg, pixel={"name": loss}, **({"pool": 4} if name == "real-esrnet" else {})))


def unsharpened(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("i2i.methods.real_esrgan.sharpen", lambda images: images)


def sharpened_for_the_discriminator_too(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PairPool, "forward", lambda self, batch: Pair(batch.source, sharpen(batch.target)))
    unsharpened(patch)


def not_averaged(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RelativisticAverage, "generator", Vanilla().generator)


def real_and_fake_swapped(patch: pytest.MonkeyPatch) -> None:
    for objective in (RelativisticAverage, Vanilla):
        healthy = objective.discriminator
        patch.setattr(objective, "discriminator", lambda self, real, fake, healthy=healthy: healthy(self, fake, real))


class UpdateOfOne:
    """An update that leaves all players but one as they are."""

    def __init__(self, update: Any, player: str) -> None:
        self._update, self._player, self.step = update, player, update.step

    def __call__(self, player: str, **terms: Tensor) -> None:
        if player == self._player:
            self._update(player, **terms)


def discriminator_first(patch: pytest.MonkeyPatch) -> None:
    """The generator learns from a discriminator that has just learnt."""
    for method in (ESRGAN, RealESRGAN):

        def swapped(self: Any, batch: Pair, update: Any, step: Any = method.training_step) -> None:
            for one in ("discriminator", "generator"):
                step(self, batch, UpdateOfOne(update, one))

        patch.setattr(method, "training_step", swapped)


def activated_features(patch: pytest.MonkeyPatch) -> None:
    features = VGG19.features
    patch.setattr(
        VGG19, "features", lambda self, image: {k: found.relu() for k, found in features(self, image).items()}
    )


BREAKS = {
    "esrgan": [not_averaged, real_and_fake_swapped, discriminator_first, activated_features],
    "real-esrgan": [unsharpened, sharpened_for_the_discriminator_too, real_and_fake_swapped, discriminator_first],
}


@pytest.mark.parametrize(("name", "broken"), [(name, broken) for name in BREAKS for broken in BREAKS[name]])
def test_a_broken_step_differs_from_the_published_one(
    name: str, broken: Callable[[pytest.MonkeyPatch], None], vgg: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    objective = "relativistic" if name == "esrgan" else "vanilla"
    method = build(name, vgg, judge="patchgan", objective=objective)
    expected = as_published(method)
    broken(monkeypatch)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(trained(method), expected, rtol=1e-6, atol=1e-6)
