"""Images back into latents."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from i2i.latent.distances import pixel_distance, vgg_distance, weighted
from i2i.latent.invert import invert
from i2i.latent.invert_files import find_images, read_batches, read_for
from i2i.metrics.psnr import psnr
from i2i_runtime import images
from tests.latent.test_sampler import Straight, dcgan
from tests.vgg import write_vgg19

PIXELS = pixel_distance((-1.0, 1.0))


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def decibels(found: Tensor, images: Tensor) -> Tensor:
    return psnr(found / 2 + 0.5, images / 2 + 0.5)


@pytest.mark.parametrize("classes", [0, 3])
def test_the_latent_of_a_sample_is_found_again(classes: int) -> None:
    generator = dcgan(classes=classes).eval()
    z, labels = torch.randn(4, 16, generator=random(1)), torch.arange(4) % 3 if classes else None
    with torch.no_grad():
        samples = generator(z, labels)
    state = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    found = invert(generator, samples, random=random(), steps=200, restarts=3)
    # Within a tenth of its length, and the image to more than 30 dB; starting points are 100 % and 10 dB away.
    assert ((found.latents - z).norm(dim=1) < 0.1 * z.norm(dim=1)).all()
    assert (decibels(found.images, samples) > 30).all()
    with torch.no_grad():
        assert torch.allclose(generator(found.latents, found.labels), found.images, atol=1e-4)
    assert torch.allclose(PIXELS(found.images, samples, None), found.distances, atol=1e-6)
    if labels is not None:
        assert found.labels is not None and torch.equal(found.labels, labels)
    assert all(torch.equal(tensor, state[name]) for name, tensor in generator.state_dict().items())
    assert all(parameter.grad is None for parameter in generator.parameters())


def test_w_is_found_where_the_mapping_cannot_reach() -> None:
    generator = Straight().eval()
    target = torch.full((1, 1, 2, 2), 1.5)  # tanh ends at 1
    in_z, in_w = (
        invert(generator, target, random=random(), space=space, steps=100, w_weight=0) for space in ("z", "w")
    )
    assert in_w.distances.item() < 1e-5 < 0.05 < in_z.distances.item()
    assert torch.allclose(in_w.latents, torch.full((1, 4), 1.5), atol=1e-2)


def test_images_of_a_batch_do_not_influence_each_other() -> None:
    generator = dcgan().eval()
    with torch.no_grad():
        samples = generator(torch.randn(3, 16, generator=random(2)))
    together = invert(generator, samples, random=random(), steps=15, restarts=2)
    for at in range(3):
        alone = invert(generator, samples[at : at + 1], random=random(), steps=15, restarts=2)
        assert torch.allclose(alone.images[0], together.images[at], atol=1e-2)


def test_more_restarts_never_end_farther_away() -> None:
    generator = dcgan().eval()
    with torch.no_grad():
        samples = generator(torch.randn(4, 16, generator=random(3)))
    few, many = (invert(generator, samples, random=random(), steps=20, restarts=count).distances for count in (1, 6))
    assert (many <= few + 1e-6).all() and (many < 0.9 * few).any()


def test_the_sphere_holds_latents_of_images_that_cannot_be_generated() -> None:
    generator = dcgan().eval()
    noise = torch.rand(2, 1, 32, 32, generator=random(4)) * 2 - 1
    free, held = (
        invert(generator, noise, random=random(), steps=60, restarts=1, sphere_weight=weight).latents.square().mean(1)
        for weight in (0.0, 1.0)
    )
    assert ((held - 1).abs() < (free - 1).abs()).all()


def test_pixel_distance_is_a_mean_square_over_scales() -> None:
    zeros = torch.zeros(2, 3, 16, 16)
    # A constant difference is the same at every scale; one that is coarsened away counts at one of three only.
    assert torch.allclose(PIXELS(zeros + 0.5, zeros, None), torch.full((2,), 0.0625))
    checkers = torch.tensor([0.5, -0.5]).repeat(8).expand(2, 3, 16, 16)
    assert torch.allclose(PIXELS(checkers, zeros, None), torch.full((2,), 0.0625 / 3))
    both = weighted((2.0, PIXELS), (1.0, lambda fake, target, labels: torch.ones(2)))
    assert torch.allclose(both(zeros + 0.5, zeros, None), torch.full((2,), 1.125))


def test_vgg_distance_is_each_images_own(tmp_path: Path) -> None:
    distance = vgg_distance((-1.0, 1.0), write_vgg19(tmp_path / "vgg.safetensors", convolutions=10))
    assert distance is not None
    fake, target = torch.rand(2, 3, 1, 32, 32, generator=random()) * 2 - 1
    together = distance(fake, target, None)
    assert together.shape == (3,) and (together > 0).all() and (distance(target, target, None) == 0).all()
    assert torch.allclose(distance(fake[1:2], target[1:2], None), together[1:2], rtol=1e-4)


def test_without_weights_there_is_no_vgg_distance_and_nothing_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert vgg_distance((-1.0, 1.0)) is None and not any(tmp_path.iterdir())
    with pytest.raises(ValueError, match="no such file"):
        vgg_distance((-1.0, 1.0), tmp_path / "gone.pth")


def test_what_cannot_be_inverted_is_said() -> None:
    generator = dcgan()
    with pytest.raises(ValueError, match="training mode"):
        invert(generator, torch.zeros(1, 1, 32, 32), random=random())
    for shape in ((1, 3, 32, 32), (1, 1, 16, 16), (1, 32, 32)):
        with pytest.raises(ValueError, match=r"allowed: \(N, 1, 32, 32\)"):
            invert(generator.eval(), torch.zeros(shape), random=random())
    with pytest.raises(ValueError, match="trained without classes"):
        invert(generator, torch.zeros(1, 1, 32, 32), random=random(), label=0)
    for options, said in (({"steps": 0}, "steps 0"), ({"restarts": 9, "candidates": 8}, "allowed: up to 8")):
        with pytest.raises(ValueError, match=said):
            invert(generator, torch.zeros(1, 1, 32, 32), random=random(), **options)


def test_files_are_read_as_the_generator_would_make_them(tmp_path: Path) -> None:
    wide = np.zeros((64, 100, 3), np.uint8)
    wide[:, 18:82] = 255  # the middle
    images.write(tmp_path / "a.png", wide)
    (tmp_path / "b.png").write_bytes(b"no image")
    generator, failed = dcgan(), []
    assert torch.equal(read_for(generator, tmp_path / "a.png"), torch.ones(1, 32, 32))
    root, names = find_images(tmp_path)
    batches = list(read_batches(generator, root, names, batch=2, failed=failed))
    assert [(list(map(str, some)), tuple(batch.shape)) for some, batch in batches] == [(["a.png"], (1, 1, 32, 32))]
    assert len(failed) == 1 and "b.png: not an image" in failed[0]
    assert find_images(tmp_path / "a.png") == (tmp_path, [Path("a.png")])
    images.write(tmp_path / "a.jpg", wide)
    with pytest.raises(ValueError, match="two images are called a"):
        find_images(tmp_path)
