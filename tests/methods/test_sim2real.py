from typing import Any

import pytest
import torch
from torch import Tensor

from i2i import recipe, registry
from i2i.data.batch import LabelledUnpaired, Unpaired
from i2i.methods.cut import CUT
from i2i.methods.sim2real import Sim2Real
from i2i.recipe import components
from tests.methods.test_every_method import Gradients
from tests.worlds import TINY

CLASSES = 8


def build(name: str, *options: str) -> Any:
    chosen = recipe.load(recipe.find(name), ["unused"], [*TINY[name], *options])
    torch.manual_seed(0)
    return components.build(registry.methods, chosen.method).double()


def build_sim2real(*options: str) -> Sim2Real:
    return build("sim2real", "method.segmenter_steps=0", *options)


@pytest.fixture
def batch() -> LabelledUnpaired:
    random = torch.Generator().manual_seed(0)
    a, b = (2 * torch.rand(2, 3, 32, 40, generator=random, dtype=torch.float64) - 1 for _ in range(2))
    labels = torch.randint(CLASSES, (2, 32, 40), generator=random, dtype=torch.uint8)
    return LabelledUnpaired(a, b, labels, torch.full_like(labels, 255))


def step(method: Any, batch: Any, at: int = 0) -> Gradients:
    update = Gradients(method)
    update.step = at
    torch.manual_seed(1)
    method.training_step(batch, update)
    return update


def test_the_segmenter_learns_first_and_stays_as_it_is(batch: LabelledUnpaired) -> None:
    method = build("sim2real", "method.segmenter_steps=2")
    players = [[player for player, _, _ in step(method, batch, at).calls] for at in range(4)]
    assert players == [["segmenter"], ["segmenter"], ["discriminator", "generator"], ["discriminator", "generator"]]
    for at, updated in enumerate(players):
        assert set(method.resting(at)) == set(method.players()) - set(updated)


def test_the_segmenter_learns_from_the_label_maps_of_a_alone(batch: LabelledUnpaired) -> None:
    method = build("sim2real", "method.segmenter_steps=1")
    ((_, _, gradients),) = step(method, batch).calls
    ((_, _, same),) = step(method, batch._replace(b=-batch.b)).calls
    ((_, _, other),) = step(method, batch._replace(a_labels=(batch.a_labels + 1) % CLASSES)).calls
    assert all(torch.equal(one, two) for one, two in zip(gradients, same, strict=True))
    assert any(not torch.allclose(one, two) for one, two in zip(gradients, other, strict=True))


def test_without_its_own_parts_the_step_is_that_of_cut(batch: LabelledUnpaired) -> None:
    network = ["method.generator.residual=false", "method.generator.upsampling=transposed"]
    ours = build_sim2real(*network, "method.crops=0", "method.semantic_weight=0")
    theirs: CUT = build("cut", "method.identity=false", *(f"method.{name}" for name in NO_ANTIALIAS))
    theirs.load_state_dict({key: value for key, value in ours.state_dict().items() if not key.startswith("segmenter.")})
    for (player, terms, gradients), (also, same_terms, same) in zip(
        step(ours, batch).calls, step(theirs, Unpaired(batch.a, batch.b)).calls, strict=True
    ):
        assert player == also
        assert {name: terms[name].item() for name in same_terms} == pytest.approx(
            {name: term.item() for name, term in same_terms.items()}, rel=1e-12
        )
        assert all(torch.allclose(one, two, atol=1e-14) for one, two in zip(gradients, same, strict=True))


NO_ANTIALIAS = (
    "generator.antialias_down=false",
    "generator.antialias_up=false",
    "discriminator.antialias=false",
)


def test_the_label_maps_reach_the_generator_and_not_the_discriminator_of_whole_images(
    batch: LabelledUnpaired,
) -> None:
    method = build_sim2real("method.crops=0")
    other = batch._replace(a_labels=(batch.a_labels + 1) % CLASSES)
    (judge, generator), (same, changed) = (step(method, each).calls for each in (batch, other))
    assert all(torch.equal(one, two) for one, two in zip(judge[2], same[2], strict=True))
    assert any(
        not torch.allclose(one, two) for one, two in zip(generator[2], changed[2], strict=True) if one is not None
    )


def test_ignored_pixels_have_no_semantic_loss(batch: LabelledUnpaired) -> None:
    ignored = batch._replace(a_labels=torch.full_like(batch.a_labels, 255))
    _, (_, terms, _) = step(build_sim2real("method.crops=0"), ignored).calls
    assert terms["semantic"] == 0


def test_the_discriminator_sees_squares_of_the_stated_share(batch: LabelledUnpaired) -> None:
    method = build_sim2real("method.crops=3", "method.crop_share=0.5")
    seen: list[Tensor] = []
    method.discriminator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    step(method, batch)
    assert {tuple(each.shape) for each in seen} == {(3 * 2, 3, 16, 16)}


def test_a_share_too_small_for_the_discriminator_is_refused() -> None:
    method = build_sim2real("method.crop_share=0.1")
    with pytest.raises(ValueError, match=r"method.crop_share = 0.1: PatchGAN can't judge"):
        method.check_size((32, 40), (32, 40))


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match=r"method\.classes = 1 is refused"):
        build_sim2real("method.classes=1")
