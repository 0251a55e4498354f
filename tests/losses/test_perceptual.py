import hashlib
import pickle

import pytest
import torch
from torch import nn
from torchvision.models.vgg import cfgs, make_layers

from i2i.download import Unreachable
from i2i.losses.perceptual import VGG19, VGG19_LAYERS, VGG19_WEIGHTS
from i2i.registry import perceptual
from tests.vgg import SHALLOW, vgg19_state, write_vgg19


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """The first three convolutions."""
    return str(write_vgg19(tmp_path_factory.mktemp("vgg") / "vgg19.safetensors", convolutions=3))


@pytest.fixture
def loss(weights):
    return perceptual["vgg19"](layers=SHALLOW, weights=weights)


def images(seed, channels=3):
    return torch.rand(2, channels, 16, 24, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("before_activation", [True, False])
def test_features_are_those_of_torchvisions_network(before_activation, tmp_path):
    state = vgg19_state()
    torch.save(state, tmp_path / "vgg19.pth")
    ours = VGG19(
        layers=dict.fromkeys(VGG19_LAYERS, 1.0),
        weights=str(tmp_path / "vgg19.pth"),
        before_activation=before_activation,
    )
    with torch.device("meta"):
        theirs = make_layers(cfgs["E"])
    theirs.load_state_dict({key.removeprefix("features."): value for key, value in state.items()}, assign=True)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    image = (images(0) - mean[:, None, None]) / deviation[:, None, None]
    expected = []
    with torch.no_grad():
        for layer in theirs[:-1]:  # without the last pooling
            image = layer(image)
            if isinstance(layer, nn.ReLU if not before_activation else nn.Conv2d):
                expected.append(image.clone())
        found = ours.features(images(0))
    assert list(found) == VGG19_LAYERS
    for name, one in zip(VGG19_LAYERS, expected, strict=True):
        torch.testing.assert_close(found[name], one, rtol=1e-4, atol=1e-5)


def test_distance_is_the_weighted_sum_of_the_layers_mean_absolute_distances(loss):
    fake, target = loss.features(images(0)), loss.features(images(1))
    expected = sum(weight * (fake[name] - target[name]).abs().mean() for name, weight in SHALLOW.items())
    torch.testing.assert_close(loss(images(0), images(1)), expected)
    assert loss(images(0), images(0)).item() == 0


def test_features_are_before_the_activation_or_after_it_by_option(weights):
    before, after = (
        perceptual["vgg19"](layers=SHALLOW, weights=weights, before_activation=choice).features(images(0))
        for choice in (True, False)
    )
    for name in SHALLOW:
        assert (before[name] < 0).any()
        assert torch.equal(before[name].relu(), after[name])


def test_only_the_fakes_have_gradients(loss):
    fake, target = images(0).requires_grad_(), images(1).requires_grad_()
    loss(fake, target).backward()
    assert fake.grad.abs().sum() > 0
    assert target.grad is None


def test_targets_pass_once_and_without_a_graph(loss, monkeypatch):
    seen, target = [], images(1)
    features = loss.features
    monkeypatch.setattr(
        loss, "features", lambda image: seen.append((image, torch.is_grad_enabled())) or features(image)
    )
    loss(images(0), target)
    assert [enabled for image, enabled in seen if image is target] == [False]
    assert len(seen) == 2


def test_network_is_neither_trained_nor_saved_but_moves_with_the_rest(loss):
    assert not list(loss.parameters())
    assert not loss.state_dict()
    assert {buffer.dtype for buffer in loss.double().buffers()} == {torch.float64}
    assert loss(images(0).double(), images(1).double()).dtype == torch.float64


@pytest.mark.parametrize(
    ("layer", "convolutions", "smallest"), [("conv1_1", 1, 1), ("conv2_2", 4, 2), ("conv3_1", 5, 4)]
)
def test_network_is_only_as_deep_as_the_deepest_layer(layer, convolutions, smallest, tmp_path):
    file = write_vgg19(tmp_path / "vgg19.safetensors", convolutions)
    loss = perceptual["vgg19"](layers={layer: 1.0, "conv1_1": 1.0}, weights=str(file))
    assert sum(name.endswith("_weight") for name, _ in loss.named_buffers()) == convolutions
    assert loss.min_size == smallest
    smallest_image = torch.rand(1, 3, smallest, smallest)
    assert loss(smallest_image, 1 - smallest_image) > 0


def test_grey_images_are_taken_as_rgb(loss):
    fake, target = images(0, channels=1), images(1, channels=1)
    torch.testing.assert_close(loss(fake, target), loss(fake.repeat(1, 3, 1, 1), target.repeat(1, 3, 1, 1)))


def test_distance_is_float32_under_autocast(loss):
    with torch.autocast("cpu", torch.bfloat16):
        found = loss(images(0), images(1))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, loss(images(0), images(1)), rtol=2e-2, atol=0)


def test_unknown_layers_are_refused(weights):
    with pytest.raises(ValueError, match=r"method.perceptual.layers: no layer 'conv5_5'; did you mean 'conv5_4'\?"):
        perceptual["vgg19"](layers={"conv5_5": 1.0}, weights=weights)
    with pytest.raises(ValueError, match=r"no layer ''; .*choose from: conv1_1"):
        perceptual["vgg19"](layers={}, weights=weights)


def test_files_that_are_not_the_network_are_refused(tmp_path, weights):
    with pytest.raises(ValueError, match="no such file"):
        perceptual["vgg19"](weights=str(tmp_path / "none.pth"))
    with pytest.raises(ValueError, match=r"not torchvision's VGG19: features.7.weight is missing"):
        perceptual["vgg19"](weights=weights)
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"features.0.weight has shape \(3,\), not \(64, 3, 3, 3\)"):
        perceptual["vgg19"](weights=str(tmp_path / "other.pth"))


def test_files_are_read_as_data_only(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path / "sprung").touch, ()

    (tmp_path / "trap.pth").write_bytes(pickle.dumps({"features.0.weight": Trap()}))
    with pytest.raises(ValueError, match="not a file of weights"):
        perceptual["vgg19"](weights=str(tmp_path / "trap.pth"))
    assert not (tmp_path / "sprung").exists()


def test_weights_come_from_torch_hubs_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub/checkpoints").mkdir(parents=True)
    state = vgg19_state(convolutions=1)
    file = tmp_path / "hub/checkpoints/vgg19-dcbb9e9d.pth"
    torch.save(state, file)
    with pytest.raises(ValueError, match=r"sha256 is .* not torchvision's VGG19; delete it"):
        perceptual["vgg19"](layers={"conv1_1": 1.0})
    checksum = hashlib.sha256(file.read_bytes()).hexdigest()
    monkeypatch.setattr("i2i.losses.perceptual.VGG19_WEIGHTS", VGG19_WEIGHTS._replace(sha256=checksum))
    loss = perceptual["vgg19"](layers={"conv1_1": 1.0})
    assert torch.equal(loss.conv1_1_weight, state["features.0.weight"])


def test_without_network_a_sentence_says_what_can_be_done(tmp_path, monkeypatch):
    def offline(*anything, **named):
        raise Unreachable("https://download.pytorch.org: can't be reached (no route to host)")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("i2i.pretrained.download", offline)
    with pytest.raises(ValueError) as refused:
        perceptual["vgg19"]()
    sentence = str(refused.value)
    assert "no route to host" in sentence and "\n" not in sentence
    assert "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth" in sentence
    assert str(tmp_path / "hub/checkpoints/vgg19-dcbb9e9d.pth") in sentence
    assert "--set method.perceptual.weights=FILE" in sentence
    assert "--set method.perceptual_weight=0" in sentence


def test_files_of_before_pytorch_1_6_are_read(tmp_path):
    state = vgg19_state(convolutions=1)
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    loss = perceptual["vgg19"](layers={"conv1_1": 1.0}, weights=str(tmp_path / "old.pth"))
    assert torch.equal(loss.conv1_1_weight, state["features.0.weight"])
