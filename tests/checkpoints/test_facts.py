"""The metadata of a stranger's weights file ends in a sentence or is used; it never chooses a path or takes memory."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from i2i.checkpoints.load import load_any, save_generator
from i2i.interop.publish import publish
from i2i.networks.generators.resnet import ResnetGenerator
from i2i.networks.generators.rrdb import RRDBNet

SPEC: dict[str, Any] = {"name": "resnet", "features": 4, "blocks": 1}


def written(folder: Path, **facts: str) -> Path:
    state = {key: tensor.contiguous() for key, tensor in ResnetGenerator(features=4, blocks=1).state_dict().items()}
    save_file(state, folder / "net.safetensors", metadata={"generator": json.dumps(SPEC), **facts})
    return folder / "net.safetensors"


def spec(**options: Any) -> str:
    return json.dumps(SPEC | options)


def test_a_file_with_few_facts_loads(tmp_path: Path) -> None:
    _, facts = load_any(written(tmp_path, source="elsewhere"))
    assert (facts["product"], facts["test_time"], facts["source"]) == ("net", "eval", "elsewhere")


@pytest.mark.parametrize(
    "facts",
    [
        *({"product": product} for product in ("/tmp/x", "../x", "a/b", "a\\b", "..", "", "x" * 300)),
        *({"generator": text} for text in ("null", "[]", "7", '"resnet"', "", "{}", "[" * 100_000, '{"name": 7}')),
        *({"generator": spec(**options)} for options in ({"name": "nothing"}, {"features": "4"}, {"colour": 1})),
        *({"generator": spec(**options)} for options in ({"features": 10**9}, {"features": 2**70}, {"blocks": 2})),
        *({"step": step} for step in ("x", "-1", "1" * 5000, "1.5")),
        *({"recipe": recipe} for recipe in ("[", "a = " + "[" * 100_000)),
        {"test_time": "never"},
        {"generator": json.dumps({"name": "nothing"}), "recipe": "plugins = 7"},
    ],
)
def test_strange_metadata_is_refused_in_a_sentence(tmp_path: Path, facts: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"net\.safetensors: ") as error:
        load_any(written(tmp_path, **facts))
    assert len(str(error.value)) < 800 and "\n" not in str(error.value)


def test_what_save_generator_writes_is_read(tmp_path: Path) -> None:
    generator = ResnetGenerator(features=4, blocks=1)
    generator.spec = SPEC
    save_generator(tmp_path / "a_to_b.safetensors", generator, {"product": "a_to_b", "step": "7", "recipe": "a = 1"})
    assert load_any(tmp_path / "a_to_b.safetensors")[1]["step"] == "7"


@pytest.mark.parametrize("name", ["net.pth", "net", "net.weights"])
def test_a_file_of_ours_is_known_by_what_it_holds_whatever_its_name(tmp_path: Path, name: str) -> None:
    file = written(tmp_path, product="a_to_b", test_time="published").rename(tmp_path / name)
    network, facts = load_any(file)
    assert isinstance(network, ResnetGenerator) and (facts["product"], facts["test_time"]) == ("a_to_b", "published")


def test_a_pickle_that_is_called_safetensors_is_read_as_one_of_others(tmp_path: Path) -> None:
    network = RRDBNet(scale=4, features=8, growth=4, blocks=1)
    torch.save(publish(network), tmp_path / "net.safetensors")
    loaded, facts = load_any(tmp_path / "net.safetensors")
    assert isinstance(loaded, RRDBNet) and facts["product"] == "net"


def test_a_damaged_file_of_ours_is_named_whatever_its_name(tmp_path: Path) -> None:
    file = written(tmp_path)
    file.write_bytes(file.read_bytes()[:-9])
    for name in ("net.safetensors", "net.pth"):
        file = file.rename(tmp_path / name)
        with pytest.raises(ValueError, match=f"{name}: damaged or not a safetensors file"):
            load_any(file)
