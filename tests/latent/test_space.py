"""Latent spaces of every generator, latents as files, and the weights that take them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from i2i.latent import latent_file
from i2i.latent.latent_file import Latent, of_seeds
from i2i.latent.sampler import Sampler
from i2i.latent.space import LatentSpace, layers_of, statistics_of, synthesise
from i2i.latent.walk import walk_between
from i2i.networks.generators.base import LatentGenerator
from i2i.networks.generators.biggan import BigGANGenerator
from i2i.networks.generators.linear import LinearGenerator
from i2i.networks.generators.r3gan import R3GANGenerator
from i2i.networks.generators.stylegan2 import StyleGAN2Generator
from i2i.networks.generators.stylegan3 import StyleGAN3Generator
from tests.latent.test_sampler import dcgan


def stylegan2(*, classes: int = 0, noise: float = 0.1, size: int = 8) -> StyleGAN2Generator:
    """Random weights whose images are about as far from grey as photos are, with noise of this strength."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = StyleGAN2Generator(
            size=size, out_channels=1, classes=classes, latent=8, style=8, mapping_layers=2, base=8 * size, features=16
        )
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith("strength"):
                parameter.fill_(noise)
            if "to_image" in name and "convolution" in name:
                parameter.mul_(0.3)
    return generator.eval()


def stylegan3() -> StyleGAN3Generator:
    return StyleGAN3Generator(
        size=16, out_channels=1, latent=8, style=8, mapping_layers=1, layers=4, features=8, base=64
    )


def biggan(**options: object) -> BigGANGenerator:
    return BigGANGenerator(size=32, out_channels=1, latent=8, features=2, spectral_norm=False, **options)


def r3gan(classes: int = 0) -> R3GANGenerator:
    return R3GANGenerator(size=8, out_channels=1, classes=classes, latent=8, features=16, base=128, group=4, blocks=1)


GENERATORS: dict[str, Callable[[], LatentGenerator]] = {
    "dcgan": lambda: dcgan(classes=3),
    "stylegan2": stylegan2,
    "stylegan3": stylegan3,
    "r3gan": lambda: r3gan(3),
    "biggan": biggan,
    "linear": lambda: LinearGenerator(size=4, classes=3, latent=8, features=16),
}


def points(generator: LatentGenerator, number: int) -> tuple[Tensor, Tensor | None]:
    labels = torch.arange(number) % generator.classes if generator.classes else None
    z = torch.randn(number, generator.latent, generator=torch.Generator().manual_seed(1))
    return generator.map(z, labels), labels


@pytest.mark.parametrize("name", GENERATORS)
@torch.no_grad()
def test_an_image_depends_on_w_by_its_latent_weights_alone(name: str) -> None:
    generator = GENERATORS[name]().eval()
    w, labels = points(generator, 2)
    label = None if labels is None else labels[:1].expand(2)
    weights = generator.latent_weights()
    assert len(weights) == (layers_of(generator) or 1) and all(each.shape[1] == w.shape[-1] for each in weights)
    before = generator.synthesise(w, label)
    to_images = [layer.affine.weight for layer in generator.to_image] if name == "stylegan2" else []
    for weight in [generator.stem.weight] if name == "biggan" else [*weights, *to_images]:
        weight.zero_()
    after = generator.synthesise(w, label)
    assert not torch.equal(before[0], before[1]) and torch.allclose(after[0], after[1], atol=1e-6)


@torch.no_grad()
def test_weights_of_hierarchical_blocks_take_their_own_part_of_z() -> None:
    generator = biggan(conditioning="hierarchical").eval()
    outputs: list[Tensor] = []
    tables = [
        layer for block in generator.blocks for norm in (block.norm1, block.norm2) for layer in (norm.gain, norm.bias)
    ]
    for layer in [generator.stem, *tables]:
        layer.register_forward_hook(
            lambda layer, _, output: outputs.append(output - (0 if layer.bias is None else layer.bias))
        )
    w = torch.randn(1, 8)
    generator.synthesise(w)
    (weight,) = generator.latent_weights()
    assert torch.allclose(w @ weight.T, torch.cat(outputs, dim=1), atol=1e-5)


def test_spaces_of_layered_and_other_generators() -> None:
    layered, z = stylegan2(), torch.randn(3, 8)
    assert [tuple(LatentSpace(layered, name).from_z(z, None).shape) for name in ("z", "w", "w+")] == [
        (3, 8),
        (3, 8),
        (3, 4, 8),
    ]
    expected = layered(z)
    for name in ("z", "w", "w+"):
        space = LatentSpace(layered, name)
        assert torch.allclose(space.synthesise(space.from_z(z, None), None, {}), expected, atol=1e-6)
    mean, deviation = statistics_of(layered, 300)
    w = LatentSpace(layered, "w").from_z(torch.randn(3000, 8, generator=torch.Generator().manual_seed(0)), None)
    assert torch.allclose(mean, w.mean(0), atol=0.2) and torch.allclose(deviation, w.std(0), rtol=0.2)
    with pytest.raises(ValueError, match="no w\\+; choose from: z, w"):
        LatentSpace(dcgan().eval(), "w+")


@torch.no_grad()
def test_given_noise_is_that_of_the_buffers_and_each_images_own() -> None:
    generator, w = stylegan2(noise=0.5), torch.randn(2, 4, 8)
    maps = {name: torch.randn(2, *level.shape[1:]) for name, level in generator.noise_maps().items()}
    assert len(maps) == 3
    images = synthesise(generator, w, None, maps)
    kept = {name: level.clone() for name, level in generator.noise_maps().items()}
    assert not torch.allclose(images, generator.synthesise(w), atol=1e-2)
    for at in range(2):
        for name, level in generator.noise_maps().items():
            level.copy_(maps[name][at])
        assert torch.allclose(generator.synthesise(w[at : at + 1])[0], images[at], atol=1e-6)
    assert all(not torch.equal(kept[name], level) for name, level in generator.noise_maps().items())


@pytest.mark.parametrize("space", ["z", "w", "w+"])
def test_a_latent_is_read_as_it_was_written(space: str, tmp_path: Path) -> None:
    sampler = Sampler(stylegan2(classes=3))
    shape = (4, 8) if space == "w+" else (8,)
    noise = {name: torch.randn(1, *level.shape[2:]) for name, level in sampler.generator.noise_maps().items()}
    latent = Latent(space, torch.randn(shape), 2, noise)
    latent_file.write(tmp_path / "in" / "a.safetensors", latent)
    read = latent_file.read(tmp_path / "in" / "a.safetensors", sampler)
    assert read.space == space and torch.equal(read.point, latent.point) and read.label == 2
    assert noise.keys() == read.noise.keys() and all(torch.equal(noise[name], read.noise[name]) for name in noise)


def test_a_file_of_version_0_1_has_its_w_for_each_layer(tmp_path: Path) -> None:
    latent_file.write(tmp_path / "a.safetensors", Latent("w", torch.randn(4, 8)))
    assert latent_file.read(tmp_path / "a.safetensors", Sampler(stylegan2())).space == "w+"


def test_latents_of_other_generators_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    latent_file.write(file, Latent("w", torch.randn(9)))
    with pytest.raises(ValueError, match=r"its w is \(9,\), but that of the generator \(8,\) or \(4, 8\)"):
        latent_file.read(file, Sampler(stylegan2()))
    latent_file.write(file, Latent("w", torch.randn(8)))
    with pytest.raises(ValueError, match="a latent without a label"):
        latent_file.read(file, Sampler(stylegan2(classes=3)))
    latent_file.write(file, Latent("w", torch.randn(8), None, {"flat.0.noise": torch.randn(1, 8, 8)}))
    with pytest.raises(ValueError, match="none of the generator's"):
        latent_file.read(file, Sampler(stylegan2()))
    file.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="no file of a latent"):
        latent_file.read(file, Sampler(stylegan2()))


@pytest.mark.parametrize("make", [stylegan2, dcgan])
def test_a_walk_goes_from_a_seed_to_a_latent_with_its_noise(make: Callable[[], LatentGenerator]) -> None:
    sampler = Sampler(make())
    (start,) = of_seeds(sampler, [3], [])
    noise = {name: torch.randn(1, *level.shape[2:]) for name, level in sampler.generator.noise_maps().items()}
    end = Latent("w", torch.randn(sampler.generator.latent), None, noise)
    frames = list(walk_between(sampler, [start, end], frames=4))
    assert len(frames) == 4 and abs(frames[0].astype(int) - sampler([3])[0]).max() <= 1
    w, labels, maps = latent_file.stack(sampler.generator, [end])
    assert abs(frames[-1].astype(int) - sampler.picture(w, labels, maps)[0]).max() <= 1
    assert isinstance(sampler.generator, nn.Module) and abs(frames[1].astype(int) - frames[0]).max() > 1
