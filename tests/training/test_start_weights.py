"""Networks that start from those of another model: generators, discriminators, and those whose first blocks stay."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from i2i import interop, registry
from i2i.checkpoints import run as checkpoint
from i2i.methods.stylegan2 import StyleGAN2
from i2i.recipe.components import build
from i2i.training import run
from tests import nvidia_pickles
from tests.interop.test_stylegan2 import in_nvidias_layout
from tests.worlds import Recorder, digits, tiny_recipe

FROZEN = ("train.steps=4", "method.freeze_discriminator=2", "method.augment=ada")
BLOCKS_32 = ("blocks.0.", "blocks.1.", "blocks.2.")  # of 32, 16 and 8 pixels
ROSINALITY = {"residual.0": ("conv1.0", "conv1.1"), "residual.3": ("conv2.1", "conv2.2"), "skip.1": ("skip.1", "")}


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits(tmp_path_factory.mktemp("few") / "digits", each=2, classes=range(3))


@pytest.fixture(scope="module")
def start() -> StyleGAN2:
    """A method with random networks whose biases are random, too."""
    torch.manual_seed(1)
    method = build(registry.methods, tiny_recipe("stylegan2", Path("x"), "method.channels=3").method)
    for name, tensor in method.state_dict().items():
        if name.endswith("bias"):
            tensor.copy_(torch.randn(tensor.shape))
    return method


def nvidia_file(method: StyleGAN2, folder: Path) -> Path:
    parts = {"head.1": "b4.conv", "head.4": "b4.fc", "head.6": "b4.out", "stem.0": "b32.fromrgb"}
    for number, block in enumerate(BLOCKS_32):
        for ours, theirs in (("residual.0", "conv0"), ("residual.3", "conv1"), ("skip.1", "skip")):
            parts[block + ours] = f"b{32 >> number}.{theirs}"
    state = {f"{parts[key.rpartition('.')[0]]}.{leaf}": each for key, leaf, each in leaves(method)}
    state["b32.resample_filter"] = torch.ones(4, 4)
    networks = {"G_ema": in_nvidias_layout(method.generator), "D": state}
    named = {name: nvidia_pickles.persistent(state) for name, state in networks.items()}
    return nvidia_pickles.write(folder / "faces.pkl", {"G": None, **named, "augment_pipe": None})


def rosinality_file(method: StyleGAN2, folder: Path) -> Path:
    parts = {"head.1": ("final_conv.0", "final_conv.1"), "stem.0": ("convs.0.0", "convs.0.1")}
    parts |= {"head.4": ("final_linear.0",) * 2, "head.6": ("final_linear.1",) * 2}
    for number, block in enumerate(BLOCKS_32, 1):
        parts |= {block + ours: tuple(f"convs.{number}.{each}" for each in both) for ours, both in ROSINALITY.items()}
    state = {f"{parts[key.rpartition('.')[0]][leaf == 'bias']}.{leaf}": each for key, leaf, each in leaves(method)}
    state["convs.1.conv2.0.kernel"] = torch.ones(4, 4)
    published = interop.publish(method.generator)
    torch.save({"g": {}, "d": state, "g_ema": published, "latent_avg": published["latent_avg"]}, folder / "faces.pt")
    return folder / "faces.pt"


def leaves(method: StyleGAN2) -> list[tuple[str, str, Tensor]]:
    return [(key, key.rpartition(".")[2], each) for key, each in method.discriminator.state_dict().items()]


def trained(few: Path, folder: Path, *options: str, channels: int = 3, recorder: Recorder | None = None) -> dict:
    words = ["train.steps=1", f"method.channels={channels}", *options]
    run.train(tiny_recipe("stylegan2", few, *words), folder, reporter=recorder or Recorder(), device="cpu")
    return checkpoint.load_state(checkpoint.find(folder))["method"]


@pytest.mark.parametrize("write", [nvidia_file, rosinality_file])
def test_published_files_give_the_discriminator_too_and_its_frozen_blocks_stay(
    write, few: Path, start: StyleGAN2, tmp_path: Path
) -> None:
    file, recorder = write(start, tmp_path), Recorder()
    options = (f"train.start={file}", "method.freeze_discriminator=3", "optimizer.players.discriminator.lr=1e-6")
    weights = trained(few, tmp_path / "run", *options, recorder=recorder)
    for name, expected in start.discriminator.named_parameters():
        found = weights[f"discriminator.{name}"]
        torch.testing.assert_close(found, expected.detach(), rtol=1e-5, atol=1e-5)
        assert torch.equal(found, expected) == name.startswith(("stem.", *BLOCKS_32[:2])), name
    assert not any("train.start" in message for message in recorder.messages)


def test_a_run_of_ours_gives_its_discriminator_whatever_its_augmentation(few: Path, tmp_path: Path) -> None:
    first = trained(few, tmp_path / "first")
    frozen = ("method.freeze_discriminator=4", "method.augment=none", "method.discriminator.augment=ada")
    second = trained(few, tmp_path / "second", f"train.start={tmp_path / 'first'}", *frozen)
    kept = [key for key in first if key.startswith(("discriminator.stem", "discriminator.blocks"))]
    assert kept and all(torch.equal(first[key], second[key]) for key in kept)
    assert not torch.equal(first["discriminator.head.4.weight"], second["discriminator.head.4.weight"])


def test_a_frozen_run_resumes_bit_for_bit(few: Path, tmp_path: Path) -> None:
    trained(few, tmp_path / "first")
    trained(few, tmp_path / "run", *FROZEN, f"train.start={tmp_path / 'first'}", "train.checkpoint_every=2")
    expected = checkpoint.load_state(checkpoint.find(tmp_path / "run"))["method"]
    run.resume(tmp_path / "run" / "checkpoints" / "00000002", reporter=Recorder(), device="cpu")
    found = checkpoint.load_state(checkpoint.find(tmp_path / "run"))["method"]
    assert all(torch.equal(tensor, found[key]) for key, tensor in expected.items())


def test_what_a_model_has_not_starts_from_random_weights_and_is_named(
    few: Path, start: StyleGAN2, tmp_path: Path
) -> None:
    trained(few, tmp_path / "first")
    generator = checkpoint.find(tmp_path / "first") / "generator.safetensors"
    other = ("method.discriminator.features=4", f"train.start={tmp_path / 'first'}")
    for folder, options, reason in (
        ("a", (f"train.start={generator}",), r"generator\.safetensors has no discriminator"),
        ("b", other, "first has another discriminator than method.discriminator"),
    ):
        recorder = Recorder()
        trained(few, tmp_path / folder, *options, recorder=recorder)
        (said,) = [message for message in recorder.messages if message.startswith("train.start")]
        assert "discriminator starts from random weights" in said
        with pytest.raises(ValueError, match=f"{reason}, whose first blocks method.freeze_discriminator is to keep"):
            trained(few, tmp_path / "refused", *options, "method.freeze_discriminator=1")


def test_random_blocks_and_more_than_there_are_cannot_be_frozen(few: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"set train\.start to a model with its discriminator"):
        trained(few, tmp_path / "a", "method.freeze_discriminator=1")
    with pytest.raises(ValueError, match=r"StyleGAN2Discriminator has 4 blocks in order .* choose from: 0 to 4"):
        trained(few, tmp_path / "b", "method.freeze_discriminator=5")


def test_another_generator_is_refused_with_its_options(few: Path, start: StyleGAN2, tmp_path: Path) -> None:
    options = (f"train.start={nvidia_file(start, tmp_path)}", "method.generator.style=16")
    with pytest.raises(ValueError, match=r"is another network than method\.generator \(its style = 8"):
        trained(few, tmp_path / "run", *options)
