"""Latents as words of a command: seeds, and files that `i2i invert` or `i2i edit` has written."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from i2i.latent.latent_file import Latent
    from i2i.latent.sampler import Sampler

LAST_SEED = 2**63 - 1


def latents_of(
    sampler: "Sampler", words: Sequence[str], labels: Sequence[int | None], *, truncation: float
) -> "list[Latent]":
    """The latent of each word; `labels` are the classes of seeds, None for the class that a seed has by itself. Raises
    ValueError for a word that is neither a seed nor a file of a latent, and for a label of a file.
    """
    from i2i.latent import latent_file

    latents = []
    for word, label in zip(words, labels, strict=True):
        if is_seed(word):
            seed = int(word)
            latents += latent_file.of_seeds(sampler, [seed], sampler.labels_of([seed], label), truncation=truncation)
        elif not Path(word).exists():
            raise ValueError(f"{word}: no seed, which is a whole number from 0, and no file of a latent")
        else:
            latent = latent_file.read(Path(word), sampler)
            latents.append(latent if label is None else latent._replace(label=sampler.labels_of([0], label)[0]))
    return latents


def is_seed(word: str) -> bool:
    """True for a whole number that is no name of a file. Raises ValueError for one beyond the largest seed."""
    if not word.isdecimal() or Path(word).exists():
        return False
    if int(word) > LAST_SEED:
        raise ValueError(f"seed {word} is refused; allowed: whole numbers from 0 to 2 ** 63 - 1")
    return True
