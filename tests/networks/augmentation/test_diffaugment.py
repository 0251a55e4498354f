"""Claims of the paper about each way of the policy, and what every augmentation in front of a discriminator keeps."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.networks.augmentation.ada import AdaptiveAugmentation
from i2i.networks.augmentation.base import Augmentation, Draws
from i2i.networks.augmentation.diffaugment import DiffAugment, cut_out, jitter_colours, translate

EVERYTHING = ("color", "translation", "cutout")


def draws(count: int) -> Draws:
    torch.manual_seed(0)
    return Draws(count, torch.device("cpu"))


def images(count: int = 4, channels: int = 3, height: int = 16, width: int = 24) -> Tensor:
    return torch.rand(count, channels, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1


def ada(**options: object) -> AdaptiveAugmentation:
    augmentation = AdaptiveAugmentation(target=0.6, **options)  # type: ignore[arg-type]
    augmentation.probability.fill_(1.0)
    return augmentation


def both(**options: object) -> list[Augmentation]:
    return [DiffAugment(EVERYTHING, **options), ada(**options)]  # type: ignore[arg-type]


def test_without_a_policy_images_are_unchanged() -> None:
    assert torch.equal(DiffAugment([])(images()), images())


def test_translations_are_by_every_whole_number_of_pixels_up_to_an_eighth_and_zeros_follow() -> None:
    image = images(1) + 3  # nowhere zero
    padded = F.pad(image, (3, 3, 2, 2))
    shifts = {(y, x): padded[..., y : y + 16, x : x + 24] for y in range(5) for x in range(7)}
    found = translate(image.expand(2000, -1, -1, -1), draws(2000))
    counts = {place: int((found == shift).flatten(1).all(1).sum()) for place, shift in shifts.items()}
    assert sum(counts.values()) == 2000
    assert min(counts.values()) > 2000 / 35 / 2


def test_cutout_sets_a_rectangle_of_half_the_sides_to_zero_with_its_centre_anywhere() -> None:
    image = images(1, height=8, width=12) + 3
    found = cut_out(image.expand(2000, -1, -1, -1), draws(2000))
    is_cut = found == 0
    assert torch.equal(torch.where(is_cut, 0, image), found)
    rows, columns = is_cut.any(1).any(2), is_cut.any(1).any(1)
    assert torch.equal(is_cut[:, 0], rows[:, :, None] & columns[:, None, :]) and (is_cut == is_cut[:, :1]).all()
    for sides, length in ((rows, 4), (columns, 6)):
        centres = {tuple(side.nonzero().flatten().tolist()) for side in sides}
        size = 2 * length
        assert centres == {
            tuple(range(max(centre - length // 2, 0), min(centre + length // 2, size))) for centre in range(size + 1)
        }


def test_colours_keep_grey_images_grey_and_have_the_ranges_of_the_paper() -> None:
    flat = jitter_colours(torch.full((4000, 3, 2, 2), 0.25), draws(4000))
    assert torch.allclose(flat, flat[:, :1, :1, :1].expand_as(flat), atol=1e-6)
    change = flat[:, 0, 0, 0] - 0.25
    assert (
        change.abs().max() <= 0.5 and change.mean().abs() < 0.02 and change.std() == pytest.approx(12**-0.5, rel=0.03)
    )

    # Of a grey step the contrast changes alone, of a coloured one the saturation, too.
    step = torch.tensor([-0.3, 0.3]).view(1, 1, 1, 2)
    changed = jitter_colours(step.expand(4000, 3, 1, 2), draws(4000))
    contrast = (changed[:, 0, 0, 1] - changed[:, 0, 0, 0]) / 0.6
    assert 0.5 <= contrast.min() < 0.52 and 1.48 < contrast.max() <= 1.5 + 1e-5
    tint = torch.tensor([0.2, -0.1, -0.1]).view(1, 3, 1, 1)
    changed = jitter_colours(tint.expand(4000, -1, 1, 1), draws(4000))
    saturation = (changed[:, 0, 0, 0] - changed[:, 1, 0, 0]) / 0.3 / contrast  # the same draws
    assert 0 <= saturation.min() < 0.02 and 1.98 < saturation.max() <= 2 + 1e-5


@pytest.mark.parametrize("augmentation", both(condition_channels=2))
def test_a_condition_is_moved_as_the_image_and_keeps_its_colours(augmentation: Augmentation) -> None:
    condition = images(8, channels=2).sign()
    found, _ = augmentation(torch.cat([condition, images(8)], 1)).tensor_split([2], 1)
    assert not torch.equal(found, condition)
    assert found.abs().max() <= 1 + 1e-5, "no brightness"

    # The same image behind it and as it, of one channel and without colours, comes out the same.
    image = images(8, channels=1)
    augmentation.condition_channels = 2
    torch.manual_seed(3)
    alone = augmentation(torch.cat([image, image, image], 1))
    assert torch.equal(alone[:, 0], alone[:, 1])
    edges = [(each[:, 0] == 0) for each in alone.tensor_split([2], 1)]
    if isinstance(augmentation, DiffAugment):  # what is cut out is zero in both
        assert torch.equal(edges[0], edges[1])


@pytest.mark.parametrize("augmentation", both())
def test_copies_are_augmented_alike_and_images_are_not(augmentation: Augmentation) -> None:
    image = images(1).expand(3, -1, -1, -1)
    first, second = augmentation(torch.cat([image, image]), copies=2).chunk(2)
    assert torch.equal(first, second)
    assert not torch.allclose(first[0], first[1]) and not torch.allclose(first[1], first[2])


@pytest.mark.parametrize("augmentation", both())
def test_it_follows_the_random_numbers_of_torch(augmentation: Augmentation) -> None:
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(augmentation(images()))
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


@pytest.mark.parametrize(("ours", "plain"), list(zip(both(value_range=(0.0, 1.0)), both(), strict=True)))
def test_in_another_value_range_images_are_changed_as_in_the_papers(ours: Augmentation, plain: Augmentation) -> None:
    torch.manual_seed(0)
    expected = (plain(images()) + 1) / 2
    torch.manual_seed(0)
    torch.testing.assert_close(ours((images() + 1) / 2), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("augmentation", both())
def test_it_has_the_first_two_derivatives(augmentation: Augmentation) -> None:
    image = images(1, height=4, width=6).double().requires_grad_()

    def changed(image: Tensor) -> Tensor:
        torch.manual_seed(0)
        return augmentation.double()(image).square()

    assert torch.autograd.gradcheck(changed, image, fast_mode=True)
    assert torch.autograd.gradgradcheck(changed, image, fast_mode=True)


def test_an_adaptive_augmentation_that_is_never_given_logits_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2i.networks.augmentation.ada._UNOBSERVED", 20)
    augmentation, image = ada(), images(1, height=2, width=2)
    for _ in range(20):
        augmentation(image)
    with pytest.raises(ValueError, match=r"call i2i\.methods\.base\.adapt_augmentation"):
        augmentation(image)
    augmentation.observe(torch.ones(1))
    augmentation(image)
