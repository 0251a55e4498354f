"""Segmenters of segmentation-models-pytorch."""

from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from safetensors.torch import save_file

from i2i.checkpoints.card import segmenter_card_of
from i2i.export.segmenter import export_segmenter
from i2i.recipe.components import build
from i2i.registry import segmenters

SMALL = {"name": "smp", "architecture": "linknet", "encoder": "tu-mobilenetv3_small_050", "classes": 5}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("segmentation_models_pytorch")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def small(seed: int = 0, **options: Any) -> Any:
    torch.manual_seed(seed)
    return build(segmenters, {**SMALL, **options}).eval()


def equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    return all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def test_every_pixel_of_any_size_gets_logits_and_the_exported_file_gives_the_same(tmp_path: Path) -> None:
    segmenter = small(encoder="vgg11")  # few operators to export
    segmenter.check_size(64, 64)
    images = torch.rand(2, 3, 70, 97)
    with torch.no_grad():
        logits = segmenter(2 * images - 1)
    assert logits.shape == (2, 5, 70, 97)
    _, proof = export_segmenter(segmenter, segmenter_card_of(segmenter, {"product": "segmenter"}), tmp_path / "s.onnx")
    assert proof.holds
    session = onnxruntime.InferenceSession(tmp_path / "s.onnx", providers=["CPUExecutionProvider"])
    torch.testing.assert_close(torch.from_numpy(session.run(None, {"image": images.numpy()})[0]), logits)


def test_padding_is_to_the_right_and_the_bottom_alone() -> None:
    segmenter, image = small().double(), torch.rand(1, 3, 64, 96, dtype=torch.float64)
    seen: list[torch.Tensor] = []
    segmenter.network.register_forward_pre_hook(lambda module, inputs: seen.extend(inputs))
    segmenter(image), segmenter(image[..., :50, :70])
    assert [each.shape[2:] for each in seen] == [(64, 96), (64, 96)]
    assert seen[1][..., :50, :70].equal(seen[0][..., :50, :70]) and seen[1][..., 50:, 0].unique().numel() == 3


def test_weights_are_those_of_a_file_of_the_encoder_or_of_the_whole_network(tmp_path: Path) -> None:
    given = small(1)
    save_file(given.network.encoder.state_dict(), tmp_path / "encoder.safetensors")
    torch.save(given.network.state_dict(), tmp_path / "whole.pth")
    encoder = small(weights=str(tmp_path / "encoder.safetensors"))
    assert equal(encoder.network.encoder, given.network.encoder) and not equal(encoder.network, given.network)
    assert equal(small(weights=str(tmp_path / "whole.pth")).network, given.network)
    other = small(weights=str(tmp_path / "whole.pth"), classes=3)
    assert equal(other.network.decoder, given.network.decoder)
    assert set(other.spec) == {*SMALL}, "a run's own files have its weights"


def test_no_other_weights_and_no_unknown_encoder(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other\.pth: not the weights of this network or of its encoder"):
        small(weights=str(tmp_path / "other.pth"))
    with pytest.raises(ValueError, match=r"encoder: no 'resnet43'; did you mean 'resnet34'"):
        small(encoder="resnet43")
    with pytest.raises(ValueError, match="segmenter smp: no linknet on tu-nothing"):
        small(encoder="tu-nothing")
    with pytest.raises(ValueError, match="weights and encoder_weights exclude each other"):
        small(weights="a.pth", encoder_weights="imagenet")


def test_published_weights_without_a_network_are_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        ValueError, match=r"no linknet on resnet18 .*; without a network, name a file: method\.segmenter"
    ):
        small(encoder="resnet18", encoder_weights="imagenet")
