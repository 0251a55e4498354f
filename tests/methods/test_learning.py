"""Whole short runs on the built-in world: a healthy method clears a bar on held-out scenes, and a broken one does not.

No single measure sees every break. A Pix2Pix without its discriminator has a better PSNR than a healthy one, and no
texture; with the sign flipped it has both, and scenes that cannot be read. A CycleGAN without its cycle cannot find
its way back, and one without identity changes what is real already, however right either may look.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from _pytest.mark import ParameterSet
from torch import Tensor, nn
from torch.nn import functional as F

from i2i import inference, recipe
from i2i.data.world import CLASSES, make_world
from i2i.losses.adversarial import LeastSquares
from i2i.metrics.psnr import psnr
from i2i.training import run
from i2i_runtime import images
from tests.measures import mean_iou, texture
from tests.worlds import Recorder

SIZE, SCENES = 32, 120
SMALL = [
    "method.generator.features=16",
    "method.discriminator.features=16",
    "train.batch_size=4",
    "train.workers=0",
]
# Recipe, and what makes it small.
RECIPES: dict[str, tuple[str, list[str]]] = {
    "pix2pix": (
        "general",
        [
            "method.generator.depth=3",
            "method.generator.norm=instance",
            "method.generator.dropout=false",
            "method.discriminator.layers=2",
            "method.discriminator.norm=instance",
            "method.adversarial=lsgan",
            "method.l1_weight=10",  # light, so that the discriminator has a say within so few steps
            "augment.train.resize=false",
            "augment.train.crop=false",
            "augment.test.resize=false",
            "optimizer.lr=1e-3",
            "train.steps=400",
        ],
    ),
    # The recipe of the demo.
    "cyclegan": (
        "sim2real",
        ["method.generator.depth=3", "optimizer.lr=2e-3", "train.ema=0.98", "train.steps=200"],
    ),
    "sim2real": (
        "small",
        [
            "method.generator.blocks=2",
            "method.segmenter.features=8",
            "method.segmenter_steps=200",
            "method.layers=[0, 4, 8]",
            "method.patches=64",
            "method.projection=64",
            "augment.train.scale_short=false",
            "augment.train.crop=false",
            "augment.test.scale_short=false",
            "optimizer.lr=1e-3",
            "train.ema=0.98",
            "train.precision=float32",
            "train.steps=450",
        ],
    ),
}
# The products there, and back
ENDS = {"pix2pix": ["source_to_target"], "cyclegan": ["a_to_b", "b_to_a"], "sim2real": ["a_to_b"]}


class Scores(NamedTuple):
    """On held-out scenes, means over all of them."""

    psnr: float  # dB, of the translations against the truth
    texture: float  # high-frequency energy of the translations over that of the truth
    mean_iou: float  # of the classes that a segmenter of real images sees in the translations, against the labels
    cycle_psnr: float = float("inf")  # dB, of the way there and back against the source
    identity_psnr: float = float("inf")  # dB, of what is real already and should stay as it is


# Every score must be higher. Between the worst healthy run and the best one of a kind of break, over several seeds:
#   Pix2Pix, 6 seeds    PSNR 19.6 | 17.5 without L1, 15.7 with shuffled pairs (with no or a swapped discriminator 21.3)
#                       texture 0.93 | 0.06 without the discriminator, 0.08 with real and fake swapped
#                       mean IoU 0.52 | 0.38 with the sign flipped
#   CycleGAN, 4 seeds   PSNR 19.2 | 17.0 without cycle and identity, 14.8 with any break of the discriminator
#                       mean IoU 0.39 | 0.17 with any break of the discriminator
#                       cycle PSNR 18.2 | 16.2 without the cycle
#                       identity PSNR 21.5 | 17.3 without the identity (its PSNR comes up to 18.4)
#   sim2real, 3 worlds  PSNR 15.2 | 11.8 with any break of the discriminator
#                       mean IoU 0.27 | 0.12 with any break of the discriminator
BARS = {
    "pix2pix": Scores(psnr=18.5, texture=0.5, mean_iou=0.45, cycle_psnr=0.0, identity_psnr=0.0),
    "cyclegan": Scores(psnr=18.1, texture=0.0, mean_iou=0.27, cycle_psnr=17.2, identity_psnr=19.4),
    "sim2real": Scores(psnr=13.5, texture=0.0, mean_iou=0.2, cycle_psnr=0.0, identity_psnr=0.0),
}


class Break(NamedTuple):
    """Something that a working method would not do: other options, another objective, other data."""

    options: tuple[str, ...] = ()
    patch: Callable[[pytest.MonkeyPatch], None] | None = None
    shuffled: bool = False


def discriminator_off(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LeastSquares, "generator", lambda self, fake, real=None: 0 * fake.sum())


def sign_flipped(patch: pytest.MonkeyPatch) -> None:
    """The generator lowers the logits of its fakes."""
    healthy = LeastSquares.generator
    patch.setattr(LeastSquares, "generator", lambda self, fake, real=None: -healthy(self, fake, real))


def discriminator_frozen(patch: pytest.MonkeyPatch) -> None:
    healthy = LeastSquares.discriminator

    def frozen(self: LeastSquares, real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
        return {name: 0 * term for name, term in healthy(self, real_logits, fake_logits).items()}

    patch.setattr(LeastSquares, "discriminator", frozen)


def real_and_fake_swapped(patch: pytest.MonkeyPatch) -> None:
    healthy = LeastSquares.discriminator
    patch.setattr(
        LeastSquares, "discriminator", lambda self, real_logits, fake_logits: healthy(self, fake_logits, real_logits)
    )


BREAKS: dict[str, dict[str, Break]] = {
    "pix2pix": {
        "discriminator off": Break(patch=discriminator_off),
        "sign flipped": Break(patch=sign_flipped),
        "pairs shuffled": Break(shuffled=True),
        "real and fake swapped": Break(patch=real_and_fake_swapped),
        "no l1": Break(("method.l1_weight=0",)),
    },
    "cyclegan": {
        "sign flipped": Break(patch=sign_flipped),
        "neither cycle nor identity": Break(("method.cycle_weight=0",)),
        "discriminator off": Break(patch=discriminator_off),
        "discriminator frozen": Break(patch=discriminator_frozen),
        "real and fake swapped": Break(patch=real_and_fake_swapped),
        "no identity": Break(("method.identity_weight=0",)),
        # The identity's weight is relative to the cycle's; their product stays.
        "no cycle": Break(("method.cycle_weight=1e-5", "method.identity_weight=5e5")),
    },
    "sim2real": {
        "discriminator off": Break(patch=discriminator_off),
        "sign flipped": Break(patch=sign_flipped),
        "discriminator frozen": Break(patch=discriminator_frozen),
        "real and fake swapped": Break(patch=real_and_fake_swapped),
    },
}


FAST = {
    "pix2pix": {"discriminator off", "sign flipped", "pairs shuffled"},
    "cyclegan": {"neither cycle nor identity"},
    "sim2real": {"discriminator off"},
}  # one for each measure that decides; the other breaks are slow tests


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learning") / "world"
    make_world(folder, count=SCENES, size=SIZE, seed=0)
    return folder


def pictures(folder: Path) -> Tensor:
    """(N, C, H, W) in [0, 1]."""
    stack = np.stack([images.to_float(images.read(file)) for file in sorted(folder.glob("*.png"))])
    return torch.from_numpy(stack).permute(0, 3, 1, 2)


def labels(folder: Path) -> Tensor:
    return pictures(folder)[:, 0].mul(255).round().long()


@pytest.fixture(scope="module")
def segmenter(world: Path) -> nn.Module:
    """Reads the classes off real images."""
    seen, truth = pictures(world / "trainB"), labels(world / "trainA_labels")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Segmenter()
        optimizer = torch.optim.Adam(net.parameters(), 4e-3)
        for _ in range(250):
            chosen = torch.randint(len(seen), (8,))
            F.cross_entropy(net(seen[chosen]), truth[chosen]).backward()
            optimizer.step()
            optimizer.zero_grad()
    return net.eval()


class Segmenter(nn.Module):
    """Two scales, joined at the finer one."""

    def __init__(self, features: int = 20) -> None:
        super().__init__()
        self.fine = self._block(3, features)
        self.coarse = nn.Sequential(self._block(features, 2 * features, 2), self._block(2 * features, 2 * features))
        self.joined = nn.Sequential(self._block(3 * features, features), nn.Conv2d(features, len(CLASSES), 1))

    @staticmethod
    def _block(inner: int, outer: int, stride: int = 1) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(inner, outer, 3, stride, 1), nn.BatchNorm2d(outer), nn.ReLU())

    def forward(self, image: Tensor) -> Tensor:
        fine = self.fine(image)
        return self.joined(torch.cat([fine, F.interpolate(self.coarse(fine), scale_factor=2)], dim=1))


def learn(method: str, world: Path, out: Path, *options: str) -> None:
    name, small = RECIPES[method]
    chosen = recipe.load(recipe.find(method, [name]), [str(world)], [*SMALL, *small, *options])
    run.train(chosen, out, reporter=Recorder(), device="cpu")


def score(method: str, world: Path, out: Path, segmenter: nn.Module) -> Scores:
    there, *back = (inference.load(out, product=product, device="cpu") for product in ENDS[method])
    source, truth = pictures(world / "testA"), pictures(world / "testB")
    ours = there(source)
    with torch.no_grad():
        seen = segmenter(ours).argmax(1)
    inverse = [psnr(direction(ours), source).mean().item() for direction in back]
    inverse += [psnr(there(truth), truth).mean().item() for _ in back]
    return Scores(
        psnr(ours, truth).mean().item(),
        (texture(ours).mean() / texture(truth).mean()).item(),
        mean_iou(seen, labels(world / "testA_labels"), len(CLASSES)),
        *inverse,
    )


def shuffled(world: Path, folder: Path) -> Path:
    """The same images, each beside the truth of the scene before it."""
    shutil.copytree(world, folder)
    files = sorted((world / "trainB").iterdir())
    for file, other in zip(files, files[-1:] + files[:-1], strict=True):
        shutil.copy(file, folder / "trainB" / other.name)
    return folder


def clears_the_bar(method: str, scores: Scores) -> bool:
    return all(found > bar for found, bar in zip(scores, BARS[method], strict=True))


def cases() -> Iterator[ParameterSet]:
    for method, breaks in BREAKS.items():
        for name in breaks:
            marks = () if name in FAST[method] else pytest.mark.slow
            yield pytest.param(method, name, marks=marks, id=f"{method}-{name.replace(' ', '-')}")


def test_the_segmenter_reads_real_images_and_no_simulated_ones(segmenter: nn.Module, world: Path) -> None:
    truth = labels(world / "testA_labels")
    with torch.no_grad():
        seen = [segmenter(pictures(world / folder)).argmax(1) for folder in ("testB", "testA")]
    real, sim = (mean_iou(image, truth, len(CLASSES)) for image in seen)
    assert real > 0.8
    assert sim < 0.2


@pytest.mark.parametrize("method", BARS)
def test_a_healthy_run_clears_the_bar(method: str, world: Path, segmenter: nn.Module, tmp_path: Path) -> None:
    learn(method, world, tmp_path / "run")
    scores = score(method, world, tmp_path / "run", segmenter)
    assert clears_the_bar(method, scores), scores


@pytest.mark.parametrize(("method", "name"), list(cases()))
def test_a_broken_run_does_not(
    method: str, name: str, world: Path, segmenter: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, patch, is_shuffled = BREAKS[method][name]
    if patch:
        patch(monkeypatch)
    learn(method, shuffled(world, tmp_path / "world") if is_shuffled else world, tmp_path / "run", *options)
    scores = score(method, world, tmp_path / "run", segmenter)
    assert not clears_the_bar(method, scores), scores
