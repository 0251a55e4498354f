"""What every method checks of its components."""

import pytest

from i2i import recipe, registry
from i2i.methods.base import Method
from i2i.recipe.components import build
from tests.worlds import TINY, TINY_RRDB

WGAN_GP, R1 = "method.adversarial=wgan-gp", "method.adversarial.r1_weight=10"
# By method: what gives its discriminator batch norm, and which option then adds a gradient penalty
MIXING = [
    ("pix2pix", "method.discriminator.norm=batch", WGAN_GP),
    ("cyclegan", "method.discriminator.norm=batch", WGAN_GP),
    ("real-esrgan", "method.discriminator.norm=batch", WGAN_GP),
    ("dcgan", "method.discriminator.norm=batch", WGAN_GP),
    ("dcgan", "method.discriminator.norm=batch", "method.r1_weight=10"),
    ("cyclegan", "method.discriminator.norm=batch", R1),
    ("pix2pix", "method.discriminator.norm=batch", R1),
    ("wgan-gp", "method.discriminator.norm=batch", WGAN_GP),
]


def built(method: str, overrides: list[str]) -> Method:
    chosen = recipe.load(recipe.find(method), ["unused"], overrides)
    return build(registry.methods, chosen.method)


@pytest.mark.parametrize(("method", "batch_norm", "penalty"), MIXING)
def test_a_gradient_penalty_on_a_discriminator_with_batch_norm_is_refused_with_what_helps(
    method: str, batch_norm: str, penalty: str
) -> None:
    said = r"method\.(adversarial\.)?(penalty_weight|r1_weight) = 10: .* set method.discriminator.norm=instance"
    with pytest.raises(ValueError, match=said):
        built(method, [*TINY[method], batch_norm, penalty])
    built(method, [*TINY[method], "method.discriminator.norm=instance", penalty])
    built(method, [*TINY[method], batch_norm, "method.adversarial=hinge"])


def test_of_a_discriminator_that_always_has_batch_norm_another_one_helps() -> None:
    settings = [*TINY_RRDB, "method.perceptual_weight=0", "method.discriminator.features=4"]
    with pytest.raises(ValueError, match=r"choose another method\.discriminator"):
        built("esrgan", [*settings, WGAN_GP])
    built("esrgan", settings)


def test_r1_of_the_method_and_of_the_objective_are_not_added() -> None:
    with pytest.raises(ValueError, match=r"method\.r1_weight and method\.adversarial\.r1_weight .* set one"):
        built("stylegan2", [*TINY["stylegan2"], R1])
    built("stylegan2", [*TINY["stylegan2"], R1, "method.r1_weight=0"])
