"""Installed distributions that overwrite each other's files."""

from importlib.metadata import PackageNotFoundError, version

# Each pair writes the same folder: the one that was installed last wins, and no installer warns of it.
_SAME_RUNTIME = ("i2i-toolkit", "i2i-toolkit-runtime")
_SAME_ONNX = ("onnxruntime", "onnxruntime-gpu")


def conflicts() -> list[str]:
    """One sentence for each pair of distributions that overwrite each other, with what to do about it."""
    found = []
    runtimes, engines = _versions(_SAME_RUNTIME), _versions(_SAME_ONNX)
    if len(set(runtimes)) > 1:
        found.append(
            f"i2i-toolkit {runtimes[0]} and i2i-toolkit-runtime {runtimes[1]} are both installed and hold the same "
            "package; pip uninstall i2i-toolkit-runtime, then install i2i-toolkit again from its checkout"
        )
    if len(engines) > 1:
        found.append(
            "onnxruntime and onnxruntime-gpu are both installed and hold the same package, so that GPUs may be lost: "
            "pip uninstall both, then install the one that you want"
        )
    return found


def _versions(names: tuple[str, ...]) -> list[str]:
    """Versions of those distributions that are installed."""
    found = []
    for name in names:
        try:
            found.append(version(name))
        except PackageNotFoundError:
            continue
    return found
