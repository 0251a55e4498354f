"""The built-in world has three aligned images of every street, and a translation between them has to be learned."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from i2i.data.folders import find_pairs, find_unpaired
from i2i.data.labels.class_map import read_class_names
from i2i.data.world import CLASSES, Gap, Scene, draw_scene, held_out_count, make_world, parse_gap
from i2i.data.world.layers import rasterise
from i2i.data.world.render import SIM_COLOURS, Look, render_real
from i2i.data.world.scene import _street

SIZE = 48


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [draw_scene(size=SIZE, seed=0, index=index) for index in range(20)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("worlds") / "new" / "street"
    make_world(folder, count=6, size=24, seed=3)
    return folder


def psnr(ours: np.ndarray, truth: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((ours.astype(float) - truth) ** 2)))


def inside(labels: np.ndarray) -> np.ndarray:
    """Pixels whose 5 x 5 neighbourhood has one label only."""
    square = np.ones((5, 5), np.uint8)
    return cv2.dilate(labels, square) == cv2.erode(labels, square)


def sharpness(image: np.ndarray, where: np.ndarray) -> float:
    return float(np.abs(cv2.Laplacian(image.astype(np.float32).mean(axis=-1), cv2.CV_32F))[where].mean())


def test_a_scene_depends_on_its_arguments_alone() -> None:
    first = draw_scene(size=SIZE, seed=5, index=2)
    np.random.seed(123)
    draw_scene(size=SIZE, seed=5, index=7)
    for ours, again in zip(first, draw_scene(size=SIZE, seed=5, index=2), strict=True):
        np.testing.assert_array_equal(ours, again)


@pytest.mark.parametrize("other", [{"seed": 5, "index": 3}, {"seed": 6, "index": 2}])
def test_another_seed_or_index_is_another_street(other: dict[str, int]) -> None:
    ours, theirs = draw_scene(size=SIZE, seed=5, index=2), draw_scene(size=SIZE, **other)
    assert np.mean(ours.labels != theirs.labels) > 0.05


@pytest.mark.parametrize("size", [16, 17, 64, 129])
def test_a_scene_is_three_images_of_its_size(size: int) -> None:
    scene = draw_scene(size=size, seed=0, index=0)
    assert scene.sim.shape == scene.real.shape == (size, size, 3)
    assert scene.labels.shape == (size, size)
    assert {image.dtype for image in scene} == {np.dtype(np.uint8)}


@pytest.mark.parametrize("index", range(4))
def test_at_every_size_a_scene_is_the_same_street(index: int) -> None:
    small, large = (draw_scene(size=size, seed=0, index=index) for size in (64, 192))
    centres = large.labels[1::3, 1::3]
    assert np.mean(small.labels == centres) > 0.93
    assert psnr(cv2.resize(large.real, (64, 64), interpolation=cv2.INTER_AREA), small.real) > 18


def test_the_hue_of_sim_is_that_of_the_label(scenes: list[Scene]) -> None:
    hues = SIM_COLOURS / np.linalg.norm(SIM_COLOURS, axis=1, keepdims=True)
    for scene in scenes:
        np.testing.assert_array_equal((scene.sim @ hues.T).argmax(axis=-1), scene.labels)


def test_every_class_occurs(scenes: list[Scene]) -> None:
    counts = sum(np.bincount(scene.labels.ravel(), minlength=len(CLASSES)) for scene in scenes)
    assert len(counts) == len(CLASSES)
    assert (counts > 0.005 * counts.sum()).all(), dict(zip(CLASSES, counts, strict=True))


def test_sky_is_above_and_road_below(scenes: list[Scene]) -> None:
    labels = np.stack([scene.labels for scene in scenes])
    rows = np.arange(SIZE)[None, :, None] * np.ones_like(labels)
    assert rows[labels == CLASSES.index("sky")].max() < 0.6 * SIZE
    assert rows[labels == CLASSES.index("road")].min() > 0.4 * SIZE


def test_real_has_texture_where_sim_is_flat(scenes: list[Scene]) -> None:
    for scene in scenes:
        where = inside(scene.labels)
        assert sharpness(scene.real, where) > 3 * sharpness(scene.sim, where)


def test_real_has_sensor_noise(scenes: list[Scene]) -> None:
    sky = [inside(s.labels) & (s.labels == CLASSES.index("sky")) for s in scenes]
    # A Laplacian (weights 1, 1, 1, 1, -4) of the mean of three channels of white noise has deviation sqrt(20 / 3) times
    # theirs, and the mean of its magnitude is sqrt(2 / pi) of that.
    expected = 2.5 * np.sqrt(20 / 3) * np.sqrt(2 / np.pi)
    measured = np.mean([sharpness(s.real, where) for s, where in zip(scenes, sky, strict=True) if where.sum() > 50])
    assert measured == pytest.approx(expected, rel=0.2)


def test_the_identity_scores_below_the_mean_colour_of_each_class(scenes: list[Scene]) -> None:
    sim, real, labels = (np.stack(images) for images in zip(*scenes, strict=True))
    means = np.stack([real[labels == index].mean(axis=0) for index in range(len(CLASSES))])
    assert psnr(sim, real) < 14
    assert 19 < psnr(means[labels], real) < 25


def test_distant_surfaces_fade_into_the_haze_at_the_horizon() -> None:
    rng = np.random.default_rng(0)
    street, look = _street(rng), Look.draw(rng)
    layers = rasterise(street, SIZE)
    surfaces = layers.labels != CLASSES.index("sky")
    near, far = (render_real(layers._replace(depth=np.full_like(layers.depth, z)), street, look, rng) for z in (1, 400))
    assert far[surfaces].std(axis=0).max() < 10 < 30 < near[surfaces].std(axis=0).min()


def test_classes_have_different_mean_colours_in_real(scenes: list[Scene]) -> None:
    _, real, labels = (np.stack(images) for images in zip(*scenes, strict=True))
    means = np.stack([real[labels == index].mean(axis=0) for index in range(len(CLASSES))])
    apart = np.linalg.norm(means[:, None] - means[None], axis=-1) + 1e3 * np.eye(len(CLASSES))
    assert apart.min() > 10


def test_the_images_of_a_scene_have_one_name_in_the_folder(world: Path) -> None:
    for split, count in (("train", 6), ("test", held_out_count(6))):
        stems = [sorted(p.name for p in (world / f"{split}{part}").glob("*.png")) for part in ("A", "B", "A_labels")]
        assert stems[0] == stems[1] == stems[2]
        assert len(stems[0]) == count
    scene = draw_scene(size=24, seed=3, index=4)
    names = ("trainA", "trainB", "trainA_labels")
    for name, ours in zip(names, scene, strict=True):
        written = cv2.imread(str(world / name / "00004.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(written[..., ::-1] if ours.ndim == 3 else written, ours)


def test_held_out_scenes_are_new_and_the_same_for_any_count(world: Path, tmp_path: Path) -> None:
    make_world(tmp_path / "larger", count=12, size=24, seed=3)
    held = (world / "testA" / "00000.png").read_bytes()
    assert (tmp_path / "larger" / "testA" / "00000.png").read_bytes() == held
    assert held not in [p.read_bytes() for p in (tmp_path / "larger" / "trainA").iterdir()]


def test_progress_counts_scenes(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    make_world(tmp_path / "out", count=5, size=16, seed=0, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(done, 6) for done in range(1, 7)]


def test_a_folder_that_is_not_empty_is_refused_and_stays_as_it_is(world: Path) -> None:
    before = sorted(world.rglob("*"))
    with pytest.raises(ValueError, match="exists and is not an empty folder"):
        make_world(world, count=1, size=16, seed=0)
    assert sorted(world.rglob("*")) == before


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    make_world(tmp_path, count=1, size=16, seed=0)
    assert (tmp_path / "trainA" / "00000.png").is_file()


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_world(tmp_path / "out", count=3, size=16, seed=0, progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("wrong", "sentence"), [({"size": 15}, "16 or more"), ({"index": -1}, "negative")])
def test_impossible_scenes_are_refused(wrong: dict[str, int], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        draw_scene(**{"size": 32, "seed": 0, "index": 0, **wrong})


def mean_shares(gap: Gap) -> dict[str, float]:
    """The mean share of the pixels of 60 scenes by class."""
    scenes = [draw_scene(size=32, seed=0, index=index, gap=gap).labels for index in range(60)]
    return {name: float(np.mean(np.stack(scenes) == index)) for index, name in enumerate(CLASSES)}


def test_scenes_without_a_gap_are_those_of_the_first_release() -> None:
    first = [[641, 1578, 44, 229, 919, 198, 370, 117], [709, 1062, 62, 284, 827, 161, 917, 74]]
    for index, counts in enumerate(first):
        labels = draw_scene(size=64, seed=0, index=index).labels
        np.testing.assert_allclose(np.bincount(labels.ravel(), minlength=len(CLASSES)), counts, atol=5)


def test_a_gap_changes_what_it_names() -> None:
    plain, trees, cars = (mean_shares(gap) for gap in (Gap(), Gap(trees=0.6), Gap(cars=0)))
    assert trees["vegetation"] > 1.4 * plain["vegetation"] and trees["car"] == pytest.approx(plain["car"], rel=0.3)
    assert cars["car"] == 0 < plain["car"] and cars["vegetation"] == pytest.approx(plain["vegetation"], rel=0.2)
    assert mean_shares(Gap(trees=0))["vegetation"] < 0.5 * plain["vegetation"]
    assert mean_shares(Gap(cars=1))["car"] > 1.5 * plain["car"]


@pytest.mark.parametrize("shift", [-0.25, 0.1, 0.25])
def test_a_gap_moves_the_horizon_by_its_share_of_the_height(shift: float) -> None:
    for index in range(8):
        plain, moved = (draw_scene(size=64, seed=0, index=index, gap=gap).labels for gap in (Gap(), Gap(horizon=shift)))
        first_road_rows = [
            np.flatnonzero((labels == CLASSES.index("road")).any(axis=1))[0] for labels in (plain, moved)
        ]
        assert first_road_rows[1] - first_road_rows[0] == pytest.approx(shift * 64, abs=2)


@pytest.fixture(scope="module")
def gap_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("worlds") / "gap"
    make_world(folder, count=6, size=24, seed=3, gap=Gap(trees=0.6, cars=0))
    return folder


def test_a_gap_leaves_the_simulated_scenes_as_they_are_and_keeps_their_truth(world: Path, gap_world: Path) -> None:
    for plain, ours in (
        *((name, name) for name in ("trainA", "trainA_labels", "testA", "testA_labels")),
        ("testB", "truth/testA_real"),
    ):
        files = {path.name: path.read_bytes() for path in (world / plain).iterdir()}
        assert files == {path.name: path.read_bytes() for path in (gap_world / ours).iterdir()}


def test_real_scenes_with_a_gap_are_others_with_label_maps_beside_them(gap_world: Path) -> None:
    scene = draw_scene(size=24, seed=3, index=2_000_004, gap=Gap(trees=0.6, cars=0))
    written = cv2.imread(str(gap_world / "trainB" / "real00004.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(written[..., ::-1], scene.real)
    for photos, labels, count in (("trainB", "truth/trainB_labels", 6), ("testB", "testB_labels", held_out_count(6))):
        names = sorted(path.name for path in (gap_world / photos).iterdir())
        assert names == sorted(path.name for path in (gap_world / labels).glob("*.png")) and len(names) == count
        maps = [cv2.imread(str(gap_world / labels / name), cv2.IMREAD_UNCHANGED) for name in names]
        assert not (np.stack(maps) == CLASSES.index("car")).any()


def test_training_on_a_world_with_a_gap_sees_no_truth_and_no_pairs(gap_world: Path) -> None:
    found = find_unpaired(gap_world)
    used = {path.relative_to(gap_world).parts[0] for side in (*found.train, *found.test) for path in side}
    assert used == {"trainA", "trainB", "testA", "testB"}
    with pytest.raises(ValueError, match="partner"):
        find_pairs(gap_world)


def test_the_classes_are_named_beside_every_folder_of_label_maps(world: Path, gap_world: Path) -> None:
    for folder in (world, gap_world):
        maps = sorted(folder.rglob("*_labels"))
        assert len(maps) == (2 if folder == world else 4)
        assert {read_class_names(path / "classes.txt") for path in maps} == {CLASSES}


def test_a_gap_is_read_from_text_and_written_as_it() -> None:
    assert parse_gap("trees=0.6, horizon=-0.1,cars=0") == Gap(trees=0.6, horizon=-0.1, cars=0)
    assert parse_gap("cars=1") == Gap(cars=1) and str(Gap(trees=0.5, cars=0)) == "trees=0.5,cars=0"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("tree=1", "did you mean 'trees'[?] choose from: cars, horizon, trees"),
        ("", "choose from"),
        ("trees=1,trees=0", "trees is there twice"),
        ("cars=some", "cars=some is not allowed; allowed: a number from 0 to 1"),
        ("cars=nan", "allowed: a number from 0 to 1"),
        ("horizon=0.3", "allowed: a number from -0.25 to 0.25"),
    ],
)
def test_a_gap_that_cannot_be_drawn_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_gap(text)
