"""Recall of a rare class of digits, filled by `i2i augment`, by copies, and not at all.

Of scikit-learn's digits every other image is a test. Of those left, the rare class keeps few; a conditional R3GAN
learns them all, its samples of the rare class pass the gate or do not, and small CNNs learn from the class so filled:
the means of five are printed, with the same images and other weights to begin with.

    python -m tests.benchmarks.augment --seeds 0 1 2
"""

import argparse
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.cli import app
from i2i_runtime import images

_EACH = 60  # images of a class that is not rare
_CLASSIFIERS, _CLASSIFIER_STEPS = 5, 200
_BOTH = "features=32", "base=512", "blocks=1"  # of generator and discriminator
_SETTINGS = (
    *(f"method.{player}.{size}" for player in ("generator", "discriminator") for size in _BOTH),
    *("method.size=32", "method.channels=1", "method.generator.latent=16", "method.generator.embedding=16"),
    *("method.augment=none", "method.gamma=0.5", "method.last_gamma=0.05", "augment.train.flip=false"),
    *("optimizer.lr=2e-3", "train.batch_size=32", "train.workers=0", "train.ema=0.99", "collapse.every=0"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--class", dest="rare", type=int, default=8)
    parser.add_argument("--few", type=int, default=8, help="images of the rare class")
    parser.add_argument("--steps", type=int, default=600, help="of the GAN")
    parser.add_argument("--n", type=int, default=52, help="samples of the rare class")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("seed  filled by   recall  F1     accuracy")
    for seed in options.seeds:
        for way, scores in measure(seed, options).items():
            print(f"{seed:4}  {way:10}  {scores[0]:.3f}   {scores[1]:.3f}  {scores[2]:.3f}", flush=True)


def measure(seed: int, options: argparse.Namespace) -> dict[str, tuple[float, float, float]]:
    """Mean recall and F1 of the rare class, and accuracy over all, by how the class was filled."""
    data = load_digits()
    order = np.random.default_rng(seed).permutation(len(data.images))
    tests, pool = order[::2], order[1::2]
    chosen = [
        pool[data.target[pool] == digit][: options.few if digit == options.rare else _EACH] for digit in range(10)
    ]
    large = np.stack([cv2.resize(image * 255 / 16, (32, 32), interpolation=cv2.INTER_LINEAR) for image in data.images])
    pictures = large.round().astype(np.uint8)
    train = np.concatenate(chosen)
    with TemporaryDirectory() as folder:
        for digit, indices in enumerate(chosen):
            (Path(folder) / "digits" / str(digit)).mkdir(parents=True)
            for index in indices:
                images.write(Path(folder) / "digits" / str(digit) / f"{index}.png", pictures[index][..., None])
        kept, drawn = _fill(Path(folder), seed, options)
    copies = pictures[np.random.default_rng(seed).choice(chosen[options.rare], len(kept))]
    real, labels = pictures[train], data.target[train]
    rare = np.full(len(kept), options.rare)
    sets = {
        "nothing": (real, labels),
        "copies": (np.concatenate([real, copies]), np.concatenate([labels, rare])),
        "all": (np.concatenate([real, drawn[: len(kept)]]), np.concatenate([labels, rare])),
        "augment": (np.concatenate([real, kept]), np.concatenate([labels, rare])),
    }

    def scores(train: np.ndarray, labels: np.ndarray) -> tuple[float, float, float]:
        each = [
            _scores(train, labels, pictures[tests], data.target[tests], classifier, options.rare)
            for classifier in range(_CLASSIFIERS)
        ]
        recall, f1, accuracy = np.mean(each, axis=0).tolist()
        return recall, f1, accuracy

    return {way: scores(*each) for way, each in sets.items()}


def _fill(folder: Path, seed: int, options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """Samples of the rare class that a trained generator gives: those that pass the gate, and those that are drawn."""
    settings = *_SETTINGS, f"train.steps={options.steps}", f"train.seed={seed}"
    run, rare, number = folder / "run", str(options.rare), str(options.n)
    _i2i(
        *("train", "r3gan", folder / "digits", "--conditional", "--out", run),
        *(word for setting in settings for word in ("--set", setting)),
    )
    words = ["--others", folder / "digits", "--n", number, "--batch", "64"]
    said = _i2i("augment", run, folder / "digits" / rare, folder / "kept", *words)
    print("# " + next(line for line in said.splitlines() if " samples" in line and "kept, " in line).rpartition("/")[2])
    _i2i("sample", run, folder / "drawn", "--class", rare, "--n", number)
    return tuple(  # type: ignore[return-value]
        np.array(
            [images.read(folder / where / name)[..., 0] for name in images.list_images(folder / where)], np.uint8
        ).reshape(-1, 32, 32)
        for where in ("kept", "drawn")
    )


def _i2i(*words: object) -> str:
    """What a command says. Raises RuntimeError where it fails."""
    said = StringIO()
    with redirect_stdout(said):
        code = app([str(word) for word in words], standalone_mode=False)
    if code not in (None, 0, 3):
        raise RuntimeError(said.getvalue())
    return said.getvalue()


def _scores(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, truth: np.ndarray, seed: int, rare: int
) -> tuple[float, float, float]:
    """Recall and F1 of the rare class, and accuracy, of a small CNN."""
    torch.manual_seed(seed)
    network = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU()),
        *(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(32 * 16, 10)),
    )
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    inputs, targets = _tensor(train), torch.from_numpy(labels).long()
    for _ in range(_CLASSIFIER_STEPS):
        batch = torch.randint(len(inputs), (64,))
        loss = F.cross_entropy(network(inputs[batch]), targets[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        found = network(_tensor(test)).argmax(1).numpy()
    hits = float(np.sum((found == rare) & (truth == rare)))
    recall, precision = hits / np.sum(truth == rare), hits / max(np.sum(found == rare), 1)
    return recall, 2 * recall * precision / max(recall + precision, 1e-9), float(np.mean(found == truth))


def _tensor(pictures: np.ndarray) -> Tensor:
    return torch.from_numpy(pictures).float()[:, None] / 127.5 - 1


if __name__ == "__main__":
    main()
