"""Images by their seeds, and the ways between them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from i2i.latent.sampler import Sampler, grid
from i2i.latent.sheet import sample_sheet
from i2i.latent.walk import combine, lerp, slerp, walk
from i2i.networks.generators.base import LatentGenerator
from i2i.networks.generators.dcgan import DCGANGenerator
from i2i_runtime import images
from i2i_runtime.folder.samples import sample_folder

ENDS = torch.tensor([0.0, 1.0], dtype=torch.float64)


class Straight(LatentGenerator):
    """w is a linear function of z and of the class, and the image shows w: what a mapping network is to a walk."""

    linear = True
    latent, size, out_channels = 4, 2, 1

    def __init__(self, classes: int = 0) -> None:
        super().__init__()
        self.classes = classes

    def map(self, z: Tensor, label: Tensor | None = None, *, truncation: float = 1.0) -> Tensor:
        w = torch.tanh(z) if label is None else torch.tanh(z) * 0 + label[:, None] / 10
        return truncation * w

    def synthesise(self, w: Tensor, label: Tensor | None = None) -> Tensor:
        return w.reshape(-1, 1, 2, 2)


def dcgan(**options: int) -> DCGANGenerator:
    """Smooth enough, and far enough from grey, to tell one latent from another."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = DCGANGenerator(
            **{"size": 32, "out_channels": 1, "latent": 16, "features": 8, **options}, init="orthogonal", init_gain=1.0
        )
        for _ in range(10):  # running statistics
            generator(torch.randn(32, 16), torch.arange(32) % generator.classes if generator.classes else None)
    return generator


def test_an_image_depends_only_on_its_own_seed() -> None:
    sampler = Sampler(dcgan())
    together = sampler(range(8))
    assert together.shape == (8, 32, 32, 1) and together.dtype == np.uint8
    for seed in range(8):
        alone = sampler([seed])[0]
        assert np.abs(alone.astype(int) - together[seed]).max() <= 1
        assert np.abs(alone.astype(int) - together[(seed + 1) % 8]).max() > 50
    assert torch.equal(sampler.draw([5]), sampler.draw([3, 5, 9])[1:2])


def test_sampling_does_not_change_the_random_state() -> None:
    sampler, state = Sampler(dcgan()), torch.get_rng_state()
    sampler(range(3), truncation=0.5)
    assert torch.equal(torch.get_rng_state(), state)


def test_classes_come_in_turn_or_as_given_and_change_the_image() -> None:
    sampler = Sampler(dcgan(classes=3))
    assert sampler.labels_of(range(4, 9)) == [1, 2, 0, 1, 2] and sampler.labels_of([4, 5], 2) == [2, 2]
    assert not np.array_equal(sampler([4], [0]), sampler([4], [1]))
    assert np.array_equal(sampler([4]), sampler([4], [1]))
    with pytest.raises(ValueError, match="class 3 is not known; allowed: 0 to 2"):
        sampler.labels_of([1], 3)
    with pytest.raises(ValueError, match="trained without classes"):
        Sampler(dcgan()).labels_of([1], 0)


def test_truncation_is_applied_once_by_latent_or_by_mapping() -> None:
    sampler = Sampler(dcgan())
    assert sampler.draw(range(200), truncation=0.5).abs().max() <= 1.0 < sampler.draw(range(200)).abs().max()
    straight = Sampler(Straight())
    whole, half = (straight.map(straight.draw([1], truncation=t), [], truncation=t) for t in (1.0, 0.5))
    assert torch.allclose(half, 0.5 * whole)
    for refused in (-0.1, 1.5):
        with pytest.raises(ValueError, match=r"allowed: 0 .* to 1"):
            sampler.draw([1], truncation=refused)


@pytest.mark.parametrize("dimensions", [2, 3, 100])
def test_slerp_goes_along_the_arc_in_equal_steps(dimensions: int) -> None:
    start, end = torch.randn(2, dimensions, generator=torch.Generator().manual_seed(dimensions), dtype=torch.float64)
    points = slerp(start, end, torch.linspace(0, 1, 6, dtype=torch.float64))
    assert torch.allclose(points[[0, -1]], torch.stack([start, end]))
    assert torch.allclose(
        points.norm(dim=1), torch.linspace(float(start.norm()), float(end.norm()), 6).double(), atol=1e-6
    )
    directions = points / points.norm(dim=1, keepdim=True)
    cosines = (directions[1:] * directions[:-1]).sum(1)
    assert torch.allclose(cosines, cosines[0].expand(5))
    # In the plane of both ends: nothing of it is left when their share is taken away.
    basis = torch.linalg.qr(torch.stack([start, end]).T).Q
    assert torch.allclose(points @ basis @ basis.T, points)


def test_slerp_between_parallel_vectors_is_finite() -> None:
    start = torch.tensor([1.0, 2.0], dtype=torch.float64)
    for end in (start, 3 * start, -start):
        assert torch.allclose(slerp(start, end, ENDS), torch.stack([start, end]))


@pytest.mark.parametrize("classes", [0, 3])
def test_a_walks_stops_are_the_samples(classes: int) -> None:
    sampler = Sampler(dcgan(classes=classes))
    frames = list(walk(sampler, [3, 9, 3], frames=5, batch=2))
    assert len(frames) == 9
    for place, seed in ((0, 3), (4, 9), (8, 3)):
        assert np.abs(frames[place].astype(int) - sampler([seed])[0]).max() <= 1
    far = np.abs(frames[0].astype(int) - frames[4]).mean()
    assert all(np.abs(frames[at].astype(int) - frames[at + 1]).mean() < 0.8 * far for at in range(4))


def test_a_walk_between_points_on_a_line_is_the_line_and_passes_between_classes() -> None:
    sampler = Sampler(Straight(classes=10))
    frames = np.stack(list(walk(sampler, [0, 1], [2, 8], frames=4)))
    expected = (np.array([0.2, 0.4, 0.6, 0.8]) + 1) * 127.5
    assert np.abs(frames - expected[:, None, None, None]).max() <= 0.5 + 1e-3
    w = torch.randn(2, 3, 4)
    assert torch.equal(lerp(w[0], w[1], torch.tensor([0.0, 1.0])), w)


def test_arithmetic_of_a_seed_with_itself_gives_the_third() -> None:
    sampler = Sampler(dcgan())
    terms, result = combine(sampler, [[1], [3]], [[1]])
    assert terms.shape == (3, 32, 32, 1)
    # Single seeds are shown as they are sampled; the result lies in the direction of seed 3.
    assert np.abs(terms.astype(int) - sampler([1, 3, 1])).max() <= 1
    ratio = sampler.draw([1, 3, 1]).norm(dim=1).mean() / sampler.draw([3]).norm()
    expected = sampler.picture(sampler.draw([3]) * ratio, [])[0]
    assert np.abs(result.astype(int) - expected).max() <= 1
    straight = Sampler(Straight())
    w = straight.map(straight.draw(range(4)), [])
    _, result = combine(straight, [[0, 1]], [[2]])
    assert np.array_equal(result, straight.picture((w[:2].mean(0) - w[2])[None], [])[0])
    with pytest.raises(ValueError, match="nothing to add"):
        combine(sampler, [], [[1]])


def test_a_folder_is_gone_on_with_and_kept_to_one_model(tmp_path: Path) -> None:
    sampler, out = Sampler(dcgan()), tmp_path / "out"
    calls = iter([False, True])
    first = sample_folder(sampler, out, range(20), batch=8, stop=lambda: next(calls))
    assert first == (8, 0) and len(images.list_images(out)) == 8
    before = (out / "seed0003.png").stat().st_mtime_ns
    assert sample_folder(sampler, out, range(20), batch=8) == (12, 8)
    assert (out / "seed0003.png").stat().st_mtime_ns == before
    assert [path.name for path in images.list_images(out)] == [f"seed{seed:04d}.png" for seed in range(20)]
    assert np.array_equal(images.read(out / "seed0013.png"), sampler([13])[0])
    for other, truncation in ((sampler, 0.5), (Sampler(dcgan(latent=16, features=4)), 1.0)):
        with pytest.raises(ValueError, match="other weights, options or version"):
            sample_folder(other, out, range(20), truncation=truncation)
    assert sample_folder(sampler, out, range(2), truncation=0.5, overwrite=True) == (2, 0)


def test_options_may_change_as_long_as_nothing_was_written(tmp_path: Path) -> None:
    sampler = Sampler(dcgan())
    assert sample_folder(sampler, tmp_path / "out", range(3), stop=lambda: True) == (0, 0)
    assert sample_folder(sampler, tmp_path / "out", range(3), truncation=0.5) == (3, 0)


def test_files_of_others_are_never_taken_for_samples(tmp_path: Path) -> None:
    (tmp_path / "seed0001.png").write_bytes(b"somebody's own")
    with pytest.raises(ValueError, match=r"seed0001.png: is there, but not by this program"):
        sample_folder(Sampler(dcgan()), tmp_path, range(3))
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="a file, not a folder"):
        sample_folder(Sampler(dcgan()), tmp_path / "file", range(3))
    assert not (tmp_path / "seed0000.png").exists()


def test_a_full_disk_is_said_and_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = images.write

    def full(path: Path, image: images.Array) -> None:
        if "seed0010" in path.name:
            raise OSError(28, "No space left on device")
        write(path, image)

    monkeypatch.setattr(images, "write", full)
    with pytest.raises(OSError, match="No space left on device; 8 of 12 are there; make room"):
        sample_folder(Sampler(dcgan()), tmp_path, range(12), batch=4)
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".json"}
    assert json.loads((tmp_path / ".i2i-made.json").read_text())["truncation"] == 1.0


def test_samples_of_classes_lie_in_folders_and_in_columns(tmp_path: Path) -> None:
    sampler = Sampler(dcgan(classes=3))
    sample_folder(sampler, tmp_path, range(7))
    names = [path.as_posix() for path in images.list_images(tmp_path)]
    assert names == [f"class{label}/seed{seed:04d}.png" for label in range(3) for seed in range(label, 7, 3)]
    sheet = sample_sheet(sampler, range(7))
    assert sheet.shape == (100, 100, 1) and (sheet[68:, 34:] == 255).all()
    assert np.array_equal(sheet[34:66, 68:], sampler([5])[0])


def test_a_grid_is_row_by_row_with_white_between() -> None:
    pictures = np.arange(5, dtype=np.uint8)[:, None, None, None].repeat(2, axis=1)
    first, second, white = [0, 255, 255, 1, 255, 255, 2], [3, 255, 255, 4, 255, 255, 255], [255] * 7
    assert grid(pictures, columns=3)[..., 0].tolist() == [first, first, white, white, second, second]
