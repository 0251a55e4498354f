"""As `test_plain`, for generators of images from noise; and their published recipes at full size."""

from copy import deepcopy

import pytest
import torch

from i2i import recipe, registry
from i2i.data.batch import Images
from i2i.methods.base import Method
from i2i.methods.gan import GAN, is_generator_step
from i2i.recipe import Optimizer, components
from i2i.training.update import TrainingUpdate
from tests.plain import plain_step

STEPS = 4
OPTIONS = Optimizer().completed()
TINY = ["method.size=32", "method.generator.features=4", "method.discriminator.features=4"]
R3GAN = ["method.augment=none", "method.generator.group=4", "method.discriminator.group=4"]
NOT_LAZY = ["method.augment=none", "method.r1_weight=0", "method.path_weight=0"]
STYLE = ["method.generator.latent=4", "method.generator.style=4"]
CASES = {
    "dcgan": ["dcgan"],
    # Without norm: a bias in front of one moves by rounding noise alone
    "wgan-gp": ["wgan-gp", "method.critic_steps=2", "method.discriminator.norm=none"],
    "classes": ["dcgan", "method.classes=3"],
    "lazy R1": ["dcgan", "method.r1_weight=2", "method.r1_every=2", "method.discriminator.norm=none"],
    "fakes used twice": ["dcgan", "method.reuse_fakes=true", "method.classes=3"],
    "orthogonal": ["dcgan", "method.orthogonal_weight=0.1"],
    "hinge": ["dcgan", "method.adversarial=hinge"],
    "relativistic": ["dcgan", "method.adversarial=relativistic"],
    "clipped": ["dcgan", "method.adversarial=wgan", "method.critic_steps=3"],
    "minibatch": ["dcgan", "method.discriminator.minibatch=discrimination"],
    "another judge": ["dcgan", "method.discriminator=patchgan", "method.discriminator.features=4"],
    "r3gan": ["r3gan", "method.classes=3", *R3GAN],
    "stylegan2": ["stylegan2", "method.classes=3", "method.mixing=0.5", *NOT_LAZY, *STYLE],
    "stylegan3": ["stylegan3", "method.generator.layers=3", *NOT_LAZY, *STYLE],
    "biggan": ["biggan", "method.critic_steps=2", "method.classes=3"],
}


def build(name: str, *overrides: str) -> Method:
    chosen = recipe.load(recipe.find(name), ["unused"], overrides)
    torch.manual_seed(0)
    return components.build(registry.methods, chosen.method)


@pytest.mark.parametrize("case", CASES)
def test_the_step_is_the_published_one(case: str) -> None:
    name, *overrides = CASES[case]
    method = build(name, *TINY, *overrides).double()
    random = torch.Generator().manual_seed(0)
    batches = [
        Images(torch.rand(3, 3, 32, 32, generator=random, dtype=torch.float64) * 2 - 1, torch.tensor([0, 1, 2]))
        for _ in range(STEPS)
    ]
    ours, plain = deepcopy(method), deepcopy(method)
    torch.set_default_dtype(torch.float64)  # of the latents
    try:
        torch.manual_seed(1)
        update = TrainingUpdate(ours.players(), OPTIONS)
        for update.step, batch in enumerate(batches):
            ours.training_step(batch, update)
        torch.manual_seed(1)
        step = plain_step(plain, OPTIONS)
        for batch in batches:
            step(batch)
    finally:
        torch.set_default_dtype(torch.float32)
    weights, published, before = (dict(trained.named_parameters()) for trained in (ours, plain, method))
    moved = {name: (weights[name] - before[name]).abs().max() for name in weights}
    assert all(distance > OPTIONS.lr / 10 for name, distance in moved.items() if not name.endswith("bias")), moved
    torch.testing.assert_close(weights, published, rtol=1e-9, atol=1e-9)


def test_critic_steps_before_a_step_of_the_generator_are_those_of_wgan() -> None:
    """The loop of the authors' code (WassersteinGAN, main.py)."""
    expected, generator_steps = [], 0
    while len(expected) < 12_000:
        many = 100 if generator_steps < 25 or generator_steps % 500 == 0 else 5
        expected += [*[False] * (many - 1), True]
        generator_steps += 1
    assert [is_generator_step(step, 5, 100) for step in range(len(expected))] == expected
    assert generator_steps > 1000, "two of the later periods"


def test_uniform_latents_are_uniform_whatever_the_seed_gives() -> None:
    generator = build("dcgan", *TINY).generator
    w, _ = generator.map(torch.randn(2000, 100)).flatten().sort()
    assert (w - torch.linspace(-1, 1, len(w))).abs().max() < 0.01
    torch.testing.assert_close(generator.map(torch.tensor([[0.0, 100.0, -100.0]])), torch.tensor([[0.0, 1.0, -1.0]]))


@pytest.mark.parametrize("reuse", [False, True])
def test_the_generator_learns_from_fakes_and_labels_of_its_own_unless_they_are_reused(
    reuse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = build("dcgan", *TINY, "method.classes=10", f"method.reuse_fakes={str(reuse).lower()}")
    judged: list[tuple[torch.Tensor, torch.Tensor]] = []
    plain = method.judge
    monkeypatch.setattr(
        method, "judge", lambda image, label: judged.append((image.detach(), label)) or plain(image, label)
    )
    update = TrainingUpdate(method.players(), OPTIONS)
    label = torch.arange(10).repeat(2)
    method.training_step(Images(torch.zeros(20, 3, 32, 32), label), update)
    (_, real_label), (fake, fake_label), (own, own_label) = judged
    assert torch.equal(real_label, label) and torch.equal(fake_label, label)
    assert torch.equal(own, fake) == torch.equal(own_label, label) == reuse
    assert own_label.min() >= 0 and own_label.max() <= 9


@pytest.mark.parametrize("name", ["dcgan", "wgan", "wgan-gp"])
def test_the_published_networks_take_a_step_at_full_size(name: str) -> None:
    method = build(name)
    assert isinstance(method, GAN)
    update = TrainingUpdate(method.players(), OPTIONS)
    update.step = (method.warm_critic_steps or method.critic_steps) - 1
    image = torch.rand(2, 3, 64, 64) * 2 - 1
    method.training_step(Images(image, torch.zeros(2, dtype=torch.int64)), update)
    assert {"generator.gan", "discriminator.real", "discriminator.fake"} <= set(update.terms)


def test_the_generator_of_the_paper_has_the_paper_s_layers() -> None:
    # Figure 1: z of 100, then 1024, 512, 256 and 128 maps of 4 to 32 pixels, and 3 of 64
    generator = build("dcgan").generator
    weights = [tuple(each.shape) for name, each in generator.named_parameters() if each.ndim == 4]
    assert weights == [(100, 1024, 4, 4), (1024, 512, 4, 4), (512, 256, 4, 4), (256, 128, 4, 4), (128, 3, 4, 4)]
    assert not [layer for layer in generator.modules() if isinstance(layer, torch.nn.Linear)]
