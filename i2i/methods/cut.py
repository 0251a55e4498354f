"""CUT and FastCUT: Park, Efros, Zhang, Zhu, "Contrastive Learning for Unpaired Image-to-Image Translation", 2020.
https://arxiv.org/abs/2007.15651
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from i2i.data.batch import Unpaired
from i2i.losses.adversarial import Logits, reference_logits
from i2i.losses.contrastive import Negatives, PatchNCE
from i2i.losses.penalties import penalty_terms
from i2i.methods.base import (
    AdversarialFactory,
    DiscriminatorFactory,
    GeneratorFactory,
    Update,
    adapt_augmentation,
    check_discriminators,
    scaled,
)
from i2i.methods.translation import Translation, require_same_size
from i2i.networks.generators.base import ImageGenerator
from i2i.recipe.ranges import Channels, Features, Layer, Patches, Temperature, Weight
from i2i.registry import methods


@methods.register("cut")
class CUT(Translation):
    """CUT (Park 2020): unpaired translation in one direction, with a contrastive loss of patches.

    The generator's features at `layers` (numbers of its `feature_layers`) are compared at `patches` random positions: a
    patch of a translation is to be recognised as that of its source in its place, among other `negatives`, those of its
    image or of the whole batch. `nce_weight` is of that loss and, with `identity`, of the same loss for images of b,
    which are to stay as they are. `projection` is the width of the heads between features and loss.
    `flip_equivariance` mirrors half of the sources. FastCUT has nce_weight 10, no identity, and flip equivariance.
    """

    batch = Unpaired

    def __init__(
        self,
        *,
        generator: GeneratorFactory,
        discriminator: DiscriminatorFactory,
        adversarial: AdversarialFactory,
        channels: Channels = 3,
        layers: list[Layer] = [0, 4, 8, 12, 16],  # noqa: B006
        patches: Patches = 256,
        projection: Features = 256,
        temperature: Temperature = 0.07,
        negatives: Negatives = "image",
        nce_weight: Weight = 1.0,
        identity: bool = True,
        flip_equivariance: bool = False,
    ) -> None:
        super().__init__()
        self.generator = generator(in_channels=channels, out_channels=channels)
        require_same_size(self.generator)
        self.discriminator = discriminator(in_channels=channels, value_range=self.generator.value_range)
        self.adversarial = adversarial()
        check_discriminators(self.adversarial, self.discriminator)
        self.layers = layers
        try:
            feature_channels = self.generator.feature_channels(layers)
        except ValueError as error:
            raise ValueError(f"method.layers: {error}") from None
        self.nce = PatchNCE(
            channels=feature_channels, width=projection, patches=patches, temperature=temperature, negatives=negatives
        )
        # lambda_X and lambda_Y; with both, the authors' code halves each.
        self.nce_weight = 0.5 * nce_weight if identity else nce_weight
        self.identity, self.flip_equivariance = identity, flip_equivariance

    def players(self) -> Mapping[str, nn.Module]:
        # The authors' Adam of the heads has the generator's options: one for both makes the same steps.
        return {"generator": nn.ModuleList([self.generator, self.nce]), "discriminator": self.discriminator}

    def products(self) -> Mapping[str, ImageGenerator]:
        return {"a_to_b": self.generator}

    def training_step(self, batch: Unpaired, update: Update) -> None:
        a, b = batch
        mirrored = self.flip_equivariance and draw_flip()
        fake, keys = self._translate(a, mirrored=mirrored)

        # Fakes first, as published: the running statistics of batch norm depend on it.
        fake_logits, real_logits = self.discriminator(fake.detach()), self.discriminator(b)
        terms = self.adversarial.discriminator(real_logits, fake_logits)
        terms |= penalty_terms(self.adversarial, self.discriminator, b, fake, step=update.step)
        update("discriminator", **scaled(0.5, terms))
        self.adversarial.constrain(self.discriminator)
        adapt_augmentation(self.discriminator.augmentation, self.adversarial, real_logits, update)

        real_logits = reference_logits(self.adversarial, self.discriminator, b)
        terms = {
            "gan": self.adversarial.generator(self.discriminator(fake), real_logits),
            "nce": self._contrast(fake, keys, mirrored=mirrored),
        }
        if not self.identity:
            update("generator", **terms)
            return
        update.accumulate("generator", **terms)  # and frees its graph before the next one is built
        update("generator", identity=self._contrast(*self._translate(b, mirrored=mirrored), mirrored=mirrored))

    def _translate(self, source: Tensor, *, mirrored: bool) -> tuple[Tensor, list[Tensor]]:
        """The translation of images, or of mirrored ones, and the features of the images as they are."""
        if not mirrored:
            return self.generator.forward_with_features(source, self.layers)
        with torch.no_grad():
            keys = self.generator.features(source, self.layers)
        return self.generator(source.flip(3)), keys

    def _contrast(self, fake: Tensor, keys: Sequence[Tensor], *, mirrored: bool) -> Tensor:
        """Weighted PatchNCE of translations, with the features of their sources for keys."""
        queries = self.generator.features(fake, self.layers)
        if mirrored:
            queries = [each.flip(3) for each in queries]
        return self.nce_weight * self.nce(queries, keys)

    def logits(self, product: str, source: Tensor, image: Tensor) -> Logits:
        return self.discriminator(image)


def draw_flip() -> bool:
    """True with probability 1/2, from torch's random numbers on the CPU."""
    return bool(torch.rand(()) < 0.5)
