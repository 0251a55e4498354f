"""Benchmark of evaluation: speed of each feature extractor, and the share of a training run that evaluate.every takes.

    python -m tests.benchmarks.evaluation [--features squeezenet1_1] [--images 64] [--size 256] [--threads 2]

Extractors have random weights, which are as fast as trained ones. The share is that of CycleGAN's published networks at
--size, with the extractor --features, on --images held-out images of each kind: seconds of one evaluation, and the
values of evaluate.every at which it takes 1, 5 and 20 percent of the training time.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from unittest import mock

import torch
from torch import nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torchvision import models

from i2i.data.batch import Unpaired
from i2i.metrics.features import FeatureExtractor, open_extractor
from i2i.metrics.features.dinov2 import VisionTransformer
from i2i.networks.layers import set_test_time
from i2i.recipe import Evaluate
from i2i.training.evaluation import Evaluation
from i2i.training.update import TrainingUpdate
from tests.benchmarks.training import Case, build, random_batch

EXTRACTORS = ("inception", "squeezenet1_1", "resnet50", "dinov2_vits14")
SHARES = (0.01, 0.05, 0.2)
STEPS = 3  # measured, after one to warm up


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", choices=EXTRACTORS, default="inception", help="extractor of the run")
    parser.add_argument("--images", type=int, default=64, help="held-out images of each kind")
    parser.add_argument("--size", type=int, default=256, help="height and width in pixels")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    size = f"{options.size}x{options.size}"
    print(f"{options.images} images of {size}, {options.threads} threads, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        files = {name: write_random_weights(name, Path(folder)) for name in EXTRACTORS}
        for name, file in files.items():
            speed = features_per_second(open_extractor(name, file), options.images, options.size)
            print(f"  {name:14}{speed:8.1f} images/s")
        evaluations, step = measure_training(options.features, files[options.features], options.images, options.size)
    print(
        f"  CycleGAN: {step:.2f} s a step, {evaluations[0]:.1f} s the first evaluation, {evaluations[1]:.1f} s others"
    )
    every = {share: round(evaluations[1] / step / share) for share in SHARES}
    print("  it costs " + ", ".join(f"{share:.0%} with every={steps}" for share, steps in every.items()))


def write_random_weights(name: str, folder: Path) -> Path:
    """Write a weights file of an extractor with random weights."""
    makers: dict[str, Callable[[], nn.Module]] = {
        "inception": inception,
        "dinov2_vits14": partial(VisionTransformer, 384, 12),
    }
    network = makers.get(name, partial(models.get_model, name, weights=None))()
    file = folder / f"{name}.pth"
    torch.save(network.state_dict(), file)
    return file


def inception() -> nn.Module:
    class Untrained(FeatureExtractorInceptionV3):  # type: ignore[misc]
        def load_state_dict(self, *_: object) -> None: ...

    with mock.patch.object(torch, "load", lambda *_, **__: {}):
        return Untrained("inception", ["2048", "logits_unbiased"], feature_extractor_weights_path="none")


def features_per_second(extractor: FeatureExtractor, count: int, size: int) -> float:
    pictures = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8)
    extractor(pictures[:8])  # warms up
    return count / seconds(lambda: [extractor(some) for some in pictures.split(32)])


def measure_training(features: str, weights: Path, count: int, size: int) -> tuple[tuple[float, float], float]:
    """Seconds of the first evaluation and of the next one, and of a training step."""
    chosen, method = build(Case("cyclegan", [], size, torch.get_num_threads()))
    batch = random_batch(method, size)
    update = TrainingUpdate(method.players(), chosen.optimizer)
    method.training_step(batch, update)
    step = seconds(lambda: [method.training_step(batch, update) for _ in range(STEPS)]) / STEPS

    def held_out(part: slice) -> Iterator[Unpaired]:
        return (random_batch(method, size) for _ in range(count)[part])

    options = Evaluate(every=1, features=features, weights=str(weights))
    evaluation = Evaluation(options, method.eval(), held_out, torch.device("cpu"))
    products = {name: set_test_time(product, "eval") for name, product in method.products().items()}
    with torch.no_grad():
        measure = partial(evaluation.measure, method, products, print)
        return (seconds(measure), seconds(measure)), step


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
