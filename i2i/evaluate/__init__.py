"""How good is it: folders, runs and upscalers measured, every time in the same way.

from i2i import evaluate
tools = evaluate.open_tools(["kid"], features="squeezenet1_1")
folders = evaluate.Folders(Path("zebras"), real=Path("testB"))
result = evaluate.evaluate_folders(folders, ["kid"], tools)
result.metrics["KID(squeezenet1_1)"].value
"""

from i2i.evaluate.examples import Example, find_examples
from i2i.evaluate.folders import evaluate_folders
from i2i.evaluate.instruments import METRICS, Labels, Tools, open_labels, open_tools
from i2i.evaluate.measures import Folders
from i2i.evaluate.result import Result, write_json
from i2i.evaluate.runs import evaluate_run
from i2i.evaluate.upscaling import (
    BASELINE,
    Channel,
    Evaluation,
    Score,
    Upscaler,
    agree_on_scale,
    evaluate_upscaling,
)

__all__ = [
    "BASELINE",
    "METRICS",
    "Channel",
    "Evaluation",
    "Example",
    "Folders",
    "Labels",
    "Result",
    "Score",
    "Tools",
    "Upscaler",
    "agree_on_scale",
    "evaluate_folders",
    "evaluate_run",
    "evaluate_upscaling",
    "find_examples",
    "open_labels",
    "open_tools",
    "write_json",
]
