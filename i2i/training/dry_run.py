"""A dry run of a method's networks before training, on tensors without values: what is wrong with a plugin is said when
the run is built.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.func import functional_call

from i2i.data.batch import Images, LabelledUnpaired, Pair, PairAndReal, Segmentation, Unpaired, image_fields
from i2i.devices import preserve_random_state
from i2i.methods.base import Method
from i2i.methods.generation import Generation
from i2i.methods.segmentation import SemanticSegmentation
from i2i.methods.translation import Translation
from i2i.networks.discriminators.base import Discriminator
from i2i.networks.generators.base import ImageGenerator, LatentGenerator
from i2i.networks.segmenters.base import Segmenter
from i2i.recipe import Optimizer
from i2i.registry import describe, plugin_line
from i2i.training.update import TrainingUpdate

_BATCH = 2

# The number of the first step, and of one far on: a method may begin with steps of another kind, or train its generator
# at every fifth step alone.
_TRIED = (0, 10**9 - 1)

# Of the classes that methods derive from: the batches that there are samples of, and the kind of their products.
_KINDS: dict[type, tuple[tuple[type, ...], type]] = {
    Translation: ((Pair, PairAndReal, Unpaired, LabelledUnpaired), ImageGenerator),
    Generation: ((Images,), LatentGenerator),
    SemanticSegmentation: ((Segmentation,), Segmenter),
}

Size = tuple[int, int]  # height and width in pixels


class _Pass(NamedTuple):
    """A forward pass of a network, and the shape that its class promises; None: any that starts with the batch."""

    network: nn.Module
    inputs: tuple[Tensor, ...]
    promise: str
    shape: tuple[int, ...] | None = None


def check_contract(method: Method) -> None:
    """Raises ValueError where a method derives from no kind of method, or its batch, players and products are not
    what they have to be.
    """
    who = describe(type(method))
    found = next((_KINDS[base] for base in type(method).__mro__ if base in _KINDS), None)
    if found is None:
        *first, last = (f"{base.__module__}.{base.__name__}" for base in _KINDS)
        raise ValueError(f"{who}: derive it from {', '.join(first)} or {last}")
    batches, kind = found
    if method.batch not in batches:
        allowed = ", ".join(f"i2i.data.batch.{batch.__name__}" for batch in batches)
        raise ValueError(
            f"{who}.batch is {describe(method.batch)}, of which there are no samples; choose from: {allowed}"
        )
    for member, wanted in (("players", nn.Module), ("products", kind)):
        networks = getattr(method, member)()
        if not isinstance(networks, Mapping) or not networks:
            given = "nothing" if isinstance(networks, Mapping) else f"a {type(networks).__name__}"
            raise ValueError(f"{who}.{member} gives {given}; allowed: a mapping of names to networks")
        for name, network in networks.items():
            if not isinstance(network, wanted):
                raise ValueError(f"{who}.{member}: {name!r} is a {type(network).__name__}, no {wanted.__name__}")
    for name, product in method.products().items():
        if not hasattr(product, "spec"):  # a checkpoint keeps it, to build the generator again
            raise ValueError(
                f"{who}.products: {name!r} is a {type(product).__name__} that no recipe describes, so that it could "
                f"not be loaded again; let {type(method).__name__} take it as an option, as i2i/methods/README.md shows"
            )

    owned = {id(weight) for player in method.players().values() for weight in player.parameters()}
    for name, weight in method.named_parameters():
        if weight.requires_grad and id(weight) not in owned:
            raise ValueError(f"{who}.players: {name} belongs to no player, so that it would never be trained")


def check_networks(method: Method, *sizes: Size) -> None:
    """Raises ValueError for a network that fails on images of the sizes of training, one for each image field of the
    batch, or whose output has not the shape that its class promises.
    """
    if isinstance(method, Translation):
        passes = _of_images(method, *sizes)
    else:
        passes = _of_labels(method, *sizes) if isinstance(method, SemanticSegmentation) else _of_noise(method, *sizes)
    for network, inputs, promise, expected in passes:
        shape, given = _output_shape(network, *inputs), tuple(inputs[0].shape)
        if shape != expected if expected else shape[:1] != (_BATCH,):
            who = describe(type(network))
            raise ValueError(f"{who}: gives {shape} for {given}; expected {expected or (_BATCH, '...')}: {promise}")


def check_step(method: Method, optimizer: Optimizer, sample: Any, batch_size: int) -> None:
    """Raises ValueError where a training step, the first or one far on, fails on a batch like `sample`, a batch of one.
    Weights, buffers, random numbers and the sample have no values here; a step that looks at these cannot be tried.
    """
    for step in _TRIED:
        _check_step(method, optimizer, sample, batch_size, step)


def _check_step(method: Method, optimizer: Optimizer, sample: Any, batch_size: int, step: int) -> None:
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    own = {id(tensor): fake.from_tensor(tensor) for tensor in (*method.parameters(), *method.buffers())}
    with fake, suppress(DataDependentOutputException):
        trial = deepcopy(method, own)  # with the tensors of `own` for copies
        batch = type(sample)(*(torch.zeros(batch_size, *each.shape[1:], dtype=each.dtype) for each in sample))
        try:
            update = TrainingUpdate(trial.players(), optimizer)
            update.begin_step(step, 1.0)
            trial.training_step(batch, update)
        except DataDependentOutputException:
            raise
        except Exception as error:
            raise _failure(method, f"fails in its training step on {tuple(batch[0].shape)}", error) from error


def _of_images(method: Translation, *sizes: Size) -> Iterator[_Pass]:
    size_of = dict(zip(image_fields(method.batch), sizes, strict=True))
    directions, products = method.directions(), method.products()
    for name, direction in directions.items():
        generator = products[name]
        height, width = size_of[direction.source]
        shape = (_BATCH, generator.out_channels, generator.scale * height, generator.scale * width)
        images = torch.empty(_BATCH, generator.in_channels, height, width, device="meta")
        yield _Pass(generator, (images,), "(N, out_channels, scale * H, scale * W)", shape)
    for target in {direction.target for direction in directions.values()}:
        yield from _judges(method, size_of[target])


def _of_noise(method: Method, size: Size) -> Iterator[_Pass]:
    for generator in method.networks(LatentGenerator):  # type: ignore[type-abstract]
        z = torch.empty(_BATCH, generator.latent, device="meta")
        shape = (_BATCH, generator.out_channels, generator.size, generator.size)
        yield _Pass(generator, (z, *_labels(generator.classes)), "(N, out_channels, size, size)", shape)
    yield from _judges(method, size)


def _of_labels(method: SemanticSegmentation, size: Size) -> Iterator[_Pass]:
    for segmenter in method.products().values():
        images = torch.empty(_BATCH, segmenter.in_channels, *size, device="meta")
        yield _Pass(segmenter, (images,), "logits (N, classes, H, W)", (_BATCH, segmenter.classes, *size))


def _judges(method: Method, size: Size) -> Iterator[_Pass]:
    for discriminator in method.networks(Discriminator):
        images = torch.empty(_BATCH, discriminator.in_channels, *size, device="meta")
        yield _Pass(discriminator, (images, *_labels(discriminator.classes)), "logits of every image, N first")


def _labels(classes: int) -> list[Tensor]:
    return [torch.zeros(_BATCH, dtype=torch.int64, device="meta")] if classes else []


def _output_shape(network: nn.Module, *inputs: Tensor) -> tuple[int, ...]:
    """Shape of a network's output, of logits of several scales one that is wrong if there is one. A network that looks
    at values cannot run without them: it runs once on zeros.
    """
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    empty: dict[str, Tensor] = {name: fake.from_tensor(tensor) for name, tensor in tensors.items()}
    with torch.no_grad():
        try:
            with fake:
                output = functional_call(network, empty, _zeros(network, inputs))
        except Exception:
            output = _run_on_zeros(network, inputs)
    outputs = output if isinstance(network, Discriminator) and isinstance(output, tuple) and output else (output,)
    for each in outputs:
        if not isinstance(each, Tensor):
            raise ValueError(f"{describe(type(network))}: forward gives {type(each).__name__}, no tensor")
    return min((tuple(each.shape) for each in outputs), key=lambda shape: shape[:1] == (_BATCH,))


def _run_on_zeros(network: nn.Module, inputs: tuple[Tensor, ...]) -> object:
    zeros, training = _zeros(network, inputs), network.training
    try:
        with preserve_random_state(zeros[0].device):
            return network.eval()(*zeros)  # batch statistics stay as they were
    except Exception as error:
        raise _failure(network, f"fails on {tuple(inputs[0].shape)}", error) from error
    finally:
        network.train(training)


def _zeros(network: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    device = next(network.parameters(), torch.empty(0)).device
    return tuple(torch.zeros_like(each, device=device) for each in inputs)


def _failure(network: nn.Module, what: str, error: Exception) -> ValueError:
    where, reason = plugin_line(error), " ".join(str(error).split())[:300]
    return ValueError(f"{describe(type(network))} {what}: {type(error).__name__}: {reason}{where and f' ({where})'}")
