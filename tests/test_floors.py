"""Imports only go down: every import of the two packages is read and held against the floors of CONTRIBUTING.md."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A package may import its own modules and those of lower floors.
FLOORS = {
    "i2i_runtime": 0,
    "i2i.registry": 0,
    "i2i.extras": 0,
    "i2i.__version__": 0,
    "i2i.recipe": 1,
    "i2i.devices": 1,
    "i2i.label_maps": 1,
    "i2i.progress": 0,
    "i2i.download": 1,
    "i2i.pretrained": 1,
    "i2i.networks": 2,
    "i2i.losses": 2,
    "i2i.data": 3,
    "i2i.metrics": 3,
    "i2i.methods": 4,
    "i2i.checkpoints": 4,
    "i2i.interop": 4,
    "i2i.inference": 4,
    "i2i.export": 4,
    "i2i.training": 5,
    "i2i.distillation": 6,
    "i2i.report": 6,
    "i2i.evaluate": 6,
    "i2i.latent": 6,
    "i2i.doctor": 6,
    "i2i.cli": 7,
    "i2i.demo": 7,
    "i2i.__main__": 8,
    "i2i": 8,
}

# What one package may import of another on its own floor, and why.
SIDEWAYS = {
    ("i2i.pretrained", "i2i.download"): "published weights that are not here are downloaded",
    ("i2i.checkpoints", "i2i.interop"): "a generator is loaded from whatever file it is in, others' too",
    ("i2i.methods", "i2i.checkpoints"): "sim2real takes a segmenter that is trained already",
    ("i2i.inference", "i2i.checkpoints"): "a translator is a loaded generator",
    ("i2i.export", "i2i.checkpoints"): "a network with frozen norms has weights, and a checksum, of its own",
    ("i2i.inference", "i2i.export"): "large images run over bands of rows as in an exported file: one executor",
    ("i2i.evaluate", "i2i.latent"): "samples are what is measured of a generator of images from noise",
    ("i2i.report", "i2i.latent"): "the report draws sheets of samples",
    ("i2i.report", "i2i.evaluate"): "the report shows what an evaluation has written to the run",
    ("i2i.cli", "i2i.demo"): "the demonstration is a command",
}

# Modules of a package that know no other module of it: each is one paper.
APART = ("i2i.methods", "i2i.networks.generators", "i2i.networks.discriminators")


def package(module: str) -> str:
    """The longest name in FLOORS that the module lies in."""
    return max((name for name in FLOORS if module == name or module.startswith(name + ".")), key=len)


def imports(source: str, module: str) -> Iterator[str]:
    """The modules and names of the two packages that a source imports, in full; relative ones too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")[: -node.level] if node.level else []
            names = [".".join([*base, *filter(None, [node.module]), alias.name]) for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] in ("i2i", "i2i_runtime"))


def papers(modules: set[str], registered: dict[str, str]) -> set[str]:
    """Those modules that register a component by a decorator: concrete methods and networks, not their base classes."""
    return {module for module in modules if "\n@" in registered[module] and ".register(" in registered[module]}


def wrong(sources: dict[str, str]) -> list[str]:
    """What is against the rules in these sources, by module name: a sentence for each."""
    found = []
    concrete = papers({module for module in sources if module.startswith(APART)}, sources)
    for module, source in sources.items():
        if module == "i2i":
            continue  # the public names, imported when they are asked for
        home = package(module)
        for name in imports(source, module):
            there = package(name)
            if there != home and FLOORS[there] >= FLOORS[home] and (home, there) not in SIDEWAYS:
                found.append(f"{module} imports {name}, which is not below it")
            target = name if name in sources else name.rpartition(".")[0]
            if target in concrete and home == "i2i.training":
                found.append(f"{module} imports {name}: training knows no paper")
            if target in concrete and module in concrete and target.startswith("i2i.methods"):
                found.append(f"{module} imports {name}: a method knows no other method")
    return found


def read() -> dict[str, str]:
    """The source of every module, by its name."""
    files = [(root, file) for root in (ROOT, ROOT / "export") for file in root.glob("i2i*/**/*.py")]
    return {
        ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): file.read_text()
        for root, file in files
    }


def test_imports_only_go_down() -> None:
    assert wrong(read()) == []


def test_every_module_has_a_floor() -> None:
    modules = read()
    assert len(modules) > 200
    assert [module for module in modules if package(module) == "i2i" and module != "i2i"] == []


def test_every_sideways_import_is_used() -> None:
    used = {(package(module), package(name)) for module, source in read().items() for name in imports(source, module)}
    assert set(SIDEWAYS) <= used


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("i2i.training.planted", "from i2i.methods.cyclegan import CycleGAN"),
        ("i2i.training.planted", "from i2i.methods import cyclegan"),
        ("i2i.training.planted", "import i2i.evaluate.folders"),
        ("i2i.methods.planted", "from i2i.methods import pix2pix\n@methods.register('planted')\nclass Planted: ..."),
        ("i2i.methods.planted", "from .pix2pix import Pix2Pix\n@methods.register('planted')\nclass Planted: ..."),
        ("i2i.methods.planted", "from i2i.training.update import TrainingUpdate"),
        ("i2i.losses.planted", "from i2i.networks.layers import make_norm"),
        ("i2i.data.planted", "def late() -> None:\n    from i2i import inference"),
        ("i2i_runtime.planted", "import i2i.registry"),
    ],
)
def test_a_planted_import_that_goes_up_is_found(module: str, line: str) -> None:
    found = wrong(read() | {module: f"import os\n{line}\n"})
    assert found and all(module in sentence for sentence in found)


def test_help_and_the_package_import_no_torch() -> None:
    code = (
        "import sys, i2i, i2i.cli; sys.argv = ['i2i', '--help']\n"
        "try: i2i.cli.main()\nexcept SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'albumentations', 'kornia', 'cv2'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_runtime_imports_neither_torch_nor_i2i() -> None:
    names = [module for module in read() if module.startswith("i2i_runtime")]
    code = f"import sys, {', '.join(names)}\nassert not {{'torch', 'i2i'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
