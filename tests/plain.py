"""The published training steps, plainly: all forward passes first, then for each player one loss and torch's Adam.

What `training_step` is held against: in its results by tests/methods/test_plain.py, in time and memory by
tests/benchmarks/training.py. A plain step trains the networks of a method, with their losses and their histories.
"""

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.data.batch import Images, Pair, Unpaired
from i2i.data.degradation.sharpen import sharpen
from i2i.losses.adversarial import Adversarial, WassersteinPenalty
from i2i.losses.orthogonal import orthogonal_penalty
from i2i.losses.perceptual import VGG19, VGG19_LAYERS
from i2i.losses.relativistic import RelativisticAverage, RelativisticPairing
from i2i.methods.base import Method
from i2i.methods.cut import CUT
from i2i.methods.cyclegan import CycleGAN
from i2i.methods.gan import GAN
from i2i.methods.pix2pix import Pix2Pix
from i2i.methods.r3gan import R3GAN
from i2i.methods.real_esrgan import RealESRGAN, RealESRNet
from i2i.methods.rrdb_psnr import RRDBPSNR
from i2i.methods.stylegan2 import StyleGAN2
from i2i.methods.upscaling import AdversarialUpscaling
from i2i.networks.generators.rrdb import RRDBNet
from i2i.recipe import Optimizer

Judge = Callable[[Tensor], Tensor]


def plain_step(method: Method, options: Optimizer) -> Callable[[Any], None]:
    """The published step for the networks of `method`, which are trained in place: a function of a batch."""
    adam = {
        name: torch.optim.Adam(player.parameters(), lr=options.lr, betas=options.betas, fused=False)
        for name, player in method.players().items()
    }
    match method:
        case CycleGAN():
            return lambda batch: _cyclegan(method, batch, adam["generators"], adam["discriminators"])
        case CUT():
            return lambda batch: _cut(method, batch, adam["generator"], adam["discriminator"])
        case Pix2Pix():
            return lambda batch: _pix2pix(method, batch, adam["generator"], adam["discriminator"])
        case AdversarialUpscaling():
            return lambda batch: _esrgan(method, batch, adam["generator"], adam.get("discriminator"))
        case R3GAN():
            return lambda batch: _r3gan(method, batch, adam["generator"], adam["discriminator"])
        case StyleGAN2():
            return lambda batch: _stylegan2(method, batch, adam["generator"], adam["discriminator"])
        case GAN():
            numbers = itertools.count()
            return lambda batch: _gan(method, batch, adam["generator"], adam["discriminator"], next(numbers))
        case RRDBPSNR() | RealESRNet():
            return lambda batch: _rrdb_psnr(method, batch, adam["generator"])
    raise ValueError(f"no plain step for {type(method).__name__}")


def _cyclegan(method: CycleGAN, batch: Unpaired, generators: torch.optim.Adam, judges: torch.optim.Adam) -> None:
    a, b = batch
    a_to_b, b_to_a, judge_a, judge_b = method.a_to_b, method.b_to_a, method.judge_a, method.judge_b
    adversarial, cycle_a, cycle_b = method.adversarial, method.cycle_weight_a, method.cycle_weight_b
    fake_b = a_to_b(a)
    again_a = b_to_a(fake_b)
    fake_a = b_to_a(b)
    again_b = a_to_b(fake_a)

    _set_trainable([judge_a, judge_b], False)
    generators.zero_grad()
    loss = _fool(adversarial, judge_b, fake_b, b) + _fool(adversarial, judge_a, fake_a, a)
    loss = loss + cycle_a * F.l1_loss(again_a, a) + cycle_b * F.l1_loss(again_b, b)
    if method.identity_weight:
        identities = cycle_b * F.l1_loss(a_to_b(b), b) + cycle_a * F.l1_loss(b_to_a(a), a)
        loss = loss + method.identity_weight * identities
    loss.backward()
    generators.step()

    _set_trainable([judge_a, judge_b], True)
    judges.zero_grad()
    for judge, real, fake, history in (
        (judge_b, b, fake_b, method.history_b),
        (judge_a, a, fake_a, method.history_a),
    ):
        (0.5 * _discriminate(adversarial, judge, real, history(fake.detach()))).backward()
    judges.step()
    for judge in (judge_a, judge_b):
        adversarial.constrain(judge)


def _cut(method: CUT, batch: Unpaired, generator: torch.optim.Adam, discriminator: torch.optim.Adam) -> None:
    a, b = batch
    mirrored = method.flip_equivariance and bool(torch.rand(()) < 0.5)
    source = torch.cat([a, b]) if method.identity else a
    translated = method.generator(source.flip(3) if mirrored else source)
    fake, same = translated[: len(a)], translated[len(a) :]

    _set_trainable([method.discriminator], True)
    discriminator.zero_grad()
    (0.5 * _discriminate(method.adversarial, method.discriminator, b, fake.detach(), fakes_first=True)).backward()
    discriminator.step()
    method.adversarial.constrain(method.discriminator)

    _set_trainable([method.discriminator], False)
    generator.zero_grad()
    loss = _fool(method.adversarial, method.discriminator, fake, b)
    loss = loss + method.nce_weight * _contrast(method, fake, a, mirrored)
    if method.identity:
        loss = loss + method.nce_weight * _contrast(method, same, b, mirrored)
    loss.backward()
    generator.step()


def _contrast(method: CUT, translated: Tensor, source: Tensor, mirrored: bool) -> Tensor:
    """As published, with an encoder pass of the translation and one of its source."""
    queries = method.generator.features(translated, method.layers)
    keys = method.generator.features(source, method.layers)
    losses = []
    for query, key, head in zip(queries, keys, method.nce.heads, strict=True):
        query = query.flip(3) if mirrored else query
        pixels = key.shape[2] * key.shape[3]
        positions = torch.randperm(pixels)[: method.nce.patches]
        queried, keyed = (head(maps.permute(0, 2, 3, 1).flatten(1, 2)[:, positions]) for maps in (query, key))
        queried, keyed = (each / (each.norm(dim=2, keepdim=True) + 1e-7) for each in (queried, keyed.detach()))
        similarity = torch.bmm(queried, keyed.transpose(1, 2))
        positives = similarity.diagonal(dim1=1, dim2=2)[..., None]
        own = torch.eye(len(positions), dtype=torch.bool)
        logits = torch.cat([positives, similarity.masked_fill(own, -10)], 2) / method.nce.temperature
        losses.append(F.cross_entropy(logits.flatten(0, 1), torch.zeros(logits[..., 0].numel(), dtype=torch.long)))
    return torch.stack(losses).mean()


def _pix2pix(method: Pix2Pix, batch: Pair, generator: torch.optim.Adam, discriminator: torch.optim.Adam) -> None:
    source, target = batch
    fake = method.generator(source)

    def judge(image: Tensor) -> Tensor:
        return method.discriminator(torch.cat([source, image], 1) if method.conditional else image)

    _set_trainable([method.discriminator], True)
    discriminator.zero_grad()
    (0.5 * _discriminate(method.adversarial, judge, target, fake.detach(), fakes_first=True)).backward()
    discriminator.step()
    method.adversarial.constrain(method.discriminator)

    _set_trainable([method.discriminator], False)
    generator.zero_grad()
    loss = _fool(method.adversarial, judge, fake, target) + method.l1_weight * F.l1_loss(fake, target)
    if method.feature_matching_weight:  # of a multi-scale discriminator
        image, real = (torch.cat([source, each], 1) for each in (fake, target))
        scales = method.discriminator.judges
        for number, scale in enumerate(scales):
            if number:
                image, real = (F.avg_pool2d(each, 3, 2, 1, count_include_pad=False) for each in (image, real))
            ours, theirs = image, real
            for layer in (scale.stem, *scale.blocks):
                ours, theirs = layer(ours), layer(theirs)
                difference = (ours - theirs.detach()).abs().mean()
                loss = loss + method.feature_matching_weight * difference / len(scales)
    loss.backward()
    generator.step()


def _gan(method: GAN, batch: Images, generator: torch.optim.Adam, discriminator: torch.optim.Adam, number: int) -> None:
    real, label = batch
    labels = (label,) if method.classes else ()
    fake = method.generator(torch.randn(len(real), method.generator.latent), *labels)

    def judge(image: Tensor) -> Tensor:
        return method.discriminator(image, *labels)

    _set_trainable([method.discriminator], True)
    discriminator.zero_grad()
    loss = _discriminate(method.adversarial, judge, real, fake.detach())
    if method.r1_weight and number % method.r1_every == 0:
        image = real.clone().requires_grad_()
        (slope,) = torch.autograd.grad(judge(image).flatten(1).mean(1).sum(), image, create_graph=True)
        loss = loss + 0.5 * method.r1_weight * method.r1_every * slope.square().sum() / len(real)
    loss.backward()
    discriminator.step()
    method.adversarial.constrain(method.discriminator)
    if (number + 1) % method.critic_steps:
        return
    real_logits = judge(real).detach() if method.adversarial.relativistic else None
    if not method.reuse_fakes:
        labels = (torch.randint(method.classes, label.shape),) if method.classes else ()
        fake = method.generator(torch.randn(len(real), method.generator.latent), *labels)
    _set_trainable([method.discriminator], False)
    generator.zero_grad()
    loss = method.adversarial.generator(method.discriminator(fake, *labels), real_logits)
    if method.orthogonal_weight:
        loss = loss + method.orthogonal_weight * orthogonal_penalty(method.generator) / 2
    loss.backward()
    generator.step()


def _stylegan2(method: StyleGAN2, batch: Images, generator: torch.optim.Adam, discriminator: torch.optim.Adam) -> None:
    """Of StyleGAN3, too: without the lazy penalties, which golden files hold, and without augmentation."""
    real, label = batch
    labels = (label,) if method.classes else ()

    def draw() -> Tensor:
        z, other = (torch.randn(len(real), method.generator.latent) for _ in range(2))
        w = method.generator.map(z, *labels).clone()
        first, is_mixed = torch.randint(1, w.shape[1], ()), torch.rand(()) < method.mixing
        if is_mixed:
            w[:, first:] = method.generator.mapping(other, *labels or (None,))[:, None]
        return method.generator.synthesise(w)

    _set_trainable([method.discriminator], False)
    generator.zero_grad()
    F.softplus(-method.discriminator(draw(), *labels)).mean().backward()
    generator.step()

    _set_trainable([method.discriminator], True)
    discriminator.zero_grad()
    with torch.no_grad():
        fake = draw()
    fake_logits, real_logits = (method.discriminator(image, *labels) for image in (fake, real))
    (F.softplus(fake_logits) + F.softplus(-real_logits)).mean().backward()
    discriminator.step()


def _r3gan(method: R3GAN, batch: Images, generator: torch.optim.Adam, discriminator: torch.optim.Adam) -> None:
    """At the beginning of a run, where the penalties' weight is gamma; without augmentation."""
    half = (len(batch.image) + 1) // 2
    z = [torch.randn(count, method.generator.latent) for count in (half, len(batch.image) - half)]
    parts = [Images(*(field[part] for field in batch)) for part in (slice(half), slice(half, None))]
    networks = (method.generator, method.discriminator)

    def judge(image: Tensor, label: Tensor) -> Tensor:
        return method.discriminator(image, label) if method.classes else method.discriminator(image)

    def draw(number: int) -> Tensor:
        labels = (parts[number].label,) if method.classes else ()
        return method.generator(z[number], *labels)

    _set_trainable(networks, True)
    discriminator.zero_grad()
    real, label = parts[0]
    images = [each.detach().clone().requires_grad_() for each in (real, draw(0))]
    real_logits, fake_logits = (judge(image, label) for image in images)
    loss = F.softplus(fake_logits - real_logits).mean()
    for image, logits in zip(images, (real_logits, fake_logits), strict=True):
        (slope,) = torch.autograd.grad(logits.sum(), image, create_graph=True)
        loss = loss + 0.5 * method.gamma * slope.square().sum((1, 2, 3)).mean()
    loss.backward()
    discriminator.step()

    _set_trainable([method.discriminator], False)
    generator.zero_grad()
    real, label = parts[1]
    F.softplus(judge(real, label).detach() - judge(draw(1), label)).mean().backward()
    generator.step()


def _rrdb_psnr(method: RRDBPSNR | RealESRNet, batch: Pair, generator: torch.optim.Adam) -> None:
    low, high = method.pool(batch) if isinstance(method, RealESRNet) else batch
    generator.zero_grad()
    method.pixel(_upscaled(method.generator, low), sharpen(high) if isinstance(method, RealESRNet) else high).backward()
    generator.step()


def _esrgan(
    method: AdversarialUpscaling, batch: Pair, generator: torch.optim.Adam, judge: torch.optim.Adam | None
) -> None:
    low, high = method.pool(batch) if isinstance(method, RealESRGAN) else batch
    target = sharpen(high) if isinstance(method, RealESRGAN) else high
    fake = _upscaled(method.generator, low)
    generator.zero_grad()
    loss = method.pixel_weight * method.pixel(fake, target)
    if method.perceptual_weight:
        assert isinstance(method.perceptual, VGG19)
        loss = loss + method.perceptual_weight * _perceptual(method.perceptual, fake, target)
    if judge is None or method.discriminator is None:
        loss.backward()
        generator.step()
        return
    _set_trainable([method.discriminator], False)
    (loss + method.adversarial_weight * _fool(method.adversarial, method.discriminator, fake, high)).backward()
    generator.step()

    _set_trainable([method.discriminator], True)
    judge.zero_grad()
    _backward_twice(method.adversarial, method.discriminator, high, fake.detach())
    judge.step()
    method.adversarial.constrain(method.discriminator)


def _upscaled(generator: nn.Module, low: Tensor) -> Tensor:
    """As the published network does it, layer by layer."""
    if not isinstance(generator, RRDBNet):
        return generator(low)
    deep = shallow = generator.stem(generator.unshuffle(low))
    for block in generator.blocks:
        dense = deep
        for layers in block.residual:
            first, *inner, last = layers.convolutions
            seen = [dense, F.leaky_relu(first(dense), 0.2, inplace=True)]
            for convolution in inner:
                seen.append(F.leaky_relu(convolution(torch.cat(seen, 1)), 0.2, inplace=True))
            dense = last(torch.cat(seen, 1)) * 0.2 + dense
        deep = dense * 0.2 + deep
    image = shallow + generator.trunk(deep)
    for up in generator.up:
        image = F.interpolate(image, scale_factor=up.factor, mode="nearest")
        image = F.leaky_relu(up[1](image), 0.2, inplace=True)
    return generator.head(image)


def _perceptual(vgg: VGG19, fake: Tensor, target: Tensor) -> Tensor:
    found = _features(vgg, fake)
    with torch.no_grad():
        targets = _features(vgg, target)
    return _total({name: weight * F.l1_loss(found[name], targets[name]) for name, weight in vgg.layers.items()})


def _features(vgg: VGG19, image: Tensor) -> dict[str, Tensor]:
    found, image = {}, (image - vgg.get_buffer("_mean")) / vgg.get_buffer("_deviation")
    last = max(map(VGG19_LAYERS.index, vgg.layers))
    for name in VGG19_LAYERS[: last + 1]:
        if name in ("conv2_1", "conv3_1", "conv4_1", "conv5_1"):
            image = F.max_pool2d(image, 2)
        found[name] = F.conv2d(image, vgg.get_buffer(f"{name}_weight"), vgg.get_buffer(f"{name}_bias"), padding=1)
        image = F.relu(found[name], inplace=name not in vgg.layers)
    return found


def _fool(adversarial: Adversarial, judge: Judge, fake: Tensor, real: Tensor) -> Tensor:
    if isinstance(adversarial, RelativisticPairing):
        real_logits = judge(real).detach()
        return F.softplus(real_logits - judge(fake)).mean()
    if not isinstance(adversarial, RelativisticAverage):
        return adversarial.generator(judge(fake))
    real_logits, fake_logits = judge(real).detach(), judge(fake)
    return 0.5 * (
        _cross_entropy(real_logits - fake_logits.mean(), 0) + _cross_entropy(fake_logits - real_logits.mean(), 1)
    )


def _discriminate(
    adversarial: Adversarial, judge: Judge, real: Tensor, fake: Tensor, *, fakes_first: bool = False
) -> Tensor:
    if fakes_first:
        fake_logits, real_logits = judge(fake), judge(real)
    else:
        real_logits, fake_logits = judge(real), judge(fake)
    loss = _total(adversarial.discriminator(real_logits, fake_logits))
    if adversarial.r1_weight:  # at every step
        image = real.clone().requires_grad_()
        (slope,) = torch.autograd.grad(judge(image).flatten(1).mean(1).sum(), image, create_graph=True)
        loss = loss + 0.5 * adversarial.r1_weight * slope.square().sum() / len(real)
    if not isinstance(adversarial, WassersteinPenalty):
        return loss
    epsilon = torch.rand(len(real), 1, 1, 1, dtype=real.dtype)
    between = (epsilon * real + (1 - epsilon) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(judge(between).flatten(1).mean(1).sum(), between, create_graph=True)
    return loss + adversarial.penalty_weight * (slope.square().sum((1, 2, 3)).sqrt() - 1).square().mean()


def _backward_twice(adversarial: Adversarial, judge: Judge, real: Tensor, fake: Tensor) -> None:
    """As ESRGAN's discriminator is published: each term has a pass of the fakes of its own."""
    if not isinstance(adversarial, RelativisticAverage):
        _discriminate(adversarial, judge, real, fake).backward()
        return
    fake_logits, real_logits = judge(fake).detach(), judge(real)
    (0.5 * _cross_entropy(real_logits - fake_logits.mean(), 1)).backward()
    fake_logits = judge(fake)  # once more, with a graph
    (0.5 * _cross_entropy(fake_logits - real_logits.mean().detach(), 0)).backward()


def _cross_entropy(logits: Tensor, target: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def _total(terms: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()


def _set_trainable(networks: Iterable[nn.Module], trainable: bool) -> None:
    for network in networks:
        network.requires_grad_(trainable)
