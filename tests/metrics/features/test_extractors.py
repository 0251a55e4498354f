"""Feature extractors against their reference networks with random weights; names say whose weights are loaded."""

import hashlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.download import Unreachable
from i2i.metrics.features import dinov2, inception, open_extractor
from i2i.metrics.features.classifier import normalise_for_imagenet
from i2i.pretrained import PublishedWeights

torchvision = pytest.importorskip("torchvision")


def pictures(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def with_random_weights(network: nn.Module) -> nn.Module:
    """The network with random weights that keep the scale of its features."""
    generator = torch.Generator().manual_seed(0)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            drawn = torch.rand(tensor.shape, generator=generator)
            # Variance 2 / fan-in, as He et al. 2015 have it; what has one dimension scales or shifts by about 1.
            spread = (24 / tensor[0].numel()) ** 0.5 if tensor.ndim > 1 else 0.1
            tensor.copy_((drawn - 0.5) * spread + (tensor.ndim == 1))
    return network.eval()


def saved(network: nn.Module, file: Path) -> str:
    """Saves its weights and returns their checksum."""
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), file)
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture(scope="session")
def inception_network() -> nn.Module:
    module = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")

    class MadeUp(module.FeatureExtractorInceptionV3):  # type: ignore[name-defined]
        def load_state_dict(self, *_: object) -> None: ...

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "load", lambda *_, **__: {})
        return with_random_weights(MadeUp("x", ["2048", "logits_unbiased"], feature_extractor_weights_path="none"))


@pytest.fixture(scope="session")
def inception_file(inception_network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("inception") / "mine.pth"
    saved(inception_network, file)
    return file


def test_inception_equals_torch_fidelity(inception_network: nn.Module, inception_file: Path) -> None:
    images = pictures(2, 3, 40, 50)
    features, logits = inception_network(images)
    before = torch.get_rng_state()
    extractor = open_extractor("inception", inception_file)
    assert torch.equal(before, torch.get_rng_state())
    assert features.shape == (2, 2048) and (features[0] - features[1]).abs().max() > 1e-4
    torch.testing.assert_close(extractor(images), features, rtol=1e-5, atol=1e-6)
    not_whole = (images - 0.4).clamp(min=0) / 255
    torch.testing.assert_close(extractor(not_whole), features, rtol=1e-5, atol=1e-6, msg="rounded to 8 bit")
    torch.testing.assert_close(extractor.logits(features), logits)


def test_only_published_weights_are_named_inception(
    inception_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checksum = hashlib.sha256(inception_file.read_bytes()).hexdigest()
    assert open_extractor("inception", inception_file).name == f"inception@{checksum[:8]}"
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(inception, "PUBLISHED", inception.PUBLISHED._replace(sha256=checksum))
    # Under the name that pytorch-fid gives the same bytes.
    cached = tmp_path / "hub/checkpoints/pt_inception-2015-12-05-6726825d.pth"
    cached.parent.mkdir(parents=True)
    cached.symlink_to(inception_file)
    extractor = open_extractor("inception")
    assert (extractor.name, extractor.checksum) == ("inception", checksum)


def test_missing_torch_fidelity_raises_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(ValueError, match=r"pip install '.\[fid\]' in a checkout"):
        open_extractor("inception")


def test_features_of_a_classifier_are_the_input_of_its_last_layer(tmp_path: Path) -> None:
    network = with_random_weights(torchvision.models.mobilenet_v3_small())
    checksum = saved(network, tmp_path / "mine.pth")
    images = pictures(2, 3, 224, 224)
    extractor = open_extractor("torchvision/mobilenet_v3_small", tmp_path / "mine.pth")
    assert extractor.name == f"mobilenet_v3_small@{checksum[:8]}" and extractor.checksum == checksum
    features = extractor(images)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = network((images / 255 - mean.view(3, 1, 1)) / deviation.view(3, 1, 1))
    assert features.shape == (2, 1024)
    torch.testing.assert_close(extractor.logits(features), expected.detach(), rtol=1e-4, atol=1e-4)


def test_features_before_a_last_convolution_are_averaged(tmp_path: Path) -> None:
    network: Any = with_random_weights(torchvision.models.squeezenet1_1())
    saved(network, tmp_path / "mine.pth")
    extractor = open_extractor("squeezenet1_1", tmp_path / "mine.pth")
    images = torch.rand(1, 3, 224, 224)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = network.features((images - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)).mean((2, 3))
    torch.testing.assert_close(extractor(images), expected.detach(), rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="is no classifier"):
        extractor.logits(extractor(images))


def test_large_images_are_resized_without_aliasing() -> None:
    checkerboard = ((torch.arange(600)[:, None] + torch.arange(600)) % 2).float().expand(1, 3, -1, -1)
    assert normalise_for_imagenet(checkerboard, 224).std(dim=(2, 3)).max() < 0.1


def test_densenet_loads_with_old_and_new_parameter_names(tmp_path: Path) -> None:
    network = with_random_weights(torchvision.models.densenet121())
    saved(network, tmp_path / "new.pth")
    old = {re.sub(r"(denselayer\d+\.(norm|conv))([12])", r"\1.\3", key): w for key, w in network.state_dict().items()}
    torch.save(old, tmp_path / "old.pth")
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    images = pictures(1, 3, 64, 64)
    features = [open_extractor("densenet121", tmp_path / f"{which}.pth")(images) for which in ("new", "old")]
    assert torch.equal(*features) and features[0].shape == (1, 1024)


def as_torchvision(state: dict[str, Tensor], positions: Tensor) -> nn.Module:
    """Torchvision's transformer with DINOv2's weights: LayerScale is a factor of the layer before it."""
    network = torchvision.models.VisionTransformer(224, 14, num_layers=2, num_heads=2, hidden_dim=128, mlp_dim=512)
    network.heads = nn.Identity()
    renamed = {
        "class_token": state["cls_token"],
        "encoder.pos_embedding": positions,
        "encoder.ln.weight": state["norm.weight"],
        "encoder.ln.bias": state["norm.bias"],
    }
    renamed |= {f"conv_proj.{kind}": state[f"patch_embed.proj.{kind}"] for kind in ("weight", "bias")}
    for index in range(2):
        theirs, ours = f"encoder.layers.encoder_layer_{index}.", f"blocks.{index}."
        for kind in ("weight", "bias"):
            gammas = [state[f"{ours}ls{each}.gamma"] for each in (1, 2)]
            shape = (-1, 1) if kind == "weight" else (-1,)
            renamed |= {
                f"{theirs}ln_1.{kind}": state[f"{ours}norm1.{kind}"],
                f"{theirs}ln_2.{kind}": state[f"{ours}norm2.{kind}"],
                f"{theirs}self_attention.in_proj_{kind}": state[f"{ours}attn.qkv.{kind}"],
                f"{theirs}self_attention.out_proj.{kind}": state[f"{ours}attn.proj.{kind}"] * gammas[0].view(shape),
                f"{theirs}mlp.0.{kind}": state[f"{ours}mlp.fc1.{kind}"],
                f"{theirs}mlp.3.{kind}": state[f"{ours}mlp.fc2.{kind}"] * gammas[1].view(shape),
            }
    network.load_state_dict(renamed)
    return network.eval()


def test_dinov2_equals_torchvisions_transformer_with_layer_scale(tmp_path: Path) -> None:
    network = with_random_weights(dinov2.VisionTransformer(128, 2))
    saved(network, tmp_path / "mine.pth")
    state = network.state_dict()
    grid = state["pos_embed"][:, 1:].reshape(1, 37, 37, 128).permute(0, 3, 1, 2)
    smaller = F.interpolate(grid, scale_factor=16.1 / 37, mode="bicubic").permute(0, 2, 3, 1).reshape(1, 256, 128)
    reference = as_torchvision(state, torch.cat([state["pos_embed"][:, :1], smaller], 1))
    extractor = open_extractor("dinov2_vits14", tmp_path / "mine.pth")
    images = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        expected = reference((images - mean.view(3, 1, 1)) / deviation.view(3, 1, 1))
    assert extractor.name.startswith("dinov2_vits14@") and (expected[0] - expected[1]).abs().max() > 1e-4
    torch.testing.assert_close(extractor(images), expected, rtol=1e-4, atol=1e-4)


def test_any_size_and_both_dtypes_are_accepted_and_other_shapes_raise(shared: Path) -> None:
    extractor = open_extractor("squeezenet1_1", shared / "weights/squeezenet1_1.pth")
    images = pictures(1, 3, 300, 200)
    torch.testing.assert_close(extractor(images), extractor(images.float() / 255))
    assert extractor(pictures(2, 3, 33, 70)).shape == (2, 512)
    with pytest.raises(ValueError, match=r"squeezenet1_1@35636600: images of shape \(1, 1, 9, 9\); allowed"):
        extractor(torch.zeros(1, 1, 9, 9))


def test_missing_weights_raise_with_the_address_and_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise Unreachable("no\nnetwork")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("i2i.pretrained.download", unreachable)
    for name in ("inception", "dinov2_vitl14", "squeezenet1_1"):
        with pytest.raises(ValueError, match=r"be downloaded \(no network\); download https://.*\.pth to ") as error:
            open_extractor(name)
        assert str(tmp_path / "hub/checkpoints") in str(error.value) and "\n" not in str(error.value)


def test_downloads_are_cached_and_a_wrong_checksum_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checksum = saved(with_random_weights(dinov2.VisionTransformer(128, 2)), tmp_path / "published.pth")
    requested: list[str] = []

    def downloaded(url: str, target: Path, *, sha256: str, max_bytes: int) -> None:
        requested.append(f"{url} {sha256}")
        target.write_bytes((tmp_path / "published.pth").read_bytes())

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("i2i.pretrained.download", downloaded)
    published = PublishedWeights("DINOv2 small", "https://somewhere/small.pth", checksum)
    monkeypatch.setattr(dinov2.DinoV2Small, "published_weights", published)
    assert [open_extractor("dinov2_vits14").checksum for _ in range(2)] == [checksum] * 2
    assert requested == [f"https://somewhere/small.pth {checksum}"]
    monkeypatch.setattr(dinov2.DinoV2Small, "published_weights", published._replace(sha256="00"))
    with pytest.raises(ValueError, match=r"small\.pth: sha256 is .* not 00: not DINOv2 small; delete it"):
        open_extractor("dinov2_vits14")


def test_weights_that_anybody_on_the_way_can_change_are_not_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    published = PublishedWeights("DINOv2 small", "http://somewhere/of-nobody.pth", "00")
    monkeypatch.setattr(dinov2.DinoV2Small, "published_weights", published)
    with pytest.raises(
        ValueError, match=r"http://somewhere/of-nobody\.pth is not https://; name a file of its weights"
    ):
        open_extractor("dinov2_vits14")


def test_other_files_and_unknown_names_raise(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("nothing")
    torch.save({"fc.weight": torch.zeros(1)}, tmp_path / "other.pth")
    for name in ("squeezenet1_1", "dinov2_vits14", "inception"):
        for file, said in {"gone": "no such file", "text": "damaged", "other": "not the weights of"}.items():
            with pytest.raises(ValueError, match=rf"{file}\.pth: {said}|{file}\.pth: not a file.*{said}") as error:
                open_extractor(name, tmp_path / f"{file}.pth")
            assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match=r"unknown feature extractor 'inceptoin'; did you mean 'inception'\?"):
        open_extractor("inceptoin")
