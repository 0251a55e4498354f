"""Generators of images from noise learn, each in seconds; with a broken half of the game they do not.

On scikit-learn's handwritten digits, enlarged to 32 pixels, and on a mixture of 25 normal distributions in the plane.
"""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional as F

from i2i import recipe, registry
from i2i.data.batch import Images
from i2i.losses.adversarial import Adversarial, LeastSquares, Vanilla, WassersteinPenalty
from i2i.losses.relativistic import RelativisticPairing
from i2i.methods.gan import GAN
from i2i.networks.discriminators.base import Discriminator
from i2i.networks.generators.base import LatentGenerator
from i2i.recipe import Optimizer
from i2i.recipe.components import build
from i2i.training.update import TrainingUpdate

SMALL = ["method.size=32", "method.channels=1", "method.generator.features=16", "method.discriminator.features=16"]
ADAM = Optimizer(lr=2e-3, betas=(0.5, 0.999))
CRITIC_ADAM = Optimizer(lr=1e-3, betas=(0.0, 0.9))
SAMPLES = 500


class Digits(NamedTuple):
    """The data, and a classifier that was trained on them."""

    images: Tensor  # (N, 1, 32, 32) in [-1, 1]
    labels: Tensor
    classifier: LogisticRegression


@pytest.fixture(scope="module")
def digits() -> Digits:
    data = load_digits()
    large = [cv2.resize(image / 8 - 1, (32, 32), interpolation=cv2.INTER_LINEAR) for image in data.images]
    images = torch.tensor(np.stack(large), dtype=torch.float32)[:, None]
    classifier = LogisticRegression(max_iter=300).fit(features(images), data.target)
    return Digits(images, torch.from_numpy(data.target).long(), classifier)


def features(images: Tensor) -> np.ndarray:
    return F.avg_pool2d(images, 4).flatten(1).numpy()


def train(
    name: str, digits: Digits, steps: int, options: Optimizer, *settings: str, broken: str = "", batch: int = 32
) -> GAN:
    torch.manual_seed(0)
    chosen = recipe.load(recipe.find(name), ["digits"], [*SMALL, *settings])
    method = build(registry.methods, chosen.method)
    update = TrainingUpdate(method.players(), options)
    if broken == "frozen discriminator":
        update.optimizers["discriminator"].step = lambda: None  # type: ignore[method-assign]
    if broken == "gradient negated":
        for weight in method.generator.parameters():
            weight.register_hook(torch.neg)
    random = torch.Generator().manual_seed(0)
    for step in range(steps):
        update.begin_step(step, 1.0, progress=step / steps)
        chosen_ones = torch.randint(len(digits.images), (batch,), generator=random)
        method.training_step(Images(digits.images[chosen_ones], digits.labels[chosen_ones]), update)
    return method


class Learned(NamedTuple):
    classes: int  # that a sure classifier finds in 2% of the samples or more
    distance: float  # of the mean features, in mean distances of a digit from that mean
    right: float  # the share of samples that the classifier takes for the class of their label

    def passes(self, classes: int = 5) -> bool:
        return self.classes >= classes and self.distance < 0.8


def learned(method: GAN, digits: Digits) -> Learned:
    method.generator.eval()
    labels = torch.arange(SAMPLES) % 10
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        z = torch.randn(SAMPLES, method.generator.latent, generator=random)
        samples = features(method.generator(z, labels if method.classes else None))
    sureness = digits.classifier.predict_proba(samples)
    found = sureness.argmax(1)
    classes = sum(int(np.mean((found == each) & (sureness.max(1) > 0.9)) >= 0.02) for each in range(10))
    real = features(digits.images)
    spread = np.linalg.norm(real - real.mean(0), axis=1).mean()
    distance = float(np.linalg.norm(samples.mean(0) - real.mean(0)) / spread)
    return Learned(classes, distance, float(np.mean(found == labels.numpy())))


# Measured: 7 classes and 0.14 (worst of three seeds 5 and 0.34); 7 and 0.24; conditional 9, 0.63, right 0.92
def test_dcgan_learns_the_digits(digits: Digits) -> None:
    assert learned(train("dcgan", digits, 450, ADAM), digits).passes()


@pytest.mark.slow
def test_wgan_gp_learns_the_digits(digits: Digits) -> None:
    assert learned(train("wgan-gp", digits, 300, CRITIC_ADAM, "method.critic_steps=2"), digits).passes()


def test_a_conditional_dcgan_makes_the_digit_of_the_label(digits: Digits) -> None:
    result = learned(train("dcgan", digits, 200, ADAM, "method.classes=10"), digits)
    assert result.passes() and result.right > 0.7


class Lesson(NamedTuple):
    """How a recipe learns the digits, the fewest classes that it has to show, and the steps of a broken game."""

    steps: int
    options: Optimizer
    settings: list[str]
    classes: int = 5
    broken_steps: int = 100
    batch: int = 32


R3GAN_OPTIONS = Optimizer(lr=2e-3, betas=(0.0, 0.9))
R3GAN = [
    *("method.augment=none", "method.classes=10", "method.gamma=0.5", "method.last_gamma=0.05"),
    *("method.generator.latent=16", "method.generator.embedding=16", "method.generator.features=32"),
    *("method.generator.base=512", "method.generator.blocks=1", "method.discriminator.features=32"),
    *("method.discriminator.base=512", "method.discriminator.blocks=1"),
]
LINEAR = ["method.generator.features=128", "method.generator.latent=32", "method.discriminator.features=64"]
STYLEGAN3 = [
    *("method.augment=none", "method.r1_weight=0.1", "method.r1_every=4", "method.generator.latent=32"),
    *("method.generator.style=32", "method.generator.mapping_layers=2", "method.generator.mapping_lr=0.1"),
    *("method.generator.layers=4", "method.generator.base=256", "method.generator.magnitude_decay=0.95"),
    *("method.discriminator.features=32", "method.discriminator.base=512"),
]
CLIPPED = ["method.critic_steps=2", "method.warm_critic_steps=0", "method.adversarial.clip=0.02"]
SHORT_LATENT = "method.generator.latent=32"
# Measured, classes and distance: 9 and 0.43, 0.76 of them right (after 150 steps 7, 0.68, 0.58); 5 and 0.24; 6 and 0.25
# (after 450 steps 7 and 0.19); 7 and 0.14 (after 200 to 600 steps 4 to 7); of three seeds 5, 4, 3 and 0.50, 0.44, 0.42;
# of three seeds 7, 8, 7 and 0.13, 0.13, 0.15
LESSONS = {
    "r3gan": Lesson(200, R3GAN_OPTIONS, R3GAN),
    "gan": Lesson(900, Optimizer(lr=1e-3, betas=(0.5, 0.999)), LINEAR, classes=3, broken_steps=300),
    "lsgan": Lesson(300, ADAM, [SHORT_LATENT]),
    "wgan": Lesson(400, Optimizer(name="rmsprop", lr=5e-4), [*CLIPPED, SHORT_LATENT], classes=3),
    "stylegan3": Lesson(300, Optimizer(lr=3e-3, betas=(0.0, 0.99)), STYLEGAN3, classes=3, batch=8),
    "r3gan/small": Lesson(450, R3GAN_OPTIONS, ["method.gamma=0.2", "method.last_gamma=0.02", SHORT_LATENT]),
}
QUICK = {"gan", "r3gan/small"}
BY_NAME = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in LESSONS]


def taught(name: str, digits: Digits, *, broken: str = "") -> Learned:
    lesson = LESSONS[name]
    steps = lesson.broken_steps if broken else lesson.steps
    method = train(name, digits, steps, lesson.options, *lesson.settings, broken=broken, batch=lesson.batch)
    return learned(method, digits)


@pytest.mark.parametrize("name", BY_NAME)
def test_every_recipe_learns_the_digits(name: str, digits: Digits) -> None:
    assert taught(name, digits).passes(LESSONS[name].classes)


@pytest.mark.parametrize("name", BY_NAME)
def test_no_recipe_learns_them_from_a_frozen_discriminator(name: str, digits: Digits) -> None:
    assert not taught(name, digits, broken="frozen discriminator").passes(LESSONS[name].classes)


@pytest.mark.parametrize("broken", ["frozen discriminator", "gradient negated"])
def test_a_broken_game_teaches_nothing(broken: str, digits: Digits) -> None:
    result = learned(train("dcgan", digits, 100, ADAM, broken=broken), digits)
    assert not result.passes() and result.classes == 0 and result.distance > 1.2


CENTRES = torch.tensor([[x, y] for x in range(-2, 3) for y in range(-2, 3)]) / 2**0.5
DEVIATION = 0.05 / 2**0.5


def plane(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Linear(before, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU()),
        *(nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, after)),
    )


class Points(LatentGenerator):
    """Points of the plane, as images of one pixel and two channels."""

    latent, size, out_channels = 2, 1, 2

    def __init__(self) -> None:
        super().__init__()
        self.network = plane(2, 2)

    def synthesise(self, w: Tensor, label: Tensor | None = None) -> Tensor:
        return self.network(w)[:, :, None, None]


class PointJudge(Discriminator):
    in_channels = 2

    def __init__(self) -> None:
        super().__init__()
        self.network = plane(2, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.network(image.flatten(1))


def modes(objective: Adversarial, steps: int, *, critic_steps: int = 1, spoil: Callable[[TrainingUpdate], None]) -> int:
    """How many of the 25 modes are covered: hit by 10 or more of 2500 samples within four standard deviations."""
    torch.manual_seed(0)
    method = GAN(
        generator=lambda **_: Points(),
        discriminator=lambda **_: PointJudge(),
        adversarial=lambda: objective,
        size=1,
        channels=2,
        critic_steps=critic_steps,
    )
    update = TrainingUpdate(method.players(), Optimizer(lr=1e-3, betas=(0.5, 0.9)))
    spoil(update)
    random = torch.Generator().manual_seed(0)
    for step in range(steps):
        update.step = step
        centres = CENTRES[torch.randint(25, (256,), generator=random)]
        real = centres + DEVIATION * torch.randn(256, 2, generator=random)
        method.training_step(Images(real[:, :, None, None], torch.zeros(256, dtype=torch.int64)), update)
    with torch.no_grad():
        points = method.generator(torch.randn(2500, method.generator.latent, generator=random)).flatten(1)
    distance, nearest = torch.cdist(points, CENTRES).min(1)
    return int((torch.bincount(nearest[distance < 4 * DEVIATION], minlength=25) >= 10).sum())


@pytest.mark.slow  # a minute
@pytest.mark.parametrize(
    ("objective", "steps", "critic_steps"),
    [(Vanilla(), 2000, 1), (LeastSquares(), 2000, 1), (WassersteinPenalty(penalty_weight=0.1), 3000, 3)],
    ids=["vanilla", "lsgan", "wgan-gp"],
)
def test_most_modes_of_a_mixture_are_covered(objective: Adversarial, steps: int, critic_steps: int) -> None:
    # Measured: vanilla 24, lsgan 22, wgan-gp 21 of 25
    assert modes(objective, steps, critic_steps=critic_steps, spoil=lambda update: None) >= 18


@pytest.mark.slow  # a minute and a half
def test_paired_logits_with_r1_and_r2_cover_all_modes_of_a_mixture() -> None:
    # Measured: 20 after 2000 steps, 25 after 6000
    assert modes(RelativisticPairing(r1_weight=0.1, r2_weight=0.1), 6000, spoil=lambda update: None) == 25


def test_a_mixture_needs_a_discriminator_that_learns() -> None:
    def spoil(update: TrainingUpdate) -> None:
        update.optimizers["discriminator"].step = lambda: None  # type: ignore[method-assign]

    assert modes(LeastSquares(), 600, spoil=spoil) <= 3 < 12 <= modes(LeastSquares(), 600, spoil=lambda update: None)
