"""What other tools load: the same weights under the published names, and back again."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from spandrel import ImageModelDescriptor, ModelLoader

from i2i.interop import load_published, publish, save_published
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.generators.resnet import ResnetGenerator
from i2i.networks.generators.rrdb import RRDBNet
from i2i.networks.generators.srvgg import SRVGGNet
from i2i.networks.generators.unet import UnetGenerator
from tests.published import assert_same_weights, published_cut, published_resnet, published_unet, rrdb_names

SMALL = {"in_channels": 2, "out_channels": 1, "features": 4}
UPSCALERS = [
    *(RRDBNet(features=8, blocks=blocks, scale=4) for blocks in (1, 2, 3)),
    RRDBNet(features=8, blocks=1, scale=2),
    RRDBNet(features=8, blocks=1, scale=1),
    RRDBNet(features=8, blocks=1, scale=1, unshuffle=False),
    RRDBNet(features=8, blocks=1, scale=2, unshuffle=False),
    RRDBNet(features=8, blocks=1, scale=8),
    SRVGGNet(features=8, convolutions=1),
    SRVGGNet(features=8, convolutions=3, scale=2),
]
TRANSLATORS = [
    *(UnetGenerator(depth=depth, norm=norm, **SMALL) for depth in (2, 5) for norm in ("instance", "batch", "none")),
    *(
        ResnetGenerator(blocks=blocks, norm=norm, dropout=dropout, **SMALL)
        for blocks in (1, 6)
        for norm in ("instance", "batch", "none")
        for dropout in (False, True)
    ),
    *(
        ResnetGenerator(blocks=3, antialias_down=down, antialias_up=not down or both, **SMALL)
        for down, both in ((True, True), (True, False), (False, False))
    ),
]


def named(network: ImageGenerator) -> str:
    return f"{type(network).__name__}-x{network.scale}-{len(network.state_dict())}"


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("network", UPSCALERS, ids=named)
def test_spandrel_recognises_our_upscalers_and_gives_the_same_output(
    tmp_path: Path, network: ImageGenerator, suffix: str
) -> None:
    save_published(network, tmp_path / f"net{suffix}")
    model = ModelLoader().load_from_file(tmp_path / f"net{suffix}")
    assert isinstance(model, ImageModelDescriptor)
    assert model.architecture.id == {RRDBNet: "ESRGAN", SRVGGNet: "Compact"}[type(network)]
    assert model.scale == network.scale
    image = torch.rand(1, 3, 12, 8)
    with torch.no_grad():
        torch.testing.assert_close(model.model(image), network(image), atol=1e-5, rtol=0)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("network", [*UPSCALERS, *TRANSLATORS], ids=named)
def test_what_was_published_loads_as_what_it_was(tmp_path: Path, network: ImageGenerator, suffix: str) -> None:
    save_published(network, tmp_path / f"net{suffix}")
    loaded = load_published(tmp_path / f"net{suffix}")
    assert_same_weights(loaded, network)
    assert (loaded.scale, loaded.multiple_of) == (network.scale, network.multiple_of)
    assert [file.name for file in tmp_path.iterdir()] == [f"net{suffix}"], "no half-written file is left"


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("dropout", [False, True])
def test_translators_have_the_keys_and_shapes_of_the_reference(norm: str, dropout: bool) -> None:
    for ours, theirs in (
        (
            ResnetGenerator(blocks=2, norm=norm, dropout=dropout, **SMALL),
            published_resnet(blocks=2, norm=norm, dropout=dropout),
        ),
        (
            ResnetGenerator(blocks=2, norm=norm, dropout=dropout, antialias_down=True, antialias_up=True, **SMALL),
            published_cut(blocks=2, norm=norm, dropout=dropout),
        ),
        (UnetGenerator(depth=6, norm=norm, dropout=dropout, **SMALL), published_unet(depth=6, norm=norm)),
    ):
        assert {key: t.shape for key, t in publish(ours).items()} == {key: t.shape for key, t in theirs.items()}


def test_the_filters_of_cut_are_written_as_published():
    state, theirs = (
        publish(ResnetGenerator(blocks=2, antialias_down=True, antialias_up=True, **SMALL)),
        published_cut(blocks=2),
    )
    filters = {key: tensor for key, tensor in theirs.items() if key.endswith("filt")}
    torch.testing.assert_close({key: state[key] for key in filters}, filters, rtol=0, atol=0)


def test_upscalers_have_the_keys_and_wrappers_of_real_esrgan(tmp_path: Path) -> None:
    rrdb, compact = RRDBNet(features=4, growth=2, blocks=2), SRVGGNet(features=4, convolutions=2)
    save_published(rrdb, tmp_path / "rrdb.pth")
    save_published(compact, tmp_path / "compact.pth")
    content = torch.load(tmp_path / "rrdb.pth", weights_only=True)
    names = rrdb_names("2021", blocks=2, ups=2)
    assert list(content) == ["params_ema"]
    assert list(content["params_ema"]) == [f"{name}.{leaf}" for name in names for leaf in ("weight", "bias")]
    assert list(torch.load(tmp_path / "compact.pth", weights_only=True)) == ["params"]
    save_published(rrdb, tmp_path / "rrdb.safetensors")
    assert load_file(tmp_path / "rrdb.safetensors").keys() == content["params_ema"].keys()


class Own(ImageGenerator):
    """A plugin's."""


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (RRDBNet(features=4, growth=2, blocks=1, scale=3), "is the same for x3 and x2; choose from: scale 1, 2, 4, 8"),
        (SRVGGNet(features=4, convolutions=1, activation="relu"), "is the same for relu and leakyrelu"),
        (UnetGenerator(depth=2, upsampling="resize", **SMALL), "was published with upsampling = transposed only"),
        (ResnetGenerator(blocks=1, upsampling="resize", **SMALL), "was published with upsampling = transposed only"),
        (ResnetGenerator(blocks=1, features=2, residual=True), "was published without residual only"),
        (
            Own(),
            "Own has no published layout; choose from: rrdb, srvgg, span, plksr, realplksr, unet, resnet and stylegan2",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_layout_cannot_say_is_refused(tmp_path: Path, network: ImageGenerator, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        save_published(network, tmp_path / "net.pth")
    assert not list(tmp_path.iterdir())


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"net\.onnx: published tools load \.pth, \.pt and \.safetensors"):
        save_published(SRVGGNet(features=4, convolutions=1), tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())
