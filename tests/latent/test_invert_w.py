"""Inversion in w and w+, with noise maps, and pivotal tuning."""

import pytest
import torch

from i2i.latent.invert import invert
from i2i.latent.latent_file import Latent
from i2i.latent.regularisers import correlation, off_mean, off_one_another, standardise
from i2i.latent.space import LatentSpace, synthesise
from i2i.latent.tune import tune
from tests.latent.test_invert import PIXELS, decibels, random
from tests.latent.test_space import stylegan2


@pytest.mark.parametrize("space", ["w", "w+"])
def test_own_samples_are_inverted_above_35_db(space: str) -> None:
    generator = stylegan2().requires_grad_(False)
    samples = generator(torch.randn(3, 8, generator=random(1)))
    found = invert(generator, samples, random=random(), space=space, steps=150, restarts=3, candidates=64)
    assert (decibels(found.images, samples) > 35).all()
    again = LatentSpace(generator, space).synthesise(found.latents, None, found.noise)
    assert torch.allclose(again, found.images, atol=1e-5)


def test_what_w_cannot_give_w_plus_can_and_noise_maps_more() -> None:
    generator = stylegan2(noise=0.3).requires_grad_(False)
    w = torch.randn(2, 4, 8, generator=random(2))
    noise = {
        name: torch.randn(2, *level.shape[1:], generator=random(3)) for name, level in generator.noise_maps().items()
    }
    images = synthesise(generator, w, None, noise)
    options = {"random": random(), "steps": 100, "restarts": 1, "candidates": 32, "w_weight": 0.0}
    in_w, in_w_plus = (invert(generator, images, space=space, **options) for space in ("w", "w+"))
    with_noise = invert(generator, images, space="w+", noise=True, **options)
    assert (in_w_plus.distances < in_w.distances).all() and (with_noise.distances < in_w_plus.distances).all()
    assert not in_w.noise and with_noise.noise.keys() == noise.keys()
    for name, level in generator.noise_maps().items():
        assert torch.allclose(with_noise.noise[name].mean((1, 2, 3)), level.mean(), atol=1e-4)


def test_layers_that_are_held_together_stay_near_one_another() -> None:
    generator = stylegan2().requires_grad_(False)
    images = generator.synthesise(torch.randn(2, 4, 8, generator=random(2)))
    options = {"space": "w+", "steps": 60, "restarts": 1, "candidates": 32}
    free, held = (invert(generator, images, random=random(), w_weight=weight, **options) for weight in (0.0, 1.0))
    assert (off_one_another(held.latents) < 0.5 * off_one_another(free.latents)).all()


def test_regularisers_in_closed_form() -> None:
    assert torch.allclose(off_mean(torch.full((1, 2, 3), 3.0)), torch.tensor([8.0]))
    assert torch.equal(off_mean(torch.full((1, 3), 0.5)), torch.zeros(1))
    layers = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]])  # variance 1 of one number of two
    assert torch.allclose(off_one_another(layers), torch.tensor([0.5]))
    # A constant has products of 1 down and right, and 2 ** 2 in the halving, whose square is 16.
    assert torch.allclose(correlation({"a": torch.ones(1, 1, 16, 16)}), torch.tensor([2.0 + 2 * 16]))
    assert torch.allclose(correlation({"a": torch.ones(2, 1, 4, 4)}), torch.tensor([2.0, 2.0]))
    white = torch.randn(1, 1, 64, 64, generator=random())
    assert correlation({"a": white}) < 0.1
    level = {"a": torch.rand(2, 1, 8, 8)}
    standardise(level, {"a": (torch.tensor(0.5), torch.tensor(2.0))})
    assert torch.allclose(level["a"].mean((1, 2, 3)), torch.full((2,), 0.5), atol=1e-5)
    assert torch.allclose(level["a"].std((1, 2, 3), unbiased=False), torch.full((2,), 2.0), atol=1e-5)


def test_tuning_gives_the_image_and_locality_keeps_the_others() -> None:
    generator = stylegan2().requires_grad_(False)
    image = generator(torch.randn(1, 8, generator=random(4)))[0]
    pivot = Latent("w", LatentSpace(generator, "w").from_z(torch.randn(1, 8, generator=random(5)), None)[0])
    state = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    before = generator.synthesise(pivot.w(generator))[0]
    z = torch.randn(16, 8, generator=random(6))
    moved = []
    for weight in (0.0, 30.0):
        options = {"distance": PIXELS, "steps": 60, "learning_rate": 1e-2, "locality_weight": weight}
        tuned = tune(generator, pivot, image, random=random(), **options)
        after = tuned.synthesise(pivot.w(tuned))[0]
        assert PIXELS(after[None], image[None], None) < 0.5 * PIXELS(before[None], image[None], None)
        moved.append((tuned(z) - generator(z)).square().mean())
    assert moved[1] < 0.8 * moved[0]
    assert all(torch.equal(tensor, state[name]) for name, tensor in generator.state_dict().items())
    assert all(torch.equal(tuned.state_dict()[name], state[name]) for name in state if name.startswith("mapping"))
