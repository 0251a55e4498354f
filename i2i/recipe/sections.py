"""The sections of a recipe that every run has. Every key has a description, from which its manual is generated.

The tables of components, such as `method`, are checked against their constructors instead, in `i2i.recipe.components`.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from i2i import registry
from i2i.recipe.components import STRICT, complete

Warmup = bool | Literal["cosine", "proportional"]
Steps = dict[str, dict[str, Any] | Literal[False]]
SUPPLIED = ("parameters",)  # options of an optimiser that the trainer gives


class Data(BaseModel):
    """The images that a run learns from."""

    model_config = STRICT
    source: list[str] = Field(
        default=[],
        description="A known data set (`i2i list datasets`), one folder, or two folders; set by the command line.",
    )
    direction: Literal["a_to_b", "b_to_a"] = Field(
        default="a_to_b", description="Which half of a pair, or which folder, is the source; pairs only."
    )
    layout: Literal["auto", "side-by-side", "flat"] = Field(
        default="auto",
        description="auto: recognised from the names of folders and files. side-by-side: every image is a pair, a on "
        "its left and b on its right. flat: all images below a folder are for training, whatever folders they lie in.",
    )
    suffixes: list[str] = Field(
        default=[],
        description='Ends of the names of a and of b in pairs, such as `["_leftImg8bit", "_gtFine_color"]`. Empty: '
        "names are equal, or their ends are recognised.",
    )
    classes: list[str] = Field(
        default=[],
        description="Names of the classes in the order of their numbers. Empty: the folders, sorted; of label maps, "
        "the lines of classes.txt beside them, or the names in the class map.",
    )
    labels: list[str] = Field(
        default=[],
        description="Folders of label maps, of a and of b, for methods that take these; an empty text for a domain "
        "without. Empty: found beside the images, as trainA_labels/ beside trainA/, sim_labels/ beside sim/, labels/ "
        "beside images/.",
    )
    class_map: str = Field(
        default="",
        description="File (.json, .toml, .csv) with the class of each number or colour in the label maps. Empty: "
        "numbers are class indices, and 255 is none.",
    )
    label_maps: list[str] = Field(
        default=[],
        description="Fields of a sample (source, target, a, b) that are label maps: class indices, resized by nearest "
        "neighbour.",
    )


def _in_order(steps: Steps) -> str:
    sizes = {name: options.get("size", options.get("width", "")) for name, options in steps.items() if options}
    return ", ".join(f"{name} {sizes.get(name, '')}".rstrip() for name in steps) or "none"


class Augment(BaseModel):
    """Augmentation pipelines: step name -> options, in order; `false` leaves a step out."""

    model_config = STRICT
    train: Steps = Field(default={}, description="Steps for training images, on the CPU, as they are read.")
    test: Steps = Field(default={}, description="Steps for held-out images.")
    batch: Steps = Field(default={}, description="Steps for a training batch, on the device.")

    def order(self) -> str:
        """The steps of each pipeline in order, with their sizes: `train: resize 286, crop 256, flip; test: none`."""
        return "; ".join(f"{part}: {_in_order(getattr(self, part))}" for part in ("train", "test"))


class Optimizer(BaseModel):
    """Component table of every player's optimiser, `i2i list optimizers`; a player may have its own."""

    model_config = STRICT | ConfigDict(extra="allow")  # the options of the component
    name: str = Field(default="adam", description="The optimiser.")
    players: dict[str, dict[str, Any]] = Field(
        default={},
        description="Tables `[optimizer.players.NAME]` for players whose options differ. One that names another "
        "optimiser starts from its defaults.",
    )

    def of(self, player: str) -> dict[str, Any]:
        """The component table of one player's optimiser."""
        own = self.players.get(player, {})
        shared = {"name": self.name, **(self.model_extra or {})}
        return own if own.get("name", self.name) != self.name else shared | own

    def completed(self) -> "Optimizer":
        """With all defaults of the shared optimiser. Raises ValueError for unknown names and options, players' too."""
        for player in self.players:
            complete(registry.optimizers, self.of(player), f"optimizer.players.{player}", SUPPLIED)
        table = {"name": self.name, **(self.model_extra or {})}
        return Optimizer(**complete(registry.optimizers, table, "optimizer", SUPPLIED), players=self.players)


class Train(BaseModel):
    """Length, speed and records of a run. A step is one training step on `batch_size` images."""

    model_config = STRICT
    seed: int = Field(default=0, ge=0, lt=2**63, description="Seed of weights, order, augmentation and noise.")
    steps: int = Field(
        default=0, ge=0, le=10**9, description="Training steps. 0: `epochs` times the steps of an epoch."
    )
    epochs: int = Field(
        default=200,
        ge=1,
        le=10**9,
        description="Passes over the data, where `steps` is 0; setting it sets `steps` to 0.",
    )
    batch_size: int = Field(default=1, ge=1, le=65_536, description="Images per step, over all processes.")
    accumulate: int = Field(
        default=1,
        ge=1,
        le=65_536,
        description="Micro-batches of a step, whose gradients are accumulated: the step of the whole batch in less "
        "memory and more time. Batch norm sees a micro-batch.",
    )
    start: str | list[str] = Field(
        default="",
        description="Weights that the generators start from, and the discriminators where they are there too: a run, a "
        "published file, or a name of `i2i list weights`; a list of files where a method has several generators.",
    )
    workers: int = Field(default=2, ge=0, le=256, description="Processes that read images, for each training process.")
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32", description="Precision of forward passes; bfloat16 is autocast, weights stay float32."
    )
    compile: bool = Field(default=False, description="Compile the networks with torch.compile.")
    channels_last: bool = Field(
        default=False, description="Channels-last memory layout: faster for many networks, slower for instance norm."
    )
    ema: float = Field(
        default=0.0, ge=0, lt=1, description="Decay per step of the generators' moving average, which is kept. 0: none."
    )
    ema_warmup: Warmup = Field(
        default=True,
        description="Let that decay rise at first. true: as (1 + steps) / (10 + steps), which no paper has. cosine: "
        "its half-life grows from 0 along half a cosine over the run (R3GAN). proportional: it is at most a twentieth "
        "of the steps so far (StyleGAN2-ADA's configurations auto and cifar). false: not at all.",
    )
    clip_norm: float = Field(default=0.0, ge=0, le=1e9, description="Largest gradient norm of a player. 0: no limit.")
    log_every: int = Field(default=50, ge=1, le=10**9, description="Steps between rows of losses.csv.")
    sample_every: int = Field(
        default=1000, ge=1, le=10**9, description="Steps between sample sheets of held-out images."
    )
    samples: int = Field(default=4, ge=1, le=1_000_000, description="Held-out images on a sample sheet.")
    checkpoint_every: int = Field(default=1000, ge=1, le=10**9, description="Steps between checkpoints.")
    keep: int = Field(default=3, ge=1, le=1_000_000, description="Latest checkpoints to keep, besides the best.")


class Collapse(BaseModel):
    """Detection of mode collapse, on held-out images and fixed noise."""

    model_config = STRICT
    every: int = Field(default=100, ge=0, le=10**9, description="Steps between measurements. 0: never.")
    least: float = Field(
        default=0.25,
        ge=0,
        le=1000,
        description="Warn where outputs have less than this share of real images' diversity.",
    )
    stop: bool = Field(default=False, description="Stop the run at such a warning, after saving it.")


class Evaluate(BaseModel):
    """Metrics of held-out images during training, as `i2i evaluate` takes them afterwards."""

    model_config = STRICT
    every: int = Field(default=0, ge=0, le=10**9, description="Steps between measurements. 0: never.")
    metrics: list[str] = Field(
        default=["kid"],
        description="fid, kid, is, precision, recall, density, coverage; on pairs also psnr, ssim, ms-ssim, l1, lpips.",
    )
    features: str = Field(default="inception", description="Feature extractor by which sets of images are compared.")
    weights: str = Field(default="", description="File of its weights. Empty: the published ones, from the cache.")
    lpips_weights: str = Field(
        default="", description="File of torchvision's AlexNet, VGG16 or SqueezeNet 1.1, for LPIPS."
    )
    samples: int = Field(
        default=256,
        ge=2,
        le=1_000_000,
        description="Most held-out images; of images from noise training images fill up.",
    )
    best: str = Field(
        default="", description="Metric by which the best checkpoint is chosen. Empty: the method's own score."
    )

    @property
    def decides(self) -> str:
        """The metric by which the best checkpoint is chosen; empty for the method's score."""
        return self.best if self.every else ""


class First(BaseModel):
    """A first stage, from whose generator this run starts; keys that it leaves out are as in this recipe."""

    model_config = STRICT
    method: dict[str, Any] = Field(description="Its method; options that both methods have are shared.")
    optimizer: dict[str, Any] = Field(default={}, description="Keys of `[optimizer]` that differ.")
    schedule: dict[str, Any] = Field(default={}, description="Its schedule, if another, or keys that differ.")
    train: dict[str, Any] = Field(default={}, description="Keys of `[train]` that differ.")
