import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from i2i.interop import load_published
from i2i.interop.ncnn_out import LEAST_PSNR, ncnn_pair, save_ncnn
from i2i.networks.generators.plksr import PLKSR
from i2i.networks.generators.realplksr import RealPLKSR
from i2i.networks.generators.resnet import ResnetGenerator
from i2i.networks.generators.rrdb import RRDBNet
from i2i.networks.generators.span import SPAN
from i2i.networks.generators.srvgg import SRVGGNet
from i2i.networks.generators.unet import UnetGenerator
from i2i.networks.layers import set_test_time
from tests.published import assert_same_weights

SMALL_RRDB = {"features": 6, "growth": 3, "blocks": 1}
UPSCALERS = [
    RRDBNet(**SMALL_RRDB),
    RRDBNet(**SMALL_RRDB, scale=2),  # pixel-unshuffle
    SRVGGNet(features=5, convolutions=2, scale=3),
    SRVGGNet(features=5, convolutions=2, scale=2, in_channels=1, out_channels=1),
]
SMALL_PLKSR = {"features": 8, "blocks": 1, "scale": 2, "kernel": 5}
OTHERS = [
    PLKSR(**SMALL_PLKSR),
    PLKSR(**SMALL_PLKSR, mixer="ccm", attention=False),
    RealPLKSR(**SMALL_PLKSR),
    ResnetGenerator(features=4, blocks=1),
    ResnetGenerator(features=4, blocks=1, antialias_down=True, antialias_up=True, residual=True),
    ResnetGenerator(features=4, blocks=1, upsampling="resize", norm="none", dropout=True),
    UnetGenerator(features=4, depth=4, norm="instance"),
]


@pytest.mark.parametrize("network", UPSCALERS, ids=lambda each: f"{type(each).__name__}-x{each.scale}")
def test_an_upscaler_comes_back_and_is_the_same_in_ncnn(tmp_path: Path, network: nn.Module) -> None:
    network.eval()
    assert save_ncnn(network, tmp_path / "net") >= LEAST_PSNR[False]
    assert {file.name for file in tmp_path.iterdir()} == {"net.param", "net.bin"}
    assert_same_weights(load_published(tmp_path / "net.param"), network)


@pytest.mark.parametrize("activation", ["relu", "leakyrelu"])
def test_activations_of_compact_networks_become_prelus_that_give_the_same(tmp_path: Path, activation) -> None:
    network = SRVGGNet(features=5, convolutions=2, scale=2, activation=activation).eval()
    save_ncnn(network, tmp_path / "net")
    image = torch.rand(1, 3, 9, 7)
    assert torch.allclose(load_published(tmp_path / "net.bin")(image), network(image), atol=1e-6)


def test_half_precision_halves_the_weights_and_is_within_it_of_torch(tmp_path: Path) -> None:
    network = RRDBNet(features=16, growth=8, blocks=1).eval()
    save_ncnn(network, tmp_path / "float")
    assert save_ncnn(network, tmp_path / "half.bin", half=True) >= LEAST_PSNR[True]
    sizes = [(tmp_path / name).stat().st_size for name in ("float.bin", "half.bin")]
    assert sizes[1] < 0.55 * sizes[0]


@pytest.mark.parametrize("norm", [True, False])
def test_span_comes_back_as_branches_that_fold_to_the_same(tmp_path: Path, norm) -> None:
    network = SPAN(features=4, scale=2, norm=norm).eval()
    assert save_ncnn(network, tmp_path / "net") >= LEAST_PSNR[False]
    image = torch.rand(1, 3, 9, 12)
    loaded = load_published(tmp_path / "net.param")
    assert loaded.spec["name"] == "span" and torch.allclose(loaded(image), network(image), atol=1e-5)


def test_a_span_network_with_another_norm_is_refused(tmp_path: Path) -> None:
    save_ncnn(SPAN(features=4, scale=2, norm_range=1.0).eval(), tmp_path / "range")
    save_ncnn(SPAN(features=4, scale=2, mean=(0.5, 0.5, 0.5)).eval(), tmp_path / "mean")
    with pytest.raises(ValueError, match=r"range\.bin: its norm multiplies by 1; SPAN was published with 255"):
        load_published(tmp_path / "range.param")
    with pytest.raises(ValueError, match=r"mean\.bin: its norm has the mean"):
        load_published(tmp_path / "mean.param")


def test_layers_that_ncnn_lacks_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="LayerNorm is not written for ncnn"):
        save_ncnn(RealPLKSR(**SMALL_PLKSR, norm="layer").eval(), tmp_path / "net")
    with pytest.raises(ValueError, match="RealPLKSR with dysample is not written for ncnn"):
        save_ncnn(RealPLKSR(**SMALL_PLKSR, dysample=True).eval(), tmp_path / "net")


@pytest.mark.parametrize("network", OTHERS)
def test_other_networks_come_back_and_are_the_same_in_ncnn(tmp_path: Path, network: nn.Module) -> None:
    assert save_ncnn(network.eval(), tmp_path / "net") >= LEAST_PSNR[False]
    assert_same_weights(load_published(tmp_path / "net.bin"), network)


def test_batch_norm_takes_the_statistics_of_the_image_at_the_published_test_time(tmp_path: Path) -> None:
    network = set_test_time(UnetGenerator(features=4, depth=3), "published")
    assert save_ncnn(network, tmp_path / "net") >= LEAST_PSNR[False]
    assert "InstanceNorm" in (tmp_path / "net.param").read_text()
    loaded = set_test_time(load_published(tmp_path / "net.param"), "published")
    image = torch.rand(1, 3, 16, 8)
    assert torch.equal(loaded(image), network(image))


def test_running_statistics_of_batch_norm_are_written_and_not_read(tmp_path: Path) -> None:
    save_ncnn(UnetGenerator(features=4, depth=3).eval(), tmp_path / "net")
    with pytest.raises(ValueError, match=r"net\.param: layer .* is in no RRDB and no compact network as published"):
        load_published(tmp_path / "net.param")


def test_weights_that_end_early_are_refused(tmp_path: Path) -> None:
    save_ncnn(PLKSR(**SMALL_PLKSR).eval(), tmp_path / "net")
    (tmp_path / "net.bin").write_bytes((tmp_path / "net.bin").read_bytes()[:-4])
    with pytest.raises(ValueError, match=r"net\.bin: ends after .* bytes, its \.param needs more"):
        load_published(tmp_path / "net.param")


def test_results_that_differ_are_refused_and_nothing_is_written(tmp_path: Path, monkeypatch) -> None:
    wrong = SRVGGNet(features=5, convolutions=1, scale=2).eval()
    monkeypatch.setattr(wrong, "forward", lambda image: SRVGGNet.forward(wrong, image) + 0.1)
    with pytest.raises(ValueError, match=r"not written: ncnn's results have 2.* dB against torch, below 80"):
        save_ncnn(wrong, tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_nothing_is_written(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ncnn", None)
    with pytest.raises(ValueError, match=r"run before they are written: pip install '\.\[ncnn\]'"):
        save_ncnn(SRVGGNet(features=5, convolutions=1), tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


def test_both_files_have_one_name() -> None:
    for name in ("a.b", "a.b.param", "a.b.bin"):
        assert ncnn_pair(Path("out") / name) == (Path("out/a.b.param"), Path("out/a.b.bin"))
