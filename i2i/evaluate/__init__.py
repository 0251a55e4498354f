"""Evaluation of folders, runs and upscalers by the metrics of `i2i.metrics`.

from i2i import evaluate
instruments = evaluate.open_instruments(["kid"], features="squeezenet1_1")
folders = evaluate.ImageFolders(Path("zebras"), real=Path("testB"))
result = evaluate.evaluate_folders(folders, ["kid"], instruments)
result.metrics["KID(squeezenet1_1)"].value
"""

from i2i.evaluate.folder_metrics import ImageFolders
from i2i.evaluate.folders import evaluate_folders
from i2i.evaluate.gate import GatedFrame, GateResult, gate_frames
from i2i.evaluate.gate_files import check_folders, draw_worst, sort_frames, write_manifest
from i2i.evaluate.instruments import METRICS, Instruments, open_instruments
from i2i.evaluate.labels import LabelConsistency, open_label_consistency
from i2i.evaluate.merge import check_mergeable, listing_of_folders, write_merged
from i2i.evaluate.result import EvaluationResult, write_json
from i2i.evaluate.runs import evaluate_run
from i2i.evaluate.upscaling import (
    BASELINE,
    UpscalingEvaluation,
    UpscalingExample,
    UpscalingScore,
    common_scale,
    evaluate_upscaling,
    find_examples,
)
from i2i.evaluate.utility import UtilityFrames, UtilityResult, evaluate_utility, write_utility
from i2i.evaluate.utility_frames import LabelledFolder, open_utility_frames

__all__ = [
    "BASELINE",
    "METRICS",
    "EvaluationResult",
    "GateResult",
    "GatedFrame",
    "ImageFolders",
    "Instruments",
    "LabelConsistency",
    "LabelledFolder",
    "UpscalingEvaluation",
    "UpscalingExample",
    "UpscalingScore",
    "UtilityFrames",
    "UtilityResult",
    "check_folders",
    "check_mergeable",
    "common_scale",
    "draw_worst",
    "evaluate_folders",
    "evaluate_run",
    "evaluate_upscaling",
    "evaluate_utility",
    "find_examples",
    "gate_frames",
    "listing_of_folders",
    "open_instruments",
    "open_label_consistency",
    "open_utility_frames",
    "sort_frames",
    "write_json",
    "write_manifest",
    "write_merged",
    "write_utility",
]
