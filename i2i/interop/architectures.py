"""Published upscalers and restorers of architectures that are not ours: spandrel recognises and builds them.

https://github.com/chaiNNer-org/spandrel (MIT). The state dict is read by `i2i.interop.files` as data; spandrel is given
its tensors and never a file, so that nothing of a file is unpickled as code.
"""

import hashlib
import json
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

import torch
from torch import Tensor

from i2i.data.cache import cache_folder
from i2i.extras import install_hint
from i2i.interop.tile_rules import TileRule, measure_tiles
from i2i.networks.generators.spandrel import ArchitectureGenerator
from i2i_runtime.files import write_atomically

_TIMED_SIDE, _TIMED_ROUNDS = 96, 3  # pixels of the image by which the memory layouts are compared, and forward passes
_MEASURED = "2"  # the version of the measurement, in the names of its files


class NotRecognised(ValueError):
    """A state dict that spandrel does not know, or that it was not here to know."""


def load_architecture(
    state: Mapping[str, Tensor], *, notify: Callable[[str], None] = lambda message: None
) -> ArchitectureGenerator:
    """Build the network of a published state dict that spandrel knows, on the CPU in eval mode, with tiles measured,
    of which `notify` gets a line where it takes time.

    Raises NotRecognised where spandrel is not installed or does not know the state dict, and ValueError where it can't
    build it or it is no network from one image to another.
    """
    try:
        import spandrel
    except ImportError:
        hint = install_hint("architectures")
        raise NotRecognised(f"{hint} brings spandrel, which knows many more (SwinIR, HAT, DAT, ...)") from None
    try:
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
            warnings.simplefilter("ignore")  # about torch.meshgrid and empty tensors, in its networks
            descriptor = spandrel.ModelLoader().load_from_state_dict(dict(state))
    except spandrel.UnsupportedModelError:
        raise NotRecognised(f"none of the {len(spandrel.MAIN_REGISTRY)} architectures of spandrel either") from None
    except Exception as error:  # what a damaged state dict makes of its code
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"spandrel recognises it, but can't build it ({type(error).__name__}: {reason})") from error
    if not isinstance(descriptor, spandrel.ImageModelDescriptor):
        raise ValueError(f"{descriptor.architecture.name}: fills holes of images by a mask; only images are given here")
    warnings.filterwarnings("ignore", "torch.meshgrid")  # in forward passes of some, for their developers
    generator = ArchitectureGenerator(descriptor).float().eval()
    set_measured(generator, state, notify)
    return generator


class Measured(NamedTuple):
    """What is measured of weights: their `TileRule`, and whether channels-last is the faster memory layout."""

    tile_step: int
    overlap: int
    channels_last: bool


def set_measured(
    generator: ArchitectureGenerator, state: Mapping[str, Tensor], notify: Callable[[str], None] = lambda message: None
) -> None:
    """Set what is measured once for these weights on this machine, and then kept in the cache."""
    file = cache_folder("weights") / "measured" / f"{_fingerprint(state)}-{_MEASURED}.json"
    try:
        found = Measured(*map(int, json.loads(file.read_text())))  # type: ignore[arg-type]
    except (OSError, ValueError, TypeError):
        notify(f"{generator.architecture}: measuring how its tiles must overlap, once for these weights (seconds)")
        found = measure(generator)
        notify(f"tiles {f'share {found.overlap} pixels' if found.overlap else 'are not possible: whole images only'}")
        with suppress(OSError):  # measured again the next time
            file.parent.mkdir(parents=True, exist_ok=True)
            with write_atomically(file) as temporary:
                temporary.write_text(json.dumps(found))
    generator.tile_step, generator.overlap, generator.channels_last = found


def measure(generator: ArchitectureGenerator) -> Measured:
    """Measure a generator. Does not change the random numbers of the process."""

    def network(image: Tensor) -> Tensor:
        torch.manual_seed(0)  # some draw noise
        return generator(image)

    # Not in inference mode: weights that are laid out in it could not be trained.
    with torch.no_grad(), torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above
        rule = TileRule(0, 0)
        if not (generator.needs_square or generator.only_side):  # whole images only
            rule = measure_tiles(
                network,
                channels=generator.in_channels,
                scale=generator.scale,
                multiple_of=generator.multiple_of,
                min_size=generator.min_size,
            )
        return Measured(*rule, _is_faster_channels_last(generator))


def _is_faster_channels_last(generator: ArchitectureGenerator) -> bool:
    """Whether channels-last takes less of the processors' time than contiguous memory; true for a network of large
    images only, which would take long, and false for one with weights of five axes, which have no such layout, or one
    that does not run in it.
    """
    if any(weight.ndim == 5 for weight in (*generator.parameters(), *generator.buffers())):
        return False
    if generator.only_side or generator.min_size > _TIMED_SIDE:
        return True
    side = -(-max(generator.min_size, _TIMED_SIDE) // generator.multiple_of) * generator.multiple_of
    image = torch.rand(1, generator.in_channels, side, side)
    taken: dict[torch.memory_format, list[float]] = {torch.contiguous_format: [], torch.channels_last: []}
    try:
        for _ in range(_TIMED_ROUNDS):
            for layout, seconds in taken.items():
                generator.to(memory_format=layout)
                begin = time.process_time()
                generator(image)
                seconds.append(time.process_time() - begin)
    except RuntimeError:  # of a network such as IPT, which takes its features for contiguous memory
        if not taken[torch.contiguous_format]:
            raise
        return False
    finally:
        generator.to(memory_format=torch.contiguous_format)
    contiguous, channels_last = (min(seconds) for seconds in taken.values())
    return channels_last < contiguous


def _fingerprint(state: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for key, tensor in sorted(state.items()):
        digest.update(f"{key} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:32]
