"""Imports only go down: read every import of the two packages and fail when one goes up."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A module may import from its own folder and from lower numbers.
FLOORS = {
    "i2i_runtime": 0,
    "i2i.registry": 1,
    "i2i.components": 1.5,
    "i2i.overrides": 1,
    "i2i.recipe": 2,
    "i2i.layers": 2,
    "i2i.latent_layers": 2.5,
    "i2i.equalised": 2.5,
    "i2i.devices": 2,
    "i2i.packed": 2,
    "i2i.losses": 3,
    "i2i.generators": 4,
    "i2i.discriminators": 4,
    "i2i.data": 4,
    "i2i.metrics": 4,
    "i2i.methods": 5,
    "i2i.card": 5,
    "i2i.interop": 5,
    "i2i.weights": 5,
    "i2i.banded": 5,
    "i2i.training": 6,
    "i2i.inference": 7,
    "i2i.sampling": 7,
    "i2i.inversion": 7.3,
    "i2i.anomaly": 7.6,
    "i2i.report": 7.8,
    "i2i.doctor": 7,
    "i2i.evaluate": 8,
    "i2i.consistency": 7.8,
    "i2i.export": 8,
    "i2i.demo": 8,
    "i2i.cli": 9,
    "i2i.__main__": 10,
    "i2i.__version__": 0,
    "i2i": 10,
}


def floor(module: str) -> tuple[str, float]:
    name = next(name for name in FLOORS if module == name or (name != "i2i" and module.startswith(name + ".")))
    return name, FLOORS[name]


def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" if node.module == "i2i" else node.module for alias in node.names}
    return {name for name in found if name.split(".")[0] in ("i2i", "i2i_runtime")}


def modules() -> list[tuple[str, Path]]:
    found = []
    for root in (ROOT, ROOT / "export"):
        for package in ("i2i", "i2i_runtime"):
            for file in (root / package).rglob("*.py") if (root / package).is_dir() else ():
                found.append((".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__"), file))
    return found


@pytest.mark.parametrize(("module", "file"), modules(), ids=lambda value: value if isinstance(value, str) else "")
def test_imports_only_go_down(module: str, file: Path) -> None:
    if module == "i2i":
        return  # the public names, imported when they are asked for
    home, height = floor(module)
    for imported in imports(file):
        there, depth = floor(imported)
        assert there == home or depth < height, f"{module} imports {imported}, which is not below it"


def test_every_module_has_a_floor() -> None:
    assert len(modules()) > 30
    assert all(floor(module)[0] != "i2i" for module, _ in modules() if module != "i2i")


def test_help_and_the_package_import_no_torch() -> None:
    code = (
        "import sys, i2i, i2i.cli; sys.argv = ['i2i', '--help']\n"
        "try: i2i.cli.main()\nexcept SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'albumentations', 'kornia', 'cv2'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_runtime_imports_neither_torch_nor_i2i() -> None:
    names = [module for module, _ in modules() if module.startswith("i2i_runtime")]
    code = f"import sys, {', '.join(names)}\nassert not {{'torch', 'i2i'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
