"""Applies one-line mutations to a copy of the tree, one by one, and names those that no test of their subject notices.

    python -m tests.mutants [WORDS ...]     only mutations whose name or file has one of these words; all by default

First the tests themselves must pass on the copy. A mutation whose text is not found exactly once no longer applies, and
has to be written anew. Run by hand: the whole list takes some minutes.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.mutants.mutations import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]


def main(words: Sequence[str]) -> int:
    """Print a line for each mutation; returns 1 if one survives or does not apply."""
    chosen = [each for each in MUTATIONS if not words or any(word in each.name + each.file for word in words)]
    with TemporaryDirectory(prefix="mutants-") as folder:
        tree = Path(folder) / "tree"
        copy_tree(tree)
        for tests in dict.fromkeys(mutation.tests for mutation in chosen):
            if run(tree, tests) != 0:
                print(f"these tests fail without a mutation: {tests}")
                return 1
        verdicts = [report(tree, mutation) for mutation in chosen]
    print(f"{verdicts.count('caught')} of {len(chosen)} caught")
    return int(any(verdict != "caught" for verdict in verdicts))


def copy_tree(tree: Path) -> None:
    """Copy the files that git knows, as they are now."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tree / name)


def report(tree: Path, mutation: Mutation) -> str:
    """The verdict on one mutation, which is printed and taken back."""
    verdict = try_out(tree, mutation)
    print(f"{verdict:10} {mutation.file}: {mutation.name}", flush=True)
    return verdict


def try_out(tree: Path, mutation: Mutation) -> str:
    """Whether a mutation is caught, survives, is broken (so that no test can run) or does not apply any more."""
    file = tree / mutation.file
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    if text.count(mutation.old) != 1:
        return "no longer applies"
    file.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
    try:
        return {0: "SURVIVED", 1: "caught"}.get(run(tree, mutation.tests), "broken")
    finally:
        file.write_text(text, encoding="utf-8")


def run(tree: Path, tests: str) -> int:
    """pytest's exit code."""
    environment = {**os.environ, "PYTHONPATH": f"{tree}{os.pathsep}{tree / 'export'}", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests.split()]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
