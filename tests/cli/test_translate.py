"""`i2i translate` and its options, on runs and on exported files."""

import json
import sys
from pathlib import Path

import pytest

import i2i.cli
from i2i.checkpoints.run import find
from i2i_runtime.images import list_images
from tests.cli.test_cli import i2i_run, settings
from tests.worlds import tiny_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_world(tmp_path_factory.mktemp("data") / "world")


@pytest.fixture(scope="module")
def trained(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of CycleGAN, one step long."""
    run = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        words = ["i2i", "train", "cyclegan", str(world), "--out", str(run), *settings("cyclegan", "train.steps=1")]
        patch.setattr(sys, "argv", words)
        i2i.cli.main()
    assert not end.value.code
    return run


def lines(out: Path) -> list[dict]:
    return [json.loads(line) for file in out.glob(".i2i-manifest*") for line in file.read_text().splitlines()]


def test_tiles_are_refused_where_the_network_needs_the_whole_image(
    trained: Path, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["translate", trained, world / "testA", tmp_path / "out", "--tile", "512"]
    code, _, errors = i2i_run(*words, capsys=capsys)
    assert code == 1 and "tile: a_to_b needs the whole image; leave the option out" in errors
    assert len(errors.strip().splitlines()) == 1 and not (tmp_path / "out").exists()


def test_labels_are_carried_and_shards_share_a_folder(
    trained: Path, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "in"
    (source / "labels").mkdir(parents=True)
    for file in (world / "trainA").iterdir():
        (source / file.name).write_bytes(file.read_bytes())
        (source / "labels" / f"{file.stem}.json").write_text(file.name)
    said = []
    for shard in ("0/2", "1/2", "0/1"):
        words = ["translate", trained, source, tmp_path / "out", "--carry", "labels/**", "--shard", shard]
        code, out, _ = i2i_run(*words, "--format", "webp", "--batch", "3", capsys=capsys)
        assert code == 0
        said.append(out)
    count = len(list((world / "trainA").iterdir()))
    assert f"0 translated, {2 * count} were there already" in said[2]
    assert {path.suffix for path in list_images(tmp_path / "out")} == {".webp"}
    assert len(list_images(tmp_path / "out")) == len(list((tmp_path / "out" / "labels").iterdir())) == count
    assert len(lines(tmp_path / "out")) == 2 * count
    assert sorted(path.name for path in (tmp_path / "out").glob(".i2i*")) == [
        ".i2i-manifest-0-of-2.jsonl",
        ".i2i-manifest-1-of-2.jsonl",
    ]


def test_another_product_in_the_same_folder_is_refused_unless_told(
    trained: Path, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["translate", trained, world / "testA", tmp_path / "out"]
    assert i2i_run(*words, capsys=capsys)[0] == 0
    code, _, errors = i2i_run(*words, "--product", "b_to_a", capsys=capsys)
    assert code == 1 and "has 2 results of another model (product 'a_to_b', weights " in errors
    code, out, _ = i2i_run(*words, "--product", "b_to_a", "--mix", capsys=capsys)
    assert code == 0 and "0 translated, 2 were there already" in out
    code, out, _ = i2i_run(*words, "--product", "b_to_a", "--overwrite", capsys=capsys)
    assert code == 0 and "2 translated" in out


def test_what_is_not_in_the_manifest_is_named(
    trained: Path, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    name = next((world / "testA").iterdir()).name
    (tmp_path / "out" / name).write_bytes(b"somebody's own")
    _, out, _ = i2i_run("translate", trained, world / "testA", tmp_path / "out", capsys=capsys)
    assert "1 translated, 1 were there already" in out
    assert "1 of those are not in the manifest, or were changed since; they were left as they are" in out


def test_an_exported_file_goes_on_where_its_run_stopped(
    trained: Path, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    file = tmp_path / "x.onnx"
    code, _, errors = i2i_run("export", trained, "--out", file, capsys=capsys)
    assert code == 0, errors
    out = tmp_path / "out"
    i2i_run("translate", trained, world / "testA", out, capsys=capsys)
    first = sorted(list_images(out))[0]
    (out / first).unlink()
    code, said, _ = i2i_run("translate", file, world / "testA", out, capsys=capsys)
    assert code == 0 and "a_to_b on o" in said and "1 translated, 1 were there already" in said
    for words, sentence in (
        (["--product", "b_to_a"], "holds 'a_to_b' alone, not 'b_to_a'; leave --product out, or name another file"),
        (["--test-time", "eval"], "--test-time of an .onnx file is chosen when it is exported"),
        (["--device", "cpu"], "--device is for networks in torch; for an .onnx file, use --providers"),
        (["--providers", "cdua"], "provider 'cdua' is not known; choose from: auto, cpu, cuda"),
        (["--workers", "0"], "'--workers': allowed: from 1"),
    ):
        code, _, errors = i2i_run("translate", file, world / "testA", out, *words, capsys=capsys)
        assert code == 1 and sentence in errors


@pytest.mark.parametrize("product", ["b_to_a", "nonsense"])
def test_a_file_of_one_product_is_not_taken_for_another(
    trained: Path, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], product: str
) -> None:
    file = find(trained) / "a_to_b.safetensors"
    words = ["translate", file, world / "testA", tmp_path / "out", "--product"]
    code, _, errors = i2i_run(*words, product, capsys=capsys)
    assert code == 1 and f"holds 'a_to_b' alone, not '{product}'" in errors and not (tmp_path / "out").exists()
    assert i2i_run(*words, "a_to_b", capsys=capsys)[0] == 0


def test_a_product_in_capitals_is_the_nearest(
    trained: Path, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for word, meant in (("A_to_B", "a_to_b"), ("B_TO_A", "b_to_a")):
        words = ["translate", trained, world / "testA", tmp_path / "out", "--product", word]
        assert f"did you mean '{meant}'?" in i2i_run(*words, capsys=capsys)[2]
