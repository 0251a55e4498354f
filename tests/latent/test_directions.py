"""Directions in a latent space, and edits along them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from i2i.latent.directions import find_directions, principal_components, read_direction, sefa, write_direction
from i2i.latent.edit import mix, move, parse_layers, pictures
from i2i.latent.latent_file import of_seeds
from i2i.latent.sampler import Sampler
from i2i.networks.generators.base import LatentGenerator
from tests.latent.test_sampler import dcgan
from tests.latent.test_space import stylegan2


class Mapped(LatentGenerator):
    """w is z stretched, then rotated; the image is what a linear layer without outputs of one length makes of it."""

    linear, latent, size, out_channels = True, 3, 2, 1

    def __init__(self, *, is_rotated: bool = True) -> None:
        super().__init__()
        q, _ = torch.linalg.qr(torch.tensor([[2.0, 1.0, 0.0], [0.5, 3.0, 1.0], [1.0, 1.0, 4.0]]))
        self.axes = nn.Parameter(q if is_rotated else torch.eye(3))  # columns
        self.deviations = torch.tensor([1.0, 4.0, 2.0])
        # Three outputs along the second axis, two along the first, one along the third
        self.weight = nn.Parameter(torch.eye(3)[[1, 1, 0, 1, 0, 2]] @ self.axes.detach().T)

    def map(self, z: Tensor, label: Tensor | None = None, *, truncation: float = 1.0) -> Tensor:
        return z * self.deviations @ self.axes.T

    def synthesise(self, w: Tensor, label: Tensor | None = None) -> Tensor:
        return (w @ self.weight.T)[:, :4].reshape(-1, 1, 2, 2) / 10

    def latent_weights(self) -> list[Tensor]:
        return [self.weight.detach()]


def test_sefa_orders_axes_by_the_outputs_along_them() -> None:
    generator = Mapped().eval()
    overlaps = (sefa(generator) @ generator.axes.detach()).abs()
    assert torch.allclose(overlaps, torch.eye(3)[[1, 0, 2]], atol=1e-5)
    found = find_directions(generator, 3)
    assert torch.allclose(found.norm(dim=1), torch.tensor([4.0, 1.0, 2.0]), rtol=0.1)
    largest = found.gather(1, found.abs().argmax(1, keepdim=True))
    assert (largest > 0).all()


def test_principal_components_are_the_axes_by_variance() -> None:
    generator = Mapped().eval()
    overlaps = (principal_components(generator, 4000) @ generator.axes.detach()).abs()
    assert torch.allclose(overlaps, torch.eye(3)[[1, 2, 0]], atol=0.05)
    found = find_directions(generator, 2, by="pca")
    assert torch.allclose(found.norm(dim=1), torch.tensor([4.0, 2.0]), rtol=0.1)


def test_what_has_no_directions_is_said() -> None:
    for generator in (dcgan().eval(), Mapped(is_rotated=False).eval()):
        with pytest.raises(ValueError, match="choose from: --by sefa"):
            find_directions(generator, 2, by="pca")
    with pytest.raises(ValueError, match="allowed: 1 to 3"):
        find_directions(Mapped().eval(), 4)

    class Silent(Mapped):
        def latent_weights(self) -> list[Tensor]:
            return []

    with pytest.raises(ValueError, match="choose from: --by pca"):
        find_directions(Silent().eval(), 1)


def test_directions_of_layers_move_these_alone() -> None:
    generator = stylegan2()
    found = find_directions(generator, 2, layers=[1, 2])
    assert found.shape == (2, 4, 8) and (found[:, [0, 3]] == 0).all() and torch.equal(found[:, 1], found[:, 2])
    # They are those of the weights of these layers.
    weights = torch.cat([generator.latent_weights()[layer] for layer in (1, 2)]).double()
    weights = weights / weights.norm(dim=1, keepdim=True)
    energy = (weights @ found[:, 1].double().T).square().sum(0) / found[:, 1].double().square().sum(1)
    assert torch.allclose(energy, torch.linalg.eigvalsh(weights.T @ weights).flip(0)[:2], rtol=1e-4)


def test_an_edit_moves_w_by_strength_and_is_undone_by_its_opposite() -> None:
    sampler = Sampler(stylegan2())
    (start,), direction = of_seeds(sampler, [1], []), torch.randn(8)
    moved = move(sampler, start, direction, 2)
    w = start.w(sampler.generator)[0]
    assert moved.space == "w+" and torch.allclose(moved.point - w, 2 * direction.expand(4, -1), atol=1e-5)
    same, back, there = pictures(sampler, [start, move(sampler, moved, direction, -2), moved]).astype(int)
    assert abs(same - back).max() <= 1 < abs(same - there).max()
    some = move(sampler, start, direction, 2, [1, 3]).point - w
    assert (some[[0, 2]] == 0).all() and torch.allclose(some[[1, 3]], 2 * direction.expand(2, -1), atol=1e-5)
    alone = move(Sampler(dcgan()), of_seeds(Sampler(dcgan()), [1], [])[0], torch.ones(16), -1)
    assert alone.space == "w" and torch.allclose(alone.point, of_seeds(Sampler(dcgan()), [1], [])[0].point - 1)


def test_mixing_all_layers_is_the_other_and_none_is_the_first() -> None:
    sampler = Sampler(stylegan2())
    first, other = of_seeds(sampler, [1, 2], [])
    mixed = [mix(sampler, first, other, layers) for layers in ([], [2, 3], range(4))]
    images = pictures(sampler, [first, *mixed, other]).astype(int)
    assert abs(images[1] - images[0]).max() <= 1 and abs(images[3] - images[4]).max() <= 1
    assert abs(images[2] - images[0]).max() > 1 < abs(images[2] - images[4]).max()
    assert torch.equal(mixed[1].point[:2], mixed[0].point[:2]) and torch.equal(mixed[1].point[2:], mixed[2].point[2:])
    with pytest.raises(ValueError, match="nothing to mix"):
        mix(Sampler(dcgan()), *of_seeds(Sampler(dcgan()), [1, 2], []), [0])


def test_layers_are_numbers_and_ranges() -> None:
    assert parse_layers("0,4-6", 8) == [0, 4, 5, 6] and parse_layers("3", 4) == [3]
    for words, said in (
        ("4-8", "choose from 0 to 7"),
        ("0-999999999999", "choose from 0 to 7"),
        ("a", "allowed: numbers"),
        ("5-3", "choose from"),
        ("-1", "allowed"),
    ):
        with pytest.raises(ValueError, match=said):
            parse_layers(words, 8)
    with pytest.raises(ValueError, match="leave them out"):
        parse_layers("1", 0)


def test_a_direction_is_read_as_it_was_written_and_others_are_refused(tmp_path: Path) -> None:
    generator, file = stylegan2(), tmp_path / "smile.npy"
    for direction in (torch.randn(8), torch.randn(4, 8)):
        write_direction(file, direction)
        assert torch.equal(read_direction(file, generator), direction)
    write_direction(file, torch.randn(9))
    with pytest.raises(ValueError, match=r"allowed: \(8,\) or \(4, 8\)"):
        read_direction(file, generator)
    np.save(file, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"no \.npy of a direction"):
        read_direction(file, generator)
    with pytest.raises(ValueError, match=r"nowhere\.npy"):
        read_direction(tmp_path / "nowhere.npy", generator)
