"""What a GAN has not learned scores higher than what it has."""

from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn import functional as F

from i2i.latent.anomaly import Anomaly, AnomalyScorer, last_activations, load, load_discriminator, write_maps
from i2i.networks.discriminators.base import Discriminator
from i2i.networks.discriminators.biggan import BigGANDiscriminator
from i2i.networks.discriminators.dcgan import DCGANDiscriminator
from i2i.networks.discriminators.stylegan2 import StyleGAN2Discriminator
from i2i.networks.generators.dcgan import DCGANGenerator
from i2i.training import run
from i2i_runtime import images
from tests.latent.test_sampler import dcgan
from tests.worlds import digits, tiny_recipe


def digit_images() -> tuple[Tensor, Tensor]:
    """Scikit-learn's 8x8 digits at 32 pixels, (N, 1, 32, 32) in [-1, 1], and what they are."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))  # the file has them writer by writer
    small = torch.tensor(data.images[order], dtype=torch.float32)[:, None] / 8 - 1
    return F.interpolate(small, size=32, mode="bilinear"), torch.tensor(data.target[order])


def train(real: Tensor, *, features: int, steps: int) -> tuple[DCGANGenerator, DCGANDiscriminator]:
    """A DCGAN, in the fewest words."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = DCGANGenerator(size=32, out_channels=1, latent=16, features=features)
        discriminator = DCGANDiscriminator(in_channels=1, size=32, features=features)
        optimisers = [
            torch.optim.Adam(network.parameters(), rate, (0.5, 0.999))
            for network, rate in ((generator, 8e-4), (discriminator, 4e-4))
        ]
        for _ in range(steps):
            fake = generator(torch.randn(64, 16))
            batch = real[torch.randint(len(real), (64,))]
            on_real, on_fake = discriminator(batch), discriminator(fake.detach())
            _step(optimisers[1], F.softplus(-on_real).mean() + F.softplus(on_fake).mean())
            _step(optimisers[0], F.softplus(-discriminator(fake)).mean())
    return generator, discriminator


def _step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def separation(classes: Collection[int], *, features: int, steps: int, each: int) -> float:
    """Area under the ROC curve of the scores of `each` zeros against as many held-out digits of `classes`, which a GAN
    has learned.
    """
    pictures, digits_shown = digit_images()
    known = torch.isin(digits_shown, torch.tensor(list(classes)))
    scorer = AnomalyScorer(*train(pictures[:1400][known[:1400]], features=features, steps=steps), steps=60)
    seen, unseen = pictures[1400:][known[1400:]], pictures[digits_shown == 0]
    scores = [scorer(some[:each]).score for some in (seen, unseen)]
    return float(roc_auc_score([0] * each + [1] * each, torch.cat(scores).tolist()))


def test_an_unseen_class_scores_higher_than_three_that_were_learned() -> None:
    # 0.96 to 0.99 by seed; 0.5 is no separation.
    assert separation((1, 4, 7), features=8, steps=300, each=40) > 0.9


@pytest.mark.slow
def test_an_unseen_class_scores_higher_than_nine_that_were_learned() -> None:
    assert separation(range(1, 10), features=16, steps=500, each=40) > 0.85


def test_what_the_generator_makes_scores_next_to_nothing_and_noise_much() -> None:
    generator, discriminator = dcgan().eval(), DCGANDiscriminator(in_channels=1, size=32, features=8)
    random = torch.Generator().manual_seed(5)
    with torch.no_grad():
        own = generator(torch.randn(4, 16, generator=random))
    noise = torch.rand(4, 1, 32, 32, generator=random) * 2 - 1
    scorer = AnomalyScorer(generator, discriminator, steps=60)
    found, far = scorer(own), scorer(noise)
    assert found.score.max() < 0.1 * far.score.min()
    assert torch.allclose(far.score, 0.9 * far.residual + 0.1 * far.feature)
    # The residual is the mean of its map.
    assert far.map.shape == (4, 32, 32)
    assert torch.allclose(far.map.mean((1, 2)), far.residual, atol=1e-6)
    assert torch.equal(scorer(noise).score, far.score)


def test_weight_goes_from_residual_to_features() -> None:
    generator, discriminator = dcgan(), DCGANDiscriminator(in_channels=1, size=32, features=8)
    picture = torch.zeros(1, 1, 32, 32)
    alone, features = (
        AnomalyScorer(generator, discriminator, weight=weight, steps=5)(picture) for weight in (0.0, 1.0)
    )
    assert torch.equal(alone.score, alone.residual) and torch.equal(features.score, features.feature)
    with pytest.raises(ValueError, match="allowed: 0 to 1"):
        AnomalyScorer(generator, discriminator, weight=2.0)


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize(
    "make",
    [
        lambda classes: DCGANDiscriminator(in_channels=1, size=32, features=4, classes=classes, minibatch="deviation"),
        lambda classes: DCGANDiscriminator(in_channels=1, size=32, features=4, classes=classes, spectral_norm=True),
        lambda classes: BigGANDiscriminator(in_channels=1, size=32, features=4, classes=classes),
        lambda classes: StyleGAN2Discriminator(in_channels=1, size=32, features=8, base=64, classes=classes),
    ],
)
def test_last_activations_are_the_last_layer_s_input_for_each_image_by_itself(
    make: Callable[[int], Discriminator], classes: int
) -> None:
    discriminator = make(classes).eval()
    pictures = torch.randn(4, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(4) % 3 if classes else None
    together = last_activations(discriminator, pictures, labels)
    assert together.shape[0] == 4 and together[0].numel() > 1
    told = [None] * 4 if labels is None else list(labels.split(1))
    alone = [last_activations(discriminator, one, own) for one, own in zip(pictures.split(1), told, strict=True)]
    assert torch.allclose(torch.cat(alone), together, atol=1e-5)
    if isinstance(discriminator, DCGANDiscriminator) and not classes:
        with torch.no_grad():
            logits = torch.cat([discriminator(one) for one in pictures.split(1)])
            assert torch.allclose(discriminator.head(together), logits, atol=1e-5)


def test_a_run_holds_all_that_scoring_needs(tmp_path: Path) -> None:
    recipe = tiny_recipe("dcgan", digits(tmp_path / "digits", each=3), "train.steps=2")
    folder = run.train(recipe, tmp_path / "run", device="cpu")
    scorer = load(folder, device="cpu", steps=2, restarts=1)
    found = scorer(torch.zeros(2, 1, 32, 32))
    assert found.score.shape == (2,) and torch.isfinite(found.score).all()
    state = torch.load(folder / "latest" / "state.pt", weights_only=True)["method"]
    kept = load_discriminator(folder).state_dict()
    assert kept and all(torch.equal(tensor, state[f"discriminator.{name}"]) for name, tensor in kept.items())
    with pytest.raises(ValueError, match="holds only a generator; name the run"):
        load(folder / "latest" / "generator.safetensors")
    (folder / "recipe.toml").unlink()
    with pytest.raises(ValueError, match=r"recipe.toml: no such file"):
        load(folder)


def test_a_map_is_bright_where_the_image_cannot_be_generated(tmp_path: Path) -> None:
    given, map = torch.zeros(1, 1, 32, 32), torch.zeros(1, 32, 32)
    map[0, 8:16] = 0.5
    found = Anomaly(torch.zeros(1), torch.zeros(1), torch.zeros(1), map, given + 1)
    write_maps(tmp_path / "maps", [Path("some") / "a.jpg"], given, found, (-1.0, 1.0))
    image, nearest, heat = np.split(images.read(tmp_path / "maps" / "some" / "a.png"), 3, axis=1)
    assert (image == 128).all() and (nearest == 255).all()
    assert heat[8:16].min(axis=(0, 1)).max() > 240 and heat[:8].max() < 10 and heat[16:].max() < 10
