"""Data sets by name: published ones, downloaded once into a cache, and the built-in world, which is drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, cast

from i2i.data.archive import unpack
from i2i.data.cache import cache_folder, exclusive_lock
from i2i.download import MAX_BYTES, Unreachable, download
from i2i.registry import datasets, did_you_mean

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total): bytes for "downloading" and "unpacking", scenes for "drawing"; 0 if unknown."""

SERVER = "https://efrosgans.eecs.berkeley.edu"


class KnownData(Protocol):
    """A data set in the registry `datasets`, which can prepare a folder of images.

    `kinds` says what the folder holds: "paired" or "unpaired" images, or photos of "high" resolution. `prepare` creates
    the new folder, complete or not at all, and raises ValueError with what to do instead.
    """

    @property
    def name(self) -> str: ...
    @property
    def kinds(self) -> tuple[str, ...]: ...
    @property
    def size(self) -> str: ...
    @property
    def description(self) -> str: ...
    def prepare(self, folder: Path, progress: Progress | None = None) -> None: ...


@dataclass(frozen=True)
class Archive:
    """A data set to download: a .zip or .tar.gz whose single top folder is the data set."""

    name: str
    kinds: tuple[str, ...]
    url: str
    size: str
    description: str
    sha256: str = ""

    @property
    def max_bytes(self) -> int:
        """Twice the size, where that is one such as "1.5 GB"."""
        number, _, unit = self.size.partition(" ")
        factor = {"MB": 10**6, "GB": 10**9}.get(unit)
        return int(2 * float(number) * factor) if factor else MAX_BYTES

    def prepare(self, folder: Path, progress: Progress | None = None) -> None:
        """Download and unpack the archive, unless it lies beside `folder`, and delete it."""
        archive = folder.parent / self.url.rpartition("/")[2]
        if not archive.exists():
            shown = progress and partial(progress, "downloading")
            try:
                download(self.url, archive, sha256=self.sha256, max_bytes=self.max_bytes, progress=shown)
            except Unreachable as error:
                raise ValueError(
                    f"{error}; put a copy of that archive at {archive}, or its images into {folder}, "
                    "or name a copy of the server in $I2I_MIRROR"
                ) from error
        unpack(archive, folder, progress=progress and partial(progress, "unpacking"))
        archive.unlink()


@dataclass(frozen=True)
class Restricted:
    """A data set whose licence forbids copies, so that users have to download it themselves."""

    name: str
    kinds: tuple[str, ...]
    size: str
    description: str
    home: str

    def prepare(self, folder: Path, progress: Progress | None = None) -> None:
        raise ValueError(f"{self.name}: its licence forbids copies; get it at {self.home} and put images into {folder}")


@dataclass(frozen=True)
class BuiltInWorld:
    """Drawn streets: A as a simulator renders them, B as a camera sees them, the same scenes in both."""

    name: str = "sim2real"
    kinds: tuple[str, ...] = ("paired", "unpaired")
    size: str = "200 scenes of 64x64"
    description: str = "built in: drawn streets as rendered by a simulator and as seen by a camera, with labels"

    def prepare(self, folder: Path, progress: Progress | None = None) -> None:
        from i2i.data.world import make_world

        make_world(folder, count=200, size=64, seed=0, progress=progress and partial(progress, "drawing"))


def _unpaired(name: str, size: str, description: str, sha256: str = "") -> Archive:
    """A set of the CycleGAN paper (Zhu et al. 2017, https://arxiv.org/abs/1703.10593): trainA, trainB, testA, testB."""
    url = f"{SERVER}/cyclegan/datasets/{name.removesuffix('-unpaired')}.zip"
    return Archive(name, ("unpaired",), url, size, description, sha256)


def _paired(name: str, size: str, description: str) -> Archive:
    """A set of the Pix2Pix paper (Isola et al. 2017, https://arxiv.org/abs/1611.07004): pairs in one file."""
    return Archive(name, ("paired",), f"{SERVER}/pix2pix/datasets/{name}.tar.gz", size, description)


# The SHA-256 digests and the sizes beside them are from TensorFlow Datasets, other sizes from the server's listing.
_SETS: tuple[KnownData, ...] = (
    _unpaired("horse2zebra", "117 MB", "horses and zebras of ImageNet",
              "a74d9d392eecca9966b51287a76ca126af473d9de4f3e8fc0e9cda08fa1730a1"),
    _unpaired("apple2orange", "78 MB", "apples and oranges of ImageNet",
              "845a191e9af8926408ea597001cd03a452e3300a1f44a79fe329b3d59f6e3eb8"),
    _unpaired("summer2winter_yosemite", "133 MB", "Yosemite in summer and in winter",
              "167fe1726807a9d22bd106b4a6c0bd7953b688af924ac1bf967439c4961e49f9"),
    _unpaired("monet2photo", "305 MB", "paintings by Monet and photographs of landscapes",
              "88f91b00fc228f97c9411fbf1880ec1d119c98f1722e4cfcfaa2fb35fac05b04"),
    _unpaired("cezanne2photo", "280 MB", "paintings by Cezanne and photographs of landscapes",
              "3a6c10ca21f9485862f1cbd707744b9dc258954a04631271d23a3605eeb63cff"),
    _unpaired("ukiyoe2photo", "293 MB", "ukiyo-e prints and photographs of landscapes",
              "02a2a2fb5ecf425ca1bf86aca7304377da64a2a1d3b86df54eb65e4068bf3b08"),
    _unpaired("vangogh2photo", "307 MB", "paintings by Van Gogh and photographs of landscapes",
              "362c3473e70be0944bda08d49d660eafdc2854df55d697835b8186d1d79caaff"),
    _unpaired("iphone2dslr_flower", "340 MB", "flowers by a telephone and by a reflex camera",
              "8fcb5e374d631b107e1d961b8c4cd0a186aa2a4ff3e279923f4c426128de7113"),
    _unpaired("maps-unpaired", "1.5 GB", "aerial photographs and maps, unpaired",
              "639534f69dbf9f36bef8d6292a7698006361221f83f0285d7c9ca78afe6e8a9e"),
    _unpaired("facades-unpaired", "35 MB", "facades and label maps, unpaired",
              "9a31ebf3a31b9b5cd195dd5bf62e9308e00cb94604d1019e3889ac84248695c0"),
    _unpaired("ae_photos", "10 MB", "photographs published beside the CycleGAN sets"),
    _unpaired("grumpifycat", "19 MB", "two kinds of cats"),
    _paired("facades", "29 MB", "400 photographs of facades, left, and their label maps, right"),
    _paired("maps", "239 MB", "1096 aerial photographs, left, and maps, right"),
    _paired("edges2shoes", "2.0 GB", "50,000 edge drawings, left, and photographs of shoes, right"),
    _paired("edges2handbags", "8.0 GB", "137,000 edge drawings, left, and photographs of handbags, right"),
    _paired("night2day", "1.9 GB", "views by night and by day"),
    # Agustsson and Timofte, 2017, "NTIRE 2017 Challenge on Single Image Super-Resolution: Dataset and Study".
    Archive("div2k", ("high",), "https://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_train_HR.zip", "3.5 GB",
            "800 photographs of two megapixels and more, for super-resolution (academic use)",
            "9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335"),
    Restricted("cityscapes", ("paired", "unpaired"), "2975 images", "streets and label maps", "cityscapes-dataset.com"),
    BuiltInWorld(),
)  # fmt: skip
for each in _SETS:
    datasets.register(each.name)(each)


def find(name: str | Path, *, kind: str = "", notify: Callable[[str], None] = lambda message: None) -> Path:
    """The folder `name`, else that of the known data set `name` (see `cached`).

    `notify` gets a line about where the data come from, where that is not obvious. Raises ValueError, with the nearest
    known name, for a name that is neither.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        if str(name) in datasets:
            notify(f"{name}: the folder {folder.resolve()}, not the known data set of that name")
        return folder
    if folder.exists():
        raise ValueError(f"{folder}: a file; give the folder that holds the images")
    if str(name) != folder.name:
        raise ValueError(f"{name}: no such folder")
    return cached(str(name), kind=kind, notify=notify)


def cached(
    name: str,
    *,
    kind: str = "",
    progress: Progress | None = None,
    notify: Callable[[str], None] = lambda message: None,
) -> Path:
    """The folder of a known data set in the cache, prepared by one process at a time where it is missing.

    `kind` is what the method needs, "paired", "unpaired" or "high"; empty for any. `facades` is `facades-unpaired`
    where unpaired data are needed. Raises ValueError for an unknown name, a set of another kind, and like `prepare`.
    """
    dataset = _lookup(name, kind)
    folder = cache_folder("data") / dataset.name
    if not folder.exists():
        notify(f"{dataset.name}: {dataset.description} ({dataset.size}), into {folder}")
        with exclusive_lock(folder, "data"):
            if not folder.exists():
                dataset.prepare(folder, progress)
    else:
        notify(f"{dataset.name}: from {folder}")
    return folder


def _lookup(name: str, kind: str) -> KnownData:
    known = {each: cast(KnownData, datasets[each]) for each in datasets}
    if name not in known:
        raise ValueError(f"{name}: no such folder, and no data set of that name; {did_you_mean(name, known)}")
    for each in (name, f"{name}-{kind}"):
        if each in known and (not kind or kind in known[each].kinds):
            return known[each]
    fitting = ", ".join(each for each in known if kind in known[each].kinds)
    raise ValueError(f"{name}: {' and '.join(known[name].kinds)} data where {kind} are needed; {kind} are: {fitting}")
