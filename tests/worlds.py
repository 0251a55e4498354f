"""Small data sets and small recipes for tests that train."""

from pathlib import Path

import cv2
import numpy as np
from sklearn.datasets import load_digits

from i2i import recipe
from i2i.data.world import make_world
from i2i_runtime import images

TINY = {
    "cyclegan": [
        "method.generator.blocks=1",
        "method.generator.features=4",
        "method.discriminator.features=4",
        "method.discriminator.layers=1",
        "method.history=3",
    ],
    "pix2pix": [
        "method.generator.name=resnet",
        "method.generator.blocks=1",
        "method.generator.features=4",
        "method.generator.norm=batch",
        "method.generator.dropout=true",
        "method.discriminator.features=4",
        "method.discriminator.layers=1",
    ],
}
TINY["cut"] = TINY["fastcut"] = [*TINY["cyclegan"][:-1], "method.patches=16", "method.projection=8"]
TINY["sim2real"] = [
    *TINY["cut"],
    "method.classes=8",
    "method.segmenter_steps=1",
    "method.segmenter.features=4",
    "method.segmenter.depth=2",
]
TINY["distil"] = [
    "method.generator.features=4",
    "method.generator.blocks=1",
    "method.discriminator.features=4",
    "method.discriminator.layers=1",
]
OF_TWO_FIELDS = tuple(TINY)
TINY_RRDB = [
    "method.scale=2",
    "method.generator.blocks=1",
    "method.generator.features=4",
    "method.generator.growth=2",
    "augment.train.crop.size=16",
    "train.batch_size=2",
]
TINY_GAN = [
    "method.perceptual_weight=0",
    "method.discriminator=patchgan",
    "method.discriminator.features=4",
    "method.discriminator.layers=1",
]
TINY |= {
    "rrdb-psnr": TINY_RRDB,
    "esrgan": [*TINY_RRDB, *TINY_GAN, "first.train.steps=2"],
    "real-esrnet": [*TINY_RRDB, "method.pool=6", "degradation.crop=8"],
    "real-esrgan": [*TINY_RRDB, *TINY_GAN, "method.pool=6", "degradation.crop=8", "first.train.steps=2"],
}
TINY_SPAN = ["method.scale=2", "method.generator.features=4", "augment.train.crop.size=16", "train.batch_size=2"]
TINY |= {
    "span": TINY_SPAN,
    "realplksr": [*TINY_SPAN, "method.generator.blocks=1", "method.generator.kernel=3"],
    "gigagan": [
        *TINY_SPAN,
        *(f"method.generator.{option}" for option in ("most_features=8", "depth=1", "style=8", "mapping_layers=1")),
        "method.perceptual_weight=0",
        "method.discriminator.features=4",
        "method.discriminator.most_features=8",
        "method.discriminator.levels=3",
        "first.train.steps=2",
    ],
    "real-span": [*TINY_SPAN, *TINY["real-esrgan"][len(TINY_RRDB) :]],
}
UPSCALERS = {"rrdb-psnr", "esrgan", "gigagan", "real-esrnet", "real-esrgan", "span", "realplksr", "real-span"}
TINY_DCGAN = [
    "method.size=32",
    "method.channels=1",
    "method.generator.latent=8",
    "method.generator.features=8",
    "method.discriminator.features=8",
    "train.batch_size=4",
]
TINY |= {
    "dcgan": TINY_DCGAN,
    "wgan": [*TINY_DCGAN, "method.critic_steps=2", "method.warm_critic_steps=0"],
    "wgan-gp": [*TINY_DCGAN, "method.critic_steps=2"],
    "biggan": [*TINY_DCGAN[:2], *TINY_DCGAN[3:]],
    "gan": TINY_DCGAN,
    "r3gan": [
        *TINY_DCGAN,
        *(
            f"method.{player}.{option}"
            for player in ("generator", "discriminator")
            for option in ("base=256", "group=4")
        ),
        "method.augment=ada",
        "method.last_augment=1",
    ],
}
TINY["stylegan2"] = [
    "method.size=32",
    "method.channels=1",
    "method.generator.latent=8",
    "method.generator.style=8",
    "method.generator.mapping_layers=2",
    "method.generator.base=128",
    "method.discriminator.base=128",
    "method.path_every=2",
    "method.r1_every=3",
    "train.batch_size=4",
]
TINY["stylegan3"] = [
    *(option for option in TINY["stylegan2"] if "path" not in option and "generator.base" not in option),
    "method.generator.layers=4",
    "method.generator.features=8",
    "method.generator.base=256",
    "method.blur=2",
    "method.blur_steps=4",
]
TINY["segmenter"] = [
    "method.classes=8",
    "method.segmenter.features=4",
    "method.segmenter.most_features=8",
    "method.segmenter.depth=2",
    "method.class_weights=balanced",
    "augment.train.scale_short.size=20",
    "augment.train.crop.size=16",
    "augment.test.scale_short.size=16",
    "train.batch_size=2",
]
SIZES = ["augment.train.resize.size=18", "augment.train.crop.size=16", "augment.test.resize.size=16"]


def overrides(method: str, *more: str) -> list[str]:
    sizes = SIZES if method in OF_TWO_FIELDS else []
    return [*TINY[method], *sizes, "train.workers=0", "train.samples=2", *more]


def upscales(method: str) -> bool:
    """True for a method of super-resolution, which trains on one folder of photos."""
    return method in UPSCALERS


def tiny_data(method: str, folder: Path) -> Path:
    """A data set of the kind that a method takes."""
    if method in OF_TWO_FIELDS or method == "segmenter":
        return tiny_world(folder)
    return tiny_world(folder) / "trainB" if upscales(method) else digits(folder, each=4)


def tiny_recipe(method: str, data: Path, *more: str) -> recipe.Recipe:
    return recipe.load(recipe.find(method), [str(data)], overrides(method, *more))


def tiny_world(folder: Path, count: int = 12) -> Path:
    make_world(folder, count=count, size=16, seed=0)
    return folder


def digits(folder: Path, *, size: int = 32, each: int = 100, classes: range = range(10)) -> Path:
    """Handwritten digits (scikit-learn's, 8x8 pixels, grey) enlarged to `size`, one folder for each class."""
    data = load_digits()
    for digit in classes:
        (folder / str(digit)).mkdir(parents=True)
        for index in np.flatnonzero(data.target == digit)[:each]:
            image = cv2.resize(data.images[index] * 255 / 16, (size, size), interpolation=cv2.INTER_LINEAR)
            images.write(folder / str(digit) / f"{index}.png", image.round().astype(np.uint8)[..., None])
    return folder


class Recorder:
    """A reporter that keeps messages and steps."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.steps: list[int] = []

    def progress(self, progress: object) -> None:
        self.steps.append(progress.step)  # type: ignore[attr-defined]

    def notify(self, message: str) -> None:
        self.messages.append(message)
