from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision import models

from i2i import recipe, registry
from i2i.data.batch import Unpaired
from i2i.networks.discriminators.projected import FeaturePyramid, ProjectedDiscriminator, RandomProjection
from i2i.pretrained import IMAGENET_DEVIATION, IMAGENET_MEAN
from i2i.recipe import Optimizer
from i2i.recipe.components import build
from i2i.registry import adversarial
from i2i.training.build import resolve_paths
from i2i.training.dry_run import check_contract, check_networks
from i2i.training.update import TrainingUpdate
from tests.worlds import TINY


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of random weights of SqueezeNet."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "squeezenet.pth"
    torch.save(models.squeezenet1_1(weights=None).state_dict(), file)
    return str(file)


def judge(weights: str, seed: int = 0, **options: object) -> ProjectedDiscriminator:
    torch.manual_seed(seed)
    return ProjectedDiscriminator(**{"weights": weights, "features": 4, **options})  # type: ignore[arg-type]


def image(*, channels: int = 3, height: int = 64, width: int = 80) -> Tensor:
    return torch.rand(2, channels, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_the_levels_are_the_last_maps_of_each_size_of_the_classifier(weights: str) -> None:
    network = models.squeezenet1_1(weights=None).eval()
    network.load_state_dict(torch.load(weights))
    unit = torch.rand(1, 3, 64, 80)
    mean, deviation = (torch.tensor(each).view(3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    expected = [network.features[:end]((unit - mean) / deviation) for end in (2, 5, 8, 13)]
    pyramid = FeaturePyramid("squeezenet1_1", weights)
    for found, level in zip(pyramid(unit), expected, strict=True):
        torch.testing.assert_close(found, level)
    assert pyramid.channels == [64, 128, 256, 512]


def test_logits_are_of_four_levels_and_images_learn_through_the_frozen_network(weights: str) -> None:
    network, images = judge(weights), image().requires_grad_()
    logits = network(images)
    assert [each.shape[:2] for each in logits] == [(2, 1)] * 4 and network.scales == 4
    sides = {tuple(each.shape[2:]) for each in logits}
    assert max(height for height, _ in sides) <= 4, "about as many as the coarsest map of 3x4 has pixels"
    sum(each.mean() for each in logits).backward()
    assert images.grad is not None and images.grad.abs().sum((1, 2, 3)).min() > 0


def test_only_its_judges_are_trained_and_the_classifier_is_not_saved(weights: str) -> None:
    network = judge(weights)
    assert {name.partition(".")[0] for name, _ in network.named_parameters()} == {"judges"}
    assert {name.partition(".")[0] for name in network.state_dict()} == {"judges", "projection"}
    other = judge(weights, seed=1).eval()
    expected = network.eval()(image())
    assert not torch.allclose(other(image())[0], expected[0])
    other.load_state_dict(network.state_dict())
    torch.testing.assert_close(other(image()), expected)


def test_building_it_draws_for_its_own_layers_alone(weights: str) -> None:
    """So that a run does not depend on which classifier it reads."""
    torch.manual_seed(0)
    FeaturePyramid("squeezenet1_1", weights)
    drawn = torch.rand(())
    torch.manual_seed(0)
    assert torch.rand(()) == drawn


def test_batch_norm_of_the_classifier_keeps_its_statistics_in_training(tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(models.efficientnet_b0(weights=None).state_dict(), tmp_path / "b0.pth")
    network = FeaturePyramid("efficientnet_b0", str(tmp_path / "b0.pth"))
    assert network.channels == [24, 40, 112, 1280]
    unit = torch.rand(2, 3, 32, 32)
    expected = network.eval()(unit)
    for _ in range(2):
        torch.testing.assert_close(network.train()(unit), expected)


def test_grey_images_are_seen_as_rgb_and_a_value_range_is_minded(weights: str) -> None:
    grey = image(channels=1)
    expected = judge(weights).eval()(grey.expand(-1, 3, -1, -1))
    torch.testing.assert_close(judge(weights, in_channels=1).eval()(grey), expected)
    found = judge(weights, value_range=(0.0, 1.0)).eval()((grey.expand(-1, 3, -1, -1) + 1) / 2)
    torch.testing.assert_close(found, expected)


def test_images_are_resized_by_their_shorter_side(weights: str) -> None:
    found = judge(weights, resize=128).eval()(image(height=64, width=80))
    larger = torch.nn.functional.interpolate((image() + 1) / 2, (128, 160), mode="bilinear", align_corners=False)
    torch.testing.assert_close(found, judge(weights).eval()(2 * larger - 1), atol=1e-4, rtol=1e-4)


def test_every_coarser_level_reaches_the_finer_ones_by_the_projection() -> None:
    levels = [torch.rand(1, channels, 2 * side, side) for channels, side in ((3, 8), (5, 4), (7, 2), (9, 1))]
    for kind, reached in (("none", 1), ("ccm", 1), ("ccm+csm", 4)):
        projection = RandomProjection([3, 5, 7, 9], 2, kind)  # type: ignore[arg-type]
        before = projection(levels)
        assert [each.shape[1] for each in before] == projection.channels
        assert [each.shape[2:] for each in before] == [each.shape[2:] for each in levels]
        after = projection([*levels[:3], levels[3] + 1])
        changed = [not torch.equal(*pair) for pair in zip(before, after, strict=True)]
        assert changed == [False] * (4 - reached) + [True] * reached


def test_it_learns_to_separate_real_from_fake(weights: str) -> None:
    network, loss = judge(weights), adversarial["hinge"]()
    real, fake = 2 * torch.rand(4, 3, 32, 32) ** 4 - 1, 1 - 2 * torch.rand(4, 3, 32, 32) ** 4
    optimizer = torch.optim.Adam(network.parameters(), 5e-3)
    for _ in range(15):
        optimizer.zero_grad()
        sum(loss.discriminator(network(real), network(fake)).values()).backward()
        optimizer.step()
    with torch.no_grad():
        for of_real, of_fake in zip(network(real), network(fake), strict=True):
            assert of_real.mean() > of_fake.mean() + 0.1


def test_a_method_trains_with_it_and_passes_the_checks_of_a_run(weights: str) -> None:
    options = [*TINY["cyclegan"][:2], "method.history=0", "method.adversarial=hinge"]
    chosen = ["name=projected", f"weights={weights}", "features=4", "augment=diffaugment"]
    options += [f"method.discriminator.{each}" for each in chosen]
    method = build(registry.methods, recipe.load(recipe.find("cyclegan"), ["unused"], options).method)
    check_contract(method)
    check_networks(method, (32, 32), (32, 32))
    update = TrainingUpdate(method.players(), Optimizer())
    method.training_step(Unpaired(image(height=32, width=32), image(height=32, width=32)), update)
    assert all(term.isfinite() for term in update.terms.values())


def test_a_run_finds_the_file_of_weights_from_another_folder(weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(weights).parent)
    options = ["method.discriminator=projected", "method.discriminator.weights=squeezenet.pth"]
    kept = resolve_paths(recipe.load(recipe.find("cyclegan"), ["unused"], options))
    assert kept.method["discriminator"]["weights"] == str(Path(weights).resolve())


def test_a_condition_is_refused(weights: str) -> None:
    with pytest.raises(ValueError, match=r"channels, not of 6, and no condition; set method\.conditional=false"):
        judge(weights, in_channels=6)


def test_missing_weights_are_named_with_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"method\.discriminator\.weights: .*none\.pth: no such file"):
        judge(str(tmp_path / "none.pth"))

    def offline(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ValueError, match=r"squeezenet1_1 can't be downloaded .* --set method\.discriminator\.weights="):
        judge("")
    with torch.device("meta"):
        judge("")  # as memory is measured, without weights
