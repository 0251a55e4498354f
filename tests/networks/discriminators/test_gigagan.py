import pytest
import torch
from torch import nn

from i2i.losses.penalties import penalty_terms
from i2i.networks.discriminators.gigagan import GigaGANDiscriminator
from i2i.registry import adversarial


def small(**options) -> GigaGANDiscriminator:
    torch.manual_seed(0)
    return GigaGANDiscriminator(**({"features": 4, "most_features": 8, "levels": 3, "inputs": 2} | options))


@pytest.mark.parametrize(("height", "width"), [(32, 48), (21, 13)])
def test_every_level_has_logits_for_every_image_that_has_entered(height, width):
    judge = small()
    logits = judge(torch.rand(2, 3, height, width))
    levels = [1, 2, 2, 3, 3]
    assert [each.shape for each in logits] == [(2, 1, height >> level, width >> level) for level in levels]
    assert len(logits) == judge.scales


def test_images_of_several_sizes_are_judged_independently():
    judge, image = small().double(), torch.rand(2, 3, 16, 16, dtype=torch.double)
    before = judge(image)
    nn.init.zeros_(judge.stems[1][0].weight)  # of the half
    same = [torch.equal(one, other) for one, other in zip(before, judge(image), strict=True)]
    assert same == [True, True, False, True, False]


def test_images_of_a_batch_are_independent():
    judge, images = small().double(), torch.rand(3, 3, 16, 16, dtype=torch.double)
    for one, other in zip(judge(images), judge(images.flip(0)), strict=True):
        torch.testing.assert_close(one, other.flip(0))


def test_it_learns_to_separate_real_from_fake_with_r1():
    judge, objective = small(), adversarial["vanilla"](r1_weight=0.01)
    real, fake = torch.rand(4, 3, 16, 16) ** 4, 1 - torch.rand(4, 3, 16, 16) ** 4
    optimizer = torch.optim.Adam(judge.parameters(), 2e-2)
    losses = []
    for _ in range(15):
        terms = objective.discriminator(judge(real), judge(fake)) | penalty_terms(objective, judge, real, fake, step=0)
        optimizer.zero_grad()
        sum(terms.values()).backward()
        optimizer.step()
        losses.append((terms["real"] + terms["fake"]).item())
    assert all(weight.grad is not None for weight in judge.parameters())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(("option", "value", "least"), [("inputs", 4, 1), ("inputs", 0, 1), ("attention", 4, 0)])
def test_more_than_its_levels_is_refused(option, value, least):
    with pytest.raises(ValueError, match=f"{option} = {value} is refused; allowed: from {least} to levels = 3"):
        small(**{option: value})
