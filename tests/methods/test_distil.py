"""Distillation: what the student's step is made of, and what it refuses."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from i2i import recipe
from i2i.checkpoints import run as checkpoint
from i2i.data.batch import PairAndReal
from i2i.losses.temporal import draw_motion, temporal_difference
from i2i.methods.matched_patches import match_patches
from i2i.recipe import components
from i2i.registry import methods
from tests.methods.test_every_method import Gradients

SMALL = ["method.generator.features=4", "method.discriminator.features=4", "method.discriminator.layers=1"]


def build(*options: str) -> Any:
    torch.manual_seed(0)
    chosen = recipe.load(recipe.find("distil"), ["unused"], [*SMALL, *options])
    return components.build(methods, chosen.method).double()


def batch(size: int = 16, scale: int = 1) -> PairAndReal:
    torch.manual_seed(1)
    sides = (size, size * scale, size * scale)
    return PairAndReal(*(torch.rand(2, 3, side, side).double() * 2 - 1 for side in sides))


def test_without_a_discriminator_a_step_is_the_distance_to_the_teachers_image() -> None:
    method, pair = build("method.adversarial_weight=0", "method.pixel_weight=3"), batch()
    update = Gradients(method)
    method.training_step(pair, update)
    ((player, terms, _),) = update.calls
    expected = 3 * F.l1_loss(method.generator(pair.source), pair.target) / 2  # [-1, 1] is twice as wide as [0, 1]
    assert player == "generator" and list(terms) == ["pixel"] and list(method.players()) == ["generator"]
    torch.testing.assert_close(terms["pixel"], expected.detach())


@pytest.mark.parametrize("scale", [1, 2])
def test_a_temporal_weight_adds_the_term_of_what_does_not_move_with_the_source(scale: int) -> None:
    student = ["method.generator=srvgg", "method.generator.convolutions=1", "method.scale=2"] if scale > 1 else []
    method, pair = build("method.adversarial_weight=0", "method.temporal_weight=5", *student), batch(scale=scale)
    update = Gradients(method)
    torch.manual_seed(0)
    method.training_step(pair, update)
    torch.manual_seed(0)

    def translate(image: torch.Tensor) -> torch.Tensor:
        return method.value_range.to_unit(method.generator(image))

    expected = temporal_difference(translate, pair.source, translate(pair.source), draw_motion(2))
    torch.testing.assert_close(update.calls[0][1]["temporal"], 5 * expected.detach())
    assert set(update.calls[0][1]) == {"pixel", "temporal"}


def test_the_semantic_term_is_of_the_classes_in_the_teachers_image(tmp_path: Path) -> None:
    torch.manual_seed(0)
    trained = recipe.load(
        recipe.find("segmenter"),
        ["unused"],
        ["method.classes=3", "method.segmenter.features=4", "method.segmenter.depth=2"],
    )
    segmenter = components.build(methods, trained.method).segmenter
    file = checkpoint.save(tmp_path, 1, {}, {"segmenter": segmenter}, {}) / "segmenter.safetensors"
    options = "method.semantic_weight=2", f"method.segmenter_file={file}"
    method, pair = build("method.adversarial_weight=0", *options), batch()
    update = Gradients(method)
    method.training_step(pair, update)
    segmenter.double().eval()
    expected = F.cross_entropy(segmenter(method.generator(pair.source)), segmenter(pair.target).argmax(1))
    torch.testing.assert_close(update.calls[0][1]["semantic"], 2 * expected.detach())
    assert list(method.players()) == ["generator"]
    assert not any(weight.requires_grad for weight in method.segmenter.parameters())


def test_the_student_does_not_see_real_images_but_by_its_discriminator() -> None:
    method, pair = build(), batch()
    pixel = []
    for real in (pair.real, torch.zeros_like(pair.real)):
        update = Gradients(method)
        torch.manual_seed(0)
        method.training_step(pair._replace(real=real), update)
        assert [player for player, _, _ in update.calls] == ["discriminator", "generator"]
        pixel.append(update.calls[1][1]["pixel"])
        assert set(update.calls[1][1]) == {"pixel", "gan"}
    assert torch.equal(*pixel)


def test_half_of_what_the_discriminator_sees_is_the_teachers_at_the_same_place() -> None:
    method, pair = build("method.crops=3", "method.crop_share=0.25"), batch()
    seen_fake, seen_real = method._patches(pair.target + 1, pair.target, pair.real)
    assert seen_fake.shape == seen_real.shape == (2 * 3 * 2, 3, 4, 4)
    torch.testing.assert_close(seen_fake[:6], seen_real[:6] + 1)
    assert not torch.isclose(seen_fake[6:], seen_real[6:] + 1).any(dim=(1, 2, 3)).all()


def test_matched_patches_have_the_colours_of_those_that_they_match() -> None:
    torch.manual_seed(0)
    halves = torch.tensor([-1.0, 1.0]).repeat_interleave(32).expand(1, 3, 64, 64)  # dark on the left, bright right
    chosen, similar = match_patches(halves, halves.transpose(2, 3), 32, 16)
    ours, theirs = chosen.of(halves), similar.of(halves.transpose(2, 3))
    plain = ours.std((1, 2, 3)) == 0
    assert plain.sum() > 8 and torch.equal(ours[plain], theirs[plain])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["method.scale=4"], "method.scale = 4, but LightUnet enlarges 1 times; choose method.generator from: srvgg"),
        (["method.generator=srvgg", "method.generator.scale=4"], r"unknown option 'method\.generator\.scale'"),
        (["method.semantic_weight=1"], "method.segmenter_file = '': a semantic loss needs both"),
        (["method.pixel_weight=0"], "method.pixel_weight and method.perceptual_weight are 0"),
    ],
)
def test_a_student_that_does_not_fit_is_refused_in_a_sentence(options: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build(*options)


def test_a_student_of_an_upscaler_enlarges() -> None:
    method = build("method.generator=srvgg", "method.generator.features=2", "method.scale=2")
    method.check_size((16, 16), (32, 32))
    with pytest.raises(ValueError, match="16x16 pixels has a target of 16x16; allowed: exactly 2 times"):
        method.check_size((16, 16), (16, 16))
    update = Gradients(method)
    method.training_step(batch(scale=2), update)
    assert len(update.calls) == 2
